//! Limits at the largest value that they can have: a server with all of them starts, answers on every listener, and bears what
//! is as deep as they let it be.

use std::collections::BTreeMap;
use std::fs;

use agentconf::limits::Limits;
use serde_json::{Value as Json, json};

use crate::netconf::Session;
use crate::process::{Server, run};

const DATA: &str = "/restconf/data/irtf-agent:data";

/// That many elements in one another.
fn nested(depth: usize) -> String {
    format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth))
}

#[test]
fn a_server_with_all_limits_at_their_largest_starts_and_bears_the_deepest() {
    let folder = tempfile::tempdir().unwrap();
    let largest = Limits::largest();
    let settings = toml::to_string(&BTreeMap::from([("limits", &largest)])).unwrap();
    let listen =
        ["tls", "ssh", "http"].map(|scheme| format!("listen.{scheme} = [\"127.0.0.1:0\"]\n")).concat();
    let settings = listen + &settings;
    let data = folder.path().join("data");
    let server = Server::start(&data, &settings);
    let depth = largest.depth_max;

    let mut client = server.client();
    let arrays = (1..depth).fold(json!(1), |inner, _| json!([inner]));
    let value = json!({ "irtf-agent:data": arrays });
    assert_eq!(client.send("PUT", DATA, &value).unwrap().status, 201);
    assert_eq!(client.get(DATA).json(), value);
    assert_eq!(client.send("PUT", DATA, &json!({ "irtf-agent:data": [arrays] })).unwrap().status, 400);
    let xml = |body: &str| format!("<data xmlns=\"urn:ietf:params:xml:ns:yang:irtf-agent\">{body}</data>");
    let as_xml = [("Content-Type", "application/yang-data+xml"), ("Accept", "application/yang-data+json")];
    let mut put = |depth| client.ask("PUT", DATA, &as_xml, xml(&nested(depth)).as_bytes()).unwrap().status;
    assert_eq!((put(depth), put(depth - 1)), (400, 204));
    let deepest = client.get(DATA).json();

    let mut session = Session::begin(&server, folder.path(), "root");
    let filter = nested(depth - 10);
    let reply = session.rpc("", &format!("<get><filter type=\"subtree\">{filter}</filter></get>"));
    assert!(reply.contains("<data"), "{reply}");
    drop(session);
    server.kill();
    // What was taken can be read from the log.
    let server = Server::start(&data, &settings);
    assert_eq!(server.client().get(DATA).json(), deepest);
    server.kill();
}

#[test]
fn a_limit_that_is_larger_than_it_can_be_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checked.toml");
    let Json::Object(limits) = serde_json::to_value(Limits::largest()).unwrap() else { panic!() };
    for name in ["password_checks_max", "header_timeout_s", "depth_max", "data_bytes_max"] {
        let most = limits[name].as_u64().unwrap();
        for (value, code) in [(most, 0), (most + 1, 2), (i64::MAX as u64, 2)] {
            fs::write(&file, format!("limits.{name} = {value}\n")).unwrap();
            let data = folder.path().join("data");
            let output = run(&["serve", "--check", "--config", file.to_str().unwrap()], &data);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(code), "{name} {value}: {said}");
            let reason = format!("limits.{name} has to be at most {most}");
            assert!(code == 0 || said.contains(&reason), "{said}");
        }
    }
}
