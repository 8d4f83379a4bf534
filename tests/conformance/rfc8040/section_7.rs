//! Section 7: errors, their status and their form.

use super::{BRIEF, DATA};
use crate::common::{Answer, JSON, TestServer, XML, start_server};
use serde_json::{Value, json};

/// What the status of an error-tag may be, by the table of the section.
fn may_be(tag: &str, status: u16) -> bool {
    let among: &[u16] = match tag {
        "in-use" | "lock-denied" | "data-exists" | "data-missing" | "resource-denied" => &[409],
        "invalid-value" => &[400, 404, 406, 415],
        "too-big" => &[413, 414, 431, 400],
        "missing-attribute" | "bad-attribute" | "unknown-attribute" | "bad-element" | "missing-element"
        | "unknown-element" | "unknown-namespace" | "malformed-message" => &[400],
        "access-denied" => &[401, 403],
        "operation-not-supported" => &[405, 501],
        "operation-failed" => &[412, 500],
        _ => &[],
    };
    among.contains(&status)
}

/// One refusal of each kind, in the encoding that is asked for.
async fn refusals(server: &TestServer, accept: &str) -> Vec<Answer> {
    let target = format!("{DATA}=d");
    let (accept, json_type) = (format!("Accept: {accept}"), format!("Content-Type: {JSON}"));
    let long = format!("{DATA}={}", "x".repeat(20_000));
    let mut answers = Vec::new();
    for (method, target, body) in [
        ("GET", "/restconf/nosuch", ""),
        ("GET", target.as_str(), ""),
        ("GET", "/restconf/data?depth=0", ""),
        ("GET", &long, ""),
        ("DELETE", "/restconf/data", ""),
        ("BREW", "/restconf/data", ""),
        ("PUT", &target, "{"),
        ("PUT", &target, "{}"),
        ("PUT", &target, r#"{"irtf-agent:data-params":[{"id":"d","dataType":"smell"}]}"#),
        ("PUT", &target, r#"{"irtf-agent:data-params":[{"id":"d","nosuch":1}]}"#),
        ("PUT", &target, r#"{"irtf-agent:data-params":{}}"#),
        ("PUT", &target, r#"{"irtf-agent:data-params":[{"id":"d"}]}"#),
        ("POST", "/restconf/data", r#"{"nosuch:x":1}"#),
        ("PUT", &format!("{target}/data"), r#"{"irtf-agent:data":"x"}"#),
    ] {
        answers.push(server.ask(method, target, &[&accept, &json_type], body).await);
    }
    answers.push(server.ask("PUT", &target, &[&accept], BRIEF).await);
    answers.push(server.ask("PUT", &target, &[&accept, &json_type, "If-Match: *"], BRIEF).await);
    answers.push(server.ask_as("", "GET", &target, &[&accept], "").await);
    server.put(&target, BRIEF).await;
    answers.push(server.ask("POST", "/restconf/data", &[&accept, &json_type], BRIEF).await);
    server.ask("DELETE", &target, &[], "").await;
    answers
}

#[tokio::test]
async fn section_7_every_refusal_has_a_status_of_the_table_and_every_member_that_is_mandatory() {
    let server = start_server().await;
    let mut tags = std::collections::BTreeSet::new();
    for answer in refusals(&server, JSON).await {
        assert_eq!(answer.header("content-type"), JSON);
        let json = answer.json();
        let all = json.as_object().expect("an object");
        assert_eq!(all.keys().collect::<Vec<_>>(), ["ietf-restconf:errors"]);
        let error = &json["ietf-restconf:errors"]["error"][0];
        let tag = error["error-tag"].as_str().expect("a tag");
        assert!(may_be(tag, answer.status), "{answer:?}");
        let kind = error["error-type"].as_str().expect("a type");
        assert!(["transport", "rpc", "protocol", "application"].contains(&kind), "{answer:?}");
        assert!(error["error-message"].as_str().is_some_and(|text| !text.is_empty()), "{answer:?}");
        tags.insert(tag.to_owned());
    }
    assert!(tags.len() >= 11, "{tags:?}");
    server.stop().await;
}

#[tokio::test]
async fn section_7_1_an_error_says_the_same_in_both_encodings() {
    let server = start_server().await;
    let (in_json, in_xml) = (refusals(&server, JSON).await, refusals(&server, XML).await);
    for (json, xml) in in_json.iter().zip(&in_xml) {
        assert_eq!((json.status, xml.header("content-type")), (xml.status, XML));
        assert!(xml.body.starts_with(r#"<errors xmlns="urn:ietf:params:xml:ns:yang:ietf-restconf"><error>"#));
        let error = &json.json()["ietf-restconf:errors"]["error"][0];
        for name in ["error-type", "error-tag", "error-app-tag"] {
            let told = error[name].as_str().map(|value| format!("<{name}>{value}</{name}>"));
            assert!(told.is_none_or(|told| xml.body.contains(&told)), "{name}: {xml:?}");
        }
        for name in ["error-app-tag", "error-path", "error-info"] {
            let there = error.get(name).is_some();
            assert_eq!(xml.body.contains(&format!("<{name}")), there, "{name}: {json:?} {xml:?}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn section_7_1_the_path_of_an_error_is_an_instance_identifier_of_its_encoding() {
    let server = start_server().await;
    let body = r#"{"irtf-agent:data-params":[{"id":"it's","dataType":"smell"}]}"#;
    let target = format!("{DATA}=it%27s");
    let json = server.put(&target, body).await.json();
    let path = &json["ietf-restconf:errors"]["error"][0]["error-path"];
    assert_eq!(*path, json!(r#"/irtf-agent:data-params[id="it's"]/dataType"#));
    let fields = [&*format!("Content-Type: {JSON}"), &*format!("Accept: {XML}")];
    let xml = server.ask("PUT", &target, &fields, body).await;
    assert!(
        xml.body.contains(
            r#"<error-path xmlns:irtf-agent="urn:ietf:params:xml:ns:yang:irtf-agent">/irtf-agent:data-params[irtf-agent:id=&quot;it's&quot;]/irtf-agent:dataType</error-path>"#
        ),
        "{xml:?}"
    );
    // What is wrong with an input is found below `input`.
    let input = r#"{"magent-registry:input":{"lifetime":"x"}}"#;
    let renew = "/restconf/data/magent-registry:registry/agents/agent=agentconf/renew";
    let wrong: Value = server.post(renew, input).await.json();
    assert_eq!(wrong["ietf-restconf:errors"]["error"][0]["error-path"], "/magent-registry:input/lifetime");
    server.stop().await;
}

#[tokio::test]
async fn section_7_no_answer_of_success_has_an_error_and_204_has_no_body() {
    let server = start_server().await;
    let target = format!("{DATA}=d");
    let json_type = format!("Content-Type: {JSON}");
    for (method, status) in [("PUT", 201), ("PUT", 204), ("PATCH", 204), ("DELETE", 204)] {
        let answer = server.ask(method, &target, &[&json_type], BRIEF).await;
        assert_eq!((answer.status, answer.body.as_str(), answer.header("content-type")), (status, "", ""));
        if status == 204 {
            assert_eq!(answer.header("content-length"), "", "RFC 9110 section 8.6");
        }
    }
    server.stop().await;
}
