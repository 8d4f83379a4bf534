//! Where configuration in use comes from (RFC 8342 section 5.3.4): told of each node, and what of it a reader wants (RFC 8526
//! section 3.1.1).
//!
//! State has no origin, and is never left out here. What a principal may not see is never used.

use std::sync::Arc;

use super::view;
use crate::datastore::defaults::same_instance;
use crate::yang::generated::ietf_origin::identities as origins;
use crate::yang::generated::irtf_agent;
use crate::yang::metadata::{Metadata, Note, ORIGIN, Written};
use crate::yang::path::InstancePath;
use crate::yang::schema::{Identity, Kind, Node};
use crate::yang::tree::{Child, Container, List};
use crate::yang::value::Value;

/// The origins that a reader wants.
#[derive(Debug, Clone, PartialEq)]
pub enum OriginFilter {
    /// One of these, or derived from one (`origin-filter`).
    Any(Vec<&'static Identity>),
    /// None of these, nor derived from one (`negated-origin-filter`).
    None(Vec<&'static Identity>),
}

impl OriginFilter {
    fn wants(&self, origin: &Identity) -> bool {
        let is_one = |named: &[&'static Identity]| named.iter().any(|base| origin.is_or_derives_from(base));
        match self {
            OriginFilter::Any(wanted) => is_one(wanted),
            OriginFilter::None(unwanted) => !is_one(unwanted),
        }
    }

    /// What is left of the children of the place that `at` knows. What a node that is left stands in is left too, with its keys.
    pub(super) fn keep(&self, content: &Container, at: &Origins) -> Container {
        let mut kept = Container::default().at_revision(content.revision);
        for (node, child) in content.iter() {
            if let Some(child) = self.keep_child(node, child, at) {
                kept.set(node, child);
            }
        }
        kept
    }

    fn keep_child(&self, node: &'static Node, child: &Child, at: &Origins) -> Option<Child> {
        if !node.config {
            return Some(child.clone());
        }
        match child {
            Child::Leaf(value) => self.wants(at.at(node, Written::Value(value)).0).then(|| child.clone()),
            Child::LeafList(values) => {
                let is_wanted = |value: &&Value| self.wants(at.at(node, Written::Value(value)).0);
                let kept: Vec<Value> = values.iter().filter(is_wanted).cloned().collect();
                (!kept.is_empty()).then(|| Child::LeafList(Arc::new(kept)))
            }
            Child::Any(_) => self.wants(at.at(node, Written::Any).0).then(|| child.clone()),
            Child::Container(inner) => {
                let (origin, below) = at.at(node, Written::Content(inner, 0));
                let kept = self.keep(inner, &below);
                let is_there = matches!(node.kind, Kind::Container { presence: true }) && self.wants(origin);
                (is_there || !kept.is_empty()).then(|| Child::Container(Arc::new(kept)))
            }
            Child::List(list) => {
                let mut kept = imbl::Vector::new();
                for (position, entry) in list.iter().enumerate() {
                    let (origin, below) = at.at(node, Written::Content(&entry, position));
                    let mut inner = self.keep(&entry, &below);
                    let has_more = inner.iter().any(|(node, _)| !node.is_key());
                    for (key, value) in entry.iter().filter(|(node, _)| node.is_key()) {
                        inner.set(key, value.clone());
                    }
                    if has_more || self.wants(origin) {
                        kept.push_back(Arc::new(inner));
                    }
                }
                (!kept.is_empty()).then(|| Child::List(List::Sequence(Box::new(kept))))
            }
        }
    }
}

/// Where the configuration comes from that the server has in use at a top-level node, although nobody
/// configured it.
fn supplier(top: &Node) -> &'static Identity {
    use irtf_agent::nodes::{CONTEXT, DATA_PARAMS, TASKS};
    if [&TASKS, &CONTEXT, &DATA_PARAMS].contains(&top) {
        // What agents told one another with operations.
        &origins::LEARNED
    } else {
        &origins::UNKNOWN
    }
}

/// Tells the origin of configuration: at the outermost nodes, and again where it is not that of the parent.
/// State has none, and containers without presence have none of their own, so below the outermost node they
/// hand on what is around them.
#[derive(Debug)]
pub(super) struct Origins {
    /// What is in use at the place without defaults, and what is configured there.
    used: Option<Arc<Container>>,
    configured: Option<Arc<Container>>,
    /// The top-level node that the place is in; `None` for the root.
    top: Option<&'static Node>,
    /// The origin that is told of what is around.
    around: Option<&'static Identity>,
}

impl Origins {
    /// Of what is in use and what is configured, below the last node of the path.
    pub(super) fn new(used: &Arc<Container>, configured: &Arc<Container>, path: &InstancePath) -> Self {
        let above = path.steps.split_last().map_or(&[][..], |(_, above)| above);
        let find = |root: &Arc<Container>| {
            let start = Child::Container(root.clone());
            let found = above.iter().try_fold(start, |at, step| match at {
                Child::Container(content) => {
                    let mut revision = 0;
                    view::select(content.get(step.node)?, step, &mut revision)
                }
                _ => None,
            });
            match found {
                Some(Child::Container(content)) => Some(content),
                _ => None,
            }
        };
        let top = above.first().map(|step| step.node);
        Origins { used: find(used), configured: find(configured), top, around: None }
    }
}

impl Origins {
    /// The origin of an instance of `node`, and who knows those below it.
    fn at(&self, node: &'static Node, instance: Written<'_>) -> (&'static Identity, Origins) {
        let top = self.top.unwrap_or(node);
        let used = self.used.as_ref().and_then(|content| content.get(node));
        let configured = self.configured.as_ref().and_then(|content| content.get(node));
        let content = |child: Option<&Child>| match (instance, child) {
            (Written::Content(content, position), Some(child)) => {
                same_instance(child, node, content, position)
            }
            _ => None,
        };
        let (used_below, configured_below) = (content(used), content(configured));
        let is_configured = match (instance, configured) {
            (Written::Value(value), Some(Child::Leaf(other))) => value == other,
            (Written::Value(value), Some(Child::LeafList(others))) => others.contains(value),
            (Written::Content(..), _) => configured_below.is_some(),
            (Written::Any, other) => other.is_some(),
            (Written::Value(_), _) => false,
        };
        let is_used = match instance {
            Written::Content(..) => used_below.is_some(),
            Written::Value(_) | Written::Any => used.is_some(),
        };
        let origin = match (is_configured, is_used) {
            (true, _) => &origins::INTENDED,
            (false, true) => supplier(top),
            (false, false) => &origins::DEFAULT,
        };
        let below =
            Origins { used: used_below, configured: configured_below, top: Some(top), around: self.around };
        (origin, below)
    }
}

impl Metadata for Origins {
    fn of(&self, node: &'static Node, instance: Written<'_>) -> (Vec<Note>, Option<Box<dyn Metadata>>) {
        if !node.config {
            return (Vec::new(), None);
        }
        let (origin, below) = self.at(node, instance);
        let is_told = match (self.around, &node.kind) {
            (None, _) => true,
            (Some(_), Kind::Container { presence: false }) => false,
            (Some(around), _) => around != origin,
        };
        let around = if is_told { Some(origin) } else { self.around };
        let note = || Note { annotation: &ORIGIN, value: Value::Identity(origin) };
        let below = matches!(instance, Written::Content(..))
            .then(|| Box::new(Origins { around, ..below }) as Box<dyn Metadata>);
        (is_told.then(note).into_iter().collect(), below)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::yang::encode::EncodeOptions;
    use crate::yang::generated::SCHEMA;
    use crate::yang::json;

    fn data(text: &str) -> Arc<Container> {
        Arc::new(json::decode_children(text.as_bytes(), None, &SCHEMA, &json::STORED).unwrap())
    }

    /// What is written of `shown`, a report of `used`, with the origins.
    fn told(shown: &str, used: &str, configured: &str) -> serde_json::Value {
        let origins = Origins::new(&data(used), &data(configured), &InstancePath::default());
        let mut text = Vec::new();
        let options = EncodeOptions { metadata: Some(&origins), ..EncodeOptions::default() };
        json::encode_children(&data(shown), None, &mut text, &options);
        serde_json::from_slice(&text).unwrap()
    }

    fn origin(of: &str) -> serde_json::Value {
        serde_json::json!({ "ietf-origin:origin": format!("ietf-origin:{of}") })
    }

    #[test]
    fn rfc_8342_section_5_3_4_origins_stand_at_the_outermost_nodes_and_where_they_differ() {
        let configured =
            r#"{"irtf-agent:data-params":[{"id":"a","dataType":"text"},{"id":"b","dataType":"text"}]}"#;
        let used = r#"{"irtf-agent:data-params":[{"id":"a","dataType":"text","data":"x"},
            {"id":"b"},{"id":"c","dataType":"text"}]}"#;
        let shown = r#"{"irtf-agent:data-params":[{"id":"a","dataType":"text","data":"x"},
            {"id":"b","data":"y"},{"id":"c","dataType":"text"}]}"#;
        let expected = serde_json::json!({"irtf-agent:data-params": [
            {"@": origin("intended"), "id": "a", "dataType": "text", "data": "x", "@data": origin("learned")},
            {"@": origin("intended"), "id": "b", "data": "y", "@data": origin("default")},
            {"@": origin("learned"), "id": "c", "dataType": "text"},
        ]});
        assert_eq!(told(shown, used, configured), expected);
    }

    #[test]
    fn rfc_8342_section_5_3_4_state_has_no_origin() {
        let state = r#"{"irtf-agent:agent":{"name":"a","description":"d","version":"1.0.0"}}"#;
        assert_eq!(told(state, state, "{}"), serde_json::from_str::<serde_json::Value>(state).unwrap());
    }
}
