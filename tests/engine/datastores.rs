//! The datastores beside the running one, and the revisions of the running one.

use agentconf::datastore::edit::{Edit, Operation};
use agentconf::engine::{Candidate, Confirm, Datastore, EditReply, From, Management};
use agentconf::yang::error::{Error, Tag};
use agentconf::yang::generated::SCHEMA;
use agentconf::yang::generated::ietf_netconf::nodes as netconf;
use agentconf::yang::generated::irtf_agent::nodes as draft;
use agentconf::yang::generated::magent_datastores::nodes as revisions;
use agentconf::yang::json;
use agentconf::yang::path::InstancePath;
use serde_json::{Value as Json, json};

use super::bench::*;

const SHARED: Datastore = Datastore::Candidate(Candidate::Shared);

fn session(id: u32) -> Datastore {
    Datastore::Candidate(Candidate::Session(id))
}

fn data(id: &str) -> InstancePath {
    entry(&[], &draft::DATA_PARAMS, id)
}

async fn put_in(bench: &Bench, datastore: Datastore, id: &str, text: &str) -> Result<EditReply, Error> {
    let body = json!({"irtf-agent:data-params": [{"id": id, "dataType": "text", "data": text}]}).to_string();
    let path = data(id);
    let value = json::decode_one(body.as_bytes(), &path, &SCHEMA, &json::STORED).expect("it fits the schema");
    let edit = Edit { operation: Operation::Replace, path, value: Some(value), insert: None };
    bench.edit_in(datastore, "admin", edit, Vec::new()).await
}

fn text_in(bench: &Bench, datastore: Datastore, id: &str) -> Option<String> {
    let found = bench.read_in(datastore, "oss", &data(id)).ok()?;
    found["data"].as_str().map(str::to_owned)
}

