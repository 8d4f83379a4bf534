//! From `yang/` to a compiled libyang context. It decides which modules are loaded and with
//! which features, and never looks into a schema tree: `resolve` does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use yang5::ffi;

use crate::complain::{diagnostics, warnings};
use crate::context::{Context, Module};
use crate::error::{Diagnostic, Error, Result};
use crate::ir::{Schema, Text};
use crate::policy::Policy;
use crate::program;
use crate::refer::referred;
use crate::rules;
use crate::source::{Source, Sources};

/// The file that says what is implemented, and which features are supported.
const POLICY: &str = "modules.toml";

/// All modules of a YANG folder, compiled by libyang.
#[derive(Debug)]
pub struct Loaded {
    context: Context,
    sources: Rc<Sources>,
    policy: Policy,
    policy_path: PathBuf,
    yang_dir: PathBuf,
    /// Those of the policy's `import` that nothing implements.
    imported: BTreeSet<String>,
    /// Name and revision of the modules that libyang has in itself.
    built_in: Vec<(String, String)>,
}

impl Loaded {
    /// Reads the folder, loads what is to be implemented and what it imports, and compiles it.
    ///
    /// # Errors
    /// A file cannot be read, `modules.toml` is wrong, or the modules are.
    pub fn new(yang_dir: &Path) -> Result<Self> {
        let sources = Rc::new(Sources::read(yang_dir)?);
        let policy_path = yang_dir.join(POLICY);
        let policy = Policy::read(&policy_path)?;
        let context = Context::new(Rc::clone(&sources))?;
        let built_in = context.modules().map(|m| (m.name, m.revision)).collect();
        let imported = BTreeSet::new();
        let mut loaded = Loaded {
            context,
            sources,
            policy,
            policy_path,
            yang_dir: yang_dir.to_owned(),
            imported,
            built_in,
        };
        loaded.imported = loaded.load()?;
        Ok(loaded)
    }

