//! Subtree filters (RFC 6241 section 6), resolved against the schema once and applied to data often.
//!
//! What a filter names and the schema has not selects nothing, as the RFC wants it; so a filter is never wrong,
//! only without effect. Nothing here knows who may see what.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;

use crate::yang::error::Error;
use crate::yang::generated::SCHEMA;
use crate::yang::metadata::ETAG_ATTRIBUTE;
use crate::yang::path::PathPattern;
use crate::yang::schema::{Base, Module, Node, Type};
use crate::yang::tree::{AnyData, Child, Container, Key, List};
use crate::yang::types::{self, ModuleNames};
use crate::yang::value::Value;
use crate::yang::xml::parse::{Element, document};
use crate::yang::xml::with_module_names;
use crate::yang::xpath::EvalError;

/// A filter over the data below one place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Subtree {
    /// The content match nodes, each of which has to match (RFC 6241 section 6.2.5).
    matches: Vec<Match>,
    /// What the others want, each node once; `None` if there are no others: then all of what the matches stand in is wanted.
    wanted: Option<Vec<(&'static Node, Wanted)>>,
}

/// One of these has to be there. A name without a namespace stands for several nodes, and one that the schema has not for
/// none.
type Match = Vec<(&'static Node, Value)>;

/// What is wanted of a node.
#[derive(Debug, Clone, PartialEq)]
enum Wanted {
    /// A selection node: all of it.
    All,
    /// Containment nodes: what any of them selects. No two have the same matches.
    Any(Vec<Subtree>),
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
        let is_vain = |wanted: &Wanted| match wanted {
            Wanted::All => false,
            Wanted::Any(any) => any.iter().all(Subtree::is_vain),
        };
        let nothing = self.wanted.as_ref().is_some_and(|all| all.iter().all(|(_, wanted)| is_vain(wanted)));
        self.matches.iter().any(Vec::is_empty) || (self.matches.is_empty() && nothing)
    }

    /// Whether it names a node at the top.
    pub(super) fn wants(&self, node: &Node) -> bool {
        self.of(node).is_some() || self.matches.iter().flatten().any(|(matched, _)| *matched == node)
    }

    /// Whether anything is left of an instance of `node` that stands at the top.
    ///
    /// # Errors
    /// To tell takes more than the budget.
    pub(super) fn passes(
        &self,
        node: &Node,
        content: &Container,
        budget: &Cell<u64>,
    ) -> Result<bool, EvalError> {
        match self.of(node) {
            Some(Wanted::All) => Ok(true),
            Some(Wanted::Any(any)) => {
                Ok(keep(&any.iter().collect::<Vec<_>>(), content, budget, None)?.is_some())
            }
            None => Ok(false),
        }
    }

    /// What is left of the children of one place; `None` if that is nothing. Of what is selected there are `depth` levels,
    /// itself the first; `None` for all.
    ///
    /// # Errors
    /// It takes more than the budget: a step for each entry or container, and for each part of the filter that is about it.
    pub(super) fn keep(
        &self,
        container: &Container,
        budget: &Cell<u64>,
        depth: Option<u16>,
    ) -> Result<Option<Container>, EvalError> {
        keep(&[self], container, budget, depth)
    }

    /// What there is of what can be wanted, with more that stands beside it: entries whose keys are named are found, and
    /// nothing else is looked at. [`Subtree::keep`] has the same to say of it as of all.
    pub(super) fn narrow(&self, container: &Container) -> Container {
        narrow(&[self], container)
    }

    fn of(&self, node: &Node) -> Option<&Wanted> {
        self.wanted.iter().flatten().find(|(named, _)| *named == node).map(|(_, wanted)| wanted)
    }

    /// Wants more, beside what was wanted before.
    fn want(&mut self, node: &'static Node, more: Wanted) {
        let Some(all) = &mut self.wanted else { return };
        let Some((_, wanted)) = all.iter_mut().find(|(named, _)| *named == node) else {
            all.push((node, more));
            return;
        };
        match (&mut *wanted, more) {
            (Wanted::All, _) => {}
            (_, Wanted::All) => *wanted = Wanted::All,
            (Wanted::Any(any), Wanted::Any(more)) => {
                for subtree in more {
                    match any.iter_mut().find(|other| other.matches == subtree.matches) {
                        Some(same) => same.join(subtree),
                        None => any.push(subtree),
                    }
                }
            }
        }
    }

    /// Wants also what another one wants that has the same matches.
    fn join(&mut self, other: Subtree) {
        match other.wanted {
            None => self.wanted = None,
            Some(more) => more.into_iter().for_each(|(node, wanted)| self.want(node, wanted)),
        }
    }

    /// What the content matches find, each one value; `None` if one of them does not match.
    fn matched(&self, container: &Container) -> Option<Vec<&(&'static Node, Value)>> {
        let found = |one: &'_ Match| {
            one.iter().position(|(node, value)| container.get(node).is_some_and(|child| has(child, value)))
        };
        self.matches.iter().map(|one| one.get(found(one)?)).collect()
    }

    /// The key that the content matches demand of an entry of a list, if they name all of it.
    fn key(&self, list: &'static Node) -> Option<Key> {
        let value = |leaf: &&'static Node| {
            self.matches.iter().find_map(|one| match one.as_slice() {
                [(node, value)] if node == leaf => Some(value.clone()),
                _ => None,
            })
        };
        let values: Vec<Value> = list.keys().iter().map(value).collect::<Option<_>>()?;
        (!values.is_empty()).then(|| Key::new(values))
    }
}

