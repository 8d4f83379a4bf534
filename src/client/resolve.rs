//! Paths against a schema: whether their nodes are there, and their keys in order. It never asks the server.

use super::data::Element;
use super::path::{Path, Predicate, Step};
use super::schema::{Base, Kind, NodeId, Schema};
use crate::yang::decode::distance;

/// Most names that a message offers.
const OFFERED_MAX: usize = 20;

/// Why a path leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct ResolveError {
    /// As far as it leads somewhere.
    pub path: String,
    /// What is wrong after that.
    pub reason: String,
}

/// The node that a path leads to, which may be an operation or notification, and the path with its keys in order.
///
/// # Errors
/// A node or key is not in the schema, or a value is none of its type.
pub fn resolve(schema: &Schema, path: &Path) -> Result<(Path, Option<NodeId>), ResolveError> {
    let mut resolved = Path::default();
    let mut above: Option<NodeId> = None;
    for step in &path.steps {
        let wrong = |resolved: &Path, reason: String| ResolveError { path: resolved.to_string(), reason };
        let id = match find(schema, above, &step.module, &step.name) {
            Some(id) => id,
            None if schema.find_module(&step.module).is_none() => {
                return Err(wrong(
                    &resolved,
                    format!(
                        "the server has no module {:?}{}",
                        step.module,
                        meant(&step.module, schema.modules().map(|(_, module)| module.name.as_str()))
                    ),
                ));
            }
            None => {
                let reason = format!(
                    "there is no node \"{}:{}\"; {}",
                    step.module,
                    step.name,
                    offer(schema, above, &step.module, &step.name)
                );
                return Err(wrong(&resolved, reason));
            }
        };
        let mut step = step.clone();
        resolved.steps.push(step.clone());
        let node = schema.node(id);
        let is_entry = |predicate: &Predicate| matches!(predicate, Predicate::Own(_));
        match node.kind {
            Kind::LeafList if step.predicates.len() > 1 || !step.predicates.iter().all(is_entry) => {
                return Err(wrong(&resolved, "an entry of a leaf-list is [.='value']".into()));
            }
            Kind::List => {
                let position = |predicate: &Predicate| match predicate {
                    Predicate::Leaf { name, .. } => node.keys.iter().position(|key| key == name),
                    Predicate::Own(_) => None,
                };
                if step.predicates.iter().any(|predicate| position(predicate).is_none()) {
                    let reason = format!("the keys of this list are {}", node.keys.join(", "));
                    return Err(wrong(&resolved, reason));
                }
                for predicate in &step.predicates {
                    let Predicate::Leaf { name, value, .. } = predicate else { continue };
                    if let Some(reason) = misfit(schema, schema.child(Some(id), &step.module, name), value) {
                        return Err(wrong(&resolved, reason));
                    }
                }
                step.predicates.sort_by_key(|predicate| position(predicate));
                let given: Vec<_> = step.predicates.iter().filter_map(position).collect();
                let missing: Vec<&str> = (0..node.keys.len())
                    .filter(|at| !given.contains(at))
                    .map(|at| node.keys.get(at).map_or("", String::as_str))
                    .collect();
                if !given.is_empty() && (!missing.is_empty() || given.len() != node.keys.len()) {
                    let reason = match missing.as_slice() {
                        [] => "a key stands there twice".to_owned(),
                        missing => format!("the entry has the keys {} too", missing.join(", ")),
                    };
                    return Err(wrong(&resolved, reason));
                }
            }
            Kind::LeafList => {
                if let Some(Predicate::Own(value)) = step.predicates.first()
                    && let Some(reason) = misfit(schema, Some(id), value)
                {
                    return Err(wrong(&resolved, reason));
                }
            }
            _ if !step.predicates.is_empty() => {
                return Err(wrong(&resolved, "only entries of lists and leaf-lists have keys".into()));
            }
            _ => {}
        }
        if let Some(last) = resolved.steps.last_mut() {
            *last = step;
        }
        above = Some(id);
    }
    Ok((resolved, above))
}

