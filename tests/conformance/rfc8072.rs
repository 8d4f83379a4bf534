//! RFC 8072: YANG Patch.

use serde_json::{Value as Json, json};

use crate::common::{Answer, TestServer, start_server};

const DATA: &str = "/restconf/data";
const PATCH_JSON: &str = "Content-Type: application/yang-patch+json";
const PATCH_XML: &str = "Content-Type: application/yang-patch+xml";

fn entry(id: &str, text: &str) -> Json {
    json!({"irtf-agent:data-params": [{"id": id, "dataType": "text", "data": text}]})
}

fn patch(edits: &[Json]) -> String {
    let edits: Vec<Json> = edits
        .iter()
        .enumerate()
        .map(|(number, edit)| {
            let mut edit = edit.clone();
            if edit.get("edit-id").is_none() {
                edit["edit-id"] = json!(format!("e{number}"));
            }
            edit
        })
        .collect();
    json!({"ietf-yang-patch:yang-patch": {"patch-id": "p", "comment": "c", "edit": edits}}).to_string()
}

async fn send(server: &TestServer, target: &str, edits: &[Json]) -> Answer {
    server.ask("PATCH", target, &[PATCH_JSON], &patch(edits)).await
}

fn said(answer: &Answer) -> Json {
    let body: Json = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(answer.header("content-type"), "application/yang-data+json", "{answer:?}");
    body["ietf-yang-patch:yang-patch-status"].clone()
}

async fn texts(server: &TestServer) -> Vec<(String, String)> {
    let answer = server.get("/restconf/data/irtf-agent:data-params?content=config").await;
    let body: Json = serde_json::from_str(&answer.body).unwrap_or_default();
    let entries = body["irtf-agent:data-params"].as_array().cloned().unwrap_or_default();
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    entries.iter().map(|entry| (text(&entry["id"]), text(&entry["data"]))).collect()
}

fn pair(id: &str, text: &str) -> (String, String) {
    (id.to_owned(), text.to_owned())
}

#[tokio::test]
async fn section_2_1_a_data_resource_that_can_be_patched_says_so() {
    let server = start_server().await;
    for target in [DATA, "/restconf/data/irtf-agent:tasks", "/restconf/ds/ietf-datastores:candidate"] {
        let options = server.ask("OPTIONS", target, &[], "").await;
        let patches = options.header("accept-patch");
        assert!(patches.contains("application/yang-patch+json"), "{target}: {options:?}");
        assert!(patches.contains("application/yang-patch+xml"), "{target}: {options:?}");
    }
    let capabilities =
        server.get("/restconf/data/ietf-restconf-monitoring:restconf-state/capabilities").await.body;
    assert!(capabilities.contains("urn:ietf:params:restconf:capability:yang-patch:1.0"));
}

