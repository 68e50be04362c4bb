# Every target sets up what it needs in .venv: a Python >= 3.11, make and a package index suffice.

VENV := .venv
BIN := $(VENV)/bin
ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

.DELETE_ON_ERROR:
.PHONY: help setup demo picture test lint bench docs clean distclean

help: ## Say what the targets do
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST)

setup: $(VENV)/.with-test $(VENV)/.with-lint ## Install the package for development

demo: $(VENV)/.with-runtime ## Learn from a simulated log, evaluate and route (offline, one minute)
	$(BIN)/fusion-agents demo

test: $(VENV)/.with-test ## Run the tests
	$(BIN)/python -m pytest

picture: $(VENV)/.with-runtime ## Draw the picture of the demo in the README
	$(BIN)/fusion-agents demo --svg docs/images/demo.svg

lint: $(VENV)/.with-lint ## Check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.with-test ## Measure time and durability
	@set -e; for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file; done

docs: $(VENV)/.with-docs ## Build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean: ## Remove what was built and cached
	rm -rf dist build site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## Remove the virtual environment too
	rm -rf $(VENV)

$(VENV)/.made:
	@for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	  if $$python -c '$(ENOUGH)' 2>/dev/null; then \
	    $$python -m venv $(VENV) || exit 1; \
	    $(BIN)/python -m pip install --quiet uv || echo "uv cannot be had; pip will install (slower)"; \
	    touch $@; exit 0; \
	  fi; \
	done; \
	echo "fusion-agents needs Python 3.11 or newer, and none was found: install one first" >&2; exit 1

# .with-runtime holds the package alone; .with-NAME the package and the dependency group NAME.
$(VENV)/.with-%: $(VENV)/.made pyproject.toml
	@echo "installing into $(VENV) ($*)"
	@groups='$(if $(filter runtime,$*),,--group $*)'; \
	if $(BIN)/python -m uv --version >/dev/null 2>&1; then \
	  $(BIN)/python -m uv pip install --quiet --python $(BIN)/python --editable . $$groups; \
	else \
	  $(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' && \
	  $(BIN)/python -m pip install --quiet --editable . $$groups; \
	fi
	@touch $@
