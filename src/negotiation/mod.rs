//! Negotiations between two agents: rounds, moves, terms and deadlines.
//!
//! Owns the state `/magent-task:interaction/negotiations`, its operations and the notification
//! `negotiation-event`. It never asks who may act for an agent, keeps no data objects (only
//! their identifiers) and does no I/O; [`step`](mod@step) says which moves are legal.
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
//! | `too-many` | `resource-denied` | there are as many negotiations as there can be |
//! | | `too-big` | what is said in one move is too large |
//! | | `invalid-value`, `missing-element` | an agent negotiates with itself, a time is none, a fulfillment negotiation names no task |

mod decide;
pub mod image;
pub mod step;
pub mod strategy;
mod terms;

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::yang::generated::magent_task::identities::NegotiationType;
use crate::yang::generated::magent_task::{Negotiation, NegotiationEvent, NegotiationEventRound, Round};
use crate::yang::generated::magent_types::{NegotiationMove, NegotiationStatus};
use crate::yang::held::{Entries, Held, HeldMap};
use crate::yang::model::Modelled;
use crate::yang::notification::Notification;
use crate::yang::recast::recast_data;
use crate::yang::tree::{Child, StateList};

pub use decide::TaskFacts;

use step::{Party, State};

/// All negotiations, open and ended. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Negotiations {
    all: HeldMap<Negotiation>,
    /// For each agent, the negotiations that it is a party of.
    of_agent: OrdMap<Arc<str>, OrdSet<Arc<str>>>,
    /// For each agent, the negotiations that it has opened and that are open.
    opened_by: OrdMap<Arc<str>, OrdSet<Arc<str>>>,
    /// When each open negotiation expires.
    expiry: OrdSet<(Timestamp, Arc<str>)>,
    /// The negotiations that have ended, in the order in which they did.
    ended: OrdSet<(u64, Arc<str>)>,
    revision: u64,
}

/// Something that happened in a negotiation. Each carries the negotiation as it is afterwards,
/// of the rounds only the new one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// It was opened with its first round.
    Opened {
        /// The negotiation.
        #[serde(with = "crate::yang::stored")]
        negotiation: Negotiation,
    },
    /// A party moved.
    Moved {
        /// The negotiation with the round that was made.
        #[serde(with = "crate::yang::stored")]
        negotiation: Negotiation,
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
}

impl Event {
    /// The negotiation after the event, with the new round if there is one; `None` if it is forgotten.
    pub fn negotiation(&self) -> Option<&Negotiation> {
        match self {
            Event::Opened { negotiation } | Event::Moved { negotiation } | Event::Expired { negotiation } => {
                Some(negotiation)
            }
            Event::Forgotten { .. } => None,
        }
    }
}

impl Negotiations {
    /// The negotiation with this identifier.
    pub fn get(&self, id: &str) -> Option<&Negotiation> {
        self.all.get(id).map(|held| &held.entry)
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
    ) -> Option<&Negotiation> {
        let ids = self.opened_by.get(initiator).into_iter().flatten();
        let negotiations = ids.filter_map(|id| self.get(id)).filter(|negotiation| {
            negotiation.responder == responder
                && negotiation.type_ == kind
                && negotiation.task.as_deref() == task
                && state(negotiation, now) != State::Expired
        });
        negotiations.max_by_key(|negotiation| opened_at(negotiation))
    }

    /// The negotiations that the agent is a party of, by their identifiers.
    pub fn of_agent(&self, name: &str) -> impl Iterator<Item = &Negotiation> {
        self.of_agent.get(name).into_iter().flatten().filter_map(|id| self.get(id))
    }

    /// How many negotiations the agent has opened that are open.
    pub fn open_of(&self, agent: &str) -> usize {
        self.opened_by.get(agent).map_or(0, OrdSet::len)
    }

    /// The negotiations as the entries of `/magent-task:interaction/negotiations/negotiation`.
    pub fn entries(&self) -> Arc<dyn StateList> {
        Arc::new(Entries::new(&self.all))
    }

    /// The status of each negotiation, in no order.
    pub fn statuses(&self) -> impl Iterator<Item = NegotiationStatus> {
        self.all.values().map(|held| held.entry.status)
    }

