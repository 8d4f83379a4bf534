//! Section 7: what the statements of a module demand of data.

use agentconf::datastore::edit::Operation;

use super::{Model, decides};

/// Section 7.5.4.3 (the example of `must`).
#[test]
fn section_7_5_3_must_of_a_container() {
    let model = Model::new(
        r#"container interface {
             leaf ifType { type enumeration { enum ethernet; enum atm; } }
             leaf ifMTU { type uint32; }
             must 'ifType != "ethernet" or ifMTU = 1500' { error-message "An Ethernet MTU must be 1500"; }
             must 'ifType != "atm" or (ifMTU <= 17966 and ifMTU >= 64)' {
               error-message "An ATM MTU must be 64 .. 17966"; } }"#,
    );
    model.valid(r#""m:interface":{"ifType":"ethernet","ifMTU":1500}"#);
    model.valid(r#""m:interface":{"ifType":"atm","ifMTU":64}"#);
    let wrong = |kind: &str| model.wrong(&format!(r#""m:interface":{{"ifType":"{kind}","ifMTU":63}}"#));
    let told = |message: &str| vec![format!("operation-failed [must-violation] /m:interface {message}")];
    assert_eq!(wrong("ethernet"), told("An Ethernet MTU must be 1500"));
    assert_eq!(wrong("atm"), told("An ATM MTU must be 64 .. 17966"));
}

#[test]
fn section_7_5_3_must_is_evaluated_where_its_node_exists() {
    // A container without presence exists without being given, one with presence does not.
    let model = Model::new("container c { must x; leaf x { type empty; } }");
    assert_eq!(model.wrong(""), ["operation-failed [must-violation] /m:c this must hold: x"]);
    Model::new("container c { presence p; must x; leaf x { type empty; } }").valid("");
    // One below something that does not exist is not evaluated.
    Model::new("container c { presence p; container d { must x; leaf x { type empty; } } }").valid("");
    // Of a list and a leaf-list, it is for each entry.
    let model = Model::new(
        "list l { key k; must 'k > 1'; leaf k { type uint8; } } leaf-list v { type uint8; must '. > 1'; }",
    );
    assert_eq!(
        model.wrong(r#""m:l":[{"k":0},{"k":1},{"k":2}],"m:v":[1,2]"#),
        [
            "operation-failed [must-violation] /m:l[k='0'] this must hold: k > 1",
            "operation-failed [must-violation] /m:l[k='1'] this must hold: k > 1",
            "operation-failed [must-violation] /m:v[.='1'] this must hold: . > 1",
        ]
    );
}

#[test]
fn section_7_6_1_the_default_of_a_leaf_is_in_use() {
    // Below containers without presence.
    decides(
        "container c { container d { leaf x { type uint8; default 7; } } } leaf t { type uint8; must '. = /c/d/x'; }",
        r#""m:t":7"#,
        r#""m:t":7,"m:c":{"d":{"x":8}}"#,
    );
    // Below one with presence only where that is.
    decides(
        "container c { presence p; leaf x { type uint8; default 7; } } leaf t { type empty; must '/c/x'; }",
        r#""m:c":{},"m:t":[null]"#,
        r#""m:t":[null]"#,
    );
    // In a case, if the case is the default and no other is chosen, or if it is chosen.
    let choice =
        "choice w { default one; case one { leaf a { type string; } leaf x { type uint8; default 7; } }
        case two { leaf b { type string; } leaf y { type uint8; default 8; } } }
      leaf t { type uint8; must '. = /x or . = /y'; }";
    decides(choice, r#""m:t":7"#, r#""m:t":8"#);
    decides(choice, r#""m:t":8,"m:b":"b""#, r#""m:t":7,"m:b":"b""#);
    // Not where the when of the leaf is false.
    decides(
        "leaf on { type boolean; } leaf x { when \"/on = 'true'\"; type uint8; default 7; }
         leaf t { type empty; must '/x'; }",
        r#""m:on":true,"m:t":[null]"#,
        r#""m:on":false,"m:t":[null]"#,
    );
}

#[test]
fn section_7_6_5_mandatory_depends_on_the_closest_ancestor_that_is_no_container() {
    let mandatory = "leaf x { type string; mandatory true; }";
    let missing =
        |path: &str| vec![format!("data-missing {path} {{bad-element: x}} \"x\" is mandatory and missing")];
    let in_containers = Model::new(&format!("container c {{ container d {{ {mandatory} }} }}"));
    assert_eq!(in_containers.wrong(""), missing("/m:c/d/x"));
    let in_presence = Model::new(&format!("container c {{ presence p; container d {{ {mandatory} }} }}"));
    in_presence.valid("");
    assert_eq!(in_presence.wrong(r#""m:c":{}"#), missing("/m:c/d/x"));
    let in_list = Model::new(&format!("list l {{ key k; leaf k {{ type uint8; }} {mandatory} }}"));
    in_list.valid("");
    assert_eq!(in_list.wrong(r#""m:l":[{"k":1}]"#), missing("/m:l[k='1']/x"));
    let in_case = Model::new(&format!(
        "choice w {{ case a {{ leaf y {{ type string; }} {mandatory} }} leaf b {{ type empty; }} }}"
    ));
    in_case.valid(r#""m:b":[null]"#);
    assert_eq!(in_case.wrong(r#""m:y":"y""#), missing("/m:x"));
}

#[test]
fn section_7_7_2_the_defaults_of_a_leaf_list_are_in_use_if_it_has_no_entry() {
    decides(
        "leaf-list v { type uint8; default 1; default 2; } leaf t { type uint8; must '. = sum(/v)'; }",
        r#""m:t":3"#,
        r#""m:t":3,"m:v":[2]"#,
    );
}

#[test]
fn section_7_9_data_of_one_case_deletes_the_others() {
    let model = Model::new(
        "container c { choice w { case a { leaf x { type string; } list l { key k; leaf k { type uint8; } } }
           case b { leaf y { type string; } choice inner { leaf p { type string; } leaf q { type string; } } } }
           leaf other { type string; } }",
    );
    let old = model.valid(r#""m:c":{"x":"1","l":[{"k":1}],"other":"o"}"#);
    for (operation, path, members) in [
        (Operation::Create, "/m:c/y", r#""m:y":"2""#),
        (Operation::Merge, "/m:c", r#""m:c":{"y":"2"}"#),
        (Operation::Merge, "", r#""m:c":{"y":"2"}"#),
    ] {
        let new = model.edit(&old, operation, path, Some(members), None).unwrap();
        assert_eq!(new, r#""m:c":{"y":"2","other":"o"}"#, "{operation:?} {path}");
    }
    // A choice within a case deletes within it alone.
    let old = model.valid(r#""m:c":{"y":"2","p":"3"}"#);
    let new = model.edit(&old, Operation::Merge, "/m:c/q", Some(r#""m:q":"4""#), None).unwrap();
    assert_eq!(new, r#""m:c":{"y":"2","q":"4"}"#);
}

#[test]
fn section_7_14_input_of_an_rpc() {
    let model = Model::new(
        "leaf limit { type uint8; default 5; }
         rpc play { input { must 'count <= /limit' { error-app-tag too-many; error-message \"Too many.\"; }
             leaf song { type string; mandatory true; } leaf count { type uint8; default 1; }
             choice where { mandatory true; leaf here { type empty; } leaf there { type string; } } } }",
    );
    assert_eq!(model.input("", "", "play", r#""song":"s","here":[null]"#), Vec::<String>::new());
    assert_eq!(
        model.input("", "", "play", r#""here":[null]"#),
        ["missing-element /m:play/song {bad-element: song} \"song\" is mandatory and missing"]
    );
    assert_eq!(
        model.input("", "", "play", r#""song":"s","there":"x","count":6"#),
        ["operation-failed [too-many] /m:play Too many."]
    );
    assert_eq!(
        model.input(r#""m:limit":6"#, "", "play", r#""song":"s","there":"x","count":6"#),
        Vec::<String>::new()
    );
    // The default of the input counts too (section 7.14.2).
    assert_eq!(
        model.input(r#""m:limit":0"#, "", "play", r#""song":"s","there":"x""#),
        ["operation-failed [too-many] /m:play Too many."]
    );
    let [missing] = &model.input("", "", "play", r#""song":"s""#)[..] else { panic!("one error") };
    assert_eq!(
        missing,
        "data-missing [missing-choice] /m:play {missing-choice: where} one of here, there is needed"
    );
}

#[test]
fn section_7_15_input_of_an_action() {
    let model = Model::new(
        "list server { key name; leaf name { type string; } leaf up { type boolean; }
           action reset { input { leaf at { type string; mandatory true; }
             leaf peer { type leafref { path \"../../../server/name\"; } must \". != ../../name\"; }
             leaf hard { when \"../../up = 'true'\"; type empty; } } } }",
    );
    let (data, one) =
        (r#""m:server":[{"name":"a","up":false},{"name":"b","up":true}]"#, "/m:server[name='a']");
    assert_eq!(model.input(data, one, "reset", r#""at":"now","peer":"b""#), Vec::<String>::new());
    assert_eq!(
        model.input(data, one, "reset", r#""at":"now","peer":"a","hard":[null]"#),
        [
            "operation-failed [must-violation] /m:server[name='a']/reset/peer this must hold: . != ../../name",
            "unknown-element /m:server[name='a']/reset/hard {bad-element: hard} \"hard\" cannot be here: its \
             \"when\" does not hold",
        ]
    );
    assert_eq!(
        model.input(data, "/m:server[name='b']", "reset", r#""at":"now","hard":[null]"#),
        Vec::<String>::new()
    );
    assert_eq!(
        model.input(data, one, "reset", r#""at":"now","peer":"c""#),
        ["data-missing [instance-required] /m:server[name='a']/reset/peer there is nothing with the value \
          \"c\" that this could refer to"]
    );
}

#[test]
fn section_7_21_5_the_context_of_when() {
    // Of a data node: itself; if it does not exist, a dummy in its place.
    let model = Model::new(
        "container c { leaf on { type boolean; } leaf x { when \"../on = 'true'\"; type string; mandatory true; } }",
    );
    model.valid(r#""m:c":{"on":false}"#);
    assert_eq!(
        model.wrong(r#""m:c":{"on":true}"#),
        ["data-missing /m:c/x {bad-element: x} \"x\" is mandatory and missing"]
    );
    let cannot = |path: &str, name: &str| {
        vec![format!(
            "unknown-element {path} {{bad-element: {name}}} \"{name}\" cannot be here: its \"when\" does not hold"
        )]
    };
    assert_eq!(model.wrong(r#""m:c":{"on":false,"x":"x"}"#), cannot("/m:c/x", "x"));
    // Of a choice or case: the closest ancestor with data.
    let model = Model::new(
        "container c { leaf on { type boolean; }
           choice w { when \"on = 'true'\"; case a { when \"not(off)\"; leaf x { type string; } } leaf y { type string; } }
           leaf off { type empty; } }",
    );
    model.valid(r#""m:c":{"on":true,"x":"x"}"#);
    model.valid(r#""m:c":{"on":true,"off":[null],"y":"y"}"#);
    assert_eq!(model.wrong(r#""m:c":{"on":true,"off":[null],"x":"x"}"#), cannot("/m:c/x", "x"));
    assert_eq!(model.wrong(r#""m:c":{"on":false,"y":"y"}"#), cannot("/m:c/y", "y"));
    // Of an augment: the node that is augmented. Of a uses: the parent.
    let model = Model::of(&[
        ("base", "container c { leaf on { type boolean; } } grouping g { leaf z { type string; } }"),
        (
            "m",
            "augment /base:c { when \"base:on = 'true'\"; leaf x { type string; } }
             container d { leaf on { type boolean; } uses base:g { when \"on = 'true'\"; } }",
        ),
    ]);
    model.valid(r#""base:c":{"on":true,"m:x":"x"},"m:d":{"on":true,"z":"z"}"#);
    assert_eq!(model.wrong(r#""base:c":{"on":false,"m:x":"x"}"#), cannot("/base:c/m:x", "x"));
    assert_eq!(model.wrong(r#""m:d":{"z":"z"}"#), cannot("/m:d/z", "z"));
}
