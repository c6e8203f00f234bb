# What people and the CI run. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: manifests reference docs help demo test check lint chaos bench compare fuzz prerequisites env
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

chaos: env ## kill Gatepost again and again over both stores and compare; KILLS=1000 a store, at most MINUTES=15 each
	CHAOS_KILLS=$(or $(KILLS),1000) CHAOS_MINUTES=$(or $(MINUTES),15) scripts/timed "chaos" \
	  cargo test --test it crash:: -- --test-threads=1

bench: ## both languages beside Go, the stores, the relay at scale; without Go ours alone
	@if command -v go >/dev/null; then mkdir -p target && (cd benches/languages/go && go build -o ../../../target/languages-go .); fi
	cargo run --release -p gatepost-bench-languages -- $$(command -v go >/dev/null && echo target/languages-go)
	@scripts/timed "bench of the stores" benches/outbox/run
	@scripts/timed "bench of the relay" benches/scale/run

compare: ## what the Go controller and Gatepost send for the same changes, byte for byte; needs Go
	@scripts/timed "comparison" benches/side-by-side/run

fuzz: ## libFuzzer on both languages' engines and on what comes from outside; FOR=60 seconds each, TARGET=expr_eval only one
	fuzz/seeds
	cd fuzz && for target in $(or $(TARGET),expr_parse expr_eval template_parse template_eval configuration annotations answers api); do \
	  cargo fuzz run -s none $$target -- $$(for d in dictionaries/$${target%%_*}.dict; do [ -e $$d ] && echo -dict=$$d; done) -max_total_time=$(or $(FOR),60) \
	    -timeout=5 -rss_limit_mb=1024 -max_len=4096 || exit 1; \
	done

manifests: ## deploy/install.yaml anew from the chart (needs helm)
	scripts/manifests > deploy/install.yaml.new && mv deploy/install.yaml.new deploy/install.yaml

reference: ## docs/reference anew, of settings, CRDs and the command line
	@scripts/timed "reference" scripts/reference

docs: reference ## the reference pages anew, then the book in target/book
	@scripts/timed "book" scripts/book

prerequisites: ## what the tests need from the system; installs Debian packages when run as root
	@scripts/timed "prerequisites" scripts/prerequisites

env: prerequisites ## find or build what the integration tests run against
	@scripts/timed "test environment" tests/env/prepare.sh
