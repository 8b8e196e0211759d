# Everything a newcomer needs: `make demo`, `make test`, `make check`. Only Python and git have to be there before.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
PEERS := .venv-bench
SIZES ?= 10 100
ONLY ?=
BENCH_ARGS ?=

.PHONY: help
help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-10s %s\n", $$1, $$2}' Makefile

# The virtual environment is rebuilt whenever the dependencies in pyproject.toml change.
$(VENV)/.ready: pyproject.toml tools/setup.sh
	@sh tools/setup.sh venv $(VENV)
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready  ## Make the virtual environment in .venv

.PHONY: system
system:
	@sh tools/setup.sh system

.PHONY: browser
browser:
	@sh tools/setup.sh browser

.PHONY: promtool
promtool: $(VENV)/.ready
	@sh tools/setup.sh promtool $(BIN)

.PHONY: demo
demo: system $(VENV)/.ready  ## Audit, change, verify and take back a lab fleet of real nodes
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh tools/demo.sh

.PHONY: test
test: system browser promtool $(VENV)/.ready  ## Run all tests (as root, with the lab of real nodes)
	@$(BIN)/pytest -n auto tests/unit $(PYTEST_ARGS)
	@$(BIN)/pytest -n auto --dist loadfile tests/integration tests/e2e $(PYTEST_ARGS)
	@$(BIN)/pytest tests/faults $(PYTEST_ARGS)

.PHONY: test-vm
test-vm: $(VENV)/.ready  ## Run the tests on real machines under QEMU, which really reboot: minutes, no root
	@sh tools/setup.sh vm
	@sh tools/setup.sh second-opinions $(VENV)
	@$(BIN)/pytest -m vm -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

.PHONY: unit
unit: $(VENV)/.ready  ## Run the unit tests: seconds, no network, no root
	@$(BIN)/pytest tests/unit $(PYTEST_ARGS)

.PHONY: check
check: $(VENV)/.ready  ## Lint, types, rooms, shell, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/shellcheck $$(git ls-files '*.sh' .ci/run)
	$(BIN)/python tools/check_docs.py

.PHONY: docs
docs: $(VENV)/.ready  ## Write the generated parts of docs/
	$(BIN)/python tools/check_docs.py --write

$(PEERS)/.ready: benchmarks/requirements.txt tools/setup.sh
	@sh tools/setup.sh peers $(PEERS)
	@touch $@

.PHONY: bench
bench: system $(VENV)/.ready $(PEERS)/.ready  ## Measure fleet beside other tools: minutes, as root; SIZES="10 1000", ONLY="fleet paramiko"
	@$(BIN)/python -m benchmarks --peers $(PEERS) --nodes $(SIZES) --only $(ONLY) $(BENCH_ARGS)

.PHONY: clean
clean:  ## Remove what the targets above have made
	rm -rf $(VENV) $(PEERS) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
