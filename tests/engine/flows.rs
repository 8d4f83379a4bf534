//! What happens to agents, tasks and negotiations from beginning to end, over a restart, by the
//! clock and to a subscriber.

use std::collections::BTreeSet;

use agentconf::clock::Timestamp;
use agentconf::engine::{Content, Datastore, From, Precondition};
use agentconf::yang::error::Tag;
use agentconf::yang::generated::irtf_agent::nodes as draft;
use agentconf::yang::generated::{magent_registry, magent_task};
use agentconf::yang::path::InstancePath;
use agentconf::yang::tree::Child;
use serde_json::{Value as Json, json};

use super::bench::*;

#[tokio::test]
async fn a_task_goes_its_way_and_is_there_after_a_restart() {
    use magent_task::nodes as n;
    let bench = Bench::new().await;
    let order = json!({"id": "t-1", "from": "oss-agent", "to": "ip-agent", "content": "diagnose link-17", "context": "c-1"});
    let assigned = bench.call("oss", &n::ASSIGN_TASK, order).await.expect("it is assigned");
    assert_eq!(assigned["status"], "created");

    let foreign = bench
        .act("oss", &n::INTERACTION_TASKS_TASK_REPORT, Some(task("t-1")), json!({"status": "processing"}))
        .await;
    assert_eq!(foreign.expect_err("only the executor reports").app_tag.as_deref(), Some("not-authorized"));
    let unseen = bench.act("eve", &n::INTERACTION_TASKS_TASK_CANCEL, Some(task("t-1")), json!({})).await;
    assert_eq!(unseen.expect_err("eve sees no task").app_tag.as_deref(), Some("unknown-reference"));

    for report in
        [json!({"status": "processing"}), json!({"status": "finished", "result": {"content": "fibre cut"}})]
    {
        bench
            .act("ip", &n::INTERACTION_TASKS_TASK_REPORT, Some(task("t-1")), report)
            .await
            .expect("it is reported");
    }
    let illegal = bench
        .act("ip", &n::INTERACTION_TASKS_TASK_REPORT, Some(task("t-1")), json!({"status": "processing"}))
        .await;
    assert_eq!(illegal.expect_err("it is over").app_tag.as_deref(), Some("task-ended"));
    let verdict = json!({"verdict": "accepted"});
    bench
        .act("oss", &n::INTERACTION_TASKS_TASK_VERIFY, Some(task("t-1")), verdict)
        .await
        .expect("it is verified");

    let before = bench.read("oss", &task("t-1")).expect("oss sees it");
    assert_eq!(before["status"], "finished");
    assert_eq!(before["result"]["verification"]["verdict"], "accepted");
    assert!(bench.read("eve", &task("t-1")).is_err(), "nobody else sees it");
    let bench = bench.restart().await;
    assert_eq!(bench.read("ip", &task("t-1")).expect("ip sees it"), before);
}

#[tokio::test]
async fn a_negotiation_ends_in_an_agreement_that_a_task_carries_out() {
    use magent_task::nodes as n;
    let bench = Bench::new().await;
    let opening = json!({"id": "n-1", "type": "magent-task:feasibility", "from": "oss-agent", "to": "ip-agent", "context": "c-1",
        "term": [{"name": "repair-time", "number": "60.0", "unit": "minutes"}]});
    bench.call("oss", &n::OPEN_NEGOTIATION, opening).await.expect("it opens");
    let early = json!({"from": "oss-agent", "to": "ip-agent", "negotiation": "n-1", "content": "repair"});
    let early = bench.call("oss", &n::ASSIGN_TASK, early).await.expect_err("nothing is agreed");
    assert_eq!(early.app_tag.as_deref(), Some("bad-transition"));

    let respond = &n::INTERACTION_NEGOTIATIONS_NEGOTIATION_RESPOND;
    let counter = json!({"from": "ip-agent", "in-reply-to": 1, "move": "counter",
        "term": [{"name": "repair-time", "number": "90.0", "unit": "minutes"}]});
    let answer = bench.act("ip", respond, Some(negotiation("n-1")), counter).await.expect("it counters");
    assert_eq!((&answer["status"], &answer["number"]), (&json!("open"), &json!(2)));
    let accept = json!({"from": "oss-agent", "in-reply-to": 2, "move": "accept"});
    let answer = bench.act("oss", respond, Some(negotiation("n-1")), accept).await.expect("it accepts");
    assert_eq!(answer["status"], "agreed");
    let order = json!({"from": "oss-agent", "to": "ip-agent", "negotiation": "n-1", "content": "repair"});
    bench.call("oss", &n::ASSIGN_TASK, order).await.expect("what is agreed is assigned");

    let root = bench.read("ip", &InstancePath::default()).expect("it is there");
    let messages =
        root["magent-task:interaction"]["contexts"]["context"][0]["message"].as_array().expect("a list");
    let moves: Vec<Option<&str>> = messages.iter().map(|message| message["move"].as_str()).collect();
    assert_eq!(moves, [Some("propose"), Some("counter"), Some("accept")]);

    let before = bench.read("oss", &negotiation("n-1")).expect("oss sees it");
    assert_eq!(before["agreed-round"], 2);
    let bench = bench.restart().await;
    assert_eq!(bench.read("ip", &negotiation("n-1")).expect("ip sees it"), before);
}

