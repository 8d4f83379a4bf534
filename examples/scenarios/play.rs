//! What every agent of the scenarios does: it registers, follows the events from where it stopped, looks at what each event is
//! about and hands it to its part. What a part does depends only on what it finds there, so that an event that comes twice, or
//! after a crash, does no harm. This file decides nothing.

use std::error::Error;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agentconf::client::agent::{Agent, Event, Position, Retry};
use agentconf::client::{ClientError, Credentials, Limits, Secret, Url};
use agentconf::clock::Clock;
use agentconf::server::files::{self, Readers};
use agentconf::yang::generated::magent_registry::{
    Agent as Registered, DiscoverAgentsInput, Endpoint as RegisteredEndpoint, RegisterAgentInput,
    RegisterAgentInputEndpoint, RegisterAgentInputSkill,
};
use agentconf::yang::generated::magent_task::{
    AnswerInput, AssignTaskInput, AssignTaskInputCallback, InputRequest, Negotiation, OpenNegotiationInput,
    ReportInput, ReportInputInputRequest, ReportInputResult, RespondInput, Task, VerifyInput,
};
use agentconf::yang::generated::magent_types::{
    NegotiationMove, NegotiationStatus, ResultVerdict, TaskStatus,
};
use agentconf::yang::tree::AnyData;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::hook::{self, Hook};
use crate::offer::Offer;

/// Anything that goes wrong on the stage.
pub type Failure = Box<dyn Error + Send + Sync>;
/// What a part has done, or why not.
pub type Done<T = ()> = Result<T, ClientError>;

/// How long a registration lasts, in seconds; it is renewed.
const LIFETIME: u32 = 600;

/// Where an agent finds a server, and how it shows who it is.
#[derive(Serialize, Deserialize)]
pub struct Way {
    /// `https://…` for RESTCONF, `tls://…` for NETCONF.
    pub url: String,
    /// The authority of the server's certificate.
    pub ca: PathBuf,
    /// A bearer token, for RESTCONF.
    pub token: String,
    /// The agent's certificate and key, for NETCONF over TLS.
    pub certificate: (PathBuf, PathBuf),
}

impl Way {
    /// The way itself, for the library.
    pub fn agent(&self, name: &str) -> Result<Arc<Agent>, Failure> {
        let url: Url = self.url.parse()?;
        let is_tls = self.url.starts_with("tls:");
        let credentials = Credentials {
            authorities: vec![self.ca.clone()],
            token: Some(Secret::new(&*self.token)),
            certificate: is_tls.then(|| self.certificate.clone()),
            ..Credentials::default()
        };
        let retry = Retry { longest: Duration::from_millis(500), ..Retry::default() };
        Ok(Agent::new(name, url, credentials, Limits::default(), retry))
    }
}

/// An agent at one server.
pub struct Me {
    agent: Arc<Agent>,
    /// What its choices depend on.
    pub seed: u64,
    /// Whether it is slow, where its part says how.
    pub is_late: bool,
    /// Whether it is told of its tasks by requests; else it follows the events.
    is_told: bool,
    /// Where it is to die.
    dies_at: Option<String>,
    /// Where it keeps how far it has heard.
    kept: PathBuf,
}

/// What an agent does about what concerns it; what it is not interested in it leaves out.
pub trait Part {
    /// A task that it executes, as it is now.
    async fn executes(&self, _me: &Me, _task: Task) -> Done {
        Ok(())
    }
    /// A task that it has assigned, as it is now.
    async fn assigned(&self, _me: &Me, _task: Task) -> Done {
        Ok(())
    }
    /// A negotiation of its own, as it is now.
    async fn negotiates(&self, _me: &Me, _negotiation: Negotiation) -> Done {
        Ok(())
    }
}

impl Me {
    /// An agent that goes on where the file `kept` says, or from the beginning.
    pub fn new(
        agent: Arc<Agent>,
        seed: u64,
        dies_at: Option<String>,
        is_late: bool,
        is_told: bool,
        kept: PathBuf,
    ) -> Me {
        Me { agent, seed, is_late, is_told, dies_at, kept }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.agent.name
    }

    /// Plays a part until the process is ended.
    pub async fn play(&self, profile: &RegisterAgentInput, part: &impl Part) -> Done {
        let mut profile = RegisterAgentInput { lifetime: Some(LIFETIME), ..profile.clone() };
        if !self.is_told {
            return tokio::select! {
                over = self.agent.stay(&profile) => over,
                over = self.follow(part) => over,
            };
        }
        let hook = Hook::open(&self.kept).await?;
        let protocol = Some(hook::PROTOCOL.to_owned());
        profile.endpoints.endpoint.push(RegisterAgentInputEndpoint { url: hook.url(), protocol });
        tokio::select! {
            over = self.agent.stay(&profile) => over,
            over = self.is_told(hook, part) => over,
        }
    }

