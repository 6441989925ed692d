# The targets need Python 3.11 or later and a package index, nothing else. `make help` lists them.

PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python
INFRA_VENV = .venv-infra
AZ_VENV = .venv-az
CLIENTS_VENV = .venv-clients
# Tests run in some processes side by side; those of one file stay together.
SIDE_BY_SIDE = --dist loadfile --no-loadscope-reorder
PORT = 7071

.PHONY: help demo run storefronts webhook unit check test format walks soak bench package sbom describe ready snapshot lock clean

help:  ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.installed  ## Tell what becomes of a few orders, on one screen; VERBOSE=1 prints all bodies
	@$(RUN) -m local demo $(if $(VERBOSE),--verbose)

run: $(VENV)/.installed  ## Serve the app in the local cloud, with a page, until Ctrl-C; PORT=7071
	@$(RUN) -m local run --port $(PORT)

storefronts: $(VENV)/.installed  ## Check storefronts.toml, and say where each address is entered
	@$(RUN) -m local.storefronts check

webhook: $(VENV)/.installed  ## Sign a body, send it to the running app, show what it comes to; SOURCE=shop BODY=file
	@[ -n "$(SOURCE)" ] && [ -n "$(BODY)" ] || { \
		echo "Name a source of storefronts.toml and a file with a body, such as"; \
		echo "make webhook SOURCE=shop BODY=samples/storefronts/shopify.json"; exit 1; }
	@$(RUN) -m local.storefronts send $(SOURCE) $(BODY) --url http://127.0.0.1:$(PORT)

unit: $(VENV)/.installed  ## Unit and layer tests: no sockets, no Azurite, no checkov, in seconds
	@$(RUN) -m pytest -q -n logical $(SIDE_BY_SIDE) tests/unit -m "not slow"

check: $(VENV)/.installed  ## Check format, lint and strict types
	@$(RUN) -m ruff format --check .
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy

test: $(VENV)/.installed $(INFRA_VENV)/.installed $(AZ_VENV)/.installed $(CLIENTS_VENV)/.installed  ## Run all tests, the slow ones too; installs Azurite, checkov and zizmor
	@$(RUN) -m pytest -n auto $(SIDE_BY_SIDE)

format: $(VENV)/.installed  ## Correct format and imports
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

walks: $(VENV)/.installed  ## Walk 20,000 orders through faults of every kind, and judge them; see docs/exactly-once.md
	@$(RUN) -m tests.walks $(WALKS)

soak: $(VENV)/.installed  ## Kill three processes all the time and count the carts and orders; see docs/exactly-once.md
	@$(RUN) -m tests.soak $(SOAK)

bench: $(VENV)/.installed  ## Measure speed beside a direct client and a tutorial function; see docs/performance.md
	@$(RUN) -m bench $(BENCH)

package: $(VENV)/.installed  ## Build what is deployed: build/package and build/package.zip
	@$(RUN) infra/package.py

sbom:  ## List what is in build/package, with licences: build/sbom.json
	@$(RUN) -m infra.sbom

describe: $(VENV)/.installed  ## Write openapi.json, the connector's definition and requests to send from the code
	@$(RUN) -m description

ready: $(VENV)/.installed  ## Print what a deployed app still misses; URL=https://HOST KEY=a-key
	@$(RUN) -m infra.ready

snapshot:  ## Write infra/main.snapshot.json: what the templates make; needs Bicep's compiler
	@$(RUN) -m tests.infra.compiler

lock:  ## Renew requirements.txt and requirements/ from pyproject.toml; needs uv
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv"; exit 1; }
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --no-emit-index-url pyproject.toml -o requirements.txt
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --no-emit-index-url --group dev -c requirements.txt -o requirements/dev.txt
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --no-emit-index-url --group infra -o requirements/infra.txt
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --no-emit-index-url --prerelease allow --group az -o requirements/az.txt
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --no-emit-index-url --group clients -o requirements/clients.txt

clean:  ## Remove the environments and everything that was built
	@rm -rf $(VENV) $(INFRA_VENV) $(AZ_VENV) $(CLIENTS_VENV) build emulator/build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.installed: requirements.txt requirements/dev.txt emulator/pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
		echo "Python 3.11 or later is needed, and '$(PYTHON)' is not there."; \
		echo "Install it, or name another: make $(MAKECMDGOALS) PYTHON=python3.13"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or later is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)."; \
		echo "Name another: make $(MAKECMDGOALS) PYTHON=python3.13"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "The venv module is needed; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) ..."
	@$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements/dev.txt && \
		$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e emulator || { \
		echo "A package index is needed to install the requirements."; exit 1; }
	@touch $@

$(INFRA_VENV)/.installed: requirements/infra.txt | $(VENV)/.installed
	@$(PYTHON) -m venv $(INFRA_VENV)
	@echo "Installing checkov and zizmor into $(INFRA_VENV) ..."
	@$(INFRA_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/infra.txt || { \
		echo "A package index is needed to install the requirements."; exit 1; }
	@touch $@

$(CLIENTS_VENV)/.installed: requirements/clients.txt | $(VENV)/.installed
	@$(PYTHON) -m venv $(CLIENTS_VENV)
	@echo "Installing openapi-python-client into $(CLIENTS_VENV) ..."
	@$(CLIENTS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/clients.txt || { \
		echo "A package index is needed to install the requirements."; exit 1; }
	@touch $@

$(AZ_VENV)/.installed: requirements/az.txt | $(VENV)/.installed
	@$(PYTHON) -m venv $(AZ_VENV)
	@echo "Installing azure-cli into $(AZ_VENV) ..."
	@$(AZ_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/az.txt || { \
		echo "A package index is needed to install the requirements."; exit 1; }
	@touch $@
