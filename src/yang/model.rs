//! The runtime of the generated structs: from data to fields and back.
//!
//! Generated code calls these functions; nobody else needs them. Data that reaches them was
//! decoded by schema, so an error here means that a mandatory node is missing.

use std::fmt;
use std::sync::Arc;

use super::schema::{Base, Kind, Node, Type};
use super::tree::{AnyData, Child, Container, Key, List};
use super::types::TypeError;
use super::value::{Bits, Decimal64, Value};
use super::{anydata, generated, types};
use crate::yang::path::InstancePath;
use crate::yang::schema::Identity;

/// A struct that codegen wrote for a container, list, input, output or notification.
pub trait Modelled: Sized {
    /// The schema node it stands for.
    fn node() -> &'static Node;
    /// Takes the fields from instance data.
    ///
    /// # Errors
    /// A mandatory node is missing or a value is not of the node's type.
    fn from_data(data: &Container) -> Result<Self, ModelError>;
    /// The instance data of the fields; absent fields have no instance.
    fn to_data(&self) -> Container;

    /// As [`Self::to_data`], if each value is one of its leaf's type: in its range and length, and as
    /// its patterns want it. What else the module demands is for a validator to say.
    ///
    /// # Errors
    /// The first leaf with a value that its type does not have.
    fn to_checked_data(&self) -> Result<Container, ValueError> {
        let data = self.to_data();
        check(&data)?;
        Ok(data)
    }
}

/// A node that data should have had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelError {
    /// The node.
    pub node: &'static Node,
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is missing or has a value of another type", self.node.name)
    }
}

impl std::error::Error for ModelError {}

/// A value that its leaf cannot have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueError {
    /// The leaf or leaf-list.
    pub node: &'static Node,
    /// What is wrong with the value.
    pub error: TypeError,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\": {}", self.node.name, self.error.message)
    }
}

impl std::error::Error for ValueError {}

/// An enum that codegen wrote for what is derived from an identity (RFC 7950 section 7.18).
pub trait IdentityEnum: Copy + PartialEq + 'static {
    /// The identity that the others are derived from.
    const BASE: &'static Identity;
    /// The variants that stand for one identity, with it.
    const KNOWN: &'static [(Self, &'static Identity)];

    /// The variant for an identity that no other stands for.
    fn unlisted(identity: &'static Identity) -> Self;
    /// The identity, if the value is that variant.
    fn as_unlisted(self) -> Option<&'static Identity>;

    /// The identity.
    fn identity(self) -> &'static Identity {
        let known = || Self::KNOWN.iter().find(|(value, _)| *value == self).map(|(_, identity)| *identity);
        self.as_unlisted().or_else(known).unwrap_or(Self::BASE)
    }

    /// The value that stands for the identity; `None` if it is not derived from the base.
    fn from_identity(identity: &'static Identity) -> Option<Self> {
        match Self::KNOWN.iter().find(|(_, known)| *known == identity) {
            Some((value, _)) => Some(*value),
            None => identity.derives_from(Self::BASE).then(|| Self::unlisted(identity)),
        }
    }

    /// The value for a name that is qualified by that of the module, of those that are known.
    fn from_name(name: &str) -> Option<Self> {
        let (module, name) = name.split_once(':')?;
        let mut known = Self::KNOWN.iter();
        known.find(|(_, known)| known.name == name && known.module.name == module).map(|(value, _)| *value)
    }

    /// Whether the identity is that of `other` or derived from it (RFC 7950 section 10.4.2).
    fn is_or_derives_from(self, other: Self) -> bool {
        self.identity().is_or_derives_from(other.identity())
    }
}

