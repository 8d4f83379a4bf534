//! How structs are made by hand: `new` of what has to be there, `Default` where nothing has to,
//! and keys of list entries. It knows nothing of conversions.

use super::Emitter;
use super::fields::Field;
use super::layout::Layout;
use crate::ir::{Base, Kind, ModuleId, NodeId};

/// Most arguments of a `new`. Beyond that, as where nothing is left to fill in, a literal reads
/// better, which names its fields.
const ARGUMENTS_MAX: usize = 7;

/// What a field is when it is made by hand.
enum Start {
    /// An argument says it: its type, and the field's value made of it.
    Given(String, String),
    /// Nothing, or a default.
    Filled(String),
}

impl Emitter<'_> {
    /// Writes what makes the struct: `new` or `Default`, unless that is derived, and for a list
    /// `key` and `key_of`.
    pub(super) fn construction(&self, text: &mut String, id: NodeId, name: &str) {
        let node = self.schema.node(id);
        let (mut arguments, mut values, mut filled) = (Vec::new(), String::new(), 0);
        for child in self.schema.fields(id) {
            let field = self.names.field(child);
            let value = match self.start(node.module, child) {
                Start::Given(ty, value) => {
                    arguments.push(Layout::text(format!("{field}: {ty}")));
                    value
                }
                Start::Filled(value) => {
                    filled += 1;
                    value
                }
            };
            let value = if value == field { value } else { format!("{field}: {value}") };
            values += &format!("            {value},\n");
        }
        let mut functions = Vec::new();
        if arguments.is_empty() {
            if !self.derives_default(id) {
                *text += &format!(
                    "\nimpl Default for {name} {{\n    fn default() -> Self {{\n        \
                     Self {{\n{values}        }}\n    }}\n}}\n"
                );
            }
        } else if filled > 0 && arguments.len() <= ARGUMENTS_MAX {
            let head = Layout::list("pub fn new(", arguments, ")").render(4, 4, " -> Self {".len());
            functions.push(format!(
                "    /// Of what has to be there; the rest is absent or has its default.\n    \
                 {head} -> Self {{\n        Self {{\n{values}        }}\n    }}\n"
            ));
        }
        if let Kind::List { keys, .. } = &node.kind
            && !keys.is_empty()
        {
            functions.push(self.key_functions(id, keys));
        }
        if !functions.is_empty() {
            *text += &format!("\nimpl {name} {{\n{}}}\n", functions.join("\n"));
        }
    }

    /// Whether `Default` is derived: nothing has to be given, and YANG's defaults are Rust's.
    pub(super) fn derives_default(&self, id: NodeId) -> bool {
        let node = self.schema.node(id);
        self.schema.fields(id).all(|child| match (self.start(node.module, child), self.field(child)) {
            (Start::Given(..), _) => false,
            (Start::Filled(value), Field::Defaulted(_)) => {
                ["0", "false", "\"\".to_owned()"].contains(&value.as_str())
            }
            (Start::Filled(_), _) => true,
        })
    }

    /// Whether the struct can be made without knowing anything.
    fn has_default(&self, id: NodeId) -> bool {
        let node = self.schema.node(id);
        self.schema.fields(id).all(|child| matches!(self.start(node.module, child), Start::Filled(_)))
    }

    fn start(&self, own: ModuleId, id: NodeId) -> Start {
        let (field, name) = (self.field(id), self.names.field(id).to_owned());
        let ty = self.field_type(own, &field);
        let given = |ty: String, name: String| match ty.as_str() {
            "String" => Start::Given("impl Into<String>".to_owned(), format!("{name}.into()")),
            _ => Start::Given(ty, name),
        };
        match field {
            Field::Required(_) | Field::RequiredAny => given(ty, name),
            Field::Defaulted(_) => match self.default_of(own, id) {
                Some(value) => Start::Filled(value),
                None => given(ty, name),
            },
            Field::Container(node) if self.has_default(node) => {
                Start::Filled("Default::default()".to_owned())
            }
            Field::Container(_) => given(ty, name),
            Field::LeafList(_) | Field::List(_) => Start::Filled("Vec::new()".to_owned()),
            Field::Optional(_) | Field::Presence(_) | Field::Any => Start::Filled("None".to_owned()),
        }
    }

    fn key_functions(&self, id: NodeId, keys: &[NodeId]) -> String {
        let own = self.schema.node(id).module;
        let (mut parameters, mut values, mut selves, mut names) = (vec![], vec![], vec![], vec![]);
        for key in keys {
            let field = self.names.field(*key);
            let Some(ty) = self.schema.node(*key).ty() else { continue };
            let rust = self.rust_type(own, ty);
            let (parameter, value, of_self) = match &self.schema.ty(self.real(ty)).base {
                Base::String(..) => ("&str".to_owned(), format!("value::Value::string({field})"), "&"),
                Base::Binary(_) => ("&[u8]".to_owned(), format!("value::Value::Binary({field}.into())"), "&"),
                Base::Bits(_) | Base::Union(_) | Base::InstanceIdentifier(_) => {
                    (format!("&{rust}"), self.key_value(own, *key, field), "&")
                }
                _ => (rust, self.key_value(own, *key, &format!("&{field}")), ""),
            };
            parameters.push(format!("{field}: {parameter}"));
            values.push(value);
            selves.push(format!("{of_self}self.{field}"));
            names.push(format!("`{}`", self.schema.node(*key).name));
        }
        format!(
            "    /// The key of the entry with this {}, if its leafs can have it.\n    \
             pub fn key_of({}) -> Result<tree::Key, model::ValueError> {{\n        \
                 model::key(&{}, vec![{}])\n    }}\n\n    \
             /// The key of this entry, if its leafs can have it.\n    \
             pub fn key(&self) -> Result<tree::Key, model::ValueError> {{\n        \
                 Self::key_of({})\n    }}\n",
            names.join(", "),
            parameters.join(", "),
            self.node_item(own, 0, id),
            values.join(", "),
            selves.join(", "),
        )
    }

    fn key_value(&self, own: ModuleId, key: NodeId, argument: &str) -> String {
        format!("model::value({argument}, &{})", self.node_item(own, 0, key))
    }
}
