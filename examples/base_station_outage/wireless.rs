//! The fault agent of the wireless domain: reports what its alarms say.
//!
//! It looks into no other domain.

use serde_json::json;

use crate::agent::{Agent, Heard, text};
use crate::client::Failure;
use crate::fault::{Incident, WATCH};
use crate::watch::Watch;

/// The alarms, gathered by site: one that is the site's own affair, and the outage that another domain has to do with.
fn alarms() -> Vec<Incident> {
    let incident = |site: &str, lost: &str, return_link: Option<&str>, stations_out| Incident {
        domain: "Wireless".to_owned(),
        site: site.to_owned(),
        lost: lost.to_owned(),
        return_link: return_link.map(str::to_owned),
        stations_out,
    };
    vec![
        incident("hill-3", "power", None, 1),
        incident("harbour-17", "return link", Some("harbour-17 to core-2"), 12),
    ]
}

/// Runs the agent until its watch is over.
pub async fn run() -> Result<(), Failure> {
    let profile = json!({
        "description": "Finds faults of base stations", "domain": ["Wireless"],
        "skills": {"skill": [{"skill-name": WATCH, "skill-tags": ["fault"]}]},
    });
    let (agent, mut events) = Agent::join("wireless-agent", profile).await?;
    let mut watch = Watch::over(alarms());
    while !watch.is_over() {
        match agent.hears(&mut events).await? {
            Heard::Executing(happening) if happening.what == "created" => {
                let order = agent.task(&happening.task).await?;
                match text(&order, "type").as_str() {
                    WATCH => watch.begin(&agent, &order).await?,
                    other => agent.decline(&happening.task, &format!("I have no skill {other}")).await?,
                }
            }
            Heard::Executing(happening) => watch.hears_of_own(&happening),
            Heard::Assigned(happening) => watch.hears_of_incident(&agent, &happening).await?,
            Heard::MyTurn(_) | Heard::Ended(_) | Heard::Registered => {}
        }
    }
    agent.leave("the watch is over").await
}
