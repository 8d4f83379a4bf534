//! The list that grows: its entries, and a log that holds so many of them. It never asks a server.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentconf::access::{Method, Principal};
use agentconf::clock::Clock;
use agentconf::datastore::edit::{Edit, Operation};
use agentconf::engine::{Capabilities, Datastore, EditRequest, Engine, NoVault, Options, Test};
use agentconf::limits::Limits;
use agentconf::log::Log;
use agentconf::yang::generated::SCHEMA;
use agentconf::yang::generated::irtf_agent::{self, nodes};
use agentconf::yang::json;
use agentconf::yang::path::{InstancePath, Selector, Step};
use agentconf::yang::tree::Key;
use tokio::task::JoinSet;

use super::Outcome;

/// The key of an entry that is there from the start.
pub fn id(number: u64) -> String {
    format!("entry-{number:08}")
}

/// The key of one that is added after it in the order of the list.
pub fn id_after(after: u64, number: u64) -> String {
    format!("{}-{number}", id(after))
}

/// The entry with this key as RESTCONF has it.
pub fn content(id: &str) -> String {
    format!(
        r#"{{"irtf-agent:data-params":[{{"id":"{id}","dataType":"text","description":"Throughput of cell {id}","dataSize":"4096","format":"text/csv","url":"https://data.example.com/{id}"}}]}}"#
    )
}

/// Edits that wait for the engine at a time while a log is made.
const FILL_AT_ONCE: u64 = 512;

/// Makes a log by putting the entries one by one, each an edit of its own, through the engine of the library. Returns how
/// long that took.
pub async fn fill(data: &Path, entries: u64) -> Outcome<Duration> {
    let start = Instant::now();
    let profile = irtf_agent::Agent::new("bench", "", "", "");
    let (clock, limits, capabilities) = (Clock::system(), Limits::default().into(), Capabilities::default());
    let engine = Engine::open(
        Log::open(data)?,
        Options {
            clock,
            limits,
            startup: false,
            profile,
            capabilities,
            receivers: std::sync::Arc::new(agentconf::engine::NoReceivers),
            judges: std::sync::Arc::new(agentconf::engine::NoJudges),
            blobs: None,
            vault: Arc::new(NoVault),
            trail: Default::default(),
            spans: Default::default(),
            accounts: Default::default(),
        },
    )?;
    let groups = ["admin".to_owned()].into();
    let principal = Principal::new("admin", groups, Method::Local);
    let mut numbers = 0..entries;
    loop {
        let mut edits = JoinSet::new();
        for number in numbers.by_ref().take(FILL_AT_ONCE as usize) {
            let (engine, principal, request) = (engine.clone(), principal.clone(), put(number)?);
            edits.spawn(async move { engine.edit(&principal, request).await });
        }
        if edits.is_empty() {
            break;
        }
        while let Some(edited) = edits.join_next().await {
            edited?.map_err(|refused| refused.error)?;
        }
    }
    engine.stop().await?;
    Ok(start.elapsed())
}

fn put(number: u64) -> Outcome<EditRequest> {
    let id = id(number);
    let step = Step { node: &nodes::DATA_PARAMS, selector: Selector::Key(Key::string(&id)) };
    let path = InstancePath { steps: vec![step] };
    let value = json::decode_one(content(&id).as_bytes(), &path, &SCHEMA, &json::STORED)?;
    let edit = Edit { operation: Operation::Replace, path, value: Some(value), insert: None };
    Ok(EditRequest {
        datastore: Datastore::Running,
        test: Test::AtCommit,
        edits: vec![edit],
        preconditions: Vec::new(),
    })
}
