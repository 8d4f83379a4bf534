//! What is left after `kill -9`: writers and a subscriber are at work, the server is killed at a random moment, starts
//! again on the same directory, and has to have everything that it acknowledged and nothing by halves.
//!
//! `AGENTCONF_CRASH_ROUNDS` is how often (default 10), `AGENTCONF_CRASH_SEED` chooses the moments. Nothing here shows what a
//! loss of power does: what the process wrote stays with the operating system.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value as Json, json};

use crate::http::{Client, Event, Events};
use crate::process::{LIMIT, Server, run, spawn};

const DATA: &str = "/restconf/data/irtf-agent:data-params";
const DRAFT: &str = "/restconf/data/irtf-agent:tasks";
const INTERACTION: &str = "/restconf/data/magent-task:interaction";
/// What campaigns of many rounds need beyond the defaults.
const SETTINGS: &str = "limits.negotiations_open_max = 1000000\nlimits.tasks_open_max = 1000000\n";
/// The last round of a negotiation, which is agreed with it.
const ROUNDS: usize = 6;

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).ok().map_or(default, |text| text.parse().unwrap())
}

#[test]
fn what_was_acknowledged_is_there_after_every_kill_and_nothing_is_half_there() {
    let (rounds, seed) = (number("AGENTCONF_CRASH_ROUNDS", 10), number("AGENTCONF_CRASH_SEED", 1));
    println!("AGENTCONF_CRASH_ROUNDS={rounds} AGENTCONF_CRASH_SEED={seed}");
    let mut random = Random(seed);
    let mut left = rounds;
    while left > 0 {
        // A log that grows for ever would be all that the later rounds look at.
        let kills = left.min(25);
        series(kills, &mut random);
        left -= kills;
    }
}

/// Kills a server so often, always on the same directory.
fn series(kills: u64, random: &mut Random) {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut campaign = Campaign::default();
    for round in 0..kills {
        if random.below(4) == 0 {
            kill_while_starting(&data, random);
        }
        let server = Server::start(&data, SETTINGS);
        let mut events = campaign.check(&server, round);
        if round == 0 {
            register(&mut server.client());
        }

        let (acknowledged, acknowledgements) = sync_channel(1024);
        let start = |(i, write): (usize, &Write)| {
            let (client, done, write) = (server.client(), acknowledged.clone(), *write);
            let writer = Writer { name: format!("{round}-{i}"), client, done, attempts: Vec::new() };
            thread::spawn(move || writer.run(write))
        };
        let writers: Vec<_> = WRITERS.iter().enumerate().map(start).collect();
        let subscriber = thread::spawn(move || {
            let mut seen = Vec::new();
            while let Ok(event) = events.next() {
                seen.push(event);
            }
            seen
        });
        for _ in 0..random.below(120) {
            acknowledgements.recv_timeout(LIMIT).unwrap();
        }
        // The moment of an acknowledgement is no random moment of the next write.
        for _ in 0..random.below(300_000) {
            std::hint::spin_loop();
        }
        server.kill();
        drop(acknowledgements);
        for writer in writers {
            campaign.attempts.extend(writer.join().unwrap());
        }
        campaign.seen.extend(subscriber.join().unwrap());
    }
    let server = Server::start(&data, SETTINGS);
    drop(campaign.check(&server, kills));
    campaign.check_replay(&server);
    let (asked_for, events) = (campaign.attempts.len(), campaign.seen.len());
    let acknowledged = campaign.attempts.iter().filter(|attempt| attempt.acknowledged).count();
    println!("{kills} kills, {acknowledged} of {asked_for} writes acknowledged, {events} events");
}

#[test]
fn a_first_start_that_was_killed_is_made_good_by_the_next() {
    let (rounds, seed) = (number("AGENTCONF_CRASH_ROUNDS", 10), number("AGENTCONF_CRASH_SEED", 1));
    println!("AGENTCONF_CRASH_ROUNDS={rounds} AGENTCONF_CRASH_SEED={seed}");
    let mut random = Random(seed);
    for _ in 0..rounds {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        kill_while_starting(&data, &mut random);
        kill_while_starting(&data, &mut random);
        let server = Server::start(&data, SETTINGS);
        assert_eq!(server.client().get("/restconf/data/irtf-agent:agent").status, 200);
        let password = std::fs::read_to_string(data.join("admin.password")).unwrap();
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("admin:{}", password.trim()));
        assert_eq!(
            server.client_of(Some(&format!("Basic {basic}"))).get("/restconf/data/irtf-agent:agent").status,
            200
        );
        server.kill();
        verified(&data);
    }
}

