//! What leads from the running configuration back to a revision, as edits that can be looked at before they are made. It
//! never makes them.

use std::borrow::Cow;

use super::grammar::{Command, Place, parse};
use super::words::split;
use crate::client::schema::{Kind, NodeId, Schema};
use crate::client::{
    Change, ClientError, Datastore, Element, Get, Operation, Path, Predicate, Session, Step,
};
use crate::yang::resource::percent_decoded;

const MODULE: &str = "magent-datastores";

/// The revisions that the server lists, oldest first, each with its time.
pub async fn listed(session: &Session) -> Vec<(String, String)> {
    let get = Get {
        datastore: Some(Datastore::Operational),
        paths: vec![Path::top(MODULE, "revisions")],
        ..Get::default()
    };
    // Without a list there is nothing to offer; what is asked for by number is still compared.
    let data = session.get(&get).await.unwrap_or_default();
    let entries = data.iter().flat_map(|top| &top.children).filter(|child| child.name == "revision");
    let of = |entry: &Element, name: &str| entry.text_of(name).unwrap_or_default().to_owned();
    entries.map(|entry| (of(entry, "number"), of(entry, "time"))).collect()
}

/// The edits that make running what it was at a revision.
///
/// # Errors
/// There is no such revision, the server cannot compare, or an edit moves entries whose order is the user's.
pub async fn changes(session: &Session, schema: &Schema, revision: &str) -> Result<Vec<Change>, ClientError> {
    let line = format!("call {MODULE}:compare source datastore running target revision {revision}");
    let Ok(Command::Call { path, input, .. }) = parse(schema, &Place::default(), &line, &split(&line)) else {
        return Err(ClientError::Unsupported("the server keeps no revisions".to_owned()));
    };
    let known = listed(session).await;
    let number = |text: &str| text.parse::<u64>().unwrap_or_default();
    let oldest = known.iter().map(|(known, _)| number(known)).min();
    let is_listed = known.iter().any(|(known, _)| known == revision);
    if !is_listed && oldest.is_some_and(|oldest| number(revision) > oldest) {
        let newest: Vec<&str> = known.iter().rev().take(5).map(|(known, _)| known.as_str()).collect();
        return Err(ClientError::Request(format!(
            "there is no revision {revision}; the newest are {} (\"show state revisions\" has their times)",
            newest.join(", ")
        )));
    }
    let answer = session.call(&path, input).await?;
    let patch = answer.iter().flat_map(|top| &top.children).filter(|child| child.name == "yang-patch");
    let edits = patch.flat_map(|patch| &patch.children).filter(|child| child.name == "edit");
    edits.map(|edit| change(schema, edit)).collect()
}

/// The change that an edit of a patch is (RFC 8072 section 2.5).
fn change(schema: &Schema, edit: &Element) -> Result<Change, ClientError> {
    let target = edit.text_of("target").unwrap_or_default();
    let broken = || ClientError::Protocol(format!("the place {target} of a difference is not known"));
    let path = place(schema, target).ok_or_else(broken)?;
    let operation = match edit.text_of("operation") {
        Some("create" | "replace") => Operation::Replace,
        Some("merge") => Operation::Merge,
        Some("delete" | "remove") => Operation::Remove,
        _ => {
            let message = format!(
                "{target} has another order there, which is not prepared as an edit: \"call {MODULE}:rollback revision NUMBER\" \
                 goes back at once"
            );
            return Err(ClientError::Unsupported(message));
        }
    };
    let value = match operation {
        Operation::Remove => None,
        _ => Some(edit.child("value").and_then(|value| value.children.first()).cloned().ok_or_else(broken)?),
    };
    Ok(Change { operation, path, value })
}

/// The place that the target of an edit names (RFC 8040 section 3.5.3).
fn place(schema: &Schema, target: &str) -> Option<Path> {
    let mut steps: Vec<Step> = Vec::new();
    let mut node: Option<NodeId> = None;
    for segment in target.split('/').filter(|segment| !segment.is_empty()) {
        let (name, keys) = match segment.split_once('=') {
            Some((name, keys)) => {
                let keys = keys.split(',').map(|key| percent_decoded(key).map(Cow::into_owned));
                (name, keys.collect::<Option<Vec<_>>>()?)
            }
            None => (segment, Vec::new()),
        };
        let (module, name) = match name.split_once(':') {
            Some((module, name)) => (module.to_owned(), name),
            None => (steps.last()?.module.clone(), name),
        };
        let id = schema.child(node, &module, name)?;
        let found = schema.node(id);
        let predicates = match found.kind {
            Kind::LeafList => keys.into_iter().map(Predicate::Own).collect(),
            _ => {
                let leafs = found.keys.iter().cloned().zip(keys);
                leafs.map(|(name, value)| Predicate::Leaf { module: None, name, value }).collect()
            }
        };
        steps.push(Step { module, name: name.to_owned(), predicates });
        node = Some(id);
    }
    Some(Path { steps })
}
