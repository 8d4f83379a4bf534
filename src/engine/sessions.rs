//! NETCONF sessions (RFC 6241 section 1.1): which there are, and what they hold until they end: candidates and locks.
//!
//! All of it is memory: a restart ends every session and forgets what it held. That a session began and ended is in the
//! log. Nothing here knows a transport or a message.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use imbl::OrdMap;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use super::candidate::Candidates;
use super::locks::Locks;
use super::request::Candidate;
use super::state::State;
use crate::access::Principal;
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::ietf_netconf_monitoring::identities::Transport;
use crate::yang::generated::ietf_netconf_notifications::{
    NetconfSessionEnd, NetconfSessionEndTerminationReason as EndReason, NetconfSessionStart,
};
use crate::yang::model::Modelled;
use crate::yang::notification::Notification;
use crate::yang::tree::Container;
use crate::yang::value::Value;

/// All sessions, and what they hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Sessions {
    live: OrdMap<u32, Arc<Live>>,
    /// Candidates: the shared one, and those of sessions.
    pub(super) candidates: Candidates,
    /// Locks.
    pub(super) locks: Locks,
}

/// A session that has not ended.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) principal: Principal,
    pub(super) host: Option<IpAddr>,
    pub(super) transport: Transport,
    pub(super) since: Timestamp,
    pub(super) counters: Counters,
    /// Whether its candidate is its own.
    is_private: AtomicBool,
    /// Why it has to end, once it has.
    ended: watch::Sender<Option<Reason>>,
}

/// What `ietf-netconf-monitoring` counts of a session (RFC 6022 section 2.1.4).
#[derive(Debug, Default)]
pub struct Counters {
    /// Correct requests.
    pub in_rpcs: AtomicU64,
    /// Messages that were no correct request.
    pub in_bad_rpcs: AtomicU64,
    /// Replies with an error.
    pub out_rpc_errors: AtomicU64,
    /// Notifications.
    pub out_notifications: AtomicU64,
}

impl Live {
    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Counters {
    /// Counts one more.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }
}

/// Something that happened to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// It began.
    Started {
        /// Its `session-id`.
        session: u32,
        /// Whose it is.
        user: String,
        /// From where.
        host: Option<IpAddr>,
    },
    /// It ended.
    Ended {
        /// Its `session-id`.
        session: u32,
        /// Whose it was.
        user: String,
        /// From where.
        host: Option<IpAddr>,
        /// Why.
        reason: Reason,
        /// The session that killed it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        killed_by: Option<u32>,
    },
}

/// Why a session ended (RFC 6470 section 2.2, `termination-reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Its client closed it.
    Closed,
    /// Another session killed it.
    Killed,
    /// The transport was lost.
    Dropped,
    /// Nothing came from its client for too long.
    Timeout,
    /// Its client's first message was no valid hello.
    BadHello,
    /// Anything else, such as a message that is not understood or the end of the server.
    Other,
}

/// A session that a front end serves. Dropping it ends it.
#[derive(Debug)]
pub struct Session {
    id: u32,
    live: Arc<Live>,
    reason: Reason,
    /// Tells the writer that it ended.
    ending: mpsc::Sender<(u32, Reason)>,
}

impl Session {
    pub(super) fn new(id: u32, live: Arc<Live>, ending: mpsc::Sender<(u32, Reason)>) -> Self {
        Session { id, live, reason: Reason::Dropped, ending }
    }

    /// Its `session-id`.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Whose it is. Requests are made with this principal, so that the session's locks are its own.
    pub fn principal(&self) -> &Principal {
        &self.live.principal
    }

    /// What is counted of it.
    pub fn counters(&self) -> &Counters {
        &self.live.counters
    }

    /// Gives it a candidate of its own in place of the one that all share, before its first request.
    pub fn use_private_candidate(&self) {
        self.live.is_private.store(true, Relaxed);
    }

    /// Waits until another session kills it.
    pub async fn killed(&self) {
        let mut ended = self.live.ended.subscribe();
        // The sender is in `live`, which lives as long as this.
        let _ = ended.wait_for(Option::is_some).await;
    }

    /// Ends it for a reason.
    pub fn end(mut self, reason: Reason) {
        self.reason = reason;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // There is a place for each session, and a writer that is gone has ended all of them.
        let _ = self.ending.try_send((self.id, self.reason));
    }
}

impl Sessions {
    /// Whether these are the same as others of which they are a copy.
    pub(super) fn same(&self, other: &Sessions) -> bool {
        self.live.ptr_eq(&other.live)
            && self.candidates.same(&other.candidates)
            && self.locks.same(&other.locks)
    }

    /// The sessions by their identifiers.
    pub(super) fn live(&self) -> impl Iterator<Item = (u32, &Arc<Live>)> {
        self.live.iter().map(|(id, live)| (*id, live))
    }

