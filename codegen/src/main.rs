//! `agentconf-codegen`: writes what the library compiles, or checks that it is written. It
//! removes generated files of modules that are gone, and touches nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agentconf_codegen::{Compiler, Error, Result};

const USAGE: &str = "agentconf-codegen [--check] [--yang DIR] [--out DIR] [--crate-path PATH]";

struct Arguments {
    check: bool,
    yang: PathBuf,
    out: PathBuf,
    crate_path: String,
}

fn main() -> ExitCode {
    let arguments = match arguments(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(wrong) => {
            eprintln!("{wrong}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(stale) if stale.is_empty() => ExitCode::SUCCESS,
        Ok(stale) => {
            eprintln!("not up to date: {}\nrun `cargo gen`", stale.join(", "));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments(mut from: impl Iterator<Item = String>) -> std::result::Result<Arguments, String> {
    let mut arguments = Arguments {
        check: false,
        yang: PathBuf::from("yang"),
        out: PathBuf::from("src/yang/generated"),
        crate_path: "crate::yang".to_owned(),
    };
    while let Some(argument) = from.next() {
        let mut value = || from.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--check" => arguments.check = true,
            "--yang" => arguments.yang = value()?.into(),
            "--out" => arguments.out = value()?.into(),
            "--crate-path" => arguments.crate_path = value()?,
            _ => return Err(format!("unknown argument {argument}")),
        }
    }
    Ok(arguments)
}

/// Writes the files, or with `--check` returns the names of those that differ.
fn run(arguments: &Arguments) -> Result<Vec<String>> {
    let Arguments { yang, out, crate_path, .. } = arguments;
    let files = Compiler::new().yang_dir(yang).out_dir(out).crate_path(crate_path).compile()?;
    let mut stale: Vec<String> = Vec::new();
    for (name, text) in &files {
        let path = out.join(name);
        if std::fs::read_to_string(&path).is_ok_and(|old| old == *text) {
            continue;
        }
        stale.push(name.clone());
        if !arguments.check {
            std::fs::create_dir_all(out).map_err(Error::io(out))?;
            std::fs::write(&path, text).map_err(Error::io(&path))?;
        }
    }
    let current: BTreeSet<_> = files.into_iter().map(|(name, _)| name).collect();
    for name in rust_files(out)?.difference(&current) {
        stale.push(name.clone());
        if !arguments.check {
            let path = out.join(name);
            std::fs::remove_file(&path).map_err(Error::io(&path))?;
        }
    }
    Ok(if arguments.check { stale } else { Vec::new() })
}

/// Names of the Rust files in a folder; none if there is no folder.
fn rust_files(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    if folder.is_dir() {
        for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
            let name = entry.map_err(Error::io(folder))?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".rs") {
                names.insert(name);
            }
        }
    }
    Ok(names)
}
