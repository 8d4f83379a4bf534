//! From lexical text to a checked value (RFC 7950 section 9), and the JSON form of each type
//! (RFC 7951 section 6).
//!
//! Whether a leafref or instance-identifier refers to something is a matter of validation,
//! not of the type, and is not decided here.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::path::InstancePath;
use super::schema::{Base, Bit, EnumValue, Identity, Module, Pattern, Range, Schema, Type};
use super::value::{Bits, Decimal64, Value};

/// Why a text is no value of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeError {
    /// What is wrong and which rule of the module says so.
    pub message: String,
    /// `error-app-tag` of the restriction.
    pub app_tag: Option<&'static str>,
}

/// How the names in values are qualified: with prefixes in XML, with module names in JSON.
pub trait Names {
    /// The module that a prefix stands for.
    fn module(&self, prefix: &str) -> Option<&'static Module>;
    /// The module of a name without prefix in an identityref; `None` if it is that of the leaf.
    fn default_module(&self) -> Option<&'static Module> {
        None
    }
    /// The schema.
    fn schema(&self) -> &Schema;
}

/// Names as in RFC 7951: the qualifier is the name of the module.
#[derive(Debug, Clone, Copy)]
pub struct ModuleNames<'a>(pub &'a Schema);

impl Names for ModuleNames<'_> {
    fn module(&self, prefix: &str) -> Option<&'static Module> {
        let any = || self.0.modules.iter().copied().find(|m| m.name == prefix);
        self.0.module(prefix).or_else(any)
    }
    fn schema(&self) -> &Schema {
        self.0
    }
}

/// Parses the lexical form of a value and checks all restrictions of its type.
///
/// `leaf_module` is the module of the leaf, for identities without a qualifier.
///
/// # Errors
/// What is wrong, with the error-app-tag of the restriction if it has one.
pub fn parse(
    ty: &Type,
    text: &str,
    names: &dyn Names,
    leaf_module: &'static Module,
) -> Result<Value, TypeError> {
    match &ty.base {
        Base::IdentityRef(bases) => parse_identity(bases, text, names, leaf_module),
        Base::LeafRef(leafref) => parse(leafref.real, text, names, leaf_module),
        Base::InstanceIdentifier { .. } => {
            let path = InstancePath::parse(text, names.schema(), names).map_err(error)?;
            one_node(&path)?;
            Ok(Value::Instance(Arc::new(path)))
        }
        Base::Union(members) => in_union(ty, members, |member| parse(member, text, names, leaf_module)),
        _ => parse_nameless(ty, text),
    }
}

/// Parses a value of a type whose values have no names of modules in them.
fn parse_nameless(ty: &Type, text: &str) -> Result<Value, TypeError> {
    match &ty.base {
        Base::Int(bits, range) => {
            let number: i64 = integer(text).ok_or_else(|| not_a(text, ty))?;
            let (low, high) = (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits));
            if number < low || number > high {
                return fail(format!("{number} does not fit {} ({low}..{high})", kind(ty)));
            }
            in_range(range, number, || number.to_string())?;
            Ok(if *bits == 64 { Value::Int64(number) } else { Value::Int32(number as i32) })
        }
        Base::Uint(bits, range) => {
            let number: u64 = unsigned(text).ok_or_else(|| not_a(text, ty))?;
            let high = u64::MAX >> (64 - bits);
            if number > high {
                return fail(format!("{number} does not fit {} (0..{high})", kind(ty)));
            }
            in_range(range, number, || number.to_string())?;
            Ok(if *bits == 64 { Value::Uint64(number) } else { Value::Uint32(number as u32) })
        }
        Base::Decimal64(fraction, range) => {
            let number = decimal(text, *fraction).ok_or_else(|| {
                error(format!("{} is no decimal64 with at most {fraction} fraction digits", shown(text)))
            })?;
            in_range(range, number.digits, || number.to_string())?;
            Ok(Value::Decimal64(number))
        }
        Base::String(length, patterns) => string(ty, text, length, patterns),
        Base::Boolean => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => fail(format!("{} is neither \"true\" nor \"false\"", shown(text))),
        },
        Base::Enumeration(values) => enum_value(values, text).map(Value::Enum).ok_or_else(|| {
            let allowed: Vec<&str> = values.iter().map(|v| v.name).take(24).collect();
            error(format!("{} is none of {}", shown(text), allowed.join(", ")))
        }),
        Base::Bits(bits) => parse_bits(bits, text),
        Base::Binary(length) => {
            let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            let octets = STANDARD.decode(&compact).map_err(|e| error(format!("not base64: {e}")))?;
            in_range(length, octets.len() as u64, || format!("a length of {} octets", octets.len()))?;
            Ok(Value::Binary(octets.into()))
        }
        Base::Empty => match text {
            "" => Ok(Value::Empty),
            _ => fail("a leaf of type empty has no value".into()),
        },
        Base::IdentityRef(_) | Base::LeafRef(_) | Base::InstanceIdentifier { .. } | Base::Union(_) => {
            Err(not_a(text, ty))
        }
    }
}

