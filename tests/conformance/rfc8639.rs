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
    let list = server.ask("GET", SUBSCRIPTIONS, &["Accept: application/yang-data+xml"], "").await.body;
    let declared = "<stream-xpath-filter xmlns:ietf-netconf-notifications=\"urn:ietf:params:xml:ns:yang:ietf-netconf-notifications\">";
    assert!(list.contains(declared), "{list}");
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

#[tokio::test]
async fn section_2_1_events_are_in_order_and_a_filter_takes_nothing_out_of_them() {
    let server = start_server().await;
    let ids = ["a", "b", "c", "d", "e", "f"];
    let filter = json!({"stream-subtree-filter": {
        "ietf-netconf-notifications:netconf-config-change": {"datastore": {}}}});
    let mut subscriber = subscribe(&server, events(filter)).await;
    for id in ids {
        change(&server, id).await;
    }
    for id in ids {
        assert_eq!(changed(subscriber.next().await), id, "with all that the filter does not name");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_2_3_no_treatment_of_traffic_is_announced_so_none_is_taken() {
    let server = start_server().await;
    for leaf in ["dscp", "weighting", "dependency"] {
        let answer =
            invoke(&server, server.admin(), "establish-subscription", events(json!({ leaf: 1 }))).await;
        assert_eq!(answer.refusal(), (400, "unknown-element".to_owned()), "{leaf}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_2_4_1_a_modification_that_fails_changes_nothing() {
    let server = start_server().await;
    let filter = "/ietf-netconf-notifications:netconf-config-change[contains(edit/target, \"'a\")]";
    let mut subscriber = subscribe(&server, events(json!({"stream-xpath-filter": filter}))).await;
    let refused = async |more: Json| {
        let mut input = more;
        input["id"] = json!(subscriber.id);
        let answer = invoke(&server, server.admin(), "modify-subscription", input).await;
        (reason(&answer), answer)
    };
    let (unsupported, answer) = refused(json!({"stream-xpath-filter": "/a["})).await;
    assert_eq!(
        unsupported,
        because(400, "invalid-value", "ietf-subscribed-notifications:filter-unsupported")
    );
    let info = &answer.json()["ietf-restconf:errors"]["error"][0]["error-info"];
    let hints = &info["ietf-subscribed-notifications:modify-subscription-stream-error-info"];
    assert!(hints["filter-failure-hint"].is_string(), "section 2.4.3: {info}");
    let past = json!({"stream-xpath-filter": "/b", "stop-time": "2020-01-01T00:00:00Z"});
    assert_eq!(refused(past).await.0, because(400, "invalid-value", ""));
    let periodic = json!({"stream-xpath-filter": "/b", "ietf-yang-push:periodic": {"period": 100}});
    assert_eq!(refused(periodic).await.0.0, 400);
    let entry = server.get(&format!("{SUBSCRIPTIONS}/subscription={}", subscriber.id)).await.json();
    let entry = &entry["ietf-subscribed-notifications:subscription"][0];
    assert_eq!((&entry["stream-xpath-filter"], &entry["stop-time"]), (&json!(filter), &Json::Null));
    for id in ["b", "a"] {
        change(&server, id).await;
    }
    assert_eq!(changed(subscriber.next().await), "a");
    server.stop().await;
}

#[tokio::test]
async fn section_2_4_2_without_an_encoding_it_is_that_of_the_rpc_or_none() {
    let server = start_server().await;
    let (_, _) = establish(&server, events(json!({}))).await;
    let list = server.get(SUBSCRIPTIONS).await.json();
    let entry = &list["ietf-subscribed-notifications:subscriptions"]["subscription"][0];
    assert_eq!(entry["encoding"], json!("ietf-subscribed-notifications:encode-json"));
    // {"ietf-subscribed-notifications:input": {"stream": "NETCONF"}} in CBOR (RFC 9254 section 3.3).
    let body =
        [b"\xa1\x78\x23ietf-subscribed-notifications:input\xa1\x66stream\x67NETCONF".as_slice()].concat();
    let target = "/restconf/operations/ietf-subscribed-notifications:establish-subscription";
    let fields = ["Content-Type: application/yang-data+cbor", &*format!("Accept: {JSON}")];
    let answer = server.ask_octets(server.admin(), "POST", target, &fields, &body).await;
    let unsupported = because(400, "invalid-value", "ietf-subscribed-notifications:encoding-unsupported");
    assert_eq!(reason(&answer), unsupported);
    let unknown = events(json!({"encoding": "ietf-subscribed-notifications:encode-cbor"}));
    let answer = invoke(&server, server.admin(), "establish-subscription", unknown).await;
    assert_eq!(answer.refusal(), (400, "invalid-value".to_owned()), "no identity of that name");
    server.stop().await;
}

#[tokio::test]
async fn section_2_4_2_1_a_replay_can_end_in_the_past() {
    let server = start_server().await;
    change(&server, "a").await;
    let between = agentconf::clock::Clock::system().now().to_string();
    change(&server, "b").await;
    let filter = json!({
        "replay-start-time": "2020-01-01T00:00:00Z", "stop-time": between,
        "stream-xpath-filter": "/ietf-netconf-notifications:netconf-config-change"});
    let mut subscriber = subscribe(&server, events(filter)).await;
    assert_eq!(changed(subscriber.next().await), "a");
    let completed = subscriber.next().await.expect("an event");
    assert!(completed["ietf-subscribed-notifications:replay-completed"].is_object(), "{completed}");
    assert_eq!(subscriber.next().await, None);
    server.stop().await;
}

#[tokio::test]
async fn section_2_4_2_1_a_replay_of_nothing_is_completed_at_once() {
    let server = start_server().await;
    change(&server, "a").await;
    let start = agentconf::clock::Clock::system().now().to_string();
    let output = establish_as(&server, server.admin(), events(json!({"replay-start-time": start}))).await;
    assert_eq!(output["replay-start-time-revision"], Json::Null, "the log goes back so far: {output}");
    let uri = output["ietf-restconf-subscribed-notifications:uri"].as_str().expect("a URI");
    let mut subscriber = Subscriber::open(&server, server.admin(), 0, uri).await;
    let completed = subscriber.next().await.expect("an event");
    assert_eq!(completed["ietf-subscribed-notifications:replay-completed"]["id"], output["id"]);
    server.stop().await;
}

#[tokio::test]
async fn section_2_7_7_what_came_after_the_start_comes_after_the_replay() {
    let server = start_server().await;
    change(&server, "a").await;
    let filter = json!({
        "replay-start-time": "2020-01-01T00:00:00Z",
        "stream-xpath-filter": "/ietf-netconf-notifications:netconf-config-change"});
    let (id, uri) = establish(&server, events(filter)).await;
    // In the log, and read with what is replayed, before the stream is open.
    change(&server, "b").await;
    let mut subscriber = Subscriber::open(&server, server.admin(), id, &uri).await;
    assert_eq!(changed(subscriber.next().await), "a");
    let completed = subscriber.next().await.expect("an event");
    assert_eq!(completed["ietf-subscribed-notifications:replay-completed"]["id"], json!(id), "{completed}");
    assert_eq!(changed(subscriber.next().await), "b");
    server.stop().await;
}

#[tokio::test]
async fn section_2_4_5_only_a_subscription_that_there_is_can_be_killed() {
    let server = start_server().await;
    for operation in ["kill-subscription", "delete-subscription"] {
        let answer = invoke(&server, server.admin(), operation, json!({"id": 7})).await;
        let no_such = because(404, "invalid-value", "ietf-subscribed-notifications:no-such-subscription");
        assert_eq!(reason(&answer), no_such);
        let error = &answer.json()["ietf-restconf:errors"]["error"][0];
        assert_eq!((&error["error-type"], &error["error-info"]), (&json!("application"), &Json::Null));
    }
    let (id, uri) = establish(&server, events(json!({}))).await;
    assert_eq!(invoke(&server, server.admin(), "kill-subscription", json!({"id": id})).await.status, 204);
    assert_eq!(server.get(&uri).await.refusal(), (404, "invalid-value".to_owned()), "it was never opened");
    server.stop().await;
}

#[tokio::test]
async fn section_2_6_a_message_has_the_time_of_its_event_at_the_top() {
    let server = start_server().await;
    let xml = events(json!({"encoding": "ietf-subscribed-notifications:encode-xml"}));
    let (mut in_json, mut in_xml) =
        (subscribe(&server, events(json!({}))).await, subscribe(&server, xml).await);
    change(&server, "a").await;
    let text = in_json.next_text().await.expect("an event");
    let json: Json = serde_json::from_str(&text).expect("JSON");
    let notification = json["ietf-restconf:notification"].as_object().expect("a notification");
    assert_eq!(notification.len(), 2, "{text}");
    let time = notification["eventTime"].as_str().expect("a time");
    let text = in_xml.next_text().await.expect("an event");
    let begin = "<notification xmlns=\"urn:ietf:params:xml:ns:netconf:notification:1.0\">";
    assert!(
        text.starts_with(&format!("{begin}<eventTime>{time}</eventTime><netconf-config-change ")),
        "{text}"
    );
    server.stop().await;
}

#[tokio::test]
async fn section_2_7_what_tells_of_a_subscription_is_in_no_stream_but_its_own() {
    let server = start_server().await;
    let mut other = subscribe(&server, events(json!({}))).await;
    let mut subscriber = subscribe(&server, events(json!({"stream-xpath-filter": "/nosuch"}))).await;
    let input = json!({"id": subscriber.id, "stream-xpath-filter": "/nor-this"});
    assert_eq!(invoke(&server, server.admin(), "modify-subscription", input).await.status, 204);
    let told = subscriber.next().await.expect("it passes any filter");
    assert!(told["ietf-subscribed-notifications:subscription-modified"].is_object(), "{told}");
    change(&server, "a").await;
    assert_eq!(changed(other.next().await), "a");
    let replay = events(json!({"replay-start-time": "2020-01-01T00:00:00Z"}));
    let mut replay = subscribe(&server, replay).await;
    loop {
        let event = replay.next().await.expect("an event");
        if event["ietf-subscribed-notifications:replay-completed"].is_object() {
            break;
        }
        assert!(!event.to_string().contains("subscription-modified"), "{event}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_2_7_3_an_end_that_was_not_agreed_is_told() {
    let server = start_server().await;
    let of_data = json!({"ietf-yang-push:datastore": "ietf-datastores:running",
        "ietf-yang-push:on-change": {"sync-on-start": false}});
    let mut of_events = subscribe(&server, events(json!({}))).await;
    let mut of_data = subscribe(&server, of_data).await;
    let all = async { (of_events.next().await, of_data.next().await, of_events.next().await) };
    let ((events, data, last), _) = tokio::join!(all, server.stop());
    let reason = |event: Option<Json>| {
        let event = event.expect("an event");
        event["ietf-subscribed-notifications:subscription-terminated"]["reason"].clone()
    };
    assert_eq!(reason(events), json!("ietf-subscribed-notifications:stream-unavailable"));
    assert_eq!(reason(data), json!("ietf-yang-push:datastore-not-subscribable"));
    assert_eq!(last, None);
}

#[tokio::test]
async fn section_2_8_what_access_control_keeps_back_is_counted_as_excluded() {
    let server = start_server().await;
    let eve = server.add_user("eve");
    let output = establish_as(&server, &eve, events(json!({}))).await;
    let uri = output["ietf-restconf-subscribed-notifications:uri"].as_str().expect("a URI");
    let mut subscriber = Subscriber::open(&server, &eve, 0, uri).await;
    let profile = json!({"magent-registry:input":
        {"name": "one", "description": "d", "version": "1.0.0", "provider": "p", "domain": ["IP"]}})
    .to_string();
    let registered = server.post("/restconf/operations/magent-registry:register-agent", &profile).await;
    assert_eq!(registered.status, 200);
    let order = json!({"magent-task:input":
        {"from": "one", "to": "one", "content": "## task description\nx", "expected-response": "r"}});
    let assigned = server.post("/restconf/operations/magent-task:assign-task", &order.to_string()).await;
    assert_eq!(assigned.status, 200, "{assigned:?}");
    change(&server, "a").await;
    let mut sent = 0;
    loop {
        sent += 1;
        let event = subscriber.next().await.expect("an event");
        assert!(!event.to_string().contains("magent-task"), "another's task: {event}");
        if event["ietf-netconf-notifications:netconf-config-change"].is_object() {
            break;
        }
    }
    let list = server.ask_as(&eve, "GET", SUBSCRIPTIONS, &[], "").await.json();
    let entry = &list["ietf-subscribed-notifications:subscriptions"]["subscription"][0];
    let receiver = &entry["receivers"]["receiver"][0];
    assert_eq!(receiver["sent-event-records"], json!(sent.to_string()), "{entry}");
    assert_ne!(receiver["excluded-event-records"], json!("0"), "{entry}");
    assert_eq!(receiver["state"], json!("active"), "{entry}");
    assert_eq!(entry["configured-subscription-state"], Json::Null, "{entry}");
    server.stop().await;
}

#[tokio::test]
async fn section_2_9_the_module_and_its_features_are_in_the_library() {
    let server = start_server().await;
    let module =
        "/restconf/data/ietf-yang-library:yang-library/module-set=all/module=ietf-subscribed-notifications";
    let module = server.get(module).await.json();
    let features = &module["ietf-yang-library:module"][0]["feature"];
    assert_eq!(features, &json!(["encode-json", "encode-xml", "replay", "subtree", "xpath"]));
    server.stop().await;
}
