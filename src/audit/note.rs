//! What is noted: something that a request did or tried, as its front end sees it, and the entry that it becomes.
//!
//! It never takes the value of an input. What comes from somebody unknown is cut short.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::access::{Method, Origin, Principal, Source, principal};
use crate::clock::Timestamp;
use crate::log::{NewRecord, Record};
use crate::trace;

/// Most characters of a user's name; of one that is only claimed, as it can be anything.
const USER_CHARS_MAX: usize = 256;
const CLAIMED_CHARS_MAX: usize = 64;
/// Most characters of an operation and of a path.
const OPERATION_CHARS_MAX: usize = 256;
const PATH_CHARS_MAX: usize = 1024;
/// Most groups that are named.
const GROUPS_MAX: usize = 32;

/// Kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Somebody proved who they are, or failed to.
    Authentication,
    /// Somebody was refused: who is known by access control, anybody because there is too much of something.
    Refusal,
    /// An operation was invoked, with whatever outcome.
    Invocation,
    /// The server took up what an administrator did to its files.
    Administration,
    /// So many notes became no entry, because there were too many.
    Dropped,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 5] =
        [Kind::Authentication, Kind::Refusal, Kind::Invocation, Kind::Administration, Kind::Dropped];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Authentication => "authentication",
            Kind::Refusal => "refusal",
            Kind::Invocation => "invocation",
            Kind::Administration => "administration",
            Kind::Dropped => "dropped",
        }
    }
}

/// Whom a note is about.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// A user whose identity was proved.
    Known(&'a Principal),
    /// Somebody whose identity was not.
    Claimed {
        /// The name that was given, if one was.
        user: &'a str,
        /// How it was to be proved, if that is clear.
        method: Option<Method>,
        /// From where.
        source: Source,
    },
    /// The server itself.
    Server,
    /// The server itself, which has seen that an administrator changed who gets in.
    Administered(Changed<'a>),
}

/// How an administrator changed who gets in.
#[derive(Clone, Copy, Debug)]
pub struct Changed<'a> {
    /// The user who is meant.
    pub user: &'a str,
    /// The identifier of the API key that is meant, if it is about one.
    pub key: Option<&'a str>,
    /// The groups of the user now, if it is about the user.
    pub groups: &'a BTreeSet<String>,
    /// Those before.
    pub groups_before: &'a BTreeSet<String>,
}

/// Something to be noted.
#[derive(Clone, Copy, Debug)]
pub struct Note<'a> {
    /// What it is.
    pub kind: Kind,
    /// Who did it.
    pub who: Who<'a>,
    /// What was to be done; empty for an authentication.
    pub operation: &'a str,
    /// To what.
    pub path: Option<&'a str>,
    /// What became of it: `ok`, or an error-tag (RFC 6241 appendix A) or another reason.
    pub outcome: &'a str,
    /// The error-app-tag.
    pub app_tag: Option<&'a str>,
}

/// An entry of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was noted.
    pub at: Timestamp,
    /// The user; empty for the server itself and where no name was given.
    pub user: String,
    /// The NETCONF session.
    pub session: Option<u32>,
    /// How and from where; `None` for the server itself.
    pub origin: Option<Origin>,
    /// The rest.
    pub body: Body,
}

/// What an entry has in the payload of its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Body {
    /// What it is.
    pub kind: Kind,
    /// Groups of the user.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// The user whose way in was changed; then the groups are this user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Groups of that user before.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups_before: BTreeSet<String>,
    /// The identifier of an API key: of the one that proved the identity, or that was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// What was to be done.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub operation: String,
    /// To what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What became of it.
    pub outcome: String,
    /// The error-app-tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_tag: Option<String>,
    /// Position of the event log then.
    pub log_position: u64,
    /// How often.
    pub count: u64,
    /// When the first of several was, that are counted here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Whether it stands for notes that differ in what is not said here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub collapsed: bool,
}

impl<'a> Who<'a> {
    /// The name, as proved or as claimed.
    pub(super) fn user(&self) -> &'a str {
        match self {
            Who::Known(principal) => &principal.name,
            Who::Claimed { user, .. } => user,
            Who::Server | Who::Administered(_) => "",
        }
    }

    /// The groups of a user.
    pub(super) fn groups(&self) -> Option<&'a BTreeSet<String>> {
        match self {
            Who::Known(principal) => Some(&principal.groups),
            Who::Administered(changed) => Some(changed.groups),
            Who::Claimed { .. } | Who::Server => None,
        }
    }

    /// The identifier of an API key.
    pub(super) fn credential(&self) -> Option<&'a str> {
        match self {
            Who::Known(principal) => principal.key.as_deref(),
            Who::Administered(changed) => changed.key,
            Who::Claimed { .. } | Who::Server => None,
        }
    }

    /// The user whose way in was changed, and the groups before.
    pub(super) fn changed(&self) -> Option<(&'a str, &'a BTreeSet<String>)> {
        match self {
            Who::Administered(changed) => Some((changed.user, changed.groups_before)),
            _ => None,
        }
    }

    /// Where they are.
    pub(super) fn source(&self) -> Option<Source> {
        match self {
            Who::Known(principal) => principal.source,
            Who::Claimed { source, .. } => Some(*source),
            Who::Server | Who::Administered(_) => None,
        }
    }

    /// How they were or were to be recognised.
    pub(super) fn method(&self) -> Option<Method> {
        match self {
            Who::Known(principal) => Some(principal.method),
            Who::Claimed { method, .. } => *method,
            Who::Server | Who::Administered(_) => None,
        }
    }
}

