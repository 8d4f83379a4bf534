//! The intermediate form: what emitters see. It knows nothing of libyang and nothing of Rust
//! names; everything that YANG lets be written in several ways is settled here.

use std::path::{Path, PathBuf};

use crate::xpath::ast::Expr;

/// Position of a module in [`Schema::modules`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(pub usize);
/// Position of a node in [`Schema::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);
/// Position of an identity in [`Schema::identities`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityId(pub usize);
/// Position of a type in [`Schema::types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub usize);

/// All modules and what they define. Ids index the vectors.
#[derive(Debug, Default)]
pub struct Schema {
    /// Ascending by name, then by revision.
    pub modules: Vec<Module>,
    /// Each module's tree in turn, parents before children.
    pub nodes: Vec<Node>,
    /// In the order of modules and definitions.
    pub identities: Vec<Identity>,
    /// In the order of first use.
    pub types: Vec<Type>,
}

/// A module.
#[derive(Debug)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Its newest revision, or empty.
    pub revision: String,
    /// Its XML namespace.
    pub namespace: String,
    /// Its own prefix.
    pub prefix: String,
    /// Implemented, or only imported.
    pub implemented: bool,
    /// Whether a program's own code is written for it, as `modules.toml` says: then no other module changes its structs.
    pub program: bool,
    /// The supported features.
    pub features: Vec<String>,
    /// Names of the modules that deviate it.
    pub deviations: Vec<String>,
    /// The submodules it includes.
    pub submodules: Vec<Submodule>,
    /// Where its text is.
    pub source: Text,
    /// Top-level data nodes and choices.
    pub children: Vec<NodeId>,
    /// Top-level data nodes with choices dissolved.
    pub data: Vec<NodeId>,
    /// RPC operations.
    pub rpcs: Vec<NodeId>,
    /// Top-level notifications.
    pub notifications: Vec<NodeId>,
    /// Its structures and templates of data beside the datastores (RFC 8791, RFC 8040 section 8):
    /// containers and choices of containers.
    pub structures: Vec<NodeId>,
    /// Its identities.
    pub identities: Vec<IdentityId>,
    /// Its annotations (RFC 7952 section 3), as leafs that are in no tree.
    pub annotations: Vec<NodeId>,
}

/// A submodule.
#[derive(Debug)]
pub struct Submodule {
    /// Its name.
    pub name: String,
    /// Its newest revision, or empty.
    pub revision: String,
    /// Where its text is.
    pub source: Text,
}

/// The text of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// In a file.
    File(PathBuf),
    /// There is no file: libyang has it in itself.
    BuiltIn(String),
}

impl Text {
    /// The file, if there is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Text::File(path) => Some(path),
            Text::BuiltIn(_) => None,
        }
    }
}

/// An identity.
#[derive(Debug)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// The module that defines it.
    pub module: ModuleId,
    /// What it is directly derived from.
    pub bases: Vec<IdentityId>,
    /// Its SID, or 0.
    pub sid: u64,
    /// Its description, or empty.
    pub description: String,
}

/// A schema node.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The module whose namespace it is in.
    pub module: ModuleId,
    /// The schema parent.
    pub parent: Option<NodeId>,
    /// Position among the data of its data parent.
    pub index: usize,
    /// What it is.
    pub kind: Kind,
    /// `config` in effect.
    pub config: bool,
    /// `mandatory true`.
    pub mandatory: bool,
    /// `status` in effect.
    pub status: Status,
    /// Schema children.
    pub children: Vec<NodeId>,
    /// Children with choices and cases dissolved.
    pub data: Vec<NodeId>,
    /// Actions.
    pub actions: Vec<NodeId>,
    /// Nested notifications.
    pub notifications: Vec<NodeId>,
    /// `must` statements.
    pub musts: Vec<Must>,
    /// `when` statements in effect.
    pub whens: Vec<When>,
    /// Access default.
    pub nacm: Nacm,
    /// Its SID, or 0.
    pub sid: u64,
    /// Its description, or empty.
    pub description: String,
}

