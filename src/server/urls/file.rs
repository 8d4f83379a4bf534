//! `file:///NAME`: files in one directory.
//!
//! A name is one name: nothing above or below the directory can be named, and no link is followed.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{failed, refused, too_big};
use crate::yang::error::{Error, Tag};
use crate::yang::resource::percent_decoded;

/// Longest name of a file in octets: with what is put around it while it is written, it is still one.
const NAME_BYTES_MAX: usize = 200;
/// What stands before the name of a file that is not complete: names of clients do not begin so.
const UNFINISHED: &str = ".unfinished-";

/// The directory.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    bytes_max: usize,
    files_max: usize,
    /// One at a time, so that the number of files is what was counted.
    one: Arc<Semaphore>,
}

/// The name of the file that a URL means (RFC 8089: `file:/NAME` and `file:///NAME`).
///
/// # Errors
/// It is the URL of something else.
pub(super) fn name(url: &str) -> Result<String, Error> {
    let form = || refused("a file is file:///NAME, with one name and without a host");
    let rest = url.split_once(':').map(|(_, rest)| rest).ok_or_else(form)?;
    let rest = match rest.strip_prefix("//") {
        Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
        None => rest,
    };
    let name = rest.strip_prefix('/').filter(|name| !name.contains(['?', '#'])).ok_or_else(form)?;
    let name = percent_decoded(name).ok_or_else(form)?;
    let is_name = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.starts_with('.');
    match is_name && !name.contains(|c: char| c.is_control() || matches!(c, '/' | '\\')) {
        true => Ok(name.into_owned()),
        false => Err(form()),
    }
}

impl Files {
    pub(super) fn new(directory: PathBuf, bytes_max: usize, files_max: usize) -> Self {
        Files { directory, bytes_max, files_max, one: Arc::new(Semaphore::new(1)) }
    }

    pub(super) async fn read(&self, name: String) -> Result<Vec<u8>, Error> {
        let bytes_max = self.bytes_max;
        self.apart(move |directory| {
            let path = directory.join(&name);
            let found = there(&path)?;
            let file = File::open(&path).map_err(|e| failed("the file cannot be opened", e))?;
            let opened = file.metadata().map_err(|e| failed("the file cannot be read", e))?;
            if (opened.dev(), opened.ino()) != (found.dev(), found.ino()) {
                return Err(failed("the file cannot be read", "it was changed meanwhile"));
            }
            let mut content = Vec::new();
            let most = u64::try_from(bytes_max).unwrap_or(u64::MAX);
            file.take(most.saturating_add(1))
                .read_to_end(&mut content)
                .map_err(|e| failed("the file cannot be read", e))?;
            if content.len() > bytes_max { Err(too_big(bytes_max)) } else { Ok(content) }
        })
        .await
    }

    /// Either all of it is there afterwards, or what was there before.
    pub(super) async fn write(&self, name: String, content: Vec<u8>) -> Result<(), Error> {
        if content.len() > self.bytes_max {
            return Err(too_big(self.bytes_max));
        }
        let files_max = self.files_max;
        self.apart(move |directory| {
            let unwritten = |e| failed("the file cannot be written", e);
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(unwritten)?;
            let (path, unfinished) = (directory.join(&name), directory.join(format!("{UNFINISHED}{name}")));
            let is_new = match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => return Err(refused("this is a directory")),
                Ok(_) => false,
                Err(e) if e.kind() == ErrorKind::NotFound => true,
                Err(e) => return Err(unwritten(e)),
            };
            if is_new && fs::read_dir(directory).map_err(unwritten)?.count() >= files_max {
                let message = format!("the server keeps at most {files_max} files");
                return Err(Error::application(Tag::ResourceDenied, message));
            }
            let written = replace(directory, &unfinished, &path, &content);
            if written.is_err() {
                // What was not finished is of no use; it may not be there.
                let _ = fs::remove_file(&unfinished);
            }
            written.map_err(unwritten)
        })
        .await
    }

    pub(super) async fn delete(&self, name: String) -> Result<(), Error> {
        self.apart(move |directory| {
            let path = directory.join(&name);
            there(&path)?;
            let removed = fs::remove_file(&path).and_then(|()| sync(directory));
            removed.map_err(|e| failed("the file cannot be removed", e))
        })
        .await
    }

    /// Does something with the directory beside the runtime.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let directory = self.directory.clone();
        let one = self.one.clone().acquire_owned().await.map_err(|e| failed("no file can be used", e))?;
        let worked = tokio::task::spawn_blocking(move || {
            // Held by the work itself: who asked may go before it is done.
            let _one = one;
            work(&directory)
        });
        worked.await.map_err(|e| failed("no file can be used", e))?
    }
}

