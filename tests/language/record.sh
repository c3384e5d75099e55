#!/bin/bash
# Records what ansible-core prints for the cases (all, or those named), beside them as `expected`.
# Needs ansible-playbook (2.19) in the PATH; the tests themselves do not.
set -u
cd "$(dirname "$0")" || exit 1
export ANSIBLE_NOCOLOR=1 ANSIBLE_LOCALHOST_WARNING=0 ANSIBLE_RETRY_FILES_ENABLED=0 ANSIBLE_DEPRECATION_WARNINGS=0
ANSIBLE_PYTHON_INTERPRETER=$(dirname "$(command -v ansible-playbook)")/python
export ANSIBLE_PYTHON_INTERPRETER
[ $# -gt 0 ] || set -- $(ls -d */ | tr -d /)
for case; do
    # Errors that are found before the run are ours: their wording is in `refused`.
    [ -f "$case/play.yaml" ] && [ ! -f "$case/refused" ] || continue
    here=$PWD/$case inventory=$PWD/$case/hosts args=()
    [ -e "$inventory" ] || inventory=$PWD/hosts
    # One argument a line.
    [ ! -f "$case/args" ] || mapfile -t args <"$case/args"
    rm -rf "/tmp/provision-language/$case"
    (
        cd "$case" || exit
        ansible-playbook -i "$inventory" play.yaml "${args[@]}" 2>"/tmp/provision-language.$case.err"
        echo "exit: $?"
    ) </dev/null | sed "s|$here|CASE|g" >"$case/expected"
    echo "$case: $(tail -1 "$case/expected")"
done
