//! A mass outage of base stations, found and explained by three agents that know each other only through the server: the
//! first use case of the magent draft (draft-wang-nmrg-magent-im-00, section 2.1).
//!
//! `cargo run --example base_station_outage` starts a server on a free port with a directory of its own, and each agent as a
//! process with a token of its own. The agents speak RESTCONF over HTTPS and hear server-sent events; nobody polls or sleeps.
//! Meanwhile the audience follows the same events as an administrator. The exit status is 0 if everything that belongs to the
//! story has happened within the time limit.
//!
//! `client` is the HTTP client, `agent` what all agents have in common, `watch` what those of a domain have, `fault` what they
//! have agreed upon, and `oss`, `wireless` and `ip` what each of them thinks. This file is the stage and plays no part.

mod agent;
mod client;
mod fault;
mod ip;
mod oss;
mod watch;
mod wireless;

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use agentconf::access::Bounds;
use agentconf::application;
use agentconf::clock::Clock;
use agentconf::config::{Config, Listen};
use agentconf::server::tokens::Tokens;
use agentconf::server::users::{self, User};
use agentconf::server::{Server, files};
use serde_json::Value as Json;
use tokio::sync::mpsc;

use agent::{tell, text};
use client::{Client, Event, Events, Failure, key};

/// How long the whole story may take. It takes a second.
const LIMIT: Duration = Duration::from_secs(60);

/// The agents: the argument that makes this program play it, which is the name of the user too.
const CAST: [&str; 3] = ["oss", "wireless", "ip"];

#[tokio::main]
async fn main() -> ExitCode {
    let part = env::args().nth(1);
    let ended = match part.as_deref() {
        None => stage().await,
        Some("oss") => oss::run().await,
        Some("wireless") => wireless::run().await,
        Some("ip") => ip::run().await,
        Some(other) => Err(format!("there is no part {other:?}").into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}: {failure}", part.as_deref().unwrap_or("the story failed"));
            ExitCode::FAILURE
        }
    }
}

/// Starts everything, listens, and looks at what is left in the end.
async fn stage() -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let data = directory.path();
    let (config, tokens) = prepare(data)?;
    let server = Server::start(config, Clock::system(), application::build).await?;
    let (_, address) = server.addresses().first().ok_or("the server listens nowhere")?;
    let (url, ca) = (format!("https://{address}"), data.join("pki/ca.pem"));
    say(format_args!("a server is at {url}"));

    let admin = std::fs::read_to_string(data.join("admin.jwt"))?;
    let audience = Client::connect(&url, admin.trim(), &ca).await?;
    // From the first event on, so that it can be compared with a replay.
    let events = audience.events(Some("0")).await?;
    let (ends, ended) = mpsc::channel(CAST.len());
    let mut troupe = Troupe(Vec::new());
    for (index, (part, token)) in CAST.iter().zip(&tokens).enumerate() {
        let ends = ends.clone();
        let tell_end = move || {
            // Nobody listens if the story has failed already.
            let _ = ends.blocking_send(index);
        };
        troupe.0.push(play(part, &url, token, &ca, tell_end)?);
    }
    drop(ends);

    let heard = watch(events, ended, &mut troupe).await?;
    say("every agent has left");
    print_exchange(&audience).await?;
    compare_with_replay(&audience, &heard).await?;
    drop(audience);
    server.stop().await?;
    say("the end");
    Ok(())
}

/// A directory with a user for each agent; the settings of a server there, and the tokens.
fn prepare(data: &Path) -> Result<(Config, Vec<String>), Failure> {
    let listen = Listen { https: vec!["127.0.0.1:0".parse()?], ..Listen::default() };
    let config = Config { data: data.to_owned(), listen, ..Config::default() };
    files::create_directory(data)?;
    let user = User {
        groups: BTreeSet::new(),
        password: None,
        ssh_keys: Vec::new(),
        created: Clock::system().now(),
    };
    users::edit(data, |users| {
        users.extend(CAST.map(|name| (name.to_owned(), user.clone())));
        Ok(())
    })?;
    let random = rustls::crypto::ring::default_provider().secure_random;
    let issuer = Tokens::open(data, Clock::system(), &config.limits, random)?;
    let tokens = CAST.iter().map(|name| issuer.issue(name, Vec::new(), Bounds::default(), LIMIT.as_secs()));
    Ok((config, tokens.collect::<Result<_, _>>()?))
}

/// The processes of the agents, which end with this one.
struct Troupe(Vec<Child>);

impl Troupe {
    /// An agent has no more to say. One that gives up has said why on standard error.
    fn see_off(&mut self, index: usize) -> Result<(), Failure> {
        match self.0[index].wait()?.success() {
            true => Ok(()),
            false => Err(format!("the agent of {} gave up", CAST[index]).into()),
        }
    }
}

