# `make demo` and `make test` set up everything; they need Python 3.11 and make alone.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# A file's tests stay together: its fixtures are tables. Each of the two has a Spark of its own.
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder
ALL_TIERS := not gpu and not cluster and not connect and not s3
LOCK := uv pip compile --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	--no-emit-find-links

.PHONY: env demo test slow ansi stores test-forward test-cluster test-connect test-s3 lint functions bundle bench lock
env: .venv/installed

.venv/installed: requirements/default.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/default.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: env
	$(BIN)/captionlake demo

# With TIERS=all both this and what `make slow` runs, in one go: a file's fixtures are made once.
test: env
	$(BIN)/pytest $(PARALLEL) $(if $(filter all,$(TIERS)),-m "$(ALL_TIERS)")

slow: env
	$(BIN)/pytest $(PARALLEL) -m "slow or faults"

# Types, casts, sums and draws in ANSI mode, Spark 4's default and Databricks serverless'.
ANSI_TESTS := tests/spark_jobs/ingest tests/spark_jobs/balancing tests/spark_jobs/scoring \
	tests/spark_jobs/core/test_draws.py tests/spark_jobs/core/test_columns.py
ansi: env
	CAPTIONLAKE_TEST_ANSI=1 $(BIN)/pytest $(PARALLEL) $(ANSI_TESTS)

# Hadoop's connector to S3, of the version that pyspark 3.5 has, and the AWS library under it.
stores:
	mvn -q dependency:get -Dtransitive=false -Dartifact=org.apache.hadoop:hadoop-aws:3.3.4
	mvn -q dependency:get -Dtransitive=false -Dartifact=com.amazonaws:aws-java-sdk-bundle:1.12.262

# The forward lane: Spark 4, in an environment of its own, with Python 3.12 where there is one.
FORWARD_PYTHON ?= $(shell python3.12 -c 'import sys; print(sys.executable)' 2>/dev/null || echo $(PYTHON))
FORWARD_BIN := .venv-forward/bin
FORWARD_TESTS ?= tests
test-forward: .venv-forward/installed
	CAPTIONLAKE_TEST_ANSI=1 $(FORWARD_BIN)/pytest $(PARALLEL) $(FORWARD_TESTS)

.venv-forward/installed: requirements/forward.lock pyproject.toml
	$(FORWARD_PYTHON) -m venv .venv-forward
	$(FORWARD_BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/forward.lock
	$(FORWARD_BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# On a standalone cluster and through a Spark Connect server, which these start on loopback: the
# recipes of tests/platforms, with the rows of local mode. A few minutes each, run by hand.
test-cluster: env
	$(BIN)/pytest -m cluster tests/platforms

test-connect: env
	$(BIN)/pytest -m connect tests/platforms

# Against a server of S3 on loopback; by hand, ten minutes.
test-s3: env stores
	$(BIN)/pytest -m s3 tests/jobs/test_s3.py tests/platforms/test_s3_recipes.py

lint: env
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The jobs as Python functions, from their settings; not written if a job cannot be imported.
functions: env
	$(BIN)/python -m spark_jobs.running.python_functions >.functions.py
	mv .functions.py captionlake/jobs.py

# The Databricks bundle's resources, from the jobs and recipes.
bundle: env
	$(BIN)/python -m spark_jobs.running.databricks_bundle conf/databricks/resources

# Runs the benchmarks and writes docs/speed.md from their results: two hours. Inputs lie below bench/.
# NAMES="kernel gpu" runs those alone.
bench: env .venv-daft/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.lock
	$(BIN)/python -m benchmarks $(NAMES)

# Daft wants a newer pyarrow than petastorm allows, and takes all else from the default lane.
.venv-daft/installed: requirements/daft.lock
	$(PYTHON) -m venv .venv-daft
	.venv-daft/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/daft.lock
	$(BIN)/python -c 'import site; print(*site.getsitepackages())' \
		>"$$(.venv-daft/bin/python -c 'import site; print(site.getsitepackages()[0])')/default_lane.pth"
	touch $@

# Needs uv; writes hashes, but no address of an index.
lock:
	$(LOCK) requirements/default.in --override requirements/left_out.in -o requirements/default.lock
	$(LOCK) requirements/default.in --override requirements/left_out.in \
		--override requirements/forward.in -o requirements/forward.lock
	$(LOCK) requirements/bench.in -c requirements/default.lock -o requirements/bench.lock
	$(LOCK) requirements/daft.in -o requirements/daft.lock
