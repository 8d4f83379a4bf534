//! Bearer tokens of others: JSON web tokens (RFC 7519) of the issuers that the configuration names, checked with their public
//! keys as RFC 8725 asks for. The user that one stands for is what the configuration makes of its claims.
//!
//! It never signs, and never takes anything from a token before its signature is found right but which key to check it with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jsonwebtoken::{DecodingKey, Header, Validation};
use rustls::crypto::SecureRandom;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::files::{self, FileError};
use super::jwks::{Key, Keys, KeysError};
use super::remembered::{Digester, Remembered};
use super::tokens::TOKEN_BYTES_MAX;
use super::watched::Watched;
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::limits::Limits;

/// Longest name of a user or group.
const NAME_BYTES_MAX: usize = 128;

/// Why the tokens of an issuer cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The file of keys cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no such file.
    #[error("there is no file {}", .0.display())]
    Missing(PathBuf),
    /// It does not hold keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The operating system gives no random bytes.
    #[error("no randomness")]
    Random,
}

/// Checks the tokens of all issuers.
#[derive(Debug)]
pub struct Issuers {
    issuers: Vec<Issuer>,
    clock: Clock,
    remember_s: i64,
    digester: Digester,
    checked: Mutex<Remembered<Arc<Bearer>>>,
}

#[derive(Debug)]
struct Issuer {
    settings: config::Issuer,
    keys: Watched<Keys>,
}

/// Whom a token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The name of the user.
    pub name: String,
    /// The groups, for a user that only the issuer knows; `None` if the configuration says that it is one of the server's.
    pub groups: Option<BTreeSet<String>>,
    /// When the token ends, leeway included, in seconds since the epoch.
    pub ends: i64,
    begins: i64,
    /// What it was signed with.
    pub seal: Seal,
}

/// A key of an issuer, as long as the issuer has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    issuer: usize,
    key: [u8; 32],
}

impl Issuers {
    /// Reads the keys of all issuers.
    pub fn open(
        settings: &config::Tokens,
        clock: Clock,
        limits: &Limits,
        random: &dyn SecureRandom,
    ) -> Result<Issuers, IssuerError> {
        let issuers = settings.issuers.iter().map(|settings| {
            let file = settings.jwks.clone();
            let text = files::read(&file)?.ok_or_else(|| IssuerError::Missing(file.clone()))?;
            let keys = Watched::new(file.clone(), Keys::parse(&file, &text)?, |file: &Path, text| {
                Ok(Keys::parse(file, text)?)
            });
            Ok(Issuer { settings: settings.clone(), keys })
        });
        Ok(Issuers {
            issuers: issuers.collect::<Result<_, IssuerError>>()?,
            clock,
            remember_s: i64::try_from(limits.credentials_remembered_s).unwrap_or(i64::MAX),
            digester: Digester::new(random).ok_or(IssuerError::Random)?,
            checked: Mutex::new(Remembered::new(limits.credentials_remembered_max)),
        })
    }

    /// Whom a token stands for that one of the issuers has signed, and that is valid now; otherwise `None`.
    pub fn verify(&self, token: &str) -> Option<Arc<Bearer>> {
        if self.issuers.is_empty() || token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let now = self.clock.now();
        let digest = self.digester.digest(&[token.as_bytes()]);
        let known = self.lock().get(&digest, now).map(|(bearer, _)| Arc::clone(bearer));
        let bearer = match known {
            Some(bearer) => bearer,
            None => {
                let bearer = Arc::new(self.check(token)?);
                let forget = now.saturating_add_seconds(self.remember_s);
                self.lock().insert(digest, Arc::clone(&bearer), forget, now);
                bearer
            }
        };
        // A remembered token ends no later than any other.
        let is_valid = (bearer.begins..bearer.ends).contains(&now.as_seconds()) && self.holds(&bearer.seal);
        is_valid.then_some(bearer)
    }

    /// Whether the issuer still has the key.
    pub fn holds(&self, seal: &Seal) -> bool {
        self.issuers.get(seal.issuer).is_some_and(|issuer| issuer.keys.get().holds(&seal.key))
    }

