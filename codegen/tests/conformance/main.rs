//! What RFC 7950 demands of a server, clause by clause, with the RFC's own examples: modules are
//! compiled in memory, and documents and edits go through the decoders, the datastore and the
//! validator that the server has.
//!
//! These tests are here and not with the server's because only the compiler can read YANG, and
//! the server does not depend on it. What random documents prove is in `differential`, what goes
//! over the wire in `vendor` and in the server's own tests; nothing here knows a protocol.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

mod encodings;
#[path = "../support/live.rs"]
mod live;
mod rfc9254;
mod section_10;
mod section_15;
mod section_7;
mod section_8;
mod section_9;

use std::sync::Arc;

use agentconf::datastore::edit::{self, Edit, Operation};
use agentconf::datastore::validate::Validator;
use agentconf::datastore::when;
use agentconf::yang::decode::{DecodeOptions, Wrapper};
use agentconf::yang::encode::EncodeOptions;
use agentconf::yang::error::Error;
use agentconf::yang::path::{InstancePath, Step};
use agentconf::yang::schema::{Kind, Node, Schema};
use agentconf::yang::tree::{Child, Container, Insert};
use agentconf::yang::types::ModuleNames;
use agentconf::yang::{json, xml};
use agentconf_codegen::Compiler;

/// Stands around a datastore in XML.
const WRAPPER: Wrapper = Wrapper { module: "wrapper", namespace: "urn:wrapper", name: "data" };

/// Modules that were compiled in memory.
struct Model {
    schema: &'static Schema,
    validator: Validator,
}

impl Model {
    /// A module `m`, with prefix `m`, of these statements.
    fn new(statements: &str) -> Model {
        Model::of(&[("m", statements)])
    }

    /// Modules by name; each has its name as its prefix, and imports those before it.
    fn of(modules: &[(&str, &str)]) -> Model {
        let temp = tempfile::tempdir().unwrap();
        let mut imports = String::new();
        for (name, statements) in modules {
            let text = format!(
                "module {name} {{ yang-version 1.1; namespace \"urn:{name}\"; prefix {name}; {imports} {statements} }}"
            );
            std::fs::write(temp.path().join(format!("{name}.yang")), text).unwrap();
            imports += &format!("import {name} {{ prefix {name}; }}");
        }
        let (ir, _) = Compiler::new().yang_dir(temp.path()).resolve().unwrap_or_else(|e| panic!("{e}"));
        let schema = live::schema(&ir);
        Model { schema, validator: Validator::new(schema) }
    }

    /// A datastore from its members in JSON, decoded and not validated.
    fn read(&self, members: &str) -> Result<Container, Error> {
        let text = format!("{{{members}}}");
        json::decode_children(text.as_bytes(), None, self.schema, &DecodeOptions::default())
    }

    /// The same from the elements in XML; their namespace is `urn:m`.
    fn read_xml(&self, elements: &str) -> Result<Container, Error> {
        let text = format!("<data xmlns=\"urn:wrapper\" xmlns:m=\"urn:m\">{elements}</data>");
        xml::decode_wrapped(text.as_bytes(), &WRAPPER, self.schema, &DecodeOptions::default())
    }

    /// What is wrong with a datastore; nothing if it is valid.
    fn wrong(&self, members: &str) -> Vec<String> {
        match self.read(members) {
            Ok(content) => told(&self.validator.datastore(&Arc::new(content))),
            Err(error) => told(&[error]),
        }
    }

    fn wrong_xml(&self, elements: &str) -> Vec<String> {
        match self.read_xml(elements) {
            Ok(content) => told(&self.validator.datastore(&Arc::new(content))),
            Err(error) => told(&[error]),
        }
    }

    /// A valid datastore.
    fn valid(&self, members: &str) -> Arc<Container> {
        assert_eq!(self.wrong(members), Vec::<String>::new(), "{members}");
        Arc::new(self.read(members).unwrap())
    }

    /// Its members in JSON.
    fn json(&self, content: &Container) -> String {
        let mut text = Vec::new();
        let options = EncodeOptions { schema: self.schema, ..Default::default() };
        json::encode_children(content, None, &mut text, &options);
        let text = String::from_utf8(text).unwrap();
        text[1..text.len() - 1].to_owned()
    }

