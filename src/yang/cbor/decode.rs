//! CBOR documents to instance data: member names, SIDs and the CBOR form of values (RFC 9254 sections 4 to 6).
//!
//! Names are those of JSON; the rules that all encodings share are in `yang::decode`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::parse::{Cbor, Key, document};
use super::{Keys, content_of_any, tags};
use crate::yang::decode::{DecodeOptions, Decoder, Inside, Item, Place, Source, Wrapper, candidates};
use crate::yang::encode::EncodeOptions;
use crate::yang::error::{Error, Tag};
use crate::yang::json::{self, check_anydata, is_name_of, resolve};
use crate::yang::path::{InstancePath, Step};
use crate::yang::schema::{Base, Bit, EnumValue, Kind, Module, Node, Schema, Type};
use crate::yang::tree::{self, AnyData, Child, Container};
use crate::yang::types::{self, ModuleNames, TypeError};
use crate::yang::value::Value;

/// Decodes a document whose top-level members are children of the instance `above`: a POST to a datastore
/// or data resource (RFC 8040 section 4.4.1). How many there may be is up to the caller.
///
/// # Errors
/// The document is malformed or does not fit the schema.
pub fn decode_below(
    bytes: &[u8],
    above: &InstancePath,
    schema: &Schema,
    options: &DecodeOptions<'_>,
    keys: Keys,
) -> Result<Container, Error> {
    let data = Data { cbor: document(bytes, options.depth_max)?, reference: 0, keys };
    let place = Place::at(&above.steps);
    let decoder = Decoder::new(schema, options, above.steps.iter().map(|s| s.node));
    let inside = children(data, above.node(), &decoder, &place, true)?;
    decoder.content(inside.children, &place)
}

/// Decodes a document with one top-level member: the instance that `target` leads to, as that of JSON does.
///
/// # Errors
/// The document is malformed, has another member or does not fit the schema.
pub fn decode_one(
    bytes: &[u8],
    target: &InstancePath,
    schema: &Schema,
    options: &DecodeOptions<'_>,
    keys: Keys,
) -> Result<Child, Error> {
    let decoder = Decoder::new(schema, options, target.steps.iter().map(|s| s.node));
    let Some((last, above)) = target.steps.split_last() else {
        return decoder.instance(Vec::<(Data<'_>, _)>::new(), target);
    };
    let place = Place::at(above);
    let data = Data { cbor: document(bytes, options.depth_max)?, reference: 0, keys };
    let data = only_member(data, &last.node.qualified_name(), last.node.key_sid(), &place)?;
    let sources = instances(last.node, data, &place)?;
    decoder.instance(sources.into_iter().map(|source| (source, Vec::new())).collect(), target)
}

/// Decodes a document with one top-level member that stands around the whole datastore.
///
/// # Errors
/// The document is malformed, has another member or does not fit the schema.
pub fn decode_wrapped(
    bytes: &[u8],
    wrapper: &Wrapper,
    schema: &Schema,
    options: &DecodeOptions<'_>,
    keys: Keys,
) -> Result<Container, Error> {
    let name = format!("{}:{}", wrapper.module, wrapper.name);
    let place = Place::at(&[]);
    let data = Data { cbor: document(bytes, options.depth_max)?, reference: 0, keys };
    let data = only_member(data, &name, 0, &place)?;
    let decoder = Decoder::new(schema, options, None);
    let inside = data.children(None, &decoder, &place)?;
    decoder.content(inside.children, &place)
}

/// A data item where it stands.
pub(super) struct Data<'a> {
    pub(super) cbor: Cbor<'a>,
    /// The reference SID of the maps in it.
    pub(super) reference: u64,
    pub(super) keys: Keys,
}

/// The SID that a key in a map with this reference SID means.
fn sid_of(key: &Key<'_>, reference: u64) -> Option<u64> {
    match key {
        Key::Name(_) => None,
        Key::Delta(delta) => u64::try_from(i128::from(reference) + delta).ok(),
        Key::Sid(sid) => Some(*sid),
    }
}

/// The value of the only member, which has this name or SID.
fn only_member<'a>(data: Data<'a>, wanted: &str, sid: u64, place: &Place<'_>) -> Result<Data<'a>, Error> {
    let Cbor::Map(members) = data.cbor else {
        let message = format!("a map with the member \"{wanted}\" is expected");
        return Err(place.error(Tag::BadElement, wanted, message));
    };
    let mut found = None;
    for (key, cbor) in members {
        allowed(&key, data.keys, place)?;
        let reference = match &key {
            Key::Name(name) if name == wanted => 0,
            key if sid > 0 && sid_of(key, 0) == Some(sid) => sid,
            key => {
                let message = format!("\"{key}\" cannot stand here: only \"{wanted}\" is expected");
                return Err(place.error(Tag::UnknownElement, &key.to_string(), message));
            }
        };
        if found.replace(Data { cbor, reference, keys: data.keys }).is_some() {
            return Err(place.error(Tag::BadElement, wanted, format!("\"{wanted}\" stands more than once")));
        }
    }
    found.ok_or_else(|| {
        place.error(Tag::MissingElement, wanted, format!("the member \"{wanted}\" is missing"))
    })
}

/// That the form of a key is the one that the media type tells.
fn allowed(key: &Key<'_>, keys: Keys, place: &Place<'_>) -> Result<(), Error> {
    match (key, keys) {
        (Key::Name(_), Keys::Sids) => Err(place.error(
            Tag::UnknownElement,
            &key.to_string(),
            format!("\"{key}\": a SID is expected (id=sid)"),
        )),
        (Key::Delta(_) | Key::Sid(_), Keys::Names) => Err(place.error(
            Tag::UnknownElement,
            &key.to_string(),
            format!("{key}: a name is expected (id=name)"),
        )),
        _ => Ok(()),
    }
}

impl Source for Data<'_> {
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
        Values { names: &ModuleNames(schema), module: node.module, keys: self.keys }
            .value(ty, &self.cbor, false)
    }

    fn key(&self, leaf: &'static Node, schema: &Schema) -> Option<Result<Value, TypeError>> {
        let Cbor::Map(members) = &self.cbor else { return None };
        let is_it = |key: &Key<'_>| match key {
            Key::Name(name) => is_name_of(name, leaf),
            key => leaf.sid > 0 && sid_of(key, self.reference) == Some(leaf.sid),
        };
        let (_, value) = members.iter().find(|(key, _)| is_it(key))?;
        let names = &ModuleNames(schema);
        Some(Values { names, module: leaf.module, keys: self.keys }.value(leaf.ty()?, value, false))
    }

    fn any(self, node: &'static Node, schema: &Schema) -> Result<AnyData, TypeError> {
        let data = matches!(node.kind, Kind::AnyData);
        let json = match self.cbor {
            Cbor::Map(members) if data => content(members, self.reference, self.keys, schema)?,
            _ if data => return refuse("an anydata is a map".into()),
            cbor => plain(cbor, data)?,
        };
        if data {
            check_anydata(&json)?;
        }
        Ok(AnyData::Json(Arc::new(json)))
    }
}

