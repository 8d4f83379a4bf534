//! What is agreed and promised, and by whom it can be used: for whose task, as long as it is under way, and in what unit.

use std::time::Duration;

use agentconf::engine::From;
use agentconf::limits::Limits;
use agentconf::yang::error::Error;
use agentconf::yang::generated::{magent_policy, magent_task};
use serde_json::{Value as Json, json};
use tokio::time::timeout;

use super::bench::*;
use super::policies::*;
use magent_policy::nodes as policy;
use magent_task::nodes as n;

fn lines(count: &str) -> Json {
    json!([{"name": "lines", "number": count}])
}

fn accept(from: &str, latest: u32) -> Json {
    json!({"from": from, "in-reply-to": latest, "move": "accept"})
}

fn order(id: &str, negotiation: &str) -> Json {
    json!({"id": id, "from": "oss-agent", "to": "ip-agent", "content": "do", "negotiation": negotiation})
}

fn fulfillment(id: &str, task: &str, terms: Json) -> Json {
    json!({"id": id, "type": "magent-task:fulfillment", "from": "ip-agent", "to": "oss-agent", "task": task, "term": terms})
}

/// A policy to which any number of lines is as good as another.
fn of_lines(agent: &str) -> Json {
    let mut policy = price(agent, "0", "0");
    policy["term"] = json!([{"name": "lines", "number": {"min": "1", "max": "9", "step": "1"}}]);
    policy["reservation"] = json!("0");
    policy
}

impl Bench {
    async fn capacity(&self, capacity: Json) -> Result<Json, Error> {
        self.call("ip", &policy::SET_CAPACITY, json!({"agent": "ip-agent", "capacity": [capacity]})).await
    }

    /// An agreement about so many lines.
    async fn agrees(&self, id: &str, count: &str) -> Result<Json, Error> {
        self.open(opening(id, lines(count))).await.expect("it opens");
        self.respond("ip", id, accept("ip-agent", 1)).await
    }

    /// Waits until so many commitments are shown.
    async fn promises(&self, count: usize) {
        let shown = async {
            while self.commitments("ip").len() != count {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), shown).await.expect("as many are promised");
    }

    async fn begins(&self, id: &str) {
        let report = &n::INTERACTION_TASKS_TASK_REPORT;
        let status = json!({"status": "processing"});
        self.act("ip", report, Some(task(id)), status).await.expect("it begins");
    }

    async fn cancels(&self, id: &str) {
        let cancel = &n::INTERACTION_TASKS_TASK_CANCEL;
        self.act("oss", cancel, Some(task(id)), json!({})).await.expect("it is cancelled");
    }

    /// Waits until a negotiation has expired.
    async fn expires(&self, id: &str) {
        let expired = async {
            while self.negotiation(id)["status"] != "expired" {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), expired).await.expect("it expires");
    }

    /// A task that is executed, and carries out what was agreed if a negotiation is named.
    async fn executed(&self, id: &str, negotiation: Option<&str>) {
        let mut order = order(id, "");
        match negotiation {
            Some(negotiation) => order["negotiation"] = json!(negotiation),
            None => drop(order.as_object_mut().and_then(|order| order.remove("negotiation"))),
        }
        self.assign("oss", order).await.expect("it is assigned");
        self.begins(id).await;
    }
}

