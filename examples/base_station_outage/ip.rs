//! The fault agent of the IP domain: reports a line that is interrupted, negotiates how it can be diagnosed, and diagnoses
//! it.
//!
//! It promises nothing that its thresholds do not allow.

use agentconf::clock::Timestamp;
use serde_json::{Value as Json, json};

use crate::agent::{Agent, Happening, Heard, now, text};
use crate::client::Failure;
use crate::fault::{DIAGNOSIS, Incident, Move, Offer, WATCH, missing_fields};
use crate::watch::Watch;

/// What the IP domain can do. The other side sees only what is offered.
struct Policy {
    /// How long the diagnosis of a scope takes, in minutes.
    minutes: &'static [(&'static str, u32)],
    /// Shortest notice before tests that disturb traffic, in minutes.
    notice: i64,
    /// The notice that is asked for if there is to be another proposal anyway.
    notice_wanted: i64,
}

const POLICY: Policy =
    Policy { minutes: &[("end-to-end", 45), ("return-link", 25)], notice: 5, notice_wanted: 10 };

impl Policy {
    /// Accepts what can be done; else offers the same scope with the time that it takes.
    fn answer(&self, offer: &Offer, now: Timestamp) -> Move {
        let Some((_, needed)) = self.minutes.iter().find(|(scope, _)| *scope == offer.scope) else {
            return Move::Reject(format!("{} cannot be diagnosed here", offer.scope));
        };
        let seconds = i64::from(*needed) * 60;
        let (start, end) = offer.window;
        let noticed = start >= now.saturating_add_seconds(self.notice * 60);
        let fits = end >= start.saturating_add_seconds(seconds);
        if noticed && fits && offer.minutes >= *needed {
            return Move::Accept;
        }
        let start = start.max(now.saturating_add_seconds(self.notice_wanted * 60));
        let window = (start, end.max(start.saturating_add_seconds(seconds)));
        let why =
            format!("{} takes {needed} minutes, and tests need {} minutes notice", offer.scope, self.notice);
        Move::Counter(Offer { minutes: offer.minutes.max(*needed), scope: offer.scope.clone(), window }, why)
    }
}

/// The alarm of the line.
fn alarms() -> Vec<Incident> {
    vec![Incident {
        domain: "IP".to_owned(),
        site: "core-2".to_owned(),
        lost: "return link".to_owned(),
        return_link: Some("harbour-17 to core-2".to_owned()),
        stations_out: 0,
    }]
}

/// Runs the agent until its watch is over and its diagnosis is accepted.
pub async fn run() -> Result<(), Failure> {
    let profile = json!({
        "description": "Finds and diagnoses faults of IP links", "domain": ["IP"],
        "skills": {"skill": [
            {"skill-name": WATCH, "skill-tags": ["fault"]},
            {"skill-name": DIAGNOSIS, "skill-tags": ["fault", "diagnosis"]},
        ]},
        "capability": {"negotiate": ["acp-task-feasibility-negotiation-v1.0"]},
    });
    let (agent, mut events) = Agent::join("ip-agent", profile).await?;
    let mut ip = Ip { agent, watch: Watch::over(alarms()), agreed: None, is_diagnosed: false };
    while !(ip.watch.is_over() && ip.is_diagnosed) {
        match ip.agent.hears(&mut events).await? {
            Heard::Executing(happening) if happening.what == "created" => ip.begin(&happening.task).await?,
            Heard::Executing(happening) => {
                ip.watch.hears_of_own(&happening);
                ip.diagnose(&happening).await?;
            }
            Heard::Assigned(happening) => ip.watch.hears_of_incident(&ip.agent, &happening).await?,
            Heard::MyTurn(heard) => ip.move_on(&heard).await?,
            Heard::Ended(heard) if heard["status"] == "agreed" => ip.agreed = Some(heard),
            Heard::Ended(heard) => return Err(format!("no agreement: {}", heard["status"]).into()),
            Heard::Registered => {}
        }
    }
    ip.agent.leave("watch and diagnosis are over").await
}

