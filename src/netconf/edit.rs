//! The configuration in an `<edit-config>` as edits (RFC 6241 section 7.2): which operation each element asks for.
//!
//! The edits have the order of the elements (RFC 7950 section 7.8.6: entries are modified one at a time, in that order). What has
//! the same operation as what it stands in is gathered into one edit of that; what has its own becomes an edit of its own, before
//! which all that is gathered so far is made. What follows it is merged: what it stands in is there by then. Only what is replaced
//! is replaced by all that follows too, since it would be gone in between; but an entry of a list that is ordered by the user
//! comes after those before it. Whether an edit can be made is not known here.

use std::mem;

use super::NAMESPACE;
use crate::datastore::defaults::is_default_value;
use crate::datastore::edit::{Edit, Operation, excludes};
use crate::engine::Precondition;
use crate::yang::decode::DecodeOptions;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::metadata::{DEFAULT, ETAG_ATTRIBUTE};
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::{Child, Container, Insert, Key};
use crate::yang::types::{self, ModuleNames};
use crate::yang::xml::parse::{Attribute, Element};
use crate::yang::xml::{self, with_module_names};

/// The namespace of the attributes for lists that are ordered by the user (RFC 7950 section 7.8.6).
const YANG: &str = "urn:ietf:params:xml:ns:yang:1";

/// Most octets of keys that are repeated, since what stands in an entry becomes several edits.
const REPEATED_BYTES_MAX: usize = 16 << 20;

/// The namespace of the attribute `etag` (draft-ietf-netconf-transaction-id-11 section 4.1).
const TXID: &str = ETAG_ATTRIBUTE.namespace;

/// What is done to what does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// It is merged.
    Merge,
    /// It takes the place of the whole datastore.
    Replace,
    /// Nothing: it only leads to what does.
    None,
}

/// The edits that a `<config>` asks for, and what the client knows of what it edits.
///
/// # Errors
/// What does not fit the schema, or an attribute that cannot stand there.
pub fn edits(
    mut config: Element<'_>,
    default: Default,
    options: &DecodeOptions<'_>,
) -> Result<(Vec<Edit>, Vec<Precondition>), Error> {
    let around = match default {
        Default::Merge => Some(Operation::Merge),
        Default::Replace => Some(Operation::Replace),
        Default::None => None,
    };
    let mut reader = Reader { options, edits: Vec::new(), known: Vec::new(), open: Vec::new(), repeated: 0 };
    reader.knows(take_etag(&mut config), &InstancePath::default());
    if config.attributes.iter().any(|attribute| attribute.namespace.as_ref() == NAMESPACE) {
        let message = "<config> is no node, and has no operation";
        return Err(unknown(message, "config", "operation"));
    }
    let whole = Base { operation: around, path: InstancePath::default(), insert: None, place: None };
    reader.inside(config, &InstancePath::default(), around, Some(whole))?;
    Ok((reader.edits, reader.known))
}

/// A merge of each instance that means something by itself: so that who hears of it is told where, and one that cannot be
/// made is told apart from the others.
fn merges(content: &Container, above: &InstancePath, edits: &mut Vec<Edit>) {
    for (node, child) in content.iter() {
        let mut merge = |selector, value| {
            let path = above.child(Step { node, selector });
            edits.push(Edit { operation: Operation::Merge, path, value: Some(value), insert: None });
        };
        match (child, &node.kind) {
            (Child::Container(inner), Kind::Container { presence: false }) => {
                merges(inner, &above.child(Step::plain(node)), edits);
            }
            (Child::List(list), _) => {
                for entry in list.iter() {
                    match entry.key(node) {
                        Some(key) => merge(Selector::Key(key), Child::Container(entry)),
                        // A list that is configuration has keys (RFC 7950 section 7.8.2).
                        None => continue,
                    }
                }
            }
            (Child::LeafList(values), _) => {
                values
                    .iter()
                    .for_each(|value| merge(Selector::Value(value.clone()), Child::Leaf(value.clone())));
            }
            (child, _) => merge(Selector::None, child.clone()),
        }
    }
}

