//! Section 4.8: query parameters, and where each of them may stand.

use super::{BRIEF, DATA, entry, refused};
use crate::common::{JSON, XML, start_server};
use serde_json::json;

const REGISTRY: &str = "/restconf/data/magent-registry:registry";

#[tokio::test]
async fn section_4_8_what_is_unknown_repeated_empty_or_misplaced_is_refused_for_every_method() {
    let server = start_server().await;
    let target = format!("{DATA}=d");
    server.put(&target, BRIEF).await;
    let json_type = format!("Content-Type: {JSON}");
    let new = entry("new", "x");
    let requests = [
        ("PUT", target.as_str(), BRIEF),
        ("POST", "/restconf/data", new.as_str()),
        ("PATCH", &target, BRIEF),
        ("DELETE", &target, ""),
        ("OPTIONS", &target, ""),
        ("POST", "/restconf/operations/magent-registry:discover-agents", ""),
    ];
    for (method, target, body) in requests {
        for query in [
            "nosuch=1",
            "nosuch",
            "=",
            "&",
            "content=all",
            "depth=1",
            "fields=id",
            "filter=%2Fx",
            "with-defaults=trim",
            "with-origin",
            "start-time=2020-01-01T00:00:00Z",
            "insert=",
            "insert=middle",
            "insert=before",
            "point=%2Fx",
            "insert=first&point=%2Fx",
            "insert=first&insert=first",
            // The list is ordered by the server.
            "insert=first",
            "insert=after&point=%2Firtf-agent:data-params%3Dd",
        ] {
            let answer = server.ask(method, &format!("{target}?{query}"), &[&json_type], body).await;
            assert_eq!(answer.refusal(), refused(400, "invalid-value"), "{method} {target}?{query}");
        }
    }
    assert_eq!(server.get(&format!("{target}?")).await.body, BRIEF, "nothing was edited");
    for query in
        ["content=config&content=config", "depth=2&", "&depth=2", "Depth=1", "depth=%3", "depth=2;fields=id"]
    {
        assert_eq!(
            server.get(&format!("{target}?{query}")).await.refusal(),
            refused(400, "invalid-value"),
            "{query}"
        );
    }
    // Names and values are percent-encoded like any other text.
    assert_eq!(
        server.get(&format!("{target}?%64epth=%31")).await.json(),
        json!({"irtf-agent:data-params": [{"id": "d"}]})
    );
    server.stop().await;
}

#[tokio::test]
async fn section_4_8_1_content_keeps_what_leads_to_the_wanted_and_nothing_of_the_other() {
    let server = start_server().await;
    server.put(&format!("{DATA}=d"), BRIEF).await;
    for value in ["", "ALL", "state", "config,nonconfig"] {
        let answer = server.get(&format!("{REGISTRY}?content={value}")).await;
        assert_eq!(answer.refusal(), refused(400, "invalid-value"), "{value}");
    }
    for (target, status) in [
        (format!("{DATA}=d?content=config"), 200),
        (format!("{DATA}=d?content=nonconfig"), 404),
        (format!("{DATA}=d/id?content=nonconfig"), 404),
        (format!("{REGISTRY}?content=config"), 404),
        (format!("{REGISTRY}?content=nonconfig"), 200),
    ] {
        assert_eq!(server.get(&target).await.status, status, "{target}");
    }
    // A conventional datastore has no state, and is there all the same.
    let running = server.get("/restconf/ds/ietf-datastores:running?content=nonconfig").await;
    assert_eq!((running.status, running.json()), (200, json!({"ietf-restconf:data": {}})));
    server.stop().await;
}

