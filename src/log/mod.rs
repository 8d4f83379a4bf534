//! The event log: every change of the server's state, in order, durable before anybody is told of it.
//!
//! Owns the record's bytes ([`record`]), the chain they form ([`chain`]), the file they stand in ([`storage`]), those that old
//! ones are moved into ([`archive`], [`Compactor`]), what is kept of the state they come to ([`snapshots`]), and the proof that
//! nobody altered them ([`verify`](mod@verify)). It never interprets a payload: what a `kind` means, and what replaying it
//! does, is the engine's business.
//!
//! A position counts records from 1 without gaps and is also the position in every event stream. Records that must be all
//! there or not at all form a *transaction*; the last record of each carries [`Record::transaction_end`]. One [`Log`]
//! appends; any number of [`LogReader`]s read beside it and see committed transactions only.

mod ahead;
pub mod archive;
pub mod chain;
mod compaction;
mod journal;
mod look;
mod point;
pub mod record;
mod scan;
pub mod snapshots;
pub mod storage;
pub mod verify;

pub use chain::{Damage, Fault, Head};
pub use compaction::Compactor;
pub use journal::Journal;
pub use look::look;
pub use point::Point;
pub use record::{Hash, NO_HASH, NewRecord, Record, RecordError};
pub use scan::Scan;
pub(crate) use storage::is_of_system;
pub use storage::{Log, LogError, LogReader, check_ahead, is_in_use};
pub use verify::{Summary, verify, walk};
