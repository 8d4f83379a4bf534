//! SSH to a server of NETCONF (RFC 6242): whose host key it is, logging in, the subsystem. It never goes on with a host key
//! that nobody vouches for.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, AuthResult, Config, Handle, KeyboardInteractiveAuthResponse, Msg};
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::keys::{known_hosts, load_secret_key};
use russh::{ChannelStream, MethodKind, Preferred};
use tokio::time::timeout;

use crate::client::credentials::{self, Credentials, HostKeys, Secret};
use crate::client::error::ClientError;
use crate::client::limits::Limits;
use crate::client::tls;
use crate::client::url::Url;

const SUBSYSTEM: &str = "netconf";
/// Names of the private keys that are tried in `~/.ssh`.
const IDENTITIES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];
/// How often somebody is asked for a password.
const TRIES: usize = 3;
/// After so long a silence the server is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A connection; the session on it ends with it.
pub struct Connection {
    _handle: Handle<Checker>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

/// Connects, logs in, and opens the subsystem.
///
/// # Errors
/// The server cannot be reached, has another key than it should, or takes none of the credentials.
pub async fn connect(
    url: &Url,
    credentials: &Credentials,
    limits: &Limits,
) -> Result<(ChannelStream<Msg>, Connection), ClientError> {
    let user = url.user.clone().or_else(|| credentials.user.clone()).or_else(|| std::env::var("USER").ok());
    let user = user.ok_or_else(|| ClientError::Login("the URL has no user: ssh://user@host".into()))?;
    let known = Known::read(url, &credentials.host_keys)?;
    let mut handle = match greet(url, &known, limits).await? {
        Ok(handle) => handle,
        Err(key) => {
            if !credentials.host_keys.accepts_new && !confirmed(url, credentials, &key).await {
                let reason = format!(
                    "its host key {} is not known: --accept-host-key takes and remembers it, --host-key names a file with it",
                    fingerprint(&key)
                );
                return Err(refused(url, reason));
            }
            known.learn(url, &key);
            let known = Known { keys: vec![key], ..known };
            greet(url, &known, limits).await?.map_err(|_| refused(url, "its host key changes".into()))?
        }
    };
    log_in(&mut handle, &user, url, credentials, limits).await?;
    let open = async {
        let channel = handle.channel_open_session().await?;
        channel.request_subsystem(true, SUBSYSTEM).await?;
        Ok::<_, russh::Error>(channel.into_stream())
    };
    match timeout(limits.connect, open).await {
        Ok(Ok(stream)) => Ok((stream, Connection { _handle: handle })),
        Ok(Err(error)) => Err(refused(url, format!("it has no subsystem netconf: {error}"))),
        Err(_) => Err(ClientError::Timeout { what: "channel", limit: limits.connect }),
    }
}

/// What is known of the server's keys.
struct Known {
    /// Keys that it may have.
    keys: Vec<PublicKey>,
    /// Whether another one may be taken.
    is_open: bool,
    /// Where they were found, for a person.
    source: String,
    /// Where a new one is remembered.
    file: Option<PathBuf>,
}

impl Known {
    fn read(url: &Url, host_keys: &HostKeys) -> Result<Known, ClientError> {
        if let Some(file) = &host_keys.file {
            let wrong =
                |reason: String| ClientError::Login(format!("{} cannot be used: {reason}", file.display()));
            let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            let keys = lines.map(PublicKey::from_openssh).collect::<Result<Vec<_>, _>>();
            let keys = keys.map_err(|error| wrong(error.to_string()))?;
            return Ok(Known { keys, is_open: false, source: file.display().to_string(), file: None });
        }
        let own = || std::env::home_dir().map(|home| home.join(".ssh/known_hosts"));
        let file = host_keys.known_hosts.clone().or_else(own);
        let found = match &file {
            Some(file) => known_hosts::known_host_keys_path(&url.host, url.port, file)
                .map_err(|error| ClientError::Login(format!("{} cannot be used: {error}", file.display())))?,
            None => Vec::new(),
        };
        let lines: Vec<String> = found.iter().map(|(line, _)| line.to_string()).collect();
        let keys: Vec<PublicKey> = found.into_iter().map(|(_, key)| key).collect();
        let source = file.as_ref().map(|file| format!("{}, line {}", file.display(), lines.join(", ")));
        // Who has a key that is known and shows one of the same kind has changed it, or is somebody else.
        Ok(Known { is_open: keys.is_empty(), source: source.unwrap_or_default(), keys, file })
    }

