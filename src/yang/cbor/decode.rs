//! CBOR documents to instance data: member names and the CBOR form of values (RFC 9254 sections 4 to 6).
//!
//! Names are those of JSON; the rules that all encodings share are in `yang::decode`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::parse::{Cbor, document};
use super::tags;
use crate::yang::decode::{DecodeOptions, Decoder, Inside, Item, Place, Source, Wrapper};
use crate::yang::error::{Error, Tag};
use crate::yang::json::{check_anydata, is_name_of, resolve};
use crate::yang::path::InstancePath;
use crate::yang::schema::{Base, Bit, EnumValue, Kind, Module, Node, Schema, Type};
use crate::yang::tree::{AnyData, Child, Container};
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
) -> Result<Container, Error> {
    let cbor = document(bytes, options.depth_max)?;
    let place = Place::at(&above.steps);
    let decoder = Decoder::new(schema, options, above.steps.iter().map(|s| s.node));
    let inside = children(cbor, above.node(), &decoder, &place, true)?;
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
) -> Result<Child, Error> {
    let decoder = Decoder::new(schema, options, target.steps.iter().map(|s| s.node));
    let Some((last, above)) = target.steps.split_last() else {
        return decoder.instance(Vec::<(Cbor<'_>, _)>::new(), target);
    };
    let place = Place::at(above);
    let cbor = only_member(document(bytes, options.depth_max)?, &last.node.qualified_name(), &place)?;
    let sources = instances(last.node, cbor, &place)?;
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
) -> Result<Container, Error> {
    let name = format!("{}:{}", wrapper.module, wrapper.name);
    let place = Place::at(&[]);
    let cbor = only_member(document(bytes, options.depth_max)?, &name, &place)?;
    let decoder = Decoder::new(schema, options, None);
    let inside = cbor.children(None, &decoder, &place)?;
    decoder.content(inside.children, &place)
}

/// The value of the only member, which has this name.
fn only_member<'a>(cbor: Cbor<'a>, wanted: &str, place: &Place<'_>) -> Result<Cbor<'a>, Error> {
    let Cbor::Map(members) = cbor else {
        let message = format!("a map with the member \"{wanted}\" is expected");
        return Err(place.error(Tag::BadElement, wanted, message));
    };
    let mut found = None;
    for (name, value) in members {
        if name != wanted {
            let message = format!("\"{name}\" cannot stand here: only \"{wanted}\" is expected");
            return Err(place.error(Tag::UnknownElement, &name, message));
        }
        found = Some(value);
    }
    found.ok_or_else(|| {
        place.error(Tag::MissingElement, wanted, format!("the member \"{wanted}\" is missing"))
    })
}

impl Source for Cbor<'_> {
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
        value(ty, self, &ModuleNames(schema), node.module, false)
    }

    fn key(&self, leaf: &'static Node) -> Option<&Self> {
        let Cbor::Map(members) = self else { return None };
        members.iter().find(|(name, _)| is_name_of(name, leaf)).map(|(_, value)| value)
    }

    fn any(self, node: &'static Node) -> Result<AnyData, TypeError> {
        let data = matches!(node.kind, Kind::AnyData);
        let json = plain(self, data)?;
        if data {
            if !json.is_object() {
                return refuse("an anydata is a map".into());
            }
            check_anydata(&json)?;
        }
        Ok(AnyData::Json(Arc::new(json)))
    }
}

/// The members of a map as nodes; `top` where all names have to be qualified.
fn children<'a>(
    cbor: Cbor<'a>,
    parent: Option<&'static Node>,
    decoder: &Decoder<'_>,
    place: &Place<'_>,
    top: bool,
) -> Result<Inside<Cbor<'a>>, Error> {
    let Cbor::Map(members) = cbor else {
        let name = parent.map_or("data", |p| p.name);
        return Err(place.error(Tag::BadElement, name, format!("\"{name}\" is a map")));
    };
    let mut children = Vec::with_capacity(members.len());
    for (name, value) in members {
        let node = resolve(&name, parent, decoder.schema, place, top)?;
        let item = |source| Item { node, source, notes: Vec::new() };
        children.extend(instances(node, value, place)?.into_iter().map(item));
    }
    Ok(Inside { own: Vec::new(), children })
}

/// The instances of a node in the value of its member.
fn instances<'a>(node: &'static Node, value: Cbor<'a>, place: &Place<'_>) -> Result<Vec<Cbor<'a>>, Error> {
    match (&node.kind, value) {
        (Kind::List { .. } | Kind::LeafList { .. }, Cbor::Array(items)) => Ok(items),
        (Kind::List { .. } | Kind::LeafList { .. }, _) => {
            Err(place.error(Tag::BadElement, node.name, format!("\"{}\" is an array", node.name)))
        }
        (_, value) => Ok(vec![value]),
    }
}

/// A value in the form for its type, which is checked as its text is.
fn value(
    ty: &'static Type,
    cbor: &Cbor<'_>,
    names: &ModuleNames<'_>,
    module: &'static Module,
    in_union: bool,
) -> Result<Value, TypeError> {
    let parse = |text: &str| types::parse(ty, text, names, module);
    // RFC 9254 section 6.12: what could be taken for another type has a tag in a union.
    let tag = match &ty.base {
        Base::Bits(_) => tags::BITS,
        Base::Enumeration(_) => tags::ENUMERATION,
        Base::IdentityRef(_) => tags::IDENTITY,
        Base::InstanceIdentifier { .. } => tags::INSTANCE,
        _ => 0,
    };
    match (&ty.base, cbor) {
        (Base::LeafRef(leafref), cbor) => value(leafref.real, cbor, names, module, in_union),
        (Base::Union(members), cbor) => {
            types::in_union(ty, members, |member| value(member, cbor, names, module, true))
        }
        (_, Cbor::Tagged(given, inner)) if in_union && tag > 0 && *given == tag => match inner.as_ref() {
            Cbor::Text(text) => parse(text),
            other => refuse(format!("tag {tag} is of a text, not {}", kind(other))),
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
        (Base::Empty, Cbor::Null) => Ok(Value::Empty),
        _ => refuse(format!("{} does not stand for a value of type {}", kind(cbor), ty.name)),
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
            let members =
                members.into_iter().map(|(name, value)| Ok((name.into_owned(), plain(value, data)?)));
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
