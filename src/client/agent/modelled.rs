//! Generated structs as the client's elements and back, and the paths that their places in the schema give. It asks no server.

use std::sync::Arc;

use crate::client::data::Element;
use crate::client::error::ClientError;
use crate::client::path::{Path, Predicate, Step};
use crate::yang::decode::DecodeOptions;
use crate::yang::encode::EncodeOptions;
use crate::yang::generated::SCHEMA;
use crate::yang::json;
use crate::yang::model::Modelled;
use crate::yang::path::{InstancePath, Selector, Step as Place};
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::Child;
use crate::yang::xml;

/// What stands in the element of a struct.
///
/// # Errors
/// A value is not one of its leaf's type.
pub fn elements<T: Modelled>(value: &T, depth_max: usize) -> Result<Vec<Element>, ClientError> {
    let data = value.to_checked_data().map_err(|error| ClientError::Request(error.to_string()))?;
    let mut text = Vec::new();
    xml::encode_one(T::node(), &Child::Container(Arc::new(data)), &mut text, &EncodeOptions::default());
    let element = Element::parse(&text, depth_max);
    Ok(element.map_err(|error| ClientError::Request(error.to_string()))?.children)
}

/// The struct that an element stands for.
///
/// # Errors
/// The element is not as our module wants it.
pub fn parsed<T: Modelled>(element: &Element, depth_max: usize) -> Result<T, ClientError> {
    let node = T::node();
    let wrong = |error: &dyn std::fmt::Display| ClientError::Protocol(format!("<{}>: {error}", node.name));
    let target = InstancePath { steps: vec![Place { node, selector: Selector::None }] };
    let options = DecodeOptions { depth_max, ..json::STORED };
    let read = xml::decode_one(element.to_xml().as_bytes(), &target, &SCHEMA, &options);
    let read = read.map_err(|error| wrong(&error.message))?;
    let data = match &read {
        Child::Container(data) => Some(Arc::clone(data)),
        Child::List(list) => list.iter().next(),
        _ => None,
    };
    let data = data.ok_or_else(|| wrong(&"it is empty"))?;
    T::from_data(&data).map_err(|error| wrong(&error))
}

/// The struct of these children, such as what an operation answers.
///
/// # Errors
/// Those of [`parsed`].
pub fn of_children<T: Modelled>(children: Vec<Element>, depth_max: usize) -> Result<T, ClientError> {
    let namespace: Arc<str> = T::node().module.namespace.into();
    parsed(&Element::new(T::node().name, &namespace).with(children), depth_max)
}

/// The path of a data node or operation, whose lists take these keys from the top.
pub fn place(node: &'static Node, keys: &[&str]) -> Path {
    let is_instance = |node: &&Node| !matches!(node.kind, Kind::Choice { .. } | Kind::Case);
    let mut nodes: Vec<&Node> =
        std::iter::successors(Some(node), |node| node.parent).filter(is_instance).collect();
    nodes.reverse();
    let mut keys = keys.iter();
    let step = |node: &Node| Step {
        module: node.module.name.to_owned(),
        name: node.name.to_owned(),
        predicates: match &node.kind {
            Kind::List { keys: leafs, .. } => leafs
                .iter()
                .zip(keys.by_ref())
                .map(|(leaf, value)| Predicate::Leaf {
                    module: None,
                    name: leaf.name.to_owned(),
                    value: (*value).to_owned(),
                })
                .collect(),
            _ => Vec::new(),
        },
    };
    Path { steps: nodes.into_iter().map(step).collect() }
}
