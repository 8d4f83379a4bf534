//! What has to hold for any octets that a client sends, whatever they are: one check for each kind of input. The fuzz targets
//! and `tests/fuzz_corpus.rs` call these same functions. A check never expects an input to be accepted.

#![allow(clippy::expect_used, clippy::panic)] // a check fails by a panic

pub mod credentials;
pub mod netconf;

use std::sync::{Arc, LazyLock};

use agentconf::datastore::defaults::SetToDefault;
use agentconf::engine::Filter;
use agentconf::limits::Limits;
use agentconf::restconf::input::{Encoding, InsertAt, Place, Selection, query, yang_patch};
use agentconf::yang::cbor::Keys;
use agentconf::yang::decode::{DecodeOptions, Wrapper};
use agentconf::yang::encode::EncodeOptions;
use agentconf::yang::error::{Error, Tag};
use agentconf::yang::generated::SCHEMA;
use agentconf::yang::resource::{self, ResourcePath};
use agentconf::yang::schema::Kind;
use agentconf::yang::tree::{AnyData, Child, Container};
use agentconf::yang::{cbor, json, xml};

/// A check of one input.
pub type Check = fn(&[u8]);

/// Every check by the name of its target, which is that of its folder in `fuzz/corpus`.
pub const CHECKS: &[(&str, Check)] = &[
    ("cbor", cbor_data),
    ("certificates", credentials::certificates),
    ("claims", credentials::claims),
    ("json", json_data),
    ("jwks", credentials::keys),
    ("metadata", metadata),
    ("netconf_framing", netconf::framings),
    ("netconf_hello", netconf::greeting),
    ("netconf_session", netconf::session),
    ("query", query_parameters),
    ("record", credentials::record),
    ("ssh_key", credentials::ssh_key),
    ("subtree", subtree_filter),
    ("uri", uri),
    ("xml", xml_data),
    ("xpath", xpath_filter),
    ("yang_patch", patch),
];

const DEPTH: usize = 64;
const DATA: Wrapper =
    Wrapper { module: "ietf-restconf", namespace: "urn:ietf:params:xml:ns:yang:ietf-restconf", name: "data" };

/// Something for filters to find.
const SAMPLE: &str = r###"{"irtf-agent:data-params":[{"id":"a","dataType":"text","chunked":true},{"id":"b","dataType":"image"}],
    "irtf-agent:tasks":{"content":"## target object\nx\n## task description\ny","term-explains":[{"term":"t"}],"msg-data":"a"},
    "magent-task:interaction":{"tasks":{"task":[{"id":"t","from":"f","to":"g","status":"created","asynchronous":false,
    "event-sequence":"1","created-at":"2026-11-21T05:00:00Z","updated-at":"2026-11-21T05:00:00Z",
    "history":{"change":[{"number":1,"status":"created","at":"2026-11-21T05:00:00Z"}]}}]}}}"###;

static ROOT: LazyLock<Arc<Container>> = LazyLock::new(|| {
    let root = json::decode_children(SAMPLE.as_bytes(), None, &SCHEMA, &options());
    Arc::new(root.expect("the sample fits the schema"))
});

fn options() -> DecodeOptions<'static> {
    DecodeOptions { allow_state: true, depth_max: DEPTH, ..DecodeOptions::default() }
}

/// JSON of a datastore (RFC 7951).
pub fn json_data(octets: &[u8]) {
    judged(json::decode_children(octets, None, &SCHEMA, &options()));
}

/// XML of a datastore.
pub fn xml_data(octets: &[u8]) {
    judged(xml::decode_wrapped(octets, &DATA, &SCHEMA, &options()));
}

/// CBOR of a datastore (RFC 9254).
pub fn cbor_data(octets: &[u8]) {
    judged(cbor::decode_wrapped(octets, &DATA, &SCHEMA, &options(), Keys::Any));
}

/// Data with annotations (RFC 7952), of which `default` means that a node is not set (RFC 6243 section 4.5.2). The first
/// octet chooses the encoding.
pub fn metadata(octets: &[u8]) {
    let Some((first, octets)) = octets.split_first() else { return };
    let sink = SetToDefault::new(&SCHEMA);
    let options = DecodeOptions { metadata: Some(&sink), ..options() };
    let decoded = match first % 2 {
        0 => json::decode_children(octets, None, &SCHEMA, &options),
        _ => xml::decode_wrapped(octets, &DATA, &SCHEMA, &options),
    };
    let Some(data) = judged(decoded) else { return };
    for (path, _) in sink.into_values() {
        let node = path.node().expect("the root has no default");
        assert!(matches!(node.kind, Kind::Leaf { .. } | Kind::LeafList { .. }), "{path} has no default");
        assert!(path.find(&data).is_none(), "{path} is set to its default and still there");
    }
}

