//! What concerns a whole process: drivers that are not there, broken or too old, devices that are not fit, and a
//! device that fails. The tool is run beside the stand-in driver (`scripts/stand_in.py`), which is told by the
//! environment what to be.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Folder, matrix, numbers};

const N: usize = 7;
const D: usize = 301;

/// The folder of the stand-in driver: where the loader looks first.
fn stand_in() -> PathBuf {
    let paths = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    std::env::split_paths(&paths)
        .find(|path| path.join("broken/libcuda.so.1").exists())
        .expect("this test needs the stand-in driver: scripts/stand_in.py cargo test …")
}

/// A process's surroundings: where the loader looks, and what the stand-in is told.
struct World<'w> {
    driver: OsString,
    settings: &'w [(&'w str, &'w str)],
}

impl World<'_> {
    fn command(&self, folder: &Folder, arguments: &[&str]) -> Command {
        let mut command = folder.byzagg(arguments);
        command.env("LD_LIBRARY_PATH", &self.driver);
        for (name, value) in self.settings {
            command.env(format!("BYZAGG_STAND_IN_{name}"), value);
        }
        command
    }

    /// Runs the tool: whether it succeeded, its standard output, and what it says itself on stderr.
    fn run(&self, folder: &Folder, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = self.command(folder, arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let all = text(output.stderr);
        let own = all
            .lines()
            .filter(|line| !line.starts_with("stand-in driver: "));
        let own = own.collect::<Vec<_>>().join("\n");
        (output.status.code(), text(output.stdout), own)
    }
}

fn aggregate(device: &str) -> [&str; 7] {
    let [a, b, c, d] = ["aggregate", "--device", "--rule", "krum(f=2)"];
    [a, b, device, c, d, "x.npy", "out.npy"]
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("x.npy", &matrix("<f4", N, D, &numbers(N * D)));
    folder
}

/// The tool says why there is no CUDA device, refuses to run on one, and runs on another by itself.
#[track_caller]
fn assert_unusable(world: &World<'_>, reason: &str) {
    let folder = folder();
    let (status, listed, said) = world.run(&folder, &["devices"]);
    assert_eq!((status, &said[..]), (Some(0), ""), "{reason}");
    let (cuda, others): (Vec<_>, Vec<_>) =
        listed.lines().partition(|line| line.starts_with("cuda"));
    let [cuda] = cuda[..] else {
        panic!("expected one line for cuda, got {listed}")
    };
    assert!(cuda.contains("no: ") && cuda.contains(reason), "{cuda}");
    let picked = |line: &&str| line.contains("(auto picks it)");
    assert_eq!(others.into_iter().filter(picked).count(), 1, "{listed}");

    let (status, _, said) = world.run(&folder, &aggregate("cuda"));
    assert_eq!(status, Some(2), "{said}");
    assert!(
        said.starts_with("byzagg: ") && said.contains(reason),
        "{said}"
    );
    assert_eq!(folder.names(), ["x.npy"]);
    let (status, _, said) = world.run(&folder, &aggregate("auto"));
    assert_eq!((status, &said[..]), (Some(0), ""));
    assert_eq!(folder.names(), ["out.npy", "x.npy"]);
}

#[test]
#[ignore = "needs the stand-in driver; scripts/test.sh runs it"]
fn libraries_that_are_no_driver() {
    let driver = stand_in().join("broken").into();
    let settings = &[];
    assert_unusable(&World { driver, settings }, "cuDriverGetVersion");
    let folder = Folder::new();
    for name in ["libcuda.so", "libcuda.so.1"] {
        fs::write(folder.path(name), "not a library").unwrap();
    }
    let driver = folder.path("").into();
    assert_unusable(&World { driver, settings }, "there is no NVIDIA driver: ");
}

#[test]
#[ignore = "needs the stand-in driver, and a machine without another one; scripts/test.sh runs it"]
fn no_library() {
    let installed = Command::new("ldconfig").arg("-p").output();
    let installed =
        installed.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains("libcuda.so"));
    if installed {
        eprintln!("NOT TESTED: no libcuda.so, as this machine has one");
        return;
    }
    let world = World {
        driver: OsString::new(),
        settings: &[],
    };
    assert_unusable(
        &world,
        "there is no NVIDIA driver: libcuda.so: cannot open shared object file",
    );
}

#[test]
#[ignore = "needs the stand-in driver; scripts/test.sh runs it"]
fn drivers_and_devices_that_are_not_fit() {
    for (settings, reason) in [
        (("DEVICES", "0"), "look for devices: CUDA_ERROR_NO_DEVICE"),
        (("DEVICES", "-1"), "the driver finds no device"),
        (
            ("INIT_ERROR", "803"),
            "look for devices: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
        ),
        (
            ("DRIVER_VERSION", "11080"),
            "expected a driver of version 525 (CUDA 12.0) or later, got one for CUDA 11.8",
        ),
        (
            ("CAPABILITY", "70"),
            "expected compute capability 7.5 or later, got 7.0",
        ),
    ] {
        let world = World {
            driver: stand_in().into(),
            settings: &[settings],
        };
        assert_unusable(&world, reason);
    }
}

#[test]
#[ignore = "needs the stand-in driver; scripts/test.sh runs it"]
fn devices_that_fail() {
    for (settings, reason) in [
        (("MODULE_ERROR", "209"), "load the kernel "),
        (("MEMORY", "5000"), " bytes for "),
        (("FAIL_LAUNCH", "2"), "launch "),
        // Kernels run later: whoever waits for them hears of it.
        (("FAULT_LAUNCH", "2"), "CUDA_ERROR_ILLEGAL_ADDRESS"),
    ] {
        let world = World {
            driver: stand_in().into(),
            settings: &[settings],
        };
        let folder = folder();
        let (status, _, said) = world.run(&folder, &aggregate("cuda"));
        assert_eq!(status, Some(2), "{settings:?}: {said}");
        let start = "byzagg: device cuda:0 (CPU (stand-in driver)): ";
        assert!(said.starts_with(start) && said.contains(reason), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(folder.names(), ["x.npy"]);
    }
}

/// Kernels that only some devices have, and shared memory for less than other devices have: groups of points.
#[test]
#[ignore = "needs the stand-in driver; scripts/test.sh runs it"]
fn devices_of_every_capability() {
    for n in [90, 150] {
        let folder = Folder::new();
        folder.write("x.npy", &matrix("<f4", n, D, &numbers(n * D)));
        let results = ["cpu", "75", "80", "90", "100"].map(|device| {
            let driver = stand_in().into();
            let settings = &[("CAPABILITY", device)];
            let (device, settings) = match device {
                "cpu" => ("cpu", &[][..]),
                _ => ("cuda", &settings[..]),
            };
            let (status, _, said) = World { driver, settings }.run(&folder, &aggregate(device));
            assert_eq!((status, &said[..]), (Some(0), ""), "{settings:?}, n = {n}");
            fs::read(folder.path("out.npy")).unwrap()
        });
        // What krum chooses is a row as it is.
        assert!(
            results.iter().all(|result| *result == results[0]),
            "n = {n}"
        );
    }
}
