//! The settings of a server: one TOML file, each setting with a default, overridden by the command line.
//!
//! It reads the one file that it is given and looks for no other.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

mod call_home;
mod callbacks;
mod clients;
mod judgement;
mod netconf;
mod tokens;
mod traces;

pub use call_home::{CallHome, Endpoint, Keepalives, Periodic, Protocol, StartWith};
pub use callbacks::Callbacks;
pub use clients::{CertToName, Clients, Fingerprint, FingerprintError, Hash, MapType};
pub use judgement::Judgement;
pub use netconf::{Netconf, Network, NetworkError, Urls};
pub use tokens::{Algorithm, Check, ClientSecret, Introspection, Issuer, Secret, Tokens};
pub use traces::{Ratio, Traces};

use crate::audit;
use crate::limits::Limits;

/// All settings. Made by [`Config::load`] or [`Config::default`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The file that it was read from.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// The directory that holds everything the server keeps. A relative path in a file is relative to that file.
    pub data: PathBuf,
    /// Where the server listens.
    pub listen: Listen,
    /// Certificates: the server's, if it is not to make one itself, and which ones of clients are taken.
    pub tls: Tls,
    /// Whose bearer tokens are taken beside the server's own.
    pub tokens: Tokens,
    /// The clients that the server connects to (RFC 8071).
    #[serde(rename = "call-home")]
    pub call_home: Vec<CallHome>,
    /// What NETCONF has beside its listeners.
    pub netconf: Netconf,
    /// Where reports on tasks may be sent.
    pub callbacks: Callbacks,
    /// The model that is asked where a policy leaves something to one; none if it is missing.
    pub judgement: Option<Judgement>,
    /// Which datastores there are.
    pub datastores: Datastores,
    /// The profile of the server's own agent.
    pub agent: Agent,
    /// What is told to those who operate the server.
    pub operations: Operations,
    /// What is logged to standard error.
    pub log: Log,
    /// How the audit trail is kept.
    pub audit: audit::Settings,
    /// Limits; see there.
    pub limits: Limits,
}

/// The section `[listen]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// Addresses for RESTCONF over HTTPS.
    pub https: Vec<ListenAddress>,
    /// Addresses for RESTCONF over plain HTTP/1.1. Only loopback addresses are allowed.
    pub http: Vec<ListenAddress>,
    /// Addresses for NETCONF over SSH (RFC 6242). `agentconf serve` takes 127.0.0.1:8830 if nobody says where to listen.
    pub ssh: Vec<ListenAddress>,
    /// Addresses for NETCONF over TLS (RFC 7589). Every client has to show a certificate: one that [`Clients`] takes, or, if
    /// that is empty, one that the local authority has issued, whose `CommonName` is the user.
    pub tls: Vec<ListenAddress>,
}

/// The section `[tls]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate chain of the server, its own certificate first. Without it the server makes a
    /// certificate of a local authority.
    pub certificate: Option<PathBuf>,
    /// PEM file with the private key of `certificate`.
    pub key: Option<PathBuf>,
    /// Further DNS names and IP addresses for a certificate that the server makes.
    pub names: Vec<String>,
    /// Which certificates of clients are taken, and for which users.
    pub clients: Clients,
    /// For how long, in seconds, browsers are told to use nothing but HTTPS with this host (RFC 6797). 0 has them forget it.
    #[serde(rename = "hsts-max-age")]
    pub hsts_max_age: u32,
}

impl Default for Tls {
    fn default() -> Tls {
        let (names, clients) = (Vec::new(), Clients::default());
        Tls { certificate: None, key: None, names, clients, hsts_max_age: 365 * 24 * 60 * 60 }
    }
}

/// The section `[datastores]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Datastores {
    /// Whether there is a startup datastore: each start makes it the running one, so that an edit outlasts a restart only
    /// if it was copied there (RFC 6241 section 8.7). Otherwise every edit does.
    pub startup: bool,
}

/// The section `[agent]`: what the server says about its own agent. The names are those of the draft's container `agent`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Agent {
    /// Name of the agent.
    pub name: String,
    /// Another name, for people.
    pub alias: Option<String>,
    /// What the agent is for.
    pub description: String,
    /// Type of the agent.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Version of the agent, as in Semantic Versioning 2.0.0.
    pub version: String,
    /// Vendor of the agent.
    pub provider: String,
    /// Domains that the agent serves.
    pub domain: Vec<String>,
    /// What the agent manages.
    pub management_object: Vec<String>,
}