struct Reader<'a, 'm> {
    options: &'a DecodeOptions<'a>,
    /// In the order of the document.
    edits: Vec<Edit>,
    /// The txids of the client.
    known: Vec<Precondition>,
    /// The elements that are being read, outermost first.
    open: Vec<Open<'m>>,
    /// Octets of keys in edits.
    repeated: usize,
}

/// An element that is being read.
struct Open<'m> {
    /// The element without what stands in it.
    shell: Element<'m>,
    /// Its keys, which belong to every edit of it.
    keys: Vec<Element<'m>>,
    /// What was found in it that has its operation, and is in no edit yet.
    gathered: Vec<Element<'m>>,
    /// What of that is in edits already, or was gathered.
    seen: Vec<&'static Node>,
    /// Whether an edit stands for it already.
    is_made: bool,
    /// What its edit is; without it, what stands in it is part of the edit of what it stands in.
    base: Option<Base>,
}

/// What is done to an element that has an edit of its own.
struct Base {
    operation: Option<Operation>,
    path: InstancePath,
    insert: Option<Insert>,
    /// Where among the edits it is to be made, if others come after it that were read before it was complete.
    place: Option<usize>,
}

impl<'m> Open<'m> {
    /// With all that was gathered, and what is being read in it; none if that is nothing new.
    fn take(&mut self, inner: Option<Element<'m>>) -> Option<Element<'m>> {
        if self.is_made && self.gathered.is_empty() && inner.is_none() {
            return None;
        }
        self.is_made = true;
        let mut element = self.shell.clone();
        element.children.extend(self.keys.iter().cloned().chain(self.gathered.drain(..)).chain(inner));
        Some(element)
    }
}

impl<'m> Reader<'_, 'm> {
    fn knows(&mut self, txid: Option<String>, path: &InstancePath) {
        self.known.extend(txid.map(|txid| Precondition::TxidOfRunning(path.clone(), txid)));
    }

    /// Reads what stands in an element whose operation, or that of what it stands in, is `around`.
    fn inside(
        &mut self,
        mut element: Element<'m>,
        path: &InstancePath,
        around: Option<Operation>,
        base: Option<Base>,
    ) -> Result<(), Error> {
        let (keys, children): (Vec<_>, Vec<_>) =
            mem::take(&mut element.children).into_iter().partition(|child| key_of(path, child).is_some());
        let keys = keys.into_iter().map(|key| self.key(key, path, around)).collect::<Result<_, _>>()?;
        let (gathered, seen) = (Vec::new(), Vec::new());
        self.open.push(Open { shell: element, keys, gathered, seen, is_made: false, base });
        for child in children {
            self.child(child, path, around)?;
        }
        if self.open.last().is_some_and(|open| open.base.is_some()) {
            self.make(true)?;
            self.open.pop();
        } else if let Some(element) = self.open.pop().and_then(|mut open| open.take(None)) {
            self.gather(element);
        }
        Ok(())
    }

