# Everything here works from a bare Debian 12 or 13 that has make and git, and touches only this folder
# beyond the Debian packages that packaging/system.sh names.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON3 ?= python3
# Half of their time tests wait for devices, brokers and disks; a file's tests stay together for what they share.
TEST_PROCESSES ?= 2
VENV := .venv
PYTHON := $(VENV)/bin/python
BIN := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
# No build isolation: what packages are built with comes from requirements/build.txt, hashed like the rest.
PIP := $(BIN) $(PYTHON) -m pip -qq --disable-pip-version-check install --no-build-isolation --no-deps
LOCK_VENV := $(VENV)/lock
CWT_VENV := $(VENV)/cwt
COMPILE := $(LOCK_VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --python $(PYTHON) \
	--generate-hashes --no-header --no-emit-index-url --upgrade

.PHONY: help
help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

.PHONY: install
install: $(VENV)/.project ## install the terminal into .venv/ (and the Debian packages it needs)

.PHONY: demo
demo: install ## show cards and codes, from reader and camera to the platform's acknowledgement
	@$(VENV)/bin/onecard demo

.PHONY: test
test: $(VENV)/.dev $(CWT_VENV)/.tools ## run every test
	@echo "test: pytest, in $(TEST_PROCESSES) processes"
	@$(PYTHON) -P -m pytest -n $(TEST_PROCESSES) --dist loadfile

.PHONY: faults
faults: $(VENV)/.dev ## break it on purpose, for long: ONECARD_FAULT_ROUNDS=100 ONECARD_FAULT_SEED=1
	@echo "faults: kill -9 under taps, payments and at every commit point; power, disks, clocks, lines, networks and brokers"
	@ONECARD_FAULT_ROUNDS=$${ONECARD_FAULT_ROUNDS:-100} $(PYTHON) -P -m pytest tests/faults

.PHONY: check
check: $(VENV)/.dev ## lint, format, types, import rules, and the tests of the house itself
	@echo "check: ruff" && $(VENV)/bin/ruff check && $(VENV)/bin/ruff format --check
	@echo "check: mypy" && $(VENV)/bin/mypy
	@echo "check: import rules" && $(VENV)/bin/lint-imports
	@echo "check: the house's own tests" && $(PYTHON) -P -m pytest -q tests/house

.PHONY: deb
deb: test-system ## build the Debian package of this terminal, for this machine's architecture, into build/deb/
	@bash packaging/deb.sh

.PHONY: bench
bench: install ## measure every figure that the project quotes
	@$(VENV)/bin/onecard bench all

.PHONY: run
run: install ## run a gate on this machine until Ctrl-C
	@$(VENV)/bin/onecard run --preset gate

.PHONY: lock
lock: $(VENV)/.tools $(LOCK_VENV)/.tools ## renew the pinned, hashed versions in requirements/
	@echo "lock: resolving; ranges come from setup.cfg and requirements/*.in"
	@$(COMPILE) requirements/lock.in -o requirements/lock.txt
	@$(COMPILE) requirements/build.in -o requirements/build.txt
	@$(COMPILE) requirements/cwt.in -o requirements/cwt.txt
	@$(COMPILE) setup.cfg -c requirements/build.txt -o requirements/runtime.txt
	@$(COMPILE) setup.cfg --extra dev -c requirements/build.txt -c requirements/runtime.txt -o requirements/dev.txt
	@rm -rf *.egg-info # what resolving leaves would hide entry points that are added later

.PHONY: clean
clean: ## remove the environment and every build product; what terminals recorded lies elsewhere and stays
	@echo "clean: removing $(VENV)/, caches and build products"
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: system
system:
	@bash packaging/system.sh

.PHONY: test-system
test-system:
	@bash packaging/system.sh test

# Stamps: a step runs again only when a file that it read is newer.
$(PYTHON): | system
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "需要 Python 3.11 或更高版本。"; \
		echo "Python 3.11 or newer is needed; name one with: make PYTHON3=/path/to/python3"; exit 1; } >&2
	@echo "install: making the environment in $(VENV)/"
	@$(PYTHON3) -m venv --clear $(VENV)

$(VENV)/.tools: requirements/build.txt $(PYTHON) | system
	@echo "install: pip and build tools"
	@$(PIP) --require-hashes -r $<
	@touch $@

$(VENV)/.runtime: requirements/runtime.txt $(VENV)/.tools
	@echo "install: the terminal's dependencies (pyscard is compiled)"
	@$(PIP) --require-hashes -r $<
	@touch $@

$(VENV)/.project: setup.cfg pyproject.toml $(VENV)/.runtime
	@echo "install: onecard-terminal"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.project | test-system
	@echo "install: test and lint tools"
	@$(PIP) --require-hashes -r $<
	@touch $@

$(LOCK_VENV)/.tools: requirements/lock.txt $(VENV)/.tools
	@echo "lock: installing uv into $(LOCK_VENV)/"
	@$(PYTHON) -m venv --clear $(LOCK_VENV)
	@$(LOCK_VENV)/bin/python -m pip -qq --disable-pip-version-check install --require-hashes -r $<
	@touch $@

$(CWT_VENV)/.tools: requirements/cwt.txt $(VENV)/.tools
	@echo "install: the third-party CWT library of the tests, into $(CWT_VENV)/"
	@$(PYTHON) -m venv --clear $(CWT_VENV)
	@$(CWT_VENV)/bin/python -m pip -qq --disable-pip-version-check install --require-hashes -r $<
	@touch $@
