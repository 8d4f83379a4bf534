//! What the server knows of users and API keys by name: what a file says, as new as the file, and what the configuration says
//! of other names.
//!
//! It never reads the configuration itself, and never loses what a file said because the file has become unreadable.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::configured::Configured;
use super::watched::{Unusable, Watched};

/// What there is of one kind, by name.
pub type Shared<T> = BTreeMap<String, Arc<T>>;

/// The view of one kind.
#[derive(Debug)]
pub struct Named<T> {
    file: Watched<Shared<T>>,
    configured: OnceLock<Arc<Configured>>,
    find: fn(&Configured, &str) -> Option<Arc<T>>,
}

impl<T> Named<T> {
    /// A file that is known to say `said`, and what `find` finds in the configuration.
    pub(super) fn new(
        file: PathBuf,
        said: BTreeMap<String, T>,
        parse: fn(&Path, &str) -> Result<Shared<T>, Unusable>,
        find: fn(&Configured, &str) -> Option<Arc<T>>,
    ) -> Named<T> {
        Named { file: Watched::new(file, shared(said), parse), configured: OnceLock::new(), find }
    }

    /// Those of the configuration count too, from now on. It is told once.
    pub fn add(&self, configured: Arc<Configured>) {
        let _ = self.configured.set(configured);
    }

    /// What has that name, as the file says now, or else the configuration: who has the machine always gets in.
    pub fn get(&self, name: &str) -> Option<Arc<T>> {
        let in_file = self.file.get().get(name).cloned();
        in_file.or_else(|| (self.find)(self.configured.get()?, name))
    }
}

/// What a file says, to be handed out.
pub(super) fn shared<T>(said: BTreeMap<String, T>) -> Shared<T> {
    said.into_iter().map(|(name, value)| (name, Arc::new(value))).collect()
}
