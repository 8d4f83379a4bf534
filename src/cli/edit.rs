//! `agentconf edit`: changes data of a server, all of it or nothing. It never asks before it does.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::connection::Connection;
use super::{UsageError, block_on, input, library};
use crate::client::schema::{Base, Kind, NodeId, Schema};
use crate::client::{
    Change, Datastore, Edit as Changes, Element, Operation, Path, Predicate, TestOption, json, resolve,
};

/// The arguments of `edit`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  agentconf edit \"/irtf-agent:data-params[id='map']/data=link-17: A to B\"
  agentconf edit ssh://admin@127.0.0.1:8830 --delete \"/irtf-agent:data-params[id='map']\" --commit
  agentconf get --config --format json /irtf-agent:data-params | agentconf edit --replace -")]
pub struct Edit {
    /// The server's URL (default: AGENTCONF_URL, or else the server on this machine), then what is set: PATH=VALUE for a leaf or
    /// an entry of a leaf-list, PATH for a container, an entry of a list or a leaf without value. A value that begins with
    /// \" is a JSON string; a container or an entry can have a JSON object as value.
    #[arg(value_name = "[URL] [PATH=VALUE]...")]
    arguments: Vec<String>,
    /// Take a node away, which has to be there; may be repeated.
    #[arg(long, value_name = "PATH")]
    delete: Vec<String>,
    /// Put the data of a file (JSON or XML; - is standard input) into what is there; may be repeated.
    #[arg(long, value_name = "FILE")]
    merge: Vec<PathBuf>,
    /// Put each top node of a file in place of the same one that is there: a container, a leaf or an entry of a list, not the
    /// entries beside it; may be repeated.
    #[arg(long, value_name = "FILE")]
    replace: Vec<PathBuf>,
    /// Datastore: running, candidate or startup [default: running].
    #[arg(long, value_name = "NAME")]
    datastore: Option<Datastore>,
    /// Check the changes and make none.
    #[arg(long, conflicts_with = "commit")]
    test_only: bool,
    /// Make the changes in a candidate and commit it: in one of our own if the server has that, else in the shared one, which
    /// must have no changes of others and keeps none of these if they fail.
    #[arg(long, conflicts_with = "datastore")]
    commit: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Edit {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        let (url, texts) = self.connection.place(self.arguments)?;
        let mut sets = Vec::new();
        for text in &texts {
            sets.push(assignment(text)?);
        }
        let deletes = self.delete.iter().map(|text| text.parse()).collect::<Result<Vec<Path>, _>>();
        let deletes = deletes.map_err(UsageError::of)?;
        if sets.is_empty() && deletes.is_empty() && self.merge.is_empty() && self.replace.is_empty() {
            return Err(UsageError::of(
                "there is nothing to change: PATH=VALUE, --delete, --merge or --replace",
            )
            .into());
        }
        block_on(async {
            let session = match self.commit {
                true => self.connection.open_private(&url).await?,
                false => self.connection.open(&url).await?,
            };
            let library = library(&session).await?;
            let schema = &library.schema;
            let mut changes = Vec::new();
            // What is deleted can be made anew by what follows.
            for path in &deletes {
                let (path, _) = resolve::resolve(schema, path)?;
                changes.push(Change { operation: Operation::Delete, path, value: None });
            }
            for (operation, files) in [(Operation::Replace, &self.replace), (Operation::Merge, &self.merge)] {
                for file in files {
                    for node in input::read(file, schema, None)? {
                        changes.push(whole(schema, operation, node)?);
                    }
                }
            }
            for (path, value) in &sets {
                changes.push(set(schema, path, *value)?);
            }
            let datastore = self.datastore.unwrap_or(Datastore::Running);
            let test = self.test_only.then_some(TestOption::TestOnly);
            let changes = Changes { datastore, changes, test, error: None };
            match self.commit {
                true => session.edit_and_commit(&changes).await?,
                false => session.edit(&changes).await?,
            }
            // It is done, whatever the goodbye.
            let _ = session.close().await;
            Ok(())
        })
    }
}

/// A path, and its value if there is a `=`.
fn assignment(text: &str) -> Result<(Path, Option<&str>), UsageError> {
    let (path, rest) = Path::parse_start(text).map_err(UsageError::of)?;
    match rest.strip_prefix('=') {
        Some(value) => Ok((path, Some(value))),
        None if rest.is_empty() => Ok((path, None)),
        None => {
            Err(UsageError::of(format!("{text:?}: after the path comes \"=\" and a value, not {rest:?}")))
        }
    }
}

