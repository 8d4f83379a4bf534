//! NETCONF sessions as the engine knows them: locks, confirmed commits, and what is left when a session ends.

use agentconf::access::Principal;
use agentconf::datastore::edit::{Edit, Operation};
use agentconf::engine::{
    Candidate, Confirm, Datastore, EditRequest, From, Lockable, Locking, Management, Reason, Session, Test,
};
use agentconf::yang::error::{Error, Tag};
use agentconf::yang::generated::ietf_netconf::nodes as netconf;
use agentconf::yang::generated::ietf_netconf_monitoring::identities::Transport;
use agentconf::yang::generated::ietf_netconf_monitoring::nodes as monitoring;
use serde_json::{Value as Json, json};

use agentconf::yang::generated::magent_audit::nodes as query;

use crate::bench::{Bench, entry, plain, principal, put};
use agentconf::yang::generated::irtf_agent::nodes as draft;

const SHARED: Datastore = Datastore::Candidate(Candidate::Shared);

async fn session(bench: &Bench, user: &str) -> Session {
    let host = Some("192.0.2.7".parse().expect("an address"));
    bench.engine.session(&principal(user), host, Transport::NetconfSsh).await.expect("it begins")
}

async fn lock(bench: &Bench, session: &Session, locking: Locking) -> Result<(), Error> {
    bench.engine.lock(session.principal(), locking).await.map(drop)
}

async fn write(bench: &Bench, who: &Principal, datastore: Datastore, id: &str) -> Result<(), Error> {
    let body = json!({"irtf-agent:data-params": [{"id": id, "dataType": "text", "data": "x"}]});
    let edits = vec![put(entry(&[], &draft::DATA_PARAMS, id), body).expect("it fits the schema")];
    let request = EditRequest { datastore, test: Test::AtCommit, edits, preconditions: Vec::new() };
    bench.engine.edit(who, request).await.map(drop).map_err(|refused| refused.error)
}

async fn commit(bench: &Bench, who: &Principal, confirm: Confirm) -> Result<(), Error> {
    bench.engine.manage(who, Management::Commit(Candidate::Shared, confirm)).await.map(drop)
}

fn confirmed(within_s: u32, persist: Option<&str>) -> Confirm {
    Confirm { within_s: Some(within_s), persist: persist.map(str::to_owned), persist_id: None }
}

fn is_there(bench: &Bench, id: &str) -> bool {
    bench.read_in(Datastore::Running, "admin", &entry(&[], &draft::DATA_PARAMS, id)).is_ok()
}

fn state(bench: &Bench) -> Json {
    bench.read("admin", &plain(&[&monitoring::NETCONF_STATE])).expect("it is there")
}

/// Waits until a session that was dropped has ended.
async fn ended(bench: &Bench, id: u32) {
    let mut events =
        bench.engine.subscribe(&principal("admin"), None, From::Behind(0), None).expect("there is a place");
    while let Some(told) = events.next().await.expect("the log is read") {
        if told.notification.node.name == "netconf-session-end"
            && format!("{:?}", told.notification.data).contains(&format!("Uint32({id})"))
        {
            return;
        }
    }
}

#[tokio::test]
async fn an_edit_has_its_place_when_it_is_asked_for_and_not_when_it_is_waited_for() {
    let bench = Bench::new().await;
    let edit = |id: &str, operation: Operation| {
        let body = json!({"irtf-agent:data-params": [{"id": id, "dataType": "text"}]});
        let made = put(entry(&[], &draft::DATA_PARAMS, id), body).expect("it fits the schema");
        let edits = vec![Edit { operation, ..made }];
        EditRequest { datastore: Datastore::Running, test: Test::AtCommit, edits, preconditions: Vec::new() }
    };
    let admin = principal("admin");
    let first = bench.engine.edit(&admin, edit("a", Operation::Create));
    let refused = bench.engine.edit(&admin, edit("a", Operation::Create));
    let unawaited = bench.engine.edit(&admin, edit("b", Operation::Create));
    let last = bench.engine.edit(&admin, edit("c", Operation::Create));
    last.await.expect("it is new");
    drop(unawaited);
    assert!(["a", "b", "c"].iter().all(|id| is_there(&bench, id)));
    first.await.expect("it is new");
    assert_eq!(refused.await.expect_err("it is there").error.tag, Tag::DataExists);
}

