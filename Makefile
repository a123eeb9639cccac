# What a newcomer types. Each target installs what it needs into .venv, locked with hashes.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
LOCK   := requirements/python$(VERSION).txt
READY  := $(VENV)/ready-$(VERSION)

PARTS  ?=
IMAGES ?=
RATE   ?= 2
NUCLEUS ?= classic

.DEFAULT_GOAL := help
.PHONY: help run belt status test faults bench check format environment training-environment tensorrt rig hil lock clean clean-station stage release-test

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1	/p' $(MAKEFILE_LIST)

run: $(READY)  ## the whole station on this machine: PARTS=60 stops after 60, IMAGES=DIR plays a folder, RATE=5 parts a second, NUCLEUS=lite as on Nucleus Lite, PLC=modbus another protocol
	@exec $(BIN)/python -m hil.run --rate $(RATE) --nucleus $(NUCLEUS) $(if $(PLC),--plc $(PLC)) $(if $(PARTS),--parts $(PARTS)) $(if $(IMAGES),--images "$(IMAGES)")

belt: $(READY)  ## BELT=stop stops the running station's belt, BELT=start lets it go on
	@$(BIN)/python -m hil.run.belt $(BELT)

status: $(READY)  ## how the station on this machine fares
	@$(BIN)/python -m hil.run.status

test: $(READY)  ## the whole suite; needs no GPU, camera, account or network; NUCLEUS=lite runs all stations so
	SIGHTLINE_NUCLEUS=$(NUCLEUS) $(BIN)/python -m pytest tests -n 2 -p no:benchmark

faults: $(READY)  ## whole stations under faults from the outside, .station/faults.json: SEED=3, SCENARIOS=kills,stalls, MINUTES=30; MUTANTS=1 shows that broken code is reported
	@exec $(BIN)/python -m hil.faults $(if $(SEED),--seed $(SEED)) $(if $(SCENARIOS),--scenarios $(SCENARIOS)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(MUTANTS),--mutants)

bench: $(READY)  ## the benchmarks: a table, and .station/bench.json
	@mkdir -p .station
	$(BIN)/python -m pytest tests/benchmarks -o python_files='bench_*.py' --benchmark-only \
	    --benchmark-columns=min,median,max,rounds --benchmark-json=.station/bench.json

check: $(READY)  ## ruff, strict typing, the suite's own rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tools.check_suite

format: $(READY)  ## put all sources into the one style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

stage: $(READY)  ## every component as the Greengrass Development Kit wants it, in build/ and greengrass-build/: WHEELS=none|x86_64|aarch64|all
	$(BIN)/python -m tools.stage --all --suite $(if $(WHEELS),--wheels $(WHEELS)) $(if $(GDK),--gdk)

release-test: $(READY)  ## installs every component from its own zip by its own recipe, without network and rights, and starts it; fetches wheels into .cache/ (Linux, root or user namespaces)
	$(BIN)/python -m pytest tests/release -o python_files='release_*.py' -p no:benchmark

environment: $(READY)

$(READY): $(LOCK)
	@test -f $(LOCK) || { echo "no lock for Python $(VERSION); 3.10 and later are supported"; exit 1; }
	@echo "setting up $(VENV) for Python $(VERSION) ..."
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement $(LOCK)
	@$(BIN)/python -c 'import pathlib, sysconfig; root = pathlib.Path.cwd(); pathlib.Path(sysconfig.get_paths()["purelib"], "sightline.pth").write_text("".join("%s\n" % (root / name) for name in (".", "shared", "components")))'
	@touch $(READY)

training-environment: $(READY)  ## adds PyTorch, for training only
	$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/python -m pip install --quiet torch==2.13.0

rig: $(READY)  ## V4L2 cameras against the kernel's test driver in a virtual machine (Debian, root)
	bash hil/rig/run.sh

hil: $(READY)  ## the bench: a virtual one with four V4L2 cameras (Debian, root), or BENCH=hil/bench.yaml on a Jetson; reports in build/bench
	$(if $(BENCH),$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/cameras-python$(VERSION).txt)
	@$(BIN)/python -m hil.bench $(if $(BENCH),--bench "$(BENCH)") $(HIL_ARGUMENTS)

tensorrt: $(READY)  ## adds TensorRT, to build engines; with a GPU and the CUDA toolkit also pycuda, to run them
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/tensorrt-python$(VERSION).txt
	@if command -v nvcc > /dev/null && command -v nvidia-smi > /dev/null; then \
	    $(BIN)/python -m pip install --quiet 'pycuda>=2024.1'; \
	else echo "no GPU or no CUDA toolkit here: engines are built, but not run"; fi

lock:  ## renew the locks (needs uv)
	for version in 3.10 3.11 3.12 3.13; do \
	    uv pip compile --quiet pyproject.toml --extra development --universal --python-version $$version \
	        --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements/python$$version.txt; \
	    uv pip compile --quiet pyproject.toml --extra cameras --universal --python-version $$version \
	        --constraints requirements/python$$version.txt \
	        --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements/cameras-python$$version.txt; \
	    uv pip compile --quiet pyproject.toml --extra tensorrt --universal --python-version $$version \
	        --constraints requirements/python$$version.txt \
	        --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements/tensorrt-python$$version.txt; \
	done
	for name in capture inference equipment telemetry telemetry-lambda publisher model product; do \
	    uv pip compile --quiet requirements/components/$$name.in --universal --python-version 3.10 \
	        --constraints requirements/python3.10.txt \
	        --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements/components/$$name.txt; \
	done
	uv pip compile --quiet requirements/components/cameras_driver.in --universal --python-version 3.10 \
	    --constraints requirements/cameras-python3.10.txt \
	    --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements/components/cameras_driver.txt

clean-station:  ## forget the parts, records and pictures of earlier runs; the rendered bottles stay
	rm -rf .station/nucleus .station/faults .station/cloud .station/station .station/evidence .station/logs .station/*.json .station/*.address

clean:  ## remove what runs left behind, the rendered pictures too
	rm -rf .station build greengrass-build
