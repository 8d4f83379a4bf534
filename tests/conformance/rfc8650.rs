//! RFC 8650: dynamic subscriptions over RESTCONF.

use agentconf::limits::Limits;
use serde_json::{Value as Json, json};

use crate::common::{start_server, start_server_with};
use crate::rfc8639::change;
use crate::subscriber::{Subscriber, establish, establish_as, invoke};

#[tokio::test]
async fn section_3_4_the_uri_opens_the_stream_once_and_for_its_subscriber() {
    let server = start_server().await;
    let eve = server.add_user("eve");
    let (id, uri) = establish(&server, json!({"stream": "NETCONF"})).await;
    assert_eq!(server.ask_as(&eve, "GET", &uri, &[], "").await.refusal().0, 404, "it is another's");
    change(&server, "before").await;
    let mut subscriber = Subscriber::open(&server, server.admin(), id, &uri).await;
    let event = subscriber.next().await.expect("what came after the subscription was established");
    assert!(event.to_string().contains("before"), "{event}");
    assert_eq!(server.get(&uri).await.refusal(), (409, "in-use".to_owned()));
    for (target, status) in [("/restconf/subscriptions/1", 404), ("/restconf/subscriptions/x", 404)] {
        assert_eq!(server.get(target).await.refusal().0, status, "{target}");
    }
    let post = server.post(&uri, "{}").await;
    assert_eq!((post.refusal().0, post.header("allow")), (405, "GET, HEAD, OPTIONS"));
    assert_eq!(server.ask("GET", &uri, &["Accept: application/json"], "").await.refusal().0, 406);
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_a_subscription_ends_with_its_stream() {
    let server = start_server().await;
    let (id, uri) = establish(&server, json!({"stream": "NETCONF"})).await;
    let subscriber = Subscriber::open(&server, server.admin(), id, &uri).await;
    drop(subscriber);
    let list = "/restconf/data/ietf-subscribed-notifications:subscriptions/subscription";
    while server.get(list).await.status == 200 {
        // The server notices a closed connection when it writes to it or reads from it.
        change(&server, "a").await;
    }
    let gone = invoke(&server, server.admin(), "delete-subscription", json!({"id": id})).await;
    assert_eq!(gone.refusal(), (404, "invalid-value".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn section_3_4_a_stream_that_is_never_opened_is_given_up() {
    let server = start_server_with(Limits { subscription_open_s: 1, ..Limits::default() }).await;
    let (_, uri) = establish(&server, json!({"stream": "NETCONF"})).await;
    let list = "/restconf/data/ietf-subscribed-notifications:subscriptions/subscription";
    while server.get(list).await.status == 200 {}
    assert_eq!(server.get(&uri).await.refusal().0, 404);
    server.stop().await;
}

#[tokio::test]
async fn section_3_4_what_a_subscriber_may_not_see_is_not_in_its_stream_and_credentials_end_it() {
    let server = start_server().await;
    let eve = server.add_user("eve");
    let output = establish_as(&server, &eve, json!({"stream": "NETCONF"})).await;
    let uri = output["ietf-restconf-subscribed-notifications:uri"].as_str().expect("a URI");
    let mut subscriber = Subscriber::open(&server, &eve, 0, uri).await;
    change(&server, "a").await;
    assert!(subscriber.next().await.is_some());
    server.remove_user("eve");
    change(&server, "b").await;
    let told = subscriber.next().await.expect("why it ends");
    let told = &told["ietf-subscribed-notifications:subscription-terminated"];
    assert_eq!(told["reason"], json!("ietf-subscribed-notifications:stream-unavailable"), "{told}");
    assert_eq!(subscriber.next().await, None);
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_what_the_subscriber_does_not_see_end_ends_for_the_server() {
    let server = start_server().await;
    let (id, uri) = establish(&server, json!({"stream": "NETCONF"})).await;
    drop(Subscriber::open(&server, server.admin(), id, &uri).await);
    while server.get(&uri).await.status != 404 {
        change(&server, "a").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_2_the_streams_are_those_of_the_monitoring_module() {
    let server = start_server().await;
    let of_restconf =
        server.get("/restconf/data/ietf-restconf-monitoring:restconf-state/streams").await.json();
    let streams = server.get("/restconf/data/ietf-subscribed-notifications:streams").await.json();
    let names = |streams: &Json| -> Vec<Json> {
        streams["stream"].as_array().expect("a list").iter().map(|stream| stream["name"].clone()).collect()
    };
    let names = (
        names(&of_restconf["ietf-restconf-monitoring:streams"]),
        names(&streams["ietf-subscribed-notifications:streams"]),
    );
    assert_eq!(names, (vec![json!("NETCONF")], vec![json!("NETCONF")]));
    server.stop().await;
}

#[tokio::test]
async fn section_3_3_each_error_has_its_tag_status_and_identity() {
    let limits = Limits { subscriptions_user_max: 2, push_nodes_max: 2, ..Limits::default() };
    let server = start_server_with(limits).await;
    let of_data = |more: Json| {
        let mut input = json!({"ietf-yang-push:datastore": "ietf-datastores:running"});
        if let (Some(input), Some(more)) = (input.as_object_mut(), more.as_object()) {
            input.extend(more.clone());
        }
        input
    };
    let (periodic, _) =
        establish(&server, of_data(json!({"ietf-yang-push:periodic": {"period": 100}}))).await;
    for id in ["a", "b", "c"] {
        change(&server, id).await;
    }
    const SN: &str = "ietf-subscribed-notifications";
    const YP: &str = "ietf-yang-push";
    const ESTABLISH: &str = "ietf-subscribed-notifications:establish-subscription";
    let sync = json!({"ietf-yang-push:on-change": {}});
    let whole = json!({"ietf-yang-push:periodic": {"period": 100}});
    let short = json!({"ietf-yang-push:periodic": {"period": 1}});
    let nothing =
        json!({"ietf-yang-push:datastore-subtree-filter": {"nosuch:a": {}}, "ietf-yang-push:on-change": {}});
    let startup =
        json!({"ietf-yang-push:datastore": "ietf-datastores:startup", "ietf-yang-push:on-change": {}});
    let filter = json!({"stream": "NETCONF", "stream-xpath-filter": "/a["});
    let events = json!({"stream": "NETCONF"});
    let resync = "ietf-yang-push:resync-subscription";
    let (modify, no_such) = (json!({"id": 7, "stream-xpath-filter": "/a"}), json!({"id": 7}));
    // Tables 1 to 3, as far as there is a cause.
    let rows = [
        (ESTABLISH, filter, SN, "filter-unsupported", "invalid-value", 400),
        (
            "ietf-subscribed-notifications:modify-subscription",
            modify,
            SN,
            "no-such-subscription",
            "invalid-value",
            404,
        ),
        (
            "ietf-subscribed-notifications:delete-subscription",
            no_such.clone(),
            SN,
            "no-such-subscription",
            "invalid-value",
            404,
        ),
        (
            "ietf-subscribed-notifications:kill-subscription",
            no_such.clone(),
            SN,
            "no-such-subscription",
            "invalid-value",
            404,
        ),
        (ESTABLISH, of_data(startup), YP, "datastore-not-subscribable", "invalid-value", 400),
        (resync, no_such, YP, "no-such-subscription-resync", "invalid-value", 404),
        (resync, json!({"id": periodic}), YP, "on-change-sync-unsupported", "operation-not-supported", 501),
        (ESTABLISH, of_data(short), YP, "period-unsupported", "invalid-value", 400),
        (ESTABLISH, of_data(whole), YP, "update-too-big", "too-big", 400),
        (ESTABLISH, of_data(sync), YP, "sync-too-big", "too-big", 400),
        (ESTABLISH, of_data(nothing), YP, "unchanging-selection", "operation-failed", 500),
        (ESTABLISH, events.clone(), "", "", "", 200),
        (ESTABLISH, events, SN, "insufficient-resources", "resource-denied", 409),
    ];
    for (operation, input, module, identity, tag, status) in rows {
        let (own, _) = operation.split_once(':').expect("a module");
        let body = json!({ format!("{own}:input"): input }).to_string();
        let answer = server.post(&format!("/restconf/operations/{operation}"), &body).await;
        assert_eq!(answer.status, status, "{operation} {input}: {answer:?}");
        if status == 200 {
            continue;
        }
        let error = &answer.json()["ietf-restconf:errors"]["error"][0];
        assert_eq!(error["error-app-tag"], json!(format!("{module}:{identity}")));
        assert_eq!((&error["error-type"], &error["error-tag"]), (&json!("application"), &json!(tag)));
        assert!(!error["error-info"].to_string().contains("reason"), "{error}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_4_head_tells_what_get_would() {
    let server = start_server().await;
    let (id, uri) = establish(&server, json!({"stream": "NETCONF"})).await;
    let head = server.ask("HEAD", &uri, &[], "").await;
    assert_eq!((head.status, head.header("content-type")), (200, "text/event-stream"));
    let eve = server.add_user("eve");
    assert_eq!(server.ask_as(&eve, "HEAD", &uri, &[], "").await.status, 404, "another's");
    assert_eq!(server.ask("HEAD", "/restconf/subscriptions/1", &[], "").await.status, 404);
    let subscriber = Subscriber::open(&server, server.admin(), id, &uri).await;
    for method in ["HEAD", "GET"] {
        assert_eq!(server.ask(method, &uri, &[], "").await.status, 409, "{method}");
    }
    assert_eq!(
        invoke(&server, server.admin(), "delete-subscription", json!({"id": subscriber.id})).await.status,
        204
    );
    for method in ["HEAD", "GET"] {
        assert_eq!(server.ask(method, &uri, &[], "").await.status, 404, "{method}");
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_4_an_event_has_neither_name_nor_id() {
    let server = start_server().await;
    let (id, uri) = establish(&server, json!({"stream": "NETCONF"})).await;
    let mut subscriber = Subscriber::open(&server, server.admin(), id, &uri).await;
    change(&server, "a").await;
    let lines = subscriber.next_lines().await.expect("an event");
    assert!(!lines.iter().any(|line| line.starts_with("id:") || line.starts_with("event:")), "{lines:?}");
    server.stop().await;
}

#[tokio::test]
async fn section_3_4_the_uri_is_told_wherever_the_subscription_is_and_cannot_be_guessed() {
    let server = start_server().await;
    let (id, uri) = establish(&server, json!({"stream": "NETCONF"})).await;
    let (other, other_uri) = establish(&server, json!({"stream": "NETCONF"})).await;
    assert_eq!(other, id + 1);
    let name = |uri: &str| uri.rsplit('/').next().unwrap_or_default().to_owned();
    assert!(uri.starts_with("https://localhost/restconf/subscriptions/"), "{uri}");
    assert!(name(&uri).len() >= 32 && name(&uri) != name(&other_uri), "section 9: {uri} {other_uri}");
    assert_eq!(server.get(&format!("/restconf/subscriptions/{id}")).await.status, 404);
    const URI: &str = "ietf-restconf-subscribed-notifications:uri";
    let list = format!("/restconf/data/ietf-subscribed-notifications:subscriptions/subscription={id}");
    let entry = server.get(&list).await.json();
    assert_eq!(entry["ietf-subscribed-notifications:subscription"][0][URI], json!(uri));
    let mut subscriber = Subscriber::open(&server, server.admin(), id, &uri).await;
    let input = json!({"id": id, "stream-xpath-filter": "/a"});
    assert_eq!(invoke(&server, server.admin(), "modify-subscription", input).await.status, 204);
    let told = subscriber.next().await.expect("an event");
    assert_eq!(told["ietf-subscribed-notifications:subscription-modified"][URI], json!(uri));
    server.stop().await;
}

#[tokio::test]
async fn section_3_4_only_the_subscriber_modifies_resyncs_and_deletes() {
    let server = start_server().await;
    let eve = server.add_user("eve");
    let output = establish_as(&server, &eve, json!({"stream": "NETCONF"})).await;
    let id = &output["id"];
    for (operation, input) in [
        ("modify-subscription", json!({"id": id, "stream-xpath-filter": "/a"})),
        ("delete-subscription", json!({"id": id})),
    ] {
        // Not even an administrator, who has kill-subscription.
        let refused = invoke(&server, server.admin(), operation, input).await;
        assert_eq!(refused.refusal(), (404, "invalid-value".to_owned()), "{operation}");
    }
    let resync = json!({"ietf-yang-push:input": {"id": id}}).to_string();
    let refused = server.post("/restconf/operations/ietf-yang-push:resync-subscription", &resync).await;
    assert_eq!(refused.refusal(), (404, "invalid-value".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn section_9_a_subscription_is_not_inherited_with_a_name() {
    let server = start_server().await;
    let eve = server.add_user("eve");
    let output = establish_as(&server, &eve, json!({"stream": "NETCONF"})).await;
    let uri = output["ietf-restconf-subscribed-notifications:uri"].as_str().expect("a URI");
    server.remove_user("eve");
    let eve = server.add_user("eve");
    assert_eq!(server.ask_as(&eve, "GET", uri, &[], "").await.refusal(), (404, "invalid-value".to_owned()));
    let gone = invoke(&server, &eve, "delete-subscription", json!({"id": output["id"]})).await;
    assert_eq!(gone.refusal(), (404, "invalid-value".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn section_9_who_is_removed_loses_a_quiet_stream_too() {
    let server = start_server().await;
    let eve = server.add_user("eve");
    let of_data = json!({"ietf-yang-push:datastore": "ietf-datastores:running",
        "ietf-yang-push:on-change": {"sync-on-start": false}});
    let output = establish_as(&server, &eve, of_data).await;
    let uri = output["ietf-restconf-subscribed-notifications:uri"].as_str().expect("a URI");
    let mut subscriber = Subscriber::open(&server, &eve, 0, uri).await;
    server.remove_user("eve");
    let told = subscriber.next().await.expect("why it ends");
    let told = &told["ietf-subscribed-notifications:subscription-terminated"];
    assert_eq!(told["reason"], json!("ietf-yang-push:unchanging-selection"), "RFC 8641 section 3.9: {told}");
    assert_eq!(subscriber.next().await, None);
    server.stop().await;
}

#[tokio::test]
async fn section_9_one_user_does_not_take_all_streams() {
    let limits = Limits { subscribers_max: 2, subscribers_user_max: 1, ..Limits::default() };
    let server = start_server_with(limits).await;
    let eve = server.add_user("eve");
    let stream = "/restconf/streams/NETCONF/json";
    let first = Subscriber::open(&server, server.admin(), 0, stream).await;
    assert_eq!(server.get(stream).await.refusal(), (409, "resource-denied".to_owned()));
    let second = Subscriber::open(&server, &eve, 0, stream).await;
    let bob = server.add_user("bob");
    assert_eq!(server.ask_as(&bob, "GET", stream, &[], "").await.refusal().0, 503);
    drop((first, second));
    // The server notices a closed connection when it writes to it or reads from it.
    while server.ask_as(&bob, "HEAD", stream, &[], "").await.status != 200 {
        change(&server, "a").await;
    }
    server.stop().await;
}