#[tokio::test]
async fn the_clock_ends_registrations_and_negotiations_and_marks_late_tasks() {
    use magent_task::nodes as n;
    let bench = Bench::new().await;
    let deadline = Timestamp::from_seconds(START + 300).expect("in range").to_string();
    let order = json!({"id": "t-1", "from": "oss-agent", "to": "ip-agent", "content": "diagnose", "deadline": deadline});
    bench.call("oss", &n::ASSIGN_TASK, order).await.expect("it is assigned");
    let opening = json!({"id": "n-1", "type": "magent-task:feasibility", "from": "oss-agent", "to": "ip-agent",
        "content": "when?", "lifetime": 60});
    bench.call("oss", &n::OPEN_NEGOTIATION, opening).await.expect("it opens");
    let mut events = bench.engine.subscribe(&principal("oss"), None, From::Now, None).expect("it subscribes");
    bench.clock.advance_seconds(700);
    let mut seen = BTreeSet::new();
    while !["negotiation-event", "task-event", "registry-change"].iter().all(|name| seen.contains(name)) {
        let next = events.next().await.expect("the log is read").expect("the stream goes on");
        seen.insert(next.notification.node.name);
    }
    assert_eq!(bench.read("oss", &negotiation("n-1")).expect("oss sees it")["status"], "expired");
    assert_eq!(bench.read("oss", &task("t-1")).expect("oss sees it")["overdue"], true);
    let left = bench
        .call("oss", &magent_registry::nodes::DISCOVER_AGENTS, json!({"skill-name": ["diagnose"]}))
        .await;
    assert_eq!(left.expect("it is answered"), json!({}));
}

#[tokio::test]
async fn a_write_of_the_drafts_tasks_assigns_or_is_refused_whole() {
    let bench = Bench::new().await;
    let order =
        json!({"task-sendTo": "ip-agent", "content": "##target object link-17\n##task description diagnose"});
    bench.order("oss", order).await.expect("it is accepted");
    let tasks = plain(&[&draft::TASKS]);
    let seen = bench.read("oss", &tasks).expect("it is there");
    let id = seen["magent-irtf-bridge:dispatch"]["task"].as_str().expect("a task was made").to_owned();
    assert_eq!(seen["task-status"], "created");
    assert_eq!(bench.read("ip", &task(&id)).expect("the executor sees it")["from"], "oss");

    let bad = json!({"task-sendTo": "nobody", "content": "##target object x\n##task description y"});
    let refused = bench.order("oss", bad).await.expect_err("there is no such agent");
    assert_eq!(refused.app_tag.as_deref(), Some("agent-unknown"));
    assert_eq!(bench.read("oss", &tasks).expect("it is there"), seen, "a refused write changes nothing");
}

#[tokio::test]
async fn a_precondition_is_checked_in_the_same_step_as_the_edit() {
    let bench = Bench::new().await;
    let path = entry(&[], &draft::DATA_PARAMS, "d-1");
    let absent = || vec![Precondition::MatchesNone(path.clone(), Vec::new())];
    let put = async |preconditions| {
        let content = json!({"irtf-agent:data-params": [{"id": "d-1", "dataType": "text"}]});
        bench.put_if("oss", path.clone(), content, preconditions).await.map(|reply| reply.created[0])
    };
    assert!(put(absent()).await.expect("it is created"));
    let again = put(absent()).await.expect_err("it exists");
    assert_eq!((again.tag, again.app_tag.as_deref()), (Tag::OperationFailed, Some("precondition-failed")));
    let revision = bench.revision("oss", &path);
    let stale = vec![Precondition::Matches(path.clone(), vec![revision + 1])];
    assert!(put(stale).await.is_err());
    let fresh = vec![Precondition::Matches(path.clone(), vec![revision])];
    assert!(!put(fresh).await.expect("it is replaced"));
}