/// The section `[operations]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Operations {
    /// The address for health and metrics over plain HTTP/1.1, without credentials; none if it is missing.
    pub listen: Option<ListenAddress>,
    /// Where spans are told of what is done; nowhere if it is missing.
    pub traces: Option<Traces>,
}

/// The section `[log]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// What is logged, as for the environment variable `RUST_LOG`, which overrides it: `info`, `agentconf=debug,warn`.
    pub level: String,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

/// Where to listen: `HOST:PORT`, where the host is an IP address (IPv6 in brackets) or a name, and port 0 lets the
/// operating system choose.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ListenAddress {
    /// The name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// What is wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// A line is not TOML, or has an unknown key or a value of the wrong type.
    #[error("{}: line {line} ({text}): {message}", .file.display())]
    Line {
        /// The configuration file.
        file: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// The line.
        text: String,
        /// What is wrong.
        message: String,
    },
    /// A value of the right type that makes no sense.
    #[error("{key} {reason}")]
    Nonsense {
        /// Section and key.
        key: String,
        /// What is wrong, as the predicate of a sentence whose subject is the key.
        reason: String,
    },
}

/// Why a text is not a [`ListenAddress`].
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not HOST:PORT, such as 127.0.0.1:8443, [::1]:8443 or localhost:0")]
pub struct ListenAddressError(String);

impl ConfigError {
    /// The line of a file, from 1, that says what is wrong, as far as one does. In a list it is the line where the list, or its
    /// first entry, begins.
    pub fn line(&self, file: &Path) -> Option<usize> {
        let key = match self {
            ConfigError::Line { line, .. } => return Some(*line),
            ConfigError::Nonsense { key, .. } => key,
            ConfigError::Read(..) => return None,
        };
        let text = std::fs::read_to_string(file).ok()?;
        let document = DeTable::parse(&text).ok()?;
        let (mut table, mut start) = (document.get_ref(), None);
        for name in key.split('.') {
            let Some((name, value)) = table.get_key_value(name) else { break };
            start = Some(name.span().start);
            table = match value.get_ref() {
                DeValue::Table(inner) => inner,
                DeValue::Array(entries) => match entries.iter().next().map(Spanned::get_ref) {
                    Some(DeValue::Table(first)) => first,
                    _ => break,
                },
                _ => break,
            };
        }
        start.map(|start| line_at(&text, start))
    }
}

