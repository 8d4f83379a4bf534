//! Checkpoints: what was in both logs at a time, signed with a key that nothing else is signed with.
//!
//! It never reads a file: keys come in as texts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock::{self, Timestamp};
use crate::ids;
use crate::log::Hash;

/// What the octets before the key are in PKCS #8 version 1 and in `SubjectPublicKeyInfo` (RFC 8410 sections 4 and 7).
const PRIVATE_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// What is signed begins with this, so that no other signature can be taken for it.
const DOMAIN: &[u8] = b"agentconf audit checkpoint 1\n";

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no Ed25519 key in PEM")]
pub struct KeyError;

/// Signs checkpoints.
pub struct Signer {
    pair: Ed25519KeyPair,
}

/// Checks them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// What was in both logs at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Checkpoint {
    /// When it was made.
    #[serde(with = "clock::rfc3339")]
    pub at: Timestamp,
    /// Number of the segment of the trail.
    pub segment: u64,
    /// Position in the segment of the last record before it.
    pub position: u64,
    /// Hash of that record.
    #[serde(with = "hex")]
    pub hash: Hash,
    /// Position of the last record of the event log.
    pub log_position: u64,
    /// Hash of that record.
    #[serde(with = "hex")]
    pub log_hash: Hash,
    /// Whether the server ended then in order.
    pub stop: bool,
    /// Which key has signed it.
    pub key: String,
    /// Ed25519 (RFC 8032), in base64.
    pub signature: String,
}

impl Signer {
    /// From a private key in PEM, PKCS #8.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(pem: &str) -> Result<Signer, KeyError> {
        let seed = unwrapped(pem, "PRIVATE KEY", &PRIVATE_PREFIX)?;
        Ok(Signer { pair: Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError)? })
    }

    /// A private key in PEM, from 32 random octets.
    pub fn pem(seed: &[u8; 32]) -> String {
        wrapped("PRIVATE KEY", &PRIVATE_PREFIX, seed)
    }

    /// The other half.
    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(key)
    }

    /// Signs what a checkpoint says.
    pub(super) fn sign(&self, checkpoint: Checkpoint) -> Checkpoint {
        let checkpoint = Checkpoint { key: self.public().id(), ..checkpoint };
        let signature = self.signature(&checkpoint.signed());
        Checkpoint { signature, ..checkpoint }
    }

    /// The signature of octets, in base64. In what one key signs, how they begin tells what they are.
    pub fn signature(&self, octets: &[u8]) -> String {
        STANDARD.encode(self.pair.sign(octets))
    }
}

impl PublicKey {
    /// From a public key in PEM, `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(pem: &str) -> Result<PublicKey, KeyError> {
        Ok(PublicKey(unwrapped(pem, "PUBLIC KEY", &PUBLIC_PREFIX)?))
    }

    /// As PEM.
    pub fn pem(&self) -> String {
        wrapped("PUBLIC KEY", &PUBLIC_PREFIX, &self.0)
    }

    /// The octets of the key (RFC 8032 section 5.1.5).
    pub fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    /// What it is called: half of its hash.
    pub fn id(&self) -> String {
        ids::half(&Sha256::digest(self.0))
    }

    /// Whether a checkpoint was signed with this key.
    pub fn signed(&self, checkpoint: &Checkpoint) -> bool {
        self.has_signed(&checkpoint.signed(), &checkpoint.signature)
    }

    /// Whether the signature of octets, in base64, is of this key.
    pub(super) fn has_signed(&self, octets: &[u8], signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        UnparsedPublicKey::new(&ED25519, self.0).verify(octets, &signature).is_ok()
    }
}

impl Checkpoint {
    /// The octets that are signed: every field but the signature, each of a fixed length but the last.
    fn signed(&self) -> Vec<u8> {
        let mut octets = DOMAIN.to_vec();
        octets.extend_from_slice(&self.at.as_micros().to_be_bytes());
        octets.extend_from_slice(&self.segment.to_be_bytes());
        octets.extend_from_slice(&self.position.to_be_bytes());
        octets.extend_from_slice(&self.hash);
        octets.extend_from_slice(&self.log_position.to_be_bytes());
        octets.extend_from_slice(&self.log_hash);
        octets.push(u8::from(self.stop));
        octets.extend_from_slice(self.key.as_bytes());
        octets
    }
}

fn wrapped(label: &str, prefix: &[u8], key: &[u8; 32]) -> String {
    let body = STANDARD.encode([prefix, key.as_slice()].concat());
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

fn unwrapped(pem: &str, label: &str, prefix: &[u8]) -> Result<[u8; 32], KeyError> {
    let body = pem.trim().strip_prefix(&format!("-----BEGIN {label}-----")).ok_or(KeyError)?;
    let body = body.strip_suffix(&format!("-----END {label}-----")).ok_or(KeyError)?;
    let body: String = body.split_whitespace().collect();
    let octets = STANDARD.decode(body).map_err(|_| KeyError)?;
    octets.strip_prefix(prefix).and_then(|key| key.try_into().ok()).ok_or(KeyError)
}

/// `#[serde(with = "hex")]` of a hash.
pub(super) mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::log::Hash;

    pub fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&crate::ids::hexadecimal(hash))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom("it is no hash of 64 hexadecimal digits");
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut hash = [0; 32];
        for (octet, at) in hash.iter_mut().zip((0..64).step_by(2)) {
            let digits = text.get(at..at + 2).ok_or_else(wrong)?;
            *octet = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(hash)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            at: Timestamp::EPOCH,
            segment: 1,
            position: 2,
            hash: [3; 32],
            log_position: 4,
            log_hash: [5; 32],
            stop: false,
            key: String::new(),
            signature: String::new(),
        }
    }

    #[test]
    fn a_checkpoint_is_good_as_it_was_signed_and_for_its_key_alone() {
        let signer = Signer::from_pem(&Signer::pem(&[7; 32])).unwrap();
        let key = PublicKey::from_pem(&signer.public().pem()).unwrap();
        assert_eq!(key, signer.public());
        let signed = signer.sign(checkpoint());
        let text = serde_json::to_string(&signed).unwrap();
        let read: Checkpoint = serde_json::from_str(&text).unwrap();
        assert!(key.signed(&read), "{text}");
        let other = Signer::from_pem(&Signer::pem(&[8; 32])).unwrap();
        assert!(!other.public().signed(&read));
        for changed in [
            Checkpoint { at: Timestamp::MAX, ..signed.clone() },
            Checkpoint { segment: 2, ..signed.clone() },
            Checkpoint { position: 3, ..signed.clone() },
            Checkpoint { hash: [4; 32], ..signed.clone() },
            Checkpoint { log_position: 5, ..signed.clone() },
            Checkpoint { log_hash: [6; 32], ..signed.clone() },
            Checkpoint { stop: true, ..signed.clone() },
            Checkpoint { key: other.public().id(), ..signed.clone() },
            Checkpoint { signature: "AA==".into(), ..signed.clone() },
        ] {
            assert!(!key.signed(&changed), "{changed:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let private = Signer::pem(&[7; 32]);
        for text in [
            "",
            "-----BEGIN PRIVATE KEY-----",
            &private.replace("MC4", "MC5"),
            &private.replace("PRIVATE", "PUBLIC"),
        ] {
            assert!(Signer::from_pem(text).is_err(), "{text}");
            assert!(PublicKey::from_pem(text).is_err(), "{text}");
        }
    }
}