#[tokio::test]
async fn what_the_responder_has_is_what_it_executes_with() {
    let bench = Bench::new().await;
    bench
        .capacity(json!({"term": "lines", "amount": "50", "role": "responder"}))
        .await
        .expect("it is stored");
    bench.open(opening("n", lines("10"))).await.expect("it opens");
    bench.respond("ip", "n", accept("ip-agent", 1)).await.expect("it is free");
    bench.executed("t", Some("n")).await;
    let more = bench.call("ip", &n::OPEN_NEGOTIATION, fulfillment("f", "t", lines("51"))).await;
    assert_eq!(app_tag(more), "capacity-exceeded");
    bench.call("ip", &n::OPEN_NEGOTIATION, fulfillment("f", "t", lines("50"))).await.expect("it is free");
    bench.respond("oss", "f", accept("oss-agent", 1)).await.expect("it is agreed");
    assert_eq!(bench.commitments("ip").len(), 1);
    bench.open(opening("m", lines("1"))).await.expect("it opens");
    assert_eq!(app_tag(bench.respond("ip", "m", accept("ip-agent", 1)).await), "capacity-exceeded");
    // Nothing is agreed of it now.
    bench.call("ip", &n::OPEN_NEGOTIATION, fulfillment("g", "t", lines("0"))).await.expect("it opens");
    bench.respond("oss", "g", accept("oss-agent", 1)).await.expect("it is agreed");
    assert_eq!(bench.commitments("ip"), Vec::<Json>::new());
    bench.respond("ip", "m", accept("ip-agent", 1)).await.expect("it is free");
}

#[tokio::test]
async fn what_has_lapsed_is_promised_anew_by_an_order_or_refused() {
    let bench = Bench::new().await;
    bench.capacity(json!({"term": "lines", "amount": "10", "held-for": 1})).await.expect("it is stored");
    bench.agrees("late", "6").await.expect("it is free");
    bench.clock.advance_seconds(2);
    bench.agrees("next", "6").await.expect("the other has lapsed");
    assert_eq!(app_tag(bench.assign("oss", order("a", "late")).await), "capacity-exceeded");
    bench.assign("oss", order("b", "next")).await.expect("it came in time");
    assert_eq!(app_tag(bench.assign("oss", order("a", "late")).await), "capacity-exceeded");
    bench.cancels("b").await;
    bench.assign("oss", order("a", "late")).await.expect("it is free again");
    bench.clock.advance_seconds(2);
    let bench = bench.restart().await;
    let promised = bench.commitments("ip");
    assert_eq!(
        (promised.len(), &promised[0]["task"]),
        (1, &json!("a")),
        "it is promised until the task ends"
    );
    assert_eq!(app_tag(bench.agrees("more", "5").await), "capacity-exceeded");
}

#[tokio::test]
async fn what_was_released_is_promised_anew_by_an_order_or_refused() {
    let bench = Bench::new().await;
    bench.capacity(json!({"term": "lines", "amount": "10"})).await.expect("it is stored");
    for (id, count) in [("a", "6"), ("b", "4")] {
        bench.agrees(id, count).await.expect("it is free");
    }
    let release = |id: &str| json!({"agent": "ip-agent", "negotiation": id});
    bench.call("ip", &policy::RELEASE_COMMITMENT, release("a")).await.expect("it is released");
    bench.agrees("c", "5").await.expect("it is free");
    assert_eq!(app_tag(bench.assign("oss", order("t", "a")).await), "capacity-exceeded");
    bench.call("ip", &policy::RELEASE_COMMITMENT, release("c")).await.expect("it is released");
    bench.assign("oss", order("t", "a")).await.expect("it is free again");
    assert_eq!(bench.commitments("ip").len(), 2);
    assert_eq!(app_tag(bench.agrees("d", "1").await), "capacity-exceeded");
}

#[tokio::test]
async fn what_an_order_promises_anew_counts_once() {
    let bench = Bench::limited(Limits { commitments_agent_max: 2, ..Limits::default() }).await;
    let capacity =
        json!([{"term": "lines", "amount": "10", "held-for": 1}, {"term": "ports", "amount": "10"}]);
    let capacity = json!({"agent": "ip-agent", "capacity": capacity});
    bench.call("ip", &policy::SET_CAPACITY, capacity).await.expect("it is stored");
    let both = json!([{"name": "lines", "number": "1"}, {"name": "ports", "number": "1"}]);
    bench.open(opening("n", both)).await.expect("it opens");
    bench.respond("ip", "n", accept("ip-agent", 1)).await.expect("it is free");
    bench.clock.advance_seconds(2);
    bench.promises(1).await;
    bench.assign("oss", order("t", "n")).await.expect("it has promised no more than it may");
    assert_eq!(bench.commitments("ip").len(), 2);
    assert_eq!(app_tag(bench.agrees("m", "1").await), "too-many");
}

