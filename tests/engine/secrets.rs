//! Secrets are in no datastore, difference or record of the log, whichever way they come in.

use std::sync::Arc;

use agentconf::access::settings::{PrivateKeys, public_key};
use agentconf::datastore::edit::{Edit, Operation};
use agentconf::engine::{Candidate, Datastore, EditRequest, Management, Test};
use agentconf::yang::error::{Error, Tag};
use agentconf::yang::generated::SCHEMA;
use agentconf::yang::generated::ietf_keystore::nodes as keystore;
use agentconf::yang::generated::ietf_netconf::nodes as netconf;
use agentconf::yang::generated::magent_access::nodes as access;
use agentconf::yang::generated::magent_datastores::nodes as revisions;
use agentconf::yang::json;
use agentconf::yang::path::{InstancePath, Step};
use agentconf::yang::tree::Child;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use super::bench::*;

const PASSWORD: &str = "nobody-guesses-this";
const SHARED: Datastore = Datastore::Candidate(Candidate::Shared);

fn users() -> InstancePath {
    plain(&[&access::ACCESS, &access::ACCESS_USERS])
}

fn user(name: &str) -> InstancePath {
    entry(&[&access::ACCESS, &access::ACCESS_USERS], &access::ACCESS_USERS_USER, name)
}

fn password_of(name: &str) -> InstancePath {
    user(name).child(Step::plain(&access::ACCESS_USERS_USER_PASSWORD))
}

fn ann(password: &str) -> Json {
    json!({"name": "ann", "password": password})
}

fn clear() -> String {
    format!("$0${PASSWORD}")
}

/// The whole configuration with these users and keys.
fn whole(body: &Json) -> Arc<agentconf::yang::tree::Container> {
    let content = json::decode_children(body.to_string().as_bytes(), None, &SCHEMA, &json::STORED);
    Arc::new(content.expect("it fits the schema"))
}

fn password_in(bench: &Bench, datastore: Datastore) -> String {
    let found = bench.read_in(datastore, "admin", &user("ann")).expect("there is a user");
    found["password"].as_str().expect("with a password").to_owned()
}

/// Nothing that the log or the directory of the server has holds the text.
fn nowhere(bench: &Bench, text: &str) {
    let mut left = vec![bench.directory.path().to_owned()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("it is read").path();
            if path.is_dir() {
                left.push(path);
                continue;
            }
            let content = std::fs::read(&path).expect("a file");
            let has = content.windows(text.len()).any(|part| part == text.as_bytes());
            assert!(!has, "{} has {text}", path.display());
        }
    }
}

#[tokio::test]
async fn a_password_is_taken_out_whichever_way_it_comes() {
    let everything = json!({"magent-access:access": {"users": {"user": [ann(&clear())]}}});
    let ways: [(InstancePath, Operation, Json); 6] = [
        (InstancePath::default(), Operation::Replace, everything.clone()),
        (InstancePath::default(), Operation::Merge, everything.clone()),
        (plain(&[&access::ACCESS]), Operation::Merge, everything.clone()),
        (users(), Operation::Create, json!({"magent-access:users": {"user": [ann(&clear())]}})),
        (user("ann"), Operation::Replace, json!({"magent-access:user": [ann(&clear())]})),
        (password_of("ann"), Operation::Replace, json!({"magent-access:password": clear()})),
    ];
    for (path, operation, body) in ways {
        for datastore in [Datastore::Running, SHARED] {
            let bench = Bench::empty();
            if path == password_of("ann") {
                let empty =
                    put(user("ann"), json!({"magent-access:user": [{"name": "ann"}]})).expect("an edit");
                bench.edit_in(datastore, "admin", empty, Vec::new()).await.expect("it is made");
            }
            let value = match path.steps.is_empty() {
                true => Child::Container(whole(&body)),
                false => json::decode_one(body.to_string().as_bytes(), &path, &SCHEMA, &json::STORED)
                    .expect("it fits the schema"),
            };
            let edit = Edit { operation, path: path.clone(), value: Some(value), insert: None };
            bench.edit_in(datastore, "admin", edit, Vec::new()).await.expect("it is made");
            assert!(
                password_in(&bench, datastore).starts_with("$kept$"),
                "{path} {operation:?} {datastore:?}"
            );
            if datastore == SHARED {
                bench.call("admin", &netconf::COMMIT, json!({})).await.expect("it is committed");
            }
            let bench = bench.restart().await;
            assert!(password_in(&bench, Datastore::Running).starts_with("$kept$"));
            nowhere(&bench, PASSWORD);
        }
    }
    let bench = Bench::with_startup();
    for to in [SHARED, Datastore::Startup, Datastore::Running] {
        let content = whole(&everything);
        bench.engine.manage(&principal("admin"), Management::Put { content, to }).await.expect("it is put");
        assert!(password_in(&bench, to).starts_with("$kept$"), "{to:?}");
    }
    bench
        .engine
        .validate_content(&principal("admin"), whole(&everything).as_ref().clone())
        .await
        .expect("it is valid");
    nowhere(&bench, PASSWORD);
}

