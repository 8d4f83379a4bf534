//! The difference between two trees, found without visiting what they share.
//!
//! A difference is a list of changed nodes with their paths; nothing here decides what a
//! change means.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::{Child, Container, Key, List};

/// A node that was created, deleted or has another value.
///
/// What is below a created or deleted node is not listed. A list entry is
/// [`Child::Container`], a leaf-list is compared as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where.
    pub path: InstancePath,
    /// What was there.
    pub old: Option<Child>,
    /// What is there.
    pub new: Option<Child>,
}

/// A container or entry before or after; `None` where it is not there.
pub type Side<'c> = Option<&'c Arc<Container>>;

impl Change {
    /// The node that changed. A change always has one.
    pub fn node(&self) -> Option<&'static Node> {
        self.path.node()
    }

    /// What was there and what is there, if it is a container or entry as a whole at so many steps from the root.
    pub fn whole(&self, steps: usize) -> Option<(Side<'_>, Side<'_>)> {
        fn whole(child: &Option<Child>) -> Option<Side<'_>> {
            match child {
                None => Some(None),
                Some(Child::Container(container)) => Some(Some(container)),
                Some(_) => None,
            }
        }
        if self.path.steps.len() != steps {
            return None;
        }
        whole(&self.old).zip(whole(&self.new))
    }
}

/// All changes from `old` to `new`, in schema order.
pub fn diff(old: &Container, new: &Container) -> Vec<Change> {
    let mut changes = Vec::new();
    containers(old, new, &InstancePath::default(), None, &mut changes);
    changes
}

/// More ways than these are not followed one by one, which would cost their square: what is shared is skipped instead.
const WAYS_MAX: usize = 64;

/// All changes from `old` to `new`, which was made of it by edits of these nodes. What the edits do not
/// lead to is not looked at.
pub fn diff_along<'e>(
    old: &Container,
    new: &Container,
    edited: impl Iterator<Item = &'e InstancePath>,
) -> Vec<Change> {
    let ways: Vec<&[Step]> = edited.map(|path| &path.steps[..]).collect();
    let ways =
        Some(&ways[..]).filter(|ways| ways.len() <= WAYS_MAX && ways.iter().all(|way| !way.is_empty()));
    let mut changes = Vec::new();
    containers(old, new, &InstancePath::default(), ways, &mut changes);
    changes
}

/// The ways that edits took on from a place; `None` if everything there can have changed.
type Ways<'w, 'e> = Option<&'w [&'e [Step]]>;

/// The ways on from an instance of a node below the place; none if an edit ended there. A node that
/// no edit led to can have gone with the case of a choice.
fn beyond<'e>(ways: Ways<'_, 'e>, through: impl Fn(&Step) -> bool) -> Option<Vec<&'e [Step]>> {
    let split = ways?.iter().filter_map(|way| way.split_first());
    let rests: Vec<&[Step]> = split.filter(|(step, _)| through(step)).map(|(_, rest)| rest).collect();
    Some(rests).filter(|rests| !rests.is_empty() && rests.iter().all(|rest| !rest.is_empty()))
}

fn containers(
    old: &Container,
    new: &Container,
    path: &InstancePath,
    ways: Ways<'_, '_>,
    changes: &mut Vec<Change>,
) {
    let (mut olds, mut news) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (olds.peek(), news.peek()) {
            (None, None) => return,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.index.cmp(&b.index),
        };
        let before = if order.is_le() { olds.next() } else { None };
        let after = if order.is_ge() { news.next() } else { None };
        let Some(node) = before.or(after).map(|(node, _)| node) else { return };
        child(node, before.map(|b| b.1), after.map(|a| a.1), path, ways, changes);
    }
}

fn child(
    node: &'static Node,
    old: Option<&Child>,
    new: Option<&Child>,
    path: &InstancePath,
    ways: Ways<'_, '_>,
    changes: &mut Vec<Change>,
) {
    // An edit of another case deletes what is here, and a later one can begin it anew.
    let in_choice = matches!(node.parent.map(|p| &p.kind), Some(Kind::Choice { .. } | Kind::Case));
    let ways = ways.filter(|ways| ways.len() == 1 || !in_choice);
    match (old, new) {
        (Some(Child::Container(old)), Some(Child::Container(new))) if Arc::ptr_eq(old, new) => {}
        (Some(Child::Container(old)), Some(Child::Container(new))) => {
            let ways = beyond(ways, |step| step.node == node);
            containers(old, new, &path.child(Step::plain(node)), ways.as_deref(), changes);
        }
        (Some(Child::List(List::Sorted(old))), Some(Child::List(List::Sorted(new)))) if old.ptr_eq(new) => {}
        (Some(Child::List(old)), Some(Child::List(new))) => {
            match keys(ways, node).filter(|_| !node.user_ordered()) {
                Some(keys) => {
                    for key in keys {
                        let (old, new) = (old.get(node, key), new.get(node, key));
                        let ways = beyond(ways, |step| {
                            step.node == node && matches!(&step.selector, Selector::Key(of) if of == key)
                        });
                        entry(node, key, (old.as_ref(), new.as_ref()), path, ways.as_deref(), changes);
                    }
                }
                None => lists(node, Some(old), Some(new), path, changes),
            }
        }
        (Some(Child::List(old)), None) => lists(node, Some(old), None, path, changes),
        (None, Some(Child::List(new))) => lists(node, None, Some(new), path, changes),
        (None, Some(Child::Container(new))) if is_np(node) => {
            let path = path.child(Step::plain(node));
            containers(&Container::default(), new, &path, None, changes);
        }
        (Some(Child::Container(old)), None) if is_np(node) => {
            let path = path.child(Step::plain(node));
            containers(old, &Container::default(), &path, None, changes);
        }
        (old, new) if old != new => {
            changes.push(Change { path: path.child(Step::plain(node)), old: old.cloned(), new: new.cloned() })
        }
        _ => {}
    }
}

