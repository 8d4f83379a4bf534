//! An HTTP/1.1 client that costs little beside the servers it measures: it writes requests as bytes and looks at no more
//! of an answer than its status and where it ends. It never retries.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::Outcome;
use super::entry::Request;

/// A connection, with or without TLS.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A connection that was opened.
pub type Wire = Box<dyn Duplex>;

/// The end of a body that comes in chunks, when it has no trailers.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// A client of one server.
#[derive(Clone)]
pub struct Client {
    tls: Option<TlsConnector>,
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
        Ok(Client { tls: Some(Arc::new(config).into()), address, token: token.trim().into() })
    }

    /// The same for a server with the same certificate elsewhere.
    pub fn at(&self, address: SocketAddr) -> Client {
        Client { address, ..self.clone() }
    }

    /// The same with another token.
    pub fn with_token(&self, token: &str) -> Client {
        Client { token: token.trim().into(), ..self.clone() }
    }

    /// The same without TLS.
    pub fn plain(&self, address: SocketAddr) -> Client {
        Client { address, tls: None, ..self.clone() }
    }

    /// How it is connected.
    pub fn over(&self) -> &'static str {
        if self.tls.is_some() { "TLS" } else { "plain HTTP" }
    }

    /// Asks for something that does not end; the head of the answer, and what comes after it.
    pub async fn open(&self, request: &Request) -> Outcome<(Vec<u8>, Wire)> {
        let mut wire = self.connect().await?.stream;
        wire.write_all(&self.bytes(request)).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(wire.read_u8().await?);
        }
        match head.starts_with(b"HTTP/1.1 200 ") {
            true => Ok((head, wire)),
            false => Err(format!("there is no stream: {:?}", lossy(&head)).into()),
        }
    }

    /// Asks once for something large and throws it away; its octets.
    pub async fn download(&self, request: &Request) -> Outcome<usize> {
        let mut connection = self.connect().await?;
        connection.stream.write_all(&self.bytes(request)).await?;
        let mut piece = vec![0; 256 << 10];
        let mut kept = Vec::new();
        let mut end = None;
        let mut octets = 0;
        loop {
            let count = connection.stream.read(&mut piece).await?;
            if count == 0 {
                return Err("the server closed the connection".into());
            }
            octets += count;
            kept.extend_from_slice(&piece[..count]);
            if end.is_none() {
                end = answer_end(&kept)?;
            }
            let is_whole = match &end {
                Some(End::At(length)) => octets >= *length,
                Some(End::LastChunk) => kept.ends_with(LAST_CHUNK),
                None => false,
            };
            if is_whole {
                return Ok(octets);
            }
            if end.is_some() {
                kept.drain(..kept.len().saturating_sub(LAST_CHUNK.len()));
            }
        }
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
        let stream: Wire = match &self.tls {
            Some(tls) => Box::new(tls.connect(name, tcp).await?),
            None => Box::new(tcp),
        };
        Ok(Connection { stream, answer: Vec::new() })
    }
}

struct Connection {
    stream: Wire,
    answer: Vec<u8>,
}

impl Connection {
    /// Sends a request and reads its whole answer, which has to be a 2xx.
    async fn ask(&mut self, request: &[u8]) -> Outcome<()> {
        self.answer.clear();
        self.stream.write_all(request).await?;
        let mut end = None;
        while !end.as_ref().is_some_and(|end| match end {
            End::At(length) => self.answer.len() >= *length,
            End::LastChunk => self.answer.ends_with(LAST_CHUNK),
        }) {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err("the server closed the connection".into());
            }
            if end.is_none() {
                end = answer_end(&self.answer)?;
            }
        }
        match self.answer.starts_with(b"HTTP/1.1 2") {
            true => Ok(()),
            false => Err(format!("asked {:?}, got {:?}", lossy(request), lossy(&self.answer)).into()),
        }
    }
}

/// Where an answer ends.
enum End {
    /// After so many octets, its head included.
    At(usize),
    /// Where a chunk says so.
    LastChunk,
}

/// `None` as long as the head is not complete.
fn answer_end(answer: &[u8]) -> Outcome<Option<End>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&answer[..end])?.to_ascii_lowercase();
    if head.contains("\r\ntransfer-encoding: chunked") {
        return Ok(Some(End::LastChunk));
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    Ok(Some(End::At(end + 4 + length.map_or(Ok(0), |value| value.trim().parse())?)))
}

/// An answer with its head, with the body in one piece.
pub fn in_one_piece(answer: &[u8]) -> Outcome<Vec<u8>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Err("no head".into());
    };
    let (head, mut rest) = answer.split_at(end + 4);
    let mut whole: Vec<u8> = lossy(head)
        .split_inclusive("\r\n")
        .filter(|line| !line.starts_with("transfer-encoding"))
        .collect::<String>()
        .into();
    if whole.len() == head.len() {
        return Ok(answer.to_vec());
    }
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").ok_or("no chunk")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line])?, 16)?;
        if length == 0 {
            return Ok(whole);
        }
        rest = &rest[line + 2..];
        whole.extend_from_slice(rest.get(..length).ok_or("a short chunk")?);
        rest = rest.get(length + 2..).ok_or("a short chunk")?;
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
