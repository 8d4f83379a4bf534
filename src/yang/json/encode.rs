//! Instance data to JSON text, written straight out.
//!
//! It never makes a tree of JSON values, except for an anydata that came as XML.

use serde::{Serialize, Serializer as _};

use crate::yang::anydata;
use crate::yang::encode::{EncodeOptions, children};
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::{Child, Container};
use crate::yang::value::Value;

/// Writes the object of the children of an instance of `parent`, or of the root. It counts as the first level.
pub fn encode_children(
    container: &Container,
    parent: Option<&'static Node>,
    out: &mut Vec<u8>,
    options: &EncodeOptions<'_>,
) {
    Writer { out, options }.object(container, parent, options.levels());
}

/// Writes `{"module:name": …}`: the instance as a document of its own.
///
/// For a list or leaf-list, `child` can be all entries or, as [`Child::Container`] or [`Child::Leaf`], one
/// of them, which is then an array of one. Inputs, outputs and notifications are containers.
pub fn encode_one(node: &'static Node, child: &Child, out: &mut Vec<u8>, options: &EncodeOptions<'_>) {
    out.push(b'{');
    encode_member(node, child, out, options);
    out.push(b'}');
}

/// Writes `"module:name": …` as [`encode_one`] does, for an object that the caller writes.
pub fn encode_member(node: &'static Node, child: &Child, out: &mut Vec<u8>, options: &EncodeOptions<'_>) {
    let mut writer = Writer { out, options };
    writer.name(node, None);
    let one_of_many = matches!(
        (&node.kind, child),
        (Kind::List { .. }, Child::Container(_)) | (Kind::LeafList { .. }, Child::Leaf(_))
    );
    if one_of_many {
        writer.out.push(b'[');
    }
    writer.child(node, child, options.levels());
    if one_of_many {
        writer.out.push(b']');
    }
}

struct Writer<'w> {
    out: &'w mut Vec<u8>,
    options: &'w EncodeOptions<'w>,
}

impl Writer<'_> {
    fn object(&mut self, container: &Container, parent: Option<&'static Node>, levels: usize) {
        self.out.push(b'{');
        let mut first = true;
        for (node, child) in children(container, parent, levels) {
            self.comma(&mut first);
            self.name(node, parent);
            self.child(node, child, levels.saturating_sub(1));
        }
        self.out.push(b'}');
    }

    fn child(&mut self, node: &'static Node, child: &Child, levels: usize) {
        match child {
            Child::Leaf(value) => self.value(value),
            Child::Container(container) => self.object(container, Some(node), levels),
            Child::LeafList(values) => self.array(values.iter(), |writer, value| writer.value(value)),
            Child::List(list) => {
                self.array(list.iter(), |writer, entry| writer.object(&entry, Some(node), levels));
            }
            Child::Any(any) => self.serialize(anydata::as_json(any, node, self.options.schema).as_ref()),
        }
    }

    fn array<T>(&mut self, items: impl Iterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.out.push(b'[');
        let mut first = true;
        for item in items {
            self.comma(&mut first);
            write(self, item);
        }
        self.out.push(b']');
    }

    fn comma(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.out.push(b',');
        }
    }

    fn name(&mut self, node: &'static Node, parent: Option<&'static Node>) {
        // Identifiers have nothing that has to be escaped.
        self.out.push(b'"');
        if node.needs_prefix_below(parent) {
            self.out.extend_from_slice(node.module.name.as_bytes());
            self.out.push(b':');
        }
        self.out.extend_from_slice(node.name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// A value in its JSON form (RFC 7951 section 6).
    fn value(&mut self, value: &Value) {
        match value {
            Value::Int32(number) => self.serialize(number),
            Value::Uint32(number) => self.serialize(number),
            Value::Bool(value) => self.serialize(value),
            Value::Empty => self.out.extend_from_slice(b"[null]"),
            Value::String(text) => self.serialize(text.as_ref()),
            Value::Enum(value) => self.serialize(value.name),
            other => {
                // Writing into a vector cannot fail.
                let _ = serde_json::Serializer::new(&mut *self.out).collect_str(other);
            }
        }
    }

    fn serialize<T: Serialize + ?Sized>(&mut self, value: &T) {
        // Writing into a vector cannot fail, and none of these types has an error of its own.
        let _ = serde_json::to_writer(&mut *self.out, value);
    }
}
