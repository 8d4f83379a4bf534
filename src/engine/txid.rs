//! Transaction ids (draft-ietf-netconf-transaction-id-11): what a reader is told of when configuration was last changed,
//! and edits that depend on it. The txid of a node is the log position of the last change at or below it.
//!
//! Containers and list entries are the versioned nodes; any other node has the txid of the one it is in. Since positions are
//! in order, the history has no end: a client's txid matches if nothing at or below its node is newer. Which parameter or
//! header a client asks with is never known here.

use std::cell::RefCell;
use std::sync::Arc;

use super::request::Precondition;
use crate::datastore::defaults::SetToDefault;
use crate::yang::error::{Error, InfoValue, Tag};
use crate::yang::generated::ietf_netconf_txid::TxidValueMismatchErrorInfoTxidValueMismatchErrorInfo as Mismatch;
use crate::yang::metadata::{
    Annotated, Annotation, DEFAULT, ETAG, ETAG_ATTRIBUTE, Metadata, Note, Sink, Written,
};
use crate::yang::model::Modelled;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Base, Kind, Node, Schema};
use crate::yang::tree::{Child, Container};
use crate::yang::value::Value;

/// The app-tag of an edit that is refused because a txid in it is not that of the server.
pub const TXID_VALUE_MISMATCH: &str = "txid-value-mismatch";

/// How txids are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Txids {
    /// The annotation.
    pub annotation: &'static Annotation,
    /// What is written after the position, such as `-json` (section 4.1).
    pub suffix: &'static str,
}

impl Txids {
    /// The annotation of RESTCONF, with the suffix of an encoding.
    pub fn annotated(suffix: &'static str) -> Self {
        Txids { annotation: &ETAG, suffix }
    }

    /// The attribute of NETCONF. Its suffix is that of XML in RESTCONF, so that both say the same (section 4.1).
    pub const ATTRIBUTE: Txids = Txids { annotation: &ETAG_ATTRIBUTE, suffix: "-xml" };

    /// The txid of what was changed last at a position.
    pub fn of(self, position: u64) -> String {
        format!("{position}{}", self.suffix)
    }
}

/// In place of a revision: the client knows the instance, which is told as a match and without its content.
pub(super) const KNOWN: u64 = u64::MAX;
/// In place of a revision: nobody asked for the txid of the instance, or of anything in it.
pub(super) const UNASKED: u64 = u64::MAX - 1;
/// What a client knows is there (section 4.3).
pub(super) const MATCH: &str = "=";
/// What a candidate has and the running datastore has not: its txid is that of a commit to come (section 4.3.1).
const UNKNOWN: &str = "!";

/// Tells the txid of each versioned node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    pub txids: Txids,
    /// The newest position: what is beyond it is in a candidate alone.
    pub newest: u64,
}

impl Told {
    /// The txid of a revision; `None` for what was never changed.
    fn txid(&self, revision: u64) -> Option<String> {
        match revision {
            // What was made for this answer, such as a container that only has defaults.
            0 | UNASKED => None,
            KNOWN => Some(MATCH.to_owned()),
            revision if revision > self.newest => Some(UNKNOWN.to_owned()),
            revision => Some(self.txids.of(revision)),
        }
    }
}

impl Metadata for Told {
    fn of_root(&self, root: &Container) -> Vec<Note> {
        // The datastore has one before its first edit too (RFC 8040 section 3.4.1.2).
        let txid = self.txid(root.revision).unwrap_or_else(|| self.txids.of(root.revision));
        vec![Note { annotation: self.txids.annotation, value: Value::string(txid) }]
    }

    fn of(&self, node: &'static Node, instance: Written<'_>) -> (Vec<Note>, Option<Box<dyn Metadata>>) {
        match instance {
            Written::Content(content, _) if node.config => {
                let note = self
                    .txid(content.revision)
                    .map(|txid| Note { annotation: self.txids.annotation, value: Value::string(txid) });
                let below = (content.revision != UNASKED).then(|| Box::new(*self) as Box<dyn Metadata>);
                (note.into_iter().collect(), below)
            }
            // A leaf that the client knows.
            Written::Value(Value::Empty)
                if self.txids.annotation == &ETAG_ATTRIBUTE
                    && node.ty().is_some_and(|ty| !matches!(ty.base, Base::Empty)) =>
            {
                let value = Value::string(MATCH);
                (vec![Note { annotation: self.txids.annotation, value }], None)
            }
            _ => (Vec::new(), None),
        }
    }
}

