//! What is checked in is what the modules compile to: `src/yang/generated/` from those in `yang/`, and the tables of the
//! benchmark of the datastore from its own.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

use std::collections::BTreeMap;
use std::path::Path;

use agentconf_codegen::Compiler;

#[test]
fn generated_code_is_fresh() {
    fresh("yang", "src/yang/generated", "crate::yang", "cargo gen");
}

#[test]
fn generated_code_of_the_benchmark_is_fresh() {
    let (yang, out) = ("tests/bench/datastore/yang", "tests/bench/datastore/generated");
    let command = format!("cargo gen --yang {yang} --out {out} --crate-path agentconf::yang");
    fresh(yang, out, "agentconf::yang", &command);
}

fn fresh(yang: &str, out: &str, crate_path: &str, command: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = root.canonicalize().unwrap();
    let out_dir = root.join(out);
    let compiler = Compiler::new().yang_dir(root.join(yang)).out_dir(&out_dir).crate_path(crate_path);
    let compiled = compiler.compile().unwrap_or_else(|e| panic!("{e}"));
    let compiled: BTreeMap<String, String> = compiled.into_iter().collect();
    let mut present = BTreeMap::new();
    for entry in std::fs::read_dir(&out_dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        present.insert(name, std::fs::read_to_string(&path).unwrap());
    }
    let names = compiled.keys().chain(present.keys());
    let mut stale: Vec<_> = names.filter(|name| compiled.get(*name) != present.get(*name)).collect();
    stale.sort();
    stale.dedup();
    assert!(stale.is_empty(), "not up to date: {stale:?}\nrun `{command}`");
}
