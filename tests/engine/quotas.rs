//! What one user may use: counted for the user whom an agent belongs to, refused as a whole when it is too much, and the same
//! after a restart.

#[path = "../../codegen/tests/support/random.rs"]
mod random;

use std::collections::BTreeMap;

use agentconf::engine::Counted;
use agentconf::limits::Limits;
use agentconf::yang::error::{Error, Tag};
use agentconf::yang::generated::{irtf_agent, magent_registry, magent_task};
use agentconf::yang::path::InstancePath;
use serde_json::{Value as Json, json};

use super::bench::*;
use irtf_agent::nodes as draft;
use magent_registry::nodes as registry;
use magent_task::nodes as n;
use random::Random;

fn few() -> Limits {
    Limits {
        agents_user_max: 2,
        tasks_open_user_max: 2,
        negotiations_open_user_max: 1,
        contexts_user_max: 1,
        data_user_bytes_max: 10,
        config_user_bytes_max: 200,
        ..Limits::default()
    }
}

fn exceeds(answer: Result<impl std::fmt::Debug, Error>, limit: &str) {
    let error = answer.expect_err(limit);
    assert_eq!(
        (error.tag, error.app_tag.as_deref()),
        (Tag::ResourceDenied, Some("quota-exceeded")),
        "{error}"
    );
    assert!(error.message.contains(&format!("\"{limit}\"")), "{error}");
}

fn order(from: &str, id: &str) -> Json {
    json!({"id": id, "from": from, "to": "ip-agent", "content": "diagnose"})
}

#[tokio::test]
async fn what_would_be_more_than_a_user_may_have_is_refused_and_names_the_limit() {
    let bench = Bench::limited(few()).await;
    bench.register("oss", "second").await.expect("two are allowed");
    exceeds(bench.register("oss", "third").await, "agents_user_max");
    bench.register("oss", "second").await.expect("it is renewed");

    bench.assign("oss", order("oss-agent", "t-1")).await.expect("two are allowed");
    bench.assign("oss", order("second", "t-2")).await.expect("two are allowed");
    exceeds(bench.assign("oss", order("second", "t-3")).await, "tasks_open_user_max");
    bench.assign("oss", order("second", "t-2")).await.expect("it is repeated");
    let draft_order =
        json!({"task-sendFrom": "second", "task-sendTo": "ip-agent", "content": "##task description a"});
    exceeds(bench.order("oss", draft_order).await, "tasks_open_user_max");
    assert!(bench.read("oss", &plain(&[&draft::TASKS])).is_err(), "nothing of it was done");
    bench.act("oss", &n::INTERACTION_TASKS_TASK_CANCEL, Some(task("t-1")), json!({})).await.expect("it ends");
    bench.assign("oss", order("second", "t-3")).await.expect("there is room again");

    let opening = |context: &str| json!({"type": "magent-task:feasibility", "from": "oss-agent", "to": "ip-agent", "content": "?", "context": context});
    bench.call("oss", &n::OPEN_NEGOTIATION, opening("c-1")).await.expect("one is allowed");
    exceeds(bench.call("oss", &n::OPEN_NEGOTIATION, opening("c-1")).await, "negotiations_open_user_max");
    let other = json!({"from": "ip-agent", "to": "oss-agent", "content": "x", "context": "c-2"});
    bench.assign("ip", other).await.expect("another user has room");
    let third = json!({"from": "ip-agent", "to": "oss-agent", "content": "x", "context": "c-3"});
    exceeds(bench.assign("ip", third).await, "contexts_user_max");

    let data = |from: &str, text: &str| json!({"from": from, "text": text});
    bench.call("oss", &n::PUT_DATA, data("oss-agent", "12345")).await.expect("ten are allowed");
    exceeds(bench.call("oss", &n::PUT_DATA, data("second", "123456")).await, "data_user_bytes_max");
    bench.call("oss", &n::PUT_DATA, data("second", "12345")).await.expect("ten are allowed");
}

