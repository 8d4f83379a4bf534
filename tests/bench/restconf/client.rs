//! An HTTP/1.1 client that costs little beside the servers it measures: it writes requests as bytes and looks at no more
//! of an answer than its status and length. It never retries.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Outcome;
use super::entry::Request;

/// A client of one server.
#[derive(Clone)]
pub struct Client {
    tls: TlsConnector,
    address: SocketAddr,
    token: Arc<str>,
}

/// How much is asked.
#[derive(Clone, Copy)]
pub struct Run {
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// Number of the first request.
    pub first: u64,
    /// Most requests over all connections.
    pub requests: u64,
    /// Longest time.
    pub limit: Duration,
}

/// What came of it.
pub struct Timed {
    /// From the first byte of a request written to the last of its answer read.
    pub latencies: Vec<Duration>,
    /// Of all requests together, without opening the connections.
    pub took: Duration,
}

impl Client {
    /// Trusts the certificate authority in this PEM file, and has this bearer token.
    pub fn new(address: SocketAddr, authority: &std::path::Path, token: &str) -> Outcome<Client> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority)?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Client { tls: Arc::new(config).into(), address, token: token.trim().into() })
    }

    /// The same for a server with the same certificate elsewhere.
    pub fn at(&self, address: SocketAddr) -> Client {
        Client { address, ..self.clone() }
    }

    /// Asks once; the answer with its head.
    pub async fn answer_to(&self, request: &Request) -> Outcome<Vec<u8>> {
        let mut connection = self.connect().await?;
        connection.ask(&self.bytes(request)).await?;
        Ok(connection.answer)
    }

    /// Asks again and again over connections that are kept open. `request` makes the n-th request.
    pub async fn run<F>(&self, run: Run, request: F) -> Outcome<Timed>
    where
        F: Fn(u64) -> Request + Clone + Send + 'static,
    {
        let mut connections = Vec::new();
        for _ in 0..run.connections {
            connections.push(self.connect().await?);
        }
        let next = Arc::new(AtomicU64::new(run.first));
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for mut connection in connections {
            let (client, next, request) = (self.clone(), Arc::clone(&next), request.clone());
            tasks.spawn(async move {
                let mut latencies = Vec::new();
                while start.elapsed() < run.limit {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= run.first + run.requests {
                        break;
                    }
                    let bytes = client.bytes(&request(number));
                    let asked = Instant::now();
                    connection.ask(&bytes).await?;
                    latencies.push(asked.elapsed());
                }
                Outcome::Ok(latencies)
            });
        }
        let mut latencies = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            latencies.extend(ended??);
        }
        Ok(Timed { latencies, took: start.elapsed() })
    }

    fn bytes(&self, request: &Request) -> Vec<u8> {
        let Request { method, path, body } = request;
        let (address, token) = (self.address, &self.token);
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n");
        if !body.is_empty() {
            head +=
                &format!("Content-Type: application/yang-data+json\r\nContent-Length: {}\r\n", body.len());
        }
        format!("{head}\r\n{body}").into_bytes()
    }

    async fn connect(&self) -> Outcome<Connection> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::IpAddress(self.address.ip().into());
        Ok(Connection { stream: self.tls.connect(name, tcp).await?, answer: Vec::new() })
    }
}

struct Connection {
    stream: TlsStream<TcpStream>,
    answer: Vec<u8>,
}

impl Connection {
    /// Sends a request and reads its whole answer, which has to be a 2xx.
    async fn ask(&mut self, request: &[u8]) -> Outcome<()> {
        self.answer.clear();
        self.stream.write_all(request).await?;
        let mut length = None;
        while length.is_none_or(|length| self.answer.len() < length) {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err("the server closed the connection".into());
            }
            if length.is_none() {
                length = answer_length(&self.answer)?;
            }
        }
        match self.answer.starts_with(b"HTTP/1.1 2") {
            true => Ok(()),
            false => Err(format!("asked {:?}, got {:?}", lossy(request), lossy(&self.answer)).into()),
        }
    }
}

/// Octets of the answer with its head; `None` as long as the head is not complete.
fn answer_length(answer: &[u8]) -> Outcome<Option<usize>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&answer[..end])?;
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    Ok(Some(end + 4 + length.map_or(Ok(0), |(_, value)| value.trim().parse())?))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
