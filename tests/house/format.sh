#!/bin/sh
# Every C file is as .clang-format says: format.sh SOURCE-ROOT
cd "$1" || exit 1
command -v clang-format >/dev/null || { echo "clang-format is not installed"; exit 77; }
find lib include frontends examples tests -name '*.[ch]' -exec clang-format --dry-run --Werror {} +
