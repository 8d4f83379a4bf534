//! What a story came to, as far as it depends on the seed alone: who agreed on what, what became of each task and in which order.
//! Times, and identifiers that a server chose, are left out. It judges nothing.

use std::fmt::Write as _;

use agentconf::client::agent::Agent;
use agentconf::yang::generated::SCHEMA;
use agentconf::yang::generated::magent_registry::Registry;
use agentconf::yang::generated::magent_task::{Interaction, Negotiation, Task};
use agentconf::yang::json;
use agentconf::yang::model::Modelled;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::offer::Offer;
use crate::play::{Done, Failure};

/// What a server has in the end.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    registry: Registry,
    interaction: Interaction,
}

impl Outcome {
    /// As the server says.
    pub async fn read(desk: &Agent) -> Result<Outcome, Failure> {
        let registry = desk.read(&[]).await?.ok_or("there is no registry")?;
        let interaction: Interaction = desk.read(&[]).await?.ok_or("nothing was done")?;
        Ok(Outcome { registry, interaction: without_callbacks(interaction) })
    }

    /// As the log says, replayed: the operational datastore in JSON.
    pub fn replayed(datastore: &[u8]) -> Result<Outcome, Failure> {
        let mut datastore: serde_json::Map<String, Json> = serde_json::from_slice(datastore)?;
        // The rest is about a process, and none runs.
        datastore.retain(|name, _| name.starts_with("magent-registry:") || name.starts_with("magent-task:"));
        let text = serde_json::to_vec(&datastore)?;
        let data = json::decode_children(&text, None, &SCHEMA, &json::STORED)?;
        let registry = Registry::from_data(data.container(Registry::node()).ok_or("there is no registry")?)?;
        let interaction =
            Interaction::from_data(data.container(Interaction::node()).ok_or("nothing was done")?)?;
        Ok(Outcome { registry, interaction: without_callbacks(interaction) })
    }
}

/// Without what tells of reports: the server's key is a file of its own and no event, and reports go on being sent meanwhile.
fn without_callbacks(mut interaction: Interaction) -> Interaction {
    interaction.callback_key = None;
    interaction.tasks.task.iter_mut().for_each(|task| task.subscriptions = Default::default());
    interaction
}

/// The outcomes of all servers, line by line.
pub fn lines(outcomes: &[Outcome]) -> Done<String> {
    let mut out = String::new();
    for (index, Outcome { registry, interaction }) in outcomes.iter().enumerate() {
        let mut agents: Vec<&str> = registry.agents.agent.iter().map(|agent| agent.name.as_str()).collect();
        agents.sort_unstable();
        put(&mut out, format_args!("What server {index} has in the end, of {}:", agents.join(", ")));
        let mut negotiations: Vec<&Negotiation> = interaction.negotiations.negotiation.iter().collect();
        negotiations.sort_by_key(|negotiation| &negotiation.id);
        negotiations.into_iter().try_for_each(|negotiation| of_negotiation(&mut out, negotiation))?;
        let mut tasks: Vec<&Task> = interaction.tasks.task.iter().collect();
        tasks.sort_by_key(|task| &task.id);
        tasks.into_iter().for_each(|task| of_task(&mut out, task));
    }
    Ok(out)
}

/// The digest of such lines: the first half of their SHA-256.
pub fn of(lines: &str) -> String {
    Sha256::digest(lines).iter().take(16).map(|octet| format!("{octet:02x}")).collect()
}

fn of_negotiation(out: &mut String, negotiation: &Negotiation) -> Done {
    let Negotiation { id, initiator, responder, status, .. } = negotiation;
    put(out, format_args!("  negotiation {id} of {initiator} with {responder}: {}", status.as_str()));
    for round in &negotiation.round {
        let offer = Offer::of(&round.term)?.to_string();
        let why = round.content.as_ref().map(|why| format!("({why})")).unwrap_or_default();
        let said = [round.from.as_str(), round.move_.as_str(), &offer, &why];
        let said: Vec<&str> = said.into_iter().filter(|part| !part.is_empty()).collect();
        put(out, format_args!("    {}", said.join(" ")));
    }
    Ok(())
}

fn of_task(out: &mut String, task: &Task) {
    let Task { id, from, to, .. } = task;
    let statuses: Vec<&str> = task.history.change.iter().map(|change| change.status.as_str()).collect();
    let overdue = if task.overdue == Some(true) { ", overdue" } else { "" };
    put(out, format_args!("  task {id} of {from} to {to}: {}{overdue}", statuses.join(", ")));
    for request in &task.input_requests.input_request {
        let answer = request.answer.as_ref().and_then(|answer| answer.content.as_deref());
        put(out, format_args!("    asked {} - {}", text(request.content.as_deref()), text(answer)));
    }
    if let Some(result) = &task.result {
        let verdict = result.verification.as_ref().map_or("not judged", |said| said.verdict.as_str());
        put(out, format_args!("    result {} - {verdict}", text(result.content.as_deref())));
    }
}

fn text(content: Option<&str>) -> &str {
    content.unwrap_or("nothing")
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "{line}");
}
