#!/usr/bin/env python3
"""Assembles the embedded PTX (kernels/ptx) for devices, and compares what the kernels take with kernels/registers.tsv:
a test of performance without a GPU.

    scripts/ptxas.py --update [NAME...]  assembles the modules that the table does not have as they are now, and writes
                                         them into it one by one: interrupted, it goes on where it was. A module
                                         that takes more registers, spilled bytes or instructions than before, or a
                                         new one that spills, is named and left out, unless --accept says that this
                                         is intended
    scripts/ptxas.py --check [NAME...]   fails if a module is not in the table as it is now, or assembles to other
                                         numbers. With --sample K only K times a module for a target are assembled,
                                         others whenever any PTX changes
    scripts/ptxas.py [NAME...]           prints what they take on sm_90; --all: on every target

The columns of the table: module, kernel, target, registers, bytes of static shared memory, bytes of stack, bytes
spilled, instructions, and the start of a hash of the PTX and what assembles it. ptxas has a pinned version; a driver
has a ptxas of its own.
"""

import argparse
import hashlib
import re
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import cuda_modules
import ptx
from cuda_modules import KERNELS

TABLE = KERNELS / "registers.tsv"
MAIN = "sm_90"
TARGETS = ["sm_75", "sm_80", MAIN, "sm_100"]
COLUMNS = ["module", "kernel", "target", "registers", "shared", "stack", "spilled", "instructions", "from"]
# A scheduler's whims, not a regression. There is no such margin for registers.
MARGIN = 0.02


def assemble(job):
    """Rows of the table for the kernels of a module and a target."""
    module, target, text = job
    with tempfile.TemporaryDirectory() as scratch:
        source, cubin = Path(scratch) / "in.ptx", Path(scratch) / "out.cubin"
        source.write_text(text)
        ptxas = cuda_modules.tool("ptxas") / "ptxas"
        command = [ptxas, "-v", f"-arch={target}", source, "-o", cubin]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            raise SystemExit(f"{module.name} for {target}:\n{run.stderr}")
        lengths = section_lengths(cubin.read_bytes())
    rows = []
    for part in run.stderr.split("Compiling entry function '")[1:]:
        kernel = part.split("'")[0]

        def number(pattern):
            return sum(int(n) for n in re.findall(pattern, part))

        spilled = number(r"(\d+) bytes spill")
        # An instruction has 16 bytes; padding counts.
        instructions = lengths[f".text.{kernel}"] // 16
        rows.append(
            [module.name, kernel, target, number(r"Used (\d+) registers"), number(r"(\d+) bytes smem")]
            + [number(r"(\d+) bytes stack frame"), spilled, instructions, digest(text)]
        )
    return rows


def section_lengths(elf):
    """The lengths of a 64-bit ELF file's sections by their names."""
    (offset,) = struct.unpack_from("<Q", elf, 40)
    size, count, names = struct.unpack_from("<HHH", elf, 58)
    headers = [struct.unpack_from("<IIQQQQ", elf, offset + i * size) for i in range(count)]
    start = headers[names][4]
    return {elf[start + h[0] : elf.index(b"\0", start + h[0])].decode(): h[5] for h in headers}


def digest(text):
    made_by = repr([cuda_modules.TOOLS["ptxas"][1:3], TARGETS])
    return hashlib.sha256((made_by + text).encode()).hexdigest()[:12]


def read_table():
    rows = [line.split("\t") for line in TABLE.read_text().splitlines()[1:]] if TABLE.exists() else []
    return {tuple(row[:3]): [*map(int, row[3:8]), row[8]] for row in rows}


def write_table(table):
    lines = ["\t".join(COLUMNS)]
    lines += ["\t".join(map(str, [*key, *row])) for key, row in sorted(table.items())]
    # Complete or as it was, even if it is interrupted.
    part = TABLE.with_suffix(".part")
    part.write_text("\n".join(lines) + "\n")
    part.rename(TABLE)


def complaints(key, before, now):
    """What is worse than the table says."""
    registers, _, stack, spilled, instructions, _ = now
    if before is None:
        return [f"is new and spills {spilled} bytes"] if spilled else []
    found = []
    if spilled > before[3]:
        found.append(f"spills {spilled} bytes, {before[3]} before")
    if stack > before[2]:
        found.append(f"has {stack} bytes of stack, {before[2]} before")
    if registers > before[0]:
        found.append(f"takes {registers} registers, {before[0]} before")
    if instructions > before[4] * (1 + MARGIN) + 8:
        found.append(f"has {instructions} instructions, {before[4]} before")
    return found


