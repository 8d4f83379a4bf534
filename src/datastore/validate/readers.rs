//! Which constraints can change their outcome when data changes, and where.
//!
//! The answer names schema nodes with the place that their instances are below; it can name too many
//! of them, but never too few. Nothing here looks at what the constraints say.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::reach::{self, Way};
use crate::datastore::diff::Change;
use crate::datastore::index::watched::{Watched, is_conditional, leafrefs, names_instances};
use crate::yang::path::Step;
use crate::yang::schema::{Kind, Node, Schema};
use crate::yang::tree::{Child, Container};
use crate::yang::xpath::Expr;
use crate::yang::xpath::ast::{Function, Path, Start};

/// For schema nodes, the nodes whose constraints read them.
#[derive(Debug, Default)]
pub struct Readers {
    read: HashMap<&'static Node, Read>,
    /// The nodes that are read, and those that have such below them.
    leading: HashSet<&'static Node>,
    /// Nodes whose instance-identifier has to refer to something but is not in the index.
    identifiers: Vec<&'static Node>,
    /// Whether there are any instance-identifiers that have to refer to something.
    identifies: bool,
    /// Containers without presence and leafs with defaults that have constraints although they
    /// have no instance.
    demanding: HashSet<&'static Node>,
}

/// Who reads one node.
#[derive(Debug, Default)]
struct Read {
    /// Nodes with a `must` that reads it, or a leafref whose path compares with it.
    conditions: Vec<Reader>,
    /// Nodes with a `when` in effect that reads it.
    whens: Vec<Reader>,
    /// Nodes whose leafref refers to it, where the index does not tell which instances do.
    leafrefs: Vec<&'static Node>,
    /// Lists with a `unique`, not in the index, that it is a leaf of, or an ancestor of such a leaf.
    uniques: Vec<&'static Node>,
}

/// A node that reads another one, in the same instance of `top` (`None`: the root).
#[derive(Debug, PartialEq)]
struct Reader {
    node: &'static Node,
    top: Option<&'static Node>,
}

/// All instances of a node below a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instances<'c> {
    /// The node.
    pub node: &'static Node,
    /// The place; empty for the root.
    pub place: &'c [Step],
}

/// The same in every run.
impl Ord for Instances<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let name = |node: &'static Node| (node.module.name, node.index, node.name, std::ptr::from_ref(node));
        name(self.node).cmp(&name(other.node)).then_with(|| self.place.cmp(other.place))
    }
}
impl PartialOrd for Instances<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What has to be checked again.
#[derive(Debug, Default)]
pub struct Affected<'c> {
    /// Each instance by itself.
    pub own: BTreeSet<Instances<'c>>,
    /// Whether it can be there, must be there, and what comes with it.
    pub conditional: BTreeSet<Instances<'c>>,
    /// Lists whose entries have to be unique, those of them that are not in the index.
    pub lists: BTreeSet<Instances<'c>>,
    /// Places at or below which an instance may have gone that an instance-identifier leads to.
    pub gone: Vec<&'c [Step]>,
}

impl Readers {
    /// Collects the constraints of the configuration, in time proportional to the schema.
    pub fn new(schema: &'static Schema, watched: &Watched) -> Self {
        let mut readers = Readers::default();
        let top = schema.implemented().flat_map(|module| module.data).filter(|node| node.config);
        top.for_each(|node| {
            readers.collect(node, schema);
        });
        for link in watched.links() {
            match link.leafref {
                Some(leafref) if link.scanned || is_conditional(leafref.target) => {
                    readers.read.entry(leafref.target).or_default().leafrefs.push(link.leaf);
                }
                Some(_) => {}
                None => {
                    readers.identifies = true;
                    readers.identifiers.extend(Some(link.leaf).filter(|_| link.scanned));
                }
            }
        }
        for unique in watched.uniques().iter().filter(|unique| unique.scanned) {
            for part in unique.nodes() {
                readers.read.entry(part).or_default().uniques.push(unique.list);
            }
        }
        for node in readers.read.keys() {
            readers.leading.extend(std::iter::successors(Some(*node), |node| node.data_parent()));
        }
        readers
    }

    /// Whether a node without an instance has constraints of its own or below it.
    pub fn demands(&self, node: &Node) -> bool {
        self.demanding.contains(node)
    }

