//! The section `[tokens]`: whose bearer tokens are taken beside the server's own, and the users that they stand for.
//!
//! It never reads the files that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;

const LEEWAY_MAX_S: u64 = 600;
/// What the server calls itself in its own tokens.
const OURSELVES: &str = "agentconf";

/// The section `[tokens]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tokens {
    /// The issuers of tokens (JWT, RFC 7519) that are taken.
    pub issuers: Vec<Issuer>,
}

/// An issuer. What it says of users counts as far as this allows: it cannot name a user of the server unless `users` does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Issuer {
    /// The claim `iss` of its tokens.
    pub issuer: String,
    /// What their claim `aud` has to hold.
    pub audience: String,
    /// File with its public keys (RFC 7517 section 5), which is read again when it has changed.
    pub jwks: PathBuf,
    /// How its tokens may be signed.
    #[serde(default = "Algorithm::all")]
    pub algorithms: Vec<Algorithm>,
    /// The claim that tells the user.
    #[serde(default = "subject")]
    pub user_claim: String,
    /// The claim that tells the groups of users with the prefix: an array of texts, or one with spaces between them.
    pub groups_claim: Option<String>,
    /// Users of the server, by what the claim calls them. Their groups are those that they have here.
    #[serde(default)]
    pub users: BTreeMap<String, String>,
    /// What begins the names of all other users and of their groups, as in `corp:ann`; it ends with a colon, which no name
    /// of the server's own has. Without it nobody else is let in.
    pub prefix: Option<String>,
    /// Groups of the server, by what the claim calls them.
    #[serde(default)]
    pub groups: BTreeMap<String, String>,
    /// By how many seconds the clocks may differ.
    #[serde(default = "leeway")]
    pub leeway: u64,
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
    fn all() -> Vec<Algorithm> {
        vec![Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256]
    }
}

fn subject() -> String {
    "sub".to_owned()
}

fn leeway() -> u64 {
    60
}

impl Tokens {
    /// The paths that are named here.
    pub(super) fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.issuers.iter_mut().map(|issuer| &mut issuer.jwks)
    }

    /// The first setting that makes no sense: its key in `tokens.issuers`, and what is wrong with it.
    pub(super) fn nonsense(&self) -> Option<(&'static str, String)> {
        let (mut names, mut prefixes) = (BTreeSet::from([OURSELVES]), BTreeSet::new());
        self.issuers.iter().find_map(|issuer| {
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
