# Each target sets up what it needs: `make table3` or `make test` on a fresh machine does everything. See `make help`.
# Defaults of the variables are those of the scripts (experiments/table.py, experiments/pretrain.py).

PYTHON ?= python3.11 python3.10 python3.9 python3.8 python3 python
# onnxruntime on a card wants neither MXNet's CUDA build nor a card that it has kernels for
CARD := $(if $(filter onnx,$(ENGINE)),$(if $(GPU)$(filter cuda tensorrt,$(PROVIDER)),onnx),$(if $(GPU),mxnet))
VENV := .venv$(if $(filter onnx,$(CARD)),-onnx)$(if $(CARD),-gpu)
REQUIREMENTS := requirements/base.txt requirements/$(if $(filter mxnet,$(CARD)),gpu,cpu).txt requirements/dev.txt \
  requirements/onnx$(if $(filter onnx,$(CARD)),-gpu).txt
STAMP := $(VENV)/.installed
OPENVINO := $(VENV)/.openvino
READY := $(if $(findstring openvino,$(ENGINE) $(WHAT)),$(OPENVINO),$(STAMP))
RUN := $(VENV)/bin/python -W ignore::DeprecationWarning -m
OMP_NUM_THREADS ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
export OMP_NUM_THREADS
export PYTHON DATA PRESET BUDGET GPU HOSTS ROW SEEDS JOBS PRETRAINED OUT BATCH STEPS READERS CHECKPOINT
export TABLE EXTRA SEED SPLIT WEIGHTS SIZE ROUNDS INPUT K SHRINK OUTPUT ENGINE PROVIDER PRECISION FORMAT CARD
export THRESHOLD RATE WIDTH DENSE MINUTES WHAT MOMENTS TIMES A B

TABLES := table1 table2 table3 table4 table5 ablations
OPTIONS = $(foreach v,DATA PRESET BUDGET GPU HOSTS ROW SEEDS JOBS PRETRAINED BATCH STEPS READERS CHECKPOINT SPLIT,\
  $(call option,$(v),$(call lower,$(v)))) $(call flag,FRESH,fresh) $(call flag,LEAK,leak) \
  $(call flag,PUBLISH,publish)

# $(call option,VARIABLE): its option where it is given; quoted by the shell, so that paths may hold anything.
option = $(if $($(1)),--$(2) "$$$(1)")
flag = $(if $(filter-out 0,$($(1))),--$(2))
lower = $(shell echo $(1) | tr A-Z a-z)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: check row compare help $(TABLES) table6 profile growth engines precision neighbours neighbours-time refine density soak robustness faults predict export figures tables submit test lint pretrain minicity clean

help:  ## this list
	@sed -n 's/^\([a-z0-9 .-]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{printf "make %-15s %s\n", $$1, $$2}'
	@echo
	@echo "variables of table1 ... table5 and ablations:"
	@echo "  DATA=minicity     the embedded scenes, or a path to Cityscapes (its layout), CamVid or your own (docs/guide.md)"
	@echo "  PRESET=lite       a quarter of the width and size, for a CPU; street: real streets, from a backbone of photographs,"
	@echo "                    an hour a row and core (docs/training.md); paper: the paper's, for GPUs"
	@echo "  BUDGET=           quick: minutes, a check of the whole path; full: hours, comparable figures"
	@echo "                    (default: quick for a table, full for one ROW)"
	@echo "  GPU=              none: the CPU; 0 or 0,1: these cards (installs mxnet-cu112 into .venv-gpu)"
	@echo "  HOSTS=            machines that train each row together, such as localhost,other (ssh, same folder)"
	@echo "  ROW=              one row by its id in experiments/table*.yaml"
	@echo "  SEEDS=0  JOBS=    seeds, such as 0,1,2; rows trained at once on a CPU"
	@echo "  PRETRAINED=       another backbone's .params instead of the preset's; resnet50-half: open_nsfw's (street's own);"
	@echo "                    resnet50_v1: gluoncv's; both are downloaded, their hash checked"
	@echo "  SPLIT=val         measure on another split than the tables report, to choose by"
	@echo "  BATCH=  STEPS=    others than the preset's"
	@echo "  READERS=0         processes that read images ahead of training; 0: a thread"
	@echo "  CHECKPOINT=200    steps between checkpoints; the same command goes on from the last one"
	@echo "  FRESH=1           measure again what this machine has measured"
	@echo "  LEAK=1            go on where images that are measured are trained on too"
	@echo "  PUBLISH=1         write the records into tables/results/"
	@echo "  PYTHON=           the Python 3.8 to 3.11 to set up with"

