//! Who asks: the principal of a request, and why there is none.
//!
//! It never checks a credential: `server` does, and puts a [`Caller`] into the request's extensions.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Origin, Source};
use crate::trace::{self, Trace, Traced};

/// The group whose members may do everything.
pub const ADMIN_GROUP: &str = "admin";

/// The group whose members see what is private to agents, and do no more for that.
pub const AUDITOR_GROUP: &str = "auditor";

/// A user whose identity was proved. A copy costs nothing: who reads for a user keeps one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    identity: Arc<Identity>,
    /// The NETCONF session that it asks from, whose locks are its own.
    pub session: Option<u32>,
    /// Where it asks from; `None` for the server itself.
    pub source: Option<Source>,
    trace: Traced,
}

/// What is known of a [`Principal`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user name, as NACM uses it (RFC 8341).
    pub name: String,
    /// The groups that the user is in.
    pub groups: BTreeSet<String>,
    /// How the identity was proved.
    pub method: Method,
    /// How much of what the user may do may be done now.
    pub scope: Scope,
    /// The one agent that the credential is good for, if it is bound to one: the principal speaks for no other, sees what
    /// is private as far as that agent does, and has no rights of administrators and auditors.
    pub agent: Option<String>,
    /// The identifier of the API key that proved it, if one did.
    pub key: Option<String>,
}

/// How much of what its user may do a credential is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// To read, search and follow.
    Read,
    /// Everything.
    #[default]
    Full,
}

/// What a credential is good for, of all that its user may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// How much.
    pub scope: Scope,
    /// In the name of which agent alone; `None`: of all that the user may speak for.
    pub agent: Option<String>,
}

/// How an identity was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// By a password (RFC 7617).
    Password,
    /// By a bearer token (RFC 6750) that is signed.
    Token,
    /// By an API key, which is a bearer token too.
    ApiKey,
    /// By a public key of SSH (RFC 4252 section 7).
    PublicKey,
    /// By a certificate of the client.
    Certificate,
    /// The server itself, or a command on its machine that opens its files.
    Local,
}

/// The actor of a record: `USER`, or `USER#SESSION` if it was done in a NETCONF session.
pub fn recorded(user: &str, session: Option<u32>) -> String {
    match session {
        Some(session) => format!("{user}#{session}"),
        None => user.to_owned(),
    }
}

/// User and session of the actor of a record. What follows the last `#` is a session only if it is the number of one as
/// [`recorded`] writes it.
pub fn of_record(actor: &str) -> (&str, Option<u32>) {
    let split = actor.rsplit_once('#').and_then(|(user, digits)| {
        let session = digits.parse::<u32>().ok().filter(|session| session.to_string() == digits)?;
        Some((user, Some(session)))
    });
    split.unwrap_or((actor, None))
}

impl Method {
    /// All of them.
    pub(super) const ALL: [Method; 6] = [
        Method::Password,
        Method::Token,
        Method::ApiKey,
        Method::PublicKey,
        Method::Certificate,
        Method::Local,
    ];

    /// Its name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Password => "password",
            Method::Token => "token",
            Method::ApiKey => "api-key",
            Method::PublicKey => "public-key",
            Method::Certificate => "certificate",
            Method::Local => "local",
        }
    }
}

impl Principal {
    /// A user with this name, who is in these groups; from no session.
    pub fn new(name: impl Into<String>, groups: BTreeSet<String>, method: Method) -> Principal {
        let (name, scope, agent, key) = (name.into(), Scope::Full, None, None);
        let identity = Identity { name, groups, method, scope, agent, key };
        Principal { identity: Arc::new(identity), session: None, source: None, trace: Traced::default() }
    }

    /// The same user with a credential that is good for so much.
    pub fn scoped(mut self, scope: Scope) -> Principal {
        Arc::make_mut(&mut self.identity).scope = scope;
        self
    }

    /// The same user with a credential that is bound to this agent, if there is one.
    pub fn bound_to(mut self, agent: Option<String>) -> Principal {
        Arc::make_mut(&mut self.identity).agent = agent;
        self
    }

