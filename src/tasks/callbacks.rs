//! Reports to URLs: who is told of a task where, and how far each receiver has come.
//!
//! What was not delivered is part of the state, by the position of its event in the log, so that it outlasts whatever ends
//! the server. A receiver that has taken all ends with a task of which nothing is going to be told any more. Nothing is sent here,
//! and a token is known by what it is kept under alone.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use super::life_cycle::has_ended;
use super::{Event, Refusal, Tasks, unknown};
use crate::clock::Timestamp;
use crate::ids::Fresh;
use crate::limits::{CALLBACK_UNDELIVERED_MAX, Limits};
use crate::yang::error::Error;
use crate::yang::generated::magent_task::{
    AssignTaskInputCallback, AssignTaskInputNotification, Notification as Which, SubscribeInput,
    SubscribeInputNotification, SubscribeOutput, Subscription, SubscriptionState, Subscriptions, Task,
};
use crate::yang::generated::magent_types::TaskStatus;

/// What is asked for: a receiver, without what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Receiver {
    /// Where it is.
    pub url: String,
    /// The protocol, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The method, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Whether the draft's notification is sent and not `task-event`; `None` if nothing was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drafts: Option<bool>,
    /// What its bearer token is kept under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl Receiver {
    /// Whether it is asked with PUT and not with POST.
    pub fn is_put(&self) -> bool {
        self.method.as_deref().is_some_and(|method| method.eq_ignore_ascii_case("put"))
    }

    /// Whether both mean the same notifications of a task.
    fn is_same(&self, other: &Receiver) -> bool {
        self.url == other.url
            && self.is_put() == other.is_put()
            && self.drafts.unwrap_or(false) == other.drafts.unwrap_or(false)
    }

    /// Refuses a method or protocol that the server does not have. Whether the URL is permitted is for the caller to ask.
    fn check(&self) -> Result<(), Error> {
        let method = self.method.as_deref().unwrap_or("post");
        if !["post", "put"].iter().any(|known| method.eq_ignore_ascii_case(known)) {
            return Err(Refusal::BadCallback.error("A receiver is told with POST or PUT."));
        }
        let scheme = self.url.split_once(':').map_or("", |(scheme, _)| scheme);
        match &self.protocol {
            Some(protocol) if !protocol.eq_ignore_ascii_case(scheme) => Err(Refusal::BadCallback
                .error(format!("The URL is one of {scheme}, and the server has no other protocol for it."))),
            _ => Ok(()),
        }
    }
}

impl From<SubscribeInput> for Receiver {
    fn from(input: SubscribeInput) -> Receiver {
        let drafts =
            input.notification.map(|which| which == SubscribeInputNotification::ConditionNotifications);
        let SubscribeInput { url, protocol, method, token, .. } = input;
        Receiver { url, protocol, method, drafts, token }
    }
}

impl From<AssignTaskInputCallback> for Receiver {
    fn from(input: AssignTaskInputCallback) -> Receiver {
        let drafts =
            input.notification.map(|which| which == AssignTaskInputNotification::ConditionNotifications);
        let AssignTaskInputCallback { url, protocol, method, token, .. } = input;
        Receiver { url, protocol, method, drafts, token }
    }
}

/// A receiver of the reports on a task, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// Where and how it is told.
    pub receiver: Receiver,
    /// The agent that wants it.
    pub agent: String,
    /// When that was.
    pub created_at: Timestamp,
    /// Why nothing is sent, if the receiver was given up.
    pub stopped: Option<String>,
    /// The newest position that the receiver has taken.
    pub delivered: Option<u64>,
    /// The positions that it has not taken, ascending.
    pub undelivered: Vec<u64>,
    /// How many positions were given up.
    pub lost: u64,
    revision: u64,
}

/// Where a callback is: the task and its identifier there.
pub type Place = (Arc<str>, Arc<str>);

/// How far a delivery has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// The receiver has taken all up to a position.
    Delivered(u64),
    /// All up to a position cannot be sent any more.
    Lost(u64),
    /// The receiver is given up for now, and why.
    Stopped(String),
}

