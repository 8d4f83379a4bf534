//! CBOR data items to a tree that keeps the order of members and refuses duplicates and deep nesting.
//!
//! It knows no YANG.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use minicbor::data::{Int, Type};
use minicbor::decode::{Decoder, Error as CborError};

use super::tags;
use crate::yang::decode::malformed;
use crate::yang::error::Error;

/// A data item.
#[derive(Debug)]
pub enum Cbor<'a> {
    /// An integer.
    Integer(Int),
    /// A floating-point number.
    Float(f64),
    /// A byte string.
    Bytes(Cow<'a, [u8]>),
    /// A text string.
    Text(Cow<'a, str>),
    /// A simple value.
    Bool(bool),
    /// A simple value.
    Null,
    /// An array.
    Array(Vec<Cbor<'a>>),
    /// A map, its members in the order given.
    Map(Vec<(Key<'a>, Cbor<'a>)>),
    /// A tag and what it is of.
    Tagged(u64, Box<Cbor<'a>>),
}

/// What a member of a map is called by (RFC 9254 sections 3.2 and 3.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key<'a> {
    /// A name.
    Name(Cow<'a, str>),
    /// A difference to the reference SID of the map.
    Delta(i128),
    /// A SID, with tag 47.
    Sid(u64),
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Name(name) => f.write_str(name),
            Key::Delta(delta) => write!(f, "{delta}"),
            Key::Sid(sid) => write!(f, "{}({sid})", tags::SID),
        }
    }
}

/// Parses a document.
///
/// # Errors
/// It is not well-formed, is cut off or goes on, has a member twice or is nested deeper than `depth_max`: with the octet.
pub fn document(bytes: &[u8], depth_max: usize) -> Result<Cbor<'_>, Error> {
    let mut reader = Reader(Decoder::new(bytes));
    let cbor = reader.item(depth_max)?;
    match reader.0.position() == bytes.len() {
        true => Ok(cbor),
        false => Err(reader.wrong("something follows the document")),
    }
}

/// Below this number of members a search is quicker than a set.
const FEW: usize = 16;

struct Reader<'a>(Decoder<'a>);

impl<'a> Reader<'a> {
    fn item(&mut self, depth_left: usize) -> Result<Cbor<'a>, Error> {
        let kind = self.0.datatype().map_err(|e| self.failed(&e))?;
        let deeper = || depth_left.checked_sub(1);
        Ok(match kind {
            Type::U8
            | Type::U16
            | Type::U32
            | Type::U64
            | Type::I8
            | Type::I16
            | Type::I32
            | Type::I64
            | Type::Int => Cbor::Integer(self.read(Decoder::int)?),
            Type::F16 => Cbor::Float(self.read(Decoder::f16)?.into()),
            Type::F32 => Cbor::Float(self.read(Decoder::f32)?.into()),
            Type::F64 => Cbor::Float(self.read(Decoder::f64)?),
            Type::Bool => Cbor::Bool(self.read(Decoder::bool)?),
            Type::Null => {
                self.read(Decoder::null)?;
                Cbor::Null
            }
            Type::Bytes => Cbor::Bytes(Cow::Borrowed(self.read(Decoder::bytes)?)),
            Type::BytesIndef => Cbor::Bytes(Cow::Owned(
                self.read(|decoder| decoder.bytes_iter()?.collect::<Result<Vec<_>, _>>())?.concat(),
            )),
            Type::String | Type::StringIndef => Cbor::Text(self.text(kind)?),
            Type::Array | Type::ArrayIndef => {
                let depth_left = deeper().ok_or_else(|| self.wrong("nested too deep"))?;
                let mut left = self.read(Decoder::array)?;
                let mut items = Vec::new();
                while self.has_more(&mut left)? {
                    items.push(self.item(depth_left)?);
                }
                Cbor::Array(items)
            }
            Type::Map | Type::MapIndef => {
                let depth_left = deeper().ok_or_else(|| self.wrong("nested too deep"))?;
                self.map(depth_left)?
            }
            Type::Tag => {
                let depth_left = deeper().ok_or_else(|| self.wrong("nested too deep"))?;
                let tag = self.read(Decoder::tag)?;
                Cbor::Tagged(tag.as_u64(), Box::new(self.item(depth_left)?))
            }
            other => return Err(self.wrong(&format!("{other} has no meaning in YANG data"))),
        })
    }

    fn map(&mut self, depth_left: usize) -> Result<Cbor<'a>, Error> {
        let mut left = self.read(Decoder::map)?;
        let mut members: Vec<(Key<'a>, Cbor<'a>)> = Vec::new();
        let mut many: HashSet<Key<'a>> = HashSet::new();
        while self.has_more(&mut left)? {
            let name = self.key()?;
            if members.len() == FEW {
                many.extend(members.iter().map(|(name, _)| name.clone()));
            }
            let new = match members.len() {
                0..FEW => members.iter().all(|(other, _)| *other != name),
                _ => many.insert(name.clone()),
            };
            if !new {
                return Err(self.wrong(&format!("member \"{name}\" stands twice")));
            }
            members.push((name, self.item(depth_left)?));
        }
        Ok(Cbor::Map(members))
    }

    fn key(&mut self) -> Result<Key<'a>, Error> {
        let kind = self.0.datatype().map_err(|e| self.failed(&e))?;
        match kind {
            Type::String | Type::StringIndef => Ok(Key::Name(self.text(kind)?)),
            Type::Tag => {
                let tag = self.read(Decoder::tag)?;
                match tag.as_u64() {
                    tags::SID => Ok(Key::Sid(self.read(Decoder::u64)?)),
                    other => Err(self.wrong(&format!("tag {other} cannot stand at a name or SID"))),
                }
            }
            _ => match self.0.int() {
                Ok(delta) => Ok(Key::Delta(i128::from(delta))),
                Err(_) => Err(self.wrong(&format!("a name or a SID is expected, not {kind}"))),
            },
        }
    }

    fn text(&mut self, kind: Type) -> Result<Cow<'a, str>, Error> {
        Ok(match kind {
            Type::String => Cow::Borrowed(self.read(Decoder::str)?),
            _ => {
                Cow::Owned(self.read(|decoder| decoder.str_iter()?.collect::<Result<Vec<_>, _>>())?.concat())
            }
        })
    }

    /// Whether an array or map has another item; `left` is `None` if that is told by a break.
    fn has_more(&mut self, left: &mut Option<u64>) -> Result<bool, Error> {
        match left {
            Some(0) => Ok(false),
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None if self.0.datatype().map_err(|e| self.failed(&e))? == Type::Break => {
                self.0.set_position(self.0.position() + 1);
                Ok(false)
            }
            None => Ok(true),
        }
    }

    fn read<T>(&mut self, read: impl FnOnce(&mut Decoder<'a>) -> Result<T, CborError>) -> Result<T, Error> {
        read(&mut self.0).map_err(|e| self.failed(&e))
    }

    fn failed(&self, error: &CborError) -> Error {
        self.wrong(&error.to_string())
    }

    fn wrong(&self, message: &str) -> Error {
        malformed(format!("not valid CBOR at octet {}: {message}", self.0.position()))
    }
}
