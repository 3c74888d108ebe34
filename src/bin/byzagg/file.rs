//! Output files that are written whole or not at all.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::{Failure, Outcome};

/// Where a file will be, checked before any work is done.
#[derive(Debug, PartialEq, Eq)]
pub struct Destination {
    directory: PathBuf,
    name: OsString,
}

impl Destination {
    /// Checks that a file could be written to a path, which may be a link to an existing file.
    pub fn new(path: &Path) -> Outcome<Self> {
        let refuse = |reason: &str| Err(Failure::of(path, reason));
        let mut target = path.to_path_buf();
        match fs::symlink_metadata(path) {
            Ok(meta) if meta.is_symlink() => {
                target = path.canonicalize().map_err(|error| {
                    Failure::of(path, format!("can't follow the link: {error}"))
                })?;
            }
            _ => {}
        }
        match fs::metadata(&target) {
            Ok(meta) if meta.is_dir() => return refuse("can't write there: it is a directory"),
            Ok(meta) if !meta.is_file() => {
                return refuse("can't write there: it is not a regular file");
            }
            _ => {}
        }
        let Some(name) = target.file_name() else {
            return refuse("can't write there: no file name");
        };
        let parent = match target.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let directory = parent
            .canonicalize()
            .and_then(|directory| {
                // A file without a name, which vanishes at once: is this directory writable?
                tempfile::tempfile_in(&directory).map(|_| directory)
            })
            .map_err(|error| {
                Failure::of(
                    path,
                    format!("can't write into {}: {error}", parent.display()),
                )
            })?;
        Ok(Destination {
            directory,
            name: name.to_owned(),
        })
    }

    /// Is it the same file as an existing one?
    pub fn is(&self, existing: &Path) -> bool {
        existing
            .canonicalize()
            .is_ok_and(|existing| existing == self.path())
    }

    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// Writes the contents to a temporary file beside the destination.
    pub fn stage(self, contents: &[&[u8]]) -> Outcome<Staged> {
        let path = self.path();
        let write = || -> io::Result<NamedTempFile> {
            let mut builder = tempfile::Builder::new();
            builder.prefix(".byzagg-").suffix(".tmp");
            #[cfg(unix)]
            builder.permissions(default_permissions());
            let mut file = builder.tempfile_in(&self.directory)?;
            for part in contents {
                file.write_all(part)?;
            }
            file.as_file().sync_all()?;
            Ok(file)
        };
        match write() {
            Ok(file) => Ok(Staged { file, path }),
            Err(error) => Err(Failure::of(&path, format!("can't write: {error}"))),
        }
    }
}

/// What the umask leaves of them, as for any new file.
#[cfg(unix)]
fn default_permissions() -> Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

/// A complete file under a temporary name. It vanishes unless it is put in place.
pub struct Staged {
    file: NamedTempFile,
    path: PathBuf,
}

impl Staged {
    /// Gives the file its name, in one step.
    pub fn put(self) -> Outcome {
        match self.file.persist(&self.path) {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::of(
                &self.path,
                format!("can't write: {}", error.error),
            )),
        }
    }
}