/// A request target below `{+restconf}/data`: the path of a data resource (RFC 8040 section 3.5.3) and the query.
pub fn uri(octets: &[u8]) {
    let Ok(target) = std::str::from_utf8(octets) else { return };
    let (path, parameters) =
        target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    if let Some(parameters) = parameters {
        query_parameters(&[b"\0", parameters.as_bytes()].concat());
    }
    match resource::parse(path, &SCHEMA, DEPTH) {
        Err(error) => {
            assert!(error.offset <= path.len(), "the place {} is not in the path", error.offset);
            assert!(!error.message.is_empty());
        }
        Ok(ResourcePath::Data(found)) => {
            assert!(found.steps.len() <= DEPTH);
            let text = resource::format(&found);
            let again = resource::parse(text.strip_prefix('/').unwrap_or(&text), &SCHEMA, DEPTH);
            assert_eq!(again.as_ref(), Ok(&ResourcePath::Data(found)), "{text} is another resource");
        }
        Ok(ResourcePath::Action(above, operation)) => {
            assert!(path.ends_with(operation.name), "the action {} is not asked for", operation.name);
            assert!(!above.steps.is_empty());
        }
    }
}

/// The query of a request (RFC 8040 section 4.8) and what its `fields` and `filter` say. The first octet chooses the request.
pub fn query_parameters(octets: &[u8]) {
    let Some((first, octets)) = octets.split_first() else { return };
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let places = [Place::Read, Place::Operational, Place::Insert, Place::Stream, Place::Nowhere];
    let place = places[usize::from(*first) % places.len()];
    let read = match query(Some(text), place) {
        Ok(read) => read,
        Err(error) => {
            assert!(matches!(error.tag, Tag::InvalidValue | Tag::OperationNotSupported), "{error}");
            return whole(&error);
        }
    };
    assert!(place != Place::Nowhere || text.is_empty(), "a parameter where none can be: {text}");
    assert_ne!(read.depth, Some(0));
    assert!(read.stop_time.is_none() || read.start_time < read.stop_time, "{read:?}");
    if let Some(InsertAt::Before(point) | InsertAt::After(point)) = &read.insert {
        uri(point.split('?').next().unwrap_or_default().as_bytes());
    }
    if let Some(filter) = &read.filter {
        xpath_filter(filter.as_bytes());
    }
    if let Some(fields) = &read.fields {
        match Selection::parse(fields, None, &SCHEMA, DEPTH) {
            Err(error) => whole(&error),
            Ok(selection) => {
                let all = Child::Container(ROOT.clone());
                let once = selection.prune(&all, read.depth);
                assert_eq!(
                    text_of(&selection.prune(&once, read.depth)),
                    text_of(&once),
                    "{fields} wants less of what it wanted"
                );
            }
        }
    }
}

/// An XPath filter (RFC 8040 section 4.8.4, RFC 8641).
pub fn xpath_filter(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    selects(Filter::xpath(text, &Limits::default()));
}

/// A subtree filter (RFC 6241 section 6). The first octet chooses the encoding.
pub fn subtree_filter(octets: &[u8]) {
    let Some((first, octets)) = octets.split_first() else { return };
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let filter = match (first % 2, serde_json::from_str(text)) {
        (0, Ok(value)) => AnyData::Json(Arc::new(value)),
        (0, Err(_)) => return,
        _ => AnyData::Xml(text.into()),
    };
    let limits = Limits::default();
    selects(Filter::subtree_of_data(&filter, &limits));
    if let Err(error) = Filter::subtree_of_events(&filter, &limits) {
        whole(&error);
    }
}

