//! Certificates that change while the server runs: its own, and what it knows of those of clients. What was begun with a
//! certificate that is no longer taken ends. It never restarts the server.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use sha2::Digest;

use crate::http::{Client, Connection};
use crate::process::{Server, run};

const READ: &str = "/restconf/data/ietf-yang-library:yang-library/content-id";
/// More requests than a server answers before it looks at its files.
const REQUESTS: usize = 200_000;
const HELLO: &[u8] = b"<hello xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\"><capabilities><capability>urn:ietf:params:netconf:base:1.0</capability></capabilities></hello>]]>]]>";

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = Default::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Makes a file what it is to be in one step, as those do who renew certificates.
fn write(file: &Path, text: &str) {
    let aside = file.with_extension("new");
    fs::write(&aside, text).unwrap();
    fs::rename(aside, file).unwrap();
}

/// The DER in PEM, in base64.
fn base64(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}

/// An authority of clients.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    fingerprint: String,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let digest = sha2::Sha256::digest(certificate.der());
        let fingerprint: String = digest.iter().map(|octet| format!(":{octet:02x}")).collect();
        let pem = certificate.pem();
        Authority { issuer: Issuer::new(params, key), pem, fingerprint: format!("04{fingerprint}") }
    }

    fn issue(&self, file: &Path, name: &str, serial: u64) {
        let key = KeyPair::generate().unwrap();
        let mut params = named(name);
        params.serial_number = Some(SerialNumber::from(serial));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(file, certificate.pem() + &key.serialize_pem()).unwrap();
    }

    /// A list of revoked certificates that ends in this year.
    fn revoke(&self, serials: &[u64], number: u64, ends: i32) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(ends, 1, 1),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// A server whose clients ann (1) and bob (2) have certificates.
