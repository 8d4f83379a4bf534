//! What events make of negotiations, and of what the server negotiates with.
//!
//! Replay and the writer fold alike. It never refuses: what is promised, released and due follows from the events alone.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::course::Course;
use super::policies::capacity::demands;
use super::policies::{Means, Occasion, Stored};
use super::step::Party;
use super::{Event, Negotiations};
use crate::clock::Timestamp;
use crate::yang::generated::magent_task::Negotiation;
use crate::yang::generated::magent_types::NegotiationStatus;

impl Negotiations {
    /// Folds in an event. `revision` is its position in the log, `at` its time.
    pub fn apply(&mut self, revision: u64, at: Timestamp, event: &Event) {
        self.revision = revision;
        match event {
            Event::Opened { negotiation, account } => {
                let mut course = Course::new(negotiation.clone(), revision);
                account.iter().for_each(|account| course.account(account.clone()));
                self.put(course);
            }
            Event::Moved { negotiation, account, .. } => {
                let mut course = self.after(negotiation, revision);
                account.iter().for_each(|account| course.account(account.clone()));
                if negotiation.status == NegotiationStatus::Agreed {
                    let of = |party| self.promise(&course, party, revision, at);
                    [Party::Initiator, Party::Responder].into_iter().for_each(of);
                }
                self.put(course);
            }
            Event::Expired { negotiation } => self.put(self.after(negotiation, revision)),
            Event::Forgotten { id } => self.take(id),
            Event::Left { id, account } => {
                if let Some(mut course) = self.get(id).cloned() {
                    course.account(account.clone());
                    course.reconsidered = 0;
                    course.asked = None;
                    self.put(course);
                }
            }
            Event::Asked { id, asked } => {
                if let Some(mut course) = self.get(id).cloned() {
                    course.asked = Some((revision, Arc::new(asked.clone())));
                    self.put(course);
                }
            }
            Event::PolicySet { agent, policy } => {
                let stored = Arc::new(Stored::new(policy.clone(), self.memory.clone()));
                let name: Arc<str> = policy.name.as_str().into();
                self.change(agent, revision, |means| {
                    means.policies.insert(name, stored);
                });
                self.reconsider(agent);
                self.awaits(agent);
            }
            Event::PolicyRemoved { agent, name } => {
                self.change(agent, revision, |means| {
                    means.policies.remove(name.as_str());
                });
                self.awaits(agent);
            }
            Event::CapacitySet { agent } => {
                self.change(&agent.name, revision, |means| means.capacity = Arc::new(agent.capacity.clone()));
                self.reconsider(&agent.name);
            }
            Event::Released { agent, negotiation } => {
                self.change(agent, revision, |means| means.commitments.release(negotiation));
                self.reconsider(agent);
            }
            Event::Promised { agent, negotiation } => {
                if let Some(course) = self.get(negotiation).cloned()
                    && let Some(party) = course.party(agent)
                {
                    self.promise(&course, party, revision, at);
                }
            }
            Event::Lapsed { agent } => {
                self.change(agent, revision, |means| means.commitments.lapse(at));
                self.reconsider(agent);
            }
        }
    }

    /// A task was assigned that carries out an agreement: what is promised by it stays until the task ends.
    pub fn carried_out(&mut self, revision: u64, id: &str, task: &str) {
        let Some(course) = self.get(id) else { return };
        let mut course = course.clone();
        course.carried_out_by = Some(task.into());
        course.revision = revision;
        let agents = [course.head.initiator.clone(), course.head.responder.clone()];
        self.put(course);
        self.revision = revision;
        for agent in &agents {
            if self.means.get(agent.as_str()).is_some_and(|means| means.commitments.has(id)) {
                self.change(agent, revision, |means| means.commitments.bind(id, task));
            }
        }
    }

