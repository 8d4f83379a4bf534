//! Typed structs with their conversions. The runtime they lean on is `model.rs`; how they are made
//! by hand is in `construct.rs`.

use super::Emitter;
use super::fields::Field;
use super::text::doc;
use crate::ir::{Base, ModuleId, NodeId, TypeId};

impl Emitter<'_> {
    /// The structs and enums of one module.
    pub(super) fn structs(&self, id: ModuleId) -> String {
        let mut text = String::new();
        for node in self.schema.node_ids().filter(|n| self.schema.node(*n).module == id) {
            if let Some(name) = self.names.struct_(node) {
                self.struct_(&mut text, node, name);
                self.construction(&mut text, node, name);
            }
        }
        for ty in (0..self.schema.types.len()).map(TypeId).filter(|t| self.schema.ty(*t).module == id) {
            if let (Some(name), Base::Enumeration(values)) = (self.names.enum_(ty), &self.schema.ty(ty).base)
            {
                self.enum_(&mut text, ty, name, values);
            }
        }
        text
    }

    fn struct_(&self, text: &mut String, id: NodeId, name: &str) {
        let node = self.schema.node(id);
        let own = node.module;
        let static_ = |n: NodeId| self.node_item(own, 0, n);
        let (mut fields, mut from, mut to) = (String::new(), String::new(), String::new());
        let children: Vec<NodeId> = self.schema.fields(id).collect();
        for child in &children {
            let field = self.field(*child);
            let (rust, name, at) = (self.field_type(own, &field), self.names.field(*child), static_(*child));
            let fallback = format!("`{}`.", self.schema.node(*child).name);
            fields += &doc(&self.schema.node(*child).description, &fallback, 4);
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
            let read = match (&field, self.default_of(own, *child)) {
                (Field::Defaulted(_), Some(value)) if value.ends_with(')') => {
                    format!("model::optional(data, &{at})?.unwrap_or_else(|| {value})")
                }
                (Field::Defaulted(_), Some(value)) => {
                    format!("model::optional(data, &{at})?.unwrap_or({value})")
                }
                _ => format!("model::{reader}(data, &{at})?"),
            };
            from += &format!("            {name}: {read},\n");
            to += &format!("        model::{writer}(&mut data, &{at}, {value});\n");
        }
        let default = if self.derives_default(id) { ", Default" } else { "" };
        *text += "\n";
        let path = format!("`{}`.", self.schema.path(id));
        *text += &doc(&node.description, &path, 0);
        if !node.description.trim().is_empty() {
            *text += &format!("///\n/// {path}\n");
        }
        *text += &format!("#[derive(Debug, Clone, PartialEq{default})]\n");
        let (argument, to) = match children.is_empty() {
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
}
