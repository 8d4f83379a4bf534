//! The fault agent of the service layer: correlates incidents of the domains, has the right domain diagnose, and answers
//! whoever reported an incident.
//!
//! It never acts on a network itself.

use agentconf::clock::Timestamp;
use serde_json::{Value as Json, json};

use crate::agent::{Agent, Happening, Heard, now, text};
use crate::client::Failure;
use crate::fault::{DIAGNOSIS, Incident, Move, Offer, WATCH, expecting, missing_fields};

/// The context in which everything is said. Who is given a task in it has a part in it.
pub const CONTEXT: &str = "faults-north";
/// How many domains are watched.
const DOMAINS: usize = 2;

/// What OSS accepts of a diagnosis. The other side sees only what is offered.
struct Policy {
    /// What it asks for first.
    first_minutes: u32,
    /// What it accepts at most.
    most_minutes: u32,
    /// When everything has to be over, counted from now.
    latest_minutes: i64,
    /// Scopes, the best first.
    scopes: &'static [&'static str],
}

const POLICY: Policy = Policy {
    first_minutes: 20,
    most_minutes: 30,
    latest_minutes: 120,
    scopes: &["end-to-end", "return-link"],
};

/// The sides of a link from which a test may take it out of service: those without other traffic.
const MAY_BE_TESTED_FROM: &str = "core-2";

impl Policy {
    /// What is asked for first.
    fn opening(&self, now: Timestamp) -> Offer {
        let window = (now, now.saturating_add_seconds(60 * 60));
        Offer { minutes: self.first_minutes, scope: self.scopes[0].to_owned(), window }
    }

    /// Accepts what is quick enough; else asks for less, but for that as quickly as it has to be.
    fn answer(&self, offer: &Offer, now: Timestamp) -> Move {
        let in_time = offer.window.1 <= now.saturating_add_seconds(self.latest_minutes * 60);
        let rank = self.scopes.iter().position(|scope| *scope == offer.scope);
        match (rank, in_time) {
            (None, _) => Move::Reject(format!("a diagnosis of {} does not help", offer.scope)),
            (_, false) => Move::Reject("the tests would end too late".to_owned()),
            (Some(_), true) if offer.minutes <= self.most_minutes => Move::Accept,
            (Some(rank), true) => match self.scopes.get(rank + 1) {
                None => Move::Reject(format!("{} minutes are too long", offer.minutes)),
                Some(scope) => {
                    let why =
                        format!("{} minutes are too long; {scope} alone would do for now", offer.minutes);
                    Move::Counter(
                        Offer { minutes: self.most_minutes, scope: (*scope).to_owned(), ..offer.clone() },
                        why,
                    )
                }
            },
        }
    }
}

struct Oss {
    agent: Agent,
    /// The watches: the agent and its task.
    watches: Vec<(String, String)>,
    watches_over: usize,
    /// Incidents that wait for their explanation, with their tasks.
    waiting: Vec<(String, Incident)>,
    /// The diagnosis, from its proposal on.
    diagnosis: Option<Diagnosis>,
}

struct Diagnosis {
    executor: String,
    task: String,
    link: String,
}

/// Runs the agent until every watch is over.
pub async fn run() -> Result<(), Failure> {
    let profile = json!({
        "description": "Explains faults across domains", "domain": ["OSS"],
        "skills": {"skill": [{"skill-name": "fault-correlation", "skill-tags": ["fault", "cross-domain"]}]},
        "capability": {"negotiate": ["acp-task-feasibility-negotiation-v1.0"]},
    });
    let (agent, mut events) = Agent::join("oss-agent", profile).await?;
    let mut oss = Oss { agent, watches: Vec::new(), watches_over: 0, waiting: Vec::new(), diagnosis: None };
    // Those that have registered already; the others are heard of.
    oss.have_watched().await?;
    while oss.watches_over < DOMAINS {
        match oss.agent.hears(&mut events).await? {
            Heard::Registered => oss.have_watched().await?,
            Heard::Executing(happening) => oss.of_an_incident(happening).await?,
            Heard::Assigned(happening) => match oss.watches.iter().any(|(_, task)| *task == happening.task) {
                true => oss.of_a_watch(happening).await?,
                false => oss.of_the_diagnosis(happening).await?,
            },
            Heard::MyTurn(heard) => oss.move_on(&heard).await?,
            Heard::Ended(heard) => oss.assign(&heard).await?,
        }
    }
    oss.agent.leave("every watch is over").await
}

impl Oss {
    /// Asks every agent that can watch a domain, and does not yet, to do so.
    async fn have_watched(&mut self) -> Result<(), Failure> {
        for name in self.agent.discover(WATCH).await? {
            if self.watches.iter().any(|(agent, _)| *agent == name) {
                continue;
            }
            let content = "Report the incidents of your domain until each is explained.";
            self.agent.says(format_args!("to {name}: {content}"));
            let order = json!({"to": name, "type": WATCH, "context": CONTEXT, "content": content});
            let task = self.agent.assign(order).await?;
            self.watches.push((name, task));
        }
        Ok(())
    }

    async fn of_a_watch(&mut self, Happening { task, what, .. }: Happening) -> Result<(), Failure> {
        if what == "result-reported" {
            self.agent.verify(&task, &[]).await?;
            self.watches_over += 1;
        }
        Ok(())
    }