impl Drop for Troupe {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It fails if the process has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts the agent of a part; its lines become lines of ours; `ends` is called when it ends.
fn play(
    part: &str,
    url: &str,
    token: &str,
    ca: &Path,
    ends: impl FnOnce() + Send + 'static,
) -> Result<Child, Failure> {
    let mut child = Command::new(env::current_exe()?)
        .arg(part)
        .env("AGENTCONF_URL", url)
        .env("AGENTCONF_TOKEN", token)
        .env("AGENTCONF_CA", ca)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(child.stdout.take().ok_or("an agent has no output")?).lines();
    std::thread::spawn(move || {
        lines.map_while(Result::ok).for_each(|line| println!("{line}"));
        ends();
    });
    Ok(child)
}

/// Takes in the events until everything has happened and every agent has ended.
async fn watch(
    mut events: Events,
    mut ended: mpsc::Receiver<usize>,
    troupe: &mut Troupe,
) -> Result<Vec<Event>, Failure> {
    let mut heard = Vec::new();
    let mut missing = milestones();
    let story = async {
        while !missing.is_empty() {
            tokio::select! {
                event = events.next() => {
                    let event = event?;
                    missing.retain(|(_, happens)| !happens(&event));
                    heard.push(event);
                }
                Some(index) = ended.recv() => troupe.see_off(index)?,
            }
        }
        while let Some(index) = ended.recv().await {
            troupe.see_off(index)?;
        }
        Ok::<(), Failure>(())
    };
    let result = tokio::time::timeout(LIMIT, story).await.unwrap_or_else(|_| Err("the time is over".into()));
    if let Err(failure) = result {
        let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
        return Err(format!("{failure}; what did not happen: {}", names.join("; ")).into());
    }
    Ok(heard)
}

type Milestone = (&'static str, Box<dyn Fn(&Event) -> bool + Send>);

/// What has to happen, as the stream tells it. In which order it can is the server's affair.
fn milestones() -> Vec<Milestone> {
    let registry = |name: &'static str, change: &'static str| {
        move |event: &Event| event.data["name"] == name && event.data["change"] == change
    };
    let round = |number: u32, step: &'static str, status: &'static str| {
        move |event: &Event| {
            let round = &event.data["round"];
            round["number"] == number && round["move"] == step && event.data["status"] == status
        }
    };
    let diagnosis = |what: &'static str, member: &'static str, value: &'static str| {
        move |event: &Event| {
            let data = &event.data;
            let is_diagnosis = text(data, "task").starts_with("diagnosis of ");
            is_diagnosis && data["event"] == what && (member.is_empty() || data[member] == value)
        }
    };
    let incident = |from: &'static str, what: &'static str| {
        move |event: &Event| {
            event.data["from"] == from && event.data["to"] == "oss-agent" && event.data["event"] == what
        }
    };
    vec![
        ("oss-agent registers", Box::new(registry("oss-agent", "registered"))),
        ("wireless-agent registers", Box::new(registry("wireless-agent", "registered"))),
        ("ip-agent registers", Box::new(registry("ip-agent", "registered"))),
        ("wireless-agent reports an incident", Box::new(incident("wireless-agent", "created"))),
        ("ip-agent reports an incident", Box::new(incident("ip-agent", "created"))),
        ("oss-agent proposes", Box::new(round(1, "propose", "open"))),
        ("ip-agent offers an alternative", Box::new(round(2, "counter", "open"))),
        ("oss-agent counters", Box::new(round(3, "counter", "open"))),
        ("ip-agent accepts", Box::new(round(4, "accept", "agreed"))),
        ("the diagnosis is assigned", Box::new(diagnosis("created", "", ""))),
        ("it is executed", Box::new(diagnosis("status-changed", "status", "processing"))),
        ("its progress is reported", Box::new(diagnosis("progressed", "", ""))),
        ("a question is asked", Box::new(diagnosis("input-requested", "status", "blocked"))),
        ("the question is answered", Box::new(diagnosis("input-answered", "status", "processing"))),
        ("its result is reported", Box::new(diagnosis("result-reported", "status", "finished"))),
        ("its result is sent back", Box::new(diagnosis("result-verified", "verdict", "rework"))),
        ("its result is accepted", Box::new(diagnosis("result-verified", "verdict", "accepted"))),
        ("wireless-agent has an answer", Box::new(incident("wireless-agent", "result-verified"))),
        ("ip-agent has an answer", Box::new(incident("ip-agent", "result-verified"))),
        ("wireless-agent leaves", Box::new(registry("wireless-agent", "deregistered"))),
        ("ip-agent leaves", Box::new(registry("ip-agent", "deregistered"))),
        ("oss-agent leaves", Box::new(registry("oss-agent", "deregistered"))),
    ]
}

/// Reads back what the agents have said to each other.
async fn print_exchange(audience: &Client) -> Result<(), Failure> {
    let path = format!("magent-task:interaction/contexts/context={}", key(oss::CONTEXT));
    let context = audience.get(&path).await?;
    let messages =
        context["magent-task:context"][0]["message"].as_array().ok_or("the context has no messages")?;
    println!("\nThe context {} as the server keeps it:", oss::CONTEXT);
    for (index, message) in messages.iter().enumerate() {
        if message["number"] != index + 1 {
            return Err(format!("message {} has the number {}", index + 1, message["number"]).into());
        }
        let parties = format!("{} to {}", text(message, "from"), text(message, "to"));
        let kind = text(message, "type").replace("magent-task:", "");
        println!("{:>3}  {parties:<27}  {kind:<21}  {}", index + 1, content(message));
    }
    println!();
    Ok(())
}

/// What a message says, in one line.
fn content(message: &Json) -> String {
    let offer = fault::Offer::of_round(message).map(|offer| format!("[{offer}]")).unwrap_or_default();
    format!("{} {offer}", text(message, "content")).trim().to_owned()
}

/// The stream from position 0 has to be what was heard live.
async fn compare_with_replay(audience: &Client, heard: &[Event]) -> Result<(), Failure> {
    let mut replay = audience.events(Some("0")).await?;
    let compare = async {
        for live in heard {
            let again = replay.next().await?;
            if again != *live {
                return Err(Failure::from(format!(
                    "the replay tells otherwise: {again:?}, and not {live:?}"
                )));
            }
        }
        Ok(())
    };
    tokio::time::timeout(LIMIT, compare).await.map_err(|_| "the replay ends early")??;
    say(format_args!("a replay from position 0 gives the same {} events", heard.len()));
    Ok(())
}

/// A line of the story that no agent speaks.
fn say(what: impl std::fmt::Display) {
    tell(agent::now(), "the stage", what);
}
