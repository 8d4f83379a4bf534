//! The audit trail of a server: its keys, and what HTTP and the transports of NETCONF note of those who come.
//!
//! It never hands on a credential: of what a client sends it takes the name of the user alone.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use rustls::crypto::SecureRandom;

use super::api_keys;
use super::certificates::Shown;
use super::files::{self, FileError, Readers};
use super::shutdown::Shutdown;
use crate::access::{AuthError, Method, Source};
use crate::audit::{KeyError, OpenError, Settings, Signer, Trail};
use crate::clock::Clock;

/// The directory of the trail in the data directory.
pub const DIRECTORY: &str = "audit";
/// The key that signs checkpoints, and the one that checks them.
pub const KEY_FILE: &str = "audit.key";
/// The one that checks them.
pub const PUBLIC_FILE: &str = "audit.pub";

/// Why there is no audit trail.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The operating system gives no random bytes.
    #[error("no randomness for a new key")]
    Random,
    /// The key file holds something else.
    #[error("{KEY_FILE} is no private key")]
    Key(#[from] KeyError),
    /// The trail cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Opens the trail of a data directory. The key is made if it is missing (mode 0600), and its public half written beside it.
///
/// # Errors
/// The files cannot be read or written, or hold something else.
pub fn open(
    data: &Path,
    settings: &Settings,
    clock: &Clock,
    random: &dyn SecureRandom,
) -> Result<Trail, AuditError> {
    let key = data.join(KEY_FILE);
    let pem = match files::read(&key)? {
        Some(pem) => pem,
        None => {
            let mut seed = [0; 32];
            random.fill(&mut seed).map_err(|_| AuditError::Random)?;
            files::create_or_read(&key, &Signer::pem(&seed), Readers::Owner)?
        }
    };
    let signer = Signer::from_pem(&pem)?;
    let (public, file) = (signer.public().pem(), data.join(PUBLIC_FILE));
    if files::read(&file)?.as_deref() != Some(&public) {
        files::replace(&file, &public, Readers::All)?;
    }
    let directory = data.join(DIRECTORY);
    files::create_directory(&directory)?;
    Ok(Trail::open(&directory, settings.clone(), signer, clock.clone())?)
}

/// Files of the data directory that commands change beside a running server, which notices.
const ADMINISTERED: [&str; 6] =
    ["users.json", "keys.json", "jwt.key", "pki/ca.pem", "pki/server.pem", "ssh/host_ed25519"];
/// How often they are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Notes which files an administrator has changed, until the server stops.
pub async fn watch(data: PathBuf, trail: Trail, shutdown: Shutdown) {
    let stamp = |name: &str| {
        let metadata = std::fs::metadata(data.join(name)).ok()?;
        Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len()))
    };
    let mut known = ADMINISTERED.map(stamp);
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        for (name, known) in ADMINISTERED.iter().zip(&mut known) {
            let now = stamp(name);
            if now != *known {
                *known = now;
                trail.administered("file-changed", name);
            }
        }
    }
}

/// Whether a handshake failed for the certificate that the client has shown, or for the lack of one.
pub fn is_about_certificate(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(
        cause,
        Some(
            rustls::Error::InvalidCertificate(_)
                | rustls::Error::NoCertificatesPresented
                | rustls::Error::InvalidCertRevocationList(_)
        )
    )
}

/// Notes a request whose credentials were refused.
pub fn refused(
    trail: &Trail,
    headers: &HeaderMap,
    certificate: Option<&Shown>,
    source: Source,
    error: &AuthError,
) {
    let field = headers.get(AUTHORIZATION).and_then(|field| field.to_str().ok()).unwrap_or_default();
    let (scheme, credentials) = field.trim().split_once(' ').unwrap_or_default();
    let (user, method) = if scheme.eq_ignore_ascii_case("Basic") {
        let pair =
            STANDARD.decode(credentials.trim_start()).ok().and_then(|pair| String::from_utf8(pair).ok());
        // Without a colon nobody knows whether it is a name or a password.
        let user = pair.as_deref().and_then(|pair| pair.split_once(':')).map(|(user, _)| user.to_owned());
        (user, Some(Method::Password))
    } else if scheme.eq_ignore_ascii_case("Bearer") {
        let is_key = credentials.trim_start().starts_with(api_keys::PREFIX);
        (None, Some(if is_key { Method::ApiKey } else { Method::Token }))
    } else {
        (None, certificate.map(|_| Method::Certificate))
    };
    let user = user.or_else(|| certificate.map(|shown| shown.name().to_owned())).unwrap_or_default();
    trail.not_authenticated(&user, method, source, error);
}