    /// What is accepted and most likely not meant.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let mut found = self.sources.unused();
        found.extend(warnings(self.context.doubts(), &self.sources));
        found
    }

    /// The context, for reading.
    pub fn raw(&self) -> *const ffi::ly_ctx {
        self.context.raw()
    }

    /// Whether `modules.toml` names the module.
    pub fn is_listed(&self, name: &str) -> bool {
        self.policy.implement.iter().any(|(listed, _)| listed == name)
    }

    /// Whether a program's own code is written for the module.
    pub fn is_program(&self, name: &str) -> bool {
        let folders = || self.policy.program.iter().filter(|p| p.ends_with('/'));
        let is_in = |s: &Source| folders().any(|folder| s.path.starts_with(self.yang_dir.join(folder)));
        self.policy.program.iter().any(|listed| listed == name)
            || self.sources.iter().any(|s| s.name == name && is_in(s))
    }

    /// Whether the module is to be imported alone: `modules.toml` says so, and no other module wants more.
    pub fn is_imported(&self, name: &str) -> bool {
        self.imported.contains(name)
    }

    /// Whether the module stands outside of `standard/`.
    pub fn is_own(&self, name: &str) -> bool {
        self.sources.iter().any(|s| s.name == name && !s.standard)
    }

    /// Whether libyang has the module in itself; it implements some of these unasked.
    pub fn is_built_in(&self, name: &str, revision: &str) -> bool {
        self.built_in.iter().any(|(n, r)| n == name && r == revision)
    }

    /// The text of a module or submodule; if no file has it, that which libyang has in itself.
    ///
    /// # Errors
    /// libyang cannot print the module.
    pub fn source(&self, name: &str, revision: &str, submodule: bool) -> Result<Text> {
        if let Some(source) = self.sources.find(name, Some(revision), submodule) {
            return Ok(Text::File(source.path.clone()));
        }
        let module = self.context.modules().find(|m| m.name == name && m.revision == revision);
        let printed = module.and_then(|module| self.context.print(&module)).map(Text::BuiltIn);
        printed.ok_or_else(|| Error::Libyang(format!("cannot print \"{name}@{revision}\"")))
    }

    /// The modules outside of `standard/` that were added to those of the program, if there are any of these.
    fn added(&self) -> impl Iterator<Item = &Source> {
        let has_program = !self.policy.program.is_empty();
        let is_added =
            move |s: &&Source| has_program && !s.standard && !s.submodule && !self.is_program(&s.name);
        self.sources.iter().filter(is_added)
    }

    /// Refuses deviations that make defaults where the program's code knows of none.
    ///
    /// # Errors
    /// There are such.
    pub fn check_defaults(&self, schema: &Schema) -> Result<()> {
        let refused = |source| program::refused_defaults(&self.sources, source, schema);
        let problems: Vec<Diagnostic> = self.added().flat_map(refused).collect();
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Error::Yang(problems)),
        }
    }

    /// Returns what is imported alone, see [`Self::is_imported`].
    fn load(&self) -> Result<BTreeSet<String>> {
        let roots = self.roots()?;
        let is_left = |name: &&String| !roots.contains_key(name.as_str());
        let imported = self.policy.import.iter().filter(is_left).cloned().collect();
        let is_built_in = |name: &str, revision: Option<&str>| {
            self.built_in.iter().any(|(n, r)| n == name && revision.is_none_or(|revision| r == revision))
        };
        let mut problems = self.sources.check(roots.values().copied().collect(), is_built_in);
        if problems.is_empty() {
            let own = roots.values().filter(|source| !source.standard);
            problems.extend(own.flat_map(|source| rules::broken(&self.sources, source)));
        }
        for source in self.added() {
            problems.extend(program::refused(&self.sources, source, |name| self.is_program(name)));
        }
        if !problems.is_empty() {
            return Err(Error::Yang(problems));
        }
        let mut implemented: BTreeSet<(String, String)> = BTreeSet::new();
        let mut found: Vec<(String, String)> =
            roots.values().map(|s| (s.name.clone(), s.revision.clone().unwrap_or_default())).collect();
        // What is compiled can make more modules implemented, such as the target of a leafref,
        // and these have no features until they are asked for.
        while !found.is_empty() {
            for (name, revision) in &found {
                let features = self.policy.features.get(name).map_or(&[][..], Vec::as_slice);
                self.accepted(self.context.implement(name, revision, features)?, name)?;
            }
            implemented.extend(found);
            self.support_features(&implemented)?;
            self.accepted(self.context.compile(), "")?;
            let is_new = |m: &Module| {
                let key = (m.name.clone(), m.revision.clone());
                m.implemented && !self.is_built_in(&m.name, &m.revision) && !implemented.contains(&key)
            };
            found = self.context.modules().filter(is_new).map(|m| (m.name, m.revision)).collect();
        }
        Ok(imported)
    }

    /// What is implemented, by name: all outside of `standard/`, what `modules.toml` names, and
    /// what these augment or deviate (RFC 7950 section 5.6.5). What `modules.toml` wants imported alone is implemented,
    /// too, if one outside of `standard/` refers to it.
    fn roots(&self) -> Result<BTreeMap<&str, &Source>> {
        let policy = |rule: String| Error::Policy { path: self.policy_path.clone(), rule };
        let modules = || self.sources.iter().filter(|s| !s.submodule);
        let mut roots: BTreeMap<&str, &Source> = BTreeMap::new();
        for source in modules().filter(|s| !s.standard) {
            let newest = roots.entry(&source.name).or_insert(source);
            if source.revision > newest.revision {
                *newest = source;
            }
        }
        let mut listed: BTreeSet<&str> = BTreeSet::new();
        for (name, revision) in &self.policy.implement {
            let Some(found) = self.sources.find(name, revision.as_deref(), false) else {
                let rule = self.sources.not_there(name, revision.as_deref(), false);
                return Err(policy(format!("\"implement\": {rule}")));
            };
            let other = roots.insert(&found.name, found).filter(|other| other.revision != found.revision);
            if let (false, Some(other)) = (listed.insert(name), other) {
                let (found, other) = (found.path.display(), other.path.display());
                return Err(policy(format!(
                    "only one revision of \"{name}\" can be implemented, but {other} and {found} both \
                     are to be; take one away"
                )));
            }
        }
        let mut pending: Vec<&Source> = roots.values().copied().collect();
        while let Some(source) = pending.pop() {
            let mut targets = self.sources.targets(source);
            // The others in `standard/` have leafrefs that are the reason for the list.
            if !source.standard && !self.is_program(&source.name) {
                let referred = referred(&self.sources, source);
                let wanted = self.policy.import.iter().filter(|name| referred.contains(*name));
                targets.extend(wanted.filter_map(|name| self.sources.find(name, None, false)));
            }
            for target in targets {
                if !roots.contains_key(target.name.as_str()) {
                    roots.insert(&target.name, target);
                    pending.push(target);
                }
            }
        }
        self.check_features().map_err(policy)?;
        Ok(roots)
    }

    /// Refuses features of no module, and names that no feature of a module has.
    fn check_features(&self) -> std::result::Result<(), String> {
        for (name, features) in &self.policy.features {
            let mut of_name = self.sources.iter().filter(|s| &s.name == name && !s.submodule).peekable();
            if of_name.peek().is_none() {
                return Err(format!("\"features\": {}", self.sources.not_there(name, None, false)));
            }
            let known: BTreeSet<&str> = of_name.flat_map(|s| self.sources.features(s)).collect();
            if let Some(unknown) = features.iter().find(|f| *f != "*" && !known.contains(f.as_str())) {
                let known = known.into_iter().collect::<Vec<_>>().join(", ");
                return Err(format!(
                    "\"features\": \"{name}\" has no feature \"{unknown}\"; it has: {known}"
                ));
            }
        }
        Ok(())
    }

    /// Supports all features, of modules that `modules.toml` does not say another thing of, whose
    /// conditions hold: first those without any, for a condition can be that another is not there.
    fn support_features(&self, implemented: &BTreeSet<(String, String)>) -> Result<()> {
        let is_free = |m: &Module| {
            implemented.contains(&(m.name.clone(), m.revision.clone()))
                && !self.policy.features.contains_key(&m.name)
        };
        let modules: Vec<Module> = self.context.modules().filter(is_free).collect();
        let mut conditional = false;
        loop {
            let mut changed = false;
            for module in &modules {
                let features = self.context.features(module);
                let wanted = |f: &&crate::context::Feature| {
                    f.enabled || (f.possible && (conditional || !f.conditional))
                };
                let wanted: Vec<String> = features.iter().filter(wanted).map(|f| f.name.clone()).collect();
                if wanted.len() > features.iter().filter(|f| f.enabled).count() {
                    let done = self.context.implement(&module.name, &module.revision, &wanted)?;
                    self.accepted(done, &module.name)?;
                    changed = true;
                }
            }
            match (changed, conditional) {
                (false, true) => return Ok(()),
                (false, false) => conditional = true,
                (true, _) => {}
            }
        }
    }

    /// What libyang complains of, unless it accepted; `loading` is the module it was to load.
    fn accepted(&self, accepted: bool, loading: &str) -> Result<()> {
        match accepted {
            true => Ok(()),
            false => Err(diagnostics(self.context.complaints(), &self.sources, loading)),
        }
    }
}
