//! The section `[tokens]`: whose bearer tokens are taken beside the server's own, and the users that they stand for.
//!
//! It never reads the files that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

use super::Network;
use crate::access::Scope;

const LEEWAY_MAX_S: u64 = 600;
const CACHE_MAX_S: u64 = 3600;
/// What the server calls itself in its own tokens.
const OURSELVES: &str = "agentconf";

/// The section `[tokens]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tokens {
    /// The issuers of tokens that are taken.
    pub issuers: Vec<Issuer>,
    /// PEM files with the authorities that issuers have certificates of, where they are asked. Without any those that the
    /// machine trusts.
    pub authorities: Vec<PathBuf>,
    /// Addresses and networks beside the public ones where issuers may be asked.
    pub addresses: Vec<Network>,
}

/// An issuer. What it says of users counts as far as this allows: it cannot name a user of the server unless `users` does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Issuer {
    /// The claim `iss` of its tokens.
    pub issuer: String,
    /// What their claim `aud` has to hold.
    pub audience: String,
    /// What its tokens are checked with.
    pub check: Check,
    /// How its tokens may be signed, if that is what proves them.
    pub algorithms: Vec<Algorithm>,
    /// The claim that tells the user.
    pub user_claim: String,
    /// The claim that tells the groups of users with the prefix: an array of texts, or one with spaces between them.
    pub groups_claim: Option<String>,
    /// Users of the server, by what the claim calls them. Their groups are those that they have here.
    pub users: BTreeMap<String, String>,
    /// What begins the names of all other users and of their groups, as in `corp:ann`; it ends with a colon, which no name
    /// of the server's own has. Without it nobody else is let in.
    pub prefix: Option<String>,
    /// Groups of the server, by what the claim calls them.
    pub groups: BTreeMap<String, String>,
    /// What its scopes (RFC 6749 section 3.3) are good for here; the widest of a token counts, and a token with none of them is
    /// refused. Empty: whatever its scopes, a token is good for all that its user may do.
    pub scopes: BTreeMap<String, Scope>,
    /// By how many seconds the clocks may differ.
    pub leeway: u64,
}

/// How it is known that a token is one of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// By a signature (RFC 7519), with the public keys (RFC 7517 section 5) in a file, which is read again when it has changed.
    File(PathBuf),
    /// By a signature, with the keys that are at this `https` URL.
    Https(String),
    /// By a signature, with the keys in this text.
    Text(String),
    /// By asking the issuer (RFC 7662). Its tokens may be of any form.
    Introspection(Introspection),
}

/// How an issuer is asked about a token (RFC 7662).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Introspection {
    /// The `https` URL to ask at.
    pub endpoint: String,
    /// What the server is called there (`client_secret_basic`).
    pub client_id: String,
    /// What proves that.
    #[serde(rename = "client-secret-file")]
    pub client_secret: ClientSecret,
    /// For how many seconds at most an answer counts before the issuer is asked again.
    #[serde(default = "cache", rename = "cache_s")]
    pub cache_s: u64,
}

/// Where the secret for an issuer is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "PathBuf")]
pub enum ClientSecret {
    /// The first line of a file, read again when it has changed.
    File(PathBuf),
    /// Here.
    Text(Secret),
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text, for the place where it is sent.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl From<PathBuf> for ClientSecret {
    fn from(file: PathBuf) -> ClientSecret {
        ClientSecret::File(file)
    }
}

/// An issuer as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    issuer: String,
    audience: String,
    jwks: Option<PathBuf>,
    jwks_uri: Option<String>,
    introspection: Option<Introspection>,
    #[serde(default = "Algorithm::all")]
    algorithms: Vec<Algorithm>,
    #[serde(default = "subject")]
    user_claim: String,
    groups_claim: Option<String>,
    #[serde(default)]
    users: BTreeMap<String, String>,
    prefix: Option<String>,
    #[serde(default)]
    groups: BTreeMap<String, String>,
    #[serde(default)]
    scopes: BTreeMap<String, Scope>,
    #[serde(default = "leeway")]
    leeway: u64,
}

