//! Negotiations between two agents: rounds, moves, terms and deadlines.
//!
//! Owns the state `/magent-task:interaction/negotiations`, its operations and the notification
//! `negotiation-event`, and what the server negotiates with for an agent ([`policies`]). It never asks
//! who may act for an agent, keeps no data objects (only their identifiers) and does no I/O;
//! [`step`](mod@step) says which moves are legal.
//!
//! # Refusals
//!
//! | error-app-tag | error-tag | when |
//! |---|---|---|
//! | `not-authorized` | `access-denied` | the agent is no party, or cannot open a negotiation about this task |
//! | `id-in-use` | `data-exists` | another negotiation has this identifier |
//! | `unknown-reference` | `data-missing` | there is no such negotiation, or no such task |
//! | `content-missing` | `operation-failed` | a proposal or question says nothing |
//! | `deadline-passed` | `invalid-value` | the deadline is in the past |
//! | `bad-transition` | `operation-failed` | the negotiation is no longer open, or the task is not being executed |
//! | `not-your-turn` | `operation-failed` | the other agent is to move |
//! | `stale-round` | `operation-failed` | the move answers an earlier round; the other agent's came first |
//! | `bad-move` | `operation-failed` | the proposal that stands does not allow the move |
//! | `last-round` | `operation-failed` | only a move that ends the negotiation is left |
//! | `bad-terms` | `invalid-value` | terms without a proposal, twice the same name, no value, a window that ends before it begins |
//! | `capacity-exceeded` | `operation-failed` | the agent has not free what the move takes |
//! | `offer-not-covered` | `operation-failed` | the other agent has no longer free what its proposal takes |
//! | `policy-unknown`, `commitment-unknown` | `data-missing` | there is none |
//! | `bad-policy` | `invalid-value` | a policy or capacity contradicts itself |
//! | `no-offer` | `operation-failed` | by its policy an agent can propose nothing |
//! | `terms-differ` | `invalid-value` | a task is not what was agreed |
//! | `agreement-used` | `operation-failed` | another task carries out the agreement |
//! | `too-many` | `resource-denied` | there are as many negotiations as there can be |
//! | | `too-big` | what is said in one move is too large |
//! | | `invalid-value`, `missing-element` | an agent negotiates with itself, a time is none, a fulfillment negotiation names no task |

mod course;
mod decide;
mod fold;
pub mod image;
mod memory;
pub mod policies;
pub mod step;
pub mod strategy;
mod terms;

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::metrics::Tally;
use crate::yang::generated::magent_policy::{Agent, Policy};
use crate::yang::generated::magent_task::identities::NegotiationType;
use crate::yang::generated::magent_task::{Negotiation, NegotiationEvent, NegotiationEventRound};
use crate::yang::generated::magent_types::NegotiationStatus;
use crate::yang::held::Entries;
use crate::yang::model::Modelled;
use crate::yang::notification::Notification;
use crate::yang::recast::recast_data;
use crate::yang::tree::{Child, StateList};

pub use course::{Accounted, Course};
pub use decide::TaskFacts;
pub use terms::check as check_terms;

use memory::Memory;
use policies::{Asked, Means};
use step::State;

/// All negotiations, open and ended, and what the server negotiates with. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Negotiations {
    all: OrdMap<Arc<str>, Arc<Course>>,
    /// All by their status.
    statuses: Tally<{ NegotiationStatus::ALL.len() }>,
    /// For each agent, the negotiations that it is a party of.
    of_agent: OrdMap<Arc<str>, OrdSet<Arc<str>>>,
    /// For each agent, the negotiations that it has opened and that are open.
    opened_by: OrdMap<Arc<str>, OrdSet<Arc<str>>>,
    /// For each agent, the open negotiations in which it is its turn.
    awaited: OrdMap<Arc<str>, OrdSet<Arc<str>>>,
    /// When each open negotiation expires.
    expiry: OrdSet<(Timestamp, Arc<str>)>,
    /// The negotiations that have ended, in the order in which they did.
    ended: OrdSet<(u64, Arc<str>)>,
    /// What agents have given to negotiate with.
    means: OrdMap<Arc<str>, Arc<Means>>,
    /// For each agent that has promised something for some time, when the first of it lapses.
    lapses: OrdSet<(Timestamp, Arc<str>)>,
    /// The open negotiations in which it is the turn of an agent with a policy by which the server moves.
    due: OrdSet<Arc<str>>,
    /// Until when a model has to answer that was asked about the next move, in each negotiation in which one was.
    asked: OrdSet<(Timestamp, Arc<str>)>,
    memory: Memory,
    revision: u64,
}

