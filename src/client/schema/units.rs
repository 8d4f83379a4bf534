//! The parsed texts: which belong together, what their prefixes mean, and where a name is defined. It never follows
//! what a definition says.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::{Identity, IdentityId, Module, ModuleId, Schema, Text};
use crate::yang::statement::Statement;

/// How deep nodes, groupings, typedefs and references may nest.
pub(super) const DEPTH_MAX: usize = 100;
/// How many nodes a schema may have.
pub(super) const NODES_MAX: usize = 500_000;
/// How much is read: about the octets that nodes and types take, each time that a grouping or typedef is used.
const WORK_MAX: usize = 256 * 1024 * 1024;
/// How many problems are named.
const PROBLEMS_MAX: usize = 1_000;
/// Longest text; the longest published one has less than 2 MB.
const TEXT_MAX: usize = 16 * 1024 * 1024;

/// A text, parsed.
pub(super) struct Parsed<'t> {
    statement: Statement,
    text: &'t Text,
}

/// Parses the texts, and puts them in the order of names and revisions.
pub(super) fn parse(texts: &[Text]) -> Vec<Parsed<'_>> {
    let short = texts.iter().filter(|text| text.text.len() <= TEXT_MAX);
    let parsed = short.flat_map(|text| {
        let mut root = Statement::parse(&text.text);
        let modules = std::mem::take(&mut root.children);
        modules.into_iter().take(1).map(move |statement| Parsed { statement, text })
    });
    let mut parsed: Vec<Parsed<'_>> = parsed.collect();
    parsed.retain(|p| matches!(p.statement.keyword.as_str(), "module" | "submodule"));
    let order =
        |p: &Parsed<'_>| (p.statement.keyword.len(), p.statement.argument.clone(), revision(&p.statement));
    parsed.sort_by_cached_key(order);
    parsed.dedup_by_key(|p| order(p));
    parsed
}

/// The newest revision of a module, or nothing.
fn revision(module: &Statement) -> String {
    module.all("revision").map(|revision| revision.argument.clone()).max().unwrap_or_default()
}

/// One text among the others.
pub(super) struct Unit<'a> {
    pub(super) statement: &'a Statement,
    pub(super) module: ModuleId,
    prefixes: HashMap<&'a str, ModuleId>,
}

/// A statement of a text and those around it: where names of typedefs and groupings are looked up (RFC 7950 section
/// 5.5).
#[derive(Clone)]
pub(super) struct Scope<'a> {
    pub(super) unit: usize,
    frame: Option<Rc<Frame<'a>>>,
}

struct Frame<'a> {
    statement: &'a Statement,
    above: Option<Rc<Frame<'a>>>,
}

impl<'a> Scope<'a> {
    /// The scope of a text's own statements.
    pub(super) fn of(unit: usize) -> Self {
        Scope { unit, frame: None }
    }

    /// The scope of what stands in `statement`.
    pub(super) fn within(&self, statement: &'a Statement) -> Self {
        Scope { unit: self.unit, frame: Some(Rc::new(Frame { statement, above: self.frame.clone() })) }
    }
}

/// Where the definitions of modules stand: the module, keyword and name, and the text.
type Definitions<'a> = HashMap<(ModuleId, &'a str, &'a str), (usize, &'a Statement)>;

/// What reads texts into a schema.
pub(super) struct Reader<'a> {
    pub(super) schema: Schema,
    pub(super) units: Vec<Unit<'a>>,
    definitions: Definitions<'a>,
    identities: HashMap<(ModuleId, &'a str), IdentityId>,
    features: Vec<HashSet<&'a str>>,
    /// The groupings that are being used, the innermost last.
    pub(super) open: Vec<&'a Statement>,
    work: usize,
    problems: HashSet<String>,
}

