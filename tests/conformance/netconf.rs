//! NETCONF sessions over TLS with a whole server, octet by octet: what is sent is what a test writes, what comes back is
//! looked at as it came. It never reads XML but to cut it.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use agentconf::config::Config;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use sha2::Digest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::common::{TestServer, start_server_on};

/// The namespace of the protocol.
pub const NC: &str = "urn:ietf:params:xml:ns:netconf:base:1.0";
/// That of the module whose configuration most tests write.
pub const AGENT: &str = "urn:ietf:params:xml:ns:yang:irtf-agent";
pub const MONITORING: &str = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring";
/// What ends a message of base:1.0.
pub const END: &str = "]]>]]>";
/// Longest time for anything that a test waits for.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The users that have a certificate.
const USERS: [&str; 6] = ["admin", "ann", "bob", "eve", "otto", "del"];

/// An authority, and what it issued to each of [`USERS`]: certificates and keys in DER.
struct Issued {
    authority: String,
    fingerprint: String,
    users: Vec<(Vec<u8>, Vec<u8>)>,
}

fn issued() -> &'static Issued {
    static ISSUED: OnceLock<Issued> = OnceLock::new();
    ISSUED.get_or_init(|| {
        let named = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name = Default::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params
        };
        let key = KeyPair::generate().expect("a key");
        let mut params = named("authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).expect("a certificate");
        let octets = sha2::Sha256::digest(authority.der());
        let fingerprint = octets.iter().map(|octet| format!(":{octet:02x}")).collect::<String>();
        let issuer = Issuer::new(params, key);
        let user = |name: &&str| {
            let key = KeyPair::generate().expect("a key");
            let certificate = named(name).signed_by(&key, &issuer).expect("a certificate");
            (certificate.der().to_vec(), key.serialize_der())
        };
        Issued {
            authority: authority.pem(),
            fingerprint: format!("04{fingerprint}"),
            users: USERS.iter().map(user).collect(),
        }
    })
}

/// Starts a server with NETCONF over TLS beside RESTCONF.
pub async fn start() -> TestServer {
    start_with("").await
}

/// The same with more settings.
pub async fn start_with(settings: &str) -> TestServer {
    start_in(tempfile::tempdir().expect("a directory"), settings).await
}

/// The same in a directory that there is.
pub async fn start_in(directory: tempfile::TempDir, settings: &str) -> TestServer {
    let config = config(directory.path(), settings);
    start_server_on(directory, config).await
}

fn config(directory: &Path, settings: &str) -> Config {
    let Issued { authority, fingerprint, .. } = issued();
    std::fs::write(directory.join("clients.pem"), authority).expect("a file");
    let text = format!(
        "data = '.'\n[listen]\nhttps = ['127.0.0.1:0']\nssh = []\ntls = ['127.0.0.1:0']\n\
         [tls.clients]\nauthorities = ['clients.pem']\n[[tls.clients.cert-to-name]]\nid = 1\n\
         fingerprint = '{fingerprint}'\nmap-type = 'common-name'\n{settings}"
    );
    let file = directory.join("agentconf.toml");
    std::fs::write(&file, text).expect("a file");
    Config::load(&file).expect("the settings are right")
}

/// A session of a client.
pub struct Session {
    stream: TlsStream<TcpStream>,
    chunked: bool,
    /// The server's hello.
    pub hello: String,
    /// Its `session-id`.
    pub id: u32,
    messages: u32,
    /// Notifications that came before a reply.
    waiting: VecDeque<String>,
}

/// A hello of a client with these capabilities.
pub fn hello(capabilities: &[&str]) -> String {
    let each: String = capabilities.iter().map(|uri| format!("<capability>{uri}</capability>")).collect();
    format!("<hello xmlns=\"{NC}\"><capabilities>{each}</capabilities></hello>")
}

/// A session of the administrator, of base:1.1.
pub async fn open(server: &TestServer) -> Session {
    open_as(server, "admin", "1.1").await
}

