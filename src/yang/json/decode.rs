//! JSON documents to instance data: member names and the JSON form of values.
//!
//! The rules that XML shares are in `yang::decode`.

use std::sync::Arc;

use serde_json::Value as Plain;

use super::parse::{Json, document};
use crate::yang::decode::{DecodeOptions, Decoder, Place, Source, Wrapper, candidates, find_child, hint};
use crate::yang::error::{Error, Tag};
use crate::yang::path::{InstancePath, is_name_char};
use crate::yang::schema::{Kind, Node, Schema};
use crate::yang::tree::{AnyData, Child, Container};
use crate::yang::types::{self, ModuleNames, TypeError};
use crate::yang::value::Value;

/// Decodes the object that stands as the value of `parent`, or of the root: what
/// [`encode_children`](super::encode_children) writes.
///
/// # Errors
/// The text is malformed or does not fit the schema; the path is relative to `parent`.
pub fn decode_children(
    bytes: &[u8],
    parent: Option<&'static Node>,
    schema: &Schema,
    options: &DecodeOptions,
) -> Result<Container, Error> {
    let json = document(bytes, options.depth_max)?;
    let place = Place::at(&[]);
    let children = json.children(parent, schema, &place)?;
    Decoder::new(schema, options, parent).content(children, &place)
}

/// Decodes a document whose top-level members are children of the instance `above`: a POST to a datastore
/// or data resource (RFC 8040 section 4.4.1). How many there may be is up to the caller.
///
/// # Errors
/// The text is malformed or does not fit the schema.
pub fn decode_below(
    bytes: &[u8],
    above: &InstancePath,
    schema: &Schema,
    options: &DecodeOptions,
) -> Result<Container, Error> {
    let json = document(bytes, options.depth_max)?;
    let place = Place::at(&above.steps);
    let children = children(json, above.node(), schema, &place, true)?;
    Decoder::new(schema, options, above.steps.iter().map(|s| s.node)).content(children, &place)
}