/// The content of an anydata. What stands there by its SID is decoded by the schema (RFC 9254 section 4.5).
fn content(
    members: Vec<(Key<'_>, Cbor<'_>)>,
    reference: u64,
    keys: Keys,
    schema: &Schema,
) -> Result<Json, TypeError> {
    let wrong = |error: Error| TypeError { message: error.message, app_tag: None };
    let mut object = serde_json::Map::new();
    for (key, cbor) in members {
        allowed(&key, keys, &Place::at(&[])).map_err(wrong)?;
        let Some(sid) = sid_of(&key, reference) else {
            object.insert(key.to_string(), plain(cbor, true)?);
            continue;
        };
        let Some(node) = content_of_any(schema).find(|node| sid > 0 && node.sid == sid) else {
            return refuse(format!("{key}: nothing that an anydata can hold has the SID {sid}"));
        };
        let state = DecodeOptions { allow_state: true, ..DecodeOptions::default() };
        let target = InstancePath { steps: vec![Step::plain(node)] };
        let place = Place::at(&[]);
        let sources = instances(node, Data { cbor, reference: sid, keys }, &place).map_err(wrong)?;
        let sources = sources.into_iter().map(|source| (source, Vec::new())).collect();
        let child = Decoder::new(schema, &state, None).instance(sources, &target).map_err(wrong)?;
        let mut text = Vec::new();
        json::encode_one(node, &child, &mut text, &EncodeOptions { schema, ..EncodeOptions::default() });
        if let Ok(Json::Object(known)) = serde_json::from_slice(&text) {
            object.extend(known);
        }
    }
    Ok(Json::Object(object))
}

