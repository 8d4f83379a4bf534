//! Base stations out of service in a batch, across two domains (the draft's section 2.1): the wireless domain reports what has
//! failed, the IP domain an interrupted line; the service layer sees that it is one fault, negotiates its diagnosis, has it
//! repaired by a person in the field who is guided in plain language, and explains every incident.
//!
//! What the agents know of the network is the seed's; they do nothing to it.

use agentconf::client::agent::Event;
use agentconf::clock::Clock;
use agentconf::yang::generated::magent_task::identities::NegotiationType;
use agentconf::yang::generated::magent_task::{
    AssignTaskInput, Negotiation, OpenNegotiationInput, QueryTasksInput, Task,
};
use agentconf::yang::generated::magent_types::{NegotiationStatus, ResultVerdict, TaskStatus};
use serde_json::{Value as Json, json};

use crate::offer::Offer;
use crate::play::{
    Done, Me, Move, Part, answer, failed, is_accepted, is_unjudged, number, open_request, order_json,
    profile, result_json, result_text, verdict,
};
use crate::stage::{Cue, DESK, Role, Scenario, Trouble, is_created};

const OSS: &str = "oss-agent";
const WIRELESS: &str = "wireless-agent";
const IP: &str = "ip-agent";
const ENGINEER: &str = "field-engineer";

/// Types of tasks; the skills have the same names.
const EXPLAIN: &str = "outage-explanation";
const WATCH: &str = "fault-watch";
const INCIDENT: &str = "incident";
const DIAGNOSIS: &str = "link-diagnosis";
const REPAIR: &str = "repair";
const GUIDANCE: &str = "guidance";

/// The context in which everything is said.
const CONTEXT: &str = "outage";
/// How long the diagnosis may take until it is overdue, in seconds.
const DEADLINE: i64 = 3;
/// What a diagnosis and an explanation have to say.
const DIAGNOSED: [&str; 3] = ["cause", "place", "recommendation"];
const EXPLAINED: [&str; 2] = ["cause", "action"];

/// The scenario.
pub const SCENARIO: Scenario = Scenario {
    name: "outage",
    servers: 1,
    cast: &[
        Role { is_late: true, ..Role::restconf(OSS) },
        Role::restconf(WIRELESS),
        Role { dies_at: Some("40 %"), ..Role::netconf(IP) },
        Role { is_told: true, dies_at: Some("on the way"), ..Role::restconf(ENGINEER) },
    ],
    orders: |seed| {
        let what = format!("Explain what is out of service, and have it repaired (case {seed}).");
        vec![AssignTaskInput {
            id: Some("outage".to_owned()),
            type_: Some(EXPLAIN.to_owned()),
            context: Some(CONTEXT.to_owned()),
            content: Some(what),
            ..AssignTaskInput::new(DESK, OSS)
        }]
    },
    cues: &[
        Cue {
            when: |_, event| matches!(event, Event::Negotiation(event) if event.status == NegotiationStatus::Agreed),
            trouble: Trouble::Cut(WIRELESS),
        },
        Cue { when: |_, event| is_created(event, GUIDANCE), trouble: Trouble::Cut(IP) },
    ],
};

/// Plays one of the cast.
pub async fn play(me: &Me) -> Done {
    match me.name() {
        OSS => me.play(&profile(OSS, "Explains faults across domains", "OSS", &[EXPLAIN]), &Oss).await,
        WIRELESS => {
            let about = "Finds faults of base stations";
            me.play(&profile(WIRELESS, about, "Wireless", &[WATCH]), &Domain).await
        }
        IP => {
            let about = "Finds and diagnoses faults of IP links";
            me.play(&profile(IP, about, "IP", &[WATCH, DIAGNOSIS, GUIDANCE]), &Domain).await
        }
        ENGINEER => {
            let about = "The app of the engineers in the field";
            me.play(&profile(ENGINEER, about, "Field", &[REPAIR]), &Engineer).await
        }
        other => Err(failed(format_args!("nobody plays {other}"))),
    }
}

/// What a domain has to report: its name there, and the facts.
fn incidents(seed: u64, domain: &str) -> Vec<(String, Json)> {
    let link = format!("harbour to core-{}", 1 + number(seed, "core", 4));
    if domain == IP {
        return vec![("incident-line".to_owned(), json!({"site": "core", "lost": "line", "link": link}))];
    }
    let sites = 4 + number(seed, "sites", 4);
    let alone = number(seed, "alone", sites);
    let site = |index| {
        let facts = match index == alone {
            true => json!({"site": format!("hill-{index}"), "lost": "power"}),
            false => json!({"site": format!("harbour-{index}"), "lost": "return link", "link": link}),
        };
        (format!("incident-{index}"), facts)
    };
    (0..sites).map(site).collect()
}

