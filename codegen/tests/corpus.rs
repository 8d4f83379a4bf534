//! Modules of others: all that pyang and libyang ship, and families of the IETF and OpenConfig
//! from packages. Each is compiled alone, with the others to import, and each family as a whole.
//! What is refused is listed in `corpus-refused.txt` with the reason; the list may only shrink.
//!
//! `tests/run` installs the packages and says where in `AGENTCONF_TEST_MODELS`. Without that
//! variable, what is not there is named and left out.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
#![allow(clippy::disallowed_methods, reason = "it measures")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use agentconf_codegen::Compiler;

/// The longest that a family may take of a processor: a hundred modules take 3 s, unoptimised.
const TIME_MAX: Duration = Duration::from_secs(10);

/// What this thread has had of a processor (`/proc/thread-self/schedstat`, in nanoseconds), which
/// does not depend on what else the machine does; without it, the time since `start`.
fn time_used(start: Instant) -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split_whitespace().next().and_then(|field| field.parse().ok());
    nanoseconds.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// Where a family of modules is.
struct Family {
    name: &'static str,
    /// The folder.
    folder: PathBuf,
    /// Further folders that it can import from.
    imports: Vec<PathBuf>,
}

/// A module of a family.
struct Member {
    name: String,
    /// `name` or `name@revision`, as `modules.toml` has it.
    full: String,
}

impl Family {
    /// The modules, without submodules, each by what its text says of itself.
    fn members(&self) -> Vec<Member> {
        let mut members = Vec::new();
        for entry in std::fs::read_dir(&self.folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "yang") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let mut words = text.lines().filter_map(|line| line.trim().strip_prefix("module "));
            let Some(word) = words.next() else { continue };
            let name = word.trim_end_matches('{').trim().trim_matches('"').to_owned();
            let stem = path.file_stem().unwrap().to_string_lossy();
            let revision = stem.split_once('@').map_or(String::new(), |(_, r)| format!("@{r}"));
            members.push(Member { full: format!("{name}{revision}"), name });
        }
        members.sort_by(|a, b| a.full.cmp(&b.full));
        members
    }

    /// A YANG folder that implements these modules of the family.
    fn yang_dir(&self, below: &Path, implement: &[&str]) -> PathBuf {
        let yang = below.join("yang");
        std::fs::create_dir_all(yang.join("standard")).unwrap();
        for (index, folder) in std::iter::once(&self.folder).chain(&self.imports).enumerate() {
            std::os::unix::fs::symlink(folder, yang.join(format!("standard/{index}"))).unwrap();
        }
        std::fs::write(yang.join("modules.toml"), format!("implement = {implement:?}\n")).unwrap();
        yang
    }

    /// What is said against compiling these modules, if anything.
    fn refusal(&self, below: &Path, implement: &[&str]) -> Option<String> {
        let yang = self.yang_dir(below, implement);
        Compiler::new().yang_dir(yang).out_dir(below.join("out")).compile().err().map(|e| e.to_string())
    }
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The folder of libyang's source.
fn libyang() -> PathBuf {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    let output =
        cargo.args(["metadata", "--format-version", "1", "--offline"]).current_dir(project()).output();
    let metadata: serde_json::Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|p| p["name"] == "libyang5-sys").unwrap();
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    manifest.with_file_name("libyang")
}

fn families() -> Vec<Family> {
    let root = project();
    let standard = root.join("yang/standard");
    let libyang = libyang();
    let (venv, models) = (root.join("target/test-venv/share/yang/modules"), root.join("target/test-models"));
    let (iana, ietf) = (venv.join("iana"), venv.join("ietf"));
    let shipped = libyang.join("modules");
    let family = |name, folder: PathBuf, imports: &[&PathBuf]| Family {
        name,
        folder,
        imports: imports.iter().map(|p| (*p).clone()).collect(),
    };
    let all = [
        family("pyang-iana", iana.clone(), &[&ietf, &standard]),
        family("pyang-ietf", ietf.clone(), &[&iana, &standard]),
        family("libyang", shipped.clone(), &[]),
        family("libyang-tests", libyang.join("tests/modules/yang"), &[&shipped]),
        family("libyang-yanglint", libyang.join("tests/yanglint/modules"), &[&shipped]),
        family("ydk-ietf", models.join("ydk/models/ietf/_yang"), &[]),
        family("openconfig", models.join("ydk/models/openconfig/_yang"), &[]),
        family("yangcore", models.join("yangcore/yang"), &[]),
    ];
    let required = std::env::var_os("AGENTCONF_TEST_MODELS").is_some();
    let is_there = |family: &Family| {
        let there = family.folder.is_dir();
        assert!(there || !required, "{} is missing, see tests/run", family.folder.display());
        if !there {
            eprintln!(
                "not tested: {}, for {} is missing; tests/run installs it",
                family.name,
                family.folder.display()
            );
        }
        there
    };
    all.into_iter().filter(is_there).collect()
}

/// `family/module` of each line.
fn listed() -> BTreeSet<String> {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus-refused.txt");
    let text = std::fs::read_to_string(list).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let listed = lines.map(|line| {
        let (module, reason) = line.split_once(": ").expect("`family/module: reason`");
        assert!(!reason.is_empty());
        module.to_owned()
    });
    listed.collect()
}

#[test]
fn every_module_compiles_but_those_listed() {
    let families = families();
    let mut tasks = Vec::new();
    for family in &families {
        tasks.extend(family.members().into_iter().map(|member| (family, member)));
    }
    let temp = tempfile::tempdir().unwrap();
    let (next, refused) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some((family, member)) = tasks.get(index) else { break };
                    let below = temp.path().join(index.to_string());
                    if let Some(why) = family.refusal(&below, &[&member.full]) {
                        refused.lock().unwrap().push((format!("{}/{}", family.name, member.full), why));
                    }
                }
            });
        }
    });
    let refused = refused.into_inner().unwrap();
    let listed = listed();
    let news: Vec<_> = refused.iter().filter(|(module, _)| !listed.contains(module)).collect();
    assert!(news.is_empty(), "refused, but not listed: {news:#?}");
    let all: BTreeSet<_> = tasks.iter().map(|(family, m)| format!("{}/{}", family.name, m.full)).collect();
    let compiles = |module: &&String| all.contains(*module) && refused.iter().all(|(r, _)| r != *module);
    let stale: Vec<_> = listed.iter().filter(compiles).collect();
    assert!(stale.is_empty(), "these compile, take them out of corpus-refused.txt: {stale:?}");
    println!("{} modules of {} families, {} of them refused", all.len(), families.len(), refused.len());
}

#[test]
fn a_family_compiles_as_a_whole_in_no_time() {
    let temp = tempfile::tempdir().unwrap();
    let (start, listed) = (Instant::now(), listed());
    for family in families() {
        // Test modules of libyang are not made to be implemented together.
        if family.name.starts_with("libyang-") {
            continue;
        }
        let mut members = family.members();
        members.retain(|member| !listed.contains(&format!("{}/{}", family.name, member.full)));
        // Of several revisions only one can be implemented.
        members.dedup_by(|later, kept| {
            let same = later.name == kept.name;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        let names: Vec<&str> = members.iter().map(|member| member.full.as_str()).collect();
        let before = time_used(start);
        let refusal = family.refusal(&temp.path().join(family.name), &names);
        let took = time_used(start) - before;
        assert_eq!(refusal, None, "{}", family.name);
        println!("{}: {} modules in {took:?}", family.name, names.len());
        assert!(took < TIME_MAX, "{}: {took:?}", family.name);
    }
}
