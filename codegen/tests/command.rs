//! The command on modules of one's own.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::path::Path;
use std::process::{Command, Output};

const MODULE: &str = "module own { namespace \"urn:own\"; prefix o; container top; }";

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agentconf-codegen"));
    let Output { status, stdout, stderr } = command.current_dir(folder).args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn it_writes_what_is_new_and_removes_what_is_gone_but_nothing_else() {
    let temp = tempfile::tempdir().unwrap();
    let (yang, out) = (temp.path().join("yang"), temp.path().join("out"));
    std::fs::create_dir(&yang).unwrap();
    std::fs::create_dir(&out).unwrap();
    std::fs::write(yang.join("own.yang"), MODULE).unwrap();
    std::fs::write(out.join("by_hand.rs"), "//! Mine.\n").unwrap();
    let arguments = ["--out", "out", "--crate-path", "agentconf::yang"];
    let check = [&arguments[..], &["--check"]].concat();

    let (code, _, stderr) = run(temp.path(), &check);
    assert_eq!(
        (code, stderr.as_str()),
        (Some(1), "not up to date: mod.rs, own.rs\nrun it without --check\n")
    );
    assert!(!out.join("own.rs").exists());
    assert_eq!(run(temp.path(), &arguments).0, Some(0));
    assert_eq!(run(temp.path(), &check).0, Some(0));

    std::fs::write(yang.join("own.yang"), MODULE.replace("own", "other")).unwrap();
    assert_eq!(run(temp.path(), &arguments).0, Some(0));
    let there = |name: &str| out.join(name).exists();
    assert!(there("other.rs") && there("by_hand.rs") && !there("own.rs"));
}

#[test]
fn it_says_how_it_is_used_and_what_is_wrong() {
    let temp = tempfile::tempdir().unwrap();
    let (code, stdout, _) = run(temp.path(), &["--help"]);
    assert!(code == Some(0) && stdout.contains("--crate-path PATH"));
    let (code, _, stderr) = run(temp.path(), &["--yung", "x"]);
    assert!(code == Some(2) && stderr.starts_with("unknown argument --yung\nUsage: "), "{stderr}");
    let (code, _, stderr) = run(temp.path(), &[]);
    assert!(code == Some(1) && stderr.contains("yang: "), "{stderr}");
    std::fs::create_dir(temp.path().join("yang")).unwrap();
    let (code, _, stderr) = run(temp.path(), &[]);
    assert!(code == Some(1) && stderr.contains("no module is implemented"), "{stderr}");
}

#[test]
fn it_warns_of_a_condition_that_names_a_node_that_is_not_there_and_goes_on() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir(temp.path().join("yang")).unwrap();
    let text = "module own { yang-version 1.1; namespace \"urn:own\"; prefix o;
  leaf a { type string;
    must \"../nothere = 3\"; }
  leaf n { type int8;
    must \". = 'abc'\"; }
  container c {
    when \"/o:gone\"; }
}";
    std::fs::write(temp.path().join("yang/own.yang"), text).unwrap();
    let (code, _, stderr) = run(temp.path(), &["--crate-path", "agentconf::yang"]);
    assert_eq!(code, Some(0), "{stderr}");
    for (line, start) in
        [(3, "must \"../nothere = 3\": "), (5, "must \". = 'abc'\": "), (7, "when \"/o:gone\": ")]
    {
        assert!(stderr.contains(&format!("own.yang:{line}: {start}")), "{stderr}");
    }
    assert!(
        stderr.lines().count() == 3 && stderr.lines().all(|line| line.starts_with("warning: ")),
        "{stderr}"
    );
    assert!(temp.path().join("src/yang/generated/own.rs").exists());
}

#[test]
fn it_warns_of_files_that_nothing_reads() {
    let temp = tempfile::tempdir().unwrap();
    let yang = temp.path().join("yang");
    std::fs::create_dir(&yang).unwrap();
    std::fs::write(yang.join("own.yang"), MODULE).unwrap();
    std::fs::write(yang.join("LOUD.YANG"), MODULE.replace("own", "loud")).unwrap();
    std::fs::write(yang.join("part.yang"), "submodule part { belongs-to own { prefix o; } }").unwrap();
    let (code, _, stderr) = run(temp.path(), &["--crate-path", "agentconf::yang"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("LOUD.YANG: the file is not read; "), "{stderr}");
    assert!(
        stderr.contains("part.yang:1: submodule \"part\": no module includes it; \"own\" needs"),
        "{stderr}"
    );
}
