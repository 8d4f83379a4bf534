//! What a `build.rs` needs: the files go to `OUT_DIR`, and cargo hears of errors and warnings. It compiles
//! nothing itself.

use std::path::{Path, PathBuf};

use crate::Compiler;
use crate::error::{Error, Result};

impl Compiler {
    /// Compiles from a `build.rs` into a module `name`, which the crate has with
    /// `include!(concat!(env!("OUT_DIR"), "/name.rs"));`. Paths are relative to the package.
    ///
    /// What is wrong with the modules becomes errors of the build, a line each.
    pub fn build(self, name: &str) {
        let Some(out_dir) = std::env::var_os("OUT_DIR").map(PathBuf::from) else {
            println!("cargo::error=`Compiler::build` is for a build script, which has OUT_DIR");
            return;
        };
        println!("cargo::rerun-if-changed={}", self.yang_dir.display());
        if let Err(error) = self.write(&out_dir, name) {
            error.to_string().lines().for_each(|line| println!("cargo::error={line}"));
        }
    }

    fn write(self, out_dir: &Path, name: &str) -> Result<()> {
        let folder = out_dir.join(name);
        std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        let (files, warnings) = self.out_dir(&folder).compile_with_warnings()?;
        warnings.iter().for_each(|warning| println!("cargo::warning={warning}"));
        for (file, text) in files {
            let path = folder.join(file);
            std::fs::write(&path, text).map_err(Error::io(&path))?;
        }
        let (path, root) = (out_dir.join(format!("{name}.rs")), folder.join("mod.rs"));
        let text = format!("#[path = {:?}]\npub mod {name};\n", root.display().to_string());
        std::fs::write(&path, text).map_err(Error::io(&path))
    }
}
