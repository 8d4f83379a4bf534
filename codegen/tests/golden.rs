//! Golden cases: `cases/<name>/` holds the modules, `cases/<name>.rs` what they compile to or
//! `cases/<name>.stderr` why they are refused. `CODEGEN_BLESS=1 cargo test` writes them anew.
//! That the Rust compiles and converts is tested in the main package, `tests/generated.rs`.

use std::path::{Path, PathBuf};

use agentconf_codegen::Compiler;

/// The file that a case ought to have, and the name it has.
fn outcome(cases: &Path, name: &str) -> (PathBuf, String) {
    let compiler = Compiler::new().yang_dir(cases.join(name)).out_dir(cases).crate_path("agentconf::yang");
    match compiler.compile() {
        Ok(files) => {
            let mut text = String::new();
            // `mod.rs` is left out: it names no more than these.
            for (file, module) in files.iter().filter(|(file, _)| file != "mod.rs") {
                let name = file.trim_end_matches(".rs");
                text += &format!("#[rustfmt::skip]\npub mod {name} {{\n{module}}}\n");
            }
            (cases.join(format!("{name}.rs")), text)
        }
        Err(error) => {
            let text = error.to_string().replace(&format!("{}/", cases.display()), "");
            (cases.join(format!("{name}.stderr")), text + "\n")
        }
    }
}

#[test]
fn modules_compile_to_what_is_checked_in() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let folders =
        std::fs::read_dir(&cases).unwrap().map(|entry| entry.unwrap()).filter(|e| e.path().is_dir());
    let mut names: Vec<String> = folders.map(|e| e.file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(!names.is_empty());
    let mut differing = Vec::new();
    for name in names {
        let (path, text) = outcome(&cases, &name);
        if std::env::var_os("CODEGEN_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        } else if std::fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            differing.push(path.display().to_string());
        }
    }
    assert!(differing.is_empty(), "run with CODEGEN_BLESS=1 and look at the diff of: {differing:#?}");
}

#[test]
fn the_same_modules_give_the_same_text() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    assert_eq!(outcome(&cases, "augment"), outcome(&cases, "augment"));
}
