//! Clients that read and write registers, over RESTCONF and over NETCONF. What is answered is told as it is; whoever gets no
//! answer says so, and nothing is asked twice.

use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::{Value as Json, json};

use crate::linear::{Deed, Value};

const LIST: &str = "/restconf/data/irtf-agent:data-params";
const LIST_NAME: &str = "irtf-agent:data-params";
const JSON: &str = "application/yang-data+json";
const BASE: &str = "urn:ietf:params:xml:ns:netconf:base:1.0";
const AGENT: &str = "urn:ietf:params:xml:ns:yang:irtf-agent";
/// How long a client waits for an answer before it gives up.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where a server is reached, as whom.
#[derive(Clone)]
pub struct Doors {
    pub http: SocketAddr,
    pub tls: SocketAddr,
    pub token: String,
    pub config: Arc<ClientConfig>,
}

/// What a client wants of a register.
#[derive(Debug, Clone, Copy)]
pub enum Wish {
    Read,
    /// Whatever it holds.
    Write(Value),
    /// If it holds what the client saw last, which is this.
    Swap(Value, Value),
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Done(Deed),
    /// Nothing has happened, and nothing will.
    Refused,
    /// Nobody knows.
    Unknown,
    /// No answer of this server should be so.
    Wrong(String),
}

/// A way to the registers.
pub trait Client: Send {
    fn ask(&mut self, register: &str, wish: Wish) -> Outcome;
    /// Whether it can do that.
    fn can(&self, wish: Wish) -> bool;
}

/// Makes a client anew; `None` if nobody listens any more.
pub type Connect = fn(&Doors) -> Option<io::Result<Box<dyn Client>>>;

fn connected(address: SocketAddr) -> Option<io::Result<TcpStream>> {
    match TcpStream::connect(address) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => None,
        Err(error) => Some(Err(error)),
        Ok(tcp) => {
            let limits = tcp.set_read_timeout(Some(PATIENCE)).and_then(|()| tcp.set_nodelay(true));
            Some(limits.map(|()| tcp))
        }
    }
}

/// RESTCONF over HTTP/1.1.
pub struct Restconf {
    doors: Doors,
    connection: BufReader<TcpStream>,
    /// The register that was read last, and its entity tag.
    tag: (String, String),
}

impl Restconf {
    pub fn connect(doors: &Doors) -> Option<io::Result<Box<dyn Client>>> {
        let made = Restconf::new(doors)?;
        Some(made.map(|client| -> Box<dyn Client> { Box::new(client) }))
    }

    pub fn new(doors: &Doors) -> Option<io::Result<Restconf>> {
        let connection = match connected(doors.http)? {
            Ok(tcp) => BufReader::new(tcp),
            Err(error) => return Some(Err(error)),
        };
        Some(Ok(Restconf { doors: doors.clone(), connection, tag: Default::default() }))
    }

    /// All registers that hold something.
    ///
    /// # Errors
    /// There is no answer, or it is no list.
    pub fn all(&mut self) -> io::Result<Vec<(String, u64)>> {
        let (status, _, body) = self.exchange("GET", LIST, "", "")?;
        if status == 404 {
            return Ok(Vec::new());
        }
        let body: Json = serde_json::from_slice(&body)?;
        let entries = body[LIST_NAME].as_array().ok_or_else(|| Error::other(body.to_string()))?;
        let held = |entry: &Json| {
            let register = entry["id"].as_str().map(str::to_owned);
            register.zip(entry["data"].as_str().and_then(|text| text.parse().ok()))
        };
        entries.iter().map(|entry| held(entry).ok_or_else(|| Error::other(entry.to_string()))).collect()
    }

    /// Asks for the events after the one with this id; what the server answers with comes on the connection.
    ///
    /// # Errors
    /// It is not sent.
    pub fn follow(mut self, after: &str) -> io::Result<BufReader<TcpStream>> {
        let fields = format!("Accept: text/event-stream\r\nLast-Event-ID: {after}\r\n");
        self.send("GET", "/restconf/streams/NETCONF/json", &fields, "")?;
        Ok(self.connection)
    }

