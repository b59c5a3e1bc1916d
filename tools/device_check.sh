#!/bin/sh
# Everything that needs a GPU, in one call and one table: are results equal, and how fast is each. Build the preset `cuda`
# beforehand (`cmake --preset cuda -DCMAKE_CUDA_ARCHITECTURES=native && cmake --build build/cuda --target tests_gpu windtunnel
# windtunnel_bench`), then run this on a machine with a GPU: tools/device_check.sh [TRIALS], 100,000 by default. The programs
# find their shared libraries in build/cuda/lib when the machine lacks Debian's (`tools/device_check.sh --pack` collects them there).
#
# Two parts need nothing but the CUDA toolkit and g++, and build what they run, for the GPU at hand:
#   tools/device_check.sh --attention          the attention kernel
#   tools/device_check.sh --replay [TRIALS]    trials on the GPU against this machine's threads
# The second wants Random123's headers and, for its timing, a day to replay: `tools/device_check.sh --pack-replay` puts both
# into build/replay on a machine that has `make bench`'s program. WINDTUNNEL_ARCH (native) and WINDTUNNEL_NVCC_FLAGS
# are its compiler's: "-Xptxas=-override-directive-values,-maxrregcount=64" tries more warps with fewer registers.
set -eu
cd "$(dirname "$0")/.."
if [ "${1:-}" = --pack ]; then
    mkdir -p build/cuda/lib
    for program in build/cuda/tests/tests_gpu build/cuda/windtunnel build/cuda/windtunnel_bench; do
        ldd "$program" | awk '/=> \// && !/libc\.so|libm\.so|libcuda|ld-linux/ { print $3 }' | xargs -r cp -Lt build/cuda/lib
    done
    exit 0
fi
# The requests of a day of the demo. A trace, so that it is uploaded once for all trials.
write_day() { "$1" trace synth "$2" --preset azure-conv-2023 --rate 1.1574 --duration 86400 --profile daily >/dev/null; }
if [ "${1:-}" = --pack-replay ]; then
    programs=build/release
    [ -x "$programs/windtunnel_bench" ] || programs=build/cuda
    mkdir -p build/replay
    cp -R /usr/include/Random123 build/replay/
    write_day "$programs/windtunnel" build/replay/day.csv
    "$programs/windtunnel_bench" --freeze scenarios/gallery/chat-on-l4/scenario.yaml build/replay/day.csv build/replay/day.frozen
    rm build/replay/day.csv
    exit 0
