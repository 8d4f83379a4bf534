//! Reports on tasks that the server sends to URLs: to each receiver one after another, until it has taken them.
//!
//! What is to be sent is the state's affair (`tasks/callbacks`); nothing is queued here, so a receiver that is slow or dead costs
//! a place in a table. A notification can come twice, with the same `Event-Id`; none comes before one with a smaller.

#![expect(
    clippy::disallowed_methods,
    reason = "how long to wait before a receiver is asked again is measured by the runtime's clock"
)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, InvalidHeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use rustls::crypto::SecureRandom;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::files::{self, FileError, Readers};
use super::outgoing::{Outgoing, OutgoingError, Policy, SetupError};
use super::shutdown::Shutdown;
use super::vault::Vault;
use crate::access::{Reference, Speakers as _};
use crate::audit::{KeyError, Signer};
use crate::clock::Timestamp;
use crate::config;
use crate::engine::{Engine, Receivers, State};
use crate::metrics::{Counter, Kind, Text};
use crate::tasks::callbacks::{Callback, Callbacks as Receiving, Place, Progress};
use crate::yang::generated::magent_task::CallbackKey;
use crate::yang::notification::{self, Notification};

const KEY_FILE: &str = "callback.key";
const PUBLIC_FILE: &str = "callback.pem";
const ALGORITHM: &str = "ed25519";
const MEDIA_TYPE: &str = "application/yang-data+json";
/// Longest answer that is read; what it says does not matter.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Longer than any request may take.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// What was delivered becomes durable after so long, with what was delivered meanwhile.
const TOGETHER: Duration = Duration::from_millis(100);
/// Between two looks at all that waits.
const LOOK: Duration = Duration::from_millis(10);
/// After a look, so many times as long as it took is none.
const REST: u32 = 9;
/// How long what is under way may take when the server stops.
const LAST: Duration = Duration::from_secs(1);
/// Waits do not double more often.
const DOUBLED_MAX: u32 = 20;