    fn check(&self, token: &str) -> Option<Bearer> {
        #[derive(Deserialize)]
        struct Claimed {
            iss: String,
        }
        // Nothing is believed yet: it only chooses whose keys have to prove it.
        let claimed: Claimed = jsonwebtoken::dangerous::insecure_decode_claims(token).ok()?;
        let header = jsonwebtoken::decode_header(token).ok().filter(is_understood)?;
        let (number, issuer) =
            self.issuers.iter().enumerate().find(|(_, issuer)| issuer.settings.issuer == claimed.iss)?;
        let keys = issuer.keys.get();
        let key = keys.find(header.kid.as_deref(), header.alg)?;
        let claims = issuer.settings.verified(token, key)?;
        issuer.settings.bearer(&claims, Seal { issuer: number, key: key.id })
    }

    fn lock(&self) -> MutexGuard<'_, Remembered<Arc<Bearer>>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nothing in the header asks for what is not known here, and it says that this is an access token if it says
/// anything (RFC 7515 section 4.1.11, RFC 8725 section 3.11, RFC 9068 section 2.1).
fn is_understood(header: &Header) -> bool {
    let is_token = header.typ.as_deref().is_none_or(|typ| {
        ["JWT", "at+jwt", "application/at+jwt"].iter().any(|known| known.eq_ignore_ascii_case(typ))
    });
    is_token && header.crit.is_none() && header.cty.is_none()
}

impl config::Issuer {
    /// The claims, if the key has signed them and they are for us.
    fn verified(&self, token: &str, key: &Key) -> Option<Map<String, Value>> {
        let is_taken =
            self.algorithms.iter().any(|algorithm| super::jwks::signature(*algorithm) == key.algorithm);
        if !is_taken {
            return None;
        }
        let mut validation = Validation::new(key.algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp"]);
        // The library reads the system clock; `verify` asks the server's.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let checking: &DecodingKey = &key.checking;
        jsonwebtoken::decode::<Map<String, Value>>(token, checking, &validation)
            .ok()
            .map(|token| token.claims)
    }

    /// What the configuration makes of claims that are proved.
    fn bearer(&self, claims: &Map<String, Value>, seal: Seal) -> Option<Bearer> {
        let leeway = i64::try_from(self.leeway).ok()?;
        let ends = seconds(claims.get("exp")?)?.saturating_add(leeway);
        let begins = match claims.get("nbf") {
            Some(begin) => seconds(begin)?.saturating_sub(leeway),
            None => i64::MIN,
        };
        let user = claims.get(&self.user_claim)?.as_str()?;
        if let Some(own) = self.users.get(user) {
            return Some(Bearer { name: own.clone(), groups: None, begins, ends, seal });
        }
        let prefix = self.prefix.as_deref()?;
        let name = format!("{prefix}{user}");
        let is_name = |c: char| c.is_ascii_graphic() && !"\"'`\\<>&".contains(c);
        if user.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(is_name) {
            return None;
        }
        let told = self.groups_claim.as_ref().and_then(|claim| claims.get(claim));
        let groups = told.map_or_else(|| Some(BTreeSet::new()), |told| self.groups(prefix, told))?;
        Some(Bearer { name, groups: Some(groups), begins, ends, seal })
    }

    /// The groups that a claim tells; `None` if one of them cannot be, since a rule that refuses may be about it.
    fn groups(&self, prefix: &str, told: &Value) -> Option<BTreeSet<String>> {
        let told: Vec<&str> = match told {
            Value::String(text) => text.split_ascii_whitespace().collect(),
            Value::Array(values) => values.iter().map(Value::as_str).collect::<Option<_>>()?,
            _ => return None,
        };
        let group = |told: &str| match self.groups.get(told) {
            Some(own) => Some(own.clone()),
            None if told.is_empty() || told.chars().any(char::is_control) => None,
            None => Some(format!("{prefix}{told}")).filter(|name| name.len() <= NAME_BYTES_MAX),
        };
        told.into_iter().map(group).collect()
    }
}

/// A `NumericDate` (RFC 7519 section 2), rounded down; `None` outside of all time.
fn seconds(value: &Value) -> Option<i64> {
    let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64))?;
    Timestamp::from_seconds(seconds).map(Timestamp::as_seconds)
}
