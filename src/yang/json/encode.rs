//! Instance data to JSON text, written straight out.
//!
//! It never makes a tree of JSON values, except for an anydata that came as XML.

use serde::{Serialize, Serializer as _};

use crate::yang::anydata;
use crate::yang::encode::{EncodeOptions, Meta, children, described};
use crate::yang::metadata::{Note, Written};
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::{AnyData, Child, Container};
use crate::yang::value::Value;

/// Writes the object of the children of an instance of `parent`, or of the root. It counts as the first level.
pub fn encode_children(
    container: &Container,
    parent: Option<&'static Node>,
    out: &mut Vec<u8>,
    options: &EncodeOptions<'_>,
) {
    Writer { out, options }.object(container, parent, options.levels(), &[], options.metadata);
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
    Writer { out, options }.member(node, None, child, options.levels(), options.metadata);
}

struct Writer<'w> {
    out: &'w mut Vec<u8>,
    options: &'w EncodeOptions<'w>,
}

impl Writer<'_> {
    /// An object with these annotations of its own (RFC 7952 section 5.2.2).
    fn object(
        &mut self,
        container: &Container,
        parent: Option<&'static Node>,
        levels: usize,
        notes: &[Note],
        meta: Meta<'_>,
    ) {
        self.out.push(b'{');
        let mut first = true;
        if !notes.is_empty() {
            self.comma(&mut first);
            self.out.extend_from_slice(b"\"@\":");
            self.notes(notes);
        }
        for (node, child) in children(container, parent, levels) {
            self.comma(&mut first);
            self.member(node, parent, child, levels.saturating_sub(1), meta);
        }
        self.out.push(b'}');
    }

    /// A member, and after it that with the annotations of what has no object for them (RFC 7952 sections
    /// 5.2.3 and 5.2.4). One entry of many is an array of one.
    fn member(
        &mut self,
        node: &'static Node,
        parent: Option<&'static Node>,
        child: &Child,
        levels: usize,
        meta: Meta<'_>,
    ) {
        let of = |instance: Written<'_>| described(meta, node, instance);
        self.name(node, parent, false);
        match (child, &node.kind) {
            (Child::Leaf(value), Kind::LeafList { .. }) => {
                self.values(node, parent, std::slice::from_ref(value), meta)
            }
            (Child::LeafList(values), _) => self.values(node, parent, values, meta),
            (Child::Leaf(value), _) => {
                self.value(value);
                self.beside(node, parent, &of(Written::Value(value)).0);
            }
            (Child::Container(entry), Kind::List { .. }) => {
                let (notes, below) = of(Written::Content(entry, 0));
                self.out.push(b'[');
                self.object(entry, Some(node), levels, &notes, below.as_deref());
                self.out.push(b']');
            }
            (Child::Container(container), _) => {
                let (notes, below) = of(Written::Content(container, 0));
                self.object(container, Some(node), levels, &notes, below.as_deref());
            }
            (Child::List(list), _) => self.array(list.iter().enumerate(), |writer, (position, entry)| {
                let (notes, below) = of(Written::Content(&entry, position));
                writer.object(&entry, Some(node), levels, &notes, below.as_deref());
            }),
            (Child::Any(any), _) => self.any(node, parent, any, &of(Written::Any).0),
        }
    }

    /// The values of a leaf-list, and an array with the annotations of each.
    fn values(
        &mut self,
        node: &'static Node,
        parent: Option<&'static Node>,
        values: &[Value],
        meta: Meta<'_>,
    ) {
        self.array(values.iter(), |writer, value| writer.value(value));
        let of = |value| described(meta, node, Written::Value(value)).0;
        let notes: Vec<Vec<Note>> = meta.iter().flat_map(|_| values.iter().map(of)).collect();
        if notes.iter().all(Vec::is_empty) {
            return;
        }
        self.out.push(b',');
        self.name(node, parent, true);
        self.array(notes.iter(), |writer, notes| match notes.is_empty() {
            true => writer.out.extend_from_slice(b"null"),
            false => writer.notes(notes),
        });
    }

    /// An anydata is an object with its annotations in it; those of an anyxml stand beside it.
    fn any(&mut self, node: &'static Node, parent: Option<&'static Node>, any: &AnyData, notes: &[Note]) {
        let json = anydata::as_json(any, node, self.options.schema);
        match (json.as_object(), &node.kind) {
            (Some(members), Kind::AnyData) if !notes.is_empty() => {
                self.out.extend_from_slice(b"{\"@\":");
                self.notes(notes);
                for (name, value) in members {
                    self.out.push(b',');
                    self.serialize(name);
                    self.out.push(b':');
                    self.serialize(value);
                }
                self.out.push(b'}');
            }
            _ => {
                self.serialize(json.as_ref());
                self.beside(node, parent, notes);
            }
        }
    }

    /// `,"@name":{…}`
    fn beside(&mut self, node: &'static Node, parent: Option<&'static Node>, notes: &[Note]) {
        if !notes.is_empty() {
            self.out.push(b',');
            self.name(node, parent, true);
            self.notes(notes);
        }
    }

    /// A metadata object (RFC 7952 section 5.2.1); all of its names are qualified.
    fn notes(&mut self, notes: &[Note]) {
        self.out.push(b'{');
        let mut first = true;
        for Note { annotation, value } in notes {
            self.comma(&mut first);
            self.out.push(b'"');
            self.out.extend_from_slice(annotation.module.name.as_bytes());
            self.out.push(b':');
            self.out.extend_from_slice(annotation.name.as_bytes());
            self.out.extend_from_slice(b"\":");
            self.value(value);
        }
        self.out.push(b'}');
    }

    fn array<T>(&mut self, items: impl Iterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.out.push(b'[');
        let mut first = true;
        for item in items {
            self.comma(&mut first);
            write(self, item);
            if !self.options.drained(self.out) {
                return;
            }
        }
        self.out.push(b']');
    }

    fn comma(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.out.push(b',');
        }
    }

    /// The name of a member, or of that with its annotations, and the colon.
    fn name(&mut self, node: &'static Node, parent: Option<&'static Node>, annotations: bool) {
        // Identifiers have nothing that has to be escaped.
        self.out.push(b'"');
        if annotations {
            self.out.push(b'@');
        }
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
            Value::String(text) => self.text(text),
            Value::Enum(value) => self.serialize(value.name),
            other => {
                // Writing into a vector cannot fail.
                let _ = serde_json::Serializer::new(&mut *self.out).collect_str(other);
            }
        }
    }

    /// A string. Most have nothing in them that has to be escaped, which one look at the octets tells.
    fn text(&mut self, text: &str) {
        let is_plain = |octet: u8| (octet >= 0x20) & (octet != b'"') & (octet != b'\\');
        if !text.bytes().fold(true, |plain, octet| plain & is_plain(octet)) {
            return self.serialize(text);
        }
        self.out.reserve(text.len() + 2);
        self.out.push(b'"');
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'"');
    }

    fn serialize<T: Serialize + ?Sized>(&mut self, value: &T) {
        // Writing into a vector cannot fail, and none of these types has an error of its own.
        let _ = serde_json::to_writer(&mut *self.out, value);
    }
}
