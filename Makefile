.DEFAULT_GOAL := help
.PHONY: help setup test demo bench

help: ## Show this
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

setup: ## Install whatever test and bench need and this machine lacks (as root)
	@command -v cc >/dev/null || { apt-get update -qq; apt-get install -qq -y --no-install-recommends gcc libc6-dev; }
	cargo xtask ci-setup
	cargo xtask tools tests
	cargo xtask fleet build

# cargo-deny's advisories are left out: their database is fetched from the network, and a test must not depend on that.
test: setup ## Format, lints, licences, unit tests, end-to-end tests on real hosts
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo deny check bans licenses sources
	cargo nextest run --workspace
	cargo test --workspace --doc

demo: ## From a fresh host to HTTPS and WSS through nginx
	@command -v cc >/dev/null || { apt-get update -qq; apt-get install -qq -y --no-install-recommends gcc libc6-dev; }
	cargo xtask demo

bench: ## Compare with Ansible, pyinfra and a shell script, into docs/BENCHMARKS.md
	cargo xtask bench
