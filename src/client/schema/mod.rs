//! The schema of a server as people need it: what its YANG texts say, with groupings, augments, deviations and types
//! resolved. It never judges data and never believes a text: what cannot be resolved is a problem to be shown, and
//! what does not end is ended.

mod amend;
mod expand;
mod features;
mod references;
mod types;
mod units;
mod values;

use std::collections::HashMap;

pub use types::{Base, EnumValue, Leafref, Pattern, Range, Type, scaled};

/// The YANG text of a module or submodule, and how the server has it.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Whether the server implements it; a module that is imported only gives types, groupings and identities. It
    /// means nothing for a submodule.
    pub implemented: bool,
    /// The features that the server supports of it.
    pub features: Vec<String>,
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
    /// The prefix that it gives itself.
    pub prefix: String,
    /// Whether its nodes are there.
    pub implemented: bool,
    /// The schema nodes at its top: data nodes, choices, operations and notifications.
    pub children: Vec<NodeId>,
}

/// Which module of a [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleId(usize);

/// Which node of a [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(usize);

/// Which identity of a [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityId(usize);

/// The kind of a schema node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `container`.
    Container,
    /// `list`.
    List,
    /// `leaf`.
    Leaf,
    /// `leaf-list`.
    LeafList,
    /// `choice`.
    Choice,
    /// `case`, those that are not written included.
    Case,
    /// `anydata`.
    AnyData,
    /// `anyxml`.
    AnyXml,
    /// `rpc`.
    Rpc,
    /// `action`.
    Action,
    /// `input`; each operation has one.
    Input,
    /// `output`; each operation has one.
    Output,
    /// `notification`.
    Notification,
}

/// The `status` of a node (RFC 7950 section 7.21.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Current.
    #[default]
    Current,
    /// Deprecated.
    Deprecated,
    /// Obsolete.
    Obsolete,
}

/// A schema node. What a kind of node does not have is empty.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The module whose namespace it is in.
    pub module: ModuleId,
    /// The schema node that it is in; none at the top of a module.
    pub parent: Option<NodeId>,
    /// Its kind.
    pub kind: Kind,
    /// The schema nodes in it: choices, cases, actions and notifications are among them.
    pub children: Vec<NodeId>,
    /// `config` in effect; false in operations and notifications.
    pub config: bool,
    /// `mandatory`.
    pub mandatory: bool,
    /// `presence` of a container.
    pub presence: Option<String>,
    /// The keys of a list, in their order.
    pub keys: Vec<String>,
    /// `ordered-by user`.
    pub user_ordered: bool,
    /// `min-elements`.
    pub min: u32,
    /// `max-elements`, if there is a bound.
    pub max: Option<u32>,
    /// The type of a leaf or leaf-list.
    pub ty: Option<Type>,
    /// The defaults in effect; of a choice, its default case. The name of an identity has that of its module.
    pub defaults: Vec<String>,
    /// `units`.
    pub units: Option<String>,
    /// The `status` in effect.
    pub status: Status,
    /// `description`.
    pub description: Option<String>,
    /// `reference`.
    pub reference: Option<String>,
}

/// An identity (RFC 7950 section 7.18).
#[derive(Debug)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// Its module.
    pub module: ModuleId,
    /// What it is directly derived from.
    pub bases: Vec<IdentityId>,
    /// `description`.
    pub description: Option<String>,
}

/// The schema of a server.
#[derive(Debug, Default)]
pub struct Schema {
    modules: Vec<Module>,
    nodes: Vec<Node>,
    identities: Vec<Identity>,
    /// Which identities are derived from which, directly.
    derived: HashMap<IdentityId, Vec<IdentityId>>,
    /// The types of annotations (RFC 7952 section 3).
    annotations: HashMap<(ModuleId, String), Type>,
    problems: Vec<String>,
}

impl Schema {
    /// Reads the texts. What cannot be resolved is left out and named in [`Self::problems`].
    pub fn read(texts: &[Text]) -> Schema {
        let parsed = units::parse(texts);
        let mut reader = units::Reader::new(&parsed);
        reader.expand();
        reader.amend();
        reader.refer();
        reader.read_annotations();
        reader.finish()
    }

    /// What could not be resolved, each with its module and line.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// All modules, by name and revision.
    pub fn modules(&self) -> impl Iterator<Item = (ModuleId, &Module)> {
        self.modules.iter().enumerate().map(|(at, module)| (ModuleId(at), module))
    }

    /// A module.
    pub fn module(&self, id: ModuleId) -> &Module {
        &self.modules[id.0]
    }

    /// The module of this name: the implemented one, else the newest.
    pub fn find_module(&self, name: &str) -> Option<ModuleId> {
        let named = self.modules().filter(|(_, module)| module.name == name);
        // Of equals the last is taken, which is the newest.
        named.max_by_key(|(_, module)| module.implemented).map(|(id, _)| id)
    }

