//! XML over the hand-made schema: what is read, what is refused and why, what is written.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::yang::decode::{DecodeOptions, Wrapper};
use crate::yang::encode::EncodeOptions;
use crate::yang::error::{Error, Tag};
use crate::yang::json;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::sample::*;
use crate::yang::tree::{Child, Container, Key};
use crate::yang::value::Value;

const OPTIONS: EncodeOptions<'_> =
    EncodeOptions { schema: &SCHEMA, depth: None, metadata: None, drain: None };

fn read(text: &str) -> Result<Container, Error> {
    decode_below(text.as_bytes(), &InstancePath::default(), &SCHEMA, &DecodeOptions::default())
}

fn top(content: &str) -> Result<Container, Error> {
    read(&format!("<top xmlns=\"urn:alpha\">{content}</top>"))
}

fn write(data: &Container) -> String {
    let mut out = Vec::new();
    encode_children(data, None, &mut out, &OPTIONS);
    String::from_utf8(out).unwrap()
}

fn write_json(data: &Container) -> String {
    let mut out = Vec::new();
    json::encode_children(data, None, &mut out, &OPTIONS);
    String::from_utf8(out).unwrap()
}

fn refused(content: &str) -> (Tag, String) {
    let error = top(content).unwrap_err();
    (error.tag, error.path.unwrap_or_default().to_string())
}

#[test]
fn every_type_is_written_as_it_was_read() {
    let text = concat!(
        "<top xmlns=\"urn:alpha\"><name> a&lt;&amp;&gt;&quot;&#13;\n </name><small>7</small>",
        "<big>18446744073709551615</big><price>2.5</price><flag>true</flag><blob>aGk=</blob><nothing/>",
        "<color>green</color><bits>one two</bits>",
        "<kind xmlns:imported=\"urn:imported\">imported:kind-two</kind>",
        "<where xmlns:alpha=\"urn:alpha\" xmlns:beta=\"urn:beta\">/alpha:top/beta:extra</where>",
        "<either>-5</either><tag>x</tag><tag>y</tag><item><id>3</id><label></label></item>",
        "<step><id>b</id></step><step><id>a</id></step><a1>1</a1><a2>2</a2>",
        "<payload><a xmlns=\"urn:x\"><b/></a></payload><any>text</any><extra xmlns=\"urn:beta\">e</extra></top>",
    );
    assert_eq!(write(&read(text).unwrap()), text);
}

