//! Reports to URLs: a receiver that fails, stalls and dies, and a server that is killed meanwhile, lose nothing and tell nothing
//! out of order; what a receiver needs to trust a report is there.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::elsewhere::{Asked, Elsewhere, Reply, wait_until};
use crate::http::Client;
use crate::process::Server;

const TASK: &str = "/restconf/data/magent-task:interaction/tasks/task=t-1";

fn settings(receiver: &Elsewhere, limits: &str) -> String {
    format!(
        "[callbacks]\nauthorities = [{:?}]\naddresses = [\"127.0.0.0/8\", \"::1\"]\n[limits]\n{limits}\n",
        receiver.authority.display().to_string()
    )
}

fn taken() -> Reply {
    Reply::Answer("204 No Content".into(), Vec::new())
}

fn failed() -> Reply {
    Reply::Answer("500 No".into(), Vec::new())
}

fn register(client: &mut Client) {
    for name in ["oss", "ip"] {
        let agent = json!({"name": name, "description": "d", "version": "1.0.0", "provider": "p"});
        client.call(
            "/restconf/operations/magent-registry:register-agent",
            &json!({"magent-registry:input": agent}),
        );
    }
}

fn assign(client: &mut Client, url: &str, more: &Json) -> Json {
    let mut callback = json!({"url": url});
    callback.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let input =
        json!({"id": "t-1", "from": "oss", "to": "ip", "content": "find the fault", "callback": callback});
    client.call("/restconf/operations/magent-task:assign-task", &json!({"magent-task:input": input}))
}

fn report(client: &mut Client, report: &Json) -> u16 {
    client.send("POST", &format!("{TASK}/report"), &json!({"magent-task:input": report})).unwrap().status
}

fn subscription(client: &mut Client) -> Json {
    client.get(&format!("{TASK}/subscriptions")).json()["magent-task:subscriptions"]["subscription"][0]
        .clone()
}

fn field(asked: &Asked, name: &str) -> Option<String> {
    let of = |line: &str| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then(|| value.to_owned())
    };
    asked.head.lines().find_map(of)
}

/// The identifiers in the order in which they came, each once, as a receiver sees them that keeps the last one; with the number
/// of each event within the task.
fn told(receiver: &Elsewhere) -> Vec<(u64, String)> {
    let mut all: Vec<(u64, String)> = Vec::new();
    for asked in receiver.asked() {
        let id: u64 = field(&asked, "event-id").unwrap().parse().unwrap();
        let body: Json = serde_json::from_str(&asked.body).unwrap();
        let event = &body["ietf-restconf:notification"]["magent-task:task-event"];
        let sequence = event["sequence"].as_str().unwrap().to_owned();
        match all.iter().find(|(known, _)| *known == id) {
            Some((_, known)) => assert_eq!(*known, sequence, "the same event has the same identifier"),
            None => {
                assert!(all.last().is_none_or(|(last, _)| *last < id), "{id} came after {all:?}");
                all.push((id, sequence));
            }
        }
    }
    all
}

fn started(data: &Path, receiver: &Elsewhere, limits: &str) -> (Server, Client) {
    let server = Server::start(data, &settings(receiver, limits));
    let mut client = server.client();
    register(&mut client);
    (server, client)
}

/// Verifies a signature as RFC 9421 section 2.5 has it, by hand. Gives back what it was made with.
fn verified(asked: &Asked, method: &str, target: &str, public: &[u8]) -> String {
    let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(asked.body.as_bytes())));
    assert_eq!(field(asked, "content-digest").unwrap(), digest);
    let params = field(asked, "signature-input").unwrap().strip_prefix("sig=").unwrap().to_owned();
    let base = format!(
        "\"@method\": {method}\n\"@target-uri\": {target}\n\"content-type\": {}\n\"content-digest\": {digest}\n\"event-id\": {}\n\
         \"@signature-params\": {params}",
        field(asked, "content-type").unwrap(),
        field(asked, "event-id").unwrap()
    );
    let signature = field(asked, "signature").unwrap();
    let signature = signature.strip_prefix("sig=:").and_then(|rest| rest.strip_suffix(':')).unwrap();
    let signature = STANDARD.decode(signature).unwrap();
    UnparsedPublicKey::new(&ED25519, public).verify(base.as_bytes(), &signature).unwrap();
    params
}

/// What a user sees who may do nothing but read for the agent `ip`.
fn as_reader_of_ip(server: &Server, client: &mut Client) -> Client {
    let user = json!({"magent-access:user": [{"name": "reader", "password": "$0$a horse of battery"}]});
    assert_eq!(
        client.send("PUT", "/restconf/data/magent-access:access/users/user=reader", &user).unwrap().status,
        201
    );
    let grant = json!({"magent-registry:input": {"delegate": "reader", "may": ["read"]}});
    client.call("/restconf/data/magent-registry:registry/agents/agent=ip/delegate", &grant);
    server.client_of(Some(&format!("Basic {}", STANDARD.encode("reader:a horse of battery"))))
}

