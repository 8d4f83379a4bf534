//! What needs all nodes: where leafrefs point to, and which order counts. It never evaluates a predicate.

use super::types::{Base, Leafref, Step};
use super::units::Reader;
use super::{Kind, ModuleId, NodeId, Schema};

impl Reader<'_> {
    /// Finds the targets of all leafrefs, and forgets the orders that do not count.
    pub(super) fn refer(&mut self) {
        for at in 0..self.schema.nodes.len() {
            if self.schema.nodes[at].user_ordered {
                self.schema.nodes[at].user_ordered = is_ordered(&self.schema, NodeId(at));
            }
            let Some(mut ty) = self.schema.nodes[at].ty.take() else { continue };
            let mut leafrefs: Vec<&mut Leafref> = match &mut ty.base {
                Base::Leafref(leafref) => vec![leafref],
                Base::Union(members) => members.iter_mut().filter_map(|m| m.base.leafref_mut()).collect(),
                _ => Vec::new(),
            };
            for leafref in &mut leafrefs {
                if self.spend(leafref.steps.len() * 256) {
                    leafref.target = target(&self.schema, NodeId(at), leafref);
                }
            }
            self.schema.nodes[at].ty = Some(ty);
        }
    }
}

/// Whether clients choose the order of a list's entries: in configuration and in input (RFC 7950 section 7.7.7).
fn is_ordered(schema: &Schema, id: NodeId) -> bool {
    let mut above = std::iter::successors(Some(id), |id| schema.node(*id).parent);
    schema.node(id).config || above.any(|id| schema.node(id).kind == Kind::Input)
}

/// A name without prefix is in the module of the node or, for a typedef, in that of the text (RFC 7950 section 6.4.1).
fn target(schema: &Schema, from: NodeId, leafref: &Leafref) -> Option<NodeId> {
    let own = schema.node(from).module;
    follow(schema, from, leafref, own).or_else(|| follow(schema, from, leafref, leafref.home))
}

fn follow(schema: &Schema, from: NodeId, leafref: &Leafref, module: ModuleId) -> Option<NodeId> {
    let mut at = Some(from).filter(|_| !leafref.absolute);
    for step in &leafref.steps {
        at = match step {
            Step::Up => schema.data_parent(at?),
            Step::Down(of, name) => {
                let module = schema.module(of.unwrap_or(module)).name.as_str();
                Some(schema.child(at, module, name)?)
            }
        };
    }
    at.filter(|id| matches!(schema.node(*id).kind, Kind::Leaf | Kind::LeafList))
}
