//! Configuration at URLs (RFC 6241 section 8.8), as sessions ask for it.
//!
//! Which URLs there are and what is at them is known to whoever reads and writes them, and not here.

use std::fmt;
use std::pin::Pin;

use crate::yang::error::Error;

/// What comes of something that is asked of URLs.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Reads and writes what is at URLs, without keeping the runtime.
pub trait Urls: fmt::Debug + Send + Sync {
    /// What is at a URL.
    ///
    /// # Errors
    /// The URL names nothing that clients may read, or there is nothing, or too much.
    fn read<'a>(&'a self, url: &'a str) -> Asked<'a, Vec<u8>>;

    /// Puts something at a URL, in place of what was there.
    ///
    /// # Errors
    /// The URL names nothing that clients may write, or it could not be written: what was there is there still, as far as this
    /// server knows.
    fn write<'a>(&'a self, url: &'a str, content: Vec<u8>) -> Asked<'a, ()>;

    /// Removes what is at a URL.
    ///
    /// # Errors
    /// As for [`Urls::write`], and there is nothing.
    fn delete<'a>(&'a self, url: &'a str) -> Asked<'a, ()>;
}
