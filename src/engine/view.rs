//! The tree that a reader sees: configuration, and state in the places the modules give it,
//! without what the principal may not see. What is private is absent, not forbidden.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::draft;
use super::library;
use super::monitoring;
use super::options::Options;
use super::request::{Content, Datastore, Found};
use super::sessions::Sessions;
use super::speakers;
use super::state::{Revision, State};
use super::visible;
use crate::access::{At, Principal};
use crate::clock::Timestamp;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_task::CallbackKey;
use crate::yang::generated::{
    SCHEMA, ietf_netconf_acm, ietf_netconf_monitoring, ietf_restconf_monitoring,
    ietf_subscribed_notifications, ietf_system_capabilities, ietf_yang_library, irtf_agent,
    magent_datastores, magent_policy, magent_registry, magent_task, nc_notifications,
};
use crate::yang::model::{self, Modelled};
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::Node;
use crate::yang::tree::{Child, Container, Key, List, StateList};
use crate::yang::value::Value;

/// What is read from: a state at a time, with the sessions beside it, which are of no use without.
#[derive(Clone, Copy)]
pub(super) struct From<'a> {
    pub state: &'a Arc<State>,
    pub sessions: &'a Sessions,
    pub options: &'a Options,
    pub datastore: Datastore,
    /// By which it is judged what has expired.
    pub now: Timestamp,
}

/// Reads one node of a datastore.
pub(super) fn read(
    from: &From<'_>,
    principal: &Principal,
    path: &InstancePath,
    content: Content,
) -> Result<Found, Error> {
    read_part(from, principal, path, content, &mut |_, child| Ok(child))
}

