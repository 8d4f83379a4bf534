//! RFC 9254 with names: the examples of its section 6, the same documents as in JSON, and hostile octets.
#![allow(clippy::unwrap_used)]

use super::decode::decode_below;
use super::*;
use crate::yang::decode::{DecodeOptions, Source};
use crate::yang::encode::EncodeOptions;
use crate::yang::error::Tag;
use crate::yang::json;
use crate::yang::path::{InstancePath, Step};
use crate::yang::sample::*;
use crate::yang::schema::{Base, Bit, EnumValue, Kind, Node, Range, Type};
use crate::yang::tree::{Child, Container};
use crate::yang::value::Value;

fn leaf(base: Base) -> &'static Node {
    let ty = Box::leak(Box::new(Type { name: "example", base }));
    Box::leak(Box::new(node("l", None, 0, Kind::Leaf { ty, default: None, units: "" })))
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&String::from_iter(pair), 16).unwrap()).collect()
}

fn written(node: &'static Node, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode_one(node, &Child::Leaf(value.clone()), &mut out, &EncodeOptions::default(), Keys::Names);
    out.strip_prefix(b"\xA1\x67alpha:l").unwrap().to_vec()
}

fn read(node: &'static Node, octets: &[u8]) -> Result<Value, String> {
    let cbor = parse::document(octets, 8).map_err(|e| e.message)?;
    decode::Data { cbor, reference: 0, keys: Keys::Names }.value(node, &SCHEMA).map_err(|e| e.message)
}

const UP: &[EnumValue] = &[EnumValue { name: "up", value: 1 }, EnumValue { name: "testing", value: 3 }];
const UNBOUNDED: &[EnumValue] = &[EnumValue { name: "unbounded", value: 0 }];
const ALARM: &[Bit] = &[
    Bit { name: "unknown", position: 0 },
    Bit { name: "under-repair", position: 1 },
    Bit { name: "critical", position: 2 },
    Bit { name: "warning", position: 8 },
    Bit { name: "indeterminate", position: 128 },
];

fn in_union(members: Vec<Base>) -> Base {
    let member = |base| &*Box::leak(Box::new(Type { name: "member", base }));
    Base::Union(Vec::leak(members.into_iter().map(member).collect()))
}

#[test]
fn section_6_examples_octet_for_octet() {
    let string = || Base::String(Range::ANY, &[]);
    let examples = [
        ("6.1", leaf(Base::Uint(16, Range::ANY)), "1280", "19 0500"),
        ("6.2", leaf(Base::Int(16, Range::ANY)), "-300", "39 012B"),
        ("6.3", leaf(Base::Decimal64(2, Range::ANY)), "2.57", "C4 82 21 19 0101"),
        ("6.4", leaf(string()), "eth0", "64 65746830"),
        ("6.5", leaf(Base::Boolean), "true", "F5"),
        ("6.6", leaf(Base::Enumeration(UP)), "testing", "03"),
        (
            "6.6 in a union",
            leaf(in_union(vec![Base::Int(32, Range::ANY), Base::Enumeration(UNBOUNDED)])),
            "unbounded",
            "D8 2C 69 756E626F756E646564",
        ),
        ("6.7", leaf(Base::Bits(ALARM)), "critical warning indeterminate", "83 42 0401 0E 41 01"),
        ("6.7, one octet", leaf(Base::Bits(ALARM)), "under-repair critical", "41 06"),
        (
            "6.7 in a union",
            leaf(in_union(vec![Base::Bits(ALARM)])),
            "under-repair critical",
            "D8 2B 75 756E6465722D72657061697220637269746963616C",
        ),
        (
            "6.8",
            leaf(Base::Binary(Range::ANY)),
            "Hxzmo/QmYNiI2SpNgDBHbg==",
            "50 1F1CE6A3F42660D888D92A4D8030476E",
        ),
        ("6.9", leaf(string()), "eth1", "64 65746831"),
        ("6.11", leaf(Base::Empty), "", "F6"),
        (
            "6.12",
            leaf(in_union(vec![Base::Int(8, Range::ANY), string()])),
            "2001:db8:a0b:12f0::1",
            "74 323030313A6462383A6130623A313266303A3A31",
        ),
    ];
    for (section, node, text, octets) in examples {
        let value = read(node, &hex(octets)).unwrap_or_else(|e| panic!("{section}: {e}"));
        assert_eq!(value.canonical(), text, "{section}");
        assert_eq!(written(node, &value), hex(octets), "{section}");
    }
}

