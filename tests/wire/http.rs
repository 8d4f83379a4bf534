//! An HTTP/1.1 client that sends what it is told, byte for byte, and reads answers and event streams. It never retries,
//! follows or repairs anything.

use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value as Json;

use crate::process::LIMIT;

pub const JSON: &str = "application/yang-data+json";
pub const XML: &str = "application/yang-data+xml";

/// A connection over TLS, with the certificate checked.
pub type Connection = BufReader<StreamOwned<ClientConnection, TcpStream>>;

/// A client that keeps its connection as long as the server does.
pub struct Client {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    authorization: Option<String>,
    connection: Option<Connection>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// One server-sent event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: String,
    pub data: String,
}

impl Client {
    pub fn new(address: SocketAddr, tls: Arc<ClientConfig>, authorization: Option<String>) -> Client {
        Client { address, tls, authorization, connection: None }
    }

    /// A new connection, for whoever wants to write to it.
    pub fn connect(&self) -> io::Result<Connection> {
        self.connect_with(&[])
    }

    /// A new connection that offers these protocols (RFC 7301).
    pub fn connect_with(&self, protocols: &[&[u8]]) -> io::Result<Connection> {
        let mut tls = self.tls.as_ref().clone();
        tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let tcp = TcpStream::connect(self.address)?;
        tcp.set_read_timeout(Some(LIMIT))?;
        tcp.set_write_timeout(Some(LIMIT))?;
        tcp.set_nodelay(true)?;
        let name = ServerName::from(self.address.ip());
        let tls = ClientConnection::new(Arc::new(tls), name).map_err(Error::other)?;
        Ok(BufReader::new(StreamOwned::new(tls, tcp)))
    }

    /// The head of a request: line, `Host`, `Authorization` and the fields given.
    pub fn head(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> String {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.address);
        let own = self.authorization.as_deref().map(|value| ("Authorization", value));
        for (name, value) in own.iter().chain(fields) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head
    }

    /// The same client at another address.
    pub fn at(&self, address: SocketAddr) -> Client {
        Client { address, ..Client::new(address, Arc::clone(&self.tls), self.authorization.clone()) }
    }

    /// The certificate that the server showed on the connection that is kept.
    pub fn server_certificate(&self) -> Vec<u8> {
        let tls = &self.connection.as_ref().unwrap().get_ref().conn;
        tls.peer_certificates().unwrap()[0].to_vec()
    }

    /// One request and its answer.
    pub fn ask(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let length = body.len().to_string();
        let mut fields = fields.to_vec();
        if !body.is_empty() {
            fields.push(("Content-Length", &length));
        }
        let mut request = self.head(method, target, &fields).into_bytes();
        request.extend_from_slice(body);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        connection.get_mut().write_all(&request)?;
        let answer = read_answer(&mut connection, method == "HEAD")?;
        if answer.field("connection") != Some("close") {
            self.connection = Some(connection);
        }
        Ok(answer)
    }

