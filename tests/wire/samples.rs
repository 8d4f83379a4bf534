//! Every sample of `tests/vectors/samples` gets the verdict that `verdicts.tsv` there gives it: what a client can send over
//! the wire, the rest from the decoder. It decides nothing about a verdict itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use agentconf::datastore::diff::diff;
use agentconf::datastore::validate::VALIDATOR;
use agentconf::yang::decode::DecodeOptions;
use agentconf::yang::error::{Error, Tag};
use agentconf::yang::generated::{SCHEMA, irtf_agent, magent_task};
use agentconf::yang::model::Modelled;
use agentconf::yang::path::{InstancePath, Step};
use agentconf::yang::schema::{Kind, Node};
use agentconf::yang::tree::{Child, Container};
use agentconf::yang::{json, xml};
use serde_json::{Value as Json, json};

use crate::http::{Answer, Client, JSON, XML};
use crate::process::Server;

/// One line of `verdicts.tsv`.
struct Sample {
    file: String,
    kind: String,
    valid: bool,
    rule: String,
    path: String,
    tag: Option<String>,
    wire: String,
    text: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/samples")
}

fn samples() -> Vec<Sample> {
    let table = fs::read_to_string(folder().join("verdicts.tsv")).unwrap();
    let sample = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, kind, expected, rule, path, tag, wire] = columns[..] else {
            panic!("not 7 columns: {line}")
        };
        Sample {
            file: file.to_owned(),
            kind: kind.to_owned(),
            valid: expected == "valid",
            rule: rule.to_owned(),
            path: path.to_owned(),
            tag: (tag != "-").then(|| tag.to_owned()),
            wire: wire.to_owned(),
            text: fs::read_to_string(folder().join(file)).unwrap(),
        }
    };
    table.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

#[test]
fn every_sample_has_a_verdict() {
    let mut files: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md" && name != "verdicts.tsv")
        .collect();
    files.sort();
    let listed: Vec<String> = samples().into_iter().map(|sample| sample.file).collect();
    assert_eq!(files, listed);
}

