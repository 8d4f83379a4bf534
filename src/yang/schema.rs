//! Schema tables: what `codegen` writes for each YANG module and everything else reads.
//!
//! Every item is a `static` of the generated code and refers to others by `&'static`
//! reference, so walking the schema costs no look-up and no lock. This file never parses
//! YANG and never looks at instance data.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use super::xpath::Expr;

/// A YANG module or an imported module without data nodes (RFC 7950 section 5.1).
pub struct Module {
    /// The module's name.
    pub name: &'static str,
    /// The newest revision date, `YYYY-MM-DD`, or empty if the module has none.
    pub revision: &'static str,
    /// The XML namespace.
    pub namespace: &'static str,
    /// The prefix the module gives itself.
    pub prefix: &'static str,
    /// Whether the module is implemented or only imported (RFC 7950 section 5.6.5).
    pub conformance: Conformance,
    /// The features of the module that the server supports.
    pub features: &'static [&'static str],
    /// Names of the modules that deviate this one.
    pub deviations: &'static [&'static str],
    /// The submodules the module includes.
    pub submodules: &'static [Submodule],
    /// The YANG text, as it stands in `yang/`.
    pub source: &'static str,
    /// Top-level data nodes that the module defines, choices and cases included.
    pub children: &'static [&'static Node],
    /// Top-level data nodes with choices and cases dissolved, in schema order.
    pub data: &'static [&'static Node],
    /// RPC operations.
    pub rpcs: &'static [&'static Node],
    /// Top-level notifications.
    pub notifications: &'static [&'static Node],
    /// Identities that the module defines.
    pub identities: &'static [&'static Identity],
    /// Annotations that the module defines (RFC 7952 section 3), as leafs that are in no tree.
    pub annotations: &'static [&'static Node],
}

/// The name only: modules and nodes refer to each other in circles.
impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Module {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}
impl Eq for Module {}

/// A submodule (RFC 7950 section 5.1).
#[derive(Debug)]
pub struct Submodule {
    /// The submodule's name.
    pub name: &'static str,
    /// Its newest revision, or empty.
    pub revision: &'static str,
    /// The YANG text.
    pub source: &'static str,
}

/// Whether the server implements a module's data nodes (RFC 7950 section 5.6.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conformance {
    /// Data nodes, operations and notifications are there.
    Implement,
    /// Only typedefs, groupings, identities and extensions are used.
    Import,
}

/// A schema node (RFC 7950 section 3). Two nodes are equal if they are the same `static`.
pub struct Node {
    /// The node's identifier.
    pub name: &'static str,
    /// The module whose namespace the node is in: the augmenting one for an augmented node.
    pub module: &'static Module,
    /// The schema parent, which can be a choice, case, input or output.
    pub parent: Option<&'static Node>,
    /// Position among the `data` of the data parent (or of the module, at the top).
    ///
    /// Instance children are kept in this order. An input or output counts as a data parent.
    pub index: u16,
    /// What kind of node it is, with what only that kind has.
    pub kind: Kind,
    /// `config` in effect. False inside operations and notifications.
    pub config: bool,
    /// `mandatory true`, on a leaf, choice, anydata or anyxml.
    pub mandatory: bool,
    /// The `status` in effect.
    pub status: Status,
    /// Schema children, choices and cases included; for an rpc or action its input and output
    /// are in [`Kind::Rpc`] instead.
    pub children: &'static [&'static Node],
    /// Children with choices and cases dissolved, in schema order.
    pub data: &'static [&'static Node],
    /// Actions that can be invoked on an instance.
    pub actions: &'static [&'static Node],
    /// Notifications of an instance (nested notifications).
    pub notifications: &'static [&'static Node],
    /// `must` statements.
    pub musts: &'static [Must],
    /// `when` statements in effect: the node's own and those of the augments and uses that
    /// brought it in. All have to hold.
    pub whens: &'static [When],
    /// `nacm:default-deny-write` or `-all` (RFC 8341 section 3.4.8).
    pub nacm: NacmDefault,
    /// The YANG Schema Item iDentifier (RFC 9595), or 0 if no `.sid` file gives one.
    pub sid: u64,
    /// The `description`, or empty.
    pub description: &'static str,
}

