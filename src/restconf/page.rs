//! The page for a person with a browser: what the server has, with links.
//!
//! It is made from the schema and shows what its reader may use. It needs no script, no style from elsewhere and
//! no image, and a policy says so to the browser. Programs never get it, for they do not ask for HTML.

use std::fmt::Write as _;

use axum::http::header::{CONTENT_SECURITY_POLICY, VARY};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::Response;

use super::errors::Refusal;
use super::media::{self, Encoding};
use super::openapi::{self, Rights};
use super::params::Place;
use super::request::Asked;
use super::{PREFIX, PREFIX_DATA, PREFIX_MODULES, PREFIX_OPERATIONS, answer, options, streams};
use crate::engine::{Content, Datastore, Engine};
use crate::yang::generated::SCHEMA;
use crate::yang::path::{InstancePath, Step};
use crate::yang::schema::{Conformance, Module};
use crate::yang::xml::escape;

const MEDIA_TYPE: &str = "text/html; charset=utf-8";
const METHODS: &str = "GET, HEAD, OPTIONS";
/// Nothing is loaded and nothing can frame it; the style stands in the page. Who opens the browser's console there can ask the
/// server, and follow its streams.
const POLICY: &str = "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}\
    code,a{overflow-wrap:anywhere}h1,h2{line-height:1.2}li{margin:.2em 0}small{color:#555}";

/// Whether the client would rather have HTML than data.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    let mut offers = Encoding::ALL.map(Encoding::media_type).to_vec();
    offers.push("text/html");
    media::accepted(headers, &offers) == Some(Encoding::ALL.len())
}

/// The page.
pub fn serve(engine: &Engine, asked: &Asked) -> Result<Response, Refusal> {
    asked.allow(METHODS)?;
    asked.params(Place::Nowhere)?;
    let mut response = match asked.method {
        Method::OPTIONS => options(METHODS),
        _ => answer::ok(MEDIA_TYPE, html(engine, asked)),
    };
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

fn html(engine: &Engine, asked: &Asked) -> String {
    let rights = Rights::of(engine, asked);
    let mut page = format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>agentconf</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body><h1>agentconf</h1>\
         <p>A RESTCONF server (RFC 8040). The API is at <a href=\"{PREFIX}\">{PREFIX}</a>; programs find its \
         description in OpenAPI at <a href=\"{0}\">{0}</a>.</p>",
        openapi::PATH
    );
    let data = std::iter::once(link(PREFIX_DATA, PREFIX_DATA));
    let datastores = rights.datastores().iter().map(|(path, _)| link(path, path));
    section(&mut page, "Datastores", data.chain(datastores));
    let nodes = rights.top().map(|node| {
        let (path, name) = (InstancePath { steps: vec![Step::plain(node)] }, node.qualified_name());
        let found = engine.read(&asked.principal, Datastore::Unified, &path, Content::All);
        // A link to what is not there would lead nowhere.
        let named = match found {
            Ok(_) => link(&format!("{PREFIX_DATA}/{name}"), &name),
            Err(_) => format!("<code>{}</code> <small>(nothing is there)</small>", escape(&name)),
        };
        format!("{named}{}", described(node.description))
    });
    section(&mut page, "Data", nodes);
    // An operation is no link: a browser would ask for it with GET, which it has not.
    let operations = rights.rpcs().map(|rpc| {
        let name = escape(&rpc.qualified_name()).into_owned();
        format!("<code>POST {PREFIX_OPERATIONS}/{name}</code>{}", described(rpc.description))
    });
    section(&mut page, "Operations", operations);
    let streams = streams::ENCODINGS.map(|encoding| {
        let path = format!("{PREFIX}/streams/{}/{}", streams::NAME, encoding.name());
        link(&path, &path)
    });
    section(&mut page, "Event streams", streams.into_iter());
    section(&mut page, "Modules", SCHEMA.modules.iter().map(|module| source(module)));
    page.push_str("</body></html>\n");
    page
}

fn section(page: &mut String, title: &str, items: impl Iterator<Item = String>) {
    // Writing into a string cannot fail.
    let _ = write!(page, "<h2>{title}</h2><ul>");
    items.for_each(|item| page.extend(["<li>", item.as_str(), "</li>"]));
    page.push_str("</ul>");
}

/// A module with a link to its text.
fn source(module: &Module) -> String {
    let name = match module.revision {
        "" => module.name.to_owned(),
        revision => format!("{}@{revision}", module.name),
    };
    let imported = if module.conformance == Conformance::Import { " <small>imported</small>" } else { "" };
    format!("{}{imported}", link(&format!("{PREFIX_MODULES}/{name}.yang"), &name))
}

fn link(path: &str, text: &str) -> String {
    format!("<a href=\"{}\">{}</a>", escape(path), escape(text))
}

/// The first sentence of a description.
fn described(text: &str) -> String {
    let text = openapi::one_line(text);
    let first = text.split_once(". ").map_or(text.as_str(), |(first, _)| first);
    if first.is_empty() { String::new() } else { format!(" <small>{}</small>", escape(first)) }
}
