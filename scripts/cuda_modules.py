"""What the scripts for CUDA share: the list of modules (kernels/modules.toml) and NVIDIA's tools.

The tools are files of packages on PyPI, of a pinned version and hash, kept in $BYZAGG_TOOLS or
~/.cache/byzagg-tools. Nothing is installed, and nothing else of CUDA is needed.
"""

import hashlib
import lzma
import os
import resource
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ROOT / "kernels"
PTX = KERNELS / "ptx"
JOBS = int(os.environ.get("JOBS", os.cpu_count() or 1))

# Package, version, hash of the wheel for x86-64, and the files that are used.
TOOLS = {
    "nvrtc": (
        "nvidia-cuda-nvrtc-cu12",
        "12.0.140",
        "8e94e991d85c422de4da87bdc7472fdc1364367bd4aace7000b559cd33122071",
        ["nvidia/cuda_nvrtc/lib/libnvrtc.so.12", "nvidia/cuda_nvrtc/lib/libnvrtc-builtins.so.12.0"],
    ),
    "ptxas": (
        "nvidia-cuda-nvcc-cu12",
        "12.9.86",
        "5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0",
        ["nvidia/cuda_nvcc/bin/ptxas"],
    ),
}


@dataclass(frozen=True)
class Module:
    name: str
    source: str
    # Its macros, as compiler options.
    macros: tuple
    # The least compute capability, e.g. 75.
    target: int


def modules():
    """All modules, in the order of the file: one for each element type and each bucket of rows."""
    manifest = tomllib.loads((KERNELS / "modules.toml").read_text())
    elements = manifest.pop("elements")
    found = []
    for family, entry in manifest.items():
        for element in entry.get("elements", [None]):
            for rows in entry.get("rows", [None]):
                parts, macros = [family], list(entry.get("macros", []))
                if element:
                    parts.append(element)
                    macros.append(f"ELEMENT={elements[element]}")
                if rows == "any":
                    parts.append(rows)
                elif rows:
                    parts.append(str(rows))
                    macros.append(f"ROWS={rows}")
                options = tuple(f"-D{macro}" for macro in macros)
                found.append(Module("_".join(parts), entry["source"], options, entry.get("target", 75)))
    return found


def select(patterns):
    """The modules whose names are one of the patterns, or contain one that is no name; all without patterns."""
    found = modules()
    names = {m.name for m in found}
    matches = lambda name, pattern: name == pattern or (pattern not in names and pattern in name)
    return [m for m in found if not patterns or any(matches(m.name, p) for p in patterns)]


def tool(name):
    """The folder with a tool's files, downloaded when it is first needed."""
    package, version, digest, files = TOOLS[name]
    cache = Path(os.environ.get("BYZAGG_TOOLS", Path.home() / ".cache" / "byzagg-tools"))
    folder = cache / f"{package}-{version}-{digest[:12]}"
    if all((folder / Path(f).name).exists() for f in files):
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        requirement = Path(scratch) / "requirements.txt"
        requirement.write_text(f"{package}=={version} --hash=sha256:{digest}\n")
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
            + ["--require-hashes", "-d", scratch, "-r", requirement],
            check=True,
        )
        (wheel,) = Path(scratch).glob("*.whl")
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != digest:
            raise SystemExit(f"{wheel.name} has another hash")
        folder.mkdir(exist_ok=True)
        with zipfile.ZipFile(wheel) as archive:
            for name in files:
                # Complete or not there: another process may be looking.
                part = Path(scratch) / Path(name).name
                part.write_bytes(archive.read(name))
                part.chmod(0o755)
                part.rename(folder / part.name)
    return folder


def networks():
    """Has the headers of selection networks written to kernels/generated, if their generator has changed.

    `cargo run --example kernel_networks` writes the same, but builds the crate and all it depends on: minutes
    against seconds. The generator needs three files of it, which build.rs includes as well.
    """
    example = ROOT / "examples" / "kernel_networks.rs"
    parts = [ROOT / "src" / "network" / f"{name}.rs" for name in ("comparators", "construct", "program")]
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in [example, *parts])).hexdigest()
    stamp = KERNELS / "generated" / "stamp"
    if stamp.exists() and stamp.read_text() == digest:
        return
    with tempfile.TemporaryDirectory() as scratch:
        modules = "".join(f'#[path = "{p}"] mod {p.stem};\n' for p in parts)
        exports = "pub mod network { pub use crate::comparators::*; pub use crate::program::*; }\n"
        library = Path(scratch) / "byzagg.rs"
        library.write_text("#![allow(dead_code)]\n" + modules + exports)
        rustc = ["rustc", "--edition", "2024", "-O", "--cap-lints", "allow", "--out-dir", scratch, "-L", scratch]
        subprocess.run([*rustc, "--crate-type", "rlib", library], check=True)
        subprocess.run([*rustc, "--extern", "byzagg", example], check=True)
        subprocess.run([Path(scratch) / example.stem, stamp.parent], check=True)
    stamp.write_text(digest)


def ptx_of(name):
    """The PTX of a module as it was packed: scripts/ptx.py says how."""
    return lzma.decompress((PTX / f"{name}.ptx.xz").read_bytes()).decode()


def sample(hashes, count):
    """A few of the things that have these hashes: the same for the same hashes, others when any changes."""
    seed = repr(sorted(hashes.items()))
    drawn = sorted(hashes, key=lambda key: hashlib.sha256(repr((key, seed)).encode()).digest())
    return set(drawn[:count])


@contextmanager
def timed():
    """Says how long it took, also the processor: one that others use too is slower."""
    start = time.monotonic()
    yield
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = used.ru_utime + used.ru_stime
    print(f"{time.monotonic() - start:.0f} s, {seconds:.0f} s of the processor", file=sys.stderr)


def in_parallel(work, items, label):
    """[work(item) for item in items], two or more at a time, with a line of progress."""
    results = {}
    with ThreadPoolExecutor(JOBS) as pool:
        futures = {pool.submit(work, item): i for i, item in enumerate(items)}
        try:
            for done, future in enumerate(as_completed(futures), 1):
                results[futures[future]] = future.result()
                if sys.stderr.isatty():
                    print(f"\r{label}: {done}/{len(items)}", end="", file=sys.stderr, flush=True)
                elif done % 10 == 0:
                    print(f"{label}: {done}/{len(items)}", file=sys.stderr, flush=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return [results[i] for i in range(len(items))]
