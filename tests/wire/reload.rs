//! What a reload (SIGHUP) changes, and what goes on through it: event streams, NETCONF sessions, connections.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::netconf::Session;
use crate::process::{LIMIT, Server, run};
use crate::ways_in::Key;

const BEGINNING: &str = "listen.tls = [\"127.0.0.1:0\"]\n[operations]\nlisten = \"127.0.0.1:0\"\n";
const REGISTER: &str = "/restconf/operations/magent-registry:register-agent";
const READ: &str = "reading the configuration and the certificates again";
/// More looks than it takes to be told of what happens at once.
const LOOKS: usize = 100_000;

struct Place {
    server: Server,
    folder: tempfile::TempDir,
    reloads: usize,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&folder.path().join("data"), BEGINNING);
        Place { server, folder, reloads: 0 }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("data.toml")
    }

    /// Has the server read this; what it logs of that.
    fn reload(&mut self, settings: &str) -> String {
        fs::write(self.file(), settings).unwrap();
        self.server.signal("-HUP");
        self.reloads += 1;
        for _ in 0..LOOKS {
            let log = self.server.log();
            let newest = log.split(READ).nth(self.reloads).unwrap_or_default();
            let ends = ["the configuration stays as it was", "the configuration was read again"];
            if ends.iter().any(|end| newest.contains(end)) && newest.ends_with('\n') {
                return newest.to_owned();
            }
            self.server.client().get("/");
        }
        panic!("nothing was reloaded:\n{}", self.server.log());
    }
}

fn profile(name: &str) -> Json {
    json!({"magent-registry:input": {"name": name, "description": "d", "version": "1.0.0", "provider": "p"}})
}

/// Takes what is told until that is in it.
fn until(text: &str, mut next: impl FnMut() -> String) {
    assert!((0..100).any(|_| next().contains(text)), "{text}");
}

fn ask_plainly(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut text = String::new();
    while !text.ends_with("alive\n") {
        let mut octet = [0];
        stream.read_exact(&mut octet).unwrap();
        text.push(octet[0].into());
    }
    text
}

fn long_target(server: &Server) -> u16 {
    server.client().get(&format!("/restconf/data?fields={}", "a".repeat(100))).status
}

#[test]
fn streams_and_sessions_survive_a_reload_and_new_settings_are_in_force() {
    let mut place = Place::new();
    let mut events = place.server.client().events(None).unwrap();
    let mut session = Session::begin(&place.server, place.folder.path(), "root");
    assert!(
        session
            .rpc("", "<create-subscription xmlns=\"urn:ietf:params:xml:ns:netconf:notification:1.0\"/>")
            .contains("<ok/>")
    );
    let mut kept = place.server.client();
    assert_eq!(kept.get("/restconf").status, 200);
    let operations = place.server.other_address("operations");
    assert_ne!(long_target(&place.server), 414);

    let with_http = format!(
        "listen.http = [\"127.0.0.1:0\"]\nlog.format = \"json\"\nlimits.url_bytes_max = 90\n\
         limits.rates.user_requests_per_s = 1000000\nlimits.sessions_max = 7\nagent.name = \"other\"\n{BEGINNING}"
    );
    let said = place.reload(&with_http);
    assert!(said.contains("need a restart") && said.contains("agent, limits.sessions_max"), "{said}");
    let last = said.lines().last().unwrap();
    let again = place.reload(&with_http);
    assert!(again.contains("agent, limits.sessions_max"), "it is said until the restart: {again}");
    assert_eq!(serde_json::from_str::<Json>(last).unwrap()["level"], "WARN", "{last}");

    assert_eq!(long_target(&place.server), 414);
    assert_eq!(kept.get("/restconf").status, 200, "the connection is still there");
    let mut plain = TcpStream::connect(place.server.other_address("http")).unwrap();
    assert!(ask_plainly(&mut plain).starts_with("HTTP/1.1 200"));
    assert_eq!(place.server.other_address("operations"), operations, "it is the same as before");
    place.server.client().call(REGISTER, &profile("first"));
    until("first", || events.next().unwrap().data);
    until("<name>first</name>", || session.read());

    // What is taken away accepts no more, and goes on with those who are there.
    let http = place.server.other_address("http");
    place.reload(BEGINNING);
    assert!(ask_plainly(&mut plain).starts_with("HTTP/1.1 200"));
    let refused = (0..LOOKS).any(|_| TcpStream::connect(http).is_err());
    assert!(refused, "nobody listens there any more");
    assert_ne!(long_target(&place.server), 414);
    place.server.client().call(REGISTER, &profile("second"));
    until("second", || events.next().unwrap().data);
    until("<name>second</name>", || session.read());
    let closed = session.rpc("", "<close-session/>");
    if !closed.contains("<ok/>") {
        until("<ok/>", || session.read());
    }
    drop((events, plain));
    assert!(place.server.stop().success());
}

