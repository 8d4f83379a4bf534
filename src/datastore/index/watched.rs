//! What of a schema an index has to hold: leafs that refer or are referred to, and `unique`.
//!
//! Made once for a schema; nothing here looks at data.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::ops::Range;

use crate::yang::schema::{Base, Kind, LeafRef, Node, Schema, Type};
use crate::yang::tree::Container;
use crate::yang::types::{self, ModuleNames};
use crate::yang::value::Value;
use crate::yang::xpath::ast::{Axis, Expr, Function, Path, Start};
use crate::yang::xpath::case_chosen;

/// What an index holds for configuration of one schema.
#[derive(Debug, Default)]
pub struct Watched {
    /// The schema.
    schema: Option<&'static Schema>,
    /// What digests are made with.
    hashers: [RandomState; 2],
    /// Leafs and leaf-lists that refer or are referred to.
    leafs: HashMap<&'static Node, Leaf>,
    /// All leafrefs that require an instance, and all leafs with an instance-identifier that does.
    links: Vec<Link>,
    /// Each `unique`, those of one list together.
    uniques: Vec<Unique>,
    /// For a list, its `unique` statements among them.
    lists: HashMap<&'static Node, Range<usize>>,
    /// For a node, the nodes directly below that are watched or lead to such; `None` is the root.
    ways: HashMap<Option<&'static Node>, Vec<&'static Node>>,
}

/// What stands for values in a table. The hashes have keys of their own in every process, so that
/// nobody can find values with the same digest.
pub type Digest = [u32; 3];

/// A leaf or leaf-list that is watched.
#[derive(Debug, Default)]
pub struct Leaf {
    /// Its values when it has no instance; empty if a `when` decides about that too.
    pub defaults: Vec<Value>,
    /// The numbers under which the values that it has are kept for look-ups, and how many keys it then
    /// has to have in common with who refers to it.
    pub kept: Vec<(usize, usize)>,
    /// The links that refer to it.
    pub referring: Vec<usize>,
    /// The links that it is the beginning of.
    pub links: Vec<usize>,
}

/// One way in which the values of a leaf refer.
#[derive(Debug)]
pub struct Link {
    /// The leaf or leaf-list that refers.
    pub leaf: &'static Node,
    /// Its leafref; `None` if it is an instance-identifier.
    pub leafref: Option<&'static LeafRef>,
    /// How a value is found to be there.
    pub forward: Forward,
    /// How many key values the referring and the referred leaf have in common: those of the
    /// lists down to the node where the path turns from `..` to children.
    pub shared: usize,
    /// Whether which references there are depends on conditions, so that they are not indexed.
    pub scanned: bool,
}

/// How a leafref is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// By evaluating its path, which is a look-up if keys are compared.
    Path,
    /// By looking for the value among those of all instances below one node: the path has no
    /// predicates. The steps are the levels from the leaf up to that node, all of them for the root.
    Values(Option<usize>),
}

/// A `unique` of a list.
#[derive(Debug)]
pub struct Unique {
    /// The list.
    pub list: &'static Node,
    /// Which of its `unique` statements.
    pub statement: usize,
    /// Whether a default depends on conditions, so that its entries are not indexed.
    pub scanned: bool,
    /// The leafs.
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    chain: &'static [&'static Node],
    default: Option<Value>,
    /// Values of different members can have the same text.
    union: bool,
}

