//! RFC 7951 and, beside it, the XML of RFC 7950: data in both encodings as it goes over the wire. What no module of the
//! server has is compiled and tested in `codegen/tests/conformance/encodings.rs`.

use crate::common::{Answer, JSON, TestServer, XML, start_server};
use serde_json::{Value, json};

const DATA: &str = "/restconf/data/irtf-agent:data-params";
const PUT_DATA: &str = "/restconf/operations/magent-task:put-data";

async fn put(server: &TestServer, members: &str) -> Answer {
    let body = format!(r#"{{"irtf-agent:data-params":[{{"id":"d",{members}}}]}}"#);
    server.put(&format!("{DATA}=d"), &body).await
}

async fn put_xml(server: &TestServer, elements: &str) -> Answer {
    let body = format!(
        "<data-params xmlns='urn:ietf:params:xml:ns:yang:irtf-agent'><id>d</id>{elements}</data-params>"
    );
    server
        .ask(
            "PUT",
            &format!("{DATA}=d"),
            &[&format!("Content-Type: {XML}"), &format!("Accept: {JSON}")],
            &body,
        )
        .await
}

/// The tag and the path of what was refused as a bad request.
fn refused(answer: &Answer) -> (String, String) {
    let error = &answer.json()["ietf-restconf:errors"]["error"][0];
    assert_eq!(answer.status, 400, "{answer:?}");
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (text("error-tag"), text("error-path"))
}

#[tokio::test]
async fn section_4_names_are_qualified_where_the_module_changes_and_nowhere_else() {
    let server = start_server().await;
    for (name, tag) in [
        ("irtf-agent:dataType", "unknown-element"),
        ("data_type", "unknown-element"),
        ("nosuch:dataType", "unknown-namespace"),
        (":dataType", "unknown-namespace"),
        ("irtf-agent:", "unknown-element"),
        ("a:b:dataType", "unknown-namespace"),
    ] {
        let answer = put(&server, &format!(r#""{name}":"text""#)).await;
        // The entry is named by its key.
        let expected = (tag.to_owned(), "/irtf-agent:data-params[id='d']".to_owned());
        assert_eq!(refused(&answer), expected, "{name}");
    }
    assert_eq!(put(&server, r#""dataType":"text""#).await.status, 201);
    let bare = server.put(&format!("{DATA}=d"), r#"{"data-params":[{"id":"d","dataType":"text"}]}"#).await;
    assert_eq!(refused(&bare).0, "unknown-element", "a top-level name is always qualified");
    // A child of another module than its parent: the bridge adds to the tree of the draft.
    let tree = server.get("/restconf/data").await.json();
    fn check(value: &Value, module: &str, path: &str) {
        let Value::Object(members) = value else {
            for item in value.as_array().into_iter().flatten() {
                check(item, module, path);
            }
            return;
        };
        for (name, value) in members {
            let (own, _) = name.split_once(':').unwrap_or((module, name));
            assert!(!name.contains(':') || own != module, "{name} in {path}");
            check(value, own, &format!("{path}/{name}"));
        }
    }
    check(&tree["ietf-restconf:data"], "ietf-restconf", "");
    server.stop().await;
}

#[tokio::test]
async fn section_4_what_is_wrong_in_an_entry_is_told_by_its_key_wherever_that_stands() {
    let server = start_server().await;
    let entry = "/irtf-agent:data-params[id='d']";
    for body in [r#"{"nosuch":1,"id":"d"}"#, r#"{"id":"d","nosuch":1}"#] {
        let body = format!(r#"{{"irtf-agent:data-params":[{body}]}}"#);
        let answer = server.put(&format!("{DATA}=d"), &body).await;
        assert_eq!(refused(&answer), ("unknown-element".into(), entry.into()), "{body}");
    }
    assert_eq!(refused(&put_xml(&server, "<nosuch/>").await), ("unknown-element".into(), entry.into()));
    // Of an entry that has no key there is only the place.
    let answer = server.put(&format!("{DATA}=d"), r#"{"irtf-agent:data-params":[{"Id":"d"}]}"#).await;
    assert_eq!(refused(&answer), ("unknown-element".into(), "/irtf-agent:data-params[1]".into()));
    server.stop().await;
}

#[tokio::test]
async fn section_5_the_form_of_each_node() {
    let server = start_server().await;
    for (members, tag) in [
        (r#""dataType":["text"]"#, "invalid-value"),
        (r#""dataType":{"text":1}"#, "invalid-value"),
        (r#""dataType":null"#, "invalid-value"),
        (r#""dataType":"text","description":[null]"#, "invalid-value"),
    ] {
        assert_eq!(refused(&put(&server, members).await).0, tag, "{members}");
    }
    for body in [
        r#"{"irtf-agent:data-params":{"id":"d","dataType":"text"}}"#,
        r#"{"irtf-agent:data-params":[["d"]]}"#,
        r#"{"irtf-agent:data-params":null}"#,
        "[]",
        "\"text\"",
    ] {
        assert_eq!(refused(&server.put(&format!("{DATA}=d"), body).await).0, "bad-element", "{body}");
    }
    let answer = server.put("/restconf/data/irtf-agent:tasks", r#"{"irtf-agent:tasks":[]}"#).await;
    assert_eq!(refused(&answer), ("bad-element".into(), "/irtf-agent:tasks".into()));
    server.stop().await;
}

#[tokio::test]
async fn section_5_4_the_members_of_an_entry_are_in_any_order_and_its_keys_come_first_in_what_is_written() {
    let server = start_server().await;
    let body = r#"{"irtf-agent:data-params":[{"finished":true,"dataType":"text","id":"d"}]}"#;
    assert_eq!(server.put(&format!("{DATA}=d"), body).await.status, 201);
    let written = server.get(&format!("{DATA}=d")).await.body;
    assert!(written.starts_with(r#"{"irtf-agent:data-params":[{"id":"d","#), "{written}");
    // RFC 7950 section 7.8.5: XML has the keys first; a server takes them in any order.
    let xml = "<data-params xmlns='urn:ietf:params:xml:ns:yang:irtf-agent'><dataType>image</dataType><id>d</id></data-params>";
    assert_eq!(
        server.ask("PUT", &format!("{DATA}=d"), &[&format!("Content-Type: {XML}")], xml).await.status,
        204
    );
    let written = server.ask("GET", &format!("{DATA}=d"), &[&format!("Accept: {XML}")], "").await.body;
    let first =
        "<data-params xmlns=\"urn:ietf:params:xml:ns:yang:irtf-agent\"><id>d</id><dataType>image</dataType>";
    assert!(written.starts_with(first), "{written}");
    server.stop().await;
}

#[tokio::test]
async fn section_5_7_members_that_begin_with_an_at_sign_are_metadata() {
    let server = start_server().await;
    let answer = put(&server, r#""dataType":"text","@dataType":{}"#).await;
    assert_eq!(answer.status, 201, "no annotation is no annotation: {answer:?}");
    for (members, tag) in [
        (r#""dataType":"text","@dataType":1"#, "bad-element"),
        (r#""dataType":"text","@description":{}"#, "missing-element"),
        (r#""dataType":"text","@nosuch":{}"#, "unknown-element"),
        (r#""dataType":"text","@":[]"#, "bad-element"),
    ] {
        assert_eq!(refused(&put(&server, members).await).0, tag, "{members}");
    }
    server.stop().await;
}

#[tokio::test]
async fn sections_6_1_to_6_6_the_form_of_each_type() {
    let server = start_server().await;
    let answer = |member: &str, value: Value| {
        let mut input = json!({"id": "o", "from": "admin", "text": "0123456789"});
        if member == "binary" {
            input.as_object_mut().expect("an object").remove("text");
        }
        input[member] = value;
        let body = json!({"magent-task:input": input}).to_string();
        let server = &server;
        async move { server.post(PUT_DATA, &body).await }
    };
    for (member, value) in [
        ("offset", json!(0)), // 6.1: 64 bits are a string
        ("offset", json!("-1")),
        ("offset", json!("0x0")),
        ("offset", json!("18446744073709551616")),
        ("text", json!(7)),      // 6.2
        ("more", json!("true")), // 6.3
        ("more", json!(1)),
        ("data-type", json!("smell")), // 6.4
        ("data-type", json!(0)),
        ("binary", json!("Zm9")), // 6.6
        ("binary", json!("Zm9-")),
    ] {
        let answer = answer(member, value.clone()).await;
        assert_eq!(
            refused(&answer),
            ("invalid-value".into(), format!("/magent-task:input/{member}")),
            "{value}"
        );
    }
    assert_eq!(refused(&put(&server, r#""dataType":"text","dataType":"text""#).await).0, "malformed-message");
    server.stop().await;
}

#[tokio::test]
async fn section_6_values_are_the_same_in_both_encodings() {
    let server = start_server().await;
    let text = "a < b & \"c\" \u{7} grüße \u{1F600} ]]> \n\t ";
    // U+0007 is no character of YANG (RFC 7950 section 9.4), nor of XML.
    let members = format!(r#""dataType":"text","description":{}"#, json!(text));
    assert_eq!(
        refused(&put(&server, &members).await),
        ("invalid-value".into(), format!("{}/description", "/irtf-agent:data-params[id='d']"))
    );
    let text = text.replace('\u{7}', "");
    let members = format!(r#""dataType":"text","chunked":false,"description":{}"#, json!(text));
    assert_eq!(put(&server, &members).await.status, 201);
    let xml = server.ask("GET", &format!("{DATA}=d"), &[&format!("Accept: {XML}")], "").await.body;
    let (before, _) = xml.split_once("</data-params>").expect("an entry");
    let elements = before.split_once("</id>").expect("a key").1;
    assert_eq!(put_xml(&server, elements).await.status, 204, "{elements}");
    let read = server.get(&format!("{DATA}=d")).await.json();
    assert_eq!(read["irtf-agent:data-params"][0]["description"], text);
    assert_eq!(read["irtf-agent:data-params"][0]["chunked"], false);
    server.stop().await;
}

#[tokio::test]
async fn section_8_whatever_does_not_comply_is_refused_with_a_reason() {
    let server = start_server().await;
    for body in [
        "{",
        "{}x",
        "{\"a\":1,}",
        "[1] //",
        "{\"a\":01}",
        "{\"a\":\"\\ud800\"}",
        "{'a':1}",
        "NaN",
        "\u{feff}{}",
    ] {
        let answer = server.put(&format!("{DATA}=d"), body).await;
        assert_eq!(refused(&answer).0, "malformed-message", "{body}");
        let message = answer.json()["ietf-restconf:errors"]["error"][0]["error-message"].to_string();
        assert!(message.contains("line 1 column"), "{message}");
    }
    server.stop().await;
}

#[tokio::test]
async fn rfc_7950_xml_has_no_doctype_entities_prefixes_out_of_scope_or_foreign_elements() {
    let server = start_server().await;
    let entry = |inner: &str| {
        format!("<data-params xmlns='urn:ietf:params:xml:ns:yang:irtf-agent'>{inner}</data-params>")
    };
    for (body, tag) in [
        (format!("<!DOCTYPE a [<!ENTITY e 'x'>]>{}", entry("<id>&e;</id>")), "malformed-message"),
        (entry("<id>&e;</id>"), "malformed-message"),
        (entry("<p:id>d</p:id>"), "malformed-message"),
        (entry("<id>d</id><dataType>text</id></dataType>"), "malformed-message"),
        (entry("<id>d</id>text"), "bad-element"),
        (entry("<id>d</id><dataType><b/>text</dataType>"), "invalid-value"),
        (entry("<id>d</id><dataType xmlns='urn:x'>text</dataType>"), "unknown-namespace"),
        (entry("<id>d</id><dataType xmlns=''>text</dataType>"), "unknown-namespace"),
        (entry("<id>d</id><dataType>text</dataType><dataType>text</dataType>"), "bad-element"),
        ("<data-params><id>d</id></data-params>".into(), "unknown-element"),
        (format!("{}{}", entry("<id>d</id>"), entry("<id>e</id>")), "malformed-message"),
    ] {
        let fields = [&*format!("Content-Type: {XML}"), &*format!("Accept: {JSON}")];
        let answer = server.ask("PUT", &format!("{DATA}=d"), &fields, &body).await;
        assert_eq!(refused(&answer).0, tag, "{body}");
    }
    // White space around a value that is no string, comments, CDATA and a prefix of the client's own are nothing special.
    let body = "<?xml version='1.0' encoding='UTF-8'?><!-- c --><p:data-params xmlns:p='urn:ietf:params:xml:ns:yang:irtf-agent'>\
                <p:id>d</p:id><p:dataType> text\n</p:dataType><p:description><![CDATA[<x>]]></p:description></p:data-params>";
    assert_eq!(
        server.ask("PUT", &format!("{DATA}=d"), &[&format!("Content-Type: {XML}")], body).await.status,
        201
    );
    let read = server.get(&format!("{DATA}=d")).await.json();
    assert_eq!(
        read["irtf-agent:data-params"][0],
        json!({"id": "d", "dataType": "text", "description": "<x>"})
    );
    server.stop().await;
}
