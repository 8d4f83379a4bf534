//! What every agent of the example does: join, speak of what it does, and each operation as one call.
//!
//! It decides nothing. Of the library it uses the clock alone; with the server it speaks RESTCONF.

use std::env;
use std::fmt::Display;
use std::path::PathBuf;

use agentconf::clock::{Clock, Timestamp};
use serde_json::{Value as Json, json};

use crate::client::{Client, Event, Events, Failure, key};
use crate::fault::Move;

/// An agent that has joined.
pub struct Agent {
    /// The name in the registry.
    pub name: String,
    client: Client,
}

impl Agent {
    /// Connects as the environment says, follows the events, and registers: in this order, so that no task is missed.
    pub async fn join(name: &str, profile: Json) -> Result<(Agent, Events), Failure> {
        let client = connect().await?;
        let events = client.events(None).await?;
        let mut input = profile;
        input["name"] = name.into();
        input["version"] = "1.0.0".into();
        input["provider"] = "example".into();
        client.call("magent-registry:register-agent", input).await?;
        let agent = Agent { name: name.to_owned(), client };
        agent.says("I am registered");
        Ok((agent, events))
    }

    /// One line of the story.
    pub fn says(&self, what: impl Display) {
        tell(now(), &self.name, what);
    }

    /// The names of the agents with this skill.
    pub async fn discover(&self, skill: &str) -> Result<Vec<String>, Failure> {
        let found =
            self.client.call("magent-registry:discover-agents", json!({"skill-name": [skill]})).await?;
        let agents = found["agent"].as_array().into_iter().flatten();
        Ok(agents.map(|agent| text(agent, "name")).collect())
    }

    /// Assigns a task; gives its identifier.
    pub async fn assign(&self, mut order: Json) -> Result<String, Failure> {
        order["from"] = self.name.as_str().into();
        let task = self.client.call("magent-task:assign-task", order).await?;
        Ok(text(&task, "id"))
    }

    /// Reads a task.
    pub async fn task(&self, id: &str) -> Result<Json, Failure> {
        Ok(self.client.get(&task_path(id)).await?["magent-task:task"][0].take())
    }

    /// Reports on a task that it executes.
    pub async fn report(&self, task: &str, report: Json) -> Result<(), Failure> {
        self.client.act(&task_path(task), "report", report).await.map(drop)
    }

    /// Refuses a task before it is begun.
    pub async fn decline(&self, task: &str, reason: &str) -> Result<(), Failure> {
        self.says(reason);
        self.report(task, json!({"status": "rejected", "reason": reason})).await
    }

    /// Answers a request for input of a task that it assigned.
    pub async fn answer(&self, task: &str, answer: Json) -> Result<(), Failure> {
        self.client.act(&task_path(task), "answer", answer).await.map(drop)
    }

    /// Says whether the result of a task that it assigned will do: it does if no field is missing.
    pub async fn verify(&self, task: &str, missing: &[String]) -> Result<(), Failure> {
        let verdict = match missing {
            [] => json!({"verdict": "accepted"}),
            _ => json!({"verdict": "rework", "comment": format!("missing: {}", missing.join(", "))}),
        };
        self.client.act(&task_path(task), "verify", verdict).await.map(drop)
    }

    /// Opens a negotiation; gives its identifier.
    pub async fn negotiate(&self, mut proposal: Json) -> Result<String, Failure> {
        proposal["from"] = self.name.as_str().into();
        Ok(text(&self.client.call("magent-task:open-negotiation", proposal).await?, "id"))
    }

    /// Makes a move in answer to the round that an event told of.
    pub async fn respond(&self, heard: &Json, step: &Move) -> Result<(), Failure> {
        let mut input = json!({"from": self.name, "in-reply-to": heard["round"]["number"]});
        match step {
            Move::Accept => input["move"] = "accept".into(),
            Move::Counter(offer, why) => {
                input["move"] = "counter".into();
                input["content"] = why.as_str().into();
                input["term"] = offer.to_json();
            }
            Move::Reject(why) => {
                input["move"] = "reject".into();
                input["content"] = why.as_str().into();
            }
        }
        let path =
            format!("magent-task:interaction/negotiations/negotiation={}", key(&text(heard, "negotiation")));
        self.client.act(&path, "respond", input).await.map(drop)
    }

    /// Ends the registration.
    pub async fn leave(&self, reason: &str) -> Result<(), Failure> {
        self.says(format_args!("{reason}; I leave"));
        let path = format!("magent-registry:registry/agents/agent={}", key(&self.name));
        self.client.act(&path, "deregister", json!({ "reason": reason })).await.map(drop)
    }
}

/// What an event says to an agent.
pub enum Heard {
    /// Something has happened to a task that it executes.
    Executing(Happening),
    /// Something has happened to a task that it assigned.
    Assigned(Happening),
    /// It is its turn in a negotiation; the negotiation event.
    MyTurn(Json),
    /// A negotiation has ended; the negotiation event.
    Ended(Json),
    /// Another agent has registered.
    Registered,
}

/// What has happened to a task.
pub struct Happening {
    /// Identifier of the task.
    pub task: String,
    /// `event` of `task-event`.
    pub what: String,
    /// The notification.
    pub data: Json,
}

impl Happening {
    /// Whether a result was verified, with this verdict.
    pub fn has_verdict(&self, verdict: &str) -> bool {
        self.what == "result-verified" && self.data["verdict"] == verdict
    }
}

impl Agent {
    /// Waits for the next event that concerns this agent.
    pub async fn hears(&self, events: &mut Events) -> Result<Heard, Failure> {
        loop {
            let Event { name, data, .. } = events.next().await?;
            match name.as_str() {
                "magent-task:task-event" => {
                    let happening =
                        |data| Happening { task: text(&data, "task"), what: text(&data, "event"), data };
                    if data["to"] == self.name.as_str() {
                        return Ok(Heard::Executing(happening(data)));
                    }
                    if data["from"] == self.name.as_str() {
                        return Ok(Heard::Assigned(happening(data)));
                    }
                }
                "magent-task:negotiation-event" => match data["status"].as_str() {
                    Some("open") if data["turn"] == self.name.as_str() => return Ok(Heard::MyTurn(data)),
                    Some("open") => {}
                    _ => return Ok(Heard::Ended(data)),
                },
                "magent-registry:registry-change" if data["change"] == "registered" => {
                    return Ok(Heard::Registered);
                }
                _ => {}
            }
        }
    }
}

/// A client as the environment says: `AGENTCONF_URL`, `AGENTCONF_TOKEN`, `AGENTCONF_CA`.
async fn connect() -> Result<Client, Failure> {
    let of = |name: &str| env::var(name).map_err(|error| format!("{name}: {error}"));
    let ca = PathBuf::from(of("AGENTCONF_CA")?);
    Client::connect(&of("AGENTCONF_URL")?, &of("AGENTCONF_TOKEN")?, &ca).await
}

/// The time.
pub fn now() -> Timestamp {
    Clock::system().now()
}

/// Prints one line of the story: when, who, what.
pub fn tell(at: Timestamp, who: &str, what: impl Display) {
    let at = at.to_string();
    let clock: String = at.trim_end_matches('Z').chars().skip(11).take(12).collect();
    println!("{clock:<12}  {who:<14}  {what}");
}

/// A member that is a text; empty if it is not there.
pub fn text(object: &Json, name: &str) -> String {
    object[name].as_str().unwrap_or_default().to_owned()
}

fn task_path(id: &str) -> String {
    format!("magent-task:interaction/tasks/task={}", key(id))
}
