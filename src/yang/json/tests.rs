//! RFC 7951 over the hand-made schema: what is read, what is refused and why, what is written.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::yang::decode::{DecodeOptions, Wrapper};
use crate::yang::encode::EncodeOptions;
use crate::yang::error::{Error, Tag};
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::sample::*;
use crate::yang::tree::{Child, Container, Key};
use crate::yang::value::Value;

fn read(text: &str) -> Result<Container, Error> {
    decode_below(text.as_bytes(), &InstancePath::default(), &SCHEMA, &DecodeOptions::default())
}

fn top(members: &str) -> Result<Container, Error> {
    read(&format!("{{\"alpha:top\":{{{members}}}}}"))
}

fn write(data: &Container, depth: Option<u16>) -> String {
    let mut out = Vec::new();
    encode_children(data, None, &mut out, &EncodeOptions { schema: &SCHEMA, depth, ..Default::default() });
    String::from_utf8(out).unwrap()
}

/// Tag and path of the error that the members of `alpha:top` cause.
fn refused(members: &str) -> (Tag, String) {
    let error = top(members).unwrap_err();
    (error.tag, error.path.unwrap_or_default().to_string())
}

fn path(steps: Vec<Step>) -> InstancePath {
    InstancePath { steps }
}

#[test]
fn every_type_is_written_as_it_was_read() {
    let text = concat!(
        r#"{"alpha:top":{"name":"a\"\\\u0001é","small":7,"big":"18446744073709551615","price":"2.5","#,
        r#""flag":true,"blob":"aGk=","nothing":[null],"color":"green","bits":"one two","#,
        r#""kind":"imported:kind-two","where":"/alpha:top/item[id='3']/label","either":-5,"#,
        r#""tag":["x","y"],"item":[{"id":3,"label":"three"}],"step":[{"id":"b"},{"id":"a"}],"a1":"1","a2":"2","#,
        r#""payload":{"alpha:x":[1,2],"y":{}},"any":[null,{"p q":1}],"beta:extra":"e"}}"#,
    );
    let text = text.replace("\\u0001", "\\t");
    assert_eq!(write(&read(&text).unwrap(), None), text);
}

