//! Certificates of clients: which ones are taken, and the users they stand for (RFC 7589 sections 5 and 7).
//!
//! It never says whether there is such a user, nor what they may do.

use std::cmp::Reverse;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use sha2::Digest as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::config::{self, CertToName, Fingerprint, Hash, MapType};
use crate::ids::hexadecimal;

/// The certificates that are taken.
#[derive(Debug)]
pub struct Clients {
    authorities: Vec<Authority>,
    pinned: Vec<CertificateDer<'static>>,
    /// In the order in which they are tried.
    map: Vec<CertToName>,
    /// Whose certificates a client is told to choose from.
    hints: Vec<DistinguishedName>,
    /// When the lists of revoked certificates end, in seconds since the epoch.
    lists_end: Vec<i64>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// What [`Clients`] are made of, wherever it comes from.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// The certificates of authorities: what they issued is taken.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The certificates of clients that are taken as they are.
    pub pinned: Vec<CertificateDer<'static>>,
    /// Lists of what the authorities, or those that they certified, have revoked (RFC 5280 section 5).
    pub revoked: Vec<CertificateRevocationListDer<'static>>,
    /// The names that certificates stand for, in any order.
    pub map: Vec<CertToName>,
}

/// One authority, with a verifier of its own: which one a certificate leads to decides which entry of the map is for it.
#[derive(Debug)]
struct Authority {
    certificate: CertificateDer<'static>,
    verifier: Arc<dyn ClientCertVerifier>,
}

/// Whom a certificate stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name of the user, who may not exist.
    pub name: String,
    /// When the certificate ends, in seconds since the epoch.
    pub ends: i64,
}

/// The certificate that a client has shown on a connection, and whom it stands for. It is verified again, once, when other
/// rules hold or a list of revoked certificates has ended.
pub struct Shown {
    identity: Identity,
    chain: Vec<CertificateDer<'static>>,
    rules: Arc<Rules>,
    verdict: ArcSwap<Verdict>,
}

/// The rules that hold at present; `None`: no certificate is taken.
pub type Rules = ArcSwapOption<Clients>;

/// What was found with some rules.
struct Verdict {
    with: Option<Arc<Clients>>,
    lists_ended: usize,
    is_good: bool,
}

