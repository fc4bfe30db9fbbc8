# The front door: `make help` lists every target. Works with GNU Make 3.81 (macOS) and newer.
#
# Variables a user may set (names with blanks work: DATA="my data/a.jsonl"):
#   DATA    a JSONL file to train on or to evaluate, or several (default: the user's own data, else sample data)
#   OUT     the folder of the ONNX files (default: $STORYTELLER_MODEL_PATH, else artifacts/models)
#   ARGS    more options, passed through to the command of the one target that is asked for
#   RUN     the run that a target is about: a folder (default: the latest; of the event models the folder of both runs)
#   NAME    the end of a new run's name
#   REPORT  no: train without writing a page about the run
#   RUNS    two runs or ONNX files, divided by a blank, to compare
#   NPROC   how many processes train the character model together (default: 1)
#   PYTHON  the interpreter of the virtual environment (default: what uv finds, 3.11 to 3.14)
#   UV      the uv to use (default: the one on PATH, else one is installed into .uv/)

.DEFAULT_GOAL := help
# `make export verify` means first one, then the other, whatever -j says.
.NOTPARALLEL:

# Handed to the recipes as variables of the shell: there, a blank or a quote in a name is a character like any other.
export DATA OUT NAME RUN RUNS RUST_REPO SCHEMA_JSON
# What the commands say to type next is then a line for make.
export STORYTELLER_MAKE = $(MAKE)
DATA ?=
OUT ?=
RUN ?=
RUNS ?=
NAME ?=
REPORT ?= yes
ARGS ?=
NPROC ?=
PYTHON ?= python3
UV ?= $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)

# Installed by us only when no other was found or named.
OWN_UV := $(filter .uv/bin/uv,$(UV))

BIN := .venv/bin
CHARACTER_RUN := artifacts/character
EVENT_RUNS := artifacts/events
# An interpreter named by the user is used as it is; otherwise uv looks for one that fits.
CHOSEN_PYTHON := $(if $(filter file,$(origin PYTHON)),,--python "$(PYTHON)")
SUPPORTED := >=3.11,<3.15
# Scripts that run before there is an environment.
BARE_PYTHON = "$(UV)" run --quiet --no-project $(or $(CHOSEN_PYTHON),--python '$(SUPPORTED)')
# DATA as the arguments "$$@": one file, whatever its name, or several, divided by blanks.
DATA_ARGUMENTS = set --; if [ -n "$$DATA" ]; then set -- $$DATA; if [ -e "$$DATA" ] || [ ! -e "$$1" ]; then set -- "$$DATA"; fi; fi

# The run that a target is about, and what has to be trained for it first: nothing where RUN names one.
CHOSEN_RUN = $(if $(RUN),"$$RUN",$(CHARACTER_RUN))
CHOSEN_EVENT_RUNS = $(if $(RUN),"$$RUN",$(EVENT_RUNS))
TRAINED := $(if $(RUN),,$(CHARACTER_RUN)/best.safetensors)
TRAINED_EVENTS := $(if $(RUN),,$(EVENT_RUNS)/event/best.safetensors $(EVENT_RUNS)/ner/best.safetensors)

# A page about the run that was trained, where the extra is installed; not where ARGS ask for something else.
OTHER_WORK := --validate-only --write-split --help --version --output-dir -o
OWN_PAGE = $(if $(or $(filter no,$(REPORT)),$(filter $(OTHER_WORK),$(ARGS)),$(findstring --output-dir=,$(ARGS))),,yes)
# Of a task that is trained alone there is one run to write about.
TRAINED_TASK = $(if $(findstring joint,$(ARGS)),/joint)

# Where the models lie, and what they are checked with: without DATA, what their runs held out.
CHECKED_PLACE = $(if $(OUT),--models "$$OUT") $(if $(DATA),--data "$$DATA")

.PHONY: help setup lock lock-check

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo; sed -n 's/^#   /  /p' $(firstword $(MAKEFILE_LIST))

setup: | $(OWN_UV) ## Install uv if needed and the locked environment into .venv, or mend it
	@$(BARE_PYTHON) scripts/environment.py --uv "$(UV)" $(CHOSEN_PYTHON)

