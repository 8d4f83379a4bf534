//! What a reader is told of data beyond what is set: defaults in use (RFC 6243) and where configuration comes
//! from (RFC 8342 section 5.3.4).
//!
//! Any front end reads through this. What `view` does not show to a principal is never used here.

use std::sync::Arc;

use super::filter::Filter;
use super::options::Options;
use super::page::{self, OfPage, OfSublists, Paged, Paging};
use super::request::{Content, Datastore, Found};
use super::sessions::Sessions;
use super::state::State;
use super::txid::Txids;
use super::{view, visible};
use crate::access::Principal;
use crate::datastore::defaults::{Mode, Report, Tags, same_instance};
use crate::yang::error::{Error, Tag};
use crate::yang::generated::ietf_origin::identities as origins;
use crate::yang::generated::{SCHEMA, irtf_agent};
use crate::yang::metadata::{Both, Metadata, Note, ORIGIN, Written};
use crate::yang::path::InstancePath;
use crate::yang::schema::{Identity, Kind, Node};
use crate::yang::tree::{Child, Container};
use crate::yang::value::Value;

/// What a reader wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Telling {
    /// `with-defaults`, if given. Without it, that is the basic mode `explicit`, but in the operational
    /// datastore everything in use is told (RFC 8342 section 5.3).
    pub defaults: Option<Mode>,
    /// `with-origin`; only of the operational state datastore.
    pub origin: bool,
    /// Whether each versioned node is told with its transaction id, and what is written after that, such as `-json`.
    pub txids: Option<&'static str>,
}

/// A node that was found, with its metadata.
#[derive(Debug)]
pub struct Reported {
    /// The node.
    pub found: Found,
    /// For an encoder that writes it: tags of defaults, origins or both.
    pub metadata: Option<Box<dyn Metadata>>,
}

/// What is read from.
pub(super) struct From<'a> {
    pub state: &'a Arc<State>,
    pub sessions: &'a Sessions,
    pub options: &'a Options,
    pub datastore: Datastore,
}

/// Reads one node, or a page of a list or leaf-list.
pub(super) fn report(
    from: &From<'_>,
    principal: &Principal,
    path: &InstancePath,
    content: Content,
    telling: Telling,
    paging: &Paging,
) -> Result<Reported, Error> {
    let From { state, sessions, options, datastore } = *from;
    let whole = || Arc::new(view::whole(state, sessions, options, principal, datastore));
    let paged = Paged { paging, limits: &options.limits, path, whole: &whole };
    let mut notes = Vec::new();
    let mut part = |node, child| {
        let (page, told) = paged.page(node, child)?;
        notes = told;
        Ok(page)
    };
    let found = view::read_part(state, sessions, options, principal, datastore, path, content, &mut part);
    let Reported { found, metadata } = filled(from, principal, path, content, telling, found, &whole)?;
    let of_page = (!notes.is_empty()).then(|| Box::new(OfPage::new(notes)) as Box<dyn Metadata>);
    let mut all: Vec<Box<dyn Metadata>> = of_page.into_iter().chain(metadata).collect();
    let found = match paging.sublist_limit {
        None => found,
        Some(limit) => {
            all.push(Box::new(OfSublists::new(found.node, &found.child, limit)));
            Found { child: page::cut(&found.child, limit, &options.limits)?, ..found }
        }
    };
    all.extend(telling.txids.map(|suffix| Box::new(Txids { suffix }) as Box<dyn Metadata>));
    let metadata = all.into_iter().reduce(|one, other| Box::new(Both(one, other)));
    Ok(Reported { found, metadata })
}

/// Reads what a filter selects of a whole datastore (RFC 6241 section 6, RFC 8526 section 3.1.1). The defaults that are
/// told are there for the filter too.
///
/// # Errors
/// `resource-denied` if the filter takes too many steps.
pub(super) fn selected(
    from: &From<'_>,
    principal: &Principal,
    content: Content,
    telling: Telling,
    filter: Option<&Filter>,
) -> Result<Reported, Error> {
    let From { state, sessions, options, datastore } = *from;
    let root = InstancePath::default();
    let Some(filter) = filter else {
        return report(from, principal, &root, content, telling, &Paging::default());
    };
    let whole = Arc::new(view::whole(state, sessions, options, principal, datastore));
    let nothing = Child::Container(Arc::default());
    let narrow = view::part(&Child::Container(filter.narrow(&whole)), content).unwrap_or(nothing.clone());
    let found = Found {
        node: None,
        child: narrow,
        revision: state.position,
        has_other_state: true,
        changed_at: state.config_changed_at,
    };
    let reported = filled(from, principal, &root, content, telling, Ok(found), &|| whole.clone())?;
    let selected = match &reported.found.child {
        Child::Container(root) => filter
            .select(root, &options.limits)
            .map_err(|e| Error::protocol(Tag::ResourceDenied, format!("the filter: {e}")))?,
        _ => Container::default(),
    };
    let child = Child::Container(Arc::new(selected));
    Ok(Reported { found: Found { child, ..reported.found }, ..reported })
}

