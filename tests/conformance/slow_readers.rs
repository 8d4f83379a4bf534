//! Clients that do not read: nobody else waits for them, and when they read on they miss nothing, or learn what.

use serde_json::{Value as Json, json};

use crate::common::{JSON, TestServer, start_server};
use crate::subscriber::{Subscriber, subscribe};

/// Octets of one change: many of them are more than all buffers between two ends of a connection.
const LARGE: usize = 1 << 20;
const CHANGES: usize = 16;

/// Writes an entry, and with it an event or update of that size.
async fn write(server: &TestServer, id: &str, data: &str) {
    let body = json!({"irtf-agent:data-params": [{"id": id, "dataType": "text", "data": data}]}).to_string();
    let target = format!("/restconf/data/irtf-agent:data-params={id}");
    let answer = server.ask("PUT", &target, &[&format!("Content-Type: {JSON}")], &body).await;
    assert!((200..300).contains(&answer.status), "{answer:?}");
}

/// Changes so many entries at once that their event is large.
async fn change_many(server: &TestServer, round: usize) {
    // With its number it is about as long as a key can be.
    let long = "x".repeat(LARGE / 256 - 8);
    let edit = |n: usize| {
        let entry = json!({"id": format!("{n}-{long}"), "dataType": "text", "data": round.to_string()});
        json!({"edit-id": n.to_string(), "operation": "merge", "target": format!("/irtf-agent:data-params={n}-{long}"),
            "value": {"irtf-agent:data-params": [entry]}})
    };
    let edits: Vec<Json> = (0..256).map(edit).collect();
    let body = json!({"ietf-yang-patch:yang-patch": {"patch-id": "many", "edit": edits}}).to_string();
    let fields = ["Content-Type: application/yang-patch+json"];
    let patched = server.ask("PATCH", "/restconf/data", &fields, &body).await;
    assert_eq!(patched.status, 200, "{patched:?}");
}

fn is_change(event: &Json) -> bool {
    event["ietf-netconf-notifications:netconf-config-change"].is_object()
}

#[tokio::test]
async fn a_reader_of_events_who_stops_holds_up_nobody_and_misses_nothing() {
    let server = start_server().await;
    let stream = "/restconf/streams/NETCONF/json";
    let mut stalled = Subscriber::open(&server, server.admin(), 0, stream).await;
    let mut subscribed = subscribe(&server, json!({"stream": "NETCONF"})).await;
    let mut reading = subscribe(&server, json!({"stream": "NETCONF"})).await;
    for round in 0..CHANGES {
        change_many(&server, round).await;
        assert!(is_change(&reading.next().await.expect("an event")), "at once, whoever does not read");
    }
    for slow in [&mut stalled, &mut subscribed] {
        for _ in 0..CHANGES {
            let event = slow.next().await.expect("an event").to_string();
            assert!(event.len() > LARGE, "{:.200} of {} octets", event, event.len());
        }
    }
    write(&server, "last", "").await;
    for slow in [&mut stalled, &mut subscribed] {
        assert!(slow.next().await.expect("an event").to_string().contains("'last'"));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_reader_of_data_who_stops_is_told_once_what_changed_often() {
    let server = start_server().await;
    let of_data =
        json!({"ietf-yang-push:datastore": "ietf-datastores:running", "ietf-yang-push:on-change": {}});
    let mut stalled = subscribe(&server, of_data).await;
    for round in 0..CHANGES {
        write(&server, "a", &format!("{}{round}", "x".repeat(LARGE))).await;
    }
    write(&server, "last", "").await;
    let (mut updates, mut newest) = (0, String::new());
    while !newest.contains("\"last\"") {
        let event = stalled.next().await.expect("an event").to_string();
        updates += 1;
        // Of what is told twice the later is true.
        newest = if event.contains("xx") { event } else { newest + &event };
    }
    assert!(newest.contains(&format!("x{}\"", CHANGES - 1)), "what is there now");
    assert!(updates < CHANGES, "{updates} updates of {CHANGES} changes");
    server.stop().await;
}

#[tokio::test]
async fn a_reader_of_events_who_comes_back_is_replayed_what_it_missed() {
    let server = start_server().await;
    let mut before = subscribe(&server, json!({"stream": "NETCONF"})).await;
    write(&server, "a", "").await;
    let text = before.next_text().await.expect("an event");
    let event: Json = serde_json::from_str(&text).expect("JSON");
    let last = event["ietf-restconf:notification"]["eventTime"].clone();
    drop(before);
    for id in ["b", "c"] {
        write(&server, id, "").await;
    }
    let mut after = subscribe(&server, json!({"stream": "NETCONF", "replay-start-time": last})).await;
    for id in ["a", "b", "c"] {
        let event = after.next().await.expect("an event").to_string();
        assert!(event.contains(&format!("[id='{id}']")), "{event}");
    }
    let completed = after.next().await.expect("an event");
    assert!(completed["ietf-subscribed-notifications:replay-completed"].is_object(), "{completed}");
    server.stop().await;
}
