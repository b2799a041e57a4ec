# Needs Python 3.11 or newer, make and git. Everything is installed into .venv; the system's Python stays as it is.
# ARGS="..." is passed on: make test ARGS="tests/service -k cancel", make up ARGS="--port 9000".

VENV := .venv
BIN := $(VENV)/bin
LOG := $(VENV)/install.log
# Once the pose extra is installed, its torch stays: docs/decisions/0002.
CONSTRAINTS := $(if $(wildcard $(VENV)/.stamp-pose),constraints-pose.txt,constraints.txt)
# A whole run takes three processes of one thread each (docs/decisions/0048); what ARGS choose runs in one.
PYTEST := $(BIN)/python -m pytest
WHOLE := OMP_NUM_THREADS=1 $(PYTEST) --numprocesses 3 --dist loadfile --no-loadscope-reorder
ALL := -m "not gpu and not slow and not pose and not node"
# Without bytecode, every process that a test starts would compile every module again.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := $(BIN)/python tools/install.py $(LOG) --constraint
# The client is a package of its own, which the command line uses.
CLIENT := --editable clients/python
# Written by npm itself.
NODE_PACKAGES := clients/typescript/node_modules/.package-lock.json
STUDIO_PACKAGES := studio/node_modules/.package-lock.json
MKDOCS := NO_MKDOCS_2_WARNING=1 PROJECT_PYTHON=$(BIN)/python .venv-docs/bin/mkdocs build --strict

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test test-clients test-all chaos accept-gpu check docs audit lock check-deploy e2e-docker fix studio up setup movenet dwpose pose people browser clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.stamp-base ## Animate a puppet through the whole service; writes demo/result.mp4 and a contact sheet
	@$(BIN)/tcan demo --out demo/ $(ARGS)

up: $(VENV)/.stamp-base ## Start the service on this machine (Ctrl-C stops it)
	@$(BIN)/tcan up $(ARGS)

test: $(VENV)/.stamp-dev ## Run the tests except long ones (about two minutes); with ARGS, the tests it selects
	@$(if $(ARGS),$(PYTEST) $(ALL) $(ARGS),$(WHOLE))

test-clients: $(VENV)/.stamp-dev $(NODE_PACKAGES) ## Build the TypeScript client and test it on Node.js against the service
	@if [ -e $(NODE_PACKAGES) ] && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; then npm --prefix clients/typescript run --silent build && $(PYTEST) -m node tests/clients/typescript tests/studio $(ARGS); \
		else echo "skipped  tests of clients/typescript: they need Node.js 20.19 or newer and its packages"; fi

test-all: $(VENV)/.stamp-dev ## Run the tests, long ones included
	@$(WHOLE) $(ALL) $(ARGS)

chaos: $(VENV)/.stamp-dev ## Kill parts of the service for CHAOS_SECONDS (600) while jobs run; nothing may be lost
	@$(BIN)/python -m tests.chaos --seconds $${CHAOS_SECONDS:-600} $(ARGS)

accept-gpu: $(VENV)/.stamp-dev ## Check in nine minutes what needs a GPU; writes accept-gpu/report.md (ARGS=--offline: no hub)
	@$(BIN)/python -m tools.accept_gpu $(ARGS)

check: $(VENV)/.stamp-dev .venv-docs/.stamp .venv-openapi/.stamp $(NODE_PACKAGES) $(STUDIO_PACKAGES) ## Lint, check types, import directions, documentation links and known vulnerabilities
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/check_names.py clients/python integrations sandbox media service worker tcan_core cli tools tests docs
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.check_openapi
	$(BIN)/python -m tools.check_studio
	$(BIN)/python tools/check_docs.py
	$(MKDOCS)
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml clients/python integrations media sandbox service worker tcan_core cli tools
	$(BIN)/python tools/audit.py $(CONSTRAINTS) --unreachable-is-no-error

docs: $(VENV)/.stamp-dev .venv-docs/.stamp ## Build the documentation site into site/
	$(MKDOCS)

