//! What an agent has given the server to negotiate with: its policies, its capacity, and what of that is promised.
//!
//! Owns the state `/magent-policy:policies`. It never asks who may read or write it: that is for the engine.

mod answer;
pub(super) mod capacity;
mod decide;
mod judgement;
mod preferences;

use std::sync::Arc;

use imbl::OrdMap;
use sha2::Digest as _;

use self::capacity::Commitments;
use super::course::Course;
use super::memory::{Digest, Memory};
use super::step::Party;
use super::strategy::Prepared;
use crate::yang::error::Error;
use crate::yang::generated::magent_policy::{Agent, AppliesRole, Capacity, Mode, Policy};
use crate::yang::generated::magent_task::RoundTerm;
use crate::yang::generated::magent_task::identities::NegotiationType;
use crate::yang::held::Shown;
use crate::yang::model::{IdentityEnum, Modelled};
use crate::yang::tree::Container;

pub use answer::{Answer, Judged, Turn};
pub use judgement::{Asked, Possible, Said, question};

/// What one agent has given. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Means {
    pub(super) agent: Arc<str>,
    pub(super) policies: OrdMap<Arc<str>, Arc<Stored>>,
    pub(super) capacity: Arc<Vec<Capacity>>,
    pub(super) commitments: Commitments,
    pub(super) revision: u64,
}

/// A policy, and where what is made of it is kept.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) policy: Policy,
    /// About how many octets it has.
    pub(super) octets: u64,
    pub(super) digest: Digest,
    memory: Memory,
}

/// What is made of a policy follows from it.
impl PartialEq for Stored {
    fn eq(&self, other: &Self) -> bool {
        self.policy == other.policy
    }
}

impl Stored {
    pub(super) fn new(policy: Policy, memory: Memory) -> Self {
        let mut text = Vec::new();
        crate::yang::packed::pack(&policy.to_data(), &mut text);
        Stored { policy, octets: text.len() as u64, digest: sha2::Sha256::digest(&text).into(), memory }
    }

    /// What offers are worth by it; `None` if it contradicts itself, which is refused before it is stored.
    fn prepared(&self) -> Option<Arc<Prepared>> {
        self.prepare().ok()
    }

    /// The same.
    ///
    /// # Errors
    /// `bad-policy`.
    fn prepare(&self) -> Result<Arc<Prepared>, Error> {
        if let Some(prepared) = self.memory.prepared(&self.digest) {
            return Ok(prepared);
        }
        let prepared = prepare(&self.policy)?;
        self.memory.prepare(self.digest, prepared.clone());
        Ok(prepared)
    }
}

/// What offers are worth by a policy.
///
/// # Errors
/// `bad-policy`.
fn prepare(policy: &Policy) -> Result<Arc<Prepared>, Error> {
    let preferences = preferences::preferences(policy)?;
    Prepared::new(preferences).map(Arc::new).map_err(|unsound| preferences::bad(unsound.to_string()))
}

/// What is known of a negotiation when a policy is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Occasion<'a> {
    pub(super) type_: NegotiationType,
    pub(super) task_type: Option<&'a str>,
    pub(super) other: &'a str,
    pub(super) role: Party,
    /// The terms of the proposal that stands; none before the first.
    pub(super) terms: &'a [RoundTerm],
}

impl<'a> Occasion<'a> {
    /// What a party of a negotiation meets.
    pub(super) fn of(course: &'a Course, party: Party) -> Self {
        Occasion {
            type_: course.head.type_,
            task_type: course.head.task_type.as_deref(),
            other: course.agent(party.other()),
            role: party,
            terms: course.standing().map_or(&[], |round| &round.term),
        }
    }
}

impl Means {
    pub(super) fn new(agent: &str) -> Self {
        Means {
            agent: agent.into(),
            policies: OrdMap::new(),
            capacity: Arc::default(),
            commitments: Commitments::default(),
            revision: 0,
        }
    }

    /// The entry of the list `agent`.
    pub(super) fn entry(&self) -> Agent {
        Agent {
            name: self.agent.to_string(),
            policy: self.policies.values().map(|stored| stored.policy.clone()).collect(),
            capacity: Vec::clone(&self.capacity),
            commitment: self.commitments.shown().collect(),
        }
    }

    /// Whether nothing is there.
    pub(super) fn is_empty(&self) -> bool {
        self.policies.is_empty() && self.capacity.is_empty() && self.commitments.len() == 0
    }

    /// About how many octets the policies have.
    pub(super) fn octets(&self) -> u64 {
        self.policies.values().map(|stored| stored.octets).fold(0, u64::saturating_add)
    }

    /// The policy to use; without `any_mode` only one by which the server moves.
    pub(super) fn policy(&self, occasion: &Occasion<'_>, any_mode: bool) -> Option<&Arc<Stored>> {
        let fits = |stored: &&Arc<Stored>| {
            (any_mode || stored.policy.mode == Mode::Answer) && applies(&stored.policy, occasion)
        };
        // Of equal ones the first by name.
        self.policies.values().filter(fits).rev().max_by_key(|stored| stored.policy.priority)
    }
}

/// Whether the policy applies, and knows every term of the proposal that stands.
fn applies(policy: &Policy, occasion: &Occasion<'_>) -> bool {
    let of = &policy.applies;
    let is_type = of.type_.is_empty() || of.type_.iter().any(|base| occasion.type_.is_or_derives_from(*base));
    let is_task_type = of.task_type.is_empty()
        || occasion.task_type.is_some_and(|of_task| of.task_type.iter().any(|t| t == of_task));
    let is_other = of.other.is_empty() || of.other.iter().any(|other| other == occasion.other);
    let is_role =
        of.role.is_none_or(|role| (role == AppliesRole::Initiator) == (occasion.role == Party::Initiator));
    // Before the first proposal there is nothing to look for.
    let has_terms = occasion.terms.is_empty()
        || of.term_name.iter().all(|name| occasion.terms.iter().any(|term| term.name == *name));
    is_type
        && is_task_type
        && is_other
        && is_role
        && has_terms
        && preferences::offer(occasion.terms, policy).is_some()
}

impl Shown for Means {
    fn shown(&self) -> Container {
        self.entry().to_data().at_revision(self.revision)
    }
}

#[cfg(test)]
mod tests;