/// What any of the subtrees leaves of the children of one place.
fn keep(
    any: &[&Subtree],
    container: &Container,
    budget: &Cell<u64>,
    depth: Option<u16>,
) -> Result<Option<Container>, EvalError> {
    spend(budget, any.len())?;
    let mut kept = Container::default().at_revision(container.revision);
    let mut matching = Vec::with_capacity(any.len());
    for subtree in any {
        let Some(matched) = subtree.matched(container) else { continue };
        if subtree.wanted.is_none() {
            // Only content matches: all of what they stand in (RFC 6241 section 6.2.5).
            let mut all = shallow(container, None, depth);
            matched.into_iter().for_each(|(node, value)| put(&mut all, container, node, value));
            return Ok(Some(all));
        }
        matched.into_iter().for_each(|(node, value)| put(&mut kept, container, node, value));
        matching.push(*subtree);
    }
    for (node, wanted) in together(&matching) {
        let below = match (wanted, container.get(node)) {
            (None, child) => child.map(|child| shallow_child(node, child, depth)),
            (Some(any), Some(Child::Container(inner))) => {
                keep(&any, inner, budget, depth)?.map(|kept| Child::Container(Arc::new(kept)))
            }
            (Some(any), Some(Child::List(list))) => entries(node, &any, list, budget, depth)?,
            (Some(_), _) => None,
        };
        if let Some(below) = below {
            kept.set(node, below);
        }
    }
    Ok((!kept.is_empty()).then_some(kept))
}

/// What any of the subtrees leaves of the entries of a list, which is walked once or, if all of them name keys, not at all.
fn entries(
    node: &'static Node,
    any: &[&Subtree],
    list: &List,
    budget: &Cell<u64>,
    depth: Option<u16>,
) -> Result<Option<Child>, EvalError> {
    let mut kept = empty(node);
    let mut look_at = |any: &[&Subtree], entry: &Container| {
        if let Some(mut wanted) = keep(any, entry, budget, depth)? {
            for key in node.keys() {
                if let Some(value) = entry.get(key) {
                    wanted.set(key, value.clone());
                }
            }
            let key = wanted.key(node).filter(|_| !matches!(kept, List::Sequence(_)));
            kept.put(node, key, Arc::new(wanted));
        }
        Ok(())
    };
    match by_key(node, any, list) {
        Some(by_key) => {
            spend(budget, by_key.len())?;
            for (entry, any) in found(node, list, by_key) {
                look_at(&any, &entry)?;
            }
        }
        None => {
            for entry in list.iter() {
                look_at(any, &entry)?;
            }
        }
    }
    Ok((!kept.is_empty()).then_some(Child::List(kept)))
}