async fn differences(bench: &Bench, source: Json, target: Json) -> Vec<Json> {
    let input = json!({"source": source, "target": target});
    let output = bench.call("oss", &revisions::COMPARE, input).await.expect("they are compared");
    output["differences"]["yang-patch"]["edit"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn rfc_6241_section_8_3_a_candidate_is_seen_by_nobody_else_until_its_commit() {
    let bench = Bench::new().await;
    put_in(&bench, Datastore::Running, "d", "old").await.expect("it is written");
    let mut events = bench.engine.subscribe(&principal("oss"), None, From::Now, None).expect("it follows");
    put_in(&bench, SHARED, "d", "new").await.expect("it is written");
    put_in(&bench, SHARED, "e", "more").await.expect("it is written");
    assert_eq!(text_in(&bench, SHARED, "d").as_deref(), Some("new"));
    for other in [Datastore::Running, Datastore::Unified, Datastore::Intended, Datastore::Operational] {
        assert_eq!(text_in(&bench, other, "d").as_deref(), Some("old"), "{other:?}");
        assert_eq!(text_in(&bench, other, "e"), None, "{other:?}");
    }
    bench.call("admin", &netconf::COMMIT, json!({})).await.expect("it is committed");
    assert_eq!(text_in(&bench, Datastore::Running, "d").as_deref(), Some("new"));
    assert_eq!(text_in(&bench, Datastore::Running, "e").as_deref(), Some("more"));
    let announced = events.next().await.expect("the log is read").expect("the commit is announced");
    assert_eq!(announced.notification.node.name, "netconf-config-change");
    assert_eq!(bench.engine.snapshot().position, announced.position, "a commit is one event");
    let bench = bench.restart().await;
    assert_eq!(text_in(&bench, Datastore::Running, "e").as_deref(), Some("more"));
}

#[tokio::test]
async fn rfc_6241_section_8_3_4_2_what_is_discarded_or_not_committed_is_gone() {
    let bench = Bench::new().await;
    put_in(&bench, SHARED, "d", "new").await.expect("it is written");
    bench.call("admin", &netconf::DISCARD_CHANGES, json!({})).await.expect("it is discarded");
    assert_eq!(text_in(&bench, SHARED, "d"), None);
    put_in(&bench, SHARED, "d", "new").await.expect("it is written");
    let bench = bench.restart().await;
    assert_eq!(text_in(&bench, SHARED, "d"), None);
}

fn put(path: InstancePath, body: Json) -> Edit {
    let text = body.to_string();
    let value = json::decode_one(text.as_bytes(), &path, &SCHEMA, &json::STORED).expect("it fits the schema");
    Edit { operation: Operation::Replace, path, value: Some(value), insert: None }
}

#[tokio::test]
async fn rfc_6241_section_8_6_what_is_not_valid_is_refused_at_the_commit_and_stays_a_candidate() {
    let bench = Bench::new().await;
    let edit = put(data("d"), json!({"irtf-agent:data-params": [{"id": "d"}]}));
    bench.edit_in(SHARED, "admin", edit, Vec::new()).await.expect("a candidate may be incomplete");
    let validate = json!({"source": {"candidate": [null]}});
    let refused =
        bench.call("admin", &netconf::VALIDATE, validate.clone()).await.expect_err("a leaf is missing");
    assert_eq!(refused.tag, Tag::DataMissing);
    let refused = bench.call("admin", &netconf::COMMIT, json!({})).await.expect_err("a leaf is missing");
    assert_eq!(refused.tag, Tag::DataMissing);
    assert!(bench.read_in(Datastore::Running, "oss", &data("d")).is_err(), "nothing has changed");
    put_in(&bench, SHARED, "d", "x").await.expect("the candidate can be corrected");
    bench.call("admin", &netconf::VALIDATE, validate).await.expect("it is complete");
    bench.call("admin", &netconf::COMMIT, json!({})).await.expect("it is complete");
}

#[tokio::test]
async fn the_shared_candidate_is_for_administrators() {
    let bench = Bench::new().await;
    let edit = || put(data("d"), json!({"irtf-agent:data-params": [{"id": "d", "dataType": "text"}]}));
    let refused = bench.edit_in(SHARED, "oss", edit(), Vec::new()).await.expect_err("oss is none");
    assert_eq!(refused.tag, Tag::AccessDenied);
    bench.edit_in(session(1), "oss", edit(), Vec::new()).await.expect("a session has its own");
    for operation in [&netconf::COMMIT, &netconf::DISCARD_CHANGES] {
        let refused = bench.call("oss", operation, json!({})).await.expect_err("oss is none");
        assert_eq!(refused.tag, Tag::AccessDenied);
    }
    let back = bench.call("oss", &revisions::ROLLBACK, json!({"revision": "0"})).await;
    assert_eq!(back.expect_err("oss is none").tag, Tag::AccessDenied);
}

#[tokio::test]
async fn an_order_is_not_prepared_and_not_given_again() {
    let bench = Bench::new().await;
    let tasks = plain(&[&draft::TASKS]);
    let order = json!({"irtf-agent:tasks": {"task-sendFrom": "ip-agent", "task-sendTo": "oss-agent",
        "content": "##task description mend it"}});
    let refused = bench.edit_in(SHARED, "admin", put(tasks.clone(), order.clone()), Vec::new()).await;
    assert_eq!(refused.expect_err("it is an order").tag, Tag::OperationNotSupported);

    bench.order("ip", order["irtf-agent:tasks"].clone()).await.expect("it is given");
    let given = bench.engine.snapshot().config_revision;
    bench.delete("ip", tasks).await.expect("the draft's place is cleared");
    let before = bench.engine.snapshot().position;
    bench
        .call("admin", &revisions::ROLLBACK, json!({"revision": given.to_string()}))
        .await
        .expect("it goes back");
    assert_eq!(bench.engine.snapshot().position, before, "no order is given again");
}

#[tokio::test]
async fn rfc_8040_section_1_4_what_is_edited_over_restconf_outlasts_a_start() {
    let bench = Bench::with_startup();
    put_in(&bench, Datastore::Unified, "kept", "x").await.expect("it is written");
    assert_eq!(text_in(&bench, Datastore::Startup, "kept").as_deref(), Some("x"));
    let bench = bench.restart().await;
    assert_eq!(text_in(&bench, Datastore::Running, "kept").as_deref(), Some("x"));
}

#[tokio::test]
async fn the_candidates_of_sessions_are_merged_unless_they_change_the_same() {
    let bench = Bench::new().await;
    put_in(&bench, Datastore::Running, "d", "old").await.expect("it is written");
    put_in(&bench, session(1), "e", "one").await.expect("it is written");
    put_in(&bench, session(2), "d", "two").await.expect("it is written");
    assert_eq!(text_in(&bench, session(2), "e"), None, "a session does not see another's");
    put_in(&bench, session(3), "d", "three").await.expect("it is written");
    let commit = async |id| {
        bench
            .engine
            .manage(&principal("oss"), Management::Commit(Candidate::Session(id), Confirm::default()))
            .await
    };
    commit(1).await.expect("it is committed");
    commit(2).await.expect("it changes another entry");
    assert_eq!(text_in(&bench, Datastore::Running, "d").as_deref(), Some("two"));
    assert_eq!(text_in(&bench, Datastore::Running, "e").as_deref(), Some("one"));
    let refused = commit(3).await.expect_err("the second has changed the same");
    assert_eq!(refused.app_tag.as_deref(), Some("conflict"));
    assert_eq!(
        refused.path.map(|path| path.to_string()).as_deref(),
        Some("/irtf-agent:data-params[id='d']/data")
    );
    assert_eq!(text_in(&bench, session(3), "d").as_deref(), Some("three"), "it can be looked at");
    bench
        .engine
        .manage(&principal("oss"), Management::Discard(Candidate::Session(3)))
        .await
        .expect("it ends");
    assert_eq!(text_in(&bench, session(3), "d").as_deref(), Some("two"));
}

#[tokio::test]
async fn rfc_6241_section_8_7_a_start_loads_what_was_copied_to_the_startup_datastore() {
    let bench = Bench::with_startup();
    put_in(&bench, Datastore::Running, "kept", "x").await.expect("it is written");
    let save = json!({"target": {"startup": [null]}, "source": {"running": [null]}});
    bench.call("admin", &netconf::COPY_CONFIG, save).await.expect("it is saved");
    put_in(&bench, Datastore::Running, "lost", "x").await.expect("it is written");
    assert_eq!(text_in(&bench, Datastore::Startup, "kept").as_deref(), Some("x"));
    let bench = bench.restart().await;
    assert_eq!(text_in(&bench, Datastore::Running, "kept").as_deref(), Some("x"));
    assert_eq!(text_in(&bench, Datastore::Running, "lost"), None);

    let delete = json!({"target": {"startup": [null]}});
    let denied = bench.call("oss", &netconf::DELETE_CONFIG, delete.clone()).await.expect_err("RFC 6536");
    assert_eq!(denied.tag, Tag::AccessDenied);
    bench.call("admin", &netconf::DELETE_CONFIG, delete).await.expect("it is deleted");
    let bench = bench.restart().await;
    assert_eq!(text_in(&bench, Datastore::Running, "kept"), None);

    let without = Bench::empty();
    let save = json!({"target": {"startup": [null]}, "source": {"running": [null]}});
    let refused = without.call("admin", &netconf::COPY_CONFIG, save).await.expect_err("there is none");
    assert_eq!(refused.tag, Tag::OperationNotSupported);
}

#[tokio::test]
async fn any_two_revisions_are_compared_and_gone_back_to_from_memory_or_from_the_log() {
    let bench = Bench::new().await;
    let first = put_in(&bench, Datastore::Running, "d", "0").await.expect("it is written").revision;
    let mut newest = first;
    for number in 1..=150 {
        newest = put_in(&bench, Datastore::Running, "d", &number.to_string())
            .await
            .expect("it is written")
            .revision;
    }
    let held = bench.read("oss", &plain(&[&revisions::REVISIONS])).expect("they are listed");
    let listed = held["revision"].as_array().expect("a list");
    assert_eq!(listed.len(), 100);
    assert_eq!(listed.last().expect("the newest")["number"], newest.to_string());

    for bench in [bench.restart().await] {
        let found = differences(
            &bench,
            json!({"revision": first.to_string()}),
            json!({"revision": newest.to_string()}),
        )
        .await;
        let expected = json!([{"edit-id": "1", "operation": "replace", "target": "/irtf-agent:data-params=d/data",
            "value": {"irtf-agent:data": "150"}, "source-value": {"irtf-agent:data": "0"}}]);
        assert_eq!(json!(found), expected);
        let before =
            differences(&bench, json!({"revision": "0"}), json!({"revision": first.to_string()})).await;
        assert_eq!(before[0]["operation"], "create");
        assert_eq!(before[0]["target"], "/irtf-agent:data-params=d");
        put_in(&bench, SHARED, "e", "x").await.expect("it is written");
        let running = json!({"datastore": "ietf-datastores:running"});
        let open =
            differences(&bench, running.clone(), json!({"datastore": "ietf-datastores:candidate"})).await;
        assert_eq!((open.len(), &open[0]["target"]), (1, &json!("/irtf-agent:data-params=e")));

        let back = json!({"revision": first.to_string()});
        bench.call("admin", &revisions::ROLLBACK, back.clone()).await.expect("it goes back");
        assert_eq!(text_in(&bench, Datastore::Running, "d").as_deref(), Some("0"));
        assert!(differences(&bench, running, back).await.is_empty());
        let later = bench.call("admin", &revisions::ROLLBACK, json!({"revision": "99999"})).await;
        assert_eq!(later.expect_err("it is not reached").tag, Tag::InvalidValue);
    }
}