    /// A key is there with its entry, and nothing is done to it that is not done to that.
    fn key(
        &mut self,
        mut element: Element<'m>,
        path: &InstancePath,
        around: Option<Operation>,
    ) -> Result<Element<'m>, Error> {
        let own = operation(&mut element);
        let (place, txid) = (insert_attributes(&mut element), take_etag(&mut element));
        let Some(key) = key_of(path, &element) else { return Ok(element) };
        let here = path.child(Step::plain(key));
        let own = own.map_err(|error| error.at(here.clone()))?;
        self.knows(txid, &here);
        if own.is_some_and(|own| own != Operation::Merge && Some(own) != around) {
            let message = "what is done to a key is done to its entry";
            return Err(bad(message, element.name, "operation").at(here));
        }
        match place.any() {
            Some(stray) => Err(bad("a key has no place of its own", element.name, stray.name).at(here)),
            None => Ok(element),
        }
    }

    /// Reads an element below `path` that is no key.
    fn child(
        &mut self,
        mut element: Element<'m>,
        path: &InstancePath,
        around: Option<Operation>,
    ) -> Result<(), Error> {
        let own = operation(&mut element);
        let (place, txid) = (insert_attributes(&mut element), take_etag(&mut element));
        let here = configuration(&element, path)?;
        let own = own.map_err(|error| error.at(here.clone()))?;
        let Some(&Step { node, .. }) = here.steps.last() else { return Ok(()) };
        self.knows(txid, &here);
        if let Some(is_default) = tag(&mut element, &here)? {
            let in_force = own.or(around);
            if !matches!(in_force, Some(Operation::Create | Operation::Merge | Operation::Replace)) {
                let message = "what is tagged as a default is created, merged or replaced";
                return Err(invalid(message, node, here));
            }
            if is_default {
                let is_created = own == Some(Operation::Create) && own != around;
                self.make(false)?;
                return self.set_to_default(element, here, node, is_created);
            }
        }
        if let Some(operation @ (Operation::Delete | Operation::Remove)) = own {
            self.deleted(element, &here, node)?;
            self.make(false)?;
            self.edits.push(Edit { operation, path: here, value: None, insert: None });
            return Ok(());
        }
        let in_force = own.or(around);
        let insert = place.insert(&element, node, path, &here)?;
        let has_inside = matches!(node.kind, Kind::Container { .. } | Kind::List { .. });
        // An entry that is given a place is an edit of its own: only then the others around it are there before.
        if let Some(operation) = in_force
            && ((own.is_some() && own != around) || insert.is_some())
        {
            self.make(node.user_ordered())?;
            if has_inside {
                let base = Base { operation: Some(operation), path: here.clone(), insert, place: None };
                return self.inside(element, &here, in_force, Some(base));
            }
            let value = Some(xml::decode_element(element, &here, &SCHEMA, self.options)?);
            self.edits.push(Edit { operation, path: here, value, insert });
            return Ok(());
        }
        self.sees(node, &here)?;
        if has_inside {
            let before = self.edits.len();
            self.inside(element, &here, in_force, None)?;
            let is_instance = matches!(node.kind, Kind::Container { presence: true } | Kind::List { .. });
            // What it stands for has to be there, unless something is done in it: then that finds out.
            if in_force.is_none() && is_instance && self.edits.len() == before {
                self.edits.push(Edit { operation: Operation::None, path: here, value: None, insert: None });
            }
            return Ok(());
        }
        match in_force {
            // It is only read to be checked: without an operation, a value says nothing.
            None => xml::decode_element(element, &here, &SCHEMA, self.options).map(drop),
            Some(_) => {
                self.gather(element);
                Ok(())
            }
        }
    }

    fn gather(&mut self, element: Element<'m>) {
        if let Some(open) = self.open.last_mut() {
            open.gathered.push(element);
        }
    }

    /// That a node which has its operation from what it stands in is there once, and those of one case alone: what is read in
    /// several parts is not compared when it is decoded (RFC 7950 section 8.3.1).
    fn sees(&mut self, node: &'static Node, here: &InstancePath) -> Result<(), Error> {
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        let is_one = !matches!(node.kind, Kind::List { .. } | Kind::LeafList { .. });
        let why = match open.seen.iter().find(|seen| excludes(node, seen)) {
            Some(other) => format!("\"{}\" and \"{}\" are of different cases", node.name, other.name),
            None if is_one && open.seen.contains(&node) => format!("\"{}\" stands more than once", node.name),
            None => {
                if !open.seen.contains(&node) {
                    open.seen.push(node);
                }
                return Ok(());
            }
        };
        Err(Error::application(Tag::BadElement, why).at(here.clone()).info("bad-element", node.name))
    }

    /// Makes an edit of what was gathered, so that what comes next comes after it. What replaces waits until it is complete, unless
    /// that is needed now.
    fn make(&mut self, is_needed: bool) -> Result<(), Error> {
        let nearest = self.open.iter_mut().rev().find(|open| open.base.is_some());
        if let Some(Open { base: Some(base), is_made: false, .. }) = nearest
            && base.operation == Some(Operation::Replace)
            && !is_needed
        {
            // Its place is kept by what does nothing yet.
            if base.place.is_none() {
                base.place = Some(self.edits.len());
                let (operation, path) = (Operation::None, base.path.clone());
                self.edits.push(Edit { operation, path, value: None, insert: None });
            }
            return Ok(());
        }
        let mut gathered = None;
        let mut levels = self.open.iter_mut().rev();
        let (base, is_first) = loop {
            let Some(open) = levels.next() else { return Ok(()) };
            let is_first = !open.is_made;
            gathered = open.take(gathered);
            if gathered.is_some() {
                self.repeated += open.keys.iter().map(|key| key.text.len()).sum::<usize>();
            }
            if let Some(base) = &mut open.base {
                break (base, is_first);
            }
        };
        let Some(element) = gathered else { return Ok(()) };
        let Base { operation, path, insert, place } = base;
        if self.repeated > REPEATED_BYTES_MAX {
            let message = "there are too many operations in entries with such long keys";
            return Err(Error::protocol(Tag::TooBig, message).at(path.clone()));
        }
        let mut put = |edit: Edit| match place.take().and_then(|at| self.edits.get_mut(at)) {
            Some(kept) => *kept = edit,
            None => self.edits.push(edit),
        };
        if path.steps.is_empty() {
            let content = xml::decode_inside(element, &SCHEMA, self.options)?;
            match operation {
                Some(Operation::Replace) if is_first => {
                    let value = Some(Child::Container(content.into()));
                    put(Edit { operation: Operation::Replace, path: path.clone(), value, insert: None });
                }
                Some(_) => merges(&content, path, &mut self.edits),
                // It is only read to be checked.
                None => {}
            }
        } else if let Some(operation) = operation {
            let operation = if is_first { *operation } else { Operation::Merge };
            let value = Some(xml::decode_element(element, path, &SCHEMA, self.options)?);
            put(Edit { operation, path: path.clone(), value, insert: insert.take() });
        }
        Ok(())
    }

    /// Makes a node what it is by default: it is not set (RFC 6243 section 4.5.2).
    fn set_to_default(
        &mut self,
        element: Element<'m>,
        mut path: InstancePath,
        node: &'static Node,
        is_created: bool,
    ) -> Result<(), Error> {
        let given = xml::decode_element(element, &path, &SCHEMA, self.options)?;
        if !matches!(&given, Child::Leaf(value) if is_default_value(&SCHEMA, node, value)) {
            return Err(invalid("this is tagged as a default, but is not the default", node, path));
        }
        if is_created {
            // What is there already is in the way, as it is of any other value.
            let value = Some(given);
            self.edits.push(Edit { operation: Operation::Create, path: path.clone(), value, insert: None });
        }
        if let Some(last) = path.steps.last_mut() {
            // A leaf-list has its defaults as a whole.
            last.selector = Selector::None;
        }
        self.edits.push(Edit { operation: Operation::Remove, path, value: None, insert: None });
        Ok(())
    }

    /// Checks an element whose instance is deleted: what stands in it has no effect.
    fn deleted(
        &mut self,
        mut element: Element<'m>,
        path: &InstancePath,
        node: &'static Node,
    ) -> Result<(), Error> {
        let is_blank = element.children.is_empty() && element.text.trim().is_empty();
        if is_blank && matches!(node.kind, Kind::Leaf { .. }) {
            return xml::attributes(&element, path, &SCHEMA, self.options);
        }
        if matches!(node.kind, Kind::Container { .. } | Kind::List { .. }) {
            let mut keys = Vec::new();
            for mut child in mem::take(&mut element.children) {
                let (own, txid) = (operation(&mut child), take_etag(&mut child));
                let here = match key_of(path, &child) {
                    Some(key) => path.child(Step::plain(key)),
                    None => configuration(&child, path)?,
                };
                let own = own.map_err(|error| error.at(here.clone()))?;
                self.knows(txid, &here);
                if !matches!(own, None | Some(Operation::Delete | Operation::Remove)) {
                    let message = "what it stands in is deleted";
                    return Err(bad(message, child.name, "operation").at(here));
                }
                match here.node() {
                    Some(node) if !node.is_key() => self.deleted(child, &here, node)?,
                    _ => keys.push(child),
                }
            }
            element.children = keys;
        }
        xml::decode_element(element, path, &SCHEMA, self.options).map(drop)
    }
}

