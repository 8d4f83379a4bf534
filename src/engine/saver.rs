//! When a snapshot is written, and by whom: beside the writer, from a state that no longer changes. After it, what has been in
//! the log for as long as it is to be kept goes into archives.
//!
//! It never makes anybody wait but who stops the server, and never fails anything: what cannot be written is said in the log of
//! the program, and tried again later.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};

use super::forgetting::{ForgetError, forget};
use super::replay::{self, snapshots_of};
use super::state::State;
use super::subscription::Shared;
use crate::log::{LogError, LogReader};

/// Records that are archived before it is looked whether the server is to end: a few archives.
const ARCHIVED_AT_ONCE: u64 = 65_536;

/// Writes snapshots of one engine.
pub(super) struct Saver {
    shared: Arc<Shared>,
    /// The position of the newest snapshot that was tried.
    newest: u64,
    under_way: Option<JoinHandle<()>>,
    /// Whether the server is to end.
    ends: Arc<AtomicBool>,
}

impl Saver {
    /// Of this engine.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        shared.options.capabilities.ages(&shared.reader);
        let newest = snapshots_of(&shared.reader).unwrap_or_default();
        let newest = newest.first().map_or(0, |newest| newest.head.position);
        Saver { shared, newest, under_way: None, ends: Arc::default() }
    }

    /// Begins a snapshot if there were so many events since the last one that reading them takes longer than it does, and none
    /// is under way.
    pub(super) fn follow(&mut self, state: &State) {
        // Writing an entry costs about as much as replaying an event; a quarter keeps a restart short and is cheap. To count
        // entries is not as cheap as the rest.
        if !self.is_due(state, 0)
            || self.under_way.as_ref().is_some_and(|thread| !thread.is_finished())
            || !self.is_due(state, state.entries() / 4)
        {
            return;
        }
        self.newest = state.position;
        let (shared, state, ends) = (self.shared.clone(), state.clone(), self.ends.clone());
        let begun = thread::Builder::new().name("snapshot".into()).spawn(move || {
            if save(&shared, &state) {
                archive(&shared, &ends);
            }
        });
        match begun {
            Ok(thread) => self.under_way = Some(thread),
            Err(error) => tracing::warn!(%error, "a snapshot could not be begun"),
        }
    }

    /// Writes the last one before the server ends. What is to be archived waits for the next start.
    pub(super) fn finish(mut self, state: &State) {
        self.ends.store(true, Relaxed);
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

/// Writes a snapshot; whether that was possible.
fn save(shared: &Shared, state: &State) -> bool {
    let position = state.position;
    let written = replay::write_snapshot(&shared.reader, state);
    match &written {
        Ok(()) => tracing::info!(position, "a snapshot was written"),
        Err(error) => {
            tracing::warn!(position, %error, "no snapshot could be written; a restart takes longer");
        }
    }
    written.is_ok()
}

fn archive(shared: &Shared, ends: &AtomicBool) {
    match retire(shared, ends) {
        Ok(0) => {}
        Ok(to) => {
            tracing::info!(to, "events were archived");
            shared.options.capabilities.ages(&shared.reader);
        }
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "events could not be archived or forgotten; the log grows meanwhile");
        }
    }
}

/// Archives what has been in the log for long enough, and forgets archives that are old enough, until the server ends. Gives the
/// position of the newest event that was archived now, or 0.
fn retire(shared: &Shared, ends: &AtomicBool) -> Result<u64, ForgetError> {
    let (log, options) = (&shared.reader, &shared.options);
    let limits = &options.limits;
    if limits.log_kept_s == 0 && limits.archives_kept_s == 0 {
        return Ok(0);
    }
    let now = options.clock.now();
    let before = |seconds: u64| now.as_micros().saturating_sub_unsigned(seconds.saturating_mul(1_000_000));
    let base = log.base()?.position;
    let mut compactor = log.compactor()?;
    // Those that "log compact" has made have an end too where nothing else is archived.
    let to = if limits.log_kept_s > 0 { archivable(log, before(limits.log_kept_s))? } else { base };
    let mut reached = base;
    while reached < to && !ends.load(Relaxed) {
        let before = reached;
        reached = compactor.archive(to.min(before.saturating_add(ARCHIVED_AT_ONCE)), |_| {})?;
        if reached <= before {
            break;
        }
    }
    if limits.archives_kept_s > 0 && !ends.load(Relaxed) {
        forget(log, &compactor, &options.trail, before(limits.archives_kept_s))?;
    }
    Ok(if reached > base { reached } else { 0 })
}

/// The position up to which records can leave the log that were made before a time: an older snapshot that is still kept has to
/// find all that follows it.
pub(super) fn archivable(log: &LogReader, before: i64) -> Result<u64, LogError> {
    let needed = snapshots_of(log)?.last().map_or(0, |oldest| oldest.head.position);
    let first_kept = log.position_at_time(before)?;
    Ok(first_kept.map_or(needed, |first| needed.min(first.saturating_sub(1))))
}
