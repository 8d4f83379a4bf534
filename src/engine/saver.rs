//! When a snapshot is written, and by whom: beside the writer, from a state that no longer changes.
//!
//! It never makes anybody wait but who stops the server, and never fails anything: a snapshot that cannot be written is said in
//! the log of the program, and tried again later.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::replay;
use super::state::State;
use crate::log::{LogReader, snapshots};

/// Writes snapshots of one engine.
#[derive(Debug)]
pub(super) struct Saver {
    log: LogReader,
    /// Events after which a snapshot is written, at the least; never if it is 0.
    least: u64,
    /// The position of the newest snapshot that was tried.
    newest: u64,
    under_way: Option<JoinHandle<()>>,
}

impl Saver {
    /// Of the engine of this log.
    pub(super) fn new(log: LogReader, least: u64) -> Self {
        let newest =
            snapshots::list(log.directory()).unwrap_or_default().first().map(|newest| newest.head.position);
        Saver { log, least, newest: newest.unwrap_or(0), under_way: None }
    }

    /// Begins a snapshot if there were so many events since the last one that reading them takes longer than it does, and none
    /// is under way.
    pub(super) fn follow(&mut self, state: &State) {
        // Writing an entry costs about as much as replaying an event; a quarter keeps a restart short and is cheap.
        if !self.is_due(state, self.least.max(state.entries() / 4)) {
            return;
        }
        if self.under_way.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        self.newest = state.position;
        let (log, state) = (self.log.clone(), Arc::new(state.clone()));
        match thread::Builder::new()
            .name("snapshot".into())
            .spawn(move || told(replay::write_snapshot(&log, &state), &state))
        {
            Ok(thread) => self.under_way = Some(thread),
            Err(error) => tracing::warn!(%error, "a snapshot could not be begun"),
        }
    }

    /// Writes the last one before the server ends.
    pub(super) fn finish(mut self, state: &State) {
        if let Some(thread) = self.under_way.take() {
            // What it had to say it has said.
            let _ = thread.join();
        }
        if self.is_due(state, self.least) {
            told(replay::write_snapshot(&self.log, state), state);
        }
    }

    fn is_due(&self, state: &State, after: u64) -> bool {
        // The first event is the server's own; there is nothing to save before it.
        self.least > 0 && state.position >= self.newest.saturating_add(after)
    }
}

fn told(saved: io::Result<()>, state: &State) {
    let position = state.position;
    match saved {
        Ok(()) => tracing::info!(position, "a snapshot was written"),
        Err(error) => {
            tracing::warn!(position, %error, "no snapshot could be written; a restart takes longer")
        }
    }
}
