//! Confirmed commits (RFC 6241 section 8.4): a commit that is taken back unless it is confirmed in time.
//!
//! What a confirmed commit goes back to is part of the state, so it outlasts the process, and a start takes it back.
//! Nothing here applies or checks an edit.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event::Actor;
use crate::access::Principal;
use crate::clock::{Timestamp, rfc3339};
use crate::yang::error::{Error, Tag};
use crate::yang::generated::ietf_netconf_notifications::{
    NetconfConfirmedCommit, NetconfConfirmedCommitConfirmEvent as Confirmed,
};
use crate::yang::model::Modelled;
use crate::yang::notification::Notification;
use crate::yang::tree::Container;

/// What a client says when it commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confirm {
    /// Seconds in which the commit has to be confirmed; `None` for one that needs no confirmation, and confirms those
    /// before it.
    pub within_s: Option<u32>,
    /// What a confirmation, from whatever session, has to name.
    pub persist: Option<String>,
    /// What the confirmed commit that this one follows was given as `persist`.
    pub persist_id: Option<String>,
}

/// A confirmed commit that is neither confirmed nor taken back.
#[derive(Debug, Clone)]
pub struct Pending {
    /// The running configuration before it.
    pub(super) before: Arc<Container>,
    terms: Terms,
}

/// The terms of a confirmed commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// When it is taken back.
    #[serde(with = "rfc3339")]
    pub until: Timestamp,
    /// The user who made it.
    pub user: String,
    /// The session that made it.
    pub session: Option<u32>,
    /// What a confirmation has to name.
    pub persist: Option<String>,
}

/// Something that happened to a confirmed commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// It was made. The edits that it consists of come after this.
    Begun(Terms),
    /// A confirmed commit followed it before it was confirmed.
    Extended(Terms),
    /// It was confirmed.
    Confirmed,
    /// It was taken back, by a client, with its session or by a start. The edits that take it back come after this.
    Cancelled {
        /// Who took it back, or whose session it was.
        user: String,
        /// The session.
        session: Option<u32>,
    },
    /// It was taken back because it was not confirmed in time.
    TimedOut,
}

impl Event {
    /// What it is called.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Event::Begun(_) => "confirmed-commit-begun",
            Event::Extended(_) => "confirmed-commit-extended",
            Event::Confirmed => "confirmed-commit-confirmed",
            Event::Cancelled { .. } => "confirmed-commit-cancelled",
            Event::TimedOut => "confirmed-commit-timed-out",
        }
    }
}

impl Pending {
    /// That it is taken back with whoever made it.
    pub(super) fn given_up(&self) -> Event {
        Event::Cancelled { user: self.terms.user.clone(), session: self.terms.session }
    }

    /// When it is taken back.
    pub(super) fn until(&self) -> Timestamp {
        self.terms.until
    }

    /// The session that made it.
    pub(super) fn session(&self) -> Option<u32> {
        self.terms.session
    }

    /// Whether it ends with a session.
    pub(super) fn ends_with(&self, session: u32) -> bool {
        self.terms.persist.is_none() && self.terms.session == Some(session)
    }

    /// Whether it is in the way of a lock of the running datastore (RFC 6241 section 7.5).
    pub(super) fn is_of_others(&self, session: u32) -> bool {
        self.terms.session != Some(session)
    }

    /// Refuses whoever may neither confirm nor cancel it.
    fn admit(&self, principal: &Principal, persist_id: Option<&str>) -> Result<(), Error> {
        match (&self.terms.persist, persist_id) {
            (Some(token), Some(given)) if token == given => Ok(()),
            (None, None) if self.terms.session.is_some() && self.terms.session == principal.session => Ok(()),
            (None, None) => {
                let message = "a confirmed commit of another session is neither confirmed nor cancelled yet";
                Err(Error::protocol(Tag::InUse, message))
            }
            (Some(_), None) => {
                let message = "a confirmed commit is neither confirmed nor cancelled yet, and \"persist-id\" has to name it";
                Err(Error::protocol(Tag::InvalidValue, message).info("bad-element", "persist-id"))
            }
            (_, Some(_)) => Err(unknown()),
        }
    }
}