/// What a node is.
#[derive(Debug)]
pub enum Kind {
    /// `container`.
    Container {
        /// Has `presence`.
        presence: bool,
    },
    /// `leaf`.
    Leaf {
        /// Its type.
        ty: TypeId,
        /// Its default, canonical where libyang knows the canonical form.
        default: Option<String>,
        /// `units`, or empty.
        units: String,
    },
    /// `leaf-list`.
    LeafList {
        /// Its type.
        ty: TypeId,
        /// Its defaults.
        defaults: Vec<String>,
        /// Number and order.
        entries: Entries,
        /// `units`, or empty.
        units: String,
    },
    /// `list`.
    List {
        /// In the order of the `key` statement.
        keys: Vec<NodeId>,
        /// For each `unique`, for each leaf, the chain of data nodes from below the list.
        uniques: Vec<Vec<Vec<NodeId>>>,
        /// Number and order.
        entries: Entries,
    },
    /// `choice`.
    Choice {
        /// The default case.
        default: Option<NodeId>,
    },
    /// `case`.
    Case,
    /// `anydata`.
    AnyData,
    /// `anyxml`.
    AnyXml,
    /// `rpc` or `action`.
    Rpc {
        /// Its input.
        input: NodeId,
        /// Its output.
        output: NodeId,
    },
    /// `input`.
    Input,
    /// `output`.
    Output,
    /// `notification`.
    Notification,
}

/// Number and order of entries.
#[derive(Debug, Clone, Copy)]
pub struct Entries {
    /// `min-elements`.
    pub min: u32,
    /// `max-elements`; `u32::MAX` for unbounded.
    pub max: u32,
    /// Whether the order of entries is to be kept.
    pub user_ordered: bool,
}

/// `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Current.
    Current,
    /// Deprecated.
    Deprecated,
    /// Obsolete.
    Obsolete,
}

/// Access default (RFC 8341).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nacm {
    /// No mark.
    None,
    /// `default-deny-write`.
    DenyWrite,
    /// `default-deny-all`.
    DenyAll,
}

/// A `must`.
#[derive(Debug)]
pub struct Must {
    /// The condition.
    pub expr: Expr,
    /// As written.
    pub text: String,
    /// `error-message`.
    pub error_message: Option<String>,
    /// `error-app-tag`.
    pub error_app_tag: Option<String>,
    /// What can change the outcome.
    pub reads: Vec<NodeId>,
}

/// A `when`.
#[derive(Debug)]
pub struct When {
    /// The condition.
    pub expr: Expr,
    /// As written.
    pub text: String,
    /// Levels of the data tree up to the context node.
    pub context: usize,
    /// What can change the outcome.
    pub reads: Vec<NodeId>,
}

/// A type with its restrictions. Types that are alike are one type.
#[derive(Debug, Clone, PartialEq)]
pub struct Type {
    /// Name of the nearest typedef, or of the built-in type.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The module whose file it is written to.
    pub module: ModuleId,
    /// The description of the typedef, or empty.
    pub description: String,
    /// Built-in type and restrictions.
    pub base: Base,
}

/// Where a type comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A typedef, used unchanged.
    Typedef,
    /// A built-in type, used unchanged.
    Builtin,
    /// It is restricted where it is used; the words to name it after.
    Inline(Vec<String>),
}

/// Built-in type and restrictions.
#[derive(Debug, Clone, PartialEq)]
pub enum Base {
    /// Bits and values.
    Int(u8, Range<i64>),
    /// Bits and values.
    Uint(u8, Range<u64>),
    /// Fraction digits and values.
    Decimal64(u8, Range<i64>),
    /// Length and patterns.
    String(Range<u64>, Vec<Pattern>),
    /// `boolean`.
    Boolean,
    /// Names and values.
    Enumeration(Vec<EnumValue>),
    /// Names and positions.
    Bits(Vec<(String, u32)>),
    /// Length.
    Binary(Range<u64>),
    /// `empty`.
    Empty,
    /// Bases.
    IdentityRef(Vec<IdentityId>),
    /// `leafref`.
    LeafRef(LeafRef),
    /// `require-instance`.
    InstanceIdentifier(bool),
    /// Members, nested unions dissolved.
    Union(Vec<TypeId>),
}

