//! Enums of enumerations and of identities with their conversions. The runtime they lean on is
//! `model.rs`; it writes no struct.

use super::Emitter;
use super::text::doc;
use crate::ir::{EnumValue, IdentityId, Origin, TypeId};
use crate::names::Names;
use crate::names::identities::UNLISTED;

impl Emitter<'_> {
    /// The enum of an enumeration.
    pub(super) fn enum_(&self, text: &mut String, id: TypeId, name: &str, values: &[EnumValue]) {
        let variants = Names::variants(values);
        let (mut declared, mut all, mut to, mut from) = Default::default();
        for (value, variant) in values.iter().zip(&variants) {
            let append = |text: &mut String, line: String| *text += &line;
            append(&mut declared, doc(&value.description, &format!("`{}`.", value.name), 4));
            append(&mut declared, format!("    {variant},\n"));
            append(&mut all, format!("        Self::{variant},\n"));
            append(&mut to, format!("            Self::{variant} => {:?},\n", value.name));
            append(&mut from, format!("            {:?} => Some(Self::{variant}),\n", value.name));
        }
        let ty = self.schema.ty(id);
        let about = match &ty.origin {
            Origin::Inline(words) => format!("A value of `/{}`.", words.join("/")),
            Origin::Typedef | Origin::Builtin => format!("The type `{}`.", ty.name),
        };
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
            doc(&ty.description, &about, 0),
        );
    }

    /// The enum of what is derived from an identity, for the Rust module of identities.
    pub(super) fn identity_enum(&self, text: &mut String, id: IdentityId) {
        let Some(name) = self.names.identity_enum(id) else { return };
        let base = self.schema.identity(id);
        let (mut declared, mut known) = (String::new(), String::new());
        for (derived, variant) in self.names.identity_variants(id) {
            let identity = self.schema.identity(*derived);
            let module = &self.schema.module(identity.module).name;
            declared += &doc(&identity.description, &format!("`{module}:{}`.", identity.name), 8);
            declared += &format!("        {variant},\n");
            let item = self.to_identity(base.module, *derived);
            known += &format!("            (Self::{variant}, &{item}),\n");
        }
        // Without another variant, a condition would always hold.
        let unlisted = match known.is_empty() {
            true => format!("let Self::{UNLISTED}(identity) = self;\n            Some(identity)"),
            false => format!("if let Self::{UNLISTED}(identity) = self {{ Some(identity) }} else {{ None }}"),
        };
        let about = format!("What is derived from the identity `{}`.", base.name);
        *text += &format!(
            "\n{}    \
             #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]\n    \
             #[non_exhaustive]\n    \
             pub enum {name} {{\n{declared}        \
                 /// One of a module that was not compiled together with this one.\n        \
                 {UNLISTED}(&'static Identity),\n    }}\n\n    \
             impl model::IdentityEnum for {name} {{\n        \
                 const BASE: &'static Identity = &{};\n        \
                 const KNOWN: &'static [(Self, &'static Identity)] = &[\n{known}        ];\n\n        \
                 fn unlisted(identity: &'static Identity) -> Self {{\n            \
                     Self::{UNLISTED}(identity)\n        }}\n\n        \
                 fn as_unlisted(self) -> Option<&'static Identity> {{\n            \
                     {unlisted}\n        }}\n    }}\n\n    \
             impl std::fmt::Display for {name} {{\n        \
                 fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{\n            \
                     model::IdentityEnum::identity(*self).fmt(f)\n        }}\n    }}\n",
            doc(&base.description, &about, 4),
            self.names.identity(id),
        );
    }
}