/// The key of the entry at `path` that an element stands for, if it does.
fn key_of(path: &InstancePath, element: &Element<'_>) -> Option<&'static Node> {
    let is_it =
        |key: &&&'static Node| key.name == element.name && key.module.namespace == element.namespace.as_ref();
    path.node()?.keys().iter().find(is_it).copied()
}

/// The instance below `above` that an element stands for, which has to be configuration.
fn configuration(element: &Element<'_>, above: &InstancePath) -> Result<InstancePath, Error> {
    let step = xml::step(element, above, &SCHEMA)?;
    let node = step.node;
    let here = above.child(step);
    if node.config {
        return Ok(here);
    }
    let message = format!("\"{}\" is state and cannot be written", node.name);
    Err(Error::protocol(Tag::OperationNotSupported, message).at(here))
}

/// Takes the attribute `operation`.
fn operation(element: &mut Element<'_>) -> Result<Option<Operation>, Error> {
    let Some(attribute) = take(element, NAMESPACE, "operation") else { return Ok(None) };
    match attribute.value.trim() {
        "merge" => Ok(Some(Operation::Merge)),
        "replace" => Ok(Some(Operation::Replace)),
        "create" => Ok(Some(Operation::Create)),
        "delete" => Ok(Some(Operation::Delete)),
        "remove" => Ok(Some(Operation::Remove)),
        other => {
            let message = format!("\"{other}\" is not an operation: merge, replace, create, delete, remove");
            Err(bad(message, element.name, "operation"))
        }
    }
}

/// Takes the attribute `default` (RFC 6243 section 6): whether the value is that of the schema.
fn tag(element: &mut Element<'_>, here: &InstancePath) -> Result<Option<bool>, Error> {
    let Some(attribute) = take(element, DEFAULT.namespace, DEFAULT.name) else { return Ok(None) };
    match attribute.value.trim() {
        "true" | "1" => Ok(Some(true)),
        "false" | "0" => Ok(Some(false)),
        other => {
            let message = format!("\"{other}\" is neither \"true\" nor \"false\"");
            Err(bad(message, element.name, DEFAULT.name).at(here.clone()))
        }
    }
}

/// The attributes of an element that give it a place in a list that is ordered by the user.
struct Place<'m> {
    insert: Option<Attribute<'m>>,
    key: Option<Attribute<'m>>,
    value: Option<Attribute<'m>>,
}