#[test]
fn sections_6_10_and_6_13_names_are_texts_and_have_a_tag_in_a_union() {
    let text = "{\"alpha:top\":{\"kind\":\"imported:kind-two\",\"where\":\"/alpha:top/item[id='3']/label\"}}";
    let data = from_text(text);
    let cbor = to_cbor(&data);
    let identity = [b"\x64kind\x71".as_slice(), b"imported:kind-two"].concat();
    let instance = [b"\x65where\x78\x1D".as_slice(), b"/alpha:top/item[id='3']/label"].concat();
    for part in [identity, instance] {
        assert!(cbor.windows(part.len()).any(|window| window == part), "{cbor:X?}");
    }
    let kinds = |node: &Node| node.ty().map(|ty| matches!(ty.base, Base::IdentityRef(_)));
    let kind = TOP.data.iter().find(|node| kinds(node) == Some(true)).unwrap();
    let Some(Type { base: Base::IdentityRef(bases), .. }) = kind.ty() else { panic!("an identityref") };
    let union = leaf(in_union(vec![Base::IdentityRef(bases), Base::Boolean]));
    let tagged = [b"\xD8\x2D\x71".as_slice(), b"imported:kind-two"].concat();
    let value = read(union, &tagged).unwrap();
    assert_eq!((value.canonical().as_str(), written(union, &value)), ("imported:kind-two", tagged.clone()));
    assert!(read(union, &tagged[2..]).is_err(), "without its tag");
    assert!(read(kind, &tagged).is_err(), "a tag outside of a union");
}

#[test]
fn what_a_value_cannot_be_is_refused() {
    let (bits, price) = (leaf(Base::Bits(ALARM)), leaf(Base::Decimal64(2, Range::ANY)));
    for (node, octets) in [
        (bits, "81 41 06"),       // an array of one
        (bits, "82 41 01 41 01"), // two byte strings in a row
        (bits, "82 00 41 01"),    // nothing left out
        (bits, "83 01 01 41 01"), // two numbers in a row
        (bits, "41 80"),          // no such bit
        (bits, "82 1B FFFFFFFFFFFFFFFF 42 0101"),
        (bits, "64 6E6F6E65"),       // a text
        (price, "C4 82 22 19 0101"), // three fraction digits
        (price, "C4 82 39 FFFF 01"), // an exponent far away
        (price, "C4 81 21"),
        (price, "FB 4004 8F5C28F5C28F"),
        (leaf(Base::Enumeration(UP)), "02"),
        (leaf(Base::Enumeration(UP)), "D8 2C 62 7570"),
        (leaf(Base::Uint(64, Range::ANY)), "20"),
        (leaf(Base::Uint(64, Range::ANY)), "62 3135"),
        (leaf(Base::Int(64, Range::ANY)), "3B FFFFFFFFFFFFFFFF"),
        (leaf(Base::Empty), "81 F6"),
        (leaf(Base::Boolean), "F7"),
        (leaf(Base::String(Range::ANY, &[])), "61 FF"),
        (leaf(Base::String(Range::ANY, &[])), "7F 61 61 41 61 FF"),
    ] {
        assert!(read(node, &hex(octets)).is_err(), "{octets}");
    }
    assert_eq!(read(bits, &hex("43 010000")).unwrap().canonical(), "unknown", "zeros at the end may stand");
    assert_eq!(read(price, &hex("C4 82 00 02")).unwrap().canonical(), "2.0");
    assert_eq!(
        read(leaf(Base::String(Range::ANY, &[])), &hex("7F 61 61 61 62 FF")).unwrap().canonical(),
        "ab"
    );
}

fn from_text(text: &str) -> Container {
    json::decode_below(text.as_bytes(), &InstancePath::default(), &SCHEMA, &DecodeOptions::default()).unwrap()
}

fn to_text(data: &Container) -> String {
    let mut out = Vec::new();
    let options = EncodeOptions { schema: &SCHEMA, ..EncodeOptions::default() };
    json::encode_children(data, None, &mut out, &options);
    String::from_utf8(out).unwrap()
}

/// The node `top` as a document.
fn to_cbor(data: &Container) -> Vec<u8> {
    let mut out = Vec::new();
    encode_one(
        &TOP,
        data.get(&TOP).unwrap(),
        &mut out,
        &EncodeOptions { schema: &SCHEMA, ..EncodeOptions::default() },
        Keys::Names,
    );
    out
}

fn from_cbor(octets: &[u8]) -> Result<Container, crate::yang::error::Error> {
    decode_below(
        octets,
        &InstancePath::default(),
        &SCHEMA,
        &DecodeOptions { depth_max: 16, ..Default::default() },
        Keys::Names,
    )
}

