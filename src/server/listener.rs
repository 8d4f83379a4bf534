//! Sockets: binds, accepts, shakes hands, and serves HTTP/1.1 and HTTP/2 within the limits until the server stops.
//!
//! It never reads a request beyond its head; that is the router's work.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::body::{Body as _, Incoming};
use hyper::header::{AUTHORIZATION, HeaderValue, STRICT_TRANSPORT_SECURITY};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use rustls::ServerConfig;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::audit;
use super::auth::Authenticator;
use super::certificates::Shown;
use super::configured::Configured;
use super::judgement::Judgement;
use super::measured::Measured;
use super::netconf::{self, Netconf};
use super::operations::Operations;
use super::proved::{Proved, Recalled};
use super::rates::{Connected, Rates};
use super::refusal::Refusals;
use super::renewal::Certificates;
use super::shutdown::Shutdown;
use super::ssh;
use super::stream::Stream;
use super::tls::HTTP2;
use super::traces::{self, Traces};
use super::upload::Upload;
use crate::access::{AuthError, Caller, Method, Protocol, Source};
use crate::audit::{Trail, Who};
use crate::clock::{Clock, Stopwatch};
use crate::config::{Keepalives, ListenAddress};
use crate::limits::{InForce, Limits};
use crate::netconf::session::Transport;
use crate::trace;

/// How long to wait after a failed `accept`, which is mostly a lack of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// How long it is not said again that one failed.
const SAY_AGAIN: Duration = Duration::from_secs(60);
/// How many header fields the library takes in HTTP/1.1 if it is not told.
const HTTP1_HEADER_FIELDS: usize = 100;
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

impl Scheme {
    /// What requests come by.
    fn protocol(self) -> Protocol {
        match self {
            Scheme::Https | Scheme::Http => Protocol::Restconf,
            Scheme::Ssh => Protocol::NetconfSsh,
            Scheme::Tls => Protocol::NetconfTls,
        }
    }
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

/// Answers requests. They have no `Authorization` field any more: what was found out is in the [`Caller`].
pub type Front = Arc<dyn Fn(Request<Body>, Caller) -> Answer + Send + Sync>;

/// An answer that is being made.
pub type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// What all connections of a server share.
pub struct Shared {
    /// Answers the requests.
    pub front: Front,
    /// Checks the credentials.
    pub authenticator: Authenticator,
    /// What the configuration says of all this.
    pub configured: Arc<Configured>,
    /// The limits.
    pub limits: InForce,
    /// What users and sources may ask for.
    pub rates: Arc<Rates>,
    /// The value of `Strict-Transport-Security`, for answers over TLS.
    pub hsts: HeaderValue,
    /// For TLS: the server's own and the rules for those of clients.
    pub certificates: Certificates,
    /// Runs NETCONF sessions, if there are to be any.
    pub netconf: Option<Netconf>,
    /// The time.
    pub clock: Clock,
    /// Where it is noted who came.
    pub trail: Trail,
    /// Where it is told what is done for whom.
    pub traces: Traces,
    /// The model that is asked, which a reload replaces.
    pub judgement: Arc<Judgement>,
    /// When to stop.
    pub shutdown: Shutdown,
    /// One permit for each connection.
    pub connections: Arc<Semaphore>,
    /// How many of them there are.
    pub connections_max: usize,
    /// What is told of the server's health.
    pub operations: Arc<Operations>,
    /// What is counted here.
    pub measured: Measured,
}

/// Accepts until the server stops, or this listener does (`stop`). What was accepted goes on; once the server stops, the requests
/// that are being answered may end, for `drain_s` at most.
pub async fn run(bound: Bound, shared: Arc<Shared>, stop: Shutdown) {
    let (mut connections, mut not_accepted) = (JoinSet::new(), NotAccepted::default());
    loop {
        // Before accepting: what is too much waits in the queue of the operating system.
        let next = async {
            let permit = Arc::clone(&shared.connections).acquire_owned().await;
            (permit, bound.listener.accept().await)
        };
        tokio::select! {
            () = shared.shutdown.begun() => break,
            () = stop.begun() => break,
            Some(ended) = connections.join_next() => report(ended),
            (permit, accepted) = next => match accepted {
                Ok((tcp, peer)) => {
                    shared.configured.follow(&shared);
                    let Some(source) = shared.rates.connect(peer.ip()) else {
                        shared.measured.connections.count();
                        tracing::debug!(%peer, "a connection is closed, there are too many from there");
                        let source = Source { protocol: bound.scheme.protocol(), address: peer };
                        let who = Who::Claimed { user: "", method: None, source };
                        shared.trail.too_many(who, "connection", "too-many-connections");
                        continue;
                    };
                    if bound.scheme == Scheme::Tls
                        && let Err(error) = keep_alive(&tcp, Keepalives::default())
                    {
                        tracing::debug!(%peer, %error, "cannot set TCP keepalives");
                    }
                    let (shared, scheme) = (Arc::clone(&shared), bound.scheme);
                    connections.spawn(async move {
                        let _permit = permit;
                        let patience = Patience::of(scheme, &shared.limits);
                        connection(tcp, peer, scheme, patience, source, &shared).await;
                    });
                }
                Err(error) => not_accepted.wait(&error, bound.address).await,
            },
        }
    }
    drop(bound);
    // None is left where the listener alone has stopped, and lived on until they were gone.
    tokio::select! {
        () = drained(&mut connections) => {}
        () = shared.shutdown.begun() => {}
    }
    let patience = Duration::from_secs(shared.limits.drain_s);
    if timeout(patience, drained(&mut connections)).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections are cut off, they took too long to end");
    }
    connections.shutdown().await;
}

