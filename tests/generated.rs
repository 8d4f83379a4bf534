//! What codegen writes: the golden cases compile and convert, and the tables that are built in
//! agree with themselves.

use agentconf::yang::generated::SCHEMA;
use agentconf::yang::model::Modelled;
use agentconf::yang::schema::{Base, Conformance, Kind, Module, Node, Type};
use agentconf::yang::tree::Container;

#[expect(dead_code, reason = "a case shows all that is written, whether or not a test uses it")]
#[expect(clippy::module_inception, reason = "a case is named after its module")]
#[path = "."]
mod cases {
    #[path = "../codegen/tests/cases/action.rs"]
    pub mod action;
    #[path = "../codegen/tests/cases/augment.rs"]
    pub mod augment;
    #[path = "../codegen/tests/cases/choice.rs"]
    pub mod choice;
    #[path = "../codegen/tests/cases/clashes.rs"]
    pub mod clashes;
    #[path = "../codegen/tests/cases/conditions.rs"]
    pub mod conditions;
    #[path = "../codegen/tests/cases/deviation.rs"]
    pub mod deviation;
    #[path = "../codegen/tests/cases/identity.rs"]
    pub mod identity;
    #[path = "../codegen/tests/cases/leafref.rs"]
    pub mod leafref;
    #[path = "../codegen/tests/cases/nacm.rs"]
    pub mod nacm;
    #[path = "../codegen/tests/cases/names.rs"]
    pub mod names;
    #[path = "../codegen/tests/cases/notification.rs"]
    pub mod notification;
    #[path = "../codegen/tests/cases/patterns.rs"]
    pub mod patterns;
    #[path = "../codegen/tests/cases/revisions.rs"]
    pub mod revisions;
    #[path = "../codegen/tests/cases/structures.rs"]
    pub mod structures;
    #[path = "../codegen/tests/cases/types.rs"]
    pub mod types;
    #[path = "../codegen/tests/cases/union.rs"]
    pub mod union;
}

use agentconf::yang::tree::AnyData;
use cases::action::action::{self, CopyInput, CopyInputPart, CopyOutput, Job};
use cases::choice::choice::{Options, Transport};
use cases::notification::notification::{Down, DownCause, Link, Port};
use cases::structures::structures::{self, Body, Letter, Stamp};
use cases::types::types::{All, Colour};

/// Converts to data and back.
fn there_and_back<T: Modelled + PartialEq + std::fmt::Debug>(value: &T) {
    assert_eq!(T::from_data(&value.to_data()).as_ref(), Ok(value));
}

#[test]
fn a_structure_is_no_part_of_the_datastore_and_has_a_struct() {
    let [letter] = structures::STRUCTURES else { panic!("{:?}", structures::STRUCTURES) };
    assert!(letter.name == "letter" && !structures::MODULE.data.contains(letter));
    let body = Body { text: Some("Hello".into()), author: Some("me".into()) };
    there_and_back(&Letter { sender: "me".into(), body, stamp: Some(Stamp::Small) });
}

#[test]
fn structs_convert_to_data_and_back() {
    let part = |number| CopyInputPart { number: Some(number) };
    there_and_back(&CopyInput {
        from: "a".into(),
        to: "b".into(),
        force: true,
        part: vec![part(2), part(1)],
    });
    there_and_back(&Transport {
        port: Some(1),
        options: Some(Options { keep: Some(false) }),
        ..Default::default()
    });
    let port = Port { name: "a".into(), number: 3, address: None, info: Default::default() };
    there_and_back(&Link { port: vec![port] });
    there_and_back(&Down { cause: Some(DownCause::Off) });
    there_and_back(&All {
        int8: Some(-5),
        int64: Some(i64::MIN),
        colour: Some(Colour::N2nd),
        octets: Some(vec![1, 2]),
        nothing: Some(()),
        many: vec![u64::MAX, 0],
        old: "y".into(),
        ..Default::default()
    });
    assert_eq!(Job::node(), &action::nodes::JOB);
}

