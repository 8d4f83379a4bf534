//! Edits: one operation on one node of a tree gives a new tree (RFC 6241 section 7.2,
//! RFC 8040 section 4).
//!
//! An edit copies the nodes on its path and shares the rest. It keeps the tree well-formed
//! (keys, cases of a choice) and never checks constraints; that is `validate`.

use std::sync::Arc;

use crate::yang::error::{Error, Tag};
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::{Child, Container, Insert, Key, List};
use crate::yang::value::Value;

/// One edit of a datastore.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// What is done.
    pub operation: Operation,
    /// The node it is done to; empty for the whole datastore.
    pub path: InstancePath,
    /// The new content. A list entry is [`Child::Container`], a leaf-list entry [`Child::Leaf`].
    /// Absent for `Delete`, `Remove`, `Move` and `None`.
    pub value: Option<Child>,
    /// Where a new or moved entry of a user-ordered list goes. Not used by other edits.
    pub insert: Option<Insert>,
}

/// What an edit does (RFC 6241 section 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Creates the node; it must not exist.
    Create,
    /// Merges the content into the node.
    Merge,
    /// Puts the content in place of the node.
    Replace,
    /// Deletes the node; it must exist.
    Delete,
    /// Deletes the node if it exists.
    Remove,
    /// Gives the entry another place in a list that is ordered by the user (RFC 8072 section 2.5); it
    /// must exist.
    Move,
    /// Changes nothing; the node must exist (RFC 6241 section 7.2, `default-operation`).
    None,
}

/// Applies an edit; every container that is touched or new gets `revision`.
///
/// # Errors
/// `data-missing` or `data-exists` as the operation demands, `invalid-value` for a key that
/// does not agree with the path; always with the path.
pub fn apply(root: &Container, edit: &Edit, revision: u64) -> Result<Container, Error> {
    let editing = Editing { edit, revision };
    if edit.operation == Operation::None {
        let depth = edit.path.steps.len();
        let missing = || editing.error(depth, Tag::DataMissing, "this instance does not exist");
        return edit.path.find(root).map(|_| root.clone()).ok_or_else(missing);
    }
    editing.below(root, 0)
}

struct Editing<'a> {
    edit: &'a Edit,
    revision: u64,
}

