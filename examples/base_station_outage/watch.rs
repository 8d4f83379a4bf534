//! The duty of every domain agent: when it is asked to watch, it reports the incidents of its domain to whoever asked, and
//! judges what comes back.
//!
//! It reports what it is given and finds no fault itself.

use serde_json::{Value as Json, json};

use crate::agent::{Agent, Happening, text};
use crate::client::Failure;
use crate::fault::{INCIDENT, Incident, expecting, missing_fields};

/// The watch over one domain.
pub struct Watch {
    incidents: Vec<Incident>,
    /// The task to watch, once it is assigned.
    task: Option<String>,
    /// The tasks of the incidents that nobody has explained yet.
    open: Vec<String>,
    is_over: bool,
}

impl Watch {
    /// A watch that will report these incidents.
    pub fn over(incidents: Vec<Incident>) -> Watch {
        Watch { incidents, task: None, open: Vec::new(), is_over: false }
    }

    /// Whether it has ended and the result was accepted.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// The watch is assigned: reports the incidents, in the same context.
    pub async fn begin(&mut self, agent: &Agent, order: &Json) -> Result<(), Failure> {
        let (task, from) = (text(order, "id"), text(order, "from"));
        agent.report(&task, json!({"status": "processing"})).await?;
        for incident in &self.incidents {
            agent.says(format_args!("incident to {from}: {incident}"));
            let order = json!({
                "to": from, "type": INCIDENT, "parent": task, "context": order["context"],
                "content": incident.to_string(), "structured-content": incident.to_json(),
                "expected-response": expecting(&["cause", "action"]),
            });
            self.open.push(agent.assign(order).await?);
        }
        self.task = Some(task);
        Ok(())
    }

    /// Something has happened to a task that the agent executes.
    pub fn hears_of_own(&mut self, happening: &Happening) {
        let is_watch = self.task.as_ref() == Some(&happening.task);
        self.is_over |= is_watch && happening.has_verdict("accepted");
    }

    /// Something has happened to an incident: an explanation is accepted or sent back. The last one ends the watch.
    pub async fn hears_of_incident(&mut self, agent: &Agent, happening: &Happening) -> Result<(), Failure> {
        if happening.what != "result-reported" {
            return Ok(());
        }
        let task = &happening.task;
        let resolution = &happening.data["result"]["structured-content"]["example-fault:resolution"];
        let missing = missing_fields(&agent.task(task).await?, resolution);
        agent.verify(task, &missing).await?;
        if !missing.is_empty() {
            agent.says(format_args!("explanation sent back, missing: {}", missing.join(", ")));
            return Ok(());
        }
        agent.says(format_args!("accepted: {}; {}", text(resolution, "cause"), text(resolution, "action")));
        self.open.retain(|open| open != task);
        match (&self.task, self.open.as_slice()) {
            (Some(watch), []) => {
                let content = format!("explained incidents: {}", self.incidents.len());
                agent.report(watch, json!({"status": "finished", "result": {"content": content}})).await
            }
            _ => Ok(()),
        }
    }
}