#[tokio::test]
async fn what_was_agreed_before_there_was_a_capacity_is_taken_by_the_order() {
    let bench = Bench::new().await;
    for id in ["a", "b"] {
        bench.agrees(id, "6").await.expect("nothing is said of a capacity");
    }
    bench.capacity(json!({"term": "lines", "amount": "10"})).await.expect("it is stored");
    assert_eq!(bench.commitments("ip"), Vec::<Json>::new());
    bench.assign("oss", order("s", "a")).await.expect("it is free");
    assert_eq!(bench.commitments("ip").len(), 1);
    assert_eq!(app_tag(bench.assign("oss", order("t", "b")).await), "capacity-exceeded");
    bench.cancels("s").await;
    bench.assign("oss", order("t", "b")).await.expect("it is free again");
}

#[tokio::test]
async fn what_is_promised_no_longer_is_not_shown() {
    let bench = Bench::new().await;
    bench
        .capacity(json!({"term": "lines", "amount": "10", "held-for": 5, "window-term": "when"}))
        .await
        .expect("it is stored");
    bench.agrees("held", "1").await.expect("it is free");
    let at = |seconds: i64| {
        let time = bench.clock.clock().now().saturating_add_seconds(seconds);
        time.to_string()
    };
    let window = json!({"name": "when", "window": {"start": at(0), "end": at(60)}});
    let windowed = json!([{"name": "lines", "number": "1"}, window]);
    bench.open(opening("windowed", windowed)).await.expect("it opens");
    bench.respond("ip", "windowed", accept("ip-agent", 1)).await.expect("it is free");
    bench.assign("oss", order("t", "windowed")).await.expect("it is as agreed");
    assert_eq!(bench.commitments("ip").len(), 2);
    let policies = plain(&[&policy::POLICIES]);
    let before = bench.revision("ip", &policies);
    bench.clock.advance_seconds(6);
    bench.promises(1).await;
    assert!(bench.revision("ip", &policies) > before, "what is shown has changed");
    bench.clock.advance_seconds(60);
    bench.promises(0).await;
    bench.restart().await;
}

#[tokio::test]
async fn an_order_is_repeated_as_it_was_given_whatever_was_agreed_since() {
    let bench = Bench::new().await;
    let mut plain = order("t", "");
    plain.as_object_mut().map(|order| order.remove("negotiation"));
    plain["term"] = lines("6");
    bench.assign("oss", plain.clone()).await.expect("it is assigned");
    bench.begins("t").await;
    for (id, count) in [("f", "4"), ("g", "3")] {
        bench.call("ip", &n::OPEN_NEGOTIATION, fulfillment(id, "t", lines(count))).await.expect("it opens");
        bench.respond("oss", id, accept("oss-agent", 1)).await.expect("it is agreed");
    }
    // What is saved of it is read again.
    let bench = bench.restart().await;
    assert_eq!(bench.read("ip", &task("t")).expect("it is there")["term"], lines("3.0"));
    bench.assign("oss", plain.clone()).await.expect("it is repeated");
    for count in ["4", "3"] {
        plain["term"] = lines(count);
        assert_eq!(app_tag(bench.assign("oss", plain.clone()).await), "id-in-use", "nobody ordered {count}");
    }
}

