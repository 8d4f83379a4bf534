//! The nodes that XPath sees: places in instance data that know their parents.
//!
//! A cursor holds what it stands on, so it also works for entries that a state list builds
//! when they are read. The validator makes cursors on its way down and uses them as context
//! and for error paths. Nothing here knows expressions or defaults.

use std::cmp::Ordering;
use std::rc::Rc;
use std::sync::Arc;

use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Kind, Node, Schema};
use crate::yang::tree::{Child, Container, Key, List};
use crate::yang::value::Value;

/// A node of the accessible tree (RFC 7950 section 6.4.1) with the way to it from the root.
#[derive(Debug, Clone)]
pub struct Cursor(Rc<Place>);

#[derive(Debug)]
struct Place {
    parent: Option<Cursor>,
    /// Number of ancestors.
    depth: usize,
    item: Item,
}

#[derive(Debug)]
enum Item {
    Root {
        schema: &'static Schema,
        /// The only node of the tree, if it is that of a structure.
        structure: Option<&'static Node>,
        content: Arc<Container>,
    },
    /// A container, list entry, operation or notification; `parameters` has the children.
    Inner {
        node: &'static Node,
        parameters: &'static Node,
        slot: Slot,
        content: Arc<Container>,
    },
    Leaf {
        node: &'static Node,
        slot: Slot,
        value: Value,
    },
    Childless {
        node: &'static Node,
    },
    /// The text of the leaf above.
    Text,
}

/// Which of the instances of a schema node below one parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// The only one.
    Only,
    /// The list entry with this key.
    Key(Key),
    /// The list or leaf-list entry at this position, counted from 0.
    Index(usize),
}

impl Cursor {
    /// The root of a tree.
    pub fn root(schema: &'static Schema, content: Arc<Container>) -> Self {
        Self::top(Item::Root { schema, structure: None, content })
    }

    /// The root of a tree of its own that has an instance of a structure (RFC 8791 section 4).
    pub fn structure(schema: &'static Schema, structure: &'static Node, instance: Arc<Container>) -> Self {
        let mut content = Container::default();
        content.set(structure, Child::Container(instance));
        Self::top(Item::Root { schema, structure: Some(structure), content: Arc::new(content) })
    }

    fn top(item: Item) -> Self {
        Cursor(Rc::new(Place { parent: None, depth: 0, item }))
    }

    /// A container below this place.
    pub fn container(&self, node: &'static Node, content: Arc<Container>) -> Self {
        self.below(Item::Inner { node, parameters: node, slot: Slot::Only, content })
    }

    /// A list entry below this place.
    pub fn entry(&self, node: &'static Node, slot: Slot, content: Arc<Container>) -> Self {
        self.below(Item::Inner { node, parameters: node, slot, content })
    }

    /// A leaf below this place.
    pub fn leaf(&self, node: &'static Node, value: Value) -> Self {
        self.below(Item::Leaf { node, slot: Slot::Only, value })
    }

    /// A leaf-list entry below this place; `index` counts from 0.
    pub fn leaf_list_entry(&self, node: &'static Node, index: usize, value: Value) -> Self {
        self.below(Item::Leaf { node, slot: Slot::Index(index), value })
    }

    /// An anydata or anyxml below this place: to XPath it has no children and no text.
    pub fn any_data(&self, node: &'static Node) -> Self {
        self.below(Item::Childless { node })
    }

    /// An rpc, action or notification below this place. `parameters` is its input or output
    /// schema node, or for a notification `node` again.
    ///
    /// From a cursor here or below, expressions see the data of the root and this node in it.
    pub fn operation(&self, node: &'static Node, parameters: &'static Node, content: Arc<Container>) -> Self {
        self.below(Item::Inner { node, parameters, slot: Slot::Only, content })
    }

    /// A stand-in for a node that does not exist, without value or children: the context of
    /// its `when` (RFC 7950 section 7.21.5).
    pub fn dummy(&self, node: &'static Node) -> Self {
        self.below(Item::Childless { node })
    }

