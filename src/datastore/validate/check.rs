//! The constraints of RFC 7950 sections 7 and 8, checked for one instance at a time, with the
//! errors of section 15.
//!
//! What exists by default is checked like what was given (section 6.4.1). Nothing here decides
//! which instances are checked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::readers::Readers;
use super::{chain, descend};
use crate::datastore::edit::excludes;
use crate::datastore::index::Index;
use crate::datastore::index::watched::{Forward, Watched};
use crate::yang::error::{ERRORS_MAX, Error, Tag};
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Base, Kind, LeafRef, Must, Node, Type, Unique};
use crate::yang::tree::{Child, Container, List};
use crate::yang::types::{self, ModuleNames};
use crate::yang::value::Value;
use crate::yang::xpath::{self, Cursor};

/// Whether nothing can be wrong with an instance by itself, since its value was of its type: it has no condition, refers to
/// nothing and contains nothing.
fn is_free(node: &Node) -> bool {
    fn refers(ty: &Type) -> bool {
        match &ty.base {
            Base::LeafRef(_) | Base::InstanceIdentifier { .. } => true,
            Base::Union(members) => members.iter().any(|member| refers(member)),
            _ => false,
        }
    }
    let is_value =
        matches!(node.kind, Kind::Leaf { .. } | Kind::LeafList { .. } | Kind::AnyData | Kind::AnyXml);
    is_value && node.musts.is_empty() && node.conditions().next().is_none() && !node.ty().is_some_and(refers)
}

/// The violations found so far.
pub struct Check<'r> {
    readers: &'r Readers,
    watched: &'r Watched,
    /// What tells of references and of `unique`, if there is one.
    index: Option<&'r Index>,
    /// Without it: for the number of a leafref and the place where its path turns, all values that
    /// it can have.
    values: BTreeMap<(usize, InstancePath), BTreeSet<Value>>,
    errors: Vec<Error>,
    /// Whether `config` counts for nothing: in operations and structures.
    with_state: bool,
    /// A missing node is one of a datastore, or an element of a message.
    missing: Tag,
}

impl<'r> Check<'r> {
    /// Of all of a datastore.
    pub fn datastore(readers: &'r Readers, watched: &'r Watched) -> Self {
        let (values, errors) = (BTreeMap::new(), Vec::new());
        let (with_state, missing) = (false, Tag::DataMissing);
        Check { readers, watched, index: None, values, errors, with_state, missing }
    }

    /// Of parts of a datastore with this index. Whether list entries are unique is asked of the
    /// index, and not here.
    pub fn changes(readers: &'r Readers, index: &'r Index) -> Self {
        Check { index: Some(index), ..Check::datastore(readers, index.watched()) }
    }

    /// Of the parameters of an operation.
    pub fn operation(readers: &'r Readers, watched: &'r Watched) -> Self {
        Check { with_state: true, missing: Tag::MissingElement, ..Check::datastore(readers, watched) }
    }

    /// Of a structure, which is like a datastore of its own (RFC 8791 section 4).
    pub fn structure(readers: &'r Readers, watched: &'r Watched) -> Self {
        Check { with_state: true, ..Check::datastore(readers, watched) }
    }

    /// What was found.
    pub fn errors(self) -> Vec<Error> {
        self.errors
    }

    /// Whether no more violations are reported.
    pub fn full(&self) -> bool {
        self.errors.len() >= ERRORS_MAX
    }

