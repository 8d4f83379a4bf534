//! `get` and `get-config` (RFC 6241 sections 7.1 and 7.7), `get-data` (RFC 8526 section 3.1), with their filters and pages.
//!
//! What a filter selects is not known here.

use super::{Call, Get, Request, datastore, given, known, no_datastore, take_etag};
use crate::datastore::defaults::Mode;
use crate::engine::{Content, Datastore, Engine, Filter, OriginFilter, Paging, Selection, Telling};
use crate::netconf::NAMESPACE;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::generated::ietf_list_pagination_nc::{
    GetConfigInputListPagination as ConfigPage, GetDataInputListPagination as DataPage,
    GetInputDirection as Direction, GetInputListPagination as Page, nodes as pages,
};
use crate::yang::generated::ietf_netconf::{GetConfigInput, GetInput, nodes as netconf};
use crate::yang::generated::ietf_netconf_nmda::{GetDataInput, nodes as nmda};
use crate::yang::generated::ietf_netconf_with_defaults::WithDefaultsMode;
use crate::yang::generated::ietf_origin::identities::Origin;
use crate::yang::model::IdentityEnum;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::recast::recast;
use crate::yang::schema::{Identity, Kind, Node};
use crate::yang::tree::AnyData;
use crate::yang::types::ModuleNames;
use crate::yang::value::Value;
use crate::yang::xml::parse::Element;
use crate::yang::xml::{self, with_module_names};

pub(super) fn get(mut call: Call<'_, '_>) -> Result<Request, Error> {
    let (engine, etag) = (call.engine, take_etag(&mut call.rpc));
    let mut filter = call.take("filter")?;
    let taken: &[_] = if filter.is_some() { &[&netconf::GET_INPUT_FILTER] } else { &[] };
    let data = call.input(taken)?;
    let input: GetInput = given(&data)?;
    let known = known::of(etag, filter.as_mut());
    let (list, filter) = older_filter(engine, filter)?;
    let telling = Telling { defaults: input.with_defaults.map(mode), ..Telling::default() };
    let paging = data.get(&pages::GET_INPUT_LIST_PAGINATION).map(|_| input.list_pagination);
    let selection = Selection { telling, filter, known, ..Selection::default() };
    let get = Get { datastore: Datastore::Unified, selection, page: None, output: &netconf::GET_OUTPUT };
    paged(get, list, paging)
}

pub(super) fn get_config(mut call: Call<'_, '_>) -> Result<Request, Error> {
    let (engine, principal, etag) = (call.engine, call.principal, take_etag(&mut call.rpc));
    let mut filter = call.take("filter")?;
    let taken: &[_] = if filter.is_some() { &[&netconf::GET_CONFIG_INPUT_FILTER] } else { &[] };
    let data = call.input(taken)?;
    let input: GetConfigInput = given(&data)?;
    let source = [input.source.candidate, input.source.running, input.source.startup];
    let datastore = datastore(engine, principal, source, "source")?;
    let known = known::of(etag, filter.as_mut());
    let (list, filter) = older_filter(engine, filter)?;
    let telling = Telling { defaults: input.with_defaults.map(mode), ..Telling::default() };
    let paging = match data.get(&pages::GET_CONFIG_INPUT_LIST_PAGINATION) {
        Some(_) => Some(recast::<ConfigPage, Page>(&input.list_pagination).map_err(unread)?),
        None => None,
    };
    let selection = Selection { content: Content::Config, telling, filter, known, ..Selection::default() };
    paged(Get { datastore, selection, page: None, output: &netconf::GET_CONFIG_OUTPUT }, list, paging)
}

