//! draft-ietf-netconf-transaction-id-11, over RESTCONF as draft-al-netconf-restconf-transaction-id-00 wants it: txids as metadata,
//! the entity tag as their default, edits that depend on them. Sections are those of the first.

use crate::common::{Answer, JSON, TestServer, XML, start_server};
use serde_json::{Value, json};

const DATA: &str = "/restconf/data/irtf-agent:data-params";
const ETAG: &str = "ietf-netconf-txid:etag";

async fn put(server: &TestServer, id: &str, description: &str, etag: Option<&str>) -> Answer {
    let mut entry = json!({"id": id, "dataType": "text", "description": description});
    if let Some(etag) = etag {
        entry["@"] = json!({ ETAG: etag });
    }
    server.put(&format!("{DATA}={id}"), &json!({ "irtf-agent:data-params": [entry] }).to_string()).await
}

/// The entity tag of an answer without its quotes.
fn tag(answer: &Answer) -> String {
    answer.header("etag").trim_matches('"').to_owned()
}

fn mismatch(answer: &Answer) -> Value {
    let error = &answer.json()["ietf-restconf:errors"]["error"][0];
    assert_eq!(
        (answer.status, &error["error-type"], &error["error-tag"]),
        (412, &json!("protocol"), &json!("operation-failed"))
    );
    assert_eq!(error["error-app-tag"], "txid-value-mismatch");
    error["error-info"]["ietf-netconf-txid:txid-value-mismatch-error-info"].clone()
}

#[tokio::test]
async fn sections_3_1_and_3_2_every_versioned_node_is_told_with_its_txid() {
    let server = start_server().await;
    let first = tag(&put(&server, "a", "1", None).await);
    let second = tag(&put(&server, "b", "1", None).await);
    assert_ne!(first, second);
    let read = server.get(&format!("{DATA}=a?with-etag=true")).await;
    assert_eq!(read.json()["irtf-agent:data-params"][0]["@"], json!({ ETAG: first }));
    assert_eq!(tag(&read), first, "the entity tag is that of the target");
    let root = server.get("/restconf/data?with-etag=true&content=config").await;
    let entries = root.json()["ietf-restconf:data"]["irtf-agent:data-params"].clone();
    assert_eq!((&entries[0]["@"][ETAG], &entries[1]["@"][ETAG]), (&json!(first), &json!(second)));
    assert_eq!(tag(&root), second, "the datastore has the newest of all");
    // Leafs have the txid of what they are in, and state has none.
    assert!(entries[0].get("@dataType").is_none(), "{entries}");
    let state = server.get("/restconf/data/magent-registry:registry?with-etag=true").await;
    assert!(!state.body.contains(ETAG), "{state:?}");
    // An edit changes the txid of what it changes and of all around, and no other.
    let third = tag(&put(&server, "a", "2", None).await);
    let root = server.get("/restconf/data?with-etag=true&content=config").await;
    let entries = root.json()["ietf-restconf:data"]["irtf-agent:data-params"].clone();
    assert_eq!((&entries[0]["@"][ETAG], &entries[1]["@"][ETAG]), (&json!(third), &json!(second)));
    assert_eq!(tag(&root), third);
    // Nobody is told who does not ask.
    for query in ["", "?with-etag=false"] {
        assert!(!server.get(&format!("{DATA}=a{query}")).await.body.contains(ETAG));
    }
    let refusal = server.get(&format!("{DATA}=a?with-etag=yes")).await.refusal();
    assert_eq!(refusal, (400, "invalid-value".to_owned()));
    let capabilities =
        server.get("/restconf/data/ietf-restconf-monitoring:restconf-state/capabilities").await;
    assert!(capabilities.body.contains("urn:ietf:params:restconf:capability:txid:1.0"), "{capabilities:?}");
    server.stop().await;
}

#[tokio::test]
async fn section_4_1_in_xml_it_is_an_attribute_with_the_suffix_of_the_encoding() {
    let server = start_server().await;
    let json = tag(&put(&server, "a", "1", None).await);
    let xml = json.replace("-json", "-xml");
    let answer =
        server.ask("GET", &format!("{DATA}=a?with-etag=true"), &[&format!("Accept: {XML}")], "").await;
    let namespace = "urn:ietf:params:xml:ns:yang:ietf-netconf-txid";
    assert!(answer.body.contains(&format!("xmlns:txid=\"{namespace}\" txid:etag=\"{xml}\"")), "{answer:?}");
    assert_eq!(tag(&answer), xml);
    // What was read can be written back, in either encoding.
    let field = format!("Content-Type: {XML}");
    let written =
        server.ask("PUT", &format!("{DATA}=a"), &[&field, &format!("Accept: {XML}")], &answer.body).await;
    assert_eq!(written.status, 204, "{written:?}");
    let read = server.get(&format!("{DATA}=a?with-etag=true")).await.body;
    assert_eq!(server.put(&format!("{DATA}=a"), &read).await.status, 204);
    server.stop().await;
}

