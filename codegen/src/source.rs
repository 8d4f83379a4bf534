//! The `.yang` files of a folder: what each says of itself, and which one an import means. It
//! never decides what is implemented; `load` does.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};

use crate::error::{Diagnostic, Error, Result};
use crate::pattern::translate;
use crate::statement::Statement;

/// How the name of a file ends that is read.
const SUFFIX: &str = "yang";
/// The folder whose modules are only loaded when needed.
const STANDARD: &str = "standard";
/// What a pattern begins with that libyang must not read; see [`Source::for_libyang`].
const PATTERN_ANY: &str = r"[\s\S]*|xsd:";
/// The same for a pattern that is inverted.
const PATTERN_NONE: &str = "xsd:";

/// One `.yang` file.
#[derive(Debug)]
pub struct Source {
    /// The name of the module or submodule.
    pub name: String,
    /// The newest revision that the text has.
    pub revision: Option<String>,
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is below `standard/`.
    pub standard: bool,
    /// Whether it is a submodule.
    pub submodule: bool,
    /// What comes before the body.
    header: Statement,
    text: String,
    /// What is wrong with the file as such.
    fault: Option<&'static str>,
    /// All of it, once it is asked for.
    statement: OnceCell<Statement>,
    /// Its text as libyang is to read it, once it is asked for.
    for_libyang: OnceCell<CString>,
}

/// The files of a folder.
#[derive(Debug)]
pub struct Sources {
    /// Ascending by path, those of `standard/` last.
    all: Vec<Source>,
    /// Files that were most likely meant to be read, and have another suffix.
    unread: Vec<PathBuf>,
}

