//! Spans of the requests that are answered, sent to a collector of OpenTelemetry (OTLP 1 over HTTP, as protobuf) in batches.
//!
//! It never has a request wait: what there is no room for, and what the collector does not take, is counted and gone.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, Uri};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::files::{self, SecretFileError};
use super::otlp;
use super::outgoing::{Outgoing, Policy, SetupError};
use super::watched::{self, Stamp};
use crate::clock::Clock;
use crate::config::{self, Network};
use crate::metrics::{Kind, Text};
use crate::trace::{Attribute, Context, Counts, Resolved, Sink, Span, Spans, TRACEPARENT, Trace};

/// Spans that wait to be sent.
const ROOM: usize = 8192;
/// Most spans of one request to the collector.
const BATCH_MAX: usize = 512;
/// How long a span waits for others.
const GATHER: Duration = Duration::from_millis(500);
/// Longest answer of the collector, and longest time for it.
const BYTES_MAX: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the end of the server waits for the collector.
const LAST: Duration = Duration::from_secs(2);
/// Longest name of a resource that is told.
const ROUTE_CHARS_MAX: usize = 200;

/// Why traces cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The authorities cannot be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The file with fields is not read.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// A line of it is no field.
    #[error("{}: line {line} is not NAME: VALUE", .file.display())]
    Field {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The endpoint is none.
    #[error("the endpoint is no URL")]
    Endpoint,
}

/// What is told of requests, and to whom.
#[derive(Debug)]
pub struct Traces {
    spans: Spans,
    exporter: Mutex<Option<Exporter>>,
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct Exporter {
    settings: config::Traces,
    stamps: Vec<Option<Stamp>>,
    sink: Arc<Sink>,
    /// It ends when nobody has the sink any more and all was sent.
    task: JoinHandle<()>,
}

/// Where spans are to go.
pub struct Prepared(Next);

enum Next {
    Nowhere,
    AsBefore,
    Collector(Box<(config::Traces, Vec<Option<Stamp>>, Collector)>),
}

impl Traces {
    /// Without a collector.
    pub fn new(spans: Spans) -> Traces {
        Traces { spans, exporter: Mutex::default(), counts: Arc::default() }
    }

    /// Makes ready to send spans there; `None`: nowhere.
    ///
    /// # Errors
    /// That cannot be done.
    pub fn prepare(&self, settings: Option<&config::Traces>) -> Result<Prepared, TracesError> {
        let Some(settings) = settings else { return Ok(Prepared(Next::Nowhere)) };
        // Before they are read.
        let files = settings.headers_file.iter().chain(&settings.authorities);
        let stamps: Vec<_> = files.map(|file| watched::look(file)).collect();
        let is_same = |former: &Exporter| former.settings == *settings && former.stamps == stamps;
        if lock(&self.exporter).as_ref().is_some_and(is_same) {
            return Ok(Prepared(Next::AsBefore));
        }
        let collector = Collector::new(settings)?;
        Ok(Prepared(Next::Collector(Box::new((settings.clone(), stamps, collector)))))
    }

    /// Sends spans there from now on. What waits is still sent where it was to go.
    pub fn export(&self, prepared: Prepared, clock: &Clock) {
        let next = match prepared.0 {
            Next::AsBefore => return,
            Next::Nowhere => None,
            Next::Collector(next) => {
                let (settings, stamps, collector) = *next;
                let (per_million, counts) = (settings.ratio.per_million(), Arc::clone(&self.counts));
                let (sink, spans) = Sink::new(clock.clone(), per_million, ROOM, Arc::clone(&counts));
                let task = tokio::spawn(collector.run(spans, counts));
                Some(Exporter { settings, stamps, sink, task })
            }
        };
        self.spans.go_to(next.as_ref().map(|exporter| Arc::clone(&exporter.sink)));
        *lock(&self.exporter) = next;
    }

    /// The trace of a request, if it belongs to one or spans of it are told.
    pub fn of(&self, headers: &HeaderMap) -> Option<Arc<Trace>> {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let context = match (parents.next(), parents.next()) {
            (Some(parent), None) => parent.to_str().ok().and_then(Context::read),
            _ => None,
        };
        Trace::begin(context, self.spans.sink().as_ref())
    }

    /// Writes how many spans were sent and dropped.
    pub fn measure(&self, text: &mut Text) {
        let (exported, dropped) = (self.counts.exported.get(), self.counts.dropped.get());
        text.single(
            "agentconf_spans_exported_total",
            Kind::Counter,
            "Spans that a collector took.",
            exported,
        );
        let help = "Spans that found no room, or that no collector took.";
        text.single("agentconf_spans_dropped_total", Kind::Counter, help, dropped);
    }

