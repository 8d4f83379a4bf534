//! What describes the server to people and programs, and the codings of answers. It never asks for an event stream.

use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::Value as Json;

use crate::http::{Answer, Client, JSON};
use crate::process::{Server, run};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const OPENAPI: &str = "/restconf/openapi.json";
const LIBRARY: &str = "/restconf/data/ietf-yang-library:yang-library";

/// A server, and a client of a user who is no administrator.
fn server(directory: &std::path::Path) -> (Server, Client) {
    let server = Server::start(&directory.join("data"), "");
    assert!(run(&["user", "add", "eve"], server.data()).status.success());
    let token = run(&["token", "eve"], server.data()).stdout;
    let token = format!("Bearer {}", String::from_utf8(token).unwrap().trim());
    let eve = server.client_of(Some(&token));
    (server, eve)
}

fn get(client: &mut Client, target: &str, fields: &[(&str, &str)]) -> Answer {
    client.ask("GET", target, fields, b"").unwrap()
}

/// RFC 7950 section 7.11: an anyxml is any XML. It comes back as it was given, after a restart too, and so does JSON.
#[test]
fn rfc_7950_section_7_11_any_xml_stays_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let (server, _) = server(directory.path());
    let target = "/restconf/data/irtf-agent:data";
    let html = "<p xmlns=\"urn:html\" class=\"a\">one <b>two</b> three<!-- four --></p><t:n>t:dog</t:n>";
    let xml =
        format!("<data xmlns=\"urn:ietf:params:xml:ns:yang:irtf-agent\" xmlns:t=\"urn:t\">{html}</data>");
    let fields = [("Content-Type", crate::http::XML), ("Accept", crate::http::XML)];
    let mut admin = server.client();
    let put = |client: &mut Client, body: &str| client.ask("PUT", target, &fields, body.as_bytes()).unwrap();
    assert_eq!(put(&mut admin, &xml).status, 201);
    let is_as_given = |client: &mut Client| {
        let text = String::from_utf8_lossy(&get(client, target, &fields[1..]).body).into_owned();
        for part in [
            "class=\"a\"",
            "xmlns=\"urn:html\"",
            "one <b>two</b> three<!-- four --></p>",
            "xmlns:t=\"urn:t\"",
            ">t:dog</",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    };
    is_as_given(&mut admin);
    let data = server.data().to_owned();
    server.stop();
    let server = Server::start(&data, "");
    is_as_given(&mut server.client());
    // What stands for XML in records is nothing special from outside.
    let mut admin = server.client();
    for value in ["<not-xml", "<x/>"] {
        let json = serde_json::json!({"irtf-agent:data": {"agentconf-kept:xml": value}});
        assert_eq!(admin.send("PUT", target, &json).unwrap().status, 204);
        assert_eq!(get(&mut admin, target, &[("Accept", JSON)]).json(), json);
    }
}

