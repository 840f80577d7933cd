# Everything sets itself up: the first target that needs Python makes .venv from constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
export CITYGRAIN_DATA ?= $(abspath ../shared/data)
# Byte code is kept, whatever the environment says: without it each process compiles all tests and modules anew.
export PYTHONDONTWRITEBYTECODE :=
RUN := $(BIN)/python -m
# One process for each core, and one thread in each.
PARALLEL := --numprocesses auto --dist loadfile --no-loadscope-reorder

.PHONY: help demo test quick lint docs bench browser clean
help:           ## list the targets
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -c "from citygrain.segments.slic import compile_ahead; compile_ahead()"
	touch $@

demo: .venv/ready   ## the whole job on a synthetic city: runs/demo/report.html
	$(BIN)/citygrain demo --out runs/demo

test: .venv/ready   ## all tests
	OMP_NUM_THREADS=1 $(RUN) pytest $(PARALLEL) -m "not alone"
	$(RUN) pytest -m alone tests

quick: .venv/ready  ## the tests a developer runs all day, with fewer drawn cases
	OMP_NUM_THREADS=1 $(RUN) pytest $(PARALLEL) -m "not slow and not alone" --hypothesis-profile quick

lint: .venv/ready   ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/ready   ## run the tutorials and write their pictures to runs/docs
	$(RUN) pytest tests/test_docs.py tests/test_tutorials.py tests/test_board_browser.py

# Peers that cannot live beside our libraries, for the benchmarks alone.
.venv-peers/ready: benchmarks/requirements-peers.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --requirement benchmarks/requirements-peers.txt
	touch $@

bench: .venv/ready .venv-peers/ready  ## speed and quality beside named peers (BENCH="slic forest", BENCH=--update)
	$(RUN) benchmarks $(BENCH)

browser:        ## install Chromium, which tests of pages drive (Debian, as root); without it they are skipped
	command -v chromium > /dev/null || (apt-get update --quiet && apt-get install --yes --no-install-recommends chromium)

clean:          ## remove what the targets made
	rm -rf .venv .venv-peers runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