    async fn of_an_incident(&mut self, happening: Happening) -> Result<(), Failure> {
        if happening.has_verdict("rework") || happening.has_verdict("rejected") {
            return Err("there is no better explanation of an incident".into());
        }
        if happening.what != "created" {
            return Ok(());
        }
        let task = happening.task;
        let incident = Incident::of_task(&self.agent.task(&task).await?)?;
        self.agent.report(&task, json!({"status": "processing"})).await?;
        self.correlate(task, incident).await
    }

    /// What has lost power explains itself. What has lost a link needs the view of another domain: two domains that miss
    /// the same link speak of one fault.
    async fn correlate(&mut self, task: String, incident: Incident) -> Result<(), Failure> {
        let Some(link) = incident.return_link.clone() else {
            self.agent.says(format_args!("{} concerns one domain: {} lost", incident.site, incident.lost));
            let cause = format!("{} lost at {}", incident.lost, incident.site);
            return self.explain(&task, &cause, "the domain restores it by itself").await;
        };
        let is_same =
            |other: &Incident| other.return_link.as_ref() == Some(&link) && other.domain != incident.domain;
        let same = self.waiting.iter().find(|(_, other)| is_same(other));
        let domains = same.map(|(_, other)| format!("{} and {}", other.domain, incident.domain));
        self.waiting.push((task, incident));
        let Some(domains) = domains else {
            self.agent.says(format_args!("return link {link} lost: does another domain miss it?"));
            return Ok(());
        };
        self.agent.says(format_args!("cross-domain fault: {domains} miss the return link {link}"));
        self.ask_for_diagnosis(link).await
    }

    async fn ask_for_diagnosis(&mut self, link: String) -> Result<(), Failure> {
        let found = self.agent.discover(DIAGNOSIS).await?;
        let executor = found.into_iter().next().ok_or("nobody can diagnose a link")?;
        let task = format!("diagnosis of {link}");
        let offer = POLICY.opening(now());
        self.agent.says(format_args!("{executor} can diagnose links; proposal: {offer}"));
        let proposal = json!({
            "to": executor, "type": "magent-task:feasibility", "task": task, "context": CONTEXT,
            "max-rounds": 8, "lifetime": 60, "content": format!("Can you diagnose the link {link}?"),
            "term": offer.to_json(),
        });
        self.agent.negotiate(proposal).await?;
        self.diagnosis = Some(Diagnosis { executor, task, link });
        Ok(())
    }

    async fn move_on(&self, heard: &Json) -> Result<(), Failure> {
        let step = POLICY.answer(&Offer::of_round(&heard["round"])?, now());
        match &step {
            Move::Accept => self.agent.says("accepted"),
            Move::Counter(offer, why) => self.agent.says(format_args!("{why}: {offer}")),
            Move::Reject(why) => self.agent.says(why),
        }
        self.agent.respond(heard, &step).await
    }

    /// Assigns what was agreed.
    async fn assign(&self, heard: &Json) -> Result<(), Failure> {
        let (Some(Diagnosis { executor, task, link }), Some("agreed")) =
            (&self.diagnosis, heard["status"].as_str())
        else {
            return Err(format!("no agreement: {}", heard["status"]).into());
        };
        let deadline = now().saturating_add_seconds(POLICY.latest_minutes * 60).to_string();
        let order = json!({
            "id": task, "to": executor, "type": DIAGNOSIS, "context": CONTEXT,
            "negotiation": heard["negotiation"], "deadline": deadline,
            "content": format!("Diagnose the link {link} as agreed."),
            "structured-content": {"example-fault:link": {"name": link}},
            "expected-response": expecting(&["cause", "place", "recommendation"]),
        });
        self.agent.assign(order).await?;
        self.agent.says(format_args!("assigned to {executor} as agreed: {task}"));
        Ok(())
    }

    async fn of_the_diagnosis(&mut self, Happening { task, what, data }: Happening) -> Result<(), Failure> {
        match what.as_str() {
            "input-requested" => {
                let request = &data["input-request"];
                let answer = json!({"request": request["id"], "content": MAY_BE_TESTED_FROM});
                self.agent.says(format_args!("answer: {MAY_BE_TESTED_FROM}"));
                self.agent.answer(&task, answer).await
            }
            "result-reported" => self.judge(&task, &data).await,
            "status-changed" if data["status"] == "failed" || data["status"] == "rejected" => {
                Err(format!("the diagnosis is {}: {}", data["status"], data["reason"]).into())
            }
            _ => Ok(()),
        }
    }

    async fn judge(&mut self, task: &str, data: &Json) -> Result<(), Failure> {
        let found = &data["result"]["structured-content"]["example-fault:diagnosis"];
        let missing = missing_fields(&self.agent.task(task).await?, found);
        self.agent.verify(task, &missing).await?;
        if !missing.is_empty() {
            self.agent.says(format_args!("result sent back, missing: {}", missing.join(", ")));
            return Ok(());
        }
        self.agent.says("result accepted");
        let cause = format!("{} at {}", text(found, "cause"), text(found, "place"));
        let action = format!("trouble ticket for the field engineer: {}", text(found, "recommendation"));
        for (incident, _) in std::mem::take(&mut self.waiting) {
            self.explain(&incident, &cause, &action).await?;
        }
        Ok(())
    }

    /// Explains an incident to the domain that reported it.
    async fn explain(&self, task: &str, cause: &str, action: &str) -> Result<(), Failure> {
        let resolution = json!({"example-fault:resolution": {"cause": cause, "action": action}});
        let content = format!("Cause: {cause}. Action: {action}.");
        let result = json!({"content": content, "structured-content": resolution});
        self.agent.report(task, json!({"status": "finished", "result": result})).await
    }
}