.uv/bin/uv:
	@echo "uv is not on PATH: installing it into .uv/" >&2
	@"$(PYTHON)" -m pip --version >/dev/null 2>&1 || { \
	  echo "error: $(PYTHON) has no pip to install uv with: install uv (its documentation says how), or pip (Debian: python3-pip)" >&2; exit 1; }
	@"$(PYTHON)" -m pip install --quiet --disable-pip-version-check --no-warn-script-location --root-user-action ignore --target .uv "uv>=0.9"

lock: | $(OWN_UV) ## After a change of dependencies: resolve and rewrite the lock (ARGS=--upgrade: newest versions)
	@$(BARE_PYTHON) scripts/lock.py write --uv "$(UV)" $(ARGS)

lock-check: | $(OWN_UV) ## List the versions that are newer than the lock; for maintainers, blocks nobody
	@$(BARE_PYTHON) scripts/lock.py compare --uv "$(UV)" $(ARGS)

# --- the character model ------------------------------------------------------------------------------------------

.PHONY: data train export verify evaluate-character report runs compare promote schema-check

data: setup ## Make sample training data: artifacts/data/character.jsonl
	$(BIN)/generate-training-data $(ARGS)

train: setup ## Train the character model on DATA, the user's own data, or sample data made on the spot
	@$(DATA_ARGUMENTS); $(BIN)/train-character-model "$$@" $(if $(NAME),--name "$$NAME") $(if $(NPROC),--processes $(NPROC)) $(ARGS)
	@$(if $(OWN_PAGE),$(BIN)/write-report $(CHARACTER_RUN) --if-installed >&2)

# Only when nothing was trained yet: a fresh clone can start with `make export verify`.
$(CHARACTER_RUN)/best.safetensors: | setup
	$(MAKE) train ARGS=

export: setup $(TRAINED) ## Write the trained character model as character_predictor.onnx
	$(BIN)/export-character-model $(CHOSEN_RUN) $(CHECKED_PLACE) $(ARGS)

verify: setup ## Check character_predictor.onnx: interface, completeness, parity with PyTorch
	$(BIN)/verify-onnx --checkpoint $(CHOSEN_RUN) $(CHECKED_PLACE) $(ARGS)

evaluate-character: setup $(TRAINED) ## Score the trained character model on DATA, else on what it held out
	$(BIN)/evaluate-character-model $(CHOSEN_RUN) $(if $(DATA),"$$DATA") $(ARGS)

report: setup ## Write one page about a run, for a browser: RUN=folder (default: the character model's last run)
	$(BIN)/write-report $(CHOSEN_RUN) $(if $(OUT),--models "$$OUT") $(if $(DATA),--data "$$DATA") $(ARGS)

runs: setup ## List the training runs of every kind of model
	$(BIN)/list-runs $(ARGS)

compare: setup ## Say whether the second of two models is better: RUNS="first second", runs or ONNX files
	@set -- $$RUNS; $(BIN)/compare-models "$$@" $(if $(DATA),--data "$$DATA") $(ARGS)

promote: setup ## Give the engine the model of RUN if it passes and is not worse than what it has; ARGS=--rollback undoes it
	$(BIN)/promote-model $(if $(findstring --rollback,$(ARGS)),,$(CHOSEN_RUN) $(if $(DATA),--data "$$DATA")) $(if $(OUT),--models "$$OUT") $(ARGS)

schema-check: setup ## Compare the schema with the engine: RUST_REPO=path, SCHEMA_JSON=path, or the committed golden JSON
	$(BIN)/storyteller-schema check $(if $(SCHEMA_JSON),"$$SCHEMA_JSON") $(if $(RUST_REPO),--rust-repo "$$RUST_REPO") $(ARGS)

# --- the event and entity classifiers -----------------------------------------------------------------------------

.PHONY: event-data import-annotations train-events export-events verify-events evaluate annotate-text

event-data: setup ## Make sample event data: artifacts/data/events.jsonl
	$(BIN)/generate-event-data $(ARGS)

