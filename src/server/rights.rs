//! What the files of users and API keys say of who gets in, so that the audit trail can tell who gets which rights when they
//! change.
//!
//! It never keeps nor tells what a secret could be guessed by.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::api_keys::{self, ApiKey};
use super::users::{self, User};
use crate::audit::{Changed, Trail};
use crate::ids::hexadecimal;

/// What the files said when they were looked at last; `None` of one that was not.
#[derive(Default, Serialize, Deserialize)]
pub struct Rights {
    users: Option<Ways>,
    keys: Option<Ways>,
}

/// The ways in by the name of the user, or the identifier of the key.
type Ways = BTreeMap<String, Way>;

#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Way {
    user: String,
    groups: BTreeSet<String>,
    /// Of all that the file says of it: whether it has changed.
    digest: String,
}

impl Rights {
    /// Notes how the files of a data directory differ from what they said before. Of one that is gone or cannot be read, what it
    /// said before holds, as it does for who asks.
    pub fn look(&mut self, data: &Path, trail: &Trail) {
        let of_user = |name: &str, user: &User| {
            let (user, groups, digest) = (name.to_owned(), user.groups.clone(), digest(user));
            Way { user, groups, digest }
        };
        if users::path(data).exists() || self.users.is_none() {
            let operations = ["user-added", "user-changed", "user-removed"];
            follow(&mut self.users, users::list(data), of_user, trail, operations, false);
        }
        let of_key = |_: &str, key: &ApiKey| {
            let (user, groups, digest) = (key.user.clone(), BTreeSet::new(), digest(key));
            Way { user, groups, digest }
        };
        if api_keys::path(data).exists() || self.keys.is_none() {
            let operations = ["key-added", "key-changed", "key-removed"];
            follow(&mut self.keys, api_keys::list(data), of_key, trail, operations, true);
        }
    }

    /// Whether there is a file that was not looked at.
    pub fn are_unknown(&self) -> bool {
        self.users.is_none() || self.keys.is_none()
    }
}

fn follow<T, E>(
    known: &mut Option<Ways>,
    said: Result<BTreeMap<String, T>, E>,
    way: impl Fn(&str, &T) -> Way,
    trail: &Trail,
    operations: [&str; 3],
    are_keys: bool,
) {
    let Ok(said) = said else { return };
    let now = said.iter().map(|(name, one)| (name.clone(), way(name, one))).collect();
    if let Some(before) = &known {
        tell(trail, operations, are_keys, before, &now);
    }
    *known = Some(now);
}

fn digest(said: &impl Serialize) -> String {
    hexadecimal(&Sha256::digest(serde_json::to_vec(said).unwrap_or_default()))
}

fn tell(trail: &Trail, [added, changed, removed]: [&str; 3], are_keys: bool, before: &Ways, now: &Ways) {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    for name in names {
        let (operation, way) = match (before.get(name), now.get(name)) {
            (None, Some(way)) => (added, way),
            (Some(way), None) => (removed, way),
            (Some(before), Some(way)) if before != way => (changed, way),
            _ => continue,
        };
        let groups = |ways: &Ways| ways.get(name).map(|way| way.groups.clone()).unwrap_or_default();
        let (groups_before, groups) = (groups(before), groups(now));
        let about = Changed {
            user: &way.user,
            key: are_keys.then_some(name.as_str()),
            groups: &groups,
            groups_before: &groups_before,
        };
        trail.changed(operation, about);
    }
}
