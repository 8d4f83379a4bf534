//! Who asks on a connection: what the credentials of its last request proved, so that the next request with the same ones
//! costs no more than the question whether they still stand.
//!
//! Nothing holds because it was proved before: users, keys and settings are asked each time. A file that is a link to another
//! one, or on a file system that does not tell of changes, is seen to have changed within a second. Passwords are never recalled,
//! and neither are the tokens of issuers, which have rules of their own for how long an answer is good.

use std::sync::{Arc, Mutex, PoisonError};

use super::auth::Proof;
use super::listener::Shared;
use super::remembered::Digest;
use crate::access::{Principal, Source, Standing};
use crate::audit::{Noted, Trail};
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

/// What is known of who asks.
#[derive(Debug)]
pub struct Proved {
    /// Who it is.
    pub principal: Arc<Principal>,
    /// Whether what proved it still holds.
    pub standing: Standing,
    is_lasting: bool,
    noted: Mutex<Noted>,
}

impl Proved {
    /// A user who asks from there, and what proved it.
    pub fn new(principal: Principal, from: Source, proof: Proof, shared: &Arc<Shared>) -> Arc<Proved> {
        let principal = Arc::new(principal.from(from));
        let is_lasting = proof.is_lasting();
        let (shared, holder) = (Arc::clone(shared), Arc::clone(&principal));
        let standing = Standing::new(move || shared.authenticator.stands(&holder, &proof));
        Arc::new(Proved { principal, standing, is_lasting, noted: Mutex::default() })
    }

    /// Notes that it was proved for one request more.
    pub fn note(&self, trail: &Trail) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        trail.authenticated_again(&self.principal, &mut noted);
    }
}

/// What a connection recalls: the digest of one field, and what that proved.
#[derive(Debug, Default)]
pub struct Recalled(Mutex<Option<(Digest, Arc<Proved>)>>);

impl Recalled {
    /// What these header fields have proved, if it still stands.
    pub fn get(&self, headers: &HeaderMap, shared: &Shared) -> Option<Arc<Proved>> {
        let digest = digest(headers, shared)?;
        let recalled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, proved) = recalled.as_ref()?;
        let proved = (*known == digest).then(|| Arc::clone(proved))?;
        drop(recalled);
        proved.standing.holds().then_some(proved)
    }

    /// Recalls what these header fields have proved, if it is of a kind that can be.
    pub fn keep(&self, headers: &HeaderMap, proved: &Arc<Proved>, shared: &Shared) {
        if proved.is_lasting {
            let known = digest(headers, shared).map(|digest| (digest, Arc::clone(proved)));
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = known;
        }
    }
}

/// The digest of the credentials, if they are in one field, so that none are kept.
fn digest(headers: &HeaderMap, shared: &Shared) -> Option<Digest> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = fields.next().filter(|_| fields.next().is_none())?;
    Some(shared.authenticator.tokens.digest(field.as_bytes()))
}
