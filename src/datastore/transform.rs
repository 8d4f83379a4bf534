//! The edits that make one tree of another.
//!
//! They are as few as the difference has nodes. Nothing here applies them.

use std::collections::BTreeSet;

use super::diff::Change;
use super::edit::{Edit, Operation};
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::tree::{Child, Insert, Key, List};

/// The edits that make the newer tree of the older one, of which these are all differences.
pub fn edits(changes: &[Change]) -> Vec<Edit> {
    let mut edits = Vec::with_capacity(changes.len());
    for change in changes {
        match (&change.old, &change.new) {
            (_, None) => edits.push(edit(Operation::Remove, change.path.clone(), None, None)),
            (Some(Child::List(List::User(_))), Some(Child::List(List::User(_)))) => {
                order(change, &mut edits);
            }
            // Its place is found with the order of the list, which has changed with it.
            (None, Some(_)) if ordered_entry(&change.path) => {}
            (_, Some(new)) => {
                edits.push(edit(Operation::Replace, change.path.clone(), Some(new.clone()), None));
            }
        }
    }
    edits
}

fn edit(operation: Operation, path: InstancePath, value: Option<Child>, insert: Option<Insert>) -> Edit {
    Edit { operation, path, value, insert }
}

fn ordered_entry(path: &InstancePath) -> bool {
    path.steps
        .last()
        .is_some_and(|step| step.node.user_ordered() && matches!(step.selector, Selector::Key(_)))
}

/// Puts new entries of a list where they belong, and moves those that stand elsewhere.
fn order(change: &Change, edits: &mut Vec<Edit>) {
    let (Some(Child::List(List::User(old))), Some(Child::List(List::User(new)))) = (&change.old, &change.new)
    else {
        return;
    };
    let Some((list, above)) = change.path.steps.split_last() else { return };
    let mut kept = old.iter().map(|(key, _)| key).filter(|key| new.get(key).is_some()).peekable();
    let mut moved: BTreeSet<&Key> = BTreeSet::new();
    let mut before: Option<&Key> = None;
    for (key, entry) in new.iter() {
        while kept.next_if(|next| moved.contains(next)).is_some() {}
        if kept.next_if_eq(&key).is_none() {
            moved.insert(key);
            let mut path = InstancePath { steps: above.to_vec() };
            path.steps.push(Step { node: list.node, selector: Selector::Key(key.clone()) });
            let place = before.map_or(Insert::First, |key| Insert::After(key.clone()));
            edits.push(edit(Operation::Replace, path, Some(Child::Container(entry.clone())), Some(place)));
        }
        before = Some(key);
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::datastore::diff::diff;
    use crate::datastore::edit::apply;
    use crate::yang::json;
    use crate::yang::sample::SCHEMA;
    use crate::yang::tree::Container;

    fn tree(text: &str) -> Container {
        json::decode_children(text.as_bytes(), None, &SCHEMA, &json::STORED).expect("it fits the schema")
    }

    fn apply_all(tree: &Container, edits: &[Edit]) -> Container {
        edits.iter().fold(tree.clone(), |tree, edit| apply(&tree, edit, 1).expect("it applies"))
    }

    /// The trees, all of which differ in what a difference can be about.
    const TREES: [&str; 9] = [
        r#"{}"#,
        r#"{"alpha:top": {"name": "n"}}"#,
        r#"{"alpha:top": {"name": "m", "tag": ["a", "b"], "item": [{"id": 1, "label": "x"}, {"id": 2}]}}"#,
        r#"{"alpha:top": {"tag": ["b", "c"], "item": [{"id": 2, "label": "y"}, {"id": 3}], "a1": "1"}}"#,
        r#"{"alpha:top": {"step": [{"id": "a"}, {"id": "b"}, {"id": "c"}, {"id": "d"}]}}"#,
        r#"{"alpha:top": {"step": [{"id": "d"}, {"id": "a"}, {"id": "e"}, {"id": "c"}, {"id": "b"}]}}"#,
        r#"{"alpha:top": {"step": [{"id": "b"}], "b1": "1"}, "alpha:item-by-two": [{"first": "x", "second": "kind-one"}]}"#,
        r#"{"alpha:item-by-two": [{"first": "x", "second": "imported:kind-two"}], "alpha:top": {"payload": {"a": 1}, "nothing": [null]}}"#,
        r#"{"alpha:top": {"step": [{"id": "c"}, {"id": "b"}, {"id": "a"}], "payload": {"a": 2}}}"#,
    ];

    #[test]
    fn the_edits_make_the_one_tree_of_the_other() {
        for old in TREES.map(tree) {
            for new in TREES.map(tree) {
                let edits = edits(&diff(&old, &new));
                let made = apply_all(&old, &edits);
                assert!(diff(&made, &new).is_empty(), "{old:?}\n{new:?}\n{made:?}\n{edits:?}");
                assert_eq!(edits.is_empty(), diff(&old, &new).is_empty());
                for edit in &edits {
                    let Some((node, value)) = edit.path.node().zip(edit.value.as_ref()) else { continue };
                    let mut text = Vec::new();
                    json::encode_one(node, value, &mut text, &Default::default());
                    let read = json::decode_one(&text, &edit.path, &SCHEMA, &json::STORED);
                    assert_eq!(read.as_ref(), Ok(value), "a record of the log can hold it");
                }
            }
        }
    }

    #[test]
    fn what_keeps_its_place_is_not_moved() {
        let order = |ids: &[&str]| {
            let steps: Vec<String> = ids.iter().map(|id| format!(r#"{{"id": "{id}"}}"#)).collect();
            tree(&format!(r#"{{"alpha:top": {{"step": [{}]}}}}"#, steps.join(",")))
        };
        let moves = |old: &[&str], new: &[&str]| edits(&diff(&order(old), &order(new))).len();
        assert_eq!(moves(&["a", "b", "c", "d"], &["d", "a", "b", "c"]), 1);
        assert_eq!(moves(&["a", "b", "c"], &["a", "c"]), 1);
        assert_eq!(moves(&["a", "c"], &["a", "b", "c"]), 1);
        assert_eq!(moves(&["a", "b"], &["b", "a"]), 1);
    }
}
