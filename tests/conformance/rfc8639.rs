//! RFC 8639: Subscription to YANG Notifications, over RESTCONF.

use agentconf::limits::Limits;
use serde_json::{Value as Json, json};

use crate::common::{Answer, JSON, TestServer, XML, start_server, start_server_with};
use crate::subscriber::{Subscriber, establish, establish_as, invoke, subscribe};

const SUBSCRIPTIONS: &str = "/restconf/data/ietf-subscribed-notifications:subscriptions";

/// Makes an event: a change of the configuration.
pub async fn change(server: &TestServer, id: &str) {
    let body = json!({"irtf-agent:data-params": [{"id": id, "dataType": "text", "data": id}]}).to_string();
    let answer = server.put(&format!("/restconf/data/irtf-agent:data-params={id}"), &body).await;
    assert!((200..300).contains(&answer.status), "{answer:?}");
}

/// The entry that a `netconf-config-change` tells of.
fn changed(event: Option<Json>) -> String {
    let event = event.expect("an event");
    let target = &event["ietf-netconf-notifications:netconf-config-change"]["edit"][0]["target"];
    let target = target.as_str().unwrap_or_else(|| panic!("a change of the configuration, not {event}"));
    target.split('\'').nth(1).unwrap_or_default().to_owned()
}

fn reason(answer: &Answer) -> (u16, String, String) {
    let error = &answer.json()["ietf-restconf:errors"]["error"][0];
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    (answer.status, text(&error["error-tag"]), text(&error["error-app-tag"]))
}

fn because(status: u16, tag: &str, identity: &str) -> (u16, String, String) {
    (status, tag.to_owned(), identity.to_owned())
}

fn events(filter: Json) -> Json {
    let mut input = json!({"stream": "NETCONF"});
    if let (Some(input), Some(filter)) = (input.as_object_mut(), filter.as_object()) {
        input.extend(filter.clone());
    }
    input
}

#[tokio::test]
async fn section_2_1_the_event_streams_are_listed() {
    let server = start_server().await;
    let streams = server.get("/restconf/data/ietf-subscribed-notifications:streams").await.json();
    let stream = &streams["ietf-subscribed-notifications:streams"]["stream"][0];
    assert_eq!((&stream["name"], &stream["replay-support"]), (&json!("NETCONF"), &json!([null])));
    assert!(stream["replay-log-creation-time"].is_string(), "{stream}");
    server.stop().await;
}

#[tokio::test]
async fn section_2_2_a_filter_by_xpath_passes_what_it_is_true_of() {
    let server = start_server().await;
    let filter = json!({"stream-xpath-filter": "/ietf-netconf-notifications:netconf-config-change[contains(edit/target, \"'b\")]"});
    let mut subscriber = subscribe(&server, events(filter)).await;
    for id in ["a1", "b1", "a2", "b2"] {
        change(&server, id).await;
    }
    assert_eq!(changed(subscriber.next().await), "b1");
    assert_eq!(changed(subscriber.next().await), "b2");
    let list = server.get(SUBSCRIPTIONS).await.json();
    let receiver =
        &list["ietf-subscribed-notifications:subscriptions"]["subscription"][0]["receivers"]["receiver"][0];
    assert_eq!(receiver["sent-event-records"], json!("2"), "{list}");
    assert_eq!(receiver["excluded-event-records"], json!("2"), "{list}");
    server.stop().await;
}

#[tokio::test]
async fn section_2_2_a_filter_by_subtree_passes_what_it_leaves_something_of() {
    let server = start_server().await;
    let filter = json!({"stream-subtree-filter": {
        "ietf-netconf-notifications:netconf-config-change": {"edit": {"operation": "delete"}}}});
    let mut subscriber = subscribe(&server, events(filter)).await;
    change(&server, "a").await;
    assert_eq!(server.ask("DELETE", "/restconf/data/irtf-agent:data-params=a", &[], "").await.status, 204);
    let event = subscriber.next().await.expect("the deletion");
    let operation = &event["ietf-netconf-notifications:netconf-config-change"]["edit"][0]["operation"];
    assert_eq!(operation, &json!("delete"), "{event}");
    server.stop().await;
}

