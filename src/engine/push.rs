//! Updates of a datastore for one subscriber (RFC 8641): in full, periodically, or what has changed.
//!
//! All work is done in the task of the subscriber and on immutable snapshots: what was there at the last update, which
//! costs no more memory than what has changed since, against what is there now. Whatever happens between two updates is
//! one difference, so who falls behind is told less often, not more. The writer only rings a bell.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use super::request::Datastore;
use super::request::Form;
use super::sessions::Sessions;
use super::state::State;
use super::subscribers::Seat;
use super::subscription::{Lost, Shared};
use super::terms::{Target, Terms, Trigger};
use super::update::{Basis, Work};
use crate::access::Principal;
use crate::clock::Timestamp;
use crate::yang::generated::ietf_subscribed_notifications::{SubscriptionResumed, SubscriptionSuspended};
use crate::yang::model::Modelled;
use crate::yang::notification::Notification;

const MICROS_PER_CENTISECOND: i64 = 10_000;

/// What one subscriber is told of a datastore.
#[derive(Debug)]
pub(super) struct Push {
    shared: Arc<Shared>,
    principal: Principal,
    id: u32,
    form: Form,
    terms: Arc<Terms>,
    /// What the newest update was made from.
    base: Basis,
    /// Whether the next update is in full, although changes are wanted.
    sync: bool,
    /// The earliest time of the next update.
    due: Timestamp,
    /// How many updates of changes there were since the last one in full: the `patch-id` of the next (RFC 8641 section
    /// 3.7). After the greatest it is 0 again.
    changes: u32,
    /// States that were passed since the last update, within its dampening period, the oldest: `push_states_max` at most.
    passed: Vec<Basis>,
    /// Whether there were changes since the last update that no update will have.
    incomplete: bool,
    pub(super) suspended: bool,
    out: VecDeque<Notification>,
    committed: watch::Receiver<u64>,
    ending: watch::Receiver<bool>,
    _seat: Seat,
}

impl Push {
    pub(super) fn start(
        shared: Arc<Shared>,
        principal: Principal,
        id: u32,
        form: Form,
        terms: Arc<Terms>,
        established: Option<Arc<State>>,
        seat: Seat,
    ) -> Self {
        let (committed, ending) = (shared.committed.subscribe(), shared.ending.subscribe());
        let now = Basis::of(&shared);
        let base = Basis { state: established.unwrap_or(now.state), ..now };
        let mut push = Push {
            shared,
            principal,
            id,
            form,
            terms: terms.clone(),
            base,
            sync: false,
            due: Timestamp::EPOCH,
            changes: 0,
            passed: Vec::new(),
            incomplete: false,
            suspended: false,
            out: VecDeque::new(),
            committed,
            ending,
            _seat: seat,
        };
        push.modify(terms);
        push
    }

    /// Follows other terms, and tries again if it was suspended. What another filter selects is told in full first, if
    /// that was agreed.
    pub(super) fn modify(&mut self, terms: Arc<Terms>) {
        self.suspended = false;
        self.passed.clear();
        let now = self.shared.options.clock.now();
        (self.sync, self.due) = match &terms.target {
            Target::Datastore { trigger: Trigger::Periodic { period, anchor }, .. } => {
                (false, anchor.map_or(now, |anchor| tick(anchor, *period, now)))
            }
            Target::Datastore { trigger: Trigger::OnChange { sync, .. }, .. } => (*sync, now),
            Target::Events { .. } => (false, now),
        };
        self.terms = terms;
    }

    /// The next update is in full (RFC 8641 section 4.4.4).
    pub(super) fn resync(&mut self) {
        self.sync = true;
        self.due = self.shared.options.clock.now();
    }

    /// Whether nothing is waiting to be told and no update is to be made now, so that a call of [`Self::next`] can be
    /// cancelled without work being lost.
    pub(super) fn is_idle(&self) -> bool {
        self.out.is_empty() && !(self.is_wanted() && self.due <= self.shared.options.clock.now())
    }

    /// Whether something of an update that was made is not told yet.
    pub(super) fn has_more(&self) -> bool {
        !self.out.is_empty()
    }

    /// The position of what the newest update was made from.
    pub(super) fn position(&self) -> u64 {
        self.base.state.position
    }

