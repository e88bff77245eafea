# Run `make` for the list of targets. Every target sets up what it needs, so any of them may be the first command.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.lacuna-setup
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup pull demo test lint format type bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv/ with everything that is pinned in constraints.txt (PYTHON=... chooses the interpreter)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 15) else "Lacuna needs Python 3.11 to 3.14, and this is %d.%d: run make with PYTHON=python3.x" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

pull: $(STAMP) ## Fetch and convert the embedded model, once, into the user's cache
	$(BIN)/lacuna pull

demo: $(STAMP) ## See the real server complete a small sample project
	$(BIN)/lacuna demo

test: pull ## Run the tests (PYTEST_ARGS="-k hub" narrows them)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(STAMP) ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## Rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(STAMP) ## Check types
	$(BIN)/mypy

bench: pull ## Measure keystroke to suggestion
	$(BIN)/python bench/latency.py

clean: ## Remove .venv/ and caches (the pulled model stays)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
