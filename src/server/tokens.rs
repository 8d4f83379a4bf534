//! Bearer tokens: JSON web tokens (RFC 7519) signed with Ed25519 (RFC 8037), made with the newest local key and checked with
//! that or an earlier one.
//!
//! A token proves who somebody is and never what they may do: its groups are for people who read it, and the server takes
//! them from the user file at each request. So a removed user's tokens end at once.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rustls::crypto::SecureRandom;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::files::{self, FileError, Readers};
use super::remembered::{Digest, Digester, Remembered};
use super::watched::{Unusable, Watched};
use crate::access::{Bounds, Scope};
use crate::clock::{Clock, Timestamp};
use crate::ids;
use crate::limits::Limits;

/// Issuer and audience of every token.
pub const OURSELVES: &str = "agentconf";
/// Longer tokens are not looked at, whoever issued them.
pub const TOKEN_BYTES_MAX: usize = 8192;
/// One PEM block for each key, the newest first.
pub const KEY_FILE: &str = "jwt.key";
const KEYS_MAX: usize = 16;

/// The claims of a token. Times are seconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user name.
    pub sub: String,
    /// The user's groups when the token was made; not used for decisions.
    pub groups: Vec<String>,
    /// Who made it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// When it was made.
    pub iat: i64,
    /// When it becomes valid.
    pub nbf: i64,
    /// When it is no longer valid.
    pub exp: i64,
    /// Identifier of the token.
    pub jti: String,
    /// When it was made, in microseconds: `iat` does not tell two users of one second apart.
    pub made_at: i64,
    /// How much of what the user may do it is good for.
    #[serde(default)]
    pub scope: Scope,
    /// The agent in whose name alone it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Not a claim: which key has signed it.
    #[serde(skip)]
    pub key: String,
}

/// Why tokens cannot be made or checked.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The key file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The operating system gives no random bytes.
    #[error("no randomness for a new key")]
    Random,
    /// The key file holds something else.
    #[error("{0} does not hold private Ed25519 keys in PKCS #8 PEM")]
    Key(String),
    /// So many keys are held that another one needs the earlier ones forgotten.
    #[error(
        "there are {KEYS_MAX} keys already: forget them with --forget, which ends the tokens that they have signed"
    )]
    Many,
    /// A lifetime that ends beyond all time.
    #[error("a lifetime of {0} s is not possible")]
    Lifetime(u64),
    /// Signing failed.
    #[error("cannot sign the token")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// Makes and checks tokens with the keys of a data directory.
pub struct Tokens {
    keys: Watched<Keys>,
    validation: Validation,
    clock: Clock,
    limits: Limits,
    digester: Digester,
    checked: Mutex<Remembered<Arc<Claims>>>,
}

/// The keys in the file.
struct Keys {
    signing: EncodingKey,
    /// The newest first.
    checking: Vec<(String, DecodingKey)>,
}

impl Tokens {
    /// Reads the keys in `jwt.key`, or makes one (mode 0600).
    pub fn open(
        data: &Path,
        clock: Clock,
        limits: &Limits,
        random: &dyn SecureRandom,
    ) -> Result<Tokens, TokenError> {
        let path = data.join(KEY_FILE);
        let pem = match files::read(&path)? {
            Some(pem) => pem,
            None => files::create_or_read(&path, &new_key(random)?, Readers::Owner)?,
        };
        let keys = keys(&path, &pem)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[OURSELVES]);
        validation.set_audience(&[OURSELVES]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // The library reads the system clock; `verify` asks the server's.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let digester = Digester::new(random).ok_or(TokenError::Random)?;
        let checked = Mutex::new(Remembered::new(limits.credentials_remembered_max));
        let keys = Watched::new(path, keys, keys_again);
        Ok(Tokens { keys, validation, clock, limits: limits.clone(), digester, checked })
    }

