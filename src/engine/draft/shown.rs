//! The draft's lists as a reader sees them: what the siblings hold, and what was written to
//! `data-params` and `context`.

use std::any::Any;
use std::cmp::Ordering;
use std::iter::Peekable;
use std::sync::Arc;

use imbl::ordmap::DiffItem;

use super::super::speakers::{reads_data, sees};
use super::super::state::State;
use super::nodes;
use crate::access::Principal;
use crate::clock::Timestamp;
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
pub(in super::super) fn data_params(state: &Arc<State>, principal: &Principal, now: Timestamp) -> List {
    let made = Made {
        // What is nobody's came from an entry that was written; it is shown as long as that is there.
        list: state.tasks.data_objects_of_agents(),
        make: data_entry,
        state: state.clone(),
        principal: principal.clone(),
        now,
    };
    both(state, &nodes::DATA_PARAMS, made)
}

/// `/irtf-agent:context`: the entries that were written, and for each context of the
/// principal's the latest question that was answered with data.
pub(in super::super) fn contexts(state: &Arc<State>, principal: &Principal, now: Timestamp) -> List {
    let made = Made {
        list: state.tasks.contexts(),
        make: context_entry,
        state: state.clone(),
        principal: principal.clone(),
        now,
    };
    both(state, &nodes::CONTEXT, made)
}

fn both(state: &State, node: &'static Node, made: Made) -> List {
    let written = state.config.content().list(node).cloned().unwrap_or_else(|| List::empty(node));
    List::State(Arc::new(Both { node, written, made }))
}

type Make = fn(&Made, &str, &Container) -> Option<Container>;

/// A state list shown as entries of another one; what cannot be shown is left out.
#[derive(Debug)]
struct Made {
    list: Arc<dyn StateList>,
    make: Make,
    state: Arc<State>,
    principal: Principal,
    /// When it is read.
    now: Timestamp,
}

impl Made {
    fn get(&self, key: &Key) -> Option<Arc<Container>> {
        let entry = self.list.get(key)?;
        self.shown(key, &entry)
    }

    fn shown(&self, key: &Key, entry: &Container) -> Option<Arc<Container>> {
        let id = key.values().first().and_then(Value::as_str)?;
        let made = (self.make)(self, id, entry)?;
        Some(Arc::new(made.at_revision(entry.revision)))
    }
}

/// Two lists in one, by key; what is made of what agents hold goes before what anybody has written.
#[derive(Debug)]
struct Both {
    node: &'static Node,
    written: List,
    made: Made,
}

impl StateList for Both {
    fn get(&self, key: &Key) -> Option<Arc<Container>> {
        self.made.get(key).or_else(|| self.written.get(self.node, key))
    }

    fn after(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        Merged::new(self, key, false).take(count).collect()
    }

    fn before(&self, key: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
        Merged::new(self, key, true).take(count).collect()
    }

    fn len(&self) -> usize {
        Merged::new(self, None, false).count()
    }

    fn is_empty(&self) -> bool {
        Merged::new(self, None, false).next().is_none()
    }

    fn changed_since(&self, older: &dyn StateList) -> Option<Vec<Key>> {
        let older: &Self = older.as_any()?.downcast_ref()?;
        // What others see depends on more than the entry: on who takes part in what.
        if !self.made.principal.sees_all() {
            return None;
        }
        let (List::Sorted(before), List::Sorted(now)) = (&older.written, &self.written) else { return None };
        let written = before.diff(now).map(|item| match item {
            DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { old: (key, _), .. } => {
                key.clone()
            }
        });
        let mut keys = self.made.list.changed_since(older.made.list.as_ref())?;
        keys.extend(written);
        Some(keys)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// The entries of both, in order or backwards. Each is looked at once, and none before its turn but the next.
struct Merged<'a> {
    made: &'a Made,
    written: Peekable<Box<dyn Iterator<Item = (Key, Arc<Container>)> + 'a>>,
    /// The next of which something may be made; `None` if there is none.
    source: Option<(Key, Arc<Container>)>,
    backwards: bool,
}

impl<'a> Merged<'a> {
    /// Those on the other side of a key, or all.
    fn new(both: &'a Both, key: Option<&Key>, backwards: bool) -> Self {
        let beyond = key.cloned();
        let written = both.written.walk(both.node, key, backwards);
        let written = written.filter_map(move |(key, entry)| Some((key?, entry)));
        let written = written.filter(move |(key, _)| beyond.as_ref() != Some(key));
        let written = (Box::new(written) as Box<dyn Iterator<Item = _>>).peekable();
        let mut merged = Merged { made: &both.made, written, source: None, backwards };
        merged.advance(key);
        merged
    }

