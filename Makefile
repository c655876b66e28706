# Everything a developer types. `make help` lists the targets.

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
TOOLS := .tools/bin
TCTL_VERSION := v1.15.2
PROMETHEUS_VERSION := v0.313.4
COLLECTOR_VERSION := v0.157.0
AXE_VERSION := 4.14.1
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header --no-annotate $(if $(UPGRADE),--upgrade)

# The tests start our commands hundreds of times; without .pyc files each would be compiled anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types fmt test-anywhere test-tools test-collector test-browser pictures requirements openapi clean

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*  ## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(VENV)/.installed  ## Make .venv and install everything, pinned by hash

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not there: install Python 3.11, or say which to use: make setup PYTHON=..." >&2; exit 2; }
	@echo "1 of 4: making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

# uv would list every package: it is quiet, and each five seconds tell that it is still at work.
$(VENV)/.installed: requirements/dev.txt requirements/uv.txt pyproject.toml | $(BIN)/python
	@rm -f $@
	@echo "2 of 4: installing uv"
	@if $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt; then \
	    echo "3 of 4: installing $$(grep -c '==' requirements/dev.txt) packages, which takes a minute or two"; \
	    ( seconds=0; while sleep 5; do seconds=$$((seconds + 5)); echo "        $$seconds s"; done ) & ticker=$$!; \
	    trap 'kill $$ticker 2>/dev/null' EXIT; \
	    $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements/dev.txt; \
	else \
	    echo "3 of 4: uv cannot be installed here; pip does it, which takes some minutes" >&2; \
	    $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --require-hashes -r requirements/dev.txt; \
	fi
	@echo "4 of 4: installing the command reviews"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
	@echo "ready: $(BIN)/reviews --help, or make demo"

demo: setup  ## See a review from start to end; KEEP=1 leaves it running, CRM=zoho plays it on Zoho's API
	$(BIN)/reviews demo $(if $(KEEP),--keep) $(if $(CRM),--crm $(CRM))

# Three processes for two cores, since tests wait a good part of their time; each has servers of its
# own, and the tests of a file stay together.
test: setup  ## Run the tests; ARGS goes to pytest
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile $(ARGS)

lint: setup  ## Check style and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup  ## Check types
	$(BIN)/mypy

fmt: setup  ## Format the code and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

openapi: setup  ## Write docs/openapi.json anew, after a change of the API
	$(BIN)/python -m account_reviews.web.api.router > docs/openapi.json.new
	@mv docs/openapi.json.new docs/openapi.json

test-anywhere:  ## Test under load, on odd days, in odd places, with other Pythons; ONLY=dates for one of these
	@tests/anywhere/run $(ONLY)

test-tools: setup $(TOOLS)/tctl $(TOOLS)/promtool  ## Test with tctl and promtool; builds them, which needs Go
	@TCTL="$$PWD/$(TOOLS)/tctl" PROMTOOL="$$PWD/$(TOOLS)/promtool" $(BIN)/python -m pytest tests/tools $(ARGS)

test-collector: setup $(TOOLS)/otelcol  ## Test the collector's file; builds a collector, which needs Go
	@OTELCOL="$$PWD/$(TOOLS)/otelcol" $(BIN)/python -m pytest tests/collector $(ARGS)

test-browser: setup $(TOOLS)/axe.min.js  ## Test the pages in Chromium, which must be there; gets axe-core, which needs npm
	@test -x "$(CHROMIUM)" || { echo "there is no Chromium: install it (Debian: apt-get install chromium), or say where it is: make test-browser CHROMIUM=..." >&2; exit 2; }
	@CHROMIUM="$(CHROMIUM)" AXE="$$PWD/$(TOOLS)/axe.min.js" $(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/browser $(ARGS)

pictures: setup  ## Take the pictures of docs/pictures anew, in Chromium
	@test -x "$(CHROMIUM)" || { echo "there is no Chromium: install it (Debian: apt-get install chromium), or say where it is: make pictures CHROMIUM=..." >&2; exit 2; }
	@CHROMIUM="$(CHROMIUM)" $(BIN)/python -m tests.browser.pictures

# An old module with new Go: its dependencies reach into the runtime, which needs -checklinkname=0.
$(TOOLS)/tctl:
	@command -v go >/dev/null || { echo "tctl is built from source: install Go, or put tctl 1.15 at $@" >&2; exit 2; }
	@mkdir -p $(TOOLS)
	GOBIN="$$PWD/$(TOOLS)" go install -ldflags=-checklinkname=0 go.temporal.io/server/cmd/tools/cli@$(TCTL_VERSION)
	@mv $(TOOLS)/cli $@

# Its module asks for replacements, which `go install` refuses: it is built from a module around it.
# Without the first tag it would take in the libraries of every cloud.
$(TOOLS)/promtool:
	@command -v go >/dev/null || { echo "promtool is built from source: install Go, or put promtool 3 at $@" >&2; exit 2; }
	@mkdir -p $(TOOLS)
	@place=$$(mktemp -d) target="$$PWD/$@" && cd $$place && go mod init promtool && \
	    GOFLAGS=-mod=mod go get github.com/prometheus/prometheus/cmd/promtool@$(PROMETHEUS_VERSION) && \
	    go build -tags remove_all_sd,enable_dns_sd -ldflags='-s -w' -o "$$target" \
	        github.com/prometheus/prometheus/cmd/promtool && rm -rf $$place

# Its licence, MPL 2.0, stays beside it. Nothing of it is shipped.
$(TOOLS)/axe.min.js:
	@command -v npm >/dev/null || { echo "axe-core comes from npm: install Node, or put axe.min.js $(AXE_VERSION) at $@" >&2; exit 2; }
	@mkdir -p $(TOOLS)
	@place=$$(mktemp -d) && (cd $$place && npm pack --silent axe-core@$(AXE_VERSION) >/dev/null && tar xzf *.tgz) && \
	    cp $$place/package/LICENSE $(TOOLS)/axe.LICENSE && mv $$place/package/axe.min.js $@ && rm -rf $$place

$(TOOLS)/otelcol: tests/collector/otelcol.yaml
	@command -v go >/dev/null || { echo "otelcol is built from source: install Go, or put the collector at $@" >&2; exit 2; }
	@mkdir -p $(TOOLS)
	@place=$$(mktemp -d) target="$$PWD/$@" && cp $< $$place && cd $$place && \
	    GOBIN=$$place go install go.opentelemetry.io/collector/cmd/builder@$(COLLECTOR_VERSION) && \
	    ./builder --config otelcol.yaml && mv otelcol "$$target" && rm -rf $$place

requirements: setup  ## Write requirements/*.txt anew; UPGRADE=1 takes newer versions
	$(COMPILE) pyproject.toml requirements/build.in -o requirements/runtime.txt
	$(COMPILE) --all-extras pyproject.toml requirements/build.in -c requirements/runtime.txt -o requirements/dev.txt
	echo uv | $(COMPILE) - -o requirements/uv.txt
	$(COMPILE) requirements/bench.in -o requirements/bench.txt

clean:  ## Remove .venv, caches and build leftovers; .reviews and .tools stay
	rm -rf $(VENV) .venv-* build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
