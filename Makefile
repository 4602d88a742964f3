# `make demo` and `make test` do all their own set-up: Python 3.11+, pip and make are enough.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
BENCH := .venv-bench/bin
BENCH_READY := .venv-bench/.ready

.PHONY: build wheels demo test lint types unit unit-plain bench bench-peers chaos fuzz soak checked-lua clean

# The core, compiled in place where there is a C compiler. PROCESSION_COMPILE=0 takes it back.
build: $(READY)
	@$(BIN)/python compile_core.py

demo: build
	$(BIN)/procession run examples/worker_pool -x app:main

test: lint types unit-plain unit

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy
	$(BIN)/mypy --strict tests/typing

# As many tests at a time as tests/conftest.py says.
PYTEST := $(BIN)/pytest --numprocesses auto --dist worksteal

# All tests, on the core that is built.
unit: build
	$(PYTEST)

# Those that every core has to pass, on the one in plain Python.
unit-plain: $(READY)
	PROCESSION_PURE=1 $(PYTEST) tests/contract tests/core tests/guests tests/hosts/test_watchdog.py

# Death at random for as long as asked: CHAOS_SECONDS=3600 make chaos
chaos: $(READY)
	CHAOS_SECONDS=$${CHAOS_SECONDS:-600} $(BIN)/pytest -s tests/system/test_chaos.py

# Attacks made at random, by each fuzzer for as long as asked: FUZZ_SECONDS=600 make fuzz
fuzz: $(READY)
	FUZZ_SECONDS=$${FUZZ_SECONDS:-3600} $(BIN)/pytest -s tests/fuzz

# Whether memory stays flat: a million short Lua processes, and 50,000 with a state each.
soak: $(READY)
	SOAK_SHARED=$${SOAK_SHARED:-1000000} SOAK_OWN=$${SOAK_OWN:-50000} $(BIN)/pytest -s tests/fuzz/test_soak.py

# The tests of Lua programs with a Lua and a lupa that check each access to memory, and each other.
checked-lua: $(READY)
	tests/checked_lua.sh $(CHECKED)

# An sdist, and a wheel for each CPython 3.11 to 3.14 that is here, in dist/.
wheels: $(READY)
	$(BIN)/python build_wheels.py

bench: build
	$(BIN)/python bench/run.py

# Ours against its peers, about ten minutes: `make bench-peers PEERS=--quick` takes a look in one.
bench-peers: build $(BENCH_READY)
	$(BENCH)/python bench/peers/run.py --save bench/results/peers.jsonl $(PEERS)
	$(BENCH)/python bench/latency.py --save bench/results/latency.jsonl
	$(BENCH)/python docs/benchmarks.py

# The peers, which the tests do not need. One that does not install is skipped.
$(BENCH_READY): $(READY)
	$(PYTHON) -m venv .venv-bench
	$(BENCH)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BENCH)/python -m pip install --quiet --disable-pip-version-check --editable .
	$(BENCH)/python bench/peers/install.py
	@touch $(BENCH_READY)

# The stamp is older than pyproject.toml when dependencies may have changed.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "procession needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $(READY)

clean:
	find src \( -name '*.so' -o -name '*.pyd' -o -name 'compiled.*.json' \) -delete
	rm -rf build dist bench/peers/build .venv .venv-bench .checked .mypy_cache .ruff_cache .pytest_cache .hypothesis