impl Shown {
    /// Verifies what a client has shown.
    ///
    /// # Errors
    /// As [`Clients::identify`]; nothing is taken without rules.
    pub fn new(
        chain: &[CertificateDer<'_>],
        rules: &Arc<Rules>,
        now: UnixTime,
    ) -> Result<Shown, rustls::Error> {
        let with = rules.load_full().ok_or(CertificateError::UnknownIssuer)?;
        let identity = with.identify(chain, now)?;
        let lists_ended = with.lists_ended(now);
        let verdict = Verdict { with: Some(with), lists_ended, is_good: true };
        Ok(Shown {
            identity,
            chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(),
            rules: Arc::clone(rules),
            verdict: ArcSwap::from_pointee(verdict),
        })
    }

    /// The name of the user, who may not exist.
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// Whether the certificate is still taken, for the same user.
    pub fn holds(&self, now: UnixTime) -> bool {
        if i64::try_from(now.as_secs()).unwrap_or(i64::MAX) >= self.identity.ends {
            return false;
        }
        let (rules, verdict) = (self.rules.load(), self.verdict.load());
        let lists_ended = rules.as_ref().map_or(0, |rules| rules.lists_ended(now));
        let is_same = match (rules.as_ref(), &verdict.with) {
            (Some(now), Some(then)) => Arc::ptr_eq(now, then),
            (now, then) => now.is_none() && then.is_none(),
        };
        if is_same && verdict.lists_ended == lists_ended {
            return verdict.is_good;
        }
        let identity = rules.as_ref().and_then(|rules| rules.identify(&self.chain, now).ok());
        let is_good = identity.is_some_and(|identity| identity == self.identity);
        self.verdict.store(Arc::new(Verdict { with: rules.clone(), lists_ended, is_good }));
        is_good
    }

    /// One that nobody has to verify.
    #[cfg(test)]
    pub fn assumed(name: &str, ends: i64) -> Shown {
        Shown {
            identity: Identity { name: name.to_owned(), ends },
            chain: Vec::new(),
            rules: Arc::default(),
            verdict: ArcSwap::from_pointee(Verdict { with: None, lists_ended: 0, is_good: true }),
        }
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shown").field(&self.identity).finish()
    }
}

/// Why certificates of clients cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum ClientsError {
    /// A file cannot be read, or has no PEM of that kind.
    #[error("cannot read {what} from {}", .file.display())]
    Read {
        /// What was wanted.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// Why it failed.
        #[source]
        source: pem::Error,
    },
    /// A file has no PEM of that kind.
    #[error("there are no {what} in {}", .file.display())]
    Empty {
        /// What was wanted.
        what: &'static str,
        /// The file.
        file: PathBuf,
    },
    /// It is no certificate that can be trusted.
    #[error("there is a certificate that cannot be used")]
    Use(#[source] rustls::Error),
    /// A list of revoked certificates is damaged.
    #[error("cannot verify with these authorities and lists of revoked certificates")]
    Verifier(#[source] VerifierBuilderError),
}

impl Clients {
    /// Takes certificates by these rules. Where there are several lists of one authority, the newest counts.
    ///
    /// # Errors
    /// [`ClientsError::Use`], [`ClientsError::Verifier`].
    pub fn new(parts: Parts) -> Result<Clients, ClientsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let Parts { authorities: trusted, pinned, mut revoked, mut map } = parts;
        // The beginning and the end of a list.
        let times = |list: &CertificateRevocationListDer<'static>| {
            let (_, list) = CertificateRevocationList::from_der(list).ok()?;
            Some((list.last_update().timestamp(), list.next_update().map(|end| end.timestamp())))
        };
        revoked.sort_by_key(|list| Reverse(times(list)));
        let lists_end = revoked.iter().filter_map(times).filter_map(|(_, end)| end).collect();
        let (mut authorities, mut hints) = (Vec::new(), Vec::new());
        for certificate in trusted {
            let mut roots = RootCertStore::empty();
            roots.add(certificate.clone()).map_err(ClientsError::Use)?;
            hints.extend(roots.subjects());
            // An authority without a list has revoked nothing. One whose list has ended may have revoked anything since
            // (RFC 5280 section 6.3.3 leaves that undetermined).
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                    .with_crls(revoked.iter().cloned())
                    .allow_unknown_revocation_status()
                    .enforce_revocation_expiration()
                    .build()
                    .map_err(ClientsError::Verifier)?;
            authorities.push(Authority { certificate, verifier });
        }
        for certificate in &pinned {
            let (_, parsed) = X509Certificate::from_der(certificate)
                .map_err(|_| ClientsError::Use(CertificateError::BadEncoding.into()))?;
            hints.push(parsed.issuer().as_raw().to_vec().into());
        }
        map.sort_by_key(|entry| entry.id);
        let algorithms = provider.signature_verification_algorithms;
        Ok(Clients { authorities, pinned, map, hints, lists_end, algorithms })
    }

    /// Reads the files.
    ///
    /// # Errors
    /// A file cannot be read or has something else, or as [`Clients::new`].
    pub fn open(config: &config::Clients) -> Result<Clients, ClientsError> {
        let mut parts = Parts { map: config.cert_to_name.clone(), ..Parts::default() };
        for file in &config.authorities {
            parts.authorities.extend(read(file, "certificates")?);
        }
        for file in &config.certificates {
            parts.pinned.extend(read(file, "certificates")?);
        }
        for file in &config.revocation_lists {
            parts.revoked.extend(read(file, "lists of revoked certificates")?);
        }
        Clients::new(parts)
    }

    /// How many lists of revoked certificates have ended at the time `now`: nothing of their authorities is taken.
    pub fn lists_ended(&self, now: UnixTime) -> usize {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        self.lists_end.iter().filter(|end| **end <= now).count()
    }

