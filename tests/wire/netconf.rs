//! A NETCONF session over TLS (RFC 7589) of base:1.0 that sends what it is told. It never understands a reply.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use rcgen::{CertificateParams, DnType, Issuer, KeyPair};

use crate::http::Connection;
use crate::process::Server;

const BASE: &str = "urn:ietf:params:xml:ns:netconf:base:1.0";
const END: &str = "]]>]]>";

/// A session.
pub struct Session {
    connection: Connection,
    /// The hello of the server.
    pub hello: String,
}

impl Session {
    /// Begins a session of an administrator, whom this adds to the server under that name.
    pub fn begin(server: &Server, folder: &Path, user: &str) -> Session {
        add(server, user);
        let file = certificate(server, folder, user);
        let client = server.client_showing(&file).at(server.other_address("tls"));
        let mut session = Session { connection: client.connect().unwrap(), hello: String::new() };
        session.write(&format!(
            "<hello xmlns=\"{BASE}\"><capabilities><capability>urn:ietf:params:netconf:base:1.0</capability></capabilities></hello>"
        ));
        session.hello = session.read();
        session
    }

    /// A request with these attributes, and its reply.
    pub fn rpc(&mut self, attributes: &str, operation: &str) -> String {
        self.write(&format!("<rpc xmlns=\"{BASE}\" message-id=\"1\" {attributes}>{operation}</rpc>"));
        self.read()
    }

    fn write(&mut self, message: &str) {
        let connection = self.connection.get_mut();
        connection.write_all(format!("{message}{END}").as_bytes()).unwrap();
        connection.flush().unwrap();
    }

    /// The next message.
    pub fn read(&mut self) -> String {
        let mut text = Vec::new();
        while !text.ends_with(END.as_bytes()) {
            let mut octet = [0];
            self.connection.read_exact(&mut octet).unwrap();
            text.extend(octet);
        }
        String::from_utf8(text).unwrap().trim_end_matches(END).to_owned()
    }
}

fn add(server: &Server, user: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agentconf"));
    command.args(["user", "add", user, "--group", "admin", "--password-stdin", "--data"]).arg(server.data());
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(b"a password of some length").unwrap();
    assert!(process.wait().unwrap().success());
}

/// A file with a certificate that the local authority has issued, and its key.
fn certificate(server: &Server, folder: &Path, user: &str) -> std::path::PathBuf {
    let pki = server.data().join("pki");
    let key = KeyPair::from_pem(&fs::read_to_string(pki.join("ca.key")).unwrap()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&fs::read_to_string(pki.join("ca.pem")).unwrap(), key).unwrap();
    let own = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = Default::default();
    params.distinguished_name.push(DnType::CommonName, user);
    let file = folder.join(format!("{user}.both.pem"));
    fs::write(&file, params.signed_by(&own, &issuer).unwrap().pem() + &own.serialize_pem()).unwrap();
    file
}
