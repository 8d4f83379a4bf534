//! An edit of a valid datastore is validated by what it changed: the verdict is the one that the
//! whole result gets.

use std::sync::Arc;

use agentconf::datastore::diff::diff;
use agentconf::datastore::edit::{self, Edit, Operation};
use agentconf::datastore::when;
use agentconf::yang::error::{Error, Tag};
use agentconf::yang::path::{InstancePath, Selector, Step};
use agentconf::yang::schema::{Kind, Node};
use agentconf::yang::tree::{Child, Container, Insert};

use super::support::libyang::Format;
use super::support::random::Random;
use super::{Generator, Set, sets, setting, shown};

#[test]
fn validation_of_a_difference_finds_what_validation_of_the_whole_finds() {
    let cases = setting("DIFFERENTIAL_CASES", 300);
    let seed = setting("DIFFERENTIAL_SEED", 1);
    let only = std::env::var("DIFFERENTIAL_SET").ok();
    let mut differences = 0;
    for (name, dir) in sets() {
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        let set = Set::new(&dir);
        let mut generator = Generator::new(set.schema, Random::new(seed, &format!("edits of {name}")));
        let (mut now, mut refused) = (Arc::new(Container::default()), 0);
        let mut indexed = set.validator.empty();
        let mut others: Vec<Arc<Container>> = vec![now.clone()];
        for case in 0..cases {
            if case.is_multiple_of(20)
                && let Some(valid) = valid(&set, &mut generator)
            {
                others.push(valid.clone());
                indexed = indexed.replaced(valid.clone());
                now = valid;
            }
            if !set.validator.datastore(&now).is_empty() {
                // The empty datastore need not be valid.
                continue;
            }
            let other = generator.random.pick(&others).unwrap().clone();
            let mut new = (*now).clone();
            let mut edits = Vec::new();
            for _ in 0..1 + generator.random.below(2) {
                let Some(edit) = random_edit(&mut generator, &new, &other) else { continue };
                if let Ok(edited) = edit::apply(&new, &edit, case) {
                    new = edited;
                    edits.push(edit);
                }
            }
            let settled = when::settle(&set.validator, &now, Arc::new(new), &edits, case).unwrap();
            let (new, changes) = (settled.content, settled.changes);
            assert_eq!(changes, diff(&now, &new));
            if edits.iter().all(|edit| edit.operation == Operation::Remove) {
                // What is deleted takes with it what depends on it.
                let whole = set.validator.datastore(&new);
                assert!(whole.iter().all(|e| e.tag != Tag::UnknownElement), "{name}: {}", shown(&whole));
            }
            let next = set.validator.changes(&indexed, new.clone(), &changes);
            let (part, whole) =
                (next.as_ref().err().cloned().unwrap_or_default(), set.validator.datastore(&new));
            let (of_part, of_whole) = (outermost(&part), outermost(&whole));
            let same =
                of_part.iter().all(|e| of_whole.contains(e)) && of_whole.iter().all(|e| of_part.contains(e));
            if !same {
                differences += 1;
                if differences < 6 {
                    println!(
                        "--- {name}: {}\nby its changes: {}\nas a whole: {}\n",
                        set.print(&now).json,
                        shown(&part),
                        shown(&whole)
                    );
                    changes.iter().for_each(|change| println!("{}", change.path));
                    println!("{}", set.print(&new).json);
                }
            }
            match next {
                Ok(next) => {
                    let anew = set.validator.empty().replaced(new.clone());
                    assert!(next == anew, "{name}: the tables are not in step: {next:?}\n{anew:?}");
                    (now, indexed) = (new, next);
                }
                Err(_) => refused += 1,
            }
        }
        println!("{name}: {cases} edits, {refused} refused, {differences} differences so far");
    }
    assert_eq!(differences, 0);
}

/// The errors but for those within something that cannot be there at all.
fn outermost(errors: &[Error]) -> Vec<&Error> {
    let paths: Vec<_> =
        errors.iter().filter(|e| e.tag == Tag::UnknownElement).filter_map(|e| e.path.as_ref()).collect();
    let within = |e: &&Error| {
        let Some(path) = &e.path else { return false };
        paths.iter().any(|above| above.steps.len() < path.steps.len() && path.steps.starts_with(&above.steps))
    };
    errors.iter().filter(|e| !within(e)).collect()
}