#[tokio::test]
async fn a_subscriber_that_comes_back_gets_every_event_once() {
    let bench = Bench::new().await;
    let mut first = bench.engine.subscribe(&principal("oss"), None, From::Now, None).expect("it subscribes");
    for i in 0..5 {
        bench.put_data("oss", &format!("d-{i}")).await.expect("it is put");
    }
    let mut seen = Vec::new();
    for _ in 0..2 {
        let event = first.next().await.expect("read").expect("more");
        seen.push((event.position, event.part));
    }
    drop(first);
    let bench = bench.restart().await;
    for i in 5..8 {
        bench.put_data("oss", &format!("d-{i}")).await.expect("it is put");
    }
    let (position, part) = seen[1];
    let mut second = bench
        .engine
        .subscribe(&principal("oss"), None, From::After { position, part }, None)
        .expect("it subscribes");
    for _ in 0..6 {
        let event = second.next().await.expect("read").expect("more");
        seen.push((event.position, event.part));
    }
    let positions: Vec<u64> = seen.iter().map(|(position, _)| *position).collect();
    assert!(positions.windows(2).all(|pair| pair[1] == pair[0] + 1), "{positions:?}");
}

#[tokio::test]
async fn a_dangling_leafref_is_refused_and_a_target_in_use_is_kept() {
    let bench = Bench::new().await;
    let refer =
        || bench.put("oss", plain(&[&draft::MSG_BASE]), json!({"irtf-agent:msg-base": {"msg-data": "d-1"}}));
    let dangling = refer().await.expect_err("there is no d-1");
    assert_eq!((dangling.tag, dangling.app_tag.as_deref()), (Tag::DataMissing, Some("instance-required")));
    bench.put_data("oss", "d-1").await.expect("it is put");
    refer().await.expect("now there is");
    let used =
        bench.delete("oss", entry(&[], &draft::DATA_PARAMS, "d-1")).await.expect_err("it is referred to");
    assert_eq!(used.app_tag.as_deref(), Some("instance-required"));
}

#[tokio::test]
async fn the_drafts_lists_show_what_the_siblings_hold() {
    use magent_task::nodes as n;
    let bench = Bench::new().await;
    let order =
        json!({"id": "t-1", "from": "oss-agent", "to": "ip-agent", "content": "why?", "context": "c-1"});
    bench.call("oss", &n::ASSIGN_TASK, order).await.expect("it is assigned");
    bench.put_data("admin", "d-1").await.expect("it is put");
    let data =
        json!([{"id": "d-2", "data-type": "structured", "media-type": "application/json", "text": "{}"}]);
    for report in [
        json!({"status": "processing"}),
        json!({"status": "finished", "result": {"content": "cut", "data": data}}),
    ] {
        bench
            .act("ip", &n::INTERACTION_TASKS_TASK_REPORT, Some(task("t-1")), report)
            .await
            .expect("it is reported");
    }
    let root = bench.read("oss", &InstancePath::default()).expect("it is there");
    let ids =
        |list: &Json| list.as_array().expect("a list").iter().map(|e| e["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&root["irtf-agent:data-params"]), ["d-1", "d-2"]);
    assert_eq!(root["irtf-agent:data-params"][1]["format"], "application/json");
    assert_eq!(root["irtf-agent:context"][0]["request-info"]["content"], "why?");
    assert_eq!(root["irtf-agent:context"][0]["response-info"]["dataParam"], "d-2");
    let others = bench.read("eve", &InstancePath::default()).expect("it is there");
    assert_eq!(ids(&others["irtf-agent:data-params"]), ["d-1"], "private data is absent");
    assert_eq!(others.get("irtf-agent:context"), None);
    bench.delete("admin", entry(&[], &draft::DATA_PARAMS, "d-1")).await.expect("it is deleted");
    let root = bench.read("oss", &InstancePath::default()).expect("it is there");
    assert_eq!(ids(&root["irtf-agent:data-params"]), ["d-2"], "what was written is gone with its entry");
}

#[tokio::test]
async fn a_list_without_entries_is_absent_whatever_is_asked_for() {
    use magent_task::nodes::{INTERACTION, INTERACTION_TASKS, INTERACTION_TASKS_TASK};
    let bench = Bench::new().await;
    let data = plain(&[&draft::DATA_PARAMS]);
    let tasks = plain(&[&INTERACTION, &INTERACTION_TASKS, &INTERACTION_TASKS_TASK]);
    let read = |path: &InstancePath, content| {
        bench.engine.read(&principal("admin"), Datastore::Unified, path, content)
    };
    for content in [Content::All, Content::Config, Content::NonConfig] {
        for path in [&data, &tasks] {
            assert_eq!(read(path, content).expect_err("it is empty").tag, Tag::DataMissing, "{content:?}");
        }
        let root = read(&InstancePath::default(), content).expect("it is there");
        let Child::Container(root) = root.child else { panic!("the datastore is a container") };
        assert!(root.get(&draft::DATA_PARAMS).is_none(), "{content:?}");
    }
    bench.put_data("oss", "d-1").await.expect("it is written");
    assert!(read(&data, Content::All).is_ok() && read(&data, Content::Config).is_ok());
    assert_eq!(read(&data, Content::NonConfig).expect_err("it is configuration").tag, Tag::DataMissing);
}
