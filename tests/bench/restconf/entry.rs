//! The list entries of the benchmark and the requests for them. Nothing is sent here.

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

/// Deletes an entry that was added.
pub fn delete(after: u64, number: u64) -> Request {
    Request { method: "DELETE", path: format!("{LIST}={}", id_after(after, number)), body: String::new() }
}

/// The key of an entry that is there from the start.
pub fn id(number: u64) -> String {
    format!("entry-{number:08}")
}

fn id_after(after: u64, number: u64) -> String {
    format!("{}-{number}", id(after))
}

/// The entry with this key as RESTCONF has it.
pub fn content(id: &str) -> String {
    format!(
        r#"{{"irtf-agent:data-params":[{{"id":"{id}","dataType":"text","description":"Throughput of cell {id}","dataSize":"4096","format":"text/csv","url":"https://data.example.com/{id}"}}]}}"#
    )
}

/// A number below `among`; successive ones are far apart.
pub fn somewhere(n: u64, among: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % among
}