/// Failures to accept a connection, which come several in a second where descriptors are used up.
#[derive(Debug, Default)]
pub struct NotAccepted {
    said: Option<Stopwatch>,
    unsaid: u64,
}

impl NotAccepted {
    /// Waits for a moment, and says so unless it was said a short time ago.
    pub async fn wait(&mut self, error: &io::Error, listener: SocketAddr) {
        if let Some(unsaid) = self.count() {
            tracing::warn!(%error, %listener, unsaid, "cannot accept a connection");
        }
        tokio::time::sleep(ACCEPT_AGAIN).await;
    }

    /// How many there were since one was said, if this one is to be said.
    fn count(&mut self) -> Option<u64> {
        if self.said.is_some_and(|said| said.elapsed() < SAY_AGAIN) {
            self.unsaid += 1;
            return None;
        }
        self.said = Some(Stopwatch::start());
        Some(std::mem::take(&mut self.unsaid))
    }
}

async fn drained(connections: &mut JoinSet<()>) {
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
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
    source: Arc<Connected>,
    shown: Option<Arc<Shown>>,
    patience: Patience,
    recalled: Recalled,
}

/// Serves one connection until it ends, whoever has made it. False if the client does not know the protocol, or has not proved
/// who it is where that comes first.
pub async fn connection(
    tcp: TcpStream,
    peer: SocketAddr,
    scheme: Scheme,
    patience: Patience,
    source: Connected,
    shared: &Arc<Shared>,
) -> bool {
    // Answers are written whole; waiting for more would only delay them.
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
    }
    let linger = Duration::from_secs(shared.limits.linger_s);
    let stream = Stream::new(tcp, patience.idle, linger, shared.shutdown.clone());
    let source = Arc::new(source);
    let (version, shown, recalled) = (Version::HTTP_11, None, Recalled::default());
    let mut connection = Connection { version, scheme, peer, source, shown, patience, recalled };
    match scheme {
        Scheme::Http => http(Refusals::new(stream, None), connection, shared).await,
        Scheme::Https => {
            // Boxed, for the room that a handshake takes is not needed afterwards.
            let config = shared.certificates.https();
            let tls = Box::pin(handshake(stream, config, peer, Protocol::Restconf, shared)).await;
            let Some((tls, shown)) = tls else { return false };
            connection.shown = shown;
            if tls.get_ref().1.alpn_protocol() == Some(HTTP2) {
                connection.version = Version::HTTP_2;
                Box::pin(http(tls, connection, shared)).await;
            } else {
                let stream = Refusals::new(tls, Some(shared.hsts.clone()));
                Box::pin(http(stream, connection, shared)).await;
            }
        }
        Scheme::Ssh => return Box::pin(ssh::serve(stream, peer, connection.source, shared)).await,
        Scheme::Tls => {
            let Some(config) = shared.certificates.netconf() else { return false };
            let tls = Box::pin(handshake(stream, config, peer, Protocol::NetconfTls, shared)).await;
            let Some((tls, shown)) = tls else { return false };
            let from = Source { protocol: Protocol::NetconfTls, address: peer };
            let name = shown.as_ref().map(|shown| shown.name().to_owned()).unwrap_or_default();
            let user = shown.ok_or(AuthError::Missing);
            match user.and_then(|shown| shared.authenticator.by_certificate(&shown)) {
                Ok((principal, proof)) => {
                    let user = (principal.from(from), proof);
                    shared.trail.authenticated(&user.0);
                    let (source, transport) = (connection.source, Transport::Tls);
                    Box::pin(netconf::session(tls, user, peer, transport, &source, shared)).await;
                }
                Err(error) => {
                    shared.measured.credentials.count();
                    tracing::warn!(%peer, %error, "credentials were refused");
                    shared.trail.not_authenticated(&name, Some(Method::Certificate), from, &error);
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
    config: Arc<ServerConfig>,
    peer: SocketAddr,
    protocol: Protocol,
    shared: &Shared,
) -> Option<(Box<TlsStream<S>>, Option<Arc<Shown>>)> {
    let handshake = TlsAcceptor::from(config).accept(stream);
    let handshake = timeout(Duration::from_secs(shared.limits.handshake_timeout_s), handshake);
    let tls = tokio::select! {
        () = shared.shutdown.begun() => return None,
        result = handshake => match result {
            Ok(Ok(tls)) => tls,
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "no TLS");
                if audit::is_about_certificate(&error) {
                    certificate_refused(peer, protocol, shared);
                }
                return None;
            }
            Err(_) => {
                tracing::debug!(%peer, "the TLS handshake took too long");
                return None;
            }
        },
    };
    // After the handshake too, since a session that is resumed (RFC 8446 section 2.2) brings the certificate of an earlier
    // one without having it verified.
    let shown = tls.get_ref().1.peer_certificates().map(|chain| shared.certificates.shown(chain));
    match shown.transpose() {
        Ok(shown) => Some((Box::new(tls), shown)),
        Err(error) => {
            tracing::warn!(%peer, %error, "a certificate was refused");
            certificate_refused(peer, protocol, shared);
            None
        }
    }
}

fn certificate_refused(peer: SocketAddr, protocol: Protocol, shared: &Shared) {
    let source = Source { protocol, address: peer };
    shared.trail.not_authenticated("", Some(Method::Certificate), source, &AuthError::WrongCertificate);
}

/// Serves HTTP of one version on a connection until it ends. Telling the versions apart by their first bytes would wait
/// for these without a limit.
async fn http<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    connection: Connection,
    shared: &Arc<Shared>,
) {
    let (limits, patience, peer) = (&shared.limits, connection.patience, connection.peer);
    let is_http2 = connection.version == Version::HTTP_2;
    let service = {
        let (shared, connection) = (Arc::clone(shared), Arc::new(connection));
        // An answer is on its way for a short time, its room would be taken for as long as the connection lasts.
        service_fn(move |request| Box::pin(answer(Arc::clone(&shared), request, Arc::clone(&connection))))
    };
    let stream = TokioIo::new(stream);
    let ended = if is_http2 {
        let header_bytes_max = limits.header_bytes_max.min(HTTP2_HEADER_BYTES_MAX);
        let mut protocol = http2::Builder::new(TokioExecutor::new());
        protocol
            .timer(TokioTimer::new())
            .keep_alive_interval(patience.ping)
            .keep_alive_timeout(HTTP2_PING)
            .max_concurrent_streams(limits.streams_max)
            .max_header_list_size(u32::try_from(header_bytes_max).unwrap_or(u32::MAX));
        until_its_end(protocol.serve_connection(stream, service), shared).await
    } else {
        let mut protocol = http1::Builder::new();
        protocol
            .timer(TokioTimer::new())
            .header_read_timeout(patience.header)
            .max_buf_size(limits.header_bytes_max);
        // That many have their place on the stack; for another number it is allocated with each request.
        if limits.header_fields_max != HTTP1_HEADER_FIELDS {
            protocol.max_headers(limits.header_fields_max);
        }
        until_its_end(protocol.serve_connection(stream, service), shared).await
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

async fn until_its_end<C>(connection: C, shared: &Shared) -> Result<(), hyper::Error>
where
    C: GracefulConnection<Error = hyper::Error> + Future<Output = Result<(), hyper::Error>>,
{
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        result = connection.as_mut() => result,
        () = shared.shutdown.begun() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    connection: Arc<Connection>,
) -> Result<Response<Body>, Infallible> {
    let Some(trace) = shared.traces.of(request.headers()) else {
        return untraced(shared, request, connection).await;
    };
    let asked = traces::Asked::of(&request);
    let answered = Box::pin(untraced(shared, request, connection));
    let mut response = trace::within(Some(Arc::clone(&trace)), answered).await?;
    asked.end(&trace, &mut response);
    Ok(response)
}

async fn untraced(
    shared: Arc<Shared>,
    mut request: Request<Incoming>,
    connection: Arc<Connection>,
) -> Result<Response<Body>, Infallible> {
    let Connection { peer, scheme, version, source, shown, .. } = connection.as_ref();
    let (since, method) = (Stopwatch::start(), request.method().clone());
    let too_many = |retry_after_s| AuthError::TooManyRequests { retry_after_s };
    shared.configured.follow(&shared);
    let from = Source { protocol: Protocol::Restconf, address: *peer };
    let asks = source.asks();
    if asks.is_ok() && is_head_too_long(&request, &shared.limits) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        secure(*scheme, &shared, &mut response);
        shared.measured.answered(*scheme, &method, response.status(), since);
        return Ok(response);
    }
    if asks.is_ok()
        && let Some(mut response) = shared.operations.answer(&request)
    {
        secure(*scheme, &shared, &mut response);
        shared.measured.answered(*scheme, &method, response.status(), since);
        return Ok(response);
    }
    let proved = match asks {
        Ok(()) => who_asks(&shared, &request, &connection, from).await,
        Err(retry_after_s) => {
            let who = Who::Claimed { user: "", method: None, source: from };
            shared.trail.too_many(who, request.method().as_str(), "too-many-requests");
            Err(too_many(retry_after_s))
        }
    };
    let proved = proved.and_then(|proved| match source.user_asks(&proved.principal.name) {
        Ok(()) => Ok(proved),
        Err(retry_after_s) => {
            let who = Who::Known(&proved.principal);
            shared.trail.too_many(who, request.method().as_str(), "too-many-requests");
            Err(too_many(retry_after_s))
        }
    });
    if let (Ok(_), Some(trace)) = (&proved, trace::current()) {
        trace.trust();
    }
    match &proved {
        Ok(proved) => proved.note(&shared.trail),
        // Noted above.
        Err(AuthError::TooManyRequests { .. }) => shared.measured.too_many.count(),
        // Some of what there is needs no credentials; where they are missing it is noted when that is refused.
        Err(AuthError::Missing) => {}
        Err(error) => {
            shared.measured.credentials.count();
            audit::refused(&shared.trail, request.headers(), shown.as_deref(), from, error);
            tracing::warn!(%peer, %error, "credentials were refused");
        }
    }
    // So that no log of requests can hold a secret.
    request.headers_mut().remove(AUTHORIZATION);
    let standing = proved.as_ref().ok().map(|proved| proved.standing.clone());
    let principal = proved.map(|proved| proved.principal.clone());
    let request = request.map(|body| match *version {
        _ if body.is_end_stream() => Body::empty(),
        Version::HTTP_2 => Body::new(Upload::new(body, Duration::from_secs(shared.limits.linger_s))),
        _ => Body::new(body),
    });
    let class = principal.as_ref().map_or("nobody", |known| known.class());
    let is_nobody = principal.as_ref().is_err_and(|error| *error == AuthError::Missing);
    let caller = Caller { principal, standing, secure: *scheme != Scheme::Http };
    let mut response = (shared.front)(request, caller).await;
    if trace::current().is_some() {
        response.extensions_mut().insert(traces::Class(class));
    }
    secure(*scheme, &shared, &mut response);
    shared.measured.answered(*scheme, &method, response.status(), since);
    if is_nobody && response.status() == StatusCode::UNAUTHORIZED {
        shared.trail.not_authenticated("", None, from, &AuthError::Missing);
    }
    Ok(response)
}

/// Whether the head has more octets, as HTTP/1.1 writes it (RFC 9112 sections 3 and 5), than it may: what the library is told
/// bounds how much it reads ahead, so it takes some that are longer. A target that is too long is refused as such.
fn is_head_too_long(request: &Request<Incoming>, limits: &Limits) -> bool {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let line = request.method().as_str().len() + target + "  HTTP/1.1\r\n".len();
    let fields = request.headers().iter();
    let fields = fields.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    target <= limits.url_bytes_max && line + fields.sum::<usize>() + "\r\n".len() > limits.header_bytes_max
}

/// Who has sent a request with these credentials; what the request before on this connection proved with the same ones need
/// only stand still.
async fn who_asks(
    shared: &Arc<Shared>,
    request: &Request<Incoming>,
    connection: &Connection,
    from: Source,
) -> Result<Arc<Proved>, AuthError> {
    let Connection { peer, shown, recalled, .. } = connection;
    if let Some(proved) = recalled.get(request.headers(), shared) {
        return Ok(proved);
    }
    // Rare, and larger than all the rest.
    let asked = Box::pin(shared.authenticator.authenticate(request.headers(), *peer, shown.as_ref()));
    let (principal, proof) = asked.await?;
    let proved = Proved::new(principal, from, proof, shared);
    recalled.keep(request.headers(), &proved, shared);
    Ok(proved)
}

/// Tells browsers to come over TLS alone, where they have.
fn secure(scheme: Scheme, shared: &Shared, response: &mut Response<Body>) {
    if scheme != Scheme::Http {
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, shared.hsts.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_to_accept_are_said_once_in_a_while_and_counted() {
        let mut not_accepted = NotAccepted::default();
        assert_eq!([(); 4].map(|()| not_accepted.count()), [Some(0), None, None, None]);
        // As if a minute had passed.
        not_accepted.said = None;
        assert_eq!([(); 2].map(|()| not_accepted.count()), [Some(3), None]);
    }
}
