# Run `make` for the list of targets. Every target sets up what it needs, so any of them may be the first command.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check
STAMP := $(VENV)/.lacuna-setup
PYTEST_ARGS ?=
# Two processes; a file's tests stay in one of them, as they share servers and models.
AT_ONCE := -n 2 --dist loadfile
BENCH_ARGS ?=
TRAIN_ARGS ?=
EVAL_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup lock pull demo test check map fuzz compiles e2e-setup e2e lint lint-editors format type bench bench-edits corpus train eval
.PHONY: clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv/ with everything that is pinned in requirements.lock (PYTHON=... chooses the interpreter)

# torch alone is taken without a hash: which build of it suits a machine is the choice of whoever set up its pip.
$(STAMP): pyproject.toml setup.py constraints.txt requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 15) else "Lacuna needs Python 3.11 to 3.14, and this is %d.%d: run make with PYTHON=python3.x" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes --no-deps --requirement requirements.lock
	$(PIP) --constraint constraints.txt torch
	$(PIP) --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	@touch $@

lock: ## Write requirements.lock anew from pyproject.toml and constraints.txt, for every system and Python (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --extra dev --extra train \
	    --constraint constraints.txt --no-emit-package torch --custom-compile-command 'make lock' --quiet \
	    --output-file requirements.lock pyproject.toml

pull: $(STAMP) ## Fetch and convert the default model, once, into the user's cache
	$(BIN)/lacuna pull

demo: $(STAMP) ## See the real server complete a small sample project
	$(BIN)/lacuna demo

# Benches, trainings and evaluations take the smallest model where none is named; tests have a cache of their own with it
# alone (tests/conftest.py).
.PHONY: pull-smallest pull-for-tests
pull-smallest: $(STAMP)
	$(BIN)/lacuna pull smollm2-135m

pull-for-tests: $(STAMP)
	LACUNA_CACHE=$(CURDIR)/build/cache $(BIN)/lacuna pull smollm2-135m

test: pull-for-tests ## Run the tests (PYTEST_ARGS="-k hub" narrows them)
	$(BIN)/python -m pytest $(AT_ONCE) --ignore=tests/e2e $(PYTEST_ARGS)

fuzz: pull-for-tests ## Run all random sequences, memory runs and hostile inputs
	$(BIN)/python -m pytest -m "slow or not slow" tests/fuzz tests/hostile $(PYTEST_ARGS)

compiles: $(STAMP) ## Compile the kernels for six generations of GPUs, in all sizes and codecs, and interpret generations; needs no GPU, and minutes
	$(BIN)/python -m pytest -m "slow or not slow" tests/engine/kernels $(PYTEST_ARGS)

e2e-setup: pull-for-tests ## Fetch VS Code (code-server, Chromium) and Neovim for the tests in the real editors, once, into the user's cache
	$(BIN)/python tests/e2e/setup_nvim.py
	$(BIN)/python tests/e2e/setup_vscode.py

e2e: e2e-setup ## Test both clients in the real editors
	$(BIN)/python -m pytest --reruns 2 tests/e2e $(PYTEST_ARGS)

check: lint type ## Lint, types and the tests that need no weights
	$(BIN)/python -m pytest $(AT_ONCE) --ignore=tests/e2e -m "not weights and not slow" $(PYTEST_ARGS)

map: ## A line for every file
	@$(PYTHON) docs/map.py

lint: $(STAMP) lint-editors ## Check style and formatting, of the editors' sources too
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-editors: $(STAMP) ## Check the editors' TypeScript and Lua (needs npm; luacheck where it is installed)
	$(BIN)/python tests/e2e/lint_editors.py

format: $(STAMP) ## Rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# mypy knows nothing of `package_dir`: links make the packages look as they are installed.
build/types/lacuna: $(STAMP)
	mkdir -p $@
	ln -sfn ../../../engine $@/engine
	ln -sfn ../../../lsp_server $@/lsp_server

type: build/types/lacuna ## Check types
	$(BIN)/mypy

bench: pull-smallest ## Measure keystroke to suggestion
	$(BIN)/python bench/latency.py

bench-edits: pull-smallest ## Measure edit suggestions on the corpus' held-out files (BENCH_ARGS="--limit 20" for a quick look)
	$(BIN)/python bench/edits.py $(BENCH_ARGS)

corpus: $(STAMP) ## Fetch the sources that the embedded model's adapter is trained on
	$(BIN)/lacuna corpus build

train: corpus pull-smallest ## Train the embedded model's adapter further (TRAIN_ARGS="--minutes 60")
	$(BIN)/lacuna train gap $(TRAIN_ARGS)

eval: corpus pull-smallest ## Measure fills on held-out packages (EVAL_ARGS="--limit 200" for a quick look)
	$(BIN)/lacuna eval $(EVAL_ARGS)

clean: ## Remove .venv/ and caches (the pulled model stays)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