#[tokio::test]
async fn rfc_6241_section_7_5_a_lock_keeps_others_out_until_its_session_ends() {
    let bench = Bench::empty();
    let (one, two) = (session(&bench, "admin").await, session(&bench, "admin").await);
    lock(&bench, &one, Locking::Lock(Lockable::Running)).await.expect("it is free");
    let denied = lock(&bench, &two, Locking::Lock(Lockable::Running)).await.expect_err("it is taken");
    assert_eq!((denied.tag, denied.info[0].value.to_string()), (Tag::LockDenied, one.id().to_string()));
    for other in [two.principal(), &principal("admin")] {
        for datastore in [Datastore::Running, Datastore::Unified] {
            let refused = write(&bench, other, datastore, "d").await.expect_err("another has the lock");
            assert_eq!(refused.tag, Tag::InUse);
        }
    }
    write(&bench, one.principal(), Datastore::Running, "d").await.expect("its own lock");
    let shown = state(&bench);
    assert_eq!(shown["datastores"]["datastore"][0]["locks"]["global-lock"]["locked-by-session"], one.id());
    let id = one.id();
    drop(one);
    ended(&bench, id).await;
    lock(&bench, &two, Locking::Lock(Lockable::Running)).await.expect("it is free again");
}

#[tokio::test]
async fn rfc_6241_section_8_3_5_2_what_is_left_in_a_locked_candidate_is_discarded() {
    let bench = Bench::empty();
    let (one, two) = (session(&bench, "admin").await, session(&bench, "admin").await);
    write(&bench, two.principal(), SHARED, "theirs").await.expect("it is free");
    let denied = lock(&bench, &one, Locking::Lock(Lockable::Candidate)).await.expect_err("it was changed");
    assert_eq!(denied.tag, Tag::LockDenied);
    bench.engine.manage(two.principal(), Management::Discard(Candidate::Shared)).await.expect("it is");
    lock(&bench, &one, Locking::Lock(Lockable::Candidate)).await.expect("it is free");
    write(&bench, one.principal(), SHARED, "d").await.expect("its own lock");
    let refused = commit(&bench, two.principal(), Confirm::default()).await.expect_err("it is locked");
    assert_eq!(refused.tag, Tag::InUse);
    lock(&bench, &one, Locking::Unlock(Lockable::Candidate)).await.expect("it holds it");
    commit(&bench, two.principal(), Confirm::default()).await.expect("there is nothing left");
    assert!(!is_there(&bench, "d"));
}

#[tokio::test]
async fn rfc_5717_section_2_1_a_partial_lock_is_of_nodes_and_not_of_the_rest() {
    let bench = Bench::empty();
    let (one, two) = (session(&bench, "admin").await, session(&bench, "admin").await);
    for id in ["a", "b"] {
        write(&bench, one.principal(), Datastore::Running, id).await.expect("nothing is locked");
    }
    let select = |text: &str| Locking::LockPart(vec![text.to_owned()]);
    for (wrong, app_tag) in
        [("/data-params[id='z']", Some("no-matches")), ("count(/x)", Some("not-a-node-set"))]
    {
        let refused = lock(&bench, &one, select(wrong)).await.expect_err("no nodes");
        assert_eq!(refused.app_tag.as_deref(), app_tag);
    }
    let locked = bench.engine.lock(one.principal(), select("/irtf-agent:data-params[id='a']")).await;
    let locked = locked.expect("it is free").expect("it is a part");
    assert_eq!(locked.nodes, [entry(&[], &draft::DATA_PARAMS, "a")]);
    let refused = bench
        .engine
        .edit(
            two.principal(),
            EditRequest {
                datastore: Datastore::Running,
                test: Test::AtCommit,
                edits: vec![
                    put(
                        entry(&[], &draft::DATA_PARAMS, "a"),
                        json!({"irtf-agent:data-params": [{"id": "a", "dataType": "text", "data": "y"}]}),
                    )
                    .expect("it fits the schema"),
                ],
                preconditions: Vec::new(),
            },
        )
        .await
        .expect_err("it is locked");
    assert_eq!(refused.error.tag, Tag::InUse);
    write(&bench, two.principal(), Datastore::Running, "c").await.expect("this one is not");
    assert!(lock(&bench, &two, Locking::UnlockPart(locked.id)).await.is_err());
    lock(&bench, &one, Locking::UnlockPart(locked.id)).await.expect("it is its own");
}