impl Editing<'_> {
    /// The container with the edit applied to what the steps from `depth` on lead to.
    fn below(&self, container: &Container, depth: usize) -> Result<Container, Error> {
        let mut result = container.clone();
        result.revision = self.revision;
        let steps = &self.edit.path.steps;
        let Some(step) = steps.get(depth) else {
            self.whole(&mut result)?;
            return Ok(result);
        };
        let node = step.node;
        if depth + 1 == steps.len() {
            self.target(&mut result, step)?;
            return Ok(result);
        }
        match (&step.selector, &node.kind) {
            (Selector::None, Kind::Container { presence }) => {
                let inner = match result.container(node) {
                    Some(inner) => inner.clone(),
                    None if *presence => return self.missing_parent(depth, result),
                    None => Arc::default(),
                };
                let inner = self.below(&inner, depth + 1)?;
                if inner.is_empty() && !presence {
                    result.remove(node);
                } else {
                    clear_other_cases(&mut result, node);
                    result.set(node, Child::Container(Arc::new(inner)));
                }
            }
            (Selector::Key(key), Kind::List { .. }) => {
                let Some(entry) = result.list(node).and_then(|list| list.get(node, key)) else {
                    return self.missing_parent(depth, result);
                };
                let entry = self.below(&entry, depth + 1)?;
                self.put_entry(&mut result, node, key, Arc::new(entry));
            }
            _ => return Err(self.error(depth, Tag::InvalidValue, "the path does not select one instance")),
        }
        Ok(result)
    }

    /// An ancestor does not exist: nothing to remove, and nothing to put a child into.
    fn missing_parent(&self, depth: usize, unchanged: Container) -> Result<Container, Error> {
        match self.edit.operation {
            Operation::Remove => Ok(unchanged),
            _ => Err(self.error(depth, Tag::DataMissing, "this instance does not exist")),
        }
    }

    /// The edit of the whole datastore.
    fn whole(&self, root: &mut Container) -> Result<(), Error> {
        match (self.edit.operation, &self.edit.value) {
            (Operation::Replace, Some(Child::Container(content))) => {
                *root = content.as_ref().clone();
                self.stamp(root);
                Ok(())
            }
            (Operation::Merge, Some(Child::Container(content))) => {
                self.merge_into(root, content);
                Ok(())
            }
            (Operation::Delete | Operation::Remove, None) => {
                *root = Container::default().at_revision(self.revision);
                Ok(())
            }
            _ => Err(Error::protocol(Tag::OperationNotSupported, "the datastore itself cannot be created")),
        }
    }

    /// The edit of a child of `parent`.
    fn target(&self, parent: &mut Container, step: &Step) -> Result<(), Error> {
        let depth = self.edit.path.steps.len() - 1;
        let node = step.node;
        if node.is_key() {
            return self.key_leaf(parent, node);
        }
        let exists = || self.exists(parent, step);
        let mut content = match (self.edit.operation, &self.edit.value) {
            (Operation::Create, _) if exists() => {
                return Err(self.error(depth, Tag::DataExists, "this instance exists already"));
            }
            (Operation::Delete | Operation::Move, _) if !exists() => {
                return Err(self.error(depth, Tag::DataMissing, "this instance does not exist"));
            }
            (Operation::Delete | Operation::Remove, _) => {
                remove(parent, step);
                return Ok(());
            }
            (Operation::Move, _) => match (&step.selector, parent.get(node)) {
                (Selector::Key(key), Some(Child::List(list))) => {
                    // It exists.
                    let Some(entry) = list.get(node, key) else { return Ok(()) };
                    return self.put_entry_at(parent, node, key, entry);
                }
                (Selector::Value(value), _) => return self.put_value(parent, node, value),
                _ => return Err(self.error(depth, Tag::InvalidValue, "only entries have a place")),
            },
            (_, Some(content)) => content.clone(),
            (_, None) => return Err(self.error(depth, Tag::InvalidValue, "the edit has no content")),
        };
        if says_nothing(node, &content) {
            // A merge leaves what is there.
            if self.edit.operation != Operation::Merge {
                parent.remove(node);
            }
            return Ok(());
        }
        self.stamp_child(&mut content);
        clear_other_cases(parent, node);
        match (&step.selector, content) {
            (Selector::Key(key), Child::Container(entry)) => {
                // The key that is kept shares its texts with the entry.
                let Some(key) = &entry.key(node).filter(|own| own == key) else {
                    let message = "the keys in the content are not those of the path";
                    return Err(self.error(depth, Tag::InvalidValue, message));
                };
                let old = match self.edit.operation {
                    Operation::Merge => parent.list(node).and_then(|list| list.get(node, key)),
                    _ => None,
                };
                let entry = match old {
                    Some(old) => {
                        let mut merged = old.as_ref().clone();
                        self.merge_into(&mut merged, &entry);
                        Arc::new(merged)
                    }
                    None => entry,
                };
                self.put_entry_at(parent, node, key, entry)
            }
            (Selector::Value(value), Child::Leaf(content)) if *value == content => {
                self.put_value(parent, node, value)
            }
            (Selector::None, content) => {
                match self.edit.operation {
                    Operation::Merge => self.merge_child(parent, node, &content),
                    _ => parent.set(node, content),
                }
                Ok(())
            }
            _ => Err(self.error(
                depth,
                Tag::InvalidValue,
                "the content is not of the node that the path means",
            )),
        }
    }

    /// A key can be set to the value it has and nothing else (RFC 7950 section 7.8.2).
    fn key_leaf(&self, parent: &Container, node: &'static Node) -> Result<(), Error> {
        let depth = self.edit.path.steps.len() - 1;
        match (self.edit.operation, &self.edit.value, parent.leaf(node)) {
            (Operation::Merge | Operation::Replace, Some(Child::Leaf(new)), Some(old)) if new == old => {
                Ok(())
            }
            (Operation::Create, ..) => {
                Err(self.error(depth, Tag::DataExists, "this instance exists already"))
            }
            _ => Err(self.error(
                depth,
                Tag::InvalidValue,
                "the key of an existing list entry cannot be changed",
            )),
        }
    }

    fn exists(&self, parent: &Container, step: &Step) -> bool {
        match (&step.selector, parent.get(step.node)) {
            (_, None) => false,
            (Selector::Key(key), Some(Child::List(list))) => list.get(step.node, key).is_some(),
            (Selector::Value(value), Some(Child::LeafList(values))) => values.contains(value),
            (_, Some(_)) => true,
        }
    }

    fn put_entry(&self, parent: &mut Container, node: &'static Node, key: &Key, entry: Arc<Container>) {
        let mut list = take_list(parent, node);
        list.put(node, Some(key.clone()), entry);
        parent.set(node, Child::List(list));
    }

    fn put_entry_at(
        &self,
        parent: &mut Container,
        node: &'static Node,
        key: &Key,
        entry: Arc<Container>,
    ) -> Result<(), Error> {
        let mut list = take_list(parent, node);
        let placed = match (&mut list, &self.edit.insert) {
            (List::User(user), Some(place)) => user.insert(key.clone(), entry, place),
            (list, _) => {
                list.put(node, Some(key.clone()), entry);
                true
            }
        };
        parent.set(node, Child::List(list));
        match placed {
            true => Ok(()),
            false => Err(self.missing_point()),
        }
    }

    fn put_value(&self, parent: &mut Container, node: &'static Node, value: &Value) -> Result<(), Error> {
        let mut values = match parent.get(node) {
            Some(Child::LeafList(values)) => values.as_ref().clone(),
            _ => Vec::new(),
        };
        let old = values.iter().position(|v| v == value);
        // As in a list, beside itself is where it is.
        let stays = match &self.edit.insert {
            None => true,
            Some(Insert::Before(key) | Insert::After(key)) => key.values() == std::slice::from_ref(value),
            Some(_) => false,
        };
        if old.is_some() && stays {
            return Ok(());
        }
        if let Some(old) = old {
            values.remove(old);
        }
        let place_of = |key: &Key| values.iter().position(|v| key.values() == std::slice::from_ref(v));
        let place = match &self.edit.insert {
            None | Some(Insert::Last) => values.len(),
            Some(Insert::First) => 0,
            Some(Insert::Before(key)) => place_of(key).ok_or_else(|| self.missing_point())?,
            Some(Insert::After(key)) => place_of(key).ok_or_else(|| self.missing_point())? + 1,
        };
        values.insert(place, value.clone());
        parent.set(node, Child::LeafList(Arc::new(values)));
        Ok(())
    }

    /// RFC 7950 section 15.7.
    fn missing_point(&self) -> Error {
        let depth = self.edit.path.steps.len().saturating_sub(1);
        let error =
            self.error(depth, Tag::BadAttribute, "the entry to insert before or after does not exist");
        let error = error.app_tag("missing-instance");
        match self.edit.path.node() {
            Some(node) => {
                let attribute = if matches!(node.kind, Kind::List { .. }) { "key" } else { "value" };
                error.info("bad-attribute", attribute).info("bad-element", node.name)
            }
            None => error,
        }
    }

    fn merge_into(&self, target: &mut Container, content: &Container) {
        target.revision = self.revision;
        for (node, child) in content.iter() {
            clear_other_cases(target, node);
            let mut child = child.clone();
            self.stamp_child(&mut child);
            self.merge_child(target, node, &child);
        }
    }

    fn merge_child(&self, target: &mut Container, node: &'static Node, content: &Child) {
        let merged = match (target.get(node), content) {
            (Some(Child::Container(old)), Child::Container(new)) => {
                let mut merged = old.as_ref().clone();
                self.merge_into(&mut merged, new);
                Child::Container(Arc::new(merged))
            }
            (Some(Child::LeafList(old)), Child::LeafList(new)) => {
                let mut merged = old.as_ref().clone();
                merged.extend(new.iter().filter(|v| !old.contains(v)).cloned());
                Child::LeafList(Arc::new(merged))
            }
            (Some(Child::List(old)), Child::List(new)) => {
                let mut merged = old.clone();
                for entry in new.iter() {
                    let key = entry.key(node);
                    let old = key.as_ref().and_then(|key| old.get(node, key));
                    let entry = match old {
                        Some(old) => {
                            let mut both = old.as_ref().clone();
                            self.merge_into(&mut both, &entry);
                            Arc::new(both)
                        }
                        None => entry,
                    };
                    merged.put(node, key, entry);
                }
                Child::List(merged)
            }
            _ => content.clone(),
        };
        target.set(node, merged);
    }

    /// Gives all containers of new content the revision.
    fn stamp_child(&self, child: &mut Child) {
        match child {
            Child::Container(container) => self.stamp(Arc::make_mut(container)),
            Child::List(List::Sorted(map)) => {
                *map = map.iter().map(|(key, entry)| (key.clone(), self.stamped(entry))).collect();
            }
            Child::List(List::User(list)) => list.for_each_mut(|entry| *entry = self.stamped(entry)),
            Child::List(List::Sequence(entries)) => {
                **entries = entries.iter().map(|entry| self.stamped(entry)).collect();
            }
            Child::List(List::State(_)) | Child::Leaf(_) | Child::LeafList(_) | Child::Any(_) => {}
        }
    }

    fn stamped(&self, entry: &Arc<Container>) -> Arc<Container> {
        let mut entry = entry.clone();
        self.stamp(Arc::make_mut(&mut entry));
        entry
    }

    fn stamp(&self, container: &mut Container) {
        container.revision = self.revision;
        container.for_each_mut(|child| self.stamp_child(child));
    }

    fn error(&self, depth: usize, tag: Tag, message: &str) -> Error {
        let steps = self.edit.path.steps.get(..=depth).unwrap_or(&self.edit.path.steps).to_vec();
        Error::application(tag, message).at(InstancePath { steps })
    }
}

