//! JSON documents to instance data: member names and the JSON form of values.
//!
//! The rules that XML shares are in `yang::decode`.

use std::sync::Arc;

use serde_json::Value as Plain;

use super::parse::{Json, document};
use crate::yang::decode::{
    DecodeOptions, Decoder, Inside, Item, Place, Source, Wrapper, called, candidates, find_child, hint,
};
use crate::yang::error::{Error, Tag};
use crate::yang::metadata::{Annotation, Note};
use crate::yang::path::{InstancePath, Selector, is_name_char};
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
    options: &DecodeOptions<'_>,
) -> Result<Container, Error> {
    let json = document(bytes, options.depth_max)?;
    let place = Place::at(&[]);
    let decoder = Decoder::new(schema, options, parent);
    let inside = json.children(parent, &decoder, &place)?;
    decoder.content(inside.only_children(&place)?, &place)
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
    options: &DecodeOptions<'_>,
) -> Result<Container, Error> {
    let json = document(bytes, options.depth_max)?;
    let place = Place::at(&above.steps);
    let decoder = Decoder::new(schema, options, above.steps.iter().map(|s| s.node));
    let inside = children(json, above.node(), &decoder, &place, true)?;
    decoder.content(inside.only_children(&place)?, &place)
}

/// Decodes a document with one top-level member: the instance that `target` leads to.
///
/// A list entry is an array of one object and comes back as [`Child::Container`]; a leaf-list entry is
/// an array of one value and comes back as [`Child::Leaf`]. Keys or value have to be those of the
/// target's selector. Where the target has no selector, the list or leaf-list as a whole is meant. The
/// target of an operation's input is the path to the operation and one step more. The instance itself is given
/// whatever becomes of its annotations.
///
/// # Errors
/// The text is malformed, has another member or does not fit the schema.
pub fn decode_one(
    bytes: &[u8],
    target: &InstancePath,
    schema: &Schema,
    options: &DecodeOptions<'_>,
) -> Result<Child, Error> {
    let decoder = Decoder::new(schema, options, target.steps.iter().map(|s| s.node));
    let Some((last, above)) = target.steps.split_last() else {
        return decoder.instance(Vec::<(Json<'_>, Vec<Note>)>::new(), target);
    };
    let place = Place::at(above);
    let name = last.node.qualified_name();
    let (json, metadata) = only_member(document(bytes, options.depth_max)?, &name, &place)?;
    let items = items(last.node, json, metadata, &decoder, &place)?;
    decoder.instance(items.into_iter().map(|item| (item.source, item.notes)).collect(), target)
}

/// Decodes a document with one top-level member that stands around the whole datastore.
///
/// # Errors
/// The text is malformed, has another member or does not fit the schema.
pub fn decode_wrapped(
    bytes: &[u8],
    wrapper: &Wrapper,
    schema: &Schema,
    options: &DecodeOptions<'_>,
) -> Result<Container, Error> {
    let name = format!("{}:{}", wrapper.module, wrapper.name);
    let place = Place::at(&[]);
    let (json, metadata) = only_member(document(bytes, options.depth_max)?, &name, &place)?;
    let decoder = Decoder::new(schema, options, None);
    let inside = json.children(None, &decoder, &place)?;
    // What stands around the datastore is no instance, so nothing can be said of it.
    let beside = metadata.map_or(Ok(Vec::new()), |metadata| notes(metadata, None, &decoder, &place))?;
    let around = Inside::<Json<'_>> { own: beside, children: Vec::new() };
    around.only_children(&place)?;
    decoder.content(inside.only_children(&place)?, &place)
}

/// The value of the only member, which has this name, and that of the member with its annotations.
fn only_member<'a>(
    json: Json<'a>,
    wanted: &str,
    place: &Place<'_>,
) -> Result<(Json<'a>, Option<Json<'a>>), Error> {
    let Json::Object(members) = json else {
        return Err(place.error(
            Tag::BadElement,
            wanted,
            format!("an object with the member \"{wanted}\" is expected"),
        ));
    };
    let (mut found, mut metadata) = (None, None);
    for (name, value) in members {
        if name.strip_prefix('@') == Some(wanted) {
            metadata = Some(value);
        } else if name == wanted {
            found = Some(value);
        } else {
            let message = format!("\"{name}\" cannot stand here: only \"{wanted}\" is expected");
            return Err(place.error(Tag::UnknownElement, &name, message));
        }
    }
    let missing = || place.error(Tag::MissingElement, wanted, format!("the member \"{wanted}\" is missing"));
    Ok((found.ok_or_else(missing)?, metadata))
}

impl Source for Json<'_> {
    fn children(
        self,
        parent: Option<&'static Node>,
        decoder: &Decoder<'_>,
        place: &Place<'_>,
    ) -> Result<Inside<Self>, Error> {
        children(self, parent, decoder, place, false)
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

    fn key(&self, leaf: &'static Node, schema: &Schema) -> Option<Result<Value, TypeError>> {
        let Json::Object(members) = self else { return None };
        members.iter().find(|(name, _)| is_name_of(name, leaf)).map(|(_, value)| value.value(leaf, schema))
    }

    fn any(self, node: &'static Node, _: &Schema) -> Result<AnyData, TypeError> {
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
    decoder: &Decoder<'_>,
    place: &Place<'_>,
    top: bool,
) -> Result<Inside<Json<'a>>, Error> {
    let Json::Object(members) = json else {
        let name = parent.map_or("data", |p| p.name);
        return Err(place.error(Tag::BadElement, name, format!("\"{name}\" is a JSON object")));
    };
    let mut inside = Inside { own: Vec::new(), children: Vec::with_capacity(members.len()) };
    let mut described: Vec<(&'static Node, Json<'a>)> = Vec::new();
    let mut values: Vec<(&'static Node, Json<'a>)> = Vec::with_capacity(members.len());
    for (name, value) in members {
        match name.strip_prefix('@') {
            Some("") => inside.own = notes(value, None, decoder, place)?,
            Some(name) => described.push((resolve(name, parent, decoder.schema, place, top)?, value)),
            None => values.push((resolve(&name, parent, decoder.schema, place, top)?, value)),
        }
    }
    for (node, value) in values {
        let metadata = described.iter().position(|(n, _)| *n == node).map(|i| described.swap_remove(i).1);
        match (&node.kind, metadata) {
            (Kind::List { .. } | Kind::LeafList { .. }, metadata) | (_, metadata @ Some(_)) => {
                inside.children.extend(items(node, value, metadata, decoder, place)?);
            }
            // Most members are one instance of which nothing is said.
            (_, None) => inside.children.push(Item { node, source: value, notes: Vec::new() }),
        }
    }
    match described.first() {
        None => Ok(inside),
        Some((node, _)) => {
            let message = format!("\"@{0}\" is about \"{0}\", which is not here", node.name);
            Err(place.below(node, Selector::None).error(Tag::MissingElement, node.name, message))
        }
    }
}

/// The instances of a node in the value of its member, with the annotations of the member beside it
/// (RFC 7952 sections 5.2.3 and 5.2.4).
fn items<'a>(
    node: &'static Node,
    value: Json<'a>,
    metadata: Option<Json<'a>>,
    decoder: &Decoder<'_>,
    place: &Place<'_>,
) -> Result<Vec<Item<Json<'a>>>, Error> {
    let many = matches!(node.kind, Kind::List { .. } | Kind::LeafList { .. });
    let sources = match (many, value) {
        (true, Json::Array(items)) => items,
        (true, _) => return Err(no_array(node, place)),
        (false, value) => vec![value],
    };
    let entries = match (&node.kind, metadata) {
        (_, None) => Vec::new(),
        (Kind::LeafList { .. }, Some(Json::Array(entries))) if entries.len() <= sources.len() => entries,
        (Kind::Leaf { .. } | Kind::AnyXml, Some(metadata)) => vec![metadata],
        (Kind::LeafList { .. }, Some(_)) => {
            let why = "of a leaf-list, it is an array with null or an object for each entry";
            return Err(misplaced(node, why, place));
        }
        (_, Some(_)) => {
            let why = "the annotations of an object stand in its member \"@\"";
            return Err(misplaced(node, why, place));
        }
    };
    let mut entries = entries.into_iter();
    let item = |source| {
        let notes = match entries.next() {
            None => Vec::new(),
            Some(Json::Scalar(Plain::Null)) if many => Vec::new(),
            Some(entry) => notes(entry, Some(node), decoder, place)?,
        };
        Ok(Item { node, source, notes })
    };
    sources.into_iter().map(item).collect()
}