#[tokio::test]
async fn rfc_6241_section_8_4_1_a_commit_that_is_not_confirmed_in_time_is_taken_back() {
    let bench = Bench::empty();
    let one = session(&bench, "admin").await;
    write(&bench, one.principal(), SHARED, "d").await.expect("it is prepared");
    commit(&bench, one.principal(), confirmed(60, None)).await.expect("for a minute");
    assert!(is_there(&bench, "d"));
    let two = session(&bench, "admin").await;
    let refused = commit(&bench, two.principal(), Confirm::default()).await.expect_err("another's");
    assert_eq!(refused.tag, Tag::InUse);
    let denied = lock(&bench, &two, Locking::Lock(Lockable::Running)).await.expect_err("RFC 6241 7.5");
    assert_eq!(denied.tag, Tag::LockDenied);
    commit(&bench, one.principal(), confirmed(120, None)).await.expect("it is extended");
    bench.clock.advance_seconds(119);
    write(&bench, one.principal(), Datastore::Running, "e").await.expect("the writer goes on");
    assert!(is_there(&bench, "d"));
    bench.clock.advance_seconds(1);
    write(&bench, one.principal(), SHARED, "f").await.expect("the writer goes on");
    assert!(!is_there(&bench, "d") && is_there(&bench, "e"), "only what was committed is taken back");

    commit(&bench, one.principal(), confirmed(60, None)).await.expect("for a minute");
    commit(&bench, one.principal(), Confirm::default()).await.expect("it is confirmed");
    bench.clock.advance_seconds(61);
    write(&bench, one.principal(), Datastore::Running, "g").await.expect("the writer goes on");
    assert!(is_there(&bench, "f"));
}

#[tokio::test]
async fn a_confirmed_commit_is_to_be_confirmed_within_a_day() {
    let bench = Bench::empty();
    let one = session(&bench, "admin").await;
    for (seconds, fits) in [(u32::MAX, false), (24 * 3600 + 1, false), (24 * 3600, true)] {
        let made = commit(&bench, one.principal(), confirmed(seconds, Some("token"))).await;
        let refusal = made.err().map(|error| (error.tag, error.info[0].value.to_string()));
        assert_eq!(refusal, (!fits).then(|| (Tag::InvalidValue, "confirm-timeout".to_owned())));
    }
}

#[tokio::test]
async fn rfc_6241_section_8_4_1_a_confirmed_commit_ends_with_its_session_or_the_process() {
    let bench = Bench::empty();
    let one = session(&bench, "admin").await;
    write(&bench, one.principal(), SHARED, "d").await.expect("it is prepared");
    commit(&bench, one.principal(), confirmed(60, None)).await.expect("for a minute");
    let id = one.id();
    one.end(Reason::Closed);
    ended(&bench, id).await;
    assert!(!is_there(&bench, "d"));
    let one_id = id;

    let two = session(&bench, "admin").await;
    assert!(two.id() > id);
    write(&bench, two.principal(), SHARED, "e").await.expect("it is prepared");
    commit(&bench, two.principal(), confirmed(60, Some("token"))).await.expect("for a minute");
    let id = two.id();
    drop(two);
    ended(&bench, id).await;
    assert!(is_there(&bench, "e"), "it persists");
    let three = session(&bench, "admin").await;
    for wrong in [None, Some("other".to_owned())] {
        let confirm = Confirm { persist_id: wrong, ..Confirm::default() };
        let refused = commit(&bench, three.principal(), confirm).await.expect_err("not its name");
        assert_eq!(refused.tag, Tag::InvalidValue);
    }
    let bench = bench.restart().await;
    assert!(!is_there(&bench, "e"), "a start takes it back");

    // It says whose it was.
    let told = bench.call("admin", &query::QUERY_AUDIT, json!({})).await.expect("what was done");
    let told = told["entry"].as_array().cloned().expect("entries");
    let by_server = |operation: &str| -> Vec<u64> {
        let of = told.iter().filter(|e| e["operation"] == operation && e["protocol"] == "server");
        of.filter(|e| e["user"] == "admin").filter_map(|e| e["session-id"].as_u64()).collect()
    };
    let (one, two) = (u64::from(one_id), u64::from(id));
    assert_eq!(by_server("confirmed-commit-cancelled"), [one, two]);
    assert!(by_server("session-ended").starts_with(&[one, two]), "{told:?}");
    assert_eq!(
        by_server("remove").len() + by_server("delete").len() + by_server("edit").len(),
        2,
        "{told:?}"
    );
}

#[tokio::test]
async fn a_start_goes_back_to_the_startup_datastore_whatever_waits_for_its_confirmation() {
    let bench = Bench::with_startup();
    write(&bench, &principal("admin"), Datastore::Unified, "saved").await.expect("it is saved too");
    write(&bench, &principal("admin"), Datastore::Running, "unsaved").await.expect("it is not");
    let one = session(&bench, "admin").await;
    write(&bench, one.principal(), SHARED, "d").await.expect("it is prepared");
    commit(&bench, one.principal(), confirmed(60, Some("token"))).await.expect("for a minute");
    drop(one);
    let bench = bench.restart().await;
    assert_eq!(["saved", "unsaved", "d"].map(|id| is_there(&bench, id)), [true, false, false]);
}

