//! Validation by every constraint of the modules (RFC 7950 section 8), of what an edit could
//! have broken and of nothing else.
//!
//! The changed nodes are checked with all that is below them, their parents for what they
//! require of their children, and any other node whose constraints read a changed node. Types
//! were checked when the data was decoded. Nothing is repaired here.

mod check;
mod reach;
mod readers;

use std::sync::{Arc, LazyLock};

use self::check::Check;
use self::readers::{Readers, choosable};
use super::diff::Change;
use super::index::watched::{Forward, Watched};
use super::index::{Combination, Configuration, Effects, Index};
use crate::yang::error::{ERRORS_MAX, Error, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Kind, Node, Schema};
use crate::yang::tree::{Child, Container, Key, List};
use crate::yang::value::Value;
use crate::yang::xpath::{self, Cursor, Slot};

/// Validates against one schema.
#[derive(Debug)]
pub struct Validator {
    schema: &'static Schema,
    watched: Arc<Watched>,
    readers: Readers,
}

/// The validator of what is compiled in.
pub static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| Validator::new(&SCHEMA));

impl Validator {
    /// Prepares for a schema, in time proportional to its size.
    pub fn new(schema: &'static Schema) -> Self {
        let watched = Watched::new(schema);
        let readers = Readers::new(schema, &watched);
        Validator { schema, watched: Arc::new(watched), readers }
    }

    /// The schema.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// A datastore without content, with all that is needed to validate edits of it.
    pub fn empty(&self) -> Configuration {
        Configuration::empty(self.watched.clone())
    }

