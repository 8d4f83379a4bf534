//! Event streams as server-sent events (RFC 8040 section 6; the WHATWG HTML standard, section 9.2).
//!
//! Nothing is queued here: the next event is asked for when the client has taken the last, so one that reads slowly, or
//! not at all, holds up nobody and costs no memory, and its connection is closed when nothing moved on it for
//! `idle_timeout_s`. How it learns what it missed:
//!
//! - The id of an event of `/restconf/streams` is its place in the log. A client that reconnects with `Last-Event-ID`, as
//!   browsers do by themselves, or with `start-time`, goes on where it was, however long ago: there is no gap.
//! - The events of a subscription have no id (RFC 8650 section 3.4), and with its stream the subscription is over. A
//!   subscription to events is established anew with `replay-start-time`, the `eventTime` of the last event that came: it
//!   is replayed, as far back as `replay-start-time-revision` says, and `replay-completed` tells where the new begins.
//! - To a subscription to data, whatever happened while its client did not read is one update. If that would be too large,
//!   `subscription-suspended` tells so, and the next update is in full or marked with `incomplete-update`.

use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::Response;
use futures_util::future::{Either, select};
use futures_util::stream;

use super::errors::Refusal;
use super::media::{self, Encoding};
use super::params::Place;
use super::request::Asked;
use super::{PREFIX_SUBSCRIPTIONS, answer, options};
use crate::access::Standing;
use crate::clock::Clock;
use crate::engine::{Delivered, DynamicSubscription, Engine, Filter, From, Subscription};
use crate::yang::error::{Error, Tag};
use crate::yang::generated::ietf_restconf_subscribed_notifications::nodes::ESTABLISH_SUBSCRIPTION_OUTPUT_URI;
use crate::yang::generated::ietf_subscribed_notifications::identities::ENCODE_XML;
use crate::yang::generated::ietf_subscribed_notifications::nodes::ESTABLISH_SUBSCRIPTION_OUTPUT_ID;
use crate::yang::generated::notifications::nodes::CREATE_SUBSCRIPTION;
use crate::yang::notification;
use crate::yang::tree::{Child, Container};
use crate::yang::value::Value;

/// The only stream (RFC 8040 section 6.3.1 wants it under this name).
pub use crate::engine::STREAM as NAME;
/// The encodings that its events can have.
pub const ENCODINGS: [Encoding; 2] = [Encoding::Json, Encoding::Xml];
const MEDIA_TYPE: &str = "text/event-stream";
/// How often it is looked whether who follows a quiet stream still may.
const STANDING_S: i64 = 5;
const METHODS: &str = "GET, HEAD, OPTIONS";

/// The stream with JSON events.
pub const PATH_JSON: &str = "/restconf/streams/NETCONF/json";
/// The stream with XML events.
pub const PATH_XML: &str = "/restconf/streams/NETCONF/xml";

/// The stream in one of its encodings. It is for those who may invoke `create-subscription`, which does the same.
pub fn serve(engine: &Engine, asked: &Asked, encoding: Encoding) -> Result<Response, Refusal> {
    asked.allow(METHODS)?;
    if asked.method == Method::OPTIONS {
        return Ok(options(METHODS));
    }
    let params = asked.params(Place::Stream)?;
    engine.admit(&asked.principal, &CREATE_SUBSCRIPTION)?;
    media::accepted(&asked.headers, &[MEDIA_TYPE]).ok_or_else(|| Refusal::not_acceptable(MEDIA_TYPE))?;
    let limits = engine.limits();
    let filter = params.filter.as_deref().map(|text| Filter::xpath(text, limits)).transpose()?;
    if params.start_time.is_some_and(|start| start > engine.clock().now()) {
        // RFC 8040 section 4.8.7.
        return Err(Error::protocol(Tag::InvalidValue, "\"start-time\" is in the future").into());
    }
    // Who reconnects repeats the query too; where it was is the better place to go on.
    let from = match (last_event_id(&asked.headers)?, params.start_time) {
        (Some(last), _) => last,
        (None, Some(start)) => From::Time(start),
        (None, None) => From::Now,
    };
    let subscription = engine.subscribe(&asked.principal, filter, from, params.stop_time)?;
    if asked.method == Method::HEAD {
        return Ok(events_of(Body::from_stream(stream::empty::<Result<Bytes, Infallible>>())));
    }
    Ok(follow(engine, Source::Log(Box::new(subscription)), encoding, asked))
}

