//! The registry: which agents there are, whose they are, and until when.
//!
//! Owns the state `/magent-registry:registry`, its operations and the notification
//! `registry-change`; and who may act for an agent beside its owner, told in `delegation-change`. It never decides who may call an operation beyond the rule that a name
//! belongs to the user who first registered it; it does no I/O and reads no clock.
//!
//! # Refusals
//!
//! | error-app-tag | error-tag | when |
//! |---|---|---|
//! | `not-authorized` | `access-denied` | the name belongs to another user |
//! | `agent-unknown` | `data-missing` | the agent is not registered, or no longer |
//! | `registry-full` | `resource-denied` | there are as many agents, or names, as there can be |
//! | `bad-cursor` | `invalid-value` | the cursor was not made by this search |
//! | `delegation-unknown` | `data-missing` | there is no such delegation |
//! | `too-many` | `resource-denied` | there are as many delegations as there can be |
//! | | `too-big` | the profile is too large, or the text that is searched has too many words |

mod capabilities;
mod changes;
mod cover;
mod decide;
mod delegations;
mod discover;
pub mod image;
mod index;
mod postings;
mod search;
mod team;
mod text;
mod versions;

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::yang::generated::magent_registry::{
    Agent, Change, Delegation, RegistryChange, RegistryChangeChange,
};
use crate::yang::held::{Entries, Held, HeldMap};
use crate::yang::model::Modelled;
use crate::yang::notification::Notification;
use crate::yang::recast::recast;
use crate::yang::tree::StateList;

pub use decide::Registrant;
pub use delegations::{DelegationEnding, unknown_delegation};

use delegations::Delegations;
use index::Index;

/// Whether agents of a name are shown to who asks; without it all are.
pub type Shown<'a> = Option<&'a dyn Fn(&str) -> bool>;

/// The agents that are registered and the names that were ever used. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Registry {
    agents: HeldMap<Agent>,
    /// The user of every name that was ever registered. A name stays with its user when the
    /// registration has ended, so that nobody else comes into the history that goes with it.
    owners: OrdMap<Arc<str>, Arc<str>>,
    /// The names of each user: `owners` the other way round.
    names: OrdMap<Arc<str>, OrdSet<Arc<str>>>,
    /// When each registration ends.
    expiry: OrdSet<(Timestamp, Arc<str>)>,
    index: Index,
    delegations: Delegations,
    revision: u64,
}

/// Something that happened in the registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Event {
    /// An agent was registered that was not registered before.
    Registered {
        /// The agent with its registration.
        #[serde(with = "crate::yang::stored")]
        agent: Agent,
    },
    /// The profile of a registered agent was replaced by another one.
    Updated {
        /// The agent with its registration.
        #[serde(with = "crate::yang::stored")]
        agent: Agent,
        /// What that has changed; an old log does not say.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::yang::stored::optional")]
        change: Option<Change>,
    },
    /// A registration was renewed and the profile stays as it was.
    Renewed {
        /// Name of the agent.
        name: String,
        /// The user whose agent it is now.
        owner: String,
        /// When the registration ends.
        expires_at: Option<Timestamp>,
    },
    /// A registration ended.
    Ended {
        /// Name of the agent.
        name: String,
        /// How it ended.
        ending: Ending,
        /// Why, if that was said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A user was granted to act for an agent.
    Delegated {
        /// The delegation.
        #[serde(with = "crate::yang::stored")]
        delegation: Delegation,
    },
    /// A delegation ended.
    DelegationEnded {
        /// The delegation as it was.
        #[serde(with = "crate::yang::stored")]
        delegation: Delegation,
        /// How it ended.
        how: DelegationEnding,
    },
}

/// How a registration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// By the operation `deregister`.
    Deregistered,
    /// It was not renewed in time.
    Expired,
}

