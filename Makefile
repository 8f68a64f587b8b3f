# `make demo` and `make test` set up everything; they need Python 3.11 and make alone.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: env demo test slow lint bench lock
env: .venv/installed

.venv/installed: requirements/default.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/default.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: env
	$(BIN)/captionlake demo

test: env
	$(BIN)/pytest

slow: env
	$(BIN)/pytest -m "slow or faults"

lint: env
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# CAPTIONS: parquet with a column caption; BANK: a JSON list of entries.
bench: env
	$(BIN)/python benchmarks/match.py $(CAPTIONS) $(BANK)

# Needs uv; writes hashes, but no address of an index.
lock:
	uv pip compile requirements/default.in --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links -o requirements/default.lock
