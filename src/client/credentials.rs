//! How the client proves who its user is, and how it knows the server. It never prints a secret, nor touches the terminal:
//! who asks people is the caller's [`Ask`].

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Everything that may be needed to log in; what a protocol does not use is passed over.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Who logs in, if the URL does not say it; else it is `USER` of the environment.
    pub user: Option<String>,
    /// The password, for SSH and HTTP Basic. Without one, it is asked for where it is needed.
    pub password: Option<Secret>,
    /// Private keys for SSH. Without one, those of `~/.ssh` are tried.
    pub identities: Vec<PathBuf>,
    /// How the server's SSH key is known.
    pub host_keys: HostKeys,
    /// The authorities that the server's certificate may be of. Without one, those that the machine trusts.
    pub authorities: Vec<PathBuf>,
    /// The one certificate that the server may have, whatever names it is for; authorities are not looked at then.
    pub server_certificate: Option<PathBuf>,
    /// The user's certificate with its chain, and its private key, for TLS and HTTPS.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// A bearer token (RFC 6750), for HTTPS.
    pub token: Option<Secret>,
    /// Who is asked for what is missing; without, nothing is.
    pub ask: Option<Arc<dyn Ask>>,
}

/// How the key of an SSH server is known.
#[derive(Clone, Debug, Default)]
pub struct HostKeys {
    /// A file of public keys, one a line, of which the server has to have one. Others are not looked at then.
    pub file: Option<PathBuf>,
    /// In place of `~/.ssh/known_hosts`.
    pub known_hosts: Option<PathBuf>,
    /// Whether a key that is not known is taken, and remembered. One that is known to be another is refused all the same.
    pub accepts_new: bool,
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text, for the place where it is sent.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Somebody who can be asked, while nothing else goes on. A call may block.
pub trait Ask: fmt::Debug + Send + Sync {
    /// A secret, such as a password; none if nobody is there or they do not say.
    fn secret(&self, prompt: &str) -> Option<Secret>;
    /// Yes or no; no if nobody is there.
    fn confirm(&self, question: &str) -> bool;
}

/// Asks beside the runtime. None if there is nobody.
pub(super) async fn secret(ask: &Option<Arc<dyn Ask>>, prompt: String) -> Option<Secret> {
    let ask = Arc::clone(ask.as_ref()?);
    tokio::task::spawn_blocking(move || ask.secret(&prompt)).await.ok().flatten()
}

/// Asks beside the runtime. No if there is nobody.
pub(super) async fn confirm(ask: &Option<Arc<dyn Ask>>, question: String) -> bool {
    let Some(ask) = ask.as_ref().map(Arc::clone) else { return false };
    tokio::task::spawn_blocking(move || ask.confirm(&question)).await.unwrap_or(false)
}
