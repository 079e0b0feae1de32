# XRayTo3D: everything a developer runs. Each target sets up .venv as far as it needs it, once.
#   make test PYTHON=python3.12           another Python (3.11 or newer)
#   make test WORKERS=4                   so many tests at a time (default 2)
#   make test TORCH="torch==2.13.0+cpu --index-url https://download.pytorch.org/whl/cpu"   another build of PyTorch

PYTHON ?= python3
TORCH ?= torch==2.13.0
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
# Errors are shown; setuptools' warnings about editable installations are not.
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip --disable-pip-version-check --quiet
SETTINGS := pyproject.toml constraints.txt
VENV_DONE := $(VENV)/.made-venv
TORCH_DONE := $(VENV)/.made-torch
LIBRARY_DONE := $(VENV)/.made-library
LINT_DONE := $(VENV)/.made-lint
TEST_DONE := $(VENV)/.made-test
TORCH_PIN := $(VENV)/torch-constraint.txt
CONSTRAINED := --constraint constraints.txt --constraint $(TORCH_PIN)

# The library picks its own number of threads.
unexport OMP_NUM_THREADS MKL_NUM_THREADS OPENBLAS_NUM_THREADS

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench soak fuzz fuzz-guided wheel sbom audit bundle host screenshots clean
.DELETE_ON_ERROR:

help: ## show this list
	@echo "XRayTo3D: from radiographs to 3D bones (research use only)"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

demo: $(LIBRARY_DONE) ## register a made-up bone to a made-up radiograph; pictures and report in demo-output
	$(BIN)/xrayto3d demo -o demo-output

test: $(TEST_DONE) lint ## ruff, the layers, then every test (also those on the Slicer test host, where it installs)
	@if [ -s $(TEST_DONE) ]; then cat $(TEST_DONE); fi
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: $(LINT_DONE) ## ruff and the layers (which room may import which)
	$(BIN)/ruff check .
	$(BIN)/lint-imports

bench: $(TEST_DONE) ## ours and the peers side by side: Testing/Benchmarks/bench_*.py
	@$(PIP) install -r Testing/Benchmarks/peers.txt $(CONSTRAINED)
	@$(PIP) install --no-deps -r Testing/Benchmarks/peers_alone.txt
	@for file in $(sort $(wildcard Testing/Benchmarks/bench_*.py)); do echo "== $$file"; $(BIN)/python $$file || exit 1; done

soak: $(TEST_DONE) ## kills, full disks, load, privacy: Testing/Soak/soak_*.py, each with its figures (hours on 2 cores)
	@for file in $(sort $(wildcard Testing/Soak/soak_*.py)); do echo "== $$file"; $(BIN)/python $$file || exit 1; done

fuzz: $(TEST_DONE) ## every reader given 10,000 broken files: Testing/Fuzz/fuzz.py (FUZZ="--cases 300" for a quick look)
	$(BIN)/python Testing/Fuzz/fuzz.py $(FUZZ)

fuzz-guided: $(TEST_DONE) ## the same guided by coverage: Testing/Fuzz/guided.py (installs atheris; FUZZ="--cases 300")
	$(PIP) install --editable '.[fuzz]' $(CONSTRAINED)
	$(BIN)/python Testing/Fuzz/guided.py $(FUZZ)

wheel: $(TEST_DONE) ## build the wheel twice under other circumstances, compare the bytes; it lies in dist
	$(BIN)/python .ci/wheel.py --check -o dist

sbom: $(LIBRARY_DONE) ## software bill of materials (CycloneDX) of what is installed: dist/sbom.cdx.json
	$(BIN)/python .ci/sbom.py -o dist/sbom.cdx.json

audit: $(TEST_DONE) ## known vulnerabilities of everything installed, asked of pip-audit (sends names and versions)
	$(BIN)/python .ci/audit.py

