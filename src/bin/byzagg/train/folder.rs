//! The folder of a run: every file in it is written whole or not at all.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};
use crate::file::Destination;

pub const CONFIG: &str = "config.toml";
pub const CURVES: &str = "curves.csv";
pub const TABLE: &str = "table.md";
pub const PLOT: &str = "plot.svg";
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// Never replaced, so that all processes lock the same file.
const LOCK: &str = "lock";

/// Where runs without --output go.
const RUNS: &str = "runs";

pub struct Folder {
    path: PathBuf,
    /// Nobody else writes here as long as it is open.
    _lock: File,
}

impl Folder {
    /// Says where a new run may go: nowhere where there is something already.
    pub fn choose(output: Option<&Path>) -> Outcome<PathBuf> {
        let Some(path) = output else {
            let free = |i: &u32| !Path::new(RUNS).join(i.to_string()).exists();
            let i = (1..).find(free).expect("a number that is free");
            return Ok(Path::new(RUNS).join(i.to_string()));
        };
        match fs::read_dir(path).map(|mut entries| entries.next().is_none()) {
            Ok(true) => Ok(path.to_path_buf()),
            Ok(false) => Err(Failure::of(
                path,
                "there is something in it; --resume goes on with a run",
            )),
            Err(_) if !path.exists() => Ok(path.to_path_buf()),
            Err(error) => Err(Failure::of(path, error)),
        }
    }

    pub fn create(path: &Path, config: &str) -> Outcome<Self> {
        fs::create_dir_all(path).map_err(|error| Failure::of(path, error))?;
        let folder = Folder::lock(path)?;
        if path.join(CONFIG).exists() {
            return Err(Failure::of(path, "another process has begun a run here"));
        }
        folder.write(CONFIG, config.as_bytes())?;
        Ok(folder)
    }

    /// A folder that holds a run.
    pub fn open(path: &Path) -> Outcome<Self> {
        let config = path.join(CONFIG);
        File::open(&config).map_err(|error| Failure::of(&config, error))?;
        Folder::lock(path)
    }

    fn lock(path: &Path) -> Outcome<Self> {
        let at = path.join(LOCK);
        let lock = File::create(&at).map_err(|error| Failure::of(&at, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Folder {
                path: path.to_path_buf(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Failure::of(path, "another process runs here")),
            Err(TryLockError::Error(error)) => Err(Failure::of(&at, error)),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn write(&self, name: &str, content: &[u8]) -> Outcome {
        put(&self.path, name, content)
    }

    /// A file's content, if there is one.
    pub fn read(&self, name: &str) -> Outcome<Option<Vec<u8>>> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::of(&path, error)),
        }
    }
}

fn put(folder: &Path, name: &str, content: &[u8]) -> Outcome {
    Destination::new(&folder.join(name))?
        .stage(&[content])?
        .put()
}