#[tokio::test]
async fn section_3_6_an_edit_is_refused_if_what_it_is_based_on_was_changed() {
    let server = start_server().await;
    let old = tag(&put(&server, "a", "1", None).await);
    let new = tag(&put(&server, "a", "2", Some(&old)).await);
    assert_ne!(old, new, "it matched, and the answer has the new one");
    for (etag, value) in [
        (old.as_str(), new.clone()),
        ("?", new.replace("-json", "")),
        ("99999-json", new.clone()),
        ("x", new.replace("-json", "")),
    ] {
        let answer = put(&server, "a", "3", Some(etag)).await;
        let expected =
            json!({"mismatch-path": "/irtf-agent:data-params[id='a']", "mismatch-etag-value": value});
        assert_eq!(mismatch(&answer), expected, "{etag}");
    }
    assert_eq!(
        server.get(&format!("{DATA}=a")).await.json()["irtf-agent:data-params"][0]["description"],
        "2"
    );
    // A newer txid of anything else is as good: nothing at or below the node is newer (section 3.6.2).
    let other = tag(&put(&server, "b", "1", None).await);
    let last = put(&server, "a", "4", Some(&other)).await;
    assert_eq!(last.status, 204, "{last:?}");
    // Of what is not there no txid can be known.
    let answer = put(&server, "c", "1", Some(&other)).await;
    assert_eq!(mismatch(&answer), json!({"mismatch-path": "/irtf-agent:data-params[id='c']"}));
    assert_eq!(server.get(&format!("{DATA}=c")).await.status, 404);
    // At a leaf it is that of the entry.
    let body = |etag: &str| {
        json!({"irtf-agent:data-params": [{"id": "a", "format": "f", "@format": {ETAG: etag}}]}).to_string()
    };
    let patch = |etag: &str| {
        let (server, body) = (&server, body(etag));
        async move { server.ask("PATCH", &format!("{DATA}=a"), &[&format!("Content-Type: {JSON}")], &body).await }
    };
    assert_eq!(mismatch(&patch(&new).await)["mismatch-etag-value"], tag(&last));
    server.stop().await;
}

#[tokio::test]
async fn section_3_6_each_txid_in_an_edit_of_many_has_to_match() {
    let server = start_server().await;
    let (a, b) = (tag(&put(&server, "a", "1", None).await), tag(&put(&server, "b", "1", None).await));
    let newer = tag(&put(&server, "b", "2", None).await);
    let body = |b: &str| {
        let entry = |id: &str, etag: &str| json!({"@": {ETAG: etag}, "id": id, "format": "f"});
        json!({"ietf-restconf:data": {"irtf-agent:data-params": [entry("a", &a), entry("b", b)]}}).to_string()
    };
    let field = format!("Content-Type: {JSON}");
    let answer = server.ask("PATCH", "/restconf/data", &[&field], &body(&b)).await;
    assert_eq!(
        mismatch(&answer),
        json!({"mismatch-path": "/irtf-agent:data-params[id='b']", "mismatch-etag-value": newer})
    );
    assert!(!server.get(&format!("{DATA}=a")).await.body.contains("format"), "all or nothing");
    let done = server.ask("PATCH", "/restconf/data", &[&field], &body(&newer)).await;
    assert_eq!(done.status, 204, "{done:?}");
    // The answer has the txid of the edit: that of the datastore, which both entries have now.
    let read = server.get("/restconf/data?with-etag=true&content=config").await.json();
    let entries = &read["ietf-restconf:data"]["irtf-agent:data-params"];
    assert_eq!((&entries[0]["@"][ETAG], &entries[1]["@"][ETAG]), (&json!(tag(&done)), &json!(tag(&done))));
    server.stop().await;
}

#[tokio::test]
async fn restconf_if_match_is_the_txid_of_the_target() {
    let server = start_server().await;
    let old = put(&server, "a", "1", None).await.header("etag").to_owned();
    let new = put(&server, "a", "2", None).await.header("etag").to_owned();
    let target = format!("{DATA}=a");
    for method in ["DELETE", "PUT"] {
        let fields = [&*format!("If-Match: {old}"), &*format!("Content-Type: {JSON}")];
        let body =
            if method == "PUT" { r#"{"irtf-agent:data-params":[{"id":"a","dataType":"text"}]}"# } else { "" };
        assert_eq!(server.ask(method, &target, &fields, body).await.status, 412, "{method}");
    }
    assert_eq!(server.ask("DELETE", &target, &[&format!("If-Match: {new}")], "").await.status, 204);
    server.stop().await;
}