/// The stream of a dynamic subscription (RFC 8650 section 3.4), in the encoding that was agreed. Its events have no
/// id: when it is broken off, the subscription is over.
pub fn subscription(engine: &Engine, asked: &Asked) -> Result<Response, Refusal> {
    asked.allow(METHODS)?;
    if asked.method == Method::OPTIONS {
        return Ok(options(METHODS));
    }
    asked.params(Place::Nowhere)?;
    media::accepted(&asked.headers, &[MEDIA_TYPE]).ok_or_else(|| Refusal::not_acceptable(MEDIA_TYPE))?;
    let name = asked.path_below(PREFIX_SUBSCRIPTIONS);
    let refusal = |error| Refusal::from(error).into_not_found();
    if asked.method == Method::HEAD {
        engine.find_subscription(&asked.principal, name).map_err(refusal)?;
        return Ok(events_of(Body::from_stream(stream::empty::<Result<Bytes, Infallible>>())));
    }
    let subscription = engine.open_subscription(&asked.principal, name).map_err(refusal)?;
    let encoding = match subscription.encoding() == &ENCODE_XML {
        true => Encoding::Xml,
        false => Encoding::Json,
    };
    Ok(follow(engine, Source::Subscription(Box::new(subscription)), encoding, asked))
}

/// Tells the subscriber, and everybody who looks at the subscription, where its stream is. The name cannot be guessed
/// (RFC 8650 section 9).
pub fn locate(engine: &Engine, asked: &Asked, established: &mut Container) {
    let Some(Value::Uint32(id)) = established.leaf(&ESTABLISH_SUBSCRIPTION_OUTPUT_ID) else { return };
    let uri = asked.uri(&format!("{PREFIX_SUBSCRIPTIONS}/{}", uuid::Uuid::new_v4().simple()));
    engine.locate_subscription(*id, &uri, asked.standing.clone());
    established.set(&ESTABLISH_SUBSCRIPTION_OUTPUT_URI, Child::Leaf(Value::string(uri)));
}

/// What is followed.
enum Source {
    Log(Box<Subscription>),
    Subscription(Box<DynamicSubscription>),
}

/// A stream that is followed.
struct Followed {
    source: Source,
    encoding: Encoding,
    standing: Option<Standing>,
    clock: Clock,
    over: bool,
}

/// Octets of events that are sent together, if as many wait: no more than one record of TLS.
const TOGETHER_BYTES: usize = 15 << 10;
/// What is sent when there is nothing to tell for so long, so that nobody on the way takes the connection for dead.
const KEEP_ALIVE: &[u8] = b":\n\n";
const KEEP_ALIVE_S: i64 = 15;

fn follow(engine: &Engine, source: Source, encoding: Encoding, asked: &Asked) -> Response {
    let (standing, clock) = (asked.standing.clone(), engine.clock().clone());
    let followed = Followed { source, encoding, standing, clock, over: false };
    let events = stream::unfold(followed, |mut followed| async {
        let texts = followed.next().await?;
        Some((Ok::<_, Infallible>(texts), followed))
    });
    events_of(Body::from_stream(events))
}

fn events_of(events: Body) -> Response {
    let mut response = answer::ok(MEDIA_TYPE, events);
    // Proxies that gather what they pass on would keep events back.
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// What comes next.
enum Next {
    Told(Delivered),
    /// Nothing for a while.
    Quiet,
    /// Who follows may no longer.
    Lapsed,
}

impl Followed {
    /// The text of the next events, as many as there are; `None` if there are no more.
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let quiet_until = self.clock.now().saturating_add_seconds(KEEP_ALIVE_S);
        let next = {
            let lapsed = pin!(lapse(self.standing.as_ref(), &self.clock));
            let quiet = pin!(self.clock.sleep_until(quiet_until));
            match select(lapsed, select(pin!(self.source.next()), quiet)).await {
                Either::Left(_) => Next::Lapsed,
                Either::Right((Either::Left((next, _)), _)) => Next::Told(next?),
                Either::Right((Either::Right(_), _)) => Next::Quiet,
            }
        };
        let stands = self.standing.as_ref().is_none_or(Standing::holds);
        match (next, &mut self.source) {
            (Next::Quiet, _) if stands => Some(Bytes::from_static(KEEP_ALIVE)),
            (Next::Told(first), Source::Log(subscription)) if stands => {
                Some(together(&first, subscription, self.encoding))
            }
            (Next::Told(told), Source::Subscription(_)) if stands => Some(event(&told, None, self.encoding)),
            // Who was removed, or whose token has ended, is told nothing more than that.
            (_, Source::Log(_)) => None,
            (_, Source::Subscription(subscription)) => {
                self.over = true;
                Some(event(&subscription.revoke(), None, self.encoding))
            }
        }
    }
}