table1: ## single-column networks: measure what is missing, then write tables/table1.md
table2: ## several input columns and fusion approaches
table3: ## fast inference with spatial sparsity
table4: ## residual units removed
table5: ## ablation study; trains nothing that tables 1-4 do not
ablations: ## what the paper mentions without a table: Eq. (3), Model A trained long

$(TABLES): $(STAMP)
	@$(RUN) experiments.table --table $(@:table%=%) $(OPTIONS)

table6: $(STAMP)  ## speed: ours, its peers and the stages of table 5 side by side (20 minutes on an idle machine)
	@$(RUN) experiments.speed.table6 $(call option,SIZE,size) $(call option,ROUNDS,rounds) $(call option,ROW,rows)

profile: $(READY)  ## where the time of one inference goes: GPU=, ROW=model-a, SIZE=1024x2048; ENGINE=onnx or openvino, PROVIDER=
	@$(RUN) experiments.speed.profile $(foreach v,ROW SIZE GPU ENGINE PROVIDER,$(call option,$(v),$(call lower,$(v))))

growth: $(STAMP)  ## how time and memory grow with regions, image, batch and threads
	@$(RUN) experiments.speed.growth $(call option,ROUNDS,rounds)

engines: $(OPENVINO)  ## MXNet, onnxruntime and OpenVINO side by side: SIZE=, ROUNDS=; tables/engines.md (half an hour, idle)
	@$(RUN) experiments.speed.engines $(call option,SIZE,size) $(call option,ROUNDS,rounds) $(call option,ROW,rows)

precision: $(READY)  ## what bfloat16 and int8 lose of the accuracy of rows trained on DATA (with commas between); ENGINE=
	@$(RUN) experiments.speed.precision $(call option,DATA,data) $(call option,ENGINE,engine)

neighbours: $(STAMP)  ## SGCPNet, Fast-SCNN and ICNet trained by the same recipe, beside ours (ICNet: over an hour)
	@$(RUN) experiments.table --table neighbours $(OPTIONS)

neighbours-time: $(STAMP)  ## time them side by side on DATA, with what they learned here; tables/neighbours.md
	@$(RUN) experiments.speed.neighbours $(foreach v,DATA PRESET BUDGET,$(call option,$(v),$(call lower,$(v)))) \
	  $(call flag,PUBLISH,publish)

refine: $(STAMP)  ## SparseRefine over a row at half resolution: DATA=, ROW=, STEPS=, WIDTH=, DENSE=; tables/sparserefine.md
	@$(RUN) experiments.refine $(foreach v,DATA PRESET BUDGET TABLE ROW SEED WEIGHTS PRETRAINED STEPS BATCH RATE \
	  THRESHOLD WIDTH GPU CHECKPOINT DENSE EXTRA,$(call option,$(v),$(call lower,$(v)))) $(call flag,LEAK,leak) $(call flag,PUBLISH,publish)

density: $(STAMP)  ## how the time of SparseRefine's sparse part falls with density (8 minutes on an idle machine)
	@$(RUN) experiments.refine --density $(foreach v,SIZE WIDTH ROUNDS GPU,$(call option,$(v),$(call lower,$(v)))) \
	  $(call flag,PUBLISH,publish)

soak: $(READY)  ## predict and train side by side for 30 minutes: do memory and speed stay flat? MINUTES=, WHAT=training or openvino
	@$(RUN) experiments.speed.soak $(call option,MINUTES,minutes) $(call option,WHAT,what)

robustness: $(STAMP)  ## give every reader and writer what is wrong, and count what comes of it (a minute)
	@$(RUN) experiments.stress.robustness

