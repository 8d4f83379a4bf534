//! What records tell of nodes that the modules of this program do not have any more, or not with such values: a module was taken
//! away, or is another revision.
//!
//! Such data is passed over as long as it is gone at the end, by edits that follow. What would still be there is named, and
//! nobody goes on without it: nothing is lost because a module is missing by mistake. Only edits of configuration can have such
//! data; no other event is of modules that a vendor brings.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value as Json;
use serde_json::value::to_raw_value;

use super::event::{Event, EventError, Startup, StoredEdit};
use crate::datastore::edit::{Edit, Operation};
use crate::log::Record;
use crate::yang::generated::SCHEMA;
use crate::yang::json;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::{Kind, Node};
use crate::yang::value::Value;

/// Places that are named where there are many.
const NAMED_MAX: usize = 8;

/// A place as records have it: for each step the node, and what selects the instance.
type Place = Vec<Vec<String>>;

/// The places of what the datastores have and this program does not know.
#[derive(Debug, Default)]
pub struct Unknown {
    running: BTreeSet<Place>,
    startup: BTreeSet<Place>,
}

/// The event of a record by itself, without what is not known of it.
///
/// # Errors
/// As [`Unknown::read`].
pub(super) fn known(record: &Record) -> Result<Event, EventError> {
    Unknown::default().read(record.position, record.kind, record.version, &record.payload)
}

impl Unknown {
    /// The event of a record, without what is not known. It is to be given each record after the other.
    ///
    /// # Errors
    /// [`EventError`]: it is not what is unknown that keeps the record from being read.
    pub(super) fn read(
        &mut self,
        position: u64,
        kind: u16,
        version: u8,
        payload: &[u8],
    ) -> Result<Event, EventError> {
        let mut event = match Event::read(position, kind, version, payload) {
            Err(error) => return self.without(kind, version, payload).ok_or(error),
            Ok(event) => event,
        };
        match &mut event {
            Event::Edited(edits) => follow(&mut self.running, edits),
            Event::Startup(Startup::Edited(edits)) => follow(&mut self.startup, edits),
            Event::Startup(Startup::Saved) => self.startup.clone_from(&self.running),
            _ => {}
        }
        Ok(event)
    }

    /// Whether something unknown is still there.
    pub(super) fn is_any(&self) -> bool {
        !self.running.is_empty() || !self.startup.is_empty()
    }

