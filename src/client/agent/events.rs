//! The events of a server, followed over restarts and lost links: each comes once, in the order of the server's log. It never
//! acts on what it hears.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::modelled::parsed;
use super::{Agent, is_lost};
use crate::client::data::Element;
use crate::client::error::ClientError;
use crate::client::request::{Notification, Subscribe};
use crate::client::session::{Session, Subscription};
use crate::yang::generated::magent_registry::RegistryChange;
use crate::yang::generated::magent_task::{NegotiationEvent, TaskEvent};
use crate::yang::model::Modelled;
use tokio::time::sleep;

/// Notifications about a subscription itself (RFC 8639 section 2.7); they have no place in the stream.
const SUBSCRIBED: &str = "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications";

/// What has happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// `task-event`.
    Task(Box<TaskEvent>),
    /// `negotiation-event`.
    Negotiation(Box<NegotiationEvent>),
    /// `registry-change`.
    Registry(Box<RegistryChange>),
    /// A notification of another kind, as it came.
    Other(Box<Element>),
}

/// How far a stream was heard: what to keep on disk, as text, to go on from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The id of the last event, if the protocol gives one.
    id: Option<String>,
    /// The time of the last event, as the server wrote it: a replay begins there.
    time: String,
    /// How many events of that time were heard: so many of a replay are passed over.
    heard: usize,
}

impl Position {
    /// Before everything that the server still knows.
    pub fn beginning() -> Position {
        Position::since("1970-01-01T00:00:00Z")
    }

    /// Before what happened at a time: RFC 3339, such as that of a registration.
    pub fn since(time: impl Into<String>) -> Position {
        Position { id: None, time: time.into(), heard: 0 }
    }

    fn advance(&mut self, notification: &Notification) {
        self.id.clone_from(&notification.id);
        self.heard = if self.time == notification.time { self.heard + 1 } else { 1 };
        self.time.clone_from(&notification.time);
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.time, self.heard, self.id.as_deref().unwrap_or("-"))
    }
}

impl FromStr for Position {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Position, &'static str> {
        let mut words = text.split_whitespace();
        let (Some(time), Some(heard), Some(id), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err("a position is a time, a number and an id");
        };
        let heard = heard.parse().map_err(|_| "the second word of a position is a number")?;
        Ok(Position { id: (id != "-").then(|| id.to_owned()), time: time.to_owned(), heard })
    }
}

/// The events of a server from a position on.
#[derive(Debug)]
pub struct Events {
    agent: Arc<Agent>,
    position: Position,
    open: Option<Open>,
    /// How many connections in a row brought nothing.
    barren: u32,
}

#[derive(Debug)]
struct Open {
    /// The subscription ends with it.
    _session: Session,
    subscription: Subscription,
    /// The time that the replay began with, and how many of its events are still to be passed over.
    repeated: (String, usize),
}

impl Events {
    pub(super) fn new(agent: Arc<Agent>, position: Position) -> Events {
        Events { agent, position, open: None, barren: 0 }
    }

    /// Up to where the events were given out.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Waits for the next event. A connection that is lost is made again, with more and more time between attempts; what was
    /// missed meanwhile comes first.
    ///
    /// # Errors
    /// The server refuses, breaks the protocol, or is not reached in as many attempts as the agent's
    /// [`Retry`](super::Retry) allows.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            let notification = match self.next_of_connection().await {
                Ok(Some(notification)) => notification,
                Ok(None) => {
                    self.open = None;
                    continue;
                }
                Err(error) if is_lost(&error) && self.open.is_some() => {
                    self.open = None;
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.barren = 0;
            if &*notification.event.namespace == SUBSCRIBED || self.is_repeated(&notification) {
                continue;
            }
            let event = event(&notification.event, self.agent.limits.depth_max)?;
            self.position.advance(&notification);
            return Ok(event);
        }
    }

    async fn next_of_connection(&mut self) -> Result<Option<Notification>, ClientError> {
        if self.open.is_none() {
            let (agent, position) = (&self.agent, &self.position);
            // One that ends as soon as it is made is not made again at once.
            if let Some(attempt) = self.barren.checked_sub(1) {
                sleep(agent.retry.wait(attempt)).await;
            }
            self.barren = self.barren.saturating_add(1);
            let mut attempt = 0;
            self.open = loop {
                match open(agent, position).await {
                    Ok(open) => break Some(open),
                    Err(error) => agent.wait_after(error, &mut attempt).await?,
                }
            };
        }
        match &mut self.open {
            Some(open) => open.subscription.next().await.transpose(),
            None => Ok(None),
        }
    }

    /// Whether a replay brings what was heard before.
    fn is_repeated(&mut self, notification: &Notification) -> bool {
        let Some(Open { repeated: (time, left), .. }) = &mut self.open else { return false };
        if notification.time != *time {
            *left = 0;
        }
        let is_repeated = *left > 0;
        *left = left.saturating_sub(1);
        is_repeated
    }
}

async fn open(agent: &Agent, position: &Position) -> Result<Open, ClientError> {
    let session = agent.connect().await?;
    // Only RESTCONF gives ids, and takes them.
    let (after, left) = match &position.id {
        Some(id) => (Some(id.clone()), 0),
        None => (None, position.heard),
    };
    let subscribe = Subscribe { from: Some(position.time.clone()), after, ..Subscribe::default() };
    let subscription = session.subscribe(&subscribe).await?;
    Ok(Open { _session: session, subscription, repeated: (position.time.clone(), left) })
}

fn event(element: &Element, depth_max: usize) -> Result<Event, ClientError> {
    let is = |node: &crate::yang::schema::Node| {
        element.name == node.name && *element.namespace == *node.module.namespace
    };
    Ok(match element {
        _ if is(TaskEvent::node()) => Event::Task(Box::new(parsed(element, depth_max)?)),
        _ if is(NegotiationEvent::node()) => Event::Negotiation(Box::new(parsed(element, depth_max)?)),
        _ if is(RegistryChange::node()) => Event::Registry(Box::new(parsed(element, depth_max)?)),
        _ => Event::Other(Box::new(element.clone())),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_the_same_after_it_was_kept_as_text() {
        let mut position = Position::beginning();
        let at = |time: &str, id: Option<&str>| Notification {
            time: time.to_owned(),
            id: id.map(str::to_owned),
            event: Element::default(),
        };
        for (notification, text) in [
            (at("2026-01-01T00:00:00Z", Some("7.1")), "2026-01-01T00:00:00Z 1 7.1"),
            (at("2026-01-01T00:00:00Z", Some("7.2")), "2026-01-01T00:00:00Z 2 7.2"),
            (at("2026-01-01T00:00:01Z", None), "2026-01-01T00:00:01Z 1 -"),
        ] {
            position.advance(&notification);
            assert_eq!(position.to_string(), text);
            assert_eq!(text.parse::<Position>().unwrap(), position);
        }
        assert!(
            "2026-01-01T00:00:00Z many -".parse::<Position>().is_err() && "".parse::<Position>().is_err()
        );
    }
}
