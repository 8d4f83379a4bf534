//! Leaf values in typed form, their order and their canonical text (RFC 7950 section 9).
//!
//! A value is already checked against its type; parsing and checking live in `types`.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use smol_str::SmolStr;

use super::path::InstancePath;
use super::schema::{Bit, EnumValue, Identity};

/// The value of a leaf or of one leaf-list entry.
///
/// Integers are kept in two widths, because RFC 7951 section 6.1 encodes 64-bit ones as
/// strings and a union does not tell which member a value came from.
#[derive(Debug, Clone)]
pub enum Value {
    /// `int8`, `int16`, `int32`.
    Int32(i32),
    /// `int64`.
    Int64(i64),
    /// `uint8`, `uint16`, `uint32`.
    Uint32(u32),
    /// `uint64`.
    Uint64(u64),
    /// `decimal64`.
    Decimal64(Decimal64),
    /// `boolean`.
    Bool(bool),
    /// `string`. Up to 23 octets stand here, so most keys are compared without following a reference.
    String(SmolStr),
    /// `enumeration`.
    Enum(&'static EnumValue),
    /// `bits`.
    Bits(Bits),
    /// `binary`.
    Binary(Arc<[u8]>),
    /// `empty`.
    Empty,
    /// `identityref`.
    Identity(&'static Identity),
    /// `instance-identifier`.
    Instance(Arc<InstancePath>),
}

/// A `decimal64` (RFC 7950 section 9.3): `digits` divided by ten to the power of `fraction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal64 {
    /// The number times ten to the power of `fraction`.
    pub digits: i64,
    /// `fraction-digits` of the type, 1 to 18.
    pub fraction: u8,
}

impl Decimal64 {
    /// So many millionths, with six `fraction-digits`.
    pub fn millionths(digits: i64) -> Decimal64 {
        Decimal64 { digits, fraction: 6 }
    }

    /// A whole number with six `fraction-digits`; the greatest or least one if there is none so great.
    pub fn whole(number: i64) -> Decimal64 {
        Decimal64::millionths(number.saturating_mul(1_000_000))
    }
}

/// A `bits` value (RFC 7950 section 9.7): the set bits, ascending by position.
#[derive(Debug, Clone, Default)]
pub struct Bits(pub Arc<[&'static Bit]>);

impl Bits {
    /// Whether the bit of this name is set.
    pub fn is_set(&self, name: &str) -> bool {
        self.0.iter().any(|bit| bit.name == name)
    }
}

impl Value {
    /// A `string` value.
    pub fn string(text: impl AsRef<str>) -> Self {
        Value::String(SmolStr::new(text))
    }

    /// The text of a `string`; `None` for any other type.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The canonical text (RFC 7950 section 9), with names qualified by module name as in
    /// RFC 7951 section 6.8; also the string-value in XPath.
    pub fn canonical(&self) -> String {
        self.to_string()
    }

    /// Position of the variant, to order values of different union members.
    fn rank(&self) -> u8 {
        match self {
            Value::Int32(_) => 0,
            Value::Int64(_) => 1,
            Value::Uint32(_) => 2,
            Value::Uint64(_) => 3,
            Value::Decimal64(_) => 4,
            Value::Bool(_) => 5,
            Value::String(_) => 6,
            Value::Enum(_) => 7,
            Value::Bits(_) => 8,
            Value::Binary(_) => 9,
            Value::Empty => 10,
            Value::Identity(_) => 11,
            Value::Instance(_) => 12,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Int32(n) => n.fmt(f),
            Value::Int64(n) => n.fmt(f),
            Value::Uint32(n) => n.fmt(f),
            Value::Uint64(n) => n.fmt(f),
            Value::Decimal64(n) => n.fmt(f),
            Value::Bool(b) => b.fmt(f),
            Value::String(text) => f.write_str(text),
            Value::Enum(value) => f.write_str(value.name),
            Value::Bits(bits) => bits.fmt(f),
            Value::Binary(octets) => f.write_str(&STANDARD.encode(octets)),
            Value::Empty => Ok(()),
            Value::Identity(identity) => write!(f, "{}:{}", identity.module.name, identity.name),
            Value::Instance(path) => path.fmt(f),
        }
    }
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, bit) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            f.write_str(bit.name)?;
        }
        Ok(())
    }
}

impl fmt::Display for Decimal64 {
    /// The canonical form: no needless zeros, at least one digit on either side of the point.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = 10_u64.pow(u32::from(self.fraction.min(18)));
        let magnitude = self.digits.unsigned_abs();
        let sign = if self.digits < 0 { "-" } else { "" };
        let fraction = format!("{:0width$}", magnitude % scale, width = usize::from(self.fraction));
        let fraction = fraction.trim_end_matches('0');
        write!(f, "{sign}{}.{}", magnitude / scale, if fraction.is_empty() { "0" } else { fraction })
    }
}

impl Ord for Decimal64 {
    fn cmp(&self, other: &Self) -> Ordering {
        let scaled = |d: &Self| i128::from(d.digits) * 10_i128.pow(u32::from(18 - d.fraction.min(18)));
        scaled(self).cmp(&scaled(other)).then(self.fraction.cmp(&other.fraction))
    }
}
impl PartialOrd for Decimal64 {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bits {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.iter().map(|b| b.position).cmp(other.0.iter().map(|b| b.position))
    }
}
impl PartialOrd for Bits {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Bits {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Bits {}

impl Ord for Value {
    /// Numbers by size, texts by octets, enums by value, bits by position, identities by name.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Value::Int32(a), Value::Int32(b)) => a.cmp(b),
            (Value::Int64(a), Value::Int64(b)) => a.cmp(b),
            (Value::Uint32(a), Value::Uint32(b)) => a.cmp(b),
            (Value::Uint64(a), Value::Uint64(b)) => a.cmp(b),
            (Value::Decimal64(a), Value::Decimal64(b)) => a.cmp(b),
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (Value::Enum(a), Value::Enum(b)) => (a.value, a.name).cmp(&(b.value, b.name)),
            (Value::Bits(a), Value::Bits(b)) => a.cmp(b),
            (Value::Binary(a), Value::Binary(b)) => a.cmp(b),
            (Value::Identity(a), Value::Identity(b)) => (a.module.name, a.name).cmp(&(b.module.name, b.name)),
            (Value::Instance(a), Value::Instance(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}
impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Value {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal64_is_canonical() {
        let text = |digits, fraction| Decimal64 { digits, fraction }.to_string();
        assert_eq!(text(250, 2), "2.5");
        assert_eq!(text(-5, 3), "-0.005");
        assert_eq!(text(0, 1), "0.0");
        assert_eq!(text(i64::MIN, 18), "-9.223372036854775808");
    }

    #[test]
    fn decimal64_orders_by_size_across_fractions() {
        assert!(Decimal64 { digits: 15, fraction: 1 } > Decimal64 { digits: 149, fraction: 2 });
    }
}
