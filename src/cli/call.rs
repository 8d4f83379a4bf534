//! `agentconf call`: invokes an operation of a server. It never repeats it.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::connection::Connection;
use super::output::{self, Format};
use super::{UsageError, block_on, edit, input, library};
use crate::client::schema::{Base, Kind, NodeId, Schema};
use crate::client::{Element, Path, Predicate, Step, json, merge, resolve};

/// The arguments of `call`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  agentconf call magent-registry:register-agent name=my-agent version=1.0.0 provider=example description='An agent'
  agentconf call magent-task:open-negotiation type=feasibility from=a to=b \"term[name='time']/number=30\"
  agentconf call \"/magent-task:interaction/tasks/task[id='t-1']/cancel\" reason='no longer needed'")]
pub struct Call {
    /// The server's URL (default: AGENTCONF_URL, or else the server on this machine); the operation, module:name, or the path of
    /// an action; its input, name=value, where a name can be a path inside of the input and a value that begins with \" is a
    /// JSON string.
    #[arg(value_name = "[URL] OPERATION [NAME=VALUE]...", required = true)]
    arguments: Vec<String>,
    /// Read the input from a file (JSON or XML; - is standard input): the nodes inside of it.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    connection: Connection,
}

impl Call {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        let (url, texts) = self.connection.place(self.arguments)?;
        let Some((name, values)) = texts.split_first() else {
            return Err(UsageError::of("which operation? module:name, or the path of an action").into());
        };
        let path: Path = match name.starts_with('/') {
            true => name.parse(),
            false => format!("/{name}").parse(),
        }
        .map_err(|error| match name.contains([':', '/']) {
            true => UsageError::of(error),
            false => UsageError::of(format!("{name:?}: an operation has its module with it, module:{name}")),
        })?;
        if is_of_session(&path) {
            let reason = "the lock would end with this session; a session that lasts is \"agentconf shell\"";
            return Err(UsageError::of(format!("{name}: {reason}")).into());
        }
        block_on(async {
            let session = self.connection.open(&url).await?;
            let library = library(&session).await?;
            let schema = &library.schema;
            let (path, node) = resolve::resolve(schema, &path)?;
            let operation = node.filter(|id| matches!(schema.node(*id).kind, Kind::Rpc | Kind::Action));
            let operation = operation.ok_or_else(|| format!("{path} is no operation"))?;
            let parent = schema.input(operation);
            let mut sent = match &self.input {
                Some(file) => inside(input::read(file, schema, parent)?, parent, schema),
                None => Vec::new(),
            };
            for text in values {
                put(schema, operation, text, &mut sent)?;
            }
            let answer = session.call(&path, ordered(schema, parent, sent)).await?;
            let inside = schema.output(operation);
            let mut tree = Vec::new();
            merge::put(schema, inside, &mut tree, answer);
            output::put(&output::shown(schema, inside, &tree, self.format))?;
            // It is done, whatever the goodbye.
            let _ = session.close().await;
            Ok(())
        })
    }
}

/// Whether an operation lasts no longer than its session, which here is one call (RFC 6241 section 7.5).
fn is_of_session(path: &Path) -> bool {
    let locks = ["lock", "unlock", "partial-lock", "partial-unlock"];
    let modules = ["ietf-netconf", "ietf-netconf-partial-lock"];
    let is_lock = |step: &Step| modules.contains(&&*step.module) && locks.contains(&&*step.name);
    matches!(path.steps.as_slice(), [step] if is_lock(step))
}

/// The nodes of an input, if the file has them inside of `input`.
fn inside(nodes: Vec<Element>, parent: Option<NodeId>, schema: &Schema) -> Vec<Element> {
    match nodes.as_slice() {
        [one] if one.name == "input" && schema.named(parent, "input").is_empty() => one.children.clone(),
        _ => nodes,
    }
}

