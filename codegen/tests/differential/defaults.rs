//! What is reported of defaults in each mode of RFC 6243 is what libyang prints in it.

use std::sync::Arc;

use agentconf::datastore::defaults::{Mode, Report, SetToDefault, Tags};
use agentconf::yang::decode::DecodeOptions;
use agentconf::yang::encode::EncodeOptions;
use agentconf::yang::error::Tag;
use agentconf::yang::json::{self, encode_children};
use agentconf::yang::metadata::Metadata;
use agentconf::yang::path::{InstancePath, Selector, Step};
use agentconf::yang::schema::{Kind, Node, Schema};
use agentconf::yang::tree::{Child, Container, Key};
use agentconf::yang::value::Value;
use agentconf::yang::xml;
use serde_json::Value as Json;

use super::support::libyang::{Format, Printed};
use super::{Set, named, sets};

/// The module that libyang takes the name of the tag from.
const TAGGING: &str = "ietf-netconf-with-defaults";

/// The first mode in which what is reported of a configuration is not the same.
pub fn differ(set: &Set, content: &Arc<Container>, theirs: &Printed) -> Option<String> {
    let [all, tagged] = &theirs.reported;
    let trimmed = match set.read(&theirs.trimmed, Format::Xml) {
        Ok(trimmed) => text(set, &trimmed, None),
        Err(error) => return Some(format!("we refuse what libyang trims: {error}\n{}", theirs.trimmed)),
    };
    let tags = set.schema.module(TAGGING).map(|_| (Mode::ReportAllTagged, tagged));
    let modes = [(Mode::ReportAll, all), (Mode::Trim, &trimmed)];
    modes.into_iter().chain(tags).find_map(|(mode, theirs)| {
        let (mut a, mut b) = (set.normal(&reported(set, content, mode)), set.normal(theirs));
        if mode == Mode::Trim {
            [&mut a, &mut b].into_iter().for_each(|json| drop_defaulted(json, None, set.schema));
        }
        (a != b).then(|| format!("{mode:?}\n ours:   {a}\n theirs: {b}"))
    })
}

/// Drops leaf-lists that have defaults: libyang trims each value that is one of these, although the rest is
/// then read as all there is (RFC 7950 section 7.7.2: the default is in use if there is no value at all).
fn drop_defaulted(json: &mut Json, parent: Option<&Node>, schema: &Schema) {
    match json {
        Json::Object(members) => {
            let node = |name: &str| named(name, parent, schema);
            let has_defaults =
                |node: &Node| matches!(node.kind, Kind::LeafList { defaults, .. } if !defaults.is_empty());
            members.retain(|name, _| !node(name).is_some_and(has_defaults));
            for (name, value) in members.iter_mut() {
                if let Some(node) = node(name) {
                    drop_defaulted(value, Some(node), schema);
                }
            }
            let says_nothing = |name: &str, value: &Json| {
                let plain = node(name).is_some_and(|n| matches!(n.kind, Kind::Container { presence: false }));
                plain && value.as_object().is_some_and(serde_json::Map::is_empty)
            };
            members.retain(|name, value| !says_nothing(name, value));
        }
        Json::Array(items) => items.iter_mut().for_each(|item| drop_defaulted(item, parent, schema)),
        _ => {}
    }
}

/// The configuration as JSON, as it is reported in a mode.
fn reported(set: &Set, content: &Arc<Container>, mode: Mode) -> String {
    let root = InstancePath::default();
    let report = Report::new(mode, set.schema, content.clone(), &root, Box::new(|node| node.config));
    let Some(Child::Container(found)) = report.found(&root, &Child::Container(content.clone())) else {
        return String::new();
    };
    let tags = Tags::new(set.schema, content, &root);
    let metadata = if mode == Mode::ReportAllTagged { Some(&tags as &dyn Metadata) } else { None };
    text(set, &found, metadata)
}