#[tokio::test]
async fn section_2_2_all_edits_happen_in_their_order_and_an_answer_says_so() {
    let server = start_server().await;
    let answer = send(
        &server,
        DATA,
        &[
            json!({"operation": "create", "target": "/irtf-agent:data-params=a", "value": entry("a", "1")}),
            json!({"operation": "replace", "target": "/irtf-agent:data-params=b", "value": entry("b", "1")}),
            json!({"operation": "merge", "target": "/irtf-agent:data-params=a", "value": entry("a", "2")}),
            json!({"operation": "replace", "target": "/irtf-agent:data-params=b/data",
                "value": {"irtf-agent:data": "3"}}),
            json!({"operation": "remove", "target": "/irtf-agent:data-params=none"}),
        ],
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(said(&answer), json!({"patch-id": "p", "ok": [null]}));
    assert!(!answer.header("etag").is_empty(), "{answer:?}");
    assert_eq!(texts(&server).await, [pair("a", "2"), pair("b", "3")]);
    let gone = json!({"operation": "delete", "target": "/irtf-agent:data-params=a"});
    assert_eq!(send(&server, DATA, &[gone]).await.status, 200);
    assert_eq!(texts(&server).await, [pair("b", "3")]);
}

#[tokio::test]
async fn section_2_3_the_edit_at_fault_is_named_and_nothing_has_changed() {
    let server = start_server().await;
    let create = |id: &str| json!({"operation": "create", "target": format!("/irtf-agent:data-params={id}"), "value": entry(id, "1")});
    let answer = send(&server, DATA, &[create("a"), create("a"), create("b")]).await;
    assert_eq!(answer.status, 409, "{answer:?}");
    let status = said(&answer);
    assert_eq!(status["edit-status"]["edit"][0], json!({"edit-id": "e0", "ok": [null]}));
    let failed = &status["edit-status"]["edit"][1];
    assert_eq!(failed["edit-id"], "e1");
    assert_eq!(failed["errors"]["error"][0]["error-tag"], "data-exists");
    assert_eq!(failed["errors"]["error"][0]["error-path"], "/irtf-agent:data-params[id='a']");
    assert_eq!(status["edit-status"]["edit"].as_array().map(Vec::len), Some(2), "the third was not reached");
    assert!(texts(&server).await.is_empty());
}

#[tokio::test]
async fn section_2_3_a_failed_condition_concerns_the_patch_as_a_whole() {
    let server = start_server().await;
    let edit =
        json!({"operation": "create", "target": "/irtf-agent:data-params=a", "value": entry("a", "1")});
    let answer = server.ask("PATCH", DATA, &[PATCH_JSON, "If-Match: \"77-json\""], &patch(&[edit])).await;
    assert_eq!(answer.status, 412, "{answer:?}");
    assert_eq!(said(&answer)["errors"]["error"][0]["error-tag"], "operation-failed");
}

#[tokio::test]
async fn section_2_4_targets_are_relative_to_the_resource_that_is_patched() {
    let server = start_server().await;
    server.put("/restconf/data/irtf-agent:data-params=a", &entry("a", "1").to_string()).await;
    let target = "/restconf/data/irtf-agent:data-params=a";
    let below = json!({"operation": "replace", "target": "/data", "value": {"irtf-agent:data": "2"}});
    let itself = json!({"operation": "merge", "target": "/", "value": {"irtf-agent:data-params": [{"id": "a", "format": "f"}]}});
    assert_eq!(send(&server, target, &[below, itself]).await.status, 200);
    let found = server.get(target).await.body;
    assert!(found.contains(r#""data":"2""#) && found.contains(r#""format":"f""#), "{found}");

    let missing = send(
        &server,
        "/restconf/data/irtf-agent:data-params=z",
        &[json!({"operation": "remove", "target": "/"})],
    )
    .await;
    assert_eq!(missing.status, 404, "{missing:?}");
}

#[tokio::test]
async fn section_2_4_a_wrong_edit_is_refused_with_its_place() {
    let server = start_server().await;
    let data = "/irtf-agent:data-params=a";
    for (edit, status, tag) in [
        (json!({"operation": "create", "target": "/irtf-agent:nosuch", "value": {}}), 400, "invalid-value"),
        (json!({"operation": "create", "target": "irtf-agent:tasks", "value": {}}), 400, "invalid-value"),
        (json!({"operation": "remove", "target": "/"}), 400, "invalid-value"),
        (json!({"operation": "create", "target": data}), 400, "missing-element"),
        (json!({"operation": "remove", "target": data, "value": entry("a", "1")}), 400, "unknown-element"),
        (json!({"operation": "create", "target": data, "value": entry("b", "1")}), 400, "invalid-value"),
        (json!({"operation": "delete", "target": data}), 404, "data-missing"),
        (json!({"operation": "move", "target": data, "where": "first"}), 400, "bad-element"),
        (
            json!({"operation": "merge", "target": data, "where": "first", "value": entry("a", "1")}),
            400,
            "unknown-element",
        ),
    ] {
        let answer = send(&server, DATA, std::slice::from_ref(&edit)).await;
        assert_eq!(answer.status, status, "{edit}: {answer:?}");
        let error = said(&answer)["edit-status"]["edit"][0]["errors"]["error"][0].clone();
        assert_eq!(error["error-tag"], tag, "{edit}: {answer:?}");
    }
    let twice = json!({"edit-id": "same", "operation": "remove", "target": data});
    let answer = send(&server, DATA, &[twice.clone(), twice]).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    for malformed in
        ["", "{}", r#"{"ietf-yang-patch:yang-patch":{}}"#, r#"{"ietf-yang-patch:yang-patch":{"patch-id":1}}"#]
    {
        let answer = server.ask("PATCH", DATA, &[PATCH_JSON], malformed).await;
        assert_eq!(answer.status, 400, "{malformed}: {answer:?}");
        assert!(answer.body.contains("ietf-restconf:errors"), "{malformed}: {answer:?}");
    }
}

#[tokio::test]
async fn section_3_a_patch_in_xml_is_answered_in_xml() {
    let server = start_server().await;
    let body = r#"<yang-patch xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-patch"><patch-id>p</patch-id>
        <edit><edit-id>1</edit-id><operation>create</operation><target>/irtf-agent:data-params=a</target>
        <value><data-params xmlns="urn:ietf:params:xml:ns:yang:agent-task"><id>a</id>
        <dataType>text</dataType></data-params></value></edit></yang-patch>"#;
    let namespace = server.get("/restconf/data/irtf-agent:agent").await;
    assert_eq!(namespace.status, 200);
    let body = body.replace(
        "urn:ietf:params:xml:ns:yang:agent-task",
        agentconf::yang::generated::irtf_agent::MODULE.namespace,
    );
    let answer = server.ask("PATCH", DATA, &[PATCH_XML], &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/yang-data+xml");
    assert!(answer.body.contains("<patch-id>p</patch-id><ok/>"), "{answer:?}");
    let again = server.ask("PATCH", DATA, &[PATCH_XML], &body).await;
    assert_eq!(again.status, 409, "{again:?}");
    assert!(again.body.contains("<error-tag>data-exists</error-tag>"), "{again:?}");
}