impl<'a> Reader<'a> {
    /// Takes the texts apart.
    pub(super) fn new(parsed: &'a [Parsed<'a>]) -> Self {
        let mut reader = Reader {
            schema: Schema::default(),
            units: Vec::new(),
            definitions: HashMap::new(),
            identities: HashMap::new(),
            features: Vec::new(),
            open: Vec::new(),
            work: WORK_MAX,
            problems: HashSet::new(),
        };
        // Modules come first, see `parse`.
        for Parsed { statement, text } in parsed {
            let of = |keyword| statement.get(keyword).unwrap_or_default().to_owned();
            let module = if statement.keyword == "module" {
                reader.schema.modules.push(Module {
                    name: statement.argument.clone(),
                    revision: revision(statement),
                    namespace: of("namespace"),
                    prefix: of("prefix"),
                    implemented: text.implemented,
                    children: Vec::new(),
                });
                reader.features.push(text.features.iter().map(String::as_str).collect());
                Some(ModuleId(reader.schema.modules.len() - 1))
            } else {
                statement.get("belongs-to").and_then(|name| reader.schema.find_module(name))
            };
            match module {
                Some(module) => {
                    reader.units.push(Unit { statement, module, prefixes: HashMap::new() });
                }
                None => {
                    reader.problems.insert(format!("{}: its module is not there", statement.argument));
                }
            }
        }
        for unit in 0..reader.units.len() {
            reader.read_prefixes(unit);
            reader.read_definitions(unit);
        }
        for unit in 0..reader.units.len() {
            reader.read_identities(unit);
        }
        reader
    }

    fn read_prefixes(&mut self, at: usize) {
        let (statement, module) = (self.units[at].statement, self.units[at].module);
        let mut prefixes = HashMap::new();
        let own = if statement.keyword == "module" {
            statement.get("prefix")
        } else {
            statement.all("belongs-to").next().and_then(|parent| parent.get("prefix"))
        };
        prefixes.extend(own.map(|prefix| (prefix, module)));
        for import in statement.all("import") {
            let Some(prefix) = import.get("prefix") else { continue };
            let dated = import.get("revision-date").and_then(|date| {
                let mut modules = self.schema.modules();
                let same = |module: &Module| module.name == import.argument && module.revision == date;
                modules.find(|(_, module)| same(module)).map(|(id, _)| id)
            });
            match dated.or_else(|| self.schema.find_module(&import.argument)) {
                Some(module) => {
                    prefixes.insert(prefix, module);
                }
                None => self.problem(&Scope::of(at), import, "the imported module is not there"),
            }
        }
        self.units[at].prefixes = prefixes;
    }

    fn read_definitions(&mut self, at: usize) {
        let Unit { statement, module, .. } = self.units[at];
        for child in &statement.children {
            if matches!(child.keyword.as_str(), "typedef" | "grouping" | "feature") {
                // Of two revisions of a submodule the newer one comes later.
                self.definitions.insert((module, &child.keyword, &child.argument), (at, child));
            }
            if child.keyword == "identity" && self.has_features(&Scope::of(at), child) {
                let id = IdentityId(self.schema.identities.len());
                self.schema.identities.push(Identity {
                    name: child.argument.clone(),
                    module,
                    bases: Vec::new(),
                    description: child.get("description").map(reflow),
                });
                self.identities.insert((module, &child.argument), id);
            }
        }
    }

    fn read_identities(&mut self, at: usize) {
        let Unit { statement, module, .. } = self.units[at];
        for identity in statement.all("identity") {
            let Some(id) = self.identities.get(&(module, identity.argument.as_str())).copied() else {
                continue;
            };
            for base in identity.all("base") {
                let Some(base) = self.find_identity(&Scope::of(at), base) else { continue };
                self.schema.identities[id.0].bases.push(base);
                self.schema.derived.entry(base).or_default().push(id);
            }
        }
    }

    /// The identity that the argument of a `base` names.
    pub(super) fn find_identity(&mut self, scope: &Scope<'a>, base: &'a Statement) -> Option<IdentityId> {
        let found = self
            .qualified(scope, &base.argument)
            .and_then(|(module, name)| self.identities.get(&(module, name)).copied());
        if found.is_none() {
            self.problem(scope, base, "there is no such identity");
        }
        found
    }

    /// The module and the name that a name with or without prefix means.
    pub(super) fn qualified<'n>(&self, scope: &Scope<'a>, name: &'n str) -> Option<(ModuleId, &'n str)> {
        let unit = &self.units[scope.unit];
        match name.split_once(':') {
            Some((prefix, name)) => unit.prefixes.get(prefix).map(|module| (*module, name)),
            None => Some((unit.module, name)),
        }
    }

    /// A `typedef`, `grouping` or `feature`, and where it stands.
    pub(super) fn definition(
        &mut self,
        scope: &Scope<'a>,
        keyword: &'a str,
        name: &str,
    ) -> Option<(Scope<'a>, &'a Statement)> {
        let (module, local) = self.qualified(scope, name)?;
        let mut frame =
            scope.frame.as_ref().filter(|_| !name.contains(':') || module == self.units[scope.unit].module);
        while let Some(at) = frame {
            self.work = self.work.saturating_sub(16 * at.statement.children.len());
            if let Some(found) = at.statement.all(keyword).find(|child| child.argument == local) {
                return Some((Scope { unit: scope.unit, frame: Some(at.clone()) }, found));
            }
            frame = at.above.as_ref();
        }
        let (unit, found) = self.definitions.get(&(module, keyword, local))?;
        Some((Scope::of(*unit), *found))
    }

    /// Whether the server supports a feature.
    pub(super) fn has_feature(&self, module: ModuleId, name: &str) -> bool {
        self.features.get(module.0).is_some_and(|features| features.contains(name))
    }

    /// Takes what a statement needs from the work that is allowed; whether there was enough.
    pub(super) fn spend_on(&mut self, statement: &Statement) -> bool {
        let below = statement.children.iter();
        self.spend(below.map(|child| 64 + child.argument.len()).sum::<usize>() + 256)
    }

    /// Takes work from what is allowed; whether there was enough.
    pub(super) fn spend(&mut self, octets: usize) -> bool {
        let enough = self.work > octets && self.schema.nodes.len() < NODES_MAX;
        if !enough {
            self.work = 0;
            self.problems.insert("the schema is too large: the rest of it is left out".to_owned());
        }
        self.work = self.work.saturating_sub(octets);
        enough
    }

    /// Notes what is wrong with a statement.
    pub(super) fn problem(&mut self, scope: &Scope<'a>, at: &Statement, rule: &str) {
        if self.problems.len() < PROBLEMS_MAX {
            let Statement { keyword, argument, line, .. } = at;
            let argument: String = argument.chars().take(80).collect();
            let module = &self.units[scope.unit].statement.argument;
            self.problems.insert(format!("{module}, line {line}: {keyword} {argument}: {rule}"));
        }
    }

    /// The schema.
    pub(super) fn finish(mut self) -> Schema {
        self.schema.problems = self.problems.into_iter().collect();
        self.schema.problems.sort();
        self.schema
    }
}

/// A description as paragraphs: what only indents it in its module is taken away.
pub(super) fn reflow(text: &str) -> String {
    let mut found = String::new();
    for line in text.trim().lines().map(str::trim) {
        match line.is_empty() {
            true => found.push_str("\n\n"),
            false => {
                if !found.is_empty() && !found.ends_with('\n') {
                    found.push('\n');
                }
                found.push_str(line);
            }
        }
    }
    found
}
