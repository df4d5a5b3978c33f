# The one entry point: everything a person or a pipeline runs here.
# Needs Python >= 3.12 with its venv module, make, and a package registry; nothing else.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements.lock
STAMP := $(VENV)/.prismcube-installed
UV_STAMP := $(VENV)/.prismcube-uv

# Advice of the docs' theme about another tool; it says nothing about these docs.
export NO_MKDOCS_2_WARNING := 1

# PYTHON=/path/to/python3.13 make env   chooses the interpreter.
PYTHON ?=
PRISMCUBE_HOME ?= .prismcube
PORT ?= 5000
# How large the cubes and jobs of "make bench" are: full (3 GB of images, made once) or small.
SIZE ?= full
# ARGS="-k settings -x" make test       is handed to pytest (or to the benchmarks).
ARGS ?=
# JOBS=0 make test                      runs them in one process; else each file is run whole by one of so many (many wait).
JOBS ?= 3

# CHAOS=10000 make chaos                kills those that work on jobs of so many tasks.
CHAOS ?= 1000

# Where this is set, each of the hundreds of processes of the tests would compile all our modules anew, for a second.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: env demo test check bench chaos docs lock web clean help

env: $(STAMP)  ## install everything into .venv (again only when the lock or pyproject.toml changed)

demo: $(STAMP)  ## index the demo images and serve them (PRISMCUBE_HOME, PORT)
	$(BIN)/prismcube demo --home $(PRISMCUBE_HOME) --port $(PORT)

# A file's tests stay together; the order of files is kept, so that the quick ones come last and both end at once.
test: $(STAMP)  ## run all tests (ARGS goes to pytest; JOBS says in how many processes)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(STAMP)  ## lint, format, types, import contracts, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports
	$(BIN)/mkdocs build --strict --quiet --site-dir $(VENV)/site

bench: $(STAMP)  ## measure speed beside the peers (ARGS goes to the benchmarks)
	$(BIN)/python -m benchmarks $(ARGS)
	$(BIN)/python -m benchmarks.writers
	$(BIN)/prismcube bench cube --size $(SIZE)
	$(BIN)/prismcube bench jobs --size $(SIZE)

chaos: $(STAMP)  ## kill everything that works on jobs, at all points, on both engines and databases (CHAOS tasks a job)
	PRISMCUBE_CHAOS=$(CHAOS) $(BIN)/python -m pytest -n $(JOBS) tests/integration/jobs/test_killed.py \
	  tests/http/test_killed_workers.py tests/integration/consolidation/test_kill_points.py \
	  tests/integration/consolidation/test_orchestrator_kill_points.py \
	  tests/integration/consolidation/test_database_kill_points.py \
	  tests/integration/consolidation/test_scheduler_kill_points.py tests/integration/consolidation/test_full_disk.py \
	  tests/integration/jobs/test_request_kill_points.py tests/integration/jobs/test_full_ledger.py \
	  tests/integration/jobs/test_orchestrator.py tests/integration/jobs/test_dask.py $(ARGS)

docs: $(STAMP)  ## build the documentation into site/
	$(BIN)/mkdocs build --strict

web:  ## build the viewer's own scripts; needs npm
	@if [ ! -f web/package.json ]; then echo "web/ has no package.json: the viewer is served as it is, nothing to build."; \
	elif ! command -v npm >/dev/null 2>&1; then echo "npm is missing: install the package that has it (Debian: npm)." >&2; exit 1; \
	else cd web && npm ci --no-audit --no-fund && npm run build; fi

lock: $(UV_STAMP)  ## choose versions anew: pyproject.toml -> requirements.lock (UPGRADE=--upgrade takes the newest)
	@printf '%s\n' \
	  '# Exact versions and hashes of everything Prismcube runs, tests and builds its docs with, for every platform.' \
	  '# Made by "make lock" from pyproject.toml (all extras). Do not edit: change pyproject.toml and run it again.' \
	  '# The project itself is then installed with: pip install --no-deps --no-build-isolation -e .' > $(LOCK).new
	@if [ -f $(LOCK) ]; then cp $(LOCK) $(LOCK).body; fi
	$(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.12 --all-extras --generate-hashes \
	  --no-header --no-annotate $(UPGRADE) --output-file $(LOCK).body > /dev/null
	@if grep -n -E 'https?://|--(extra-)?index|--find-links| @ ' $(LOCK).body; then \
	  echo "the lock names an address" >&2; rm -f $(LOCK).new $(LOCK).body; exit 1; fi
	@cat $(LOCK).body >> $(LOCK).new && rm $(LOCK).body && mv $(LOCK).new $(LOCK)

clean:  ## remove what was built; .venv and PRISMCUBE_HOME stay
	rm -rf build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -exec rm -rf {} +

help:  ## say what there is
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z]*\):[^#]*## *\(.*\)/  \1\t\2/p' Makefile | expand -t 12

# --- the environment --------------------------------------------------------------------------------------------------

# The new environment is put together from the lock alone: hashes are required, versions are exact.
$(STAMP): $(UV_STAMP) $(LOCK) pyproject.toml
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes $(LOCK)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

# uv comes by pip, in the version that the lock names.
$(UV_STAMP): $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  "$$(sed -n 's/^\(uv==[^ ;\\]*\).*/\1/p' $(LOCK) 2>/dev/null | grep . || echo uv)"
	@touch $@

$(BIN)/python:
	@set -e; found=; \
	for one in $(or $(PYTHON),python3 python3.14 python3.13 python3.12); do \
	  if "$$one" -c 'import sys; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1; then found="$$one"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "No Python 3.12 or newer: tried $(or $(PYTHON),python3 python3.14 python3.13 python3.12)." >&2; \
	  echo "Install one, or name one: make env PYTHON=/path/to/python3.12" >&2; exit 1; fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
	  package="python$$("$$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"; \
	  echo "$$found can't make environments: its venv or ensurepip module is missing." >&2; \
	  echo "On Debian and Ubuntu: apt-get install $$package" >&2; exit 1; fi; \
	echo "Making $(VENV) with $$found ($$("$$found" -V))"; \
	"$$found" -m venv $(VENV)
