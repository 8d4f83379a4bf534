//! Whether a server could start with a configuration, as far as that is seen without starting it.
//!
//! It changes nothing and can be asked while a server uses the same directory; it neither listens nor reads the event log.

use super::renewal::{Certificates, CertificatesError, ClientSource, Sources};
use super::tls::TlsError;
use super::{
    ServeError, api_keys, files, issuers, judgement, operations, pki, telemetry, tls, traces, urls, users,
};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};

/// Checks the settings, the files that they name, and what is in the data directory beside the log.
///
/// # Errors
/// The first thing for which a server would not start, or that clients would refuse: a certificate that has ended.
pub fn check(config: &Config, clock: &Clock) -> Result<(), ServeError> {
    if config.data.is_dir() {
        operations::try_writing(&config.data).map_err(files::FileError::of("write to", &config.data))?;
    }
    check_files(config, clock)
}

/// Checks the settings and the files that they name.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_files(config: &Config, clock: &Clock) -> Result<(), ServeError> {
    config.check()?;
    telemetry::filter(&config.log).map_err(|error| ConfigError::Nonsense {
        key: "log.level".into(),
        reason: format!("is not usable: {error}"),
    })?;
    if config.data.is_dir() {
        users::list(&config.data)?;
        api_keys::list(&config.data)?;
    }
    let clients = &config.tls.clients;
    let clients = clients.are_asked().then(|| ClientSource::Configured(clients.clone()));
    match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => {
            let server = pki::CertificateFiles { certificate: certificate.clone(), key: key.clone() };
            let ended = |source| TlsError::Use { files: server.clone(), source };
            let read = tls::read(&server).map_err(CertificatesError::from)?;
            tls::check_validity(&read, tls::time(clock)).map_err(ended).map_err(CertificatesError::from)?;
            Certificates::open(Sources { server, own: None, clients }, clock.clone())?;
        }
        _ => {
            clients.as_ref().map(ClientSource::open).transpose().map_err(CertificatesError::from)?;
        }
    }
    config.operations.traces.as_ref().map(traces::check).transpose()?;
    config.judgement.as_ref().map(judgement::check).transpose()?;
    let random = rustls::crypto::ring::default_provider().secure_random;
    issuers::Issuers::check(&config.tokens, clock.clone(), &config.limits, random)?;
    urls::Urls::new(&config.netconf.url, &config.data, &config.limits).map_err(ServeError::Urls)?;
    Ok(())
}
