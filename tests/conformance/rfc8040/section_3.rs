//! Section 3: the resources, where they are and how they are named.

use super::{BRIEF, DATA, entry, refused};
use crate::common::{JSON, XML, start_server};
use serde_json::json;

#[tokio::test]
async fn section_3_1_the_link_is_the_one_and_only_way_in() {
    let server = start_server().await;
    let xrd = server.ask_as("", "GET", "/.well-known/host-meta", &["Accept: application/xrd+xml"], "").await;
    let document = xrd.body.split_once("?>").map_or("", |(_, rest)| rest).trim();
    assert_eq!(
        document,
        r#"<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0"><Link rel="restconf" href="/restconf"/></XRD>"#
    );
    let jrd = server.ask_as("", "GET", "/.well-known/host-meta.json", &[], "").await;
    assert_eq!(jrd.json(), json!({"links": [{"rel": "restconf", "href": "/restconf"}]}));
    let other = server.ask_as("", "GET", "/.well-known/host-meta", &["Accept: text/html"], "").await;
    assert_eq!(other.refusal(), refused(406, "invalid-value"));
    for target in ["/.well-known/host-meta", "/.well-known/host-meta.json"] {
        let options = server.ask_as("", "OPTIONS", target, &[], "").await;
        assert_eq!((options.status, options.header("allow")), (200, "GET, HEAD, OPTIONS"));
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_3_the_api_resource_has_its_three_children_and_no_parameters() {
    let server = start_server().await;
    let xml = server.ask("GET", "/restconf", &[&format!("Accept: {XML}")], "").await;
    assert_eq!(
        xml.body,
        r#"<restconf xmlns="urn:ietf:params:xml:ns:yang:ietf-restconf"><data/><operations/><yang-library-version>2019-01-04</yang-library-version></restconf>"#
    );
    for target in ["/restconf", "/restconf/operations", "/restconf/yang-library-version"] {
        assert_eq!(server.get(&format!("{target}?depth=1")).await.refusal(), refused(400, "invalid-value"));
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let answer = server.ask(method, target, &[], "").await;
            assert_eq!(answer.refusal(), refused(405, "operation-not-supported"), "{method} {target}");
            assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS", "{method} {target}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_3_2_operations_are_empty_leafs_in_both_encodings() {
    let server = start_server().await;
    let all = server.get("/restconf/operations").await.json();
    let all = all["ietf-restconf:operations"].as_object().expect("an object").clone();
    let xml = server.ask("GET", "/restconf/operations", &[&format!("Accept: {XML}")], "").await.body;
    for (name, value) in all {
        let (module, rpc) = name.split_once(':').expect("a qualified name");
        assert_eq!(value, json!([null]), "{name}");
        assert!(xml.contains(&format!("<{rpc} xmlns=")), "{module}: {xml}");
        let options = server.ask("OPTIONS", &format!("/restconf/operations/{name}"), &[], "").await;
        assert_eq!((options.status, options.header("allow")), (200, "POST, OPTIONS"), "{name}");
        for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE"] {
            let answer = server.ask(method, &format!("/restconf/operations/{name}"), &[], "").await;
            assert_eq!((answer.status, answer.header("allow")), (405, "POST, OPTIONS"), "{method} {name}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_3_3_the_revision_is_that_of_the_library_that_is_served() {
    let server = start_server().await;
    let version = server.get("/restconf/yang-library-version").await.json();
    let version = version["ietf-restconf:yang-library-version"].as_str().expect("a date").to_owned();
    let library = server.get("/restconf/data/ietf-yang-library:yang-library/module-set").await.json();
    let modules = library["ietf-yang-library:module-set"][0]["module"].as_array().expect("modules").clone();
    let own = modules.iter().find(|module| module["name"] == "ietf-yang-library").expect("the library");
    assert_eq!(own["revision"], json!(version));
    server.stop().await;
}

#[tokio::test]
async fn section_3_4_1_1_the_time_of_the_datastore_moves_with_its_edits_alone() {
    let server = start_server().await;
    let before = server.get("/restconf/data").await;
    super::register(&server, None, "ip-agent").await;
    let after_event = server.get("/restconf/data").await;
    for name in ["etag", "last-modified"] {
        assert!(!before.header(name).is_empty());
        assert_eq!(before.header(name), after_event.header(name), "an event is no edit");
    }
    server.post("/restconf/data", BRIEF).await;
    let edited = server.get("/restconf/data").await;
    assert_ne!(before.header("etag"), edited.header("etag"));
    let put = server.put(&format!("{DATA}=d"), BRIEF).await;
    assert_eq!(put.status, 204);
    let same = server.get("/restconf/data").await;
    assert_eq!(same.header("etag"), edited.header("etag"), "an edit that changes nothing is none");
    server.stop().await;
}

#[tokio::test]
async fn section_3_5_2_an_entity_tag_changes_with_what_is_below_and_with_nothing_else() {
    let server = start_server().await;
    for id in ["a", "b"] {
        server.post("/restconf/data", &entry(id, "x")).await;
    }
    let tag = async |target: &str| server.get(target).await.header("etag").to_owned();
    let (a, b) = (format!("{DATA}=a"), format!("{DATA}=b"));
    let (a_before, b_before, list_before) = (tag(&a).await, tag(&b).await, tag(DATA).await);
    server.put(&format!("{b}/data"), r#"{"irtf-agent:data":"y"}"#).await;
    assert_eq!(tag(&a).await, a_before);
    assert_ne!(tag(&b).await, b_before);
    assert_ne!(tag(DATA).await, list_before);
    // An entry that was made anew is another one.
    server.ask("DELETE", &a, &[], "").await;
    server.post("/restconf/data", &entry("a", "x")).await;
    assert_ne!(tag(&a).await, a_before);
    server.stop().await;
}

#[tokio::test]
async fn section_3_5_3_names_are_qualified_where_the_module_changes_and_may_be_elsewhere() {
    let server = start_server().await;
    server.put(&format!("{DATA}=d"), BRIEF).await;
    for target in [
        "irtf-agent:data-params=d/id",
        "irtf-agent:data-params=d/irtf-agent:id",
        "irtf-agent:data-params=d/%69d",
        "irtf-agent%3Adata-params=d/id",
        "irtf-agent:data-params=%64/id",
    ] {
        let found = server.get(&format!("/restconf/data/{target}")).await;
        assert_eq!(found.body, r#"{"irtf-agent:id":"d"}"#, "{target}");
    }
    for (target, status) in [
        ("irtf-agent:data-params=d/nosuch:id", 404),
        ("irtf-agent:data-params=d/magent-task:id", 404),
        ("irtf-agent:nosuch", 404),
        ("nosuch:data-params=d", 404),
        ("data-params=d", 400),
        (":data-params=d", 400),
        ("1irtf:data-params=d", 400),
        ("irtf-agent:data-params%3Dd", 400),
        ("irtf-agent:data-params=d//", 400),
        ("/", 400),
        ("irtf-agent:data-params=d//id", 400),
        ("irtf-agent:data-params=d/../id", 400),
        ("irtf-agent:data-params;v=1", 400),
        ("irtf-agent:data-params=d/id=d", 400),
        ("irtf-agent:agent=a", 400),
    ] {
        for method in ["GET", "HEAD", "OPTIONS", "DELETE"] {
            let answer = server.ask(method, &format!("/restconf/data/{target}"), &[], "").await;
            assert_eq!(answer.status, status, "{method} {target}");
        }
    }
    for elsewhere in ["/restconf//", "/restconf//data", "//restconf", "/restconf/dat", "/restconf/dat/"] {
        assert_eq!(server.get(elsewhere).await.refusal(), refused(404, "invalid-value"), "{elsewhere}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_5_3_1_one_slash_at_the_end_says_nothing() {
    let server = start_server().await;
    server.put(&format!("{DATA}=d"), &entry("d", "x")).await;
    for target in [
        "/restconf",
        "/restconf/data",
        "/restconf/operations",
        "/restconf/operations/magent-registry:register-agent",
        "/restconf/ds/ietf-datastores:running",
        &format!("{DATA}=d"),
        &format!("{DATA}=d/data"),
        DATA,
    ] {
        for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
            let plain = server.ask(method, target, &[], "").await;
            let slash = server.ask(method, &format!("{target}/"), &[], "").await;
            assert_eq!((slash.status, &slash.body), (plain.status, &plain.body), "{method} {target}");
            assert_eq!(slash.header("allow"), plain.header("allow"), "{method} {target}");
        }
    }
    let made = server.post("/restconf/data/", &entry("e", "x")).await;
    assert_eq!((made.status, made.header("location")), (201, format!("https://localhost{DATA}=e").as_str()));
    // It is no part of a key.
    assert_eq!(server.put(&format!("{DATA}=/"), &entry("", "x")).await.status, 201);
    assert_eq!(server.get(&format!("{DATA}=")).await.json()["irtf-agent:data-params"][0]["id"], "");
    let below = r#"{"irtf-agent:format":"x"}"#;
    assert_eq!(server.put(&format!("{DATA}=d/format/"), below).await.status, 201);
    assert_eq!(server.ask("DELETE", &format!("{DATA}=e/"), &[], "").await.status, 204);
    server.stop().await;
}

#[tokio::test]
async fn section_3_5_3_keys_that_are_empty_several_or_full_of_reserved_characters() {
    let server = start_server().await;
    for (key, encoded) in [
        ("", ""),
        ("a=b:c", "a%3Db%3Ac"),
        ("%2C", "%252C"),
        ("a+b c", "a%2Bb%20c"),
        ("?#[]@!$&'()*;", "%3F%23%5B%5D%40%21%24%26%27%28%29%2A%3B"),
        ("..", ".."),
        ("ü €", "%C3%BC%20%E2%82%AC"),
    ] {
        let made = server.post("/restconf/data", &entry(key, "x")).await;
        let location = format!("{DATA}={encoded}");
        assert_eq!(
            (made.status, made.header("location")),
            (201, format!("https://localhost{location}").as_str()),
            "{key}"
        );
        let found = server.get(&location).await.json();
        assert_eq!(found["irtf-agent:data-params"][0]["id"], json!(key));
        assert_eq!(server.ask("DELETE", &location, &[], "").await.status, 204, "{key}");
    }
    // What need not be encoded in a segment may stand there.
    server.post("/restconf/data", &entry("a=b:c@d", "x")).await;
    assert_eq!(server.get(&format!("{DATA}=a=b:c@d")).await.status, 200);
    for (keys, status) in [
        ("=a,b", 400),
        ("=a,", 400),
        ("=%", 400),
        ("=%zz", 400),
        ("=%ff", 400),
        ("=%00", 400),
        ("=b%2Cc", 404),
    ] {
        assert_eq!(
            server.get(&format!("{DATA}{keys}")).await.refusal(),
            refused(status, "invalid-value"),
            "{keys}"
        );
    }
    let module = "/restconf/data/ietf-yang-library:modules-state/module=";
    for (keys, status) in [
        ("a", 400),
        ("a,,", 400),
        ("a,yesterday", 400),
        ("a,", 404),
        ("a,2020-01-01", 404),
        // RFC 8525 section 1: older clients find the modules here.
        ("irtf-agent,2025-06-01", 200),
    ] {
        assert_eq!(server.get(&format!("{module}{keys}")).await.status, status, "{keys}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_6_an_action_has_post_alone_and_nothing_below() {
    let server = start_server().await;
    let agents = "/restconf/data/magent-registry:registry/agents/agent";
    let action = format!("{agents}=agentconf/renew");
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE"] {
        let answer = server.ask(method, &action, &[], "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, "POST, OPTIONS"), "{method}");
    }
    for (target, status) in [
        (format!("{action}/input"), 404),
        (format!("{action}=1"), 400),
        (format!("{action}?depth=1"), 400),
        (format!("{agents}/renew"), 400),
        (format!("{agents}=nosuch/renew"), 404),
    ] {
        assert_eq!(server.post(&target, "").await.refusal(), refused(status, "invalid-value"), "{target}");
    }
    let invoked = server.ask("POST", &action, &[], "").await;
    assert_eq!((invoked.status, invoked.body.as_str()), (204, ""));
    server.stop().await;
}

#[tokio::test]
async fn section_3_6_1_input_is_wrapped_and_checked_and_may_be_left_out_if_nothing_is_mandatory() {
    let server = start_server().await;
    let discover = "/restconf/operations/magent-registry:discover-agents";
    let json_type = format!("Content-Type: {JSON}");
    for body in ["", r#"{"magent-registry:input":{}}"#] {
        assert_eq!(server.ask("POST", discover, &[&json_type], body).await.status, 200, "{body}");
    }
    for (body, tag) in [
        ("{}", "missing-element"),
        (r#"{"input":{}}"#, "unknown-element"),
        (r#"{"irtf-agent:input":{}}"#, "unknown-element"),
        (r#"{"magent-registry:input":{},"x":1}"#, "unknown-element"),
        (r#"{"magent-registry:input":[]}"#, "bad-element"),
        (r#"{"magent-registry:input":{"domain":"IP"}}"#, "bad-element"),
        (r#"{"magent-registry:input":{"domain":[7]}}"#, "invalid-value"),
        (r#"{"magent-registry:output":{}}"#, "unknown-element"),
        ("[]", "bad-element"),
    ] {
        assert_eq!(server.post(discover, body).await.refusal(), refused(400, tag), "{body}");
    }
    let none = server.ask("POST", "/restconf/operations/ietf-netconf:discard-changes", &[], "").await;
    assert_eq!((none.status, none.body.as_str(), none.header("content-type")), (204, "", ""));
    for (fields, body, status) in [
        (&["Content-Type: text/plain"][..], "x", 415),
        (&[], r#"{"magent-registry:input":{}}"#, 415),
        (&["Accept: text/html"], "", 406),
    ] {
        assert_eq!(server.ask("POST", discover, fields, body).await.status, status, "{fields:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_7_the_source_of_a_module_is_only_read() {
    let server = start_server().await;
    let source = "/yang/irtf-agent@2025-06-01.yang";
    let get = server.get(source).await;
    let head = server.ask("HEAD", source, &[], "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), get.body.len().to_string());
    assert_eq!(server.ask("GET", source, &["Accept: text/html"], "").await.refusal().0, 406);
    let put = server.ask("PUT", source, &[], "").await;
    assert_eq!((put.refusal().0, put.header("allow")), (405, "GET, HEAD, OPTIONS"));
    server.stop().await;
}

#[tokio::test]
async fn section_3_8_streams_that_do_not_exist_are_not_found() {
    let server = start_server().await;
    for target in ["/streams", "/streams/NETCONF", "/streams/nosuch/json", "/streams/NETCONF/yaml"] {
        assert_eq!(server.get(&format!("/restconf{target}")).await.refusal(), refused(404, "invalid-value"));
    }
    let stream = "/restconf/streams/NETCONF/json";
    let post = server.ask("POST", stream, &[], "").await;
    assert_eq!((post.refusal().0, post.header("allow")), (405, "GET, HEAD, OPTIONS"));
    let head = server.ask("HEAD", stream, &["Accept: text/event-stream"], "").await;
    assert_eq!((head.status, head.header("content-type")), (200, "text/event-stream"));
    assert_eq!(head.header("content-length"), "", "a stream has none (RFC 9110 section 8.6)");
    for accept in ["application/json", "text/event-stream;q=0"] {
        let answer = server.ask("GET", stream, &[&format!("Accept: {accept}")], "").await;
        assert_eq!(answer.refusal(), refused(406, "invalid-value"), "{accept}");
    }
    server.stop().await;
}
