#!/bin/sh
# The man pages have no mistakes: man.sh SOURCE-ROOT
command -v mandoc >/dev/null || { echo "mandoc is not installed"; exit 77; }
bad=0
for page in "$1"/doc/man/*.[0-9]; do
	mandoc -T lint -W warning "$page" | grep -v 'referenced manual not found' && bad=1
done
exit $bad
