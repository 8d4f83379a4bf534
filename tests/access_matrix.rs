//! Who may do what, as a table: each operation in each protocol, as everybody who could ask, with the standard policy and
//! with a small set of rules (RFC 8341). The table is `access_matrix.txt`, to be read by a person.
//!
//! `ACCESS_BLESS=1` writes the table anew. That every operation the server announces is refused to whom it should be is
//! proved in `walk`.

#![allow(clippy::expect_used, clippy::panic)] // tests

#[expect(dead_code, reason = "clients for other tests as well")]
#[path = "conformance/common.rs"]
mod common;
#[expect(dead_code, reason = "clients for other tests as well")]
#[path = "conformance/netconf.rs"]
mod netconf;
#[path = "access_matrix/operations.rs"]
mod operations;
#[path = "access_matrix/request.rs"]
mod request;
#[path = "access_matrix/walk.rs"]
mod walk;

use std::path::Path;

use agentconf::access::AUDITOR_GROUP;
use agentconf::clock::Clock;
use serde_json::{Value as Json, json};

use common::{JSON, TestServer};
use netconf::errors;
use operations::Operation;

/// Those who ask, with the user that each is; nobody has no credentials. The delegate may assign tasks for A, and read.
const ROLES: [(&str, &str); 7] = [
    ("nobody", ""),
    ("stranger", "eve"),
    ("party A", "ann"),
    ("party B", "bob"),
    ("A's delegate", "del"),
    ("auditor", "otto"),
    ("administrator", "admin"),
];