fn insert_attributes<'m>(element: &mut Element<'m>) -> Place<'m> {
    Place {
        insert: take(element, YANG, "insert"),
        key: take(element, YANG, "key"),
        value: take(element, YANG, "value"),
    }
}

/// Takes the txid that a client has of what an element stands for.
pub fn take_etag(element: &mut Element<'_>) -> Option<String> {
    take(element, TXID, ETAG_ATTRIBUTE.name).map(|attribute| attribute.value)
}

fn take<'m>(element: &mut Element<'m>, namespace: &str, name: &str) -> Option<Attribute<'m>> {
    let is_it = |a: &Attribute<'_>| a.name == name && a.namespace.as_ref() == namespace;
    let at = element.attributes.iter().position(is_it)?;
    Some(element.attributes.remove(at))
}

impl Place<'_> {
    fn any(&self) -> Option<&Attribute<'_>> {
        self.insert.as_ref().or(self.key.as_ref()).or(self.value.as_ref())
    }

    /// RFC 7950 sections 7.7.9 and 7.8.6.
    fn insert(
        &self,
        element: &Element<'_>,
        node: &'static Node,
        above: &InstancePath,
        here: &InstancePath,
    ) -> Result<Option<Insert>, Error> {
        let Some(insert) = &self.insert else {
            return match self.key.as_ref().or(self.value.as_ref()) {
                Some(stray) => {
                    let message = format!("\"{}\" goes with \"insert\"", stray.full_name);
                    Err(bad(message, element.name, stray.name).at(here.clone()))
                }
                None => Ok(None),
            };
        };
        let wrong = |message: String, name: &str| Err(bad(message, element.name, name).at(here.clone()));
        if !node.user_ordered() {
            let message = format!("\"{}\" is not ordered by the user", node.name);
            return Err(unknown(&message, element.name, "insert").at(here.clone()));
        }
        let is_list = matches!(node.kind, Kind::List { .. });
        let neighbour = if is_list { &self.key } else { &self.value };
        let neighbour = || -> Result<Key, Error> {
            let name = if is_list { "key" } else { "value" };
            let Some(attribute) = neighbour else {
                let message = format!("\"{}\" needs the attribute \"{name}\"", insert.value.trim());
                let error = Error::protocol(Tag::MissingAttribute, message).at(here.clone());
                return Err(error.info("bad-attribute", name).info("bad-element", element.name));
            };
            let refused = |message: String| bad(message, element.name, name).at(here.clone());
            if is_list {
                let predicates = with_module_names(attribute.value.trim(), &element.scope, &SCHEMA);
                let list = above.child(Step::plain(node));
                let path =
                    InstancePath::parse(&format!("{list}{predicates}"), &SCHEMA, &ModuleNames(&SCHEMA));
                match path.map(|path| path.steps.into_iter().next_back().map(|step| step.selector)) {
                    Ok(Some(Selector::Key(key))) => Ok(key),
                    Ok(_) => Err(refused(format!("\"{}\" names no entry", attribute.value))),
                    Err(reason) => Err(refused(reason)),
                }
            } else {
                let ty = node.ty().ok_or_else(|| refused("there is no value".to_owned()))?;
                let value = types::parse(ty, &attribute.value, &ModuleNames(&SCHEMA), node.module);
                value.map(|value| Key::new(vec![value])).map_err(|e| refused(e.message))
            }
        };
        match insert.value.trim() {
            "first" => Ok(Some(Insert::First)),
            "last" => Ok(Some(Insert::Last)),
            "before" => neighbour().map(|key| Some(Insert::Before(key))),
            "after" => neighbour().map(|key| Some(Insert::After(key))),
            other => wrong(format!("\"{other}\" is not a place: first, last, before, after"), "insert"),
        }
    }
}

