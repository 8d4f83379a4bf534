//! TLS to a server: which authorities are trusted, and the user's certificate. It never takes a server whose certificate is
//! not proven.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::credentials::Credentials;
use super::error::ClientError;
use super::limits::Limits;
use super::url::Url;

/// After how much silence the server's machine is asked whether it is there: who only follows events sends nothing that
/// would show it.
const KEEPALIVE_TIME: Duration = Duration::from_secs(30);
/// How often it is asked again while it does not answer.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// What TLS needs to know, from the files of the credentials.
///
/// # Errors
/// A file cannot be read or holds something else.
pub fn config(credentials: &Credentials, protocols: &[&[u8]]) -> Result<Arc<ClientConfig>, ClientError> {
    let mut roots = RootCertStore::empty();
    if credentials.authorities.is_empty() && credentials.server_certificate.is_none() {
        for certificate in rustls_native_certs::load_native_certs().certs {
            // The machine may have some that this library cannot use.
            let _ = roots.add(certificate);
        }
    }
    for file in &credentials.authorities {
        for certificate in certificates(file)? {
            roots.add(certificate).map_err(|error| unusable(file, &error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::Login(error.to_string()))?;
    let builder = match &credentials.server_certificate {
        Some(file) => {
            let certificate =
                certificates(file)?.into_iter().next().ok_or_else(|| unusable(file, &"it is empty"))?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Known { certificate, algorithms }))
        }
        None => builder.with_root_certificates(roots),
    };
    let mut config = match &credentials.certificate {
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
            builder.with_client_auth_cert(chain, private).map_err(|error| unusable(certificate, &error))?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// Takes the server alone that has the key of this certificate.
#[derive(Debug)]
struct Known {
    certificate: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match *shown == self.certificate {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, shown, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, shown, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Connects, and proves who the server is.
///
/// # Errors
/// It cannot be reached, or is not the one of the URL.
pub async fn connect(
    url: &Url,
    config: &Arc<ClientConfig>,
    limits: &Limits,
) -> Result<TlsStream<TcpStream>, ClientError> {
    let tcp = tcp(url, limits).await?;
    let failed = |reason: String| ClientError::Connect { place: url.to_string(), reason };
    let name = ServerName::try_from(url.host.clone()).map_err(|error| failed(error.to_string()))?;
    let connecting = TlsConnector::from(Arc::clone(config)).connect(name, tcp);
    match timeout(limits.connect, connecting).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(failed(in_words(&error))),
        Err(_) => Err(ClientError::Timeout { what: "TLS handshake", limit: limits.connect }),
    }
}

/// What a handshake failed of, with a way out.
fn in_words(error: &std::io::Error) -> String {
    use rustls::Error;
    let Some(cause) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return error.to_string();
    };
    let reason = match cause {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate is of an authority that is not trusted; --ca names the file of one, --data the directory of a \
             server on this machine"
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is for another name than that of the URL",
        Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => {
            "its certificate is not that of the file that its data directory names; say who it is with --ca and a URL with a \
             name of its certificate, and who you are with --token-file or --user"
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired"
        }
        Error::InvalidCertificate(CertificateError::Other(other))
            if other.to_string().contains("UnsupportedCertVersion") =>
        {
            "its certificate is of X.509 version 1; version 3 is needed"
        }
        Error::InvalidMessage(_) => "it does not speak TLS there",
        _ => return cause.to_string(),
    };
    reason.to_owned()
}

/// A TCP connection.
///
/// # Errors
/// The server cannot be reached in time.
pub async fn tcp(url: &Url, limits: &Limits) -> Result<TcpStream, ClientError> {
    let failed = |reason: String| ClientError::Connect { place: url.to_string(), reason };
    match timeout(limits.connect, TcpStream::connect((url.host.as_str(), url.port))).await {
        Ok(Ok(stream)) => {
            let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_TIME).with_interval(KEEPALIVE_INTERVAL);
            let set =
                stream.set_nodelay(true).and_then(|()| SockRef::from(&stream).set_tcp_keepalive(&keepalive));
            set.map_err(|error| failed(error.to_string()))?;
            Ok(stream)
        }
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!("no answer within {} s", limits.connect.as_secs()))),
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(unusable(file, &"there is no certificate in it")),
        Err(error) => Err(unusable(file, &error)),
    }
}

fn unusable(file: &Path, reason: &dyn std::fmt::Display) -> ClientError {
    ClientError::Login(format!("{} cannot be used: {reason}", file.display()))
}