/// Sets a node.
fn set(schema: &Schema, path: &Path, value: Option<&str>) -> Result<Change, Box<dyn Error>> {
    let (mut path, node) = resolve::resolve(schema, path)?;
    let node = node.ok_or("the whole datastore has no value")?;
    let known = schema.node(node);
    let namespace: Arc<str> = schema.module(known.module).namespace.as_str().into();
    let mut element = Element::new(&known.name, &namespace);
    let last = path.steps.last_mut();
    let predicates = last.as_ref().map(|step| step.predicates.as_slice()).unwrap_or_default();
    match (known.kind, value) {
        (Kind::Leaf, value) => {
            let ty = known.ty.as_ref();
            let is_empty = ty.is_some_and(|ty| matches!(schema.real_type(ty).base, Base::Empty));
            if value.is_none() && !is_empty {
                return Err(format!("{path}: a leaf has a value, {path}=…").into());
            }
            let text = plain(value.unwrap_or_default())?;
            match ty {
                Some(ty) => (element.text, element.prefixes) = schema.to_prefixes(ty, known.module, &text),
                None => element.text = text,
            }
        }
        (Kind::LeafList, None) if !predicates.is_empty() => {}
        (Kind::LeafList, Some(value)) if predicates.is_empty() => {
            let value = plain(value)?;
            if let Some(step) = last {
                step.predicates.push(Predicate::Own(value));
            }
        }
        (Kind::LeafList, _) => {
            return Err(format!("{path}: an entry is PATH=VALUE or PATH[.='VALUE']").into());
        }
        (Kind::List, _) if predicates.is_empty() => {
            return Err(format!("{path}: an entry has its keys: {}", keys(schema, node)).into());
        }
        (Kind::Container | Kind::List, None) => {}
        (Kind::Container | Kind::List | Kind::AnyData, Some(value)) => {
            let value: serde_json::Value = serde_json::from_str(value)
                .map_err(|error| format!("{path}: a value of this node is a JSON object: {error}"))?;
            let name = format!("{}:{}", schema.module_name(node), known.name);
            let value = if known.kind == Kind::List { serde_json::Value::Array(vec![value]) } else { value };
            let object = serde_json::Value::Object([(name, value)].into_iter().collect());
            let parent = schema.data_parent(node);
            if let Some(read) =
                json::decode(schema, parent, &object).map_err(|error| format!("{path}: {error}"))?.pop()
            {
                element = read;
            }
        }
        _ => return Err(format!("{path}: this cannot be set").into()),
    }
    Ok(Change { operation: Operation::Merge, path, value: Some(element) })
}

/// A top node of a file.
fn whole(schema: &Schema, operation: Operation, node: Element) -> Result<Change, Box<dyn Error>> {
    let module = schema.find_namespace(&node.namespace);
    let module =
        module.ok_or_else(|| format!("the server has no module with the namespace {:?}", node.namespace))?;
    let mut path = Path::top(&schema.module(module).name, &node.name);
    let (_, id) = resolve::resolve(schema, &path)?;
    let keys = id.map(|id| schema.node(id).keys.clone()).unwrap_or_default();
    if let Some(step) = path.steps.last_mut() {
        for name in keys {
            let value =
                node.text_of(&name).ok_or_else(|| format!("an entry of {} has no {name}", node.name))?;
            let value = value.to_owned();
            step.predicates.push(Predicate::Leaf { module: None, name, value });
        }
        if id.is_some_and(|id| schema.node(id).kind == Kind::LeafList) {
            step.predicates.push(Predicate::Own(node.text.clone()));
        }
    }
    Ok(Change { operation, path, value: Some(node) })
}

fn keys(schema: &Schema, list: NodeId) -> String {
    schema.node(list).keys.iter().map(|key| format!("[{key}='…']")).collect()
}

/// A value as it is written: plain, or a JSON string.
pub fn plain(value: &str) -> Result<String, Box<dyn Error>> {
    match value.starts_with('"') {
        true => {
            serde_json::from_str(value).map_err(|error| format!("{value} is no JSON string: {error}").into())
        }
        false => Ok(value.to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_value_begins_after_the_path() {
        let (path, value) = assignment("/a:b[c='=']/d=e=f").unwrap();
        assert_eq!((path.to_string().as_str(), value), ("/a:b[c='=']/d", Some("e=f")));
        assert_eq!(assignment("/a:b").unwrap().1, None);
        assert_eq!(assignment("/a:b=").unwrap().1, Some(""));
        assert!(assignment("/a:b x").unwrap_err().to_string().contains("after the path comes"));
        assert_eq!(plain("\"a\\nb\"").unwrap(), "a\nb");
        assert_eq!(plain("a\"b\"").unwrap(), "a\"b\"");
        assert!(plain("\"a").is_err());
    }
}