#[tokio::test]
async fn a_repetition_with_other_data_is_another_order_or_opening() {
    let bench = Bench::new().await;
    let data = |text: &str| json!([{"id": "ad", "text": text}]);
    let mut order = order("t", "");
    order.as_object_mut().map(|order| order.remove("negotiation"));
    order["data"] = data("one");
    bench.assign("oss", order.clone()).await.expect("it is assigned");
    bench.assign("oss", order.clone()).await.expect("it is repeated");
    for other in [data("two"), json!([{"id": "ad", "text": "one", "description": "d"}])] {
        order["data"] = other;
        assert_eq!(app_tag(bench.assign("oss", order.clone()).await), "id-in-use");
    }
    let mut opening = opening("n", lines("1"));
    opening["data"] = json!([{"id": "nd", "binary": "AAEC"}]);
    bench.open(opening.clone()).await.expect("it opens");
    bench.open(opening.clone()).await.expect("it is repeated");
    opening["data"] = json!([{"id": "nd", "binary": "AAED"}]);
    assert_eq!(app_tag(bench.open(opening.clone()).await), "id-in-use");
    // Nor is a part that was put already another object.
    let again = json!({"id": "nd", "from": "oss-agent", "binary": "AAEC"});
    let refused = bench.call("oss", &n::PUT_DATA, again).await.expect_err("it is complete");
    assert!(refused.message.contains("is there already, and complete"), "{refused}");
    // Who refers to it says nothing else of it.
    opening["data"] = json!([{"id": "nd"}]);
    bench.open(opening).await.expect("it is repeated");
}

#[tokio::test]
async fn an_order_has_terms_as_sound_as_an_opening() {
    let bench = Bench::new().await;
    let window = |start: &str, end: &str| json!([{"name": "when", "window": {"start": start, "end": end}}]);
    for terms in [
        window("2027-02-02T00:00:00Z", "2027-02-01T00:00:00Z"),
        window("2027-02-30T00:00:00Z", "2027-03-01T00:00:00Z"),
    ] {
        let mut order = order("t", "");
        order.as_object_mut().map(|order| order.remove("negotiation"));
        order["term"] = terms.clone();
        assert_eq!(app_tag(bench.assign("oss", order).await), "bad-terms");
        assert_eq!(app_tag(bench.open(opening("n", terms)).await), "bad-terms");
    }
}

#[tokio::test]
async fn a_time_is_refused_with_its_place_and_in_plain_words() {
    let bench = Bench::new().await;
    let order = |deadline: &str| json!({"id": "t", "from": "oss-agent", "to": "ip-agent", "content": "do", "deadline": deadline});
    let query = |leaf: &str, time: &str| json!({leaf: time});
    let place = |error: &Error| error.path.as_ref().map(ToString::to_string).unwrap_or_default();
    for (time, words) in [
        ("9999-12-31T23:59:59Z", "outside of the times that can be used: 0000-01-01T00:00:00Z to 9999-"),
        ("2027-02-30T00:00:00Z", "no date, time and offset that there is"),
        ("2027-02-03T00:00:00", "not a date and time of RFC 3339"),
        ("2001-02-03T00:00:00Z", ""),
    ] {
        let mut opening = opening("n", lines("1"));
        opening["deadline"] = json!(time);
        let mut asked: Vec<(&str, _, Json)> = vec![
            ("assign-task/input/deadline", &n::ASSIGN_TASK, order(time)),
            ("open-negotiation/input/deadline", &n::OPEN_NEGOTIATION, opening),
        ];
        if !words.is_empty() {
            asked.extend([
                ("query-tasks/input/changed-since", &n::QUERY_TASKS, query("changed-since", time)),
                ("query-messages/input/since", &n::QUERY_MESSAGES, query("since", time)),
            ]);
        }
        for (leaf, operation, input) in asked {
            let refused = bench.call("oss", operation, input).await.expect_err("it is no time for it");
            assert!(place(&refused).ends_with(leaf), "{refused}: {:?}", refused.path);
            assert!(refused.message.contains(words), "{refused}");
        }
    }
}

