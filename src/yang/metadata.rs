//! Metadata annotations (RFC 7952): what is said of data beside its values, and how encoders and decoders
//! meet it.
//!
//! What an annotation means, and which instances get it, is never decided here.

use std::fmt;

use super::error::Error;
use super::generated::{ietf_list_pagination, ietf_netconf_txid, ietf_netconf_with_defaults, ietf_origin};
use super::path::InstancePath;
use super::schema::{Base, EnumValue, Module, Node, Range, Type};
use super::tree::Container;
use super::value::Value;

/// An annotation (RFC 7952 section 3). Two are equal if they are the same `static`.
pub struct Annotation {
    /// Its local name.
    pub name: &'static str,
    /// The module whose name qualifies it in JSON.
    pub module: &'static Module,
    /// The namespace of its attribute in XML: that of the module, but for attributes older than RFC 7952.
    pub namespace: &'static str,
    /// The prefix that it is written with in XML.
    pub prefix: &'static str,
    /// The type of its value.
    pub ty: &'static Type,
}

/// The qualified name only.
impl fmt::Debug for Annotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.module.name, self.name)
    }
}

impl PartialEq for Annotation {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}
impl Eq for Annotation {}

/// `default` (RFC 6243 section 6, and RFC 8040 section 4.8.9 for its name in JSON): the value is the default, and
/// not set.
pub static DEFAULT: Annotation = Annotation {
    name: "default",
    module: &ietf_netconf_with_defaults::MODULE,
    namespace: "urn:ietf:params:xml:ns:netconf:default:1.0",
    prefix: "wd",
    ty: &Type { name: "boolean", base: Base::Boolean },
};

/// `origin` (RFC 8342 section 5.3.4): where configuration in use comes from.
pub static ORIGIN: Annotation = Annotation {
    name: "origin",
    module: &ietf_origin::MODULE,
    namespace: ietf_origin::MODULE.namespace,
    prefix: ietf_origin::MODULE.prefix,
    ty: &Type { name: "identityref", base: Base::IdentityRef(&[&ietf_origin::identities::ORIGIN]) },
};

/// `etag` (draft-ietf-netconf-transaction-id-11 section 4.1): the transaction that changed the instance last. In the
/// namespace of its module, as RFC 7952 has it and draft-al-netconf-restconf-transaction-id-00 uses it.
pub static ETAG: Annotation = Annotation {
    name: "etag",
    module: &ietf_netconf_txid::MODULE,
    namespace: ietf_netconf_txid::MODULE.namespace,
    prefix: "txid",
    ty: TEXT,
};

/// The same as the attribute of NETCONF, which has a namespace of its own (section 4.1 there).
pub static ETAG_ATTRIBUTE: Annotation = Annotation {
    name: "etag",
    module: &ietf_netconf_txid::MODULE,
    namespace: "urn:ietf:params:xml:ns:netconf:txid:1.0",
    prefix: "txid",
    ty: TEXT,
};

/// `remaining` (draft-ietf-netconf-list-pagination section 3.1.7): how many entries follow that are not shown.
pub static REMAINING: Annotation = of_pages(
    "remaining",
    &Type {
        name: "union",
        base: Base::Union(&[&Type { name: "uint32", base: Base::Uint(32, Range::ANY) }, UNKNOWN]),
    },
);

/// `next` (section 3.1.6 there): the cursor of the page that follows.
pub static NEXT: Annotation = of_pages("next", TEXT);

/// `previous` (section 3.1.6 there): the cursor of the page before.
pub static PREVIOUS: Annotation = of_pages("previous", TEXT);

/// `locale` (section 3.1.3 there): how entries were compared to sort them.
pub static LOCALE: Annotation = of_pages("locale", TEXT);

/// What the server says of data where modules define it, and is never told.
pub(super) static TOLD: [&Annotation; 5] = [&ORIGIN, &REMAINING, &NEXT, &PREVIOUS, &LOCALE];

/// The value of [`REMAINING`] that is none of its numbers.
pub static REMAINING_UNKNOWN: EnumValue = EnumValue { name: "unknown", value: 0 };

const TEXT: &Type = &Type { name: "string", base: Base::String(Range::ANY, &[]) };
const UNKNOWN: &Type =
    &Type { name: "enumeration", base: Base::Enumeration(&[EnumValue { name: "unknown", value: 0 }]) };

const fn of_pages(name: &'static str, ty: &'static Type) -> Annotation {
    Annotation {
        name,
        module: &ietf_list_pagination::MODULE,
        namespace: "urn:ietf:params:xml:ns:yang:ietf-list-pagination",
        prefix: "lpg",
        ty,
    }
}

/// An annotation of one instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// The annotation.
    pub annotation: &'static Annotation,
    /// Its value.
    pub value: Value,
}

/// An instance that is about to be written.
#[derive(Debug, Clone, Copy)]
pub enum Written<'a> {
    /// The value of a leaf, or of one entry of a leaf-list.
    Value(&'a Value),
    /// The content of a container or list entry, with the position of the entry, counted from 0, among those
    /// that are written.
    Content(&'a Container, usize),
    /// An anydata or anyxml.
    Any,
}

/// Knows the metadata of the instances right below one place; an encoder asks it on its way down.
pub trait Metadata: fmt::Debug + Send {
    /// The annotations of an instance of `node`, and who knows those of what is below it; `None` if there are
    /// none there.
    fn of(&self, node: &'static Node, instance: Written<'_>) -> (Vec<Note>, Option<Box<dyn Metadata>>);

    /// The annotations of the datastore as a whole, where the place is that.
    fn of_root(&self, _root: &Container) -> Vec<Note> {
        Vec::new()
    }
}

/// What two know.
#[derive(Debug)]
pub struct Both(pub Box<dyn Metadata>, pub Box<dyn Metadata>);

impl Metadata for Both {
    fn of(&self, node: &'static Node, instance: Written<'_>) -> (Vec<Note>, Option<Box<dyn Metadata>>) {
        let ((mut notes, first), (more, second)) = (self.0.of(node, instance), self.1.of(node, instance));
        notes.extend(more);
        let below = match (first, second) {
            (Some(first), Some(second)) => Some(Box::new(Both(first, second)) as Box<dyn Metadata>),
            (first, second) => first.or(second),
        };
        (notes, below)
    }

    fn of_root(&self, root: &Container) -> Vec<Note> {
        self.0.of_root(root).into_iter().chain(self.1.of_root(root)).collect()
    }
}

/// An instance of which a document said more than its value.
#[derive(Debug)]
pub struct Annotated<'a> {
    /// Where it is; a leaf-list is told of as a whole.
    pub path: InstancePath,
    /// What it is.
    pub node: &'static Node,
    /// The value of a leaf or the values of a leaf-list; empty for other nodes.
    pub values: &'a [Value],
    /// The annotations: of each entry of a leaf-list, or of the one instance.
    pub notes: &'a [Vec<Note>],
}

/// What becomes of the metadata in a document that is decoded.
pub trait Sink: fmt::Debug {
    /// The annotations that it understands; any other is refused as `unknown-attribute`.
    fn known(&self) -> &[&'static Annotation];

    /// Takes the annotations of one instance. False if that is not part of the data: the decoder leaves it
    /// out.
    ///
    /// # Errors
    /// They cannot stand there, or contradict the data.
    fn take(&self, instance: &Annotated<'_>) -> Result<bool, Error>;
}

#[cfg(test)]
mod tests;