/// An agent of a domain: reports its incidents when it is asked to watch, and judges what explains them. That of the IP domain
/// diagnoses links too, and guides who repairs them.
struct Domain;

impl Part for Domain {
    async fn executes(&self, me: &Me, task: Task) -> Done {
        match (task.type_.as_deref(), task.status) {
            (Some(WATCH), TaskStatus::Created) => {
                me.begins(&task, format_args!("{}: I look at my alarms", task.id)).await
            }
            (Some(WATCH), TaskStatus::Processing) => self.report(me, &task).await,
            (Some(DIAGNOSIS), _) => diagnose(me, &task).await,
            (Some(GUIDANCE), TaskStatus::Created) => {
                me.begins(&task, "I look up how the place is reached").await
            }
            (Some(GUIDANCE), TaskStatus::Processing) => {
                let metres = 50 + me.number("metres", 400);
                let how = format!(
                    "Open manhole {} at the harbour road, follow the orange duct {metres} m to the north; the break is \
                     behind the second joint.",
                    1 + me.number("manhole", 90)
                );
                me.finishes(&task, &how, None).await
            }
            _ => Ok(()),
        }
    }

    async fn assigned(&self, me: &Me, task: Task) -> Done {
        match task.type_.as_deref() {
            Some(INCIDENT) if is_unjudged(&task) => me.verifies(&task, &EXPLAINED).await,
            Some(INCIDENT) if is_accepted(&task) => {
                let Some(watch) = me.task(task.parent.as_deref().unwrap_or_default()).await? else {
                    return Ok(());
                };
                self.report(me, &watch).await
            }
            _ => Ok(()),
        }
    }

    async fn negotiates(&self, me: &Me, negotiation: Negotiation) -> Done {
        if !me.is_on_turn(&negotiation) {
            return Ok(());
        }
        // How long a diagnosis takes here, in minutes.
        let offer = Offer::standing(&negotiation)?;
        let needed = match offer.text_of("scope")? {
            "end-to-end" => 35 + me.number("end-to-end", 20),
            _ => 15 + me.number("return-link", 15),
        };
        match offer.number_of("time")? >= needed {
            true => me.moves(&negotiation, &Move::Accept, "that can be done").await,
            false => {
                let why = format!("that takes {needed} minutes");
                me.moves(&negotiation, &Move::Counter(offer.number("time", needed, "minutes")), &why).await
            }
        }
    }
}

impl Domain {
    /// Reports every incident; when all are explained, the watch is over.
    async fn report(&self, me: &Me, watch: &Task) -> Done {
        if watch.status != TaskStatus::Processing {
            return Ok(());
        }
        let incidents = incidents(me.seed, me.name());
        let mut explained = 0;
        for (id, facts) in &incidents {
            match me.task(id).await? {
                Some(task) => explained += usize::from(is_accepted(&task)),
                None => {
                    let text = |name: &str| facts[name].as_str().unwrap_or_default().to_owned();
                    let what = format!("{} has lost its {}", text("site"), text("lost"));
                    let order = AssignTaskInput {
                        parent: Some(watch.id.clone()),
                        context: watch.context.clone(),
                        expected_response: Some(EXPLAINED.join(", ")),
                        ..me.order(id, &watch.from, INCIDENT, what)
                    };
                    me.assigns(order, Some(json!({ "example-fault:incident": facts }))).await?;
                }
            }
        }
        match explained == incidents.len() {
            true => me.finishes(watch, &format!("explained incidents: {explained}"), None).await,
            false => Ok(()),
        }
    }
}

/// The next step of a diagnosis.
async fn diagnose(me: &Me, task: &Task) -> Done {
    match (task.status, task.progress, answer(task), verdict(task)) {
        (TaskStatus::Created, ..) => me.begins(task, "the diagnosis begins, as it was agreed").await,
        (TaskStatus::Processing, None, ..) => {
            me.progresses(task, 40, "counters of both ends are read").await?;
            me.may_die("40 %");
            Ok(())
        }
        (TaskStatus::Processing, Some(_), None, _) => {
            me.asks(task, "The last step takes the line out of service. From which end may I test it?").await
        }
        (TaskStatus::Processing, _, Some(end), judged) => {
            let place = format!("3.{} km from {end}", me.number("place", 10));
            let mut found = json!({"cause": "fibre cut", "place": place});
            if judged == Some(ResultVerdict::Rework) {
                found["recommendation"] =
                    "splice the fibre; until then, lead traffic over another core".into();
            }
            let said = format!("fibre cut, {place}");
            me.finishes(task, &said, Some(json!({ "example-fault:diagnosis": found }))).await
        }
        _ => Ok(()),
    }
}