    /// Notes the constraints of a node and all below it; says whether it wants something even
    /// if it is not there.
    fn collect(&mut self, node: &'static Node, schema: &'static Schema) -> bool {
        for must in node.musts {
            let ways = reach::reads(must.expr, Some(node), schema);
            for (read, top) in tops(must.reads, &ways) {
                note(&mut self.read.entry(read).or_default().conditions, Reader { node, top });
            }
        }
        for when in node.conditions() {
            let context = (0..when.context).try_fold(node, |node, _| node.data_parent());
            let ways = reach::reads(when.expr, context, schema);
            for (read, top) in tops(when.reads, &ways) {
                note(&mut self.read.entry(read).or_default().whens, Reader { node, top });
            }
        }
        let ty = node.ty();
        for leafref in ty.map(leafrefs).unwrap_or_default() {
            for Way { at, top } in compared(leafref.path, node, schema) {
                let Some(read) = at else { continue };
                note(&mut self.read.entry(read).or_default().conditions, Reader { node, top });
            }
        }
        let mut below = false;
        for child in node.data.iter().filter(|child| child.config) {
            below |= self.collect(child, schema);
        }
        let refers = ty.is_some_and(|ty| names_instances(ty) || !leafrefs(ty).is_empty());
        let demands = match node.kind {
            Kind::Container { presence: false } => {
                below || !node.musts.is_empty() || node.data.iter().any(in_mandatory_choice)
            }
            Kind::Leaf { default: Some(_), .. } => refers || !node.musts.is_empty(),
            Kind::LeafList { defaults: [_, ..], .. } => refers || !node.musts.is_empty(),
            Kind::List { entries, .. } | Kind::LeafList { entries, .. } => entries.min > 0,
            _ => node.mandatory,
        };
        if demands {
            self.demanding.insert(node);
        }
        demands
    }

    /// The constraints that the changes can have an effect on beyond the changed nodes and what is
    /// below them.
    pub fn affected<'c>(&self, changes: &'c [Change]) -> Affected<'c> {
        let mut search = Search { readers: self, found: Affected::default(), pending: Vec::new() };
        changes.iter().for_each(|change| search.change(change));
        // Where a condition changes, so can everything below it that is there by default.
        while let Some(Instances { node, place }) = search.pending.pop() {
            search.whole(node, place);
            search.alternatives(node, place);
        }
        search.found.gone.sort();
        search.found.gone.dedup();
        search.found
    }
}

/// The nodes that are read, with how far up the ways to them lead: to the root if that is not known.
fn tops<'w>(
    reads: &'w [&'static Node],
    ways: &'w [Way],
) -> impl Iterator<Item = (&'static Node, Option<&'static Node>)> {
    reads.iter().flat_map(|read| {
        let mut tops: Vec<_> = ways.iter().filter(|way| way.at == Some(*read)).map(|way| way.top).collect();
        if tops.is_empty() {
            tops.push(None);
        }
        tops.into_iter().map(|top| (*read, top))
    })
}

fn note(readers: &mut Vec<Reader>, reader: Reader) {
    if !readers.contains(&reader) {
        readers.push(reader);
    }
}

struct Search<'r, 'c> {
    readers: &'r Readers,
    found: Affected<'c>,
    /// What is in `found.conditional` but was not followed yet.
    pending: Vec<Instances<'c>>,
}

