# The packages a build needs, sourced by quickstart.sh and tests/run.sh.
# shellcheck shell=sh disable=SC2034 # used by who sources this
build_packages="gcc libc6-dev meson ninja-build pkg-config libssl-dev libuv1-dev libunbound-dev libconfuse-dev
	libcrypt-dev libargon2-dev libidn2-dev libutf8proc-dev libsqlite3-dev libjansson-dev ca-certificates"
