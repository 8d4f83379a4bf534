//! The server negotiates for agents: what it answers, who sees what of it, and what becomes of what was agreed.

use agentconf::engine::From;
use agentconf::limits::Limits;
use agentconf::yang::error::{Error, Tag};
use agentconf::yang::generated::{irtf_agent, magent_policy, magent_registry, magent_task};
use serde_json::{Value as Json, json};

use super::bench::*;
use irtf_agent::nodes as draft;
use magent_policy::nodes as policy;
use magent_registry::nodes as registry;
use magent_task::nodes as n;

/// A policy by which a high price is good, or a low one.
pub fn price(agent: &str, cheap: &str, dear: &str) -> Json {
    let worth = json!([{"at": "10", "worth": cheap}, {"at": "100", "worth": dear}]);
    let number = json!({"min": "10", "max": "100", "step": "1", "point": worth});
    json!({"agent": agent, "name": "secret-policy", "reservation": "0.2", "strategy": "time-dependent",
        "term": [{"name": "price", "unit": "EUR", "number": number}]})
}

pub fn of_price(amount: &str) -> Json {
    json!([{"name": "price", "number": amount, "unit": "EUR"}])
}

pub fn opening(id: &str, terms: Json) -> Json {
    json!({"id": id, "type": "magent-task:feasibility", "from": "oss-agent", "to": "ip-agent", "max-rounds": 20, "term": terms})
}

pub fn app_tag<T: std::fmt::Debug>(answer: Result<T, Error>) -> String {
    answer.expect_err("it is refused").app_tag.map(|tag| tag.to_string()).unwrap_or_default()
}

impl Bench {
    pub async fn policy(&self, user: &str, input: Json) -> Result<Json, Error> {
        self.call(user, &policy::SET_POLICY, input).await
    }

    pub async fn open(&self, input: Json) -> Result<Json, Error> {
        self.call("oss", &n::OPEN_NEGOTIATION, input).await
    }

    pub async fn respond(&self, user: &str, id: &str, input: Json) -> Result<Json, Error> {
        let target = entry(
            &[&n::INTERACTION, &n::INTERACTION_NEGOTIATIONS],
            &n::INTERACTION_NEGOTIATIONS_NEGOTIATION,
            id,
        );
        self.act(user, &n::INTERACTION_NEGOTIATIONS_NEGOTIATION_RESPOND, Some(target), input).await
    }

    pub fn negotiation(&self, id: &str) -> Json {
        let above = plain(&[&n::INTERACTION]);
        let seen = self.read("admin", &above).expect("it is there");
        let all = seen["negotiations"]["negotiation"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|one| one["id"] == id).expect("there is such a negotiation")
    }

    /// What a user sees of policies.
    pub fn policies(&self, user: &str) -> Json {
        self.read(user, &plain(&[&policy::POLICIES])).map_or(Json::Null, |seen| seen["agent"].clone())
    }

    pub fn commitments(&self, user: &str) -> Vec<Json> {
        self.policies(user)[0]["commitment"].as_array().cloned().unwrap_or_default()
    }
}

#[tokio::test]
async fn a_policy_answers_in_the_reply_and_a_restart_finds_the_same() {
    let bench = Bench::new().await;
    bench.policy("ip", price("ip-agent", "0", "1")).await.expect("it is stored");
    let opened = bench.open(opening("n", of_price("10"))).await.expect("it opens");
    assert_eq!((&opened["status"], &opened["reply"]["move"]), (&json!("open"), &json!("counter")));
    assert_eq!((&opened["reply"]["from"], &opened["reply"]["number"]), (&json!("ip-agent"), &json!(2)));
    assert_eq!(opened["reply"]["term"][0]["unit"], "EUR");
    let repeated = bench.open(opening("n", of_price("10"))).await.expect("it is repeated");
    assert_eq!(repeated["reply"], Json::Null);
    let mut latest = 2;
    let mut status = json!("open");
    while status == "open" {
        let counter =
            json!({"from": "oss-agent", "in-reply-to": latest, "move": "counter", "term": of_price("60")});
        let answer = bench.respond("oss", "n", counter).await.expect("it is in turn");
        (latest, status) = (latest + 2, answer["status"].clone());
        assert_eq!(answer["reply"]["number"], latest);
    }
    assert_eq!(status, "agreed");
    let before = (bench.negotiation("n"), bench.policies("ip"));
    let explain = json!({"agent": "ip-agent", "negotiation": "n"});
    let accounts = bench.call("ip", &policy::EXPLAIN_MOVES, explain.clone()).await.expect("it is told");
    assert_eq!(accounts["account"].as_array().map(Vec::len), Some(latest / 2));
    let bench = bench.restart().await;
    assert_eq!(before, (bench.negotiation("n"), bench.policies("ip")));
    let again = bench.call("ip", &policy::EXPLAIN_MOVES, explain).await.expect("it is told");
    assert_eq!(again, accounts);
}

