//! Validation by every constraint of the modules (RFC 7950 section 8), of what an edit could
//! have broken and of nothing else.
//!
//! The changed nodes are checked with all that is below them, their parents for what they
//! require of their children, and any other node whose constraints read a changed node. Types
//! were checked when the data was decoded. Nothing is repaired here.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use super::diff::Change;
use super::edit::excludes;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Base, Kind, LeafRef, Must, Node, Schema, Type, Unique};
use crate::yang::tree::{Child, Container, List};
use crate::yang::value::Value;
use crate::yang::xpath::{self, Cursor, Slot};

/// Most violations that are reported at once.
const ERRORS_MAX: usize = 32;

/// Validates against one schema.
#[derive(Debug)]
pub struct Validator {
    schema: &'static Schema,
    /// For each schema node, the nodes whose `must` or `when` reads it.
    conditions: Readers,
    /// For each schema node, the nodes whose leafref refers to it.
    leafrefs: Readers,
}

type Readers = HashMap<&'static Node, Vec<&'static Node>>;

/// The validator of what is compiled in.
pub static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| Validator::new(&SCHEMA));

impl Validator {
    /// Prepares for a schema, in time proportional to its size.
    pub fn new(schema: &'static Schema) -> Self {
        let mut validator = Validator { schema, conditions: HashMap::new(), leafrefs: HashMap::new() };
        let top = schema.implemented().flat_map(|module| module.data).filter(|node| node.config);
        top.for_each(|node| validator.collect(node));
        validator
    }

    fn collect(&mut self, node: &'static Node) {
        for read in node.musts.iter().flat_map(|m| m.reads).chain(node.whens.iter().flat_map(|w| w.reads)) {
            self.conditions.entry(read).or_default().push(node);
        }
        for leafref in node.ty().map(leafrefs).unwrap_or_default() {
            self.leafrefs.entry(leafref.target).or_default().push(node);
        }
        node.data.iter().for_each(|child| self.collect(child));
    }

    /// What `new` violates that the changes could have brought about; empty if it is valid.
    /// Whatever the changes do not touch has to be valid already.
    pub fn changes(&self, new: &Arc<Container>, changes: &[Change]) -> Vec<Error> {
        let mut check = Check { errors: Vec::new(), operation: false };
        let root = Cursor::root(self.schema, new.clone());
        let mut touched = Touched::default();
        for change in changes {
            touched.add(change);
            let Some((parent, node)) = parent_of(&root, &change.path) else { continue };
            check.children(&parent, &[node]);
            for instance in instances_of(&parent, change) {
                check.subtree(&instance);
            }
            if check.full() {
                return check.errors;
            }
        }
        for node in self.dependents(&touched) {
            each_instance(&root, node, &mut |instance| check.own(instance));
            if !node.whens.is_empty() {
                // What was not wanted before can be missing now.
                match node.data_parent() {
                    Some(parent) => {
                        each_instance(&root, parent, &mut |parent| check.children(parent, &[node]))
                    }
                    None => check.children(&root, &[node]),
                }
            }
            if check.full() {
                break;
            }
        }
        check.errors.dedup();
        check.errors
    }

    /// The nodes with a constraint that reads a touched one.
    fn dependents(&self, touched: &Touched) -> Vec<&'static Node> {
        let of = |nodes: &HashSet<&'static Node>, readers: &Readers| {
            nodes.iter().filter_map(|node| readers.get(node)).flatten().copied().collect::<Vec<_>>()
        };
        let mut dependents = of(&touched.any, &self.conditions);
        dependents.extend(of(&touched.gone, &self.leafrefs));
        dependents.sort_by_key(|node| (node.module.name, node.index, node.name, std::ptr::from_ref(*node)));
        dependents.dedup();
        dependents
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
        let mut check = Check { errors: Vec::new(), operation: true };
        let cursor = context.operation(operation, parameters, input);
        check.musts(&cursor, parameters.musts);
        check.children(&cursor, parameters.data);
        for child in parameters.data {
            for instance in cursor.instances(child) {
                check.subtree(&instance);
            }
        }
        check.errors
    }
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
            // A container without presence is there even if nothing is in it.
            (None, Selector::None) => cursor.container(step.node, Arc::default()),
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
        _ => parent.instances(last.node).collect(),
    }
}