#[test]
fn prefixes_are_those_in_scope() {
    let text = concat!(
        "<?xml version='1.0' encoding='utf-8'?><!-- c --><a:top xmlns:a='urn:alpha' xmlns:i='urn:imported'>\n",
        "<a:kind> i:kind-two </a:kind>",
        "<where xmlns='urn:alpha' xmlns:b='urn:alpha'>/b:top/b:item[b:id = \"3\"]/a:label</where>",
        "<c:extra xmlns:c='urn:beta'>x</c:extra></a:top>\n<?pi x?>",
    );
    let written = r#"{"alpha:top":{"kind":"imported:kind-two","where":"/alpha:top/item[id='3']/label","beta:extra":"x"}}"#;
    assert_eq!(write_json(&read(text).unwrap()), written);
    assert_eq!(refused("<kind>x:kind-one</kind>").0, Tag::InvalidValue);
    assert_eq!(refused("<where>/top</where>").0, Tag::InvalidValue);
    // Without prefix, the default namespace counts (RFC 7950 section 9.10.3).
    let other = "<x:top xmlns:x='urn:alpha' xmlns='urn:imported'><x:kind>kind-two</x:kind></x:top>";
    assert_eq!(write_json(&read(other).unwrap()), r#"{"alpha:top":{"kind":"imported:kind-two"}}"#);
}

#[test]
fn malformed_text_is_told_with_its_place() {
    let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
    let many: String = (0..100).map(|i| format!(" a{i}='1'")).collect();
    let many = format!("<a{many}/>");
    for bad in [
        "",
        "text",
        "<a>",
        "<a></b>",
        "</a>",
        "<a/><b/>",
        "<a/>x",
        "x<a/>",
        "<a/>&lt;",
        "<a/><![CDATA[]]>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
        "<a>&b;</a>",
        "<a>&#0;</a>",
        "<a>&#x1F;</a>",
        "<a>&#+65;</a>",
        "<a>&#xD800;</a>",
        "<a>&lt</a>",
        "<a>& </a>",
        "<a>\u{1}</a>",
        "<a>\u{FFFE}</a>",
        "<a>]]></a>",
        "<a b='1' b='2'/>",
        "<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>",
        "<a xmlns='u' xmlns='u'/>",
        "<a b=1/>",
        "<a b/>",
        "<a b='<'/>",
        "<a b='&c;'/>",
        "<a b='1'c='2'/>",
        "<p:a/>",
        "<a p:b='1'/>",
        "<a xmlns:p=''/>",
        "<a xmlns:xml='u'/>",
        "<a xmlns:xmlns='u'/>",
        "<a xmlns:p='http://www.w3.org/2000/xmlns/'/>",
        "<:a/>",
        "<a:/>",
        "<a:b:c xmlns:a='u'/>",
        "<1/>",
        "< a/>",
        "<a><!-- -- --></a>",
        " <?xml version='1.0'?><a/>",
        "<?xml version='1.1'?><a/>",
        "<?xml version='1.0' encoding='latin1'?><a/>",
        "<?xml encoding='utf-8'?><a/>",
        "<a><? x?></a>",
        deep.as_str(),
        many.as_str(),
    ] {
        let error = read(bad).unwrap_err();
        assert_eq!(error.tag, Tag::MalformedMessage, "{bad}: {error}");
    }
    assert!(read("<a>\n  <b></c></a>").unwrap_err().message.ends_with("at line 2 column 6"));
    assert!(read("\u{FEFF}<top xmlns='urn:alpha'/>").is_ok());
}

#[test]
fn text_comes_in_pieces() {
    let data = top("<name>a<!-- b -->&#x63;<![CDATA[<d>]]>&amp;\r\n</name>").unwrap();
    assert_eq!(write_json(&data), r#"{"alpha:top":{"name":"ac<d>&\n"}}"#);
    assert_eq!(write_json(&top("<small>\n 7 </small>").unwrap()), r#"{"alpha:top":{"small":7}}"#);
    assert_eq!(write_json(&top("<name> <!----> </name>").unwrap()), r#"{"alpha:top":{"name":"  "}}"#);
}

#[test]
fn what_cannot_stand_where_it_stands_is_refused() {
    assert_eq!(refused("<nam>x</nam>"), (Tag::UnknownElement, "/alpha:top".into()));
    assert!(top("<nam>x</nam>").unwrap_err().message.ends_with("did you mean \"name\"?"));
    assert!(top("<extra>x</extra>").unwrap_err().message.contains("in namespace \"urn:beta\""));
    assert_eq!(refused("<name xmlns='urn:nobody'>x</name>").0, Tag::UnknownNamespace);
    assert_eq!(refused("<name xmlns=''>x</name>").0, Tag::UnknownNamespace);
    assert_eq!(refused("<name a='b'>x</name>").0, Tag::UnknownAttribute);
    assert_eq!(refused("<name xml:lang='en'>x</name>").0, Tag::UnknownAttribute);
    assert_eq!(refused("x<name>x</name>").0, Tag::BadElement);
    assert_eq!(refused("<name>x</name>x").0, Tag::BadElement);
    assert_eq!(refused("<name>x</name><name>y</name>"), (Tag::BadElement, "/alpha:top/name".into()));
    assert_eq!(refused("<name><b/></name>").0, Tag::InvalidValue);
    assert_eq!(refused("<nothing>x</nothing>").0, Tag::InvalidValue);
    assert_eq!(refused("<a1>x</a1><b1>x</b1>"), (Tag::BadElement, "/alpha:top/b1".into()));
    assert_eq!(refused("<up>true</up>").0, Tag::UnknownElement);
    assert_eq!(refused("<tag>x</tag><name/><tag>x</tag>").0, Tag::InvalidValue);
    assert_eq!(refused("<item><label/></item>"), (Tag::MissingElement, "/alpha:top/item[1]".into()));
    assert_eq!(refused("<item><id>1</id></item><name/><item><id>01</id></item>").0, Tag::InvalidValue);
    assert_eq!(refused("<item><id>1</id><id>1</id></item>").0, Tag::BadElement);
    assert_eq!(refused("<payload>x</payload>").0, Tag::InvalidValue);
    assert_eq!(refused("<payload><a>x<b/></a></payload>").0, Tag::InvalidValue);
}

#[test]
fn entries_may_be_interleaved_and_keys_anywhere() {
    let data = top("<item><label>b</label><id>2</id></item><tag>t</tag><item><id>1</id></item>").unwrap();
    assert_eq!(
        write(&data),
        "<top xmlns=\"urn:alpha\"><tag>t</tag><item><id>1</id></item><item><id>2</id><label>b</label></item></top>"
    );
}

#[test]
fn one_instance_has_to_be_the_target() {
    let key = Selector::Key(Key::new(vec![Value::Int32(3)]));
    let target = InstancePath { steps: vec![Step::plain(&TOP), Step { node: &ITEM, selector: key }] };
    let one = |text: &str| decode_one(text.as_bytes(), &target, &SCHEMA, &DecodeOptions::default());
    let text = "<item xmlns=\"urn:alpha\"><id>3</id></item>";
    let child = one(text).unwrap();
    let mut out = Vec::new();
    encode_one(&ITEM, &child, &mut out, &OPTIONS);
    assert_eq!(String::from_utf8(out).unwrap(), text);
    assert_eq!(one("<item xmlns=\"urn:alpha\"><id>4</id></item>").unwrap_err().tag, Tag::InvalidValue);
    assert_eq!(one("<item><id>3</id></item>").unwrap_err().tag, Tag::UnknownElement);
    assert_eq!(
        one("<item a='b' xmlns='urn:alpha'><id>3</id></item>").unwrap_err().tag,
        Tag::UnknownAttribute
    );

    let input = InstancePath { steps: vec![Step::plain(&RUN), Step::plain(&INPUT)] };
    let text = "<input xmlns=\"urn:alpha\"><name>n</name></input>";
    let input = decode_one(text.as_bytes(), &input, &SCHEMA, &DecodeOptions::default());
    assert!(matches!(input, Ok(Child::Container(_))));
}

#[test]
fn the_datastore_stands_in_its_wrapper() {
    let wrapper = Wrapper { module: "ietf-restconf", namespace: "urn:restconf", name: "data" };
    let read = |text: &str| decode_wrapped(text.as_bytes(), &wrapper, &SCHEMA, &DecodeOptions::default());
    let text = "<data xmlns='urn:restconf'><top xmlns='urn:alpha'/><other xmlns='urn:beta'/></data>";
    assert_eq!(write(&read(text).unwrap()), "<other xmlns=\"urn:beta\"/>");
    assert_eq!(read("<data><top xmlns='urn:alpha'/></data>").unwrap_err().tag, Tag::UnknownElement);
}

#[test]
fn anydata_keeps_its_namespaces_wherever_it_is_sent() {
    let text = concat!(
        "<x:top xmlns:x='urn:alpha' xmlns:q='urn:q'><x:payload><q:a q:m='1'>q:v</q:a><!-- c -->",
        "<b xmlns='urn:b' xmlns:q='urn:r'>q:w</b><c/></x:payload></x:top>",
    );
    let written = write(&read(text).unwrap());
    let inner = concat!(
        "<q:a xmlns:q=\"urn:q\" xmlns=\"\" q:m='1'>q:v</q:a><!-- c -->",
        "<b xmlns='urn:b' xmlns:q='urn:r'>q:w</b>",
        "<c xmlns:q=\"urn:q\" xmlns=\"\"/>",
    );
    assert_eq!(written, format!("<top xmlns=\"urn:alpha\"><payload>{inner}</payload></top>"));
    // Sent again, it says the same.
    assert_eq!(write(&read(&written).unwrap()), written);
}

#[test]
fn anydata_from_json_becomes_elements_and_back() {
    let json = concat!(
        r#"{"alpha:top":{"payload":{"b":[1,2],"beta:o":{"alpha:y":[null],"x":"<"},"l":[{"k":1}],"zeta:z":{"f":true}},"#,
        r#""any":{"p q":[null,"\u0000"]}}}"#
    );
    let data =
        json::decode_below(json.as_bytes(), &InstancePath::default(), &SCHEMA, &DecodeOptions::default());
    let xml = write(&data.unwrap());
    let expected = concat!(
        "<top xmlns=\"urn:alpha\"><payload><b>1</b><b>2</b>",
        "<o xmlns=\"urn:beta\"><y xmlns=\"urn:alpha\"></y><x>&lt;</x></o><l><k>1</k></l>",
        "<z xmlns=\"zeta\"><f>true</f></z></payload><any><_p_q></_p_q><_p_q>\u{FFFD}</_p_q></any></top>",
    );
    assert_eq!(xml, expected);
    let back = write_json(&read(&xml).unwrap());
    let values: serde_json::Value = serde_json::from_str(&back).unwrap();
    let payload = serde_json::json!({
        "b": ["1", "2"], "beta:o": {"x": "<", "alpha:y": ""}, "zeta:z": {"f": "true"}, "l": {"k": "1"}
    });
    assert_eq!(values["alpha:top"]["payload"], payload);
}

#[test]
fn an_empty_anydata_is_an_empty_object() {
    assert_eq!(write_json(&top("<payload> </payload>").unwrap()), r#"{"alpha:top":{"payload":{}}}"#);
    assert_eq!(write_json(&top("<any>a &amp; b</any>").unwrap()), r#"{"alpha:top":{"any":"a & b"}}"#);
}

#[test]
fn damaged_documents_never_panic() {
    let good = br#"<?xml version="1.0"?><top xmlns="urn:alpha" xmlns:i="urn:imported"><name>a&lt;</name><kind>i:kind-two</kind><item><id>3</id><label><![CDATA[x]]></label></item><payload><i:a b="c">i:x</i:a></payload></top>"#;
    let mut seed = 1_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let pieces: [&[u8]; 16] = [
        b"<", b">", b"/", b"&", b";", b"\"", b"'", b"=", b":", b"xmlns", b"<!--", b"]]>", b"<?", b"?>",
        b"\xc3", b"<!",
    ];
    for _ in 0..20_000 {
        let mut text = good.to_vec();
        for _ in 0..=random(3) {
            let at = random(text.len());
            let piece = pieces[random(pieces.len())];
            text.splice(at..(at + random(4)).min(text.len()), piece.iter().copied());
        }
        if let Ok(data) = decode_below(&text, &InstancePath::default(), &SCHEMA, &DecodeOptions::default()) {
            let written = write(&data);
            assert!(read(&written).is_ok(), "{written}");
            let json = write_json(&data);
            assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
        }
    }
}
