//! Where secrets are kept: a directory for the owner of the process alone, with a small file for each.
//!
//! Of passwords and API keys there is only a hash. Nothing that it says, nor its file names, tells a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::mem;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use argon2::Params;
use argon2::password_hash::phc::PasswordHash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use sha2::{Digest as _, Sha256};

use super::files::{self, FileError, Readers};
use super::jwks::Keys;
use super::{api_keys, settings, users};
use crate::access::settings::{PrivateKeys, public_key};
use crate::access::{Reference, Settings};
use crate::clock::Clock;
use crate::config::{self, Check, Config};
use crate::engine::{self, Secret};
use crate::ids::hexadecimal;
use crate::yang::error::{Error, Tag};

/// Where secrets are in the data directory.
pub(super) const DIRECTORY: &str = "secrets";
/// A secret that nothing refers to any more is kept so long, so that an earlier configuration can be gone back to.
const KEPT_UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);
/// When a secret was last used is noted so exactly.
const NOTED: Duration = Duration::from_secs(24 * 3600);
const API_KEY_BYTES_MIN: usize = 32;
/// In the identifier of a token, of which there are as many as users want.
const TOKEN_MARK: &str = "told-";
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
    state: RwLock<State>,
}

/// What is kept and what of it is used, so that nothing goes between being looked at and being referred to.
#[derive(Default)]
struct State {
    /// By identifier, which is the name of the file.
    kept: BTreeMap<String, Kept>,
    /// The identifiers of what was referred to when that was last looked at, and since.
    used: BTreeSet<String>,
    /// The same before that look: what an edit was about to refer to then may not have been seen by it.
    used_before: BTreeSet<String>,
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
        let directory = data.join(DIRECTORY);
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
        let state = RwLock::new(State { kept, ..State::default() });
        Ok(Vault { directory, users, most, issuers, clock, state })
    }

    /// What was kept: the hash of a password or of the secret of an API key, or a secret of the server itself.
    pub fn get(&self, reference: &Reference) -> Option<Arc<str>> {
        self.read().kept.get(reference.id()).map(|kept| Arc::clone(&kept.text))
    }

    /// The private key that fits a certificate.
    pub fn key_of(&self, certificate: &[u8]) -> Option<PrivateKeyDer<'static>> {
        let id = key_id(&public_key(certificate)?);
        let kept = self.read().kept.get(&id).map(|kept| Arc::clone(&kept.text))?;
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

    /// Removes what has not been referred to for long; `referred` tells what is, by the configurations that count. It is
    /// asked before anybody is served and then each hour, so that the time of a file says on which day its secret was last known
    /// to be used. Waits for the files.
    pub fn sweep(&self, referred: impl FnOnce() -> (BTreeSet<Reference>, PrivateKeys)) {
        {
            let mut state = self.write();
            state.used_before = mem::take(&mut state.used);
        }
        let (references, keys) = referred();
        let now = self.now();
        let (mut used, mut old) = (Vec::new(), Vec::new());
        {
            let mut state = self.write();
            state.refer(references, &keys);
            for (id, used_at) in state.kept.iter().map(|(id, kept)| (id, kept.used_at)) {
                let unused = now.duration_since(used_at).unwrap_or_default();
                if state.is_used(id) {
                    used.extend((unused > NOTED).then(|| id.clone()));
                } else if unused > KEPT_UNUSED {
                    old.push(id.clone());
                }
            }
            for id in &used {
                state.kept.entry(id.clone()).and_modify(|kept| kept.used_at = now);
            }
            old.iter().for_each(|id| drop(state.kept.remove(id)));
        }
        for id in used {
            let touched = File::options().write(true).open(self.directory.join(&id));
            if let Err(error) = touched.and_then(|file| file.set_modified(now)) {
                tracing::warn!(id, %error, "it cannot be noted that a secret is used");
            }
        }
        self.remove_files(&old);
    }

    /// Removes the files of what is not kept any more. Their names are never used again.
    fn remove_files(&self, ids: &[String]) {
        for id in ids {
            if let Err(error) = std::fs::remove_file(self.directory.join(id)) {
                tracing::warn!(id, %error, "the file of a secret that nobody uses stays until the next start");
            }
        }
    }

    /// Makes room where there is none: what nobody refers to goes, the longest unused first, so that nobody can fill the
    /// place for others. Tokens have half of it, so that they leave the rest to whoever administers the server.
    fn make_room(&self, id: &str) -> Result<(), Error> {
        let mut state = self.write();
        let is_token = id.contains(TOKEN_MARK);
        let counts = |id: &str| !is_token || id.contains(TOKEN_MARK);
        let most = if is_token { self.most / 2 } else { self.most };
        if state.kept.len() < most || state.kept.keys().filter(|id| counts(id)).count() < most {
            return Ok(());
        }
        let unused = state.kept.iter().filter(|(id, _)| counts(id) && !state.is_used(id));
        let mut unused: Vec<_> = unused.map(|(id, kept)| (kept.used_at, id.clone())).collect();
        unused.sort_unstable();
        unused.truncate((most / 10).max(1));
        let unused: Vec<String> = unused.into_iter().map(|(_, id)| id).collect();
        unused.iter().for_each(|id| drop(state.kept.remove(id)));
        drop(state);
        self.remove_files(&unused);
        match unused.is_empty() {
            true => {
                let what = if is_token { "tokens" } else { "secrets" };
                let message = format!("the server keeps {most} {what} at most, and all are in use");
                Err(Error::application(Tag::ResourceDenied, message))
            }
            false => Ok(()),
        }
    }

    fn put(&self, id: &str, content: &str) -> Result<(), Error> {
        self.make_room(id)?;
        files::replace(&self.directory.join(id), content, Readers::Owner).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a secret cannot be written");
            engine::refused_file(&error.source)
        })?;
        let kept = Kept { text: Arc::from(content), used_at: self.now() };
        self.write().kept.insert(id.to_owned(), kept);
        Ok(())
    }

    fn now(&self) -> SystemTime {
        let seconds = u64::try_from(self.clock.now().as_seconds()).unwrap_or_default();
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// From now on all of these are used.
    fn refer(&mut self, references: impl IntoIterator<Item = Reference>, keys: &PrivateKeys) {
        self.used.extend(references.into_iter().map(|reference| reference.id().to_owned()));
        self.used.extend(keys.public.iter().map(|public| key_id(public)));
        if keys.can_be_any {
            let all = self.kept.keys().filter(|id| id.starts_with(KEY_PREFIX));
            self.used.extend(all.cloned());
        }
    }

    fn is_used(&self, id: &str) -> bool {
        self.used.contains(id) || self.used_before.contains(id)
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
            Secret::Client(clear) | Secret::Token(clear) => clear.to_owned(),
        };
        let unique = uuid::Uuid::new_v4();
        let reference = match secret {
            Secret::Token(_) => Reference::new(purpose, &format!("{TOKEN_MARK}{unique}")),
            _ => Reference::new(purpose, &unique.to_string()),
        };
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

    fn is(&self, reference: &Reference, secret: &str) -> bool {
        self.get(reference).is_some_and(|kept| kept.as_ref() == secret)
    }

    fn uses(&self, reference: &Reference) -> Result<(), Error> {
        let mut state = self.write();
        if !state.kept.contains_key(reference.id()) {
            return Err(invalid(format!("{reference} refers to no secret that is kept: give it anew")));
        }
        state.used.insert(reference.id().to_owned());
        Ok(())
    }

    fn check(&self, settings: &Settings) -> Result<(), Error> {
        {
            // At once, so that what is kept now is kept from now on.
            let mut state = self.write();
            let is_missing = |reference: &Reference| !state.kept.contains_key(reference.id());
            if let Some((missing, place)) = settings.references().find(|(reference, _)| is_missing(reference))
            {
                let message = format!("{missing} refers to no secret that is kept: set it anew");
                return Err(invalid(message).at(place));
            }
            state.refer(settings.references().map(|(reference, _)| reference), &settings.private_keys);
        }
        // The file would count, and the client would not see that what it wrote has no effect.
        let of_machine = users::list(&self.users).unwrap_or_default();
        if let Some(name) = settings.users.keys().find(|name| of_machine.contains_key(*name)) {
            let message = format!("{name} is a user of the machine, whom `agentconf user` changes there");
            return Err(invalid(message).at(Settings::place_of_user(name)));
        }
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

fn is_id(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// What the file of a private key is called: by its public key (SubjectPublicKeyInfo).
fn key_id(public: &[u8]) -> String {
    format!("{KEY_PREFIX}{}", hexadecimal(&Sha256::digest(public)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::access::settings::User;
    use crate::clock::{ManualClock, Timestamp};
    use crate::engine::Vault as _;
    use crate::server::test_directory::TestDirectory;

    const DAY_S: i64 = 24 * 3600;

    fn referring_to(password: &Reference) -> Settings {
        let (groups, public_keys) = Default::default();
        let password = Some(password.clone());
        let user = User { enabled: true, groups, password, public_keys, created: Timestamp::EPOCH };
        Settings { users: [("ann".to_owned(), Arc::new(user))].into(), ..Settings::default() }
    }

    #[test]
    fn what_is_referred_to_while_it_is_swept_stays() {
        let data = TestDirectory::new();
        let config = Config { data: data.path().to_owned(), ..Config::default() };
        let clock = ManualClock::new(Timestamp::EPOCH);
        let vault = Vault::open(&config, clock.clock()).unwrap();
        let [wanted, unwanted] =
            ["/a", "/b"].map(|purpose| vault.keep(Secret::Client("s"), purpose).unwrap());
        clock.advance_seconds(31 * DAY_S);
        vault.sweep(|| {
            vault.check(&referring_to(&wanted)).unwrap();
            Default::default()
        });
        assert!(vault.get(&wanted).is_some() && vault.get(&unwanted).is_none());
        assert!(vault.check(&referring_to(&unwanted)).is_err());
        assert!(!data.path().join("secrets").join(unwanted.id()).exists());
        // What was about to refer to it was not carried out: nothing does, twice.
        for _ in 0..2 {
            vault.sweep(Default::default);
        }
        clock.advance_seconds(31 * DAY_S);
        vault.sweep(Default::default);
        assert!(vault.get(&wanted).is_none());
    }

    #[test]
    fn a_private_key_goes_when_no_keystore_has_had_it_for_long() {
        let data = TestDirectory::new();
        let config = Config { data: data.path().to_owned(), ..Config::default() };
        let clock = ManualClock::new(Timestamp::EPOCH);
        let vault = Vault::open(&config, clock.clock()).unwrap();
        let pairs = [(); 2].map(|()| rcgen::KeyPair::generate().unwrap());
        for pair in &pairs {
            vault.keep_key(&pair.serialize_der()).unwrap();
        }
        let [kept, other] = pairs.map(|pair| {
            let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.self_signed(&pair).unwrap().der().to_vec()
        });
        let are_there = || [&kept, &other].map(|certificate| vault.key_of(certificate).is_some());
        let sweep_with = |keys: fn(Vec<u8>) -> PrivateKeys| {
            // What was used before the last look is not removed yet.
            for _ in 0..2 {
                vault.sweep(|| (BTreeSet::new(), keys(public_key(&kept).unwrap())));
            }
        };
        let one = |key| PrivateKeys { public: [key].into(), can_be_any: false };
        sweep_with(|_| PrivateKeys { can_be_any: true, ..PrivateKeys::default() });
        clock.advance_seconds(31 * DAY_S);
        sweep_with(|_| PrivateKeys { can_be_any: true, ..PrivateKeys::default() });
        assert_eq!(are_there(), [true, true], "a hidden key without a public one can be any");
        sweep_with(one);
        assert_eq!(are_there(), [true, true], "an earlier configuration can be gone back to");
        clock.advance_seconds(31 * DAY_S);
        sweep_with(one);
        assert_eq!(are_there(), [true, false]);
        sweep_with(|_| PrivateKeys::default());
        clock.advance_seconds(31 * DAY_S);
        // What is about to be configured is used at once.
        let private_keys = one(public_key(&kept).unwrap());
        vault.check(&Settings { private_keys, ..Settings::default() }).unwrap();
        vault.sweep(Default::default);
        assert_eq!(are_there(), [true, false]);
        clock.advance_seconds(31 * DAY_S);
        sweep_with(|_| PrivateKeys::default());
        assert_eq!(are_there(), [false, false]);
        assert_eq!(std::fs::read_dir(data.path().join("secrets")).unwrap().count(), 0);
    }

    #[test]
    fn tokens_fill_half_of_a_vault_and_no_more() {
        let data = TestDirectory::new();
        let mut config = Config { data: data.path().to_owned(), ..Config::default() };
        config.limits.secrets_max = 4;
        let vault = Vault::open(&config, ManualClock::new(Timestamp::EPOCH).clock()).unwrap();
        let token = || vault.keep(Secret::Token("t"), "https://r.example/");
        for _ in 0..2 {
            vault.uses(&token().unwrap()).unwrap();
        }
        assert_eq!(token().unwrap_err().tag, Tag::ResourceDenied);
        let others = ["/a", "/b"].map(|purpose| vault.keep(Secret::Client("s"), purpose).unwrap());
        // What was replaced is seen not to be referred to, twice.
        for _ in 0..2 {
            vault.sweep(|| (others.clone().into(), PrivateKeys::default()));
        }
        let last = token().unwrap();
        assert!(
            vault.is(&last, "t") && !vault.is(&last, "s") && others.iter().all(|kept| vault.is(kept, "s"))
        );
    }

    #[test]
    fn a_full_vault_makes_room_of_what_is_not_used() {
        let data = TestDirectory::new();
        let mut config = Config { data: data.path().to_owned(), ..Config::default() };
        config.limits.secrets_max = 2;
        let vault = Vault::open(&config, ManualClock::new(Timestamp::EPOCH).clock()).unwrap();
        let keep = |purpose| vault.keep(Secret::Client("s"), purpose);
        let (used, unused) = (keep("/a").unwrap(), keep("/b").unwrap());
        vault.sweep(|| ([used.clone()].into(), PrivateKeys::default()));
        let other = keep("/c").unwrap();
        assert!(vault.get(&used).is_some() && vault.get(&unused).is_none());
        vault.check(&referring_to(&other)).unwrap();
        assert_eq!(keep("/d").unwrap_err().tag, Tag::ResourceDenied);
    }
}
