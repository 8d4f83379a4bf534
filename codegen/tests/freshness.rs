//! What is checked in under `src/yang/generated/` is what the modules in `yang/` compile to.

use std::collections::BTreeMap;
use std::path::Path;

use agentconf_codegen::Compiler;

#[test]
fn generated_code_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = root.canonicalize().unwrap();
    let out_dir = root.join("src/yang/generated");
    let compiled = Compiler::new().yang_dir(root.join("yang")).out_dir(&out_dir).compile();
    let compiled: BTreeMap<String, String> = compiled.unwrap_or_else(|e| panic!("{e}")).into_iter().collect();
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
    assert!(stale.is_empty(), "not up to date: {stale:?}\nrun `cargo gen`");
}
