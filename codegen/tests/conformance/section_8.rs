//! Section 8: constraints on data, when and how they are enforced.

use std::sync::Arc;

use agentconf::datastore::edit::Operation;
use agentconf::yang::tree::Container;

use super::Model;

#[test]
fn section_8_3_1_a_value_that_its_type_does_not_have() {
    let model = Model::new(
        "leaf n { type uint8 { range 1..10 { error-app-tag range-tag; error-message \"1 to 10.\"; } } }
         leaf s { type string { length 2 { error-app-tag length-tag; error-message \"Two.\"; }
           pattern 'a.*' { error-app-tag pattern-tag; error-message \"Begins with a.\"; } } }
         leaf b { type binary { length 1 { error-app-tag binary-tag; error-message \"One octet.\"; } } }
         leaf d { type decimal64 { fraction-digits 1; range 0..1 { error-app-tag decimal-tag; } } }
         leaf plain { type uint8 { range 1..10; } }",
    );
    let told = |tags: &str, name: &str, message: &str| {
        vec![format!("invalid-value{tags} /m:{name} {{bad-element: {name}}} \"{name}\": {message}")]
    };
    assert_eq!(model.wrong(r#""m:n":11"#), told(" [range-tag]", "n", "1 to 10."));
    assert_eq!(model.wrong_xml("<n xmlns='urn:m'>11</n>"), told(" [range-tag]", "n", "1 to 10."));
    assert_eq!(model.wrong(r#""m:s":"abc""#), told(" [length-tag]", "s", "Two."));
    assert_eq!(model.wrong(r#""m:s":"ba""#), told(" [pattern-tag]", "s", "Begins with a."));
    assert_eq!(model.wrong(r#""m:b":"AQI=""#), told(" [binary-tag]", "b", "One octet."));
    assert_eq!(model.wrong(r#""m:d":"1.1""#), told(" [decimal-tag]", "d", "1.1 is outside \"0.0..1.0\""));
    assert_eq!(model.wrong(r#""m:plain":0"#), told("", "plain", "0 is outside \"1..10\""));
}

#[test]
fn section_8_3_1_what_cannot_stand_where_it_stands() {
    let model = Model::new(
        "feature f; container c { list l { key \"a b\"; leaf a { type uint8; } leaf b { type uint8; } }
           choice w { leaf x { type string; } leaf y { type string; } }
           leaf up { config false; type boolean; } }",
    );
    let tags = |members: &str| -> Vec<String> {
        let first = |text: &String| text.split(" {").next().unwrap().to_owned();
        model.wrong(&format!("\"m:c\":{{{members}}}")).iter().map(first).collect()
    };
    assert_eq!(tags(r#""l":[{"a":1}]"#), ["missing-element /m:c/l[1]"]);
    assert_eq!(tags(r#""x":"1","y":"2""#), ["bad-element /m:c/y"]);
    assert_eq!(tags(r#""none":1"#), ["unknown-element /m:c"]);
    assert_eq!(tags(r#""up":true"#), ["unknown-element /m:c/up"]);
    assert_eq!(tags(r#""l":[{"a":1,"b":2},{"b":2,"a":1}]"#), ["invalid-value /m:c/l[a='1'][b='2']"]);
    let twice = "<c xmlns='urn:m'><x>1</x><x>1</x></c>";
    assert_eq!(model.wrong_xml(twice), ["bad-element /m:c/x {bad-element: x} \"x\" stands more than once"]);
}

#[test]
fn section_8_3_1_a_node_whose_feature_is_off_is_unknown() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("modules.toml"), "implement = []\n[features]\nm = []\n").unwrap();
    let text = "module m { yang-version 1.1; namespace urn:m; prefix m; feature f; leaf x { if-feature f; type string; } leaf y { type string; } }";
    std::fs::write(temp.path().join("m.yang"), text).unwrap();
    let (ir, _) = agentconf_codegen::Compiler::new().yang_dir(temp.path()).resolve().unwrap();
    let schema = super::live::schema(&ir);
    let model = Model { schema, validator: agentconf::datastore::validate::Validator::new(schema) };
    model.valid(r#""m:y":"1""#);
    let wrong = model.wrong(r#""m:x":"1""#);
    assert!(
        matches!(&wrong[..], [one] if one.starts_with("unknown-element {bad-element: m:x}")),
        "{wrong:?}"
    );
}

#[test]
fn section_8_3_2_edits_of_what_is_and_is_not_there() {
    let model = Model::new(
        "list l { key k; leaf k { type uint8; } leaf x { type string; } } leaf-list v { type uint8; }",
    );
    let old = model.valid(r#""m:l":[{"k":1}],"m:v":[1]"#);
    let edit = |operation, path, members| model.edit(&old, operation, path, members, None);
    assert_eq!(
        edit(Operation::Delete, "/m:l[k='2']", None),
        Err(vec!["data-missing /m:l[k='2'] this instance does not exist".into()])
    );
    assert_eq!(edit(Operation::Remove, "/m:l[k='2']", None).unwrap(), r#""m:l":[{"k":1}],"m:v":[1]"#);
    assert_eq!(
        edit(Operation::Create, "/m:l[k='1']", Some(r#""m:l":[{"k":1}]"#)),
        Err(vec!["data-exists /m:l[k='1'] this instance exists already".into()])
    );
    assert_eq!(
        edit(Operation::Create, "/m:v[.='1']", Some(r#""m:v":[1]"#)),
        Err(vec!["data-exists /m:v[.='1'] this instance exists already".into()])
    );
    assert_eq!(
        edit(Operation::Delete, "/m:v[.='2']", None),
        Err(vec!["data-missing /m:v[.='2'] this instance does not exist".into()])
    );
    assert_eq!(
        edit(Operation::Merge, "/m:l[k='2']/x", Some(r#""m:x":"1""#)),
        Err(vec!["data-missing /m:l[k='2'] this instance does not exist".into()])
    );
    // A key names its entry and stays (section 7.8.2).
    assert_eq!(
        edit(Operation::Merge, "/m:l[k='1']/k", Some(r#""m:k":2"#)),
        Err(vec!["invalid-value /m:l[k='1']/k the key of an existing list entry cannot be changed".into()])
    );
}

#[test]
fn section_8_2_what_an_edit_makes_impossible_goes_and_what_it_writes_is_refused() {
    let model = Model::new(
        "leaf on { type boolean; } leaf x { when \"../on = 'true'\"; type string; } leaf y { when ../x; type string; }",
    );
    let old = model.valid(r#""m:on":true,"m:x":"x","m:y":"y""#);
    let edit = |members: &str| model.edit(&old, Operation::Merge, "", Some(members), None);
    assert_eq!(edit(r#""m:on":false"#).unwrap(), r#""m:on":false"#);
    assert_eq!(
        edit(r#""m:on":false,"m:x":"z""#),
        Err(vec![
            "unknown-element /m:x {bad-element: x} \"x\" cannot be here: its \"when\" does not hold".into()
        ])
    );
}

#[test]
fn section_8_1_state_is_not_validated_with_configuration() {
    let model = Model::new(
        "container s { config false; leaf x { type string; mandatory true; } list l { min-elements 1; leaf y { type string; } }
           must x; }",
    );
    model.valid("");
}

#[test]
fn section_8_3_3_a_change_is_refused_for_what_it_breaks_elsewhere() {
    let model = Model::new(
        "container a { leaf limit { type uint8; } } list b { key k; leaf k { type uint8; } leaf v { type uint8; must '. <= /a/limit'; } }",
    );
    let old = model.valid(r#""m:a":{"limit":5},"m:b":[{"k":1,"v":3},{"k":2,"v":5}]"#);
    let wrong =
        vec!["operation-failed [must-violation] /m:b[k='2']/v this must hold: . <= /a/limit".to_owned()];
    assert_eq!(model.edit(&old, Operation::Replace, "/m:a/limit", Some(r#""m:limit":4"#), None), Err(wrong));
    assert_eq!(model.edit(&old, Operation::Remove, "/m:a", None, None).map_err(|wrong| wrong.len()), Err(2));
}

#[test]
fn section_8_1_what_a_container_requires_is_checked_when_it_gets_its_first_content() {
    let leafs = "leaf need { type string; mandatory true; } leaf other { type string; }";
    let model = Model::new(&format!(
        "container needs {{ {leafs} }} container tm {{ must x; leaf x {{ type empty; }} leaf y {{ type string; }} }}
         container tc {{ choice c {{ mandatory true; leaf a {{ type empty; }} leaf b {{ type empty; }} }} leaf other {{ type string; }} }}
         list l {{ key k; leaf k {{ type uint8; }} container in {{ container deep {{ must '../../k = 2'; leaf z {{ type string; }} }} }} }}
         container free {{ leaf other {{ type string; }} container needs {{ presence p; {leafs} }} }}"
    ));
    let put = |old: &Arc<Container>, path: &str, members: &str| {
        model.edit(old, Operation::Merge, path, Some(members), None)
    };
    // A datastore begins empty, whatever the modules want of it.
    let empty = Arc::new(Container::default());
    let missing = "data-missing /m:needs/need {bad-element: need} \"need\" is mandatory and missing";
    assert_eq!(put(&empty, "/m:needs", r#""m:needs":{"other":"z"}"#).unwrap_err(), [missing]);
    assert_eq!(put(&empty, "/m:needs/other", r#""m:other":"z""#).unwrap_err(), [missing]);
    put(&empty, "/m:needs", r#""m:needs":{"need":"n","other":"z"}"#).unwrap();
    let must = "operation-failed [must-violation] /m:tm this must hold: x";
    assert_eq!(put(&empty, "/m:tm", r#""m:tm":{"y":"z"}"#).unwrap_err(), [must]);
    let choice = put(&empty, "/m:tc", r#""m:tc":{"other":"z"}"#).unwrap_err();
    assert!(choice[0].starts_with("data-missing [missing-choice] /m:tc"), "{choice:?}");
    put(&empty, "/m:tc", r#""m:tc":{"other":"z","b":[null]}"#).unwrap();
    put(&empty, "/m:free/other", r#""m:other":"z""#).unwrap();
    // In an entry too, however deep: the `must` was not looked at while the entry was made by an earlier version of its module.
    let entry = Arc::new(model.read(r#""m:l":[{"k":1}]"#).unwrap());
    let wrong = put(&entry, "/m:l[k='1']/in/deep/z", r#""m:z":"z""#).unwrap_err();
    assert_eq!(wrong, ["operation-failed [must-violation] /m:l[k='1']/in/deep this must hold: ../../k = 2"]);
    // What is in no container that is new is not asked again.
    let there = Arc::new(model.read(r#""m:needs":{"other":"z"}"#).unwrap());
    put(&there, "/m:needs/other", r#""m:other":"y""#).unwrap();
}