/// Why reports cannot be sent.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each variant is the step that failed, and its source says why
pub enum CallbackError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the operating system gives no randomness")]
    Random,
    #[error("{KEY_FILE} has no key")]
    Key(#[from] KeyError),
    #[error("cannot prepare requests to receivers")]
    Outgoing(#[from] SetupError),
}

/// Those that reports are sent to, and what is needed for that.
pub struct Callbacks {
    policy: Policy,
    is_plain_allowed: bool,
    authorities: Vec<PathBuf>,
    /// Made when it is needed: reading what the machine trusts takes its time.
    outgoing: OnceLock<Outgoing>,
    signer: Signer,
    key: CallbackKey,
    vault: Arc<Vault>,
    random: &'static dyn SecureRandom,
    delivered: Counter,
    failed: Counter,
    stopped: Counter,
}

/// Whether the key of a data directory can be used, if it has one.
///
/// # Errors
/// [`CallbackError`].
pub fn check(data: &Path) -> Result<(), CallbackError> {
    files::read(&data.join(KEY_FILE))?.map(|pem| Signer::from_pem(&pem)).transpose()?;
    Ok(())
}

impl Callbacks {
    /// With the key in the data directory, which is made if there is none.
    ///
    /// # Errors
    /// [`CallbackError`].
    pub fn open(
        data: &Path,
        settings: &config::Callbacks,
        vault: Arc<Vault>,
        random: &'static dyn SecureRandom,
    ) -> Result<Callbacks, CallbackError> {
        let file = data.join(KEY_FILE);
        let pem = match files::read(&file)? {
            Some(pem) => pem,
            None => {
                let mut seed = [0; 32];
                random.fill(&mut seed).map_err(|_| CallbackError::Random)?;
                files::create_or_read(&file, &Signer::pem(&seed), Readers::Owner)?
            }
        };
        let signer = Signer::from_pem(&pem)?;
        let (public, file) = (signer.public(), data.join(PUBLIC_FILE));
        if files::read(&file)?.as_deref() != Some(&public.pem()) {
            files::replace(&file, public.pem(), Readers::All)?;
        }
        let policy = Policy { networks: settings.addresses.clone() };
        let key = CallbackKey {
            id: thumbprint(public.octets()),
            algorithm: ALGORITHM.to_owned(),
            public_key: public.octets().to_vec(),
        };
        let (delivered, failed, stopped) = Default::default();
        let callbacks = Callbacks {
            policy,
            is_plain_allowed: settings.plain_http,
            authorities: settings.authorities.clone(),
            outgoing: OnceLock::new(),
            signer,
            key,
            vault,
            random,
            delivered,
            failed,
            stopped,
        };
        if !callbacks.authorities.is_empty() {
            callbacks.outgoing()?;
        }
        Ok(callbacks)
    }

    fn outgoing(&self) -> Result<&Outgoing, SetupError> {
        if let Some(outgoing) = self.outgoing.get() {
            return Ok(outgoing);
        }
        let made = Outgoing::new(&self.authorities, self.policy.clone(), ANSWER_BYTES_MAX, PATIENCE)?;
        let made = if self.is_plain_allowed { made.allowing_plain() } else { made };
        Ok(self.outgoing.get_or_init(|| made))
    }

    /// Tells of the receivers in numbers.
    pub fn measure(&self, state: &State, text: &mut Text) {
        let callbacks = state.tasks.callbacks();
        let help = "Receivers that are told of tasks.";
        text.single("agentconf_callbacks", Kind::Gauge, help, callbacks.len());
        let help = "Notifications that receivers have not taken, by whether their receivers are still tried.";
        text.family("agentconf_callback_notifications", Kind::Gauge, help);
        let (mut active, mut stopped) = (0, 0);
        for (_, callback) in callbacks.iter() {
            let sum = if callback.stopped.is_some() { &mut stopped } else { &mut active };
            *sum += callback.undelivered.len();
        }
        text.sample(&[("state", "active")], active);
        text.sample(&[("state", "stopped")], stopped);
        let help = "Notifications that receivers have taken.";
        text.single("agentconf_callback_deliveries_total", Kind::Counter, help, self.delivered.get());
        let help = "Requests to receivers that failed.";
        text.single("agentconf_callback_failures_total", Kind::Counter, help, self.failed.get());
        let help = "Receivers that were given up.";
        text.single("agentconf_callback_stops_total", Kind::Counter, help, self.stopped.get());
    }

    /// Sends one notification.
    async fn send(
        &self,
        callback: &Callback,
        id: &str,
        (at, told): &(Timestamp, Notification),
        now: Timestamp,
        patience: Duration,
    ) -> Result<(), String> {
        let request = self.request(callback, id, notification::json(*at, told), now)?;
        let outgoing = self.outgoing().map_err(|error| error.to_string())?;
        match timeout(patience, outgoing.ask(request)).await {
            // It was taken, whatever is said of that at length.
            Ok(Err(OutgoingError::Long(_))) => Ok(()),
            Ok(Ok(response)) if response.status().is_success() => Ok(()),
            Ok(Ok(response)) => Err(format!("it answered {}", response.status().as_u16())),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(OutgoingError::Late.to_string()),
        }
    }

    /// The request, signed as RFC 9421 has it: what it asks, where, with what content and which event.
    fn request(
        &self,
        callback: &Callback,
        id: &str,
        body: Vec<u8>,
        now: Timestamp,
    ) -> Result<Request<Full<Bytes>>, String> {
        let url = &callback.receiver.url;
        let uri: Uri = url.parse().map_err(|_| "its URL is none that can be asked".to_owned())?;
        // As it is sent, which is what the receiver sees: with a path.
        let target = match (uri.scheme_str(), uri.authority(), uri.path_and_query()) {
            (Some(scheme), Some(authority), Some(path)) => format!("{scheme}://{authority}{path}"),
            _ => return Err("its URL is not absolute".to_owned()),
        };
        let method = if callback.receiver.is_put() { Method::PUT } else { Method::POST };
        let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(&body)));
        let covered = "(\"@method\" \"@target-uri\" \"content-type\" \"content-digest\" \"event-id\")";
        let created = now.as_seconds();
        let params = format!("{covered};created={created};keyid=\"{}\";alg=\"{ALGORITHM}\"", self.key.id);
        let signed = format!(
            "\"@method\": {method}\n\"@target-uri\": {target}\n\"content-type\": {MEDIA_TYPE}\n\"content-digest\": {digest}\n\
             \"event-id\": {id}\n\"@signature-params\": {params}"
        );
        let signature = self.signer.signature(signed.as_bytes());
        let value = |text: String| HeaderValue::try_from(text).map_err(|e: InvalidHeaderValue| e.to_string());
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(USER_AGENT, HeaderValue::from_static("agentconf"));
        headers.insert("event-id", value(id.to_owned())?);
        headers.insert("content-digest", value(digest)?);
        headers.insert("signature-input", value(format!("sig={params}"))?);
        headers.insert("signature", value(format!("sig=:{signature}:"))?);
        if let Some(token) = &callback.receiver.token {
            let kept = Reference::read(token).filter(|reference| reference.is_for(url));
            let token = kept.and_then(|reference| self.vault.get(&reference));
            let token = token.ok_or_else(|| "its token is not kept any more: subscribe anew".to_owned())?;
            let mut bearer = value(format!("Bearer {token}"))?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        Ok(request)
    }

    /// How long to wait after so many failures in a row: a part by chance, so that not all who were refused together come back
    /// together.
    fn wait(&self, attempts: u32, least_s: u32, most_s: u32) -> Duration {
        let doubled = attempts.saturating_sub(1).min(DOUBLED_MAX);
        let whole = Duration::from_secs(u64::from(least_s)).saturating_mul(1 << doubled);
        let whole = whole.min(Duration::from_secs(most_s.into()));
        let mut chance = [0; 2];
        // Without chance it is the whole.
        let part = self.random.fill(&mut chance).map_or(u16::MAX, |()| u16::from_be_bytes(chance));
        whole / 2 + (whole / 2).mul_f64(f64::from(part) / f64::from(u16::MAX))
    }
}

