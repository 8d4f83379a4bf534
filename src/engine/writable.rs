//! Whether a principal may change data as it is about to (RFC 8341 sections 3.2.5 to 3.2.8): judged by what really changes.
//!
//! It never makes a change.

use std::sync::Arc;

use super::visible;
use crate::access::{Access, At, Principal, Rules};
use crate::datastore::diff::{Change, diff, diff_along};
use crate::datastore::edit::Edit;
use crate::yang::error::{Error, Tag};
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::{Child, Container, Key};

/// Refuses an edit of what is no configuration, which nobody may write.
pub(super) fn configured(edit: &Edit) -> Result<(), Error> {
    match edit.path.node() {
        Some(node) if !node.config => {
            let message = format!("\"{}\" is state and cannot be written", node.name);
            Err(Error::protocol(Tag::OperationNotSupported, message).at(edit.path.clone()))
        }
        _ => Ok(()),
    }
}

/// Refuses what an edit made of a tree, unless the principal may create, change and delete the nodes that it did. What
/// went as a side effect, such as the other case of a choice, needs no right.
///
/// # Errors
/// `access-denied`.
pub(super) fn edited(
    rules: &Arc<Rules>,
    principal: &Principal,
    edit: &Edit,
    before: &Container,
    after: &Container,
) -> Result<(), Error> {
    if rules.is_everything() {
        return Ok(());
    }
    let is_part = |change: &&Change| {
        let (one, other) = (&change.path.steps, &edit.path.steps);
        one.starts_with(other) || other.starts_with(one)
    };
    let changes = diff_along(before, after, std::iter::once(&edit.path));
    changes.iter().filter(is_part).try_for_each(|change| judge(rules, principal, change, &edit.path))
}

/// The same of all that makes one tree of another.
///
/// # Errors
/// `access-denied`.
pub(super) fn replaced(
    rules: &Arc<Rules>,
    principal: &Principal,
    before: &Container,
    after: &Container,
) -> Result<(), Error> {
    if rules.is_everything() {
        return Ok(());
    }
    diff(before, after).iter().try_for_each(|change| judge(rules, principal, change, &change.path))
}

fn judge(
    rules: &Arc<Rules>,
    principal: &Principal,
    change: &Change,
    told: &InstancePath,
) -> Result<(), Error> {
    let Some((last, above)) = change.path.steps.split_last() else { return Ok(()) };
    let at = above.iter().fold(At::root(rules.clone()), |at, step| visible::place(&at, step));
    let denied = match (&change.old, &change.new) {
        (None, Some(new)) => whole(&at, last, new, Access::Create),
        (Some(old), None) => whole(&at, last, old, Access::Delete),
        (Some(Child::LeafList(old)), Some(Child::LeafList(new))) => {
            let entry = |value: &_| at.entry(last.node, &Key::new(vec![Clone::clone(value)]));
            let made = new.iter().find(|value| !old.contains(value) && !entry(value).permits(Access::Create));
            let gone = old.iter().find(|value| !new.contains(value) && !entry(value).permits(Access::Delete));
            let moved = old.len() == new.len() && !at.child(last.node).permits(Access::Update);
            made.or(gone).map(|_| last.node).or(moved.then_some(last.node))
        }
        _ => (!visible::place(&at, last).permits(Access::Update)).then_some(last.node),
    };
    let Some(node) = denied else { return Ok(()) };
    // What may not be read is not named: only what the client named itself is.
    let named = match visible::any(&At::root(rules.clone()), Access::Read, node) {
        true => node,
        false => told.node().unwrap_or(node),
    };
    let message = format!("{} may not write \"{}\"", principal.name, named.qualified_name());
    Err(Error::application(Tag::AccessDenied, message).at(told.clone()))
}

/// The first node, at a step or below, that may not be accessed so. A container without presence is no node of its own.
fn whole(above: &At, step: &Step, child: &Child, access: Access) -> Option<&'static Node> {
    let node = step.node;
    if above.all(node, access) == Some(true) {
        return None;
    }
    let refused = |at: &At| (!at.permits(access)).then_some(node);
    match child {
        Child::Container(container) => {
            let at = visible::place(above, step);
            let own =
                if matches!(node.kind, Kind::Container { presence: false }) { None } else { refused(&at) };
            own.or_else(|| {
                container.iter().find_map(|(node, child)| whole(&at, &Step::plain(node), child, access))
            })
        }
        Child::List(list) => list.iter().find_map(|entry| {
            let selector = entry.key(node).map_or(Selector::None, Selector::Key);
            whole(above, &Step { node, selector }, &Child::Container(entry), access)
        }),
        Child::LeafList(values) => {
            values.iter().find_map(|value| refused(&above.entry(node, &Key::new(vec![value.clone()]))))
        }
        Child::Leaf(_) | Child::Any(_) => refused(&visible::place(above, step)),
    }
}