fn text(set: &Set, content: &Container, metadata: Option<&dyn Metadata>) -> String {
    let mut text = Vec::new();
    let options = EncodeOptions { schema: set.schema, depth: None, metadata, drain: None };
    encode_children(content, None, &mut text, &options);
    String::from_utf8(text).unwrap()
}

/// The set of the module `defaults`, which has a default of each kind.
fn defaults() -> Set {
    let (_, dir) = sets().into_iter().find(|(name, _)| name == "defaults").unwrap();
    Set::new(&dir)
}

fn datastore(set: &Set, inside: &str) -> Arc<Container> {
    let text = format!("{{\"defaults:radio\":{{{inside}}}}}");
    Arc::new(json::decode_children(text.as_bytes(), None, set.schema, &json::STORED).unwrap())
}

/// The members of `radio` in the datastore with these members.
fn told(inside: &str, mode: Mode) -> String {
    let set = defaults();
    let told = reported(&set, &datastore(&set, inside), mode);
    let told = told.strip_prefix("{\"defaults:radio\":{").and_then(|text| text.strip_suffix("}}"));
    told.unwrap_or_else(|| panic!("no radio")).to_owned()
}

/// The path of nodes below `radio`, of which the first can be an entry of `cell`.
fn path(set: &Set, cell: Option<u32>, names: &[&str]) -> InstancePath {
    let mut steps = vec![Step::plain(set.schema.module("defaults").unwrap().data[0])];
    let mut down = |name: &str, selector| {
        let parent = steps.last().unwrap().node;
        steps.push(Step { node: parent.child(parent.module, name).unwrap(), selector });
    };
    if let Some(id) = cell {
        down("cell", Selector::Key(Key::new(vec![Value::Uint32(id)])));
    }
    names.iter().for_each(|name| down(name, Selector::None));
    InstancePath { steps }
}

#[test]
fn rfc_6243_section_3_1_report_all_adds_the_defaults_in_use() {
    let all = concat!(
        r#""kind":"wide","power":20,"channel":[1,6],"interval":30,"limits":{"max":100},"#,
        r#""cell":[{"id":4,"tilt":0,"boost":true}],"step":[{"id":2,"pause":1},{"id":1,"pause":5}]"#
    );
    let set = r#""cell":[{"id":4}],"step":[{"id":2},{"id":1,"pause":5}]"#;
    assert_eq!(told(set, Mode::ReportAll), all);
    assert_eq!(told(all, Mode::ReportAll), all);
}

