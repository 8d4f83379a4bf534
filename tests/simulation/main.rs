//! The server in worlds that follow from a number: storage that fails and tears, crashes, clocks that jump, requests that are
//! repeated and answers that are lost. After each event rules are checked; then the faults stop and all has to go on.
//!
//! `AGENTCONF_SIMULATION_SEEDS=N` runs N seeds, `AGENTCONF_SIMULATION_FIRST=N` begins with another one than 0, and
//! `AGENTCONF_SIMULATION_SEED=N` runs one and prints all that happened in it.
#![allow(clippy::expect_used, clippy::panic)] // tests

mod disk;
mod follower;
mod invariants;
mod mutation;
mod promises;
mod random;
mod reports;
mod requests;
mod vault;
mod witness;
mod world;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use mutation::Mutation;
use world::{Life, World};

/// Seeds that found a defect once.
const FOUND: &str = include_str!("seeds.txt");
const SEEDS: u64 = 200;
/// In how many seeds a mutation has to be found.
const MUTATED: u64 = 50;

/// What has to happen in some of the worlds, or they prove little.
const HAPPENS: [&str; 43] = [
    "CallbackEnded",
    "CallbackMade",
    "CallbackWentOn",
    "Commit Begun",
    "Commit Cancelled",
    "Commit Confirmed",
    "Commit Lapsed",
    "DataStored",
    "Delegated",
    "DelegationEnded Ended",
    "DelegationEnded Expired",
    "Edited",
    "Ended Deregistered",
    "Ended Expired",
    "InputAnswered",
    "Judged Chosen",
    "Judged SetAside",
    "Judged Worded",
    "Moved Agreed",
    "Moved Open",
    "Moved Rejected",
    "Negotiation Asked",
    "Negotiation CapacitySet",
    "Negotiation Expired",
    "Negotiation Opened",
    "Negotiation PolicySet",
    "Negotiation Released",
    "Registered",
    "Renewed",
    "Session Ended",
    "Session Started",
    "Task DeadlinePassed",
    "Task InputRequested",
    "Task ResultReported",
    "Task StatusChanged",
    "TaskCreated",
    "Updated",
    "records archived",
    "records forgotten",
    "records not forgotten",
    "reports lost",
    "reports redelivered",
    "reports repeated",
];

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

/// What went wrong in a seed, with how to see it again.
fn run(seed: u64, tells: bool) -> Result<BTreeSet<String>, String> {
    let Life { result, history, seen } = World::run(seed, None);
    if tells {
        history.iter().for_each(|line| println!("{line}"));
    }
    result.map(|()| seen).map_err(|violation| {
        let last = history[history.len().saturating_sub(12)..].join("\n  ");
        format!(
            "seed {seed}: {violation}\n  {last}\nrun it again: AGENTCONF_SIMULATION_SEED={seed} cargo test --test simulation \
             every_seed -- --nocapture"
        )
    })
}

#[test]
fn every_seed_keeps_the_rules() {
    if let Some(seed) = number("AGENTCONF_SIMULATION_SEED") {
        run(seed, true).unwrap_or_else(|failure| panic!("{failure}"));
        return;
    }
    let first = number("AGENTCONF_SIMULATION_FIRST").unwrap_or(0);
    let end = first + number("AGENTCONF_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(first);
    let work = || {
        let (mut failures, mut all) = (Vec::new(), BTreeSet::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return (failures, all);
            }
            match run(seed, false) {
                Ok(seen) => all.extend(seen),
                Err(failure) => failures.push(failure),
            }
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let (failures, seen): (Vec<Vec<String>>, Vec<BTreeSet<String>>) = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("what panics is a violation")).unzip()
    });
    let (failures, seen): (_, BTreeSet<String>) = (failures.concat(), seen.into_iter().flatten().collect());
    assert!(failures.is_empty(), "{} seeds failed\n{}", failures.len(), failures.join("\n\n"));
    if end - first >= SEEDS {
        let missing: Vec<&&str> = HAPPENS.iter().filter(|kind| !seen.contains(**kind)).collect();
        assert!(missing.is_empty(), "{missing:?} never happened: the worlds prove nothing of it");
    }
}

#[test]
fn seeds_that_found_a_defect_keep_the_rules() {
    for line in FOUND.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let seed = line.split_whitespace().next().and_then(|seed| seed.parse().ok());
        run(seed.expect("a line begins with a seed"), false).unwrap_or_else(|failure| panic!("{failure}"));
    }
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 0..3 {
        let (one, other) = (World::run(seed, None), World::run(seed, None));
        assert_eq!(one.history, other.history, "seed {seed}");
    }
}

#[test]
fn a_rule_that_is_broken_on_purpose_is_found() {
    for mutation in Mutation::ALL {
        let found = (0..MUTATED)
            .find_map(|seed| World::run(seed, Some(mutation)).result.err().map(|found| (seed, found)));
        let (seed, violation) =
            found.unwrap_or_else(|| panic!("{mutation:?} is not found in {MUTATED} seeds"));
        println!("{mutation:?}: seed {seed}: {violation}");
    }
}
