//! Validation by every constraint of the modules (RFC 7950 section 8), of what an edit could
//! have broken and of nothing else.
//!
//! The changed nodes are checked with all that is below them, their parents for what they
//! require of their children, and any other node whose constraints read a changed node. Types
//! were checked when the data was decoded. Nothing is repaired here.

mod check;
mod readers;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use self::check::Check;
use self::readers::{Readers, choosable};
use super::diff::Change;
use crate::yang::error::Error;
use crate::yang::generated::SCHEMA;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Kind, Node, Schema};
use crate::yang::tree::{Child, Container, List};
use crate::yang::xpath::{self, Cursor, Slot};

/// Validates against one schema.
#[derive(Debug)]
pub struct Validator {
    schema: &'static Schema,
    readers: Readers,
}

/// The validator of what is compiled in.
pub static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| Validator::new(&SCHEMA));

impl Validator {
    /// Prepares for a schema, in time proportional to its size.
    pub fn new(schema: &'static Schema) -> Self {
        Validator { schema, readers: Readers::new(schema) }
    }

    /// The schema.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// The nodes whose `when` the changes can have made true or false.
    pub fn conditional(&self, changes: &[Change]) -> Vec<&'static Node> {
        self.readers.affected(changes).conditional
    }

    /// What `new` violates that the changes could have brought about; empty if it is valid.
    /// Whatever the changes do not touch has to be valid already.
    pub fn changes(&self, new: &Arc<Container>, changes: &[Change]) -> Vec<Error> {
        let mut check = Check::datastore(&self.readers);
        let root = Cursor::root(self.schema, new.clone());
        let mut lists = BTreeSet::new();
        for change in changes {
            self.lists_of(change, &mut lists);
            // Containers without presence come and go with what is in them.
            for depth in come_and_go(&change.path) {
                let path = InstancePath { steps: change.path.steps[..=depth].to_vec() };
                let Some((parent, node)) = parent_of(&root, &path) else { continue };
                check.required(&parent, choosable(node));
                parent.instances(node).for_each(|instance| {
                    check.applicable(&instance, node);
                    check.required(&instance, node.data);
                });
            }
            let Some((parent, node)) = parent_of(&root, &change.path) else { continue };
            match choosable(node) {
                [] => check.children(&parent, &[node]),
                // The others of its case can be required now, or those by default be there.
                nodes => check.children(&parent, nodes),
            }
            for instance in instances_of(&parent, change) {
                check.subtree(&instance);
            }
            if check.full() {
                return check.errors();
            }
        }
        for (parent, node) in lists.iter().filter_map(|path| parent_of(&root, path)) {
            check.uniques(&parent, node);
        }
        let affected = self.readers.affected(changes);
        for node in affected.own.iter().chain(&affected.conditional) {
            each(&root, node, &mut |instance| check.own(instance));
            if check.full() {
                return check.errors();
            }
        }
        for node in &affected.conditional {
            // What was not wanted before can be missing now.
            each_parent(&root, node, &mut |parent| check.children(parent, &[node]));
        }
        for list in &affected.lists {
            each_parent(&root, list, &mut |parent| check.uniques(parent, list));
        }
        check.errors()
    }

    /// Everything that a datastore violates, whatever was there before.
    pub fn datastore(&self, content: &Arc<Container>) -> Vec<Error> {
        let mut check = Check::datastore(&self.readers);
        let top: Vec<&'static Node> = self.schema.implemented().flat_map(|m| m.data).copied().collect();
        check.below(&Cursor::root(self.schema, content.clone()), &top);
        check.errors()
    }

    /// The lists that a change below one of their entries can have made two entries alike in.
    fn lists_of(&self, change: &Change, lists: &mut BTreeSet<InstancePath>) {
        let Some(node) = change.node() else { return };
        for node in choosable(node).iter().copied().chain([node]) {
            for list in self.readers.uniques(node) {
                let Some(depth) = change.path.steps.iter().position(|step| step.node == *list) else {
                    continue;
                };
                let mut steps = change.path.steps[..depth].to_vec();
                steps.push(Step::plain(list));
                lists.insert(InstancePath { steps });
            }
        }
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
        let mut check = Check::operation(&self.readers);
        let cursor = context.operation(operation, parameters, input);
        check.musts(&cursor, parameters.musts);
        check.below(&cursor, parameters.data);
        check.errors()
    }

    /// What an instance of a structure violates (RFC 8791 section 4) or of a `yang-data` template
    /// (RFC 8040 section 8). `structure` is one of its module's `STRUCTURES`, and to expressions
    /// the only node below the root.
    pub fn structure(&self, structure: &'static Node, content: Arc<Container>) -> Vec<Error> {
        let mut check = Check::structure(&self.readers);
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

/// The cursor of the parent of the node that a path ends at; `None` if it no longer exists.
fn parent_of(root: &Cursor, path: &InstancePath) -> Option<(Cursor, &'static Node)> {
    let (last, above) = path.steps.split_last()?;
    let mut cursor = root.clone();
    for step in above {
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
    Some((cursor, last.node))
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

/// Calls `visit` for each instance of a schema node, those by default included.
fn each(root: &Cursor, node: &'static Node, visit: &mut dyn FnMut(&Cursor)) {
    let mut chain = vec![node];
    while let Some(parent) = chain.last().and_then(|n| n.data_parent()) {
        chain.push(parent);
    }
    descend(root, &chain, visit);
}

/// Calls `visit` for each place that can have instances of a schema node.
fn each_parent(root: &Cursor, node: &'static Node, visit: &mut dyn FnMut(&Cursor)) {
    match node.data_parent() {
        Some(parent) => each(root, parent, visit),
        None => visit(root),
    }
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
