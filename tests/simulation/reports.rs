//! Reports to receivers outside of the server: what is due to each, by the log alone, and what each has taken. A courier does what
//! `server/callbacks` does, without its sockets: it sends what the state says, and says how far it has come.
//!
//! What receivers have taken they keep, whatever becomes of the server; what the courier knows goes with it.

use std::collections::{BTreeMap, BTreeSet};

use agentconf::clock::Timestamp;
use agentconf::engine::{Receivers, State};
use agentconf::tasks::callbacks::{Place, Progress};
use agentconf::tasks::{self, Tasks};
use agentconf::yang::generated::magent_task::{CallbackKey, TaskEvent, nodes as n};
use agentconf::yang::model::Modelled as _;
use agentconf::yang::path::{Selector, Step};
use agentconf::yang::schema::Node;
use agentconf::yang::tree::Key;
use serde_json::json;

use super::mutation::Mutation;
use super::random::Random;
use super::requests::{Request, assign, task};
use super::witness::{Violation, hold};
use super::world::World;

/// A receiver that takes nothing before the faults stop, so that events are forgotten that it was to be told.
pub const SILENT: &str = "silent";

const RULE: &str = "what happens to a task is told to its receivers, each time at least once and in order";

/// Any URL can be told.
#[derive(Debug)]
pub struct Anybody;

impl Receivers for Anybody {
    fn admits(&self, _: &str) -> Result<(), &'static str> {
        Ok(())
    }

    fn key(&self) -> Option<CallbackKey> {
        None
    }
}

/// What is due to whom by the log, and what was taken.
#[derive(Default)]
pub struct Reports(BTreeMap<Place, Report>);

#[derive(Default)]
struct Report {
    /// The positions of what happened to the task since the receiver was wanted.
    due: Vec<u64>,
    /// What the receiver has taken, each once.
    taken: Vec<u64>,
    /// Up to here it was given up, since the events are kept no longer.
    lost: u64,
    /// Up to here the log says that it has come.
    reached: u64,
    has_ended: bool,
}

impl Report {
    fn is_taken(&self, position: u64) -> bool {
        position <= self.lost || self.taken.contains(&position)
    }
}

impl Reports {
    /// What an event says of receivers, before it is folded in.
    pub fn judge(&mut self, position: u64, at: Timestamp, event: &tasks::Event) -> Result<(), Violation> {
        match event {
            tasks::Event::CallbackMade { task, id, .. } => {
                let place = (task.as_str().into(), id.as_str().into());
                self.0.entry(place).or_default().has_ended = false;
            }
            tasks::Event::CallbackEnded { task, id, .. } => {
                let place = (task.as_str().into(), id.as_str().into());
                self.0.entry(place).or_default().has_ended = true;
            }
            tasks::Event::CallbackWentOn { task, id, progress: Some(progress) } => {
                let report = self.0.entry((task.as_str().into(), id.as_str().into())).or_default();
                match progress {
                    Progress::Delivered(to) => {
                        let untaken = report.due.iter().find(|due| *due <= to && !report.is_taken(**due));
                        hold(RULE, untaken.is_none(), || {
                            format!("{untaken:?} of {task} is said to be taken, with all up to {to}")
                        })?;
                        report.reached = report.reached.max(*to);
                    }
                    Progress::Lost(to) => {
                        report.lost = report.lost.max(*to);
                        report.reached = report.reached.max(*to);
                    }
                    Progress::Stopped(_) => {}
                }
            }
            event => {
                for told in Tasks::announce(event, at).iter().filter(|told| told.node == TaskEvent::node()) {
                    let of = TaskEvent::from_data(&told.data).map(|notice| notice.task).unwrap_or_default();
                    let wanted =
                        self.0.iter_mut().filter(|((task, _), report)| **task == *of && !report.has_ended);
                    wanted.for_each(|(_, report)| report.due.push(position));
                }
            }
        }
        Ok(())
    }

    /// What a state has still to tell is what is due.
    pub fn check(&self, state: &State) -> Result<(), Violation> {
        self.0.iter().filter(|(_, report)| !report.has_ended).try_for_each(|(place, report)| {
            let left: Vec<u64> = report.due.iter().copied().filter(|due| *due > report.reached).collect();
            let held = state.tasks.callbacks().get(place).map(|callback| callback.undelivered.clone());
            hold(RULE, held.as_ref() == Some(&left), || {
                format!("{place:?}: {left:?} is due, {held:?} is held")
            })
        })
    }

    /// A receiver takes a report, or one that it has taken before.
    fn take(&mut self, place: &Place, position: u64) -> Result<bool, Violation> {
        let report = self.0.entry(place.clone()).or_default();
        let is_new = !report.taken.contains(&position);
        if is_new {
            let next = report.due.iter().find(|due| !report.is_taken(**due));
            hold(RULE, next == Some(&position), || {
                format!("{place:?} is told {position}, and {next:?} is due")
            })?;
            report.taken.push(position);
        }
        Ok(is_new)
    }

