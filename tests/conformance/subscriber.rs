//! A subscriber as the tests of RFC 8639, 8641 and 8650 need it: it establishes, and reads its stream event by event.

use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::common::{Answer, JSON, TestServer};

const OPERATIONS: &str = "/restconf/operations/ietf-subscribed-notifications:";

/// An open stream of a subscription, or any other stream of events.
pub struct Subscriber {
    pub id: u32,
    stream: BufReader<TlsStream<TcpStream>>,
}

/// Invokes an operation of ietf-subscribed-notifications.
pub async fn invoke(server: &TestServer, token: &str, operation: &str, input: Json) -> Answer {
    let body = json!({"ietf-subscribed-notifications:input": input}).to_string();
    let fields = format!("Content-Type: {JSON}");
    server.ask_as(token, "POST", &format!("{OPERATIONS}{operation}"), &[&fields], &body).await
}

/// Establishes a subscription: its output.
pub async fn establish_as(server: &TestServer, token: &str, input: Json) -> Json {
    let answer = invoke(server, token, "establish-subscription", input).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["ietf-subscribed-notifications:output"].clone()
}

/// Establishes a subscription of the administrator: its identifier and the URI of its stream.
pub async fn establish(server: &TestServer, input: Json) -> (u32, String) {
    let output = establish_as(server, server.admin(), input).await;
    let id = output["id"].as_u64().and_then(|id| u32::try_from(id).ok()).expect("an id");
    let uri = output["ietf-restconf-subscribed-notifications:uri"].as_str().expect("a URI").to_owned();
    (id, uri)
}

/// Establishes a subscription of the administrator and opens its stream.
pub async fn subscribe(server: &TestServer, input: Json) -> Subscriber {
    let (id, uri) = establish(server, input).await;
    Subscriber::open(server, server.admin(), id, &uri).await
}

impl Subscriber {
    pub async fn open(server: &TestServer, token: &str, id: u32, uri: &str) -> Subscriber {
        Subscriber { id, stream: BufReader::new(server.open_as(token, uri).await) }
    }

    /// The next event without its envelope (RFC 8040 section 6.4); nothing if the stream has ended.
    pub async fn next(&mut self) -> Option<Json> {
        let text = self.next_text().await?;
        let json: Json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let mut inner = json["ietf-restconf:notification"].clone();
        inner.as_object_mut()?.remove("eventTime").expect("a time");
        Some(inner)
    }

    /// The data of the next event as it came.
    pub async fn next_text(&mut self) -> Option<String> {
        let lines = self.next_lines().await?;
        let data: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("data: ")).collect();
        (!data.is_empty()).then(|| data.join("\n"))
    }

    /// The lines of the next event that has data, with those that came before it; sizes of chunks may be among them.
    pub async fn next_lines(&mut self) -> Option<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            if !matches!(self.stream.read_until(b'\n', &mut line).await, Ok(length) if length > 0) {
                return None;
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if line.is_empty() && lines.iter().any(|line: &String| line.starts_with("data: ")) {
                return Some(lines);
            }
            lines.push(line);
        }
    }
}
