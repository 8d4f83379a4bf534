//! Asking an issuer about a token (RFC 7662), for tokens that say nothing by themselves.
//!
//! It never asks about the same token while it waits for an answer about it, or more at a time than it may.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use hyper::{Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::claims::Claims;
use super::files::{self, FileError};
use super::outgoing::Outgoing;
use super::remembered::{Digest, Remembered};
use super::watched::{Unusable, Watched};
use crate::access::AuthError;
use crate::clock::Timestamp;
use crate::config::{ClientSecret, Introspection, Secret};
use crate::limits::Limits;

/// All that stands for itself in `application/x-www-form-urlencoded`.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');

/// An issuer that is asked.
pub struct Introspector {
    endpoint: Uri,
    outgoing: Arc<Outgoing>,
    client_id: String,
    secret: Held,
    /// How long an answer counts.
    pub cache_s: u64,
    places: Semaphore,
    places_max: usize,
    patience: Duration,
    again_s: u64,
    refused_s: u64,
    refused: Mutex<Remembered<()>>,
}

enum Held {
    File(Watched<Secret>),
    Text(Secret),
}

impl Introspector {
    /// Reads the secret; `None` if there is no file of it.
    pub fn new(
        settings: &Introspection,
        endpoint: Uri,
        outgoing: Arc<Outgoing>,
        limits: &Limits,
    ) -> Result<Option<Introspector>, FileError> {
        let secret = match &settings.client_secret {
            ClientSecret::Text(secret) => Held::Text(secret.clone()),
            ClientSecret::File(file) => {
                let Some(text) = files::read(file)? else { return Ok(None) };
                Held::File(Watched::new(file.clone(), first_line(&text), again))
            }
        };
        Ok(Some(Introspector {
            endpoint,
            outgoing,
            client_id: settings.client_id.clone(),
            secret,
            cache_s: settings.cache_s,
            places: Semaphore::new(limits.introspections_max.min(Semaphore::MAX_PERMITS)),
            places_max: limits.introspections_max,
            patience: Duration::from_secs(limits.issuer_timeout_s),
            again_s: limits.issuer_again_s,
            refused_s: limits.introspection_refused_s,
            refused: Mutex::new(Remembered::new(limits.credentials_remembered_max)),
        }))
    }

    /// Whether the issuer has said a moment ago that it is no valid token.
    pub fn has_refused(&self, digest: &Digest, now: Timestamp) -> bool {
        self.refused().get(digest, now).is_some()
    }

    /// Remembers that for a while.
    pub fn refuse(&self, digest: Digest, now: Timestamp) {
        let end = now.saturating_add_seconds(i64::try_from(self.refused_s).unwrap_or(i64::MAX));
        self.refused().insert(digest, (), end, now);
    }

    /// Whether so much is asked that who has shown wrong tokens before has to wait, so that others need not.
    pub fn is_busy(&self) -> bool {
        self.places.available_permits() <= self.places_max / 2
    }

    /// What the issuer says of a token that is valid; `None` of another.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`]: it cannot be asked, or says nothing that could be understood.
    pub async fn ask(&self, token: &str) -> Result<Option<Claims>, AuthError> {
        let unavailable = AuthError::Unavailable { retry_after_s: self.again_s };
        let place = timeout(self.patience, self.places.acquire()).await;
        let Ok(Ok(_place)) = place else { return Err(unavailable) };
        self.answer(token).await.map_err(|reason| {
            tracing::warn!(endpoint = %self.endpoint, reason, "an issuer cannot be asked about tokens");
            unavailable
        })
    }

    async fn answer(&self, token: &str) -> Result<Option<Claims>, String> {
        let form = format!("token={}&token_type_hint=access_token", utf8_percent_encode(token, FORM));
        let request = Request::post(self.endpoint.clone())
            .header(AUTHORIZATION, self.credentials())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(Full::new(Bytes::from(form)))
            .map_err(|error| error.to_string())?;
        let response = self.outgoing.ask(request).await.map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(format!("the answer is {}", response.status()));
        }
        let nonsense = "the answer is none of RFC 7662";
        let claims: Claims = serde_json::from_slice(response.body()).map_err(|_| nonsense)?;
        match claims.0.get("active") {
            Some(Value::Bool(true)) => Ok(Some(claims)),
            Some(Value::Bool(false)) => Ok(None),
            _ => Err(nonsense.to_owned()),
        }
    }

    /// As RFC 6749 section 2.3.1 has it.
    fn credentials(&self) -> String {
        let secret = match &self.secret {
            Held::File(file) => Secret::clone(&file.get()),
            Held::Text(secret) => secret.clone(),
        };
        let coded = |text: &str| utf8_percent_encode(text, FORM).to_string();
        let pair = format!("{}:{}", coded(&self.client_id), coded(secret.reveal()));
        format!("Basic {}", STANDARD.encode(pair))
    }

    fn refused(&self) -> MutexGuard<'_, Remembered<()>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Introspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspector").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

fn again(_: &Path, text: &str) -> Result<Secret, Unusable> {
    Ok(first_line(text))
}

fn first_line(text: &str) -> Secret {
    Secret::new(text.lines().next().unwrap_or_default().trim())
}
