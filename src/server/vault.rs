//! Where secrets are kept: a directory for the owner of the process alone, with a small file for each.
//!
//! Of passwords and API keys there is only a hash. Nothing that it says, nor its file names, tells a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::files::{self, FileError, Readers};
use super::jwks::Keys;
use super::{api_keys, settings, users};
use crate::access::{Reference, Settings};
use crate::clock::Clock;
use crate::config::{self, Check, Config};
use crate::engine::{self, Secret};
use crate::yang::error::{Error, Tag};

/// A secret that nothing refers to any more is kept so long, so that an earlier configuration can be gone back to.
const KEPT_UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);
/// What a hash by argon2id that was made elsewhere may cost: memory in KiB, passes, lanes.
const HASH_COST_MAX: (u32, u32, u32) = (64 * 1024, 10, 4);
const API_KEY_BYTES_MIN: usize = 32;
const KEY_PREFIX: &str = "key-";

/// The secrets of a data directory.
pub struct Vault {
    directory: PathBuf,
    most: usize,
    /// The issuers of the server's file, beside which those of the configuration have to make sense.
    issuers: Vec<config::Issuer>,
    clock: Clock,
    /// By identifier, which is the name of the file.
    kept: RwLock<BTreeMap<String, Arc<str>>>,
}

impl Vault {
    /// Reads the directory `secrets` of a server with these settings, which is made if it is missing.
    ///
    /// # Errors
    /// The directory or one of its files cannot be read.
    pub fn open(config: &Config, clock: Clock) -> Result<Vault, FileError> {
        let (data, most) = (&config.data, config.limits.secrets_max);
        let directory = data.join("secrets");
        files::create_directory(&directory)?;
        let unreadable = |error| FileError::of("read", &directory)(error);
        let mut kept = BTreeMap::new();
        for entry in std::fs::read_dir(&directory).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            // Others are what a crash left of files being written.
            if let Some(id) = entry.file_name().to_str().filter(|name| is_id(name))
                && let Some(text) = files::read(&entry.path())?
            {
                kept.insert(id.to_owned(), Arc::from(text));
            }
        }
        let issuers = config.tokens.issuers.clone();
        Ok(Vault { directory, most, issuers, clock, kept: RwLock::new(kept) })
    }

    /// What was kept: the hash of a password or of the secret of an API key, or a secret of the server itself.
    pub fn get(&self, reference: &Reference) -> Option<Arc<str>> {
        self.read().get(reference.id()).cloned()
    }

    /// The private key that fits a certificate.
    pub fn key_of(&self, certificate: &[u8]) -> Option<PrivateKeyDer<'static>> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let kept = self.read().get(&key_id(parsed.public_key().raw)).cloned()?;
        PrivateKeyDer::try_from(STANDARD.decode(kept.as_bytes()).ok()?).ok()
    }

    /// The issuers of the server's file.
    pub fn issuers_in_file(&self) -> &[config::Issuer] {
        &self.issuers
    }

    /// Removes what has not been referred to for long: `used` is, by the configurations that count.
    pub fn sweep(&self, used: &BTreeSet<Reference>) {
        let now = self.clock.now();
        let ids: Vec<String> = self.read().keys().cloned().collect();
        let is_old = |id: &str| {
            let modified = std::fs::metadata(self.directory.join(id)).and_then(|file| file.modified());
            let since = modified.ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
            let now = Duration::from_secs(u64::try_from(now.as_seconds()).unwrap_or_default());
            since.is_some_and(|since| now.saturating_sub(since) > KEPT_UNUSED)
        };
        let is_used = |id: &str| id.starts_with(KEY_PREFIX) || used.contains(&Reference::new(id));
        for id in ids.into_iter().filter(|id| !is_used(id) && is_old(id)) {
            match std::fs::remove_file(self.directory.join(&id)) {
                Ok(()) => drop(self.write().remove(&id)),
                Err(error) => tracing::warn!(id, %error, "a secret that nobody uses stays"),
            }
        }
    }

    fn put(&self, id: &str, content: &str) -> Result<(), Error> {
        if self.read().len() >= self.most {
            let message = format!("the server keeps {} secrets at most", self.most);
            return Err(Error::application(Tag::ResourceDenied, message));
        }
        files::replace(&self.directory.join(id), content, Readers::Owner).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a secret cannot be written");
            engine::refused_file(&error.source)
        })?;
        self.write().insert(id.to_owned(), Arc::from(content));
        Ok(())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Arc<str>>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Arc<str>>> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl engine::Vault for Vault {
    fn keep(&self, secret: Secret<'_>) -> Result<Reference, Error> {
        let content = match secret {
            Secret::Password(clear) => {
                users::hash_password(clear).map_err(|error| invalid(error.to_string()))?
            }
            Secret::PasswordHash(hash) if is_hash(hash) => hash.to_owned(),
            Secret::PasswordHash(_) => {
                let (memory, passes, lanes) = HASH_COST_MAX;
                return Err(invalid(format!(
                    "this is no hash by argon2id with at most {memory} KiB, {passes} passes and {lanes} lanes, as a PHC string"
                )));
            }
            Secret::ApiKey(clear) if clear.len() >= API_KEY_BYTES_MIN => api_keys::hash(clear),
            Secret::ApiKey(_) => {
                return Err(invalid(format!(
                    "the secret of an API key has {API_KEY_BYTES_MIN} octets at least"
                )));
            }
            Secret::Client("") => return Err(invalid("the secret is empty")),
            Secret::Client(clear) => clear.to_owned(),
        };
        let id = uuid::Uuid::new_v4().to_string();
        self.put(&id, &content).map(|()| Reference::new(&id))
    }

    fn keep_key(&self, key: &[u8]) -> Result<(), Error> {
        let unusable = || invalid("this is no private key in DER that TLS can use");
        let der = PrivateKeyDer::try_from(key).map_err(|_| unusable())?;
        let signing = any_supported_type(&der).map_err(|_| unusable())?;
        let public = signing.public_key().ok_or_else(unusable)?;
        self.put(&key_id(&public), &STANDARD.encode(key))
    }

    fn random(&self) -> Result<String, Error> {
        let random = rustls::crypto::ring::default_provider().secure_random;
        let none = || Error::application(Tag::OperationFailed, "the operating system gives no randomness");
        api_keys::new_secret(random).ok_or_else(none)
    }

    fn check(&self, settings: &Settings) -> Result<(), Error> {
        if let Some((missing, place)) =
            settings.references().find(|(reference, _)| self.get(reference).is_none())
        {
            return Err(invalid(format!("{missing} refers to no secret that is kept: set it anew")).at(place));
        }
        settings::certificate(settings, self, &self.clock)?;
        settings::clients(settings)?;
        for issuer in settings::issuers(settings, self, &self.issuers)? {
            if let Check::Text(keys) = &issuer.check {
                let unusable =
                    |error| invalid(format!("the keys of {:?} cannot be used: {error}", issuer.issuer));
                Keys::parse("jwks", keys.as_bytes()).map_err(unusable)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("directory", &self.directory).finish_non_exhaustive()
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::application(Tag::InvalidValue, message)
}

/// Whether a text is a hash of a password that costs no more than it may.
fn is_hash(text: &str) -> bool {
    let Ok(hash) = PasswordHash::new(text) else { return false };
    let Ok(params) = argon2::Params::try_from(&hash) else { return false };
    let (memory, passes, lanes) = HASH_COST_MAX;
    hash.algorithm.as_str() == "argon2id"
        && hash.salt.is_some()
        && hash.hash.is_some()
        && params.m_cost() <= memory
        && params.t_cost() <= passes
        && params.p_cost() <= lanes
}

fn is_id(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// What the file of a private key is called: by its public key (SubjectPublicKeyInfo).
fn key_id(public: &[u8]) -> String {
    let hash: [u8; 32] = Sha256::digest(public).into();
    let hexadecimal: String = hash.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("{KEY_PREFIX}{hexadecimal}")
}
