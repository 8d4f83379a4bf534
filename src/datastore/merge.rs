//! Changes of two parties to one tree, put together.
//!
//! Nothing here decides whose change is better: if both changed the same, it says so, or does as it is told.

use std::collections::{BTreeMap, BTreeSet};

use super::cases::Cases;
use super::diff::{Change, diff};
use super::edit;
use super::transform;
use crate::yang::error::{ERRORS_MAX, Error, Tag};
use crate::yang::path::{InstancePath, Step};
use crate::yang::tree::{Child, Container};

/// What becomes of what both changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resolution {
    /// Nothing is merged.
    #[default]
    Refuse,
    /// It stays as it is in ours.
    Ours,
    /// It becomes what it is in theirs.
    Theirs,
}

/// `theirs` with the changes that made `ours` of `base`; every container that is touched gets
/// `revision`.
///
/// # Errors
/// With [`Resolution::Refuse`], `operation-failed` with the app-tag `conflict` for each place where both changed the same
/// node, or one something in what the other replaced or removed.
pub fn merge(
    base: &Container,
    ours: &Container,
    theirs: &Container,
    resolution: Resolution,
    revision: u64,
) -> Result<Container, Error> {
    let (mut mine, other) = (diff(base, ours), diff(base, theirs));
    let conflicts = conflicts(&mine, &other);
    let apply = |tree: &Container, changes: &[Change]| {
        let edits = transform::edits(changes);
        edits.iter().try_fold(tree.clone(), |tree, one| edit::apply(&tree, one, revision))
    };
    let is_touched = |change: &Change, others: &Nodes| {
        conflicts.contains(&change.path)
            || (!conflicts.is_empty() && meets(change, others).any(|new| *new != change.new))
    };
    match resolution {
        _ if conflicts.is_empty() => {}
        Resolution::Refuse => {
            let message = "this was changed by another since the changes to be merged were begun";
            let error = |path: InstancePath| {
                Error::application(Tag::OperationFailed, message).app_tag("conflict").at(path)
            };
            let errors = conflicts.into_iter().take(ERRORS_MAX).map(error).collect();
            return Err(Error::first(errors)
                .unwrap_or_else(|| Error::application(Tag::OperationFailed, message).app_tag("conflict")));
        }
        Resolution::Theirs => {
            let others = by_path(&other);
            mine.retain(|change| !is_touched(change, &others));
        }
        Resolution::Ours => {
            let (mut rest, others) = (other.clone(), by_path(&mine));
            rest.retain(|change| !is_touched(change, &others));
            let merged = apply(ours, &rest)?;
            // What is as in theirs keeps the revision that it has there.
            mine = diff(theirs, &merged);
        }
    }
    apply(theirs, &mine)
}

/// Changed nodes with what became of them.
type Nodes = BTreeMap<Vec<Step>, Option<Child>>;

fn by_path(changes: &[Change]) -> Nodes {
    changes.iter().map(|change| (change.path.steps.clone(), change.new.clone())).collect()
}

/// What became of others at the same place, above and below.
fn meets<'n>(change: &Change, others: &'n Nodes) -> impl Iterator<Item = &'n Option<Child>> {
    let steps = change.path.steps.clone();
    let above: Vec<_> = above(&steps).filter_map(|above| others.get(above)).collect();
    let below = others.range(steps.clone()..).take_while(move |(path, _)| path.starts_with(&steps));
    above.into_iter().chain(below.map(|(_, new)| new))
}

fn above(steps: &[Step]) -> impl Iterator<Item = &[Step]> {
    (1..steps.len()).filter_map(|depth| steps.get(..depth))
}