fn bad(message: impl Into<String>, element: &str, attribute: &str) -> Error {
    Error::protocol(Tag::BadAttribute, message).info("bad-attribute", attribute).info("bad-element", element)
}

fn invalid(message: &str, node: &Node, path: InstancePath) -> Error {
    Error::application(Tag::InvalidValue, message).at(path).info("bad-element", node.name)
}

fn unknown(message: &str, element: &str, attribute: &str) -> Error {
    Error::protocol(Tag::UnknownAttribute, message)
        .info("bad-attribute", attribute)
        .info("bad-element", element)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::yang::xml::parse::document;

    fn made(config: &str, default: Default) -> Result<Vec<(Operation, String, bool)>, Error> {
        let agent = SCHEMA.module("irtf-agent").unwrap().namespace;
        let text = format!("<config xmlns:nc=\"{NAMESPACE}\" xmlns:a=\"{agent}\">{config}</config>");
        let (edits, _) = edits(document(text.as_bytes(), 16).unwrap(), default, &DecodeOptions::default())?;
        Ok(edits.into_iter().map(|e| (e.operation, e.path.to_string(), e.value.is_some())).collect())
    }

    fn data(id: &str, operation: &str, inner: &str) -> String {
        format!("<a:data-params{operation}><a:id>{id}</a:id>{inner}</a:data-params>")
    }

    const ROOT: &str = "/";

    fn entry(id: &str, leaf: &str) -> String {
        format!("/irtf-agent:data-params[id='{id}']{leaf}")
    }

    #[test]
    fn rfc_6241_section_7_2_what_has_no_operation_is_merged_instance_by_instance() {
        let two = data("a", "", "<a:data>x</a:data>") + &data("b", "", "");
        let merged = [(Operation::Merge, entry("a", ""), true), (Operation::Merge, entry("b", ""), true)];
        assert_eq!(made(&two, Default::Merge).unwrap(), merged);
        assert_eq!(made(&two, Default::Replace).unwrap(), [(Operation::Replace, ROOT.into(), true)]);
        let there = [(Operation::None, entry("a", ""), false), (Operation::None, entry("b", ""), false)];
        assert_eq!(made(&two, Default::None).unwrap(), there, "they have to exist");
        assert_eq!(made("", Default::Merge).unwrap(), []);
    }

    #[test]
    fn rfc_6241_section_7_2_each_operation_is_an_edit_of_its_own() {
        let config = data("a", "", "<a:data nc:operation='delete'/>")
            + &data("b", " nc:operation='create'", "<a:dataType>text</a:dataType>")
            + &data("c", " nc:operation='remove'", "")
            + &data("d", " nc:operation='replace'", "<a:data nc:operation='merge'>y</a:data>");
        let after = [
            (Operation::Delete, entry("a", "/data"), false),
            (Operation::Create, entry("b", ""), true),
            (Operation::Remove, entry("c", ""), false),
            (Operation::Replace, entry("d", ""), true),
            (Operation::Merge, entry("d", "/data"), true),
        ];
        let merged = (Operation::Merge, entry("a", ""), true);
        let all: Vec<_> = std::iter::once(merged).chain(after.clone()).collect();
        assert_eq!(made(&config, Default::Merge).unwrap(), all);
        assert_eq!(made(&config, Default::None).unwrap(), after);
    }

    #[test]
    fn rfc_7950_section_7_8_6_edits_have_the_order_of_the_elements() {
        let config = data("a", "", "<a:dataType>text</a:dataType>")
            + &data("b", " nc:operation='delete'", "")
            + &data("b", "", "<a:data>x</a:data>")
            + &data("c", "", "<a:data>x</a:data><a:url nc:operation='remove'/><a:dataType>text</a:dataType>")
            + &data(
                "d",
                " nc:operation='create'",
                "<a:data nc:operation='replace'>y</a:data><a:format>z</a:format>",
            );
        let around = |first: Vec<_>| {
            let rest = [
                (Operation::Delete, entry("b", ""), false),
                (Operation::Merge, entry("b", ""), true),
                (Operation::Merge, entry("c", ""), true),
                (Operation::Remove, entry("c", "/url"), false),
                (Operation::Merge, entry("c", ""), true),
                (Operation::Create, entry("d", ""), true),
                (Operation::Replace, entry("d", "/data"), true),
                (Operation::Merge, entry("d", ""), true),
            ];
            first.into_iter().chain(rest).collect::<Vec<_>>()
        };
        let merged = around(vec![(Operation::Merge, entry("a", ""), true)]);
        assert_eq!(made(&config, Default::Merge).unwrap(), merged);
        let replaced = [
            (Operation::Replace, ROOT.into(), true),
            (Operation::Delete, entry("b", ""), false),
            (Operation::Remove, entry("c", "/url"), false),
            (Operation::Create, entry("d", ""), true),
            (Operation::Replace, entry("d", "/data"), true),
            (Operation::Merge, entry("d", ""), true),
        ];
        assert_eq!(made(&config, Default::Replace).unwrap(), replaced, "it would be gone in between");
        let twice = |between: &str| data("e", "", &format!("<a:data>x</a:data>{between}<a:data>y</a:data>"));
        for between in ["", "<a:url nc:operation='remove'/>"] {
            assert_eq!(made(&twice(between), Default::Merge).unwrap_err().tag, Tag::BadElement, "{between}");
        }
    }

    #[test]
    fn keys_are_not_repeated_without_end() {
        let acm = SCHEMA.module("ietf-netconf-acm").unwrap().namespace;
        let rules: String = (0..40)
            .map(|n| {
                let operation = if n % 2 == 0 { "" } else { " nc:operation='create'" };
                format!("<n:rule{operation}><n:name>{n}</n:name><n:action>deny</n:action></n:rule>")
            })
            .collect();
        let list = |key: &str| {
            let list = format!("<n:rule-list><n:name>{key}</n:name>{rules}</n:rule-list>");
            made(&format!("<n:nacm xmlns:n='{acm}'>{list}</n:nacm>"), Default::Merge)
        };
        assert_eq!(list("l").map(|edits| edits.len()), Ok(40));
        assert_eq!(list(&"l".repeat(1 << 20)).unwrap_err().tag, Tag::TooBig);
        let one = "<a:data-params><a:id>x</a:id><a:data nc:operation='remove'/></a:data-params>";
        assert!(made(&one.repeat(1000), Default::Merge).is_ok());
    }

    #[test]
    fn what_cannot_stand_there_is_refused_with_its_place() {
        let refused = |config: &str| {
            let error = made(config, Default::Merge).unwrap_err();
            (error.tag, error.path.map(|path| path.to_string()))
        };
        let wrong = " nc:operation='none'";
        assert_eq!(refused(&data("a", wrong, "")), (Tag::BadAttribute, Some(entry("a", ""))));
        let leaf = data("a", "", &format!("<a:data{wrong}>x</a:data>"));
        assert_eq!(refused(&leaf), (Tag::BadAttribute, Some(entry("a", "/data"))));
        let deleted = data("a", " nc:operation='delete'", &format!("<a:data{wrong}/>"));
        assert_eq!(refused(&deleted), (Tag::BadAttribute, Some(entry("a", "/data"))));
        assert_eq!(refused(&data("a", " nc:operations='create'", "")).0, Tag::UnknownAttribute);
        assert_eq!(refused("<a:nosuch/>").0, Tag::UnknownElement);
        assert_eq!(refused("<a:data-params/>").0, Tag::MissingElement);
        let y = format!(" xmlns:y='{YANG}' y:insert='first'");
        assert_eq!(refused(&data("a", &y, "")), (Tag::UnknownAttribute, Some(entry("a", ""))));
        assert_eq!(refused("<a:agent nc:operation='delete'/>").0, Tag::OperationNotSupported);
    }

    #[test]
    fn rfc_6241_section_7_2_what_is_done_to_a_key_is_done_to_its_entry() {
        let y = format!("xmlns:y='{YANG}'");
        let with_key = |operation: &str, key: &str| {
            let inner = format!("<a:data-params {operation} {y}><a:id {key}>k</a:id></a:data-params>");
            made(&inner, Default::Merge).map_err(|error| (error.tag, error.path.map(|path| path.to_string())))
        };
        let refused = Err((Tag::BadAttribute, Some(entry("k", "/id"))));
        for operation in ["delete", "remove", "replace", "create"] {
            let operation = format!("nc:operation='{operation}'");
            assert_eq!(with_key("", &operation), refused, "{operation}");
            assert!(with_key(&operation, &operation).is_ok(), "{operation}");
            assert!(with_key(&operation, "").is_ok(), "{operation}");
        }
        assert_eq!(with_key("nc:operation='delete'", "nc:operation='create'"), refused);
        assert_eq!(with_key("", "y:insert='first'"), refused);
        assert!(with_key("nc:operation='replace'", "nc:operation='merge'").is_ok());
    }

    #[test]
    fn what_stands_in_what_is_deleted_is_of_the_schema_too() {
        for operation in ["delete", "remove"] {
            let operation = format!(" nc:operation='{operation}'");
            let deleted = |inner: &str| made(&data("a", &operation, inner), Default::Merge);
            for right in ["<a:data/>", "<a:dataType/><a:data>x</a:data>", "<a:data nc:operation='remove'/>"] {
                assert_eq!(deleted(right).map(|edits| edits.len()), Ok(1), "{right}");
            }
            let refused = |inner: &str| deleted(inner).unwrap_err().tag;
            assert_eq!(refused("<a:nosuch/>"), Tag::UnknownElement);
            assert_eq!(refused("<a:data other='x'/>"), Tag::UnknownAttribute);
            assert_eq!(refused("<a:data other='x'>x</a:data>"), Tag::UnknownAttribute);
            assert_eq!(refused("<a:dataType>nosuch</a:dataType>"), Tag::InvalidValue);
            assert_eq!(refused("<a:data nc:operation='create'/>"), Tag::BadAttribute);
            let attribute = data("a", &format!("{operation} other='x'"), "");
            assert_eq!(made(&attribute, Default::Merge).unwrap_err().tag, Tag::UnknownAttribute);
            let leaf = |leaf: &str| made(&data("a", "", leaf), Default::Merge);
            assert!(leaf(&format!("<a:dataType{operation}/>")).is_ok());
            let attribute = leaf(&format!("<a:dataType{operation} other='x'/>"));
            assert_eq!(attribute.unwrap_err().tag, Tag::UnknownAttribute);
        }
    }
}