    /// A session.
    pub(super) fn get(&self, id: u32) -> Option<&Arc<Live>> {
        self.live.get(&id)
    }

    /// The candidate that a principal means: that of its session, if this has one of its own.
    pub(super) fn candidate(&self, principal: &Principal) -> Candidate {
        let is_private = |id: &u32| self.get(*id).is_some_and(|live| live.is_private.load(Relaxed));
        principal.session.filter(is_private).map_or(Candidate::Shared, Candidate::Session)
    }

    /// Puts new content into a candidate, to which `added` nodes were brought.
    ///
    /// # Errors
    /// `resource-denied` if there are too many candidates, in all or of this user, or too many nodes in this one.
    pub(super) fn put(
        &mut self,
        which: Candidate,
        state: &State,
        content: Arc<Container>,
        now: Timestamp,
        added: usize,
        limits: &Limits,
    ) -> Result<(), Error> {
        let user = |candidate: Candidate| match candidate {
            Candidate::Session(id) => Some(self.live.get(&id)?.principal.name.as_str()),
            Candidate::Shared => None,
        };
        if let (Some(name), None) = (user(which), self.candidates.get(which))
            && self.candidates.edited().filter(|other| user(*other) == Some(name)).count()
                >= limits.candidates_user_max
        {
            let message = format!("a user has at most {} candidates", limits.candidates_user_max);
            return Err(Error::application(Tag::ResourceDenied, message));
        }
        self.candidates.put(which, state, content, now, added, limits)
    }

    /// Begins a session. `newest` is the identifier of the newest before it.
    ///
    /// # Errors
    /// `resource-denied` if there are `sessions_max`, or `sessions_user_max` of the same user.
    pub(super) fn begin(
        &mut self,
        newest: u32,
        who: (Principal, Option<IpAddr>, Transport),
        now: Timestamp,
        limits: &Limits,
    ) -> Result<(u32, Arc<Live>, Event), Error> {
        let (principal, host, transport) = who;
        let of_user = || self.live.values().filter(|live| live.principal.name == principal.name).count();
        if self.live.len() >= limits.sessions_max || of_user() >= limits.sessions_user_max {
            let message = "there are as many sessions as the server can serve, in all or for one user";
            return Err(Error::protocol(Tag::ResourceDenied, message));
        }
        let mut id = newest;
        loop {
            id = id.wrapping_add(1);
            if id != 0 && !self.live.contains_key(&id) {
                break;
            }
        }
        let event = Event::Started { session: id, user: principal.name.clone(), host };
        let principal = principal.in_session(id);
        let live = Arc::new(Live {
            principal,
            host,
            transport,
            since: now,
            counters: Counters::default(),
            is_private: AtomicBool::new(false),
            ended: watch::Sender::new(None),
        });
        self.live.insert(id, live.clone());
        Ok((id, live, event))
    }

    /// Ends a session with all that it holds; `None` if it has ended before.
    pub(super) fn end(&mut self, id: u32, reason: Reason, killed_by: Option<u32>) -> Option<Event> {
        let live = self.live.remove(&id)?;
        // RFC 6241 section 8.3.5.2: what a client leaves in a candidate that it locked is discarded.
        if self.locks.whole(super::locks::Lockable::Candidate).is_some_and(|lock| lock.session == id) {
            self.candidates.discard(Candidate::Shared);
        }
        self.candidates.discard(Candidate::Session(id));
        self.locks.release(id);
        live.ended.send_replace(Some(reason));
        let (user, host) = (live.principal.name.clone(), live.host);
        Some(Event::Ended { session: id, user, host, reason, killed_by })
    }
}

impl Event {
    /// The notification that tells of it (RFC 6470 section 2.2).
    pub(super) fn announce(&self) -> Notification {
        let address = |host: &Option<IpAddr>| host.map(|host| Value::string(host.to_string()));
        let (node, data) = match self {
            Event::Started { session, user, host } => {
                let start = NetconfSessionStart {
                    username: user.clone(),
                    session_id: *session,
                    source_host: address(host),
                };
                (NetconfSessionStart::node(), start.to_data())
            }
            Event::Ended { session, user, host, reason, killed_by } => {
                let end = NetconfSessionEnd {
                    username: user.clone(),
                    session_id: *session,
                    source_host: address(host),
                    killed_by: *killed_by,
                    termination_reason: reason.as_yang(),
                };
                (NetconfSessionEnd::node(), end.to_data())
            }
        };
        Notification { node, data, parties: Vec::new() }
    }
}

impl Reason {
    fn as_yang(self) -> EndReason {
        match self {
            Reason::Closed => EndReason::Closed,
            Reason::Killed => EndReason::Killed,
            Reason::Dropped => EndReason::Dropped,
            Reason::Timeout => EndReason::Timeout,
            Reason::BadHello => EndReason::BadHello,
            Reason::Other => EndReason::Other,
        }
    }
}
