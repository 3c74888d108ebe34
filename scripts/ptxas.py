#!/usr/bin/env python3
"""Assembles the embedded PTX (kernels/ptx) for devices, and compares what the kernels take with kernels/registers.tsv:
a test of performance without a GPU.

    scripts/ptxas.py --check [NAME...]   fails on more registers, spilled bytes or instructions than in the table
    scripts/ptxas.py --update [NAME...]  writes the table, and names the kernels that spill
    scripts/ptxas.py [NAME...]           prints it

Every module is assembled for sm_90; with --all, and by --update, also for the other targets. Without --all the check
takes those for the modules whose PTX is not what the table was made from, as nothing else can have changed.

The columns of the table: module, kernel, target, registers, bytes of static shared memory, bytes of stack, bytes
spilled, instructions, and the start of the PTX's hash. ptxas has a pinned version; a driver has a ptxas of its own.
"""

import argparse
import hashlib
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import cuda_modules
import ptx
from cuda_modules import KERNELS

TABLE = KERNELS / "registers.tsv"
MAIN = "sm_90"
TARGETS = ["sm_75", "sm_80", MAIN, "sm_100"]
COLUMNS = ["module", "kernel", "target", "registers", "shared", "stack", "spilled", "instructions", "ptx"]
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
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_table():
    rows = [line.split("\t") for line in TABLE.read_text().splitlines()[1:]] if TABLE.exists() else []
    return {tuple(row[:3]): [*map(int, row[3:8]), row[8]] for row in rows}


def write_table(table):
    lines = ["\t".join(COLUMNS)]
    lines += ["\t".join(map(str, [*key, *row])) for key, row in sorted(table.items())]
    TABLE.write_text("\n".join(lines) + "\n")


def complaints(key, before, now):
    """What is worse than the table says."""
    registers, _, stack, spilled, instructions, _ = now
    if before is None:
        return ["is not in the table"]
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--update", action="store_true")
    arguments = parser.parse_args()

    cuda_modules.tool("ptxas")
    modules = [m for m in cuda_modules.select(arguments.names) if ptx.path_of(m.name).exists()]
    texts = {m.name: ptx.read(ptx.path_of(m.name)) for m in modules}
    table = read_table()
    made_from = {key[0]: row[5] for key, row in table.items()}
    jobs = []
    for module in modules:
        same = made_from.get(module.name) == digest(texts[module.name])
        every = arguments.all or arguments.update or not same
        if arguments.update and same and not arguments.all:
            # Already in the table.
            continue
        targets = TARGETS if every else [MAIN]
        jobs += [(module, t, texts[module.name]) for t in targets if int(t[3:]) >= module.target]
    # The longest ones first.
    jobs.sort(key=lambda job: -len(job[2]))
    rows = [row for rows in cuda_modules.in_parallel(assemble, jobs, "ptxas") for row in rows]
    found = {tuple(row[:3]): row[3:] for row in rows}

    if arguments.update:
        assembled = {job[0].name for job in jobs}
        known = {m.name for m in cuda_modules.modules()}
        kept = {key: row for key, row in table.items() if key[0] not in assembled and key[0] in known}
        write_table({**kept, **found})
        for key, row in sorted(found.items()):
            if row[3]:
                print(f"{' '.join(key)} spills {row[3]} bytes", file=sys.stderr)
        return
    if not arguments.check:
        print("\t".join(COLUMNS))
        for key, row in sorted(found.items()):
            print("\t".join(map(str, [*key, *row])))
        return
    wrong = [(key, c) for key, row in sorted(found.items()) for c in complaints(key, table.get(key), row)]
    gone = {key for key in table if key[0] in texts and key[2] == MAIN} - set(found)
    wrong += [(key, "is no longer there") for key in sorted(gone)]
    for key, complaint in wrong:
        print(f"{' '.join(key)} {complaint}", file=sys.stderr)
    if wrong:
        raise SystemExit("kernels/registers.tsv says otherwise; scripts/ptxas.py --update where that is intended")


if __name__ == "__main__":
    main()
