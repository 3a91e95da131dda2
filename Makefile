# What a developer types.  `make help` lists it.  At first only git, make and Python 3.11 or newer must be there.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
BENCH  ?= ../shared/bench
PCT    ?= 10
BUILDS ?=
BOOTS  ?=
TOOLS  := gdb-multiarch mipsel-linux-gnu-gcc mips-linux-gnu-gcc mips64el-linux-gnuabi64-gcc \
          mipsisa64r6el-linux-gnuabi64-gcc qemu-system-mipsel tmux qemu-img debugfs

.PHONY: help run test check tools bench startup boot soak mutation clean
help:
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

run: $(BIN)/vmm ## install into .venv and boot the bundled guest
	@$(BIN)/vmm run

test: tools check ## install what the tests need, then lint, types, layers, tests

check: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n auto -m "not soak"

bench: $(VENV)/dev ## speed beside QEMU: BENCH=folder of the programs, PCT=1, 10 or 100, BUILDS="bare32 te32" (default: all)
	@sh tools/install $(TOOLS) gcc
	$(BIN)/python bench/bench.py --source "$(BENCH)" --percent $(PCT) $(BUILDS:%=--target %)
	$(BIN)/python bench/startup.py

startup: $(BIN)/vmm ## time and memory of a whole run of the bundled guest
	$(BIN)/python bench/startup.py

boot: $(VENV)/dev ## time and memory of Debian's boots beside QEMU: BOOTS="4kc 5kc installer" (default: all)
	@sh tools/install qemu-system-mipsel
	$(BIN)/python bench/boot.py $(BOOTS)

soak: tools $(VENV)/dev ## the long tests
	$(BIN)/pytest -n auto -m soak
	$(BIN)/python -m tests.soak.arithmetic
	$(BIN)/python -m tests.soak.interleavings
	$(BIN)/python -m tests.soak.contexts
	$(BIN)/python -m tests.soak.shootdown
	$(BIN)/python -m tests.differential.objdump

mutation: tools $(VENV)/dev ## does a test notice one wrong character in a meaning?  50 times; an hour
	$(BIN)/python -m tests.soak.mutation --seed 1 --count 50

tools:
	@sh tools/install $(TOOLS)

clean: ## remove .venv and what tools leave behind
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build

$(BIN)/python:
	@sh tools/venv "$(PYTHON)" $(VENV)

$(BIN)/vmm: $(BIN)/python pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/dev: $(BIN)/python pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@
