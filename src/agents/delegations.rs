//! Delegations: which user may do what for an agent of another user, and until when.
//!
//! Nobody here knows who may grant one: that is for the caller to ask. A delegation counts while the agent is registered
//! and its own time lasts, to the microsecond, whether or not its end was said yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use super::decide::unknown;
use super::{Event, Registry};
use crate::clock::Timestamp;
use crate::ids::Fresh;
use crate::limits::Limits;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_registry::{
    DelegateInput, DelegateOutput, DelegatedRight, Delegation, DelegationChange, DelegationChangeChange,
    RevokeDelegationInput, RevokeDelegationOutput,
};
use crate::yang::model::Modelled;
use crate::yang::notification::Notification;
use crate::yang::tree::{Container, Key, StateList};
use crate::yang::value::Value;

/// All delegations that have not ended. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Delegations {
    all: OrdMap<u32, Arc<Granted>>,
    /// The numbers of those of each agent.
    of_agent: OrdMap<Arc<str>, OrdSet<u32>>,
    /// When each ends.
    expiry: OrdSet<(Timestamp, u32)>,
    /// The number of the newest there ever was.
    newest: u32,
}

#[derive(Debug, PartialEq)]
struct Granted {
    delegation: Delegation,
    expires_at: Timestamp,
    revision: u64,
}

/// How a delegation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DelegationEnding {
    /// By the operation `revoke-delegation`.
    Revoked,
    /// Its time was over.
    Expired,
    /// The registration of the agent ended, or the agent came to belong to another user.
    Ended,
}

impl Registry {
    /// Whether a user may do something for an agent by delegation at the time `now`.
    pub fn is_delegated(&self, agent: &str, user: &str, right: DelegatedRight, now: Timestamp) -> bool {
        self.delegated(agent, user, right, now).next().is_some()
    }

    /// The same, by a delegation that the owner of the agent granted and no administrator. The server's own agent belongs to
    /// the administrators.
    pub fn is_delegated_by_owner(
        &self,
        agent: &str,
        user: &str,
        right: DelegatedRight,
        now: Timestamp,
    ) -> bool {
        let owner = self.owner(agent);
        let mut delegated = self.delegated(agent, user, right, now);
        delegated.any(|delegation| owner == Some("") || owner == Some(&delegation.granted_by))
    }

    fn delegated(
        &self,
        agent: &str,
        user: &str,
        right: DelegatedRight,
        now: Timestamp,
    ) -> impl Iterator<Item = &Delegation> {
        let is_registered = self.contains(agent, now);
        let ids = self.delegations.of_agent.get(agent).filter(|_| is_registered).into_iter().flatten();
        let granted = ids.filter_map(|id| self.delegations.all.get(id));
        let counts = move |granted: &&Arc<Granted>| {
            granted.delegation.delegate == user
                && granted.delegation.may.contains(&right)
                && now < granted.expires_at
        };
        granted.filter(counts).map(|granted| &granted.delegation)
    }

    /// The delegation with this number, unless its time is over.
    pub fn delegation(&self, id: u32, now: Timestamp) -> Option<&Delegation> {
        let granted = self.delegations.all.get(&id).filter(|granted| now < granted.expires_at)?;
        Some(&granted.delegation)
    }

    /// The delegations as the entries of `/magent-registry:registry/delegations/delegation`.
    pub fn delegations(&self) -> Arc<dyn StateList> {
        Arc::new(Entries(self.delegations.all.clone()))
    }

    /// The action `delegate`, by the user `by`.
    ///
    /// # Errors
    /// `agent-unknown`, or `too-many` if there are `delegations_agent_max` of this agent or `delegations_max` in all.
    pub fn delegate(
        &self,
        fresh: &Fresh,
        name: &str,
        by: &str,
        input: DelegateInput,
        limits: &Limits,
    ) -> Result<(Vec<Event>, DelegateOutput), Error> {
        let now = fresh.now;
        self.get(name, now).ok_or_else(|| unknown(name))?;
        let full = |whose: &str, limit: &str, count: usize| {
            let message = format!("{whose} has {count} delegations, and \"{limit}\" is {count}");
            Err(Error::application(Tag::ResourceDenied, message).app_tag("too-many"))
        };
        let held = &self.delegations;
        if held.of_agent.get(name).map_or(0, OrdSet::len) >= limits.delegations_agent_max {
            return full("the agent", "delegations_agent_max", limits.delegations_agent_max);
        }
        if held.all.len() >= limits.delegations_max {
            return full("the server", "delegations_max", limits.delegations_max);
        }
        let Some(id) = held.newest.checked_add(1) else {
            let message = "there are no numbers left for another delegation";
            return Err(Error::application(Tag::ResourceDenied, message).app_tag("too-many"));
        };
        let lifetime = input.lifetime.unwrap_or(limits.delegation_lifetime_default_s);
        let lifetime = lifetime.min(limits.delegation_lifetime_max_s);
        let expires_at = now.saturating_add_seconds(i64::from(lifetime)).to_string();
        let delegation = Delegation {
            id,
            agent: name.to_owned(),
            delegate: input.delegate,
            may: input.may,
            granted_by: by.to_owned(),
            granted_at: now.to_string(),
            expires_at: expires_at.clone(),
        };
        Ok((vec![Event::Delegated { delegation }], DelegateOutput { id, expires_at }))
    }

