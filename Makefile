# `make demo` and `make test` each do all the set-up on a fresh machine with Python >= 3.11 and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check docs clean

demo: $(STAMP)
	$(BIN)/pixelrec demo

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist worksteal

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict  # a warning is an error
	@echo "open site/index.html, or serve the pages with search: $(BIN)/mkdocs serve"

# All but torch is checked against the digests of requirements.txt; torch's wheels differ by accelerator.
$(STAMP): pyproject.toml constraints.txt requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pixelrec needs Python >= 3.11, this is " + sys.version.split()[0] + "; choose another with make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes --no-deps --requirement requirements.txt
	$(PIP) --no-build-isolation --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) demo build dist site src/*.egg-info .pytest_cache .ruff_cache .mypy_cache
