//! Which server a client verb talks to, and as whom. It never takes a secret from the command line.

use std::error::Error;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::UsageError;
use crate::client::{Ask, Credentials, HostKeys, Limits, Scheme, Secret, Session, Url};
use crate::server::{CERTIFICATE, LISTENING};

/// Longest file with a password or a token.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// Where the server of `agentconf serve` is.
const LOCAL: &str = "https://127.0.0.1:8443";
/// How often a question is asked that is answered neither with yes nor with no.
const ANSWERS_MAX: usize = 3;
const DATA: &str = "agentconf-data";

/// How a server is reached. What is not said of one on this machine is found in the data directory.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Who logs in, if the URL does not say it.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// File with the password; - is standard input. Without it, it is asked for where it is needed.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Private key for ssh://; may be repeated [default: those of ~/.ssh].
    #[arg(long = "identity", value_name = "FILE")]
    identities: Vec<PathBuf>,
    /// File with the public keys of which the server has to have one, for ssh:// [default: ~/.ssh/known_hosts].
    #[arg(long, value_name = "FILE")]
    host_key: Option<PathBuf>,
    /// Take the host key of a server that nothing is known of, and remember it.
    #[arg(long, conflicts_with = "host_key")]
    accept_host_key: bool,
    /// Authority that the server's certificate is of, for tls:// and https://; may be repeated [default: those that the machine
    /// trusts].
    #[arg(long = "ca", value_name = "FILE")]
    authorities: Vec<PathBuf>,
    /// Certificate of the user, for tls:// and https://.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Private key of the certificate.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// File with a bearer token, for https://; - is standard input.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Data directory of a server on this machine: its authority, its host key and its administrator are taken if nothing else
    /// is said [default: ./agentconf-data].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Longest time for an answer, in seconds.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
}

impl Connection {
    /// The URL that a list of arguments begins with, and the others. Without one it is that of `AGENTCONF_URL`, or else the
    /// server on this machine.
    pub(super) fn url(mut arguments: Vec<String>) -> Result<(Url, Vec<String>), UsageError> {
        let text = match arguments.first().is_some_and(|text| is_url(text)) {
            true => arguments.remove(0),
            false => std::env::var("AGENTCONF_URL").unwrap_or_else(|_| LOCAL.to_owned()),
        };
        Ok((text.parse().map_err(UsageError::of)?, arguments))
    }

    /// As [`Self::url`]; without a URL, where the server of the data directory says that it listens.
    pub(super) fn place(&self, arguments: Vec<String>) -> Result<(Url, Vec<String>), Box<dyn Error>> {
        let has_url =
            arguments.first().is_some_and(|text| is_url(text)) || std::env::var_os("AGENTCONF_URL").is_some();
        if has_url {
            return Ok(Connection::url(arguments)?);
        }
        let data = self.data.clone().unwrap_or_else(|| PathBuf::from(DATA));
        let file = data.join(LISTENING);
        match std::fs::read_to_string(&file) {
            Ok(text) => {
                let url = ["https", "ssh", "tls"].into_iter().find_map(|scheme| listening(&text, scheme));
                let url = url.ok_or_else(|| {
                    format!("the server of {} says in \"listening\" no address of https, ssh or tls", data.display())
                })?;
                Ok((url.parse().map_err(UsageError::of)?, arguments))
            }
            Err(error) if error.kind() == ErrorKind::NotFound && (self.data.is_some() || data.is_dir()) => {
                Err(format!(
                    "no server runs with the directory {}: start one with \"agentconf serve\", or name a server's URL",
                    data.display()
                )
                .into())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Connection::url(arguments)?),
            Err(error) => Err(format!("cannot read {}: {error}", file.display()).into()),
        }
    }

    /// Opens a session.
    pub(super) async fn open(&self, url: &Url) -> Result<Session, Box<dyn Error>> {
        let credentials = self.credentials(url)?;
        Ok(Session::connect(url, &credentials, &self.limits()).await?)
    }

    /// Opens a session with a candidate of its own, if the server has that.
    pub(super) async fn open_private(&self, url: &Url) -> Result<Session, Box<dyn Error>> {
        let credentials = self.credentials(url)?;
        Ok(Session::connect_private(url, &credentials, &self.limits()).await?)
    }