/// An empty container without presence is as good as absent (RFC 7950 section 7.5.1).
fn says_nothing(node: &Node, content: &Child) -> bool {
    matches!((&node.kind, content), (Kind::Container { presence: false }, Child::Container(inner)) if inner.is_empty())
}

fn take_list(parent: &mut Container, node: &'static Node) -> List {
    match parent.remove(node) {
        Some(Child::List(list)) => list,
        _ => List::empty(node),
    }
}

fn remove(parent: &mut Container, step: &Step) {
    let node = step.node;
    match &step.selector {
        Selector::Key(key) => {
            let mut list = take_list(parent, node);
            list.remove(key);
            if !list.is_empty() {
                parent.set(node, Child::List(list));
            }
        }
        Selector::Value(value) => {
            if let Some(Child::LeafList(values)) = parent.remove(node) {
                let rest: Vec<Value> = values.iter().filter(|v| *v != value).cloned().collect();
                if !rest.is_empty() {
                    parent.set(node, Child::LeafList(Arc::new(rest)));
                }
            }
        }
        Selector::None | Selector::Position(_) => {
            parent.remove(node);
        }
    }
}

/// A node of one case implicitly deletes those of the other cases (RFC 7950 section 7.9).
fn clear_other_cases(parent: &mut Container, node: &'static Node) {
    if !matches!(node.parent.map(|p| &p.kind), Some(Kind::Case | Kind::Choice { .. })) {
        return;
    }
    let others: Vec<&'static Node> = parent.iter().map(|(n, _)| n).filter(|n| excludes(node, n)).collect();
    for other in others {
        parent.remove(other);
    }
}

/// Whether two siblings are in different cases of one choice.
pub fn excludes(a: &'static Node, b: &'static Node) -> bool {
    let cases = |node: &'static Node| {
        let mut chain = Vec::new();
        let mut below = node;
        while let Some(parent) = below.parent {
            match parent.kind {
                Kind::Choice { .. } => chain.push((parent, below)),
                Kind::Case => {}
                _ => break,
            }
            below = parent;
        }
        chain
    };
    let of_b = cases(b);
    cases(a).iter().any(|(choice, case)| of_b.iter().any(|(c, other)| c == choice && other != case))
}
