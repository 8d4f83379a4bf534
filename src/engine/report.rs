//! What a reader is told of data beyond what is set: defaults in use (RFC 6243) and where configuration comes
//! from (RFC 8342 section 5.3.4).
//!
//! Any front end reads through this. What `view` does not show to a principal is never used here.

use std::sync::Arc;

use super::filter::Filter;
use super::known::Known;
use super::origins::{OriginFilter, Origins};
use super::page::{self, OfPage, OfSublists, Paged, Paging};
use super::request::{Content, Datastore, Found};
use super::state::State;
use super::txid::{self, Told, Txids};
use super::view::{self, From};
use super::visible;
use crate::access::Principal;
use crate::datastore::defaults::{Mode, Report, Tags};
use crate::yang::error::{Error, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::metadata::{Both, Metadata};
use crate::yang::path::InstancePath;
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::{Child, Container};

/// What a reader wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Telling {
    /// `with-defaults`, if given. Without it, that is the basic mode `explicit`, but in the operational
    /// datastore everything in use is told (RFC 8342 section 5.3).
    pub defaults: Option<Mode>,
    /// `with-origin`; only of the operational state datastore.
    pub origin: bool,
    /// Whether each versioned node is told with its transaction id, and how.
    pub txids: Option<Txids>,
}

/// What a reader wants of a whole datastore.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Configuration, state or both.
    pub content: Content,
    /// What is told beside it.
    pub telling: Telling,
    /// What of it.
    pub filter: Option<Filter>,
    /// How many levels of what is selected, itself the first; `None` for all. Without a filter that is the nodes at the top.
    pub depth: Option<u16>,
    /// What of the configuration in use.
    pub origins: Option<OriginFilter>,
    /// The transaction ids that the reader has, and where it wants to know them.
    pub known: Option<Known>,
}

/// A node that was found, with its metadata.
#[derive(Debug)]
pub struct Reported {
    /// The node.
    pub found: Found,
    /// For an encoder that writes it: tags of defaults, origins or both.
    pub metadata: Option<Box<dyn Metadata>>,
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
    let From { state, options, .. } = *from;
    let whole = || Arc::new(view::whole(from, principal));
    let steps = options.limits.page_steps_max;
    let paged = Paged { paging, limits: &options.limits, steps, path, whole: &whole };
    let mut notes = Vec::new();
    let mut part = |node, child| {
        let (page, told) = paged.page(node, child)?;
        notes = told;
        Ok(page)
    };
    let found = view::read_part(from, principal, path, content, &mut part);
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
    all.extend(telling.txids.map(|txids| told(txids, state)));
    Ok(Reported { found, metadata: together(all) })
}

/// Who tells txids.
fn told(txids: Txids, state: &State) -> Box<dyn Metadata> {
    // In RESTCONF those of a candidate are its entity tags, and they go on alone.
    let newest = if txids == Txids::ATTRIBUTE { state.position } else { txid::UNASKED };
    Box::new(Told { txids, newest })
}

fn together(all: Vec<Box<dyn Metadata>>) -> Option<Box<dyn Metadata>> {
    all.into_iter().reduce(|one, other| Box::new(Both(one, other)))
}

/// Reads what is selected of a whole datastore (RFC 6241 section 6, RFC 8526 section 3.1.1). The defaults that are told are
/// there for the filter too.
///
/// # Errors
/// `resource-denied` if the filter takes too many steps, `invalid-value` if it is an expression that selects no nodes.
pub(super) fn selected(
    from: &From<'_>,
    principal: &Principal,
    selection: &Selection,
) -> Result<Reported, Error> {
    let From { state, sessions, options, datastore, .. } = *from;
    let Selection { content, telling, filter, depth, origins, known } = selection;
    let root = InstancePath::default();
    let whole = Arc::new(view::whole(from, principal));
    let all = match filter {
        None => view::read(from, principal, &root, *content),
        Some(filter) => {
            let nothing = Child::Container(Arc::default());
            let child = view::part(&Child::Container(filter.narrow(&whole)), *content).unwrap_or(nothing);
            let (revision, changed_at) = view::changed(state, sessions, datastore);
            Ok(Found { node: None, child, revision, has_other_state: true, changed_at })
        }
    };
    let Reported { found, metadata } =
        filled(from, principal, &root, *content, *telling, all, &|| whole.clone())?;
    let Child::Container(all) = &found.child else {
        return Err(Error::protocol(Tag::OperationFailed, "no data"));
    };
    let mut selected = match filter {
        None => all.as_ref().clone(),
        Some(filter) => filter
            .select_levels(all, state.quotas(&options.limits, principal).data_filter_steps, *depth)
            .map_err(|e| Error::protocol(Tag::ResourceDenied, format!("the filter: {e}")))?
            .ok_or_else(|| {
                let message = "the expression of the filter selects no nodes but has another value";
                Error::protocol(Tag::InvalidValue, message)
            })?,
    };
    selected.revision = found.revision;
    if let Some(origins) = origins {
        selected = origins.keep(&selected, &Origins::new(&whole, state.config.content(), &root));
    }
    if let Some(known) = known {
        selected = known.leave_out(&selected, state.position);
    }
    let of_txids = telling.txids.or(known.as_ref().map(|_| Txids::ATTRIBUTE)).map(|txids| told(txids, state));
    let metadata = together(metadata.into_iter().chain(of_txids).collect());
    Ok(Reported { found: Found { child: Child::Container(Arc::new(selected)), ..found }, metadata })
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