struct Place {
    server: Server,
    authority: Authority,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let (data, authority) = (folder.path().join("data"), Authority::new("clients"));
        let file = |name: &str| folder.path().join(name);
        fs::write(file("ca.pem"), &authority.pem).unwrap();
        fs::write(file("crl.pem"), authority.revoke(&[9], 1, 2100)).unwrap();
        for (serial, name) in [(1, "ann"), (2, "bob")] {
            authority.issue(&file(&format!("{name}.pem")), name, serial);
            assert!(run(&["user", "add", name], &data).status.success());
        }
        let settings = format!(
            "[listen]\ntls = [\"127.0.0.1:0\"]\n[tls.clients]\nauthorities = [{:?}]\nrevocation-lists = [{:?}]\n\
             [[tls.clients.cert-to-name]]\nid = 1\nfingerprint = \"{}\"\nmap-type = \"common-name\"\n",
            file("ca.pem"),
            file("crl.pem"),
            authority.fingerprint
        );
        let server = Server::start(&data, &settings);
        Place { server, authority, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn client(&self, name: &str) -> Client {
        self.server.client_showing(&self.file(&format!("{name}.pem")))
    }

    /// A session of NETCONF, after the hellos.
    fn session(&self, name: &str) -> Connection {
        let mut session = self.client(name).at(self.server.other_address("tls")).connect().unwrap();
        session.get_mut().write_all(HELLO).unwrap();
        let mut octet = [0];
        let mut said = Vec::new();
        while !said.ends_with(b"]]>]]>") {
            session.read_exact(&mut octet).unwrap();
            said.extend(octet);
        }
        session
    }
}

/// Asks on one connection until the status is that.
fn until(client: &mut Client, status: u16) {
    let found = (0..REQUESTS).any(|_| client.get(READ).status == status);
    assert!(found, "the answers do not become {status}");
}

#[test]
fn a_certificate_that_is_revoked_ends_what_was_begun_with_it() {
    let place = Place::new();
    let (mut ann, mut bob) = (place.client("ann"), place.client("bob"));
    assert_eq!((ann.get(READ).status, bob.get(READ).status), (200, 200));
    let mut events = ann.events(None).unwrap();
    let mut session = place.session("ann");
    let mut other = place.session("bob");

    write(&place.file("crl.pem"), "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    place.server.wait_for_log("the rules for certificates of clients stay as they were");
    assert_eq!(ann.get(READ).status, 200, "a damaged list changes nothing");

    write(&place.file("crl.pem"), &place.authority.revoke(&[1, 9], 2, 2100));
    until(&mut ann, 401);
    assert_eq!(ann.get(READ).status, 401, "the connection stays, and is of nobody");
    assert!(place.client("ann").ask("GET", READ, &[], b"").is_err(), "there is no new one");
    let ended = std::iter::repeat_with(|| events.next()).find_map(Result::err);
    assert_eq!(ended.unwrap().kind(), std::io::ErrorKind::UnexpectedEof);
    // It ends though nobody says anything in it.
    let _ = session.read_to_end(&mut Vec::new());
    assert_eq!(bob.get(READ).status, 200);
    other.get_mut().write_all(b"<rpc message-id=\"1\" xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\"><close-session/></rpc>]]>]]>").unwrap();
    let mut said = String::new();
    other.read_to_string(&mut said).unwrap();
    assert!(said.contains("<ok/>"), "{said}");

    write(&place.file("crl.pem"), &place.authority.revoke(&[9], 3, 2100));
    until(&mut ann, 200);
}

#[test]
fn an_authority_that_is_removed_or_a_list_that_has_ended_ends_what_it_vouched_for() {
    let place = Place::new();
    let mut ann = place.client("ann");
    let first = ann.ask("GET", READ, &[], b"");
    assert_eq!(first.unwrap_or_else(|error| panic!("{error}: {}", place.server.log())).status, 200);
    write(&place.file("crl.pem"), &place.authority.revoke(&[9], 2, 2025));
    until(&mut ann, 401);
    place.server.wait_for_log("lists of revoked certificates have ended");
    // The newest counts.
    let both = place.authority.revoke(&[9], 2, 2025) + &place.authority.revoke(&[9], 3, 2100);
    write(&place.file("crl.pem"), &both);
    place.server.signal("-HUP");
    until(&mut ann, 200);
    assert!(place.server.log().contains("reading the configuration and the certificates again"));

    write(&place.file("ca.pem"), &Authority::new("others").pem);
    until(&mut ann, 401);
    write(&place.file("ca.pem"), &place.authority.pem);
    until(&mut ann, 200);
}

#[test]
fn the_certificate_of_the_server_changes_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, "");
    let pki = data.join("pki");
    let text = |name: &str| fs::read_to_string(pki.join(name)).unwrap();
    let (first_certificate, first_key) = (text("server.pem"), text("server.key"));
    let issuer =
        Issuer::from_ca_cert_pem(&text("ca.pem"), KeyPair::from_pem(&text("ca.key")).unwrap()).unwrap();
    let issue = |ends: i32| {
        let key = KeyPair::generate().unwrap();
        let mut params = named("renewed");
        params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(ends, 1, 1));
        (params.signed_by(&key, &issuer).unwrap(), key.serialize_pem())
    };
    let shown = || {
        let mut client = server.client();
        assert_eq!(client.get(READ).status, 200);
        client.server_certificate()
    };
    let (mut kept, mut events) = (server.client(), server.client().events(None).unwrap());
    assert_eq!(kept.get(READ).status, 200);
    let first = shown();

    // None of these is used, one after the other, and each is complained about.
    let (good, good_key) = issue(2100);
    let (ended, ended_key) = issue(2021);
    let complaints = || server.log().matches("the certificate of the server stays as it was").count();
    for (certificate, key) in [
        (good.pem(), first_key.clone()),
        (ended.pem(), ended_key),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(), good_key.clone()),
        (String::new(), good_key.clone()),
        (first_certificate, good_key.clone()),
    ] {
        let before = complaints();
        write(&pki.join("server.key"), &key);
        write(&pki.join("server.pem"), &certificate);
        let complained = (0..REQUESTS).any(|_| {
            assert_eq!(kept.get(READ).status, 200);
            complaints() > before
        });
        assert!(complained, "{}", server.log());
        assert_eq!(shown(), first);
    }

    write(&pki.join("server.pem"), &good.pem());
    server.wait_for_log("the certificate of the server was read again");
    assert_eq!(shown(), good.der().as_ref());
    assert_eq!(kept.server_certificate(), first, "the connection is the same");
    assert_eq!(kept.get(READ).status, 200);
    let register = serde_json::json!({"magent-registry:input": {"name": "a", "description": "d", "version": "1.0.0", "provider": "p"}});
    kept.call("/restconf/operations/magent-registry:register-agent", &register);
    assert!(events.next().unwrap().data.contains("registered"));
    assert!(!server.log().contains("PRIVATE KEY"));
}

const ACCESS: &str = "/restconf/data/magent-access:access";

fn put(client: &mut Client, place: &str, body: serde_json::Value) {
    let answer = client.send("PUT", place, &body).unwrap();
    assert!(matches!(answer.status, 201 | 204), "{place}: {answer}");
}

#[test]
fn the_certificate_of_the_server_is_configured_while_it_runs_and_outlasts_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, "");
    let text = |name: &str| fs::read_to_string(data.join("pki").join(name)).unwrap();
    let issuer =
        Issuer::from_ca_cert_pem(&text("ca.pem"), KeyPair::from_pem(&text("ca.key")).unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = named("configured");
    params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let shown = |server: &Server| {
        let mut client = server.client();
        assert_eq!(client.get(READ).status, 200);
        client.server_certificate()
    };
    let first = shown(&server);
    let mut admin = server.client();
    let entry = serde_json::json!({"ietf-keystore:asymmetric-key": [{"name": "tls",
        "private-key-format": "ietf-crypto-types:one-asymmetric-key-format",
        "cleartext-private-key": base64(&key.serialize_pem()),
        "certificates": {"certificate": [{"name": "this", "cert-data": base64(&certificate.pem())}]}}]});
    put(&mut admin, "/restconf/data/ietf-keystore:keystore/asymmetric-keys/asymmetric-key=tls", entry);
    assert_eq!(shown(&server), first, "it is not chosen yet");
    let chosen = format!("{ACCESS}/server-certificate");
    let body = serde_json::json!({"magent-access:server-certificate": {"asymmetric-key": "tls", "certificate": "this"}});
    put(&mut admin, &chosen, body);
    assert_eq!(shown(&server), certificate.der().as_ref());
    assert_eq!(
        (admin.get(READ).status, admin.server_certificate()),
        (200, first.clone()),
        "the connection stays"
    );
    server.kill();
    let server = Server::start(&data, "");
    assert_eq!(shown(&server), certificate.der().as_ref());
    let answer = server.client().send("DELETE", &chosen, &serde_json::Value::Null).unwrap();
    assert_eq!(answer.status, 204);
    assert_eq!(shown(&server), first, "that of the files");
}