    /// The same user by the API key with this identifier.
    pub fn by_key(mut self, id: &str) -> Principal {
        Arc::make_mut(&mut self.identity).key = Some(id.to_owned());
        self
    }

    /// Whether the credential is bound to another agent than this.
    pub fn is_bound_to_another(&self, agent: &str) -> bool {
        self.agent.as_deref().is_some_and(|bound| bound != agent)
    }

    /// The agent that speaks where none is named: the one that the credential is bound to, or that of the user's name.
    pub fn speaker(&self) -> &str {
        self.agent.as_deref().unwrap_or(&self.name)
    }

    /// Whether the principal may do nothing but read, whatever its user may.
    pub fn is_reader(&self) -> bool {
        self.scope == Scope::Read
    }

    /// The same user in a NETCONF session.
    pub fn in_session(self, session: u32) -> Principal {
        Principal { session: Some(session), ..self }
    }

    /// The same user, asking from there.
    pub fn from(self, source: Source) -> Principal {
        Principal { source: Some(source), ..self }
    }

    /// The same user, asking for what this task works for.
    pub fn traced(&self) -> Principal {
        Principal { trace: Traced(trace::current()), ..self.clone() }
    }

    /// The trace that this belongs to.
    pub fn trace(&self) -> Option<&Arc<Trace>> {
        self.trace.0.as_ref()
    }

    /// How and from where the user came, as records say it.
    pub fn origin(&self) -> Option<Origin> {
        let trace = self.trace().map(|trace| trace.id());
        self.source.map(|source| Origin { method: Some(self.method), source, trace })
    }

    /// The server itself, for what nobody asked for.
    pub fn server() -> Principal {
        Principal::new("", BTreeSet::from([ADMIN_GROUP.to_owned()]), Method::Local)
    }

    /// Whether the principal is in the group.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.contains(group)
    }

    /// Whether the principal is in [`ADMIN_GROUP`], with a credential that is not bound to an agent.
    pub fn is_admin(&self) -> bool {
        self.agent.is_none() && self.is_in(ADMIN_GROUP)
    }

    /// What kind of user it is, without a name.
    pub fn class(&self) -> &'static str {
        match () {
            () if self.is_admin() => "admin",
            () if self.sees_all() => "auditor",
            () => "user",
        }
    }

    /// Whether the principal sees what is private to agents, whoever they are: administrators and auditors.
    pub fn sees_all(&self) -> bool {
        self.is_admin() || self.agent.is_none() && self.is_in(AUDITOR_GROUP)
    }
}

impl Deref for Principal {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.identity
    }
}

/// Why a request has no principal. The texts are meant for the client and tell nothing about which users exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There are no credentials. RESTCONF answers 401.
    #[error("this needs credentials: a bearer token, or a user name and password")]
    Missing,
    /// There is more than one `Authorization` field, or one that cannot be read. RESTCONF answers 401.
    #[error("the credentials cannot be read: {0}")]
    Malformed(&'static str),
    /// Unknown user or wrong password. RESTCONF answers 401.
    #[error("wrong user name or password")]
    WrongPassword,
    /// A token that is not ours, not valid now, or of a user who is gone. RESTCONF answers 401.
    #[error("the bearer token is not valid, or no longer")]
    WrongToken,
    /// What proved it when the request began did not any more when it was complete. RESTCONF answers 401.
    #[error("the credentials have ended while the request arrived")]
    Lapsed,
    /// A key of SSH that is none of the user's. No request gets so far.
    #[error("the key is none of the user's")]
    WrongKey,
    /// A certificate that has ended, of a user who is not there, or of another user than the other credentials of the
    /// request. RESTCONF answers 401.
    #[error("the certificate is of no user, or of another one than the other credentials")]
    WrongCertificate,
    /// A token of an issuer that is valid, but whose `scope` is for nothing here. RESTCONF answers 403 (RFC 6750 section 3.1).
    #[error("the scope of the bearer token is for nothing here")]
    InsufficientScope,
    /// Too many wrong passwords for this user, too many wrong credentials from this address, or too many checks at once.
    /// RESTCONF answers 429.
    #[error("too many attempts, try again in {retry_after_s} s")]
    Throttled {
        /// For `Retry-After` (RFC 9110): seconds.
        retry_after_s: u64,
    },
    /// Too many requests of this user, or from this source, whatever they prove. RESTCONF answers 429 (RFC 6585 section 4).
    #[error("too many requests, try again in {retry_after_s} s")]
    TooManyRequests {
        /// As before.
        retry_after_s: u64,
    },
    /// The issuer of the token has to be asked and does not answer: whether the token is valid is not known. RESTCONF
    /// answers 503.
    #[error("the issuer of the bearer token cannot be asked now, try again in {retry_after_s} s")]
    Unavailable {
        /// As before.
        retry_after_s: u64,
    },
}

