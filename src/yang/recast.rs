//! The same nodes at another place of the schema: from one generated struct to another.
//!
//! A YANG grouping that is used in several places (an operation's input, a list entry, a
//! notification) gives a struct for each of them. These functions carry the common part over.
//! They never change a value.

use std::sync::Arc;

use super::model::{ModelError, Modelled};
use super::schema::{Kind, Node};
use super::tree::{Child, Container, List};

/// The struct `B` made of the nodes that `from` shares with it: those of the same name
/// and kind, in the same module or in `B`'s own, to any depth. Nodes that `B` has not are left out.
///
/// # Errors
/// `B` has a mandatory node that `from` has not.
pub fn recast<A: Modelled, B: Modelled>(from: &A) -> Result<B, ModelError> {
    B::from_data(&recast_data(&from.to_data(), B::node()))
}

/// Like [`recast`], for data: what `data` shares with the node `to`, as its children.
pub fn recast_data(data: &Container, to: &'static Node) -> Container {
    let mut result = Container::default();
    for (node, child) in data.iter() {
        // A grouping's nodes take the module of who uses it.
        let target = to.child(node.module, node.name).or_else(|| to.child(to.module, node.name));
        let Some(target) = target else { continue };
        if let Some(child) = recast_child(child, target) {
            result.set(target, child);
        }
    }
    result
}

/// The child as an instance of `target`; `None` if that is of another kind.
fn recast_child(child: &Child, target: &'static Node) -> Option<Child> {
    match (child, &target.kind) {
        (Child::Leaf(_), Kind::Leaf { .. })
        | (Child::LeafList(_), Kind::LeafList { .. })
        | (Child::Any(_), Kind::AnyData | Kind::AnyXml) => Some(child.clone()),
        (Child::Container(inner), Kind::Container { .. }) => {
            Some(Child::Container(Arc::new(recast_data(inner, target))))
        }
        (Child::List(entries), Kind::List { .. }) => {
            let mut list = List::empty(target);
            for entry in entries.iter() {
                let entry = recast_data(&entry, target);
                match &mut list {
                    List::Sequence(entries) => entries.push_back(Arc::new(entry)),
                    keyed => keyed.put(target, entry.key(target), Arc::new(entry)),
                }
            }
            Some(Child::List(list))
        }
        (Child::Leaf(_) | Child::LeafList(_) | Child::Any(_) | Child::Container(_) | Child::List(_), _) => {
            None
        }
    }
}
