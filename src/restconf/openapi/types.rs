//! YANG types as JSON Schema (draft 2020-12), in the encodings of RFC 7951 section 6.
//!
//! What JSON Schema cannot say is left out, so a schema never refuses what the server takes.

use serde_json::{Map, Value as Json, json};

use crate::yang::generated::SCHEMA;
use crate::yang::schema::{Base, Identity, Module, Pattern, Range, Type};

/// Name of the component for any YANG string (RFC 7950 section 9.4, `yang-char`).
pub const STRING: &str = "yang-string";

/// The schema of any YANG string.
pub fn any_string() -> Json {
    text("^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\ufdd0-\\ufdef\\ufffe\\uffff]*$")
}

/// The schema of the values of a type, for a leaf of `module`.
pub fn schema(ty: &Type, module: &'static Module) -> Json {
    match &ty.base {
        // RFC 7951 section 6.1: numbers of 64 bits are strings. Their ranges cannot be said of a text.
        Base::Int(64, _) => text("^[+-]?[0-9]+$"),
        Base::Uint(64, _) => text("^([+]?[0-9]+|-0+)$"),
        Base::Int(bits, range) => {
            integer(range, (i64::MIN >> (64 - bits)).into(), (i64::MAX >> (64 - bits)).into())
        }
        Base::Uint(bits, range) => integer(range, 0.into(), (u64::MAX >> (64 - bits)).into()),
        Base::Decimal64(fraction, _) => text(&format!("^[+-]?[0-9]+([.][0-9]{{1,{fraction}}}0*)?$")),
        Base::String(length, patterns) => string(length, patterns),
        Base::Boolean => json!({"type": "boolean"}),
        Base::Enumeration(values) => {
            json!({"type": "string", "enum": values.iter().map(|value| value.name).collect::<Vec<_>>()})
        }
        Base::Bits(bits) => {
            let names: Vec<String> = bits.iter().map(|bit| literal(bit.name)).collect();
            let one = format!("({})", names.join("|"));
            text(&format!("^\\s*({one}(\\s+{one})*)?\\s*$"))
        }
        Base::Binary(_) => json!({"type": "string", "contentEncoding": "base64"}),
        Base::Empty => json!({"const": [null]}),
        Base::IdentityRef(bases) => identity(bases, module),
        Base::LeafRef(leafref) => schema(leafref.real, module),
        Base::InstanceIdentifier { .. } => text("^/"),
        Base::Union(members) => {
            json!({"anyOf": members.iter().map(|member| schema(member, module)).collect::<Vec<_>>()})
        }
    }
}

fn text(pattern: &str) -> Json {
    json!({"type": "string", "pattern": pattern})
}

fn integer<T: Copy + Into<Json>>(range: &Range<T>, low: Json, high: Json) -> Json {
    let part = |low: Json, high: Json| json!({"type": "integer", "minimum": low, "maximum": high});
    match range.parts {
        [] => part(low, high),
        [(low, high)] => part((*low).into(), (*high).into()),
        parts => {
            json!({"anyOf": parts.iter().map(|(low, high)| part((*low).into(), (*high).into())).collect::<Vec<_>>()})
        }
    }
}

fn string(length: &Range<u64>, patterns: &[&Pattern]) -> Json {
    let mut schema = Map::new();
    schema.insert("$ref".into(), format!("#/components/schemas/{STRING}").into());
    if let (Some((low, _)), Some((_, high))) = (length.parts.first(), length.parts.last()) {
        schema.insert("minLength".into(), (*low).into());
        if *high < u64::from(u32::MAX) {
            schema.insert("maxLength".into(), (*high).into());
        }
    }
    let said = patterns.iter().filter_map(|pattern| {
        let regex = json!({"pattern": regex(pattern.xsd)?});
        Some(if pattern.invert { json!({"not": regex}) } else { regex })
    });
    let mut said: Vec<Json> = said.collect();
    match (said.pop(), said.is_empty()) {
        (None, _) => {}
        (Some(Json::Object(only)), true) => schema.extend(only),
        (Some(last), _) => {
            said.push(last);
            schema.insert("allOf".into(), said.into());
        }
    }
    schema.into()
}

/// Every identity there is that derives from all of these. RFC 7951 section 6.8: an identity of the leaf's own
/// module may stand without its module.
fn identity(bases: &[&'static Identity], module: &'static Module) -> Json {
    let all = SCHEMA.modules.iter().flat_map(|module| module.identities).copied();
    let derived = all.filter(|identity| bases.iter().all(|base| identity.derives_from(base)));
    let names: Vec<String> = derived
        .flat_map(|identity| {
            let qualified = format!("{}:{}", identity.module.name, identity.name);
            let short = (identity.module == module).then(|| identity.name.to_owned());
            [Some(qualified), short].into_iter().flatten()
        })
        .collect();
    match names.is_empty() {
        true => json!({"not": {}}),
        false => json!({"type": "string", "enum": names}),
    }
}

/// An XSD pattern as the regular expression of ECMA-262 that JSON Schema wants; `None` if it has something that
/// ECMA-262 has not, or means otherwise: `\i`, `\c`, `\w`, `\p` and class subtraction.
fn regex(xsd: &str) -> Option<String> {
    let mut out = String::from("^(?:");
    let mut in_class = false;
    let mut characters = xsd.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next()? {
                'i' | 'I' | 'c' | 'C' | 'w' | 'W' | 'p' | 'P' => return None,
                // Outside of a class, only characters of the syntax may be escaped.
                '-' if !in_class => out.push('-'),
                escaped => out.extend(['\\', escaped]),
            },
            '[' if in_class => return None,
            '[' => {
                in_class = true;
                out.push('[');
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            // These have no meaning of their own in XSD.
            '^' | '$' if !in_class => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push_str(")$");
    Some(out)
}

/// A text as the regular expression that matches it alone. YANG identifiers have nothing else to be escaped.
fn literal(name: &str) -> String {
    name.replace('.', "[.]")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_said_if_ecmascript_can_say_it() {
        assert_eq!(regex("[a-z^]+$").unwrap(), "^(?:[a-z^]+\\$)$");
        assert_eq!(regex("a\\-b[\\-+]\\d{2}\\.").unwrap(), "^(?:a-b[\\-+]\\d{2}\\.)$");
        for other in ["\\i\\c*", "\\p{L}", "[a-z-[aeiou]]", "\\w", "\\"] {
            assert_eq!(regex(other), None, "{other}");
        }
    }
}
