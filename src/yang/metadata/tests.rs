//! RFC 7952 over the hand-made schema: how annotations are written, read and refused in both encodings.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;

use super::*;
use crate::yang::decode::{DecodeOptions, Wrapper};
use crate::yang::encode::EncodeOptions;
use crate::yang::error::Tag;
use crate::yang::generated::ietf_origin::identities::{INTENDED, SYSTEM};
use crate::yang::sample::{ALPHA, BETA, IMPORTED, TAG};
use crate::yang::schema::Schema;
use crate::yang::{json, xml};

/// The identities that an origin can be have to be known, too.
static SCHEMA: Schema = Schema { modules: &[&ALPHA, &BETA, &IMPORTED, &ietf_origin::MODULE], added: &[] };

/// What the tests say of the sample: `origin` of what has content, `default` of values but keys.
#[derive(Debug)]
struct Everything;

impl Metadata for Everything {
    fn of(&self, node: &'static Node, instance: Written<'_>) -> (Vec<Note>, Option<Box<dyn Metadata>>) {
        let origin = |of| vec![Note { annotation: &ORIGIN, value: Value::Identity(of) }];
        match instance {
            Written::Value(value) if node == &TAG && value.canonical() == "plain" => (Vec::new(), None),
            Written::Value(_) if node.is_key() => (Vec::new(), None),
            Written::Value(_) => (vec![Note { annotation: &DEFAULT, value: Value::Bool(true) }], None),
            Written::Content(..) => (origin(&INTENDED), Some(Box::new(Everything))),
            Written::Any => (origin(&SYSTEM), None),
        }
    }
}

/// Notes what it is given, and leaves out what is tagged as a default.
#[derive(Debug, Default)]
struct Seen(RefCell<Vec<String>>);

impl Sink for Seen {
    fn known(&self) -> &[&'static Annotation] {
        static KNOWN: [&Annotation; 2] = [&DEFAULT, &ORIGIN];
        &KNOWN
    }

    fn take(&self, instance: &Annotated<'_>) -> Result<bool, Error> {
        let notes = instance.notes.iter().map(|notes| {
            let notes = notes.iter().map(|note| format!("{:?}={}", note.annotation, note.value));
            notes.collect::<Vec<_>>().join(" ")
        });
        self.0.borrow_mut().push(format!("{} {:?}", instance.path, notes.collect::<Vec<_>>()));
        Ok(!instance.notes.iter().flatten().any(|note| note.value == Value::Bool(true)))
    }
}

const MEMBERS: &str = concat!(
    r#"{"alpha:top":{"name":"n","tag":["plain","x"],"kind":"imported:kind-two","#,
    r#""item":[{"id":1,"label":"l"}],"payload":{"a":1},"any":2,"beta:extra":"e"}}"#
);

fn read(text: &str) -> Container {
    let options = DecodeOptions::default();
    json::decode_below(text.as_bytes(), &InstancePath::default(), &SCHEMA, &options).unwrap()
}