/// Where both have changed something, unless they have made the same of it, and where they have chosen different cases.
fn conflicts(ours: &[Change], theirs: &[Change]) -> BTreeSet<InstancePath> {
    let (our_nodes, their_nodes) = (by_path(ours), by_path(theirs));
    let (our_cases, their_cases) = (Cases::made(ours), Cases::made(theirs));
    let below =
        |change: &Change, others: &Nodes| above(&change.path.steps).any(|above| others.contains_key(above));
    let chosen = |change: &Change, cases: &Cases| change.new.is_some() && cases.exclude(&change.path.steps);
    let differs = |change: &Change| {
        their_nodes.get(change.path.steps.as_slice()).is_some_and(|theirs| *theirs != change.new)
    };
    let in_ours = ours
        .iter()
        .filter(|change| below(change, &their_nodes) || differs(change) || chosen(change, &their_cases));
    let in_theirs = theirs.iter().filter(|change| below(change, &our_nodes) || chosen(change, &our_cases));
    in_ours.chain(in_theirs).map(|change| change.path.clone()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::yang::generated::SCHEMA;
    use crate::yang::json;
    use serde_json::{Value as Json, json};

    fn tree(entries: &[(&str, &str)]) -> Container {
        let entries: Vec<Json> =
            entries.iter().map(|(id, data)| json!({"id": id, "dataType": "text", "data": data})).collect();
        let text = json!({"irtf-agent:data-params": entries}).to_string();
        json::decode_children(text.as_bytes(), None, &SCHEMA, &json::STORED).unwrap()
    }

    const BASE: [(&str, &str); 2] = [("a", "0"), ("b", "0")];

    fn merged(
        ours: &[(&str, &str)],
        theirs: &[(&str, &str)],
        resolution: Resolution,
    ) -> Result<Container, Error> {
        merge(&tree(&BASE), &tree(ours), &tree(theirs), resolution, 1)
    }

    #[test]
    fn what_both_changed_is_told_or_becomes_what_one_of_them_made_of_it() {
        let (ours, theirs) = ([("a", "1"), ("b", "1"), ("c", "1")], [("a", "2"), ("b", "0"), ("d", "2")]);
        let error = merged(&ours, &theirs, Resolution::Refuse).unwrap_err();
        assert_eq!((error.app_tag.as_deref(), error.all().count()), (Some("conflict"), 1));
        assert_eq!(error.path.unwrap().to_string(), "/irtf-agent:data-params[id='a']/data");
        let mine = merged(&ours, &theirs, Resolution::Ours).unwrap();
        assert_eq!(mine, tree(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "2")]));
        let other = merged(&ours, &theirs, Resolution::Theirs).unwrap();
        assert_eq!(other, tree(&[("a", "2"), ("b", "1"), ("c", "1"), ("d", "2")]));
    }

    #[test]
    fn what_one_removed_and_the_other_changed_is_a_conflict_each_way() {
        let (changed, removed) = ([("a", "1"), ("b", "1")], [("c", "2")]);
        let error = merged(&changed, &removed, Resolution::Refuse).unwrap_err();
        assert_eq!(error.all().count(), 2, "each place is told");
        let mine = merged(&changed, &removed, Resolution::Ours).unwrap();
        assert_eq!(mine, tree(&[("a", "1"), ("b", "1"), ("c", "2")]));
        assert_eq!(merged(&changed, &removed, Resolution::Theirs).unwrap(), tree(&[("c", "2")]));
        assert_eq!(merged(&removed, &changed, Resolution::Ours).unwrap(), tree(&[("c", "2")]));
        let theirs = merged(&removed, &changed, Resolution::Theirs).unwrap();
        assert_eq!(theirs, tree(&[("a", "1"), ("b", "1"), ("c", "2")]));
        assert!(merged(&removed, &removed, Resolution::Refuse).is_ok(), "both did the same");
    }

    #[test]
    fn different_cases_of_a_choice_are_a_conflict() {
        let rule = |what: Json| {
            let mut rule = json!({"name": "r", "action": "deny"});
            for (name, value) in what.as_object().unwrap() {
                rule[name] = value.clone();
            }
            let text = json!({"ietf-netconf-acm:nacm": {"rule-list": [{"name": "l", "rule": [rule]}]}});
            json::decode_children(text.to_string().as_bytes(), None, &SCHEMA, &json::STORED).unwrap()
        };
        let (base, ours, theirs) =
            (rule(json!({})), rule(json!({"rpc-name": "get"})), rule(json!({"path": "/"})));
        let error = merge(&base, &ours, &theirs, Resolution::Refuse, 1).unwrap_err();
        assert_eq!((error.app_tag.as_deref(), error.all().count()), (Some("conflict"), 2));
        assert_eq!(merge(&base, &ours, &theirs, Resolution::Ours, 1).unwrap(), ours);
        assert_eq!(merge(&base, &ours, &theirs, Resolution::Theirs, 1).unwrap(), theirs);
        assert_eq!(merge(&base, &ours, &ours, Resolution::Refuse, 1).unwrap(), ours);
    }
}
