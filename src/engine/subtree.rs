//! Subtree filters (RFC 6241 section 6), resolved against the schema once and applied to data often.
//!
//! What a filter names and the schema has not selects nothing, as the RFC wants it; so a filter is never wrong,
//! only without effect. Nothing here knows who may see what.

use std::sync::Arc;

use imbl::OrdMap;

use crate::yang::error::Error;
use crate::yang::generated::SCHEMA;
use crate::yang::schema::{Base, Module, Node, Type};
use crate::yang::tree::{AnyData, Child, Container, Key, List};
use crate::yang::types::{self, ModuleNames};
use crate::yang::value::Value;
use crate::yang::xml::parse::{Element, document};

/// A filter over the data below one place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Subtree(Vec<Term>);

/// One element of the filter. A name without a namespace stands for several nodes.
#[derive(Debug, Clone, PartialEq)]
struct Term {
    /// Whether it is a content match node (RFC 6241 section 6.2.5).
    is_match: bool,
    nodes: Vec<(&'static Node, Content)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Content {
    /// It has to have this value.
    Value(Value),
    /// A selection node: all of it is wanted.
    All,
    /// A containment node.
    Below(Subtree),
}

/// One element of a filter as it was written.
struct Written {
    module: Qualifier,
    name: String,
    content: WrittenContent,
}

enum Qualifier {
    /// Any module: RFC 6241 section 6.2.1.
    Any,
    /// That of the node above.
    Same,
    /// This one; `None` if the server does not have it.
    Module(Option<&'static Module>),
}

enum WrittenContent {
    /// The text, and what it says with its prefix made the name of a module.
    Text(String, String),
    Nothing,
    Below(Vec<Written>),
}

impl Subtree {
    /// Resolves a filter whose outermost elements are among `top`.
    ///
    /// # Errors
    /// The XML of the filter is nested deeper than `depth_max`.
    pub(super) fn new(filter: &AnyData, top: &[&'static Node], depth_max: usize) -> Result<Self, Error> {
        let written = match filter {
            AnyData::Json(json) => from_json(json, Qualifier::Any),
            AnyData::Xml(text) => {
                let wrapped = format!("<filter>{text}</filter>");
                from_xml(&document(wrapped.as_bytes(), depth_max.saturating_add(1))?)
            }
        };
        Ok(resolve(&written, None, top))
    }

    /// Whether it can select nothing at all.
    pub(super) fn is_vain(&self) -> bool {
        self.0.iter().all(|term| {
            term.nodes.iter().all(|(_, content)| matches!(content, Content::Below(below) if below.is_vain()))
        })
    }

    /// Whether it names a node at the top.
    pub(super) fn wants(&self, node: &Node) -> bool {
        self.0.iter().flat_map(|term| &term.nodes).any(|(wanted, _)| *wanted == node)
    }

    /// Whether anything is left of an instance of `node` that stands at the top.
    pub(super) fn passes(&self, node: &Node, content: &Container) -> bool {
        self.0.iter().flat_map(|term| &term.nodes).any(|(wanted, below)| {
            *wanted == node
                && match below {
                    Content::All => true,
                    Content::Value(_) => false,
                    Content::Below(below) => below.keep(content).is_some(),
                }
        })
    }

    /// What is left of the children of one place; `None` if that is nothing.
    pub(super) fn keep(&self, container: &Container) -> Option<Container> {
        let (matches, others): (Vec<&Term>, Vec<&Term>) = self.0.iter().partition(|term| term.is_match);
        let mut kept = Container::default().at_revision(container.revision);
        for term in matches {
            let (node, child) = term.nodes.iter().find_map(|(node, content)| {
                container.get(node).filter(|child| has(child, content)).map(|child| (*node, child))
            })?;
            kept.set(node, child.clone());
        }
        if others.is_empty() && !self.0.is_empty() {
            // Only content matches: all of what they stand in (RFC 6241 section 6.2.5).
            return Some(container.clone());
        }
        for (node, content) in others.iter().flat_map(|term| &term.nodes) {
            let child = container.get(node);
            let below = match (content, child) {
                (Content::All, child) => child.cloned(),
                (Content::Below(below), Some(Child::Container(inner))) => {
                    below.keep(inner).map(|kept| Child::Container(Arc::new(kept)))
                }
                (Content::Below(below), Some(Child::List(list))) => below.entries(node, list),
                (Content::Below(_) | Content::Value(_), _) => None,
            };
            match (below, kept.get(node)) {
                // The same list twice in a filter: the entries that either selects.
                (Some(Child::List(new)), Some(Child::List(old))) => {
                    let merged = merged(node, old, &new);
                    kept.set(node, Child::List(merged));
                }
                (Some(below), _) => kept.set(node, below),
                (None, _) => {}
            }
        }
        (!kept.is_empty()).then_some(kept)
    }

    /// The key that the content matches demand of an entry of a list, if they name all of it.
    fn key(&self, list: &'static Node) -> Option<Key> {
        let value = |leaf: &&'static Node| {
            self.0.iter().filter(|term| term.is_match).find_map(|term| match term.nodes.as_slice() {
                [(node, Content::Value(value))] if node == leaf => Some(value.clone()),
                _ => None,
            })
        };
        let values: Vec<Value> = list.keys().iter().map(value).collect::<Option<_>>()?;
        (!values.is_empty()).then(|| Key::new(values))
    }