/// Checks that a type has a value, however it was made.
///
/// # Errors
/// As [`parse`].
pub fn check(ty: &Type, value: &Value) -> Result<(), TypeError> {
    match (&ty.base, value) {
        (Base::LeafRef(leafref), _) => check(leafref.real, value),
        (Base::Union(members), _) => {
            in_union(ty, members, |member| check(member, value).map(|()| value.clone())).map(drop)
        }
        (Base::IdentityRef(bases), Value::Identity(identity)) => derived(identity, bases),
        (Base::InstanceIdentifier { .. }, Value::Instance(path)) => one_node(path),
        _ => match parse_nameless(ty, &value.canonical())? == *value {
            true => Ok(()),
            false => Err(not_a(&value.canonical(), ty)),
        },
    }
}

/// Parses a JSON value (RFC 7951 section 6): the JSON type has to be the one of the YANG type.
///
/// # Errors
/// As [`parse`].
pub fn parse_json(
    ty: &Type,
    json: &serde_json::Value,
    names: &dyn Names,
    leaf_module: &'static Module,
) -> Result<Value, TypeError> {
    use serde_json::Value as Json;
    if let Base::Union(members) = &ty.base {
        return in_union(ty, members, |member| parse_json(member, json, names, leaf_module));
    }
    if let Base::LeafRef(leafref) = &ty.base {
        return parse_json(leafref.real, json, names, leaf_module);
    }
    let wanted = json_form(&ty.base);
    match (wanted, json) {
        ("number", Json::Number(number)) => parse(ty, &number_text(number), names, leaf_module),
        ("string", Json::String(text)) => parse(ty, text, names, leaf_module),
        ("boolean", Json::Bool(value)) => Ok(Value::Bool(*value)),
        ("[null]", Json::Array(items)) if items.len() == 1 && items[0].is_null() => Ok(Value::Empty),
        _ => fail(format!("{} is a JSON {wanted} here, not {}", kind(ty), json_kind(json))),
    }
}

/// The value in the first member type that takes it (RFC 7950 section 9.12). A leafref takes it
/// only if it refers to something, which is not known here, so that the others come first; names
/// of identities and instances stay what they are.
pub(super) fn in_union(
    ty: &Type,
    members: &'static [&'static Type],
    parse: impl Fn(&'static Type) -> Result<Value, TypeError>,
) -> Result<Value, TypeError> {
    let (mut reasons, mut app_tags) = (Vec::new(), Vec::new());
    let mut referring = None;
    for member in members {
        match (parse(member), &member.base) {
            (Ok(value @ (Value::Identity(_) | Value::Instance(_))), _) => return Ok(value),
            (Ok(value), Base::LeafRef(leafref)) if leafref.require_instance => {
                referring.get_or_insert(value);
            }
            (Ok(value), _) => return Ok(value),
            (Err(e), _) => {
                reasons.push(e.message);
                app_tags.extend(e.app_tag);
            }
        }
    }
    if let Some(value) = referring {
        return Ok(value);
    }
    reasons.dedup();
    app_tags.dedup();
    let message = format!("no member type of {} fits: {}", ty.name, reasons.join("; "));
    // One tag says what was meant, several do not.
    let app_tag = if let [only] = app_tags[..] { Some(only) } else { None };
    Err(TypeError { message, app_tag })
}

