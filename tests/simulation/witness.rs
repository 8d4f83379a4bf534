//! Who reads the log beside the server, folds it, and holds every event to the rules. It never asks the server anything.

use std::collections::BTreeSet;
use std::fmt;

use agentconf::agents;
use agentconf::clock::Timestamp;
use agentconf::engine::{Actor, Event, State};
use agentconf::log::{Hash, LogReader, NO_HASH};
use agentconf::negotiation;
use agentconf::tasks;
use agentconf::yang::generated::magent_task::TaskEventEvent;

use super::mutation::Mutation;
use super::promises::Promises;
use super::reports::Reports;
use super::requests::SECRET;

/// A rule that does not hold.
#[derive(Debug)]
pub struct Violation {
    pub rule: &'static str,
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.detail)
    }
}

pub fn hold(rule: &'static str, holds: bool, detail: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { rule, detail: detail() }) }
}

/// The state as the log has it, and what happened once.
pub struct Witness {
    pub state: State,
    hash: Hash,
    intents: BTreeSet<String>,
    /// What can happen once: a kind with an identifier.
    once: BTreeSet<(&'static str, String)>,
    /// What kinds of things happened.
    pub seen: BTreeSet<String>,
    promises: Promises,
    pub reports: Reports,
    mutation: Option<Mutation>,
}

impl Witness {
    pub fn new(mutation: Option<Mutation>) -> Self {
        let state = State::default();
        Witness {
            state,
            hash: NO_HASH,
            intents: BTreeSet::new(),
            once: BTreeSet::new(),
            seen: BTreeSet::new(),
            promises: Promises::new(mutation),
            reports: Reports::default(),
            mutation,
        }
    }

    /// What was read is still there: nothing that lasted is lost.
    pub fn remembers(&self, reader: &LogReader) -> Result<(), Violation> {
        const RULE: &str = "nothing acknowledged is lost";
        let Some(before) = self.state.position.checked_sub(1) else { return Ok(()) };
        let read = reader.read(before, 1).map_err(|e| Violation { rule: RULE, detail: e.to_string() })?;
        hold(RULE, read.first().is_some_and(|record| record.hash == self.hash), || {
            format!("record {} is gone or another", self.state.position)
        })
    }

    /// Reads on to the end of the log.
    pub fn follow(&mut self, reader: &LogReader) -> Result<(), Violation> {
        const RULE: &str = "the log can be read and folded";
        let broken = |detail: String| Violation { rule: RULE, detail };
        let records = reader.read(self.state.position, usize::MAX >> 1).map_err(|e| broken(e.to_string()))?;
        for record in &records {
            let text = String::from_utf8_lossy(&record.payload);
            hold("no secret in a record", !text.contains(SECRET), || text.clone().into_owned())?;
            let event = Event::from_record(record).map_err(|e| broken(e.to_string()))?;
            let at = Timestamp::from_micros(record.at).unwrap_or(Timestamp::EPOCH);
            self.judge(at, &event)?;
            self.promises.judge(&self.state, at, &event)?;
            if let Event::Tasks(event) = &event {
                self.reports.judge(record.position, at, event)?;
            }
            self.seen.insert(kind(&event));
            self.seen.extend(judged(&event).map(str::to_owned));
            if self.forgets(&event) {
                self.state.position += 1;
            } else {
                self.state.apply(at, Actor::recorded(record), &event).map_err(|e| broken(e.to_string()))?;
            }
            self.hash = record.hash;
        }
        self.reports.check(&self.state)
    }

    fn forgets(&self, event: &Event) -> bool {
        match self.mutation {
            Some(Mutation::FoldForgets) => {
                matches!(event, Event::Negotiation(negotiation::Event::Expired { .. }))
            }
            Some(Mutation::FoldKeepsAnOldIndex) => {
                matches!(event, Event::Agents(agents::Event::Renewed { .. }))
            }
            _ => false,
        }
    }