fn unknown() -> Error {
    let message = "\"persist-id\" is not that of a confirmed commit that waits for its confirmation";
    Error::protocol(Tag::InvalidValue, message).info("bad-element", "persist-id")
}

/// What a commit means for the confirmed commit that may be pending: the event to record before its edits.
///
/// # Errors
/// `in-use` for a confirmed commit of another session, `invalid-value` for a `persist-id` that is missing or wrong,
/// `operation-not-supported` where neither a session nor a `persist` would say who confirms it.
pub(super) fn committed(
    pending: Option<&Pending>,
    principal: &Principal,
    confirm: &Confirm,
    now: Timestamp,
) -> Result<Option<Event>, Error> {
    match pending {
        Some(pending) => pending.admit(principal, confirm.persist_id.as_deref())?,
        None if confirm.persist_id.is_some() => return Err(unknown()),
        None => {}
    }
    let Some(seconds) = confirm.within_s else { return Ok(pending.map(|_| Event::Confirmed)) };
    if confirm.persist.is_none() && principal.session.is_none() {
        let message = "outside of a NETCONF session a confirmed commit needs \"persist\"";
        return Err(Error::protocol(Tag::OperationNotSupported, message));
    }
    let until = now.saturating_add_seconds(i64::from(seconds));
    let (user, session) = (principal.name.clone(), principal.session);
    let terms = Terms { until, user, session, persist: confirm.persist.clone() };
    Ok(Some(match pending {
        None => Event::Begun(terms),
        Some(_) => Event::Extended(terms),
    }))
}

/// Refuses to cancel the confirmed commit that is pending unless the principal may (RFC 6241 section 8.4.4.1).
///
/// # Errors
/// As for [`committed`], and `operation-failed` if none is pending.
pub(super) fn cancelled<'p>(
    pending: Option<&'p Pending>,
    principal: &Principal,
    persist_id: Option<&str>,
) -> Result<&'p Pending, Error> {
    let Some(pending) = pending else {
        return Err(match persist_id {
            Some(_) => unknown(),
            None => Error::protocol(Tag::OperationFailed, "no confirmed commit waits for its confirmation"),
        });
    };
    pending.admit(principal, persist_id)?;
    Ok(pending)
}

/// Folds an event into what is pending; `running` is the configuration right before it.
pub(super) fn apply(pending: &mut Option<Pending>, event: &Event, running: &Arc<Container>) {
    *pending = match (event, pending.take()) {
        (Event::Begun(terms), None) => Some(Pending { before: running.clone(), terms: terms.clone() }),
        (Event::Begun(terms) | Event::Extended(terms), Some(pending)) => {
            Some(Pending { terms: terms.clone(), ..pending })
        }
        (Event::Extended(_), None) | (Event::Confirmed | Event::Cancelled { .. } | Event::TimedOut, _) => {
            None
        }
    };
}

impl Event {
    /// The notification that tells of it (RFC 6470 section 2.2). `at` and `actor` are those of its record.
    pub(super) fn announce(&self, at: Timestamp, actor: &Actor<'_>) -> Notification {
        let seconds = |terms: &Terms| u32::try_from(at.until(terms.until).as_secs()).unwrap_or(u32::MAX);
        let of = |terms: &Terms| Some((terms.user.clone(), terms.session));
        let (confirm_event, by, timeout) = match self {
            Event::Begun(terms) => (Confirmed::Start, of(terms), Some(seconds(terms))),
            Event::Extended(terms) => (Confirmed::Extend, of(terms), Some(seconds(terms))),
            Event::Confirmed => (Confirmed::Complete, Some((actor.user.to_owned(), actor.session)), None),
            Event::Cancelled { user, session } => (Confirmed::Cancel, Some((user.clone(), *session)), None),
            // There is nobody who did it.
            Event::TimedOut => (Confirmed::Timeout, None, None),
        };
        let (username, session) = by.unzip();
        let commit = NetconfConfirmedCommit {
            username,
            session_id: session.map(Option::unwrap_or_default),
            source_host: None,
            confirm_event,
            timeout,
        };
        Notification { node: NetconfConfirmedCommit::node(), data: commit.to_data(), parties: Vec::new() }
    }
}