def targets_of(module):
    return [target for target in TARGETS if int(target[3:]) >= module.target]


def jobs_of(modules, texts, targets=targets_of):
    # The longest ones first.
    modules = sorted(modules, key=lambda module: -len(texts[module.name]))
    return [(module, target, texts[module.name]) for module in modules for target in targets(module)]


def rows_of(found):
    return {tuple(row[:3]): row[3:] for rows in found for row in rows}


def is_current(module, text, table):
    """Are exactly this module's kernels in the table, made from this text?"""
    kernels = re.findall(r"\.entry (\w+)", text)
    expected = {(module.name, kernel, target) for kernel in kernels for target in targets_of(module)}
    rows = {key: row for key, row in table.items() if key[0] == module.name}
    return rows.keys() == expected and all(row[5] == digest(text) for row in rows.values())


def update(stale, texts, accept):
    known = {m.name for m in cuda_modules.modules()}
    lock = threading.Lock()
    finished, worse = {module.name: {} for module in stale}, []

    def assemble_and_write(job):
        module = job[0]
        rows = rows_of([assemble(job)])
        with lock:
            own = finished[module.name]
            own.update(rows)
            if {target for _, _, target in own} != set(targets_of(module)):
                return
            # Read again: whoever else writes it has other modules.
            table = read_table()
            found = [(key, c) for key, row in sorted(own.items()) for c in complaints(key, table.get(key), row)]
            worse.extend(found)
            if accept or not found:
                others = {k: row for k, row in table.items() if k[0] != module.name and k[0] in known}
                write_table({**others, **own})

    cuda_modules.in_parallel(assemble_and_write, jobs_of(stale, texts), "ptxas")
    table = read_table()
    write_table({key: row for key, row in table.items() if key[0] in known})
    for key, complaint in worse:
        print(f"{' '.join(key)} {complaint}", file=sys.stderr)
    if worse and not accept:
        raise SystemExit("these are not in the table; --update --accept where that is intended")


def check(modules, stale, texts, table, sample):
    unknown = sorted({key[0] for key in table} - {m.name for m in cuda_modules.modules()})
    if stale or unknown:
        names = ", ".join([m.name for m in stale] + [f"{name} (no such module)" for name in unknown])
        raise SystemExit(f"kernels/registers.tsv is not of these kernels; run scripts/ptxas.py --update: {names}")
    jobs = jobs_of(modules, texts)
    if sample is not None:
        drawn = cuda_modules.sample({(job[0].name, job[1]): digest(job[2]) for job in jobs}, sample)
        jobs = [job for job in jobs if (job[0].name, job[1]) in drawn]
    found = rows_of(cuda_modules.in_parallel(assemble, jobs, "ptxas"))
    wrong = {key: row for key, row in found.items() if row != table[key]}
    for key, row in sorted(wrong.items()):
        print(f"{' '.join(key)}: {row[:5]}, the table says {table[key][:5]}", file=sys.stderr)
    if wrong:
        raise SystemExit("kernels/registers.tsv says otherwise")
    print("assembled: " + ", ".join(f"{module.name} for {target}" for module, target, _ in jobs))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--sample", metavar="K", type=int)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--accept", action="store_true")
    arguments = parser.parse_args()

    modules = [m for m in cuda_modules.select(arguments.names) if ptx.path_of(m.name).exists()]
    texts = {m.name: ptx.read(ptx.path_of(m.name)) for m in modules}
    table = read_table()
    stale = [m for m in modules if not is_current(m, texts[m.name], table)]
    cuda_modules.tool("ptxas")
    with cuda_modules.timed():
        if arguments.update:
            update(stale, texts, arguments.accept)
        elif arguments.check:
            check(modules, stale, texts, table, arguments.sample)
        else:
            targets = targets_of if arguments.all else lambda module: [MAIN]
            found = rows_of(cuda_modules.in_parallel(assemble, jobs_of(modules, texts, targets), "ptxas"))
            print("\t".join(COLUMNS))
            for key, row in sorted(found.items()):
                print("\t".join(map(str, [*key, *row])))


if __name__ == "__main__":
    main()
