# The project's commands. Each target installs what it needs into .venv, locked with hashes.

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
.PHONY: help run belt status test faults benchmark bench check format environment training-environment tensorrt rig hil lock clean clean-station stage release-test

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /make \1	/p' $(MAKEFILE_LIST)

run: $(READY)  ## run a whole station on this machine: PARTS=60 (default: until Ctrl-C), IMAGES=DIR (default: rendered bottles), CAMERAS=1 (default: the deployment's), DEPLOYMENT=NAME of recipes/deployments (default: laptop), RATE=5 parts per second (default: 2), NUCLEUS=lite (default: classic), PLC=modbus (default: opcua)
	@exec $(BIN)/python -m hil.run --rate $(RATE) --nucleus $(NUCLEUS) $(if $(PLC),--plc $(PLC)) $(if $(PARTS),--parts $(PARTS)) $(if $(CAMERAS),--cameras $(CAMERAS)) $(if $(IMAGES),--images "$(IMAGES)") $(if $(DEPLOYMENT),--deployment "$(DEPLOYMENT)")

belt: $(READY)  ## stop (BELT=stop) or start (BELT=start) the running station's belt
	@$(BIN)/python -m hil.run.belt $(BELT)

status: $(READY)  ## show the running station's status
	@$(BIN)/python -m hil.run.status

test: $(READY)  ## run all tests; needs no GPU, camera, account or network: NUCLEUS=lite (default: classic)
	SIGHTLINE_NUCLEUS=$(NUCLEUS) $(BIN)/python -m pytest tests -n 2 -p no:benchmark

faults: $(READY)  ## run whole stations under injected faults, results in .station/faults.json: SEED=3, SCENARIOS=kills,stalls, MINUTES=30; MUTANTS=1 checks that broken code is reported
	@exec $(BIN)/python -m hil.faults $(if $(SEED),--seed $(SEED)) $(if $(SCENARIOS),--scenarios $(SCENARIOS)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(MUTANTS),--mutants)

benchmark: $(READY)  ## run the benchmarks and write .station/bench.json
	@mkdir -p .station
	$(BIN)/python -m pytest tests/benchmarks -o python_files='bench_*.py' --benchmark-only \
	    --benchmark-columns=min,median,max,rounds --benchmark-json=.station/bench.json

bench: benchmark  # the former name

check: $(READY)  ## lint, type-check and check the suite's own rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tools.check_suite

format: $(READY)  ## format all sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

stage: $(READY)  ## stage every component for the Greengrass Development Kit in build/ and greengrass-build/: WHEELS=none|x86_64|aarch64|all (default: all)
	$(BIN)/python -m tools.stage --all --suite $(if $(WHEELS),--wheels $(WHEELS)) $(if $(GDK),--gdk)

release-test: $(READY)  ## install every component from its zip by its recipe, without network or privileges, and start it; fetches wheels into .cache/ (Linux, root or user namespaces)
	$(BIN)/python -m pytest tests/release -o python_files='release_*.py' -p no:benchmark

environment: $(READY)

$(READY): $(LOCK)
	@test -f $(LOCK) || { echo "Python $(VERSION) has no lock file in requirements/; use Python 3.10 to 3.13"; exit 1; }
	@echo "Setting up $(VENV) for Python $(VERSION) ..."
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement $(LOCK)
	@$(BIN)/python -c 'import pathlib, sysconfig; root = pathlib.Path.cwd(); pathlib.Path(sysconfig.get_paths()["purelib"], "sightline.pth").write_text("".join("%s\n" % (root / name) for name in (".", "shared", "components")))'
	@touch $(READY)

training-environment: $(READY)  ## install PyTorch, for training only: TORCH=cpu or cuda (default: the CPU build, if your package index has it)
	@$(BIN)/python -c 'import torch' 2>/dev/null || bash tools/install_torch.sh $(BIN)/python $(VERSION) $(TORCH)

rig: $(READY)  ## test V4L2 cameras against the kernel's test driver in a virtual machine (Debian, root)
	bash hil/rig/run.sh

hil: $(READY)  ## run the bench tests on a virtual rig with four V4L2 cameras (Debian, root), or with BENCH=hil/bench.yaml on a Jetson; reports in build/bench
	$(if $(BENCH),$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/cameras-python$(VERSION).txt)
	@$(BIN)/python -m hil.bench $(if $(BENCH),--bench "$(BENCH)") $(HIL_ARGUMENTS)

tensorrt: $(READY)  ## install TensorRT to build engines; with a GPU and the CUDA toolkit also pycuda to run them
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/tensorrt-python$(VERSION).txt
	@if command -v nvcc > /dev/null && command -v nvidia-smi > /dev/null; then \
	    $(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/pycuda-build-python$(VERSION).txt && \
	    $(BIN)/python -m pip install --quiet --require-hashes --no-build-isolation --requirement requirements/pycuda-python$(VERSION).txt; \
	else echo "No GPU or no CUDA toolkit found: engines can be built, but not run."; fi

lock:  ## update the lock files (needs uv)
	for version in 3.10 3.11 3.12 3.13; do \
	    uv pip compile --quiet pyproject.toml --extra development --universal --python-version $$version \
	        --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements/python$$version.txt; \
	    uv pip compile --quiet pyproject.toml --extra cameras --universal --python-version $$version \
	        --constraints requirements/python$$version.txt \
	        --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements/cameras-python$$version.txt; \
	    uv pip compile --quiet pyproject.toml --extra tensorrt --universal --python-version $$version \
	        --constraints requirements/python$$version.txt \
	        --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements/tensorrt-python$$version.txt; \
	    for name in training pycuda pycuda-build; do \
	        lock=$$name; [ $$name != training ] || lock=training-cuda; \
	        uv pip compile --quiet requirements/$$name.in --universal --python-version $$version \
	            --constraints requirements/python$$version.txt \
	            --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements/$$lock-python$$version.txt; \
	    done; \
	    $(BIN)/python -m tools.cpu_torch_lock $$version; \
	done
	for name in capture inference equipment telemetry telemetry-lambda publisher model product; do \
	    uv pip compile --quiet requirements/components/$$name.in --universal --python-version 3.10 \
	        --constraints requirements/python3.10.txt \
	        --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements/components/$$name.txt; \
	done
	uv pip compile --quiet requirements/components/cameras_driver.in --universal --python-version 3.10 \
	    --constraints requirements/cameras-python3.10.txt \
	    --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements/components/cameras_driver.txt

clean-station:  ## delete the parts, records and pictures of earlier runs; keep the rendered bottles
	rm -rf .station/nucleus .station/faults .station/cloud .station/station .station/evidence .station/logs .station/*.json .station/*.address

clean:  ## delete everything that runs and builds created, the rendered bottles too
	rm -rf .station build greengrass-build