/// Why a leaf cannot have a value; none if it can.
fn misfit(schema: &Schema, leaf: Option<NodeId>, value: &str) -> Option<String> {
    let node = schema.node(leaf?);
    let ty = node.ty.as_ref()?;
    let reason = || format!("{value:?} is no value of {:?}, which is {}", node.name, schema.describe(ty));
    (!schema.fits(ty, node.module, value)).then(reason)
}

/// The child of this name: a data node, an operation or a notification.
pub fn find(schema: &Schema, above: Option<NodeId>, module: &str, name: &str) -> Option<NodeId> {
    let operation = |kind| {
        let mut all = schema.of_kind(above, kind);
        all.find(|id| schema.node(*id).name == name && schema.module_name(*id) == module)
    };
    let kinds = [Kind::Rpc, Kind::Action, Kind::Notification];
    schema.child(above, module, name).or_else(|| kinds.into_iter().find_map(operation))
}

/// The node that an element in `parent`, or at the top, is an instance of.
pub fn instance(schema: &Schema, parent: Option<NodeId>, element: &Element) -> Option<NodeId> {
    let module = schema.find_namespace(&element.namespace)?;
    find(schema, parent, &schema.module(module).name, &element.name)
}

/// In which node what is inside of an instance is looked for: in anydata and anyxml stand top nodes (RFC 7950 section 7.10).
pub fn below(schema: &Schema, id: Option<NodeId>) -> Option<NodeId> {
    id.filter(|id| !matches!(schema.node(*id).kind, Kind::AnyData | Kind::AnyXml))
}

/// As [`below`] for one of several instances that stand together: the value of an edit of a YANG Patch (RFC 8072 section 2.5)
/// is the node that its target names, which is inside of the nodes before it.
pub fn below_of(
    schema: &Schema,
    id: Option<NodeId>,
    element: &Element,
    siblings: &[Element],
) -> Option<NodeId> {
    let is_target = |other: &&Element| other.name == "target" && other.namespace == element.namespace;
    let is_value = element.name == "value" && id.is_some() && below(schema, id).is_none();
    let target = siblings.iter().find(is_target).filter(|_| is_value);
    let Some(target) = target else { return below(schema, id) };
    let first = element.children.first()?;
    let mut above = None;
    let mut module = "";
    for step in target.text.trim().split('/').filter(|step| !step.is_empty()) {
        let name = step.split(['=', '[']).next().unwrap_or_default();
        let (own, name) = name.split_once(':').unwrap_or((module, name));
        module = own;
        let Some(next) = schema.child(above, module, name) else { break };
        if schema.node(next).name == first.name && instance(schema, above, first) == Some(next) {
            return above;
        }
        above = Some(next);
    }
    // A target that is the place where the value is put.
    above.filter(|_| instance(schema, above, first).is_some())
}

/// The name that was probably meant, in words that follow a message; nothing if none is near.
pub fn meant<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> String {
    let near = names.filter_map(|known| Some((distance(name, known)?, known))).min();
    near.map_or_else(String::new, |(_, near)| format!("; did you mean {near}?"))
}

/// What there is in place of a wrong name; at the top, what the module has there.
fn offer(schema: &Schema, above: Option<NodeId>, module: &str, name: &str) -> String {
    let mut found = schema.data(above);
    found.extend(
        [Kind::Rpc, Kind::Action, Kind::Notification]
            .into_iter()
            .flat_map(|kind| schema.of_kind(above, kind)),
    );
    if above.is_none() {
        found.retain(|id| schema.module_name(*id) == module);
    }
    let names: Vec<&str> = found.iter().map(|id| schema.node(*id).name.as_str()).collect();
    let there = match names.as_slice() {
        [] => "nothing can be there".to_owned(),
        names if names.len() <= OFFERED_MAX => format!("there can be {}", names.join(", ")),
        names => format!("there can be {}, …", names.get(..OFFERED_MAX).unwrap_or_default().join(", ")),
    };
    there + &meant(name, names.iter().copied())
}

