//! Random documents for many modules are given to the runtime and to libyang: both accept or
//! both refuse, and what they print is the same.
//!
//! `DIFFERENTIAL_CASES` (documents for each set of modules) and `DIFFERENTIAL_SEED` make a longer
//! or another run.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

mod defaults;
mod incremental;
mod listed;
mod messages;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agentconf::datastore::validate::Validator;
use agentconf::yang::decode::{DecodeOptions, Wrapper};
use agentconf::yang::encode::EncodeOptions;
use agentconf::yang::error::{Error, Tag};
use agentconf::yang::schema::{Base, Kind, Node, Schema, Type};
use agentconf::yang::tree::Container;
use agentconf::yang::{json, xml};
use agentconf_codegen::Compiler;
use agentconf_codegen::load::Loaded;
use serde_json::Value as Json;

use support::document::Document;
use support::generate::Generator;
use support::libyang::{self, Complaint, Format, Printed};
use support::live;
use support::random::Random;

/// Stands around a datastore in XML.
const WRAPPER: Wrapper = Wrapper { module: "wrapper", namespace: "urn:wrapper", name: "data" };

/// Modules with patterns that libyang is not given, because it cannot compile them.
const PATTERNS: &str = "golden-patterns";
/// This one crashes libyang 5.4.9, where a `unique` reads a leaf with a default whose `when` is false
/// (lyd_value_validate3 is given no schema node). Its edits are compared with our own full validation.
const CRASHES: &str = "indexed";

/// Whether documents of a set of modules are compared with libyang.
fn is_compared(name: &str) -> bool {
    ![PATTERNS, CRASHES].contains(&name)
}

/// A set of modules, as we and libyang have it.
struct Set {
    schema: &'static Schema,
    validator: Validator,
    loaded: Loaded,
}

impl Set {
    fn new(dir: &Path) -> Set {
        let (ir, loaded) = Compiler::new().yang_dir(dir).resolve().unwrap();
        let schema = live::schema(&ir);
        Set { schema, validator: Validator::new(schema), loaded }
    }

    /// The document in an encoding.
    fn text(&self, document: &Document, format: Format) -> String {
        match format {
            Format::Json => document.json(),
            Format::Xml => document.xml(self.schema),
        }
    }

    /// What we have against the document in either encoding.
    fn complaints(&self, document: &Document) -> Vec<Error> {
        let opinion = |format| self.ours(&self.text(document, format), format).err().unwrap_or_default();
        [Format::Json, Format::Xml].into_iter().flat_map(opinion).collect()
    }

    /// Our opinion.
    fn ours(&self, document: &str, format: Format) -> Result<Arc<Container>, Vec<Error>> {
        let content = Arc::new(self.read(document, format).map_err(|error| vec![error])?);
        let errors = self.validator.datastore(&content);
        if errors.is_empty() { Ok(content) } else { Err(errors) }
    }

    /// The document, not validated.
    fn read(&self, document: &str, format: Format) -> Result<Container, Error> {
        let options = DecodeOptions::default();
        match format {
            Format::Json => json::decode_children(document.as_bytes(), None, self.schema, &options),
            Format::Xml => {
                let wrapped = format!("<data xmlns=\"urn:wrapper\">{document}</data>");
                xml::decode_wrapped(wrapped.as_bytes(), &WRAPPER, self.schema, &options)
            }
        }
    }

    fn print(&self, content: &Container) -> Printed {
        let options = EncodeOptions { schema: self.schema, ..EncodeOptions::default() };
        let (mut json, mut xml) = (Vec::new(), Vec::new());
        json::encode_children(content, None, &mut json, &options);
        xml::encode_children(content, None, &mut xml, &options);
        let (json, xml) = (String::from_utf8(json).unwrap(), String::from_utf8(xml).unwrap());
        Printed { json, xml, reported: Default::default(), trimmed: String::new() }
    }

    /// What is not the same in both opinions; `None` if all is.
    fn differ(
        &self,
        document: &str,
        format: Format,
        ours: &Result<Arc<Container>, Vec<Error>>,
    ) -> Option<String> {
        if ours.as_ref().is_err_and(|errors| errors.iter().any(|e| e.message.contains("stands "))) {
            // libyang uses memory that it has given back when something stands twice.
            return None;
        }
        let theirs = libyang::check(&self.loaded, document, format);
        match (ours, &theirs) {
            (Err(ours), Err(theirs)) => {
                self.differing_errors(ours, theirs, self.read(document, format).is_ok())
            }
            (Ok(_), Err(theirs)) => Some(format!("only libyang refuses: {theirs:#?}")),
            (Err(ours), Ok(_)) => Some(format!("only we refuse: {}", shown(ours))),
            (Ok(content), Ok(theirs)) => self.differing_prints(content, theirs),
        }
    }