/// One `enum`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnumValue {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: i32,
    /// Its description, or empty.
    pub description: String,
}

/// Allowed values.
#[derive(Debug, Clone, PartialEq)]
pub struct Range<T> {
    /// Intervals, ascending; empty for all.
    pub parts: Vec<(T, T)>,
    /// The restriction for messages, or empty.
    pub text: String,
    /// `error-message`.
    pub error_message: Option<String>,
    /// `error-app-tag`.
    pub error_app_tag: Option<String>,
}

/// A `pattern`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// As written.
    pub xsd: String,
    /// For the `regex` crate.
    pub regex: String,
    /// `invert-match`.
    pub invert: bool,
    /// `error-message`.
    pub error_message: Option<String>,
    /// `error-app-tag`.
    pub error_app_tag: Option<String>,
}

/// A `leafref`.
#[derive(Debug, Clone, PartialEq)]
pub struct LeafRef {
    /// The path.
    pub path: Expr,
    /// As written.
    pub text: String,
    /// What it refers to.
    pub target: NodeId,
    /// `require-instance`.
    pub require_instance: bool,
    /// The type at the end.
    pub real: TypeId,
}

impl Schema {
    /// The module of this id.
    pub fn module(&self, id: ModuleId) -> &Module {
        &self.modules[id.0]
    }

    /// The node of this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The type of this id.
    pub fn ty(&self, id: TypeId) -> &Type {
        &self.types[id.0]
    }

    /// The identity of this id.
    pub fn identity(&self, id: IdentityId) -> &Identity {
        &self.identities[id.0]
    }

    /// All node ids.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// All module ids.
    pub fn module_ids(&self) -> impl Iterator<Item = ModuleId> + use<> {
        (0..self.modules.len()).map(ModuleId)
    }

    /// Whether the module is implemented beside those of a program, whose code knows nothing of it.
    pub fn is_added(&self, id: ModuleId) -> bool {
        let module = self.module(id);
        module.implemented && !module.program && self.modules.iter().any(|m| m.program)
    }

    /// The children that are fields of the struct of the node: not what other modules add to one of the program's.
    pub fn fields(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let node = self.node(id);
        let fixed = self.module(node.module).program;
        let is_field = move |child: &NodeId| !fixed || self.module(self.node(*child).module).program;
        node.data.iter().copied().filter(is_field)
    }

    /// The nearest ancestor that is no choice or case; inputs and outputs count.
    pub fn data_parent(&self, id: NodeId) -> Option<NodeId> {
        let mut parent = self.node(id).parent;
        while let Some(at) = parent {
            if !matches!(self.node(at).kind, Kind::Choice { .. } | Kind::Case) {
                return parent;
            }
            parent = self.node(at).parent;
        }
        None
    }

    /// From the top down to and including the node.
    pub fn lineage(&self, id: NodeId) -> Vec<NodeId> {
        let mut chain = vec![id];
        let mut at = id;
        while let Some(parent) = self.node(at).parent {
            chain.push(parent);
            at = parent;
        }
        chain.reverse();
        chain
    }

    /// The schema path with module names where they change, for docs and messages.
    pub fn path(&self, id: NodeId) -> String {
        let mut text = String::new();
        let mut module = None;
        for step in self.lineage(id) {
            let node = self.node(step);
            text.push('/');
            if module != Some(node.module) {
                text.push_str(&self.module(node.module).name);
                text.push(':');
                module = Some(node.module);
            }
            text.push_str(&node.name);
        }
        text
    }

    /// The input, output or notification that the node is in or is.
    pub fn operation(&self, id: NodeId) -> Option<NodeId> {
        let is_operation =
            |n: &NodeId| matches!(self.node(*n).kind, Kind::Input | Kind::Output | Kind::Notification);
        self.lineage(id).into_iter().rev().find(is_operation)
    }
}

impl Node {
    /// The type of a leaf or leaf-list.
    pub fn ty(&self) -> Option<TypeId> {
        match self.kind {
            Kind::Leaf { ty, .. } | Kind::LeafList { ty, .. } => Some(ty),
            _ => None,
        }
    }
}
