//! RFC 7952: annotations in what a client writes.

use crate::common::{XML, start_server};
use serde_json::json;

#[tokio::test]
async fn section_5_annotations_that_are_not_understood_are_refused_where_they_stand() {
    let server = start_server().await;
    let target = "/restconf/data/irtf-agent:data-params=d";
    let annotated = |name: &str| {
        let value = json!([{"id": "d", "dataType": "text", "@dataType": {name: true}}]);
        json!({ "irtf-agent:data-params": value }).to_string()
    };
    let answer = server.put(target, &annotated("irtf-agent:note")).await;
    assert_eq!(answer.refusal(), (400, "unknown-attribute".to_owned()));
    let error = &answer.json()["ietf-restconf:errors"]["error"][0];
    assert_eq!(error["error-path"], "/irtf-agent:data-params[id='d']/dataType");
    assert_eq!(error["error-info"]["ietf-netconf:bad-attribute"], "irtf-agent:note");
    assert_eq!(error["error-info"]["ietf-netconf:bad-element"], "dataType");
    // It has no default that it could be set to (RFC 6243 section 4.5.2).
    let answer = server.put(target, &annotated("ietf-netconf-with-defaults:default")).await;
    assert_eq!(answer.refusal(), (400, "invalid-value".to_owned()));
    // What the server alone says of data (RFC 8342 section 5.3.4) cannot be told to it.
    let answer = server.put(target, &annotated("ietf-origin:origin")).await;
    assert_eq!(answer.refusal(), (400, "unknown-attribute".to_owned()));
    let xml = concat!(
        "<data-params xmlns='urn:ietf:params:xml:ns:yang:irtf-agent' xmlns:q='urn:q' q:z='1'>",
        "<id>d</id><dataType>text</dataType></data-params>"
    );
    let answer = server.ask("PUT", target, &[&format!("Content-Type: {XML}")], xml).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let input = json!({"magent-registry:input": {"name": "a", "@name": {"irtf-agent:note": 1}}}).to_string();
    let answer = server.post("/restconf/operations/magent-registry:register-agent", &input).await;
    assert_eq!(answer.refusal(), (400, "unknown-attribute".to_owned()));
    assert_eq!(server.get(target).await.status, 404);
    server.stop().await;
}
