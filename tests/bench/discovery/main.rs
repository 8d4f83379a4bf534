//! Measures what agents are found by: searches over a registry of a million agents beside a scan of all profiles, teams, what an
//! agent takes of memory, and how long registering and expiring take. Nothing here waits for anything, so times are those that the
//! thread had a processor. It never asserts anything about time.

#[path = "../common/allocator.rs"]
mod allocator;
mod profiles;

use std::time::Duration;

use agentconf::agents::{Event, Registry};
use agentconf::clock::Timestamp;
use agentconf::limits::Limits;
use agentconf::yang::encode::EncodeOptions;
use agentconf::yang::generated::magent_registry::{
    Agent, DiscoverAgentsInput, FindTeamInput, FindTeamInputNeed,
};
use agentconf::yang::json;
use agentconf::yang::model::Modelled;
use clap::Parser;
use rustix::time::{ClockId, clock_gettime};

use profiles::{DOMAINS, PROVIDERS, Random, TAGS, agent, domain, provider, tag, word};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Command line.
#[derive(Parser)]
struct Arguments {
    /// How many agents there are
    #[arg(long, default_value_t = 1_000_000)]
    agents: u64,
    /// Searches of each kind
    #[arg(long, default_value_t = 1000)]
    searches: u64,
    /// Scans of each kind
    #[arg(long, default_value_t = 3)]
    scans: u64,
    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// A kind of search: its name, and the conditions by chance.
type Kind = (&'static str, fn(&mut Random) -> DiscoverAgentsInput);

const KINDS: [Kind; 9] = [
    ("three filters and a rare word", |random| {
        let text = word(1000 + random.below(5000));
        DiscoverAgentsInput { skill_tag: vec![tag(random.below(20))], text: Some(text), ..filtered(random) }
    }),
    ("three filters and two words", |random| DiscoverAgentsInput {
        text: Some(format!("{} {}", random.word(), random.word())),
        ..filtered(random)
    }),
    ("three filters and the words that all have", |random| DiscoverAgentsInput {
        text: Some("agent network".to_owned()),
        ..filtered(random)
    }),
    ("a word that all have", |_| searching("agent")),
    ("eight of the most frequent words", |random| {
        searching(&(0..8).map(|_| word(random.below(12))).collect::<Vec<_>>().join(" "))
    }),
    ("thirty of the most frequent words", |random| {
        searching(&(0..30).map(|n| word(n + random.below(2))).collect::<Vec<_>>().join(" "))
    }),
    ("a misspelt word and the beginning of one", |random| {
        let whole = word(20 + random.below(2000));
        searching(&format!("{}x {}", whole, word(random.below(200)).get(..4).unwrap_or_default()))
    }),
    ("three filters", |random| filtered(random)),
    ("three filters that nobody meets", |random| DiscoverAgentsInput {
        management_object: vec!["subnet x".to_owned(), "subnet 1".to_owned()],
        protocol: vec!["a2a".to_owned()],
        ..filtered(random)
    }),
];

fn filtered(random: &mut Random) -> DiscoverAgentsInput {
    DiscoverAgentsInput {
        domain: vec![domain(random.below(DOMAINS))],
        provider: vec![provider(random.below(PROVIDERS)), provider(random.below(PROVIDERS))],
        streaming: Some(true),
        limit: Some(20),
        ..DiscoverAgentsInput::default()
    }
}

fn searching(text: &str) -> DiscoverAgentsInput {
    DiscoverAgentsInput { text: Some(text.to_owned()), limit: Some(20), ..DiscoverAgentsInput::default() }
}

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let now: Timestamp = "2026-06-01T00:00:00Z".parse()?;
    let scans = scans(&arguments);
    let (registry, registered) = filled(&arguments, now)?;
    searches(&arguments, &registry, now, &scans)?;
    pages(&arguments, &registry, now)?;
    teams(&registry, now);
    changes(&arguments, registry, now, &registered)
}

/// How long a scan of all profiles takes, by kind: a median in milliseconds.
fn scans(arguments: &Arguments) -> Vec<f64> {
    let all: Vec<Agent> = (0..arguments.agents).map(agent).collect();
    let mut random = Random::new(3);
    let mut of_kind = |kind: &Kind| {
        let scan = |input: DiscoverAgentsInput| {
            let began = now_of_thread();
            let found = all.iter().filter(|agent| is_met(agent, &input)).count();
            std::hint::black_box(found);
            milliseconds(began)
        };
        let mut took: Vec<f64> = (0..arguments.scans).map(|_| scan((kind.1)(&mut random))).collect();
        at(&mut took, 0.5)
    };
    KINDS.iter().map(&mut of_kind).collect()
}

/// Whether an agent meets the conditions, by looking.
fn is_met(agent: &Agent, input: &DiscoverAgentsInput) -> bool {
    let any = |wanted: &[String], has: &dyn Fn(&String) -> bool| wanted.is_empty() || wanted.iter().any(has);
    let tags = |tag: &String| agent.skills.skill.iter().any(|skill| skill.skill_tags.contains(tag));
    if !(any(&input.domain, &|domain| agent.domain.contains(domain))
        && any(&input.provider, &|provider| agent.provider == *provider)
        && any(&input.management_object, &|object| agent.management_object.contains(object))
        && any(&input.skill_tag, &tags)
        && input.streaming.is_none_or(|wanted| agent.capability.streaming == Some(wanted)))
    {
        return false;
    }
    let mut text = agent.description.to_lowercase();
    for skill in &agent.skills.skill {
        let parts = skill.skill_description.iter().chain([&skill.skill_name]).chain(&skill.examples);
        parts.for_each(|part| text.push_str(&part.to_lowercase()));
    }
    input.text.iter().flat_map(|wanted| wanted.split(' ')).all(|word| text.contains(word))
}

/// A registry with the agents, and how long each registration took in microseconds.
fn filled(arguments: &Arguments, now: Timestamp) -> Outcome<(Registry, Vec<f64>)> {
    let before = resident()?;
    let mut registry = Registry::default();
    let (mut took, mut octets) = (Vec::new(), 0);
    for number in 0..arguments.agents {
        let agent = agent(number);
        if number % 1000 == 0 {
            let mut text = Vec::new();
            json::encode_children(
                &agent.to_data(),
                Some(Agent::node()),
                &mut text,
                &EncodeOptions::default(),
            );
            octets += text.len() as u64;
        }
        // As long as somebody reads the state before it, what is touched is copied: looked at for the last ones alone.
        let held = (number + 10_000 >= arguments.agents).then(|| registry.clone());
        let began = now_of_thread();
        registry.apply(number + 1, now, &Event::Registered { agent });
        took.push(milliseconds(began) * 1e3);
        drop(held);
    }
    let (agents, octets) = (arguments.agents.max(1), octets / arguments.agents.div_ceil(1000).max(1));
    println!("An agent takes {} octets of memory; its JSON has {octets}.\n", (resident()? - before) / agents);
    Ok((registry, took))
}

fn searches(arguments: &Arguments, registry: &Registry, now: Timestamp, scans: &[f64]) -> Outcome<()> {
    let limits = Limits::default();
    println!(
        "| search | p50 | p99 | slowest | a scan | found in the first page |\n|---|---|---|---|---|---|"
    );
    for ((name, kind), scan) in KINDS.iter().zip(scans) {
        let mut random = Random::new(11);
        let (mut took, mut found) = (Vec::new(), 0);
        for _ in 0..arguments.searches {
            let input = kind(&mut random);
            let began = now_of_thread();
            found += registry.discover(now, &input, None, &limits).map_err(|e| e.to_string())?.agent.len();
            took.push(milliseconds(began));
        }
        let found = found as f64 / arguments.searches as f64;
        let [p50, p99, slowest] = [0.5, 0.99, 1.0].map(|quantile| at(&mut took, quantile));
        println!("| {name} | {p50:.2} ms | {p99:.2} ms | {slowest:.2} ms | {scan:.0} ms | {found:.1} |");
    }
    Ok(())
}

/// Later pages of a search that finds all.
fn pages(arguments: &Arguments, registry: &Registry, now: Timestamp) -> Outcome<()> {
    let limits = Limits::default();
    let mut took = Vec::new();
    let mut input = DiscoverAgentsInput { limit: Some(100), ..searching("agent network") };
    for _ in 0..arguments.searches.min(arguments.agents / 200) {
        let began = now_of_thread();
        input.cursor = registry.discover(now, &input, None, &limits).map_err(|e| e.to_string())?.next_cursor;
        took.push(milliseconds(began));
    }
    let [p50, p99, slowest] = [0.5, 0.99, 1.0].map(|quantile| at(&mut took, quantile));
    println!(
        "| the next page of 100 of what most have | {p50:.2} ms | {p99:.2} ms | {slowest:.2} ms | | 100 |\n"
    );
    Ok(())
}

fn teams(registry: &Registry, now: Timestamp) {
    let limits = Limits::default();
    println!("| team for | p50 | slowest |\n|---|---|---|");
    for needs in [2_u64, 4, 8, 16] {
        let mut took = Vec::new();
        for round in 0..20 {
            let mut random = Random::new(round + needs * 100);
            let need = (0..needs).map(|number| FindTeamInputNeed {
                domain: Some(domain(random.below(DOMAINS))),
                skill_tag: Some(tag(random.below(if number % 2 == 0 { 20 } else { TAGS }))),
                ..FindTeamInputNeed::new(format!("need {number}"))
            });
            let input = FindTeamInput { need: need.collect(), ..FindTeamInput::default() };
            let began = now_of_thread();
            std::hint::black_box(registry.find_team(now, &input, None, &limits));
            took.push(milliseconds(began));
        }
        let [p50, slowest] = [0.5, 1.0].map(|quantile| at(&mut took, quantile));
        println!("| {needs} needs | {p50:.1} ms | {slowest:.1} ms |");
    }
    println!();
}

fn changes(arguments: &Arguments, mut registry: Registry, now: Timestamp, registered: &[f64]) -> Outcome<()> {
    let mut last: Vec<f64> = registered.iter().rev().take(10_000).copied().collect();
    let [p50, p99] = [0.5, 0.99].map(|quantile| at(&mut last, quantile));
    println!("Applying a registration, the last 10,000: {p50:.0} µs, p99 {p99:.0} µs.");
    let end: Timestamp = "2030-01-01T00:00:00Z".parse()?;
    let began = now_of_thread();
    let (mut position, mut expired) = (arguments.agents, 0);
    loop {
        let events = registry.expire(end, 1000);
        if events.is_empty() {
            break;
        }
        for event in &events {
            position += 1;
            registry.apply(position, now, event);
        }
        expired += events.len();
    }
    let took = milliseconds(began) / 1e3;
    println!("{expired} registrations that end at once: {took:.1} s, {:.0} a second.", expired as f64 / took);
    Ok(())
}

/// The processor time of the thread.
fn now_of_thread() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

fn milliseconds(since: Duration) -> f64 {
    now_of_thread().saturating_sub(since).as_secs_f64() * 1e3
}

/// The value below which that part of them is; NaN if there is none.
fn at(values: &mut [f64], quantile: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len() as f64 * quantile) as usize;
    values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// The memory that the process occupies (Linux: `VmRSS`), in octets.
fn resident() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
