//! An HTTP/1.1 client over TLS that waits for each answer. It never retries.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value as Json;

use super::Outcome;

/// Longest time for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the server is, and as whom it is asked.
#[derive(Clone)]
pub struct Door {
    address: SocketAddr,
    token: String,
    tls: Arc<ClientConfig>,
}

/// A connection.
pub struct Client {
    door: Door,
    wire: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl Door {
    /// The administrator's, for a server with this data directory.
    pub fn new(address: SocketAddr, data: &Path) -> Outcome<Door> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(data.join("pki/ca.pem"))?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = Arc::new(tls.with_root_certificates(roots).with_no_client_auth());
        let token = std::fs::read_to_string(data.join("admin.jwt"))?.trim().to_owned();
        Ok(Door { address, token, tls })
    }

    /// A new connection.
    pub fn connect(&self) -> Outcome<Client> {
        let tcp = TcpStream::connect(self.address)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_nodelay(true)?;
        let tls = ClientConnection::new(Arc::clone(&self.tls), ServerName::from(self.address.ip()))?;
        Ok(Client { door: self.clone(), wire: BufReader::new(StreamOwned::new(tls, tcp)) })
    }
}

impl Client {
    /// Asks, and reads the answer, which has to be good.
    pub fn ask(&mut self, method: &str, target: &str, body: Option<&Json>) -> Outcome<()> {
        let body = body.map(Json::to_string).unwrap_or_default();
        self.send(method, target, "application/yang-data+json", &body)?;
        let (status, length) = self.head()?;
        let mut answer = vec![0; length];
        self.wire.read_exact(&mut answer)?;
        match status {
            200..300 => Ok(()),
            _ => {
                Err(format!("{method} {target} {body}: {status} {}", String::from_utf8_lossy(&answer)).into())
            }
        }
    }

    /// Follows the stream of events, and calls for each.
    pub fn follow(mut self, mut told: impl FnMut()) -> Outcome<()> {
        self.send("GET", "/restconf/streams/NETCONF/json", "text/event-stream", "")?;
        let (status, _) = self.head()?;
        if status != 200 {
            return Err(format!("no stream: {status}").into());
        }
        let mut line = String::new();
        while self.wire.read_line(&mut line)? > 0 {
            if line.starts_with("id: ") {
                told();
            }
            line.clear();
        }
        Ok(())
    }

    fn send(&mut self, method: &str, target: &str, accept: &str, body: &str) -> Outcome<()> {
        let Door { address, token, .. } = &self.door;
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nAccept: {accept}\r\n\
             Content-Type: application/yang-data+json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(self.wire.get_mut().write_all(request.as_bytes())?)
    }

    /// The status, and the length of the body.
    fn head(&mut self) -> Outcome<(u16, usize)> {
        let (mut line, mut status, mut length) = (String::new(), 0, 0);
        while self.wire.read_line(&mut line)? > 2 {
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest.get(..3).ok_or("no status")?.parse()?;
            }
            if let Some(text) = line.strip_prefix("content-length: ") {
                length = text.trim().parse()?;
            }
            line.clear();
        }
        Ok((status, length))
    }
}
