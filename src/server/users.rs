//! The users: a file that commands change while the server runs, and the server's view of it.
//!
//! It never holds a password, only its argon2id hash, and never logs either.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::configured::Configured;
use super::files::{self, FileError, Readers};
use super::named::{self, Named};
use crate::clock::{self, Timestamp};

/// The version of the file's form.
const VERSION: u32 = 2;
/// The one without removed names, which is written as long as there are none: older programs read it.
const VERSION_WITHOUT_REMOVED: u32 = 1;
/// Most removed names that are remembered; the oldest are forgotten.
const REMOVED_MAX: usize = 10_000;
const NAME_BYTES_MAX: usize = 64;
const PASSWORD_BYTES_MAX: usize = 1024;

/// What the file says about one user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct User {
    /// The groups that the user is in.
    pub groups: BTreeSet<String>,
    /// The argon2id hash of the password as a PHC string. Without it the user has tokens only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Public keys for SSH: lines as in `authorized_keys`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<String>,
    /// When the user was added. A token from before that time was for somebody else of the same name.
    #[serde(with = "clock::rfc3339")]
    pub created: Timestamp,
}

/// The users by name.
pub type UserMap = BTreeMap<String, User>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    users: UserMap,
    /// Names that users had, and when these were removed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    removed: BTreeMap<String, Removed>,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Removed(#[serde(with = "clock::rfc3339")] Timestamp);

/// What is wrong with the user file, or with a change of it.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file has not the right form.
    #[error("{} is damaged", .0.display())]
    Damaged(PathBuf, #[source] serde_json::Error),
    /// The file was written by a newer version of the program.
    #[error("{} has version {version}, this program reads version {VERSION}", .file.display())]
    Version {
        /// The user file.
        file: PathBuf,
        /// Its version.
        version: u32,
    },
    /// A name that a user or group cannot have.
    #[error(
        "{0:?} is not a name: it may have 1 to {NAME_BYTES_MAX} letters, digits and . _ @ + - and starts with a letter or digit"
    )]
    Name(String),
    /// There is such a user already.
    #[error("there is a user {0} already: change it with `user set`")]
    Exists(String),
    /// There was such a user.
    #[error(
        "there was a user {name} until {at}: the agents, tasks, data objects and delegations of that name would be the new \
         user's; take another name, or --again if it is the same person again, or a successor who takes over"
    )]
    Removed {
        /// The name.
        name: String,
        /// When the user was removed.
        at: Timestamp,
    },
    /// There is no such user.
    #[error("there is no user {0}")]
    Unknown(String),
    /// A password that is too short or too long.
    #[error("a password has 8 to {PASSWORD_BYTES_MAX} bytes")]
    Password,
    /// The password cannot be hashed.
    #[error("cannot hash the password: {0}")]
    Hash(argon2::password_hash::Error),
    /// A line is not a public key.
    #[error("line {0} is not a public key in the form of OpenSSH")]
    SshKey(usize),
}

/// Changes the user file of a data directory. `change` gets all users; if it fails, nothing is written. Commands and
/// servers that do it at the same time wait for each other.
pub fn edit<T>(
    data: &Path,
    change: impl FnOnce(&mut UserMap) -> Result<T, UserError>,
) -> Result<T, UserError> {
    rewrite(data, |content| change(&mut content.users))
}

/// Adds a user. In the state of the server, what belongs to a name stays with the name: whoever gets that of a user who was
/// removed gets it too, so that has to be wanted (`again`).
///
/// # Errors
/// [`UserError::Exists`], [`UserError::Removed`]; the file cannot be read or written.
pub fn add(data: &Path, name: &str, user: User, again: bool) -> Result<(), UserError> {
    rewrite(data, |content| {
        if content.users.contains_key(name) {
            return Err(UserError::Exists(name.to_owned()));
        }
        if let Some(Removed(at)) = content.removed.get(name).filter(|_| !again) {
            return Err(UserError::Removed { name: name.to_owned(), at: *at });
        }
        content.users.insert(name.to_owned(), user);
        Ok(())
    })
}

/// Removes a user and remembers the name.
///
/// # Errors
/// [`UserError::Unknown`]; the file cannot be read or written.
pub fn remove(data: &Path, name: &str, now: Timestamp) -> Result<(), UserError> {
    rewrite(data, |content| {
        content.users.remove(name).ok_or_else(|| UserError::Unknown(name.to_owned()))?;
        content.removed.insert(name.to_owned(), Removed(now));
        while content.removed.len() > REMOVED_MAX {
            let oldest = content.removed.iter().min_by_key(|(_, removed)| removed.0);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { break };
            content.removed.remove(&oldest);
        }
        Ok(())
    })
}