    /// The module with this namespace: the implemented one, else the newest.
    pub fn find_namespace(&self, namespace: &str) -> Option<ModuleId> {
        let module = self.modules.iter().find(|module| module.namespace == namespace)?;
        self.find_module(&module.name)
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The name of a node's module.
    pub fn module_name(&self, id: NodeId) -> &str {
        &self.module(self.node(id).module).name
    }

    /// An identity.
    pub fn identity(&self, id: IdentityId) -> &Identity {
        &self.identities[id.0]
    }

    /// The type of the annotation that a module defines under this name (RFC 7952 section 3).
    pub fn annotation(&self, module: ModuleId, name: &str) -> Option<&Type> {
        self.annotations.get(&(module, name.to_owned()))
    }

    /// The name of an identity with that of its module, as in JSON (RFC 7951 section 6.8).
    pub fn identity_name(&self, id: IdentityId) -> String {
        let identity = self.identity(id);
        format!("{}:{}", self.module(identity.module).name, identity.name)
    }

    /// The identities that are derived from all of `bases`, by name.
    pub fn derived(&self, bases: &[IdentityId]) -> Vec<IdentityId> {
        let mut found: Option<Vec<IdentityId>> = None;
        for base in bases {
            let mut of_base = Vec::new();
            let mut open = vec![*base];
            while let Some(id) = open.pop() {
                for next in self.derived.get(&id).into_iter().flatten() {
                    if !of_base.contains(next) {
                        of_base.push(*next);
                        open.push(*next);
                    }
                }
            }
            match &mut found {
                Some(found) => found.retain(|id| of_base.contains(id)),
                None => found = Some(of_base),
            }
        }
        let mut found = found.unwrap_or_default();
        found.sort_by_key(|id| (&self.identity(*id).name, self.identity(*id).module));
        found
    }

    /// The data nodes in a node, or at the top of all modules: choices and cases are dissolved. Those of an operation
    /// are in its [`Self::input`] and [`Self::output`].
    pub fn data(&self, parent: Option<NodeId>) -> Vec<NodeId> {
        self.dissolved(self.schema_children(parent).rev().collect())
    }

    /// The data nodes among these or in the choices among them; the last comes first.
    fn dissolved(&self, mut open: Vec<NodeId>) -> Vec<NodeId> {
        let mut found = Vec::new();
        while let Some(id) = open.pop() {
            match self.node(id).kind {
                Kind::Choice | Kind::Case => open.extend(self.node(id).children.iter().rev()),
                kind if kind.is_data() => found.push(id),
                _ => {}
            }
        }
        found
    }

    /// The children of a kind in a node, or at the top of all modules: [`Kind::Rpc`], [`Kind::Action`],
    /// [`Kind::Notification`].
    pub fn of_kind(&self, parent: Option<NodeId>, kind: Kind) -> impl Iterator<Item = NodeId> {
        self.schema_children(parent).filter(move |id| self.node(*id).kind == kind)
    }

    fn schema_children(&self, parent: Option<NodeId>) -> impl DoubleEndedIterator<Item = NodeId> {
        let (modules, node) = match parent {
            Some(id) => (&self.modules[..0], self.node(id).children.as_slice()),
            None => (self.modules.as_slice(), &[][..]),
        };
        modules.iter().flat_map(|module| &module.children).chain(node).copied()
    }

    /// The data nodes of a name in a node or at the top; several if modules use the same name.
    pub fn named(&self, parent: Option<NodeId>, name: &str) -> Vec<NodeId> {
        let mut found = self.data(parent);
        found.retain(|id| self.node(*id).name == name);
        found
    }

    /// The data node of a name and module in a node or at the top.
    pub fn child(&self, parent: Option<NodeId>, module: &str, name: &str) -> Option<NodeId> {
        let children = match parent {
            Some(id) => &self.node(id).children,
            None => &self.module(self.find_module(module)?).children,
        };
        let found = self.dissolved(children.iter().rev().copied().collect());
        found.into_iter().find(|id| self.node(*id).name == name && self.module_name(*id) == module)
    }

    /// The input of an operation.
    pub fn input(&self, operation: NodeId) -> Option<NodeId> {
        self.of_kind(Some(operation), Kind::Input).next()
    }

    /// The output of an operation.
    pub fn output(&self, operation: NodeId) -> Option<NodeId> {
        self.of_kind(Some(operation), Kind::Output).next()
    }

    /// The nearest node above that has instances, or that is an operation's input or output.
    pub fn data_parent(&self, id: NodeId) -> Option<NodeId> {
        let mut parent = self.node(id).parent;
        while let Some(above) = parent {
            if !matches!(self.node(above).kind, Kind::Choice | Kind::Case) {
                return parent;
            }
            parent = self.node(above).parent;
        }
        None
    }

    /// Whether a leaf is a key of its list.
    pub fn is_key(&self, id: NodeId) -> bool {
        let node = self.node(id);
        node.parent.is_some_and(|list| self.node(list).keys.contains(&node.name))
    }

    /// The type with leafrefs followed to their end, as far as that is known.
    pub fn real_type<'a>(&'a self, ty: &'a Type) -> &'a Type {
        let mut real = ty;
        // Leafrefs of a broken module can go round in circles.
        for _ in 0..units::DEPTH_MAX {
            let Base::Leafref(leafref) = &real.base else { break };
            let Some(next) = leafref.target.and_then(|target| self.node(target).ty.as_ref()) else { break };
            real = next;
        }
        real
    }

    /// The path of a data node without keys, with module names where RFC 8040 section 3.5.3 wants them.
    pub fn path(&self, id: NodeId) -> String {
        let mut above = vec![id];
        while let Some(parent) = above.last().and_then(|id| self.data_parent(*id)) {
            above.push(parent);
        }
        let mut path = String::new();
        let mut module = None;
        for id in above.into_iter().rev() {
            let node = self.node(id);
            path.push('/');
            if module != Some(node.module) {
                path += &format!("{}:", self.module(node.module).name);
            }
            path += &node.name;
            module = Some(node.module);
        }
        path
    }
}

impl Kind {
    /// Whether a node of this kind has instances in a datastore, in an operation's parameters or in a notification.
    pub fn is_data(self) -> bool {
        matches!(
            self,
            Kind::Container | Kind::List | Kind::Leaf | Kind::LeafList | Kind::AnyData | Kind::AnyXml
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
