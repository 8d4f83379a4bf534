//! Ways in beside the administrator's token: tokens of outside issuers, API keys, and keys of the server's own that rotate.
//! What is wrong in any way gets one and the same answer, and nothing secret is ever in the log.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use agentconf::clock::Clock;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value as Json, json};

use crate::process::{Server, run};

pub const LOGIN: &str = "https://login.example.net";
const FACTORY: &str = "https://factory.example.net";
pub const READ: &str = "/restconf/data/ietf-yang-library:yang-library/content-id";
pub const ASSIGN: &str = "/restconf/operations/magent-task:assign-task";
pub const REGISTER: &str = "/restconf/operations/magent-registry:register-agent";

/// A key of an issuer.
pub struct Key {
    kid: &'static str,
    pub algorithm: Algorithm,
    private: EncodingKey,
}

impl Key {
    pub fn new(kid: &'static str, algorithm: Algorithm) -> Key {
        let generate = |kind| rcgen::KeyPair::generate_for(kind).unwrap().serialize_der();
        let private = match algorithm {
            // The seed of what is made has its place in the older form, which is the one that is read.
            Algorithm::EdDSA => {
                let prefix = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
                let made = generate(&rcgen::PKCS_ED25519);
                EncodingKey::from_ed_der(&[prefix.as_slice(), made.get(16..48).unwrap()].concat())
            }
            Algorithm::ES256 => EncodingKey::from_ec_der(&generate(&rcgen::PKCS_ECDSA_P256_SHA256)),
            _ => EncodingKey::from_rsa_pem(include_bytes!("rsa.pem")).unwrap(),
        };
        Key { kid, algorithm, private }
    }

    pub fn public(&self) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(&self.private, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.kid.to_owned());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        jwk
    }

    fn header(&self) -> Header {
        Header { kid: Some(self.kid.to_owned()), ..Header::new(self.algorithm) }
    }

    pub fn sign(&self, claims: &Json) -> String {
        self.sign_as(&self.header(), claims)
    }

    pub fn sign_as(&self, header: &Header, claims: &Json) -> String {
        bearer(jsonwebtoken::encode(header, claims, &self.private).unwrap())
    }
}

pub fn bearer(token: impl AsRef<str>) -> String {
    format!("Bearer {}", token.as_ref())
}

fn write_keys(file: &Path, keys: &[&Key]) {
    let mut keys: Vec<Json> = keys.iter().map(|key| serde_json::to_value(key.public()).unwrap()).collect();
    // Of a kind that nobody knows: to be left out (RFC 7517 section 5).
    keys.push(json!({"kty": "lattice", "kid": "future", "x": "AA"}));
    let aside = file.with_extension("new");
    fs::write(&aside, json!({"keys": keys}).to_string()).unwrap();
    fs::rename(aside, file).unwrap();
}

/// Seconds since the epoch.
pub fn now() -> i64 {
    Clock::system().now().as_seconds()
}

pub fn claims(user: &str) -> Json {
    json!({"iss": LOGIN, "aud": "agents", "sub": user, "exp": now() + 600})
}

