#!/usr/bin/env python3
"""Builds the stand-in for CUDA's driver (tests/cuda/driver.cpp) and the kernels for it, with g++, in
target/cuda-stand-in; only what has changed. Needs kernels/ptx (scripts/ptx.py), which names the kernels.

    scripts/stand_in.py                     builds it
    scripts/stand_in.py cargo test …        builds it, and runs the command with it as libcuda.so.1
    scripts/stand_in.py --asan [COMMAND…]   the same with AddressSanitizer and checks of alignment, in
                                            target/cuda-stand-in-asan
    scripts/stand_in.py --only columns_f32  builds the modules whose names contain it
    scripts/stand_in.py --rows 8,12         builds the modules for that many rows, and those for any number

A library that loads but lacks every function lies in broken/libcuda.so.1.
"""

import argparse
import hashlib
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import cuda_modules
from cuda_modules import KERNELS, PTX, ROOT

SOURCES = ROOT / "tests" / "cuda"
COMMON = ["-std=c++17", "-fPIC", "-g1", "-fvisibility=hidden", "-ffp-contract=off", "-fno-strict-aliasing"]
# No symbols that all modules share, and nothing of C++'s library in a module.
MODULE = ["-fno-gnu-unique", "-fno-exceptions", "-fno-rtti", "-Wno-unknown-pragmas", "-Wno-attributes"]
SANITIZERS = ["-fsanitize=address,alignment,bounds,shift,integer-divide-by-zero", "-fno-sanitize-recover=all"]


def processor_options():
    """fmaf as an instruction where the processor has one: the same bits, many times as fast."""
    if platform.machine() != "x86_64":
        return []
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    has = set(flags.group(1).split()) if flags else set()
    return [f"-m{option}" for option in ("avx2", "fma") if option in has]


class Build:
    def __init__(self, asan):
        self.out = ROOT / "target" / ("cuda-stand-in-asan" if asan else "cuda-stand-in")
        # Straight-line code of thousands of comparators takes minutes at -O2 with sanitizers.
        self.module_options = ["-O1", *SANITIZERS] if asan else ["-O1"]
        self.driver_options = ["-O1", "-fsanitize=address"] if asan else ["-O2"]
        self.processor = processor_options()
        for folder in ("modules", "objects", "broken"):
            (self.out / folder).mkdir(parents=True, exist_ok=True)

    def compile(self, target, sources, options):
        """Unless `target` is newer than all it was made from, and was made by the same command."""
        dependencies = self.out / "objects" / (target.name + ".d")
        stamp = self.out / "objects" / (target.name + ".stamp")
        command = ["g++", *COMMON, *self.processor, *options, "-MMD", "-MF", dependencies, "-o", target, *sources]
        digest = hashlib.sha256(repr([str(c) for c in command]).encode()).hexdigest()
        if up_to_date(target, dependencies, stamp, digest):
            return False
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if run.stderr:
            print(run.stderr, end="", file=sys.stderr)
        if run.returncode:
            raise SystemExit(f"{target.name} does not compile")
        stamp.write_text(digest)
        return True

    def driver(self):
        objects = []
        for name in ("shim", "driver", "modules", "memory", "streams", "graphs"):
            objects.append(self.out / "objects" / f"{name}.o")
            self.compile(objects[-1], [SOURCES / f"{name}.cpp"], [*self.driver_options, "-Wall", "-Wextra", "-c"])
        library = self.out / "libcuda.so.1"
        newest = max(o.stat().st_mtime for o in objects)
        if not library.exists() or library.stat().st_mtime < newest:
            link(library, [*self.driver_options, *objects, "-ldl", "-pthread"])
        # cudarc tries this name first.
        plain = self.out / "libcuda.so"
        if not plain.is_symlink():
            plain.symlink_to(library.name)
        broken = self.out / "broken" / "libcuda.so.1"
        if not broken.exists():
            empty = self.out / "objects" / "empty.cpp"
            empty.write_text("")
            link(broken, [empty])
            (broken.parent / "libcuda.so").symlink_to(broken.name)

    def module(self, module):
        names = re.findall(r"\.entry (\w+)", cuda_modules.ptx_of(module.name))
        kernels = " ".join(f"SHIM_KERNEL({name})" for name in names)
        wrapper = self.out / "objects" / f"{module.name}.cpp"
        text = f'#include "shim.h"\n#include "{module.source}"\nSHIM_MODULE({kernels})\n'
        if not wrapper.exists() or wrapper.read_text() != text:
            wrapper.write_text(text)
        includes = ["-I", SOURCES, "-I", KERNELS]
        options = [*self.module_options, *MODULE, *includes, *module.macros, "-shared", f"-L{self.out}", "-l:libcuda.so.1"]
        # The library comes behind what needs it.
        return self.compile(self.out / "modules" / f"{module.name}.so", [wrapper, "-l:libcuda.so.1"], options)


def up_to_date(target, dependencies, stamp, digest):
    if not (target.exists() and dependencies.exists() and stamp.exists()) or stamp.read_text() != digest:
        return False
    made = target.stat().st_mtime
    files = dependencies.read_text().replace("\\\n", " ").split(":", 1)[1].split()
    return all(Path(ROOT, f).exists() and Path(ROOT, f).stat().st_mtime <= made for f in files)


def link(library, arguments):
    subprocess.run(["g++", "-shared", "-fPIC", f"-Wl,-soname,{library.name}", "-o", library, *arguments], check=True)


def environment(build, asan):
    paths = [str(build.out), os.environ.get("LD_LIBRARY_PATH", "")]
    found = {**os.environ, "LD_LIBRARY_PATH": ":".join(p for p in paths if p)}
    if asan:
        run = subprocess.run(["g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
        # Only for the tests themselves, not for cargo and the compiler. Rust's own leaks are not looked for.
        target = f"{platform.machine()}_unknown_linux_gnu".upper()
        options = "detect_leaks=0:detect_stack_use_after_return=0"
        runner = f"env LD_PRELOAD={run.stdout.strip()} ASAN_OPTIONS={options}"
        found[f"CARGO_TARGET_{target}_RUNNER"] = runner
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asan", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--rows", type=lambda text: text.split(","))
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    build = Build(arguments.asan)
    build.driver()
    cuda_modules.networks()
    # The longest ones first.
    modules = [m for m in cuda_modules.select(arguments.only) if (PTX / f"{m.name}.ptx.xz").exists()]
    if arguments.rows:
        rows = [m.name.rsplit("_", 1)[-1] for m in modules]
        modules = [m for m, most in zip(modules, rows) if not most.isdigit() or most in arguments.rows]
    modules.sort(key=lambda m: -(PTX / f"{m.name}.ptx.xz").stat().st_size)
    made = cuda_modules.in_parallel(build.module, modules, "stand-in")
    print(f"{build.out}: {sum(made)} of {len(modules)} modules compiled", file=sys.stderr)
    if arguments.command:
        os.execvpe(arguments.command[0], arguments.command, environment(build, arguments.asan))


if __name__ == "__main__":
    main()