/// The qualified name only: nodes refer to their parents.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.module.name, self.name)
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}
impl Eq for Node {}
impl Hash for Node {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::from_ref(self).hash(state);
    }
}

/// What a schema node is, with the statements that only such a node has.
#[derive(Debug)]
pub enum Kind {
    /// `container`.
    Container {
        /// Whether it has a `presence` statement.
        presence: bool,
    },
    /// `leaf`.
    Leaf {
        /// Its type.
        ty: &'static Type,
        /// The default in effect, in canonical or lexical form.
        default: Option<&'static str>,
        /// `units`, or empty.
        units: &'static str,
    },
    /// `leaf-list`.
    LeafList {
        /// Its type.
        ty: &'static Type,
        /// The defaults in effect.
        defaults: &'static [&'static str],
        /// How many entries there may be and in which order.
        entries: Entries,
        /// `units`, or empty.
        units: &'static str,
    },
    /// `list`.
    List {
        /// The key leafs in the order of the `key` statement; empty for a keyless list.
        keys: &'static [&'static Node],
        /// Each `unique` statement: the leafs it names.
        uniques: &'static [Unique],
        /// How many entries there may be and in which order.
        entries: Entries,
    },
    /// `choice`.
    Choice {
        /// The default case.
        default: Option<&'static Node>,
    },
    /// `case`.
    Case,
    /// `anydata`.
    AnyData,
    /// `anyxml`.
    AnyXml,
    /// `rpc` or `action`; `parent` tells which.
    Rpc {
        /// The input, always there, maybe empty.
        input: &'static Node,
        /// The output, always there, maybe empty.
        output: &'static Node,
    },
    /// `input` of an operation.
    Input,
    /// `output` of an operation.
    Output,
    /// `notification`.
    Notification,
}

/// Number and order of the entries of a list or leaf-list (RFC 7950 section 7.7).
#[derive(Debug, Clone, Copy)]
pub struct Entries {
    /// `min-elements`.
    pub min: u32,
    /// `max-elements`; `u32::MAX` for unbounded.
    pub max: u32,
    /// `ordered-by user`.
    pub user_ordered: bool,
}

/// One `unique` statement: each leaf as the chain of data nodes from below the list to it.
#[derive(Debug)]
pub struct Unique {
    /// The leafs.
    pub leafs: &'static [&'static [&'static Node]],
}

/// `status` (RFC 7950 section 7.21.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Current.
    Current,
    /// Deprecated.
    Deprecated,
    /// Obsolete.
    Obsolete,
}

/// Access default marked in the module (RFC 8341 section 3.4.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NacmDefault {
    /// No mark.
    None,
    /// `nacm:default-deny-write`.
    DenyWrite,
    /// `nacm:default-deny-all`.
    DenyAll,
}

/// A `must` statement (RFC 7950 section 7.5.3).
#[derive(Debug)]
pub struct Must {
    /// The condition, parsed and with its names resolved.
    pub expr: &'static Expr,
    /// The condition as written.
    pub text: &'static str,
    /// `error-message`.
    pub error_message: Option<&'static str>,
    /// `error-app-tag`.
    pub error_app_tag: Option<&'static str>,
    /// Schema nodes whose instances can change the outcome.
    pub reads: &'static [&'static Node],
}

/// A `when` statement (RFC 7950 section 7.21.5).
#[derive(Debug)]
pub struct When {
    /// The condition, parsed and with its names resolved.
    pub expr: &'static Expr,
    /// The condition as written.
    pub text: &'static str,
    /// Levels of the data tree from the conditional node up to the context node: 0 if the
    /// node itself is the context (its own `when`), 1 if it came by `augment` or `uses`.
    pub context: u8,
    /// Schema nodes whose instances can change the outcome.
    pub reads: &'static [&'static Node],
}