/// Takes what an edit says of its data: the values that are to be defaults, and the txids that the client knows.
#[derive(Debug)]
pub struct EditMetadata {
    defaults: SetToDefault,
    txids: RefCell<Vec<Precondition>>,
}

impl EditMetadata {
    /// One for each document.
    pub fn new(schema: &'static Schema) -> Self {
        EditMetadata { defaults: SetToDefault::new(schema), txids: RefCell::default() }
    }

    /// The values that are to be defaults, and a condition for each txid.
    pub fn into_parts(self) -> (Vec<(InstancePath, Child)>, Vec<Precondition>) {
        (self.defaults.into_values(), self.txids.into_inner())
    }
}

impl Sink for EditMetadata {
    fn known(&self) -> &[&'static Annotation] {
        static KNOWN: [&Annotation; 2] = [&DEFAULT, &ETAG];
        &KNOWN
    }

    fn take(&self, instance: &Annotated<'_>) -> Result<bool, Error> {
        let last = instance.path.steps.last();
        for (position, note) in
            instance.notes.iter().enumerate().flat_map(|(at, notes)| notes.iter().map(move |n| (at, n)))
        {
            if note.annotation != &ETAG {
                continue;
            }
            let mut path = instance.path.clone();
            // A leaf-list is told of as a whole.
            if let (Kind::LeafList { .. }, Some(value), Some(step)) =
                (&instance.node.kind, instance.values.get(position), last)
            {
                path.steps.pop();
                path.steps.push(Step { node: step.node, selector: Selector::Value(value.clone()) });
            }
            self.txids.borrow_mut().push(Precondition::Txid(path, note.value.canonical()));
        }
        self.defaults.take(instance)
    }
}

/// The versioned node that an instance is or is in (section 3.1, rule 3), whether or not the instance is there.
pub(super) fn versioned(path: &InstancePath) -> InstancePath {
    let is_part = |step: &&Step| !matches!(step.node.kind, Kind::Container { .. } | Kind::List { .. });
    let count = path.steps.len() - path.steps.iter().rev().take_while(is_part).count();
    InstancePath { steps: path.steps.iter().take(count).cloned().collect() }
}

/// Whether a client's txid is not older than the position of the last change, and is one that there was.
pub(super) fn is_up_to_date(client: &str, server: u64, newest: u64) -> bool {
    let position = client.split('-').next().unwrap_or_default().parse::<u64>();
    position.is_ok_and(|position| (1..=newest).contains(&position) && server <= position)
}

/// Whether the client's txid for a node is not older than the server's, and is one that there was.
pub(super) fn check(
    path: &InstancePath,
    client: &str,
    server: Option<u64>,
    newest: u64,
) -> Result<(), Error> {
    if server.is_some_and(|server| is_up_to_date(client, server, newest)) {
        return Ok(());
    }
    let suffix = client.find('-').and_then(|at| client.get(at..)).unwrap_or_default();
    let what = match server {
        Some(_) => "it was changed since the transaction that the request is based on",
        None => "there is no such instance, or not any more",
    };
    let mismatch = Mismatch {
        mismatch_path: Some(path.clone()),
        mismatch_etag_value: server.map(|server| format!("{server}{suffix}")),
        ..Mismatch::default()
    };
    let (node, content) = (Mismatch::node(), Arc::new(mismatch.to_data()));
    let error = Error::protocol(Tag::OperationFailed, what).app_tag(TXID_VALUE_MISMATCH).at(path.clone());
    Err(error.info(node.name, InfoValue::Structure(node, content)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn section_3_6_a_txid_matches_what_is_not_newer() {
        let is_match = |client: &str, server| check(&InstancePath::default(), client, server, 50).is_ok();
        assert!(
            is_match("42", Some(42)) && is_match("42-json", Some(42)) && is_match("50-cbor-sid", Some(42))
        );
        for never in ["41", "51", "0", "", "?", "=", "!", "x42", "-42", "42json"] {
            assert!(!is_match(never, Some(42)), "{never}");
        }
        assert!(!is_match("42", None));
    }
}