/// All callbacks. Cheap to clone; clones share what they have in common.
#[derive(Debug, Clone, Default)]
pub struct Callbacks {
    all: OrdMap<Place, Arc<Callback>>,
    /// How many each agent has.
    agents: OrdMap<Arc<str>, usize>,
    /// Those with something to send, by the oldest position of that.
    waiting: OrdSet<(u64, Place)>,
}

impl Callbacks {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether nothing has changed from the one to the other.
    pub fn is_same(&self, other: &Callbacks) -> bool {
        self.all.ptr_eq(&other.all)
    }

    /// How many the agent has.
    pub fn of_agent(&self, agent: &str) -> usize {
        self.agents.get(agent).copied().unwrap_or(0)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Place, &Arc<Callback>)> {
        self.all.iter()
    }

    /// The one there.
    pub fn get(&self, place: &Place) -> Option<&Arc<Callback>> {
        self.all.get(place)
    }

    /// Where there is something to send, what is oldest first.
    pub fn waiting(&self) -> impl Iterator<Item = &Place> {
        self.waiting.iter().map(|(_, place)| place)
    }

    /// Those of a task.
    pub(super) fn of<'a>(&'a self, task: &str) -> impl Iterator<Item = (&'a Place, &'a Arc<Callback>)> {
        let task: Arc<str> = task.into();
        let of = task.clone();
        self.all.range((task, Arc::from(""))..).take_while(move |((of_task, _), _)| *of_task == of)
    }

    /// Whether something of the task is still to be sent.
    pub(super) fn awaits(&self, task: &str) -> bool {
        self.of(task).any(|(_, callback)| callback.is_waiting())
    }

    /// What is shown of those of a task, and the revision that last touched one.
    pub(super) fn shown(&self, task: &str) -> Option<(Subscriptions, u64)> {
        if self.all.is_empty() {
            return None;
        }
        let shown = |((_, id), callback): (&Place, &Arc<Callback>)| callback.shown(id);
        let subscription: Vec<Subscription> = self.of(task).map(shown).collect();
        let revision = self.of(task).map(|(_, callback)| callback.revision).max()?;
        Some((Subscriptions { subscription }, revision))
    }

    /// The one of a task that is told the same notifications as this receiver.
    pub fn same(&self, task: &str, receiver: &Receiver) -> Option<(&Place, &Arc<Callback>)> {
        self.of(task).find(|(_, callback)| callback.receiver.is_same(receiver))
    }

    /// Something happened to the task, which all are to be told.
    pub(super) fn happened(&mut self, revision: u64, task: &str) {
        if self.all.is_empty() {
            return;
        }
        let places: Vec<Place> = self.of(task).map(|(place, _)| place.clone()).collect();
        for place in places {
            self.change(&place, |callback| {
                callback.undelivered.push(revision);
                if callback.undelivered.len() > CALLBACK_UNDELIVERED_MAX {
                    callback.undelivered.remove(0);
                    callback.lost = callback.lost.saturating_add(1);
                }
                callback.revision = revision;
            });
        }
    }

    /// A receiver is wanted, or the one there is told otherwise.
    pub(super) fn make(
        &mut self,
        revision: u64,
        at: Timestamp,
        place: Place,
        agent: &str,
        receiver: &Receiver,
    ) {
        let before = self.all.get(&place).cloned();
        self.end(&place);
        let mut callback = before.map_or_else(
            || Callback {
                receiver: receiver.clone(),
                agent: agent.to_owned(),
                created_at: at,
                stopped: None,
                delivered: None,
                undelivered: Vec::new(),
                lost: 0,
                revision,
            },
            |before| Callback { receiver: receiver.clone(), ..Callback::clone(&before) },
        );
        callback.revision = revision;
        self.hold(place, callback);
    }

    /// How far a receiver has come, or that it is to be tried again (`None`).
    pub(super) fn went_on(&mut self, revision: u64, place: &Place, progress: Option<&Progress>) {
        self.change(place, |callback| {
            callback.revision = revision;
            match progress {
                Some(Progress::Delivered(position)) => {
                    callback.undelivered.retain(|undelivered| undelivered > position);
                    callback.delivered = callback.delivered.max(Some(*position));
                }
                Some(Progress::Lost(position)) => {
                    let before = callback.undelivered.len();
                    callback.undelivered.retain(|undelivered| undelivered > position);
                    let gone = before.saturating_sub(callback.undelivered.len());
                    callback.lost = callback.lost.saturating_add(gone as u64);
                }
                Some(Progress::Stopped(why)) => callback.stopped = Some(why.clone()),
                None => callback.stopped = None,
            }
        });
    }

    /// Nobody is to be told any more there.
    pub(super) fn end(&mut self, place: &Place) {
        let Some(callback) = self.all.remove(place) else { return };
        if let Some(oldest) = callback.undelivered.first() {
            self.waiting.remove(&(*oldest, place.clone()));
        }
        let agent: Arc<str> = callback.agent.as_str().into();
        match self.of_agent(&agent).saturating_sub(1) {
            0 => self.agents.remove(&agent),
            count => self.agents.insert(agent, count),
        };
    }

    /// The task is no longer kept.
    pub(super) fn forget(&mut self, task: &str) {
        let places: Vec<Place> = self.of(task).map(|(place, _)| place.clone()).collect();
        places.iter().for_each(|place| self.end(place));
    }

    fn change(&mut self, place: &Place, change: impl FnOnce(&mut Callback)) {
        let Some(before) = self.all.get(place).cloned() else { return };
        let mut callback = Callback::clone(&before);
        change(&mut callback);
        self.end(place);
        self.hold(place.clone(), callback);
    }

    /// Keeps one that was not there.
    pub(super) fn hold(&mut self, place: Place, callback: Callback) {
        if callback.is_waiting()
            && let Some(oldest) = callback.undelivered.first()
        {
            self.waiting.insert((*oldest, place.clone()));
        }
        *self.agents.entry(callback.agent.as_str().into()).or_default() += 1;
        self.all.insert(place, Arc::new(callback));
    }
}

