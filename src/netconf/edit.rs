//! The configuration in an `<edit-config>` as edits (RFC 6241 section 7.2): which operation each element asks for.
//!
//! What has the same operation as what it stands in stays with that and is one edit; what has its own becomes an edit of its
//! own, after it. Whether an edit can be made is not known here.

use std::mem;

use super::NAMESPACE;
use crate::datastore::defaults::is_default_value;
use crate::datastore::edit::{Edit, Operation};
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
    let mut reader = Reader { options, edits: Vec::new(), known: Vec::new() };
    reader.knows(take_etag(&mut config), &InstancePath::default());
    if config.attributes.iter().any(|attribute| attribute.namespace.as_ref() == NAMESPACE) {
        let message = "<config> is no node, and has no operation";
        return Err(unknown(message, "config", "operation"));
    }
    reader.inside(&mut config, &InstancePath::default(), around)?;
    let rest = xml::decode_inside(config, &SCHEMA, options)?;
    let mut first = Vec::new();
    match default {
        Default::Merge => merges(&rest, &InstancePath::default(), &mut first),
        Default::Replace => first.push(Edit {
            operation: Operation::Replace,
            path: InstancePath::default(),
            value: Some(Child::Container(rest.into())),
            insert: None,
        }),
        Default::None => {}
    }
    first.extend(reader.edits);
    Ok((first, reader.known))
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

struct Reader<'a> {
    options: &'a DecodeOptions<'a>,
    /// In the order of the document, each before those of what stands in it.
    edits: Vec<Edit>,
    /// The txids of the client.
    known: Vec<Precondition>,
}

impl Reader<'_> {
    fn knows(&mut self, txid: Option<String>, path: &InstancePath) {
        self.known.extend(txid.map(|txid| Precondition::TxidOfRunning(path.clone(), txid)));
    }

    /// Takes out of an element what has another operation than `around`, and makes edits of it.
    fn inside(
        &mut self,
        element: &mut Element<'_>,
        path: &InstancePath,
        around: Option<Operation>,
    ) -> Result<(), Error> {
        let mut kept = Vec::with_capacity(element.children.len());
        for mut child in mem::take(&mut element.children) {
            let own = operation(&mut child)?;
            let (place, txid) = (insert_attributes(&mut child), take_etag(&mut child));
            if let Some(key) = key_of(path, &child) {
                self.knows(txid, &path.child(Step::plain(key)));
                // A key is there with its entry, and nothing is done to it that is not done to that.
                let here = || path.child(Step::plain(key));
                if own.is_some_and(|own| own != Operation::Merge && Some(own) != around) {
                    let message = "what is done to a key is done to its entry";
                    return Err(bad(message, child.name, "operation").at(here()));
                }
                if let Some(stray) = place.any() {
                    let message = "a key has no place of its own";
                    return Err(bad(message, child.name, stray.name).at(here()));
                }
                kept.push(child);
                continue;
            }
            let here = configuration(&child, path)?;
            let Some(&Step { node, .. }) = here.steps.last() else { continue };
            self.knows(txid, &here);
            if let Some(is_default) = tag(&mut child, &here)? {
                let in_force = own.or(around);
                if !matches!(in_force, Some(Operation::Create | Operation::Merge | Operation::Replace)) {
                    let message = "what is tagged as a default is created, merged or replaced";
                    return Err(invalid(message, node, here));
                }
                if is_default {
                    let is_created = own == Some(Operation::Create) && own != around;
                    self.set_to_default(child, here, node, is_created)?;
                    continue;
                }
            }
            if let Some(operation @ (Operation::Delete | Operation::Remove)) = own {
                self.deleted(child, &here, node)?;
                self.edits.push(Edit { operation, path: here, value: None, insert: None });
                continue;
            }
            let in_force = own.or(around);
            let insert = place.insert(&child, node, path, &here)?;
            // An entry that is given a place is an edit of its own: only then the others around it are there before.
            let apart = (own.is_some() && own != around) || insert.is_some();
            let at = self.edits.len();
            self.inside_node(&mut child, &here, node, in_force)?;
            match (apart, in_force) {
                (true, Some(operation)) => {
                    let value = Some(xml::decode_element(child, &here, &SCHEMA, self.options)?);
                    self.edits.insert(at, Edit { operation, path: here, value, insert });
                }
                (_, None) if !matches!(node.kind, Kind::Container { .. } | Kind::List { .. }) => {
                    // It is only read to be checked: without an operation, a value says nothing.
                    xml::decode_element(child, &here, &SCHEMA, self.options)?;
                }
                (_, in_force) => {
                    let is_instance =
                        matches!(node.kind, Kind::Container { presence: true } | Kind::List { .. });
                    // What it stands for has to be there, unless something is done in it: then that finds out.
                    if in_force.is_none() && is_instance && self.edits.len() == at {
                        let operation = Operation::None;
                        self.edits.push(Edit { operation, path: here, value: None, insert: None });
                    }
                    kept.push(child);
                }
            }
        }
        element.children = kept;
        Ok(())
    }

    /// Makes a node what it is by default: it is not set (RFC 6243 section 4.5.2).
    fn set_to_default(
        &mut self,
        element: Element<'_>,
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
        mut element: Element<'_>,
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
                let (own, txid) = (operation(&mut child)?, take_etag(&mut child));
                let here = match key_of(path, &child) {
                    Some(key) => path.child(Step::plain(key)),
                    None => configuration(&child, path)?,
                };
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

    fn inside_node(
        &mut self,
        element: &mut Element<'_>,
        path: &InstancePath,
        node: &Node,
        operation: Option<Operation>,
    ) -> Result<(), Error> {
        match node.kind {
            Kind::Container { .. } | Kind::List { .. } => self.inside(element, path, operation),
            _ => Ok(()),
        }
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
    fn what_cannot_stand_there_is_refused_with_its_place() {
        let refused = |config: &str| {
            let error = made(config, Default::Merge).unwrap_err();
            (error.tag, error.path.map(|path| path.to_string()))
        };
        assert_eq!(refused(&data("a", " nc:operation='none'", "")), (Tag::BadAttribute, None));
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
