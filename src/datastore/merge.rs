//! Changes of two parties to one tree, put together.
//!
//! Nothing here decides whose change is better: if both changed the same, it says so.

use std::collections::BTreeMap;

use super::diff::{Change, diff};
use super::edit;
use super::transform;
use crate::yang::error::{Error, Tag};
use crate::yang::path::{InstancePath, Step};
use crate::yang::tree::{Child, Container};

/// `theirs` with the changes that made `ours` of `base`; every container that is touched gets
/// `revision`.
///
/// # Errors
/// `operation-failed` with the app-tag `conflict` and the place if both changed the same node, or
/// one something in what the other replaced or removed.
pub fn merge(
    base: &Container,
    ours: &Container,
    theirs: &Container,
    revision: u64,
) -> Result<Container, Error> {
    let (mine, other) = (diff(base, ours), diff(base, theirs));
    if let Some(path) = conflict(&mine, &other) {
        let message = "this was changed by another since the changes to be merged were begun";
        return Err(Error::application(Tag::OperationFailed, message).app_tag("conflict").at(path));
    }
    let edits = transform::edits(&mine);
    edits.iter().try_fold(theirs.clone(), |tree, one| edit::apply(&tree, one, revision))
}

/// Changed nodes with what became of them.
type Nodes = BTreeMap<Vec<Step>, Option<Child>>;

/// Where both have changed something, unless they have made the same of it.
fn conflict(ours: &[Change], theirs: &[Change]) -> Option<InstancePath> {
    let by_path =
        |changes: &'_ [Change]| changes.iter().map(|c| (c.path.steps.clone(), c.new.clone())).collect();
    let (our_nodes, their_nodes): (Nodes, Nodes) = (by_path(ours), by_path(theirs));
    let below = |change: &&Change, others: &Nodes| {
        let steps = &change.path.steps;
        (1..steps.len()).any(|depth| steps.get(..depth).is_some_and(|above| others.contains_key(above)))
    };
    let differs = |change: &&Change| {
        their_nodes.get(change.path.steps.as_slice()).is_some_and(|theirs| *theirs != change.new)
    };
    let in_ours = ours.iter().find(|change| below(change, &their_nodes) || differs(change));
    let in_theirs = || theirs.iter().find(|change| below(change, &our_nodes));
    in_ours.or_else(in_theirs).map(|change| change.path.clone())
}