faults: $(STAMP)  ## kill runs at MOMENTS (50; fewer: into .cache/speed/) random moments, fill their disk, run two at once; tables/faults.md (half an hour)
	@$(RUN) experiments.stress.faults $(foreach v,MOMENTS TIMES,$(call option,$(v),$(call lower,$(v))))

check: $(STAMP)  ## train a published row (WEIGHTS=: evaluate): in its band? TABLE= ROW= SEED= DATA= WHAT=cost DRY=1; TABLE=6: speed
	@$(RUN) experiments.check $(foreach v,TABLE ROW EXTRA SEED DATA PRESET BUDGET WHAT WEIGHTS PRETRAINED GPU,\
	  $(call option,$(v),$(call lower,$(v)))) $(call flag,DRY,dry-run)

row: $(STAMP)  ## the page of a published row: curves, classes, best and worst images; TABLE= ROW= EXTRA= DATA= PRESET= WEIGHTS= OUT=
	@$(RUN) experiments.row $(foreach v,TABLE ROW EXTRA DATA PRESET BUDGET WEIGHTS GPU OUT,\
	  $(call option,$(v),$(call lower,$(v))))

compare: $(STAMP)  ## two published rows by seed, class and image, with intervals: A=3/ROW B=4/ROW+bootstrapping DATA= PRESET=
	@$(RUN) experiments.compare $(foreach v,A B DATA PRESET BUDGET,$(call option,$(v),$(call lower,$(v))))

tables: $(STAMP)  ## write tables/*.md from the published records alone
	@$(RUN) experiments.render
	@for page in table6 profile growth precision neighbours refine robustness soak faults engines; do $(RUN) experiments.$$page --render || exit; done
	@for engine in onnx openvino; do if [ -f tables/results/profile-$$engine.json ]; then \
	  $(RUN) experiments.speed.profile --engine $$engine --render || exit; fi; done

predict: $(READY)  ## label INPUT (a photo, folder, "pattern" or video; default: a drawn scene) into OUTPUT
	@$(RUN) experiments.predict $(foreach v,INPUT WEIGHTS K SHRINK OUTPUT ENGINE PRECISION PROVIDER GPU,\
	  $(call option,$(v),$(call lower,$(v)))) $(call flag,SCORES,scores)

export: $(STAMP)  ## a trained network as ONNX, checked: ROW=, K=, SIZE=, BATCH=, WEIGHTS=, OUT=, PRECISION=; FORMAT=gluon
	@$(RUN) experiments.export $(foreach v,ROW TABLE EXTRA K SIZE BATCH WEIGHTS OUT FORMAT PRECISION DATA PRESET BUDGET SEED,\
	  $(call option,$(v),$(call lower,$(v))))

figures: $(STAMP)  ## draw tables/{pipeline,comparison,borders,weights,class-iou}.png, after make table3 BUDGET=full
	@$(RUN) experiments.figures

submit: $(STAMP)  ## label SPLIT (test) with a trained ROW of TABLE for Cityscapes' evaluation server, into OUT
	@$(RUN) experiments.submit $(foreach v,TABLE ROW EXTRA DATA PRESET BUDGET SEED SPLIT WEIGHTS OUT GPU,\
	  $(call option,$(v),$(call lower,$(v)))) $(call flag,ZIP,zip)

test: $(OPENVINO)  ## run the tests, warnings as errors; COV=1: of which branches, failing below 90%
	@OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n auto --dist loadfile $(if $(filter-out 0,$(COV)),--cov --cov-config=setup.cfg)

lint: $(OPENVINO)  ## check the style and the types of the sources
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy

pretrain: $(STAMP)  ## train the shipped backbone anew (20 minutes on two cores)
	@$(RUN) experiments.pretrain $(call option,BUDGET,budget) $(call option,GPU,gpu) $(call option,OUT,out)

minicity: $(STAMP)  ## write the embedded scenes to OUT (default .cache/minicity), to be looked at
	@$(RUN) experiments.minicity "$${OUT:-.cache/minicity}"

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
