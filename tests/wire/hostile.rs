//! Requests that are well-formed HTTP, and wrong otherwise: unknown paths, broken documents, data that does not fit, bad
//! credentials. It never sends anything that the server may accept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::http::{JSON, XML};
use crate::victim::{DATA, ENTRY, GOOD, REGISTER, Request, Victim, entry, told_in_json};

const PUT_DATA: &str = "/restconf/operations/magent-task:put-data";
const NEGOTIATE: &str = "/restconf/operations/magent-task:open-negotiation";
const GOOD_XML: &str = "<id>h</id><dataType>text</dataType>";

fn xml_entry(content: &str) -> String {
    format!("<data-params xmlns=\"urn:ietf:params:xml:ns:yang:irtf-agent\">{content}</data-params>")
}

#[test]
fn unknown_resources_are_not_found() {
    let victim = Victim::new();
    for (target, path) in [
        ("/", ""),
        ("/nosuch", ""),
        ("/restconf/nosuch", ""),
        ("/restconf/data/nosuch:tree", ""),
        ("/restconf/data/irtf-agent:nosuch", ""),
        ("/restconf/data/irtf-agent:agent/nosuch", ""),
        (ENTRY, "/irtf-agent:data-params[id='h']"),
        ("/restconf/data/irtf-agent:data-params", "/irtf-agent:data-params"),
        (
            "/restconf/data/magent-task:interaction/tasks/task=t",
            "/magent-task:interaction/tasks/task[id='t']",
        ),
        ("/restconf/operations/irtf-agent:nosuch", ""),
        ("/restconf/streams/nosuch", ""),
        ("/yang/nosuch.yang", ""),
        ("/yang/..%2f..%2f..%2fetc%2fpasswd", ""),
        ("/restconf/../../etc/passwd", ""),
    ] {
        victim.refuses(target, (404, "invalid-value", path), Request::new("GET", target, b""));
    }
    victim.refuses(
        "DELETE",
        (404, "invalid-value", "/irtf-agent:data-params[id='h']"),
        Request::new("DELETE", ENTRY, b""),
    );
    let body = entry(GOOD);
    let patch =
        Request { fields: &[("Content-Type", JSON)], ..Request::new("PATCH", ENTRY, body.as_bytes()) };
    victim.refuses("PATCH", (404, "invalid-value", ""), patch);
}

#[test]
fn malformed_targets_are_bad_requests() {
    let victim = Victim::new();
    for target in [
        "/restconf/data/agent",
        "/restconf/data//irtf-agent:agent",
        "/restconf/data/irtf-agent:data-params=%FF",
        "/restconf/data/irtf-agent:data-params=%00",
        "/restconf/data/irtf-agent:data-params=%4",
        "/restconf/data/irtf-agent:data-params=a,b",
        "/restconf/data/irtf-agent:agent=a",
        "/restconf/data/magent-registry:registry/agents/agent/name",
        "/restconf/data?depth=0",
        "/restconf/data?depth=1&depth=2",
        "/restconf/data?nosuch=1",
        "/restconf/data?fields=(",
        "/restconf/data?content=%FF",
    ] {
        victim.refuses(target, (400, "invalid-value", ""), Request::new("GET", target, b""));
    }
    let deep = format!("/restconf/data/{}", "irtf-agent:agent/".repeat(900));
    victim.refuses("a deep path", (404, "invalid-value", ""), Request::new("GET", &deep, b""));
    let deep = format!("/restconf/data?fields={}x{}", "a(".repeat(2000), ")".repeat(2000));
    victim.refuses("deep fields", (400, "invalid-value", ""), Request::new("GET", &deep, b""));
}