#[test]
fn a_file_with_something_wrong_changes_nothing_and_the_log_says_where() {
    let mut place = Place::new();
    let limited = format!("limits.url_bytes_max = 90\n{BEGINNING}");
    place.reload(&limited);
    assert_eq!(long_target(&place.server), 414);
    let taken = place.server.address;
    let file = place.file();
    let says = |said: &str, line: Option<usize>, rule: &str| {
        let line = line.is_none_or(|line| said.contains(&format!("line={line}")));
        assert!(line && said.contains(&file.display().to_string()) && said.contains(rule), "{said}");
    };
    let wrong = "limits.url_bytes_max = 1000\n";
    for (settings, line, rule) in [
        (
            format!("{wrong}\nlimits.depth_max = 0\n{BEGINNING}"),
            Some(3),
            "limits.depth_max has to be at least 1",
        ),
        (format!("{wrong}nonsense = 1\n{BEGINNING}"), Some(2), "unknown field"),
        (format!("{wrong}log.level = \"agentconf=loud\"\n{BEGINNING}"), Some(2), "log.level is not usable"),
        (format!("{wrong}tls.clients.authorities = [\"none.pem\"]\n{BEGINNING}"), Some(2), "tls.clients"),
        (format!("{wrong}listen.http = [\"{taken}\"]\n{BEGINNING}"), None, "cannot listen"),
    ] {
        let said = place.reload(&settings);
        says(&said, line, rule);
        assert_eq!(long_target(&place.server), 414, "{said}");
    }
    assert!(place.reload(wrong).contains("was read again"));
    assert_ne!(long_target(&place.server), 414);
    let listening = fs::read_to_string(place.server.data().join("listening")).unwrap();
    assert!(!listening.contains("tls") && !listening.contains("operations"), "{listening}");
    assert!(Path::exists(&place.file()) && place.server.stop().success());
}

#[test]
fn what_fails_beside_the_datastore_changes_nothing_and_the_former_file_can_be_read_again() {
    let mut place = Place::new();
    let keys = json!({"keys": [Key::new("1", jsonwebtoken::Algorithm::EdDSA).public()]});
    let issuer = json!({"magent-access:token-issuer": [{"issuer": "there", "audience": "agents",
        "jwks": keys.to_string(), "prefix": "there:"}]});
    let target = "/restconf/data/magent-access:access/token-issuers/token-issuer=there";
    assert_eq!(place.server.client().send("PUT", target, &issuer).unwrap().status, 201);
    let mut session = Session::begin(&place.server, place.folder.path(), "root");
    let get = "<get-config><source><running/></source><filter/></get-config>";
    let file = place.folder.path().join("keys.json");
    fs::write(&file, keys.to_string()).unwrap();

    // Without `listen.tls` no certificate of a client is taken.
    let wrong = format!(
        "limits.url_bytes_max = 90\n[[tokens.issuers]]\nissuer = \"there\"\naudience = \"agents\"\nprefix = \"file:\"\njwks = {file:?}\n"
    );
    let said = place.reload(&wrong);
    assert!(said.contains("the configuration stays as it was") && said.contains("there"), "{said}");
    assert!(session.rpc("", get).contains("<data"), "the rules for certificates are those from before");
    let mut second = Session::begin(&place.server, place.folder.path(), "second");
    assert!(second.rpc("", "<close-session/>").contains("<ok/>"));
    assert_ne!(long_target(&place.server), 414);
    assert!(place.reload(BEGINNING).contains("was read again"));
    assert!(session.rpc("", get).contains("<data"));

    let data = place.server.data().to_owned();
    assert!(place.server.stop().success());
    let output = run(&["audit", "export"], &data);
    let text = String::from_utf8(output.stdout).unwrap();
    for operation in ["configuration-refused", "configuration-reloaded"] {
        assert!(text.lines().any(|line| line.contains(operation) && line.contains("data.toml")), "{text}");
    }
}

#[test]
fn an_address_that_overlaps_with_an_own_one_is_explained_and_moves_in_two_steps() {
    let mut place = Place::new();
    place.reload("listen.http = [\"127.0.0.1:0\"]\n");
    let port = place.server.other_address("http").port();
    let named = format!("listen.http = [\"127.0.0.1:{port}\"]\n");
    let said = place.reload(&named);
    assert!(
        said.contains("the configuration stays as it was") && said.contains("this server still listens"),
        "{said}"
    );
    assert!(place.reload("log.level = \"info\"\n").contains("was read again"));
    let is_free = (0..LOOKS).any(|_| TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(is_free && place.reload(&named).contains("listening there too"));
    assert!(place.server.stop().success());
}
