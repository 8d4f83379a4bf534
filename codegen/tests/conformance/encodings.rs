//! RFC 7951 and the XML of RFC 7950 where no module of the server has such a node: order, augments, anydata, anyxml
//! and the types that name other things. The tests are named after the sections of RFC 7951.

use agentconf::yang::decode::DecodeOptions;
use agentconf::yang::error::{Error, Tag};
use agentconf::yang::metadata::{Annotated, Annotation, Sink};
use agentconf::yang::path::InstancePath;
use agentconf::yang::{json, xml};

use super::Model;

#[test]
fn section_4_a_name_is_qualified_where_the_module_differs_from_that_of_the_parent() {
    let model = Model::of(&[
        ("foomod", "container top { leaf foo { type uint8; } }"),
        (
            "barmod",
            "augment \"/foomod:top\" { leaf bar { type boolean; } container in { leaf bar { type empty; } } }",
        ),
    ]);
    let document = r#""foomod:top":{"foo":54,"barmod:bar":true,"barmod:in":{"bar":[null]}}"#;
    let content = model.valid(document);
    assert_eq!(model.json(&content), document);
    assert_eq!(
        model.xml(&content),
        "<top xmlns=\"urn:foomod\"><foo>54</foo><bar xmlns=\"urn:barmod\">true</bar>\
         <in xmlns=\"urn:barmod\"><bar/></in></top>"
    );
    for wrong in [
        r#""foomod:top":{"bar":true}"#,
        r#""foomod:top":{"foomod:bar":true}"#,
        r#""foomod:top":{"barmod:in":{"barmod:bar":[null]}}"#,
        r#""foomod:top":{"barmod:foo":1}"#,
        r#""top":{}"#,
    ] {
        let told = model.wrong(wrong);
        assert!(told[0].starts_with("unknown-element"), "{wrong}: {told:?}");
    }
}