fn rewrite<T>(
    data: &Path,
    change: impl FnOnce(&mut Content) -> Result<T, UserError>,
) -> Result<T, UserError> {
    let lock_path = data.join("users.lock");
    let lock = files::open_lock(&lock_path)?;
    lock.lock().map_err(FileError::of("lock", &lock_path))?;
    let mut content = read(data)?;
    let result = change(&mut content)?;
    content.removed.retain(|name, _| !content.users.contains_key(name));
    content.version = if content.removed.is_empty() { VERSION_WITHOUT_REMOVED } else { VERSION };
    let path = path(data);
    let text =
        serde_json::to_string_pretty(&content).map_err(|error| UserError::Damaged(path.clone(), error))?;
    files::replace(&path, &(text + "\n"), Readers::Owner)?;
    Ok(result)
}

/// All users in the file of a data directory; none if there is no file.
pub fn list(data: &Path) -> Result<UserMap, UserError> {
    Ok(read(data)?.users)
}

fn read(data: &Path) -> Result<Content, UserError> {
    let path = path(data);
    match files::read(&path)? {
        Some(text) => parse(&path, &text),
        None => Ok(Content { version: VERSION, users: UserMap::new(), removed: BTreeMap::new() }),
    }
}

/// Refuses what cannot be the name of a user or group.
pub fn check_name(name: &str) -> Result<(), UserError> {
    let right = name.len() <= NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._@+-".contains(c));
    if right { Ok(()) } else { Err(UserError::Name(name.to_owned())) }
}

/// Hashes a password with argon2id and a random salt. Takes tens of milliseconds.
pub fn hash_password(password: &str) -> Result<String, UserError> {
    if !(8..=PASSWORD_BYTES_MAX).contains(&password.len()) {
        return Err(UserError::Password);
    }
    let hash = argon2::Argon2::default().hash_password(password.as_bytes()).map_err(UserError::Hash)?;
    Ok(hash.to_string())
}

/// Whether the password is the one that was hashed. Takes tens of milliseconds.
pub fn password_matches(password: &str, hash: &str) -> bool {
    argon2::Argon2::default().verify_password(password.as_bytes(), hash).is_ok()
}

/// Reads public keys in the form of `authorized_keys` (without options), one a line; comments and empty lines are skipped.
pub fn parse_ssh_keys(text: &str) -> Result<Vec<String>, UserError> {
    let is_key = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (Some(kind), Some(body)) = (words.next(), words.next()) else { return false };
        // The body starts with its own kind: a length of four bytes and the text (RFC 4253 §6.6).
        let Ok(body) = STANDARD.decode(body) else { return false };
        let inner = body.split_first_chunk::<4>();
        inner.is_some_and(|(length, rest)| {
            u32::from_be_bytes(*length) as usize == kind.len() && rest.starts_with(kind.as_bytes())
        })
    };
    let lines = text.lines().map(str::trim).enumerate();
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(
            |(index, line)| {
                if is_key(line) { Ok(line.to_owned()) } else { Err(UserError::SshKey(index + 1)) }
            },
        )
        .collect()
}

/// The file of a data directory.
pub fn path(data: &Path) -> PathBuf {
    data.join("users.json")
}

fn parse(path: &Path, text: &str) -> Result<Content, UserError> {
    let content: Content =
        serde_json::from_str(text).map_err(|error| UserError::Damaged(path.to_owned(), error))?;
    if ![VERSION_WITHOUT_REMOVED, VERSION].contains(&content.version) {
        return Err(UserError::Version { file: path.to_owned(), version: content.version });
    }
    Ok(content)
}

/// The server's view of its users.
pub type Users = Named<User>;

impl Users {
    /// The view of the file of a data directory.
    pub fn open(data: &Path) -> Result<Users, UserError> {
        let parse = |path: &Path, text: &str| Ok(named::shared(parse(path, text)?.users));
        Ok(Named::new(path(data), list(data)?, parse, Configured::user))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::server::test_directory::TestDirectory;
    use std::os::unix::fs::PermissionsExt;

    fn user(password: Option<&str>) -> User {
        User {
            groups: BTreeSet::from(["ops".to_owned()]),
            password: password.map(|password| hash_password(password).unwrap()),
            ssh_keys: Vec::new(),
            created: Timestamp::EPOCH,
        }
    }

    #[test]
    fn a_running_view_sees_each_change() {
        let data = TestDirectory::new();
        let users = Users::open(data.path()).unwrap();
        assert_eq!(users.get("ann"), None);
        edit(data.path(), |map| Ok(map.insert("ann".into(), user(None)))).unwrap();
        assert_eq!(users.get("ann").unwrap().groups, BTreeSet::from(["ops".to_owned()]));
        edit(data.path(), |map| Ok(map.remove("ann"))).unwrap();
        assert_eq!(users.get("ann"), None);
    }

    #[test]
    fn the_file_is_for_its_owner_alone_and_holds_no_password() {
        let data = TestDirectory::new();
        edit(data.path(), |map| Ok(map.insert("ann".into(), user(Some("correct horse"))))).unwrap();
        let file = data.path().join("users.json");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!std::fs::read_to_string(file).unwrap().contains("correct horse"));
        let hash = list(data.path()).unwrap().remove("ann").unwrap().password.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(password_matches("correct horse", &hash));
        assert!(!password_matches("correct horsf", &hash));
        assert!(!password_matches("x", "damaged"));
    }

