# make help lists the targets. VENV=folder uses another environment, CORES=n fewer or more cores.
VENV ?= .venv
PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEMO := resources/demo
LINT := tests/workflow/lint
SMK := Snakefile workflow/rules
PY := workflow tests $(wildcard benchmarks)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
CONFIG ?= $(DEMO)/config.yaml
.PHONY: help install demo plan test test-slow test-slurm check check-messages format bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## make the environment in VENV (.venv); the other targets do so by themselves

$(INSTALLED): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	"Python 3.11 or later is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $@

demo/data/simulation.json: $(DEMO)/simulation.yaml | $(INSTALLED)
	$(BIN)/python workflow/step.py simulate --recipe $< --output-dir demo/data
	@touch $@

demo: demo/data/simulation.json ## simulate two tomograms, find their particles, compare with the truth
	MEMBRAIN_NO_SUMMARY=1 $(BIN)/snakemake --configfile $(DEMO)/config.yaml --cores $(CORES)
	@$(BIN)/python workflow/summary.py demo/results

plan: $(INSTALLED) ## tell what a run of CONFIG=my.yaml will take, and what of it is done
	$(BIN)/python workflow/plan.py --configfile $(CONFIG)

test: $(INSTALLED) ## run the fast tests
	$(BIN)/python -m pytest -q -n auto -m "not slow and not slurm"

check-messages: $(INSTALLED) ## find errors that no test reaches or whose message no test looks at
	$(BIN)/python tests/tools/check_messages.py -n auto

test-slow: $(INSTALLED) ## run the slow tests, whole workflows among them
	$(BIN)/python -m pytest -q -m slow

test-slurm: $(INSTALLED) ## run the workflow on a SLURM of this machine's own (needs root and apt)
	$(BIN)/python tests/slurm/cluster.py install
	$(BIN)/python -m pytest -q -rs -n 0 -m slurm tests/slurm

check: $(INSTALLED) ## look for mistakes of style, in Python and in rules
	$(BIN)/ruff check $(PY)
	$(BIN)/ruff format --check $(PY)
	$(BIN)/snakefmt --check $(SMK)
	$(BIN)/snakemake --lint --configfile $(LINT)/config.yaml

format: $(INSTALLED) ## put Python and rules into shape
	$(BIN)/ruff check --fix $(PY)
	$(BIN)/ruff format $(PY)
	$(BIN)/snakefmt $(SMK)

bench: $(INSTALLED) ## measure speed and memory beside their goals
	@set -e; for script in $(sort $(wildcard benchmarks/*.py)); do \
	    echo "== $$script"; $(BIN)/python $$script; done

clean: ## remove the demo, caches and logs; the environment stays
	rm -rf demo .snakemake .pytest_cache .ruff_cache build dist *.egg-info workflow/*.egg-info
	find workflow tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