/// What is wanted of all instances of a node; it may be none of them.
pub(super) type Part<'p> = &'p mut dyn FnMut(&'static Node, Child) -> Result<Child, Error>;

/// The same, but of a list or leaf-list a part is taken before anything is done that costs as much as its entries.
pub(super) fn read_part(
    from: &From<'_>,
    principal: &Principal,
    path: &InstancePath,
    content: Content,
    part: Part<'_>,
) -> Result<Found, Error> {
    let missing = || Error::protocol(Tag::DataMissing, "there is no such instance").at(path.clone());
    let (tree, state) = (View::of(from, principal), from.state);
    // The conventional datastores have no state (RFC 8342 section 5.1).
    let content = match content {
        Content::All if !tree.has_state => Content::Config,
        // The datastore itself is there all the same, without anything in it.
        Content::NonConfig if !tree.has_state && !path.steps.is_empty() => return Err(missing()),
        content => content,
    };
    let has_other_state = content != Content::Config && has_other_state(path);
    let changed_at = tree.changed_at;
    // What the principal sees of it changes with the rules too.
    let rules = state.rules(principal);
    let ruled = state.config.content().container(&ietf_netconf_acm::nodes::NACM);
    let ruled = ruled.filter(|_| !principal.is_admin()).map_or(0, |nacm| nacm.revision);
    let found = |node, child, revision| {
        let has_other_state = has_other_state || ruled > revision;
        Found { node, child, revision, has_other_state, changed_at }
    };
    let Some((first, rest)) = path.steps.split_first() else {
        let mut root = Container::default().at_revision(tree.revision);
        let at = At::root(rules.clone());
        for node in SCHEMA.implemented().flat_map(|module| module.data).copied() {
            let seen = tree.top(node, content).and_then(|child| visible::child(&at, node, &child));
            if let Some(child) = seen.and_then(|child| keep(&child, node, content)) {
                root.set(node, child);
            }
        }
        return Ok(found(None, Child::Container(Arc::new(root)), tree.revision));
    };
    let mut child = tree.top(first.node, content).ok_or_else(missing)?;
    let mut revision = if first.node.config { tree.revision } else { 0 };
    let mut step = first;
    for next in rest {
        child = select(&child, step, &mut revision).ok_or_else(missing)?;
        let Child::Container(container) = &child else { return Err(missing()) };
        child = container.get(next.node).ok_or_else(missing)?.clone();
        step = next;
    }
    let child = select(&child, step, &mut revision).ok_or_else(missing)?;
    let child = visible::found(&rules, path, &child).ok_or_else(missing)?;
    if matches!(&child, Child::List(list) if list.is_empty()) {
        return Err(missing());
    }
    let child = part(step.node, child)?;
    if matches!(&child, Child::List(list) if list.is_empty()) {
        return Ok(found(Some(step.node), child, revision));
    }
    match keep(&child, step.node, content) {
        Some(child) => Ok(found(Some(step.node), child, revision)),
        None => Err(missing()),
    }
}

/// All that the principal may see: what conditions of defaults look at.
pub(super) fn whole(from: &From<'_>, principal: &Principal) -> Container {
    let tree = View::of(from, principal);
    let at = At::root(from.state.rules(principal));
    let mut root = Container::default();
    for node in SCHEMA.implemented().flat_map(|module| module.data).copied() {
        if let Some(child) = tree.top(node, Content::All).and_then(|child| visible::child(&at, node, &child))
        {
            root.set(node, child);
        }
    }
    root
}

/// The position and the time of the last change of the configuration in a datastore.
pub(super) fn changed(state: &State, sessions: &Sessions, datastore: Datastore) -> (u64, Timestamp) {
    let working = match datastore {
        Datastore::Candidate(which) => sessions.candidates.get(which),
        _ => None,
    };
    match (working, datastore) {
        (Some(working), _) => (working.revision, working.changed_at),
        (None, Datastore::Startup) => {
            (state.startup.as_ref().map_or(0, |startup| startup.revision), state.startup_changed_at)
        }
        (None, _) => (state.config_revision, state.config_changed_at),
    }
}

/// Whether something is shown of which the revision does not tell: in configuration nodes that are state, such as counters, what
/// is shown in the draft's `tasks` and in its lists as a whole; and what is private to some, of which each sees the part that is
/// its own at the time, by delegations too.
fn has_other_state(path: &InstancePath) -> bool {
    use irtf_agent::nodes::{CONTEXT, DATA_PARAMS, TASKS};
    use magent_policy::nodes::POLICIES;
    use magent_registry::nodes::{REGISTRY, REGISTRY_AGENTS};
    use magent_task::nodes::INTERACTION;
    fn has_state(node: &Node) -> bool {
        !node.config || node.data.iter().any(|inner| has_state(inner))
    }
    match path.steps.as_slice() {
        [] => true,
        [first, rest @ ..] if !first.node.config => {
            let is_whole = rest.iter().all(|step| step.selector == Selector::None);
            let place = rest.first().map(|step| step.node);
            match () {
                () if first.node == &INTERACTION || first.node == &POLICIES => is_whole,
                () if first.node == &REGISTRY => is_whole && place != Some(&REGISTRY_AGENTS),
                () => false,
            }
        }
        [first, ..] if first.node == &TASKS => true,
        [list] if list.node == &DATA_PARAMS || list.node == &CONTEXT => list.selector == Selector::None,
        [.., last] => has_state(last.node),
    }
}

/// The instance that a step means among all of its node.
pub(super) fn select(child: &Child, step: &Step, revision: &mut u64) -> Option<Child> {
    let selected = match (child, &step.selector) {
        (Child::List(list), Selector::Key(key)) => Child::Container(list.get(step.node, key)?),
        (Child::List(list), Selector::Position(n)) => {
            Child::Container(list.iter().nth(usize::try_from(*n).ok()?.checked_sub(1)?)?)
        }
        (Child::LeafList(values), Selector::Value(value)) => {
            Child::Leaf(values.iter().find(|v| *v == value)?.clone())
        }
        (_, Selector::None) => child.clone(),
        _ => return None,
    };
    if let Child::Container(container) = &selected {
        // State without a revision of its own has that of what it is part of.
        if container.revision > 0 {
            *revision = container.revision;
        }
    }
    Some(selected)
}

/// What is left of the datastore when only configuration or only state is wanted.
pub(super) fn part(root: &Child, content: Content) -> Option<Child> {
    let Child::Container(root) = root else { return None };
    let mut part = Container::default().at_revision(root.revision);
    for (node, child) in root.iter() {
        if let Some(child) = keep(child, node, content) {
            part.set(node, child);
        }
    }
    Some(Child::Container(Arc::new(part)))
}

/// What is left of an instance when only configuration or only state is wanted; keys stay with
/// whatever is left of their entry (RFC 8040 section 4.8.1).
fn keep(child: &Child, node: &'static Node, content: Content) -> Option<Child> {
    match (content, node.config, child) {
        (Content::All, ..) | (Content::NonConfig, false, _) => {
            // A list without entries is not there.
            let absent = matches!(child, Child::List(list) if list.is_empty());
            (!absent).then(|| child.clone())
        }
        (Content::Config, false, _) => None,
        (Content::Config, true, _) if is_all_configuration(node) => Some(child.clone()),
        (Content::Config, true, Child::Leaf(_) | Child::LeafList(_) | Child::Any(_)) => Some(child.clone()),
        (Content::NonConfig, true, Child::Leaf(_) | Child::LeafList(_) | Child::Any(_)) => None,
        (_, true, Child::Container(container)) => {
            keep_container(container, content).map(|kept| Child::Container(Arc::new(kept)))
        }
        (_, true, Child::List(list)) => {
            let mut kept = match list {
                // A part of a list can be in an order of its own.
                List::Sequence(_) => List::Sequence(Box::default()),
                _ => List::empty(node),
            };
            for entry in list.iter() {
                if let Some(entry) = keep_container(&entry, content) {
                    let key = entry.key(node).filter(|_| !matches!(kept, List::Sequence(_)));
                    kept.put(node, key, Arc::new(entry));
                }
            }
            (!kept.is_empty()).then_some(Child::List(kept))
        }
    }
}

/// Whether there can be no state below a node.
fn is_all_configuration(node: &Node) -> bool {
    node.data.iter().all(|below| below.config && is_all_configuration(below))
}

fn keep_container(container: &Container, content: Content) -> Option<Container> {
    let mut kept = Container::default().at_revision(container.revision);
    for (node, child) in container.iter() {
        if let Some(child) = keep(child, node, content) {
            kept.set(node, child);
        }
    }
    if kept.is_empty() && content == Content::NonConfig {
        return None;
    }
    for (node, child) in container.iter().filter(|(node, _)| node.is_key()) {
        kept.set(node, child.clone());
    }
    Some(kept)
}

struct View<'a> {
    state: &'a Arc<State>,
    sessions: &'a Sessions,
    options: &'a Options,
    principal: &'a Principal,
    now: Timestamp,
    /// The configuration in the datastore.
    config: Arc<Container>,
    revision: u64,
    changed_at: Timestamp,
    /// Whether it has more than configuration.
    has_state: bool,
}

