//! Bearer tokens of others: of the issuers that the configuration names. A token is proved by its signature (JSON web tokens,
//! RFC 7519, checked as RFC 8725 asks for), or by asking the issuer (RFC 7662).
//!
//! It never signs, and never takes anything from a token before it is proved but whom to ask and which key to check it with.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::{Header, Validation};
use rustls::crypto::SecureRandom;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use super::claims::{Claims, Told};
use super::fetched::Fetched;
use super::files::{self, FileError};
use super::introspection::Introspector;
use super::jwks::{self, Key, Keys, KeysError};
use super::outgoing::{self, Outgoing, Policy, SetupError};
use super::remembered::{Digest, Digester, Remembered};
use super::tokens::TOKEN_BYTES_MAX;
use super::watched::Watched;
use crate::access::AuthError;
use crate::clock::{Clock, Timestamp};
use crate::config::{self, Check, Network, Secret};
use crate::limits::Limits;

/// Why the tokens of an issuer cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no such file.
    #[error("there is no file {}", .0.display())]
    Missing(PathBuf),
    /// It does not hold keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// This is no URL of an `https` server.
    #[error("{0:?} is no https URL")]
    Url(String),
    /// The settings make no sense.
    #[error("{key} {reason}")]
    Nonsense {
        /// The setting.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Issuers cannot be asked.
    #[error(transparent)]
    Outgoing(#[from] SetupError),
    /// The operating system gives no random bytes.
    #[error("no randomness")]
    Random,
    /// Nothing can be fetched without a runtime.
    #[error("there is no runtime")]
    Runtime(#[from] tokio::runtime::TryCurrentError),
}

/// Checks the tokens of all issuers.
#[derive(Debug)]
pub struct Issuers {
    issuers: ArcSwap<Vec<Arc<Issuer>>>,
    shared: Arc<Shared>,
    next_number: AtomicU64,
    /// Made for the first issuer that is asked: it reads all authorities of the machine.
    outgoing: OnceLock<Arc<Outgoing>>,
    authorities: Vec<PathBuf>,
    addresses: Vec<Network>,
    runtime: Handle,
    /// The tokens that an issuer is being asked about.
    asking: Mutex<HashMap<Digest, Arc<Asking>>>,
}

type Asking = OnceCell<Result<Arc<Bearer>, AuthError>>;

#[derive(Debug)]
struct Shared {
    clock: Clock,
    limits: Limits,
    digester: Digester,
    checked: Mutex<Remembered<Arc<Bearer>>>,
}

#[derive(Debug)]
struct Issuer {
    number: u64,
    settings: config::Issuer,
    source: Source,
}

/// Issuers whose settings can be used, and whose tokens are not taken yet.
#[derive(Debug)]
pub struct Prepared(Vec<Arc<Issuer>>);

#[derive(Debug)]
enum Source {
    File(Watched<Keys>),
    Text(Arc<Keys>),
    Https(Arc<Fetched>),
    Asked(Box<Introspector>),
}

/// The bearer of a token that was proved.
#[derive(Debug)]
pub struct Bearer {
    /// Whom it stands for, and when.
    pub told: Told,
    issuer: u64,
    seal: Seal,
}

/// What has proved it.
#[derive(Debug)]
enum Seal {
    /// The key with this identifier.
    Key([u8; 32]),
    /// An answer of the issuer that counts until then, in microseconds since the epoch.
    Answer(AtomicI64),
}

impl Issuers {
    /// Reads the keys of all issuers, or begins to fetch them.
    ///
    /// # Errors
    /// A file cannot be used, or there is no runtime to ask issuers on.
    pub fn open(
        settings: &config::Tokens,
        clock: Clock,
        limits: &Limits,
        random: &dyn SecureRandom,
    ) -> Result<Issuers, IssuerError> {
        let issuers = Issuers::empty(settings, clock, limits, random)?;
        issuers.replace(&settings.issuers)?;
        Ok(issuers)
    }

    /// Whether [`Self::open`] can use these settings. Nothing is fetched.
    ///
    /// # Errors
    /// As there.
    pub fn check(
        settings: &config::Tokens,
        clock: Clock,
        limits: &Limits,
        random: &dyn SecureRandom,
    ) -> Result<(), IssuerError> {
        Issuers::empty(settings, clock, limits, random)?.prepare(&settings.issuers).map(drop)
    }

    fn empty(
        settings: &config::Tokens,
        clock: Clock,
        limits: &Limits,
        random: &dyn SecureRandom,
    ) -> Result<Issuers, IssuerError> {
        Ok(Issuers {
            issuers: ArcSwap::default(),
            shared: Arc::new(Shared {
                clock,
                limits: limits.clone(),
                digester: Digester::new(random).ok_or(IssuerError::Random)?,
                checked: Mutex::new(Remembered::new(limits.credentials_remembered_max)),
            }),
            next_number: AtomicU64::new(0),
            outgoing: OnceLock::new(),
            authorities: settings.authorities.clone(),
            addresses: settings.addresses.clone(),
            runtime: Handle::try_current()?,
            asking: Mutex::default(),
        })
    }

    /// Takes the tokens of these issuers and no others. Of one whose settings have not changed, everything stays as it is; what
    /// was begun with a token of any other ends.
    ///
    /// # Errors
    /// One of them makes no sense or cannot be used; then nothing has changed.
    pub fn replace(&self, settings: &[config::Issuer]) -> Result<(), IssuerError> {
        self.prepare(settings).map(|prepared| self.install(prepared))
    }

    /// Makes ready what [`Self::replace`] would take over.
    ///
    /// # Errors
    /// As there.
    pub fn prepare(&self, settings: &[config::Issuer]) -> Result<Prepared, IssuerError> {
        if let Some((key, reason)) = config::Issuer::nonsense(settings) {
            return Err(IssuerError::Nonsense { key, reason });
        }
        let earlier = self.issuers.load();
        let issuers = settings.iter().map(|settings| {
            match earlier.iter().find(|issuer| issuer.settings == *settings) {
                Some(issuer) => Ok(Arc::clone(issuer)),
                None => Ok(Arc::new(Issuer {
                    number: self.next_number.fetch_add(1, Ordering::Relaxed),
                    settings: settings.clone(),
                    source: self.source(&settings.check)?,
                })),
            }
        });
        issuers.collect::<Result<_, IssuerError>>().map(Prepared)
    }

    /// Takes the tokens of these issuers and no others.
    pub fn install(&self, prepared: Prepared) {
        for issuer in &prepared.0 {
            if let Source::Https(fetched) = &issuer.source {
                fetched.begin(&self.runtime);
            }
        }
        self.issuers.store(Arc::new(prepared.0));
    }

    fn outgoing(&self) -> Result<Arc<Outgoing>, SetupError> {
        if let Some(outgoing) = self.outgoing.get() {
            return Ok(Arc::clone(outgoing));
        }
        let limits = &self.shared.limits;
        let policy = Policy { networks: self.addresses.clone() };
        let patience = Duration::from_secs(limits.issuer_timeout_s);
        let made = Outgoing::new(&self.authorities, policy, limits.issuer_bytes_max, patience)?;
        Ok(Arc::clone(self.outgoing.get_or_init(|| Arc::new(made))))
    }

    fn source(&self, check: &Check) -> Result<Source, IssuerError> {
        let Shared { clock, limits, .. } = self.shared.as_ref();
        let uri = |url: &str| outgoing::https_uri(url).ok_or_else(|| IssuerError::Url(url.to_owned()));
        let missing = |file: &Path| IssuerError::Missing(file.to_owned());
        Ok(match check {
            Check::File(file) => {
                let text = files::read(file)?.ok_or_else(|| missing(file))?;
                let keys = keys_of(file, &text)?;
                Source::File(Watched::new(file.clone(), keys, |file, text| Ok(keys_of(file, text)?)))
            }
            Check::Text(text) => Source::Text(Arc::new(Keys::parse("jwks", text.as_bytes())?)),
            Check::Https(url) => {
                let (clock, outgoing) = (clock.clone(), self.outgoing()?);
                Source::Https(Fetched::new(uri(url)?, outgoing, clock, limits))
            }
            Check::Introspection(settings) => {
                let asked = Introspector::new(settings, uri(&settings.endpoint)?, self.outgoing()?, limits)?;
                Source::Asked(Box::new(asked.ok_or_else(|| match &settings.client_secret {
                    config::ClientSecret::File(file) => missing(file),
                    config::ClientSecret::Text(_) => missing(Path::new("")),
                })?))
            }
        })
    }

    /// The bearer of a token that was proved a short time ago and is valid now. It costs one hash.
    pub fn recall(&self, token: &str) -> Option<Arc<Bearer>> {
        if self.issuers.load().is_empty() || token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let digest = self.shared.digester.digest(&[token.as_bytes()]);
        let now = self.shared.clock.now();
        let bearer = self.shared.checked().get(&digest, now).map(|(bearer, _)| Arc::clone(bearer))?;
        self.holds(&bearer).then_some(bearer)
    }

    /// The bearer of a token that one of the issuers has given out and that is valid now. Who `is_suspect` has to wait where
    /// an issuer is asked about many tokens already.
    ///
    /// # Errors
    /// [`AuthError::WrongToken`]; [`AuthError::Unavailable`] if the issuer cannot be asked; [`AuthError::Throttled`].
    pub async fn verify(&self, token: &str, is_suspect: bool) -> Result<Arc<Bearer>, AuthError> {
        let issuers = self.issuers.load_full();
        if issuers.is_empty() || token.len() > TOKEN_BYTES_MAX {
            return Err(AuthError::WrongToken);
        }
        // Nothing is believed yet: it only chooses who has to prove it.
        let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Claims>(token).ok();
        let issuer = match claims.as_ref().map(|claims| claims.0.get("iss")) {
            Some(Some(Value::String(name))) => issuers.iter().find(|issuer| issuer.settings.issuer == *name),
            Some(Some(_)) => None,
            // It says nothing to us.
            Some(None) | None => issuers.iter().find(|issuer| matches!(issuer.source, Source::Asked(_))),
        };
        let issuer = issuer.ok_or(AuthError::WrongToken)?;
        let bearer = match &issuer.source {
            Source::Asked(asked) => self.asked(issuer, asked, token, is_suspect).await?,
            _ => self.signed(issuer, token).await?,
        };
        if self.holds(&bearer) { Ok(bearer) } else { Err(AuthError::WrongToken) }
    }

    /// Whether what has proved a token still does, and the token has begun and not ended.
    pub fn holds(&self, bearer: &Bearer) -> bool {
        let now = self.shared.clock.now();
        let is_now = (bearer.told.begins..bearer.told.ends).contains(&now.as_seconds());
        let issuers = self.issuers.load();
        let issuer = issuers.iter().find(|issuer| issuer.number == bearer.issuer);
        is_now
            && issuer.is_some_and(|issuer| match &bearer.seal {
                Seal::Key(id) => issuer.source.keys().is_some_and(|keys| keys.holds(id)),
                Seal::Answer(until) => now.as_micros() < until.load(Ordering::Relaxed),
            })
    }

    /// The bearer of a token with a signature.
    async fn signed(&self, issuer: &Issuer, token: &str) -> Result<Arc<Bearer>, AuthError> {
        let header = jsonwebtoken::decode_header(token).ok().filter(is_understood);
        let header = header.ok_or(AuthError::WrongToken)?;
        let find = |keys: &Keys| keys.find(header.kid.as_deref(), header.alg).cloned();
        let mut key = issuer.source.keys().and_then(|keys| find(&keys));
        if let Source::Https(fetched) = &issuer.source
            && key.is_none()
            && (header.kid.is_some() || fetched.get().is_none())
        {
            fetched.again().await;
            let keys = fetched
                .get()
                .ok_or(AuthError::Unavailable { retry_after_s: self.shared.limits.issuer_again_s })?;
            key = find(&keys);
        }
        let told = key.and_then(|key| Some((issuer.settings.verified(token, &key)?, Seal::Key(key.id))));
        let (told, seal) = told.ok_or(AuthError::WrongToken)?;
        let bearer = Arc::new(Bearer { told, issuer: issuer.number, seal });
        let now = self.shared.clock.now();
        let forget = after(now, self.shared.limits.credentials_remembered_s);
        let digest = self.shared.digester.digest(&[token.as_bytes()]);
        self.shared.checked().insert(digest, Arc::clone(&bearer), forget, now);
        Ok(bearer)
    }

    /// The bearer of a token that the issuer is asked about: once, however many wait for the answer.
    async fn asked(
        &self,
        issuer: &Arc<Issuer>,
        asked: &Introspector,
        token: &str,
        is_suspect: bool,
    ) -> Result<Arc<Bearer>, AuthError> {
        let digest = self.shared.digester.digest(&[token.as_bytes()]);
        if !is_token(token) || asked.has_refused(&digest, self.shared.clock.now()) {
            return Err(AuthError::WrongToken);
        }
        if is_suspect && asked.is_busy() {
            return Err(AuthError::Throttled { retry_after_s: 1 });
        }
        let waiting = Waiting::new(&self.asking, digest);
        let verdict = waiting.cell.get_or_init(|| async {
            let told = issuer.introspect(asked, token, &self.shared).await;
            let now = self.shared.clock.now();
            let Some((told, until)) = told? else {
                asked.refuse(digest, now);
                return Err(AuthError::WrongToken);
            };
            let seal = Seal::Answer(AtomicI64::new(until.as_micros()));
            let bearer = Arc::new(Bearer { told, issuer: issuer.number, seal });
            self.shared.checked().insert(digest, Arc::clone(&bearer), until, now);
            self.runtime.spawn(renew(
                Arc::downgrade(issuer),
                Arc::downgrade(&bearer),
                Secret::new(token),
                digest,
                Arc::clone(&self.shared),
            ));
            Ok(bearer)
        });
        verdict.await.clone()
    }
}

impl Shared {
    fn checked(&self) -> MutexGuard<'_, Remembered<Arc<Bearer>>> {
        lock(&self.checked)
    }
}

/// Asks about a token again as long as something goes on that was begun with it, so that this ends soon after the token.
async fn renew(
    issuer: Weak<Issuer>,
    bearer: Weak<Bearer>,
    token: Secret,
    digest: Digest,
    shared: Arc<Shared>,
) {
    let mut pause = None;
    loop {
        let Some(cache_s) = issuer.upgrade().and_then(|issuer| match &issuer.source {
            Source::Asked(asked) => Some(asked.cache_s),
            _ => None,
        }) else {
            return;
        };
        let micros = i64::try_from(cache_s).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        let due = shared.clock.now().as_micros().saturating_add(pause.unwrap_or(micros / 4 * 3));
        shared.clock.sleep_until(Timestamp::from_micros(due).unwrap_or(Timestamp::MAX)).await;
        let (Some(issuer), Some(bearer)) = (issuer.upgrade(), bearer.upgrade()) else { return };
        let (Source::Asked(asked), Seal::Answer(until)) = (&issuer.source, &bearer.seal) else { return };
        let is_remembered = |checked: &Remembered<Arc<Bearer>>, now| {
            checked.get(&digest, now).is_some_and(|(known, _)| Arc::ptr_eq(known, &bearer))
        };
        {
            let (mut checked, now) = (shared.checked(), shared.clock.now());
            let is_remembered = is_remembered(&checked, now);
            // Nobody can come in between: who finds it there takes a share of it under the same lock.
            if Arc::strong_count(&bearer) <= 1 + usize::from(is_remembered) {
                if is_remembered {
                    checked.remove(&digest);
                }
                return;
            }
        }
        let told = issuer.introspect(asked, token.reveal(), &shared).await;
        let (mut checked, now) = (shared.checked(), shared.clock.now());
        match told {
            Ok(Some((told, end))) if told == bearer.told => {
                until.store(end.as_micros(), Ordering::Relaxed);
                if is_remembered(&checked, now) {
                    checked.insert(digest, Arc::clone(&bearer), end, now);
                }
                pause = None;
            }
            Err(_) if now.as_micros() < until.load(Ordering::Relaxed) => {
                pause = Some((micros / 16).max(250_000))
            }
            // It is no longer valid, stands for something else, or nobody knows.
            _ => {
                until.store(i64::MIN, Ordering::Relaxed);
                if is_remembered(&checked, now) {
                    checked.remove(&digest);
                }
                return;
            }
        }
    }
}

fn keys_of(file: &Path, text: &str) -> Result<Keys, KeysError> {
    Keys::parse(file.display(), text.as_bytes())
}

/// A place among those who wait for the answer about the same token.
struct Waiting<'a> {
    all: &'a Mutex<HashMap<Digest, Arc<Asking>>>,
    digest: Digest,
    cell: Arc<Asking>,
}

