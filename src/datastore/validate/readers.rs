//! Which constraints can change their outcome when data changes.
//!
//! The answer is in terms of schema nodes and can name too many of them, but never too few.
//! Nothing here looks at what the constraints say.

use std::collections::{HashMap, HashSet};

use crate::datastore::diff::Change;
use crate::yang::schema::{Base, Kind, LeafRef, Node, Schema, Type};
use crate::yang::tree::Child;
use crate::yang::xpath::Expr;
use crate::yang::xpath::ast::{Axis, Function, NodeTest, Path, Start};

/// For schema nodes, the nodes whose constraints read them.
#[derive(Debug, Default)]
pub struct Readers {
    /// Nodes with a `must` that reads the key, or a leafref whose path compares with it.
    conditions: Map,
    /// Nodes with a `when` in effect that reads the key.
    whens: Map,
    /// Nodes whose leafref refers to the key.
    leafrefs: Map,
    /// Nodes whose instance-identifier has to refer to something.
    instances: Vec<&'static Node>,
    /// Lists with a `unique` that the key is a leaf of, or an ancestor of such a leaf.
    uniques: Map,
    /// Containers without presence and leafs with defaults that have constraints although they
    /// have no instance.
    demanding: HashSet<&'static Node>,
}

type Map = HashMap<&'static Node, Vec<&'static Node>>;

/// What has to be checked again.
#[derive(Debug, Default)]
pub struct Affected {
    /// Each instance by itself.
    pub own: Vec<&'static Node>,
    /// Whether it can be there, must be there, and what comes with it.
    pub conditional: Vec<&'static Node>,
    /// Lists whose entries have to be unique.
    pub lists: Vec<&'static Node>,
}

impl Readers {
    /// Collects the constraints of the configuration, in time proportional to the schema.
    pub fn new(schema: &'static Schema) -> Self {
        let mut readers = Readers::default();
        let top = schema.implemented().flat_map(|module| module.data).filter(|node| node.config);
        top.for_each(|node| {
            readers.collect(node, schema);
        });
        readers
    }

    /// Whether a node without an instance has constraints of its own or below it.
    pub fn demands(&self, node: &Node) -> bool {
        self.demanding.contains(node)
    }

    /// The lists with a `unique` that the node is a leaf of, or an ancestor of such a leaf.
    pub fn uniques(&self, node: &Node) -> &[&'static Node] {
        self.uniques.get(node).map_or(&[], Vec::as_slice)
    }

    /// Notes the constraints of a node and all below it; says whether it wants something even
    /// if it is not there.
    fn collect(&mut self, node: &'static Node, schema: &'static Schema) -> bool {
        for read in node.musts.iter().flat_map(|must| must.reads) {
            self.conditions.entry(read).or_default().push(node);
        }
        for read in node.conditions().flat_map(|when| when.reads) {
            self.whens.entry(read).or_default().push(node);
        }
        let ty = node.ty();
        for leafref in ty.map(leafrefs).unwrap_or_default() {
            self.leafrefs.entry(leafref.target).or_default().push(node);
            for read in compared(leafref.path, node, schema) {
                self.conditions.entry(read).or_default().push(node);
            }
        }
        let names_instances = ty.is_some_and(names_instances);
        if names_instances {
            self.instances.push(node);
        }
        let mut below = false;
        for child in node.data.iter().filter(|child| child.config) {
            below |= self.collect(child, schema);
        }
        let refers = names_instances || ty.is_some_and(|ty| !leafrefs(ty).is_empty());
        let demands = match node.kind {
            Kind::Container { presence: false } => {
                below || !node.musts.is_empty() || node.data.iter().any(in_mandatory_choice)
            }
            Kind::Leaf { default: Some(_), .. } => refers || !node.musts.is_empty(),
            Kind::LeafList { defaults: [_, ..], .. } => refers || !node.musts.is_empty(),
            Kind::List { uniques, entries, .. } => {
                for part in uniques.iter().flat_map(|unique| unique.leafs).copied().flatten() {
                    self.uniques.entry(part).or_default().push(node);
                }
                entries.min > 0
            }
            Kind::LeafList { entries, .. } => entries.min > 0,
            _ => node.mandatory,
        };
        if demands {
            self.demanding.insert(node);
        }
        demands
    }

    /// The constraints that the changes can have an effect on beyond the changed nodes.
    pub fn affected(&self, changes: &[Change]) -> Affected {
        let mut touched = Touched::default();
        for change in changes {
            if let Some(node) = change.node() {
                change.old.iter().for_each(|child| touched.below(node, child, true));
                change.new.iter().for_each(|child| touched.below(node, child, false));
                // Containers without presence come and go with what is in them.
                change.path.steps.iter().for_each(|step| touched.alternatives(step.node));
            }
        }
        // Where a condition changes, so can everything below it that is there by default.
        let mut conditional = HashSet::new();
        let mut lists = Vec::new();
        while let Some(node) = touched.pending.pop() {
            for reader in self.whens.get(node).into_iter().flatten() {
                if conditional.insert(*reader) {
                    touched.whole(reader);
                    touched.alternatives(reader);
                    lists.extend(self.uniques(reader));
                }
            }
        }
        let of = |nodes: &HashSet<&'static Node>, map: &Map| {
            nodes.iter().filter_map(|node| map.get(node)).flatten().copied().collect::<Vec<_>>()
        };
        let mut own = of(&touched.any, &self.conditions);
        own.extend(of(&touched.gone, &self.leafrefs));
        if !touched.gone.is_empty() {
            own.extend(&self.instances);
        }
        Affected { own: ordered(own), conditional: ordered(conditional), lists: ordered(lists) }
    }
}