struct Ip {
    agent: Agent,
    watch: Watch,
    /// The event that ended the negotiation.
    agreed: Option<Json>,
    is_diagnosed: bool,
}

impl Ip {
    async fn move_on(&self, heard: &Json) -> Result<(), Failure> {
        let step = POLICY.answer(&Offer::of_round(&heard["round"])?, now());
        match &step {
            Move::Accept => self.agent.says("that can be done: accepted"),
            Move::Counter(offer, why) => self.agent.says(format_args!("not so: {why}; instead: {offer}")),
            Move::Reject(why) => self.agent.says(why),
        }
        self.agent.respond(heard, &step).await
    }

    /// A task is assigned. A diagnosis is done as it was agreed, or not at all.
    async fn begin(&mut self, task: &str) -> Result<(), Failure> {
        let order = self.agent.task(task).await?;
        let is_agreed =
            |agreed: &Json| agreed["task"] == task && agreed["negotiation"] == order["negotiation"];
        match text(&order, "type").as_str() {
            WATCH => self.watch.begin(&self.agent, &order).await,
            DIAGNOSIS if self.agreed.as_ref().is_some_and(is_agreed) => {
                self.agent.says("the diagnosis begins");
                self.report(task, json!({"status": "processing", "progress": 10})).await?;
                self.report(task, json!({"progress": 40, "reason": "counters of both ends are read"}))
                    .await?;
                let question = "The last step takes the line out of service. From which end may I test it?";
                self.agent.says(format_args!("question: {question}"));
                self.report(task, json!({"status": "blocked", "input-request": {"content": question}})).await
            }
            other => self.agent.decline(task, &format!("I do no {other} that was not agreed")).await,
        }
    }

    /// The next step of the diagnosis.
    async fn diagnose(&mut self, happening: &Happening) -> Result<(), Failure> {
        let task = &happening.task;
        if happening.what == "input-answered" {
            let state = self.agent.task(task).await?;
            let end = text(&state["input-requests"]["input-request"][0]["answer"], "content");
            self.agent.says(format_args!("the line is tested from {end}"));
            self.report(task, json!({"progress": 80, "reason": format!("testing from {end}")})).await?;
            // What the test measures.
            return self
                .finish(task, &json!({"cause": "fibre cut", "place": format!("3.2 km from {end}")}))
                .await;
        }
        if happening.has_verdict("rework") {
            let state = self.agent.task(task).await?;
            let mut found = state["result"]["structured-content"]["example-fault:diagnosis"].clone();
            for field in missing_fields(&state, &found) {
                found[&field] = look_up(&field, &found).ok_or(format!("nothing is known of {field}"))?.into();
            }
            return self.finish(task, &found).await;
        }
        self.is_diagnosed |= happening.has_verdict("accepted")
            && self.agreed.as_ref().is_some_and(|agreed| agreed["task"] == *task);
        Ok(())
    }

    async fn finish(&self, task: &str, found: &Json) -> Result<(), Failure> {
        let given = ["cause", "place", "recommendation"].map(|field| text(found, field));
        let said = given.iter().filter(|field| !field.is_empty()).cloned().collect::<Vec<_>>().join(", ");
        self.agent.says(format_args!("result: {said}"));
        let result = json!({"content": said, "structured-content": {"example-fault:diagnosis": found}});
        self.report(task, json!({"status": "finished", "result": result})).await
    }

    async fn report(&self, task: &str, report: Json) -> Result<(), Failure> {
        self.agent.report(task, report).await
    }
}

/// What the domain knows beyond what it measures.
fn look_up(field: &str, found: &Json) -> Option<String> {
    match (field, found["cause"].as_str()?) {
        ("recommendation", "fibre cut") => {
            Some("splice the fibre; until then, lead traffic over core-3".to_owned())
        }
        _ => None,
    }
}
