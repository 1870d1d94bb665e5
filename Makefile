# Each target sets up what it needs: `make table3` or `make test` on a fresh machine does everything. See `make help`.
# A variable is the option of that name of the target's script (experiments/lib/command.py), which describes it.

PYTHON ?= python3.11 python3.10 python3.9 python3.8 python3 python
# onnxruntime on a card wants neither MXNet's CUDA build nor a card that it has kernels for
CARD := $(if $(filter onnx,$(ENGINE)),$(if $(GPU)$(filter cuda tensorrt,$(PROVIDER)),onnx),$(if $(GPU),mxnet))
VENV := .venv$(if $(filter onnx,$(CARD)),-onnx)$(if $(CARD),-gpu)
REQUIREMENTS := requirements/base.txt requirements/$(if $(filter mxnet,$(CARD)),gpu,cpu).txt requirements/dev.txt \
  requirements/onnx$(if $(filter onnx,$(CARD)),-gpu).txt
STAMP := $(VENV)/.installed
OPENVINO := $(VENV)/.openvino
READY := $(if $(findstring openvino,$(ENGINE)),$(OPENVINO),$(STAMP))
# what a target is given on the command line, which its script refuses if it has no such option
GIVEN := $(if $(word 2,$(MAKECMDGOALS)),,$(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name))))
RUN = MAKE_TARGET="$@ $(strip $(GIVEN))" $(VENV)/bin/python -W ignore::DeprecationWarning -m
OMP_NUM_THREADS ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
export OMP_NUM_THREADS PYTHON CARD

TABLES := table1 table2 table3 table4 table5 ablations neighbours
SCRIPTS := $(TABLES) table6 profile engines precision refine \
  check row compare tables predict export figures submit pretrain minicity

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help test lint clean $(SCRIPTS)

help:  ## this list; TARGET=table3: the variables of one of them
ifdef TARGET
	@$(if $(filter $(SCRIPTS),$(TARGET)),$(MAKE) --no-print-directory $(TARGET) HELP=1,\
	  echo "error: TARGET: '$(TARGET)' has no variables; choose from $(SCRIPTS)" >&2; exit 2)
else
	@sed -n 's/^\([a-z0-9 .-]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{printf "make %-15s %s\n", $$1, $$2}'
endif

table1: ## single-column networks: measure what is missing, then write tables/table1.md
table2: ## several input columns and fusion approaches
table3: ## fast inference with spatial sparsity
table4: ## residual units removed
table5: ## ablation study; trains nothing that tables 1-4 do not
ablations: ## what the paper mentions without a table: Eq. (3), Model A otherwise
neighbours: ## SGCPNet, Fast-SCNN and ICNet trained by the same recipe, beside ours (ICNet: over an hour)

$(TABLES): $(STAMP)
	@$(RUN) experiments.table --table $(@:table%=%)

table6: $(STAMP)  ## speed: ours, its peers and the stages of table 5 side by side (20 minutes on an idle machine)
profile: $(READY)  ## where the time of one inference goes, in MXNet, or with ENGINE=onnx or openvino
engines: $(OPENVINO)  ## MXNet, onnxruntime and OpenVINO side by side (half an hour, idle)
precision: $(READY)  ## what bfloat16 and int8 lose of the accuracy of rows trained on DATA

table6 profile engines precision:
	@$(RUN) experiments.speed.$@

refine: $(STAMP)  ## SparseRefine over a network at half resolution, trained and measured
check: $(STAMP)  ## train a published ROW of TABLE, or evaluate WEIGHTS: inside the published band? DRY=1: what it takes
row: $(STAMP)  ## the page of a published ROW of TABLE: curves, classes, best and worst images
compare: $(STAMP)  ## two published rows, A=TABLE/ROW B=TABLE/ROW+bootstrapping, by seed, class and image
predict: $(READY)  ## label INPUT (a photo, folder, "pattern" or video; default: a drawn scene) into OUTPUT
export: $(STAMP)  ## a trained network as ONNX, checked
figures: $(STAMP)  ## draw tables/{pipeline,comparison,weights}.png, after make table3 BUDGET=full
submit: $(STAMP)  ## label SPLIT (test) with a trained ROW of TABLE for Cityscapes' evaluation server, into OUT
pretrain: $(STAMP)  ## train the shipped backbone anew (20 minutes on two cores)

refine check row compare predict export figures submit pretrain:
	@$(RUN) experiments.$@

minicity: $(STAMP)  ## write the embedded scenes to OUT (default .cache/minicity), to be looked at
	@$(RUN) experiments.minicity "$${OUT:-.cache/minicity}"

tables: $(STAMP)  ## write tables/*.md from the published records alone
	@$(RUN) experiments.render

test: $(OPENVINO)  ## run the tests, warnings as errors; COV=1: of which branches, failing below 90%
	@OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n auto --dist loadfile $(if $(filter-out 0,$(COV)),--cov --cov-config=setup.cfg)

lint: $(OPENVINO)  ## check the style and the types of the sources
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy

clean:  ## remove the environments and the tools' caches; results in .cache/ stay
	rm -rf .venv .venv-gpu .venv-onnx-gpu .pytest_cache .ruff_cache .mypy_cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A virtual environment, once per change of the requirements; one that cannot run is made anew.
$(STAMP): $(REQUIREMENTS) requirements/constraints.txt
	@echo "setting up $(VENV) (once)"
	@if ! $(VENV)/bin/python -c "$$CHECK" 2>/dev/null; then \
	  for python in $$PYTHON; do \
	    if "$$python" -c "$$CHECK" 2>/dev/null; then chosen="$$python"; break; fi; \
	  done; \
	  if [ -z "$$chosen" ]; then \
	    echo "error: no Python 3.8 to 3.11 with venv among: $$PYTHON; install one, or name it with PYTHON=" >&2; exit 2; \
	  fi; \
	  if [ "$$CARD" = mxnet ]; then "$$chosen" -m repro.device "$$GPU" || exit 2; fi; \
	  if [ "$$CARD" = onnx ]; then "$$chosen" -m repro.device onnx || exit 2; fi; \
	  "$$chosen" -m venv --clear $(VENV); \
	fi
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --progress-bar off \
	  $(addprefix -r ,$(REQUIREMENTS)) -c requirements/constraints.txt
	@touch $@

# Optional: only where it is asked for, into the same environment.
$(OPENVINO): $(STAMP) requirements/openvino.txt
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --progress-bar off \
	  -r requirements/openvino.txt -r requirements/base.txt -c requirements/constraints.txt
	@touch $@

define CHECK
import sys, venv, ensurepip
sys.exit(not (3, 8) <= sys.version_info[:2] <= (3, 11))
endef
export CHECK