fn narrow(any: &[&Subtree], container: &Container) -> Container {
    if any.iter().any(|subtree| !subtree.matches.is_empty()) {
        return container.clone();
    }
    let mut narrowed = Container::default().at_revision(container.revision);
    for (node, wanted) in together(any) {
        let child = match (wanted, container.get(node)) {
            (Some(any), Some(Child::Container(inner))) => {
                Some(Child::Container(Arc::new(narrow(&any, inner))))
            }
            (Some(any), Some(Child::List(list))) => match by_key(node, &any, list) {
                Some(by_key) => {
                    let mut entries = empty(node);
                    for (entry, _) in found(node, list, by_key) {
                        entries.put(node, entry.key(node), entry);
                    }
                    (!entries.is_empty()).then_some(Child::List(entries))
                }
                None => Some(Child::List(list.clone())),
            },
            (_, child) => child.cloned(),
        };
        if let Some(child) = child {
            narrowed.set(node, child);
        }
    }
    narrowed
}

/// What subtrees over one place want of each node, each node once; `None` for all of it.
fn together<'s>(subtrees: &[&'s Subtree]) -> Vec<(&'static Node, Option<Vec<&'s Subtree>>)> {
    let mut all: Vec<(&'static Node, Option<Vec<&Subtree>>)> = Vec::new();
    for (node, wanted) in subtrees.iter().flat_map(|subtree| subtree.wanted.iter().flatten()) {
        let at = match all.iter().position(|(named, _)| named == node) {
            Some(at) => at,
            None => {
                all.push((node, Some(Vec::new())));
                all.len() - 1
            }
        };
        match (wanted, &mut all[at].1) {
            (Wanted::Any(more), Some(any)) => any.extend(more),
            (Wanted::All, any) => *any = None,
            (Wanted::Any(_), None) => {}
        }
    }
    all
}

/// The subtrees by the keys that they name; `None` if the list has to be walked, since one of them names none or an entry
/// is not found faster.
fn by_key<'s>(
    node: &'static Node,
    any: &[&'s Subtree],
    list: &List,
) -> Option<BTreeMap<Key, Vec<&'s Subtree>>> {
    if matches!(list, List::Sequence(_)) {
        return None;
    }
    let mut all: BTreeMap<Key, Vec<&Subtree>> = BTreeMap::new();
    for subtree in any {
        all.entry(subtree.key(node)?).or_default().push(subtree);
    }
    Some(all)
}

/// The entries that are there, in the order of the list.
fn found<'s>(
    node: &'static Node,
    list: &List,
    by_key: BTreeMap<Key, Vec<&'s Subtree>>,
) -> Vec<(Arc<Container>, Vec<&'s Subtree>)> {
    let mut keys: Vec<_> = by_key.into_iter().collect();
    if let List::User(user) = list {
        keys.sort_by_key(|(key, _)| user.rank(key));
    }
    keys.into_iter().filter_map(|(key, any)| Some((list.get(node, &key)?, any))).collect()
}

fn spend(budget: &Cell<u64>, steps: usize) -> Result<(), EvalError> {
    budget.set(budget.get().checked_sub(steps as u64).ok_or(EvalError::TooManySteps)?);
    Ok(())
}

/// So many levels of an instance of `list`, or of anything else, itself the first. A list entry keeps its keys.
pub(super) fn shallow(content: &Container, list: Option<&Node>, depth: Option<u16>) -> Container {
    let Some(depth) = depth else { return content.clone() };
    let below = depth.saturating_sub(1);
    let mut kept = Container::default().at_revision(content.revision);
    for (node, child) in content.iter() {
        if list.is_some_and(|list| list.keys().contains(&node)) {
            kept.set(node, child.clone());
        } else if below > 0 {
            kept.set(node, shallow_child(node, child, Some(below)));
        }
    }
    kept
}

