//! Section 15: the error-tag, error-app-tag, error-path, error-info and error-message of each
//! violated constraint.

use agentconf::datastore::edit::Operation;
use agentconf::yang::tree::{Insert, Key};

use super::Model;

/// The list of sections 7.8.3.1 and 7.8.6.
const SERVERS: &str = "list server { key name; unique \"ip port\";
    leaf name { type string; } leaf ip { type string; } leaf port { type uint16; } }";

#[test]
fn section_15_1_unique() {
    let model = Model::new(SERVERS);
    let wrong = ["operation-failed [data-not-unique] /m:server \
         {non-unique: /m:server[name='http']/ip} {non-unique: /m:server[name='http']/port} \
         {non-unique: /m:server[name='smtp']/ip} {non-unique: /m:server[name='smtp']/port} \
         two \"server\" have the same 192.0.2.1, 25"];
    assert_eq!(
        model.wrong(
            r#""m:server":[{"name":"smtp","ip":"192.0.2.1","port":25},{"name":"http","ip":"192.0.2.1","port":25}]"#
        ),
        wrong
    );
    let element = |name: &str| {
        format!("<server xmlns='urn:m'><name>{name}</name><ip>192.0.2.1</ip><port>25</port></server>")
    };
    assert_eq!(model.wrong_xml(&(element("smtp") + &element("http"))), wrong);
    // Entries without all of the leafs are not compared (section 7.8.3.1).
    model.valid(
        r#""m:server":[{"name":"smtp","ip":"192.0.2.1","port":25},{"name":"http","ip":"192.0.2.1"},
           {"name":"ftp","ip":"192.0.2.1"}]"#,
    );
}

#[test]
fn section_7_8_3_unique_compares_defaults() {
    let model = Model::new(
        "list server { key name; unique \"deep/port\"; leaf name { type string; }
           container deep { leaf port { type uint16; default 25; } } }",
    );
    assert_eq!(
        model.wrong(r#""m:server":[{"name":"a","deep":{"port":25}},{"name":"b"}]"#),
        ["operation-failed [data-not-unique] /m:server {non-unique: /m:server[name='a']/deep/port} \
          {non-unique: /m:server[name='b']/deep/port} two \"server\" have the same 25"]
    );
}