#[test]
fn what_a_client_sends_gets_its_verdict() {
    let states = States::new();
    let mut wrong = Vec::new();
    for state in State::ALL {
        // What is refused changes nothing, so all of these can have the same server.
        let shared = states.server(state);
        let of_state = |sample: &Sample| sample.wire != "-" && State::of(sample) == state;
        for sample in samples().into_iter().filter(of_state) {
            let own = (sample.wire == "accepted").then(|| states.server(state));
            let mut client = own.as_ref().unwrap_or(&shared).client();
            let before = everything(&mut client);
            let answer = send(&mut client, &sample);
            let after = everything(&mut client);
            if let Err(why) = judge(&sample, &answer, &before, &after) {
                let Sample { file, wire, rule, path, .. } = &sample;
                wrong.push(format!(
                    "{file}: {why}\n  expected: {wire}, rule {rule} at {path}\n  answer: {answer}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} samples got another verdict:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_no_client_sends_gets_its_verdict_from_the_decoder() {
    let mut wrong = Vec::new();
    let mut judged = 0;
    for sample in samples().iter().filter(|sample| sample.wire == "-") {
        judged += 1;
        let found = match sample.kind.as_str() {
            "data" => state(&sample.text),
            "reply" => message(sample, &irtf_agent::nodes::TASK_NEGOTIATE).map(drop),
            "notification" => notification(sample),
            other => panic!("{}: nobody knows how to send a {other}", sample.file),
        };
        match found {
            Ok(()) if sample.valid => {}
            Err(error) if !sample.valid && is_at(&place(&error), &named(&error), &sample.path) => {}
            Ok(()) => {
                wrong.push(format!("{}: accepted; rule {} at {}", sample.file, sample.rule, sample.path))
            }
            Err(error) => {
                wrong.push(format!("{}: {error:?}; rule {} at {}", sample.file, sample.rule, sample.path))
            }
        }
    }
    assert!(judged > 0);
    assert!(wrong.is_empty(), "{} samples got another verdict:\n{}", wrong.len(), wrong.join("\n"));
}

/// Assigns the task "t-sync", whose answer is waited for; returns when there is the task.
fn assigned_and_waited_for(server: &Server, mut input: Json) -> thread::JoinHandle<Json> {
    input.as_object_mut().unwrap().remove("callback");
    input["id"] = json!("t-sync");
    let mut events = server.client().events(Some("0")).unwrap();
    let mut publisher = server.client();
    let assigned = thread::spawn(move || rpc(&mut publisher, "magent-task:assign-task", input));
    while !events.next().unwrap().data.contains("\"t-sync\"") {}
    assigned
}

#[test]
fn a_synchronous_assignment_is_answered_with_its_result() {
    let states = States::new();
    let server = states.server(State::Agents);
    let text = fs::read_to_string(folder().join("p01-valid-assign-rpc.json")).unwrap();
    let sample: Json = serde_json::from_str(&text).unwrap();
    let assigned = assigned_and_waited_for(&server, sample["magent-task:assign-task"].clone());
    let mut executor = server.client();
    let report = "/restconf/data/magent-task:interaction/tasks/task=t-sync/report";
    for input in
        [json!({"status": "processing"}), json!({"status": "finished", "result": {"content": "cut fibre"}})]
    {
        executor.call(report, &json!({ "magent-task:input": input }));
    }
    let output = assigned.join().unwrap();
    assert_eq!(output["magent-task:output"]["status"], "finished", "{output}");
    assert_eq!(output["magent-task:output"]["result"]["content"], "cut fibre", "{output}");
}

#[test]
fn who_waits_for_a_synchronous_task_when_the_server_stops_is_told_how_it_stands() {
    let states = States::new();
    let server = states.server(State::Agents);
    let text = fs::read_to_string(folder().join("p01-valid-assign-rpc.json")).unwrap();
    let sample: Json = serde_json::from_str(&text).unwrap();
    let mut input = sample["magent-task:assign-task"].clone();
    input["timeout"] = json!(60);
    let assigned = assigned_and_waited_for(&server, input);
    server.terminate();
    let output = assigned.join().unwrap();
    assert_eq!(output["magent-task:output"]["status"], "created", "{output}");
}

#[test]
fn a_client_cannot_write_the_profile_of_the_server() {
    let states = States::new();
    let server = states.server(State::Agents);
    let text = fs::read_to_string(folder().join("01-valid-datastore.json")).unwrap();
    let body = format!("{{\"ietf-restconf:data\": {text}}}");
    let mut client = server.client();
    let before = everything(&mut client);
    let answer = client.ask("PATCH", "/restconf/data", &[("Content-Type", JSON)], body.as_bytes()).unwrap();
    assert_eq!(answer.status, 400, "{answer}");
    assert_eq!(
        names(answer.json()["ietf-restconf:errors"]["error"][0]["error-path"].as_str().unwrap()),
        "/irtf-agent:agent"
    );
    assert_eq!(everything(&mut client), before);
}

/// What has happened on a server before a sample is sent; each has what the one before has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The agents are registered, and `d-1` is a data object.
    Agents,
    /// `t-1` is assigned.
    Task,
    /// A feasibility negotiation `n-1` about it is in round 2, which was the other agent's.
    Negotiation,
    /// `t-1` is processing.
    Begun,
}

impl State {
    const ALL: [State; 4] = [State::Agents, State::Task, State::Negotiation, State::Begun];

    fn of(sample: &Sample) -> State {
        let mentions = |name: &str| sample.text.contains(name);
        match sample.kind.as_str() {
            "rpc" | "action" if mentions("\"n-1\"") => State::Negotiation,
            "action" => State::Begun,
            "rpc" if mentions("\"t-1\"") => State::Task,
            _ => State::Agents,
        }
    }

    /// From the state before this one.
    fn reach(self, client: &mut Client) {
        const TASKS: &str = "/restconf/data/magent-task:interaction/tasks/task=t-1";
        const NEGOTIATIONS: &str = "/restconf/data/magent-task:interaction/negotiations/negotiation=n-1";
        let (oss, ip) = ("oss-fault-agent", "ip-fault-agent");
        match self {
            State::Agents => {
                for name in [oss, ip] {
                    let profile =
                        json!({"name": name, "description": "d", "version": "1.0.0", "provider": "p"});
                    rpc(client, "magent-registry:register-agent", profile);
                }
                rpc(
                    client,
                    "magent-task:put-data",
                    json!({"id": "d-1", "from": oss, "data-type": "text", "text": "x"}),
                );
            }
            State::Task => {
                rpc(
                    client,
                    "magent-task:assign-task",
                    json!({"id": "t-1", "from": oss, "to": ip, "content": "diagnose"}),
                );
            }
            State::Negotiation => {
                let opening = json!({"id": "n-1", "type": "feasibility", "from": oss, "to": ip, "task": "t-1", "content": "today?"});
                rpc(client, "magent-task:open-negotiation", opening);
                let counter = json!({"from": ip, "in-reply-to": 1, "move": "counter", "content": "tomorrow"});
                client.call(&format!("{NEGOTIATIONS}/respond"), &json!({"magent-task:input": counter}));
            }
            State::Begun => {
                client.call(
                    &format!("{TASKS}/report"),
                    &json!({"magent-task:input": {"status": "processing"}}),
                );
            }
        }
    }
}

fn rpc(client: &mut Client, name: &str, input: Json) -> Json {
    let module = module(name);
    client.call(&format!("/restconf/operations/{name}"), &json!({ format!("{module}:input"): input }))
}

/// The directory of a server in each state, to be copied for each test that needs one.
struct States {
    directory: tempfile::TempDir,
}

impl States {
    fn new() -> States {
        let directory = tempfile::tempdir().unwrap();
        let growing = directory.path().join("growing");
        for state in State::ALL {
            let server = Server::start(&growing, "");
            state.reach(&mut server.client());
            server.kill();
            copy(&growing, &directory.path().join(format!("state-{}", state as u8)));
        }
        States { directory }
    }

    /// A server of its own in this state.
    fn server(&self, state: State) -> Server {
        let data = self
            .directory
            .path()
            .join(format!("data-{}", fs::read_dir(self.directory.path()).unwrap().count()));
        copy(&self.directory.path().join(format!("state-{}", state as u8)), &data);
        Server::start(&data, "")
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// All that the administrator can read.
fn everything(client: &mut Client) -> Json {
    let answer = client.get("/restconf/data");
    assert_eq!(answer.status, 200, "{answer}");
    answer.json()
}

/// Sends a sample as its `README.md` says.
fn send(client: &mut Client, sample: &Sample) -> Answer {
    // Any time in the future does, and the one in the sample does not stay there.
    let text = sample.text.replace("2026-11-21T20:00:00Z", "2099-11-21T20:00:00Z");
    let is_xml = sample.file.ends_with(".xml");
    let media = if is_xml { XML } else { JSON };
    let (method, target, body) = match sample.kind.as_str() {
        "config" if is_xml => {
            let namespace = "urn:ietf:params:xml:ns:yang:ietf-restconf";
            ("PATCH", "/restconf/data".to_owned(), format!("<data xmlns=\"{namespace}\">{text}</data>"))
        }
        "config" => ("PATCH", "/restconf/data".to_owned(), format!("{{\"ietf-restconf:data\": {text}}}")),
        "rpc" if is_xml => {
            let target = "/restconf/operations/irtf-agent:task-negotiate".to_owned();
            ("POST", target, text.replace("task-negotiate", "input"))
        }
        "rpc" => {
            let sample: Json = serde_json::from_str(&text).unwrap();
            let (name, input) = sample.as_object().unwrap().iter().next().unwrap();
            let module = module(name);
            let body = json!({ format!("{module}:input"): input });
            ("POST", format!("/restconf/operations/{name}"), body.to_string())
        }
        "action" => {
            let sample: Json = serde_json::from_str(&text).unwrap();
            let (target, input) = action("/restconf/data", &sample);
            ("POST", target, json!({ "magent-task:input": input }).to_string())
        }
        other => panic!("{}: a client does not send a {other}", sample.file),
    };
    client.ask(method, &target, &[("Content-Type", media), ("Accept", JSON)], body.as_bytes()).unwrap()
}

/// The schema node of the operation that a sample is the input of.
fn operation(sample: &Sample) -> Option<String> {
    let text = || serde_json::from_str(&sample.text).unwrap();
    match sample.kind.as_str() {
        "rpc" if sample.file.ends_with(".json") => {
            let text: Json = text();
            text.as_object().and_then(|members| members.keys().next()).map(|name| format!("/{name}"))
        }
        "action" => {
            let (target, _) = action("", &text());
            let names = target.split('/').map(|name| name.split('=').next().unwrap_or_default());
            Some(names.collect::<Vec<_>>().join("/"))
        }
        _ => None,
    }
}

/// The name of the module that the first name of a path has.
fn module(path: &str) -> &str {
    path.trim_start_matches('/').split(':').next().unwrap_or_default()
}

/// The target and the input of the action that the innermost object of a sample is. Each object on the way to it has one
/// member, and an entry its `id` besides.
fn action(above: &str, object: &Json) -> (String, Json) {
    let (name, value) = object.as_object().unwrap().iter().find(|(name, _)| *name != "id").unwrap();
    match value {
        Json::Array(entries) => {
            let id = entries[0]["id"].as_str().unwrap();
            action(&format!("{above}/{name}={id}"), &entries[0])
        }
        value if ["report", "respond"].contains(&name.as_str()) => (format!("{above}/{name}"), value.clone()),
        value => action(&format!("{above}/{name}"), value),
    }
}

/// Whether an answer is what the sample should get, and what it did is what it should have done.
fn judge(sample: &Sample, answer: &Answer, before: &Json, after: &Json) -> Result<(), String> {
    if sample.wire == "accepted" {
        if !matches!(answer.status, 200 | 201 | 204) {
            return Err("refused".to_owned());
        }
        if before == after {
            return Err("accepted, but nothing has changed".to_owned());
        }
        let written = (sample.kind == "config" && sample.file.ends_with(".json"))
            .then(|| serde_json::from_str(&sample.text));
        return match written {
            Some(written) => holds(&after["ietf-restconf:data"], &written.map_err(|e| e.to_string())?),
            None => Ok(()),
        };
    }
    if answer.status < 400 {
        return Err("accepted".to_owned());
    }
    if before != after {
        return Err("refused, but something has changed".to_owned());
    }
    let error = &answer.json()["ietf-restconf:errors"]["error"][0];
    let text = |name: &str| error[name].as_str().unwrap_or_default();
    let tag = text("error-tag");
    if sample.tag.as_deref().is_some_and(|wanted| wanted != tag) {
        return Err(format!("the error-tag is not {:?}", sample.tag));
    }
    if !statuses(tag).contains(&answer.status) {
        return Err(format!("an error with the tag {tag} has no such status"));
    }
    if sample.rule.strip_prefix("must:").is_some_and(|wanted| wanted != text("error-app-tag")) {
        return Err("it is another rule that is violated".to_owned());
    }
    if text("error-message").is_empty() {
        return Err("there is no error-message".to_owned());
    }
    let named = error["error-info"]["ietf-netconf:bad-element"].as_str().unwrap_or_default();
    let wanted = match operation(sample) {
        // The path of an error in an input begins with the input.
        Some(above) => sample.path.replacen(&above, &format!("/{}:input", module(&above)), 1),
        None => sample.path.clone(),
    };
    if wanted != "-" && !is_at(text("error-path"), named, &wanted) {
        return Err(format!("the error-path is {}, not {wanted}", text("error-path")));
    }
    Ok(())
}

/// The statuses that RFC 8040 section 7 has for an error-tag.
fn statuses(tag: &str) -> &'static [u16] {
    match tag {
        "in-use" | "lock-denied" | "resource-denied" | "data-exists" | "data-missing" => &[409],
        "invalid-value" => &[400, 404, 406],
        "too-big" => &[400, 413],
        "operation-not-supported" => &[405, 501],
        "operation-failed" => &[412, 500],
        "access-denied" => &[401, 403],
        "partial-operation" | "rollback-failed" => &[500],
        _ => &[400],
    }
}

/// Whether all that `part` has is in `whole`. Entries of lists are found wherever they stand.
fn holds(whole: &Json, part: &Json) -> Result<(), String> {
    let missing = || Err(format!("{part} was accepted, but there is {whole}"));
    match (whole, part) {
        (Json::Object(all), Json::Object(some)) => {
            some.iter().try_for_each(|(name, value)| holds(all.get(name).unwrap_or(&Json::Null), value))
        }
        (Json::Array(all), Json::Array(some)) => {
            let there = some.iter().all(|item| all.iter().any(|other| holds(other, item).is_ok()));
            if there { Ok(()) } else { missing() }
        }
        _ if whole == part => Ok(()),
        _ => missing(),
    }
}

/// Whether an error is one of the schema node `wanted`: it is the node of the `error-path`, or below that the `bad-element`,
/// which cannot have a path if it is missing.
fn is_at(path: &str, bad_element: &str, wanted: &str) -> bool {
    let found = names(path);
    found == wanted
        || wanted.strip_prefix(&found).is_some_and(|rest| rest.strip_prefix('/') == Some(bad_element))
}

fn place(error: &Error) -> String {
    error.path.as_ref().map(ToString::to_string).unwrap_or_default()
}

/// The `bad-element` of an error.
fn named(error: &Error) -> String {
    error
        .info
        .iter()
        .find(|info| info.name == "bad-element")
        .map(|info| info.value.to_string())
        .unwrap_or_default()
}

/// The schema node that an instance-identifier leads to.
fn names(path: &str) -> String {
    let (mut names, mut quote, mut depth) = (String::new(), None, 0);
    for c in path.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '[') => depth += 1,
            (None, ']') => depth -= 1,
            (None, c) if depth == 0 => names.push(c),
            _ => {}
        }
    }
    names
}

/// Decodes and validates what a server would give as its state. The server makes its own profile from the struct, which is
/// never without what is mandatory.
fn state(text: &str) -> Result<(), Error> {
    let options = DecodeOptions { allow_state: true, ..DecodeOptions::default() };
    let root = Arc::new(json::decode_children(text.as_bytes(), None, &SCHEMA, &options)?);
    let agent = root.container(irtf_agent::Agent::node()).map(|agent| irtf_agent::Agent::from_data(agent));
    if let Some(Err(error)) = agent {
        let above = InstancePath { steps: vec![Step::plain(irtf_agent::Agent::node())] };
        return Err(Error::application(Tag::MissingElement, error.to_string())
            .at(above.child(Step::plain(error.node))));
    }
    let changes = diff(&Container::default(), &root);
    match VALIDATOR.changes(&VALIDATOR.empty(), root, &changes) {
        Ok(_) => Ok(()),
        Err(mut errors) => Err(errors.swap_remove(0)),
    }
}

/// Decodes an output, which stands in the element of its operation.
fn message(sample: &Sample, operation: &'static Node) -> Result<Container, Error> {
    let Kind::Rpc { output, .. } = operation.kind else { panic!("{} is no operation", operation.name) };
    let target = InstancePath { steps: vec![Step::plain(operation), Step::plain(output)] };
    let text = sample.text.replace(operation.name, "output");
    container(xml::decode_one(text.as_bytes(), &target, &SCHEMA, &DecodeOptions::default())?)
}

/// Decodes a notification, with what it has to have.
fn notification(sample: &Sample) -> Result<(), Error> {
    let kinds = [
        (
            irtf_agent::ConditionNotifications::node(),
            complete::<irtf_agent::ConditionNotifications> as fn(&_) -> _,
        ),
        (magent_task::TaskEvent::node(), complete::<magent_task::TaskEvent>),
        (magent_task::NegotiationEvent::node(), complete::<magent_task::NegotiationEvent>),
    ];
    let (node, complete) = kinds.into_iter().find(|(node, _)| sample.text.contains(node.name)).unwrap();
    let (target, options) = (InstancePath { steps: vec![Step::plain(node)] }, DecodeOptions::default());
    let child = match sample.file.ends_with(".xml") {
        true => xml::decode_one(sample.text.as_bytes(), &target, &SCHEMA, &options)?,
        false => json::decode_one(sample.text.as_bytes(), &target, &SCHEMA, &options)?,
    };
    let content = container(child)?;
    assert!(complete(&content), "{}: something mandatory is missing", sample.file);
    Ok(())
}

fn complete<T: Modelled>(content: &Container) -> bool {
    T::from_data(content).is_ok()
}

fn container(child: Child) -> Result<Container, Error> {
    match child {
        Child::Container(container) => Ok(container.as_ref().clone()),
        other => panic!("no container: {other:?}"),
    }
}
