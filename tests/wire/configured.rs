//! Who gets in is configured while the server runs (`magent-access`): users and API keys come and go with the next request,
//! and no secret is in any datastore, in the log of events or in that of the process.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::Algorithm;
use serde_json::{Value as Json, json};

use crate::http::{Answer, Client};
use crate::process::{Server, run};
use crate::ways_in::{Key, LOGIN, claims};

const ACCESS: &str = "/restconf/data/magent-access:access";
const READ: &str = "/restconf/data/ietf-yang-library:yang-library/content-id";
const CREATE: &str = "/restconf/operations/magent-access:create-api-key";
const PASSWORD: &str = "a horse of battery staples";
const SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF";

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

fn start(folder: &Path) -> Server {
    Server::start(&folder.join("data"), "log.level = \"trace\"\n")
}

fn put(client: &mut Client, place: &str, body: Json) -> Answer {
    client.send("PUT", &format!("{ACCESS}/{place}"), &body).unwrap()
}

fn put_user(client: &mut Client, name: &str, rest: Json) -> Answer {
    let mut user = json!({"name": name});
    user.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    put(client, &format!("users/user={name}"), json!({"magent-access:user": [user]}))
}

fn status(server: &Server, authorization: &str) -> u16 {
    server.client_of(Some(authorization)).get(READ).status
}

/// The error of a refusal: tag, path and message.
fn refusal(answer: &Answer) -> (String, String, String) {
    let error = answer.json()["ietf-restconf:errors"]["error"][0].clone();
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (text("error-tag"), text("error-path"), text("error-message"))
}

/// Everything in the files of a directory.
fn content(directory: &Path, into: &mut Vec<u8>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            content(&path, into);
        } else {
            into.extend(fs::read(path).unwrap());
        }
    }
}

#[test]
fn users_come_change_and_go_with_the_next_request_and_outlast_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path());
    let mut admin = server.client();
    let bob = basic("bob", PASSWORD);
    assert_eq!(status(&server, &bob), 401);
    let password = json!({"password": format!("$0${PASSWORD}")});
    assert_eq!(put_user(&mut admin, "bob", password).status, 201);
    assert_eq!(status(&server, &bob), 200);
    assert_eq!(status(&server, &basic("bob", "another password")), 401);

    // What is read refers to the secret, and can be written back.
    let shown = admin.get(ACCESS).json();
    let user = &shown["magent-access:access"]["users"]["user"][0];
    assert!(user["password"].as_str().unwrap().starts_with("$kept$"), "{shown}");
    assert_eq!(put(&mut admin, "", shown.clone()).status, 204);
    assert_eq!(status(&server, &bob), 200);

    drop(server);
    server = start(folder.path());
    let mut admin = server.client();
    assert_eq!(status(&server, &bob), 200, "after a start");

    assert_eq!(
        put_user(&mut admin, "bob", json!({"enabled": false, "password": user["password"]})).status,
        204
    );
    assert_eq!(status(&server, &bob), 401, "disabled");
    assert_eq!(
        put_user(&mut admin, "bob", json!({"password": user["password"], "group": ["admin"]})).status,
        204
    );
    let mut as_bob = server.client_of(Some(&bob));
    assert_eq!(as_bob.get(ACCESS).status, 200, "an administrator now");
    let changed = json!({"magent-access:password": "$0$yet another password"});
    assert_eq!(put(&mut admin, "users/user=bob/password", changed).status, 204);
    assert_eq!(as_bob.get(READ).status, 401, "the old password");
    let again = basic("bob", "yet another password");
    assert_eq!(status(&server, &again), 200);
    assert_eq!(admin.send("DELETE", &format!("{ACCESS}/users/user=bob"), &Json::Null).unwrap().status, 204);
    assert_eq!(status(&server, &again), 401);
}