/// Decodes a document with one top-level member: the instance that `target` leads to.
///
/// A list entry is an array of one object and comes back as [`Child::Container`]; a leaf-list entry is
/// an array of one value and comes back as [`Child::Leaf`]. Keys or value have to be those of the
/// target's selector. Where the target has no selector, the list or leaf-list as a whole is meant. The
/// target of an operation's input is the path to the operation and one step more.
///
/// # Errors
/// The text is malformed, has another member or does not fit the schema.
pub fn decode_one(
    bytes: &[u8],
    target: &InstancePath,
    schema: &Schema,
    options: &DecodeOptions,
) -> Result<Child, Error> {
    let decoder = Decoder::new(schema, options, target.steps.iter().map(|s| s.node));
    let Some((last, above)) = target.steps.split_last() else {
        return decoder.instance(Vec::<Json<'_>>::new(), target);
    };
    let place = Place::at(above);
    let json = only_member(document(bytes, options.depth_max)?, &last.node.qualified_name(), &place)?;
    let sources = match (&last.node.kind, json) {
        (Kind::List { .. } | Kind::LeafList { .. }, Json::Array(items)) => items,
        (Kind::List { .. } | Kind::LeafList { .. }, _) => return Err(no_array(last.node, &place)),
        (_, json) => vec![json],
    };
    decoder.instance(sources, target)
}

/// Decodes a document with one top-level member that stands around the whole datastore.
///
/// # Errors
/// The text is malformed, has another member or does not fit the schema.
pub fn decode_wrapped(
    bytes: &[u8],
    wrapper: &Wrapper,
    schema: &Schema,
    options: &DecodeOptions,
) -> Result<Container, Error> {
    let name = format!("{}:{}", wrapper.module, wrapper.name);
    let place = Place::at(&[]);
    let json = only_member(document(bytes, options.depth_max)?, &name, &place)?;
    let children = json.children(None, schema, &place)?;
    Decoder::new(schema, options, None).content(children, &place)
}

/// The value of the only member, which has this name.
fn only_member<'a>(json: Json<'a>, wanted: &str, place: &Place<'_>) -> Result<Json<'a>, Error> {
    let Json::Object(members) = json else {
        return Err(place.error(
            Tag::BadElement,
            wanted,
            format!("an object with the member \"{wanted}\" is expected"),
        ));
    };
    let mut found = None;
    for (name, value) in members {
        if name.starts_with('@') {
            metadata(&name, &value, place)?;
        } else if name == wanted {
            found = Some(value);
        } else {
            let message = format!("\"{name}\" cannot stand here: only \"{wanted}\" is expected");
            return Err(place.error(Tag::UnknownElement, &name, message));
        }
    }
    found.ok_or_else(|| {
        place.error(Tag::MissingElement, wanted, format!("the member \"{wanted}\" is missing"))
    })
}

impl Source for Json<'_> {
    fn children(
        self,
        parent: Option<&'static Node>,
        schema: &Schema,
        place: &Place<'_>,
    ) -> Result<Vec<(&'static Node, Self)>, Error> {
        children(self, parent, schema, place, false)
    }

    fn value(&self, node: &'static Node, schema: &Schema) -> Result<Value, TypeError> {
        let Some(ty) = node.ty() else { return refuse(format!("\"{}\" has no value", node.name)) };
        let parse = |value: &Plain| types::parse_json(ty, value, &ModuleNames(schema), node.module);
        match self {
            Json::Scalar(value) => parse(value),
            Json::Array(items) => match items.as_slice() {
                [Json::Scalar(value)] => parse(&Plain::Array(vec![value.clone()])),
                _ => parse(&Plain::Array(Vec::new())),
            },
            Json::Object(_) => parse(&Plain::Object(serde_json::Map::new())),
        }
    }

    fn any(self, node: &'static Node) -> Result<AnyData, TypeError> {
        let value = self.into_value();
        if matches!(node.kind, Kind::AnyData) {
            if !value.is_object() {
                return refuse(format!("an anydata is a JSON object, not {}", types::json_kind(&value)));
            }
            check_anydata(&value)?;
        }
        Ok(AnyData::Json(Arc::new(value)))
    }
}

/// The members of an object as nodes; `top` where all names have to be qualified.
fn children<'a>(
    json: Json<'a>,
    parent: Option<&'static Node>,
    schema: &Schema,
    place: &Place<'_>,
    top: bool,
) -> Result<Vec<(&'static Node, Json<'a>)>, Error> {
    let Json::Object(members) = json else {
        let name = parent.map_or("data", |p| p.name);
        return Err(place.error(Tag::BadElement, name, format!("\"{name}\" is a JSON object")));
    };
    let mut children = Vec::with_capacity(members.len());
    for (name, value) in members {
        if name.starts_with('@') {
            metadata(&name, &value, place)?;
            continue;
        }
        let node = resolve(&name, parent, schema, place, top)?;
        match (&node.kind, value) {
            (Kind::List { .. } | Kind::LeafList { .. }, Json::Array(items)) => {
                children.extend(items.into_iter().map(|item| (node, item)));
            }
            (Kind::List { .. } | Kind::LeafList { .. }, _) => return Err(no_array(node, place)),
            (_, value) => children.push((node, value)),
        }
    }
    Ok(children)
}

fn no_array(node: &'static Node, place: &Place<'_>) -> Error {
    let kind = if matches!(node.kind, Kind::List { .. }) { "list" } else { "leaf-list" };
    place.error(Tag::BadElement, node.name, format!("\"{}\" is a {kind} and so a JSON array", node.name))
}