impl std::fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callbacks").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Receivers for Callbacks {
    fn admits(&self, url: &str) -> Result<(), &'static str> {
        admits(url, self.is_plain_allowed, |address| self.policy.permits(address))
    }

    fn key(&self) -> Option<CallbackKey> {
        Some(self.key.clone())
    }
}

/// Refuses a URL to which nothing can be told, or which names an address that is not permitted.
fn admits(url: &str, with_plain: bool, permits: impl Fn(IpAddr) -> bool) -> Result<(), &'static str> {
    let none = match with_plain {
        false => "is not an absolute https URL with a host, and without a user and a fragment",
        true => "is not an absolute https or http URL with a host, and without a user and a fragment",
    };
    let uri: Uri = url.parse().map_err(|_| none)?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let is_scheme = uri.scheme_str() == Some("https") || with_plain && uri.scheme_str() == Some("http");
    let Some(host) = uri.host().filter(|host| !host.is_empty()) else { return Err(none) };
    if !is_scheme || authority.contains('@') || url.contains('#') {
        return Err(none);
    }
    if authority.len() > host.len() && uri.port_u16().is_none_or(|port| port == 0) {
        return Err("has a port that is none from 1 to 65535");
    }
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) if !permits(address) => Err("is at an address that is not public and not permitted"),
        _ => Ok(()),
    }
}

/// What RFC 7638 calls an Ed25519 key (RFC 8037 appendix A.3).
fn thumbprint(public: &[u8; 32]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public);
    let key = format!("{{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"{x}\"}}");
    URL_SAFE_NO_PAD.encode(Sha256::digest(key.as_bytes()))
}

/// What is going on with one receiver.
#[derive(Debug, Default)]
struct Run {
    is_sending: bool,
    /// How often it failed in a row.
    attempts: u32,
    /// Not to be asked before.
    wait: Option<Instant>,
    /// The newest position that it has taken, which may not be durable yet.
    done: u64,
}

/// What became of one request.
struct Sent {
    place: Place,
    user: Arc<str>,
    position: u64,
    outcome: Outcome,
}

enum Outcome {
    Delivered,
    Lost,
    Failed(String),
}

/// All that is going on.
struct Deliveries {
    engine: Engine,
    callbacks: Arc<Callbacks>,
    runs: BTreeMap<Place, Run>,
    /// How many requests are under way for each user.
    users: BTreeMap<Arc<str>, usize>,
    sending: JoinSet<Sent>,
    /// The receivers that were looked at last, whether a request has ended since, and when the next one is to be tried.
    seen: Receiving,
    has_ended: bool,
    wake: Option<Instant>,
    /// Not to be looked at before: where there are many, looking takes its time.
    rest: Option<Instant>,
    /// What is not durable yet: of each receiver the newest position that it has taken, and what else there is.
    taken: BTreeMap<Place, u64>,
    others: Vec<(Place, Progress)>,
}

