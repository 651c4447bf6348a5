# The two commands a reader needs, and the measurements; both make .venv where it is missing and install again only what has changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SEED ?= 1
SOURCES := $(shell find ledger commands queries sample_logs -type f ! -name '*.pyc')

.PHONY: bench bench-spark demo exports fuzz mutants test test-spark torture
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	@$(BIN)/orderledger demo

# The last line fails where the core has a line or a branch that no test takes, and says which.
test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto --dist worksteal --cov --cov-report=
	$(BIN)/coverage report --fail-under=100

# Every fault there is to try, laws on ten times the histories, many writers killed: two hours. SEED=N draws other faults.
torture: export FAULTS := long
torture: export FAULTS_SEED := $(SEED)
torture: $(VENV)/.installed-dev
	$(BIN)/pytest -n auto --dist worksteal tests/faults tests/test_laws_*.py tests/test_audit_oracle.py
	$(BIN)/python -m benchmarks.kill --kills 2000 --seed $(SEED)

# The exports of 10,000 generated orders, read by hledger, beancount and pm4py where they are there.
exports: export EXPORT_EVENTS := 70000
exports: $(VENV)/.installed-process-mining
	$(BIN)/pytest -n 2 --dist loadfile tests/test_export_accounting.py tests/test_export_mining.py

# Every audit and relation on both engines, on a cluster of this machine's own: a master, two workers, a Connect server.
# It needs Java 17 or newer; Spark itself, half a gigabyte, is installed under build/.
test-spark: export SPARK_HOME := $(CURDIR)/build/spark/pyspark
test-spark: $(VENV)/.installed-spark build/spark/.installed
	$(BIN)/pytest -n 2 --dist loadfile tests/spark

# DuckDB beside Spark at 1, 5 and 20 million events: an hour and 10 GB of disk.
bench-spark: export SPARK_HOME := $(CURDIR)/build/spark/pyspark
bench-spark: $(VENV)/.installed-spark build/spark/.installed
	$(BIN)/python -m benchmarks.scale

# Foreign bytes guided by coverage, each entry of them for its share of SECONDS=60; what breaks one is in build/fuzzing.
# It needs atheris, so CPython 3.11 to 3.13 on Linux and x86_64; elsewhere it says so, and `make test` has a short form.
fuzz: SECONDS ?= 60
fuzz: $(VENV)/.installed-fuzz
	$(BIN)/python -m tests.fuzzing --seconds $(SECONDS)

# Changes the core in small ways, one at a time, in copies under build/, and prints what no test notices: half an hour.
mutants: $(VENV)/.installed-mutation
	$(BIN)/python -m benchmarks.mutants

# The table and the picture of docs/performance.md: an hour and 10 GB of disk; SIZES="10000" for a quick look.
bench: SIZES ?= 10000 1000000 10000000
bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks.run --sizes $(SIZES) --write

# The one install serves the other too: a development install has everything the demo needs.
$(VENV)/.installed: pyproject.toml $(SOURCES) | $(VENV)/bin/python
	@if [ ! -e $(VENV)/.installed-dev ]; then $(BIN)/python -m pip install --quiet --disable-pip-version-check .; fi
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(VENV)/.installed-fuzz: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,fuzz]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	@touch $@

$(VENV)/.installed-process-mining: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,process-mining]'
	@touch $@

$(VENV)/.installed-spark: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,spark]'
	@touch $@

build/spark/.installed: | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target build/spark 'pyspark==4.2.*'
	@touch $@

$(VENV)/.installed-mutation: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,mutation]'
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "orderledger needs Python 3.11 or newer; say which with make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
