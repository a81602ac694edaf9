# mlteach: everything that can be done here. `make` alone lists it.

PYTHON ?= python3
UV_VERSION := 0.13.8
VENV := .venv
BIN := $(VENV)/bin
ENV := $(VENV)/.synced

# JupyterLab asks for this where everything runs as root, as in a container.
ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

# Python reads the path of this folder in the encoding of the locale, which may know no umlauts.
export LC_ALL := C.UTF-8

.DEFAULT_GOAL := help
.PHONY: help env book serve lab test test-quick chapters slides handouts assignments exam notebooks lab-authors pictures simulation reference benchmarks lint format clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | awk -F'\t' '{printf "make %-12s%s\n", $$1, $$2}'

env: $(ENV)  ## create .venv from uv.lock (the other targets do it by themselves)

# A .venv that uv made has no pip; in a home that cannot be written, uv does without its cache.
$(ENV): uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'mlteach needs Python 3.11 or newer: make PYTHON=python3.12 ...'; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip || uv pip install --python $(BIN)/python pip
	$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	test -w "$$HOME" || export UV_NO_CACHE=1; env -u VIRTUAL_ENV $(BIN)/uv sync --frozen --inexact --extra book
	touch $@

book: $(ENV)  ## build the book as a website and print its path (EXECUTE=1: run all chapters first)
	$(BIN)/python book/_ext/build.py $(if $(EXECUTE),--execute) $(if $(DRAFT),--draft)

serve: $(ENV)  ## build the book and open it in a browser (port 8000, or PORT=...)
	@$(BIN)/python book/_ext/serve.py $(PORT)

notebooks: $(ENV)  ## make the notebooks for readers, in _build/notebooks (part of make book)
	$(BIN)/python book/_ext/notebooks.py

lab: notebooks  ## open JupyterLab in a copy of the notebooks of your own, workbook/ (or FOLDER=...)
	$(BIN)/mlteach lab $(or $(FOLDER),workbook) -y $(ROOT)

lab-authors: $(ENV)  ## open JupyterLab in book/, where the chapters are written
	cd book && ../$(BIN)/jupyter-lab -y $(ROOT)

# One worker a core, each with one thread; the tests of a file, the cells of a chapter stay together.
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 \
    $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test: $(ENV)  ## run all tests, and every chapter against its stored outputs
	$(PYTEST)

test-quick: $(ENV)  ## run the tests of the numbers: no browser, no sampler, no chapter
	$(PYTEST) -m "not browser and not sampler and not slow" tests mlteach README.md

chapters: $(ENV)  ## run the chapters that are out of date and store their outputs (CHAPTER=03: this one)
	$(BIN)/python book/_ext/chapters.py $(CHAPTER)

slides: book  ## build the book with its slides, and print where they are (one deck a chapter)
	@printf 'file://%s\n' "$(CURDIR)"/_build/html/slides/*.html

handouts: book  ## print the handouts as PDF, a page a chapter (needs Chromium)
	$(BIN)/python book/_ext/paper.py

assignments: $(ENV)  ## make the problem sets for nbgrader, and check how they grade (COURSE=folder)
	$(BIN)/python teaching/assignments.py $(COURSE)

exam: $(ENV)  ## draw an exam, with and without solutions (SEED=1 N=10)
	$(BIN)/python teaching/bank.py "$(SEED)" "$(N)"

pictures: book  ## take the pictures of the README from the built book (needs Chromium)
	$(BIN)/python book/_ext/pictures.py

simulation: $(ENV)  ## run the stored simulation of chapter 16 again (takes ten minutes)
	OMP_NUM_THREADS=1 $(BIN)/python data/simulate.py

reference: $(ENV)  ## compute the reference values again (needs R; takes half an hour)
	sh tests/reference/make_all.sh "$(CURDIR)/$(BIN)/python"

benchmarks: $(ENV)  ## time mlteach beside R and statsmodels, and write the table
	$(BIN)/python benchmarks/run.py

lint: $(ENV)  ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(ENV)  ## mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove everything that was built, and .venv
	rm -rf _build $(VENV) .pytest_cache .ruff_cache .hypothesis
