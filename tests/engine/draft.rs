//! The draft's own tree between users: what is an agent's, or the order of one user, is not read or changed there by others.

use agentconf::datastore::edit::{Edit, Operation};
use agentconf::engine::{Candidate, Content, Datastore, From, Subscription};
use agentconf::yang::error::{Error, Tag};
use agentconf::yang::generated::ietf_netconf_monitoring::identities::Transport;
use agentconf::yang::generated::ietf_netconf_monitoring::nodes as monitoring;
use agentconf::yang::generated::irtf_agent::{ConditionNotifications, nodes as draft};
use agentconf::yang::generated::magent_datastores::nodes as revisions;
use agentconf::yang::generated::magent_task::nodes as n;
use agentconf::yang::model::Modelled;
use agentconf::yang::path::InstancePath;
use serde_json::{Value as Json, json};

use super::bench::*;

fn data(id: &str) -> InstancePath {
    entry(&[], &draft::DATA_PARAMS, id)
}

fn context(id: &str) -> InstancePath {
    entry(&[], &draft::CONTEXT, id)
}

fn tasks() -> InstancePath {
    plain(&[&draft::TASKS])
}

impl Bench {
    async fn write(&self, user: &str, id: &str, text: &str) -> Result<(), Error> {
        self.entry(user, json!({"id": id, "dataType": "text", "data": text})).await
    }

    async fn entry(&self, user: &str, written: Json) -> Result<(), Error> {
        let path = data(written["id"].as_str().expect("an id"));
        self.put(user, path, json!({"irtf-agent:data-params": [written]})).await.map(drop)
    }

    async fn exchange(&self, user: &str, id: &str, from: &str, to: &str) -> Result<(), Error> {
        let time = "2026-11-22T10:00:00Z";
        let entry = json!({"id": id, "sendFrom": from, "sendTo": to,
            "request-info": {"content": format!("by {from}"), "time": time},
            "response-info": {"dataParam": "common", "time": time}});
        self.put(user, context(id), json!({"irtf-agent:context": [entry]})).await.map(drop)
    }

    async fn store(&self, user: &str, input: Json) -> Result<Json, Error> {
        self.call(user, &n::PUT_DATA, input).await
    }

    async fn remove(&self, user: &str, id: &str) -> Result<Json, Error> {
        let operation = &n::INTERACTION_DATA_OBJECTS_DATA_OBJECT_REMOVE;
        self.act(user, operation, Some(data_object(id)), json!({})).await
    }

    async fn merge(&self, user: &str, order: Json) -> Result<(), Error> {
        let edit = put(tasks(), json!({"irtf-agent:tasks": order}))?;
        self.edit(user, Edit { operation: Operation::Merge, ..edit }, Vec::new()).await.map(drop)
    }

    fn text(&self, user: &str, id: &str) -> Option<String> {
        self.read(user, &data(id)).ok()?["data"].as_str().map(str::to_owned)
    }

    fn object(&self, id: &str) -> Json {
        self.read("admin", &data_object(id)).expect("it is there")
    }

    fn follow_from(&self, user: &str, from: From) -> Subscription {
        self.engine.subscribe(&principal(user), None, from, None).expect("it subscribes")
    }
}

fn why(answer: Result<impl std::fmt::Debug, Error>) -> String {
    let error = answer.expect_err("it is refused");
    error.app_tag.map_or_else(|| format!("{:?}", error.tag), Into::into)
}

/// An order that is stored and changes no task, with where to report.
fn query(from: &str, to: &str, secret: &str) -> Json {
    json!({"task-sendFrom": from, "task-sendTo": to, "commuType": "taskResultQuery",
        "content": format!("##task description {secret}"),
        "task-subscription": {"subscript-url": format!("https://192.0.2.1/cb?key={secret}")}})
}

