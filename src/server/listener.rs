//! Sockets: binds, accepts, shakes hands, and serves HTTP/1.1 and HTTP/2 within the limits until the server stops.
//!
//! It never reads a request beyond its head; that is the router's work.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::Service;

use super::auth::Authenticator;
use super::certificates::{Clients, Identity};
use super::netconf::{self, Netconf};
use super::refusal::Refusals;
use super::shutdown::Shutdown;
use super::ssh;
use super::stream::Stream;
use super::tls::{self, HTTP2};
use super::upload::Upload;
use crate::access::{AuthError, Caller, Standing};
use crate::clock::Clock;
use crate::config::{Keepalives, ListenAddress};
use crate::limits::Limits;
use crate::netconf::session::Transport;

/// How long to wait after a failed `accept`, which is mostly a lack of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Longest list of header fields in HTTP/2, whose library cannot hand on longer paths.
const HTTP2_HEADER_BYTES_MAX: usize = 65_000;
const HTTP2_PING: Duration = Duration::from_secs(30);
/// A silence without an end, for the sums that are made with it.
pub const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP/1.1 and HTTP/2 over TLS.
    Https,
    /// HTTP/1.1 on a loopback address.
    Http,
    /// NETCONF over SSH.
    Ssh,
    /// NETCONF over TLS.
    Tls,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scheme::Https => "https",
            Scheme::Http => "http",
            Scheme::Ssh => "ssh",
            Scheme::Tls => "tls",
        })
    }
}

/// A socket that listens, but does not accept yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    /// Where it listens, with the port that it really has.
    pub address: SocketAddr,
    /// What is spoken.
    pub scheme: Scheme,
}

/// Listens at an address. Plain HTTP is refused ([`io::ErrorKind::PermissionDenied`]) on all but loopback addresses.
pub async fn bind(address: &ListenAddress, scheme: Scheme) -> io::Result<Bound> {
    let listener = TcpListener::bind((address.host.as_str(), address.port)).await?;
    let address = listener.local_addr()?;
    if scheme == Scheme::Http && !address.ip().is_loopback() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "plain HTTP is allowed on loopback addresses only",
        ));
    }
    Ok(Bound { listener, address, scheme })
}

/// What all connections of a server share.
pub struct Shared {
    /// Answers the requests. Each request has the extensions [`SocketAddr`] (of the client), its `Scheme` and [`Caller`], and no
    /// `Authorization` field.
    pub router: axum::Router,
    /// Checks the credentials.
    pub authenticator: Authenticator,
    /// The limits.
    pub limits: Limits,
    /// For HTTPS.
    pub tls: TlsAcceptor,
    /// Whom certificates of clients stand for, if clients are asked for one.
    pub clients: Option<Arc<Clients>>,
    /// Runs NETCONF sessions, if there are to be any.
    pub netconf: Option<Netconf>,
    /// The time.
    pub clock: Clock,
    /// When to stop.
    pub shutdown: Shutdown,
    /// One permit for each connection.
    pub connections: Arc<Semaphore>,
}

/// Accepts until the server stops; then lets the requests end that are being answered, for `drain_s` at most.
pub async fn run(bound: Bound, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        // Before accepting: what is too much waits in the queue of the operating system.
        let next = async {
            let permit = Arc::clone(&shared.connections).acquire_owned().await;
            (permit, bound.listener.accept().await)
        };
        tokio::select! {
            () = shared.shutdown.begun() => break,
            Some(ended) = connections.join_next() => report(ended),
            (permit, accepted) = next => match accepted {
                Ok((tcp, peer)) => {
                    if bound.scheme == Scheme::Tls
                        && let Err(error) = keep_alive(&tcp, Keepalives::default())
                    {
                        tracing::debug!(%peer, %error, "cannot set TCP keepalives");
                    }
                    let (shared, scheme) = (Arc::clone(&shared), bound.scheme);
                    connections.spawn(async move {
                        let _permit = permit;
                        let patience = Patience::of(scheme, &shared.limits);
                        connection(tcp, peer, scheme, patience, &shared).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, listener = %bound.address, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            },
        }
    }
    drop(bound);
    let drained = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if timeout(Duration::from_secs(shared.limits.drain_s), drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections are cut off, they took too long to end");
    }
    connections.shutdown().await;
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection ended badly");
    }
}

/// Has TCP ask whether the other side is still there, and end the connection if it is not.
pub fn keep_alive(tcp: &TcpStream, keepalives: Keepalives) -> io::Result<()> {
    let seconds = |count: u16| Duration::from_secs(count.into());
    let keepalives = TcpKeepalive::new()
        .with_time(seconds(keepalives.idle_time))
        .with_interval(seconds(keepalives.probe_interval))
        .with_retries(keepalives.max_probes.into());
    SockRef::from(tcp).set_tcp_keepalive(&keepalives)
}

/// How long a connection may be silent.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Whatever is being waited for.
    pub idle: Duration,
    /// Before and inside of the head of a request of HTTP/1.1.
    pub header: Duration,
    /// Between two questions of HTTP/2 whether the client is still there, each of which breaks the silence.
    pub ping: Option<Duration>,
}

impl Patience {
    /// With a connection that a client has made. A session of NETCONF may be silent as long as its client answers TCP or SSH.
    fn of(scheme: Scheme, limits: &Limits) -> Patience {
        let idle = match scheme {
            Scheme::Https | Scheme::Http => Duration::from_secs(limits.idle_timeout_s),
            Scheme::Ssh | Scheme::Tls => FOREVER,
        };
        Patience { idle, header: Duration::from_secs(limits.header_timeout_s), ping: Some(HTTP2_PING) }
    }
}

