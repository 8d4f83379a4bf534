//! A model that is asked about a move: what is there meanwhile, for whom, and after a restart.

use std::time::Duration;

use agentconf::engine::{From, Outcome, Verdict, write_snapshot};
use agentconf::log::LogReader;
use agentconf::negotiation::policies::Said;
use agentconf::yang::generated::magent_policy::SetAside;
use agentconf::yang::generated::{magent_policy, magent_task};
use serde_json::{Value as Json, json};

use super::bench::*;
use magent_policy::nodes as policy;
use magent_task::nodes as n;

/// What a price is worth is said twice, so that proposals are as good as others.
fn stored(agent: &str, cheap: &str, dear: &str) -> Json {
    let number = json!({"min": "0", "max": "10", "step": "1",
        "point": [{"at": "0", "worth": cheap}, {"at": "10", "worth": dear}]});
    json!({"agent": agent, "name": "p", "strategy": "time-dependent", "exponent": "3", "judgement": {"rank": true, "word": true},
        "reservation": "0.5", "term": [{"name": "a", "number": number}, {"name": "b", "number": number}]})
}

fn opening(id: &str) -> Json {
    let term = json!([{"name": "a", "number": "0"}, {"name": "b", "number": "1"}]);
    json!({"id": id, "type": "magent-task:feasibility", "from": "oss-agent", "to": "ip-agent", "max-rounds": 20, "term": term})
}

impl Bench {
    fn of(&self, id: &str) -> Json {
        let seen = self.read("admin", &plain(&[&n::INTERACTION])).expect("it is there");
        let all = seen["negotiations"]["negotiation"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|one| one["id"] == id).expect("there is such a negotiation")
    }

    /// The verdict of a model about the move that is awaited.
    fn verdict(&self, said: Said) -> Verdict {
        let state = self.engine.snapshot();
        let (id, course) = state.negotiations.awaiting_judgement().next().expect("a model is asked");
        Verdict { negotiation: id.to_string(), asked_at: course.asked().expect("it is asked").0, said }
    }

    async fn told(&self, user: &str, agent: &str) -> Json {
        let explain = json!({"agent": agent, "negotiation": "n"});
        self.call(user, &policy::EXPLAIN_MOVES, explain).await.expect("it is told")["account"].clone()
    }
}

fn says(choice: i64, content: &str) -> Said {
    Said::Answer { choice: Some(choice), content: Some(content.into()) }
}

#[tokio::test]
async fn two_models_are_asked_in_turn_and_each_side_is_told_of_its_own() {
    let bench = Bench::judged(Duration::from_secs(10)).await;
    bench.call("ip", &policy::SET_POLICY, stored("ip-agent", "0", "1")).await.expect("it is stored");
    let opened = bench.call("oss", &n::OPEN_NEGOTIATION, opening("n")).await.expect("it opens");
    assert_eq!((&opened["status"], &opened["reply"]), (&json!("open"), &Json::Null));
    bench.call("oss", &policy::SET_POLICY, stored("oss-agent", "1", "0")).await.expect("it is stored");
    let first = bench.verdict(says(1, "Gladly."));
    let mut rounds = 1;
    while bench.of("n")["status"] == "open" {
        let outcome = bench.engine.judged(bench.verdict(says(1, "Gladly."))).await.expect("it is recorded");
        assert_eq!(outcome, Some(Outcome::Used));
        rounds += 1;
        assert_eq!(bench.of("n")["round"].as_array().map(Vec::len), Some(rounds));
    }
    assert_eq!(bench.of("n")["status"], "agreed");
    // What comes twice, or late, changes nothing.
    let before = bench.engine.snapshot().position;
    assert_eq!(bench.engine.judged(first).await, Ok(None));
    assert_eq!(bench.engine.snapshot().position, before);
    for (user, agent) in [("ip", "ip-agent"), ("oss", "oss-agent")] {
        let told = bench.told(user, agent).await;
        let all = told.as_array().expect("it has moved");
        assert!(all.iter().all(|one| one["judgement"]["worded"] == json!([null])), "{told}");
    }
    let seen = bench.read("oss", &plain(&[&n::INTERACTION])).expect("it is there");
    assert!(!seen.to_string().contains("judgement") && seen.to_string().contains("Gladly."), "{seen}");
}

#[tokio::test]
async fn what_is_awaited_outlasts_a_restart_with_and_without_a_snapshot_until_its_time_is_over() {
    for has_snapshot in [false, true] {
        let bench = Bench::judged(Duration::from_secs(10)).await;
        bench.call("ip", &policy::SET_POLICY, stored("ip-agent", "0", "1")).await.expect("it is stored");
        bench.call("oss", &n::OPEN_NEGOTIATION, opening("n")).await.expect("it opens");
        let before = bench.engine.snapshot();
        if has_snapshot {
            let log = LogReader::open(bench.directory.path()).expect("the log is there");
            write_snapshot(&log, &before).expect("it is written");
        }
        let bench = bench.restart().await;
        assert_eq!(bench.engine.snapshot().negotiations, before.negotiations);
        let mut follower =
            bench.engine.subscribe(&principal("oss"), None, From::Now, None).expect("it subscribes");
        bench.clock.advance_seconds(10);
        follower.next().await.expect("it follows").expect("the engine runs");
        assert_eq!(bench.of("n")["round"][1]["move"], "counter");
        assert_eq!(bench.told("ip", "ip-agent").await[0]["judgement"]["set-aside"], "late");
        // The origin of the record is the server.
        let records =
            LogReader::open(bench.directory.path()).expect("the log is there").read(before.position, 9);
        let records = records.expect("it is read");
        assert!(records.iter().all(|record| record.actor.is_empty()), "{records:?}");
    }
}

#[tokio::test]
async fn a_judgement_is_a_request_that_the_rules_judge() {
    let bench = Bench::judged(Duration::from_secs(10)).await;
    bench.call("ip", &policy::SET_POLICY, stored("ip-agent", "0", "1")).await.expect("it is stored");
    bench.call("oss", &n::OPEN_NEGOTIATION, opening("n")).await.expect("it opens");
    let mut wrong = bench.verdict(says(1, "Gladly."));
    wrong.asked_at += 1;
    assert_eq!(bench.engine.judged(wrong).await, Ok(None));
    let outcome = bench.engine.judged(bench.verdict(says(77, "We accept."))).await;
    assert_eq!(outcome, Ok(Some(Outcome::SetAside(SetAside::NoSuchOption))));
    let made = bench.of("n")["round"][1].clone();
    assert_eq!((&made["move"], &made["content"]), (&json!("counter"), &Json::Null));
    // The administrator of the server is told nothing of it.
    for user in ["oss", "admin"] {
        let explain = json!({"agent": "ip-agent", "negotiation": "n"});
        assert!(bench.call(user, &policy::EXPLAIN_MOVES, explain).await.is_err(), "{user}");
    }
}