    /// Its elements in XML.
    fn xml(&self, content: &Container) -> String {
        let mut text = Vec::new();
        let options = EncodeOptions { schema: self.schema, ..Default::default() };
        xml::encode_children(content, None, &mut text, &options);
        String::from_utf8(text).unwrap()
    }

    fn path(&self, text: &str) -> InstancePath {
        if text.is_empty() {
            return InstancePath::default();
        }
        InstancePath::parse(text, self.schema, &ModuleNames(self.schema)).unwrap()
    }

    /// An edit as the server makes it: applied, settled and validated by what it changed. `members`
    /// is the node at `path` as its parent has it.
    fn edit(
        &self,
        old: &Arc<Container>,
        operation: Operation,
        path: &str,
        members: Option<&str>,
        insert: Option<Insert>,
    ) -> Result<String, Vec<String>> {
        let path = self.path(path);
        let options = DecodeOptions::default();
        let value = match members {
            None => None,
            Some(members) if path.steps.is_empty() => Some(Child::Container(self.valid_or_not(members)?)),
            Some(members) => {
                let text = format!("{{{members}}}");
                let read = json::decode_one(text.as_bytes(), &path, self.schema, &options);
                Some(read.map_err(|e| told(&[e]))?)
            }
        };
        let edit = Edit { operation, path, value, insert };
        let new = Arc::new(edit::apply(old, &edit, 1).map_err(|e| told(&[e]))?);
        let settled = when::settle(&self.validator, old, new, &[edit], 1).map_err(|e| told(&[e]))?;
        let before = self.validator.empty().replaced(old.clone());
        let valid = self.validator.changes(&before, settled.content, &settled.changes);
        valid.map(|valid| self.json(valid.content())).map_err(|errors| told(&errors))
    }

    fn valid_or_not(&self, members: &str) -> Result<Arc<Container>, Vec<String>> {
        self.read(members).map(Arc::new).map_err(|e| told(&[e]))
    }

    /// What is wrong with the input of the operation at a path; `above` is empty for an rpc.
    fn input(&self, datastore: &str, above: &str, name: &str, members: &str) -> Vec<String> {
        let (above, data) = (self.path(above), self.valid(datastore));
        let of_module = || self.schema.implemented().flat_map(|m| m.rpcs);
        let operations: Vec<&'static Node> = match above.node() {
            Some(node) => node.actions.to_vec(),
            None => of_module().copied().collect(),
        };
        let operation = operations.into_iter().find(|node| node.name == name).unwrap();
        let Kind::Rpc { input, .. } = operation.kind else { panic!("{name} is no operation") };
        let target = above.child(Step::plain(operation)).child(Step::plain(input));
        let text = format!("{{\"{}:input\":{{{members}}}}}", operation.module.name);
        match json::decode_one(text.as_bytes(), &target, self.schema, &DecodeOptions::default()) {
            Ok(Child::Container(content)) => {
                let above = (!above.steps.is_empty()).then_some(&above);
                told(&self.validator.input(data, above, operation, content))
            }
            Ok(other) => panic!("the input is {other:?}"),
            Err(error) => told(&[error]),
        }
    }
}

/// Errors in one line each: error-tag, error-app-tag in brackets, error-path, error-info in braces,
/// error-message.
fn told(errors: &[Error]) -> Vec<String> {
    let one = |error: &Error| {
        let mut text = error.tag.as_str().to_owned();
        if let Some(app_tag) = &error.app_tag {
            text += &format!(" [{app_tag}]");
        }
        if let Some(path) = &error.path {
            text += &format!(" {path}");
        }
        for info in &error.info {
            text += &format!(" {{{}: {}}}", info.name, info.value);
        }
        text + &format!(" {}", error.message)
    };
    errors.iter().map(one).collect()
}

/// That a condition of the module holds for one document and not for the other.
fn decides(statements: &str, yes: &str, no: &str) {
    let model = Model::new(statements);
    model.valid(yes);
    let wrong = model.wrong(no);
    assert!(
        matches!(&wrong[..], [one] if one.starts_with("operation-failed [must-violation]")),
        "{no}: {wrong:?}"
    );
}
