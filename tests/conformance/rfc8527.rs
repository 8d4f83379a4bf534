//! RFC 8527: the datastores of the NMDA over RESTCONF.

use crate::common::{JSON, XML, start_server};
use serde_json::json;

const ENTRY: &str = r#"{"irtf-agent:data-params":[{"id":"d","dataType":"text"}]}"#;

#[tokio::test]
async fn section_3_1_each_datastore_is_a_resource() {
    let server = start_server().await;
    let ds = |name: &str| format!("/restconf/ds/ietf-datastores:{name}");
    let d = |name: &str| format!("{}/irtf-agent:data-params=d", ds(name));
    let put = server.put(&d("candidate"), ENTRY).await;
    assert_eq!(put.status, 201, "{put:?}");
    let tag = put.header("etag").to_owned();
    for (name, status) in [("candidate", 200), ("running", 404), ("intended", 404), ("operational", 404)] {
        assert_eq!(server.get(&d(name)).await.status, status, "{name}");
    }
    assert_eq!(server.get(&d("candidate")).await.header("etag"), tag);
    let stale = server.ask("DELETE", &d("candidate"), &["If-Match: \"1-json\""], "").await;
    assert_eq!(stale.status, 412, "{stale:?}");

    assert_eq!(
        server
            .post(
                "/restconf/operations/ietf-netconf:validate",
                r#"{"ietf-netconf:input":{"source":{"candidate":[null]}}}"#
            )
            .await
            .status,
        204
    );
    let committed = server.ask("POST", "/restconf/operations/ietf-netconf:commit", &[], "").await;
    assert_eq!(committed.status, 204, "{committed:?}");
    for name in ["candidate", "running", "intended", "operational"] {
        assert_eq!(server.get(&d(name)).await.status, 200, "{name}");
    }
    for name in ["running", "candidate", "intended"] {
        let state = server.get(&format!("{}/magent-registry:registry", ds(name))).await;
        assert_eq!(state.status, 404, "{name} has no state");
    }
    assert_eq!(server.get(&format!("{}/magent-registry:registry", ds("operational"))).await.status, 200);
    for (name, allow) in [
        ("running", "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"),
        ("intended", "GET, HEAD, OPTIONS"),
        ("operational", "GET, HEAD, OPTIONS"),
    ] {
        assert_eq!(server.ask("OPTIONS", &d(name), &[], "").await.header("allow"), allow, "{name}");
    }
    // Section 3.2: a datastore that nobody edits says so, to every method of edits.
    for name in ["intended", "operational"] {
        for (method, target) in [
            ("PUT", d(name)),
            ("PATCH", d(name)),
            ("DELETE", d(name)),
            ("POST", ds(name)),
            ("PATCH", ds(name)),
        ] {
            let refused = server.ask(method, &target, &[&format!("Content-Type: {JSON}")], ENTRY).await;
            assert_eq!(refused.refusal(), (405, "operation-not-supported".to_owned()), "{method} {target}");
        }
    }
    for unknown in [ds("startup"), ds("nosuch"), "/restconf/ds/running".into(), "/restconf/ds/".into()] {
        assert_eq!(server.get(&unknown).await.status, 404, "{unknown}");
    }
    let renew = "magent-registry:registry/agents/agent=agentconf/renew";
    for name in ["running", "candidate", "intended"] {
        assert_eq!(server.ask("POST", &format!("{}/{renew}", ds(name)), &[], "").await.status, 404, "{name}");
    }
    let found = server.ask("OPTIONS", &format!("{}/{renew}", ds("operational")), &[], "").await;
    assert_eq!((found.status, found.header("allow")), (200, "POST, OPTIONS"));
    let library = server.get("/restconf/data/ietf-yang-library:yang-library/datastore").await;
    for name in ["running", "candidate", "intended", "operational"] {
        assert!(library.body.contains(&format!("\"ietf-datastores:{name}\"")), "{library:?}");
    }
    assert!(!library.body.contains("startup"), "{library:?}");
}

#[tokio::test]
async fn section_2_a_client_sees_that_there_are_datastores() {
    let server = start_server().await;
    let head = server.ask("HEAD", "/restconf/ds/ietf-datastores:operational", &[], "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let version = server.get("/restconf/yang-library-version").await.json();
    assert!(version["ietf-restconf:yang-library-version"].as_str().is_some_and(|date| date >= "2019-01-04"));
    // Section 3.1: an identity is named with its module, and derived from "datastore".
    for name in ["operational", "ietf-origin:intended", "ietf-netconf:running", ""] {
        let answer = server.get(&format!("/restconf/ds/{name}")).await;
        assert_eq!(answer.refusal(), (404, "invalid-value".to_owned()), "{name}");
    }
    let library = server.get("/restconf/ds/ietf-datastores:operational/ietf-yang-library:yang-library").await;
    assert_eq!(library.status, 200, "{library:?}");
    // RFC 8525 section 1: the same for clients that know nothing newer than RFC 7895.
    let modules = |json: &serde_json::Value, list: &str| -> Vec<String> {
        let all = json[list].as_array().expect("modules");
        all.iter().map(|module| format!("{}@{}", module["name"], module["revision"])).collect()
    };
    let new = server.get("/restconf/data/ietf-yang-library:yang-library/module-set=all/module").await.json();
    let old = server.get("/restconf/data/ietf-yang-library:modules-state").await.json();
    let old = &old["ietf-yang-library:modules-state"];
    let (new, all) = (modules(&new, "ietf-yang-library:module"), modules(old, "module"));
    assert!(new.iter().all(|module| all.contains(module)), "{all:?}");
    let implemented = old["module"].as_array().expect("modules").iter();
    let implemented = implemented.filter(|module| module["conformance-type"] == "implement");
    assert_eq!(implemented.count(), new.len());
    server.stop().await;
}

#[tokio::test]
async fn section_3_2_2_origins_are_told_of_the_operational_datastore_alone() {
    let server = start_server().await;
    assert_eq!(server.put("/restconf/data/irtf-agent:data-params=d", ENTRY).await.status, 201);
    let operational = "/restconf/ds/ietf-datastores:operational/irtf-agent:data-params";
    let told = server.get(&format!("{operational}?with-origin")).await.json();
    let intended = json!({"ietf-origin:origin": "ietf-origin:intended"});
    assert_eq!(told, json!({"irtf-agent:data-params": [{"@": intended, "id": "d", "dataType": "text"}]}));
    let xml =
        server.ask("GET", &format!("{operational}=d?with-origin"), &[&format!("Accept: {XML}")], "").await;
    assert!(xml.body.contains(" or:origin=\"or:intended\"><id>d</id>"), "{xml:?}");
    for target in [
        "/restconf/data/irtf-agent:data-params",
        "/restconf/ds/ietf-datastores:candidate/irtf-agent:data-params",
    ] {
        let answer = server.get(&format!("{target}?with-origin")).await;
        assert_eq!(answer.refusal(), (400, "invalid-value".to_owned()), "{target}");
    }
    server.stop().await;
}