impl Sources {
    /// Reads all `.yang` files below the folder.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(yang_dir: &Path) -> Result<Self> {
        let (mut all, mut unread) = (Vec::new(), Vec::new());
        for path in files(yang_dir)? {
            if path.extension().is_none_or(|e| e != SUFFIX) {
                unread.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).map_err(Error::io(&path))?;
            let standard = path.strip_prefix(yang_dir).is_ok_and(|p| p.starts_with(STANDARD));
            all.push(Source::new(path, standard, bytes));
        }
        all.sort_by(|a, b| (a.standard, &a.path).cmp(&(b.standard, &b.path)));
        unread.sort();
        Ok(Sources { all, unread })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.all.iter()
    }

    /// The file of a module, or of a submodule, that has this revision; without one the newest.
    /// Of files alike it is the first, so that those outside of `standard/` come before it.
    pub fn find(&self, name: &str, revision: Option<&str>, submodule: bool) -> Option<&Source> {
        let mut of_name = self.all.iter().filter(|s| s.name == name && s.submodule == submodule);
        match revision {
            Some(revision) => of_name.find(|s| s.revision.as_deref().unwrap_or_default() == revision),
            None => of_name.rev().max_by(|a, b| a.revision.cmp(&b.revision)),
        }
    }

    /// Files outside of `standard/` that say nothing to anybody: those with another suffix, and submodules that no module
    /// includes.
    pub fn unused(&self) -> Vec<Diagnostic> {
        let rule = "the file is not read; the suffix is \".yang\", in small letters".to_owned();
        let unread = |path: &PathBuf| Diagnostic {
            file: Some(path.clone()),
            line: 0,
            path: String::new(),
            rule: rule.clone(),
        };
        let mut found: Vec<Diagnostic> = self.unread.iter().map(unread).collect();
        let mut included = BTreeSet::new();
        for module in self.all.iter().filter(|s| !s.submodule) {
            included.extend(self.parts(module).into_iter().map(|part| &part.path));
        }
        let is_left = |s: &&Source| s.submodule && !s.standard && !included.contains(&s.path);
        for source in self.all.iter().filter(is_left) {
            let module = source.header.get("belongs-to").unwrap_or_default();
            let rule = format!(
                "no module includes it; \"{module}\" needs an \"include\", or this file is not needed"
            );
            found.push(source.problem(&source.header, &rule));
        }
        found
    }

    /// What is wrong with these modules and what they need, before anyone looks inside: faulty
    /// files, imports that no file can serve, and files that cannot be together.
    pub fn check(
        &self,
        roots: Vec<&Source>,
        is_built_in: impl Fn(&str, Option<&str>) -> bool,
    ) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        let mut used: Vec<&Source> = Vec::new();
        let mut pending = roots;
        while let Some(source) = pending.pop() {
            if used.iter().any(|s| s.path == source.path) {
                continue;
            }
            used.push(source);
            problems.extend(source.fault.map(|fault| source.problem(&source.header, fault)));
            let needed =
                source.header.children.iter().filter(|s| matches!(s.keyword.as_str(), "import" | "include"));
            for needed in needed {
                let submodule = needed.keyword == "include";
                let (name, revision) = (needed.argument.as_str(), needed.get("revision-date"));
                if let Some(found) = self.find(name, revision, submodule) {
                    pending.push(found);
                } else if submodule || !is_built_in(name, revision) {
                    problems.push(source.problem(needed, &self.not_there(name, revision, submodule)));
                }
            }
        }
        used.sort_by_key(|s| &s.path);
        problems.extend(self.clashes(&used));
        problems
    }

    /// The newest file of a module or, if there is none, of a submodule.
    pub fn newest(&self, name: &str) -> Option<&Source> {
        self.find(name, None, false).or_else(|| self.find(name, None, true))
    }

    /// The modules that a module and its submodules augment or deviate.
    pub fn targets<'a>(&'a self, source: &'a Source) -> Vec<&'a Source> {
        let mut found = Vec::new();
        for part in self.parts(source) {
            let paths = part.statement().children.iter();
            let paths = paths.filter(|s| matches!(s.keyword.as_str(), "augment" | "deviation"));
            let steps = paths.flat_map(|s| s.argument.split('/'));
            let prefixes: BTreeSet<&str> = steps.filter_map(|s| Some(s.trim().split_once(':')?.0)).collect();
            for import in part.header.all("import") {
                if import.get("prefix").is_some_and(|prefix| prefixes.contains(prefix)) {
                    found.extend(self.find(&import.argument, import.get("revision-date"), false));
                }
            }
        }
        found
    }

    /// The names of the features of a module and its submodules.
    pub fn features<'a>(&'a self, source: &'a Source) -> Vec<&'a str> {
        let features = |part: &'a Source| part.statement().children.iter().filter(|s| s.keyword == "feature");
        self.parts(source).into_iter().flat_map(features).map(|s| s.argument.as_str()).collect()
    }

    /// A module and its submodules.
    pub fn parts<'a>(&'a self, source: &'a Source) -> Vec<&'a Source> {
        let mut parts = vec![source];
        let mut next = 0;
        while let Some(part) = parts.get(next) {
            let includes = part.header.children.iter().filter(|s| s.keyword == "include");
            let included = includes.filter_map(|s| self.find(&s.argument, s.get("revision-date"), true));
            let new: Vec<_> = included.filter(|s| parts.iter().all(|p| p.path != s.path)).collect();
            parts.extend(new);
            next += 1;
        }
        parts
    }

    /// What to say of a module or submodule that no file has.
    pub fn not_there(&self, name: &str, revision: Option<&str>, submodule: bool) -> String {
        let kind = if submodule { "submodule" } else { "module" };
        let others = self.all.iter().filter(|s| s.name == name);
        let others: Vec<_> = others.map(|s| s.revision.clone().unwrap_or("none".to_owned())).collect();
        let file = revision.map_or(name.to_owned(), |revision| format!("{name}@{revision}"));
        let there = match others.as_slice() {
            [] => String::new(),
            others => format!(" (there are files with the revisions: {})", others.join(", ")),
        };
        format!("no file has the {kind} \"{file}\"{there}; put \"{file}.yang\" beside this file")
    }

    /// What cannot be together, with both places.
    fn clashes(&self, used: &[&Source]) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        let mut namespaces: BTreeMap<&str, &Source> = BTreeMap::new();
        for source in used {
            let is_twin = |s: &&Source| {
                (&s.name, &s.revision, s.submodule) == (&source.name, &source.revision, source.submodule)
                    && s.standard == source.standard
                    && s.path != source.path
            };
            for twin in self.all.iter().filter(is_twin) {
                if let Some((here, there)) = first_difference(source.statement(), twin.statement()) {
                    let rule = format!(
                        "{}:{} has the same name and revision and says something else here; \
                         take one of the two away",
                        twin.path.display(),
                        there.line
                    );
                    problems.push(source.problem(here, &rule));
                }
            }
            let Some(namespace) = source.header.all("namespace").next() else { continue };
            let other = *namespaces.entry(&namespace.argument).or_insert(source);
            if other.name != source.name {
                let line = other.header.all("namespace").next().map_or(0, |s| s.line);
                let rule = format!(
                    "the module \"{}\" in {}:{line} has the same namespace; each module needs its own",
                    other.name,
                    other.path.display()
                );
                problems.push(source.problem(namespace, &rule));
            }
        }
        problems
    }
}

