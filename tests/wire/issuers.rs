//! Issuers that are asked over the network: for their keys (RFC 7517) and about tokens (RFC 7662), whatever they answer.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::thread;

use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value as Json, json};

use crate::elsewhere::{self, Asked, Elsewhere, Reply, wait_until};
use crate::process::{Server, run};
use crate::ways_in::{ASSIGN, Key, LOGIN, READ, REGISTER, bearer, claims, now, with};

const OPAQUE: &str = "https://tokens.example.net";

fn keys(keys: &[&Key]) -> Json {
    json!({"keys": keys.iter().map(|key| serde_json::to_value(key.public()).unwrap()).collect::<Vec<_>>()})
}

/// A server with an issuer elsewhere.
struct Place {
    server: Server,
    elsewhere: Elsewhere,
    folder: tempfile::TempDir,
}

impl Place {
    /// Keys are at a URL.
    fn with_keys(limits: &str, script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Place {
        Place::new(limits, script, |port, _| {
            format!(
                "[[tokens.issuers]]\nissuer = \"{LOGIN}\"\naudience = \"agents\"\nprefix = \"corp:\"\n\
                 jwks-uri = \"https://localhost:{port}/keys\"\n"
            )
        })
    }

    /// Tokens are asked about.
    fn with_introspection(more: &str, script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Place {
        Place::with_introspection_and("token_failures_max = 10000, issuer_timeout_s = 2", more, script)
    }

    fn with_introspection_and(
        limits: &str,
        more: &str,
        script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Place {
        Place::new(limits, script, |port, secret| {
            format!(
                "[[tokens.issuers]]\nissuer = \"{OPAQUE}\"\naudience = \"agents\"\nprefix = \"corp:\"\n{more}\n\
                 [tokens.issuers.introspection]\nendpoint = \"https://localhost:{port}/introspect\"\n\
                 client-id = \"the hub\"\nclient-secret-file = {:?}\ncache_s = 1\n",
                secret.display().to_string()
            )
        })
    }

    fn new(
        limits: &str,
        script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
        issuer: impl Fn(u16, PathBuf) -> String,
    ) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = Elsewhere::start(folder.path(), script);
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "planted:secret?\n").unwrap();
        let settings = format!(
            "log.level = \"trace\"\nlimits = {{ {limits} }}\n{}{}",
            elsewhere.settings(),
            issuer(elsewhere.port, secret)
        );
        let server = Server::start(&folder.path().join("data"), &settings);
        assert!(run(&["user", "add", "ann"], server.data()).status.success());
        Place { server, elsewhere, folder }
    }

    fn status(&self, authorization: &str) -> u16 {
        self.server.client_of(Some(authorization)).get(READ).status
    }

    /// The log has nothing of these.
    fn logged_nothing_of(self, secrets: &[&str]) {
        let log = self.server.log();
        for secret in secrets {
            assert!(!log.contains(secret), "{secret} is in the log");
        }
        drop(self.folder);
    }
}

fn kid(kid: &str, key: &Key) -> String {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(key.algorithm) };
    key.sign_as(&header, &claims("eve"))
}