    fn fail(&mut self, error: Error) {
        if !self.full() && !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// A node with everything below it.
    pub fn subtree(&mut self, cursor: &Cursor) {
        self.own(cursor);
        let (Some(node), Some(_)) = (cursor.node(), cursor.content()) else { return };
        self.below(cursor, node.data);
    }

    /// Everything below a parent.
    pub fn below(&mut self, parent: &Cursor, nodes: &[&'static Node]) {
        self.children(parent, nodes);
        for node in nodes.iter().filter(|node| !is_free(node)) {
            for instance in parent.instances(node) {
                if self.full() {
                    return;
                }
                self.subtree(&instance);
            }
        }
    }

    /// What a parent requires of these children: that they are there, not too few or too many,
    /// unique; and what there is of them by default.
    pub fn children(&mut self, parent: &Cursor, nodes: &[&'static Node]) {
        self.required(parent, nodes);
        nodes.iter().for_each(|node| self.uniques(parent, node));
    }

    /// What a parent requires of these children, but for their being unique.
    pub fn required(&mut self, parent: &Cursor, nodes: &[&'static Node]) {
        let Some(content) = parent.content().cloned() else { return };
        let mut choices = BTreeSet::new();
        let with_state = self.with_state;
        for node in nodes.iter().filter(|node| node.config || with_state) {
            self.choices(parent, &content, node, &mut choices);
            let child = content.get(node);
            match (&node.kind, child) {
                (Kind::List { entries, .. }, child) => {
                    let count = if let Some(Child::List(list)) = child { list.len() } else { 0 };
                    self.count(parent, &content, node, count, (entries.min, entries.max));
                    continue;
                }
                (Kind::LeafList { entries, .. }, child) => {
                    let count = if let Some(Child::LeafList(values)) = child { values.len() } else { 0 };
                    self.count(parent, &content, node, count, (entries.min, entries.max));
                }
                (_, None) if node.mandatory && self.wanted(parent, &content, node) => {
                    self.missing(parent, node);
                }
                _ => {}
            }
            if child.is_none() && (self.with_state || self.readers.demands(node)) && !is_free(node) {
                for implied in self.implied(parent, node) {
                    self.subtree(&implied);
                }
            }
        }
    }

    /// What exists of a node without an instance.
    pub fn implied(&mut self, parent: &Cursor, node: &'static Node) -> Vec<Cursor> {
        let found = xpath::implied(parent, node);
        found.unwrap_or_else(|error| {
            self.fail(unevaluated(&error, parent));
            Vec::new()
        })
    }

    /// The constraints that an instance itself has.
    pub fn own(&mut self, cursor: &Cursor) {
        let Some(node) = cursor.node() else { return };
        self.applicable(cursor, node);
        self.musts(cursor, node.musts);
        self.refers(cursor);
    }

    /// That a leaf which has to refer to something does.
    pub fn refers(&mut self, cursor: &Cursor) {
        if let (Some(value), Some(ty)) = (cursor.value(), cursor.node().and_then(Node::ty)) {
            self.reference(cursor, value, ty);
        }
    }

    /// That an instance can be there (RFC 7950 section 8.3.2).
    pub fn applicable(&mut self, cursor: &Cursor, node: &'static Node) {
        if !self.applies(cursor, node) {
            let message = format!("\"{}\" cannot be here: its \"when\" does not hold", node.name);
            let error = Error::application(Tag::UnknownElement, message).info("bad-element", node.name);
            self.fail(error.at(cursor.path()));
        }
    }

    /// Whether all `when` statements of a node hold at an instance or its stand-in.
    fn applies(&mut self, cursor: &Cursor, node: &'static Node) -> bool {
        xpath::applies(cursor, node).unwrap_or_else(|error| {
            self.fail(unevaluated(&error, cursor));
            true
        })
    }

    /// The `must` statements of a place.
    pub fn musts(&mut self, cursor: &Cursor, musts: &'static [Must]) {
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
        xpath::holds(expr, context).unwrap_or_else(|error| {
            self.fail(unevaluated(&error, context));
            true
        })
    }

    /// A leafref or instance-identifier has to refer to something (RFC 7950 section 15.5); in a
    /// union it is enough that the value is one of another member (section 9.12).
    fn reference(&mut self, cursor: &Cursor, value: &Value, ty: &'static Type) {
        if !requires_instance(ty, value, cursor) {
            return;
        }
        let message = match self.finds(cursor, value, ty) {
            Ok(true) => return,
            Ok(false) => format!("there is nothing with the value \"{value}\" that this could refer to"),
            Err(e) => format!("the reference cannot be followed: {e}"),
        };
        let error = Error::application(Tag::DataMissing, message).app_tag("instance-required");
        self.fail(error.at(cursor.path()));
    }

    fn finds(&mut self, cursor: &Cursor, value: &Value, ty: &'static Type) -> Result<bool, xpath::EvalError> {
        match (&ty.base, cursor.node()) {
            (Base::LeafRef(leafref), _) => self.leafref(cursor, leafref, value),
            (Base::Union(members), Some(node)) if !matches!(value, Value::Instance(_)) => {
                // The value can have been read as one of another member.
                let (text, names) = (value.canonical(), ModuleNames(cursor.schema()));
                for member in *members {
                    if let Base::LeafRef(leafref) = &member.base
                        && let Ok(value) = types::parse(leafref.real, &text, &names, node.module)
                        && self.leafref(cursor, leafref, &value)?
                    {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            _ => Ok(!xpath::targets(cursor)?.is_empty()),
        }
    }

    fn leafref(
        &mut self,
        cursor: &Cursor,
        leafref: &'static LeafRef,
        value: &Value,
    ) -> Result<bool, xpath::EvalError> {
        let link = cursor.node().and_then(|node| self.watched.link(node, leafref));
        let Some((number, link)) = link else { return xpath::finds(cursor, leafref, value) };
        let Forward::Values(up) = link.forward else { return xpath::finds(cursor, leafref, value) };
        let above = std::iter::successors(Some(cursor), |cursor| cursor.parent());
        let turn = match up {
            Some(up) => above.into_iter().nth(up),
            None => above.into_iter().last(),
        };
        let Some(turn) = turn else { return Ok(false) };
        let path = turn.path();
        if let Some(index) = self.index {
            let keys = path.steps.iter().filter_map(|step| match &step.selector {
                Selector::Key(key) => Some(key.values()),
                _ => None,
            });
            return Ok(index.has_value(link, value, &keys.flatten().cloned().collect::<Vec<_>>()));
        }
        let values = self.values.entry((number, path)).or_insert_with(|| {
            let mut values = BTreeSet::new();
            descend(turn, &chain(turn, Some(leafref.target)), &mut |instance| {
                values.extend(instance.value().cloned());
            });
            values
        });
        Ok(values.contains(value))
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
        let error = Error::application(self.missing, message).info("bad-element", node.name);
        let path = parent.path().child(Step::plain(node));
        self.fail(error.at(path));
    }

    /// A mandatory choice needs one of its cases (RFC 7950 section 15.6); one within a case only
    /// if that case is chosen (section 7.9.4).
    fn choices(
        &mut self,
        parent: &Cursor,
        content: &Container,
        node: &'static Node,
        seen: &mut BTreeSet<*const Node>,
    ) {
        let present = |nodes: &[&'static Node]| nodes.iter().any(|n| content.get(n).is_some());
        let mut above = node.parent;
        while let Some(choice) = above {
            match choice.kind {
                Kind::Choice { .. } if choice.mandatory && seen.insert(std::ptr::from_ref(choice)) => {
                    let enforced = match choice.parent {
                        Some(outer) if matches!(outer.kind, Kind::Case) => present(outer.data),
                        Some(outer) => !matches!(outer.kind, Kind::Choice { .. }),
                        None => true,
                    };
                    if enforced && !present(choice.data) && self.applies(&parent.dummy(choice), choice) {
                        let names: Vec<&str> = choice.data.iter().map(|n| n.name).collect();
                        let message = format!("one of {} is needed", names.join(", "));
                        let error = Error::application(Tag::DataMissing, message)
                            .app_tag("missing-choice")
                            .info("missing-choice", choice.name);
                        self.fail(error.at(parent.path()));
                    }
                }
                Kind::Choice { .. } | Kind::Case => {}
                _ => return,
            }
            above = choice.parent;
        }
    }

    /// RFC 7950 sections 15.2 and 15.3.
    fn count(
        &mut self,
        parent: &Cursor,
        content: &Container,
        node: &'static Node,
        count: usize,
        (min, max): (u32, u32),
    ) {
        let (message, app_tag) = if count > max as usize {
            (format!("there are {count} \"{}\", at most {max} may be", node.name), "too-many-elements")
        } else if count < min as usize && (count > 0 || self.wanted(parent, content, node)) {
            (format!("there are {count} \"{}\", at least {min} have to be", node.name), "too-few-elements")
        } else {
            return;
        };
        let path = parent.path().child(Step::plain(node));
        self.fail(Error::application(Tag::OperationFailed, message).app_tag(app_tag).at(path));
    }

    /// No two entries have the same values in all leafs of each `unique`, but for those that are in
    /// the index.
    pub fn uniques(&mut self, parent: &Cursor, node: &'static Node) {
        let Kind::List { uniques: uniques @ [_, ..], .. } = node.kind else { return };
        let content = parent.content().cloned();
        let Some(list) = content.as_ref().and_then(|content| content.list(node)) else { return };
        for (statement, unique) in uniques.iter().enumerate() {
            let mut known = self.watched.uniques_of(node).map(|(_, unique)| unique);
            let indexed = known.any(|unique| unique.statement == statement && !unique.scanned);
            if self.index.is_none() || !indexed {
                self.unique(parent, node, list, (statement, unique));
            }
        }
    }

    /// No two entries have the same values in all leafs of a `unique` (RFC 7950 section 15.1).
    fn unique(
        &mut self,
        parent: &Cursor,
        node: &'static Node,
        list: &List,
        (statement, unique): (usize, &Unique),
    ) {
        let mut seen: HashMap<Vec<String>, Arc<Container>> = HashMap::new();
        for entry in list.iter() {
            let cursor = parent.entry(node, xpath::Slot::Only, entry.clone());
            let values: Option<Vec<String>> =
                unique.leafs.iter().map(|chain| self.leaf_at(&cursor, chain)).collect();
            let Some(values) = values else { continue };
            if let Some(other) = seen.insert(values.clone(), entry.clone()) {
                let list = parent.path().child(Step::plain(node));
                let selectors = [&other, &entry].map(|e| e.key(node).map_or(Selector::None, Selector::Key));
                self.not_unique(&list, statement, &values, selectors);
            }
        }
    }

    /// Entries of a list have the same values in the leafs of one of its `unique` statements.
    pub fn not_unique(
        &mut self,
        list: &InstancePath,
        statement: usize,
        values: &[String],
        entries: impl IntoIterator<Item = Selector>,
    ) {
        let Some((last, above)) = list.steps.split_last() else { return };
        let Kind::List { uniques, .. } = last.node.kind else { return };
        let message = format!("two \"{}\" have the same {}", last.node.name, values.join(", "));
        let mut error = Error::application(Tag::OperationFailed, message).app_tag("data-not-unique");
        for selector in entries {
            let entry = Step { node: last.node, selector };
            for chain in uniques.get(statement).map_or(&[][..], |unique| unique.leafs) {
                let leafs = chain.iter().map(|node| Step::plain(node));
                let steps = above.iter().cloned().chain([entry.clone()]).chain(leafs).collect();
                error = error.info("non-unique", InstancePath { steps });
            }
        }
        self.fail(error.at(list.clone()));
    }

    /// The value of a leaf below an entry; the default counts (RFC 7950 section 7.8.3).
    fn leaf_at(&mut self, entry: &Cursor, chain: &[&'static Node]) -> Option<String> {
        let mut at = entry.clone();
        for node in chain {
            let below = at.instances(node).next();
            at = match below {
                Some(below) => below,
                None if matches!(
                    node.kind,
                    Kind::Container { presence: false } | Kind::Leaf { default: Some(_), .. }
                ) =>
                {
                    self.implied(&at, node).into_iter().next()?
                }
                None => return None,
            };
        }
        at.value().map(Value::canonical)
    }
}

fn unevaluated(error: &xpath::EvalError, context: &Cursor) -> Error {
    let message = format!("a condition cannot be evaluated: {error}");
    Error::application(Tag::OperationFailed, message).at(context.path())
}

/// Whether a value has to refer to something: that of a union does not if it is one of a member
/// that refers to nothing.
fn requires_instance(ty: &'static Type, value: &Value, leaf: &Cursor) -> bool {
    match &ty.base {
        Base::LeafRef(leafref) => leafref.require_instance,
        Base::InstanceIdentifier { require_instance } => *require_instance,
        Base::Union(members) => {
            let Some(node) = leaf.node() else { return false };
            let names = ModuleNames(leaf.schema());
            let text = value.canonical();
            members.iter().all(|member| {
                let parsed = || types::parse(member, &text, &names, node.module);
                requires_instance(member, value, leaf) || parsed().as_ref() != Ok(value)
            })
        }
        _ => false,
    }
}
