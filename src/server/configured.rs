//! What the configuration says of who gets in, with the secrets that it refers to: users and API keys are made anew when it
//! has changed, and the other parts of the server follow it, at the cost of one look at a pointer.
//!
//! It never decides what to do if a file has the same name; its users do.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::api_keys::ApiKey;
use super::issuers;
use super::listener::Shared;
use super::settings;
use super::users::User;
use super::vault::Vault;
use crate::access::Settings;
use crate::access::settings::{self as configured, ssh_key_kind};
use crate::config;
use crate::limits::RateLimits;

/// Tells what is configured now.
pub type Source = Arc<dyn Fn() -> Arc<Settings> + Send + Sync>;

/// Users and API keys of the configuration.
pub struct Configured {
    source: Source,
    vault: Arc<Vault>,
    /// What the file of the server says of rates.
    rates: ArcSwap<RateLimits>,
    made: ArcSwap<Made>,
    /// What the server follows.
    followed: ArcSwap<Settings>,
    following: Mutex<()>,
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
    pub fn new(source: Source, vault: Arc<Vault>, rates: RateLimits) -> Configured {
        let (made, followed, following) = Default::default();
        Configured { source, vault, rates: ArcSwap::from_pointee(rates), made, followed, following }
    }

    /// Has the parts of a server take over what has been configured since this was last asked. What cannot be used, which
    /// the configuration was not at its time, is logged: instead of a certificate the one of the files holds, rules for
    /// certificates of clients let nobody in, and issuers stay those from before.
    pub fn follow(&self, shared: &Shared) {
        if Arc::ptr_eq(&(self.source)(), &self.followed.load()) {
            return;
        }
        let _one = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        let (settings, before) = ((self.source)(), self.followed.load_full());
        if Arc::ptr_eq(&settings, &before) {
            return;
        }
        shared.rates.replace(settings::rates(&self.rates.load(), &settings.limits));
        if settings.certificate != before.certificate || settings.clients != before.clients {
            // One that has ended since leaves that of the files; rules that cannot be used let no client in.
            let certificate = settings::certificate(&settings, &self.vault, &shared.clock);
            let certificate = certificate.unwrap_or_else(|error| {
                complain("certificate", Err(error.into()));
                None
            });
            let clients = settings::clients(&settings).unwrap_or_else(|error| {
                complain("rules for certificates of clients", Err(error.into()));
                Some(None)
            });
            let replaced = shared.certificates.replace(certificate, clients);
            complain("certificates", replaced.map_err(Unusable::from));
        }
        if settings.issuers != before.issuers {
            let issuers = settings::issuers(&settings, &self.vault, &self.vault.issuers_in_file());
            let replaced = issuers
                .map_err(Unusable::from)
                .and_then(|issuers| Ok(shared.authenticator.issuers.replace(&issuers)?));
            complain("issuers", replaced);
        }
        self.followed.store(settings);
    }

    /// Makes ready what the file of the server says of issuers.
    ///
    /// # Errors
    /// They cannot be used beside those of the configuration.
    pub fn prepare(&self, in_file: &[config::Issuer], shared: &Shared) -> Result<Prepared, Unusable> {
        let beside = self.followed.load_full();
        let all = settings::issuers(&beside, &self.vault, in_file)?;
        Ok(Prepared { beside, issuers: shared.authenticator.issuers.prepare(&all)? })
    }

    /// The file of the server says this of issuers and rates from now on. If the configuration has changed since the issuers were
    /// made ready and does not go with them, those from before stay, as in [`Self::follow`].
    pub fn file_says(
        &self,
        prepared: Prepared,
        in_file: &[config::Issuer],
        rates: &RateLimits,
        shared: &Shared,
    ) {
        let _one = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = self.followed.load_full();
        let issuers = &shared.authenticator.issuers;
        if Arc::ptr_eq(&settings, &prepared.beside) {
            issuers.install(prepared.issuers);
        } else {
            let all = settings::issuers(&settings, &self.vault, in_file).map_err(Unusable::from);
            complain("issuers", all.and_then(|all| Ok(issuers.replace(&all)?)));
        }
        self.vault.file_has(in_file);
        self.rates.store(Arc::new(rates.clone()));
        shared.rates.replace(settings::rates(rates, &settings.limits));
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
            |(name, user): (&String, &Arc<configured::User>)| (name.clone(), Arc::new(self.user_of(user)));
        let users = of.users.iter().filter(|(_, user)| user.enabled).map(user).collect();
        let api_keys = of.api_keys.iter().filter_map(|(id, key)| {
            let hash = self.vault.get(&key.secret)?;
            Some((id.clone(), Arc::new(ApiKey::configured(key, &hash))))
        });
        Made { api_keys: api_keys.collect(), users, of }
    }

    fn user_of(&self, user: &configured::User) -> User {
        let line = |key: &Vec<u8>| ssh_key_kind(key).map(|kind| format!("{kind} {}", STANDARD.encode(key)));
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

/// Issuers of the file that go with those of the configuration as it was then.
pub struct Prepared {
    beside: Arc<Settings>,
    issuers: issuers::Prepared,
}

/// Why what is configured is not followed.
pub type Unusable = Box<dyn Error + Send + Sync>;

fn complain(what: &str, replaced: Result<(), Unusable>) {
    if let Err(error) = replaced {
        let error = error.as_ref() as &dyn Error;
        tracing::error!(error, "cannot use the {what} of the configuration");
    }
}

impl fmt::Debug for Configured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Configured")
    }
}
