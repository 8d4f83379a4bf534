//! Section 9: the lexical and canonical forms of the built-in types, in JSON as RFC 7951 section 6 has
//! them and in XML.

use super::Model;

/// A type with values and their canonical form in JSON, and with what is no value of it, in JSON.
struct Type {
    statement: &'static str,
    values: &'static [(&'static str, &'static str)],
    others: &'static [&'static str],
}

const TYPES: &[Type] = &[
    // 9.2 integers.
    Type {
        statement: "int8",
        values: &[("-128", "-128"), ("127", "127"), ("-0", "0")],
        others: &["-129", "128", "1.5", "\"1\""],
    },
    Type { statement: "uint16", values: &[("65535", "65535")], others: &["65536", "-1", "null"] },
    Type {
        statement: "int32",
        values: &[("-2147483648", "-2147483648")],
        others: &["-2147483649", "2147483648"],
    },
    Type {
        statement: "int64",
        values: &[("\"-9223372036854775808\"", "\"-9223372036854775808\""), ("\"+07\"", "\"7\"")],
        others: &["7", "\"9223372036854775808\"", "\"0x7\"", "\"\"", "\" 7\""],
    },
    Type {
        statement: "uint64",
        values: &[("\"18446744073709551615\"", "\"18446744073709551615\"")],
        others: &["\"18446744073709551616\"", "\"-1\"", "0"],
    },
    Type {
        statement: "uint8 { range \"1..4 | 10 | 20..max\"; }",
        values: &[("1", "1"), ("10", "10"), ("255", "255")],
        others: &["0", "5", "11", "19"],
    },
    // 9.3 decimal64.
    Type {
        statement: "decimal64 { fraction-digits 2; range \"-1..3.14 | 10 | 20..max\"; }",
        values: &[
            ("\"3.14\"", "\"3.14\""),
            ("\"3.1\"", "\"3.1\""),
            ("\"03.10\"", "\"3.1\""),
            ("\"-0.5\"", "\"-0.5\""),
            ("\"10\"", "\"10.0\""),
            ("\"92233720368547758.07\"", "\"92233720368547758.07\""),
        ],
        others: &[
            "3.14",
            "\"3.15\"",
            "\"3.141\"",
            "\"10.01\"",
            "\"92233720368547758.08\"",
            "\".5\"",
            "\"1e1\"",
        ],
    },
    // 9.4 string: lengths are in characters.
    Type {
        statement: "string { length 2..3; }",
        values: &[("\"éé\"", "\"éé\""), ("\"😀😀😀\"", "\"😀😀😀\""), ("\" a\"", "\" a\"")],
        others: &["\"é\"", "\"abcd\"", "12"],
    },
    // The examples of section 9.4.7.
    Type {
        statement: "string { length 1..max; pattern '[a-zA-Z_][a-zA-Z0-9\\-_.]*'; pattern '[xX][mM][lL].*' { modifier invert-match; } }",
        values: &[("\"enabled\"", "\"enabled\""), ("\"a-b.c_1\"", "\"a-b.c_1\"")],
        others: &["\"10-mbit\"", "\"xml-element\"", "\"\"", "\"a b\""],
    },
    Type {
        statement: "string { length 0..4; pattern '[0-9a-fA-F]*'; }",
        values: &[("\"AB\"", "\"AB\""), ("\"9A00\"", "\"9A00\""), ("\"\"", "\"\"")],
        others: &["\"00ABAB\"", "\"xx00\""],
    },
    // 9.5 boolean.
    Type {
        statement: "boolean",
        values: &[("true", "true"), ("false", "false")],
        others: &["\"true\"", "1", "\"\""],
    },
    // 9.6 enumeration.
    Type {
        statement: "enumeration { enum zero; enum one; enum seven { value 7; } enum \"two words\"; }",
        values: &[("\"seven\"", "\"seven\""), ("\"two words\"", "\"two words\"")],
        others: &["\"7\"", "7", "\"Seven\"", "\"\""],
    },
    // 9.7 bits: the canonical order is that of the positions.
    Type {
        statement: "bits { bit last { position 9; } bit first { position 0; } bit mid { position 4; } }",
        values: &[
            ("\"last first\"", "\"first last\""),
            ("\"\"", "\"\""),
            ("\" mid  first \"", "\"first mid\""),
        ],
        others: &["\"first first\"", "\"none\"", "\"FIRST\""],
    },
    // 9.8 binary: lengths are in octets.
    Type {
        statement: "binary { length 2..3; }",
        values: &[("\"AQI=\"", "\"AQI=\""), ("\"AQID\"", "\"AQID\"")],
        others: &["\"AQ==\"", "\"AQIDBA==\"", "\"AQI\"", "\"*\""],
    },
    // 9.9 leafref: the type of its target.
    Type {
        statement: "leafref { path /target; require-instance false; }",
        values: &[("7", "7")],
        others: &["\"7\"", "256"],
    },
    // 9.10 identityref: RFC 7951 section 6.8 lets the name of the leaf's own module be left out.
    Type {
        statement: "identityref { base other:shape; }",
        values: &[
            ("\"square\"", "\"m:square\""),
            ("\"m:square\"", "\"m:square\""),
            ("\"other:circle\"", "\"other:circle\""),
        ],
        others: &["\"circle\"", "\"other:shape\"", "\"none:circle\"", "\"m:loner\"", "\"\""],
    },
    // 9.11 empty.
    Type { statement: "empty", values: &[("[null]", "[null]")], others: &["null", "[]", "\"\"", "true"] },
    // 9.12 union: the first member that fits, by the type in JSON too.
    Type {
        statement: "union { type int32; type enumeration { enum unbounded; } type boolean; type string { length 1..3; } }",
        values: &[
            ("7", "7"),
            ("\"7\"", "\"7\""),
            ("\"unbounded\"", "\"unbounded\""),
            ("true", "true"),
            ("\"abc\"", "\"abc\""),
        ],
        others: &["\"abcd\"", "\"\"", "[null]", "1.5"],
    },
    // 9.13 instance-identifier: in JSON a name is qualified where the module changes (RFC 7951 section 6.11).
    Type {
        statement: "instance-identifier { require-instance false; }",
        values: &[
            ("\"/m:target\"", "\"/m:target\""),
            ("\"/m:list[name='a']/more:more\"", "\"/m:list[name='a']/more:more\""),
            ("\"/m:list[ name = \\\"a\\\" ]\"", "\"/m:list[name='a']\""),
            ("\"/m:values[.='x']\"", "\"/m:values[.='x']\""),
        ],
        others: &[
            "\"m:target\"",
            "\"/target\"",
            "\"/m:none\"",
            "\"/m:list\"",
            "\"/m:list[none='a']\"",
            "\"/\"",
            "\"\"",
        ],
    },
];