impl Watched {
    /// What is watched in configuration of this schema.
    pub fn new(schema: &'static Schema) -> Self {
        let mut watched = Watched { schema: Some(schema), ..Watched::default() };
        let top: Vec<_> =
            schema.implemented().flat_map(|m| m.data).copied().filter(|node| node.config).collect();
        top.iter().for_each(|node| watched.collect(node, schema));
        for (number, link) in watched.links.iter().enumerate() {
            let Some(leafref) = link.leafref else { continue };
            let target = watched.leafs.entry(leafref.target).or_default();
            target.referring.push(number);
            let known = target.kept.iter().any(|(_, shared)| *shared == link.shared);
            if matches!(link.forward, Forward::Values(_)) && !known {
                target.kept.push((number, link.shared));
            }
        }
        for (node, leaf) in &mut watched.leafs {
            leaf.defaults = if is_conditional(node) { Vec::new() } else { defaults(node, schema) };
        }
        let wanted: HashSet<&Node> =
            watched.leafs.keys().copied().chain(watched.uniques.iter().map(|unique| unique.list)).collect();
        let mut ways = HashMap::new();
        note_ways(None, &top, &wanted, &mut ways);
        watched.ways = ways;
        watched
    }

    fn collect(&mut self, node: &'static Node, schema: &'static Schema) {
        let mut links = Vec::new();
        if let Some(ty) = node.ty() {
            let scanned = is_conditional(node);
            for leafref in leafrefs(ty).into_iter().filter(|leafref| leafref.require_instance) {
                let (forward, shared) = forward(node, leafref);
                links.push(Link { leaf: node, leafref: Some(leafref), forward, shared, scanned });
            }
            if names_instances(ty) {
                let (leafref, forward) = (None, Forward::Path);
                links.push(Link { leaf: node, leafref, forward, shared: 0, scanned });
            }
        }
        for link in links {
            self.leafs.entry(node).or_default().links.push(self.links.len());
            self.links.push(link);
        }
        if let Kind::List { uniques: uniques @ [_, ..], .. } = node.kind {
            let first = self.uniques.len();
            self.lists.insert(node, first..first + uniques.len());
            for (statement, unique) in uniques.iter().enumerate() {
                let parts: Vec<Part> =
                    unique.leafs.iter().filter_map(|chain| Part::new(chain, schema)).collect();
                let scanned =
                    unique.leafs.iter().any(|chain| chain.last().is_some_and(|l| is_conditional(l)));
                self.uniques.push(Unique { list: node, statement, scanned, parts });
            }
        }
        node.data.iter().filter(|child| child.config).for_each(|child| self.collect(child, schema));
    }

    /// A leaf or leaf-list, if it is watched.
    pub fn leaf(&self, node: &Node) -> Option<&Leaf> {
        self.leafs.get(node)
    }

    /// What stands for these values in tables.
    pub fn digest(&self, values: &[Value]) -> Digest {
        self.digest_all(None, values.iter())
    }

    /// What stands for the entry of a list with these keys.
    pub fn digest_in(&self, list: &'static Node, keys: &[Value]) -> Digest {
        self.digest_all(Some(list), keys.iter())
    }

    /// What stands for a value below these keys.
    pub fn digest_of(&self, keys: &[Value], value: &Value) -> Digest {
        self.digest_all(None, keys.iter().chain([value]))
    }

