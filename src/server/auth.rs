//! Authentication of HTTP requests: from the `Authorization` field and the certificate of the client to a principal.
//!
//! It never decides what a principal may do; `access` does.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use super::api_keys::{self, ApiKey, ApiKeys};
use super::certificates::Shown;
use super::issuers::{Bearer, Issuers};
use super::passwords::Passwords;
use super::throttle::WrongTokens;
use super::tls;
use super::tokens::Tokens;
use super::users::{User, Users};
use crate::access::{AuthError, Method, Principal};
use crate::clock::{Clock, Timestamp};

/// What an identity was proved with, to be asked again later.
#[derive(Clone, Debug)]
pub struct Proof {
    /// When the user was added; `None` for one who is in no user file.
    created: Option<Timestamp>,
    by: By,
    /// The certificate of the client.
    certificate: Option<Arc<Shown>>,
}

#[derive(Clone)]
enum By {
    /// The hash that the password fitted.
    Password(Option<String>),
    /// A token of the server: when it is valid, in seconds since the epoch, and the key that signed it.
    Token(Range<i64>, String),
    /// A token of an issuer.
    Issued(Arc<Bearer>),
    /// The identifier of the API key, and the key.
    ApiKey(String, Arc<ApiKey>),
    /// The line of the user file that has the key.
    PublicKey(String),
    /// Only what every proof has.
    Certificate,
}

impl fmt::Debug for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            By::Password(_) => "Password",
            By::Token(..) => "Token",
            By::Issued(_) => "Issued",
            By::ApiKey(..) => "ApiKey",
            By::PublicKey(_) => "PublicKey",
            By::Certificate => "Certificate",
        })
    }
}

impl Proof {
    /// Whether the same credentials prove the same as long as it stands: those of the server's own making do, but for
    /// passwords, of which only so many may be tried.
    pub fn is_lasting(&self) -> bool {
        matches!(self.by, By::Token(..) | By::ApiKey(..))
    }
}

/// Checks the credentials of requests. One for all listeners. Its parts watch the files of one directory.
#[derive(Debug)]
pub struct Authenticator {
    /// The users.
    pub users: Arc<Users>,
    /// Their passwords.
    pub passwords: Passwords,
    /// The tokens of the server.
    pub tokens: Tokens,
    /// The tokens of others.
    pub issuers: Issuers,
    /// The keys of programs.
    pub api_keys: ApiKeys,
    /// The tokens and keys that were none.
    pub wrong_tokens: WrongTokens,
    /// The time.
    pub clock: Clock,
}

