//! API keys: long random secrets of programs, each with an end and a scope, in a file that commands change while the server
//! runs.
//!
//! It never keeps a secret, only its SHA-256: with 256 random bits there is nothing to guess that a slow hash would protect.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::crypto::SecureRandom;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::configured::Configured;
use super::files::{self, FileError, Readers};
use super::named::{self, Named};
use crate::access::{Bounds, Scope, settings};
use crate::clock::{self, Timestamp};
use crate::ids::hexadecimal;

pub use crate::access::API_KEY_PREFIX as PREFIX;

/// The version of the file's form.
const VERSION: u32 = 1;

/// What the file says about one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ApiKey {
    /// The user that it stands for.
    pub user: String,
    /// How much of what the user may do it is good for.
    pub scope: Scope,
    /// The agent in whose name alone it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The SHA-256 of the secret in hexadecimal.
    hash: String,
    /// When it was made. It is of no user of that name who was added later.
    #[serde(with = "clock::rfc3339")]
    pub created: Timestamp,
    /// When it ends.
    #[serde(with = "clock::rfc3339")]
    pub ends: Timestamp,
}

impl ApiKey {
    /// A key of the configuration, with the [`hash`] of its secret.
    pub fn configured(key: &settings::ApiKey, hash: &str) -> ApiKey {
        let settings::ApiKey { user, scope, agent, ends, .. } = key;
        ApiKey {
            user: user.clone(),
            scope: *scope,
            agent: agent.clone(),
            hash: hash.to_owned(),
            // It stands beside its user, so it is of whoever has that name.
            created: Timestamp::MAX,
            ends: *ends,
        }
    }
}

/// The keys by identifier: the part of a key that is no secret.
pub type ApiKeyMap = BTreeMap<String, ApiKey>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    keys: ApiKeyMap,
}

/// What is wrong with the file of the keys, or with a change of it.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file has not the right form.
    #[error("{} is damaged", .0.display())]
    Damaged(PathBuf, #[source] serde_json::Error),
    /// The file was written by a newer version of the program.
    #[error("{} has version {version}, this program reads version {VERSION}", .file.display())]
    Version {
        /// The file.
        file: PathBuf,
        /// Its version.
        version: u32,
    },
    /// A lifetime of nothing, or that ends beyond all time.
    #[error("a lifetime of {0} s is not possible")]
    Lifetime(u64),
    /// There is no such key.
    #[error("there is no key {0}: `key list` has the identifiers")]
    Unknown(String),
    /// The operating system gives no random bytes.
    #[error("no randomness for a key")]
    Random,
}

/// Makes a key for a user, who exists, and gives it back: it is never to be seen again. Keys that have ended go.
pub fn add(
    data: &Path,
    user: &str,
    bounds: Bounds,
    lifetime_s: u64,
    now: Timestamp,
    random: &dyn SecureRandom,
) -> Result<String, ApiKeyError> {
    let end = i64::try_from(lifetime_s).ok().and_then(|seconds| now.checked_add_seconds(seconds));
    let ends = end.filter(|_| lifetime_s > 0).ok_or(ApiKeyError::Lifetime(lifetime_s))?;
    let mut id = [0; 8];
    random.fill(&mut id).map_err(|_| ApiKeyError::Random)?;
    let (id, secret) = (hexadecimal(&id), new_secret(random).ok_or(ApiKeyError::Random)?);
    let (Bounds { scope, agent }, hash) = (bounds, hash(&secret));
    let key = ApiKey { user: user.to_owned(), scope, agent, hash, created: now, ends };
    edit(data, |keys| {
        keys.retain(|_, key| key.ends > now);
        keys.insert(id.clone(), key);
        Ok(())
    })?;
    Ok(format!("{PREFIX}{id}_{secret}"))
}

/// Ends a key, and with it what was begun with it.
pub fn revoke(data: &Path, id: &str) -> Result<(), ApiKeyError> {
    edit(data, |keys| keys.remove(id).map(drop).ok_or_else(|| ApiKeyError::Unknown(id.to_owned())))
}

/// All keys in the file of a data directory; none if there is no file.
pub fn list(data: &Path) -> Result<ApiKeyMap, ApiKeyError> {
    let path = path(data);
    files::read(&path)?.map_or_else(|| Ok(ApiKeyMap::new()), |text| parse(&path, &text))
}

fn edit(
    data: &Path,
    change: impl FnOnce(&mut ApiKeyMap) -> Result<(), ApiKeyError>,
) -> Result<(), ApiKeyError> {
    let lock_path = data.join("keys.lock");
    let lock = files::open_lock(&lock_path)?;
    lock.lock().map_err(FileError::of("lock", &lock_path))?;
    let mut keys = list(data)?;
    change(&mut keys)?;
    let path = path(data);
    let text = serde_json::to_string_pretty(&Content { version: VERSION, keys })
        .map_err(|error| ApiKeyError::Damaged(path.clone(), error))?;
    Ok(files::replace(&path, &(text + "\n"), Readers::Owner)?)
}

/// The file of a data directory.
pub fn path(data: &Path) -> PathBuf {
    data.join("keys.json")
}

fn parse(path: &Path, text: &str) -> Result<ApiKeyMap, ApiKeyError> {
    let content: Content =
        serde_json::from_str(text).map_err(|error| ApiKeyError::Damaged(path.to_owned(), error))?;
    if content.version != VERSION {
        return Err(ApiKeyError::Version { file: path.to_owned(), version: content.version });
    }
    Ok(content.keys)
}

