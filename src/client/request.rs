//! What a [`super::Session`] can be asked, whatever its protocol. It never says how that is written on the wire.

use std::str::FromStr;

use super::data::Element;
use super::path::Path;

/// A datastore (RFC 8342 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each is the datastore of its name
pub enum Datastore {
    Running,
    Candidate,
    Startup,
    Intended,
    Operational,
}

impl Datastore {
    /// As it is called in `ietf-datastores`.
    pub fn name(self) -> &'static str {
        match self {
            Datastore::Running => "running",
            Datastore::Candidate => "candidate",
            Datastore::Startup => "startup",
            Datastore::Intended => "intended",
            Datastore::Operational => "operational",
        }
    }
}

impl FromStr for Datastore {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Datastore, &'static str> {
        use Datastore::{Candidate, Intended, Operational, Running, Startup};
        let all = [Running, Candidate, Startup, Intended, Operational];
        let found = all.into_iter().find(|datastore| datastore.name() == name);
        found.ok_or("it is one of running, candidate, startup, intended and operational")
    }
}

/// Which of configuration and state is wanted (RFC 8040 section 4.8.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// Both.
    #[default]
    All,
    /// Configuration.
    Config,
    /// State.
    State,
}

/// How defaults are shown (RFC 6243 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defaults {
    /// All are.
    ReportAll,
    /// All are, and marked.
    ReportAllTagged,
    /// None is.
    Trim,
    /// Those that a client has set.
    Explicit,
}

impl Defaults {
    /// As it is called in RFC 6243.
    pub fn name(self) -> &'static str {
        match self {
            Defaults::ReportAll => "report-all",
            Defaults::ReportAllTagged => "report-all-tagged",
            Defaults::Trim => "trim",
            Defaults::Explicit => "explicit",
        }
    }
}

/// A read.
#[derive(Clone, Debug, Default)]
pub struct Get {
    /// From where. Without one, it is the running configuration with the state (RFC 6241 section 7.7, RFC 8040 section 3.3.1).
    pub datastore: Option<Datastore>,
    /// The nodes that are wanted, with all below them; none for the whole datastore. What they have in common is answered
    /// together as long as it needs no other key.
    pub paths: Vec<Path>,
    /// Which of them.
    pub content: Content,
    /// How many levels of each node, itself included.
    pub depth: Option<u16>,
    /// How defaults are shown; the server decides if it is not said.
    pub defaults: Option<Defaults>,
    /// Whether each node of the operational datastore says where it comes from (RFC 8342 section 7).
    pub origin: bool,
}

/// What is done with a node (RFC 6241 section 7.2, RFC 8072 section 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It is put into what is there.
    Merge,
    /// It takes the place of what is there.
    Replace,
    /// It is made, and must not be there.
    Create,
    /// It is taken away, and must be there.
    Delete,
    /// It is taken away if it is there.
    Remove,
}

impl Operation {
    /// As it stands in a message.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Merge => "merge",
            Operation::Replace => "replace",
            Operation::Create => "create",
            Operation::Delete => "delete",
            Operation::Remove => "remove",
        }
    }

    pub(super) fn has_value(self) -> bool {
        !matches!(self, Operation::Delete | Operation::Remove)
    }
}

/// One change.
#[derive(Clone, Debug)]
pub struct Change {
    /// What is done.
    pub operation: Operation,
    /// With which node: an entry of a list has its keys. The whole datastore can be merged or replaced, as the only change.
    pub path: Path,
    /// The node as it is to be, which is the element of the last step; for the datastore an element with the top nodes
    /// inside, whatever its name. [`Operation::Delete`] and [`Operation::Remove`] have none. Nodes of lists need not repeat
    /// the keys of the path.
    pub value: Option<Element>,
}

/// What is checked (RFC 6241 section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestOption {
    /// The result has to be valid before anything is set.
    TestThenSet,
    /// Nothing is checked before.
    Set,
    /// Nothing is set.
    TestOnly,
}

/// What is left after an error (RFC 6241 section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorOption {
    /// What was done before it.
    StopOnError,
    /// Everything else.
    ContinueOnError,
    /// Nothing.
    RollbackOnError,
}

/// Changes that are made together.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Of which datastore.
    pub datastore: Datastore,
    /// In this order.
    pub changes: Vec<Change>,
    /// What is checked; the server's default if it is not said.
    pub test: Option<TestOption>,
    /// What is left after an error; without one nothing is, where the server can do that.
    pub error: Option<ErrorOption>,
}

/// A commit of the candidate (RFC 6241 section 8.3.4.1). By default it is final.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Whether it is taken back unless another one follows in time (section 8.4).
    pub confirmed: bool,
    /// How long that time is, in seconds; 600 if it is not said.
    pub timeout: Option<u32>,
    /// A name under which other sessions can confirm it.
    pub persist: Option<String>,
    /// The name of the commit that this one confirms.
    pub persist_id: Option<String>,
}

/// A wish to follow events (RFC 5277, RFC 8040 section 6, RFC 8639).
#[derive(Clone, Debug, Default)]
pub struct Subscribe {
    /// The stream; `NETCONF` if it is not said.
    pub stream: Option<String>,
    /// Which notifications: those with this node.
    pub filter: Option<Path>,
    /// From when: RFC 3339 with a time zone. What happened before is replayed.
    pub from: Option<String>,
    /// Until when.
    pub until: Option<String>,
    /// The [`Notification::id`] after which to go on, whatever [`Self::from`] says. Only RESTCONF has it.
    pub after: Option<String>,
}

/// A wish to follow data (RFC 8641).
#[derive(Clone, Debug)]
pub struct Push {
    /// Of which datastore.
    pub datastore: Datastore,
    /// Which of it: everything below this node.
    pub path: Path,
    /// How often, in hundredths of a second; without one, whenever it changes.
    pub period: Option<u32>,
}

/// An event, or an update of data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// When it happened: RFC 3339, as the server wrote it.
    pub time: String,
    /// Its place in the stream; over RESTCONF alone, and of servers that give places.
    pub id: Option<String>,
    /// What happened: the notification's own element.
    pub event: Element,
}
