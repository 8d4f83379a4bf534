//! One world: the server, its storage, its clock and its clients, all moved by one source of chance. Nothing here waits, and
//! no two things happen at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use agentconf::access::{Method, Principal};
use agentconf::audit::Trail;
use agentconf::clock::{ManualClock, Timestamp};
use agentconf::datastore::edit::{Edit, Operation};
use agentconf::engine::{
    Capabilities, Content, Datastore, EditRequest, Engine, Entropy, ForgetError, Form, Invocation, Judges,
    Options, Reason, Session, State, Stepper, Test, WrongSnapshot, forget, prove, write_snapshot,
};
use agentconf::limits::Limits;
use agentconf::log::{LogReader, snapshots};
use agentconf::yang::encode::EncodeOptions;
use agentconf::yang::error::Error;
use agentconf::yang::generated::ietf_netconf_monitoring::identities::Transport;
use agentconf::yang::generated::{
    SCHEMA, irtf_agent, magent_access, magent_policy, magent_registry, magent_task,
};
use agentconf::yang::json;
use agentconf::yang::path::InstancePath;
use agentconf::yang::schema::Kind;
use agentconf::yang::tree::{Child, StateList};
use serde_json::Value as Json;
use tokio::runtime::Runtime;

use super::disk::{self, Command, Disk, Tear};
use super::follower::Follower;
use super::invariants::{self, Looked};
use super::mutation::Mutation;
use super::random::Random;
use super::reports::{Anybody, Courier, SILENT};
use super::requests::{self, Request, STRANGER, USERS};
use super::vault::Numbers;
use super::witness::{Violation, Witness, hold};

const START: i64 = 1_800_000_000;
/// Events of a world before the faults stop.
const EVENTS: u64 = 225;

type Answering = Pin<Box<dyn Future<Output = Result<Answer, Error>>>>;

/// A model can always be asked; what it says are requests of the world.
#[derive(Debug)]
struct Patient;

impl Judges for Patient {
    fn patience(&self) -> Option<Duration> {
        Some(Duration::from_secs(5))
    }
}

/// What a request came to.
pub enum Answer {
    Done,
    Output(Json),
    Session(Session),
}

struct Call {
    user: &'static str,
    request: Request,
    answering: Answering,
}

/// The server while it runs.
pub struct Running {
    pub engine: Engine,
    stepper: Stepper,
}

/// What became of a world.
pub struct Life {
    pub result: Result<(), Violation>,
    /// All that was done.
    pub history: Vec<String>,
    /// The kinds of events that its log has.
    pub seen: BTreeSet<String>,
}