    /// The instances whose `when` the changes can have made true or false: nodes with a place that
    /// they are below.
    pub fn conditional<'c>(
        &self,
        changes: &'c [Change],
    ) -> impl Iterator<Item = (&'static Node, &'c [Step])> + use<'c> {
        self.readers.affected(changes).conditional.into_iter().map(|found| (found.node, found.place))
    }

    /// The datastore with another content, if that violates nothing; `changes` are all changes
    /// between the two, and what they do not touch is not looked at, unless it is in a container that has nothing in it yet.
    ///
    /// # Errors
    /// What the new content violates that the changes could have brought about, at least one.
    pub fn changes(
        &self,
        old: &Configuration,
        new: Arc<Container>,
        changes: &[Change],
    ) -> Result<Configuration, Vec<Error>> {
        let (new, effects) = old.follow(new, changes);
        let errors = self.violations(old.content(), &new, changes, &effects);
        if errors.is_empty() { Ok(new) } else { Err(errors) }
    }

    fn violations(
        &self,
        old: &Arc<Container>,
        new: &Configuration,
        changes: &[Change],
        effects: &Effects,
    ) -> Vec<Error> {
        let mut check = Check::changes(&self.readers, new.index());
        let root = Cursor::root(self.schema, new.content().clone());
        let mut whole: Option<&[Step]> = None;
        for change in changes {
            let begun = begun(old, &change.path);
            match begun.and_then(|steps| cursor_at(&root, steps)) {
                // All of it is new, the other changes in it too.
                Some(_) if begun == whole => {}
                Some(instance) => {
                    whole = begun;
                    self.around(&mut check, &root, change);
                    check.subtree(&instance);
                }
                None => self.change(&mut check, &root, change),
            }
            if check.full() {
                return check.errors();
            }
        }
        for combination in &effects.combined {
            alike(&mut check, &root, new.index(), combination);
        }
        for (leaf, value, keys) in &effects.gone {
            referring(&mut check, &root, new.index(), leaf, value, keys);
            if check.full() {
                return check.errors();
            }
        }
        let affected = self.readers.affected(changes);
        for (number, link) in self.watched.links().iter().enumerate().filter(|(_, l)| l.leafref.is_none()) {
            for (path, keys) in affected.gone.iter().flat_map(|place| new.index().leading_to(number, place)) {
                instances_with(&root, link.leaf, keys, &mut |instance| {
                    if matches!(instance.value(), Some(Value::Instance(own)) if **own == *path) {
                        check.refers(instance);
                    }
                });
            }
        }
        for found in affected.own.iter().chain(&affected.conditional) {
            let Some(place) = cursor_at(&root, found.place) else { continue };
            each(&place, found.node, &mut |instance| check.own(instance));
            if check.full() {
                return check.errors();
            }
        }
        for found in &affected.conditional {
            // What was not wanted before can be missing now.
            each_parent(&root, found.place, found.node, &mut |parent| check.children(parent, &[found.node]));
        }
        for found in &affected.lists {
            each_parent(&root, found.place, found.node, &mut |parent| check.uniques(parent, found.node));
        }
        check.errors()
    }

    /// A changed node with all that is below it, and what its parent requires of it.
    fn change(&self, check: &mut Check<'_>, root: &Cursor, change: &Change) {
        self.around(check, root, change);
        let Some((parent, node)) = parent_of(root, &change.path.steps) else { return };
        match choosable(node) {
            [] => check.children(&parent, &[node]),
            // The others of its case can be required now, or those by default be there.
            nodes => check.children(&parent, nodes),
        }
        for instance in instances_of(&parent, change) {
            check.subtree(&instance);
        }
    }

    /// The containers without presence above a change, which come and go with what is in them.
    fn around(&self, check: &mut Check<'_>, root: &Cursor, change: &Change) {
        for depth in come_and_go(&change.path) {
            let steps = change.path.steps.get(..=depth).unwrap_or_default();
            let Some((parent, node)) = parent_of(root, steps) else { continue };
            check.required(&parent, choosable(node));
            parent.instances(node).for_each(|instance| {
                check.applicable(&instance, node);
                check.required(&instance, node.data);
            });
        }
    }

    /// Everything that a datastore violates, whatever was there before, in time proportional to
    /// its size.
    pub fn datastore(&self, content: &Arc<Container>) -> Vec<Error> {
        let mut check = Check::datastore(&self.readers, &self.watched);
        let top: Vec<&'static Node> = self.schema.implemented().flat_map(|m| m.data).copied().collect();
        check.below(&Cursor::root(self.schema, content.clone()), &top);
        check.errors()
    }

    /// What the input of an operation violates. `datastore` is what its expressions see beside it
    /// (RFC 7950 section 6.4.1); `above` is the instance that an action belongs to.
    pub fn input(
        &self,
        datastore: Arc<Container>,
        above: Option<&InstancePath>,
        operation: &'static Node,
        input: Arc<Container>,
    ) -> Vec<Error> {
        let Kind::Rpc { input: parameters, .. } = operation.kind else { return Vec::new() };
        if !self.schema.added.is_empty() && !self.schema.added.contains(&operation.module) {
            let place = above.cloned().unwrap_or_default().child(Step::plain(operation));
            let mut unread = Vec::new();
            self.unread(&input, &place, &mut unread);
            if !unread.is_empty() {
                return unread;
            }
        }
        let root = Cursor::root(self.schema, datastore);
        let mut context = root;
        for step in above.map_or(&[][..], |path| &path.steps) {
            // An action's instance can be state that is not in this tree; its keys are.
            let found =
                context.content().and_then(|content| match (content.get(step.node), &step.selector) {
                    (Some(Child::Container(inner)), _) => Some(inner.clone()),
                    (Some(Child::List(list)), Selector::Key(key)) => list.get(step.node, key),
                    _ => None,
                });
            context = match &step.selector {
                Selector::Key(key) => {
                    let entry = found.unwrap_or_else(|| {
                        let mut entry = Container::default();
                        for (leaf, value) in step.node.keys().iter().zip(key.values()) {
                            entry.set(leaf, Child::Leaf(value.clone()));
                        }
                        Arc::new(entry)
                    });
                    context.entry(step.node, Slot::Key(key.clone()), entry)
                }
                _ => context.container(step.node, found.unwrap_or_default()),
            };
        }
        let mut check = Check::operation(&self.readers, &self.watched);
        let cursor = context.operation(operation, parameters, input);
        check.musts(&cursor, parameters.musts);
        check.below(&cursor, parameters.data);
        check.errors()
    }

    /// Refuses what a module that was added has put into the input of an operation: this program's code does not read
    /// it, and to leave it out in silence would do something else than was asked.
    fn unread(&self, data: &Container, place: &InstancePath, errors: &mut Vec<Error>) {
        for (node, child) in data.iter() {
            if errors.len() >= ERRORS_MAX {
                return;
            }
            let at = place.child(Step::plain(node));
            if self.schema.added.contains(&node.module) {
                let message = format!(
                    "\"{}\" was added by the module \"{}\", and the operation is not programmed to read it",
                    node.name, node.module.name
                );
                errors.push(Error::application(Tag::OperationNotSupported, message).at(at));
                continue;
            }
            match child {
                Child::Container(inner) => self.unread(inner, &at, errors),
                Child::List(list) => {
                    for entry in list.iter() {
                        let selector = entry.key(node).map_or(Selector::None, Selector::Key);
                        self.unread(&entry, &place.child(Step { node, selector }), errors);
                    }
                }
                Child::Leaf(_) | Child::LeafList(_) | Child::Any(_) => {}
            }
        }
    }

    /// What an instance of a structure violates (RFC 8791 section 4) or of a `yang-data` template
    /// (RFC 8040 section 8). `structure` is one of its module's `STRUCTURES`, and to expressions
    /// the only node below the root.
    pub fn structure(&self, structure: &'static Node, content: Arc<Container>) -> Vec<Error> {
        let mut check = Check::structure(&self.readers, &self.watched);
        check.below(&Cursor::structure(self.schema, structure, content), &[structure]);
        check.errors()
    }
}

