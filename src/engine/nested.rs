//! A part of a datastore as it stands in the whole: below the nodes that lead to it.
//!
//! Nothing is read here.

use std::cell::Cell;
use std::sync::Arc;

use super::report::Reported;
use super::request::Found;
use crate::yang::metadata::{Metadata, Note, Written};
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::Node;
use crate::yang::tree::{Child, Container, List};

/// The datastore in which there is what was found at a path, and nothing beside it.
pub(super) fn nested(path: &InstancePath, part: Reported) -> Reported {
    let Reported { found, metadata } = part;
    let above = path.steps.len().saturating_sub(1);
    let around = |child: Child, step: &Step| {
        let mut container = Container::default();
        container.set(step.node, child);
        container
    };
    let mut steps = path.steps.iter().rev();
    let Some(last) = steps.next() else { return Reported { found, metadata } };
    let whole = steps.fold(around(found.child, last), |mut inner, step| {
        let child = match &step.selector {
            Selector::Key(key) => {
                for (leaf, value) in step.node.keys().iter().zip(key.values()) {
                    inner.set(leaf, Child::Leaf(value.clone()));
                }
                Child::List(List::Sequence(Box::new([Arc::new(inner)].into_iter().collect())))
            }
            _ => Child::Container(Arc::new(inner)),
        };
        around(child, step)
    });
    let whole = whole.at_revision(found.revision);
    let metadata =
        metadata.map(|inner| Box::new(Below { above, inner: Cell::new(Some(inner)) }) as Box<dyn Metadata>);
    Reported { found: Found { node: None, child: Child::Container(Arc::new(whole)), ..found }, metadata }
}

/// Knows the metadata of the only instance so many levels below.
struct Below {
    above: usize,
    inner: Cell<Option<Box<dyn Metadata>>>,
}

impl std::fmt::Debug for Below {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Below").field("above", &self.above).finish_non_exhaustive()
    }
}

impl Metadata for Below {
    fn of(&self, node: &'static Node, instance: Written<'_>) -> (Vec<Note>, Option<Box<dyn Metadata>>) {
        match (self.above, instance) {
            (0, _) => {
                let inner = self.inner.take();
                let told = inner.as_ref().map(|inner| inner.of(node, instance)).unwrap_or_default();
                self.inner.set(inner);
                told
            }
            // Beside the way there are only keys.
            (above, Written::Content(..)) => {
                let inner = Cell::new(self.inner.take());
                (Vec::new(), Some(Box::new(Below { above: above - 1, inner })))
            }
            _ => (Vec::new(), None),
        }
    }
}
