//! Why a set of modules cannot be compiled. It never prints; the binary does.

use std::fmt;
use std::path::PathBuf;

/// The outcome of compiling.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a set of modules cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// `modules.toml` is wrong.
    #[error("{}: {rule}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// What it breaks.
        rule: String,
    },
    /// The modules break rules of YANG, or have something that cannot be compiled.
    #[error("{}", lines(.0))]
    Yang(Vec<Diagnostic>),
    /// libyang failed for a reason that is not in the modules.
    #[error("libyang: {0}")]
    Libyang(String),
}

impl Error {
    /// Makes an [`Error::Io`] of the reason.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Error::Io { path, source }
    }
}

/// One broken rule and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as far as known.
    pub file: Option<PathBuf>,
    /// The line, counted from 1; 0 if unknown.
    pub line: u64,
    /// The schema path of the statement, or empty.
    pub path: String,
    /// What is wrong.
    pub rule: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            if self.line > 0 {
                write!(f, "{}:", self.line)?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.rule)?;
        if !self.path.is_empty() {
            write!(f, " ({})", self.path)?;
        }
        Ok(())
    }
}

fn lines(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("\n")
}