/// What has to be asked for so that the entries of lists without keys can be told apart: the path, and the keys of the lists
/// on its way. The path is one that [`resolve`] gave.
pub fn with_keys(schema: &Schema, path: &Path) -> Vec<Path> {
    let mut paths = vec![path.clone()];
    let mut above = None;
    for (number, step) in path.steps.iter().enumerate() {
        let Some(id) = find(schema, above, &step.module, &step.name) else { break };
        above = Some(id);
        let node = schema.node(id);
        if node.kind != Kind::List || !step.predicates.is_empty() || number + 1 == path.steps.len() {
            continue;
        }
        for key in &node.keys {
            let mut own = path.clone();
            own.steps.truncate(number + 1);
            own.steps.extend(Path::top(&step.module, key).steps);
            if own != *path {
                paths.push(own);
            }
        }
    }
    paths
}

/// Whether a path names one node: every list on its way has its keys, and it ends with an entry or a leaf.
pub fn is_one(schema: &Schema, path: &Path) -> bool {
    let mut above = None;
    for step in &path.steps {
        let Some(id) = find(schema, above, &step.module, &step.name) else { return false };
        if matches!(schema.node(id).kind, Kind::List | Kind::LeafList) && step.predicates.is_empty() {
            return false;
        }
        above = Some(id);
    }
    above.is_some_and(|id| matches!(schema.node(id).kind, Kind::List | Kind::LeafList | Kind::Leaf))
}

/// Whether the node of a path is in a tree: in `parent`, or at the top.
pub fn is_in(schema: &Schema, parent: Option<NodeId>, nodes: &[Element], steps: &[Step]) -> bool {
    let Some((step, below)) = steps.split_first() else { return true };
    nodes.iter().any(|node| {
        let id = instance(schema, parent, node);
        is_at(schema, id, node, step) && is_in(schema, id, &node.children, below)
    })
}

/// Whether an element is an instance that a step names.
fn is_at(schema: &Schema, id: Option<NodeId>, element: &Element, step: &Step) -> bool {
    let module = schema.find_namespace(&element.namespace).map(|id| schema.module(id).name.as_str());
    module == Some(&step.module)
        && element.name == step.name
        && step.predicates.iter().all(|predicate| match predicate {
            Predicate::Own(value) => has_value(schema, id, element, value),
            Predicate::Leaf { name, value, .. } => {
                let key = |child: &&Element| child.name == *name && child.namespace == element.namespace;
                let mut keys = element.children.iter().filter(key);
                keys.any(|key| has_value(schema, instance(schema, id, key), key, value))
            }
        })
}

/// Whether a leaf has a value, which may be written in more than one way.
fn has_value(schema: &Schema, id: Option<NodeId>, element: &Element, value: &str) -> bool {
    let node = id.map(|id| schema.node(id));
    let Some((node, ty)) = node.and_then(|node| Some((node, node.ty.as_ref()?))) else {
        return element.text == value;
    };
    let own = schema.from_prefixes(ty, node.module, &element.text, &element.prefixes);
    let number = |text: &str| text.trim().parse::<i128>().ok();
    own == value
        || match &schema.real_type(ty).base {
            Base::Integer { .. } => number(&own).is_some() && number(&own) == number(value),
            Base::IdentityRef(bases) => {
                let identity = |text: &str| schema.identity_of(bases, node.module, text.trim());
                identity(&own).is_some() && identity(&own) == identity(value)
            }
            _ => false,
        }
}

/// Whether a path has a step with keys after one that may be a list without: there is no resource for that over RESTCONF.
pub fn may_be_open(path: &Path) -> bool {
    let last = path.steps.iter().rposition(|step| !step.predicates.is_empty()).unwrap_or_default();
    path.steps.iter().take(last).any(|step| step.predicates.is_empty())
}