#[test]
fn a_private_key_stays_30_days_longer_than_its_entry_in_the_keystore() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, "");
    let kept = || {
        let files = fs::read_dir(data.join("secrets")).unwrap().map(|file| file.unwrap().path());
        files.filter(|file| file.display().to_string().contains("/key-")).collect::<Vec<_>>()
    };
    let place = |name| format!("/restconf/data/ietf-keystore:keystore/asymmetric-keys/asymmetric-key={name}");
    for name in ["stays", "goes"] {
        let key = KeyPair::generate().unwrap();
        let certificate = named(name).self_signed(&key).unwrap();
        let entry = serde_json::json!({"ietf-keystore:asymmetric-key": [{"name": name,
            "private-key-format": "ietf-crypto-types:one-asymmetric-key-format",
            "cleartext-private-key": base64(&key.serialize_pem()),
            "certificates": {"certificate": [{"name": "this", "cert-data": base64(&certificate.pem())}]}}]});
        put(&mut server.client(), &place(name), entry);
    }
    let answer = server.client().send("DELETE", &place("goes"), &serde_json::Value::Null).unwrap();
    assert_eq!(answer.status, 204);
    assert!(server.stop().success());
    let started_later = |days: u64| {
        for file in kept() {
            let file = fs::File::options().write(true).open(file).unwrap();
            let before = file.metadata().unwrap().modified().unwrap();
            file.set_modified(before - std::time::Duration::from_secs(days * 24 * 3600)).unwrap();
        }
        assert!(Server::start(&data, "").stop().success());
        kept().len()
    };
    assert_eq!(started_later(29), 2, "an earlier configuration can be gone back to");
    assert_eq!(started_later(2), 1);
    assert_eq!(started_later(31), 1, "what is in the keystore stays");
}

#[test]
fn certificates_of_clients_are_configured_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), "");
    let authority = Authority::new("clients");
    let file = folder.path().join("ann.pem");
    authority.issue(&file, "ann", 1);
    let mut admin = server.client();
    let refused = server.client_showing(&file).ask("GET", READ, &[], b"").map(|answer| answer.status);
    assert!(!matches!(refused, Ok(200)), "nobody has configured whose it is");

    put(
        &mut admin,
        &format!("{ACCESS}/users/user=ann"),
        serde_json::json!({"magent-access:user": [{"name": "ann"}]}),
    );
    let bag = serde_json::json!({"ietf-truststore:certificate-bag": [{"name": "clients", "certificate": [
        {"name": "one", "cert-data": base64(&authority.pem)}]}]});
    put(
        &mut admin,
        "/restconf/data/ietf-truststore:truststore/certificate-bags/certificate-bag=clients",
        bag,
    );
    let clients = format!("{ACCESS}/client-certificates");
    let body = serde_json::json!({"magent-access:client-certificates": {"authorities": ["clients"], "cert-to-name": [
        {"id": 1, "fingerprint": authority.fingerprint, "map-type": "ietf-x509-cert-to-name:common-name"}]}});
    put(&mut admin, &clients, body);
    let mut ann = server.client_showing(&file);
    assert_eq!(ann.get(READ).status, 200);
    let mut events = ann.events(None).unwrap();

    let list = |serials: &[u64], number| {
        serde_json::json!({"magent-access:revocation-list": [
            {"name": "all", "crl-data": base64(&authority.revoke(serials, number, 2100))}]})
    };
    put(&mut admin, &format!("{clients}/revocation-list=all"), list(&[9], 1));
    assert_eq!(ann.get(READ).status, 200);
    put(&mut admin, &format!("{clients}/revocation-list=all"), list(&[1, 9], 2));
    assert_eq!(ann.get(READ).status, 401, "the connection is of nobody");
    assert!(server.client_showing(&file).ask("GET", READ, &[], b"").is_err(), "there is no new one");
    assert!(std::iter::repeat_with(|| events.next()).find_map(Result::err).is_some());
    let weak = serde_json::json!({"magent-access:cert-to-name": [
        {"id": 2, "fingerprint": "01:00", "map-type": "ietf-x509-cert-to-name:common-name"}]});
    let answer = admin.send("PUT", &format!("{clients}/cert-to-name=2"), &weak).unwrap();
    assert!(answer.status == 400 && answer.to_string().contains("too weak"), "{answer}");
}