/// What is known of a connection when its first request comes.
struct Connection {
    version: Version,
    scheme: Scheme,
    peer: SocketAddr,
    identity: Option<Identity>,
    patience: Patience,
}

/// Serves one connection until it ends, whoever has made it. False if the client does not know the protocol, or has not proved
/// who it is where that comes first.
pub async fn connection(
    tcp: TcpStream,
    peer: SocketAddr,
    scheme: Scheme,
    patience: Patience,
    shared: &Arc<Shared>,
) -> bool {
    // Answers are written whole; waiting for more would only delay them.
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
    }
    let stream = Stream::new(tcp, patience.idle, &shared.limits, shared.shutdown.clone());
    let mut connection = Connection { version: Version::HTTP_11, scheme, peer, identity: None, patience };
    match scheme {
        Scheme::Http => http(Refusals::new(stream), connection, shared).await,
        Scheme::Https => {
            let Some((tls, identity)) = handshake(stream, &shared.tls, peer, shared).await else {
                return false;
            };
            connection.identity = identity;
            if tls.get_ref().1.alpn_protocol() == Some(HTTP2) {
                connection.version = Version::HTTP_2;
                http(tls, connection, shared).await;
            } else {
                http(Refusals::new(tls), connection, shared).await;
            }
        }
        Scheme::Ssh => return ssh::serve(stream, peer, shared).await,
        Scheme::Tls => {
            let Some(acceptor) = shared.netconf.as_ref().and_then(|netconf| netconf.tls.as_ref()) else {
                return false;
            };
            let Some((tls, identity)) = handshake(stream, acceptor, peer, shared).await else { return false };
            let user = identity.ok_or(AuthError::Missing);
            match user.and_then(|identity| shared.authenticator.by_certificate(&identity)) {
                Ok(user) => netconf::session(Box::new(tls), user, peer, Transport::Tls, shared).await,
                Err(error) => {
                    tracing::warn!(%peer, %error, "credentials were refused");
                    return false;
                }
            }
        }
    }
    true
}

/// TLS, and whom the client's certificate stands for if it has shown one. `None`: there is neither.
async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    acceptor: &TlsAcceptor,
    peer: SocketAddr,
    shared: &Shared,
) -> Option<(TlsStream<S>, Option<Identity>)> {
    let handshake = timeout(Duration::from_secs(shared.limits.handshake_timeout_s), acceptor.accept(stream));
    let tls = tokio::select! {
        () = shared.shutdown.begun() => return None,
        result = handshake => match result {
            Ok(Ok(tls)) => tls,
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "no TLS");
                return None;
            }
            Err(_) => {
                tracing::debug!(%peer, "the TLS handshake took too long");
                return None;
            }
        },
    };
    match identity(tls.get_ref().1, shared) {
        Ok(identity) => Some((tls, identity)),
        Err(error) => {
            tracing::warn!(%peer, %error, "a certificate was refused");
            None
        }
    }
}

/// Whom the client's certificate stands for. Asked after the handshake too, since a session that is resumed (RFC 8446 section
/// 2.2) brings the certificate of an earlier one without having it verified.
fn identity(tls: &rustls::ServerConnection, shared: &Shared) -> Result<Option<Identity>, rustls::Error> {
    match (&shared.clients, tls.peer_certificates()) {
        (Some(clients), Some(chain)) => clients.identify(chain, tls::time(&shared.clock)).map(Some),
        _ => Ok(None),
    }
}

async fn http<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    connection: Connection,
    shared: &Arc<Shared>,
) {
    let Connection { version, scheme, peer, identity, patience } = connection;
    let identity = identity.map(Arc::new);
    let service = service_fn(|mut request: Request<Incoming>| {
        let (shared, identity) = (Arc::clone(shared), identity.clone());
        async move {
            let caller =
                shared.authenticator.authenticate(request.headers(), peer, identity.as_deref()).await;
            // So that no log of requests can hold a secret.
            request.headers_mut().remove(AUTHORIZATION);
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(match scheme {
                Scheme::Http => axum::http::uri::Scheme::HTTP,
                _ => axum::http::uri::Scheme::HTTPS,
            });
            match &caller {
                Ok((principal, proof)) => {
                    let (shared, principal, proof) = (Arc::clone(&shared), principal.clone(), proof.clone());
                    let holds = move || shared.authenticator.stands(&principal, &proof);
                    request.extensions_mut().insert(Standing::new(holds));
                }
                Err(AuthError::Missing) => {}
                Err(error) => tracing::warn!(%peer, %error, "credentials were refused"),
            }
            request.extensions_mut().insert(Caller(caller.map(|(principal, _)| principal)));
            let mut router = shared.router.clone();
            if version == Version::HTTP_2 {
                let linger = Duration::from_secs(shared.limits.linger_s);
                router.call(request.map(|body| Upload::new(body, linger))).await
            } else {
                router.call(request).await
            }
        }
    });
    let protocol = protocol(version, patience, &shared.limits);
    let mut connection = std::pin::pin!(protocol.serve_connection(TokioIo::new(stream), service));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shared.shutdown.begun() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, error, "a connection ended early");
    }
}

/// One version alone: telling them apart by their first bytes would wait for these without a limit.
fn protocol(version: Version, patience: Patience, limits: &Limits) -> auto::Builder<TokioExecutor> {
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut builder = if version == Version::HTTP_2 { builder.http2_only() } else { builder.http1_only() };
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.header)
        .max_headers(limits.header_fields_max)
        .max_buf_size(limits.header_bytes_max);
    let header_bytes_max = limits.header_bytes_max.min(HTTP2_HEADER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(patience.ping)
        .keep_alive_timeout(HTTP2_PING)
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(u32::try_from(header_bytes_max).unwrap_or(u32::MAX));
    builder
}