/// Starts a server and kills it soon, whether or not it listens by then.
fn kill_while_starting(data: &Path, random: &mut Random) {
    let (mut process, listening) = spawn(data, SETTINGS);
    // It is good whether it listens before this time or not.
    let _ = listening.recv_timeout(Duration::from_millis(random.below(400)));
    process.kill().unwrap();
    process.wait().unwrap();
}

fn register(client: &mut Client) {
    for name in ["oss", "ip"] {
        let profile = json!({"name": name, "description": "d", "version": "1.0.0", "provider": "p"});
        client.call(
            "/restconf/operations/magent-registry:register-agent",
            &json!({ "magent-registry:input": profile }),
        );
    }
}

/// `agentconf log verify`; gives the number of records.
fn verified(data: &Path) -> u64 {
    let output = run(&["log", "verify"], data);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let records = text.strip_prefix("whole: ").and_then(|rest| rest.split(' ').next()?.parse().ok());
    records.unwrap_or_else(|| panic!("no number of records: {text}"))
}

/// Something that a writer has asked for.
struct Attempt {
    wanted: Wanted,
    acknowledged: bool,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Wanted {
    /// An entry of `data-params`.
    Entry(String),
    /// A task, by `assign-task`.
    Task(String),
    /// A task, by a write of the draft's `tasks`.
    Order(String),
    /// The round of a negotiation with this number.
    Round(String, usize),
}

/// A client that writes until the server is gone.
struct Writer {
    name: String,
    client: Client,
    done: SyncSender<()>,
    attempts: Vec<Attempt>,
}

/// How each of the writers makes its n-th write; what it wants, the method, the target and the body.
type Write = fn(&str, usize) -> (Wanted, &'static str, String, Json);

const WRITERS: [Write; 6] = [put_entry, put_entry, assign, assign, order, negotiate];

impl Writer {
    fn run(mut self, write: Write) -> Vec<Attempt> {
        for n in 0.. {
            let (wanted, method, target, body) = write(&self.name, n);
            let answer = self.client.send(method, &target, &body);
            let acknowledged = answer.is_ok();
            if let Ok(answer) = answer {
                assert!(matches!(answer.status, 200 | 201 | 204), "{method} {target} {body}: {answer}");
            }
            self.attempts.push(Attempt { wanted, acknowledged });
            if !acknowledged {
                break;
            }
            // Nobody counts any more when the server is being killed.
            let _ = self.done.send(());
        }
        self.attempts
    }
}

/// What an entry or a task says: long enough to be torn.
fn content(id: &str) -> String {
    format!("##target object {id} ##task description {}", "0123456789".repeat(40))
}

fn put_entry(writer: &str, n: usize) -> (Wanted, &'static str, String, Json) {
    let id = format!("d-{writer}-{n}");
    let body = json!({"irtf-agent:data-params": [{"id": id, "dataType": "text", "data": content(&id), "description": "last"}]});
    (Wanted::Entry(id.clone()), "PUT", format!("{DATA}={id}"), body)
}

fn assign(writer: &str, n: usize) -> (Wanted, &'static str, String, Json) {
    let id = format!("t-{writer}-{n}");
    let input =
        json!({"id": id, "from": "oss", "to": "ip", "content": content(&id), "expected-response": "last"});
    (
        Wanted::Task(id),
        "POST",
        "/restconf/operations/magent-task:assign-task".into(),
        json!({ "magent-task:input": input }),
    )
}

fn order(writer: &str, n: usize) -> (Wanted, &'static str, String, Json) {
    let id = format!("o-{writer}-{n}");
    let tasks = json!({"task-sendFrom": "oss", "task-sendTo": "ip", "commuType": "taskAssgin", "task-id": id,
        "content": content(&id), "expected-response": "last"});
    (Wanted::Order(id), "PUT", DRAFT.into(), json!({ "irtf-agent:tasks": tasks }))
}

/// Opens a negotiation, goes on with it until it is agreed, and opens the next.
fn negotiate(writer: &str, n: usize) -> (Wanted, &'static str, String, Json) {
    let (id, round) = (format!("n-{writer}-{}", n / ROUNDS), n % ROUNDS + 1);
    let speaker = ["ip", "oss"][round % 2];
    let text = content(&format!("{id} round {round}"));
    let (target, input) = match round {
        1 => {
            let opening = json!({"id": id, "type": "magent-task:feasibility", "from": "oss", "to": "ip", "content": text});
            ("/restconf/operations/magent-task:open-negotiation".to_owned(), opening)
        }
        _ => {
            let made = if round == ROUNDS { "accept" } else { "counter" };
            let mut input = json!({"from": speaker, "in-reply-to": round - 1, "move": made});
            if round < ROUNDS {
                input["content"] = text.into();
            }
            (format!("{INTERACTION}/negotiations/negotiation={id}/respond"), input)
        }
    };
    (Wanted::Round(id, round), "POST", target, json!({ "magent-task:input": input }))
}

/// All that was asked for and seen so far.
#[derive(Default)]
struct Campaign {
    attempts: Vec<Attempt>,
    /// What the subscriber has got, over all its connections.
    seen: Vec<Event>,
}

impl Campaign {
    /// Checks a server that was started again: its log, its data, and the events that the subscriber has missed. Gives the
    /// subscriber's stream, for the events to come.
    fn check(&mut self, server: &Server, round: u64) -> Events {
        let mut client = server.client();
        self.check_entries(&mut client);
        self.check_tasks(&mut client);
        self.check_negotiations(&mut client);

        let last = self.seen.last().map_or("0", |event| event.id.as_str());
        let mut events = server.client().events(Some(last)).unwrap();
        let marker = format!("marker-{round}");
        let entry = json!({"irtf-agent:data-params": [{"id": marker, "dataType": "text"}]});
        assert_eq!(client.send("PUT", &format!("{DATA}={marker}"), &entry).unwrap().status, 201);
        self.seen.extend(until(&mut events, &marker));
        let position = self.check_positions();
        assert_eq!(verified(server.data()), position, "the newest event is the newest record");
        self.check_orders(&mut client);
        events
    }

    /// The events come in order: every position, and every notification of a position.
    fn check_positions(&self) -> u64 {
        let mut last = (0, 0);
        for event in &self.seen {
            let (position, part) = event.id.split_once('.').unwrap_or((&event.id, "0"));
            let place: (u64, u64) = (position.parse().unwrap(), part.parse().unwrap());
            let next = [(last.0 + 1, 0), (last.0, last.1 + 1)];
            assert!(next.contains(&place), "after the event {last:?} comes {}", event.id);
            last = place;
        }
        last.0
    }

    /// The whole stream, read from its beginning, is what the subscriber has got piece by piece.
    fn check_replay(&self, server: &Server) {
        let mut events = server.client().events(Some("0")).unwrap();
        for wanted in &self.seen {
            assert_eq!(events.next().unwrap(), *wanted);
        }
    }

    /// What of one kind has to be there, and what may be there besides.
    fn expected(&self, id: impl Fn(&Wanted) -> Option<&str>) -> (BTreeSet<&str>, BTreeSet<&str>) {
        let of = |which: bool| {
            let attempts = self.attempts.iter().filter(move |attempt| attempt.acknowledged || which);
            attempts.filter_map(|attempt| id(&attempt.wanted)).collect()
        };
        (of(false), of(true))
    }

    fn check_entries(&self, client: &mut Client) {
        let (acknowledged, asked_for) = self.expected(|wanted| match wanted {
            Wanted::Entry(id) => Some(id),
            _ => None,
        });
        let entries = listed(client, DATA, "irtf-agent:data-params");
        let objects =
            listed(client, &format!("{INTERACTION}/data-objects/data-object"), "magent-task:data-object");
        let entries: BTreeMap<&str, &Json> =
            by_id(&entries).filter(|(id, _)| !id.starts_with("marker-")).collect();
        let objects: BTreeSet<&str> =
            by_id(&objects).map(|(id, _)| id).filter(|id| !id.starts_with("marker-")).collect();
        let there: BTreeSet<&str> = entries.keys().copied().collect();
        between(&acknowledged, &there, &asked_for);
        assert_eq!(objects, there, "an entry of data-params is also a data object");
        for (id, entry) in entries {
            assert_eq!((&entry["data"], &entry["description"]), (&json!(content(id)), &json!("last")));
        }
    }

    fn check_tasks(&self, client: &mut Client) {
        let (acknowledged, asked_for) = self.expected(|wanted| match wanted {
            Wanted::Task(id) | Wanted::Order(id) => Some(id),
            _ => None,
        });
        let tasks = listed(client, &format!("{INTERACTION}/tasks/task"), "magent-task:task");
        between(&acknowledged, &by_id(&tasks).map(|(id, _)| id).collect(), &asked_for);
        for (id, task) in by_id(&tasks) {
            assert_eq!((&task["content"], &task["expected-response"]), (&json!(content(id)), &json!("last")));
            assert_eq!(task["status"], "created");
        }
    }

    /// Each write of `tasks` and the task that it ordered are both there, next to each other in the log, or neither is.
    fn check_orders(&self, client: &mut Client) {
        let tasks = listed(client, &format!("{INTERACTION}/tasks/task"), "magent-task:task");
        let made: BTreeSet<&str> =
            by_id(&tasks).map(|(id, _)| id).filter(|id| id.starts_with("o-")).collect();
        let notification = |event: &Event| -> Json {
            let data: Json = serde_json::from_str(&event.data).unwrap();
            data["ietf-restconf:notification"].clone()
        };
        let mut ordered = Vec::new();
        for (i, event) in
            self.seen.iter().enumerate().filter(|(_, event)| event.data.contains("/irtf-agent:tasks\""))
        {
            let change = &notification(event)["ietf-netconf-notifications:netconf-config-change"];
            assert_eq!(change["edit"][0]["target"], "/irtf-agent:tasks", "{}", event.data);
            let next = &notification(&self.seen[i + 1])["magent-task:task-event"];
            assert_eq!(next["event"], "created", "{}", event.data);
            ordered.push(next["task"].as_str().unwrap().to_owned());
        }
        assert_eq!(ordered.iter().map(String::as_str).collect::<BTreeSet<_>>(), made);
        let answer = client.get(DRAFT);
        let shown = (answer.status == 200).then(|| answer.json()["irtf-agent:tasks"].clone());
        assert_eq!(
            shown.as_ref().and_then(|tasks| tasks["task-id"].as_str()),
            ordered.last().map(String::as_str)
        );
        if let (Some(tasks), Some(last)) = (shown, ordered.last()) {
            assert_eq!(
                (&tasks["content"], &tasks["expected-response"]),
                (&json!(content(last)), &json!("last"))
            );
            assert_eq!(tasks["magent-irtf-bridge:dispatch"]["task"], *last);
        }
    }

    fn check_negotiations(&self, client: &mut Client) {
        let mut rounds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for attempt in &self.attempts {
            if let Wanted::Round(id, number) = &attempt.wanted {
                let (acknowledged, asked_for) = rounds.entry(id).or_default();
                *asked_for = *number;
                if attempt.acknowledged {
                    *acknowledged = *number;
                }
            }
        }
        let all =
            listed(client, &format!("{INTERACTION}/negotiations/negotiation"), "magent-task:negotiation");
        let all: BTreeMap<&str, &Json> = by_id(&all).collect();
        assert!(all.keys().all(|id| rounds.contains_key(id)), "a negotiation that nobody opened is there");
        for (id, (acknowledged, asked_for)) in rounds {
            let made = all.get(id).map_or(&[][..], |n| n["round"].as_array().map_or(&[], Vec::as_slice));
            assert!(
                (acknowledged..=asked_for).contains(&made.len()),
                "{id}: {acknowledged} rounds were acknowledged, {} are there",
                made.len()
            );
            for (i, round) in made.iter().enumerate() {
                let number = i + 1;
                assert_eq!(
                    (&round["number"], &round["from"]),
                    (&json!(number), &json!(["ip", "oss"][number % 2])),
                    "{id}"
                );
                if number < ROUNDS {
                    assert_eq!(round["content"], content(&format!("{id} round {number}")));
                }
            }
            if let Some(negotiation) = all.get(id) {
                let status = if made.len() == ROUNDS { "agreed" } else { "open" };
                assert_eq!(negotiation["status"], status, "{id}");
            }
        }
    }
}

/// All of `acknowledged` are there, and nothing but `asked_for`.
fn between(acknowledged: &BTreeSet<&str>, there: &BTreeSet<&str>, asked_for: &BTreeSet<&str>) {
    let lost: Vec<_> = acknowledged.difference(there).collect();
    assert!(lost.is_empty(), "acknowledged, but lost: {lost:?}");
    let unknown: Vec<_> = there.difference(asked_for).collect();
    assert!(unknown.is_empty(), "there, but never asked for: {unknown:?}");
}

/// The entries of a list; none if there is no such list.
fn listed(client: &mut Client, target: &str, name: &str) -> Vec<Json> {
    let answer = client.get(target);
    match answer.status {
        404 => Vec::new(),
        _ => answer.json()[name].as_array().unwrap_or_else(|| panic!("{target}: {answer}")).clone(),
    }
}

fn by_id(entries: &[Json]) -> impl Iterator<Item = (&str, &Json)> {
    entries.iter().map(|entry| (entry["id"].as_str().unwrap(), entry))
}

/// The events up to the one about `marker`.
fn until(events: &mut Events, marker: &str) -> Vec<Event> {
    let mut seen = Vec::new();
    let wanted = format!("'{marker}'");
    loop {
        let event = events.next().unwrap();
        let found = event.data.contains(&wanted);
        seen.push(event);
        if found {
            return seen;
        }
    }
}

/// SplitMix64, for moments that a seed repeats.
struct Random(u64);

impl Random {
    /// A number from 0, less than `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