#[test]
fn keys_at_a_url_are_fetched_again_for_a_key_that_is_not_among_them() {
    let (old, new) = (Key::new("1", Algorithm::EdDSA), Key::new("2", Algorithm::ES256));
    let first = keys(&[&old]);
    let place = Place::with_keys("token_failures_max = 100, issuer_again_s = 1", move |_| {
        elsewhere::cached("max-age=3600", &first)
    });
    let (old_token, new_token) = (old.sign(&claims("eve")), new.sign(&claims("eve")));
    assert_eq!(place.status(&old_token), 200);
    let mut events = place.server.client_of(Some(&old_token)).events(None).unwrap();
    assert_eq!(place.status(&new_token), 401);

    // What is no good changes nothing.
    let elsewhere = &place.elsewhere;
    let before = |count: usize, script: Reply| {
        elsewhere.answer_with(move |_| script.clone());
        wait_until("it is asked again", || {
            assert_eq!(place.status(&new_token), 401);
            elsewhere.asked().len() > count
        });
        assert_eq!(place.status(&old_token), 200);
    };
    let redirect = "302 Found\r\nLocation: https://localhost:1/other".to_owned();
    for reply in [
        Reply::Answer(redirect, Vec::new()),
        Reply::Bytes(b"\0\0\0"),
        elsewhere::json("{\"keys\": []}"),
        elsewhere::json("x".repeat(10 << 20)),
    ] {
        before(elsewhere.asked().len(), reply);
    }

    let second = keys(&[&new]);
    elsewhere.answer_with(move |_| elsewhere::cached("max-age=3600", &second));
    wait_until("the new key is known", || place.status(&new_token) == 200);
    assert_eq!(place.status(&old_token), 401, "its key is no longer there");
    assert_eq!(events.next().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    let asked = elsewhere.asked();
    assert!(asked.iter().all(|asked| asked.head.starts_with("GET /keys HTTP/1.1\r\n")), "{asked:?}");
}

#[test]
fn names_of_keys_that_are_made_up_do_not_have_the_issuer_asked() {
    let key = Key::new("1", Algorithm::EdDSA);
    let set = keys(&[&key]);
    let place = Place::with_keys("token_failures_max = 100, issuer_again_s = 3600", move |_| {
        elsewhere::cached("max-age=3600", &set)
    });
    assert_eq!(place.status(&key.sign(&claims("eve"))), 200);
    for made_up in 0..50 {
        assert_eq!(place.status(&kid(&made_up.to_string().repeat(9), &key)), 401);
    }
    assert_eq!(place.elsewhere.asked().len(), 1);
}

#[test]
fn keys_are_fetched_before_they_end_and_used_for_a_while_after() {
    let key = Key::new("1", Algorithm::EdDSA);
    let set = keys(&[&key]);
    let limits = "issuer_again_s = 1, issuer_keys_min_s = 1, issuer_stale_s = 1";
    let place = Place::with_keys(limits, move |_| elsewhere::cached("max-age=1", &set));
    // Though nobody shows a token.
    wait_until("they are fetched again and again", || place.elsewhere.asked().len() > 2);
    assert_eq!(place.status(&key.sign(&claims("eve"))), 200);
    place.elsewhere.answer_with(|_| Reply::Answer("500 Oh".to_owned(), Vec::new()));
    let token = key.sign(&claims("eve"));
    wait_until("they are too old", || match place.status(&token) {
        200 => false,
        status => {
            assert_eq!(status, 503);
            true
        }
    });
    let answer = place.server.client_of(Some(&token)).get(READ);
    assert_eq!(answer.field("retry-after"), Some("1"));
    assert_eq!(place.status(place.server.admin()), 200);
}

#[test]
fn an_issuer_at_an_address_that_nobody_named_is_never_asked() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = Elsewhere::start(folder.path(), |_| elsewhere::json("{}"));
    for host in ["localhost", "127.0.0.1", "2130706433", "[::ffff:127.0.0.1]"] {
        let settings = format!(
            "[tokens]\nauthorities = [{:?}]\n[[tokens.issuers]]\nissuer = \"{LOGIN}\"\naudience = \"agents\"\n\
             prefix = \"corp:\"\njwks-uri = \"https://{host}:{}/keys\"\n",
            elsewhere.authority.display().to_string(),
            elsewhere.port
        );
        let server = Server::start(&folder.path().join("data"), &settings);
        let token = Key::new("1", Algorithm::EdDSA).sign(&claims("eve"));
        assert_eq!(server.client_of(Some(&token)).get(READ).status, 503, "{host}");
        server.wait_for_log("it is at an address that is not public");
    }
    assert!(elsewhere.asked().is_empty());
}

fn active(user: &str) -> Json {
    json!({"active": true, "sub": user, "aud": "agents", "iss": OPAQUE, "exp": now() + 600, "token_type": "Bearer"})
}

