//! The scenarios of the magent draft (draft-wang-nmrg-magent-im-00, section 2), each with real servers and agents: processes that
//! know each other only by what the servers say, over RESTCONF, over NETCONF and by requests to a URL; in the middle of it processes die, links drop and
//! answers come late.
//!
//! `cargo run --example scenarios -- outage|energy|complaints [--seed N]` tells the story as it happens and then what it came to.
//! With the same seed that is always the same, and the log of each server, replayed, gives the same data: else, or if the story
//! does not come to its end within a time limit, the exit status is not 0.
//!
//! `stage` and `servers` set it up, `link` is what can drop, `hook` where an agent is told of its tasks, `play` is what all agents have in common, `offer` what they
//! negotiate with, `digest` what is left in the end. This file only chooses.

mod complaints;
mod digest;
mod energy;
mod hook;
mod link;
mod offer;
mod outage;
mod play;
mod servers;
mod stage;

use std::path::Path;
use std::process::ExitCode;

use play::{Failure, failed};
use stage::{Scenario, Script};

const SCENARIOS: [&Scenario; 3] = [&outage::SCENARIO, &energy::SCENARIO, &complaints::SCENARIO];
const USAGE: &str = "scenarios outage|energy|complaints [--seed N]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // The servers are processes of this program too, and so is what prepares them and replays their logs.
    if let ["serve" | "log" | "user" | "token", ..] = arguments.as_slice() {
        return agentconf::cli::main(agentconf::application::build);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}: {failure}", arguments.join(" "));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[&str]) -> Result<(), Failure> {
    let (name, seed) = match arguments {
        ["play", file] => return play(Path::new(file)).await,
        [name] => (name, 1),
        [name, "--seed", seed] => (name, seed.parse()?),
        _ => return Err(USAGE.into()),
    };
    let scenario = SCENARIOS.into_iter().find(|scenario| scenario.name == *name).ok_or(USAGE)?;
    println!("seed {seed}: digest {}", stage::run(scenario, seed).await?);
    Ok(())
}

/// Plays the role of a script.
async fn play(file: &Path) -> Result<(), Failure> {
    let script = Script::read(file)?;
    let agents = script.agents(file)?;
    match (script.scenario.as_str(), agents.as_slice()) {
        ("outage", [me]) => outage::play(me).await?,
        ("energy", [me]) => energy::play(me).await?,
        ("complaints", agents) => complaints::play(agents).await?,
        (other, _) => return Err(failed(format_args!("nobody plays {other}")).into()),
    }
    Ok(())
}
