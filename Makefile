# `make demo` and `make test` each do all the set-up on a fresh machine with Python >= 3.11 and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

LOWEST := .venv-lowest
BUT    ?= torch
TESTS  ?= $(addprefix tests/,baselines blocks console data evaluation features files numerics training users)

.PHONY: demo test test-lowest check dist docs clean

demo: $(STAMP)
	$(BIN)/pixelrec demo

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist worksteal

# The lowest versions that pyproject.toml allows, over those of $(VENV), from which torch comes; with BUT= it is
# the lowest, too, which takes several GB on Linux.
test-lowest: $(STAMP)
	$(PYTHON) -m venv --clear $(LOWEST)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $(LOWEST)/borrowed
	cp $(LOWEST)/borrowed "$$($(LOWEST)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/borrowed.pth"
	$(BIN)/python scripts/lowest.py --but $(BUT) > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $(LOWEST)/lowest.txt
	PYTHONPATH=src $(LOWEST)/bin/python -m pytest -p no:anyio $(TESTS)

dist: $(STAMP)
	$(BIN)/python -m build --no-isolation --outdir dist .

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
	rm -rf $(VENV) $(LOWEST) demo build dist site src/*.egg-info .pytest_cache .ruff_cache .mypy_cache