#[tokio::test]
async fn a_fulfillment_is_agreed_of_a_task_that_is_executed() {
    let bench = Bench::new().await;
    bench.capacity(json!({"term": "lines", "amount": "50"})).await.expect("it is stored");
    for id in ["t", "u", "c"] {
        bench.executed(id, None).await;
        let of = fulfillment(&format!("of-{id}"), id, lines("1"));
        bench.call("ip", &n::OPEN_NEGOTIATION, of).await.expect("it opens");
    }
    let done = json!({"status": "finished", "result": {"content": "done"}});
    for id in ["t", "u"] {
        let report = &n::INTERACTION_TASKS_TASK_REPORT;
        bench.act("ip", report, Some(task(id)), done.clone()).await.expect("it is done");
    }
    // With its end nothing is left to be negotiated of it; what is finished can still come back.
    bench.cancels("c").await;
    bench.expires("of-c").await;
    let before = bench.read("oss", &task("t")).expect("it is there");
    assert_eq!(app_tag(bench.respond("oss", "of-t", accept("oss-agent", 1)).await), "bad-transition");
    assert_eq!(bench.read("oss", &task("t")).expect("it is there"), before);
    // Neither does a policy.
    bench.policy("oss", of_lines("oss-agent")).await.expect("it is stored");
    let explain = json!({"agent": "oss-agent", "negotiation": "of-u"});
    let told = loop {
        let told = bench.call("oss", &policy::EXPLAIN_MOVES, explain.clone()).await.expect("it is told");
        match told["account"].as_array().and_then(|told| told.first()) {
            Some(account) => break account.clone(),
            None => tokio::task::yield_now().await,
        }
    };
    assert!(told["reason"].to_string().contains("is not being executed"), "{told}");
    assert_eq!(bench.commitments("ip"), Vec::<Json>::new());
    assert_eq!(bench.negotiation("of-u")["status"], "open");
    let accepted = json!({"verdict": "accepted"});
    bench
        .act("oss", &n::INTERACTION_TASKS_TASK_VERIFY, Some(task("u")), accepted)
        .await
        .expect("it is right");
    bench.expires("of-u").await;
    let name = json!({"agent": "oss-agent", "name": "secret-policy"});
    bench.call("oss", &policy::REMOVE_POLICY, name).await.expect("it is removed");
    // There are no more terms than a task can have.
    bench.executed("v", None).await;
    let terms = |from: u32| -> Json {
        (from..from + 40).map(|number| json!({"name": format!("t{number}"), "number": "1"})).collect()
    };
    bench.call("ip", &n::OPEN_NEGOTIATION, fulfillment("v-1", "v", terms(0))).await.expect("it opens");
    bench.respond("oss", "v-1", accept("oss-agent", 1)).await.expect("they are forty");
    bench.call("ip", &n::OPEN_NEGOTIATION, fulfillment("v-2", "v", terms(30))).await.expect("it opens");
    let refused = bench.respond("oss", "v-2", accept("oss-agent", 1)).await.expect_err("they are seventy");
    assert!(refused.to_string().contains("70 terms"), "{refused}");
    bench.restart().await;
}

#[tokio::test]
async fn an_agreement_is_carried_out_by_the_task_that_it_is_about() {
    let bench = Bench::new().await;
    let mut about = opening("n", lines("1"));
    about["task"] = json!("t");
    bench.open(about.clone()).await.expect("it opens");
    bench.respond("ip", "n", accept("ip-agent", 1)).await.expect("it is agreed");
    let mut own = order("self", "n");
    own["to"] = json!("oss-agent");
    assert_eq!(app_tag(bench.assign("oss", own).await), "unknown-reference");
    let mut reverse = order("reverse", "n");
    (reverse["from"], reverse["to"]) = (json!("ip-agent"), json!("oss-agent"));
    assert_eq!(app_tag(bench.assign("ip", reverse).await), "unknown-reference");
    assert_eq!(app_tag(bench.assign("oss", order("other", "n")).await), "terms-differ");
    bench.assign("oss", order("t", "n")).await.expect("it is the one");
    bench.open(about.clone()).await.expect("it is repeated");
    // Without a name it is any one, and the opening is the same still.
    bench.open(opening("m", lines("1"))).await.expect("it opens");
    bench.respond("ip", "m", accept("ip-agent", 1)).await.expect("it is agreed");
    let above = entry(
        &[&n::INTERACTION, &n::INTERACTION_NEGOTIATIONS],
        &n::INTERACTION_NEGOTIATIONS_NEGOTIATION,
        "m",
    );
    let before = bench.revision("oss", &above);
    bench.assign("oss", order("u", "m")).await.expect("it is assigned");
    assert!(bench.revision("oss", &above) > before, "what is shown has changed");
    let bench = bench.restart().await;
    assert_eq!(bench.negotiation("m")["task"], "u");
    bench.open(opening("m", lines("1"))).await.expect("it is repeated");
    bench.open(about).await.expect("it is repeated");
    let mut named = opening("m", lines("1"));
    named["task"] = json!("u");
    assert_eq!(app_tag(bench.open(named).await), "id-in-use");
}