    /// That all who are wanted have taken all.
    fn are_taken(&self) -> Result<(), Violation> {
        self.0.iter().filter(|(_, report)| !report.has_ended).try_for_each(|(place, report)| {
            let untaken = report.due.iter().find(|due| !report.is_taken(**due));
            hold(RULE, untaken.is_none(), || format!("{place:?} was never told {untaken:?}"))
        })
    }
}

/// Who sends the reports. It has its own chance, so that without it the worlds would be the same.
pub struct Courier {
    random: Random,
    /// How far each receiver has come, which may not be durable yet.
    done: BTreeMap<Place, u64>,
    /// What is to be made durable.
    progress: Vec<(Place, Progress)>,
    /// Those that are given up, which may not be durable yet: nothing is sent to them.
    stopped: BTreeSet<Place>,
    /// Whether it has not sent anything since the server has started.
    is_new: bool,
}

impl Courier {
    pub fn new(seed: u64) -> Courier {
        let random = Random::new(seed.rotate_left(32) ^ 0xc0);
        Courier {
            random,
            done: BTreeMap::new(),
            progress: Vec::new(),
            stopped: BTreeSet::new(),
            is_new: true,
        }
    }

    /// The server ends, and with it what was not durable.
    pub fn ends(&mut self) {
        self.done.clear();
        self.progress.clear();
        self.stopped.clear();
        self.is_new = true;
    }

    /// How far it has come is durable.
    pub fn is_durable(&mut self, progress: &[(Place, Progress)]) {
        for (place, progress) in progress {
            if matches!(progress, Progress::Stopped(_)) {
                self.stopped.remove(place);
                self.done.remove(place);
            }
        }
    }

    /// How far it has come is not durable, and said again.
    pub fn again(&mut self, mut progress: Vec<(Place, Progress)>) {
        progress.append(&mut self.progress);
        self.progress = progress;
    }
}

impl World {
    /// Sometimes something about reports.
    pub fn reports(&mut self) -> Result<(), Violation> {
        let state = self.engine().snapshot();
        match self.courier.random.below(60) {
            0 => {
                self.number += 1;
                self.order("ordered")
            }
            1..4 => {
                let all = super::world::keys(state.tasks.tasks().as_ref());
                let Some(id) = (!all.is_empty()).then(|| self.courier.random.pick(&all).clone()) else {
                    return Ok(());
                };
                let Some(user) = state.tasks.get(&id).and_then(|task| owner(&task.from)) else {
                    return Ok(());
                };
                let host = *self.courier.random.pick(&["receiver", "other", SILENT]);
                let url = format!("https://{host}.example/");
                let which = *self.courier.random.pick(&["condition-notifications", "task-event"]);
                let input = json!({"url": url, "notification": which});
                let target = Some(task(&id));
                self.asks(
                    user,
                    Request::Invoke { operation: &n::INTERACTION_TASKS_TASK_SUBSCRIBE, target, input },
                )
            }
            4..7 => self.about_receiver(&state),
            7..17 => {
                for _ in 0..4 {
                    self.carry(20)?;
                }
                self.tell_progress()
            }
            _ => Ok(()),
        }
    }

    /// An order of which a receiver is told from its beginning on.
    pub fn order(&mut self, host: &str) -> Result<(), Violation> {
        let mut input = assign("ann", "bob", self.number);
        input["callback"] = json!({"url": format!("https://{host}.example/")});
        self.asks("ann", Request::Invoke { operation: &n::ASSIGN_TASK, target: None, input })
    }

    /// Somebody is not told any more, or told again who was given up.
    fn about_receiver(&mut self, state: &State) -> Result<(), Violation> {
        let ended = self.courier.random.chance(30);
        let all = state.tasks.callbacks().iter();
        let places: Vec<&Place> =
            all.filter(|(_, callback)| ended || callback.stopped.is_some()).map(|(place, _)| place).collect();
        if places.is_empty() {
            return Ok(());
        }
        let place = (*self.courier.random.pick(&places)).clone();
        if !ended {
            return self.redeliver(state, &place);
        }
        let operation = &n::INTERACTION_TASKS_TASK_SUBSCRIPTIONS_SUBSCRIPTION_UNSUBSCRIBE;
        self.ask_about(state, &place, operation)
    }

    fn redeliver(&mut self, state: &State, place: &Place) -> Result<(), Violation> {
        self.witness.seen.insert("reports redelivered".into());
        self.ask_about(state, place, &n::INTERACTION_TASKS_TASK_SUBSCRIPTIONS_SUBSCRIPTION_REDELIVER)
    }

