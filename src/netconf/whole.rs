//! Configuration as a whole from and to what is no datastore: the message, and URLs (RFC 6241 section 8.8).
//!
//! What may be where is decided by `url` and by the engine.

use std::sync::Arc;

use super::NAMESPACE;
use super::edit::Default;
use super::request::{self, EditData, Source, Target, config};
use super::url::Urls;
use crate::engine::{Content, Engine, Found, Management, Reported, Selection, Session, Telling};
use crate::yang::decode::DecodeOptions;
use crate::yang::encode::EncodeOptions;
use crate::yang::error::{Error, Tag};
use crate::yang::metadata::Metadata;
use crate::yang::tree::{Child, Container};
use crate::yang::xml;

/// An edit with what is at a URL.
///
/// # Errors
/// It cannot be read, or does not fit the schema.
pub async fn edit_from(
    engine: &Engine,
    urls: &dyn Urls,
    session: &Session,
    url: &str,
    default: Default,
    edit: EditData,
) -> Result<EditData, Error> {
    let (text, depth_max) = (urls.read(url).await?, engine.limits().depth_max);
    engine.apart(session.principal(), move || edit.with_document(&text, default, depth_max)).await?
}

/// Makes a target what a source is.
///
/// # Errors
/// The source cannot be read, or the target cannot be that.
pub async fn copy(
    engine: &Engine,
    urls: &dyn Urls,
    session: &Session,
    from: Source,
    to: Target,
    telling: Telling,
) -> Result<(), Error> {
    let principal = session.principal();
    match (from, to) {
        (Source::Datastore(from), Target::Datastore(to)) => {
            engine.manage(principal, Management::Copy { from, to }).await.map(drop)
        }
        (from, Target::Datastore(to)) => {
            let content = Arc::new(content(engine, urls, session, from).await?);
            engine.manage(principal, Management::Put { content, to }).await.map(drop)
        }
        (Source::Datastore(from), Target::Url(url)) => {
            if !engine.has(from) {
                let message = "the server does not have this datastore";
                return Err(Error::protocol(Tag::OperationNotSupported, message));
            }
            let selection = Selection { content: Content::Config, telling, ..Selection::default() };
            let Reported { found: Found { child, .. }, metadata } =
                engine.select(principal, from, selection).await?;
            let Child::Container(content) = child else {
                return Err(Error::protocol(Tag::OperationFailed, "no data"));
            };
            let text = engine.apart(principal, move || written(&content, metadata.as_deref())).await?;
            urls.write(&url, text).await
        }
        (from, Target::Url(url)) => {
            let content = content(engine, urls, session, from).await?;
            urls.write(&url, engine.apart(principal, move || written(&content, None)).await?).await
        }
    }
}

/// Checks that a source can be made the running configuration.
///
/// # Errors
/// The source cannot be read, or what it violates.
pub async fn validate(
    engine: &Engine,
    urls: &dyn Urls,
    session: &Session,
    source: Source,
) -> Result<(), Error> {
    match source {
        Source::Datastore(datastore) => engine.validate(session.principal(), datastore).await,
        source => {
            let content = content(engine, urls, session, source).await?;
            engine.validate_content(session.principal(), content).await
        }
    }
}

async fn content(
    engine: &Engine,
    urls: &dyn Urls,
    session: &Session,
    source: Source,
) -> Result<Container, Error> {
    match source {
        Source::Inline(content) => Ok(content),
        Source::Url(url) => {
            let (text, depth_max) = (urls.read(&url).await?, engine.limits().depth_max);
            let decoded = move || {
                let options = DecodeOptions { depth_max, ..DecodeOptions::default() };
                request::content(config(&text, depth_max)?, &options)
            };
            engine.apart(session.principal(), decoded).await?
        }
        Source::Datastore(_) => Err(Error::protocol(Tag::InvalidValue, "this source is a datastore")),
    }
}

/// A `<config>` as a document.
fn written(content: &Container, metadata: Option<&dyn Metadata>) -> Vec<u8> {
    let start = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<config xmlns=\"{NAMESPACE}\">");
    let mut text = start.into_bytes();
    xml::encode_children(content, None, &mut text, &EncodeOptions { metadata, ..EncodeOptions::default() });
    text.extend_from_slice(b"</config>\n");
    text
}