/// A session of a user, who has to be one of [`USERS`], of a version of the protocol.
pub async fn open_as(server: &TestServer, user: &str, version: &str) -> Session {
    let base = format!("urn:ietf:params:netconf:base:{version}");
    let mut session = connect(server, user).await;
    session.octets(format!("{}{END}", hello(&[&base])).as_bytes()).await;
    session.begin().await;
    session.chunked = version == "1.1";
    session
}

/// A session of which neither side has said a word.
pub async fn connect(server: &TestServer, user: &str) -> Session {
    let at = USERS.iter().position(|name| *name == user).expect("a user with a certificate");
    let (certificate, key) = issued().users[at].clone();
    let config = trusting(server)
        .with_client_auth_cert(
            vec![CertificateDer::from(certificate)],
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key)),
        )
        .expect("a certificate with its key");
    let stream = over_tls(server, config).await.expect("TLS");
    let (hello, waiting) = (String::new(), VecDeque::new());
    Session { stream, chunked: false, hello, id: 0, messages: 0, waiting }
}

/// Whether a client without a certificate is told anything.
pub async fn connects_without_certificate(server: &TestServer) -> bool {
    let Ok(mut stream) = over_tls(server, trusting(server).with_no_client_auth()).await else { return false };
    // With TLS 1.3 a client learns after its own last message whether the server is content.
    stream.read_u8().await.is_ok()
}

fn trusting(server: &TestServer) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let ca = CertificateDer::from_pem_file(server.directory().join("pki/ca.pem")).expect("the CA");
    let mut roots = RootCertStore::empty();
    roots.add(ca).expect("a CA");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_root_certificates(roots)
}

async fn over_tls(server: &TestServer, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(server.netconf()).await.expect("it listens");
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}

impl Session {
    /// Reads the server's hello.
    pub async fn begin(&mut self) {
        self.hello = self.next().await.expect("a hello");
        self.id = inside(&self.hello, "session-id").expect("a session-id").parse().expect("a number");
    }

    /// Sends octets as they are.
    pub async fn octets(&mut self, octets: &[u8]) {
        // The server may have closed; then the next that is read tells it.
        let _ = self.stream.write_all(octets).await;
        let _ = self.stream.flush().await;
    }

    /// Sends a message in the framing of the session.
    pub async fn send(&mut self, message: &str) {
        let framed = match self.chunked {
            true => format!("\n#{}\n{message}\n##\n", message.len()),
            false => format!("{message}{END}"),
        };
        self.octets(framed.as_bytes()).await;
    }

    /// The next message, whatever it is; `None` if the server has closed.
    pub async fn next(&mut self) -> Option<String> {
        let read = async {
            let mut message = Vec::new();
            if !self.chunked {
                while !message.ends_with(END.as_bytes()) {
                    message.push(self.stream.read_u8().await.ok()?);
                }
                message.truncate(message.len() - END.len());
                return Some(message);
            }
            loop {
                let mut start = [0; 2];
                self.stream.read_exact(&mut start).await.ok()?;
                assert_eq!(&start, b"\n#", "after {}", String::from_utf8_lossy(&message));
                let mut size = String::new();
                loop {
                    match self.stream.read_u8().await.ok()? {
                        b'\n' => break,
                        octet => size.push(char::from(octet)),
                    }
                }
                if size == "#" {
                    assert!(!message.is_empty(), "a message has a chunk");
                    return Some(message);
                }
                assert!(!size.starts_with('0') && size.len() <= 10, "{size}");
                let mut chunk = vec![0; size.parse().expect("a size")];
                self.stream.read_exact(&mut chunk).await.ok()?;
                message.extend_from_slice(&chunk);
            }
        };
        let message = tokio::time::timeout(LIMIT, read).await.expect("it comes in time");
        message.map(|octets| String::from_utf8(octets).expect("UTF-8"))
    }

    /// Sends a message and gives the reply to it. Notifications before it are kept for [`Self::told`].
    pub async fn exchange(&mut self, message: &str) -> String {
        self.send(message).await;
        self.reply().await
    }

    /// The next reply.
    pub async fn reply(&mut self) -> String {
        loop {
            let message = self.next().await.expect("a reply");
            if message.starts_with("<rpc-reply") {
                return message;
            }
            self.waiting.push_back(message);
        }
    }