/// An event of the log with those after it that wait already.
fn together(first: &Delivered, subscription: &mut Subscription, encoding: Encoding) -> Bytes {
    let text = |delivered: &Delivered| {
        let make = |delivered: &Delivered| event(delivered, Some(event_id(delivered)), encoding);
        delivered.form(encoding == Encoding::Xml, make)
    };
    let Some(second) = subscription.ready() else { return text(first) };
    let mut texts = Vec::with_capacity(TOGETHER_BYTES);
    texts.extend_from_slice(&text(first));
    texts.extend_from_slice(&text(&second));
    while let Some(more) = (texts.len() < TOGETHER_BYTES).then(|| subscription.ready()).flatten() {
        texts.extend_from_slice(&text(&more));
    }
    texts.into()
}

/// Waits until what proved the client's identity no longer does; it is looked at every so often.
async fn lapse(standing: Option<&Standing>, clock: &Clock) {
    let Some(standing) = standing else { return pending().await };
    while standing.holds() {
        clock.sleep_until(clock.now().saturating_add_seconds(STANDING_S)).await;
    }
}

impl Source {
    async fn next(&mut self) -> Option<Delivered> {
        match self {
            Source::Log(subscription) => subscription.next().await.unwrap_or_else(|error| {
                tracing::error!(%error, "an event stream was ended");
                None
            }),
            Source::Subscription(subscription) => subscription.next().await,
        }
    }
}

/// One event as it is sent.
fn event(delivered: &Delivered, id: Option<String>, encoding: Encoding) -> Bytes {
    let mut text = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    for line in enveloped(delivered, encoding).split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text.into()
}

/// The envelope of RFC 8040 section 6.4: `ietf-restconf:notification` in JSON, that of RFC 5277 in XML.
fn enveloped(delivered: &Delivered, encoding: Encoding) -> String {
    let (at, told) = (delivered.at, &delivered.notification);
    let out = match encoding {
        // The data of a server-sent event is text, so there is no stream in CBOR.
        Encoding::Json | Encoding::Cbor(_) => notification::json(at, told),
        Encoding::Xml => notification::xml(at, told),
    };
    // Encoders write UTF-8 alone.
    String::from_utf8_lossy(&out).into_owned()
}

/// `{position}`, and `.{part}` if it is not the first notification there.
fn event_id(delivered: &Delivered) -> String {
    match delivered.part {
        0 => delivered.position.to_string(),
        part => format!("{}.{part}", delivered.position),
    }
}

/// Where the client was. An empty id is none: that is how a client forgets one.
fn last_event_id(headers: &HeaderMap) -> Result<Option<From>, Refusal> {
    let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) else { return Ok(None) };
    let parse = |text: &str| {
        let (position, part) = text.split_once('.').unwrap_or((text, "0"));
        Some(From::After { position: position.parse().ok()?, part: part.parse().ok()? })
    };
    let from = value.to_str().ok().and_then(parse);
    let wrong =
        || Error::protocol(Tag::InvalidValue, "\"Last-Event-ID\" is no id of an event of this stream");
    Ok(Some(from.ok_or_else(wrong)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn from(id: &'static str) -> Option<Option<From>> {
        let mut headers = HeaderMap::new();
        headers.insert("last-event-id", HeaderValue::from_static(id));
        last_event_id(&headers).ok()
    }

    #[test]
    fn an_event_id_names_the_place_after_which_to_go_on() {
        assert_eq!(from("17"), Some(Some(From::After { position: 17, part: 0 })));
        assert_eq!(from("17.2"), Some(Some(From::After { position: 17, part: 2 })));
        assert_eq!(from(""), Some(None));
        for other in ["x", "-1", "1.", "1.x", "1.2.3", "99999999999999999999"] {
            assert_eq!(from(other), None, "{other}");
        }
    }
}
