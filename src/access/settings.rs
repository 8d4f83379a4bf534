//! Who gets in, as it is configured: users, API keys, issuers of tokens, certificates (`magent-access`, RFC 9641, RFC 9642).
//!
//! It is read once after each change and checks no credential; `server` does, with what stands here. It never holds a
//! secret: what stands for one refers to it.

mod private_keys;
mod x509;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::Scope;
use crate::clock::Timestamp;
use crate::ids::hexadecimal;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_access::{
    self as model, CertToName, Introspection, Limits, TokenIssuer, nodes,
};
use crate::yang::generated::{ietf_keystore as keystore, ietf_truststore as truststore};
use crate::yang::model::Modelled;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::Node;
use crate::yang::tree::{Container, Key};

pub use private_keys::PrivateKeys;
pub use x509::{certificates, public_key};

/// What every API key begins with, so that people and scanners of secrets know one when they see it.
pub const API_KEY_PREFIX: &str = "agentconf_";

/// What is configured at `/magent-access:access`, with what it refers to in the keystore and the truststore.
#[derive(Debug, Default, PartialEq)]
pub struct Settings {
    /// The users by name.
    pub users: BTreeMap<String, Arc<User>>,
    /// The API keys by identifier.
    pub api_keys: BTreeMap<String, Arc<ApiKey>>,
    /// The issuers of tokens; what a client secret is, is a [`Reference`] there.
    pub issuers: Vec<TokenIssuer>,
    /// Which certificates of clients are taken.
    pub clients: Clients,
    /// How much users and sources may ask for.
    pub limits: Limits,
    /// The certificate of the server and those that lead to its authority, as DER.
    pub certificate: Option<Vec<Vec<u8>>>,
    /// The private keys of the keystore.
    pub private_keys: PrivateKeys,
}

/// One user.
#[derive(Debug, PartialEq)]
pub struct User {
    /// Whether the user gets in.
    pub enabled: bool,
    /// The groups.
    pub groups: BTreeSet<String>,
    /// Where the hash of the password is kept.
    pub password: Option<Reference>,
    /// Keys for SSH, as they stand after their kind in a file `authorized_keys` but for base64 (RFC 4253 section 6.6).
    pub public_keys: Vec<Vec<u8>>,
    /// Since when there is a user of this name who gets in.
    pub created: Timestamp,
}

/// One API key.
#[derive(Debug, PartialEq)]
pub struct ApiKey {
    /// The user that it stands for.
    pub user: String,
    /// What it is good for.
    pub scope: Scope,
    /// The only agent that it may speak for.
    pub agent: Option<String>,
    /// Where the hash of the secret is kept.
    pub secret: Reference,
    /// When it ends.
    pub ends: Timestamp,
}

/// Which certificates of clients are taken, as DER, and for whom.
#[derive(Debug, Default, PartialEq)]
pub struct Clients {
    /// Of authorities: what they issued is taken.
    pub authorities: Vec<Vec<u8>>,
    /// Of clients.
    pub pinned: Vec<Vec<u8>>,
    /// Lists of those that were revoked.
    pub revocation_lists: Vec<Vec<u8>>,
    /// The users that they stand for.
    pub map: Vec<CertToName>,
}

/// What stands in a datastore for a secret that is kept elsewhere: `$kept$` and an identifier, which tells what the secret was
/// given for. Otherwise who may write one setting could have the secret of another one taken for it, or sent to a server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference(String);

impl Reference {
    const PREFIX: &str = "$kept$";
    /// Digits of the digest of the purpose.
    const DIGITS: usize = 32;

    /// A new one for a secret with this purpose: the place that it stands in or, if it is sent to somebody, that URL. `unique`
    /// tells it apart from others.
    pub fn new(purpose: &str, unique: &str) -> Reference {
        Reference(format!("{}{}-{unique}", Self::PREFIX, Self::digest(purpose)))
    }