/// The same of all instances of a node.
fn shallow_child(node: &'static Node, child: &Child, depth: Option<u16>) -> Child {
    match child {
        _ if depth.is_none() => child.clone(),
        Child::Container(inner) => Child::Container(Arc::new(shallow(inner, None, depth))),
        Child::List(list) => {
            let mut kept = empty(node);
            for entry in list.iter() {
                let key = entry.key(node).filter(|_| !matches!(kept, List::Sequence(_)));
                kept.put(node, key, Arc::new(shallow(&entry, Some(node), depth)));
            }
            Child::List(kept)
        }
        Child::Leaf(_) | Child::LeafList(_) | Child::Any(_) => child.clone(),
    }
}

/// An empty list that is built here: by key if it has one, be it configuration or state.
pub(super) fn empty(node: &'static Node) -> List {
    match node.keys().is_empty() || node.user_ordered() {
        true => List::empty(node),
        false => List::Sorted(OrdMap::new()),
    }
}

/// Keeps a value that a content match has found: of a leaf-list the other entries are no such node (RFC 6241 section
/// 6.2.5), and the order stays that of the datastore.
fn put(kept: &mut Container, from: &Container, node: &'static Node, value: &Value) {
    match (from.get(node), kept.get(node)) {
        (Some(Child::LeafList(all)), before) => {
            let is_kept = |one: &&Value| *one == value || before.is_some_and(|before| has(before, one));
            let values = all.iter().filter(is_kept).cloned().collect();
            kept.set(node, Child::LeafList(Arc::new(values)));
        }
        (child, _) => child.into_iter().for_each(|child| kept.set(node, child.clone())),
    }
}

fn has(child: &Child, wanted: &Value) -> bool {
    match child {
        Child::Leaf(value) => value == wanted,
        Child::LeafList(values) => values.contains(wanted),
        _ => false,
    }
}

/// What is written, with what it says of one node brought together.
fn resolve(written: &[Written], parent: Option<&'static Node>, among: &[&'static Node]) -> Subtree {
    let mut subtree = Subtree { matches: Vec::new(), wanted: Some(Vec::new()) };
    for one in written {
        let fits = |node: &&'static Node| {
            node.name == one.name
                && match one.module {
                    Qualifier::Any => true,
                    Qualifier::Same => parent.is_none_or(|parent| parent.module == node.module),
                    Qualifier::Module(module) => module == Some(node.module),
                }
        };
        let nodes = among.iter().copied().filter(fits);
        match &one.content {
            WrittenContent::Nothing => nodes.for_each(|node| subtree.want(node, Wanted::All)),
            WrittenContent::Below(below) => nodes.for_each(|node| {
                subtree.want(node, Wanted::Any(vec![resolve(below, Some(node), node.data)]));
            }),
            WrittenContent::Text(text, qualified) => {
                let values = nodes.filter_map(|node| Some((node, value(node, text, qualified)?)));
                let one = values.collect();
                if !subtree.matches.contains(&one) {
                    subtree.matches.push(one);
                }
            }
        }
    }
    let is_text = |one: &Written| matches!(one.content, WrittenContent::Text(..));
    if !written.is_empty() && written.iter().all(is_text) {
        subtree.wanted = None;
    }
    subtree
}

/// The value that a text means; `None` if the node cannot have it.
fn value(node: &'static Node, text: &str, qualified: &str) -> Option<Value> {
    let ty = node.ty()?;
    let names = ModuleNames(&SCHEMA);
    if PathPattern::is_value_of(node) {
        return PathPattern::parse(qualified, &names).ok().map(|path| Value::string(path.to_string()));
    }
    let text = if has_names(ty) { qualified } else { text };
    types::parse(ty, text, &names, node.module).ok()
}