impl AuthError {
    /// What records call it.
    pub fn reason(&self) -> &'static str {
        match self {
            AuthError::Missing => "missing",
            AuthError::Malformed(_) => "malformed",
            AuthError::WrongPassword => "wrong-password",
            AuthError::WrongToken => "wrong-token",
            AuthError::Lapsed => "lapsed",
            AuthError::WrongKey => "wrong-key",
            AuthError::WrongCertificate => "wrong-certificate",
            AuthError::Throttled { .. } => "throttled",
            AuthError::TooManyRequests { .. } => "too-many-requests",
            AuthError::InsufficientScope => "insufficient-scope",
            AuthError::Unavailable { .. } => "unavailable",
        }
    }

    /// The values of the `WWW-Authenticate` fields of an answer with 401 or 403, strongest first (RFC 9110 §11.6.1).
    pub fn challenges(&self) -> [&'static str; 2] {
        let bearer = match self {
            AuthError::WrongToken | AuthError::Lapsed => r#"Bearer realm="agentconf", error="invalid_token""#,
            AuthError::InsufficientScope => r#"Bearer realm="agentconf", error="insufficient_scope""#,
            AuthError::Malformed(_) => r#"Bearer realm="agentconf", error="invalid_request""#,
            AuthError::Missing
            | AuthError::WrongPassword
            | AuthError::WrongKey
            | AuthError::WrongCertificate
            | AuthError::Throttled { .. }
            | AuthError::TooManyRequests { .. }
            | AuthError::Unavailable { .. } => r#"Bearer realm="agentconf""#,
        };
        [bearer, r#"Basic realm="agentconf", charset="UTF-8""#]
    }

    /// The value of `Retry-After` in seconds, if the same may be answered otherwise then.
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            AuthError::Throttled { retry_after_s }
            | AuthError::TooManyRequests { retry_after_s }
            | AuthError::Unavailable { retry_after_s } => Some(*retry_after_s),
            _ => None,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scope::Full => "full",
            Scope::Read => "read",
        })
    }
}

impl FromStr for Scope {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Scope, &'static str> {
        match text {
            "full" => Ok(Scope::Full),
            "read" => Ok(Scope::Read),
            _ => Err("it is full or read"),
        }
    }
}

/// Whether what proved an identity still does: the user is there, the token is valid. What lasts longer than a request,
/// such as an event stream, asks before it gives anything.
#[derive(Clone)]
pub struct Standing(Arc<dyn Fn() -> bool + Send + Sync>);

impl Standing {
    /// From the question to be asked.
    pub fn new(holds: impl Fn() -> bool + Send + Sync + 'static) -> Standing {
        Standing(Arc::new(holds))
    }

    /// Whether it still holds.
    pub fn holds(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Standing")
    }
}

/// What the server found out about the sender of an HTTP request. A front end refuses the request if there is no
/// principal, except for what anybody may read.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who it is, or why that is not known.
    pub principal: Result<Arc<Principal>, AuthError>,
    /// Whether the credentials still hold; `None` without credentials.
    pub standing: Option<Standing>,
    /// Whether the request came over TLS.
    pub secure: bool,
}
