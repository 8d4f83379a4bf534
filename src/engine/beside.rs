//! What others write while a confirmed commit waits: the configuration as it would be without that commit.
//!
//! It depends on the trees and the edits alone, so that a replay comes to the same. Nothing here decides whether the outcome is
//! valid.

use std::sync::Arc;

use crate::datastore::edit::{self, Edit, Operation};
use crate::yang::error::Error;
use crate::yang::generated::{ietf_keystore, ietf_netconf_acm, ietf_truststore, magent_access};
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::{Child, Container, Insert, Key, List};

/// What says who gets in and what they may do.
const ACCESS: [&Node; 4] = [
    &ietf_netconf_acm::nodes::NACM,
    &magent_access::nodes::ACCESS,
    &ietf_keystore::nodes::KEYSTORE,
    &ietf_truststore::nodes::TRUSTSTORE,
];

/// `without`, which is `with` but for the commit, after edits of `with`. What others write stays as they wrote it: who
/// creates or deletes means that it is so afterwards. An edit of what only the commit made is left out.
///
/// # Errors
/// An edit that cannot be applied to `with`.
pub(super) fn edited(
    without: &Container,
    with: &Container,
    edits: &[Edit],
    revision: u64,
) -> Result<Container, Error> {
    let (mut without, mut with) = (without.clone(), with.clone());
    for edit in edits {
        let after = edit::apply(&with, edit, revision)?;
        for edit in meant(edit, &without, &with, &after) {
            if let Ok(edited) = edit::apply(&without, &edit, revision) {
                without = edited;
            }
        }
        with = after;
    }
    Ok(without)
}

/// `content` with what `access` says of who gets in and what they may do.
pub(super) fn with_access_of(content: &Container, access: &Container) -> Container {
    let mut content = content.clone();
    for node in ACCESS {
        match access.get(node) {
            Some(child) => content.set(node, child.clone()),
            None => drop(content.remove(node)),
        }
    }
    content
}

/// The edits of `without` that an edit comes to, which makes `after` of `with`.
fn meant(edit: &Edit, without: &Container, with: &Container, after: &Container) -> Vec<Edit> {
    let (ours, theirs) = (edit.path.find(without), edit.path.find(with));
    let mut edits = Vec::new();
    let mut meant = edit.clone();
    meant.insert = edit.insert.as_ref().map(|place| placed(place, &edit.path, without, after));
    match edit.operation {
        Operation::Create => meant.operation = Operation::Replace,
        Operation::Delete => meant.operation = Operation::Remove,
        // It is only put in another place: what the commit changed in it is not theirs.
        Operation::Replace if edit.insert.is_some() && theirs == edit.value => {
            meant.operation = Operation::Move;
            meant.value = None;
        }
        Operation::Merge => {
            let Some(value) = &edit.value else { return edits };
            match edit.path.node() {
                None => {
                    let both = (Some(without), Some(with));
                    let Child::Container(value) = value else { return edits };
                    let content = merged_into(&edit.path, value, both, &mut edits);
                    meant.value = Some(Child::Container(Arc::new(content)));
                }
                Some(node) => {
                    match merged(&edit.path, node, value, ours.as_ref(), theirs.as_ref(), &mut edits) {
                        Some(value) => meant.value = Some(value),
                        None => return edits,
                    }
                }
            }
        }
        Operation::Replace | Operation::Remove | Operation::Move | Operation::None => {}
    }
    edits.push(meant);
    edits
}

