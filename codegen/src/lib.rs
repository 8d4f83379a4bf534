//! Compiles YANG modules into Rust: schema tables, and typed structs with conversions.
//!
//! ```text
//! load     yang/ -> libyang context        (which modules, which features; what libyang lets pass)
//! resolve  libyang -> intermediate form    (all reading of libyang's structs)
//! link     leafref targets, types shared, what each condition reads
//! names    all Rust names, settled once
//! emit     intermediate form -> text
//! ```
//!
//! The output depends on the input alone: the same modules give the same text. Only
//! [`Compiler::build`] writes files; for the server the binary does.
//!
//! # In a project of one's own
//!
//! `examples/own_modules` is one. Its modules are in `yang/`, in any folder there; what they
//! import can be in `yang/standard/`, where nothing is implemented unless `yang/modules.toml`
//! names it. `build.rs`:
//!
//! ```no_run
//! agentconf_codegen::Compiler::new().yang_dir("yang").crate_path("agentconf::yang").build("modules");
//! ```
//!
//! and in the crate:
//!
//! ```ignore
//! include!(concat!(env!("OUT_DIR"), "/modules.rs"));
//! ```
//!
//! Then `modules` has a Rust module for each YANG module, in it
//! - a struct for each container, list, message and structure, which converts to instance data and
//!   back (`Modelled`). What YANG wants to be there is no `Option`: such a struct is made with
//!   `new`, others have a `Default`, and both fill in YANG's defaults;
//! - for an entry of a list, `key_of` and `key`, which give valid keys only. `InstancePath::of`
//!   makes paths of them;
//! - an enum for each enumeration, and in `identities` one for each base of an identityref, with a
//!   variant for identities of modules that are compiled elsewhere;
//! - the tables in `nodes`, `identities` and `types`, all of them in `modules::SCHEMA`.
//!
//! Values are checked against their types when they are decoded, and by
//! `Modelled::to_checked_data`; everything else that the modules demand is checked by
//! `agentconf::datastore::validate::Validator`.
//!
//! The binary `agentconf-codegen` does the same for files that are checked in: see `--help`.

mod build;
mod complain;
mod context;
mod emit;
mod error;
#[doc(hidden)]
pub mod ir;
mod link;
#[doc(hidden)]
pub mod load;
mod names;
mod policy;
mod posix;
mod program;
mod reads;
mod refer;
mod resolve;
mod rules;
mod sid;
mod source;

#[path = "../../src/yang/pattern.rs"]
mod pattern;
#[path = "../../src/yang/statement.rs"]
mod statement;
#[doc(hidden)]
pub mod xpath;

use std::path::{Path, PathBuf};

pub use emit::File;
pub use error::{Diagnostic, Error, Result};

/// Compiles a folder of YANG modules.
///
/// ```no_run
/// let files = agentconf_codegen::Compiler::new().yang_dir("yang").out_dir("src/yang/generated").compile()?;
/// for (name, text) in files {
///     println!("{name}: {} bytes", text.len());
/// }
/// # Ok::<(), agentconf_codegen::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Compiler {
    yang_dir: PathBuf,
    out_dir: PathBuf,
    crate_path: String,
}

impl Default for Compiler {
    fn default() -> Self {
        let out_dir = PathBuf::from("src/yang/generated");
        Compiler { yang_dir: PathBuf::from("yang"), out_dir, crate_path: "crate::yang".to_owned() }
    }
}

impl Compiler {
    /// Reads `yang/`, for files in `src/yang/generated/` and the runtime in `crate::yang`.
    pub fn new() -> Self {
        Self::default()
    }

    /// The folder of the modules and of `modules.toml`.
    pub fn yang_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.yang_dir = dir.into();
        self
    }

    /// The folder the files will be in: the YANG texts are included by a path relative to it.
    pub fn out_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.out_dir = dir.into();
        self
    }

    /// The Rust path of the module that has `schema`, `model`, `tree`, `value`, `path` and
    /// `xpath`; for another crate `agentconf::yang`.
    pub fn crate_path(mut self, path: impl Into<String>) -> Self {
        self.crate_path = path.into();
        self
    }

    /// The files: name and text, `mod.rs` first, then one for each module.
    ///
    /// # Errors
    /// A file cannot be read, or the modules cannot be compiled; the error says where and why.
    pub fn compile(&self) -> Result<Vec<File>> {
        self.compile_with_warnings().map(|(files, _)| files)
    }

    /// As [`Self::compile`], with what is allowed and most likely not meant, such as a condition that names a node that
    /// no module has.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub fn compile_with_warnings(&self) -> Result<(Vec<File>, Vec<Diagnostic>)> {
        let yang_dir = absolute(&self.yang_dir)?;
        let out_dir = absolute(&self.out_dir)?;
        let (schema, loaded) = self.resolve()?;
        if schema.modules.is_empty() {
            let rule = "no module is implemented; put one into the folder, or name one of \"standard/\" in \
                        \"modules.toml\""
                .to_owned();
            return Err(Error::Yang(vec![Diagnostic {
                file: Some(yang_dir),
                line: 0,
                path: String::new(),
                rule,
            }]));
        }
        let names = names::Names::new(&schema);
        let root = yang_dir.parent().unwrap_or(&yang_dir);
        let emitter = emit::Emitter {
            schema: &schema,
            names: &names,
            crate_path: &self.crate_path,
            out_dir: &out_dir,
            root,
        };
        Ok((emitter.files(), loaded.warnings()))
    }

    /// The intermediate form, and libyang with the same modules: for tests of the runtime on
    /// modules that are not compiled in.
    ///
    /// # Errors
    /// As [`Self::compile`].
    #[doc(hidden)]
    pub fn resolve(&self) -> Result<(ir::Schema, load::Loaded)> {
        let loaded = load::Loaded::new(&absolute(&self.yang_dir)?)?;
        let (mut schema, raw_types) = resolve::resolve(&loaded)?;
        loaded.check_defaults(&schema)?;
        link::link(&mut schema, raw_types)?;
        sid::assign(&mut schema)?;
        Ok((schema, loaded))
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(Error::io(path))
}