    /// What is in the reply to an operation.
    pub async fn ask(&mut self, operation: &str) -> String {
        self.messages += 1;
        let id = self.messages;
        let rpc = format!("<rpc xmlns=\"{NC}\" message-id=\"{id}\">{operation}</rpc>");
        let reply = self.exchange(&rpc).await;
        let start = format!("<rpc-reply xmlns=\"{NC}\" message-id=\"{id}\">");
        let content = reply.strip_prefix(&start).and_then(|rest| rest.strip_suffix("</rpc-reply>"));
        content.unwrap_or_else(|| panic!("{reply} is no reply to {rpc}")).to_owned()
    }

    /// The same for an operation that has to succeed without an output.
    pub async fn does(&mut self, operation: &str) {
        assert_eq!(self.ask(operation).await, "<ok/>", "{operation}");
    }

    /// The errors of an operation that has to fail, see [`errors`].
    pub async fn fails(&mut self, operation: &str) -> String {
        let reply = self.ask(operation).await;
        if reply == "<ok/>" { reply } else { errors(&reply) }
    }

    /// `<edit-config>` of the running datastore: the parameters beside the target, and what is in `<config>`.
    pub async fn edit(&mut self, parameters: &str, config: &str) -> String {
        let reply = self.ask(&edit("running", parameters, config)).await;
        if reply == "<ok/>" { String::new() } else { errors(&reply) }
    }

    /// The whole configuration of a datastore, or what a `<filter>` selects of it.
    pub async fn config(&mut self, datastore: &str, filter: &str) -> String {
        let reply =
            self.ask(&format!("<get-config><source><{datastore}/></source>{filter}</get-config>")).await;
        data(&reply)
    }

    /// The entries of `data-params` in a datastore: `id=data`, in order.
    pub async fn entries(&mut self, datastore: &str) -> String {
        let config = self.config(datastore, "").await;
        let parts = config.split("<data-params").skip(1);
        let one = |part: &str| {
            let id = inside(part, "id").unwrap_or_default();
            format!("{id}={}", inside(part, "data").unwrap_or_default())
        };
        parts.map(one).collect::<Vec<_>>().join(" ")
    }

    /// The next notification, without the element around it and `eventTime`.
    pub async fn told(&mut self) -> String {
        self.event().await.1
    }

    /// The `eventTime` of the next notification, and what comes after it.
    pub async fn event(&mut self) -> (String, String) {
        let message = match self.waiting.pop_front() {
            Some(message) => message,
            None => self.next().await.expect("a notification"),
        };
        let start = "<notification xmlns=\"urn:ietf:params:xml:ns:netconf:notification:1.0\"><eventTime>";
        let content = message.strip_prefix(start).and_then(|rest| rest.strip_suffix("</notification>"));
        let (time, content) = content.and_then(|rest| rest.split_once("</eventTime>")).unwrap_or_else(|| {
            panic!("{message} is no notification");
        });
        (time.to_owned(), content.to_owned())
    }

    /// The next notification in which a text is.
    pub async fn told_of(&mut self, text: &str) -> String {
        loop {
            let told = self.told().await;
            if told.contains(text) {
                return told;
            }
        }
    }

    /// All that comes until the server closes, as it comes.
    pub async fn rest(mut self) -> String {
        let mut octets = Vec::new();
        let read = async {
            while let Ok(octet) = self.stream.read_u8().await {
                octets.push(octet);
            }
        };
        tokio::time::timeout(LIMIT, read).await.expect("it closes");
        String::from_utf8(octets).expect("UTF-8")
    }

    /// Waits for the server to close.
    pub async fn ends(mut self) {
        while let Some(message) = self.next().await {
            assert!(message.starts_with("<notification"), "{message}");
        }
    }

    /// Goes without a word.
    pub async fn drop_it(mut self) {
        let _ = self.stream.shutdown().await;
    }
}

