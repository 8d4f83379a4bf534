//! RFC 8641: Subscription to YANG Notifications for Datastore Updates (YANG-Push), over RESTCONF.

use agentconf::limits::Limits;
use serde_json::{Value as Json, json};

use crate::common::{Answer, JSON, TestServer, start_server, start_server_with};
use crate::rfc8639::change;
use crate::subscriber::{Subscriber, establish_as, invoke, subscribe};

const DATA: &str = "/restconf/data/irtf-agent:data-params";

/// The input of a subscription to the running datastore, or to the one that `more` names.
fn to(more: Json) -> Json {
    let mut input = json!({"ietf-yang-push:datastore": "ietf-datastores:running"});
    if let (Some(input), Some(more)) = (input.as_object_mut(), more.as_object()) {
        input.extend(more.iter().map(|(name, value)| (format!("ietf-yang-push:{name}"), value.clone())));
    }
    input
}

fn contents(event: Option<Json>) -> Json {
    let event = event.expect("an event");
    let update = &event["ietf-yang-push:push-update"];
    assert!(update["id"].is_number(), "a push-update, not {event}");
    update["datastore-contents"].clone()
}

/// The edits of an update: operation, target and value.
fn edits(event: Option<Json>) -> Vec<(String, String, Json)> {
    let event = event.expect("an event");
    let edits = &event["ietf-yang-push:push-change-update"]["datastore-changes"]["yang-patch"]["edit"];
    let edits = edits.as_array().unwrap_or_else(|| panic!("a push-change-update, not {event}"));
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    edits
        .iter()
        .map(|edit| (text(&edit["operation"]), text(&edit["target"]), edit["value"].clone()))
        .collect()
}

fn entry(id: &str) -> Json {
    json!({"irtf-agent:data-params": [{"id": id, "dataType": "text", "data": id}]})
}

fn edit(operation: &str, id: &str) -> (String, String, Json) {
    let value = if operation == "delete" { Json::Null } else { entry(id) };
    (operation.to_owned(), format!("/irtf-agent:data-params={id}"), value)
}

async fn delete(server: &TestServer, id: &str) {
    assert_eq!(server.ask("DELETE", &format!("{DATA}={id}"), &[], "").await.status, 204);
}

fn reason(answer: &Answer) -> (u16, String, Json) {
    let error = &answer.json()["ietf-restconf:errors"]["error"][0];
    (
        answer.status,
        error["error-app-tag"].as_str().unwrap_or_default().to_owned(),
        error["error-info"].clone(),
    )
}