/// A Rust type that a leaf's value converts to and from.
pub trait LeafValue: Sized {
    /// The Rust value, if `value` has the right type.
    fn from_value(value: &Value) -> Option<Self>;
    /// The YANG value for a leaf of type `ty`.
    fn to_value(&self, ty: &'static Type) -> Value;
}

/// A leaf that has to be there.
pub fn required<T: LeafValue>(data: &Container, node: &'static Node) -> Result<T, ModelError> {
    data.leaf(node).and_then(T::from_value).ok_or(ModelError { node })
}

/// A leaf that can be absent.
pub fn optional<T: LeafValue>(data: &Container, node: &'static Node) -> Result<Option<T>, ModelError> {
    match data.leaf(node) {
        Some(value) => T::from_value(value).map(Some).ok_or(ModelError { node }),
        None => Ok(None),
    }
}

/// A leaf whose default is filled in.
pub fn defaulted<T: LeafValue>(data: &Container, node: &'static Node) -> Result<T, ModelError> {
    if let Some(value) = optional(data, node)? {
        return Ok(value);
    }
    default_value(node).as_ref().and_then(T::from_value).ok_or(ModelError { node })
}

/// The default of a leaf as a value.
pub fn default_value(node: &'static Node) -> Option<Value> {
    match node.kind {
        Kind::Leaf { ty, default: Some(text), .. } => {
            types::parse(ty, text, &types::ModuleNames(&generated::SCHEMA), node.module).ok()
        }
        _ => None,
    }
}

/// All entries of a leaf-list.
pub fn leaf_list<T: LeafValue>(data: &Container, node: &'static Node) -> Result<Vec<T>, ModelError> {
    match data.get(node) {
        Some(Child::LeafList(values)) => {
            values.iter().map(|v| T::from_value(v).ok_or(ModelError { node })).collect()
        }
        _ => Ok(Vec::new()),
    }
}

/// A container without presence: absent is the same as empty.
pub fn container<T: Modelled>(data: &Container, node: &'static Node) -> Result<T, ModelError> {
    match data.container(node) {
        Some(inner) => T::from_data(inner),
        None => T::from_data(&Container::default()),
    }
}

/// A container with presence.
pub fn presence<T: Modelled>(data: &Container, node: &'static Node) -> Result<Option<T>, ModelError> {
    data.container(node).map(|inner| T::from_data(inner)).transpose()
}

/// All entries of a list.
pub fn list<T: Modelled>(data: &Container, node: &'static Node) -> Result<Vec<T>, ModelError> {
    match data.list(node) {
        Some(list) => list.iter().map(|entry| T::from_data(&entry)).collect(),
        None => Ok(Vec::new()),
    }
}

/// An anydata or anyxml that can be absent. A struct holds it as JSON whatever it came as, because
/// a log record does: so it is the same before and after it was read from there.
pub fn any(data: &Container, node: &'static Node) -> Result<Option<AnyData>, ModelError> {
    Ok(match data.get(node) {
        Some(Child::Any(AnyData::Json(json))) => Some(AnyData::Json(json.clone())),
        Some(Child::Any(any)) => {
            Some(AnyData::Json(Arc::new(anydata::as_json(any, node, &generated::SCHEMA).into_owned())))
        }
        _ => None,
    })
}

/// An anydata or anyxml that has to be there.
pub fn required_any(data: &Container, node: &'static Node) -> Result<AnyData, ModelError> {
    any(data, node)?.ok_or(ModelError { node })
}

/// The key of a list entry, of values in the order of the `key` statement.
///
/// # Errors
/// A value is not one of its leaf's type.
pub fn key(list: &'static Node, values: Vec<Value>) -> Result<Key, ValueError> {
    list.keys().iter().zip(&values).try_for_each(|(leaf, value)| check_value(leaf, value))?;
    Ok(Key::new(values))
}

/// The YANG value for a leaf.
pub fn value<T: LeafValue>(value: &T, leaf: &'static Node) -> Value {
    leaf.ty().map_or(Value::Empty, |ty| value.to_value(ty))
}

/// Checks every value against the type of its leaf.
fn check(data: &Container) -> Result<(), ValueError> {
    data.iter().try_for_each(|(node, child)| match child {
        Child::Leaf(value) => check_value(node, value),
        Child::LeafList(values) => values.iter().try_for_each(|value| check_value(node, value)),
        Child::Container(inner) => check(inner),
        Child::List(list) => list.iter().try_for_each(|entry| check(&entry)),
        Child::Any(_) => Ok(()),
    })
}

fn check_value(node: &'static Node, value: &Value) -> Result<(), ValueError> {
    match node.ty() {
        Some(ty) => types::check(ty, value).map_err(|error| ValueError { node, error }),
        None => Ok(()),
    }
}

/// Puts a leaf.
pub fn put<T: LeafValue>(data: &mut Container, node: &'static Node, value: &T) {
    if let Some(ty) = node.ty() {
        data.set(node, Child::Leaf(value.to_value(ty)));
    }
}

/// Puts a leaf if there is a value.
pub fn put_optional<T: LeafValue>(data: &mut Container, node: &'static Node, value: &Option<T>) {
    if let Some(value) = value {
        put(data, node, value);
    }
}

/// Puts the entries of a leaf-list if there are any.
pub fn put_leaf_list<T: LeafValue>(data: &mut Container, node: &'static Node, values: &[T]) {
    if let (Some(ty), false) = (node.ty(), values.is_empty()) {
        let values = values.iter().map(|v| v.to_value(ty)).collect();
        data.set(node, Child::LeafList(Arc::new(values)));
    }
}

/// Puts a container without presence unless it is empty.
pub fn put_container<T: Modelled>(data: &mut Container, node: &'static Node, value: &T) {
    let inner = value.to_data();
    if !inner.is_empty() {
        data.set(node, Child::Container(Arc::new(inner)));
    }
}

/// Puts a container with presence.
pub fn put_presence<T: Modelled>(data: &mut Container, node: &'static Node, value: &Option<T>) {
    if let Some(value) = value {
        data.set(node, Child::Container(Arc::new(value.to_data())));
    }
}

/// Puts the entries of a list if there are any.
pub fn put_list<T: Modelled>(data: &mut Container, node: &'static Node, entries: &[T]) {
    if entries.is_empty() {
        return;
    }
    let mut list = List::empty(node);
    for entry in entries {
        let entry = entry.to_data();
        match &mut list {
            List::Sequence(entries) => entries.push_back(Arc::new(entry)),
            keyed => keyed.put(node, entry.key(node), Arc::new(entry)),
        }
    }
    data.set(node, Child::List(list));
}

/// Puts an anydata or anyxml if there is one.
pub fn put_any(data: &mut Container, node: &'static Node, value: &Option<AnyData>) {
    if let Some(value) = value {
        data.set(node, Child::Any(value.clone()));
    }
}

/// The value of an enumeration by its name; the empty string if the type has no such name.
pub fn enum_value(ty: &'static Type, name: &str) -> Value {
    let member = |ty: &'static Type| match &ty.base {
        Base::Enumeration(values) => values.iter().find(|v| v.name == name),
        _ => None,
    };
    let found = match &ty.base {
        Base::LeafRef(leafref) => member(leafref.real),
        Base::Union(members) => members.iter().find_map(|m| member(m)),
        _ => member(ty),
    };
    found.map_or_else(|| Value::string(name), Value::Enum)
}

