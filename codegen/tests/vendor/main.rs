//! The way of a vendor: files dropped into `yang/vendor/`, with no line written for any of them,
//! compile beside the project's own modules, become Rust that compiles and validates, and are
//! served.
//!
//! The modules come from the packages that `tests/run` installs, see `corpus.rs`, and from `yang/` here, which has the
//! nodes that the server's own modules lack and that RESTCONF has rules for. It builds `examples/own_modules` and the
//! server with them, which takes a minute each.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod added;
mod netconf;
mod rfc6241;
mod rfc8040;
mod rfc8072;
mod served;
mod server;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use agentconf_codegen::Compiler;

const IETF: [&str; 5] =
    ["ietf-interfaces", "ietf-ip", "iana-if-type", "ietf-l3vpn-svc", "ietf-network-topology"];
const OPENCONFIG: [&str; 4] =
    ["openconfig-interfaces", "openconfig-if-ethernet", "openconfig-if-ip", "openconfig-vlan"];

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The folders that the modules are in, or `None` after a word about what is missing.
fn packages() -> Option<[PathBuf; 3]> {
    let target = project().join("target");
    let venv = target.join("test-venv/share/yang/modules");
    let openconfig = target.join("test-models/ydk/models/openconfig/_yang");
    let folders = [venv.join("ietf"), venv.join("iana"), openconfig];
    let missing = folders.iter().find(|folder| !folder.is_dir());
    if let Some(missing) = missing {
        assert!(std::env::var_os("AGENTCONF_TEST_MODELS").is_none(), "{} is missing", missing.display());
        eprintln!("not tested: {} is missing; tests/run installs it", missing.display());
    }
    missing.is_none().then_some(folders)
}

/// Copies modules, and what they import and include, from these folders.
fn drop_into(to: &Path, names: &[&str], from: &[&PathBuf]) {
    std::fs::create_dir_all(to).unwrap();
    let mut pending: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut done = BTreeSet::new();
    while let Some(name) = pending.pop() {
        let file = from.iter().map(|folder| folder.join(format!("{name}.yang"))).find(|path| path.is_file());
        let Some(file) = file.filter(|_| done.insert(name.clone())) else { continue };
        let text = std::fs::read_to_string(&file).unwrap();
        let needed = text.lines().filter_map(|line| {
            let line = line.trim();
            line.strip_prefix("import ").or_else(|| line.strip_prefix("include "))
        });
        let first = |rest: &str| rest.split([' ', '{', ';']).next().unwrap_or_default().to_owned();
        pending.extend(needed.map(first));
        std::fs::copy(&file, to.join(format!("{name}.yang"))).unwrap();
    }
    assert!(names.iter().all(|name| done.contains(*name)), "{names:?}");
}

/// Drops all modules, and more of OpenConfig, below `yang/vendor/`.
fn drop_all(yang: &Path, [ietf, iana, openconfig]: &[PathBuf; 3], more: &[&str]) {
    drop_into(&yang.join("vendor/ietf"), &IETF, &[ietf, iana]);
    drop_into(&yang.join("vendor/openconfig"), &[&OPENCONFIG, more].concat(), &[openconfig]);
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

#[test]
fn dropped_files_are_implemented_beside_the_servers_modules() {
    let Some(packages) = packages() else { return };
    let temp = tempfile::tempdir().unwrap();
    let yang = temp.path().join("yang");
    copy(&project().join("yang"), &yang);
    drop_all(&yang, &packages, &[]);
    let files = Compiler::new().yang_dir(&yang).out_dir(temp.path().join("out")).compile();
    let files = files.unwrap_or_else(|e| panic!("{e}"));
    for name in IETF.iter().chain(&OPENCONFIG) {
        let file = format!("{}.rs", name.replace('-', "_"));
        let text = files.iter().find(|(name, _)| *name == file).map(|(_, text)| text);
        assert!(text.is_some_and(|text| text.contains("conformance: Conformance::Implement")), "{name}");
    }
}

/// The example with the vendor's modules, in `target/`, where it stays for the next time.
fn built(packages: &[PathBuf; 3]) -> PathBuf {
    let root = project();
    let package = root.join("target/vendor-test");
    if package.exists() {
        std::fs::remove_dir_all(&package).unwrap();
    }
    copy(&root.join("examples/own_modules"), &package);
    copy(&root.join("yang/standard"), &package.join("yang/standard"));
    drop_all(&package.join("yang"), packages, &[]);
    let manifest = package.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("\"../..", &format!("\"{}", root.display()))).unwrap();
    std::fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    let target = root.join("target");
    let mut cargo = Command::new(env!("CARGO"));
    let built =
        cargo.args(["build", "--offline", "--quiet"]).current_dir(&package).env("CARGO_TARGET_DIR", &target);
    let built = built.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    target.join("debug/own_modules")
}