impl Source {
    fn new(path: PathBuf, standard: bool, bytes: Vec<u8>) -> Self {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let header = module_of(Statement::parse_header(&text));
        let fault = match &header {
            None => Some("this is neither a module nor a submodule; rename the file if it is no YANG"),
            Some(_) if std::str::from_utf8(&bytes).is_err() => Some("the text is not UTF-8; convert it"),
            Some(_) if text.contains('\0') => Some("there is a NUL character in the text; take it out"),
            Some(_) => None,
        };
        let header = header.unwrap_or_default();
        let name = match fault {
            // A file that says nothing of itself is what its name says.
            _ if header.argument.is_empty() => {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                stem.split('@').next().unwrap_or_default().to_owned()
            }
            _ => header.argument.clone(),
        };
        Source {
            name,
            revision: header.all("revision").map(|s| s.argument.clone()).max(),
            path,
            standard,
            submodule: header.keyword == "submodule",
            header,
            text,
            fault,
            statement: OnceCell::new(),
            for_libyang: OnceCell::new(),
        }
    }

    /// The module or submodule.
    pub fn statement(&self) -> &Statement {
        self.statement.get_or_init(|| module_of(Statement::parse(&self.text)).unwrap_or_default())
    }

    /// The module, and its revision if it says one, that a prefix stands for here; `None` for its own and for one that
    /// nothing has.
    pub fn import(&self, prefix: &str) -> Option<(&str, Option<&str>)> {
        let mut imports = self.header.all("import");
        let import = imports.find(|s| s.get("prefix") == Some(prefix))?;
        Some((&import.argument, import.get("revision-date")))
    }

    /// The prefix of the module itself, which a submodule has from what it belongs to.
    pub fn prefix(&self) -> Option<&str> {
        let belongs_to = self.header.all("belongs-to").find_map(|s| s.get("prefix"));
        self.header.get("prefix").or(belongs_to)
    }

    /// The text as libyang is to read it: patterns that it would refuse, or take for something
    /// else, are covered up.
    pub fn for_libyang(&self) -> &CStr {
        // Texts with NUL characters are refused in `check`.
        self.for_libyang
            .get_or_init(|| CString::new(for_libyang(&self.text, self.statement())).unwrap_or_default())
    }

    /// A problem with a statement of this file.
    pub fn problem(&self, statement: &Statement, rule: &str) -> Diagnostic {
        let rule = match statement.keyword.as_str() {
            "" => rule.to_owned(),
            keyword => format!("{keyword} \"{}\": {rule}", statement.argument),
        };
        Diagnostic { file: Some(self.path.clone()), line: statement.line.max(1), path: String::new(), rule }
    }
}

/// The module or submodule of a text.
fn module_of(mut root: Statement) -> Option<Statement> {
    let is_module = |s: &Statement| matches!(s.keyword.as_str(), "module" | "submodule");
    let position = root.children.iter().position(is_module)?;
    Some(root.children.swap_remove(position))
}

