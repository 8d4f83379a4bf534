//! The checks of what others say of who they are, and of what is kept of that: certificates, keys, the answers of issuers,
//! records of the logs. None of them proves anything.

use std::sync::LazyLock;

use agentconf::access::Origin;
use agentconf::access::settings::{self, ssh_key_kind};
use agentconf::audit::Item;
use agentconf::config::Issuer;
use agentconf::log::{NO_HASH, NewRecord, Record};
use agentconf::server::claims::Claims;
use agentconf::server::jwks::Keys;

/// An issuer whose tokens can name users of its own and one of the server's.
static ISSUER: LazyLock<Issuer> = LazyLock::new(|| {
    let written = serde_json::json!({"issuer": "https://login.example.net", "audience": "agents", "jwks": "x", "prefix": "corp:",
        "groups-claim": "groups", "users": {"00u1": "ann"}, "groups": {"Admins": "admin"}, "scopes": {"agents.read": "read"}});
    serde_json::from_value(written).expect("it is an issuer")
});

/// The DER of a certificate, or of a CMS structure with certificates (RFC 5652 section 5).
pub fn certificates(octets: &[u8]) {
    let Some(found) = settings::certificates(octets) else { return };
    assert!(!found.is_empty(), "no certificates are none");
    for one in found {
        assert!(octets.windows(one.len()).any(|part| part == one), "a certificate that is not there");
        assert_eq!(settings::certificates(&one), Some(vec![one.clone()]), "alone it is another one");
    }
}

/// The blob of a public key of SSH (RFC 4253 section 6.6).
pub fn ssh_key(octets: &[u8]) {
    let Some(kind) = ssh_key_kind(octets) else { return };
    assert!(!kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_graphic()), "{kind:?} is no name");
    assert_eq!(octets.get(4..4 + kind.len()), Some(kind.as_bytes()));
    assert!(octets.len() > 4 + kind.len(), "there is a kind alone");
}

/// The public keys of an issuer (RFC 7517).
pub fn keys(octets: &[u8]) {
    if let Err(error) = Keys::parse("an issuer", octets) {
        assert!(!error.to_string().is_empty());
    }
}

/// What an issuer says of a token, in it (RFC 7519) or when it is asked (RFC 7662).
pub fn claims(octets: &[u8]) {
    let Ok(claims) = serde_json::from_slice::<Claims>(octets) else { return };
    let _ = ISSUER.is_for_us(&claims);
    let Some(told) = ISSUER.told(&claims) else { return };
    match &told.groups {
        None => assert_eq!(told.name, "ann", "it names another user of the server"),
        Some(groups) => {
            assert!(told.name.len() > 5 && told.name.starts_with("corp:"), "{} is no user of it", told.name);
            let is_its = |group: &String| group == "admin" || group.starts_with("corp:");
            assert!(groups.iter().all(is_its), "{groups:?} are no groups of it");
        }
    }
}

/// A record of the event log or the audit trail, in either form. What is in a log was written by the server, but a file can be
/// damaged or altered.
pub fn record(octets: &[u8]) {
    let Ok(record) = Record::decode(octets) else { return };
    assert_eq!(record.encode().as_deref(), Ok(octets), "it is written otherwise");
    if let Ok(origin) = record.origin.parse::<Origin>() {
        assert_eq!(origin.to_string().parse(), Ok(origin), "it comes from elsewhere");
    }
    let Ok(Item::Entry(entry)) = Item::of(&record) else { return };
    let Record { at, kind, version, actor, origin, payload, .. } = record;
    let again = NewRecord { at, kind, version, actor, origin, payload };
    let again = Record::seal(&again, 1, true, &NO_HASH).map(|record| Item::of(&record));
    assert_eq!(again, Ok(Ok(Item::Entry(entry))), "it says something else elsewhere");
}