#[tokio::test]
async fn what_is_written_in_the_drafts_tree_counts_for_who_wrote_it_last() {
    let bench = Bench::limited(few()).await;
    let write = async |user: &str, id: &str, octets: usize| {
        let body =
            json!({"irtf-agent:data-params": [{"id": id, "dataType": "text", "data": "x".repeat(octets)}]});
        bench.put(user, entry(&[], &draft::DATA_PARAMS, id), body).await
    };
    write("oss", "d-1", 100).await.expect("there is room");
    exceeds(write("oss", "d-2", 100).await, "config_user_bytes_max");
    assert!(bench.read("oss", &entry(&[], &draft::DATA_PARAMS, "d-2")).is_err(), "nothing was written");
    write("ip", "d-1", 90).await.expect("it is now of ip");
    assert_eq!(bench.engine.snapshot().usage("oss")[Counted::ConfigOctets], 0);
    write("oss", "d-2", 100).await.expect("there is room again");
    exceeds(write("ip", "d-2", 110).await, "config_user_bytes_max");
    bench.delete("oss", entry(&[], &draft::DATA_PARAMS, "d-1")).await.expect("anybody may");
    assert_eq!(bench.engine.snapshot().usage("ip")[Counted::ConfigOctets], 0);
    write("admin", "large", 10_000).await.expect("an administrator may");
}

/// What each user uses, found by looking at everything there is.
fn counted(bench: &Bench, users: &[&str], written: &BTreeMap<String, (String, u64)>) -> Vec<[u64; 6]> {
    let root = bench.read("admin", &InstancePath::default()).expect("it is there");
    let all = |top: &str, middle: &str, list: &str| -> Vec<Json> {
        root[top][middle][list].as_array().cloned().unwrap_or_default()
    };
    let snapshot = bench.engine.snapshot();
    let holder = |agent: &Json| {
        let agent = agent.as_str().unwrap_or_default();
        snapshot.registry.owner(agent).unwrap_or(agent).to_owned()
    };
    let agents = all("magent-registry:registry", "agents", "agent");
    let tasks = all("magent-task:interaction", "tasks", "task");
    let negotiations = all("magent-task:interaction", "negotiations", "negotiation");
    let contexts = all("magent-task:interaction", "contexts", "context");
    let data = all("magent-task:interaction", "data-objects", "data-object");
    let size = |object: &Json| object["size"].as_str().and_then(|size| size.parse::<u64>().ok()).unwrap_or(0);
    let open = |task: &&Json| {
        !["finished", "cancelled", "rejected", "failed", "aborted"]
            .contains(&task["status"].as_str().unwrap_or_default())
    };
    let of = |user: &&str| {
        let count =
            |list: &[Json], leaf: &str| list.iter().filter(|e| holder(&e[leaf]) == *user).count() as u64;
        let open_tasks: Vec<Json> = tasks.iter().filter(open).cloned().collect();
        let opened: Vec<Json> = negotiations.iter().filter(|n| n["status"] == "open").cloned().collect();
        [
            count(&agents, "name"),
            count(&open_tasks, "from"),
            count(&opened, "initiator"),
            contexts.iter().filter(|c| holder(&c["message"][0]["from"]) == *user).count() as u64,
            data.iter().filter(|d| d.get("owner").is_some_and(|o| holder(o) == *user)).map(size).sum(),
            written.values().filter(|(author, _)| author == user).map(|(_, octets)| octets).sum(),
        ]
    };
    users.iter().map(of).collect()
}

fn told(bench: &Bench, users: &[&str]) -> Vec<[u64; 6]> {
    let snapshot = bench.engine.snapshot();
    let of = |user: &&str| {
        let usage = snapshot.usage(user);
        [
            usage[Counted::Agents],
            usage[Counted::OpenTasks],
            usage[Counted::OpenNegotiations],
            usage[Counted::Contexts],
            usage[Counted::DataOctets],
            usage[Counted::ConfigOctets],
        ]
    };
    users.iter().map(of).collect()
}

