#!/bin/sh
if [ "$1" = --host ]; then echo "{\"me\": \"$2\"}"; else echo '{"g": {"hosts": ["b", "a"]}, "p": {"children": ["g"], "vars": {"v": [1, {"x": null}]}}}'; fi