    /// The edits of a record that cannot be read as it is; `None` if they are no edits.
    fn without(&mut self, kind: u16, version: u8, payload: &[u8]) -> Option<Event> {
        let (is_startup, stored) = Event::stored_edits(kind, version, payload)?;
        let places = if is_startup { &mut self.startup } else { &mut self.running };
        let mut known = Vec::with_capacity(stored.len());
        for edit in stored {
            let (place, is_removal) = (place_of_stored(&edit), edit.op.is_removal());
            let mut unknown = Vec::new();
            match edit.clone().into_edit().ok().or_else(|| pruned(edit, &mut unknown)) {
                Some(edit) => {
                    let mut edits = [edit];
                    follow(places, &mut edits);
                    known.extend(edits);
                }
                None => {
                    places.retain(|known| !known.starts_with(&place));
                    unknown = if is_removal { Vec::new() } else { vec![place] };
                }
            }
            places.extend(unknown);
        }
        Some(if is_startup { Event::Startup(Startup::Edited(known)) } else { Event::Edited(known) })
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: BTreeSet<&Place> = self.running.union(&self.startup).collect();
        for (number, place) in places.iter().take(NAMED_MAX).enumerate() {
            f.write_str(if number == 0 { "" } else { ", " })?;
            for step in place.iter() {
                write!(f, "/{}", step.join("="))?;
            }
        }
        match places.len().saturating_sub(NAMED_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// What known edits do to what is unknown: with what is above it, it goes.
fn follow(places: &mut BTreeSet<Place>, edits: &mut [Edit]) {
    if places.is_empty() {
        return;
    }
    for edit in edits {
        let place = place_of(&edit.path);
        let is_whole = !matches!(edit.operation, Operation::Merge | Operation::None | Operation::Move);
        let before = places.len();
        places.retain(|known| !(known.starts_with(&place) && (is_whole || *known == place)));
        if edit.operation == Operation::Delete && places.len() < before {
            // Nothing else may have been there.
            edit.operation = Operation::Remove;
        }
    }
}

fn place_of(path: &InstancePath) -> Place {
    let step = |step: &Step| {
        let mut texts = vec![step.node.qualified_name()];
        match &step.selector {
            Selector::Key(key) => texts.extend(key.values().iter().map(Value::canonical)),
            Selector::Value(value) => texts.push(value.canonical()),
            Selector::None | Selector::Position(_) => {}
        }
        texts
    };
    path.steps.iter().map(step).collect()
}

fn place_of_stored(edit: &StoredEdit) -> Place {
    let step = |(node, key, value): (&str, &[String], Option<&str>)| {
        let keys = key.iter().cloned().chain(value.map(str::to_owned));
        std::iter::once(node.to_owned()).chain(keys).collect()
    };
    edit.steps().map(step).collect()
}

/// The edit without what is not known of its value; `None` if nothing is left, or the place itself is not known.
fn pruned(mut edit: StoredEdit, unknown: &mut Vec<Place>) -> Option<Edit> {
    let target = edit.target()?;
    let mut value: Json = serde_json::from_str(edit.value.as_deref()?.get()).ok()?;
    let above =
        InstancePath { steps: target.steps.split_last().map_or(Vec::new(), |(_, above)| above.to_vec()) };
    prune(&mut value, &above, place_of(&above), unknown);
    edit.value = Some(to_raw_value(&value).ok()?);
    edit.into_edit().ok()
}

/// Takes the members out of an object that its parent's node does not have, or not with such values.
fn prune(object: &mut Json, parent: &InstancePath, place: Place, unknown: &mut Vec<Place>) {
    let Json::Object(members) = object else { return };
    members.retain(|name, value| {
        let below = |text: String| [place.clone(), vec![vec![text]]].concat();
        let Some(node) = resolved(name, parent.node()) else {
            unknown.push(below(name.clone()));
            return false;
        };
        let path = parent.clone().child(Step::plain(node));
        if fits(&path, node, value) {
            return true;
        }
        let here = below(node.qualified_name());
        match (&node.kind, &mut *value) {
            (Kind::Container { .. }, Json::Object(_)) => prune(value, &path, here.clone(), unknown),
            (Kind::List { .. }, Json::Array(entries)) => entries.retain_mut(|entry| {
                let one = |entry: &Json| Json::Array(vec![entry.clone()]);
                let mut here = here.clone();
                if let Some(step) = here.last_mut() {
                    step.extend(node.keys().iter().filter_map(|key| text(entry.get(key.name)?)));
                }
                if !fits(&path, node, &one(entry)) {
                    prune(entry, &path, here.clone(), unknown);
                }
                let is_known = fits(&path, node, &one(entry));
                unknown.extend((!is_known).then_some(here));
                is_known
            }),
            _ => {}
        }
        let is_known = fits(&path, node, value);
        unknown.extend((!is_known).then_some(here));
        is_known
    });
}

fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(_) | Json::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// The node that a member of a record stands for.
fn resolved(name: &str, parent: Option<&'static Node>) -> Option<&'static Node> {
    let (module, local) = match name.split_once(':') {
        Some((module, local)) => (SCHEMA.module(module)?, local),
        None => (parent?.module, name),
    };
    let siblings = parent.map_or(module.data, |parent| parent.data);
    siblings.iter().copied().find(|node| node.name == local && node.module == module)
}

fn fits(path: &InstancePath, node: &Node, value: &Json) -> bool {
    let document = serde_json::json!({ node.qualified_name(): value }).to_string();
    json::decode_one(document.as_bytes(), path, &SCHEMA, &json::STORED).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::event::KINDS;

    /// The record of edits: what is done, the names and keys of the steps, and the value.
    fn edited(position: u64, edits: &[(&str, &[&[&str]], Json)]) -> Record {
        let step = |step: &&[&str]| serde_json::json!({"node": step[0], "key": step[1..]});
        let edit = |(op, path, value): &(&str, &[&[&str]], Json)| serde_json::json!({"op": op, "path": path.iter().map(step).collect::<Vec<_>>(), "value": value});
        let payload = Json::from(edits.iter().map(edit).collect::<Vec<_>>()).to_string().into_bytes();
        let (kind, _) = KINDS.iter().find(|(_, name)| *name == "edited").unwrap();
        let (actor, origin) = (String::new(), String::new());
        Record {
            position,
            at: 0,
            kind: *kind,
            version: 1,
            transaction_end: true,
            actor,
            origin,
            payload,
            hash: [0; 32],
        }
    }

    fn event(unknown: &mut Unknown, record: &Record) -> Result<Event, EventError> {
        unknown.read(record.position, record.kind, record.version, &record.payload)
    }

    const PARAMS: &str = "irtf-agent:data-params";
    const BEAST: &[&str] = &["acme:beast"];

    /// What is known of a record, in a line for each edit, and what is unknown after it.
    fn read(unknown: &mut Unknown, edits: &[(&str, &[&[&str]], Json)]) -> (Vec<String>, String) {
        let Event::Edited(known) = event(unknown, &edited(1, edits)).unwrap() else {
            panic!("they are edits")
        };
        let line = |edit: &Edit| {
            let mut text = Vec::new();
            if let (Some(node), Some(value)) = (edit.path.node(), &edit.value) {
                json::encode_one(node, value, &mut text, &Default::default());
            }
            format!("{:?} {} {}", edit.operation, edit.path, String::from_utf8(text).unwrap())
        };
        (known.iter().map(line).collect(), unknown.to_string())
    }

    #[test]
    fn a_module_that_is_gone_is_passed_over_once_its_data_is() {
        let mut unknown = Unknown::default();
        let made = [("create", &[BEAST][..], serde_json::json!({"acme:beast": {"leg": 4}}))];
        assert_eq!(read(&mut unknown, &made), (vec![], "/acme:beast".to_owned()));
        let leg = [("replace", &[BEAST, &["acme:leg"]][..], serde_json::json!({"acme:leg": 3}))];
        assert_eq!(read(&mut unknown, &leg).1, "/acme:beast, /acme:beast/acme:leg");
        assert!(unknown.is_any());
        assert_eq!(read(&mut unknown, &[("remove", &[BEAST], Json::Null)]), (vec![], String::new()));
        assert!(!unknown.is_any());
    }

    #[test]
    fn what_another_revision_has_not_is_taken_out_of_what_it_stood_in() {
        let mut unknown = Unknown::default();
        let entry = |id: &str, more: Json| {
            let mut entry = serde_json::json!({"id": id, "dataType": "text"});
            entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::json!({ PARAMS: [entry] })
        };
        let both: &[&[&str]] = &[&[PARAMS, "a"]];
        let made = [("create", both, entry("a", serde_json::json!({"acme:hint": "h", "old": [1]})))];
        let kept = "Create /irtf-agent:data-params[id='a'] {\"irtf-agent:data-params\":[{\"id\":\"a\",\"dataType\":\"text\"}]}";
        let left = "/irtf-agent:data-params=a/acme:hint, /irtf-agent:data-params=a/old";
        assert_eq!(read(&mut unknown, &made), (vec![kept.to_owned()], left.to_owned()));
        // A value that the type has no longer is not replaced by an earlier one.
        let kind = &[&[PARAMS, "a"][..], &["irtf-agent:dataType"]];
        let odd = [("replace", &kind[..], serde_json::json!({"irtf-agent:dataType": "smell"}))];
        let (known, left) = read(&mut unknown, &odd);
        assert!(known.is_empty() && left.contains("/irtf-agent:data-params=a/irtf-agent:dataType"), "{left}");
        let again = [("merge", &kind[..], serde_json::json!({"irtf-agent:dataType": "audio"}))];
        let (known, left) = read(&mut unknown, &again);
        assert!(known.len() == 1 && !left.contains("dataType"), "{left}");
        // With the entry all goes that was in it.
        let (known, left) = read(&mut unknown, &[("delete", both, Json::Null)]);
        assert_eq!(
            (known, left),
            (vec!["Remove /irtf-agent:data-params[id='a'] ".to_owned()], String::new())
        );
    }

    #[test]
    fn what_is_no_edit_is_not_passed_over() {
        let mut unknown = Unknown::default();
        let record = Record { version: 9, ..edited(1, &[]) };
        assert!(matches!(event(&mut unknown, &record), Err(EventError::Unknown { .. })));
        let record = Record { payload: b"[{".to_vec(), ..edited(1, &[]) };
        assert!(matches!(event(&mut unknown, &record), Err(EventError::Payload { .. })));
    }
}