audit: $(VENV)/.stamp-dev ## Check pinned packages for known vulnerabilities; fails if no database answers
	$(BIN)/python tools/audit.py $(CONSTRAINTS)

check-deploy: $(VENV)/.stamp-dev .venv-deploy/.stamp ## Check images, manifests, rules and the compose file, without a cluster
	@$(BIN)/python -m tools.check_deploy

# Packages of the images, for Linux. Without the display builds of OpenCV that rtmlib asks for: the headless one serves it.
LOCK := .venv-deploy/bin/uv pip compile --quiet --no-config --generate-hashes --only-binary :all: --constraint constraints.txt --python-version 3.11 \
	--python-platform linux --no-emit-package opencv-python --no-emit-package opencv-contrib-python --no-annotate --custom-compile-command "make lock" -
lock: .venv-deploy/.stamp ## Write deploy/docker/*.lock, the images' packages with hashes, from the pins (needs PyPI and PyTorch's CPU index)
	@for image in build gateway worker-cuda; do $(BIN)/python deploy/docker/requirements.py $$image | $(LOCK) --output-file deploy/docker/$$image.lock >/dev/null || exit 1; done
	@$(BIN)/python deploy/docker/requirements.py worker-cpu | $(LOCK) --torch-backend cpu --output-file deploy/docker/worker-cpu.lock >/dev/null

e2e-docker: $(VENV)/.stamp-dev ## Build the images and test the compose file in this machine's Docker
	@$(BIN)/python -u -m tests.e2e_docker $(ARGS)

fix: $(VENV)/.stamp-dev $(NODE_PACKAGES) ## Apply the linter's fixes and format, and generate code
	$(BIN)/python tools/generate_sync_client.py
	$(BIN)/python -m tools.check_openapi --write
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

studio: $(VENV)/.stamp-dev $(STUDIO_PACKAGES) ## Build the web page of studio/ into service/studio/ (needs Node.js)
	@$(BIN)/python -m tools.check_studio --write

setup: $(VENV)/.stamp-dev ## Only install .venv, with the development tools

movenet: $(VENV)/.stamp-movenet ## Add the extra movenet: the MoveNet detector of real people (0.07 GB more)

dwpose: $(VENV)/.stamp-dwpose ## Add the extra dwpose: the DWPose detector of real people (0.1 GB more)

pose: $(VENV)/.stamp-pose ## Add the extras pose and lpips: the OpenPose detector and LPIPS (5 GB more)

people: .people/.stamp ## Unpack pictures and videos of people for the tests marked `people` (0.12 GB; needs apt-get)

browser: ## Install Debian's Chromium, in which the tests of the web page run (needs root and apt-get)
	-@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get install --quiet --yes --no-install-recommends chromium; } \
		|| echo "skipped  chromium: it needs root and apt-get; tests of the web page are skipped without it"

