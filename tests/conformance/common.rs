//! A whole server in this process, on a free port and in a directory of its own, and a client that sends what it
//! is told over real TLS: HTTP/1.1, one connection for each request.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use agentconf::access::Bounds;
use agentconf::clock::Clock;
use agentconf::config::{Config, Listen};
use agentconf::limits::Limits;
use agentconf::server::Server;
use agentconf::server::listener::Scheme;
use agentconf::server::tokens::Tokens;
use agentconf::server::users::{self, User};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The media types of RFC 8040 section 11.3.
pub const JSON: &str = "application/yang-data+json";
pub const XML: &str = "application/yang-data+xml";

/// A server that serves.
pub struct TestServer {
    server: Server,
    address: SocketAddr,
    tls: TlsConnector,
    directory: tempfile::TempDir,
    admin: String,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// Starts a server with its default settings.
pub async fn start_server() -> TestServer {
    start_server_with(Limits::default()).await
}

/// Starts a server with these limits.
pub async fn start_server_with(limits: Limits) -> TestServer {
    let directory = tempfile::tempdir().expect("a directory");
    let listen = Listen { https: vec!["127.0.0.1:0".parse().expect("an address")], ..Listen::default() };
    let config = Config { data: directory.path().to_owned(), listen, limits, ..Config::default() };
    start_server_on(directory, config).await
}

/// Starts a server with these settings, whose data is in the directory. It listens for HTTPS.
pub async fn start_server_on(directory: tempfile::TempDir, config: Config) -> TestServer {
    let server = Server::start(config, Clock::system(), agentconf::application::build)
        .await
        .expect("the server starts");
    let https = server.addresses().iter().find(|(scheme, _)| *scheme == Scheme::Https);
    let address = https.expect("it listens for HTTPS").1;
    let ca =
        CertificateDer::from_pem_file(directory.path().join("pki/ca.pem")).expect("the CA's certificate");
    let mut roots = RootCertStore::empty();
    roots.add(ca).expect("a CA");
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let admin =
        std::fs::read_to_string(directory.path().join("admin.jwt")).expect("the token of the first start");
    let admin = admin.trim().to_owned();
    TestServer { server, address, tls: TlsConnector::from(Arc::new(tls)), directory, admin }
}

impl TestServer {
    /// Adds a user and gives a token of theirs.
    pub fn add_user(&self, name: &str) -> String {
        self.add_user_in(name, &[])
    }

    /// The same in groups.
    pub fn add_user_in(&self, name: &str, groups: &[&str]) -> String {
        let (data, limits) = (self.directory.path(), Limits::default());
        let created = Clock::system().now();
        let user = User {
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            password: None,
            ssh_keys: Vec::new(),
            created,
        };
        users::edit(data, |users| Ok(users.insert(name.to_owned(), user))).expect("the user is added");
        let random = rustls::crypto::ring::default_provider().secure_random;
        let tokens = Tokens::open(data, Clock::system(), &limits, random).expect("the key of the tokens");
        tokens.issue(name, Vec::new(), Bounds::default(), 600).expect("a token")
    }

    /// Removes a user.
    pub fn remove_user(&self, name: &str) {
        users::edit(self.directory.path(), |users| Ok(users.remove(name))).expect("the user is removed");
    }

    /// Asks as the administrator. `fields` are lines such as `If-Match: *`.
    pub async fn ask(&self, method: &str, target: &str, fields: &[&str], body: &str) -> Answer {
        self.ask_as(&self.admin, method, target, fields, body).await
    }

    /// Asks with a token, or without credentials if it is empty.
    pub async fn ask_as(
        &self,
        token: &str,
        method: &str,
        target: &str,
        fields: &[&str],
        body: &str,
    ) -> Answer {
        self.ask_octets(token, method, target, fields, body.as_bytes()).await
    }

    /// The same with a body that need not be text.
    pub async fn ask_octets(
        &self,
        token: &str,
        method: &str,
        target: &str,
        fields: &[&str],
        body: &[u8],
    ) -> Answer {
        let mut stream = self.send(token, method, target, fields, body).await;
        let mut answer = Vec::new();
        // The server closes as it is asked to; whether TLS was closed in order does not matter here.
        let _ = stream.read_to_end(&mut answer).await;
        Answer::parse(&answer)
    }

    /// Reads a stream until its text satisfies `enough`.
    pub async fn follow(&self, target: &str, fields: &[&str], enough: impl Fn(&str) -> bool) -> String {
        self.follow_as(&self.admin, target, fields, enough).await
    }