    fn ask_about(&mut self, state: &State, place: &Place, operation: &'static Node) -> Result<(), Violation> {
        let user = state.tasks.callbacks().get(place).and_then(|callback| owner(&callback.agent));
        let Some(user) = user else { return Ok(()) };
        let above = task(&place.0).child(Step::plain(&n::INTERACTION_TASKS_TASK_SUBSCRIPTIONS));
        let selector = Selector::Key(Key::string(&place.1));
        let target =
            above.child(Step { node: &n::INTERACTION_TASKS_TASK_SUBSCRIPTIONS_SUBSCRIPTION, selector });
        self.asks(user, Request::Invoke { operation, target: Some(target), input: json!({}) })
    }

    fn asks(&mut self, user: &'static str, request: Request) -> Result<(), Violation> {
        self.asked.push((user, request.clone()));
        self.ask(user, request)
    }

    /// The courier sends one report, which fails in so many of a hundred cases.
    fn carry(&mut self, fails: u64) -> Result<(), Violation> {
        let state = self.engine().snapshot();
        let can = |place: &&Place| !self.courier.stopped.contains(*place);
        let waiting: Vec<Place> = state.tasks.callbacks().waiting().filter(can).cloned().collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let place = self.courier.random.pick(&waiting).clone();
        let Some(callback) = state.tasks.callbacks().get(&place) else { return Ok(()) };
        let done = self.courier.done.get(&place).copied().unwrap_or(0);
        let mut left = callback.undelivered.iter().copied().filter(|position| *position > done);
        let next = match self.mutation {
            Some(Mutation::CourierBeginsWithTheNewest) if self.courier.is_new => left.next_back(),
            _ => left.next(),
        };
        let Some(position) = next else { return Ok(()) };
        self.courier.is_new = false;
        let told = self.engine().told(position, callback.receiver.drafts.unwrap_or(false));
        let told =
            told.map_err(|e| Violation { rule: RULE, detail: format!("{position} cannot be read: {e}") })?;
        if told.is_none() {
            hold(RULE, position <= self.begins_after, || format!("{position} is kept, and tells nothing"))?;
            self.witness.seen.insert("reports lost".into());
            // The next one is sent before that is durable.
            let report = self.witness.reports.0.entry(place.clone()).or_default();
            report.lost = report.lost.max(position);
            self.courier.done.insert(place.clone(), position);
            self.courier.progress.push((place, Progress::Lost(position)));
            return Ok(());
        }
        let what = self.courier.random.below(100);
        let is_silent = fails > 0 && callback.receiver.url.contains(SILENT);
        let is_taken = what >= fails && !is_silent;
        // The receiver may have taken what nobody knows of.
        let is_known = is_taken && self.courier.random.chance(85);
        if is_taken && !self.witness.reports.take(&place, position)? {
            self.witness.seen.insert("reports repeated".into());
        }
        if is_known || (!is_taken && self.mutation == Some(Mutation::CourierTellsOfWhatFailed)) {
            self.courier.done.insert(place.clone(), position);
            self.courier.progress.push((place, Progress::Delivered(position)));
        } else if what < fails / 2 {
            self.courier.stopped.insert(place.clone());
            self.courier.progress.push((place, Progress::Stopped("it does not answer".into())));
        }
        Ok(())
    }

    /// How far the courier has come is to be durable.
    fn tell_progress(&mut self) -> Result<(), Violation> {
        let mut progress = std::mem::take(&mut self.courier.progress);
        if progress.is_empty() {
            return Ok(());
        }
        // As the server does it: what was taken is said of a receiver before it is given up.
        progress.sort_by_key(|(_, progress)| match progress {
            Progress::Delivered(position) | Progress::Lost(position) => *position,
            Progress::Stopped(_) => u64::MAX,
        });
        self.ask("admin", Request::Delivered(progress))
    }

    /// Without faults all receivers come to have all.
    pub fn all_is_reported(&mut self) -> Result<(), Violation> {
        for _ in 0..10 {
            let state = self.engine().snapshot();
            if state.tasks.callbacks().iter().all(|(_, callback)| callback.undelivered.is_empty()) {
                break;
            }
            let stopped = state.tasks.callbacks().iter().filter(|(_, callback)| callback.stopped.is_some());
            stopped.map(|(place, _)| place).try_for_each(|place| self.redeliver(&state, place))?;
            for _ in 0..400 {
                self.carry(0)?;
            }
            self.tell_progress()?;
            self.step(256)?;
        }
        let state = self.engine().snapshot();
        let waits = state.tasks.callbacks().iter().find(|(_, callback)| !callback.undelivered.is_empty());
        hold(RULE, waits.is_none(), || format!("{waits:?} is not told to its end"))?;
        self.witness.reports.are_taken()
    }
}

/// Whose agent it is.
fn owner(agent: &str) -> Option<&'static str> {
    let user = agent.strip_suffix("-agent")?;
    super::requests::OWNERS.into_iter().find(|owner| *owner == user)
}
