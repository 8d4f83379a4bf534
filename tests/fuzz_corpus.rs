//! Every input that is kept in `fuzz/corpus` still passes its check, and is no larger than it has to be. The checks are those
//! of the fuzz targets; nothing is fuzzed here.

#![allow(clippy::expect_used, clippy::panic)] // tests

#[path = "../fuzz/src/lib.rs"]
mod checks;

use std::fs;
use std::path::{Path, PathBuf};

/// Octets of one input.
const SIZE_MAX: u64 = 64 * 1024;

#[test]
fn what_was_found_passes_its_check() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut folders: Vec<PathBuf> = entries(&corpus);
    folders.sort();
    let names: Vec<PathBuf> = checks::CHECKS.iter().map(|(name, _)| corpus.join(name)).collect();
    assert_eq!(folders, names, "each target has a folder");
    for (name, check) in checks::CHECKS {
        let inputs = entries(&corpus.join(name));
        assert!(inputs.len() >= 3, "{name} has few inputs");
        for input in inputs {
            let octets = fs::read(&input).expect("an input");
            assert!(octets.len() as u64 <= SIZE_MAX, "{} is too large", input.display());
            // The name of the last input that is printed is that of the one that fails.
            println!("{}", input.display());
            check(&octets);
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}