    fn digest_all<'v>(&self, list: Option<&'static Node>, values: impl Iterator<Item = &'v Value>) -> Digest {
        let mut hashers = self.hashers.each_ref().map(RandomState::build_hasher);
        hashers.iter_mut().for_each(|hasher| list.hash(hasher));
        for value in values {
            for hasher in &mut hashers {
                std::mem::discriminant(value).hash(hasher);
                match value {
                    Value::String(text) => text.hash(hasher),
                    value => value.canonical().hash(hasher),
                }
            }
        }
        let [first, second] = hashers.map(|hasher| hasher.finish());
        [(first >> 32) as u32, first as u32, second as u32]
    }

    /// All links; their numbers are their places.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The link that a leafref of a leaf is, with its number.
    pub fn link(&self, leaf: &Node, leafref: &LeafRef) -> Option<(usize, &Link)> {
        let numbers = self.leafs.get(leaf).map_or(&[][..], |leaf| &leaf.links);
        let links = numbers.iter().filter_map(|number| Some((*number, self.links.get(*number)?)));
        links.into_iter().find(|(_, link)| link.leafref.is_some_and(|l| std::ptr::eq(l, leafref)))
    }

    /// What a value of a link's leaf refers to, in the form in which it is there; `None` if it is of
    /// another member of a union or depends on conditions.
    pub fn wanted(&self, link: usize, value: &Value) -> Option<Value> {
        let link = self.links.get(link).filter(|link| !link.scanned)?;
        match (link.leafref, link.leaf.ty().map(|ty| &ty.base)) {
            (None, _) => matches!(value, Value::Instance(_)).then(|| value.clone()),
            (Some(leafref), Some(Base::Union(_))) => {
                let names = ModuleNames(self.schema?);
                types::parse(leafref.real, &value.canonical(), &names, link.leaf.module).ok()
            }
            (Some(_), _) => Some(value.clone()),
        }
    }

    /// Each `unique`; their numbers are their places.
    pub fn uniques(&self) -> &[Unique] {
        &self.uniques
    }

    /// The `unique` statements of a list, with their numbers.
    pub fn uniques_of(&self, list: &Node) -> impl Iterator<Item = (usize, &Unique)> {
        let range = self.lists.get(list).cloned().unwrap_or_default();
        range.filter_map(|number| Some((number, self.uniques.get(number)?)))
    }

    /// The nodes below `parent` (`None`: the root) that are watched or lead to such.
    pub fn ways(&self, parent: Option<&'static Node>) -> &[&'static Node] {
        self.ways.get(&parent).map_or(&[], Vec::as_slice)
    }
}

impl Unique {
    /// The leafs and the containers on the way to them.
    pub fn nodes(&self) -> impl Iterator<Item = &'static Node> {
        self.parts.iter().flat_map(|part| part.chain).copied()
    }

    /// The values of the leafs below an entry, in one form whatever member of a union they are of;
    /// `None` if one is not there (RFC 7950 section 7.8.3).
    pub fn values(&self, entry: &Container) -> Option<Vec<Value>> {
        let empty = Container::default();
        let value = |part: &Part| {
            let (leaf, above) = part.chain.split_last()?;
            let mut at = entry;
            for container in above {
                at = inner(at, container, &empty)?;
            }
            let value = match at.leaf(leaf) {
                Some(value) => value,
                None => part.default.as_ref().filter(|_| case_chosen(Some(at), leaf))?,
            };
            Some(if part.union { Value::string(value.canonical()) } else { value.clone() })
        };
        self.parts.iter().map(value).collect()
    }
}

impl Part {
    fn new(chain: &'static [&'static Node], schema: &'static Schema) -> Option<Part> {
        let leaf = chain.last()?;
        let default = defaults(leaf, schema).into_iter().next();
        Some(Part { chain, default, union: leaf.ty().is_some_and(is_union) })
    }
}

/// A container below `parent`; one without presence is there if its case is chosen.
pub fn inner<'c>(parent: &'c Container, node: &'static Node, empty: &'c Container) -> Option<&'c Container> {
    match (parent.container(node), &node.kind) {
        (Some(inner), _) => Some(inner),
        (None, Kind::Container { presence: false }) if case_chosen(Some(parent), node) => Some(empty),
        _ => None,
    }
}

