//! The public keys of an issuer of tokens: a JWK set (RFC 7517), of which the keys that can check a signature are kept.
//!
//! A key is good for one algorithm, which follows from the key and never from a token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::config;

const KEYS_MAX: usize = 100;
/// Lengths of an RSA modulus in octets: RFC 7518 section 3.3 asks for 2048 bits, and more than 4096 only cost time.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=512;
const EXPONENT_OCTETS_MAX: usize = 4;
const COORDINATE_OCTETS: usize = 32;

/// What is wrong with a set of keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// It is no JWK set.
    #[error("{0} is no JWK set")]
    Form(String, #[source] serde_json::Error),
    /// It has no key, or too many.
    #[error("{place} has {count} keys that can check signatures: it needs 1 to {KEYS_MAX}")]
    Count {
        /// Where it is.
        place: String,
        /// How many it has.
        count: usize,
    },
}

/// The keys of one issuer.
#[derive(Debug)]
pub struct Keys(Vec<Key>);

/// A key that checks signatures.
#[derive(Clone, Debug)]
pub struct Key {
    name: Option<String>,
    /// What it is good for.
    pub algorithm: Algorithm,
    /// The key itself.
    pub checking: DecodingKey,
    /// The hash of the key, which no other one has.
    pub id: [u8; 32],
}

impl Keys {
    /// Reads the JWK set of a file or URL. Keys of other kinds and for other purposes are left out (RFC 7517 section 5).
    ///
    /// # Errors
    /// It is none, or none of its keys can check a signature.
    pub fn parse(place: impl ToString, text: &[u8]) -> Result<Keys, KeysError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let form = |error| KeysError::Form(place.to_string(), error);
        let set: Set = serde_json::from_slice(text).map_err(form)?;
        let keys: Vec<Key> = set.keys.into_iter().filter_map(Key::read).collect();
        match keys.len() {
            1..=KEYS_MAX => Ok(Keys(keys)),
            count => Err(KeysError::Count { place: place.to_string(), count }),
        }
    }

    /// The key that a header names for this algorithm, or the only one for it if the header names none.
    pub fn find(&self, name: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let mut fit = self.0.iter().filter(|key| key.algorithm == algorithm);
        match name {
            Some(name) => fit.find(|key| key.name.as_deref() == Some(name)),
            None => fit.next().filter(|_| fit.next().is_none()),
        }
    }

    /// Whether a key is among them.
    pub fn holds(&self, id: &[u8; 32]) -> bool {
        self.0.iter().any(|key| key.id == *id)
    }
}

impl Key {
    fn read(value: Value) -> Option<Key> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let common = &jwk.common;
        let signs = common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
            && common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
        let octets = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        let coordinate = |text: &str| octets(text).filter(|octets| octets.len() == COORDINATE_OCTETS);
        let (algorithm, known_as, checking, parts) = match &jwk.algorithm {
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                let x = coordinate(&key.x)?;
                (Algorithm::EdDSA, KeyAlgorithm::EdDSA, DecodingKey::from_ed_der(&x), [x, Vec::new()])
            }
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                let checking = DecodingKey::from_ec_components(&key.x, &key.y).ok()?;
                (Algorithm::ES256, KeyAlgorithm::ES256, checking, [coordinate(&key.x)?, coordinate(&key.y)?])
            }
            AlgorithmParameters::RSA(key) => {
                let modulus = octets(&key.n).filter(|octets| MODULUS.contains(&octets.len()))?;
                let exponent = octets(&key.e).filter(|octets| octets.len() <= EXPONENT_OCTETS_MAX)?;
                let checking = DecodingKey::from_rsa_raw_components(&modulus, &exponent);
                (Algorithm::RS256, KeyAlgorithm::RS256, checking, [modulus, exponent])
            }
            _ => return None,
        };
        let is_for_it = common.key_algorithm.is_none_or(|algorithm| algorithm == known_as);
        let mut hash = Sha256::new_with_prefix(format!("{algorithm:?}"));
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let (name, id) = (common.key_id.clone(), hash.finalize().into());
        (signs && is_for_it).then_some(Key { name, algorithm, checking, id })
    }
}

