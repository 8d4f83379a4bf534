//! What is asked. Nothing is sent here.

use agentconf::netconf::NAMESPACE;

use super::common::list::{id, id_after};

const AGENT: &str = "urn:ietf:params:xml:ns:yang:irtf-agent";

/// The requests that are made one after the other, with one time for all of them: for the entry with the first number, or
/// for one that is added after it with the second.
pub type Requests = fn(u64, u64) -> Vec<String>;

/// What is measured.
pub const EACH: [(&str, Requests); 4] = [
    ("`get-config` of an entry", |after, _| vec![get(after)]),
    ("`edit-config` of a new entry", |after, n| vec![create(after, n)]),
    ("candidate: `edit-config` that deletes it, `commit`", |after, n| {
        vec![edit("candidate", "delete", &id_after(after, n)), "<commit/>".to_owned()]
    }),
    ("candidate: `lock`, `edit-config`, `validate`, `discard-changes`, `unlock`", |after, n| {
        let target = "<target><candidate/></target>";
        vec![
            format!("<lock>{target}</lock>"),
            edit("candidate", "create", &id_after(after, n)),
            "<validate><source><candidate/></source></validate>".to_owned(),
            "<discard-changes/>".to_owned(),
            format!("<unlock>{target}</unlock>"),
        ]
    }),
];

/// Adds an entry which, in the order of the list, follows the one with this number.
pub fn create(after: u64, number: u64) -> String {
    edit("running", "create", &id_after(after, number))
}

/// Deletes an entry that was added.
pub fn delete(after: u64, number: u64) -> String {
    edit("running", "delete", &id_after(after, number))
}

fn get(number: u64) -> String {
    let filter = format!("<data-params xmlns=\"{AGENT}\"><id>{}</id></data-params>", id(number));
    format!("<get-config><source><running/></source><filter>{filter}</filter></get-config>")
}

fn edit(target: &str, operation: &str, id: &str) -> String {
    let leaves = match operation {
        "create" => format!(
            "<dataType>text</dataType><description>Throughput of cell {id}</description><dataSize>4096</dataSize>\
             <format>text/csv</format><url>https://data.example.com/{id}</url>"
        ),
        _ => String::new(),
    };
    let entry = format!(
        "<data-params xmlns=\"{AGENT}\" nc:operation=\"{operation}\"><id>{id}</id>{leaves}</data-params>"
    );
    let config = format!("<config xmlns:nc=\"{NAMESPACE}\">{entry}</config>");
    format!("<edit-config><target><{target}/></target>{config}</edit-config>")
}