/// An identity (RFC 7950 section 7.18). Two are equal if they are the same `static`.
pub struct Identity {
    /// Its name.
    pub name: &'static str,
    /// The module that defines it.
    pub module: &'static Module,
    /// The identities it is directly derived from.
    pub bases: &'static [&'static Identity],
    /// Its SID, or 0, as that of a [`Node`].
    pub sid: u64,
}

impl Identity {
    /// Whether this identity is `base` or derived from it (RFC 7950 section 10.4.2).
    pub fn is_or_derives_from(&self, base: &Identity) -> bool {
        self == base || self.derives_from(base)
    }

    /// Whether this identity is derived from `base` and is not `base` (RFC 7950 section 10.4.1).
    pub fn derives_from(&self, base: &Identity) -> bool {
        self.bases.iter().any(|b| b.is_or_derives_from(base))
    }
}

/// The name qualified by that of the module, as in JSON (RFC 7951 section 6.8).
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.module.name, self.name)
    }
}

/// The qualified name only.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}
impl Eq for Identity {}
impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::from_ref(self).hash(state);
    }
}

/// A type with all its restrictions resolved (RFC 7950 section 9).
#[derive(Debug)]
pub struct Type {
    /// Name of the typedef it came from, or of the built-in type.
    pub name: &'static str,
    /// The built-in type and its restrictions.
    pub base: Base,
}

impl Type {
    /// Whether values are XPath expressions, whose prefixes are those in scope where they stand: `xpath1.0` of RFC 6991
    /// and what is derived from it without a restriction, which is compiled to the same.
    pub fn is_xpath(&self) -> bool {
        self.name == "xpath1.0"
    }
}

/// A built-in type with its restrictions (RFC 7950 section 4.2.4).
#[derive(Debug)]
pub enum Base {
    /// `int8` to `int64`: number of bits, allowed values.
    Int(u8, Range<i64>),
    /// `uint8` to `uint64`: number of bits, allowed values.
    Uint(u8, Range<u64>),
    /// `decimal64`: fraction-digits, allowed values times 10 to that power.
    Decimal64(u8, Range<i64>),
    /// `string`: length in characters, patterns that all have to match.
    String(Range<u64>, &'static [&'static Pattern]),
    /// `boolean`.
    Boolean,
    /// `enumeration`.
    Enumeration(&'static [EnumValue]),
    /// `bits`, in the order of their positions.
    Bits(&'static [Bit]),
    /// `binary`: length in octets.
    Binary(Range<u64>),
    /// `empty`.
    Empty,
    /// `identityref`: the value is derived from all of these.
    IdentityRef(&'static [&'static Identity]),
    /// `leafref`.
    LeafRef(LeafRef),
    /// `instance-identifier`.
    InstanceIdentifier {
        /// `require-instance`.
        require_instance: bool,
    },
    /// `union`, members in order, nested unions dissolved.
    Union(&'static [&'static Type]),
}

/// Allowed values or lengths: the union of closed intervals; empty means all.
#[derive(Debug)]
pub struct Range<T: 'static> {
    /// The intervals, ascending.
    pub parts: &'static [(T, T)],
    /// The restriction for messages, `min` and `max` for the limits of the type; or empty.
    pub text: &'static str,
    /// `error-message`.
    pub error_message: Option<&'static str>,
    /// `error-app-tag`.
    pub error_app_tag: Option<&'static str>,
}

impl<T: PartialOrd + Copy + 'static> Range<T> {
    /// No restriction.
    pub const ANY: Range<T> = Range { parts: &[], text: "", error_message: None, error_app_tag: None };

    /// Whether the restriction allows `value`.
    pub fn contains(&self, value: T) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|(low, high)| *low <= value && value <= *high)
    }
}

