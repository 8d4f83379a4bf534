//! Instance data as octets: what a server holds much of, and what it saves of its state.
//!
//! Nodes are named by their places among their siblings in the schema, so packing and unpacking look nothing up. Where packed
//! data outlives the program, a [`Layout`] beside it says which names the places had. Nothing here validates: what was
//! packed was valid.
//!
//! Numbers are in LEB128. A container is its revision, the number of children, and for each its index and what it holds: a
//! value with its kind, so many values, a container, so many entries, or a text.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use super::generated::SCHEMA;
use super::model::{ModelError, Modelled};
use super::schema::{Base, Kind, Node};
use super::tree::{AnyData, Child, Container, Key, List};
use super::types::{self, ModuleNames};
use super::value::{Decimal64, Value};
use crate::clock::Timestamp;

/// Octets that are no packed data of this schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedError(String);

impl PackedError {
    /// What was read cannot be meant so.
    pub fn new(reason: impl Into<String>) -> Self {
        PackedError(reason.into())
    }
}

impl fmt::Display for PackedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PackedError {}

impl From<ModelError> for PackedError {
    fn from(error: ModelError) -> Self {
        PackedError(error.to_string())
    }
}

/// One struct that codegen wrote, in as little memory as there is in it. Cloning it is cheap.
pub struct Packed<T>(Arc<[u8]>, PhantomData<fn() -> T>);

impl<T> Clone for Packed<T> {
    fn clone(&self) -> Self {
        Packed(self.0.clone(), PhantomData)
    }
}

impl<T> fmt::Debug for Packed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Packed").field(&self.0).finish()
    }
}

impl<T> PartialEq for Packed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T: Modelled> Packed<T> {
    /// Packs a struct.
    pub fn new(value: &T) -> Self {
        Self::of_data(&value.to_data())
    }

    /// Packs the instance data of a struct.
    pub fn of_data(data: &Container) -> Self {
        let mut octets = Vec::with_capacity(512);
        pack(data, &mut octets);
        Packed(octets.into(), PhantomData)
    }

    /// Takes octets that [`Packed::octets`] gave to a program with the same [`Layout`], as a checksum has shown.
    pub fn from_octets(octets: &[u8]) -> Self {
        Packed(octets.into(), PhantomData)
    }

    /// The octets.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The instance data. It is there: the octets are those of a struct.
    pub fn data(&self) -> Option<Container> {
        unpack(&self.0, Some(T::node())).ok()
    }

    /// The struct, which is there.
    pub fn unpacked(&self) -> Option<T> {
        T::from_data(&self.data()?).ok()
    }
}

/// Packs a container with all below it and all revisions.
pub fn pack(data: &Container, out: &mut Vec<u8>) {
    put_number(out, data.revision);
    put_number(out, data.iter().count() as u64);
    for (node, child) in data.iter() {
        put_number(out, u64::from(node.index));
        match child {
            Child::Leaf(value) => put_value(out, value),
            Child::LeafList(values) => {
                put_number(out, values.len() as u64);
                values.iter().for_each(|value| put_value(out, value));
            }
            Child::Container(inner) => pack(inner, out),
            Child::List(list) => {
                put_number(out, list.len() as u64);
                list.iter().for_each(|entry| pack(&entry, out));
            }
            Child::Any(AnyData::Json(json)) => {
                out.push(0);
                put_octets(out, json.to_string().as_bytes());
            }
            Child::Any(AnyData::Xml(text)) => {
                out.push(1);
                put_octets(out, text.as_bytes());
            }
        }
    }
}

/// Unpacks what this program has packed, below a node or the root.
///
/// # Errors
/// It did not.
pub fn unpack(octets: &[u8], node: Option<&'static Node>) -> Result<Container, PackedError> {
    let mut reader = Reader { left: octets };
    let data = reader.container(&Own, node, node)?;
    reader.end()?;
    Ok(data)
}

/// The names that the places of nodes had for the program that packed.
#[derive(Debug)]
pub struct Layout {
    nodes: Vec<Placed>,
    /// Where the nodes that this program has are in there.
    places: HashMap<&'static Node, usize>,
}

/// A node of a layout, and where those below it are.
#[derive(Debug, Default)]
struct Placed {
    node: Option<&'static Node>,
    below: BTreeMap<u16, usize>,
}

impl Layout {
    /// The layout of this program as text: a line for each data node, in order, with its depth, its place and its name.
    pub fn own() -> String {
        fn line(node: &'static Node, depth: usize, out: &mut String) {
            out.push_str(&format!("{depth} {} {}\n", node.index, node.qualified_name()));
            node.data.iter().for_each(|child| line(child, depth + 1, out));
        }
        let mut text = String::new();
        top().for_each(|node| line(node, 0, &mut text));
        text
    }

