//! What an issuer says of the bearer of a token, and what the configuration makes of it.
//!
//! It never asks whether the issuer has said it: that is proved before.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::access::Scope;
use crate::clock::Timestamp;
use crate::config;

/// Longest name of a user or group.
const NAME_BYTES_MAX: usize = 128;

/// Claims of which no two have the same name (RFC 7519 section 4): of two, another reader could believe the other one.
#[derive(Debug)]
pub struct Claims(pub Map<String, Value>);

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Claims, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Map<String, Value>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut claims = Map::new();
                while let Some((name, value)) = members.next_entry::<String, Value>()? {
                    if claims.insert(name, value).is_some() {
                        return Err(A::Error::custom("a claim is there twice"));
                    }
                }
                Ok(claims)
            }
        }
        deserializer.deserialize_map(Members).map(Claims)
    }
}

/// Whom a token stands for, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The name of the user.
    pub name: String,
    /// The groups, for a user that only the issuer knows; `None` if the configuration says that it is one of the server's.
    pub groups: Option<BTreeSet<String>>,
    /// How much of what the user may do the token is good for; `None` if its scopes are for nothing here.
    pub scope: Option<Scope>,
    /// When the token begins, leeway included, in seconds since the epoch.
    pub begins: i64,
    /// When it ends.
    pub ends: i64,
    /// When it was issued, if it says so.
    pub issued: Option<i64>,
}

impl config::Issuer {
    /// What the configuration makes of claims that are proved; `None` if they are for nobody.
    pub fn told(&self, Claims(claims): &Claims) -> Option<Told> {
        // Bound to a key (RFC 7800): who has the token alone has not what it takes.
        if claims.contains_key("cnf") {
            return None;
        }
        let leeway = i64::try_from(self.leeway).ok()?;
        let time = |claim: &str| claims.get(claim).map(|value| seconds(value).ok_or(())).transpose().ok();
        let ends = time("exp")?.map_or(i64::MAX, |end| end.saturating_add(leeway));
        let issued = time("iat")?;
        let begins = time("nbf")?.map_or(i64::MIN, |begin| begin.saturating_sub(leeway));
        let scope = self.scope(claims.get("scope"))?;
        let user = claims.get(&self.user_claim)?.as_str()?;
        if let Some(own) = self.users.get(user) {
            return Some(Told { name: own.clone(), groups: None, scope, begins, ends, issued });
        }
        let prefix = self.prefix.as_deref()?;
        let name = format!("{prefix}{user}");
        // After a `#` records have the session.
        let is_name = |c: char| c.is_ascii_graphic() && !"\"'`\\<>&#".contains(c);
        if user.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(is_name) {
            return None;
        }
        let told = self.groups_claim.as_ref().and_then(|claim| claims.get(claim));
        let groups = told.map_or_else(|| Some(BTreeSet::new()), |told| self.groups(prefix, told))?;
        Some(Told { name, groups: Some(groups), scope, begins, ends, issued })
    }

    /// Whether the answer of the issuer about a token (RFC 7662 section 2.2) is about one of its tokens for us, that is no more
    /// than its text (RFC 6750).
    pub fn is_for_us(&self, Claims(claims): &Claims) -> bool {
        let is = |value: &Value, text: &str| value.as_str() == Some(text);
        let audience = match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().any(|one| is(one, &self.audience)),
            Some(one) => is(one, &self.audience),
            None => false,
        };
        let is_bearer =
            |value: &Value| value.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer"));
        audience
            && claims.get("iss").is_none_or(|value| is(value, &self.issuer))
            && claims.get("token_type").is_none_or(is_bearer)
    }

    /// What the scopes of a token are good for, a text with spaces between them (RFC 8693 section 4.2) or an array. Within: `None`
    /// if that is nothing. Without: `None` if it is neither.
    fn scope(&self, told: Option<&Value>) -> Option<Option<Scope>> {
        if self.scopes.is_empty() {
            return Some(Some(Scope::Full));
        }
        let told = told.map_or_else(|| Some(Vec::new()), texts)?;
        Some(told.into_iter().filter_map(|scope| self.scopes.get(scope).copied()).max())
    }

    /// The groups that a claim tells; `None` if one of them cannot be, since a rule that refuses may be about it.
    fn groups(&self, prefix: &str, told: &Value) -> Option<BTreeSet<String>> {
        let group = |told: &str| match self.groups.get(told) {
            Some(own) => Some(own.clone()),
            None if told.is_empty() || told.chars().any(char::is_control) => None,
            None => Some(format!("{prefix}{told}")).filter(|name| name.len() <= NAME_BYTES_MAX),
        };
        texts(told)?.into_iter().map(group).collect()
    }
}

/// Texts in an array, or in one text with spaces between them; `None` if it is neither.
fn texts(told: &Value) -> Option<Vec<&str>> {
    match told {
        Value::String(text) => Some(text.split_ascii_whitespace().collect()),
        Value::Array(values) => values.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// A `NumericDate` (RFC 7519 section 2), rounded down; `None` outside of all time.
fn seconds(value: &Value) -> Option<i64> {
    let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64))?;
    Timestamp::from_seconds(seconds).map(Timestamp::as_seconds)
}