#[tokio::test]
async fn an_order_without_a_type_has_the_one_that_was_negotiated_about() {
    let bench = Bench::new().await;
    let mut about = opening("n", lines("1"));
    about["task-type"] = json!("vpn");
    bench.open(about).await.expect("it opens");
    bench.respond("ip", "n", accept("ip-agent", 1)).await.expect("it is agreed");
    let mut other = order("t", "n");
    other["type"] = json!("repair");
    assert_eq!(app_tag(bench.assign("oss", other).await), "terms-differ");
    bench.assign("oss", order("t", "n")).await.expect("it is assigned");
    let entry = entry(&[&n::INTERACTION, &n::INTERACTION_TASKS], &n::INTERACTION_TASKS_TASK, "t");
    assert_eq!(bench.read("oss", &entry).expect("it is there")["type"], "vpn");
    bench.assign("oss", order("t", "n")).await.expect("it is repeated");
}

#[tokio::test]
async fn a_fulfillment_belongs_to_the_context_of_its_task() {
    let bench = Bench::new().await;
    let mut given = order("t", "");
    given["context"] = json!("c");
    given.as_object_mut().map(|given| given.remove("negotiation"));
    bench.assign("oss", given).await.expect("it is assigned");
    bench.begins("t").await;
    let about = fulfillment("f", "t", lines("7"));
    bench.call("ip", &n::OPEN_NEGOTIATION, about.clone()).await.expect("it opens");
    assert_eq!(bench.negotiation("f")["context"], "c");
    let said = bench.call("oss", &n::QUERY_MESSAGES, json!({"context": ["c"]})).await.expect("it is told");
    let moves =
        said["message"].as_array().map(|all| all.iter().filter(|one| one["negotiation"] == "f").count());
    assert_eq!(moves, Some(1), "{said}");
    bench.call("ip", &n::OPEN_NEGOTIATION, about).await.expect("it is repeated");
}

#[tokio::test]
async fn an_opening_by_policy_is_repeated_as_it_was_or_is_another_one() {
    let bench = Bench::new().await;
    bench.policy("oss", price("oss-agent", "1", "0")).await.expect("it is stored");
    let by_policy = |more: Json| {
        let mut input = json!({"id": "n", "type": "magent-task:feasibility", "from": "oss-agent", "to": "ip-agent",
            "max-rounds": 9, "content": "a line"});
        if let Some((input, more)) = input.as_object_mut().zip(more.as_object()) {
            input.extend(more.clone());
        }
        input
    };
    let open = async |more: Json| bench.call("oss", &policy::OPEN_BY_POLICY, by_policy(more)).await;
    let first = open(json!({})).await.expect("it opens");
    assert_eq!(open(json!({})).await.expect("it is repeated"), first);
    assert_eq!(open(json!({"policy": "secret-policy"})).await.expect("it is the same"), first);
    for other in
        [json!({"max-rounds": 99}), json!({"content": "two"}), json!({"task": "u"}), json!({"lifetime": 7})]
    {
        assert_eq!(app_tag(open(other).await), "id-in-use");
    }
    assert_eq!(app_tag(open(json!({"policy": "none"})).await), "policy-unknown");
    bench.open(opening("m", of_price("10"))).await.expect("it opens");
    assert_eq!(app_tag(open(json!({"id": "m"})).await), "id-in-use");
}

