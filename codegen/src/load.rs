//! From `yang/` to a compiled libyang context. It decides which modules are loaded and with
//! which features, and never looks into a schema tree: `resolve` does.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString, c_char};
use std::path::{Path, PathBuf};
use std::ptr;

use yang5::ffi;

use crate::error::{Diagnostic, Error, Result};

/// The folder whose modules are only loaded when needed.
const STANDARD: &str = "standard";
/// The file that says what of it is implemented, and which features are supported.
const POLICY: &str = "modules.toml";

/// What `modules.toml` says.
#[derive(Debug, Default)]
pub struct Policy {
    /// Modules of `standard/` to implement: name, and revision if given.
    implement: Vec<(String, Option<String>)>,
    /// Supported features by module; a module that is not here supports all of its features.
    features: BTreeMap<String, Vec<String>>,
}

/// One `.yang` file.
#[derive(Debug)]
struct Source {
    name: String,
    revision: Option<String>,
    path: PathBuf,
    standard: bool,
    submodule: bool,
}

/// A libyang context; its schemas live as long as it does.
#[derive(Debug)]
pub struct Context(*mut ffi::ly_ctx);

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `ly_ctx_new` and is destroyed once, here; what borrows
        // from the context cannot outlive `self`.
        unsafe { ffi::ly_ctx_destroy(self.0) }
    }
}

/// All modules of a YANG folder, compiled by libyang.
#[derive(Debug)]
pub struct Loaded {
    context: Context,
    sources: Vec<Source>,
    policy: Policy,
}

impl Loaded {
    /// Reads the folder, loads what is to be implemented and what it imports, and compiles it.
    ///
    /// # Errors
    /// A file cannot be read, `modules.toml` is wrong, or libyang refuses a module.
    pub fn new(yang_dir: &Path) -> Result<Self> {
        let sources = sources(yang_dir)?;
        let policy = Policy::read(&yang_dir.join(POLICY))?;
        let loaded = Loaded { context: context(yang_dir)?, sources, policy };
        loaded.load(yang_dir)?;
        Ok(loaded)
    }

    /// The context, for reading.
    pub fn raw(&self) -> *const ffi::ly_ctx {
        self.context.0
    }

    /// Whether `modules.toml` names the module.
    pub fn is_listed(&self, name: &str) -> bool {
        self.policy.implement.iter().any(|(listed, _)| listed == name)
    }

    /// Whether the module stands outside of `standard/`.
    pub fn is_own(&self, name: &str) -> bool {
        self.sources.iter().any(|s| s.name == name && !s.standard)
    }

    /// The file of a module or submodule.
    ///
    /// # Errors
    /// There is none: libyang used a text that it has built in.
    pub fn source(&self, name: &str, revision: &str) -> Result<PathBuf> {
        let of_name = || self.sources.iter().filter(|s| s.name == name);
        let exact = of_name().find(|s| s.revision.as_deref() == Some(revision));
        let found = exact.or_else(|| of_name().find(|s| s.revision.is_none()));
        found.map(|s| s.path.clone()).ok_or_else(|| {
            Error::Yang(vec![Diagnostic {
                file: of_name().next().map(|s| s.path.clone()),
                line: 0,
                path: String::new(),
                rule: format!(
                    "\"{name}@{revision}\" is needed, but there is no \"{name}@{revision}.yang\"; \
                     libyang has this revision built in and uses no other"
                ),
            }])
        })
    }

    fn load(&self, yang_dir: &Path) -> Result<()> {
        for (name, revision) in self.roots(yang_dir)? {
            self.load_module(&name, revision.as_deref())?;
        }
        self.compile()?;
        // An augment, deviation or leafref makes its target implemented, but with no features.
        let implicit = self.implicitly_implemented();
        for (name, revision) in &implicit {
            self.load_module(name, Some(revision).filter(|r| !r.is_empty()).map(String::as_str))?;
        }
        if implicit.is_empty() { Ok(()) } else { self.compile() }
    }

