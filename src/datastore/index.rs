//! A configuration with look-up tables beside it, so that validating an edit costs what the edit
//! touches: where the values are that leafrefs refer to, who refers to them, and which list
//! entries have the same values in the leafs of a `unique`.
//!
//! The tables are persistent like the tree. A default counts as the value of its leaf (RFC 7950
//! sections 7.8.3 and 9.9), unless a `when` has a say in that: such leafs are not in the tables.
//! Nothing here says what is valid.

pub mod watched;

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use self::watched::{Digest, Leaf, Link, Watched, inner};
use super::diff::{Change, diff};
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::{Child, Container, Key, List};
use crate::yang::value::Value;
use crate::yang::xpath::case_chosen;

/// A configuration that can be edited and validated at a cost that does not grow with it.
#[derive(Debug, Clone)]
pub struct Configuration {
    content: Arc<Container>,
    index: Index,
}

/// The look-up tables of a configuration. An instance of a leaf is named by the keys of all list
/// entries that it is in, from the top. Most rows are plain numbers: to change one copies some of its
/// neighbours, and what these refer to would have to be touched.
#[derive(Debug, Clone)]
pub(super) struct Index {
    watched: Arc<Watched>,
    /// For the number of a leaf that is referred to, a value that it has with the keys that it has to
    /// have in common with who refers to it, and where.
    values: OrdSet<Row>,
    /// For the number of a leafref, a value that it has to find with such keys, and where it is.
    references: OrdSet<Row>,
    /// For the number of a `unique`, the keys above the list with the values of the leafs, and where
    /// the entry is.
    uniques: OrdSet<Row>,
    /// For the number of an instance-identifier, what it leads to, and where it is.
    identifiers: OrdSet<(u32, Arc<InstancePath>, Key)>,
    /// The keys that stand for a place, of all places that rows can name.
    places: OrdMap<Digest, Key>,
}

/// A number, what stands for values, and what stands for the keys of a place.
type Row = (u32, Digest, Digest);

/// What a change of the configuration did to what is indexed.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Leafs that no longer have a value, and where.
    pub gone: Vec<(&'static Node, Value, Key)>,
    /// Numbers of `unique` with the combinations of values that entries got.
    pub combined: BTreeSet<Combination>,
}

/// The number of a `unique`, and the keys above a list with the values of the leafs in an entry.
pub(super) type Combination = (u32, Vec<Value>);

impl Configuration {
    /// The empty configuration. It has values too: the defaults at the top.
    pub fn empty(watched: Arc<Watched>) -> Self {
        let mut index = Index {
            watched,
            values: OrdSet::new(),
            references: OrdSet::new(),
            uniques: OrdSet::new(),
            identifiers: OrdSet::new(),
            places: OrdMap::new(),
        };
        index.places.insert(Digest::default(), Key::new(Vec::new()));
        let content = Arc::default();
        index.update(None, &content, &[]);
        Configuration { content, index }
    }

    /// The configuration.
    pub fn content(&self) -> &Arc<Container> {
        &self.content
    }

    /// With another content, at the cost of the difference: `changes` are all changes between the
    /// two. Whether it is valid is not asked.
    pub fn changed(&self, content: Arc<Container>, changes: &[Change]) -> Configuration {
        self.follow(content, changes).0
    }

    /// With another content, whatever the difference is.
    pub fn replaced(&self, content: Arc<Container>) -> Configuration {
        let changes = diff(&self.content, &content);
        self.changed(content, &changes)
    }

    pub(super) fn follow(&self, content: Arc<Container>, changes: &[Change]) -> (Configuration, Effects) {
        let mut index = self.index.clone();
        let effects = index.update(Some(&self.content), &content, changes);
        (Configuration { content, index }, effects)
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }
}

impl PartialEq for Configuration {
    /// Same content and same tables.
    fn eq(&self, other: &Self) -> bool {
        self.content == other.content
            && self.index.values == other.index.values
            && self.index.references == other.index.references
            && self.index.uniques == other.index.uniques
            && self.index.identifiers == other.index.identifiers
            && self.index.places == other.index.places
    }
}

