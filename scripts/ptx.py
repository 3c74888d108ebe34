#!/usr/bin/env python3
"""Compiles the kernels to the PTX that the crate embeds: kernels/ptx/NAME.ptx.xz for every module of
kernels/modules.toml, kernels/ptx/modules.rs, their table, and kernels/ptx/inputs.tsv, what they were made from.

    scripts/ptx.py [NAME...]     compiles the modules whose inputs have changed (of those whose names contain NAME)
    scripts/ptx.py --all         compiles all
    scripts/ptx.py --check       compiles all, and fails if a committed file holds anything else; all cores,
                                 some 8 minutes of a processor
    scripts/ptx.py --check --sample K  the same of K modules, others whenever an input changes, and of those that the
                                 last commit changed. Either fails if any module's inputs have changed since
    scripts/ptx.py --check-inputs  compiles nothing, and fails if inputs have changed since
    scripts/ptx.py --print NAME  prints the PTX of a module

NVRTC of a pinned version makes the same text from the same sources on every machine. PTX of 12.0 is loaded by every
driver from 525 on.

The text is changed in three ways: its first line says the module's name (for the stand-in driver), comments and
variables that nothing uses are gone, and a function's registers are numbered as they are first mentioned. In the files
a register that is new is written `%f+`, and any other as its distance from the newest of its class, `%f0` being that
one: xz then makes a third of what it would make of the numbers. src/backend/cuda/ptx.rs undoes it.
"""

import argparse
import ctypes
import hashlib
import lzma
import re
import subprocess
import sys
import threading

import cuda_modules
from cuda_modules import KERNELS, PTX

# To be raised when `tidy` changes.
FORMAT = 1
OPTIONS = ["--std=c++17", "-fmad=false", "--include-path=" + str(KERNELS)]
# Compilations of a module beyond the first, before it counts as different.
ATTEMPTS = 5


def compile_here(module):
    """The PTX of a module, by NVRTC in this process."""
    folder = cuda_modules.tool("nvrtc")
    # NVRTC looks for the second one by its name.
    ctypes.CDLL(str(folder / "libnvrtc-builtins.so.12.0"), mode=ctypes.RTLD_GLOBAL)
    nvrtc = ctypes.CDLL(str(folder / "libnvrtc.so.12"))
    nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p

    def check(status):
        if status:
            raise SystemExit(f"{module.name}: {nvrtc.nvrtcGetErrorString(status).decode()}")

    def text(size, get):
        bytes_ = ctypes.c_size_t()
        check(size(program, ctypes.byref(bytes_)))
        buffer = ctypes.create_string_buffer(bytes_.value)
        check(get(program, buffer))
        return buffer.value.decode()

    program = ctypes.c_void_p()
    source = (KERNELS / module.source).read_bytes()
    check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, module.source.encode(), 0, None, None))
    options = [f"--gpu-architecture=compute_{module.target}", *OPTIONS, *module.macros]
    array = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    status = nvrtc.nvrtcCompileProgram(program, len(options), array)
    log = text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog).strip()
    if log:
        print(f"{module.name}:\n{log}", file=sys.stderr)
    check(status)
    return tidy(module.name, text(nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX))


def tidy(name, ptx):
    """What is said above about the text, registers in full."""
    lines = [line.rstrip() for line in ptx.splitlines()]
    lines = [line for line in lines if line and not line.lstrip().startswith("//")]
    words = {}
    for line in lines:
        for word in re.findall(r"[A-Za-z_$][\w$]*", line):
            words[word] = words.get(word, 0) + 1
    unused = re.compile(r"\.global (?:\.?\w+ )*?([A-Za-z_$][\w$]*)(?:\[\d*\])?(?: = .*)?;$")

    def is_used(line):
        variable = unused.match(line)
        return not variable or words[variable.group(1)] > 1

    text = "\n".join([f"// byzagg module {name}", *filter(is_used, lines), ""])
    return decode(encode(text))


REGISTER = re.compile(r"%(rs|rd|r|fd|f|p|hh|h)(\+|\d+)")


def encode(text):
    numbers, newest = {}, {}

    def shorten(match):
        kind, register = match.group(1), match.group(0)
        if register in numbers:
            return f"%{kind}{newest[kind] - numbers[register]}"
        numbers[register] = newest[kind] = newest.get(kind, 0) + 1
        return f"%{kind}+"

    return by_function(text, REGISTER, shorten, (numbers, newest))


def decode(text):
    newest = {}

    def lengthen(match):
        kind, distance = match.groups()
        if distance == "+":
            newest[kind] = newest.get(kind, 0) + 1
            distance = 0
        return f"%{kind}{newest[kind] - int(distance)}"

    return by_function(text, REGISTER, lengthen, (newest,))


def by_function(text, pattern, replace, state):
    """Replaces in every line, with the state emptied where a function begins."""
    lines = []
    for line in text.split("\n"):
        if ".entry " in line or ".func " in line:
            for numbers in state:
                numbers.clear()
        lines.append(pattern.sub(replace, line))
    return "\n".join(lines)


def compile_apart(module):
    return compile_named(module.name)


def compile_named(name):
    """In a process of its own: NVRTC holds a lock while it compiles."""
    run = subprocess.run([sys.executable, __file__, "--print", name], capture_output=True, text=True)
    if run.stderr:
        print(run.stderr, end="", file=sys.stderr)
    if run.returncode:
        raise SystemExit(f"{name} does not compile")
    return run.stdout


def compile_twice(module):
    """The text that comes out twice first: what is committed should not be what comes out once in ten times."""
    seen = set()
    while (ptx := compile_apart(module)) not in seen:
        seen.add(ptx)
    return ptx


