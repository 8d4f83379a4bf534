//! A subscription that is kept after the right to what it tells was withdrawn tells nothing more of it, from that moment on:
//! event streams (RFC 8040, RFC 5277), dynamic subscriptions (RFC 8639, RFC 8650) and updates of data (RFC 8641).

use serde_json::{Value as Json, json};

use super::common::{JSON, TestServer, read_on};
use super::netconf;
use super::subscriber::{Subscriber, establish_as};

/// What a right ends by.
#[derive(Debug, Clone, Copy)]
enum Withdrawn {
    Revoked,
    Expired,
    TakenOver,
    ByRules,
}

async fn post(server: &TestServer, token: &str, target: &str, body: Json) -> Json {
    let fields = format!("Content-Type: {JSON}");
    let answer = server.ask_as(token, "POST", target, &[&fields], &body.to_string()).await;
    assert!([200, 204].contains(&answer.status), "{target}: {answer:?}");
    if answer.status == 200 { answer.json() } else { Json::Null }
}

async fn register(server: &TestServer, token: &str) {
    let input = json!({ "name": "agent-a", "description": "x", "version": "1", "provider": "x" });
    let body = json!({ "magent-registry:input": input });
    post(server, token, "/restconf/operations/magent-registry:register-agent", body).await;
}

async fn order(server: &TestServer, id: &str) {
    let input = json!({ "id": id, "from": "agent-a", "to": "agentconf", "content": id });
    let body = json!({ "magent-task:input": input });
    post(server, server.admin(), "/restconf/operations/magent-task:assign-task", body).await;
}

async fn put(server: &TestServer, target: &str, body: Json) {
    let answer = server.put(&format!("/restconf/data/{target}"), &body.to_string()).await;
    assert!([201, 204].contains(&answer.status), "{answer:?}");
}

/// Follows what is established until something is told.
async fn told(subscriber: &mut Subscriber, text: &str) -> String {
    let mut all = String::new();
    while !all.contains(text) {
        all += &subscriber.next_text().await.expect("it goes on");
    }
    all
}

async fn established(server: &TestServer, token: &str, policy: Json) -> Subscriber {
    let output = establish_as(server, token, policy).await;
    let id = output["id"].as_u64().and_then(|id| u32::try_from(id).ok()).expect("an id");
    let uri = output["ietf-restconf-subscribed-notifications:uri"].as_str().expect("a URI");
    Subscriber::open(server, token, id, uri).await
}

async fn nothing_more_is_told_when_it_is(withdrawn: Withdrawn) {
    let server = netconf::start().await;
    let (ann, del) = (server.add_user("ann"), server.add_user("del"));
    register(&server, &ann).await;
    let lifetime = if matches!(withdrawn, Withdrawn::Expired) { 6 } else { 600 };
    let (user, token) = match withdrawn {
        Withdrawn::Revoked | Withdrawn::Expired => ("del", &del),
        Withdrawn::TakenOver | Withdrawn::ByRules => ("ann", &ann),
    };

    let mut stream = server.open_as(token, "/restconf/streams/NETCONF/json").await;
    let mut events = established(&server, token, json!({ "stream": "NETCONF" })).await;
    let policy = json!({
        "ietf-yang-push:datastore": "ietf-datastores:operational",
        "ietf-yang-push:datastore-xpath-filter": "/magent-task:interaction/tasks | /irtf-agent:data-params",
        "ietf-yang-push:on-change": {},
    });
    let mut pushed = established(&server, token, policy).await;
    let mut session = netconf::open_as(&server, user, "1.1").await;
    session.does(&netconf::subscription("")).await;

    let input = json!({ "delegate": "del", "may": ["read"], "lifetime": lifetime });
    let delegate = "/restconf/data/magent-registry:registry/agents/agent=agent-a/delegate";
    let granted = post(&server, &ann, delegate, json!({ "magent-registry:input": input })).await;
    order(&server, "seen").await;
    read_on(&mut stream, |text| text.contains("\"task\":\"seen\"")).await;
    told(&mut events, "\"seen\"").await;
    session.told_of("<task>seen</task>").await;
    told(&mut pushed, "\"seen\"").await;

    match withdrawn {
        Withdrawn::Revoked => {
            let id = &granted["magent-registry:output"]["id"];
            let body = json!({ "magent-registry:input": { "id": id } });
            post(&server, &ann, "/restconf/operations/magent-registry:revoke-delegation", body).await;
        }
        Withdrawn::Expired => drop(session.told_of("<change>expired</change>").await),
        Withdrawn::TakenOver => register(&server, server.admin()).await,
        Withdrawn::ByRules => {
            let deny = |name: &str, more: Json| {
                let mut rule = more;
                rule["name"] = json!(name);
                rule["action"] = json!("deny");
                rule
            };
            let rules = json!([
                deny("1", json!({ "notification-name": "task-event" })),
                deny("2", json!({ "notification-name": "condition-notifications" })),
                deny("3", json!({ "path": "/magent-task:interaction" })),
            ]);
            let nacm = json!({ "ietf-netconf-acm:nacm": {
                "groups": { "group": [{ "name": "staff", "user-name": ["ann"] }] },
                "rule-list": [{ "name": "staff", "group": ["staff"], "rule": rules }],
            }});
            put(&server, "ietf-netconf-acm:nacm", nacm).await;
        }
    }
    order(&server, "hidden").await;
    let last = json!({ "irtf-agent:data-params": [{ "id": "last", "dataType": "text" }] });
    put(&server, "irtf-agent:data-params=last", last).await;
    let told = [
        read_on(&mut stream, |text| text.contains("last")).await,
        told(&mut events, "last").await,
        told(&mut pushed, "last").await,
    ];
    for told in told {
        assert!(!told.contains("hidden"), "{withdrawn:?}: {told}");
    }
    loop {
        let (_, event) = session.event().await;
        assert!(!event.contains("hidden"), "{withdrawn:?}: {event}");
        if event.contains("last") {
            break;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_delegation_that_is_revoked() {
    nothing_more_is_told_when_it_is(Withdrawn::Revoked).await;
}

#[tokio::test]
async fn a_delegation_whose_time_is_over() {
    nothing_more_is_told_when_it_is(Withdrawn::Expired).await;
}

#[tokio::test]
async fn an_agent_that_an_administrator_takes_over() {
    nothing_more_is_told_when_it_is(Withdrawn::TakenOver).await;
}

#[tokio::test]
async fn a_group_that_rules_keep_out() {
    nothing_more_is_told_when_it_is(Withdrawn::ByRules).await;
}