/// That a path is a file, and no link to one.
fn there(path: &Path) -> Result<Metadata, Error> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => Ok(found),
        Ok(_) => Err(refused("this is no file")),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            Err(Error::application(Tag::DataMissing, "there is no such file").info("bad-element", "url"))
        }
        Err(e) => Err(failed("the file cannot be found", e)),
    }
}

fn replace(directory: &Path, unfinished: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    match fs::remove_file(unfinished) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        // One may be left of a process that ended while it wrote.
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(unfinished, path)?;
    sync(directory)
}

/// Makes what happened to the names in a directory durable.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_one_file_and_nothing_else() {
        for (url, expected) in [
            ("file:///a.xml", "a.xml"),
            ("file:/a.xml", "a.xml"),
            ("FILE:///a%20b", "a b"),
            ("file://localhost/a", "a"),
        ] {
            assert_eq!(name(url).unwrap(), expected, "{url}");
        }
        let long = format!("file:///{}", "x".repeat(NAME_BYTES_MAX + 1));
        for url in [
            "file:",
            "file:a",
            "file:///",
            "file://host/a",
            "file:///..",
            "file:///../a",
            "file:///a/../b",
            "file:///a/b",
            "file:////etc/passwd",
            "file:///%2Fetc%2Fpasswd",
            "file:///%2e%2e",
            "file:///..%2fa",
            "file:///.hidden",
            "file:///a%00",
            "file:///a%0A",
            "file:///a?b",
            "file:///a#b",
            "file:///a%5Cb",
            "file:///%ff",
            &long,
        ] {
            assert_eq!(name(url).unwrap_err().tag, Tag::InvalidValue, "{url}");
        }
    }

    #[tokio::test]
    async fn a_file_is_all_there_or_not_and_links_are_not_followed() {
        let base = tempfile::tempdir().unwrap();
        let files = Files::new(base.path().join("files"), 10, 2);
        assert_eq!(files.read("a".into()).await.unwrap_err().tag, Tag::DataMissing);
        files.write("a".into(), b"one".to_vec()).await.unwrap();
        files.write("a".into(), b"two".to_vec()).await.unwrap();
        assert_eq!(files.read("a".into()).await.unwrap(), b"two");
        assert_eq!(files.write("a".into(), vec![0; 11]).await.unwrap_err().tag, Tag::TooBig);
        assert_eq!(files.read("a".into()).await.unwrap(), b"two");
        fs::write(base.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(base.path().join("secret"), base.path().join("files/link")).unwrap();
        assert!(files.read("link".into()).await.is_err());
        assert!(files.delete("link".into()).await.is_err());
        assert_eq!(files.write("b".into(), vec![]).await.unwrap_err().tag, Tag::ResourceDenied);
        files.write("link".into(), b"own".to_vec()).await.unwrap();
        assert_eq!(fs::read(base.path().join("secret")).unwrap(), b"x", "what the link led to is as it was");
        files.delete("link".into()).await.unwrap();
        fs::write(base.path().join("files/long"), [0; 11]).unwrap();
        assert_eq!(files.read("long".into()).await.unwrap_err().tag, Tag::TooBig);
        files.delete("a".into()).await.unwrap();
        assert_eq!(files.delete("a".into()).await.unwrap_err().tag, Tag::DataMissing);
        fs::create_dir(base.path().join("files/d")).unwrap();
        assert!(files.read("d".into()).await.is_err() && files.write("d".into(), vec![]).await.is_err());
    }
}