def agrees(name, ptx):
    """Is it what is committed? NVRTC is not quite deterministic (tensor_bf16_any came out otherwise once in seven
    times), so that one of a few compilations has to be: `compile_twice`."""
    if not path_of(name).exists():
        return False
    committed = read(path_of(name))
    return ptx == committed or any(compile_named(name) == committed for _ in range(ATTEMPTS))


def path_of(name):
    return PTX / f"{name}.ptx.xz"


def read(path):
    return decode(lzma.decompress(path.read_bytes()).decode())


def write(path, ptx):
    # An unchanged text keeps its file: another version of xz may write other bytes.
    if not path.exists() or read(path) != ptx:
        path.write_bytes(lzma.compress(encode(ptx).encode(), preset=9 | lzma.PRESET_EXTREME))


def inputs_of(module):
    """A hash of all that the text of a module depends on. The preprocessor of g++ lists the files."""
    command = ["g++", "-x", "c++", "-MM", "-I", KERNELS, *module.macros, KERNELS / module.source]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    files = sorted(set(run.stdout.replace("\\\n", " ").split(":", 1)[1].split()))
    version, digest = cuda_modules.TOOLS["nvrtc"][1:3]
    options = [o for o in OPTIONS if "include-path" not in o]
    hash_ = hashlib.sha256(repr([FORMAT, module, version, digest, options]).encode())
    for file in files:
        hash_.update(open(file, "rb").read())
    return hash_.hexdigest()


def recorded_inputs():
    path = PTX / "inputs.tsv"
    return parse_inputs(path.read_text()) if path.exists() else {}


def parse_inputs(text):
    return dict(line.split("\t") for line in text.splitlines())


def inputs_before():
    """What was recorded before the last commit; None outside of a repository, and for its first commit."""
    path = (PTX / "inputs.tsv").relative_to(cuda_modules.ROOT)
    command = ["git", "-C", cuda_modules.ROOT, "show", f"HEAD~1:{path}"]
    run = subprocess.run(command, capture_output=True, text=True)
    return parse_inputs(run.stdout) if run.returncode == 0 else None


def table(names):
    lines = [
        "// Written by scripts/ptx.py.",
        "/// The modules' names, and their PTX as scripts/ptx.py packs it, in the order of the names.",
        "pub const MODULES: &[(&str, &[u8])] = &[",
        *[f'    ("{name}", include_bytes!("{name}.ptx.xz")),' for name in sorted(names)],
        "];",
        "",
    ]
    return "\n".join(lines)


def write_lists(inputs, all_names):
    there = [name for name in all_names if path_of(name).exists()]
    (PTX / "modules.rs").write_text(table(there))
    lines = [f"{name}\t{inputs[name]}\n" for name in sorted(there) if name in inputs]
    (PTX / "inputs.tsv").write_text("".join(lines))


def check(found, all_names):
    """What is committed against what was compiled."""
    wrong = [name for name, ptx in found.items() if not agrees(name, ptx)]
    wrong += [f"{path.name} (no such module)" for path in superfluous(all_names)]
    written = PTX / "modules.rs"
    if not written.exists() or written.read_text() != table(all_names):
        wrong.append("modules.rs")
    fail(wrong)


def fail(wrong):
    if wrong:
        raise SystemExit("kernels/ptx is not what the kernels compile to; run scripts/ptx.py: " + ", ".join(wrong))


def superfluous(all_names):
    return [p for p in PTX.glob("*.ptx.xz") if p.name[: -len(".ptx.xz")] not in all_names]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--sample", metavar="K", type=int)
    parser.add_argument("--check-inputs", action="store_true")
    parser.add_argument("--print", metavar="NAME")
    arguments = parser.parse_args()
    if arguments.print:
        (module,) = [m for m in cuda_modules.modules() if m.name == arguments.print]
        print(compile_here(module), end="")
        return

    cuda_modules.networks()
    modules = cuda_modules.select(arguments.names)
    all_names = [module.name for module in cuda_modules.modules()]
    before, inputs = recorded_inputs(), {m.name: inputs_of(m) for m in modules}
    changed = [m for m in modules if before.get(m.name) != inputs[m.name] or not path_of(m.name).exists()]
    if arguments.check_inputs:
        fail([m.name for m in changed])
        return
    if arguments.all or arguments.check:
        changed = modules
    cuda_modules.tool("nvrtc")
    if arguments.check:
        fail([m.name for m in modules if before.get(m.name) != inputs[m.name]])
        if arguments.sample is not None:
            names = cuda_modules.sample(inputs, arguments.sample)
            earlier = inputs_before()
            if earlier is not None:
                names |= {name for name in inputs if earlier.get(name) != inputs[name]}
            changed = [m for m in modules if m.name in names]
        with cuda_modules.timed():
            texts = cuda_modules.in_parallel(compile_apart, changed, "PTX")
        check({module.name: ptx for module, ptx in zip(changed, texts)}, all_names)
        print(f"{len(changed)} of {len(modules)} modules compiled: " + ", ".join(m.name for m in changed))
        return
    PTX.mkdir(exist_ok=True)
    for path in superfluous(all_names):
        path.unlink()
    lock = threading.Lock()

    def compile_and_write(module):
        # At once, so that an interrupted run goes on where it was.
        ptx = compile_twice(module)
        with lock:
            write(path_of(module.name), ptx)
            before[module.name] = inputs[module.name]
            write_lists(before, all_names)

    cuda_modules.in_parallel(compile_and_write, changed, "PTX")
    write_lists(before, all_names)
    total = sum(p.stat().st_size for p in PTX.glob("*.ptx.xz"))
    print(f"{len(changed)} of {len(modules)} modules compiled; kernels/ptx has {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
