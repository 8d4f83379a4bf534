//! Whether a server could start with a configuration, as far as that is seen without starting it.
//!
//! It changes nothing that is kept, and can be asked while a server uses the same directory; it does not listen, and reads of the
//! event log what proves that it is the one that belongs here, and the records that no snapshot stands for.

use std::fs::OpenOptions;
use std::io;

use super::files::FileError;
use super::renewal::{Certificates, CertificatesError, ClientSource, Sources};
use super::tls::TlsError;
use super::vault::Vault;
use super::{
    LOCK, ServeError, api_keys, audit, callbacks, files, has_netconf, issuers, judgement, operations, pki,
    ssh, telemetry, tls, tokens, traces, urls, users, vault,
};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::{engine, log};

/// Checks the settings, the files that they name, and what a start reads in the data directory.
///
/// # Errors
/// The first thing for which a server would not start, or that clients would refuse: a certificate that has ended.
pub fn check(config: &Config, clock: &Clock) -> Result<(), ServeError> {
    if config.data.is_dir() {
        operations::try_writing(&config.data).map_err(FileError::of("write to", &config.data))?;
    }
    check_files(config, clock)?;
    match config.data.is_dir() {
        true => check_data(config, clock),
        false => Ok(()),
    }
}

/// Checks what a start reads in the data directory, in its order, but users and API keys. What is missing would be made.
fn check_data(config: &Config, clock: &Clock) -> Result<(), ServeError> {
    let data = &config.data;
    let lock = data.join(LOCK);
    match OpenOptions::new().write(true).open(&lock) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(FileError::of("open", &lock)(error).into());
        }
        _ => {}
    }
    let own = pki::certificate_files(data);
    if config.tls.certificate.is_none() {
        let (certificate, key) = (files::read(&own.certificate)?, files::read(&own.key)?);
        if certificate.is_some() && key.is_some() {
            tls::read(&own).map_err(CertificatesError::from)?;
        }
        files::read(&pki::authority_file(data))?;
    }
    audit::check(data)?;
    tokens::check(data)?;
    if data.join(vault::DIRECTORY).exists() {
        Vault::open(config, clock.clone())?;
    }
    if has_netconf(config) {
        ssh::check(data)?;
    }
    callbacks::check(data).map_err(|error| ServeError::Start(error.into()))?;
    let log = log::look(data).map_err(|error| ServeError::Log(data.to_owned(), error))?;
    log.map_or(Ok(()), |log| engine::readable(&log)).map_err(|error| ServeError::Start(error.into()))
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
