//! What operators and their machines ask: whether the process lives, whether it is ready, and what was counted.
//!
//! Health needs no credentials and is told on every listener for HTTP; metrics on the one for operations alone, which says
//! nothing else. It never tells a name, a version or a path: who asks may be anybody who gets there.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::listener::NotAccepted;
use super::notify::Notify;
use super::shutdown::Shutdown;
use super::stream::Stream;
use crate::config::ListenAddress;
use crate::metrics::{self, Text};

/// Whether the process lives.
pub const HEALTH: &str = "/healthz";
/// Whether it does what it is there for.
pub const READINESS: &str = "/readyz";
/// What was counted; on the listener for operations alone.
pub const METRICS: &str = "/metrics";

const PLAIN: &str = "text/plain; charset=utf-8";
/// How often it is looked whether the server is ready.
const LOOK: Duration = Duration::from_secs(5);
/// How long a look may take.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// Most connections of the listener for operations. Where there is one more, the oldest goes: whoever asks now is answered,
/// however many others are stuck.
const CONNECTIONS_MAX: usize = 64;
const MEASURING_MAX: usize = 2;
/// How long the head of a request may take, and a connection on which nothing moves is kept, be it for a request or for
/// somebody who reads an answer.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long what a client still sends is dropped once its connection ends.
const LINGER: Duration = Duration::from_secs(1);
/// How long answers may take after the server has stopped.
const DRAIN: Duration = Duration::from_secs(2);
/// The file of the data directory that is written, and removed at once, to see whether that is possible.
pub const TRIAL: &str = "writable";
/// As much as the store writes at least.
const TRIAL_BYTES: [u8; 4096] = [0; 4096];

/// Whether the server does what it is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Readiness {
    /// The event log is being read.
    Starting = 0,
    /// It is ready.
    Ready = 1,
    /// The writer takes no requests, or not in time.
    Writer = 2,
    /// Nothing can be written to the data directory, or a short time ago something could not be made durable.
    Storage = 3,
    /// It ends.
    Stopping = 4,
}

impl Readiness {
    fn of(number: u8) -> Readiness {
        let all = [Readiness::Ready, Readiness::Writer, Readiness::Storage, Readiness::Stopping];
        all.into_iter().find(|readiness| *readiness as u8 == number).unwrap_or(Readiness::Starting)
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Readiness::Starting => "not ready: starting",
            Readiness::Ready => "ready",
            Readiness::Writer => "not ready: the writer takes no requests",
            Readiness::Storage => "not ready: nothing can be stored",
            Readiness::Stopping => "not ready: stopping",
        })
    }
}

/// Asks the application whether it does its work.
pub type Probe = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Readiness> + Send>> + Send + Sync>;

/// Writes what was counted. It may take long.
pub type Measure = Arc<dyn Fn(&mut Text) + Send + Sync>;

/// What the application says of itself.
pub struct Observed {
    /// Asked every so often.
    pub probe: Probe,
    /// Asked for metrics.
    pub measure: Measure,
}

impl Default for Observed {
    /// Of an application that is always ready and counts nothing.
    fn default() -> Observed {
        Observed { probe: Arc::new(|| Box::pin(async { Readiness::Ready })), measure: Arc::new(|_| {}) }
    }
}

/// What is known of the server by those who ask.
pub struct Operations {
    readiness: AtomicU8,
    shutdown: Shutdown,
    measure: OnceLock<Measure>,
    /// So many measure at a time: that goes on when who asked has gone.
    measuring: Arc<Semaphore>,
}

impl Operations {
    /// Of a server that starts.
    pub fn new(shutdown: Shutdown) -> Operations {
        let readiness = AtomicU8::new(Readiness::Starting as u8);
        let measuring = Arc::new(Semaphore::new(MEASURING_MAX));
        Operations { readiness, shutdown, measure: OnceLock::new(), measuring }
    }

    /// Whether the server is ready, as of the newest look.
    pub fn readiness(&self) -> Readiness {
        match self.shutdown.has_begun() {
            true => Readiness::Stopping,
            false => Readiness::of(self.readiness.load(Relaxed)),
        }
    }

    /// Says what writes the metrics. Only the first counts.
    pub fn measured_by(&self, measure: Measure) {
        // The server starts once.
        let _ = self.measure.set(measure);
    }

