//! Whether a principal may change data as it is about to (RFC 8341 sections 3.2.5 to 3.2.8): judged by what really changes.
//!
//! It never makes a change.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::visible;
use crate::access::{Access, At, Principal, Rules};
use crate::datastore::cases::Cases;
use crate::datastore::diff::{Change, diff, diff_along};
use crate::datastore::edit::{Edit, Operation};
use crate::yang::error::{Error, Tag};
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::{Child, Container, Key, List};
use crate::yang::value::Value;

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
/// An edit that changes nothing needs none either: nothing is created, changed or deleted. That is so where the principal
/// may read what is there; elsewhere it would be told what that is, see [`guessed`].
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
    guessed(rules, principal, edit, before)?;
    let changes = diff_along(before, after, std::iter::once(&edit.path));
    let cases = Cases::made(&changes);
    let asked = changes.iter().filter(|change| is_part(&change.path, &edit.path));
    asked
        .filter(|change| !is_side_effect(change, &cases))
        .try_for_each(|change| judge(rules, principal, change, edit))
}

/// Refuses an edit that is a guess: one that gives a value for what the principal may neither read nor write, whether or
/// not it is what is there. Were it accepted when it changes nothing, the value would be known.
///
/// It is judged before what really changes, so that both are refused in the same words. What the edit is in is judged only
/// if nothing else is given: there it tells that an entry exists.
///
/// # Errors
/// `access-denied`.
fn guessed(rules: &Arc<Rules>, principal: &Principal, edit: &Edit, before: &Container) -> Result<(), Error> {
    let Some((last, above)) = edit.path.steps.split_last() else {
        // All that is at the top of the datastore.
        let (Some(Child::Container(given)), root) = (&edit.value, At::root(rules.clone())) else {
            return Ok(());
        };
        let hidden = given
            .iter()
            .find_map(|(node, child)| hidden_value(&root, &Step::plain(node), child, before.get(node), true));
        return hidden.map_or(Ok(()), |node| Err(named(rules, principal, node, edit)));
    };
    let mut at = At::root(rules.clone());
    let mut reads = true;
    for step in above {
        at = visible::place(&at, step);
        reads &= at.permits(Access::Read);
    }
    if reads && at.all(last.node, Access::Read) == Some(true) {
        return Ok(());
    }
    let there = edit.path.find(before);
    let here = visible::place(&at, last);
    let is_seen = reads && here.permits(Access::Read);
    let is_key = |(leaf, _): (&'static Node, &Child)| leaf.is_key();
    let hidden = match &edit.value {
        Some(Child::Container(given))
            if given.iter().all(is_key) && !matches!(last.node.kind, Kind::Container { presence: false }) =>
        {
            (!is_seen && !may_write(&here)).then_some(last.node)
        }
        Some(child) => hidden_value(&at, last, child, there.as_ref(), reads),
        None if edit.operation == Operation::Remove && there.is_none() => {
            (!is_seen && !may_write(&here)).then_some(last.node)
        }
        None => None,
    };
    hidden.map_or(Ok(()), |node| Err(named(rules, principal, node, edit)))
}

/// Whether the principal may write a node, in some way, of which it is enough to know that it is there.
fn may_write(at: &At) -> bool {
    [Access::Create, Access::Update, Access::Delete].iter().any(|access| at.permits(*access))
}

/// The first value given, at a step or below, for what may not be read and not be written so either: updated if it is
/// there, created if it is not; of a value of a leaf-list any right to write it will do. `reads` says whether what is above
/// may be read.
fn hidden_value(
    above: &At,
    step: &Step,
    given: &Child,
    there: Option<&Child>,
    reads: bool,
) -> Option<&'static Node> {
    let node = step.node;
    if reads && above.all(node, Access::Read) == Some(true) {
        return None;
    }
    let at = visible::place(above, step);
    let is_seen = |at: &At| reads && at.permits(Access::Read);
    match given {
        Child::Leaf(_) | Child::Any(_) if node.is_key() => None,
        Child::Leaf(value) if matches!(node.kind, Kind::LeafList { .. }) => {
            let at = above.entry(node, &Key::new(vec![value.clone()]));
            (!is_seen(&at) && !may_write(&at)).then_some(node)
        }
        Child::Leaf(_) | Child::Any(_) => {
            let access = if there.is_some() { Access::Update } else { Access::Create };
            (!is_seen(&at) && !at.permits(access)).then_some(node)
        }
        Child::LeafList(values) => values.iter().find_map(|value| {
            let at = above.entry(node, &Key::new(vec![value.clone()]));
            (!is_seen(&at) && !may_write(&at)).then_some(node)
        }),
        Child::Container(given) => {
            let reads = reads && at.permits(Access::Read);
            let there = match there {
                Some(Child::Container(there)) => Some(there),
                _ => None,
            };
            given.iter().find_map(|(node, child)| {
                hidden_value(&at, &Step::plain(node), child, there.and_then(|there| there.get(node)), reads)
            })
        }
        Child::List(list) => list.iter().find_map(|entry| {
            let key = entry.key(node);
            let there = match (there, &key) {
                (Some(Child::List(there)), Some(key)) => there.get(node, key).map(Child::Container),
                _ => None,
            };
            let selector = key.map_or(Selector::None, Selector::Key);
            hidden_value(above, &Step { node, selector }, &Child::Container(entry), there.as_ref(), reads)
        }),
    }
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
    let changes = diff(before, after);
    let cases = Cases::made(&changes);
    changes.iter().filter(|change| !is_side_effect(change, &cases)).try_for_each(|change| {
        let denied = denied(rules, change).map(|node| refusal(rules, principal, node));
        // The client has named none of it: it is told where as far as it may read.
        denied.map_or(Ok(()), |error| Err(error.at(visible::readable(rules, &change.path))))
    })
}