pub struct World {
    random: Random,
    pub mutation: Option<Mutation>,
    pub runtime: Runtime,
    /// The time of the world, and the server's clock.
    pub now: i64,
    clock: ManualClock,
    command: Command,
    root: tempfile::TempDir,
    generation: u64,
    pub running: Option<Running>,
    calls: Vec<Call>,
    /// What was asked before and can be asked again.
    pub asked: Vec<(&'static str, Request)>,
    session: Option<Session>,
    followers: BTreeMap<&'static str, Follower>,
    pub witness: Witness,
    vault: Arc<Numbers>,
    pub courier: Courier,
    pub number: u64,
    /// Requests that were acknowledged and that must be there for ever: what kind of thing, and its identifier.
    pub acknowledged: BTreeSet<(&'static str, String)>,
    looked: Looked,
    /// The position after which the log begins: what came before was forgotten.
    pub begins_after: u64,
    /// Positions of the snapshots that were damaged.
    damaged: BTreeSet<u64>,
    /// What happened, for who looks into it.
    history: Vec<String>,
}

impl World {
    /// Runs a seed to its end.
    pub fn run(seed: u64, mutation: Option<Mutation>) -> Life {
        let mut world = World::new(seed, mutation);
        let result = catch_unwind(AssertUnwindSafe(|| world.live()));
        let panicked = |_| Err(Violation { rule: "nothing panics", detail: "see above".to_owned() });
        let result = result.unwrap_or_else(panicked);
        Life { result, history: world.history, seen: world.witness.seen }
    }

    fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let start = Timestamp::from_seconds(START).expect("in range");
        World {
            random: Random::new(seed),
            mutation,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
            now: START,
            clock: ManualClock::new(start),
            command: Command::default(),
            root: tempfile::tempdir().expect("a directory"),
            generation: 0,
            running: None,
            calls: Vec::new(),
            asked: Vec::new(),
            session: None,
            followers: USERS.iter().map(|user| (*user, Follower::new(mutation))).collect(),
            witness: Witness::new(mutation),
            vault: Arc::new(Numbers::new(mutation == Some(Mutation::VaultTells))),
            courier: Courier::new(seed),
            number: 0,
            acknowledged: BTreeSet::new(),
            looked: Looked::default(),
            begins_after: 0,
            damaged: BTreeSet::new(),
            history: Vec::new(),
        }
    }

    fn live(&mut self) -> Result<(), Violation> {
        self.command.orders().mutation = self.mutation;
        self.start()?;
        for user in requests::OWNERS {
            let profile = requests::register(user, 1, 1800, &requests::SKILLS);
            for request in [profile, requests::set_capacity(user, 100, None)] {
                self.asked.push((user, request.clone()));
                self.ask(user, request)?;
            }
        }
        self.order(SILENT)?;
        self.step(8)?;
        for _ in 0..EVENTS {
            self.event()?;
            self.reports()?;
        }
        self.recover()
    }

    pub fn time(&self) -> Timestamp {
        Timestamp::from_seconds(self.now).expect("in range")
    }

    pub fn engine(&self) -> &Engine {
        &self.running.as_ref().expect("it runs").engine
    }

    pub fn principal(&self, user: &str) -> Principal {
        let is_admin =
            user == "admin" || (user == STRANGER && self.mutation == Some(Mutation::StrangerIsAdministrator));
        let groups = if is_admin { ["admin".to_owned()].into() } else { BTreeSet::new() };
        let is_another = user == STRANGER && self.mutation == Some(Mutation::StrangerIsAnother);
        Principal::new(if is_another { "ann" } else { user }, groups, Method::Local)
    }

    fn event(&mut self) -> Result<(), Violation> {
        match self.random.below(100) {
            0..50 => {
                let user = *self.random.pick(&USERS);
                self.number += 1;
                let state = self.engine().snapshot();
                let (is_in, now) = (self.session.is_some(), self.time());
                let request = requests::draw(&mut self.random, user, is_in, self.number, &state, now);
                self.asked.push((user, request.clone()));
                self.ask(user, request)
            }
            50..62 if self.engine().snapshot().negotiations.awaiting_judgement().next().is_some() => {
                let state = self.engine().snapshot();
                let request = requests::judge(&mut self.random, &state);
                self.asked.push(("admin", request.clone()));
                self.ask("admin", request)
            }
            50..56 => {
                let (user, request) = self.random.pick(&self.asked).clone();
                let request = match self.mutation {
                    Some(Mutation::RepeatIsAnother) => request.renamed(),
                    _ => request,
                };
                self.ask(user, request)
            }
            56..76 => {
                let most = usize::try_from(self.random.within(1, 8)).expect("small");
                self.step(most)
            }
            76..84 => {
                let seconds = match self.random.below(10) {
                    0 => -i64::try_from(self.random.within(1, 5)).expect("small"),
                    1..3 => i64::try_from(self.random.within(60, 400)).expect("small"),
                    _ => i64::try_from(self.random.within(1, 30)).expect("small"),
                };
                self.advance(seconds);
                self.step(8)
            }
            84..87 => {
                let times = u32::try_from(self.random.within(1, 3)).expect("small");
                self.history.push(format!("the next {times} appends fail"));
                self.command.orders().failing = times;
                self.step(8)
            }
            87..89 => self.crash(None),
            89..92 => {
                let at = self.random.below(1000);
                let tear = *self.random.pick(&[Tear::Nothing, Tear::Whole, Tear::Cut(at), Tear::Hole(at)]);
                self.crash(Some(tear))
            }
            92 => self.stop(),
            93..95 => self.snapshot(),
            95 => self.compact(),
            96..98 => {
                let user = *self.random.pick(&USERS);
                if let Some(follower) = self.followers.get_mut(user) {
                    follower.disconnect();
                }
                let most = usize::try_from(self.random.within(1, 4)).expect("small");
                self.history.push(format!("{user} comes back and takes {most} events"));
                self.look(user, most)?;
                if let Some(follower) = self.followers.get_mut(user) {
                    follower.disconnect();
                }
                self.look(user, usize::MAX)
            }
            // Who asked goes before the answer comes.
            _ => {
                if !self.calls.is_empty() {
                    let lost = usize::try_from(self.random.below(self.calls.len() as u64)).expect("small");
                    let call = self.calls.remove(lost);
                    self.history
                        .push(format!("{} does not wait for the answer to {:?}", call.user, call.request));
                    if let Request::Delivered(progress) = call.request {
                        self.courier.again(progress);
                    }
                }
                Ok(())
            }
        }
    }

    /// Saves the state as the server does beside its writer.
    fn snapshot(&mut self) -> Result<(), Violation> {
        self.history.push("a snapshot is written".into());
        let mut state = State::clone(&self.engine().snapshot());
        if self.mutation == Some(Mutation::SnapshotForgets) {
            state.registry = Default::default();
        }
        let log = LogReader::open(&self.directory()).expect("the log is there");
        self.damaged.remove(&state.position);
        write_snapshot(&log, &state)
            .map_err(|e| Violation { rule: "a snapshot is written", detail: e.to_string() })
    }

    /// Moves records that the snapshots stand for into archives, as the server does beside its writer. The power can fail
    /// before they are out of the log; otherwise old ones can be forgotten.
    fn compact(&mut self) -> Result<(), Violation> {
        let broken =
            |e: &dyn std::fmt::Display| Violation { rule: "a log is compacted", detail: e.to_string() };
        let log = LogReader::open(&self.directory()).map_err(|e| broken(&e))?;
        let Some(oldest) = self.snapshots().pop() else { return Ok(()) };
        let to = self.random.within(1, oldest);
        let next = self.random.chance(25).then(|| self.next_directory());
        if let Some(next) = &next {
            disk::leave(&self.command, &self.directory(), next);
        }
        let mut compactor = log.compactor().map_err(|e| broken(&e))?;
        let reached = compactor.archive(to, |_| {}).map_err(|e| broken(&e))?;
        disk::synced(&self.command, &self.directory());
        self.history.push(format!("records up to {reached} are archived"));
        self.witness.seen.insert("records archived".into());
        if let Some(next) = next {
            self.history.push("crash before they are out of the log".into());
            disk::leave_archives(&self.command, &self.directory(), &next);
            return self.goes_on();
        }
        let seconds = i64::try_from(self.random.within(1, 1200)).expect("small");
        match forget(&log, &compactor, &Trail::default(), (self.now - seconds) * 1_000_000) {
            Ok(0) => {}
            Ok(archives) => {
                let before = self.begins_after;
                self.begins_after = log.first().map_err(|e| broken(&e))?.position;
                hold("what is forgotten is gone", self.begins_after > before, || {
                    format!("{archives} archives went, and the log still begins after {before}")
                })?;
                self.history.push(format!("{archives} archives are forgotten, up to {}", self.begins_after));
                self.witness.seen.insert("records forgotten".into());
            }
            Err(error @ ForgetError::Snapshot { .. }) if self.damaged.contains(&oldest) => {
                self.history.push(format!("nothing is forgotten: {error}"));
                self.witness.seen.insert("records not forgotten".into());
            }
            Err(error) => return Err(broken(&error)),
        }
        Ok(())
    }

    /// Positions of the snapshots, newest first.
    fn snapshots(&self) -> Vec<u64> {
        let found = snapshots::list(&self.directory()).expect("they are read");
        found.iter().map(|snapshot| snapshot.head.position).collect()
    }

    fn advance(&mut self, seconds: i64) {
        self.history.push(format!("the clock moves by {seconds} s"));
        self.now += seconds;
        if self.mutation != Some(Mutation::ClockStandsStill) {
            self.clock.set(self.time());
        }
    }

    fn directory(&self) -> PathBuf {
        self.root.path().join(self.generation.to_string())
    }

    /// Where that goes what a power failure leaves.
    fn next_directory(&self) -> PathBuf {
        self.root.path().join((self.generation + 1).to_string())
    }

    /// Starts the server on what is on the disk.
    fn start(&mut self) -> Result<(), Violation> {
        const RULE: &str = "a start finds what was left";
        let broken = |e: &dyn std::fmt::Display| Violation { rule: RULE, detail: e.to_string() };
        let journal = Disk::open(&self.directory(), &self.command).map_err(|e| broken(&e))?;
        let reader = agentconf::log::Journal::reader(&journal);
        self.witness.remembers(&reader)?;
        let begins_after = reader.first().map_err(|e| broken(&e))?.position;
        hold("nothing is forgotten but what was to be", begins_after == self.begins_after, || {
            format!("the log begins after {begins_after}, not after {}", self.begins_after)
        })?;
        // It folds the whole log, so not each time.
        if self.generation.is_multiple_of(3) {
            let proved = prove(&reader, &mut |_| {}).map_err(|e| broken(&e))?;
            let altered =
                proved.wrong.iter().find(|(_, wrong)| matches!(wrong, WrongSnapshot::Altered { .. }));
            hold("a snapshot is what the records come to", altered.is_none(), || format!("{altered:?}"))?;
        }
        let profile = irtf_agent::Agent {
            domain: Some("IP".into()),
            ..irtf_agent::Agent::new("server", "the server's own agent", "1.0.0", "agentconf")
        };
        let options = Options {
            clock: self.clock.clock(),
            limits: Limits::default().into(),
            startup: false,
            profile,
            capabilities: Capabilities::default(),
            receivers: Arc::new(Anybody),
            judges: Arc::new(Patient),
            blobs: None,
            vault: self.vault.clone(),
            trail: Default::default(),
            spans: Default::default(),
            accounts: Default::default(),
        };
        let chance = Mutex::new(Random::new(self.random.next()));
        let entropy = Entropy::new(move || {
            let mut chance = chance.lock().unwrap_or_else(PoisonError::into_inner);
            let (one, two) = (chance.next().to_be_bytes(), chance.next().to_be_bytes());
            let mut entropy = [0; 10];
            entropy[..8].copy_from_slice(&one);
            entropy[8..].copy_from_slice(&two[..2]);
            entropy
        });
        let (engine, stepper) = Stepper::open(Box::new(journal), options, entropy).map_err(|e| broken(&e))?;
        self.running = Some(Running { engine, stepper });
        self.looked = Looked::default();
        self.check()?;
        let state = self.engine().snapshot();
        for (kind, id) in &self.acknowledged {
            let is_there = match *kind {
                "task" => state.tasks.contains(id),
                _ => state.negotiations.get(id).is_some(),
            };
            hold("nothing acknowledged is lost", is_there, || format!("{kind} {id} is gone"))?;
        }
        Ok(())
    }

    /// The power fails: between two groups, or while one is written.
    fn crash(&mut self, during: Option<Tear>) -> Result<(), Violation> {
        self.history.push(format!("crash, {during:?}"));
        let next = self.next_directory();
        if let Some(tear) = during {
            self.command.orders().crash = Some((tear, next.clone()));
            self.running.as_mut().expect("it runs").stepper.step(8);
        }
        let is_left = self.command.orders().crashed;
        if !is_left {
            // Nothing was written meanwhile.
            disk::leave(&self.command, &self.directory(), &next);
        }
        self.goes_on()
    }

    /// Starts on what a power failure has left.
    fn goes_on(&mut self) -> Result<(), Violation> {
        self.end();
        let _ = fs::remove_dir_all(self.directory());
        self.generation += 1;
        let snapshots = self.snapshots();
        let whole = snapshots.iter().filter(|position| !self.damaged.contains(position)).count();
        // What is forgotten the snapshots alone know: of those one is left whole.
        let is_spare = self.begins_after == 0 || whole > 1;
        if self.random.below(4) == 0
            && is_spare
            && let Some(newest) = snapshots.first()
        {
            self.history.push("the newest snapshot is damaged".into());
            disk::cut_snapshot(&self.directory());
            self.damaged.insert(*newest);
        }
        self.start()
    }

    /// Ends in good order and starts again.
    fn stop(&mut self) -> Result<(), Violation> {
        self.history.push("restart".into());
        let Running { engine, mut stepper } = self.running.take().expect("it runs");
        let mut stopping = Box::pin(engine.stop());
        self.runtime.block_on(poll_fn(|cx| {
            let _ = stopping.as_mut().poll(cx);
            Poll::Ready(())
        }));
        while stepper.queued() > 0 {
            stepper.step(64);
        }
        drop(stopping);
        drop((engine, stepper));
        self.end();
        self.start()
    }

    fn end(&mut self) {
        self.calls.clear();
        self.session = None;
        self.courier.ends();
        self.followers.values_mut().for_each(Follower::disconnect);
        self.running = None;
    }

    /// Puts a request before the writer.
    pub fn ask(&mut self, user: &'static str, request: Request) -> Result<(), Violation> {
        self.history.push(format!("{user} asks {request:?}"));
        let Some(mut answering) = self.asking(user, &request) else { return Ok(()) };
        let queued = |world: &World| world.running.as_ref().map_or(0, |running| running.stepper.queued());
        let before = queued(self);
        let set_policy = &magent_policy::nodes::SET_POLICY;
        let is_policy = matches!(&request, Request::Invoke { operation, .. } if *operation == set_policy);
        let is_beside = is_policy || format!("{request:?}").contains(requests::SECRET);
        let world = &*self;
        let ready = self.runtime.block_on(poll_fn(|cx| match answering.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            // Secrets are taken out, and policies searched, beside the runtime before the writer sees the rest.
            Poll::Pending if is_beside && queued(world) == before => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
        }));
        match ready {
            Some(answer) => self.answered(user, request, answer),
            None => self.calls.push(Call { user, request, answering }),
        }
        Ok(())
    }

