//! The one door: every protocol builds a request here and gets an answer.
//!
//! `core` decides purely: state, time and request in; events and answer out. `driver` is the
//! shell around it: one writer that decides, a committer that makes groups of events durable before
//! anyone hears of them, and snapshots that readers take without waiting. `draft` translates between the
//! draft's own tree and the siblings, which never see each other. No protocol's status code
//! and no socket is known here.

mod api_keys;
mod audited;
mod beside;
mod blobs;
mod candidate;
mod committer;
mod confirm;
mod core;
mod datastores;
mod denied;
mod draft;
mod driver;
mod dynamic;
mod event;
mod filter;
mod forgetting;
mod group;
mod image;
mod judges;
mod known;
mod library;
mod locks;
mod meter;
mod monitoring;
mod moves;
mod nested;
mod operations;
mod options;
mod origins;
mod output;
mod page;
mod patch;
mod policies;
mod push;
mod quotas;
mod received;
mod receivers;
mod replay;
mod report;
mod request;
mod saver;
mod secrets;
mod sessions;
mod speakers;
mod state;
mod stepper;
mod storage;
mod subscribers;
mod subscription;
mod subscriptions;
mod subtree;
mod terms;
mod txid;
mod unknown;
mod update;
mod view;
mod visible;
mod writable;
mod writer;

pub use audited::{History, Place, Wanted};
pub use confirm::Confirm;
pub use driver::{Engine, OpenError};
pub use dynamic::DynamicSubscription;
pub use event::{Actor, Event, KINDS};
pub use filter::Filter;
pub use forgetting::{ForgetError, forget};
pub use judges::{Judges, NoJudges, Outcome, Verdict};
pub use known::{Known, KnownBelow};
pub use library::{CONTENT_ID, Capabilities, features};
pub use locks::Lockable;
pub use meter::Meter;
pub use options::{Accounts, Options};
pub use origins::OriginFilter;
pub use output::Output;
pub use page::{CURSOR_NOT_FOUND, LOCALE_UNAVAILABLE, OFFSET_OUT_OF_RANGE, Paging};
pub use quotas::{Counted, Quotas, Usage};
pub use received::{Held, SMALL_BYTES};
pub use receivers::{NoReceivers, Receivers};
pub use replay::{
    Proved, WrongSnapshot, has, prove, readable, replay, replay_telling, shown, write_snapshot,
};
pub use report::{Reported, Selection, Telling};
pub use request::{
    Candidate, Content, Datastore, EditReply, EditRequest, Form, Found, Invocation, LockedPart, Locking,
    Management, Precondition, Refused, Resolution, Test,
};
pub use secrets::{NoVault, Secret, Vault, are_in as has_secrets};
pub use sessions::{Counters, Reason, Session};
pub use state::{Revision, State};
pub use stepper::{Entropy, Stepper};
pub use storage::{STORAGE_FAILED, STORAGE_FULL, STORAGE_UNSURE, refused_file};
pub use subscription::{Delivered, From, Lost, Subscription, Told};
pub use terms::STREAM;
pub use txid::{EditMetadata, TXID_VALUE_MISMATCH, Txids};
