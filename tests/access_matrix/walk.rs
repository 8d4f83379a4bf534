//! Everything that the server announces, asked without credentials and as a user to whom all is denied: what is found out
//! from the schema and from the server itself needs no test of its own to be covered here.

use std::path::Path;

use agentconf::yang::generated::SCHEMA;
use agentconf::yang::schema::Node;
use serde_json::{Value as Json, json};

use crate::common::TestServer;
use crate::netconf::{self, errors};
use crate::request;

/// What needs no credentials: where the API is (RFC 8040 section 3.1), and whether the server is well.
const OPEN: [&str; 4] = ["/.well-known/host-meta", "/.well-known/host-meta.json", "/healthz", "/readyz"];
/// What is on the listener for operations alone, and nothing here.
const ELSEWHERE: &str = "/metrics";
/// What a user to whom all is denied gets an answer from, with what may not be in it: these list what may be used.
const LISTS: [(&str, &str); 8] = [
    ("/", "operations/"),
    ("/restconf", "operations/"),
    ("/restconf/", "operations/"),
    ("/restconf/operations", "[null]"),
    ("/restconf/operations/", "[null]"),
    ("/restconf/openapi.json", "operations/"),
    ("/restconf/yang-library-version", "module"),
    ("*", "operations/"),
];
/// The operation of NETCONF that nobody is refused (RFC 8341 section 3.4.4 step 3).
const ALWAYS: &str = "close-session";

/// A request: method, target, body.
type Asked = (&'static str, String, String);

/// Everything of RESTCONF, once.
async fn everything(server: &TestServer) -> Vec<Asked> {
    let mut all: Vec<Asked> = OPEN.iter().map(|path| ("GET", (*path).to_owned(), String::new())).collect();
    for (path, _) in LISTS {
        let method = if path == "*" { "OPTIONS" } else { "GET" };
        all.push((method, path.to_owned(), String::new()));
    }
    for module in SCHEMA.modules {
        all.push(("GET", format!("/yang/{}@{}.yang", module.name, module.revision), String::new()));
        for submodule in module.submodules {
            all.push(("GET", format!("/yang/{}.yang", submodule.name), String::new()));
        }
    }
    for module in SCHEMA.implemented() {
        for rpc in module.rpcs {
            let body = json!({ format!("{}:input", module.name): {} }).to_string();
            all.push(("POST", format!("/restconf/operations/{}:{}", module.name, rpc.name), body));
        }
        for node in module.data {
            for root in [
                "/restconf/data",
                "/restconf/ds/ietf-datastores:operational",
                "/restconf/ds/ietf-datastores:running",
            ] {
                all.push(("GET", format!("{root}/{}", of(node)), String::new()));
            }
            let target = format!("/restconf/data/{}", of(node));
            all.extend(["PUT", "PATCH", "POST"].map(|method| (method, target.clone(), "{}".to_owned())));
            all.push(("DELETE", target, String::new()));
        }
    }
    for path in actions() {
        let module = path.rsplit('/').next().unwrap_or_default().split(':').next().unwrap_or_default();
        all.push((
            "POST",
            format!("/restconf/data/{path}"),
            json!({ format!("{module}:input"): {} }).to_string(),
        ));
    }
    let whole = [
        "data",
        "ds/ietf-datastores:running",
        "ds/ietf-datastores:operational",
        "ds/ietf-datastores:candidate",
    ];
    all.extend(whole.map(|path| ("GET", format!("/restconf/{path}"), String::new())));
    // What a GET gives does not end.
    all.extend(streams(server).await.into_iter().map(|target| ("HEAD", target, String::new())));
    all.push(("GET", "/restconf/subscriptions/1".to_owned(), String::new()));
    all.push(("GET", ELSEWHERE.to_owned(), String::new()));
    all.push(("GET", "/restconf/no-such-thing".to_owned(), String::new()));
    all
}

/// A place of a schema node, with keys made up.
fn of(node: &'static Node) -> String {
    let above = node.data_parent();
    let keys = vec!["1"; node.keys().len()].join(",");
    let key = if keys.is_empty() { String::new() } else { format!("={keys}") };
    let own = format!("{}:{}{key}", node.module.name, node.name);
    above.map_or_else(|| own.clone(), |above| format!("{}/{own}", of(above)))
}

/// The places of all actions.
fn actions() -> Vec<String> {
    let mut found = Vec::new();
    let mut left: Vec<&'static Node> = SCHEMA.implemented().flat_map(|module| module.data).copied().collect();
    while let Some(node) = left.pop() {
        left.extend(node.data);
        found.extend(node.actions.iter().map(|action| of(action)));
    }
    found
}

/// Where the server says that its streams are.
async fn streams(server: &TestServer) -> Vec<String> {
    let target = "/restconf/data/ietf-restconf-monitoring:restconf-state/streams/stream";
    let all = server.get(target).await.json();
    let streams = all["ietf-restconf-monitoring:stream"].as_array().cloned().unwrap_or_default();
    let access = streams.iter().flat_map(|stream| stream["access"].as_array().cloned().unwrap_or_default());
    let locations: Vec<String> =
        access.filter_map(|way| way["location"].as_str().map(str::to_owned)).collect();
    assert!(locations.len() > 1, "{all}");
    locations
        .iter()
        .map(|at| at.find("/restconf/").map_or(at.clone(), |path| at[path..].to_owned()))
        .collect()
}

/// Denies everything to everybody in a group.
async fn deny_all(server: &TestServer) {
    let nacm = json!({ "ietf-netconf-acm:nacm": {
        "read-default": "deny", "write-default": "deny", "exec-default": "deny",
        "groups": { "group": [{ "name": "denied", "user-name": ["eve"] }] },
        "rule-list": [{ "name": "nothing", "group": ["denied"] }],
    }});
    let answer = server.put("/restconf/data/ietf-netconf-acm:nacm", &nacm.to_string()).await;
    assert!([201, 204].contains(&answer.status), "{answer:?}");
}

/// What the header has beside the credentials.
fn fields(target: &str, body: &str) -> &'static [&'static str] {
    match (target, body) {
        ("/", _) => &["Accept: text/html"],
        (_, "") => &[],
        _ => &["Content-Type: application/yang-data+json"],
    }
}