/// The leafrefs of a type, those in a union included.
pub fn leafrefs(ty: &'static Type) -> Vec<&'static LeafRef> {
    match &ty.base {
        Base::LeafRef(leafref) => vec![leafref],
        Base::Union(members) => members.iter().flat_map(|member| leafrefs(member)).collect(),
        _ => Vec::new(),
    }
}

/// Whether a type has instance-identifiers that require an instance.
pub fn names_instances(ty: &'static Type) -> bool {
    match &ty.base {
        Base::InstanceIdentifier { require_instance } => *require_instance,
        Base::LeafRef(leafref) => names_instances(leafref.real),
        Base::Union(members) => members.iter().any(|member| names_instances(member)),
        _ => false,
    }
}

/// The nodes from one up to the top, itself included.
fn lineage(node: &'static Node) -> impl Iterator<Item = &'static Node> {
    std::iter::successors(Some(node), |node| node.data_parent())
}

/// Whether a `when` decides if a default of the leaf is in use: its own, or one of a container
/// without presence that it is in.
pub fn is_conditional(leaf: &'static Node) -> bool {
    let has_default = match leaf.kind {
        Kind::Leaf { default, .. } => default.is_some(),
        Kind::LeafList { defaults, .. } => !defaults.is_empty(),
        _ => false,
    };
    let by_default = |node: &&Node| matches!(node.kind, Kind::Container { presence: false });
    let above = leaf.data_parent().into_iter().flat_map(lineage).take_while(by_default);
    has_default && std::iter::once(leaf).chain(above).any(|node| node.conditions().next().is_some())
}

fn defaults(leaf: &'static Node, schema: &'static Schema) -> Vec<Value> {
    let parse = |ty, text: &&str| types::parse(ty, text, &ModuleNames(schema), leaf.module).ok();
    match leaf.kind {
        Kind::Leaf { ty, default, .. } => default.iter().filter_map(|text| parse(ty, text)).collect(),
        Kind::LeafList { ty, defaults, .. } => defaults.iter().filter_map(|text| parse(ty, text)).collect(),
        _ => Vec::new(),
    }
}

fn is_union(ty: &'static Type) -> bool {
    match &ty.base {
        Base::Union(_) => true,
        Base::LeafRef(leafref) => is_union(leafref.real),
        _ => false,
    }
}

/// How a leafref of a leaf is followed, and how many key values both ends have in common.
fn forward(leaf: &'static Node, leafref: &'static LeafRef) -> (Forward, usize) {
    let Expr::Path(Path { start, steps }) = leafref.path else { return (Forward::Path, 0) };
    let up = steps.iter().take_while(|step| step.axis == Axis::Parent && step.predicates.is_empty()).count();
    // The node where the path turns, and its level above the leaf.
    let turn = match start {
        Start::Root if up == 0 => None,
        Start::Context => lineage(leaf).nth(up),
        Start::Filter(primary, predicates)
            if predicates.is_empty() && matches!(&primary[..], [Expr::Call(Function::Current, _)]) =>
        {
            lineage(leaf).nth(up)
        }
        Start::Root | Start::Filter(..) => return (Forward::Path, 0),
    };
    let shared = turn.into_iter().flat_map(lineage).map(|node| node.keys().len()).sum();
    let target = leafref.target;
    let plain = steps.iter().skip(up).all(|step| step.axis == Axis::Child && step.predicates.is_empty());
    let between: Vec<&Node> = lineage(target).skip(1).take_while(|node| Some(*node) != turn).collect();
    let is_look_up = target.is_key()
        && between.split_first().is_some_and(|(entry, above)| {
            entry.keys().len() == 1 && above.iter().all(|node| matches!(node.kind, Kind::Container { .. }))
        });
    if !plain || is_look_up || !target.config || is_conditional(target) {
        return (Forward::Path, shared);
    }
    (Forward::Values(turn.map(|_| up)), shared)
}

fn note_ways(
    parent: Option<&'static Node>,
    nodes: &[&'static Node],
    wanted: &HashSet<&Node>,
    ways: &mut HashMap<Option<&'static Node>, Vec<&'static Node>>,
) -> bool {
    let leads = |node: &&&'static Node| {
        let below = note_ways(Some(node), node.data, wanted, ways);
        node.config && (below || wanted.contains(**node))
    };
    let found: Vec<&'static Node> = nodes.iter().filter(leads).copied().collect();
    let any = !found.is_empty();
    if any {
        ways.insert(parent, found);
    }
    any
}