/// A generator of numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// Some of the members, with some of their values.
fn random_document(numbers: &mut Numbers) -> String {
    let members: &[(&str, &[&str])] = &[
        ("name", &["\"\"", "\"a\\\"b\"", "\"grüße\""]),
        ("small", &["0", "10"]),
        ("big", &["\"0\"", "\"18446744073709551615\"", "\"4294967296\""]),
        ("price", &["\"2.57\"", "\"-0.05\"", "\"92233720368547758.07\""]),
        ("flag", &["true", "false"]),
        ("blob", &["\"\"", "\"aGk=\""]),
        ("nothing", &["[null]"]),
        ("color", &["\"green\""]),
        ("bits", &["\"\"", "\"one\"", "\"one two\""]),
        ("kind", &["\"alpha:kind-one\"", "\"imported:kind-two\""]),
        ("where", &["\"/alpha:top/item[id='3']/label\""]),
        ("either", &["-5"]),
        ("tag", &["[\"x\",\"y\"]", "[\"\"]"]),
        ("item", &["[{\"id\":-3,\"label\":\"three\"},{\"id\":300000}]"]),
        ("step", &["[{\"id\":\"b\"},{\"id\":\"a\"}]"]),
        ("a1", &["\"1\""]),
        (
            "payload",
            &["{}", "{\"alpha:x\":[1,-70000],\"y\":{\"z\":[null]},\"f\":0.5,\"s\":\"t\",\"b\":true}"],
        ),
        ("any", &["null", "[null]", "[true,null,true]", "{\"p q\":[]}"]),
        ("beta:extra", &["\"e\""]),
    ];
    let mut text = Vec::new();
    for (name, values) in members {
        if numbers.below(2) == 0 {
            text.push(format!("\"{name}\":{}", values[numbers.below(values.len())]));
        }
    }
    if text.is_empty() {
        random_document(numbers)
    } else {
        format!("{{\"alpha:top\":{{{}}}}}", text.join(","))
    }
}

#[test]
fn random_documents_are_the_same_in_json_and_cbor() {
    let mut numbers = Numbers(7);
    for _ in 0..2000 {
        let text = random_document(&mut numbers);
        let data = from_text(&text);
        let cbor = to_cbor(&data);
        let back = from_cbor(&cbor).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(to_text(&back), to_text(&data));
        assert!(cbor.len() < text.len() + 8, "{} octets for {text}", cbor.len());
    }
}

#[test]
fn hostile_octets_are_refused_and_what_is_taken_can_be_written() {
    let mut numbers = Numbers(11);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..3000 {
        let cbor = to_cbor(&from_text(&random_document(&mut numbers)));
        let mut octets = cbor.clone();
        for _ in 0..=numbers.below(3) {
            let at = numbers.below(octets.len());
            match numbers.below(4) {
                0 => octets[at] = numbers.below(256) as u8,
                1 => octets.truncate(at.max(1)),
                2 => octets.insert(at, numbers.below(256) as u8),
                _ => octets[at] ^= 1 << numbers.below(8),
            }
        }
        match from_cbor(&octets) {
            Err(_) => refused += 1,
            Ok(data) => {
                taken += 1;
                if data.get(&TOP).is_some() {
                    assert_eq!(to_text(&from_cbor(&to_cbor(&data)).unwrap()), to_text(&data));
                }
            }
        }
    }
    assert!(taken > 50 && refused > 1000, "{taken} taken, {refused} refused");
}

#[test]
fn what_is_malformed_is_told_with_its_octet() {
    for (octets, part) in [
        ("", "at octet 0"),
        ("A1 69 616C7068613A746F70 A0 00", "something follows"),
        ("A1 69 616C7068613A746F70 A2 64 666C6167 F5 64 666C6167 F5", "\"flag\" stands twice"),
        ("A1 F5 A0", "a name or a SID is expected"),
        ("A1 69 616C7068613A746F70 9B FFFFFFFFFFFFFFFF", "at octet"),
        ("BF 69 616C7068613A746F70 BF FF", "at octet"),
        ("F8 20", "no meaning"),
        ("FF", "no meaning"),
    ] {
        let error = from_cbor(&hex(octets)).unwrap_err();
        assert_eq!(error.tag, Tag::MalformedMessage, "{octets}");
        assert!(error.message.contains(part), "{octets}: {}", error.message);
    }
    let deep = from_cbor(&[0x81; 1_000_000]).unwrap_err();
    assert!(deep.message.contains("nested too deep"), "{}", deep.message);
    assert!(
        from_cbor(&hex("BF 69 616C7068613A746F70 BF 64 666C6167 F5 FF FF")).is_ok(),
        "indefinite lengths"
    );
}

#[test]
fn a_document_is_what_its_target_says() {
    let target = InstancePath { steps: vec![Step::plain(&TOP)] };
    let options = DecodeOptions::default();
    let right = hex("A1 69 616C7068613A746F70 A1 64 666C6167 F5");
    assert!(decode_one(&right, &target, &SCHEMA, &options, Keys::Names).is_ok());
    for wrong in ["A0", "80", "A1 63 746F70 A0", "A1 69 616C7068613A746F70 F6"] {
        assert!(decode_one(&hex(wrong), &target, &SCHEMA, &options, Keys::Names).is_err(), "{wrong}");
    }
}
