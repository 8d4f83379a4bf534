//! Configuration at URLs (RFC 6241 section 8.8): in files of one directory, and at servers that the operator named.
//!
//! What is there is only read and written here, never understood. Nothing waits on the runtime or in the writer.

mod file;
mod https;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::config::Urls as Settings;
use crate::limits::Limits;
use crate::netconf::url::{self, Asked};
use crate::server::outgoing::SetupError;
use crate::yang::error::{Error, Tag};

use file::Files;
use https::{Https, Method};

/// What can be named by URLs.
#[derive(Debug)]
pub struct Urls {
    files: Files,
    https: Option<Https>,
}

/// A URL as it is understood.
enum Place<'u> {
    File(&'u Files, String),
    Https(&'u Https, hyper::Uri),
}

impl Urls {
    /// Those of the settings of a server that keeps its data in `data`.
    ///
    /// # Errors
    /// The authorities cannot be read.
    pub fn new(settings: &Settings, data: &Path, limits: &Limits) -> Result<Self, SetupError> {
        let directory = settings.directory.clone().unwrap_or_else(|| data.join("files"));
        let bytes_max = limits.url_content_bytes_max;
        let files = Files::new(directory, bytes_max, limits.url_files_max);
        let patience = Duration::from_secs(limits.url_timeout_s);
        let https = match settings.https.is_empty() {
            true => None,
            false => Some(Https::new(settings, bytes_max, patience)?),
        };
        Ok(Urls { files, https })
    }

    /// The schemes, as in the capability.
    pub fn schemes(&self) -> &'static str {
        if self.https.is_some() { "file,https" } else { "file" }
    }

    fn place(&self, url: &str) -> Result<Place<'_>, Error> {
        let url = url.trim();
        match (url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase()).as_deref(), &self.https) {
            (Some("file"), _) => Ok(Place::File(&self.files, file::name(url)?)),
            (Some("https"), Some(https)) => Ok(Place::Https(https, https.permitted(url)?)),
            (_, https) => {
                let schemes = if https.is_some() { "file and https" } else { "file" };
                Err(refused(format!("the schemes of URLs here: {schemes}")))
            }
        }
    }
}

impl url::Urls for Urls {
    fn read<'a>(&'a self, url: &'a str) -> Asked<'a, Vec<u8>> {
        Box::pin(async move {
            match self.place(url)? {
                Place::File(files, name) => files.read(name).await,
                Place::Https(https, uri) => https.ask(Method::Get, uri, Vec::new()).await,
            }
        })
    }

    fn write<'a>(&'a self, url: &'a str, content: Vec<u8>) -> Asked<'a, ()> {
        Box::pin(async move {
            match self.place(url)? {
                Place::File(files, name) => files.write(name, content).await,
                Place::Https(https, uri) => https.ask(Method::Put, uri, content).await.map(drop),
            }
        })
    }

    fn delete<'a>(&'a self, url: &'a str) -> Asked<'a, ()> {
        Box::pin(async move {
            match self.place(url)? {
                Place::File(files, name) => files.delete(name).await,
                Place::Https(https, uri) => https.ask(Method::Delete, uri, Vec::new()).await.map(drop),
            }
        })
    }
}

/// The URL is not one that clients may use.
fn refused(message: impl Into<String>) -> Error {
    Error::protocol(Tag::InvalidValue, message).info("bad-element", "url")
}

/// It could not be done.
fn failed(what: &str, why: impl fmt::Display) -> Error {
    Error::application(Tag::OperationFailed, format!("{what}: {why}"))
}

fn too_big(most: usize) -> Error {
    Error::application(Tag::TooBig, format!("configuration at a URL has at most {most} octets"))
}
