//! What exists on the server, asked while a person waits for a completion: not for long, and not twice for one line. It
//! never fails: who gets no answer offers nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use super::complete::Known;
use super::grammar::Place;
use super::revisions;
use super::run::{Server, path_of};
use crate::client::schema::NodeId;
use crate::client::{Datastore, Element, Get, Path, Step};

/// How long a person waits for a completion at most.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most values of a key that are kept.
const VALUES_MAX: usize = 10_000;

/// Asks a server, and keeps its answers until [`Keys::forget`].
pub struct Keys {
    server: Arc<Server>,
    runtime: Handle,
    kept: Mutex<HashMap<Path, Vec<String>>>,
}

impl Keys {
    /// Asks this server; `runtime` is not the one of the thread that asks.
    pub fn new(server: Arc<Server>, runtime: Handle) -> Keys {
        Keys { server, runtime, kept: Mutex::default() }
    }

    /// Forgets what was answered, since it may have changed.
    pub fn forget(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn ask(&self, path: Path, leaf: NodeId) -> Vec<String> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(values) = kept.get(&path) {
            return values.clone();
        }
        let node = self.server.schema.node(leaf);
        let sources = match self.server.has_candidate && node.config {
            true => vec![None, Some(Datastore::Candidate)],
            false => vec![None],
        };
        let read = async {
            let mut found = Vec::new();
            for datastore in sources {
                let get = Get { datastore, paths: vec![path.clone()], ..Get::default() };
                let Ok(data) = self.server.session().get(&get).await else { continue };
                collect(&data, &path.steps, &mut |element| {
                    let value = match &node.ty {
                        Some(ty) => {
                            let (text, prefixes) = (&element.text, &element.prefixes);
                            self.server.schema.from_prefixes(ty, node.module, text, prefixes)
                        }
                        None => element.text.clone(),
                    };
                    if found.len() < VALUES_MAX {
                        found.push(value);
                    }
                });
            }
            found.sort();
            found.dedup();
            found
        };
        let values = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, read).await });
        let values = values.unwrap_or_default();
        kept.insert(path, values.clone());
        values
    }
}

/// Visits the elements at the end of a path.
fn collect(elements: &[Element], steps: &[Step], visit: &mut dyn FnMut(&Element)) {
    let Some((first, rest)) = steps.split_first() else { return };
    for element in elements.iter().filter(|element| element.name == first.name) {
        match rest.is_empty() {
            true => visit(element),
            false => collect(&element.children, rest, visit),
        }
    }
}

impl Known for Keys {
    fn keys(&self, list: &Place, key: NodeId) -> Vec<String> {
        let node = self.server.schema.node(key);
        let mut path = list.path.clone();
        let module = self.server.schema.module_name(key).to_owned();
        path.steps.push(Step { module, name: node.name.clone(), predicates: Vec::new() });
        self.ask(path, key)
    }

    fn revisions(&self) -> Vec<(String, String)> {
        let session = self.server.session();
        let read = revisions::listed(&session);
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, read).await }).unwrap_or_default()
    }

    fn streams(&self) -> Vec<String> {
        let schema = &self.server.schema;
        let below =
            |node: Option<NodeId>, name: &str| schema.child(node, "ietf-subscribed-notifications", name);
        let name = below(None, "streams").and_then(|id| below(Some(id), "stream"));
        let name = name.and_then(|id| below(Some(id), "name"));
        name.map(|id| self.values(id)).unwrap_or_default()
    }

    fn values(&self, leaf: NodeId) -> Vec<String> {
        self.ask(path_of(&self.server.schema, leaf), leaf)
    }
}