impl Authenticator {
    /// Who sent a request with these header fields from `source`: by a bearer token (RFC 6750 §2.1), by user name and
    /// password (RFC 7617), or by the certificate of the client. The groups are those that the user file has now.
    ///
    /// RFC 8040 section 2.5 leaves open what a certificate and an `Authorization` field together mean. Here both have to
    /// prove the same user: with either one ignored, a mistake of the client would go unseen.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        source: SocketAddr,
        certificate: Option<&Arc<Shown>>,
    ) -> Result<(Principal, Proof), AuthError> {
        let by_field = self.by_field(headers, source).await;
        let Some(shown) = certificate else { return by_field };
        let (principal, proof) = match by_field {
            Err(AuthError::Missing) => return self.by_certificate(shown),
            other => other?,
        };
        if principal.name != shown.name() || !shown.holds(tls::time(&self.clock)) {
            return Err(AuthError::WrongCertificate);
        }
        Ok((principal, Proof { certificate: Some(Arc::clone(shown)), ..proof }))
    }

    async fn by_field(
        &self,
        headers: &HeaderMap,
        source: SocketAddr,
    ) -> Result<(Principal, Proof), AuthError> {
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let field = fields.next().ok_or(AuthError::Missing)?;
        if fields.next().is_some() {
            return Err(AuthError::Malformed("there is more than one Authorization field"));
        }
        let field = field.to_str().map_err(|_| AuthError::Malformed("the field is not ASCII"))?;
        let (scheme, credentials) =
            field.trim().split_once(' ').ok_or(AuthError::Malformed("there is a scheme alone"))?;
        let credentials = credentials.trim_start();
        if scheme.eq_ignore_ascii_case("Bearer") {
            self.by_token(credentials, source.ip()).await
        } else if scheme.eq_ignore_ascii_case("Basic") {
            // Rare, and larger than all the rest.
            Box::pin(self.by_basic(credentials, source)).await
        } else {
            Err(AuthError::Malformed("the scheme is neither Bearer nor Basic"))
        }
    }

    /// Whether a proof still holds.
    pub fn stands(&self, principal: &Principal, proof: &Proof) -> bool {
        if !proof.certificate.as_ref().is_none_or(|shown| shown.holds(tls::time(&self.clock))) {
            return false;
        }
        let user = match proof.created {
            Some(created) => {
                let user = self.users.get(&principal.name).filter(|user| user.created == created);
                // Rights that were taken away are not kept by a stream that was begun before.
                let Some(user) = user.filter(|user| user.groups == principal.groups) else { return false };
                Some(user)
            }
            None => None,
        };
        let has = |holds: &dyn Fn(&User) -> bool| user.as_deref().is_some_and(holds);
        match &proof.by {
            By::Password(hash) => has(&|user| user.password == *hash),
            By::Token(valid, key) => valid.contains(&self.clock.now().as_seconds()) && self.tokens.holds(key),
            By::Issued(bearer) => self.issuers.holds(bearer),
            By::ApiKey(id, key) => self.api_keys.valid(id, self.clock.now()).is_some_and(|now| now == *key),
            By::PublicKey(line) => has(&|user| user.ssh_keys.contains(line)),
            By::Certificate => true,
        }
    }

    /// The user that a certificate stands for, where it is the only proof.
    ///
    /// # Errors
    /// [`AuthError::WrongCertificate`]: it is no longer taken, or there is no such user.
    pub fn by_certificate(&self, shown: &Arc<Shown>) -> Result<(Principal, Proof), AuthError> {
        let user = self.users.get(shown.name()).filter(|_| shown.holds(tls::time(&self.clock)));
        let user = user.ok_or(AuthError::WrongCertificate)?;
        let certificate = Some(Arc::clone(shown));
        let proof = Proof { created: Some(user.created), by: By::Certificate, certificate };
        Ok((principal(shown.name(), &user, Method::Certificate), proof))
    }

    /// The user of a bearer token: an API key, a token of the server, or one of an issuer, which may have to be asked.
    async fn by_token(&self, token: &str, source: IpAddr) -> Result<(Principal, Proof), AuthError> {
        let found = if token.starts_with(api_keys::PREFIX) {
            self.by_api_key(token).ok_or(AuthError::WrongToken)
        } else if let Some(found) = self.by_own_token(token) {
            Ok(found)
        } else if let Some(bearer) = self.issuers.recall(token) {
            self.by_bearer(bearer)
        } else {
            // Rare, and larger than all the rest.
            let asked = Box::pin(self.issuers.verify(token, self.wrong_tokens.is_suspect(source)));
            asked.await.and_then(|bearer| self.by_bearer(bearer))
        };
        found.map_err(|error| match error {
            AuthError::WrongToken => self.wrong_tokens.refuse(source, token),
            other => other,
        })
    }

    fn by_own_token(&self, token: &str) -> Option<(Principal, Proof)> {
        let claims = self.tokens.verify(token)?;
        let user = self.users.get(&claims.sub).filter(|user| !claims.is_older_than(user.created))?;
        let by = By::Token(claims.nbf..claims.exp, claims.key.clone());
        let proof = Proof { created: Some(user.created), by, certificate: None };
        let principal = principal(&claims.sub, &user, Method::Token);
        Some((principal.scoped(claims.scope).bound_to(claims.agent.clone()), proof))
    }

    fn by_bearer(&self, bearer: Arc<Bearer>) -> Result<(Principal, Proof), AuthError> {
        let told = &bearer.told;
        let (principal, created) = match &told.groups {
            Some(groups) => (Principal::new(&told.name, groups.clone(), Method::Token), None),
            None => {
                // What was issued before the user was made is for somebody else who had the name.
                let is_theirs =
                    |user: &Arc<User>| told.issued.is_none_or(|issued| issued >= user.created.as_seconds());
                let user = self.users.get(&told.name).filter(is_theirs).ok_or(AuthError::WrongToken)?;
                (principal(&told.name, &user, Method::Token), Some(user.created))
            }
        };
        let principal = principal.scoped(told.scope.ok_or(AuthError::InsufficientScope)?);
        Ok((principal, Proof { created, by: By::Issued(bearer), certificate: None }))
    }

    fn by_api_key(&self, presented: &str) -> Option<(Principal, Proof)> {
        let (id, key) = self.api_keys.verify(presented, self.clock.now())?;
        let user = self.users.get(&key.user).filter(|user| user.created <= key.created)?;
        let principal = principal(&key.user, &user, Method::ApiKey);
        let principal = principal.scoped(key.scope).bound_to(key.agent.clone()).by_key(&id);
        Some((principal, Proof { created: Some(user.created), by: By::ApiKey(id, key), certificate: None }))
    }

    /// The user of that name, if one of their public keys is the one that `is_it` knows. Who asks has proved that they have
    /// the private key, or is going to.
    pub fn by_key(&self, name: &str, is_it: impl Fn(&str) -> bool) -> Option<(Principal, Proof)> {
        let user = self.users.get(name)?;
        let line = user.ssh_keys.iter().find(|line| is_it(line))?.clone();
        let proof = Proof { created: Some(user.created), by: By::PublicKey(line), certificate: None };
        Some((principal(name, &user, Method::PublicKey), proof))
    }

    async fn by_basic(&self, credentials: &str, source: SocketAddr) -> Result<(Principal, Proof), AuthError> {
        let bytes = STANDARD
            .decode(credentials)
            .map_err(|_| AuthError::Malformed("Basic is not followed by base64"))?;
        let text =
            String::from_utf8(bytes).map_err(|_| AuthError::Malformed("name and password are not UTF-8"))?;
        let (name, password) =
            text.split_once(':').ok_or(AuthError::Malformed("there is no colon after the user name"))?;
        self.by_password(name, password, source).await
    }

    /// The user of that name, where there is one field for a secret alone, as in SSH: by their password, or by a bearer token or
    /// API key of theirs. A token has to look like one; of a text that could be a password nobody else is ever asked.
    ///
    /// # Errors
    /// As those of passwords and of bearer tokens; [`AuthError::WrongToken`] for one of another user.
    pub async fn by_login(
        &self,
        name: &str,
        secret: &str,
        source: SocketAddr,
    ) -> Result<(Principal, Proof), AuthError> {
        if !secret.starts_with(api_keys::PREFIX) && jsonwebtoken::decode_header(secret).is_err() {
            return self.by_password(name, secret, source).await;
        }
        let (principal, proof) = self.by_token(secret, source.ip()).await?;
        if principal.name == name { Ok((principal, proof)) } else { Err(AuthError::WrongToken) }
    }

    /// The user of that name, if the password is theirs.
    async fn by_password(
        &self,
        name: &str,
        password: &str,
        source: SocketAddr,
    ) -> Result<(Principal, Proof), AuthError> {
        let user = self.passwords.check(source.ip(), name, password).await?;
        let by = By::Password(user.password.clone());
        let proof = Proof { created: Some(user.created), by, certificate: None };
        Ok((principal(name, &user, Method::Password), proof))
    }
}

