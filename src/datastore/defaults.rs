//! Default values in what is read and written (RFC 6243): what each mode makes of a tree, which values are
//! tagged as defaults, and what it means to write such a tag.
//!
//! The basic mode is `explicit`: a value is a default exactly if nobody set it. Whether a default is in use is
//! decided with the whole tree around it, because its `when` can look anywhere. Nothing here decides who may
//! see what.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use imbl::Vector;

use crate::yang::error::{Error, Tag};
use crate::yang::metadata::{Annotated, Annotation, DEFAULT, Metadata, Note, Sink, Written};
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Kind, Node, Schema};
use crate::yang::tree::{Child, Container, Key, List, StateList};
use crate::yang::types::{self, ModuleNames};
use crate::yang::value::Value;
use crate::yang::xpath::{self, Cursor, Slot};

/// How defaults are reported (RFC 6243 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// With all defaults in use.
    ReportAll,
    /// The same, and the defaults are tagged.
    ReportAllTagged,
    /// Without values that are the default.
    Trim,
    /// What was set, and nothing else.
    Explicit,
}

/// Which nodes a reader wants and may see.
pub type Wanted = dyn Fn(&'static Node) -> bool + Send + Sync;

/// Reports what a reader found in a tree in one of the modes.
#[derive(Clone)]
pub struct Report(Arc<Inner>);

struct Inner {
    mode: Mode,
    schema: &'static Schema,
    /// The whole tree.
    root: Arc<Container>,
    wanted: Box<Wanted>,
    /// The nodes that have a default, or a node with one below them: all else is left as it is.
    affected: HashSet<&'static Node>,
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Report").field(&self.0.mode).finish()
    }
}

impl Report {
    /// A report of what is at `path` in the tree with this root. Defaults are added of wanted nodes only.
    pub fn new(
        mode: Mode,
        schema: &'static Schema,
        root: Arc<Container>,
        path: &InstancePath,
        wanted: Box<Wanted>,
    ) -> Self {
        let mut affected = HashSet::new();
        if mode != Mode::Explicit {
            match path.node() {
                Some(node) => _ = note_affected(node, &mut affected),
                None => top(schema).for_each(|node| _ = note_affected(node, &mut affected)),
            }
        }
        Report(Arc::new(Inner { mode, schema, root, wanted, affected }))
    }

    /// What the mode makes of the instance at `path`, of which the reader wants the part `found`. `None` if
    /// nothing is left of a leaf or leaf-list.
    pub fn found(&self, path: &InstancePath, found: &Child) -> Option<Child> {
        let Some((last, above)) = path.steps.split_last() else {
            let Child::Container(shown) = found else { return Some(found.clone()) };
            let nodes: Vec<_> = top(self.0.schema).collect();
            let at = Cursor::root(self.0.schema, self.0.root.clone());
            return Some(self.container(shown, &at, &nodes).map_or_else(|| found.clone(), container));
        };
        let node = last.node;
        let above = InstancePath { steps: above.to_vec() };
        let (true, Some(at)) = (self.affects(node), locate(self.0.schema, &self.0.root, &above)) else {
            return Some(found.clone());
        };
        let changed = match (found, &last.selector) {
            (Child::Container(entry), Selector::Key(key)) => {
                Some(Child::Container(self.entry(node, entry, Slot::Key(key.clone()), &at)))
            }
            (Child::Container(shown), Selector::None) => {
                let full = at.content().and_then(|content| content.container(node));
                let below = at.container(node, full.unwrap_or(shown).clone());
                self.container(shown, &below, node.data).map(container)
            }
            (Child::List(list), _) => Some(Child::List(self.list(node, list, &at))),
            (Child::Leaf(_) | Child::LeafList(_), Selector::None) if self.is_trimmed(node, found) => {
                return None;
            }
            _ => None,
        };
        Some(changed.unwrap_or_else(|| found.clone()))
    }

