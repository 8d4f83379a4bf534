//! The query parameter `with-defaults`: an answer with all default values, or without them
//! (RFC 8040 section 4.8.9, RFC 6243).
//!
//! It never evaluates a `when`: where a node that has one is absent, its default is taken not to be in effect.

use std::sync::Arc;

use imbl::Vector;

use super::params::WithDefaults;
use crate::engine::Content;
use crate::yang::generated::SCHEMA;
use crate::yang::model::default_value;
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::{Child, Container, List};
use crate::yang::types::{self, ModuleNames};
use crate::yang::value::Value;

/// The instance of `node` (`None`: the datastore) as the parameter wants it. Defaults that are added are those
/// of nodes that `content` lets through.
pub fn apply(mode: WithDefaults, node: Option<&'static Node>, child: Child, content: Content) -> Child {
    match (mode, child) {
        (WithDefaults::Explicit, child) => child,
        (WithDefaults::ReportAll, child) => {
            let top: Vec<&'static Node> =
                SCHEMA.implemented().flat_map(|module| module.children).copied().collect();
            let children = node.map_or(top.as_slice(), |node| node.children);
            each(&child, &|container| {
                let mut filled = container.clone();
                fill(&mut filled, children, content);
                filled
            })
        }
        (WithDefaults::Trim, child) => each(&child, &trimmed),
    }
}

/// The same with every container or list entry changed.
fn each(child: &Child, change: &dyn Fn(&Container) -> Container) -> Child {
    match child {
        Child::Container(container) => Child::Container(Arc::new(change(container))),
        Child::List(list) => {
            let entries: Vector<_> = list.iter().map(|entry| Arc::new(change(&entry))).collect();
            Child::List(List::Sequence(Box::new(entries)))
        }
        Child::Leaf(_) | Child::LeafList(_) | Child::Any(_) => child.clone(),
    }
}

fn fill(data: &mut Container, children: &[&'static Node], content: Content) {
    for node in children.iter().copied() {
        let wanted = match content {
            Content::All => true,
            Content::Config => node.config,
            Content::NonConfig => !node.config,
        };
        let present = data.get(node).cloned();
        let in_effect = present.is_none() && node.whens.is_empty();
        match (&node.kind, present) {
            (Kind::Leaf { .. }, None) if wanted && in_effect => {
                if let Some(value) = default_value(node) {
                    data.set(node, Child::Leaf(value));
                }
            }
            (Kind::LeafList { defaults, .. }, None) if wanted && in_effect && !defaults.is_empty() => {
                data.set(node, Child::LeafList(Arc::new(values(node, defaults))));
            }
            (Kind::Container { presence: false }, None) if in_effect => {
                let mut inner = Container::default();
                fill(&mut inner, node.children, content);
                if !inner.is_empty() {
                    data.set(node, Child::Container(Arc::new(inner)));
                }
            }
            (Kind::Container { .. } | Kind::List { .. }, Some(child)) => {
                let child = each(&child, &|container| {
                    let mut filled = container.clone();
                    fill(&mut filled, node.children, content);
                    filled
                });
                data.set(node, child);
            }
            (Kind::Choice { default }, None) if in_effect => {
                // RFC 7950 section 7.9.3: the default case is in effect if no other case has data.
                let chosen = node.children.iter().copied().find(|case| has_data(data, case)).or(*default);
                match chosen {
                    Some(case) if matches!(case.kind, Kind::Case) => fill(data, case.children, content),
                    Some(case) => fill(data, &[case], content),
                    None => {}
                }
            }
            _ => {}
        }
    }
}

/// Whether the case, or the node that stands for one, has an instance.
fn has_data(data: &Container, case: &'static Node) -> bool {
    match case.kind {
        Kind::Case | Kind::Choice { .. } => case.children.iter().any(|node| has_data(data, node)),
        _ => data.get(case).is_some(),
    }
}

fn trimmed(container: &Container) -> Container {
    let mut kept = Container::default();
    kept.revision = container.revision;
    for (node, child) in container.iter() {
        let is_default = match (&node.kind, child) {
            (Kind::Leaf { default: Some(_), .. }, Child::Leaf(value)) => {
                default_value(node).as_ref() == Some(value)
            }
            (Kind::LeafList { defaults, .. }, Child::LeafList(given)) => {
                !defaults.is_empty() && **given == values(node, defaults)
            }
            _ => false,
        };
        if !is_default {
            kept.set(node, each(child, &trimmed));
        }
    }
    kept
}

/// The defaults of a leaf-list; codegen has seen that they are of its type.
fn values(node: &'static Node, defaults: &[&str]) -> Vec<Value> {
    let parse = |text: &&str| types::parse(node.ty()?, text, &ModuleNames(&SCHEMA), node.module).ok();
    defaults.iter().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yang::generated::ietf_restconf_monitoring::nodes::RESTCONF_STATE as STATE;
    use crate::yang::json;

    fn applied(mode: WithDefaults, content: Content, replay_support: &str) -> String {
        let text = format!(r#"{{"streams":{{"stream":[{{"name":"a"{replay_support}}}]}}}}"#);
        let state = json::decode_children(text.as_bytes(), Some(&STATE), &SCHEMA, &json::STORED);
        let state = Child::Container(state.expect("it fits the schema").into());
        let Child::Container(result) = apply(mode, Some(&STATE), state, content) else {
            panic!("no container")
        };
        let mut out = Vec::new();
        json::encode_children(&result, Some(&STATE), &mut out, &Default::default());
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn rfc_6243_section_2_1_report_all_adds_the_defaults_in_effect() {
        let filled = r#"{"streams":{"stream":[{"name":"a","replay-support":false}]}}"#;
        assert_eq!(applied(WithDefaults::ReportAll, Content::All, ""), filled);
        assert_eq!(applied(WithDefaults::ReportAll, Content::NonConfig, ""), filled);
        let kept = r#"{"streams":{"stream":[{"name":"a","replay-support":true}]}}"#;
        assert_eq!(applied(WithDefaults::ReportAll, Content::All, r#","replay-support":true"#), kept);
        assert!(!applied(WithDefaults::ReportAll, Content::Config, "").contains("replay-support"));
    }

    #[test]
    fn rfc_6243_section_2_2_trim_leaves_out_values_that_are_the_default() {
        let trimmed = r#"{"streams":{"stream":[{"name":"a"}]}}"#;
        assert_eq!(applied(WithDefaults::Trim, Content::All, r#","replay-support":false"#), trimmed);
        assert_ne!(applied(WithDefaults::Trim, Content::All, r#","replay-support":true"#), trimmed);
    }

    #[test]
    fn rfc_6243_section_2_3_explicit_shows_what_was_set() {
        let set = r#","replay-support":false"#;
        assert!(applied(WithDefaults::Explicit, Content::All, set).contains(set));
    }
}