    /// The entries that can be wanted: one alone if its key is named, which is looked up.
    fn candidates<'l>(
        &self,
        node: &'static Node,
        list: &'l List,
    ) -> Box<dyn Iterator<Item = Arc<Container>> + 'l> {
        match self.key(node) {
            Some(key) => Box::new(list.get(node, &key).into_iter()),
            None => Box::new(list.iter()),
        }
    }

    /// What there is of what can be wanted, with more that stands beside it: entries whose keys are named are found, and
    /// nothing else is looked at. [`Subtree::keep`] has the same to say of it as of all.
    pub(super) fn narrow(&self, container: &Container) -> Container {
        let mut narrow = Container::default().at_revision(container.revision);
        if self.0.iter().any(|term| term.is_match) {
            return container.clone();
        }
        for (node, content) in self.0.iter().flat_map(|term| &term.nodes) {
            let child = match (content, container.get(node)) {
                (Content::Below(below), Some(Child::Container(inner))) => {
                    Some(Child::Container(Arc::new(below.narrow(inner))))
                }
                (Content::Below(below), Some(Child::List(list))) if below.key(node).is_some() => {
                    let mut entries = empty(node);
                    for entry in below.candidates(node, list) {
                        entries.put(node, entry.key(node), entry);
                    }
                    (!entries.is_empty()).then_some(Child::List(entries))
                }
                (_, child) => child.cloned(),
            };
            // A node that is named twice is narrowed twice.
            match (child, narrow.get(node)) {
                (Some(Child::List(new)), Some(Child::List(old))) => {
                    narrow.set(node, Child::List(merged(node, old, &new)));
                }
                (Some(_), Some(_)) => {
                    if let Some(all) = container.get(node) {
                        narrow.set(node, all.clone());
                    }
                }
                (Some(child), None) => narrow.set(node, child),
                (None, _) => {}
            }
        }
        narrow
    }

    fn entries(&self, node: &'static Node, list: &List) -> Option<Child> {
        let mut kept = empty(node);
        for entry in self.candidates(node, list) {
            if let Some(mut wanted) = self.keep(&entry) {
                for key in node.keys() {
                    if let Some(value) = entry.get(key) {
                        wanted.set(key, value.clone());
                    }
                }
                kept.put(node, wanted.key(node), Arc::new(wanted));
            }
        }
        (!kept.is_empty()).then_some(Child::List(kept))
    }
}

/// An empty list that is built here: by key if it has one, be it configuration or state.
pub(super) fn empty(node: &'static Node) -> List {
    match node.keys().is_empty() || node.user_ordered() {
        true => List::empty(node),
        false => List::Sorted(OrdMap::new()),
    }
}

