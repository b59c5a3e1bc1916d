#!/bin/sh
# run_fuzz.sh PROGRAM SEEDS WORK: mutates the seeds for WINDTUNNEL_FUZZ_SECONDS (default 20), starting from
# the same random seed and an empty corpus each time, so that a short run repeats itself; with
# WINDTUNNEL_LONG=1 from a fresh one, and keeping what the runs before it found in WORK.
set -eu
program=$1 seeds=$2 work=$3
if [ ! -d "$seeds" ]; then
    echo "no seeds in $seeds; a fuzz target NAME_fuzz.cpp has at least one in corpus/NAME/" >&2
    exit 1
fi
random_seed=1
if [ "${WINDTUNNEL_LONG:-0}" = 1 ]; then random_seed=0; else rm -rf "$work"; fi
mkdir -p "$work/found" "$work/crashes"
dictionary=$(dirname "$0")/$(basename "$seeds").dict
"$program" -seed=$random_seed -max_total_time="${WINDTUNNEL_FUZZ_SECONDS:-20}" -timeout=10 -rss_limit_mb=2048 \
    -max_len=65536 -print_final_stats=1 -verbosity=1 ${dictionary:+$([ -f "$dictionary" ] && echo -dict="$dictionary")} \
    -artifact_prefix="$work/crashes/" "$work/found" "$seeds" || {
    echo "The input that failed is kept in $work/crashes/. Mend the code, and add the input to $seeds." >&2
    exit 1
}