#[test]
fn a_missing_mandatory_node_is_named() {
    let error = CopyInput::from_data(&Container::default()).unwrap_err();
    assert_eq!(error.node, &action::nodes::COPY_INPUT_FROM);
    assert!(CopyOutput::from_data(&Container::default()).is_err());
    there_and_back(&CopyOutput { result: AnyData::Json(Default::default()) });
}

#[test]
fn a_default_is_filled_in_outside_of_configuration_only() {
    let mut copy = CopyInput { from: "a".into(), to: "b".into(), force: true, part: Vec::new() }.to_data();
    copy.remove(&action::nodes::COPY_INPUT_FORCE);
    assert!(!CopyInput::from_data(&copy).unwrap().force);
    let all = All::from_data(&Container::default()).unwrap();
    assert_eq!((all.percent, all.old.as_str()), (None, "x"));
}

#[test]
fn enums_know_their_names() {
    for colour in Colour::ALL {
        assert_eq!(Colour::from_name(colour.as_str()), Some(*colour));
    }
    assert_eq!(Colour::from_name("blue"), None);
}

#[test]
fn tables_agree_with_themselves() {
    assert!(SCHEMA.modules.is_sorted_by_key(|m| (m.name, m.revision)));
    let mut top = 0;
    for module in SCHEMA.modules {
        assert!(module.source.contains(module.name));
        if module.conformance == Conformance::Import {
            assert!(module.children.is_empty() && module.rpcs.is_empty(), "{}", module.name);
        }
        for node in module.data {
            assert_eq!(usize::from(node.index), top, "{}", node.name);
            top += 1;
        }
        for node in [module.children, module.rpcs, module.notifications].concat() {
            assert!(node.parent.is_none() && node.module == *module);
            agrees(node);
        }
        for identity in module.identities {
            assert_eq!(identity.module, *module);
        }
    }
}

/// A node and all below it.
fn agrees(node: &'static Node) {
    let below = [node.children, node.actions, node.notifications].concat();
    for child in &below {
        assert_eq!(child.parent, Some(node), "{}", child.name);
        assert!(node.config || !child.config, "{}", child.name);
        agrees(child);
    }
    for (index, child) in node.data.iter().enumerate() {
        if !matches!(node.kind, Kind::Choice { .. } | Kind::Case) {
            assert_eq!(
                (usize::from(child.index), child.data_parent()),
                (index, Some(node)),
                "{}",
                child.name
            );
        }
    }
    match &node.kind {
        Kind::Leaf { ty, .. } | Kind::LeafList { ty, .. } => sound(ty),
        Kind::List { keys, .. } => assert!(keys.iter().all(|key| node.children.contains(key))),
        Kind::Rpc { input, output } => {
            assert_eq!((input.parent, output.parent), (Some(node), Some(node)));
            agrees(input);
            agrees(output);
        }
        _ => {}
    }
}

/// Patterns compile, ranges ascend, leafrefs end.
fn sound(ty: &'static Type) {
    match &ty.base {
        Base::String(_, patterns) => {
            for pattern in *patterns {
                pattern.allows("");
                assert!(matches!(pattern.compiled.get(), Some(Some(_))), "{}", pattern.xsd);
            }
        }
        Base::Uint(_, range) => assert!(range.parts.is_sorted()),
        Base::LeafRef(leafref) => {
            assert!(leafref.target.ty().is_some());
            assert!(!matches!(leafref.real.base, Base::LeafRef(_)));
        }
        Base::Union(members) => members.iter().for_each(|member| sound(member)),
        _ => {}
    }
}

#[test]
fn cases_of_other_modules_are_tables_too() {
    let modules: [&Module; 10] = [
        &cases::augment::more::MODULE,
        &cases::clashes::clashes::MODULE,
        &cases::conditions::conditions::MODULE,
        &cases::deviation::device::MODULE,
        &cases::identity::identity::MODULE,
        &cases::leafref::leafref::MODULE,
        &cases::nacm::nacm::MODULE,
        &cases::names::names::MODULE,
        &cases::revisions::revisions::MODULE,
        &cases::union::union::MODULE,
    ];
    for node in modules.iter().flat_map(|m| m.children) {
        agrees(node);
    }
}