#[tokio::test]
async fn whatever_users_do_the_counts_are_what_there_is_and_a_restart_counts_the_same() {
    let users = ["a", "b", "c", "admin", ""];
    let names = ["a", "b", "x", "y", "z"];
    let mut random = Random::new(7, "quotas");
    let mut bench = Bench::empty();
    let mut written: BTreeMap<String, (String, u64)> = BTreeMap::new();
    for step in 0..600 {
        let user = *random.pick(&users[..4]).expect("a user");
        let (from, to) = (*random.pick(&names).expect("a name"), *random.pick(&names).expect("a name"));
        let id = random.below(8);
        // What is refused changes nothing; that is what is looked at.
        match random.below(10) {
            0 | 1 => drop(bench.register(user, from).await),
            2 => {
                let leave = &registry::REGISTRY_AGENTS_AGENT_DEREGISTER;
                drop(bench.act(user, leave, Some(agent(from)), json!({})).await);
            }
            3 => {
                let order = json!({"id": format!("t-{id}"), "from": from, "to": "server", "content": "x", "context": format!("c-{step}"),
                    "data": [{"id": format!("given-{step}"), "text": "12345"}]});
                drop(bench.assign(user, order).await);
            }
            4 => {
                let cancel = &n::INTERACTION_TASKS_TASK_CANCEL;
                drop(bench.act(user, cancel, Some(task(&format!("t-{id}"))), json!({})).await);
            }
            5 => {
                let opening = json!({"id": format!("n-{id}"), "type": "magent-task:feasibility", "from": from, "to": to,
                    "content": "?", "context": format!("c-{step}"), "lifetime": 30 * (id + 1)});
                drop(bench.call(user, &n::OPEN_NEGOTIATION, opening).await);
            }
            6 => {
                let respond = &n::INTERACTION_NEGOTIATIONS_NEGOTIATION_RESPOND;
                let withdraw = json!({"from": from, "in-reply-to": 1, "move": "withdraw"});
                drop(bench.act(user, respond, Some(negotiation(&format!("n-{id}"))), withdraw).await);
            }
            7 => drop(bench.call(user, &n::PUT_DATA, json!({"from": from, "text": "1234567"})).await),
            8 => {
                let (key, octets) = (format!("d-{id}"), random.below(50));
                let path = entry(&[], &draft::DATA_PARAMS, &key);
                if random.percent(30) {
                    if bench.delete(user, path).await.is_ok() {
                        written.remove(&key);
                    }
                } else {
                    let data = "x".repeat(octets);
                    let body =
                        json!({"irtf-agent:data-params": [{"id": key, "dataType": "text", "data": data}]});
                    let before = bench.engine.snapshot().position;
                    bench.put(user, path, body).await.expect("everybody may");
                    if bench.engine.snapshot().position > before {
                        let octets = ["id", &key, "dataType", "text", "data", &data]
                            .map(str::len)
                            .iter()
                            .sum::<usize>();
                        written.insert(key, (user.to_owned(), octets as u64));
                    }
                }
            }
            _ => bench.clock.advance_seconds(10),
        }
        if step % 20 == 19 {
            // What the clock brings about is done before the next write.
            bench.put_data("admin", "tick").await.expect("it is put");
            let octets = ["id", "tick", "dataType", "text", "data", "x"].map(str::len).iter().sum::<usize>();
            written.insert("tick".to_owned(), ("admin".to_owned(), octets as u64));
            assert_eq!(told(&bench, &users), counted(&bench, &users, &written), "step {step}");
        }
        if step % 200 == 199 {
            let before = told(&bench, &users);
            bench = bench.restart().await;
            assert_eq!(told(&bench, &users), before);
        }
    }
    let totals: Vec<u64> =
        (0..6).map(|kind| told(&bench, &users).iter().map(|usage| usage[kind]).sum()).collect();
    assert!(totals.iter().all(|total| *total > 0), "each was counted: {totals:?}");
}