    /// The next update; `None` when the stop time has passed or the server stops.
    ///
    /// Cancelling the call loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Notification>, Lost> {
        let clock = self.shared.options.clock.clone();
        loop {
            if let Some(notification) = self.out.pop_front() {
                return Ok(Some(notification));
            }
            self.committed.borrow_and_update();
            self.remember();
            let (now, stop) = (clock.now(), self.terms.stop.unwrap_or(Timestamp::MAX));
            if now >= stop {
                return Ok(None);
            }
            let due = self.is_wanted().then_some(self.due);
            if due.is_some_and(|due| due <= now) {
                self.update(now).await?;
                continue;
            }
            tokio::select! {
                biased;
                // It fails if the server is gone; then the stream ends too.
                _ = self.ending.wait_for(|ending| *ending) => return Ok(None),
                changed = self.committed.changed(), if due.is_none() || self.is_dampened(now) => {
                    if changed.is_err() {
                        return Ok(None);
                    }
                }
                () = clock.sleep_until(due.unwrap_or(stop).min(stop)) => {}
            }
        }
    }

    /// Whether there is, or may be, something to tell at the due time.
    fn is_wanted(&self) -> bool {
        let Target::Datastore { datastore, trigger } = &self.terms.target else { return false };
        match trigger {
            Trigger::Periodic { .. } => true,
            Trigger::OnChange { .. } if self.sync && !self.suspended => true,
            Trigger::OnChange { .. } => {
                !Arc::ptr_eq(&self.base.state, &self.shared.snapshot.load())
                    || has_others(*datastore, &self.base.sessions, &self.shared.sessions.load())
            }
        }
    }

    fn is_dampened(&self, now: Timestamp) -> bool {
        let is_on_change =
            matches!(self.terms.target, Target::Datastore { trigger: Trigger::OnChange { .. }, .. });
        is_on_change && !self.sync && now < self.due
    }

    /// Keeps what there is, so that the next update can tell also what is as before by then (RFC 8641 section 3.3).
    fn remember(&mut self) {
        if !self.is_dampened(self.shared.options.clock.now())
            || self.passed.len() >= self.shared.options.limits.push_states_max
        {
            return;
        }
        let present = Basis::of(&self.shared);
        let newest = self.passed.last().unwrap_or(&self.base);
        let Target::Datastore { datastore, .. } = &self.terms.target else { return };
        if !Arc::ptr_eq(&newest.state, &present.state)
            || has_others(*datastore, &newest.sessions, &present.sessions)
        {
            self.passed.push(present);
        }
    }

    async fn update(&mut self, now: Timestamp) -> Result<(), Lost> {
        let Target::Datastore { datastore, trigger } = &self.terms.target else { return Ok(()) };
        let present = Basis::of(&self.shared);
        let excluded = match trigger {
            Trigger::OnChange { excluded, .. } if !self.sync => Some(excluded.clone()),
            _ => None,
        };
        let work = Work {
            shared: self.shared.clone(),
            principal: self.principal.clone(),
            id: self.id,
            form: self.form,
            terms: self.terms.clone(),
            datastore: *datastore,
            number: self.changes,
        };
        let states: Vec<Basis> =
            [&self.base].into_iter().chain(&self.passed).chain([&present]).cloned().collect();
        let (new, incomplete) = (present.clone(), self.incomplete);
        let is_full = excluded.is_none();
        // The work holds its permit until it is done, also if it is not waited for any more.
        let permit =
            self.shared.updating.clone().acquire_owned().await.map_err(|e| Lost::new(e.to_string()))?;
        let made = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            match excluded {
                Some(excluded) => work.changes(&states, &excluded, incomplete),
                None => work.full(&new).map(Some),
            }
        });
        // Nothing is awaited from here on, so that a call that is cancelled has changed nothing.
        let made = made.await.map_err(|e| Lost::new(e.to_string()))?;
        self.base = present;
        self.passed.clear();
        match trigger {
            Trigger::Periodic { period, anchor } => {
                self.due = tick(anchor.unwrap_or(self.due), *period, now);
            }
            // What was not told dampens nothing: else it could be guessed (RFC 8641 section 3.9).
            Trigger::OnChange { dampening, .. } => {
                if matches!(made, Ok(Some(_))) {
                    self.due = later(self.shared.options.clock.now(), *dampening);
                }
            }
        }
        match made {
            Ok(update) => {
                if std::mem::take(&mut self.suspended) {
                    let data = SubscriptionResumed { id: self.id }.to_data();
                    let node = SubscriptionResumed::node();
                    self.out.push_back(Notification { node, data, parties: Vec::new() });
                }
                if is_full {
                    (self.changes, self.incomplete) = (0, false);
                } else if update.is_some() {
                    (self.changes, self.incomplete) = (self.changes.wrapping_add(1), false);
                }
                self.sync = false;
                self.out.extend(update);
            }
            Err(reason) => {
                // All that has changed would be too much (RFC 8641 section 3.11.1): what there is then is told in full when
                // that fits again, or if that was not agreed, what changes from now on, marked as incomplete.
                (self.sync, self.incomplete) = match trigger {
                    Trigger::OnChange { sync, .. } => (*sync, true),
                    Trigger::Periodic { .. } => (false, false),
                };
                if std::mem::replace(&mut self.suspended, true) {
                    return Ok(());
                }
                let data = SubscriptionSuspended { id: self.id, reason }.to_data();
                let node = SubscriptionSuspended::node();
                self.out.push_back(Notification { node, data, parties: Vec::new() });
            }
        }
        Ok(())
    }
}

/// Whether a datastore shows something else for what sessions are, hold or have in their candidates.
fn has_others(datastore: Datastore, before: &Sessions, now: &Sessions) -> bool {
    match datastore {
        Datastore::Candidate(_) => !before.candidates.same(&now.candidates),
        Datastore::Operational => !before.same(now),
        _ => false,
    }
}

/// The first time after `now` that is a whole number of periods from the anchor.
fn tick(anchor: Timestamp, period: u32, now: Timestamp) -> Timestamp {
    let period = i64::from(period.max(1)) * MICROS_PER_CENTISECOND;
    let since = now.as_micros() - anchor.as_micros();
    Timestamp::from_micros(now.as_micros() + period - since.rem_euclid(period)).unwrap_or(Timestamp::MAX)
}

fn later(now: Timestamp, centiseconds: u32) -> Timestamp {
    let micros = i64::from(centiseconds) * MICROS_PER_CENTISECOND;
    Timestamp::from_micros(now.as_micros() + micros).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rfc8641_3_1_updates_are_whole_periods_from_the_anchor() {
        let at = |seconds: i64| Timestamp::from_seconds(seconds).unwrap();
        assert_eq!(tick(at(0), 6000, at(61)), at(120));
        assert_eq!(tick(at(0), 6000, at(120)), at(180), "never twice at one time");
        assert_eq!(tick(at(1000), 6000, at(61)), at(100), "an anchor in the future");
        assert_eq!(tick(Timestamp::MIN, 1, Timestamp::MAX), Timestamp::MAX);
    }
}
