# Everything a developer types. `make help` lists the targets.

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
TOOLS := $(CURDIR)/.tools/bin
TCTL_VERSION := v1.15.2
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header --no-annotate $(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types fmt test-tools requirements clean

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*  ## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(VENV)/.installed  ## Make .venv and install everything, pinned by hash

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not there: install Python 3.11, or say which to use: make setup PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements/dev.txt requirements/uv.txt pyproject.toml | $(BIN)/python
	@rm -f $@
	@if $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt; then \
	    $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements/dev.txt; \
	else \
	    echo "uv cannot be installed here; pip does it, which takes longer" >&2; \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt; \
	fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup  ## See a review from start to end; KEEP=1 leaves the stack running
	$(BIN)/reviews demo $(if $(KEEP),--keep)

# Two processes, each with servers of its own; the tests of a file stay together.
test: setup  ## Run the tests; ARGS goes to pytest
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

lint: setup  ## Check style and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup  ## Check types
	$(BIN)/mypy

fmt: setup  ## Format the code and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-tools: setup $(TOOLS)/tctl  ## Test the commands of docs/temporal-cli.md; builds tctl, which needs Go
	@TCTL=$(TOOLS)/tctl $(BIN)/python -m pytest tests/tools $(ARGS)

# An old module with new Go: its dependencies reach into the runtime, which needs -checklinkname=0.
$(TOOLS)/tctl:
	@command -v go >/dev/null || { echo "tctl is built from source: install Go, or put tctl 1.15 at $@" >&2; exit 2; }
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) go install -ldflags=-checklinkname=0 go.temporal.io/server/cmd/tools/cli@$(TCTL_VERSION)
	@mv $(TOOLS)/cli $@

requirements: setup  ## Write requirements/*.txt anew; UPGRADE=1 takes newer versions
	$(COMPILE) pyproject.toml requirements/build.in -o requirements/runtime.txt
	$(COMPILE) --all-extras pyproject.toml requirements/build.in -c requirements/runtime.txt -o requirements/dev.txt
	echo uv | $(COMPILE) - -o requirements/uv.txt

clean:  ## Remove .venv, caches and build leftovers; .reviews and .tools stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