#[test]
fn rfc_6243_section_3_1_a_default_is_in_use_if_its_conditions_hold_and_its_case_is_chosen() {
    let set = r#""kind":"narrow","at":"noon","extra":{},"cell":[{"id":4,"tilt":-1}]"#;
    let all = concat!(
        r#""kind":"narrow","gain":3,"channel":[1,6],"at":"noon","who":"nobody","limits":{"max":100},"#,
        r#""extra":{"level":7},"cell":[{"id":4,"tilt":-1}]"#
    );
    assert_eq!(told(set, Mode::ReportAll), all);
    // A leaf-list with a value has no default.
    assert!(told(r#""channel":[6]"#, Mode::ReportAll).contains(r#""channel":[6]"#));
}

#[test]
fn rfc_6243_section_3_2_trim_leaves_out_what_is_the_default_whoever_set_it() {
    let all = concat!(
        r#""kind":"narrow","gain":3,"channel":[6,1],"interval":31,"limits":{"max":100},"extra":{"level":7},"#,
        r#""cell":[{"id":0,"tilt":0},{"id":4,"tilt":1}],"step":[{"id":1,"pause":1}]"#
    );
    let left = concat!(
        r#""kind":"narrow","interval":31,"limits":{},"extra":{},"#,
        r#""cell":[{"id":0},{"id":4,"tilt":1}],"step":[{"id":1}]"#
    );
    assert_eq!(told(all, Mode::Trim), left);
    assert!(told(r#""channel":[1]"#, Mode::Trim).contains(r#""channel":[1]"#));
}

#[test]
fn rfc_6243_section_3_3_explicit_tells_what_was_set() {
    let set = r#""power":20,"channel":[1,6],"cell":[{"id":4,"tilt":0}]"#;
    assert_eq!(told(set, Mode::Explicit), set);
}

#[test]
fn rfc_6243_section_3_4_report_all_tagged_tags_what_nobody_set() {
    let tag = r#"{"ietf-netconf-with-defaults:default":true}"#;
    let set = r#""power":20,"interval":30,"limits":{"max":5},"cell":[{"id":4,"boost":true}]"#;
    let expected = format!(
        r#""kind":"wide","@kind":{tag},"power":20,"channel":[1,6],"@channel":[{tag},{tag}],"interval":30,"limits":{{"max":5}},"cell":[{{"id":4,"tilt":0,"@tilt":{tag},"boost":true}}]"#
    );
    assert_eq!(told(set, Mode::ReportAllTagged), expected);

    let set = defaults();
    let content = datastore(&set, r#""power":20,"cell":[{"id":4}]"#);
    let at = path(&set, Some(4), &[]);
    let report = Report::new(Mode::ReportAllTagged, set.schema, content.clone(), &at, Box::new(|n| n.config));
    let entry = Child::Container(datastore_entry(&content, &at));
    let found = report.found(&at, &entry).unwrap();
    let tags = Tags::new(set.schema, &content, &at);
    let mut text = Vec::new();
    let options = EncodeOptions { schema: set.schema, depth: None, metadata: Some(&tags), drain: None };
    xml::encode_one(at.node().unwrap(), &found, &mut text, &options);
    let tag = "xmlns:wd=\"urn:ietf:params:xml:ns:netconf:default:1.0\" wd:default=\"true\"";
    let expected = format!(
        "<cell xmlns=\"urn:test:defaults\"><id>4</id><tilt {tag}>0</tilt><boost {tag}>true</boost></cell>"
    );
    assert_eq!(String::from_utf8(text).unwrap(), expected);
}

/// The only entry of `cell`.
fn datastore_entry(content: &Container, at: &InstancePath) -> Arc<Container> {
    let radio = content.container(at.steps[0].node).unwrap();
    let cells = radio.list(at.steps[1].node).unwrap();
    cells.iter().next().unwrap()
}

#[test]
fn rfc_8040_section_3_5_4_a_default_in_use_is_found_at_its_own_path() {
    let set = defaults();
    let content = datastore(&set, r#""cell":[{"id":4,"tilt":2}]"#);
    let missing = |mode, cell, names: &[&str]| {
        let at = path(&set, cell, names);
        Report::new(mode, set.schema, content.clone(), &at, Box::new(|_| true)).missing(&at)
    };
    let number = |n| Some(Child::Leaf(Value::Uint32(n)));
    assert_eq!(missing(Mode::ReportAll, None, &["power"]), number(20));
    assert_eq!(missing(Mode::ReportAll, None, &["limits", "max"]), number(100));
    assert_eq!(missing(Mode::ReportAll, Some(4), &["boost"]), Some(Child::Leaf(Value::Bool(true))));
    assert!(matches!(missing(Mode::ReportAll, None, &["channel"]), Some(Child::LeafList(v)) if v.len() == 2));
    assert!(matches!(missing(Mode::ReportAll, None, &["limits"]), Some(Child::Container(_))));
    for names in [&["gain"][..], &["who"], &["at"], &["extra"], &["extra", "level"], &["cell"]] {
        assert_eq!(missing(Mode::ReportAll, None, names), None, "{names:?}");
    }
    assert_eq!(missing(Mode::ReportAll, Some(5), &["boost"]), None);
    assert_eq!(missing(Mode::ReportAll, Some(4), &["tilt"]), None);
    assert_eq!(missing(Mode::Trim, None, &["power"]), None);
    assert_eq!(missing(Mode::Explicit, None, &["power"]), None);
}

#[test]
fn rfc_8040_section_4_8_1_only_defaults_of_wanted_nodes_are_added() {
    let set = defaults();
    let content = datastore(&set, r#""cell":[{"id":4}]"#);
    let at = path(&set, Some(4), &[]);
    let report = Report::new(Mode::ReportAll, set.schema, content.clone(), &at, Box::new(|n| !n.config));
    let found = report.found(&at, &Child::Container(datastore_entry(&content, &at)));
    let Some(Child::Container(found)) = found else { panic!("no entry") };
    let names: Vec<&str> = found.iter().map(|(node, _)| node.name).collect();
    assert_eq!(names, ["id", "faults"]);
}

/// What is left of the members of `radio` in a document, and what in it was set to its default.
fn written(inside: &str) -> Result<(String, Vec<String>), (Tag, String)> {
    let set = defaults();
    let sink = SetToDefault::new(set.schema);
    let options = DecodeOptions { metadata: Some(&sink), ..DecodeOptions::default() };
    let document = format!("{{\"defaults:radio\":{{{inside}}}}}");
    let content = json::decode_children(document.as_bytes(), None, set.schema, &options);
    let content = content.map_err(|e| (e.tag, e.path.unwrap_or_default().to_string()))?;
    let paths = sink.into_values().iter().map(|(path, _)| path.to_string()).collect();
    Ok((text(&set, &content, None), paths))
}

#[test]
fn rfc_6243_section_4_5_2_what_is_tagged_as_a_default_is_not_set() {
    let tag = r#"{"ietf-netconf-with-defaults:default":true}"#;
    let inside = format!(
        r#""power":20,"@power":{tag},"channel":[6,1],"@channel":[{tag},{tag}],"interval":30,"cell":[{{"id":4,"tilt":0,"@tilt":{tag}}}]"#
    );
    let (left, paths) = written(&inside).unwrap();
    assert_eq!(left, r#"{"defaults:radio":{"interval":30,"cell":[{"id":4}]}}"#);
    let mut sorted = paths;
    sorted.sort();
    assert_eq!(
        sorted,
        ["/defaults:radio/cell[id='4']/tilt", "/defaults:radio/channel", "/defaults:radio/power"]
    );
    let untagged = r#""power":20,"@power":{"ietf-netconf-with-defaults:default":false}"#;
    assert_eq!(written(untagged).unwrap(), (r#"{"defaults:radio":{"power":20}}"#.into(), Vec::new()));
}

#[test]
fn rfc_6243_section_4_5_2_a_tagged_value_that_is_not_the_default_is_invalid() {
    let tag = r#"{"ietf-netconf-with-defaults:default":true}"#;
    for (inside, wanted, place) in [
        (format!(r#""power":21,"@power":{tag}"#), Tag::InvalidValue, "/power"),
        (format!(r#""at":"x","@at":{tag}"#), Tag::InvalidValue, "/at"),
        (format!(r#""channel":[1],"@channel":[{tag}]"#), Tag::InvalidValue, "/channel"),
        (format!(r#""channel":[1,6],"@channel":[{tag}]"#), Tag::InvalidValue, "/channel"),
        (format!(r#""cell":[{{"id":4,"@id":{tag}}}]"#), Tag::InvalidValue, "/cell[id='4']/id"),
        (format!(r#""limits":{{"@":{tag}}}"#), Tag::BadAttribute, "/limits"),
        (
            r#""power":20,"@power":{"ietf-origin:origin":"ietf-origin:system"}"#.to_owned(),
            Tag::UnknownAttribute,
            "/power",
        ),
    ] {
        assert_eq!(written(&inside), Err((wanted, format!("/defaults:radio{place}"))), "{inside}");
    }
}