/// A server with something of everything, and what its users ask with.
struct World {
    server: TestServer,
    tokens: Vec<(&'static str, String)>,
    cells: u32,
}

impl World {
    /// Starts it, with these rules.
    async fn new(rules: Option<Json>) -> World {
        let server = netconf::start().await;
        let token = |(_, user): (&str, &'static str)| {
            let token = match user {
                "" => String::new(),
                "admin" => server.admin().to_owned(),
                "otto" => server.add_user_in("otto", &[AUDITOR_GROUP]),
                name => server.add_user(name),
            };
            (user, token)
        };
        let tokens = ROLES.map(token).to_vec();
        let mut world = World { server, tokens, cells: 0 };
        for (user, agent) in [("ann", "agent-a"), ("bob", "agent-b")] {
            let (target, body) = operations::registration(agent);
            let answer = world.ask(user, "POST", &target, &body).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        let (target, body) = operations::delegation("del");
        let answer = world.ask("ann", "POST", &target, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        for (method, target, body) in operations::world() {
            world.prepare(method, &target, &body).await;
        }
        if let Some(rules) = rules {
            world.prepare("PUT", "/restconf/data/ietf-netconf-acm:nacm", &rules).await;
        }
        world
    }

    async fn ask(&self, user: &str, method: &str, target: &str, body: &Json) -> common::Answer {
        let token = self.tokens.iter().find(|(name, _)| *name == user).expect("a user");
        let fields = [format!("Content-Type: {JSON}")];
        let fields: Vec<&str> = fields.iter().map(String::as_str).filter(|_| !body.is_null()).collect();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.server.ask_as(&token.1, method, target, &fields, &body).await
    }

    async fn prepare(&mut self, method: &str, target: &str, body: &Json) {
        let answer = self.ask("admin", method, target, body).await;
        assert!([200, 201, 204].contains(&answer.status), "{method} {target}: {answer:?}");
    }

    /// The revision that the running datastore has.
    async fn revision(&self) -> String {
        let answer =
            self.ask("admin", "GET", "/restconf/data/magent-datastores:revisions", &Json::Null).await;
        let all = &answer.json()["magent-datastores:revisions"]["revision"];
        let newest = all.as_array().and_then(|all| {
            all.iter()
                .map(|r| r["number"].as_str())
                .max_by_key(|number| number.and_then(|number| number.parse::<u64>().ok()))
        });
        newest.flatten().expect("a revision").to_owned()
    }

    /// The verdicts of an operation in one protocol: a row.
    async fn row(&mut self, operation: &Operation, is_netconf: bool) -> Vec<String> {
        let protocol = if is_netconf { "NETCONF" } else { "RESTCONF" };
        let mut row = vec![operation.name.to_owned(), protocol.to_owned()];
        for (_, user) in ROLES {
            if is_netconf && user.is_empty() {
                row.push("-".to_owned());
                continue;
            }
            self.cells += 1;
            let idle = netconf::open(&self.server).await;
            let revision = self.revision().await;
            let filled = |text: &str| {
                text.replace("{n}", &self.cells.to_string())
                    .replace("{session}", &idle.id.to_string())
                    .replace("{revision}", &revision)
                    .replace("{now}", &Clock::system().now().to_string())
            };
            let mut made = String::new();
            for (method, target, body) in &operation.before {
                let (target, body) = (filled(target), filled(&body.to_string()));
                let body = serde_json::from_str(&body).expect("JSON");
                let answer = self.ask("admin", method, &target, &body).await;
                assert!([200, 201, 204].contains(&answer.status), "{target}: {answer:?}");
                made = if answer.status == 200 { identifier(&answer.json()) } else { String::new() };
            }
            let filled = |text: &str| filled(text).replace("{subscription}", &made);
            row.push(match (&operation.restconf, &operation.netconf) {
                (_, Some(asked)) if is_netconf => {
                    self.over_netconf(user, &filled(asked), operation.shows).await
                }
                (Some((method, target, body)), _) => {
                    let body = serde_json::from_str(&filled(&body.to_string())).expect("JSON");
                    let answer = self.ask(user, method, &filled(target), &body).await;
                    of_restconf(&answer, operation.shows)
                }
                _ => "-".to_owned(),
            });
        }
        row
    }

    async fn over_netconf(&self, user: &str, asked: &str, shows: Option<&str>) -> String {
        let mut session = netconf::open_as(&self.server, user, "1.1").await;
        let mut reply = session.ask(asked).await;
        if reply == "<ok/>" && asked.starts_with("<create-subscription") {
            reply = String::new();
            while !reply.contains("<notificationComplete") {
                reply += &session.told().await;
            }
        }
        if !asked.starts_with("<close-session") {
            session.does("<close-session/>").await;
        }
        session.ends().await;
        match reply.starts_with("<rpc-error>") {
            true if errors(&reply).contains("access-denied") => "denied".to_owned(),
            true if errors(&reply).contains(" data-missing") => "absent".to_owned(),
            true => tags(&errors(&reply)),
            false => of_success(&reply, shows),
        }
    }
}

/// The identifier that an operation has given to what it made.
fn identifier(output: &Json) -> String {
    let values = output.as_object().and_then(|output| output.values().next());
    values.and_then(|values| values["id"].as_str()).unwrap_or_default().to_owned()
}

/// The first error alone, without where and why.
fn tags(errors: &str) -> String {
    errors.split(' ').nth(1).unwrap_or(errors).trim_end_matches(';').to_owned()
}

fn of_restconf(answer: &common::Answer, shows: Option<&str>) -> String {
    match answer.status {
        200..300 => of_success(&answer.body, shows),
        401 => "401".to_owned(),
        404 => "absent".to_owned(),
        403 if answer.refusal().1 == "access-denied" => "denied".to_owned(),
        _ => answer.refusal().1,
    }
}

/// `shows` has alternatives.
fn of_success(text: &str, shows: Option<&str>) -> String {
    let verdict = match shows {
        None => "done",
        Some(shows) if shows.split('|').any(|shows| text.contains(shows)) => "seen",
        Some(_) => "absent",
    };
    verdict.to_owned()
}

/// A small set of rules of an operator: auditors read everything and do nothing, agents keep to what is theirs.
fn rules() -> Json {
    let rule = |name: &str, what: Json| {
        let mut rule = what;
        rule["name"] = json!(name);
        rule
    };
    let auditors = [
        rule("read", json!({ "access-operations": "read", "action": "permit" })),
        rule("reading", json!({ "module-name": "ietf-netconf", "rpc-name": "get", "action": "permit" })),
        rule("nothing-else", json!({ "access-operations": "create update delete exec", "action": "deny" })),
    ];
    let strangers = [
        rule("no-task", json!({ "path": "/magent-task:interaction", "action": "deny" })),
        rule("no-registration", json!({ "rpc-name": "register-agent", "action": "deny" })),
        rule(
            "no-agent",
            json!({ "path": "/magent-registry:registry", "access-operations": "read", "action": "deny" }),
        ),
        rule("no-text", json!({ "rpc-name": "get-schema", "action": "deny" })),
        rule("no-change-told", json!({ "notification-name": "netconf-config-change", "action": "deny" })),
    ];
    let agents = [
        rule("secret", json!({ "path": "/irtf-agent:data-params[id='fixed']/data", "action": "deny" })),
        rule(
            "items",
            json!({ "path": "/irtf-agent:data-params", "access-operations": "create update", "action": "permit" }),
        ),
        rule("no-objects", json!({ "rpc-name": "put-data", "action": "deny" })),
        rule(
            "no-report",
            json!({ "path": "/magent-task:interaction/tasks/task/report", "access-operations": "exec", "action": "deny" }),
        ),
    ];
    json!({ "ietf-netconf-acm:nacm": {
        "groups": { "group": [
            { "name": "agents", "user-name": ["ann", "bob", "eve", "del"] },
            { "name": "auditors", "user-name": ["otto"] },
            { "name": "strangers", "user-name": ["eve"] },
        ] },
        "rule-list": [
            { "name": "of-strangers", "group": ["strangers"], "rule": strangers },
            { "name": "of-agents", "group": ["agents"], "rule": agents },
            { "name": "of-auditors", "group": ["auditors"], "rule": auditors },
        ],
    }})
}

/// Rows as text, in columns.
fn table(title: &str, rows: &[Vec<String>]) -> String {
    let head = ["operation", "protocol"].into_iter().chain(ROLES.map(|(role, _)| role));
    let mut all = vec![head.map(str::to_owned).collect::<Vec<_>>()];
    all.extend_from_slice(rows);
    let width =
        |column: usize| all.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}", width(column)));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    format!("{title}\n\n{}", all.iter().map(line).collect::<String>())
}

async fn verdicts(title: &str, rules: Option<Json>) -> String {
    let mut world = World::new(rules).await;
    let mut rows = Vec::new();
    for operation in operations::all() {
        for is_netconf in [false, true] {
            let is_there =
                if is_netconf { operation.netconf.is_some() } else { operation.restconf.is_some() };
            if is_there {
                rows.push(world.row(&operation, is_netconf).await);
            }
        }
    }
    world.server.stop().await;
    table(title, &rows)
}

#[tokio::test]
async fn everybody_may_do_what_the_table_says_in_both_protocols() {
    let standard = verdicts("With the standard policy", None).await;
    let ruled = verdicts("With rules", Some(rules())).await;
    let head = "seen, absent: whether the answer holds what it could, or the target is there. denied: access-denied. Nobody gets a\n\
                session of NETCONF without a certificate, so there is nothing that nobody asks there.";
    let got = format!("{head}\n\n{standard}\n\n{ruled}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/access_matrix.txt");
    if std::env::var_os("ACCESS_BLESS").is_some() {
        std::fs::write(&file, &got).expect("the table is written");
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    if got != expected {
        let actual = Path::new(env!("CARGO_TARGET_TMPDIR")).join("access_matrix.txt");
        std::fs::write(&actual, &got).expect("the table is written");
        panic!("the table is another: compare {} with {}", file.display(), actual.display());
    }
}