/// The annotations in a metadata object (RFC 7952 section 5.2.1), which is about the child `node` of the place
/// or, with `None`, about the instance there. All of their names are qualified.
fn notes(
    metadata: Json<'_>,
    node: Option<&'static Node>,
    decoder: &Decoder<'_>,
    place: &Place<'_>,
) -> Result<Vec<Note>, Error> {
    let element = node.map_or("@", |node| node.name);
    let below = node.map(|node| place.below(node, Selector::None));
    let at = below.as_ref().unwrap_or(place);
    let Json::Object(members) = metadata else {
        return Err(at.error(Tag::BadElement, element, "annotations are members of an object"));
    };
    let note = |(name, value): (std::borrow::Cow<'_, str>, Json<'_>)| {
        let (module, local) = name.split_once(':').unwrap_or(("", &name));
        let is_it = |a: &Annotation| (module, local) == (a.module.name, a.name);
        let Some(meaning) = decoder.annotation(local, is_it, |m| m.name == module) else {
            return Err(at.unknown_attribute(element, &name, "there is no such annotation here"));
        };
        let (names, value) = (ModuleNames(decoder.schema), value.into_value());
        Decoder::note(meaning, |ty, module| types::parse_json(ty, &value, &names, module), node, place)
    };
    members.into_iter().filter_map(|member| note(member).transpose()).collect()
}