/// Something that happened in a negotiation, or to what the server negotiates with. What happened in one carries
/// the negotiation as it is afterwards, of the rounds only the new one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// It was opened with its first round.
    Opened {
        /// The negotiation.
        #[serde(with = "crate::yang::stored")]
        negotiation: Negotiation,
        /// Why, if it was by a policy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<Accounted>,
    },
    /// A party moved.
    Moved {
        /// The negotiation with the round that was made.
        #[serde(with = "crate::yang::stored")]
        negotiation: Negotiation,
        /// Why, if it was by a policy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<Accounted>,
        /// Whether a task has other terms from now on than it was ordered with, which are then kept to know its order again.
        /// What was recorded before that did not keep them.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        amends: bool,
    },
    /// No move came in time.
    Expired {
        /// The negotiation without a round.
        #[serde(with = "crate::yang::stored")]
        negotiation: Negotiation,
    },
    /// An ended negotiation is no longer kept, to make room.
    Forgotten {
        /// Its identifier.
        id: String,
    },
    /// The server left a move to the agent, although a policy applies.
    Left {
        /// The identifier of the negotiation.
        id: String,
        /// Why.
        account: Accounted,
    },
    /// A model is asked about the move that the server is about to make by a policy.
    Asked {
        /// The identifier of the negotiation.
        id: String,
        /// What it is asked.
        asked: Asked,
    },
    /// A policy was stored.
    PolicySet {
        /// The agent.
        agent: String,
        /// The policy.
        #[serde(with = "crate::yang::stored")]
        policy: Policy,
    },
    /// A policy was removed.
    PolicyRemoved {
        /// The agent.
        agent: String,
        /// The name of the policy.
        name: String,
    },
    /// It was said what capacity an agent has.
    CapacitySet {
        /// The agent with its capacity alone.
        #[serde(with = "crate::yang::stored")]
        agent: Agent,
    },
    /// What an agreement took of the capacity of an agent was released.
    Released {
        /// The agent.
        agent: String,
        /// The negotiation.
        negotiation: String,
    },
    /// What an agreement takes of the capacity of an agent was promised anew, since a task is about to carry it out.
    Promised {
        /// The agent.
        agent: String,
        /// The negotiation.
        negotiation: String,
    },
    /// Something of the capacity of an agent is promised no longer: no task came in time, or the time is over that it was for.
    Lapsed {
        /// The agent.
        agent: String,
    },
}

impl Event {
    /// The negotiation after the event, with the new round if there is one; `None` if it says nothing of one.
    pub fn negotiation(&self) -> Option<&Negotiation> {
        match self {
            Event::Opened { negotiation, .. }
            | Event::Moved { negotiation, .. }
            | Event::Expired { negotiation } => Some(negotiation),
            Event::Forgotten { .. }
            | Event::Left { .. }
            | Event::Asked { .. }
            | Event::PolicySet { .. }
            | Event::PolicyRemoved { .. }
            | Event::CapacitySet { .. }
            | Event::Released { .. }
            | Event::Promised { .. }
            | Event::Lapsed { .. } => None,
        }
    }

    /// The agent of whose doings it is; `None` of what the server forgets.
    pub fn agent(&self) -> Option<&str> {
        match self {
            Event::Opened { negotiation, .. }
            | Event::Moved { negotiation, .. }
            | Event::Expired { negotiation } => Some(&negotiation.initiator),
            Event::Left { account, .. } => Some(&account.agent),
            Event::Asked { asked, .. } => Some(&asked.agent),
            Event::PolicySet { agent, .. }
            | Event::PolicyRemoved { agent, .. }
            | Event::Released { agent, .. }
            | Event::Promised { agent, .. }
            | Event::Lapsed { agent } => Some(agent),
            Event::CapacitySet { agent } => Some(&agent.name),
            Event::Forgotten { .. } => None,
        }
    }

    /// Why the server did it by a policy; `None` if it did not.
    pub fn account(&self) -> Option<&Accounted> {
        match self {
            Event::Opened { account, .. } | Event::Moved { account, .. } => account.as_ref(),
            Event::Left { account, .. } => Some(account),
            _ => None,
        }
    }
}

impl Negotiations {
    /// The negotiation with this identifier.
    pub fn get(&self, id: &str) -> Option<&Course> {
        self.all.get(id).map(Arc::as_ref)
    }