impl TryFrom<Written> for Issuer {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Issuer, &'static str> {
        let Written { issuer, audience, algorithms, user_claim, groups_claim, .. } = written;
        let Written { users, prefix, groups, scopes, leeway, .. } = written;
        let check = match (written.jwks, written.jwks_uri, written.introspection) {
            (Some(file), None, None) => Check::File(file),
            (None, Some(url), None) => Check::Https(url),
            (None, None, Some(introspection)) => Check::Introspection(introspection),
            _ => return Err("an issuer has one of jwks, jwks-uri and introspection"),
        };
        Ok(Issuer {
            issuer,
            audience,
            check,
            algorithms,
            user_claim,
            groups_claim,
            users,
            prefix,
            groups,
            scopes,
            leeway,
        })
    }
}

/// How a token may be signed (RFC 7518 section 3.1, RFC 8037): with public keys alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[allow(missing_docs)] // they are what they are called
pub enum Algorithm {
    EdDSA,
    ES256,
    RS256,
}

impl Algorithm {
    /// All of them.
    pub fn all() -> Vec<Algorithm> {
        vec![Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256]
    }
}

fn subject() -> String {
    "sub".to_owned()
}

fn leeway() -> u64 {
    60
}

fn cache() -> u64 {
    60
}

impl Tokens {
    /// The paths that are named here.
    pub(super) fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let of_issuers = self.issuers.iter_mut().filter_map(|issuer| match &mut issuer.check {
            Check::File(file) => Some(file),
            Check::Introspection(Introspection { client_secret: ClientSecret::File(file), .. }) => Some(file),
            _ => None,
        });
        of_issuers.chain(&mut self.authorities)
    }
}

impl Issuer {
    /// The first setting that makes no sense in a list of issuers: its key, and what is wrong with it.
    pub fn nonsense(issuers: &[Issuer]) -> Option<(&'static str, String)> {
        let (mut names, mut prefixes) = (BTreeSet::from([OURSELVES]), BTreeSet::new());
        let mut asked = None;
        issuers.iter().find_map(|issuer| {
            let of = |reason: &str| format!("of {:?} {reason}", issuer.issuer);
            if !names.insert(&issuer.issuer) {
                return Some(("issuer", format!("{:?} is there twice, or the server itself", issuer.issuer)));
            }
            let empty = [("issuer", &issuer.issuer), ("audience", &issuer.audience)];
            if let Some((key, _)) = empty.into_iter().find(|(_, value)| value.is_empty()) {
                return Some((key, of("is empty")));
            }
            if issuer.algorithms.is_empty() {
                return Some(("algorithms", of("is empty")));
            }
            if issuer.leeway > LEEWAY_MAX_S {
                return Some(("leeway", of(&format!("is longer than {LEEWAY_MAX_S} seconds"))));
            }
            let is_https =
                |url: &str| url.strip_prefix("https://").is_some_and(|rest| !rest.starts_with('/'));
            match &issuer.check {
                Check::Https(url) if !is_https(url) => return Some(("jwks-uri", of("is no https URL"))),
                Check::Introspection(introspection) => {
                    if !is_https(&introspection.endpoint) {
                        return Some(("introspection.endpoint", of("is no https URL")));
                    }
                    if !(1..=CACHE_MAX_S).contains(&introspection.cache_s) {
                        let reason = format!("is not 1 to {CACHE_MAX_S} seconds");
                        return Some(("introspection.cache_s", of(&reason)));
                    }
                    if asked.replace(&issuer.issuer).is_some() {
                        let reason = "is there for another issuer too, and a token does not say whom to ask";
                        return Some(("introspection", of(reason)));
                    }
                }
                _ => {}
            }
            match &issuer.prefix {
                None if issuer.users.is_empty() => {
                    Some(("prefix", of("is missing, and so are users: nobody would be let in")))
                }
                Some(prefix) if !prefix.strip_suffix(':').is_some_and(is_plain) => {
                    Some(("prefix", of("is not letters, digits and . _ - with a colon at the end")))
                }
                Some(prefix) if !prefixes.insert(prefix) => Some(("prefix", of("is that of another issuer"))),
                _ => None,
            }
        })
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}
