//! What one user may use of the server, and what each uses: counted in the fold, so that asking costs nothing.
//!
//! What is done for an agent counts for the user whom the agent belongs to, whoever did it. It never looks at all there is.

use std::io;
use std::ops::Index;
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use super::state::State;
use super::update;
use crate::access::{Principal, Speakers};
use crate::datastore::diff::Change;
use crate::limits::Limits;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::irtf_agent::nodes as draft;
use crate::yang::packed::{PackedError, Reader, put_key, put_number, put_octets};
use crate::yang::path::{InstancePath, Selector};
use crate::yang::schema::Node;
use crate::yang::tree::{Container, Key};

/// What is counted for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Agents that are registered.
    Agents,
    /// Tasks that the agents have assigned and that have not ended.
    OpenTasks,
    /// Negotiations that the agents have opened and that are open.
    OpenNegotiations,
    /// Contexts that the agents have begun.
    Contexts,
    /// Octets of the agents' data objects.
    DataOctets,
    /// Octets of what the user has written in the draft's tree: of each entry who wrote it last has all.
    ConfigOctets,
    /// Receivers that are told of tasks of the agents.
    Callbacks,
    /// Octets of the agents' policies.
    PolicyOctets,
}

const COUNTED: [Counted; 8] = [
    Counted::Agents,
    Counted::OpenTasks,
    Counted::OpenNegotiations,
    Counted::Contexts,
    Counted::DataOctets,
    Counted::ConfigOctets,
    Counted::Callbacks,
    Counted::PolicyOctets,
];

/// How much of each there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage([u64; COUNTED.len()]);

impl Index<Counted> for Usage {
    type Output = u64;

    fn index(&self, counted: Counted) -> &u64 {
        let [agents, tasks, negotiations, contexts, data, config, callbacks, policies] = &self.0;
        match counted {
            Counted::Agents => agents,
            Counted::OpenTasks => tasks,
            Counted::OpenNegotiations => negotiations,
            Counted::Contexts => contexts,
            Counted::DataOctets => data,
            Counted::ConfigOctets => config,
            Counted::Callbacks => callbacks,
            Counted::PolicyOctets => policies,
        }
    }
}

impl Usage {
    /// What an agent uses.
    fn of_agent(state: &State, agent: &str) -> Usage {
        let count = |count: usize| count as u64;
        Usage([
            u64::from(state.registry.holds(agent)),
            count(state.tasks.open_of(agent)),
            count(state.negotiations.open_of(agent)),
            count(state.tasks.contexts_of(agent)),
            state.tasks.data_of(agent),
            0,
            count(state.tasks.callbacks().of_agent(agent)),
            state.negotiations.policies_of(agent),
        ])
    }

    fn of_config(octets: u64) -> Usage {
        Usage([0, 0, 0, 0, 0, octets, 0, 0])
    }

    fn with(self, other: Usage) -> Usage {
        self.each(other, u64::saturating_add)
    }

    fn without(self, other: Usage) -> Usage {
        self.each(other, u64::saturating_sub)
    }

    fn each(mut self, other: Usage, of: fn(u64, u64) -> u64) -> Usage {
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| *own = of(*own, other));
        self
    }
}

