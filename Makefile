# Needs python3.11 (or newer), pip, git and make; everything else is installed into .venv.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install clients peers demo test check bench lock format clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# What the tests marked `clients` need: drivers that cannot share our environment.
clients: .venv-dbapi/.installed

.venv-dbapi/.installed: requirements-dbapi.lock
	$(PYTHON) -m venv .venv-dbapi
	.venv-dbapi/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dbapi.lock
	@touch $@

# What the benchmarks put beside us.
peers: .venv-peers/.installed

.venv-peers/.installed: requirements-peers.lock
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-peers.lock
	@touch $@

demo: install
	$(BIN)/ripstop demo

test: install
	$(BIN)/pytest -n 2

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

bench: install peers
	$(BIN)/python -m benchmarks

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:
	uv pip compile pyproject.toml --universal --extra demo --group dev --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -q -o requirements.lock
	printf 'flightsql-dbapi==0.2.2\npandas<3\n' | uv pip compile - --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header -q -o requirements-dbapi.lock
	printf 'roapi==0.12.7\n' | uv pip compile - --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header -q -o requirements-peers.lock

clean:
	rm -rf $(VENV) .venv-dbapi .venv-peers build dist