/// A new secret of 256 random bits; `None` if the operating system gives none.
pub fn new_secret(random: &dyn SecureRandom) -> Option<String> {
    let mut secret = [0; 32];
    random.fill(&mut secret).ok().map(|()| URL_SAFE_NO_PAD.encode(secret))
}

/// What is kept of a secret.
pub fn hash(secret: &str) -> String {
    hexadecimal(&Sha256::digest(secret.as_bytes()))
}

/// The server's view of the keys.
pub type ApiKeys = Named<ApiKey>;

impl ApiKeys {
    /// The view of the file of a data directory.
    pub fn open(data: &Path) -> Result<ApiKeys, ApiKeyError> {
        let parse = |path: &Path, text: &str| Ok(named::shared(parse(path, text)?));
        Ok(Named::new(path(data), list(data)?, parse, Configured::api_key))
    }

    /// The key with that identifier, if it has not ended.
    pub fn valid(&self, id: &str, now: Timestamp) -> Option<Arc<ApiKey>> {
        self.get(id).filter(|key| now < key.ends)
    }

    /// The identifier and the key of what a client has presented, if it is one that has not ended.
    pub fn verify(&self, presented: &str, now: Timestamp) -> Option<(String, Arc<ApiKey>)> {
        let (id, secret) = presented.strip_prefix(PREFIX)?.split_once('_')?;
        let key = self.valid(id, now);
        // The same work for a key that is not there.
        let expected = key.as_ref().map_or("", |key| key.hash.as_str());
        let matches: bool = hash(secret).as_bytes().ct_eq(expected.as_bytes()).into();
        key.filter(|_| matches).map(|key| (id.to_owned(), key))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::server::test_directory::TestDirectory;
    use std::os::unix::fs::PermissionsExt;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds).unwrap()
    }

    fn add_one(data: &TestDirectory, lifetime_s: u64, now: Timestamp) -> Result<String, ApiKeyError> {
        let random = rustls::crypto::ring::default_provider().secure_random;
        let bounds = Bounds { scope: Scope::Read, agent: Some("press".to_owned()) };
        add(data.path(), "ann", bounds, lifetime_s, now, random)
    }

    #[test]
    fn a_key_is_good_until_it_ends_or_is_revoked() {
        let data = TestDirectory::new();
        let keys = ApiKeys::open(data.path()).unwrap();
        let (one, other) = (add_one(&data, 60, at(0)).unwrap(), add_one(&data, 90, at(0)).unwrap());
        let (id, key) = keys.verify(&one, at(59)).unwrap();
        assert_eq!((key.user.as_str(), key.scope, key.ends), ("ann", Scope::Read, at(60)));
        assert_eq!(key.agent.as_deref(), Some("press"));
        assert!(keys.verify(&one, at(60)).is_none() && keys.valid(&id, at(60)).is_none());
        revoke(data.path(), &id).unwrap();
        assert!(keys.verify(&one, at(0)).is_none());
        assert!(matches!(revoke(data.path(), &id), Err(ApiKeyError::Unknown(_))));
        assert!(keys.verify(&other, at(0)).is_some());
        add_one(&data, 60, at(100)).unwrap();
        assert_eq!(list(data.path()).unwrap().len(), 1, "what has ended went");
        for lifetime in [0, u64::MAX, i64::MAX as u64] {
            assert!(matches!(add_one(&data, lifetime, at(0)), Err(ApiKeyError::Lifetime(_))));
        }
    }

    #[test]
    fn nothing_but_the_whole_key_is_one() {
        let data = TestDirectory::new();
        let (one, other) = (add_one(&data, 60, at(0)).unwrap(), add_one(&data, 60, at(0)).unwrap());
        let keys = ApiKeys::open(data.path()).unwrap();
        assert!(keys.verify(&one, at(0)).is_some());
        let (head, secret) = one.split_at(PREFIX.len() + 17);
        let (other_head, _) = other.split_at(PREFIX.len() + 17);
        for wrong in [
            "",
            PREFIX,
            head,
            secret,
            one.strip_prefix(PREFIX).unwrap(),
            one.trim_end_matches(|_| true),
            &one[..one.len() - 1],
            &format!("{one}="),
            &format!("{other_head}{secret}"),
            &format!("{PREFIX}_"),
            &format!("{PREFIX}0000000000000000_{secret}"),
            &one.to_uppercase(),
        ] {
            assert!(keys.verify(wrong, at(0)).is_none(), "{wrong}");
        }
    }

    #[test]
    fn the_file_is_for_its_owner_alone_and_holds_no_secret() {
        let data = TestDirectory::new();
        let key = add_one(&data, 60, at(0)).unwrap();
        let secret = key.get(PREFIX.len() + 17..).unwrap();
        let file = data.path().join("keys.json");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!std::fs::read_to_string(&file).unwrap().contains(secret));
        let keys = ApiKeys::open(data.path()).unwrap();
        std::fs::write(&file, r#"{"version":2,"keys":{}}"#).unwrap();
        assert!(keys.verify(&key, at(0)).is_some(), "a damaged file revokes nothing");
        assert!(matches!(ApiKeys::open(data.path()), Err(ApiKeyError::Version { version: 2, .. })));
    }
}
