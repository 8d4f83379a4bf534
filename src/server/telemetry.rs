//! Logs: what `tracing` records goes to standard error, for people or as JSON. Level and form can change while the process runs.
//!
//! It never writes to standard output, which is for what scripts read.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{Log, LogFormat};

type Lines = Box<dyn Layer<Registry> + Send + Sync>;
type Filtered = tracing_subscriber::layer::Layered<reload::Layer<Lines, Registry>, Registry>;

/// What a process logs with, as there is one standard error.
static STARTED: OnceLock<(Handle<Lines, Registry>, Handle<EnvFilter, Filtered>)> = OnceLock::new();

/// Starts logging. `RUST_LOG` overrides the level of the configuration. If something logs already, it goes on.
pub fn start(log: &Log) -> Result<(), ParseError> {
    let (lines, form) = reload::Layer::new(lines(log.format));
    let (filter, level) = reload::Layer::new(filter(log)?);
    if tracing_subscriber::registry().with(lines).with(filter).try_init().is_ok() {
        // It is set once, as logging is started once.
        let _ = STARTED.set((form, level));
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
    }
    Ok(())
}

/// What is logged.
pub fn filter(log: &Log) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_else(|_| log.level.clone()))
}

fn lines(format: LogFormat) -> Lines {
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    // A line that cannot be written, as on a full disk, is lost: it is no reason to panic, which saying so there would be.
    let lines = lines.log_internal_errors(false);
    match format {
        LogFormat::Human => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
}
