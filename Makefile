# Fieldcheck. `make demo` and `make test` do all the set-up themselves.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
# The environment's own Python, if it has one; else the first that is one of 3.11 to 3.13.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for found in $(VENV)/bin/python python3.11 python3.12 python3.13 python3; do \
	"$$found" -c '$(FITS)' 2>/dev/null && { echo "$$found"; break; }; done)
BIN := $(VENV)/bin
# Where it is set, every process compiles Prefect and torch anew: ten seconds each.
unexport PYTHONDONTWRITEBYTECODE
NO_PYTHON := echo "make: Python 3.11, 3.12 or 3.13 is needed; set PYTHON=/path/to/python3.12" >&2; exit 2;
LOCK := infra/requirements.lock
READY := $(VENV)/.ready
DEMO := .demo

# The embedded Prefect keeps its runs beside the demo, where `make ui` shows them.
DEMO_ENV := PREFECT_HOME=$(CURDIR)/$(DEMO)/prefect PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1

# Of vLLM's server, which has an environment of its own.
DEVICE ?= $(if $(shell command -v nvidia-smi),gpu,cpu)
VLLM_PORT ?= 8000

SITE ?= local
# The one port of server, deploy and worker. Given to make itself, it counts for more than an exported PREFECT_API_URL.
PORT ?= $(or $(PREFECT_SERVER_API_PORT),4200)
SERVER_AT := $(if $(filter command line,$(origin PORT)),env -u PREFECT_API_URL )PREFECT_SERVER_API_PORT=$(PORT)

.PHONY: help setup demo ui server login deploy worker up test faults lint bench bench-memory bench-scale bench-judge lock \
	lock-vllm vllm vllm-server checkpoint-given clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

setup: $(READY) ## make the environment from the lock file

$(READY): $(LOCK) pyproject.toml
	@test -n "$(PYTHON)" || { $(NO_PYTHON) }
	@$(PYTHON) -I infra/environment.py $(VENV) $(LOCK) --editable .
	@touch $@

demo: $(READY) ## read the demo photos and publish their summaries
	@$(DEMO_ENV) $(BIN)/python -m blocks.program infra.demo.run --root $(DEMO)

ui: $(READY) ## Prefect's UI over the demo's runs, on port 4200 or PORT
	@$(DEMO_ENV) $(SERVER_AT) $(BIN)/python -m blocks.program infra.own_server

server: $(READY) ## a Prefect server on port 4200 or PORT, SQLite under .prefect, or what PREFECT_... say
	@$(SERVER_AT) $(BIN)/python -m blocks.program infra.own_server

login: $(READY) ## the link into the UI of the server that runs
	@$(SERVER_AT) $(BIN)/python -m infra.own_server --login

deploy: $(READY) $(DEMO)/checkpoint $(DEMO)/judge ## what the files changed, for SITE (local, gpu, docker, kubernetes); RESET=1 undoes changes by hand
	@$(SERVER_AT) $(BIN)/python -m infra.as_client infra.deploy $(if $(filter-out file,$(origin SITE)),--site $(SITE)) $(if $(GPUS),--gpus $(GPUS)) $(if $(RESET),--reset)

worker: $(READY) ## a worker of SITE; one that dies is started again, Ctrl-C ends it
	@$(SERVER_AT) $(BIN)/python -m infra.as_client --wait 600 infra.worker --pool $(SITE)

up: $(READY) $(DEMO)/checkpoint $(DEMO)/judge ## server, deploy and worker in one terminal
	@$(SERVER_AT) $(BIN)/python -m blocks.program infra.up --site $(SITE)

$(DEMO)/checkpoint $(DEMO)/judge: | $(READY)
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

bench-judge: $(READY) ## measure what the demo's judge makes of held-out groups
	@$(BIN)/python -m infra.demo.prepare --root $(DEMO)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.verdicts $(DEMO)/judge

bench-scale: $(READY) ## measure the flow on 20,000 and 200,000 photos
	$(BIN)/python -m tests.benchmarks.scale

vllm-server: checkpoint-given .vllm/$(DEVICE)/.ready $(READY) ## vLLM's server: CHECKPOINT=/models/..., DEVICE=cpu or gpu, VLLM_PORT=8000
	@$(BIN)/python -m infra.vllm.serve $(DEVICE) --checkpoint "$(CHECKPOINT)" --port $(VLLM_PORT) $(if $(VLLM),-- $(VLLM))

checkpoint-given:
	@test -n "$(CHECKPOINT)" || { echo "make: say which: make vllm-server CHECKPOINT=/models/Qwen3-VL-4B-Instruct" >&2; exit 2; }

vllm: .vllm/$(DEVICE)/.ready ## the environment of vLLM's server alone, DEVICE=cpu or gpu

.vllm/%/.ready: infra/vllm/%.lock
	@test -n "$(PYTHON)" || { $(NO_PYTHON) }
	@$(PYTHON) -I infra/environment.py .vllm/$* $<
	@touch $@

lock: ## resolve pyproject.toml into the lock file anew, for Python 3.11 to 3.13
	$(BIN)/python -m infra.lock requirements

lock-vllm: $(READY) ## the same for the environments of vLLM's server, from infra/vllm/*.in
	$(BIN)/python -m infra.lock vllm-cpu vllm-gpu

clean: ## remove everything that was made, the environment too
	rm -rf $(VENV) .vllm $(DEMO) .cache .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
