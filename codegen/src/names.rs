//! All Rust names, settled once: files, statics, structs, enums, fields and variants. It
//! writes no code and looks at nothing but the intermediate form.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::ir::{Base, IdentityId, Kind, ModuleId, NodeId, Origin, Schema, TypeId};

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
    /// Fields of nodes in the struct of their data parent.
    fields: HashMap<NodeId, String>,
}

/// Names that generated structs cannot have: what generated code takes from the prelude and the
/// runtime.
const RESERVED: [&str; 8] =
    ["Conformance", "Module", "Option", "Result", "Self", "String", "Submodule", "Vec"];

impl Names {
    /// Chooses all names. The same schema gives the same names.
    pub fn new(schema: &Schema) -> Self {
        let (structs, enums) = camel_names(schema);
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

    /// The field of a data node.
    pub fn field(&self, id: NodeId) -> &str {
        self.fields.get(&id).map_or("", String::as_str)
    }

    /// The variants of an enumeration, in the order of its names.
    pub fn variants(names: &[&str]) -> Vec<String> {
        let mut taken = HashSet::new();
        names
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let name = match camel(name) {
                    _ if words(name).is_empty() => format!("Value{index}"),
                    keyword if keyword == "Self" => "Self_".to_owned(),
                    name => name,
                };
                unique(&mut taken, name, "")
            })
            .collect()
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
        let data = &schema.node(id).data;
        let mut taken = HashSet::new();
        for child in data {
            let name = snake(&schema.node(*child).name);
            let clash = data.iter().any(|other| other != child && snake(&schema.node(*other).name) == name);
            let module = &schema.module(schema.node(*child).module).name;
            let name = if clash { snake(&format!("{module}-{name}")) } else { name };
            fields.insert(*child, unique(&mut taken, name, "_"));
        }
    }
    fields
}

/// A struct or enum that is named after a node.
struct Camel {
    module: ModuleId,
    /// What every candidate begins with, and the words of the node itself.
    head: String,
    tail: String,
    /// Names that go between head and tail, and then in front, nearest first.
    between: Vec<String>,
    before: Vec<String>,
    /// How many of them are used.
    used: usize,
}

impl Camel {
    fn name(&self) -> String {
        let within = self.used.min(self.between.len());
        let outside = self.used - within;
        let reversed = |parts: &[String]| parts.iter().rev().cloned().collect::<String>();
        let front = reversed(&self.before[..outside]);
        format!("{front}{}{}{}", self.head, reversed(&self.between[..within]), self.tail)
    }

    fn can_grow(&self) -> bool {
        self.used < self.between.len() + self.before.len()
    }
}

#[derive(Clone, Copy)]
enum Owner {
    Struct(NodeId),
    Enum(TypeId),
}

/// Names structs and enums: as short as they can be and still differ within their file.
fn camel_names(schema: &Schema) -> (HashMap<NodeId, String>, HashMap<TypeId, String>) {
    let (mut structs, mut enums) = (HashMap::new(), HashMap::new());
    let mut fixed: HashMap<ModuleId, HashSet<String>> = HashMap::new();
    for module in schema.module_ids() {
        fixed.insert(module, RESERVED.iter().map(|r| (*r).to_owned()).collect());
    }
    let mut growing: Vec<(Owner, Camel)> = Vec::new();
    for (index, ty) in schema.types.iter().enumerate() {
        let (id, taken) = (TypeId(index), fixed.entry(ty.module).or_default());
        if matches!((&ty.base, &ty.origin), (Base::Enumeration(_), Origin::Typedef)) {
            let name = camel(&ty.name);
            let name = if taken.contains(&name) { name + "Enum" } else { name };
            enums.insert(id, unique(taken, name, ""));
        }
    }
    for id in schema.node_ids() {
        let node = schema.node(id);
        match &node.kind {
            Kind::Container { .. } | Kind::List { .. } | Kind::Input | Kind::Output | Kind::Notification => {
                growing.push((Owner::Struct(id), candidate(schema, id)));
            }
            Kind::Leaf { ty, .. } | Kind::LeafList { ty, .. } => {
                if matches!(
                    (&schema.ty(*ty).base, &schema.ty(*ty).origin),
                    (Base::Enumeration(_), Origin::Inline(_))
                ) {
                    growing.push((Owner::Enum(*ty), candidate(schema, id)));
                }
            }
            _ => {}
        }
    }
    loop {
        let mut groups: BTreeMap<(ModuleId, String), Vec<usize>> = BTreeMap::new();
        for (index, (_, camel)) in growing.iter().enumerate() {
            groups.entry((camel.module, camel.name())).or_default().push(index);
        }
        let mut grown = false;
        for ((module, name), members) in groups {
            if members.len() > 1 || fixed.get(&module).is_some_and(|f| f.contains(&name)) {
                for member in members {
                    let camel = &mut growing[member].1;
                    grown |= camel.can_grow();
                    camel.used += usize::from(camel.can_grow());
                }
            }
        }
        if !grown {
            break;
        }
    }
    for (owner, growing) in growing {
        let taken = fixed.entry(growing.module).or_default();
        let name = growing.name();
        let prefix = camel(&schema.module(growing.module).name);
        let name = if taken.contains(&name) { prefix + &name } else { name };
        let name = unique(taken, name, "");
        match owner {
            Owner::Struct(id) => structs.insert(id, name).map(drop),
            Owner::Enum(id) => enums.insert(id, name).map(drop),
        };
    }
    (structs, enums)
}

/// The ways to name a struct or enum after a node.
fn candidate(schema: &Schema, id: NodeId) -> Camel {
    let is_named = |n: &NodeId| !matches!(schema.node(*n).kind, Kind::Choice { .. } | Kind::Case);
    let path: Vec<NodeId> = schema.lineage(id).into_iter().filter(is_named).collect();
    let names: Vec<String> = path.iter().map(|n| camel(&schema.node(*n).name)).collect();
    let last = names.len() - 1;
    // The operation with its input or output, or the notification, stays in front.
    let (start, end) = match schema.operation(id).and_then(|op| path.iter().position(|n| *n == op)) {
        Some(at) if matches!(schema.node(path[at]).kind, Kind::Notification) => (at, at + 1),
        Some(at) => (at.saturating_sub(1), at + 1),
        None => (last, last),
    };
    let reversed = |names: &[String]| names.iter().rev().cloned().collect();
    Camel {
        module: schema.node(id).module,
        head: names[start..end].concat(),
        tail: names[end..].last().cloned().unwrap_or_default(),
        between: reversed(&names[end.min(last)..last]),
        before: reversed(&names[..start]),
        used: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{Names, camel, snake, upper_snake};

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
        assert_eq!(
            Names::variants(&["a-b", "a.b", "1.0", "*", "self"]),
            ["AB", "AB2", "N10", "Value3", "Self_"]
        );
    }
}
