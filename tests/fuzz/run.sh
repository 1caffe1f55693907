#!/bin/sh
# Fuzzes every target: sh tests/fuzz/run.sh [SECONDS [BUILD-DIR [RESULTS]]]
#
# BUILD-DIR is a build made by clang with -Dfuzz=true (made when not given).
# First replays the seeds of tests/fuzz/corpus/TARGET, then fuzzes for SECONDS
# (default 60).  Findings are left in BUILD-DIR/findings, one file each.
set -u
cd "$(dirname "$0")/../.." || exit 1
seconds=${1:-60}
build=${2:-build-fuzz}
results=${3:-/dev/null}

if [ ! -d "$build" ]; then
	CC=clang meson setup "$build" -Dfuzz=true -Dtests=disabled && ninja -C "$build" || exit 1
fi
mkdir -p "$build/findings"
bad=0
for target in "$build"/tests/fuzz/fuzz_*; do
	[ -f "$target" ] && [ -x "$target" ] || continue
	name=${target##*/fuzz_}
	work=$build/corpus-$name
	mkdir -p "$work"
	options="-timeout=20 -rss_limit_mb=2048 -max_len=65536 -artifact_prefix=$build/findings/$name-"
	dict=tests/fuzz/$name.dict
	[ -f "$dict" ] && options="$options -dict=$dict"
	# shellcheck disable=SC2086 # a list of words
	if "$target" $options -runs=0 "tests/fuzz/corpus/$name" >"$build/fuzz-$name.log" 2>&1 &&
		"$target" $options -max_total_time="$seconds" "$work" "tests/fuzz/corpus/$name" >>"$build/fuzz-$name.log" 2>&1; then
		echo "fuzz $name: $(grep -o 'stat::.*\|Done .*' "$build/fuzz-$name.log" | tail -1)"
		echo "fuzz:$name 1 0 0" >>"$results"
	else
		bad=1
		echo "FAILED: fuzz $name"
		tail -30 "$build/fuzz-$name.log"
		echo "fuzz:$name 0 1 0" >>"$results"
	fi
done
exit $bad
