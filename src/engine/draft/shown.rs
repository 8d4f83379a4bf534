//! The draft's lists as a reader sees them: what was written to `data-params` and `context`,
//! and what the siblings hold of the same kind.

use std::sync::Arc;

use super::super::operations;
use super::super::state::State;
use super::nodes;
use crate::access::Principal;
use crate::yang::generated::irtf_agent::{Context, DataParams, DatatypeEnum, RequestInfo, ResponseInfo};
use crate::yang::generated::magent_task;
use crate::yang::generated::magent_task::{DataObject, Message};
use crate::yang::generated::magent_types::DataType;
use crate::yang::model::Modelled;
use crate::yang::schema::Node;
use crate::yang::tree::{Container, Key, List, StateList};
use crate::yang::value::Value;

/// `/irtf-agent:data-params`: the entries that were written, and each data object that the
/// principal may read.
pub(in super::super) fn data_params(state: &Arc<State>, principal: &Principal) -> List {
    let made = Made {
        list: state.tasks.data_objects(),
        make: data_entry,
        state: state.clone(),
        principal: principal.clone(),
    };
    both(state, &nodes::DATA_PARAMS, made)
}

/// `/irtf-agent:context`: the entries that were written, and for each context of the
/// principal's the latest question that was answered with data.
pub(in super::super) fn contexts(state: &Arc<State>, principal: &Principal) -> List {
    let made = Made {
        list: state.tasks.contexts(),
        make: context_entry,
        state: state.clone(),
        principal: principal.clone(),
    };
    both(state, &nodes::CONTEXT, made)
}

fn both(state: &State, node: &'static Node, made: Made) -> List {
    let written = state.config.list(node).cloned().unwrap_or_else(|| List::empty(node));
    List::State(Arc::new(Both { node, written, made }))
}

type Make = fn(&State, &Principal, &Key, &Container) -> Option<Container>;

/// A state list shown as entries of another one; what cannot be shown is left out.
#[derive(Debug)]
struct Made {
    list: Arc<dyn StateList>,
    make: Make,
    state: Arc<State>,
    principal: Principal,
}

impl Made {
    fn get(&self, key: &Key) -> Option<Arc<Container>> {
        let entry = self.list.get(key)?;
        (self.make)(&self.state, &self.principal, key, &entry)
            .map(|made| Arc::new(made.at_revision(entry.revision)))
    }

    /// The next entry that can be shown.
    fn next(&self, mut after: Option<Key>) -> Option<(Key, Arc<Container>)> {
        loop {
            let (key, entry) = self.list.after(after.as_ref(), 1).pop()?;
            if let Some(made) = (self.make)(&self.state, &self.principal, &key, &entry) {
                return Some((key, Arc::new(made.at_revision(entry.revision))));
            }
            after = Some(key);
        }
    }
}

/// Two lists in one, by key; what was written goes before what is made.
#[derive(Debug)]
struct Both {
    node: &'static Node,
    written: List,
    made: Made,
}

impl StateList for Both {
    fn get(&self, key: &Key) -> Option<Arc<Container>> {
        self.written.get(self.node, key).or_else(|| self.made.get(key))
    }

    fn after(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        let mut entries = Vec::new();
        let mut last = key.cloned();
        while entries.len() < count {
            let written = self.written.next(last.as_ref());
            let made = self.made.next(last.clone());
            let next = match (written, made) {
                (Some(written), Some(made)) if made.0 < written.0 => made,
                (Some(written), _) => written,
                (None, Some(made)) => made,
                (None, None) => break,
            };
            last = Some(next.0.clone());
            entries.push(next);
        }
        entries
    }

    fn len(&self) -> usize {
        self.after(None, usize::MAX).len()
    }

    fn is_empty(&self) -> bool {
        self.written.is_empty() && self.made.next(None).is_none()
    }
}

fn data_entry(state: &State, principal: &Principal, key: &Key, entry: &Container) -> Option<Container> {
    let id = key.values().first().and_then(Value::as_str)?;
    if !operations::reads_data(state, principal, id) {
        return None;
    }
    let object = DataObject::from_data(entry).ok()?;
    // What is nobody's came from an entry that was written; it is shown as long as that is there.
    object.owner.as_ref()?;
    let params = DataParams {
        id: object.id,
        // The draft has no value for structured data and files.
        data_type: match object.data_type {
            Some(DataType::Image) => DatatypeEnum::Image,
            Some(DataType::Audio) => DatatypeEnum::Audio,
            Some(DataType::Video) => DatatypeEnum::Video,
            Some(DataType::Text | DataType::Structured | DataType::File) | None => DatatypeEnum::Text,
        },
        description: object.description,
        data_size: object.size.map(|size| size.to_string()),
        format: object.media_type,
        url: object.url,
        data: None,
        chunked: None,
        finished: Some(object.complete),
    };
    Some(params.to_data())
}

fn context_entry(state: &State, principal: &Principal, key: &Key, entry: &Container) -> Option<Container> {
    let id = key.values().first().and_then(Value::as_str)?;
    if !operations::sees(state, principal, &state.tasks.context_parties(id)) {
        return None;
    }
    let messages = magent_task::Context::from_data(entry).ok()?.message;
    // The draft's response has nothing but a reference to data, and its request needs a text.
    let answered = |answer: &Message| {
        let question = messages.iter().find(|m| Some(m.number) == answer.in_reply_to)?;
        let data = answer.data.first()?;
        Some(Context {
            id: id.to_owned(),
            send_from: question.from.clone(),
            send_to: question.to.clone(),
            request_info: RequestInfo {
                content: question.content.clone()?,
                data_param: question.data.first().cloned(),
                time: question.at.clone(),
            },
            response_info: ResponseInfo { data_param: data.clone(), time: answer.at.clone() },
        })
    };
    messages.iter().rev().find_map(answered).map(|context| context.to_data())
}
