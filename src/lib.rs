//! The server where a network's agents meet.
//!
//! Imports point one way; `tests/tidy.rs` holds them to it:
//!
//! ```text
//! main → cli → {application backup} → server → {restconf netconf} → engine → audit
//!      → {datastore access agents tasks negotiation log} → yang → {ids trace clock limits metrics}
//! cli → client → netconf
//! ```

pub mod access;
pub mod agents;
pub mod application;
pub mod audit;
pub mod backup;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod datastore;
pub mod engine;
pub mod ids;
pub mod limits;
pub mod log;
pub mod metrics;
pub mod negotiation;
pub mod netconf;
pub mod restconf;
pub mod server;
pub mod tasks;
pub mod trace;
pub mod yang;