    /// The log position of the newest event of a negotiation; 0 before the first.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// When the next negotiation expires.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.expiry.get_min().map(|(at, _)| *at)
    }

    /// The negotiations that have expired by `now`, earliest first, and no more than `at_most`.
    pub fn expire(&self, now: Timestamp, at_most: usize) -> Vec<Event> {
        let due = self.expiry.iter().take_while(|(at, _)| *at <= now).take(at_most);
        let expired = due.filter_map(|(_, id)| self.get(id)).map(|negotiation| {
            let mut negotiation = without_rounds(negotiation);
            negotiation.status = NegotiationStatus::Expired;
            negotiation.turn = None;
            negotiation.expires_at = None;
            Event::Expired { negotiation }
        });
        expired.collect()
    }

    /// Folds in an event. `revision` is its position in the log; its time stands in the event.
    pub fn apply(&mut self, revision: u64, _at: Timestamp, event: &Event) {
        self.revision = revision;
        match event {
            Event::Opened { negotiation } => self.put(negotiation.clone(), revision),
            Event::Moved { negotiation } | Event::Expired { negotiation } => {
                let mut negotiation = negotiation.clone();
                if let Some(before) = self.get(&negotiation.id) {
                    negotiation.round.splice(..0, before.round.iter().cloned());
                }
                self.put(negotiation, revision);
            }
            Event::Forgotten { id } => self.take(id),
        }
    }

    /// What is told of an event, to the two agents.
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

    /// Puts a negotiation, in place of its earlier state.
    fn put(&mut self, negotiation: Negotiation, revision: u64) {
        self.take(&negotiation.id);
        let id: Arc<str> = negotiation.id.as_str().into();
        for agent in [&negotiation.initiator, &negotiation.responder] {
            self.of_agent.entry(agent.as_str().into()).or_default().insert(id.clone());
        }
        match expires_at(&negotiation) {
            Some(at) => {
                self.expiry.insert((at, id.clone()));
                self.opened_by.entry(negotiation.initiator.as_str().into()).or_default().insert(id.clone());
            }
            None => {
                self.ended.insert((revision, id.clone()));
            }
        }
        self.all.insert(id, Arc::new(Held { entry: negotiation, revision }));
    }

    fn take(&mut self, id: &str) {
        let Some((id, held)) = self.all.remove_with_key(id) else { return };
        let negotiation = &held.entry;
        for agent in [&negotiation.initiator, &negotiation.responder] {
            remove_from(&mut self.of_agent, agent, &id);
        }
        remove_from(&mut self.opened_by, &negotiation.initiator, &id);
        if let Some(at) = expires_at(negotiation) {
            self.expiry.remove(&(at, id.clone()));
        }
        // An ended negotiation is not touched again, so its revision is that of its end.
        self.ended.remove(&(held.revision, id));
    }
}

fn remove_from(sets: &mut OrdMap<Arc<str>, OrdSet<Arc<str>>>, key: &str, member: &str) {
    let Some(set) = sets.get_mut(key) else { return };
    set.remove(member);
    if set.is_empty() {
        sets.remove(key);
    }
}

/// When it expires if no move is made; the text is our own, so it can be read. `None` if it has ended.
fn expires_at(negotiation: &Negotiation) -> Option<Timestamp> {
    negotiation.expires_at.as_ref().and_then(|text| text.parse().ok())
}

fn opened_at(negotiation: &Negotiation) -> Option<Timestamp> {
    negotiation.round.first().and_then(|round| round.at.parse().ok())
}

/// The party that an agent is.
fn party(negotiation: &Negotiation, agent: &str) -> Option<Party> {
    if agent == negotiation.initiator {
        Some(Party::Initiator)
    } else if agent == negotiation.responder {
        Some(Party::Responder)
    } else {
        None
    }
}

/// Where the negotiation stands at the time `now`, for the table of moves.
fn state(negotiation: &Negotiation, now: Timestamp) -> State {
    match negotiation.status {
        NegotiationStatus::Agreed => State::Agreed,
        NegotiationStatus::Rejected => State::Rejected,
        NegotiationStatus::Withdrawn => State::Withdrawn,
        NegotiationStatus::Expired => State::Expired,
        // It expires at its time, and not only when the event that says so comes.
        NegotiationStatus::Open if expires_at(negotiation).is_some_and(|at| at <= now) => State::Expired,
        NegotiationStatus::Open => {
            let party = |agent: Option<&str>| agent.and_then(|agent| party(negotiation, agent));
            let made = u32::try_from(negotiation.round.len()).unwrap_or(u32::MAX);
            State::Open {
                turn: party(negotiation.turn.as_deref()).unwrap_or(Party::Responder),
                stands: party(standing(negotiation).map(|round| round.from.as_str()))
                    .unwrap_or(Party::Initiator),
                left: negotiation.max_rounds.saturating_sub(made),
            }
        }
    }
}

/// The round whose proposal stands: the latest one with a proposal.
pub fn standing(negotiation: &Negotiation) -> Option<&Round> {
    let is_proposal =
        |round: &&Round| matches!(round.move_, NegotiationMove::Propose | NegotiationMove::Counter);
    negotiation.round.iter().rev().find(is_proposal)
}

fn without_rounds(negotiation: &Negotiation) -> Negotiation {
    // Field by field, so that no round is copied only to be dropped.
    Negotiation {
        id: negotiation.id.clone(),
        type_: negotiation.type_,
        task: negotiation.task.clone(),
        context: negotiation.context.clone(),
        initiator: negotiation.initiator.clone(),
        responder: negotiation.responder.clone(),
        status: negotiation.status,
        turn: negotiation.turn.clone(),
        lifetime: negotiation.lifetime,
        deadline: negotiation.deadline.clone(),
        max_rounds: negotiation.max_rounds,
        expires_at: negotiation.expires_at.clone(),
        agreed_round: negotiation.agreed_round,
        round: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