    /// Makes a token that is valid from now on for `lifetime_s` seconds. The caller has seen that the user exists.
    pub fn issue(
        &self,
        name: &str,
        groups: Vec<String>,
        bounds: Bounds,
        lifetime_s: u64,
    ) -> Result<String, TokenError> {
        let now = self.clock.now();
        let end = i64::try_from(lifetime_s).ok().and_then(|seconds| now.checked_add_seconds(seconds));
        let end = end.filter(|_| lifetime_s > 0).ok_or(TokenError::Lifetime(lifetime_s))?;
        let claims = Claims {
            sub: name.to_owned(),
            groups,
            iss: OURSELVES.to_owned(),
            aud: OURSELVES.to_owned(),
            iat: now.as_seconds(),
            nbf: now.as_seconds(),
            exp: end.as_seconds(),
            jti: uuid::Uuid::new_v4().to_string(),
            made_at: now.as_micros(),
            scope: bounds.scope,
            agent: bounds.agent,
            key: String::new(),
        };
        let keys = self.keys.get();
        let kid = keys.checking.first().map(|(kid, _)| kid.clone());
        let header = Header { kid, ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, &claims, &keys.signing).map_err(TokenError::Sign)
    }

    /// The claims of a token that we signed and that is valid now; otherwise `None`. Whether the user still exists is
    /// the caller's question.
    pub fn verify(&self, token: &str) -> Option<Arc<Claims>> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let now = self.clock.now();
        let digest = self.digest(token.as_bytes());
        let known = self.lock().get(&digest, now).map(|(claims, _)| Arc::clone(claims));
        let claims = match known {
            Some(claims) => claims,
            None => {
                let claims = Arc::new(self.check(token)?);
                let forget = i64::try_from(self.limits.credentials_remembered_s).unwrap_or(i64::MAX);
                self.lock().insert(digest, Arc::clone(&claims), now.saturating_add_seconds(forget), now);
                claims
            }
        };
        // A remembered token ends no later than any other.
        let is_valid = (claims.nbf..claims.exp).contains(&now.as_seconds()) && self.holds(&claims.key);
        is_valid.then_some(claims)
    }

    fn check(&self, token: &str) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok().filter(|header| header.crit.is_none())?;
        let keys = self.keys.get();
        // Before there was a second key, tokens did not name theirs.
        let named = |kid: &str| header.kid.as_ref().is_none_or(|named| named == kid);
        keys.checking.iter().filter(|(kid, _)| named(kid)).find_map(|(kid, key)| {
            let token = jsonwebtoken::decode::<Claims>(token, key, &self.validation).ok()?;
            Some(Claims { key: kid.clone(), ..token.claims })
        })
    }

    /// What credentials are known by where they are not to be kept.
    pub(super) fn digest(&self, credentials: &[u8]) -> Digest {
        self.digester.digest(&[credentials])
    }

    /// Whether tokens of this key are still valid: it has not been forgotten.
    pub fn holds(&self, key: &str) -> bool {
        self.keys.get().checking.iter().any(|(kid, _)| kid == key)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Remembered<Arc<Claims>>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claims {
    /// Whether the token was made before `time`.
    pub fn is_older_than(&self, time: Timestamp) -> bool {
        self.made_at < time.as_micros()
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

/// Makes another key, which signs from now on, in processes that run already too. Tokens of earlier keys stay valid until
/// they end, or end now if these keys are to be forgotten.
///
/// # Errors
/// [`TokenError::Many`], and what can be wrong with the file.
pub fn rotate(data: &Path, forget: bool, random: &dyn SecureRandom) -> Result<(), TokenError> {
    let lock_path = data.join("jwt.lock");
    let lock = files::open_lock(&lock_path)?;
    lock.lock().map_err(FileError::of("lock", &lock_path))?;
    let path = data.join(KEY_FILE);
    let earlier = if forget { None } else { files::read(&path)? };
    if let Some(pem) = &earlier
        && keys(&path, pem)?.checking.len() >= KEYS_MAX
    {
        return Err(TokenError::Many);
    }
    let all = new_key(random)? + earlier.as_deref().unwrap_or_default();
    Ok(files::replace(&path, &all, Readers::Owner)?)
}

/// Whether the keys of a data directory can be used, if it has some.
///
/// # Errors
/// What can be wrong with the file.
pub fn check(data: &Path) -> Result<(), TokenError> {
    let path = data.join(KEY_FILE);
    files::read(&path)?.map(|pem| keys(&path, &pem)).transpose()?;
    Ok(())
}

fn keys_again(path: &Path, pem: &str) -> Result<Keys, Unusable> {
    Ok(keys(path, pem)?)
}

fn keys(path: &Path, pem: &str) -> Result<Keys, TokenError> {
    let not_keys = || TokenError::Key(path.display().to_string());
    let ders: Vec<_> = PrivatePkcs8KeyDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| not_keys())?;
    let newest = ders.first().ok_or_else(not_keys)?;
    let signing = EncodingKey::from_ed_der(newest.secret_pkcs8_der());
    let checking = ders.iter().map(|der| {
        let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(der, &rcgen::PKCS_ED25519);
        let public = pair.map_err(|_| not_keys())?.public_key_raw().to_vec();
        Ok((key_id(&public), DecodingKey::from_ed_der(&public)))
    });
    Ok(Keys { signing, checking: checking.collect::<Result<_, TokenError>>()? })
}

/// What a key is called in the header of a token (RFC 7515 section 4.1.4): half of the hash of the public key.
fn key_id(public: &[u8]) -> String {
    ids::half(&Sha256::digest(public))
}

/// A new private key as PKCS #8 version 1 (RFC 8410 §7), which OpenSSL and others read too.
fn new_key(random: &dyn SecureRandom) -> Result<String, TokenError> {
    let prefix =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let mut seed = [0; 32];
    random.fill(&mut seed).map_err(|_| TokenError::Random)?;
    let body = STANDARD.encode([prefix.as_slice(), seed.as_slice()].concat());
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::server::test_directory::TestDirectory;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use std::os::unix::fs::PermissionsExt;

    fn open(data: &TestDirectory, clock: &ManualClock) -> Tokens {
        let random = rustls::crypto::ring::default_provider().secure_random;
        Tokens::open(data.path(), clock.clock(), &Limits::default(), random).unwrap()
    }

    #[test]
    fn a_token_is_valid_until_it_ends_and_for_its_key_alone() {
        let (data, clock) =
            (TestDirectory::new(), ManualClock::new(Timestamp::from_seconds(1_000_000).unwrap()));
        let tokens = open(&data, &clock);
        let token = tokens.issue("ann", vec!["ops".into()], Bounds::default(), 3600).unwrap();
        for _ in 0..2 {
            let claims = tokens.verify(&token).unwrap();
            assert_eq!((claims.sub.as_str(), claims.exp), ("ann", 1_003_600));
        }
        // Another process with the same key.
        assert!(open(&data, &clock).verify(&token).is_some());
        // Another key.
        assert!(open(&TestDirectory::new(), &clock).verify(&token).is_none());
        clock.advance_seconds(3599);
        assert!(tokens.verify(&token).is_some());
        clock.advance_seconds(1);
        assert!(tokens.verify(&token).is_none());
        assert!(open(&data, &clock).verify(&token).is_none());
        clock.advance_seconds(-3601);
        assert!(open(&data, &clock).verify(&token).is_none(), "not valid yet");
    }

    #[test]
    fn changed_and_foreign_tokens_are_refused() {
        let (data, clock) = (TestDirectory::new(), ManualClock::new(Timestamp::EPOCH));
        let tokens = open(&data, &clock);
        let token = tokens.issue("ann", Vec::new(), Bounds::default(), 60).unwrap();
        let [header, claims, signature]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let admin = {
            let text =
                String::from_utf8(URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap().replace("ann", "admin");
            URL_SAFE_NO_PAD.encode(text)
        };
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let public = {
            let pem = std::fs::read_to_string(data.path().join(KEY_FILE)).unwrap();
            rcgen::KeyPair::from_pem(&pem).unwrap().public_key_raw().to_vec()
        };
        let with_public_key_as_secret = {
            let claims = tokens.verify(&token).unwrap();
            let key = EncodingKey::from_secret(&public);
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims.as_ref(), &key).unwrap()
        };
        for wrong in [
            "",
            ".",
            "..",
            "a.b.c",
            &"x".repeat(100_000),
            &format!("{header}.{admin}.{signature}"),
            &format!("{none}.{admin}."),
            &format!("{none}.{admin}.{signature}"),
            &format!("{header}.{claims}."),
            &format!("{header}.{claims}"),
            &format!("{token}.x"),
            &format!("{token}A"),
            &with_public_key_as_secret,
        ] {
            assert!(tokens.verify(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn tokens_for_others_or_without_an_end_are_refused() {
        let (data, clock) = (TestDirectory::new(), ManualClock::new(Timestamp::EPOCH));
        let tokens = open(&data, &clock);
        let good = serde_json::json!({"sub": "ann", "groups": [], "iss": "agentconf", "aud": "agentconf",
            "iat": 0, "nbf": 0, "exp": 60, "jti": "x", "made_at": 0});
        let sign = |claims: &serde_json::Value| {
            jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &tokens.keys.get().signing).unwrap()
        };
        assert!(tokens.verify(&sign(&good)).is_some());
        for (claim, value) in [
            ("aud", "other".into()),
            ("iss", "other".into()),
            ("exp", serde_json::Value::Null),
            ("exp", 0.into()),
        ] {
            let mut claims = good.clone();
            claims[claim] = value;
            assert!(tokens.verify(&sign(&claims)).is_none(), "{claim}");
        }
        for claim in ["sub", "exp", "nbf", "aud", "iss", "made_at"] {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().remove(claim);
            assert!(tokens.verify(&sign(&claims)).is_none(), "without {claim}");
        }
    }

    #[test]
    fn tokens_of_earlier_keys_are_valid_until_these_are_forgotten() {
        let (data, clock) = (TestDirectory::new(), ManualClock::new(Timestamp::EPOCH));
        let random = rustls::crypto::ring::default_provider().secure_random;
        let tokens = open(&data, &clock);
        let issue = || tokens.issue("ann", Vec::new(), Bounds::default(), 60).unwrap();
        let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
        let first = issue();
        // As it was signed before keys had names.
        let claims = tokens.verify(&first).unwrap();
        let nameless = Header::new(Algorithm::EdDSA);
        let nameless = jsonwebtoken::encode(&nameless, claims.as_ref(), &tokens.keys.get().signing).unwrap();

        rotate(data.path(), false, random).unwrap();
        let second = issue();
        assert_ne!(kid(&first), kid(&second));
        for token in [&first, &second, &nameless] {
            assert!(tokens.verify(token).is_some() && open(&data, &clock).verify(token).is_some());
        }
        assert!(tokens.holds(&kid(&first)));
        rotate(data.path(), true, random).unwrap();
        for token in [&first, &second, &nameless] {
            assert!(tokens.verify(token).is_none() && open(&data, &clock).verify(token).is_none());
        }
        assert!(!tokens.holds(&kid(&first)));
        assert!(tokens.verify(&issue()).is_some());
        for _ in 1..KEYS_MAX {
            rotate(data.path(), false, random).unwrap();
        }
        assert!(matches!(rotate(data.path(), false, random), Err(TokenError::Many)));
        let mode = std::fs::metadata(data.path().join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_header_chooses_among_our_keys_alone() {
        let (data, clock) = (TestDirectory::new(), ManualClock::new(Timestamp::EPOCH));
        let tokens = open(&data, &clock);
        let claims = tokens.verify(&tokens.issue("ann", Vec::new(), Bounds::default(), 60).unwrap()).unwrap();
        let sign = |header: Header| {
            jsonwebtoken::encode(&header, claims.as_ref(), &tokens.keys.get().signing).unwrap()
        };
        let plain = || Header::new(Algorithm::EdDSA);
        assert!(tokens.verify(&sign(plain())).is_some());
        for kid in ["", "../jwt.key", "/dev/null", "' OR '1'='1", &"k".repeat(4000)] {
            let token = sign(Header { kid: Some(kid.to_owned()), ..plain() });
            assert!(tokens.verify(&token).is_none(), "{kid}");
        }
        assert!(tokens.verify(&sign(Header { crit: Some(vec!["b64".to_owned()]), ..plain() })).is_none());
    }

    #[test]
    fn the_key_is_for_its_owner_alone_and_damage_is_reported() {
        let (data, clock) = (TestDirectory::new(), ManualClock::new(Timestamp::EPOCH));
        let tokens = open(&data, &clock);
        assert!(matches!(
            tokens.issue("ann", Vec::new(), Bounds::default(), u64::MAX),
            Err(TokenError::Lifetime(_))
        ));
        assert!(matches!(
            tokens.issue("ann", Vec::new(), Bounds::default(), 0),
            Err(TokenError::Lifetime(0))
        ));
        let key = data.path().join(KEY_FILE);
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
        let random = rustls::crypto::ring::default_provider().secure_random;
        let opened = Tokens::open(data.path(), clock.clock(), &Limits::default(), random);
        assert!(matches!(opened, Err(TokenError::Key(_))));
    }
}