#[tokio::test]
async fn an_earlier_password_comes_back_with_its_revision() {
    let bench = Bench::empty();
    let set = async |password: &str| {
        bench
            .put("admin", user("ann"), json!({"magent-access:user": [ann(password)]}))
            .await
            .expect("it is set")
    };
    let first = set(&clear()).await.revision;
    let kept = password_in(&bench, Datastore::Running);
    set("$0$another password").await;
    assert_ne!(password_in(&bench, Datastore::Running), kept);
    bench
        .call("admin", &revisions::ROLLBACK, json!({"revision": first.to_string()}))
        .await
        .expect("it goes back");
    assert_eq!(password_in(&bench, Datastore::Running), kept);

    // What is gone cannot be gone back to.
    let file = bench.directory.path().join("secrets").join(kept.trim_start_matches("$kept$"));
    let bench = {
        set("$0$a third password").await;
        std::fs::remove_file(file).expect("it was there");
        bench.restart().await
    };
    let refused = bench.call("admin", &revisions::ROLLBACK, json!({"revision": first.to_string()})).await;
    let error = refused.expect_err("the secret is gone");
    assert_eq!(error.tag, Tag::InvalidValue);
    assert_eq!(error.path, Some(password_of("ann")));
}

#[tokio::test]
async fn a_secret_is_good_for_what_it_was_given_for_alone() {
    let bench = Bench::empty();
    let set = async |user: &str, password: &str| {
        let body = json!({"magent-access:user": [{"name": user, "password": password}]});
        bench.put("admin", self::user(user), body).await
    };
    set("ann", &clear()).await.expect("it is set");
    let of_ann = password_in(&bench, Datastore::Running);
    let given_else = |error: Error| {
        assert!(
            error.tag == Tag::InvalidValue && error.message.contains("given for something else"),
            "{error}"
        );
    };
    given_else(set("bob", &of_ann).await.expect_err("it is another user's"));

    let above: [&'static agentconf::yang::schema::Node; 2] = [&access::ACCESS, &access::ACCESS_TOKEN_ISSUERS];
    let place = entry(&above, &access::ACCESS_TOKEN_ISSUERS_TOKEN_ISSUER, "i");
    let issuer = async |endpoint: &str, secret: &str| {
        let asked = json!({"endpoint": endpoint, "client-id": "c", "client-secret": secret});
        let body = json!({"magent-access:token-issuer": [
            {"issuer": "i", "audience": "a", "prefix": "i:", "introspection": asked}]});
        bench.put("admin", place.clone(), body).await
    };
    given_else(issuer("https://mine.example.net", &of_ann).await.expect_err("it is a password"));
    issuer("https://theirs.example.net", "$0$the client secret").await.expect("it is set");
    let shown = bench.read("admin", &place).expect("it is there");
    let kept = shown["introspection"]["client-secret"].as_str().expect("a reference").to_owned();
    given_else(issuer("https://mine.example.net", &kept).await.expect_err("it would be sent elsewhere"));
    issuer("https://theirs.example.net", &kept).await.expect("it goes where it always went");
    // A private key is called by its public key, and is nobody's password.
    let error = set("bob", &format!("$kept$key-{}", "0".repeat(64))).await.expect_err("it is no reference");
    assert_eq!(error.tag, Tag::InvalidValue);
    // Without its endpoint nobody knows where it may be sent.
    let leaf = [
        &access::ACCESS_TOKEN_ISSUERS_TOKEN_ISSUER_KEYS_INTROSPECTION_INTROSPECTION,
        &access::ACCESS_TOKEN_ISSUERS_TOKEN_ISSUER_KEYS_INTROSPECTION_INTROSPECTION_CLIENT_SECRET,
    ];
    let leaf = leaf.into_iter().fold(place.clone(), |path, node| path.child(Step::plain(node)));
    let error = bench.put("admin", leaf, json!({"magent-access:client-secret": "$0$another"})).await;
    assert!(error.expect_err("it has no endpoint").message.contains("together with its endpoint"));
}

#[tokio::test]
async fn a_private_key_is_hidden_and_found_by_its_certificate() {
    let pair = rcgen::KeyPair::generate().expect("a key");
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
        .and_then(|params| params.self_signed(&pair))
        .expect("a certificate");
    let private = STANDARD.encode(pair.serialize_der());
    let key = entry(
        &[&keystore::KEYSTORE, &keystore::KEYSTORE_ASYMMETRIC_KEYS],
        &keystore::KEYSTORE_ASYMMETRIC_KEYS_ASYMMETRIC_KEY,
        "tls",
    );
    let body = |key: Json| {
        let mut body = json!({"name": "tls", "certificates": {"certificate": [
            {"name": "one", "cert-data": STANDARD.encode(certificate.der())}]}});
        body.as_object_mut().expect("an object").extend(key.as_object().expect("an object").clone());
        json!({"ietf-keystore:asymmetric-key": [body]})
    };
    let in_clear = json!({"private-key-format": "ietf-crypto-types:one-asymmetric-key-format",
        "cleartext-private-key": private});
    let bench = Bench::empty();
    let chosen = json!({"magent-access:server-certificate": {"asymmetric-key": "tls", "certificate": "one"}});
    let place = plain(&[&access::ACCESS, &access::ACCESS_SERVER_CERTIFICATE]);

    // Hidden, but never given.
    bench.put("admin", key.clone(), body(json!({"hidden-private-key": [null]}))).await.expect("it is valid");
    let error = bench.put("admin", place.clone(), chosen.clone()).await.expect_err("there is no key");
    assert_eq!(error.tag, Tag::InvalidValue);

    for (number, body) in
        [body(in_clear.clone()), body(json!({"hidden-private-key": [null]}))].into_iter().enumerate()
    {
        bench.put("admin", key.clone(), body).await.expect("it is written");
        let shown = bench.read("admin", &key).expect("it is there");
        assert_eq!(shown["hidden-private-key"], json!([null]), "{number}: {shown}");
        assert!(shown.get("cleartext-private-key").is_none() && shown.get("private-key-format").is_none());
    }
    bench.put("admin", place, chosen).await.expect("it is chosen");

    // Leaf by leaf, the format first, as a client may write them.
    use keystore::{
        KEYSTORE_ASYMMETRIC_KEYS_ASYMMETRIC_KEY_PRIVATE_KEY_FORMAT as FORMAT,
        KEYSTORE_ASYMMETRIC_KEYS_ASYMMETRIC_KEY_PRIVATE_KEY_TYPE_CLEARTEXT_PRIVATE_KEY_CLEARTEXT_PRIVATE_KEY as CLEARTEXT,
    };
    let leaf = |node, name: &str| {
        put(key.child(Step::plain(node)), json!({ format!("ietf-keystore:{name}"): in_clear[name] }))
    };
    let edits = vec![
        leaf(&FORMAT, "private-key-format").expect("an edit"),
        leaf(&CLEARTEXT, "cleartext-private-key").expect("an edit"),
    ];
    let request =
        EditRequest { datastore: Datastore::Running, test: Test::AtCommit, edits, preconditions: Vec::new() };
    bench.engine.edit(&principal("admin"), request).await.expect("they are written");
    assert_eq!(bench.read("admin", &key).expect("it is there")["hidden-private-key"], json!([null]));

    let garbage = json!({"private-key-format": "ietf-crypto-types:one-asymmetric-key-format", "cleartext-private-key": "AAAA"});
    let error = bench.put("admin", key.clone(), body(garbage)).await.expect_err("it is no key");
    assert_eq!(error.path, Some(key.child(Step::plain(&CLEARTEXT))));
    // In the log of events there is none of it.
    let log = std::fs::read(bench.directory.path().join("log.sqlite3-wal")).expect("the log");
    assert!(!log.windows(private.len()).any(|part| part == private.as_bytes()));
}

#[tokio::test]
async fn a_private_key_is_in_use_as_long_as_a_configuration_that_counts_has_it() {
    let bench = Bench::with_startup();
    let certificate = || {
        let pair = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        params.self_signed(&pair).expect("a certificate").der().to_vec()
    };
    let public = |certificate: &[u8]| public_key(certificate).expect("it has one");
    let (one, other) = (certificate(), certificate());
    let key = |name: &str| {
        let above = [&keystore::KEYSTORE, &keystore::KEYSTORE_ASYMMETRIC_KEYS];
        entry(&above, &keystore::KEYSTORE_ASYMMETRIC_KEYS_ASYMMETRIC_KEY, name)
    };
    let set = async |name: &str, more: Json| {
        let mut body = json!({"name": name, "hidden-private-key": [null]});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let body = json!({"ietf-keystore:asymmetric-key": [body]});
        bench.put("admin", key(name), body).await.expect("it is written");
    };
    let in_use = || bench.engine.snapshot().private_keys();
    set("tls", json!({"certificates": {"certificate": [{"name": "c", "cert-data": STANDARD.encode(&one)}]}}))
        .await;
    let save = json!({"target": {"startup": [null]}, "source": {"running": [null]}});
    bench.call("admin", &netconf::COPY_CONFIG, save).await.expect("it is saved");
    bench.delete("admin", key("tls")).await.expect("it goes");
    let format = "ietf-crypto-types:subject-public-key-info-format";
    set("own", json!({"public-key-format": format, "public-key": STANDARD.encode(public(&other))})).await;
    assert_eq!(in_use(), PrivateKeys { public: [public(&one), public(&other)].into(), can_be_any: false });
    set("any", json!({})).await;
    assert!(in_use().can_be_any, "nothing says which one it is");
    set("any", json!({"public-key-format": "ietf-crypto-types:ssh-public-key-format", "public-key": "AAAA"}))
        .await;
    assert!(in_use().can_be_any, "nor does this");
    bench.delete("admin", key("any")).await.expect("it goes");
    let delete = json!({"target": {"startup": [null]}});
    bench.call("admin", &netconf::DELETE_CONFIG, delete).await.expect("it is deleted");
    assert_eq!(in_use(), PrivateKeys { public: [public(&other)].into(), can_be_any: false });
}

#[tokio::test]
async fn too_many_secrets_at_once_are_refused_and_none_is_written() {
    let bench = Bench::empty();
    let many: Vec<Json> =
        (0..257).map(|n| json!({"name": format!("u{n}"), "password": "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"})).collect();
    let put = async |users: &[Json]| -> Result<(), Error> {
        let body = json!({"magent-access:users": {"user": users}});
        bench.put("admin", self::users(), body).await.map(drop)
    };
    let error = put(&many).await.expect_err("they are too many");
    assert_eq!(error.tag, Tag::TooBig);
    put(&many[..256]).await.expect("so many may come");
    let shown = bench.read("admin", &users()).expect("they are there");
    assert_eq!(shown["user"].as_array().map(Vec::len), Some(256));
    // What refers to secrets may come in any number.
    let mut all = shown["user"].as_array().expect("a list").clone();
    all.push(many[256].clone());
    put(&all).await.expect("only one of them is new");
}