#[test]
fn an_opaque_token_is_asked_about_and_the_answer_remembered() {
    let place = Place::with_introspection("users = { \"00u1\" = \"ann\" }", |asked| {
        let token = asked.body.strip_prefix("token=").unwrap().split('&').next().unwrap().to_owned();
        let user = if token == "ann%2Fs%3D%3D" { "00u1" } else { "eve" };
        if token == "revoked" {
            elsewhere::json(json!({"active": false}))
        } else {
            elsewhere::json(active(user))
        }
    });
    let asked = || place.elsewhere.asked().len();
    let user = |token: &str| {
        let input = json!({"magent-task:input": {"from": "nobody", "to": "nobody", "content": "x"}});
        let answer = place.server.client_of(Some(&bearer(token))).send("POST", ASSIGN, &input).unwrap();
        answer.to_string()
    };
    assert!(user("ann/s==").contains("the user ann may not"));
    assert!(user("opaque").contains("the user corp:eve may not"));
    let question = &place.elsewhere.asked()[0];
    assert!(question.head.starts_with("POST /introspect HTTP/1.1\r\n"), "{question:?}");
    // `the+hub:planted%3Asecret%3F`, coded as RFC 6749 section 2.3.1 has it.
    let credentials = "authorization: Basic dGhlJTIwaHViOnBsYW50ZWQlM0FzZWNyZXQlM0Y=";
    assert!(question.head.contains(credentials), "{question:?}");
    assert_eq!(question.body, "token=ann%2Fs%3D%3D&token_type_hint=access_token");

    assert_eq!(place.status("Bearer revoked"), 401);
    let count = asked();
    for _ in 0..10 {
        assert_eq!(place.status("Bearer revoked"), 401);
    }
    assert_eq!(asked(), count, "a refusal is remembered");

    // What is proved otherwise, or is no bearer token, is nobody else's affair.
    let key = String::from_utf8(run(&["key", "add", "ann"], place.server.data()).stdout).unwrap();
    let stranger = Key::new("1", Algorithm::EdDSA).sign(&claims("eve"));
    for (authorization, status) in [
        (bearer(key.trim()), 200),
        (place.server.admin().to_owned(), 200),
        (bearer("agentconf_0123456789abcdef_x"), 401),
        (stranger, 401),
        (bearer("no \"token"), 401),
        (bearer("====="), 401),
        (bearer("t".repeat(9000)), 401),
        ("Basic YW5uOm9wYXF1ZQ==".to_owned(), 401),
    ] {
        assert_eq!(place.status(&authorization), status, "{authorization}");
    }
    assert_eq!(asked(), count);
    place.logged_nothing_of(&["planted", "cGxhbnRlZ", "revoked", "ann/s"]);
}

#[test]
fn many_who_show_one_token_wait_for_one_answer() {
    let (go, gone) = sync_channel::<()>(1);
    let gone = std::sync::Mutex::new(gone);
    let place = Place::with_introspection("", move |_| {
        let _ = gone.lock().unwrap().recv();
        elsewhere::json(active("eve"))
    });
    thread::scope(|scope| {
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(|| place.status("Bearer opaque"))).collect();
        wait_until("it is asked", || !place.elsewhere.asked().is_empty());
        go.send(()).unwrap();
        for status in asking {
            assert_eq!(status.join().unwrap(), 200);
        }
    });
    assert_eq!(place.elsewhere.asked().len(), 1);
    drop(go);
}

#[test]
fn who_guesses_leaves_room_for_others_at_the_issuer() {
    let (go, gone) = sync_channel::<()>(1);
    let gone = std::sync::Mutex::new(gone);
    let limits = "token_failures_max = 2, introspections_max = 2";
    let place = Place::with_introspection_and(limits, "", move |asked| {
        if asked.body.starts_with("token=slow") {
            let _ = gone.lock().unwrap().recv();
            return elsewhere::json(active("eve"));
        }
        elsewhere::json(json!({"active": false}))
    });
    assert_eq!(place.status("Bearer guess-1"), 401);
    assert_eq!(place.status("Bearer guess-2"), 401);
    thread::scope(|scope| {
        let slow = scope.spawn(|| place.status("Bearer slow"));
        wait_until("it is asked", || place.elsewhere.asked().len() == 3);
        let answer = place.server.client_of(Some("Bearer guess-3")).get(READ);
        assert_eq!((answer.status, answer.field("retry-after")), (429, Some("1")));
        assert_eq!(place.elsewhere.asked().len(), 3, "the issuer was not asked");
        go.send(()).unwrap();
        assert_eq!(slow.join().unwrap(), 200, "what is right is right");
    });
    assert_eq!(place.status("Bearer guess-3"), 429);
    assert_eq!(place.elsewhere.asked().len(), 4);
    drop(go);
}