#[tokio::test]
async fn section_4_8_2_depth_counts_from_the_target_and_entries_keep_their_keys() {
    let server = start_server().await;
    server.put(&format!("{DATA}=d"), BRIEF).await;
    let list = "irtf-agent:data-params";
    for (target, expected) in [
        ("/restconf/data?content=config&depth=1".to_owned(), json!({"ietf-restconf:data": {}})),
        (
            "/restconf/data?content=config&depth=2".to_owned(),
            json!({"ietf-restconf:data": {list: [{"id": "d"}]}}),
        ),
        (format!("{DATA}=d?depth=1"), json!({list: [{"id": "d"}]})),
        (format!("{DATA}?depth=1"), json!({list: [{"id": "d"}]})),
        (format!("{DATA}=d?depth=2"), json!({list: [{"id": "d", "dataType": "text"}]})),
        (format!("{DATA}=d?depth=unbounded"), json!({list: [{"id": "d", "dataType": "text"}]})),
        (format!("{DATA}=d/id?depth=1"), json!({"irtf-agent:id": "d"})),
        (
            format!("{REGISTRY}?depth=2"),
            json!({"magent-registry:registry": {"agents": {}, "delegations": {}}}),
        ),
    ] {
        assert_eq!(server.get(&target).await.json(), expected, "{target}");
    }
    for value in ["", "-1", "0", "00", "65536", "1.0", "all", "99999999999999999999", "%20"] {
        let answer = server.get(&format!("{REGISTRY}?depth={value}")).await;
        assert_eq!(answer.refusal(), refused(400, "invalid-value"), "{value}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_4_8_3_fields_nest_and_what_is_no_expression_is_refused() {
    let server = start_server().await;
    let one = json!({"magent-registry:registry": {"agents": {"agent": [{"name": "agentconf", "provider": "agentconf"}]}}});
    for fields in [
        "agents/agent(name;provider)",
        "agents(agent(name;provider))",
        "agents/agent/name;agents/agent/provider",
        "agents/agent/provider",
        "magent-registry:agents/magent-registry:agent/provider",
        "agents%2Fagent%28provider%29",
    ] {
        assert_eq!(server.get(&format!("{REGISTRY}?fields={fields}")).await.json(), one, "{fields}");
    }
    for fields in [
        "",
        ";",
        "agents;",
        "agents/",
        "/agents",
        "agents()",
        "agents(agent",
        "agents)",
        "(agents)",
        "agents(agent)name",
        "agents/agent(name)/version",
        "agents//agent",
        "name",
        "irtf-agent:agents",
        "nosuch:agents",
        "agents/agent/name/x",
        "agents/agent=agentconf",
        "*",
        "agents,agent",
        "agents%20",
    ] {
        let answer = server.get(&format!("{REGISTRY}?fields={fields}")).await;
        assert_eq!(answer.refusal(), refused(400, "invalid-value"), "{fields}");
    }
    // At the top, where nothing else says of which module a name is, it has to.
    assert_eq!(
        server.get("/restconf/data?fields=data-params").await.refusal(),
        refused(400, "invalid-value")
    );
    server.put(&format!("{DATA}=d"), &entry("d", "x")).await;
    let both = server
        .get("/restconf/data?fields=irtf-agent:data-params(data)%3Bmagent-registry:registry&depth=2")
        .await;
    assert_eq!(
        both.json(),
        json!({"ietf-restconf:data": {"irtf-agent:data-params": [{"id": "d", "data": "x"}],
            "magent-registry:registry": {"agents": {}, "delegations": {}}}})
    );
    let xml = server.ask("GET", &format!("{DATA}=d?fields=data"), &[&format!("Accept: {XML}")], "").await;
    assert_eq!(
        xml.body,
        r#"<data-params xmlns="urn:ietf:params:xml:ns:yang:irtf-agent"><id>d</id><data>x</data></data-params>"#
    );
    server.stop().await;
}

#[tokio::test]
async fn section_4_8_7_and_4_8_8_times_of_a_stream() {
    let server = start_server().await;
    for target in ["/restconf/streams/NETCONF/json", "/restconf/streams/NETCONF/xml"] {
        for query in [
            "filter=",
            "filter=%5B",
            "filter=%2Fx&filter=%2Fx",
            "start-time=",
            "start-time=2020-01-01",
            "start-time=2020-13-01T00:00:00Z",
            "start-time=2020-01-01T00:00:00",
            "start-time=2999-01-01T00:00:00Z",
            "stop-time=2999-01-01T00:00:00Z",
            "start-time=2020-01-01T00:00:00Z&stop-time=2019-01-01T00:00:00Z",
            "start-time=2020-01-01T00:00:00Z&start-time=2020-01-01T00:00:00Z",
            "content=all",
            "depth=1",
            "insert=first",
            "with-defaults=trim",
            "nosuch=1",
        ] {
            let answer = server.get(&format!("{target}?{query}")).await;
            assert_eq!(answer.refusal(), refused(400, "invalid-value"), "{target}?{query}");
        }
    }
    for (target, query) in
        [("/restconf/data", "start-time=2020-01-01T00:00:00Z"), (REGISTRY, "stop-time=2020-01-01T00:00:00Z")]
    {
        assert_eq!(server.get(&format!("{target}?{query}")).await.refusal(), refused(400, "invalid-value"));
    }
    server.stop().await;
}

#[tokio::test]
async fn section_4_8_9_with_defaults_has_four_values_and_is_for_reads() {
    let server = start_server().await;
    for value in ["", "Trim", "report", "all", "trim,explicit"] {
        let answer = server.get(&format!("{REGISTRY}?with-defaults={value}")).await;
        assert_eq!(answer.refusal(), refused(400, "invalid-value"), "{value}");
    }
    for target in ["/restconf", "/restconf/operations", "/restconf/yang-library-version"] {
        let answer = server.get(&format!("{target}?with-defaults=trim")).await;
        assert_eq!(answer.refusal(), refused(400, "invalid-value"), "{target}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_4_8_5_an_entry_beside_itself_stays_where_it_is_and_is_replaced() {
    let server = start_server().await;
    let lists = "/restconf/data/ietf-netconf-acm:nacm/rule-list";
    let list = |name: &str, group: &str| {
        format!(r#"{{"ietf-netconf-acm:rule-list":[{{"name":"{name}","group":["{group}"]}}]}}"#)
    };
    for name in ["a", "b", "c"] {
        assert_eq!(server.put(&format!("{lists}={name}"), &list(name, "old")).await.status, 201);
    }
    for place in ["before", "after"] {
        let beside = |name: &str| {
            let point = format!("%2Fietf-netconf-acm:nacm%2Frule-list%3D{name}");
            format!("{lists}={name}?insert={place}&point={point}")
        };
        assert_eq!(server.put(&beside("b"), &list("b", place)).await.status, 204, "{place}");
        let found = server.get(lists).await.json()["ietf-netconf-acm:rule-list"].clone();
        let told = found
            .as_array()
            .expect("a list")
            .iter()
            .map(|list| (list["name"].clone(), list["group"][0].clone()));
        let expected = [("a", "old"), ("b", place), ("c", "old")].map(|(a, b)| (a.into(), b.into()));
        assert_eq!(told.collect::<Vec<(serde_json::Value, serde_json::Value)>>(), expected, "{place}");
        // What is not there is beside nothing.
        let answer = server.put(&beside("n"), &list("n", "new")).await;
        assert_eq!(answer.refusal(), refused(400, "bad-attribute"), "{place}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_4_8_what_is_wrong_with_a_query_is_said() {
    let server = start_server().await;
    for (target, words) in [
        ("/restconf/operations?limit=1", "GET and HEAD of data"),
        ("/restconf/streams/NETCONF/json?limit=1", "GET and HEAD of data"),
        ("/restconf/data?depth=1&", "a \\\"&\\\" without a parameter"),
    ] {
        let answer = server.get(target).await;
        assert!(answer.status == 400 && answer.body.contains(words), "{target}: {answer:?}");
    }
    server.stop().await;
}
