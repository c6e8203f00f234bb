# What people and the CI run. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test check lint bench prerequisites env
.NOTPARALLEL:

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  \1\t/' | expand -t 18

demo: ## run the demonstration; ONCE=1 ends it after one pass
	cargo run -- demo $(if $(ONCE),--once)

test: env lint ## everything: lint, and all tests against the real API server, PostgreSQL and Backstage
	@scripts/timed "tests" cargo test --workspace

check: lint ## lint and unit tests: minutes, and nothing but Rust needed
	@scripts/timed "unit tests" cargo test --workspace --lib

lint: ## formatting and clippy
	@scripts/timed "fmt" cargo fmt --all --check
	@scripts/timed "clippy" cargo clippy --workspace --all-targets -- -D warnings

bench: ## benchmarks
	cargo bench --workspace
	benches/scale/run

prerequisites: ## what the tests need from the system; installs Debian packages when run as root
	@scripts/timed "prerequisites" scripts/prerequisites

env: prerequisites ## find or build what the integration tests run against
	@scripts/timed "test environment" tests/env/prepare.sh