    /// What is implemented: all outside of `standard/`, and what `modules.toml` names.
    fn roots(&self, yang_dir: &Path) -> Result<BTreeSet<(String, Option<String>)>> {
        let mut newest: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        for source in self.sources.iter().filter(|s| !s.standard && !s.submodule) {
            let newest = newest.entry(&source.name).or_default();
            *newest = (*newest).max(source.revision.as_deref());
        }
        let own = newest.into_iter().map(|(n, r)| (n.to_owned(), r.map(str::to_owned)));
        let mut roots: BTreeSet<_> = own.collect();
        for (name, revision) in &self.policy.implement {
            let fits = |s: &&Source| &s.name == name && (revision.is_none() || s.revision == *revision);
            if !self.sources.iter().any(|s| fits(&s)) {
                let rule = format!("\"implement\" names \"{name}\", but no such file is there");
                return Err(Error::Policy { path: yang_dir.join(POLICY), rule });
            }
            let newest = self.sources.iter().filter(fits).filter_map(|s| s.revision.clone()).max();
            roots.insert((name.clone(), newest));
        }
        for name in self.policy.features.keys() {
            if !self.sources.iter().any(|s| &s.name == name) {
                let rule = format!("\"features\" names \"{name}\", but no such file is there");
                return Err(Error::Policy { path: yang_dir.join(POLICY), rule });
            }
        }
        Ok(roots)
    }

    fn load_module(&self, name: &str, revision: Option<&str>) -> Result<()> {
        let all = vec!["*".to_owned()];
        let features = self.policy.features.get(name).unwrap_or(&all);
        let features = features.iter().map(|f| c_string(f)).collect::<Result<Vec<_>>>()?;
        let mut features: Vec<*const c_char> = features.iter().map(|f| f.as_ptr()).collect();
        features.push(ptr::null());
        let (c_name, c_revision) = (c_string(name)?, revision.map(c_string).transpose()?);
        let c_revision = c_revision.as_ref().map_or(ptr::null(), |r| r.as_ptr());
        // SAFETY: all pointers are to NUL-terminated strings that outlive the call, and the
        // array of features ends with a null pointer.
        let module = unsafe {
            ffi::ly_ctx_load_module(self.context.0, c_name.as_ptr(), c_revision, features.as_mut_ptr())
        };
        if module.is_null() { Err(self.refused(Some(name))) } else { Ok(()) }
    }

    fn compile(&self) -> Result<()> {
        // SAFETY: the context is alive.
        match unsafe { ffi::ly_ctx_compile(self.context.0) } {
            ffi::LY_ERR::LY_SUCCESS => Ok(()),
            _ => Err(self.refused(None)),
        }
    }

    fn implicitly_implemented(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut index = 0;
        loop {
            // SAFETY: the context is alive; the module it returns lives as long as it does.
            let Some(module) = (unsafe { ffi::ly_ctx_get_module_iter(self.raw(), &raw mut index).as_ref() })
            else {
                return found;
            };
            // SAFETY: name and revision of a module are NUL-terminated; revision may be null.
            let (name, revision) = unsafe { (text(module.name), text(module.revision)) };
            let loaded = self.is_own(&name) || self.is_listed(&name);
            if module.implemented != 0 && !module.filepath.is_null() && !loaded {
                found.push((name, revision));
            }
        }
    }

    /// What libyang complains of. Lines belong to the module that it then says failed.
    fn refused(&self, loading: Option<&str>) -> Error {
        let mut found: Vec<Diagnostic> = Vec::new();
        // SAFETY: the context is alive; the list of errors stays until the next call into it.
        let mut item = unsafe { ffi::ly_err_first(self.raw()).as_ref() };
        while let Some(error) = item {
            // SAFETY: messages and paths are NUL-terminated or null.
            let (rule, path) = unsafe { (text(error.msg), text(error.schema_path)) };
            if error.level == ffi::LY_LOG_LEVEL::LY_LLERR {
                let failed = rule.split_once("arsing ").and_then(|(_, rest)| rest.split('"').nth(1));
                let of_path = path.trim_start_matches('/').split(':').next().unwrap_or_default();
                let file = self.file_of(failed.unwrap_or(of_path));
                match failed.filter(|_| found.iter().any(|d| d.file.is_none())) {
                    Some(_) => {
                        found.iter_mut().filter(|d| d.file.is_none()).for_each(|d| d.file = file.clone())
                    }
                    None => found.push(Diagnostic { file, line: error.line, path, rule }),
                }
            }
            // SAFETY: as above.
            item = unsafe { error.next.as_ref() };
        }
        let loading = loading.and_then(|name| self.file_of(name));
        found.iter_mut().filter(|d| d.file.is_none()).for_each(|d| d.file.clone_from(&loading));
        found.dedup();
        let found: Vec<_> = found.into_iter().map(Diagnostic::located).collect();
        if found.is_empty() {
            return Error::Libyang(format!(
                "refused {} and gave no reason",
                loading.unwrap_or_default().display()
            ));
        }
        Error::Yang(found)
    }

