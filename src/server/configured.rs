//! What the configuration says of users and API keys, with the secrets that it refers to: made anew when it has changed, at
//! the cost of one look at a pointer.
//!
//! It never decides what to do if a file has the same name; its users do.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::api_keys::ApiKey;
use super::users::User;
use super::vault::Vault;
use crate::access::Settings;
use crate::access::settings;

/// Tells what is configured now.
pub type Source = Arc<dyn Fn() -> Arc<Settings> + Send + Sync>;

/// Users and API keys of the configuration.
pub struct Configured {
    source: Source,
    vault: Arc<Vault>,
    made: ArcSwap<Made>,
}

/// What was made of these settings.
#[derive(Default)]
struct Made {
    of: Arc<Settings>,
    users: BTreeMap<String, Arc<User>>,
    api_keys: BTreeMap<String, Arc<ApiKey>>,
}

impl Configured {
    /// What the source tells, with the secrets of the vault.
    pub fn new(source: Source, vault: Arc<Vault>) -> Configured {
        Configured { source, vault, made: ArcSwap::default() }
    }

    /// The user of that name.
    pub fn user(&self, name: &str) -> Option<Arc<User>> {
        self.now().users.get(name).cloned()
    }

    /// The API key with that identifier.
    pub fn api_key(&self, id: &str) -> Option<Arc<ApiKey>> {
        self.now().api_keys.get(id).cloned()
    }

    fn now(&self) -> Arc<Made> {
        let (settings, made) = ((self.source)(), self.made.load());
        if Arc::ptr_eq(&settings, &made.of) {
            return Arc::clone(&made);
        }
        let made = Arc::new(self.make(settings));
        self.made.store(Arc::clone(&made));
        made
    }

    fn make(&self, of: Arc<Settings>) -> Made {
        let user =
            |(name, user): (&String, &Arc<settings::User>)| (name.clone(), Arc::new(self.user_of(user)));
        let users = of.users.iter().map(user).collect();
        let api_keys = of.api_keys.iter().filter_map(|(id, key)| {
            let hash = self.vault.get(&key.secret)?;
            Some((id.clone(), Arc::new(ApiKey::configured(key, &hash))))
        });
        Made { api_keys: api_keys.collect(), users, of }
    }

    fn user_of(&self, user: &settings::User) -> User {
        let line = |key: &Vec<u8>| {
            settings::ssh_key_kind(key).map(|kind| format!("{kind} {}", STANDARD.encode(key)))
        };
        User {
            groups: user.groups.clone(),
            password: user
                .password
                .as_ref()
                .and_then(|reference| self.vault.get(reference))
                .map(|hash| hash.to_string()),
            ssh_keys: user.public_keys.iter().filter_map(line).collect(),
            created: user.created,
        }
    }
}

impl fmt::Debug for Configured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Configured")
    }
}