    /// Takes what the authority in a file has issued, for the users that it names: the fingerprint of the authority leads to
    /// the `CommonName`.
    pub fn of_authority(file: &Path) -> Result<Clients, ClientsError> {
        let authority = read::<CertificateDer<'static>>(file, "certificates")?;
        let by_name = |certificate: &CertificateDer<'_>| CertToName {
            id: 1,
            fingerprint: Fingerprint {
                hash: Hash::Sha256,
                octets: sha2::Sha256::digest(certificate).to_vec(),
            },
            map_type: MapType::CommonName,
            name: None,
        };
        Clients::open(&config::Clients {
            authorities: vec![file.to_owned()],
            cert_to_name: authority.first().map(by_name).into_iter().collect(),
            ..config::Clients::default()
        })
    }

    /// Whom the first certificate of `chain` stands for at the time `now`, if it is to be taken.
    ///
    /// Errors: it is not trusted, or is trusted and no entry of the map gives a name; RFC 7589 section 7 has the session
    /// ended then.
    pub fn identify(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<Identity, rustls::Error> {
        let (end_entity, intermediates) =
            chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        let bad = |_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding);
        let (_, certificate) = X509Certificate::from_der(end_entity).map_err(bad)?;
        let ends = certificate.validity().not_after.timestamp();

        let mut anchors = Vec::new();
        let mut refusal = CertificateError::UnknownIssuer.into();
        if self.pinned.iter().any(|pinned| pinned == end_entity) {
            let begins = certificate.validity().not_before.timestamp();
            let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
            if seconds < begins {
                return Err(CertificateError::NotValidYet.into());
            }
            if seconds > ends {
                return Err(CertificateError::Expired.into());
            }
            anchors.push(end_entity);
        }
        for authority in &self.authorities {
            match authority.verifier.verify_client_cert(end_entity, intermediates, now) {
                Ok(_) => anchors.push(&authority.certificate),
                // That one authority issued it and it has ended says more than that another did not issue it.
                Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {}
                // Nor does it help to be pinned.
                Err(error @ rustls::Error::InvalidCertificate(CertificateError::Revoked)) => {
                    return Err(error);
                }
                Err(error) => refusal = error,
            }
        }
        if anchors.is_empty() {
            return Err(refusal);
        }
        anchors.push(end_entity);
        self.map
            .iter()
            .filter(|entry| anchors.iter().any(|anchor| matches(&entry.fingerprint, anchor)))
            .filter_map(|entry| name(entry, &certificate))
            // What RFC 6241 section 2.2 asks of a name: that XML can hold it.
            .find(|name| !name.is_empty() && !name.contains(char::is_control))
            .map(|name| Identity { name, ends })
            .ok_or_else(|| CertificateError::ApplicationVerificationFailure.into())
    }
}

/// Asks a client for a certificate.
#[derive(Debug)]
pub struct Verifier {
    /// Which ones are taken.
    pub clients: Arc<Clients>,
    /// Whether a client without one is turned away.
    pub is_mandatory: bool,
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.clients.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).cloned().collect();
        self.clients.identify(&chain, now).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.clients.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.clients.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.clients.algorithms.supported_schemes()
    }
}

fn read<T: PemObject>(file: &Path, what: &'static str) -> Result<Vec<T>, ClientsError> {
    let found: Vec<T> = T::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|source| ClientsError::Read { what, file: file.to_owned(), source })?;
    if found.is_empty() { Err(ClientsError::Empty { what, file: file.to_owned() }) } else { Ok(found) }
}

fn matches(fingerprint: &Fingerprint, certificate: &[u8]) -> bool {
    match fingerprint.hash {
        Hash::Sha224 => sha2::Sha224::digest(certificate).as_slice() == fingerprint.octets,
        Hash::Sha256 => sha2::Sha256::digest(certificate).as_slice() == fingerprint.octets,
        Hash::Sha384 => sha2::Sha384::digest(certificate).as_slice() == fingerprint.octets,
        Hash::Sha512 => sha2::Sha512::digest(certificate).as_slice() == fingerprint.octets,
    }
}

/// The name that an entry of the map gives to a certificate (RFC 7407 section 3.2). `None`: it has nothing to take it from.
fn name(entry: &CertToName, certificate: &X509Certificate<'_>) -> Option<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let alternatives = extension.iter().flat_map(|extension| &extension.value.general_names);
    match entry.map_type {
        MapType::Specified => entry.name.clone(),
        MapType::CommonName => {
            let first = certificate.subject().iter_common_name().next()?;
            first.as_str().ok().map(str::to_owned)
        }
        kind => alternatives.filter_map(|name| alternative(kind, name)).next(),
    }
}

