//! Confirmed commits (RFC 6241 section 8.4): a commit that is taken back unless it is confirmed in time.
//!
//! What a confirmed commit goes back to is part of the state, so it outlasts the process, and a start takes it back. What others
//! write meanwhile stays. Nothing here checks an edit.

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::beside;
use super::event::Actor;
use crate::access::Principal;
use crate::clock::{Timestamp, rfc3339};
use crate::datastore::edit::Edit;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::ietf_netconf_notifications::{
    NetconfConfirmedCommit, NetconfConfirmedCommitConfirmEvent as Confirmed,
};
use crate::yang::model::Modelled;
use crate::yang::notification::Notification;
use crate::yang::packed::{self, Origin, PackedError, Reader, put_number, put_octets, put_time};
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
    /// The running configuration without it: what was there before, with what others wrote since.
    pub(super) before: Arc<Container>,
    /// The running configuration right before it.
    pub(super) begun_with: Arc<Container>,
    /// The position and time of the event that has its own edits.
    own: Option<(u64, Timestamp)>,
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
    /// Whether the event after this one has its edits; a commit can be empty. Older records do not say: with them it has, if
    /// it has edits of the same time.
    #[serde(default = "unsaid")]
    pub edited: bool,
}

fn unsaid() -> bool {
    true
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
    /// It was taken back because it was not confirmed in time. Older records do not say whose it was.
    TimedOut,
    /// It was taken back because it was not confirmed in time.
    Lapsed {
        /// Who made it.
        user: String,
        /// The session that made it.
        session: Option<u32>,
    },
}

impl Event {
    /// What it is called.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Event::Begun(_) => "confirmed-commit-begun",
            Event::Extended(_) => "confirmed-commit-extended",
            Event::Confirmed => "confirmed-commit-confirmed",
            Event::Cancelled { .. } => "confirmed-commit-cancelled",
            Event::TimedOut | Event::Lapsed { .. } => "confirmed-commit-timed-out",
        }
    }

    /// This event, which is followed by edits of its commit or by none.
    pub(super) fn followed(mut self, by_edits: bool) -> Event {
        if let Event::Begun(terms) | Event::Extended(terms) = &mut self {
            terms.edited = by_edits;
        }
        self
    }
}

impl Pending {
    /// Appends it to what is saved.
    ///
    /// # Errors
    /// Its terms cannot be written.
    pub(super) fn save(&self, out: &mut Vec<u8>) -> io::Result<()> {
        for tree in [&self.before, &self.begun_with] {
            let mut octets = Vec::new();
            packed::pack(tree, &mut octets);
            put_octets(out, &octets);
        }
        put_octets(out, &serde_json::to_vec(&self.terms)?);
        if let Some((position, at)) = self.own {
            put_number(out, position);
            put_time(out, at);
        }
        Ok(())
    }

    /// What was saved.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn load(saved: &mut Reader<'_>, origin: Origin<'_>) -> Result<Self, PackedError> {
        let before = Arc::new(origin.data(saved.octets()?, None)?);
        let begun_with = Arc::new(origin.data(saved.octets()?, None)?);
        let terms = serde_json::from_slice(saved.octets()?).map_err(|e| PackedError::new(e.to_string()))?;
        let own = match saved.is_at_end() {
            true => None,
            false => Some((saved.number()?, saved.time()?)),
        };
        Ok(Pending { before, begun_with, own, terms })
    }

    /// That it is taken back with whoever made it.
    pub(super) fn given_up(&self) -> Event {
        Event::Cancelled { user: self.terms.user.clone(), session: self.terms.session }
    }

    /// That it is taken back because its time is over.
    pub(super) fn lapsed(&self) -> Event {
        Event::Lapsed { user: self.terms.user.clone(), session: self.terms.session }
    }

    /// Folds in edits of `running`. What is not the commit's own stays when it is taken back.
    ///
    /// # Errors
    /// An edit that cannot be applied to `running`.
    pub(super) fn edited(
        &mut self,
        revision: u64,
        at: Timestamp,
        running: &Container,
        edits: &[Edit],
    ) -> Result<(), Error> {
        if self.own != Some((revision, at)) {
            self.before = Arc::new(beside::edited(&self.before, running, edits, revision)?);
        }
        Ok(())
    }

    /// Whether this user made it.
    pub(super) fn is_by(&self, principal: &Principal) -> bool {
        self.terms.user == principal.name
    }

    /// The user and the session that made it.
    pub(super) fn made_by(&self) -> (String, Option<u32>) {
        (self.terms.user.clone(), self.terms.session)
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
/// `invalid-value` for a time of more than `most_s`, `in-use` for a confirmed commit of another session, `invalid-value` for a `persist-id` that is missing or wrong,
/// `operation-not-supported` where neither a session nor a `persist` would say who confirms it.
pub(super) fn committed(
    pending: Option<&Pending>,
    principal: &Principal,
    confirm: &Confirm,
    now: Timestamp,
    most_s: u32,
) -> Result<Option<Event>, Error> {
    match pending {
        Some(pending) => pending.admit(principal, confirm.persist_id.as_deref())?,
        None if confirm.persist_id.is_some() => return Err(unknown()),
        None => {}
    }
    let Some(seconds) = confirm.within_s else { return Ok(pending.map(|_| Event::Confirmed)) };
    if seconds > most_s {
        let message = format!("a commit has to be confirmed within {most_s} seconds");
        return Err(Error::application(Tag::InvalidValue, message).info("bad-element", "confirm-timeout"));
    }
    if confirm.persist.is_none() && principal.session.is_none() {
        let message = "outside of a NETCONF session a confirmed commit needs \"persist\"";
        return Err(Error::protocol(Tag::OperationNotSupported, message));
    }
    let until = now.saturating_add_seconds(i64::from(seconds));
    let (user, session) = (principal.name.clone(), principal.session);
    let terms = Terms { until, user, session, persist: confirm.persist.clone(), edited: false };
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

/// Folds the event of a position into what is pending; `running` is the configuration right before it.
pub(super) fn apply(
    pending: &mut Option<Pending>,
    event: &Event,
    position: u64,
    at: Timestamp,
    running: &Arc<Container>,
) {
    let own = |terms: &Terms| terms.edited.then_some((position + 1, at));
    *pending = match (event, pending.take()) {
        (Event::Begun(terms), None) => Some(Pending {
            before: running.clone(),
            begun_with: running.clone(),
            own: own(terms),
            terms: terms.clone(),
        }),
        (Event::Begun(terms) | Event::Extended(terms), Some(pending)) => {
            Some(Pending { own: own(terms), terms: terms.clone(), ..pending })
        }
        (Event::Extended(_), None) => None,
        (Event::Confirmed | Event::Cancelled { .. } | Event::TimedOut | Event::Lapsed { .. }, _) => None,
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
            Event::TimedOut | Event::Lapsed { .. } => (Confirmed::Timeout, None, None),
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