/// `<edit-config>`.
pub fn edit(target: &str, parameters: &str, config: &str) -> String {
    format!(
        "<edit-config><target><{target}/></target>{parameters}<config xmlns:nc=\"{NC}\" xmlns:a=\"{AGENT}\">{config}</config></edit-config>"
    )
}

/// An entry of `data-params`, with attributes and what is in it beside the key.
pub fn entry(id: &str, attributes: &str, inside: &str) -> String {
    format!("<a:data-params{attributes}><a:id>{id}</a:id>{inside}</a:data-params>")
}

/// An entry with a text.
pub fn text(id: &str, text: &str) -> String {
    entry(id, "", &format!("<a:dataType>text</a:dataType><a:data>{text}</a:data>"))
}

/// `<create-subscription>`.
pub fn subscription(parameters: &str) -> String {
    format!(
        "<create-subscription xmlns=\"urn:ietf:params:xml:ns:netconf:notification:1.0\">{parameters}</create-subscription>"
    )
}

/// What is in `<data>`.
pub fn data(reply: &str) -> String {
    let (start, rest) = reply.split_once('>').expect("an element");
    assert!(start.starts_with("<data"), "{reply}");
    rest.strip_suffix("</data>").unwrap_or_else(|| panic!("{reply}")).to_owned()
}

/// What is in the first element of a name.
pub fn inside(xml: &str, name: &str) -> Option<String> {
    let at = |end: char| xml.find(&format!("<{name}{end}"));
    let start = at('>').into_iter().chain(at(' ')).min()?;
    let (_, rest) = xml[start..].split_once('>')?;
    rest.split_once(&format!("</{name}>")).map(|(content, _)| content.to_owned())
}

/// The errors of a reply, each as `TYPE TAG [app-tag=…] [path=…] [INFO=…]…`, with the names in a path as they stand in
/// the module. That their severity is `error`, that they have a message, and that the order is that of the schema, is
/// checked.
pub fn errors(reply: &str) -> String {
    let mut all = Vec::new();
    for error in reply.split_inclusive("</rpc-error>") {
        let error = error.strip_prefix("<rpc-error>").unwrap_or_else(|| panic!("{reply}"));
        let member = |name: &str| inside(error, name);
        assert_eq!(member("error-severity").as_deref(), Some("error"), "{reply}");
        assert!(member("error-message").is_some_and(|message| !message.is_empty()), "{reply}");
        let names =
            ["type", "tag", "severity", "app-tag", "path", "message", "info"].map(|n| format!("<error-{n}"));
        let places: Vec<usize> = names.iter().filter_map(|name| error.find(name.as_str())).collect();
        assert!(places.is_sorted(), "{reply}");
        let mut told =
            format!("{} {}", member("error-type").expect("a type"), member("error-tag").expect("a tag"));
        if let Some(app_tag) = member("error-app-tag") {
            told += &format!(" app-tag={app_tag}");
        }
        if let Some(path) = member("error-path") {
            told += &format!(" path={}", bare(&path));
        }
        let mut info = member("error-info").unwrap_or_default();
        while let Some((start, rest)) = info.clone().strip_prefix('<').and_then(|rest| rest.split_once('>')) {
            let name = start.split(' ').next().unwrap_or_default();
            let (value, rest) = rest.split_once(&format!("</{name}>")).expect("it is closed");
            told += &format!(" {name}={}", bare(value));
            info = rest.to_owned();
        }
        all.push(told);
    }
    all.join("; ")
}

/// An instance-identifier without its prefixes.
fn bare(path: &str) -> String {
    if !path.starts_with('/') {
        return path.to_owned();
    }
    path.split_inclusive(['/', '[']).map(|part| part.split_once(':').map_or(part, |(_, name)| name)).collect()
}

/// What did not come as a table expects it: told all at once.
#[derive(Default)]
pub struct Table(Vec<String>);

impl Table {
    /// Compares what came in one case.
    pub fn check(&mut self, case: impl std::fmt::Display, got: &str, expected: &str) {
        if got != expected {
            self.0.push(format!("{case}\n    got      {got}\n    expected {expected}"));
        }
    }

    /// Fails if anything was different.
    pub fn done(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}