    /// A task of these agents, of which the second executes it, has ended: what was promised for it is released, and it is time
    /// for what is still negotiated of its fulfillment to expire.
    pub fn ended(&mut self, revision: u64, at: Timestamp, task: &str, agents: [&str; 2]) {
        let is_late = |course: &Course| {
            course.fulfilled() == Some(task) && course.expires_at().is_some_and(|until| until > at)
        };
        let opened = agents.last().and_then(|executor| self.opened_by.get(*executor)).into_iter().flatten();
        let late: Vec<Course> =
            opened.filter_map(|id| self.get(id)).filter(|c| is_late(c)).cloned().collect();
        for mut course in late {
            course.head.expires_at = Some(at.to_string());
            course.revision = revision;
            self.revision = revision;
            self.put(course);
        }
        for agent in agents {
            let promised = self.means.get(agent).map(|means| means.commitments.negotiations(task));
            let promised = promised.filter(|promised| !promised.is_empty());
            let Some(promised) = promised else { continue };
            self.change(agent, revision, |means| {
                promised.iter().for_each(|negotiation| means.commitments.release(negotiation));
            });
            self.revision = revision;
            self.reconsider(agent);
        }
    }

    /// An agent came to belong to another user: what the former one has given is dropped.
    pub fn drop_means(&mut self, revision: u64, agent: &str) {
        if self.set_means(agent, None).is_some() {
            self.revision = revision;
            self.awaits(agent);
        }
    }

    /// Whether anything of the agent is promised by an agreement of this negotiation, at the time `now` or later.
    pub(super) fn promises(&self, agent: &str, negotiation: &str, now: Timestamp) -> bool {
        self.means.get(agent).is_some_and(|means| means.commitments.counts_by(negotiation, now))
    }

    fn after(&self, negotiation: &Negotiation, revision: u64) -> Course {
        match self.get(&negotiation.id) {
            Some(before) => before.after(negotiation.clone(), revision),
            None => Course::new(negotiation.clone(), revision),
        }
    }

    /// Promises what was agreed, of the capacity of a party.
    fn promise(&mut self, course: &Course, party: Party, revision: u64, at: Timestamp) {
        let Some(agreed) = course.agreed() else { return };
        let agent = course.agent(party);
        let capacity = self.means.get(agent).map(|means| means.capacity.clone()).unwrap_or_default();
        let task = course.fulfilled();
        let demands: Vec<_> = demands(&capacity, party.role(task), agreed, at).collect();
        let replaced = self.means.get(agent).zip(task);
        let replaced = replaced.is_some_and(|(means, task)| means.commitments.has_for(task));
        if demands.is_empty() && !replaced {
            return;
        }
        self.change(agent, revision, |means| {
            task.iter().for_each(|task| means.commitments.replace(task, agreed));
            for demand in &demands {
                means.commitments.promise(&course.head.id, demand, at, task);
            }
        });
    }

    /// Changes what an agent has given.
    fn change(&mut self, agent: &str, revision: u64, change: impl FnOnce(&mut Means)) {
        let mut means = self.means.get(agent).map_or_else(|| Means::new(agent), |means| Means::clone(means));
        change(&mut means);
        means.revision = revision;
        self.set_means(agent, Some(means).filter(|means| !means.is_empty()));
    }

    /// Puts what an agent has given in the place of what it gave before, or drops it.
    fn set_means(&mut self, agent: &str, means: Option<Means>) -> Option<Arc<Means>> {
        let is = means.as_ref().and_then(|means| means.commitments.until());
        let before = match means {
            Some(means) => self.means.insert(agent.into(), Arc::new(means)),
            None => self.means.remove(agent),
        };
        let was = before.as_ref().and_then(|means| means.commitments.until());
        if was != is {
            was.map(|at| self.lapses.remove(&(at, agent.into())));
            is.map(|at| self.lapses.insert((at, agent.into())));
        }
        before
    }

    /// Takes back what was saved of an agent.
    pub(super) fn put_means(&mut self, means: Means) {
        let agent = means.agent.clone();
        self.set_means(&agent, Some(means));
        self.awaits(&agent);
    }

    /// Looks again at what was left to an agent, whose means have changed. To a question they are no answer.
    fn reconsider(&mut self, agent: &str) {
        for id in self.awaited.get(agent).cloned().into_iter().flatten() {
            let left = self.get(&id).filter(|course| course.is_left() && !course.is_asked());
            if let Some(course) = left {
                let mut course = course.clone();
                course.reconsidered = course.accounts.len();
                self.put(course);
            }
        }
    }

