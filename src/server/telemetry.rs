//! Logs: what `tracing` records goes to standard error, for people or as JSON.
//!
//! It never writes to standard output, which is for what scripts read.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::{Log, LogFormat};

/// Starts logging. `RUST_LOG` overrides the level of the configuration. If something logs already, it goes on.
pub fn start(log: &Log) -> Result<(), ParseError> {
    let directives = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_else(|_| log.level.clone());
    let lines =
        tracing_subscriber::fmt().with_env_filter(EnvFilter::try_new(directives)?).with_writer(io::stderr);
    // A line that cannot be written, as on a full disk, is lost: it is no reason to panic, which saying so there would be.
    let lines = lines.with_ansi(io::stderr().is_terminal()).log_internal_errors(false);
    // It fails only if something logs already.
    let _ = match log.format {
        LogFormat::Human => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}