    /// Reads the text of a layout. What this program has no node for is left open until data has it.
    ///
    /// # Errors
    /// It is none.
    pub fn read(text: &str) -> Result<Self, PackedError> {
        let mut layout = Layout { nodes: vec![Placed::default()], places: HashMap::new() };
        let mut ancestors = vec![0];
        for line in text.lines() {
            let wrong = || PackedError(format!("\"{line}\" is no line of a layout"));
            let mut words = line.split(' ');
            let (Some(depth), Some(index), Some(name)) = (words.next(), words.next(), words.next()) else {
                return Err(wrong());
            };
            let depth: usize = depth.parse().map_err(|_| wrong())?;
            let index: u16 = index.parse().map_err(|_| wrong())?;
            if depth + 1 > ancestors.len() {
                return Err(wrong());
            }
            ancestors.truncate(depth + 1);
            let above = ancestors.last().copied().unwrap_or_default();
            let parent = layout.nodes.get(above).and_then(|placed| placed.node);
            let node = match (above, parent) {
                (0, _) => top().find(|node| is_called(node, name)),
                (_, Some(parent)) => parent.data.iter().copied().find(|node| is_called(node, name)),
                (_, None) => None,
            };
            let place = layout.nodes.len();
            layout.nodes.push(Placed { node, below: BTreeMap::new() });
            layout.places.extend(node.map(|node| (node, place)));
            if let Some(above) = layout.nodes.get_mut(above) {
                above.below.insert(index, place);
            }
            ancestors.push(place);
        }
        Ok(layout)
    }

    /// Unpacks what a program with this layout has packed, below a data node or the root.
    ///
    /// # Errors
    /// It did not, or this program has no such node.
    pub fn unpack(&self, octets: &[u8], node: Option<&'static Node>) -> Result<Container, PackedError> {
        let mut reader = Reader { left: octets };
        let data = reader.container(self, self.place_of(node)?, node)?;
        reader.end()?;
        Ok(data)
    }

    fn place_of(&self, node: Option<&'static Node>) -> Result<usize, PackedError> {
        let Some(node) = node else { return Ok(0) };
        self.places
            .get(node)
            .copied()
            .ok_or_else(|| PackedError(format!("the layout has no node {}", node.qualified_name())))
    }
}

fn top() -> impl Iterator<Item = &'static Node> {
    SCHEMA.implemented().flat_map(|module| module.data).copied()
}

fn is_called(node: &Node, name: &str) -> bool {
    name.split_once(':').is_some_and(|(module, name)| node.name == name && node.module.name == module)
}

/// What packed data is read with: the layout that it was packed with, if that is another than this program's.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a>(pub Option<&'a Layout>);

impl Origin<'_> {
    /// The data below a node or the root.
    ///
    /// # Errors
    /// It is none, or this program has not all of its nodes.
    pub fn data(&self, octets: &[u8], node: Option<&'static Node>) -> Result<Container, PackedError> {
        match self.0 {
            Some(layout) => layout.unpack(octets, node),
            None => unpack(octets, node),
        }
    }

    /// A struct.
    ///
    /// # Errors
    /// As [`Origin::data`].
    pub fn value<T: Modelled>(&self, octets: &[u8]) -> Result<T, PackedError> {
        Ok(T::from_data(&self.data(octets, Some(T::node()))?)?)
    }

    /// A struct that stays packed.
    ///
    /// # Errors
    /// As [`Origin::data`]. What was packed with this program's layout is taken at its word.
    pub fn packed<T: Modelled>(&self, octets: &[u8]) -> Result<Packed<T>, PackedError> {
        match self.0 {
            Some(_) => Ok(Packed::new(&self.value(octets)?)),
            None => Ok(Packed::from_octets(octets)),
        }
    }
}

/// What the places of nodes mean.
trait Places {
    type Place: Copy;

    fn below(&self, place: Self::Place, index: u16) -> Option<(Self::Place, &'static Node)>;
}

/// The places as they are in this program.
struct Own;

impl Places for Own {
    type Place = Option<&'static Node>;

    fn below(&self, place: Self::Place, index: u16) -> Option<(Self::Place, &'static Node)> {
        let node = match place {
            Some(parent) => {
                parent.data.get(usize::from(index)).copied().filter(|node| node.index == index)?
            }
            None => top().find(|node| node.index == index)?,
        };
        Some((Some(node), node))
    }
}

impl Places for Layout {
    type Place = usize;