    fn limits(&self) -> Limits {
        Limits { reply: Duration::from_secs(self.timeout), ..Limits::default() }
    }

    fn credentials(&self, url: &Url) -> Result<Credentials, Box<dyn Error>> {
        self.check(url)?;
        let (password, token) = (secret(self.password_file.as_deref())?, secret(self.token_file.as_deref())?);
        let mut credentials = Credentials {
            user: self.user.clone(),
            password,
            identities: self.identities.clone(),
            host_keys: HostKeys {
                file: self.host_key.clone(),
                known_hosts: None,
                accepts_new: self.accept_host_key,
            },
            authorities: self.authorities.clone(),
            server_certificate: None,
            certificate: self.cert.clone().zip(self.key.clone()),
            token,
            ask: Some(Arc::new(Terminal)),
        };
        let is_anonymous = credentials.user.is_none()
            && url.user.is_none()
            && credentials.password.is_none()
            && credentials.identities.is_empty()
            && credentials.certificate.is_none();
        let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if credentials.authorities.is_empty() {
            credentials.authorities.extend(from("AGENTCONF_CA").map(PathBuf::from));
        }
        if is_anonymous && credentials.token.is_none() && url.scheme == Scheme::Https {
            credentials.token =
                std::env::var("AGENTCONF_TOKEN").ok().filter(|t| !t.is_empty()).map(Secret::new);
        }
        let data = self.data.clone().unwrap_or_else(|| PathBuf::from(DATA));
        if url.is_loopback() || self.data.is_some() {
            self.local(url, &data, is_anonymous, &mut credentials);
        }
        Ok(credentials)
    }

    /// That the options are of the URL's scheme, do not contradict each other, and name files that are there.
    fn check(&self, url: &Url) -> Result<(), UsageError> {
        let (is_ssh, is_https) = (url.scheme == Scheme::Ssh, url.scheme == Scheme::Https);
        let scheme = url.scheme.name();
        for (is_given, is_used, option) in [
            (self.token_file.is_some(), is_https, "--token-file"),
            (self.password_file.is_some(), is_ssh || is_https, "--password-file"),
            (!self.identities.is_empty(), is_ssh, "--identity"),
            (self.host_key.is_some(), is_ssh, "--host-key"),
            (self.accept_host_key, is_ssh, "--accept-host-key"),
            (!self.authorities.is_empty(), !is_ssh, "--ca"),
            (self.cert.is_some(), !is_ssh, "--cert"),
        ] {
            if is_given && !is_used {
                return Err(UsageError::of(format!("{option} is not for {scheme}://")));
            }
        }
        if let (Some(user), Some(other)) = (&self.user, &url.user)
            && user != other
        {
            return Err(UsageError::of(format!("--user is {user:?} and the user of the URL is {other:?}")));
        }
        if self.token_file.is_some() {
            let others = [
                (self.user.is_some() || url.user.is_some(), "a user"),
                (self.password_file.is_some(), "--password-file"),
                (self.cert.is_some(), "--cert"),
            ];
            if let Some((_, other)) = others.into_iter().find(|(is_given, _)| *is_given) {
                return Err(UsageError::of(format!("--token-file says who logs in; {other} does so too")));
            }
        }
        let single = [&self.host_key, &self.cert, &self.key].into_iter().flatten();
        for file in self.identities.iter().chain(&self.authorities).chain(single) {
            std::fs::metadata(file)
                .map_err(|error| UsageError::of(format!("cannot read {}: {error}", file.display())))?;
        }
        Ok(())
    }

