//! RFC 9254 with SIDs: the RFC's own examples octet for octet, and what cannot stand there. The module and its `.sid` file are
//! in `sids/`.

use std::path::Path;

use agentconf::yang::cbor::{self, Keys};
use agentconf::yang::decode::DecodeOptions;
use agentconf::yang::encode::EncodeOptions;
use agentconf::yang::error::{Error, Tag};
use agentconf::yang::json;
use agentconf::yang::path::{InstancePath, Step};
use agentconf::yang::schema::{Kind, Schema};
use agentconf::yang::tree::{Child, Container};
use agentconf_codegen::Compiler;

use super::live;

fn schema() -> &'static Schema {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/sids");
    let (ir, _) = Compiler::new().yang_dir(folder).resolve().unwrap_or_else(|e| panic!("{e}"));
    live::schema(&ir)
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&String::from_iter(pair), 16).unwrap()).collect()
}

/// A text as CBOR has it, with its head.
fn text(text: &str) -> String {
    let head = match text.len() {
        length @ 0..24 => format!("{:02X}", 0x60 + length),
        length => format!("78 {length:02X}"),
    };
    head + &text.bytes().map(|octet| format!("{octet:02X}")).collect::<String>()
}

fn read(schema: &'static Schema, octets: &str, keys: Keys) -> Result<Container, Error> {
    cbor::decode_below(&hex(octets), &InstancePath::default(), schema, &DecodeOptions::default(), keys)
}

fn as_json(schema: &'static Schema, content: &Container) -> String {
    let mut out = Vec::new();
    json::encode_children(content, None, &mut out, &EncodeOptions { schema, ..EncodeOptions::default() });
    String::from_utf8(out).unwrap()
}

/// The only node in it as a document.
fn written(schema: &'static Schema, content: &Container) -> Vec<u8> {
    let (node, child) = content.iter().next().unwrap();
    let mut out = Vec::new();
    let options = EncodeOptions { schema, ..EncodeOptions::default() };
    cbor::encode_one(node, child, &mut out, &options, Keys::Sids);
    out
}

/// Documents, and the octets that they are with SIDs and nothing else.
fn is_written_as(examples: &[(&str, String)]) {
    let schema = schema();
    for (document, octets) in examples {
        let content = read(schema, octets, Keys::Sids).unwrap_or_else(|e| panic!("{document}: {e}"));
        // Members of an anydata have no order.
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&as_json(schema, &content)), value(document));
        assert_eq!(written(schema, &content), hex(octets), "{document}");
        let again =
            json::decode_children(document.as_bytes(), None, schema, &DecodeOptions::default()).unwrap();
        assert_eq!(written(schema, &again), hex(octets), "from JSON: {document}");
        assert_eq!(
            read(schema, octets, Keys::Names).unwrap_err().tag,
            Tag::UnknownElement,
            "SIDs are no names"
        );
    }
}

#[test]
fn sections_4_1_to_4_4_examples_octet_for_octet() {
    let server = |name: &str, rest: &str| format!("03 {} 05 {rest}", text(name));
    is_written_as(&[
        (
            r#"{"example:system":{"hostname":"myhost.example.com"}}"#,
            format!("A1 19 06A4 A1 18 34 {}", text("myhost.example.com")),
        ),
        (
            r#"{"example:system-state":{"clock":{"current-datetime":"2015-10-02T14:47:24Z-05:00","boot-datetime":"2015-09-15T09:12:58Z-05:00"}}}"#,
            format!(
                "A1 19 06B8 A1 01 A2 02 {} 01 {}",
                text("2015-10-02T14:47:24Z-05:00"),
                text("2015-09-15T09:12:58Z-05:00")
            ),
        ),
        (
            r#"{"example:system":{"search":["ietf.org","ieee.org"]}}"#,
            format!("A1 19 06A4 A1 18 2E 82 {} {}", text("ietf.org"), text("ieee.org")),
        ),
        (
            r#"{"example:server":[{"name":"NRC TIC server","udp":{"address":"tic.nrc.ca","port":123},"association-type":"server","iburst":false,"prefer":true},{"name":"NRC TAC server","udp":{"address":"tac.nrc.ca"}}]}"#,
            format!(
                "A1 19 06DC 82 A5 {} 01 00 02 F4 04 F5 A2 {}",
                server("NRC TIC server", &format!("A2 01 {} 02 18 7B", text("tic.nrc.ca"))),
                server("NRC TAC server", &format!("A1 01 {}", text("tac.nrc.ca")))
            ),
        ),
    ]);
}