#[tokio::test]
async fn without_a_limit_of_rounds_two_policies_agree_before_there_is_no_room() {
    let limits = Limits { negotiation_bytes_max: 40_000, ..Limits::default() };
    let bench = Bench::limited(limits).await;
    let by = |agent: &str, cheap, dear| {
        let mut policy = price(agent, cheap, dear);
        policy["strategy"] = json!("magent-policy:default-strategy");
        policy
    };
    bench.policy("ip", by("ip-agent", "0", "1")).await.expect("it is stored");
    bench.policy("oss", by("oss-agent", "1", "0")).await.expect("it is stored");
    let mut follower =
        bench.engine.subscribe(&principal("oss"), None, From::Now, None).expect("it subscribes");
    let opening =
        json!({"id": "n", "from": "oss-agent", "to": "ip-agent", "type": "magent-task:feasibility"});
    bench.call("oss", &policy::OPEN_BY_POLICY, opening).await.expect("it opens");
    let explain = json!({"agent": "oss-agent", "negotiation": "n"});
    while bench.negotiation("n")["status"] == "open" {
        let told = bench.call("oss", &policy::EXPLAIN_MOVES, explain.clone()).await.expect("it is told");
        let told = told["account"].as_array().cloned().unwrap_or_default();
        assert!(told.iter().all(|account| account["move"] != Json::Null), "{:?}", told.last());
        follower.next().await.expect("it follows").expect("the engine runs");
    }
    assert_eq!(bench.negotiation("n")["status"], "agreed");
    assert!(bench.negotiation("n")["round"].as_array().map_or(0, Vec::len) > 20);
}

#[tokio::test]
async fn what_was_left_is_looked_at_again_when_there_is_something_new() {
    let bench = Bench::limited(Limits { commitments_agent_max: 1, ..Limits::default() }).await;
    bench.capacity(json!({"term": "lines", "amount": "10"})).await.expect("it is stored");
    bench.open(opening("n", lines("1"))).await.expect("it opens");
    bench.respond("ip", "n", accept("ip-agent", 1)).await.expect("it is free");
    bench.policy("ip", of_lines("ip-agent")).await.expect("it is stored");
    bench.open(opening("m", lines("5"))).await.expect("it opens");
    // It would accept, and has promised as often as it may.
    let explain = json!({"agent": "ip-agent", "negotiation": "m"});
    let left = async || {
        let told = bench.call("ip", &policy::EXPLAIN_MOVES, explain.clone()).await.expect("it is told");
        let told = told["account"].as_array().cloned().unwrap_or_default();
        told.iter().filter(|account| account["move"] == Json::Null).count()
    };
    assert_eq!(left().await, 1);
    let mut follower =
        bench.engine.subscribe(&principal("oss"), None, From::Now, None).expect("it subscribes");
    let release = json!({"agent": "ip-agent", "negotiation": "n"});
    bench.call("ip", &policy::RELEASE_COMMITMENT, release).await.expect("it is released");
    follower.next().await.expect("it follows").expect("the engine runs");
    assert_eq!((&bench.negotiation("m")["status"], left().await), (&json!("agreed"), 1));
    bench.restart().await;
}

