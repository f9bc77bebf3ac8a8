# Two commands matter: `make serve` and `make test`. Both first build what is missing or stale.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
ASSETS := src/dodeca/kernel/web/static/built/.stamp

.PHONY: setup assets serve test lint lock clean

setup: $(VENV)/.installed $(ASSETS)

assets: $(ASSETS)

# The script itself decides by content whether anything is to be done; Node comes from PyPI where there is none.
$(ASSETS): package.json tools/build_assets.py src/dodeca/kernel/web/icons.txt | $(VENV)/.installed
	@$(BIN)/python tools/build_assets.py

$(VENV)/.installed: requirements/base.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/base.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml -o requirements/base.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --group dev pyproject.toml -c requirements/base.lock -o requirements/dev.lock