    fn send(&mut self, method: &str, target: &str, fields: &str, body: &str) -> io::Result<()> {
        let Doors { http, token, .. } = &self.doors;
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {http}\r\nAuthorization: Bearer {token}\r\nContent-Type: {JSON}\r\n\
             Content-Length: {}\r\n{fields}\r\n{body}",
            body.len()
        );
        self.connection.get_mut().write_all(request.as_bytes())
    }

    fn exchange(
        &mut self,
        method: &str,
        target: &str,
        fields: &str,
        body: &str,
    ) -> io::Result<(u16, String, Vec<u8>)> {
        self.send(method, target, fields, body)?;
        let (status, fields) = read_head(&mut self.connection)?;
        let field = |name: &str| fields.iter().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        let mut body = Vec::new();
        if field("transfer-encoding: ").is_some() {
            loop {
                let chunk = read_chunk(&mut self.connection)?;
                if chunk.is_empty() {
                    break;
                }
                body.extend_from_slice(&chunk);
            }
        } else {
            body.resize(field("content-length: ").and_then(|text| text.parse().ok()).unwrap_or(0), 0);
            self.connection.read_exact(&mut body)?;
        }
        Ok((status, field("etag: ").unwrap_or_default(), body))
    }
}

impl Client for Restconf {
    fn ask(&mut self, register: &str, wish: Wish) -> Outcome {
        let target = format!("{LIST}={register}");
        let entry = |value: u64| {
            json!({LIST_NAME: [{"id": register, "dataType": "text", "data": value.to_string()}]}).to_string()
        };
        let (method, fields, body) = match wish {
            Wish::Read => ("GET", String::new(), String::new()),
            Wish::Write(None) => ("DELETE", String::new(), String::new()),
            Wish::Write(Some(value)) => ("PUT", String::new(), entry(value)),
            Wish::Swap(None, value) => {
                ("PUT", "If-None-Match: *\r\n".into(), value.map(entry).unwrap_or_default())
            }
            Wish::Swap(Some(_), value) => {
                ("PUT", format!("If-Match: {}\r\n", self.tag.1), value.map(entry).unwrap_or_default())
            }
        };
        let Ok((status, tag, body)) = self.exchange(method, &target, &fields, &body) else {
            return Outcome::Unknown;
        };
        let said = String::from_utf8_lossy(&body);
        match (status, wish) {
            (200, Wish::Read) => {
                self.tag = (register.to_owned(), tag);
                let body: Json = serde_json::from_slice(&body).unwrap_or_default();
                let held = body[LIST_NAME][0]["data"].as_str().and_then(|text| text.parse().ok());
                held.map_or_else(
                    || Outcome::Wrong(format!("{body}")),
                    |held| Outcome::Done(Deed::Read(Some(held))),
                )
            }
            (404, Wish::Read | Wish::Write(None)) => {
                self.tag = Default::default();
                Outcome::Done(Deed::Read(None))
            }
            (201 | 204, Wish::Write(value)) => Outcome::Done(Deed::Write(value)),
            (201 | 204, Wish::Swap(from, to)) => Outcome::Done(Deed::Swap(from, to)),
            (412, Wish::Swap(from, _)) => Outcome::Done(Deed::Kept(from)),
            (503, Wish::Write(_) | Wish::Swap(..))
                if said.contains("\"storage-") || said.contains("\"stopping\"") =>
            {
                Outcome::Refused
            }
            (500, Wish::Write(_) | Wish::Swap(..)) if said.contains("\"storage-unsure\"") => Outcome::Unknown,
            _ => Outcome::Wrong(format!("{wish:?}: {status} {said}")),
        }
    }

    fn can(&self, wish: Wish) -> bool {
        !matches!(wish, Wish::Swap(Some(_), _)) || !self.tag.1.is_empty()
    }
}

/// The status and the fields, with their names in lower case.
///
/// # Errors
/// It is no answer of HTTP/1.1.
pub fn read_head(connection: &mut BufReader<TcpStream>) -> io::Result<(u16, Vec<String>)> {
    let line = read_line(connection)?;
    let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| Error::other(line))?;
    let mut fields = Vec::new();
    loop {
        let line = read_line(connection)?;
        match line.split_once(": ") {
            Some((name, value)) => fields.push(format!("{}: {value}", name.to_ascii_lowercase())),
            None => return Ok((status, fields)),
        }
    }
}

fn read_line(connection: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    match connection.read_line(&mut line)? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}