    fn asking(&mut self, user: &'static str, request: &Request) -> Option<Answering> {
        let engine = self.engine().clone();
        let session = self.session.as_ref().filter(|_| user == "admin");
        let principal = session.map_or_else(|| self.principal(user), |session| session.principal().clone());
        Some(match request.clone() {
            Request::Invoke { operation, target, input } => Box::pin(async move {
                let Kind::Rpc { input: parameters, output } = operation.kind else { return Ok(Answer::Done) };
                let input = json::decode_children(
                    input.to_string().as_bytes(),
                    Some(parameters),
                    &SCHEMA,
                    &json::STORED,
                )?;
                let done = engine
                    .invoke(
                        &principal,
                        Invocation { operation, target, input: input.into(), form: Form::Json },
                    )
                    .await?;
                Ok(Answer::Output(encoded(&Child::Container(done.into()), Some(output))))
            }),
            Request::Edit { datastore, path, value } => {
                let edit = edit(path, value);
                let request = EditRequest {
                    datastore,
                    test: Test::AtCommit,
                    edits: vec![edit],
                    preconditions: Vec::new(),
                };
                let edited = engine.edit(&principal, request);
                Box::pin(async move { edited.await.map(|_| Answer::Done).map_err(|refused| refused.error) })
            }
            Request::Manage(management) => {
                Box::pin(async move { engine.manage(&principal, management).await.map(|_| Answer::Done) })
            }
            Request::Lock(locking) if session.is_some() => {
                Box::pin(async move { engine.lock(&principal, locking).await.map(|_| Answer::Done) })
            }
            Request::Judge(verdict) => {
                Box::pin(async move { engine.judged(verdict).await.map(|_| Answer::Done) })
            }
            Request::Delivered(progress) => {
                Box::pin(async move { engine.delivered(progress).await.map(|()| Answer::Done) })
            }
            Request::Begin => Box::pin(async move {
                engine.session(&principal, None, Transport::NetconfSsh).await.map(Answer::Session)
            }),
            Request::End => {
                if let Some(session) = self.session.take() {
                    session.end(Reason::Closed);
                }
                return None;
            }
            Request::Lock(_) => return None,
        })
    }