impl Index {
    fn update(&mut self, old: Option<&Container>, new: &Container, changes: &[Change]) -> Effects {
        let watched = self.watched.clone();
        let (empty, top) = (Container::default(), Key::new(Vec::new()));
        let mut update =
            Update { watched: &watched, index: self, effects: Effects::default(), empty: &empty };
        let top = Place { keys: &top, digest: Digest::default() };
        update.below(None, top, old, Some(new), (changes, 0));
        update.effects
    }

    pub(super) fn watched(&self) -> &Watched {
        &self.watched
    }

    /// Whether the leaf that a link refers to by its values has this one below the keys that both have
    /// in common.
    pub(super) fn has_value(&self, link: &Link, value: &Value, keys: &[Value]) -> bool {
        let target = link.leafref.and_then(|leafref| self.watched.leaf(leafref.target));
        let mut kept = target.into_iter().flat_map(|leaf| &leaf.kept);
        let digest = self.watched.digest_of(keys, value);
        let found = kept.find(|(_, shared)| *shared == link.shared);
        found.is_some_and(|(name, _)| rows(&self.values, number(*name), digest).next().is_some())
    }

    /// Where below these keys a link refers to the value.
    pub(super) fn referring(&self, link: usize, value: &Value, keys: &[Value]) -> impl Iterator<Item = &Key> {
        self.keys(&self.references, number(link), self.watched.digest_of(keys, value))
    }

    /// The entries that have a combination of values: all keys from the top.
    pub(super) fn alike(&self, combination: &Combination) -> impl Iterator<Item = &Key> {
        self.keys(&self.uniques, combination.0, self.watched.digest(&combination.1))
    }

    fn keys<'s>(
        &'s self,
        of: &'s OrdSet<Row>,
        number: u32,
        digest: Digest,
    ) -> impl Iterator<Item = &'s Key> + use<'s> {
        rows(of, number, digest).filter_map(|place| self.places.get(&place))
    }

    /// Where the instance-identifiers of a link lead to a node or below it, and where they are.
    pub(super) fn leading_to(
        &self,
        link: usize,
        path: &[Step],
    ) -> impl Iterator<Item = (&InstancePath, &Key)> {
        let (last, above) = path.split_last().map_or((None, path), |(last, above)| (Some(last), above));
        let low = (number(link), Arc::new(InstancePath { steps: path.to_vec() }), Key::new(Vec::new()));
        let is_below = move |path: &InstancePath| {
            let Some(last) = last else { return true };
            path.steps.starts_with(above)
                && path.steps.get(above.len()).is_some_and(|step| {
                    // A step without key means all entries.
                    let all = last.selector == Selector::None;
                    step.node == last.node && (all || step.selector == last.selector)
                })
        };
        let range = (Bound::Included(&low), Bound::Unbounded);
        let found = self.identifiers.range::<_, (u32, Arc<InstancePath>, Key)>(range);
        found
            .take_while(move |(of, path, _)| *of == number(link) && is_below(path))
            .map(|(_, path, keys)| (path.as_ref(), keys))
    }
}

fn number(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// The places in the rows of a number and a digest.
fn rows(rows: &OrdSet<Row>, number: u32, digest: Digest) -> impl Iterator<Item = Digest> + use<'_> {
    let low = (number, digest, Digest::default());
    let found = rows.range::<_, Row>((Bound::Included(&low), Bound::Unbounded));
    found.take_while(move |row| row.0 == number && row.1 == digest).map(|row| row.2)
}

fn change<R: Ord + Clone>(rows: &mut OrdSet<R>, row: R, gone: bool) {
    if gone {
        rows.remove(&row);
    } else {
        rows.insert(row);
    }
}

