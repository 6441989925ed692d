# `make demo` and `make test` need Python 3.11 or later and a package index, nothing else.

PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python
INFRA_VENV = .venv-infra

.PHONY: demo run test check format soak bench package describe lock clean

demo: $(VENV)/.installed  ## A cart through the whole chain, then exit
	@$(RUN) -m local demo

run: $(VENV)/.installed  ## The same chain, kept serving on http://127.0.0.1:7071
	@$(RUN) -m local run

test: $(VENV)/.installed $(INFRA_VENV)/.installed  ## All tests
	@$(RUN) -m pytest

check: $(VENV)/.installed  ## Format, lint, strict types
	@$(RUN) -m ruff format --check .
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy

format: $(VENV)/.installed  ## Put format and imports right
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

soak: $(VENV)/.installed  ## Three processes, killed all the time, and one cart or order for each key; see tests/soak
	@$(RUN) -m tests.soak $(SOAK)

bench: $(VENV)/.installed  ## Speed beside a direct client and a tutorial function, as ratios
	@$(RUN) -m bench

package: $(VENV)/.installed  ## What is deployed: build/package and build/package.zip
	@$(RUN) infra/package.py

describe: $(VENV)/.installed  ## cart_core/api/openapi.json and the connector's definition, from the code
	@$(RUN) -m description

lock:  ## Renew the pins from pyproject.toml; needs uv
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv"; exit 1; }
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --no-emit-index-url pyproject.toml -o requirements.txt
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --no-emit-index-url --group dev -c requirements.txt -o requirements-dev.txt
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --no-emit-index-url --group infra -o requirements-infra.txt

clean:
	@rm -rf $(VENV) $(INFRA_VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.installed: requirements.txt requirements-dev.txt emulator/pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
		echo "Python 3.11 or later is needed, and '$(PYTHON)' is not there."; \
		echo "Install it, or name another: make $(MAKECMDGOALS) PYTHON=python3.13"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or later is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)."; \
		echo "Name another: make $(MAKECMDGOALS) PYTHON=python3.13"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "The venv module is needed; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) ..."
	@$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt && \
		$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e emulator || { \
		echo "A package index is needed to install the requirements."; exit 1; }
	@touch $@

$(INFRA_VENV)/.installed: requirements-infra.txt | $(VENV)/.installed
	@$(PYTHON) -m venv $(INFRA_VENV)
	@echo "Installing checkov into $(INFRA_VENV) ..."
	@$(INFRA_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-infra.txt || { \
		echo "A package index is needed to install the requirements."; exit 1; }
	@touch $@
