//! Typed structs and enums with their conversions. The runtime they lean on is `model.rs`.

use super::Emitter;
use super::text::doc;
use crate::ir::{Base, EnumValue, Kind, ModuleId, NodeId, TypeId};
use crate::names::Names;

/// How a data node becomes a field.
enum Field {
    Required(TypeId),
    Defaulted(TypeId),
    Optional(TypeId),
    LeafList(TypeId),
    Container(NodeId),
    Presence(NodeId),
    List(NodeId),
    Any,
    RequiredAny,
}

impl Emitter<'_> {
    /// Writes the structs and enums of one module.
    pub(super) fn structs(&self, text: &mut String, id: ModuleId) {
        let mut body = String::new();
        for node in self.schema.node_ids().filter(|n| self.schema.node(*n).module == id) {
            if let Some(name) = self.names.struct_(node) {
                self.struct_(&mut body, node, name);
            }
        }
        for ty in (0..self.schema.types.len()).map(TypeId).filter(|t| self.schema.ty(*t).module == id) {
            if let (Some(name), Base::Enumeration(values)) = (self.names.enum_(ty), &self.schema.ty(ty).base)
            {
                self.enum_(&mut body, ty, name, values);
            }
        }
        let used = ["model", "path", "schema", "tree", "value"];
        let is_used = |m: &&str| {
            let path = format!("{m}::");
            body.match_indices(&path).any(|(at, _)| {
                !body[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':')
            })
        };
        let used: Vec<_> = used.into_iter().filter(|m| is_used(m)).collect();
        match used.as_slice() {
            [] => {}
            [one] => *text += &format!("\nuse {}::{one};\n", self.crate_path),
            several => *text += &format!("\nuse {}::{{{}}};\n", self.crate_path, several.join(", ")),
        }
        *text += &body;
    }

    fn struct_(&self, text: &mut String, id: NodeId, name: &str) {
        let node = self.schema.node(id);
        let own = node.module;
        let static_ = |n: NodeId| self.node_item(own, 0, n);
        let (mut fields, mut from, mut to) = (String::new(), String::new(), String::new());
        for child in &node.data {
            let field = self.field(*child);
            let (rust, name, at) = (self.field_type(own, &field), self.names.field(*child), static_(*child));
            fields += &doc(
                &self.schema.node(*child).description,
                &format!("`{}`.", self.schema.node(*child).name),
                4,
            );
            fields += &format!("    pub {name}: {rust},\n");
            let (reader, writer, value) = match field {
                Field::Required(_) => ("required", "put", format!("&self.{name}")),
                Field::Defaulted(_) => ("defaulted", "put", format!("&self.{name}")),
                Field::Optional(_) => ("optional", "put_optional", format!("&self.{name}")),
                Field::LeafList(_) => ("leaf_list", "put_leaf_list", format!("&self.{name}")),
                Field::Container(_) => ("container", "put_container", format!("&self.{name}")),
                Field::Presence(_) => ("presence", "put_presence", format!("&self.{name}")),
                Field::List(_) => ("list", "put_list", format!("&self.{name}")),
                Field::Any => ("any", "put_any", format!("&self.{name}")),
                Field::RequiredAny => ("required_any", "put_any", format!("&Some(self.{name}.clone())")),
            };
            from += &format!("            {name}: model::{reader}(data, &{at})?,\n");
            to += &format!("        model::{writer}(&mut data, &{at}, {value});\n");
        }
        let default = if self.has_default(id) { ", Default" } else { "" };
        *text += "\n";
        *text += &doc(&node.description, &format!("`{}`.", self.schema.path(id)), 0);
        *text += &format!("#[derive(Debug, Clone, PartialEq{default})]\n");
        let (argument, to) = match node.data.is_empty() {
            true => ("_data", "        tree::Container::default()\n".to_owned()),
            false => {
                ("data", format!("        let mut data = tree::Container::default();\n{to}        data\n"))
            }
        };
        let braced = |inner: &str, close: &str| match inner.is_empty() {
            true => "{}".to_owned(),
            false => format!("{{\n{inner}{close}}}"),
        };
        *text += &format!("pub struct {name} {}\n\n", braced(&fields, ""));
        *text += &format!(
            "impl model::Modelled for {name} {{\n    \
                 fn node() -> &'static schema::Node {{\n        &{}\n    }}\n\n    \
                 fn from_data({argument}: &tree::Container) -> Result<Self, model::ModelError> {{\n        \
                     Ok(Self {})\n    }}\n\n    \
                 fn to_data(&self) -> tree::Container {{\n{to}    }}\n}}\n",
            static_(id),
            braced(&from, "        "),
        );
    }

    fn field(&self, id: NodeId) -> Field {
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

    fn field_type(&self, own: ModuleId, field: &Field) -> String {
        let of = |node: NodeId| {
            let name = self.names.struct_(node).unwrap_or_default();
            self.item(own, 0, self.schema.node(node).module, "", name)
        };
        match field {
            Field::Required(ty) | Field::Defaulted(ty) => self.rust_type(own, *ty),
            Field::Optional(ty) => format!("Option<{}>", self.rust_type(own, *ty)),
            Field::LeafList(ty) => format!("Vec<{}>", self.rust_type(own, *ty)),
            Field::Container(node) => of(*node),
            Field::Presence(node) => format!("Option<{}>", of(*node)),
            Field::List(node) => format!("Vec<{}>", of(*node)),
            Field::Any => "Option<tree::AnyData>".to_owned(),
            Field::RequiredAny => "tree::AnyData".to_owned(),
        }
    }

    fn rust_type(&self, own: ModuleId, id: TypeId) -> String {
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
            Base::IdentityRef(_) => "&'static schema::Identity".to_owned(),
            Base::LeafRef(leafref) => self.rust_type(own, leafref.real),
            Base::InstanceIdentifier(_) => "path::InstancePath".to_owned(),
            Base::Union(_) => "value::Value".to_owned(),
        }
    }

    /// Whether the struct can be made without knowing anything.
    fn has_default(&self, id: NodeId) -> bool {
        self.schema.node(id).data.iter().all(|child| match self.field(*child) {
            Field::Required(ty) | Field::Defaulted(ty) => self.type_has_default(ty),
            Field::Container(node) => self.has_default(node),
            Field::RequiredAny => false,
            Field::Optional(_) | Field::LeafList(_) | Field::Presence(_) | Field::List(_) | Field::Any => {
                true
            }
        })
    }

    fn type_has_default(&self, ty: TypeId) -> bool {
        match &self.schema.ty(ty).base {
            Base::Int(..)
            | Base::Uint(..)
            | Base::String(..)
            | Base::Boolean
            | Base::Binary(_)
            | Base::Empty => true,
            Base::LeafRef(leafref) => self.type_has_default(leafref.real),
            _ => false,
        }
    }

    fn enum_(&self, text: &mut String, id: TypeId, name: &str, values: &[EnumValue]) {
        let names: Vec<&str> = values.iter().map(|v| v.name.as_str()).collect();
        let variants = Names::variants(&names);
        let (mut declared, mut all, mut to, mut from) = Default::default();
        for (value, variant) in values.iter().zip(&variants) {
            let append = |text: &mut String, line: String| *text += &line;
            append(&mut declared, doc(&value.description, &format!("`{}`.", value.name), 4));
            append(&mut declared, format!("    {variant},\n"));
            append(&mut all, format!("        Self::{variant},\n"));
            append(&mut to, format!("            Self::{variant} => {:?},\n", value.name));
            append(&mut from, format!("            {:?} => Some(Self::{variant}),\n", value.name));
        }
        let about = format!("The enumeration `{}`.", self.schema.ty(id).name);
        *text += &format!(
            "\n{}\
             #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]\n\
             pub enum {name} {{\n{declared}}}\n\n\
             impl {name} {{\n    \
                 /// All values, in the order of the module.\n    \
                 pub const ALL: &'static [Self] = &[\n{all}    ];\n\n    \
                 /// The name in YANG.\n    \
                 pub fn as_str(self) -> &'static str {{\n        match self {{\n{to}        }}\n    }}\n\n    \
                 /// The value of this name.\n    \
                 pub fn from_name(name: &str) -> Option<Self> {{\n        match name {{\n{from}            \
                     _ => None,\n        }}\n    }}\n}}\n\n\
             impl model::LeafValue for {name} {{\n    \
                 fn from_value(value: &value::Value) -> Option<Self> {{\n        match value {{\n            \
                     value::Value::Enum(e) => Self::from_name(e.name),\n            _ => None,\n        }}\n    }}\n\n    \
                 fn to_value(&self, ty: &'static schema::Type) -> value::Value {{\n        \
                     model::enum_value(ty, self.as_str())\n    }}\n}}\n",
            doc("", &about, 0),
        );
    }
}