/// The JSON form of a built-in type (RFC 7951 section 6).
fn json_form(base: &Base) -> &'static str {
    match base {
        Base::Int(64, _) | Base::Uint(64, _) => "string",
        Base::Int(..) | Base::Uint(..) => "number",
        Base::Boolean => "boolean",
        Base::Empty => "[null]",
        _ => "string",
    }
}

/// The text of a JSON number. The parser makes `-0` a number that is no integer.
fn number_text(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(zero) if zero == 0.0 && zero.is_sign_negative() => "0".to_owned(),
        _ => number.to_string(),
    }
}

/// What a JSON value is, in words.
pub fn json_kind(json: &serde_json::Value) -> &'static str {
    use serde_json::Value as Json;
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}

/// The value to be sent as JSON (RFC 7951 section 6).
pub fn to_json(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::Int32(n) => Json::from(*n),
        Value::Uint32(n) => Json::from(*n),
        Value::Bool(b) => Json::Bool(*b),
        Value::Empty => Json::Array(vec![Json::Null]),
        Value::String(text) => Json::String(text.to_string()),
        other => Json::String(other.canonical()),
    }
}

fn string(ty: &Type, text: &str, length: &Range<u64>, patterns: &[&Pattern]) -> Result<Value, TypeError> {
    // Most texts are printable ASCII, which one look at the octets tells.
    let is_plain = text.bytes().fold(true, |plain, octet| plain & (0x20..0x80).contains(&octet));
    if !is_plain && let Some(c) = text.chars().find(|c| !is_yang_char(*c)) {
        return fail(format!("character U+{:04X} cannot stand in a YANG string", c as u32));
    }
    let count = if is_plain { text.len() } else { text.chars().count() } as u64;
    in_range(length, count, || format!("a length of {count} characters"))?;
    for pattern in patterns {
        if !pattern.allows(text) {
            let rule = if pattern.invert { "matches the excluded" } else { "does not match the" };
            let message = match pattern.error_message {
                Some(message) => message.to_owned(),
                None => format!("{} {rule} pattern {:?} of type {}", shown(text), pattern.xsd, ty.name),
            };
            return Err(TypeError { message, app_tag: pattern.error_app_tag });
        }
    }
    Ok(Value::string(text))
}

/// The characters of a YANG string (RFC 7950 section 9.4, `yang-char`).
pub(super) fn is_yang_char(c: char) -> bool {
    let n = c as u32;
    matches!(c, '\t' | '\n' | '\r') || (n >= 0x20 && !(0xFDD0..=0xFDEF).contains(&n) && n & 0xFFFE != 0xFFFE)
}

fn parse_bits(bits: &'static [Bit], text: &str) -> Result<Value, TypeError> {
    let mut set: Vec<&'static Bit> = Vec::new();
    for name in text.split_ascii_whitespace() {
        let bit = bits.iter().find(|b| b.name == name);
        let bit = bit.ok_or_else(|| error(format!("there is no bit {}", shown(name))))?;
        if set.iter().any(|b| b.name == name) {
            return fail(format!("bit \"{name}\" stands twice"));
        }
        set.push(bit);
    }
    set.sort_by_key(|b| b.position);
    Ok(Value::Bits(Bits(set.into())))
}

