//! Who speaks for an agent: its owner, those to whom that was delegated, and nobody else; and who sees what is private to it.

use agentconf::clock::Timestamp;
use agentconf::datastore::edit::{Edit, Operation};
use agentconf::engine::{From, Subscription};
use agentconf::limits::Limits;
use agentconf::yang::encode::EncodeOptions;
use agentconf::yang::error::{Error, Tag};
use agentconf::yang::generated::{irtf_agent, magent_registry, magent_task};
use agentconf::yang::json;
use agentconf::yang::path::InstancePath;
use agentconf::yang::schema::Node;
use serde_json::{Value as Json, json};

use super::bench::*;
use super::policies::app_tag;
use irtf_agent::nodes as draft;
use magent_registry::nodes as registry;
use magent_task::nodes as n;

const DELEGATE: &Node = &registry::REGISTRY_AGENTS_AGENT_DELEGATE;

impl Bench {
    /// Lets a user do this for an agent, for 60 seconds.
    async fn delegate(&self, by: &str, name: &str, to: &str, may: &[&str]) -> Result<Json, Error> {
        let input = json!({"delegate": to, "may": may, "lifetime": 60});
        self.act(by, DELEGATE, Some(agent(name)), input).await.map(|output| output["id"].clone())
    }

    async fn revoke(&self, by: &str, id: &Json) -> Result<Json, Error> {
        self.call(by, &registry::REVOKE_DELEGATION, json!({"id": id})).await
    }

    fn delegations(&self, user: &str) -> Vec<Json> {
        let path = plain(&[&registry::REGISTRY]);
        let seen = self.read(user, &path).expect("it is there");
        seen["delegations"]["delegation"].as_array().cloned().unwrap_or_default()
    }

    fn follow(&self, user: &str) -> Subscription {
        self.engine.subscribe(&principal(user), None, From::Now, None).expect("it subscribes")
    }

