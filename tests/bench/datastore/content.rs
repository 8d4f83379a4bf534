//! What the datastores hold: entries of the bench's module, by number. Nothing is timed here.

use std::sync::Arc;

use agentconf::datastore::edit::{Edit, Operation};
use agentconf::yang::path::{InstancePath, Selector, Step};
use agentconf::yang::schema::Node;
use agentconf::yang::tree::{Child, Container, Key, List};
use agentconf::yang::value::Value;

use crate::generated::store::nodes;

/// So many entries refer to one target.
pub const ENTRIES_OF_TARGET: u64 = 10;

/// The entries, and the targets that they refer to.
pub fn filled(entries: u64) -> Container {
    let mut content = Container::default();
    let targets = (entries / ENTRIES_OF_TARGET).max(1);
    content.set(&nodes::TARGET, list(&nodes::TARGET, targets, target));
    content.set(&nodes::ENTRY, list(&nodes::ENTRY, entries, |n| entry(&key(n), n, n, targets)));
    content
}

fn list(node: &'static Node, count: u64, entry: impl Fn(u64) -> Container) -> Child {
    let mut list = List::empty(node);
    for number in (0..count).map(|n| scattered(n, count)) {
        let entry = entry(number);
        list.put(node, entry.key(node), Arc::new(entry));
    }
    Child::List(list)
}

/// An entry that refers to a target by its key and to another one by its serial number.
pub fn entry(id: &str, number: u64, address: u64, targets: u64) -> Container {
    let mut entry = Container::default();
    entry.set(&nodes::ENTRY_ID, Child::Leaf(Value::string(id)));
    entry.set(&nodes::ENTRY_TARGET, Child::Leaf(Value::string(name(number % targets))));
    entry.set(&nodes::ENTRY_SERIAL, Child::Leaf(Value::Uint32(((number + 1) % targets) as u32)));
    entry.set(&nodes::ENTRY_ADDRESS, Child::Leaf(Value::string(format!("2001:db8::{address:x}"))));
    entry.set(&nodes::ENTRY_LOW, Child::Leaf(Value::Uint32(10)));
    entry.set(&nodes::ENTRY_HIGH, Child::Leaf(Value::Uint32(20)));
    entry
}

/// A target with this number as its serial number.
pub fn target(number: u64) -> Container {
    let mut target = Container::default();
    target.set(&nodes::TARGET_NAME, Child::Leaf(Value::string(name(number))));
    target.set(&nodes::TARGET_SERIAL, Child::Leaf(Value::Uint32(number as u32)));
    target
}

/// An entry without constraints, with 32 octets of content.
pub fn item(number: u64) -> Container {
    let mut item = Container::default();
    item.set(&nodes::ITEM_ID, Child::Leaf(Value::string(key(number))));
    item.set(&nodes::ITEM_CONTENT, Child::Leaf(Value::string(format!("content of 32 octets {number:011}"))));
    item
}

/// The key of an entry.
pub fn key(number: u64) -> String {
    format!("entry-{number:08}")
}

/// The name of a target.
pub fn name(number: u64) -> String {
    format!("target-{number:08}")
}

/// An edit of a list entry; without content, of one of its leafs or none.
pub fn edit(operation: Operation, list: &'static Node, key: &str, content: Option<Container>) -> Edit {
    let path = InstancePath { steps: vec![Step { node: list, selector: Selector::Key(Key::string(key)) }] };
    Edit { operation, path, value: content.map(|content| Child::Container(Arc::new(content))), insert: None }
}

/// All numbers below `among` in another order, far apart if there are many.
pub fn scattered(n: u64, among: u64) -> u64 {
    // A prime, so that no two numbers are the same unless `among` is a multiple of it.
    const PRIME: u64 = 2_654_435_761;
    n.wrapping_mul(PRIME) % among.max(1)
}
