//! What a word can be completed to. What exists on the server is asked of somebody else, who may not know.

use super::grammar::{Place, Want, wants};
use super::words::{Word, quote, split};
use crate::client::schema::{Base, Kind, NodeId, Schema};

/// Most candidates that are offered.
pub const CANDIDATES_MAX: usize = 500;

/// Most lists whose keys are asked for since a leaf may name their entries.
const REFERRED_MAX: usize = 4;

/// Who knows what exists on the server.
pub trait Known {
    /// The values that a key has in the entries of the list at a place, whose keys before are in its path.
    fn keys(&self, list: &Place, key: NodeId) -> Vec<String>;
    /// The values that all instances of a leaf have, wherever they are.
    fn values(&self, leaf: NodeId) -> Vec<String>;
    /// The revisions that can be gone back to, each with its time.
    fn revisions(&self) -> Vec<(String, String)>;
    /// The names of the streams of events.
    fn streams(&self) -> Vec<String>;
}

/// Something that a word can become.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// The word as it is written, with quotes if it needs them.
    pub text: String,
    /// What it is, in a line; may be empty.
    pub note: String,
}

/// A line up to the cursor: the words that are complete, where the last one begins, and what there is of it.
pub struct Begun {
    /// The complete words.
    pub before: Vec<Word>,
    /// Where the last word begins.
    pub start: usize,
    /// What there is of it, quotes resolved.
    pub text: String,
}

impl Begun {
    /// Takes a line apart.
    pub fn of(line: &str) -> Begun {
        let mut before = split(line);
        let is_begun = |word: &mut Word| word.end == line.len() && (word.quote.is_none() || word.is_open);
        match before.pop_if(is_begun) {
            Some(word) => Begun { before, start: word.start, text: word.text },
            None => Begun { before, start: line.len(), text: String::new() },
        }
    }
}

/// Where the word at the end of `line` begins, and what it can become.
pub fn complete(schema: &Schema, here: &Place, line: &str, known: &dyn Known) -> (usize, Vec<Candidate>) {
    let Begun { before, start, text } = Begun::of(line);
    let Ok(wants) = wants(schema, here, &before) else { return (start, Vec::new()) };
    let mut found: Vec<Candidate> = Vec::new();
    // What has to be said comes first.
    let is_optional = |want: &&Want| !matches!(want, Want::Node(id) if schema.node(*id).mandatory);
    let mut in_order: Vec<&Want> = wants.iter().collect();
    in_order.sort_by_key(is_optional);
    for want in in_order {
        let candidates = candidates(schema, want, &wants, known);
        // The local name of an identity is enough to find it.
        let is_begun = |c: &&(String, String)| {
            c.0.starts_with(&text) || c.0.split_once(':').is_some_and(|(_, local)| local.starts_with(&text))
        };
        for (text, note) in candidates.iter().filter(is_begun) {
            let text = if matches!(want, Want::Literal(..)) { text.clone() } else { quote(text) };
            let candidate = Candidate { text, note: note.clone() };
            if found.len() < CANDIDATES_MAX && !found.iter().any(|other| other.text == candidate.text) {
                found.push(candidate);
            }
        }
    }
    if found.len() > 1 && text.is_empty() {
        // What the data has is looked for more often than its format.
        found.retain(|candidate| candidate.text != "|");
    }
    (start, found)
}

/// The words that a want stands for, each with what it is.
fn candidates(schema: &Schema, want: &Want, wants: &[Want], known: &dyn Known) -> Vec<(String, String)> {
    match want {
        Want::Literal(name, help) => vec![((*name).to_owned(), (*help).to_owned())],
        Want::Node(id) => vec![(name_among(schema, *id, wants), summary(schema, *id))],
        Want::Key(list, key) => {
            let mut found = values(schema, *key, known);
            found.extend(known.keys(list, *key).into_iter().map(|key| (key, String::new())));
            found
        }
        Want::Value(place) => {
            let Some(id) = place.node else { return Vec::new() };
            let mut found = values(schema, id, known);
            let named = names_of(schema, id).into_iter().flat_map(|key| known.values(key));
            found.extend(named.map(|value| (value, String::new())));
            found
        }
        Want::Revision => known.revisions(),
        Want::Stream => known.streams().into_iter().map(|name| (name, String::new())).collect(),
        Want::Other(_) => Vec::new(),
    }
}

/// The name of a node, with that of its module where it means another one without.
pub fn name_among(schema: &Schema, id: NodeId, wants: &[Want]) -> String {
    let node = schema.node(id);
    let others = wants.iter().filter_map(|want| match want {
        Want::Node(other) if schema.node(*other).name == node.name => Some(*other),
        _ => None,
    });
    // The innermost place comes first, and a name is looked up there first.
    let place = others.clone().next().map(|first| schema.data_parent(first));
    let mut near = others.filter(|other| Some(schema.data_parent(*other)) == place);
    match near.next() != Some(id) || near.next().is_some() {
        true => format!("{}:{}", schema.module_name(id), node.name),
        false => node.name.clone(),
    }
}

/// The values of a leaf that the schema names, or that the leafs it refers to have.
fn values(schema: &Schema, id: NodeId, known: &dyn Known) -> Vec<(String, String)> {
    let Some(ty) = &schema.node(id).ty else { return Vec::new() };
    let line = |text: Option<&str>| text.unwrap_or_default().lines().next().unwrap_or_default().to_owned();
    let mut found: Vec<_> =
        schema.names(ty).into_iter().map(|(name, description)| (name, line(description))).collect();
    let members = match &ty.base {
        Base::Union(members) => members.as_slice(),
        _ => std::slice::from_ref(ty),
    };
    for member in members {
        let target = match &member.base {
            Base::Leafref(leafref) => leafref.target,
            _ => None,
        };
        found.extend(target.into_iter().flat_map(|id| known.values(id)).map(|value| (value, String::new())));
    }
    found
}

/// The keys that a leaf seems to refer to without saying so: those of its typedef under another name, since under the same
/// it would name something new, and those of its name if that is a name of two words.
fn names_of(schema: &Schema, id: NodeId) -> Vec<NodeId> {
    let leaf = schema.node(id);
    let Some(ty) = &leaf.ty else { return Vec::new() };
    let mut found = Vec::new();
    let mut open: Vec<NodeId> = schema.modules().flat_map(|(_, module)| module.children.clone()).collect();
    while let Some(at) = open.pop() {
        let node = schema.node(at);
        if !matches!(node.kind, Kind::Container | Kind::List) || found.len() == REFERRED_MAX {
            continue;
        }
        let is_it = |key: &NodeId| {
            let key = schema.node(*key);
            let Some(other) = &key.ty else { return false };
            match key.name == leaf.name {
                true => leaf.name.contains('-'),
                false => ty.name == other.name && ty.name.ends_with("-name"),
            }
        };
        if let [key] = node.keys.as_slice() {
            let key = schema.child(Some(at), schema.module_name(at), key);
            found.extend(key.filter(|key| *key != id).filter(is_it));
        }
        open.extend(&node.children);
    }
    found
}

/// What a node is, in a line.
pub fn summary(schema: &Schema, id: NodeId) -> String {
    let text = schema.node(id).description.as_deref().unwrap_or_default();
    let paragraph: Vec<&str> = text.split("\n\n").next().unwrap_or_default().lines().collect();
    let text = paragraph.join(" ");
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text,
    }
}