/// What one principal may use. Where it is counted: what its user may have, together with what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotas {
    /// What is counted, each with the name of its limit.
    counted: [(&'static str, u64); COUNTED.len()],
    /// Event streams at a time.
    pub streams: usize,
    /// Dynamic subscriptions at a time.
    pub subscriptions: usize,
    /// Steps that a filter of events takes for one event.
    pub event_filter_steps: u64,
    /// Steps that a filter of data takes for one update or answer.
    pub data_filter_steps: u64,
}

impl State {
    /// What the principal may use: as it is configured, or else as the server's file has it. Of what is counted,
    /// administrators may have all that the server can hold.
    pub(super) fn quotas(&self, limits: &Limits, principal: &Principal) -> Quotas {
        let is_admin = principal.is_admin();
        let most = |configured: Option<u64>, limit: u64| match is_admin {
            true => u64::MAX,
            false => configured.unwrap_or(limit),
        };
        let at_once = |configured: Option<u32>, limit: usize| configured.map_or(limit, |most| most as usize);
        let configured = &self.settings.limits.user;
        Quotas {
            counted: [
                ("agents_user_max", most(configured.agents, limits.agents_user_max as u64)),
                ("tasks_open_user_max", most(configured.open_tasks, limits.tasks_open_user_max as u64)),
                (
                    "negotiations_open_user_max",
                    most(configured.open_negotiations, limits.negotiations_open_user_max as u64),
                ),
                ("contexts_user_max", most(configured.contexts, limits.contexts_user_max as u64)),
                ("data_user_bytes_max", most(configured.data, limits.data_user_bytes_max)),
                ("config_user_bytes_max", most(configured.configuration, limits.config_user_bytes_max)),
                ("callbacks_user_max", most(None, limits.callbacks_user_max as u64)),
                ("policies_user_bytes_max", most(None, limits.policies_user_bytes_max)),
            ],
            streams: at_once(configured.event_streams, limits.subscribers_user_max),
            subscriptions: at_once(configured.subscriptions, limits.subscriptions_user_max),
            event_filter_steps: limits.filter_steps_max,
            data_filter_steps: limits.push_steps_max,
        }
    }

    /// What a user uses.
    pub fn usage(&self, user: &str) -> Usage {
        self.ledger.users.get(user).copied().unwrap_or_default()
    }
}

impl Quotas {
    /// Refuses what makes the usage of a user greater than it may be.
    ///
    /// # Errors
    /// `resource-denied` with the app-tag `quota-exceeded`; the message names the limit.
    pub(super) fn permit(&self, before: &Usages, after: &Ledger) -> Result<(), Error> {
        for item in before.diff(&after.users) {
            let (user, old, new) = match item {
                DiffItem::Add(user, new) => (user, Usage::default(), *new),
                DiffItem::Update { old: (user, old), new: (_, new) } => (user, *old, *new),
                DiffItem::Remove(..) => continue,
            };
            for (counted, (limit, most)) in COUNTED.into_iter().zip(self.counted) {
                let has = new[counted];
                if has > old[counted] && has > most {
                    let message =
                        format!("the user \"{user}\" would have {has} of what \"{limit}\" limits to {most}");
                    return Err(Error::application(Tag::ResourceDenied, message).app_tag("quota-exceeded"));
                }
            }
        }
        Ok(())
    }
}

/// How much of each thing every user has.
pub(super) type Usages = OrdMap<Arc<str>, Usage>;

/// What each user uses. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Ledger {
    users: Usages,
    /// Who wrote what of the draft's tree, and its octets.
    written: OrdMap<Place, (Arc<str>, u64)>,
}

/// A part of the draft's tree: the name of the node at the top, and the key of an entry.
type Place = (&'static str, Option<Key>);

/// What an agent used before an event, and whom it belonged to.
pub(super) struct Account<'a> {
    agent: &'a str,
    holder: Arc<str>,
    usage: Usage,
}

impl<'a> Account<'a> {
    pub(super) fn of(state: &State, agent: &'a str) -> Account<'a> {
        let holder = state.owner(agent).unwrap_or(agent).into();
        Account { agent, holder, usage: Usage::of_agent(state, agent) }
    }
}

impl Ledger {
    /// How much every user has now. It is cheap to keep, and does not keep the rest.
    pub(super) fn usages(&self) -> Usages {
        self.users.clone()
    }

    /// Folds in what became of an agent's account.
    pub(super) fn settle(state: &mut State, before: &Account<'_>) {
        let after = Account::of(state, before.agent);
        if before.holder != after.holder {
            state.ledger.book(&before.holder, |sum| sum.without(before.usage));
            state.ledger.book(&after.holder, |sum| sum.with(after.usage));
        } else if before.usage != after.usage {
            state.ledger.book(&after.holder, |sum| sum.without(before.usage).with(after.usage));
        }
    }