#[test]
fn a_stream_of_events_ends_with_its_user() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let mut admin = server.client();
    put_user(&mut admin, "bob", json!({"password": format!("$0${PASSWORD}")}));
    let mut events = server.client_of(Some(&basic("bob", PASSWORD))).events(None).unwrap();
    let profile = json!({"magent-registry:input": {"name": "one", "description": "x", "version": "1.0.0",
        "provider": "x"}});
    admin.call("/restconf/operations/magent-registry:register-agent", &profile);
    events.next().unwrap();
    admin.send("DELETE", &format!("{ACCESS}/users/user=bob"), &Json::Null).unwrap();
    admin.call("/restconf/operations/magent-registry:register-agent", &profile);
    assert!(events.next().is_err());
}

#[test]
fn a_user_of_the_machine_is_not_changed_from_afar() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    assert!(run(&["user", "add", "ann"], server.data()).status.success());
    for (name, user) in
        [("ann", json!({"password": format!("$0${PASSWORD}")})), ("admin", json!({"enabled": false}))]
    {
        let answer = put_user(&mut server.client(), name, user);
        let (_, path, message) = refusal(&answer);
        assert_eq!((answer.status, path), (400, format!("/magent-access:access/users/user[name='{name}']")));
        assert!(message.contains("is a user of the machine"), "{message}");
    }
}

#[test]
fn api_keys_are_made_limited_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let mut admin = server.client();
    put_user(&mut admin, "bob", json!({"group": ["admin"]}));
    let made = admin.call(CREATE, &json!({"magent-access:input": {"user": "bob", "scope": "read"}}));
    let made = &made["magent-access:output"];
    let key = format!("Bearer {}", made["key"].as_str().unwrap());
    let mut reader = server.client_of(Some(&key));
    assert_eq!(reader.get(ACCESS).status, 200, "bob is an administrator");
    assert_eq!(put_user(&mut reader, "eve", json!({})).status, 403, "the key is for reading");
    let again = json!({"magent-access:input": {"user": "bob", "id": made["id"]}});
    let answer = admin.send("POST", CREATE, &again).unwrap();
    assert_eq!((answer.status, refusal(&answer).0.as_str()), (409, "data-exists"));

    // One whose secret the client has chosen.
    let entry = |ends: &str, secret: &str| {
        json!({"magent-access:api-key": [
            {"id": "mine", "user": "bob", "expires-at": ends, "secret": secret}]})
    };
    let chosen = format!("$0${SECRET}");
    assert_eq!(put(&mut admin, "api-keys/api-key=mine", entry("2100-01-01T00:00:00Z", &chosen)).status, 201);
    let mine = format!("Bearer agentconf_mine_{SECRET}");
    assert_eq!(status(&server, &mine), 200);
    assert_eq!(status(&server, &format!("Bearer agentconf_mine_{}", SECRET.to_lowercase())), 401);
    let short = put(&mut admin, "api-keys/api-key=mine", entry("2100-01-01T00:00:00Z", "$0$short"));
    assert_eq!(
        refusal(&short),
        (
            "invalid-value".into(),
            "/magent-access:access/api-keys/api-key[id='mine']/secret".into(),
            "the secret of an API key has 32 octets at least".into()
        )
    );
    let kept =
        admin.get(&format!("{ACCESS}/api-keys/api-key=mine/secret")).json()["magent-access:secret"].clone();
    put(&mut admin, "api-keys/api-key=mine", entry("2020-01-01T00:00:00Z", kept.as_str().unwrap()));
    assert_eq!(status(&server, &mine), 401, "it has ended");

    assert_eq!(status(&server, &key), 200);
    admin.send("DELETE", &format!("{ACCESS}/users/user=bob"), &Json::Null).unwrap();
    assert_eq!(status(&server, &key), 401, "its user is gone");
    put_user(&mut admin, "bob", json!({}));
    assert_eq!(status(&server, &key), 200, "it is configured as his");
}

