//! A whole server on free ports, asked by clients that send bytes of their own. It never tests what is served.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use axum::body::Body;
use hyper::{Request, Response};

use super::listener::{Answer, Scheme};
use super::test_directory::TestDirectory;
use super::*;
use crate::access::Caller;
use crate::clock::{ManualClock, Timestamp};
use crate::limits::Limits;

/// Answers with the name of the caller, or why there is none, and never reads the body.
fn who(request: Request<Body>, caller: Caller) -> Answer {
    assert!(!request.headers().contains_key("authorization"));
    let name = caller.principal.map_or_else(|error| error.to_string(), |principal| principal.name.clone());
    Box::pin(async { Response::new(Body::from(name)) })
}

async fn application(_: &Prepared) -> Result<Application, ApplicationError> {
    Ok(Application {
        front: Arc::new(who),
        settings: Arc::new(Arc::default),
        netconf: None,
        observed: Observed::default(),
        finish: Box::pin(async { Ok(()) }),
    })
}

fn config(data: &TestDirectory, limits: Limits) -> Config {
    let listen = crate::config::Listen {
        https: vec!["127.0.0.1:0".parse().unwrap()],
        http: vec!["127.0.0.1:0".parse().unwrap()],
        ..Default::default()
    };
    Config { data: data.path().to_owned(), listen, limits, ..Config::default() }
}

async fn start(data: &TestDirectory, limits: Limits) -> Server {
    let clock = ManualClock::new("2026-11-21T05:00:00Z".parse().unwrap()).clock();
    Server::start(config(data, limits), clock, application).await.unwrap()
}

fn plain(server: &Server) -> SocketAddr {
    server.addresses().iter().find(|(scheme, _)| *scheme == Scheme::Http).unwrap().1
}

/// Sends bytes, then reads until the server closes.
async fn ask(address: SocketAddr, bytes: impl AsRef<[u8]> + Send + 'static) -> String {
    let ask = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(bytes.as_ref()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    tokio::task::spawn_blocking(ask).await.unwrap()
}

#[tokio::test]
async fn the_token_of_the_first_start_is_good() {
    let data = TestDirectory::new();
    let server = start(&data, Limits::default()).await;
    let token = std::fs::read_to_string(data.path().join("admin.jwt")).unwrap();
    let request =
        |credentials: &str| format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{credentials}\r\n");
    let answer = ask(plain(&server), request(&format!("Authorization: Bearer {}\r\n", token.trim()))).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nadmin"), "{answer}");
    let answer = ask(plain(&server), request("")).await;
    assert!(answer.contains("this needs credentials"), "{answer}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_a_request_is_refused_with_a_body() {
    let data = TestDirectory::new();
    let server = start(&data, Limits::default()).await;
    for (request, status, tag) in [
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000)), "414", "too-big"),
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(1_000_000)), "414", "too-big"),
        (format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(1_000_000)), "431", "too-big"),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(1000)), "431", "too-big"),
        ("nonsense\r\n\r\n".to_owned(), "400", "malformed-message"),
    ] {
        let answer = ask(plain(&server), request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["ietf-restconf:errors"]["error"][0]["error-tag"], tag);
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_head_of_header_bytes_max_is_taken_and_a_longer_one_is_not() {
    let data = TestDirectory::new();
    let limits = Limits { header_bytes_max: 8192, ..Limits::default() };
    let server = start(&data, limits).await;
    let bare = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: \r\n\r\n".len();
    for (length, status) in [(8192, "200"), (8193, "431"), (12_000, "431")] {
        let field = "a".repeat(length - bare);
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: {field}\r\n\r\n");
        let answer = ask(plain(&server), request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{length}: {answer}");
        assert_eq!(answer.contains("\"error-tag\":\"too-big\""), status == "431", "{answer}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_that_sends_all_before_it_reads_sees_the_answer() {
    let data = TestDirectory::new();
    let server = start(&data, Limits::default()).await;
    let mut request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\n".to_vec();
    request.resize(request.len() + 30_000_000, b'x');
    let answer = ask(plain(&server), request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn connections_that_send_nothing_end() {
    let data = TestDirectory::new();
    let limits = Limits { header_timeout_s: 1, handshake_timeout_s: 1, ..Limits::default() };
    let server = start(&data, limits).await;
    for (_, address) in server.addresses() {
        assert_eq!(ask(*address, b"").await, "");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_directory_has_one_server_and_can_be_used_again() {
    let data = TestDirectory::new();
    let server = start(&data, Limits::default()).await;
    let clock = ManualClock::new(Timestamp::EPOCH).clock();
    let second = Server::start(config(&data, Limits::default()), clock, application).await;
    assert!(matches!(second.map(drop), Err(ServeError::InUse(_))));
    server.stop().await.unwrap();
    start(&data, Limits::default()).await.stop().await.unwrap();
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end() {
    let data = TestDirectory::new();
    let server = start(&data, Limits { drain_s: 3600, ..Limits::default() }).await;
    let open: Vec<_> =
        server.addresses().iter().map(|(_, address)| TcpStream::connect(address).unwrap()).collect();
    tokio::time::timeout(Duration::from_secs(60), server.stop()).await.unwrap().unwrap();
    drop(open);
}

#[tokio::test]
async fn an_application_that_fails_fails_the_server() {
    let data = TestDirectory::new();
    let clock = || ManualClock::new(Timestamp::EPOCH).clock();
    let no_start = async |_: &Prepared| Err::<Application, ApplicationError>("no".into());
    let result = Server::start(config(&data, Limits::default()), clock(), no_start).await;
    assert!(matches!(result.map(drop), Err(ServeError::Start(_))));
    let no_end = async |prepared: &Prepared| {
        let finish = Box::pin(async { Err("lost".into()) });
        Ok(Application { finish, ..application(prepared).await? })
    };
    let server = Server::start(config(&data, Limits::default()), clock(), no_end).await.unwrap();
    assert!(matches!(server.stop().await, Err(ServeError::Finish(_))));
}
