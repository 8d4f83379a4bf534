//! A server that is sent what is wrong, and the check that it refuses it in the form of RFC 8040 section 7.1 and goes on
//! serving. It never decides what is wrong.

use quick_xml::events::Event;
use serde_json::{Value as Json, json};

use crate::http::{Answer, JSON, XML};
use crate::process::Server;

/// Short waits for clients that stop half-way.
const SETTINGS: &str = "[limits]\nheader_timeout_s = 1\nbody_timeout_s = 1\n";

/// A server with the agents that the requests name.
pub struct Victim {
    pub server: Server,
    _directory: tempfile::TempDir,
}

/// What an error says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    kind: String,
    pub tag: String,
    path: Option<String>,
    message: String,
}

impl Victim {
    pub fn new() -> Victim {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start(&directory.path().join("data"), SETTINGS);
        let profile = json!({"name": "oss", "description": "d", "version": "1.0.0", "provider": "p"});
        server.client().call(REGISTER, &json!({ "magent-registry:input": profile }));
        Victim { server, _directory: directory }
    }

    /// Sends a request and compares status, error-tag and, if one is given, error-path; asks for each encoding.
    pub fn refuses(&self, name: &str, expected: (u16, &str, &str), request: Request<'_>) {
        for accept in [JSON, XML] {
            let mut fields = request.fields.to_vec();
            fields.push(("Accept", accept));
            let answer = self.server.client().ask(request.method, request.target, &fields, request.body);
            let answer = answer.unwrap_or_else(|error| panic!("{name}: no answer: {error}"));
            self.compare(name, expected, &answer, accept);
        }
    }

    /// Sends bytes as they are; the library of HTTP may answer by itself, in JSON.
    pub fn refuses_bytes(&self, name: &str, expected: (u16, &str, &str), bytes: &[u8]) {
        let answer =
            self.server.client().raw(bytes).unwrap_or_else(|error| panic!("{name}: no answer: {error}"));
        self.compare(name, expected, &answer, JSON);
    }

    pub fn compare(&self, name: &str, (status, tag, path): (u16, &str, &str), answer: &Answer, accept: &str) {
        assert_eq!(answer.status, status, "{name}: {answer}");
        assert_eq!(answer.field("content-type"), Some(accept), "{name}: {answer}");
        let told = if accept == JSON { told_in_json(answer) } else { told_in_xml(answer) };
        assert_eq!(told.tag, tag, "{name}: {answer}");
        assert!(
            ["transport", "rpc", "protocol", "application"].contains(&told.kind.as_str()),
            "{name}: {answer}"
        );
        assert!(!told.message.is_empty(), "{name}: {answer}");
        assert_ne!(told.path.as_deref(), Some("/"), "{name}: {answer}");
        if !path.is_empty() {
            let found = told.path.unwrap_or_default();
            let found = if accept == JSON { found } else { without_prefixes(&found) };
            let wanted = if accept == JSON { path.to_owned() } else { without_prefixes(path) };
            assert_eq!(found, wanted, "{name}: {answer}");
        }
        self.serves(name);
    }

    /// That the server is as it was: it answers, nothing has come of the request, and no thread has panicked.
    pub fn serves(&self, after: &str) {
        let mut client = self.server.client();
        assert_eq!(client.get("/restconf/yang-library-version").status, 200, "after {after}");
        assert_eq!(
            client.get("/restconf/data?content=config").json(),
            json!({"ietf-restconf:data": {}}),
            "after {after}"
        );
        let log = self.server.log();
        assert!(!log.contains("panicked"), "after {after}:\n{log}");
    }

    /// PUT of one entry with a JSON body.
    pub fn refuses_entry(&self, name: &str, expected: (u16, &str, &str), body: &[u8]) {
        self.refuses(
            name,
            expected,
            Request { fields: &[("Content-Type", JSON)], ..Request::new("PUT", ENTRY, body) },
        );
    }

    pub fn refuses_xml(&self, name: &str, expected: (u16, &str, &str), body: &[u8]) {
        self.refuses(
            name,
            expected,
            Request { fields: &[("Content-Type", XML)], ..Request::new("PUT", ENTRY, body) },
        );
    }