/// All `.yang` files below the folder, and those with capitals in this suffix.
fn files(yang_dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![yang_dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(Error::io(&folder))? {
            let path = entry.map_err(Error::io(&folder))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case(SUFFIX)) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// A statement that only one of two texts has, and where the other one ends up without it.
/// Blanks, comments, prose and the order of statements say nothing.
fn first_difference<'a>(a: &'a Statement, b: &'a Statement) -> Option<(&'a Statement, &'a Statement)> {
    let (in_a, in_b) = (substance(a), substance(b));
    let lacks = |of: &BTreeMap<String, &'a Statement>, other: &BTreeMap<String, &'a Statement>| {
        let lacking = of.iter().filter(|(path, _)| !other.contains_key(*path)).map(|(_, s)| *s);
        lacking.min_by_key(|s| s.line)
    };
    match (lacks(&in_a, &in_b), lacks(&in_b, &in_a)) {
        (None, None) => None,
        (here, there) => Some((here.unwrap_or(a), there.unwrap_or(b))),
    }
}

/// All statements but prose, by what they say and what is said around them.
fn substance(statement: &Statement) -> BTreeMap<String, &Statement> {
    const PROSE: [&str; 4] = ["contact", "description", "organization", "reference"];
    let mut found = BTreeMap::new();
    let mut paths: Vec<String> = Vec::new();
    statement.walk(&mut |above, s| {
        paths.truncate(above.len());
        let argument = s.argument.split_whitespace().collect::<Vec<_>>().join(" ");
        let around = paths.last().map_or("", String::as_str);
        let path = format!("{around}/{} {argument}", s.keyword);
        if !PROSE.contains(&s.keyword.as_str()) {
            found.insert(path.clone(), s);
        }
        paths.push(path);
    });
    found
}

/// The text with the patterns replaced that libyang would refuse or take for something else
/// but that are right: it gives the language of XML Schema to PCRE2. Lines stay.
fn for_libyang(text: &str, module: &Statement) -> String {
    let mut found = Vec::new();
    let is_version_1 = matches!(module.get("yang-version"), None | Some("1"));
    module.walk(&mut |_, s| {
        let pattern = &s.argument;
        let written = &text[s.span.clone()];
        // The backslash that version 1 keeps before any other character (RFC 6020 section 6.1.3).
        let is_kept = is_version_1 && s.argument.contains('\\') && written.starts_with('"');
        if is_kept && !is_xsd_only(pattern) {
            let breaks = written.matches('\n').count().saturating_sub(pattern.matches('\n').count());
            let quoted = pattern.split('\'').map(|part| format!("'{part}'")).collect::<Vec<_>>();
            found.push((s.span.clone(), quoted.join(" + \"'\" + ") + &"\n".repeat(breaks)));
        } else if s.keyword == "pattern" && is_xsd_only(pattern) && translate(pattern).is_ok() {
            let before = if s.get("modifier").is_some() { PATTERN_NONE } else { PATTERN_ANY };
            let hex: String = pattern.bytes().map(|byte| format!("{byte:02x}")).collect();
            let lines = "\n".repeat(written.matches('\n').count());
            found.push((s.span.clone(), format!("'{before}{hex}'{lines}")));
        }
    });
    let mut changed = text.trim_start_matches('\u{feff}').to_owned();
    let shift = text.len() - changed.len();
    for (span, replacement) in found.into_iter().rev() {
        changed.replace_range(span.start - shift..span.end - shift, &replacement);
    }
    changed
}

/// Whether a pattern has what only XML Schema has: name characters, blocks, class subtraction.
fn is_xsd_only(pattern: &str) -> bool {
    let (mut depth, mut escaped) = (0_u32, false);
    pattern.char_indices().any(|(at, c)| {
        let nested = match c {
            _ if escaped => {
                matches!(c, 'i' | 'I' | 'c' | 'C')
                    || pattern[at..].starts_with("p{Is")
                    || pattern[at..].starts_with("P{Is")
            }
            '[' => depth > 0,
            _ => false,
        };
        match c {
            _ if escaped => {}
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        nested
    })
}

/// The pattern as the module has it, from what libyang has.
pub fn pattern_as_written(pattern: &str) -> String {
    let hex = pattern.strip_prefix(PATTERN_ANY).or_else(|| pattern.strip_prefix(PATTERN_NONE));
    let bytes = hex.and_then(|hex| {
        let pairs = (0..hex.len()).step_by(2);
        pairs.map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect::<Option<Vec<u8>>>()
    });
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| pattern.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{first_difference, for_libyang, pattern_as_written};
    use crate::statement::Statement;

    #[test]
    fn a_pattern_that_libyang_cannot_read_comes_back() {
        let text =
            "\u{feff}module a { typedef b { type string {\n pattern '\\i\\c*'; pattern \"[a-z]\"; } } }";
        let changed = for_libyang(text, &Statement::parse(text).children[0]);
        assert_eq!(changed.matches('\n').count(), 1);
        let root = Statement::parse(&changed);
        let mut patterns = Vec::new();
        root.walk(&mut |_, s| {
            if s.keyword == "pattern" {
                patterns.push(pattern_as_written(&s.argument));
            }
        });
        assert_eq!(patterns, [r"\i\c*", "[a-z]"]);
    }

    #[test]
    fn version_1_keeps_a_backslash_that_version_1_1_refuses() {
        let text = |version: &str| {
            format!(
                "module a {{ {version} typedef b {{ type string {{ pattern \"\\d+'\\\\s\"\n + \"x\"; }} }} }}"
            )
        };
        for version in ["", "yang-version 1;"] {
            let text = text(version);
            let changed = for_libyang(&text, &Statement::parse(&text).children[0]);
            assert!(changed.contains("pattern '\\d+' + \"'\" + '\\sx'\n; }"), "{changed}");
        }
        let text = text("yang-version 1.1;");
        assert_eq!(for_libyang(&text, &Statement::parse(&text).children[0]), text);
    }

    #[test]
    fn white_space_comments_and_prose_make_no_difference() {
        let module = |text: &str| Statement::parse(text).children.remove(0);
        let a = module("module a { // first\n  description 'b'; leaf a {\n  units 'b\n c'; } }");
        assert!(first_difference(&a, &module("module a { leaf a { units \"b c\"; } }")).is_none());
        let b = module("module a {\n leaf a {\n\n config false; } }");
        let lines = first_difference(&a, &b).map(|(a, b)| (a.line, b.line));
        assert_eq!(lines, Some((3, 4)));
    }
}
