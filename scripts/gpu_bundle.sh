#!/usr/bin/env bash
# Builds what runs the tests and the benchmark on a machine with an NVIDIA GPU and without Rust: a folder with
# release executables and scripts/gpu_run.sh.
#
#   scripts/gpu_bundle.sh [FOLDER]        # target/gpu-bundle unless given
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-target/gpu-bundle}
rm -rf "$folder"
mkdir -p "$folder"
# What these test they have inside: the others read files of the repository.
suites=(conformance rules adversarial views properties steady_state cuda)
flags=()
for suite in "${suites[@]}"; do flags+=(--test "$suite"); done
# The tool comes with them.
cargo test --release --features cli,cuda --no-run "${flags[@]}" --message-format=json |
    python3 -c '
import json, shutil, sys
for line in sys.stdin:
    message = json.loads(line)
    path = message.get("executable")
    if path and (message["profile"]["test"] or message["target"]["kind"] == ["bin"]):
        shutil.copy(path, sys.argv[1] + "/" + message["target"]["name"])
' "$folder"
strip "$folder"/*
cp scripts/gpu_run.sh scripts/torch_bench.py "$folder/"
du -sh "$folder"
