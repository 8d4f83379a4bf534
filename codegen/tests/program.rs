//! What the server's own code is written for stays as it is, whatever modules are put beside it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use agentconf_codegen::Compiler;
use agentconf_codegen::ir::{Kind, NodeId, Schema};

/// A copy of the server's modules, and the compiler of it.
fn servers(temp: &Path) -> (PathBuf, Compiler) {
    let yang = temp.join("yang");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../yang"), &yang);
    std::fs::create_dir(yang.join("vendor")).unwrap();
    let compiler = Compiler::new().yang_dir(&yang).out_dir(temp.join("out"));
    (yang.join("vendor"), compiler)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// A vendor's module with these statements, which have the server's modules by their names as prefixes.
fn module(vendor: &Path, schema: &Schema, body: &str) {
    let mut text =
        "module acme-all { yang-version 1.1; namespace urn:acme:all; prefix acme-all;\n".to_owned();
    for module in schema.modules.iter().filter(|m| m.implemented) {
        writeln!(text, "import {0} {{ prefix {0}; }}", module.name).unwrap();
    }
    std::fs::write(vendor.join("acme-all.yang"), format!("{text}\n{body}\n}}\n")).unwrap();
}

/// The schema path of a node, with prefixes as in [`module`].
fn path(schema: &Schema, id: NodeId) -> String {
    let step = |id: NodeId| {
        let node = schema.node(id);
        format!("/{}:{}", schema.module(node.module).name, node.name)
    };
    schema.lineage(id).into_iter().map(step).collect()
}

/// Augments of all that can be augmented, with a leaf that has the name of one that is there, and an identity more for
/// each base.
fn augments(schema: &Schema) -> String {
    let mut text = String::new();
    let mut open: Vec<NodeId> = Vec::new();
    for module in schema.modules.iter().filter(|m| m.implemented) {
        open.extend(module.children.iter().chain(&module.rpcs).chain(&module.notifications));
    }
    while let Some(id) = open.pop() {
        let node = schema.node(id);
        open.extend(node.children.iter().chain(&node.actions).chain(&node.notifications));
        match node.kind {
            Kind::Rpc { input, output } => open.extend([input, output]),
            Kind::Container { .. } | Kind::List { .. } | Kind::Input | Kind::Output | Kind::Notification => {
                let same = node.data.first().map_or("first", |child| schema.node(*child).name.as_str());
                let more = "container acme-box { leaf inner { type string; } } leaf-list acme-words { type string; }";
                let path = path(schema, id);
                writeln!(text, "augment {path} {{ leaf {same} {{ type string; }} {more} }}").unwrap();
            }
            Kind::Choice { .. } => {
                writeln!(text, "augment {} {{ leaf acme-{} {{ type string; }} }}", path(schema, id), id.0)
                    .unwrap();
            }
            _ => {}
        }
    }
    for (number, identity) in schema.identities.iter().enumerate() {
        let module = schema.module(identity.module);
        if module.implemented {
            writeln!(text, "identity acme-{number} {{ base {}:{}; }}", module.name, identity.name).unwrap();
        }
    }
    text
}

#[test]
fn what_a_vendor_adds_to_the_servers_modules_changes_no_struct() {
    let temp = tempfile::tempdir().unwrap();
    let (vendor, compiler) = servers(temp.path());
    let (schema, _) = compiler.resolve().unwrap();
    let before = compiler.compile().unwrap();
    module(&vendor, &schema, &augments(&schema));
    let after = compiler.compile().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(after.len(), before.len() + 1);
    for (name, old) in before.iter().filter(|(name, _)| name != "mod.rs") {
        let (_, new) = after.iter().find(|(other, _)| other == name).unwrap();
        // All items, and the variants of the enums of identities, which are among the tables.
        let code = |text: &str| -> Vec<String> {
            let is_code = |line: &&str| {
                ["pub ", "impl ", "(Self::", "let ", "model::"].iter().any(|w| line.starts_with(w))
            };
            text.lines().map(str::trim).filter(is_code).map(str::to_owned).collect()
        };
        assert_eq!(code(old), code(new), "{name}");
        // The structs stand between the module's own table and those of its nodes.
        let structs = |text: &str| {
            let (_, structs) = text.split_once("\n};\n").unwrap();
            structs.split("\npub mod nodes").next().unwrap().to_owned()
        };
        assert_eq!(structs(old), structs(new), "{name}");
    }
    let added = after.iter().find(|(name, _)| name == "mod.rs").unwrap();
    assert!(added.1.contains("added: &[\n        &acme_all::MODULE,\n    ],"), "{}", added.1);
}

#[test]
fn a_deviation_that_the_servers_code_could_not_bear_is_refused_and_another_is_not() {
    let temp = tempfile::tempdir().unwrap();
    let (vendor, compiler) = servers(temp.path());
    let (schema, _) = compiler.resolve().unwrap();
    let groups = "/ietf-netconf-acm:nacm/ietf-netconf-acm:enable-external-groups";
    let with = |body: &str| {
        module(&vendor, &schema, body);
        compiler.compile().map(drop).map_err(|e| e.to_string())
    };
    let refused = |body: &str, wanted: &str| {
        let why = with(body).unwrap_err();
        let place = format!("acme-all.yang:{}: {wanted}", body.matches('\n').count());
        assert!(why.lines().count() == 1 && why.contains("vendor/acme-all.yang:"), "{why}");
        assert!(why.contains(wanted) && why.contains(groups.rsplit(':').next().unwrap()), "{place}: {why}");
    };
    let deviation = |what: &str| format!("deviation {groups} {{ {what} }}");
    refused(&deviation("deviate not-supported;"), "deviate \"not-supported\": ");
    refused(&deviation("deviate replace { type string; }"), "type \"string\": ");
    refused(&deviation("deviate replace { config false; }"), "config \"false\": ");
    assert_eq!(with(&deviation("deviate replace { default false; }")), Ok(()));
    assert_eq!(with(&deviation("deviate add { must \"true()\"; units none; }")), Ok(()));

    let leaf =
        "/ietf-netconf-monitoring:get-schema/ietf-netconf-monitoring:input/ietf-netconf-monitoring:version";
    let why = with(&format!("deviation {leaf} {{ deviate add {{ default \"1\"; }} }}")).unwrap_err();
    assert!(why.contains("default \"1\": ") && why.contains("the program's code is written for"), "{why}");
}

#[test]
fn a_module_to_import_alone_is_implemented_for_who_uses_it() {
    let head = "yang-version 1.1; namespace urn:acme:use; prefix u; import ietf-interfaces { prefix if; }";
    let bodies = [
        "augment /if:interfaces/if:interface { leaf rack { type string; } }",
        "leaf link { type if:interface-ref; }",
        "typedef link { type if:interface-ref; } container c { leaf link { type link; } }",
        "deviation /if:interfaces/if:interface/if:description { deviate not-supported; }",
        "leaf a { type string; must \"/if:interfaces\"; }",
    ];
    let implemented = |body: &str, settings: &dyn Fn(String) -> String| -> Vec<String> {
        let temp = tempfile::tempdir().unwrap();
        let (vendor, compiler) = servers(temp.path());
        std::fs::write(vendor.join("acme-use.yang"), format!("module acme-use {{ {head} {body} }}")).unwrap();
        let policy = vendor.join("../modules.toml");
        std::fs::write(&policy, settings(std::fs::read_to_string(&policy).unwrap())).unwrap();
        let (schema, _) = compiler.resolve().unwrap_or_else(|e| panic!("{body}: {e}"));
        let module = |name: &str| schema.modules.iter().find(|m| m.name == name).unwrap();
        assert_eq!(
            module("ietf-interfaces").implemented,
            !module("ietf-interfaces").data.is_empty(),
            "{body}"
        );
        let implemented = schema.modules.iter().filter(|m| m.implemented && m.name.starts_with("ietf-i"));
        implemented.map(|m| m.name.clone()).collect()
    };
    for body in bodies {
        assert_eq!(implemented(body, &|settings| settings), ["ietf-interfaces"], "{body}");
    }
    let nothing = "leaf a { type string; }";
    assert!(implemented(nothing, &|settings| settings).is_empty());
    let listed = |settings: String| settings.replace("implement = []", "implement = [\"ietf-ip\"]");
    // What it augments, too.
    assert_eq!(implemented(nothing, &listed), ["ietf-interfaces", "ietf-ip"]);
}
