//! The first administrator: made where nobody is one, with a password and a token in files that only their owner can read.
//!
//! It never logs the password or the token, only where they are.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::crypto::SecureRandom;

use super::files::{self, FileError, Readers};
use super::tokens::{TokenError, Tokens};
use super::users::{self, User, UserError};
use crate::access::{ADMIN_GROUP, Bounds};
use crate::clock::Timestamp;

const NAME: &str = "admin";
const TOKEN_LIFETIME_S: u64 = 30 * 24 * 60 * 60;

/// Why there is no administrator.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The user file cannot be changed.
    #[error(transparent)]
    User(#[from] UserError),
    /// There is no token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The operating system gives no random bytes.
    #[error("no randomness for a password")]
    Random,
}

/// Adds the user `admin` with a random password (`admin.password`) if no user is in the group of administrators, and
/// sees that `admin.jwt` holds a token of theirs that is valid now.
pub fn prepare(
    data: &Path,
    tokens: &Tokens,
    now: Timestamp,
    random: &dyn SecureRandom,
) -> Result<(), AdminError> {
    let existing = users::list(data)?;
    let mut admin = existing.get(NAME).cloned();
    if admin.is_none() && !existing.values().any(|user| user.groups.contains(ADMIN_GROUP)) {
        let mut bytes = [0; 18];
        random.fill(&mut bytes).map_err(|_| AdminError::Random)?;
        let password = URL_SAFE_NO_PAD.encode(bytes);
        let user = User {
            groups: [ADMIN_GROUP.to_owned()].into(),
            password: Some(users::hash_password(&password)?),
            ssh_keys: Vec::new(),
            created: now,
        };
        // The file first: a crash in between leaves a password of nobody, which the next start replaces.
        let file = data.join("admin.password");
        files::replace(&file, &(password + "\n"), Readers::Owner)?;
        users::edit(data, |users| Ok(users.insert(NAME.to_owned(), user.clone())))?;
        tracing::info!(file = %file.display(), "made the user admin, whose password is in the file");
        admin = Some(user);
    }

    let Some(admin) = admin else { return Ok(()) };
    let file = data.join("admin.jwt");
    let token = files::read(&file)?.unwrap_or_default();
    let is_valid = tokens
        .verify(token.trim())
        .is_some_and(|claims| claims.sub == NAME && !claims.is_older_than(admin.created));
    if !is_valid {
        let token =
            tokens.issue(NAME, admin.groups.into_iter().collect(), Bounds::default(), TOKEN_LIFETIME_S)?;
        files::replace(&file, &(token + "\n"), Readers::Owner)?;
        tracing::info!(file = %file.display(), "made a bearer token of the user admin, which is in the file");
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::limits::Limits;
    use crate::server::test_directory::TestDirectory;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_administrator_is_made_once_and_the_token_renewed() {
        let (data, clock) = (TestDirectory::new(), ManualClock::new(Timestamp::EPOCH));
        let random = rustls::crypto::ring::default_provider().secure_random;
        let tokens = Tokens::open(data.path(), clock.clock(), &Limits::default(), random).unwrap();
        let start = || {
            prepare(data.path(), &tokens, clock.clock().now(), random).unwrap();
            ["admin.password", "admin.jwt"]
                .map(|file| std::fs::read_to_string(data.path().join(file)).unwrap())
        };
        let [password, token] = start();
        let admin = users::list(data.path()).unwrap().remove("admin").unwrap();
        assert!(users::password_matches(password.trim(), &admin.password.unwrap()));
        assert_eq!(tokens.verify(token.trim()).unwrap().sub, "admin");
        for file in ["admin.password", "admin.jwt"] {
            assert_eq!(
                std::fs::metadata(data.path().join(file)).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
        assert_eq!(start(), [password.clone(), token.clone()]);
        clock.advance_seconds(TOKEN_LIFETIME_S as i64);
        let [same_password, new_token] = start();
        assert_eq!(same_password, password);
        assert_ne!(new_token, token);
        assert!(tokens.verify(new_token.trim()).is_some());
    }

    #[test]
    fn another_administrator_is_enough() {
        let (data, clock) = (TestDirectory::new(), ManualClock::new(Timestamp::EPOCH));
        let random = rustls::crypto::ring::default_provider().secure_random;
        let tokens = Tokens::open(data.path(), clock.clock(), &Limits::default(), random).unwrap();
        let root = User {
            groups: ["admin".to_owned()].into(),
            password: None,
            ssh_keys: Vec::new(),
            created: Timestamp::EPOCH,
        };
        users::edit(data.path(), |users| Ok(users.insert("root".into(), root))).unwrap();
        prepare(data.path(), &tokens, Timestamp::EPOCH, random).unwrap();
        assert_eq!(users::list(data.path()).unwrap().len(), 1);
        assert!(!data.path().join("admin.jwt").exists());
    }
}
