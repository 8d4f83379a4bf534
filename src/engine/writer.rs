//! The one task that decides what becomes of the state.
//!
//! The writer decides request after request on a working copy of the state. While the [`Committer`](super::committer::Committer)
//! makes one group of them durable, the next is decided on what that one comes to. If the log refuses a group, nothing of it has
//! happened, and nothing of what was decided upon it: that is refused too, and the next is decided on what is durable.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

use super::committer::Committer;
use super::driver::OpenError;
use super::event::Actor;
use super::group::{Command, Group};
use super::sessions::{Reason, Sessions};
use super::state::State;
use super::subscription::Shared;
use super::{confirm, core, datastores, operations};
use crate::clock::{Clock, Timestamp};
use crate::yang::error::Error;

/// Most requests that one commit makes durable.
const GROUP_MAX: usize = 256;
/// How long due events that could not be recorded or committed are not tried again.
const RETRY_DUE: Duration = Duration::from_secs(1);

/// The one task that changes the state.
pub(super) struct Writer {
    shared: Arc<Shared>,
    /// What all groups come to that were handed on, committed or not.
    state: State,
    sessions: Sessions,
    pub(super) queue: mpsc::Receiver<Command>,
    /// The sessions that ended, and why.
    ended: mpsc::Receiver<(u32, Reason)>,
    /// Those whose end is not in the log yet.
    unrecorded: Vec<(u32, Reason)>,
    /// The group that takes requests.
    open: Option<Group>,
}

impl Writer {
    /// Begins with the state that the log comes to: loads the startup datastore, if there is one, and puts the server's own
    /// agent into the registry, if it is not there as configured.
    ///
    /// # Errors
    /// What of that cannot be done.
    pub(super) fn begin(
        shared: Arc<Shared>,
        committer: &mut Committer,
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
        let state = group.state.clone();
        committer.commit(group, drop)?;
        Ok(Writer { shared, state, sessions, queue, ended, unrecorded: Vec::new(), open: None })
    }

    /// Does what is asked for until it is told to stop: hands on one group at a time, and hears what became of it.
    pub(super) async fn run(
        mut self,
        committer: SyncSender<Group>,
        mut landed: mpsc::Receiver<Result<(), Error>>,
    ) {
        let clock = self.shared.options.clock.clone();
        let mut is_under_way = false;
        // What is due rests for a while after it could not be recorded or committed.
        let mut resting: Option<Pin<Box<Sleep>>> = None;
        let rest = || Some(Box::pin(sleep(RETRY_DUE)));
        loop {
            let due = self.decided().next_deadline().filter(|_| resting.is_none());
            let has_room = self.open.as_ref().is_none_or(|group| group.has_room(GROUP_MAX));
            let mut next = None;
            let mut overdue = false;
            tokio::select! {
                biased;
                outcome = landed.recv(), if is_under_way => {
                    // It has ended badly, and the process with it.
                    let Some(outcome) = outcome else { return };
                    is_under_way = false;
                    if let Err(error) = outcome {
                        self.refused(&error);
                        resting = rest();
                    }
                }
                // First: what a session held that is gone is not in the way of who comes next.
                Some(ended) = self.ended.recv() => self.unrecorded.push(ended),
                command = self.queue.recv(), if has_room => match command {
                    Some(command) => next = Some(command),
                    None => break,
                },
                () = sleep_until(&clock, due) => overdue = true,
                () = rested(&mut resting), if resting.is_some() => resting = None,
                () = sleep(RETRY_DUE), if !self.unrecorded.is_empty() => {}
            }
            if !self.gather(next, GROUP_MAX) && overdue {
                resting = rest();
            }
            if !is_under_way && let Some(group) = self.hand_on() {
                let stops = group.stop.is_some();
                if committer.send(group).is_err() || stops {
                    return;
                }
                is_under_way = true;
            }
        }
        // Nobody asks any more; what was asked is done.
        if is_under_way && let Some(Err(error)) = landed.recv().await {
            self.refused(&error);
        }
        if let Some(group) = self.hand_on() {
            let _ = committer.send(group);
        }
    }

    /// The state that is decided on next.
    fn decided(&self) -> &State {
        self.open.as_ref().map_or(&self.state, |group| &group.state)
    }

    /// Puts into the open group: the sessions that have ended, what is due, and what is asked for, `next` being the first, until
    /// it has so many requests. False if something that is due could not be recorded. It never waits.
    pub(super) fn gather(&mut self, mut next: Option<Command>, at_most: usize) -> bool {
        while let Ok(ended) = self.ended.try_recv() {
            self.unrecorded.push(ended);
        }
        if !self.unrecorded.is_empty() {
            let committed = self.shared.sessions.load();
            self.unrecorded.retain(|(session, _)| committed.get(*session).is_some());
        }
        let group = self.open.get_or_insert_with(|| Group::new(&self.state, &self.sessions));
        for (session, reason) in &self.unrecorded {
            group.end(&self.shared, *session, *reason, None);
        }
        let expired = group.expire(&self.shared, next.is_some() || !self.queue.is_empty());
        while next.is_some() || group.has_room(at_most) {
            match next.take().or_else(|| self.queue.try_recv().ok()) {
                Some(Command::Stop(answer)) => group.stop = Some(answer),
                Some(command) => group.decide(&self.shared, command),
                None => break,
            }
        }
        expired
    }

    /// The open group, if there is anything to commit or to answer. What is decided from now on follows it.
    pub(super) fn hand_on(&mut self) -> Option<Group> {
        let group = self.open.take().filter(|group| !group.is_empty(&self.sessions))?;
        self.state = group.state.clone();
        self.sessions = group.sessions.clone();
        Some(group)
    }

    /// The group that was handed on last was refused, and so is what was decided upon it. What is durable is decided on next.
    pub(super) fn refused(&mut self, error: &Error) {
        self.state = self.shared.snapshot.load().as_ref().clone();
        self.sessions = self.shared.sessions.load().as_ref().clone();
        let Some(mut group) = self.open.take() else { return };
        if let Some(stop) = group.stop.take() {
            let open = self.open.insert(Group::new(&self.state, &self.sessions));
            open.stop = Some(stop);
        }
        let begun = group.begins_to_land();
        group.answered(begun, Err(error.clone()));
    }
}

/// Waits for ever if nothing is due.
async fn sleep_until(clock: &Clock, due: Option<Timestamp>) {
    match due {
        Some(due) => clock.sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn rested(resting: &mut Option<Pin<Box<Sleep>>>) {
    if let Some(resting) = resting {
        resting.await;
    }
}