impl<'a> View<'a> {
    fn of(from: &From<'a>, principal: &'a Principal) -> Self {
        let From { state, sessions, options, datastore, now } = *from;
        let config = state.config.content().clone();
        let (revision, changed_at) = changed(state, sessions, datastore);
        let has_state = matches!(datastore, Datastore::Unified | Datastore::Operational);
        let running =
            View { state, sessions, options, principal, now, config, revision, changed_at, has_state };
        match datastore {
            Datastore::Candidate(which) => match sessions.candidates.get(which) {
                Some(working) => {
                    let config = draft::with_present_order(state, working.content.clone());
                    View { config, ..running }
                }
                None => running,
            },
            Datastore::Startup => {
                let saved = state.startup.clone().unwrap_or_default();
                View { config: draft::with_present_order(state, saved), ..running }
            }
            Datastore::Unified | Datastore::Running | Datastore::Intended | Datastore::Operational => running,
        }
    }

    /// All instances of a top-level node but those that are private to others, maybe with some that
    /// `content` leaves out: nothing here may cost as much as the entries of a list, of which
    /// one alone may be wanted.
    fn top(&self, node: &'static Node, content: Content) -> Option<Child> {
        if content == Content::Config && !node.config {
            return None;
        }
        if !self.has_state {
            return self.config.get(node).cloned();
        }
        let container = |container: Container| Some(Child::Container(Arc::new(container)));
        if node == &irtf_agent::nodes::AGENT {
            container(self.options.profile.to_data())
        } else if node == &irtf_agent::nodes::TASKS && content != Content::Config {
            draft::tasks(self.state, self.principal, self.now).map(Child::Container)
        } else if node == &irtf_agent::nodes::DATA_PARAMS && content != Content::Config {
            Some(Child::List(draft::data_params(self.state, self.principal, self.now)))
        } else if node == &irtf_agent::nodes::CONTEXT && content != Content::Config {
            Some(Child::List(draft::contexts(self.state, self.principal, self.now)))
        } else if node == &magent_registry::nodes::REGISTRY {
            container(self.registry())
        } else if node == &magent_task::nodes::INTERACTION {
            container(self.interaction())
        } else if node == &magent_policy::nodes::POLICIES {
            container(self.policies())
        } else if node == &ietf_yang_library::nodes::YANG_LIBRARY {
            Some(Child::Container(self.options.capabilities.yang_library(self.options.startup)))
        } else if node == &ietf_yang_library::nodes::MODULES_STATE {
            Some(Child::Container(self.options.capabilities.modules_state(self.options.startup)))
        } else if node == &ietf_system_capabilities::nodes::SYSTEM_CAPABILITIES {
            container(library::system_capabilities())
        } else if node == &ietf_restconf_monitoring::nodes::RESTCONF_STATE {
            container(self.options.capabilities.restconf_state())
        } else if node == &ietf_netconf_monitoring::nodes::NETCONF_STATE {
            let rules = self.state.nacm.rules(self.principal);
            let sees = |of: &Principal| visible::sees_session(&rules, self.principal, &of.name);
            container(monitoring::netconf_state(self.sessions, self.options, sees))
        } else if node == &nc_notifications::nodes::NETCONF {
            container(self.options.capabilities.netconf_streams())
        } else if node == &ietf_subscribed_notifications::nodes::STREAMS {
            container(self.options.capabilities.streams())
        } else if node == &ietf_subscribed_notifications::nodes::SUBSCRIPTIONS {
            container(self.options.capabilities.subscriptions.shown(self.principal, self.now))
        } else if node == &ietf_netconf_acm::nodes::NACM && content != Content::Config {
            container(self.options.capabilities.denied.shown(self.config.container(node)))
        } else if node == &magent_datastores::nodes::REVISIONS {
            container(self.revisions())
        } else {
            self.config.get(node).cloned()
        }
    }

