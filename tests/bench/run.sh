#!/bin/sh
# Measures mailservd against Postfix, OpenSMTPD, Dovecot and the file system:
#	sh tests/bench/run.sh [BUILD-DIR] [OPTION...]
# Builds for release in BUILD-DIR (default ./build-bench) first.  The options
# are those of bench.py; README.md tells what comes out.
set -eu
cd "$(dirname "$0")/../.."
build=build-bench
case ${1:-} in
'' | -*) ;;
*)
	build=$1
	shift
	;;
esac
[ -f "$build/build.ninja" ] || meson setup "$build" -Dbuildtype=release -Dtests=disabled -Dexamples=false >/dev/null
ninja -C "$build" >/dev/null
cc=${CC:-cc}
"$cc" -O2 -D_GNU_SOURCE -o "$build/load" tests/bench/load.c
"$cc" -O2 -D_GNU_SOURCE -pthread -o "$build/floor" tests/bench/floor.c
"$cc" -O2 -D_GNU_SOURCE -o "$build/sink" tests/bench/sink.c
MAILSERV_BUILD=$build exec /usr/bin/python3 tests/bench/bench.py "$build/load" "$build/floor" "$build/sink" "$@"
