# Every target has a twin without make: see the comment behind it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 8

setup: $(STAMP) ## a virtual environment with everything that demo and tests run (twin: the three pip lines of README)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(STAMP)

demo: $(STAMP) ## the main job on bundled bars (twin: mlstrat backtest backtests/demo.toml --out runs/demo)
	$(BIN)/mlstrat backtest backtests/demo.toml --out runs/demo

check: $(STAMP) ## style, types and import contracts (twin: ruff check . && ruff format --check . && mypy && lint-imports)
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --config setup.cfg --no-cache > .import-linter.log || { cat .import-linter.log; exit 1; }

test: check ## check, then the tests in two processes (twin: python -m pytest -n 2 --dist loadfile)
	$(BIN)/python -m pytest -n 2 --dist loadfile

bench: $(STAMP) ## measured ratios, one JSON line each (twin: python benchmarks/<name>.py)
	for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

clean: ## remove what the other targets made
	rm -rf $(VENV) runs build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import-linter.log
