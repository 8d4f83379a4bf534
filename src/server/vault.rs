//! Where secrets are kept: a directory for the owner of the process alone, with a small file for each.
//!
//! Of passwords and API keys there is only a hash. Nothing that it says, nor its file names, tells a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use argon2::Params;
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
const API_KEY_BYTES_MIN: usize = 32;
const KEY_PREFIX: &str = "key-";

/// The secrets of a data directory.
pub struct Vault {
    directory: PathBuf,
    most: usize,
    /// The issuers of the server's file, beside which those of the configuration have to make sense.
    issuers: ArcSwap<Vec<config::Issuer>>,
    clock: Clock,
    /// The data directory, with the users of the machine.
    users: PathBuf,
    /// By identifier, which is the name of the file.
    kept: RwLock<BTreeMap<String, Kept>>,
    /// What was referred to when that was last looked at, and since.
    used: RwLock<BTreeSet<Reference>>,
}

/// A secret, or what is needed of it.
struct Kept {
    text: Arc<str>,
    /// When it was last known to be referred to, which the time of its file says too.
    used_at: SystemTime,
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
                let used_at = entry.metadata().and_then(|file| file.modified()).map_err(unreadable)?;
                kept.insert(id.to_owned(), Kept { text: Arc::from(text), used_at });
            }
        }
        let issuers = ArcSwap::from_pointee(config.tokens.issuers.clone());
        let users = data.clone();
        Ok(Vault { directory, users, most, issuers, clock, kept: RwLock::new(kept), used: RwLock::default() })
    }

    /// What was kept: the hash of a password or of the secret of an API key, or a secret of the server itself.
    pub fn get(&self, reference: &Reference) -> Option<Arc<str>> {
        self.read().get(reference.id()).map(|kept| Arc::clone(&kept.text))
    }

    /// The private key that fits a certificate.
    pub fn key_of(&self, certificate: &[u8]) -> Option<PrivateKeyDer<'static>> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let kept = self.read().get(&key_id(parsed.public_key().raw)).map(|kept| Arc::clone(&kept.text))?;
        PrivateKeyDer::try_from(STANDARD.decode(kept.as_bytes()).ok()?).ok()
    }

    /// The issuers of the server's file.
    pub fn issuers_in_file(&self) -> Arc<Vec<config::Issuer>> {
        self.issuers.load_full()
    }

    /// The file has other issuers now.
    pub fn file_has(&self, issuers: &[config::Issuer]) {
        self.issuers.store(Arc::new(issuers.to_vec()));
    }

    /// Removes what has not been referred to for long: `used` is, by the configurations that count. It is asked once a day, so
    /// that the time of a file says when its secret was last known to be used.
    pub fn sweep(&self, used: BTreeSet<Reference>) {
        let now = SystemTime::UNIX_EPOCH
            + Duration::from_secs(u64::try_from(self.clock.now().as_seconds()).unwrap_or_default());
        let mut old = Vec::new();
        for (id, kept) in self.write().iter_mut() {
            if is_used(id, &used) {
                kept.used_at = now;
                let touched = File::options().write(true).open(self.directory.join(id));
                if let Err(error) = touched.and_then(|file| file.set_modified(now)) {
                    tracing::warn!(id, %error, "it cannot be noted that a secret is used");
                }
            } else if now.duration_since(kept.used_at).is_ok_and(|unused| unused > KEPT_UNUSED) {
                old.push(id.clone());
            }
        }
        *self.used.write().unwrap_or_else(PoisonError::into_inner) = used;
        old.iter().for_each(|id| self.remove(id));
    }

    fn remove(&self, id: &str) {
        match std::fs::remove_file(self.directory.join(id)) {
            Ok(()) => drop(self.write().remove(id)),
            Err(error) => tracing::warn!(id, %error, "a secret that nobody uses stays"),
        }
    }

    /// Makes room where there is none: what nobody refers to goes, the longest unused first, so that nobody can fill the
    /// place for others.
    fn make_room(&self) -> Result<(), Error> {
        if self.read().len() < self.most {
            return Ok(());
        }
        let used = self.used.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut unused: Vec<(SystemTime, String)> = {
            let kept = self.read();
            let unused = kept.iter().filter(|(id, _)| !is_used(id, &used));
            unused.map(|(id, kept)| (kept.used_at, id.clone())).collect()
        };
        unused.sort_unstable();
        unused.truncate((self.most / 10).max(1));
        unused.iter().for_each(|(_, id)| self.remove(id));
        match unused.is_empty() {
            true => {
                let message = format!("the server keeps {} secrets at most, and all are in use", self.most);
                Err(Error::application(Tag::ResourceDenied, message))
            }
            false => Ok(()),
        }
    }

    fn put(&self, id: &str, content: &str) -> Result<(), Error> {
        self.make_room()?;
        files::replace(&self.directory.join(id), content, Readers::Owner).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a secret cannot be written");
            engine::refused_file(&error.source)
        })?;
        let seconds = u64::try_from(self.clock.now().as_seconds()).unwrap_or_default();
        let used_at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        self.write().insert(id.to_owned(), Kept { text: Arc::from(content), used_at });
        Ok(())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Kept>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Kept>> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl engine::Vault for Vault {
    fn keep(&self, secret: Secret<'_>, purpose: &str) -> Result<Reference, Error> {
        let content = match secret {
            Secret::Password(clear) => {
                users::hash_password(clear).map_err(|error| invalid(error.to_string()))?
            }
            Secret::PasswordHash(hash) if is_hash(hash) => hash.to_owned(),
            Secret::PasswordHash(_) => {
                return Err(invalid(format!(
                    "this is no hash by argon2id as the server makes them: a PHC string with m={},t={},p={}",
                    Params::DEFAULT_M_COST,
                    Params::DEFAULT_T_COST,
                    Params::DEFAULT_P_COST
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
        let reference = Reference::new(purpose, &uuid::Uuid::new_v4().to_string());
        self.put(reference.id(), &content).map(|()| reference)
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
        // The file would count, and the client would not see that what it wrote has no effect.
        let of_machine = users::list(&self.users).unwrap_or_default();
        if let Some(name) = settings.users.keys().find(|name| of_machine.contains_key(*name)) {
            let message = format!("{name} is a user of the machine, whom `agentconf user` changes there");
            return Err(invalid(message).at(Settings::place_of_user(name)));
        }
        let used = settings.references().map(|(reference, _)| reference);
        self.used.write().unwrap_or_else(PoisonError::into_inner).extend(used);
        settings::certificate(settings, self, &self.clock)?;
        settings::clients(settings)?;
        for issuer in settings::issuers(settings, self, &self.issuers.load())? {
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

/// Whether a text is a hash of a password that costs what the server's own do: a cheaper one could be guessed, a dearer one
/// would keep others waiting, and either would tell that there is such a user.
fn is_hash(text: &str) -> bool {
    let Ok(hash) = PasswordHash::new(text) else { return false };
    let Ok(params) = Params::try_from(&hash) else { return false };
    hash.algorithm.as_str() == "argon2id"
        && hash.salt.is_some()
        && hash.hash.is_some()
        && params.m_cost() == Params::DEFAULT_M_COST
        && params.t_cost() == Params::DEFAULT_T_COST
        && params.p_cost() == Params::DEFAULT_P_COST
}

fn is_used(id: &str, used: &BTreeSet<Reference>) -> bool {
    id.starts_with(KEY_PREFIX) || Reference::with_id(id).is_some_and(|reference| used.contains(&reference))
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
