//! What the configuration says of issuers, certificates and rates, as the parts of the server take it.
//!
//! It makes these things and checks them; it never puts them to use.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

use super::certificates::{self, Clients};
use super::vault::Vault;
use super::{telemetry, tls};
use crate::access::Settings;
use crate::access::settings;
use crate::clock::Clock;
use crate::config::{self, Algorithm, CertToName, Check, ClientSecret, Introspection, MapType, Secret};
use crate::limits::RateLimits;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::ietf_x509_cert_to_name::identities::CertToName as Mapped;
use crate::yang::generated::magent_access::{self as model, Limits, TokenIssuer};

/// The certificate of the server with its key, if one is configured.
///
/// # Errors
/// There is no key for it, or TLS cannot use the two.
pub fn certificate(
    settings: &Settings,
    vault: &Vault,
    clock: &Clock,
) -> Result<Option<Arc<CertifiedKey>>, Error> {
    let Some(chain) = &settings.certificate else { return Ok(None) };
    let chain: Vec<CertificateDer<'static>> = chain.iter().cloned().map(CertificateDer::from).collect();
    let key = chain.first().and_then(|own| vault.key_of(own)).ok_or_else(|| {
        invalid("the certificate that was chosen for the server fits no private key that it was given")
    })?;
    let unusable = |error: rustls::Error| {
        invalid(format!("the certificate that was chosen for the server cannot be used: {error}"))
    };
    let certified = tls::certified(chain, key).map_err(unusable)?;
    tls::check_validity(&certified, tls::time(clock)).map_err(unusable)?;
    Ok(Some(certified))
}

/// The rules for certificates of clients: `None` if none are configured.
///
/// # Errors
/// A certificate or a list cannot be used, or a fingerprint is of a hash that is too weak.
pub fn clients(settings: &Settings) -> Result<Option<Option<Clients>>, Error> {
    let settings::Clients { authorities, pinned, revocation_lists, map } = &settings.clients;
    if map.is_empty() {
        return Ok(None);
    }
    let ders = |all: &[Vec<u8>]| all.iter().cloned().map(CertificateDer::from).collect();
    let parts = certificates::Parts {
        authorities: ders(authorities),
        pinned: ders(pinned),
        revoked: revocation_lists.iter().cloned().map(Into::into).collect(),
        map: map.iter().map(cert_to_name).collect::<Result<_, _>>()?,
    };
    let unusable =
        |error| invalid(format!("certificates of clients cannot be taken: {}", telemetry::chain(&error)));
    Clients::new(parts).map(|clients| Some(Some(clients))).map_err(unusable)
}

fn cert_to_name(entry: &model::CertToName) -> Result<CertToName, Error> {
    let unusable =
        |why: String| invalid(format!("the entry {} of cert-to-name cannot be used: {why}", entry.id));
    Ok(CertToName {
        id: entry.id,
        fingerprint: entry
            .fingerprint
            .clone()
            .try_into()
            .map_err(|error: config::FingerprintError| unusable(error.to_string()))?,
        map_type: match entry.map_type {
            Mapped::Specified => MapType::Specified,
            Mapped::SanRfc822Name => MapType::SanRfc822Name,
            Mapped::SanDnsName => MapType::SanDnsName,
            Mapped::SanIpAddress => MapType::SanIpAddress,
            Mapped::SanAny => MapType::SanAny,
            Mapped::CommonName => MapType::CommonName,
            _ => return Err(unusable("its map-type is not known here".to_owned())),
        },
        name: entry.name.clone(),
    })
}

/// The issuers of the server's file, and after them those of the configuration.
///
/// # Errors
/// `invalid-value` for one that makes no sense beside the others.
pub fn issuers(
    settings: &Settings,
    vault: &Vault,
    in_file: &[config::Issuer],
) -> Result<Vec<config::Issuer>, Error> {
    let configured = settings.issuers.iter().map(|issuer| issuer_of(issuer, vault));
    let all: Vec<config::Issuer> =
        in_file.iter().cloned().map(Ok).chain(configured).collect::<Result<_, _>>()?;
    match config::Issuer::nonsense(&all) {
        Some((setting, reason)) => Err(invalid(format!("{setting} {reason}"))),
        None => Ok(all),
    }
}

fn issuer_of(issuer: &TokenIssuer, vault: &Vault) -> Result<config::Issuer, Error> {
    let check = match (&issuer.jwks, &issuer.jwks_uri, &issuer.introspection) {
        (Some(keys), ..) => Check::Text(keys.clone()),
        (_, Some(uri), _) => Check::Https(uri.clone()),
        (_, _, Some(asked)) => {
            let secret = crate::access::Reference::read(&asked.client_secret)
                .and_then(|reference| vault.get(&reference))
                .ok_or_else(|| invalid("the secret for an issuer is not kept any more: set it anew"))?;
            Check::Introspection(Introspection {
                endpoint: asked.endpoint.clone(),
                client_id: asked.client_id.clone(),
                client_secret: ClientSecret::Text(Secret::new(secret.as_ref())),
                cache_s: asked.cache.map_or(60, u64::from),
            })
        }
        // The choice is mandatory.
        (None, None, None) => return Err(invalid("an issuer has nothing that its tokens are checked with")),
    };
    let algorithms: Vec<Algorithm> = issuer
        .algorithm
        .iter()
        .map(|algorithm| match algorithm {
            model::Algorithm::EdDsa => Algorithm::EdDSA,
            model::Algorithm::Es256 => Algorithm::ES256,
            model::Algorithm::Rs256 => Algorithm::RS256,
        })
        .collect();
    Ok(config::Issuer {
        issuer: issuer.issuer.clone(),
        audience: issuer.audience.clone(),
        check,
        algorithms: if algorithms.is_empty() { Algorithm::all() } else { algorithms },
        user_claim: issuer.user_claim.clone().unwrap_or_else(|| "sub".to_owned()),
        groups_claim: issuer.groups_claim.clone(),
        users: issuer.user.iter().map(|user| (user.claimed.clone(), user.name.clone())).collect(),
        prefix: issuer.prefix.clone(),
        groups: issuer.group.iter().map(|group| (group.claimed.clone(), group.name.clone())).collect(),
        scopes: issuer
            .scope
            .iter()
            .map(|scope| (scope.claimed.clone(), settings::scope(scope.scope)))
            .collect(),
        leeway: issuer.leeway.map_or(60, u64::from),
    })
}

/// The rates, as configured or else as the server's file has them.
pub fn rates(in_file: &RateLimits, configured: &Limits) -> RateLimits {
    let Limits { user, source } = configured;
    RateLimits {
        user_requests_per_s: user.requests_per_second.unwrap_or(in_file.user_requests_per_s),
        user_requests_burst: user.requests_burst.unwrap_or(in_file.user_requests_burst),
        source_requests_per_s: source.requests_per_second.unwrap_or(in_file.source_requests_per_s),
        source_requests_burst: source.requests_burst.unwrap_or(in_file.source_requests_burst),
        source_handshakes_per_s: source.handshakes_per_second.unwrap_or(in_file.source_handshakes_per_s),
        source_handshakes_burst: source.handshakes_burst.unwrap_or(in_file.source_handshakes_burst),
        source_logins_per_s: in_file.source_logins_per_s,
        source_logins_burst: in_file.source_logins_burst,
        source_connections_max: source.connections.unwrap_or(in_file.source_connections_max),
        source_sessions_max: source.sessions.unwrap_or(in_file.source_sessions_max),
        sources_max: in_file.sources_max,
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::application(Tag::InvalidValue, message)
}