    pub fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, &[("Accept", JSON)], b"").unwrap()
    }

    /// A request with a body of JSON.
    pub fn send(&mut self, method: &str, target: &str, body: &Json) -> io::Result<Answer> {
        self.ask(method, target, &[("Content-Type", JSON), ("Accept", JSON)], body.to_string().as_bytes())
    }

    /// An rpc or action; the answer has to be good.
    pub fn call(&mut self, target: &str, body: &Json) -> Json {
        let answer = self.send("POST", target, body).unwrap();
        assert!(matches!(answer.status, 200 | 204), "{target} {body}: {answer}");
        if answer.body.is_empty() { Json::Null } else { answer.json() }
    }

    /// Writes bytes, whether or not the server goes on reading them, and then reads the answer.
    pub fn raw(&self, bytes: &[u8]) -> io::Result<Answer> {
        let mut connection = self.connect()?;
        let written = connection.get_mut().write_all(bytes).and_then(|()| connection.get_mut().flush());
        read_answer(&mut connection, false).map_err(|error| match written {
            Err(first) => {
                Error::new(error.kind(), format!("{error}, after the request failed with: {first}"))
            }
            Ok(()) => error,
        })
    }

    /// Follows the stream of events, after the event with this id if there is one.
    pub fn events(&self, after: Option<&str>) -> io::Result<Events> {
        let mut fields = vec![("Accept", "text/event-stream")];
        fields.extend(after.map(|id| ("Last-Event-ID", id)));
        let mut connection = self.connect()?;
        connection
            .get_mut()
            .write_all(self.head("GET", "/restconf/streams/NETCONF/json", &fields).as_bytes())?;
        let (status, fields) = read_head(&mut connection)?;
        if status != 200 {
            let body = read_body(&mut connection, &fields)?;
            return Err(Error::other(Answer { status, fields, body }.to_string()));
        }
        Ok(Events { connection, text: Vec::new() })
    }
}

/// A stream of events that is being read.
pub struct Events {
    connection: Connection,
    text: Vec<u8>,
}

impl Events {
    /// The next event; an error if the stream ends or nothing comes.
    pub fn next(&mut self) -> io::Result<Event> {
        loop {
            while let Some(end) = self.text.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                let block = String::from_utf8(block).map_err(Error::other)?;
                let field = |name: &str| {
                    let lines = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    lines.collect::<Vec<_>>().join("\n")
                };
                // A comment keeps the connection alive.
                if !block.starts_with(':') {
                    return Ok(Event { id: field("id"), data: field("data") });
                }
            }
            let chunk = read_chunk(&mut self.connection)?;
            if chunk.is_empty() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.text.extend_from_slice(&chunk);
        }
    }
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = self.body.get(..1000).unwrap_or(&self.body);
        write!(f, "status {}, body {:?}", self.status, String::from_utf8_lossy(start))
    }
}

/// Reads one whole answer; one to HEAD has no body.
pub fn read_answer(connection: &mut Connection, head: bool) -> io::Result<Answer> {
    let (status, fields) = read_head(connection)?;
    let body = if head { Vec::new() } else { read_body(connection, &fields)? };
    Ok(Answer { status, fields, body })
}

fn read_line(connection: &mut Connection) -> io::Result<String> {
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn read_head(connection: &mut Connection) -> io::Result<(u16, Vec<(String, String)>)> {
    let line = read_line(connection)?;
    let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| Error::other(format!("no status line: {line:?}")))?;
    let mut fields = Vec::new();
    loop {
        let line = read_line(connection)?;
        match line.split_once(": ") {
            Some((name, value)) => fields.push((name.to_ascii_lowercase(), value.to_owned())),
            None if line.is_empty() => return Ok((status, fields)),
            None => return Err(Error::other(format!("no header field: {line:?}"))),
        }
    }
}

fn read_body(connection: &mut Connection, fields: &[(String, String)]) -> io::Result<Vec<u8>> {
    let field =
        |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let mut body = Vec::new();
    if field("transfer-encoding") == Some("chunked") {
        loop {
            let chunk = read_chunk(connection)?;
            if chunk.is_empty() {
                return Ok(body);
            }
            body.extend_from_slice(&chunk);
        }
    }
    let length = field("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    body.resize(length, 0);
    connection.read_exact(&mut body)?;
    Ok(body)
}

/// One chunk (RFC 9112 section 7.1); the last one is empty.
fn read_chunk(connection: &mut Connection) -> io::Result<Vec<u8>> {
    let line = read_line(connection)?;
    let length = usize::from_str_radix(&line, 16).map_err(|_| Error::other(format!("no chunk: {line:?}")))?;
    let mut chunk = vec![0; length + 2];
    connection.read_exact(&mut chunk)?;
    chunk.truncate(length);
    Ok(chunk)
}
