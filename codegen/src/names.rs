//! All Rust names, settled once: files, statics, structs, enums, fields and variants. It
//! writes no code and looks at nothing but the intermediate form.
//!
//! A name follows from the node alone wherever it can, so that what a later revision adds does not
//! rename what was there: statics have the whole path, fields and variants the words of the
//! identifier, structs and enums what `names/structs.rs` says. Where two would be the same, the
//! one that comes first in the module keeps the name and the other gets a number, from 2; two
//! fields of one struct, which can only be of different modules or differ in punctuation, both get
//! the name of their module in front.

pub mod identities;
mod structs;

use std::collections::{HashMap, HashSet};

use crate::ir::{EnumValue, IdentityId, Kind, ModuleId, NodeId, Origin, Schema, TypeId};

/// The names of everything that is emitted. Vectors are indexed by id.
#[derive(Debug)]
pub struct Names {
    /// Module files, without `.rs`.
    files: Vec<String>,
    /// Statics of nodes, unique in their module's file.
    nodes: Vec<String>,
    /// Statics of identities.
    identities: Vec<String>,
    /// Statics of types.
    types: Vec<String>,
    /// Structs of nodes that have one.
    structs: HashMap<NodeId, String>,
    /// Enums of enumerations.
    enums: HashMap<TypeId, String>,
    /// Enums of identities that identityrefs have as their base, in the module of identities.
    identity_enums: HashMap<IdentityId, identities::IdentityEnum>,
    /// Fields of nodes in the struct of their data parent.
    fields: HashMap<NodeId, String>,
}

impl Names {
    /// Chooses all names. The same schema gives the same names.
    pub fn new(schema: &Schema) -> Self {
        let (structs, enums) = structs::names(schema);
        Names {
            files: files(schema),
            nodes: node_names(schema),
            identities: per_module(schema.identities.iter().map(|i| (i.module, upper_snake(&i.name)))),
            types: per_module(schema.types.iter().map(|t| {
                let words = match &t.origin {
                    Origin::Inline(words) => {
                        words.iter().map(|w| upper_snake(w)).collect::<Vec<_>>().join("_")
                    }
                    Origin::Typedef | Origin::Builtin => upper_snake(&t.name),
                };
                (t.module, words)
            })),
            structs,
            enums,
            identity_enums: identities::enums(schema),
            fields: field_names(schema),
        }
    }

    /// The file of a module, without `.rs`; it is also the Rust module.
    pub fn file(&self, id: ModuleId) -> &str {
        &self.files[id.0]
    }

    /// The static of a node.
    pub fn node(&self, id: NodeId) -> &str {
        &self.nodes[id.0]
    }

    /// The static of an identity.
    pub fn identity(&self, id: IdentityId) -> &str {
        &self.identities[id.0]
    }

    /// The static of a type.
    pub fn ty(&self, id: TypeId) -> &str {
        &self.types[id.0]
    }

    /// The struct of a container, list, input, output or notification.
    pub fn struct_(&self, id: NodeId) -> Option<&str> {
        self.structs.get(&id).map(String::as_str)
    }

    /// The enum of an enumeration.
    pub fn enum_(&self, id: TypeId) -> Option<&str> {
        self.enums.get(&id).map(String::as_str)
    }

    /// The enum of what is derived from an identity.
    pub fn identity_enum(&self, id: IdentityId) -> Option<&str> {
        self.identity_enums.get(&id).map(|e| e.name.as_str())
    }

    /// The variants of the enum of an identity: what is derived from it, in order.
    pub fn identity_variants(&self, id: IdentityId) -> &[(IdentityId, String)] {
        self.identity_enums.get(&id).map_or(&[], |e| &e.variants)
    }

    /// The field of a data node.
    pub fn field(&self, id: NodeId) -> &str {
        self.fields.get(&id).map_or("", String::as_str)
    }

    /// The variants of an enumeration, in the order of its names. A name without letter or digit
    /// gives one by its value.
    pub fn variants(values: &[EnumValue]) -> Vec<String> {
        let mut taken = HashSet::new();
        let variant = |value: &EnumValue| {
            let name = match camel(&value.name) {
                _ if words(&value.name).is_empty() => format!("Value{}", value.value).replace('-', "Minus"),
                keyword if keyword == "Self" => "Self_".to_owned(),
                name => name,
            };
            unique(&mut taken, name, "")
        };
        values.iter().map(variant).collect()
    }
}

