//! Section 4, without its query parameters: what each method does to each kind of resource.

use super::{BRIEF, DATA, entry, refused};
use crate::common::{JSON, TestServer, XML, start_server};

async fn patch(server: &TestServer, target: &str, body: &str) -> crate::common::Answer {
    server.ask("PATCH", target, &[&format!("Content-Type: {JSON}")], body).await
}

#[tokio::test]
async fn section_4_2_head_of_everything_is_get_without_the_body() {
    let server = start_server().await;
    server.put(&format!("{DATA}=d"), BRIEF).await;
    let entry = format!("{DATA}=d");
    for target in [
        "/restconf/operations",
        "/restconf/yang-library-version",
        "/restconf/operations/magent-registry:discover-agents",
        "/restconf/nosuch",
        "/restconf/data?nosuch",
        DATA,
        &entry,
        "/restconf/ds/ietf-datastores:running",
    ] {
        let get = server.get(target).await;
        let head = server.ask("HEAD", target, &[], "").await;
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{target}");
        let fields = |answer: &crate::common::Answer| {
            let mut fields = answer.headers.clone();
            fields.retain(|(name, _)| name != "date");
            fields.sort();
            fields
        };
        assert_eq!(fields(&head), fields(&get), "{target}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_4_3_a_read_of_state_and_configuration_is_qualified_at_its_top_alone() {
    let server = start_server().await;
    server.put(&format!("{DATA}=d"), BRIEF).await;
    assert_eq!(server.get(&format!("{DATA}=d/dataType")).await.body, r#"{"irtf-agent:dataType":"text"}"#);
    let leaf = server.ask("GET", &format!("{DATA}=d/dataType"), &[&format!("Accept: {XML}")], "").await;
    assert_eq!(leaf.body, r#"<dataType xmlns="urn:ietf:params:xml:ns:yang:irtf-agent">text</dataType>"#);
    // One entry is a document, and so is a list that happens to have only one.
    let list = server.ask("GET", DATA, &[&format!("Accept: {XML}")], "").await;
    assert!(list.status == 200 && list.body.starts_with("<data-params xmlns="), "{list:?}");
    server.post("/restconf/data", &entry("e", "x")).await;
    for query in ["", "?fields=id", "?depth=1"] {
        let many = server.ask("GET", &format!("{DATA}{query}"), &[&format!("Accept: {XML}")], "").await;
        assert!(many.status == 400 && many.body.contains("<error-tag>invalid-value</error-tag>"), "{many:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_4_4_post_takes_no_data_where_nothing_can_be_created() {
    let server = start_server().await;
    server.put(&format!("{DATA}=d"), &entry("d", "x")).await;
    for target in ["/restconf", "/restconf/data/irtf-agent:agent", &format!("{DATA}=d/data")] {
        let answer = server.post(target, r#"{"irtf-agent:name":"x"}"#).await;
        assert_eq!(answer.refusal(), refused(405, "operation-not-supported"), "{target}");
        assert!(!answer.header("allow").contains("POST"), "{answer:?}");
    }
    for (body, status, tag) in [
        (r#"{"irtf-agent:agent":{"name":"x"}}"#, 400, "unknown-element"),
        (r#"{"irtf-agent:nosuch":1}"#, 400, "unknown-element"),
        (r#"{"nosuch:x":1}"#, 400, "unknown-namespace"),
        (r#"{"data-params":[]}"#, 400, "unknown-element"),
        (r#"{"irtf-agent:data-params":[{"id":"q"}]}"#, 409, "data-missing"),
        (r#"{"irtf-agent:data-params":[{"dataType":"text"}]}"#, 400, "missing-element"),
        (r#"{"irtf-agent:data-params":{"id":"q","dataType":"text"}}"#, 400, "bad-element"),
        (r#"{"ietf-restconf:data":{}}"#, 400, "unknown-element"),
        ("", 400, "malformed-message"),
    ] {
        assert_eq!(server.post("/restconf/data", body).await.refusal(), refused(status, tag), "{body}");
    }
    let existing = server.post("/restconf/data", &entry("d", "y")).await;
    assert_eq!(existing.refusal(), refused(409, "data-exists"));
    assert_eq!(existing.header("location"), "");
    server.stop().await;
}

#[tokio::test]
async fn section_4_4_1_location_names_the_new_resource_below_what_was_asked_for() {
    let server = start_server().await;
    for (store, id) in [("/restconf/data", "a"), ("/restconf/ds/ietf-datastores:running", "b")] {
        let made = server.post(store, &entry(id, "x")).await;
        assert_eq!(made.header("location"), format!("https://localhost{store}/irtf-agent:data-params={id}"));
        assert_eq!(server.get(made.header("location")).await.header("etag"), made.header("etag"));
    }
    let xml = r#"<data-params xmlns="urn:ietf:params:xml:ns:yang:irtf-agent"><id>c</id><dataType>text</dataType></data-params>"#;
    let made = server.ask("POST", "/restconf/data", &[&format!("Content-Type: {XML}")], xml).await;
    assert_eq!((made.status, made.header("location")), (201, format!("https://localhost{DATA}=c").as_str()));
    assert!(made.header("etag").ends_with("-xml\""), "{made:?}");
    server.stop().await;
}

#[tokio::test]
async fn section_4_5_the_body_of_a_put_is_the_target_and_nothing_else() {
    let server = start_server().await;
    let target = format!("{DATA}=d");
    server.put(&target, BRIEF).await;
    for (target, body, tag) in [
        (target.as_str(), r#"{"irtf-agent:tasks":{}}"#, "unknown-element"),
        (&target, r#"{"data-params":[{"id":"d","dataType":"text"}]}"#, "unknown-element"),
        (&target, r#"{"irtf-agent:data-params":{"id":"d","dataType":"text"}}"#, "bad-element"),
        (&target, r#"{"irtf-agent:data-params":[]}"#, "bad-element"),
        (
            &target,
            r#"{"irtf-agent:data-params":[{"id":"d","dataType":"text"},{"id":"e","dataType":"text"}]}"#,
            "bad-element",
        ),
        (&target, "{}", "missing-element"),
        (&target, "null", "bad-element"),
        ("/restconf/data", "{}", "missing-element"),
        ("/restconf/data", r#"{"data":{}}"#, "unknown-element"),
        ("/restconf/data", BRIEF, "unknown-element"),
        (&format!("{target}/data"), r#"{"irtf-agent:format":"x"}"#, "unknown-element"),
        (&format!("{target}/data"), r#"{"irtf-agent:data":["x"]}"#, "invalid-value"),
    ] {
        assert_eq!(server.put(target, body).await.refusal(), refused(400, tag), "PUT {target} {body}");
        assert_eq!(patch(&server, target, body).await.refusal(), refused(400, tag), "PATCH {target} {body}");
    }
    assert_eq!(server.get(&target).await.body, BRIEF);
    server.stop().await;
}

#[tokio::test]
async fn section_4_5_leafs_are_created_and_replaced_and_keys_stay_as_they_are() {
    let server = start_server().await;
    let target = format!("{DATA}=d");
    server.put(&target, BRIEF).await;
    let leaf = format!("{target}/format");
    assert_eq!(server.put(&leaf, r#"{"irtf-agent:format":"a"}"#).await.status, 201);
    assert_eq!(server.put(&leaf, r#"{"irtf-agent:format":"b"}"#).await.status, 204);
    assert_eq!(server.get(&leaf).await.body, r#"{"irtf-agent:format":"b"}"#);
    let key = format!("{target}/id");
    assert_eq!(server.put(&key, r#"{"irtf-agent:id":"d"}"#).await.status, 204);
    let other = r#"{"irtf-agent:id":"e"}"#;
    assert_eq!(server.put(&key, other).await.refusal(), refused(400, "invalid-value"));
    assert_eq!(patch(&server, &key, other).await.refusal(), refused(400, "invalid-value"));
    assert_eq!(server.ask("DELETE", &key, &[], "").await.refusal(), refused(400, "invalid-value"));
    assert_eq!(server.get(&key).await.body, r#"{"irtf-agent:id":"d"}"#);
    server.stop().await;
}

#[tokio::test]
async fn section_4_4_1_and_4_5_an_empty_container_is_taken_and_says_nothing() {
    let server = start_server().await;
    let tasks = "/restconf/data/irtf-agent:tasks";
    for _ in 0..2 {
        assert_eq!(server.put(tasks, r#"{"irtf-agent:tasks":{}}"#).await.status, 204);
        assert_eq!(server.post("/restconf/data", r#"{"irtf-agent:tasks":{}}"#).await.status, 201);
    }
    assert_eq!(server.get(tasks).await.refusal(), refused(404, "invalid-value"));
    server.stop().await;
}

#[tokio::test]
async fn section_4_6_1_patch_creates_below_its_target_but_never_the_target() {
    let server = start_server().await;
    let store = format!(r#"{{"ietf-restconf:data":{BRIEF}}}"#);
    let merged = patch(&server, "/restconf/data", &store).await;
    assert_eq!((merged.status, merged.body.as_str()), (204, ""));
    let target = format!("{DATA}=d");
    assert_eq!(merged.header("etag"), server.get("/restconf/data").await.header("etag"));
    for (target, body) in [
        (format!("{DATA}=e"), entry("e", "x")),
        (format!("{target}/data"), r#"{"irtf-agent:data":"x"}"#.to_owned()),
        (format!("{DATA}=e/data"), r#"{"irtf-agent:data":"x"}"#.to_owned()),
    ] {
        assert_eq!(patch(&server, &target, &body).await.refusal(), refused(404, "invalid-value"), "{target}");
    }
    for (body, tag) in [
        (entry("e", "x"), "invalid-value"),
        (r#"{"irtf-agent:data-params":[{"data":"x"}]}"#.to_owned(), "missing-element"),
        (r#"{"irtf-agent:data-params":[{"id":"d","nosuch":"x"}]}"#.to_owned(), "unknown-element"),
    ] {
        assert_eq!(patch(&server, &target, &body).await.refusal(), refused(400, tag), "{body}");
    }
    for state in ["/restconf/data/irtf-agent:agent", "/restconf/data/irtf-agent:agent/name"] {
        assert_eq!(patch(&server, state, "{}").await.refusal(), refused(405, "operation-not-supported"));
    }
    server.stop().await;
}

#[tokio::test]
async fn section_4_7_delete_of_what_is_needed_missing_or_no_resource() {
    let server = start_server().await;
    let target = format!("{DATA}=d");
    server.put(&target, &entry("d", "x")).await;
    for (target, status, tag) in [
        (format!("{target}/dataType"), 409, "data-missing"),
        (format!("{target}/format"), 404, "invalid-value"),
        (format!("{DATA}=e"), 404, "invalid-value"),
        (format!("{DATA}=e/data"), 404, "invalid-value"),
        (DATA.to_owned(), 400, "invalid-value"),
        ("/restconf/data/irtf-agent:tasks".to_owned(), 404, "invalid-value"),
        ("/restconf/data/irtf-agent:agent".to_owned(), 405, "operation-not-supported"),
        ("/restconf/data/irtf-agent:agent/nosuch".to_owned(), 404, "invalid-value"),
        ("/restconf".to_owned(), 405, "operation-not-supported"),
        ("/restconf/operations".to_owned(), 405, "operation-not-supported"),
    ] {
        let answer = server.ask("DELETE", &target, &[], "").await;
        assert_eq!(answer.refusal(), refused(status, tag), "{target}");
    }
    assert_eq!(server.ask("DELETE", &format!("{target}/data"), &[], "").await.status, 204);
    assert_eq!(server.get(&target).await.body, BRIEF);
    server.stop().await;
}
