//! An agent of one's own with this crate alone: registers and keeps its registration alive, follows the events, takes its tasks and
//! reports their results. When the connection is lost it comes back. It negotiates about nothing; `agent.py` does.
//!
//! Needs AGENTCONF_URL (https://127.0.0.1:8443), AGENTCONF_TOKEN and AGENTCONF_CA (the file pki/ca.pem of the server).

use std::env::var;
use std::error::Error;
use std::sync::Arc;

use agentconf::client::agent::{Agent, Event, Position, Retry};
use agentconf::client::{ClientError, Credentials, Limits, Secret};
use agentconf::yang::generated::magent_registry::RegisterAgentInput;
use agentconf::yang::generated::magent_task::{ReportInput, ReportInputResult, Task};
use agentconf::yang::generated::magent_types::TaskStatus;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let credentials = Credentials {
        authorities: vec![var("AGENTCONF_CA")?.into()],
        token: Some(Secret::new(var("AGENTCONF_TOKEN")?)),
        ..Credentials::default()
    };
    let url = var("AGENTCONF_URL")?.parse()?; // tls:// or ssh:// for NETCONF, with a certificate or a key
    let agent = Agent::new("rust-agent", url, credentials, Limits::default(), Retry::default());
    let profile = RegisterAgentInput::new("rust-agent", "Does what it is told", "1.0.0", "me");
    tokio::select! {
        ended = agent.stay(&profile) => Ok(ended?),
        ended = follow(&agent) => Ok(ended?),
    }
}

async fn follow(agent: &Arc<Agent>) -> Result<(), ClientError> {
    let mut events = agent.follow(Position::beginning()); // or where events.position() was, kept as text
    loop {
        match events.next().await? {
            Event::Task(event) if event.to == agent.name => {
                agent.until_reached(async || take(agent, &event.task).await).await?;
            }
            _ => {}
        }
    }
}

/// Looks how things stand and goes on from there, so that it does no harm to do it again.
async fn take(agent: &Agent, id: &str) -> Result<(), ClientError> {
    let Some(task) = agent.task(id).await? else { return Ok(()) };
    if task.status == TaskStatus::Created {
        let begins = ReportInput { status: Some(TaskStatus::Processing), ..ReportInput::default() };
        agent.report(id, &begins).await?;
    }
    if matches!(task.status, TaskStatus::Created | TaskStatus::Processing) {
        let (status, result) = (Some(TaskStatus::Finished), Some(work(&task)));
        agent.report(id, &ReportInput { status, result, ..ReportInput::default() }).await?;
    }
    Ok(())
}

/// The place for what the agent can do.
fn work(task: &Task) -> ReportInputResult {
    let content = format!("Done: {}", task.content.as_deref().unwrap_or_default());
    ReportInputResult { content: Some(content), ..ReportInputResult::default() }
}