/// Brings an index from one content to the next.
struct Update<'a> {
    watched: &'a Watched,
    index: &'a mut Index,
    effects: Effects,
    empty: &'a Container,
}

/// A place that rows can name: the root or a list entry.
#[derive(Clone, Copy)]
struct Place<'k> {
    /// The keys of all list entries down to it.
    keys: &'k Key,
    /// What stands for them, different for each list.
    digest: Digest,
}

/// A place before and after; `None` where it does not exist.
type Side<'c> = Option<&'c Container>;

impl Update<'_> {
    /// Everything below a node (`None`: the root) in a place. `changes` are those below it,
    /// at paths that go on from the depth; they name the list entries to look at.
    fn below(
        &mut self,
        parent: Option<&'static Node>,
        place: Place<'_>,
        old: Side<'_>,
        new: Side<'_>,
        (changes, depth): (&[Change], usize),
    ) {
        let watched = self.watched;
        for node in watched.ways(parent) {
            match node.kind {
                Kind::Container { .. } => {
                    let empty = self.empty;
                    let (old, new) =
                        (old.and_then(|c| inner(c, node, empty)), new.and_then(|c| inner(c, node, empty)));
                    let same = match (old, new) {
                        (Some(old), Some(new)) => std::ptr::eq(old, new),
                        (None, None) => true,
                        _ => false,
                    };
                    if !same {
                        self.below(Some(node), place, old, new, (below(changes, depth, node), depth + 1));
                    }
                }
                Kind::List { .. } => {
                    let (old, new) = (old.and_then(|c| c.list(node)), new.and_then(|c| c.list(node)));
                    self.list(node, place, (old, new), (changes, depth));
                }
                _ => {
                    if let Some(leaf) = watched.leaf(node) {
                        self.leaf(node, leaf, place, old, new);
                    }
                }
            }
        }
    }

    fn list(
        &mut self,
        node: &'static Node,
        place: Place<'_>,
        (old, new): (Option<&List>, Option<&List>),
        (changes, depth): (&[Change], usize),
    ) {
        match (old, new) {
            (Some(old), Some(new)) => {
                let changes = below(changes, depth, node);
                for changes in changes.chunk_by(|a, b| a.path.steps.get(depth) == b.path.steps.get(depth)) {
                    let step = changes.first().and_then(|change| change.path.steps.get(depth));
                    // Without a key it is the order of the list that changed.
                    let Some(Step { selector: Selector::Key(key), .. }) = step else { continue };
                    // An entry that came or went is in its change.
                    let whole = if let [change] = changes { change.whole(depth + 1) } else { None };
                    let (old, new) = match whole {
                        Some((old, new)) => (old.cloned(), new.cloned()),
                        None => (old.get(node, key), new.get(node, key)),
                    };
                    self.entry(node, key, place, (old.as_deref(), new.as_deref()), (changes, depth + 1));
                }
            }
            (Some(old), None) => each_entry(old, &mut |key, entry| {
                self.entry(node, key, place, (Some(entry), None), (&[], 0));
            }),
            (None, Some(new)) => each_entry(new, &mut |key, entry| {
                self.entry(node, key, place, (None, Some(entry)), (&[], 0));
            }),
            (None, None) => {}
        }
    }

    fn entry(
        &mut self,
        node: &'static Node,
        key: &Key,
        above: Place<'_>,
        (old, new): (Side<'_>, Side<'_>),
        changes: (&[Change], usize),
    ) {
        let above = above.keys.values();
        let keys = match above {
            [] => key.clone(),
            above => Key::new(above.iter().chain(key.values()).cloned().collect()),
        };
        let place = Place { keys: &keys, digest: self.watched.digest_in(node, keys.values()) };
        match (old, new) {
            (None, Some(_)) => {
                self.index.places.insert(place.digest, keys.clone());
            }
            (Some(_), None) => {
                self.index.places.remove(&place.digest);
            }
            _ => {}
        }
        for (unique, watched) in self.watched.uniques_of(node).filter(|(_, unique)| !unique.scanned) {
            let values = |entry: Side<'_>| entry.and_then(|entry| watched.values(entry));
            let (before, after) = (values(old), values(new));
            if before == after {
                continue;
            }
            for (values, gone) in [(before, true), (after, false)] {
                let Some(values) = values else { continue };
                let combination: Combination =
                    (number(unique), above.iter().cloned().chain(values).collect());
                let digest = self.watched.digest(&combination.1);
                change(&mut self.index.uniques, (combination.0, digest, place.digest), gone);
                if !gone {
                    self.effects.combined.insert(combination);
                }
            }
        }
        self.below(Some(node), place, old, new, changes);
    }

    fn leaf(&mut self, node: &'static Node, leaf: &Leaf, place: Place<'_>, old: Side<'_>, new: Side<'_>) {
        let (old, new) = (values(node, leaf, old), values(node, leaf, new));
        if std::ptr::eq(old, new) || old == new {
            return;
        }
        let (before, after): (BTreeSet<&Value>, BTreeSet<&Value>) =
            (old.iter().collect(), new.iter().collect());
        for value in before.difference(&after) {
            self.value(node, leaf, value, place, true);
        }
        for value in after.difference(&before) {
            self.value(node, leaf, value, place, false);
        }
    }

    fn value(&mut self, node: &'static Node, leaf: &Leaf, value: &Value, place: Place<'_>, gone: bool) {
        let watched = self.watched;
        let keys = place.keys;
        let digest = |shared: usize, value: &Value| {
            watched.digest_of(keys.values().get(..shared).unwrap_or_default(), value)
        };
        for (name, shared) in &leaf.kept {
            change(&mut self.index.values, (number(*name), digest(*shared, value), place.digest), gone);
        }
        for number_of in &leaf.links {
            let Some(link) = watched.links().get(*number_of) else { continue };
            match watched.wanted(*number_of, value) {
                Some(Value::Instance(path)) if link.leafref.is_none() => {
                    change(&mut self.index.identifiers, (number(*number_of), path, keys.clone()), gone);
                }
                Some(wanted) => {
                    let row = (number(*number_of), digest(link.shared, &wanted), place.digest);
                    change(&mut self.index.references, row, gone);
                }
                None => {}
            }
        }
        if gone && !leaf.referring.is_empty() {
            self.effects.gone.push((node, value.clone(), keys.clone()));
        }
    }
}