impl Waiting<'_> {
    fn new(all: &Mutex<HashMap<Digest, Arc<Asking>>>, digest: Digest) -> Waiting<'_> {
        let cell = Arc::clone(lock(all).entry(digest).or_default());
        Waiting { all, digest, cell }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut all = lock(self.all);
        let is_own = all.get(&self.digest).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        // An answer is for those who have waited for it; without one, the last to go leaves nothing behind.
        if is_own && (self.cell.initialized() || Arc::strong_count(&self.cell) <= 2) {
            all.remove(&self.digest);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn after(now: Timestamp, seconds: u64) -> Timestamp {
    now.saturating_add_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}

impl Source {
    /// The keys, where there are any.
    fn keys(&self) -> Option<Arc<Keys>> {
        match self {
            Source::File(keys) => Some(keys.get()),
            Source::Text(keys) => Some(Arc::clone(keys)),
            Source::Https(fetched) => fetched.get(),
            Source::Asked(_) => None,
        }
    }
}

impl Issuer {
    /// What the issuer says of a token, if it is valid now and for us, and until when that counts.
    async fn introspect(
        &self,
        asked: &Introspector,
        token: &str,
        shared: &Shared,
    ) -> Result<Option<(Told, Timestamp)>, AuthError> {
        let claims = asked.ask(token).await?;
        let claims = claims.filter(|claims| self.settings.is_for_us(claims));
        let now = shared.clock.now();
        let told = claims.and_then(|claims| self.settings.told(&claims));
        let told = told.filter(|told| (told.begins..told.ends).contains(&now.as_seconds()));
        Ok(told.map(|told| {
            let until = Timestamp::from_seconds(told.ends).unwrap_or(Timestamp::MAX);
            // The next answer may have another end, and be about the same bearer.
            (Told { begins: i64::MIN, ends: i64::MAX, ..told }, until.min(after(now, asked.cache_s)))
        }))
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

/// Whether it has the form of a bearer token (RFC 6750 section 2.1).
fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty() && body.chars().all(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c))
}

impl config::Issuer {
    /// What the token says, if the key has signed it and it is for us.
    fn verified(&self, token: &str, key: &Key) -> Option<Told> {
        let is_taken = self.algorithms.iter().any(|algorithm| jwks::signature(*algorithm) == key.algorithm);
        if !is_taken {
            return None;
        }
        let mut validation = Validation::new(key.algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp"]);
        // The library reads the system clock; `holds` asks the server's.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let token = jsonwebtoken::decode::<Claims>(token, &key.checking, &validation).ok()?;
        self.told(&token.claims)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use jsonwebtoken::jwk::Jwk;
    use jsonwebtoken::{Algorithm, EncodingKey};
    use serde_json::json;

    fn issuer(name: &str, key: &EncodingKey) -> config::Issuer {
        let key = Jwk::from_encoding_key(key, Algorithm::ES256).unwrap();
        config::Issuer {
            issuer: name.to_owned(),
            audience: "agents".to_owned(),
            check: Check::Text(json!({"keys": [key]}).to_string()),
            algorithms: vec![config::Algorithm::ES256],
            user_claim: "sub".to_owned(),
            groups_claim: None,
            users: Default::default(),
            prefix: Some(format!("{name}:")),
            groups: Default::default(),
            scopes: Default::default(),
            leeway: 0,
        }
    }

    #[tokio::test]
    async fn issuers_are_replaced_and_those_that_stay_keep_what_was_begun() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let key = EncodingKey::from_ec_der(&key.serialize_der());
        let token = |name: &str| {
            let claims = json!({"iss": name, "aud": "agents", "sub": "eve", "exp": 600});
            jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &key).unwrap()
        };
        let clock = ManualClock::new(Timestamp::EPOCH);
        let settings = config::Tokens {
            issuers: vec![issuer("one", &key), issuer("two", &key)],
            ..config::Tokens::default()
        };
        let random = rustls::crypto::ring::default_provider().secure_random;
        let issuers = Issuers::open(&settings, clock.clock(), &Limits::default(), random).unwrap();
        let (one, two) = (token("one"), token("two"));
        let of_one = issuers.verify(&one, false).await.unwrap();
        let of_two = issuers.verify(&two, false).await.unwrap();
        assert!(issuers.recall(&one).is_some() && issuers.recall(&two).is_some());

        let changed = config::Issuer { leeway: 1, ..issuer("two", &key) };
        issuers.replace(&[changed, issuer("one", &key)]).unwrap();
        assert!(issuers.holds(&of_one) && issuers.recall(&one).is_some());
        assert!(!issuers.holds(&of_two) && issuers.recall(&two).is_none(), "begun under other settings");
        let of_two = issuers.verify(&two, false).await.unwrap();

        let wrong = config::Issuer { check: Check::Text("{}".to_owned()), ..issuer("three", &key) };
        assert!(matches!(issuers.replace(&[wrong]), Err(IssuerError::Keys(_))));
        let wrong = [issuer("one", &key), issuer("one", &key)];
        assert!(matches!(issuers.replace(&wrong), Err(IssuerError::Nonsense { key: "issuer", .. })));
        assert!(issuers.holds(&of_one) && issuers.holds(&of_two), "nothing has changed");

        issuers.replace(&[]).unwrap();
        assert!(!issuers.holds(&of_one) && !issuers.holds(&of_two));
        assert_eq!(issuers.verify(&one, false).await.unwrap_err(), AuthError::WrongToken);
    }
}
