//! Filters that a client gives for events and for data: XPath (RFC 7950 section 6.4) and subtrees (RFC 6241 section 6).
//!
//! A filter is parsed once and has a bounded cost each time. It never widens what a principal may see: it is asked
//! after access was.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use super::subtree::{Subtree, empty, shallow};
use crate::limits::Limits;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::notification::Notification;
use crate::yang::path::InstancePath;
use crate::yang::schema::Node;
use crate::yang::tree::{AnyData, Child, Container, List};
use crate::yang::xpath::ast::{Function, Operator, Path, Start};
use crate::yang::xpath::{Cursor, EvalError, Expr, XValue, evaluate_within, holds_within, parse};

/// A filter; cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Filter(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    XPath(Expr),
    Subtree(Subtree),
}

impl Filter {
    /// An XPath expression. Prefixes are names of modules; a name without a prefix is that of any module
    /// (RFC 8040 section 4.8.4).
    ///
    /// # Errors
    /// `too-big` if it is longer than `filter_bytes_max`, `invalid-value` with the place of what is not understood.
    pub fn xpath(text: &str, limits: &Limits) -> Result<Filter, Error> {
        let module = |prefix: &str| SCHEMA.module(prefix).map(|module| module.name.to_owned());
        expression(text, &module, limits).map(|expr| Filter(Arc::new(Kind::XPath(expr))))
    }

    /// An XPath expression in XML, where a prefix stands for a namespace. One that no module has is that of nothing.
    ///
    /// # Errors
    /// As for [`Filter::xpath`].
    pub fn xpath_in_xml(
        text: &str,
        namespace: &dyn Fn(&str) -> Option<Rc<str>>,
        limits: &Limits,
    ) -> Result<Filter, Error> {
        let module = |prefix: &str| {
            let namespace = namespace(prefix)?;
            let module = SCHEMA.namespace(&namespace);
            Some(module.map_or_else(|| namespace.as_ref().to_owned(), |module| module.name.to_owned()))
        };
        expression(text, &module, limits).map(|expr| Filter(Arc::new(Kind::XPath(expr))))
    }

    /// The same, if it selects nodes (RFC 6241 section 8.9.1, RFC 8526 section 3.1.1).
    ///
    /// # Errors
    /// `invalid-value` for an expression that is a number, a text or a truth value.
    pub fn of_nodes(self) -> Result<Filter, Error> {
        match self.0.as_ref() {
            Kind::XPath(expr) if !is_node_set(expr) => {
                Err(Error::protocol(Tag::InvalidValue, "the filter is no set of nodes"))
            }
            _ => Ok(self),
        }
    }

    /// A subtree filter over events.
    ///
    /// # Errors
    /// `too-big` if it is longer than `filter_bytes_max`.
    pub fn subtree_of_events(filter: &AnyData, limits: &Limits) -> Result<Filter, Error> {
        let top = SCHEMA.implemented().flat_map(|module| module.notifications).copied();
        Filter::subtree(filter, &top.collect::<Vec<_>>(), limits)
    }

    /// A subtree filter over a datastore.
    ///
    /// # Errors
    /// `too-big` if it is longer than `filter_bytes_max`.
    pub fn subtree_of_data(filter: &AnyData, limits: &Limits) -> Result<Filter, Error> {
        let top = SCHEMA.implemented().flat_map(|module| module.data).copied();
        Filter::subtree(filter, &top.collect::<Vec<_>>(), limits)
    }

