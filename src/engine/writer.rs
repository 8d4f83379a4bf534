//! The one task that changes the state: group commit, and snapshots for readers.
//!
//! The writer decides request after request on a working copy of the state, makes the events
//! of the whole group durable in one commit, publishes the copy as the new snapshot and only
//! then answers. If the commit fails, the copy is dropped and nothing has happened.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::driver::OpenError;
use super::event::Actor;
use super::group::{Command, Group, tell_of_commit};
use super::saver::Saver;
use super::sessions::{Reason, Sessions};
use super::state::State;
use super::subscription::Shared;
use super::{confirm, core, datastores, operations, storage};
use crate::clock::{Clock, Stopwatch, Timestamp};
use crate::log::{Journal, LogError};

/// Most requests that one commit makes durable.
const GROUP_MAX: usize = 256;
/// A group with more octets of records than this takes no further request.
const GROUP_BYTES_MAX: usize = 16 << 20;
/// How long due events that could not be recorded or committed are not tried again.
const RETRY_DUE: Duration = Duration::from_secs(1);

/// What became of a step of the writer.
pub(super) struct Step {
    /// Whether all that was due and asked for is recorded and committed.
    pub(super) complete: bool,
    /// Who waits for the end, if that was asked for.
    stop: Option<oneshot::Sender<Result<(), LogError>>>,
}

/// The one task that changes the state.
pub(super) struct Writer {
    shared: Arc<Shared>,
    log: Box<dyn Journal>,
    state: State,
    sessions: Sessions,
    pub(super) queue: mpsc::Receiver<Command>,
    /// The sessions that ended, and why.
    ended: mpsc::Receiver<(u32, Reason)>,
    /// Those whose end is not in the log yet.
    unrecorded: Vec<(u32, Reason)>,
    /// Whether the newest commit failed.
    is_failing: bool,
}

impl Writer {
    /// Begins with the state that the log comes to: loads the startup datastore, if there is one, and puts the server's own
    /// agent into the registry, if it is not there as configured.
    ///
    /// # Errors
    /// What of that cannot be done.
    pub(super) fn begin(
        shared: Arc<Shared>,
        log: Box<dyn Journal>,
        state: State,
        queue: mpsc::Receiver<Command>,
        ended: mpsc::Receiver<(u32, Reason)>,
    ) -> Result<Self, OpenError> {
        let mut fresh = shared.fresh();
        let (options, sessions) = (&shared.options, Sessions::default());
        let mut group = Group::new(&state, &sessions);
        // RFC 6241 section 8.4.1: a confirmed commit does not outlast the process.
        if let Some(pending) = &group.state.pending {
            let (user, session) = pending.made_by();
            tracing::warn!(
                user,
                session,
                "a confirmed commit was not confirmed before the server ended: it is taken back"
            );
        }
        let taken_back = core::take_back(&group.state, options, confirm::Pending::given_up, &mut fresh);
        let (user, session) = group.state.pending.as_ref().map(confirm::Pending::made_by).unwrap_or_default();
        let actor = Actor::server_for(&user, session);
        group.record(fresh.now, actor, taken_back, None).map_err(OpenError::Startup)?;
        let startup = datastores::begin(&group.state, options);
        group.record(fresh.now, Actor::SERVER, startup, None).map_err(OpenError::Startup)?;
        let agent = operations::own_agent(&state, options, &fresh).map_err(OpenError::Agent)?;
        group.record(fresh.now, Actor::SERVER, agent, None).map_err(OpenError::Agent)?;
        let (unrecorded, is_failing) = (Vec::new(), false);
        let mut writer = Writer { shared, log, state, sessions, queue, ended, unrecorded, is_failing };
        writer.commit(group)?;
        Ok(writer)
    }

