//! What an edit makes impossible is deleted with it: nodes whose `when` no longer holds (RFC 7950
//! section 8.2).
//!
//! What an edit itself writes is never deleted: validation refuses it (section 8.3.2). Nothing
//! here knows the other constraints.

use std::sync::Arc;

use super::diff::{Change, diff_along};
use super::edit::{self, Edit, Operation};
use super::validate::{Validator, chain, cursor_at};
use crate::yang::error::Error;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::Node;
use crate::yang::tree::{Child, Container};
use crate::yang::xpath::{self, Cursor};

/// Most rounds in which one deletion makes another node impossible.
const ROUNDS_MAX: usize = 64;

/// What has to be deleted after edits, so that replaying the edits and these gives the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// The datastore without what cannot be there.
    pub content: Arc<Container>,
    /// All changes from the datastore before the edits.
    pub changes: Vec<Change>,
    /// The deletions, in the order in which they were made.
    pub deletions: Vec<Edit>,
}

/// Deletes what `edits`, which made `new` of `old`, left in place although its `when` is now
/// false. Containers that are touched get `revision`.
///
/// # Errors
/// A deletion that cannot be applied, which the tree does not allow to happen.
pub fn settle(
    validator: &Validator,
    old: &Container,
    new: Arc<Container>,
    edits: &[Edit],
    revision: u64,
) -> Result<Settled, Error> {
    let changes = diff_along(old, &new, edits.iter().map(|edit| &edit.path));
    let mut settled = Settled { content: new, changes, deletions: Vec::new() };
    for _ in 0..ROUNDS_MAX {
        let impossible = impossible(validator, &settled);
        let found: Vec<InstancePath> =
            impossible.into_iter().filter(|path| !edits.iter().any(|edit| writes(edit, path))).collect();
        if found.is_empty() {
            break;
        }
        let mut content = settled.content.as_ref().clone();
        for path in found {
            let deletion = Edit { operation: Operation::Remove, path, value: None, insert: None };
            content = edit::apply(&content, &deletion, revision)?;
            settled.deletions.push(deletion);
        }
        settled.content = Arc::new(content);
        let edited = edits.iter().chain(&settled.deletions).map(|edit| &edit.path);
        settled.changes = diff_along(old, &settled.content, edited);
    }
    Ok(settled)
}

/// The instances whose conditions the changes could have made false, and did. A condition that
/// cannot be evaluated is left to validation.
fn impossible(validator: &Validator, settled: &Settled) -> Vec<InstancePath> {
    let root = Cursor::root(validator.schema(), settled.content.clone());
    let mut found = Vec::new();
    for (node, place) in validator.conditional(&settled.changes) {
        if let Some(place) = cursor_at(&root, place) {
            collect(&place, &chain(&place, Some(node)), &mut found);
        }
    }
    found
}

fn collect(cursor: &Cursor, chain: &[&'static Node], found: &mut Vec<InstancePath>) {
    match chain.split_last() {
        Some((next, rest)) => cursor.instances(next).for_each(|instance| collect(&instance, rest, found)),
        None if cursor.node().is_some_and(|node| xpath::applies(cursor, node) == Ok(false)) => {
            found.push(cursor.path());
        }
        None => {}
    }
}

/// Whether an edit puts the instance, or something in it, where it is.
fn writes(edit: &Edit, path: &InstancePath) -> bool {
    if matches!(edit.operation, Operation::Delete | Operation::Remove | Operation::None) {
        return false;
    }
    match path.steps.strip_prefix(&edit.path.steps[..]) {
        Some(rest) => edit.value.as_ref().is_some_and(|value| contains(value, rest)),
        None => edit.path.steps.starts_with(&path.steps),
    }
}

/// Whether a value has the instance that the steps lead to from it.
fn contains(value: &Child, steps: &[Step]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    let Child::Container(content) = value else { return false };
    match (content.get(step.node), &step.selector) {
        (Some(Child::List(list)), Selector::Key(key)) => {
            list.get(step.node, key).is_some_and(|entry| contains(&Child::Container(entry), rest))
        }
        (Some(Child::LeafList(values)), Selector::Value(value)) => values.contains(value),
        (Some(child), _) => contains(child, rest),
        (None, _) => false,
    }
}
