//! Schema tables: the statics of a module, its nodes, identities, types and expressions. The
//! structs they are written as are the runtime's, in `schema.rs`.

use std::fmt::Display;

use super::layout::Layout;
use super::text::doc;
use super::{Emitter, exprs};
use crate::ir::{
    Base, Entries, IdentityId, Kind, LeafRef, ModuleId, Nacm, NodeId, Pattern, Range, Status, Text, TypeId,
};

/// The Rust modules of tables are one level below the file.
const TABLE: usize = 1;

/// Longest name that rustdoc can make a file of: `static.NAME.html` has at most 255 bytes.
const DOCUMENTED_MAX: usize = 243;

/// The statics of a file, by the Rust module they go to.
#[derive(Default)]
struct Tables {
    nodes: String,
    identities: String,
    types: String,
    patterns: String,
    exprs: String,
}

impl Emitter<'_> {
    /// Writes the tables of what is in a module.
    pub(super) fn tables(&self, text: &mut String, id: ModuleId) {
        let mut tables = Tables::default();
        for node in self.schema.node_ids().filter(|n| self.schema.node(*n).module == id) {
            self.node(&mut tables, node);
        }
        let identities = &self.schema.module(id).identities;
        identities.iter().for_each(|identity| self.identity(&mut tables, *identity));
        identities.iter().for_each(|identity| self.identity_enum(&mut tables.identities, *identity));
        for ty in (0..self.schema.types.len()).map(TypeId).filter(|t| self.schema.ty(*t).module == id) {
            self.ty(&mut tables, ty);
        }
        let schema = format!("use {}::schema::*;\n", self.crate_path);
        let ast = format!("use {}::xpath::ast::*;\n", self.crate_path);
        let borrowed =
            if tables.exprs.contains("Borrowed(") { "use std::borrow::Cow::Borrowed;\n\n" } else { "" };
        section(text, "Schema nodes.", "pub mod nodes", &schema, &tables.nodes);
        let identity = match tables.identities.contains("pub enum ") {
            true => format!("use {0}::model;\nuse {0}::schema::Identity;\n", self.crate_path),
            false => format!("use {}::schema::Identity;\n", self.crate_path),
        };
        section(text, "Identities.", "pub mod identities", &identity, &tables.identities);
        section(text, "Types.", "pub mod types", &schema, &tables.types);
        let pattern = format!("use std::sync::OnceLock;\n\nuse {}::schema::Pattern;\n", self.crate_path);
        section(text, "Patterns of types.", "pub mod patterns", &pattern, &tables.patterns);
        section(text, "Parsed expressions.", "pub mod exprs", &format!("{borrowed}{ast}"), &tables.exprs);
    }

    /// Writes the table of the module itself and the list of its structures.
    pub(super) fn module(&self, text: &mut String, id: ModuleId) {
        let module = self.schema.module(id);
        let include = |source: &Text| match source {
            Text::File(path) => Layout::text(format!("include_str!({:?})", self.include(path))),
            Text::BuiltIn(text) => Layout::literal(text),
        };
        let strings = |list: &[String]| Layout::slice(list.iter().map(|s| Layout::literal(s)));
        let nodes =
            |list: &[NodeId]| Layout::slice(list.iter().map(|n| reference(self.node_item(id, 0, *n))));
        let identities = module.identities.iter().map(|i| reference(self.identity_item(id, 0, *i)));
        let submodules = module.submodules.iter().map(|s| {
            let fields = [
                ("name", Layout::literal(&s.name)),
                ("revision", Layout::literal(&s.revision)),
                ("source", include(&s.source)),
            ];
            Layout::record("Submodule", fields)
        });
        let conformance = if module.implemented { "Conformance::Implement" } else { "Conformance::Import" };
        let fields = [
            ("name", Layout::literal(&module.name)),
            ("revision", Layout::literal(&module.revision)),
            ("namespace", Layout::literal(&module.namespace)),
            ("prefix", Layout::literal(&module.prefix)),
            ("conformance", Layout::text(conformance)),
            ("features", strings(&module.features)),
            ("deviations", strings(&module.deviations)),
            ("submodules", Layout::slice(submodules)),
            ("source", include(&module.source)),
            ("children", nodes(&module.children)),
            ("data", nodes(&module.data)),
            ("rpcs", nodes(&module.rpcs)),
            ("notifications", nodes(&module.notifications)),
            ("identities", Layout::slice(identities)),
            ("annotations", nodes(&module.annotations)),
        ];
        let fallback = format!("The module `{}`.", module.name);
        *text += &doc("", &fallback, 0);
        declare(text, 0, "MODULE", "Module", Layout::record("Module", fields));
        if !module.structures.is_empty() {
            let containers = module.structures.iter().flat_map(|top| match self.schema.node(*top).kind {
                Kind::Choice { .. } => self.schema.node(*top).data.clone(),
                _ => vec![*top],
            });
            let containers = containers.map(|n| reference(self.node_item(id, 0, n)));
            *text += "\n/// What the module defines for data outside of datastores (RFC 8791, RFC 8040 section 8).\n";
            let ty = format!("&[&{}::schema::Node]", self.crate_path);
            declare(text, 0, "STRUCTURES", &ty, Layout::slice(containers));
        }
    }

    fn node(&self, tables: &mut Tables, id: NodeId) {
        let node = self.schema.node(id);
        let own = node.module;
        let to_nodes = |list: &[NodeId]| Layout::slice(list.iter().map(|n| reference(self.to_node(own, *n))));
        let parent = node.parent.map_or("None".to_owned(), |p| format!("Some(&{})", self.to_node(own, p)));
        let name = self.names.node(id);
        let musts = node.musts.iter().enumerate().map(|(number, must)| {
            let expr = format!("{name}_MUST_{}", number + 1);
            self.expression(tables, &expr, &must.text, exprs::expr(&must.expr));
            let fields = [
                ("expr", Layout::text(format!("&super::exprs::{expr}"))),
                ("text", Layout::literal(&must.text)),
                ("error_message", Layout::option(must.error_message.as_deref())),
                ("error_app_tag", Layout::option(must.error_app_tag.as_deref())),
                ("reads", to_nodes(&must.reads)),
            ];
            Layout::record("Must", fields)
        });
        let musts = Layout::slice(musts.collect::<Vec<_>>());
        let whens = node.whens.iter().enumerate().map(|(number, when)| {
            let expr = format!("{name}_WHEN_{}", number + 1);
            self.expression(tables, &expr, &when.text, exprs::expr(&when.expr));
            let fields = [
                ("expr", Layout::text(format!("&super::exprs::{expr}"))),
                ("text", Layout::literal(&when.text)),
                ("context", number_of(when.context)),
                ("reads", to_nodes(&when.reads)),
            ];
            Layout::record("When", fields)
        });
        let whens = Layout::slice(whens.collect::<Vec<_>>());
        let status = match node.status {
            Status::Current => "Status::Current",
            Status::Deprecated => "Status::Deprecated",
            Status::Obsolete => "Status::Obsolete",
        };
        let nacm = match node.nacm {
            Nacm::None => "NacmDefault::None",
            Nacm::DenyWrite => "NacmDefault::DenyWrite",
            Nacm::DenyAll => "NacmDefault::DenyAll",
        };
        let fields = [
            ("name", Layout::literal(&node.name)),
            ("module", Layout::text("&super::MODULE")),
            ("parent", Layout::text(parent)),
            ("index", number_of(node.index)),
            ("kind", self.kind(id)),
            ("config", Layout::text(node.config.to_string())),
            ("mandatory", Layout::text(node.mandatory.to_string())),
            ("status", Layout::text(status)),
            ("children", to_nodes(&node.children)),
            ("data", to_nodes(&node.data)),
            ("actions", to_nodes(&node.actions)),
            ("notifications", to_nodes(&node.notifications)),
            ("musts", musts),
            ("whens", whens),
            ("nacm", Layout::text(nacm)),
            ("sid", number_of(node.sid)),
            ("description", Layout::literal(&node.description)),
        ];
        tables.nodes += &doc("", &format!("`{}`", self.schema.path(id)), 4);
        declare(&mut tables.nodes, 4, name, "Node", Layout::record("Node", fields));
    }

    fn kind(&self, id: NodeId) -> Layout {
        let node = self.schema.node(id);
        let own = node.module;
        let node_ref = |n: NodeId| reference(self.to_node(own, n));
        let to_nodes = |list: &[NodeId]| Layout::slice(list.iter().map(|n| node_ref(*n)));
        match &node.kind {
            Kind::Container { presence } => {
                Layout::record("Kind::Container", [("presence", Layout::text(presence.to_string()))])
            }
            Kind::Leaf { ty, default, units } => {
                let fields = [
                    ("ty", reference(self.type_item(own, TABLE, *ty))),
                    ("default", Layout::option(default.as_deref())),
                    ("units", Layout::literal(units)),
                ];
                Layout::record("Kind::Leaf", fields)
            }
            Kind::LeafList { ty, defaults, entries, units } => {
                let fields = [
                    ("ty", reference(self.type_item(own, TABLE, *ty))),
                    ("defaults", Layout::slice(defaults.iter().map(|d| Layout::literal(d)))),
                    ("entries", self::entries(entries)),
                    ("units", Layout::literal(units)),
                ];
                Layout::record("Kind::LeafList", fields)
            }
            Kind::List { keys, uniques, entries } => {
                let uniques = uniques.iter().map(|leafs| {
                    Layout::record(
                        "Unique",
                        [("leafs", Layout::slice(leafs.iter().map(|chain| to_nodes(chain))))],
                    )
                });
                let fields = [
                    ("keys", to_nodes(keys)),
                    ("uniques", Layout::slice(uniques)),
                    ("entries", self::entries(entries)),
                ];
                Layout::record("Kind::List", fields)
            }
            Kind::Choice { default } => {
                let default =
                    default.map_or("None".to_owned(), |case| format!("Some(&{})", self.to_node(own, case)));
                Layout::record("Kind::Choice", [("default", Layout::text(default))])
            }
            Kind::Rpc { input, output } => {
                Layout::record("Kind::Rpc", [("input", node_ref(*input)), ("output", node_ref(*output))])
            }
            Kind::Case => Layout::text("Kind::Case"),
            Kind::AnyData => Layout::text("Kind::AnyData"),
            Kind::AnyXml => Layout::text("Kind::AnyXml"),
            Kind::Input => Layout::text("Kind::Input"),
            Kind::Output => Layout::text("Kind::Output"),
            Kind::Notification => Layout::text("Kind::Notification"),
        }
    }

    fn identity(&self, tables: &mut Tables, id: IdentityId) {
        let identity = self.schema.identity(id);
        let bases = identity.bases.iter().map(|base| reference(self.to_identity(identity.module, *base)));
        let fields = [
            ("name", Layout::literal(&identity.name)),
            ("module", Layout::text("&super::MODULE")),
            ("bases", Layout::slice(bases)),
            ("sid", number_of(identity.sid)),
        ];
        tables.identities += &doc(&identity.description, &format!("`{}`.", identity.name), 4);
        declare(
            &mut tables.identities,
            4,
            self.names.identity(id),
            "Identity",
            Layout::record("Identity", fields),
        );
    }

    fn ty(&self, tables: &mut Tables, id: TypeId) {
        let ty = self.schema.ty(id);
        let own = ty.module;
        let name = self.names.ty(id);
        let base = match &ty.base {
            Base::Int(bits, range) => call("Base::Int", [number_of(bits), self::range(range)]),
            Base::Uint(bits, range) => call("Base::Uint", [number_of(bits), self::range(range)]),
            Base::Decimal64(digits, range) => {
                call("Base::Decimal64", [number_of(digits), self::range(range)])
            }
            Base::String(length, patterns) => {
                let references =
                    (1..=patterns.len()).map(|n| reference(format!("super::patterns::{name}_{n}")));
                let patterns_of = Layout::slice(references);
                for (number, pattern) in patterns.iter().enumerate() {
                    self::pattern(tables, &format!("{name}_{}", number + 1), pattern);
                }
                call("Base::String", [self::range(length), patterns_of])
            }
            Base::Boolean => Layout::text("Base::Boolean"),
            Base::Enumeration(values) => {
                let values = values.iter().map(|v| {
                    Layout::record(
                        "EnumValue",
                        [("name", Layout::literal(&v.name)), ("value", number_of(v.value))],
                    )
                });
                call("Base::Enumeration", [Layout::slice(values)])
            }
            Base::Bits(bits) => {
                let bits = bits.iter().map(|(name, position)| {
                    Layout::record(
                        "Bit",
                        [("name", Layout::literal(name)), ("position", number_of(position))],
                    )
                });
                call("Base::Bits", [Layout::slice(bits)])
            }
            Base::Binary(length) => call("Base::Binary", [self::range(length)]),
            Base::Empty => Layout::text("Base::Empty"),
            Base::IdentityRef(bases) => {
                let bases = bases.iter().map(|base| reference(self.identity_item(own, TABLE, *base)));
                call("Base::IdentityRef", [Layout::slice(bases)])
            }
            Base::LeafRef(leafref) => self.leafref(tables, name, own, leafref),
            Base::InstanceIdentifier(require) => {
                let fields = [("require_instance", Layout::text(require.to_string()))];
                Layout::record("Base::InstanceIdentifier", fields)
            }
            Base::Union(members) => {
                call("Base::Union", [Layout::slice(members.iter().map(|m| reference(self.to_type(own, *m))))])
            }
        };
        tables.types += &doc("", &format!("`{}`", ty.name), 4);
        let fields = [("name", Layout::literal(&ty.name)), ("base", base)];
        declare(&mut tables.types, 4, name, "Type", Layout::record("Type", fields));
    }

    fn leafref(&self, tables: &mut Tables, name: &str, own: ModuleId, leafref: &LeafRef) -> Layout {
        let path = format!("{name}_PATH");
        self.expression(tables, &path, &leafref.text, exprs::expr(&leafref.path));
        let fields = [
            ("path", Layout::text(format!("&super::exprs::{path}"))),
            ("text", Layout::literal(&leafref.text)),
            ("target", reference(self.node_item(own, TABLE, leafref.target))),
            ("require_instance", Layout::text(leafref.require_instance.to_string())),
            ("real", reference(self.to_type(own, leafref.real))),
        ];
        call("Base::LeafRef", [Layout::record("LeafRef", fields)])
    }

    fn expression(&self, tables: &mut Tables, name: &str, written: &str, expr: Layout) {
        let written = written.split_whitespace().collect::<Vec<_>>().join(" ").replace('`', "'");
        tables.exprs += &doc("", &format!("`{written}`"), 4);
        declare(&mut tables.exprs, 4, name, "Expr", expr);
    }

    /// An identity, as seen from the identities of `own`.
    pub(super) fn to_identity(&self, own: ModuleId, id: IdentityId) -> String {
        match self.schema.identity(id).module == own {
            true => self.names.identity(id).to_owned(),
            false => self.identity_item(own, TABLE, id),
        }
    }

    /// A node, as seen from the nodes of `own`.
    fn to_node(&self, own: ModuleId, id: NodeId) -> String {
        match self.schema.node(id).module == own {
            true => self.names.node(id).to_owned(),
            false => self.node_item(own, TABLE, id),
        }
    }

    /// A type, as seen from the types of `own`.
    fn to_type(&self, own: ModuleId, id: TypeId) -> String {
        match self.schema.ty(id).module == own {
            true => self.names.ty(id).to_owned(),
            false => self.type_item(own, TABLE, id),
        }
    }
}