    /// `revoke-delegation`.
    ///
    /// # Errors
    /// `delegation-unknown`.
    pub fn revoke(
        &self,
        now: Timestamp,
        input: &RevokeDelegationInput,
    ) -> Result<(Vec<Event>, RevokeDelegationOutput), Error> {
        let delegation = self.delegation(input.id, now).ok_or_else(|| unknown_delegation(input.id))?.clone();
        let how = DelegationEnding::Revoked;
        Ok((vec![Event::DelegationEnded { delegation, how }], RevokeDelegationOutput {}))
    }

    /// What has to be said of the delegations of an agent before what ends them all.
    pub(super) fn end_delegations(&self, agent: &str) -> impl Iterator<Item = Event> {
        let ids = self.delegations.of_agent.get(agent).into_iter().flatten();
        let granted = ids.filter_map(|id| self.delegations.all.get(id));
        granted.map(|granted| ended(granted, DelegationEnding::Ended))
    }

    /// The delegations whose time is over by `now`, earliest first, and no more than `at_most`; their numbers too.
    pub(super) fn expire_delegations(&self, now: Timestamp, at_most: usize) -> (Vec<Event>, BTreeSet<u32>) {
        let due = self.delegations.expiry.iter().take_while(|(at, _)| *at <= now).take(at_most);
        let due = due.filter_map(|(_, id)| self.delegations.all.get(id));
        due.map(|granted| (ended(granted, DelegationEnding::Expired), granted.delegation.id)).unzip()
    }
}

impl Delegations {
    /// All of them, each with the revision of its grant.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Delegation, u64)> {
        self.all.values().map(|granted| (&granted.delegation, granted.revision))
    }

    /// The number of the newest there ever was.
    pub(super) fn newest(&self) -> u32 {
        self.newest
    }

    /// Gives greater numbers from now on.
    pub(super) fn begin_after(&mut self, newest: u32) {
        self.newest = self.newest.max(newest);
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.expiry.get_min().map(|(at, _)| *at)
    }

    /// Folds in that it was granted.
    pub(super) fn grant(&mut self, revision: u64, delegation: &Delegation) {
        let id = delegation.id;
        // The text is our own, so it can be read; what cannot would be over.
        let expires_at = delegation.expires_at.parse().unwrap_or(Timestamp::EPOCH);
        self.of_agent.entry(delegation.agent.as_str().into()).or_default().insert(id);
        self.expiry.insert((expires_at, id));
        self.all.insert(id, Arc::new(Granted { delegation: delegation.clone(), expires_at, revision }));
        self.newest = self.newest.max(id);
    }

    /// Folds in that it has ended.
    pub(super) fn end(&mut self, id: u32) {
        let Some(granted) = self.all.remove(&id) else { return };
        self.expiry.remove(&(granted.expires_at, id));
        let agent = granted.delegation.agent.as_str();
        if let Some(ids) = self.of_agent.get_mut(agent) {
            ids.remove(&id);
            if ids.is_empty() {
                self.of_agent.remove(agent);
            }
        }
    }
}

fn ended(granted: &Granted, how: DelegationEnding) -> Event {
    Event::DelegationEnded { delegation: granted.delegation.clone(), how }
}

/// The error for a delegation that is not there, or not for who asks.
pub fn unknown_delegation(id: u32) -> Error {
    let message = format!("there is no delegation {id}");
    Error::application(Tag::DataMissing, message).app_tag("delegation-unknown")
}

/// What is told of it: who it is told to depends on the users that it names, beside the agent.
pub(super) fn announce(delegation: &Delegation, how: Option<DelegationEnding>) -> Notification {
    let Delegation { id, agent, delegate, may, granted_by, granted_at, expires_at } = delegation.clone();
    let change = match how {
        None => DelegationChangeChange::Granted,
        Some(DelegationEnding::Revoked) => DelegationChangeChange::Revoked,
        Some(DelegationEnding::Expired) => DelegationChangeChange::Expired,
        Some(DelegationEnding::Ended) => DelegationChangeChange::Ended,
    };
    let parties = vec![agent.clone()];
    let change = DelegationChange { id, change, agent, delegate, may, granted_by, granted_at, expires_at };
    Notification { node: DelegationChange::node(), data: change.to_data(), parties }
}

/// The delegations as a state list, as they are now.
#[derive(Debug)]
struct Entries(OrdMap<u32, Arc<Granted>>);

impl Granted {
    fn entry(&self) -> (Key, Arc<Container>) {
        let entry = self.delegation.to_data().at_revision(self.revision);
        (Key::new(vec![Value::Uint32(self.delegation.id)]), Arc::new(entry))
    }
}

fn number(key: &Key) -> Option<u32> {
    match key.values() {
        [Value::Uint32(number)] => Some(*number),
        _ => None,
    }
}

impl StateList for Entries {
    fn get(&self, key: &Key) -> Option<Arc<Container>> {
        self.0.get(&number(key)?).map(|granted| granted.entry().1)
    }

    fn after(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        // Numbers begin with 1.
        let last = key.and_then(number).unwrap_or(0);
        let following = self.0.range(last..).filter(|(id, _)| **id > last);
        following.take(count).map(|(_, granted)| granted.entry()).collect()
    }

    fn before(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        let preceding = self.0.range(..key.and_then(number).unwrap_or(u32::MAX)).rev();
        preceding.take(count).map(|(_, granted)| granted.entry()).collect()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}
