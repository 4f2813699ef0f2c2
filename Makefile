# Needs python3.11 (or newer), pip, git and make; everything else is installed into .venv.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install clients peers demo test check bench bench-federation lock format clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# What the tests marked `clients` need: drivers that cannot share our environment, each in its own.
ENVIRONMENTS := dbapi odps pyarrow18 sqlalchemy superset
JDBC := flight-sql-jdbc-driver-18.3.0.jar
JDBC_SHA256 := 3f418b46c880e263558c5de669bdbede2c5d4375527ced116fb29f795b03704c

clients: $(ENVIRONMENTS:%=.venv-%/.installed) .clients/$(JDBC)

.venv-%/.installed: requirements-%.lock
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-$*.lock
	@touch $@

# What the benchmarks put beside us.
peers: .venv-peers/.installed .venv-duckdb155/.installed

# Needs a JDK of 17 or newer and Maven.
.clients/$(JDBC):
	mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
	  -Dartifact=org.apache.arrow:flight-sql-jdbc-driver:18.3.0 -DoutputDirectory=$(CURDIR)/.clients/fetched
	echo "$(JDBC_SHA256)  .clients/fetched/$(JDBC)" | sha256sum --check --quiet
	mv .clients/fetched/$(JDBC) $@

demo: install
	$(BIN)/ripstop demo

test: install
	$(BIN)/pytest -n 2 --dist worksteal

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

bench: install peers
	$(BIN)/python -m benchmarks

# Beside DuckDB's own scanners, in every setting: a quarter of an hour at scale 1, most of it once for the data.
SCALE ?= 1
bench-federation: install peers
	set -e; for set in bi tpch; do for how in "--caches off" "--caches on" "--caches off --latency 5" "--count"; do \
	  $(BIN)/python -m benchmarks.federation --scale $(SCALE) --set $$set $$how; done; done
	$(BIN)/python -m benchmarks.federation.moved $(SCALE)
	$(BIN)/python -m benchmarks.federation.local --scale $(SCALE)
	$(BIN)/python -m benchmarks.federation.slow_sources

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:
	uv pip compile pyproject.toml --universal --extra demo --group dev --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -q -o requirements.lock
	for each in $(ENVIRONMENTS) peers duckdb155; do \
	  uv pip compile requirements-$$each.in --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-annotate --no-header -q -o requirements-$$each.lock; \
	done

clean:
	rm -rf $(VENV) $(ENVIRONMENTS:%=.venv-%) .venv-peers .venv-duckdb155 .clients build dist