/// Sends what is to be sent until the server stops, and makes durable how far it has come.
pub async fn run(engine: Engine, callbacks: Arc<Callbacks>, shutdown: Shutdown) {
    let mut deliveries = Deliveries {
        engine,
        callbacks,
        runs: BTreeMap::new(),
        users: BTreeMap::new(),
        sending: JoinSet::new(),
        seen: Receiving::default(),
        has_ended: true,
        wake: None,
        rest: None,
        taken: BTreeMap::new(),
        others: Vec::new(),
    };
    let mut position = 0;
    let mut durable_by = None;
    while !shutdown.has_begun() {
        let wake = deliveries.begin_all();
        let engine = deliveries.engine.clone();
        let due = [wake, durable_by].into_iter().flatten().min();
        tokio::select! {
            () = shutdown.begun() => break,
            Some(sent) = deliveries.sending.join_next() => deliveries.ended(sent),
            newest = engine.committed_after(position) => {
                position = newest;
                sleep(LOOK).await;
            }
            () = wait_until(due) => {}
        }
        while let Some(sent) = deliveries.sending.try_join_next() {
            deliveries.ended(sent);
        }
        if deliveries.taken.is_empty() && deliveries.others.is_empty() {
            durable_by = None;
        } else if *durable_by.get_or_insert_with(|| Instant::now() + TOGETHER) <= Instant::now() {
            let is_durable = deliveries.make_durable().await;
            durable_by = (!is_durable).then(|| Instant::now() + LAST);
        }
    }
    let last = async {
        while let Some(sent) = deliveries.sending.join_next().await {
            deliveries.ended(sent);
        }
    };
    let _ = timeout(LAST, last).await;
    deliveries.make_durable().await;
}

async fn wait_until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

impl Deliveries {
    /// Begins all requests that can be begun, if there may be any; gives back when to look again at the latest.
    fn begin_all(&mut self) -> Option<Instant> {
        let (state, now) = (self.engine.snapshot(), Instant::now());
        let is_due = self.has_ended
            || self.wake.is_some_and(|wake| wake <= now)
            || !self.seen.is_same(state.tasks.callbacks());
        if !is_due {
            return self.wake;
        }
        if self.rest.is_some_and(|rest| rest > now) {
            return self.rest;
        }
        (self.seen, self.has_ended) = (state.tasks.callbacks().clone(), false);
        self.wake = self.begin(&state, now);
        self.rest = Some(Instant::now() + now.elapsed() * REST);
        self.wake
    }

    fn begin(&mut self, state: &State, now: Instant) -> Option<Instant> {
        let (most, of_user) = {
            let limits = self.engine.limits();
            (limits.callbacks_sending_max, limits.callbacks_sending_user_max)
        };
        if self.runs.len() > state.tasks.callbacks().len() {
            self.runs.retain(|place, run| run.is_sending || state.tasks.callbacks().get(place).is_some());
        }
        let mut wake: Option<Instant> = None;
        for place in state.tasks.callbacks().waiting() {
            if self.sending.len() >= most {
                break;
            }
            let (done, wait) = match self.runs.get(place) {
                Some(run) if run.is_sending => continue,
                Some(run) => (run.done, run.wait.filter(|wait| *wait > now)),
                None => (0, None),
            };
            if let Some(wait) = wait {
                wake = Some(wake.map_or(wait, |other| other.min(wait)));
                continue;
            }
            let Some(callback) = state.tasks.callbacks().get(place) else { continue };
            let next = callback.undelivered.iter().copied().find(|position| *position > done);
            let user: Arc<str> = state.owner(&callback.agent).unwrap_or(&callback.agent).into();
            let under_way = self.users.get(&user).copied().unwrap_or(0);
            if let Some(position) = next.filter(|_| under_way < of_user) {
                *self.users.entry(user.clone()).or_default() += 1;
                self.runs.entry(place.clone()).or_default().is_sending = true;
                self.send(place.clone(), user, Arc::clone(callback), position);
            }
        }
        wake
    }

    fn send(&mut self, place: Place, user: Arc<str>, callback: Arc<Callback>, position: u64) {
        let (engine, callbacks) = (self.engine.clone(), Arc::clone(&self.callbacks));
        let patience = Duration::from_secs(engine.limits().callback_timeout_s.into());
        self.sending.spawn(async move {
            let (drafts, now) = (callback.receiver.drafts.unwrap_or(false), engine.clock().now());
            let read = tokio::task::spawn_blocking(move || engine.told(position, drafts)).await;
            let outcome = match read {
                Ok(Ok(Some(told))) => {
                    // As in the event streams, where this is the second notification of the event.
                    let id = if drafts { format!("{position}.1") } else { position.to_string() };
                    match callbacks.send(&callback, &id, &told, now, patience).await {
                        Ok(()) => Outcome::Delivered,
                        Err(why) => Outcome::Failed(why),
                    }
                }
                // It was forgotten.
                Ok(Ok(None)) => Outcome::Lost,
                Ok(Err(error)) => Outcome::Failed(format!("the event cannot be read: {error}")),
                Err(error) => Outcome::Failed(error.to_string()),
            };
            Sent { place, user, position, outcome }
        });
    }

