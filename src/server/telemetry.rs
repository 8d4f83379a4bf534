//! Logs: what `tracing` records goes to standard error, for people or as JSON. Level and form can change while the process runs.
//!
//! It never writes to standard output, which is for what scripts read.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal, Write as _};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde::Serializer as _;
use serde_json::Value as Json;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{Log, LogFormat};

type Lines = Box<dyn Layer<Registry> + Send + Sync>;
type Filtered = tracing_subscriber::layer::Layered<reload::Layer<Lines, Registry>, Registry>;

/// What a process logs with, as there is one standard error.
static STARTED: OnceLock<(Handle<Lines, Registry>, Handle<EnvFilter, Filtered>)> = OnceLock::new();

/// Whether all that this process says on standard error is JSON.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Starts logging. `RUST_LOG` overrides the level of the configuration. If something logs already, it goes on.
pub fn start(log: &Log) -> Result<(), ParseError> {
    let (lines, form) = reload::Layer::new(lines(log.format));
    let (filter, level) = reload::Layer::new(filter(log)?);
    if tracing_subscriber::registry().with(lines).with(filter).try_init().is_ok() {
        // It is set once, as logging is started once.
        let _ = STARTED.set((form, level));
        IS_JSON.store(log.format == LogFormat::Json, Relaxed);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| match IS_JSON.load(Relaxed) {
            // Nobody is left to be told if standard error is closed.
            true => drop(writeln!(io::stderr(), "{}", of_panic(panic))),
            false => before(panic),
        }));
    }
    Ok(())
}

/// Logs with another level and in another form from now on, if it is this that logs.
pub fn replace(log: &Log) -> Result<(), ParseError> {
    let filter = filter(log)?;
    if let Some((form, level)) = STARTED.get() {
        // They fail only without a subscriber, which a process keeps to its end.
        let _ = form.reload(lines(log.format));
        let _ = level.reload(filter);
        IS_JSON.store(log.format == LogFormat::Json, Relaxed);
    }
    Ok(())
}

/// What is logged.
pub fn filter(log: &Log) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_else(|_| log.level.clone()))
}

fn lines(format: LogFormat) -> Lines {
    let lines =
        tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    // A line that cannot be written, as on a full disk, is lost: it is no reason to panic, which saying so there would be.
    let lines = lines.log_internal_errors(false);
    match format {
        LogFormat::Human => lines.boxed(),
        LogFormat::Json => lines.event_format(JsonLines).boxed(),
    }
}

/// The error and its causes, but those that it tells itself.
pub fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut all = vec![error.to_string()];
    for cause in std::iter::successors(error.source(), |&cause| cause.source()).map(ToString::to_string) {
        if !all.iter().any(|told| told.contains(&cause)) {
            all.push(cause);
        }
    }
    all
}

/// The same in one text.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    causes(error).join(": ")
}

/// Says on standard error why the process ends, in the form of its log but whatever its level.
pub fn say(text: &str) {
    let line = match IS_JSON.load(Relaxed) {
        true => json(Level::ERROR, env!("CARGO_PKG_NAME"), vec![("message".to_owned(), text.into())]),
        false => format!("agentconf: {text}"),
    };
    // Nobody is left to be told if standard error is closed.
    let _ = writeln!(io::stderr(), "{line}");
}

fn of_panic(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let payload = panic.payload();
    let payload = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let payload = payload.unwrap_or("something that is no text");
    let text = format!("thread '{}' panicked: {payload}", thread.name().unwrap_or("<unnamed>"));
    let mut members = vec![("message".to_owned(), Json::from(text))];
    members.extend(panic.location().map(|place| ("location".to_owned(), place.to_string().into())));
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        members.push(("backtrace".to_owned(), trace.to_string().into()));
    }
    json(Level::ERROR, env!("CARGO_PKG_NAME"), members)
}

/// One line for each event, with its members beside those that every line has.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut members = Members { target: metadata.target().to_owned(), all: Vec::new() };
        event.record(&mut members);
        writeln!(writer, "{}", json(*metadata.level(), &members.target, members.all))
    }
}

/// What an event says.
struct Members {
    target: String,
    all: Vec<(String, Json)>,
}

impl Members {
    fn add(&mut self, field: &Field, value: impl Into<Json>) {
        self.all.push((field.name().to_owned(), value.into()));
    }
}

impl Visit for Members {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            // Of libraries that log by another one, which says its own place.
            "log.target" => value.clone_into(&mut self.target),
            _ => self.add(field, value),
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut all = causes(value);
        let causes = all.split_off(1);
        self.add(field, all.concat());
        if !causes.is_empty() {
            self.all.push((format!("{field}.sources"), causes.into()));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}

fn json(level: Level, target: &str, members: Vec<(String, Json)>) -> String {
    let mut time = String::new();
    // Into a string nothing fails.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    let head = [("timestamp", time), ("level", level.to_string())];
    let head = head.map(|(name, value)| (name.to_owned(), value.into()));
    let all = head.into_iter().chain(members).chain([("target".to_owned(), target.into())]);
    let mut line = Vec::new();
    let _ = serde_json::Serializer::new(&mut line).collect_map(all);
    String::from_utf8(line).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer: {0}; ask somebody")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("inner")]
    struct Inner(#[source] io::Error);

    fn error() -> Outer {
        Outer(Inner(io::Error::other("the cause")))
    }

    #[test]
    fn what_an_error_tells_of_its_source_is_not_told_twice() {
        assert_eq!(chain(&error()), "outer: inner; ask somebody: the cause");
    }

    #[test]
    fn a_panic_is_told_in_a_line_of_json() {
        let (told, is_told) = std::sync::mpsc::sync_channel(16);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| drop(told.send(of_panic(panic)))));
        let panicked = std::panic::catch_unwind(|| panic!("two\nlines of {}", "text"));
        std::panic::set_hook(before);
        assert!(panicked.is_err());
        let text = is_told.recv().unwrap();
        let line: Json = serde_json::from_str(&text).unwrap();
        let message = line["message"].as_str().unwrap();
        assert!(message.ends_with("panicked: two\nlines of text") && text.lines().count() == 1, "{text}");
        assert!(line["location"].as_str().unwrap().contains("telemetry.rs") && line["level"] == "ERROR");
    }

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_of_json_has_the_fields_of_its_event_and_the_causes_of_an_error() {
        let (kept, error) = (Kept::default(), error());
        let writer = kept.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer.event_format(JsonLines));
        tracing::subscriber::with_default(subscriber, || {
            let error = &error as &dyn Error;
            tracing::warn!(error, line = 7, file = "a\"b", of = ?Some(1), "not \n so");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(text.starts_with("{\"timestamp\":\"2") && text.lines().count() == 1, "{text}");
        let mut line: Json = serde_json::from_str(&text).unwrap();
        line.as_object_mut().unwrap().remove("timestamp");
        let expected = serde_json::json!({
            "level": "WARN", "target": module_path!(), "message": "not \n so", "line": 7, "file": "a\"b", "of": "Some(1)",
            "error": "outer: inner; ask somebody", "error.sources": ["the cause"],
        });
        assert_eq!(line, expected);
    }
}
