//! RFC 8650: dynamic subscriptions over RESTCONF.

use agentconf::limits::Limits;
use serde_json::json;

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