    /// The one with that identifier, if it can be one.
    pub fn with_id(id: &str) -> Option<Reference> {
        Reference::read(&format!("{}{id}", Self::PREFIX))
    }

    /// What a leaf of the type `secret` says, if it is no secret itself.
    pub fn read(text: &str) -> Option<Reference> {
        let (digest, unique) = text.strip_prefix(Self::PREFIX)?.split_once('-')?;
        let is_plain = !unique.is_empty() && unique.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let is_digest = digest.len() == Self::DIGITS && digest.chars().all(|c| c.is_ascii_hexdigit());
        (is_digest && is_plain).then(|| Reference(text.to_owned()))
    }

    /// The identifier.
    pub fn id(&self) -> &str {
        self.0.strip_prefix(Self::PREFIX).unwrap_or_default()
    }

    /// Whether it was made for this purpose.
    pub fn is_for(&self, purpose: &str) -> bool {
        self.id().split('-').next() == Some(&Self::digest(purpose))
    }

    fn digest(purpose: &str) -> String {
        let digest = Sha256::digest(purpose.as_bytes());
        hexadecimal(digest.get(..Self::DIGITS / 2).unwrap_or_default())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The containers that settings are read from.
const ROOTS: [&Node; 3] = [&nodes::ACCESS, &keystore::nodes::KEYSTORE, &truststore::nodes::TRUSTSTORE];

impl Settings {
    /// Reads what is configured now; `before` is what was, and `at` the time of the change.
    ///
    /// # Errors
    /// `invalid-value` for what its type permits and nobody could use, with its place.
    pub fn read(config: &Container, before: &Settings, at: Timestamp) -> Result<Settings, Error> {
        let private_keys = PrivateKeys::of([config]);
        let mut settings = Settings { private_keys, ..Settings::default() };
        let Some(access) = config.container(&nodes::ACCESS) else { return Ok(settings) };
        let of = |node| access.container(node);
        for entry in entries(of(&nodes::ACCESS_USERS), &nodes::ACCESS_USERS_USER) {
            let user: model::User = read(&entry)?;
            let known = before.users.get(&user.name).filter(|user| user.enabled);
            let since = known.map_or(at, |user| user.created);
            settings.users.insert(user.name.clone(), Arc::new(user_of(user, since)?));
        }
        for entry in entries(of(&nodes::ACCESS_API_KEYS), &nodes::ACCESS_API_KEYS_API_KEY) {
            let key: model::ApiKey = read(&entry)?;
            settings.api_keys.insert(key.id.clone(), Arc::new(api_key_of(key)?));
        }
        let issuers = &nodes::ACCESS_TOKEN_ISSUERS_TOKEN_ISSUER;
        for entry in entries(of(&nodes::ACCESS_TOKEN_ISSUERS), issuers) {
            let issuer: TokenIssuer = read(&entry)?;
            check_issuer(&issuer)?;
            settings.issuers.push(issuer);
        }
        if let Some(clients) = of(&nodes::ACCESS_CLIENT_CERTIFICATES) {
            settings.clients = clients_of(read(clients)?, config)?;
        }
        if let Some(limits) = of(&nodes::ACCESS_LIMITS) {
            settings.limits = read(limits)?;
        }
        if let Some(chosen) = of(&nodes::ACCESS_SERVER_CERTIFICATE) {
            settings.certificate = certificate_of(&read(chosen)?, config)?;
        }
        Ok(settings)
    }

    /// With users that there have been since these times.
    pub fn since(mut self, created: impl IntoIterator<Item = (String, Timestamp)>) -> Settings {
        for (name, created) in created {
            // They were read just now, so nobody else has them.
            if let Some(user) = self.users.get_mut(&name).and_then(Arc::get_mut) {
                user.created = created;
            }
        }
        self
    }

    /// Whether what is configured is another than before: both are the roots of a configuration.
    pub fn are_changed(before: &Container, after: &Container) -> bool {
        ROOTS.iter().any(|root| match (before.container(root), after.container(root)) {
            (None, None) => false,
            (Some(before), Some(after)) => !Arc::ptr_eq(before, after),
            _ => true,
        })
    }

    /// Where a user stands.
    pub fn place_of_user(name: &str) -> InstancePath {
        path_of(&nodes::ACCESS_USERS_USER, name)
    }

    /// What is referred to here, and where.
    pub fn references(&self) -> impl Iterator<Item = (Reference, InstancePath)> + '_ {
        let of_users = self.users.iter().filter_map(|(name, user)| {
            let place = at(&nodes::ACCESS_USERS_USER, name, &nodes::ACCESS_USERS_USER_PASSWORD);
            Some((user.password.clone()?, place))
        });
        let of_keys = self.api_keys.iter().map(|(id, key)| {
            let place = at(&nodes::ACCESS_API_KEYS_API_KEY, id, &nodes::ACCESS_API_KEYS_API_KEY_SECRET);
            (key.secret.clone(), place)
        });
        let of_issuers = self.issuers.iter().filter_map(|issuer| {
            let secret = &issuer.introspection.as_ref()?.client_secret;
            Some((Reference::read(secret)?, client_secret(issuer)))
        });
        of_users.chain(of_keys).chain(of_issuers)
    }
}

fn user_of(user: model::User, created: Timestamp) -> Result<User, Error> {
    let place = |node| at(&nodes::ACCESS_USERS_USER, &user.name, node);
    let password =
        user.password.as_deref().map(|text| reference(text, place(&nodes::ACCESS_USERS_USER_PASSWORD), None));
    for key in &user.public_key {
        if ssh_key_kind(&key.public_key).is_none() {
            let key = Step {
                node: &nodes::ACCESS_USERS_USER_PUBLIC_KEY,
                selector: Selector::Key(Key::string(&key.name)),
            };
            let leaf = Step::plain(&nodes::ACCESS_USERS_USER_PUBLIC_KEY_PUBLIC_KEY);
            let path = path_of(&nodes::ACCESS_USERS_USER, &user.name).child(key).child(leaf);
            return Err(invalid(
                path,
                "this is no public key of SSH: what stands in the second column of a file .pub is one",
            ));
        }
    }
    Ok(User {
        enabled: user.enabled != Some(false),
        groups: user.group.into_iter().collect(),
        password: password.transpose()?,
        public_keys: user.public_key.into_iter().map(|key| key.public_key).collect(),
        created,
    })
}

/// The kind of a public key, which is how it begins (RFC 4253 section 6.6).
pub fn ssh_key_kind(key: &[u8]) -> Option<&str> {
    let (length, rest) = key.split_first_chunk::<4>()?;
    let kind = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let is_kind = |kind: &&str| !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_graphic());
    std::str::from_utf8(kind).ok().filter(is_kind).filter(|kind| kind.len() + 4 < key.len())
}