#[test]
fn sections_4_5_and_4_6_anydata_and_anyxml() {
    is_written_as(&[
        (
            r#"{"example:last-event":{"example:example-port-fault":{"port-name":"0/4/21","port-fault":"Open pin 2"}}}"#,
            format!("A1 19 EADB A1 18 4D A2 01 {} 02 {}", text("0/4/21"), text("Open pin 2")),
        ),
        (r#"{"example:bar":[true,null,true]}"#, "A1 19 EA60 83 F5 F6 F5".into()),
    ]);
    let schema = schema();
    // The same with the absolute SID, as the RFC allows.
    let absolute = format!("A1 19 EADB A1 D8 2F 19 EB28 A1 01 {}", text("0/4/21"));
    let content = read(schema, &absolute, Keys::Sids).unwrap();
    assert_eq!(
        as_json(schema, &content),
        r#"{"example:last-event":{"example:example-port-fault":{"port-name":"0/4/21"}}}"#
    );
    // What no schema has stays as it is, by its name.
    let foreign = format!("A1 19 EADB A1 {} 01", text("other:thing"));
    let content = read(schema, &foreign, Keys::Any).unwrap();
    assert_eq!(as_json(schema, &content), r#"{"example:last-event":{"other:thing":1}}"#);
    assert_eq!(written(schema, &content), hex(&foreign));
    assert!(read(schema, "A1 19 EADB A1 18 01 01", Keys::Any).is_err(), "an unknown SID");
}

#[test]
fn section_5_1_an_error_in_sids() {
    is_written_as(&[(
        r#"{"example:error":{"error-tag":"example:invalid-value","error-app-tag":"example:not-in-range","error-data-node":"/example:system/timezone-utc-offset","error-message":"Maximum exceeded"}}"#,
        format!("A1 19 0400 A4 04 19 03F3 01 19 03FA 02 19 06CC 03 {}", text("Maximum exceeded")),
    )]);
}

#[test]
fn sections_6_10_1_and_6_13_1_identities_and_instances() {
    // SIDs 1743, 1742 and 1744 below 1700.
    let leaf = |delta: &str, value: &str| format!("A1 19 06A4 A1 18 {delta} {value}");
    is_written_as(&[
        (r#"{"example:system":{"type":"example:ethernetCsmacd"}}"#, leaf("2B", "19 0758")),
        (r#"{"example:system":{"reporting-entity":"/example:system/contact"}}"#, leaf("2A", "19 06CD")),
        (
            r#"{"example:system":{"reporting-entity":"/example:system/user[name='bob']/authorized-key[name='admin'][country='france']/key-data"}}"#,
            leaf("2A", &format!("84 19 06C6 {} {} {}", text("bob"), text("admin"), text("france"))),
        ),
        (
            r#"{"example:system":{"reporting-entity":"/example:system/user[name='jack']"}}"#,
            leaf("2A", &format!("82 19 06C2 {}", text("jack"))),
        ),
        // Section 6.12: in a union they have their tags.
        (r#"{"example:system":{"either":"example:ethernetCsmacd"}}"#, leaf("2C", "D8 2D 19 0758")),
        (r#"{"example:system":{"either":"/example:system/contact"}}"#, leaf("2C", "D8 2E 19 06CD")),
        (r#"{"example:system":{"either":1880}}"#, leaf("2C", "19 0758")),
        // Without a SID of their own they have their names.
        (r#"{"example:system":{"type":"example:loopback"}}"#, leaf("2B", &text("example:loopback"))),
        (
            r#"{"example:system":{"reporting-entity":"/example:system/unnumbered"}}"#,
            leaf("2A", &text("/example:system/unnumbered")),
        ),
    ]);
    let schema = schema();
    for wrong in
        ["00", "19 03F3", "81 19 06CD", "82 19 06CD 01", "81 19 06C2", "84 19 06C6 6162 6163", "20", "F5"]
    {
        for delta in ["2A", "2B"] {
            assert!(read(schema, &leaf(delta, wrong), Keys::Sids).is_err(), "{delta} {wrong}");
        }
    }
}

#[test]
fn section_3_2_deltas_are_to_the_map_around_and_begin_anew_below_a_name() {
    let schema = schema();
    let clock = r#"{"example:system-state":{"clock":{"boot-datetime":"b"}}}"#;
    let (state, in_it) = (text("example:system-state"), text("clock"));
    for (octets, keys) in [
        ("A1 19 06B8 A1 01 A1 01 61 62".to_owned(), Keys::Sids),
        ("A1 D8 2F 19 06B8 A1 D8 2F 19 06B9 A1 D8 2F 19 06BA 61 62".to_owned(), Keys::Sids),
        // A negative delta: the reference is 0 below a name.
        (format!("A1 {state} A1 19 06B9 A1 01 61 62"), Keys::Any),
        (format!("A1 19 06B8 A1 {in_it} A1 19 06BA 61 62"), Keys::Any),
    ] {
        let content = read(schema, &octets, keys).unwrap_or_else(|e| panic!("{octets}: {e}"));
        assert_eq!(as_json(schema, &content), clock, "{octets}");
    }
    for (wrong, keys, tag) in [
        ("A1 19 06B8 A1 19 06B9 A0".to_owned(), Keys::Sids, Tag::UnknownElement),
        ("A1 00 A0".into(), Keys::Sids, Tag::UnknownElement),
        ("A1 20 A0".into(), Keys::Sids, Tag::UnknownElement),
        ("A1 3B FFFFFFFFFFFFFFFF A0".into(), Keys::Sids, Tag::UnknownElement),
        ("A1 1B FFFFFFFFFFFFFFFF A0".into(), Keys::Sids, Tag::UnknownElement),
        ("A1 19 06B8 A2 01 A0 D8 2F 19 06B9 A0".into(), Keys::Sids, Tag::BadElement),
        ("A1 19 06B8 A2 01 A0 01 A0".into(), Keys::Sids, Tag::MalformedMessage),
        ("A1 D8 30 01 A0".into(), Keys::Sids, Tag::MalformedMessage),
        (format!("A1 {state} A0"), Keys::Sids, Tag::UnknownElement),
    ] {
        assert_eq!(read(schema, &wrong, keys).unwrap_err().tag, tag, "{wrong}");
    }
    // An entry is named by its key here, too.
    let error = read(schema, &format!("A1 19 06DC 81 A2 03 {} 18 63 01", text("a")), Keys::Sids).unwrap_err();
    assert_eq!(error.path.unwrap().to_string(), "/example:server[name='a']");
}

#[test]
fn section_4_2_1_the_reference_of_an_input_is_the_operation() {
    let schema = schema();
    let rpc = schema.implemented().flat_map(|m| m.rpcs).find(|rpc| rpc.name == "restart").unwrap();
    let Kind::Rpc { input, .. } = rpc.kind else { panic!("an rpc") };
    let target = InstancePath { steps: vec![Step::plain(rpc), Step::plain(input)] };
    // 60300 : { 2 : 7 }
    let octets = hex("A1 19 EB8C A1 02 07");
    let child = cbor::decode_one(&octets, &target, schema, &DecodeOptions::default(), Keys::Sids).unwrap();
    let Child::Container(content) = &child else { panic!("{child:?}") };
    assert_eq!(content.iter().count(), 1);
    let mut out = Vec::new();
    cbor::encode_one(
        input,
        &child,
        &mut out,
        &EncodeOptions { schema, ..EncodeOptions::default() },
        Keys::Sids,
    );
    assert_eq!(out, octets);
}

#[test]
fn section_7_only_what_has_sids_throughout_is_of_the_media_type_for_them() {
    let schema = schema();
    let has =
        |name: &str| schema.implemented().flat_map(|m| m.data).find(|n| n.name == name).unwrap().has_sids();
    assert!(has("server") && has("system-state") && has("error"));
    assert!(!has("system"), "one of its leafs has none");
}