    fn revisions(&self) -> Container {
        let revision = |(number, kept): (&u64, &Revision)| magent_datastores::Revision {
            number: *number,
            time: kept.at.to_string(),
        };
        magent_datastores::Revisions { revision: self.state.revisions.iter().map(revision).collect() }
            .to_data()
    }

    fn registry(&self) -> Container {
        use magent_registry::nodes as n;
        let registry = &self.state.registry;
        let revision = registry.revision();
        let agents = nest(&n::REGISTRY_AGENTS_AGENT, Child::List(List::State(registry.entries())), revision);
        let delegations = self.private(registry.delegations(), sees_delegation);
        let delegations = nest(&n::REGISTRY_DELEGATIONS_DELEGATION, delegations, revision);
        let mut shown = nest(&n::REGISTRY_AGENTS, Child::Container(Arc::new(agents)), revision);
        shown.set(&n::REGISTRY_DELEGATIONS, Child::Container(Arc::new(delegations)));
        shown
    }

    /// What is private to each side: it is not even shown to who sees all else.
    fn policies(&self) -> Container {
        let (state, now) = (self.state, self.now);
        let entries =
            state.negotiations.policies(|agent| speakers::is_own_side(state, self.principal, agent, now));
        let entries = Child::List(List::State(entries));
        nest(&magent_policy::nodes::POLICIES_AGENT, entries, state.negotiations.revision())
    }

    /// A list without the entries that are private to others.
    fn private(&self, entries: Arc<dyn StateList>, visible: Visible) -> Child {
        let (state, principal) = (self.state.clone(), self.principal.clone());
        let now = self.now;
        Child::List(List::State(Arc::new(Private { entries, visible, state, principal, now })))
    }

    fn interaction(&self) -> Container {
        use magent_task::nodes as n;
        let state = self.state;
        let mut interaction =
            Container::default().at_revision(state.tasks.revision().max(state.negotiations.revision()));
        let mut put = |outer: &'static Node,
                       list: &'static Node,
                       entries: Arc<dyn StateList>,
                       visible: Visible,
                       revision| {
            let inner = nest(list, self.private(entries, visible), revision);
            interaction.set(outer, Child::Container(Arc::new(inner)));
        };
        let tasks = state.tasks.revision();
        put(&n::INTERACTION_TASKS, &n::INTERACTION_TASKS_TASK, state.tasks.tasks(), sees_task, tasks);
        put(
            &n::INTERACTION_NEGOTIATIONS,
            &n::INTERACTION_NEGOTIATIONS_NEGOTIATION,
            state.negotiations.entries(),
            sees_negotiation,
            state.negotiations.revision(),
        );
        put(
            &n::INTERACTION_CONTEXTS,
            &n::INTERACTION_CONTEXTS_CONTEXT,
            state.tasks.contexts(),
            sees_context,
            tasks,
        );
        put(
            &n::INTERACTION_DATA_OBJECTS,
            &n::INTERACTION_DATA_OBJECTS_DATA_OBJECT,
            state.tasks.data_objects(),
            sees_data,
            tasks,
        );
        model::put_presence(&mut interaction, CallbackKey::node(), &self.options.receivers.key());
        interaction
    }
}

