//! Rounds of negotiations through the engine, each durable before it is answered. It measures nothing but how many there are.

use std::time::{Duration, Instant};

use agentconf::yang::generated::magent_policy;
use agentconf::yang::generated::magent_task::nodes as n;
use agentconf::yang::path::{InstancePath, Selector, Step};
use agentconf::yang::tree::Key;
use futures_util::future::try_join_all;
use serde_json::{Value as Json, json};

use super::filled::{Filled, decoded};
use super::{IN_FLIGHT, Outcome};

/// Who makes the moves.
#[derive(Clone, Copy)]
pub enum Moved {
    /// Both agents by themselves: a round for each request.
    ByAgents,
    /// One by itself, the other by a policy: two rounds for each request.
    ByPolicy,
}

/// So many negotiations at a time, each with so many rounds; how many rounds, and how long they took.
pub async fn rounds(filled: &Filled, run: u64, rounds: u32, moved: Moved) -> Outcome<(u64, Duration)> {
    let agent = match moved {
        Moved::ByAgents => "ip-agent",
        Moved::ByPolicy => "policy-agent",
    };
    if matches!(moved, Moved::ByPolicy) {
        let operation = &magent_policy::nodes::SET_POLICY;
        filled.call_as("policy-agent", operation, None, decoded(operation, &policy(agent))?).await?;
    }
    let began = Instant::now();
    let negotiations =
        (0..IN_FLIGHT).map(|number| one(filled, format!("n-{run}-{number}"), agent, rounds, moved));
    let made = try_join_all(negotiations).await?;
    Ok((made.into_iter().sum(), began.elapsed()))
}

async fn one(filled: &Filled, id: String, agent: &str, rounds: u32, moved: Moved) -> Outcome<u64> {
    let opening = json!({
        "id": id, "type": "feasibility", "from": "oss-agent", "to": agent, "max-rounds": 1000, "term": terms(0),
    });
    filled.call(&n::OPEN_NEGOTIATION, decoded(&n::OPEN_NEGOTIATION, &opening)?).await?;
    let list = &n::INTERACTION_NEGOTIATIONS_NEGOTIATION;
    let steps = [Step::plain(&n::INTERACTION), Step::plain(&n::INTERACTION_NEGOTIATIONS)];
    let entry = Step { node: list, selector: Selector::Key(Key::string(&id)) };
    let target = InstancePath { steps: steps.into_iter().chain([entry]).collect() };
    let operation = &n::INTERACTION_NEGOTIATIONS_NEGOTIATION_RESPOND;
    let mut latest = if matches!(moved, Moved::ByAgents) { 1 } else { 2 };
    while latest < rounds {
        let from = if latest % 2 == 0 { "oss-agent" } else { agent };
        let response = json!({"from": from, "in-reply-to": latest, "move": "counter", "term": terms(latest)});
        filled.call_at(operation, Some(target.clone()), decoded(operation, &response)?).await?;
        latest += if matches!(moved, Moved::ByAgents) { 1 } else { 2 };
    }
    Ok(u64::from(latest))
}

/// What the other side does not take: it wants all of it.
fn terms(round: u32) -> Json {
    json!([
        {"name": "price", "number": format!("{}.0", 10 + round % 7), "unit": "EUR"},
        {"name": "level", "text": "gold"},
        {"name": "downtime", "number": "10.0", "unit": "minutes"},
    ])
}

fn policy(agent: &str) -> Json {
    let range = |at_least: &str, at_most: &str| json!({"min": at_least, "max": at_most, "step": "5", "point": [{"at": at_least, "worth": "0"}, {"at": at_most, "worth": "1"}]});
    json!({"agent": agent, "name": "p", "reservation": "0.9", "strategy": "time-dependent", "exponent": "0.1", "term": [
        {"name": "price", "unit": "EUR", "number": range("10", "100"), "weight": "0.8"},
        {"name": "level", "option": [{"text": "gold", "worth": "0"}, {"text": "silver", "worth": "1"}], "weight": "0.1"},
        {"name": "downtime", "unit": "minutes", "number": range("0", "60"), "weight": "0.1"},
    ]})
}
