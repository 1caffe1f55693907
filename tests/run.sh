#!/bin/sh
# Runs every test: sh tests/run.sh [BUILD-DIR]
#
# Installs what is missing, builds in BUILD-DIR (default ./build-tests), and
# ends in a line "N passed, N failed".  The steps, each also a command by
# itself:
#	gcc, all features:      unit tests, house rules, end-to-end tests
#	ASan + UBSan:           unit tests again, and the end-to-end tests of the daemon
#	OpenSSL alone:          unit tests
#	clang:                  builds without a warning; a few seconds of each fuzz target
set -u
cd "$(dirname "$0")/.." || exit 1
root=$(pwd)
out=${1:-$root/build-tests}
fuzz_seconds=${MSV_FUZZ_SECONDS:-3}

# shellcheck source=examples/packages.sh
. examples/packages.sh
test_packages="check clang libclang-rt-dev clang-format g++ python3 curl swaks libnet-ssleay-perl mutt isync msmtp mandoc openssl
	git procps libstemmer0d libexttextcat-2.0-0 liblua5.3-0 libwrap0"
# shellcheck disable=SC2086 # lists of words
sh examples/install.sh $build_packages $test_packages || exit 1

mkdir -p "$out"
results=$out/results
: >"$results"
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
jobs=$(nproc 2>/dev/null || echo 2)

# build NAME OPTION...: a build directory $out/NAME; failure is one failed test.
build() {
	name=$1
	shift
	echo "== building $name"
	if [ -f "$out/$name/build.ninja" ] || meson setup "$out/$name" --werror "$@" >"$out/$name.setup" 2>&1; then
		if ninja -C "$out/$name" -j "$jobs" >"$out/$name.build" 2>&1; then
			echo "build:$name 1 0 0" >>"$results"
			return 0
		fi
		tail -40 "$out/$name.build"
	else
		tail -40 "$out/$name.setup"
	fi
	echo "FAILED: building $name"
	echo "build:$name 0 1 0" >>"$results"
	return 1
}

# unit NAME: the C tests and house rules of a build.
unit() {
	echo "== C tests of $1"
	meson test -C "$out/$1" --no-rebuild --num-processes "$jobs" --quiet >"$out/$1.unit" 2>&1
	/usr/bin/python3 tests/tally.py "$1" "$out/$1/meson-logs/testlog.json" >>"$results"
}

# e2e NAME [MODULE...]: the end-to-end tests, or some, against the programs of a build.
e2e() {
	name=$1
	shift
	echo "== end-to-end tests of $name"
	MAILSERV_BUILD=$out/$name MAILSERV_PEERS=$out/peers \
		/usr/bin/python3 tests/e2e/run.py "$name" "$results" "$@"
}

# Those that run the daemon of the build; others build, or try the peers, by themselves.
daemon_tests="test_clients test_config test_control test_dovecot test_kill test_mail test_mailservctl
	test_relay_peers test_sendmail test_tls test_transfer"

build gcc && unit gcc && e2e gcc
# shellcheck disable=SC2086 # a list of words
build asan -Db_sanitize=address,undefined -Db_lundef=false && unit asan && e2e asan $daemon_tests
build openssl-alone --auto-features=disabled -Dtests=enabled && unit openssl-alone
if CC=clang build clang -Dfuzz=true; then
	echo "== fuzzing, $fuzz_seconds s each"
	sh tests/fuzz/run.sh "$fuzz_seconds" "$out/clang" "$results"
fi

awk '{ passed += $2; failed += $3; skipped += $4 }
END {
	printf "%d passed, %d failed", passed, failed
	if (skipped) printf ", %d skipped", skipped
	printf "\n"
	exit failed > 0 || passed == 0
}' "$results"
