//! When a snapshot is written, and by whom: beside the writer, from a state that no longer changes. After it, what has been in
//! the log for as long as it is to be kept goes into archives.
//!
//! It never makes anybody wait but who stops the server, and never fails anything: what cannot be written is said in the log of
//! the program, and tried again later.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::replay;
use super::state::State;
use super::subscription::Shared;
use crate::log::{LogError, LogReader, snapshots};

/// Writes snapshots of one engine.
pub(super) struct Saver {
    shared: Arc<Shared>,
    /// The position of the newest snapshot that was tried.
    newest: u64,
    under_way: Option<JoinHandle<()>>,
}

impl Saver {
    /// Of this engine.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        shared.options.capabilities.ages(&shared.reader);
        let newest = snapshots::list(shared.reader.directory()).unwrap_or_default();
        let newest = newest.first().map_or(0, |newest| newest.head.position);
        Saver { shared, newest, under_way: None }
    }

    /// Begins a snapshot if there were so many events since the last one that reading them takes longer than it does, and none
    /// is under way.
    pub(super) fn follow(&mut self, state: &State) {
        // Writing an entry costs about as much as replaying an event; a quarter keeps a restart short and is cheap.
        if !self.is_due(state, state.entries() / 4)
            || self.under_way.as_ref().is_some_and(|thread| !thread.is_finished())
        {
            return;
        }
        self.newest = state.position;
        let (shared, state) = (self.shared.clone(), state.clone());
        let begun = thread::Builder::new().name("snapshot".into()).spawn(move || save(&shared, &state));
        match begun {
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
        if self.is_due(state, 0) {
            save(&self.shared, state);
        }
    }

    fn is_due(&self, state: &State, at_least: u64) -> bool {
        let least = self.shared.options.limits.snapshot_events_min;
        least > 0 && state.position >= self.newest.saturating_add(least.max(at_least))
    }
}

fn save(shared: &Shared, state: &State) {
    let position = state.position;
    match replay::write_snapshot(&shared.reader, state) {
        Ok(()) => tracing::info!(position, "a snapshot was written"),
        Err(error) => {
            tracing::warn!(position, %error, "no snapshot could be written; a restart takes longer");
            return;
        }
    }
    match retire(shared) {
        Ok(0) => {}
        Ok(to) => {
            tracing::info!(to, "events were archived");
            shared.options.capabilities.ages(&shared.reader);
        }
        Err(error) => tracing::warn!(%error, "events could not be archived; the log grows meanwhile"),
    }
}

/// Archives what has been in the log for long enough, and forgets archives that are old enough. Gives the position of the newest
/// event that was archived now, or 0.
fn retire(shared: &Shared) -> Result<u64, LogError> {
    let (log, limits) = (&shared.reader, &shared.options.limits);
    if limits.log_kept_s == 0 {
        return Ok(0);
    }
    let now = shared.options.clock.now();
    let before = |seconds: u64| now.as_micros().saturating_sub_unsigned(seconds.saturating_mul(1_000_000));
    let base = log.base()?.position;
    let mut compactor = log.compactor()?;
    let to = archivable(log, before(limits.log_kept_s))?;
    let reached = if to > base { compactor.archive(to, |_| {})? } else { base };
    if limits.archives_kept_s > 0 {
        compactor.forget_before(before(limits.archives_kept_s))?;
    }
    Ok(if reached > base { reached } else { 0 })
}

/// The position up to which records can leave the log that were made before a time: an older snapshot that is still kept has to
/// find all that follows it.
pub(super) fn archivable(log: &LogReader, before: i64) -> Result<u64, LogError> {
    let dir = log.directory();
    let kept = snapshots::list(dir).map_err(|source| LogError::File { path: dir.to_owned(), source })?;
    let needed = kept.last().map_or(0, |oldest| oldest.head.position);
    let first_kept = log.position_at_time(before)?;
    Ok(first_kept.map_or(needed, |first| needed.min(first.saturating_sub(1))))
}