#[test]
fn only_who_may_write_users_makes_the_server_hash_their_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let mut admin = server.client();
    put_user(&mut admin, "bob", json!({"password": format!("$0${PASSWORD}")}));
    let secrets = || fs::read_dir(server.data().join("secrets")).unwrap().count();
    let before = secrets();
    let mut bob = server.client_of(Some(&basic("bob", PASSWORD)));
    let answer = put_user(&mut bob, "bob", json!({"password": format!("$0${PASSWORD}"), "group": ["admin"]}));
    assert_eq!((answer.status, refusal(&answer).0.as_str()), (403, "access-denied"));
    assert_eq!(
        bob.send("POST", CREATE, &json!({"magent-access:input": {"user": "bob"}})).unwrap().status,
        403
    );
    assert_eq!(bob.get(ACCESS).status, 404);
    assert_eq!(secrets(), before);
}

#[test]
fn what_nobody_could_use_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let mut admin = server.client();
    let of_bob = |leaf: &str| format!("/magent-access:access/users/user[name='bob']{leaf}");
    let key = |data: &[u8]| {
        json!({"public-key": [{"name": "k", "public-key-format": "ietf-crypto-types:ssh-public-key-format",
            "public-key": STANDARD.encode(data)}]})
    };
    let unsalted = "$argon2id$v=19$m=19456,t=2,p=1";
    let absent = "$kept$0123456789abcdef0123456789abcdef-1";
    let costly =
        "$argon2id$v=19$m=4000000,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
    for (user, path, message) in [
        (json!({"password": "$0$short"}), of_bob("/password"), "a password has 8 to 1024 bytes"),
        (json!({"password": PASSWORD}), of_bob("/password"), "a secret is written as $0$"),
        (json!({"password": unsalted}), of_bob("/password"), "this is no hash by argon2id"),
        (
            json!({"password": costly}),
            of_bob("/password"),
            "this is no hash by argon2id as the server makes them",
        ),
        (json!({"password": "$kept$1234"}), of_bob("/password"), "a secret is written as $0$"),
        (json!({"password": absent}), of_bob("/password"), "given for something else"),
        (json!({"password": "$kept$../users"}), of_bob("/password"), "a secret is written as $0$"),
        (key(b"no key"), of_bob("/public-key[name='k']/public-key"), "this is no public key of SSH"),
    ] {
        let answer = put_user(&mut admin, "bob", user.clone());
        let (tag, place, told) = refusal(&answer);
        assert_eq!((answer.status, tag.as_str(), place), (400, "invalid-value", path), "{user}: {answer}");
        assert!(told.to_lowercase().contains(&message.to_lowercase()), "{told}");
        assert!(!told.contains(PASSWORD), "{told}");
    }
    assert_eq!(admin.get(ACCESS).status, 404);
}

#[test]
fn no_secret_of_the_configuration_is_written_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let mut admin = server.client();
    put_user(&mut admin, "bob", json!({"password": format!("$0${PASSWORD}")}));
    put_user(&mut admin, "eve", json!({"password": PASSWORD}));
    let made = admin.call(CREATE, &json!({"magent-access:input": {"user": "bob", "id": "one"}}));
    let key = made["magent-access:output"]["key"].as_str().unwrap().to_owned();
    let secret = key.rsplit('_').next().unwrap();
    assert_eq!(status(&server, &format!("Bearer {key}")), 200);
    assert_eq!(status(&server, &basic("bob", PASSWORD)), 200);
    let log = server.log();
    let data = server.data().to_owned();
    server.stop();
    let mut all = log.into_bytes();
    content(&data, &mut all);
    for secret in [PASSWORD, secret] {
        assert!(!all.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
    }
}