    /// What is at `path` although there is no instance: a leaf or leaf-list whose default is in use, or a
    /// container without presence in which there is something by default.
    pub fn missing(&self, path: &InstancePath) -> Option<Child> {
        let (last, above) = path.steps.split_last()?;
        if matches!(self.0.mode, Mode::Trim | Mode::Explicit)
            || !path.steps.iter().all(|step| (self.0.wanted)(step.node))
        {
            return None;
        }
        let mut at = Cursor::root(self.0.schema, self.0.root.clone());
        for step in above {
            at = below(&at, step).or_else(|| implied(&at, step.node).into_iter().next())?;
        }
        match (self.added(last.node, &at)?, &last.selector) {
            (child, Selector::None) => Some(child),
            (Child::LeafList(values), Selector::Value(value)) => {
                values.contains(value).then(|| Child::Leaf(value.clone()))
            }
            _ => None,
        }
    }

    fn affects(&self, node: &'static Node) -> bool {
        self.0.affected.contains(node)
    }

    /// Whether the mode leaves the value out (RFC 6243 section 3.2).
    fn is_trimmed(&self, node: &'static Node, child: &Child) -> bool {
        self.0.mode == Mode::Trim && is_default(self.0.schema, node, child)
    }

    /// What the mode makes of the part `shown` of the content at a place; `None` if it stays as it is.
    fn container(&self, shown: &Container, at: &Cursor, nodes: &[&'static Node]) -> Option<Container> {
        let mut changed: Option<Container> = None;
        for node in nodes.iter().copied().filter(|node| self.affects(node)) {
            let new = match (self.0.mode, shown.get(node)) {
                (_, Some(child)) if self.is_trimmed(node, child) => {
                    changed.get_or_insert_with(|| shown.clone()).remove(node);
                    continue;
                }
                (_, Some(Child::Container(inner))) => {
                    let full = at.content().and_then(|content| content.container(node));
                    let below = at.container(node, full.unwrap_or(inner).clone());
                    self.container(inner, &below, node.data).map(container)
                }
                (_, Some(Child::List(list))) => Some(Child::List(self.list(node, list, at))),
                (Mode::ReportAll | Mode::ReportAllTagged, None) if (self.0.wanted)(node) => {
                    self.added(node, at)
                }
                _ => None,
            };
            if let Some(new) = new {
                changed.get_or_insert_with(|| shown.clone()).set(node, new);
            }
        }
        changed
    }

    /// What is to be reported of a node of which the reader has nothing. It may be there in the tree all the
    /// same: a container with nothing in it of what the reader wants.
    fn added(&self, node: &'static Node, at: &Cursor) -> Option<Child> {
        if !matches!(node.kind, Kind::Leaf { .. } | Kind::LeafList { .. } | Kind::Container { .. }) {
            return None;
        }
        let there: Vec<Cursor> = at.instances(node).collect();
        match node.kind {
            Kind::Container { .. } => {
                let there = there.into_iter().next().or_else(|| implied(at, node).into_iter().next())?;
                self.container(&Container::default(), &there, node.data).map(container)
            }
            _ if there.is_empty() => values(node, &implied(at, node)),
            _ => None,
        }
    }

    /// A list whose entries are changed when they are read, if it can be read page by page.
    fn list(&self, node: &'static Node, list: &List, at: &Cursor) -> List {
        match list {
            List::Sorted(_) | List::State(_) => List::State(Arc::new(Entries {
                report: self.clone(),
                above: at.path(),
                node,
                entries: list.clone(),
            })),
            List::User(user) => {
                let entry = |(key, entry): (&Key, &Arc<Container>)| {
                    self.entry(node, entry, Slot::Key(key.clone()), at)
                };
                List::Sequence(Box::new(user.iter().map(entry).collect()))
            }
            List::Sequence(entries) => {
                let entries = entries.iter().enumerate();
                let entries: Vector<_> =
                    entries.map(|(i, entry)| self.entry(node, entry, slot(node, entry, i), at)).collect();
                List::Sequence(Box::new(entries))
            }
        }
    }

    /// An entry; `at` is the place that the list is in.
    fn entry(&self, node: &'static Node, shown: &Arc<Container>, slot: Slot, at: &Cursor) -> Arc<Container> {
        // An entry that is found by its position is state, of which a reader wants all or nothing.
        let full = match (&slot, at.content().and_then(|content| content.list(node))) {
            (Slot::Key(key), Some(list)) => list.get(node, key),
            _ => None,
        };
        let below = at.entry(node, slot, full.unwrap_or_else(|| shown.clone()));
        self.container(shown, &below, node.data).map_or_else(|| shown.clone(), Arc::new)
    }
}

/// The entries of a list as a report shows them.
#[derive(Debug)]
struct Entries {
    report: Report,
    /// The place that the list is in.
    above: InstancePath,
    node: &'static Node,
    entries: List,
}

impl Entries {
    fn at(&self) -> Option<Cursor> {
        let Inner { schema, root, .. } = &*self.report.0;
        // A container that is there by default is not found in the tree, but then it has no entries.
        locate(schema, root, &self.above)
    }

