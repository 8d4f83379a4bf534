//! Section 10: the XPath functions of YANG, with the examples of the RFC.

use super::{Model, decides};

#[test]
fn section_10_1_1_current() {
    decides(
        "container c { list l { key k; leaf k { type string; } leaf next { type string; } }
           leaf first { type string; must \"not(../l[next = current()])\"; } }",
        r#""m:c":{"l":[{"k":"a","next":"b"},{"k":"b"}],"first":"a"}"#,
        r#""m:c":{"l":[{"k":"a","next":"b"},{"k":"b"}],"first":"b"}"#,
    );
}

#[test]
fn section_10_2_1_re_match() {
    let version = r#"leaf v { type string; must 're-match(., "\d{1,3}\.\d{1,3}\.\d{1,3}")'; }"#;
    decides(version, r#""m:v":"1.22.333""#, r#""m:v":"x1.22.333""#);
    // The expression is anchored at both ends, as a pattern is.
    decides(version, r#""m:v":"1.22.333""#, r#""m:v":"1.22.333.4""#);
    decides(
        r#"list interface { key name; leaf name { type string; } }
           leaf total { type uint8; must '. = count(/interface[re-match(name, "eth0\.\d+")])'; }"#,
        r#""m:interface":[{"name":"eth0.1"},{"name":"eth0.12"},{"name":"eth1.1"}],"m:total":2"#,
        r#""m:interface":[{"name":"eth0.1"},{"name":"eth0.12"},{"name":"eth1.1"}],"m:total":3"#,
    );
}

#[test]
fn section_10_3_1_deref() {
    let model = Model::new(
        r#"list interface { key "name type"; leaf name { type string; } leaf type { type string; } leaf enabled { type boolean; } }
           container mgmt-interface {
             leaf name { type leafref { path "/interface/name"; } }
             leaf type { type leafref { path "/interface[name=current()/../name]/type"; }
               must 'deref(.)/../enabled = "true"' { error-message "The management interface cannot be disabled."; } } }"#,
    );
    let document = |enabled: &str| {
        format!(
            r#""m:interface":[{{"name":"e","type":"a","enabled":{enabled}}},{{"name":"f","type":"a","enabled":true}}],
               "m:mgmt-interface":{{"name":"e","type":"a"}}"#
        )
    };
    model.valid(&document("true"));
    assert_eq!(
        model.wrong(&document("false")),
        [
            "operation-failed [must-violation] /m:mgmt-interface/type The management interface cannot be disabled."
        ]
    );
}

#[test]
fn section_10_4_derived_from_and_derived_from_or_self() {
    let identities = "identity interface-type; identity ethernet { base interface-type; }
        identity atm { base interface-type; } identity fast-ethernet { base ethernet; } identity gigabit-ethernet { base fast-ethernet; }
        list interface { key name; leaf name { type string; }
          leaf type { type identityref { base interface-type; } } CONDITION }";
    let with = |condition: &str| identities.replace("CONDITION", condition);
    let one = |kind: &str| format!(r#""m:interface":[{{"name":"e","type":"{kind}"}}]"#);
    let from = with("must \"derived-from(type, 'm:ethernet')\";");
    decides(&from, &one("gigabit-ethernet"), &one("ethernet"));
    let or_self = with("must \"derived-from-or-self(type, 'm:ethernet')\";");
    decides(&or_self, &one("ethernet"), &one("atm"));
    decides(&or_self, &one("fast-ethernet"), r#""m:interface":[{"name":"e"}]"#);
}

#[test]
fn section_10_5_1_enum_value() {
    let alarms = "list alarm { key id; leaf id { type uint8; } leaf severity { type enumeration {
        enum cleared { value 1; } enum indeterminate { value 2; } enum minor { value 3; }
        enum warning { value 4; } enum major { value 5; } enum critical { value 6; } } } }
      leaf high { type uint8; must \". = count(/alarm[enum-value(severity) >= 5])\"; }";
    let document = |high: u8| {
        format!(
            r#""m:alarm":[{{"id":1,"severity":"warning"}},{{"id":2,"severity":"major"}},
               {{"id":3,"severity":"critical"}},{{"id":4}}],"m:high":{high}"#
        )
    };
    decides(alarms, &document(2), &document(3));
}

#[test]
fn section_10_6_1_bit_is_set() {
    let interfaces = "list interface { key name; leaf name { type string; }
        leaf flags { type bits { bit UP; bit PROMISCUOUS; bit DISABLED; } } }
      leaf up { type uint8; must \". = count(/interface[bit-is-set(flags, 'UP')])\"; }";
    let document = |up: u8| {
        format!(
            r#""m:interface":[{{"name":"a","flags":"DISABLED UP"}},{{"name":"b","flags":"PROMISCUOUS"}},
               {{"name":"c"}}],"m:up":{up}"#
        )
    };
    decides(interfaces, &document(1), &document(0));
}