    /// All instances of a schema node directly below this place, in order; no defaults.
    pub fn instances(&self, node: &'static Node) -> Box<dyn Iterator<Item = Cursor> + '_> {
        match self.content().and_then(|content| content.get(node)) {
            None => Box::new(std::iter::empty()),
            Some(Child::Leaf(value)) => Box::new(std::iter::once(self.leaf(node, value.clone()))),
            Some(Child::Container(content)) => {
                Box::new(std::iter::once(self.container(node, content.clone())))
            }
            Some(Child::Any(_)) => Box::new(std::iter::once(self.any_data(node))),
            Some(Child::LeafList(values)) => {
                let values = values.iter().cloned().enumerate();
                Box::new(values.map(move |(i, value)| self.leaf_list_entry(node, i, value)))
            }
            Some(Child::List(List::Sorted(map))) => Box::new(
                map.iter().map(move |(key, entry)| self.entry(node, Slot::Key(key.clone()), entry.clone())),
            ),
            Some(Child::List(List::User(user))) => {
                let entries = user.iter();
                Box::new(
                    entries.map(move |(key, entry)| self.entry(node, Slot::Key(key.clone()), entry.clone())),
                )
            }
            Some(Child::List(list @ List::Sequence(_))) => Box::new(
                list.iter().enumerate().map(move |(i, entry)| self.entry(node, Slot::Index(i), entry)),
            ),
            Some(Child::List(list @ List::State(_))) => {
                let slot = move |i, entry: &Container| entry.key(node).map_or(Slot::Index(i), Slot::Key);
                let entries = list.iter().enumerate();
                Box::new(entries.map(move |(i, entry)| self.entry(node, slot(i, &entry), entry)))
            }
        }
    }

    /// The schema node; `None` for the root and for text.
    pub fn node(&self) -> Option<&'static Node> {
        match self.0.item {
            Item::Inner { node, .. } | Item::Leaf { node, .. } | Item::Childless { node } => Some(node),
            Item::Root { .. } | Item::Text => None,
        }
    }