    /// The answer if the request asks for health.
    pub fn answer<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let (status, text) = match request.uri().path() {
            HEALTH => (StatusCode::OK, "alive".to_owned()),
            READINESS => {
                let readiness = self.readiness();
                let is_ready = readiness == Readiness::Ready;
                let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                (status, readiness.to_string())
            }
            _ => return None,
        };
        Some(written(request, status, PLAIN, text + "\n"))
    }

    /// Looks whether the server is ready, and says it.
    pub async fn look(&self, probe: &Probe, data: &Path) -> Readiness {
        let data = data.to_owned();
        let trial = tokio::task::spawn_blocking(move || try_writing(&data));
        let looked = timeout(LOOK_MAX, async { (probe().await, trial.await) }).await;
        let readiness = match looked {
            Err(_) => Readiness::Writer,
            Ok((Readiness::Ready, Ok(Ok(())))) => Readiness::Ready,
            Ok((Readiness::Ready, Ok(Err(error)))) => {
                tracing::debug!(%error, "the data directory cannot be written to");
                Readiness::Storage
            }
            Ok((Readiness::Ready, Err(_))) => Readiness::Storage,
            Ok((unready, _)) => unready,
        };
        let before = Readiness::of(self.readiness.swap(readiness as u8, Relaxed));
        if before != readiness && !self.shutdown.has_begun() {
            match readiness {
                Readiness::Ready => tracing::info!("ready"),
                _ => tracing::error!("{readiness}"),
            }
        }
        readiness
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Operations").field(&self.readiness()).finish()
    }
}

/// Whether the data directory can be written to; what was written is gone again.
pub(super) fn try_writing(data: &Path) -> io::Result<()> {
    let file = data.join(TRIAL);
    std::fs::write(&file, TRIAL_BYTES)?;
    std::fs::remove_file(&file)
}

/// Looks every so often until the server stops, and tells the service manager that it still does.
pub async fn watch(
    operations: Arc<Operations>,
    probe: Probe,
    data: PathBuf,
    notify: Arc<Notify>,
    shutdown: Shutdown,
) {
    let every = notify.watchdog().map_or(LOOK, |watchdog| LOOK.min(watchdog / 2));
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(every) => {
                let readiness = operations.look(&probe, &data).await;
                // A full disk is not mended by a new start, a writer that hangs is.
                if readiness != Readiness::Writer {
                    notify.alive();
                }
            }
        }
    }
}

/// The listener for operations, before anybody is answered.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    /// Where it listens, with the port that it really has.
    pub address: SocketAddr,
}

/// Listens for operations.
///
/// # Errors
/// The operating system refuses it.
pub async fn bind(address: &ListenAddress) -> io::Result<Bound> {
    let listener = TcpListener::bind((address.host.as_str(), address.port)).await?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "metrics are told without credentials to whoever reaches the listener for operations");
    }
    Ok(Bound { listener, address })
}

/// Answers those who ask until the server stops, or this listener does (`stop`).
pub async fn run(bound: Bound, operations: Arc<Operations>, stop: Shutdown) {
    let (mut connections, mut not_accepted) = (JoinSet::new(), NotAccepted::default());
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        tokio::select! {
            () = operations.shutdown.begun() => break,
            () = stop.begun() => break,
            Some(_) = connections.join_next() => {}
            accepted = bound.listener.accept() => match accepted {
                Ok((tcp, _)) => {
                    oldest_first.retain(|connection| !connection.is_finished());
                    if oldest_first.len() >= CONNECTIONS_MAX
                        && let Some(oldest) = oldest_first.pop_front()
                    {
                        oldest.abort();
                    }
                    oldest_first.push_back(connections.spawn(connection(tcp, Arc::clone(&operations))));
                }
                Err(error) => not_accepted.wait(&error, bound.address).await,
            },
        }
    }
    // Who is being answered gets the answer; the others have nothing to wait for.
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(DRAIN, drained).await;
    connections.shutdown().await;
}