#[tokio::test]
async fn what_is_promised_keeps_its_name_and_its_unit_and_goes_with_its_task() {
    let limits = Limits { negotiations_max: 1, tasks_max: 1, ..Limits::default() };
    let bench = Bench::limited(limits).await;
    bench.capacity(json!({"term": "lines", "amount": "10"})).await.expect("it is stored");
    bench.open(opening("n", lines("8"))).await.expect("it opens");
    bench.respond("ip", "n", accept("ip-agent", 1)).await.expect("it is free");
    let other = json!({"term": "lines", "amount": "10000", "unit": "half"});
    assert_eq!(app_tag(bench.capacity(other.clone()).await), "bad-policy");
    // A capacity that was taken back and is said again counts as before.
    let taken_back = json!({"agent": "ip-agent", "capacity": []});
    bench.call("ip", &policy::SET_CAPACITY, taken_back).await.expect("nothing is limited");
    assert_eq!(app_tag(bench.capacity(other.clone()).await), "bad-policy");
    bench.capacity(json!({"term": "lines", "amount": "10"})).await.expect("it is counted in the same unit");
    bench.executed("t", Some("n")).await;
    // The negotiation is forgotten, and what it took is not.
    let about = fulfillment("f", "t", lines("7"));
    bench.call("ip", &n::OPEN_NEGOTIATION, about).await.expect("it opens");
    bench.respond("oss", "f", accept("oss-agent", 1)).await.expect("it is agreed");
    bench.open(opening("m", lines("1"))).await.expect("the other is forgotten");
    bench
        .respond("oss", "m", json!({"from": "oss-agent", "in-reply-to": 1, "move": "withdraw"}))
        .await
        .expect("it ends");
    let mut again = opening("f", lines("1"));
    again["max-rounds"] = json!(30);
    assert_eq!(app_tag(bench.open(again.clone()).await), "id-in-use");
    // What is finished and never verified ends when it is forgotten.
    let done = json!({"status": "finished", "result": {"content": "done"}});
    bench.act("ip", &n::INTERACTION_TASKS_TASK_REPORT, Some(task("t")), done).await.expect("it ends");
    let policies = plain(&[&policy::POLICIES]);
    let before = bench.revision("ip", &policies);
    assert_eq!(bench.commitments("ip").len(), 1);
    bench.executed("u", None).await;
    assert_eq!(bench.commitments("ip"), Vec::<Json>::new());
    assert!(bench.revision("ip", &policies) > before);
    bench.open(again).await.expect("the name is free");
    bench.capacity(other).await.expect("nothing is promised");
}

#[tokio::test]
async fn an_opening_by_policy_has_what_the_task_has_already() {
    let bench = Bench::new().await;
    bench.capacity(json!({"term": "lines", "amount": "10"})).await.expect("it is stored");
    bench.open(opening("n", lines("8"))).await.expect("it opens");
    bench.respond("ip", "n", accept("ip-agent", 1)).await.expect("it is free");
    bench.executed("t", Some("n")).await;
    let mut policy = price("ip-agent", "1", "0");
    let worth = json!([{"at": "5", "worth": "0"}, {"at": "9", "worth": "1"}]);
    policy["term"] =
        json!([{"name": "lines", "number": {"min": "5", "max": "9", "step": "1", "point": worth}}]);
    bench.policy("ip", policy).await.expect("it is stored");
    let mut about = fulfillment("f", "t", json!([]));
    about.as_object_mut().map(|about| about.remove("term"));
    let opened = bench.call("ip", &policy::OPEN_BY_POLICY, about).await.expect("nine are free for it");
    assert_eq!(opened["term"][0]["number"], "9.0");
}

#[tokio::test]
async fn a_name_with_policies_is_not_registered_by_another() {
    let bench = Bench::new().await;
    bench.policy("bob", price("bob", "1", "0")).await.expect("it is its own name");
    assert_eq!(app_tag(bench.register("eve", "bob").await), "not-authorized");
    assert_ne!(bench.policies("bob"), Json::Null);
}

#[tokio::test]
async fn that_others_negotiate_is_not_told() {
    let bench = Bench::new().await;
    bench.open(opening("n", lines("1"))).await.expect("it opens");
    bench.register("eve", "eve-agent").await.expect("it registers");
    for id in ["n", "none"] {
        for operation in [&policy::EXPLAIN_MOVES, &policy::ADVISE_MOVE] {
            let asked = json!({"agent": "eve-agent", "negotiation": id});
            assert_eq!(app_tag(bench.call("eve", operation, asked).await), "unknown-reference", "{id}");
        }
    }
}