/// What can be asked for in place of a path so that every key stands before the first list without: the path without the
/// keys after that, and those keys as nodes of their own, for [`keep`]. The same path if there is no such list.
pub fn opened(schema: &Schema, path: &Path) -> Vec<Path> {
    let mut above = None;
    let mut is_open = false;
    let mut open = Path::default();
    let mut keys = Vec::new();
    for step in &path.steps {
        let Some(id) = find(schema, above, &step.module, &step.name) else { break };
        above = Some(id);
        let is_list = schema.node(id).kind == Kind::List;
        open.steps.push(step.clone());
        if is_open && let Some(last) = open.steps.last_mut() {
            last.predicates.clear();
            for key in schema.node(id).keys.iter().filter(|_| is_list && !step.predicates.is_empty()) {
                let mut own = open.clone();
                own.steps.extend(Path::top(&step.module, key).steps);
                keys.push(own);
            }
        }
        is_open |= is_list && step.predicates.is_empty();
    }
    if open == *path {
        return vec![open];
    }
    keys.insert(0, open);
    keys
}

/// Takes away what none of these paths names; the keys of entries stay.
pub fn keep(schema: &Schema, parent: Option<NodeId>, nodes: &mut Vec<Element>, paths: &[&[Step]]) {
    let is_key = |element: &Element| {
        let keys = parent.map(|id| schema.node(id).keys.as_slice()).unwrap_or_default();
        keys.contains(&element.name)
    };
    nodes.retain_mut(|element| {
        let id = instance(schema, parent, element);
        let rests: Vec<&[Step]> = paths
            .iter()
            .filter_map(|path| path.split_first())
            .filter(|(step, _)| is_at(schema, id, element, step))
            .map(|(_, rest)| rest)
            .collect();
        if is_key(element) || rests.iter().any(|rest| rest.is_empty()) {
            return true;
        }
        keep(schema, id, &mut element.children, &rests);
        let keys = id.map(|id| schema.node(id).keys.as_slice()).unwrap_or_default();
        !rests.is_empty() && element.children.iter().any(|child| !keys.contains(&child.name))
    });
}