#[test]
fn a_report_can_be_verified_and_shows_the_token_which_is_nowhere_else() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Elsewhere::start(directory.path(), |_| taken());
    let data = directory.path().join("data");
    let (server, mut client) = started(&data, &receiver, "");
    let url = format!("https://localhost:{}/hook?x=1", receiver.port);
    assign(&mut client, &url, &json!({"token": "not-to-be-told", "method": "put"}));
    wait_until("it is told", || !receiver.asked().is_empty());
    let asked = receiver.asked().remove(0);
    assert!(asked.head.starts_with("PUT /hook?x=1 HTTP/1.1\r\n"), "{asked:?}");
    assert_eq!(field(&asked, "authorization").as_deref(), Some("Bearer not-to-be-told"));
    let key = client.get("/restconf/data/magent-task:interaction/callback-key").json();
    let key = &key["magent-task:callback-key"];
    let public = STANDARD.decode(key["public-key"].as_str().unwrap()).unwrap();
    let params = verified(&asked, "PUT", &url, &public);
    assert!(params.ends_with(&format!(";keyid=\"{}\";alg=\"ed25519\"", key["id"].as_str().unwrap())));
    // Nobody is told of the token, and who executes the task not even of the URL.
    let told = subscription(&mut client).to_string();
    assert!(
        told.contains("localhost") && !told.contains("not-to-be-told") && !told.contains("token"),
        "{told}"
    );
    let told = as_reader_of_ip(&server, &mut client).get(TASK).json().to_string();
    assert!(told.contains("find the fault") && !told.contains("localhost"), "{told}");
    // However often it is given, it is kept once.
    let kept = || std::fs::read_dir(data.join("secrets")).unwrap().count();
    let before = kept();
    assign(&mut client, &url, &json!({"token": "not-to-be-told", "method": "put"}));
    assert_eq!(kept(), before);
    // What is signed is what is sent: it has a path, whether or not one was given.
    let without = format!("localhost:{}", receiver.port);
    client.call(
        &format!("{TASK}/subscribe"),
        &json!({"magent-task:input": {"url": format!("https://{without}")}}),
    );
    assert_eq!(report(&mut client, &json!({"status": "processing"})), 200);
    let is_without = |asked: &Asked| asked.head.starts_with("POST / HTTP/1.1\r\n");
    wait_until("it is told there too", || receiver.asked().iter().any(is_without));
    let asked = receiver.asked().into_iter().find(is_without).unwrap();
    verified(&asked, "POST", &format!("https://{without}/"), &public);
    let reads = |text: &str| server.log().contains(text);
    assert!(!reads("not-to-be-told"));
    server.kill();
    let log = std::fs::read(data.join("log.sqlite3")).unwrap();
    let wal = std::fs::read(data.join("log.sqlite3-wal")).unwrap_or_default();
    let has = |octets: &[u8]| octets.windows(14).any(|part| part == b"not-to-be-told");
    assert!(!has(&log) && !has(&wal));
}

#[test]
fn nothing_is_lost_or_out_of_order_when_the_receiver_fails_and_the_server_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    // It fails every second time, and at times says nothing at all.
    let receiver =
        Elsewhere::start(directory.path(), move |_| match counted.fetch_add(1, Ordering::Relaxed) % 6 {
            1 | 4 => failed(),
            3 => Reply::Never,
            5 => Reply::Bytes(b"SMTP\r\n"),
            _ => taken(),
        });
    let data = directory.path().join("data");
    let limits = "callback_wait_max_s = 1\ncallback_timeout_s = 1\ncallback_attempts_max = 100";
    let (server, mut client) = started(&data, &receiver, limits);
    assign(&mut client, &format!("https://localhost:{}/", receiver.port), &json!({}));
    assert_eq!(report(&mut client, &json!({"status": "processing"})), 200);
    for progress in 1..=4 {
        assert_eq!(report(&mut client, &json!({"progress": progress})), 200);
    }
    wait_until("some were told", || told(&receiver).len() >= 2);
    server.kill();
    let server = Server::start(&data, &settings(&receiver, limits));
    let mut client = server.client();
    for progress in 5..=7 {
        assert_eq!(report(&mut client, &json!({"progress": progress})), 200);
    }
    receiver.answer_with(|_| taken());
    wait_until("all were told", || told(&receiver).len() == 9);
    let sequences: Vec<String> = told(&receiver).into_iter().map(|(_, sequence)| sequence).collect();
    assert_eq!(sequences, (1..=9).map(|n| n.to_string()).collect::<Vec<_>>());
    let client = std::cell::RefCell::new(client);
    wait_until("that is durable", || subscription(&mut client.borrow_mut())["undelivered"].is_null());
    let before = receiver.asked().len();
    assert!(server.stop().success());
    let server = Server::start(&data, &settings(&receiver, limits));
    let mut client = server.client();
    assert_eq!(report(&mut client, &json!({"status": "finished", "result": {"content": "done"}})), 200);
    wait_until("the end was told", || told(&receiver).len() == 10);
    assert_eq!(receiver.asked().len(), before + 1, "nothing came again after an orderly end");
}

