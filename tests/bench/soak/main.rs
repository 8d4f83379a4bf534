//! A long day in short: agents register, get tasks, report, negotiate and leave, at a steady rate over HTTPS, while subscribers
//! follow. Each minute it says what the server's memory and log are; in the end how the memory compares with minute 5.
//!
//! What has ended is kept up to `tasks_max` and `negotiations_max`, so these are set to what a few minutes bring; nothing else may
//! make the server grow. It never asserts anything about time.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod client;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::json;

use client::{Client, Door};

/// What can go wrong.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Command line.
#[derive(Parser)]
struct Arguments {
    /// Where the data directory is made: on the disk that matters
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// How long it takes
    #[arg(long, default_value_t = 20.0)]
    minutes: f64,
    /// With which minute the end is compared
    #[arg(long, default_value_t = 5.0)]
    compared_with: f64,
    /// How many deals there are in a second; each is some ten requests
    #[arg(long, default_value_t = 40.0)]
    rate: f64,
    /// How many connections make them
    #[arg(long, default_value_t = 8)]
    workers: u64,
    /// How many follow the events
    #[arg(long, default_value_t = 8)]
    subscribers: usize,
    /// How many agents, tasks and negotiations there are at a time at most, those that have ended included
    #[arg(long, default_value_t = 5000)]
    kept: u64,
    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// What has been done.
#[derive(Default)]
struct Counts {
    deals: AtomicU64,
    requests: AtomicU64,
    events: AtomicU64,
    is_over: AtomicBool,
}

/// The server, ended when it is dropped.
struct Server(Child);

impl Server {
    /// The memory that it occupies (Linux: `VmRSS`), in octets.
    fn memory(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; its data is thrown away in any case.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let root = tempfile::Builder::new().prefix("bench-soak-").tempdir_in(&arguments.dir)?;
    let (data, settings) = (root.path().join("data"), root.path().join("settings.toml"));
    let kept = arguments.kept;
    fs::write(&settings, format!("[limits]\ntasks_max = {kept}\nnegotiations_max = {kept}\n"))?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_agentconf"));
    command.args(["serve", "--https", "127.0.0.1:0", "--config"]).arg(&settings).arg("--data").arg(&data);
    let mut child = command.env("RUST_LOG", "error").stdout(Stdio::piped()).spawn()?;
    let said = BufReader::new(child.stdout.take().ok_or("no output")?);
    let server = Server(child);
    let line = said.lines().next().ok_or("it ended")??;
    let door = Door::new(line.rsplit(' ').next().unwrap_or_default().parse()?, &data)?;

    door.connect()?.ask(
        "POST",
        "/restconf/operations/magent-registry:register-agent",
        Some(&profile("soak")),
    )?;
    let counts = Arc::new(Counts::default());
    let followers: Vec<_> = (0..arguments.subscribers)
        .map(|_| {
            let (client, counts) = (door.connect()?, Arc::clone(&counts));
            Ok(thread::spawn(move || {
                let followed = client.follow(|| {
                    counts.events.fetch_add(1, Relaxed);
                });
                // It ends with the server; the first that ends before ends everything.
                match counts.is_over.swap(true, Relaxed) {
                    true => Ok(()),
                    false => followed.and(Err("the stream of a subscriber has ended".into())),
                }
            }))
        })
        .collect::<Outcome<_>>()?;
    let start = Instant::now();
    let workers: Vec<_> = (0..arguments.workers)
        .map(|number| {
            let (client, counts) = (door.connect()?, Arc::clone(&counts));
            let pace = Duration::from_secs_f64(arguments.workers as f64 / arguments.rate);
            Ok(thread::spawn(move || {
                let worked = work(client, number, kept, pace, &counts);
                // With the first that fails it is over.
                counts.is_over.store(true, Relaxed);
                worked
            }))
        })
        .collect::<Outcome<_>>()?;
    let told = tell(&arguments, &server, &data, &counts, start);
    counts.is_over.store(true, Relaxed);
    for worker in workers {
        worker.join().map_err(|_| "a worker panicked")??;
    }
    drop(server);
    for follower in followers {
        follower.join().map_err(|_| "a subscriber panicked")??;
    }
    told
}

/// Says each minute what there is, and in the end how it compares.
fn tell(arguments: &Arguments, server: &Server, data: &Path, counts: &Counts, start: Instant) -> Outcome<()> {
    println!("| minute | memory, MB | log, MB | audit, MB | deals | requests/s | events/s |");
    println!("|---|---|---|---|---|---|---|");
    let (mut compared, mut before, mut minute) = (None, (0, 0), 0.0);
    while minute < arguments.minutes && !counts.is_over.load(Relaxed) {
        let next = (minute + 1.0).min(arguments.minutes);
        thread::sleep(
            (start + Duration::from_secs_f64(next * 60.0)).saturating_duration_since(Instant::now()),
        );
        let memory = server.memory()?;
        let (requests, events) = (counts.requests.load(Relaxed), counts.events.load(Relaxed));
        let seconds = (next - minute) * 60.0;
        let rate = |now: u64, before: u64| (now - before) as f64 / seconds;
        println!(
            "| {next:.1} | {:.1} | {:.1} | {:.1} | {} | {:.0} | {:.0} |",
            mb(memory),
            mb(size(data, false)?),
            mb(size(&data.join("audit"), true)?),
            counts.deals.load(Relaxed),
            rate(requests, before.0),
            rate(events, before.1)
        );
        (before, minute) = ((requests, events), next);
        if compared.is_none() && minute >= arguments.compared_with {
            compared = Some(memory);
        }
    }
    match compared {
        Some(compared) => println!(
            "\nmemory at the end / at minute {}: {:.3}",
            arguments.compared_with,
            server.memory()? as f64 / compared as f64
        ),
        None => println!("\nit was over before minute {}", arguments.compared_with),
    }
    Ok(())
}

fn mb(octets: u64) -> f64 {
    octets as f64 / 1e6
}

/// The octets of the files in a directory, and in those below it if that is wanted.
fn size(directory: &Path, is_deep: bool) -> Outcome<u64> {
    let mut octets = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        octets += match entry.file_type()?.is_dir() {
            true if is_deep => size(&entry.path(), true)?,
            true => 0,
            false => entry.metadata()?.len(),
        };
    }
    Ok(octets)
}

fn profile(name: &str) -> serde_json::Value {
    json!({"magent-registry:input": {"name": name, "description": "an agent of the soak", "version": "1.0.0", "provider": "p"}})
}

/// Deals until it is over.
fn work(mut client: Client, worker: u64, kept: u64, pace: Duration, counts: &Counts) -> Outcome<()> {
    let start = Instant::now();
    for number in 0_u32.. {
        if counts.is_over.load(Relaxed) {
            break;
        }
        deal(&mut client, worker, number.into(), kept, counts)?;
        counts.deals.fetch_add(1, Relaxed);
        // At a steady rate, and behind it as fast as it can.
        thread::sleep((start + pace * (number + 1)).saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// An agent comes, gets a task, reports, negotiates and leaves; all that can be deleted is deleted.
fn deal(client: &mut Client, worker: u64, number: u64, kept: u64, counts: &Counts) -> Outcome<()> {
    let id = format!("{worker}-{number}");
    // Names are kept for their owners, so agents come back.
    let agent = format!("agent-{worker}-{}", number % (kept / 100).max(1));
    let entry = format!("/restconf/data/irtf-agent:data-params=entry-{id}");
    let agents = "/restconf/data/magent-registry:registry/agents";
    let of_task = format!("/restconf/data/magent-task:interaction/tasks/task=task-{id}");
    let of_deal = format!("/restconf/data/magent-task:interaction/negotiations/negotiation=deal-{id}");
    let rpc = |module: &str, name: &str| format!("/restconf/operations/{module}:{name}");
    let text =
        format!("##target object cell {id} ##task description {}", "lower the power by a little ".repeat(10));
    let data =
        json!({"irtf-agent:data-params": [{"id": format!("entry-{id}"), "dataType": "text", "data": text}]});
    let task = json!({"magent-task:input": {"id": format!("task-{id}"), "from": "soak", "to": agent, "content": text,
        "expected-response": "done", "asynchronous": true}});
    let opening = json!({"magent-task:input": {"id": format!("deal-{id}"), "type": "magent-task:feasibility", "from": "soak",
        "to": agent, "content": text}});
    let counter =
        json!({"magent-task:input": {"from": agent, "in-reply-to": 1, "move": "counter", "content": text}});
    let accept = json!({"magent-task:input": {"from": "soak", "in-reply-to": 2, "move": "accept"}});
    let begun = json!({"magent-task:input": {"status": "processing", "progress": 50}});
    let finished = json!({"magent-task:input": {"status": "finished", "result": {"content": text}}});
    let leaves = json!({"magent-registry:input": {"reason": "done"}});
    for (method, target, body) in [
        ("POST", rpc("magent-registry", "register-agent"), Some(&profile(&agent))),
        ("PUT", entry.clone(), Some(&data)),
        ("POST", rpc("magent-task", "assign-task"), Some(&task)),
        ("POST", format!("{of_task}/report"), Some(&begun)),
        ("GET", of_task.clone(), None),
        ("POST", format!("{of_task}/report"), Some(&finished)),
        ("POST", rpc("magent-task", "open-negotiation"), Some(&opening)),
        ("POST", format!("{of_deal}/respond"), Some(&counter)),
        ("POST", format!("{of_deal}/respond"), Some(&accept)),
        ("DELETE", entry, None),
        ("POST", format!("{agents}/agent={agent}/deregister"), Some(&leaves)),
    ] {
        client.ask(method, &target, body)?;
        counts.requests.fetch_add(1, Relaxed);
    }
    Ok(())
}