pub(super) fn get_data(mut call: Call<'_, '_>) -> Result<Request, Error> {
    let (engine, principal, etag) = (call.engine, call.principal, take_etag(&mut call.rpc));
    let is_filter = |child: &&mut Element<'_>| child.name == "subtree-filter";
    let mut filter = call.rpc.children.iter_mut().find(is_filter);
    let known = known::of(etag, filter.as_deref_mut());
    let list = filter.and_then(|filter| list_in(filter));
    let data = call.input(&[])?;
    let input: GetDataInput = given(&data)?;
    let datastore = Datastore::named(input.datastore).map(|datastore| engine.meant(principal, datastore));
    let datastore = datastore.filter(|named| engine.has(*named)).ok_or_else(|| no_datastore("datastore"))?;
    let content = match input.config_filter {
        None => Content::All,
        Some(true) => Content::Config,
        Some(false) => Content::NonConfig,
    };
    let identities = |origins: &[Origin]| -> Vec<&'static Identity> {
        origins.iter().map(|origin| origin.identity()).collect()
    };
    let origins = match (input.origin_filter.as_slice(), input.negated_origin_filter.as_slice()) {
        ([], []) => None,
        (wanted, []) => Some(OriginFilter::Any(identities(wanted))),
        (_, unwanted) => Some(OriginFilter::None(identities(unwanted))),
    };
    let (list, filter) = match (&input.subtree_filter, &input.xpath_filter) {
        (Some(filter), _) => (list, Some(Filter::subtree_of_data(filter, engine.limits())?)),
        (None, Some(expression)) => {
            (list_at(expression), Some(Filter::xpath(expression, engine.limits())?.of_nodes()?))
        }
        (None, None) => (None, None),
    };
    let depth = match input.max_depth {
        Value::Uint32(depth) => Some(u16::try_from(depth).unwrap_or(u16::MAX)),
        _ => None,
    };
    let origin = input.with_origin.is_some();
    let telling = Telling { defaults: input.with_defaults.map(mode), origin, ..Telling::default() };
    let paging = match data.get(&pages::GET_DATA_INPUT_LIST_PAGINATION) {
        Some(_) => Some(recast::<DataPage, Page>(&input.list_pagination).map_err(unread)?),
        None => None,
    };
    let selection = Selection { content, telling, filter, depth, origins, known };
    paged(Get { datastore, selection, page: None, output: &nmda::GET_DATA_OUTPUT }, list, paging)
}

/// The same of a page, if one is wanted.
///
/// # Errors
/// Pages are of one list or leaf-list, and nothing else is left out of them.
fn paged(get: Get, list: Option<InstancePath>, page: Option<Page>) -> Result<Request, Error> {
    let Some(page) = page else { return Ok(Request::Get(Box::new(get))) };
    let number = |value: &Value| match value {
        Value::Uint32(number) => Some(*number),
        _ => None,
    };
    let text = |value: &Value| match value {
        Value::Enum(_) => None,
        other => Some(other.canonical()),
    };
    let paging = Paging {
        filter: text(&page.where_).filter(|expression| expression != "unfiltered"),
        sort_by: text(&page.sort_by).filter(|name| name != "none"),
        locale: page.locale,
        backwards: page.direction == Direction::Backwards,
        cursor: page.cursor,
        offset: Some(page.offset).filter(|offset| *offset > 0),
        limit: number(&page.limit),
        sublist_limit: number(&page.sublist_limit),
    };
    let wrong = |tag, message| Err(Error::application(tag, message));
    if paging.cursor.is_some() && paging.offset.is_some() {
        return wrong(Tag::InvalidValue, "\"cursor\" and \"offset\" cannot stand together");
    }
    if get.selection.origins.is_some()
        || get.selection.known.as_ref().is_some_and(|known| !known.below.is_empty())
    {
        let message = "a page is not filtered by origins, nor by what is known of its nodes";
        return wrong(Tag::OperationNotSupported, message);
    }
    match list {
        Some(list) => Ok(Request::Get(Box::new(Get { page: Some((list, paging)), ..get }))),
        None => wrong(Tag::InvalidValue, "a page is of one list or leaf-list, which the filter has to name"),
    }
}

/// The `<filter>` of data (RFC 6241 sections 6 and 8.9), and the list that it is about if it is about one as a whole.
fn older_filter(
    engine: &Engine,
    filter: Option<Element<'_>>,
) -> Result<(Option<InstancePath>, Option<Filter>), Error> {
    let Some(filter) = filter else { return Ok((None, None)) };
    Ok(match expression(&filter)? {
        Some(expression) => {
            let list = list_at(&with_module_names(expression, &filter.scope, &SCHEMA));
            (list, Some(xpath(engine, &filter, expression)?.of_nodes()?))
        }
        None => {
            let parsed = Filter::subtree_of_data(&AnyData::Xml(filter.content().into()), engine.limits())?;
            (list_in(&filter), Some(parsed))
        }
    })
}