fn merged(node: &'static Node, old: &List, new: &List) -> List {
    let mut merged = old.clone();
    for entry in new.iter() {
        let key = entry.key(node);
        let before = key.as_ref().and_then(|key| merged.get(node, key));
        let entry = match before {
            Some(before) => {
                let mut both = before.as_ref().clone();
                entry.iter().for_each(|(node, child)| both.set(node, child.clone()));
                Arc::new(both)
            }
            None => entry,
        };
        merged.put(node, key, entry);
    }
    merged
}

fn has(child: &Child, content: &Content) -> bool {
    match (child, content) {
        (Child::Leaf(value), Content::Value(wanted)) => value == wanted,
        (Child::LeafList(values), Content::Value(wanted)) => values.contains(wanted),
        _ => false,
    }
}

fn resolve(written: &[Written], parent: Option<&'static Node>, among: &[&'static Node]) -> Subtree {
    let term = |written: &Written| {
        let fits = |node: &&&'static Node| {
            node.name == written.name
                && match written.module {
                    Qualifier::Any => true,
                    Qualifier::Same => parent.is_none_or(|parent| parent.module == node.module),
                    Qualifier::Module(module) => module == Some(node.module),
                }
        };
        let nodes = among.iter().filter(fits).filter_map(|node| Some((*node, content(written, node)?)));
        Term { is_match: matches!(written.content, WrittenContent::Text(..)), nodes: nodes.collect() }
    };
    Subtree(written.iter().map(term).collect())
}

/// What is wanted of a node; `None` if it cannot have that.
fn content(written: &Written, node: &'static Node) -> Option<Content> {
    match &written.content {
        WrittenContent::Nothing => Some(Content::All),
        WrittenContent::Below(below) => Some(Content::Below(resolve(below, Some(node), node.data))),
        WrittenContent::Text(text, qualified) => {
            let ty = node.ty()?;
            let text = if is_of_names(ty) { qualified } else { text };
            types::parse(ty, text, &ModuleNames(&SCHEMA), node.module).ok().map(Content::Value)
        }
    }
}

/// Whether a value of the type is a name with a prefix.
fn is_of_names(ty: &Type) -> bool {
    match &ty.base {
        Base::IdentityRef(_) => true,
        Base::LeafRef(leafref) => is_of_names(leafref.real),
        _ => false,
    }
}

/// The members of an object. The empty values of JSON make a selection node, as an empty element does.
fn from_json(json: &serde_json::Value, unqualified: Qualifier) -> Vec<Written> {
    use serde_json::Value as Json;
    let Json::Object(members) = json else { return Vec::new() };
    let mut written = Vec::new();
    for (name, value) in members {
        let one = [value];
        let items: Vec<&Json> = match value {
            Json::Array(items) if !items.is_empty() => items.iter().collect(),
            _ => one.to_vec(),
        };
        for item in items {
            let (module, name) = match (name.split_once(':'), &unqualified) {
                (Some((module, name)), _) => (Qualifier::Module(SCHEMA.module(module)), name),
                (None, Qualifier::Any) => (Qualifier::Any, name.as_str()),
                (None, _) => (Qualifier::Same, name.as_str()),
            };
            let content = match item {
                Json::Object(members) if !members.is_empty() => {
                    WrittenContent::Below(from_json(item, Qualifier::Same))
                }
                Json::String(text) if !text.trim().is_empty() => {
                    WrittenContent::Text(text.clone(), text.clone())
                }
                Json::Number(_) | Json::Bool(_) => WrittenContent::Text(item.to_string(), item.to_string()),
                Json::Null | Json::Array(_) | Json::Object(_) | Json::String(_) => WrittenContent::Nothing,
            };
            written.push(Written { module, name: name.to_owned(), content });
        }
    }
    written
}

