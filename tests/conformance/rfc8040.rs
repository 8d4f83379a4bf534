//! RFC 8040: RESTCONF, and what goes with it. Its modules go through the document section by section, and
//! `rfc8040.md` beside this file lists what has no test, and why.

mod http;
mod section_3;
mod section_4;
mod section_4_8;
mod section_5;
mod section_7;

use crate::common::{JSON, TestServer, XML, start_server, start_server_with};
use agentconf::limits::Limits;
use serde_json::json;

const DATA: &str = "/restconf/data/irtf-agent:data-params";
const BRIEF: &str = r#"{"irtf-agent:data-params":[{"id":"d","dataType":"text"}]}"#;

fn refused(status: u16, tag: &str) -> (u16, String) {
    (status, tag.to_owned())
}

fn entry(id: &str, data: &str) -> String {
    json!({"irtf-agent:data-params": [{"id": id, "dataType": "text", "data": data}]}).to_string()
}

async fn register(server: &TestServer, token: Option<&str>, name: &str) {
    let target = "/restconf/operations/magent-registry:register-agent";
    let profile = json!({"magent-registry:input":
        {"name": name, "description": "d", "version": "1.0.0", "provider": "p", "domain": ["IP"]}});
    let answer = match token {
        Some(token) => {
            let fields = format!("Content-Type: {JSON}");
            server.ask_as(token, "POST", target, &[&fields], &profile.to_string()).await
        }
        None => server.post(target, &profile.to_string()).await,
    };
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn section_2_5_every_resource_but_host_meta_needs_credentials() {
    let server = start_server().await;
    for target in [
        "/",
        "/restconf",
        "/restconf/data",
        "/restconf/data/irtf-agent:agent",
        "/restconf/operations",
        "/restconf/operations/magent-registry:discover-agents",
        "/restconf/data/magent-registry:registry/agents/agent=agentconf/renew",
        "/restconf/yang-library-version",
        "/restconf/streams/NETCONF/json",
        "/restconf/streams/NETCONF/xml",
        "/yang/irtf-agent@2025-06-01.yang",
        "/nosuch",
    ] {
        for method in ["GET", "POST", "OPTIONS", "DELETE"] {
            let answer = server.ask_as("", method, target, &[], "").await;
            assert_eq!(answer.refusal(), refused(401, "access-denied"), "{method} {target}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{method} {target}");
        }
    }
    let wrong = server.ask_as("wrong", "GET", "/restconf", &[], "").await;
    assert!(wrong.header("www-authenticate").contains("invalid_token"), "{wrong:?}");
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_host_meta_leads_to_the_api() {
    let server = start_server().await;
    let xrd = server.ask_as("", "GET", "/.well-known/host-meta", &[], "").await;
    assert_eq!((xrd.status, xrd.header("content-type")), (200, "application/xrd+xml"));
    assert!(xrd.body.contains(r#"<Link rel="restconf" href="/restconf"/>"#), "{}", xrd.body);
    for (target, fields) in
        [("/.well-known/host-meta", &["Accept: application/json"][..]), ("/.well-known/host-meta.json", &[])]
    {
        let jrd = server.ask_as("", "GET", target, fields, "").await;
        assert_eq!(jrd.json()["links"][0], json!({"rel": "restconf", "href": "/restconf"}));
    }
    let put = server.ask_as("", "PUT", "/.well-known/host-meta", &[], "").await;
    assert_eq!((put.refusal().0, put.header("allow")), (405, "GET, HEAD, OPTIONS"));
    server.stop().await;
}

#[tokio::test]
async fn section_3_3_the_api_resource_in_both_encodings() {
    let server = start_server().await;
    let api = server.get("/restconf").await;
    assert_eq!(api.header("content-type"), JSON);
    assert_eq!(
        api.json(),
        json!({"ietf-restconf:restconf": {"data": {}, "operations": {}, "yang-library-version": "2019-01-04"}})
    );
    let xml = server.ask("GET", "/restconf/yang-library-version", &[&format!("Accept: {XML}")], "").await;
    let expected = r#"<yang-library-version xmlns="urn:ietf:params:xml:ns:yang:ietf-restconf">2019-01-04</yang-library-version>"#;
    assert_eq!((xml.header("content-type"), xml.body.as_str()), (XML, expected));
    server.stop().await;
}

#[tokio::test]
async fn section_3_7_every_module_of_the_library_can_be_read() {
    let server = start_server().await;
    let library = server.get("/restconf/data/ietf-yang-library:yang-library").await.json();
    let set = &library["ietf-yang-library:yang-library"]["module-set"][0];
    let modules =
        ["module", "import-only-module"].map(|list| set[list].as_array().expect("a list").clone()).concat();
    assert!(modules.len() > 10);
    for module in modules {
        let (name, revision) =
            (module["name"].as_str().expect("a name"), module["revision"].as_str().expect("a date"));
        let source = server.get(&format!("/yang/{name}@{revision}.yang")).await;
        assert_eq!((source.status, source.header("content-type")), (200, "application/yang"));
        assert!(source.body.contains(&format!("module {name} ")), "{name}");
    }
    assert_eq!(server.get("/yang/irtf-agent@1999-01-01.yang").await.refusal().0, 404);
    server.stop().await;
}

#[tokio::test]
async fn section_3_5_3_1_keys_with_reserved_characters() {
    let server = start_server().await;
    let put = server.put(&format!("{DATA}=a%2Cb%2F%25%20%C3%BC"), &entry("a,b/% ü", "x")).await;
    assert_eq!(put.status, 201, "{put:?}");
    let post = server.post("/restconf/data", &entry("x/y,z", "x")).await;
    assert_eq!(
        (post.status, post.header("location")),
        (201, "https://localhost/restconf/data/irtf-agent:data-params=x%2Fy%2Cz")
    );
    let found = server.get(post.header("location")).await.json();
    assert_eq!(found["irtf-agent:data-params"][0]["id"], "x/y,z");
    for (target, status) in [
        ("=a,b", 400),
        ("=a%2", 400),
        ("=nosuch", 404),
        ("/id", 400),
        ("=d/nosuch", 404),
        ("=a%2Cb%2F%25%20%C3%BC/id/deeper", 404),
    ] {
        assert_eq!(
            server.get(&format!("{DATA}{target}")).await.refusal(),
            refused(status, "invalid-value"),
            "{target}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn section_4_1_options_tell_the_methods_of_each_resource() {
    let server = start_server().await;
    for (target, allow) in [
        ("/restconf/data", "GET, HEAD, OPTIONS, POST, PUT, PATCH"),
        ("/restconf/data/irtf-agent:tasks", "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"),
        ("/restconf/data/irtf-agent:data-params=d", "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"),
        ("/restconf/data/irtf-agent:data-params=d/data", "GET, HEAD, OPTIONS, PUT, PATCH, DELETE"),
        ("/restconf/data/irtf-agent:data-params", "GET, HEAD, OPTIONS"),
        ("/restconf/data/magent-registry:registry", "GET, HEAD, OPTIONS"),
        ("/restconf/data/magent-registry:registry/agents/agent=a/renew", "POST, OPTIONS"),
        ("/restconf/operations/magent-registry:register-agent", "POST, OPTIONS"),
        ("/restconf/operations", "GET, HEAD, OPTIONS"),
        ("/restconf", "GET, HEAD, OPTIONS"),
    ] {
        let answer = server.ask("OPTIONS", target, &[], "").await;
        assert_eq!(
            (answer.status, answer.header("allow"), answer.body.as_str()),
            (200, allow, ""),
            "{target}"
        );
        let patch = answer.header("accept-patch");
        assert_eq!(patch.is_empty(), !allow.contains("PATCH"), "{target}");
    }
    let state = server.put("/restconf/data/magent-registry:registry", "{}").await;
    assert_eq!(state.refusal(), refused(405, "operation-not-supported"));
    assert_eq!(state.header("allow"), "GET, HEAD, OPTIONS");
    assert_eq!(
        server.ask("BREW", "/restconf/data", &[], "").await.refusal(),
        refused(501, "operation-not-supported")
    );
    server.stop().await;
}

#[tokio::test]
async fn section_4_2_head_is_get_without_the_body() {
    let server = start_server().await;
    for target in
        ["/restconf/data", "/restconf/data/irtf-agent:agent", "/restconf", "/restconf/data/irtf-agent:nosuch"]
    {
        let get = server.get(target).await;
        let head = server.ask("HEAD", target, &[], "").await;
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{target}");
        assert_eq!(head.header("content-length"), get.body.len().to_string(), "{target}");
        for name in ["etag", "last-modified", "content-type", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{target}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn section_4_3_get_reads_every_kind_of_data_resource() {
    let server = start_server().await;
    register(&server, None, "ip-agent").await;
    let agent = "/restconf/data/magent-registry:registry/agents/agent=ip-agent";
    let leaf = server.get(&format!("{agent}/version")).await;
    assert_eq!(leaf.json(), json!({"magent-registry:version": "1.0.0"}));
    assert_eq!(
        server.get(&format!("{agent}/domain=IP")).await.json(),
        json!({"magent-registry:domain": ["IP"]})
    );
    assert_eq!(server.get(&format!("{agent}/domain=LTE")).await.refusal(), refused(404, "invalid-value"));
    let list = server.get(agent).await.json();
    assert_eq!(list["magent-registry:agent"].as_array().map(Vec::len), Some(1));

    let many = "/restconf/data/magent-registry:registry/agents/agent";
    assert!(
        server.get(many).await.json()["magent-registry:agent"].as_array().is_some_and(|all| all.len() == 2)
    );
    let xml = server.ask("GET", many, &[&format!("Accept: {XML}")], "").await;
    assert_eq!(xml.status, 400, "an XML document has one root");
    let one = server.ask("GET", agent, &[&format!("Accept: {XML}")], "").await;
    assert!(one.body.starts_with("<agent xmlns=\"urn:x-agentconf:yang:magent-registry\">"), "{}", one.body);
    assert_eq!(server.get(DATA).await.refusal(), refused(404, "invalid-value"), "a list without entries");
    server.stop().await;
}

#[tokio::test]
async fn section_4_4_1_post_creates_exactly_one_child() {
    let server = start_server().await;
    let created = server.post("/restconf/data", &entry("d", "x")).await;
    assert_eq!((created.status, created.body.as_str()), (201, ""));
    assert_eq!(created.header("location"), "https://localhost/restconf/data/irtf-agent:data-params=d");
    let etag = server.get(created.header("location")).await.header("etag").to_owned();
    assert_eq!(created.header("etag"), etag);
    assert_eq!(server.post("/restconf/data", &entry("d", "x")).await.refusal(), refused(409, "data-exists"));
    let two = r#"{"irtf-agent:data-params":[{"id":"a","dataType":"text"},{"id":"b","dataType":"text"}]}"#;
    for body in ["{}", two] {
        assert_eq!(
            server.post("/restconf/data", body).await.refusal(),
            refused(400, "invalid-value"),
            "{body}"
        );
    }
    let leaf = server.post(&format!("{DATA}=d"), r#"{"irtf-agent:format":"text/plain"}"#).await;
    assert_eq!(
        (leaf.status, leaf.header("location")),
        (201, "https://localhost/restconf/data/irtf-agent:data-params=d/format")
    );
    let nowhere = server.post(&format!("{DATA}=nosuch"), r#"{"irtf-agent:format":"text/plain"}"#).await;
    assert_eq!(nowhere.refusal(), refused(404, "invalid-value"));
    assert_eq!(server.post(DATA, &entry("e", "x")).await.refusal(), refused(400, "invalid-value"));
    server.stop().await;
}

#[tokio::test]
async fn section_4_5_put_creates_with_201_and_replaces_with_204() {
    let server = start_server().await;
    let target = format!("{DATA}=d");
    assert_eq!(server.put(&target, &entry("d", "x")).await.status, 201);
    let replaced = server.put(&target, BRIEF).await;
    assert_eq!((replaced.status, replaced.body.as_str()), (204, ""));
    let found = server.get(&target).await;
    assert_eq!(found.body, BRIEF, "what was not in the body is gone");
    assert_eq!(found.header("etag"), replaced.header("etag"));
    let xml = r#"<data-params xmlns="urn:ietf:params:xml:ns:yang:irtf-agent"><id>d</id><dataType>audio</dataType></data-params>"#;
    let put = server.ask("PUT", &target, &[&format!("Content-Type: {XML}")], xml).await;
    assert_eq!(put.status, 204, "{put:?}");
    assert_eq!(server.ask("GET", &target, &[&format!("Accept: {XML}")], "").await.body, xml);

    assert_eq!(server.put(&target, &entry("other", "x")).await.refusal(), refused(400, "invalid-value"));
    assert_eq!(server.put(&target, r#"{"irtf-agent:tasks":{}}"#).await.status, 400);
    assert_eq!(server.put(DATA, &entry("d", "x")).await.refusal(), refused(400, "invalid-value"));
    let orphan =
        server.put("/restconf/data/irtf-agent:data-params=nosuch/data", r#"{"irtf-agent:data":"x"}"#).await;
    assert_eq!(orphan.refusal(), refused(409, "data-missing"));
    server.stop().await;
}

#[tokio::test]
async fn section_4_5_put_of_the_whole_datastore() {
    let server = start_server().await;
    server.put(&format!("{DATA}=old"), &entry("old", "x")).await;
    let put = server.put("/restconf/data", &format!(r#"{{"ietf-restconf:data":{BRIEF}}}"#)).await;
    assert_eq!((put.status, put.header("last-modified").is_empty()), (204, false), "{put:?}");
    let config = server.get("/restconf/data?content=config").await.body;
    assert_eq!(config, format!(r#"{{"ietf-restconf:data":{BRIEF}}}"#));
    server.stop().await;
}

#[tokio::test]
async fn section_4_6_1_patch_merges_into_what_exists() {
    let server = start_server().await;
    let target = format!("{DATA}=d");
    let patch = |body: &'static str| {
        let (server, target) = (&server, &target);
        async move { server.ask("PATCH", target, &[&format!("Content-Type: {JSON}")], body).await }
    };
    let body = r#"{"irtf-agent:data-params":[{"id":"d","format":"text/plain"}]}"#;
    assert_eq!(patch(body).await.refusal(), refused(404, "invalid-value"), "it creates nothing");
    server.put(&target, &entry("d", "x")).await;
    assert_eq!(patch(body).await.status, 204);
    let merged = server.get(&target).await.json();
    let merged = &merged["irtf-agent:data-params"][0];
    assert_eq!((&merged["data"], &merged["format"]), (&json!("x"), &json!("text/plain")));
    let other = server.ask("PATCH", &target, &["Content-Type: application/merge-patch+json"], "{}").await;
    assert_eq!((other.refusal().0, other.header("accept-patch").is_empty()), (415, false));
    server.stop().await;
}

#[tokio::test]
async fn section_4_7_delete() {
    let server = start_server().await;
    server.put(&format!("{DATA}=d"), &entry("d", "x")).await;
    let deleted = server.ask("DELETE", &format!("{DATA}=d"), &[], "").await;
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    assert_eq!(
        server.ask("DELETE", &format!("{DATA}=d"), &[], "").await.refusal(),
        refused(404, "invalid-value")
    );
    let all = server.ask("DELETE", "/restconf/data", &[], "").await;
    assert_eq!(all.refusal(), refused(405, "operation-not-supported"));
    server.stop().await;
}

#[tokio::test]
async fn section_3_4_1_edits_that_collide_are_refused() {
    let server = start_server().await;
    let target = format!("{DATA}=d");
    let json_type = format!("Content-Type: {JSON}");
    let put = |field: String| {
        let (server, target, json_type) = (&server, &target, &json_type);
        async move { server.ask("PUT", target, &[json_type, &field], BRIEF).await }
    };
    assert_eq!(put("If-Match: *".into()).await.refusal(), refused(412, "operation-failed"));
    let first = put("If-None-Match: *".into()).await;
    assert_eq!(first.status, 201);
    assert_eq!(put("If-None-Match: *".into()).await.status, 412);
    let etag = first.header("etag").to_owned();
    server.put(&target, &entry("d", "somebody else's")).await;
    assert_eq!(put(format!("If-Match: {etag}")).await.status, 412);
    assert_eq!(put("If-Match: \"not ours\"".into()).await.status, 412);
    assert_eq!(put("If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT".into()).await.status, 412);
    let now = server.ask("GET", &target, &[&format!("Accept: {XML}")], "").await.header("etag").to_owned();
    assert!(now.ends_with("-xml\""), "{now}");
    assert_eq!(put(format!("If-Match: {etag}, {now}")).await.status, 204);
    let gone = server.ask("DELETE", &target, &[&format!("If-Match: {now}")], "").await;
    assert_eq!(gone.status, 412);
    server.stop().await;
}

#[tokio::test]
async fn section_3_4_1_a_read_of_what_is_known_is_not_modified() {
    let server = start_server().await;
    let fresh = server.get("/restconf/data").await;
    assert_eq!(fresh.header("etag"), "\"0-json\"");
    assert!(!fresh.header("last-modified").contains("1970"), "the datastore is as old as the server's log");
    let target = format!("{DATA}=d");
    server.put(&target, BRIEF).await;
    let found = server.get(&target).await;
    let etag = found.header("etag").to_owned();
    assert_eq!((found.header("cache-control"), found.header("vary")), ("no-cache", "accept"));
    server.post("/restconf/data", &entry("another", "x")).await;
    let known = server.ask("GET", &target, &[&format!("If-None-Match: {etag}")], "").await;
    assert_eq!((known.status, known.body.as_str(), known.header("etag")), (304, "", etag.as_str()));
    let xml =
        server.ask("GET", &target, &[&format!("If-None-Match: {etag}"), &format!("Accept: {XML}")], "").await;
    assert_eq!(xml.status, 200, "the other encoding is another representation");
    let store = server.get("/restconf/data").await;
    let since = format!("If-Modified-Since: {}", store.header("last-modified"));
    assert_eq!(server.ask("GET", "/restconf/data?content=config", &[&since], "").await.status, 304);
    assert_eq!(server.ask("GET", "/restconf/data", &[&since], "").await.status, 200, "there is state in it");
    assert_eq!(server.ask("GET", &target, &["If-Match: \"1-json\""], "").await.refusal().0, 412);
    server.stop().await;
}

#[tokio::test]
async fn section_4_4_2_and_3_6_operations_are_invoked() {
    let server = start_server().await;
    let operations = server.get("/restconf/operations").await.json();
    assert_eq!(operations["ietf-restconf:operations"]["magent-registry:register-agent"], json!([null]));
    register(&server, None, "ip-agent").await;
    let discover = "/restconf/operations/magent-registry:discover-agents";
    let without_body = server.ask("POST", discover, &[&format!("Accept: {XML}")], "").await;
    assert!(without_body.body.starts_with("<output xmlns=\"urn:x-agentconf:yang:magent-registry\">"));
    let input = r#"<input xmlns="urn:x-agentconf:yang:magent-registry"><domain>IP</domain></input>"#;
    let fields = [&*format!("Content-Type: {XML}"), &*format!("Accept: {JSON}")];
    let found = server.ask("POST", discover, &fields, input).await.json();
    assert_eq!(found["magent-registry:output"]["agent"][0]["name"], "ip-agent");

    let agent = "/restconf/data/magent-registry:registry/agents/agent";
    let renewed = server
        .post(&format!("{agent}=ip-agent/renew"), r#"{"magent-registry:input":{"lifetime":900}}"#)
        .await;
    assert!(renewed.json()["magent-registry:output"]["expires-at"].is_string());
    let gone = server.ask("POST", &format!("{agent}=ip-agent/deregister"), &[], "").await;
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    let nobody = server.ask("POST", &format!("{agent}=ip-agent/renew"), &[], "").await;
    assert_eq!(nobody.refusal(), refused(404, "invalid-value"));

    let register = "/restconf/operations/magent-registry:register-agent";
    assert_eq!(server.ask("POST", register, &[], "").await.refusal(), refused(400, "missing-element"));
    let unknown = server.post(register, r#"{"magent-registry:input":{"nosuch":1}}"#).await;
    assert_eq!(unknown.refusal(), refused(400, "unknown-element"));
    assert_eq!(server.get(register).await.refusal(), refused(405, "operation-not-supported"));
    for nosuch in ["nosuch:x", "magent-registry:nosuch", "register-agent", "%"] {
        assert_eq!(server.post(&format!("/restconf/operations/{nosuch}"), "").await.status, 404, "{nosuch}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_4_8_query_parameters() {
    let server = start_server().await;
    register(&server, None, "ip-agent").await;
    server.put(&format!("{DATA}=d"), BRIEF).await;
    let config = server.get("/restconf/data?content=config").await.json();
    assert_eq!(
        config,
        json!({"ietf-restconf:data": serde_json::from_str::<serde_json::Value>(BRIEF).expect("JSON")})
    );
    let state = server.get("/restconf/data?content=nonconfig&depth=2").await.json();
    assert!(state["ietf-restconf:data"].get("magent-registry:registry").is_some());
    assert!(state["ietf-restconf:data"].get("irtf-agent:data-params").is_none());
    let registry = "/restconf/data/magent-registry:registry";
    assert_eq!(
        server.get(&format!("{registry}?depth=1")).await.json(),
        json!({"magent-registry:registry": {}})
    );
    let fields =
        server.get(&format!("{registry}/agents/agent=ip-agent?fields=registration/owner%3Bversion")).await;
    assert_eq!(
        fields.json()["magent-registry:agent"],
        json!([{"name": "ip-agent", "version": "1.0.0", "registration": {"owner": "admin"}}])
    );
    for query in
        ["nosuch=1", "depth=0", "depth=1&depth=1", "insert=first", "filter=x", "fields=nosuch", "content"]
    {
        let refusal = server.get(&format!("{registry}?{query}")).await.refusal();
        assert_eq!(refusal, refused(400, "invalid-value"), "{query}");
    }
    for query in ["depth=1", "insert=first", "insert=after&point=/a:b"] {
        let refusal = server.put(&format!("{DATA}=d?{query}"), BRIEF).await.refusal();
        assert_eq!(refusal, refused(400, "invalid-value"), "{query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_5_2_media_types_are_negotiated() {
    let server = start_server().await;
    let target = format!("{DATA}=d");
    for (fields, status) in [
        (vec![], 415),
        (vec!["Content-Type: application/json"], 415),
        (vec!["Content-Type: application/yang-data+json", "Content-Encoding: gzip"], 415),
        (vec!["Content-Type: application/yang-data+json;charset=utf-8", "Accept: text/html"], 201),
    ] {
        assert_eq!(server.ask("PUT", &target, &fields, BRIEF).await.status, status, "{fields:?}");
    }
    for target in ["/restconf", "/restconf/data", target.as_str(), "/restconf/operations"] {
        // The API resource has a page for browsers.
        let unknown = if target == "/restconf" { "Accept: text/plain" } else { "Accept: text/html" };
        assert_eq!(server.ask("GET", target, &[unknown], "").await.refusal(), refused(406, "invalid-value"));
        let liked = server.ask("GET", target, &[&format!("Accept: {JSON};q=0.1, {XML};q=0.2")], "").await;
        assert_eq!(liked.header("content-type"), XML, "{target}");
        assert_eq!(liked.header("x-content-type-options"), "nosniff");
    }
    let refusal = server.ask("PUT", &target, &[&format!("Content-Type: {XML}")], "<a").await;
    assert_eq!(
        (refusal.status, refusal.header("content-type")),
        (400, XML),
        "as the request, if nothing else is liked"
    );
    server.stop().await;
}

#[tokio::test]
async fn section_7_what_is_wrong_is_told_in_the_form_of_the_rfc() {
    let server = start_server().await;
    let target = format!("{DATA}=d");
    for (body, tag) in [
        ("", "malformed-message"),
        ("{", "malformed-message"),
        (r#"{"irtf-agent:data-params":[{"id":"d","id":"d"}]}"#, "malformed-message"),
        (r#"{"irtf-agent:data-params":[{"id":"d","dataType":"smell"}]}"#, "invalid-value"),
        (r#"{"irtf-agent:data-params":[{"id":7,"dataType":"text"}]}"#, "invalid-value"),
        (r#"{"irtf-agent:data-params":[{"dataType":"text"}]}"#, "missing-element"),
        (r#"{"irtf-agent:data-params":[{"id":"d","nosuch":1}]}"#, "unknown-element"),
        (r#"{"nosuch:data-params":[]}"#, "unknown-element"),
    ] {
        assert_eq!(server.put(&target, body).await.refusal(), refused(400, tag), "{body}");
    }
    let error =
        server.put(&target, r#"{"irtf-agent:data-params":[{"id":"d","dataType":"smell"}]}"#).await.json();
    let error = &error["ietf-restconf:errors"]["error"][0];
    assert_eq!(error["error-path"], "/irtf-agent:data-params[id='d']/dataType");
    assert_eq!(
        (&error["error-type"], &error["error-info"]["ietf-netconf:bad-element"]),
        (&json!("application"), &json!("dataType"))
    );
    let mandatory = server.put(&target, r#"{"irtf-agent:data-params":[{"id":"d"}]}"#).await;
    assert!((400..500).contains(&mandatory.refusal().0), "{mandatory:?}");
    assert_eq!(server.get("/restconf/data").await.status, 200, "it goes on serving");
    server.stop().await;
}

#[tokio::test]
async fn section_7_what_is_too_large_is_refused_and_the_server_goes_on() {
    let server = start_server_with(Limits { body_bytes_max: 1 << 20, ..Limits::default() }).await;
    let large = format!("{DATA}=d{}", "x".repeat(100_000));
    assert_eq!(server.get(&large).await.refusal(), refused(414, "too-big"));
    assert_eq!(server.get(&large[..20_000]).await.refusal(), refused(414, "too-big"));
    let body = entry("d", &"x".repeat(100 << 20));
    assert_eq!(server.put(&format!("{DATA}=d"), &body).await.refusal(), refused(413, "too-big"));
    let deep = format!("{}{}", r#"{"irtf-agent:tasks":"#.repeat(1000), "}".repeat(1000));
    assert_eq!(
        server.put("/restconf/data/irtf-agent:tasks", &deep).await.refusal(),
        refused(400, "malformed-message")
    );
    assert_eq!(server.get("/restconf").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn section_6_events_are_replayed_and_followed_without_gap_or_repetition() {
    let server = start_server().await;
    for id in ["a", "b", "c"] {
        server.post("/restconf/data", &entry(id, "x")).await;
    }
    let stream = "/restconf/streams/NETCONF/json";
    let has = |id: &'static str| move |text: &str| text.contains(&format!("[id='{id}']"));
    let replayed = server.follow(&format!("{stream}?start-time=2020-01-01T00:00:00Z"), &[], has("b")).await;
    assert!(replayed.contains("content-type: text/event-stream"), "{replayed}");
    let (before, _) = replayed.split_once("[id='b']").expect("the second is there");
    let last_id =
        before.rsplit("id: ").next().and_then(|rest| rest.lines().next()).expect("an id").to_owned();
    assert!(
        before.contains("[id='a']") && before.contains(r#"{"ietf-restconf:notification":{"eventTime":"20"#)
    );

    let reconnect = format!("Last-Event-ID: {last_id}");
    let (reconnect, new) = ([reconnect.as_str()], entry("d", "x"));
    let (next, _) =
        tokio::join!(server.follow(stream, &reconnect, has("d")), server.post("/restconf/data", &new));
    let edits: Vec<&str> = ["a", "b", "c", "d"].into_iter().filter(|id| has_id(&next, id)).collect();
    assert_eq!(edits, ["c", "d"], "{next}");

    let until = format!("{stream}?start-time=2020-01-01T00:00:00Z&stop-time=2020-01-02T00:00:00Z");
    assert!(!server.follow(&until, &[], |_| false).await.contains("data:"), "it ends by itself");
    let xml =
        server.follow("/restconf/streams/NETCONF/xml?start-time=2020-01-01T00:00:00Z", &[], has_text).await;
    assert!(xml.contains(
        r#"data: <notification xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"><eventTime>"#
    ));
    for (query, field) in [
        ("?start-time=2999-01-01T00:00:00Z", "Accept: */*"),
        ("?stop-time=2020-01-01T00:00:00Z", "Accept: */*"),
        ("?depth=1", "Accept: */*"),
        ("", "Last-Event-ID: nonsense"),
        ("", "Last-Event-ID: 999999"),
    ] {
        let refusal = server.ask("GET", &format!("{stream}{query}"), &[field], "").await.refusal();
        assert_eq!(refusal, refused(400, "invalid-value"), "{query} {field}");
    }
    assert_eq!(server.ask("GET", stream, &["Accept: text/html"], "").await.status, 406);
    server.stop().await;
}

#[tokio::test]
async fn a_user_who_is_removed_is_told_nothing_more() {
    let server = start_server().await;
    let token = server.add_user("eve");
    server.post("/restconf/data", &entry("a", "x")).await;
    let removed = tokio::sync::Notify::new();
    let stream = "/restconf/streams/NETCONF/json?start-time=2020-01-01T00:00:00Z";
    let remove = |text: &str| {
        if has_id(text, "a") {
            server.remove_user("eve");
            removed.notify_one();
        }
        // Until the server closes.
        false
    };
    let another = async {
        removed.notified().await;
        server.post("/restconf/data", &entry("b", "x")).await
    };
    let (seen, _) = tokio::join!(server.follow_as(&token, stream, &[], remove), another);
    assert!(has_id(&seen, "a") && !has_id(&seen, "b"), "{seen}");
    server.stop().await;
}

fn has_id(text: &str, id: &str) -> bool {
    text.contains(&format!("[id='{id}']"))
}

fn has_text(text: &str) -> bool {
    text.contains("</notification>")
}

#[tokio::test]
async fn section_9_the_capabilities_and_streams_are_those_that_are_served() {
    let server = start_server().await;
    let state = server.get("/restconf/data/ietf-restconf-monitoring:restconf-state").await.json();
    let state = &state["ietf-restconf-monitoring:restconf-state"];
    let capabilities = state["capabilities"]["capability"].as_array().expect("a list");
    assert!(
        capabilities.contains(&json!("urn:ietf:params:restconf:capability:defaults:1.0?basic-mode=explicit"))
    );
    for access in state["streams"]["stream"][0]["access"].as_array().expect("a list") {
        let location = access["location"].as_str().expect("a location");
        assert_eq!(server.ask("HEAD", location, &[], "").await.header("content-type"), "text/event-stream");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_others_may_not_see_is_absent_and_what_they_may_not_do_is_forbidden() {
    let server = start_server().await;
    let (oss, ip, eve) = (server.add_user("oss"), server.add_user("ip"), server.add_user("eve"));
    register(&server, Some(&oss), "oss-agent").await;
    register(&server, Some(&ip), "ip-agent").await;
    let order = json!({"magent-task:input": {"id": "t-1", "from": "oss-agent", "to": "ip-agent", "content": "diagnose"}});
    let assign = "/restconf/operations/magent-task:assign-task";
    let json_type = format!("Content-Type: {JSON}");
    let assigned = server.ask_as(&oss, "POST", assign, &[&json_type], &order.to_string()).await;
    assert_eq!(assigned.status, 200, "{assigned:?}");
    let task = "/restconf/data/magent-task:interaction/tasks/task=t-1";
    assert_eq!(server.ask_as(&ip, "GET", task, &[], "").await.status, 200);
    for target in [task.to_owned(), format!("{task}/content")] {
        assert_eq!(
            server.ask_as(&eve, "GET", &target, &[], "").await.refusal(),
            refused(404, "invalid-value")
        );
    }
    let forged =
        server.ask_as(&eve, "POST", assign, &[&json_type], &order.to_string().replace("t-1", "t-2")).await;
    assert_eq!(forged.refusal(), refused(403, "access-denied"));
    let other = r#"{"ietf-restconf:data":{}}"#;
    assert_eq!(
        server.ask_as(&eve, "PUT", "/restconf/data", &[&json_type], other).await.refusal(),
        refused(403, "access-denied")
    );
    server.stop().await;
}

#[tokio::test]
async fn an_operation_of_a_netconf_session_is_not_offered_over_restconf() {
    let server = start_server().await;
    let list = server.get("/restconf/operations").await.body;
    assert!(list.contains("ietf-netconf:commit") && !list.contains("ietf-netconf:lock"), "{list}");
    let lock = r#"{"ietf-netconf:input":{"target":{"running":[null]}}}"#;
    let refused = server.post("/restconf/operations/ietf-netconf:lock", lock).await;
    assert_eq!(refused.refusal(), (501, "operation-not-supported".to_owned()), "{refused:?}");
}

#[tokio::test]
async fn section_4_8_9_each_mode_of_defaults_that_is_announced_is_there() {
    let server = start_server().await;
    let state = "/restconf/data/ietf-restconf-monitoring:restconf-state";
    let capabilities = server.get(&format!("{state}/capabilities")).await.body;
    for name in ["defaults:1.0?basic-mode=explicit", "with-defaults:1.0", "with-operational-defaults:1.0"] {
        assert!(capabilities.contains(&format!("urn:ietf:params:restconf:capability:{name}\"")), "{name}");
    }
    for mode in ["report-all", "report-all-tagged", "explicit", "trim"] {
        let told = server.get(&format!("{state}/streams?with-defaults={mode}")).await;
        let shown = told.json()["ietf-restconf-monitoring:streams"]["stream"][0]["name"] == "NETCONF";
        assert!(told.status == 200 && shown, "{mode}: {told:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_4_3_a_large_answer_is_whole_and_its_head_has_no_length() {
    let server = start_server().await;
    let entries: Vec<serde_json::Value> =
        (0..5000).map(|n| json!({"id": format!("d{n:04}"), "dataType": "text", "data": "x"})).collect();
    let all = json!({"ietf-restconf:data": {"irtf-agent:data-params": entries}});
    let fields = [format!("Content-Type: {JSON}")];
    let written = server.ask("PATCH", "/restconf/data", &[&fields[0]], &all.to_string()).await;
    assert_eq!(written.status, 204, "{written:?}");
    let read = server.get(DATA).await;
    assert_eq!(read.json()["irtf-agent:data-params"].as_array().map(Vec::len), Some(5000));
    assert_eq!(read.json()["irtf-agent:data-params"][4999]["id"], "d4999");
    let xml = server.ask("GET", "/restconf/data", &[&format!("Accept: {XML}")], "").await;
    assert_eq!(xml.body.matches("<data-params ").count(), 5000);
    assert!(xml.body.ends_with("</data>"));
    let head = server.ask("HEAD", DATA, &[], "").await;
    assert_eq!((head.status, head.header("etag")), (200, read.header("etag")));
    assert_eq!(head.header("content-length"), "");
}

#[tokio::test]
async fn section_4_8_4_a_filter_of_events() {
    let server = start_server().await;
    let capabilities =
        server.get("/restconf/data/ietf-restconf-monitoring:restconf-state/capabilities").await;
    assert!(capabilities.body.contains("urn:ietf:params:restconf:capability:filter:1.0"), "{capabilities:?}");
    let stream = "/restconf/streams/NETCONF/json";
    for wrong in ["", "%2Fa%5B", "nosuch:a", "%24x"] {
        let refused = server.get(&format!("{stream}?filter={wrong}")).await;
        assert_eq!(refused.refusal(), refused_as_invalid(), "{wrong}");
    }
    let misplaced = server.get("/restconf/data?filter=%2Fa").await;
    assert_eq!(misplaced.refusal(), refused_as_invalid());
    for id in ["a", "b"] {
        assert_eq!(server.put(&format!("{DATA}={id}"), &entry(id, "x")).await.status, 201);
    }
    // The forms of the examples in section 8.3.6: with the module or without, of a leaf below, and of any event.
    for filter in [
        "/ietf-netconf-notifications:netconf-config-change[contains(edit/target,\"'b'\")]",
        "/*/edit/target[contains(.,\"'b'\")]",
        "/netconf-config-change/edit[contains(target,\"'b'\")]/operation",
    ] {
        let filter = filter
            .replace('%', "%25")
            .replace('"', "%22")
            .replace(' ', "%20")
            .replace('[', "%5B")
            .replace(']', "%5D");
        let target = format!("{stream}?filter={filter}&start-time=2020-01-01T00:00:00Z");
        let text = server.follow(&target, &[], |text| text.contains("data: ")).await;
        assert!(text.contains("[id='b']") && !text.contains("[id='a']"), "{text}");
    }
    server.stop().await;
}

fn refused_as_invalid() -> (u16, String) {
    refused(400, "invalid-value")
}
