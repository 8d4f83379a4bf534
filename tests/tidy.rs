//! The rules of the house that the compiler does not know: which way imports point, where the operating system and the clock
//! may be touched, how a file opens, and what the repository holds. It reads sources as text and never compiles any.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

type Checked = Result<(), Box<dyn Error>>;

/// The map of ARCHITECTURE.md: a module imports modules of lower layers only, so siblings never import each other.
const LAYERS: &[&[&str]] = &[
    &["clock", "limits", "metrics"],
    &["ids", "trace"],
    &["yang"],
    &["datastore", "access", "agents", "tasks", "negotiation", "log"],
    &["audit"],
    &["engine"],
    &["restconf", "netconf"],
    &["client"],
    &["config"],
    &["server"],
    &["application", "backup"],
    &["cli"],
];

/// Modules that only the ones named may import, whatever their layers.
const RESERVED: &[(&str, &[&str])] = &[
    ("config", &["server", "application", "cli"]),
    ("server", &["application", "backup", "cli"]),
    ("client", &["cli"]),
];

/// Where the operating system is touched: sockets, files, the async runtime.
const DOORS: &[&str] = &[
    "server/",
    "cli/",
    "client/",
    "main.rs",
    "application.rs",
    "audit/segments.rs",
    "backup/",
    "config/",
    "clock.rs",
    "engine/committer.rs",
    "engine/driver.rs",
    "engine/dynamic.rs",
    "engine/group.rs",
    "engine/push.rs",
    "engine/output.rs",
    "engine/received.rs",
    "engine/sessions.rs",
    "engine/subscription.rs",
    "engine/subscriptions.rs",
    "engine/writer.rs",
    "engine/saver.rs",
    "log/archive.rs",
    "log/look.rs",
    "log/snapshots.rs",
    "log/storage.rs",
    "netconf/conversation.rs",
    "netconf/session.rs",
    "trace.rs",
];

/// Where the clock of the machine is read.
const CLOCKS: &[&str] = &["clock.rs", "server/", "engine/writer.rs"];

/// Names at the top of the repository beside those that begin with a dot.
const TOP: &[&str] = &[
    "ARCHITECTURE.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "codegen",
    "deploy",
    "examples",
    "fuzz",
    "src",
    "tests",
    "yang",
];

/// What a build, a run, the tour of README.md or an agent of the examples may leave there.
const LEFT_BEHIND: &[&str] = &["target", "agentconf-data", "copy", "elsewhere", "python-agent.last-event-id"];

const LONGEST_FILE: usize = 900;

#[test]
fn imports_point_one_way() -> Checked {
    let mut wrong = Vec::new();
    for file in sources("src")? {
        let Some(own) = module_of(&file.name) else { continue };
        let Some(own_layer) = layer(&own) else {
            wrong.push(format!("{}: the module `{own}` has no place in LAYERS", file.name));
            continue;
        };
        for other in imports(&file) {
            let reserved = RESERVED.iter().find(|(name, _)| *name == other);
            let allowed = match (layer(&other), reserved) {
                _ if other == own => true,
                (_, Some((_, importers))) => importers.contains(&own.as_str()),
                (Some(layer), None) => layer < own_layer,
                (None, None) => false,
            };
            if !allowed {
                wrong.push(format!("{}: `{own}` may not import `{other}`", file.name));
            }
        }
    }
    report(&wrong)
}

#[test]
fn the_client_knows_no_table_of_ours_but_where_it_is_about_our_operations() -> Checked {
    let mut wrong = Vec::new();
    let may_know = |name: &str| name.starts_with("src/client/agent/") || name.ends_with("/tests.rs");
    for file in sources("src/client")?.iter().filter(|file| !may_know(&file.name)) {
        let known =
            paths(without_tests(&file.code)).into_iter().filter(|path| path.contains("yang::generated"));
        wrong.extend(known.map(|path| format!("{}: `{path}`", file.name)));
    }
    report(&wrong)
}

