//! What the audit says of everything that is done to a server over RESTCONF and NETCONF, and that no secret is in anything it
//! writes: its log, its audit trail, the export of both.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType, Issuer, KeyPair};
use serde_json::{Value as Json, json};

use crate::process::{Server, run};

const QUERY: &str = "/restconf/operations/magent-audit:query-audit";
const REGISTER: &str = "/restconf/operations/magent-registry:register-agent";
const SETTINGS: &str = r#"
    listen.ssh = ["127.0.0.1:0"]
    listen.tls = ["127.0.0.1:0"]
    log = { level = "trace", format = "json" }
    audit.checkpoint-seconds = 1
"#;

/// A server with users, and clients for every protocol.
struct Place {
    server: Server,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&folder.path().join("data"), SETTINGS);
        Place { server, folder }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let file = self.folder.path().join(name);
        fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    fn add(&self, name: &str, group: &str, password: &str) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agentconf"));
        command.args(["user", "add", name, "--group", group, "--password-stdin", "--data"]);
        let mut process =
            command.arg(self.server.data()).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        process.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        assert!(process.wait().unwrap().success());
    }

    fn basic(name: &str, password: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
    }

    /// A URL of the server, by its scheme.
    fn url(&self, scheme: &str) -> String {
        let listening = fs::read_to_string(self.server.data().join("listening")).unwrap();
        let address = listening.lines().find_map(|line| line.strip_prefix(&format!("{scheme} "))).unwrap();
        format!("{scheme}://{address}")
    }

    /// A certificate of a user, and its key.
    fn certificate(&self, user: &str) -> [String; 4] {
        let pki = self.server.data().join("pki");
        let key = KeyPair::from_pem(&fs::read_to_string(pki.join("ca.key")).unwrap()).unwrap();
        let issuer = Issuer::from_ca_cert_pem(&fs::read_to_string(pki.join("ca.pem")).unwrap(), key).unwrap();
        let own = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = Default::default();
        params.distinguished_name.push(DnType::CommonName, user);
        let certificate = params.signed_by(&own, &issuer).unwrap().pem();
        let file = |kind: &str, text: &str| self.file(&format!("{user}.{kind}"), text);
        ["--cert".into(), file("pem", &certificate), "--key".into(), file("key", &own.serialize_pem())]
    }

    /// A verb over SSH with a password.
    fn by_ssh(&self, user: &str, password: &str, verb: &str, arguments: &[&str]) -> (bool, String) {
        let (url, file) = (self.url("ssh"), self.file("password", password));
        let options = [verb, "--user", user, "--password-file", &file, &url];
        done(run(&[&options, arguments].concat(), self.server.data()))
    }

    /// A verb over TLS.
    fn by_tls(&self, user: &str, verb: &str, arguments: &[&str]) -> (bool, String) {
        let (url, [cert, certificate, key, private]) = (self.url("tls"), self.certificate(user));
        let options = [verb, &cert, &certificate, &key, &private, &url];
        done(run(&[&options, arguments].concat(), self.server.data()))
    }

    fn export(&self, more: &[&str]) -> Vec<Json> {
        let output = run(&[&["audit", "export"], more].concat(), self.server.data());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What is exported, once it has something of each of these.
    fn exported(&self, expected: &[Json]) -> Vec<Json> {
        for _ in 0..200 {
            let lines = self.export(&[]);
            if expected.iter().all(|expected| lines.iter().any(|line| has(line, expected))) {
                return lines;
            }
        }
        let lines = self.export(&[]);
        let missing: Vec<_> = expected.iter().filter(|e| !lines.iter().any(|line| has(line, e))).collect();
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        panic!("{missing:?} is not in the export:\n{lines}");
    }
}

/// Whether an entry has these members, and for null does not have them.
fn has(line: &Json, expected: &Json) -> bool {
    let expected = expected.as_object().unwrap();
    expected.iter().all(|(name, value)| line.get(name).unwrap_or(&Json::Null) == value)
}