/// The members of a map as nodes; `top` where all names have to be qualified.
fn children<'a>(
    data: Data<'a>,
    parent: Option<&'static Node>,
    decoder: &Decoder<'_>,
    place: &Place<'_>,
    top: bool,
) -> Result<Inside<Data<'a>>, Error> {
    let Data { cbor: Cbor::Map(members), reference, keys } = data else {
        let name = parent.map_or("data", |p| p.name);
        return Err(place.error(Tag::BadElement, name, format!("\"{name}\" is a map")));
    };
    let mut children: Vec<Item<Data<'a>>> = Vec::with_capacity(members.len());
    for (key, cbor) in members {
        allowed(&key, keys, place)?;
        let (node, reference) = match (&key, sid_of(&key, reference)) {
            (Key::Name(name), _) => (resolve(name, parent, decoder.schema, place, top)?, 0),
            (_, Some(sid @ 1..)) => {
                match candidates(parent, decoder.schema).into_iter().find(|n| n.sid == sid) {
                    // Two keys can mean one node.
                    Some(node) if children.iter().all(|item| item.node != node) => (node, sid),
                    Some(node) => {
                        let message = format!("\"{}\" stands more than once", node.name);
                        return Err(place.error(Tag::BadElement, node.name, message));
                    }
                    None => {
                        let what = parent.map_or("the datastore".to_owned(), |p| format!("\"{}\"", p.name));
                        let message = format!("{what} has no child with the SID {sid}");
                        return Err(place.error(Tag::UnknownElement, &sid.to_string(), message));
                    }
                }
            }
            _ => {
                let message = format!("{key}: there is no such SID");
                return Err(place.error(Tag::UnknownElement, &key.to_string(), message));
            }
        };
        let item = |source| Item { node, source, notes: Vec::new() };
        children.extend(instances(node, Data { cbor, reference, keys }, place)?.into_iter().map(item));
    }
    Ok(Inside { own: Vec::new(), children })
}

/// The instances of a node in the value of its member.
fn instances<'a>(node: &'static Node, data: Data<'a>, place: &Place<'_>) -> Result<Vec<Data<'a>>, Error> {
    let Data { cbor, reference, keys } = data;
    match (&node.kind, cbor) {
        (Kind::List { .. } | Kind::LeafList { .. }, Cbor::Array(items)) => {
            Ok(items.into_iter().map(|cbor| Data { cbor, reference, keys }).collect())
        }
        (Kind::List { .. } | Kind::LeafList { .. }, _) => {
            Err(place.error(Tag::BadElement, node.name, format!("\"{}\" is an array", node.name)))
        }
        (_, cbor) => Ok(vec![Data { cbor, reference, keys }]),
    }
}

/// What values are read with.
struct Values<'n> {
    names: &'n ModuleNames<'n>,
    module: &'static Module,
    keys: Keys,
}