fn pattern(tables: &mut Tables, name: &str, pattern: &Pattern) {
    let fields = [
        ("xsd", Layout::literal(&pattern.xsd)),
        ("regex", Layout::literal(&pattern.regex)),
        ("invert", Layout::text(pattern.invert.to_string())),
        ("error_message", Layout::option(pattern.error_message.as_deref())),
        ("error_app_tag", Layout::option(pattern.error_app_tag.as_deref())),
        ("compiled", Layout::text("OnceLock::new()")),
    ];
    let kind = if pattern.invert { "What must not match." } else { "What must match." };
    tables.patterns += &doc("", kind, 4);
    declare(&mut tables.patterns, 4, name, "Pattern", Layout::record("Pattern", fields));
}

fn entries(entries: &Entries) -> Layout {
    let max = if entries.max == u32::MAX { "u32::MAX".to_owned() } else { entries.max.to_string() };
    let fields = [
        ("min", number_of(entries.min)),
        ("max", Layout::text(max)),
        ("user_ordered", Layout::text(entries.user_ordered.to_string())),
    ];
    Layout::record("Entries", fields)
}

fn range<N: Display>(range: &Range<N>) -> Layout {
    if range.parts.is_empty() {
        return Layout::text("Range::ANY");
    }
    let parts = range.parts.iter().map(|(low, high)| Layout::text(format!("({low}, {high})")));
    let fields = [
        ("parts", Layout::slice(parts)),
        ("text", Layout::literal(&range.text)),
        ("error_message", Layout::option(range.error_message.as_deref())),
        ("error_app_tag", Layout::option(range.error_app_tag.as_deref())),
    ];
    Layout::record("Range", fields)
}

fn number_of(number: impl Display) -> Layout {
    Layout::text(number.to_string())
}

fn reference(to: impl Display) -> Layout {
    Layout::text(format!("&{to}"))
}

fn call<const N: usize>(function: &str, arguments: [Layout; N]) -> Layout {
    Layout::list(format!("{function}("), arguments, ")")
}

/// `pub static NAME: Type = value;`
fn declare(text: &mut String, indent: usize, name: &str, ty: &str, value: Layout) {
    if name.len() > DOCUMENTED_MAX {
        *text += &format!("{}#[doc(hidden)]\n", " ".repeat(indent));
    }
    let declared = value.after(format!("pub static {name}: {ty} = "));
    *text += &format!("{}{};\n", " ".repeat(indent), declared.render(indent, indent, 1));
}

/// A Rust module of tables, unless it is empty.
fn section(text: &mut String, about: &str, head: &str, imports: &str, body: &str) {
    if !body.is_empty() {
        let imports: String = imports
            .lines()
            .map(|l| if l.is_empty() { "\n".to_owned() } else { format!("    {l}\n") })
            .collect();
        *text += &format!("\n/// {about}\n{head} {{\n{imports}\n{body}}}\n");
    }
}