    /// As [`Self::follow`], with a token.
    pub async fn follow_as(
        &self,
        token: &str,
        target: &str,
        fields: &[&str],
        enough: impl Fn(&str) -> bool,
    ) -> String {
        let mut stream = self.send(token, "GET", target, fields, &[]).await;
        read_on(&mut stream, enough).await
    }

    /// Opens a stream, to be read piece by piece with [`read_on`]. Its head has arrived.
    pub async fn open_as(&self, token: &str, target: &str) -> TlsStream<TcpStream> {
        let mut stream = self.send(token, "GET", target, &[], &[]).await;
        let head = read_on(&mut stream, |text| text.contains("\r\n\r\n")).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        stream
    }

    /// Where it listens for NETCONF over TLS.
    pub fn netconf(&self) -> SocketAddr {
        let tls = self.server.addresses().iter().find(|(scheme, _)| *scheme == Scheme::Tls);
        tls.expect("it listens for NETCONF").1
    }

    /// Where its data is.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The administrator's token.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// GET, JSON.
    pub async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[], "").await
    }

    /// PUT of JSON.
    pub async fn put(&self, target: &str, body: &str) -> Answer {
        self.ask("PUT", target, &[&format!("Content-Type: {JSON}")], body).await
    }

    /// POST of JSON.
    pub async fn post(&self, target: &str, body: &str) -> Answer {
        self.ask("POST", target, &[&format!("Content-Type: {JSON}")], body).await
    }

    /// Sends text as it is, with the administrator's credentials in place of `{auth}`, and gives all that comes
    /// back until the server closes.
    pub async fn raw(&self, text: &str) -> String {
        let tcp = TcpStream::connect(self.address).await.expect("it listens");
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = self.tls.connect(name, tcp).await.expect("TLS");
        let text = text.replace("{auth}", &format!("Authorization: Bearer {}", self.admin));
        let _ = stream.write_all(text.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Stops in order; what it leaves is gone with the directory.
    pub async fn stop(self) -> tempfile::TempDir {
        self.server.stop().await.expect("the server stops");
        self.directory
    }

    async fn send(
        &self,
        token: &str,
        method: &str,
        target: &str,
        fields: &[&str],
        body: &[u8],
    ) -> TlsStream<TcpStream> {
        let target = target.strip_prefix("https://localhost").unwrap_or(target);
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        if !token.is_empty() {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        for field in fields {
            head.push_str(&format!("{field}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let tcp = TcpStream::connect(self.address).await.expect("it listens");
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = self.tls.connect(name, tcp).await.expect("TLS");
        // A server that refuses early may close before it has taken everything.
        let _ = stream.write_all(&[head.as_bytes(), b"\r\n", body].concat()).await;
        stream
    }
}

/// Reads on until what was read since satisfies `enough`, or the stream ends.
pub async fn read_on(stream: &mut TlsStream<TcpStream>, enough: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    // One octet at a time: what comes after is for the next call.
    let mut part = [0; 1];
    let mut bytes = Vec::new();
    while !enough(&text) {
        match stream.read(&mut part).await {
            Ok(count) if count > 0 => bytes.push(part[0]),
            _ => break,
        }
        if part[0] == b'\n' {
            text = String::from_utf8_lossy(&bytes).into_owned();
        }
    }
    text
}

impl Answer {
    fn parse(bytes: &[u8]) -> Answer {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer, but {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
        let field =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let mut answer = Answer { status, headers: lines.filter_map(field).collect(), body: body.to_owned() };
        // A stream of events is read while it goes on, chunks and all.
        if answer.header("transfer-encoding") == "chunked"
            && answer.header("content-type") != "text/event-stream"
        {
            answer.body = whole(body);
        }
        answer
    }

    /// The value of a header field, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The status and the `error-tag`.
    pub fn refusal(&self) -> (u16, String) {
        let json = self.json();
        let error = &json["ietf-restconf:errors"]["error"][0];
        assert!(error["error-message"].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        (self.status, error["error-tag"].as_str().unwrap_or_default().to_owned())
    }
}

/// The content of a chunked body (RFC 9112 section 7.1), which has to be complete.
fn whole(mut chunks: &str) -> String {
    let mut body = String::new();
    loop {
        let (size, rest) = chunks.split_once("\r\n").expect("the size of a chunk");
        let size = usize::from_str_radix(size, 16).expect("a size");
        body.push_str(&rest[..size]);
        if size == 0 {
            return body;
        }
        chunks = rest[size..].strip_prefix("\r\n").expect("the end of a chunk");
    }
}
