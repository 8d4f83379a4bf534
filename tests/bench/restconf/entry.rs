//! The requests for the list entries of the benchmark. Nothing is sent here.

use super::common::list::{content, id, id_after};

/// The list that grows.
const LIST: &str = "/restconf/data/irtf-agent:data-params";

/// A request; the client adds the header fields.
pub struct Request {
    /// The method.
    pub method: &'static str,
    /// The path of the target.
    pub path: String,
    /// The body, JSON.
    pub body: String,
}

/// Reads the entry that was there from the start with this number.
pub fn get(number: u64) -> Request {
    Request { method: "GET", path: format!("{LIST}={}", id(number)), body: String::new() }
}

/// Reads the whole list.
pub fn whole() -> Request {
    Request { method: "GET", path: LIST.to_owned(), body: String::new() }
}

/// Adds an entry which, in the order of the list, follows the one with this number.
pub fn put(after: u64, number: u64) -> Request {
    let id = id_after(after, number);
    Request { method: "PUT", path: format!("{LIST}={id}"), body: content(&id) }
}

/// The same for a server that reads it and keeps nothing.
pub fn post(after: u64, number: u64) -> Request {
    Request { method: "POST", ..put(after, number) }
}

/// Deletes an entry that was added.
pub fn delete(after: u64, number: u64) -> Request {
    Request { method: "DELETE", path: format!("{LIST}={}", id_after(after, number)), body: String::new() }
}
