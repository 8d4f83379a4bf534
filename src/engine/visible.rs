//! What a principal may read of data (RFC 8341 section 3.2.4): the rest is left out, with all that is below it.
//!
//! Nothing is left out before somebody looks: a list of a million entries, of which a rule hides some, is judged entry by
//! entry as it is read. It never decides what the rules say.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use imbl::ordmap::DiffItem;

use crate::access::{Access, At, Principal, Rules};
use crate::yang::error::{Error, Info, InfoValue};
use crate::yang::generated::ietf_netconf_monitoring::nodes::NETCONF_STATE_SESSIONS_SESSION;
use crate::yang::generated::ietf_netconf_notifications::nodes as base;
use crate::yang::generated::magent_registry::{self, RegistryChange};
use crate::yang::model::Modelled;
use crate::yang::notification::Notification;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::Node;
use crate::yang::tree::{Child, Container, Key, List, StateList};
use crate::yang::value::Value;

/// The place that a step leads to.
pub(super) fn place(at: &At, step: &Step) -> At {
    match &step.selector {
        Selector::Key(key) => at.entry(step.node, key),
        Selector::Value(value) => at.entry(step.node, &Key::new(vec![value.clone()])),
        Selector::None | Selector::Position(_) => at.child(step.node),
    }
}

/// What may be read of what was found at a path.
pub(super) fn found(rules: &Arc<Rules>, path: &InstancePath, found: &Child) -> Option<Child> {
    if rules.is_everything() {
        return Some(found.clone());
    }
    let step = |at: At, step: &Step| Some(place(&at, step)).filter(|at| at.permits(Access::Read));
    let root = At::root(rules.clone());
    let Some((last, above)) = path.steps.split_last() else {
        return match found {
            Child::Container(root_content) => Some(Child::Container(content(&root, root_content))),
            _ => None,
        };
    };
    let above = above.iter().try_fold(root, step)?;
    match (found, &last.selector) {
        (Child::Container(inside), _) => Some(Child::Container(content(&step(above, last)?, inside))),
        (Child::Leaf(_), Selector::Value(_)) => step(above, last).map(|_| found.clone()),
        _ => child(&above, last.node, found),
    }
}

/// What may be read of all instances of a child of a place. Lists are judged as they are read.
pub(super) fn child(at: &At, node: &'static Node, child: &Child) -> Option<Child> {
    seen(at, node, child, When::Read)
}

/// What may be read below a place that may be read itself. Lists are judged as they are read.
pub(super) fn content(at: &At, container: &Arc<Container>) -> Arc<Container> {
    below(at, container, When::Read)
}

/// The same as data that can be stored: all of it is judged now.
pub(super) fn stored(at: &At, container: &Arc<Container>) -> Arc<Container> {
    below(at, container, When::Now)
}

/// A path as far as it may be read.
pub(super) fn readable(rules: &Arc<Rules>, path: &InstancePath) -> InstancePath {
    let mut at = At::root(rules.clone());
    let readable = path.steps.iter().take_while(|step| {
        at = place(&at, step);
        at.permits(Access::Read)
    });
    InstancePath { steps: readable.cloned().collect() }
}

/// An error as it may be told: of what may not be read, that it is wrong and no more (RFC 8341 section 3.2.5). `asked` are the
/// places that the client named itself.
pub(super) fn told(rules: &Arc<Rules>, asked: &[&InstancePath], error: Error) -> Error {
    if rules.is_everything() {
        return error;
    }
    let may = |path: &InstancePath| {
        let own = |asked: &&InstancePath| path.steps.starts_with(&asked.steps) && !asked.steps.is_empty();
        asked.iter().any(own) || readable(rules, path) == *path
    };
    let Error { layer, tag, app_tag, path, message, info, next } = error;
    let next = next.map(|next| Box::new(told(rules, asked, *next)));
    if path.as_ref().is_some_and(|path| !may(path)) {
        let message = "the datastore would not be valid, for a reason that the user may not see".to_owned();
        return Error { layer, tag, app_tag, path: None, message, info: Vec::new(), next };
    }
    let is_told = |info: &Info| match &info.value {
        InfoValue::Instance(path) => may(path),
        _ => true,
    };
    let info = info.into_iter().filter(is_told).collect();
    Error { layer, tag, app_tag, path, message, info, next }
}

/// When lists are judged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Read,
    Now,
}