    /// Acts on the events of the server.
    async fn follow(&self, part: &impl Part) -> Done {
        let kept = files::read(&self.kept).map_err(failed)?.and_then(|text| text.parse().ok());
        if kept.is_some() {
            self.says("I am back, and hear what I have missed");
        }
        let mut events = self.agent.follow(kept.unwrap_or_else(Position::beginning));
        loop {
            let event = events.next().await?;
            self.looks(async || self.take(part, &event).await).await?;
            files::replace(&self.kept, events.position().to_string(), Readers::Owner).map_err(failed)?;
        }
    }

    /// Acts on what the server reports.
    async fn is_told(&self, mut hook: Hook, part: &impl Part) -> Done {
        loop {
            let report = hook.next().await?;
            if hook.is_new(&report) {
                self.says(format_args!("I am told of {}", report.task));
                self.looks(async || self.look_at(part, &report.task).await).await?;
            }
            hook.take(report)?;
        }
    }

    /// Acts until the server is reached. What was lost on the way may have been carried out meanwhile: a second look tells.
    async fn looks(&self, act: impl AsyncFn() -> Done) -> Done {
        match self.agent.until_reached(&act).await {
            Err(ClientError::Refused(_)) => self.agent.until_reached(&act).await,
            done => done,
        }
    }

