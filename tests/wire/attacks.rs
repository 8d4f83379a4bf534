//! Attacks on what decides: ways around a rule, requests hidden in others, names that are claimed, input that is made to cost
//! much, and clients that ask too often or too slowly. It never guesses at credentials; `hostile` and `ways_in` do.

use std::io::{BufRead, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;

use serde_json::{Value as Json, json};

use crate::http::{Answer, Client, JSON, XML, read_answer};
use crate::process::{LIMIT, Server, run};
use crate::transport::{frame, literal};
use crate::victim::{DATA, ENTRY, entry};

const LIST: &str = "/restconf/data/irtf-agent:data-params";
const VERSION: &str = "/restconf/yang-library-version";
const SECRET: &str = "planted-text";

/// A server where eve may do everything with the draft's module but see or touch the entry `secret`.
struct Place {
    server: Server,
    eve: String,
    _folder: tempfile::TempDir,
}

fn token(data: &std::path::Path, user: &str) -> String {
    assert!(run(&["user", "add", user], data).status.success());
    format!("Bearer {}", String::from_utf8(run(&["token", user], data).stdout).unwrap().trim())
}

impl Place {
    fn new(settings: &str) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let data: PathBuf = folder.path().join("data");
        let server = Server::start(&data, settings);
        let eve = token(&data, "eve");
        let mut admin = server.client();
        for (id, text) in [("secret", SECRET), ("open", "anybody's")] {
            let body =
                json!({"irtf-agent:data-params": [{"id": id, "dataType": "text", "description": text}]});
            assert_eq!(admin.send("PUT", &format!("{LIST}={id}"), &body).unwrap().status, 201);
        }
        let rule = |name: &str, action: &str, path: &str| json!({"name": name, "path": path, "access-operations": "*", "action": action});
        let nacm = json!({"ietf-netconf-acm:nacm": {
            "groups": {"group": [{"name": "strangers", "user-name": ["eve"]}]},
            "rule-list": [{"name": "strangers", "group": ["strangers"], "rule": [
                rule("secret", "deny", "/irtf-agent:data-params[irtf-agent:id='secret']"),
                rule("all", "permit", "/irtf-agent:data-params"),
            ]}],
        }});
        let answer = admin.send("PUT", "/restconf/data/ietf-netconf-acm:nacm", &nacm).unwrap();
        assert!(matches!(answer.status, 201 | 204), "{answer}");
        Place { server, eve, _folder: folder }
    }

    fn eve(&self) -> Client {
        self.server.client_of(Some(&self.eve))
    }

    /// That the entry is as it was, and the server too.
    fn is_untouched(&self, after: &str) {
        let answer = self.server.client().get(&format!("{LIST}=secret"));
        assert_eq!(answer.status, 200, "after {after}: {answer}");
        assert_eq!(
            answer.json(),
            json!({"irtf-agent:data-params": [{"id": "secret", "dataType": "text", "description": SECRET}]}),
            "after {after}"
        );
        assert!(!self.server.log().contains("panicked"), "after {after}");
    }
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// `ID` stands for the entry's key, and `I` for how its first letter is written in percent-encoding.
const SPELLINGS: &[&str] = &[
    "/restconf/data/irtf-agent:data-params=ID",
    "/restconf/data/irtf-agent:data-params=ID/",
    "/restconf/data/irtf-agent:data-params=ID//",
    "/restconf/data/irtf-agent:data-params=ID/description",
    "/restconf/data/irtf-agent:data-params=ID/irtf-agent:description",
    "/restconf/data/irtf-agent:data-params=ID/description/",
    "/restconf/data/irtf-agent:data-params=ID/nosuch:description",
    "/restconf/data/irtf-agent:data-params=%ENC",
    "/restconf/data/irtf-agent:data-params=%25ENC",
    "/restconf/data/irtf-agent:data%2dparams=ID",
    "/restconf/data/irtf-agent%3Adata-params=ID",
    "/restconf/data/irtf-agent:data-params%3DID",
    "/restconf/data/irtf-agent:data-params%3dID",
    "/restconf/data%2Firtf-agent:data-params=ID",
    "/restconf%2Fdata/irtf-agent:data-params=ID",
    "/restconf%2fdata%2firtf-agent%3adata-params%3dID",
    "/%72estconf/data/irtf-agent:data-params=ID",
    "/restconf/d%61ta/irtf-agent:data-params=ID",
    "/restconf/data/%69rtf-agent:data-params=ID",
    "//restconf/data/irtf-agent:data-params=ID",
    "/restconf//data/irtf-agent:data-params=ID",
    "/restconf/data//irtf-agent:data-params=ID",
    "/restconf/data/./irtf-agent:data-params=ID",
    "/restconf/./data/irtf-agent:data-params=ID",
    "/restconf/data/x/../irtf-agent:data-params=ID",
    "/restconf/data/%2e%2e/data/irtf-agent:data-params=ID",
    "/restconf/data/irtf-agent:data-params=x/../irtf-agent:data-params=ID",
    "/restconf/operations/../data/irtf-agent:data-params=ID",
    "/yang/..%2frestconf%2fdata%2firtf-agent:data-params=ID",
    "/restconf\\data\\irtf-agent:data-params=ID",
    "/RESTCONF/data/irtf-agent:data-params=ID",
    "/restconf/DATA/irtf-agent:data-params=ID",
    "/restconf/data/IRTF-AGENT:data-params=ID",
    "/restconf/data/irtf-agent:Data-Params=ID",
    "/restconf/data/data-params=ID",
    "/restconf/data/:data-params=ID",
    "/restconf/data/ietf-netconf-acm:data-params=ID",
    "/restconf/data/irtf-agent:irtf-agent:data-params=ID",
    "/restconf/data/irtf-agent:data-params=ID,",
    "/restconf/data/irtf-agent:data-params=,ID",
    "/restconf/data/irtf-agent:data-params=ID=ID",
    "/restconf/data/irtf-agent:data-params==ID",
    "/restconf/data/irtf-agent:data-params='ID'",
    "/restconf/data/irtf-agent:data-params=%22ID%22",
    "/restconf/data/irtf-agent:data-params[id='ID']",
    "/restconf/data/irtf-agent:data-params%5Bid='ID'%5D",
    "/restconf/data/irtf-agent:data-params=ID%00",
    "/restconf/data/irtf-agent:data-params=ID%20",
    "/restconf/data/irtf-agent:data-params=%20ID",
    "/restconf/data/irtf-agent:data-params=ID%0a",
    "/restconf/data/irtf-agent:data-params=ID%E2%80%8B",
    "/restconf/data/irtf-agent:data-params=%EF%BB%BFID",
    "/restconf/data/irtf-agent:data-params=ID;x=y",
    "/restconf/data;x/irtf-agent:data-params=ID",
    "/restconf/data/irtf-agent:data-params=ID?",
    "/restconf/data/irtf-agent:data-params=ID?content=all",
    "/restconf/data/irtf-agent:data-params=ID?depth=unbounded&with-defaults=report-all-tagged",
    "/restconf/data/irtf-agent:data-params=ID?fields=description",
    "/restconf/data/irtf-agent:data-params=ID?content=%61ll",
    "/restconf/data/irtf-agent:data-params=ID#irtf-agent:data-params=open",
    "/restconf/data?fields=irtf-agent:data-params(description)",
    "/restconf/data/irtf-agent:data-params",
    "/restconf/data/irtf-agent:data-params/",
    "/restconf/ds/ietf-datastores:running/irtf-agent:data-params=ID",
    "/restconf/ds/ietf-datastores:candidate/irtf-agent:data-params=ID",
    "/restconf/ds/ietf-datastores:intended/irtf-agent:data-params=ID",
    "/restconf/ds/ietf-datastores:operational/irtf-agent:data-params=ID",
    "/restconf/ds/ietf-datastores%3Arunning/irtf-agent:data-params=ID",
    "/restconf/ds/running/irtf-agent:data-params=ID",
    "/restconf/ds/ietf-datastores:running//irtf-agent:data-params=ID",
];

fn spelled(spelling: &str, id: &str) -> String {
    let (first, rest) = id.split_at(1);
    let coded = format!("{:02x}{rest}", first.as_bytes()[0]);
    spelling.replace("%25ENC", &format!("%25{coded}")).replace("%ENC", &format!("%{coded}")).replace("ID", id)
}

#[test]
fn no_spelling_of_a_path_leads_around_a_rule() {
    let place = Place::new("");
    let (mut eve, mut admin) = (place.eve(), place.server.client());
    let mut found = 0;
    for spelling in SPELLINGS {
        let target = spelled(spelling, "secret");
        let hidden = eve.get(&target);
        assert!(matches!(hidden.status, 200 | 204 | 400 | 404), "{target}: {hidden}");
        assert!(!text(&hidden).contains(SECRET), "{target}: {hidden}");
        // What is not hidden has one verdict for all, however it is spelled.
        let (open, all) = (eve.get(&spelled(spelling, "open")), admin.get(&target));
        assert_eq!(open.status, all.status, "{target}: {open}, {all}");
        if text(&all).contains(SECRET) {
            found += 1;
            assert!(hidden.status == 404 || text(&hidden).contains("anybody's"), "{target}: {hidden}");
        }
        if target.contains('?') {
            continue;
        }
        let body =
            json!({"irtf-agent:data-params": [{"id": "secret", "dataType": "text", "description": "x"}]});
        for method in ["PUT", "PATCH", "POST"] {
            // Of the whole list nothing is said about this entry.
            if target.trim_end_matches('/').ends_with("data-params") {
                continue;
            }
            let answer = eve.send(method, &target, &body).unwrap();
            assert!(answer.status >= 400, "{method} {target}: {answer}");
            assert!(!text(&answer).contains(SECRET), "{method} {target}: {answer}");
        }
        if target.contains("secret") {
            let answer = eve.ask("DELETE", &target, &[], b"").unwrap();
            assert!(answer.status >= 400, "DELETE {target}: {answer}");
        }
    }
    assert!(found > 10, "{found}");
    place.is_untouched("spellings");
}

#[test]
fn no_form_of_an_edit_leads_around_a_rule() {
    let place = Place::new("");
    let mut eve = place.eve();
    let list =
        |id: &str| json!({"irtf-agent:data-params": [{"id": id, "dataType": "text", "description": "x"}]});
    let patch = |target: &str, operation: &str, value: Json| {
        json!({"ietf-yang-patch:yang-patch": {"patch-id": "p", "edit": [
            {"edit-id": "e", "operation": operation, "target": target, "value": value}]}})
    };
    for (method, target, media, body) in [
        ("PATCH", DATA, JSON, json!({"ietf-restconf:data": list("secret")})),
        ("PUT", DATA, JSON, json!({"ietf-restconf:data": list("secret")})),
        ("POST", DATA, JSON, list("secret")),
        ("PATCH", LIST, JSON, list("secret")),
        ("PUT", "/restconf/data/irtf-agent:data-params=open", JSON, list("secret")),
        (
            "PATCH",
            DATA,
            "application/yang-patch+json",
            patch("/irtf-agent:data-params=secret", "replace", list("secret")),
        ),
        (
            "PATCH",
            DATA,
            "application/yang-patch+json",
            patch("/irtf-agent:data-params=%73ecret", "merge", list("secret")),
        ),
        (
            "PATCH",
            DATA,
            "application/yang-patch+json",
            patch("/irtf-agent:data-params=secret", "remove", Json::Null),
        ),
        (
            "PATCH",
            DATA,
            "application/yang-patch+json",
            patch("//irtf-agent:data-params=secret", "delete", Json::Null),
        ),
    ] {
        let body = body.to_string().replace(",\"value\":null", "");
        let answer =
            eve.ask(method, target, &[("Content-Type", media), ("Accept", JSON)], body.as_bytes()).unwrap();
        assert!(answer.status >= 400, "{method} {target} {body}: {answer}");
        assert!(!text(&answer).contains(SECRET), "{method} {target} {body}: {answer}");
        place.is_untouched(&body);
    }
    for (name, value) in [
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-HTTP-Method", "DELETE"),
        ("X-Method-Override", "PUT"),
        ("X-Original-URL", "/restconf/data/irtf-agent:data-params=open"),
        ("X-Rewrite-URL", "/restconf/data/irtf-agent:data-params=open"),
        ("X-Forwarded-User", "admin"),
        ("X-Remote-User", "admin"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1;by=admin"),
        ("X-SSL-Client-S-DN", "CN=admin"),
        ("X-Forwarded-Client-Cert", "Subject=\"CN=admin\""),
        ("Connection", "close, Authorization"),
    ] {
        for method in ["GET", "POST"] {
            let answer = place.eve().ask(method, &format!("{LIST}=secret"), &[(name, value)], b"").unwrap();
            assert!(answer.status >= 400 && !text(&answer).contains(SECRET), "{name}: {answer}");
            let answer = place.server.client_of(None).ask(method, DATA, &[(name, value)], b"").unwrap();
            assert_eq!(answer.status, 401, "{name}: {answer}");
        }
        let answer =
            place.server.client().ask("GET", &format!("{LIST}=secret"), &[(name, value)], b"").unwrap();
        assert_eq!(answer.status, 200, "{name}: {answer}");
        place.is_untouched(name);
    }
}

/// All answers that come to these bytes until the server closes, or has nothing more to say to what ends with a request that
/// asks it to close.
fn answers(client: &Client, bytes: &[u8]) -> Vec<Answer> {
    let mut connection = client.connect().unwrap();
    connection.get_mut().write_all(bytes).unwrap();
    std::iter::from_fn(|| read_answer(&mut connection, false).ok()).collect()
}

#[test]
fn no_request_hides_in_another() {
    let place = Place::new("[limits]\nheader_timeout_s = 1\nbody_timeout_s = 1\n");
    let admin = place.server.client();
    // What would be done by a request that one of two readers does not see.
    let hidden = admin.head("DELETE", &format!("{LIST}=secret"), &[("Connection", "close")]);
    let body = entry(r#""id":"h","dataType":"text""#);
    let head = |fields: &[(&str, &str)]| {
        let mut all = vec![("Content-Type", JSON)];
        all.extend(fields);
        admin.head("PUT", ENTRY, &all)
    };
    let length = body.len().to_string();
    let beyond = (body.len() + hidden.len()).to_string();
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for (name, bytes) in [
        (
            "a length and chunks",
            head(&[("Content-Length", "4"), ("Transfer-Encoding", "chunked")]) + "0\r\n\r\n" + &hidden,
        ),
        (
            "chunks and a length",
            head(&[("Transfer-Encoding", "chunked"), ("Content-Length", &beyond)]) + &chunked + &hidden,
        ),
        ("two lengths", head(&[("Content-Length", &length), ("Content-Length", &beyond)]) + &body + &hidden),
        ("a list of lengths", head(&[("Content-Length", &format!("{length}, {beyond}"))]) + &body + &hidden),
        ("a length with a sign", head(&[("Content-Length", &format!("+{length}"))]) + &body + &hidden),
        ("a length in hexadecimal", head(&[("Content-Length", "0x3a")]) + &body + &hidden),
        ("chunks within something", head(&[("Transfer-Encoding", "chunked, identity")]) + &chunked + &hidden),
        ("chunks that are none", head(&[("Transfer-Encoding", "xchunked")]) + &chunked + &hidden),
        (
            "chunks and no chunks",
            head(&[("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "identity")]) + &chunked + &hidden,
        ),
        ("a tab before chunks", head(&[("Transfer-Encoding", "\u{b}chunked")]) + &chunked + &hidden),
        ("a space before the colon", head(&[("Transfer-Encoding ", "chunked")]) + &chunked + &hidden),
        ("a folded coding", head(&[("Transfer-Encoding", "\r\n chunked")]) + &chunked + &hidden),
        ("a bare CR", head(&[("X", "a\rTransfer-Encoding: chunked")]) + &chunked + &hidden),
        ("a chunk that ends with LF", head(&[("Transfer-Encoding", "chunked")]) + "2\nxx\n0\n\n" + &hidden),
        (
            "LF in a chunk extension",
            head(&[("Transfer-Encoding", "chunked")]) + &format!("2;a\nxx\r\n{}\r\n", hidden.len()) + &hidden,
        ),
        ("a chunk size with a sign", head(&[("Transfer-Encoding", "chunked")]) + "+0\r\n\r\n" + &hidden),
        (
            "a chunk size too large",
            head(&[("Transfer-Encoding", "chunked")]) + "100000000000000000\r\n\r\n" + &hidden,
        ),
        (
            "chunks in HTTP/1.0",
            head(&[("Transfer-Encoding", "chunked")]).replace("HTTP/1.1", "HTTP/1.0") + &chunked + &hidden,
        ),
    ] {
        let all = answers(&admin, bytes.as_bytes());
        // Either it is refused, or it is the last one: what follows is nobody's request.
        assert!(
            all.len() <= 1,
            "{name}: {} answers, {:?}",
            all.len(),
            all.iter().map(ToString::to_string).collect::<Vec<_>>()
        );
        // RFC 9112 section 6.3: chunks override a length, and the connection ends.
        let is_chunked = name == "chunks and a length";
        assert!(all.iter().all(|answer| answer.status >= 400 || is_chunked), "{name}: {:?}", all.first());
        place.is_untouched(name);
        let expected = if is_chunked { 200 } else { 404 };
        assert_eq!(place.server.client().get(ENTRY).status, expected, "{name}");
        place.server.client().ask("DELETE", ENTRY, &[], b"").unwrap();
    }
    // A body of GET is a body.
    let all = answers(
        &admin,
        (admin.head("GET", VERSION, &[("Content-Length", &hidden.len().to_string())])
            + &hidden
            + &admin.head("GET", VERSION, &[("Connection", "close")]))
            .as_bytes(),
    );
    assert_eq!(all.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200]);
    place.is_untouched("a body of GET");
    // Lines may end with LF alone (RFC 9112 section 2.2), and are lines then.
    let all = answers(
        &admin,
        admin.head("GET", VERSION, &[("Connection", "close")]).replace("\r\n", "\n").as_bytes(),
    );
    assert!(all.len() == 1 && matches!(all[0].status, 200 | 400));
}

#[test]
fn the_name_of_the_host_decides_nothing() {
    let place = Place::new("");
    let (admin, eve) = (place.server.client(), place.eve());
    for (client, good) in [(&admin, 200), (&eve, 404)] {
        let head = client.head("GET", &format!("{LIST}=secret"), &[("Connection", "close")]);
        let host = format!("Host: {}", place.server.address);
        for (name, status) in [
            ("evil.example.net", good),
            ("admin@127.0.0.1", 400),
            ("a b", 400),
            ("a/restconf/data", 400),
            ("a\u{1}b", 400),
            ("127.0.0.1:x", 400),
        ] {
            let all = answers(client, head.replace(&host, &format!("Host: {name}")).as_bytes());
            assert_eq!(all.iter().map(|answer| answer.status).collect::<Vec<_>>(), [status], "{name}");
        }
        let absolute =
            client.head("GET", &format!("https://evil.example.net{LIST}=secret"), &[("Connection", "close")]);
        assert_eq!(answers(client, absolute.as_bytes())[0].status, good);
        for target in ["127.0.0.1:22", "evil.example.net:443"] {
            let all = answers(client, client.head("CONNECT", target, &[("Connection", "close")]).as_bytes());
            assert!(all.iter().all(|answer| answer.status >= 400), "CONNECT {target}: {:?}", all.first());
        }
    }
    place.is_untouched("hosts");
}

/// What comes back on stream 1 of a new connection of HTTP/2 to this header block: the first octet of the status' own block if
/// there is an answer, `None` if the stream or the connection is ended with an error.
fn http2(place: &Place, block: &[u8], data: Option<&[u8]>) -> Option<Vec<u8>> {
    const HEADERS: u8 = 1;
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.extend(frame(4, 0, 0, b""));
    request.extend(frame(HEADERS, 4 | u8::from(data.is_none()), 1, block));
    if let Some(data) = data {
        request.extend(frame(0, 1, 1, data));
    }
    let mut connection = place.server.client().connect_with(&[b"h2"]).unwrap();
    connection.get_mut().write_all(&request).unwrap();
    loop {
        let mut head = [0; 9];
        connection.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        connection.read_exact(&mut payload).ok()?;
        match (head[3], &head[5..]) {
            (HEADERS, [0, 0, 0, 1]) => return Some(payload),
            // RST_STREAM and GOAWAY.
            (3 | 7, _) => return None,
            _ => {}
        }
    }
}

#[test]
fn fields_of_http_2_that_are_none_are_refused() {
    let place = Place::new("");
    let admin = place.server.admin().to_owned();
    let good = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", VERSION)];
    let block = |fields: &[(&str, &str)]| {
        fields.iter().flat_map(|(name, value)| literal(name, value)).collect::<Vec<u8>>()
    };
    let with =
        |more: &[(&str, &str)]| block(&[&good[..], &[("authorization", admin.as_str())], more].concat());
    let status = |block: &[u8], data: Option<&[u8]>| {
        http2(&place, block, data).and_then(|answer| answer.first().copied())
    };
    // RFC 7541 appendix A: `:status: 200` is entry 8.
    assert_eq!(status(&with(&[]), None), Some(0x88));
    let without = |name: &str| {
        let fields: Vec<_> = good.iter().copied().filter(|(other, _)| *other != name).collect();
        block(&[&fields[..], &[("authorization", admin.as_str())]].concat())
    };
    let put = [
        (":method", "PUT"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", ENTRY),
        ("authorization", admin.as_str()),
        ("content-type", JSON),
    ];
    let body = entry(r#""id":"h","dataType":"text""#);
    for (name, block, data) in [
        ("a path twice", with(&[(":path", "/restconf/data")]), None),
        ("a method twice", with(&[(":method", "DELETE")]), None),
        ("a field of the connection", with(&[("connection", "close")]), None),
        ("a transfer coding", with(&[("transfer-encoding", "chunked")]), None),
        ("a name in capitals", with(&[("X-Y", "a")]), None),
        ("an unknown pseudo-field", with(&[(":user", "admin")]), None),
        ("a status", with(&[(":status", "200")]), None),
        ("a line end in a value", with(&[("x", "a\r\nauthorization: b")]), None),
        ("a line end in a name", with(&[("x\r\ny", "a")]), None),
        ("no method", without(":method"), None),
        ("no path", without(":path"), None),
        ("no scheme", without(":scheme"), None),
        (
            "less than its length",
            block(&[&put[..], &[("content-length", "900")]].concat()),
            Some(body.as_bytes()),
        ),
        (
            "more than its length",
            block(&[&put[..], &[("content-length", "3")]].concat()),
            Some(body.as_bytes()),
        ),
    ] {
        let answer = status(&block, data);
        // `:status` is 400 from the static table too.
        assert!(matches!(answer, None | Some(0x8c)), "{name}: {answer:x?}");
        place.is_untouched(name);
        assert_eq!(place.server.client().get(ENTRY).status, 404, "{name}");
    }
}

#[test]
fn input_that_is_made_to_cost_much_is_refused_or_cheap() {
    let place = Place::new("");
    let mut client = place.server.client();
    let namespace = "urn:ietf:params:xml:ns:yang:irtf-agent";
    let repeated = |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<String>();
    let attributes = repeated(200_000, &|n| format!(" a{n}=\"\""));
    let prefixes = repeated(50_000, &|n| format!(" xmlns:p{n}=\"urn:{n}\""));
    let name = "n".repeat(4_000_000);
    for (what, body) in [
        (
            "200000 attributes",
            format!("<data-params xmlns=\"{namespace}\"{attributes}><id>h</id></data-params>"),
        ),
        (
            "50000 prefixes",
            format!(
                "<data-params xmlns=\"{namespace}\"{prefixes}>{}</data-params>",
                "<p49999:x/>".repeat(10_000)
            ),
        ),
        ("a name of 4 MB", format!("<data-params xmlns=\"{namespace}\"><{name}>h</{name}></data-params>")),
        ("a prefix of 4 MB", format!("<{name}:a xmlns:{name}=\"u\"/>")),
        (
            "4 MB of references",
            format!("<data-params xmlns=\"{namespace}\"><id>{}</id></data-params>", "&amp;".repeat(800_000)),
        ),
        (
            "a million comments",
            format!(
                "<data-params xmlns=\"{namespace}\">{}<id>x</id></data-params>",
                "<!---->".repeat(1_000_000)
            ),
        ),
    ] {
        let answer =
            client.ask("PUT", ENTRY, &[("Content-Type", XML), ("Accept", JSON)], body.as_bytes()).unwrap();
        assert!((400..500).contains(&answer.status), "{what}: {answer}");
        assert!(answer.body.len() < 10_000, "{what}: an answer of {} octets", answer.body.len());
        place.is_untouched(what);
    }
    let members = repeated(300_000, &|n| format!("\"x:m{n}\":1,"));
    for (what, body) in [
        ("300000 members", entry(&format!("{members}\"id\":\"h\",\"dataType\":\"text\""))),
        ("300000 equal members", entry(&format!("{}\"id\":\"h\"", "\"id\":\"h\",".repeat(300_000)))),
        (
            "300000 entries",
            format!("{{\"irtf-agent:data-params\":[{}{{}}]}}", "{\"id\":\"h\"},".repeat(300_000)),
        ),
        ("a number of 4 MB", entry(&format!("\"id\":{}", "9".repeat(4_000_000)))),
        ("an exponent of 4 MB", entry(&format!("\"id\":1e{}", "9".repeat(4_000_000)))),
        ("a name of 4 MB", entry(&format!("\"{name}\":1"))),
        ("4 MB of escapes", entry(&format!("\"id\":\"{}", "\\u0000".repeat(700_000)))),
    ] {
        let answer =
            client.ask("PUT", ENTRY, &[("Content-Type", JSON), ("Accept", JSON)], body.as_bytes()).unwrap();
        assert!((400..500).contains(&answer.status), "{what}: {answer}");
        assert!(answer.body.len() < 10_000, "{what}: an answer of {} octets", answer.body.len());
        place.is_untouched(what);
    }
    // What inflates is not inflated.
    for coding in ["gzip", "zstd", "deflate", "br", "gzip, gzip", "GZIP", "x-gzip"] {
        let fields = [("Content-Type", JSON), ("Accept", JSON), ("Content-Encoding", coding)];
        let answer = client.ask("PUT", ENTRY, &fields, &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(answer.status, 415, "{coding}: {answer}");
    }
    place.is_untouched("content codings");
}

/// Establishes a subscription: its identifier and the path of its stream, or the refusal.
fn establish(client: &mut Client, input: Json) -> Result<(u64, String), Answer> {
    let target = "/restconf/operations/ietf-subscribed-notifications:establish-subscription";
    let answer = client.send("POST", target, &json!({"ietf-subscribed-notifications:input": input})).unwrap();
    if answer.status != 200 {
        return Err(answer);
    }
    let body = answer.json();
    let output = &body["ietf-subscribed-notifications:output"];
    let uri = output["ietf-restconf-subscribed-notifications:uri"].as_str().unwrap();
    Ok((output["id"].as_u64().unwrap(), uri[uri.find("/restconf").unwrap()..].to_owned()))
}

#[test]
fn a_subscription_is_its_subscribers_alone() {
    let place = Place::new("");
    let ann = token(place.server.data(), "ann");
    let mut subscriber = place.server.client_of(Some(&ann));
    let (id, path) = establish(&mut subscriber, json!({"stream": "NETCONF"})).unwrap();
    let stream = [("Accept", "text/event-stream")];
    for spelling in
        [path.clone(), format!("{path}/"), format!("{path}%20"), path.replace("/restconf/s", "/restconf//s")]
    {
        for mut stranger in [place.eve(), place.server.client_of(None)] {
            let answer = stranger.ask("GET", &spelling, &stream, b"").unwrap();
            assert!(matches!(answer.status, 401 | 403 | 404), "{spelling}: {answer}");
        }
    }
    for name in ["modify-subscription", "delete-subscription", "kill-subscription"] {
        let target = format!("/restconf/operations/ietf-subscribed-notifications:{name}");
        let input = match name {
            "modify-subscription" => json!({"id": id, "stream-xpath-filter": "/*"}),
            _ => json!({ "id": id }),
        };
        let input = json!({ "ietf-subscribed-notifications:input": input });
        let answer = place.eve().send("POST", &target, &input).unwrap();
        assert!(matches!(answer.status, 403 | 404), "{name}: {answer}");
    }
    let mut connection = subscriber.connect().unwrap();
    connection.get_mut().write_all(subscriber.head("GET", &path, &stream).as_bytes()).unwrap();
    let mut status = String::new();
    connection.read_line(&mut status).unwrap();
    assert!(status.starts_with("HTTP/1.1 200"), "{status}");
}

#[test]
fn who_is_slow_to_begin_or_to_read_is_cut_off() {
    let settings = "[listen]\ntls = [\"127.0.0.1:0\"]\nssh = [\"127.0.0.1:0\"]\n[limits]\nhandshake_timeout_s = 1\nhello_timeout_s = 1\n\
        login_timeout_s = 1\nidle_timeout_s = 2\nsubscriptions_user_max = 1\n";
    let place = Place::new(settings);
    // A handshake that comes octet by octet.
    for scheme in ["https", "tls", "ssh"] {
        let mut tcp = TcpStream::connect(place.server.other_address(scheme)).unwrap();
        tcp.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
        let first: &[u8] = if scheme == "ssh" { b"SSH-2.0-slow" } else { &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc] };
        tcp.write_all(first).unwrap();
        let is_cut = (0..LIMIT.as_millis() / 50).any(|_| {
            let is_written = tcp.write_all(b"x").is_ok();
            // What the server says of itself first is no end.
            let read = tcp.read(&mut [0; 100]);
            let is_open = read.as_ref().is_ok_and(|count| *count > 0)
                || read.is_err_and(|error| {
                    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
                });
            !(is_written && is_open)
        });
        assert!(is_cut, "{scheme}");
    }
    // A stream that nobody reads gives its place back.
    let input = json!({
        "ietf-yang-push:datastore": "ietf-datastores:running",
        "ietf-yang-push:datastore-xpath-filter": "/irtf-agent:data-params",
        "ietf-yang-push:on-change": {},
    });
    let mut admin = place.server.client();
    let (_, path) = establish(&mut admin, input.clone()).unwrap();
    let mut unread = admin.connect().unwrap();
    let head = admin.head("GET", &path, &[("Accept", "text/event-stream")]);
    unread.get_mut().write_all(head.as_bytes()).unwrap();
    let mut status = String::new();
    unread.read_line(&mut status).unwrap();
    assert!(status.starts_with("HTTP/1.1 200"), "{status}");
    assert!(establish(&mut admin, input.clone()).is_err(), "one at a time");
    let text = "d".repeat(200_000);
    let is_free = (0..2000).any(|n| {
        let big = json!([{"id": "big", "dataType": "text", "description": format!("{text}{n}")}]);
        let answer =
            admin.send("PUT", &format!("{LIST}=big"), &json!({"irtf-agent:data-params": big})).unwrap();
        assert!(matches!(answer.status, 201 | 204), "{answer}");
        establish(&mut admin, input.clone()).is_ok()
    });
    assert!(is_free, "who does not read keeps the place for ever");
}

#[test]
fn who_asks_too_often_is_told_to_wait() {
    let place = Place::new("[limits.rates]\nuser_requests_per_s = 1\nuser_requests_burst = 20\n");
    let mut eve = place.eve();
    let statuses: Vec<u16> = (0..40).map(|_| eve.get(VERSION).status).collect();
    assert!(statuses.iter().filter(|status| **status == 200).count() >= 20, "{statuses:?}");
    let refused = (0..40).map(|_| eve.get(VERSION)).find(|answer| answer.status == 429).unwrap();
    assert!(
        refused.field("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|s| s > 0)),
        "{refused}"
    );
    let error = &refused.json()["ietf-restconf:errors"]["error"][0];
    assert_eq!(error["error-tag"], "resource-denied");
    assert_eq!(error["error-app-tag"], "too-many-requests");
    let ann = token(place.server.data(), "ann");
    assert_eq!(place.server.client_of(Some(&ann)).get(VERSION).status, 200, "others are not held up");
}

#[test]
fn one_source_has_so_many_requests_and_connections() {
    let place = Place::new(
        "[limits.rates]\nsource_requests_per_s = 1\nsource_requests_burst = 200\nsource_connections_max = 8\n",
    );
    let mut strangers = place.server.client_of(None);
    let limited =
        (0..400).any(|_| strangers.ask("GET", "/.well-known/host-meta", &[], b"").unwrap().status == 429);
    assert!(limited, "whoever asks");
    let held: Vec<TcpStream> = (0..7).map(|_| TcpStream::connect(place.server.address).unwrap()).collect();
    // The ninth is closed before the handshake.
    let mut one_more = TcpStream::connect(place.server.address).unwrap();
    one_more.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(one_more.read(&mut [0]).unwrap_or(0), 0);
    for tcp in held {
        tcp.shutdown(Shutdown::Both).unwrap();
    }
    let is_free = (0..10_000).any(|_| place.server.client().ask("GET", VERSION, &[], b"").is_ok());
    assert!(is_free);
}

#[test]
fn fetch_metadata_a_page_of_another_origin_changes_nothing() {
    let place = Place::new("");
    let mut admin = place.server.client();
    let host = place.server.address.to_string();
    let (own, other) = (format!("https://{host}"), "https://evil.example".to_owned());
    let open = format!("{LIST}=open");
    for (fields, status) in [
        (vec![("Sec-Fetch-Site", "cross-site")], 403),
        (vec![("Sec-Fetch-Site", "same-site"), ("Origin", own.as_str())], 403),
        (vec![("Origin", other.as_str())], 403),
        (vec![("Origin", "null")], 403),
        (vec![("Origin", own.as_str())], 204),
        (vec![("Sec-Fetch-Site", "same-origin"), ("Origin", other.as_str())], 204),
        (vec![("Sec-Fetch-Site", "none")], 204),
    ] {
        let body = json!({"irtf-agent:data-params": [{"id": "open", "dataType": "text"}]});
        admin.send("PUT", &open, &body).unwrap();
        let posted =
            admin.ask("POST", "/restconf/operations/ietf-netconf:discard-changes", &fields, b"").unwrap();
        let deleted = admin.ask("DELETE", &open, &fields, b"").unwrap();
        assert_eq!((posted.status, deleted.status), (status, status), "{fields:?}: {deleted}");
        // What only reads is asked for by links too, and browsers show no other page what it says.
        assert_eq!(admin.ask("GET", VERSION, &fields, b"").unwrap().status, 200, "{fields:?}");
    }
}

#[test]
fn keys_that_no_url_can_name_are_refused() {
    let place = Place::new("");
    let mut admin = place.server.client();
    let create = |admin: &mut Client, octets: usize| {
        let body =
            json!({"irtf-agent:data-params": [{"id": "\u{4e00}".repeat(octets / 3), "dataType": "text"}]});
        admin.send("POST", "/restconf/data", &body).unwrap()
    };
    let made = create(&mut admin, 4096);
    assert_eq!(made.status, 201, "{made}");
    let target = made.field("location").unwrap().split_once("/restconf").unwrap().1.to_owned();
    assert_eq!(admin.get(&format!("/restconf{target}")).status, 200);
    let refused = create(&mut admin, 4098);
    assert_eq!(refused.status, 413, "{refused}");
    assert_eq!(refused.json()["ietf-restconf:errors"]["error"][0]["error-tag"], "too-big");
}

#[test]
fn every_answer_tells_browsers_to_do_nothing_with_it() {
    let place = Place::new("");
    let admin = place.server.client();
    let mut all = vec![
        place.server.client_of(None).get(DATA),
        place.server.client_of(None).ask("GET", "/.well-known/host-meta", &[], b"").unwrap(),
        admin.raw(b"nonsense\r\n\r\n").unwrap(),
        admin.raw(format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(200_000)).as_bytes()).unwrap(),
        admin.raw(admin.head("GET", DATA, &vec![("X", "y"); 200]).as_bytes()).unwrap(),
    ];
    for (method, target, accept) in [
        ("GET", DATA, JSON),
        ("GET", "/", "text/html"),
        ("GET", "/nosuch", XML),
        ("OPTIONS", DATA, JSON),
        ("TRACE", DATA, JSON),
        ("DELETE", "/restconf/data/irtf-agent:data-params=open", JSON),
        ("GET", "/yang/irtf-agent.yang", "*/*"),
        ("GET", DATA, "text/plain"),
    ] {
        all.push(place.server.client().ask(method, target, &[("Accept", accept)], b"").unwrap());
    }
    for answer in &all {
        assert_eq!(answer.field("strict-transport-security"), Some("max-age=31536000"), "{answer}");
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"), "{answer}");
        assert_eq!(answer.field("referrer-policy"), Some("no-referrer"), "{answer}");
        assert_eq!(answer.field("cross-origin-resource-policy"), Some("same-origin"), "{answer}");
        let policy = answer.field("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(answer.field("cache-control").is_some(), "{answer}");
        assert_eq!(answer.field("server").or(answer.field("x-powered-by")), None, "{answer}");
        assert_eq!(answer.field("access-control-allow-origin"), None, "{answer}");
    }
}