/// The depths of the steps right above the last one that are containers without presence and,
/// themselves or above each other, depend on a choice or a condition; the lowest first.
fn come_and_go(path: &InstancePath) -> Vec<usize> {
    let above = path.steps.iter().enumerate().rev().skip(1);
    let mut depths: Vec<usize> = above
        .take_while(|(_, step)| matches!(step.node.kind, Kind::Container { presence: false }))
        .map(|(depth, _)| depth)
        .collect();
    let depends = |depth: &usize| {
        let node = path.steps[*depth].node;
        !choosable(node).is_empty() || node.conditions().next().is_some()
    };
    let outermost = depths.iter().rposition(depends);
    depths.truncate(outermost.map_or(0, |position| position + 1));
    depths
}

/// The outermost container without presence above a changed node that had nothing in it before. What it requires was not looked
/// at then: a datastore begins empty, whatever the modules want of it.
fn begun<'p>(old: &Arc<Container>, path: &'p InstancePath) -> Option<&'p [Step]> {
    let (_, above) = path.steps.split_last()?;
    let mut content = Arc::clone(old);
    for (depth, step) in above.iter().enumerate() {
        content = match (content.get(step.node), &step.selector) {
            (Some(Child::Container(inner)), _) => Arc::clone(inner),
            (Some(Child::List(list)), Selector::Key(key)) => list.get(step.node, key)?,
            (None, _) if matches!(step.node.kind, Kind::Container { presence: false }) => {
                return above.get(..=depth);
            }
            _ => return None,
        };
    }
    None
}

/// That no other entry has the same combination of values in the leafs of a `unique`.
fn alike(check: &mut Check<'_>, root: &Cursor, index: &Index, combination: &Combination) {
    let mut keys: Vec<Key> = index.alike(combination).cloned().collect();
    let unique = index.watched().uniques().get(combination.0 as usize);
    let Some(unique) = unique.filter(|_| keys.len() > 1) else { return };
    let Some((mut above, values)) = keyed_steps(unique.list.data_parent(), &combination.1) else { return };
    let Some(parent) = cursor_at(root, &above) else { return };
    let above_keys = combination.1.len() - values.len();
    keys.iter_mut().for_each(|key| *key = Key::new(key.values().iter().skip(above_keys).cloned().collect()));
    match parent.content().and_then(|content| content.list(unique.list)) {
        Some(List::User(user)) => keys.sort_by_key(|key| user.rank(key)),
        _ => keys.sort(),
    }
    let values: Vec<String> = values.iter().map(Value::canonical).collect();
    above.push(Step::plain(unique.list));
    let list = InstancePath { steps: above };
    for pair in keys.windows(2) {
        let keys = pair.iter().map(|key| Selector::Key(key.clone()));
        check.not_unique(&list, unique.statement, &values, keys);
    }
}

/// That those who refer to a value of a leaf find it elsewhere, now that it is gone from one place.
fn referring(
    check: &mut Check<'_>,
    root: &Cursor,
    index: &Index,
    leaf: &'static Node,
    value: &Value,
    keys: &Key,
) {
    let watched = index.watched();
    let numbers = watched.leaf(leaf).map_or(&[][..], |leaf| &leaf.referring);
    for (number, link) in numbers.iter().filter_map(|number| Some((*number, watched.links().get(*number)?))) {
        let shared = keys.values().get(..link.shared).unwrap_or_default();
        if matches!(link.forward, Forward::Values(_)) && index.has_value(link, value, shared) {
            continue;
        }
        for keys in index.referring(number, value, shared) {
            instances_with(root, link.leaf, keys, &mut |instance| {
                if instance.value().and_then(|own| watched.wanted(number, own)).as_ref() == Some(value) {
                    check.refers(instance);
                }
            });
            if check.full() {
                return;
            }
        }
    }
}

