//! The local certificate authority and the server's certificate, for those who have no other: `pki/` in the data directory.
//!
//! It never overwrites a key, nor a certificate that its own authority did not issue.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::files::{self, FileError, Readers};
use crate::clock::Timestamp;

const DAY_S: i64 = 24 * 60 * 60;
const AUTHORITY_DAYS: i64 = 3650;
/// With the day before: Mozilla advises at most 366, and some clients refuse more than 398.
const SERVER_DAYS: i64 = 364;
/// A certificate that ends sooner is renewed at start.
const RENEW_DAYS: i64 = 30;
/// For clients whose clock is behind.
const EARLIER_DAYS: i64 = 1;

/// Where a certificate chain and its private key are, both as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the certificate of the server first.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file holds something else.
    #[error("{} is not {wanted}", .file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// What it should be.
        wanted: &'static str,
    },
    /// The authority's certificate has ended, or ends too soon to issue anything.
    #[error("the local authority {} ends at {end}: move ca.pem, ca.key and server.pem away, a start makes new ones", .file.display())]
    Ended {
        /// The certificate of the authority.
        file: PathBuf,
        /// When it ends.
        end: Timestamp,
    },
    /// A name that cannot be in a certificate, or a failed signature.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
}

/// Where the certificate of the local authority is.
pub fn authority_file(data: &Path) -> PathBuf {
    data.join("pki/ca.pem")
}

/// Where the certificate is that a server makes for itself.
pub fn certificate_files(data: &Path) -> CertificateFiles {
    let directory = data.join("pki");
    CertificateFiles { certificate: directory.join("server.pem"), key: directory.join("server.key") }
}

/// Makes sure that `pki/` has a certificate that is valid for `names` (DNS names and IP addresses) and for some time.
/// What is missing is made: the authority, keys (mode 0600), the certificate.
pub fn prepare(data: &Path, names: &BTreeSet<String>, now: Timestamp) -> Result<CertificateFiles, PkiError> {
    files::create_directory(&data.join("pki"))?;
    let ours = certificate_files(data);
    let authority_file = authority_file(data);

    if let (Some(pem), Some(_)) = (files::read(&ours.certificate)?, files::read(&ours.key)?) {
        let der = certificate(&ours.certificate, &pem)?;
        let existing = parse(&ours.certificate, &der)?;
        let Some(flaw) = flaw(&existing, names, now) else { return Ok(ours) };
        if !is_issued_by(&existing, &authority_file)? {
            tracing::warn!(certificate = %ours.certificate.display(), flaw, "kept, since the local authority did not issue it");
            return Ok(ours);
        }
        tracing::info!(certificate = %ours.certificate.display(), flaw, "renewing");
    }

    let authority = authority(&authority_file, now)?;
    let key = key(&ours.key)?;
    let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "agentconf");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now, now.saturating_add_seconds(SERVER_DAYS * DAY_S).min(authority.end));
    let pem = params.signed_by(&key, &authority.issuer)?.pem();
    files::replace(&ours.certificate, &pem, Readers::All)?;
    Ok(ours)
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    end: Timestamp,
}

/// Reads the authority, or makes what is missing of it.
fn authority(file: &Path, now: Timestamp) -> Result<Authority, PkiError> {
    let key_file = file.with_extension("key");
    let pem = match files::read(file)? {
        Some(pem) => pem,
        None => {
            let key = key(&key_file)?;
            let mut params = CertificateParams::default();
            params.distinguished_name = rcgen::DistinguishedName::new();
            let id = uuid::Uuid::new_v4().simple().to_string();
            let name = format!("agentconf local authority {}", id.get(..8).unwrap_or(&id));
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            set_validity(&mut params, now, now.saturating_add_seconds(AUTHORITY_DAYS * DAY_S));
            files::create_or_read(file, &params.self_signed(&key)?.pem(), Readers::All)?
        }
    };
    let der = certificate(file, &pem)?;
    let end = end(&parse(file, &der)?);
    if end <= now.saturating_add_seconds(RENEW_DAYS * DAY_S) {
        return Err(PkiError::Ended { file: file.to_owned(), end });
    }
    // Not made if it is missing: a new key would not be the one of this certificate.
    let key_pem = files::read(&key_file)?.unwrap_or_default();
    let key = KeyPair::from_pem(&key_pem)
        .map_err(|_| PkiError::Content { file: key_file, wanted: "a private key in PEM" })?;
    Ok(Authority { issuer: Issuer::from_ca_cert_der(&der, key)?, end })
}

/// Reads a key, or makes one. P-256: not every client can do Ed25519.
fn key(file: &Path) -> Result<KeyPair, PkiError> {
    let pem = match files::read(file)? {
        Some(pem) => pem,
        None => {
            let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
            files::create_or_read(file, &key.serialize_pem(), Readers::Owner)?
        }
    };
    KeyPair::from_pem(&pem)
        .map_err(|_| PkiError::Content { file: file.to_owned(), wanted: "a private key in PEM" })
}

/// Why a certificate should be renewed.
fn flaw(certificate: &X509Certificate<'_>, names: &BTreeSet<String>, now: Timestamp) -> Option<String> {
    let end = end(certificate);
    if end <= now.saturating_add_seconds(RENEW_DAYS * DAY_S) {
        return Some(format!("it ends at {end}"));
    }
    let names_inside: BTreeSet<String> = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => match *bytes {
                [a, b, c, d] => Some(IpAddr::from([*a, *b, *c, *d]).to_string()),
                bytes => <[u8; 16]>::try_from(bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
            },
            _ => None,
        })
        .collect();
    names.iter().find(|name| !names_inside.contains(*name)).map(|name| format!("it is not for {name}"))
}

