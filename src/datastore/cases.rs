//! In which cases of choices changes have made nodes (RFC 7950 section 7.9): who makes one case removes the others.
//!
//! It never decides whether that is right.

use std::collections::{BTreeMap, BTreeSet};

use super::diff::Change;
use crate::yang::path::Step;
use crate::yang::schema::{Kind, Node};

/// By the place of a choice, the branches in which something was made.
#[derive(Debug, Default)]
pub struct Cases(BTreeMap<(Vec<Step>, usize), BTreeSet<usize>>);

impl Cases {
    /// Of what changes created or gave another value.
    pub fn made<'c>(changes: impl IntoIterator<Item = &'c Change>) -> Cases {
        let mut cases = Cases::default();
        for change in changes.into_iter().filter(|change| change.new.is_some()) {
            for (place, choice, branch) in branches(&change.path.steps) {
                cases.0.entry((place.to_vec(), choice)).or_default().insert(branch);
            }
        }
        cases
    }

    /// Whether something was made in another case of a choice that the node at a path is in, or what is above it.
    pub fn exclude(&self, path: &[Step]) -> bool {
        // Choices are rare, and so is what would have to be looked up.
        !self.0.is_empty()
            && branches(path).any(|(place, choice, branch)| {
                let made = self.0.get(&(place.to_vec(), choice));
                made.is_some_and(|made| made.iter().any(|other| *other != branch))
            })
    }
}

/// The choices on a path: where each is, which it is, and which of its branches the path takes.
fn branches(path: &[Step]) -> impl Iterator<Item = (&[Step], usize, usize)> {
    path.iter().enumerate().flat_map(|(depth, step)| {
        let place = path.get(..depth).unwrap_or_default();
        let address = |node: &'static Node| std::ptr::from_ref(node).addr();
        let up = std::iter::successors(Some(step.node), |node| {
            node.parent.filter(|parent| matches!(parent.kind, Kind::Choice { .. } | Kind::Case))
        });
        up.filter_map(move |branch| {
            let choice = branch.parent.filter(|parent| matches!(parent.kind, Kind::Choice { .. }))?;
            Some((place, address(choice), address(branch)))
        })
    })
}
