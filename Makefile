# On a fresh machine with Python 3.11, git and make: `make demo` or `make test`.
PYTHON ?= $(shell command -v python3.11 || echo python3)
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
READY := $(VENV)/.ready
COMMAND := $(VENV)/bin/jpegprep
# Snakemake and its jobs find each other's programs by PATH.
RUN := PATH="$(BIN):$$PATH" PYTHONPATH=workflow/scripts
# The command of this clone, whichever is installed.
JPEGPREP := $(RUN) python -m jpegprep.command

# Where this is set, as in some containers, Python compiles its packages anew in every process:
# 34 s instead of 12 s before a job has imported torch, timm and Lightning.
unexport PYTHONDONTWRITEBYTECODE

# Two trainings at a time, each on half of the cores: of small networks 1.4 times as fast.
PAIRS := --resources gpu=2 network=1

# Their spaces and quotes reach the programs as they are.
export IMAGES TO QUALITY STORE DEPTH RANGE ALPHA FRAMES METADATA FORMAT
export PATH_COLUMN LABEL_COLUMN SPLIT_COLUMN GROUP_COLUMN GROUP

# What is said of the columns of a table.
COLUMNS := path label split group
UPPER = $(shell echo $(1) | tr a-z A-Z)
FLAGS = $(foreach c,$(COLUMNS),$(if $($(call UPPER,$(c))_COLUMN),--$(c)-column "$$$(call UPPER,$(c))_COLUMN"))

.PHONY: help setup demo recommend convert verify fuzz test test-all coverage slurm conda drill lint format bench halves gpu gpu-pack reference lock clean
.DELETE_ON_ERROR:

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

setup: $(READY) $(COMMAND) ## install requirements.lock and the command jpegprep into .venv

# uv installs the lock; its own hashed entry there installs uv.
$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
	  { echo "error: $(PYTHON) is no Python 3.11; install it, or name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Setting up $(VENV) from requirements.lock (several GB, most of it torch) …"
	@begin=$$(date +%s); \
	  $(PYTHON) -m venv $(VENV) && \
	  sed -n '/^uv==/,/# via/p' requirements.lock > $(VENV)/uv.lock && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock && \
	  $(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock && \
	  touch $@ && echo "Set-up took $$(($$(date +%s) - begin)) s."

# As it stands here: it works from any folder, on the rules of this clone.
$(COMMAND): $(READY)
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --offline --python $(BIN)/python --editable .
	@touch $@

demo: $(READY) $(COMMAND) ## run the default study; results/demo/findings.html
	@$(RUN) $(BIN)/python -m jpegprep.common.locks
	@begin=$$(date +%s); \
	  $(RUN) snakemake --cores $(CORES) $(PAIRS) && \
	  echo "The study took $$(($$(date +%s) - begin)) s; see results/demo/findings.html and results/README.md."

recommend: $(READY) $(COMMAND) ## how far can my images be compressed? make recommend IMAGES=PATH
	@[ -n "$$IMAGES" ] || { echo "error: IMAGES is empty; say make recommend IMAGES=PATH" >&2; exit 1; }
	@$(JPEGPREP) recommend "$$IMAGES" --cores $(CORES) $(FLAGS) $(if $(GROUP),--group "$$GROUP") \
	  $(if $(OPTIONS),-- --config $(OPTIONS))

convert: $(READY) $(COMMAND) ## write them smaller to another folder: make convert IMAGES=PATH TO=PATH QUALITY=50 (or STORE=webp-q40)
	@[ -n "$$IMAGES" ] && [ -n "$$TO" ] && [ -n "$$QUALITY$$STORE" ] || \
	  { echo "error: say make convert IMAGES=PATH TO=PATH QUALITY=50 (or STORE=s256-jpeg-q60-opt)" >&2; exit 1; }
	@$(JPEGPREP) convert "$$IMAGES" "$$TO" \
	  $(if $(QUALITY),--quality "$$QUALITY") $(if $(STORE),--store "$$STORE") \
	  --depth "$$DEPTH" --range "$$RANGE" --alpha "$$ALPHA" --frames "$$FRAMES" --metadata "$$METADATA" \
	  $(if $(FORMAT),--format "$$FORMAT") $(FLAGS)

verify: $(READY) $(COMMAND) ## is all that was converted there, and as it was written? make verify TO=PATH
	@[ -n "$$TO" ] || { echo "error: TO is empty; say make verify TO=PATH" >&2; exit 1; }
	@$(JPEGPREP) verify "$$TO"

test: $(READY) ## run the tests, two at a time, but for those that take minutes
	@$(RUN) pytest --numprocesses 2 --no-loadscope-reorder

test-all: $(READY) ## run all of them
	@$(RUN) pytest --numprocesses 2 --no-loadscope-reorder -m ""

coverage: $(READY) ## run them, and say which lines none of them reaches
	@$(RUN) pytest --cov -m ""

slurm: $(READY) ## try profiles/slurm on a real Slurm, which it installs; as root, on Debian
	@$(RUN) pytest -s tests/system/test_slurm.py

conda: $(READY) ## try --use-conda with a stand-in for conda that serves the lock's packages
	@$(RUN) pytest -s tests/system/test_conda.py

fuzz: $(READY) ## mutated image files through manifest and conversion: make fuzz COUNT=10000
	@$(RUN) python tests/fuzz.py --count $(or $(COUNT),10000) $(OPTIONS)

drill: $(READY) ## kill studies at random, damage files, fill disks: is anything lost? as root
	@$(RUN) python tests/system/drill.py

lint: $(READY) ## check style, types, imports and workflow
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) snakefmt --check --compact-diff Snakefile workflow
	$(RUN) mypy
	$(RUN) lint-imports --no-cache --no-logo
	$(RUN) snakemake --lint

format: $(READY) ## put the code into shape
	$(RUN) ruff check --fix-only --quiet .
	$(RUN) ruff format --quiet .
	$(RUN) snakefmt Snakefile workflow

bench: $(READY) ## measure speed beside what a user would pick instead
	@$(RUN) python tests/bench.py

halves: $(READY) ## does a recommendation hold on other images? make halves SETS="a=/data/a b=/data/b"
	@$(RUN) python tests/halves.py $(SETS) $(OPTIONS)

gpu-pack: $(READY) ## pack what `make gpu` needs on a bare machine into .gpu/
	@$(RUN) python tests/gpu/pack.py

# Without set-up: such a machine has its own Python with torch, torchvision, timm, Lightning and pandas.
gpu: ## train and measure on a GPU, from .gpu/: make gpu; a rehearsal: make gpu DEVICE=cpu OPTIONS=--tiny
	@PYTHONPATH= $(if $(wildcard $(READY)),$(BIN)/python,python3) tests/gpu/measure.py \
	  --device $(or $(DEVICE),auto) $(OPTIONS)

reference: $(READY) ## copy the demo's results to results/reference/ and into README.md
	@$(RUN) python -m jpegprep.results.reference

lock: ## resolve requirements.lock anew from pyproject.toml
	$(RUN) uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --extra dev pyproject.toml --output-file requirements.lock

clean: ## remove the environment and everything generated but the downloads and results
	rm -rf $(VENV) .snakemake .mypy_cache .pytest_cache .ruff_cache .coverage*