async fn connection(tcp: tokio::net::TcpStream, operations: Arc<Operations>) {
    let shutdown = operations.shutdown.clone();
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let operations = Arc::clone(&operations);
        async move {
            let answer = match operations.answer(&request) {
                Some(answer) => answer,
                None if request.uri().path() == METRICS => measured(&request, &operations).await,
                None => {
                    let known = format!("there are {HEALTH}, {READINESS} and {METRICS}\n");
                    written(&request, StatusCode::NOT_FOUND, PLAIN, known)
                }
            };
            Ok::<_, Infallible>(answer)
        }
    });
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(SILENCE_MAX);
    let stream = Stream::new(tcp, SILENCE_MAX, LINGER, shutdown.clone());
    let mut served = std::pin::pin!(protocol.serve_connection(TokioIo::new(stream), service));
    // How it ended is the other side's affair.
    let _ = tokio::select! {
        ended = served.as_mut() => ended,
        () = shutdown.begun() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
}

async fn measured<B>(request: &Request<B>, operations: &Operations) -> Response<Body> {
    let measure = operations.measure.get().cloned();
    // It is never closed.
    let permit = Arc::clone(&operations.measuring).acquire_owned().await;
    let text = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let mut text = Text::default();
        if let Some(measure) = measure {
            measure(&mut text);
        }
        text.into_string()
    });
    match text.await {
        Ok(text) => written(request, StatusCode::OK, metrics::MEDIA_TYPE, text),
        Err(_) => {
            written(request, StatusCode::INTERNAL_SERVER_ERROR, PLAIN, "this cannot be measured\n".into())
        }
    }
}

/// An answer to GET and HEAD; other methods are refused.
fn written<B>(request: &Request<B>, status: StatusCode, media: &'static str, text: String) -> Response<Body> {
    let length = text.len();
    let (status, body, length) = match *request.method() {
        Method::GET => (status, Body::from(text), length),
        Method::HEAD => (status, Body::empty(), length),
        _ => (StatusCode::METHOD_NOT_ALLOWED, Body::empty(), 0),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn however_many_ask_for_metrics_and_go_two_measure_at_a_time_and_health_is_answered() {
        let operations = Arc::new(Operations::new(Shutdown::new()));
        let (now, most, begun, may_end) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let counts = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&begun), Arc::clone(&may_end));
        operations.measured_by(Arc::new(move |_| {
            let (now, most, begun, may_end) = &counts;
            most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            begun.fetch_add(1, SeqCst);
            while !may_end.load(SeqCst) {
                std::thread::yield_now();
            }
            now.fetch_sub(1, SeqCst);
        }));
        // Also if something here fails: the runtime waits for those that measure.
        struct Ends(Arc<AtomicBool>);
        impl Drop for Ends {
            fn drop(&mut self) {
                self.0.store(true, SeqCst);
            }
        }
        let ends = Ends(Arc::clone(&may_end));
        let bound = bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = bound.address;
        let stop = Shutdown::new();
        let served = tokio::spawn(run(bound, Arc::clone(&operations), stop.clone()));
        let asked = move |path: &str| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(SILENCE_MAX)).unwrap();
            write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
            stream
        };
        let clients = tokio::task::spawn_blocking(move || {
            // Those that go, and are put out, are measured for all the same.
            for _ in 0..3 * CONNECTIONS_MAX {
                drop(asked(METRICS));
            }
            let waiting: Vec<TcpStream> = (0..CONNECTIONS_MAX / 2).map(|_| asked(METRICS)).collect();
            let mut health = String::new();
            asked(HEALTH).read_to_string(&mut health).unwrap();
            (waiting, health)
        });
        let (waiting, health) = clients.await.unwrap();
        assert!(health.ends_with("alive\n"), "{health}");
        while begun.load(SeqCst) < MEASURING_MAX {
            tokio::task::yield_now().await;
        }
        assert_eq!((now.load(SeqCst), begun.load(SeqCst)), (MEASURING_MAX, MEASURING_MAX));
        drop(ends);
        let answers = tokio::task::spawn_blocking(move || {
            let answer = |mut stream: TcpStream| {
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                answer
            };
            waiting.into_iter().map(answer).all(|answer| answer.starts_with("HTTP/1.1 200 "))
        });
        assert!(answers.await.unwrap(), "who waits is answered");
        assert_eq!(most.load(SeqCst), MEASURING_MAX);
        stop.begin();
        served.await.unwrap();
    }
}
