//! Traces over the wire (W3C Trace Context, draft-ietf-netconf-restconf-trace-ctx-headers-11,
//! draft-ietf-netconf-trace-ctx-extension-09): a collector that decodes what it gets with the types of OpenTelemetry.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::{Value as Json, json};

use crate::http::JSON;
use crate::netconf::Session;
use crate::process::{LIMIT, Server, run};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const REGISTER: &str = "/restconf/operations/magent-registry:register-agent";
const W3CTC: &str = "xmlns:w3ctc=\"urn:ietf:params:xml:ns:netconf:w3ctc:1.0\"";

/// A collector; what it was sent, with the fields of the request.
struct Collector {
    address: SocketAddr,
    requests: Receiver<(String, ExportTraceServiceRequest)>,
    spans: Vec<Span>,
}

impl Collector {
    fn start() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (told, requests) = sync_channel(1000);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let (mut head, mut length) = (String::new(), 0);
                while !head.ends_with("\r\n\r\n") {
                    let mut line = String::new();
                    stream.read_line(&mut line).unwrap();
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                        length = value.trim().parse().unwrap();
                    }
                    head.push_str(&line);
                }
                let mut content = vec![0; length];
                stream.read_exact(&mut content).unwrap();
                let decoded = ExportTraceServiceRequest::decode(content.as_slice()).unwrap();
                // Nobody listens any more at the end of a test.
                let _ = told.send((head, decoded));
                let answer =
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
                let _ = stream.get_mut().write_all(answer);
            }
        });
        Collector { address, requests, spans: Vec::new() }
    }

    fn settings(&self) -> String {
        format!(
            "[operations.traces]\nendpoint = \"http://{}/v1/traces\"\nservice-name = \"hub\"\n",
            self.address
        )
    }

    /// Waits until there is a span of that name, and gives it.
    fn span(&mut self, name: &str) -> Span {
        loop {
            if let Some(found) = self.spans.iter().find(|span| span.name == name) {
                return found.clone();
            }
            let next = self.requests.recv_timeout(LIMIT);
            let (head, request) = next.unwrap_or_else(|_| panic!("no span {name:?} of {:#?}", self.spans));
            assert!(
                head.starts_with("POST /v1/traces HTTP/1.1\r\n") && head.contains("application/x-protobuf"),
                "{head}"
            );
            for of_resource in request.resource_spans {
                let attributes = of_resource.resource.unwrap().attributes;
                assert!(attributes.iter().any(|a| a.key == "service.name"
                    && a.value.as_ref().unwrap().value == Some(Value::StringValue("hub".into()))));
                self.spans.extend(of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans));
            }
        }
    }

    /// The parts of a span by their names, once there are these.
    fn parts(&mut self, whole: &Span, names: &[&str]) -> BTreeMap<String, Span> {
        for name in names {
            self.span(name);
        }
        let parts = self.spans.iter().filter(|span| span.parent_span_id == whole.span_id);
        parts.map(|span| (span.name.clone(), span.clone())).collect()
    }
}

fn attributes(span: &Span) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let all = span.attributes.iter();
    all.map(|a| (a.key.clone(), text(a.value.as_ref().unwrap().value.as_ref().unwrap()))).collect()
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn profile(name: &str) -> Json {
    json!({"magent-registry:input": {"name": name, "description": "d", "version": "1.0.0", "provider": "p"}})
}

/// The audit of the change that made an agent.
fn audited(server: &Server, path: &str) -> Json {
    let output = run(&["audit", "export"], server.data());
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    lines.find(|line| line["kind"] == "change" && line["path"].to_string().contains(path)).unwrap()
}