#[test]
fn a_receiver_is_given_up_visibly_and_told_again_on_request_and_holds_up_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let dead = Elsewhere::start(directory.path(), |_| Reply::Never);
    let data = directory.path().join("data");
    let limits = "callback_wait_max_s = 1\ncallback_timeout_s = 1\ncallback_attempts_max = 2\ncallbacks_sending_max = 2";
    let (server, mut client) = started(&data, &dead, limits);
    let url = |path: &str| format!("https://localhost:{}{path}", dead.port);
    assign(&mut client, &url("/dead"), &json!({}));
    let live = |asked: &Asked| asked.head.starts_with("POST /live");
    dead.answer_with(move |asked| if live(asked) { taken() } else { Reply::Never });
    let subscribed = client.call(
        &format!("{TASK}/subscribe"),
        &json!({"magent-task:input": {"url": url("/live"), "protocol": "HTTPS"}}),
    );
    assert!(subscribed["magent-task:output"]["id"].is_string(), "{subscribed}");
    for progress in 1..=3 {
        let status =
            if progress == 1 { json!({"status": "processing"}) } else { json!({"progress": progress}) };
        assert_eq!(report(&mut client, &status), 200);
    }
    wait_until("who lives was told", || dead.asked().iter().filter(|asked| live(asked)).count() == 3);
    let client = std::cell::RefCell::new(client);
    let of_dead = || {
        let all = client.borrow_mut().get(&format!("{TASK}/subscriptions")).json();
        let all = all["magent-task:subscriptions"]["subscription"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["url"].as_str().unwrap().ends_with("/dead")).unwrap()
    };
    wait_until("it is given up", || of_dead()["state"] == "stopped");
    let stopped = of_dead();
    assert_eq!(stopped["undelivered"].as_array().unwrap().len(), 4, "{stopped}");
    assert!(stopped["reason"].as_str().unwrap().contains("takes too long"), "{stopped}");
    dead.answer_with(|_| taken());
    let one = format!("{TASK}/subscriptions/subscription={}", stopped["id"].as_str().unwrap());
    assert_eq!(client.borrow_mut().ask("POST", &format!("{one}/redeliver"), &[], b"").unwrap().status, 204);
    wait_until("all was told", || of_dead()["undelivered"].is_null());
    assert_eq!(of_dead()["state"], "active");
    assert_eq!(client.borrow_mut().ask("POST", &format!("{one}/unsubscribe"), &[], b"").unwrap().status, 204);
    assert_eq!(client.borrow_mut().get(&one).status, 404);
    drop(server);
}

#[test]
fn the_server_asks_nobody_whom_its_policy_does_not_permit() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Elsewhere::start(directory.path(), |_| taken());
    let data = directory.path().join("data");
    let trusted = format!(
        "[callbacks]\nauthorities = [{:?}]\n[limits]\ncallback_attempts_max = 1\n",
        receiver.authority.display().to_string()
    );
    let server = Server::start(&data, &trusted);
    let mut client = server.client();
    register(&mut client);
    for url in [
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest",
        "http://r.example/",
        "https://user@r.example/",
        "https://r.example/#x",
        "file:///etc/passwd",
    ] {
        let input = json!({"from": "oss", "to": "ip", "content": "x", "callback": {"url": url}});
        let body = json!({"magent-task:input": input});
        let refused = client.send("POST", "/restconf/operations/magent-task:assign-task", &body).unwrap();
        assert_eq!(refused.status, 400, "{url}: {refused}");
        assert!(String::from_utf8_lossy(&refused.body).contains("bad-callback"), "{refused}");
    }
    // What a name stands for is seen when it is asked for, each time.
    assign(&mut client, &format!("https://localhost:{}/", receiver.port), &json!({}));
    let client = std::cell::RefCell::new(client);
    wait_until("it was tried", || subscription(&mut client.borrow_mut())["state"] == "stopped");
    let stopped = subscription(&mut client.borrow_mut());
    assert!(stopped["reason"].as_str().unwrap().contains("not public"), "{stopped}");
    assert!(receiver.asked().is_empty());
}

#[test]
fn the_drafts_subscription_is_told_in_the_words_of_the_draft() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Elsewhere::start(directory.path(), |_| taken());
    let data = directory.path().join("data");
    let (_server, mut client) = started(&data, &receiver, "");
    let order = json!({
        "task-sendFrom": "oss", "task-sendTo": "ip", "commuType": "taskAssgin", "task-id": "t-1",
        "content": "##target object a ##task description b",
        "task-subscription": {
            "subscript-protocol": "https", "subscript-method": "POST",
            "subscript-url": format!("https://localhost:{}/draft", receiver.port)
        }
    });
    let written =
        client.send("PUT", "/restconf/data/irtf-agent:tasks", &json!({"irtf-agent:tasks": order})).unwrap();
    assert!(written.status < 300, "{written}");
    wait_until("it is told", || !receiver.asked().is_empty());
    let asked = receiver.asked().remove(0);
    assert!(field(&asked, "event-id").unwrap().ends_with(".1"), "{asked:?}");
    let body: Json = serde_json::from_str(&asked.body).unwrap();
    let told = &body["ietf-restconf:notification"]["irtf-agent:condition-notifications"];
    assert_eq!(told["task-id"], "t-1", "{body}");
}