impl Config {
    /// Reads a configuration file. Call [`Config::check`] when the command line has had its say.
    pub fn load(file: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|e| ConfigError::Read(file.to_owned(), e))?;
        let mut config: Config = toml::from_str(&text).map_err(|error| line_error(file, &text, &error))?;
        let here = file.parent().unwrap_or(Path::new(""));
        let paths = [Some(&mut config.data), config.tls.certificate.as_mut(), config.tls.key.as_mut()];
        let others = config.tls.clients.files_mut().chain(config.netconf.url.files_mut());
        let others = others.chain(config.tokens.files_mut()).chain(config.callbacks.files_mut());
        let others = others.chain(config.operations.traces.iter_mut().flat_map(Traces::files_mut));
        let others = others.chain(config.judgement.iter_mut().flat_map(Judgement::files_mut));
        for path in paths.into_iter().flatten().chain(others) {
            *path = here.join(&*path);
        }
        config.file = Some(file.to_owned());
        Ok(config)
    }

    /// Refuses settings that cannot work together or make no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        let nonsense =
            |key: &str, reason: &str| Err(ConfigError::Nonsense { key: key.into(), reason: reason.into() });
        let Listen { https, http, ssh, tls } = &self.listen;
        if [https, http, ssh, tls].into_iter().all(Vec::is_empty) {
            return nonsense(
                "listen.https",
                "is empty, and so are the others: there is nothing to listen on",
            );
        }
        let calls_tls = self.call_home.iter().any(|client| client.protocol == Protocol::NetconfTls);
        if (!tls.is_empty() || calls_tls) && !self.tls.clients.are_asked() && self.tls.certificate.is_some() {
            return nonsense(
                "tls.clients",
                "is missing: clients of NETCONF over TLS have to show certificates, and tls.certificate leaves no local \
                 authority to issue them",
            );
        }
        if let Some(address) = self.listen.http.iter().find(|address| !address.is_loopback()) {
            return nonsense(
                "listen.http",
                &format!("has {address}: plain HTTP is allowed on loopback addresses only"),
            );
        }
        let listeners = [("https", https), ("http", http), ("ssh", ssh), ("tls", tls)];
        let mut taken: Vec<&ListenAddress> = self.operations.listen.iter().collect();
        for (scheme, address) in
            listeners.into_iter().flat_map(|(scheme, all)| all.iter().map(move |a| (scheme, a)))
        {
            if taken.iter().any(|other| other.excludes(address)) {
                let reason = format!("has {address}, which another listener takes");
                return nonsense(&format!("listen.{scheme}"), &reason);
            }
            taken.push(address);
        }
        match (&self.tls.certificate, &self.tls.key) {
            (Some(_), None) => return nonsense("tls.key", "is missing: tls.certificate needs it"),
            (None, Some(_)) => {
                return nonsense("tls.certificate", "is missing: tls.key is of no use without it");
            }
            _ => {}
        }
        if let Some((key, reason)) = self.tls.clients.nonsense() {
            return nonsense(&key, &reason);
        }
        if let Some((key, reason)) = Issuer::nonsense(&self.tokens.issuers) {
            return nonsense(&format!("tokens.issuers.{key}"), &reason);
        }
        if let Some((key, reason)) = self.netconf.url.nonsense() {
            return nonsense(&format!("netconf.url.{key}"), &reason);
        }
        for (position, client) in self.call_home.iter().enumerate() {
            if self.call_home.iter().take(position).any(|other| other.name == client.name) {
                return nonsense("call-home.name", &format!("{:?} is there twice", client.name));
            }
            if let Some((key, reason)) = client.nonsense() {
                return nonsense(&format!("call-home.{key}"), &format!("of {:?} {reason}", client.name));
            }
        }
        if let Some((key, reason)) = self.operations.traces.as_ref().and_then(Traces::nonsense) {
            return nonsense(&format!("operations.traces.{key}"), reason);
        }
        if let Some((key, reason)) = self.judgement.as_ref().and_then(Judgement::nonsense) {
            return nonsense(&format!("judgement.{key}"), reason);
        }
        let levels = ["error", "warn", "info", "debug", "trace", "off"];
        let is_level = |directive: &str| {
            directive.contains('=') || levels.iter().any(|level| directive.eq_ignore_ascii_case(level))
        };
        if let Some(wrong) = self.log.level.split(',').find(|directive| !is_level(directive.trim())) {
            return nonsense("log.level", &format!("has {wrong:?}, which is none of {}", levels.join(", ")));
        }
        let agent = [
            ("agent.name", &self.agent.name),
            ("agent.description", &self.agent.description),
            ("agent.version", &self.agent.version),
            ("agent.provider", &self.agent.provider),
        ];
        if let Some((key, _)) = agent.into_iter().find(|(_, value)| value.trim().is_empty()) {
            return nonsense(key, "is empty");
        }
        if let Some((key, reason)) = self.audit.nonsense() {
            return nonsense(&format!("audit.{key}"), reason);
        }
        match self.limits.nonsense() {
            Some((key, reason)) => nonsense(&format!("limits.{key}"), &reason),
            None => Ok(()),
        }
    }
}

/// Names the line: serde's errors have a position, but do not always name the key.
fn line_error(file: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let offset = error.span().map_or(0, |span| span.start);
    let line = line_at(text, offset);
    ConfigError::Line {
        file: file.to_owned(),
        line,
        text: text.lines().nth(line - 1).unwrap_or("").trim().to_owned(),
        message: error.message().replace('\n', " "),
    }
}