/// Takes away what is more than so many levels deep; keys stay with their entries.
pub fn prune(schema: &Schema, parent: Option<NodeId>, nodes: &mut [Element], levels: usize) {
    for element in nodes {
        let module = schema.find_namespace(&element.namespace).map(|id| schema.module(id).name.as_str());
        let id = module.and_then(|module| schema.child(parent, module, &element.name));
        if levels <= 1 {
            let keys = id.map(|id| schema.node(id).keys.as_slice()).unwrap_or_default();
            let namespace = std::sync::Arc::clone(&element.namespace);
            element.children.retain(|child| child.namespace == namespace && keys.contains(&child.name));
        } else {
            prune(schema, id, &mut element.children, levels - 1);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::client::schema::Text;

    fn schema() -> Schema {
        let text =
            "module a { namespace urn:a; prefix a; container c { list l { key 'k m'; leaf k { type string; }
            leaf m { type string; } leaf v { type string; } action act; } leaf-list e { type string; } } }";
        Schema::read(&[Text { text: text.to_owned(), implemented: true, features: Vec::new() }])
    }

    fn resolved(text: &str) -> Result<String, String> {
        let resolved = resolve(&schema(), &text.parse().unwrap());
        resolved.map(|(path, _)| path.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_come_into_the_order_of_the_schema() {
        assert_eq!(resolved("/a:c/l[m='1'][k='2']/v").unwrap(), "/a:c/l[k='2'][m='1']/v");
        assert_eq!(resolved("/a:c/l[m='1'][k='2']/act").unwrap(), "/a:c/l[k='2'][m='1']/act");
        assert_eq!(resolved("/a:c/e[.='x']").unwrap(), "/a:c/e[.='x']");
        assert_eq!(resolved("/a:c/l").unwrap(), "/a:c/l");
    }

    #[test]
    fn what_leads_nowhere_is_told_with_what_there_is() {
        for (text, error) in [
            ("/a:c/x", "/a:c: there is no node \"a:x\"; there can be l, e"),
            ("/other:c", "/: the server has no module \"other\""),
            ("/a:c/l[m='1']", "/a:c/l[m='1']: the entry has the keys k too"),
            ("/a:c/l[v='1']", "/a:c/l[v='1']: the keys of this list are k, m"),
            ("/a:c/l[k='1'][k='2']", "/a:c/l[k='1'][k='2']: the entry has the keys m too"),
            ("/a:c[k='1']", "/a:c[k='1']: only entries of lists and leaf-lists have keys"),
            ("/a:c/e[k='1']", "/a:c/e[k='1']: an entry of a leaf-list is [.='value']"),
        ] {
            assert_eq!(resolved(text).unwrap_err(), error);
        }
    }

    #[test]
    fn keys_after_a_list_without_are_looked_for_here() {
        let text =
            "module a { namespace urn:a; prefix a; container c { list l { key k; leaf k { type string; }
            list m { key n; leaf n { type uint8; } leaf v { type string; } leaf w { type string; } } } } }";
        let texts = [Text { text: text.to_owned(), implemented: true, features: Vec::new() }];
        let schema = Schema::read(&texts);
        let path: Path = "/a:c/l/m[n='1']/v".parse().unwrap();
        assert!(may_be_open(&path) && !is_one(&schema, &path));
        let asked: Vec<String> = opened(&schema, &path).iter().map(Path::to_string).collect();
        assert_eq!(asked, ["/a:c/l/m/v", "/a:c/l/m/n"]);
        let named: Path = "/a:c/l[k='1']/m[n='1']/v".parse().unwrap();
        assert_eq!(opened(&schema, &named), std::slice::from_ref(&named));
        let answer = "<c xmlns='urn:a'><l><k>1</k><m><n>1</n><v>a</v></m><m><n>2</n><v>b</v></m></l><l><k>2</k></l></c>";
        let mut nodes = vec![Element::parse(answer.as_bytes(), 9).unwrap()];
        keep(&schema, None, &mut nodes, &[&path.steps]);
        let kept = nodes[0].to_xml().replace(" xmlns=\"urn:a\"", "");
        assert_eq!(kept, "<c><l><k>1</k><m><n>1</n><v>a</v></m></l></c>");
        assert!(is_one(&schema, &named) && is_in(&schema, None, &nodes, &named.steps));
        let other: Path = "/a:c/l[k='1']/m[n='2']".parse().unwrap();
        assert!(is_one(&schema, &other) && !is_in(&schema, None, &nodes, &other.steps));
        let wrong = resolve(&schema, &"/a:c/l[k='1']/m[n='abc']".parse().unwrap()).unwrap_err().to_string();
        assert!(wrong.starts_with("/a:c/l[k='1']/m[n='abc']: \"abc\" is no value of \"n\""), "{wrong}");
    }

    #[test]
    fn what_is_too_deep_goes_and_keys_stay() {
        let text = "<c xmlns='urn:a'><l><k>1</k><m>2</m><v>3</v></l><e>4</e></c>";
        let pruned = |levels| {
            let mut nodes = [Element::parse(text.as_bytes(), 9).unwrap()];
            prune(&schema(), None, &mut nodes, levels);
            nodes[0].to_xml().replace(" xmlns=\"urn:a\"", "")
        };
        assert_eq!(pruned(1), "<c/>");
        assert_eq!(pruned(2), "<c><l><k>1</k><m>2</m></l><e>4</e></c>");
        assert_eq!(pruned(3), "<c><l><k>1</k><m>2</m><v>3</v></l><e>4</e></c>");
    }

    #[test]
    fn the_keys_of_lists_on_the_way_are_asked_for_too() {
        let texts = |text: &str| -> Vec<String> {
            with_keys(&schema(), &text.parse().unwrap()).iter().map(Path::to_string).collect()
        };
        assert_eq!(texts("/a:c/l/v"), ["/a:c/l/v", "/a:c/l/k", "/a:c/l/m"]);
        assert_eq!(texts("/a:c/l"), ["/a:c/l"]);
        assert_eq!(texts("/a:c/l[k='1'][m='2']/v"), ["/a:c/l[k='1'][m='2']/v"]);
    }
}