/// Annotations that stand in another form than their node wants.
fn misplaced(node: &'static Node, why: &str, place: &Place<'_>) -> Error {
    let place = place.below(node, Selector::None);
    place.error(Tag::BadElement, node.name, format!("\"@{}\": {why}", node.name))
}

fn no_array(node: &'static Node, place: &Place<'_>) -> Error {
    let kind = if matches!(node.kind, Kind::List { .. }) { "list" } else { "leaf-list" };
    place.error(Tag::BadElement, node.name, format!("\"{}\" is a {kind} and so a JSON array", node.name))
}

/// The node that a member name stands for.
///
/// RFC 7951 section 4: the name is qualified in the top-level object and where the namespace differs from
/// that of the parent, and "in all other cases" it is not; so each node has one name in one place.
pub(in crate::yang) fn resolve(
    name: &str,
    parent: Option<&'static Node>,
    schema: &Schema,
    place: &Place<'_>,
    top: bool,
) -> Result<&'static Node, Error> {
    let is_qualified = |node: &Node| top || node.needs_prefix_below(parent);
    let written = |node: &'static Node| match is_qualified(node) {
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
        Some(node) if is_called(name, node, is_qualified(node)) => Ok(node),
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
            let what = called(parent, |name| format!("\"{name}\""));
            Err(place.error(Tag::UnknownElement, name, format!("{what} has no child \"{name}\"{hint}")))
        }
    }
}

/// Whether a member inside an instance of the parent stands for a child of it.
pub(in crate::yang) fn is_name_of(name: &str, child: &Node) -> bool {
    is_called(name, child, child.needs_prefix_below(child.data_parent()))
}

/// Whether a name is that of a node, where it is qualified or not.
fn is_called(name: &str, node: &Node, is_qualified: bool) -> bool {
    match is_qualified {
        true => name.split_once(':') == Some((node.module.name, node.name)),
        false => name == node.name,
    }
}

/// RFC 7951 section 5.5: the content of an anydata could be modelled with YANG. Values of a leaf-list may
/// repeat, because those of a state leaf-list may (RFC 7950 section 7.7).
pub(in crate::yang) fn check_anydata(value: &Plain) -> Result<(), TypeError> {
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
