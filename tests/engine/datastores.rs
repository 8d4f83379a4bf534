//! The datastores beside the running one, and the revisions of the running one.

use agentconf::datastore::edit::{Edit, Operation};
use agentconf::engine::{Candidate, Datastore, EditReply, From, Management};
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
    bench.edit_in(datastore, "oss", edit, Vec::new()).await
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
    bench.call("oss", &netconf::COMMIT, json!({})).await.expect("it is committed");
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
    bench.call("oss", &netconf::DISCARD_CHANGES, json!({})).await.expect("it is discarded");
    assert_eq!(text_in(&bench, SHARED, "d"), None);
    put_in(&bench, SHARED, "d", "new").await.expect("it is written");
    let bench = bench.restart().await;
    assert_eq!(text_in(&bench, SHARED, "d"), None);
}

#[tokio::test]
async fn rfc_6241_section_8_6_an_order_that_would_be_refused_is_refused_at_the_commit_and_stays_a_candidate()
{
    let bench = Bench::new().await;
    let path = plain(&[&draft::TASKS]);
    let body =
        json!({"irtf-agent:tasks": {"task-sendTo": "nobody-here", "content": "##task description mend it"}})
            .to_string();
    let value = json::decode_one(body.as_bytes(), &path, &SCHEMA, &json::STORED).expect("it fits the schema");
    let edit = Edit { operation: Operation::Merge, path: path.clone(), value: Some(value), insert: None };
    bench.edit_in(SHARED, "oss", edit, Vec::new()).await.expect("a candidate is no order");
    let refused = bench.call("oss", &netconf::COMMIT, json!({})).await.expect_err("there is no such agent");
    assert_eq!(refused.app_tag.as_deref(), Some("agent-unknown"));
    assert!(bench.read_in(Datastore::Running, "oss", &path).is_err(), "nothing has changed");
    assert!(bench.read_in(SHARED, "oss", &path).is_ok(), "the candidate can be corrected");
}

#[tokio::test]
async fn a_candidate_takes_only_what_its_user_may_write() {
    let bench = Bench::new().await;
    let edit =
        Edit { operation: Operation::Remove, path: InstancePath::default(), value: None, insert: None };
    let refused = bench.edit_in(SHARED, "oss", edit, Vec::new()).await.expect_err("it is everybody's");
    assert_eq!(refused.tag, Tag::AccessDenied);
}

#[tokio::test]
async fn the_candidates_of_sessions_are_merged_unless_they_change_the_same() {
    let bench = Bench::new().await;
    put_in(&bench, Datastore::Running, "d", "old").await.expect("it is written");
    put_in(&bench, session(1), "e", "one").await.expect("it is written");
    put_in(&bench, session(2), "d", "two").await.expect("it is written");
    assert_eq!(text_in(&bench, session(2), "e"), None, "a session does not see another's");
    put_in(&bench, session(3), "d", "three").await.expect("it is written");
    let commit =
        async |id| bench.engine.manage(&principal("oss"), Management::Commit(Candidate::Session(id))).await;
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
    bench.call("oss", &netconf::COPY_CONFIG, save).await.expect("it is saved");
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
        bench.call("oss", &revisions::ROLLBACK, back.clone()).await.expect("it goes back");
        assert_eq!(text_in(&bench, Datastore::Running, "d").as_deref(), Some("0"));
        assert!(differences(&bench, running, back).await.is_empty());
        let later = bench.call("oss", &revisions::ROLLBACK, json!({"revision": "99999"})).await;
        assert_eq!(later.expect_err("it is not reached").tag, Tag::InvalidValue);
    }
}