    fn ended(&mut self, sent: Result<Sent, tokio::task::JoinError>) {
        // A task that fails is one of a runtime that stops.
        let Ok(Sent { place, user, position, outcome }) = sent else { return };
        let left = self.users.get(&user).copied().unwrap_or(0).saturating_sub(1);
        if left == 0 {
            self.users.remove(&user);
        } else {
            self.users.insert(user, left);
        }
        let limits = self.engine.limits();
        let (least_s, most_s) = (limits.callback_wait_min_s, limits.callback_wait_max_s);
        let attempts_max = limits.callback_attempts_max;
        self.has_ended = true;
        let run = self.runs.entry(place.clone()).or_default();
        run.is_sending = false;
        match outcome {
            Outcome::Delivered => {
                self.callbacks.delivered.count();
                (run.attempts, run.wait, run.done) = (0, None, position);
                self.taken.insert(place, position);
            }
            Outcome::Lost => {
                run.done = position;
                self.others.push((place, Progress::Lost(position)));
            }
            Outcome::Failed(why) => {
                self.callbacks.failed.count();
                run.attempts = run.attempts.saturating_add(1);
                let wait = self.callbacks.wait(run.attempts, least_s, most_s);
                run.wait = Some(Instant::now() + wait);
                tracing::debug!(
                    task = place.0.as_ref(),
                    id = place.1.as_ref(),
                    why,
                    "a receiver has not taken a report"
                );
                if run.attempts >= attempts_max {
                    self.callbacks.stopped.count();
                    let why =
                        format!("{} attempts in a row failed, the last one because {why}", run.attempts);
                    // It is not tried any more until that is durable.
                    run.wait = Some(Instant::now() + PATIENCE);
                    self.others.push((place, Progress::Stopped(why)));
                }
            }
        }
    }

    /// Makes durable how far deliveries have come. False if it has to be tried again.
    async fn make_durable(&mut self) -> bool {
        let taken = std::mem::take(&mut self.taken);
        let others = std::mem::take(&mut self.others);
        let delivered = taken.iter().map(|(place, position)| (place.clone(), Progress::Delivered(*position)));
        let mut all: Vec<(Place, Progress)> = delivered.chain(others.iter().cloned()).collect();
        // What was lost before something was delivered is told before it, or it would not count.
        all.sort_by_key(|(_, progress)| match progress {
            Progress::Delivered(position) | Progress::Lost(position) => *position,
            Progress::Stopped(_) => u64::MAX,
        });
        if let Err(error) = self.engine.delivered(all.clone()).await {
            tracing::debug!(%error, "how far deliveries have come is not durable yet");
            for (place, position) in taken {
                self.taken.entry(place).or_insert(position);
            }
            self.others.splice(0..0, others);
            return false;
        }
        for (place, progress) in all {
            let is_over = |run: &Run| match progress {
                Progress::Delivered(position) => !run.is_sending && run.attempts == 0 && run.done <= position,
                Progress::Lost(_) => false,
                Progress::Stopped(_) => !run.is_sending,
            };
            if self.runs.get(&place).is_some_and(is_over) {
                self.runs.remove(&place);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::admits;

    #[test]
    fn a_receiver_is_refused_in_words_that_fit_what_is_allowed_and_at_no_port_that_there_is_not() {
        for url in ["https://a", "https://a:1/b", "https://[2001:db8::1]:65535/", "https://a.b:443?c"] {
            assert_eq!(admits(url, false, |_| true), Ok(()), "{url}");
        }
        for port in ["0", "65536", "99999", ""] {
            let url = format!("http://127.0.0.1:{port}/");
            let refused = admits(&url, true, |_| true);
            assert!(refused.is_err_and(|why| why.contains("port")), "{url}");
        }
        assert!(admits("ftp://a", false, |_| true).is_err_and(|why| why.contains("https URL")));
        assert!(admits("ftp://a", true, |_| true).is_err_and(|why| why.contains("https or http URL")));
        assert!(admits("http://a", false, |_| true).is_err_and(|why| why.contains("https URL")));
    }
}