fn done(output: std::process::Output) -> (bool, String) {
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn profile(name: &str) -> Json {
    json!({"magent-registry:input": {"name": name, "description": "d", "version": "1.0.0", "provider": "p"}})
}

#[test]
fn whatever_is_done_over_any_protocol_can_be_told_afterwards() {
    let place = Place::new();
    for (name, group) in [("ann", "ops"), ("olga", "auditor")] {
        place.add(name, group, &format!("password of {name}"));
    }
    let server = &place.server;
    let ann = Place::basic("ann", "password of ann");

    // Authentications.
    assert_eq!(server.client_of(None).get("/restconf/data").status, 401);
    assert_eq!(server.client_of(Some(&Place::basic("ann", "no"))).get("/restconf/data").status, 401);
    assert_eq!(server.client_of(Some(&Place::basic("nobody", "no"))).get("/restconf/data").status, 401);
    assert_eq!(server.client_of(Some("Bearer no")).get("/restconf/data").status, 401);
    assert!(!place.by_ssh("ann", "no", "get", &["/irtf-agent:agent/name"]).0);
    assert!(!place.by_tls("nobody", "get", &["/irtf-agent:agent/name"]).0);

    // Refusals, operations, edits.
    let mut client = server.client_of(Some(&ann));
    let nacm = json!({"ietf-netconf-acm:nacm": {"enable-nacm": false}});
    assert_eq!(client.send("PUT", "/restconf/data/ietf-netconf-acm:nacm", &nacm).unwrap().status, 403);
    assert_eq!(client.send("POST", QUERY, &json!({"magent-audit:input": {}})).unwrap().status, 403);
    let patch = json!({"ietf-yang-patch:yang-patch": {"patch-id": "p", "edit": [{"edit-id": "e", "operation": "merge",
        "target": "/ietf-netconf-acm:nacm", "value": {"ietf-netconf-acm:nacm": {"enable-nacm": false}}}]}});
    let fields = [("Content-Type", "application/yang-patch+json"), ("Accept", "application/yang-data+json")];
    let answer = client.ask("PATCH", "/restconf/data", &fields, patch.to_string().as_bytes()).unwrap();
    assert_eq!(answer.status, 403, "{answer}");
    client.call(REGISTER, &profile("ann-agent"));
    client.call(
        "/restconf/data/magent-registry:registry/agents/agent=ann-agent/renew",
        &json!({"magent-registry:input": {}}),
    );
    let params = json!({"irtf-agent:data-params": [{"id": "https", "dataType": "text", "data": "x"}]});
    assert_eq!(
        client.send("PUT", "/restconf/data/irtf-agent:data-params=https", &params).unwrap().status,
        201
    );
    let (is_done, text) = place.by_ssh(
        "ann",
        "password of ann",
        "edit",
        &["/irtf-agent:data-params[id='ssh']/data=x", "/irtf-agent:data-params[id='ssh']/dataType=text"],
    );
    assert!(is_done, "{text}");
    let nacm = ["/ietf-netconf-acm:nacm/enable-nacm=false"];
    assert!(!place.by_ssh("ann", "password of ann", "edit", &nacm).0);
    let (is_done, text) = place.by_tls(
        "ann",
        "call",
        &["magent-registry:register-agent", "name=b", "description=d", "version=1", "provider=p"],
    );
    assert!(is_done, "{text}");

    let by_password = |protocol: &str, user: Json, outcome: &str| json!({"kind": "authentication", "protocol": protocol, "method": "password", "user": user, "outcome": outcome});
    let expected = [
        json!({"kind": "authentication", "protocol": "restconf", "method": null, "user": null, "outcome": "missing",
               "source-host": "127.0.0.1"}),
        by_password("restconf", json!("ann"), "wrong-password"),
        by_password("restconf", json!("nobody"), "wrong-password"),
        by_password("restconf", json!("ann"), "ok"),
        by_password("netconf-ssh", json!("ann"), "wrong-password"),
        by_password("netconf-ssh", json!("ann"), "ok"),
        json!({"kind": "authentication", "protocol": "restconf", "method": "token", "outcome": "wrong-token"}),
        json!({"kind": "authentication", "protocol": "netconf-tls", "method": "certificate", "user": "nobody",
               "outcome": "wrong-certificate"}),
        json!({"kind": "authentication", "protocol": "netconf-tls", "method": "certificate", "user": "ann",
               "group": ["ops"], "outcome": "ok"}),
        json!({"kind": "refusal", "user": "ann", "operation": "PUT", "outcome": "access-denied",
               "path": ["/restconf/data/ietf-netconf-acm:nacm"]}),
        json!({"kind": "refusal", "user": "ann", "operation": "POST", "path": [QUERY], "outcome": "access-denied"}),
        json!({"kind": "refusal", "user": "ann", "operation": "PATCH", "path": ["/restconf/data"],
               "outcome": "access-denied"}),
        json!({"kind": "refusal", "user": "ann", "protocol": "netconf-ssh", "operation": "ietf-netconf:edit-config",
               "outcome": "access-denied"}),
        json!({"kind": "invocation", "user": "ann", "protocol": "restconf", "path": null,
               "operation": "magent-registry:register-agent", "outcome": "ok"}),
        json!({"kind": "invocation", "user": "ann", "protocol": "restconf", "operation": "magent-registry:renew",
               "path": ["/magent-registry:registry/agents/agent[name='ann-agent']"], "outcome": "ok"}),
        json!({"kind": "invocation", "user": "ann", "protocol": "netconf-ssh",
               "operation": "ietf-netconf:edit-config", "outcome": "ok"}),
        json!({"kind": "invocation", "user": "ann", "protocol": "netconf-tls", "path": null,
               "operation": "magent-registry:register-agent", "outcome": "ok"}),
        json!({"kind": "change", "user": "ann", "protocol": "restconf", "method": "password",
               "operation": "agent-registered",
               "path": ["/magent-registry:registry/agents/agent[name='ann-agent']"]}),
        json!({"kind": "change", "user": "ann", "protocol": "restconf", "source-host": "127.0.0.1",
               "session-id": null, "path": ["/irtf-agent:data-params[id='https']"]}),
        json!({"kind": "change", "user": "ann", "protocol": "netconf-tls", "method": "certificate",
               "path": ["/magent-registry:registry/agents/agent[name='b']"]}),
        json!({"kind": "administration", "user": null, "operation": "file-changed", "path": ["users.json"]}),
        json!({"kind": "session", "user": "ann", "protocol": "netconf-ssh", "operation": "session-started"}),
        json!({"kind": "session", "user": "ann", "protocol": "server", "operation": "session-ended"}),
    ];
    let lines = place.exported(&expected);
    let of_ssh = lines.iter().find(|line| {
        line["kind"] == "change" && line["path"][0].as_str().is_some_and(|path| path.contains("[id='ssh']"))
    });
    assert!(of_ssh.unwrap()["session-id"].is_u64(), "{of_ssh:?}");
    let ended = lines.iter().find(|line| line["operation"] == "session-ended").unwrap();
    let session = format!("session[session-id='{}']", ended["session-id"]);
    assert!(ended["path"][0].as_str().unwrap().ends_with(&session), "{ended}");
    let times: Vec<&str> = lines.iter().map(|line| line["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "in the order of time");

    // What is asked for is what is told.
    assert!(
        place
            .export(&["--user", "ann", "--kind", "refusal"])
            .iter()
            .all(|line| { line["user"] == "ann" && line["kind"] == "refusal" })
    );
    assert!(place.export(&["--to", "2020-01-01T00:00:00Z"]).is_empty());
    assert!(place.export(&["--from", "2120-01-01T00:00:00Z"]).is_empty());

    // The same over the wire, a page after the other, for an auditor who is no administrator.
    let mut auditor = server.client_of(Some(&Place::basic("olga", "password of olga")));
    let (mut asked, mut cursor) = (Vec::new(), None);
    loop {
        let mut input = json!({"user": "ann", "limit": 5});
        if let Some(cursor) = cursor {
            input["cursor"] = cursor;
        }
        let answer = auditor.call(QUERY, &json!({"magent-audit:input": input}));
        let output = &answer["magent-audit:output"];
        let page = output["entry"].as_array().cloned().unwrap_or_default();
        assert!(page.len() <= 5);
        asked.extend(page);
        match output.get("next") {
            Some(next) => cursor = Some(next.clone()),
            None => break,
        }
    }
    for line in place.export(&["--user", "ann"]).iter().take(asked.len()) {
        assert!(asked.contains(line), "{line}");
    }
    assert!(asked.len() >= 15, "{}", asked.len());
    let (is_done, text) =
        place.by_tls("olga", "call", &["--format", "json", "magent-audit:query-audit", "kind=refusal"]);
    assert!(is_done && text.contains("access-denied"), "{text}");
    assert!(!place.by_tls("ann", "call", &["magent-audit:query-audit"]).0);

    // While the server runs, and after its end.
    let (is_whole, text) = done(run(&["log", "verify"], server.data()));
    assert!(is_whole && text.contains("audit trail whole: 1 segments"), "{text}");
    let data = server.data().to_owned();
    let Place { server, folder: _folder } = place;
    assert!(server.stop().success());
    let (is_whole, text) = done(run(&["log", "verify"], &data));
    assert!(is_whole && text.contains("after that 0 and 0 records"), "{text}");
}

#[test]
fn what_was_done_to_a_server_that_was_down_is_told() {
    let Place { server, folder } = Place::new();
    server.client().call(REGISTER, &profile("an-agent"));
    let data = server.data().to_owned();
    assert!(server.stop().success());
    let verify = || done(run(&["log", "verify"], &data));
    let again = || {
        assert!(Server::start(&data, SETTINGS).stop().success());
    };
    assert!(verify().0);
    let changed = |name: &str| {
        let text = done(run(&["audit", "export", "--kind", "administration"], &data)).1;
        text.lines().filter(|line| line.contains(name)).count()
    };
    let before = changed("users.json");
    again();
    assert_eq!(changed("users.json"), before, "nothing was done to it");
    assert!(run(&["user", "add", "eve"], &data).status.success());
    fs::write(data.join("audit.pub"), "x").unwrap();
    again();
    assert_eq!(changed("users.json"), before + 1);
    assert_eq!(changed("audit.pub"), 1);

    // Without what says how far the trail went.
    let checkpoint = data.join("audit/checkpoint.json");
    let kept = fs::read(&checkpoint).unwrap();
    fs::remove_file(&checkpoint).unwrap();
    let (is_whole, text) = verify();
    assert!(!is_whole && text.contains("checkpoint.json is missing"), "{text}");
    fs::write(&checkpoint, kept).unwrap();
    assert!(verify().0);

    // Without a trail, and then without anything that tells of one.
    fs::remove_dir_all(data.join("audit")).unwrap();
    assert!(!verify().0);
    again();
    let (is_whole, text) = verify();
    assert!(!is_whole && text.contains("discontinuity"), "{text}");
    let accepted = folder.path().join("accepted.json");
    fs::copy(&checkpoint, &accepted).unwrap();
    let (is_whole, text) = done(run(&["log", "verify", "--from", accepted.to_str().unwrap()], &data));
    assert!(is_whole, "{text}");
    fs::remove_dir_all(data.join("audit")).unwrap();
    fs::remove_file(data.join("audit.key")).unwrap();
    fs::remove_file(data.join("audit.pub")).unwrap();
    let (is_whole, text) = verify();
    assert!(!is_whole && text.contains("the audit trail and its key are gone"), "{text}");
    again();
    let (is_whole, text) = verify();
    assert!(!is_whole && text.contains("discontinuity"), "{text}");
}

#[test]
fn who_got_which_rights_is_told() {
    let place = Place::new();
    let data = place.server.data().to_owned();
    let does = |verb: &[&str]| {
        let output = run(verb, &data);
        assert!(output.status.success(), "{verb:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let told = |operation: &str, subject: &str, rest: [Json; 3]| {
        let [groups, before, key] = rest;
        json!({"kind": "administration", "user": null, "operation": operation, "path": null, "subject": subject,
            "group": groups, "group-before": before, "credential": key})
    };
    let none = Json::Null;
    let now = |expected: Json| drop(place.exported(&[expected]));
    // What they say first is known.
    while !data.join("audit/rights.json").exists() {
        std::thread::yield_now();
    }
    does(&["user", "add", "ann"]);
    now(told("user-added", "ann", [none.clone(), none.clone(), none.clone()]));
    does(&["user", "set", "ann", "--group", "admin", "--group", "ops"]);
    now(told("user-changed", "ann", [json!(["admin", "ops"]), none.clone(), none.clone()]));
    let key = does(&["key", "add", "ann"]);
    let id = key.split('_').nth(1).unwrap();
    now(told("key-added", "ann", [none.clone(), none.clone(), json!(id)]));
    assert_eq!(place.server.client_of(Some(&format!("Bearer {key}"))).get("/restconf/data").status, 200);
    now(
        json!({"kind": "authentication", "user": "ann", "method": "api-key", "credential": id, "group": ["admin", "ops"]}),
    );
    does(&["key", "revoke", id]);
    now(told("key-removed", "ann", [none.clone(), none.clone(), json!(id)]));
    // While no server runs.
    let Place { server, folder } = place;
    assert!(server.stop().success());
    does(&["user", "set", "ann", "--group", "ops"]);
    let key = does(&["key", "add", "ann"]);
    let id = key.split('_').nth(1).unwrap();
    let place = Place { server: Server::start(&data, SETTINGS), folder };
    place.exported(&[
        told("user-changed", "ann", [json!(["ops"]), json!(["admin", "ops"]), none.clone()]),
        told("key-added", "ann", [none.clone(), none.clone(), json!(id)]),
    ]);
    does(&["user", "remove", "ann"]);
    place.exported(&[told("user-removed", "ann", [none.clone(), json!(["ops"]), none])]);
    let kept = fs::read_to_string(data.join("audit/rights.json")).unwrap();
    assert!(!kept.contains("argon2") && !kept.contains(key.rsplit('_').next().unwrap()), "{kept}");
}

#[test]
fn no_secret_is_in_the_log_or_in_the_audit() {
    const SECRETS: [&str; 15] = [
        "s3cr3t-good-password",
        "s3cr3t-wrong-password",
        "s3cr3t-without-colon",
        "s3cr3t-bearer",
        "s3cr3t-scheme",
        "s3cr3t-userinfo",
        "s3cr3t-query",
        "s3cr3t-ssh-password",
        "s3cr3t-term",
        "s3cr3t-prompt",
        "s3cr3t-netconf-prompt",
        "s3cr3t-edit",
        "s3cr3t-configured",
        "s3cr3t-configured-by-ann",
        "s3cr3t-configured-over-netconf",
    ];
    let [
        good,
        wrong,
        bare,
        bearer,
        scheme,
        userinfo,
        query,
        ssh,
        term,
        prompt,
        netconf,
        edit,
        configured,
        by_ann,
        by_netconf,
    ] = SECRETS;
    let place = Place::new();
    place.add("ann", "ops", good);
    let server = &place.server;
    let ann = Place::basic("ann", good);
    let jwt = run(&["token", "ann"], server.data());
    let jwt = String::from_utf8(jwt.stdout).unwrap().trim().to_owned();
    let api_key = run(&["key", "add", "ann", "--lifetime", "60"], server.data());
    let api_key = String::from_utf8(api_key.stdout).unwrap().trim().to_owned();

    // Right and wrong credentials of every kind, and what is none.
    let status = |authorization: &str| {
        server.client_of(Some(authorization)).get("/restconf/data/irtf-agent:agent").status
    };
    assert_eq!(status(&ann), 200);
    assert_eq!(status(&format!("Bearer {jwt}")), 200);
    assert_eq!(status(&format!("Bearer {api_key}")), 200, "{api_key}");
    let wrong_ones = [
        Place::basic("ann", wrong),
        Place::basic("nobody", wrong),
        format!("Basic {}", STANDARD.encode(bare)),
        format!("Basic {wrong}"),
        format!("Basic  ann:{wrong}"),
        format!("Bearer {bearer}"),
        format!("Bearer {jwt}x"),
        format!("Bearer {api_key}x"),
        "Bearer".to_owned(),
        format!("Digest username=ann, response={scheme}"),
        scheme.to_owned(),
    ];
    for authorization in &wrong_ones {
        assert_eq!(status(authorization), 401, "{authorization}");
    }
    let client = server.client_of(Some(&ann));
    let raw = |text: String| client.raw(text.as_bytes()).unwrap().status;
    let address = server.address;
    assert_eq!(raw(client.head("GET", &format!("https://ann:{userinfo}@{address}/restconf/data"), &[])), 400);
    assert_eq!(raw(client.head("GET", &format!("/restconf/data?token={query}"), &[])), 400);
    let twice = client.head("GET", "/restconf/data", &[("Authorization", &format!("Bearer {bearer}"))]);
    assert_eq!(raw(twice), 401);
    let broken =
        format!("GET /restconf/data HTTP/1.1\r\nHost: {address}\r\nAuthorization Bearer {bearer}\r\n\r\n");
    assert_eq!(raw(broken), 400);

    // What is private to agents, done and refused.
    let mut client = server.client_of(Some(&ann));
    for name in ["one", "two"] {
        client.call(REGISTER, &profile(name));
    }
    let open = |from: &str| {
        json!({"magent-task:input": {"id": "n", "type": "feasibility", "from": from, "to": "two", "content": prompt,
               "term": [{"name": "price", "text": term}]}})
    };
    const OPEN: &str = "/restconf/operations/magent-task:open-negotiation";
    let opened = client.send("POST", OPEN, &open("one")).unwrap();
    assert_eq!(opened.status, 200, "{opened}");
    assert_eq!(client.send("POST", OPEN, &open("agentconf")).unwrap().status, 403);
    let counter = json!({"magent-task:input": {"from": "two", "in-reply-to": 1, "move": "counter",
                         "term": [{"name": "price", "text": term}]}});
    const RESPOND: &str = "/restconf/data/magent-task:interaction/negotiations/negotiation=n/respond";
    client.call(RESPOND, &counter);
    assert_eq!(client.send("POST", RESPOND, &counter).unwrap().status, 412);
    let order = |from: &str| json!({"magent-task:input": {"from": from, "to": "two", "content": prompt}});
    const ASSIGN: &str = "/restconf/operations/magent-task:assign-task";
    client.call(ASSIGN, &order("one"));
    assert_eq!(client.send("POST", ASSIGN, &order("agentconf")).unwrap().status, 403);
    let mut malformed = order("one").to_string();
    malformed.truncate(malformed.len() - 2);
    let fields = [("Content-Type", "application/yang-data+json")];
    assert_eq!(client.ask("POST", ASSIGN, &fields, malformed.as_bytes()).unwrap().status, 400);
    let params = json!({"irtf-agent:data-params": [{"id": "x", "dataType": "text", "data": edit}]});
    assert_eq!(client.send("PUT", "/restconf/data/irtf-agent:data-params=x", &params).unwrap().status, 201);
    let unknown = json!({"irtf-agent:data-params": [{"id": "x", "nothing": edit}]});
    assert_eq!(client.send("PUT", "/restconf/data/irtf-agent:data-params=x", &unknown).unwrap().status, 400);

    // Who gets in, configured and refused.
    let mut admin = server.client();
    const BOB: &str = "/restconf/data/magent-access:access/users/user=bob";
    let bob = |password: &str| json!({"magent-access:user": [{"name": "bob", "password": format!("$0${password}")}]});
    assert_eq!(admin.send("PUT", BOB, &bob(configured)).unwrap().status, 201);
    assert_eq!(status(&Place::basic("bob", configured)), 200);
    let by_ann = client.send("PUT", BOB, &bob(by_ann)).unwrap();
    assert!(matches!(by_ann.status, 403 | 404), "{by_ann}");
    let created = admin.call(
        "/restconf/operations/magent-access:create-api-key",
        &json!({"magent-access:input": {"user": "bob"}}),
    );
    let configured_key = created["magent-access:output"]["key"].as_str().unwrap().to_owned();
    assert_eq!(status(&format!("Bearer {configured_key}")), 200);
    let password = format!("/magent-access:access/users/user[name='bob']/password=$0${by_netconf}");
    let edited = place.by_tls("admin", "edit", &[&password]);
    assert!(edited.0, "{}", edited.1);
    assert!(!place.by_tls("ann", "edit", &[&password]).0);

    // What is private, over NETCONF.
    assert!(!place.by_ssh("ann", ssh, "get", &["/irtf-agent:agent/name"]).0);
    let task = |from: &str| {
        let input = [format!("from={from}"), "to=two".to_owned(), format!("content={netconf}")];
        let arguments: Vec<&str> =
            [&["magent-task:assign-task"], &input.each_ref().map(String::as_str)[..]].concat();
        place.by_ssh("ann", good, "call", &arguments)
    };
    let (is_done, text) = task("one");
    assert!(is_done, "{text}");
    assert!(!task("agentconf").0);
    let edited = place.by_tls(
        "ann",
        "edit",
        &[
            &format!("/irtf-agent:data-params[id='y']/data={edit}"),
            "/irtf-agent:data-params[id='y']/dataType=text",
        ],
    );
    assert!(edited.0, "{}", edited.1);
    assert!(!place.by_tls("ann", "edit", &["/ietf-netconf-acm:nacm/enable-nacm=false"]).0);

    place.exported(&[
        json!({"kind": "refusal", "protocol": "netconf-tls"}),
        json!({"user": "ann", "outcome": "wrong-password"}),
    ]);
    let data = server.data().to_owned();
    let export = done(run(&["audit", "export"], &data)).1;
    let dump = done(run(&["log", "dump"], &data)).1;
    let Place { server, folder } = place;
    server.terminate();
    let log = {
        let mut server = server;
        assert!(server.ended().success());
        server.log()
    };
    assert!(log.contains("credentials were refused") && log.contains("TRACE"), "it says much");
    let mut places =
        vec![("the log".to_owned(), log.into_bytes()), ("the export".to_owned(), export.into_bytes())];
    read_all(&data.join("audit"), &mut places);
    assert!(places.len() > 3, "the trail is there");
    let whole = |secret: &str| secret.to_owned();
    let mut secrets: Vec<String> = SECRETS.map(whole).into();
    secrets.extend([
        configured_key,
        jwt.clone(),
        api_key.clone(),
        fs::read_to_string(data.join("admin.password")).unwrap().trim().to_owned(),
    ]);
    // In the forms that they have on the wire.
    secrets.extend(jwt.split('.').skip(1).map(str::to_owned));
    secrets.extend([good, wrong].map(|password| STANDARD.encode(format!("ann:{password}"))));
    secrets.push(STANDARD.encode(bare));
    for (name, content) in &places {
        for secret in &secrets {
            let is_there = content.windows(secret.len()).any(|part| part == secret.as_bytes());
            let around = || {
                let text = String::from_utf8_lossy(content);
                text.lines().find(|line| line.contains(secret.as_str())).unwrap_or_default().to_owned()
            };
            assert!(!is_there, "{secret} is in {name}: {:.2000}", around());
        }
    }
    // What users write for each other is in the event log, and no credential.
    for content in [term, prompt, netconf, edit] {
        assert!(dump.contains(content), "{content}");
        secrets.retain(|secret| secret != content);
    }
    assert!(secrets.iter().all(|secret| !dump.contains(secret.as_str())), "{dump}");
    drop(folder);
}

/// All files below a directory.
fn read_all(directory: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => read_all(&path, found),
            false => found.push((path.display().to_string(), fs::read(&path).unwrap())),
        }
    }
}
