//! Encoding of instance data: what JSON and XML have in common.
//!
//! Nothing here knows a format or leaves out what a client may not see; that is done before.

use std::fmt;

use super::generated;
use super::metadata::{Metadata, Note, Written};
use super::schema::{Node, Schema};
use super::tree::{Child, Container};

/// How data is encoded.
#[derive(Debug, Clone, Copy)]
pub struct EncodeOptions<'a> {
    /// The schema, to name modules inside anydata.
    pub schema: &'a Schema,
    /// How many levels of nodes are written, the outermost being 1 (RFC 8040 section 4.8.2). A list entry
    /// on the last level has its keys.
    pub depth: Option<u16>,
    /// What is said of the outermost nodes and of those below them; `None` for nothing.
    pub metadata: Option<&'a dyn Metadata>,
    /// Who takes away what is written, now and then; `None` if all of it is wanted at once.
    pub drain: Option<&'a dyn Drain>,
}

/// Takes away what an encoder has written so far, so that a large tree is never all in memory as text.
pub trait Drain: fmt::Debug {
    /// Called between entries; it may empty `written`. False if nobody wants the rest, which is then left out.
    fn drain(&self, written: &mut Vec<u8>) -> bool;
}

impl Default for EncodeOptions<'_> {
    /// Every level and no metadata, with the modules that were compiled in.
    fn default() -> Self {
        EncodeOptions { schema: &generated::SCHEMA, depth: None, metadata: None, drain: None }
    }
}

impl EncodeOptions<'_> {
    /// Number of levels that may be written.
    pub(super) fn levels(&self) -> usize {
        self.depth.map_or(usize::MAX, usize::from)
    }

    /// Lets what is written be taken away. False if the rest is not wanted.
    pub(super) fn drained(&self, written: &mut Vec<u8>) -> bool {
        self.drain.is_none_or(|drain| drain.drain(written))
    }
}

/// Who knows the metadata of the instances at a place, if anybody does.
pub(super) type Meta<'m> = Option<&'m dyn Metadata>;

/// The annotations of an instance, and who knows those below it.
pub(super) fn described(
    meta: Meta<'_>,
    node: &'static Node,
    instance: Written<'_>,
) -> (Vec<Note>, Option<Box<dyn Metadata>>) {
    meta.map_or_else(Default::default, |meta| meta.of(node, instance))
}

/// The children to be written of an instance of `parent`, keys first and in the order of the `key`
/// statement (RFC 7950 section 7.8.5). `levels` counts that of the parent.
pub(super) fn children<'c>(
    container: &'c Container,
    parent: Option<&Node>,
    levels: usize,
) -> impl Iterator<Item = (&'static Node, &'c Child)> {
    let keys = parent.map_or(&[][..], Node::keys);
    let first = keys.iter().filter_map(|key| container.get(key).map(|child| (*key, child)));
    let others =
        container.iter().filter(move |(node, child)| levels > 1 && !is_empty(child) && !keys.contains(node));
    first.chain(others)
}

/// A list or leaf-list without entries has no instance.
fn is_empty(child: &Child) -> bool {
    match child {
        Child::List(list) => list.is_empty(),
        Child::LeafList(values) => values.is_empty(),
        Child::Leaf(_) | Child::Container(_) | Child::Any(_) => false,
    }
}
