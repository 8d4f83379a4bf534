//! What the transports of NETCONF have in common: whom a session is handed to, and how many there are.
//!
//! It never reads a byte of a session.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::auth::Proof;
use super::listener::Shared;
use crate::access::{Principal, Standing};
use crate::netconf::session::{Peer, Transport};

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
    pub ssh: Arc<russh::server::Config>,
    /// TLS that asks every client for a certificate, if some are taken.
    pub tls: Option<TlsAcceptor>,
}

/// Runs one session of a user; false if there are too many.
pub async fn session(
    stream: Box<dyn Duplex>,
    (principal, proof): (Principal, Proof),
    address: SocketAddr,
    transport: Transport,
    shared: &Arc<Shared>,
) -> bool {
    let Some(netconf) = &shared.netconf else { return false };
    let Ok(_permit) = netconf.sessions.try_acquire() else {
        tracing::warn!(peer = %address, "there are too many sessions");
        return false;
    };
    tracing::info!(peer = %address, user = principal.name, %transport, "a session begins");
    let standing = {
        let (shared, principal) = (Arc::clone(shared), principal.clone());
        Standing::new(move || shared.authenticator.stands(&principal, &proof))
    };
    (netconf.handler)(stream, Peer { principal, standing, address, transport }).await;
    tracing::info!(peer = %address, "a session has ended");
    true
}
