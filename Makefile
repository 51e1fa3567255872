# Every target sets up what it needs: `make demo` and `make test` work on a machine with nothing but Python >= 3.11.
.PHONY: help venv demo test slow lint format benchmark clean
.DELETE_ON_ERROR:

PYTHON := .venv/bin/python
INSTALLED := .venv/installed
DEMO := studies/demo
CHECKED := run.py conflict tasks mtrl baselines benchmarks tests

help:
	@echo 'make venv       the environment in .venv'
	@echo 'make demo       compare three methods on popgym-quick for a few minutes, write a report'
	@echo 'make test       ruff, mypy and the tests'
	@echo 'make slow       the tests that take minutes'
	@echo 'make lint       ruff and mypy alone'
	@echo 'make format     let ruff put the code in shape'
	@echo 'make benchmark  steps and updates a second, and where the time goes'
	@echo 'make clean      remove the environment and caches; runs/ stays'

venv: $(INSTALLED)

# A name on the PATH may be a shim of an interpreter that is not installed: only one that runs counts. Installed by a path
# (compat), for setuptools' own finder would let any folder called tasks beside a user's script hide ours.
$(INSTALLED): setup.cfg pyproject.toml constraints.txt Makefile
	@if ! $(PYTHON) -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		for name in $(BASE_PYTHON) python3.12 python3.11 python3 python; do \
			"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && found="$$name" && break; \
		done; \
		if [ -z "$$found" ]; then \
			echo 'No Python of version 3.11 or newer was found (tried python3.12, python3.11, python3, python).' >&2; \
			echo 'Install one, or name it: make venv BASE_PYTHON=/path/to/python3' >&2; \
			exit 1; \
		fi; \
		echo "Building .venv with $$("$$found" --version) ($$found)"; \
		"$$found" -m venv --clear .venv || { \
			echo "$$found could not make an environment; on Debian and Ubuntu: apt install python3-venv" >&2; \
			exit 1; \
		}; \
	fi
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--config-settings editable_mode=compat --editable '.[dev]'
	@touch $@

# A demo that was interrupted goes on where it was; one that is complete is reported again.
demo: $(INSTALLED)
	$(PYTHON) run.py compare popgym-quick --methods mean,pcgrad,two-hot --seeds 2 --steps 50000 --out $(DEMO)
	$(PYTHON) run.py report $(DEMO)

# Two processes, each with one thread; the tests of a file stay together.
test: lint
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -m "not slow" -n 2 --dist loadfile --durations=25

slow: $(INSTALLED)
	$(PYTHON) -m pytest -m slow

lint: $(INSTALLED)
	$(PYTHON) -m ruff check $(CHECKED)
	$(PYTHON) -m ruff format --check $(CHECKED)
	$(PYTHON) -m mypy

format: $(INSTALLED)
	$(PYTHON) -m ruff check --fix $(CHECKED)
	$(PYTHON) -m ruff format $(CHECKED)

benchmark: $(INSTALLED)
	$(PYTHON) -m benchmarks.throughput

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