#[tokio::test]
async fn section_2_2_prefixes_in_xml_are_those_of_the_document() {
    let server = start_server().await;
    let body = r#"<input xmlns="urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications">
        <stream>NETCONF</stream>
        <stream-xpath-filter xmlns:x="urn:ietf:params:xml:ns:yang:ietf-netconf-notifications"
            >/x:netconf-config-change/x:datastore = 'running'</stream-xpath-filter></input>"#;
    let target = "/restconf/operations/ietf-subscribed-notifications:establish-subscription";
    let fields = [&*format!("Content-Type: {XML}"), &*format!("Accept: {JSON}")];
    let answer = server.ask("POST", target, &fields, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let output = &answer.json()["ietf-subscribed-notifications:output"];
    let uri = output["ietf-restconf-subscribed-notifications:uri"].as_str().expect("a URI").to_owned();
    let list = server.get(SUBSCRIPTIONS).await.json();
    let entry = &list["ietf-subscribed-notifications:subscriptions"]["subscription"][0];
    let shown =
        "/ietf-netconf-notifications:netconf-config-change/ietf-netconf-notifications:datastore = 'running'";
    assert_eq!(entry["stream-xpath-filter"], json!(shown));
    assert_eq!(entry["encoding"], json!("ietf-subscribed-notifications:encode-xml"), "that of the rpc");
    let mut subscriber = Subscriber::open(&server, server.admin(), 0, &uri).await;
    change(&server, "a").await;
    let event = subscriber.next_text().await.expect("an event");
    assert!(
        event.starts_with("<notification xmlns=\"urn:ietf:params:xml:ns:netconf:notification:1.0\">"),
        "{event}"
    );
    server.stop().await;
}

#[tokio::test]
async fn section_2_4_2_what_cannot_be_had_is_refused_with_the_reason() {
    let server = start_server().await;
    let refused =
        async |input: Json| reason(&invoke(&server, server.admin(), "establish-subscription", input).await);
    let unsupported = because(400, "invalid-value", "ietf-subscribed-notifications:filter-unsupported");
    assert_eq!(refused(events(json!({"stream-xpath-filter": "/a["}))).await, unsupported);
    assert_eq!(refused(events(json!({"stream-xpath-filter": "nosuch:a"}))).await, unsupported);
    assert_eq!(refused(json!({"stream": "nosuch"})).await.1, "invalid-value");
    assert_eq!(refused(json!({})).await, because(409, "data-missing", "missing-choice"));
    for (leaf, time) in [("stop-time", "2020-01-01T00:00:00Z"), ("replay-start-time", "2999-01-01T00:00:00Z")]
    {
        assert_eq!(refused(events(json!({ leaf: time }))).await, because(400, "invalid-value", ""), "{leaf}");
    }
    let both = json!({"replay-start-time": "2020-02-01T00:00:00Z", "stop-time": "2020-01-01T00:00:00Z"});
    assert_eq!(refused(events(both)).await.1, "invalid-value");
    server.stop().await;
}

#[tokio::test]
async fn section_2_4_6_hints_are_structured_data() {
    let server = start_server().await;
    let answer = invoke(
        &server,
        server.admin(),
        "establish-subscription",
        events(json!({"stream-xpath-filter": "/a["})),
    )
    .await;
    let error = &answer.json()["ietf-restconf:errors"]["error"][0];
    let info = &error["error-info"]["ietf-subscribed-notifications:establish-subscription-stream-error-info"];
    assert_eq!(info["reason"], Json::Null, "it is the error-app-tag already");
    assert!(info["filter-failure-hint"].as_str().is_some_and(|hint| hint.contains("byte")), "{answer:?}");
    server.stop().await;
}

#[tokio::test]
async fn section_2_4_2_1_a_replay_ends_with_replay_completed() {
    let server = start_server().await;
    change(&server, "a").await;
    let output = establish_as(
        &server,
        server.admin(),
        events(json!({
            "replay-start-time": "2020-01-01T00:00:00Z",
            "stream-xpath-filter": "/ietf-netconf-notifications:netconf-config-change",
        })),
    )
    .await;
    let streams = server.get("/restconf/data/ietf-subscribed-notifications:streams").await.json();
    let oldest = &streams["ietf-subscribed-notifications:streams"]["stream"][0]["replay-log-creation-time"];
    assert_eq!(&output["replay-start-time-revision"], oldest, "{output}");
    let uri = output["ietf-restconf-subscribed-notifications:uri"].as_str().expect("a URI");
    let mut subscriber = Subscriber::open(&server, server.admin(), 0, uri).await;
    assert_eq!(changed(subscriber.next().await), "a");
    let completed = subscriber.next().await.expect("an event");
    assert_eq!(completed["ietf-subscribed-notifications:replay-completed"]["id"], output["id"]);
    change(&server, "b").await;
    assert_eq!(changed(subscriber.next().await), "b");
    server.stop().await;
}

#[tokio::test]
async fn section_2_4_3_a_modified_subscription_tells_its_terms_and_keeps_them() {
    let server = start_server().await;
    let filter = |id: &str| {
        json!({"stream-xpath-filter":
            format!("/ietf-netconf-notifications:netconf-config-change[contains(edit/target, \"'{id}'\")]")})
    };
    let mut subscriber = subscribe(&server, events(filter("b"))).await;
    let mut input = filter("c");
    input["id"] = json!(subscriber.id);
    assert_eq!(invoke(&server, server.admin(), "modify-subscription", input.clone()).await.status, 204);
    let modified = subscriber.next().await.expect("an event");
    let modified = &modified["ietf-subscribed-notifications:subscription-modified"];
    assert_eq!((&modified["id"], &modified["stream"]), (&json!(subscriber.id), &json!("NETCONF")));
    assert_eq!(modified["stream-xpath-filter"], input["stream-xpath-filter"]);
    for id in ["b", "c"] {
        change(&server, id).await;
    }
    assert_eq!(changed(subscriber.next().await), "c");
    input["id"] = json!(1);
    let unknown = invoke(&server, server.admin(), "modify-subscription", input).await;
    let no_such = because(404, "invalid-value", "ietf-subscribed-notifications:no-such-subscription");
    assert_eq!(reason(&unknown), no_such);
    server.stop().await;
}

#[tokio::test]
async fn section_2_4_4_delete_is_for_the_subscriber_alone_and_nothing_follows_it() {
    let server = start_server().await;
    let eve = server.add_user("eve");
    let mut subscriber = subscribe(&server, events(json!({}))).await;
    let id = json!({"id": subscriber.id});
    let refused = invoke(&server, &eve, "delete-subscription", id.clone()).await;
    let no_such = because(404, "invalid-value", "ietf-subscribed-notifications:no-such-subscription");
    assert_eq!(reason(&refused), no_such);
    assert_eq!(invoke(&server, server.admin(), "delete-subscription", id.clone()).await.status, 204);
    assert_eq!(subscriber.next().await, None);
    assert_eq!(reason(&invoke(&server, server.admin(), "delete-subscription", id).await), no_such);
    server.stop().await;
}

#[tokio::test]
async fn section_2_4_5_kill_is_for_operators_and_the_subscriber_is_told() {
    let server = start_server().await;
    let eve = server.add_user("eve");
    let output = establish_as(&server, &eve, events(json!({}))).await;
    let uri = output["ietf-restconf-subscribed-notifications:uri"].as_str().expect("a URI");
    let mut subscriber = Subscriber::open(&server, &eve, 0, uri).await;
    let id = json!({"id": output["id"]});
    assert_eq!(invoke(&server, &eve, "kill-subscription", id.clone()).await.status, 403);
    assert_eq!(invoke(&server, server.admin(), "kill-subscription", id).await.status, 204);
    let told = subscriber.next().await.expect("an event");
    let told = &told["ietf-subscribed-notifications:subscription-terminated"];
    assert_eq!(told["reason"], json!("ietf-subscribed-notifications:no-such-subscription"), "{told}");
    assert_eq!(subscriber.next().await, None);
    server.stop().await;
}

#[tokio::test]
async fn section_2_6_a_filter_that_is_referred_to_is_followed_as_it_changes() {
    let server = start_server().await;
    let filters = "/restconf/data/ietf-subscribed-notifications:filters";
    let put = async |id: &str| {
        let filter = json!({"ietf-subscribed-notifications:stream-filter": [{"name": "f", "stream-xpath-filter":
            format!("/ietf-netconf-notifications:netconf-config-change[contains(edit/target, \"'{id}'\")]")}]});
        let answer = server.put(&format!("{filters}/stream-filter=f"), &filter.to_string()).await;
        assert!((200..300).contains(&answer.status), "{answer:?}");
    };
    put("a").await;
    let mut subscriber = subscribe(&server, events(json!({"stream-filter-name": "f"}))).await;
    change(&server, "a").await;
    assert_eq!(changed(subscriber.next().await), "a");
    put("b").await;
    let modified = subscriber.next().await.expect("an event");
    assert_eq!(
        modified["ietf-subscribed-notifications:subscription-modified"]["stream-filter-name"],
        json!("f")
    );
    for id in ["a", "b"] {
        change(&server, id).await;
    }
    assert_eq!(changed(subscriber.next().await), "b");
    assert_eq!(server.ask("DELETE", &format!("{filters}/stream-filter=f"), &[], "").await.status, 204);
    let told = subscriber.next().await.expect("an event");
    let told = &told["ietf-subscribed-notifications:subscription-terminated"];
    assert_eq!(told["reason"], json!("ietf-subscribed-notifications:filter-unavailable"), "{told}");
    assert_eq!(subscriber.next().await, None);
    let missing =
        invoke(&server, server.admin(), "establish-subscription", events(json!({"stream-filter-name": "f"})))
            .await;
    assert_eq!(missing.refusal(), (409, "data-missing".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn section_2_7_a_stop_time_ends_the_stream() {
    let server = start_server().await;
    change(&server, "a").await;
    let now = server.get("/restconf/data/irtf-agent:data-params=a").await;
    assert_eq!(now.status, 200);
    let stop = agentconf::clock::Clock::system().now().saturating_add_seconds(1).to_string();
    let mut subscriber = subscribe(&server, events(json!({"stop-time": stop}))).await;
    assert_eq!(subscriber.next().await, None, "of that end nothing is told");
    assert_eq!(server.get(&format!("{SUBSCRIPTIONS}/subscription={}", subscriber.id)).await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn section_2_8_subscriptions_are_seen_by_their_subscriber_and_by_operators() {
    let server = start_server().await;
    let (eve, bob) = (server.add_user("eve"), server.add_user("bob"));
    let output = establish_as(&server, &eve, events(json!({}))).await;
    for (token, count) in [(eve.as_str(), 1), (bob.as_str(), 0), (server.admin(), 1)] {
        let list = server
            .ask_as(token, "GET", "/restconf/data/ietf-subscribed-notifications:subscriptions", &[], "")
            .await;
        let entries = list.json()["ietf-subscribed-notifications:subscriptions"]["subscription"].clone();
        assert_eq!(entries.as_array().map_or(0, Vec::len), count, "{entries}");
        if count == 1 {
            let entry = &entries[0];
            assert_eq!((&entry["id"], &entry["stream"]), (&output["id"], &json!("NETCONF")));
            assert_eq!(entry["receivers"]["receiver"][0]["state"], json!("suspended"), "it is not opened");
            let uri = "ietf-restconf-subscribed-notifications:uri";
            assert_eq!(entry[uri], output[uri]);
        }
    }
    let written = server.put(SUBSCRIPTIONS, r#"{"ietf-subscribed-notifications:subscriptions": {}}"#).await;
    assert_eq!(written.status, 405, "there are no configured subscriptions");
    server.stop().await;
}

#[tokio::test]
async fn section_2_4_2_as_many_as_the_server_can_serve() {
    let limits = Limits { subscriptions_max: 2, subscriptions_user_max: 1, ..Limits::default() };
    let server = start_server_with(limits).await;
    let eve = server.add_user("eve");
    let (first, _) = establish(&server, events(json!({}))).await;
    let refused = async |token: &str| {
        reason(&invoke(&server, token, "establish-subscription", events(json!({}))).await)
    };
    let full = because(409, "resource-denied", "ietf-subscribed-notifications:insufficient-resources");
    assert_eq!(refused(server.admin()).await, full);
    establish_as(&server, &eve, events(json!({}))).await;
    assert_eq!(refused(&server.add_user("bob")).await, full);
    assert_eq!(
        invoke(&server, server.admin(), "delete-subscription", json!({"id": first})).await.status,
        204
    );
    establish(&server, events(json!({}))).await;
    server.stop().await;
}
