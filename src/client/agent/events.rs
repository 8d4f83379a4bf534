//! The events of a server, followed over restarts and lost links: each comes once, in the order of the server's log, as
//! [`Events`] says. It never acts on what it hears.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::Agent;
use super::modelled::parsed;
use crate::client::data::Element;
use crate::client::error::ClientError;
use crate::client::request::{Notification, Subscribe};
use crate::client::session::{Session, Subscription};
use crate::client::url::Scheme;
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

/// How far the stream of a server was heard: what to keep on disk, as text, to go on from there, over whatever protocol. It is
/// worth nothing for a server with another log, or one that was put back to before it.
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

/// The events of a server from a position on, each once. Over NETCONF, where events have no ids, a replay begins at the time of
/// the last one and what was heard of that time is passed over; so it takes a server whose clock is not set back: if it is,
/// events come again, or the server refuses until the clock has caught up.
#[derive(Debug)]
pub struct Events {
    agent: Arc<Agent>,
    position: Position,
    open: Option<Open>,
    /// How many connections in a row brought nothing new.
    barren: u32,
    /// The time that the replay began with, and how many of its events are still to be passed over.
    repeated: (String, usize),
}

#[derive(Debug)]
struct Open {
    /// The subscription ends with it.
    _session: Session,
    subscription: Subscription,
}

impl Events {
    pub(super) fn new(agent: Arc<Agent>, position: Position) -> Events {
        Events { agent, position, open: None, barren: 0, repeated: Default::default() }
    }

    /// Up to where the events were given out.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Waits for the next event. A connection that is lost is made again, with more and more time between attempts; what was
    /// missed meanwhile comes first.
    ///
    /// # Errors
    /// The server refuses, breaks the protocol, or cannot be connected to in as many attempts as the agent's
    /// [`Retry`](super::Retry) allows. Connections that bring nothing new are made again without end, but not at once.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            let notification = match self.next_of_connection().await {
                Ok(Some(notification)) => notification,
                Ok(None) => {
                    self.open = None;
                    continue;
                }
                Err(error) if error.may_pass() && self.open.is_some() => {
                    self.open = None;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(event) = self.unheard(&notification)? {
                return Ok(event);
            }
        }
    }

    /// What has happened, unless it was heard before or is about the subscription.
    fn unheard(&mut self, notification: &Notification) -> Result<Option<Event>, ClientError> {
        if &*notification.event.namespace == SUBSCRIBED || self.is_repeated(notification) {
            return Ok(None);
        }
        self.barren = 0;
        let event = event(&notification.event, self.agent.limits.depth_max)?;
        self.position.advance(notification);
        Ok(Some(event))
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
            (self.open, self.repeated) = loop {
                match open(agent, position).await {
                    Ok((open, left)) => break (Some(open), (position.time.clone(), left)),
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
        let (time, left) = &mut self.repeated;
        if notification.time != *time {
            *left = 0;
        }
        let is_repeated = *left > 0;
        *left = left.saturating_sub(1);
        is_repeated
    }
}

/// A connection of its own, and how many of the first events are repeated.
async fn open(agent: &Agent, position: &Position) -> Result<(Open, usize), ClientError> {
    let session = agent.connect().await?;
    // Only RESTCONF takes ids; a time beside one would be judged too, and be wrong if the server's clock was set back.
    let after = position.id.clone().filter(|_| agent.url.scheme == Scheme::Https);
    let left = if after.is_some() { 0 } else { position.heard };
    let from = after.is_none().then(|| position.time.clone());
    let subscribe = Subscribe { from, after, ..Subscribe::default() };
    let subscription = session.subscribe(&subscribe).await?;
    Ok((Open { _session: session, subscription }, left))
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
    use crate::client::agent::Retry;
    use crate::client::credentials::Credentials;
    use crate::client::limits::Limits;

    #[test]
    fn a_connection_that_brings_what_was_heard_before_counts_as_barren() {
        let url = "tls://127.0.0.1:1".parse().unwrap();
        let agent = Agent::new("a", url, Credentials::default(), Limits::default(), Retry::default());
        let mut events = agent.follow(Position::beginning());
        (events.barren, events.repeated) = (3, ("2026-01-01T00:00:00Z".to_owned(), 2));
        let mut of = |namespace: &str| {
            let event = Element::new("e", &namespace.into());
            let notification = Notification { time: "2026-01-01T00:00:00Z".into(), id: None, event };
            (events.unheard(&notification).unwrap().is_some(), events.barren)
        };
        assert_eq!(["e", SUBSCRIBED, "e"].map(&mut of), [(false, 3); 3]);
        assert_eq!(of("e"), (true, 0));
    }

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
