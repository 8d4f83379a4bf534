//! Which private keys the keystore stands for (RFC 9642): a hidden one is found by its public key.

use std::collections::BTreeSet;

use super::{entries, x509};
use crate::yang::generated::ietf_keystore::nodes::{
    KEYSTORE, KEYSTORE_ASYMMETRIC_KEYS, KEYSTORE_ASYMMETRIC_KEYS_ASYMMETRIC_KEY as KEY,
    KEYSTORE_ASYMMETRIC_KEYS_ASYMMETRIC_KEY_CERTIFICATES as CERTIFICATES,
    KEYSTORE_ASYMMETRIC_KEYS_ASYMMETRIC_KEY_CERTIFICATES_CERTIFICATE as CERTIFICATE,
    KEYSTORE_ASYMMETRIC_KEYS_ASYMMETRIC_KEY_CERTIFICATES_CERTIFICATE_CERT_DATA as DATA,
    KEYSTORE_ASYMMETRIC_KEYS_ASYMMETRIC_KEY_PRIVATE_KEY_TYPE_HIDDEN_PRIVATE_KEY_HIDDEN_PRIVATE_KEY as HIDDEN,
    KEYSTORE_ASYMMETRIC_KEYS_ASYMMETRIC_KEY_PUBLIC_KEY as PUBLIC,
};
use crate::yang::schema::Node;
use crate::yang::tree::Container;
use crate::yang::value::Value;

/// The private keys that configurations have in their keystores.
#[derive(Debug, Default, PartialEq)]
pub struct PrivateKeys {
    /// Their public keys and those of their certificates, each as SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) in DER.
    pub public: BTreeSet<Vec<u8>>,
    /// Whether there is a hidden one with neither: it can be any.
    pub can_be_any: bool,
}

impl PrivateKeys {
    /// Those of these configurations.
    pub fn of<'a>(configurations: impl IntoIterator<Item = &'a Container>) -> PrivateKeys {
        let mut all = PrivateKeys::default();
        for config in configurations {
            let keys = config.container(&KEYSTORE).and_then(|all| all.container(&KEYSTORE_ASYMMETRIC_KEYS));
            for key in entries(keys, &KEY) {
                let public = public(&key);
                all.can_be_any |= public.is_empty() && key.leaf(&HIDDEN).is_some();
                all.public.extend(public);
            }
        }
        all
    }
}

/// The public keys of an entry of the keystore. One in the form of SSH is none: nothing is found by it.
fn public(key: &Container) -> Vec<Vec<u8>> {
    let own = binary(key, &PUBLIC).filter(|public| x509::is_public_key(public)).map(<[u8]>::to_vec);
    let mut all = Vec::from_iter(own);
    for entry in entries(key.container(&CERTIFICATES), &CERTIFICATE) {
        let chain = binary(&entry, &DATA).and_then(x509::certificates).unwrap_or_default();
        all.extend(chain.iter().filter_map(|certificate| x509::public_key(certificate)));
    }
    all
}

fn binary<'a>(of: &'a Container, leaf: &'static Node) -> Option<&'a [u8]> {
    match of.leaf(leaf)? {
        Value::Binary(octets) => Some(octets),
        _ => None,
    }
}