fn nest(node: &'static Node, child: Child, revision: u64) -> Container {
    let mut container = Container::default().at_revision(revision);
    container.set(node, child);
    container
}

/// Whether an entry that is private to agents may be seen by who reads the list.
type Visible = fn(&Private, &Key, &Container) -> bool;

fn between(list: &Private, entry: &Container, parties: [&'static Node; 2]) -> bool {
    let parties =
        parties.iter().filter_map(|node| entry.leaf(node).and_then(Value::as_str)).map(str::to_owned);
    list.is_seen_by(&parties.collect::<Vec<_>>())
}

fn sees_task(list: &Private, _: &Key, entry: &Container) -> bool {
    use magent_task::nodes::{INTERACTION_TASKS_TASK_FROM, INTERACTION_TASKS_TASK_TO};
    between(list, entry, [&INTERACTION_TASKS_TASK_FROM, &INTERACTION_TASKS_TASK_TO])
}

fn sees_negotiation(list: &Private, _: &Key, entry: &Container) -> bool {
    use magent_task::nodes::{
        INTERACTION_NEGOTIATIONS_NEGOTIATION_INITIATOR as INITIATOR,
        INTERACTION_NEGOTIATIONS_NEGOTIATION_RESPONDER as RESPONDER,
    };
    between(list, entry, [&INITIATOR, &RESPONDER])
}

/// A context is seen by all who spoke or were spoken to in it.
fn sees_context(list: &Private, key: &Key, _: &Container) -> bool {
    key_text(key).is_some_and(|id| list.is_seen_by(&list.state.tasks.context_parties(id)))
}

fn sees_data(list: &Private, key: &Key, _: &Container) -> bool {
    key_text(key).is_some_and(|id| list.is_seen_by(&list.state.tasks.readers(id)))
}

/// One whose time is over is none, whether or not that was said.
fn sees_delegation(list: &Private, _: &Key, entry: &Container) -> bool {
    magent_registry::Delegation::from_data(entry).is_ok_and(|delegation| {
        list.state.registry.delegation(delegation.id, list.now).is_some()
            && speakers::sees_delegation(&list.state, &list.principal, &delegation)
    })
}

fn key_text(key: &Key) -> Option<&str> {
    key.values().first().and_then(Value::as_str)
}

/// Most entries that are built to see whether they are private.
const PAGE: usize = 64;

/// A state list without the entries that are private to others.
struct Private {
    entries: Arc<dyn StateList>,
    visible: Visible,
    state: Arc<State>,
    principal: Principal,
    /// When it is read.
    now: Timestamp,
}

impl Private {
    /// The entry as it is seen, if it is.
    fn seen(&self, key: &Key, entry: Arc<Container>) -> Option<Arc<Container>> {
        let visible = self.principal.sees_all() || (self.visible)(self, key, &entry);
        visible.then(|| self.without_receivers(entry))
    }

    /// A task without those who are told of it, unless its reader may act for who wants that: a URL can be a secret too.
    fn without_receivers(&self, entry: Arc<Container>) -> Arc<Container> {
        use magent_task::nodes::{
            INTERACTION_TASKS_TASK_FROM as FROM, INTERACTION_TASKS_TASK_SUBSCRIPTIONS as RECEIVERS,
        };
        if entry.get(&RECEIVERS).is_none() || self.principal.is_admin() {
            return entry;
        }
        let from = entry.leaf(&FROM).and_then(Value::as_str);
        if from.is_some_and(|from| speakers::sees(&self.state, &self.principal, &[from.to_owned()], self.now))
        {
            return entry;
        }
        let mut entry = Container::clone(&entry);
        entry.remove(&RECEIVERS);
        Arc::new(entry)
    }

    fn is_seen_by(&self, parties: &[String]) -> bool {
        speakers::sees(&self.state, &self.principal, parties, self.now)
    }
}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Private").field("entries", &self.entries).finish_non_exhaustive()
    }
}

