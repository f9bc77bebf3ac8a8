# Two commands matter: `make serve` and `make test`. Both first build what is missing or stale.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
ASSETS := src/dodeca/kernel/web/static/built/.stamp

HANDBOOK := src/dodeca/commons/shell/handbook/index.html

.PHONY: setup assets serve test quick-tests slow-tests lint style types lock clean

export NO_MKDOCS_2_WARNING := 1
# Where Python may not keep what it compiled, every start of a server compiles everything again.
export PYTHONDONTWRITEBYTECODE :=

setup: $(VENV)/.installed $(ASSETS) $(HANDBOOK)

# `/docs` of the running server. Warnings are errors.
$(HANDBOOK): mkdocs.yml tools/handbook.py $(wildcard docs/*.md docs/*/*.md) | $(VENV)/.installed
	@$(BIN)/mkdocs --quiet build --strict

assets: $(ASSETS)

# The script itself decides by content whether anything is to be done; Node comes from PyPI where there is none.
$(ASSETS): package.json tools/build_assets.py src/dodeca/kernel/web/icons.txt | $(VENV)/.installed
	@$(BIN)/python tools/build_assets.py

$(VENV)/.installed: requirements/base.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/base.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

# The running server: first run builds everything, later runs start at once.
serve: setup
	@$(BIN)/dodeca serve --demo $(ARGS)

$(VENV)/.dev-installed: requirements/dev.lock $(VENV)/.installed
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements/dev.lock
	@touch $@

# The types are checked beside the quick tests, which often wait for a disk.
test: setup style
	@$(MAKE) --no-print-directory --jobs 2 types quick-tests
	@$(MAKE) --no-print-directory slow-tests

# PYTEST_ARGS goes to both halves. Quick tests wait often enough that three processes keep two cores busy; those of the
# second half start servers of several processes themselves, and three at a time take as long as two.
quick-tests: $(VENV)/.dev-installed
	@$(BIN)/python -m pytest -n 3 --dist loadfile -m "not slow" $(PYTEST_ARGS)

slow-tests: $(VENV)/.dev-installed
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "slow" $(PYTEST_ARGS)

lint: style types

style: $(VENV)/.dev-installed
	@$(BIN)/ruff check src tests tools
	@$(BIN)/ruff format --check --quiet src tests tools
	@$(BIN)/lint-imports --no-cache

types: $(VENV)/.dev-installed
	@$(BIN)/mypy

clean:
	rm -rf $(VENV) site build dist .mypy_cache .ruff_cache .pytest_cache src/dodeca/kernel/web/static/built $(dir $(HANDBOOK))

# Pins with hashes; the lock files name no index.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml -c requirements/constraints.in -o requirements/base.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --group dev pyproject.toml -c requirements/base.lock -c requirements/constraints.in --override requirements/overrides.in -o requirements/dev.lock
