//! Measures the engine without any protocol: durable creates beside raw appends of the same records, the memory that tasks
//! take, and how long a start takes. It never asserts anything about time.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentconf::access::{Method, Principal};
use agentconf::clock::Clock;
use agentconf::config::Config;
use agentconf::engine::{Capabilities, Engine, Invocation, Options};
use agentconf::limits::Limits;
use agentconf::log::{Log, LogReader, NewRecord};
use agentconf::server::vault::Vault;
use agentconf::yang::encode::EncodeOptions;
use agentconf::yang::generated::{SCHEMA, irtf_agent, magent_registry, magent_task};
use agentconf::yang::json;
use agentconf::yang::schema::{Kind, Node};
use agentconf::yang::tree::{Child, Container};
use clap::{Parser, Subcommand};
use futures_util::{StreamExt, stream};
use serde_json::{Value as Json, json};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Requests that wait for the writer at a time.
const IN_FLIGHT: usize = 256;

/// Command line.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// How many tasks there are
    #[arg(long, default_value_t = 1_000_000)]
    tasks: u64,
    /// How often each measurement is made
    #[arg(long, default_value_t = 8)]
    rounds: u64,
    /// Creates in a round
    #[arg(long, default_value_t = 20_000)]
    creates: u64,
    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// What a process of its own does.
#[derive(Subcommand)]
enum What {
    /// Makes a data directory with so many tasks
    Fill { directory: std::path::PathBuf, tasks: u64, after: u64 },
    /// Starts on a data directory and says how long that took and what it occupies
    Start { directory: std::path::PathBuf },
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    match arguments.what {
        Some(What::Fill { directory, tasks, after }) => fill(&directory, tasks, after).await,
        Some(What::Start { directory }) => start(&directory).await,
        None => measure(&arguments).await,
    }
}

async fn measure(arguments: &Arguments) -> Outcome<()> {
    let directory = tempfile::tempdir()?;
    let tasks = arguments.tasks.to_string();
    println!("{}", child(&["fill", &path(directory.path()), &tasks, "10000"])?);
    println!("{}", child(&["start", &path(directory.path())])?);
    Ok(())
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn child(arguments: &[&str]) -> Outcome<String> {
    let output = Command::new(std::env::current_exe()?).args(arguments).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}

async fn fill(directory: &Path, tasks: u64, after: u64) -> Outcome<()> {
    let engine = open(directory)?;
    for agent in ["oss-agent", "ip-agent"] {
        let profile = json!({"name": agent, "description": "d", "version": "1.0.0", "provider": "p"});
        call(&engine, &magent_registry::nodes::REGISTER_AGENT, profile).await?;
    }
    let before = memory_bytes()?;
    let began = Instant::now();
    create(&engine, 0, tasks).await?;
    let took = began.elapsed();
    let memory = memory_bytes()? - before;
    let text = sample(&engine)?;
    println!(
        "{tasks} tasks in {took:?}: {} octets each, their JSON {} ({:.2})\n{text}",
        memory / tasks.max(1),
        text.len(),
        memory as f64 / tasks as f64 / text.len() as f64
    );
    create(&engine, tasks, after).await?;
    engine.stop().await?;
    Ok(())
}

async fn start(directory: &Path) -> Outcome<()> {
    let began = Instant::now();
    let engine = open(directory)?;
    let took = began.elapsed();
    println!("start: {took:?}, position {}, {} MB", engine.snapshot().position, memory_bytes()? >> 20);
    Ok(())
}

fn open(directory: &Path) -> Outcome<Engine> {
    let clock = Clock::system();
    let profile = irtf_agent::Agent {
        domain: Some("IP".into()),
        ..irtf_agent::Agent::new("server", "the server's own agent", "1.0.0", "agentconf")
    };
    let limits = Limits { tasks_open_max: usize::MAX, tasks_open_user_max: usize::MAX, ..Limits::default() };
    let config = Config { data: directory.to_owned(), ..Config::default() };
    let vault = Arc::new(Vault::open(&config, clock.clone())?);
    let capabilities = Capabilities::default();
    let options =
        Options { clock, limits, startup: false, profile, capabilities, vault, trail: Default::default() };
    Ok(Engine::open(Log::open(directory)?, options)?)
}

async fn create(engine: &Engine, first: u64, count: u64) -> Outcome<()> {
    let mut under_way = stream::iter(first..first + count)
        .map(|n| call(engine, &magent_task::nodes::ASSIGN_TASK, order(n)))
        .buffer_unordered(IN_FLIGHT);
    while let Some(done) = under_way.next().await {
        done?;
    }
    Ok(())
}

/// An order whose task has about 500 octets as JSON.
fn order(n: u64) -> Json {
    json!({
        "id": format!("task-{:016x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
        "from": "oss-agent", "to": "ip-agent", "type": "fault-diagnosis", "asynchronous": true,
        "content": "## Background\nBase station 17 lost its uplink at 03:12.\n## Task\nFind out whether the ring is at fault.",
        "expected-response": "The faulty link, and since when."
    })
}

async fn call(engine: &Engine, operation: &'static Node, input: Json) -> Outcome<()> {
    let Kind::Rpc { input: parameters, .. } = operation.kind else { return Err("no operation".into()) };
    let input = json::decode_children(input.to_string().as_bytes(), Some(parameters), &SCHEMA, &json::STORED)
        .map_err(|e| e.to_string())?;
    let principal = Principal::new("admin", ["admin".to_owned()].into(), Method::Local);
    engine
        .invoke(&principal, Invocation { operation, target: None, input })
        .await
        .map_err(|e| e.to_string())?;
    Ok(())
}

/// The JSON of one task.
fn sample(engine: &Engine) -> Outcome<String> {
    let (_, entry) = engine.snapshot().tasks.tasks().after(None, 1).pop().ok_or("no task")?;
    let mut text = Vec::new();
    let node = &magent_task::nodes::INTERACTION_TASKS_TASK;
    json::encode_children(&entry, Some(node), &mut text, &EncodeOptions::default());
    Ok(String::from_utf8(text)?)
}

fn memory_bytes() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
