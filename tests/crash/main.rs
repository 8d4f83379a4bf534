//! The built server in a campaign of crashes: clients of RESTCONF and NETCONF use a few registers while it is killed, stopped,
//! starved and loses its power. Their history has to be linearizable, the log whole, and a subscriber that comes back misses
//! nothing. What happens follows from a number as far as threads and processes let it: a seed chooses the faults, not the moments.
//!
//! `AGENTCONF_CRASH_SEEDS=N` runs N seeds, `AGENTCONF_CRASH_SEED=N` runs one and says what was done in it. Where root may mount a
//! file system, some of them get a full one.
#![allow(clippy::expect_used, clippy::panic)] // tests

mod campaign;
mod clients;
mod follower;
mod linear;
mod power;
#[path = "../simulation/random.rs"]
mod random;
mod server;

use std::collections::BTreeSet;

use campaign::{FAULTS, Tampering, Told};

const SEEDS: u64 = 4;
const LIVES: u64 = 4;
/// More seeds than these are not tried to see everything happen that can.
const SEEDS_MAX: u64 = 24;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

fn judge(seed: u64) -> Told {
    let told = campaign::run(seed, LIVES, None);
    let Told { answered, refused, unanswered, lost, events, faults, wrong, .. } = &told;
    println!(
        "seed {seed}: {answered} operations answered, {refused} refused, {unanswered} without an answer; {events} events; \
         {lost} records lost with the power; {}",
        faults.join(", ")
    );
    assert!(
        wrong.is_empty(),
        "seed {seed}: {}\nrun it again: AGENTCONF_CRASH_SEED={seed} cargo test --test crash every_seed -- --nocapture",
        wrong.join("\n")
    );
    told
}

#[test]
fn every_seed_is_linearizable_and_loses_nothing() {
    if let Some(seed) = number("AGENTCONF_CRASH_SEED") {
        judge(seed);
        return;
    }
    let seeds = number("AGENTCONF_CRASH_SEEDS").unwrap_or(SEEDS);
    let (mut lost, mut refused) = (0, 0);
    let mut missing: BTreeSet<&str> = FAULTS.into();
    let mut impossible = BTreeSet::new();
    for seed in 0..seeds.max(SEEDS_MAX) {
        // The moments are no matter of the seed, and without its faults a campaign proves nothing.
        if seed >= seeds && lost > 0 && refused > 0 && missing.is_subset(&impossible) {
            break;
        }
        let told = judge(seed);
        assert!(told.answered > 100 && told.events > 50, "seed {seed} proves little: {told:?}");
        missing.retain(|fault| !told.faults.contains(fault));
        impossible.extend(&told.impossible);
        (lost, refused) = (lost + told.lost, refused + told.refused);
    }
    let (undone, never): (Vec<_>, Vec<_>) = missing.into_iter().partition(|fault| impossible.contains(fault));
    println!("what could not be done here: {undone:?}");
    assert!(never.is_empty(), "never done: {never:?}");
    assert!(lost > 0 && refused > 0, "{lost} records were lost with the power, {refused} requests refused");
}

#[test]
fn what_no_server_may_do_is_found() {
    for tampering in Tampering::ALL {
        // What the power takes that was synced need not be what a client was told of, and a write that was lost need not be read
        // before the next one.
        let is_seldom = matches!(tampering, Tampering::SyncForgotten | Tampering::WriteLost);
        let seeds = if is_seldom { 100..120 } else { 100..101 };
        let found =
            seeds.map(|seed| campaign::run(seed, 2, Some(tampering)).wrong).find(|wrong| !wrong.is_empty());
        let wrong = found.unwrap_or_else(|| panic!("{tampering:?} is not found"));
        println!("{tampering:?}: {}", wrong[0].lines().next().unwrap_or_default());
        let is_history =
            matches!(tampering, Tampering::OlderData | Tampering::WriteLost | Tampering::ReadStale);
        assert!(!is_history || wrong.iter().any(|what| what.contains("nothing explains")), "{wrong:?}");
    }
}
