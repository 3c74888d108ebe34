//! The folder of a run: every file in it is written whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};
use crate::file::Destination;

pub const CONFIG: &str = "config.toml";
pub const CURVES: &str = "curves.csv";
pub const TABLE: &str = "table.md";
pub const PLOT: &str = "plot.svg";
pub const CHECKPOINT: &str = "checkpoint.safetensors";

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
        put(path, CONFIG, config.as_bytes())?;
        Folder::open(path)
    }

    /// A folder that holds a run.
    pub fn open(path: &Path) -> Outcome<Self> {
        let config = path.join(CONFIG);
        let lock = File::open(&config).map_err(|error| Failure::of(&config, error))?;
        if lock.try_lock().is_err() {
            return Err(Failure::of(path, "another process runs here"));
        }
        Ok(Folder {
            path: path.to_path_buf(),
            _lock: lock,
        })
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