    fn reported(&self, page: Vec<(Key, Arc<Container>)>) -> Vec<(Key, Arc<Container>)> {
        let Some(at) = self.at() else { return page };
        let reported = |(key, entry): (Key, Arc<Container>)| {
            let entry = self.report.entry(self.node, &entry, Slot::Key(key.clone()), &at);
            (key, entry)
        };
        page.into_iter().map(reported).collect()
    }
}

impl StateList for Entries {
    fn get(&self, key: &Key) -> Option<Arc<Container>> {
        let entry = self.entries.get(self.node, key)?;
        Some(match self.at() {
            Some(at) => self.report.entry(self.node, &entry, Slot::Key(key.clone()), &at),
            None => entry,
        })
    }

    fn after(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        let page = match &self.entries {
            List::Sorted(map) => {
                let start = key.map_or(Bound::Unbounded, Bound::Excluded);
                let following = map.range::<(Bound<&Key>, Bound<&Key>), Key>((start, Bound::Unbounded));
                following.take(count).map(|(key, entry)| (key.clone(), entry.clone())).collect()
            }
            List::State(entries) => entries.after(key, count),
            List::User(_) | List::Sequence(_) => Vec::new(),
        };
        self.reported(page)
    }

    fn before(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        let page = match &self.entries {
            List::Sorted(map) => {
                let end = key.map_or(Bound::Unbounded, Bound::Excluded);
                let preceding = map.range::<(Bound<&Key>, Bound<&Key>), Key>((Bound::Unbounded, end)).rev();
                preceding.take(count).map(|(key, entry)| (key.clone(), entry.clone())).collect()
            }
            List::State(entries) => entries.before(key, count),
            List::User(_) | List::Sequence(_) => Vec::new(),
        };
        self.reported(page)
    }

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Tags values that nobody set (RFC 6243 section 3.4): they are not in the tree.
#[derive(Debug)]
pub struct Tags {
    /// What is set at the place.
    set: Option<Arc<Container>>,
}

impl Tags {
    /// The tags of the instance at `path`, of a report of the tree with this root.
    pub fn new(schema: &'static Schema, root: &Arc<Container>, path: &InstancePath) -> Self {
        let above = path.steps.split_last().map(|(_, above)| above.to_vec()).unwrap_or_default();
        let at = locate(schema, root, &InstancePath { steps: above });
        Tags { set: at.and_then(|at| at.content().cloned()) }
    }
}

impl Metadata for Tags {
    fn of(&self, node: &'static Node, instance: Written<'_>) -> (Vec<Note>, Option<Box<dyn Metadata>>) {
        let set = self.set.as_ref().and_then(|set| set.get(node));
        match instance {
            Written::Value(_) if set.is_none() => {
                (vec![Note { annotation: &DEFAULT, value: Value::Bool(true) }], None)
            }
            Written::Content(content, position) => {
                let set = set.and_then(|set| same_instance(set, node, content, position));
                (Vec::new(), Some(Box::new(Tags { set })))
            }
            Written::Value(_) | Written::Any => (Vec::new(), None),
        }
    }
}

/// The instance among those of `node` in another tree that has the keys, or else the position, of this one.
pub fn same_instance(
    other: &Child,
    node: &'static Node,
    content: &Container,
    position: usize,
) -> Option<Arc<Container>> {
    match other {
        Child::Container(container) => Some(container.clone()),
        Child::List(List::Sequence(entries)) if node.keys().is_empty() => entries.get(position).cloned(),
        Child::List(list) => list.get(node, &content.key(node)?),
        Child::Leaf(_) | Child::LeafList(_) | Child::Any(_) => None,
    }
}

/// Takes the metadata of what is written: nodes tagged as defaults are left out, for to be set to the default
/// is not to be set (RFC 6243 section 4.5.2).
///
/// `ietf-origin:origin` is not understood, and so refused: it tells where data of the operational state
/// datastore comes from (RFC 8342 section 5.3.4), and that cannot be written.
#[derive(Debug)]
pub struct SetToDefault {
    schema: &'static Schema,
    values: RefCell<Vec<(InstancePath, Child)>>,
}

impl SetToDefault {
    /// One for each document.
    pub fn new(schema: &'static Schema) -> Self {
        SetToDefault { schema, values: RefCell::default() }
    }

