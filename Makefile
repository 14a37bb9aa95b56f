# Fieldcheck. `make demo` and `make test` do all the set-up themselves.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
LOCK := infra/requirements.lock
READY := $(VENV)/.ready
DEMO := .demo

# The embedded Prefect keeps its runs beside the demo, where `make ui` shows them.
DEMO_ENV := PREFECT_HOME=$(CURDIR)/$(DEMO)/prefect PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1

SITE ?= local
GPUS ?= 1
# The one port of server, deploy and worker. Given to make itself, it counts for more than an exported PREFECT_API_URL.
PORT ?= $(or $(PREFECT_SERVER_API_PORT),4200)
SERVER_AT := $(if $(filter command line,$(origin PORT)),env -u PREFECT_API_URL )PREFECT_SERVER_API_PORT=$(PORT)

.PHONY: help setup demo ui server login deploy worker up test faults lint bench bench-memory bench-scale lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

setup: $(READY) ## make the environment from the lock file

$(READY): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
		|| { echo "make: Python 3.11 is needed; set PYTHON=/path/to/python3.11" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip sync --quiet --python $(BIN)/python $(LOCK)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## read the demo photos and publish their summaries
	@$(DEMO_ENV) $(BIN)/python -m blocks.program infra.demo.run --root $(DEMO)

ui: $(READY) ## Prefect's UI over the demo's runs, on port 4200 or PORT
	@$(DEMO_ENV) $(SERVER_AT) $(BIN)/python -m blocks.program infra.own_server

server: $(READY) ## a Prefect server on port 4200 or PORT, SQLite under .prefect, or what PREFECT_... say
	@$(SERVER_AT) $(BIN)/python -m blocks.program infra.own_server

login: $(READY) ## the link into the UI of the server that runs
	@$(SERVER_AT) $(BIN)/python -m infra.own_server --login

deploy: $(READY) $(DEMO)/checkpoint ## work pool, limits, blocks, automations and deployments of SITE (local, gpu, docker, kubernetes)
	@$(SERVER_AT) $(BIN)/python -m infra.as_client infra.deploy --site $(SITE) --gpus $(GPUS)

worker: $(READY) ## a worker of SITE; one that dies is started again, Ctrl-C ends it
	@$(SERVER_AT) $(BIN)/python -m infra.as_client --wait 600 infra.worker --pool $(SITE)

up: $(READY) $(DEMO)/checkpoint ## server, deploy and worker in one terminal
	@$(SERVER_AT) $(BIN)/python -m blocks.program infra.up --site $(SITE)

$(DEMO)/checkpoint: | $(READY)
	@$(BIN)/python -m infra.demo.prepare --root $(DEMO)

# Half of the suite waits for servers and children: two processes, of one thread each, use two cores best.
test: $(READY) ## the default test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup

faults: $(READY) ## kills, races, full disks, dead servers: all of them, for an hour
	FIELDCHECK_FUZZ=1 $(BIN)/python -m pytest tests/faults tests/tasks/dense/test_fuzz.py -m "slow or not slow"

lint: $(READY) ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(READY) ## measure the engine against what one would use instead
	$(BIN)/python -m tests.benchmarks.throughput

bench-memory: $(READY) ## what each number format costs in memory, text and speed
	$(BIN)/python -m tests.benchmarks.memory

bench-scale: $(READY) ## measure the flow on 20,000 and 200,000 photos
	$(BIN)/python -m tests.benchmarks.scale

lock: ## resolve pyproject.toml into the lock file anew
	$(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate --group dev pyproject.toml -o $(LOCK)

clean: ## remove everything that was made, the environment too
	rm -rf $(VENV) $(DEMO) .cache .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