    /// The negotiation of this kind and about this task that `initiator` has opened with `responder`
    /// and that is open at the time `now`; the latest if there are several.
    pub fn find_open(
        &self,
        initiator: &str,
        responder: &str,
        kind: NegotiationType,
        task: Option<&str>,
        now: Timestamp,
    ) -> Option<&Course> {
        let ids = self.opened_by.get(initiator).into_iter().flatten();
        let negotiations = ids.filter_map(|id| self.get(id)).filter(|course| {
            let head = &course.head;
            head.responder == responder
                && head.type_ == kind
                && head.task.as_deref() == task
                && course.state(now) != State::Expired
        });
        negotiations.max_by_key(|course| course.opened_at())
    }

    /// The negotiations that the agent is a party of, by their identifiers.
    pub fn of_agent(&self, name: &str) -> impl Iterator<Item = &Course> {
        self.of_agent.get(name).into_iter().flatten().filter_map(|id| self.get(id))
    }

    /// How many negotiations the agent has opened that are open.
    pub fn open_of(&self, agent: &str) -> usize {
        self.opened_by.get(agent).map_or(0, OrdSet::len)
    }

    /// About how many octets the policies of the agent have.
    pub fn policies_of(&self, agent: &str) -> u64 {
        self.means.get(agent).map_or(0, |means| means.octets())
    }

    /// Whether the server has anything to negotiate with for the agent.
    pub fn represents(&self, agent: &str) -> bool {
        self.means.contains_key(agent)
    }

    /// The negotiations as the entries of `/magent-task:interaction/negotiations/negotiation`.
    pub fn entries(&self) -> Arc<dyn StateList> {
        Arc::new(Entries::new(&self.all))
    }

    /// What is private to those agents that `is_shown` names, as the entries of `/magent-policy:policies/agent`.
    pub fn policies(&self, is_shown: impl Fn(&str) -> bool) -> Arc<dyn StateList> {
        let shown = self.means.iter().filter(|(agent, _)| is_shown(agent));
        let shown: OrdMap<Arc<str>, Arc<Means>> =
            shown.map(|(agent, means)| (agent.clone(), means.clone())).collect();
        Arc::new(Entries::new(&shown))
    }

    /// How many negotiations there are in each status.
    pub fn statuses(&self) -> impl Iterator<Item = (NegotiationStatus, u64)> {
        NegotiationStatus::ALL.iter().copied().zip(self.statuses.counts())
    }

    /// The log position of the newest event of a negotiation; 0 before the first.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// When the next negotiation expires, the next commitment lapses, or the server has to move.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let first = [&self.expiry, &self.asked, &self.lapses].into_iter().filter_map(|set| set.get_min());
        match self.due.is_empty() {
            true => first.map(|(at, _)| *at).min(),
            false => Some(Timestamp::EPOCH),
        }
    }

    /// The negotiations that have expired by `now` and the agents of whom something has lapsed, earliest first, and no more of
    /// each than `at_most`.
    pub fn expire(&self, now: Timestamp, at_most: usize) -> Vec<Event> {
        let due = self.expiry.iter().take_while(|(at, _)| *at <= now).take(at_most);
        let expired = due.filter_map(|(_, id)| self.get(id)).map(|course| {
            let mut negotiation = course.head.clone();
            negotiation.status = NegotiationStatus::Expired;
            negotiation.turn = None;
            negotiation.expires_at = None;
            Event::Expired { negotiation }
        });
        let lapsed = self.lapses.iter().take_while(|(at, _)| *at <= now).take(at_most);
        expired.chain(lapsed.map(|(_, agent)| Event::Lapsed { agent: agent.to_string() })).collect()
    }

    /// What is told of an event, to the two agents. Policies and accounts are told to nobody.
    pub fn announce(event: &Event, _at: Timestamp) -> Vec<Notification> {
        let Some(negotiation) = event.negotiation() else { return Vec::new() };
        let parties = vec![negotiation.initiator.clone(), negotiation.responder.clone()];
        let mut data = NegotiationEvent {
            negotiation: negotiation.id.clone(),
            type_: negotiation.type_,
            task: negotiation.task.clone(),
            initiator: negotiation.initiator.clone(),
            responder: negotiation.responder.clone(),
            status: negotiation.status,
            turn: negotiation.turn.clone(),
            expires_at: negotiation.expires_at.clone(),
            agreed_round: negotiation.agreed_round,
            round: None,
        }
        .to_data();
        if let Some(round) = negotiation.round.last() {
            let node = NegotiationEventRound::node();
            data.set(node, Child::Container(Arc::new(recast_data(&round.to_data(), node))));
        }
        vec![Notification { node: NegotiationEvent::node(), data, parties }]
    }
}

#[cfg(test)]
mod tests;