/// Whether values of the type have names with prefixes in them.
fn has_names(ty: &Type) -> bool {
    match &ty.base {
        Base::IdentityRef(_) | Base::InstanceIdentifier { .. } => true,
        Base::LeafRef(leafref) => has_names(leafref.real),
        _ => ty.is_xpath(),
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
            // RFC 6241 section 6.2.2: an attribute has to match, and no node of a datastore has any. What a client knows of a
            // node is no such attribute.
            _ if child.attributes.iter().any(|a| a.namespace.as_ref() != ETAG_ATTRIBUTE.namespace) => {
                Qualifier::Module(None)
            }
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
            let qualified = match module {
                _ if text.starts_with('/') => with_module_names(text, &child.scope, &SCHEMA),
                Some(module) => format!("{}:{name}", module.name),
                None => text.to_owned(),
            };
            WrittenContent::Text(text.to_owned(), qualified)
        };
        Written { module, name: child.name.to_owned(), content }
    };
    element.children.iter().map(written).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::yang::json;
    use crate::yang::tree::StateList;
    use serde_json::json;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const DATA: &str = r#"{"irtf-agent:data-params": [
        {"id": "a", "dataType": "text", "data": "x"}, {"id": "b", "dataType": "image", "data": "x"}]}"#;

    fn top() -> Vec<&'static Node> {
        SCHEMA.implemented().flat_map(|module| module.data).copied().collect()
    }

    fn kept(filter: &AnyData) -> serde_json::Value {
        let data = json::decode_children(DATA.as_bytes(), None, &SCHEMA, &json::STORED).unwrap();
        let filter = Subtree::new(filter, &top(), 16).unwrap();
        let kept = filter.keep(&data, &Cell::new(100), None).unwrap();
        assert_eq!(filter.keep(&filter.narrow(&data), &Cell::new(100), None).unwrap(), kept);
        let Some(kept) = kept else { return json!(null) };
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

    #[test]
    fn rfc6241_6_2_5_what_names_one_node_twice_selects_what_either_does() {
        let all: serde_json::Value = serde_json::from_str(DATA).unwrap();
        let twice =
            json!({"irtf-agent:data-params": [{"dataType": ""}, {"id": "a"}, {"data": "", "id": "b"}]});
        let selected = json!({"irtf-agent:data-params": [
            {"id": "a", "dataType": "text", "data": "x"}, {"id": "b", "dataType": "image", "data": "x"}]});
        assert_eq!(by_json(twice), selected);
        assert_eq!(by_json(json!({"irtf-agent:data-params": [{"id": "a", "data": ""}, {}]})), all);
        let both = json!({"irtf-agent:data-params": {"id": ["a", "b"]}});
        assert_eq!(by_json(both), json!(null), "matches in one element have to match together");
        let tasks = json!({"irtf-agent:data-params": [{"id": "a", "nosuch": ""}, {"nosuch": "b"}]});
        assert_eq!(by_json(tasks), json!({"irtf-agent:data-params": [{"id": "a"}]}));
    }

    #[test]
    fn rfc6241_6_2_5_of_a_leaf_list_the_values_that_match_are_included() {
        let rules = |inside: serde_json::Value| json!({"ietf-netconf-acm:nacm": {"rule-list": [inside]}});
        let data =
            rules(json!({"name": "1", "group": ["c", "a", "b"], "rule": [{"name": "r", "action": "deny"}]}));
        let data = json::decode_children(data.to_string().as_bytes(), None, &SCHEMA, &json::STORED).unwrap();
        for (filter, groups) in [
            (json!({"name": {}, "group": "a"}), json!(["a"])),
            (json!({"name": {}, "group": ["b", "c"]}), json!(["c", "b"])),
            (json!({"name": {}, "group": ["a", ""]}), json!(["c", "a", "b"])),
            (json!({"group": "a"}), json!(["c", "a", "b"])),
        ] {
            let subtree = AnyData::Json(Arc::new(rules(filter.clone())));
            let subtree = Subtree::new(&subtree, &top(), 16).unwrap();
            let kept = subtree.keep(&data, &Cell::new(100), None).unwrap().unwrap();
            let mut out = Vec::new();
            json::encode_children(&kept, None, &mut out, &Default::default());
            let kept: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(kept["ietf-netconf-acm:nacm"]["rule-list"][0]["group"], groups, "{filter}");
        }
    }

    fn list() -> &'static Node {
        &crate::yang::generated::irtf_agent::nodes::DATA_PARAMS
    }

    fn entry(id: &str) -> Arc<Container> {
        let text = format!("{{\"irtf-agent:data-params\": [{{\"id\": \"{id}\", \"data\": \"x\"}}]}}");
        let root = json::decode_children(text.as_bytes(), None, &SCHEMA, &json::STORED).unwrap();
        root.list(list()).unwrap().iter().next().unwrap()
    }

    /// Entries that can be looked up, and not walked.
    #[derive(Debug)]
    struct Keyed;

    impl StateList for Keyed {
        fn get(&self, key: &Key) -> Option<Arc<Container>> {
            key.values().first().and_then(Value::as_str).filter(|id| *id != "99").map(entry)
        }

        fn after(&self, _: Option<&Key>, _: usize) -> Vec<(Key, Arc<Container>)> {
            panic!("the list is walked")
        }

        fn before(&self, _: Option<&Key>, _: usize) -> Vec<(Key, Arc<Container>)> {
            panic!("the list is walked backwards")
        }

        fn len(&self) -> usize {
            panic!("the list is counted")
        }
    }

    /// A thousand entries, which can be walked once.
    #[derive(Debug, Default)]
    struct Once(AtomicUsize);

    impl StateList for Once {
        fn get(&self, _: &Key) -> Option<Arc<Container>> {
            None
        }

        fn after(&self, last: Option<&Key>, _: usize) -> Vec<(Key, Arc<Container>)> {
            if last.is_some() {
                return Vec::new();
            }
            assert_eq!(self.0.fetch_add(1, Ordering::SeqCst), 0, "the list is walked twice");
            (0..1000).map(|id| id.to_string()).map(|id| (Key::string(&id), entry(&id))).collect()
        }

        fn before(&self, _: Option<&Key>, _: usize) -> Vec<(Key, Arc<Container>)> {
            Vec::new()
        }

        fn len(&self) -> usize {
            1000
        }
    }

    fn root(entries: Arc<dyn StateList>) -> Container {
        let mut root = Container::default();
        root.set(list(), Child::List(List::State(entries)));
        root
    }

    fn of(entries: Vec<serde_json::Value>) -> Subtree {
        let filter = AnyData::Json(Arc::new(json!({ "irtf-agent:data-params": entries })));
        Subtree::new(&filter, &top(), 16).unwrap()
    }

    #[test]
    fn entries_whose_keys_are_named_are_found_and_the_others_never_looked_at() {
        let filter = of((0..100).map(|id| json!({"id": id.to_string(), "data": ""})).collect());
        let (root, budget) = (root(Arc::new(Keyed)), Cell::new(1000));
        let narrowed = filter.narrow(&root);
        assert_eq!(narrowed.list(list()).unwrap().len(), 99);
        let kept = filter.keep(&root, &budget, None).unwrap().unwrap();
        assert_eq!(kept.list(list()).unwrap().len(), 99);
        assert_eq!(1000 - budget.get(), 1 + 100 + 99, "the root, the look-ups and the entries");
        assert_eq!(filter.keep(&root, &Cell::new(100), None), Err(EvalError::TooManySteps));
    }

    #[test]
    fn a_list_is_walked_once_however_often_a_filter_names_it() {
        let same = of(vec![json!({"data": ""}); 40]);
        let (first, budget) = (root(Arc::new(Once::default())), Cell::new(10_000));
        let kept = same.keep(&same.narrow(&first), &budget, None).unwrap().unwrap();
        assert_eq!(kept.list(list()).unwrap().len(), 1000);
        assert_eq!(10_000 - budget.get(), 1001, "what is the same is said once");
        let different = of((0..40).map(|text| json!({"data": text.to_string()})).collect());
        let (second, budget) = (root(Arc::new(Once::default())), Cell::new(100_000));
        assert_eq!(different.keep(&different.narrow(&second), &budget, None).unwrap(), None);
        assert_eq!(100_000 - budget.get(), 1 + 40 * 1000);
        let (third, budget) = (root(Arc::new(Once::default())), Cell::new(39_999));
        assert_eq!(different.keep(&third, &budget, None), Err(EvalError::TooManySteps));
    }
}
