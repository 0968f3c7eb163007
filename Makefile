# Each target is a line or two; without make, type them yourself.
.DEFAULT_GOAL := help

# A Python of 3.11 or later: the first of these that is one, or the one that PYTHON= names.
PYTHON := $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null </dev/null; \
	then echo $$python; break; fi; done)
NO_PYTHON := Python 3.11 or later is needed: install it, or say where it is: make PYTHON=/path/to/python3

BIN := .venv/bin
READY := .venv/ready
LIBRARY := .[flask,postgresql,mysql,review]
# Asking the questions needs this alone, and not the environment of the tests.
ASKING := .venv-new
COOKIECUTTER := cookiecutter>=2.7,<3
to := ..

.PHONY: help
help: python ## Show this help
	@$(PYTHON) -c 'import re; [print("  make {:<8}{}".format(*found.groups())) for found in re.finditer("(?m)^([a-z]+):.*?## (.*)", open("Makefile").read())]'

.PHONY: new
new: $(ASKING)/ready ## Answer the questions and get a project, beside this folder or in to=FOLDER
	@$(ASKING)/bin/python scripts/new.py "$(value to)"

.PHONY: demo
demo: $(READY) ## Make the default project in build/demo and use it as a person would
	@$(BIN)/python scripts/demo.py

.PHONY: test
test: export PYTHONDONTWRITEBYTECODE :=# or each of the hundreds of processes compiles all anew
test: lint ## Run everything that CI runs
	@$(BIN)/python -m pytest -m "not trial" -n auto --dist worksteal </dev/null

.PHONY: trials
trials: $(READY) ## Run the long counts, which make test leaves out, and draw new examples
	@HYPOTHESIS_PROFILE=new $(BIN)/python -m pytest -m "trial or hypothesis" </dev/null

.PHONY: lint
lint: $(READY) ## Let ruff and mypy look at everything
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

.PHONY: format
format: $(READY) ## Let ruff put everything in order
	@$(BIN)/ruff check --fix .; $(BIN)/ruff format .

.PHONY: bench
bench: $(READY) ## Measure side by side with stock Flask-Migrate
	@for script in benchmarks/*.py; do $(BIN)/python "$$script" || exit 1; done

.PHONY: python
python:
	@test -n "$(PYTHON)" || { echo "$(NO_PYTHON)"; exit 1; }

# Environments, made by uv where there is one, else by pip; made again when what they are made from
# is newer. pip knows dependency groups since 25.1.
$(READY): pyproject.toml | python
	@echo "Making the environment in .venv"
	@if command -v uv >/dev/null; then \
	  uv venv --quiet --allow-existing --python "$(PYTHON)" .venv && \
	  uv pip install --quiet --python .venv --editable "$(LIBRARY)" --group dev; \
	else \
	  $(PYTHON) -m venv .venv && \
	  $(BIN)/python -m pip install -qq --disable-pip-version-check "pip>=25.1" && \
	  $(BIN)/python -m pip install -qq --disable-pip-version-check \
	    --editable "$(LIBRARY)" --group dev; \
	fi
	@touch $@

# In seconds where this Python has pip: a pip of the environment's own is most of the work.
$(ASKING)/ready: Makefile | python
	@echo "Installing cookiecutter in $(ASKING)"
	@if command -v uv >/dev/null; then \
	  uv venv --quiet --allow-existing --python "$(PYTHON)" $(ASKING) && \
	  uv pip install --quiet --python $(ASKING) "$(COOKIECUTTER)"; \
	else \
	  $(PYTHON) -m venv --without-pip $(ASKING) && \
	  $(PYTHON) -m pip --python $(ASKING)/bin/python install -qq --no-compile \
	    --disable-pip-version-check "$(COOKIECUTTER)" 2>/dev/null || { \
	  $(PYTHON) -m venv $(ASKING) && \
	  $(ASKING)/bin/python -m pip install -qq --disable-pip-version-check "$(COOKIECUTTER)"; }; \
	fi
	@touch $@