fn api_key_of(key: model::ApiKey) -> Result<ApiKey, Error> {
    let place = |node| at(&nodes::ACCESS_API_KEYS_API_KEY, &key.id, node);
    let ends = key.expires_at.parse().map_err(|_| {
        invalid(
            place(&nodes::ACCESS_API_KEYS_API_KEY_EXPIRES_AT),
            "this time is beyond those that can be counted",
        )
    });
    Ok(ApiKey {
        scope: key.scope.map_or(Scope::Full, scope),
        secret: reference(&key.secret, place(&nodes::ACCESS_API_KEYS_API_KEY_SECRET), None)?,
        user: key.user,
        agent: key.agent,
        ends: ends?,
    })
}

/// What a credential is good for.
pub fn scope(scope: model::Scope) -> Scope {
    match scope {
        model::Scope::Read => Scope::Read,
        model::Scope::Full => Scope::Full,
    }
}

fn check_issuer(issuer: &TokenIssuer) -> Result<(), Error> {
    let asked = issuer.introspection.as_ref();
    let kept = |asked: &Introspection| {
        reference(&asked.client_secret, client_secret(issuer), Some(&asked.endpoint)).map(drop)
    };
    asked.map_or(Ok(()), kept)
}

/// Where the secret for an issuer stands.
fn client_secret(issuer: &TokenIssuer) -> InstancePath {
    use nodes::{
        ACCESS_TOKEN_ISSUERS_TOKEN_ISSUER as ISSUER,
        ACCESS_TOKEN_ISSUERS_TOKEN_ISSUER_KEYS_INTROSPECTION_INTROSPECTION as ASKED,
        ACCESS_TOKEN_ISSUERS_TOKEN_ISSUER_KEYS_INTROSPECTION_INTROSPECTION_CLIENT_SECRET as SECRET,
    };
    path_of(&ISSUER, &issuer.issuer).child(Step::plain(&ASKED)).child(Step::plain(&SECRET))
}

