//! What is done to whole datastores: `copy-config`, `delete-config`, `validate` (RFC 6241 sections 7.3, 7.4 and 8.6.4), `commit`
//! and `discard-changes` (section 8.3.4), `update` (draft-ietf-netconf-privcand).
//!
//! What of it concerns datastores alone is left to the engine.

use super::read::mode;
use super::{Call, Request, Source, Target, datastore, datastore_or, given, is_base, no_datastore, take};
use crate::datastore::defaults::SetToDefault;
use crate::engine::{Datastore, Form, Invocation, Management, Resolution, Telling};
use crate::netconf::NAMESPACE;
use crate::yang::decode::DecodeOptions;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::generated::ietf_netconf::{
    CommitInput, CopyConfigInput, DeleteConfigInput, ValidateInput, nodes as netconf,
};
use crate::yang::generated::ietf_netconf_private_candidate::{
    UpdateInput, UpdateInputResolutionMode as Mode,
};
use crate::yang::path::InstancePath;
use crate::yang::schema::Node;
use crate::yang::tree::{Child, Container};
use crate::yang::xml;
use crate::yang::xml::parse::{Attribute, Element};

pub(super) fn copy(mut call: Call<'_, '_>) -> Result<Request, Error> {
    let (engine, principal, options) = (call.engine, call.principal, call.options);
    let (operation, inline) = (call.operation, inline(&mut call)?);
    let config = &netconf::COPY_CONFIG_INPUT_SOURCE_CONFIG_SOURCE_CONFIG_CONFIG;
    let data = checked(call, inline.is_some().then_some((&netconf::COPY_CONFIG_INPUT_SOURCE, config)))?;
    let CopyConfigInput { target, source, with_defaults } = given(&data)?;
    if inline.is_none() && source.url.is_none() && target.url.is_none() {
        return Ok(invocation(operation, data));
    }
    let from = match (inline, source.url) {
        (Some(inline), _) => Source::Inline(content(inline, &options)?),
        (None, Some(url)) => Source::Url(Call::url(principal, url)?),
        (None, None) => {
            let chosen = [source.candidate, source.running, source.startup];
            Source::Datastore(datastore(engine, principal, chosen, "source")?)
        }
    };
    let to = match target.url {
        Some(url) => Target::Url(Call::url(principal, url)?),
        None => {
            let chosen = [target.candidate, target.running, target.startup];
            Target::Datastore(datastore(engine, principal, chosen, "target")?)
        }
    };
    let is_same = matches!((&from, &to), (Source::Url(from), Target::Url(to)) if from == to);
    if is_same {
        let message = "the source and the target are the same URL";
        return Err(Error::protocol(Tag::InvalidValue, message));
    }
    let telling = Telling { defaults: with_defaults.map(mode), ..Telling::default() };
    Ok(Request::Copy { from, to, telling })
}

pub(super) fn delete(call: Call<'_, '_>) -> Result<Request, Error> {
    let (operation, principal) = (call.operation, call.principal);
    let data = call.input(&[])?;
    let DeleteConfigInput { target } = given(&data)?;
    match target.url {
        Some(url) => Call::url(principal, url).map(Request::Delete),
        None => Ok(invocation(operation, data)),
    }
}

pub(super) fn validate(mut call: Call<'_, '_>) -> Result<Request, Error> {
    let (engine, principal, options) = (call.engine, call.principal, call.options);
    let inline = inline(&mut call)?;
    let config = &netconf::VALIDATE_INPUT_SOURCE_CONFIG_SOURCE_CONFIG_CONFIG;
    let data = checked(call, inline.is_some().then_some((&netconf::VALIDATE_INPUT_SOURCE, config)))?;
    let ValidateInput { source } = given(&data)?;
    match (inline, source.url) {
        (Some(inline), _) => Ok(Request::Validate(Source::Inline(content(inline, &options)?))),
        (None, Some(url)) => Ok(Request::Validate(Source::Url(Call::url(principal, url)?))),
        (None, None) => {
            let chosen = [source.candidate, source.running, source.startup];
            let datastore = datastore_or(engine, principal, source.datastore, chosen, "source")?;
            if datastore == Datastore::Operational {
                return Err(no_datastore("datastore"));
            }
            Ok(Request::Validate(Source::Datastore(datastore)))
        }
    }
}

