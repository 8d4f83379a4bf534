//! The OpenAPI 3.1 description of the API, made from the schema tables when it is first asked for.
//!
//! It shows a principal the resources that they may read, the edits that they may make and the operations that
//! they may invoke. It never decides that itself, and nothing in it is written down a second time: methods come
//! from `data`, names and types from the schema.

mod document;
mod parts;
mod schemas;
mod types;

pub use schemas::one_line;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::header::{ETAG, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use sha2::{Digest, Sha256};

use super::conditions::{self, Outcome};
use super::errors::Refusal;
use super::home::Home;
use super::params::Place;
use super::request::Asked;
use super::{answer, media, options};
use crate::engine::Engine;
use crate::ids;
use crate::yang::generated::SCHEMA;
use crate::yang::schema::Node;

/// Where the description is.
pub const PATH: &str = "/restconf/openapi.json";
/// Its media type. There is none of its own that is registered.
pub const MEDIA_TYPE: &str = "application/json";

const METHODS: &str = "GET, HEAD, OPTIONS";

/// `{+restconf}/openapi.json`: what the principal can do, for programs.
pub fn serve(engine: &Engine, asked: &Asked) -> Result<Response, Refusal> {
    asked.allow(METHODS)?;
    asked.params(Place::Nowhere)?;
    if asked.method == Method::OPTIONS {
        return Ok(options(METHODS));
    }
    media::accepted(&asked.headers, &[MEDIA_TYPE]).ok_or_else(|| Refusal::not_acceptable(MEDIA_TYPE))?;
    let document = document_for(Rights::of(engine, asked));
    let mut response = match conditions::judge_read(&asked.headers, Some(&document.tag), None, false)? {
        Outcome::NotModified => answer::empty(StatusCode::NOT_MODIFIED),
        Outcome::Send => answer::ok(MEDIA_TYPE, document.text.clone()),
    };
    if let Ok(tag) = HeaderValue::try_from(document.tag.as_str()) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(response)
}

/// What one principal may do: all that a description depends on beside the schema.
#[derive(Debug, PartialEq, Eq)]
pub struct Rights {
    /// Data nodes that may be read.
    readable: HashSet<&'static Node>,
    /// Data nodes that may be edited.
    writable: HashSet<&'static Node>,
    /// The rpcs and actions that may be invoked.
    executable: HashSet<&'static Node>,
    /// The datastores that there are, by their place, and whether they can be edited.
    datastores: Vec<(String, bool)>,
}

impl Rights {
    /// Asks the engine about every node.
    pub fn of(engine: &Engine, asked: &Asked) -> Rights {
        let datastores = Home::all(engine).map(|home| (home.prefix.clone(), home.is_writable())).collect();
        let (readable, writable, executable) = Default::default();
        let mut rights = Rights { readable, writable, executable, datastores };
        for module in SCHEMA.implemented() {
            let rpcs = module.rpcs.iter().copied();
            rights.executable.extend(rpcs.filter(|rpc| engine.may_execute(&asked.principal, rpc)));
            module.data.iter().for_each(|node| rights.add(node, engine, asked));
        }
        rights
    }

    fn add(&mut self, node: &'static Node, engine: &Engine, asked: &Asked) {
        if !engine.may_read(&asked.principal, node) {
            return;
        }
        self.readable.insert(node);
        if node.config && engine.may_write(&asked.principal, node) {
            self.writable.insert(node);
        }
        let actions = node.actions.iter().copied();
        self.executable.extend(actions.filter(|action| engine.may_execute(&asked.principal, action)));
        node.data.iter().for_each(|child| self.add(child, engine, asked));
    }

    /// The top-level data nodes that may be read, in the order of their modules.
    pub fn top(&self) -> impl Iterator<Item = &'static Node> {
        let all = SCHEMA.implemented().flat_map(|module| module.data).copied();
        all.filter(|node| self.readable.contains(node))
    }

    /// The rpcs that may be invoked, in the order of their modules.
    pub fn rpcs(&self) -> impl Iterator<Item = &'static Node> {
        let all = SCHEMA.implemented().flat_map(|module| module.rpcs).copied();
        all.filter(|rpc| self.executable.contains(rpc))
    }

    /// The datastores that there are, by their place, and whether they can be edited.
    pub fn datastores(&self) -> &[(String, bool)] {
        &self.datastores
    }
}

/// A description as it is sent.
struct Document {
    text: Bytes,
    tag: String,
}

/// The description for these rights. Making one takes some milliseconds, and few users differ in their rights,
/// so those made last are kept.
fn document_for(rights: Rights) -> Arc<Document> {
    const KEPT: usize = 8;
    static MADE: Mutex<Vec<(Rights, Arc<Document>)>> = Mutex::new(Vec::new());
    // What is there was made completely, whoever panicked.
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, document)) = made.iter().find(|(known, _)| *known == rights) {
        return Arc::clone(document);
    }
    let text = document::make(&rights).to_string();
    let hash = ids::half(&Sha256::digest(&text));
    let document = Arc::new(Document { text: text.into(), tag: format!("\"{hash}\"") });
    if made.len() == KEPT {
        made.remove(0);
    }
    made.push((rights, Arc::clone(&document)));
    document
}