impl Event {
    /// The agent whose registration it changes.
    pub fn agent(&self) -> Option<&str> {
        match self {
            Event::Registered { agent } | Event::Updated { agent, .. } => Some(&agent.name),
            Event::Renewed { name, .. } | Event::Ended { name, .. } => Some(name),
            Event::Delegated { .. } | Event::DelegationEnded { .. } => None,
        }
    }
}

impl Registry {
    /// Whether there is a registration of this name whose end was not said.
    pub fn holds(&self, name: &str) -> bool {
        self.agents.contains_key(name)
    }

    /// The user whom the name belongs to, also after the registration has ended.
    pub fn owner(&self, name: &str) -> Option<&str> {
        self.owners.get(name).map(AsRef::as_ref)
    }

    /// All names that belong to the user, also those of registrations that have ended.
    pub fn owned_by(&self, user: &str) -> impl Iterator<Item = &str> {
        self.names.get(user).into_iter().flatten().map(AsRef::as_ref)
    }

    /// The agent of this name, if it is registered at the time `now`.
    pub fn get(&self, name: &str, now: Timestamp) -> Option<&Agent> {
        self.agents.get(name).map(|held| &held.entry).filter(|agent| is_registered(agent, now))
    }

    /// Whether an agent of this name is registered at the time `now`.
    pub fn contains(&self, name: &str, now: Timestamp) -> bool {
        self.get(name, now).is_some()
    }

    /// The registered agents as the entries of `/magent-registry:registry/agents/agent`. One whose time
    /// has passed is among them until the event that says so.
    pub fn entries(&self) -> Arc<dyn StateList> {
        Arc::new(Entries::new(&self.agents))
    }

