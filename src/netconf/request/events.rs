//! `create-subscription` (RFC 5277 section 2.1.1).
//!
//! Which events there are is not known here.

use super::read::{expression, xpath};
use super::{Call, Request, given};
use crate::clock::Timestamp;
use crate::engine::{Engine, Filter, From};
use crate::yang::error::{Error, Tag};
use crate::yang::generated::notifications::{CreateSubscriptionInput, nodes as notifications};
use crate::yang::tree::AnyData;
use crate::yang::xml::parse::Element;

pub(super) fn subscribe(mut call: Call<'_, '_>) -> Result<Request, Error> {
    let engine = call.engine;
    let filter = call.take("filter")?;
    let taken: &[_] =
        if filter.is_some() { &[&notifications::CREATE_SUBSCRIPTION_INPUT_FILTER] } else { &[] };
    let input: CreateSubscriptionInput = given(&call.input(taken)?)?;
    let filter = filter.map(|filter| event_filter(engine, &filter)).transpose()?;
    if input.stream != crate::engine::STREAM {
        let message = format!("there is no stream \"{}\"", input.stream);
        return Err(Error::application(Tag::InvalidValue, message).info("bad-element", "stream"));
    }
    let time = |text: &Option<String>, name: &str| {
        let parsed = text.as_deref().map(str::parse::<Timestamp>).transpose();
        parsed.map_err(|e| {
            Error::protocol(Tag::InvalidValue, format!("<{name}>: {e}")).info("bad-element", name)
        })
    };
    let (start, until) = (time(&input.start_time, "startTime")?, time(&input.stop_time, "stopTime")?);
    let now = engine.clock().now();
    let wrong = |tag, message: &str, name: &str| Err(Error::protocol(tag, message).info("bad-element", name));
    match (start, until) {
        (Some(start), _) if start > now => {
            return wrong(Tag::BadElement, "<startTime> is in the future", "startTime");
        }
        (None, Some(_)) => return wrong(Tag::MissingElement, "<stopTime> needs <startTime>", "startTime"),
        (Some(start), Some(until)) if until < start => {
            return wrong(Tag::BadElement, "<stopTime> is before <startTime>", "stopTime");
        }
        _ => {}
    }
    Ok(Request::Subscribe { filter, from: start.map_or(From::Now, From::Time), until })
}

/// The `<filter>` of events (RFC 5277 section 3.6).
fn event_filter(engine: &Engine, filter: &Element<'_>) -> Result<Filter, Error> {
    match expression(filter)? {
        Some(expression) => xpath(engine, filter, expression),
        None => Filter::subtree_of_events(&AnyData::Xml(filter.content().into()), engine.limits()),
    }
}