macro_rules! integer {
    ($($rust:ty, $narrow:ident, $wide:ident, $widest:ty, $narrowest:ty;)*) => {$(
        impl LeafValue for $rust {
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    Value::$narrow(n) => <$rust>::try_from(*n).ok(),
                    Value::$wide(n) => <$rust>::try_from(*n).ok(),
                    _ => None,
                }
            }
            fn to_value(&self, ty: &'static Type) -> Value {
                let wide = Value::$wide(<$widest>::from(*self));
                match ty.base {
                    Base::Int(64, _) | Base::Uint(64, _) => wide,
                    _ => <$narrowest>::try_from(*self).map_or(wide, Value::$narrow),
                }
            }
        }
    )*};
}

integer! {
    i8, Int32, Int64, i64, i32;
    i16, Int32, Int64, i64, i32;
    i32, Int32, Int64, i64, i32;
    u8, Uint32, Uint64, u64, u32;
    u16, Uint32, Uint64, u64, u32;
    u32, Uint32, Uint64, u64, u32;
}

macro_rules! direct {
    ($($rust:ty, $pattern:pat => $get:expr, $self:ident => $put:expr;)*) => {$(
        impl LeafValue for $rust {
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    $pattern => Some($get),
                    _ => None,
                }
            }
            fn to_value(&self, _: &'static Type) -> Value {
                let $self = self;
                $put
            }
        }
    )*};
}

direct! {
    i64, Value::Int64(n) => *n, this => Value::Int64(*this);
    u64, Value::Uint64(n) => *n, this => Value::Uint64(*this);
    bool, Value::Bool(b) => *b, this => Value::Bool(*this);
    String, Value::String(text) => text.to_string(), this => Value::string(this);
    Decimal64, Value::Decimal64(n) => *n, this => Value::Decimal64(*this);
    Bits, Value::Bits(bits) => bits.clone(), this => Value::Bits(this.clone());
    Vec<u8>, Value::Binary(octets) => octets.to_vec(), this => Value::Binary(this.as_slice().into());
    (), Value::Empty => (), _this => Value::Empty;
    &'static Identity, Value::Identity(identity) => identity, this => Value::Identity(this);
    InstancePath, Value::Instance(path) => path.as_ref().clone(), this => Value::Instance(Arc::new(this.clone()));
}

impl<T: IdentityEnum> LeafValue for T {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Identity(identity) => Self::from_identity(identity),
            _ => None,
        }
    }
    fn to_value(&self, _: &'static Type) -> Value {
        Value::Identity(self.identity())
    }
}

impl LeafValue for Value {
    fn from_value(value: &Value) -> Option<Self> {
        Some(value.clone())
    }
    fn to_value(&self, _: &'static Type) -> Value {
        self.clone()
    }
}
