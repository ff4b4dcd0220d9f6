# Everything runs from .venv/bin by path: no activation needed.

CORES ?= all
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3,$(shell $(p) -c $(is_served) 2>/dev/null && echo $(p))))
LOCK_FLAGS ?=
# The longest first: two processes take a file at a time, in this order.
PARTS ?= workflow cluster docs rules unit gpu

BIN := .venv/bin
PYTEST := $(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder
is_served := 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

# Where it is set, as in many containers, every process compiles every module that it imports anew:
# three times the time of a job.
unexport PYTHONDONTWRITEBYTECODE

.DELETE_ON_ERROR:
.PHONY: help install table test test-unit test-full bench certify scale lint format lock

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

install: .venv/.installed ## Create .venv and install the locked packages into it

table: install ## Build results/tables/vlm_ppg.csv (CORES=all)
	$(BIN)/snakemake --cores $(CORES) results/tables/vlm_ppg.csv

test: install ## Run the tests at smoke-test size (PARTS="workflow docs")
	$(PYTEST) -m "not full" $(PARTS:%=tests/%)

test-unit: install ## Run what is fast of the tests of the core and the rules (about a minute)
	$(BIN)/pytest -n 2 -m "not slow" tests/unit tests/rules

test-full: install ## Run all tests, with the default configuration and its scientific gates
	$(PYTEST) $(PARTS:%=tests/%)

bench: install ## Measure speeds, as ratios (minutes; best on an idle machine)
	$(BIN)/python -m tests.bench

certify: install ## Simulate the coverage of all intervals; writes docs/certification.md (minutes)
	$(BIN)/python -m tests.certify

scale: install ## Rehearse a size without models (SIZE="--targets 10000 --public 100000")
	$(BIN)/python -m tests.scale $(SIZE)

lint: install ## Check format, style, types, imports and spelling
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	PYTHONPATH=scripts $(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/codespell

format: install ## Format the sources
	$(BIN)/snakefmt Snakefile rules
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Versions already locked stay; to raise them: make lock LOCK_FLAGS=--upgrade,
# or LOCK_FLAGS="--upgrade-package polars".
lock: install ## Regenerate the locks and the conda environment from envs/*.in
	cd envs && for name in requirements requirements-dev; do \
	    ../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	        --annotation-style line --custom-compile-command "make lock" $(LOCK_FLAGS) \
	        $$name.in --output-file $$name.lock || exit 1; \
	done
	{ sed '/^      -/d' envs/dejavu.yaml; \
	  sed -n 's/^\([a-z0-9][^#]*[^ #]\).*/      - \1/p' envs/requirements.lock; } > envs/dejavu.yaml.new
	mv envs/dejavu.yaml.new envs/dejavu.yaml

.venv/bin/python:
	@$(or $(PYTHON),false) -c $(is_served) 2>/dev/null || { \
	    echo "Python 3.11, 3.12 or 3.13 was not found: install one, or name it, as in: make install PYTHON=/path/to/python3.11" >&2; \
	    exit 1; }
	$(PYTHON) -m venv .venv

# pip would compile on one core alone, and jobs compile what they import for themselves alone where
# the environment says so. Some packages hold sources of later Pythons, which do not compile.
.venv/.installed: envs/requirements.lock envs/requirements-dev.lock | .venv/bin/python
	@$(BIN)/python -c $(is_served) || { \
	    echo "The Python of .venv is not 3.11, 3.12 or 3.13: remove .venv and run make install again" >&2; exit 1; }
	$(BIN)/python -m pip --require-virtualenv install --no-compile $(foreach lock,$^,-r $(lock))
	$(BIN)/python -m compileall -q -j 0 .venv/lib > /dev/null || true
	@touch $@
