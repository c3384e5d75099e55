#!/bin/sh
# Builds the targets with coverage counters on the stable toolchain, for machines without cargo-fuzz and nightly:
# the programs are in target/x86_64-unknown-linux-gnu/release and take libFuzzer's arguments.
set -e
cd "$(dirname "$0")"
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
coverage="$coverage -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
# With a target the flags are for the programs alone and not for build scripts.
RUSTFLAGS="--cfg fuzzing $coverage" exec cargo build --release --target "$(uname -m)-unknown-linux-gnu" "$@"