    fn answered(&mut self, user: &'static str, request: Request, answer: Result<Answer, Error>) {
        let said = match &answer {
            Ok(Answer::Output(output)) => output.to_string(),
            Ok(_) => "done".to_owned(),
            Err(e) => format!("{e}"),
        };
        self.history.push(format!("{user} is answered {said}"));
        match (answer, request) {
            (Ok(Answer::Session(session)), _) => self.session = Some(session),
            (Err(_), Request::Delivered(progress)) => self.courier.again(progress),
            (Ok(_), Request::Delivered(progress)) => self.courier.is_durable(&progress),
            (Ok(Answer::Output(output)), Request::Invoke { input, .. }) => {
                let Some(id) = output["id"].as_str() else { return };
                let kind = match input["id"].as_str().and_then(|id| id.split('-').next()) {
                    Some("t") => "task",
                    Some("n") => "negotiation",
                    _ => return,
                };
                self.acknowledged.insert((kind, id.to_owned()));
            }
            _ => {}
        }
    }

    /// The writer takes a step, answers come, and everybody looks.
    pub fn step(&mut self, most: usize) -> Result<(), Violation> {
        let complete = self.running.as_mut().expect("it runs").stepper.step(most);
        self.history.push(format!("step {complete}, position {}", self.engine().snapshot().position));
        for mut call in std::mem::take(&mut self.calls) {
            let ready = self.runtime.block_on(poll_fn(|cx| match call.answering.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending => Poll::Ready(None),
            }));
            match ready {
                Some(answer) => self.answered(call.user, call.request, answer),
                None => self.calls.push(call),
            }
        }
        if complete {
            let (due, now) = (self.engine().snapshot().next_deadline(), self.time());
            // What the server still has to do by policies is done in the next steps.
            let later = due.filter(|due| *due != Timestamp::EPOCH);
            hold("every deadline fires", later.is_none_or(|due| due > now), || {
                format!("{due:?} is over at {now}")
            })?;
        }
        self.check()
    }

    fn check(&mut self) -> Result<(), Violation> {
        let reader = agentconf::log::LogReader::open(&self.directory());
        let reader = reader.map_err(|e| Violation { rule: "the log can be read", detail: e.to_string() })?;
        self.witness.follow(&reader)?;
        let one = *self.random.pick(&USERS[..5]);
        self.looked = invariants::check(self, self.looked, one)?;
        if self.random.chance(5) {
            invariants::told(self, one, &self.sees_of(one, &InstancePath::default()).to_string())?;
        }
        for user in USERS {
            if self.random.chance(60) {
                self.look(user, usize::MAX)?;
            }
        }
        Ok(())
    }

    /// A subscriber takes what there is for it.
    fn look(&mut self, user: &'static str, most: usize) -> Result<(), Violation> {
        let principal = self.principal(user);
        let Some(mut follower) = self.followers.remove(user) else { return Ok(()) };
        let taken = follower.take(&self.runtime, self.engine(), &principal, most);
        self.followers.insert(user, follower);
        for told in taken? {
            invariants::told(self, user, &format!("{:?}", told.notification.data))?;
        }
        Ok(())
    }

    /// The faults stop, and everything must come to its end and go on.
    fn recover(&mut self) -> Result<(), Violation> {
        const RULE: &str = "without faults everything makes progress";
        self.history.push("the faults stop".into());
        self.command.orders().failing = 0;
        self.session = None;
        self.step(256)?;
        for _ in 0..200 {
            let Some(due) = self.engine().snapshot().next_deadline() else { break };
            let seconds = due.as_seconds() + 1 - self.now;
            self.advance(seconds.max(1));
            self.step(256)?;
        }
        let due = self.engine().snapshot().next_deadline();
        hold(RULE, due.is_none(), || format!("{due:?} is still to come"))?;
        let state = self.engine().snapshot();
        for id in keys(state.negotiations.entries().as_ref()) {
            let turn = state.negotiations.get(&id).and_then(|course| course.head.turn.clone());
            hold(RULE, turn.is_none(), || format!("negotiation {id} is open"))?;
        }
        hold(RULE, self.calls.is_empty(), || format!("{} requests are not answered", self.calls.len()))?;
        for user in requests::OWNERS {
            self.ask(user, requests::register(user, 9, 600, &requests::SKILLS))?;
        }
        self.step(256)?;
        self.number += 1;
        let last = self.number;
        let input = requests::assign("ann", "bob", last);
        let operation = &magent_task::nodes::ASSIGN_TASK;
        self.ask("ann", Request::Invoke { operation, target: None, input })?;
        self.step(256)?;
        let id = format!("t-ann-bob-{last}");
        hold(RULE, self.acknowledged.contains(&("task", id)), || "new work is not taken".into())?;
        self.all_is_reported()?;
        for user in USERS {
            self.look(user, usize::MAX)?;
        }
        let mut replay = Follower::new(None);
        let admin = self.principal("admin");
        replay.take(&self.runtime, self.engine(), &admin, usize::MAX)?;
        let received = self.followers.get("admin").map_or(&[][..], |follower| &follower.received);
        let kept = received.iter().filter(|(position, _)| *position > self.begins_after);
        hold("a subscriber gets every event once, in order", kept.eq(&replay.received), || {
            "what an administrator was told is not what a replay tells".into()
        })
    }

    /// The agents that meet conditions, as the server finds them.
    pub fn discover(&self, conditions: &Json) -> Json {
        let operation = &magent_registry::nodes::DISCOVER_AGENTS;
        let Kind::Rpc { input: parameters, output } = operation.kind else { return Json::Null };
        let input = conditions.to_string();
        let input = json::decode_children(input.as_bytes(), Some(parameters), &SCHEMA, &json::STORED)
            .expect("it fits");
        let principal = self.principal("admin");
        let asked = Invocation { operation, target: None, input: input.into(), form: Form::Json };
        let found = self.runtime.block_on(self.engine().invoke(&principal, asked)).expect("it is answered");
        encoded(&Child::Container(found.into()), Some(output))
    }

    /// What a user sees of agents, tasks, data and negotiations.
    pub fn sees(&self, user: &str) -> Json {
        let parts: [&'static agentconf::yang::schema::Node; 4] = [
            &magent_task::nodes::INTERACTION,
            &magent_registry::nodes::REGISTRY,
            &magent_access::nodes::ACCESS,
            &magent_policy::nodes::POLICIES,
        ];
        let mut all = serde_json::Map::new();
        for part in parts {
            let seen = self.sees_of(user, &requests::plain(&[part]));
            all.insert(format!("{}:{}", part.module.name, part.name), seen);
        }
        Json::Object(all)
    }

    /// What a user sees there.
    pub fn sees_of(&self, user: &str, path: &InstancePath) -> Json {
        let found = self.engine().read(&self.principal(user), Datastore::Unified, path, Content::All);
        found.map_or(Json::Null, |found| encoded(&found.child, found.node))
    }
}

fn edit(path: InstancePath, value: Option<Json>) -> Edit {
    let value = value.map(|body| {
        json::decode_one(body.to_string().as_bytes(), &path, &SCHEMA, &json::STORED)
            .expect("it fits the schema")
    });
    let operation = if value.is_some() { Operation::Replace } else { Operation::Remove };
    Edit { operation, path, value, insert: None }
}

fn encoded(child: &Child, node: Option<&'static agentconf::yang::schema::Node>) -> Json {
    let Child::Container(container) = child else { return Json::Null };
    let mut text = Vec::new();
    json::encode_children(container, node, &mut text, &EncodeOptions::default());
    serde_json::from_slice(&text).expect("the encoder writes JSON")
}

/// The keys of a list that has one key.
pub fn keys(list: &dyn StateList) -> Vec<String> {
    let all = list.after(None, usize::MAX).into_iter();
    all.filter_map(|(key, _)| key.values().first().map(ToString::to_string)).collect()
}
