//! An engine over a log in a directory of its own, with a clock that tests move, and what tests
//! ask of it in a line.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use agentconf::access::{Method, Principal};
use agentconf::clock::{ManualClock, Timestamp};
use agentconf::config::Config;
use agentconf::datastore::edit::{Edit, Operation};
use agentconf::engine::{
    Accounts, Capabilities, Content, Datastore, EditReply, EditRequest, Engine, Form, Invocation, Judges,
    Options, Precondition, Test,
};
use agentconf::limits::Limits;
use agentconf::log::Log;
use agentconf::server::vault::Vault;
use agentconf::yang::encode::EncodeOptions;
use agentconf::yang::error::{Error, Tag};
use agentconf::yang::generated::{SCHEMA, irtf_agent, magent_registry, magent_task};
use agentconf::yang::json;
use agentconf::yang::path::{InstancePath, Selector, Step};
use agentconf::yang::schema::{Kind, Node};
use agentconf::yang::tree::{Child, Key};
use serde_json::{Value as Json, json};

use irtf_agent::nodes as draft;
use magent_registry::nodes as registry;
use magent_task::nodes as n;

pub const START: i64 = 1_800_000_000;
/// A user who has an account, and no agent.
pub const USER: &str = "user-alone";

pub struct Bench {
    pub engine: Engine,
    pub clock: ManualClock,
    pub directory: tempfile::TempDir,
    startup: bool,
    limits: Limits,
    /// How long a model has to answer, if one can be asked.
    patience: Option<Duration>,
}

/// A model that is asked by nobody but a test.
#[derive(Debug)]
struct Model(Option<Duration>);

impl Judges for Model {
    fn patience(&self) -> Option<Duration> {
        self.0
    }
}

fn open(
    directory: &Path,
    clock: &ManualClock,
    startup: bool,
    limits: Limits,
    patience: Option<Duration>,
) -> Engine {
    let profile = irtf_agent::Agent {
        domain: Some("IP, Optical".into()),
        ..irtf_agent::Agent::new("server", "the server's own agent", "1.0.0", "agentconf")
    };
    let (clock, capabilities) = (clock.clock(), Capabilities::default());
    let config = Config { data: directory.to_owned(), ..Config::default() };
    let vault = Arc::new(Vault::open(&config, clock.clone()).expect("a directory for secrets"));
    let limits = limits.into();
    let options = Options {
        clock,
        limits,
        startup,
        profile,
        capabilities,
        receivers: std::sync::Arc::new(agentconf::engine::NoReceivers),
        judges: Arc::new(Model(patience)),
        blobs: None,
        vault,
        trail: Default::default(),
        spans: Default::default(),
        accounts: Accounts::new(|name| {
            assert_ne!(thread::current().name(), Some("writer"), "it has no time for this");
            name == USER
        }),
    };
    Engine::open(Log::open(directory).expect("the log opens"), options).expect("the log is replayed")
}

impl Bench {
    /// Without agents but the server's own.
    pub fn empty() -> Self {
        Bench::start(false, Limits::default())
    }

    /// With a startup datastore and without agents.
    pub fn with_startup() -> Self {
        Bench::start(true, Limits::default())
    }

    fn start(startup: bool, limits: Limits) -> Self {
        Bench::with_model(startup, limits, None)
    }

    fn with_model(startup: bool, limits: Limits, patience: Option<Duration>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let clock = ManualClock::new(Timestamp::from_seconds(START).expect("in range"));
        let engine = open(directory.path(), &clock, startup, limits.clone(), patience);
        Bench { engine, clock, directory, startup, limits, patience }
    }

    /// With the agents of two users: oss-agent of oss, ip-agent of ip.
    pub async fn new() -> Self {
        Bench::limited(Limits::default()).await
    }

    /// The same with these limits.
    pub async fn limited(limits: Limits) -> Self {
        Bench::start(false, limits).with_agents().await
    }

    /// The same with a model that has so long to answer.
    pub async fn judged(patience: Duration) -> Self {
        Bench::with_model(false, Limits::default(), Some(patience)).with_agents().await
    }

    async fn with_agents(self) -> Self {
        let bench = self;
        bench.register("oss", "oss-agent").await.expect("it registers");
        bench.register("ip", "ip-agent").await.expect("it registers");
        bench
    }

    pub async fn restart(self) -> Self {
        self.engine.stop().await.expect("the log closes");
        let engine =
            open(self.directory.path(), &self.clock, self.startup, self.limits.clone(), self.patience);
        Bench { engine, ..self }
    }

    pub async fn register(&self, user: &str, name: &str) -> Result<Json, Error> {
        let profile = json!({"name": name, "description": "d", "version": "1.0.0", "provider": "p", "lifetime": 600,
            "skills": {"skill": [{"skill-name": "diagnose", "skill-tags": ["fault"]}]}});
        self.call(user, &registry::REGISTER_AGENT, profile).await
    }

    pub async fn assign(&self, user: &str, order: Json) -> Result<Json, Error> {
        self.call(user, &n::ASSIGN_TASK, order).await
    }

    pub async fn call(&self, user: &str, operation: &'static Node, input: Json) -> Result<Json, Error> {
        self.act(user, operation, None, input).await
    }