#[tokio::test]
async fn policies_and_accounts_are_for_their_own_side() {
    let bench = Bench::new().await;
    bench.policy("ip", price("ip-agent", "0", "1")).await.expect("it is stored");
    bench.open(opening("n", of_price("10"))).await.expect("it opens");
    // Administrators can delegate for any agent, and learn nothing by it.
    let by_admin = json!({"delegate": "admin", "may": ["read", "negotiate"], "lifetime": 60});
    let for_agent = Some(agent("ip-agent"));
    bench
        .act("admin", &registry::REGISTRY_AGENTS_AGENT_DELEGATE, for_agent, by_admin)
        .await
        .expect("it is granted");
    for user in ["oss", "admin", "auditor", "eve", "ip@other"] {
        assert_eq!(bench.policies(user), Json::Null, "{user}");
        for (operation, input) in [
            (&policy::EXPLAIN_MOVES, json!({"agent": "ip-agent", "negotiation": "n"})),
            (&policy::ADVISE_MOVE, json!({"agent": "ip-agent", "negotiation": "n"})),
            (&policy::SET_POLICY, price("ip-agent", "1", "0")),
            (&policy::SET_CAPACITY, json!({"agent": "ip-agent"})),
            (&policy::RELEASE_COMMITMENT, json!({"agent": "ip-agent", "negotiation": "n"})),
            (
                &policy::OPEN_BY_POLICY,
                json!({"from": "ip-agent", "to": "oss-agent", "type": "magent-task:feasibility"}),
            ),
        ] {
            let refused = bench.call(user, operation, input).await.expect_err("it is of the other side");
            assert_eq!(refused.tag, Tag::AccessDenied, "{user}: {refused}");
            assert!(!refused.to_string().contains("secret-policy"), "{refused}");
        }
        let whole =
            bench.read(user, &plain(&[&n::INTERACTION])).map(|seen| seen.to_string()).unwrap_or_default();
        assert!(!whole.contains("secret-policy"), "{user}: {whole}");
    }
    // By a delegation to negotiate, and no other.
    let delegate = |may: &str| json!({"delegate": "eve", "may": [may], "lifetime": 60});
    let operation = &registry::REGISTRY_AGENTS_AGENT_DELEGATE;
    bench.act("ip", operation, Some(agent("ip-agent")), delegate("read")).await.expect("it is granted");
    assert_eq!(bench.policies("eve"), Json::Null);
    bench.act("ip", operation, Some(agent("ip-agent")), delegate("negotiate")).await.expect("it is granted");
    assert_eq!(bench.policies("eve"), bench.policies("ip"));
    assert_ne!(bench.policies("ip"), Json::Null);
    // Administrators can remove what they do not see.
    let name = json!({"agent": "ip-agent", "name": "secret-policy"});
    bench.call("admin", &policy::REMOVE_POLICY, name.clone()).await.expect("it is removed");
    assert_eq!(bench.policies("ip"), Json::Null);
    assert_eq!(app_tag(bench.call("ip", &policy::REMOVE_POLICY, name).await), "policy-unknown");
}

#[tokio::test]
async fn who_takes_an_agent_over_does_not_get_its_policies() {
    let bench = Bench::new().await;
    bench.policy("ip", price("ip-agent", "0", "1")).await.expect("it is stored");
    bench.register("admin", "ip-agent").await.expect("an administrator takes it over");
    assert_eq!(bench.policies("admin"), Json::Null);
    assert_eq!(bench.policies("ip"), Json::Null);
}

