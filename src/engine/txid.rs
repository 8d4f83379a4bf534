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
use crate::yang::metadata::{Annotated, Annotation, DEFAULT, ETAG, Metadata, Note, Sink, Written};
use crate::yang::model::Modelled;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Kind, Node, Schema};
use crate::yang::tree::Child;
use crate::yang::value::Value;

/// The app-tag of an edit that is refused because a txid in it is not that of the server.
pub const TXID_VALUE_MISMATCH: &str = "txid-value-mismatch";

/// Tells the txid of each versioned node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Txids {
    /// What is written after the position, such as `-json` (section 4.1).
    pub suffix: &'static str,
}

impl Metadata for Txids {
    fn of(&self, node: &'static Node, instance: Written<'_>) -> (Vec<Note>, Option<Box<dyn Metadata>>) {
        match instance {
            Written::Content(content, _) if node.config => {
                // What was made for this answer, such as a container that only has defaults, was never changed.
                let note = (content.revision > 0).then(|| Note {
                    annotation: &ETAG,
                    value: Value::string(format!("{}{}", content.revision, self.suffix)),
                });
                (note.into_iter().collect(), Some(Box::new(*self)))
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

/// Whether the client's txid for a node is not older than the server's, and is one that there was.
pub(super) fn check(
    path: &InstancePath,
    client: &str,
    server: Option<u64>,
    newest: u64,
) -> Result<(), Error> {
    let (position, suffix) = client.split_at(client.find('-').unwrap_or(client.len()));
    let known = position.parse::<u64>().ok().filter(|position| (1..=newest).contains(position));
    if let (Some(known), Some(server)) = (known, server)
        && server <= known
    {
        return Ok(());
    }
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