fn clients_of(clients: model::ClientCertificates, config: &Container) -> Result<Clients, Error> {
    let in_bags = |bags: &[String]| -> Result<Vec<Vec<u8>>, Error> {
        let found = bags.iter().map(|bag| in_bag(config, bag));
        Ok(found.collect::<Result<Vec<_>, _>>()?.concat())
    };
    for list in &clients.revocation_list {
        if !x509::is_revocation_list(&list.crl_data) {
            let list = path_of(&nodes::ACCESS_CLIENT_CERTIFICATES_REVOCATION_LIST, &list.name)
                .child(Step::plain(&nodes::ACCESS_CLIENT_CERTIFICATES_REVOCATION_LIST_CRL_DATA));
            return Err(invalid(list, "this is no list of revoked certificates (RFC 5280 section 5) in DER"));
        }
    }
    Ok(Clients {
        authorities: in_bags(&clients.authorities)?,
        pinned: in_bags(&clients.pinned)?,
        revocation_lists: clients.revocation_list.into_iter().map(|list| list.crl_data).collect(),
        map: clients.cert_to_name,
    })
}

/// The certificates in a bag of the truststore.
fn in_bag(config: &Container, bag: &str) -> Result<Vec<Vec<u8>>, Error> {
    use truststore::nodes::{
        TRUSTSTORE, TRUSTSTORE_CERTIFICATE_BAGS, TRUSTSTORE_CERTIFICATE_BAGS_CERTIFICATE_BAG as BAG,
        TRUSTSTORE_CERTIFICATE_BAGS_CERTIFICATE_BAG_CERTIFICATE as CERTIFICATE,
        TRUSTSTORE_CERTIFICATE_BAGS_CERTIFICATE_BAG_CERTIFICATE_CERT_DATA as DATA,
    };
    let bags = config.container(&TRUSTSTORE).and_then(|store| store.container(&TRUSTSTORE_CERTIFICATE_BAGS));
    let found = bags.and_then(|bags| bags.list(&BAG)).and_then(|bags| bags.get(&BAG, &Key::string(bag)));
    let mut all = Vec::new();
    for entry in entries(found.as_ref(), &CERTIFICATE) {
        let certificate: truststore::Certificate = read(&entry)?;
        let step = Step { node: &CERTIFICATE, selector: Selector::Key(Key::string(&certificate.name)) };
        let path = || path_of(&BAG, bag).child(step.clone()).child(Step::plain(&DATA));
        all.extend(certificates(&certificate.cert_data).ok_or_else(|| invalid(path(), NO_CERTIFICATE))?);
    }
    Ok(all)
}

const NO_CERTIFICATE: &str = "this is neither a CMS structure with nothing but certificates (RFC 5652) nor an X.509 certificate, in DER";

