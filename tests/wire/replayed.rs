//! The event log as operators read it: every record of it, and the state as it was at any point, with a server at work or
//! without one.

use std::path::Path;

use agentconf::yang::{self, generated::SCHEMA};
use serde_json::{Value as Json, json};

use crate::http::Client;
use crate::process::{Server, run};

const REGISTER: &str = "/restconf/operations/magent-registry:register-agent";
const ASSIGN: &str = "/restconf/operations/magent-task:assign-task";
const WHOLE: &str = "/restconf/ds/ietf-datastores:operational";
/// What the log tells of; the rest of the datastore is about a process.
const TOLD: [&str; 3] = ["magent-registry:registry", "magent-task:interaction", "irtf-agent:data-params"];

fn done(verb: &[&str], data: &Path) -> String {
    let output = run(verb, data);
    assert!(output.status.success(), "{verb:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn lines(verb: &[&str], data: &Path) -> Vec<Json> {
    done(verb, data).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn told(whole: &Json) -> Vec<Json> {
    let mut told: Vec<Json> = TOLD.iter().map(|name| whole[*name].clone()).collect();
    // The key of the server is none of what has happened.
    told.iter_mut().filter_map(Json::as_object_mut).for_each(|container| {
        container.remove("callback-key");
    });
    told
}

fn put(client: &mut Client, id: &str) {
    let entry = json!({"irtf-agent:data-params": [{"id": id, "dataType": "text", "data": id}]});
    let answer = client.send("PUT", &format!("/restconf/data/irtf-agent:data-params={id}"), &entry).unwrap();
    assert_eq!(answer.status, 201, "{answer}");
}

#[test]
fn the_state_of_any_position_is_shown_as_the_server_showed_it_then() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, "");
    let mut client = server.client();
    // What the server showed, and the last position then.
    let mut shown = Vec::new();
    for step in 0..4 {
        let name = format!("agent-{step}");
        let profile = json!({"name": name, "description": "d", "version": "1.0.0", "provider": "p"});
        client.call(REGISTER, &json!({"magent-registry:input": profile}));
        let order = json!({"from": name, "to": "agent-0", "content": "look"});
        client.call(ASSIGN, &json!({"magent-task:input": order}));
        put(&mut client, &name);
        let answer = client.get(WHOLE).json();
        let records = lines(&["log", "dump"], &data);
        shown.push((records.len(), told(&answer["ietf-restconf:data"])));
    }
    let check = || {
        for (position, expected) in &shown {
            let to = position.to_string();
            let text = done(&["log", "replay", "--to", &to, "--datastore", "operational"], &data);
            yang::json::decode_children(text.as_bytes(), None, &SCHEMA, &yang::json::STORED).unwrap();
            assert_eq!(&told(&serde_json::from_str(&text).unwrap()), expected, "{position}");
            let text = done(&["log", "replay", "--to", &to, "--format", "json"], &data);
            let counts: Json = serde_json::from_str(&text).unwrap();
            let agents = expected[0]["agents"]["agent"].as_array().unwrap().len();
            let tasks = expected[1]["tasks"]["task"].as_array().unwrap().len();
            assert_eq!((&counts["position"], &counts["agents"]), (&json!(position), &json!(agents)));
            let counted: u64 =
                counts["tasks"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
            assert_eq!(counted, tasks as u64, "{counts}");
        }
    };
    check();
    assert!(server.stop().success());
    check();
    let beyond = run(&["log", "replay", "--to", "1000000"], &data);
    assert_eq!(beyond.status.code(), Some(1));
}

#[test]
fn a_dump_has_every_record_once_and_says_where_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // Each edit over RESTCONF is a transaction of two records.
    let server = Server::start(&data, "datastores.startup = true\n");
    for id in ["a", "b", "c"] {
        put(&mut server.client(), id);
    }
    let all = lines(&["log", "dump"], &data);
    let positions: Vec<u64> = all.iter().map(|line| line["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, (1..=all.len() as u64).collect::<Vec<_>>());
    let last = all.last().unwrap();
    assert!(done(&["log", "verify"], &data).contains(last["hash"].as_str().unwrap()));

    let edits = lines(&["log", "dump", "--kind", "edited"], &data);
    let written: Vec<&Json> = edits.iter().filter(|line| line["user"] == "admin").collect();
    assert_eq!(written.len(), 3, "{edits:?}");
    for edit in &written {
        let expected = [("method", "token"), ("protocol", "restconf"), ("source-host", "127.0.0.1")];
        assert!(expected.iter().all(|(name, value)| edit[*name] == *value), "{edit}");
        assert_eq!((&edit["kind-number"], &edit["transaction"]), (&json!(1), &edit["position"]));
        assert_eq!(edit["payload"][0]["path"][0]["node"], "irtf-agent:data-params");
        assert!(edit["time"].as_str().unwrap().ends_with('Z') && edit["source-port"].is_u64(), "{edit}");
    }
    assert_eq!(lines(&["log", "dump", "--kind", "1"], &data), edits);
    let both = |line: &&Json| line["kind"] == "edited" || line["kind"] == "startup";
    let both: Vec<Json> = all.iter().filter(both).cloned().collect();
    assert!(both.len() >= 6 && both.len() < all.len(), "{all:?}");
    assert_eq!(lines(&["log", "dump", "--kind", "1", "--kind", "startup"], &data), both);

    // From inside of a transaction it is still the same one.
    let first = written[1]["position"].as_u64().unwrap();
    let second = (first + 1).to_string();
    let part = lines(&["log", "dump", "--from", &second, "--to", &second], &data);
    assert_eq!(part, all[first as usize..=first as usize]);
    assert_eq!(part[0]["transaction"], json!(first));
    let text = done(&["log", "dump", "--format", "text", "--from", &second, "--to", &second], &data);
    assert!(
        text.starts_with(&format!("{second} ")) && text.contains(" startup admin (token restconf"),
        "{text}"
    );

    assert!(server.stop().success());
    let after = lines(&["log", "dump"], &data);
    assert_eq!(after[..all.len()], all[..]);
    assert_eq!(run(&["log", "dump", "--kind", "nonsense"], &data).status.code(), Some(2));
}