/// The keys of the entries of a list that edits led to, in order, if they led to nothing else of it.
fn keys<'e>(ways: Ways<'_, 'e>, list: &Node) -> Option<BTreeSet<&'e Key>> {
    let steps = ways?.iter().filter_map(|way| way.first()).filter(|step| step.node == list);
    let keys: Option<BTreeSet<&Key>> = steps
        .map(|step| match &step.selector {
            Selector::Key(key) => Some(key),
            _ => None,
        })
        .collect();
    keys.filter(|keys| !keys.is_empty())
}

fn entry(
    node: &'static Node,
    key: &Key,
    (old, new): (Option<&Arc<Container>>, Option<&Arc<Container>>),
    path: &InstancePath,
    ways: Ways<'_, '_>,
    changes: &mut Vec<Change>,
) {
    let path = path.child(Step { node, selector: Selector::Key(key.clone()) });
    match (old, new) {
        (None, None) => {}
        (Some(old), Some(new)) => containers(old, new, &path, ways, changes),
        (old, new) => changes.push(Change {
            path,
            old: old.cloned().map(Child::Container),
            new: new.cloned().map(Child::Container),
        }),
    }
}

/// A container without presence exists only for what is in it.
fn is_np(node: &Node) -> bool {
    matches!(node.kind, Kind::Container { presence: false })
}

fn lists(
    node: &'static Node,
    old: Option<&List>,
    new: Option<&List>,
    path: &InstancePath,
    changes: &mut Vec<Change>,
) {
    let empty = match old.or(new) {
        // State that was built to be compared has an order by key too.
        Some(List::Sorted(_)) => List::Sorted(OrdMap::new()),
        _ => List::empty(node),
    };
    let mut entry = |key: &Key, old: Option<&Arc<Container>>, new: Option<&Arc<Container>>| {
        entry(node, key, (old, new), path, None, changes);
    };
    match (old.unwrap_or(&empty), new.unwrap_or(&empty)) {
        (List::Sorted(old), List::Sorted(new)) => {
            for item in old.diff(new) {
                match item {
                    DiffItem::Add(key, added) => entry(key, None, Some(added)),
                    DiffItem::Update { old, new } => entry(old.0, Some(old.1), Some(new.1)),
                    DiffItem::Remove(key, removed) => entry(key, Some(removed), None),
                }
            }
        }
        (List::User(old), List::User(new)) => {
            for (key, removed) in old.iter().filter(|(key, _)| new.get(key).is_none()) {
                entry(key, Some(removed), None);
            }
            for (key, now) in new.iter() {
                match old.get(key) {
                    Some(before) if before == now => {}
                    before => entry(key, before, Some(now)),
                }
            }
            if old.iter().map(|(key, _)| key).ne(new.iter().map(|(key, _)| key)) {
                changes.push(Change {
                    path: path.child(Step::plain(node)),
                    old: Some(Child::List(List::User(old.clone()))),
                    new: Some(Child::List(List::User(new.clone()))),
                });
            }
        }
        (old, new) if old != new => match keyed(node, old).zip(keyed(node, new)) {
            Some((old, new)) => lists(node, Some(&old), Some(&new), path, changes),
            None => changes.push(Change {
                path: path.child(Step::plain(node)),
                old: Some(Child::List(old.clone())),
                new: Some(Child::List(new.clone())),
            }),
        },
        _ => {}
    }
}

/// State with keys, in their order; `None` of what has none, or an order of its own.
fn keyed(node: &'static Node, list: &List) -> Option<List> {
    if node.keys().is_empty() || node.user_ordered() {
        return None;
    }
    let entries = list.iter().map(|entry| Some((entry.key(node)?, entry)));
    entries.collect::<Option<OrdMap<_, _>>>().map(List::Sorted)
}