#[test]
fn broken_json_is_refused() {
    let victim = Victim::new();
    let broken: [(&str, Vec<u8>); 19] = [
        ("an open object", b"{".to_vec()),
        ("two values", format!("{}{}", entry(GOOD), entry(GOOD)).into()),
        ("a bracket too many", format!("{}}}", entry(GOOD)).into()),
        ("a comma too many", entry(r#""id":"h","dataType":"text","#).into()),
        ("single quotes", entry("'id':'h'").into()),
        ("a comment", format!("/* no */{}", entry(GOOD)).into()),
        ("NaN", entry(r#""id":NaN"#).into()),
        ("a number too large", entry(r#""id":1e999"#).into()),
        ("a byte order mark", [b"\xef\xbb\xbf".to_vec(), entry(GOOD).into()].concat()),
        (
            "no UTF-8",
            [b"{\"irtf-agent:data-params\":[{\"id\":\"h\",\"dataType\":\"text\",\"data\":\"\xff\"}]}"
                .to_vec()]
            .concat(),
        ),
        ("UTF-16", entry(GOOD).encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("a NUL", entry("\"id\":\"h\",\"dataType\":\"text\",\"data\":\"\0\"").into()),
        ("NULs alone", vec![0; 1000]),
        ("half a surrogate pair", entry(r#""id":"h","dataType":"text","data":"\ud800""#).into()),
        ("a member twice", entry(r#""id":"h","dataType":"text","dataType":"text""#).into()),
        ("the top member twice", format!("{{{0},{0}}}", &entry(GOOD)[1..entry(GOOD).len() - 1]).into()),
        ("100000 arrays", "[".repeat(100_000).into()),
        ("100000 objects", "{\"a\":".repeat(100_000).into()),
        (
            "100000 arrays in their right place",
            format!("{{\"irtf-agent:data\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000)).into(),
        ),
    ];
    for (name, body) in broken {
        victim.refuses_entry(name, (400, "malformed-message", ""), &body);
    }
    victim.refuses_entry("no body", (400, "malformed-message", ""), b"");
    let body = format!("{{\"irtf-agent:data\":{}1{}}}", "[".repeat(80), "]".repeat(80));
    let request = Request {
        fields: &[("Content-Type", JSON)],
        ..Request::new("PUT", "/restconf/data/irtf-agent:data", body.as_bytes())
    };
    victim.refuses("anydata nested too deep", (400, "malformed-message", ""), request);
}

#[test]
fn broken_xml_is_refused() {
    let victim = Victim::new();
    let lol = "<!DOCTYPE l [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
    let broken: [(&str, Vec<u8>); 22] = [
        ("an open element", b"<data-params>".to_vec()),
        ("two roots", xml_entry(GOOD_XML).repeat(2).into()),
        ("text after the root", format!("{}x", xml_entry(GOOD_XML)).into()),
        ("crossing elements", xml_entry("<id><dataType>h</id></dataType>").into()),
        ("DOCTYPE", format!("<!DOCTYPE data-params>{}", xml_entry(GOOD_XML)).into()),
        ("entities in entities", format!("{lol}{}", xml_entry("<id>&b;</id>")).into()),
        (
            "a file as an entity",
            format!("<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>{}", xml_entry("<id>&e;</id>"))
                .into(),
        ),
        ("an unknown entity", xml_entry("<id>&nbsp;</id><dataType>text</dataType>").into()),
        ("a reference to NUL", xml_entry("<id>h&#0;</id><dataType>text</dataType>").into()),
        ("a reference to no character", xml_entry("<id>h&#xD800;</id><dataType>text</dataType>").into()),
        ("a reference too large", xml_entry("<id>h&#99999999999;</id><dataType>text</dataType>").into()),
        ("a NUL", xml_entry("<id>h\0</id><dataType>text</dataType>").into()),
        ("a control character", xml_entry("<id>h\u{1}</id><dataType>text</dataType>").into()),
        (
            "no UTF-8",
            [b"<data-params xmlns=\"urn:ietf:params:xml:ns:yang:irtf-agent\"><id>\xff</id></data-params>"
                .to_vec()]
            .concat(),
        ),
        (
            "another encoding",
            format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>{}", xml_entry(GOOD_XML)).into(),
        ),
        ("an undeclared prefix", xml_entry("<x:id>h</x:id><dataType>text</dataType>").into()),
        ("an attribute twice", xml_entry("<id a=\"1\" a=\"2\">h</id>").into()),
        ("an attribute without quotes", xml_entry("<id a=1>h</id>").into()),
        ("an open CDATA section", xml_entry("<id><![CDATA[h</id>").into()),
        ("]]> in text", xml_entry("<id>]]></id><dataType>text</dataType>").into()),
        ("-- in a comment", xml_entry("<!-- a -- b --><id>h</id>").into()),
        ("100000 elements", "<a>".repeat(100_000).into()),
    ];
    for (name, body) in broken {
        victim.refuses_xml(name, (400, "malformed-message", ""), &body);
    }
}

#[test]
fn what_does_not_fit_the_schema_is_refused_with_its_place() {
    let victim = Victim::new();
    let at = "/irtf-agent:data-params[id='h']";
    // Without a key there is nothing else to name an entry by.
    let first = "/irtf-agent:data-params[1]";
    let of = |name: &str| format!("{at}/{name}");
    for (name, status, tag, path, members) in [
        (
            "a string for a boolean",
            400,
            "invalid-value",
            of("chunked"),
            r#""id":"h","dataType":"text","chunked":"yes""#,
        ),
        ("a number for a string", 400, "invalid-value", of("data"), r#""id":"h","dataType":"text","data":5"#),
        ("null", 400, "invalid-value", of("data"), r#""id":"h","dataType":"text","data":null"#),
        ("an object for a leaf", 400, "invalid-value", of("data"), r#""id":"h","dataType":"text","data":{}"#),
        ("no such enum", 400, "invalid-value", of("dataType"), r#""id":"h","dataType":"smell""#),
        ("U+0000", 400, "invalid-value", of("data"), r#""id":"h","dataType":"text","data":"\u0000""#),
        (
            "an unknown member",
            400,
            "unknown-element",
            at.to_owned(),
            r#""id":"h","dataType":"text","nosuch":1"#,
        ),
        (
            "a member of no module",
            400,
            "unknown-namespace",
            at.to_owned(),
            r#""id":"h","dataType":"text","nosuch:data":"x""#,
        ),
        ("something mandatory missing", 409, "data-missing", of("dataType"), r#""id":"h""#),
        (
            "another key than the target's",
            400,
            "invalid-value",
            at.to_owned(),
            r#""id":"i","dataType":"text""#,
        ),
    ] {
        victim.refuses_entry(name, (status, tag, &path), entry(members).as_bytes());
    }
    victim.refuses_entry("no key", (400, "missing-element", first), entry(r#""dataType":"text""#).as_bytes());
    victim.refuses_entry(
        "an object for a list",
        (400, "bad-element", ""),
        b"{\"irtf-agent:data-params\":{\"id\":\"h\"}}",
    );
    victim.refuses_entry(
        "two entries",
        (400, "bad-element", ""),
        br#"{"irtf-agent:data-params":[{"id":"h","dataType":"text"},{"id":"i","dataType":"text"}]}"#,
    );
    victim.refuses_entry("no entry", (400, "bad-element", ""), br#"{"irtf-agent:data-params":[]}"#);
    victim.refuses_entry("an array", (400, "bad-element", ""), b"[]");
    victim.refuses_entry("a scalar", (400, "bad-element", ""), b"null");
    victim.refuses_entry("another resource", (400, "unknown-element", ""), br#"{"irtf-agent:tasks":{}}"#);
    for (name, tag, path, content) in [
        ("text among elements", "bad-element", at.to_owned(), "<id>h</id>text<dataType>text</dataType>"),
        (
            "a leaf twice",
            "bad-element",
            of("dataType"),
            "<id>h</id><dataType>text</dataType><dataType>text</dataType>",
        ),
        ("an element in a leaf", "invalid-value", of("dataType"), "<id>h</id><dataType><text/></dataType>"),
        (
            "another namespace",
            "unknown-namespace",
            at.to_owned(),
            "<id>h</id><dataType xmlns=\"urn:nosuch\">text</dataType>",
        ),
        ("an attribute", "unknown-attribute", of("dataType"), "<id>h</id><dataType a=\"b\">text</dataType>"),
    ] {
        victim.refuses_xml(name, (400, tag, &path), xml_entry(content).as_bytes());
    }
    let tasks = Request {
        fields: &[("Content-Type", JSON)],
        ..Request::new(
            "PUT",
            "/restconf/data/irtf-agent:tasks",
            br#"{"irtf-agent:tasks":{"content":"no sections"}}"#,
        )
    };
    victim.refuses("a violated pattern", (400, "invalid-value", "/irtf-agent:tasks/content"), tasks);
    let profile = |name: &str| json!({"magent-registry:input": {"name": name, "description": "d", "version": "1", "provider": "p"}});
    let name_at = "/magent-registry:input/name";
    victim.refuses_input(
        "a name with a space before it",
        (400, "invalid-value", name_at),
        REGISTER,
        &profile(" x").to_string(),
    );
    let no_name = r#"{"magent-registry:input":{"description":"d","version":"1","provider":"p"}}"#;
    victim.refuses_input("no name", (400, "missing-element", name_at), REGISTER, no_name);
}

#[test]
fn numbers_have_the_form_of_rfc_7951() {
    let victim = Victim::new();
    let put = |offset: &str| {
        format!(
            r#"{{"magent-task:input":{{"id":"x","from":"oss","data-type":"text","text":"x","offset":{offset}}}}}"#
        )
    };
    let offset = "/magent-task:input/offset";
    for text in [
        "0",
        "18446744073709551616",
        "-1",
        "0.0",
        "\"18446744073709551616\"",
        "\"-1\"",
        "\"0x10\"",
        "\" 1\"",
        "\"1e3\"",
        "\"\"",
        "true",
    ] {
        victim.refuses_input(
            &format!("uint64 as {text}"),
            (400, "invalid-value", offset),
            PUT_DATA,
            &put(text),
        );
    }
    let open = |rounds: &str| {
        format!(
            r#"{{"magent-task:input":{{"type":"feasibility","from":"oss","to":"agentconf","content":"x","max-rounds":{rounds}}}}}"#
        )
    };
    let rounds = "/magent-task:input/max-rounds";
    for text in ["\"6\"", "6.5", "4294967296", "99999999999999999999999", "-6", "[6]"] {
        victim.refuses_input(
            &format!("uint32 as {text}"),
            (400, "invalid-value", rounds),
            NEGOTIATE,
            &open(text),
        );
    }
}

#[test]
fn without_good_credentials_nothing_is_told() {
    let victim = Victim::new();
    let basic = |text: &[u8]| format!("Basic {}", STANDARD.encode(text));
    let token = victim.server.admin().to_owned();
    let mut forged = token.clone();
    forged.truncate(token.len() - 4);
    let unsigned = format!("Bearer {}.{}.", "eyJhbGciOiJub25lIn0", token.split('.').nth(1).unwrap());
    let wrong = [
        ("no credentials", None),
        ("a wrong password", Some(basic(b"admin:wrong"))),
        ("an unknown user", Some(basic(b"nobody:wrong"))),
        ("no password", Some(basic(b"somebody:"))),
        ("no colon", Some(basic(b"admin"))),
        ("no UTF-8", Some(basic(b"\xff:\xff"))),
        ("no base64", Some("Basic ====".to_owned())),
        ("no token", Some("Bearer ".to_owned())),
        ("a token cut short", Some(forged)),
        ("a token without a signature", Some(unsigned)),
        ("another scheme", Some("Digest username=\"admin\"".to_owned())),
        ("a scheme alone", Some("Basic".to_owned())),
        ("a long token", Some(format!("Bearer {}", "a".repeat(50_000)))),
    ];
    for (name, authorization) in &wrong {
        for accept in [JSON, XML] {
            for target in ["/restconf/data", "/nosuch", "/restconf/streams/NETCONF/json"] {
                let mut client = victim.server.client_of(authorization.as_deref());
                let answer = client.ask("GET", target, &[("Accept", accept)], b"").unwrap();
                if target.ends_with("/json") {
                    // Nobody asks for an event stream in these; it is refused before that matters.
                    assert_eq!(answer.status, 401, "{name}: {answer}");
                }
                assert!(answer.field("www-authenticate").is_some(), "{name}: {answer}");
                victim.compare(name, (401, "access-denied", ""), &answer, accept);
            }
        }
    }
    let twice = [("Authorization", token.as_str())];
    victim.refuses(
        "two fields",
        (401, "access-denied", ""),
        Request { fields: &twice, ..Request::new("GET", DATA, b"") },
    );
    let meta = victim.server.client_of(None).ask("GET", "/.well-known/host-meta", &[], b"").unwrap();
    assert_eq!(meta.status, 200, "{meta}");
}

#[test]
fn who_guesses_passwords_has_to_wait() {
    let victim = Victim::new();
    let guess = format!("Basic {}", STANDARD.encode("oss:guess"));
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let answer = victim.server.client_of(Some(&guess)).get(DATA);
        statuses.push(answer.status);
        if answer.status == 429 {
            assert!(
                answer.field("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok()),
                "{answer}"
            );
            assert_eq!(told_in_json(&answer).tag, "access-denied");
        }
    }
    assert_eq!((statuses.first(), statuses.last()), (Some(&401), Some(&429)), "{statuses:?}");
    victim.serves("guesses");
}

#[test]
fn methods_media_types_and_conditions_are_checked() {
    let victim = Victim::new();
    let good = entry(GOOD);
    for (name, status, tag, method, target, fields) in [
        ("DELETE of the datastore", 405, "operation-not-supported", "DELETE", DATA, &[][..]),
        ("GET of an rpc", 405, "operation-not-supported", "GET", REGISTER, &[]),
        ("POST to a list", 400, "invalid-value", "POST", "/restconf/data/irtf-agent:data-params", &[]),
        (
            "PUT of state",
            405,
            "operation-not-supported",
            "PUT",
            "/restconf/data/irtf-agent:agent",
            &[("Content-Type", JSON)],
        ),
        ("an unknown method", 501, "operation-not-supported", "BREW", DATA, &[]),
        ("TRACE", 405, "operation-not-supported", "TRACE", DATA, &[]),
        ("an unknown media type", 415, "invalid-value", "PUT", ENTRY, &[("Content-Type", "text/plain")]),
        ("no media type", 415, "invalid-value", "PUT", ENTRY, &[]),
        (
            "a content coding",
            415,
            "invalid-value",
            "PUT",
            ENTRY,
            &[("Content-Type", JSON), ("Content-Encoding", "gzip")],
        ),
        ("JSON said to be XML", 400, "malformed-message", "PUT", ENTRY, &[("Content-Type", XML)]),
        (
            "another version",
            412,
            "operation-failed",
            "PUT",
            ENTRY,
            &[("Content-Type", JSON), ("If-Match", "\"nosuch\"")],
        ),
        (
            "no entity tag",
            400,
            "invalid-value",
            "PUT",
            ENTRY,
            &[("Content-Type", JSON), ("If-Match", "nosuch")],
        ),
    ] {
        let body = if ["GET", "DELETE", "TRACE"].contains(&method) { "" } else { &good };
        victim.refuses(
            name,
            (status, tag, ""),
            Request { fields, ..Request::new(method, target, body.as_bytes()) },
        );
    }
    let mut client = victim.server.client();
    let answer = client.ask("GET", DATA, &[("Accept", "text/html")], b"").unwrap();
    victim.compare("text/html", (406, "invalid-value", ""), &answer, JSON);
    let answer =
        client.ask("GET", "/restconf/streams/NETCONF/json", &[("Last-Event-ID", "nosuch")], b"").unwrap();
    victim.compare("an unknown event", (400, "invalid-value", ""), &answer, JSON);
    let answer =
        client.ask("GET", "/restconf/streams/NETCONF/json", &[("Last-Event-ID", "999999999")], b"").unwrap();
    victim.compare("an event to come", (400, "invalid-value", ""), &answer, JSON);
}
