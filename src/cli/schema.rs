//! `agentconf schema`: the modules of a server, their texts, and help on their nodes. It never reads data.

use std::error::Error;

use clap::Args;

use super::connection::Connection;
use super::{UsageError, block_on, library, output};
use crate::client::schema::{Kind, NodeId, Schema as Nodes, Status};
use crate::client::{Module, Path, resolve};

/// The arguments of `schema`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  agentconf schema
  agentconf schema magent-task > magent-task.yang
  agentconf schema /magent-task:interaction/tasks/task")]
pub struct Schema {
    /// The server's URL (default: AGENTCONF_URL, or else the server on this machine), then a module, NAME or NAME@REVISION,
    /// for its YANG text, or a path for help on its node and what is below it. Without both, the modules are listed.
    #[arg(value_name = "[URL] [MODULE|PATH]")]
    arguments: Vec<String>,
    /// How many levels are shown below the node of a path.
    #[arg(long, value_name = "N", default_value_t = 2)]
    depth: usize,
    #[command(flatten)]
    connection: Connection,
}

impl Schema {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        let (url, texts) = self.connection.place(self.arguments)?;
        let wanted = match texts.as_slice() {
            [] => None,
            [wanted] => Some(wanted.clone()),
            [_, more, ..] => return Err(UsageError::of(format!("{more:?} is too much")).into()),
        };
        let path = match &wanted {
            Some(text) if text.starts_with('/') => Some(text.parse::<Path>().map_err(UsageError::of)?),
            _ => None,
        };
        block_on(async {
            let session = self.connection.open(&url).await?;
            let text = match (wanted, path) {
                (None, _) => modules(&session.modules().await?.all),
                (Some(_), Some(path)) => {
                    let library = library(&session).await?;
                    help(&library.schema, &path, self.depth)?
                }
                (Some(name), None) => {
                    let (name, revision) = match name.split_once('@') {
                        Some((name, revision)) => (name.to_owned(), Some(revision.to_owned())),
                        None => (name, None),
                    };
                    // The server may have several revisions.
                    let modules = session.modules().await?;
                    let known = modules.find(&name);
                    let is_submodule =
                        || modules.all.iter().flat_map(|m| &m.submodules).any(|(own, _)| *own == name);
                    if known.is_none() && !is_submodule() {
                        let near = resolve::meant(&name, modules.all.iter().map(|m| m.name.as_str()));
                        return Err(format!("the server has no module {name:?}{near}").into());
                    }
                    let revision = revision.or_else(|| known.and_then(|module| module.revision.clone()));
                    session.source(&name, revision.as_deref()).await?
                }
            };
            output::put(&text)?;
            let _ = session.close().await;
            Ok(())
        })
    }
}

fn modules(all: &[Module]) -> String {
    let mut rows = vec![["MODULE", "REVISION", "", "FEATURES"].map(str::to_owned).to_vec()];
    for module in all {
        rows.push(vec![
            module.name.clone(),
            module.revision.clone().unwrap_or_default(),
            if module.is_implemented { "implemented" } else { "imported" }.to_owned(),
            module.features.join(","),
        ]);
    }
    output::aligned(&rows)
}

/// What a node is, and the nodes below it in the manner of RFC 8340.
fn help(schema: &Nodes, path: &Path, depth: usize) -> Result<String, Box<dyn Error>> {
    let (_, node) = resolve::resolve(schema, path)?;
    let mut out = String::new();
    if let Some(id) = node {
        let node = schema.node(id);
        out.push_str(&format!("{}\n  {}\n", schema.path(id), facts(schema, id)));
        if !node.keys.is_empty() {
            out.push_str(&format!("  keys: {}\n", node.keys.join(", ")));
        }
        for text in [&node.description, &node.reference].into_iter().flatten() {
            out.push('\n');
            out.extend(text.lines().map(|line| format!("  {line}\n")));
        }
        let names = node.ty.as_ref().map(|ty| schema.names(ty)).unwrap_or_default();
        if !names.is_empty() {
            out.push_str("\nValues:\n");
            let row = |(name, description): (String, Option<&str>)| {
                let words: Vec<&str> = description.unwrap_or_default().split_whitespace().collect();
                let line = words.join(" ");
                let first = line.split_once(". ").map_or(line.as_str(), |(first, _)| first);
                vec![format!("  {name}"), first.trim_end_matches('.').to_owned()]
            };
            out.push_str(&output::aligned(&names.into_iter().map(row).collect::<Vec<_>>()));
        }
    }
    let mut rows = Vec::new();
    tree(schema, node, depth, 0, &mut rows);
    if !rows.is_empty() {
        out.push('\n');
        out.push_str(&output::aligned(&rows));
    }
    Ok(out)
}

fn tree(schema: &Nodes, parent: Option<NodeId>, depth: usize, level: usize, rows: &mut Vec<Vec<String>>) {
    if level >= depth {
        return;
    }
    let operations = [Kind::Action, Kind::Notification, Kind::Input, Kind::Output].into_iter();
    let below = operations.flat_map(|kind| schema.of_kind(parent, kind)).collect::<Vec<_>>();
    for id in schema.data(parent).into_iter().chain(below) {
        let node = schema.node(id);
        if matches!(node.kind, Kind::Input | Kind::Output) && node.children.is_empty() {
            continue;
        }
        let above = schema.data_parent(id).map(|above| schema.node(above).module);
        let module =
            if above == Some(node.module) { String::new() } else { format!("{}:", schema.module_name(id)) };
        let keys = if node.keys.is_empty() { String::new() } else { format!(" [{}]", node.keys.join(" ")) };
        let name = format!("{}{module}{}{keys}", "  ".repeat(level), node.name);
        rows.push(vec![name, facts(schema, id)]);
        tree(schema, Some(id), depth, level + 1, rows);
    }
}

/// A node in a few words.
fn facts(schema: &Nodes, id: NodeId) -> String {
    let node = schema.node(id);
    let kind = match node.kind {
        Kind::Container if node.presence.is_some() => "presence container",
        Kind::Container => "container",
        Kind::List => "list",
        Kind::Leaf | Kind::LeafList => "",
        Kind::Choice => "choice",
        Kind::Case => "case",
        Kind::AnyData => "anydata",
        Kind::AnyXml => "anyxml",
        Kind::Rpc => "operation",
        Kind::Action => "action",
        Kind::Input => "input",
        Kind::Output => "output",
        Kind::Notification => "notification",
    };
    let mut words = vec![kind.to_owned()];
    words.extend(node.ty.as_ref().map(|ty| schema.describe(ty)));
    words.extend((node.kind == Kind::LeafList).then(|| "several".to_owned()));
    words.extend(node.units.clone());
    let has_config = node.kind.is_data() && node.config;
    words.extend(has_config.then(|| "configuration".to_owned()));
    words.extend(node.mandatory.then(|| "mandatory".to_owned()));
    words.extend((!node.defaults.is_empty()).then(|| format!("default {}", node.defaults.join(", "))));
    words.extend(match node.status {
        Status::Current => None,
        Status::Deprecated => Some("deprecated".to_owned()),
        Status::Obsolete => Some("obsolete".to_owned()),
    });
    words.retain(|word| !word.is_empty());
    words.join(", ")
}