    fn below(&self, place: usize, index: u16) -> Option<(usize, &'static Node)> {
        let place = *self.nodes.get(place)?.below.get(&index)?;
        Some((place, self.nodes.get(place)?.node?))
    }
}

const EMPTY: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT32: u8 = 3;
const INT64: u8 = 4;
const UINT32: u8 = 5;
const UINT64: u8 = 6;
const DECIMAL64: u8 = 7;
const STRING: u8 = 8;
const BINARY: u8 = 9;
/// An `enumeration`, by its name.
const ENUM: u8 = 10;
/// Anything else, by its canonical text.
const OTHER: u8 = 11;

/// Appends a number.
pub fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends octets with their length.
pub fn put_octets(out: &mut Vec<u8>, octets: &[u8]) {
    put_number(out, octets.len() as u64);
    out.extend_from_slice(octets);
}

/// Small magnitudes become small numbers.
fn zigzag(number: i64) -> u64 {
    (number.wrapping_shl(1) ^ (number >> 63)).cast_unsigned()
}

/// Appends a text, or that there is none.
pub fn put_optional(out: &mut Vec<u8>, text: Option<&str>) {
    out.push(u8::from(text.is_some()));
    if let Some(text) = text {
        put_octets(out, text.as_bytes());
    }
}

/// Appends a time.
pub fn put_time(out: &mut Vec<u8>, at: Timestamp) {
    put_number(out, zigzag(at.as_micros()));
}

/// Appends the key of an entry.
pub fn put_key(out: &mut Vec<u8>, key: &Key) {
    key.values().iter().for_each(|value| put_value(out, value));
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Empty => out.push(EMPTY),
        Value::Bool(value) => out.push(if *value { TRUE } else { FALSE }),
        Value::Int32(number) => {
            out.push(INT32);
            put_number(out, zigzag(i64::from(*number)));
        }
        Value::Int64(number) => {
            out.push(INT64);
            put_number(out, zigzag(*number));
        }
        Value::Uint32(number) => {
            out.push(UINT32);
            put_number(out, u64::from(*number));
        }
        Value::Uint64(number) => {
            out.push(UINT64);
            put_number(out, *number);
        }
        Value::Decimal64(number) => {
            out.extend([DECIMAL64, number.fraction]);
            put_number(out, zigzag(number.digits));
        }
        Value::String(text) => {
            out.push(STRING);
            put_octets(out, text.as_bytes());
        }
        Value::Binary(octets) => {
            out.push(BINARY);
            put_octets(out, octets);
        }
        Value::Enum(value) => {
            out.push(ENUM);
            put_octets(out, value.name.as_bytes());
        }
        Value::Bits(_) | Value::Identity(_) | Value::Instance(_) => {
            out.push(OTHER);
            put_octets(out, value.canonical().as_bytes());
        }
    }
}

/// Takes what is saved of a state: items, each with the number of its kind.
pub type Sink<'a> = dyn FnMut(u8, &[u8]) -> io::Result<()> + 'a;