/// The words of an identifier: parted by anything but letters and digits, and where a capital
/// follows a small letter or digit.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        let boundary = c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit());
        if !c.is_ascii_alphanumeric() || boundary {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_ascii_alphanumeric(), words.last_mut()) {
            word.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

fn upper_snake(name: &str) -> String {
    words(name).join("_").to_ascii_uppercase()
}

/// The name, with a letter in front if it begins with none.
fn lettered(name: String, letter: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { letter.to_owned() + &name }
}

fn camel(name: &str) -> String {
    let capital = |word: &String| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    lettered(words(name).iter().map(capital).collect(), "N")
}

/// A snake_case name that is no keyword.
fn snake(name: &str) -> String {
    const KEYWORDS: [&str; 51] = [
        "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do",
        "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
        "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self",
        "static", "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
        "virtual", "where", "while", "yield",
    ];
    let name = lettered(words(name).join("_"), "n");
    if KEYWORDS.contains(&name.as_str()) { name + "_" } else { name }
}

/// The name, or with the first number from 2 that makes it unique.
fn unique(taken: &mut HashSet<String>, name: String, separator: &str) -> String {
    let numbered = (2..).map(|n| format!("{name}{separator}{n}"));
    let free = std::iter::once(name.clone()).chain(numbered).find(|n| !taken.contains(n)).unwrap_or(name);
    taken.insert(free.clone());
    free
}

/// Makes names unique within each module.
fn per_module(names: impl Iterator<Item = (ModuleId, String)>) -> Vec<String> {
    let mut taken: HashMap<ModuleId, HashSet<String>> = HashMap::new();
    names.map(|(module, name)| unique(taken.entry(module).or_default(), lettered(name, "N"), "_")).collect()
}

fn files(schema: &Schema) -> Vec<String> {
    let mut taken = HashSet::new();
    let name = |module: &crate::ir::Module| {
        let several = schema.modules.iter().filter(|m| m.name == module.name).count() > 1;
        let name = snake(&module.name);
        let name = if several { format!("{name}_{}", words(&module.revision).join("_")) } else { name };
        unique(&mut taken, name, "_")
    };
    schema.modules.iter().map(name).collect()
}

fn node_names(schema: &Schema) -> Vec<String> {
    per_module(schema.node_ids().map(|id| {
        let path = schema.lineage(id).into_iter().map(|n| upper_snake(&schema.node(n).name));
        (schema.node(id).module, path.collect::<Vec<_>>().join("_"))
    }))
}

/// Fields are unique below one data parent; on a clash both get their module's name in front.
fn field_names(schema: &Schema) -> HashMap<NodeId, String> {
    let mut fields = HashMap::new();
    let is_parent = |id: &NodeId| !matches!(schema.node(*id).kind, Kind::Choice { .. } | Kind::Case);
    for id in schema.node_ids().filter(is_parent) {
        // What is no field takes the name of none.
        let data: Vec<NodeId> = schema.fields(id).collect();
        let mut taken = HashSet::new();
        for child in &data {
            let name = snake(&schema.node(*child).name);
            let clash = data.iter().any(|other| other != child && snake(&schema.node(*other).name) == name);
            let module = &schema.module(schema.node(*child).module).name;
            let name = if clash { snake(&format!("{module}-{name}")) } else { name };
            fields.insert(*child, unique(&mut taken, name, "_"));
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::{Names, camel, snake, upper_snake};
    use crate::ir::EnumValue;

    #[test]
    fn names_follow_the_words_of_the_identifier() {
        assert_eq!(upper_snake("task-sendFrom"), "TASK_SEND_FROM");
        assert_eq!(camel("task-sendFrom"), "TaskSendFrom");
        assert_eq!(camel("FEASIBILITY"), "Feasibility");
        assert_eq!(snake("jwtInfo"), "jwt_info");
        assert_eq!(snake("type"), "type_");
        assert_eq!(snake("a.b"), "a_b");
        assert_eq!(snake("_1"), "n1");
    }

    #[test]
    fn variants_are_identifiers_and_differ() {
        let names = [("a-b", 0), ("a.b", 1), ("1.0", 2), ("*", 7), ("+", -1), ("self", 8)];
        let value = |(name, value): (&str, i32)| EnumValue {
            name: name.to_owned(),
            value,
            description: String::new(),
        };
        assert_eq!(
            Names::variants(&names.map(value)),
            ["AB", "AB2", "N10", "Value7", "ValueMinus1", "Self_"]
        );
    }
}
