//! What the verbs do where more than one protocol, client or answer is at play, and what they refuse. It never looks inside.

use std::fs;

use crate::served::{Server, run};

const PARAMS: &str = "/irtf-agent:data-params";

fn entry(server: &Server, id: &str, data: &str) {
    let values = [format!("{PARAMS}[id='{id}']/data={data}"), format!("{PARAMS}[id='{id}']/dataType=text")];
    server.done(&server.https, &["edit"], &[&values[0], &values[1]]);
}

#[test]
fn several_answers_are_one_tree() {
    let server = Server::start();
    entry(&server, "1", "a");
    entry(&server, "2", "b");
    let paths = ["1", "2"].map(|id| format!("{PARAMS}[id='{id}']/data"));
    for url in server.urls() {
        let text = server.done(url, &["get", "--format", "json"], &[&paths[0], &paths[1]]);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let wanted = serde_json::json!([{"id": "1", "data": "a"}, {"id": "2", "data": "b"}]);
        assert_eq!(json["irtf-agent:data-params"], wanted, "{url}");
    }
}

#[test]
fn what_an_operation_answers_as_anyxml_is_shown_by_the_schema() {
    let server = Server::start();
    entry(&server, "1", "a");
    let lines = server.done(&server.ssh, &["call"], &["ietf-netconf:get-config", "source/running"]);
    assert!(lines.contains("data/irtf-agent:data-params[id='1']/data=a\n"), "{lines}");
}

#[test]
fn a_commit_has_its_own_changes_alone_and_leaves_none() {
    let server = Server::start();
    entry(&server, "1", "a");
    let (mine, bad) = (format!("{PARAMS}[id='1']/data=mine"), format!("{PARAMS}[id='2']/data=x"));
    for url in server.urls() {
        assert!(server.refused(url, &["edit", "--commit"], &[&bad]).contains("mandatory"));
        let candidate =
            server.done(url, &["get", "--datastore", "candidate", "--format", "paths"], &[PARAMS]);
        assert!(!candidate.contains("[id='2']"), "{candidate}");
    }
    server.done(
        &server.ssh,
        &["edit", "--datastore", "candidate"],
        &[&format!("{PARAMS}[id='1']/data=theirs")],
    );
    let refused = server.refused(&server.https, &["edit", "--commit"], &[&mine]);
    assert!(refused.contains("the candidate has changes of somebody else"), "{refused}");
    for url in [&server.ssh, &server.tls] {
        server.done(url, &["edit", "--commit"], &[&mine]);
        let running = server.done(url, &["get", "--datastore", "running", "--format", "paths"], &[PARAMS]);
        assert!(running.contains("data=mine") && !running.contains("theirs"), "{running}");
    }
}

#[test]
fn a_watch_fails_when_the_server_goes_and_when_nothing_can_come() {
    let mut server = Server::start();
    for url in server.urls() {
        let refused = server.refused(url, &["watch", "--filter", "/irtf-agent:none"], &[]);
        assert!(refused.contains("there is no node"), "{refused}");
    }
    let (from, form) = (["--from", "2026-01-01T00:00:00Z"], ["--format", "paths"]);
    let watches: Vec<_> = server
        .urls()
        .map(|url| {
            let mut command = server.command(url, &[&["watch"], &from[..], &form[..]].concat(), &[]);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            let mut process = command.spawn().unwrap();
            let lines = crate::served::lines(process.stdout.take().unwrap());
            lines.recv_timeout(crate::served::LIMIT).unwrap();
            // Who no longer reads would end it well.
            (process, lines)
        })
        .into();
    assert!(server.path("data/listening").is_file());
    server.stop();
    assert!(!server.path("data/listening").exists());
    for (watch, _lines) in watches {
        let output = watch.wait_with_output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && errors.starts_with("agentconf: "), "{errors}");
    }
    // Nor does anybody listen now.
    let mut get = server.bare();
    get.arg("get").args(server.local()).arg(PARAMS);
    let (status, _, errors) = run(get);
    assert!(status == Some(1) && errors.contains("no server runs with the directory"), "{errors}");
}

#[test]
fn without_a_url_the_data_directory_says_where_the_server_is() {
    let server = Server::start();
    entry(&server, "1", "a");
    let mut get = server.bare();
    get.arg("get").args(server.local()).arg(PARAMS);
    assert_eq!(run(get), (Some(0), "ID  DATATYPE  DATA\n1   text      a\n".to_owned(), String::new()));
}