    /// Sends what waits, and ends.
    pub async fn stop(&self) {
        self.spans.go_to(None);
        let exporter = lock(&self.exporter).take();
        if let Some(Exporter { sink, task, .. }) = exporter {
            drop(sink);
            // A collector that does not answer is not waited for.
            let _ = timeout(LAST, task).await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether traces can be exported with these settings.
///
/// # Errors
/// They cannot.
pub fn check(settings: &config::Traces) -> Result<(), TracesError> {
    Collector::new(settings).map(drop)
}

struct Collector {
    outgoing: Outgoing,
    uri: Uri,
    fields: Vec<(HeaderName, HeaderValue)>,
    service: String,
}

impl Collector {
    fn new(settings: &config::Traces) -> Result<Collector, TracesError> {
        // The operator named it, wherever it is.
        let networks: Vec<Network> =
            ["0.0.0.0/0", "::/0"].iter().filter_map(|all| all.parse().ok()).collect();
        let outgoing = Outgoing::new(&settings.authorities, Policy { networks }, BYTES_MAX, PATIENCE)?;
        let uri: Uri = settings.endpoint.parse().map_err(|_| TracesError::Endpoint)?;
        let mut fields = Vec::new();
        if let Some(file) = &settings.headers_file {
            let text = files::read_secret(file)?;
            for (line, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
                let field = text.split_once(':').and_then(|(name, value)| {
                    let mut value = HeaderValue::try_from(value.trim()).ok()?;
                    value.set_sensitive(true);
                    Some((HeaderName::try_from(name.trim()).ok()?, value))
                });
                let wrong = || TracesError::Field { file: file.clone(), line: line + 1 };
                fields.push(field.ok_or_else(wrong)?);
            }
        }
        let service = settings.service_name.clone();
        Ok(Collector { outgoing: outgoing.allowing_plain(), uri, fields, service })
    }

    async fn run(self, mut spans: Receiver<Span>, counts: Arc<Counts>) {
        let (mut is_failing, mut batch) = (false, Vec::new());
        while spans.recv_many(&mut batch, BATCH_MAX).await > 0 {
            // Others may come; not if there is nobody left who could send any.
            if batch.len() < BATCH_MAX && !spans.is_closed() {
                let more = async {
                    while batch.len() < BATCH_MAX {
                        let Some(span) = spans.recv().await else { break };
                        batch.push(span);
                    }
                };
                let _ = timeout(GATHER, more).await;
            }
            let sent = self.send(otlp::request(&self.service, &batch)).await;
            let counter = if sent.is_ok() { &counts.exported } else { &counts.dropped };
            counter.add(batch.len() as u64);
            match sent {
                Ok(()) if std::mem::take(&mut is_failing) => {
                    tracing::info!("the collector takes spans again")
                }
                Err(error) if !std::mem::replace(&mut is_failing, true) => {
                    tracing::warn!(error, "the collector takes no spans; they are dropped");
                }
                _ => {}
            }
            batch.clear();
        }
    }

    async fn send(&self, content: Vec<u8>) -> Result<(), String> {
        let request = Request::builder().method(Method::POST).uri(self.uri.clone());
        let mut request = request
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(Full::new(Bytes::from(content)))
            .map_err(|error| error.to_string())?;
        request.headers_mut().extend(self.fields.iter().cloned().map(|(name, value)| (Some(name), value)));
        let response = self.outgoing.ask(request).await.map_err(|error| error.to_string())?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("it answers {status}")),
        }
    }
}

/// What kind of user has asked; an extension of the answer.
#[derive(Clone, Copy, Debug)]
pub struct Class(pub &'static str);

/// What is told of a request when it is answered.
#[derive(Debug)]
pub struct Asked {
    method: Method,
    uri: Uri,
}

impl Asked {
    /// Of a request that is about to be answered.
    pub fn of<B>(request: &Request<B>) -> Asked {
        Asked { method: request.method().clone(), uri: request.uri().clone() }
    }

    /// It is answered with this, which is told of the trace.
    pub fn end(self, trace: &Trace, response: &mut Response<Body>) {
        if let Ok(value) = HeaderValue::try_from(trace.traceparent()) {
            response.headers_mut().insert(TRACEPARENT, value);
        }
        let class = response.extensions_mut().remove::<Class>().map_or("nobody", |class| class.0);
        let is_resolved = response.extensions_mut().remove::<Resolved>().is_some();
        let status = response.status();
        trace.end(status.is_server_error(), || {
            let known = [
                Method::GET,
                Method::HEAD,
                Method::OPTIONS,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
            ];
            let method = known.into_iter().find(|known| *known == self.method);
            let method = method.map_or_else(|| "_OTHER".to_owned(), |method| method.to_string());
            // What is not there may be anything that a client has in mind.
            let route = if is_resolved { route(self.uri.path()) } else { String::new() };
            let name = if route.is_empty() { method.clone() } else { format!("{method} {route}") };
            let mut attributes = vec![
                ("http.request.method", Attribute::Text(method.into())),
                ("http.response.status_code", Attribute::Number(status.as_u16().into())),
                ("agentconf.user.class", Attribute::Text(class.into())),
            ];
            if !route.is_empty() {
                attributes.push(("http.route", Attribute::Text(route.into())));
            }
            (name.into(), attributes)
        });
    }
}

/// A resource without the keys of its entries, which are values of data.
fn route(path: &str) -> String {
    let mut route = String::new();
    for segment in path.split('/').skip(1) {
        let (name, has_key) = segment.split_once('=').map_or((segment, false), |(name, _)| (name, true));
        // Writing into a string does not fail.
        let _ = write!(route, "/{name}{}", if has_key { "={}" } else { "" });
    }
    route.chars().take(ROUTE_CHARS_MAX).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn fields_that_everybody_may_read_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "Authorization: Bearer x\n").unwrap();
        let settings = format!("endpoint = \"https://127.0.0.1:1/\"\nheaders-file = {:?}", file.path());
        let settings: config::Traces = toml::from_str(&settings).unwrap();
        let with_mode = |mode| {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            check(&settings)
        };
        assert!(matches!(with_mode(0o644), Err(TracesError::File(SecretFileError::Readable(_)))));
        assert!(with_mode(0o640).is_ok());
    }

    #[test]
    fn a_route_has_no_values() {
        assert_eq!(
            route("/restconf/data/irtf-agent:tasks/task=secret,x/a"),
            "/restconf/data/irtf-agent:tasks/task={}/a"
        );
        assert_eq!(route("/"), "/");
    }
}