#[tokio::test]
async fn nothing_is_answered_without_credentials_but_where_the_api_is_and_health() {
    let server = netconf::start().await;
    let mut wrong = Vec::new();
    for (method, target, body) in everything(&server).await {
        let answer = server.ask_as("", method, &target, fields(&target, &body), &body).await;
        let is_open = OPEN.contains(&target.as_str());
        if answer.status != if is_open { 200 } else { 401 } {
            wrong.push(format!("{method} {target}: {}", answer.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let kept = netconf::connects_without_certificate(&server).await;
    assert!(!kept, "there is no session without a certificate");
    server.stop().await;
}

#[tokio::test]
async fn a_user_to_whom_all_is_denied_can_use_nothing_over_restconf() {
    let server = netconf::start().await;
    let eve = server.add_user("eve");
    deny_all(&server).await;
    let mut wrong = Vec::new();
    for (method, target, body) in everything(&server).await {
        let answer = server.ask_as(&eve, method, &target, fields(&target, &body), &body).await;
        let listed = LISTS.iter().find(|(path, _)| *path == target);
        let is_right = match listed {
            Some((_, hidden)) => answer.status == 200 && !answer.body.contains(hidden),
            // 405: nobody could.
            None if method != "GET" && answer.status == 405 => true,
            // 501: it is for sessions.
            None if target.ends_with(ALWAYS) => answer.status == 501,
            None => OPEN.contains(&target.as_str()) || [403, 404].contains(&answer.status),
        };
        if !is_right {
            wrong.push(format!("{method} {target}: {} {:.300}", answer.status, answer.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    server.stop().await;
}

#[tokio::test]
async fn a_user_to_whom_all_is_denied_can_only_close_a_session_of_netconf() {
    let server = netconf::start().await;
    server.add_user("eve");
    deny_all(&server).await;
    let mut session = netconf::open_as(&server, "eve", "1.1").await;
    let mut wrong = Vec::new();
    let rpcs = SCHEMA.implemented().flat_map(|module| module.rpcs.iter().map(move |rpc| (module, rpc)));
    let rpcs = rpcs.filter(|(_, rpc)| rpc.name != ALWAYS);
    let mut all: Vec<String> =
        rpcs.map(|(module, rpc)| request::rpc(module, rpc.name, &Json::Null)).collect();
    all.extend(actions().iter().map(|path| request::action(path, &Json::Null)));
    for asked in all {
        let reply = session.ask(&asked).await;
        let is_denied = reply.starts_with("<rpc-error>") && errors(&reply).contains(" access-denied");
        if !is_denied {
            wrong.push(format!("{asked}: {reply:.300}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    session.does("<close-session/>").await;
    server.stop().await;
}

/// The paths that the front end is written for are those that are walked: a new one has to be added above.
#[test]
fn every_path_that_stands_in_the_front_end_is_walked() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let walked = [
        "/restconf/data",
        "/restconf/ds",
        "/restconf/operations",
        "/restconf/subscriptions",
        "/restconf/streams/",
        "/yang",
    ];
    let mut seen = 0;
    let front = ["mod.rs", "streams.rs", "openapi/mod.rs", "discovery.rs", "page.rs"];
    let files = front.map(|name| format!("restconf/{name}"));
    for name in files.into_iter().chain(["server/operations.rs".to_owned()]) {
        let text = std::fs::read_to_string(folder.join(&name)).expect("a source file");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        // Literals that are a path and nothing else.
        for literal in code.split('"').skip(1).step_by(2).filter(|literal| literal.len() > 1) {
            let is_path = literal.starts_with('/')
                && literal.chars().all(|c| c.is_ascii_alphanumeric() || "/.-_".contains(c));
            let is_walked = walked.iter().any(|path| literal.starts_with(path))
                || literal == ELSEWHERE
                || OPEN.contains(&literal)
                || LISTS.iter().any(|(path, _)| *path == literal);
            assert!(!is_path || is_walked, "{name}: {literal} is not walked");
            seen += u32::from(is_path);
        }
    }
    assert!(seen > 8, "the paths are found");
}
