//! The audit trail of a server: its keys, and what HTTP and the transports of NETCONF note of those who come.
//!
//! It never hands on a credential: of what a client sends it takes the name of the user alone.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use rustls::crypto::SecureRandom;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::api_keys;
use super::certificates::Shown;
use super::files::{self, FileError, Readers};
use super::rights::Rights;
use super::shutdown::Shutdown;
use super::standing::{self, Lost};
use super::watched::{self, Edited, Stamp};
use crate::access::{AuthError, Method, Source};
use crate::audit::{KeyError, OpenError, Reader, Settings, Signer, Trail};
use crate::clock::Clock;
use crate::config::Config;
use crate::log::{self, LogError, LogReader};

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
    /// The event log cannot be read, or is damaged.
    #[error("the event log cannot be used")]
    Log(#[source] LogError),
    /// The event log is not the one that the other files belong to.
    #[error(transparent)]
    Lost(#[from] Lost),
}

/// Opens the trail of a data directory. The key is made if it is missing (mode 0600), and its public half written beside it.
///
/// # Errors
/// The files cannot be read or written, or hold something else. [`Lost`] if the event log has less than they stand for; nothing is
/// changed then.
pub fn open(
    data: &Path,
    settings: &Settings,
    clock: &Clock,
    random: &dyn SecureRandom,
) -> Result<Trail, AuditError> {
    let key = data.join(KEY_FILE);
    let kept = files::read(&key)?;
    let signer = kept.as_deref().map(Signer::from_pem).transpose()?;
    if let Some(lost) = standing::lost(data, signer.map(|signer| signer.public()).as_ref())? {
        return Err(lost.into());
    }
    // The trail has its first checkpoint before the event log has a record: a start that ended between key and checkpoint
    // leaves that empty. Where the key is gone too, the event log has what a server with a trail has written.
    let has_lived = LogReader::open_checked(data).is_ok_and(|log| {
        // One that cannot be read is not new.
        let Ok(first) = log.first() else { return true };
        let mut records = log.scan(first.position).map_while(Result::ok);
        records.any(|record| kept.is_some() || !record.origin.is_empty())
    });
    let pem = match kept {
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
    Ok(Trail::open(&directory, settings.clone(), signer, clock.clone(), has_lived)?)
}

/// Whether the trail of a data directory could be opened, as far as that is seen without changing anything.
///
/// # Errors
/// As [`open`].
pub fn check(data: &Path) -> Result<(), AuditError> {
    let signer = files::read(&data.join(KEY_FILE))?.map(|pem| Signer::from_pem(&pem)).transpose()?;
    // A server that runs has looked at its start, and goes on writing while it is looked here.
    if !log::is_in_use(data)
        && let Some(lost) = standing::lost(data, signer.map(|signer| signer.public()).as_ref())?
    {
        return Err(lost.into());
    }
    files::read(&data.join(PUBLIC_FILE))?;
    let directory = data.join(DIRECTORY);
    let reader = Reader::new(&directory);
    let numbers = reader.numbers().map_err(FileError::of("read", &directory))?;
    match numbers.last() {
        Some(newest) => Ok(log::look(&reader.place(*newest)).map(drop).map_err(OpenError::from)?),
        None => Ok(()),
    }
}

/// Files of the data directory that commands change beside a running server, which notices.
const ADMINISTERED: [&str; 8] = [
    "users.json",
    "keys.json",
    "jwt.key",
    "pki/ca.pem",
    "pki/server.pem",
    "ssh/host_ed25519",
    KEY_FILE,
    PUBLIC_FILE,
];
/// Where it is kept how they were.
const STAMPS: &str = "files.json";
/// Where it is kept what those said that let people in.
const RIGHTS: &str = "rights.json";
/// How often they are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The files that administrators change, as they were when they were looked at last.
pub struct Administered {
    /// What each is called, and where it is.
    files: Vec<(String, PathBuf)>,
    data: PathBuf,
    known: BTreeMap<String, Option<Edited>>,
    rights: Rights,
    /// Whether a server has lived here that would have kept how they were.
    has_lived: bool,
}

impl Administered {
    /// The files of a data directory, and the configuration, as the server before this one has left them. To be asked
    /// before the server makes those that are missing.
    pub fn open(config: &Config) -> Administered {
        let data = &config.data;
        let own = ADMINISTERED.iter().map(|name| ((*name).to_owned(), data.join(name)));
        let configuration = config.file.iter().map(|file| (file.display().to_string(), file.to_owned()));
        let directory = data.join(DIRECTORY);
        let has_lived = Reader::new(&directory).kept().is_ok_and(|kept| kept.is_some());
        let known: Option<BTreeMap<_, _>> = kept(&directory.join(STAMPS));
        let rights = kept(&directory.join(RIGHTS)).unwrap_or_default();
        let has_lived = has_lived || known.is_some();
        let (files, data) = (own.chain(configuration).collect(), data.clone());
        Administered { files, data, known: known.unwrap_or_default(), rights, has_lived }
    }

    /// Notes which of them have changed since the server before this one, and whose rights, and then until this one stops.
    pub async fn watch(mut self, trail: Trail, shutdown: Shutdown) {
        if self.has_lived && self.known.is_empty() {
            trail.administered("file-changed", &format!("{DIRECTORY}/{STAMPS}"));
        }
        loop {
            self.look(&trail);
            tokio::select! {
                () = shutdown.begun() => break,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        self.look(&trail);
    }

    fn look(&mut self, trail: &Trail) {
        let mut is_changed = false;
        for (name, file) in &self.files {
            let now = watched::look(file).map(Stamp::edited);
            match self.known.insert(name.clone(), now) {
                Some(before) if before != now => trail.administered("file-changed", name),
                Some(_) => continue,
                // It was not watched before.
                None => {}
            }
            is_changed = true;
        }
        if is_changed || self.rights.are_unknown() {
            self.rights.look(&self.data, trail);
            let directory = self.data.join(DIRECTORY);
            // In this order: who ends in between tells once more that a file has changed, and of nobody's rights twice.
            let kept = keep(&directory.join(RIGHTS), &self.rights);
            if let Err(error) = kept.and_then(|()| keep(&directory.join(STAMPS), &self.known)) {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "it is not kept how the files of administrators are");
            }
        }
    }
}

fn kept<T: DeserializeOwned>(file: &Path) -> Option<T> {
    files::read(file).ok().flatten().and_then(|text| serde_json::from_str(&text).ok())
}

fn keep(file: &Path, what: &impl Serialize) -> Result<(), FileError> {
    let text = serde_json::to_string(what).map_err(io::Error::from).map_err(FileError::of("write", file))?;
    files::replace(file, &text, Readers::Owner)
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