    #[test]
    fn a_damaged_file_is_refused_at_start_and_ignored_later() {
        let data = TestDirectory::new();
        edit(data.path(), |map| Ok(map.insert("ann".into(), user(None)))).unwrap();
        let users = Users::open(data.path()).unwrap();
        std::fs::write(data.path().join("users.json"), "{").unwrap();
        assert!(users.get("ann").is_some());
        assert!(matches!(Users::open(data.path()), Err(UserError::Damaged(..))));
        assert!(matches!(edit(data.path(), |_| Ok(())), Err(UserError::Damaged(..))));
        std::fs::write(data.path().join("users.json"), r#"{"version":3,"users":{}}"#).unwrap();
        assert!(matches!(Users::open(data.path()), Err(UserError::Version { version: 3, .. })));
    }

    #[test]
    fn concurrent_changes_are_all_kept() {
        let data = TestDirectory::new();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let data = data.path();
                scope.spawn(move || {
                    for n in 0..10 {
                        edit(data, |map| Ok(map.insert(format!("u{writer}-{n}"), user(None)))).unwrap();
                    }
                });
            }
        });
        assert_eq!(list(data.path()).unwrap().len(), 40);
    }

    #[test]
    fn a_change_that_fails_writes_nothing() {
        let data = TestDirectory::new();
        edit(data.path(), |map| Ok(map.insert("ann".into(), user(None)))).unwrap();
        let failed = edit(data.path(), |map| {
            map.clear();
            Err::<(), _>(UserError::Unknown("bob".into()))
        });
        assert!(failed.is_err());
        assert_eq!(list(data.path()).unwrap().len(), 1);
    }

    #[test]
    fn the_name_of_a_removed_user_is_given_again_only_if_that_is_wanted() {
        let data = TestDirectory::new();
        let now = |seconds| Timestamp::from_seconds(seconds).unwrap();
        let version = || {
            let text = std::fs::read_to_string(data.path().join("users.json")).unwrap();
            serde_json::from_str::<serde_json::Value>(&text).unwrap()["version"].clone()
        };
        let add = |name, again| add(data.path(), name, user(None), again);
        add("ann", false).unwrap();
        add("bob", true).unwrap();
        assert_eq!(version(), 1, "older programs read it");
        remove(data.path(), "ann", now(60)).unwrap();
        assert_eq!(version(), 2);
        assert!(matches!(remove(data.path(), "ann", now(61)), Err(UserError::Unknown(_))));
        let refused = add("ann", false).unwrap_err();
        assert!(matches!(&refused, UserError::Removed { name, at } if name == "ann" && *at == now(60)));
        let said = refused.to_string();
        for word in ["1970-01-01T00:01:00Z", "agents, tasks, data objects and delegations", "--again"] {
            assert!(said.contains(word), "{said}");
        }
        let users = Users::open(data.path()).unwrap();
        edit(data.path(), |map| Ok(std::mem::take(&mut map.get_mut("bob").unwrap().groups))).unwrap();
        assert!(users.get("ann").is_none() && users.get("bob").unwrap().groups.is_empty());
        assert!(add("ann", false).is_err(), "what changes others does not forget it");
        add("ann", true).unwrap();
        assert!(users.get("ann").is_some() && matches!(add("ann", true), Err(UserError::Exists(_))));
        assert_eq!(version(), 1);
    }

    #[test]
    fn of_removed_names_the_oldest_are_forgotten() {
        let data = TestDirectory::new();
        let removed = |n: usize| (format!("u{n}"), Removed(Timestamp::from_seconds(n as i64).unwrap()));
        rewrite(data.path(), |content| {
            content.removed = (1..=REMOVED_MAX).map(removed).collect();
            Ok(content.users.insert("ann".into(), user(None)))
        })
        .unwrap();
        remove(data.path(), "ann", Timestamp::MAX).unwrap();
        let add = |name| add(data.path(), name, user(None), false);
        add("u1").unwrap();
        assert!(add("u2").is_err() && add("ann").is_err());
    }

    #[test]
    fn names_keys_and_passwords_are_checked() {
        for name in ["a", "agent-7", "ann@example.net", "IP_agent.v1+x"] {
            check_name(name).unwrap();
        }
        for name in ["", "a:b", "-a", "a b", "ä", "a/b", "a\n", &"a".repeat(65)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert!(matches!(hash_password("1234567"), Err(UserError::Password)));
        assert!(matches!(hash_password(&"x".repeat(1025)), Err(UserError::Password)));
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE5oNkb7E7oN1pBUTH4L+R0UWvBB5Rr2qHPVUqBG3aRl ann@host";
        assert_eq!(parse_ssh_keys(&format!("# mine\n\n{key}\n")).unwrap(), [key]);
        for line in [
            "ssh-ed25519",
            "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIE5oNkb7E7oN1pBUTH4L",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
        ] {
            assert!(matches!(parse_ssh_keys(line), Err(UserError::SshKey(1))), "{line}");
        }
    }
}