/// `claims` with one of them replaced, or removed if it is null.
pub fn with(mut claims: Json, name: &str, value: Json) -> Json {
    match value {
        Json::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

/// A server with two outside issuers, and the user `ann` of its own.
struct Place {
    server: Server,
    ed: Key,
    ec: Key,
    rsa: Key,
    factory: Key,
    jwks: PathBuf,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let (ed, ec, rsa) = (
            Key::new("1", Algorithm::EdDSA),
            Key::new("2", Algorithm::ES256),
            Key::new("3", Algorithm::RS256),
        );
        let factory = Key::new("1", Algorithm::EdDSA);
        let (jwks, other) = (folder.path().join("login.jwks"), folder.path().join("factory.jwks"));
        write_keys(&jwks, &[&ed, &ec, &rsa]);
        write_keys(&other, &[&factory, &Key::new("2", Algorithm::ES256)]);
        let data = folder.path().join("data");
        let settings = format!(
            r#"
            log.level = "trace"
            limits.token_failures_max = 10000
            [[tokens.issuers]]
            issuer = "{LOGIN}"
            audience = "agents"
            jwks = "{}"
            groups-claim = "groups"
            users = {{ "00u1" = "ann", "00u2" = "nobody" }}
            prefix = "corp:"
            groups = {{ "Network Admins" = "admin" }}
            leeway = 5
            [[tokens.issuers]]
            issuer = "{FACTORY}"
            audience = "agents"
            jwks = "{}"
            algorithms = ["EdDSA"]
            user-claim = "client_id"
            prefix = "factory:"
            "#,
            jwks.display(),
            other.display()
        );
        let server = Server::start(&data, &settings);
        assert!(run(&["user", "add", "ann"], &data).status.success());
        Place { server, ed, ec, rsa, factory, jwks, folder }
    }

    fn status(&self, authorization: &str) -> u16 {
        self.server.client_of(Some(authorization)).get(READ).status
    }

    /// The answer is the same as to any other bearer token that is not taken.
    fn refuses(&self, what: &str, authorization: &str) {
        let ask = |authorization: &str| {
            let answer = self.server.client_of(Some(authorization)).get(READ);
            let fields: BTreeMap<_, _> =
                answer.fields.into_iter().filter(|(name, _)| name != "date").collect();
            (answer.status, fields, String::from_utf8(answer.body).unwrap())
        };
        let expected = ask("Bearer x");
        assert_eq!(expected.0, 401);
        assert_eq!(ask(authorization), expected, "{what}");
    }

    /// The user that a token stands for, as the server calls them when they speak for an agent of nobody.
    fn user(&self, authorization: &str) -> String {
        let input = json!({"magent-task:input": {"from": "nobody", "to": "nobody", "content": "x"}});
        let answer = self.server.client_of(Some(authorization)).send("POST", ASSIGN, &input).unwrap();
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let user = text.split_once("the user ").and_then(|(_, rest)| rest.split_once(" may not"));
        user.unwrap_or_else(|| panic!("{answer}")).0.to_owned()
    }

    fn run(&self, verb: &[&str]) -> String {
        let output = run(verb, self.server.data());
        assert!(output.status.success(), "{verb:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// No secret has got into the log, of which this ends the server.
    fn logged_nothing_of(self, secrets: &[&str]) {
        let log = self.server.log();
        assert!(log.contains("credentials were refused"), "the log is there");
        for secret in secrets {
            let secret = secret.trim_start_matches("Bearer ");
            for part in secret.split('.').filter(|part| part.len() > 20) {
                assert!(!log.contains(part), "{part} is in the log");
            }
        }
        drop(self.folder);
    }
}

#[test]
fn a_token_of_an_issuer_stands_for_whom_the_configuration_says() {
    let place = Place::new();
    let eve = claims("eve");
    for key in [&place.ed, &place.ec, &place.rsa] {
        assert_eq!(place.status(&key.sign(&eve)), 200, "{:?}", key.algorithm);
        assert_eq!(place.status(&key.sign(&eve)), 200, "remembered");
        // There is one key alone for the algorithm.
        assert_eq!(place.status(&key.sign_as(&Header::new(key.algorithm), &eve)), 200);
        for typ in ["at+jwt", "application/at+jwt"] {
            let header = Header { typ: Some(typ.to_owned()), ..key.header() };
            assert_eq!(place.status(&key.sign_as(&header, &eve)), 200, "{typ}");
        }
    }
    let audiences = with(eve.clone(), "aud", json!(["others", "agents"]));
    assert_eq!(place.status(&place.ed.sign(&audiences)), 200);

    assert_eq!(place.user(&place.ed.sign(&eve)), "corp:eve");
    assert_eq!(place.user(&place.ec.sign(&claims("admin"))), "corp:admin");
    assert_eq!(place.user(&place.rsa.sign(&claims("ann"))), "corp:ann");
    assert_eq!(place.user(&place.ed.sign(&claims("00u1"))), "ann");
    let built = json!({"iss": FACTORY, "aud": "agents", "client_id": "press-7", "exp": now() + 600});
    assert_eq!(place.user(&place.factory.sign(&built)), "factory:press-7");

    // What only administrators may do.
    let may_administer = |claims: &Json| {
        let users = "/restconf/data/ietf-netconf-acm:nacm/enable-external-groups";
        let body = json!({"ietf-netconf-acm:enable-external-groups": true});
        let answer = place.server.client_of(Some(&place.ed.sign(claims))).send("PUT", users, &body).unwrap();
        assert!(matches!(answer.status, 201 | 204 | 403), "{answer}");
        answer.status != 403
    };
    assert!(!may_administer(&claims("admin")));
    assert!(!may_administer(&with(claims("eve"), "groups", json!(["admin"]))));
    assert!(!may_administer(&with(claims("00u1"), "groups", json!(["Network Admins"]))), "ann is none here");
    assert!(may_administer(&with(claims("eve"), "groups", json!(["x", "Network Admins"]))));
    place.refuses("a mapped user who is not there", &place.ed.sign(&claims("00u2")));
    let issued = |at: i64| place.ed.sign(&with(claims("00u1"), "iat", json!(at)));
    assert_eq!(place.user(&issued(now())), "ann");
    place.refuses("a token from before the mapped user was made", &issued(now() - 3600));
}

#[test]
fn claims_that_do_not_hold_are_refused() {
    let place = Place::new();
    let good = || claims("eve");
    assert_eq!(
        place.status(&place.ed.sign(&with(good(), "exp", json!(now() - 1)))),
        200,
        "within the leeway"
    );
    assert_eq!(place.status(&place.ed.sign(&with(good(), "exp", json!(now() as f64 + 60.5)))), 200);
    assert_eq!(place.status(&place.ed.sign(&with(good(), "nbf", json!(now() - 9)))), 200);
    for (claim, value) in [
        ("exp", Json::Null),
        ("exp", json!(now() - 60)),
        ("exp", json!("tomorrow")),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("exp", json!(u64::MAX)),
        ("nbf", json!(now() + 60)),
        ("nbf", json!("now")),
        ("aud", Json::Null),
        ("aud", json!("others")),
        ("aud", json!([])),
        ("aud", json!("agents2")),
        ("iss", Json::Null),
        ("iss", json!("https://evil.example.net")),
        ("iss", json!(FACTORY)),
        ("iss", json!("agentconf")),
        ("iss", json!([LOGIN])),
        ("sub", Json::Null),
        ("sub", json!("")),
        ("sub", json!(7)),
        ("sub", json!("e v e")),
        ("sub", json!("eve\nadmin")),
        ("sub", json!("\u{435}ve")),
        ("sub", json!("<eve>")),
        ("sub", json!("eve#5")),
        ("iat", json!("now")),
        ("sub", json!("e".repeat(200))),
        ("groups", json!([1])),
        ("groups", json!({"admin": true})),
        ("groups", json!(["a\u{0}b"])),
    ] {
        let token = place.ed.sign(&with(good(), claim, value.clone()));
        place.refuses(&format!("{claim} {value}"), &token);
        place.refuses(&format!("{claim} {value} again"), &token);
    }
    place.refuses("a token of megabytes", &place.ed.sign(&with(good(), "x", json!("x".repeat(9000)))));
    let secrets = [place.ed.sign(&good())];
    place.logged_nothing_of(&secrets.each_ref().map(String::as_str));
}

#[test]
fn signatures_and_headers_are_not_to_be_tricked() {
    let place = Place::new();
    let eve = claims("eve");
    let good = place.ed.sign(&eve);
    assert_eq!(place.status(&good), 200);
    let parts: Vec<&str> = good.trim_start_matches("Bearer ").split('.').collect();
    let [_, payload, signature] = parts[..] else { panic!("three parts") };
    let coded = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let admin = coded(&claims("00u1").to_string());
    let mut attacks: Vec<(String, String)> = Vec::new();

    // Without a signature, with one over something else, or with an algorithm of nobody.
    for alg in ["none", "None", "NONE", "nOnE", "", "HS256", "ES384", "PS256", "EdDSA ", "Ed448"] {
        let header = coded(&json!({"alg": alg, "kid": "1", "typ": "JWT"}).to_string());
        for signature in ["", signature] {
            attacks.push((format!("alg {alg:?}"), bearer(format!("{header}.{payload}.{signature}"))));
        }
    }
    attacks.push(("changed claims".into(), bearer(format!("{}.{admin}.{signature}", parts[0]))));
    attacks.push(("two parts".into(), bearer(format!("{}.{payload}", parts[0]))));
    attacks.push(("no alg".into(), bearer(format!("{}.{payload}.{signature}", coded("{\"kid\":\"1\"}")))));

    // The public key as the secret of an HMAC, in every form that it has.
    for key in [&place.ed, &place.ec, &place.rsa] {
        let public = serde_json::to_value(key.public()).unwrap();
        let raw = |name: &str| public[name].as_str().map(|text| URL_SAFE_NO_PAD.decode(text).unwrap());
        let forms = [
            Some(public.to_string().into_bytes()),
            raw("x"),
            raw("n"),
            raw("x").map(|x| [vec![4], x, raw("y").unwrap_or_default()].concat()),
            Some(Vec::new()),
        ];
        for form in forms.into_iter().flatten() {
            for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                let header = Header { alg: algorithm, ..key.header() };
                let secret = EncodingKey::from_secret(&form);
                let token = jsonwebtoken::encode(&header, &eve, &secret).unwrap();
                attacks.push((format!("{algorithm:?} with the public key"), bearer(token)));
            }
        }
    }

    // Key identifiers that name something else, or another key of another kind.
    for kid in
        ["", "9", "2", "3", "future", "../../etc/passwd", "/dev/zero", "1\0", "1' --", &"1".repeat(4000)]
    {
        let header = Header { kid: Some(kid.to_owned()), ..place.ed.header() };
        attacks.push((format!("kid {kid:.20}"), place.ed.sign_as(&header, &eve)));
    }
    // A key that the token brings along, or tells where to get.
    let own = Key::new("1", Algorithm::EdDSA);
    let brought = Header {
        jwk: Some(own.public()),
        jku: Some("https://evil.example.net/keys".into()),
        x5u: Some("https://evil.example.net/chain".into()),
        ..own.header()
    };
    attacks.push(("a key of its own".into(), own.sign_as(&brought, &eve)));
    attacks.push(("a key of nobody".into(), own.sign(&eve)));
    attacks.push(("the key of another issuer".into(), place.factory.sign(&eve)));
    let as_ourselves = json!({"iss": "agentconf", "aud": "agentconf", "sub": "admin", "groups": ["admin"],
        "iat": now(), "nbf": now() - 1, "exp": now() + 600, "jti": "x", "made_at": i64::MAX});
    attacks.push(("an issuer that says it is us".into(), place.ed.sign(&as_ourselves)));
    // An algorithm that is not for this issuer.
    let built = json!({"iss": FACTORY, "aud": "agents", "client_id": "press-7", "exp": now() + 600});
    attacks.push(("not an algorithm of the issuer".into(), place.ec.sign(&built)));
    // What has to be understood and is not, and what is no access token.
    let plain = || place.ed.header();
    for (what, header) in [
        ("crit", Header { crit: Some(vec!["exp".into()]), ..plain() }),
        ("an empty crit", Header { crit: Some(Vec::new()), ..plain() }),
        ("typ of a logout", Header { typ: Some("logout+jwt".into()), ..plain() }),
        ("typ of a proof of possession", Header { typ: Some("dpop+jwt".into()), ..plain() }),
        ("a token in a token", Header { cty: Some("JWT".into()), ..plain() }),
    ] {
        attacks.push((what.into(), place.ed.sign_as(&header, &eve)));
    }
    // Claims of which another reader would believe the other one.
    let two = |user: &str, other: &str| {
        let claims = with(claims(user), "sub", json!(user)).to_string();
        let claims = claims.replacen('{', &format!("{{\"sub\":\"{other}\","), 1);
        let claims = serde_json::value::RawValue::from_string(claims).unwrap();
        bearer(jsonwebtoken::encode(&plain(), &claims, &place.ed.private).unwrap())
    };
    attacks.push(("a claim twice".into(), two("eve", "00u1")));
    attacks.push(("a claim twice, the other way".into(), two("00u1", "eve")));
    let bound = with(claims("eve"), "cnf", json!({"jkt": "x"}));
    attacks.push(("a token that is bound to a key".into(), place.ed.sign(&bound)));
    // Encrypted, compressed, nested.
    for head in [
        json!({"alg": "dir", "enc": "A256GCM", "zip": "DEF", "cty": "JWT"}),
        json!({"alg": "RSA-OAEP-256", "enc": "A128CBC-HS256", "kid": "3"}),
    ] {
        let head = coded(&head.to_string());
        attacks.push((format!("JWE {head}"), bearer(format!("{head}..AAAA.{payload}.AAAA"))));
    }
    attacks.push(("a token of a token".into(), bearer(format!("{}.{}.{signature}", parts[0], coded(&good)))));
    attacks
        .push(("JSON of a token".into(), bearer(json!({"payload": payload, "signatures": []}).to_string())));
    for (what, text) in [
        ("a space", good.replacen('.', " .", 1)),
        ("a comma", format!("{good}, {good}")),
        ("a second part", format!("{good} x")),
        ("padding", format!("{good}=")),
        ("not the alphabet", good.replacen('.', "./+", 1)),
    ] {
        attacks.push((what.into(), text));
    }
    let twice = coded(r#"{"alg":"EdDSA","alg":"none","kid":"1"}"#);
    attacks.push(("alg twice".into(), bearer(format!("{twice}.{payload}.{signature}"))));

    for (what, token) in &attacks {
        place.refuses(what, token);
    }
    assert_eq!(place.status(&good), 200);
    let mut secrets: Vec<&str> = attacks.iter().map(|(_, token)| token.as_str()).collect();
    secrets.push(&good);
    place.logged_nothing_of(&secrets);
}

#[test]
fn a_key_that_the_issuer_withdraws_ends_its_tokens_and_streams() {
    let place = Place::new();
    let (old, other) = (place.ed.sign(&claims("eve")), place.ec.sign(&claims("eve")));
    let mut events = place.server.client_of(Some(&old)).events(None).unwrap();
    let new = Key::new("4", Algorithm::EdDSA);
    assert_eq!(place.status(&new.sign(&claims("eve"))), 401);
    write_keys(&place.jwks, &[&place.ed, &place.ec, &new]);
    for key in [&place.ed, &new] {
        assert_eq!(place.status(&key.sign(&claims("eve"))), 200, "{}", key.kid);
        // There are two of them now.
        place.refuses("no kid", &key.sign_as(&Header::new(key.algorithm), &claims("eve")));
    }
    fs::write(&place.jwks, "{").unwrap();
    assert_eq!(place.status(&old), 200, "a damaged file changes nothing");
    write_keys(&place.jwks, &[&place.ec, &new]);
    place.refuses("a token of a key that was withdrawn", &old);
    assert_eq!(place.status(&other), 200);
    assert_eq!(events.next().unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn an_api_key_is_good_for_its_scope_until_it_is_revoked() {
    let place = Place::new();
    let full = bearer(place.run(&["key", "add", "ann"]));
    let read = bearer(place.run(&["key", "add", "admin", "--scope", "read", "--lifetime", "600"]));
    let list = place.run(&["key", "list"]);
    let id = |key: &str| key.split('_').nth(1).unwrap().to_owned();
    for (key, user, scope) in [(&full, "ann", "full"), (&read, "admin", "read")] {
        assert!(list.contains(&format!("{}\t{user}\t{scope}\t", id(key))), "{list}");
        assert!(!list.contains(key.get(40..).unwrap()), "{list}");
        assert_eq!(place.status(key), 200);
    }
    assert_eq!(place.user(&full), "ann");

    // An administrator who only reads.
    let mut reader = place.server.client_of(Some(&read));
    let discover = json!({"magent-registry:input": {}});
    reader.call("/restconf/operations/magent-registry:discover-agents", &discover);
    let register = json!({"magent-registry:input":
        {"name": "mine", "description": "d", "version": "1.0.0", "provider": "p"}});
    let entry = json!({"irtf-agent:data-params": [{"id": "map", "dataType": "text", "data": "x"}]});
    let running = "/restconf/data/irtf-agent:data-params=map";
    let candidate = "/restconf/ds/ietf-datastores:candidate/irtf-agent:data-params=map";
    for (method, target, body) in [
        ("POST", REGISTER, register),
        ("PUT", running, entry.clone()),
        ("PUT", candidate, entry),
        ("POST", "/restconf/operations/ietf-netconf:commit", Json::Null),
        ("POST", "/restconf/operations/ietf-netconf:discard-changes", Json::Null),
        (
            "POST",
            "/restconf/operations/ietf-subscribed-notifications:kill-subscription",
            json!({"ietf-subscribed-notifications:input": {"id": 1}}),
        ),
        ("POST", ASSIGN, json!({"magent-task:input": {"from": "anns", "to": "anns", "content": "x"}})),
    ] {
        let answer = match body {
            Json::Null => reader.ask(method, target, &[], b"").unwrap(),
            body => reader.send(method, target, &body).unwrap(),
        };
        assert_eq!(answer.status, 403, "{target}: {answer}");
        assert!(answer.to_string().contains("access-denied"), "{target}: {answer}");
    }
    assert_eq!(reader.ask("DELETE", "/restconf/data/ietf-netconf-acm:nacm", &[], b"").unwrap().status, 403);
    assert_eq!(place.server.client().get(running).status, 404, "nothing was written");

    let mut events = place.server.client_of(Some(&full)).events(None).unwrap();
    place.run(&["key", "revoke", &id(&full)]);
    place.refuses("a revoked key", &full);
    assert_eq!(events.next().unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    assert_eq!(place.status(&read), 200);
    let unknown = run(&["key", "revoke", &id(&full)], place.server.data());
    assert!(!unknown.status.success());
    for (what, wrong) in [
        ("another secret", format!("{}{}", read.get(..60).unwrap(), "A".repeat(read.len() - 60))),
        ("no secret", read.get(..read.len() - 43).unwrap().to_owned()),
        ("an unknown identifier", read.replacen(&id(&read), "0123456789abcdef", 1)),
        ("the secret alone", bearer(read.get(read.len() - 43..).unwrap())),
        ("a prefix", bearer("agentconf_")),
    ] {
        place.refuses(what, &wrong);
    }
    let secrets = [full.get(full.len() - 43..).unwrap(), read.get(read.len() - 43..).unwrap()];
    for file in ["keys.json", "users.json"] {
        let text = fs::read_to_string(place.server.data().join(file)).unwrap();
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{file}");
    }
    place.logged_nothing_of(&secrets);
}

#[test]
fn tokens_of_earlier_keys_stay_valid_until_these_are_forgotten() {
    let place = Place::new();
    let issue = || bearer(place.run(&["token", "ann"]));
    let first = issue();
    let mut events = place.server.client_of(Some(&first)).events(None).unwrap();
    place.run(&["token", "--rotate"]);
    let second = issue();
    let kid = |token: &str| jsonwebtoken::decode_header(token.trim_start_matches("Bearer ")).unwrap().kid;
    assert!(kid(&first).is_some() && kid(&first) != kid(&second));
    for token in [&first, &second, &place.server.admin().to_owned()] {
        assert_eq!(place.status(token), 200);
    }
    place.run(&["token", "--rotate", "--forget"]);
    for token in [&first, &second, &place.server.admin().to_owned()] {
        place.refuses("a token of a forgotten key", token);
    }
    assert_eq!(events.next().unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    let renewed = fs::read_to_string(place.server.data().join("admin.jwt")).unwrap();
    assert_eq!(place.status(&bearer(renewed.trim())), 200);
    assert_eq!(place.status(&issue()), 200);
    for verb in [&["token"][..], &["token", "ann", "--rotate"], &["token", "ann", "--forget"]] {
        assert_eq!(run(verb, place.server.data()).status.code(), Some(2), "{verb:?}");
    }
    place.logged_nothing_of(&[&first, &second]);
}

#[test]
fn header_fields_that_are_no_credentials_are_refused() {
    let place = Place::new();
    let good = place.ed.sign(&claims("eve"));
    let ask = |fields: &str| {
        let client = place.server.client_of(None);
        let mut connection = client.connect().unwrap();
        let request = format!("GET {READ} HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n");
        std::io::Write::write_all(connection.get_mut(), request.as_bytes()).unwrap();
        crate::http::read_answer(&mut connection, false).unwrap().status
    };
    assert_eq!(ask(&format!("Authorization: {good}")), 200);
    assert_eq!(ask(&format!("authorization:\t {good} ")), 200, "white space around a value is no part of it");
    let basic = |pair: &str| {
        format!("Authorization: Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
    };
    for (what, fields, status) in [
        ("two fields", format!("Authorization: {good}\r\nAuthorization: {good}"), 401),
        ("two kinds", format!("Authorization: {good}\r\n{}", basic("ann:x")), 401),
        (
            "an end of a line",
            format!("Authorization: Bearer\r\n {}", good.trim_start_matches("Bearer ")),
            400,
        ),
        ("NUL", format!("Authorization: {good}\0"), 400),
        ("a bare CR", format!("Authorization: {good}\rX: y"), 400),
        ("a space before the colon", format!("Authorization : {good}"), 400),
        ("no scheme", format!("Authorization: {}", good.trim_start_matches("Bearer ")), 401),
        ("another field", format!("Proxy-Authorization: {good}"), 401),
        ("a name that looks like hers", basic("\u{ff41}\u{ff4e}\u{ff4e}:secret of ann"), 401),
        ("a name with a mark", basic("a\u{30a}nn:secret of ann"), 401),
        ("a name in capitals", basic("ANN:secret of ann"), 401),
        ("a name with NUL", basic("ann\0:secret of ann"), 401),
        ("a name with a space", basic(" ann:secret of ann"), 401),
        ("no name", basic(":secret of ann"), 401),
    ] {
        assert_eq!(ask(&fields), status, "{what}");
    }
    let query = format!("{READ}?access_token={}", good.trim_start_matches("Bearer "));
    assert_eq!(place.server.client_of(None).get(&query).status, 401, "RFC 6750 section 2.3 is not for us");
    place.logged_nothing_of(&[&good]);
}

#[test]
fn a_source_of_wrong_tokens_is_slowed_down_and_its_neighbours_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "limits = { token_failures_max = 3, login_wait_s = 3600 }";
    let server = Server::start(&folder.path().join("data"), settings);
    assert!(run(&["user", "add", "ann"], server.data()).status.success());
    let ask = |authorization: &str| server.client_of(Some(authorization)).get(READ);
    let key = String::from_utf8(run(&["key", "add", "ann"], server.data()).stdout).unwrap();
    let key = bearer(key.trim());
    for _ in 0..10 {
        assert_eq!(ask("Bearer old").status, 401, "the same again is no other guess");
    }
    assert_eq!(ask("Bearer guess").status, 401);
    assert_eq!(ask("Bearer agentconf_0123456789abcdef_guess").status, 401);
    for wrong in ["Bearer guess-2", "Bearer old", "Bearer agentconf_0123456789abcdef_guess-2"] {
        let answer = ask(wrong);
        assert_eq!(answer.status, 429, "{answer}");
        let wait: u32 = answer.field("retry-after").unwrap().parse().unwrap();
        assert!((1..=3601).contains(&wait));
    }
    for right in [server.admin(), &key] {
        assert_eq!(ask(right).status, 200);
    }
}

#[test]
fn a_token_can_be_for_reading_alone_and_of_one_agent() {
    let place = Place::new();
    let token = bearer(place.run(&["token", "admin", "--scope", "read", "--agent", "press-7"]));
    let claims: Json =
        jsonwebtoken::dangerous::insecure_decode_claims(token.trim_start_matches("Bearer ")).unwrap();
    assert_eq!((&claims["scope"], &claims["agent"]), (&json!("read"), &json!("press-7")));
    assert_eq!(place.status(&token), 200);
    let nacm = "/restconf/data/ietf-netconf-acm:nacm";
    let answer = place.server.client_of(Some(&token)).ask("DELETE", nacm, &[], b"").unwrap();
    assert_eq!(answer.status, 403, "{answer}");
    let key = place.run(&["key", "add", "ann", "--agent", "press-7"]);
    assert_eq!(place.status(&bearer(&key)), 200);
    let list = place.run(&["key", "list"]);
    assert!(list.contains("\tpress-7"), "{list}");
    // A key is no password.
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("ann:{key}"));
    assert_eq!(place.status(&format!("Basic {basic}")), 401);
}
