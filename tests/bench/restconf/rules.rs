//! What rules of access control cost: one entry read by a user who is no administrator, of a server without rules and of
//! one with many, each about one entry. It never asserts that the rules are kept to.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use agentconf::access::Bounds;
use agentconf::clock::Clock;
use agentconf::limits::Limits;
use agentconf::server::tokens::Tokens;
use agentconf::server::users::{self, User};

use super::client::{Client, Run};
use super::common::{at, list, somewhere};
use super::entry::{self, Request};
use super::servers::Agentconf;
use super::{Arguments, Outcome};

/// The user who reads.
const USER: &str = "reader";
/// How many entries the list has for each rule: half of what is read is the subject of none.
const ENTRIES_PER_RULE: u64 = 2;

/// What the rounds came to: GETs a second, each round.
pub struct Cost {
    rules: u64,
    connections: usize,
    without: Vec<f64>,
    with: Vec<f64>,
}

/// Measures with each number of connections.
pub async fn measure(arguments: &Arguments, root: &Path) -> Outcome<Vec<Cost>> {
    eprintln!("{} rules", arguments.rules);
    let entries = arguments.rules * ENTRIES_PER_RULE;
    let (plain, _plain) = start(&root.join("no-rules"), entries).await?;
    let (ruled, server) = start(&root.join("rules"), entries).await?;
    server.client()?.answer_to(&configuration(arguments.rules)).await?;
    let of = |connections: &usize| Cost {
        rules: arguments.rules,
        connections: *connections,
        without: Vec::new(),
        with: Vec::new(),
    };
    let mut costs: Vec<Cost> = arguments.connections.iter().map(of).collect();
    let limit = Duration::from_secs_f64(arguments.seconds);
    for round in 0..arguments.rounds {
        for cost in &mut costs {
            let run = Run { connections: cost.connections, first: 0, requests: arguments.gets, limit };
            let mut turn = [(&plain, &mut cost.without), (&ruled, &mut cost.with)];
            if round % 2 == 1 {
                turn.reverse();
            }
            for (client, rates) in turn {
                let timed = client.run(run, move |n| entry::get(somewhere(n, entries))).await?;
                rates.push(timed.latencies.len() as f64 / timed.took.as_secs_f64());
            }
        }
    }
    Ok(costs)
}

/// A server with so many entries, and a client with the token of [`USER`].
async fn start(data: &Path, entries: u64) -> Outcome<(Client, Agentconf)> {
    list::fill(data, entries).await?;
    let server = Agentconf::start(data)?;
    let created = Clock::system().now();
    let user = User { groups: Default::default(), password: None, ssh_keys: Vec::new(), created };
    users::edit(data, |users| Ok(users.insert(USER.to_owned(), user)))?;
    let random = rustls::crypto::ring::default_provider().secure_random;
    let token = Tokens::open(data, Clock::system(), &Limits::default(), random)?;
    let token = token.issue(USER, Vec::new(), Bounds::default(), u64::from(u32::MAX) / 2)?;
    Ok((server.client()?.with_token(&token), server))
}

/// Rules about every second entry: that it may be read, and that it may not be changed.
fn configuration(rules: u64) -> Request {
    let rule = |number: u64| {
        let (id, access, action) = match number % 2 {
            0 => (list::id(number * ENTRIES_PER_RULE), "read", "permit"),
            _ => (list::id((number - 1) * ENTRIES_PER_RULE), "create update delete", "deny"),
        };
        format!(
            r#"{{"name":"{number}","path":"/irtf-agent:data-params[id='{id}']","access-operations":"{access}","action":"{action}"}}"#
        )
    };
    let rules: Vec<String> = (0..rules).map(rule).collect();
    let body = format!(
        r#"{{"ietf-netconf-acm:nacm":{{"groups":{{"group":[{{"name":"readers","user-name":["{USER}"]}}]}},"rule-list":[{{"name":"each","group":["readers"],"rule":[{}]}}]}}}}"#,
        rules.join(",")
    );
    Request { method: "PUT", path: "/restconf/data/ietf-netconf-acm:nacm".to_owned(), body }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (without, with) = (at(&mut self.without.clone(), 0.5), at(&mut self.with.clone(), 0.5));
        write!(
            f,
            "| {} | {} | {without:.0} | {with:.0} | {:.2} |",
            self.rules,
            self.connections,
            with / without
        )
    }
}