    fn subtree(filter: &AnyData, top: &[&'static Node], limits: &Limits) -> Result<Filter, Error> {
        short(
            match filter {
                AnyData::Json(json) => json.to_string().len(),
                AnyData::Xml(text) => text.len(),
            },
            limits,
        )?;
        let subtree = Subtree::new(filter, top, limits.depth_max)?;
        Ok(Filter(Arc::new(Kind::Subtree(subtree))))
    }

    /// Whether it can select nothing, whatever there is.
    pub(super) fn is_vain(&self) -> bool {
        matches!(self.0.as_ref(), Kind::Subtree(subtree) if subtree.is_vain())
    }

    /// Whether what it selects of an entry depends on that entry alone, so that parts of a tree can be filtered.
    pub(super) fn is_local(&self) -> bool {
        matches!(self.0.as_ref(), Kind::Subtree(_))
    }

    /// Whether it can select anything of a node at the top.
    pub(super) fn wants(&self, node: &Node) -> bool {
        match self.0.as_ref() {
            Kind::Subtree(subtree) => subtree.wants(node),
            Kind::XPath(_) => true,
        }
    }

    /// Whether an event passes. One that would take more than so many steps to judge does not: it is
    /// excluded like any other that the filter does not select.
    pub(super) fn passes(&self, event: &Notification, steps: u64) -> bool {
        let budget = Cell::new(steps);
        match self.0.as_ref() {
            Kind::Subtree(subtree) => subtree.passes(event.node, &event.data, &budget).unwrap_or(false),
            Kind::XPath(expr) => {
                // The event stands by itself: there is no data around it, and the context node is the root above it.
                let root = Cursor::structure(&SCHEMA, event.node, Arc::new(event.data.clone()));
                holds_within(expr, &root, &budget).unwrap_or(false)
            }
        }
    }

    /// What there is of what it can select, with more that stands beside it, where finding that costs less than looking at
    /// all: what it selects of this is what it selects of all.
    pub(super) fn narrow(&self, root: &Arc<Container>) -> Arc<Container> {
        match self.0.as_ref() {
            Kind::Subtree(subtree) => Arc::new(subtree.narrow(root)),
            Kind::XPath(_) => root.clone(),
        }
    }

    /// What it selects of a datastore: the nodes, with what is below them and the keys of the entries around them.
    /// An expression that is no set of nodes selects nothing (RFC 8641, `datastore-xpath-filter`).
    ///
    /// # Errors
    /// It takes more than so many steps.
    pub fn select(&self, root: &Arc<Container>, steps: u64) -> Result<Container, EvalError> {
        Ok(self.select_levels(root, steps, None)?.unwrap_or_default())
    }

    /// The same with so many levels of each selected node, itself the first (RFC 8526 section 3.1.1, `max-depth`); `None` for
    /// all. `None` of an expression that is no set of nodes.
    ///
    /// # Errors
    /// It takes more than so many steps.
    pub(super) fn select_levels(
        &self,
        root: &Arc<Container>,
        steps: u64,
        depth: Option<u16>,
    ) -> Result<Option<Container>, EvalError> {
        let steps = Cell::new(steps);
        match self.0.as_ref() {
            Kind::Subtree(subtree) => Ok(Some(subtree.keep(root, &steps, depth)?.unwrap_or_default())),
            Kind::XPath(expr) => {
                let root = Cursor::root(&SCHEMA, root.clone());
                let XValue::Nodes(nodes) = evaluate_within(expr, &root, &steps)? else { return Ok(None) };
                let mut selected = Container::default();
                for node in &nodes {
                    put(&mut selected, node, depth);
                }
                Ok(Some(selected))
            }
        }
    }
}

impl Filter {
    /// The instances that an expression selects in a configuration.
    ///
    /// # Errors
    /// `invalid-value` with the app-tag `not-a-node-set` if it is no set of nodes (RFC 5717 section 2.4.1), `resource-denied`
    /// if it takes more steps than are left of the budget.
    pub(super) fn instances(
        &self,
        root: &Arc<Container>,
        budget: &Cell<u64>,
    ) -> Result<Vec<InstancePath>, Error> {
        let none = || {
            let message = "the expression does not select nodes";
            Error::protocol(Tag::InvalidValue, message).app_tag("not-a-node-set")
        };
        let Kind::XPath(expr) = self.0.as_ref() else { return Err(none()) };
        match evaluate_within(expr, &Cursor::root(&SCHEMA, root.clone()), budget) {
            Ok(XValue::Nodes(nodes)) => {
                Ok(nodes.iter().map(Cursor::path).filter(|path| !path.steps.is_empty()).collect())
            }
            Ok(_) => Err(none()),
            Err(error) => Err(Error::protocol(Tag::ResourceDenied, format!("the expression: {error}"))),
        }
    }
}

/// Parses an expression with the modules that its prefixes stand for.
fn expression(text: &str, module: &dyn Fn(&str) -> Option<String>, limits: &Limits) -> Result<Expr, Error> {
    short(text.len(), limits)?;
    parse(text, &|prefix| prefix.and_then(module))
        .map_err(|e| Error::protocol(Tag::InvalidValue, format!("the filter is not understood {e}")))
}

/// Whether the value of an expression is a set of nodes, which XPath 1.0 tells by its form.
fn is_node_set(expr: &Expr) -> bool {
    match expr {
        Expr::Path(Path { start: Start::Filter(value, _), .. }) => value.iter().all(is_node_set),
        Expr::Path(_) | Expr::Binary(Operator::Union, _) => true,
        Expr::Call(Function::Current | Function::Deref | Function::Id, _) => true,
        _ => false,
    }
}

fn short(length: usize, limits: &Limits) -> Result<(), Error> {
    if length <= limits.filter_bytes_max {
        return Ok(());
    }
    let message = format!("a filter has at most {} octets", limits.filter_bytes_max);
    Err(Error::protocol(Tag::TooBig, message))
}

/// Puts a node, with so many levels of it, where it stands in the tree.
fn put(tree: &mut Container, selected: &Cursor, depth: Option<u16>) {
    let mut way: Vec<&Cursor> = std::iter::successors(Some(selected), |cursor| cursor.parent()).collect();
    way.reverse();
    match way.split_first() {
        Some((root, [])) => {
            if let Some(content) = root.content() {
                // The root itself is no node of the answer.
                *tree = shallow(content, None, depth.map(|depth| depth.saturating_add(1)));
            }
        }
        Some((root, way)) => put_below(tree, root, way, depth),
        None => {}
    }
}

fn put_below(tree: &mut Container, above: &Cursor, way: &[&Cursor], depth: Option<u16>) {
    let Some((cursor, rest)) = way.split_first() else { return };
    // What is there by default alone has no instance, and a text is part of its leaf.
    let Some((node, child)) =
        cursor.node().and_then(|node| Some((node, above.content()?.get(node)?.clone())))
    else {
        return;
    };
    let within = |old: Option<&Arc<Container>>, content: &Arc<Container>| match rest {
        [] if depth.is_none() => content.clone(),
        // Nodes come in the order of the document: nothing in it was selected before.
        [] => Arc::new(shallow(content, cursor.node(), depth)),
        rest => {
            let mut inner = old.map(|old| old.as_ref().clone()).unwrap_or_default();
            inner.revision = content.revision;
            put_below(&mut inner, cursor, rest, depth);
            Arc::new(inner)
        }
    };
    match (child, cursor.content(), cursor.value()) {
        (Child::List(_), Some(content), _) => {
            let mut list = tree.list(node).cloned().unwrap_or_else(|| empty(node));
            let key = content.key(node);
            let old = key.as_ref().and_then(|key| list.get(node, key));
            let mut entry = within(old.as_ref(), content);
            for key in node.keys() {
                if let (None, Some(value)) = (entry.get(key), content.get(key)) {
                    Arc::make_mut(&mut entry).set(key, value.clone());
                }
            }
            put_entry(&mut list, node, entry);
            tree.set(node, Child::List(list));
        }
        (_, Some(content), _) => {
            let inner = within(tree.container(node), content);
            if !inner.is_empty() || rest.is_empty() {
                tree.set(node, Child::Container(inner));
            }
        }
        (Child::LeafList(_), _, Some(value)) => {
            let mut values = match tree.get(node) {
                Some(Child::LeafList(values)) => values.as_ref().clone(),
                _ => Vec::new(),
            };
            if !values.contains(value) {
                values.push(value.clone());
            }
            tree.set(node, Child::LeafList(Arc::new(values)));
        }
        (child, ..) => tree.set(node, child),
    }
}

fn put_entry(list: &mut List, node: &'static Node, entry: Arc<Container>) {
    let key = entry.key(node).filter(|key| !key.values().is_empty());
    list.put(node, key, entry);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::yang::json;
    use serde_json::json;

    fn data() -> Arc<Container> {
        let text = r#"{"irtf-agent:data-params": [
            {"id": "a", "dataType": "text", "data": "x"}, {"id": "b", "dataType": "image", "data": "y"}]}"#;
        Arc::new(json::decode_children(text.as_bytes(), None, &SCHEMA, &json::STORED).unwrap())
    }

    fn selected(filter: &str) -> serde_json::Value {
        let limits = Limits::default();
        let kept = Filter::xpath(filter, &limits).unwrap().select(&data(), limits.push_steps_max).unwrap();
        let mut out = Vec::new();
        json::encode_children(&kept, None, &mut out, &Default::default());
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn an_expression_selects_nodes_with_the_keys_around_them() {
        let entries = |entries: serde_json::Value| json!({ "irtf-agent:data-params": entries });
        let a = json!({"id": "a", "dataType": "text", "data": "x"});
        assert_eq!(selected("/irtf-agent:data-params[id='a']"), entries(json!([a])));
        assert_eq!(
            selected("/data-params/dataType"),
            entries(json!([{"id": "a", "dataType": "text"}, {"id": "b", "dataType": "image"}]))
        );
        assert_eq!(selected("//data[.='y']"), entries(json!([{"id": "b", "data": "y"}])));
        assert_eq!(
            selected("/data-params[id='a'] | /data-params/data"),
            entries(json!([a, {"id": "b", "data": "y"}]))
        );
        assert_eq!(selected("count(/data-params)"), json!({}), "no set of nodes");
        assert_eq!(selected("/data-params[id='c']"), json!({}));
        assert_eq!(selected("/irtf-agent:tasks"), json!({}), "what is there by default alone");
    }

    #[test]
    fn a_selection_takes_no_more_steps_than_are_configured() {
        let filter = Filter::xpath("/data-params[id='a']", &Limits::default()).unwrap();
        let of = |steps| filter.select(&data(), steps);
        assert!(matches!(of(3), Err(EvalError::TooManySteps)));
        assert!(of(100).is_ok());
    }

    #[test]
    fn what_is_malformed_or_too_long_is_refused() {
        for wrong in ["", "/a[", "nosuch:a", "nosuch(1)", "$x", "a b"] {
            let error = Filter::xpath(wrong, &Limits::default()).unwrap_err();
            assert_eq!(error.tag, Tag::InvalidValue, "{wrong}");
        }
        let limits = Limits { filter_bytes_max: 8, ..Limits::default() };
        assert_eq!(Filter::xpath("/a/b/c/d/e", &limits).unwrap_err().tag, Tag::TooBig);
    }
}