    /// The schema of the tree.
    pub fn schema(&self) -> &'static Schema {
        match (&self.0.item, &self.0.parent) {
            (Item::Root { schema, .. }, _) => schema,
            (_, Some(parent)) => parent.schema(),
            // Only a root is made without a parent.
            (_, None) => &Schema { modules: &[], added: &[] },
        }
    }

    /// The place above; `None` for the root.
    pub fn parent(&self) -> Option<&Cursor> {
        self.0.parent.as_ref()
    }

    /// What is below, if this can have children.
    pub fn content(&self) -> Option<&Arc<Container>> {
        match &self.0.item {
            Item::Root { content, .. } | Item::Inner { content, .. } => Some(content),
            Item::Leaf { .. } | Item::Childless { .. } | Item::Text => None,
        }
    }

    /// The value of a leaf or leaf-list entry.
    pub fn value(&self) -> Option<&Value> {
        match &self.0.item {
            Item::Leaf { value, .. } => Some(value),
            _ => None,
        }
    }

    /// The instance path of the node, for error paths.
    pub fn path(&self) -> InstancePath {
        let mut steps = Vec::with_capacity(self.0.depth);
        let mut at = Some(self);
        while let Some(cursor) = at {
            steps.extend(cursor.step());
            at = cursor.parent();
        }
        steps.reverse();
        InstancePath { steps }
    }

    fn step(&self) -> Option<Step> {
        let (node, selector) = match &self.0.item {
            Item::Root { .. } | Item::Text => return None,
            Item::Childless { node } => (node, Selector::None),
            Item::Leaf { node, slot: Slot::Only, .. } => (node, Selector::None),
            Item::Leaf { node, value, .. } => (node, Selector::Value(value.clone())),
            Item::Inner { node, slot: Slot::Only, .. } => (node, Selector::None),
            Item::Inner { node, slot: Slot::Key(key), .. } => (node, Selector::Key(key.clone())),
            Item::Inner { node, slot: Slot::Index(index), content, .. } => {
                let key = content.key(node).filter(|key| !key.values().is_empty());
                let position = u32::try_from(*index).unwrap_or(u32::MAX).saturating_add(1);
                (node, key.map_or(Selector::Position(position), Selector::Key))
            }
        };
        Some(Step { node, selector })
    }

    /// The schema nodes of the children that are wanted, in document order.
    pub(super) fn child_nodes(&self, wanted: impl Fn(&Node) -> bool) -> Vec<&'static Node> {
        match &self.0.item {
            Item::Root { structure: Some(node), .. } => {
                Some(*node).filter(|node| wanted(node)).into_iter().collect()
            }
            Item::Root { schema, .. } => {
                let nodes = schema.implemented().flat_map(|module| module.data).copied();
                let mut nodes: Vec<&'static Node> = nodes.filter(|node| wanted(node)).collect();
                nodes.sort_by_key(|node| rank(node));
                nodes
            }
            Item::Inner { parameters, .. } => {
                parameters.data.iter().copied().filter(|node| wanted(node)).collect()
            }
            Item::Leaf { .. } | Item::Childless { .. } | Item::Text => Vec::new(),
        }
    }

    /// The text node of a leaf that has a text.
    pub(super) fn text(&self) -> Option<Cursor> {
        let empty = self.value()?.canonical().is_empty();
        (!empty).then(|| self.below(Item::Text))
    }

    /// Whether this is the text of a leaf.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.0.item, Item::Text)
    }

    /// Whether this is an rpc, action or notification.
    pub(super) fn is_operation(&self) -> bool {
        self.node().is_some_and(|node| matches!(node.kind, Kind::Rpc { .. } | Kind::Notification))
    }

    /// Number of ancestors.
    pub(super) fn depth(&self) -> usize {
        self.0.depth
    }

    /// Whether both are the same node of one tree.
    pub(super) fn same(&self, other: &Cursor) -> bool {
        if Rc::ptr_eq(&self.0, &other.0) {
            return true;
        }
        self.0.depth == other.0.depth
            && match (&self.0.item, &other.0.item) {
                (Item::Root { .. }, Item::Root { .. }) | (Item::Text, Item::Text) => true,
                (Item::Inner { node: a, slot: s, .. }, Item::Inner { node: b, slot: t, .. })
                | (Item::Leaf { node: a, slot: s, .. }, Item::Leaf { node: b, slot: t, .. }) => {
                    a == b && s == t
                }
                (Item::Childless { node: a }, Item::Childless { node: b }) => a == b,
                _ => false,
            }
            && match (self.parent(), other.parent()) {
                (Some(a), Some(b)) => a.same(b),
                (None, None) => true,
                _ => false,
            }
    }

    /// Document order.
    pub(super) fn order(&self, other: &Cursor) -> Ordering {
        match self.0.depth.cmp(&other.0.depth) {
            // An ancestor stands before what is below it.
            Ordering::Greater => {
                self.parent().map_or(Ordering::Greater, |p| p.order(other)).then(Ordering::Greater)
            }
            Ordering::Less => other.order(self).reverse(),
            Ordering::Equal if Rc::ptr_eq(&self.0, &other.0) => Ordering::Equal,
            Ordering::Equal => match (self.parent(), other.parent()) {
                (Some(a), Some(b)) => a.order(b).then_with(|| self.order_of_siblings(other, a)),
                _ => Ordering::Equal,
            },
        }
    }

    fn order_of_siblings(&self, other: &Cursor, parent: &Cursor) -> Ordering {
        let (Some(a), Some(b)) = (self.node(), other.node()) else { return Ordering::Equal };
        if a != b {
            return self.is_operation().cmp(&other.is_operation()).then_with(|| rank(a).cmp(&rank(b)));
        }
        match (self.slot(), other.slot()) {
            (Some(Slot::Index(s)), Some(Slot::Index(t))) => s.cmp(t),
            (Some(Slot::Key(s)), Some(Slot::Key(t))) => match parent.content().and_then(|c| c.list(a)) {
                Some(List::User(user)) => user.rank(s).cmp(&user.rank(t)),
                _ => s.cmp(t),
            },
            _ => Ordering::Equal,
        }
    }

    fn slot(&self) -> Option<&Slot> {
        match &self.0.item {
            Item::Inner { slot, .. } | Item::Leaf { slot, .. } => Some(slot),
            Item::Root { .. } | Item::Childless { .. } | Item::Text => None,
        }
    }

    fn below(&self, item: Item) -> Self {
        Cursor(Rc::new(Place { parent: Some(self.clone()), depth: self.0.depth + 1, item }))
    }
}

/// The order of different schema nodes below one parent; at the top, indexes of different
/// modules can be equal.
fn rank(node: &Node) -> (u16, &'static str, &'static str) {
    (node.index, node.module.name, node.name)
}
