"""Converts scikit-learn's digits.csv.gz to the four IDX files beside this script.

    pip download scikit-learn --no-deps && unzip scikit_learn-*.whl sklearn/datasets/data/digits.csv.gz
    python3 digits.py sklearn/datasets/data/digits.csv.gz

The rows keep their order: the first 1437 are for training, the last 360 for the test.
"""

import csv
import gzip
import hashlib
import pathlib
import struct
import sys

TRAIN = 1437

with gzip.open(sys.argv[1], "rt", newline="") as file:
    rows = [[int(value) for value in row] for row in csv.reader(file)]
assert len(rows) == 1797 and all(len(row) == 65 and max(row[:64]) <= 16 and row[64] <= 9 for row in rows)

folder = pathlib.Path(__file__).parent / "digits"
folder.mkdir(exist_ok=True)
for name, part in [("train", rows[:TRAIN]), ("t10k", rows[TRAIN:])]:
    images = struct.pack(">4I", 0x803, len(part), 8, 8) + b"".join(bytes(row[:64]) for row in part)
    labels = struct.pack(">2I", 0x801, len(part)) + bytes(row[64] for row in part)
    for kind, content in [("images-idx3", images), ("labels-idx1", labels)]:
        path = folder / f"{name}-{kind}-ubyte.gz"
        path.write_bytes(gzip.compress(content, 9, mtime=0))
        print(hashlib.sha256(path.read_bytes()).hexdigest(), path.name, path.stat().st_size)
