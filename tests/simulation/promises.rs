//! What agents have promised, counted from the events alone, and what policies may offer. It never asks the server.

use std::collections::BTreeMap;

use agentconf::clock::Timestamp;
use agentconf::engine::{Event, State};
use agentconf::negotiation;
use agentconf::tasks;
use agentconf::yang::generated::magent_task::RoundTerm;
use agentconf::yang::generated::magent_types::{
    NegotiationMove, NegotiationStatus, ResultVerdict, TaskStatus,
};

use super::mutation::Mutation;
use super::requests::FORGED;
use super::witness::{Violation, hold};

/// What is promised of `bandwidth`.
pub struct Promises {
    /// What each agent has, if it has said so, and how long it waits for an order.
    has: BTreeMap<String, (i64, Option<u32>)>,
    /// What is promised, by agent and negotiation, and until when if no order comes.
    promised: BTreeMap<(String, String), (i64, Option<Timestamp>)>,
    /// The negotiation that each task carries out.
    carries_out: BTreeMap<String, String>,
    mutation: Option<Mutation>,
}

impl Promises {
    pub fn new(mutation: Option<Mutation>) -> Self {
        let (has, promised, carries_out) = Default::default();
        Promises { has, promised, carries_out, mutation }
    }

    /// Holds an event to the rules; `state` is that before it.
    pub fn judge(&mut self, state: &State, at: Timestamp, event: &Event) -> Result<(), Violation> {
        self.promised.retain(|_, (_, until)| until.is_none_or(|until| at < until));
        match event {
            Event::Negotiation(negotiation::Event::CapacitySet { agent }) => {
                let share = if self.mutation == Some(Mutation::CapacityIsHalf) { 2 } else { 1 };
                let amount = agent.capacity.first();
                let amount = amount.map(|capacity| (capacity.amount.digits / share, capacity.held_for));
                match amount {
                    Some(amount) => self.has.insert(agent.name.clone(), amount),
                    None => self.has.remove(&agent.name),
                };
            }
            Event::Negotiation(negotiation::Event::Released { agent, negotiation }) => {
                self.promised.remove(&(agent.clone(), negotiation.clone()));
            }
            Event::Negotiation(negotiation::Event::Moved { negotiation, account, .. }) => {
                if let (Some(account), Some(round)) = (account, negotiation.round.last()) {
                    within(&account.agent, account.account.policy.as_deref(), round.move_, &round.term)?;
                    let words = round.content.as_deref().unwrap_or_default();
                    let is_plain = !words.contains(FORGED) && !words.contains("1234567");
                    hold("words of a model are plain and have no numbers of their own", is_plain, || {
                        words.to_owned()
                    })?;
                }
                if negotiation.status == NegotiationStatus::Agreed {
                    let stands = state.negotiations.get(&negotiation.id).and_then(|course| course.standing());
                    let takes = stands.map_or(0, |round| number(&round.term, "bandwidth"));
                    for agent in [&negotiation.initiator, &negotiation.responder] {
                        self.promise(agent, &negotiation.id, takes, at)?;
                    }
                }
            }
            Event::Negotiation(negotiation::Event::Opened { negotiation, account: Some(account) }) => {
                if let Some(round) = negotiation.round.last() {
                    within(&account.agent, account.account.policy.as_deref(), round.move_, &round.term)?;
                }
            }
            Event::Tasks(tasks::Event::TaskCreated { task }) => {
                if let Some(negotiation) = &task.negotiation {
                    let another = self.carries_out.values().any(|other| other == negotiation);
                    hold("an agreement is carried out once", !another, || negotiation.clone())?;
                    let terms = state.negotiations.get(negotiation).and_then(|course| course.agreed());
                    let same = terms.is_some_and(|terms| {
                        terms.len() == task.term.len()
                            && terms.iter().all(|agreed| {
                                task.term
                                    .iter()
                                    .any(|term| term.name == agreed.name && term.number == agreed.number)
                            })
                    });
                    hold("what was agreed is what is executed", same, || format!("{task:?}"))?;
                    let takes = terms.map_or(0, |terms| number(terms, "bandwidth"));
                    for agent in [&task.from, &task.to] {
                        let key = (agent.clone(), negotiation.clone());
                        if !self.promised.contains_key(&key) {
                            self.promise(agent, negotiation, takes, at)?;
                        }
                        self.promised.entry(key).and_modify(|(_, until)| *until = None);
                    }
                    self.carries_out.insert(task.id.clone(), negotiation.clone());
                }
            }
            Event::Tasks(tasks::Event::TaskForgotten { task }) => {
                if let Some(negotiation) = self.carries_out.get(task) {
                    self.promised.retain(|(_, of), _| of != negotiation);
                }
            }
            Event::Tasks(
                tasks::Event::TaskChanged { notice, .. } | tasks::Event::ResultVerified { notice, .. },
            ) => {
                let is_over = match notice.status {
                    TaskStatus::Cancelled | TaskStatus::Failed | TaskStatus::Rejected => true,
                    TaskStatus::Finished => {
                        matches!(notice.verdict, Some(ResultVerdict::Accepted | ResultVerdict::Rejected))
                    }
                    _ => false,
                };
                if let Some(negotiation) = self.carries_out.get(&notice.task).filter(|_| is_over) {
                    self.promised.retain(|(_, of), _| of != negotiation);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Counts what an agent promises from now on.
    fn promise(&mut self, agent: &str, id: &str, takes: i64, at: Timestamp) -> Result<(), Violation> {
        let Some((has, held_for)) = self.has.get(agent).filter(|_| takes > 0) else { return Ok(()) };
        let before: i64 =
            self.promised.iter().filter(|((of, _), _)| of == agent).map(|(_, (takes, _))| takes).sum();
        hold("nothing is promised twice", before + takes <= *has, || {
            format!("{agent} has {has}, {before} is promised, and {id} takes {takes}")
        })?;
        let until = held_for.map(|seconds| at.saturating_add_seconds(i64::from(seconds)));
        self.promised.insert((agent.to_owned(), id.to_owned()), (takes, until));
        Ok(())
    }
}

/// In millionths; 0 if it is not there.
fn number(terms: &[RoundTerm], name: &str) -> i64 {
    let term = terms.iter().find(|term| term.name == name);
    term.and_then(|term| term.number).map_or(0, |number| number.digits)
}

/// What a policy offers is worth what it reserves. Its name says how much that is, and who wants a low price.
fn within(
    agent: &str,
    policy: Option<&str>,
    made: NegotiationMove,
    terms: &[RoundTerm],
) -> Result<(), Violation> {
    const RULE: &str = "no offer is outside its sender's policy";
    let own = agent.trim_end_matches("-agent");
    let reserved = policy.and_then(|name| name.strip_prefix(&format!("private-{own}-"))?.parse::<i64>().ok());
    let Some(reserved) = reserved else {
        return hold(RULE, false, || format!("{agent} moves by {policy:?}"));
    };
    if !matches!(made, NegotiationMove::Propose | NegotiationMove::Counter) {
        return Ok(());
    }
    let price = number(terms, "price");
    let worth = if own == "ann" { 100_000_000 - price } else { price };
    hold(RULE, worth >= reserved * 1_000_000, || format!("{agent} offers {price} and reserves {reserved}"))
}
