//! `agentconf watch`: what happens elsewhere is seen, over every protocol.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;

use crate::served::{LIMIT, Server, lines, run};

/// A client that follows. Dropping it kills it.
struct Watch {
    process: Child,
    lines: Receiver<String>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Watch {
    fn start(server: &Server, url: &str, options: &[&str]) -> Watch {
        let mut command = server.command(url, &[&["watch"], options].concat(), &[]);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = lines(process.stdout.take().unwrap());
        Watch { process, lines }
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(LIMIT).unwrap()
    }

    fn ended(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }
}

fn register(server: &Server, name: &str) {
    let name = format!("name={name}");
    let input = ["magent-registry:register-agent", &name, "description=d", "version=1", "provider=p"];
    server.done(&server.https, &["call"], &input);
}

#[test]
fn an_event_that_another_makes_is_seen_over_every_protocol() {
    let server = Server::start();
    register(&server, "first");
    let filter = ["--filter", "/magent-registry:registry-change", "--from", "2026-01-01T00:00:00Z"];
    let mut watches: Vec<Watch> = server.urls().map(|url| Watch::start(&server, url, &filter)).into();
    // What is replayed tells that the subscription stands.
    let first = r#""magent-registry:registry-change":{"name":"first","change":"registered","version":"1"}}}"#;
    for watch in &watches {
        watch.next();
        assert!(watch.next().ends_with(first));
    }
    register(&server, "second");
    for watch in &mut watches {
        let line = watch.next();
        let second =
            r#""magent-registry:registry-change":{"name":"second","change":"registered","version":"1"}}}"#;
        assert!(line.starts_with(r#"{"ietf-restconf:notification":{"eventTime":"20"#), "{line}");
        assert!(line.ends_with(second), "{line}");
        // Ctrl-C.
        let id = watch.process.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        assert_eq!(watch.ended(), Some(0));
    }
    for form in ["xml", "paths"] {
        let outputs = server.urls().map(|url| {
            let options = [&["watch"], &filter[..], &["--count", "3", "--format", form]].concat();
            server.done(url, &options, &[])
        });
        assert!(
            outputs.iter().all(|output| *output == outputs[0] && output.contains("second")),
            "{outputs:?}"
        );
    }
}

#[test]
fn a_replay_ends_at_its_time() {
    let server = Server::start();
    register(&server, "first");
    // The time of the last event, as the server wrote it.
    let filter = ["--filter", "/magent-registry:registry-change", "--from", "2026-01-01T00:00:00Z"];
    let lines = server.done(
        &server.https,
        &[&["watch", "--count", "2", "--format", "paths"], &filter[..]].concat(),
        &[],
    );
    let until = lines.lines().last().unwrap().split(' ').next().unwrap().to_owned();
    for url in server.urls() {
        let options = [&["watch", "--until", &until, "--format", "paths"], &filter[..]].concat();
        let replayed = server.done(url, &options, &[]);
        assert!(lines.starts_with(&replayed) && !replayed.is_empty(), "{url} {replayed}");
    }
}

#[test]
fn a_change_of_data_is_pushed_over_every_protocol() {
    let server = Server::start();
    let params = "/irtf-agent:data-params";
    let options = ["--push", params, "--datastore", "running"];
    let watches: Vec<Watch> = server.urls().map(|url| Watch::start(&server, url, &options)).into();
    for watch in &watches {
        assert!(watch.next().contains("\"ietf-yang-push:push-update\""));
    }
    server.done(
        &server.ssh,
        &["edit"],
        &[&format!("{params}[id='1']/data=pushed"), &format!("{params}[id='1']/dataType=text")],
    );
    for watch in &watches {
        let line = watch.next();
        assert!(line.contains("\"ietf-yang-push:push-change-update\"") && line.contains("pushed"), "{line}");
    }
    // Periodically, with its count.
    for url in server.urls() {
        let options =
            ["watch", "--push", params, "--datastore", "running", "--period", "0.5", "--count", "2"];
        let lines = server.done(url, &options, &[]);
        assert_eq!(lines.matches("pushed").count(), 2, "{lines}");
    }
}

#[test]
fn who_may_not_be_followed_is_not() {
    let server = Server::start();
    let (status, _, errors) =
        run(server.command(&server.https, &["watch", "--push", "/irtf-agent:none"], &[]));
    assert!(status == Some(1) && errors.contains("there is no node"), "{errors}");
}
