//! Instance data to CBOR, written straight out.
//!
//! It never makes a tree of data items.

use std::convert::Infallible;

use minicbor::Encoder;
use minicbor::data::Tag;
use serde_json::Value as Json;

use super::{Keys, content_of_any, tags};
use crate::yang::anydata;
use crate::yang::decode::{DecodeOptions, Wrapper};
use crate::yang::encode::{EncodeOptions, children};
use crate::yang::json;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Base, Kind, Node, Type};
use crate::yang::tree::{Child, Container, List};
use crate::yang::value::{Bits, Value};

/// Writes a datastore with what stands around it. It counts as the first level.
pub fn encode_wrapped(
    wrapper: &Wrapper,
    root: &Container,
    out: &mut Vec<u8>,
    options: &EncodeOptions<'_>,
    keys: Keys,
) {
    write(out, keys, |writer| {
        writer.out.map(1)?.str(&format!("{}:{}", wrapper.module, wrapper.name))?;
        writer.map(root, None, 0, options.levels(), options)
    });
}

/// Writes `{"module:name": …}` or `{SID: …}`: the instance as a document of its own.
///
/// For a list or leaf-list, `child` can be all entries or, as [`Child::Container`] or [`Child::Leaf`], one
/// of them, which is then an array of one. Inputs, outputs and notifications are containers.
pub fn encode_one(
    node: &'static Node,
    child: &Child,
    out: &mut Vec<u8>,
    options: &EncodeOptions<'_>,
    keys: Keys,
) {
    write(out, keys, |writer| {
        writer.out.map(1)?;
        let reference = writer.key(node, None, 0)?;
        let one_of_many = matches!(
            (&node.kind, child),
            (Kind::List { .. }, Child::Container(_)) | (Kind::LeafList { .. }, Child::Leaf(_))
        );
        if one_of_many {
            writer.out.array(1)?;
        }
        writer.child(node, child, reference, options.levels(), options)
    });
}

/// JSON as in RFC 7951 as the CBOR of the same data, for what has no schema: texts stay texts.
pub fn from_json(json: &Json) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, Keys::Names, |writer| writer.any(json, true));
    out
}

type Written = Result<(), minicbor::encode::Error<Infallible>>;

fn write(out: &mut Vec<u8>, keys: Keys, write: impl FnOnce(&mut Writer<'_>) -> Written) {
    // Writing into a vector cannot fail.
    let _ = write(&mut Writer { out: Encoder::new(out), sids: keys == Keys::Sids });
}

struct Writer<'w> {
    out: Encoder<&'w mut Vec<u8>>,
    /// Whether SIDs are written where there are some.
    sids: bool,
}

