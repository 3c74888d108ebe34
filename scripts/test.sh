#!/usr/bin/env bash
# Runs all tests, those of the GPU backend on whatever driver there is. A Linux machine without one gets
# Mesa's software driver from its distribution (Debian, Ubuntu). Arguments go to `cargo test`; the tests of the CUDA
# backend run only without any.
#
# BYZAGG_WITHOUT_ADAPTER=accept runs on a machine that has none and can't get one: the tests that need an
# adapter then say so and do nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

# A loader, and a driver for it to load.
has_vulkan() {
    ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1' || return 1
    compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null || compgen -G '/etc/vulkan/icd.d/*.json' >/dev/null ||
        [ -n "${VK_ICD_FILENAMES:-}${VK_DRIVER_FILES:-}" ]
}

install_vulkan() {
    if ! command -v apt-get >/dev/null; then
        echo "No Vulkan driver here, and no apt-get to install one. Install Mesa's Vulkan drivers and libvulkan." >&2
        return 1
    fi
    local root=()
    [ "$(id -u)" = 0 ] || root=(sudo)
    echo "No Vulkan driver here: installing Mesa's software driver." >&2
    "${root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq mesa-vulkan-drivers libvulkan1
}

if [ "$(uname)" = Linux ] && [ "${BYZAGG_WITHOUT_ADAPTER:-}" != accept ]; then
    has_vulkan || install_vulkan
fi
# Mesa asks for it, and says so for every device when it is not set.
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$(mktemp -d)}"
if [ "${BYZAGG_WITHOUT_ADAPTER:-}" = accept ]; then
    # Cargo keeps what passing tests print to itself.
    echo "BYZAGG_WITHOUT_ADAPTER=accept: if this machine has no adapter, NOTHING IS TESTED ON wgpu." >&2
fi
tests=(cargo test --features cli,wgpu,train)
if [ $# != 0 ]; then
    exec "${tests[@]}" "$@"
fi

# The same suites on CUDA. A machine without the driver gets the stand-in, which runs the kernels on the CPU.
# BYZAGG_STAND_IN=always takes it in any case, =asan its variant with AddressSanitizer, =never whatever there is.
stand_in=()
has_cuda() { ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1'; }
case "${BYZAGG_STAND_IN:-}" in
never) ;;
asan) stand_in=(scripts/stand_in.py --asan) ;;
always) stand_in=(scripts/stand_in.py) ;;
*) has_cuda || stand_in=(scripts/stand_in.py) ;;
esac
cuda=(cargo test --features cli,cuda)
suites=(--lib --test cuda --test conformance --test rules --test adversarial)

# The stand-in keeps one core busy, and a software Vulkan driver is often waiting too: both at once.
"${tests[@]}" --no-run
"${stand_in[@]}" "${cuda[@]}" --no-run "${suites[@]}"
said=$(mktemp)
"${stand_in[@]}" "${cuda[@]}" "${suites[@]}" >"$said" 2>&1 &
beside=$!
trap 'kill "$beside" 2>/dev/null || true' EXIT
# Each cargo puts its own program at target/debug/byzagg before it runs tests: ours comes last.
until grep -q Running "$said" || ! kill -0 "$beside" 2>/dev/null; do
    sleep 1
done
"${tests[@]}"
status=0
wait "$beside" || status=$?
trap - EXIT
cat "$said"
rm "$said"
[ "$status" = 0 ] || exit "$status"
# Failures of the driver, which only the stand-in has when it is asked.
[ "${BYZAGG_STAND_IN:-}" = never ] || scripts/stand_in.py "${cuda[@]}" --test cuda -- --ignored