    fn differing_errors(&self, ours: &[Error], theirs: &[Complaint], read: bool) -> Option<String> {
        let theirs = theirs.first()?;
        let (path, tag) = (theirs.path.as_ref()?, theirs.app_tag.as_ref()?);
        if path.matches('"').count() > 2 {
            // A text with both kinds of quotes has no form in a path.
            return None;
        }
        // libyang counts the values of a leaf-list of an operation, and not from its first; we name them,
        // which RFC 7950 section 9.13 allows too.
        let counted =
            path.rsplit_once('[').is_some_and(|(_, end)| end.trim_end_matches(']').parse::<u32>().is_ok());
        let at = |error: &Error| {
            let path = error.path.as_ref().map(ToString::to_string).unwrap_or_default();
            if counted { without_last_predicate(&path).to_owned() } else { path }
        };
        // libyang counts entries at one of them, and knows no other place for a list.
        let path = if counted || tag.ends_with("-elements") { without_last_predicate(path) } else { path };
        // A document that cannot be read has many mistakes, and everybody stops at another one.
        let structure = ours.iter().all(|e| e.app_tag.is_none() && e.tag != Tag::InvalidValue);
        let same =
            |error: &&Error| at(error) == path || tag == "data-not-unique" && path.starts_with(&at(error));
        // A key that is no value cannot stand in the path.
        let tag_alone = |e: &&Error| !read && e.app_tag.as_deref() == Some(tag);
        match ours.iter().find(|e| same(e) && e.app_tag.as_deref() == Some(tag) || tag_alone(e)) {
            Some(_) => None,
            None if !read
                && (tag == "instance-required" || structure || ours.iter().all(|e| at(e) != path)) =>
            {
                None
            }
            None => Some(format!("another error: {}\nlibyang: {theirs:#?}", shown(ours))),
        }
    }

    fn differing_prints(&self, content: &Arc<Container>, theirs: &Printed) -> Option<String> {
        let ours = self.print(content);
        let (a, b) = (self.normal(&ours.json), self.normal(&theirs.json));
        if a != b {
            return Some(format!("printed JSON\n ours:   {a}\n theirs: {b}"));
        }
        if let Some(difference) = defaults::differ(self, content, theirs) {
            return Some(difference);
        }
        for (format, ours, theirs) in
            [(Format::Json, &ours.json, &theirs.json), (Format::Xml, &ours.xml, &theirs.xml)]
        {
            // In XML, the member of a union that a text is of is not always the one it was of.
            let a = match libyang::check(&self.loaded, theirs, format) {
                Ok(again) => self.normal(&again.json),
                Err(_) => continue,
            };
            match self.ours(theirs, format) {
                Ok(again) if self.normal(&self.print(&again).json) == a => {}
                Ok(again) => return Some(format!("we read {theirs}\n as {}", self.print(&again).json)),
                Err(errors) => {
                    return Some(format!("we refuse what libyang prints: {theirs}\n{}", shown(&errors)));
                }
            }
            match libyang::check(&self.loaded, ours, format) {
                Ok(again) if self.normal(&again.json) == a => {}
                Ok(again) => return Some(format!("libyang reads {ours}\n as {}", again.json)),
                Err(errors) => return Some(format!("libyang refuses what we print: {ours}\n{errors:#?}")),
            }
        }
        None
    }

    /// A document with everything that is free in the same form.
    fn normal(&self, document: &str) -> Json {
        let mut json = serde_json::from_str(document).unwrap_or_else(|e| panic!("{e}: {document}"));
        normalise(&mut json, None, self.schema);
        json
    }
}

/// The child that a member name stands for.
fn named(name: &str, parent: Option<&Node>, schema: &Schema) -> Option<&'static Node> {
    match (name.split_once(':'), parent) {
        (Some((module, local)), Some(parent)) => parent.child(schema.module(module)?, local),
        (Some((module, local)), None) => {
            schema.module(module)?.data.iter().copied().find(|n| n.name == local)
        }
        (None, Some(parent)) => parent.child(parent.module, name),
        (None, None) => None,
    }
}

