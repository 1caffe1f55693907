#!/bin/sh
# Installs those of the named Debian/Ubuntu packages that are missing:
#	sh examples/install.sh PACKAGE...
# Through sudo when not root.  Does nothing when all are there.
set -eu

missing=
for package; do
	dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "install.sh: this is not Debian or Ubuntu; install what is like:$missing" >&2
	exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || {
		echo "install.sh: not root and no sudo; as root run: apt-get install$missing" >&2
		exit 1
	}
	as_root=sudo
fi
echo "Installing:$missing" >&2
# The package lists may be absent or old; an update that fails is not yet the end.
$as_root apt-get update -qq >&2 || true
# shellcheck disable=SC2086 # a list of words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2 </dev/null