#[test]
fn a_request_of_restconf_is_a_tree_of_spans_in_the_trace_of_its_client() {
    let mut collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &collector.settings());
    let mut client = server.client();
    let mut events = server.client().events(None).unwrap();
    let fields = [("Content-Type", JSON), ("traceparent", PARENT), ("tracestate", "a=1")];
    let answer = client.ask("POST", REGISTER, &fields, profile("traced").to_string().as_bytes()).unwrap();
    assert_eq!(answer.status, 200);
    let own = answer.field("traceparent").unwrap().to_owned();
    assert!(own.starts_with(&PARENT[..36]) && own.ends_with("-01") && own != PARENT, "{own}");

    let whole = collector.span("POST /restconf/operations/magent-registry:register-agent");
    assert_eq!(
        (hexadecimal(&whole.trace_id), hexadecimal(&whole.parent_span_id)),
        (TRACE.into(), "00f067aa0ba902b7".into())
    );
    assert_eq!(format!("00-{TRACE}-{}-01", hexadecimal(&whole.span_id)), own);
    assert_eq!(whole.kind, 2, "a server");
    let told = attributes(&whole);
    assert_eq!(
        (told["http.request.method"].as_str(), told["http.response.status_code"].as_str()),
        ("POST", "200")
    );
    assert_eq!(told["agentconf.user.class"], "admin");
    let parts = collector.parts(&whole, &["writer.wait", "decide", "commit", "answer"]);
    let order = ["writer.wait", "decide", "commit", "answer"].map(|name| &parts[name]);
    assert!(whole.start_time_unix_nano <= order[0].start_time_unix_nano && whole.start_time_unix_nano > 0);
    for two in order.windows(2) {
        assert!(two[0].end_time_unix_nano <= two[1].end_time_unix_nano, "{two:?}");
    }
    assert!(order[3].end_time_unix_nano <= whole.end_time_unix_nano);
    assert_eq!(attributes(order[2])["agentconf.group.requests"], "1");

    // Who follows the events has got one.
    assert!(events.next().unwrap().data.contains("traced"));
    let notified = collector.span("notify");
    assert_eq!(
        (notified.parent_span_id.as_slice(), notified.trace_id.as_slice()),
        (&whole.span_id[..], &whole.trace_id[..])
    );

    // It is kept with the event, and told by the audit.
    let change = audited(&server, "traced");
    assert_eq!(
        (&change["trace-id"], &change["span-id"]),
        (&json!(TRACE), &json!(hexadecimal(&whole.span_id)))
    );
    assert!(run(&["log", "verify"], server.data()).status.success());

    // No value, and no name of an entry, is in any span.
    assert_eq!(client.get("/restconf/data/magent-registry:registry/agents/agent=traced").status, 200);
    let read = collector.span("GET /restconf/data/magent-registry:registry/agents/agent={}");
    assert_ne!(hexadecimal(&read.trace_id), TRACE, "without a context it has a trace of its own");
    assert!(read.parent_span_id.is_empty());
    assert!(!format!("{:?}", collector.spans).contains("traced"));
    assert_eq!(server.client_of(None).get("/restconf/data").status, 401);
    assert_eq!(attributes(&collector.span("GET"))["agentconf.user.class"], "nobody");
    // A path that names nothing is the client's own text.
    let fields = [("traceparent", PARENT)];
    assert_eq!(client.ask("GET", "/restconf/data/hidden-by-client", &fields, b"").unwrap().status, 400);
    assert_eq!(client.ask("DELETE", "/restconf/hidden-by-client", &fields, b"").unwrap().status, 404);
    assert!(client.get("/restconf/data?nonsense=hidden-by-client").status >= 400);
    collector.span("DELETE");
    assert!(!format!("{:?}", collector.spans).contains("hidden-by-client"));
    assert!(server.stop().success());
}

#[test]
fn a_traceparent_that_is_wrong_is_ignored_and_the_request_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), "listen.tls = [\"127.0.0.1:0\"]\n");
    let mut client = server.client();
    for wrong in ["nonsense", &PARENT.to_uppercase(), &PARENT.replacen("00", "ff", 1)] {
        let answer = client.ask("GET", "/restconf", &[("traceparent", wrong)], b"").unwrap();
        assert_eq!((answer.status, answer.field("traceparent")), (200, None), "{wrong}");
    }
    let twice = [("traceparent", PARENT), ("traceparent", PARENT)];
    assert_eq!(client.ask("GET", "/restconf", &twice, b"").unwrap().field("traceparent"), None);
    // Nothing is exported, and what the client says is kept and answered all the same.
    let fields = [("Content-Type", JSON), ("traceparent", PARENT)];
    let answer = client.ask("POST", REGISTER, &fields, profile("kept").to_string().as_bytes()).unwrap();
    assert_eq!((answer.status, answer.field("traceparent")), (200, Some(PARENT)));
    assert_eq!(audited(&server, "kept")["trace-id"], TRACE);

    // The command line hands on the trace of whoever has started it.
    let url = format!("https://{}", server.address);
    let agent = ["name=commanded", "description=d", "version=1.0.0", "provider=p"];
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_agentconf"));
    command.args(["call", "--data"]).arg(server.data()).args([&url, "magent-registry:register-agent"]);
    assert!(command.args(agent).env("TRACEPARENT", PARENT).output().unwrap().status.success());
    assert_eq!(audited(&server, "commanded")["trace-id"], TRACE);

    let mut session = Session::begin(&server, folder.path(), "root");
    assert!(session.hello.contains("urn:ietf:params:netconf:capability:w3ctc:1.0"), "{}", session.hello);
    for module in ["ietf-trace-ctx-traceparent-1.0", "ietf-trace-ctx-tracestate-1.0"] {
        assert!(
            session.hello.contains(&format!("?module={module}&amp;revision=2026-09-17")),
            "{}",
            session.hello
        );
    }
    let reply = session.rpc(
        &format!("{W3CTC} w3ctc:traceparent=\"Bad Format\""),
        "<get-config><source><running/></source><filter/></get-config>",
    );
    assert!(reply.contains("w3ctc:traceparent=\"Bad Format\"") && !reply.contains("rpc-error"), "{reply}");
    assert!(server.stop().success());
}

