#!/bin/sh
echo "script $1 in $(pwd)"