    fn advance(&mut self, key: Option<&Key>) {
        let list = &self.made.list;
        self.source = if self.backwards { list.before(key, 1) } else { list.after(key, 1) }.pop();
    }
}

impl Iterator for Merged<'_> {
    type Item = (Key, Arc<Container>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((source, _)) = &self.source else { return self.written.next() };
            let turn = match self.written.peek() {
                Some((written, _)) if self.backwards => written.cmp(source),
                Some((written, _)) => source.cmp(written),
                None => Ordering::Less,
            };
            if turn == Ordering::Greater {
                return self.written.next();
            }
            let (key, entry) = self.source.take()?;
            self.advance(Some(&key));
            if let Some(made) = self.made.shown(&key, &entry) {
                if turn == Ordering::Equal {
                    self.written.next();
                }
                return Some((key, made));
            }
        }
    }
}

/// Text of an object is shown in its entry up to so many octets: a client that knows only the draft can read it nowhere else,
/// and a list of entries is still no list of all that was stored.
const SHOWN_BYTES_MAX: u64 = 16 * 1024;

fn data_entry(made: &Made, id: &str, entry: &Container) -> Option<Container> {
    if !sees(&made.state, &made.principal, &made.state.tasks.readers(id), made.now) {
        return None;
    }
    let object = DataObject::from_data(entry).ok()?;
    // Who audits sees that there is data, and not what is in it.
    let may_read = reads_data(&made.state, &made.principal, id, made.now).is_ok();
    let data = may_read.then(|| made.state.tasks.text(id, SHOWN_BYTES_MAX)).flatten();
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
        data,
        chunked: None,
        finished: Some(object.complete),
    };
    Some(params.to_data())
}

fn context_entry(made: &Made, id: &str, entry: &Container) -> Option<Container> {
    if !sees(&made.state, &made.principal, &made.state.tasks.context_parties(id), made.now) {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use imbl::OrdMap;

    use super::*;
    use crate::access::Method;

    /// Numbered entries; it counts how many were built.
    #[derive(Debug)]
    struct Counted(u32, AtomicUsize);

    fn key(number: u32) -> Key {
        Key::string(&format!("{number:04}"))
    }

    /// The revision of what is made.
    const MADE: u64 = 7;

    fn made() -> Arc<Container> {
        Arc::new(Container::default().at_revision(MADE))
    }

    fn number(key: &Key) -> Option<u32> {
        key.values().first().and_then(Value::as_str)?.parse().ok()
    }

    impl StateList for Counted {
        fn get(&self, _: &Key) -> Option<Arc<Container>> {
            None
        }

        fn after(&self, after: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
            let first = after.and_then(number).map_or(0, |number| number + 1);
            let entries: Vec<_> = (first..self.0).take(count).map(|n| (key(n), made())).collect();
            self.1.fetch_add(entries.len(), Ordering::Relaxed);
            entries
        }

        fn before(&self, before: Option<&Key>, count: usize) -> Vec<(Key, Arc<Container>)> {
            let end = before.and_then(number).unwrap_or(self.0);
            (0..end).rev().take(count).map(|n| (key(n), made())).collect()
        }

        fn len(&self) -> usize {
            self.0 as usize
        }
    }

    /// The even numbers are written, and of the smaller ones each third is shown.
    fn both(list: &Arc<Counted>) -> Both {
        let even = (0..list.0).filter(|n| n % 2 == 0).map(|n| (key(n), Arc::default()));
        let make: Make = |_, id, entry| {
            let shown = id.parse::<u32>().is_ok_and(|n| n.is_multiple_of(3) && n < 1000);
            shown.then(|| entry.clone())
        };
        let principal = Principal::new("oss", Default::default(), Method::Local);
        let (state, now) = (Arc::default(), Timestamp::EPOCH);
        let made = Made { list: list.clone(), make, state, principal, now };
        Both { node: &nodes::DATA_PARAMS, written: List::Sorted(even.collect::<OrdMap<_, _>>()), made }
    }

    #[test]
    fn two_lists_are_one_in_order_and_each_entry_is_looked_at_but_a_few_times() {
        let list = Arc::new(Counted(3000, AtomicUsize::new(0)));
        let both = both(&list);
        let is_made = |n: u32| n.is_multiple_of(3) && n < 1000;
        let expected: Vec<Key> = (0..3000).filter(|n| n % 2 == 0 || is_made(*n)).map(key).collect();
        let mut seen = Vec::new();
        loop {
            let page = both.after(seen.last(), 64);
            if page.is_empty() {
                break;
            }
            for (key, entry) in &page {
                // Where there are both, what is made is shown.
                assert_eq!(entry.revision == MADE, number(key).is_some_and(is_made), "{key:?}");
            }
            seen.extend(page.into_iter().map(|(key, _)| key));
        }
        assert_eq!(seen, expected);
        assert!(list.1.load(Ordering::Relaxed) <= 3 * 3000);
        assert_eq!(both.len(), expected.len());
        assert!(!both.is_empty());
    }
}
