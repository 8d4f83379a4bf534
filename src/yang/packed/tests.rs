//! What is packed comes back as it was, and as its names say where another program packed it.

use super::*;
use crate::yang::encode::EncodeOptions;
use crate::yang::generated::magent_task::nodes::INTERACTION_TASKS_TASK as TASK;
use crate::yang::json;

/// A document with every kind of node that is kept: lists by key and by the user's order, leafs of most types, anydata.
const DOCUMENT: &str = r#"{
    "ietf-netconf-acm:nacm": {
        "enable-nacm": true, "read-default": "deny",
        "groups": {"group": [{"name": "g", "user-name": ["b", "a"]}]},
        "rule-list": [
            {"name": "z", "group": ["g"], "rule": [
                {"name": "2", "path": "/irtf-agent:data-params[irtf-agent:id='it''s']", "access-operations": "create update", "action": "permit"},
                {"name": "1", "module-name": "*", "rpc-name": "x", "access-operations": "*", "action": "deny", "comment": "\u00e9\t?"}
            ]},
            {"name": "a", "group": ["*"]}
        ]
    },
    "irtf-agent:data-params": [{"id": "d", "dataType": "text", "data": "x"}, {"id": "c", "dataType": "text", "data": ""}],
    "magent-access:access": {"limits": {"user": {"agents": "18446744073709551615", "event-streams": 7}}}
}"#;

const ORDER: &str = r#"{"id": "t", "from": "a", "to": "b", "content": "what is to be done", "expected-response": "what is expected",
    "structured-content": {"irtf-agent:agent": {"name": "n", "numbers": [1, -2.5, true]}}, "term-explains": [{"term": "t", "explanation": "e"}],
    "asynchronous": true, "status": "processing", "progress": 40, "event-sequence": "3",
    "created-at": "2026-11-21T10:00:00Z", "updated-at": "2026-11-21T10:00:00Z"}"#;

fn text(data: &Container, node: Option<&'static Node>) -> String {
    let mut text = Vec::new();
    json::encode_children(data, node, &mut text, &EncodeOptions::default());
    String::from_utf8(text).unwrap()
}

fn decoded(json: &str, node: Option<&'static Node>) -> Container {
    json::decode_children(json.as_bytes(), node, &SCHEMA, &json::STORED).unwrap()
}

fn packed(data: &Container) -> Vec<u8> {
    let mut octets = Vec::new();
    pack(data, &mut octets);
    octets
}

#[test]
fn data_comes_back_as_it_was_with_its_order_and_its_revisions() {
    for (json, node) in [(DOCUMENT, None), (ORDER, Some(&TASK))] {
        let data = decoded(json, node).at_revision(300);
        let again = unpack(&packed(&data), node).unwrap();
        assert_eq!(again, data);
        assert_eq!(again.revision, 300);
        assert_eq!(text(&again, node), text(&data, node));
    }
}

#[test]
fn floats_stay_what_they_were_however_often_they_are_stored() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..2000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let float = f64::from_bits(0x3ff0_0000_0000_0000 | random >> 12) * (0.1 + 0.2) - 0.3;
        let order = ORDER.replace("-2.5", &format!("{float:?}"));
        let first = decoded(&order, Some(&TASK));
        assert!(text(&first, Some(&TASK)).contains(&format!("{float:?}")), "{float:?}");
        assert_eq!(unpack(&packed(&first), Some(&TASK)).unwrap(), first, "{float:?}");
    }
}

#[test]
fn a_layout_of_this_program_reads_what_it_packed() {
    let layout = Layout::read(&Layout::own()).unwrap();
    for (json, node) in [(DOCUMENT, None), (ORDER, Some(&TASK))] {
        let data = decoded(json, node);
        assert_eq!(layout.unpack(&packed(&data), node).unwrap(), data);
    }
}

#[test]
fn what_another_program_packed_is_read_by_the_names_of_its_layout() {
    // For the program that packed, these two leafs stood in each other's place.
    let lines: Vec<String> = Layout::own().lines().map(str::to_owned).collect();
    let below = lines.iter().position(|line| line.ends_with("magent-task:task")).unwrap();
    let place = |name: &str| below + lines[below..].iter().position(|line| line.ends_with(name)).unwrap();
    let (content, expected) = (place("magent-task:content"), place("magent-task:expected-response"));
    let mut swapped = lines.clone();
    swapped[content] = lines[content].replace("content", "expected-response");
    swapped[expected] = lines[expected].replace("expected-response", "content");
    let layout = Layout::read(&swapped.join("\n")).unwrap();
    let read = text(&layout.unpack(&packed(&decoded(ORDER, Some(&TASK))), Some(&TASK)).unwrap(), Some(&TASK));
    assert!(read.contains(r#""content":"what is expected""#), "{read}");
    assert!(read.contains(r#""expected-response":"what is to be done""#), "{read}");
}

#[test]
fn what_this_program_has_no_node_for_is_an_error_where_data_has_it_and_only_there() {
    let own = Layout::own();
    let renamed = own.replace("magent-task:expected-response", "magent-task:expected-answer");
    let layout = Layout::read(&renamed).unwrap();
    let error = layout.unpack(&packed(&decoded(ORDER, Some(&TASK))), Some(&TASK)).unwrap_err();
    assert!(error.to_string().contains("below magent-task:task"), "{error}");
    let without = decoded(&ORDER.replace(r#""expected-response": "what is expected","#, ""), Some(&TASK));
    assert_eq!(layout.unpack(&packed(&without), Some(&TASK)).unwrap(), without);
    for wrong in ["x", "0", "0 1", "1 0 a:b", "0 70000 a:b", "0 0 a:b\n2 0 a:c"] {
        assert!(Layout::read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn no_octets_are_more_than_an_error() {
    for (json, node) in [(DOCUMENT, None), (ORDER, Some(&TASK))] {
        let whole = packed(&decoded(json, node));
        for end in 0..whole.len() {
            assert!(unpack(&whole[..end], node).is_err(), "cut off at {end}");
        }
        for place in 0..whole.len() {
            for bit in [0x01, 0x80] {
                let mut octets = whole.clone();
                octets[place] ^= bit;
                // It may be other data, but never a panic, nor more memory than there are octets.
                let _ = unpack(&octets, node);
            }
        }
    }
}

#[test]
fn numbers_and_texts_come_back() {
    let mut out = Vec::new();
    let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX];
    numbers.iter().for_each(|number| put_number(&mut out, *number));
    let times =
        [Timestamp::EPOCH, Timestamp::from_micros(-5).unwrap(), Timestamp::from_micros(1 << 50).unwrap()];
    times.iter().for_each(|time| put_time(&mut out, *time));
    put_optional(&mut out, None);
    put_optional(&mut out, Some("\u{e9}"));
    let mut reader = Reader::new(&out);
    numbers.iter().for_each(|number| assert_eq!(reader.number().unwrap(), *number));
    times.iter().for_each(|time| assert_eq!(reader.time().unwrap(), *time));
    assert_eq!((reader.optional().unwrap(), reader.optional().unwrap()), (None, Some("\u{e9}")));
    assert!(reader.is_at_end() && reader.end().is_ok() && reader.number().is_err());
    assert!(Reader::new(&[0xff; 11]).number().is_err());
}
