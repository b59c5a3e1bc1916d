#!/bin/sh
# Everything that needs a GPU, in one call and one table: build the preset `cuda` beforehand (`cmake --preset cuda &&
# cmake --build build/cuda --target tests_gpu windtunnel_bench`), then run this on a machine with a GPU. The programs
# find their shared libraries in build/cuda/lib when the machine lacks Debian's (`tools/device_check.sh --pack`
# collects them there).
set -eu
cd "$(dirname "$0")/.."
if [ "${1:-}" = --pack ]; then
    mkdir -p build/cuda/lib
    for program in build/cuda/tests/tests_gpu build/cuda/windtunnel_bench; do
        ldd "$program" | awk '/=> \// && !/libc\.so|libm\.so|libcuda|ld-linux/ { print $3 }' | xargs -r cp -Lt build/cuda/lib
    done
    exit 0
fi
export LD_LIBRARY_PATH="build/cuda/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
echo "== CUDA = CPU"
build/cuda/tests/tests_gpu "device replay*"
echo "== the engine on this machine's CPU, for the ratio"
build/cuda/windtunnel_bench
