//! What makes groups durable: one commit for each, while the writer decides the next one; then it publishes the state of the
//! group and answers.
//!
//! It never decides anything: a group is committed as it is, or nothing of it has happened.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use tokio::sync::mpsc;

use super::group::Group;
use super::saver::Saver;
use super::storage;
use super::subscription::Shared;
use crate::clock::Stopwatch;
use crate::log::{Journal, LogError};
use crate::yang::error::Error;

/// The one that writes to the log, and that changes what readers see.
pub(super) struct Committer {
    shared: Arc<Shared>,
    log: Box<dyn Journal>,
    /// Whether the newest commit failed.
    is_failing: bool,
}

impl Committer {
    pub(super) fn new(shared: Arc<Shared>, log: Box<dyn Journal>) -> Self {
        Committer { shared, log, is_failing: false }
    }

    /// Commits what comes, says of each group what became of it, and closes the log when it is told to, or when no more comes.
    pub(super) fn run(mut self, groups: &Receiver<Group>, landed: &mpsc::Sender<Result<(), Error>>) {
        let mut saver = Saver::new(self.shared.clone());
        while let Ok(mut group) = groups.recv() {
            let stop = group.stop.take();
            // What the log said, `commit` has told. A writer that has ended does not hear it.
            let _ = self.commit(group, |outcome| drop(landed.blocking_send(outcome)));
            let state = self.shared.snapshot.load();
            saver.follow(&state);
            if let Some(answer) = stop {
                saver.finish(&state);
                // The receiver may have gone; the log is closed all the same.
                let _ = answer.send(self.log.close());
                return;
            }
        }
        if let Err(e) = self.log.close() {
            tracing::error!(error = %e, "the log was not closed cleanly");
        }
    }

    /// Makes the group durable, publishes its state, tells the writer, whose next group waits for that, and answers. If the log
    /// refuses it, nothing has happened.
    ///
    /// # Errors
    /// Those of the log.
    pub(super) fn commit(
        &mut self,
        mut group: Group,
        tell: impl FnOnce(Result<(), Error>),
    ) -> Result<(), LogError> {
        let since = Stopwatch::start();
        let begun = group.begins_to_land();
        let appended = self.log.append(&group.transactions);
        let refused = match &appended {
            Ok(records) => {
                if *records > 0 {
                    self.shared.meter.committed(group.answers.len(), since);
                }
                self.shared.options.trail.committed(self.log.last());
                if *records > 0 && std::mem::take(&mut self.is_failing) {
                    tracing::info!(position = self.log.last().position, "the event log can be written again");
                }
                self.publish(&mut group);
                None
            }
            // Who asks again and again must not fill what is left of the disk with the log of the process.
            Err(error) => {
                self.shared.meter.failed(self.shared.options.clock.now());
                match std::mem::replace(&mut self.is_failing, true) {
                    false => {
                        tracing::error!(%error, "the event log cannot be written: changes are refused, reading goes on");
                    }
                    true => tracing::debug!(%error, "the event log still cannot be written"),
                }
                Some(storage::refused(error))
            }
        };
        let outcome = refused.map_or(Ok(()), Err);
        tell(outcome.clone());
        group.answered(begun, outcome);
        appended.map(drop)
    }

    fn publish(&self, group: &mut Group) {
        if !self.shared.sessions.load().same(&group.sessions) {
            self.shared.sessions.store(Arc::new(group.sessions.clone()));
            // Who follows a candidate looks again.
            self.shared.committed.send_modify(|_| {});
        }
        if !group.transactions.is_empty() {
            self.shared.snapshot.store(Arc::new(group.state.clone()));
            self.shared.tail.push(group.announced());
            self.shared.committed.send_replace(group.state.position);
        }
    }
}