/// The chain of the certificate that was chosen in the keystore.
fn certificate_of(
    chosen: &model::ServerCertificate,
    config: &Container,
) -> Result<Option<Vec<Vec<u8>>>, Error> {
    use keystore::nodes::{
        KEYSTORE, KEYSTORE_ASYMMETRIC_KEYS, KEYSTORE_ASYMMETRIC_KEYS_ASYMMETRIC_KEY as KEY,
        KEYSTORE_ASYMMETRIC_KEYS_ASYMMETRIC_KEY_CERTIFICATES as CERTIFICATES,
        KEYSTORE_ASYMMETRIC_KEYS_ASYMMETRIC_KEY_CERTIFICATES_CERTIFICATE as CERTIFICATE,
        KEYSTORE_ASYMMETRIC_KEYS_ASYMMETRIC_KEY_CERTIFICATES_CERTIFICATE_CERT_DATA as DATA,
    };
    let (key, name) = match (&chosen.asymmetric_key, &chosen.certificate) {
        (None, None) => return Ok(None),
        (Some(key), Some(name)) => (key, name),
        _ => {
            let whole = path_to(&nodes::ACCESS_SERVER_CERTIFICATE);
            return Err(invalid(whole, "a certificate is chosen by its key and its name together"));
        }
    };
    let keys = config.container(&KEYSTORE).and_then(|store| store.container(&KEYSTORE_ASYMMETRIC_KEYS));
    let found = keys.and_then(|keys| keys.list(&KEY)).and_then(|keys| keys.get(&KEY, &Key::string(key)));
    let certificate = found
        .as_ref()
        .and_then(|key| key.container(&CERTIFICATES))
        .and_then(|all| all.list(&CERTIFICATE))
        .and_then(|all| all.get(&CERTIFICATE, &Key::string(name)));
    // A leafref that is required leads to it.
    let Some(certificate) = certificate else { return Ok(None) };
    let chain = certificates(&read::<keystore::Certificate>(&certificate)?.cert_data).and_then(x509::chained);
    let unusable = || {
        let step = Step { node: &CERTIFICATE, selector: Selector::Key(Key::string(name)) };
        let place =
            path_of(&KEY, key).child(Step::plain(&CERTIFICATES)).child(step).child(Step::plain(&DATA));
        invalid(place, NO_CERTIFICATE)
    };
    Ok(Some(chain.ok_or_else(unusable)?))
}

fn entries(parent: Option<&Arc<Container>>, list: &'static Node) -> Vec<Arc<Container>> {
    parent.and_then(|parent| parent.list(list)).map(|list| list.iter().collect()).unwrap_or_default()
}

fn read<T: Modelled>(data: &Container) -> Result<T, Error> {
    T::from_data(data).map_err(|error| Error::application(Tag::InvalidValue, error.to_string()))
}

/// What refers to a secret that was given for this place or, if it is sent there, for this URL.
fn reference(text: &str, place: InstancePath, url: Option<&str>) -> Result<Reference, Error> {
    // What it is instead may be the secret, so it is not repeated.
    let Some(reference) = Reference::read(text) else {
        return Err(invalid(place, "this secret was not put where secrets are kept"));
    };
    let is_for = url.map_or_else(|| reference.is_for(&place.to_string()), |url| reference.is_for(url));
    if is_for {
        Ok(reference)
    } else {
        Err(invalid(place, "this refers to a secret that was given for something else"))
    }
}

fn invalid(place: InstancePath, message: &str) -> Error {
    Error::application(Tag::InvalidValue, message).at(place)
}

/// A leaf of an entry.
fn at(list: &'static Node, key: &str, leaf: &'static Node) -> InstancePath {
    path_of(list, key).child(Step::plain(leaf))
}

/// An entry of a list with one key, that is in no other list.
fn path_of(list: &'static Node, key: &str) -> InstancePath {
    let mut path = path_to(list);
    if let Some(last) = path.steps.last_mut() {
        last.selector = Selector::Key(Key::string(key));
    }
    path
}

fn path_to(node: &'static Node) -> InstancePath {
    let ancestors = std::iter::successors(Some(node), |node| node.parent);
    let mut steps: Vec<Step> =
        ancestors.filter(|node| crate::yang::path::is_data(node)).map(Step::plain).collect();
    steps.reverse();
    InstancePath { steps }
}