    /// A task of oss-agent for ip-agent, a negotiation that it has opened, and an object of data.
    async fn begin(&self) {
        let order = json!({"id": "t-1", "from": "oss-agent", "to": "ip-agent", "content": "diagnose", "context": "c-1"});
        self.assign("oss", order).await.expect("it is assigned");
        let report = json!({"status": "processing"});
        let asked = json!({"status": "blocked", "input-request": {"content": "which link?"}});
        for said in [report, asked] {
            let operation = &n::INTERACTION_TASKS_TASK_REPORT;
            self.act("ip", operation, Some(task("t-1")), said).await.expect("it is reported");
        }
        let opening = json!({"id": "n-1", "type": "magent-task:feasibility", "from": "oss-agent", "to": "ip-agent", "content": "?"});
        self.call("oss", &n::OPEN_NEGOTIATION, opening).await.expect("it opens");
        self.call("oss", &n::PUT_DATA, json!({"id": "d-1", "from": "oss-agent", "text": "secret"}))
            .await
            .expect("it is stored");
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(START + seconds).expect("in range")
}

/// All that is done in the name of an agent, each with the right that it takes. What is done by `oss-agent`, or by
/// `ip-agent`, which has to answer.
fn deeds(from: &str) -> Vec<(&'static str, &'static Node, Option<InstancePath>, Json)> {
    let order = json!({"from": from, "to": "server", "content": "diagnose"});
    let opening = json!({"type": "magent-task:feasibility", "from": from, "to": "server", "content": "?"});
    let round = json!({"task-sendFrom": from, "task-sendTo": "server", "task-id": "t-9",
        "content": ["## target object a ## task description b"]});
    let profile = json!({"name": from, "description": "d", "version": "2.0.0", "provider": "p"});
    let mut deeds = vec![
        ("assign", &n::ASSIGN_TASK, None, order),
        ("negotiate", &n::OPEN_NEGOTIATION, None, opening),
        ("negotiate", &draft::TASK_NEGOTIATE, None, round),
        ("data", &n::PUT_DATA, None, json!({"from": from, "text": "x"})),
        ("profile", &registry::REGISTRY_AGENTS_AGENT_RENEW, Some(agent(from)), json!({})),
        ("profile", &registry::REGISTER_AGENT, None, profile),
    ];
    let respond = &n::INTERACTION_NEGOTIATIONS_NEGOTIATION_RESPOND;
    let by_task = |operation, input| ("assign", operation, Some(task("t-1")), input);
    if from == "oss-agent" {
        let answer = json!({"request": 1, "content": "x"});
        deeds.push(by_task(&n::INTERACTION_TASKS_TASK_ANSWER, answer));
        deeds.push(by_task(&n::INTERACTION_TASKS_TASK_VERIFY, json!({"verdict": "accepted"})));
        deeds.push(by_task(&n::INTERACTION_TASKS_TASK_SUSPEND, json!({})));
        deeds.push(by_task(&n::INTERACTION_TASKS_TASK_RESUME, json!({})));
        deeds.push(by_task(&n::INTERACTION_TASKS_TASK_CANCEL, json!({})));
        let withdraw = json!({"from": from, "in-reply-to": 1, "move": "withdraw"});
        deeds.push(("negotiate", respond, Some(negotiation("n-1")), withdraw));
    } else {
        let report = json!({"status": "processing"});
        deeds.push(("work", &n::INTERACTION_TASKS_TASK_REPORT, Some(task("t-1")), report));
        let counter = json!({"from": from, "in-reply-to": 1, "move": "counter", "content": "later"});
        deeds.push(("negotiate", respond, Some(negotiation("n-1")), counter));
    }
    // It ends the delegations, so it comes last.
    deeds.push(("profile", &registry::REGISTRY_AGENTS_AGENT_DEREGISTER, Some(agent(from)), json!({})));
    deeds
}

/// Whether an operation was refused because of who asked, and not because of what was asked.
fn is_stranger(answer: &Result<Json, Error>) -> bool {
    let tags = ["not-authorized", "unknown-reference"];
    answer.as_ref().is_err_and(|error| error.app_tag.as_deref().is_some_and(|tag| tags.contains(&tag)))
}

const RIGHTS: [&str; 6] = ["assign", "work", "negotiate", "data", "profile", "read"];

#[tokio::test]
async fn the_name_of_a_user_is_no_agents_of_another() {
    let bench = Bench::new().await;
    assert_eq!(app_tag(bench.register("ip", USER).await), "not-authorized");
    bench.register(USER, USER).await.expect("it is its own");
}

#[tokio::test]
async fn who_may_only_read_a_task_orders_no_part_of_it() {
    let bench = Bench::new().await;
    bench.begin().await;
    bench.register("eve", "eve-agent").await.expect("it is registered");
    bench.delegate("oss", "oss-agent", "eve", &["read"]).await.expect("it is granted");
    let part = |from: &str| json!({"from": from, "to": from, "content": "x", "parent": "t-1"});
    let error = bench.assign("eve", part("eve-agent")).await.expect_err("it would matter to the task");
    assert_eq!((error.tag, error.app_tag.as_deref()), (Tag::AccessDenied, Some("not-authorized")));
    bench.assign("oss", part("oss-agent")).await.expect("who has assigned the task");
    bench.assign("ip", part("ip-agent")).await.expect("who executes it");
}

#[tokio::test]
async fn nobody_speaks_for_an_agent_but_its_owner_and_who_was_granted_just_that() {
    for name in ["oss-agent", "ip-agent"] {
        let owner = name.trim_end_matches("-agent");
        let bench = Bench::new().await;
        bench.begin().await;
        for right in RIGHTS {
            bench.delegate(owner, name, right, &[right]).await.expect("the owner delegates");
        }
        let past = bench.delegate(owner, name, "past", &RIGHTS).await.expect("the owner delegates");
        bench.revoke(owner, &past).await.expect("the owner revokes");
        let forged = ["eve", "past", "auditor", name, "admin@other"].map(str::to_owned);
        let elsewhere = [format!("{owner}@other-agent"), "assign@other-agent".to_owned()];
        for (right, operation, target, input) in deeds(name) {
            let wrong = RIGHTS.iter().filter(|other| **other != right).map(|other| (*other).to_owned());
            for user in wrong.chain(forged.clone()).chain(elsewhere.clone()) {
                let answer = bench.act(&user, operation, target.clone(), input.clone()).await;
                assert!(is_stranger(&answer), "{user}: {} for {name}: {answer:?}", operation.name);
            }
            let answer = bench.act(right, operation, target, input).await;
            assert!(!is_stranger(&answer), "{right}: {}: {answer:?}", operation.name);
        }
    }
}

#[tokio::test]
async fn a_sender_is_not_forged_in_the_drafts_tree_either() {
    let bench = Bench::new().await;
    bench.delegate("oss", "oss-agent", "ctl", &["assign"]).await.expect("the owner delegates");
    bench.delegate("oss", "oss-agent", "clerk", &["work", "read"]).await.expect("the owner delegates");
    let order = |id: &str| json!({"task-id": id, "task-sendFrom": "oss-agent", "task-sendTo": "ip-agent", "content": "##task description a"});
    for user in ["eve", "clerk", "ip", "auditor", "oss@ip-agent"] {
        let refused = bench.order(user, order("t-1")).await.expect_err("the sender is forged");
        assert_eq!(refused.app_tag.as_deref(), Some("not-authorized"), "{user}: {refused}");
    }
    bench.order("ctl", order("t-1")).await.expect("it may assign");
    assert_eq!(bench.read("oss", &task("t-1")).expect("it is there")["from"], "oss-agent");
    let cancel = json!({"commuType": "taskCancel", "task-id": "t-1"});
    let refused = bench.order("clerk", cancel.clone()).await.expect_err("it may not assign");
    assert_eq!(refused.app_tag.as_deref(), Some("not-authorized"));
    bench.order("ctl", cancel).await.expect("it may cancel what was assigned");

    // Who names no sender speaks as the agent that the credential is bound to.
    let order = json!({"task-id": "t-2", "task-sendTo": "ip-agent", "content": "##task description b"});
    bench.order("oss@oss-agent", order).await.expect("it is its agent");
    assert_eq!(bench.read("oss", &task("t-2")).expect("it is there")["from"], "oss-agent");

    bench.clock.advance_seconds(60);
    let order =
        json!({"task-sendFrom": "oss-agent", "task-sendTo": "ip-agent", "content": "##task description c"});
    let refused = bench.order("ctl", order).await.expect_err("its time is over");
    assert_eq!(refused.app_tag.as_deref(), Some("not-authorized"));
}

#[tokio::test]
async fn what_an_agent_said_is_written_in_the_drafts_tree_by_who_speaks_for_a_party_of_it() {
    let bench = Bench::new().await;
    bench.delegate("oss", "oss-agent", "ctl", &["negotiate"]).await.expect("the owner delegates");
    bench
        .delegate("oss", "oss-agent", "clerk", &["read", "data", "profile"])
        .await
        .expect("the owner delegates");
    bench.put_data("oss", "d-1").await.expect("it is put");
    let said = |id: &str| {
        json!({"irtf-agent:context": [{"id": id, "sendFrom": "oss-agent", "sendTo": "ip-agent",
            "request-info": {"content": "which link?", "time": at(0).to_string()},
            "response-info": {"dataParam": "d-1", "time": at(0).to_string()}}]})
    };
    let path = |id: &str| entry(&[], &draft::CONTEXT, id);
    for user in ["eve", "clerk", "auditor", "oss@other"] {
        let refused = bench.put(user, path("c-1"), said("c-1")).await.expect_err("it speaks for neither");
        assert_eq!(refused.app_tag.as_deref(), Some("not-authorized"), "{user}: {refused}");
    }
    for (number, user) in ["oss", "ip", "ctl", "admin", "oss@oss-agent"].into_iter().enumerate() {
        let id = format!("c-{number}");
        bench.put(user, path(&id), said(&id)).await.expect(user);
    }
}

#[tokio::test]
async fn only_the_owner_and_administrators_delegate_and_revoke() {
    let bench = Bench::new().await;
    let id = bench.delegate("oss", "oss-agent", "ctl", &RIGHTS).await.expect("the owner delegates");
    for user in ["ctl", "eve", "ip", "auditor", "oss@oss-agent", "admin@oss-agent"] {
        let refused = bench.delegate(user, "oss-agent", "eve", &["read"]).await.expect_err("it may not");
        assert_eq!(refused.app_tag.as_deref(), Some("not-authorized"), "{user}");
        let refused = bench.revoke(user, &id).await.expect_err("it may not");
        let sees = ["ctl", "auditor", "oss@oss-agent"].contains(&user);
        let expected = if sees { "not-authorized" } else { "delegation-unknown" };
        assert_eq!(refused.app_tag.as_deref(), Some(expected), "{user}");
    }
    let other = bench.delegate("admin", "oss-agent", "ctl", &["read"]).await.expect("an administrator may");
    assert_eq!((&id, &other), (&json!(1), &json!(2)));
    bench.revoke("oss", &other).await.expect("the owner revokes what an administrator granted");
    bench.revoke("admin", &id).await.expect("an administrator revokes");
    let again = bench.revoke("oss", &id).await.expect_err("it has ended");
    assert_eq!(again.app_tag.as_deref(), Some("delegation-unknown"));
    let bench = bench.restart().await;
    let id = bench.delegate("oss", "oss-agent", "ctl", &["read"]).await.expect("the owner delegates");
    assert_eq!(id, json!(3), "numbers are not used again");
    let unknown =
        bench.delegate("oss", "nobody", "ctl", &["read"]).await.expect_err("there is no such agent");
    assert_eq!(unknown.tag, Tag::DataMissing);
}

#[tokio::test]
async fn a_delegation_ends_at_its_time_to_the_microsecond_and_that_is_told() {
    let bench = Bench::new().await;
    let input = json!({"delegate": "ctl", "may": ["assign"], "lifetime": 60});
    let granted = bench.act("oss", DELEGATE, Some(agent("oss-agent")), input).await.expect("it delegates");
    assert_eq!(granted["expires-at"], at(60).to_string());
    let order = json!({"from": "oss-agent", "to": "ip-agent", "content": "diagnose"});
    let mut told = bench.follow("ctl");
    bench.clock.advance_seconds(59);
    bench.assign("ctl", order.clone()).await.expect("it lasts");
    bench.clock.advance_seconds(1);
    let refused = bench.assign("ctl", order).await.expect_err("its time is over");
    assert_eq!(refused.app_tag.as_deref(), Some("not-authorized"));
    assert_eq!(next_change(&mut told).await, (1, "expired".to_owned()));
    assert_eq!(bench.delegations("admin"), Vec::<Json>::new());
    let longest = json!({"delegate": "ctl", "may": ["assign"], "lifetime": u32::MAX});
    let granted = bench.act("oss", DELEGATE, Some(agent("oss-agent")), longest).await.expect("it delegates");
    let most = i64::from(Limits::default().delegation_lifetime_max_s);
    assert_eq!(granted["expires-at"], at(60 + most).to_string());
}

/// The number and the change of the next `delegation-change`.
async fn next_change(told: &mut Subscription) -> (u64, String) {
    loop {
        let next = told.next().await.expect("the log is read").expect("the stream goes on");
        if next.notification.node == &registry::DELEGATION_CHANGE {
            let mut text = Vec::new();
            json::encode_children(
                &next.notification.data,
                Some(next.notification.node),
                &mut text,
                &EncodeOptions::default(),
            );
            let change: Json = serde_json::from_slice(&text).expect("the encoder writes JSON");
            let change = (change["id"].as_u64(), change["change"].as_str().map(str::to_owned));
            return (change.0.expect("a number"), change.1.expect("a change"));
        }
    }
}

#[tokio::test]
async fn delegations_are_listed_for_and_told_to_those_concerned_alone() {
    let bench = Bench::new().await;
    let mut streams: Vec<(&str, Subscription)> =
        ["oss", "ctl", "admin", "auditor", "ip", "eve"].map(|user| (user, bench.follow(user))).into();
    let id = bench.delegate("oss", "oss-agent", "ctl", &["assign", "read"]).await.expect("it delegates");
    for user in ["oss", "ctl", "admin", "auditor"] {
        let seen = bench.delegations(user);
        assert_eq!(seen.len(), 1, "{user}");
        assert_eq!(seen[0]["delegate"], "ctl");
        assert_eq!(seen[0]["may"], json!(["assign", "read"]));
        assert_eq!((&seen[0]["granted-by"], &seen[0]["agent"]), (&json!("oss"), &json!("oss-agent")));
    }
    for user in ["ip", "eve", "ctl@ip-agent"] {
        assert_eq!(bench.delegations(user), Vec::<Json>::new(), "{user}");
    }
    bench.revoke("oss", &id).await.expect("it revokes");
    bench.put_data("oss", "last").await.expect("it is put");
    for (user, stream) in &mut streams {
        let mut changes = 0;
        loop {
            let next = stream.next().await.expect("read").expect("more");
            match next.notification.node.name {
                "delegation-change" => changes += 1,
                "netconf-config-change" => break,
                _ => {}
            }
        }
        let concerned = ["oss", "ctl", "admin", "auditor"].contains(user);
        assert_eq!(changes, if concerned { 2 } else { 0 }, "{user}");
    }
    let before = bench.delegate("ip", "ip-agent", "ctl", &["work"]).await.expect("it delegates");
    let seen = bench.delegations("ip");
    let bench = bench.restart().await;
    assert_eq!(bench.delegations("ip"), seen);
    bench.revoke("ip", &before).await.expect("it is there after a restart");
}

#[tokio::test]
async fn what_ends_a_registration_or_gives_the_name_to_another_ends_its_delegations() {
    let bench = Bench::new().await;
    let leave = &registry::REGISTRY_AGENTS_AGENT_DEREGISTER;
    let renew = |bench: Bench| async {
        bench.register("oss", "oss-agent").await.expect("it registers");
        bench.delegate("oss", "oss-agent", "ctl", &["assign"]).await.expect("it delegates");
        bench
    };
    let mut told = bench.follow("ctl");
    let bench = renew(bench).await;
    assert_eq!(next_change(&mut told).await, (1, "granted".to_owned()));
    bench.act("oss", leave, Some(agent("oss-agent")), json!({})).await.expect("it leaves");
    assert_eq!(next_change(&mut told).await, (1, "ended".to_owned()));

    let bench = renew(bench).await;
    bench.register("admin", "oss-agent").await.expect("an administrator takes it over");
    assert_eq!(next_change(&mut told).await, (2, "granted".to_owned()));
    assert_eq!(next_change(&mut told).await, (2, "ended".to_owned()));
    let order = json!({"from": "oss-agent", "to": "ip-agent", "content": "diagnose"});
    for user in ["ctl", "oss"] {
        assert!(is_stranger(&bench.assign(user, order.clone()).await), "{user}");
    }

    let input = json!({"delegate": "ctl", "may": ["work"], "lifetime": 6000});
    bench.act("ip", DELEGATE, Some(agent("ip-agent")), input).await.expect("it delegates");
    assert_eq!(next_change(&mut told).await, (3, "granted".to_owned()));
    bench.clock.advance_seconds(600);
    assert_eq!(next_change(&mut told).await, (3, "ended".to_owned()), "the registration was not renewed");
}

#[tokio::test]
async fn delegations_are_bounded_for_an_agent_and_in_all() {
    let limits = Limits { delegations_agent_max: 2, delegations_max: 3, ..Limits::default() };
    let bench = Bench::limited(limits).await;
    let first = bench.delegate("oss", "oss-agent", "a", &["read"]).await.expect("there is room");
    bench.delegate("oss", "oss-agent", "b", &["read"]).await.expect("there is room");
    let full = bench.delegate("oss", "oss-agent", "c", &["read"]).await.expect_err("the agent has two");
    assert_eq!((full.tag, full.app_tag.as_deref()), (Tag::ResourceDenied, Some("too-many")));
    assert!(full.message.contains("delegations_agent_max"), "{full}");
    bench.delegate("ip", "ip-agent", "c", &["read"]).await.expect("there is room");
    let full = bench.delegate("ip", "ip-agent", "d", &["read"]).await.expect_err("there are three");
    assert!(full.message.contains("delegations_max"), "{full}");
    bench.revoke("oss", &first).await.expect("it revokes");
    bench.delegate("ip", "ip-agent", "d", &["read"]).await.expect("there is room again");
}

#[tokio::test]
async fn what_a_delegate_may_not_read_it_cannot_give_away() {
    let bench = Bench::new().await;
    bench.begin().await;
    bench.delegate("oss", "oss-agent", "ctl", &["assign", "negotiate"]).await.expect("it delegates");
    bench.register("ctl", "ctl-agent").await.expect("it registers");
    let order =
        |id: &str| json!({"from": "oss-agent", "to": "ctl-agent", "content": "x", "data": [{"id": id}]});
    let refused = bench.assign("ctl", order("d-1")).await.expect_err("it may not read it");
    let absent = bench.assign("ctl", order("absent")).await.expect_err("there is none");
    assert_eq!(refused.message.replace("d-1", "absent"), absent.message);
    let opening = json!({"type": "magent-task:feasibility", "from": "oss-agent", "to": "ctl-agent", "content": "?",
        "data": [{"id": "d-1"}]});
    assert!(is_stranger(&bench.call("ctl", &n::OPEN_NEGOTIATION, opening).await));
    bench.assign("oss", order("d-1")).await.expect("its owner may");
}

#[tokio::test]
async fn auditors_see_what_is_private_and_write_nothing_for_that() {
    let bench = Bench::new().await;
    bench.begin().await;
    for path in [task("t-1"), negotiation("n-1"), data_object("d-1")] {
        assert_eq!(bench.read("auditor", &path).expect("it is seen"), bench.read("oss", &path).expect("own"));
        assert!(bench.read("auditor@auditor", &path).is_err(), "a bound credential sees what its agent sees");
        assert!(bench.read("oss@oss-agent", &path).is_ok());
        assert!(bench.read("oss@other", &path).is_err());
    }
    let read = &n::INTERACTION_DATA_OBJECTS_DATA_OBJECT_READ;
    let refused = bench.act("auditor", read, Some(data_object("d-1")), json!({})).await;
    assert_eq!(refused.expect_err("data itself is not shown").tag, Tag::AccessDenied);
    bench.act("admin", read, Some(data_object("d-1")), json!({})).await.expect("an administrator may");
    bench.delegate("oss", "oss-agent", "ctl", &["read"]).await.expect("it delegates");
    bench.act("ctl", read, Some(data_object("d-1")), json!({})).await.expect("a reader may");
    assert!(bench.read("ctl", &task("t-1")).is_ok());
    bench.clock.advance_seconds(60);
    assert!(bench.read("ctl", &task("t-1")).is_err(), "its time is over");
}

#[tokio::test]
async fn a_bound_credential_registers_and_speaks_for_its_agent_alone() {
    let bench = Bench::new().await;
    for (user, name) in
        [("oss@oss-agent", "another"), ("oss@oss-agent", "oss"), ("admin@oss-agent", "ip-agent")]
    {
        let refused = bench.register(user, name).await.expect_err("it is bound to another agent");
        assert_eq!(refused.app_tag.as_deref(), Some("not-authorized"), "{user} {name}");
    }
    bench.register("oss@oss-agent", "oss-agent").await.expect("it is its own");
    bench.register("oss@new-agent", "new-agent").await.expect("nobody has it");
    let taken = bench.register("admin@ip-agent", "ip-agent").await.expect_err("it takes nothing over");
    assert_eq!(taken.app_tag.as_deref(), Some("not-authorized"));
    let nacm = &agentconf::yang::generated::ietf_netconf_acm::nodes::NACM;
    assert!(bench.read("admin", &InstancePath::default()).is_ok());
    let edit = Edit { operation: Operation::Remove, path: plain(&[nacm]), value: None, insert: None };
    bench.edit("admin", edit, Vec::new()).await.expect("an administrator may");
    let body = json!({"ietf-netconf-acm:nacm": {"enable-nacm": false}});
    let refused =
        bench.put("admin@oss-agent", plain(&[nacm]), body).await.expect_err("it is no administrator");
    assert_eq!(refused.tag, Tag::AccessDenied);
}

#[tokio::test]
async fn a_stream_says_nothing_more_as_soon_as_the_right_to_it_is_gone() {
    let order = |id: &str| json!({"id": id, "from": "oss-agent", "to": "server", "content": "diagnose"});
    for (how, user) in [("revoked", "ctl"), ("expired", "ctl"), ("taken-over", "oss"), ("ended", "ctl")] {
        let bench = Bench::new().await;
        let id = bench.delegate("oss", "oss-agent", "ctl", &["read"]).await.expect("it delegates");
        let mut stream = bench.follow(user);
        bench.assign("oss", order("t-1")).await.expect("it is assigned");
        // Both are read before the first is taken: what waits is judged when it is taken.
        bench.assign("oss", order("t-2")).await.expect("it is assigned");
        while stream.next().await.expect("read").expect("more").notification.node != &n::TASK_EVENT {}
        assert!(stream.ready().is_some(), "the draft's notification of the same event");
        match how {
            "revoked" => drop(bench.revoke("oss", &id).await.expect("it revokes")),
            "expired" => bench.clock.advance_seconds(60),
            "taken-over" => drop(bench.register("admin", "oss-agent").await.expect("it is taken over")),
            _ => {
                let leave = &registry::REGISTRY_AGENTS_AGENT_DEREGISTER;
                bench.act("oss", leave, Some(agent("oss-agent")), json!({})).await.expect("it leaves");
            }
        }
        bench.put_data("ip", "last").await.expect("it is put");
        loop {
            let next = stream.next().await.expect("read").expect("more").notification.node.name;
            assert!(!["task-event", "condition-notifications"].contains(&next), "{how}: {next}");
            if next == "netconf-config-change" {
                break;
            }
        }
    }
}
