//! What the engine asks of where its events are kept: to append, and to be read.
//!
//! [`Log`] is the one of every server; a simulation puts one in its place that fails and crashes when it is told to. Nothing
//! here knows what a record means.

use std::fmt;

use super::chain::Head;
use super::record::NewRecord;
use super::storage::{Log, LogError, LogReader};

/// Where groups of transactions become durable.
pub trait Journal: fmt::Debug + Send {
    /// Appends a group of transactions; on return all of them last. Gives the number of their records.
    ///
    /// # Errors
    /// As [`Log::append`]: nothing of the group is there then, and appending may be tried again.
    fn append(&mut self, transactions: &[Vec<NewRecord>]) -> Result<u64, LogError>;

    /// The end: last position, last hash, latest time.
    fn last(&self) -> Head;

    /// What reads it.
    fn reader(&self) -> LogReader;

    /// Closes it in good order.
    ///
    /// # Errors
    /// As [`Log::close`].
    fn close(self: Box<Self>) -> Result<(), LogError>;
}

impl Journal for Log {
    fn append(&mut self, transactions: &[Vec<NewRecord>]) -> Result<u64, LogError> {
        Log::append(self, transactions)
    }

    fn last(&self) -> Head {
        Log::last(self)
    }

    fn reader(&self) -> LogReader {
        Log::reader(self)
    }

    fn close(self: Box<Self>) -> Result<(), LogError> {
        Log::close(*self)
    }
}