/// An expression with the prefixes that are in scope of the `<filter>` (RFC 6241 section 8.9.1).
pub(super) fn xpath(engine: &Engine, filter: &Element<'_>, select: &str) -> Result<Filter, Error> {
    Filter::xpath_in_xml(select, &|prefix| filter.scope.namespace(prefix), engine.limits())
}

/// The expression of a filter of the type `xpath`; `None` for a subtree filter.
pub(super) fn expression<'f>(filter: &'f Element<'_>) -> Result<Option<&'f str>, Error> {
    let is_ours = |namespace: &str| namespace.is_empty() || namespace == NAMESPACE;
    let attribute = |name: &str| {
        filter.attributes.iter().find(|a| a.name == name && is_ours(&a.namespace)).map(|a| a.value.as_str())
    };
    match (attribute("type").map(str::trim), attribute("select")) {
        (None | Some("subtree"), _) => Ok(None),
        (Some("xpath"), Some(select)) => Ok(Some(select)),
        (Some("xpath"), None) => {
            let message = "a filter of the type \"xpath\" has the attribute \"select\"";
            let error = Error::protocol(Tag::MissingAttribute, message).info("bad-attribute", "select");
            Err(error.info("bad-element", "filter"))
        }
        (Some(other), _) => {
            let message = format!("\"{other}\" is not a type of filters: subtree, xpath");
            let error = Error::protocol(Tag::BadAttribute, message).info("bad-attribute", "type");
            Err(error.info("bad-element", "filter"))
        }
    }
}

/// The list or leaf-list that an expression is the path of.
fn list_at(expression: &str) -> Option<InstancePath> {
    InstancePath::parse(expression.trim(), &SCHEMA, &ModuleNames(&SCHEMA)).ok().filter(is_list)
}

/// The list or leaf-list that a subtree filter selects, and nothing else.
fn list_in(filter: &Element<'_>) -> Option<InstancePath> {
    let mut path = InstancePath::default();
    let mut children = &filter.children;
    loop {
        let keys = path.node().map_or(&[][..], Node::keys);
        let is_key = |element: &Element<'_>| keys.iter().any(|key| key.name == element.name);
        let mut on = children.iter().filter(|child| !is_key(child));
        let (Some(element), None) = (on.next(), on.next()) else { return None };
        let top = || SCHEMA.implemented().flat_map(|module| module.data).copied();
        let fits = |node: &&'static Node| {
            node.name == element.name
                && (element.namespace.is_empty() || node.module.namespace == element.namespace.as_ref())
        };
        let node = match path.node() {
            None => top().find(fits)?,
            Some(above) => above.data.iter().copied().find(fits)?,
        };
        if element.children.is_empty() {
            path.steps.push(Step::plain(node));
            return Some(path).filter(|_| element.text.trim().is_empty()).filter(is_list);
        }
        path.steps.push(xml::step(element, &path, &SCHEMA).ok()?);
        children = &element.children;
    }
}

fn is_list(path: &InstancePath) -> bool {
    path.steps.last().is_some_and(|step| {
        matches!(step.node.kind, Kind::List { .. } | Kind::LeafList { .. }) && step.selector == Selector::None
    })
}

fn unread(e: crate::yang::model::ModelError) -> Error {
    Error::protocol(Tag::InvalidValue, e.to_string()).info("bad-element", e.node.name)
}

/// What `with-defaults` says (RFC 6243 section 4.5).
pub(super) fn mode(mode: WithDefaultsMode) -> Mode {
    match mode {
        WithDefaultsMode::ReportAll => Mode::ReportAll,
        WithDefaultsMode::ReportAllTagged => Mode::ReportAllTagged,
        WithDefaultsMode::Trim => Mode::Trim,
        WithDefaultsMode::Explicit => Mode::Explicit,
    }
}