    /// Folds in that a user has changed the configuration.
    pub(super) fn wrote(&mut self, user: &str, changes: &[Change], config: &Container) {
        let mut last = None;
        for change in changes {
            let Some(place) = place(&change.path) else { continue };
            if last.as_ref() == Some(&place) {
                continue;
            }
            let before = self.written.get(&place).cloned();
            if let Some((author, octets)) = &before {
                self.book(author, |sum| sum.without(Usage::of_config(*octets)));
            }
            let (name, key) = &place;
            let node = TOP.into_iter().find(|node| node.name == *name);
            let octets = match change.whole(1) {
                Some((_, new)) => new.map(|inside| update::octets_of(inside)),
                None => node.and_then(|node| match key {
                    Some(key) => config.list(node)?.get(node, key).map(|entry| update::octets_of(&entry)),
                    None => config.container(node).map(|inside| update::octets_of(inside)),
                }),
            };
            // What is not there is not taken out, which would copy the way to it.
            match octets {
                Some(octets) => {
                    let author: Arc<str> = user.into();
                    self.book(&author, |sum| sum.with(Usage::of_config(octets)));
                    self.written.insert(place.clone(), (author, octets));
                }
                None if before.is_some() => {
                    self.written.remove(&place);
                }
                None => {}
            }
            last = Some(place);
        }
    }

    /// The user who wrote `tasks`, or an entry of a list, of the draft's tree last.
    pub(super) fn author(&self, node: &'static Node, key: Option<&Key>) -> Option<&str> {
        self.written.get(&(node.name, key.cloned())).map(|(author, _)| author.as_ref())
    }

    /// How many entries of the draft's tree were written.
    pub(super) fn written(&self) -> u64 {
        self.written.len() as u64
    }

    /// Saves it: each usage, told by `true`, and what was written.
    ///
    /// # Errors
    /// Those of the sink.
    pub(super) fn save(&self, sink: &mut dyn FnMut(bool, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut out = Vec::new();
        for (user, usage) in &self.users {
            out.clear();
            put_octets(&mut out, user.as_bytes());
            usage.0.iter().for_each(|count| put_number(&mut out, *count));
            sink(true, &out)?;
        }
        for ((node, key), (author, octets)) in &self.written {
            out.clear();
            put_octets(&mut out, node.as_bytes());
            put_octets(&mut out, author.as_bytes());
            put_number(&mut out, *octets);
            key.iter().for_each(|key| put_key(&mut out, key));
            sink(false, &out)?;
        }
        Ok(())
    }

    /// Takes back what one user uses.
    ///
    /// # Errors
    /// It was not saved here.
    pub(super) fn load_usage(&mut self, saved: &mut Reader<'_>) -> Result<(), PackedError> {
        let user = saved.text()?.into();
        let mut usage = Usage::default();
        for count in &mut usage.0 {
            // What was saved by an earlier version counts less.
            if !saved.is_at_end() {
                *count = saved.number()?;
            }
        }
        self.users.insert(user, usage);
        Ok(())
    }

    /// Takes back what one user has written.
    ///
    /// # Errors
    /// It was not saved here.
    pub(super) fn load_written(&mut self, saved: &mut Reader<'_>) -> Result<(), PackedError> {
        let name = saved.text()?;
        let unknown = || PackedError::new(format!("\"{name}\" is no part of the draft's tree"));
        let node = TOP.into_iter().find(|node| node.name == name).ok_or_else(unknown)?;
        let author = saved.text()?.into();
        let octets = saved.number()?;
        let key = if saved.is_at_end() { None } else { Some(saved.key(node)?) };
        self.written.insert((node.name, key), (author, octets));
        Ok(())
    }

    fn book(&mut self, user: &Arc<str>, change: impl FnOnce(Usage) -> Usage) {
        let before = self.users.get(user).copied();
        let sum = change(before.unwrap_or_default());
        if sum != Usage::default() {
            self.users.insert(user.clone(), sum);
        } else if before.is_some() {
            self.users.remove(user);
        }
    }
}

/// What of the draft's tree is configuration.
const TOP: [&Node; 3] = [&draft::TASKS, &draft::DATA_PARAMS, &draft::CONTEXT];

/// The part of the draft's tree that a path is in.
fn place(path: &InstancePath) -> Option<Place> {
    let first = path.steps.first().filter(|first| TOP.contains(&first.node))?;
    match &first.selector {
        Selector::Key(key) => Some((first.node.name, Some(key.clone()))),
        _ => Some((first.node.name, None)),
    }
}
