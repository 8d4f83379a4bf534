//! What the transports of NETCONF have in common: whom a session is handed to, and how many there are.
//!
//! It never reads a byte of a session.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

use super::auth::Proof;
use super::listener::Shared;
use super::rates::Connected;
use super::ssh;
use crate::access::{Principal, Standing};
use crate::audit::Who;
use crate::netconf::session::{Pace, Peer, Transport};

/// A stream of bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Runs one session until it ends. It watches the flag that stops the server, and drops the stream to close it.
pub type Handler =
    Arc<dyn Fn(Box<dyn Duplex>, Peer) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What is needed to serve NETCONF.
pub struct Netconf {
    /// Runs the sessions.
    pub handler: Handler,
    /// One permit for each session.
    pub sessions: Arc<Semaphore>,
    /// The host key and the rules of SSH.
    pub ssh: ssh::Rules,
}

/// Runs one session of a user; false if there are too many, or too many from its source.
pub async fn session(
    stream: Box<dyn Duplex>,
    (principal, proof): (Principal, Proof),
    address: SocketAddr,
    transport: Transport,
    source: &Arc<Connected>,
    shared: &Arc<Shared>,
) -> bool {
    let Some(netconf) = &shared.netconf else { return false };
    let Ok(_permit) = netconf.sessions.try_acquire() else {
        shared.measured.sessions.count();
        tracing::warn!(peer = %address, "there are too many sessions");
        shared.trail.too_many(Who::Known(&principal), "session", "too-many-sessions");
        return false;
    };
    let Some(_counted) = source.session() else {
        shared.measured.sessions.count();
        tracing::warn!(peer = %address, "there are too many sessions from there");
        shared.trail.too_many(Who::Known(&principal), "session", "too-many-sessions-of-source");
        return false;
    };
    tracing::info!(peer = %address, user = principal.name, %transport, "a session begins");
    let standing = {
        let (shared, principal) = (Arc::clone(shared), principal.clone());
        Standing::new(move || shared.authenticator.stands(&principal, &proof))
    };
    let pace = {
        let (source, principal, shared) = (Arc::clone(source), principal.clone(), Arc::clone(shared));
        Pace::new(move || {
            let is_allowed = source.asks().is_ok() && source.user_asks(&principal.name).is_ok();
            if !is_allowed {
                shared.measured.too_many.count();
            }
            is_allowed
        })
    };
    (netconf.handler)(stream, Peer { principal, standing, pace, address, transport }).await;
    tracing::info!(peer = %address, "a session has ended");
    true
}