#[tokio::test]
async fn an_entry_takes_the_place_of_no_object_of_an_agent() {
    let bench = Bench::new().await;
    bench.register("eve", "eve-agent").await.expect("it registers");
    bench
        .store("oss", json!({"id": "cfg1", "from": "oss-agent", "text": "good"}))
        .await
        .expect("it is stored");
    let order =
        json!({"id": "t", "from": "oss-agent", "to": "ip-agent", "content": "x", "data": [{"id": "cfg1"}]});
    bench.assign("oss", order).await.expect("it is assigned");
    for user in ["eve", "ip", "oss", "admin"] {
        let refused = bench.write(user, "cfg1", "EVIL").await.expect_err("it is an agent's");
        assert_eq!((refused.tag, refused.app_tag.as_deref()), (Tag::DataExists, Some("id-in-use")), "{user}");
        assert_eq!(refused.path, Some(data("cfg1")), "{user}");
    }
    assert!(bench.read("eve", &data("cfg1")).is_err());
    for user in ["oss", "ip", "admin"] {
        assert_eq!(
            bench.text(user, "cfg1").as_deref(),
            Some("good"),
            "{user} reads the text by the draft alone"
        );
    }
    assert_eq!(bench.text("auditor", "cfg1"), None, "who audits sees that it is there");
    assert!(bench.read("auditor", &data("cfg1")).is_ok());
    bench.write("oss", "late", "old").await.expect("it is written");
    let revision = bench.engine.snapshot().config_revision.to_string();
    bench.delete("oss", data("late")).await.expect("nobody refers to it");
    bench
        .store("eve", json!({"id": "late", "from": "eve-agent", "text": "new"}))
        .await
        .expect("it is stored");
    let back = bench.call("admin", &revisions::ROLLBACK, json!({"revision": revision})).await;
    back.expect("nobody keeps an administrator from going back");
    assert_eq!(bench.text("eve", "late").as_deref(), Some("new"), "an agent's object goes before");
    assert_eq!(bench.text("ip", "late").as_deref(), Some("old"), "who may not see it sees what was written");
    let long = "x".repeat(16 * 1024 + 1);
    bench.store("oss", json!({"id": "long", "from": "oss-agent", "text": long})).await.expect("it is stored");
    assert!(bench.read("oss", &data("long")).is_ok() && bench.text("oss", "long").is_none());
}

#[tokio::test]
async fn what_a_task_refers_to_is_changed_by_who_wrote_it() {
    let bench = Bench::new().await;
    bench.write("oss", "d", "one").await.expect("it is written");
    bench.write("eve", "d", "two").await.expect("it is common ground");
    bench.write("oss", "d", "three").await.expect("it is common ground");
    let order =
        json!({"id": "t", "from": "oss-agent", "to": "ip-agent", "content": "x", "data": [{"id": "d"}]});
    bench.assign("oss", order).await.expect("it is assigned");
    for user in ["eve", "ip"] {
        assert_eq!(why(bench.write(user, "d", "EVIL").await), "data-in-use", "{user}");
        let refused = bench.delete(user, data("d")).await.expect_err("a task refers to it");
        assert_eq!(
            (refused.app_tag.as_deref(), refused.path),
            (Some("data-in-use"), Some(data("d"))),
            "{user}"
        );
    }
    let bench = bench.restart().await;
    assert_eq!(why(bench.write("eve", "d", "EVIL").await), "data-in-use", "who wrote it is not forgotten");
    bench.write("oss", "d", "four").await.expect("who wrote it");
    bench.delete("oss", data("d")).await.expect("who wrote it");
    assert_eq!(why(bench.write("eve", "d", "EVIL").await), "id-in-use", "the task still has it");
    bench.write("admin", "d", "five").await.expect("an administrator");
}

#[tokio::test]
async fn a_context_is_written_by_who_has_a_part_in_it() {
    let bench = Bench::new().await;
    bench.register("eve", "eve-agent").await.expect("it registers");
    bench.write("oss", "common", "x").await.expect("it is written");
    let order = json!({"id": "t", "from": "oss-agent", "to": "ip-agent", "content": "why?", "context": "cx"});
    bench.assign("oss", order).await.expect("it is assigned");
    let refused = bench.exchange("eve", "cx", "eve-agent", "eve-agent").await.expect_err("it is of others");
    assert_eq!((refused.tag, refused.app_tag.as_deref()), (Tag::DataExists, Some("id-in-use")));
    assert_eq!(refused.path, Some(context("cx")));
    bench.exchange("oss", "cx", "oss-agent", "ip-agent").await.expect("it is of both");
    assert_eq!(why(bench.exchange("eve", "cx", "eve-agent", "ip-agent").await), "id-in-use");
    let seen =
        |user| bench.read(user, &context("cx")).expect("it is there")["request-info"]["content"].clone();
    assert_eq!(seen("ip"), "by oss-agent");
    let data = json!([{"id": "d", "text": "because"}]);
    for report in [json!({"status": "processing"}), json!({"status": "finished", "result": {"data": data}})] {
        let operation = &n::INTERACTION_TASKS_TASK_REPORT;
        bench.act("ip", operation, Some(task("t")), report).await.expect("it is reported");
    }
    assert_eq!((seen("ip"), seen("oss")), (json!("why?"), json!("why?")), "what they said goes before");

    bench.exchange("oss", "other", "oss-agent", "ip-agent").await.expect("it is written");
    assert_eq!(why(bench.exchange("eve", "other", "eve-agent", "ip-agent").await), "not-authorized");
    assert_eq!(why(bench.delete("eve", context("other")).await), "not-authorized");
    bench.delete("ip", context("other")).await.expect("it is of ip too");
}

