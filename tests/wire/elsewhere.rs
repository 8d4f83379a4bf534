//! A server of somebody else over TLS, which answers as a test says: an issuer of tokens. It is not the server that is tested.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use agentconf::clock::Clock;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::process::LIMIT;

/// What it was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method, path and fields.
    pub head: String,
    pub body: String,
}

/// How it answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Status and fields, then the body.
    Answer(String, Vec<u8>),
    /// Bytes that are no HTTP.
    Bytes(&'static [u8]),
    /// Not at all, as long as the client waits.
    Never,
}

type Script = dyn Fn(&Asked) -> Reply + Send + Sync;

/// It runs until the end of the process.
pub struct Elsewhere {
    pub port: u16,
    /// The authority of its certificate.
    pub authority: PathBuf,
    asked: Arc<Mutex<Vec<Asked>>>,
    script: Arc<Mutex<Arc<Script>>>,
}

/// An answer with 200 and JSON.
pub fn json(body: impl ToString) -> Reply {
    cached("no-store", body)
}

/// The same with `Cache-Control`.
pub fn cached(control: &str, body: impl ToString) -> Reply {
    let head = format!("200 OK\r\nContent-Type: application/json\r\nCache-Control: {control}");
    Reply::Answer(head, body.to_string().into_bytes())
}

impl Elsewhere {
    /// It is called `localhost`.
    pub fn start(directory: &Path, script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Elsewhere {
        let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = directory.join("elsewhere.pem");
        std::fs::write(&authority, ca.self_signed(&ca_key).unwrap().pem()).unwrap();
        let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let own = own.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let tls = tls.with_no_client_auth().with_single_cert(vec![own.der().clone()], private).unwrap();
        let tls = Arc::new(tls);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let script: Arc<Script> = Arc::new(script);
        let elsewhere = Elsewhere {
            port: listener.local_addr().unwrap().port(),
            authority,
            asked: Arc::default(),
            script: Arc::new(Mutex::new(script)),
        };
        let (asked, script) = (Arc::clone(&elsewhere.asked), Arc::clone(&elsewhere.script));
        thread::spawn(move || {
            for tcp in listener.incoming() {
                let (tls, asked, script) = (Arc::clone(&tls), Arc::clone(&asked), Arc::clone(&script));
                // A client that does not trust this server, or goes away, is no matter of its.
                thread::spawn(move || tcp.ok().and_then(|tcp| answer(tcp, tls, &asked, &script)));
            }
        });
        elsewhere
    }

    /// From now on it answers so.
    pub fn answer_with(&self, script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    /// All that it was asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Settings of the section `[tokens]` with which it may be asked.
    pub fn settings(&self) -> String {
        format!(
            "[tokens]\nauthorities = [{:?}]\naddresses = [\"127.0.0.0/8\", \"::1\"]\n",
            self.authority.display().to_string()
        )
    }
}

/// Looks again until it is so.
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let clock = Clock::system();
    let begun = clock.now();
    while !is_so() {
        assert!(begun.until(clock.now()) < LIMIT, "never: {what}");
        thread::yield_now();
    }
}

fn answer(
    tcp: TcpStream,
    tls: Arc<ServerConfig>,
    asked: &Mutex<Vec<Asked>>,
    script: &Mutex<Arc<Script>>,
) -> Option<()> {
    tcp.set_read_timeout(Some(LIMIT)).ok()?;
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(tls).ok()?, tcp));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    let question = Asked { head, body: String::from_utf8(body).ok()? };
    asked.lock().unwrap().push(question.clone());
    let script = Arc::clone(&script.lock().unwrap());
    let out = stream.get_mut();
    match script(&question) {
        Reply::Answer(head, body) => {
            let length = body.len();
            write!(out, "HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n").ok()?;
            out.write_all(&body).ok()?;
        }
        Reply::Bytes(bytes) => out.write_all(bytes).ok()?,
        Reply::Never => {
            // Until the client has had enough.
            let _ = stream.read(&mut [0]);
            return None;
        }
    }
    let out = stream.get_mut();
    out.conn.send_close_notify();
    out.flush().ok()
}