#[test]
fn section_5_3_and_5_4_entries_are_in_the_order_of_the_user_where_they_have_one() {
    let model = Model::new(
        "leaf-list by-user { type uint8; ordered-by user; } leaf-list by-system { type uint8; }
         list steps { key k; ordered-by user; leaf k { type string; } } list rows { key k; leaf k { type string; } }",
    );
    let content = model.valid(
        r#""m:by-user":[123,0,7],"m:by-system":[2,1],"m:steps":[{"k":"b"},{"k":"a"}],"m:rows":[{"k":"b"},{"k":"a"}]"#,
    );
    let json = model.json(&content);
    assert!(
        json.contains(r#""m:by-user":[123,0,7]"#) && json.contains(r#""m:steps":[{"k":"b"},{"k":"a"}]"#),
        "{json}"
    );
    assert!(json.contains(r#""m:rows":[{"k":"a"},{"k":"b"}]"#), "in an order of the server's own: {json}");
    let xml = model.xml(&content);
    assert!(
        xml.contains("<by-user xmlns=\"urn:m\">123</by-user><by-user xmlns=\"urn:m\">0</by-user>"),
        "{xml}"
    );
    // RFC 7950 section 7.7.9: entries of one list need not stand together in XML.
    let mixed = "<m:by-user>1</m:by-user><m:by-system>9</m:by-system><m:by-user>0</m:by-user>";
    assert_eq!(model.json(&model.read_xml(mixed).unwrap()), r#""m:by-user":[1,0],"m:by-system":[9]"#);
    for wrong in [r#""m:by-user":1"#, r#""m:by-user":[[1]]"#, r#""m:by-user":[null]"#, r#""m:by-user":[1,1]"#]
    {
        assert_eq!(model.wrong(wrong).len(), 1, "{wrong}");
    }
}

#[test]
fn section_5_5_anydata_is_an_object_of_what_could_be_modelled() {
    let model = Model::new("anydata data;");
    for right in [
        r#""m:data":{}"#,
        r#""m:data":{"ietf-notification:notification":{"eventTime":"2014-07-29T13:43:01Z","example-event:event":{"event-class":"fault","reporting-entity":{"card":"Ethernet0"},"severity":"major"}}}"#,
        r#""m:data":{"a":[null],"b":[{"c":1},{"c":2}],"d":[1,2],"e":false}"#,
    ] {
        assert_eq!(model.json(&model.valid(right)), right);
    }
    for wrong in [
        "1",
        "[]",
        "null",
        "\"x\"",
        "[null]",
        r#"{"a b":1}"#,
        r#"{"a":null}"#,
        r#"{"a":[[1]]}"#,
        r#"{"a":[{},1]}"#,
        r#"{"a:b:c":1}"#,
        r#"{"":1}"#,
        r#"{"1a":1}"#,
    ] {
        let told = model.wrong(&format!(r#""m:data":{wrong}"#));
        assert!(told[0].starts_with("invalid-value /m:data"), "{wrong}: {told:?}");
    }
}

#[test]
fn section_5_6_anyxml_is_any_value_of_i_json() {
    let model = Model::new("anyxml bar;");
    for right in ["[true,null,true]", "null", "1.5", "\"text\"", r#"{"p q":[[],{}]}"#] {
        let document = format!(r#""m:bar":{right}"#);
        assert_eq!(model.json(&model.valid(&document)), document);
    }
    // I-JSON (RFC 7493 section 2): no name twice, no surrogate alone.
    for wrong in [r#"{"a":1,"a":2}"#, r#""\ud800""#, "01", "NaN"] {
        let told = model.wrong(&format!(r#""m:bar":{wrong}"#));
        assert!(told[0].starts_with("malformed-message"), "{wrong}: {told:?}");
    }
    let xml = "<m:bar><p xmlns=\"urn:p\" q=\"1\">mixed <b/> content</p></m:bar>";
    let written = model.xml(&model.read_xml(xml).unwrap());
    // The prefixes that were in scope stay in scope.
    assert!(written.contains("<p xmlns=\"urn:p\" q=\"1\">mixed <b/> content</p>"), "{written}");
}

#[test]
fn sections_6_5_and_6_7_bits_and_leafrefs() {
    let model = Model::new(
        "typedef b { type bits { bit zero; bit ten { position 10; } bit two { position 2; } } }
         leaf bits { type b; } leaf number { type uint64; } leaf to { type leafref { path \"/number\"; } }",
    );
    let content = model.valid(r#""m:bits":"ten zero","m:number":"7","m:to":"7""#);
    assert_eq!(model.json(&content), r#""m:bits":"zero ten","m:number":"7","m:to":"7""#);
    // RFC 7950 section 9.7.2: in XML there can be any white space between the names.
    let spaced = model.read_xml("<m:bits> ten\n zero </m:bits>").unwrap();
    assert_eq!(model.json(&spaced), r#""m:bits":"zero ten""#);
    for wrong in [
        r#""m:bits":"zero zero""#,
        r#""m:bits":"one""#,
        r#""m:bits":["zero"]"#,
        r#""m:bits":1"#,
        r#""m:number":"7","m:to":7"#,
    ] {
        let told = model.wrong(wrong);
        assert!(told[0].starts_with("invalid-value"), "{wrong}: {told:?}");
    }
}

#[test]
fn section_6_8_an_identity_of_another_module_is_qualified() {
    let model = Model::of(&[
        ("base", "identity kind; identity one { base kind; }"),
        ("other", "identity two { base base:kind; } leaf kind { type identityref { base base:kind; } }"),
    ]);
    for (given, written) in [("base:one", "base:one"), ("other:two", "other:two"), ("two", "other:two")] {
        let content = model.valid(&format!(r#""other:kind":"{given}""#));
        assert_eq!(model.json(&content), format!(r#""other:kind":"{written}""#));
    }
    for wrong in ["\"one\"", "\"base:two\"", "\"none:one\"", "\"base:kind\"", "1", "\"\""] {
        let told = model.wrong(&format!(r#""other:kind":{wrong}"#));
        assert!(told[0].starts_with("invalid-value /other:kind"), "{wrong}: {told:?}");
    }
    // RFC 7950 section 9.10.3: in XML the prefix is one of the element, and without one the default namespace counts.
    let kind = |attributes: &str, value: &str| format!("<kind xmlns='urn:other' {attributes}>{value}</kind>");
    for (element, written) in [
        (kind("xmlns:x='urn:base'", "x:one"), "base:one"),
        (kind("", "two"), "other:two"),
        ("<o:kind xmlns:o='urn:other' xmlns='urn:base'>one</o:kind>".to_owned(), "base:one"),
    ] {
        let content = model.read_xml(&element).unwrap_or_else(|e| panic!("{element}: {e}"));
        assert_eq!(model.json(&content), format!(r#""other:kind":"{written}""#));
    }
    for wrong in
        [kind("", "one"), kind("", "x:one"), kind("", "base:one"), kind("xmlns:x='urn:none'", "x:one")]
    {
        assert!(model.wrong_xml(&wrong)[0].starts_with("invalid-value"), "{wrong}");
    }
}

#[test]
fn section_6_9_empty_is_an_array_of_null() {
    let model = Model::new("leaf foo { type empty; }");
    assert_eq!(model.json(&model.valid(r#""m:foo":[null]"#)), r#""m:foo":[null]"#);
    for wrong in ["null", "[]", "[null,null]", "\"\"", "{}", "[[null]]", "true"] {
        assert!(model.wrong(&format!(r#""m:foo":{wrong}"#))[0].starts_with("invalid-value"), "{wrong}");
    }
    assert_eq!(model.json(&model.read_xml("<m:foo></m:foo>").unwrap()), r#""m:foo":[null]"#);
    assert!(model.wrong_xml("<m:foo> </m:foo>")[0].starts_with("invalid-value"));
}

#[test]
fn section_6_10_the_form_in_json_chooses_the_member_of_a_union() {
    let model = Model::new("leaf bar { type union { type uint16; type string; } }");
    for value in ["13", "\"13\"", "\"13.5\""] {
        let document = format!(r#""m:bar":{value}"#);
        assert_eq!(model.json(&model.valid(&document)), document);
    }
    // The RFC's own example: as XML it is a string, as JSON it is nothing.
    assert!(model.wrong(r#""m:bar":13.5"#)[0].starts_with("invalid-value"));
    assert_eq!(model.json(&model.read_xml("<m:bar>13.5</m:bar>").unwrap()), r#""m:bar":"13.5""#);
    assert_eq!(model.json(&model.read_xml("<m:bar>13</m:bar>").unwrap()), r#""m:bar":13"#);
}

#[test]
fn section_6_11_names_in_an_instance_identifier_are_qualified_where_the_module_changes() {
    let model = Model::of(&[
        (
            "itf",
            "container interfaces { list interface { key name; leaf name { type string; } } }
                 leaf to { type instance-identifier { require-instance false; } }",
        ),
        ("ip", "augment \"/itf:interfaces/itf:interface\" { container ipv4 { leaf ip { type string; } } }"),
    ]);
    let right = "/itf:interfaces/interface[name='eth0']/ip:ipv4/ip";
    let content = model.valid(&format!(r#""itf:to":"{right}""#));
    assert_eq!(model.json(&content), format!(r#""itf:to":"{right}""#));
    for wrong in [
        "/interfaces/interface[name='eth0']",
        "/itf:interfaces/interface[name='eth0']/ipv4",
        "/itf:interfaces/nosuch",
        "itf:interfaces",
        "",
        "/",
    ] {
        let told = model.wrong(&format!(r#""itf:to":"{wrong}""#));
        assert!(told[0].starts_with("invalid-value /itf:to"), "{wrong}: {told:?}");
    }
    let written = model.xml(&content);
    assert!(
        written.contains("/itf:interfaces/itf:interface[itf:name='eth0']/ip:ipv4/ip:ip</to>"),
        "{written}"
    );
    assert!(
        written.contains("xmlns:itf=\"urn:itf\"") && written.contains("xmlns:ip=\"urn:ip\""),
        "{written}"
    );
}

/// Takes nothing.
#[derive(Debug)]
struct Nothing;

impl Sink for Nothing {
    fn known(&self) -> &[&'static Annotation] {
        &[]
    }

    fn take(&self, instance: &Annotated<'_>) -> Result<bool, Error> {
        assert!(instance.notes.iter().all(Vec::is_empty), "{instance:?}");
        Ok(true)
    }
}

#[test]
fn rfc_7952_section_4_an_annotation_of_an_advertised_module_can_stand_at_any_instance() {
    let model = Model::of(&[(
        "m",
        "import ietf-yang-metadata { prefix md; } feature never;
         md:annotation comment { type string; } md:annotation level { type int64; }
         md:annotation hidden { if-feature \"not never\"; type string; }
         container top { leaf name { type string; } leaf-list tag { type string; } list item { key k; leaf k { type string; } } }",
    )]);
    let options = DecodeOptions { metadata: Some(&Nothing), ..DecodeOptions::default() };
    let read = |text: &str| {
        if text.starts_with('<') {
            return xml::decode_below(text.as_bytes(), &InstancePath::default(), model.schema, &options);
        }
        json::decode_below(text.as_bytes(), &InstancePath::default(), model.schema, &options)
    };
    for right in [
        r#"{"m:top":{"@":{"m:comment":"c"},"name":"n","@name":{"m:level":"7"},"tag":["a","b"],"@tag":[null,{"m:comment":""}],"item":[{"@":{"m:comment":"c"},"k":"1"}]}}"#,
        "<top xmlns='urn:m' xmlns:m='urn:m' m:comment='c'><name m:level=' 7 '>n</name><tag>a</tag><tag m:comment=''>b</tag><item m:comment='c'><k>1</k></item></top>",
    ] {
        let content = read(right).unwrap_or_else(|e| panic!("{right}: {e}"));
        assert_eq!(model.json(&content), r#""m:top":{"name":"n","tag":["a","b"],"item":[{"k":"1"}]}"#);
    }
    // Section 3: the value is of the type of the annotation, in the form of a leaf's.
    for (wrong, tag) in [
        (r#"{"m:top":{"name":"n","@name":{"m:level":7}}}"#, Tag::BadAttribute),
        ("<top xmlns='urn:m' xmlns:m='urn:m' m:level='x'/>", Tag::BadAttribute),
        (r#"{"m:top":{"@":{"comment":"c"}}}"#, Tag::UnknownAttribute),
        (r#"{"m:top":{"@":{"m:hidden":"c"}}}"#, Tag::UnknownAttribute),
        ("<top xmlns='urn:m' comment='c'/>", Tag::UnknownAttribute),
    ] {
        assert_eq!(read(wrong).unwrap_err().tag, tag, "{wrong}");
    }
}