    /// What an event is about goes to the part, if it is about this agent.
    async fn take(&self, part: &impl Part, event: &Event) -> Done {
        let me = self.name();
        match event {
            Event::Task(event) if event.to == me || event.from == me => self.look_at(part, &event.task).await,
            Event::Negotiation(event) if event.initiator == me || event.responder == me => {
                match self.negotiation(&event.negotiation).await? {
                    Some(negotiation) => part.negotiates(self, negotiation).await,
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// A task, as it is now, goes to the part.
    async fn look_at(&self, part: &impl Part, task: &str) -> Done {
        match self.task(task).await? {
            Some(task) if task.to == self.name() => part.executes(self, task).await,
            Some(task) => part.assigned(self, task).await,
            None => Ok(()),
        }
    }

    /// One line of the story.
    pub fn says(&self, what: impl Display) {
        tell(self.name(), what);
    }

    /// Dies, if this is the place: what was done is done, and nothing that was heard last is kept.
    pub fn may_die(&self, at: &str) {
        if self.dies_at.as_deref() == Some(at) {
            let me = rustix::process::getpid();
            // There is no way not to be killed.
            let _ = rustix::process::kill_process(me, rustix::process::Signal::KILL);
        }
    }

    /// A number below `end` that depends on the seed and on what it is for.
    pub fn number(&self, what: &str, end: u32) -> i64 {
        number(self.seed, what, end.into()).cast_signed()
    }

    /// The first agent by name that has this skill in this domain.
    pub async fn finds(&self, skill: &str, domain: &str) -> Done<String> {
        let wanted = DiscoverAgentsInput {
            skill_name: vec![skill.to_owned()],
            domain: vec![domain.to_owned()],
            ..Default::default()
        };
        let found = self.agent.discover(&wanted).await?.agent.into_iter().map(|agent| agent.name).min();
        found.ok_or_else(|| failed(format_args!("nobody can do {skill} in {domain}")))
    }

    /// Where an agent wants to be told of its tasks, if the registry says so.
    pub async fn callback_of(&self, name: &str) -> Done<Option<AssignTaskInputCallback>> {
        let found: Option<Registered> = self.agent.read(&[name]).await?;
        let endpoints = found.map(|agent| agent.endpoints.endpoint).unwrap_or_default();
        let is_it = |endpoint: &RegisteredEndpoint| endpoint.protocol.as_deref() == Some(hook::PROTOCOL);
        let found = endpoints.into_iter().find(is_it);
        Ok(found.map(|endpoint| AssignTaskInputCallback::new(endpoint.url)))
    }

    /// A task.
    pub async fn task(&self, id: &str) -> Done<Option<Task>> {
        self.agent.task(id).await
    }

    /// A negotiation.
    pub async fn negotiation(&self, id: &str) -> Done<Option<Negotiation>> {
        self.agent.negotiation(id).await
    }

    /// The way to the server, for what is not here.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Begins with a task.
    pub async fn begins(&self, task: &Task, what: impl Display) -> Done {
        let report = ReportInput { status: Some(TaskStatus::Processing), ..ReportInput::default() };
        self.agent.report(&task.id, &report).await?;
        self.says(what);
        Ok(())
    }

    /// Tells how far a task is.
    pub async fn progresses(&self, task: &Task, percent: u8, what: &str) -> Done {
        let (progress, reason) = (Some(percent), Some(what.to_owned()));
        self.agent.report(&task.id, &ReportInput { progress, reason, ..ReportInput::default() }).await?;
        self.says(format_args!("{}: {percent} %, {what}", task.id));
        Ok(())
    }

    /// Asks for something that a task needs.
    pub async fn asks(&self, task: &Task, question: &str) -> Done {
        let input_request =
            Some(ReportInputInputRequest { content: Some(question.to_owned()), structured_content: None });
        let report =
            ReportInput { status: Some(TaskStatus::Blocked), input_request, ..ReportInput::default() };
        self.agent.report(&task.id, &report).await?;
        self.says(format_args!("question: {question}"));
        Ok(())
    }

    /// Answers what a task needs.
    pub async fn answers(&self, task: &Task, request: u32, answer: &str) -> Done {
        let input = AnswerInput { content: Some(answer.to_owned()), ..AnswerInput::new(request) };
        self.agent.answer(&task.id, &input).await?;
        self.says(format_args!("answer: {answer}"));
        Ok(())
    }

    /// Gives the result of a task, with its structure if it has one.
    pub async fn finishes(&self, task: &Task, content: &str, structure: Option<Json>) -> Done {
        let structured_content = structure.map(|json| AnyData::Json(Arc::new(json)));
        let result =
            ReportInputResult { content: Some(content.to_owned()), structured_content, ..Default::default() };
        let (status, result) = (Some(TaskStatus::Finished), Some(result));
        self.agent.report(&task.id, &ReportInput { status, result, ..ReportInput::default() }).await?;
        self.says(format_args!("{} is done: {content}", task.id));
        Ok(())
    }

    /// Says whether the result of a task will do: it does if it has these fields.
    pub async fn verifies(&self, task: &Task, fields: &[&str]) -> Done {
        let found = result_json(task);
        let missing: Vec<&str> =
            fields.iter().copied().filter(|field| found[*field].as_str().is_none()).collect();
        let verdict = match missing.as_slice() {
            [] => VerifyInput::new(ResultVerdict::Accepted),
            missing => VerifyInput {
                comment: Some(format!("missing: {}", missing.join(", "))),
                ..VerifyInput::new(ResultVerdict::Rework)
            },
        };
        self.agent.verify(&task.id, &verdict).await?;
        self.says(match verdict.comment {
            None => format!("{}: accepted", task.id),
            Some(comment) => format!("{}: sent back, {comment}", task.id),
        });
        Ok(())
    }

    /// Assigns a task, unless it has been assigned already: a task's identifier says what it is for.
    pub async fn assigns(&self, order: AssignTaskInput, structure: Option<Json>) -> Done {
        let id = order.id.clone().unwrap_or_default();
        if self.task(&id).await?.is_some() {
            return Ok(());
        }
        let said = order.content.clone().unwrap_or_default();
        let to = order.to.clone();
        let structured_content = structure.map(|json| AnyData::Json(Arc::new(json)));
        self.agent.assign(&AssignTaskInput { structured_content, ..order }).await?;
        self.says(format_args!("{id} to {to}: {said}"));
        Ok(())
    }

    /// An order of this agent.
    pub fn order(&self, id: &str, to: &str, type_: &str, content: impl Into<String>) -> AssignTaskInput {
        AssignTaskInput {
            id: Some(id.to_owned()),
            type_: Some(type_.to_owned()),
            content: Some(content.into()),
            ..AssignTaskInput::new(self.name(), to)
        }
    }

    /// An order of what was agreed, to the agent that was asked.
    pub fn order_agreed(
        &self,
        agreed: &Negotiation,
        id: &str,
        type_: &str,
        content: &str,
    ) -> AssignTaskInput {
        AssignTaskInput {
            negotiation: Some(agreed.id.clone()),
            context: agreed.context.clone(),
            ..self.order(id, &agreed.responder, type_, content)
        }
    }

    /// Opens a negotiation, unless it has been opened already.
    pub async fn proposes(&self, negotiation: OpenNegotiationInput, offer: &Offer, content: &str) -> Done {
        let id = negotiation.id.clone().unwrap_or_default();
        if self.negotiation(&id).await?.is_some() {
            return Ok(());
        }
        let content = Some(content.to_owned());
        let opening = OpenNegotiationInput { term: offer.terms()?, content, ..negotiation };
        self.agent.open_negotiation(&opening).await?;
        self.says(format_args!("{id} with {}: {offer}", opening.to));
        Ok(())
    }

    /// Makes a move in answer to the latest round, and says why.
    pub async fn moves(&self, negotiation: &Negotiation, step: &Move, why: &str) -> Done {
        let last = negotiation.round.last().map_or(1, |round| round.number);
        let (move_, term, said) = match step {
            Move::Accept => (NegotiationMove::Accept, Vec::new(), format!("agreed: {why}")),
            Move::Counter(offer) => {
                (NegotiationMove::Counter, offer.terms()?, format!("{why}; instead: {offer}"))
            }
        };
        let content = Some(why.to_owned());
        let input = RespondInput { term, content, ..RespondInput::new(self.name(), last, move_) };
        self.agent.respond(&negotiation.id, &input).await?;
        self.says(format_args!("{}: {said}", negotiation.id));
        Ok(())
    }

    /// Whether it has to move in a negotiation.
    pub fn is_on_turn(&self, negotiation: &Negotiation) -> bool {
        negotiation.status == NegotiationStatus::Open && negotiation.turn.as_deref() == Some(self.name())
    }
}

/// A move that settles a negotiation or goes on with it.
#[derive(Debug, Clone, PartialEq)]
pub enum Move {
    /// What the other side offers will do.
    Accept,
    /// It will not do, but this would.
    Counter(Offer),
}

/// The first request for input that nobody has answered.
pub fn open_request(task: &Task) -> Option<&InputRequest> {
    task.input_requests.input_request.iter().find(|request| request.answer.is_none())
}

/// What the last request for input was answered.
pub fn answer(task: &Task) -> Option<&str> {
    task.input_requests.input_request.last()?.answer.as_ref()?.content.as_deref()
}

/// Whether a task has a result that nobody has judged.
pub fn is_unjudged(task: &Task) -> bool {
    task.status == TaskStatus::Finished
        && task.result.as_ref().is_some_and(|result| result.verification.is_none())
}

/// The verdict on the result of a task.
pub fn verdict(task: &Task) -> Option<ResultVerdict> {
    Some(task.result.as_ref()?.verification.as_ref()?.verdict)
}

/// Whether a task has a result that was accepted.
pub fn is_accepted(task: &Task) -> bool {
    task.status == TaskStatus::Finished && verdict(task) == Some(ResultVerdict::Accepted)
}

/// The structure of a task's order.
pub fn order_json(task: &Task) -> Json {
    json_of(task.structured_content.as_ref())
}

/// The structure of a task's result.
pub fn result_json(task: &Task) -> Json {
    json_of(task.result.as_ref().and_then(|result| result.structured_content.as_ref()))
}

/// The text of a task's result.
pub fn result_text(task: &Task) -> &str {
    task.result.as_ref().and_then(|result| result.content.as_deref()).unwrap_or_default()
}

/// What is inside of the one member of the structure that the agents of a scenario have agreed upon.
fn json_of(data: Option<&AnyData>) -> Json {
    match data {
        Some(AnyData::Json(json)) => {
            json.as_object().and_then(|object| object.values().next()).cloned().unwrap_or_default()
        }
        _ => Json::Null,
    }
}

/// The profile of an agent.
pub fn profile(name: &str, description: &str, domain: &str, skills: &[&str]) -> RegisterAgentInput {
    let mut profile = RegisterAgentInput::new(name, description, "1.0.0", "example");
    profile.domain = vec![domain.to_owned()];
    profile.skills.skill = skills.iter().map(|skill| RegisterAgentInputSkill::new(*skill)).collect();
    profile
}

/// A number below `end` that depends on the seed and on what it is for (FNV-1a, and the finish of SplitMix64).
pub fn number(seed: u64, what: &str, end: u64) -> u64 {
    let hash = what.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % end.max(1)
}

/// What is not the server's affair, as its client says it.
pub fn failed(error: impl Display) -> ClientError {
    ClientError::Request(error.to_string())
}

/// Prints one line of the story: when, who, what.
pub fn tell(who: &str, what: impl Display) {
    let at = Clock::system().now().to_string();
    let clock: String = at.trim_end_matches('Z').chars().skip(11).take(12).collect();
    println!("{clock:<12}  {who:<16}  {what}");
}