#[tokio::test]
async fn section_3_1_a_periodic_subscription_tells_what_there_is() {
    let server = start_server().await;
    change(&server, "a").await;
    let mut subscriber = subscribe(&server, to(json!({"periodic": {"period": 10}}))).await;
    assert_eq!(contents(subscriber.next().await), entry("a"));
    delete(&server, "a").await;
    // One that was under way may still have it.
    while contents(subscriber.next().await) != json!({}) {}
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_changes_are_told_after_what_there_was() {
    let server = start_server().await;
    change(&server, "a").await;
    let mut subscriber = subscribe(&server, to(json!({"on-change": {}}))).await;
    assert_eq!(contents(subscriber.next().await), entry("a"));
    change(&server, "b").await;
    assert_eq!(edits(subscriber.next().await), [edit("create", "b")]);
    let body =
        json!({"irtf-agent:data-params": [{"id": "b", "dataType": "text", "data": "new"}]}).to_string();
    assert_eq!(server.put(&format!("{DATA}=b"), &body).await.status, 204);
    let leaf = (
        String::from("replace"),
        String::from("/irtf-agent:data-params=b/data"),
        json!({"irtf-agent:data": "new"}),
    );
    assert_eq!(edits(subscriber.next().await), [leaf]);
    delete(&server, "a").await;
    assert_eq!(edits(subscriber.next().await), [edit("delete", "a")]);
    server.stop().await;
}

#[tokio::test]
async fn section_3_3_without_sync_on_start_nothing_since_it_was_established_is_missed() {
    let server = start_server().await;
    change(&server, "a").await;
    let input = to(json!({"on-change": {"sync-on-start": false, "excluded-change": ["delete"]}}));
    let output = establish_as(&server, server.admin(), input).await;
    change(&server, "b").await;
    let uri = output["ietf-restconf-subscribed-notifications:uri"].as_str().expect("a URI");
    let mut subscriber = Subscriber::open(&server, server.admin(), 0, uri).await;
    assert_eq!(edits(subscriber.next().await), [edit("create", "b")]);
    delete(&server, "a").await;
    change(&server, "c").await;
    let told = edits(subscriber.next().await);
    assert_eq!(told, [edit("create", "c")], "deletions are excluded");
    let new = json!(["create", "replace"]);
    let input = to(json!({"on-change": {"sync-on-start": false, "excluded-change": new}}));
    let mut subscriber = subscribe(&server, input).await;
    change(&server, "d").await;
    let body = entry("c").to_string().replace("text", "image");
    assert_eq!(server.put(&format!("{DATA}=c"), &body).await.status, 204);
    delete(&server, "d").await;
    assert_eq!(edits(subscriber.next().await), [edit("delete", "d")], "all else is excluded");
    server.stop().await;
}

#[tokio::test]
async fn section_3_1_changes_within_the_dampening_period_are_one_update() {
    let server = start_server().await;
    let input = to(json!({"on-change": {"dampening-period": 100, "sync-on-start": false}}));
    let mut subscriber = subscribe(&server, input).await;
    change(&server, "a").await;
    assert_eq!(edits(subscriber.next().await), [edit("create", "a")]);
    for id in ["b", "c"] {
        change(&server, id).await;
    }
    delete(&server, "b").await;
    assert_eq!(edits(subscriber.next().await)[0], edit("create", "c"), "b came and went");
    server.stop().await;
}

#[tokio::test]
async fn section_3_3_what_came_and_went_within_the_dampening_period_is_told() {
    let server = start_server().await;
    let input = to(json!({"on-change": {"dampening-period": 50, "sync-on-start": false}}));
    let mut subscriber = subscribe(&server, input).await;
    change(&server, "a").await;
    assert_eq!(edits(subscriber.next().await), [edit("create", "a")]);
    // How much of it falls into one period is not for a test to say; that it happens is.
    let told = loop {
        for _ in 0..3 {
            change(&server, "b").await;
            delete(&server, "b").await;
        }
        let told = edits(subscriber.next().await);
        if told == [edit("delete", "b")] {
            break told;
        }
    };
    assert_eq!(told.len(), 1, "each place once");
    server.stop().await;
}

#[tokio::test]
async fn section_3_9_what_is_not_told_dampens_nothing() {
    let server = start_server().await;
    let input = to(json!({"on-change": {"dampening-period": 360_000, "sync-on-start": false},
        "datastore-xpath-filter": "/data-params[id='b']"}));
    let mut subscriber = subscribe(&server, input).await;
    for id in ["a", "c", "b"] {
        change(&server, id).await;
    }
    assert_eq!(edits(subscriber.next().await), [edit("create", "b")], "and not in an hour");
    server.stop().await;
}

#[tokio::test]
async fn section_3_7_the_patch_id_counts_from_each_full_update() {
    let server = start_server().await;
    let mut subscriber = subscribe(&server, to(json!({"on-change": {}}))).await;
    assert_eq!(contents(subscriber.next().await), json!({}));
    let resync = json!({"ietf-yang-push:input": {"id": subscriber.id}}).to_string();
    for round in ["x", "y"] {
        for number in ["0", "1"] {
            change(&server, &format!("{round}{number}")).await;
            let event = subscriber.next().await.expect("an event");
            let patch = &event["ietf-yang-push:push-change-update"]["datastore-changes"]["yang-patch"];
            assert_eq!(patch["patch-id"], json!(number), "{event}");
        }
        assert_eq!(
            server.post("/restconf/operations/ietf-yang-push:resync-subscription", &resync).await.status,
            204
        );
        contents(subscriber.next().await);
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_7_a_full_update_is_what_a_get_gives() {
    let server = start_server().await;
    let eve = server.add_user("eve");
    change(&server, "a").await;
    for datastore in ["running", "intended", "candidate", "operational"] {
        for token in [server.admin(), &eve] {
            let input =
                to(json!({"datastore": format!("ietf-datastores:{datastore}"), "periodic": {"period": 10},
                "datastore-subtree-filter": {"irtf-agent:data-params": {}}}));
            let establish = invoke(&server, token, "establish-subscription", input).await;
            assert_eq!(establish.status, 200, "{establish:?}");
            let output = &establish.json()["ietf-subscribed-notifications:output"];
            let uri = output["ietf-restconf-subscribed-notifications:uri"].as_str().expect("a URI");
            let mut subscriber = Subscriber::open(&server, token, 0, uri).await;
            let target = format!("/restconf/ds/ietf-datastores:{datastore}/irtf-agent:data-params");
            let answer = server.ask_as(token, "GET", &target, &[], "").await;
            let expected = if answer.status == 200 { answer.json() } else { json!({}) };
            assert_eq!(contents(subscriber.next().await), expected, "{datastore}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn section_4_2_a_filter_that_is_referred_to_is_followed_before_the_next_update() {
    let server = start_server().await;
    let target = "/restconf/data/ietf-subscribed-notifications:filters/ietf-yang-push:selection-filter=f";
    let put = async |id: &str| {
        let filter = json!({"ietf-yang-push:selection-filter": [{"filter-id": "f",
            "datastore-xpath-filter": format!("/data-params[id='{id}']")}]});
        assert!(server.put(target, &filter.to_string()).await.status < 300);
    };
    put("a").await;
    change(&server, "b").await;
    let input = to(json!({"periodic": {"period": 360_000}, "selection-filter-ref": "f"}));
    let mut subscriber = subscribe(&server, input).await;
    assert_eq!(contents(subscriber.next().await), json!({}));
    put("b").await;
    let told = subscriber.next().await.expect("an event, and not in an hour");
    let told = &told["ietf-subscribed-notifications:subscription-modified"];
    assert_eq!(told["ietf-yang-push:selection-filter-ref"], json!("f"), "{told}");
    assert_eq!(contents(subscriber.next().await), entry("b"));
    assert_eq!(server.ask("DELETE", target, &[], "").await.status, 204);
    let told = subscriber.next().await.expect("an event");
    let told = &told["ietf-subscribed-notifications:subscription-terminated"];
    assert_eq!(told["reason"], json!("ietf-subscribed-notifications:filter-unavailable"), "{told}");
    server.stop().await;
}

#[tokio::test]
async fn section_3_8_a_modification_that_is_refused_has_hints() {
    let server = start_server().await;
    let mut subscriber = subscribe(&server, to(json!({"periodic": {"period": 360_000}}))).await;
    contents(subscriber.next().await);
    let mut input = to(json!({"periodic": {"period": 1}}));
    input["id"] = json!(subscriber.id);
    let (status, identity, info) =
        reason(&invoke(&server, server.admin(), "modify-subscription", input.clone()).await);
    assert_eq!((status, identity.as_str()), (400, "ietf-yang-push:period-unsupported"));
    let hints = &info["ietf-yang-push:modify-subscription-datastore-error-info"];
    assert_eq!(hints, &json!({"period-hint": 10}));
    input["ietf-yang-push:periodic"] = json!({"period": 10, "anchor-time": "2020-01-01T00:00:00Z"});
    assert_eq!(invoke(&server, server.admin(), "modify-subscription", input).await.status, 204);
    let told = subscriber.next().await.expect("an event");
    let told = &told["ietf-subscribed-notifications:subscription-modified"]["ietf-yang-push:periodic"];
    assert_eq!(told, &json!({"period": 10, "anchor-time": "2020-01-01T00:00:00Z"}));
    for _ in 0..2 {
        assert_eq!(contents(subscriber.next().await), json!({}));
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_6_what_is_selected_and_nothing_else() {
    let server = start_server().await;
    for id in ["a", "b"] {
        change(&server, id).await;
    }
    let subtree = json!({"irtf-agent:data-params": {"id": "b"}});
    let by_subtree = json!({"on-change": {}, "datastore-subtree-filter": subtree});
    let by_xpath = json!({"on-change": {}, "datastore-xpath-filter": "/irtf-agent:data-params[id='b']"});
    for filter in [by_subtree, by_xpath] {
        let mut subscriber = subscribe(&server, to(filter)).await;
        assert_eq!(contents(subscriber.next().await), entry("b"));
        for id in ["a", "b"] {
            delete(&server, id).await;
            change(&server, id).await;
        }
        for _ in 0..2 {
            let told = edits(subscriber.next().await);
            assert!(told.iter().all(|(_, target, _)| target.ends_with("=b")), "{told:?}");
            if told != [edit("delete", "b")] {
                break;
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_6_a_filter_that_is_configured() {
    let server = start_server().await;
    let filter = json!({"ietf-yang-push:selection-filter": [{"filter-id": "f", "datastore-xpath-filter": "/data-params/id"}]});
    let target = "/restconf/data/ietf-subscribed-notifications:filters/ietf-yang-push:selection-filter=f";
    assert_eq!(server.put(target, &filter.to_string()).await.status, 201);
    change(&server, "a").await;
    let mut subscriber = subscribe(&server, to(json!({"on-change": {}, "selection-filter-ref": "f"}))).await;
    assert_eq!(contents(subscriber.next().await), json!({"irtf-agent:data-params": [{"id": "a"}]}));
    server.stop().await;
}

#[tokio::test]
async fn section_3_10_state_is_followed_as_far_as_the_subscriber_may_see_it() {
    let server = start_server().await;
    let eve = server.add_user("eve");
    let filter = json!({
        "datastore": "ietf-datastores:operational", "on-change": {"sync-on-start": false},
        "datastore-subtree-filter": {"magent-registry:registry": {"agents": {"agent": {"version": {}}}},
            "magent-task:interaction": {"tasks": {}}}});
    let mut of_admin = subscribe(&server, to(filter.clone())).await;
    let output = establish_as(&server, &eve, to(filter)).await;
    let uri = output["ietf-restconf-subscribed-notifications:uri"].as_str().expect("a URI").to_owned();
    let mut of_eve = Subscriber::open(&server, &eve, 0, &uri).await;
    register(&server, "one").await;
    let agent = json!({"magent-registry:agent": [{"name": "one", "version": "1.0.0"}]});
    let created = (String::from("create"), String::from("/magent-registry:registry/agents/agent=one"), agent);
    for subscriber in [&mut of_admin, &mut of_eve] {
        assert_eq!(edits(subscriber.next().await), std::slice::from_ref(&created).to_vec());
    }
    let order = json!({"magent-task:input": {"from": "one", "to": "one", "content": "## task description\nx", "expected-response": "r"}});
    let assigned = server.post("/restconf/operations/magent-task:assign-task", &order.to_string()).await;
    assert_eq!(assigned.status, 200, "{assigned:?}");
    let told = edits(of_admin.next().await);
    assert!(told[0].1.starts_with("/magent-task:interaction/tasks/task="), "{told:?}");
    register(&server, "two").await;
    let told = edits(of_eve.next().await);
    assert!(told[0].1.ends_with("agent=two"), "the task is not eve's: {told:?}");
    server.stop().await;
}

async fn register(server: &TestServer, name: &str) {
    let profile = json!({"magent-registry:input":
        {"name": name, "description": "d", "version": "1.0.0", "provider": "p", "domain": ["IP"]}});
    let target = "/restconf/operations/magent-registry:register-agent";
    assert_eq!(server.post(target, &profile.to_string()).await.status, 200);
}

async fn assign(server: &TestServer, id: &str) {
    let order = json!({"magent-task:input": {"id": id, "from": "one", "to": "one", "content": "do"}});
    let assigned = server.post("/restconf/operations/magent-task:assign-task", &order.to_string()).await;
    assert_eq!(assigned.status, 200, "{assigned:?}");
}

#[tokio::test]
async fn section_3_7_entries_of_state_are_told_one_by_one_whatever_is_selected_above_them() {
    let server = start_server().await;
    register(&server, "one").await;
    assign(&server, "t1").await;
    let filter = json!({"datastore": "ietf-datastores:operational", "on-change": {"sync-on-start": false},
        "datastore-xpath-filter": "/magent-task:interaction/tasks"});
    let mut subscriber = subscribe(&server, to(filter)).await;
    assign(&server, "t2").await;
    let told = edits(subscriber.next().await);
    let places: Vec<(&str, &str)> = told.iter().map(|(what, at, _)| (what.as_str(), at.as_str())).collect();
    assert_eq!(places, [("create", "/magent-task:interaction/tasks/task=t2")]);
    let report = json!({"magent-task:input": {"status": "processing"}});
    let target = "/restconf/data/magent-task:interaction/tasks/task=t1/report";
    assert_eq!(server.post(target, &report.to_string()).await.status, 200);
    let told = edits(subscriber.next().await);
    let created = told.iter().filter(|(what, ..)| what == "create").map(|(_, at, _)| at.as_str());
    let change = "/magent-task:interaction/tasks/task=t1/history/change=2";
    assert_eq!(created.collect::<Vec<_>>(), [change], "{told:?}");
    server.stop().await;
}

#[tokio::test]
async fn section_3_9_what_may_no_longer_be_read_since_a_right_has_expired_is_deleted() {
    let server = start_server().await;
    register(&server, "one").await;
    assign(&server, "t1").await;
    let eve = server.add_user("eve");
    let filter = json!({"datastore": "ietf-datastores:operational",
        "on-change": {"sync-on-start": false, "dampening-period": 0},
        "datastore-xpath-filter": "/magent-task:interaction/tasks/task"});
    let output = establish_as(&server, &eve, to(filter)).await;
    let uri = output["ietf-restconf-subscribed-notifications:uri"].as_str().expect("a URI").to_owned();
    let mut subscriber = Subscriber::open(&server, &eve, 0, &uri).await;
    let delegated = json!({"magent-registry:input": {"delegate": "eve", "may": ["read"], "lifetime": 3}});
    let target = "/restconf/data/magent-registry:registry/agents/agent=one/delegate";
    assert_eq!(server.post(target, &delegated.to_string()).await.status, 200);
    for what in ["create", "delete"] {
        let told = edits(subscriber.next().await);
        let places: Vec<(&str, &str)> =
            told.iter().map(|(what, at, _)| (what.as_str(), at.as_str())).collect();
        assert_eq!(places, [(what, "/magent-task:interaction/tasks/task=t1")]);
    }
    server.stop().await;
}

#[tokio::test]
async fn section_3_4_the_candidate_is_followed_too() {
    let server = start_server().await;
    let input = to(json!({"datastore": "ietf-datastores:candidate", "on-change": {}}));
    let mut subscriber = subscribe(&server, input).await;
    assert_eq!(contents(subscriber.next().await), json!({}));
    let target = "/restconf/ds/ietf-datastores:candidate/irtf-agent:data-params=a";
    assert_eq!(server.put(target, &entry("a").to_string()).await.status, 201);
    assert_eq!(edits(subscriber.next().await), [edit("create", "a")]);
    let discarded = server.post("/restconf/operations/ietf-netconf:discard-changes", "").await;
    assert_eq!(discarded.status, 204);
    assert_eq!(edits(subscriber.next().await), [edit("delete", "a")]);
    server.stop().await;
}

#[tokio::test]
async fn section_4_4_4_a_subscriber_that_asks_is_told_all_again() {
    let server = start_server().await;
    change(&server, "a").await;
    let mut subscriber = subscribe(&server, to(json!({"on-change": {}}))).await;
    assert_eq!(contents(subscriber.next().await), entry("a"));
    let resync = async |id: u32| {
        let body = json!({"ietf-yang-push:input": {"id": id}}).to_string();
        server.post("/restconf/operations/ietf-yang-push:resync-subscription", &body).await
    };
    assert_eq!(resync(subscriber.id).await.status, 204);
    assert_eq!(contents(subscriber.next().await), entry("a"));
    let (status, identity, _) = reason(&resync(1).await);
    assert_eq!((status, identity.as_str()), (404, "ietf-yang-push:no-such-subscription-resync"));
    let periodic = subscribe(&server, to(json!({"periodic": {"period": 6000}}))).await;
    let (status, identity, _) = reason(&resync(periodic.id).await);
    assert_eq!((status, identity.as_str()), (501, "ietf-yang-push:on-change-sync-unsupported"));
    server.stop().await;
}

#[tokio::test]
async fn section_4_4_1_what_cannot_be_had_is_refused_with_the_reason_and_hints() {
    let server = start_server().await;
    let refused =
        async |input: Json| reason(&invoke(&server, server.admin(), "establish-subscription", input).await);
    let (status, identity, info) = refused(to(json!({"periodic": {"period": 1}}))).await;
    assert_eq!((status, identity.as_str()), (400, "ietf-yang-push:period-unsupported"));
    let info = &info["ietf-yang-push:establish-subscription-datastore-error-info"];
    assert_eq!(info["period-hint"], json!(10), "{info}");
    for (more, status, expected) in [
        (json!({"datastore": "ietf-datastores:startup", "on-change": {}}), 400, "datastore-not-subscribable"),
        (json!({"datastore-subtree-filter": {"nosuch:a": {}}, "on-change": {}}), 500, "unchanging-selection"),
    ] {
        let (found, identity, _) = refused(to(more)).await;
        assert_eq!((found, identity), (status, format!("ietf-yang-push:{expected}")));
    }
    let (status, identity, _) = refused(to(json!({"datastore-xpath-filter": "/a[", "on-change": {}}))).await;
    assert_eq!((status, identity.as_str()), (400, "ietf-subscribed-notifications:filter-unsupported"));
    assert_eq!(refused(to(json!({}))).await.0, 400, "neither periodic nor on-change");
    server.stop().await;
}

#[tokio::test]
async fn section_4_4_2_a_modified_subscription_starts_again_with_its_new_selection() {
    let server = start_server().await;
    for id in ["a", "b"] {
        change(&server, id).await;
    }
    let select =
        |id: &str| json!({"datastore-xpath-filter": format!("/data-params[id='{id}']"), "on-change": {}});
    let mut subscriber = subscribe(&server, to(select("a"))).await;
    assert_eq!(contents(subscriber.next().await), entry("a"));
    let mut input = to(select("b"));
    input["id"] = json!(subscriber.id);
    input["ietf-yang-push:on-change"] = json!({"dampening-period": 7});
    let modified = invoke(&server, server.admin(), "modify-subscription", input.clone()).await;
    assert_eq!(modified.status, 204, "{modified:?}");
    let told = subscriber.next().await.expect("an event");
    let told = &told["ietf-subscribed-notifications:subscription-modified"];
    assert_eq!(told["ietf-yang-push:on-change"]["dampening-period"], json!(7), "{told}");
    assert_eq!(contents(subscriber.next().await), entry("b"));
    input["ietf-yang-push:datastore"] = json!("ietf-datastores:operational");
    assert_eq!(invoke(&server, server.admin(), "modify-subscription", input).await.status, 400);
    server.stop().await;
}

#[tokio::test]
async fn section_3_11_1_what_is_too_big_suspends_and_what_fits_again_resumes() {
    let server = start_server_with(Limits { push_nodes_max: 8, ..Limits::default() }).await;
    let mut subscriber = subscribe(&server, to(json!({"on-change": {}}))).await;
    assert_eq!(contents(subscriber.next().await), json!({}));
    let all: Vec<Json> = (0..9).map(|n| json!({"id": n.to_string(), "dataType": "text"})).collect();
    let body = json!({"ietf-restconf:data": {"irtf-agent:data-params": all}}).to_string();
    let patched = server.ask("PATCH", "/restconf/data", &[&format!("Content-Type: {JSON}")], &body).await;
    assert_eq!(patched.status, 204, "{patched:?}");
    let told = subscriber.next().await.expect("an event");
    let told = &told["ietf-subscribed-notifications:subscription-suspended"];
    assert_eq!(told["reason"], json!("ietf-yang-push:update-too-big"), "{told}");
    let list = server.get("/restconf/data/ietf-subscribed-notifications:subscriptions").await.json();
    let entry = &list["ietf-subscribed-notifications:subscriptions"]["subscription"][0];
    assert_eq!(entry["receivers"]["receiver"][0]["state"], json!("suspended"));
    for n in 0..8 {
        delete(&server, &n.to_string()).await;
    }
    let told = subscriber.next().await.expect("an event");
    assert!(told["ietf-subscribed-notifications:subscription-resumed"].is_object(), "{told}");
    contents(subscriber.next().await);
    server.stop().await;
}

/// Makes more changes at once than an update can have.
async fn change_much(server: &TestServer, count: usize) {
    let all: Vec<Json> = (0..count).map(|n| json!({"id": n.to_string(), "dataType": "text"})).collect();
    let body = json!({"ietf-restconf:data": {"irtf-agent:data-params": all}}).to_string();
    let patched = server.ask("PATCH", "/restconf/data", &[&format!("Content-Type: {JSON}")], &body).await;
    assert_eq!(patched.status, 204, "{patched:?}");
}

#[tokio::test]
async fn section_3_11_1_without_synchronization_the_next_update_is_marked_as_incomplete() {
    let server = start_server_with(Limits { push_nodes_max: 8, ..Limits::default() }).await;
    let mut subscriber = subscribe(&server, to(json!({"on-change": {"sync-on-start": false}}))).await;
    change_much(&server, 9).await;
    let told = subscriber.next().await.expect("an event");
    let told = &told["ietf-subscribed-notifications:subscription-suspended"];
    assert_eq!(told["reason"], json!("ietf-yang-push:update-too-big"), "{told}");
    for marked in [true, false] {
        delete(&server, if marked { "1" } else { "2" }).await;
        if marked {
            let told = subscriber.next().await.expect("an event");
            assert!(told["ietf-subscribed-notifications:subscription-resumed"].is_object(), "{told}");
        }
        let event = subscriber.next().await.expect("an event");
        let flag = &event["ietf-yang-push:push-change-update"]["incomplete-update"];
        assert_eq!(flag, &if marked { json!([null]) } else { Json::Null }, "{event}");
    }
    server.stop().await;
}

#[tokio::test]
async fn rfc8639_section_2_4_1_a_modification_makes_a_suspended_subscription_active() {
    let server = start_server_with(Limits { push_nodes_max: 8, ..Limits::default() }).await;
    let mut subscriber = subscribe(&server, to(json!({"on-change": {}}))).await;
    assert_eq!(contents(subscriber.next().await), json!({}));
    change_much(&server, 9).await;
    let told = subscriber.next().await.expect("an event");
    assert!(told["ietf-subscribed-notifications:subscription-suspended"].is_object(), "{told}");
    let mut input = to(json!({"datastore-xpath-filter": "/data-params[id='1']"}));
    input["id"] = json!(subscriber.id);
    assert_eq!(invoke(&server, server.admin(), "modify-subscription", input).await.status, 204);
    let told = subscriber.next().await.expect("an event");
    assert!(told["ietf-subscribed-notifications:subscription-modified"].is_object(), "{told}");
    let contents = contents(subscriber.next().await);
    assert_eq!(contents, json!({"irtf-agent:data-params": [{"id": "1", "dataType": "text"}]}));
    let list = server.get("/restconf/data/ietf-subscribed-notifications:subscriptions").await.json();
    let entry = &list["ietf-subscribed-notifications:subscriptions"]["subscription"][0];
    assert_eq!(entry["receivers"]["receiver"][0]["state"], json!("active"));
    server.stop().await;
}

#[tokio::test]
async fn section_3_11_2_what_cannot_be_told_is_declined_with_the_limits() {
    let limits = Limits { push_nodes_max: 100, push_bytes_max: 4096, ..Limits::default() };
    let server = start_server_with(limits).await;
    let body = json!({"irtf-agent:data-params": [{"id": "a", "dataType": "text", "data": "x".repeat(4096)}]});
    assert_eq!(server.put(&format!("{DATA}=a"), &body.to_string()).await.status, 201);
    let establish =
        async |more: Json| invoke(&server, server.admin(), "establish-subscription", to(more)).await;
    for (trigger, expected) in
        [(json!({"periodic": {"period": 100}}), "update-too-big"), (json!({"on-change": {}}), "sync-too-big")]
    {
        let (status, identity, info) = reason(&establish(trigger).await);
        assert_eq!((status, identity), (400, format!("ietf-yang-push:{expected}")));
        let hints = &info["ietf-yang-push:establish-subscription-datastore-error-info"];
        assert_eq!(hints, &json!({"object-count-limit": 100, "kilobytes-limit": 4}));
    }
    assert_eq!(
        establish(json!({"on-change": {"sync-on-start": false}})).await.status,
        200,
        "there is no need"
    );
    let mut subscriber =
        subscribe(&server, to(json!({"on-change": {}, "datastore-xpath-filter": "/data-params[id='b']"})))
            .await;
    assert_eq!(contents(subscriber.next().await), json!({}));
    let body = body.to_string().replace(r#""id":"a""#, r#""id":"b""#);
    assert_eq!(server.put(&format!("{DATA}=b"), &body).await.status, 201);
    let told = subscriber.next().await.expect("an event");
    let told = &told["ietf-subscribed-notifications:subscription-suspended"];
    assert_eq!(told["reason"], json!("ietf-yang-push:update-too-big"), "{told}");
    let resync = json!({"ietf-yang-push:input": {"id": subscriber.id}}).to_string();
    let answer = server.post("/restconf/operations/ietf-yang-push:resync-subscription", &resync).await;
    assert_eq!(reason(&answer), (400, String::from("ietf-yang-push:sync-too-big"), Json::Null));
    server.stop().await;
}

#[tokio::test]
async fn section_3_6_a_filter_takes_no_more_steps_than_it_may() {
    let server = start_server_with(Limits { push_steps_max: 40, ..Limits::default() }).await;
    let filter = to(json!({"on-change": {}, "datastore-xpath-filter": "/data-params[dataType='text']"}));
    let mut subscriber = subscribe(&server, filter.clone()).await;
    assert_eq!(contents(subscriber.next().await), json!({}));
    change_much(&server, 30).await;
    let told = subscriber.next().await.expect("an event");
    let told = &told["ietf-subscribed-notifications:subscription-suspended"];
    assert_eq!(told["reason"], json!("ietf-subscribed-notifications:insufficient-resources"), "{told}");
    let (status, identity, _) =
        reason(&invoke(&server, server.admin(), "establish-subscription", filter).await);
    assert_eq!((status, identity.as_str()), (409, "ietf-subscribed-notifications:insufficient-resources"));
    server.stop().await;
}

#[tokio::test]
async fn section_3_7_updates_in_xml_have_their_namespaces() {
    let server = start_server().await;
    change(&server, "a").await;
    let input = to(json!({"on-change": {}}));
    let mut with_encoding = input.clone();
    with_encoding["encoding"] = json!("ietf-subscribed-notifications:encode-xml");
    let mut subscriber = subscribe(&server, with_encoding).await;
    let update = subscriber.next_text().await.expect("an event");
    assert!(update.contains("<datastore-contents><data-params xmlns=\"urn:"), "{update}");
    delete(&server, "a").await;
    let update = subscriber.next_text().await.expect("an event");
    assert!(
        update.contains("<operation>delete</operation><target>/irtf-agent:data-params=a</target>"),
        "{update}"
    );
    server.stop().await;
}
