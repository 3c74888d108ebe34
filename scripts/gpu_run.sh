#!/usr/bin/env bash
# Runs a bundle of scripts/gpu_bundle.sh on a machine with an NVIDIA GPU: all suites, compute-sanitizer, and the
# benchmark beside PyTorch. Needs the driver; compute-sanitizer and PyTorch are used where they are.
#
#   ./gpu_run.sh [RESULTS]                # results unless given
#   STEPS="tests bench" ./gpu_run.sh      # some of: tests sanitizer bench
#   SUITES=cuda N=8,25 D=1e5 ./gpu_run.sh # one suite, and benchmarks of these rows and columns only
set -uo pipefail
cd "$(dirname "$0")"
results=$(realpath -m "${1:-results}")
mkdir -p "$results"
failed=0
say() { printf '\n== %s\n' "$*"; }
# Keeps the end of what a command says, and remembers its failure.
run() {
    local name=$1
    shift
    say "$name"
    if "$@" >"$results/$name.txt" 2>&1; then tail -3 "$results/$name.txt"; else
        echo "FAILED: $*"
        tail -40 "$results/$name.txt"
        failed=1
    fi
}

steps=${STEPS:-tests sanitizer bench}
{ date -u +%F; ./byzagg devices; nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader; } |
    tee "$results/device.txt"

if [[ $steps == *tests* ]]; then
    for suite in ${SUITES:-cuda conformance rules adversarial views properties steady_state}; do
        run "$suite" "./$suite"
    done
fi

if [[ $steps == *sanitizer* ]]; then
    if command -v compute-sanitizer >/dev/null; then
        for tool in memcheck racecheck initcheck; do
            run "$tool" compute-sanitizer --tool "$tool" --error-exitcode 1 ./cuda --test-threads 1
        done
        run memcheck-conformance compute-sanitizer --tool memcheck --error-exitcode 1 ./conformance cuda
    else
        echo "compute-sanitizer is not here: NOT RUN"
    fi
fi

if [[ $steps == *bench* ]]; then
    bench() {
        local name=bench-$1
        shift
        run "$name" ./byzagg bench --device cuda --rounds 3 --json "$results/$name.json" "$@"
    }
    for dtype in f32 bf16; do
        bench "$dtype" --dtype "$dtype" --n "${N:-8,16,25,32,64,128}" --d "${D:-2.5e7}"
    done
    many=${N:-256}
    bench 256 --n "$many" --d "${D:-1e7}" --rule median --rule "cwtm(f=$((${many%%,*} / 8)))"
    bench latency --n "${N:-25}" --d "${D:-1e5}"
    if python3 -c 'import torch' 2>/dev/null; then
        run torch python3 torch_bench.py "$results"/bench-*.json --json "$results/torch.json" --table "$results/table.md"
    else
        echo "PyTorch is not here: NOT RUN"
    fi
fi
exit $failed
