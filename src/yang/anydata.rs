//! anydata and anyxml in the encoding in which they did not come.
//!
//! There is no schema for the content (RFC 7950 section 7.10), so the rules are simple and lose what the
//! other encoding cannot say:
//!
//! - JSON to XML: a member becomes an element, an array one element for each item, a scalar its text, and
//!   `[null]` an empty element. `module:name` gets the namespace of the module. A module that is not known
//!   lends its name as namespace, so that the way back restores it.
//! - XML to JSON: an element becomes a member, repeated elements an array, text a string. So a list of one
//!   entry becomes an object, a number a string, and an empty element the empty string; attributes,
//!   comments and text beside elements are lost.
//!
//! What cannot be kept is refused where it comes in ([`kept`]), and never in what is stored already.

use std::borrow::Cow;

use serde_json::Value as Json;
use serde_json::map::Entry;

use super::path::is_name_char;
use super::schema::{Kind, Node, Schema};
use super::tree::AnyData;
use super::types::is_yang_char;
use super::xml::escape;
use super::xml::parse::{Element, document, is_name};

/// Whether content that came as JSON comes back as it is, in each encoding.
///
/// # Errors
/// What does not: a character that a YANG string cannot have, or a whole number that is rounded.
pub fn kept(value: &Json) -> Result<(), String> {
    /// From here on a number is no integer of 64 bits, and what is said of it was rounded when it was read.
    const LARGE: f64 = 9_223_372_036_854_775_808.0;
    let text = |text: &str| match text.chars().find(|c| !is_yang_char(*c)) {
        Some(c) => Err(format!("character U+{:04X} cannot stand in a YANG string", c as u32)),
        None => Ok(()),
    };
    match value {
        Json::Null | Json::Bool(_) => Ok(()),
        Json::Number(number) => match number.as_f64() {
            Some(whole) if number.is_f64() && whole.abs() >= LARGE => Err(format!(
                "the number {number} has more than 64 bits and would be rounded; a string keeps it"
            )),
            _ => Ok(()),
        },
        Json::String(value) => text(value),
        Json::Array(items) => items.iter().try_for_each(kept),
        Json::Object(members) => {
            members.iter().try_for_each(|(name, value)| text(name).and_then(|()| kept(value)))
        }
    }
}

/// The content of the anydata or anyxml `node` as JSON.
pub fn as_json<'d>(data: &'d AnyData, node: &Node, schema: &Schema) -> Cow<'d, Json> {
    const DEPTH_MAX: usize = 256;
    match data {
        AnyData::Json(json) => Cow::Borrowed(json),
        AnyData::Xml(text) => {
            let wrapped = format!("<content>{text}</content>");
            Cow::Owned(match document(wrapped.as_bytes(), DEPTH_MAX) {
                Ok(root) if root.children.is_empty() && matches!(node.kind, Kind::AnyData) => {
                    Json::Object(serde_json::Map::new())
                }
                Ok(root) => to_json(&root, node.module.name, schema),
                // Decoding keeps only what is well-formed.
                Err(_) => Json::String(text.to_string()),
            })
        }
    }
}

/// The content of the anydata or anyxml `node` as XML, for a place where the default namespace is that of
/// the node.
pub fn as_xml<'d>(data: &'d AnyData, node: &Node, schema: &Schema) -> Cow<'d, str> {
    match data {
        AnyData::Xml(text) => Cow::Borrowed(text),
        AnyData::Json(json) => {
            let mut text = String::new();
            write_xml(json, node.module.name, schema, &mut text);
            Cow::Owned(text)
        }
    }
}

/// The value of an element whose own name is in `module`.
fn to_json(element: &Element<'_>, module: &str, schema: &Schema) -> Json {
    if element.children.is_empty() {
        return Json::String(element.text.to_string());
    }
    let mut object = serde_json::Map::new();
    for child in &element.children {
        let namespace = child.namespace.as_ref();
        let child_module = match schema.modules.iter().find(|m| m.namespace == namespace) {
            Some(module) => Some(module.name),
            None => is_identifier(namespace).then_some(namespace),
        };
        let name = match child_module {
            Some(name) if name != module => format!("{name}:{}", child.name),
            _ => child.name.to_owned(),
        };
        let value = to_json(child, child_module.unwrap_or(module), schema);
        match object.entry(name) {
            Entry::Vacant(slot) => {
                slot.insert(value);
            }
            Entry::Occupied(mut slot) => match slot.get_mut() {
                // A single value is never an array, so this one was made here.
                Json::Array(items) => items.push(value),
                single => *single = Json::Array(vec![single.take(), value]),
            },
        }
    }
    Json::Object(object)
}

/// Writes a value whose member name is in `module`.
fn write_xml(value: &Json, module: &str, schema: &Schema, out: &mut String) {
    match value {
        Json::Null => {}
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(number) => out.push_str(&number.to_string()),
        Json::String(text) => out.push_str(&escape(text)),
        // An array that is no member has no name of its own.
        Json::Array(items) => items.iter().for_each(|item| write_xml(item, module, schema, out)),
        Json::Object(members) => {
            for (name, value) in members {
                match value {
                    Json::Array(items) => {
                        items.iter().for_each(|item| write_element(name, item, module, schema, out))
                    }
                    value => write_element(name, value, module, schema, out),
                }
            }
        }
    }
}

/// Writes a member as an element, below one in `above`.
fn write_element(name: &str, value: &Json, above: &str, schema: &Schema, out: &mut String) {
    let (module, local) = match name.split_once(':') {
        Some((module, local)) => (module, local),
        None => (above, name),
    };
    let local = element_name(local);
    out.push('<');
    out.push_str(&local);
    if module != above {
        let known = schema.modules.iter().find(|m| m.name == module);
        out.push_str(&format!(" xmlns=\"{}\"", escape(known.map_or(module, |m| m.namespace))));
    }
    out.push('>');
    write_xml(value, module, schema, out);
    out.push_str(&format!("</{local}>"));
}

/// The name itself, unless XML cannot have it, as only the members of an anyxml can be.
fn element_name(name: &str) -> Cow<'_, str> {
    match is_name(name) {
        true => Cow::Borrowed(name),
        false => Cow::Owned(format!("_{}", name.replace(|c: char| !is_name_char(c), "_"))),
    }
}

/// Whether a text is a YANG identifier (RFC 7950 section 6.2).
fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(is_name_char)
}
