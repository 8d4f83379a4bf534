//! A RESTCONF client in one file: HTTP/2 over TLS, JSON, server-sent events (RFC 8040, RFC 9113).
//!
//! It knows no YANG module, and never repeats a request.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use hyper::http::request::Builder;
use hyper::{Method, Request, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value as Json, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Anything that goes wrong; the message says what.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

const YANG_JSON: &str = "application/yang-data+json";

/// A connection to a server, with the token of one user. Requests and event streams share it.
pub struct Client {
    sender: SendRequest<Bytes>,
    url: String,
    token: String,
}

impl Client {
    /// Connects to `https://HOST:PORT`, whose certificate has to be signed by the authority in the PEM file `ca`.
    pub async fn connect(url: &str, token: &str, ca: &Path) -> Result<Client, Failure> {
        let address = url.strip_prefix("https://").ok_or("the URL begins with https://")?;
        let (host, _) = address.rsplit_once(':').ok_or("the URL ends with a port")?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca)?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec()];

        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(host.to_owned())?;
        let tls = TlsConnector::from(Arc::new(tls)).connect(name, tcp).await?;
        let (sender, connection) = h2::client::handshake(tls).await?;
        // Its end is seen by whoever waits for an answer.
        tokio::spawn(connection);
        Ok(Client { sender, url: url.to_owned(), token: token.to_owned() })
    }

    /// Reads the resource at a path below `/restconf/data`.
    pub async fn get(&self, path: &str) -> Result<Json, Failure> {
        self.exchange(Method::GET, &format!("data/{path}"), None).await
    }

    /// Invokes the rpc `module:name` and gives its output.
    pub async fn call(&self, rpc: &str, input: Json) -> Result<Json, Failure> {
        let (module, _) = rpc.split_once(':').ok_or("an rpc is module:name")?;
        self.operate(&format!("operations/{rpc}"), module, input).await
    }

    /// Invokes an action of the resource at a path below `/restconf/data` and gives its output.
    pub async fn act(&self, path: &str, action: &str, input: Json) -> Result<Json, Failure> {
        let (module, _) = path.split_once(':').ok_or("a path begins with module:name")?;
        self.operate(&format!("data/{path}/{action}"), module, input).await
    }

    /// Follows the event stream: what comes from now on, or what came after the event with the id `after`.
    ///
    /// When this returns, the subscription is there: what happens now will be heard.
    pub async fn events(&self, after: Option<&str>) -> Result<Events, Failure> {
        let mut request =
            self.request(Method::GET, "streams/NETCONF/json").header(ACCEPT, "text/event-stream");
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let (status, body) = self.send(request.body(())?, None).await?;
        let events = Events { body, buffer: Vec::new() };
        match status.is_success() {
            true => Ok(events),
            false => Err(refusal(status, &events.rest().await?)),
        }
    }

    async fn operate(&self, path: &str, module: &str, input: Json) -> Result<Json, Failure> {
        let mut output =
            self.exchange(Method::POST, path, Some(json!({ format!("{module}:input"): input }))).await?;
        Ok(output.get_mut(format!("{module}:output")).map(Json::take).unwrap_or_default())
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<Json>) -> Result<Json, Failure> {
        let what = format!("{method} {path}");
        let request = self.request(method, path).header(ACCEPT, YANG_JSON).header(CONTENT_TYPE, YANG_JSON);
        let (status, answer) = self.send(request.body(())?, body).await?;
        let answer = Events { body: answer, buffer: Vec::new() }.rest().await?;
        match status {
            StatusCode::NO_CONTENT => Ok(Json::Null),
            status if status.is_success() => Ok(serde_json::from_slice(&answer)?),
            status => Err(format!("{what}: {}", refusal(status, &answer)).into()),
        }
    }

    fn request(&self, method: Method, path: &str) -> Builder {
        let request = Request::builder().method(method).uri(format!("{}/restconf/{path}", self.url));
        request.header(AUTHORIZATION, format!("Bearer {}", self.token))
    }

    async fn send(
        &self,
        request: Request<()>,
        body: Option<Json>,
    ) -> Result<(StatusCode, RecvStream), Failure> {
        let mut sender = self.sender.clone().ready().await?;
        let (answer, mut stream) = sender.send_request(request, body.is_none())?;
        if let Some(body) = body {
            stream.send_data(body.to_string().into(), true)?;
        }
        let (head, body) = answer.await?.into_parts();
        Ok((head.status, body))
    }
}

/// The text of a key in a path (RFC 8040 section 3.5.3).
pub fn key(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A refusal in one line (RFC 8040 section 7.1).
fn refusal(status: StatusCode, body: &[u8]) -> Failure {
    let body: Json = serde_json::from_slice(body).unwrap_or_default();
    let error = &body["ietf-restconf:errors"]["error"][0];
    let text = |name: &str| error[name].as_str().unwrap_or("-").to_owned();
    format!("{status}: {} ({}): {}", text("error-tag"), text("error-app-tag"), text("error-message")).into()
}

/// A notification of the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its place in the stream.
    pub id: String,
    /// When it happened, in RFC 3339.
    pub at: String,
    /// `module:name`.
    pub name: String,
    /// What it says.
    pub data: Json,
}

/// An event stream.
pub struct Events {
    body: RecvStream,
    buffer: Vec<u8>,
}

impl Events {
    /// Waits for the next event. That the server ends the stream is a failure.
    pub async fn next(&mut self) -> Result<Event, Failure> {
        let (mut id, mut data) = (String::new(), String::new());
        loop {
            let line = self.line().await?;
            match line.split_once(':') {
                Some(("id", value)) => id = value.trim_start().to_owned(),
                Some(("data", value)) => data.push_str(value.trim_start()),
                // An empty line ends an event; a comment, which keeps the connection alive, is none.
                _ if line.is_empty() && !data.is_empty() => return event(id, &data),
                _ => {}
            }
        }
    }

    async fn line(&mut self) -> Result<String, Failure> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(String::from_utf8(line)?.trim_end().to_owned());
            }
            if !self.fill().await? {
                return Err("the server ended the event stream".into());
            }
        }
    }

    async fn rest(mut self) -> Result<Vec<u8>, Failure> {
        while self.fill().await? {}
        Ok(self.buffer)
    }

    /// Takes what comes next; false at the end.
    async fn fill(&mut self) -> Result<bool, Failure> {
        let Some(bytes) = self.body.data().await.transpose()? else { return Ok(false) };
        self.body.flow_control().release_capacity(bytes.len())?;
        self.buffer.extend_from_slice(&bytes);
        Ok(true)
    }
}

/// RFC 8040 section 6.4: `eventTime`, and one member with the notification.
fn event(id: String, data: &str) -> Result<Event, Failure> {
    let Json::Object(outer) = serde_json::from_str(data)? else { return Err("an event is an object".into()) };
    let Some(Json::Object(inner)) = outer.into_iter().next().map(|(_, inner)| inner) else {
        return Err("an event has a notification".into());
    };
    let (mut at, mut told) = (String::new(), None);
    for (name, value) in inner {
        match name.as_str() {
            "eventTime" => at = value.as_str().unwrap_or_default().to_owned(),
            _ => told = Some((name, value)),
        }
    }
    let (name, data) = told.ok_or("an event has a notification")?;
    Ok(Event { id, at, name, data })
}