/// Refuses changes outside of the draft's tree by a credential that is bound to an agent: what is configured is no agent's.
pub(super) fn within(principal: &Principal, before: &Container, after: &Container) -> Result<(), Error> {
    if principal.agent.is_none() {
        return Ok(());
    }
    let others = |container: &Container| -> Vec<(&'static Node, Child)> {
        let others = container.iter().filter(|(node, _)| node.module.name != "irtf-agent");
        others.map(|(node, child)| (node, child.clone())).collect()
    };
    if others(before) == others(after) {
        return Ok(());
    }
    let message = "a credential that is bound to an agent changes nothing but what agents do";
    Err(Error::application(Tag::AccessDenied, message))
}

/// Why an edit cannot be made, as it may be told: whether something is there is not told to who may neither read it nor do
/// what was asked.
///
/// # Errors
/// `access-denied` in its place.
pub(super) fn hidden(
    rules: &Arc<Rules>,
    principal: &Principal,
    edit: &Edit,
    error: Error,
) -> Result<Error, Error> {
    let access = match error.tag {
        Tag::DataExists => Access::Create,
        Tag::DataMissing => Access::Delete,
        _ => return Ok(error),
    };
    if rules.may(Access::Read, &edit.path) || rules.may(access, &edit.path) {
        return Ok(error);
    }
    let node = edit.path.node().ok_or(error)?;
    Err(refusal(rules, principal, node).at(edit.path.clone()))
}

/// Whether a change is of what was edited: of it, of something in it, or of what it is in. A leaf-list, and the order of a
/// list, changes as a whole.
fn is_part(changed: &InstancePath, edited: &InstancePath) -> bool {
    let same = |(one, other): (&Step, &Step)| {
        let whole = |step: &Step| {
            step.selector == Selector::None
                && matches!(step.node.kind, Kind::List { .. } | Kind::LeafList { .. })
        };
        one.node == other.node && (one.selector == other.selector || whole(one) || whole(other))
    };
    changed.steps.iter().zip(&edited.steps).all(same)
}

/// Whether something went because another case of its choice was made (RFC 8341 section 3.2.5: that needs no right).
fn is_side_effect(change: &Change, made: &Cases) -> bool {
    change.new.is_none() && made.exclude(&change.path.steps)
}

fn judge(rules: &Arc<Rules>, principal: &Principal, change: &Change, edit: &Edit) -> Result<(), Error> {
    denied(rules, change).map_or(Ok(()), |node| Err(named(rules, principal, node, edit)))
}

/// The refusal of an edit because of a node.
fn named(rules: &Arc<Rules>, principal: &Principal, node: &'static Node, edit: &Edit) -> Error {
    // What may not be read is not named: only what the client named itself is.
    let named = match visible::any(&At::root(rules.clone()), Access::Read, node) {
        true => node,
        false => edit.path.node().unwrap_or(node),
    };
    refusal(rules, principal, named).at(edit.path.clone())
}

fn refusal(rules: &Arc<Rules>, principal: &Principal, node: &'static Node) -> Error {
    let what = match visible::any(&At::root(rules.clone()), Access::Read, node) {
        true => format!("\"{}\"", node.qualified_name()),
        false => "all of this".to_owned(),
    };
    Error::application(Tag::AccessDenied, format!("{} may not write {what}", principal.name))
}

/// The node that may not be changed as it was.
fn denied(rules: &Arc<Rules>, change: &Change) -> Option<&'static Node> {
    let (last, above) = change.path.steps.split_last()?;
    let at = above.iter().fold(At::root(rules.clone()), |at, step| visible::place(&at, step));
    let node = last.node;
    if [Access::Create, Access::Update, Access::Delete]
        .iter()
        .all(|access| at.all(node, *access) == Some(true))
    {
        return None;
    }
    let refused = |refused: bool| refused.then_some(node);
    match (&change.old, &change.new) {
        (None, Some(new)) => whole(&at, last, new, Access::Create),
        (Some(old), None) => whole(&at, last, old, Access::Delete),
        (Some(Child::LeafList(old)), Some(Child::LeafList(new))) => {
            let (before, after): (BTreeSet<_>, BTreeSet<_>) = (old.iter().collect(), new.iter().collect());
            let may = |value: &Value, access| at.entry(node, &Key::new(vec![value.clone()])).permits(access);
            let made = after.difference(&before).any(|value| !may(value, Access::Create));
            let gone = before.difference(&after).any(|value| !may(value, Access::Delete));
            let kept_old = old.iter().filter(|value| after.contains(value));
            let moved = kept_old.ne(new.iter().filter(|value| before.contains(value)))
                && new.iter().filter(|value| before.contains(value)).any(|value| !may(value, Access::Update));
            refused(made || gone || moved)
        }
        (Some(Child::List(old)), Some(Child::List(new))) => {
            let keys =
                |list: &List| -> Vec<Key> { list.iter().filter_map(|entry| entry.key(node)).collect() };
            let (old, new) = (keys(old), keys(new));
            let (before, after): (BTreeSet<_>, BTreeSet<_>) = (old.iter().collect(), new.iter().collect());
            // Those that stay have another order; which of them moved is nobody's to say.
            let mut kept = new.iter().filter(|key| before.contains(key));
            let moved = old.iter().filter(|key| after.contains(key)).ne(kept.clone());
            refused(moved && kept.any(|key| !at.entry(node, key).permits(Access::Update)))
        }
        _ => refused(!visible::place(&at, last).permits(Access::Update)),
    }
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
