//! The operations on policies and capacity.
//!
//! They give events, and never change anything themselves.

use super::super::decide::Refused;
use super::super::{Course, Event, Negotiations};
use super::preferences::bad;
use super::{Means, Stored};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_policy::{
    Agent, Capacity, Policy, ReleaseCommitmentInput, RemovePolicyInput, SetCapacityInput, SetPolicyInput,
};
use crate::yang::model::{ModelError, Modelled};
use crate::yang::recast::{recast, recast_data};

impl Negotiations {
    /// `set-policy`. One that is there already is no event.
    ///
    /// # Errors
    /// `bad-policy`; `too-many` if there are `policies_agent_max` of the agent; `too-big`.
    pub fn set_policy(&self, input: &SetPolicyInput, limits: &Limits) -> Result<Vec<Event>, Error> {
        let agent = input.agent.clone();
        let stored = self.stored(input, limits)?;
        let means = self.means.get(agent.as_str());
        let before = means.and_then(|means| means.policies.get(stored.policy.name.as_str()));
        if before.is_some_and(|before| before.policy == stored.policy) {
            return Ok(Vec::new());
        }
        let count = means.map_or(0, |means| means.policies.len());
        if before.is_none() && count >= limits.policies_agent_max {
            return Err(Refused::TooMany
                .error(format!("the agent {agent:?} has {count} policies, as many as it may")));
        }
        stored.prepare()?;
        Ok(vec![Event::PolicySet { agent, policy: stored.policy }])
    }

    /// Makes of a policy what it is used by, which takes long, before the one writer is asked to store it.
    ///
    /// # Errors
    /// `bad-policy`, `too-big`.
    pub fn prepare_policy(&self, input: &SetPolicyInput, limits: &Limits) -> Result<(), Error> {
        self.stored(input, limits)?.prepare().map(drop)
    }

    fn stored(&self, input: &SetPolicyInput, limits: &Limits) -> Result<Stored, Error> {
        let data = recast_data(&input.to_data(), Policy::node());
        let policy = Policy::from_data(&data).map_err(|e| bad(e.to_string()))?;
        let stored = Stored::new(policy, self.memory.clone());
        if stored.octets > limits.policy_bytes_max {
            let message =
                format!("the policy has {} octets; {} are allowed", stored.octets, limits.policy_bytes_max);
            return Err(Error::application(Tag::TooBig, message));
        }
        Ok(stored)
    }

    /// `remove-policy`.
    ///
    /// # Errors
    /// `policy-unknown`.
    pub fn remove_policy(&self, input: RemovePolicyInput) -> Result<Vec<Event>, Error> {
        let RemovePolicyInput { agent, name } = input;
        match self.means.get(agent.as_str()).is_some_and(|means| means.policies.contains_key(name.as_str())) {
            true => Ok(vec![Event::PolicyRemoved { agent, name }]),
            false => Err(no_policy(&agent, Some(&name))),
        }
    }

    /// `set-capacity`.
    ///
    /// # Errors
    /// `bad-policy` if a time is none or ends before it begins, or what is promised would be counted in another unit.
    pub fn set_capacity(&self, input: &SetCapacityInput, now: Timestamp) -> Result<Vec<Event>, Error> {
        let capacity = input.capacity.iter().map(recast).collect::<Result<Vec<_>, ModelError>>();
        let agent = Agent {
            name: input.agent.clone(),
            policy: Vec::new(),
            capacity: capacity.map_err(|e| bad(e.to_string()))?,
            commitment: Vec::new(),
        };
        for window in agent.capacity.iter().flat_map(|capacity| &capacity.window) {
            let time = |text: &str| text.parse::<Timestamp>().map_err(|e| bad(format!("{text:?}: {e}")));
            if time(&window.start)? >= time(&window.end)? {
                return Err(bad(format!("the time from {} ends at {}", window.start, window.end)));
            }
        }
        let Some(means) = self.means.get(input.agent.as_str()) else {
            let is_empty = agent.capacity.is_empty();
            return Ok(if is_empty { Vec::new() } else { vec![Event::CapacitySet { agent }] });
        };
        if *means.capacity == agent.capacity {
            return Ok(Vec::new());
        }
        let before = |term: &str| means.capacity.iter().find(|capacity| capacity.term == term);
        // Without a capacity before, what was agreed says in which unit it is promised.
        let agreed_otherwise = |negotiation: &str, capacity: &Capacity| {
            let terms = self.get(negotiation).and_then(Course::agreed).unwrap_or_default();
            let term = terms.iter().find(|term| term.name == capacity.term);
            capacity.unit.is_some() && term.is_some_and(|term| term.unit != capacity.unit)
        };
        for capacity in &agent.capacity {
            let mut promised = means.commitments.promised(&capacity.term, now);
            let is_changed = match before(&capacity.term) {
                Some(before) => before.unit != capacity.unit && promised.next().is_some(),
                None => promised.any(|negotiation| agreed_otherwise(negotiation, capacity)),
            };
            if is_changed {
                return Err(bad(format!("the term {:?} is promised in another unit", capacity.term)));
            }
        }
        Ok(vec![Event::CapacitySet { agent }])
    }

    /// `release-commitment`.
    ///
    /// # Errors
    /// `commitment-unknown`.
    pub fn release(&self, input: ReleaseCommitmentInput) -> Result<Vec<Event>, Error> {
        let ReleaseCommitmentInput { agent, negotiation } = input;
        let has = |means: &std::sync::Arc<Means>| means.commitments.has(&negotiation);
        if !self.means.get(agent.as_str()).is_some_and(has) {
            let message =
                format!("nothing of the agent {agent:?} is promised by the negotiation {negotiation:?}");
            return Err(Error::application(Tag::DataMissing, message).app_tag("commitment-unknown"));
        }
        Ok(vec![Event::Released { agent, negotiation }])
    }
}

/// The refusal of what needs a policy.
pub(super) fn no_policy(agent: &str, name: Option<&str>) -> Error {
    let message = match name {
        Some(name) => format!("the agent {agent:?} has no policy {name:?}"),
        None => format!("the agent {agent:?} has no policy that applies"),
    };
    Error::application(Tag::DataMissing, message).app_tag("policy-unknown")
}
