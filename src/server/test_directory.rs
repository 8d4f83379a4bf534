//! A directory that lasts as long as a test. It never holds what a test leaves for another one.

use std::path::{Path, PathBuf};

/// Removed with everything in it when dropped.
#[derive(Debug)]
pub struct TestDirectory(PathBuf);

impl TestDirectory {
    /// An empty directory.
    pub fn new() -> TestDirectory {
        let path = std::env::temp_dir().join(format!("agentconf-{}", uuid::Uuid::new_v4()));
        super::files::create_directory(&path).unwrap();
        TestDirectory(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