#[test]
fn a_node_that_is_named_has_to_be_there() {
    let server = Server::start();
    entry(&server, "1", "a");
    for url in server.urls() {
        for path in [format!("{PARAMS}[id='2']"), format!("{PARAMS}[id='1']/url")] {
            let refused = server.refused(url, &["get"], &[&path]);
            assert_eq!(refused, format!("agentconf: {path}: nothing is there\n"));
        }
        assert_eq!(server.done(url, &["get"], &["/magent-task:interaction/negotiations/negotiation"]), "");
        let refused = server.refused(url, &["get", "--datastore", "startup"], &[PARAMS]);
        assert!(refused.contains("datastore"), "{refused}");
        let round = "/magent-task:interaction/negotiations/negotiation[id='n']/round[number='abc']";
        assert!(server.refused(url, &["get"], &[round]).contains("\"abc\" is no value of \"number\""));
    }
}

#[test]
fn options_that_contradict_the_url_or_each_other_are_refused() {
    let server = Server::start();
    let token = server.path("data/admin.jwt").display().to_string();
    let as_ann = server.https.replace("://", "://ann@");
    for (url, options, message) in [
        (server.ssh.as_str(), ["--token-file", &token], "--token-file is not for ssh://"),
        (&server.https, ["--identity", &token], "--identity is not for https://"),
        (&as_ann, ["--user", "bob"], "--user is \"bob\" and the user of the URL is \"ann\""),
        (&as_ann, ["--token-file", &token], "--token-file says who logs in; a user does so too"),
        (&server.https, ["--ca", "/none.pem"], "cannot read /none.pem"),
    ] {
        let mut get = server.bare();
        get.arg("get").args(server.local()).args(options).arg(url);
        let (status, output, errors) = run(get);
        assert!(status == Some(2) && output.is_empty() && errors.contains(message), "{errors}");
    }
    let mut get = server.bare();
    get.args(["get", "--data", "none", &server.tls]);
    assert!(run(get).2.contains("--cert and --key"));
    let mut get = server.bare();
    get.args(["get", "--data", "none", &server.ssh.replace("://", "://admin@")]);
    let errors = run(get).2;
    assert!(errors.contains("--accept-host-key") && errors.contains("--host-key"), "{errors}");
}

#[test]
fn what_is_wrong_is_told_with_what_was_meant() {
    let server = Server::start();
    for (arguments, code, message) in [
        (["get", "/irtf-agent:data-param"], 1, "did you mean data-params?"),
        (
            ["schema", "magent-tasks"],
            1,
            "the server has no module \"magent-tasks\"; did you mean magent-task?",
        ),
        (["call", "nosuch"], 2, "\"nosuch\": an operation has its module with it, module:nosuch"),
        (["call", "ietf-netconf:lock"], 2, "the lock would end with this session"),
    ] {
        let [verb, place] = arguments;
        let (status, _, errors) = run(server.command(&server.ssh, &[verb], &[place]));
        assert!(status == Some(code) && errors.contains(message), "{errors}");
    }
}

/// The commands of the examples in a help text, without the program.
fn examples(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Examples:");
    lines.filter_map(|line| line.strip_prefix("  agentconf ")).map(str::to_owned).collect()
}

#[test]
fn the_examples_of_the_help_work() {
    let server = Server::start();
    entry(&server, "map", "a");
    let binary = env!("CARGO_BIN_EXE_agentconf");
    let [data, directory] = server.local();
    let mut count = 0;
    for verb in ["call", "get", "edit", "schema"] {
        let (_, help, _) = server.run(&[verb, "--help"]);
        let mut all = examples(&help);
        // What takes the entry away comes last.
        all.sort_by_key(|example| example.contains("--delete"));
        for example in all {
            if example.contains("t-1") || example.contains("open-negotiation") {
                // These need a task or agents, which other tests have.
                continue;
            }
            let login = format!("{data} {directory}");
            let script = format!("agentconf {example}")
                .replace("127.0.0.1:8830", server.ssh.trim_start_matches("ssh://"))
                .replace("https://127.0.0.1:8443", &server.https)
                .replace("agentconf get", &format!("{binary} get {login}"))
                .replace("agentconf edit", &format!("{binary} edit {login}"))
                .replace("agentconf call", &format!("{binary} call {login}"))
                .replace("agentconf schema", &format!("{binary} schema {login}"));
            let mut shell = std::process::Command::new("bash");
            shell.args(["-c", &format!("set -o pipefail; {script}")]).current_dir(server.path(""));
            let (status, _, errors) = run(shell);
            assert_eq!(status, Some(0), "{example}: {errors}");
            count += 1;
        }
    }
    assert!(count >= 9, "{count}");
    assert!(fs::metadata(server.path("magent-task.yang")).unwrap().len() > 0);
}