#[tokio::test]
async fn an_order_is_seen_by_who_gave_it_and_its_parties_in_every_datastore() {
    const SHARED: Datastore = Datastore::Candidate(Candidate::Shared);
    let bench = Bench::new().await;
    let before = bench.engine.snapshot().position;
    bench.order("oss", query("oss-agent", "ip-agent", "SECRET")).await.expect("it is given");
    let root = InstancePath::default();
    let running =
        [Datastore::Running, Datastore::Unified, Datastore::Intended, Datastore::Operational, SHARED];
    for datastore in running {
        let read = |user: &str, content| {
            let found = bench
                .engine
                .read(&principal(user), datastore, &root, content)
                .expect("the datastore is there");
            format!("{:?}", found.child)
        };
        for content in [Content::All, Content::Config] {
            for user in ["oss", "admin"] {
                assert!(read(user, content).contains("cb?key=SECRET"), "{user} {datastore:?}");
            }
            for user in ["ip", "auditor"] {
                let seen = read(user, content);
                assert!(
                    seen.contains("description SECRET") && !seen.contains("cb?key"),
                    "{user} {datastore:?}"
                );
            }
            for user in ["eve", "oss@other-agent"] {
                assert!(!read(user, content).contains("SECRET"), "{user} {datastore:?}");
            }
        }
        assert_eq!(
            bench.read_in(datastore, "eve", &tasks()).expect_err("it is private").tag,
            Tag::DataMissing
        );
    }
    let compare = async |user: &str, from: u64, to: u64| {
        let input = json!({"source": {"revision": from.to_string()}, "target": {"revision": to.to_string()}});
        bench.call(user, &revisions::COMPARE, input).await.expect("they are compared").to_string()
    };
    let after = bench.engine.snapshot().position;
    assert!(!compare("eve", before, after).await.contains("SECRET"));

    // Whose order stands now does not see the one that it took the place of.
    let of_session = Datastore::Candidate(Candidate::Session(1));
    let edit = put(data("d"), json!({"irtf-agent:data-params": [{"id": "d", "dataType": "text"}]}));
    bench.edit_in(of_session, "eve", edit.expect("it fits"), Vec::new()).await.expect("it is prepared");
    bench.order("eve", query("eve", "eve", "OTHER")).await.expect("it takes its place");
    let seen = bench.read_in(of_session, "eve", &root).expect("it is there").to_string();
    assert!(seen.contains("OTHER") && !seen.contains("SECRET"), "{seen}");
    assert!(!compare("eve", before, after).await.contains("SECRET"));
    assert!(bench.read("oss", &tasks()).is_err(), "and neither do the others see theirs");
}