/// The node that a member name stands for.
///
/// RFC 7951 section 4: the name is qualified in the top-level object and where the namespace differs from
/// that of the parent, and "in all other cases" it is not; so each node has one name in one place.
fn resolve(
    name: &str,
    parent: Option<&'static Node>,
    schema: &Schema,
    place: &Place<'_>,
    top: bool,
) -> Result<&'static Node, Error> {
    let written = |node: &'static Node| match top || node.needs_prefix_below(parent) {
        true => node.qualified_name(),
        false => node.name.to_owned(),
    };
    let node = match (name.split_once(':'), parent) {
        (Some((module, local)), _) => {
            let Some(module) = schema.module(module) else {
                let message = format!("\"{name}\": there is no implemented module \"{module}\"");
                let error = place.error(Tag::UnknownNamespace, name, message);
                return Err(error.info("bad-namespace", module));
            };
            find_child(parent, module, local)
        }
        (None, Some(parent)) => parent.child(parent.module, name),
        (None, None) => None,
    };
    match node {
        Some(node) if written(node) == name => Ok(node),
        Some(node) => {
            let message =
                format!("\"{name}\" has to be written \"{}\" here (RFC 7951 section 4)", written(node));
            Err(place.error(Tag::UnknownElement, name, message))
        }
        None => {
            let possible: Vec<String> = candidates(parent, schema).into_iter().map(written).collect();
            // A name that only lacks its qualifier is as near as can be.
            let local = name.split_once(':').map_or(name, |(_, local)| local);
            let same = possible.iter().find(|p| p.split_once(':').is_some_and(|(_, p)| p == local));
            let hint = match same {
                Some(same) => format!("; did you mean \"{same}\"?"),
                None => hint(name, &possible),
            };
            let what = parent.map_or("the datastore".to_owned(), |p| format!("\"{}\"", p.name));
            Err(place.error(Tag::UnknownElement, name, format!("{what} has no child \"{name}\"{hint}")))
        }
    }
}

/// Metadata annotations (RFC 7952 section 5.2) are understood only if there are none.
fn metadata(name: &str, value: &Json<'_>, place: &Place<'_>) -> Result<(), Error> {
    let none = |json: &Json<'_>| match json {
        Json::Object(members) => members.is_empty(),
        Json::Scalar(value) => value.is_null(),
        Json::Array(_) => false,
    };
    let empty = match value {
        Json::Array(items) => items.iter().all(none),
        Json::Object(members) => members.is_empty(),
        Json::Scalar(_) => false,
    };
    if empty {
        return Ok(());
    }
    let element = name.trim_start_matches('@');
    let message = format!("\"{name}\": the server knows no metadata annotations");
    Err(place.error(Tag::UnknownAttribute, element, message).info("bad-attribute", name))
}

/// RFC 7951 section 5.5: the content of an anydata could be modelled with YANG. Values of a leaf-list may
/// repeat, because those of a state leaf-list may (RFC 7950 section 7.7).
fn check_anydata(value: &Plain) -> Result<(), TypeError> {
    match value {
        Plain::Null => refuse("null can only stand in [null]".into()),
        Plain::Bool(_) | Plain::Number(_) | Plain::String(_) => Ok(()),
        Plain::Object(members) => members.iter().try_for_each(|(name, value)| match is_member_name(name) {
            true => check_anydata(value),
            false => refuse(format!("the member {name:?} has no YANG name")),
        }),
        Plain::Array(items) => {
            let objects = items.iter().filter(|item| item.is_object()).count();
            match items.as_slice() {
                [Plain::Null] => Ok(()),
                items if objects == items.len() => items.iter().try_for_each(check_anydata),
                items if objects == 0 && !items.iter().any(Plain::is_array) => {
                    items.iter().try_for_each(check_anydata)
                }
                _ => refuse("an array holds either only objects or only scalars".into()),
            }
        }
    }
}

/// The `member-name` of RFC 7951 section 4.
fn is_member_name(name: &str) -> bool {
    let identifier = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(is_name_char)
    };
    match name.split_once(':') {
        Some((module, local)) => identifier(module) && identifier(local),
        None => identifier(name),
    }
}

fn refuse<T>(message: String) -> Result<T, TypeError> {
    Err(TypeError { message, app_tag: None })
}