import-annotations: setup ## Make event data of DATA, annotated with brat, Label Studio, doccano or in IOB2 columns
	@$(DATA_ARGUMENTS); $(BIN)/import-annotations "$$@" $(ARGS)

train-events: setup ## Train the event and the entity classifier on DATA, the user's own data, or sample data
	@$(DATA_ARGUMENTS); $(BIN)/train-event-classifier "$$@" $(if $(NAME),--name "$$NAME") $(ARGS)
	@$(if $(OWN_PAGE),$(BIN)/write-report $(EVENT_RUNS)$(TRAINED_TASK) --if-installed >&2)

# Only when nothing was trained yet, as for the character model.
$(EVENT_RUNS)/event/best.safetensors $(EVENT_RUNS)/ner/best.safetensors: | setup
	$(MAKE) train-events ARGS=

export-events: setup $(TRAINED_EVENTS) ## Write the classifiers as the folder event_classifier
	$(BIN)/export-event-classifier $(CHOSEN_EVENT_RUNS) $(CHECKED_PLACE) $(ARGS)

verify-events: setup ## Check the folder event_classifier: interface, completeness, parity with PyTorch
	$(BIN)/verify-onnx --events --checkpoint $(CHOSEN_EVENT_RUNS) $(CHECKED_PLACE) $(ARGS)

evaluate: setup ## Score the exported classifiers on DATA, else on held-out templates, unseen skeletons and prose
	$(BIN)/evaluate-classifier $(if $(OUT),"$$OUT/event_classifier") $(if $(DATA),"$$DATA",--held-out $(CHOSEN_EVENT_RUNS) --prose) $(ARGS)

annotate-text: setup ## Choose the sentences of DATA (texts) that are most worth annotating, as tasks with suggestions
	@$(DATA_ARGUMENTS); $(BIN)/annotate-text "$$@" $(if $(OUT),--models "$$OUT") $(ARGS)

# --- working on the workspace itself ------------------------------------------------------------------------------

.PHONY: test test-engine test-burn coverage fuzz lint format typecheck bench clean distclean

test: lint typecheck ## Lint, type-check and run the tests
	$(BIN)/pytest -m "not engine and not burn" $(ARGS)

test-engine: setup ## Have a Rust stand-in for the engine load, run and decode the exported files (needs cargo)
	$(BIN)/pytest tests/engine -m engine -rs $(ARGS)

test-burn: setup ## Have the character model in burn, all in Rust, read a run, predict, train, and import ONNX (needs cargo)
	$(BIN)/pytest tests/burn -m burn -rs $(ARGS)

coverage: setup ## Run the tests and list the lines that none of them reaches; fails below the floor of CONTRIBUTING.md
	$(BIN)/pytest -m "not engine and not burn" --cov --cov-report=term-missing:skip-covered --cov-report=html --cov-fail-under=95 $(ARGS)

fuzz: setup ## Try inputs that break things (ARGS="--count 300 --seed 1 --seconds 600" for each of the fuzzers)
	@for fuzzer in tests/fuzz/fuzz_*.py; do echo "$$fuzzer"; $(BIN)/python "$$fuzzer" $(ARGS) || failed=1; done; exit $${failed:-0}

lint: setup ## Check style, who imports whom, and that what is imported is declared; changes nothing
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache
	@for package in schema trainer exporter; do \
	  $(BIN)/deptry packages/$$package/src --config packages/$$package/pyproject.toml || exit 1; done
	$(BIN)/deptry tests tests/support tests/fuzz scripts benchmarks

format: setup ## Rewrite the code in the common style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

typecheck: setup ## Check types, the tests' too
	$(BIN)/mypy

bench: setup ## Measure the reference recipe and ours side by side; QUICK=1 for a short run
	$(BIN)/python benchmarks/bench.py $(if $(QUICK),--quick) $(ARGS)

clean: ## Remove caches; runs, models, data and the environment stay
	rm -rf artifacts/cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage htmlcov rust/engine/target rust/burn-character/target
	find packages tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## Remove everything the targets made: trained runs, models, sample data and the environment too
	rm -rf artifacts .venv .uv uv.lock