#[tokio::test]
async fn two_policies_go_on_after_the_answer_until_they_agree() {
    let limits = Limits { negotiation_moves_at_once_max: 3, ..Limits::default() };
    let bench = Bench::limited(limits).await;
    bench.policy("ip", price("ip-agent", "0", "1")).await.expect("it is stored");
    bench.policy("oss", price("oss-agent", "1", "0")).await.expect("it is stored");
    let mut follower =
        bench.engine.subscribe(&principal("oss"), None, From::Now, None).expect("it subscribes");
    let opening = json!({"id": "n", "from": "oss-agent", "to": "ip-agent", "type": "magent-task:feasibility", "max-rounds": 50});
    let opened = bench.call("oss", &policy::OPEN_BY_POLICY, opening.clone()).await.expect("it opens");
    assert_eq!((&opened["status"], &opened["term"][0]["number"]), (&json!("open"), &json!("10.0")));
    // The first, and three more.
    assert_eq!(opened["reply"]["number"], 4);
    let again = bench.call("oss", &policy::OPEN_BY_POLICY, opening).await.expect("it is repeated");
    assert_eq!((&again["id"], &again["term"]), (&opened["id"], &opened["term"]));
    let is_open = || bench.negotiation("n")["status"] == "open";
    while is_open() {
        follower.next().await.expect("it follows").expect("the engine runs");
    }
    let negotiation = bench.negotiation("n");
    assert_eq!(negotiation["status"], "agreed");
    let rounds = negotiation["round"].as_array().cloned().unwrap_or_default();
    assert!(rounds.len() > 10);
    assert!(rounds.windows(2).all(|two| two[0]["from"] != two[1]["from"]));
    for user in ["oss", "ip"] {
        let explain = json!({"agent": format!("{user}-agent"), "negotiation": "n"});
        let told = bench.call(user, &policy::EXPLAIN_MOVES, explain).await.expect("it is told");
        let told = told["account"].as_array().cloned().unwrap_or_default();
        let own = rounds.iter().filter(|round| round["from"] == format!("{user}-agent"));
        assert_eq!(told.len(), own.count());
    }
}

#[tokio::test]
async fn a_policy_that_comes_later_answers_what_waits_and_one_that_advises_does_not() {
    let bench = Bench::new().await;
    let mut advice = price("ip-agent", "0", "1");
    advice["mode"] = json!("advise");
    bench.policy("ip", advice).await.expect("it is stored");
    let opened = bench.open(opening("n", of_price("10"))).await.expect("it opens");
    assert_eq!(opened["reply"], Json::Null);
    let advised = json!({"agent": "ip-agent", "negotiation": "n"});
    let advised = bench.call("ip", &policy::ADVISE_MOVE, advised).await.expect("it is told");
    assert_eq!((&advised["move"], &advised["in-reply-to"]), (&json!("counter"), &json!(1)));
    assert_eq!(bench.negotiation("n")["round"].as_array().map(Vec::len), Some(1));
    let mut follower =
        bench.engine.subscribe(&principal("oss"), None, From::Now, None).expect("it subscribes");
    bench.policy("ip", price("ip-agent", "0", "1")).await.expect("it is stored");
    follower.next().await.expect("it follows").expect("the engine runs");
    let rounds = bench.negotiation("n")["round"].clone();
    assert_eq!((&rounds[1]["from"], &rounds[1]["term"]), (&json!("ip-agent"), &advised["term"]));
}

#[tokio::test]
async fn a_move_of_task_negotiate_is_answered_too() {
    let bench = Bench::new().await;
    bench.policy("ip", price("ip-agent", "0", "1")).await.expect("it is stored");
    let round = json!({"term": of_price("10")});
    let input = json!({"task-id": "t", "type": "FEASIBILITY", "task-sendFrom": "oss-agent", "task-sendTo": "ip-agent",
        "magent-irtf-bridge:round": round});
    let output = bench.call("oss", &draft::TASK_NEGOTIATE, input).await.expect("it opens");
    let id = output["magent-irtf-bridge:round"]["negotiation"].as_str().expect("it is named").to_owned();
    let rounds = bench.negotiation(&id)["round"].clone();
    assert_eq!((&rounds[1]["from"], &rounds[1]["move"]), (&json!("ip-agent"), &json!("counter")));
}