clean: ## Remove .venv, caches and the demo's output
	rm -rf $(VENV) .venv-deploy .venv-docs .venv-openapi .people clients/typescript/dist clients/typescript/node_modules studio/node_modules accept-gpu demo site build *.egg-info clients/python/build clients/python/*.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

# None is in the repository. Where a package cannot be had, its tests are skipped and the summary says so.
.people/.stamp: | $(VENV)/.stamp-venv
	@echo "Unpacking pictures of people into .people (once)"
	@mkdir -p .people
	-@$(INSTALL) /dev/null --no-deps --upgrade --target .people scikit-image==0.26.0 \
		&& cd .people && apt-get download --quiet opencv-doc && dpkg -x opencv-doc_*.deb . && rm opencv-doc_*.deb && touch .stamp

.venv-deploy/.stamp: deploy/check-requirements.txt | $(VENV)/.stamp-venv
	@echo "Installing the tools of check-deploy into .venv-deploy (once)"
	@$(BIN)/python -m venv .venv-deploy
	@.venv-deploy/bin/python tools/install.py $(LOG) --requirement deploy/check-requirements.txt
	@touch $@

.venv-docs/.stamp: docs/requirements.txt | $(VENV)/.stamp-venv
	@echo "Installing the documentation tools into .venv-docs (once)"
	@$(BIN)/python -m venv .venv-docs
	@.venv-docs/bin/python tools/install.py $(LOG) --requirement docs/requirements.txt
	@touch $@

# Without a registry that answers, and without npm, the checks that need these tools are listed as skipped.
.venv-openapi/.stamp: tools/openapi-requirements.txt | $(VENV)/.stamp-venv
	@echo "Installing the OpenAPI tools into .venv-openapi (once)"
	@$(BIN)/python -m venv .venv-openapi
	-@.venv-openapi/bin/python tools/install.py $(LOG) --requirement tools/openapi-requirements.txt && touch $@

$(NODE_PACKAGES) $(STUDIO_PACKAGES): %/node_modules/.package-lock.json: %/package.json %/package-lock.json
	@! command -v npm >/dev/null || echo "Installing the packages of $* (once)"
	-@! command -v npm >/dev/null || npm ci --prefix $* --loglevel error --fetch-retries 1

$(VENV)/.stamp-venv:
	@python=$$(sh tools/find_python.sh) && echo "Making $(VENV) with $$($$python -V)" && $$python -m venv $(VENV)
	@touch $@

$(VENV)/.stamp-base: pyproject.toml clients/python/pyproject.toml constraints.txt | $(VENV)/.stamp-venv
	@echo "Installing the base packages into $(VENV) (once)"
	@$(INSTALL) $(CONSTRAINTS) $(CLIENT) --editable .
	@touch $@

# rtmlib requires OpenCV builds that need display libraries; its other dependencies are installed.
RTMLIB = $(INSTALL) $(CONSTRAINTS) --no-deps rtmlib

$(VENV)/.stamp-dev: pyproject.toml clients/python/pyproject.toml constraints.txt | $(VENV)/.stamp-venv
	@echo "Installing the base packages and the developers' tools into $(VENV) (once)"
	@$(INSTALL) $(CONSTRAINTS) $(CLIENT) --editable '.[dev]'
	@$(RTMLIB)
	@touch $@ $(VENV)/.stamp-base $(VENV)/.stamp-movenet $(VENV)/.stamp-dwpose

$(VENV)/.stamp-movenet: pyproject.toml clients/python/pyproject.toml constraints.txt | $(VENV)/.stamp-venv
	@echo "Installing the base packages and the extra movenet into $(VENV) (once)"
	@$(INSTALL) $(CONSTRAINTS) $(CLIENT) --editable '.[movenet]'
	@touch $@ $(VENV)/.stamp-base

$(VENV)/.stamp-dwpose: pyproject.toml clients/python/pyproject.toml constraints.txt | $(VENV)/.stamp-venv
	@echo "Installing the base packages and the extra dwpose into $(VENV) (once)"
	@$(INSTALL) $(CONSTRAINTS) $(CLIENT) --editable . onnxruntime
	@$(RTMLIB)
	@touch $@ $(VENV)/.stamp-base $(VENV)/.stamp-movenet

# Both detector libraries require those builds, which overwrite the headless one; it works for both.
HEADLESS = $(BIN)/python -m pip uninstall --quiet --yes opencv-python opencv-contrib-python \
	&& $(INSTALL) $(CONSTRAINTS) --force-reinstall --no-deps opencv-python-headless

$(VENV)/.stamp-pose: pyproject.toml clients/python/pyproject.toml constraints-pose.txt | $(VENV)/.stamp-venv
	@echo "Installing the base packages and the extras pose and lpips into $(VENV) (once, about 5 GB more)"
	@$(INSTALL) constraints-pose.txt $(CLIENT) --editable '.[pose,lpips]'
	@$(HEADLESS)
	@touch $@ $(VENV)/.stamp-base