/// The name that one alternative of the subject gives, if it is of that kind.
fn alternative(kind: MapType, name: &GeneralName<'_>) -> Option<String> {
    match (name, kind) {
        (GeneralName::RFC822Name(address), MapType::SanRfc822Name | MapType::SanAny) => {
            let (local, domain) = address.rsplit_once('@')?;
            Some(format!("{local}@{}", domain.to_ascii_lowercase()))
        }
        (GeneralName::DNSName(name), MapType::SanDnsName | MapType::SanAny) => {
            Some(name.to_ascii_lowercase())
        }
        (GeneralName::IPAddress(octets), MapType::SanIpAddress | MapType::SanAny) => match octets.len() {
            4 => Some(octets.iter().map(u8::to_string).collect::<Vec<_>>().join(".")),
            16 => Some(hexadecimal(octets)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::server::test_directory::TestDirectory;
    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer,
        KeyIdMethod, KeyPair, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
    };
    use std::time::Duration;

    struct Authority {
        issuer: Issuer<'static, KeyPair>,
        pem: String,
        der: CertificateDer<'static>,
    }

    fn authority(name: &str, issuer: Option<&Authority>) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = Default::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = match issuer {
            Some(above) => params.signed_by(&key, &above.issuer).unwrap(),
            None => params.self_signed(&key).unwrap(),
        };
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Authority { issuer: Issuer::new(params, key), pem, der }
    }

    /// Valid in the years 2020 to 2029, with the serial number 7.
    fn leaf(issuer: &Authority, common_name: &str, names: Vec<SanType>) -> rcgen::Certificate {
        let mut params = CertificateParams::default();
        params.distinguished_name = Default::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.subject_alt_names = names;
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2030, 1, 1));
        params.serial_number = Some(SerialNumber::from(7));
        params.signed_by(&KeyPair::generate().unwrap(), &issuer.issuer).unwrap()
    }

    fn at(time: &str) -> UnixTime {
        let seconds = time.parse::<Timestamp>().unwrap().as_seconds();
        UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap()))
    }

    fn now() -> UnixTime {
        at("2026-11-21T05:00:00Z")
    }

    fn entry(id: u32, der: &[u8], map_type: MapType, name: Option<&str>) -> CertToName {
        let fingerprint = Fingerprint { hash: Hash::Sha256, octets: sha2::Sha256::digest(der).to_vec() };
        CertToName { id, fingerprint, map_type, name: name.map(str::to_owned) }
    }

    /// The files that hold these texts, one each.
    fn clients(authorities: &[&str], pinned: &[&str], revoked: &[&str], map: Vec<CertToName>) -> Clients {
        let directory = TestDirectory::new();
        let file = |text: &&str| {
            let path = directory.path().join(uuid::Uuid::new_v4().to_string());
            std::fs::write(&path, text).unwrap();
            path
        };
        Clients::open(&config::Clients {
            authorities: authorities.iter().map(file).collect(),
            certificates: pinned.iter().map(file).collect(),
            revocation_lists: revoked.iter().map(file).collect(),
            cert_to_name: map,
        })
        .unwrap()
    }

    fn identified(clients: &Clients, chain: &[&CertificateDer<'static>]) -> Result<String, rustls::Error> {
        let chain: Vec<_> = chain.iter().map(|der| (*der).clone()).collect();
        clients.identify(&chain, now()).map(|identity| identity.name)
    }

    #[test]
    fn each_map_type_takes_its_own_part_of_the_certificate() {
        let root = authority("root", None);
        let names = vec![
            SanType::URI("urn:x".try_into().unwrap()),
            SanType::DnsName("Oss.Example.NET".try_into().unwrap()),
            SanType::DnsName("second.example.net".try_into().unwrap()),
            SanType::Rfc822Name("FooBar@Example.COM".try_into().unwrap()),
            SanType::IpAddress("2001:db8::a".parse().unwrap()),
            SanType::IpAddress("192.0.2.1".parse().unwrap()),
        ];
        let one = leaf(&root, "Ann Bé", names.clone());
        let of = |map_type, name| {
            let clients = clients(&[&root.pem], &[], &[], vec![entry(1, &root.der, map_type, name)]);
            identified(&clients, &[one.der()]).unwrap()
        };
        assert_eq!(of(MapType::Specified, Some("joe")), "joe");
        assert_eq!(of(MapType::SanRfc822Name, None), "FooBar@example.com");
        assert_eq!(of(MapType::SanDnsName, None), "oss.example.net");
        assert_eq!(of(MapType::SanIpAddress, None), "20010db800000000000000000000000a");
        assert_eq!(of(MapType::SanAny, None), "oss.example.net");
        assert_eq!(of(MapType::CommonName, None), "Ann Bé");
        let four = leaf(&root, "x", names[5..].to_vec());
        let map = vec![entry(1, &root.der, MapType::SanAny, None)];
        assert_eq!(identified(&clients(&[&root.pem], &[], &[], map), &[four.der()]).unwrap(), "192.0.2.1");
    }

    #[test]
    fn entries_are_tried_by_id_until_one_gives_a_name() {
        let root = authority("root", None);
        let one = leaf(&root, "ann", vec![SanType::DnsName("b.example".try_into().unwrap())]);
        let other = leaf(&root, "bob", vec![]);
        let map = vec![
            entry(30, &root.der, MapType::CommonName, None),
            entry(20, &root.der, MapType::SanDnsName, None),
            entry(10, other.der(), MapType::Specified, Some("chosen")),
            entry(5, &root.der, MapType::SanRfc822Name, None),
        ];
        let clients = clients(&[&root.pem], &[], &[], map);
        assert_eq!(identified(&clients, &[one.der()]).unwrap(), "b.example");
        assert_eq!(identified(&clients, &[other.der()]).unwrap(), "chosen");
        let nameless = leaf(&root, "a\u{7}b", vec![]);
        assert_eq!(
            identified(&clients, &[nameless.der()]),
            Err(CertificateError::ApplicationVerificationFailure.into())
        );
    }

    #[test]
    fn an_entry_counts_for_the_authorities_on_the_chain_alone() {
        let (root, stranger) = (authority("root", None), authority("stranger", None));
        let middle = authority("middle", Some(&root));
        let one = leaf(&middle, "ann", vec![]);
        let map = |of: &Authority| vec![entry(1, &of.der, MapType::CommonName, None)];
        let both = [root.pem.as_str(), stranger.pem.as_str()];
        assert_eq!(
            identified(&clients(&both, &[], &[], map(&root)), &[one.der(), &middle.der]).unwrap(),
            "ann"
        );
        let no_name = Err(CertificateError::ApplicationVerificationFailure.into());
        assert_eq!(identified(&clients(&both, &[], &[], map(&stranger)), &[one.der(), &middle.der]), no_name);
        // The client's copy of an authority is no locally held one.
        assert_eq!(identified(&clients(&both, &[], &[], map(&middle)), &[one.der(), &middle.der]), no_name);
        let held = [root.pem.as_str(), middle.pem.as_str()];
        assert_eq!(identified(&clients(&held, &[], &[], map(&middle)), &[one.der()]).unwrap(), "ann");
        let unknown =
            identified(&clients(&[&stranger.pem], &[], &[], map(&stranger)), &[one.der(), &middle.der]);
        assert_eq!(unknown, Err(CertificateError::UnknownIssuer.into()));
    }

    #[test]
    fn a_pinned_certificate_needs_no_authority_but_its_time() {
        let root = authority("root", None);
        let (one, other) = (leaf(&root, "ann", vec![]), leaf(&root, "bob", vec![]));
        let map = vec![entry(1, one.der(), MapType::CommonName, None)];
        let clients = clients(&[], &[&one.pem()], &[], map);
        assert_eq!(identified(&clients, &[one.der()]).unwrap(), "ann");
        assert_eq!(identified(&clients, &[other.der()]), Err(CertificateError::UnknownIssuer.into()));
        assert_eq!(identified(&clients, &[]), Err(rustls::Error::NoCertificatesPresented));
        let then = |time| clients.identify(&[one.der().clone()], at(time));
        assert_eq!(then("2030-01-01T00:00:01Z"), Err(CertificateError::Expired.into()));
        assert_eq!(then("2019-12-31T23:59:59Z"), Err(CertificateError::NotValidYet.into()));
        assert_eq!(then("2029-12-31T23:59:59Z").unwrap().ends, 1_893_456_000);
    }

    #[test]
    fn what_its_authority_revoked_or_has_ended_is_refused() {
        let (root, other) = (authority("root", None), authority("other", None));
        let one = leaf(&root, "ann", vec![]);
        let map = vec![
            entry(1, &root.der, MapType::CommonName, None),
            entry(2, &other.der, MapType::CommonName, None),
        ];
        let list = list(&root, 7, 2026, 2027);
        let all = [root.pem.as_str(), other.pem.as_str()];
        assert_eq!(identified(&clients(&all, &[], &[], map.clone()), &[one.der()]).unwrap(), "ann");
        let clients = clients(&all, &[], &[&list], map);
        assert_eq!(identified(&clients, &[one.der()]), Err(CertificateError::Revoked.into()));
        let theirs = leaf(&other, "bob", vec![]);
        assert_eq!(identified(&clients, &[theirs.der()]).unwrap(), "bob");
        assert!(clients.identify(&[theirs.der().clone()], at("2030-01-02T00:00:00Z")).is_err());
    }

    fn list(issuer: &Authority, serial: u64, begins: i32, ends: i32) -> String {
        list_of(issuer, SerialNumber::from(serial), begins, ends)
    }

    fn list_of(issuer: &Authority, serial_number: SerialNumber, begins: i32, ends: i32) -> String {
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(begins, 1, 1),
            next_update: date_time_ymd(ends, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number,
                revocation_time: date_time_ymd(begins, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&issuer.issuer).unwrap().pem().unwrap()
    }

    #[test]
    fn an_intermediate_authority_can_revoke_and_be_revoked() {
        let root = authority("root", None);
        let middle = authority("middle", Some(&root));
        let one = leaf(&middle, "ann", vec![]);
        let serial = {
            let (_, parsed) = X509Certificate::from_der(&middle.der).unwrap();
            parsed.raw_serial().to_vec()
        };
        let map = vec![entry(1, &root.der, MapType::CommonName, None)];
        let verdict = |lists: &[&str]| {
            identified(&clients(&[&root.pem], &[], lists, map.clone()), &[one.der(), &middle.der])
        };
        assert_eq!(verdict(&[&list(&middle, 9, 2026, 2028), &list(&root, 9, 2026, 2028)]).unwrap(), "ann");
        let revoked = Err(CertificateError::Revoked.into());
        assert_eq!(verdict(&[&list(&middle, 7, 2026, 2028)]), revoked);
        let of_root = list_of(&root, SerialNumber::from_slice(&serial), 2026, 2028);
        assert_eq!(verdict(&[&of_root]), revoked);
    }

    #[test]
    fn a_list_that_has_ended_lets_nobody_in_unless_there_is_a_newer_one() {
        let root = authority("root", None);
        let one = leaf(&root, "ann", vec![]);
        let map = vec![entry(1, &root.der, MapType::CommonName, None)];
        let (old, new) = (list(&root, 9, 2024, 2025), list(&root, 9, 2026, 2028));
        let of = |lists: &[&str]| Arc::new(clients(&[&root.pem], &[], lists, map.clone()));
        assert!(identified(&of(&[&old]), &[one.der()]).is_err());
        assert_eq!(identified(&of(&[&old, &new]), &[one.der()]).unwrap(), "ann");
        assert_eq!((of(&[&old]).lists_ended(now()), of(&[&new]).lists_ended(now())), (1, 0));

        // What was shown is verified again when the list ends, and when the rules change.
        let rules = Arc::new(Rules::new(Some(of(&[&new]))));
        let shown = Shown::new(&[one.der().clone()], &rules, now()).unwrap();
        let late = at("2028-01-01T00:00:01Z");
        assert!(shown.holds(now()) && !shown.holds(late) && shown.holds(now()));
        rules.store(Some(of(&[&list(&root, 7, 2026, 2028)])));
        assert!(!shown.holds(now()));
        rules.store(None);
        assert!(!shown.holds(now()));
        rules.store(Some(of(&[])));
        assert!(shown.holds(now()) && !shown.holds(at("2030-01-01T00:00:00Z")));
    }
}
