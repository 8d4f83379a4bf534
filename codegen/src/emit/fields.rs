//! How data nodes become fields: which Rust type, whether it can be absent, and what it is when
//! nobody says. It writes no item.

use super::Emitter;
use crate::ir::{Base, Kind, ModuleId, NodeId, TypeId};
use crate::names::Names;

/// How a data node becomes a field.
pub(super) enum Field {
    /// A key, or a mandatory leaf.
    Required(TypeId),
    /// A leaf that has its default if nothing is said.
    Defaulted(TypeId),
    Optional(TypeId),
    LeafList(TypeId),
    /// A container without presence.
    Container(NodeId),
    /// A container that can be absent.
    Presence(NodeId),
    List(NodeId),
    Any,
    RequiredAny,
}

impl Emitter<'_> {
    /// How the data node becomes a field of the struct of its parent.
    pub(super) fn field(&self, id: NodeId) -> Field {
        let node = self.schema.node(id);
        // In a case, or under a condition, it can be absent whatever else is said of it.
        let is_certain = self.schema.data_parent(id) == node.parent && node.whens.is_empty();
        match &node.kind {
            Kind::Leaf { ty, default, .. } => {
                let is_key = node.parent.is_some_and(|parent| {
                    matches!(&self.schema.node(parent).kind, Kind::List { keys, .. } if keys.contains(&id))
                });
                match default {
                    _ if is_key || (is_certain && node.mandatory) => Field::Required(*ty),
                    Some(_) if is_certain && !node.config => Field::Defaulted(*ty),
                    _ => Field::Optional(*ty),
                }
            }
            Kind::LeafList { ty, .. } => Field::LeafList(*ty),
            Kind::Container { presence: false } if is_certain => Field::Container(id),
            Kind::Container { .. } => Field::Presence(id),
            Kind::List { .. } => Field::List(id),
            _ if is_certain && node.mandatory => Field::RequiredAny,
            _ => Field::Any,
        }
    }

    /// The Rust type of a field of a struct of `own`.
    pub(super) fn field_type(&self, own: ModuleId, field: &Field) -> String {
        match field {
            Field::Required(ty) | Field::Defaulted(ty) => self.rust_type(own, *ty),
            Field::Optional(ty) => format!("Option<{}>", self.rust_type(own, *ty)),
            Field::LeafList(ty) => format!("Vec<{}>", self.rust_type(own, *ty)),
            Field::Container(node) => self.struct_item(own, *node),
            Field::Presence(node) => format!("Option<{}>", self.struct_item(own, *node)),
            Field::List(node) => format!("Vec<{}>", self.struct_item(own, *node)),
            Field::Any => "Option<tree::AnyData>".to_owned(),
            Field::RequiredAny => "tree::AnyData".to_owned(),
        }
    }

    fn struct_item(&self, own: ModuleId, node: NodeId) -> String {
        let name = self.names.struct_(node).unwrap_or_default();
        self.item(own, 0, self.schema.node(node).module, "", name)
    }

    /// The Rust type of a value.
    pub(super) fn rust_type(&self, own: ModuleId, id: TypeId) -> String {
        let ty = self.schema.ty(id);
        match &ty.base {
            Base::Int(bits, _) => format!("i{bits}"),
            Base::Uint(bits, _) => format!("u{bits}"),
            Base::Decimal64(..) => "value::Decimal64".to_owned(),
            Base::String(..) => "String".to_owned(),
            Base::Boolean => "bool".to_owned(),
            Base::Enumeration(_) => {
                self.item(own, 0, ty.module, "", self.names.enum_(id).unwrap_or_default())
            }
            Base::Bits(_) => "value::Bits".to_owned(),
            Base::Binary(_) => "Vec<u8>".to_owned(),
            Base::Empty => "()".to_owned(),
            Base::IdentityRef(bases) => match bases.as_slice() {
                [base] => self.identity_enum_item(own, *base),
                _ => "&'static schema::Identity".to_owned(),
            },
            Base::LeafRef(leafref) => self.rust_type(own, leafref.real),
            Base::InstanceIdentifier(_) => "path::InstancePath".to_owned(),
            Base::Union(_) => "value::Value".to_owned(),
        }
    }

    fn identity_enum_item(&self, own: ModuleId, base: crate::ir::IdentityId) -> String {
        let name = self.names.identity_enum(base).unwrap_or_default();
        self.item(own, 0, self.schema.identity(base).module, "identities", name)
    }

    /// The type of a leaf with leafrefs followed.
    pub(super) fn real(&self, id: TypeId) -> TypeId {
        match &self.schema.ty(id).base {
            Base::LeafRef(leafref) => leafref.real,
            _ => id,
        }
    }

    /// The default of a leaf as a Rust expression; `None` if it has none or the type has no such
    /// form.
    pub(super) fn default_of(&self, own: ModuleId, id: NodeId) -> Option<String> {
        let Kind::Leaf { ty, default: Some(text), .. } = &self.schema.node(id).kind else { return None };
        let real = self.real(*ty);
        match &self.schema.ty(real).base {
            Base::Int(..) | Base::Uint(..) | Base::Boolean => Some(text.clone()),
            Base::String(..) => Some(format!("{text:?}.to_owned()")),
            Base::Enumeration(values) => {
                let variants = Names::variants(values);
                let position = values.iter().position(|value| value.name == *text)?;
                Some(format!("{}::{}", self.rust_type(own, real), variants.get(position)?))
            }
            Base::IdentityRef(bases) if bases.len() == 1 => {
                let variants = self.names.identity_variants(*bases.first()?);
                let (_, variant) = variants.iter().find(|(derived, _)| {
                    let identity = self.schema.identity(*derived);
                    let module = &self.schema.module(identity.module).name;
                    text.split_once(':') == Some((module.as_str(), identity.name.as_str()))
                })?;
                Some(format!("{}::{variant}", self.rust_type(own, real)))
            }
            Base::Decimal64(fraction, _) => {
                let (whole, part) = text.split_once('.').unwrap_or((text, ""));
                let digits = format!("{whole}{part:0<width$}", width = usize::from(*fraction));
                let digits: i64 = digits.parse().ok()?;
                Some(format!("value::Decimal64 {{ digits: {digits}, fraction: {fraction} }}"))
            }
            _ => None,
        }
    }
}