    /// The leafs, and the leaf-lists as a whole, that were set to their defaults, with these.
    pub fn into_values(self) -> Vec<(InstancePath, Child)> {
        self.values.into_inner()
    }
}

impl Sink for SetToDefault {
    fn known(&self) -> &[&'static Annotation] {
        static KNOWN: [&Annotation; 1] = [&DEFAULT];
        &KNOWN
    }

    fn take(&self, instance: &Annotated<'_>) -> Result<bool, Error> {
        let Annotated { path, node, values, notes } = instance;
        let is_tagged = |notes: &&Vec<Note>| notes.iter().any(|note| note.value == Value::Bool(true));
        let tagged = notes.iter().filter(is_tagged).count();
        if tagged == 0 {
            return Ok(true);
        }
        let wrong = |tag, message: String| {
            Err(Error::application(tag, message).at(path.clone()).info("bad-element", node.name))
        };
        let given = match (&node.kind, *values) {
            (Kind::Leaf { .. }, [value]) => Child::Leaf(value.clone()),
            (Kind::LeafList { .. }, values) => Child::LeafList(Arc::new(values.to_vec())),
            _ => {
                let message = format!("{DEFAULT:?}: \"{}\" has no value that could be a default", node.name);
                return wrong(Tag::BadAttribute, message)
                    .map_err(|e: Error| e.info("bad-attribute", format!("{DEFAULT:?}").as_str()));
            }
        };
        if tagged < notes.len() || !is_default(self.schema, node, &given) {
            let default = default_values(self.schema, node);
            let default: Vec<String> = default.iter().map(|value| format!("\"{value}\"")).collect();
            let default = if default.is_empty() { "it has none".to_owned() } else { default.join(", ") };
            let message = format!("\"{}\" is tagged as its default, but is not: {default}", node.name);
            return wrong(Tag::InvalidValue, message);
        }
        let mut path = path.clone();
        if let Some(last) = path.steps.last_mut() {
            last.selector = Selector::None;
        }
        self.values.borrow_mut().push((path, given));
        Ok(false)
    }
}

/// Whether a value is the default, or one of the defaults, of a node. That of a key never is (RFC 7950 section 7.8.2).
pub fn is_default_value(schema: &Schema, node: &'static Node, value: &Value) -> bool {
    !node.is_key() && default_values(schema, node).contains(value)
}

/// Whether the value, or all values of a leaf-list, are the default. The value of a key never is
/// (RFC 7950 section 7.8.2).
fn is_default(schema: &Schema, node: &'static Node, child: &Child) -> bool {
    if node.is_key() {
        return false;
    }
    let mut default = default_values(schema, node);
    match child {
        Child::Leaf(value) => default.as_slice() == std::slice::from_ref(value),
        Child::LeafList(values) if !default.is_empty() => {
            let mut values = values.as_ref().clone();
            if !node.user_ordered() {
                values.sort_unstable();
                default.sort_unstable();
            }
            values == default
        }
        _ => false,
    }
}

/// The default of a leaf, or the defaults of a leaf-list.
fn default_values(schema: &Schema, node: &'static Node) -> Vec<Value> {
    let texts = match &node.kind {
        Kind::Leaf { default, .. } => default.as_slice(),
        Kind::LeafList { defaults, .. } => defaults,
        _ => &[],
    };
    // codegen has seen that they are of the type.
    let parse = |text: &&str| types::parse(node.ty()?, text, &ModuleNames(schema), node.module).ok();
    texts.iter().filter_map(parse).collect()
}

/// Notes a node that has a default, or a node with one below it; whether it is one.
fn note_affected(node: &'static Node, affected: &mut HashSet<&'static Node>) -> bool {
    let own = match node.kind {
        Kind::Leaf { default, .. } => default.is_some() && !node.is_key(),
        Kind::LeafList { defaults, .. } => !defaults.is_empty(),
        _ => false,
    };
    let below = node.data.iter().filter(|child| note_affected(child, affected)).count();
    if own || below > 0 {
        affected.insert(node);
    }
    own || below > 0
}

fn top(schema: &Schema) -> impl Iterator<Item = &'static Node> + use<> {
    schema.implemented().flat_map(|module| module.data).copied()
}

fn container(content: Container) -> Child {
    Child::Container(Arc::new(content))
}

/// What is there of a node without an instance. If that cannot be told, because its condition costs too much,
/// nothing is.
fn implied(at: &Cursor, node: &'static Node) -> Vec<Cursor> {
    xpath::implied(at, node).unwrap_or_default()
}

fn values(node: &'static Node, there: &[Cursor]) -> Option<Child> {
    let mut values = there.iter().filter_map(Cursor::value).cloned();
    match node.kind {
        Kind::Leaf { .. } => values.next().map(Child::Leaf),
        Kind::LeafList { .. } if !there.is_empty() => Some(Child::LeafList(Arc::new(values.collect()))),
        _ => None,
    }
}

/// Where the entry is in its list: by its key, also in a part of a list that is in another order; else by its
/// position.
fn slot(node: &Node, entry: &Container, position: usize) -> Slot {
    entry.key(node).filter(|key| !key.values().is_empty()).map_or(Slot::Index(position), Slot::Key)
}

/// The instance that a path leads to, if that can have children.
pub fn locate(schema: &'static Schema, root: &Arc<Container>, path: &InstancePath) -> Option<Cursor> {
    let mut at = Cursor::root(schema, root.clone());
    for step in &path.steps {
        at = below(&at, step)?;
    }
    Some(at)
}

fn below(at: &Cursor, Step { node, selector }: &Step) -> Option<Cursor> {
    let content = at.content()?;
    match selector {
        Selector::None => Some(at.container(node, content.container(node)?.clone())),
        Selector::Key(key) => {
            Some(at.entry(node, Slot::Key(key.clone()), content.list(node)?.get(node, key)?))
        }
        Selector::Position(position) => {
            let index = usize::try_from(*position).ok()?.checked_sub(1)?;
            Some(at.entry(node, Slot::Index(index), content.list(node)?.iter().nth(index)?))
        }
        Selector::Value(_) => None,
    }
}