impl Callback {
    /// Whether there is something to send to it.
    pub fn is_waiting(&self) -> bool {
        self.stopped.is_none() && !self.undelivered.is_empty()
    }

    fn shown(&self, id: &str) -> Subscription {
        let which = |drafts| if drafts { Which::ConditionNotifications } else { Which::TaskEvent };
        let Receiver { url, protocol, method, drafts, .. } = self.receiver.clone();
        Subscription {
            id: id.to_owned(),
            url,
            protocol,
            method,
            notification: drafts.map(which),
            created_at: self.created_at.to_string(),
            state: match self.stopped {
                Some(_) => SubscriptionState::Stopped,
                None => SubscriptionState::Active,
            },
            reason: self.stopped.clone(),
            last_delivered: self.delivered,
            undelivered: self.undelivered.clone(),
            lost: Some(self.lost).filter(|lost| *lost > 0),
        }
    }
}

impl Tasks {
    /// Who is told of tasks by requests of the server.
    pub fn callbacks(&self) -> &Callbacks {
        &self.callbacks
    }

    /// Decides on who is to be told of a task, which need not exist yet: the facts, and the identifier. One that is told the
    /// same already stays, with its token replaced if one is given, and is tried again if it was given up.
    ///
    /// # Errors
    /// `bad-callback`; `task-ended` if nothing is going to be told of the task; `too-many`.
    pub fn call_back(
        &self,
        fresh: &mut Fresh,
        task: &str,
        agent: &str,
        receiver: Receiver,
        limits: &Limits,
    ) -> Result<(Vec<Event>, String), Error> {
        receiver.check()?;
        if let Some(((_, id), same)) = self.callbacks.same(task, &receiver) {
            let token = receiver.token.or_else(|| same.receiver.token.clone());
            let receiver = Receiver { token, ..receiver };
            let is_other = receiver != same.receiver;
            let mut events: Vec<Event> =
                is_other.then(|| made(task, id, agent, receiver)).into_iter().collect();
            events.extend(same.stopped.is_some().then(|| again(task, id)));
            return Ok((events, id.to_string()));
        }
        if self.is_over(task) {
            let message = format!("The task \"{task}\" has ended, and nothing is going to be told of it.");
            return Err(Refusal::TaskEnded.error(message));
        }
        let (of_task, all) = (self.callbacks.of(task).count(), self.callbacks.len());
        if of_task >= limits.callbacks_task_max || all >= limits.callbacks_max {
            return Err(Refusal::TooMany.error(format!(
                "There are {of_task} receivers of reports on the task \"{task}\" and {all} in all, and no more are told."
            )));
        }
        let id = fresh.uuid();
        Ok((vec![made(task, &id, agent, receiver)], id))
    }