    /// The log position of the newest event of the registry; 0 before the first.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// When the next registration or delegation ends.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let registration = self.expiry.get_min().map(|(at, _)| *at);
        registration.into_iter().chain(self.delegations.next_deadline()).min()
    }

    /// The delegations and registrations that have ended by `now`, of each the earliest first and no more than `at_most`;
    /// and the delegations that end with a registration.
    pub fn expire(&self, now: Timestamp, at_most: usize) -> Vec<Event> {
        let (mut events, said) = self.expire_delegations(now, at_most);
        for (_, name) in self.expiry.iter().take_while(|(at, _)| *at <= now).take(at_most) {
            let is_new = |event: &Event| !matches!(event, Event::DelegationEnded { delegation, .. } if said.contains(&delegation.id));
            events.extend(self.end_delegations(name).filter(is_new));
            events.push(expired(name));
        }
        events
    }

    /// Folds in an event. `revision` is its position in the log and `at` the time when it was
    /// decided.
    pub fn apply(&mut self, revision: u64, at: Timestamp, event: &Event) {
        self.revision = revision;
        match event {
            Event::Registered { agent } => {
                self.put(agent.clone(), None, revision);
            }
            Event::Updated { agent, change } => {
                let mut agent = agent.clone();
                let before = self.agents.get(agent.name.as_str());
                let before = before.map(|held| held.entry.registration.change.clone()).unwrap_or_default();
                let changes: Vec<Change> = before.into_iter().chain(change.clone()).collect();
                let oldest = changes.len().saturating_sub(changes::CHANGES_MAX);
                agent.registration.change = changes.into_iter().skip(oldest).collect();
                self.put(agent, None, revision);
            }
            Event::Renewed { name, owner, expires_at } => {
                if let Some(mut agent) = self.agents.get(name.as_str()).map(|held| held.entry.clone()) {
                    agent.registration.owner = Some(owner.clone());
                    agent.registration.updated_at = at.to_string();
                    agent.registration.expires_at = expires_at.map(|at| at.to_string());
                    self.put(agent, None, revision);
                }
            }
            Event::Ended { name, .. } => self.take(name),
            Event::Delegated { delegation } => self.delegations.grant(revision, delegation),
            Event::DelegationEnded { delegation, .. } => self.delegations.end(delegation.id),
        }
    }

    /// What is told of an event. A registration concerns everybody, a delegation those that it names. A renewal alone is
    /// told to nobody.
    pub fn announce(event: &Event, _at: Timestamp) -> Vec<Notification> {
        let (name, change, version) = match event {
            Event::Registered { agent } => {
                (&agent.name, RegistryChangeChange::Registered, Some(&agent.version))
            }
            Event::Updated { agent, .. } => {
                (&agent.name, RegistryChangeChange::Updated, Some(&agent.version))
            }
            Event::Renewed { .. } => return Vec::new(),
            Event::Ended { name, ending: Ending::Deregistered, .. } => {
                (name, RegistryChangeChange::Deregistered, None)
            }
            Event::Delegated { delegation } => return vec![delegations::announce(delegation, None)],
            Event::DelegationEnded { delegation, how } => {
                return vec![delegations::announce(delegation, Some(*how))];
            }
            Event::Ended { name, ending: Ending::Expired, .. } => (name, RegistryChangeChange::Expired, None),
        };
        let update = match event {
            // It has all nodes that an update of a profile has.
            Event::Updated { change, .. } => change.as_ref().and_then(|change| recast(change).ok()),
            _ => None,
        };
        let version = version.cloned();
        let data = RegistryChange { version, update, ..RegistryChange::new(name, change) }.to_data();
        vec![Notification { node: RegistryChange::node(), data, parties: Vec::new() }]
    }

    /// Puts an agent, in place of an earlier one of its name; a new one with this number, or with the next one.
    /// Whether that could be.
    fn put(&mut self, agent: Agent, number: Option<u32>, revision: u64) -> bool {
        let (name, is_indexed) = match self.agents.get_key_value(agent.name.as_str()) {
            Some((name, held)) => {
                if let Some(at) = expires_at(&held.entry) {
                    self.expiry.remove(&(at, name.clone()));
                }
                if !decide::same_profile(&held.entry, &agent) {
                    self.index.replace(name, &held.entry, &agent);
                }
                (name.clone(), true)
            }
            None => {
                let name: Arc<str> = agent.name.as_str().into();
                let is_indexed = self.index.insert(&name, number, &agent);
                (name, is_indexed)
            }
        };
        if let Some(at) = expires_at(&agent) {
            self.expiry.insert((at, name.clone()));
        }
        self.own(&name, agent.registration.owner.as_deref().unwrap_or_default());
        self.agents.insert(name, Arc::new(Held { entry: agent, revision }));
        is_indexed
    }

    /// Takes the agent away and leaves the name to its owner.
    fn take(&mut self, name: &str) {
        let Some((name, held)) = self.agents.remove_with_key(name) else { return };
        self.index.remove(&name, &held.entry);
        if let Some(at) = expires_at(&held.entry) {
            self.expiry.remove(&(at, name));
        }
    }

    fn own(&mut self, name: &Arc<str>, owner: &str) {
        match self.owner(name) {
            Some(before) if before == owner => return,
            Some(before) => {
                let before: Arc<str> = before.into();
                let mut names = self.names.get(&before).cloned().unwrap_or_default();
                names.remove(name);
                match names.is_empty() {
                    true => self.names.remove(&before),
                    false => self.names.insert(before, names),
                };
            }
            None => {}
        }
        let owner: Arc<str> = owner.into();
        self.names.entry(owner.clone()).or_default().insert(name.clone());
        self.owners.insert(name.clone(), owner);
    }
}

/// When the registration ends; the text is our own, so it can be read.
fn expires_at(agent: &Agent) -> Option<Timestamp> {
    agent.registration.expires_at.as_ref().and_then(|text| text.parse().ok())
}

/// A registration ends at its time, and not only when the event that says so comes.
fn is_registered(agent: &Agent, now: Timestamp) -> bool {
    expires_at(agent).is_none_or(|at| now < at)
}

fn expired(name: &str) -> Event {
    Event::Ended { name: name.to_owned(), ending: Ending::Expired, reason: None }
}

#[cfg(test)]
mod tests;