/// A valid datastore, if one is found soon.
fn valid(set: &Set, generator: &mut Generator) -> Option<Arc<Container>> {
    let mut document = generator.document();
    for _ in 0..30 {
        match set.ours(&document.json(), Format::Json) {
            Ok(content) => return Some(content),
            Err(errors) => generator.repair(&mut document, &errors),
        }
    }
    None
}

/// An edit of a node that is in `now`, or of one that `other` has.
fn random_edit(generator: &mut Generator, now: &Container, other: &Container) -> Option<Edit> {
    let from_other = generator.random.percent(60);
    let mut places = Vec::new();
    walk(if from_other { other } else { now }, &InstancePath::default(), &mut places);
    let (path, child) = generator.random.pick(&places).cloned()?;
    let operation = match (from_other, generator.random.below(4)) {
        (true, 0) => Operation::Create,
        (true, 1 | 2) => Operation::Merge,
        (true, _) => Operation::Replace,
        (false, 0) => Operation::Replace,
        (false, _) => Operation::Remove,
    };
    let node = path.node()?;
    let value = (operation != Operation::Remove).then_some(child);
    let insert = (node.user_ordered() && generator.random.percent(50)).then_some(Insert::First);
    Some(Edit { operation, path, value, insert })
}

/// All instances, entries of lists and leaf-lists one by one.
fn walk(container: &Container, path: &InstancePath, found: &mut Vec<(InstancePath, Child)>) {
    for (node, child) in container.iter() {
        let mut note = |selector: Selector, child: Child| {
            let path = path.child(Step { node, selector });
            if let Child::Container(inner) = &child {
                walk(inner, &path, found);
            }
            if !is_key(node) {
                found.push((path, child));
            }
        };
        match child {
            Child::List(list) => list.iter().for_each(|entry| {
                if let Some(key) = entry.key(node) {
                    note(Selector::Key(key), Child::Container(entry));
                }
            }),
            Child::LeafList(values) => {
                values.iter().for_each(|v| note(Selector::Value(v.clone()), Child::Leaf(v.clone())));
            }
            child => note(Selector::None, child.clone()),
        }
    }
}

fn is_key(node: &Node) -> bool {
    matches!(node.kind, Kind::Leaf { .. }) && node.is_key()
}

#[test]
fn what_an_edit_makes_impossible_is_deleted_with_it() {
    let (_, dir) = sets().into_iter().find(|(name, _)| name == "conditions").unwrap();
    let set = Set::new(&dir);
    let read = |text: &str| set.ours(text, Format::Json).unwrap();
    let old = read(
        r#"{"conditions:zoo":{"open":true,"shop":{"price":9,"reduced":2,"deep":"x"},"sun":"hot","hot":true}}"#,
    );
    let before = set.validator.empty().replaced(old.clone());
    let settled = |text: &str| {
        let value = Child::Container(Arc::new(set.read(text, Format::Json).unwrap()));
        let path = InstancePath::default();
        let merge = Edit { operation: Operation::Merge, path, value: Some(value), insert: None };
        let new = Arc::new(edit::apply(&old, &merge, 1).unwrap());
        let settled = when::settle(&set.validator, &old, new, &[merge], 1).unwrap();
        let errors = set.validator.changes(&before, settled.content.clone(), &settled.changes).err();
        (set.print(&settled.content).json, errors.unwrap_or_default())
    };

    // One deletion brings about the next: without a reduced price there is no deeper one.
    let (left, errors) = settled(r#"{"conditions:zoo":{"shop":{"price":3}}}"#);
    assert_eq!(left, r#"{"conditions:zoo":{"open":true,"shop":{"price":3},"sun":"hot","hot":true}}"#);
    assert!(errors.is_empty(), "{}", shown(&errors));

    // A case goes with its condition, and what needed its default is refused.
    let (left, errors) = settled(r#"{"conditions:zoo":{"open":false}}"#);
    assert_eq!(left, r#"{"conditions:zoo":{"open":false,"hot":true}}"#);
    assert_eq!(errors.len(), 1, "{}", shown(&errors));
    assert_eq!(errors[0].app_tag.as_deref(), Some("must-violation"));

    // What is written itself is not deleted but refused.
    let (_, errors) = settled(r#"{"conditions:zoo":{"open":false,"hot":false,"sun":"cold"}}"#);
    assert_eq!(errors.iter().map(|e| e.tag).collect::<Vec<_>>(), [Tag::UnknownElement]);
}