/// The values of a leaf or leaf-list below its parent, the defaults if it has no instance.
fn values<'v>(node: &'static Node, leaf: &'v Leaf, parent: Side<'v>) -> &'v [Value] {
    match parent.map(|parent| (parent, parent.get(node))) {
        Some((_, Some(Child::Leaf(value)))) => std::slice::from_ref(value),
        Some((_, Some(Child::LeafList(values)))) => values,
        Some((parent, None)) if !leaf.defaults.is_empty() && case_chosen(Some(parent), node) => {
            &leaf.defaults
        }
        _ => &[],
    }
}

/// The changes at paths that lead through the node at the depth.
fn below<'c>(changes: &'c [Change], depth: usize, node: &Node) -> &'c [Change] {
    let through = |change: &Change| change.path.steps.get(depth).is_some_and(|step| step.node == node);
    let first = changes.iter().position(through).unwrap_or(changes.len());
    let rest = changes.get(first..).unwrap_or_default();
    // Changes are in schema order, so those of one node stand together.
    let count = rest.iter().position(|change| !through(change)).unwrap_or(rest.len());
    rest.get(..count).unwrap_or_default()
}

fn each_entry(list: &List, visit: &mut dyn FnMut(&Key, &Container)) {
    match list {
        List::Sorted(map) => map.iter().for_each(|(key, entry)| visit(key, entry)),
        List::User(user) => user.iter().for_each(|(key, entry)| visit(key, entry)),
        // Configuration has no others.
        List::Sequence(_) | List::State(_) => {}
    }
}
