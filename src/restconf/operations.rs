//! Operations: the list of rpcs, and invoking an rpc or action (RFC 8040 sections 3.3.2, 3.6 and 4.4.2).
//!
//! What an operation does is the engine's affair.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::errors::Refusal;
use super::media::Encoding;
use super::params::Place;
use super::request::{Asked, decode_options};
use super::{PREFIX_OPERATIONS, answer, options, streams};
use crate::engine::{Content, Datastore, Engine, Form, Invocation};
use crate::yang::encode::EncodeOptions;
use crate::yang::error::Error;
use crate::yang::error::Tag;
use crate::yang::generated::SCHEMA;
use crate::yang::generated::ietf_subscribed_notifications::identities::{ENCODE_JSON, ENCODE_XML};
use crate::yang::generated::ietf_subscribed_notifications::nodes::{
    ESTABLISH_SUBSCRIPTION, ESTABLISH_SUBSCRIPTION_INPUT_ENCODING,
};
use crate::yang::path::{InstancePath, Step};
use crate::yang::resource::{identifier, percent_decoded};
use crate::yang::schema::{Kind, Node};
use crate::yang::tree::{Child, Container};
use crate::yang::value::Value;

const METHODS: &str = "POST, OPTIONS";

/// `{+restconf}/operations`: the rpcs that the principal may invoke.
pub fn list(engine: &Engine, asked: &Asked) -> Result<Response, Refusal> {
    asked.allow("GET, HEAD, OPTIONS")?;
    asked.params(Place::Nowhere)?;
    if asked.method == Method::OPTIONS {
        return Ok(options("GET, HEAD, OPTIONS"));
    }
    let encoding = asked.encoding(None)?;
    let all = SCHEMA.implemented().flat_map(|module| module.rpcs).copied();
    let open = all.filter(|rpc| engine.may_execute(&asked.principal, rpc));
    let body = match encoding {
        Encoding::Json | Encoding::Cbor(_) => {
            let rpcs: Vec<String> = open.map(|rpc| format!("\"{}\":[null]", rpc.qualified_name())).collect();
            format!("{{\"ietf-restconf:operations\":{{{}}}}}", rpcs.join(","))
        }
        Encoding::Xml => {
            let rpcs = open.map(|rpc| format!("<{} xmlns=\"{}\"/>", rpc.name, rpc.module.namespace));
            let namespace = answer::NAMESPACE;
            format!("<operations xmlns=\"{namespace}\">{}</operations>", rpcs.collect::<String>())
        }
    };
    Ok(answer::negotiated(encoding, answer::of_json(encoding, body)))
}

/// `{+restconf}/operations/module:rpc`.
pub async fn rpc(engine: &Engine, asked: Asked) -> Result<Response, Refusal> {
    let name = percent_decoded(asked.path_below(PREFIX_OPERATIONS)).unwrap_or_default();
    let found = match identifier(&name) {
        Some((Some(module), name)) => {
            SCHEMA.module(module).and_then(|module| module.rpcs.iter().copied().find(|rpc| rpc.name == name))
        }
        _ => None,
    };
    let rpc = found.ok_or_else(|| {
        Refusal::not_found(format!("there is no operation \"{name}\"; its name is module:rpc"))
    })?;
    invoke(engine, asked, rpc, None).await
}

/// `{+restconf}/data/…/action`.
pub async fn action(
    engine: &Engine,
    asked: Asked,
    target: InstancePath,
    action: &'static Node,
) -> Result<Response, Refusal> {
    let principal = asked.principal.clone();
    let answer = invoke(engine, asked, action, Some(target.clone())).await;
    // What the engine says of an instance that is not there, for this principal, is said of the resource.
    answer.map_err(|refusal| match engine.read(&principal, Datastore::Unified, &target, Content::All) {
        Err(e) if e.tag == Tag::DataMissing => refusal.into_not_found(),
        _ => refusal,
    })
}

async fn invoke(
    engine: &Engine,
    mut asked: Asked,
    operation: &'static Node,
    target: Option<InstancePath>,
) -> Result<Response, Refusal> {
    asked.allow(METHODS)?;
    asked.params(Place::Nowhere)?;
    if asked.method == Method::OPTIONS {
        return Ok(options(METHODS));
    }
    let Kind::Rpc { input, output } = operation.kind else {
        return Err(Refusal::not_found("there is no such operation"));
    };
    let encoding = asked.encoding(Some(output))?;
    let in_message = |error| in_message(error, operation, input);
    let around = target.clone().unwrap_or_default().child(Step::plain(operation)).child(Step::plain(input));
    // RFC 8040 section 3.6.1: without input there is no body; the engine says so if some was mandatory.
    let mut input = match asked.body(engine).await? {
        None => Arc::<Container>::default(),
        Some((encoding, body)) => {
            match answer::decode(encoding, &body, &around, &decode_options(engine, None))
                .map_err(in_message)?
            {
                Child::Container(input) => input,
                _ => Arc::default(),
            }
        }
    };
    // RFC 8639, `establish-subscription`: without an encoding it is that of the rpc.
    if operation == &ESTABLISH_SUBSCRIPTION && input.get(&ESTABLISH_SUBSCRIPTION_INPUT_ENCODING).is_none() {
        let own = match Encoding::of_body(&asked.headers) {
            Some(Encoding::Xml) => &ENCODE_XML,
            // What stands in a server-sent event is text.
            Some(Encoding::Cbor(_)) => {
                let message = "notifications cannot be encoded in CBOR: give an \"encoding\"";
                let error = Error::application(Tag::InvalidValue, message);
                return Err(error.app_tag("ietf-subscribed-notifications:encoding-unsupported").into());
            }
            _ => &ENCODE_JSON,
        };
        let own = Child::Leaf(Value::Identity(own));
        Arc::make_mut(&mut input).set(&ESTABLISH_SUBSCRIPTION_INPUT_ENCODING, own);
    }
    let instance = target.as_ref().map(InstancePath::to_string);
    let form = if encoding == Encoding::Xml { Form::Xml } else { Form::Json };
    let invoked = engine.invoke(&asked.principal, Invocation { operation, target, input, form }).await;
    let error = invoked.as_ref().err();
    // What is denied is noted with all that is.
    if error.is_none_or(|error| error.tag != Tag::AccessDenied) {
        let name = operation.qualified_name();
        engine.trail().invoked(&asked.principal, &name, instance.as_deref(), error);
    }
    let mut result = invoked.map_err(|error| Refusal::from(in_message(error)).of_operation())?;
    if operation == &ESTABLISH_SUBSCRIPTION {
        streams::locate(engine, &asked, &mut result);
    }
    if result.is_empty() {
        return Ok(answer::empty(StatusCode::NO_CONTENT));
    }
    let body =
        answer::encode(encoding, Some(output), &Child::Container(result.into()), &EncodeOptions::default());
    Ok(answer::ok(encoding.media_type(), body))
}

/// RFC 8040 section 3.6.3: the path of an error in the input begins with `input`, as the input itself does.
fn in_message(mut error: Error, operation: &'static Node, input: &'static Node) -> Error {
    error.next = error.next.map(|next| Box::new(in_message(*next, operation, input)));
    let found = error.path.as_ref().and_then(|path| {
        let at = path.steps.iter().position(|step| step.node == operation)?;
        let below = path.steps.get(at + 1..)?.iter().skip_while(|step| step.node == input);
        Some(std::iter::once(Step::plain(input)).chain(below.cloned()).collect())
    });
    match found {
        Some(steps) => error.at(InstancePath { steps }),
        None => error,
    }
}