/// Without duplicates, in an order that is the same in every run.
fn ordered(nodes: impl IntoIterator<Item = &'static Node>) -> Vec<&'static Node> {
    let mut nodes: Vec<&'static Node> = nodes.into_iter().collect();
    nodes.sort_by_key(|node| (node.module.name, node.index, node.name, std::ptr::from_ref(*node)));
    nodes.dedup();
    nodes
}

/// The schema nodes whose instances came, went or changed, those by default included.
#[derive(Default)]
struct Touched {
    any: HashSet<&'static Node>,
    /// Those of which an instance may have gone or changed: only that can leave a reference
    /// dangling.
    gone: HashSet<&'static Node>,
    /// Those of `any` whose readers were not looked up yet.
    pending: Vec<&'static Node>,
}

impl Touched {
    fn note(&mut self, node: &'static Node, gone: bool) {
        if self.any.insert(node) {
            self.pending.push(node);
        }
        // A value also takes the place of the default.
        if gone || matches!(node.kind, Kind::Leaf { default: Some(_), .. } | Kind::LeafList { .. }) {
            self.gone.insert(node);
        }
    }

    /// What a changed child has.
    fn below(&mut self, node: &'static Node, child: &Child, gone: bool) {
        self.note(node, gone);
        match child {
            Child::Container(container) => {
                container.iter().for_each(|(node, child)| self.below(node, child, gone));
            }
            Child::List(list) => list.iter().for_each(|entry| {
                entry.iter().for_each(|(node, child)| self.below(node, child, gone));
            }),
            Child::Leaf(_) | Child::LeafList(_) | Child::Any(_) => {}
        }
    }

    /// A node and all that can be below it.
    fn whole(&mut self, node: &'static Node) {
        self.note(node, true);
        node.data.iter().for_each(|child| self.whole(child));
    }

    /// The defaults of a choice come and go with the nodes of its cases.
    fn alternatives(&mut self, node: &'static Node) {
        for other in choosable(node) {
            if *other != node {
                self.whole(other);
            }
        }
    }
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

/// The leafrefs of a type, those in a union included.
fn leafrefs(ty: &'static Type) -> Vec<&'static LeafRef> {
    match &ty.base {
        Base::LeafRef(leafref) => vec![leafref],
        Base::Union(members) => members.iter().flat_map(|member| leafrefs(member)).collect(),
        _ => Vec::new(),
    }
}

fn names_instances(ty: &'static Type) -> bool {
    match &ty.base {
        Base::InstanceIdentifier { require_instance } => *require_instance,
        Base::LeafRef(leafref) => names_instances(leafref.real),
        Base::Union(members) => members.iter().any(|member| names_instances(member)),
        _ => false,
    }
}

/// The nodes that the predicates of a leafref's path compare keys with: RFC 7950 section 9.9.2
/// lets them only be reached from `current()`.
fn compared(path: &Expr, leaf: &'static Node, schema: &'static Schema) -> Vec<&'static Node> {
    let Expr::Path(path) = path else { return Vec::new() };
    let mut found = Vec::new();
    for predicate in path.steps.iter().flat_map(|step| step.predicates.iter()) {
        from_current(predicate, leaf, schema, &mut found);
    }
    found
}

fn from_current(expr: &Expr, leaf: &'static Node, schema: &'static Schema, found: &mut Vec<&'static Node>) {
    match expr {
        Expr::Binary(_, operands) => {
            operands.iter().for_each(|operand| from_current(operand, leaf, schema, found));
        }
        Expr::Path(Path { start: Start::Filter(primary, _), steps })
            if matches!(&primary[..], [Expr::Call(Function::Current, _)]) =>
        {
            // `None` is the root.
            let mut at = Some(leaf);
            for step in steps.iter() {
                match (step.axis, &step.test) {
                    (Axis::Parent, _) => at = at.and_then(Node::data_parent),
                    (Axis::Child, NodeTest::Name { module, name }) => {
                        let Some(module) = schema.module(module) else { return };
                        let child = match at {
                            Some(node) => node.child(module, name),
                            None => module.data.iter().copied().find(|node| node.name == name),
                        };
                        let Some(child) = child else { return };
                        found.push(child);
                        at = Some(child);
                    }
                    _ => return,
                }
            }
        }
        _ => {}
    }
}
