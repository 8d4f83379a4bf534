//! What the agents of this example have agreed upon outside of the YANG modules: types of tasks, the form of an incident,
//! the terms of a diagnosis, and how fields are asked for. It decides nothing.

use agentconf::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::client::Failure;

/// Type of the task to report the incidents of a domain; the skill has the same name.
pub const WATCH: &str = "fault-watch";
/// Type of the task to explain an incident.
pub const INCIDENT: &str = "incident";
/// Type of the task to diagnose a link; the skill has the same name.
pub const DIAGNOSIS: &str = "link-diagnosis";

/// What a domain reports. In its task it is the member `example-fault:incident` of `structured-content`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Incident {
    /// The domain that saw it.
    pub domain: String,
    /// Where.
    pub site: String,
    /// What is missing there: `power`, or `return link` with its name in the next field.
    pub lost: String,
    /// The link between the site and the core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_link: Option<String>,
    /// How many base stations are out of service.
    pub stations_out: u32,
}

impl Incident {
    /// As structured content.
    pub fn to_json(&self) -> Json {
        json!({ "example-fault:incident": self })
    }

    /// The incident that a task is about.
    pub fn of_task(task: &Json) -> Result<Incident, Failure> {
        Ok(Incident::deserialize(&task["structured-content"]["example-fault:incident"])?)
    }
}

impl std::fmt::Display for Incident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} has lost {}", self.site, self.lost)?;
        if let Some(link) = &self.return_link {
            write!(f, " {link}")?;
        }
        if self.stations_out > 0 {
            write!(f, "; base stations out of service: {}", self.stations_out)?;
        }
        Ok(())
    }
}

/// The terms of a diagnosis.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// How long it takes.
    pub minutes: u32,
    /// What is looked at: `end-to-end`, or `return-link` alone.
    pub scope: String,
    /// When it may disturb traffic: from, to.
    pub window: (Timestamp, Timestamp),
}

impl Offer {
    /// As terms of a proposal.
    pub fn to_json(&self) -> Json {
        json!([
            {"name": "diagnosis-time", "number": f64::from(self.minutes).to_string(), "unit": "minutes"},
            {"name": "scope", "text": self.scope},
            {"name": "test-window", "window": {"start": self.window.0.to_string(), "end": self.window.1.to_string()}},
        ])
    }

    /// From the terms of a round.
    pub fn of_round(round: &Json) -> Result<Offer, Failure> {
        let term = |name: &str| {
            let terms = round["term"].as_array().into_iter().flatten();
            terms.into_iter().find(|term| term["name"] == name).ok_or(format!("there is no term {name}"))
        };
        // decimal64 is a string in JSON (RFC 7951 section 6.1).
        let minutes: f64 =
            term("diagnosis-time")?["number"].as_str().ok_or("the time is no number")?.parse()?;
        let window = &term("test-window")?["window"];
        let time = |name: &str| -> Result<Timestamp, Failure> {
            Ok(window[name].as_str().ok_or("the window has no such end")?.parse()?)
        };
        let scope = term("scope")?["text"].as_str().ok_or("the scope is no text")?.to_owned();
        // A fraction of a minute more is a minute more; a cast takes what is too great or no number as the limit.
        Ok(Offer { minutes: minutes.ceil() as u32, scope, window: (time("start")?, time("end")?) })
    }
}

impl std::fmt::Display for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let clock = |time: Timestamp| time.to_string().chars().skip(11).take(5).collect::<String>();
        let (start, end) = (clock(self.window.0), clock(self.window.1));
        write!(f, "{} within {} minutes, tests {start} to {end}", self.scope, self.minutes)
    }
}

/// What a policy says to an offer of the other side.
#[derive(Debug, Clone, PartialEq)]
pub enum Move {
    /// It will do.
    Accept,
    /// It will not do as it is, and why; but this would.
    Counter(Offer, String),
    /// Nothing will do, and why.
    Reject(String),
}

/// The text of `expected-response` that asks for fields.
pub fn expecting(fields: &[&str]) -> String {
    format!("fields: {}", fields.join(", "))
}

/// The fields that `expected-response` of a task asks for and the content lacks.
pub fn missing_fields(task: &Json, content: &Json) -> Vec<String> {
    let expected = task["expected-response"].as_str().unwrap_or_default();
    let fields = expected.strip_prefix("fields: ").unwrap_or_default().split(", ");
    let given = |field: &&str| content[*field].as_str().is_some_and(|text| !text.is_empty());
    fields.filter(|field| !field.is_empty() && !given(field)).map(str::to_owned).collect()
}
