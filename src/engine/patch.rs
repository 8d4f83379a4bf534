//! Edits as YANG Patch writes them (RFC 8072 section 2.5), and data as the content of an anydata.
//!
//! Nothing here makes an edit or carries one out.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::request::Form;
use crate::datastore::edit::{Edit, Operation};
use crate::yang::encode::EncodeOptions;
use crate::yang::generated::magent_datastores::{
    CompareOutputEdit, CompareOutputOperation, CompareOutputWhere,
};
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::{AnyData, Child, Container, Insert, Key};
use crate::yang::value::Value;
use crate::yang::{json, resource, xml};

impl Form {
    /// What `encode` writes, as the content of an anydata.
    pub(super) fn any(self, encode: impl FnOnce(&mut Vec<u8>, &EncodeOptions<'_>)) -> Option<AnyData> {
        let mut text = Vec::new();
        encode(&mut text, &EncodeOptions::default());
        match self {
            Form::Json => serde_json::from_slice(&text).ok().map(|json| AnyData::Json(Arc::new(json))),
            Form::Xml => String::from_utf8(text).ok().map(|text| AnyData::Xml(text.into())),
        }
    }
}

/// The same as edits of one entry each, if it is that of a whole leaf-list: an edit of a YANG Patch is of one instance
/// (RFC 8072 section 2.2). Another order of what the server orders is no difference (RFC 7950 section 7.7.7). An entry of a
/// list without keys has no identifier that an edit could name (RFC 8040 section 3.5.3), so there the list stays one edit.
pub(super) fn of_entries(source: &Container, edit: Edit) -> Vec<Edit> {
    let Some((last, above)) = edit.path.steps.split_last().filter(|(last, _)| {
        matches!(last.node.kind, Kind::LeafList { .. }) && last.selector == Selector::None
    }) else {
        return vec![edit];
    };
    let values = |child: Option<&Child>| match child {
        Some(Child::LeafList(values)) => values.as_ref().clone(),
        _ => Vec::new(),
    };
    let (old, new) = (values(edit.path.find(source).as_ref()), values(edit.value.as_ref()));
    let (old_set, new_set): (BTreeSet<&Value>, BTreeSet<&Value>) =
        (old.iter().collect(), new.iter().collect());
    let entry = |value: &Value, operation, content, insert| {
        let mut path = InstancePath { steps: above.to_vec() };
        path.steps.push(Step { node: last.node, selector: Selector::Value(value.clone()) });
        Edit { operation, path, value: content, insert }
    };
    let put =
        |value: &Value, insert| entry(value, Operation::Replace, Some(Child::Leaf(value.clone())), insert);
    let gone = old.iter().filter(|value| !new_set.contains(value));
    let mut edits: Vec<Edit> = gone.map(|value| entry(value, Operation::Remove, None, None)).collect();
    if !last.node.user_ordered() {
        edits.extend(new.iter().filter(|value| !old_set.contains(value)).map(|value| put(value, None)));
        return edits;
    }
    let mut kept = old.iter().filter(|value| new_set.contains(value)).peekable();
    let mut moved = BTreeSet::new();
    let mut before: Option<&Value> = None;
    for value in &new {
        while kept.next_if(|next| moved.contains(next)).is_some() {}
        if kept.next_if_eq(&value).is_none() {
            moved.insert(value);
            let place = before.map_or(Insert::First, |before| Insert::After(Key::new(vec![before.clone()])));
            edits.push(put(value, Some(place)));
        }
        before = Some(value);
    }
    edits
}

/// An edit of `source` as RFC 8072 writes it, with what it replaces or removes.
pub(super) fn compared(source: &Container, edit: Edit, number: usize, form: Form) -> CompareOutputEdit {
    let node = edit.path.node();
    let old = edit.path.find(source);
    let mut written = written(source, edit, number, form);
    if matches!(written.operation, CompareOutputOperation::Replace | CompareOutputOperation::Remove) {
        written.source_value = old.and_then(|old| value(node?, &old, form));
    }
    written
}

/// An edit of `source` as RFC 8072 writes it.
pub(super) fn written(source: &Container, edit: Edit, number: usize, form: Form) -> CompareOutputEdit {
    let list = |key: &Key| {
        let mut path = edit.path.clone();
        path.steps.pop();
        let node = edit.path.node()?;
        Some(resource::format(&path.child(Step { node, selector: Selector::Key(key.clone()) })))
    };
    let (where_, point) = match &edit.insert {
        None => (None, None),
        Some(Insert::First) => (Some(CompareOutputWhere::First), None),
        Some(Insert::Last) => (Some(CompareOutputWhere::Last), None),
        Some(Insert::Before(key)) => (Some(CompareOutputWhere::Before), list(key)),
        Some(Insert::After(key)) => (Some(CompareOutputWhere::After), list(key)),
    };
    let old = edit.path.find(source);
    let operation = match (&edit.value, &old, where_) {
        (None, ..) => CompareOutputOperation::Remove,
        (Some(_), None, None) => CompareOutputOperation::Create,
        (Some(_), None, Some(_)) => CompareOutputOperation::Insert,
        (Some(new), Some(old), Some(_)) if new == old => CompareOutputOperation::Move,
        (Some(_), Some(_), _) => CompareOutputOperation::Replace,
    };
    CompareOutputEdit {
        edit_id: number.to_string(),
        operation,
        target: resource::format(&edit.path),
        point,
        where_,
        value: edit
            .value
            .as_ref()
            .filter(|_| operation != CompareOutputOperation::Move)
            .and_then(|new| value(edit.path.node()?, new, form)),
        source_value: None,
    }
}

fn value(node: &'static Node, child: &Child, form: Form) -> Option<AnyData> {
    form.any(|out, options| match form {
        Form::Json => json::encode_one(node, child, out, options),
        Form::Xml => xml::encode_one(node, child, out, options),
    })
}