#[tokio::test]
async fn an_order_is_not_changed_by_others_and_not_mixed_with_theirs() {
    let bench = Bench::new().await;
    let order = json!({"task-id": "t-1", "task-sendFrom": "oss-agent", "task-sendTo": "ip-agent",
        "content": "##task description mend it", "expected-response": "SECRET"});
    bench.order("oss", order.clone()).await.expect("it is given");
    let given = bench.read("oss", &tasks()).expect("it is there");
    assert_eq!(bench.read("ip", &tasks()).expect("it is ordered to"), given);

    assert_eq!(bench.delete("eve", tasks()).await.expect_err("there is none for eve").tag, Tag::DataMissing);
    assert_eq!(bench.delete("ip", tasks()).await.expect_err("it is another's").tag, Tag::AccessDenied);
    let remove = Edit { operation: Operation::Remove, path: tasks(), value: None, insert: None };
    bench.edit("eve", remove, Vec::new()).await.expect("there is nothing to remove");
    let empty = put(InstancePath::default(), json!({"ietf-restconf:data": {}}));
    if let Ok(empty) = empty {
        assert!(bench.edit("eve", empty, Vec::new()).await.is_err(), "it would remove it");
    }
    assert_eq!(bench.read("oss", &tasks()).expect("it is there"), given);

    // Nothing that was there stays, and the same words are another order.
    bench
        .merge("eve", json!({"task-sendTo": "ip-agent", "content": "##task description x"}))
        .await
        .expect("it is given");
    let merged = bench.read("eve", &tasks()).expect("it is there");
    assert!(merged.get("expected-response").is_none() && merged.get("task-id").is_none(), "{merged}");
    assert!(bench.read("oss", &tasks()).is_err());
    let count = || bench.engine.snapshot().tasks.tasks().len();
    assert_eq!(count(), 2);
    let same = json!({"task-sendTo": "ip-agent", "content": "##task description x"});
    bench.order("oss", same).await.expect("it is given");
    let dispatch = bench.read("oss", &tasks()).expect("it is there")["magent-irtf-bridge:dispatch"].clone();
    assert_eq!((count(), &dispatch["status"]), (3, &json!("created")));
    assert_eq!(bench.read("oss", &task("t-1")).expect("it is there")["status"], "created", "tasks stay");
    let position = bench.engine.snapshot().position;
    let bench = bench.restart().await;
    assert_eq!(bench.engine.snapshot().position, position);
    assert_eq!(bench.read("oss", &tasks()).expect("it is there")["magent-irtf-bridge:dispatch"], dispatch);
}

#[tokio::test]
async fn no_task_is_ordered_with_a_piece_of_data() {
    let bench = Bench::new().await;
    let piece = |text: &str, finished: bool| json!({"id": "ch", "dataType": "text", "data": text, "chunked": true, "finished": finished});
    let order =
        json!({"id": "t", "from": "oss-agent", "to": "ip-agent", "content": "x", "data": [{"id": "ch"}]});
    bench.entry("oss", piece("part1", false)).await.expect("it is written");
    assert_eq!(why(bench.assign("oss", order.clone()).await), "data-incomplete");
    bench.entry("oss", piece("part1part2", true)).await.expect("it is written");
    bench.assign("oss", order).await.expect("nothing follows it");
    let whole = json!({"id": "one", "dataType": "text", "data": "x", "finished": false});
    bench.entry("oss", whole).await.expect("it is written");
    let order = json!({"from": "oss-agent", "to": "ip-agent", "content": "x", "data": [{"id": "one"}]});
    bench.assign("oss", order).await.expect("it does not come in pieces");
}