/// What of a value that is merged is meant for a tree without the commit, where the node is `ours`; `theirs` is what it was merged
/// into. What the commit deleted and is made anew goes first, so that nothing of what it was comes back with it.
fn merged(
    path: &InstancePath,
    node: &'static Node,
    value: &Child,
    ours: Option<&Child>,
    theirs: Option<&Child>,
    removed: &mut Vec<Edit>,
) -> Option<Child> {
    match value {
        Child::Container(content) => {
            let stands_alone = !matches!(node.kind, Kind::Container { presence: false });
            match (ours, theirs) {
                (None, Some(_)) if stands_alone => return None,
                (Some(_), None) if stands_alone => {
                    removed.push(removal(path.clone()));
                    return Some(value.clone());
                }
                _ => {}
            }
            let content = merged_into(path, content, (container(ours), container(theirs)), removed);
            Some(Child::Container(Arc::new(content)))
        }
        Child::List(list) if !node.keys().is_empty() => {
            let mut kept = List::empty(node);
            for entry in list.iter() {
                let Some(key) = entry.key(node) else { continue };
                let find = |child: Option<&Child>| match child {
                    Some(Child::List(list)) => list.get(node, &key).map(Child::Container),
                    _ => None,
                };
                let mut path = path.clone();
                path.steps.pop();
                path.steps.push(Step { node, selector: Selector::Key(key.clone()) });
                let (ours, theirs) = (find(ours), find(theirs));
                let entry = Child::Container(entry);
                if let Some(Child::Container(entry)) =
                    merged(&path, node, &entry, ours.as_ref(), theirs.as_ref(), removed)
                {
                    kept.put(node, Some(key), entry);
                }
            }
            (!kept.is_empty()).then_some(Child::List(kept))
        }
        _ => Some(value.clone()),
    }
}

fn merged_into(
    path: &InstancePath,
    content: &Container,
    (ours, theirs): (Option<&Container>, Option<&Container>),
    removed: &mut Vec<Edit>,
) -> Container {
    let mut kept = Container::default();
    for (node, child) in content.iter() {
        let path = path.child(Step::plain(node));
        let (ours, theirs) = (ours.and_then(|c| c.get(node)), theirs.and_then(|c| c.get(node)));
        if let Some(child) = merged(&path, node, child, ours, theirs, removed) {
            kept.set(node, child);
        }
    }
    kept
}

fn container(child: Option<&Child>) -> Option<&Container> {
    match child {
        Some(Child::Container(container)) => Some(container),
        _ => None,
    }
}

fn removal(path: InstancePath) -> Edit {
    Edit { operation: Operation::Remove, path, value: None, insert: None }
}

/// Where an entry goes that has its place in `after`. Beside a neighbour that only the commit made, it goes to the next one on
/// the same side.
fn placed(place: &Insert, path: &InstancePath, without: &Container, after: &Container) -> Insert {
    let (neighbour, is_before) = match place {
        Insert::First | Insert::Last => return place.clone(),
        Insert::Before(key) => (key, true),
        Insert::After(key) => (key, false),
    };
    let others = entries(path, without);
    if others.contains(neighbour) {
        return place.clone();
    }
    let all = entries(path, after);
    let Some(at) = all.iter().position(|key| key == neighbour) else { return Insert::Last };
    let itself = path.steps.last().and_then(key_of);
    let stands = |key: &&Key| others.contains(key) && Some(*key) != itself.as_ref();
    if is_before {
        all.iter().skip(at).find(stands).map_or(Insert::Last, |key| Insert::Before(key.clone()))
    } else {
        all.iter().take(at).rev().find(stands).map_or(Insert::First, |key| Insert::After(key.clone()))
    }
}

fn key_of(step: &Step) -> Option<Key> {
    match &step.selector {
        Selector::Key(key) => Some(key.clone()),
        Selector::Value(value) => Some(Key::new(vec![value.clone()])),
        Selector::None | Selector::Position(_) => None,
    }
}

/// The keys of the entries, or the values, among which a path has its last step; in their order.
fn entries(path: &InstancePath, tree: &Container) -> Vec<Key> {
    let mut all = path.clone();
    if let Some(last) = all.steps.last_mut() {
        last.selector = Selector::None;
    }
    match all.find(tree) {
        Some(Child::List(List::User(list))) => list.iter().map(|(key, _)| key.clone()).collect(),
        Some(Child::LeafList(values)) => values.iter().map(|value| Key::new(vec![value.clone()])).collect(),
        _ => Vec::new(),
    }
}
