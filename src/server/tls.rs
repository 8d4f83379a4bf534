//! TLS for the listeners: rustls with ring, versions 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN (RFC 7301).
//!
//! It never makes a certificate; `pki` does.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, ServerConfig, version};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::certificates::Verifier;
use super::pki::CertificateFiles;
use crate::clock::Clock;

/// The name of HTTP/2 in ALPN.
pub const HTTP2: &[u8] = b"h2";
/// The name of HTTP/1.1 in ALPN.
pub const HTTP1: &[u8] = b"http/1.1";

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read, or has no PEM of that kind.
    #[error("cannot read {what} from {}", .file.display())]
    Read {
        /// What was wanted.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// Why it failed.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not fit, or cannot be used.
    #[error("cannot use {} with {}", .files.certificate.display(), .files.key.display())]
    Use {
        /// The files.
        files: CertificateFiles,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The settings do not work together.
    #[error("cannot use these certificates")]
    Settings(#[source] rustls::Error),
}

/// Reads the certificate chain of the server and its key.
///
/// # Errors
/// [`TlsError::Read`], [`TlsError::Use`].
pub fn read(files: &CertificateFiles) -> Result<Arc<CertifiedKey>, TlsError> {
    let unreadable = |what, file: &PathBuf| {
        let file = file.clone();
        move |source| TlsError::Read { what, file, source }
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(unreadable("certificates", &files.certificate))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(unreadable("a private key", &files.key))?;
    certified(chain, key).map_err(|source| TlsError::Use { files: files.clone(), source })
}

/// A certificate chain, the server's own certificate first, with the key of that.
///
/// # Errors
/// There is no certificate, the key is damaged, or it is another one's.
pub fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, rustls::Error> {
    let certified = CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())?;
    certified.end_entity_cert()?;
    Ok(Arc::new(certified))
}

/// That a certificate is valid at the time `now`.
///
/// # Errors
/// It is not yet, or no longer, or is no certificate.
pub fn check_validity(certified: &CertifiedKey, now: UnixTime) -> Result<(), rustls::Error> {
    let (_, certificate) = X509Certificate::from_der(certified.end_entity_cert()?)
        .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    if seconds < validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if seconds > validity.not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// The settings for accepting TLS with that certificate, for protocols by their names in ALPN. Clients are asked for a
/// certificate if there is a verifier. Sessions are resumed from a memory of these settings alone, so that there is no key
/// of tickets that could leak or would have to be changed.
///
/// # Errors
/// [`TlsError::Settings`].
pub fn server_config(
    certified: Arc<CertifiedKey>,
    protocols: &[&[u8]],
    verifier: Option<Verifier>,
    clock: &Clock,
) -> Result<Arc<ServerConfig>, TlsError> {
    let verifier = verifier.map(|verifier| Arc::new(verifier) as _);
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(TlsError::Settings)?
        .with_client_cert_verifier(verifier.unwrap_or_else(WebPkiClientVerifier::no_client_auth))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    config.time_provider = Arc::new(Time(clock.clone()));
    Ok(Arc::new(config))
}

/// The time as TLS wants it.
pub fn time(clock: &Clock) -> UnixTime {
    let seconds = u64::try_from(clock.now().as_seconds()).unwrap_or_default();
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

#[derive(Debug)]
struct Time(Clock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(time(&self.0))
    }
}