/// A `pattern` (RFC 7950 section 9.4.5).
#[derive(Debug)]
pub struct Pattern {
    /// As written: an XSD regular expression.
    pub xsd: &'static str,
    /// Translated for the `regex` crate, anchored.
    pub regex: &'static str,
    /// `modifier invert-match`.
    pub invert: bool,
    /// `error-message`.
    pub error_message: Option<&'static str>,
    /// `error-app-tag`.
    pub error_app_tag: Option<&'static str>,
    /// Compiled at first use; generated code writes `OnceLock::new()`.
    pub compiled: OnceLock<Option<regex::Regex>>,
}

impl Pattern {
    /// Whether `text` satisfies the pattern, `invert-match` taken into account.
    ///
    /// A translation that does not compile (codegen refuses to write one) matches nothing.
    pub fn allows(&self, text: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| regex::Regex::new(self.regex).ok());
        compiled.as_ref().is_some_and(|regex| regex.is_match(text) != self.invert)
    }
}

/// One `enum`.
#[derive(Debug)]
pub struct EnumValue {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: i32,
}

/// One `bit`.
#[derive(Debug)]
pub struct Bit {
    /// Its name.
    pub name: &'static str,
    /// Its position.
    pub position: u32,
}

/// A `leafref` (RFC 7950 section 9.9).
#[derive(Debug)]
pub struct LeafRef {
    /// The path, parsed and with its names resolved.
    pub path: &'static Expr,
    /// The path as written.
    pub text: &'static str,
    /// The leaf or leaf-list referred to.
    pub target: &'static Node,
    /// `require-instance`.
    pub require_instance: bool,
    /// The type of the target, with leafrefs followed to their end.
    pub real: &'static Type,
}

/// Everything that was compiled in: the value of `generated::SCHEMA`.
#[derive(Debug)]
pub struct Schema {
    /// All modules, ascending by name, then by revision.
    pub modules: &'static [&'static Module],
    /// The implemented ones that this program's code was not written for. What they add to nodes of the others is
    /// stored, validated and served; no struct has it.
    pub added: &'static [&'static Module],
}

impl Schema {
    /// The implemented module of this name.
    pub fn module(&self, name: &str) -> Option<&'static Module> {
        self.implemented().find(|m| m.name == name)
    }

    /// The implemented module with this namespace.
    pub fn namespace(&self, namespace: &str) -> Option<&'static Module> {
        self.implemented().find(|m| m.namespace == namespace)
    }

    /// The text of a module or submodule; without a revision that of the implemented module, or else of the newest.
    pub fn source(&self, name: &str, revision: Option<&str>) -> Option<&'static str> {
        let is_implemented = |m: &Module| m.conformance == Conformance::Implement;
        let modules = self.modules.iter().map(|m| (m.name, is_implemented(m), m.revision, m.source));
        let submodules = self.modules.iter().flat_map(|m| m.submodules.iter().map(|s| (*m, s)));
        let submodules = submodules.map(|(m, s)| (s.name, is_implemented(m), s.revision, s.source));
        let of_name = modules.chain(submodules).filter(|(n, ..)| *n == name);
        let wanted = of_name.filter(|(_, _, r, _)| revision.is_none_or(|revision| revision == *r));
        wanted
            .max_by_key(|(_, implemented, revision, _)| (*implemented, *revision))
            .map(|(.., source)| source)
    }

    /// The modules whose data nodes the server has.
    pub fn implemented(&self) -> impl Iterator<Item = &'static Module> + use<> {
        let modules = self.modules;
        modules.iter().copied().filter(|m| m.conformance == Conformance::Implement)
    }

    /// The data node with this SID.
    pub fn node_with_sid(&self, sid: u64) -> Option<&'static Node> {
        let mut open: Vec<&'static Node> =
            self.implemented().flat_map(|module| module.data).copied().collect();
        while let Some(node) = open.pop() {
            if node.sid == sid {
                return Some(node).filter(|_| sid > 0);
            }
            open.extend(node.data);
        }
        None
    }

    /// The identity with this SID.
    pub fn identity_with_sid(&self, sid: u64) -> Option<&'static Identity> {
        self.modules.iter().flat_map(|m| m.identities).copied().find(|i| sid > 0 && i.sid == sid)
    }

    /// The annotation that a module of this name advertises (RFC 7952 section 4), by what its module is.
    pub fn annotation(&self, name: &str, is_module: impl Fn(&Module) -> bool) -> Option<&'static Node> {
        let modules = self.implemented().filter(|module| is_module(module));
        modules.flat_map(|module| module.annotations).copied().find(|annotation| annotation.name == name)
    }

    /// The identity `module:name`, whatever the module's conformance.
    pub fn identity(&self, module: &str, name: &str) -> Option<&'static Identity> {
        let module = self.modules.iter().filter(|m| m.name == module);
        module.flat_map(|m| m.identities).copied().find(|i| i.name == name)
    }
}

