//! What a front end can ask of the engine, and what it is told.

use std::sync::Arc;

use super::confirm::Confirm;
use super::locks::Lockable;
use super::state::Made;
use crate::clock::Timestamp;
use crate::datastore::edit::Edit;
pub use crate::datastore::merge::Resolution;
use crate::yang::error::Error;
use crate::yang::path::InstancePath;
use crate::yang::schema::Node;
use crate::yang::tree::{Child, Container};

/// Which nodes a reader wants (RFC 8040 section 4.8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Content {
    /// Configuration and state.
    #[default]
    All,
    /// Configuration alone.
    Config,
    /// State alone.
    NonConfig,
}

/// A datastore (RFC 8342 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datastore {
    /// What RESTCONF's `data` resource shows: the running configuration and, in one tree with it, the
    /// state (RFC 8040 section 1.4).
    Unified,
    /// The running configuration.
    Running,
    /// A candidate configuration.
    Candidate(Candidate),
    /// The configuration that the server starts with.
    Startup,
    /// The configuration to be applied. Nothing is left out or filled in here, so it is what the
    /// running datastore has.
    Intended,
    /// What is in use, configuration and state.
    Operational,
}

/// Which candidate configuration is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Candidate {
    /// The one that all share (RFC 6241 section 8.3).
    Shared,
    /// That of one NETCONF session.
    Session(u32),
}

/// What is done to whole datastores. All of it is checked, and recorded, as the edits that it
/// comes to.
#[derive(Debug, Clone)]
pub enum Management {
    /// Makes a candidate the running configuration (RFC 6241 section 8.3.4.1), for a time or for good.
    Commit(Candidate, Confirm),
    /// Takes a confirmed commit back (RFC 6241 section 8.4.4.1).
    CancelCommit {
        /// What it was given as `persist`.
        persist_id: Option<String>,
    },
    /// Takes what others did over into a candidate (draft-ietf-netconf-privcand section 4.8.1.1).
    Update(Candidate, Resolution),
    /// Makes a candidate what the running configuration is (RFC 6241 section 8.3.4.2).
    Discard(Candidate),
    /// Makes one datastore what another is (RFC 6241 section 7.3).
    Copy {
        /// The source.
        from: Datastore,
        /// The target.
        to: Datastore,
    },
    /// Empties the startup datastore (RFC 6241 section 7.4).
    DeleteStartup,
    /// Makes a datastore what is given, such as what it was.
    Put {
        /// The new configuration.
        content: Arc<Container>,
        /// The target.
        to: Datastore,
    },
}

/// A node that a reader found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The schema node; `None` for the whole datastore.
    pub node: Option<&'static Node>,
    /// The instance. A list entry is [`Child::Container`], a leaf-list entry [`Child::Leaf`].
    pub child: Child,
    /// The log position that last touched it or anything below it. That of configuration does
    /// not change with state below it (RFC 8040 sections 3.4.1.2 and 3.5.2).
    pub revision: u64,
    /// Whether there can be state in it that the revision does not tell of.
    pub has_other_state: bool,
    /// When the configuration was last changed.
    pub changed_at: Timestamp,
}

/// What is asked of locks.
#[derive(Debug, Clone)]
pub enum Locking {
    /// To lock a datastore (RFC 6241 section 7.5).
    Lock(Lockable),
    /// To give the lock up (RFC 6241 section 7.6).
    Unlock(Lockable),
    /// To lock the nodes of the running datastore that one of these expressions selects (RFC 5717 section 2.4.1).
    LockPart(Vec<String>),
    /// To give up the lock with this identifier (RFC 5717 section 2.4.2).
    UnlockPart(u32),
}

/// Nodes that a session has locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPart {
    /// The identifier of the lock.
    pub id: u32,
    /// The nodes.
    pub nodes: Vec<InstancePath>,
}

/// Whether an edit is tested before it is done (RFC 6241 section 7.2, `test-option`). The running datastore is always
/// valid, so an edit of it is tested in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Test {
    /// A candidate is only tested when it is committed.
    #[default]
    AtCommit,
    /// Edits that would make the candidate invalid are refused.
    First,
    /// Nothing is changed.
    Only,
}

/// Edits that all happen or none does.
#[derive(Debug, Clone)]
pub struct EditRequest {
    /// What is edited. It is the running configuration unless a candidate is named.
    pub datastore: Datastore,
    /// Whether they are tested.
    pub test: Test,
    /// The edits, in order.
    pub edits: Vec<Edit>,
    /// What has to hold before.
    pub preconditions: Vec<Precondition>,
}

/// A condition on a resource, checked in the same step as the edit (RFC 9110 section 13.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// `If-Match`: it exists and has one of these revisions; an empty list stands for any.
    Matches(InstancePath, Vec<u64>),
    /// `If-None-Match`: it does not exist, or has none of these revisions; an empty list
    /// stands for any.
    MatchesNone(InstancePath, Vec<u64>),
    /// Nothing at or below the instance was changed after the transaction with this id, as the client has it
    /// (draft-ietf-netconf-transaction-id-11 section 3.6).
    Txid(InstancePath, String),
    /// The same of the running datastore. In an edit of a candidate its commit depends on it (section 3.7 there).
    TxidOfRunning(InstancePath, String),
    /// `If-Unmodified-Since`: the configuration was not changed after this.
    UnmodifiedSince(Timestamp),
}

/// What became of an edit.
#[derive(Debug, Clone)]
pub struct EditReply {
    /// The log position of the edit, or of the newest revision if nothing was changed.
    pub revision: u64,
    /// For each edit, whether its node did not exist before.
    pub created: Vec<bool>,
    /// When the configuration was last changed.
    pub changed_at: Timestamp,
    /// What the edit made of the configuration, for who applies it.
    pub(super) made: Option<Box<Made>>,
}

/// Why an edit request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The number of the edit that was at fault, from 0; `None` if it was none by itself.
    pub edit: Option<usize>,
    /// What is wrong.
    pub error: Error,
}

impl Refused {
    /// Whether a precondition did not hold.
    pub fn is_failed_precondition(&self) -> bool {
        self.edit.is_none() && self.error.app_tag.as_deref() == Some(PRECONDITION_FAILED)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused { edit: None, error }
    }
}

/// The app-tag of a precondition that did not hold.
pub(super) const PRECONDITION_FAILED: &str = "precondition-failed";

/// What the content of an anydata is written in. It can be shown in the other, but with less certainty: there is no
/// schema for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// RFC 7951.
    #[default]
    Json,
    /// RFC 7950.
    Xml,
}

/// A call of an rpc or action.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The rpc or action.
    pub operation: &'static Node,
    /// The instance that an action belongs to.
    pub target: Option<InstancePath>,
    /// The input as it was decoded; not validated yet.
    pub input: Arc<Container>,
    /// What the output is going to be written in: the content of an anydata is, since nobody else knows its schema.
    pub form: Form,
}
