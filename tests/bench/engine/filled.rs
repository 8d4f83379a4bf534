//! An engine over a data directory with agents and tasks. It measures nothing but how long a number of creates takes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use agentconf::access::{Method, Principal};
use agentconf::clock::Clock;
use agentconf::config::Config;
use agentconf::engine::{Capabilities, Engine, Form, Invocation, Options, write_snapshot};
use agentconf::limits::Limits;
use agentconf::log::{Log, LogReader, Record};
use agentconf::server::vault::Vault;
use agentconf::yang::encode::EncodeOptions;
use agentconf::yang::generated::{SCHEMA, irtf_agent, magent_registry, magent_task};
use agentconf::yang::json;
use agentconf::yang::path::InstancePath;
use agentconf::yang::schema::{Kind, Node};
use agentconf::yang::tree::Container;
use futures_util::{StreamExt, stream};
use serde_json::{Value as Json, json};

use super::{IN_FLIGHT, Outcome};

/// Who names tasks: it says where in the index of identifiers they land.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum NamedBy {
    /// The server, in the order of time.
    Server,
    /// Who assigns them, in no order.
    Assigner,
}

pub struct Filled {
    engine: Engine,
    log: LogReader,
    made: AtomicU64,
}

impl Filled {
    /// An empty one with two agents.
    pub async fn new(directory: &Path) -> Outcome<Filled> {
        let filled = Filled::open(directory)?;
        for agent in ["oss-agent", "ip-agent", "policy-agent"] {
            let profile = json!({"name": agent, "description": "d", "version": "1.0.0", "provider": "p"});
            let operation = &magent_registry::nodes::REGISTER_AGENT;
            filled.call_as(agent, operation, None, decoded(operation, &profile)?).await?;
        }
        Ok(filled)
    }

    /// What is in a directory.
    pub fn open(directory: &Path) -> Outcome<Filled> {
        let clock = Clock::system();
        let profile = irtf_agent::Agent {
            domain: Some("IP".into()),
            ..irtf_agent::Agent::new("server", "the server's own agent", "1.0.0", "agentconf")
        };
        let limits = Limits {
            tasks_open_max: usize::MAX,
            negotiations_open_max: usize::MAX,
            snapshot_events_min: 0,
            ..Limits::default()
        };
        let config = Config { data: directory.to_owned(), ..Config::default() };
        let vault = Arc::new(Vault::open(&config, clock.clone())?);
        let log = Log::open(directory)?;
        let reader = log.reader();
        let options = Options {
            clock,
            limits: limits.into(),
            startup: false,
            profile,
            capabilities: Capabilities::default(),
            receivers: std::sync::Arc::new(agentconf::engine::NoReceivers),
            judges: std::sync::Arc::new(agentconf::engine::NoJudges),
            blobs: None,
            vault,
            trail: Default::default(),
            spans: Default::default(),
            accounts: Default::default(),
        };
        let engine = Engine::open(log, options)?;
        let made = AtomicU64::new(engine.snapshot().position);
        Ok(Filled { engine, log: reader, made })
    }

    /// Creates so many tasks, many of them in flight, and says how long that took. The requests are made before.
    pub async fn create(&self, count: u64, named_by: NamedBy) -> Outcome<Duration> {
        let operation = &magent_task::nodes::ASSIGN_TASK;
        let mut took = Duration::ZERO;
        let mut left = count;
        while left > 0 {
            let part = left.min(20_000);
            let first = self.made.fetch_add(part, Ordering::Relaxed);
            let inputs: Vec<Container> = (first..first + part)
                .map(|n| decoded(operation, &order(n, named_by)))
                .collect::<Outcome<_>>()?;
            let began = Instant::now();
            let mut under_way =
                stream::iter(inputs).map(|input| self.call(operation, input)).buffer_unordered(IN_FLIGHT);
            while let Some(done) = under_way.next().await {
                done?;
            }
            took += began.elapsed();
            left -= part;
        }
        Ok(took)
    }

    /// The newest records.
    pub fn newest(&self, count: u64) -> Outcome<Vec<Record>> {
        let end = self.engine.snapshot().position;
        Ok(self.log.scan(end.saturating_sub(count)).collect::<Result<_, _>>()?)
    }

    /// The JSON of one task.
    pub fn sample(&self) -> Outcome<String> {
        let (_, entry) = self.engine.snapshot().tasks.tasks().after(None, 1).pop().ok_or("no task")?;
        let mut text = Vec::new();
        let node = &magent_task::nodes::INTERACTION_TASKS_TASK;
        json::encode_children(&entry, Some(node), &mut text, &EncodeOptions::default());
        Ok(String::from_utf8(text)?)
    }

    /// Writes a snapshot.
    pub fn save(&self) -> Outcome<()> {
        Ok(write_snapshot(&self.log, &self.engine.snapshot())?)
    }

    /// Invokes an rpc.
    pub async fn call(&self, operation: &'static Node, input: Container) -> Outcome<()> {
        self.call_at(operation, None, input).await
    }

    /// Invokes an action.
    pub async fn call_at(
        &self,
        operation: &'static Node,
        target: Option<InstancePath>,
        input: Container,
    ) -> Outcome<()> {
        self.call_as("admin", operation, target, input).await
    }

    /// Invokes an operation as a user. What is private to a side is for the side's user alone.
    pub async fn call_as(
        &self,
        user: &str,
        operation: &'static Node,
        target: Option<InstancePath>,
        input: Container,
    ) -> Outcome<()> {
        let principal = Principal::new(user, ["admin".to_owned()].into(), Method::Local);
        let invocation = Invocation { operation, target, input: input.into(), form: Form::Json };
        self.engine.invoke(&principal, invocation).await.map(|_| ()).map_err(|e| e.to_string().into())
    }
}

pub fn decoded(operation: &'static Node, input: &Json) -> Outcome<Container> {
    let Kind::Rpc { input: parameters, .. } = operation.kind else { return Err("no operation".into()) };
    let decoded =
        json::decode_children(input.to_string().as_bytes(), Some(parameters), &SCHEMA, &json::STORED);
    decoded.map_err(|e| e.to_string().into())
}

/// An order whose task has about 500 octets as JSON.
fn order(n: u64, named_by: NamedBy) -> Json {
    let mut order = json!({
        "from": "oss-agent", "to": "ip-agent", "type": "fault-diagnosis", "asynchronous": true,
        "content": "## Background\nBase station 17 lost its uplink at 03:12.\n## Task\nFind out whether the ring is at fault.",
        "expected-response": "The faulty link, and since when."
    });
    if named_by == NamedBy::Assigner {
        order["id"] = format!("task-{:016x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15)).into();
    }
    order
}