#[test]
fn values_are_written_in_canonical_form_and_keys_first() {
    let data =
        top(r#""price":"2.500","kind":"kind-one","bits":"two one","item":[{"label":"l","id":1}]"#).unwrap();
    let canonical = concat!(
        r#"{"alpha:top":{"price":"2.5","bits":"one two","kind":"alpha:kind-one","#,
        r#""item":[{"id":1,"label":"l"}]}}"#
    );
    assert_eq!(write(&data, None), canonical);
    let pair = read(r#"{"alpha:item-by-two":[{"first":"f","second":"kind-one"}]}"#).unwrap();
    assert_eq!(write(&pair, None), r#"{"alpha:item-by-two":[{"second":"alpha:kind-one","first":"f"}]}"#);
}

#[test]
fn section_4_names_are_qualified_exactly_where_the_module_changes() {
    assert!(top(r#""beta:extra":"e""#).is_ok());
    assert_eq!(refused(r#""extra":"e""#).0, Tag::UnknownElement);
    assert_eq!(refused(r#""alpha:name":"e""#), (Tag::UnknownElement, "/alpha:top".into()));
    assert!(top(r#""alpha:name":"e""#).unwrap_err().message.contains("written \"name\""));
    assert_eq!(read(r#"{"top":{}}"#).unwrap_err().tag, Tag::UnknownElement);
    assert_eq!(read(r#"{"gamma:top":{}}"#).unwrap_err().tag, Tag::UnknownNamespace);
    assert_eq!(read(r#"{"imported:top":{}}"#).unwrap_err().tag, Tag::UnknownNamespace);
}

#[test]
fn an_unknown_member_is_named_with_what_it_may_have_been() {
    let error = top(r#""nam":"e""#).unwrap_err();
    assert_eq!(error.tag, Tag::UnknownElement);
    assert!(error.message.ends_with("did you mean \"name\"?"), "{error}");
    assert_eq!((error.info[0].name, error.info[0].value.to_string().as_str()), ("bad-element", "nam"));
    assert!(top(r#""extra":"e""#).unwrap_err().message.contains("did you mean \"beta:extra\""));
    assert!(read(r#"{"top":{}}"#).unwrap_err().message.contains("did you mean \"alpha:top\""));
}

#[test]
fn malformed_text_is_told_with_its_place() {
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    for bad in [
        "",
        "{",
        "{} x",
        "{\"a\":1,}",
        "{'a':1}",
        "[1] // no",
        "{\"alpha:top\":{},\"alpha:top\":{}}",
        "{\"a\":1,\"\\u0061\":2}",
        "\"\\ud800\"",
        "\"a\tb\"",
        "01",
        "NaN",
        deep.as_str(),
    ] {
        let error = read(bad).unwrap_err();
        assert_eq!(error.tag, Tag::MalformedMessage, "{bad}: {error}");
        assert!(error.message.contains("line 1 column"), "{bad}: {error}");
    }
    let error = decode_below(b"{\n\"a\xff\":1}", &InstancePath::default(), &SCHEMA, &STORED).unwrap_err();
    assert_eq!(error.message, "not UTF-8 at line 2 column 3");
}

#[test]
fn duplicates_among_many_members_are_found() {
    let mut members: Vec<String> = (0..100).map(|i| format!("\"m{i}\":1")).collect();
    assert_eq!(top(&members.join(",")).unwrap_err().tag, Tag::UnknownElement);
    members.push("\"m99\":1".into());
    assert_eq!(top(&members.join(",")).unwrap_err().tag, Tag::MalformedMessage);
    members[100] = "\"m3\":1".into();
    assert_eq!(top(&members.join(",")).unwrap_err().tag, Tag::MalformedMessage);
}

#[test]
fn section_6_values_need_the_json_type_of_their_yang_type() {
    let small = |text: &str| refused(&format!("\"small\":{text}"));
    for bad in ["1.0", "1e0", "\"1\"", "null", "[1]", "{}", "true", "[null]", "99999999999999999999"] {
        assert_eq!(small(bad), (Tag::InvalidValue, "/alpha:top/small".into()), "{bad}");
    }
    for bad in ["1", "1.5", "\"1.555\""] {
        assert_eq!(refused(&format!("\"price\":{bad}")).0, Tag::InvalidValue);
    }
    for bad in ["5", "\"-1\"", "\"18446744073709551616\"", "\" 1\""] {
        assert_eq!(refused(&format!("\"big\":{bad}")).0, Tag::InvalidValue);
    }
    for bad in ["null", "\"\"", "[]", "[null,null]", "[0]"] {
        assert_eq!(refused(&format!("\"nothing\":{bad}")).0, Tag::InvalidValue);
    }
    assert_eq!(refused("\"flag\":\"true\"").0, Tag::InvalidValue);
    assert_eq!(refused("\"name\":\"\\u0000\"").0, Tag::InvalidValue);
    let error = top("\"small\":11").unwrap_err();
    assert_eq!((error.tag, error.app_tag.as_deref()), (Tag::InvalidValue, Some("too-large")));
}

#[test]
fn a_union_keeps_the_member_type_that_the_json_form_chooses() {
    for text in ["5", "\"5\"", "\"alpha:kind-one\"", "\"free\""] {
        let written = write(&top(&format!("\"either\":{text}")).unwrap(), None);
        assert_eq!(written, format!("{{\"alpha:top\":{{\"either\":{text}}}}}"));
    }
}

#[test]
fn list_entries_are_checked_and_named_by_their_keys() {
    assert_eq!(
        refused(r#""item":[{"id":1},{"label":"x"}]"#),
        (Tag::MissingElement, "/alpha:top/item[2]".into())
    );
    assert_eq!(
        refused(r#""item":[{"label":5,"id":1}]"#),
        (Tag::InvalidValue, "/alpha:top/item[id='1']/label".into())
    );
    assert_eq!(
        refused(r#""item":[{"id":1},{"id":1}]"#),
        (Tag::InvalidValue, "/alpha:top/item[id='1']".into())
    );
    assert_eq!(
        refused(r#""step":[{"id":"a"},{"id":"a"}]"#),
        (Tag::InvalidValue, "/alpha:top/step[id='a']".into())
    );
    assert_eq!(refused(r#""item":[{"id":1,"x":0}]"#).0, Tag::UnknownElement);
    assert_eq!(refused(r#""item":[{"id":"x"}]"#), (Tag::InvalidValue, "/alpha:top/item[1]/id".into()));
    assert_eq!(refused(r#""item":{"id":1}"#).0, Tag::BadElement);
    assert_eq!(refused(r#""item":[5]"#).0, Tag::BadElement);
    assert!(top(r#""item":[]"#).is_ok());
}

#[test]
fn section_7_7_values_of_a_configuration_leaf_list_are_unique() {
    assert_eq!(refused(r#""tag":["b","a","b"]"#), (Tag::InvalidValue, "/alpha:top/tag[.='b']".into()));
    assert_eq!(refused(r#""tag":"b""#).0, Tag::BadElement);
    let state = decode_children(br#"{"seen":["a","a"]}"#, Some(&TOP), &SCHEMA, &STORED);
    assert!(state.is_ok());
}

#[test]
fn section_8_3_1_only_one_case_of_a_choice_has_data() {
    assert!(top(r#""a1":"x","a2":"y""#).is_ok());
    assert_eq!(refused(r#""a1":"x","b1":"y""#), (Tag::BadElement, "/alpha:top/b1".into()));
}

#[test]
fn state_is_refused_in_configuration_and_accepted_where_it_belongs() {
    assert_eq!(refused(r#""up":true"#), (Tag::UnknownElement, "/alpha:top/up".into()));
    assert_eq!(refused(r#""log":[{"text":"a"}]"#).0, Tag::UnknownElement);
    let data =
        decode_children(br#"{"up":true,"log":[{"text":"a"},{"text":"a"}]}"#, Some(&TOP), &SCHEMA, &STORED);
    assert_eq!(data.unwrap().iter().count(), 2);
}

#[test]
fn metadata_is_refused_unless_it_is_empty() {
    assert!(top(r#""@":{},"@name":{},"name":"x","@tag":[null,{}],"tag":["a","b"]"#).is_ok());
    assert_eq!(refused(r#""name":"x","@name":{"alpha:note":"x"}"#).0, Tag::UnknownAttribute);
    assert_eq!(refused(r#""@":{"alpha:note":"x"}"#).0, Tag::UnknownAttribute);
    assert_eq!(refused(r#""@name":5,"name":"x""#).0, Tag::BadElement);
}

#[test]
fn section_5_5_anydata_is_an_object_that_yang_could_model() {
    for good in [r#"{}"#, r#"{"a":[null],"b:c":[{"d":1},{}],"e":[1,1,"x"]}"#] {
        assert!(top(&format!("\"payload\":{good}")).is_ok(), "{good}");
    }
    for bad in [
        "5",
        "[]",
        "null",
        r#"{"a":null}"#,
        r#"{"a b":1}"#,
        r#"{"a":[1,{}]}"#,
        r#"{"a":[[1]]}"#,
        r#"{"a:b:c":1}"#,
    ] {
        assert_eq!(
            refused(&format!("\"payload\":{bad}")),
            (Tag::InvalidValue, "/alpha:top/payload".into()),
            "{bad}"
        );
    }
    assert!(top(r#""any":null"#).is_ok());
}

#[test]
fn one_instance_has_to_be_the_target() {
    let entry = |key: i32| {
        let key = Selector::Key(Key::new(vec![Value::Int32(key)]));
        path(vec![Step::plain(&TOP), Step { node: &ITEM, selector: key }])
    };
    let one = |text: &str, target: &InstancePath| {
        decode_one(text.as_bytes(), target, &SCHEMA, &DecodeOptions::default())
    };
    let text = r#"{"alpha:item":[{"label":"l","id":3}]}"#;
    let child = one(text, &entry(3)).unwrap();
    assert!(matches!(child, Child::Container(_)));
    let mut out = Vec::new();
    encode_one(
        &ITEM,
        &child,
        &mut out,
        &EncodeOptions { schema: &SCHEMA, depth: None, ..Default::default() },
    );
    assert_eq!(out, br#"{"alpha:item":[{"id":3,"label":"l"}]}"#);

    let error = one(text, &entry(4)).unwrap_err();
    assert_eq!((error.tag, error.path), (Tag::InvalidValue, Some(entry(4))));
    assert_eq!(one(r#"{"alpha:item":[]}"#, &entry(3)).unwrap_err().tag, Tag::BadElement);
    assert_eq!(one(r#"{"alpha:item":[{"id":3},{"id":4}]}"#, &entry(3)).unwrap_err().tag, Tag::BadElement);
    assert_eq!(one(r#"{"item":[{"id":3}]}"#, &entry(3)).unwrap_err().tag, Tag::UnknownElement);
    assert_eq!(one("{}", &entry(3)).unwrap_err().tag, Tag::MissingElement);
    assert_eq!(one("[]", &entry(3)).unwrap_err().tag, Tag::BadElement);
    let error = one(r#"{"alpha:item":[{"id":3,"label":5}]}"#, &entry(3)).unwrap_err();
    assert_eq!(error.path.unwrap().to_string(), "/alpha:top/item[id='3']/label");

    let whole = path(vec![Step::plain(&TOP), Step::plain(&ITEM)]);
    assert!(
        matches!(one(r#"{"alpha:item":[{"id":3},{"id":4}]}"#, &whole), Ok(Child::List(list)) if list.len() == 2)
    );
    assert!(matches!(one(r#"{"alpha:item":[]}"#, &whole), Ok(Child::List(list)) if list.is_empty()));

    let value = Selector::Value(Value::string("x"));
    let tag = path(vec![Step::plain(&TOP), Step { node: &TAG, selector: value }]);
    assert!(matches!(one(r#"{"alpha:tag":["x"]}"#, &tag), Ok(Child::Leaf(_))));
    assert_eq!(one(r#"{"alpha:tag":["y"]}"#, &tag).unwrap_err().tag, Tag::InvalidValue);

    let leaf = path(vec![Step::plain(&TOP), Step::plain(&NAME)]);
    assert!(matches!(one(r#"{"alpha:name":"y"}"#, &leaf), Ok(Child::Leaf(_))));
    assert_eq!(one(r#"{"alpha:name":"y"}"#, &InstancePath::default()).unwrap_err().tag, Tag::OperationFailed);
}

#[test]
fn operations_and_notifications_are_instances_too() {
    let input = path(vec![Step::plain(&RUN), Step::plain(&INPUT)]);
    let one = |text: &str| decode_one(text.as_bytes(), &input, &SCHEMA, &DecodeOptions::default());
    let text = r#"{"alpha:input":{"name":"n","arg":[{"key":"b"},{"key":"a"}]}}"#;
    let mut out = Vec::new();
    encode_one(
        &INPUT,
        &one(text).unwrap(),
        &mut out,
        &EncodeOptions { schema: &SCHEMA, depth: None, ..Default::default() },
    );
    assert_eq!(String::from_utf8(out).unwrap(), text);
    let error = one(r#"{"alpha:input":{"arg":[{"key":"b"},{"key":"b"}]}}"#).unwrap_err();
    assert_eq!(
        (error.tag, error.path.unwrap().to_string()),
        (Tag::InvalidValue, "/alpha:run/input/arg[key='b']".into())
    );

    let mut out = b"{\"eventTime\":\"t\",".to_vec();
    let what =
        decode_children(br#"{"what":"kind-one"}"#, Some(&HAPPENED), &SCHEMA, &DecodeOptions::default())
            .unwrap();
    let options = EncodeOptions { schema: &SCHEMA, depth: None, ..Default::default() };
    encode_member(&HAPPENED, &Child::Container(what.into()), &mut out, &options);
    assert_eq!(out, br#"{"eventTime":"t","alpha:happened":{"what":"alpha:kind-one"}"#);
}

#[test]
fn the_datastore_stands_in_its_wrapper() {
    let wrapper = Wrapper { module: "ietf-restconf", namespace: "urn:restconf", name: "data" };
    let read = |text: &str| decode_wrapped(text.as_bytes(), &wrapper, &SCHEMA, &DecodeOptions::default());
    assert!(read(r#"{"ietf-restconf:data":{"alpha:top":{"name":"x"},"beta:other":{}}}"#).is_ok());
    assert_eq!(read(r#"{"ietf-restconf:data":{"top":{}}}"#).unwrap_err().tag, Tag::UnknownElement);
    assert_eq!(read(r#"{"data":{}}"#).unwrap_err().tag, Tag::UnknownElement);
    assert_eq!(read(r#"{"ietf-restconf:data":[]}"#).unwrap_err().tag, Tag::BadElement);
}

#[test]
fn rfc_8040_section_4_8_2_depth_cuts_but_leaves_keys() {
    let data = top(r#""name":"n","item":[{"id":1,"label":"l"}]"#).unwrap();
    assert_eq!(write(&data, Some(1)), "{}");
    assert_eq!(write(&data, Some(2)), r#"{"alpha:top":{}}"#);
    assert_eq!(write(&data, Some(3)), r#"{"alpha:top":{"name":"n","item":[{"id":1}]}}"#);
    assert_eq!(write(&data, Some(4)), write(&data, None));
}

#[test]
fn damaged_documents_never_panic() {
    let good = br#"{"alpha:top":{"name":"a","small":7,"nothing":[null],"tag":["x","y"],"item":[{"id":3,"label":"\u00e9"}],"payload":{"a":[1,{"b":null}]},"beta:extra":"e"}}"#;
    let mut seed = 1_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let pieces: [&[u8]; 12] =
        [b"{", b"}", b"[", b"]", b"\"", b",", b":", b"\\", b"null", b"1e5", b"\xff", b"\"alpha:top\":"];
    for _ in 0..20_000 {
        let mut text = good.to_vec();
        for _ in 0..=random(3) {
            let at = random(text.len());
            let piece = pieces[random(pieces.len())];
            text.splice(at..(at + random(4)).min(text.len()), piece.iter().copied());
        }
        if let Ok(data) = decode_below(&text, &InstancePath::default(), &SCHEMA, &DecodeOptions::default()) {
            assert!(read(&write(&data, None)).is_ok());
        }
    }
}