pub(super) fn commit(call: Call<'_, '_>) -> Result<Request, Error> {
    let (engine, principal) = (call.engine, call.principal);
    let input: CommitInput = given(&call.input(&[])?)?;
    let management = engine.committing(principal, &input);
    Ok(Request::Manage { management, with_etag: input.with_etag == Some(true) })
}

pub(super) fn discard(call: Call<'_, '_>) -> Result<Request, Error> {
    let management = Management::Discard(call.engine.candidate(call.principal));
    call.input(&[])?;
    Ok(Request::Manage { management, with_etag: false })
}

pub(super) fn update(call: Call<'_, '_>) -> Result<Request, Error> {
    let candidate = call.engine.candidate(call.principal);
    let UpdateInput { resolution_mode } = given(&call.input(&[])?)?;
    let resolution = match resolution_mode {
        Mode::RevertOnConflict => Resolution::Refuse,
        Mode::PreferCandidate => Resolution::Ours,
        Mode::PreferRunning => Resolution::Theirs,
    };
    Ok(Request::Manage { management: Management::Update(candidate, resolution), with_etag: false })
}

/// Takes out the `<config>` in the `<source>`: what is not YANG data in an operation that is older than YANG.
fn inline<'m>(call: &mut Call<'_, 'm>) -> Result<Option<Element<'m>>, Error> {
    let is_source = |child: &&mut Element<'_>| child.name == "source" && is_base(child);
    let Some(source) = call.rpc.children.iter_mut().find(is_source) else { return Ok(None) };
    let config = take(source, "config")?;
    if let (Some(_), Some(second)) = (&config, source.children.first()) {
        let message = "<source> is either <config> or another datastore";
        return Err(Error::protocol(Tag::BadElement, message).info("bad-element", second.name));
    }
    Ok(config)
}

/// The input, with an empty `config` in its `source` if that was taken out.
fn checked(call: Call<'_, '_>, taken: Option<(&'static Node, &'static Node)>) -> Result<Container, Error> {
    let (engine, operation) = (call.engine, call.operation);
    let mut input = super::decoded(call.rpc, operation, &call.options)?;
    if let Some((source, config)) = taken {
        let mut inner = input.container(source).map(|inner| inner.as_ref().clone()).unwrap_or_default();
        super::put(&mut inner, config);
        input.set(source, Child::Container(inner.into()));
    }
    super::check(engine, operation, &input)?;
    Ok(input)
}

/// What is in a `<config>` that is a whole configuration.
///
/// # Errors
/// It does not fit the schema, or asks for operations.
pub fn content(config: Element<'_>, options: &DecodeOptions<'_>) -> Result<Container, Error> {
    no_operations(&config)?;
    // RFC 6243 section 4.5.1: what is tagged as a default is not set.
    let tagged = SetToDefault::new(&SCHEMA);
    xml::decode_inside(config, &SCHEMA, &DecodeOptions { metadata: Some(&tagged), ..*options })
}

/// Refuses operations in what is a whole configuration: they are those of an edit.
fn no_operations(config: &Element<'_>) -> Result<(), Error> {
    let Some((way, attribute)) = operation_in(config) else { return Ok(()) };
    let message = format!("\"{}\" is said in an edit", attribute.full_name);
    let name = way.first().map_or(config.name, |element| element.name);
    let error = Error::protocol(Tag::UnknownAttribute, message);
    let error = error.info("bad-attribute", attribute.full_name).info("bad-element", name);
    let step = |above: InstancePath, element: &&Element<'_>| {
        Some(above.child(xml::step(element, &above, &SCHEMA).ok()?))
    };
    let path = way.iter().rev().try_fold(InstancePath::default(), step);
    Err(Error { path: path.filter(|path| !path.steps.is_empty()), ..error })
}

/// An attribute of the protocol, and the elements on the way to it, innermost first.
fn operation_in<'e, 'm>(element: &'e Element<'m>) -> Option<(Vec<&'e Element<'m>>, &'e Attribute<'m>)> {
    let of_protocol = element.attributes.iter().find(|attribute| attribute.namespace.as_ref() == NAMESPACE);
    let inside = || {
        element.children.iter().find_map(|child| {
            let (mut way, attribute) = operation_in(child)?;
            way.push(child);
            Some((way, attribute))
        })
    };
    of_protocol.map(|attribute| (Vec::new(), attribute)).or_else(inside)
}

fn invocation(operation: &'static Node, input: Container) -> Request {
    Request::Invoke(Invocation { operation, target: None, input: input.into(), form: Form::Xml })
}
