//! Section 5: messages, how they are encoded (RFC 7951 for JSON, RFC 7950 for XML), and who may cache them.

use super::{BRIEF, DATA, refused};
use crate::common::{JSON, XML, start_server};

#[tokio::test]
async fn section_5_2_the_media_type_of_a_body_is_told_once_and_is_known() {
    let server = start_server().await;
    let target = format!("{DATA}=d");
    for content_type in [
        "application/yang-data+json",
        "APPLICATION/YANG-DATA+JSON",
        "application/yang-data+json; charset=\"UTF-8\"",
    ] {
        let put = server.ask("PUT", &target, &[&format!("Content-Type: {content_type}")], BRIEF).await;
        assert!([201, 204].contains(&put.status), "{content_type}: {put:?}");
    }
    for content_type in [
        "",
        "text/plain",
        "application/json",
        "application/xml",
        "application/yang-data",
        "application/yang.data+json",
        "application/yang-patch+json",
        "application/yang-data+json;charset=latin1",
        "application/yang-data+json\r\nContent-Type: application/yang-data+json",
    ] {
        for (method, target) in
            [("PUT", target.as_str()), ("POST", "/restconf/data"), ("PUT", "/restconf/data")]
        {
            let answer = server.ask(method, target, &[&format!("Content-Type: {content_type}")], BRIEF).await;
            assert_eq!(answer.refusal(), refused(415, "invalid-value"), "{method} {target} {content_type:?}");
            assert!(answer.header("accept").contains(JSON), "{answer:?}");
        }
    }
    for method in ["PUT", "PATCH", "POST"] {
        let answer = server.ask(method, "/restconf/data", &[], "x").await;
        assert_eq!(answer.refusal(), refused(415, "invalid-value"), "{method} without a type");
    }
    // A read has no body that anybody looks at.
    let get = server.ask("GET", &target, &["Content-Type: text/plain"], "x").await;
    assert_eq!((get.status, get.body.as_str()), (200, BRIEF));
    server.stop().await;
}