    /// Decides on the action `subscribe` of a task.
    ///
    /// # Errors
    /// `unknown-reference`, and those of [`Self::call_back`].
    pub fn subscribe(
        &self,
        fresh: &mut Fresh,
        id: &str,
        input: SubscribeInput,
        limits: &Limits,
    ) -> Result<(Vec<Event>, SubscribeOutput), Error> {
        let task = self.get(id).ok_or_else(|| unknown(id))?;
        let (events, id) = self.call_back(fresh, id, &task.from, input.into(), limits)?;
        Ok((events, SubscribeOutput { id }))
    }

    /// Decides on the action `unsubscribe` of a subscription.
    ///
    /// # Errors
    /// `unknown-reference`.
    pub fn unsubscribe(&self, task: &str, id: &str) -> Result<Vec<Event>, Error> {
        Ok(vec![ended(task, id, &self.called_back(task, id)?.agent)])
    }

    /// Decides on the action `redeliver` of a subscription. One that is active goes on as it does.
    ///
    /// # Errors
    /// `unknown-reference`.
    pub fn redeliver(&self, task: &str, id: &str) -> Result<Vec<Event>, Error> {
        let is_stopped = self.called_back(task, id)?.stopped.is_some();
        Ok(is_stopped.then(|| again(task, id)).into_iter().collect())
    }

    /// The end of each that is told of a task.
    pub(super) fn end_callbacks(&self, task: &str) -> Vec<Event> {
        let ended = |((task, id), callback): (&Place, &Arc<Callback>)| ended(task, id, &callback.agent);
        self.callbacks.of(task).map(ended).collect()
    }

    /// Whether nothing is going to be told of the task any more: it has ended and cannot go back for rework.
    pub fn is_over(&self, task: &str) -> bool {
        let ended = self.tasks.get(task).filter(|record| has_ended(record.status));
        let is_verified = |task: Task| task.result.is_some_and(|result| result.verification.is_some());
        ended.is_some_and(|record| {
            record.status != TaskStatus::Finished || record.task.unpacked().is_some_and(is_verified)
        })
    }

    /// The facts of what became of deliveries, without those of receivers that are gone or were stopped meanwhile. With the last
    /// one that is delivered of a task that is over, its receiver ends; one that has lost something stays to tell so.
    pub fn delivered(&self, progress: Vec<(Place, Progress)>) -> Vec<Event> {
        let stands = |(place, _): &(Place, Progress)| {
            self.callbacks.get(place).is_some_and(|callback| callback.stopped.is_none())
        };
        let facts = |(place, progress): (Place, Progress)| {
            let end = self.callbacks.get(&place).filter(|callback| match progress {
                Progress::Delivered(position) => {
                    callback.undelivered.iter().all(|undelivered| *undelivered <= position)
                        && callback.lost == 0
                        && self.is_over(&place.0)
                }
                Progress::Lost(_) | Progress::Stopped(_) => false,
            });
            let end = end.map(|callback| ended(&place.0, &place.1, &callback.agent));
            let (task, id) = (place.0.to_string(), place.1.to_string());
            std::iter::once(Event::CallbackWentOn { task, id, progress: Some(progress) }).chain(end)
        };
        progress.into_iter().filter(stands).flat_map(facts).collect()
    }

    fn called_back(&self, task: &str, id: &str) -> Result<&Arc<Callback>, Error> {
        self.callbacks.get(&(task.into(), id.into())).ok_or_else(|| {
            Refusal::UnknownReference.error(format!("The task \"{task}\" has no subscription \"{id}\"."))
        })
    }
}

fn made(task: &str, id: &str, agent: &str, receiver: Receiver) -> Event {
    Event::CallbackMade { task: task.to_owned(), id: id.to_owned(), agent: agent.to_owned(), receiver }
}

fn ended(task: &str, id: &str, agent: &str) -> Event {
    Event::CallbackEnded { task: task.to_owned(), id: id.to_owned(), agent: agent.to_owned() }
}

fn again(task: &str, id: &str) -> Event {
    Event::CallbackWentOn { task: task.to_owned(), id: id.to_owned(), progress: None }
}