/// Reads what was put, from the front.
#[derive(Debug)]
pub struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads these octets.
    pub fn new(octets: &'a [u8]) -> Self {
        Reader { left: octets }
    }

    /// Whether all is read.
    pub fn is_at_end(&self) -> bool {
        self.left.is_empty()
    }

    /// A number.
    ///
    /// # Errors
    /// There is none.
    pub fn number(&mut self) -> Result<u64, PackedError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let octet = self.octet()?;
            number |= u64::from(octet & 0x7f) << shift;
            if octet < 0x80 {
                return Ok(number);
            }
        }
        Err(PackedError("a number is too long".into()))
    }

    /// Octets with their length.
    ///
    /// # Errors
    /// There are not so many.
    pub fn octets(&mut self) -> Result<&'a [u8], PackedError> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        let (octets, left) = self.left.split_at_checked(length).ok_or_else(cut)?;
        self.left = left;
        Ok(octets)
    }

    /// A text.
    ///
    /// # Errors
    /// It is cut off, or not in UTF-8.
    pub fn text(&mut self) -> Result<&'a str, PackedError> {
        std::str::from_utf8(self.octets()?).map_err(|error| PackedError(error.to_string()))
    }

    /// A text, if there is one.
    ///
    /// # Errors
    /// As [`Reader::text`].
    pub fn optional(&mut self) -> Result<Option<&'a str>, PackedError> {
        (self.octet()? != 0).then(|| self.text()).transpose()
    }

    /// A time.
    ///
    /// # Errors
    /// It is none.
    pub fn time(&mut self) -> Result<Timestamp, PackedError> {
        let micros = self.signed()?;
        Timestamp::from_micros(micros).ok_or_else(|| PackedError(format!("{micros} is no time")))
    }

    /// The key of an entry of a list.
    ///
    /// # Errors
    /// It is none.
    pub fn key(&mut self, list: &'static Node) -> Result<Key, PackedError> {
        let values: Result<Vec<Value>, _> = list.keys().iter().map(|leaf| self.value(leaf)).collect();
        Ok(Key::new(values?))
    }

    /// One octet.
    ///
    /// # Errors
    /// There is none.
    pub fn octet(&mut self) -> Result<u8, PackedError> {
        let (octet, left) = self.left.split_first().ok_or_else(cut)?;
        self.left = left;
        Ok(*octet)
    }

    /// A number of a type.
    ///
    /// # Errors
    /// It is too large.
    pub fn small<N: TryFrom<u64>>(&mut self) -> Result<N, PackedError> {
        N::try_from(self.number()?).map_err(|_| PackedError("a number is too large".into()))
    }

    /// That nothing is left.
    ///
    /// # Errors
    /// Something is.
    pub fn end(&self) -> Result<(), PackedError> {
        match self.left.is_empty() {
            true => Ok(()),
            false => Err(PackedError(format!("{} octets are left over", self.left.len()))),
        }
    }

    fn signed(&mut self) -> Result<i64, PackedError> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn container<P: Places>(
        &mut self,
        places: &P,
        place: P::Place,
        parent: Option<&'static Node>,
    ) -> Result<Container, PackedError> {
        let mut data = Container::default().at_revision(self.number()?);
        for _ in 0..self.number()? {
            let index = self.number()?;
            let found = u16::try_from(index).ok().and_then(|index| places.below(place, index));
            let (place, node) = found.ok_or_else(|| {
                let parent = parent.map_or_else(|| "the top".to_owned(), Node::qualified_name);
                PackedError(format!("this server has no node {index} below {parent}"))
            })?;
            let child = self.child(places, place, node)?;
            data.set(node, child);
        }
        Ok(data)
    }

    fn child<P: Places>(
        &mut self,
        places: &P,
        place: P::Place,
        node: &'static Node,
    ) -> Result<Child, PackedError> {
        Ok(match node.kind {
            Kind::Leaf { .. } => Child::Leaf(self.value(node)?),
            Kind::LeafList { .. } => {
                let values: Result<Vec<Value>, _> = (0..self.number()?).map(|_| self.value(node)).collect();
                Child::LeafList(Arc::new(values?))
            }
            Kind::List { .. } => {
                let mut list = List::empty(node);
                for _ in 0..self.number()? {
                    let entry = self.container(places, place, Some(node))?;
                    match &mut list {
                        List::Sequence(entries) => entries.push_back(Arc::new(entry)),
                        keyed => keyed.put(node, entry.key(node), Arc::new(entry)),
                    }
                }
                Child::List(list)
            }
            Kind::AnyData | Kind::AnyXml => Child::Any(match self.octet()? {
                0 => {
                    let json = serde_json::from_slice(self.octets()?);
                    AnyData::Json(Arc::new(json.map_err(|error| PackedError(error.to_string()))?))
                }
                _ => AnyData::Xml(self.text()?.into()),
            }),
            _ => Child::Container(Arc::new(self.container(places, place, Some(node))?)),
        })
    }

    fn value(&mut self, leaf: &'static Node) -> Result<Value, PackedError> {
        let wide = || PackedError(format!("a number is too large for {}", leaf.qualified_name()));
        Ok(match self.octet()? {
            EMPTY => Value::Empty,
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            INT32 => Value::Int32(i32::try_from(self.signed()?).map_err(|_| wide())?),
            INT64 => Value::Int64(self.signed()?),
            UINT32 => Value::Uint32(u32::try_from(self.number()?).map_err(|_| wide())?),
            UINT64 => Value::Uint64(self.number()?),
            DECIMAL64 => {
                let fraction = self.octet()?;
                Value::Decimal64(Decimal64 { digits: self.signed()?, fraction })
            }
            STRING => Value::string(self.text()?),
            BINARY => Value::Binary(self.octets()?.into()),
            ENUM => {
                let name = self.text()?;
                let named = match leaf.ty().map(|ty| &ty.base) {
                    Some(Base::Enumeration(values)) => values.iter().find(|value| value.name == name),
                    _ => None,
                };
                named.map_or_else(|| parsed(leaf, name), |value| Ok(Value::Enum(value)))?
            }
            OTHER => parsed(leaf, self.text()?)?,
            kind => return Err(PackedError(format!("{kind} is no kind of value"))),
        })
    }
}

fn cut() -> PackedError {
    PackedError("it is cut off".into())
}

fn parsed(leaf: &'static Node, text: &str) -> Result<Value, PackedError> {
    let ty = leaf.ty().ok_or_else(|| PackedError(format!("{} has no value", leaf.qualified_name())))?;
    types::parse(ty, text, &ModuleNames(&SCHEMA), leaf.module).map_err(|error| PackedError(error.message))
}

#[cfg(test)]
mod tests;