bundle: $(TEST_DONE) ## train the demonstration models again, on SYNTHETIC wrists, knees and hips (about 2 hours on 2 cores)
	$(BIN)/xrayto3d dataset synthetic --people 240 --test 40 --seed 0 -o build/wrist
	$(BIN)/xrayto3d dataset synthetic --anatomy hips --people 240 --test 40 --seed 0 -o build/hips
	$(BIN)/xrayto3d dataset synthetic --anatomy knee --people 200 --test 40 --seed 0 -o build/knee
	@for model in wrist_pa wrist_pa_lat hips_ap knee_ap_lat; do name=$$(echo $$model | tr _ -)-demo; \
	  $(BIN)/xrayto3d train Resources/configs/$${model}_small.yaml --data build/$${model%%_*} -o build/$$name \
	    --float16 --licence "Apache-2.0; trained on synthetic data" || exit 1; \
	  rm -rf Resources/models/$$name && mkdir -p Resources/models && cp -r build/$$name/bundle Resources/models/$$name; done
	$(BIN)/xrayto3d train Resources/configs/wrist_shape_fit_small.yaml --data build/wrist -o build/wrist-shapes-demo \
	  --licence "Apache-2.0; trained on synthetic data"
	$(BIN)/xrayto3d dataset synthetic -o build/wrist_tissue --people 100 --soft-tissue --seed 20250
	$(BIN)/xrayto3d models calibrate build/wrist-shapes-demo/bundle --data build/wrist_tissue --people 60 --skip 40 \
	  -o build/wrist-shapes-demo/calibrated
	rm -rf Resources/models/wrist-shapes-demo && cp -r build/wrist-shapes-demo/calibrated Resources/models/wrist-shapes-demo

host: $(TEST_DONE) ## open the Slicer module in a window, on the test host (needs a screen)
	PYTHONPATH=Testing/Host $(BIN)/python -m slicerhost.show

screenshots: $(TEST_DONE) ## make the pictures of the module again: Testing/Module/make_*screenshots.py
	@for file in $(sort $(wildcard Testing/Module/make_*screenshots.py)); do echo "== $$file"; \
	  OMP_NUM_THREADS=1 $(BIN)/python $$file || exit 1; done

clean: ## remove what the targets made, .venv too
	rm -rf $(VENV) build dist demo-output bench-output artifacts *.egg-info
	rm -rf .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find XRayTo3D XRayTo3DLib Testing .ci -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- the virtual environment, step by step ----------------------------------------------------------------------------

$(VENV_DONE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "XRayTo3D needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade pip
	@touch $@

# PyTorch alone and first: as another package's dependency pip would take the newest build, with its CUDA packages.
$(TORCH_DONE): $(VENV_DONE)
	@echo "Installing $(TORCH)"
	@$(PIP) install $(TORCH)
	@$(BIN)/python -c 'from importlib.metadata import version; print("torch==" + version("torch"))' > $(TORCH_PIN)
	@touch $@

$(LIBRARY_DONE): $(TORCH_DONE) $(SETTINGS)
	@echo "Installing XRayTo3DLib and what it needs"
	@$(PIP) install --editable . $(CONSTRAINED)
	@touch $@

$(LINT_DONE): $(LIBRARY_DONE)
	@$(PIP) install ruff import-linter $(CONSTRAINED)
	@touch $@

# The stamp holds the note on a missing test host, if it is missing; where XRAYTO3D_REQUIRE_HOST is set that is an error.
$(TEST_DONE): $(LINT_DONE)
	@echo "Installing the test tools"
	@if $(PIP) install --editable '.[train,test,host]' $(CONSTRAINED); then : > $@; \
	elif [ -n "$$XRAYTO3D_REQUIRE_HOST" ]; then echo "The Slicer test host cannot be installed, and is required here." >&2; exit 1; \
	else \
	  $(PIP) install --editable '.[train,test]' $(CONSTRAINED) && \
	  echo "Note: no slicer-core or PySide6 for this Python; the tests on the Slicer test host are skipped." > $@; \
	fi