    pub fn refuses_input(&self, name: &str, expected: (u16, &str, &str), target: &str, body: &str) {
        let request =
            Request { fields: &[("Content-Type", JSON)], ..Request::new("POST", target, body.as_bytes()) };
        self.refuses(name, expected, request);
    }
}

/// A request as far as a test chooses it.
pub struct Request<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub fields: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    pub fn new(method: &'a str, target: &'a str, body: &'a [u8]) -> Request<'a> {
        Request { method, target, fields: &[], body }
    }
}

/// The one error of a body, with all that has to be there.
pub fn told_in_json(answer: &Answer) -> Told {
    let body = answer.json();
    assert_eq!(body.as_object().map(|members| members.len()), Some(1), "{answer}");
    let errors =
        body["ietf-restconf:errors"]["error"].as_array().unwrap_or_else(|| panic!("no errors: {answer}"));
    assert_eq!(errors.len(), 1, "{answer}");
    let text = |name: &str| errors[0][name].as_str().map(str::to_owned);
    let members = ["error-type", "error-tag", "error-app-tag", "error-path", "error-message", "error-info"];
    let known = |error: &Json| {
        error.as_object().is_some_and(|e| e.keys().all(|name| members.contains(&name.as_str())))
    };
    assert!(known(&errors[0]), "{answer}");
    Told {
        kind: text("error-type").unwrap_or_default(),
        tag: text("error-tag").unwrap_or_default(),
        path: text("error-path"),
        message: text("error-message").unwrap_or_default(),
    }
}

fn told_in_xml(answer: &Answer) -> Told {
    let text = std::str::from_utf8(&answer.body).unwrap();
    let mut reader = quick_xml::Reader::from_str(text);
    let (mut told, mut open) = (Told::default(), Vec::new());
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error}: {answer}")) {
            Event::Start(element) => {
                if open.is_empty() {
                    let namespace = element.try_get_attribute("xmlns").unwrap().unwrap();
                    assert_eq!(&*namespace.value, "urn:ietf:params:xml:ns:yang:ietf-restconf", "{answer}");
                }
                open.push(element.name().as_ref().to_owned());
            }
            Event::End(_) => drop(open.pop()),
            Event::Text(text) => put(&mut told, &open, &text),
            Event::GeneralRef(name) => {
                let plain = quick_xml::escape::unescape(&format!("&{};", &*name)).unwrap().into_owned();
                put(&mut told, &open, &plain);
            }
            Event::Eof => return told,
            other => panic!("{other:?}: {answer}"),
        }
    }
}

fn put(told: &mut Told, open: &[String], text: &str) {
    let open: Vec<&str> = open.iter().map(String::as_str).collect();
    match open[..] {
        ["errors", "error", "error-type"] => told.kind.push_str(text),
        ["errors", "error", "error-tag"] => told.tag.push_str(text),
        ["errors", "error", "error-message"] => told.message.push_str(text),
        ["errors", "error", "error-path"] => told.path.get_or_insert_default().push_str(text),
        _ => {}
    }
}

/// In XML each name of a path has the prefix of its module, in JSON only the first below another module has.
fn without_prefixes(path: &str) -> String {
    let name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let bare = |part: &str| {
        part.split_once(':')
            .filter(|(prefix, _)| prefix.chars().all(name))
            .map_or(part.to_owned(), |(_, rest)| rest.to_owned())
    };
    let bare_key = |part: &str| part.split('[').map(bare).collect::<Vec<_>>().join("[");
    path.split('/').map(bare_key).collect::<Vec<_>>().join("/")
}

/// Where entries are put.
pub const ENTRY: &str = "/restconf/data/irtf-agent:data-params=h";
/// The datastore.
pub const DATA: &str = "/restconf/data";
/// The operation that registers an agent.
pub const REGISTER: &str = "/restconf/operations/magent-registry:register-agent";
/// Members of an entry that is good.
pub const GOOD: &str = r#""id":"h","dataType":"text""#;

/// The body with an entry of these members.
pub fn entry(members: &str) -> String {
    format!("{{\"irtf-agent:data-params\":[{{{members}}}]}}")
}