impl Values<'_> {
    /// A value in the form for its type, which is checked as its text is.
    fn value(&self, ty: &'static Type, cbor: &Cbor<'_>, in_union: bool) -> Result<Value, TypeError> {
        let parse = |text: &str| types::parse(ty, text, self.names, self.module);
        // RFC 9254 section 6.12: what could be taken for another type has a tag in a union.
        let tag = match &ty.base {
            Base::Bits(_) => tags::BITS,
            Base::Enumeration(_) => tags::ENUMERATION,
            Base::IdentityRef(_) => tags::IDENTITY,
            Base::InstanceIdentifier { .. } => tags::INSTANCE,
            _ => 0,
        };
        match (&ty.base, cbor) {
            (Base::LeafRef(leafref), cbor) => self.value(leafref.real, cbor, in_union),
            (Base::Union(members), cbor) => {
                types::in_union(ty, members, |member| self.value(member, cbor, true))
            }
            (_, Cbor::Tagged(given, inner)) if in_union && tag > 0 && *given == tag => match inner.as_ref() {
                Cbor::Text(text) => parse(text),
                inner @ (Cbor::Integer(_) | Cbor::Array(_))
                    if tag == tags::IDENTITY || tag == tags::INSTANCE =>
                {
                    parse(&self.by_sid(&ty.base, inner)?)
                }
                other => refuse(format!("tag {tag} cannot be of {}", kind(other))),
            },
            (Base::Int(..) | Base::Uint(..), Cbor::Integer(number)) => parse(&number.to_string()),
            (Base::Decimal64(..), Cbor::Tagged(tags::DECIMAL, fraction)) => parse(&decimal(fraction)?),
            (Base::String(..), Cbor::Text(text)) => parse(text),
            (Base::Boolean, Cbor::Bool(value)) => Ok(Value::Bool(*value)),
            (Base::Enumeration(values), Cbor::Integer(number)) if !in_union => {
                enumeration(values, i128::from(*number))
            }
            (Base::Bits(bits), cbor @ (Cbor::Bytes(_) | Cbor::Array(_))) if !in_union => {
                parse(&names_of_bits(bits, cbor)?.join(" "))
            }
            (Base::Binary(_), Cbor::Bytes(octets)) => parse(&STANDARD.encode(octets)),
            (Base::IdentityRef(_) | Base::InstanceIdentifier { .. }, Cbor::Text(text)) if !in_union => {
                parse(text)
            }
            (Base::IdentityRef(_) | Base::InstanceIdentifier { .. }, Cbor::Integer(_) | Cbor::Array(_))
                if !in_union =>
            {
                parse(&self.by_sid(&ty.base, cbor)?)
            }
            (Base::Empty, Cbor::Null) => Ok(Value::Empty),
            _ => refuse(format!("{} does not stand for a value of type {}", kind(cbor), ty.name)),
        }
    }

    /// An identity or instance that is told by a SID, as its text (RFC 9254 sections 6.10.1 and 6.13.1).
    fn by_sid(&self, base: &Base, cbor: &Cbor<'_>) -> Result<String, TypeError> {
        let schema = self.names.0;
        let sid = |cbor: &Cbor<'_>| match cbor {
            Cbor::Integer(sid) if self.keys != Keys::Names => u64::try_from(i128::from(*sid)).ok(),
            _ => None,
        };
        let none = || refuse(format!("{} is no SID here", kind(cbor)));
        if let Base::IdentityRef(_) = base {
            let identity = sid(cbor).and_then(|sid| schema.identity_with_sid(sid));
            return identity.map_or_else(none, |identity| Ok(identity.to_string()));
        }
        let (first, rest) = match cbor {
            Cbor::Array(items) => match items.split_first() {
                Some((first, rest)) if !rest.is_empty() => (first, rest),
                _ => return none(),
            },
            cbor => (cbor, &[][..]),
        };
        let Some(node) = sid(first).and_then(|sid| schema.node_with_sid(sid)) else { return none() };
        let mut lists: Vec<_> = std::iter::successors(Some(node), |node| node.data_parent()).collect();
        lists.reverse();
        let leafs = lists.iter().flat_map(|list| list.keys()).copied();
        if leafs.clone().count() != rest.len() {
            return refuse(format!("\"{}\" needs another number of keys", node.name));
        }
        let values = leafs.zip(rest).map(|(leaf, cbor)| {
            let Some(ty) = leaf.ty() else { return none().map(|_| Value::Empty) };
            Values { names: self.names, module: leaf.module, keys: self.keys }.value(ty, cbor, false)
        });
        let mut values = values.collect::<Result<Vec<_>, _>>()?.into_iter();
        let keys = lists.iter().filter(|list| !list.keys().is_empty());
        let keys: Vec<_> =
            keys.map(|list| tree::Key::new(values.by_ref().take(list.keys().len()).collect())).collect();
        match InstancePath::of(node, keys) {
            Ok(path) => Ok(path.to_string()),
            Err(message) => refuse(message),
        }
    }
}

fn enumeration(values: &'static [EnumValue], number: i128) -> Result<Value, TypeError> {
    match values.iter().find(|value| i128::from(value.value) == number) {
        Some(value) => Ok(Value::Enum(value)),
        None => refuse(format!("there is no enum with the value {number}")),
    }
}

/// A decimal fraction as text (RFC 8949 section 3.4.4).
fn decimal(fraction: &Cbor<'_>) -> Result<String, TypeError> {
    /// The digits of an integer of 64 bits.
    const DIGITS: i128 = 20;
    let Cbor::Array(parts) = fraction else { return refuse("a decimal fraction is an array".into()) };
    let [Cbor::Integer(exponent), Cbor::Integer(mantissa)] = parts.as_slice() else {
        return refuse("a decimal fraction has an exponent and a mantissa".into());
    };
    let (exponent, mantissa) = (i128::from(*exponent), i128::from(*mantissa));
    if !(-DIGITS..=DIGITS).contains(&exponent) {
        return refuse(format!("the exponent {exponent} is too large"));
    }
    let sign = if mantissa < 0 { "-" } else { "" };
    let (digits, width) = (mantissa.unsigned_abs(), exponent.unsigned_abs() as usize);
    Ok(match exponent {
        0.. => format!("{sign}{digits}{}", "0".repeat(width)),
        _ => {
            let text = format!("{digits:0>size$}", size = width + 1);
            let (whole, part) = text.split_at(text.len() - width);
            format!("{sign}{whole}.{part}")
        }
    })
}