fn model() -> Model {
    let leafs: String = TYPES
        .iter()
        .enumerate()
        .map(|(index, ty)| {
            let end = if ty.statement.ends_with('}') { "" } else { ";" };
            format!("leaf t{index} {{ type {}{end} }}\n", ty.statement)
        })
        .collect();
    Model::of(&[
        ("other", "identity shape; identity circle { base shape; }"),
        (
            "m",
            &format!(
                "identity square {{ base other:shape; }} identity loner; leaf target {{ type uint8; }}
                 list list {{ key name; leaf name {{ type string; }} }} leaf-list values {{ type string; }} {leafs}"
            ),
        ),
        ("more", "augment /m:list { leaf more { type string; } }"),
    ])
}

#[test]
fn section_9_lexical_and_canonical_forms() {
    let model = model();
    for (index, ty) in TYPES.iter().enumerate() {
        for (lexical, canonical) in ty.values {
            let content = model.valid(&format!("\"m:t{index}\":{lexical}"));
            assert_eq!(model.json(&content), format!("\"m:t{index}\":{canonical}"), "{}", ty.statement);
            // What is written in XML is read as the same; a union may take a text for another member.
            let again = model.read_xml(&model.xml(&content)).unwrap();
            if !ty.statement.starts_with("union") {
                assert_eq!(again, *content, "{} {lexical}: {}", ty.statement, model.xml(&content));
            }
        }
        for other in ty.others {
            let wrong = model.wrong(&format!("\"m:t{index}\":{other}"));
            let told = format!("invalid-value /m:t{index} {{bad-element: t{index}}} ");
            assert!(
                matches!(&wrong[..], [one] if one.starts_with(&told)),
                "{} {other}: {wrong:?}",
                ty.statement
            );
        }
    }
}