    fn file_of(&self, name: &str) -> Option<PathBuf> {
        let of_name = self.sources.iter().filter(|s| s.name == name);
        of_name.max_by(|a, b| a.revision.cmp(&b.revision)).map(|s| s.path.clone())
    }
}

impl Policy {
    /// Reads the file; a missing one implements no standard module.
    fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Policy::default());
        }
        let wrong = |rule: String| Error::Policy { path: path.to_owned(), rule };
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let table: toml::Table = text.parse().map_err(|e: toml::de::Error| wrong(e.to_string()))?;
        let mut policy = Policy::default();
        for (key, value) in &table {
            match (key.as_str(), value) {
                ("implement", value) => {
                    let split = |name: String| match name.split_once('@') {
                        Some((name, revision)) => (name.to_owned(), Some(revision.to_owned())),
                        None => (name, None),
                    };
                    let names =
                        strings(value).ok_or_else(|| wrong("\"implement\" is a list of names".into()))?;
                    policy.implement = names.into_iter().map(split).collect();
                }
                ("features", toml::Value::Table(features)) => {
                    for (module, value) in features {
                        let rule = || wrong(format!("\"features.{module}\" is a list of names"));
                        policy.features.insert(module.clone(), strings(value).ok_or_else(rule)?);
                    }
                }
                _ => return Err(wrong(format!("\"{key}\" is neither \"implement\" nor \"[features]\""))),
            }
        }
        Ok(policy)
    }
}

fn strings(value: &toml::Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|v| v.as_str().map(str::to_owned)).collect()
}

/// The text of a C string that libyang owns; empty for null.
///
/// # Safety
/// `pointer` is null or points to a NUL-terminated string.
pub unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: the caller promises it.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::Libyang(format!("a NUL character in {text:?}")))
}

fn context(yang_dir: &Path) -> Result<Context> {
    let dir = c_string(&yang_dir.to_string_lossy())?;
    let options = ffi::LY_CTX_DISABLE_SEARCHDIR_CWD
        | ffi::LY_CTX_NO_YANGLIBRARY
        | ffi::LY_CTX_EXPLICIT_COMPILE
        | ffi::LY_CTX_BUILTIN_PLUGINS_ONLY;
    let mut raw = ptr::null_mut();
    // SAFETY: the folder's name is NUL-terminated and outlives the call; `raw` is written only
    // on success. Storing messages instead of printing them is a process-wide choice that
    // nobody else in this process makes differently.
    let outcome = unsafe {
        ffi::ly_log_options(ffi::LY_LOSTORE);
        ffi::ly_ctx_new(dir.as_ptr(), options, &raw mut raw)
    };
    match outcome {
        ffi::LY_ERR::LY_SUCCESS => Ok(Context(raw)),
        code => Err(Error::Libyang(format!("no context for {} (error {code})", yang_dir.display()))),
    }
}

/// All `.yang` files below the folder, ascending by path.
fn sources(yang_dir: &Path) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    let mut folders = vec![yang_dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(Error::io(&folder))? {
            let path = entry.map_err(Error::io(&folder))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "yang") {
                let standard = path.strip_prefix(yang_dir).is_ok_and(|p| p.starts_with(STANDARD));
                let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let (name, revision) = match stem.split_once('@') {
                    Some((name, revision)) => (name.to_owned(), Some(revision.to_owned())),
                    None => (stem, None),
                };
                let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
                let submodule = first_word(&text) == "submodule";
                found.push(Source { name, revision, path, standard, submodule });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The first keyword of a YANG text, comments skipped.
fn first_word(text: &str) -> &str {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    loop {
        let skipped = if let Some(comment) = rest.strip_prefix("//") {
            comment.split_once('\n').map(|(_, after)| after)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map(|(_, after)| after)
        } else {
            return rest.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        };
        rest = skipped.unwrap_or_default().trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::first_word;

    #[test]
    fn first_word_skips_comments_and_a_byte_order_mark() {
        assert_eq!(first_word("\u{feff}/* module */ // x\n submodule a {}"), "submodule");
        assert_eq!(first_word("module a {}"), "module");
        assert_eq!(first_word("/* open"), "");
    }
}