#[tokio::test]
async fn rfc_6241_section_8_4_4_1_a_confirmed_commit_is_cancelled() {
    let bench = Bench::empty();
    let one = session(&bench, "admin").await;
    let cancel = async |persist_id: Option<&str>| {
        let persist_id = persist_id.map(str::to_owned);
        bench.engine.manage(one.principal(), Management::CancelCommit { persist_id }).await.map(drop)
    };
    assert_eq!(cancel(None).await.expect_err("there is none").tag, Tag::OperationFailed);
    write(&bench, one.principal(), SHARED, "d").await.expect("it is prepared");
    // Without a session somebody else has to be able to confirm it.
    let confirm = json!({"confirmed": [null]});
    let refused = bench.call("admin", &netconf::COMMIT, confirm).await.expect_err("by nobody");
    assert_eq!(refused.tag, Tag::OperationNotSupported);
    let confirm = json!({"confirmed": [null], "persist": "token", "confirm-timeout": 60});
    bench.call("admin", &netconf::COMMIT, confirm).await.expect("for a minute");
    assert!(is_there(&bench, "d"));
    assert_eq!(cancel(Some("other")).await.expect_err("not its name").tag, Tag::InvalidValue);
    cancel(Some("token")).await.expect("its name");
    assert!(!is_there(&bench, "d"));
}

#[tokio::test]
async fn rfc_6241_section_7_9_a_session_that_is_killed_holds_nothing_more() {
    let bench = Bench::empty();
    let (one, two) = (session(&bench, "admin").await, session(&bench, "admin").await);
    let eve = session(&bench, "eve").await;
    for locking in [Locking::Lock(Lockable::Running), Locking::LockPart(vec!["/data-params".into()])] {
        let refused = lock(&bench, &eve, locking).await.expect_err("it would keep everybody out");
        assert_eq!(refused.tag, Tag::AccessDenied);
    }
    drop(eve);
    lock(&bench, &one, Locking::Lock(Lockable::Running)).await.expect("it is free");
    for none in [two.id(), 9999] {
        let refused = bench.engine.kill_session(two.principal(), none).await.expect_err("not that one");
        assert_eq!(refused.tag, Tag::InvalidValue);
    }
    bench.engine.kill_session(two.principal(), one.id()).await.expect("it ends");
    one.killed().await;
    // What it had asked for is not done any more: nothing would release what it took now.
    let over = lock(&bench, &one, Locking::Lock(Lockable::Running)).await.expect_err("it has ended");
    assert_eq!(over.tag, Tag::OperationFailed);
    let over = write(&bench, one.principal(), Datastore::Running, "d").await.expect_err("it has ended");
    assert_eq!(over.tag, Tag::OperationFailed);
    lock(&bench, &two, Locking::Lock(Lockable::Running)).await.expect("it is free");
    let shown = state(&bench);
    assert_eq!(shown["sessions"]["session"].as_array().map(Vec::len), Some(1));
    assert_eq!(shown["statistics"]["dropped-sessions"], 2);
}

#[tokio::test]
async fn rfc_6022_section_3_1_a_schema_is_given_as_its_text() {
    let bench = Bench::empty();
    let schema = async |input: Json| bench.call("oss", &monitoring::GET_SCHEMA, input).await;
    let given = schema(json!({"identifier": "irtf-agent"})).await.expect("there is one");
    let text = given["data"].as_str().expect("a text");
    assert!(text.starts_with("module irtf-agent"), "{text:.40}");
    for wrong in [
        json!({"identifier": "nosuch"}),
        json!({"identifier": "irtf-agent", "version": "1999-01-01"}),
        json!({"identifier": "irtf-agent", "format": "ietf-netconf-monitoring:yin"}),
    ] {
        assert_eq!(schema(wrong).await.expect_err("there is none").tag, Tag::InvalidValue);
    }
}

#[tokio::test]
async fn candidates_of_users_have_limits_and_the_shared_one_always_has_room() {
    let bench = Bench::new().await;
    let limits = bench.engine.limits();
    let (of_user, of_all) = (limits.candidates_user_max, limits.candidates_max);
    let mut sessions = Vec::new();
    let mut refused = 0;
    for number in 0..=of_all / of_user {
        for _ in 0..=of_user {
            let session = session(&bench, &format!("u{number}")).await;
            session.use_private_candidate();
            let own = Datastore::Candidate(Candidate::Session(session.id()));
            match write(&bench, session.principal(), own, "a").await {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!(error.tag, Tag::ResourceDenied, "{error}");
                    refused += 1;
                }
            }
            sessions.push(session);
        }
    }
    assert_eq!(
        sessions.len() - refused,
        of_all,
        "no more than these, and of each user no more than its share"
    );
    write(&bench, &principal("admin"), SHARED, "a").await.expect("there is room");
}
