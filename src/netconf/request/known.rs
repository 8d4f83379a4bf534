//! What a client says in a request that it knows of what it reads (draft-ietf-netconf-transaction-id-11 section 4.3): the
//! attribute `etag` of `get-config` and `get-data`, and of the elements of their filters.
//!
//! What becomes of it is not known here.

use super::{Element, take_etag};
use crate::engine::{Known, KnownBelow};
use crate::yang::generated::SCHEMA;
use crate::yang::schema::Node;
use crate::yang::types::{self, ModuleNames};
use crate::yang::value::Value;

/// What the operation and its filter say together; `None` if they say nothing.
pub(super) fn of(operation: Option<String>, filter: Option<&mut Element<'_>>) -> Option<Known> {
    let mut known = Known { txid: operation, below: Vec::new() };
    if let Some(filter) = filter {
        // A filter that is an expression has no elements that could say it.
        known.txid = take_etag(filter).or(known.txid);
        let top: Vec<&'static Node> = SCHEMA.implemented().flat_map(|module| module.data).copied().collect();
        known.below = below(filter, &top);
    }
    (!known.is_nothing()).then_some(known)
}

fn below(element: &mut Element<'_>, among: &[&'static Node]) -> Vec<KnownBelow> {
    let mut all = Vec::new();
    for child in &mut element.children {
        let txid = take_etag(child);
        let fits = |node: &&&'static Node| {
            node.name == child.name
                && (child.namespace.is_empty() || node.module.namespace == child.namespace.as_ref())
        };
        let Some(node) = among.iter().find(fits).copied() else { continue };
        let matches = child.children.iter().filter_map(|leaf| content_match(leaf, node)).collect();
        let known = Known { txid, below: below(child, node.data) };
        if !known.is_nothing() {
            all.push(KnownBelow { node, matches, known });
        }
    }
    all
}

/// A leaf in an element of a filter that has a value (RFC 6241 section 6.2.5).
fn content_match(leaf: &Element<'_>, around: &'static Node) -> Option<(&'static Node, Value)> {
    let text = leaf.text.trim();
    let is_it = |node: &&&'static Node| {
        node.name == leaf.name
            && (leaf.namespace.is_empty() || node.module.namespace == leaf.namespace.as_ref())
    };
    let node = around.data.iter().find(is_it).copied().filter(|_| !text.is_empty())?;
    let value = types::parse(node.ty()?, text, &ModuleNames(&SCHEMA), node.module).ok()?;
    Some((node, value))
}