/// The service layer.
struct Oss;

impl Part for Oss {
    async fn executes(&self, me: &Me, task: Task) -> Done {
        match (task.type_.as_deref(), task.status) {
            (Some(EXPLAIN), TaskStatus::Created) => {
                me.begins(&task, "I ask the domains what they have seen").await
            }
            (Some(EXPLAIN), TaskStatus::Processing) => {
                for (id, domain) in [("watch-wireless", "Wireless"), ("watch-ip", "IP")] {
                    let to = me.finds(WATCH, domain).await?;
                    let order = AssignTaskInput {
                        parent: Some(task.id.clone()),
                        context: task.context.clone(),
                        ..me.order(id, &to, WATCH, "Report what is out of service in your domain.")
                    };
                    me.assigns(order, None).await?;
                }
                Ok(())
            }
            (Some(INCIDENT), TaskStatus::Created) => {
                me.begins(&task, format_args!("{}: is it known elsewhere?", task.id)).await
            }
            (Some(INCIDENT), TaskStatus::Processing) => self.consider(me, &task).await,
            _ => Ok(()),
        }
    }

    async fn assigned(&self, me: &Me, task: Task) -> Done {
        match task.type_.as_deref() {
            Some(DIAGNOSIS) => self.follow_diagnosis(me, &task).await,
            Some(REPAIR) => self.follow_repair(me, &task).await,
            Some(GUIDANCE) if is_unjudged(&task) => me.verifies(&task, &[]).await,
            Some(GUIDANCE) if is_accepted(&task) => {
                let Some(repair) = me.task("repair").await? else { return Ok(()) };
                match open_request(&repair) {
                    Some(request) => me.answers(&repair, request.id, result_text(&task)).await,
                    None => Ok(()),
                }
            }
            Some(WATCH) if is_unjudged(&task) => me.verifies(&task, &[]).await,
            Some(WATCH) if is_accepted(&task) => self.conclude(me).await,
            _ => Ok(()),
        }
    }

    async fn negotiates(&self, me: &Me, negotiation: Negotiation) -> Done {
        let offer = Offer::standing(&negotiation)?;
        match negotiation.status {
            NegotiationStatus::Open if me.is_on_turn(&negotiation) => {
                if offer.number_of("time")? <= 30 {
                    return me.moves(&negotiation, &Move::Accept, "that will do").await;
                }
                let instead = Offer::default().text("scope", "return-link").number("time", 30, "minutes");
                let why = "that is too long; the return link alone would do for now";
                me.moves(&negotiation, &Move::Counter(instead), why).await
            }
            NegotiationStatus::Agreed if me.task("diagnosis").await?.is_none() => {
                let deadline = Clock::system().now().saturating_add_seconds(DEADLINE).to_string();
                let order = AssignTaskInput {
                    deadline: Some(deadline),
                    expected_response: Some(DIAGNOSED.join(", ")),
                    ..me.order_agreed(&negotiation, "diagnosis", DIAGNOSIS, "Diagnose the link as agreed.")
                };
                me.assigns(order, None).await
            }
            NegotiationStatus::Open | NegotiationStatus::Agreed => Ok(()),
            ended => Err(failed(format_args!("no agreement: {}", ended.as_str()))),
        }
    }
}

impl Oss {
    /// What explains an incident: its own facts, or the fault that another domain sees too.
    async fn consider(&self, me: &Me, incident: &Task) -> Done {
        let facts = order_json(incident);
        let Some(link) = facts["link"].as_str() else {
            let cause = format!("{} lost at {}", text(&facts, "lost"), text(&facts, "site"));
            return self.explain(me, incident, &cause, "the domain restores it by itself").await;
        };
        let repaired = me.task("repair").await?.filter(is_accepted);
        if let (Some(repair), Some(diagnosis)) = (repaired, me.task("diagnosis").await?) {
            let found = result_json(&diagnosis);
            let cause = format!("{}, {}", text(&found, "cause"), text(&found, "place"));
            return self.explain(me, incident, &cause, result_text(&repair)).await;
        }
        // Two domains that miss the same link speak of one fault.
        let mut domains: Vec<String> = Vec::new();
        for other in self.incidents(me).await? {
            if order_json(&other)["link"] == link && !domains.contains(&other.from) {
                domains.push(other.from);
            }
        }
        if domains.len() < 2 || me.negotiation("diagnosis").await?.is_some() {
            return Ok(());
        }
        me.says(format_args!("cross-domain fault: two domains miss the link {link}"));
        let to = me.finds(DIAGNOSIS, "IP").await?;
        let opening = OpenNegotiationInput {
            id: Some("diagnosis".to_owned()),
            task: Some("diagnosis".to_owned()),
            context: incident.context.clone(),
            lifetime: Some(60),
            max_rounds: Some(8),
            ..OpenNegotiationInput::new(NegotiationType::Feasibility, OSS, to)
        };
        let offer = Offer::default().text("scope", "end-to-end").number("time", 20, "minutes");
        me.proposes(opening, &offer, &format!("Can you diagnose the link {link}?")).await
    }