#[tokio::test]
async fn what_was_agreed_is_what_is_executed_and_its_capacity_is_held_until_the_end() {
    let bench = Bench::new().await;
    let capacity =
        json!({"agent": "ip-agent", "capacity": [{"term": "lines", "amount": "10", "held-for": 60}]});
    bench.call("ip", &policy::SET_CAPACITY, capacity).await.expect("it is stored");
    let lines = |count: &str| json!([{"name": "lines", "number": count}]);
    let accept = || json!({"from": "ip-agent", "in-reply-to": 1, "move": "accept"});
    for id in ["n", "m", "o"] {
        bench.open(opening(id, lines("6"))).await.expect("it opens");
    }
    bench.respond("ip", "n", accept()).await.expect("there is enough");
    assert_eq!(app_tag(bench.respond("ip", "m", accept()).await), "capacity-exceeded");
    let order = |id: &str| json!({"id": id, "from": "oss-agent", "to": "ip-agent", "content": "do", "negotiation": "n"});
    let mut other = order("t");
    other["term"] = lines("7");
    assert_eq!(app_tag(bench.assign("oss", other).await), "terms-differ");
    bench.assign("oss", order("t")).await.expect("it is as agreed");
    bench.assign("oss", order("t")).await.expect("it is repeated");
    assert_eq!(app_tag(bench.assign("oss", order("u")).await), "agreement-used");
    let seen = bench.read("ip", &task("t")).expect("it is there");
    assert_eq!(seen["term"], json!([{"name": "lines", "number": "6.0"}]));
    assert_eq!(bench.negotiation("n")["task"], "t");
    // It would have lapsed without the task.
    bench.clock.advance_seconds(120);
    assert_eq!(bench.commitments("ip")[0]["task"], "t");
    assert_eq!(app_tag(bench.respond("ip", "m", accept()).await), "capacity-exceeded");
    // The fulfillment is negotiated by the executor; what is agreed takes the place of what was.
    bench
        .act("ip", &n::INTERACTION_TASKS_TASK_REPORT, Some(task("t")), json!({"status": "processing"}))
        .await
        .expect("it begins");
    let less = json!({"id": "f", "type": "magent-task:fulfillment", "from": "ip-agent", "to": "oss-agent", "task": "t", "term": lines("9")});
    bench.call("ip", &n::OPEN_NEGOTIATION, less).await.expect("what it has already is not taken twice");
    let counter = json!({"from": "oss-agent", "in-reply-to": 1, "move": "counter", "term": lines("4")});
    bench.respond("oss", "f", counter).await.expect("it is in turn");
    bench
        .respond("ip", "f", json!({"from": "ip-agent", "in-reply-to": 2, "move": "accept"}))
        .await
        .expect("it is in turn");
    let seen = bench.read("ip", &task("t")).expect("it is there");
    assert_eq!(seen["term"], json!([{"name": "lines", "number": "4.0"}]));
    bench.respond("ip", "m", accept()).await.expect("six are free");
    let bench = bench.restart().await;
    let amounts: Vec<Json> = bench.commitments("ip").iter().map(|one| one["amount"].clone()).collect();
    assert_eq!(amounts, ["4.0", "6.0"]);
    // At the end all of it is released.
    let done = json!({"status": "finished", "result": {"content": "done"}});
    bench.act("ip", &n::INTERACTION_TASKS_TASK_REPORT, Some(task("t")), done).await.expect("it ends");
    assert_eq!(bench.commitments("ip").len(), 2);
    bench
        .act("oss", &n::INTERACTION_TASKS_TASK_VERIFY, Some(task("t")), json!({"verdict": "accepted"}))
        .await
        .expect("it is verified");
    assert_eq!(bench.commitments("ip").len(), 1);
    // Without a task the other lapses.
    assert_eq!(app_tag(bench.respond("ip", "o", accept()).await), "capacity-exceeded");
    bench.clock.advance_seconds(61);
    bench.respond("ip", "o", accept()).await.expect("it has lapsed");
}

#[tokio::test]
async fn policies_count_for_their_owner_and_have_limits() {
    let limits = Limits { policies_agent_max: 2, policies_user_bytes_max: 400, ..Limits::default() };
    let bench = Bench::limited(limits).await;
    let named = |name: &str| {
        let mut policy = price("ip-agent", "0", "1");
        policy["name"] = json!(name);
        policy
    };
    bench.policy("ip", named("a")).await.expect("there is room");
    bench.policy("ip", named("a")).await.expect("it is there already");
    let mut large = named("b");
    large["term"][0]["number"]["point"] =
        (0..90).map(|at| json!({"at": at.to_string(), "worth": "1"})).collect();
    assert_eq!(app_tag(bench.policy("ip", large).await), "quota-exceeded");
    bench.policy("ip", named("b")).await.expect("there is room");
    assert_eq!(app_tag(bench.policy("ip", named("c")).await), "too-many");
    let removed = json!({"agent": "ip-agent", "name": "a"});
    bench.call("ip", &policy::REMOVE_POLICY, removed).await.expect("it is removed");
    bench.policy("ip", named("c")).await.expect("there is room again");
}