/// The line, from 1, that an octet stands in.
fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// Whether a URL, from its host on, is of this machine.
fn is_loopback(rest: &str) -> bool {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(address) => address.split(']').next(),
        None => authority.split(':').next(),
    };
    let host = host.unwrap_or_default();
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl ListenAddress {
    /// Whether nobody else can listen at that address then. Port 0 is any that is free.
    fn excludes(&self, other: &ListenAddress) -> bool {
        let covers = |all: &ListenAddress, one: &ListenAddress| {
            let [all, one] = [all, one].map(|address| address.host.parse::<IpAddr>().ok());
            all.zip(one).is_some_and(|(all, one)| all.is_unspecified() && all.is_ipv4() == one.is_ipv4())
        };
        let is_same = self.host == other.host || covers(self, other) || covers(other, self);
        self.port != 0 && self.port == other.port && is_same
    }

    /// Whether the host is a loopback address or `localhost`.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<ListenAddress, ListenAddressError> {
        let parse = || {
            let (host, port) = text.rsplit_once(':')?;
            let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                Some(inner) => inner.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
                None if host.is_empty() || host.contains([':', '/', ' ']) => return None,
                None => host.to_owned(),
            };
            Some(ListenAddress { host, port: port.parse().ok()? })
        };
        parse().ok_or_else(|| ListenAddressError(text.to_owned()))
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = ListenAddressError;

    fn try_from(text: String) -> Result<ListenAddress, ListenAddressError> {
        text.parse()
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            file: None,
            data: PathBuf::from("./agentconf-data"),
            listen: Listen::default(),
            tls: Tls::default(),
            tokens: Tokens::default(),
            call_home: Vec::new(),
            netconf: Netconf::default(),
            callbacks: Callbacks::default(),
            judgement: None,
            datastores: Datastores::default(),
            agent: Agent::default(),
            operations: Operations::default(),
            log: Log::default(),
            audit: audit::Settings::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Listen {
    fn default() -> Listen {
        let https = vec![ListenAddress { host: "127.0.0.1".into(), port: 8443 }];
        Listen { https, http: Vec::new(), ssh: Vec::new(), tls: Vec::new() }
    }
}

impl Default for Agent {
    fn default() -> Agent {
        Agent {
            name: "agentconf".into(),
            alias: None,
            description: "The server where agents meet: registry, tasks and negotiations".into(),
            kind: None,
            version: env!("CARGO_PKG_VERSION").into(),
            provider: "agentconf".into(),
            domain: Vec::new(),
            management_object: Vec::new(),
        }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log { level: "info".into(), format: LogFormat::Human }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::access::Scope;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let directory = std::env::temp_dir().join(format!("agentconf-config-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("a.toml"), text).unwrap();
        let config = Config::load(&directory.join("a.toml"));
        std::fs::remove_dir_all(&directory).unwrap();
        config
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        let mut config = load("").unwrap();
        assert!(config.data.is_absolute() && config.data.ends_with("agentconf-data"));
        config.data = Config::default().data;
        assert!(config.file.take().is_some_and(|file| file.ends_with("a.toml")));
        assert_eq!(config, Config::default());
        config.check().unwrap();
    }

    #[test]
    fn every_section_is_read() {
        let fingerprint = format!("04{}", ":0f".repeat(32));
        let config = load(
            &r#"
            data = "/var/lib/agentconf"
            [listen]
            https = ["[::1]:0", "agents.example.net:8443"]
            http = ["localhost:8080"]
            [tls]
            certificate = "c.pem"
            key = "/k.pem"
            [datastores]
            startup = true
            [tls.clients]
            authorities = ["a.pem"]
            revocation-lists = ["a.crl"]
            certificates = ["/b.pem"]
            [[tls.clients.cert-to-name]]
            id = 1
            fingerprint = "04:%s"
            map-type = "san-any"
            [[tokens.issuers]]
            issuer = "https://login.example.net"
            audience = "agents"
            jwks = "login.jwks"
            algorithms = ["ES256"]
            groups-claim = "groups"
            prefix = "corp:"
            users = { "00u1" = "ann" }
            groups = { "Network Admins" = "admin" }
            [[tokens.issuers]]
            issuer = "https://tokens.example.net"
            audience = "agents"
            introspection = { endpoint = "https://tokens.example.net/introspect", client-id = "hub", client-secret-file = "s" }
            scopes = { "agents.read" = "read" }
            prefix = "opaque:"
            [[call-home]]
            name = "oss"
            endpoints = ["[::1]:0", "oss.example.net"]
            start-with = "last-connected"
            periodic = { period = 5 }
            [agent]
            name = "hub"
            type = "broker"
            domain = ["IP"]
            management-object = ["10.0.0.0/8"]
            [log]
            level = "warn"
            format = "json"
            [operations]
            listen = "127.0.0.1:9100"
            traces = { endpoint = "http://127.0.0.1:4318/v1/traces", ratio = 0.25, headers-file = "h" }
            [audit]
            retention-days = 30
            [limits]
            body_bytes_max = 1000
            "#
            .replace("04:%s", &fingerprint),
        )
        .unwrap();
        config.check().unwrap();
        assert_eq!(config.data, Path::new("/var/lib/agentconf"));
        assert_eq!(
            config.listen.https.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["[::1]:0", "agents.example.net:8443"]
        );
        assert!(config.tls.certificate.unwrap().is_absolute());
        let clients = &config.tls.clients;
        assert!(clients.authorities[0].is_absolute() && clients.revocation_lists[0].ends_with("a.crl"));
        assert_eq!(clients.cert_to_name[0].map_type, MapType::SanAny);
        let issuer = &config.tokens.issuers[0];
        assert!(matches!(&issuer.check, Check::File(file) if file.is_absolute()));
        assert_eq!((issuer.algorithms.as_slice(), issuer.leeway), (&[Algorithm::ES256][..], 60));
        assert_eq!((issuer.user_claim.as_str(), issuer.users["00u1"].as_str()), ("sub", "ann"));
        let asked = &config.tokens.issuers[1];
        let Check::Introspection(introspection) = &asked.check else { panic!("{asked:?}") };
        assert!(matches!(&introspection.client_secret, ClientSecret::File(file) if file.is_absolute()));
        assert_eq!((introspection.cache_s, asked.scopes["agents.read"]), (60, Scope::Read));
        let home = &config.call_home[0];
        assert_eq!(home.address(1).unwrap(), "oss.example.net:4336".parse().unwrap());
        assert_eq!((home.start_with, home.max_wait, home.max_attempts), (StartWith::LastConnected, 5, 3));
        assert_eq!(home.periodic, Some(Periodic { period: 5, anchor_time: None, idle_timeout: 180 }));
        assert_eq!((config.agent.name.as_str(), config.agent.kind.as_deref()), ("hub", Some("broker")));
        assert_eq!(config.operations.listen.unwrap().port, 9100);
        let traces = config.operations.traces.unwrap();
        assert_eq!((traces.ratio.per_million(), traces.service_name.as_str()), (250_000, "agentconf"));
        assert!(traces.headers_file.unwrap().is_absolute());
        assert!(config.datastores.startup);
        assert_eq!((config.audit.retention_days, config.audit.bytes_max), (30, 1 << 30));
        assert_eq!((config.log.format, config.limits.body_bytes_max), (LogFormat::Json, 1000));
    }

    #[test]
    fn errors_name_the_line_and_the_key() {
        let message = |text: &str| load(text).unwrap_err().to_string();
        let unknown = message("data = \"x\"\n[limits]\nbody_bytes = 3\n");
        assert!(unknown.contains("line 3 (body_bytes = 3): unknown field `body_bytes`"), "{unknown}");
        let wrong_type = message("[limits]\n\nbody_bytes_max = \"3\"\n");
        assert!(wrong_type.contains("line 3 (body_bytes_max = \"3\"): invalid type: string"), "{wrong_type}");
        let address = message("[listen]\nhttps = [\n \"8443\" ]");
        assert!(address.contains("is not HOST:PORT"), "{address}");
        for algorithm in ["none", "HS256", "eddsa"] {
            let text =
                format!("[[tokens.issuers]]\nissuer='i'\naudience='a'\njwks='j'\nalgorithms=['{algorithm}']");
            assert!(
                message(&text).contains("line 5") && message(&text).contains("unknown variant"),
                "{algorithm}"
            );
        }
        for two in ["", "jwks='j', jwks-uri='https://a/'"] {
            let text = format!("tokens.issuers = [{{issuer='i', audience='a', {two}}}]");
            assert!(message(&text).contains("one of jwks, jwks-uri and introspection"), "{}", message(&text));
        }
        let syntax = message("data = \n");
        assert!(syntax.contains("line 1 (data =)"), "{syntax}");
    }

    #[test]
    fn nonsense_has_a_line_where_the_file_says_it() {
        let file = std::env::temp_dir().join(format!("agentconf-config-{}.toml", uuid::Uuid::new_v4()));
        let line = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Config::load(&file).unwrap().check().unwrap_err().line(&file)
        };
        assert_eq!(line("[log]\nformat = 'json'\n[limits]\n\nconnections_max = 0\n"), Some(5));
        assert_eq!(line("[limits.rates]\nsources_max = 0\n"), Some(2));
        assert_eq!(line("\n[[call-home]]\nname = 'a'\nendpoints = []\n"), Some(4));
        assert_eq!(line("[tls]\nkey = 'k'\n"), Some(1), "what is missing is so in its section");
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn nonsense_is_refused() {
        let one = format!("{{id=1, fingerprint='04{}', map-type='common-name'}}", ":0f".repeat(32));
        let issuer = |more: &str| format!("{{issuer='i', audience='a', jwks='j', {more}}}");
        let issuers = |more: &str| format!("tokens.issuers = [{}]", issuer(more));
        for (text, key) in [
            (&*issuers("leeway=1"), "tokens.issuers.prefix of \"i\" is missing"),
            (&*issuers("prefix=''"), "tokens.issuers.prefix"),
            (&*issuers("prefix=':'"), "tokens.issuers.prefix"),
            (&*issuers("prefix='corp-'"), "tokens.issuers.prefix"),
            (&*issuers("prefix='a:', leeway=601"), "tokens.issuers.leeway"),
            (&*issuers("prefix='a:', algorithms=[]"), "tokens.issuers.algorithms"),
            (
                "tokens.issuers = [{issuer='i', audience='a', prefix='a:', jwks-uri='http://a/'}]",
                "tokens.issuers.jwks-uri",
            ),
            (
                "tokens.issuers = [{issuer='i', audience='a', prefix='a:', introspection={endpoint='https://a/', \
                 client-id='c', client-secret-file='s', cache_s=0}}]",
                "tokens.issuers.introspection.cache_s",
            ),
            (
                &*format!("tokens.issuers = [{}, {}]", issuer("prefix='a:'"), issuer("prefix='b:'")),
                "tokens.issuers.issuer \"i\" is there twice",
            ),
            (
                &*format!(
                    "tokens.issuers = [{}, {}]",
                    issuer("prefix='a:'"),
                    issuer("prefix='a:'").replace("'i'", "'j'")
                ),
                "tokens.issuers.prefix of \"j\" is that",
            ),
            (&*issuers("prefix='a:'").replace("'i'", "'agentconf'"), "tokens.issuers.issuer"),
            ("listen.https = []", "listen.https"),
            ("listen.http = ['0.0.0.0:80']", "listen.http"),
            ("tls.certificate = 'c.pem'", "tls.key"),
            ("tls.clients.authorities = ['a']", "tls.clients needs"),
            (&format!("tls.clients.cert-to-name = [{one}]"), "tls.clients needs"),
            (
                &format!("tls.clients = {{authorities=['a'], cert-to-name=[{one}, {one}]}}"),
                "tls.clients.cert-to-name.id",
            ),
            (
                &format!(
                    "tls.clients = {{authorities=['a'], cert-to-name=[{}]}}",
                    one.replace("common-name", "specified")
                ),
                "tls.clients.cert-to-name.name",
            ),
            ("listen.tls = ['127.0.0.1:0']\ntls = {certificate='a', key='b'}", "tls.clients is missing"),
            (
                "call-home = [{name='a', endpoints=['b'], protocol='netconf-tls'}]\ntls = {certificate='a', key='b'}",
                "tls.clients is missing",
            ),
            ("call-home = [{name='a', endpoints=[]}]", "call-home.endpoints of \"a\" is empty"),
            ("call-home = [{name='a', endpoints=['b'], periodic={period=0}}]", "call-home.periodic.period"),
            (
                "call-home = [{name='a', endpoints=['b']}, {name='a', endpoints=['b']}]",
                "call-home.name \"a\" is there",
            ),
            ("agent.name = ' '", "agent.name"),
            ("operations.traces = {endpoint='ftp://a/'}", "operations.traces.endpoint"),
            ("operations.traces = {endpoint='http://a/', service-name=''}", "operations.traces.service-name"),
            ("log.level = 'verbose'", "log.level"),
            ("audit.checkpoint-seconds = 0", "audit.checkpoint-seconds is 0"),
            ("audit.bytes-max = 1", "audit.bytes-max is less"),
            ("limits.connections_max = 0", "limits.connections_max"),
            ("limits.header_bytes_max = 1", "limits.header_bytes_max"),
        ] {
            let error = load(text).unwrap().check().unwrap_err().to_string();
            assert!(error.starts_with(key), "{text}: {error}");
        }
        for text in [
            "",
            "8443",
            ":8443",
            "::1:8443",
            "127.0.0.1",
            "127.0.0.1:65536",
            "[127.0.0.1]:1",
            "a b:1",
            "[::1]",
        ] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }
}
