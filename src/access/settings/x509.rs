//! Certificates as the keystore and the truststore hold them: the DER of a CMS structure with nothing but certificates
//! (RFC 9640's types `trust-anchor-cert-cms` and `end-entity-cert-cms`, RFC 5652 section 5), or of one certificate.
//!
//! It never checks a signature.

use x509_parser::asn1_rs::{Any, Class, FromDer, Tag};
use x509_parser::certificate::X509Certificate;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::x509::SubjectPublicKeyInfo;

/// The certificates in it, each as DER; `None` if it is neither.
pub fn certificates(data: &[u8]) -> Option<Vec<Vec<u8>>> {
    if is_certificate(data) {
        return Some(vec![data.to_vec()]);
    }
    let all: Vec<Vec<u8>> = in_cms(data)?.into_iter().map(<[u8]>::to_vec).collect();
    (!all.is_empty() && all.iter().all(|one| is_certificate(one))).then_some(all)
}

/// The certificates in the order in which TLS shows them: that which issued no other first, and each followed by that of its
/// issuer. A CMS structure has them in no order. `None` if they are no chain.
pub fn chained(mut all: Vec<Vec<u8>>) -> Option<Vec<Vec<u8>>> {
    let names = |der: &Vec<u8>| {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        Some((parsed.subject().as_raw().to_vec(), parsed.issuer().as_raw().to_vec()))
    };
    let issued = |der: &Vec<u8>, other: &Vec<u8>| {
        let (subject, issuer) = (names(der).map(|it| it.0), names(other).map(|it| it.1));
        der != other && subject == issuer
    };
    let first = all.iter().position(|one| !all.iter().any(|other| issued(one, other)))?;
    let mut chain = vec![all.swap_remove(first)];
    while let Some(next) = all.iter().position(|one| chain.last().is_some_and(|last| issued(one, last))) {
        chain.push(all.swap_remove(next));
    }
    all.is_empty().then_some(chain)
}

/// The public key of a certificate (SubjectPublicKeyInfo), as DER.
pub fn public_key(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(parsed.public_key().raw.to_vec())
}

/// Whether it is a public key as certificates have it.
pub fn is_public_key(data: &[u8]) -> bool {
    SubjectPublicKeyInfo::from_der(data).is_ok_and(|(rest, _)| rest.is_empty())
}

/// Whether it is a list of revoked certificates.
pub fn is_revocation_list(data: &[u8]) -> bool {
    CertificateRevocationList::from_der(data).is_ok_and(|(rest, _)| rest.is_empty())
}

fn is_certificate(data: &[u8]) -> bool {
    X509Certificate::from_der(data).is_ok_and(|(rest, _)| rest.is_empty())
}

/// The certificates of SignedData: the first element with the tag 0 in it.
fn in_cms(data: &[u8]) -> Option<Vec<&[u8]>> {
    let (rest, outer) = Any::from_der(data).ok()?;
    let (explicit, kind) = Any::from_der(of(&outer, Class::Universal, 16)?).ok()?;
    // 1.2.840.113549.1.7.2
    let is_signed_data = kind.tag() == Tag::Oid
        && kind.data == [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02]
        && rest.is_empty();
    let (_, explicit) = Any::from_der(explicit).ok()?;
    let (_, signed) = Any::from_der(of(&explicit, Class::ContextSpecific, 0)?).ok()?;
    let parts = elements(of(&signed, Class::Universal, 16).filter(|_| is_signed_data)?)?;
    let sets = parts.into_iter().filter_map(|(_, part)| of(&part, Class::ContextSpecific, 0));
    let certificates = elements(sets.take(1).next()?)?;
    Some(certificates.into_iter().map(|(der, _)| der).collect())
}

/// The content, if it is of that kind.
fn of<'a>(any: &Any<'a>, class: Class, tag: u32) -> Option<&'a [u8]> {
    (any.class() == class && any.tag().0 == tag).then_some(any.data)
}

/// The elements that follow each other, each with its whole encoding.
fn elements(mut input: &[u8]) -> Option<Vec<(&[u8], Any<'_>)>> {
    let mut all = Vec::new();
    while !input.is_empty() {
        let (rest, element) = Any::from_der(input).ok()?;
        all.push((input.get(..input.len() - rest.len())?, element));
        input = rest;
    }
    Some(all)
}
