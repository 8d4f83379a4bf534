//! What codegen writes: the golden cases compile and convert, and the tables that are built in
//! agree with themselves.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

use std::sync::Arc;

use agentconf::datastore::validate::{VALIDATOR, Validator};
use agentconf::yang::decode::DecodeOptions;
use agentconf::yang::error::{Error, Tag};
use agentconf::yang::generated::SCHEMA;
use agentconf::yang::json::decode_one;
use agentconf::yang::model::{IdentityEnum, LeafValue, Modelled};
use agentconf::yang::path::InstancePath;
use agentconf::yang::schema::{Base, Conformance, Identity, Kind, Module, Node, Schema, Type};
use agentconf::yang::tree::{Child, Container, List};
use imbl::vector;

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
    #[path = "../codegen/tests/cases/sids.rs"]
    pub mod sids;
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
use cases::identity::identity;
use cases::identity::kinds::identities::Vehicle;
use cases::notification::notification::{self, Down, DownCause, Link, Port};
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
    there_and_back(&Letter { body, stamp: Some(Stamp::Small), ..Letter::new("me") });
}

static STRUCTURES: Schema = Schema { modules: &[&structures::MODULE], added: &[] };

/// What is wrong with a letter as a document.
fn faults_of_letter(json: &str) -> Vec<Error> {
    let options = DecodeOptions { allow_state: true, ..DecodeOptions::default() };
    let path = InstancePath::of(Letter::node(), []).unwrap();
    let Ok(Child::Container(letter)) = decode_one(json.as_bytes(), &path, &STRUCTURES, &options) else {
        panic!("{json}")
    };
    Validator::new(&STRUCTURES).structure(Letter::node(), letter)
}