fn parse_identity(
    bases: &[&'static Identity],
    text: &str,
    names: &dyn Names,
    leaf_module: &'static Module,
) -> Result<Value, TypeError> {
    let (module, name) = match text.split_once(':') {
        Some((prefix, name)) => {
            let module = names.module(prefix);
            (module.ok_or_else(|| error(format!("\"{prefix}\" names no module")))?, name)
        }
        None => (names.default_module().unwrap_or(leaf_module), text),
    };
    let identity = names.schema().identity(module.name, name);
    let identity = identity.ok_or_else(|| error(format!("there is no identity {}:{name}", module.name)))?;
    derived(identity, bases)?;
    Ok(Value::Identity(identity))
}

fn derived(identity: &Identity, bases: &[&'static Identity]) -> Result<(), TypeError> {
    match bases.iter().find(|base| !identity.derives_from(base)) {
        None => Ok(()),
        Some(base) => fail(format!("identity {identity} is not derived from {base}")),
    }
}

fn one_node(path: &InstancePath) -> Result<(), TypeError> {
    match path.is_of_one_node() {
        true => Ok(()),
        false => fail(format!("\"{path}\" does not say which entry is meant")),
    }
}

fn enum_value(values: &'static [EnumValue], text: &str) -> Option<&'static EnumValue> {
    values.iter().find(|v| v.name == text)
}

/// Decimal with sign and leading zeros (RFC 7950 section 9.2.1: octal and hexadecimal are for the `default` statement alone,
/// whose values the generator makes canonical).
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = i128::from(magnitude(digits)?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

fn unsigned(text: &str) -> Option<u64> {
    match text.strip_prefix('-') {
        Some(rest) => magnitude(rest).filter(|n| *n == 0),
        None => magnitude(text.strip_prefix('+').unwrap_or(text)),
    }
}

fn magnitude(digits: &str) -> Option<u64> {
    // The parser of the standard library would take a second sign.
    match digits.bytes().all(|b| b.is_ascii_digit()) {
        true => digits.parse().ok(),
        false => None,
    }
}

fn decimal(text: &str, fraction: u8) -> Option<Decimal64> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = match rest.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, part)) => (whole, part.trim_end_matches('0')),
        None => (rest, ""),
    };
    let ascii_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !ascii_digits(whole) || !ascii_digits(part) || part.len() > usize::from(fraction) {
        return None;
    }
    let digits =
        format!("{}{whole}{part:0<width$}", if negative { "-" } else { "" }, width = usize::from(fraction));
    digits.parse().ok().map(|digits| Decimal64 { digits, fraction })
}

fn in_range<T: PartialOrd + Copy>(
    range: &Range<T>,
    value: T,
    what: impl Fn() -> String,
) -> Result<(), TypeError> {
    if range.contains(value) {
        return Ok(());
    }
    let message = match range.error_message {
        Some(message) => message.to_owned(),
        None => format!("{} is outside \"{}\"", what(), range.text),
    };
    Err(TypeError { message, app_tag: range.error_app_tag })
}

fn kind(ty: &Type) -> String {
    let built_in = match &ty.base {
        Base::Int(bits, _) => format!("int{bits}"),
        Base::Uint(bits, _) => format!("uint{bits}"),
        Base::Decimal64(..) => "decimal64".into(),
        Base::String(..) => "string".into(),
        Base::Boolean => "boolean".into(),
        Base::Enumeration(_) => "enumeration".into(),
        Base::Bits(_) => "bits".into(),
        Base::Binary(_) => "binary".into(),
        Base::Empty => "empty".into(),
        Base::IdentityRef(_) => "identityref".into(),
        Base::LeafRef(_) => "leafref".into(),
        Base::InstanceIdentifier { .. } => "instance-identifier".into(),
        Base::Union(_) => "union".into(),
    };
    if built_in == ty.name { built_in } else { format!("{} ({built_in})", ty.name) }
}

fn not_a(text: &str, ty: &Type) -> TypeError {
    error(format!("{} is no {}", shown(text), kind(ty)))
}

/// A value as it is quoted in a message: short enough to read.
fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

fn error(message: String) -> TypeError {
    TypeError { message, app_tag: None }
}

fn fail<T>(message: String) -> Result<T, TypeError> {
    Err(error(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_decimal() {
        assert_eq!(integer("017"), Some(17));
        assert_eq!(integer("-09"), Some(-9));
        assert_eq!(integer("+7"), Some(7));
        assert_eq!(integer("0"), Some(0));
        assert_eq!(integer("-9223372036854775808"), Some(i64::MIN));
        for bad in ["", "-", "1.0", "0x1F", "1F", "--1", "+-1", " 1", "1e3", "9223372036854775808"] {
            assert_eq!(integer(bad), None, "{bad}");
        }
        assert_eq!(unsigned("-0"), Some(0));
        assert_eq!(unsigned("18446744073709551615"), Some(u64::MAX));
    }

    #[test]
    fn decimal64_keeps_its_fraction_digits() {
        assert_eq!(decimal("3.14", 2).map(|d| d.digits), Some(314));
        assert_eq!(decimal("3.1400", 2).map(|d| d.digits), Some(314));
        assert_eq!(decimal("-0.5", 1).map(|d| d.digits), Some(-5));
        for bad in ["3.141", "3.", ".5", "1e2", "", "99999999999999999999"] {
            assert_eq!(decimal(bad, 2), None, "{bad}");
        }
    }
}