    /// What an event has to be, before it is folded in.
    fn judge(&mut self, at: Timestamp, event: &Event) -> Result<(), Violation> {
        match event {
            Event::Tasks(tasks::Event::TaskCreated { task }) => {
                self.happens("a task is created once", "task", &task.id)?;
                self.intends(task.content.as_deref())
            }
            Event::Tasks(tasks::Event::TaskChanged { notice, .. })
                if notice.event == TaskEventEvent::DeadlinePassed =>
            {
                let task = self.state.tasks.get(&notice.task);
                due(at, task.as_ref().and_then(|task| task.deadline.as_deref()))?;
                self.happens(DEADLINE, "deadline", &notice.task)
            }
            Event::Negotiation(negotiation::Event::Opened { negotiation, .. }) => {
                self.happens("a negotiation is opened once", "negotiation", &negotiation.id)?;
                self.intends(negotiation.round.first().and_then(|round| round.content.as_deref()))
            }
            Event::Negotiation(negotiation::Event::Moved { negotiation, .. }) => self.in_turn(negotiation),
            Event::Negotiation(negotiation::Event::Expired { negotiation }) => {
                let before = self.state.negotiations.get(&negotiation.id);
                due(at, before.and_then(|before| before.head.expires_at.as_deref()))?;
                self.happens(DEADLINE, "expiry", &negotiation.id)
            }
            Event::Agents(agents::Event::Ended { name, ending: agents::Ending::Expired, .. }) => {
                // It is registered until then, so it cannot end twice.
                let agent = self.state.registry.get(name, Timestamp::EPOCH);
                due(at, agent.and_then(|agent| agent.registration.expires_at.as_deref()))
            }
            Event::Agents(agents::Event::DelegationEnded { delegation, .. }) => {
                self.happens(DEADLINE, "delegation", &delegation.id.to_string())
            }
            _ => Ok(()),
        }
    }

    fn happens(&mut self, rule: &'static str, kind: &'static str, id: &str) -> Result<(), Violation> {
        hold(rule, self.once.insert((kind, id.to_owned())), || format!("{kind} {id} a second time"))
    }

    fn intends(&mut self, content: Option<&str>) -> Result<(), Violation> {
        let Some(intent) = content.filter(|content| content.starts_with("intent ")) else { return Ok(()) };
        hold("a request that is repeated is done once", self.intents.insert(intent.to_owned()), || {
            format!("\"{intent}\" a second time")
        })
    }

    fn in_turn(&self, after: &agentconf::yang::generated::magent_task::Negotiation) -> Result<(), Violation> {
        const RULE: &str = "negotiations keep the order of turns";
        let wrong = |detail: &str| Violation { rule: RULE, detail: format!("{}: {detail}", after.id) };
        let before = self.state.negotiations.get(&after.id).ok_or_else(|| wrong("was never opened"))?;
        let [round] = after.round.as_slice() else { return Err(wrong("one round is made at a time")) };
        let turn = before.head.turn.as_deref().ok_or_else(|| wrong("it has ended"))?;
        let is_withdrawn = format!("{:?}", round.move_) == "Withdraw" && round.from == before.head.initiator;
        hold(RULE, round.from == turn || is_withdrawn, || {
            format!("{}: {} moved, not {turn}", after.id, round.from)
        })?;
        hold(RULE, round.number == before.latest() + 1, || format!("{}: a round is missing", after.id))?;
        hold(
            "an agreement is of both",
            (format!("{:?}", after.status) == "Agreed") == after.agreed_round.is_some(),
            || format!("{} is {:?} with the agreed round {:?}", after.id, after.status, after.agreed_round),
        )?;
        let answered = after.agreed_round.and_then(|n| before.rounds.get(n as usize - 1));
        hold("an agreement is of both", answered.is_none_or(|proposed| proposed.from != round.from), || {
            format!("{}: {} accepted its own proposal", after.id, round.from)
        })
    }
}

/// What kind of thing happened.
fn kind(event: &Event) -> String {
    let of = |event: &dyn fmt::Debug| {
        let text = format!("{event:?}");
        text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
    };
    match event {
        Event::Agents(agents::Event::Ended { ending, .. }) => format!("Ended {ending:?}"),
        Event::Agents(agents::Event::DelegationEnded { how, .. }) => format!("DelegationEnded {how:?}"),
        Event::Agents(event) => of(event),
        Event::Tasks(tasks::Event::TaskChanged { notice, .. }) => format!("Task {:?}", notice.event),
        Event::Tasks(event) => of(event),
        Event::Negotiation(negotiation::Event::Moved { negotiation, .. }) => {
            format!("Moved {:?}", negotiation.status)
        }
        Event::Negotiation(event) => format!("Negotiation {}", of(event)),
        Event::Session(event) => format!("Session {}", of(event)),
        Event::Commit(event) => format!("Commit {}", of(event)),
        Event::Edited(_) | Event::Startup(_) => of(event),
    }
}

/// What became of what a model said about the move.
fn judged(event: &Event) -> Option<&'static str> {
    let Event::Negotiation(event) = event else { return None };
    let judgement = event.account()?.account.judgement.as_ref()?;
    Some(match judgement.set_aside {
        Some(_) => "Judged SetAside",
        None if judgement.choice.is_some() => "Judged Chosen",
        None => "Judged Worded",
    })
}

const DEADLINE: &str = "a deadline fires once, and not early";

fn due(at: Timestamp, deadline: Option<&str>) -> Result<(), Violation> {
    let deadline = deadline.and_then(|text| text.parse::<Timestamp>().ok());
    hold(DEADLINE, deadline.is_some_and(|deadline| deadline <= at), || format!("{deadline:?} fired at {at}"))
}