/// What was found with what is told of defaults and origins.
fn filled(
    from: &From<'_>,
    principal: &Principal,
    path: &InstancePath,
    content: Content,
    telling: Telling,
    found: Result<Found, Error>,
    whole: &dyn Fn() -> Arc<Container>,
) -> Result<Reported, Error> {
    let From { state, datastore, .. } = *from;
    let is_missing = found.as_ref().is_err_and(|e| e.tag == Tag::DataMissing);
    let mode = match (telling.defaults, path.node().map(|node| &node.kind)) {
        // RFC 8527 section 3.2.1: what is in use is there, whether or not anybody set it.
        (None | Some(Mode::Explicit), _) if datastore == Datastore::Operational => Mode::ReportAll,
        (Some(mode), _) => mode,
        // RFC 8040 section 3.5.4: of a leaf without an instance, the default in use is returned; not so in the
        // datastores that have names (RFC 8527 section 3.2).
        (None, Some(Kind::Leaf { .. } | Kind::LeafList { .. }))
            if is_missing && datastore == Datastore::Unified =>
        {
            Mode::ReportAll
        }
        (None, _) => Mode::Explicit,
    };
    if mode == Mode::Explicit && !telling.origin {
        return Ok(Reported { found: found?, metadata: None });
    }
    let whole = whole();
    // RFC 8342 section 5.1: the other datastores have no state, not even by default.
    let has_state = matches!(datastore, Datastore::Unified | Datastore::Operational);
    let wanted = move |node: &'static Node| {
        let inner = !matches!(node.kind, Kind::Leaf { .. } | Kind::LeafList { .. });
        (has_state || node.config)
            && match content {
                Content::All => true,
                Content::Config => node.config,
                Content::NonConfig => inner || !node.config,
            }
    };
    let rules = state.rules(principal);
    // What is there by default alone is judged as well.
    let seen = |child: Child| visible::found(&rules, path, &child);
    let report = Report::new(mode, &SCHEMA, whole.clone(), path, Box::new(wanted));
    let missing = || Error::protocol(Tag::DataMissing, "there is no such instance").at(path.clone());
    let found = match found {
        Ok(found) => {
            let child = report.found(path, &found.child).and_then(seen).ok_or_else(missing)?;
            Found { child, ..found }
        }
        Err(error) => Found {
            node: path.node(),
            child: report.missing(path).filter(|_| is_missing).and_then(seen).ok_or(error)?,
            revision: 0,
            has_other_state: true,
            changed_at: state.config_changed_at,
        },
    };
    let tags = || Box::new(Tags::new(&SCHEMA, &whole, path));
    let origins = || Box::new(Origins::new(&whole, state.config.content(), path));
    let metadata: Option<Box<dyn Metadata>> = match (mode == Mode::ReportAllTagged, telling.origin) {
        (true, true) => Some(Box::new(Both(tags(), origins()))),
        (true, false) => Some(tags()),
        (false, true) => Some(origins()),
        (false, false) => None,
    };
    Ok(Reported { found, metadata })
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
struct Origins {
    /// What is in use at the place without defaults, and what is configured there.
    used: Option<Arc<Container>>,
    configured: Option<Arc<Container>>,
    /// The top-level node that the place is in; `None` for the root.
    top: Option<&'static Node>,
    /// The origin that is told of what is around.
    around: Option<&'static Identity>,
}

impl Origins {
    fn new(used: &Arc<Container>, configured: &Arc<Container>, path: &InstancePath) -> Self {
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

impl Metadata for Origins {
    fn of(&self, node: &'static Node, instance: Written<'_>) -> (Vec<Note>, Option<Box<dyn Metadata>>) {
        if !node.config {
            return (Vec::new(), None);
        }
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
        let is_told = match (self.around, &node.kind) {
            (None, _) => true,
            (Some(_), Kind::Container { presence: false }) => false,
            (Some(around), _) => around != origin,
        };
        let around = if is_told { Some(origin) } else { self.around };
        let note = || Note { annotation: &ORIGIN, value: Value::Identity(origin) };
        let below = match instance {
            Written::Content(..) => Some(Box::new(Origins {
                used: used_below,
                configured: configured_below,
                top: Some(top),
                around,
            }) as Box<dyn Metadata>),
            Written::Value(_) | Written::Any => None,
        };
        (is_told.then(note).into_iter().collect(), below)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::yang::encode::EncodeOptions;
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
