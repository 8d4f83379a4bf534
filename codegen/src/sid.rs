//! The `.sid` files beside modules (RFC 9595 section 4): which number stands for which node or identity.
//!
//! It never chooses a number. What a file names and the modules do not have, such as a node whose feature is off, is of
//! no concern.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value as Json;

use crate::error::{Diagnostic, Error, Result};
use crate::ir::{IdentityId, Kind, NodeId, Schema};

/// The largest SID: they have 63 bits.
const SID_MAX: u64 = i64::MAX as u64;

/// Gives the schema the SIDs of the `.sid` files beside its modules: `name@revision.sid` beside `name@revision.yang`.
///
/// # Errors
/// A file cannot be read, is not of the form of `ietf-sid-file`, is of another module or revision, or gives a number twice.
pub fn assign(schema: &mut Schema) -> Result<()> {
    let files = schema.modules.iter().filter_map(|module| {
        let path = module.source.file()?.with_extension("sid");
        path.is_file().then(|| (path, module.name.clone(), module.revision.clone()))
    });
    let files: Vec<_> = files.collect();
    if files.is_empty() {
        return Ok(());
    }
    let known = Known::new(schema);
    let mut used: HashMap<u64, String> = HashMap::new();
    for (path, name, revision) in files {
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        let wrong = |rule: String| problem(&path, rule);
        let file: Json = serde_json::from_str(&text).map_err(|e| wrong(format!("not valid JSON: {e}")))?;
        let file = file
            .get("ietf-sid-file:sid-file")
            .ok_or_else(|| wrong("it has no \"ietf-sid-file:sid-file\"".into()))?;
        let of = |member: &str| file.get(member).and_then(Json::as_str).unwrap_or_default();
        if (of("module-name"), of("module-revision")) != (&name, &revision) {
            let (other, date) = (of("module-name"), of("module-revision"));
            return Err(wrong(format!(
                "it is of \"{other}@{date}\", and stands beside \"{name}@{revision}\""
            )));
        }
        for item in file.get("item").and_then(Json::as_array).into_iter().flatten() {
            let of = |member: &str| item.get(member).and_then(Json::as_str).unwrap_or_default();
            let (namespace, identifier) = (of("namespace"), of("identifier"));
            // RFC 7951 section 6.1: 64 bits are a string.
            let sid = of("sid").parse().ok().filter(|sid| (1..=SID_MAX).contains(sid));
            let sid: u64 =
                sid.ok_or_else(|| wrong(format!("\"{identifier}\" has no \"sid\" from 1 to {SID_MAX}")))?;
            if let Some(other) = used.insert(sid, format!("{namespace} {identifier}")) {
                return Err(wrong(format!(
                    "{namespace} {identifier} has the SID {sid}, which is that of {other}"
                )));
            }
            match namespace {
                "data" => known.nodes.get(identifier).into_iter().for_each(|id| schema.nodes[id.0].sid = sid),
                "identity" => {
                    let name = (name.as_str(), identifier);
                    let found =
                        known.identities.iter().find(|(of, _)| (of.0.as_str(), of.1.as_str()) == name);
                    found.into_iter().for_each(|(_, id)| schema.identities[id.0].sid = sid);
                }
                "module" | "feature" => {}
                other => return Err(wrong(format!("\"{identifier}\": there is no namespace \"{other}\""))),
            }
        }
    }
    Ok(())
}

/// What a file can name.
struct Known {
    /// By the path of names, which are qualified where the module changes; choices and cases can be left out.
    nodes: HashMap<String, NodeId>,
    /// By module and name.
    identities: Vec<((String, String), IdentityId)>,
}

impl Known {
    fn new(schema: &Schema) -> Known {
        let mut nodes = HashMap::new();
        let annotations: Vec<NodeId> =
            schema.modules.iter().flat_map(|m| m.annotations.iter().copied()).collect();
        for id in schema.node_ids().filter(|id| !annotations.contains(id)) {
            nodes.insert(schema.path(id), id);
            if !matches!(schema.node(id).kind, Kind::Choice { .. } | Kind::Case) {
                nodes.entry(data_path(schema, id)).or_insert(id);
            }
        }
        let identities = schema.identities.iter().enumerate().map(|(index, identity)| {
            let module = schema.module(identity.module).name.clone();
            ((module, identity.name.clone()), IdentityId(index))
        });
        Known { nodes, identities: identities.collect() }
    }
}

/// The path of a node without choices and cases.
fn data_path(schema: &Schema, id: NodeId) -> String {
    let mut path = String::new();
    let mut module = None;
    for node in schema.lineage(id).into_iter().map(|step| schema.node(step)) {
        if matches!(node.kind, Kind::Choice { .. } | Kind::Case) {
            continue;
        }
        path.push('/');
        if module != Some(node.module) {
            path += &format!("{}:", schema.module(node.module).name);
            module = Some(node.module);
        }
        path += &node.name;
    }
    path
}

fn problem(path: &Path, rule: String) -> Error {
    Error::Yang(vec![Diagnostic { file: Some(path.to_owned()), line: 0, path: String::new(), rule }])
}