    /// All incidents that were reported.
    async fn incidents(&self, me: &Me) -> Done<Vec<Task>> {
        let wanted = QueryTasksInput {
            to: vec![OSS.to_owned()],
            type_: vec![INCIDENT.to_owned()],
            ..Default::default()
        };
        let mut found = Vec::new();
        for task in me.agent().query(&wanted).await?.task {
            found.extend(me.task(&task.id).await?);
        }
        Ok(found)
    }

    async fn follow_diagnosis(&self, me: &Me, task: &Task) -> Done {
        if let Some(request) = open_request(task) {
            // The answer of one who is slow comes when the deadline has passed.
            if me.is_late && task.overdue != Some(true) {
                return Ok(());
            }
            if me.is_late {
                me.says("the deadline of the diagnosis has passed; my answer comes late");
            }
            return me.answers(task, request.id, "the harbour").await;
        }
        if is_unjudged(task) {
            return me.verifies(task, &DIAGNOSED).await;
        }
        if !is_accepted(task) {
            return Ok(());
        }
        let found = result_json(task);
        let what = format!(
            "{} {}: {}",
            text(&found, "cause"),
            text(&found, "place"),
            text(&found, "recommendation")
        );
        let to = me.finds(REPAIR, "Field").await?;
        let order = AssignTaskInput {
            context: task.context.clone(),
            callback: me.callback_of(&to).await?,
            ..me.order("repair", &to, REPAIR, what)
        };
        me.assigns(order, None).await
    }

    /// Questions of the field go to the domain that knows.
    async fn follow_repair(&self, me: &Me, task: &Task) -> Done {
        if let Some(request) = open_request(task) {
            let to = me.finds(GUIDANCE, "IP").await?;
            let question = request.content.clone().unwrap_or_default();
            let order = AssignTaskInput {
                parent: Some(task.id.clone()),
                context: task.context.clone(),
                ..me.order("guidance", &to, GUIDANCE, question)
            };
            return me.assigns(order, None).await;
        }
        if is_unjudged(task) {
            return me.verifies(task, &[]).await;
        }
        if is_accepted(task) {
            for incident in self.incidents(me).await? {
                if incident.status == TaskStatus::Processing {
                    self.consider(me, &incident).await?;
                }
            }
        }
        Ok(())
    }

    async fn explain(&self, me: &Me, incident: &Task, cause: &str, action: &str) -> Done {
        let resolution = json!({"example-fault:resolution": {"cause": cause, "action": action}});
        me.finishes(incident, &format!("Cause: {cause}. Action: {action}."), Some(resolution)).await
    }

    /// When both domains have nothing left to ask, the outage is explained.
    async fn conclude(&self, me: &Me) -> Done {
        for watch in ["watch-wireless", "watch-ip"] {
            if !me.task(watch).await?.as_ref().is_some_and(is_accepted) {
                return Ok(());
            }
        }
        let Some(outage) = me.task("outage").await?.filter(|task| task.status == TaskStatus::Processing)
        else {
            return Ok(());
        };
        let count = self.incidents(me).await?.len();
        me.finishes(&outage, &format!("{count} incidents are explained and the stations are back"), None)
            .await
    }
}

/// A person in the field, by an app that holds no connection open: the server tells it of its task.
struct Engineer;

impl Part for Engineer {
    async fn executes(&self, me: &Me, task: Task) -> Done {
        match (task.status, answer(&task)) {
            (TaskStatus::Created, _) => {
                me.begins(&task, "I am on my way").await?;
                me.may_die("on the way");
                Ok(())
            }
            (TaskStatus::Processing, None) => {
                me.asks(&task, "I am at the harbour. How do I find the break?").await
            }
            (TaskStatus::Processing, Some(_)) => {
                me.finishes(&task, "the fibre is spliced, the link is up", None).await
            }
            _ => Ok(()),
        }
    }
}

fn text(facts: &Json, name: &str) -> String {
    facts[name].as_str().unwrap_or_default().to_owned()
}