    pub async fn act(
        &self,
        user: &str,
        operation: &'static Node,
        target: Option<InstancePath>,
        input: Json,
    ) -> Result<Json, Error> {
        let Kind::Rpc { input: parameters, output } = operation.kind else { panic!("no operation") };
        let text = input.to_string();
        let input = json::decode_children(text.as_bytes(), Some(parameters), &SCHEMA, &json::STORED)?;
        let result = self
            .engine
            .invoke(&principal(user), Invocation { operation, target, input: input.into(), form: Form::Json })
            .await?;
        Ok(encoded(&Child::Container(result.into()), Some(output)))
    }

    pub fn read(&self, user: &str, path: &InstancePath) -> Result<Json, Error> {
        self.read_in(Datastore::Unified, user, path)
    }

    pub fn read_in(&self, datastore: Datastore, user: &str, path: &InstancePath) -> Result<Json, Error> {
        let found = self.engine.read(&principal(user), datastore, path, Content::All)?;
        Ok(encoded(&found.child, found.node))
    }

    pub fn revision(&self, user: &str, path: &InstancePath) -> u64 {
        self.engine
            .read(&principal(user), Datastore::Unified, path, Content::All)
            .expect("it is there")
            .revision
    }

    pub async fn put(&self, user: &str, path: InstancePath, body: Json) -> Result<EditReply, Error> {
        self.put_if(user, path, body, Vec::new()).await
    }

    pub async fn put_if(
        &self,
        user: &str,
        path: InstancePath,
        body: Json,
        preconditions: Vec<Precondition>,
    ) -> Result<EditReply, Error> {
        self.edit(user, put(path, body)?, preconditions).await
    }

    pub async fn delete(&self, user: &str, path: InstancePath) -> Result<EditReply, Error> {
        let edit = Edit { operation: Operation::Delete, path, value: None, insert: None };
        self.edit(user, edit, Vec::new()).await
    }

    pub async fn edit(
        &self,
        user: &str,
        edit: Edit,
        preconditions: Vec<Precondition>,
    ) -> Result<EditReply, Error> {
        self.edit_in(Datastore::Running, user, edit, preconditions).await
    }

    pub async fn edit_in(
        &self,
        datastore: Datastore,
        user: &str,
        edit: Edit,
        preconditions: Vec<Precondition>,
    ) -> Result<EditReply, Error> {
        let request = EditRequest { datastore, test: Test::AtCommit, edits: vec![edit], preconditions };
        self.engine.edit(&principal(user), request).await.map_err(|refused| refused.error)
    }

    pub async fn put_data(&self, user: &str, id: &str) -> Result<EditReply, Error> {
        let body = json!({"irtf-agent:data-params": [{"id": id, "dataType": "text", "data": "x"}]});
        self.put(user, entry(&[], &draft::DATA_PARAMS, id), body).await
    }

    pub async fn order(&self, user: &str, order: Json) -> Result<EditReply, Error> {
        self.put(user, plain(&[&draft::TASKS]), json!({"irtf-agent:tasks": order})).await
    }
}

/// The edit that puts a body in the place of what is there.
pub fn put(path: InstancePath, body: Json) -> Result<Edit, Error> {
    let value = json::decode_one(body.to_string().as_bytes(), &path, &SCHEMA, &json::STORED)?;
    Ok(Edit { operation: Operation::Replace, path, value: Some(value), insert: None })
}

/// A user; `USER@AGENT` has a credential that is bound to the agent. `admin` and `auditor` are in the groups of these names.
pub fn principal(user: &str) -> Principal {
    let (name, agent) = user.split_once('@').map_or((user, None), |(name, agent)| (name, Some(agent)));
    let groups: BTreeSet<String> =
        if ["admin", "auditor"].contains(&name) { [name.to_owned()].into() } else { BTreeSet::new() };
    let principal = Principal::new(name, groups, Method::Local);
    match agent {
        Some(agent) => principal.bound_to(Some(agent.to_owned())),
        None => principal,
    }
}

fn encoded(child: &Child, node: Option<&'static Node>) -> Json {
    let Child::Container(container) = child else { panic!("a container was asked for") };
    let mut text = Vec::new();
    json::encode_children(container, node, &mut text, &EncodeOptions::default());
    serde_json::from_slice(&text).expect("the encoder writes JSON")
}

pub fn plain(nodes: &[&'static Node]) -> InstancePath {
    InstancePath { steps: nodes.iter().map(|node| Step::plain(node)).collect() }
}

pub fn entry(above: &[&'static Node], list: &'static Node, key: &str) -> InstancePath {
    plain(above).child(Step { node: list, selector: Selector::Key(Key::string(key)) })
}

pub fn task(id: &str) -> InstancePath {
    entry(&[&n::INTERACTION, &n::INTERACTION_TASKS], &n::INTERACTION_TASKS_TASK, id)
}

pub fn data_object(id: &str) -> InstancePath {
    let above: [&'static Node; 2] = [&n::INTERACTION, &n::INTERACTION_DATA_OBJECTS];
    entry(&above, &n::INTERACTION_DATA_OBJECTS_DATA_OBJECT, id)
}

pub fn agent(name: &str) -> InstancePath {
    let above: [&'static Node; 2] = [&registry::REGISTRY, &registry::REGISTRY_AGENTS];
    entry(&above, &registry::REGISTRY_AGENTS_AGENT, name)
}

pub fn refusal(error: &Error) -> (Tag, Option<&str>, &str) {
    (error.tag, error.app_tag.as_deref(), &error.message)
}

pub fn negotiation(id: &str) -> InstancePath {
    let above: [&'static Node; 2] = [&n::INTERACTION, &n::INTERACTION_NEGOTIATIONS];
    entry(&above, &n::INTERACTION_NEGOTIATIONS_NEGOTIATION, id)
}
