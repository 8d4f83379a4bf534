//! The section `[tls.clients]`: whose certificates are taken, and the users they stand for (RFC 7589 section 7, RFC 7407
//! section 3.2). It never reads the files that it names.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;

/// The section `[tls.clients]`. A client may show a certificate if there are authorities or certificates here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Clients {
    /// PEM files with certificates of authorities: what they issued is taken.
    pub authorities: Vec<PathBuf>,
    /// PEM files with certificates of clients that are taken as they are, whoever issued them.
    pub certificates: Vec<PathBuf>,
    /// PEM files with lists of certificates that their authorities have revoked (RFC 5280 section 5).
    pub revocation_lists: Vec<PathBuf>,
    /// How certificates are mapped to names of users, tried in the order of their `id`.
    pub cert_to_name: Vec<CertToName>,
}

/// One way from certificates to names: an entry of the list `cert-to-name` of `ietf-x509-cert-to-name`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CertToName {
    /// Place in the order.
    pub id: u32,
    /// Of the client's certificate, or of an authority's on its chain.
    pub fingerprint: Fingerprint,
    /// What the name is taken from.
    pub map_type: MapType,
    /// The name, for [`MapType::Specified`] alone.
    pub name: Option<String>,
}

/// Where the name of a user is taken from: the identities of `ietf-x509-cert-to-name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapType {
    /// From the entry itself.
    Specified,
    /// From the first `rfc822Name` of the certificate, its domain in lower case.
    SanRfc822Name,
    /// From the first `dNSName`, in lower case.
    SanDnsName,
    /// From the first `iPAddress`: in decimals with dots, or 32 hexadecimal digits.
    SanIpAddress,
    /// From the first of these three kinds.
    SanAny,
    /// From the `CommonName` of the subject.
    CommonName,
}

/// A hash of a whole certificate, as the type `tls-fingerprint` writes it: octets in hexadecimal, the first of which says
/// which hash it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Fingerprint {
    /// Which hash.
    pub hash: Hash,
    /// Its octets.
    pub octets: Vec<u8>,
}

/// A hash of the registry of RFC 5246 that is good enough to know a certificate by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // they are what they are called
pub enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// Why a text is not a [`Fingerprint`].
#[derive(Debug, thiserror::Error)]
pub enum FingerprintError {
    /// It has another form, or another length than its hash has.
    #[error(
        "{0:?} is not a fingerprint: 04: and the 32 octets of the SHA-256 in hexadecimal, with colons between them"
    )]
    Form(String),
    /// It is of MD5 or SHA-1.
    #[error("{0:?} is a fingerprint by MD5 or SHA-1, which is too weak: take SHA-256, which begins with 04")]
    Weak(String),
}

impl TryFrom<String> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(text: String) -> Result<Fingerprint, FingerprintError> {
        let octet = |part: &str| {
            let is_hexadecimal = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hexadecimal.then(|| u8::from_str_radix(part, 16).ok()).flatten()
        };
        let all: Option<Vec<u8>> = text.split(':').map(octet).collect();
        let (hash, length, octets) = match all.as_deref().and_then(<[u8]>::split_first) {
            Some((1 | 2, _)) => return Err(FingerprintError::Weak(text)),
            Some((3, octets)) => (Hash::Sha224, 28, octets),
            Some((4, octets)) => (Hash::Sha256, 32, octets),
            Some((5, octets)) => (Hash::Sha384, 48, octets),
            Some((6, octets)) => (Hash::Sha512, 64, octets),
            _ => return Err(FingerprintError::Form(text)),
        };
        let octets = octets.to_vec();
        if octets.len() == length {
            Ok(Fingerprint { hash, octets })
        } else {
            Err(FingerprintError::Form(text))
        }
    }
}

impl Clients {
    /// Whether clients are asked for a certificate.
    pub fn are_asked(&self) -> bool {
        !self.authorities.is_empty() || !self.certificates.is_empty()
    }

    pub(super) fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.authorities.iter_mut().chain(&mut self.certificates).chain(&mut self.revocation_lists)
    }

    /// The key of what makes no sense, and the predicate that says why.
    pub(super) fn nonsense(&self) -> Option<(String, String)> {
        let nonsense = |key: &str, reason: String| Some((format!("tls.clients{key}"), reason));
        if self.are_asked() == self.cert_to_name.is_empty() {
            let reason = "needs authorities or certificates to be taken, and cert-to-name to say for whom";
            return nonsense("", reason.to_owned());
        }
        let mut ids = BTreeSet::new();
        for entry in &self.cert_to_name {
            if !ids.insert(entry.id) {
                return nonsense(".cert-to-name.id", format!("{} is there twice", entry.id));
            }
            if entry.name.is_some() != (entry.map_type == MapType::Specified) {
                let reason =
                    format!("of entry {} has to be there if map-type is specified, and else not", entry.id);
                return nonsense(".cert-to-name.name", reason);
            }
        }
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_says_which_hash_it_is() {
        let read = |text: &str| Fingerprint::try_from(text.to_owned());
        for (code, hash, length) in [
            ("03", Hash::Sha224, 28),
            ("04", Hash::Sha256, 32),
            ("05", Hash::Sha384, 48),
            ("06", Hash::Sha512, 64),
        ] {
            let fingerprint = read(&format!("{code}{}", ":aB".repeat(length))).unwrap();
            assert_eq!((fingerprint.hash, fingerprint.octets), (hash, vec![0xab; length]));
            assert!(read(&format!("{code}{}", ":aB".repeat(length - 1))).is_err());
        }
        for (code, length) in [("01", 16), ("02", 20)] {
            let weak = read(&format!("{code}{}", ":00".repeat(length)));
            assert!(matches!(weak, Err(FingerprintError::Weak(_))));
        }
        let one_more = format!("04:{}", "00:".repeat(32));
        for text in
            ["", "04", ":", &one_more, &"04".repeat(33), &format!("04:+0{}", ":00".repeat(31)), "07:00"]
        {
            assert!(matches!(read(text), Err(FingerprintError::Form(_))), "{text}");
        }
    }
}