#[test]
fn the_operating_system_is_touched_at_the_doors_only() -> Checked {
    let mut wrong = Vec::new();
    for file in sources("src")? {
        if within(&file.name, DOORS) || is_generated(&file.name) {
            continue;
        }
        let code = without_tests(&file.code);
        for path in paths(code) {
            let touches = path.starts_with("tokio::")
                || path.starts_with("std::fs")
                || path.starts_with("std::process")
                || (path.starts_with("std::net") && !is_address(&path));
            if touches {
                wrong.push(format!("{}: `{path}` belongs to {DOORS:?}", file.name));
            }
        }
    }
    report(&wrong)
}

#[test]
fn the_clock_of_the_machine_is_read_in_few_places() -> Checked {
    let mut wrong = Vec::new();
    for file in sources("src")? {
        if within(&file.name, CLOCKS) {
            continue;
        }
        for word in words(without_tests(&file.code)) {
            if word == "SystemTime" || word == "Instant" {
                wrong.push(format!("{}: `{word}` belongs to {CLOCKS:?}", file.name));
            }
        }
    }
    report(&wrong)
}

#[test]
fn every_source_file_says_what_it_owns() -> Checked {
    let mut wrong = Vec::new();
    for file in sources("src")?.into_iter().chain(sources("codegen/src")?) {
        if !is_generated(&file.name) && !file.text.starts_with("//! ") {
            wrong.push(format!("{}: does not open with `//!`", file.name));
        }
    }
    report(&wrong)
}

#[test]
fn no_file_is_too_long_to_read() -> Checked {
    let mut wrong = Vec::new();
    for folder in ["src", "codegen", "tests", "examples", "fuzz"] {
        for file in sources(folder)? {
            let lines = file.text.lines().count();
            if !is_generated(&file.name) && lines > LONGEST_FILE {
                wrong.push(format!("{}: {lines} lines, more than {LONGEST_FILE}", file.name));
            }
        }
    }
    report(&wrong)
}