/// The names of the bits that are set (RFC 9254 section 6.7).
fn names_of_bits(bits: &'static [Bit], cbor: &Cbor<'_>) -> Result<Vec<&'static str>, TypeError> {
    let wrong = |message: &str| refuse(format!("bits: {message}"));
    let items = match cbor {
        Cbor::Array(items) if items.len() > 1 => items.as_slice(),
        Cbor::Bytes(_) => std::slice::from_ref(cbor),
        _ => return wrong("an array has at least two items"),
    };
    let (mut set, mut octet, mut after_bytes) = (Vec::new(), 0_u64, None);
    for item in items {
        match (item, after_bytes) {
            (Cbor::Bytes(octets), None | Some(false)) => {
                for eight in octets.iter() {
                    for bit in (0..8).filter(|bit| eight & (1 << bit) != 0) {
                        // The first that there is not ends it, so there are never more names than bits.
                        set.push(name(bits, octet.saturating_mul(8).saturating_add(bit))?);
                    }
                    octet = octet.saturating_add(1);
                }
                after_bytes = Some(true);
            }
            (Cbor::Integer(skipped), None | Some(true)) => {
                match u64::try_from(i128::from(*skipped)) {
                    Ok(skipped @ 1..) => octet = octet.saturating_add(skipped),
                    _ => return wrong("the number of octets left out is positive"),
                }
                after_bytes = Some(false);
            }
            (Cbor::Bytes(_) | Cbor::Integer(_), _) => return wrong("numbers and byte strings alternate"),
            (other, _) => return wrong(&format!("{} cannot stand among them", kind(other))),
        }
    }
    Ok(set)
}

fn name(bits: &'static [Bit], position: u64) -> Result<&'static str, TypeError> {
    match bits.iter().find(|bit| u64::from(bit.position) == position) {
        Some(bit) => Ok(bit.name),
        None => refuse(format!("there is no bit at position {position}")),
    }
}

/// Content without a schema as the JSON that is held: numbers of 64 bits, decimals and binary as texts, as RFC 7951
/// writes them, and null in an anydata as the empty leaf that it is.
fn plain(cbor: Cbor<'_>, data: bool) -> Result<Json, TypeError> {
    Ok(match cbor {
        Cbor::Integer(number) => match (i32::try_from(i128::from(number)), u32::try_from(i128::from(number)))
        {
            (Ok(number), _) => number.into(),
            (_, Ok(number)) => number.into(),
            _ => number.to_string().into(),
        },
        Cbor::Float(number) => match serde_json::Number::from_f64(number) {
            Some(number) => number.into(),
            None => return refuse("a number that is not finite".into()),
        },
        Cbor::Bytes(octets) => STANDARD.encode(octets).into(),
        Cbor::Text(text) => text.into(),
        Cbor::Bool(value) => value.into(),
        Cbor::Null if data => Json::Array(vec![Json::Null]),
        Cbor::Null => Json::Null,
        Cbor::Array(items) => {
            items.into_iter().map(|item| plain(item, data)).collect::<Result<Vec<_>, _>>()?.into()
        }
        Cbor::Map(members) => {
            let members = members.into_iter().map(|(key, value)| match key {
                Key::Name(name) => Ok((name.into_owned(), plain(value, data)?)),
                key => refuse(format!("{key}: a name is expected, for what has it is not known")),
            });
            Json::Object(members.collect::<Result<_, TypeError>>()?)
        }
        Cbor::Tagged(tags::DECIMAL, fraction) => decimal(&fraction)?.into(),
        Cbor::Tagged(tags::BITS | tags::ENUMERATION | tags::IDENTITY | tags::INSTANCE, inner)
            if matches!(*inner, Cbor::Text(_)) =>
        {
            plain(*inner, data)?
        }
        Cbor::Tagged(tag, _) => return refuse(format!("tag {tag} has no meaning here")),
    })
}

fn kind(cbor: &Cbor<'_>) -> String {
    match cbor {
        Cbor::Integer(number) => format!("the integer {number}"),
        Cbor::Float(_) => "a floating-point number".into(),
        Cbor::Bytes(_) => "a byte string".into(),
        Cbor::Text(_) => "a text".into(),
        Cbor::Bool(_) => "a boolean".into(),
        Cbor::Null => "null".into(),
        Cbor::Array(_) => "an array".into(),
        Cbor::Map(_) => "a map".into(),
        Cbor::Tagged(tag, _) => format!("tag {tag}"),
    }
}

fn refuse<T>(message: String) -> Result<T, TypeError> {
    Err(TypeError { message, app_tag: None })
}