/// Puts `name=value` into the input of an operation.
fn put(
    schema: &Schema,
    operation: NodeId,
    text: &str,
    input: &mut Vec<Element>,
) -> Result<(), Box<dyn Error>> {
    let module = schema.module_name(operation);
    let is_qualified = text.split(['=', '/', '[']).next().is_some_and(|name| name.contains(':'));
    let start = if is_qualified { "/".to_owned() } else { format!("/{module}:") };
    let whole = format!("{start}{text}");
    let (path, rest) =
        Path::parse_start(&whole).map_err(|error| UsageError::of(format!("{text:?}: {}", error.expected)))?;
    let value = match rest.strip_prefix('=') {
        Some(value) => Some(value),
        None if rest.is_empty() => None,
        None => {
            return Err(UsageError::of(format!("{text:?}: after the name comes \"=\" and a value")).into());
        }
    };
    let mut nodes = input;
    let mut above = schema.input(operation);
    let count = path.steps.len();
    for (number, step) in path.steps.iter().enumerate() {
        let found = schema.child(above, &step.module, &step.name);
        let id = found.ok_or_else(|| {
            let names: Vec<&str> =
                schema.data(above).iter().map(|id| schema.node(*id).name.as_str()).collect();
            let near = resolve::meant(&step.name, names.iter().copied());
            format!("{text:?}: there is no {:?}; the input has {}{near}", step.name, names.join(", "))
        })?;
        let known = schema.node(id);
        let namespace: Arc<str> = schema.module(known.module).namespace.as_str().into();
        let is_last = number + 1 == count;
        let mut element = Element::new(&known.name, &namespace);
        for predicate in &step.predicates {
            match predicate {
                Predicate::Leaf { name, value, .. } => {
                    let key = schema
                        .child(Some(id), &step.module, name)
                        .ok_or_else(|| format!("{text:?}: there is no {name:?} in {:?}", known.name))?;
                    element.children.push(leaf(schema, key, value));
                }
                Predicate::Own(value) => element = leaf(schema, id, value),
            }
        }
        if is_last {
            match (known.kind, value) {
                (Kind::Leaf | Kind::LeafList, Some(value)) => {
                    element = leaf(schema, id, &edit::plain(value)?)
                }
                (Kind::Leaf, None) if !is_empty(schema, id) => {
                    return Err(format!("{text:?}: {text}=… has a value").into());
                }
                (Kind::Leaf | Kind::LeafList, None) | (Kind::Container | Kind::List, None) => {}
                (_, value) => {
                    let object = format!("{{\"{}:{}\":{}}}", step.module, step.name, value.unwrap_or("{}"));
                    let object: serde_json::Value = serde_json::from_str(&object)
                        .map_err(|error| format!("{text:?}: a value of this node is JSON: {error}"))?;
                    let read =
                        json::decode(schema, above, &object).map_err(|error| format!("{text:?}: {error}"))?;
                    nodes.extend(read);
                    return Ok(());
                }
            }
            nodes.push(element);
            return Ok(());
        }
        let is_it = |there: &Element| {
            there.name == element.name
                && there.namespace == element.namespace
                && element.children.iter().all(|key| there.children.contains(key))
        };
        let position = nodes.iter().position(is_it).unwrap_or_else(|| {
            nodes.push(element.clone());
            nodes.len() - 1
        });
        let Some(there) = nodes.get_mut(position) else { return Ok(()) };
        nodes = &mut there.children;
        above = Some(id);
    }
    Ok(())
}

fn is_empty(schema: &Schema, leaf: NodeId) -> bool {
    let ty = schema.node(leaf).ty.as_ref();
    ty.is_some_and(|ty| matches!(schema.real_type(ty).base, Base::Empty))
}

fn leaf(schema: &Schema, id: NodeId, value: &str) -> Element {
    let node = schema.node(id);
    let namespace: Arc<str> = schema.module(node.module).namespace.as_str().into();
    let mut element = Element::leaf(&node.name, &namespace, value);
    if let Some(ty) = &node.ty {
        (element.text, element.prefixes) = schema.to_prefixes(ty, node.module, value);
    }
    element
}

/// The input in the order of the schema, as XML wants it (RFC 7950 section 7.14.4).
fn ordered(schema: &Schema, parent: Option<NodeId>, mut input: Vec<Element>) -> Vec<Element> {
    let order = schema.data(parent);
    let place = |element: &Element| order.iter().position(|id| schema.node(*id).name == element.name);
    input.sort_by_key(|element| place(element).unwrap_or(usize::MAX));
    input
}