/// A YANG Patch (RFC 8072) of the datastore, or of an entry. The first octet chooses the encoding and the target.
pub fn patch(octets: &[u8]) {
    let Some((first, octets)) = octets.split_first() else { return };
    let encoding = if first % 2 == 0 { Encoding::Json } else { Encoding::Xml };
    let base = if first & 2 == 0 { "" } else { "irtf-agent:data-params=a" };
    let Ok(ResourcePath::Data(target)) = resource::parse(base, &SCHEMA, DEPTH) else {
        panic!("{base} is a resource")
    };
    let options = DecodeOptions { allow_state: false, ..options() };
    match yang_patch(encoding, octets, base, &target, &options) {
        Err(error) => whole(&error),
        Ok((patch, Err((number, error)))) => {
            assert!(number < patch.edit.len(), "there is no edit {number}");
            whole(&error);
        }
        Ok((patch, Ok(edits))) => {
            assert_eq!(patch.edit.len(), edits.len());
            for edit in edits {
                assert!(!edit.path.steps.is_empty(), "an edit of the whole datastore");
                assert!(edit.path.steps.starts_with(&target.steps), "{} is not below {base}", edit.path);
            }
        }
    }
}

/// A filter that was understood selects a part of what there is, and all of that again.
fn selects(filter: Result<Filter, Error>) {
    let filter = match filter {
        Ok(filter) => filter,
        Err(error) => return whole(&error),
    };
    // An expression can take too many steps, which is said.
    let Ok(selected) = filter.select(&ROOT, Limits::default().push_steps_max) else { return };
    for (node, _) in selected.iter() {
        assert!(ROOT.get(node).is_some(), "{} is selected and is not there", node.name);
    }
}

/// An error says what it is, and its place is text that can be read.
fn whole(error: &Error) {
    assert!(!error.message.is_empty(), "{:?} has no message", error.tag);
    assert!(error.path.as_ref().is_none_or(|path| !path.steps.is_empty()), "the root is no instance");
    assert!(error.to_string().starts_with(error.tag.as_str()));
}

/// Data that was decoded is the same after each encoding, which are the same when they are made again.
fn judged(decoded: Result<Container, Error>) -> Option<Container> {
    let data = match decoded {
        Ok(data) => data,
        Err(error) => {
            whole(&error);
            return None;
        }
    };
    let text = json_of(&data);
    let again = json::decode_children(&text, None, &SCHEMA, &options());
    let again = again.unwrap_or_else(|e| panic!("JSON of the server is refused: {e}\n{}", lossy(&text)));
    assert_eq!(lossy(&json_of(&again)), lossy(&text), "JSON is no fixed point");
    // Where there is no schema, XML has no types, and JSON no namespaces.
    if !has_any(&data) {
        let written = xml_of(&data);
        let again = xml::decode_wrapped(&written, &DATA, &SCHEMA, &options());
        let again =
            again.unwrap_or_else(|e| panic!("XML of the server is refused: {e}\n{}", lossy(&written)));
        assert_eq!(lossy(&json_of(&again)), lossy(&text), "XML says something else:\n{}", lossy(&written));
        for keys in [Keys::Names, Keys::Sids] {
            let mut written = Vec::new();
            cbor::encode_wrapped(&DATA, &data, &mut written, &EncodeOptions::default(), keys);
            let again = cbor::decode_wrapped(&written, &DATA, &SCHEMA, &options(), Keys::Any);
            let again =
                again.unwrap_or_else(|e| panic!("CBOR of the server is refused: {e}\n{}", lossy(&text)));
            assert_eq!(lossy(&json_of(&again)), lossy(&text), "CBOR with {keys:?} says something else");
        }
    }
    Some(data)
}

fn json_of(data: &Container) -> Vec<u8> {
    let mut text = Vec::new();
    json::encode_children(data, None, &mut text, &EncodeOptions::default());
    text
}

fn xml_of(data: &Container) -> Vec<u8> {
    let mut text = format!("<{} xmlns=\"{}\">", DATA.name, DATA.namespace).into_bytes();
    xml::encode_children(data, None, &mut text, &EncodeOptions::default());
    text.extend_from_slice(format!("</{}>", DATA.name).as_bytes());
    text
}

fn text_of(child: &Child) -> String {
    match child {
        Child::Container(container) => lossy(&json_of(container)),
        other => format!("{other:?}"),
    }
}

fn has_any(data: &Container) -> bool {
    data.iter().any(|(_, child)| match child {
        Child::Any(_) => true,
        Child::Container(container) => has_any(container),
        Child::List(list) => list.iter().any(|entry| has_any(&entry)),
        Child::Leaf(_) | Child::LeafList(_) => false,
    })
}

fn lossy(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}