impl Entry {
    /// The entry of a note. If it is to stand for others as well, it does not say what they differ in.
    pub(super) fn of(note: &Note<'_>, at: Timestamp, log_position: u64, collapsed: bool) -> Entry {
        let (chars_max, session) = match note.who {
            Who::Known(principal) => (USER_CHARS_MAX, principal.session),
            _ => (CLAIMED_CHARS_MAX, None),
        };
        let first = |groups: &BTreeSet<String>| groups.iter().take(GROUPS_MAX).cloned().collect();
        let changed = note.who.changed().filter(|_| !collapsed);
        let has_groups = changed.is_some() || matches!(note.who, Who::Known(_));
        let groups = note.who.groups().filter(|_| has_groups);
        let credential = note.who.credential().filter(|_| !collapsed);
        let is_hidden = collapsed && matches!(note.who, Who::Claimed { .. });
        // What anybody may have made up is not kept.
        let is_user = matches!(note.who, Who::Known(_));
        let trace = trace::current().filter(|_| is_user).map(|trace| trace.id());
        let origin = note.who.source().map(|source| Origin { method: note.who.method(), source, trace });
        let body = Body {
            kind: note.kind,
            groups: groups.map(first).unwrap_or_default(),
            subject: changed.map(|(user, _)| cut(user, USER_CHARS_MAX)),
            groups_before: changed.map(|(_, before)| first(before)).unwrap_or_default(),
            credential: credential.map(str::to_owned),
            operation: cut(note.operation, OPERATION_CHARS_MAX),
            path: note.path.filter(|_| !collapsed).map(|path| cut(path, PATH_CHARS_MAX)),
            outcome: note.outcome.to_owned(),
            app_tag: note.app_tag.map(str::to_owned),
            log_position,
            count: 1,
            since: None,
            collapsed,
        };
        let user = if is_hidden { String::new() } else { cut(note.who.user(), chars_max) };
        Entry { at, user, session, origin, body }
    }

    /// The entry that says how often more it happened since.
    pub(super) fn repeated(&self, count: u64, at: Timestamp) -> Entry {
        let body = Body { count, since: Some(self.at), ..self.body.clone() };
        Entry { at, body, ..self.clone() }
    }

    /// How many notes became no entry.
    pub(super) fn dropped(count: u64, at: Timestamp, log_position: u64) -> Entry {
        let note = Note {
            kind: Kind::Dropped,
            who: Who::Server,
            operation: "",
            path: None,
            outcome: "overload",
            app_tag: None,
        };
        let Entry { body, .. } = Entry::of(&note, at, log_position, false);
        Entry { at, user: String::new(), session: None, origin: None, body: Body { count, ..body } }
    }

    /// Whether it is about somebody whose identity was not proved.
    pub(super) fn is_of_a_stranger(&self) -> bool {
        self.body.kind == Kind::Authentication && self.body.outcome != "ok"
    }

    pub(super) fn to_record(&self, kind: u16, version: u8) -> Result<NewRecord, serde_json::Error> {
        let actor = principal::recorded(&self.user, self.session);
        let origin = self.origin.map(|origin| origin.to_string()).unwrap_or_default();
        let payload = serde_json::to_vec(&self.body)?;
        Ok(NewRecord { at: self.at.as_micros(), kind, version, actor, origin, payload })
    }

    pub(super) fn from_record(record: &Record) -> Result<Entry, serde_json::Error> {
        let body: Body = serde_json::from_slice(&record.payload)?;
        let (user, session) = match body.kind {
            // Of a name that is only claimed, any part can look like a session.
            Kind::Authentication => (record.actor.as_str(), None),
            _ => principal::of_record(&record.actor),
        };
        let at = Timestamp::from_micros(record.at).unwrap_or(Timestamp::EPOCH);
        Ok(Entry { at, user: user.to_owned(), session, origin: record.origin.parse().ok(), body })
    }
}

/// The beginning of a text, on one line.
fn cut(text: &str, chars_max: usize) -> String {
    // Nothing but what a string of YANG can have (RFC 7950 section 9.4).
    let is_none =
        |c: char| c.is_control() || u32::from(c) & 0xfffe == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(&c);
    text.chars().take(chars_max).map(|c| if is_none(c) { '\u{fffd}' } else { c }).collect()
}