fn seen(at: &At, node: &'static Node, child: &Child, when: When) -> Option<Child> {
    match at.all(node, Access::Read) {
        Some(true) => return Some(child.clone()),
        Some(false) => return None,
        None => {}
    }
    match child {
        Child::Container(container) => {
            let at = Some(at.child(node)).filter(|at| at.permits(Access::Read))?;
            Some(Child::Container(below(&at, container, when)))
        }
        Child::Leaf(_) | Child::Any(_) => at.child(node).permits(Access::Read).then(|| child.clone()),
        Child::LeafList(values) => {
            let may = |key: Key| at.entry(node, &key).permits(Access::Read);
            let kept = values.iter().filter(|value| may(Key::new(vec![(*value).clone()])));
            let kept: Vec<_> = kept.cloned().collect();
            (!kept.is_empty()).then(|| Child::LeafList(Arc::new(kept)))
        }
        Child::List(list @ (List::Sorted(_) | List::State(_)))
            if !node.keys().is_empty() && when == When::Read =>
        {
            let readable = Readable { at: at.clone(), node, list: list.clone() };
            (!readable.is_empty()).then(|| Child::List(List::State(Arc::new(readable))))
        }
        Child::List(list) => {
            let mut kept = List::empty(node);
            if let List::Sequence(_) = list {
                kept = List::Sequence(Box::default());
            }
            for entry in list.iter() {
                let key = entry.key(node);
                if let Some(entry) = self::entry(at, node, key.as_ref(), &entry, when) {
                    kept.put(node, key.filter(|_| !matches!(kept, List::Sequence(_))), entry);
                }
            }
            (!kept.is_empty()).then_some(Child::List(kept))
        }
    }
}

fn below(at: &At, container: &Arc<Container>, when: When) -> Arc<Container> {
    if container.iter().all(|(node, _)| at.all(node, Access::Read) == Some(true)) {
        return container.clone();
    }
    let mut kept = Container::default().at_revision(container.revision);
    for (node, inner) in container.iter() {
        if let Some(inner) = seen(at, node, inner, when) {
            kept.set(node, inner);
        }
    }
    Arc::new(kept)
}

/// What may be read of an entry. One whose keys may not be read is none.
fn entry(
    at: &At,
    node: &'static Node,
    key: Option<&Key>,
    entry: &Arc<Container>,
    when: When,
) -> Option<Arc<Container>> {
    let at = match key {
        Some(key) => at.entry(node, key),
        None => at.child(node),
    };
    let reads = |leaf: &&'static Node| at.child(leaf).permits(Access::Read);
    (at.permits(Access::Read) && node.keys().iter().all(reads)).then(|| below(&at, entry, when))
}

/// A list without what may not be read of it.
struct Readable {
    /// Where the list is.
    at: At,
    node: &'static Node,
    list: List,
}

impl Readable {
    fn take(
        &self,
        from: Option<&Key>,
        count: usize,
        next: impl Fn(&List, Option<&Key>) -> Option<(Key, Arc<Container>)>,
    ) -> Vec<(Key, Arc<Container>)> {
        let mut kept = Vec::new();
        let mut last = from.cloned();
        while kept.len() < count {
            let Some((key, found)) = next(&self.list, last.as_ref()) else { break };
            if let Some(entry) = entry(&self.at, self.node, Some(&key), &found, When::Read) {
                kept.push((key.clone(), entry));
            }
            last = Some(key);
        }
        kept
    }
}

impl fmt::Debug for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readable").field("list", &self.list).finish_non_exhaustive()
    }
}

impl StateList for Readable {
    fn get(&self, key: &Key) -> Option<Arc<Container>> {
        let found = self.list.get(self.node, key)?;
        entry(&self.at, self.node, Some(key), &found, When::Read)
    }

    fn after(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        self.take(key, count, List::next)
    }

    fn before(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        self.take(key, count, List::previous)
    }

    fn len(&self) -> usize {
        let all = std::iter::successors(self.list.next(None), |(key, _)| self.list.next(Some(key)));
        all.filter(|(key, found)| entry(&self.at, self.node, Some(key), found, When::Read).is_some()).count()
    }

    fn is_empty(&self) -> bool {
        self.after(None, 1).is_empty()
    }

