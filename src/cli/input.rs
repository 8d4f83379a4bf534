//! Files with data for a server, JSON or XML. It never looks at a file's name to know which.

use std::error::Error;
use std::io::Read as _;
use std::path::Path;

use crate::client::schema::{NodeId, Schema};
use crate::client::{Element, json};

/// Longest file.
const BYTES_MAX: u64 = 1 << 30;
/// Deepest nesting of XML.
const DEPTH_MAX: usize = 128;
/// Elements of protocols that only hold data.
const WRAPPERS: [&str; 4] = ["config", "data", "input", "output"];

/// The nodes in a file, or in standard input for `-`: those of a document, which a protocol's own element may hold.
///
/// # Errors
/// It cannot be read, or is none of both.
pub fn read(file: &Path, schema: &Schema, parent: Option<NodeId>) -> Result<Vec<Element>, Box<dyn Error>> {
    let mut bytes = Vec::new();
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().take(BYTES_MAX).read_to_end(&mut bytes),
        false => std::fs::File::open(file).and_then(|open| open.take(BYTES_MAX).read_to_end(&mut bytes)),
    };
    let name = if file.as_os_str() == "-" { "standard input".into() } else { file.display().to_string() };
    read.map_err(|error| format!("cannot read {name}: {error}"))?;
    let is_xml = bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_none_or(|first| *first != b'{');
    if is_xml {
        let root = Element::parse(&bytes, DEPTH_MAX).map_err(|error| format!("{name}: {error}"))?;
        // A node of the server's own can have such a name too.
        let is_own = schema
            .find_namespace(&root.namespace)
            .is_some_and(|module| schema.child(parent, &schema.module(module).name, &root.name).is_some());
        return Ok(match WRAPPERS.contains(&root.name.as_str()) && !is_own {
            true => root.children,
            false => vec![root],
        });
    }
    let mut value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| format!("{name}: {error}"))?;
    if let (Some(parent), Some(object)) = (parent, value.as_object_mut())
        && object.len() == 1
        && let Some((name, inner)) = object.iter_mut().next()
        && name.rsplit(':').next() == Some("input")
        && schema.named(Some(parent), "input").is_empty()
    {
        value = inner.take();
    }
    Ok(json::decode(schema, parent, &value).map_err(|error| format!("{name}: {error}"))?)
}
