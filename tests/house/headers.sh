#!/bin/sh
# Each public header stands alone, in C and in C++: headers.sh INCLUDE-DIR HEADER...
include=$1
shift
bad=0
for header; do
	name=mailserv/$(basename "$header")
	case $name in mailserv/uv.h) pkg-config --exists libuv || continue ;; esac
	echo "#include <$name>" | cc -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$include" -fsyntax-only -x c - || bad=1
	if command -v c++ >/dev/null; then
		echo "#include <$name>" | c++ -std=c++11 -Wall -Wextra -Werror -I"$include" -fsyntax-only -x c++ - || bad=1
	fi
done
exit $bad