fn principal(name: &str, user: &User, method: Method) -> Principal {
    Principal::new(name, user.groups.clone(), method)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::access::{Bounds, Scope};
    use crate::clock::ManualClock;
    use crate::limits::Limits;
    use crate::server::remembered::Digester;
    use crate::server::test_directory::TestDirectory;
    use crate::server::users;
    use hyper::header::HeaderValue;

    struct Fixture {
        data: TestDirectory,
        clock: ManualClock,
        authenticator: Authenticator,
    }

    fn add_ann(data: &TestDirectory, created: Timestamp) {
        let password = Some(users::hash_password("pass:wörd").unwrap());
        let user = User { groups: ["ops".to_owned()].into(), password, ssh_keys: Vec::new(), created };
        users::edit(data.path(), |map| Ok(map.insert("ann".into(), user))).unwrap();
    }

    fn add(data: &TestDirectory, name: &str) {
        let user = User {
            groups: Default::default(),
            password: None,
            ssh_keys: Vec::new(),
            created: Timestamp::EPOCH,
        };
        users::edit(data.path(), |map| Ok(map.insert(name.into(), user))).unwrap();
    }

    fn fixture() -> Fixture {
        let data = TestDirectory::new();
        add_ann(&data, Timestamp::EPOCH);
        let (clock, limits) = (ManualClock::new(Timestamp::EPOCH), Limits::default());
        let random = rustls::crypto::ring::default_provider().secure_random;
        let users = Arc::new(Users::open(data.path()).unwrap());
        let digester = || Digester::new(random).unwrap();
        let passwords = Passwords::new(users.clone(), clock.clock(), &limits, digester()).unwrap();
        let wrong_tokens = WrongTokens::new(clock.clock(), &limits, digester());
        let tokens = Tokens::open(data.path(), clock.clock(), &limits, random).unwrap();
        let settings = crate::config::Tokens::default();
        let issuers = Issuers::open(&settings, clock.clock(), &limits, random).unwrap();
        let api_keys = ApiKeys::open(data.path()).unwrap();
        let time = clock.clock();
        let authenticator =
            Authenticator { users, passwords, tokens, issuers, api_keys, wrong_tokens, clock: time };
        Fixture { data, clock, authenticator }
    }

    impl Fixture {
        async fn ask(&self, fields: &[&str]) -> Result<Principal, AuthError> {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(AUTHORIZATION, HeaderValue::from_bytes(field.as_bytes()).unwrap());
            }
            let source = "192.0.2.1:1".parse().unwrap();
            self.authenticator.authenticate(&headers, source, None).await.map(|(principal, _)| principal)
        }

        async fn ask_with(&self, shown: &Arc<Shown>, field: Option<&str>) -> Result<Principal, AuthError> {
            let mut headers = HeaderMap::new();
            headers.extend(field.map(|field| (AUTHORIZATION, field.parse().unwrap())));
            let source = "192.0.2.1:1".parse().unwrap();
            let (principal, proof) = self.authenticator.authenticate(&headers, source, Some(shown)).await?;
            assert!(self.authenticator.stands(&principal, &proof));
            self.clock.set(Timestamp::from_seconds(1000).unwrap());
            assert!(!self.authenticator.stands(&principal, &proof), "its certificate has ended");
            self.clock.set(Timestamp::EPOCH);
            Ok(principal)
        }

        fn token(&self, name: &str) -> String {
            self.authenticator.tokens.issue(name, vec!["admin".into()], Bounds::default(), 60).unwrap()
        }
    }

    #[tokio::test]
    async fn basic_and_bearer_give_the_principal_with_the_groups_of_the_file() {
        let f = fixture();
        let basic = format!("Basic {}", STANDARD.encode("ann:pass:wörd"));
        let principal = f.ask(&[&basic]).await.unwrap();
        assert_eq!((principal.name.as_str(), principal.method), ("ann", Method::Password));
        assert!(principal.is_in("ops") && !principal.is_admin());
        let principal = f.ask(&[&format!("bearer {}", f.token("ann"))]).await.unwrap();
        assert_eq!(principal.method, Method::Token);
        assert!(principal.is_in("ops") && !principal.is_admin(), "groups in the token do not count");
    }

    #[tokio::test]
    async fn what_is_malformed_is_refused() {
        let f = fixture();
        assert_eq!(f.ask(&[]).await, Err(AuthError::Missing));
        let good = format!("Bearer {}", f.token("ann"));
        let not_utf8 = format!("Basic {}", STANDARD.encode([0xff, b':', b'x']));
        let no_colon = format!("Basic {}", STANDARD.encode("ann"));
        for fields in [
            &[good.as_str(), good.as_str()][..],
            &[""],
            &["Bearer"],
            &["Basic !"],
            &["Digest username=ann"],
            &["Bearer\u{fc}"],
            &[&not_utf8],
            &[&no_colon],
        ] {
            assert!(matches!(f.ask(fields).await, Err(AuthError::Malformed(_))), "{fields:?}");
        }
        assert_eq!(f.ask(&["Bearer x"]).await, Err(AuthError::WrongToken));
        let wrong = format!("Basic {}", STANDARD.encode("ann:wrong"));
        assert_eq!(f.ask(&[&wrong]).await, Err(AuthError::WrongPassword));
    }

    #[tokio::test]
    async fn a_certificate_stands_alone_or_with_credentials_of_the_same_user() {
        let f = fixture();
        add(&f.data, "bob");
        let identity = |name: &str, ends| Arc::new(Shown::assumed(name, ends));
        let ann = identity("ann", 1000);
        let principal = f.ask_with(&ann, None).await.unwrap();
        assert_eq!((principal.name.as_str(), principal.method), ("ann", Method::Certificate));
        assert!(principal.is_in("ops"));
        let token = format!("Bearer {}", f.token("ann"));
        assert_eq!(f.ask_with(&ann, Some(&token)).await.unwrap().method, Method::Token);
        for (identity, field, error) in [
            (&ann, Some(format!("Bearer {}", f.token("bob"))), AuthError::WrongCertificate),
            (&ann, Some("Bearer x".to_owned()), AuthError::WrongToken),
            (&identity("nobody", 1000), None, AuthError::WrongCertificate),
            (&identity("nobody", 1000), Some(token.clone()), AuthError::WrongCertificate),
            (&identity("ann", 0), None, AuthError::WrongCertificate),
            (&identity("ann", 0), Some(token), AuthError::WrongCertificate),
        ] {
            assert_eq!(f.ask_with(identity, field.as_deref()).await, Err(error), "{field:?}");
        }
    }

    #[tokio::test]
    async fn a_public_key_stands_as_long_as_the_user_has_it() {
        let f = fixture();
        let set = |lines: &[&str]| {
            let lines = lines.iter().map(|line| line.to_string()).collect();
            let edit = |map: &mut users::UserMap| {
                map.get_mut("ann").unwrap().ssh_keys = lines;
                Ok(())
            };
            users::edit(f.data.path(), edit).unwrap();
        };
        set(&["one", "two"]);
        let ask = |name: &str, key: &str| f.authenticator.by_key(name, |line| line == key);
        let (principal, proof) = ask("ann", "two").unwrap();
        assert_eq!((principal.name.as_str(), principal.method), ("ann", Method::PublicKey));
        assert!(ask("ann", "three").is_none() && ask("nobody", "one").is_none());
        assert!(f.authenticator.stands(&principal, &proof));
        set(&["one"]);
        assert!(!f.authenticator.stands(&principal, &proof));
    }

    #[tokio::test]
    async fn an_api_key_ends_with_its_user_and_is_scoped() {
        let f = fixture();
        let random = rustls::crypto::ring::default_provider().secure_random;
        let add = |scope| {
            let key = api_keys::add(
                f.data.path(),
                "ann",
                Bounds { scope, agent: None },
                60,
                f.clock.clock().now(),
                random,
            )
            .unwrap();
            format!("Bearer {key}")
        };
        let (full, read) = (add(Scope::Full), add(Scope::Read));
        assert!(!f.ask(&[&full]).await.unwrap().is_reader());
        let principal = f.ask(&[&read]).await.unwrap();
        assert_eq!((principal.name.as_str(), principal.method), ("ann", Method::ApiKey));
        assert!(principal.is_reader() && principal.is_in("ops"));
        users::edit(f.data.path(), |map| Ok(map.remove("ann"))).unwrap();
        assert_eq!(f.ask(&[&full]).await, Err(AuthError::WrongToken));
        f.clock.set(Timestamp::from_micros(1).unwrap());
        add_ann(&f.data, f.clock.clock().now());
        assert_eq!(f.ask(&[&full]).await, Err(AuthError::WrongToken), "another user of the same name");
    }

    #[tokio::test]
    async fn tokens_end_with_their_user() {
        let f = fixture();
        let token = format!("Bearer {}", f.token("ann"));
        f.ask(&[&token]).await.unwrap();
        users::edit(f.data.path(), |map| Ok(map.remove("ann"))).unwrap();
        assert_eq!(f.ask(&[&token]).await, Err(AuthError::WrongToken));
        // Within the same second.
        f.clock.set(Timestamp::from_micros(1).unwrap());
        add_ann(&f.data, f.clock.clock().now());
        assert_eq!(f.ask(&[&token]).await, Err(AuthError::WrongToken), "another user of the same name");
        assert_eq!(f.ask(&[&format!("Bearer {}", f.token("bob"))]).await, Err(AuthError::WrongToken));
    }
}