/// One chunk; the last one is empty.
///
/// # Errors
/// It is none.
pub fn read_chunk(connection: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let length = usize::from_str_radix(&read_line(connection)?, 16).map_err(Error::other)?;
    let mut chunk = vec![0; length + 2];
    connection.read_exact(&mut chunk)?;
    chunk.truncate(length);
    Ok(chunk)
}

/// NETCONF over TLS, in the framing of base:1.0.
pub struct Netconf {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl Netconf {
    pub fn connect(doors: &Doors) -> Option<io::Result<Box<dyn Client>>> {
        let tcp = match connected(doors.tls)? {
            Ok(tcp) => tcp,
            Err(error) => return Some(Err(error)),
        };
        Some(Netconf::begin(doors, tcp).map(|client| -> Box<dyn Client> { Box::new(client) }))
    }

    fn begin(doors: &Doors, tcp: TcpStream) -> io::Result<Netconf> {
        let name = ServerName::from(doors.tls.ip());
        let tls = ClientConnection::new(Arc::clone(&doors.config), name).map_err(Error::other)?;
        let mut client = Netconf { stream: BufReader::new(StreamOwned::new(tls, tcp)) };
        let hello = format!(
            "<hello xmlns=\"{BASE}\"><capabilities><capability>urn:ietf:params:netconf:base:1.0</capability></capabilities>\
             </hello>"
        );
        let theirs = client.exchange(&hello)?;
        theirs.contains("<session-id>").then_some(client).ok_or_else(|| Error::other(theirs))
    }

    fn exchange(&mut self, message: &str) -> io::Result<String> {
        self.stream.get_mut().write_all(format!("{message}]]>]]>").as_bytes())?;
        self.stream.get_mut().flush()?;
        let mut text = Vec::new();
        while !text.ends_with(b"]]>]]>") {
            if self.stream.read_until(b'>', &mut text)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        String::from_utf8(text).map_err(Error::other)
    }
}

impl Client for Netconf {
    fn ask(&mut self, register: &str, wish: Wish) -> Outcome {
        let (operation, value) = match wish {
            Wish::Read => ("", None),
            Wish::Write(None) => ("remove", None),
            Wish::Write(value) => ("replace", value),
            Wish::Swap(_, value) => ("create", value),
        };
        let inside = match wish {
            Wish::Read => format!(
                "<get-config><source><running/></source><filter type=\"subtree\"><data-params xmlns=\"{AGENT}\"><id>{register}</id>\
                 </data-params></filter></get-config>"
            ),
            _ => {
                let content = value.map_or_else(String::new, |value| {
                    format!("<dataType>text</dataType><data>{value}</data>")
                });
                format!(
                    "<edit-config><target><running/></target><config><data-params xmlns=\"{AGENT}\" xmlns:nc=\"{BASE}\" \
                     nc:operation=\"{operation}\"><id>{register}</id>{content}</data-params></config></edit-config>"
                )
            }
        };
        let Ok(reply) = self.exchange(&format!("<rpc xmlns=\"{BASE}\" message-id=\"1\">{inside}</rpc>"))
        else {
            return Outcome::Unknown;
        };
        let says = |text: &str| reply.contains(text);
        match wish {
            Wish::Read if says("<rpc-error>") => Outcome::Wrong(reply),
            Wish::Read => {
                let held = reply
                    .rsplit_once("<data>")
                    .and_then(|(_, rest)| rest.split_once("</data>")?.0.parse().ok());
                Outcome::Done(Deed::Read(held))
            }
            Wish::Write(value) if says("<ok/>") => Outcome::Done(Deed::Write(value)),
            Wish::Swap(from, to) if says("<ok/>") => Outcome::Done(Deed::Swap(from, to)),
            Wish::Swap(from, _) if says("<error-tag>data-exists<") => Outcome::Done(Deed::Kept(from)),
            _ if says("storage-unsure") => Outcome::Unknown,
            _ if says("storage-") || says("stopping") => Outcome::Refused,
            _ => Outcome::Wrong(format!("{wish:?}: {reply}")),
        }
    }

    /// Without entity tags it swaps what is not there.
    fn can(&self, wish: Wish) -> bool {
        !matches!(wish, Wish::Swap(Some(_), _))
    }
}