#[test]
fn sections_15_2_and_15_3_max_and_min_elements() {
    let model = Model::new(
        "container c { presence p; list l { key k; min-elements 1; max-elements 2; leaf k { type uint8; } }
           leaf-list v { type uint8; min-elements 2; max-elements 3; } }",
    );
    assert_eq!(
        model.wrong(r#""m:c":{"l":[{"k":1},{"k":2},{"k":3},{"k":4}],"v":[1,2,3,4,5]}"#),
        [
            "operation-failed [too-many-elements] /m:c/l there are 4 \"l\", at most 2 may be",
            "operation-failed [too-many-elements] /m:c/v there are 5 \"v\", at most 3 may be",
        ]
    );
    assert_eq!(
        model.wrong(r#""m:c":{"v":[1]}"#),
        [
            "operation-failed [too-few-elements] /m:c/l there are 0 \"l\", at least 1 have to be",
            "operation-failed [too-few-elements] /m:c/v there are 1 \"v\", at least 2 have to be",
        ]
    );
    // An edit has the errors of what it leaves.
    let old = model.valid(r#""m:c":{"l":[{"k":1}],"v":[1,2]}"#);
    assert_eq!(
        model.edit(&old, Operation::Delete, "/m:c/l[k='1']", None, None),
        Err(vec![
            "operation-failed [too-few-elements] /m:c/l there are 0 \"l\", at least 1 have to be".into()
        ])
    );
}

#[test]
fn section_15_4_must() {
    let model = Model::new(
        "container interface { leaf mtu { type uint32; must \". >= 64\"; }
           leaf kind { type string; must \". != 'atm'\" { error-message \"No ATM.\"; error-app-tag no-atm; } } }",
    );
    assert_eq!(
        model.wrong(r#""m:interface":{"mtu":63,"kind":"atm"}"#),
        [
            "operation-failed [must-violation] /m:interface/mtu this must hold: . >= 64",
            "operation-failed [no-atm] /m:interface/kind No ATM.",
        ]
    );
}

#[test]
fn section_15_5_require_instance() {
    let model = Model::new(
        "list interface { key name; leaf name { type string; } }
         leaf one { type leafref { path /interface/name; } }
         leaf any { type instance-identifier; }
         leaf loose { type instance-identifier { require-instance false; } }
         leaf free { type leafref { path /interface/name; require-instance false; } }",
    );
    let nothing =
        |value: &str| format!("there is nothing with the value \"{value}\" that this could refer to");
    let missing = "/m:interface[name='eth1']";
    assert_eq!(
        model.wrong(&format!(r#""m:interface":[{{"name":"eth0"}}],"m:one":"eth1","m:any":"{missing}""#)),
        [
            format!("data-missing [instance-required] /m:one {}", nothing("eth1")),
            format!("data-missing [instance-required] /m:any {}", nothing(missing)),
        ]
    );
    model.valid(&format!(r#""m:free":"eth1","m:loose":"{missing}""#));
    let old =
        model.valid(r#""m:interface":[{"name":"eth0"}],"m:one":"eth0","m:any":"/m:interface[name='eth0']""#);
    assert_eq!(
        model.edit(&old, Operation::Remove, "/m:interface[name='eth0']", None, None).map_err(|e| e.len()),
        Err(2)
    );
}

#[test]
fn section_15_6_mandatory_choice() {
    let model = Model::new(
        "container c { presence p; choice way { mandatory true; leaf road { type empty; } leaf air { type empty; } } }",
    );
    let wrong = ["data-missing [missing-choice] /m:c {missing-choice: way} one of road, air is needed"];
    assert_eq!(model.wrong(r#""m:c":{}"#), wrong);
    assert_eq!(model.wrong_xml("<c xmlns='urn:m'/>"), wrong);
    // At the top there is no element that has the choice.
    let model = Model::new("choice way { mandatory true; leaf road { type empty; } }");
    assert_eq!(
        model.wrong(""),
        ["data-missing [missing-choice] {missing-choice: way} one of road is needed"]
    );
}

#[test]
fn section_15_7_insert_beside_nothing() {
    let model = Model::new(
        "list user { key name; ordered-by user; leaf name { type string; } }
         leaf-list word { type string; ordered-by user; }",
    );
    let old = model.valid(r#""m:user":[{"name":"a"},{"name":"b"}],"m:word":["x","y"]"#);
    let insert = |path: &str, members: &str, place: fn(Key) -> Insert, beside: &str| {
        model.edit(&old, Operation::Create, path, Some(members), Some(place(Key::string(beside))))
    };
    let wrong = |path: &str, attribute: &str, element: &str| {
        let info = format!("{{bad-attribute: {attribute}}} {{bad-element: {element}}}");
        let message = "the entry to insert before or after does not exist";
        Err(vec![format!("bad-attribute [missing-instance] {path} {info} {message}")])
    };
    let (user, word) = ("/m:user[name='c']", "/m:word[.='z']");
    let (user_is, word_is) = (r#""m:user":[{"name":"c"}]"#, r#""m:word":["z"]"#);
    assert_eq!(insert(user, user_is, Insert::After, "none"), wrong(user, "key", "user"));
    assert_eq!(insert(word, word_is, Insert::Before, "none"), wrong(word, "value", "word"));
    assert_eq!(
        insert(user, user_is, Insert::After, "a").unwrap(),
        r#""m:user":[{"name":"a"},{"name":"c"},{"name":"b"}],"m:word":["x","y"]"#
    );
    assert_eq!(
        insert(word, word_is, Insert::Before, "x").unwrap(),
        r#""m:user":[{"name":"a"},{"name":"b"}],"m:word":["z","x","y"]"#
    );
}
