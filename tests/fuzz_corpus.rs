//! Every input that is kept in `fuzz/corpus` still passes its check, within a bound of size and time. The checks are those of the
//! fuzz targets; nothing is fuzzed here.

#![allow(clippy::expect_used, clippy::panic)] // tests

#[path = "../fuzz/src/lib.rs"]
mod checks;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Octets of one input.
const SIZE_MAX: u64 = 64 * 1024;
/// For one input; the slowest takes a tenth of it in a debug build.
const TIME_MAX: Duration = Duration::from_secs(10);

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
            let start = Instant::now();
            check(&octets);
            assert!(start.elapsed() < TIME_MAX, "{} took {:?}", input.display(), start.elapsed());
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}