    /// Finds anew in which negotiations the server has to move for an agent. What was asked by a former policy does not count.
    fn awaits(&mut self, agent: &str) {
        for id in self.awaited.get(agent).cloned().into_iter().flatten() {
            let Some(course) = self.get(&id) else { continue };
            if course.asked.is_some() {
                let mut course = course.clone();
                course.asked = None;
                self.put(course);
                continue;
            }
            match self.is_due(course) {
                true => self.due.insert(id),
                false => self.due.remove(&id),
            };
        }
    }

    /// Whether it is the turn of an agent with a policy by which the server moves.
    fn is_due(&self, course: &Course) -> bool {
        let Some(agent) = course.head.turn.as_deref() else { return false };
        let waits = course.is_left() || course.asked.is_some();
        let Some(means) = self.means.get(agent).filter(|_| !waits) else { return false };
        course.party(agent).is_some_and(|party| means.policy(&Occasion::of(course, party), false).is_some())
    }

    /// Puts a negotiation, in place of its earlier state.
    pub(super) fn put(&mut self, course: Course) {
        let before =
            self.all.get_key_value(course.head.id.as_str()).map(|(id, before)| (id.clone(), before.clone()));
        let head = &course.head;
        let id = match &before {
            Some((id, _)) => id.clone(),
            None => {
                let id: Arc<str> = head.id.as_str().into();
                for agent in [&head.initiator, &head.responder] {
                    self.of_agent.entry(agent.as_str().into()).or_default().insert(id.clone());
                }
                id
            }
        };
        let before = before.as_ref().map(|(_, before)| before.as_ref());
        self.statuses.turned(before.map(|before| before.head.status as usize), Some(head.status as usize));
        let (was, is) = (before.and_then(Course::expires_at), course.expires_at());
        if was != is {
            was.map(|at| self.expiry.remove(&(at, id.clone())));
            is.map(|at| self.expiry.insert((at, id.clone())));
        }
        let (was_asked, is_asked) = (before.and_then(Course::asked_until), course.asked_until());
        if was_asked != is_asked {
            was_asked.map(|until| self.asked.remove(&(until, id.clone())));
            is_asked.map(|until| self.asked.insert((until, id.clone())));
        }
        match (was.is_some(), is.is_some()) {
            (false, true) => {
                self.opened_by.entry(head.initiator.as_str().into()).or_default().insert(id.clone());
            }
            (true, false) => remove_from(&mut self.opened_by, &head.initiator, &id),
            _ => {}
        }
        if is.is_none() {
            before.map(|before| self.ended.remove(&(before.revision, id.clone())));
            self.ended.insert((course.revision, id.clone()));
        }
        let (was, is) = (before.and_then(|before| before.head.turn.as_deref()), head.turn.as_deref());
        if was != is {
            was.into_iter().for_each(|agent| remove_from(&mut self.awaited, agent, &id));
            if let Some(agent) = is {
                self.awaited.entry(agent.into()).or_default().insert(id.clone());
            }
        }
        match self.is_due(&course) {
            true => self.due.insert(id.clone()),
            false => self.due.remove(&id),
        };
        self.all.insert(id, Arc::new(course));
    }

    fn take(&mut self, id: &str) {
        let Some((id, course)) = self.all.remove_with_key(id) else { return };
        let head = &course.head;
        self.statuses.turned(Some(head.status as usize), None);
        for agent in [&head.initiator, &head.responder] {
            remove_from(&mut self.of_agent, agent, &id);
        }
        remove_from(&mut self.opened_by, &head.initiator, &id);
        head.turn.iter().for_each(|agent| remove_from(&mut self.awaited, agent, &id));
        if let Some(at) = course.expires_at() {
            self.expiry.remove(&(at, id.clone()));
        }
        self.due.remove(&id);
        // An ended negotiation is not touched again, so its revision is that of its end.
        self.ended.remove(&(course.revision, id));
    }
}

fn remove_from(sets: &mut OrdMap<Arc<str>, OrdSet<Arc<str>>>, key: &str, member: &str) {
    let Some(set) = sets.get_mut(key) else { return };
    set.remove(member);
    if set.is_empty() {
        sets.remove(key);
    }
}
