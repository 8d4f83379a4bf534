//! HTTP as RESTCONF needs it: RFC 9110 for what a request means, RFC 9112 for its form on the wire.

use super::{BRIEF, DATA, entry, refused};
use crate::common::{JSON, XML, start_server};

const HOST: &str = "Host: localhost\r\n{auth}\r\n";
const LIBRARY: &str = "/restconf/yang-library-version";
const LIBRARY_BODY: &str = r#"{"ietf-restconf:yang-library-version":"2019-01-04"}"#;

/// The status of an answer that is text.
fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn rfc_9112_section_3_2_a_request_has_one_valid_host() {
    let server = start_server().await;
    for (host, expected) in [
        ("", "400"),
        ("Host: localhost\r\nHost: localhost\r\n", "400"),
        ("Host: a b\r\n", "400"),
        ("Host: user@localhost\r\n", "400"),
        ("Host: localhost:https\r\n", "400"),
        ("Host: localhost/restconf\r\n", "400"),
        ("Host:\r\n", "200"),
        ("Host: localhost:443\r\n", "200"),
        ("Host: [::1]:443\r\n", "200"),
    ] {
        let request = format!("GET {LIBRARY} HTTP/1.1\r\n{host}{{auth}}\r\nConnection: close\r\n\r\n");
        let answer = server.raw(&request).await;
        assert_eq!(status(&answer), expected, "{host:?}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn rfc_9110_section_10_2_2_location_is_a_uri_of_the_server_as_it_was_called() {
    let server = start_server().await;
    let path = "/restconf/data/irtf-agent:data-params=d";
    let body = r#"{"irtf-agent:data-params":[{"id":"d","dataType":"text"}]}"#;
    for (target, version, host, origin) in [
        ("", "1.1", "Host: example.org:8443\r\n", "https://example.org:8443"),
        ("", "1.1", "Host: [::1]:443\r\n", "https://[::1]:443"),
        ("https://example.net", "1.1", "Host: example.org\r\n", "https://example.net"),
        // Who does not say how the server is called gets a path, which is a reference to it (RFC 3986 section 4.2).
        ("", "1.1", "Host:\r\n", ""),
        ("", "1.0", "", ""),
        ("", "1.0", "Host: user@example.org\r\n", ""),
    ] {
        let request = format!(
            "POST {target}/restconf/data HTTP/{version}\r\n{host}{{auth}}\r\nConnection: close\r\n\
             Content-Type: application/yang-data+json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = server.raw(&request).await;
        let location = answer.lines().find_map(|line| line.strip_prefix("location: "));
        assert_eq!(location, Some(format!("{origin}{path}").as_str()), "{request}: {answer}");
        assert_eq!(server.ask("DELETE", path, &[], "").await.status, 204);
    }
    let user = format!("GET https://user@localhost{LIBRARY} HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n");
    assert_eq!(status(&server.raw(&user).await), "400");
    server.stop().await;
}

#[tokio::test]
async fn rfc_9112_section_3_2_2_a_target_in_absolute_form_is_taken() {
    let server = start_server().await;
    let request = format!("GET https://localhost{LIBRARY} HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n");
    let answer = server.raw(&request).await;
    assert!(status(&answer) == "200" && answer.ends_with(LIBRARY_BODY), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn rfc_9112_section_9_connections_last_as_long_as_they_are_asked_to() {
    let server = start_server().await;
    let one = format!("GET {LIBRARY} HTTP/1.1\r\n{HOST}\r\n");
    let last = format!("GET {LIBRARY} HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n");
    let pipelined = server.raw(&format!("{one}{one}{last}")).await;
    assert_eq!(pipelined.matches("HTTP/1.1 200 OK").count(), 3, "{pipelined}");
    assert_eq!(pipelined.matches(LIBRARY_BODY).count(), 3, "{pipelined}");
    assert_eq!(pipelined.matches("connection: close").count(), 1, "{pipelined}");
    // An old client need not say that it wants the connection closed, nor name a host.
    let old = server.raw(&format!("GET {LIBRARY} HTTP/1.0\r\n{{auth}}\r\n\r\n")).await;
    assert!(status(&old) == "200" && old.ends_with(LIBRARY_BODY), "{old}");
    server.stop().await;
}

#[tokio::test]
async fn rfc_9112_section_6_1_a_transfer_coding_that_is_not_known_is_refused() {
    let server = start_server().await;
    let head = format!("PUT {DATA}=d HTTP/1.1\r\n{HOST}Connection: close\r\nContent-Type: {JSON}\r\n");
    for (codings, expected) in [
        ("Transfer-Encoding: gzip, chunked\r\n", "501"),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "501"),
        ("Transfer-Encoding: chunked, chunked\r\n", "501"),
        ("Transfer-Encoding: gzip\r\n", "400"),
        ("Transfer-Encoding: Chunked \r\n", "201"),
    ] {
        let body = format!("{:x}\r\n{BRIEF}\r\n0\r\n\r\n", BRIEF.len());
        let answer = server.raw(&format!("{head}{codings}\r\n{body}")).await;
        assert_eq!(status(&answer), expected, "{codings:?}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn rfc_9112_section_7_1_a_body_may_come_in_chunks() {
    let server = start_server().await;
    let (first, second) = BRIEF.split_at(7);
    let head = format!("PUT {DATA}=d HTTP/1.1\r\n{HOST}Connection: close\r\nContent-Type: {JSON}\r\n");
    let whole = format!("{:x}\r\n{first}\r\n{:X};x=y\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());
    let put = server.raw(&format!("{head}Transfer-Encoding: chunked\r\n\r\n{whole}")).await;
    assert_eq!(status(&put), "201", "{put}");
    assert_eq!(server.get(&format!("{DATA}=d")).await.body, BRIEF);
    for broken in ["zz\r\n{}\r\n0\r\n\r\n", "2\r\n{}}\r\n0\r\n\r\n"] {
        let answer = server.raw(&format!("{head}Transfer-Encoding: chunked\r\n\r\n{broken}")).await;
        assert_eq!(status(&answer), "400", "{broken:?}: {answer}");
    }
    for lengths in ["Content-Length: 2\r\nContent-Length: 3\r\n", "Content-Length: two\r\n"] {
        let answer = server.raw(&format!("{head}{lengths}\r\n{{}}")).await;
        assert_eq!(status(&answer), "400", "{lengths:?}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn rfc_9110_section_10_1_1_who_waits_for_100_is_told_to_go_on_or_why_not() {
    let server = start_server().await;
    let put =
        format!("PUT {DATA}=d HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {JSON}\r\n");
    let expecting = format!("{put}Expect: 100-continue\r\nContent-Length: {}\r\n", BRIEF.len());
    let taken = server.raw(&format!("{expecting}{{auth}}\r\n\r\n{BRIEF}")).await;
    assert!(taken.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n"), "{taken}");
    // The body is not sent, and not waited for.
    let refused = server.raw(&format!("{expecting}\r\n")).await;
    assert_eq!(status(&refused), "401", "{refused}");
    server.stop().await;
}

#[tokio::test]
async fn rfc_9110_section_9_methods_are_case_sensitive_and_unknown_ones_are_told_so() {
    let server = start_server().await;
    for method in ["get", "Get", "QUERY", "LOCK", "CONNECTED"] {
        for target in ["/restconf", "/restconf/data", DATA, "/restconf/operations"] {
            let answer = server.ask(method, target, &[], "").await;
            assert_eq!(answer.refusal(), refused(501, "operation-not-supported"), "{method} {target}");
        }
    }
    let trace = server.ask("TRACE", "/restconf/data", &[], "").await;
    assert_eq!(trace.refusal(), refused(405, "operation-not-supported"));
    server.stop().await;
}

#[tokio::test]
async fn rfc_9110_section_9_3_7_options_of_the_server_as_a_whole() {
    let server = start_server().await;
    let whole = server.ask("OPTIONS", "*", &[], "").await;
    let all = "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE";
    assert_eq!((whole.status, whole.header("allow"), whole.body.as_str()), (200, all, ""));
    assert_eq!(server.ask("OPTIONS", "/*", &[], "").await.status, 404, "a path is none");
    assert_eq!(server.ask_as("", "OPTIONS", "*", &[], "").await.status, 401);
    server.stop().await;
}

#[tokio::test]
async fn rfc_9110_section_12_5_5_an_answer_that_was_negotiated_says_so() {
    let server = start_server().await;
    for target in ["/restconf", LIBRARY, "/restconf/operations", "/restconf/data", "/.well-known/host-meta"] {
        for method in ["GET", "HEAD"] {
            let answer = server.ask(method, target, &[], "").await;
            let varies = answer.headers.iter().any(|(name, value)| name == "vary" && value == "accept");
            assert!(answer.status == 200 && varies, "{method} {target}: {answer:?}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn rfc_9110_section_13_2_1_what_is_not_there_has_no_conditions() {
    let server = start_server().await;
    let gone = format!("{DATA}=gone");
    let (json_type, body) = (format!("Content-Type: {JSON}"), entry("gone", "x"));
    let leaf = r#"{"irtf-agent:format":"text/plain"}"#;
    for condition in ["If-Match: *", "If-Match: \"1-json\"", "If-None-Match: *", "If-None-Match: \"1-json\""]
    {
        for (method, body) in [("GET", ""), ("PATCH", body.as_str()), ("POST", leaf), ("DELETE", "")] {
            let answer = server.ask(method, &gone, &[&json_type, condition], body).await;
            assert_eq!(answer.refusal(), refused(404, "invalid-value"), "{method} {condition}");
        }
    }
    let patch = r#"{"ietf-yang-patch:yang-patch":{"patch-id":"p","edit":[{"edit-id":"1","operation":"remove","target":"/format"}]}}"#;
    let fields = ["Content-Type: application/yang-patch+json", "If-Match: *"];
    assert_eq!(server.ask("PATCH", &gone, &fields, patch).await.status, 404);
    // PUT needs no target, so its condition counts.
    let put = server.ask("PUT", &gone, &[&json_type, "If-Match: *"], &body).await;
    assert_eq!(put.refusal(), refused(412, "operation-failed"));
    server.stop().await;
}

#[tokio::test]
async fn rfc_9110_section_13_1_conditions_of_every_kind_of_edit() {
    let server = start_server().await;
    server.put(&format!("{DATA}=d"), BRIEF).await;
    let json_type = format!("Content-Type: {JSON}");
    let (past, future) = ("Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");
    let target = format!("{DATA}=d");
    let leaf = r#"{"irtf-agent:format":"text/plain"}"#;
    let store = format!(r#"{{"ietf-restconf:data":{BRIEF}}}"#);
    let edits = [
        ("PUT", target.as_str(), BRIEF),
        ("PATCH", target.as_str(), BRIEF),
        ("POST", target.as_str(), leaf),
        ("PUT", "/restconf/data", store.as_str()),
        ("PATCH", "/restconf/data", store.as_str()),
        ("DELETE", target.as_str(), ""),
    ];
    for (method, target, body) in edits {
        let wrong = [
            "If-Match: \"another\"".to_owned(),
            "If-None-Match: *".to_owned(),
            format!("If-Unmodified-Since: {past}"),
        ];
        for condition in wrong {
            let answer = server.ask(method, target, &[&json_type, &condition], body).await;
            assert_eq!(answer.refusal(), refused(412, "operation-failed"), "{method} {target} {condition}");
            let error = &answer.json()["ietf-restconf:errors"]["error"][0];
            assert_eq!(error["error-app-tag"], "precondition-failed");
        }
    }
    for (method, target, body) in edits {
        let current = server.get(target).await.header("etag").to_owned();
        // If-Modified-Since is for reads alone, and a date that is none says nothing.
        let right = [
            format!("If-Match: \"another\", {current}"),
            format!("If-Unmodified-Since: {future}"),
            "If-Unmodified-Since: yesterday".to_owned(),
            format!("If-Modified-Since: {future}"),
            "If-None-Match: \"another\"".to_owned(),
        ];
        let fields: Vec<&str> = right.iter().chain([&json_type]).map(String::as_str).collect();
        let answer = server.ask(method, target, &fields, body).await;
        assert!([201, 204].contains(&answer.status), "{method} {target}: {answer:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn rfc_9110_section_13_2_2_conditions_of_reads_and_of_what_has_no_validators() {
    let server = start_server().await;
    let target = format!("{DATA}=d");
    server.put(&target, BRIEF).await;
    let etag = server.get(&target).await.header("etag").to_owned();
    let later = "Fri, 01 Jan 2100 00:00:00 GMT";
    for (target, field, expected) in [
        (target.as_str(), "If-None-Match: *".to_owned(), 304),
        (&target, format!("If-None-Match: W/{etag}"), 304),
        (&target, format!("If-Match: W/{etag}"), 412),
        (&target, "If-Match: d".to_owned(), 400),
        ("/restconf/data?content=config", format!("If-Modified-Since: {later}"), 304),
        ("/restconf/data", "If-Modified-Since: yesterday".to_owned(), 200),
        ("/restconf/data", "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT".to_owned(), 412),
        ("/restconf", format!("If-Modified-Since: {later}"), 200),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = server.ask(method, target, &[&field], "").await;
            assert_eq!(answer.status, expected, "{method} {target} {field}");
            if expected == 304 {
                assert_eq!((answer.body.as_str(), answer.header("cache-control")), ("", "no-cache"));
                assert!(!answer.header("etag").is_empty() && !answer.header("vary").is_empty());
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn rfc_9110_section_14_2_ranges_are_not_served() {
    let server = start_server().await;
    let whole = server.ask("GET", LIBRARY, &["Range: bytes=0-3"], "").await;
    assert_eq!((whole.status, whole.body.as_str()), (200, LIBRARY_BODY));
    server.stop().await;
}

#[tokio::test]
async fn rfc_9110_section_12_5_1_quality_precision_and_wildcards_of_accept() {
    let server = start_server().await;
    for (accept, expected) in [
        ("*/*", Some(JSON)),
        ("application/*", Some(JSON)),
        ("", Some(JSON)),
        ("application/yang-data+json; charset=utf-8", Some(JSON)),
        ("APPLICATION/YANG-DATA+XML", Some(XML)),
        ("application/yang-data+json;q=0.4, application/*;q=0.5", Some(XML)),
        ("application/yang-data+json;q=0, application/yang-data+cbor;q=0, */*", Some(XML)),
        ("text/html, */*;q=0.1", Some(JSON)),
        ("application/yang-data+json;q=0", None),
        ("application/yang-data+json;q=2", None),
        ("application/json", None),
        ("application/xml", None),
        ("nonsense", None),
    ] {
        let answer = server.ask("GET", LIBRARY, &[&format!("Accept: {accept}")], "").await;
        match expected {
            Some(media_type) => {
                assert_eq!((answer.status, answer.header("content-type")), (200, media_type), "{accept}");
            }
            None => assert_eq!(answer.refusal(), refused(406, "invalid-value"), "{accept}"),
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn rfc_9110_section_8_8_1_state_that_no_event_tells_of_is_not_said_to_be_unchanged() {
    let server = start_server().await;
    let eve = server.add_user("eve");
    let nacm = "/restconf/data/ietf-netconf-acm:nacm";
    let counter = format!("{nacm}/denied-data-writes");
    for target in [counter.as_str(), nacm, "/restconf/data"] {
        let etag = server.get(target).await.header("etag").to_owned();
        let denied = r#"{"ietf-netconf-acm:enable-nacm":false}"#;
        let (leaf, field) = (format!("{nacm}/enable-nacm"), format!("Content-Type: {JSON}"));
        let refused = server.ask_as(&eve, "PUT", &leaf, &[&field], denied).await;
        assert_eq!(refused.status, 403);
        let condition = match etag.as_str() {
            "" => "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT".to_owned(),
            etag => format!("If-None-Match: {etag}"),
        };
        let again = server.ask("GET", target, &[&condition], "").await;
        assert_eq!(again.status, 200, "{target}");
    }
    server.stop().await;
}

#[tokio::test]
async fn rfc_7952_section_4_what_no_module_annotates_with_is_refused() {
    let server = start_server().await;
    server.put(&format!("{DATA}=d"), BRIEF).await;
    let body = r#"{"irtf-agent:data-params":[{"id":"d","format":"x","@format":{"ietf-netconf:operation":"delete"}}]}"#;
    let answer = server.ask("PATCH", &format!("{DATA}=d"), &[&format!("Content-Type: {JSON}")], body).await;
    assert_eq!(answer.refusal(), refused(400, "unknown-attribute"), "{answer:?}");
    server.stop().await;
}

#[tokio::test]
async fn rfc_7950_section_9_13_an_instance_that_no_path_can_name_is_not_named_by_that_of_another() {
    let server = start_server().await;
    let answer = server.get(&format!("{DATA}=a'b%22c")).await;
    assert_eq!(answer.status, 404);
    let error = &answer.json()["ietf-restconf:errors"]["error"][0];
    assert!(error.get("error-path").is_none(), "{error}");
    let other = server.get(&format!("{DATA}=a'b")).await.json();
    assert!(other["ietf-restconf:errors"]["error"][0].get("error-path").is_some(), "{other}");
    server.stop().await;
}