#[tokio::test]
async fn section_5_2_an_error_has_the_encoding_that_is_accepted_or_else_that_of_the_request() {
    let server = start_server().await;
    let json_type = format!("Content-Type: {JSON}");
    let xml_type = format!("Content-Type: {XML}");
    for (fields, expected) in [
        (vec![format!("Accept: {XML}")], XML),
        (vec![format!("Accept: {JSON}")], JSON),
        (vec![xml_type.clone()], XML),
        (vec![xml_type.clone(), "Accept: */*".to_owned()], XML),
        (vec![xml_type, format!("Accept: {JSON}")], JSON),
        (vec![json_type, format!("Accept: {JSON};q=0.1, {XML}")], XML),
        (vec!["Accept: text/html".to_owned()], JSON),
    ] {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let answer = server.ask("GET", &format!("{DATA}=nosuch"), &fields, "").await;
        assert_eq!(answer.header("content-type"), expected, "{fields:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_5_3_json_is_exactly_one_document_of_rfc_7951() {
    let server = start_server().await;
    let target = format!("{DATA}=d");
    let with =
        |member: &str| format!(r#"{{"irtf-agent:data-params":[{{"id":"d","dataType":"text",{member}}}]}}"#);
    for body in [
        format!("{BRIEF} x"),
        format!("{BRIEF}{BRIEF}"),
        format!("\u{feff}{BRIEF}"),
        format!("// comment\n{BRIEF}"),
        BRIEF.replace("]}", "],}"),
        BRIEF.replace('"', "'"),
        "NaN".to_owned(),
        with("\"data\":\"\u{0}\""),
        with(r#""data":"\ud800""#),
        with(r#""data":"\x41""#),
        with(r#""data":1e999"#),
        with(r#""data":"a","data":"b""#),
        with(r#""data":01"#),
    ] {
        assert_eq!(server.put(&target, &body).await.refusal(), refused(400, "malformed-message"), "{body}");
    }
    for (member, tag) in [
        (r#""data":null"#, "invalid-value"),
        (r#""data":[null]"#, "invalid-value"),
        (r#""data":7"#, "invalid-value"),
        (r#""data":{}"#, "invalid-value"),
        (r#""data":"\u0000""#, "invalid-value"),
        (r#""chunked":"true""#, "invalid-value"),
        (r#""chunked":1"#, "invalid-value"),
        (r#""irtf-agent:data":"x""#, "unknown-element"),
        (r#""nosuch:data":"x""#, "unknown-namespace"),
        (r#""@data":{"x:y":1}"#, "missing-element"),
    ] {
        assert_eq!(server.put(&target, &with(member)).await.refusal(), refused(400, tag), "{member}");
    }
    assert_eq!(server.get(&target).await.status, 404, "none of it was stored");
    server.stop().await;
}

#[tokio::test]
async fn section_5_3_xml_is_exactly_one_document_without_declarations() {
    let server = start_server().await;
    let target = format!("{DATA}=d");
    let body = |inside: &str| {
        format!(r#"<data-params xmlns="urn:ietf:params:xml:ns:yang:irtf-agent">{inside}</data-params>"#)
    };
    let brief = body("<id>d</id><dataType>text</dataType>");
    let put = |text: String| {
        let (server, target) = (&server, &target);
        async move { server.ask("PUT", target, &[&format!("Content-Type: {XML}")], &text).await }
    };
    for (text, tag) in [
        (format!("<!DOCTYPE a>{brief}"), "malformed-message"),
        (format!("<!DOCTYPE a [<!ENTITY x \"d\">]>{}", body("<id>&x;</id>")), "malformed-message"),
        (body("<id>&x;</id>"), "malformed-message"),
        (format!("{brief}<x/>"), "malformed-message"),
        (format!("{brief}x"), "malformed-message"),
        ("<p:data-params/>".to_owned(), "malformed-message"),
        (format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>{brief}"), "malformed-message"),
        (brief.replace("</data-params>", ""), "malformed-message"),
        (brief.replace(":irtf-agent", ":other"), "unknown-element"),
        ("<data-params><id>d</id></data-params>".to_owned(), "unknown-element"),
        (body("mixed<id>d</id><dataType>text</dataType>"), "bad-element"),
        (body("<id>d</id><id>d</id><dataType>text</dataType>"), "bad-element"),
        (body("<id>d</id><dataType><b/></dataType>"), "invalid-value"),
        (body("<id>d</id><dataType>text</dataType><nosuch/>"), "unknown-element"),
        (brief.replace("<data-params ", "<data-params a=\"b\" "), "unknown-attribute"),
    ] {
        let answer = put(text.clone()).await;
        let tag = format!("<error-tag>{tag}</error-tag>");
        assert!(answer.status == 400 && answer.body.contains(&tag), "{text}: {answer:?}");
        assert_eq!(answer.header("content-type"), XML);
    }
    for text in [
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{brief}\n"),
        brief.replace("<id>d", "<!-- c --><id>&#100;"),
        brief.replace("text<", "<![CDATA[text]]><"),
        brief
            .replace("<data-params xmlns=", "<p:data-params xmlns:p=")
            .replace("</d", "</p:d")
            .replace("<id>", "<p:id>")
            .replace("</id>", "</p:id>")
            .replace("<dataType>", "<p:dataType>"),
    ] {
        let answer = put(text.clone()).await;
        assert!([201, 204].contains(&answer.status), "{text}: {answer:?}");
        assert_eq!(server.get(&target).await.body, BRIEF, "{text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_5_5_nothing_is_to_be_taken_from_a_cache_unasked() {
    let server = start_server().await;
    for (method, target) in [
        ("GET", "/restconf"),
        ("GET", "/restconf/data"),
        ("GET", "/restconf/operations"),
        ("GET", "/restconf/yang-library-version"),
        ("GET", "/restconf/data/irtf-agent:nosuch"),
        ("OPTIONS", "/restconf/data"),
        ("POST", "/restconf/operations/magent-registry:discover-agents"),
    ] {
        assert_eq!(server.ask(method, target, &[], "").await.header("cache-control"), "no-cache", "{target}");
    }
    server.stop().await;
}