    /// Does what is asked for until it is told to stop.
    pub(super) async fn run(mut self) {
        let clock = self.shared.options.clock.clone();
        let mut saver = Saver::new(self.shared.clone());
        loop {
            let due = self.state.next_deadline();
            let mut overdue = false;
            let command = tokio::select! {
                biased;
                // First: what a session held that is gone is not in the way of who comes next.
                Some(ended) = self.ended.recv() => {
                    self.unrecorded.push(ended);
                    None
                }
                command = self.queue.recv() => match command {
                    Some(command) => Some(command),
                    None => break,
                },
                () = sleep_until(&clock, due) => {
                    overdue = true;
                    None
                }
                () = tokio::time::sleep(RETRY_DUE), if !self.unrecorded.is_empty() => None,
            };
            let step = self.step(command, GROUP_MAX);
            saver.follow(&self.state);
            if let Some(answer) = step.stop {
                saver.finish(&self.state);
                // The receiver may have gone; the log is closed all the same.
                let _ = answer.send(self.log.close());
                return;
            }
            if overdue && !step.complete {
                tokio::time::sleep(RETRY_DUE).await;
            }
        }
        if let Err(e) = self.log.close() {
            tracing::error!(error = %e, "the log was not closed cleanly");
        }
    }

    /// One group: the sessions that have ended, what is due, and at most so many requests, `next` being the first. It
    /// never waits.
    pub(super) fn step(&mut self, mut next: Option<Command>, at_most: usize) -> Step {
        let mut group = Group::new(&self.state, &self.sessions);
        while let Ok(ended) = self.ended.try_recv() {
            self.unrecorded.push(ended);
        }
        for (session, reason) in &self.unrecorded {
            group.end(&self.shared, *session, *reason, None);
        }
        let mut stop = None;
        let expired = group.expire(&self.shared);
        for _ in 0..at_most {
            if group.size > GROUP_BYTES_MAX && next.is_none() {
                break;
            }
            match next.take().or_else(|| self.queue.try_recv().ok()) {
                Some(Command::Stop(answer)) => {
                    stop = Some(answer);
                    break;
                }
                Some(command) => group.decide(&self.shared, command),
                None => break,
            }
        }
        let committed = self.commit(group).is_ok();
        if committed {
            self.unrecorded.clear();
        }
        Step { complete: committed && expired, stop }
    }

    /// Makes the group durable, publishes its state, answers. If the log refuses it, nothing has happened; the next group is
    /// tried again.
    fn commit(&mut self, group: Group) -> Result<(), LogError> {
        let since = Stopwatch::start();
        let begun = group.traced.first().and_then(|trace| trace.now());
        let appended = self.log.append(&group.transactions).map(|appended| appended > 0);
        match &appended {
            Ok(something) => {
                if *something {
                    self.shared.meter.committed(group.answers.len(), since);
                }
                self.shared.options.trail.committed(self.log.last());
                if *something && std::mem::take(&mut self.is_failing) {
                    tracing::info!(position = self.log.last().position, "the event log can be written again");
                }
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
            }
        }
        let failure = appended.as_ref().err().map(storage::refused);
        if failure.is_none() && !self.sessions.same(&group.sessions) {
            self.sessions = group.sessions;
            self.shared.sessions.store(Arc::new(self.sessions.clone()));
            // Who follows a candidate looks again.
            self.shared.committed.send_modify(|_| {});
        }
        if failure.is_none() && !group.announced.is_empty() {
            self.state = group.state;
            self.shared.snapshot.store(Arc::new(self.state.clone()));
            self.shared.tail.push(group.announced);
            self.shared.committed.send_replace(self.state.position);
        }
        if let Some(begun) = begun {
            tell_of_commit(
                &group.traced,
                begun,
                group.answers.len(),
                appended.is_ok().then_some(self.state.position),
            );
        }
        for answer in group.answers {
            answer(failure.clone().map_or(Ok(()), Err));
        }
        appended.map(|_| ())
    }
}

/// Waits for ever if nothing is due.
async fn sleep_until(clock: &Clock, due: Option<Timestamp>) {
    match due {
        Some(due) => clock.sleep_until(due).await,
        None => std::future::pending().await,
    }
}