#[test]
fn nothing_is_left_half_done() -> Checked {
    // Written apart, so that this file does not find itself.
    let marks = [concat!("FIX", "ME"), concat!("TO", "DO"), concat!("X", "XX")];
    let calls = [
        concat!("todo", "!("),
        concat!("unimpl", "emented!("),
        concat!("allow(dead", "_code)"),
        concat!("#[ig", "nore"),
    ];
    let mut wrong = Vec::new();
    for path in text_files()? {
        let text = fs::read_to_string(&path)?;
        for (number, line) in text.lines().enumerate() {
            let marked = words(line).any(|word| marks.contains(&word));
            if marked || calls.iter().any(|call| line.contains(call)) {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    report(&wrong)
}

#[test]
fn nothing_refers_to_a_place_outside_of_the_repository() -> Checked {
    let places = [concat!("..", "/shared"), concat!("/wo", "rk/")];
    let mut wrong = Vec::new();
    for path in text_files()? {
        let text = fs::read_to_string(&path)?;
        for (number, line) in text.lines().enumerate() {
            if places.iter().any(|place| line.contains(place)) {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    report(&wrong)
}

#[test]
fn the_top_of_the_repository_holds_what_it_should() -> Checked {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(root())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && !LEFT_BEHIND.contains(&name.as_str()) {
            found.insert(name);
        }
    }
    let expected: BTreeSet<String> = TOP.iter().map(|name| name.to_string()).collect();
    assert_eq!(found, expected);
    Ok(())
}

#[test]
fn the_server_is_built_without_libyang() -> Checked {
    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    let mut section = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line.trim();
        }
        let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
        assert!(
            section.contains("dev-dependencies")
                || !(name.starts_with("yang") || name.starts_with("libyang")),
            "{section} has {name}: libyang is for the generator and for tests"
        );
    }
    Ok(())
}

#[test]
fn this_test_reads_imports_as_rust_does() {
    let file = Source::new(
        "src/engine/core.rs".to_owned(),
        "use crate::{\n  yang::{path, tree},\n  // crate::no\n  tasks as t,\n};\n\
         use super::super::log;\nlet s = \"crate::neither\"; let c = '\"'; let x: &'a crate::ids::Id;"
            .to_owned(),
    );
    let expected = ["ids", "log", "tasks", "yang"].map(str::to_owned);
    assert_eq!(imports(&file), BTreeSet::from(expected));
    let code = code_of("use std::{fs::File, net::{IpAddr, TcpStream}}; use tokio::sync;");
    let found: Vec<String> = paths(&code).into_iter().collect();
    assert_eq!(found, ["std::fs::File", "std::net::IpAddr", "std::net::TcpStream", "tokio::sync"]);
}

// What the checks are made of.

/// A Rust file: its name from the root of the repository, its text, and the text without comments and literals.
struct Source {
    name: String,
    text: String,
    code: String,
}

impl Source {
    fn new(name: String, text: String) -> Self {
        let code = code_of(&text);
        Self { name, text, code }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn report(wrong: &[String]) -> Checked {
    assert!(wrong.is_empty(), "{} found:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

fn sources(folder: &str) -> Result<Vec<Source>, Box<dyn Error>> {
    let mut found = Vec::new();
    for path in files(&root().join(folder))? {
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root())?.to_string_lossy().into_owned();
            found.push(Source::new(name, fs::read_to_string(&path)?));
        }
    }
    Ok(found)
}

/// Files that people write, standards and the draft left out.
fn text_files() -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let kinds = ["rs", "toml", "md", "sh", "py", "yang", "tsv"];
    let mut found = Vec::new();
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "Cargo.toml",
        ".cargo",
        ".ci",
        "src",
        "codegen",
        "deploy",
        "tests",
        "examples",
        "fuzz",
        "yang",
    ] {
        let path = root().join(name);
        if path.is_file() {
            found.push(path);
            continue;
        }
        for path in files(&path)? {
            let kind = path.extension().map(|extension| extension.to_string_lossy().into_owned());
            let written = kind.is_none_or(|kind| kinds.contains(&kind.as_str()));
            let foreign = path.extension().is_some_and(|extension| extension == "yang")
                && (path.starts_with(root().join("yang/standard"))
                    || path.starts_with(root().join("yang/draft")));
            if written && !foreign {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() {
            if !["target", "__pycache__", "corpus", "artifacts"].contains(&&*name.to_string_lossy()) {
                found.extend(files(&path)?);
            }
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn is_generated(name: &str) -> bool {
    name.contains("/generated/")
}

/// Whether a file of `src/` is, or lies in, one of `places`.
fn within(name: &str, places: &[&str]) -> bool {
    let inner = name.strip_prefix("src/").unwrap_or(name);
    places.iter().any(|place| inner == *place || (place.ends_with('/') && inner.starts_with(place)))
}

/// The top-level module that a file of `src/` belongs to; none for the crate roots.
fn module_of(name: &str) -> Option<String> {
    let inner = name.strip_prefix("src/")?;
    let first = inner.split('/').next()?;
    let module = first.strip_suffix(".rs").unwrap_or(first);
    (module != "lib" && module != "main").then(|| module.to_owned())
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

/// The top-level modules that a file names, by `crate::` or by enough `super::`.
fn imports(file: &Source) -> BTreeSet<String> {
    let inner = file.name.strip_prefix("src/").unwrap_or(&file.name);
    let depth = inner.split('/').count() - usize::from(inner.ends_with("/mod.rs"));
    let up = "super::".repeat(depth);
    let mut found = BTreeSet::new();
    for path in paths(&file.code) {
        let first = |rest: &str| rest.split("::").next().unwrap_or_default().to_owned();
        if let Some(rest) = path.strip_prefix("crate::") {
            found.insert(first(rest));
        } else if let Some(rest) = path.strip_prefix(&up) {
            // In a nested module the same path stays inside, so only a name of the map counts.
            let name = first(rest);
            if layer(&name).is_some() {
                found.insert(name);
            }
        }
    }
    found
}

/// Every path in `code`, the groups of a `use` written out.
fn paths(code: &str) -> BTreeSet<String> {
    let compact: String = {
        let spaced = code.replace("\r", " ").replace('\n', " ");
        let mut parts = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
        for around in ["::", "{", "}", ","] {
            for spaced in [format!(" {around}"), format!("{around} ")] {
                parts = parts.replace(&spaced, around);
            }
        }
        parts
    };
    let mut found = BTreeSet::new();
    let bytes = compact.as_bytes();
    let mut at = 0;
    while at < compact.len() {
        let starts = is_word(bytes[at]) && (at == 0 || !(is_word(bytes[at - 1]) || bytes[at - 1] == b':'));
        if starts {
            at = expand(&compact, at, "", &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads one path that begins at `at`, with `before` in front of it; says where it ends.
fn expand(code: &str, mut at: usize, before: &str, found: &mut BTreeSet<String>) -> usize {
    let bytes = code.as_bytes();
    let mut path = before.to_owned();
    loop {
        let start = at;
        while at < code.len() && is_word(bytes[at]) {
            at += 1;
        }
        path.push_str(&code[start..at]);
        if !code[at..].starts_with("::") {
            break;
        }
        at += 2;
        if code[at..].starts_with('{') {
            at += 1;
            path.push_str("::");
            while at < code.len() && bytes[at] != b'}' {
                if is_word(bytes[at]) {
                    at = expand(code, at, &path, found);
                    // A renaming is not part of the path.
                    while at < code.len() && !matches!(bytes[at], b',' | b'}') {
                        at += 1;
                    }
                } else {
                    at += 1;
                }
            }
            return (at + 1).min(code.len());
        }
        if at >= code.len() || !is_word(bytes[at]) {
            break;
        }
        path.push_str("::");
    }
    if path.contains("::") {
        found.insert(path);
    }
    at
}

fn is_address(path: &str) -> bool {
    let name = path.rsplit("::").next().unwrap_or_default();
    ["IpAddr", "Ipv4Addr", "Ipv6Addr", "SocketAddr"]
        .iter()
        .any(|address| path.contains(address) || name == *address)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The code above a file's unit tests, which stand at its end.
fn without_tests(code: &str) -> &str {
    code.split("#[cfg(test)]").next().unwrap_or_default()
}

/// `text` with comments, strings and character literals left out.
fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    let next = |at: usize| chars.get(at).copied().unwrap_or('\0');
    while at < chars.len() {
        match (chars[at], next(at + 1)) {
            ('/', '/') => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
            }
            ('/', '*') => {
                let mut depth = 0;
                loop {
                    match (next(at), next(at + 1)) {
                        ('/', '*') => (depth, at) = (depth + 1, at + 2),
                        ('*', '/') => (depth, at) = (depth - 1, at + 2),
                        _ => at += 1,
                    }
                    if depth == 0 || at >= chars.len() {
                        break;
                    }
                }
            }
            ('r', '"' | '#') if at == 0 || !chars[at - 1].is_alphanumeric() || chars[at - 1] == 'b' => {
                let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
                if next(at + 1 + hashes) == '"' {
                    at += 2 + hashes;
                    while at < chars.len()
                        && !(chars[at] == '"' && (1..=hashes).all(|hash| next(at + hash) == '#'))
                    {
                        at += 1;
                    }
                    at += 1 + hashes;
                } else {
                    code.push('r');
                    at += 1;
                }
            }
            ('"', _) => {
                at += 1;
                while at < chars.len() && chars[at] != '"' {
                    at += if chars[at] == '\\' { 2 } else { 1 };
                }
                at += 1;
            }
            ('\'', '\\') => {
                at += 3;
                while at < chars.len() && chars[at] != '\'' {
                    at += 1;
                }
                at += 1;
            }
            ('\'', _) if next(at + 2) == '\'' => at += 3,
            (c, _) => {
                code.push(c);
                at += 1;
            }
        }
    }
    code
}