    fn learn(&self, url: &Url, key: &PublicKey) {
        let Some(file) = &self.file else { return };
        if let Err(error) = known_hosts::learn_known_hosts_path(&url.host, url.port, key, file) {
            tracing::warn!(%error, file = %file.display(), "the host key is not remembered");
        }
    }
}

/// The key of a server that nothing is known of.
type Unknown = PublicKey;

/// Greets the server as far as it proves its key.
async fn greet(
    url: &Url,
    known: &Known,
    limits: &Limits,
) -> Result<Result<Handle<Checker>, Unknown>, ClientError> {
    let tcp = tls::tcp(url, limits).await?;
    let mut preferred = Preferred::DEFAULT;
    // The server shows a key of a kind that is known, if it has one.
    let mut kinds: Vec<Algorithm> = preferred.key.to_vec();
    let is_known = |kind: &Algorithm| {
        let same = |key: &PublicKey| match (kind, key.algorithm()) {
            (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
            (kind, own) => *kind == own,
        };
        known.keys.iter().any(same)
    };
    kinds.sort_by_key(|kind| !is_known(kind));
    preferred.key = Cow::Owned(kinds);
    let config =
        Config { preferred, keepalive_interval: Some(KEEPALIVE), nodelay: true, ..Config::default() };
    let shown = Arc::new(Mutex::new(None));
    let keys = known.keys.iter().map(|key| key.key_data().clone()).collect();
    let checker = Checker { keys, shown: Arc::clone(&shown) };
    let greeting = client::connect_stream(Arc::new(config), tcp, checker);
    let late = |_| ClientError::Timeout { what: "greeting of SSH", limit: limits.connect };
    let greeted = timeout(limits.connect, greeting).await.map_err(late)?;
    let shown = shown.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (greeted, shown) {
        (Ok(handle), _) => Ok(Ok(handle)),
        (Err(_), Some(key)) if known.is_open => Ok(Err(key)),
        (Err(_), Some(key)) => {
            let message = format!(
                "its host key {} is not the one that is known from {}; it was replaced, or this is another server",
                fingerprint(&key),
                known.source
            );
            Err(refused(url, message))
        }
        (Err(error), None) => Err(refused(url, error.to_string())),
    }
}

/// Looks at the server's key.
struct Checker {
    keys: Vec<russh::keys::ssh_key::public::KeyData>,
    /// The key, if it is none of these.
    shown: Arc<Mutex<Option<PublicKey>>>,
}

impl client::Handler for Checker {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        let is_known = self.keys.iter().any(|known| known == key.key_data());
        if !is_known {
            *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
        }
        Ok(is_known)
    }
}

async fn confirmed(url: &Url, credentials: &Credentials, key: &PublicKey) -> bool {
    let question = format!(
        "The server {} shows the host key {}, which is not known. Is it the right one?",
        url.authority(),
        fingerprint(key)
    );
    credentials::confirm(&credentials.ask, question).await
}

fn fingerprint(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

fn refused(url: &Url, reason: String) -> ClientError {
    ClientError::Connect { place: url.to_string(), reason }
}

/// Logs in with keys, then a password.
async fn log_in(
    handle: &mut Handle<Checker>,
    user: &str,
    url: &Url,
    credentials: &Credentials,
    limits: &Limits,
) -> Result<(), ClientError> {
    let late = |_| ClientError::Timeout { what: "answer to the login", limit: limits.connect };
    let broken = |error: russh::Error| refused(url, format!("logging in failed: {error}"));
    let asked = timeout(limits.connect, handle.authenticate_none(user)).await.map_err(late)?;
    let methods = match asked.map_err(broken)? {
        AuthResult::Success => return Ok(()),
        AuthResult::Failure { remaining_methods, .. } => remaining_methods,
    };
    if methods.contains(&MethodKind::PublicKey) {
        let hash = timeout(limits.connect, handle.best_supported_rsa_hash()).await.map_err(late)?;
        let hash = hash.map_err(broken)?.flatten();
        for key in identities(credentials).await? {
            let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
            let tried = timeout(limits.connect, handle.authenticate_publickey(user, key)).await;
            if tried.map_err(late)?.map_err(broken)?.success() {
                return Ok(());
            }
        }
    }
    let is_plain = methods.contains(&MethodKind::Password);
    if !is_plain && !methods.contains(&MethodKind::KeyboardInteractive) {
        return Err(ClientError::Login(format!("{url} takes none of the keys of {user}")));
    }
    for _ in 0..TRIES {
        let password = match &credentials.password {
            Some(password) => password.clone(),
            None => {
                let prompt = format!("Password of {user} at {}: ", url.authority());
                let nobody = || {
                    let message = format!("{url} wants a password of {user}, and there is nobody to ask");
                    ClientError::Login(message)
                };
                credentials::secret(&credentials.ask, prompt).await.ok_or_else(nobody)?
            }
        };
        let is_in = match is_plain {
            true => {
                let tried =
                    timeout(limits.connect, handle.authenticate_password(user, password.reveal())).await;
                tried.map_err(late)?.map_err(broken)?.success()
            }
            false => interactive(handle, user, credentials, &password, limits).await?,
        };
        if is_in {
            return Ok(());
        }
        if credentials.password.is_some() {
            break;
        }
    }
    Err(ClientError::Login(format!("{url} does not take the password of {user}")))
}

/// Keyboard-interactive (RFC 4256): the first question without echo is for the password, others are asked on.
async fn interactive(
    handle: &mut Handle<Checker>,
    user: &str,
    credentials: &Credentials,
    password: &Secret,
    limits: &Limits,
) -> Result<bool, ClientError> {
    let late = |_| ClientError::Timeout { what: "answer to the login", limit: limits.connect };
    let broken = |error: russh::Error| ClientError::Login(error.to_string());
    let mut is_used = false;
    let start = handle.authenticate_keyboard_interactive_start(user, None::<String>);
    let mut answer = timeout(limits.connect, start).await.map_err(late)?.map_err(broken)?;
    for _ in 0..2 * TRIES {
        let prompts = match answer {
            KeyboardInteractiveAuthResponse::Success => return Ok(true),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => prompts,
        };
        let mut answers = Vec::new();
        for prompt in prompts {
            answers.push(match is_used || prompt.echo {
                false => password.reveal().to_owned(),
                true => {
                    let answer = credentials::secret(&credentials.ask, printable(&prompt.prompt)).await;
                    answer.map(|answer| answer.reveal().to_owned()).unwrap_or_default()
                }
            });
            is_used = true;
        }
        let respond = handle.authenticate_keyboard_interactive_respond(answers);
        answer = timeout(limits.connect, respond).await.map_err(late)?.map_err(broken)?;
    }
    Ok(false)
}

/// What a server wants to be shown, without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// The private keys that are named, or else those of `~/.ssh` that need no passphrase, unless there is a password.
async fn identities(credentials: &Credentials) -> Result<Vec<PrivateKey>, ClientError> {
    let mut keys = Vec::new();
    for file in &credentials.identities {
        keys.push(identity(file, credentials).await?);
    }
    if keys.is_empty()
        && credentials.password.is_none()
        && let Some(home) = std::env::home_dir()
    {
        let files = IDENTITIES.map(|name| home.join(".ssh").join(name));
        keys.extend(files.iter().filter_map(|file| load_secret_key(file, None).ok()));
    }
    Ok(keys)
}

async fn identity(file: &Path, credentials: &Credentials) -> Result<PrivateKey, ClientError> {
    let wrong = |error: &dyn std::fmt::Display| {
        ClientError::Login(format!("{} cannot be used: {error}", file.display()))
    };
    match load_secret_key(file, None) {
        Ok(key) => Ok(key),
        Err(russh::keys::Error::KeyIsEncrypted) => {
            let prompt = format!("Passphrase of {}: ", file.display());
            let passphrase = credentials::secret(&credentials.ask, prompt).await;
            let passphrase =
                passphrase.ok_or_else(|| wrong(&"it has a passphrase, and there is nobody to ask"))?;
            load_secret_key(file, Some(passphrase.reveal())).map_err(|error| wrong(&error))
        }
        Err(error) => Err(wrong(&error)),
    }
}