fn from_xml(element: &Element<'_>) -> Vec<Written> {
    let written = |child: &Element<'_>| {
        let module = match child.namespace.as_ref() {
            "" => Qualifier::Any,
            namespace => Qualifier::Module(SCHEMA.namespace(namespace)),
        };
        let text = child.text.trim();
        let content = if !child.children.is_empty() {
            WrittenContent::Below(from_xml(child))
        } else if text.is_empty() {
            WrittenContent::Nothing
        } else {
            let (prefix, name) = text.split_once(':').unwrap_or(("", text));
            let namespace = child.scope.namespace(prefix);
            let module = namespace.and_then(|n| SCHEMA.modules.iter().find(|m| m.namespace == n.as_ref()));
            let qualified = module.map_or(text.to_owned(), |module| format!("{}:{name}", module.name));
            WrittenContent::Text(text.to_owned(), qualified)
        };
        Written { module, name: child.name.to_owned(), content }
    };
    element.children.iter().map(written).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::yang::json;
    use serde_json::json;

    const DATA: &str = r#"{"irtf-agent:data-params": [
        {"id": "a", "dataType": "text", "data": "x"}, {"id": "b", "dataType": "image", "data": "x"}]}"#;

    fn top() -> Vec<&'static Node> {
        SCHEMA.implemented().flat_map(|module| module.data).copied().collect()
    }

    fn kept(filter: &AnyData) -> serde_json::Value {
        let data = json::decode_children(DATA.as_bytes(), None, &SCHEMA, &json::STORED).unwrap();
        let Some(kept) = Subtree::new(filter, &top(), 16).unwrap().keep(&data) else { return json!(null) };
        let mut out = Vec::new();
        json::encode_children(&kept, None, &mut out, &Default::default());
        serde_json::from_slice(&out).unwrap()
    }

    fn by_json(filter: serde_json::Value) -> serde_json::Value {
        kept(&AnyData::Json(Arc::new(filter)))
    }

    #[test]
    fn rfc6241_6_4_each_form_of_a_filter() {
        let all: serde_json::Value = serde_json::from_str(DATA).unwrap();
        assert_eq!(by_json(json!({})), json!(null), "6.4.2: an empty filter");
        assert_eq!(by_json(json!({"irtf-agent:data-params": {}})), all);
        assert_eq!(by_json(json!({"data-params": [null]})), all, "any namespace");
        assert_eq!(by_json(json!({"irtf-agent:nosuch": {}})), json!(null));
        assert_eq!(by_json(json!({"nosuch:data-params": {}})), json!(null));
        let a = json!({"irtf-agent:data-params": [{"id": "a", "dataType": "text", "data": "x"}]});
        assert_eq!(by_json(json!({"irtf-agent:data-params": {"id": "a"}})), a, "6.4.5: one entry by its key");
        let types = json!({"irtf-agent:data-params": [
            {"id": "a", "dataType": "text"}, {"id": "b", "dataType": "image"}]});
        assert_eq!(by_json(json!({"irtf-agent:data-params": {"dataType": ""}})), types, "keys stay");
        let b = json!({"irtf-agent:data-params": [{"id": "b", "dataType": "image"}]});
        assert_eq!(by_json(json!({"irtf-agent:data-params": {"id": {}, "dataType": "image"}})), b);
        assert_eq!(by_json(json!({"irtf-agent:data-params": {"dataType": "nosuch"}})), json!(null));
        let both = json!({"irtf-agent:data-params": [{"id": "a"}, {"id": "b", "data": {}}]});
        let both_kept = json!({"irtf-agent:data-params": [
            {"id": "a", "dataType": "text", "data": "x"}, {"id": "b", "data": "x"}]});
        assert_eq!(by_json(both), both_kept, "6.4.6: several entries");
    }

    #[test]
    fn the_same_in_xml() {
        let namespace = SCHEMA.module("irtf-agent").unwrap().namespace;
        let filter = format!("<data-params xmlns=\"{namespace}\"><id>b</id><data/></data-params>");
        let b = json!({"irtf-agent:data-params": [{"id": "b", "data": "x"}]});
        assert_eq!(kept(&AnyData::Xml(filter.into())), b);
        assert_eq!(kept(&AnyData::Xml("<data-params><id>b</id><data/></data-params>".into())), b);
        assert_eq!(kept(&AnyData::Xml("<data-params xmlns=\"urn:other\"/>".into())), json!(null));
    }
}