impl<'c> Search<'_, 'c> {
    fn change(&mut self, change: &'c Change) {
        let (Some(node), path) = (change.node(), &change.path.steps[..]) else { return };
        let (mut before, mut after) = (HashSet::new(), HashSet::new());
        if let Some(child) = &change.old {
            self.present(node, child, &mut before);
        }
        if let Some(child) = &change.new {
            self.present(node, child, &mut after);
        }
        let gone = change.old.is_some() || has_default(node);
        for node in before.union(&after) {
            // A value also takes the place of the default.
            self.touched(node, path, before.contains(node) || has_default(node), Some(path));
        }
        if gone {
            self.gone(path);
        }
        // Containers without presence come and go with what is in them.
        for (depth, step) in path.iter().enumerate() {
            self.alternatives(step.node, path.get(..depth).unwrap_or_default());
        }
    }

    /// The nodes of which there are instances in a changed child, those by default included, if they
    /// are of interest.
    fn present(&self, node: &'static Node, child: &Child, nodes: &mut HashSet<&'static Node>) {
        if !self.readers.leading.contains(node) {
            return;
        }
        nodes.insert(node);
        match child {
            Child::Container(container) => self.present_below(node, container, nodes),
            Child::List(list) => list.iter().for_each(|entry| self.present_below(node, &entry, nodes)),
            Child::Leaf(_) | Child::LeafList(_) | Child::Any(_) => {}
        }
    }

    fn present_below(&self, parent: &'static Node, content: &Container, nodes: &mut HashSet<&'static Node>) {
        for node in parent.data {
            match (content.get(node), &node.kind) {
                (Some(child), _) => self.present(node, child, nodes),
                (None, Kind::Container { presence: false }) if self.readers.leading.contains(node) => {
                    nodes.insert(node);
                    self.present_below(node, &Container::default(), nodes);
                }
                (None, _) if has_default(node) && self.readers.leading.contains(node) => {
                    nodes.insert(node);
                }
                (None, _) => {}
            }
        }
    }

    /// Instances of a node below a place came, changed or, maybe, went. What is below `checked` is
    /// checked anyway.
    fn touched(&mut self, node: &'static Node, place: &'c [Step], gone: bool, checked: Option<&'c [Step]>) {
        let readers = self.readers;
        let Some(read) = readers.read.get(node) else { return };
        for reader in &read.conditions {
            let place = shared(place, reader.top);
            if Some(place) != checked {
                self.found.own.insert(Instances { node: reader.node, place });
            }
        }
        for reader in &read.whens {
            let place = shared(place, reader.top);
            let conditional = Instances { node: reader.node, place };
            if self.found.conditional.insert(conditional) {
                self.pending.push(conditional);
            }
        }
        for list in &read.uniques {
            self.found.lists.insert(Instances { node: list, place: above(place, list) });
        }
        if gone {
            for leaf in &read.leafrefs {
                self.found.own.insert(Instances { node: leaf, place: &[] });
            }
        }
    }

    /// A node and all that can be below it.
    fn whole(&mut self, node: &'static Node, place: &'c [Step]) {
        self.gone(place);
        self.whole_of(node, place);
    }

    fn whole_of(&mut self, node: &'static Node, place: &'c [Step]) {
        if self.readers.leading.contains(node) {
            self.touched(node, place, true, None);
            node.data.iter().for_each(|child| self.whole_of(child, place));
        }
    }

    /// The defaults of a choice come and go with the nodes of its cases.
    fn alternatives(&mut self, node: &'static Node, place: &'c [Step]) {
        for other in choosable(node) {
            if *other != node {
                self.whole(other, above(place, other));
            }
        }
    }

    fn gone(&mut self, place: &'c [Step]) {
        if !self.readers.identifies {
            return;
        }
        if self.found.gone.last() != Some(&place) {
            self.found.gone.push(place);
        }
        for leaf in &self.readers.identifiers {
            self.found.own.insert(Instances { node: leaf, place: &[] });
        }
    }
}

fn has_default(node: &Node) -> bool {
    matches!(node.kind, Kind::Leaf { default: Some(_), .. } | Kind::LeafList { .. })
}

/// The part of a place that leads to its instance of `top`; all of it if that is further below.
fn shared<'c>(place: &'c [Step], top: Option<&'static Node>) -> &'c [Step] {
    let Some(top) = top else { return &[] };
    let depth = place.iter().position(|step| step.node == top);
    depth.and_then(|depth| place.get(..=depth)).unwrap_or(place)
}

/// The part of a place that can have instances of a node below it.
fn above<'c>(place: &'c [Step], node: &'static Node) -> &'c [Step] {
    let depth = place.iter().position(|step| step.node.data_parent() == node.data_parent());
    depth.and_then(|depth| place.get(..depth)).unwrap_or(place)
}

/// The data nodes of the outermost choice that a node is in; none if it is in no choice.
pub fn choosable(node: &'static Node) -> &'static [&'static Node] {
    let dissolved = |node: &Node| matches!(node.kind, Kind::Choice { .. } | Kind::Case);
    let mut outermost: &'static [&'static Node] = &[];
    let mut above = node.parent.filter(|parent| dissolved(parent));
    while let Some(choice) = above {
        outermost = choice.data;
        above = choice.parent.filter(|parent| dissolved(parent));
    }
    outermost
}

/// Whether one of the choices that a node is in is mandatory.
fn in_mandatory_choice(node: &&'static Node) -> bool {
    let mut above = node.parent;
    while let Some(choice) = above.filter(|a| matches!(a.kind, Kind::Choice { .. } | Kind::Case)) {
        if choice.mandatory {
            return true;
        }
        above = choice.parent;
    }
    false
}

/// The ways to the nodes that the predicates of a leafref's path compare keys with: RFC 7950 section
/// 9.9.2 lets them only be reached from `current()`.
fn compared(path: &Expr, leaf: &'static Node, schema: &'static Schema) -> Vec<Way> {
    let Expr::Path(path) = path else { return Vec::new() };
    let mut found = Vec::new();
    for predicate in path.steps.iter().flat_map(|step| step.predicates.iter()) {
        from_current(predicate, leaf, schema, &mut found);
    }
    found
}

fn from_current(expr: &Expr, leaf: &'static Node, schema: &'static Schema, found: &mut Vec<Way>) {
    match expr {
        Expr::Binary(_, operands) => {
            operands.iter().for_each(|operand| from_current(operand, leaf, schema, found));
        }
        Expr::Path(Path { start: Start::Filter(primary, _), .. })
            if matches!(&primary[..], [Expr::Call(Function::Current, _)]) =>
        {
            found.extend(reach::reads(expr, Some(leaf), schema));
        }
        _ => {}
    }
}