#[test]
fn a_request_of_netconf_is_a_tree_of_spans_too() {
    let mut collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("listen.tls = [\"127.0.0.1:0\"]\n{}", collector.settings());
    let server = Server::start(&folder.path().join("data"), &settings);
    let mut session = Session::begin(&server, folder.path(), "root");
    let attributes_of_rpc = format!("{W3CTC} w3ctc:traceparent=\"{PARENT}\" w3ctc:tracestate=\"a=1\"");
    let edit = |id: &str| {
        format!(
            "<edit-config><target><running/></target><config><data-params xmlns=\"urn:ietf:params:xml:ns:yang:irtf-agent\">\
         <id>{id}</id><dataType>text</dataType></data-params></config></edit-config>"
        )
    };
    let namespace = {
        let text = server.client().get("/restconf/data/ietf-yang-library:yang-library").json().to_string();
        let at = text.find("\"name\":\"irtf-agent\"").unwrap();
        text[at..].split("\"namespace\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let edit = edit("made").replace("urn:ietf:params:xml:ns:yang:irtf-agent", &namespace);
    let reply = session.rpc(&attributes_of_rpc, &edit);
    assert!(reply.contains("<ok/>") && reply.contains(PARENT), "{reply}");
    let whole = collector.span("netconf edit-config");
    assert_eq!(
        (hexadecimal(&whole.trace_id), hexadecimal(&whole.parent_span_id)),
        (TRACE.into(), "00f067aa0ba902b7".into())
    );
    let told = attributes(&whole);
    assert_eq!((told["rpc.method"].as_str(), told["agentconf.outcome"].as_str()), ("edit-config", "ok"));
    let parts = collector.parts(&whole, &["writer.wait", "decide", "commit", "answer"]);
    assert_eq!(parts.len(), 4, "{parts:?}");
    assert_eq!(audited(&server, "made")["trace-id"], TRACE);
    assert!(!format!("{:?}", collector.spans).contains("made"));
    assert!(server.stop().success());
}

#[test]
fn a_collector_that_is_down_costs_nothing_but_spans_which_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = format!(
        "[operations]\nlisten = \"127.0.0.1:0\"\ntraces = {{ endpoint = \"http://{free}/v1/traces\" }}\n"
    );
    let server = Server::start(&folder.path().join("data"), &settings);
    let mut client = server.client();
    assert_eq!(client.get("/restconf").status, 200);
    server.wait_for_log("the collector takes no spans");
    let operations = server.other_address("operations");
    let dropped = (0..1_000_000).any(|_| {
        let mut stream = std::net::TcpStream::connect(operations).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let count =
            text.lines().find_map(|line| line.strip_prefix("agentconf_spans_dropped_total ")).unwrap();
        count.parse::<u64>().unwrap() > 0
    });
    assert!(dropped && client.get("/restconf").status == 200);
    assert!(server.stop().success());
}

#[test]
fn a_trace_of_nobody_is_told_by_the_ratio_and_kept_nowhere() {
    let mut collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("{}ratio = 0.0\n", collector.settings());
    let server = Server::start(&folder.path().join("data"), &settings);
    let fields = [("traceparent", PARENT)];
    let mut anybody = server.client_of(Some("Bearer wrong"));
    let answer = anybody.ask("GET", "/restconf/data", &fields, b"").unwrap();
    assert_eq!(answer.status, 401);
    assert!(answer.field("traceparent").unwrap().ends_with("-00"), "{answer}");
    let mut client = server.client();
    assert_eq!(client.ask("GET", "/restconf", &fields, b"").unwrap().status, 200);
    collector.span("GET /restconf");
    assert!(collector.spans.iter().all(|span| attributes(span)["agentconf.user.class"] == "admin"));
    let output = run(&["audit", "export"], server.data());
    let text = String::from_utf8(output.stdout).unwrap();
    let refused = text.lines().find(|line| line.contains("wrong-token")).unwrap();
    assert!(!refused.contains(TRACE), "{refused}");
    assert!(server.stop().success());
}