fn is_issued_by(subject: &X509Certificate<'_>, authority_file: &Path) -> Result<bool, PkiError> {
    let Some(pem) = files::read(authority_file)? else { return Ok(false) };
    let der = certificate(authority_file, &pem)?;
    Ok(parse(authority_file, &der)?.subject().as_raw() == subject.issuer().as_raw())
}

fn end(certificate: &X509Certificate<'_>) -> Timestamp {
    Timestamp::from_seconds(certificate.validity().not_after.timestamp()).unwrap_or(Timestamp::MAX)
}

fn certificate(file: &Path, pem: &str) -> Result<CertificateDer<'static>, PkiError> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| not_a_certificate(file))
}

fn parse<'a>(file: &Path, der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, PkiError> {
    X509Certificate::from_der(der).map(|(_, certificate)| certificate).map_err(|_| not_a_certificate(file))
}

fn not_a_certificate(file: &Path) -> PkiError {
    PkiError::Content { file: file.to_owned(), wanted: "a certificate in PEM" }
}

fn set_validity(params: &mut CertificateParams, now: Timestamp, end: Timestamp) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Timestamp::EPOCH.until(now.saturating_add_seconds(-EARLIER_DAYS * DAY_S));
    params.not_after = epoch + Timestamp::EPOCH.until(end);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::server::test_directory::TestDirectory;
    use std::os::unix::fs::PermissionsExt;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn now() -> Timestamp {
        "2026-11-21T05:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_first_start_makes_everything_and_the_second_nothing() {
        let data = TestDirectory::new();
        let names = names(&["localhost", "127.0.0.1", "::1"]);
        let made = prepare(data.path(), &names, now()).unwrap();
        let read = || {
            ["ca.pem", "ca.key", "server.pem", "server.key"]
                .map(|f| std::fs::read(data.path().join("pki").join(f)).unwrap())
        };
        let first = read();
        assert_eq!(prepare(data.path(), &names, now()).unwrap(), made);
        assert_eq!(read(), first);
        for (file, mode) in
            [("ca.key", 0o600), ("server.key", 0o600), ("ca.pem", 0o644), ("server.pem", 0o644)]
        {
            let metadata = std::fs::metadata(data.path().join("pki").join(file)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, mode, "{file}");
        }
        crate::server::tls::read(&made).unwrap();
    }

    #[test]
    fn a_certificate_is_renewed_before_it_ends_and_for_new_names() {
        let data = TestDirectory::new();
        let certificate = |wanted: &[&str], day: i64| {
            let files =
                prepare(data.path(), &names(wanted), now().saturating_add_seconds(day * DAY_S)).unwrap();
            std::fs::read_to_string(files.certificate).unwrap()
        };
        let first = certificate(&["localhost"], 0);
        assert_eq!(certificate(&["localhost"], SERVER_DAYS - RENEW_DAYS - 1), first);
        let second = certificate(&["localhost"], SERVER_DAYS - RENEW_DAYS);
        assert_ne!(second, first);
        let third = certificate(&["localhost", "192.0.2.1", "2001:db8::1"], SERVER_DAYS - RENEW_DAYS);
        assert_ne!(third, second);
        assert_eq!(certificate(&["192.0.2.1", "2001:db8::1"], SERVER_DAYS - RENEW_DAYS), third);
    }

    #[test]
    fn a_certificate_of_another_authority_is_kept() {
        let (data, other) = (TestDirectory::new(), TestDirectory::new());
        let ours = prepare(data.path(), &names(&["localhost"]), now()).unwrap();
        let theirs = prepare(other.path(), &names(&["other"]), now()).unwrap();
        std::fs::copy(&theirs.certificate, &ours.certificate).unwrap();
        std::fs::copy(&theirs.key, &ours.key).unwrap();
        prepare(data.path(), &names(&["localhost"]), now().saturating_add_seconds(500 * DAY_S)).unwrap();
        assert_eq!(std::fs::read(&ours.certificate).unwrap(), std::fs::read(&theirs.certificate).unwrap());
    }

    #[test]
    fn an_interrupted_first_start_is_completed_and_damage_is_reported() {
        let data = TestDirectory::new();
        let wanted = names(&["localhost"]);
        let made = prepare(data.path(), &wanted, now()).unwrap();
        std::fs::remove_file(&made.certificate).unwrap();
        prepare(data.path(), &wanted, now()).unwrap();
        crate::server::tls::read(&made).unwrap();
        std::fs::remove_file(data.path().join("pki/ca.pem")).unwrap();
        std::fs::remove_file(&made.certificate).unwrap();
        prepare(data.path(), &wanted, now()).unwrap();
        let late = now().saturating_add_seconds(AUTHORITY_DAYS * DAY_S);
        assert!(matches!(prepare(data.path(), &wanted, late), Err(PkiError::Ended { .. })));
        std::fs::write(&made.certificate, "x").unwrap();
        assert!(matches!(prepare(data.path(), &wanted, now()), Err(PkiError::Content { .. })));
    }
}
