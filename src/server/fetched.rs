//! The public keys of an issuer that are at a URL: fetched before they end, and once more for a key that is not among them.
//!
//! It never takes keys of a server that has not proved to be the one of the URL, and never asks it as often as somebody else
//! would like: anybody can make up the name of a key.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, AGE, CACHE_CONTROL};
use hyper::{HeaderMap, Request, Uri};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use super::jwks::Keys;
use super::outgoing::Outgoing;
use crate::clock::{Clock, Timestamp};
use crate::limits::Limits;

const MEDIA_TYPES: &str = "application/jwk-set+json, application/json";
/// How long keys are fresh if the issuer does not say.
const FRESH_S: u64 = 3600;

/// Keys at a URL.
#[derive(Debug)]
pub struct Fetched {
    url: Uri,
    outgoing: Arc<Outgoing>,
    clock: Clock,
    again_s: u64,
    fresh_s: std::ops::RangeInclusive<u64>,
    stale_s: u64,
    kept: ArcSwapOption<Kept>,
    /// When they were last asked for. Who holds it asks.
    asked: Mutex<Option<Timestamp>>,
    keeper: OnceLock<AbortHandle>,
}

#[derive(Debug)]
struct Kept {
    keys: Arc<Keys>,
    /// When they are fetched again: before they end.
    due: Timestamp,
    /// When they are of no use any more, even if no others can be had.
    ends: Timestamp,
}

impl Fetched {
    /// Keys that nobody has asked for yet.
    pub fn new(url: Uri, outgoing: Arc<Outgoing>, clock: Clock, limits: &Limits) -> Arc<Fetched> {
        Arc::new(Fetched {
            url,
            outgoing,
            clock,
            again_s: limits.issuer_again_s,
            fresh_s: limits.issuer_keys_min_s..=limits.issuer_keys_max_s.max(limits.issuer_keys_min_s),
            stale_s: limits.issuer_stale_s,
            kept: ArcSwapOption::empty(),
            asked: Mutex::new(None),
            keeper: OnceLock::new(),
        })
    }

    /// Begins to fetch, on this runtime, unless that has begun.
    pub fn begin(self: &Arc<Self>, runtime: &Handle) {
        self.keeper
            .get_or_init(|| runtime.spawn(keep(Arc::downgrade(self), self.clock.clone())).abort_handle());
    }

    /// The keys, if there are some that have not become useless.
    pub fn get(&self) -> Option<Arc<Keys>> {
        let now = self.clock.now();
        self.kept.load().as_ref().filter(|kept| now < kept.ends).map(|kept| Arc::clone(&kept.keys))
    }

    /// Fetches them now, unless that was tried a moment ago. Who comes meanwhile waits for the same answer.
    pub async fn again(self: &Arc<Self>) {
        let fetched = Arc::clone(self);
        // In a task of its own: who asks and goes away does not take the turn of who asks and waits.
        if let Err(error) = tokio::spawn(async move { fetched.once().await }).await {
            tracing::error!(%error, "fetching keys ended badly");
        }
    }

    async fn once(&self) {
        let mut asked = self.asked.lock().await;
        let now = self.clock.now();
        let is_early = |last: Timestamp| last.until(now) < Duration::from_secs(self.again_s);
        if asked.is_some_and(is_early) {
            return;
        }
        *asked = Some(now);
        match self.fetch().await {
            Ok((keys, fresh_s)) => {
                let now = self.clock.now();
                let after = |seconds: u64| after(now, seconds);
                let ends = after(fresh_s.saturating_add(self.stale_s));
                let kept = Kept { keys: Arc::new(keys), due: after(fresh_s - fresh_s / 4), ends };
                self.kept.store(Some(Arc::new(kept)));
            }
            Err(reason) => {
                tracing::warn!(url = %self.url, reason, "the keys of an issuer cannot be fetched");
            }
        }
    }

    async fn fetch(&self) -> Result<(Keys, u64), String> {
        let request = Request::get(self.url.clone()).header(ACCEPT, MEDIA_TYPES);
        let request = request.body(Full::new(Bytes::new())).map_err(|error| error.to_string())?;
        let response = self.outgoing.ask(request).await.map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(format!("the answer is {}", response.status()));
        }
        let keys = Keys::parse(&self.url, response.body()).map_err(|error| error.to_string())?;
        let fresh_s = fresh_s(response.headers()).unwrap_or(FRESH_S);
        Ok((keys, fresh_s.clamp(*self.fresh_s.start(), *self.fresh_s.end())))
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.get() {
            keeper.abort();
        }
    }
}

async fn keep(fetched: Weak<Fetched>, clock: Clock) {
    loop {
        let due = {
            let Some(fetched) = fetched.upgrade() else { return };
            fetched.again().await;
            let again = after(clock.now(), fetched.again_s);
            fetched.kept.load().as_ref().map_or(again, |kept| kept.due.max(again))
        };
        clock.sleep_until(due).await;
    }
}

fn after(now: Timestamp, seconds: u64) -> Timestamp {
    now.saturating_add_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// For how many seconds the answer is still fresh (RFC 9111 section 4.2); `None` if it does not say.
fn fresh_s(headers: &HeaderMap) -> Option<u64> {
    let texts = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives =
        texts.flat_map(|text| text.split(',')).map(|directive| directive.trim().to_ascii_lowercase());
    let mut max_age = None;
    for directive in directives {
        match directive.split_once('=') {
            // What is not understood has ended (RFC 9111 section 4.2.1).
            Some(("max-age", seconds)) => max_age = Some(seconds.trim_matches('"').parse().unwrap_or(0)),
            None if directive == "no-cache" || directive == "no-store" => return Some(0),
            _ => {}
        }
    }
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.parse().ok()).unwrap_or(0);
    max_age.map(|max_age: u64| max_age.saturating_sub(age))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_how_long_it_is_fresh() {
        let told = |fields: &[(&'static str, &str)]| {
            fresh_s(
                &fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
            )
        };
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[("cache-control", "public")]), None);
        assert_eq!(told(&[("cache-control", "public, Max-Age=300")]), Some(300));
        assert_eq!(told(&[("cache-control", "max-age=\"300\""), ("age", "100")]), Some(200));
        assert_eq!(told(&[("cache-control", "max-age=300"), ("age", "1000")]), Some(0));
        assert_eq!(told(&[("cache-control", "max-age=300"), ("cache-control", "no-store")]), Some(0));
        for wrong in ["max-age=", "max-age=-1", "max-age=x", "max-age=99999999999999999999"] {
            assert_eq!(told(&[("cache-control", wrong)]), Some(0), "{wrong}");
        }
    }
}