/// Calls `visit` for the instances of a leaf or leaf-list in the list entries with these keys.
fn instances_with(root: &Cursor, leaf: &'static Node, keys: &Key, visit: &mut dyn FnMut(&Cursor)) {
    let steps = keyed_steps(leaf.data_parent(), keys.values()).map(|(steps, _)| steps);
    if let Some(parent) = steps.and_then(|steps| cursor_at(root, &steps)) {
        descend(&parent, &[leaf], visit);
    }
}

/// The way to an instance of a node (`None`: the root), given the keys of all list entries on it,
/// and what is left of the values.
fn keyed_steps<'k>(node: Option<&'static Node>, mut keys: &'k [Value]) -> Option<(Vec<Step>, &'k [Value])> {
    let mut nodes: Vec<&'static Node> = std::iter::successors(node, |node| node.data_parent()).collect();
    nodes.reverse();
    let mut steps = Vec::with_capacity(nodes.len());
    for node in nodes {
        let (own, rest) = keys.split_at_checked(node.keys().len())?;
        let selector = if own.is_empty() { Selector::None } else { Selector::Key(Key::new(own.to_vec())) };
        steps.push(Step { node, selector });
        keys = rest;
    }
    Some((steps, keys))
}

/// The cursor of the parent of the node that a path ends at; `None` if it no longer exists.
fn parent_of(root: &Cursor, path: &[Step]) -> Option<(Cursor, &'static Node)> {
    let (last, above) = path.split_last()?;
    Some((cursor_at(root, above)?, last.node))
}

/// The instance at a path through containers and list entries; `None` if there is none.
pub(super) fn cursor_at(root: &Cursor, path: &[Step]) -> Option<Cursor> {
    let mut cursor = root.clone();
    for step in path {
        let content = cursor.content()?.clone();
        cursor = match (content.get(step.node), &step.selector) {
            (Some(Child::Container(inner)), _) => cursor.container(step.node, inner.clone()),
            (Some(Child::List(list)), Selector::Key(key)) => {
                cursor.entry(step.node, Slot::Key(key.clone()), list.get(step.node, key)?)
            }
            // A container without presence can be there even if nothing is in it.
            (None, Selector::None) => xpath::implied(&cursor, step.node).ok()?.into_iter().next()?,
            _ => return None,
        };
    }
    Some(cursor)
}

/// The instances that a change made or altered.
fn instances_of(parent: &Cursor, change: &Change) -> Vec<Cursor> {
    let Some(last) = change.path.steps.last() else { return Vec::new() };
    match (&last.selector, &change.new) {
        (_, None) => Vec::new(),
        (Selector::Key(key), Some(Child::Container(entry))) => {
            vec![parent.entry(last.node, Slot::Key(key.clone()), entry.clone())]
        }
        // Another order: new entries are changes of their own.
        (Selector::None, Some(Child::List(List::User(_)))) => Vec::new(),
        _ => parent.instances(last.node).collect(),
    }
}

/// Calls `visit` for each instance of a schema node below a place, those by default included.
fn each(place: &Cursor, node: &'static Node, visit: &mut dyn FnMut(&Cursor)) {
    descend(place, &chain(place, Some(node)), visit);
}

/// Calls `visit` for each place that can have instances of a schema node, near or below one.
fn each_parent(root: &Cursor, place: &[Step], node: &'static Node, visit: &mut dyn FnMut(&Cursor)) {
    let own = place.iter().position(|step| step.node == node);
    let above = own.and_then(|depth| place.get(..depth)).unwrap_or(place);
    if let Some(place) = cursor_at(root, above) {
        descend(&place, &chain(&place, node.data_parent()), visit);
    }
}

/// The nodes from one up to a place, without that.
pub(super) fn chain(place: &Cursor, node: Option<&'static Node>) -> Vec<&'static Node> {
    let nodes = std::iter::successors(node, |node| node.data_parent());
    nodes.take_while(|node| Some(*node) != place.node()).collect()
}

fn descend(cursor: &Cursor, chain: &[&'static Node], visit: &mut dyn FnMut(&Cursor)) {
    let Some((next, rest)) = chain.split_last() else { return visit(cursor) };
    let mut found = false;
    cursor.instances(next).for_each(|instance| {
        found = true;
        descend(&instance, rest, visit);
    });
    if !found {
        // Whether a condition can be evaluated is checked where the condition is.
        let implied = xpath::implied(cursor, next).unwrap_or_default();
        implied.iter().for_each(|instance| descend(instance, rest, visit));
    }
}