impl StateList for Private {
    fn get(&self, key: &Key) -> Option<Arc<Container>> {
        self.entries.get(key).and_then(|entry| self.seen(key, entry))
    }

    fn after(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        let mut kept = Vec::new();
        let mut last = key.cloned();
        while kept.len() < count {
            let page = self.entries.after(last.as_ref(), PAGE.min(count - kept.len()));
            let Some((key, _)) = page.last() else { break };
            last = Some(key.clone());
            kept.extend(
                page.into_iter().filter_map(|(key, entry)| Some((key.clone(), self.seen(&key, entry)?))),
            );
        }
        kept
    }

    fn before(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        let mut kept = Vec::new();
        let mut last = key.cloned();
        while kept.len() < count {
            let page = self.entries.before(last.as_ref(), PAGE.min(count - kept.len()));
            let Some((key, _)) = page.last() else { break };
            last = Some(key.clone());
            kept.extend(
                page.into_iter().filter_map(|(key, entry)| Some((key.clone(), self.seen(&key, entry)?))),
            );
        }
        kept
    }

    fn len(&self) -> usize {
        if self.principal.sees_all() {
            return self.entries.len();
        }
        let mut count = 0;
        let mut last = None;
        loop {
            let page = self.after(last.as_ref(), PAGE);
            let Some((key, _)) = page.last() else { return count };
            last = Some(key.clone());
            count += page.len();
        }
    }

    fn is_empty(&self) -> bool {
        self.after(None, 1).is_empty()
    }

    fn changed_since(&self, older: &dyn StateList) -> Option<Vec<Key>> {
        let older: &Self = older.as_any()?.downcast_ref()?;
        // What others see depends on more than the entry: on who owns an agent, and who takes part in what.
        if !self.principal.sees_all() {
            return None;
        }
        self.entries.changed_since(older.entries.as_ref())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Method;

    /// Numbered entries, of which no more than a page may be asked for.
    #[derive(Debug)]
    struct Many(u32);

    impl StateList for Many {
        fn get(&self, _: &Key) -> Option<Arc<Container>> {
            None
        }

        fn after(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
            assert!(count <= PAGE, "{count} entries at once");
            let first = match key.map(Key::values) {
                Some([Value::Uint32(number)]) => number + 1,
                _ => 0,
            };
            let keys = (first..self.0).take(count).map(|number| Key::new(vec![Value::Uint32(number)]));
            keys.map(|key| (key, Arc::default())).collect()
        }

        fn before(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
            assert!(count <= PAGE, "{count} entries at once");
            let end = match key.map(Key::values) {
                Some([Value::Uint32(number)]) => *number,
                _ => self.0,
            };
            let keys = (0..end).rev().take(count).map(|number| Key::new(vec![Value::Uint32(number)]));
            keys.map(|key| (key, Arc::default())).collect()
        }

        fn len(&self) -> usize {
            panic!("it counts entries that are private to others")
        }
    }

    #[test]
    fn a_list_of_many_private_entries_is_never_built_at_once() {
        let private = |visible: Visible| Private {
            entries: Arc::new(Many(1000)),
            visible,
            state: Arc::default(),
            principal: Principal::new("eve", Default::default(), Method::Local),
            now: Timestamp::EPOCH,
        };
        let none = private(|_, _, _| false);
        assert!(none.is_empty());
        assert_eq!(none.len(), 0);
        let some = private(|_, key, _| matches!(key.values(), [Value::Uint32(n)] if n % 10 == 0));
        assert!(!some.is_empty());
        assert_eq!(some.len(), 100);
        assert_eq!(some.after(None, 7).len(), 7);
        assert_eq!(some.after(None, usize::MAX).len(), 100);
        assert_eq!(none.before(None, 7).len(), 0);
        let last: Vec<Key> = some.before(None, 2).into_iter().map(|(key, _)| key).collect();
        assert_eq!(last, [990, 980].map(|n| Key::new(vec![Value::Uint32(n)])));
    }
}