/// Calls `visit` for each instance of a schema node.
fn each_instance(root: &Cursor, node: &'static Node, visit: &mut dyn FnMut(&Cursor)) {
    let mut chain = vec![node];
    while let Some(parent) = chain.last().and_then(|n| n.data_parent()) {
        chain.push(parent);
    }
    descend(root, &chain, visit);
}

fn descend(cursor: &Cursor, chain: &[&'static Node], visit: &mut dyn FnMut(&Cursor)) {
    match chain.split_last() {
        None => visit(cursor),
        Some((next, rest)) => cursor.instances(next).for_each(|instance| descend(&instance, rest, visit)),
    }
}

/// The schema nodes whose instances came, went or changed.
#[derive(Default)]
struct Touched {
    any: HashSet<&'static Node>,
    /// Those of which an instance went or changed: only that can leave a leafref dangling.
    gone: HashSet<&'static Node>,
}

impl Touched {
    fn add(&mut self, change: &Change) {
        let Some(node) = change.node() else { return };
        for (child, gone) in [(&change.old, true), (&change.new, false)] {
            if let Some(child) = child {
                self.below(node, child, gone);
            }
        }
    }

    fn below(&mut self, node: &'static Node, child: &Child, gone: bool) {
        self.any.insert(node);
        if gone {
            self.gone.insert(node);
        }
        match child {
            Child::Container(container) => {
                container.iter().for_each(|(node, child)| self.below(node, child, gone))
            }
            Child::List(list) => list
                .iter()
                .for_each(|entry| entry.iter().for_each(|(node, child)| self.below(node, child, gone))),
            Child::Leaf(_) | Child::LeafList(_) | Child::Any(_) => {}
        }
    }
}

/// The leafrefs of a type, those in a union included.
fn leafrefs(ty: &'static Type) -> Vec<&'static LeafRef> {
    match &ty.base {
        Base::LeafRef(leafref) => vec![leafref],
        Base::Union(members) => members.iter().flat_map(|member| leafrefs(member)).collect(),
        _ => Vec::new(),
    }
}

struct Check {
    errors: Vec<Error>,
    /// Inside an operation a missing node is an element of the message.
    operation: bool,
}

impl Check {
    fn full(&self) -> bool {
        self.errors.len() >= ERRORS_MAX
    }

    fn fail(&mut self, error: Error) {
        if !self.full() {
            self.errors.push(error);
        }
    }

    /// A node with everything below it.
    fn subtree(&mut self, cursor: &Cursor) {
        self.own(cursor);
        let (Some(node), Some(_)) = (cursor.node(), cursor.content()) else { return };
        self.children(cursor, node.data);
        for child in node.data {
            for instance in cursor.instances(child) {
                if self.full() {
                    return;
                }
                self.subtree(&instance);
            }
        }
    }

    /// The constraints that an instance itself has.
    fn own(&mut self, cursor: &Cursor) {
        let Some(node) = cursor.node() else { return };
        if !self.applies(cursor, node) {
            let message = format!("\"{}\" cannot be here: its \"when\" does not hold", node.name);
            let error = Error::application(Tag::UnknownElement, message).info("bad-element", node.name);
            self.fail(error.at(cursor.path()));
        }
        self.musts(cursor, node.musts);
        if let (Some(value), Some(ty)) = (cursor.value(), node.ty()) {
            self.reference(cursor, value, ty);
        }
    }

    /// Whether all `when` statements of a node hold at an instance or its stand-in.
    fn applies(&mut self, cursor: &Cursor, node: &'static Node) -> bool {
        node.whens.iter().all(|when| {
            let mut context = cursor;
            for _ in 0..when.context {
                context = context.parent().unwrap_or(context);
            }
            self.condition(when.expr, context)
        })
    }

    fn musts(&mut self, cursor: &Cursor, musts: &'static [Must]) {
        for must in musts {
            if !self.condition(must.expr, cursor) {
                let message = must
                    .error_message
                    .map_or_else(|| format!("this must hold: {}", must.text), str::to_owned);
                let error = Error::application(Tag::OperationFailed, message)
                    .app_tag(must.error_app_tag.unwrap_or("must-violation"));
                self.fail(error.at(cursor.path()));
            }
        }
    }

    /// A condition that cannot be evaluated is an error of its own and counts as holding.
    fn condition(&mut self, expr: &'static xpath::Expr, context: &Cursor) -> bool {
        match xpath::holds(expr, context) {
            Ok(holds) => holds,
            Err(e) => {
                let message = format!("a condition cannot be evaluated: {e}");
                self.fail(Error::application(Tag::OperationFailed, message).at(context.path()));
                true
            }
        }
    }

    /// A leafref or instance-identifier has to refer to something (RFC 7950 section 15.5); in a
    /// union it is enough that the value fits a member that needs no instance.
    fn reference(&mut self, cursor: &Cursor, value: &Value, ty: &'static Type) {
        let required = match (&ty.base, value) {
            (Base::LeafRef(leafref), _) => leafref.require_instance,
            (Base::InstanceIdentifier { require_instance }, _) => *require_instance,
            (Base::Union(members), Value::Instance(_)) => members
                .iter()
                .all(|m| !matches!(m.base, Base::InstanceIdentifier { require_instance: false })),
            (Base::Union(members), _) => members.iter().all(|member| match &member.base {
                Base::LeafRef(leafref) => leafref.require_instance,
                Base::InstanceIdentifier { .. } => true,
                _ => false,
            }),
            _ => false,
        };
        if !required {
            return;
        }
        let message = match xpath::targets(cursor) {
            Ok(targets) if !targets.is_empty() => return,
            Ok(_) => format!("there is nothing with the value \"{value}\" that this could refer to"),
            Err(e) => format!("the reference cannot be followed: {e}"),
        };
        let error = Error::application(Tag::DataMissing, message).app_tag("instance-required");
        self.fail(error.at(cursor.path()));
    }

    /// What an instance requires of these children of its: that they are there, not too few or
    /// too many, unique.
    fn children(&mut self, parent: &Cursor, nodes: &[&'static Node]) {
        let Some(content) = parent.content().cloned() else { return };
        let mut choices = BTreeSet::new();
        for node in nodes {
            self.choices(parent, &content, node, &mut choices);
            let child = content.get(node);
            match &node.kind {
                Kind::List { entries, uniques, .. } => {
                    let list = match child {
                        Some(Child::List(list)) => Some(list),
                        _ => None,
                    };
                    self.count(parent, node, list.map_or(0, List::len), (entries.min, entries.max));
                    if let Some(list) = list {
                        uniques.iter().for_each(|unique| self.unique(parent, node, list, unique));
                    }
                }
                Kind::LeafList { entries, .. } => {
                    let count = if let Some(Child::LeafList(values)) = child { values.len() } else { 0 };
                    self.count(parent, node, count, (entries.min, entries.max));
                }
                Kind::Container { presence: false }
                    if child.is_none() && self.wanted(parent, &content, node) =>
                {
                    // It is there without content, so what it requires is required here.
                    let inner = parent.container(node, Arc::default());
                    self.children(&inner, node.data);
                }
                _ if node.mandatory && child.is_none() && self.wanted(parent, &content, node) => {
                    self.missing(parent, node);
                }
                _ => {}
            }
        }
    }

    /// Whether a node that is not there is one that could be: its case is chosen (or it is in
    /// none) and its `when` holds.
    fn wanted(&mut self, parent: &Cursor, content: &Container, node: &'static Node) -> bool {
        let in_chosen_case = match node.parent.map(|p| &p.kind) {
            Some(Kind::Case) => content.iter().any(|(other, _)| {
                node.parent.is_some_and(|case| case.data.contains(&other)) && !excludes(node, other)
            }),
            Some(Kind::Choice { .. }) => false,
            _ => true,
        };
        in_chosen_case && self.applies(&parent.dummy(node), node)
    }

    fn missing(&mut self, parent: &Cursor, node: &'static Node) {
        let message = format!("\"{}\" is mandatory and missing", node.name);
        let tag = if self.operation { Tag::MissingElement } else { Tag::DataMissing };
        let error = Error::application(tag, message).info("bad-element", node.name);
        let path = parent.path().child(Step::plain(node));
        self.fail(error.at(path));
    }

    /// A mandatory choice needs one of its cases (RFC 7950 section 15.6).
    fn choices(
        &mut self,
        parent: &Cursor,
        content: &Container,
        node: &'static Node,
        seen: &mut BTreeSet<*const Node>,
    ) {
        let mut above = node.parent;
        while let Some(choice) = above {
            match choice.kind {
                Kind::Choice { .. } => {
                    let present = choice.data.iter().any(|n| content.get(n).is_some());
                    if choice.mandatory && seen.insert(std::ptr::from_ref(choice)) && !present {
                        let names: Vec<&str> = choice.data.iter().map(|n| n.name).collect();
                        let message = format!("one of {} is needed", names.join(", "));
                        let error = Error::application(Tag::DataMissing, message)
                            .app_tag("missing-choice")
                            .info("missing-choice", choice.name);
                        self.fail(error.at(parent.path()));
                    }
                }
                Kind::Case => {}
                _ => return,
            }
            above = choice.parent;
        }
    }

    /// RFC 7950 sections 15.2 and 15.3.
    fn count(&mut self, parent: &Cursor, node: &'static Node, count: usize, (min, max): (u32, u32)) {
        let (message, app_tag) = if count > max as usize {
            (format!("there are {count} \"{}\", at most {max} may be", node.name), "too-many-elements")
        } else if count < min as usize
            && (count > 0 || parent.content().is_some_and(|c| self.wanted(parent, &c.clone(), node)))
        {
            (format!("there are {count} \"{}\", at least {min} have to be", node.name), "too-few-elements")
        } else {
            return;
        };
        let path = parent.path().child(Step::plain(node));
        self.fail(Error::application(Tag::OperationFailed, message).app_tag(app_tag).at(path));
    }

    /// No two entries have the same values in all leafs of a `unique` (RFC 7950 section 15.1).
    fn unique(&mut self, parent: &Cursor, node: &'static Node, list: &List, unique: &Unique) {
        let mut seen: HashMap<Vec<String>, Arc<Container>> = HashMap::new();
        for entry in list.iter() {
            let values: Option<Vec<String>> =
                unique.leafs.iter().map(|chain| leaf_at(&entry, chain)).collect();
            let Some(values) = values else { continue };
            let message = format!("two \"{}\" have the same {}", node.name, values.join(", "));
            if let Some(other) = seen.insert(values, entry.clone()) {
                let mut error = Error::application(Tag::OperationFailed, message).app_tag("data-not-unique");
                for entry in [&other, &entry] {
                    let selector = entry.key(node).map_or(Selector::None, Selector::Key);
                    let path = parent.path().child(Step { node, selector });
                    error = error.info("non-unique", path.to_string());
                }
                self.fail(error.at(parent.path()));
            }
        }
    }
}

fn leaf_at(entry: &Arc<Container>, chain: &[&'static Node]) -> Option<String> {
    let (last, above) = chain.split_last()?;
    let mut container = entry;
    for node in above {
        container = container.container(node)?;
    }
    container.leaf(last).map(Value::canonical)
}