fn written(encode: impl Fn(&Container, &mut Vec<u8>, &EncodeOptions<'_>)) -> String {
    let options = EncodeOptions { schema: &SCHEMA, depth: None, metadata: Some(&Everything), drain: None };
    let mut out = Vec::new();
    encode(&read(MEMBERS), &mut out, &options);
    String::from_utf8(out).unwrap()
}

fn as_json() -> String {
    written(|data, out, options| json::encode_children(data, None, out, options))
}

fn as_xml() -> String {
    written(|data, out, options| xml::encode_children(data, None, out, options))
}

/// What the sink was told of a document in either encoding, and what is left of it as JSON.
fn seen(document: &str) -> Result<(Vec<String>, String), Error> {
    let sink = Seen::default();
    let options = DecodeOptions { metadata: Some(&sink), ..DecodeOptions::default() };
    let decode = if document.starts_with('<') { xml::decode_below } else { json::decode_below };
    let data = decode(document.as_bytes(), &InstancePath::default(), &SCHEMA, &options)?;
    let mut left = Vec::new();
    let options = EncodeOptions { schema: &SCHEMA, ..EncodeOptions::default() };
    json::encode_children(&data, None, &mut left, &options);
    Ok((sink.0.into_inner(), String::from_utf8(left).unwrap()))
}

/// Tag, place and error-info of what is wrong with the members or elements of `alpha:top`.
fn refused(inside: &str) -> (Tag, String, Vec<String>) {
    let document = match inside.starts_with('<') {
        true => format!("<top xmlns='urn:alpha'>{inside}</top>"),
        false => format!("{{\"alpha:top\":{{{inside}}}}}"),
    };
    let error = seen(&document).unwrap_err();
    let info = error.info.iter().map(|info| format!("{}={}", info.name, info.value)).collect();
    (error.tag, error.path.unwrap_or_default().to_string(), info)
}

#[test]
fn rfc_7952_section_5_1_annotations_are_attributes_in_their_namespace() {
    let (or, wd) = (
        "xmlns:or=\"urn:ietf:params:xml:ns:yang:ietf-origin\" or:origin=\"or:",
        "xmlns:wd=\"urn:ietf:params:xml:ns:netconf:default:1.0\" wd:default=\"true\"",
    );
    let expected = format!(
        "<top xmlns=\"urn:alpha\" {or}intended\"><name {wd}>n</name>\
         <kind {wd} xmlns:imported=\"urn:imported\">imported:kind-two</kind><tag>plain</tag><tag {wd}>x</tag>\
         <item {or}intended\"><id>1</id><label {wd}>l</label></item>\
         <payload {or}system\"><a>1</a></payload><any {or}system\">2</any>\
         <extra xmlns=\"urn:beta\" {wd}>e</extra></top>"
    );
    assert_eq!(as_xml(), expected);
}

#[test]
fn rfc_7952_section_5_2_annotations_are_members_of_metadata_objects() {
    let (or, wd) = (
        |of: &str| format!(r#"{{"ietf-origin:origin":"ietf-origin:{of}"}}"#),
        r#"{"ietf-netconf-with-defaults:default":true}"#,
    );
    let expected = format!(
        r#"{{"alpha:top":{{"@":{0},"name":"n","@name":{wd},"kind":"imported:kind-two","@kind":{wd},"tag":["plain","x"],"@tag":[null,{wd}],"item":[{{"@":{0},"id":1,"label":"l","@label":{wd}}}],"payload":{{"@":{1},"a":1}},"any":2,"@any":{1},"beta:extra":"e","@beta:extra":{wd}}}}}"#,
        or("intended"),
        or("system"),
    );
    assert_eq!(as_json(), expected);
}

#[test]
fn rfc_7952_section_5_what_is_written_in_either_encoding_is_read_as_the_same() {
    // The metadata object in an anydata is not read: to the decoder all of it is content.
    let json = as_json().replace(r#""@":{"ietf-origin:origin":"ietf-origin:system"},"a""#, r#""a""#);
    let (from_json, left) = seen(&json).unwrap();
    let (from_xml, same) = seen(&as_xml()).unwrap();
    let in_json: Vec<&String> = from_xml.iter().filter(|seen| !seen.contains("payload")).collect();
    assert_eq!(from_json.iter().collect::<Vec<_>>(), in_json);
    assert_eq!(left, r#"{"alpha:top":{"item":[{"id":1}],"payload":{"a":1},"any":2}}"#);
    // Without a schema for it, XML has only text.
    assert_eq!(
        same,
        left.replace(":1}},", ":\"1\"}},").replace(":1},", ":\"1\"},").replace(":2}", ":\"2\"}")
    );
    assert!(
        from_json
            .contains(&r#"/alpha:top/item[id='1'] ["ietf-origin:origin=ietf-origin:intended"]"#.to_owned())
    );
    assert!(
        from_json.contains(&r#"/alpha:top/tag ["", "ietf-netconf-with-defaults:default=true"]"#.to_owned())
    );
}

#[test]
fn rfc_7952_section_5_2_metadata_may_stand_before_its_node_and_arrays_may_be_short() {
    let text = r#"{"alpha:top":{"@tag":[{"ietf-netconf-with-defaults:default":false}],"tag":["a","b"]}}"#;
    let (told, left) = seen(text).unwrap();
    assert_eq!(told, [r#"/alpha:top/tag ["ietf-netconf-with-defaults:default=false", ""]"#]);
    assert_eq!(left, r#"{"alpha:top":{"tag":["a","b"]}}"#);
}

#[test]
fn rfc_6241_appendix_a_an_unknown_annotation_is_named_with_its_element() {
    let name = "/alpha:top/name".to_owned();
    let info = |attribute: &str, element: &str| {
        vec![format!("bad-attribute={attribute}"), format!("bad-element={element}")]
    };
    for attribute in ["alpha:note", "default", "nowhere:default", "ietf-netconf-with-defaults:defaults"] {
        let found = refused(&format!(r#""name":"x","@name":{{"{attribute}":true}}"#));
        assert_eq!(found, (Tag::UnknownAttribute, name.clone(), info(attribute, "name")));
    }
    assert_eq!(
        refused(r#""item":[{"@":{"alpha:note":1},"id":1}]"#),
        (Tag::UnknownAttribute, "/alpha:top/item[id='1']".into(), info("alpha:note", "@"))
    );
    assert_eq!(
        refused("<name default='true'>x</name>"),
        (Tag::UnknownAttribute, name.clone(), info("default", "name"))
    );
    let mut with_namespace = info("q:default", "name");
    with_namespace.push("bad-namespace=urn:q".into());
    assert_eq!(
        refused("<name xmlns:q='urn:q' q:default='true'>x</name>"),
        (Tag::UnknownAttribute, name, with_namespace)
    );
}

#[test]
fn rfc_6241_appendix_a_a_value_that_is_not_of_the_type_is_a_bad_attribute() {
    let info = |attribute: &str| vec![format!("bad-attribute={attribute}"), "bad-element=name".to_owned()];
    for value in ["\"true\"", "1", "null", "[true]"] {
        assert_eq!(
            refused(&format!(r#""name":"x","@name":{{"ietf-netconf-with-defaults:default":{value}}}"#)),
            (Tag::BadAttribute, "/alpha:top/name".into(), info("ietf-netconf-with-defaults:default"))
        );
    }
    let (tag, _, found) =
        refused(&format!("<name xmlns:o='{0}' o:origin='o:nowhere'>x</name>", ORIGIN.namespace));
    assert_eq!((tag, found), (Tag::BadAttribute, info("ietf-origin:origin")));
    let good = format!(
        "<top xmlns='urn:alpha' xmlns:o='{0}'><name o:origin='o:learned'>x</name></top>",
        ORIGIN.namespace
    );
    assert_eq!(seen(&good).unwrap().0, [r#"/alpha:top/name ["ietf-origin:origin=ietf-origin:learned"]"#]);
}

#[test]
fn rfc_7952_section_5_2_metadata_of_what_is_not_there_or_in_another_form_is_refused() {
    let note = r#"{"ietf-netconf-with-defaults:default":true}"#;
    for (inside, tag, path) in [
        (format!(r#""@name":{note}"#), Tag::MissingElement, "/alpha:top/name"),
        (format!(r#""@nam":{note}"#), Tag::UnknownElement, "/alpha:top"),
        (format!(r#""tag":["a"],"@tag":[null,{note}]"#), Tag::BadElement, "/alpha:top/tag"),
        (format!(r#""tag":["a"],"@tag":{note}"#), Tag::BadElement, "/alpha:top/tag"),
        (format!(r#""name":"x","@name":[{note}]"#), Tag::BadElement, "/alpha:top/name"),
        (format!(r#""item":[{{"id":1}}],"@item":[{note}]"#), Tag::BadElement, "/alpha:top/item"),
        (r#""@":null"#.to_owned(), Tag::BadElement, "/alpha:top"),
    ] {
        let found = refused(&inside);
        assert_eq!((found.0, found.1.as_str()), (tag, path), "{inside}");
    }
}

#[test]
fn around_the_datastore_and_beside_a_child_there_is_nothing_to_annotate() {
    let wrapper = Wrapper { module: "ietf-restconf", namespace: "urn:restconf", name: "data" };
    let sink = Seen::default();
    let options = DecodeOptions { metadata: Some(&sink), ..DecodeOptions::default() };
    let note = r#"{"ietf-netconf-with-defaults:default":true}"#;
    for text in [
        format!(r#"{{"ietf-restconf:data":{{"@":{note}}}}}"#),
        format!(r#"{{"ietf-restconf:data":{{}},"@ietf-restconf:data":{note}}}"#),
    ] {
        let error = json::decode_wrapped(text.as_bytes(), &wrapper, &SCHEMA, &options).unwrap_err();
        assert_eq!(error.tag, Tag::UnknownAttribute, "{text}");
    }
    let text = format!("<data xmlns='urn:restconf' xmlns:w='{}' w:default='true'/>", DEFAULT.namespace);
    let error = xml::decode_wrapped(text.as_bytes(), &wrapper, &SCHEMA, &options).unwrap_err();
    assert_eq!(error.tag, Tag::UnknownAttribute);
    assert_eq!(seen(&format!(r#"{{"@":{note},"alpha:top":{{}}}}"#)).unwrap_err().tag, Tag::UnknownAttribute);
}