#[test]
fn issuers_of_tokens_come_and_go_with_the_next_request() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let mut admin = server.client();
    let key = Key::new("1", Algorithm::EdDSA);
    let token = key.sign(&claims("eve"));
    assert_eq!(status(&server, &token), 401);
    let place = format!("token-issuers/token-issuer={}", LOGIN.replace(':', "%3A").replace('/', "%2F"));
    let issuer = |keys: &Json| {
        json!({"magent-access:token-issuer": [{"issuer": LOGIN, "audience": "agents", "jwks": keys.to_string(),
            "prefix": "corp:", "scope": [{"claimed": "net.read", "scope": "read"}]}]})
    };
    let keys = json!({"keys": [key.public()]});
    assert_eq!(put(&mut admin, &place, issuer(&keys)).status, 201);
    assert_eq!(status(&server, &token), 403, "it has no scope that is good for anything");
    let mut scoped = claims("eve");
    scoped["scope"] = json!("net.read other");
    let token = key.sign(&scoped);
    let mut eve = server.client_of(Some(&token));
    assert_eq!(eve.get(READ).status, 200);
    let mut events = eve.events(None).unwrap();

    let answer = put(&mut admin, &place, issuer(&json!({"keys": []})));
    assert_eq!((answer.status, refusal(&answer).0.as_str()), (400, "invalid-value"), "{answer}");
    assert_eq!(eve.get(READ).status, 200, "nothing has changed");
    // The server itself is no issuer.
    let ourselves = json!({"magent-access:token-issuer": [{"issuer": "agentconf", "audience": "agentconf",
        "jwks": keys.to_string(), "prefix": "corp:"}]});
    assert_eq!(put(&mut admin, "token-issuers/token-issuer=agentconf", ourselves).status, 400);

    assert_eq!(admin.send("DELETE", &format!("{ACCESS}/{place}"), &Json::Null).unwrap().status, 204);
    assert_eq!(eve.get(READ).status, 401);
    let profile = json!({"magent-registry:input": {"name": "one", "description": "x", "version": "1.0.0",
        "provider": "x"}});
    admin.call("/restconf/operations/magent-registry:register-agent", &profile);
    assert!(std::iter::repeat_with(|| events.next()).find_map(Result::err).is_some());
}

#[test]
fn limits_of_users_and_sources_follow_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let mut admin = server.client();
    put_user(&mut admin, "bob", json!({"password": format!("$0${PASSWORD}")}));
    let mut bob = server.client_of(Some(&basic("bob", PASSWORD)));
    let profile = |name: &str| json!({"magent-registry:input": {"name": name, "description": "x", "version": "1.0.0", "provider": "x"}});
    let register = "/restconf/operations/magent-registry:register-agent";
    bob.call(register, &profile("one"));
    assert_eq!(put(&mut admin, "limits/user/agents", json!({"magent-access:agents": "1"})).status, 201);
    let answer = bob.send("POST", register, &profile("two")).unwrap();
    assert_eq!((answer.status, refusal(&answer).0.as_str()), (409, "resource-denied"), "{answer}");
    admin.call(register, &profile("two"));

    let slow = json!({"magent-access:user": {"requests-per-second": 1, "requests-burst": 2}});
    assert_eq!(put(&mut admin, "limits/user", slow).status, 204);
    let answers: Vec<u16> = (0..50).map(|_| bob.get(READ).status).collect();
    assert!(answers.contains(&429) && answers.contains(&200), "{answers:?}");
    let lifted =
        std::iter::repeat_with(|| admin.send("DELETE", &format!("{ACCESS}/limits"), &Json::Null).unwrap());
    assert!(lifted.take(200_000).any(|answer| answer.status == 204), "the administrator has the same limit");
    assert!((0..50).all(|_| bob.get(READ).status == 200));
}

