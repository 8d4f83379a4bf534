//! RFC 8527: the datastores of the NMDA over RESTCONF.

use crate::common::{XML, start_server};
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
    assert_eq!(server.put(&d("operational"), ENTRY).await.status, 405);
    for unknown in [ds("startup"), ds("nosuch"), "/restconf/ds/running".into(), "/restconf/ds/".into()] {
        assert_eq!(server.get(&unknown).await.status, 404, "{unknown}");
    }
    let renew = "magent-registry:registry/agents/agent=agentconf/renew";
    assert_eq!(server.ask("POST", &format!("{}/{renew}", ds("running")), &[], "").await.status, 404);
    let library = server.get("/restconf/data/ietf-yang-library:yang-library/datastore").await;
    for name in ["running", "candidate", "intended", "operational"] {
        assert!(library.body.contains(&format!("\"ietf-datastores:{name}\"")), "{library:?}");
    }
    assert!(!library.body.contains("startup"), "{library:?}");
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
