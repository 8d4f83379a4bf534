//! The client verbs of the built binary against the built server, over SSH, TLS and HTTPS. They are known from outside alone:
//! arguments, output, exit codes.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

mod agent;
mod served;
mod shell;
mod trust;
mod verbs;
mod watching;

use std::fs;

use served::Server;

const PARAMS: &str = "/irtf-agent:data-params";

#[test]
fn the_same_get_gives_the_same_output_whatever_the_url() {
    let server = Server::start();
    exchange(&server);
    server.done(
        &server.https,
        &["edit"],
        &[&format!("{PARAMS}[id='map']/data=a: b\nc"), &format!("{PARAMS}[id='map']/dataType=text")],
    );
    for options in [
        &["--format", "xml", "/magent-task:interaction"][..],
        &["--format", "json", "/magent-task:interaction"],
        &["--format", "paths", "/magent-task:interaction"],
        &["/magent-task:interaction/negotiations/negotiation"],
        &["/magent-task:interaction/negotiations/negotiation/round/move"],
        &["/magent-task:interaction/negotiations/negotiation[id='n-1']/round[number='1']/move"],
        &["/magent-task:interaction/negotiations/negotiation/round[number='2']/move"],
        &[
            "--format",
            "json",
            "/magent-task:interaction/negotiations/negotiation[id='n-1']/round[number='1']/move",
            "/magent-task:interaction/negotiations/negotiation[id='n-1']/round[number='2']/move",
        ],
        &["--depth", "2", "--format", "json", "/magent-task:interaction/negotiations"],
        &["--depth", "1", "/magent-task:interaction/negotiations/negotiation"],
        &["--config", "--format", "paths"],
        &["--datastore", "running", PARAMS],
        &["--datastore", "candidate", "--format", "json", PARAMS],
        &["--datastore", "intended", PARAMS],
        &["--datastore", "operational", "--origin", "--format", "json", PARAMS],
        &["--state", "--format", "paths", "/magent-task:interaction/negotiations"],
        &["--defaults", "report-all", "--format", "xml", PARAMS],
        &["--datastore", "operational", "--origin", "--format", "xml", PARAMS],
        &["--defaults", "report-all-tagged", "--format", "json", "/ietf-netconf-acm:nacm"],
        &["--defaults", "report-all-tagged", "--format", "xml", "/ietf-netconf-acm:nacm"],
        &["--datastore", "operational", "--depth", "1", "--format", "paths", PARAMS],
        &[PARAMS, "/irtf-agent:agent/name", "/magent-task:interaction/negotiations/negotiation/status"],
    ] {
        let paths = options.iter().position(|option| option.starts_with('/')).unwrap_or(options.len());
        let (options, paths) = options.split_at(paths);
        let outputs = server.urls().map(|url| server.done(url, &[&["get"], options].concat(), paths));
        assert!(
            outputs.iter().all(|output| *output == outputs[0]),
            "{options:?}\n{}",
            outputs.join("\n---\n")
        );
        assert!(!outputs[0].is_empty(), "{options:?} {paths:?}");
    }
    let origin = ["get", "--datastore", "operational", "--origin", "--format", "json"];
    let told = server.done(&server.ssh, &origin, &[PARAMS]);
    assert!(told.contains("\"ietf-origin:origin\": \"ietf-origin:intended\""), "{told}");
    let defaults = ["get", "--defaults", "report-all-tagged", "--format", "json"];
    let told = server.done(&server.tls, &defaults, &["/ietf-netconf-acm:nacm/enable-nacm"]);
    assert!(told.contains("\"ietf-netconf-with-defaults:default\": true"), "{told}");
    assert_eq!(
        server.done(&server.ssh, &["get"], &["/magent-task:interaction/negotiations/negotiation/round/move"]),
        "NEGOTIATION ID  NUMBER  MOVE\nn-1             1       propose\nn-1             2       counter\n\
         n-1             3       accept\n"
    );
    let texts = server.urls().map(|url| server.done(url, &["schema"], &["magent-types"]));
    let own = fs::read_to_string("yang/agentconf/magent-types@2026-11-21.yang").unwrap();
    assert!(texts.iter().all(|text| *text == own));
    let help = server.urls().map(|url| server.done(url, &["schema"], &["/magent-task:open-negotiation"]));
    assert!(help.iter().all(|text| *text == help[0] && text.contains("mandatory")), "{}", help[0]);
}