#[test]
fn what_an_issuer_says_of_a_token_has_to_fit() {
    let place = Place::with_introspection("leeway = 5", |_| Reply::Never);
    let number = std::cell::Cell::new(0);
    // Another token each time, of which nothing is remembered.
    let status = |reply: Reply| {
        place.elsewhere.answer_with(move |_| reply.clone());
        number.set(number.get() + 1);
        let answer = place.server.client_of(Some(&bearer(format!("opaque-{}", number.get())))).get(READ);
        let is_told = answer.field("retry-after").is_some();
        assert_eq!(is_told, answer.status == 503, "{answer}");
        answer.status
    };
    assert_eq!(status(elsewhere::json(active("eve"))), 200);
    for (claim, value, expected) in [
        ("exp", Json::Null, 200),
        ("iss", Json::Null, 200),
        ("token_type", Json::Null, 200),
        ("token_type", json!("bearer"), 200),
        ("aud", json!(["x", "agents"]), 200),
        ("exp", json!(now() - 60), 401),
        ("exp", json!("never"), 401),
        ("nbf", json!(now() + 60), 401),
        ("iss", json!(LOGIN), 401),
        ("aud", Json::Null, 401),
        ("aud", json!("others"), 401),
        ("sub", Json::Null, 401),
        ("sub", json!(""), 401),
        ("sub", json!("e\0ve"), 401),
        ("token_type", json!("DPoP"), 401),
        ("cnf", json!({"jkt": "x"}), 401),
        ("active", json!(false), 401),
        ("active", json!("true"), 503),
        ("active", Json::Null, 503),
    ] {
        let reply = elsewhere::json(with(active("eve"), claim, value.clone()));
        assert_eq!(status(reply), expected, "{claim} {value}");
    }
    let twice = active("eve").to_string().replacen('{', "{\"sub\":\"admin\",", 1);
    let before = place.elsewhere.asked().len();
    let elsewhere = |head: &str| Reply::Answer(head.to_owned(), active("eve").to_string().into_bytes());
    let port = place.elsewhere.port;
    let others = [
        ("a claim twice", elsewhere::json(twice)),
        ("no JSON", elsewhere::json("active")),
        ("nothing", elsewhere::json("")),
        ("ten megabytes", elsewhere::json(format!("{}{}", active("eve"), " ".repeat(10 << 20)))),
        ("bombs", elsewhere::json("[".repeat(200_000))),
        ("no HTTP", Reply::Bytes(b"active\n\n")),
        ("nothing at all", Reply::Bytes(b"")),
        ("it does not know us", elsewhere("401 Unauthorized")),
        (
            "elsewhere",
            elsewhere(&format!("307 Temporary Redirect\r\nLocation: https://localhost:{port}/other")),
        ),
        ("never", Reply::Never),
    ];
    let count = others.len();
    for (what, reply) in others {
        assert_eq!(status(reply), 503, "{what}");
    }
    assert_eq!(place.elsewhere.asked().len(), before + count, "no redirect was followed");
}

#[test]
fn what_was_begun_with_an_opaque_token_goes_on_as_long_as_the_issuer_says() {
    let place = Place::with_introspection("", |_| elsewhere::json(active("eve")));
    let mut events = place.server.client_of(Some("Bearer opaque")).events(None).unwrap();
    let count = place.elsewhere.asked().len();
    wait_until("it is asked again", || place.elsewhere.asked().len() > count + 2);
    let register = json!({"magent-registry:input":
        {"name": "mine", "description": "d", "version": "1.0.0", "provider": "p"}});
    place.server.client().call(REGISTER, &register);
    assert!(events.next().unwrap().data.contains("mine"));
    place.elsewhere.answer_with(|_| elsewhere::json(json!({"active": false})));
    assert_eq!(events.next().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(place.status("Bearer opaque"), 401);

    // Nor if nobody can say.
    place.elsewhere.answer_with(|_| elsewhere::json(active("eve")));
    let mut events = place.server.client_of(Some("Bearer other")).events(None).unwrap();
    place.elsewhere.answer_with(|_| Reply::Bytes(b""));
    assert_eq!(events.next().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(place.status("Bearer other"), 503);
}

#[test]
fn scopes_of_an_issuer_are_good_for_what_the_configuration_says() {
    let scopes = "scopes = { \"agents.read\" = \"read\", \"agents.all\" = \"full\" }";
    let place = Place::with_introspection(scopes, |asked| {
        let scope = asked.body.trim_start_matches("token=").split('&').next().unwrap().replace("%2B", " ");
        elsewhere::json(with(active("eve"), "scope", json!(scope)))
    });
    let register = json!({"magent-registry:input":
        {"name": "mine", "description": "d", "version": "1.0.0", "provider": "p"}});
    let writes = |token: &str| {
        let answer = place.server.client_of(Some(&bearer(token))).send("POST", REGISTER, &register).unwrap();
        answer.status
    };
    assert_eq!((place.status("Bearer agents.read+other"), writes("agents.read+other")), (200, 403));
    assert_eq!((place.status("Bearer agents.all+agents.read"), writes("agents.all+agents.read")), (200, 200));
    for token in ["other", "agents.readall", "AGENTS.READ"] {
        let answer = place.server.client_of(Some(&bearer(token))).get(READ);
        assert_eq!(answer.status, 403, "{token}");
        let challenge = answer.field("www-authenticate").unwrap_or_default();
        assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    }
}