#[test]
fn section_9_forms_in_xml() {
    let model = Model::of(&[
        ("other", "identity shape; identity circle { base shape; }"),
        (
            "m",
            "identity square { base other:shape; }
             leaf shape { type identityref { base other:shape; } } leaf empty { type empty; }
             leaf at { type instance-identifier { require-instance false; } }
             list l { key k; leaf k { type string; } } leaf n { type int8; } leaf d { type decimal64 { fraction-digits 2; } }
             leaf u { type union { type int8; type string; } } leaf flag { type boolean; }",
        ),
    ]);
    let read = |name: &str, attributes: &str, text: &str| {
        let element = format!("<{name} xmlns='urn:m' {attributes}>{text}</{name}>");
        model.read_xml(&element).map(|content| model.json(&content)).map_err(|e| e.tag.as_str())
    };
    // An identity without a prefix is in the namespace in scope (section 9.10.3).
    assert_eq!(read("shape", "", "square").unwrap(), r#""m:shape":"m:square""#);
    assert_eq!(read("shape", "xmlns:x='urn:other'", "x:circle").unwrap(), r#""m:shape":"other:circle""#);
    assert_eq!(read("shape", "xmlns:x='urn:m'", "x:square").unwrap(), r#""m:shape":"m:square""#);
    assert_eq!(read("shape", "", "circle"), Err("invalid-value"));
    assert_eq!(read("shape", "", "y:circle"), Err("invalid-value"));
    // All names of an instance-identifier have a prefix (section 9.13.2).
    assert_eq!(read("at", "xmlns:x='urn:m'", "/x:l[x:k='a']").unwrap(), r#""m:at":"/m:l[k='a']""#);
    assert_eq!(
        read("at", "xmlns:x='urn:m'", "/x:l[x:k=&quot;a&quot;]/x:k").unwrap(),
        r#""m:at":"/m:l[k='a']/k""#
    );
    assert_eq!(read("at", "", "/l[k='a']"), Err("invalid-value"));
    assert_eq!(read("empty", "", "").unwrap(), r#""m:empty":[null]"#);
    assert_eq!(read("empty", "", "x"), Err("invalid-value"));
    assert_eq!(read("n", "", "+007").unwrap(), r#""m:n":7"#);
    assert_eq!(read("d", "", "7").unwrap(), r#""m:d":"7.0""#);
    assert_eq!(read("flag", "", "True"), Err("invalid-value"));
    // The first member that fits (section 9.12).
    assert_eq!(read("u", "", "7").unwrap(), r#""m:u":7"#);
    assert_eq!(read("u", "", "128").unwrap(), r#""m:u":"128""#);

    let content = model.valid(r#""m:at":"/m:l[k='a']","m:shape":"other:circle""#);
    assert_eq!(
        model.xml(&content),
        "<shape xmlns=\"urn:m\" xmlns:other=\"urn:other\">other:circle</shape>\
         <at xmlns=\"urn:m\" xmlns:m=\"urn:m\">/m:l[m:k='a']</at>"
    );
}

#[test]
fn section_9_9_a_leafref_is_to_an_instance_with_its_value() {
    // The examples of section 9.9.6.
    let model = Model::new(
        r#"list interface { key name; leaf name { type string; } leaf admin-status { type string; }
             list address { key ip; leaf ip { type string; } } }
           container default-address {
             leaf ifname { type leafref { path "/interface/name"; } }
             leaf address { type leafref { path "/interface[name = current()/../ifname]/address/ip"; } } }"#,
    );
    let document = |name: &str| {
        format!(
            r#""m:interface":[{{"name":"eth0"}},{{"name":"lo","address":[{{"ip":"192.0.2.1"}}]}}],
               "m:default-address":{{"ifname":"{name}","address":"192.0.2.1"}}"#
        )
    };
    model.valid(&document("lo"));
    assert_eq!(
        model.wrong(&document("eth0")),
        ["data-missing [instance-required] /m:default-address/address there is nothing with the value \
          \"192.0.2.1\" that this could refer to"]
    );
}
