//! Instance data to CBOR, written straight out.
//!
//! It never makes a tree of data items.

use std::convert::Infallible;

use minicbor::Encoder;
use minicbor::data::Tag;
use serde_json::Value as Json;

use super::tags;
use crate::yang::anydata;
use crate::yang::decode::Wrapper;
use crate::yang::encode::{EncodeOptions, children};
use crate::yang::schema::{Base, Kind, Node, Type};
use crate::yang::tree::{Child, Container, List};
use crate::yang::value::{Bits, Value};

/// Writes a datastore with what stands around it. It counts as the first level.
pub fn encode_wrapped(wrapper: &Wrapper, root: &Container, out: &mut Vec<u8>, options: &EncodeOptions<'_>) {
    write(out, |writer| {
        writer.0.map(1)?.str(&format!("{}:{}", wrapper.module, wrapper.name))?;
        writer.map(root, None, options.levels(), options)
    });
}

/// Writes `{"module:name": …}`: the instance as a document of its own.
///
/// For a list or leaf-list, `child` can be all entries or, as [`Child::Container`] or [`Child::Leaf`], one
/// of them, which is then an array of one. Inputs, outputs and notifications are containers.
pub fn encode_one(node: &'static Node, child: &Child, out: &mut Vec<u8>, options: &EncodeOptions<'_>) {
    write(out, |writer| {
        writer.0.map(1)?.str(&node.qualified_name())?;
        let one_of_many = matches!(
            (&node.kind, child),
            (Kind::List { .. }, Child::Container(_)) | (Kind::LeafList { .. }, Child::Leaf(_))
        );
        if one_of_many {
            writer.0.array(1)?;
        }
        writer.child(node, child, options.levels(), options)
    });
}

/// JSON as in RFC 7951 as the CBOR of the same data, for what has no schema: texts stay texts.
pub fn from_json(json: &Json) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, |writer| writer.any(json, true));
    out
}

type Written = Result<(), minicbor::encode::Error<Infallible>>;

fn write(out: &mut Vec<u8>, write: impl FnOnce(&mut Writer<'_>) -> Written) {
    // Writing into a vector cannot fail.
    let _ = write(&mut Writer(Encoder::new(out)));
}

struct Writer<'w>(Encoder<&'w mut Vec<u8>>);

impl Writer<'_> {
    fn map(
        &mut self,
        container: &Container,
        parent: Option<&'static Node>,
        levels: usize,
        options: &EncodeOptions<'_>,
    ) -> Written {
        self.0.map(children(container, parent, levels).count() as u64)?;
        for (node, child) in children(container, parent, levels) {
            match node.needs_prefix_below(parent) {
                true => self.0.str(&node.qualified_name())?,
                false => self.0.str(node.name)?,
            };
            self.child(node, child, levels.saturating_sub(1), options)?;
        }
        Ok(())
    }

    fn child(
        &mut self,
        node: &'static Node,
        child: &Child,
        levels: usize,
        options: &EncodeOptions<'_>,
    ) -> Written {
        match child {
            Child::Leaf(value) => self.value(node, value),
            Child::Container(container) => self.map(container, Some(node), levels, options),
            Child::LeafList(values) => {
                self.0.array(values.len() as u64)?;
                values.iter().try_for_each(|value| self.value(node, value))
            }
            Child::List(list) => {
                // The length of a list that is made as it is read costs as much as reading it.
                let known = !matches!(list, List::State(_));
                match known {
                    true => self.0.array(list.len() as u64)?,
                    false => self.0.begin_array()?,
                };
                for entry in list.iter() {
                    self.map(&entry, Some(node), levels, options)?;
                }
                if known { Ok(()) } else { self.0.end()?.ok() }
            }
            Child::Any(any) => self.any(
                anydata::as_json(any, node, options.schema).as_ref(),
                matches!(node.kind, Kind::AnyData),
            ),
        }
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
            self.0.tag(Tag::new(tagged))?;
            return self.0.str(&value.canonical())?.ok();
        }
        match value {
            Value::Int32(number) => self.0.i32(*number)?.ok(),
            Value::Int64(number) => self.0.i64(*number)?.ok(),
            Value::Uint32(number) => self.0.u32(*number)?.ok(),
            Value::Uint64(number) => self.0.u64(*number)?.ok(),
            Value::Decimal64(number) => {
                self.0.tag(Tag::new(tags::DECIMAL))?.array(2)?;
                let exponent = -i32::from(number.fraction);
                self.0.i32(exponent)?.i64(number.digits)?.ok()
            }
            Value::Bool(value) => self.0.bool(*value)?.ok(),
            Value::String(text) => self.0.str(text)?.ok(),
            Value::Enum(value) => self.0.i32(value.value)?.ok(),
            Value::Bits(bits) => self.bits(bits),
            Value::Binary(octets) => self.0.bytes(octets)?.ok(),
            Value::Empty => self.0.null()?.ok(),
            Value::Identity(_) | Value::Instance(_) => self.0.str(&value.canonical())?.ok(),
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
            [] => self.0.bytes(&[])?.ok(),
            [(0, octets)] => self.0.bytes(octets)?.ok(),
            parts => {
                let items = parts.iter().map(|(skipped, _)| 1 + u64::from(*skipped > 0)).sum();
                self.0.array(items)?;
                for (skipped, octets) in parts {
                    if *skipped > 0 {
                        self.0.u32(*skipped)?;
                    }
                    self.0.bytes(octets)?;
                }
                Ok(())
            }
        }
    }

    /// Content without a schema. In an anydata, `[null]` is an empty leaf (RFC 7951 section 6.9); an anyxml is what it is.
    fn any(&mut self, json: &Json, data: bool) -> Written {
        match json {
            Json::Null => self.0.null()?.ok(),
            Json::Bool(value) => self.0.bool(*value)?.ok(),
            Json::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => self.0.u64(number)?.ok(),
                (_, Some(number), _) => self.0.i64(number)?.ok(),
                (_, _, number) => self.0.f64(number.unwrap_or_default())?.ok(),
            },
            Json::String(text) => self.0.str(text)?.ok(),
            Json::Array(items) if data && matches!(items.as_slice(), [Json::Null]) => self.0.null()?.ok(),
            Json::Array(items) => {
                self.0.array(items.len() as u64)?;
                items.iter().try_for_each(|item| self.any(item, data))
            }
            Json::Object(members) => {
                self.0.map(members.len() as u64)?;
                members.iter().try_for_each(|(name, value)| {
                    self.0.str(name)?;
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