/// What the program says of a document.
fn said(program: &Path, document: &str) -> (bool, String) {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("document.json");
    std::fs::write(&file, document).unwrap();
    let Output { status, stdout, .. } = Command::new(program).arg(&file).output().unwrap();
    let said = String::from_utf8(stdout).unwrap().replace(&format!("{}: ", file.display()), "");
    (status.success(), said)
}

#[test]
fn dropped_files_become_rust_that_validates() {
    let Some(packages) = packages() else { return };
    let program = built(&packages);
    let own = Command::new(&program).output().unwrap();
    // It compares what it wrote, in both encodings, with what it reads back.
    let shown = String::from_utf8_lossy(&own.stdout);
    assert!(own.status.success() && shown.contains("\"crew-roster:climbing\""), "{shown}");

    let interface = |ip: &str| {
        format!(
            r#"{{"ietf-interfaces:interfaces":{{"interface":[
                {{"name":"eth0","type":"iana-if-type:ethernetCsmacd","ietf-ip:ipv4":{{{ip}}}}}]}}}}"#
        )
    };
    let address = r#""address":[{"ip":"192.0.2.1","prefix-length":24}]"#;
    assert_eq!(said(&program, &interface(address)), (true, String::new()));
    let (ok, why) = said(&program, &interface(&address.replace("24", "33")));
    assert!(!ok && why.starts_with("invalid-value: \"prefix-length\""), "{why}");
    let (ok, why) =
        said(&program, &interface(&address.replace("iana-if-type", "x")).replace("ethernetCsmacd", "x"));
    assert!(!ok && why.contains("\"type\""), "{why}");

    // The supporting node has to be in the network that supports this one: a leafref with a
    // predicate (RFC 8345 section 6.1).
    let topology = |node: &str| {
        format!(
            r#"{{"ietf-network:networks":{{"network":[
                {{"network-id":"urn:under","node":[{{"node-id":"urn:a"}}]}},
                {{"network-id":"urn:over","supporting-network":[{{"network-ref":"urn:under"}}],
                  "node":[{{"node-id":"urn:b","supporting-node":[{{"network-ref":"urn:under","node-ref":"{node}"}}]}}]}}]}}}}"#
        )
    };
    assert_eq!(said(&program, &topology("urn:a")), (true, String::new()));
    // It need not be there: "require-instance false".
    assert_eq!(said(&program, &topology("urn:c")), (true, String::new()));

    let service = |sites: &str| {
        format!(
            r#"{{"ietf-l3vpn-svc:l3vpn-svc":{{"vpn-services":{{"vpn-service":[{{"vpn-id":"v1"}}]}},
                "sites":{{"site":[{{"site-id":"s1",{sites}}}]}}}}}}"#
        )
    };
    let policy = |vpn: &str| {
        service(&format!(
            r#""locations":{{"location":[{{"location-id":"l1"}}]}},"management":{{"type":"ietf-l3vpn-svc:provider-managed"}},
               "vpn-policies":{{"vpn-policy":[{{"vpn-policy-id":"p","entries":[{{"id":"e","vpn":[{{"vpn-id":"{vpn}"}}]}}]}}]}}"#
        ))
    };
    assert_eq!(said(&program, &policy("v1")), (true, String::new()));
    let (ok, why) = said(&program, &policy("v2"));
    assert!(!ok && why.contains("vpn-id='v2'"), "{why}");

    let openconfig = |kind: &str, address: &str| {
        format!(
            r#"{{"openconfig-interfaces:interfaces":{{"interface":[{{"name":"eth0",
                "config":{{"name":"eth0","type":"iana-if-type:{kind}"}},
                "openconfig-if-ethernet:ethernet":{{"config":{{"mac-address":"{address}"}}}}}}]}}}}"#
        )
    };
    let address = "00:00:5e:00:53:01";
    assert_eq!(said(&program, &openconfig("ethernetCsmacd", address)), (true, String::new()));
    let (ok, why) = said(&program, &openconfig("ethernetCsmacd", "x"));
    assert!(!ok && why.contains("\"mac-address\""), "{why}");
    let (ok, why) = said(&program, &openconfig("tunnel", address));
    assert!(!ok && why.contains("\"ethernet\" cannot be here"), "{why}");
}
