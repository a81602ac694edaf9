# mlteach: everything that can be done here. `make` alone lists it.

PYTHON ?= python3
UV_VERSION := 0.13.8
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
ENV := $(VENV)/.synced
SITE := _build/html/index.html
NBVAL := --nbval --nbval-current-env --nbval-sanitize-with book/nbval_sanitize.cfg

# JupyterLab asks for this where everything runs as root, as in a container.
ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

# What the website is made from: change one of these and `make book` builds again.
BOOK_FILES := $(shell find book mlteach data -type f -not -path '*/.*' -not -path '*/__pycache__/*')

.DEFAULT_GOAL := help
.PHONY: help env book serve lab test chapters simulation reference benchmarks lint format clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | awk -F'\t' '{printf "make %-12s%s\n", $$1, $$2}'

env: $(ENV)  ## create .venv from uv.lock (the other targets do it by themselves)

$(ENV): uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'mlteach needs Python 3.11 or newer: make PYTHON=python3.12 ...'; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	env -u VIRTUAL_ENV $(BIN)/uv sync --frozen --extra book
	touch $@

book: $(SITE)  ## build the book as a website and print its path
	@echo "The book: file://$(CURDIR)/$(SITE)"

# Warnings are errors. After one, Sphinx's record goes too, or the next build would not repeat it.
$(SITE): $(ENV) _config.yml _toc.yml $(BOOK_FILES)
	cd book && ../$(BIN)/jupyter-book build . --config ../_config.yml --toc ../_toc.yml --path-output .. -n -W --keep-going \
	    || { rm -rf ../_build/.doctrees; exit 1; }
	touch $@

serve: $(SITE)  ## open the website in a browser (port 8000, or PORT=...)
	(sleep 1; $(BIN)/python -m webbrowser http://127.0.0.1:$(PORT)/) &
	$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

lab: $(ENV)  ## open JupyterLab in book/
	cd book && ../$(BIN)/jupyter-lab $(ROOT)

test: $(ENV)  ## run pytest, then every chapter against its stored outputs
	$(BIN)/python -m pytest
	$(BIN)/python -m pytest -o addopts= -p no:cacheprovider -q $(NBVAL) book/*.ipynb

chapters: $(ENV)  ## run every chapter again and store its outputs
	$(BIN)/python book/_ext/chapters.py

simulation: $(ENV)  ## run the stored simulation of chapter 16 again (takes ten minutes)
	OMP_NUM_THREADS=1 $(BIN)/python data/simulate.py

reference: $(ENV)  ## compute the reference values again (needs R; takes half an hour)
	sh tests/reference/make_all.sh $(abspath $(BIN))/python

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
