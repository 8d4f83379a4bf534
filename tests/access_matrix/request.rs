//! One request in two protocols: a path of RESTCONF as XML of NETCONF. It never sends anything.

use agentconf::yang::generated::SCHEMA;
use agentconf::yang::schema::{Module, Node};
use serde_json::Value as Json;

const YANG: &str = "urn:ietf:params:xml:ns:yang:1";

/// The elements that a path such as `m:list=key/leaf` leads through, with attributes on the last and what is in it.
pub fn nested(path: &str, attributes: &str, inside: &str) -> String {
    let (mut open, mut close) = (String::new(), String::new());
    let mut above: Option<&'static Node> = None;
    let count = path.split('/').count();
    for (number, segment) in path.split('/').enumerate() {
        let (name, keys) = segment.split_once('=').unwrap_or((segment, ""));
        let node = child(above, name);
        let attributes = if number + 1 == count { attributes } else { "" };
        open += &format!("<{} xmlns=\"{}\"{attributes}>", node.name, node.module.namespace);
        for (key, value) in node.keys().iter().zip(keys.split(',').filter(|value| !value.is_empty())) {
            open += &format!("<{0}>{value}</{0}>", key.name);
        }
        close.insert_str(0, &format!("</{}>", node.name));
        above = Some(node);
    }
    format!("{open}{inside}{close}")
}

fn child(above: Option<&'static Node>, name: &str) -> &'static Node {
    let (module, name) = name.split_once(':').map_or((None, name), |(module, name)| (Some(module), name));
    let nodes: Vec<&'static Node> = match above {
        Some(node) => node.data.iter().chain(node.actions).copied().collect(),
        None => module.and_then(|module| SCHEMA.module(module)).map_or(Vec::new(), |m| m.data.to_vec()),
    };
    let found = nodes.into_iter().find(|n| n.name == name && module.is_none_or(|m| m == n.module.name));
    found.unwrap_or_else(|| panic!("there is no {name}"))
}

/// `<get>` of what a path leads to.
pub fn get(path: &str) -> String {
    format!("<get><filter type=\"subtree\">{}</filter></get>", nested(path, "", ""))
}

/// `<edit-config>` of the running datastore.
pub fn edit(path: &str, operation: &str, inside: &str) -> String {
    let attributes = format!(" xmlns:nc=\"{}\" nc:operation=\"{operation}\"", crate::netconf::NC);
    format!(
        "<edit-config><target><running/></target><config>{}</config></edit-config>",
        nested(path, &attributes, inside)
    )
}

/// `<action>`.
pub fn action(path: &str, input: &Json) -> String {
    format!("<action xmlns=\"{YANG}\">{}</action>", nested(path, "", &elements(input)))
}

/// An operation of a module.
pub fn rpc(module: &Module, name: &str, input: &Json) -> String {
    // Identities of one module are values in operations of others.
    let identities = "xmlns:magent-task=\"urn:x-agentconf:yang:magent-task\"";
    format!("<{name} xmlns=\"{}\" {identities}>{}</{name}>", module.namespace, elements(input))
}

/// Members as elements, in order.
pub fn elements(json: &Json) -> String {
    match json {
        Json::Object(members) => {
            let member = |(name, value): (&String, &Json)| {
                let each = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                each.iter().map(|value| format!("<{name}>{}</{name}>", elements(value))).collect::<String>()
            };
            members.iter().map(member).collect()
        }
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}