    /// What the data directory of a server on this machine says, where nothing else was said. Its administrator's secrets are
    /// for the server alone that proves to have its keys.
    fn local(&self, url: &Url, data: &Path, is_anonymous: bool, credentials: &mut Credentials) {
        let file = |name: &str| Some(data.join(name)).filter(|file| file.is_file());
        let text = |name: &str| {
            let read = std::fs::read_to_string(data.join(name)).ok();
            read.map(|text| Secret::new(text.trim_end_matches(['\r', '\n'])))
        };
        let admin = url.user.as_deref().or(credentials.user.as_deref()).is_none_or(|user| user == "admin");
        match url.scheme {
            Scheme::Https | Scheme::Tls => {
                if credentials.authorities.is_empty() {
                    let listening = std::fs::read_to_string(data.join(LISTENING)).unwrap_or_default();
                    credentials.server_certificate = shown(&listening);
                    if credentials.server_certificate.is_none() {
                        credentials.authorities.extend(file("pki/ca.pem"));
                    }
                    let is_known =
                        credentials.server_certificate.is_some() || !credentials.authorities.is_empty();
                    if is_anonymous && credentials.token.is_none() && is_known {
                        credentials.token = text("admin.jwt");
                    }
                }
            }
            Scheme::Ssh if self.host_key.is_none() && !self.accept_host_key => {
                credentials.host_keys.file = file("ssh/host_ed25519.pub");
                let is_free = credentials.password.is_none() && credentials.identities.is_empty();
                if credentials.host_keys.file.is_some() && admin && is_free {
                    credentials.password = text("admin.password");
                    if credentials.password.is_some() {
                        credentials.user = Some("admin".to_owned());
                    }
                }
            }
            Scheme::Ssh => {}
        }
    }
}

/// Whether an argument is meant as a URL: a value can have "://" inside, but neither a place nor an operation begins so.
fn is_url(text: &str) -> bool {
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The URL of the first address of a scheme in the file of a server. One that listens everywhere is on this machine too.
fn listening(text: &str, scheme: &str) -> Option<String> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let (_, address) = lines.find(|(name, _)| *name == scheme)?;
    let mut address: SocketAddr = address.parse().ok()?;
    if address.ip().is_unspecified() {
        address.set_ip(match address.is_ipv4() {
            true => Ipv4Addr::LOCALHOST.into(),
            false => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Some(format!("{scheme}://{address}"))
}

/// The file with the certificate that a server shows, if its configuration names one.
fn shown(text: &str) -> Option<PathBuf> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(name, _)| *name == CERTIFICATE).map(|(_, file)| PathBuf::from(file))
}

/// A secret in a file, without its line end.
fn secret(file: Option<&Path>) -> Result<Option<Secret>, Box<dyn Error>> {
    let Some(file) = file else { return Ok(None) };
    let mut text = String::new();
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().take(SECRET_BYTES_MAX).read_to_string(&mut text),
        false => {
            std::fs::File::open(file).and_then(|open| open.take(SECRET_BYTES_MAX).read_to_string(&mut text))
        }
    };
    read.map_err(|error| UsageError::of(format!("cannot read {}: {error}", file.display())))?;
    Ok(Some(Secret::new(text.lines().next().unwrap_or_default())))
}

/// Who sits at the terminal, if there is one.
#[derive(Debug)]
struct Terminal;

impl Ask for Terminal {
    fn secret(&self, prompt: &str) -> Option<Secret> {
        rpassword::prompt_password(prompt).ok().map(Secret::new)
    }

    fn confirm(&self, question: &str) -> bool {
        let Ok(mut terminal) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty") else {
            return false;
        };
        let mut reader = match terminal.try_clone() {
            Ok(reading) => std::io::BufReader::new(reading),
            Err(_) => return false,
        };
        for _ in 0..ANSWERS_MAX {
            if write!(terminal, "{question} (yes/no) ").is_err() {
                return false;
            }
            let mut answer = String::new();
            let read = std::io::BufRead::read_line(&mut (&mut reader).take(100), &mut answer);
            match (read, answer.trim()) {
                (Err(_) | Ok(0), _) => return false,
                (_, "yes") => return true,
                (_, "no") => return false,
                _ => {}
            }
        }
        false
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_told_from_a_place() {
        let arguments = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let (url, rest) = Connection::url(arguments(&["ssh://host", "/a:b"])).unwrap();
        assert_eq!((url.to_string().as_str(), rest.len()), ("ssh://host:830", 1));
        let (_, rest) = Connection::url(arguments(&["/a:b/c=x://y"])).unwrap();
        assert_eq!(rest, ["/a:b/c=x://y"]);
        assert!(Connection::url(arguments(&["http://host"])).is_err());
    }

    #[test]
    fn a_server_that_listens_everywhere_is_on_this_machine() {
        let text = "http 127.0.0.1:1\nhttps 0.0.0.0:2\nssh [::]:3\n";
        assert_eq!(listening(text, "https").unwrap(), "https://127.0.0.1:2");
        assert_eq!(listening(text, "ssh").unwrap(), "ssh://[::1]:3");
        assert_eq!(listening(text, "tls"), None);
    }
}