#[test]
fn the_page_is_for_browsers_alone_and_needs_credentials() {
    let directory = tempfile::tempdir().unwrap();
    let (server, mut eve) = server(directory.path());
    let mut admin = server.client();
    for target in ["/", "/restconf"] {
        let page = get(&mut admin, target, &[("Accept", BROWSER)]);
        assert_eq!((page.status, page.field("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(
            page.field("content-security-policy")
                .is_some_and(|policy| policy.starts_with("default-src 'none'"))
        );
        let text = String::from_utf8(page.body).unwrap();
        for part in [
            OPENAPI,
            "/yang/magent-task@",
            "operations/ietf-netconf:commit<",
            "/restconf/streams/NETCONF/json",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert!(
            !text.contains("http://") && !text.contains("https://"),
            "nothing comes from elsewhere: {text}"
        );
        let refused = get(&mut server.client_of(None), target, &[("Accept", BROWSER)]);
        assert_eq!(refused.status, 401, "{target}");
        let head = admin.ask("HEAD", target, &[("Accept", BROWSER)], b"").unwrap();
        assert_eq!(head.field("content-length"), Some(text.len().to_string().as_str()));
    }
    for accept in [JSON, "*/*", "text/html;q=0.5, */*"] {
        assert_eq!(get(&mut admin, "/", &[("Accept", accept)]).status, 404, "{accept}");
        let api = get(&mut admin, "/restconf", &[("Accept", accept)]);
        assert_eq!(api.field("content-type"), Some(JSON), "{accept}");
        assert!(
            api.field("link")
                .is_some_and(|link| link.starts_with(&format!("<{OPENAPI}>; rel=\"service-desc\"")))
        );
    }
    // Every link leads somewhere.
    let page = get(&mut eve, "/", &[("Accept", BROWSER)]);
    let text = String::from_utf8(page.body).unwrap();
    let links: Vec<&str> = text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(links.len() > 20, "{links:?}");
    for link in links.iter().filter(|link| !link.contains("/streams/")) {
        let answer = get(&mut eve, link, &[]);
        assert_eq!(answer.status, 200, "{link}: {answer}");
    }
    let data = "irtf-agent:data-params";
    assert!(text.contains(&format!("<code>{data}</code> <small>(nothing is there)</small>")), "{text}");
    let entry = br#"{"irtf-agent:data-params": [{"id": "d", "dataType": "text"}]}"#;
    admin.ask("PUT", &format!("/restconf/data/{data}=d"), &[("Content-Type", JSON)], entry).unwrap();
    let page = String::from_utf8(get(&mut eve, "/", &[("Accept", BROWSER)]).body).unwrap();
    assert!(page.contains(&format!("<a href=\"/restconf/data/{data}\">")), "{page}");
}

#[test]
fn the_description_shows_what_its_reader_may_do() {
    let directory = tempfile::tempdir().unwrap();
    let (server, mut eve) = server(directory.path());
    let mut admin = server.client();
    let all = get(&mut admin, OPENAPI, &[]);
    let some = get(&mut eve, OPENAPI, &[]);
    assert_eq!(get(&mut server.client_of(None), OPENAPI, &[]).status, 401);
    let tag = all.field("etag").unwrap();
    assert_ne!(some.field("etag"), Some(tag));
    assert_eq!(get(&mut admin, OPENAPI, &[("If-None-Match", tag)]).status, 304);
    let methods = |document: &Json, path: &str| -> Vec<String> {
        let item = document["paths"][path].as_object().unwrap_or_else(|| panic!("{path} is missing"));
        item.keys().filter(|key| *key != "parameters").cloned().collect()
    };
    let (all, some) = (all.json(), some.json());
    let entry = "/restconf/data/irtf-agent:data-params={data-params-id}";
    assert_eq!(methods(&some, entry), ["delete", "get", "patch", "post", "put"]);
    let revisions = "/restconf/data/magent-datastores:revisions";
    assert_eq!(methods(&all, revisions), ["get"]);
    let filters = "/restconf/data/ietf-subscribed-notifications:filters";
    assert!(methods(&all, filters).len() > methods(&some, filters).len());
    let module = "/restconf/data/ietf-yang-library:modules-state/module={module-name},{module-revision}";
    assert_eq!(methods(&some, module), ["get"]);
    assert_eq!(methods(&some, "/restconf/operations/magent-task:assign-task"), ["post"]);
    let renew = "/restconf/data/magent-registry:registry/agents/agent={agent-name}/renew";
    assert_eq!(methods(&some, renew), ["post"]);
    let progress = &all["components"]["schemas"]["magent-task.interaction.tasks.task"]["properties"];
    assert!(progress.is_object(), "a component for each list");
}

#[test]
fn answers_are_coded_for_who_accepts_it_and_their_entity_tags_work() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"), "");
    let mut client = server.client();
    let plain = get(&mut client, LIBRARY, &[]);
    assert_eq!((plain.field("content-encoding"), plain.field("vary")), (None, Some("accept")));
    for (accept, coding) in
        [("gzip", "gzip"), ("gzip, zstd", "zstd"), ("identity;q=0, *;q=0.1, zstd;q=0", "gzip")]
    {
        let answer = get(&mut client, LIBRARY, &[("Accept-Encoding", accept)]);
        assert_eq!((answer.status, answer.field("content-encoding")), (200, Some(coding)), "{accept}");
        assert!(answer.body.len() < plain.body.len() / 3);
        let mut text = Vec::new();
        match coding {
            "gzip" => GzDecoder::new(answer.body.as_slice()).read_to_end(&mut text).unwrap(),
            _ => zstd::stream::copy_decode(answer.body.as_slice(), &mut text).map(|()| 0).unwrap(),
        };
        assert_eq!(text, plain.body);
        let head = client.ask("HEAD", LIBRARY, &[("Accept-Encoding", accept)], b"").unwrap();
        for name in ["content-encoding", "etag", "vary", "content-type"] {
            assert_eq!(head.field(name), answer.field(name), "{name}");
        }
        assert_eq!(head.field("content-length"), None);
    }
    let varies = |answer: &Answer| answer.fields.iter().filter(|(name, _)| name == "vary").count();
    assert_eq!(varies(&plain), 2, "{:?}", plain.fields);
    for (fields, why) in [
        (&[("Accept-Encoding", "br")][..], "another coding"),
        (&[("Accept-Encoding", "gzip"), ("Sec-Fetch-Site", "cross-site")], "another site's request"),
    ] {
        assert_eq!(get(&mut client, LIBRARY, fields).field("content-encoding"), None, "{why}");
    }
    let gzip = ("Accept-Encoding", "gzip");
    assert_eq!(get(&mut client, "/restconf", &[gzip]).field("content-encoding"), None, "it is small");
    assert_eq!(get(&mut client, "/nosuch", &[gzip]).field("content-encoding"), None, "it is a refusal");
    let refused = get(&mut client, LIBRARY, &[("Accept-Encoding", "br, identity;q=0")]);
    assert_eq!(refused.status, 406, "{refused}");
    assert_eq!(refused.json()["ietf-restconf:errors"]["error"][0]["error-tag"], "invalid-value");

    // A resource that is large enough, with an entity tag of its own.
    let entry = "/restconf/data/irtf-agent:data-params=d";
    let body = |text: &str| {
        format!(
            r#"{{"irtf-agent:data-params":[{{"id":"d","dataType":"text","data":"{}"}}]}}"#,
            text.repeat(2000)
        )
    };
    let put = |client: &mut Client, fields: &[(&str, &str)], text: &str| {
        let fields = [&[("Content-Type", JSON)], fields].concat();
        client.ask("PUT", entry, &fields, body(text).as_bytes()).unwrap()
    };
    let created = put(&mut client, &[gzip], "a");
    assert_eq!(created.status, 201, "{created}");
    let (plain, coded) = (get(&mut client, entry, &[]), get(&mut client, entry, &[gzip]));
    let (plain, coded) = (plain.field("etag").unwrap(), coded.field("etag").unwrap());
    assert_eq!(coded, format!("{}-gzip\"", plain.trim_end_matches('"')));
    assert_eq!(created.field("etag"), Some(plain));
    for (accept, known, status, tag) in [
        ("gzip", coded, 304, coded),
        ("gzip", plain, 304, plain),
        ("identity", plain, 304, plain),
        ("identity", coded, 200, plain),
        ("zstd", coded, 200, &format!("{}-zstd\"", plain.trim_end_matches('"'))),
    ] {
        let fields = [("Accept-Encoding", accept), ("If-None-Match", known)];
        let answer = get(&mut client, entry, &fields);
        assert_eq!((answer.status, answer.field("etag")), (status, Some(tag)), "{fields:?}");
    }
    assert_eq!(put(&mut client, &[("If-Match", coded)], "b").status, 204);
    assert_eq!(put(&mut client, &[("If-Match", coded)], "c").status, 412, "it is another one now");
    let request = put(&mut client, &[("Content-Encoding", "gzip")], "d");
    assert_eq!(request.status, 415, "{request}");
}

#[test]
fn rfc_9254_every_resource_takes_and_gives_cbor() {
    const CBOR: &str = "application/yang-data+cbor";
    const GIVEN: &str = "application/yang-data+cbor;id=name";
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"), "");
    let mut client = server.client();
    let entry = "/restconf/data/irtf-agent:data-params=d";
    // {"irtf-agent:data-params": [{"id": "d", "dataType": 0, "data": "x"}]}; 0 is "text".
    let body = b"\xA1\x76irtf-agent:data-params\x81\xA3\x62id\x61d\x68dataType\x00\x64data\x61x";
    let sent = |client: &mut Client, method: &str, target: &str, media: &str, body: &[u8]| {
        client.ask(method, target, &[("Content-Type", media), ("Accept", CBOR)], body).unwrap()
    };
    let created = sent(&mut client, "PUT", entry, CBOR, body);
    assert_eq!(created.status, 201, "{created}");
    let found = get(&mut client, entry, &[("Accept", CBOR)]);
    assert_eq!((found.field("content-type"), found.field("etag")), (Some(GIVEN), created.field("etag")));
    assert_eq!(found.body, body);
    assert_eq!(get(&mut client, entry, &[]).json()["irtf-agent:data-params"][0]["data"], "x");
    let tag = found.field("etag").unwrap();
    assert!(tag.ends_with("-cbor\""), "{tag}");
    let merged = client.ask("PATCH", entry, &[("Content-Type", GIVEN), ("If-Match", tag)], body).unwrap();
    assert_eq!(merged.status, 204, "{merged}");
    let again = sent(&mut client, "POST", "/restconf/data", CBOR, body);
    // RFC 9254 section 6.6: "application" is the fourth of the enumeration.
    assert_eq!((again.status, again.field("content-type")), (409, Some(GIVEN)));
    assert!(again.body.starts_with(b"\xA1\x74ietf-restconf:errors\xA1\x65error\x81"), "{again}");
    for (media, octets, status) in [
        ("application/yang-data+cbor;id=sid", body.as_slice(), 400),
        (CBOR, &body[..20], 400),
        (CBOR, &[body.as_slice(), b"\x00"].concat(), 400),
        (CBOR, b"{}", 400),
    ] {
        let refused = sent(&mut client, "PUT", entry, media, octets);
        assert_eq!(refused.status, status, "{media} {octets:X?}: {refused}");
    }
    let get_cbor = |client: &mut Client, target: &str| get(client, target, &[("Accept", CBOR)]);
    let api = get_cbor(&mut client, "/restconf");
    assert!(api.body.starts_with(b"\xA1\x76ietf-restconf:restconf\xA3\x64data\xA0"), "{api}");
    let operations = get_cbor(&mut client, "/restconf/operations");
    let null = b"magent-task:query-tasks\xF6";
    assert!(operations.body.windows(null.len()).any(|window| window == null), "{operations}");
    let datastore = get_cbor(&mut client, "/restconf/data?content=config");
    assert!(datastore.body.starts_with(b"\xA1\x72ietf-restconf:data"), "{datastore}");
    // {"magent-task:input": {}}
    let queried = sent(
        &mut client,
        "POST",
        "/restconf/operations/magent-task:query-tasks",
        CBOR,
        b"\xA1\x71magent-task:input\xA0",
    );
    assert!(matches!(queried.status, 200 | 204), "{queried}");
    let tagged = get_cbor(&mut client, "/restconf/data?with-defaults=report-all-tagged");
    assert_eq!(tagged.status, 400, "metadata has no form in CBOR");
}