/// A negotiation of three moves, each over another protocol.
fn exchange(server: &Server) {
    let register = ["magent-registry:register-agent", "description=d", "version=1", "provider=p"];
    server.done(&server.https, &["call"], &[&register[..], &["name=one"]].concat());
    server.done(
        &server.tls,
        &["call"],
        &[&register[..], &["name=two", "skills/skill[skill-name='s']/skill-tags=t"]].concat(),
    );
    let opened = server.done(
        &server.ssh,
        &["call"],
        &[
            "magent-task:open-negotiation",
            "id=n-1",
            "type=feasibility",
            "from=one",
            "to=two",
            "content=c",
            "term[name='time']/number=30",
            "term[name='time']/unit=minutes",
        ],
    );
    assert_eq!(opened, "id=n-1\nstatus=open\n");
    let respond = "/magent-task:interaction/negotiations/negotiation[id='n-1']/respond";
    let counter = [respond, "from=two", "in-reply-to=1", "move=counter", "term[name='time']/number=45"];
    assert_eq!(
        server.done(&server.https, &["call", "--format", "json"], &counter),
        "{\n  \"magent-task:status\": \"open\",\n  \"magent-task:number\": 2\n}\n"
    );
    let input = server
        .file("input.json", r#"{"magent-task:input": {"from": "one", "in-reply-to": 2, "move": "accept"}}"#);
    assert_eq!(
        server.done(&server.tls, &["call", "--input", &input], &[respond]),
        "status=agreed\nnumber=3\n"
    );
    for url in server.urls() {
        let refused = server.refused(url, &["call", "--input", &input], &[respond]);
        let message = "agentconf: operation-failed (bad-transition): \"accept\" is not possible in the negotiation \"n-1\"";
        assert!(refused.starts_with(message), "{refused}");
    }
}

#[test]
fn what_is_edited_over_one_protocol_is_read_over_another() {
    let server = Server::start();
    let rows = |url: &str| server.done(url, &["get"], &[PARAMS]);
    for (number, url) in server.urls().into_iter().enumerate() {
        let entry = format!("{PARAMS}[id='{number}']");
        let next = server.urls()[(number + 1) % 3];
        let (data, kind) = (format!("{entry}/data=\"a\\nb\""), format!("{entry}/dataType=text"));
        assert_eq!(server.done(url, &["edit"], &[&data, &kind]), "");
        assert_eq!(rows(next), format!("ID  DATATYPE  DATA\n{number}   text      a b\n"));
        // A leaf of what is there, and the same in the candidate.
        server.done(url, &["edit", "--commit"], &[&format!("{entry}/data=x")]);
        let lines = server.done(next, &["get", "--format", "paths"], &[PARAMS]);
        assert_eq!(lines, format!("{entry}/dataType=text\n{entry}/data=x\n"));
        server.done(url, &["edit", "--delete", &entry], &[]);
        let again = server.refused(url, &["edit", "--delete", &entry], &[]);
        assert!(again.starts_with("agentconf: data-missing: "), "{again}");
        assert_eq!(rows(next), "");
        // What was read can be written.
        let lines: Vec<&str> = lines.lines().collect();
        server.done(url, &["edit"], &lines);
        for format in ["json", "xml"] {
            let file = server.file(format, &server.done(next, &["get", "--format", format], &[PARAMS]));
            server.done(next, &["edit", "--delete", &entry], &[]);
            server.done(url, &["edit", "--merge", &file], &[]);
            assert_eq!(rows(next), format!("ID  DATATYPE  DATA\n{number}   text      x\n"));
            server.done(url, &["edit", "--replace", &file], &[]);
        }
        let value = r#"{"id":"1 ","dataType":"text","data":"y"}"#.replace("1 ", &number.to_string());
        server.done(url, &["edit"], &[&format!("{entry}={value}")]);
        assert!(rows(next).ends_with(" y\n"));
        server.done(url, &["edit", "--delete", &entry], &[]);
    }
}

#[test]
fn an_edit_that_is_wrong_changes_nothing_and_says_where() {
    let server = Server::start();
    for url in server.urls() {
        let (good, bad) = (format!("{PARAMS}[id='1']/dataType=text"), "/irtf-agent:tasks/content=no section");
        let refused = server.refused(url, &["edit"], &[&good, &format!("{PARAMS}[id='1']/data=x"), bad]);
        assert!(
            refused.starts_with("agentconf: invalid-value: \"content\": \"no section\" does not match"),
            "{refused}"
        );
        assert!(refused.contains("at /irtf-agent:tasks/"), "{refused}");
        let refused = server.refused(url, &["edit"], &[&format!("{PARAMS}[id='1']/data=x")]);
        assert!(refused.contains("\"dataType\" is mandatory and missing"), "{refused}");
        assert_eq!(server.done(url, &["get"], &[PARAMS]), "");
    }
    let test = ["edit", "--test-only"];
    let (kind, data) = (format!("{PARAMS}[id='1']/dataType=text"), format!("{PARAMS}[id='1']/data=x"));
    for url in [&server.ssh, &server.tls] {
        server.done(url, &test, &[&kind, &data]);
        assert!(server.refused(url, &test, &[&data]).contains("mandatory"));
    }
    assert!(server.refused(&server.https, &test, &[&kind, &data]).contains("RESTCONF cannot try an edit"));
    assert_eq!(server.done(&server.https, &["get"], &[PARAMS]), "");
}

#[test]
fn what_makes_no_sense_is_told_with_its_place() {
    let server = Server::start();
    for (arguments, code, message) in [
        (&["get", "/a"][..], 2, "agentconf: \"/a\" is no path: the first name has its module with it"),
        (&["get", "/irtf-agent:data-params[id='1'"], 2, "\"]\" is missing at its end"),
        (&["get", "ftp://host"], 2, "a URL of a server begins with ssh://"),
        (&["get", "ssh://ann:secret@host"], 2, "a URL has no password"),
        (&["edit"], 2, "there is nothing to change"),
        (&["edit", "/irtf-agent:agent x"], 2, "after the path comes"),
        (&["call"], 2, "which operation?"),
        (&["get", "--datastore", "x"], 2, "it is one of running"),
        (&["get", "--password", "x"], 2, "unexpected argument"),
        (&["get", "/irtf-agent:nothing"], 1, "there is no node \"irtf-agent:nothing\"; there can be agent"),
        (&["get", "/irtf-agent:data-params[data='1']"], 1, "the keys of this list are id"),
        (&["edit", "/irtf-agent:data-params/data=1"], 1, ""),
        (&["edit", "/irtf-agent:tasks/content"], 1, "a leaf has a value"),
        (&["call", "magent-task:open-negotiation", "form=x"], 1, "there is no \"form\"; the input has id, "),
        (&["call", "irtf-agent:tasks"], 1, "is no operation"),
        (&["schema", "no-such-module"], 1, ""),
        (&["watch", "--from", "yesterday"], 1, "invalid-value"),
        (&["watch", "--stream", "none"], 1, ""),
    ] {
        for url in server.urls() {
            let mut all: Vec<&str> = arguments.to_vec();
            if !arguments.iter().any(|argument| argument.contains("://")) {
                all.insert(1, url);
            }
            let (status, output, errors) = server.run(&all);
            assert_eq!(status, Some(code), "{all:?} {errors}");
            assert!(errors.contains(message) && output.is_empty(), "{all:?} {errors}{output}");
            assert!(!errors.contains("secret") && !errors.contains("panicked"), "{errors}");
        }
    }
}

#[test]
fn output_that_nobody_reads_is_no_failure() {
    let server = Server::start();
    let binary = env!("CARGO_BIN_EXE_agentconf");
    let script = format!(
        "set -o pipefail; {binary} get {} --format xml {} | true",
        server.https,
        server.local().join(" ")
    );
    let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn completions_and_manual_pages_know_every_verb() {
    let server = Server::start();
    for shell in ["bash", "zsh", "fish"] {
        let (status, script, _) = server.run(&["completions", shell]);
        assert!(
            status == Some(0) && ["get", "watch", "schema"].iter().all(|verb| script.contains(verb)),
            "{shell}"
        );
    }
    let folder = server.path("man").display().to_string();
    assert_eq!(server.run(&["man", &folder]).0, Some(0));
    for verb in ["get", "edit", "call", "watch", "schema", "serve"] {
        assert!(
            fs::read_to_string(server.path(&format!("man/agentconf-{verb}.1"))).unwrap().contains(".TH"),
            "{verb}"
        );
    }
    assert!(server.run(&["man"]).1.contains("agentconf\\-get(1)"));
}