/// Sorts what the system orders and drops containers that say nothing.
fn normalise(json: &mut Json, parent: Option<&Node>, schema: &Schema) {
    let Json::Object(members) = json else { return };
    let names: Vec<String> = members.keys().cloned().collect();
    for name in names {
        let (Some(node), Some(value)) = (named(&name, parent, schema), members.get_mut(&name)) else {
            continue;
        };
        match node.kind {
            Kind::Container { presence } => {
                normalise(value, Some(node), schema);
                if !presence && value.as_object().is_some_and(serde_json::Map::is_empty) {
                    members.remove(&name);
                }
            }
            Kind::List { .. } | Kind::LeafList { .. } => {
                if let Json::Array(items) = value {
                    items.iter_mut().for_each(|item| match item.is_object() {
                        true => normalise(item, Some(node), schema),
                        false => unqualify(item, node),
                    });
                    if !node.user_ordered() {
                        items.sort_by_key(Json::to_string);
                    }
                }
            }
            Kind::Leaf { .. } => unqualify(value, node),
            _ => {}
        }
    }
}

/// Takes the qualifier from a name of the leaf's own module, with which RFC 7951 section 6.8 lets
/// an identity be written or not; and the type from a value that can be a leafref's or another
/// member's of a union, which is listed as a difference.
fn unqualify(value: &mut Json, node: &Node) {
    if let Some(Type { base: Base::Union(members), .. }) = node.ty()
        && members.iter().any(|member| matches!(member.base, Base::LeafRef(_)))
        && !value.is_string()
    {
        *value = Json::String(value.to_string());
    }
    let short = value.as_str().and_then(|text| text.strip_prefix(&format!("{}:", node.module.name)));
    if let Some(short) = short.map(str::to_owned) {
        *value = Json::String(short);
    }
}

/// A path without the predicate at its end.
fn without_last_predicate(path: &str) -> &str {
    match path.strip_suffix(']').and_then(|_| path.rfind('/')) {
        Some(slash) => path[slash..].find('[').map_or(path, |bracket| &path[..slash + bracket]),
        None => path,
    }
}

fn shown(errors: &[Error]) -> String {
    errors.iter().map(|e| format!("\n  {e} [{}]", e.app_tag.as_deref().unwrap_or(""))).collect()
}

/// A number from the environment.
fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The folders of modules, with their names.
fn sets() -> Vec<(String, PathBuf)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sets = Vec::new();
    for folder in ["tests/modules", "tests/cases"] {
        for entry in std::fs::read_dir(here.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with("refused-") {
                sets.push((if folder == "tests/cases" { format!("golden-{name}") } else { name }, path));
            }
        }
    }
    sets.push(("project".to_owned(), here.join("../yang")));
    sets.sort();
    sets
}

#[test]
fn every_document_gets_the_same_verdict_as_from_libyang() {
    let cases = setting("DIFFERENTIAL_CASES", 600);
    let seed = setting("DIFFERENTIAL_SEED", 1);
    let only = std::env::var("DIFFERENTIAL_SET").ok();
    let most = setting("DIFFERENTIAL_SHOWN", 5) as usize;
    let mut differences = 0;
    for (name, dir) in sets() {
        if only.as_ref().is_some_and(|only| *only != name) || !is_compared(&name) {
            continue;
        }
        let set = Set::new(&dir);
        let mut generator = Generator::new(set.schema, Random::new(seed, &name));
        let (mut done, mut valid, mut shown) = (0, 0, 0);
        let mut compare = |document: &Document| {
            let mut complaints = Vec::new();
            for format in [Format::Json, Format::Xml] {
                let text = set.text(document, format);
                let ours = set.ours(&text, format);
                if let Some(difference) = set.differ(&text, format, &ours) {
                    shown += 1;
                    if shown <= most {
                        println!("--- {name}, {format:?}: {difference}\n{text}\n");
                    }
                }
                done += 1;
                match ours {
                    Ok(_) => valid += 1,
                    Err(errors) => complaints.extend(errors),
                }
            }
            (done >= cases, complaints)
        };
        let mut document = generator.document();
        loop {
            let (enough, complaints) = compare(&document);
            if enough {
                break;
            }
            if complaints.is_empty() {
                if generator.random.percent(10) {
                    document = generator.document();
                } else {
                    (0..1 + generator.random.below(2)).for_each(|_| generator.mutate(&mut document));
                }
            } else {
                // What is on the way to a valid one is mostly not new.
                generator.repair(&mut document, &complaints);
                if generator.random.percent(80)
                    && !generator.settle(&mut document, |document| set.complaints(document))
                {
                    document = generator.document();
                }
            }
        }
        println!("{name}: {done} documents, {valid} valid, {shown} differences");
        assert!(valid * 3 >= done, "{name}: of {done} documents only {valid} are valid");
        differences += shown;
    }
    assert_eq!(differences, 0);
}