    fn changed_since(&self, older: &dyn StateList) -> Option<Vec<Key>> {
        let older: &Self = older.as_any()?.downcast_ref()?;
        if !self.at.is_under_same_rules(&older.at) {
            return None;
        }
        match (&self.list, &older.list) {
            (List::State(new), List::State(old)) => new.changed_since(old.as_ref()),
            (List::Sorted(new), List::Sorted(old)) => Some(
                old.diff(new)
                    .map(|item| match item {
                        DiffItem::Add(key, _) | DiffItem::Remove(key, _) => key.clone(),
                        DiffItem::Update { new: (key, _), .. } => key.clone(),
                    })
                    .collect(),
            ),
            _ => None,
        }
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// Whether any instance of a schema node may be accessed so, whatever the keys on the way: for what lists nodes.
pub(super) fn any(root: &At, access: Access, node: &'static Node) -> bool {
    let mut way: Vec<&'static Node> = std::iter::successors(Some(node), |node| node.data_parent()).collect();
    way.reverse();
    let mut at = root.clone();
    for node in way {
        if at.depends_on_keys(node, access) {
            return true;
        }
        if !at.permits(Access::Read) {
            return false;
        }
        at = at.child(node);
    }
    at.permits(access)
}

/// What a reader may be told of a `registry-change`: nothing of an agent that it may not read, and what an update has changed
/// if it may read all of the agent. `None` if that is all, or it is another notification; `Some(None)` if it is nothing.
pub(super) fn registration(rules: &Arc<Rules>, told: &Notification) -> Option<Option<Notification>> {
    use magent_registry::nodes::{
        REGISTRY, REGISTRY_AGENTS, REGISTRY_AGENTS_AGENT, REGISTRY_AGENTS_AGENT_VERSION,
    };
    if told.node != RegistryChange::node() || rules.is_everything() {
        return None;
    }
    let change = RegistryChange::from_data(&told.data).ok()?;
    let agents = At::root(rules.clone()).child(&REGISTRY).child(&REGISTRY_AGENTS);
    let agent = agents.entry(&REGISTRY_AGENTS_AGENT, &Key::string(&change.name));
    if ![&agents, &agent].into_iter().all(|at| at.permits(Access::Read)) {
        return Some(None);
    }
    let is_all = |node: &&'static Node| agent.all(node, Access::Read) == Some(true);
    if REGISTRY_AGENTS_AGENT.data.iter().all(is_all) {
        return None;
    }
    let version = change.version.filter(|_| is_all(&&REGISTRY_AGENTS_AGENT_VERSION));
    let data = RegistryChange { version, update: None, ..change };
    Some(Some(Notification { data: data.to_data(), ..told.clone() }))
}

/// Whether a notification is told (RFC 8341 section 3.4.6). One of a session of others is told to whom the session itself is
/// shown: it has the name of its user, and from where it came.
pub(super) fn is_told(rules: &Arc<Rules>, principal: &Principal, notification: &Notification) -> bool {
    let node = notification.node;
    let may = match node.data_parent() {
        Some(_) => any(&At::root(rules.clone()), Access::Read, node),
        None => rules.may_get(node),
    };
    let user = |leaf: &Node| notification.data.leaf(leaf).and_then(Value::as_str);
    let whose = OF_SESSIONS.iter().find(|(of, _)| *of == node).and_then(|(_, leaf)| user(leaf));
    let is_shown = |user: &str| {
        let shown = || any(&At::root(rules.clone()), Access::Read, &NETCONF_STATE_SESSIONS_SESSION);
        user == principal.name || sees_session(rules, principal, user) && shown()
    };
    may && whose.is_none_or(is_shown)
}

/// Whether a session of this user may be shown, which says that the user is here and from where. As long as nobody has
/// configured who may see those of others, they are for administrators and auditors.
pub(super) fn sees_session(rules: &Rules, principal: &Principal, user: &str) -> bool {
    user == principal.name || principal.sees_all() || !rules.keeps_shared()
}

/// The notifications of sessions (RFC 6470), each with whose it is.
static OF_SESSIONS: [(&Node, &Node); 3] = [
    (&base::NETCONF_SESSION_START, &base::NETCONF_SESSION_START_USERNAME),
    (&base::NETCONF_SESSION_END, &base::NETCONF_SESSION_END_USERNAME),
    (&base::NETCONF_CONFIRMED_COMMIT, &base::NETCONF_CONFIRMED_COMMIT_USERNAME),
];