impl Node {
    /// The nearest ancestor that has instances: choices and cases are skipped.
    pub fn data_parent(&self) -> Option<&'static Node> {
        let mut parent = self.parent;
        while let Some(node) = parent {
            if !matches!(node.kind, Kind::Choice { .. } | Kind::Case) {
                return parent;
            }
            parent = node.parent;
        }
        None
    }

    /// The data child with this name in this module.
    pub fn child(&self, module: &Module, name: &str) -> Option<&'static Node> {
        self.data.iter().copied().find(|n| n.name == name && n.module == module)
    }

    /// The type of a leaf or leaf-list.
    pub fn ty(&self) -> Option<&'static Type> {
        match self.kind {
            Kind::Leaf { ty, .. } | Kind::LeafList { ty, .. } => Some(ty),
            _ => None,
        }
    }

    /// The SID that stands for an instance in a map: that of the operation for its input and output (RFC 9254 section
    /// 4.2.1); 0 if there is none.
    pub fn key_sid(&self) -> u64 {
        match (&self.kind, self.parent) {
            (Kind::Input | Kind::Output, Some(operation)) => operation.sid,
            _ => self.sid,
        }
    }

    /// Whether each node that can be in an instance has a SID, and the node itself.
    pub fn has_sids(&self) -> bool {
        self.key_sid() > 0 && self.data.iter().all(|node| node.has_sids())
    }

    /// The keys of a list; empty for any other node.
    pub fn keys(&self) -> &'static [&'static Node] {
        match self.kind {
            Kind::List { keys, .. } => keys,
            _ => &[],
        }
    }

    /// The `when` statements that decide whether the node can exist: its own and those of the
    /// choices and cases it stands in.
    pub fn conditions(&self) -> impl Iterator<Item = &'static When> {
        let dissolved = |node: &&Node| matches!(node.kind, Kind::Choice { .. } | Kind::Case);
        let within = std::iter::successors(Some(self), move |node| node.parent.filter(|p| dissolved(p)));
        within.flat_map(|node| node.whens)
    }

    /// Whether the node is a key of its list.
    pub fn is_key(&self) -> bool {
        self.parent.is_some_and(|list| list.keys().contains(&self))
    }

    /// Whether instances are list entries or leaf-list entries in an order the user chooses.
    pub fn user_ordered(&self) -> bool {
        matches!(
            self.kind,
            Kind::List { entries, .. } | Kind::LeafList { entries, .. } if entries.user_ordered
        )
    }

    /// The name qualified as RFC 7951 section 4 wants it at a module boundary.
    pub fn qualified_name(&self) -> String {
        [self.module.name, ":", self.name].concat()
    }

    /// Whether the name has to be qualified below `parent` (RFC 7951 section 4).
    pub fn needs_prefix_below(&self, parent: Option<&Node>) -> bool {
        parent.is_none_or(|p| p.module != self.module)
    }
}