#[test]
fn rfc8791_section_4_a_structure_has_the_constraints_of_a_datastore() {
    let letter = |members: &str| format!(r#"{{"structures:letter":{{{members}}}}}"#);
    let valid = r#""sender":"me","body":{"author":"me"},"stamp":"large","page":[{"number":1},{"number":2}]"#;
    assert_eq!(faults_of_letter(&letter(valid)), []);
    assert_eq!(faults_of_letter(&letter(r#""sender":"me""#)), []);

    let fault = |members: &str| {
        let faults = faults_of_letter(&letter(members));
        let [fault] = &faults[..] else { panic!("{members}: {faults:?}") };
        let path = fault.path.as_ref().map(ToString::to_string).unwrap_or_default();
        (fault.app_tag.clone().unwrap_or_default().to_string(), path)
    };
    // Without a sender the condition of the body, which is there by default, does not hold either.
    let faults = faults_of_letter(&letter(r#""stamp":"small""#));
    let tags: Vec<Tag> = faults.iter().map(|fault| fault.tag).collect();
    assert_eq!(tags, [Tag::OperationFailed, Tag::DataMissing]);
    let must = fault(r#""sender":"nobody""#);
    assert_eq!((must.0.as_str(), must.1.as_str()), ("must-violation", "/structures:letter/body"));
    let absolute = fault(r#""sender":"me","stamp":"large""#);
    assert_eq!((absolute.0.as_str(), absolute.1.as_str()), ("postage", "/structures:letter"));
    let reference = fault(r#""sender":"me","body":{"author":"you"}"#);
    assert_eq!(reference.0, "instance-required");
    let unique = fault(r#""sender":"me","page":[{"number":1},{"number":1}]"#);
    assert_eq!(unique.0, "data-not-unique");
    let many = fault(r#""sender":"me","page":[{},{},{},{}]"#);
    assert_eq!(many.0, "too-many-elements");
}

#[test]
fn the_errors_of_a_restconf_server_are_an_instance_of_their_template() {
    use agentconf::yang::generated::ietf_restconf::{self, Error, Errors};
    let [errors, _] = ietf_restconf::STRUCTURES else { panic!() };
    let content = |tag: &str| {
        let error = Error::new(ietf_restconf::ErrorType::Protocol, tag);
        Arc::new(Errors { error: vec![error] }.to_data())
    };
    assert_eq!(VALIDATOR.structure(errors, content("in-use")), []);
    let mut wrong = Container::default();
    wrong.set(
        &ietf_restconf::nodes::ERRORS_ERROR,
        Child::List(List::Sequence(Box::new(vector![Arc::default()]))),
    );
    let tags: Vec<Tag> = VALIDATOR.structure(errors, Arc::new(wrong)).iter().map(|e| e.tag).collect();
    assert_eq!(tags, [Tag::DataMissing, Tag::DataMissing]);
}

#[test]
fn what_is_derived_from_an_identity_is_an_enum() {
    for (vehicle, identity) in Vehicle::KNOWN {
        assert_eq!(vehicle.identity(), *identity);
        assert_eq!(Vehicle::from_identity(identity), Some(*vehicle));
    }
    assert_eq!(Vehicle::Seaplane.to_string(), "identity:seaplane");
    assert!(Vehicle::Seaplane.is_or_derives_from(Vehicle::Boat));
    assert!(!Vehicle::Plane.is_or_derives_from(Vehicle::Boat));
    assert_eq!(Vehicle::from_identity(Vehicle::BASE), None);
    assert_eq!(Vehicle::from_name("kinds:boat"), Some(Vehicle::Boat));
    assert_eq!(Vehicle::from_name("identity:boat"), None);

    static JET: Identity =
        Identity { name: "jet", module: &structures::MODULE, bases: &[&identity::identities::PLANE], sid: 0 };
    let jet = Vehicle::from_identity(&JET).unwrap();
    assert_eq!((jet, jet.identity()), (Vehicle::Unlisted(&JET), &JET));
    assert!(jet.is_or_derives_from(Vehicle::Plane));
    let ty = identity::nodes::VEHICLE.ty().unwrap();
    assert_eq!(Vehicle::from_value(&jet.to_value(ty)), Some(jet));
}

#[test]
fn a_key_is_one_of_its_list() {
    let port = Port::new("a", 3);
    assert_eq!(port.key(), Port::key_of("a", 3));
    let key = Port::key_of("a", 3).unwrap();
    assert_eq!(port.to_data().key(Port::node()), Some(key.clone()));
    assert_eq!(Port::key_of("a\u{1}", 3).unwrap_err().node, &notification::nodes::LINK_PORT_NAME);

    let path = InstancePath::of(Port::node(), [key.clone()]).unwrap();
    assert_eq!(path.to_string(), "/notification:link/port[name='a'][number='3']");
    let whole = InstancePath::of(Port::node(), []).unwrap();
    assert_eq!(whole.to_string(), "/notification:link/port");
    let number = InstancePath::of(&notification::nodes::LINK_PORT_ADDRESS, [key.clone()]).unwrap();
    assert_eq!(number.steps.len(), 3);
    assert!(InstancePath::of(&notification::nodes::LINK_PORT_ADDRESS, []).is_err());
    assert!(InstancePath::of(Port::node(), [key.clone(), key]).is_err());
    assert!(InstancePath::of(Port::node(), [Job::key_of(1).unwrap()]).is_err());
    assert!(InstancePath::of(CopyInput::node(), []).is_err());
}

#[test]
fn values_are_checked_where_that_is_asked_for() {
    let all = |percent, word: &str| All { percent: Some(percent), word: Some(word.into()), ..All::default() };
    assert!(all(100, "abc").to_checked_data().is_ok());
    let error = all(101, "abc").to_checked_data().unwrap_err();
    assert_eq!(error.node.name, "percent");
    assert_eq!(error.error.app_tag, Some("percent"));
    assert_eq!(all(1, "xml").to_checked_data().unwrap_err().node.name, "word");
    assert_eq!(all(1, "abcd").to_checked_data().unwrap_err().node.name, "word");
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

#[test]
fn the_text_of_a_module_without_a_revision_is_the_implemented_or_the_newest_one() {
    use cases::revisions::{revisions, words_2020_01_01 as old, words_2022_02_02 as new};
    static MODULES: [&Module; 3] = [&revisions::MODULE, &old::MODULE, &new::MODULE];
    let schema = Schema { modules: &MODULES, added: &[] };
    let text = |name, revision| schema.source(name, revision);
    assert_eq!(text("words", Some("2020-01-01")), Some(old::MODULE.source));
    assert_eq!(text("words", None), Some(new::MODULE.source));
    assert_eq!(text("revisions-part", None), Some(revisions::MODULE.submodules[0].source));
    assert_eq!((text("words", Some("2021-01-01")), text("nothing", None)), (None, None));

    static IMPLEMENTED: Module = implemented(&old::MODULE);
    static OTHERS: [&Module; 2] = [&IMPLEMENTED, &new::MODULE];
    let schema = Schema { modules: &OTHERS, added: &[] };
    assert_eq!(schema.source("words", None), Some(old::MODULE.source));
}

/// The module as one that is implemented.
const fn implemented(module: &Module) -> Module {
    Module {
        name: module.name,
        revision: module.revision,
        namespace: module.namespace,
        prefix: module.prefix,
        conformance: Conformance::Implement,
        features: module.features,
        deviations: module.deviations,
        submodules: module.submodules,
        source: module.source,
        children: module.children,
        data: module.data,
        rpcs: module.rpcs,
        notifications: module.notifications,
        identities: module.identities,
        annotations: module.annotations,
    }
}
