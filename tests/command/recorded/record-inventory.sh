#!/bin/sh
# Records ansible-inventory's output for the command lines in `expected`.
set -eu
cd "$(dirname "$0")/inventory"
sed -n 's/^\$ //p; s/^\$$//p' expected > lines
: > expected
while read -r line; do
    echo "\$ $line" >> expected
    # shellcheck disable=SC2086
    code=0; ansible-inventory -i hosts.yaml $line >> expected 2> /dev/null || code=$?
    echo "exit: $code" >> expected
done < lines
rm lines