/// The algorithm that a setting means.
pub fn signature(algorithm: config::Algorithm) -> Algorithm {
    match algorithm {
        config::Algorithm::EdDSA => Algorithm::EdDSA,
        config::Algorithm::ES256 => Algorithm::ES256,
        config::Algorithm::RS256 => Algorithm::RS256,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(keys: &[Value]) -> Result<Keys, KeysError> {
        Keys::parse("x", json!({"keys": keys}).to_string().as_bytes())
    }

    fn of(octets: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0x5a; octets])
    }

    fn ed() -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": of(32)})
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    #[test]
    fn a_key_is_found_by_its_name_and_its_own_algorithm() {
        let rsa = json!({"kty": "RSA", "kid": "a", "n": of(256), "e": "AQAB"});
        let ec = json!({"kty": "EC", "crv": "P-256", "kid": "b", "x": of(32), "y": of(32)});
        let keys = parse(&[ed(), rsa.clone(), ec.clone(), with(ec, "x", json!(of(31)))]).unwrap();
        for (name, algorithm) in [("a", Algorithm::EdDSA), ("a", Algorithm::RS256), ("b", Algorithm::ES256)] {
            let key = keys.find(Some(name), algorithm).unwrap();
            assert_eq!(key.algorithm, algorithm);
            assert_eq!(keys.find(None, algorithm).unwrap().id, key.id, "the only one");
            assert!(keys.holds(&key.id));
        }
        for (name, algorithm) in [("b", Algorithm::EdDSA), ("a", Algorithm::ES256), ("a", Algorithm::HS256)] {
            assert!(keys.find(Some(name), algorithm).is_none(), "{name} {algorithm:?}");
        }
        let two = parse(&[ed(), with(ed(), "x", json!(URL_SAFE_NO_PAD.encode([7; 32])))]).unwrap();
        assert!(two.find(None, Algorithm::EdDSA).is_none());
        let id = |keys: &Keys| keys.find(Some("a"), Algorithm::EdDSA).unwrap().id;
        let renamed = parse(&[with(ed(), "use", json!("sig"))]).unwrap();
        assert!(two.holds(&id(&renamed)) && !parse(&[rsa]).unwrap().holds(&id(&two)));
    }

    #[test]
    fn keys_that_are_weak_broken_or_for_something_else_are_left_out() {
        let rsa = json!({"kty": "RSA", "n": of(256), "e": "AQAB"});
        for key in [
            with(ed(), "x", json!(of(31))),
            with(ed(), "x", json!(of(33))),
            with(ed(), "x", json!("")),
            with(ed(), "x", json!("!")),
            with(ed(), "x", Value::Null),
            with(ed(), "crv", json!("P-256")),
            with(ed(), "crv", json!("X25519")),
            with(ed(), "use", json!("enc")),
            with(ed(), "key_ops", json!(["sign"])),
            with(ed(), "alg", json!("ES256")),
            with(rsa.clone(), "alg", json!("HS256")),
            with(rsa.clone(), "alg", json!("RS512")),
            with(rsa.clone(), "n", json!(of(128))),
            with(rsa.clone(), "n", json!(of(513))),
            with(rsa, "e", json!(of(5))),
            json!({"kty": "oct", "k": of(32)}),
            json!({"kty": "EC", "crv": "P-384", "x": of(48), "y": of(48)}),
            json!({"kty": "EC", "crv": "P-256", "x": of(32), "y": of(31)}),
            json!({}),
            json!(7),
        ] {
            let alone = parse(std::slice::from_ref(&key));
            assert!(matches!(alone, Err(KeysError::Count { count: 0, .. })), "{key}");
            assert!(parse(&[key, ed()]).is_ok());
        }
        assert!(matches!(parse(&vec![ed(); KEYS_MAX + 1]), Err(KeysError::Count { .. })));
        for text in ["", "{", "[]", "{}", r#"{"keys":{}}"#] {
            assert!(matches!(Keys::parse("x", text.as_bytes()), Err(KeysError::Form(..))), "{text}");
        }
    }
}