impl Writer<'_> {
    /// The SID of a node as the difference to that of the map, or its name; and the reference SID of maps in its value
    /// (RFC 9254 section 3.2).
    fn key(
        &mut self,
        node: &'static Node,
        parent: Option<&'static Node>,
        reference: u64,
    ) -> Result<u64, minicbor::encode::Error<Infallible>> {
        match node.key_sid() {
            sid @ 1.. if self.sids => {
                // SIDs have 63 bits.
                self.out.i64(sid.cast_signed().wrapping_sub(reference.cast_signed()))?;
                return Ok(sid);
            }
            _ if node.needs_prefix_below(parent) => self.out.str(&node.qualified_name())?,
            _ => self.out.str(node.name)?,
        };
        Ok(0)
    }

    fn map(
        &mut self,
        container: &Container,
        parent: Option<&'static Node>,
        reference: u64,
        levels: usize,
        options: &EncodeOptions<'_>,
    ) -> Written {
        self.out.map(children(container, parent, levels).count() as u64)?;
        for (node, child) in children(container, parent, levels) {
            let below = self.key(node, parent, reference)?;
            self.child(node, child, below, levels.saturating_sub(1), options)?;
        }
        Ok(())
    }

    fn child(
        &mut self,
        node: &'static Node,
        child: &Child,
        reference: u64,
        levels: usize,
        options: &EncodeOptions<'_>,
    ) -> Written {
        match child {
            Child::Leaf(value) => self.value(node, value),
            Child::Container(container) => self.map(container, Some(node), reference, levels, options),
            Child::LeafList(values) => {
                self.out.array(values.len() as u64)?;
                values.iter().try_for_each(|value| self.value(node, value))
            }
            Child::List(list) => {
                // The length of a list that is made as it is read costs as much as reading it.
                let known = !matches!(list, List::State(_));
                match known {
                    true => self.out.array(list.len() as u64)?,
                    false => self.out.begin_array()?,
                };
                for entry in list.iter() {
                    self.map(&entry, Some(node), reference, levels, options)?;
                }
                if known { Ok(()) } else { self.out.end()?.ok() }
            }
            Child::Any(any) => {
                let json = anydata::as_json(any, node, options.schema);
                match (json.as_ref(), &node.kind) {
                    (Json::Object(members), Kind::AnyData) if self.sids => {
                        self.any_with_sids(members, reference, options)
                    }
                    (json, kind) => self.any(json, matches!(kind, Kind::AnyData)),
                }
            }
        }
    }

    /// The content of an anydata: what the schema knows by its SIDs (RFC 9254 section 4.5).
    fn any_with_sids(
        &mut self,
        members: &serde_json::Map<String, Json>,
        reference: u64,
        options: &EncodeOptions<'_>,
    ) -> Written {
        self.out.map(members.len() as u64)?;
        for (name, value) in members {
            let known =
                content_of_any(options.schema).find(|node| node.sid > 0 && node.qualified_name() == *name);
            let read = known.and_then(|node| {
                let document =
                    Json::Object([(name.clone(), value.clone())].into_iter().collect()).to_string();
                let target = InstancePath { steps: vec![Step::plain(node)] };
                let state = DecodeOptions { allow_state: true, ..DecodeOptions::default() };
                Some((node, json::decode_one(document.as_bytes(), &target, options.schema, &state).ok()?))
            });
            match read {
                Some((node, child)) => {
                    let below = self.key(node, None, reference)?;
                    self.child(node, &child, below, usize::MAX, options)?;
                }
                None => {
                    self.out.str(name)?;
                    self.any(value, true)?;
                }
            }
        }
        Ok(())
    }

    /// An identity or instance by its SID, if it has one (RFC 9254 sections 6.10.1 and 6.13.1).
    fn by_sid(&mut self, value: &Value) -> Result<bool, minicbor::encode::Error<Infallible>> {
        match value {
            Value::Identity(identity) if identity.sid > 0 => self.out.u64(identity.sid)?,
            Value::Instance(path) => {
                let Some(sid) = path.node().map(|node| node.sid).filter(|sid| *sid > 0) else {
                    return Ok(false);
                };
                let keys = path.steps.iter().map(|step| match &step.selector {
                    Selector::Key(key) => Some(step.node.keys().iter().copied().zip(key.values()).collect()),
                    Selector::None => Some(Vec::new()),
                    // There is no form for these.
                    Selector::Value(_) | Selector::Position(_) => None,
                });
                let Some(keys) = keys.collect::<Option<Vec<Vec<_>>>>() else { return Ok(false) };
                let keys = keys.concat();
                if !keys.is_empty() {
                    self.out.array(keys.len() as u64 + 1)?;
                }
                self.out.u64(sid)?;
                keys.into_iter().try_for_each(|(leaf, value)| self.value(leaf, value))?;
                &mut self.out
            }
            _ => return Ok(false),
        };
        Ok(true)
    }

    /// A value in the form for its type (RFC 9254 section 6).
    fn value(&mut self, node: &Node, value: &Value) -> Written {
        let in_union = node.ty().is_some_and(|ty| matches!(real(ty).base, Base::Union(_)));
        let tagged = match value {
            Value::Bits(_) => tags::BITS,
            Value::Enum(_) => tags::ENUMERATION,
            Value::Identity(_) => tags::IDENTITY,
            Value::Instance(_) => tags::INSTANCE,
            _ => 0,
        };
        if in_union && tagged > 0 {
            self.out.tag(Tag::new(tagged))?;
        }
        if self.sids && self.by_sid(value)? {
            return Ok(());
        }
        if in_union && tagged > 0 {
            return self.out.str(&value.canonical())?.ok();
        }
        match value {
            Value::Int32(number) => self.out.i32(*number)?.ok(),
            Value::Int64(number) => self.out.i64(*number)?.ok(),
            Value::Uint32(number) => self.out.u32(*number)?.ok(),
            Value::Uint64(number) => self.out.u64(*number)?.ok(),
            Value::Decimal64(number) => {
                self.out.tag(Tag::new(tags::DECIMAL))?.array(2)?;
                let exponent = -i32::from(number.fraction);
                self.out.i32(exponent)?.i64(number.digits)?.ok()
            }
            Value::Bool(value) => self.out.bool(*value)?.ok(),
            Value::String(text) => self.out.str(text)?.ok(),
            Value::Enum(value) => self.out.i32(value.value)?.ok(),
            Value::Bits(bits) => self.bits(bits),
            Value::Binary(octets) => self.out.bytes(octets)?.ok(),
            Value::Empty => self.out.null()?.ok(),
            Value::Identity(_) | Value::Instance(_) => self.out.str(&value.canonical())?.ok(),
        }
    }

    /// Byte strings of the bits that are near to each other, with the number of octets left out before each of them
    /// (RFC 9254 section 6.7).
    fn bits(&mut self, bits: &Bits) -> Written {
        /// A number and the head of another string take about as much.
        const GAP_MAX: u32 = 3;
        let mut parts: Vec<(u32, Vec<u8>)> = Vec::new();
        let mut end = 0;
        for bit in bits.0.iter() {
            let octet = bit.position / 8;
            let gap = octet.saturating_sub(end);
            match parts.last_mut() {
                Some((_, octets)) if octet < end => {
                    if let Some(last) = octets.last_mut() {
                        *last |= 1 << (bit.position % 8);
                    }
                    continue;
                }
                Some((_, octets)) if gap <= GAP_MAX => octets.extend((0..gap).map(|_| 0)),
                None if gap <= GAP_MAX => parts.push((0, vec![0; gap as usize])),
                _ => parts.push((gap, Vec::new())),
            }
            if let Some((_, octets)) = parts.last_mut() {
                octets.push(1 << (bit.position % 8));
            }
            end = octet + 1;
        }
        match parts.as_slice() {
            [] => self.out.bytes(&[])?.ok(),
            [(0, octets)] => self.out.bytes(octets)?.ok(),
            parts => {
                let items = parts.iter().map(|(skipped, _)| 1 + u64::from(*skipped > 0)).sum();
                self.out.array(items)?;
                for (skipped, octets) in parts {
                    if *skipped > 0 {
                        self.out.u32(*skipped)?;
                    }
                    self.out.bytes(octets)?;
                }
                Ok(())
            }
        }
    }

    /// Content without a schema. In an anydata, `[null]` is an empty leaf (RFC 7951 section 6.9); an anyxml is what it is.
    fn any(&mut self, json: &Json, data: bool) -> Written {
        match json {
            Json::Null => self.out.null()?.ok(),
            Json::Bool(value) => self.out.bool(*value)?.ok(),
            Json::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => self.out.u64(number)?.ok(),
                (_, Some(number), _) => self.out.i64(number)?.ok(),
                (_, _, number) => self.out.f64(number.unwrap_or_default())?.ok(),
            },
            Json::String(text) => self.out.str(text)?.ok(),
            Json::Array(items) if data && matches!(items.as_slice(), [Json::Null]) => self.out.null()?.ok(),
            Json::Array(items) => {
                self.out.array(items.len() as u64)?;
                items.iter().try_for_each(|item| self.any(item, data))
            }
            Json::Object(members) => {
                self.out.map(members.len() as u64)?;
                members.iter().try_for_each(|(name, value)| {
                    self.out.str(name)?;
                    self.any(value, data)
                })
            }
        }
    }
}

/// The type itself, or that of what a leafref refers to.
fn real(ty: &'static Type) -> &'static Type {
    match &ty.base {
        Base::LeafRef(leafref) => real(leafref.real),
        _ => ty,
    }
}