fi
# Compiles side by side: the host's engine by g++, the device's by nvcc, whose assembler spreads over all cores.
build_replay() {
    command -v nvcc >/dev/null || PATH="$PATH:/usr/local/cuda/bin"
    mkdir -p build/replay
    from=$(date +%s)
    compilers=
    for source in sim/blueprint_builder sim/run_trial sim/trial_plain sim/trial_watched tools/replay_check; do
        g++ -std=c++20 -O3 -ffp-contract=off -I. -Ibuild/replay -DWINDTUNNEL_HAS_CUDA -c $source.cpp \
            -o "build/replay/$(basename $source).o" &
        compilers="$compilers $!"
    done
    nvcc -std=c++20 -O3 -arch="${WINDTUNNEL_ARCH:-native}" -I. -Ibuild/replay -fmad=false --expt-relaxed-constexpr \
        --split-compile=0 -Xptxas=-v -Xcompiler=-ffp-contract=off -diag-suppress=20012 ${WINDTUNNEL_NVCC_FLAGS:-} \
        -c gpu/device_replay.cu -o build/replay/device_replay.o 2>build/replay/ptxas || { cat build/replay/ptxas; exit 1; }
    for compiler in $compilers; do wait "$compiler"; done
    nvcc -o build/replay/replay_check build/replay/*.o
    echo "built in $(($(date +%s) - from)) s"
    grep -A 3 'Compiling entry function .*RunLane' build/replay/ptxas | grep -E 'stack frame|registers'
}
replay() {
    echo "== the replay kernel: registers, stack and spills for this GPU"
    build_replay
    echo "== CUDA = CPU, random clusters: to the last bit"
    build/replay/replay_check check
    [ -f build/replay/day.frozen ] || { echo "no day to time: tools/device_check.sh --pack-replay makes one"; return 0; }
    echo "== CUDA = CPU, and how long each takes: a day of the demo, $1 trials"
    build/replay/replay_check time build/replay/day.frozen "$1"
}
if [ "${1:-}" = --replay ]; then
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
    replay "${2:-100000}"
    exit 0
fi
# One stage of the attention check: what fails or takes too long is said at the end, and the next stage comes.
failed=
stage() {
    title=$1 limit=$2
    shift 2
    echo "== $title"
    timeout "$limit" "$@" || failed="$failed
   $title (exit code $?)"
}
# Objects side by side on all cores, for this GPU alone; a call of ten minutes has room for the rest.
attention_build() {
    flags="-O3 -std=c++20 -I. -arch=${WINDTUNNEL_ARCH:-native} -lineinfo --expt-relaxed-constexpr"
    built= pids=
    for file in tools/attention_check.cu tools/measure_check.cu gpu/paged_attention*.cu gpu/device_measure.cu gpu/decode_step.cu \
        gpu/attention_case.cpp gpu/attention_plan.cpp gpu/attention_reference.cpp; do
        object=build/attention/$(basename "$file").o
        # shellcheck disable=SC2086
        nvcc $flags -Xptxas -v -c -o "$object" "$file" 2>"$object.ptxas" &
        pids="$pids $!" built="$built $object"
    done
    for pid in $pids; do wait "$pid" || { cat build/attention/*.ptxas >&2; return 1; }; done
    common=$(ls build/attention/paged_attention*.o build/attention/attention_case*.o build/attention/attention_plan*.o)
    # shellcheck disable=SC2086
    nvcc -arch="${WINDTUNNEL_ARCH:-native}" -o build/attention/attention_check build/attention/attention_check.cu.o build/attention/attention_reference*.o $common || return 1
    # shellcheck disable=SC2086
    nvcc -arch="${WINDTUNNEL_ARCH:-native}" -o build/attention/measure_check build/attention/measure_check.cu.o build/attention/device_measure.cu.o \
        build/attention/decode_step.cu.o $common -lcublasLt || failed="$failed
   what calibrate measures: not linked (is cuBLAS there?)"
    cat build/attention/paged_attention_*.ptxas | awk '/spill stores/ { spills += $5 }
        /Used [0-9]+ registers/ { kernels++; if ($5 + 0 > most) most = $5 + 0 }
        END { printf "%d kernels, at most %d registers, %d bytes spilled\n", kernels, most, spills }'
}
attention() {
    command -v nvcc >/dev/null || PATH="$PATH:/usr/local/cuda/bin"
    rm -rf build/attention
    mkdir -p build/attention
    echo "== the attention kernels: registers and spills for this GPU"
    attention_build || return 1
    at=build/attention
    stage "the attention kernels, the KV write and the block copy: against the reference" 150 $at/attention_check check
    stage "time by shape: decodes (batch @ tokens) against the bandwidth, prefills against the products' peak" 120 \
        $at/attention_check time $at/times.csv
    tools/attention_page.sh $at/times.csv ../shared/data/measured/decode_attention_kernels.csv.gz >$at/page.html && echo "page: $at/page.html"
    if [ -x $at/measure_check ]; then
        stage "what calibrate measures: products, sampling, prefill, whole decode steps, blocks of the cache" 150 $at/measure_check
    fi
    if command -v compute-sanitizer >/dev/null; then
        stage "compute-sanitizer memcheck" 120 compute-sanitizer --tool memcheck --error-exitcode 9 $at/attention_check check 4
        stage "compute-sanitizer racecheck" 150 compute-sanitizer --tool racecheck --error-exitcode 9 $at/attention_check check 4
        [ ! -x $at/measure_check ] || stage "compute-sanitizer memcheck of a decode step's kernels" 90 \
            compute-sanitizer --tool memcheck --error-exitcode 9 $at/measure_check steps
    else
        echo "compute-sanitizer is not installed: not run"
    fi
    if [ -n "$failed" ]; then
        echo "== failed:$failed"
        return 1
    fi
    echo "== all stages passed"
}
if [ "${1:-}" = --attention ]; then
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
    attention
    exit
fi
trials=${1:-100000}
export LD_LIBRARY_PATH="build/cuda/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
build/cuda/windtunnel version
echo "== CUDA = CPU, random clusters: to the last bit"
build/cuda/tests/tests_gpu "device replay*,batch replay*"
echo "== CUDA = CPU, and how long each takes: a day of the demo, ${trials} trials, all cores against the GPU"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
clock() {
    from=$(date +%s.%N)
    "$@"
    awk -v from="$from" -v to="$(date +%s.%N)" 'BEGIN { printf "%.2f", to - from }'
}
write_day build/cuda/windtunnel "$out/day.csv"
for backend in cpu cuda; do
    seconds=$(clock build/cuda/windtunnel run scenarios/gallery/chat-on-l4/scenario.yaml -t "$out/day.csv" \
        --trials "$trials" --backend "$backend" -q -o json --out "$out/$backend.json")
    awk -v b="$backend" -v s="$seconds" -v n="$trials" -v r="$(grep -vc '^[a-z#]' "$out/day.csv")" 'BEGIN {
        printf "%s: %d trials of %d requests in %.1f s, %.2f million requests per second\n", b, n, r, s, n * r / s / 1e6 }'
    eval "$backend=$seconds"
done
# Results name what they ran on; that apart they are the same bytes.
sed -i '/"backend":/d' "$out/cpu.json" "$out/cuda.json"
cmp "$out/cpu.json" "$out/cuda.json" && echo "the same bytes"
awk -v c="$cpu" -v g="$cuda" 'BEGIN { printf "the GPU is %.2f times this machine'"'"'s cores\n", c / g }'
echo "== bytes per trial, registers and spills"
find build/cuda -name '*.ptxas' -exec cat {} + || true
echo "== the engine on this machine's CPU"
build/cuda/windtunnel_bench
attention