#[tokio::test]
async fn rfc_6470_a_notification_says_who_speaks_to_whom() {
    let bench = Bench::new().await;
    let mut events = bench.follow_from("oss", From::Now);
    let order = json!({"id": "t", "from": "oss-agent", "to": "ip-agent", "content": "x"});
    bench.assign("oss", order).await.expect("it is assigned");
    let report = &n::INTERACTION_TASKS_TASK_REPORT;
    bench.act("ip", report, Some(task("t")), json!({"status": "processing"})).await.expect("it is reported");
    bench
        .act("oss", &n::INTERACTION_TASKS_TASK_CANCEL, Some(task("t")), json!({}))
        .await
        .expect("it is cancelled");
    let mut told = Vec::new();
    while told.len() < 3 {
        let event = events.next().await.expect("the log is read").expect("the stream goes on");
        if event.notification.node == ConditionNotifications::node() {
            let said = ConditionNotifications::from_data(&event.notification.data).expect("it is one");
            told.push(
                [said.commu_type, said.task_send_from, said.task_send_to].map(Option::unwrap_or_default),
            );
        }
    }
    let expected = [
        ["taskAssgin", "oss-agent", "ip-agent"],
        ["taskResultNotify", "ip-agent", "oss-agent"],
        ["taskCancel", "oss-agent", "ip-agent"],
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_checksum_holds_for_the_whole_whenever_it_is_said() {
    const ABCDEF: &str = "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721";
    let bench = Bench::new().await;
    let parts = async |id: &str, last: &str| {
        let first = json!({"id": id, "from": "oss-agent", "text": "abc", "more": true, "sha256": ABCDEF});
        bench.store("oss", first).await.expect("it is stored");
        bench.store("oss", json!({"id": id, "from": "oss-agent", "text": last, "offset": "3"})).await
    };
    assert_eq!(parts("good", "def").await.expect("it is so")["sha256"], ABCDEF);
    assert_eq!(why(parts("bad", "DEF").await), "bad-checksum");
    assert_eq!(bench.object("bad")["complete"], false);
    let bench = bench.restart().await;
    let wrong = json!({"id": "bad", "from": "oss-agent", "text": "dex", "offset": "3"});
    assert_eq!(why(bench.store("oss", wrong).await), "bad-checksum", "after a restart too");
    let right = json!({"id": "bad", "from": "oss-agent", "text": "def", "offset": "3"});
    bench.store("oss", right).await.expect("it is so");

    let elsewhere = json!({"id": "far", "from": "oss-agent", "url": "https://192.0.2.1/x", "sha256": ABCDEF});
    bench.store("oss", elsewhere).await.expect("who fetches it compares");
    assert_eq!(bench.object("far")["sha256"], ABCDEF);
}

#[tokio::test]
async fn what_is_private_is_not_told_from_what_is_not_there_when_it_is_removed() {
    let bench = Bench::new().await;
    bench.store("oss", json!({"id": "there", "from": "oss-agent", "text": "x"})).await.expect("it is stored");
    let refused = async |id: &str| {
        let error = bench.remove("eve", id).await.expect_err("it is not eve's");
        let (tag, app_tag, message) = refusal(&error);
        (tag, app_tag.map(str::to_owned), message.replace(id, "ID"))
    };
    assert_eq!(refused("there").await, refused("nowhere").await);

    let granted = json!({"delegate": "del", "may": ["data"], "lifetime": 60});
    let delegate = &agentconf::yang::generated::magent_registry::nodes::REGISTRY_AGENTS_AGENT_DELEGATE;
    bench.act("oss", delegate, Some(agent("oss-agent")), granted).await.expect("it is granted");
    bench.store("del", json!({"id": "given", "from": "oss-agent", "text": "x"})).await.expect("it may");
    bench.remove("del", "given").await.expect("it may remove what it gave");
    assert_eq!(why(bench.remove("eve", "there").await), "unknown-reference");
}

#[tokio::test]
async fn sessions_and_orders_of_others_are_told_to_who_may_see_them() {
    let bench = Bench::new().await;
    let begin = bench.engine.snapshot().position;
    let host = Some("192.0.2.7".parse().expect("an address"));
    for user in ["oss", "eve"] {
        drop(bench.engine.session(&principal(user), host, Transport::NetconfSsh).await.expect("it begins"));
    }
    bench.order("oss", query("oss-agent", "ip-agent", "x")).await.expect("it is given");
    bench.write("oss", "last", "x").await.expect("it is written");
    let told = async |user: &str| {
        let mut events = bench.follow_from(user, From::Behind(begin));
        let mut told = Vec::new();
        loop {
            let event = events.next().await.expect("the log is read").expect("the stream goes on");
            let text = format!("{:?}", event.notification.data);
            told.push((event.notification.node.name, text.clone()));
            if text.contains("last") {
                return told;
            }
        }
    };
    let count = |told: &[(&str, String)], name: &str| told.iter().filter(|(node, _)| *node == name).count();
    let (eve, oss, admin) = (told("eve").await, told("oss").await, told("admin").await);
    assert_eq!(count(&eve, "netconf-session-start"), 1);
    assert!(
        eve.iter().all(|(name, text)| !name.starts_with("netconf-session") || text.contains("\"eve\"")),
        "{eve:?}"
    );
    assert_eq!(count(&oss, "netconf-session-start"), 1);
    assert_eq!(count(&admin, "netconf-session-start"), 2);
    let changes = |told: &[(&str, String)]| count(told, "netconf-config-change");
    assert_eq!((changes(&eve), changes(&oss), changes(&admin)), (1, 2, 2), "{eve:?}");
    assert_eq!(changes(&told("ip").await), 1);

    // The list shows what the stream tells.
    let session = async |user| {
        bench.engine.session(&principal(user), host, Transport::NetconfSsh).await.expect("it begins")
    };
    let sessions = [session("oss").await, session("eve").await];
    let listed = |user: &str| {
        let state = bench.read(user, &plain(&[&monitoring::NETCONF_STATE])).expect("it is there");
        let all = state["sessions"]["session"].as_array().cloned().unwrap_or_default();
        all.iter().map(|session| session["username"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(listed("eve"), ["eve"]);
    assert_eq!(listed("ip"), [""; 0]);
    assert_eq!(
        (listed("auditor"), listed("admin")),
        (vec![json!("oss"), json!("eve")], vec![json!("oss"), json!("eve")])
    );
    drop(sessions);
}