#[test]
fn a_request_whose_user_goes_while_it_arrives_is_not_carried_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let mut admin = server.client();
    put_user(&mut admin, "ivy", json!({"password": format!("$0${PASSWORD}"), "group": ["admin"]}));
    let body = json!({"magent-access:user": [{"name": "later", "group": ["admin"]}]}).to_string();
    let ivy = server.client_of(Some(&basic("ivy", PASSWORD)));
    let length = body.len().to_string();
    let fields = [
        ("Content-Type", "application/yang-data+json"),
        ("Content-Length", length.as_str()),
        ("Expect", "100-continue"),
        ("Connection", "close"),
    ];
    let mut slow = ivy.connect().unwrap();
    let head = ivy.head("PUT", &format!("{ACCESS}/users/user=later"), &fields);
    let (first, rest) = body.split_at(10);
    slow.get_mut().write_all(format!("{head}{first}").as_bytes()).unwrap();
    slow.get_mut().flush().unwrap();
    // It knows who asks, and waits for what.
    let (mut octet, mut said) = ([0], Vec::new());
    while !said.ends_with(b"\r\n\r\n") {
        slow.read_exact(&mut octet).unwrap();
        said.extend(octet);
    }
    assert!(said.starts_with(b"HTTP/1.1 100"));
    admin.send("DELETE", &format!("{ACCESS}/users/user=ivy"), &Json::Null).unwrap();
    slow.get_mut().write_all(rest.as_bytes()).unwrap();
    let mut said = String::new();
    let _ = slow.read_to_string(&mut said);
    assert!(said.starts_with("HTTP/1.1 401"), "{said}");
    assert_eq!(admin.get(&format!("{ACCESS}/users/user=later")).status, 404);
}

#[test]
fn a_session_ends_when_its_api_key_becomes_another() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let mut admin = server.client();
    put_user(&mut admin, "bob", json!({}));
    let mut key = json!({"id": "k", "user": "bob", "expires-at": "2100-01-01T00:00:00Z",
        "secret": format!("$0${SECRET}")});
    let mut write = |key: &Json| {
        let body = json!({"magent-access:api-key": [key]});
        put(&mut admin, "api-keys/api-key=k", body).status
    };
    assert_eq!(write(&key), 201);
    let bearer = format!("Bearer agentconf_k_{SECRET}");
    let mut events = server.client_of(Some(&bearer)).events(None).unwrap();
    key["scope"] = json!("read");
    assert_eq!(write(&key), 204);
    let profile = json!({"magent-registry:input": {"name": "one", "description": "x", "version": "1.0.0",
        "provider": "x"}});
    server.client().call("/restconf/operations/magent-registry:register-agent", &profile);
    assert!(std::iter::repeat_with(|| events.next()).find_map(Result::err).is_some());
}

#[test]
fn what_is_bound_to_an_agent_configures_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let mut admin = server.client();
    put_user(&mut admin, "bob", json!({}));
    let rules = json!({"ietf-netconf-acm:nacm": {"groups": {"group": [{"name": "g", "user-name": ["bob"]}]},
        "rule-list": [{"name": "all", "group": ["g"], "rule": [
            {"name": "everything", "module-name": "*", "access-operations": "*", "action": "permit"}]}]}});
    assert!(admin.send("PUT", "/restconf/data/ietf-netconf-acm:nacm", &rules).unwrap().status < 300);
    let mut made = |agent: Json| {
        let mut input = json!({"user": "bob"});
        input.as_object_mut().unwrap().extend(agent.as_object().unwrap().clone());
        let made = admin.call(CREATE, &json!({"magent-access:input": input}));
        format!("Bearer {}", made["magent-access:output"]["key"].as_str().unwrap())
    };
    let (free, bound) = (made(json!({})), made(json!({"agent": "bob-agent"})));
    let mut bound = server.client_of(Some(&bound));
    for asked in [put_user(&mut bound, "eve", json!({})), bound_key(&mut bound)] {
        assert_eq!((asked.status, refusal(&asked).0.as_str()), (403, "access-denied"), "{asked}");
    }
    let mut free = server.client_of(Some(&free));
    assert_eq!(put_user(&mut free, "eve", json!({})).status, 201, "the rules permit it");
}

fn bound_key(client: &mut Client) -> Answer {
    client.send("POST", CREATE, &json!({"magent-access:input": {"user": "admin"}})).unwrap()
}
