# `make demo` and `make test` set up everything; they need Python 3.11 and make alone.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# A file's tests stay together: its fixtures are tables. Each of the two has a Spark of its own.
PARALLEL := -n 2 --dist loadfile
LOCK := uv pip compile --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	--no-emit-find-links

.PHONY: env demo test slow ansi test-cluster test-connect lint functions bench lock
env: .venv/installed

.venv/installed: requirements/default.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/default.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: env
	$(BIN)/captionlake demo

test: env
	$(BIN)/pytest $(PARALLEL)

slow: env
	$(BIN)/pytest $(PARALLEL) -m "slow or faults"

# Types, casts, sums and draws in ANSI mode, Spark 4's default and Databricks serverless'.
ANSI_TESTS := tests/spark_jobs/ingest tests/spark_jobs/balancing tests/spark_jobs/scoring \
	tests/spark_jobs/core/test_draws.py tests/spark_jobs/core/test_columns.py
ansi: env
	CAPTIONLAKE_TEST_ANSI=1 $(BIN)/pytest $(PARALLEL) $(ANSI_TESTS)

# On a standalone cluster and through a Spark Connect server, which these start on loopback: the
# recipes of tests/platforms, with the rows of local mode. A few minutes each, run by hand.
test-cluster: env
	$(BIN)/pytest -m cluster tests/platforms

test-connect: env
	$(BIN)/pytest -m connect tests/platforms

lint: env
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The jobs as Python functions, from their settings; not written if a job cannot be imported.
functions: env
	$(BIN)/python -m spark_jobs.running.python_functions >.functions.py
	mv .functions.py captionlake/jobs.py

# Prints the tables of benchmarks/ and writes them, with their inputs, below bench/: two hours.
bench: env
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.lock
	set -e; for name in startup kernel text_rules caption_length end_to_end growth cost embedding neighbours subsets; do \
		$(BIN)/python -m benchmarks.$$name bench; done

# Needs uv; writes hashes, but no address of an index.
lock:
	$(LOCK) requirements/default.in -o requirements/default.lock
	$(LOCK) requirements/bench.in -c requirements/default.lock -o requirements/bench.lock
