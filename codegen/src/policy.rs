//! `modules.toml`: which modules are implemented, and with which features. It reads the file and
//! knows nothing of modules.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};

/// What `modules.toml` says.
#[derive(Debug, Default)]
pub struct Policy {
    /// Modules to implement beside those outside of `standard/`: name, and revision if given.
    pub implement: Vec<(String, Option<String>)>,
    /// What a program's own code is written for: names of modules, which are implemented, and folders, with a slash
    /// at the end. What other modules add to these, the code does not see.
    pub program: Vec<String>,
    /// Modules to import alone, although libyang implements them: it does so with the target of a leafref, even
    /// of one that is not there because its feature is not supported. Who implements, augments or deviates one of them,
    /// or refers to it from outside of `standard/`, has it implemented all the same.
    pub import: Vec<String>,
    /// Supported features by module; a module that is not here supports all of its features.
    pub features: BTreeMap<String, Vec<String>>,
}

impl Policy {
    /// Reads the file; a missing one implements no standard module.
    pub fn read(path: &Path) -> Result<Self> {
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
                    let names =
                        strings(value).ok_or_else(|| wrong("\"implement\" is a list of names".into()))?;
                    policy.implement.extend(names.iter().map(|name| split(name)));
                }
                ("program", value) => {
                    let rule = "\"program\" is a list of names, and of folders with a \"/\" at the end";
                    let names = strings(value).ok_or_else(|| wrong(rule.into()))?;
                    let modules = names.iter().filter(|name| !name.ends_with('/')).map(|name| split(name));
                    policy.implement.extend(modules.clone());
                    let folders = names.iter().filter(|name| name.ends_with('/')).cloned();
                    policy.program = folders.chain(modules.map(|(name, _)| name)).collect();
                }
                ("import", value) => {
                    policy.import =
                        strings(value).ok_or_else(|| wrong("\"import\" is a list of names".into()))?;
                }
                ("features", toml::Value::Table(features)) => {
                    for (module, value) in features {
                        let rule = || wrong(format!("\"features.{module}\" is a list of names"));
                        policy.features.insert(module.clone(), strings(value).ok_or_else(rule)?);
                    }
                }
                _ => {
                    return Err(wrong(format!(
                        "\"{key}\" is none of \"program\", \"implement\", \"import\" and \"[features]\""
                    )));
                }
            }
        }
        Ok(policy)
    }
}

/// A name, and the revision after its `@`.
fn split(name: &str) -> (String, Option<String>) {
    match name.split_once('@') {
        Some((name, revision)) => (name.to_owned(), Some(revision.to_owned())),
        None => (name.to_owned(), None),
    }
}

fn strings(value: &toml::Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|v| v.as_str().map(str::to_owned)).collect()
}
