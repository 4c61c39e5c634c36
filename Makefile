# The only door: `make help` lists what there is to do.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

STACK := .stack
VENV := $(STACK)/venv
PYTHON := $(VENV)/bin/python
# The machine's own certificates count: a company's proxy may have signed what is fetched.
UV := $(VENV)/bin/uv --system-certs
# Installed by hand before anything is pinned, so the pin stands here.
UV_PIN := $(shell sed -n 's/^\(uv==[^ ]*\).*/\1/p' constraints.txt)
# Dashboards, rules and documents of the company, from its catalogue.
RENDER := $(VENV)/bin/otel-setup render --catalogue services_demo.catalogue.company --out docker --docs docs

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## Start the company with all real parts, run orders through it, show what arrives; CHECK=1 ends with a verdict.
	@STACK_TRAFFIC_RATE=$(RATE) STACK_TRAFFIC_WEB=$(WEB) $(PYTHON) -m services_demo.stack demo $(if $(CHECK),--check)

.PHONY: down
down: ## Stop what `make demo` started.
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m services_demo.stack down; else echo "nothing is installed, so nothing runs"; fi

.PHONY: logs
logs: ## Show the last log lines of every part; NAME=shop-api for one, FOLLOW=1 to go on.
	@$(PYTHON) -m services_demo.stack logs $(NAME) $(if $(FOLLOW),--follow)

.PHONY: status
status: ## Show which parts run, since when, and their memory.
	@$(PYTHON) -m services_demo.stack status

.PHONY: dead-letters
dead-letters: ## List the messages that no service could handle; DO="replay --queue mes.orders" sends them again.
	@$(PYTHON) -m services_demo.stack dead-letters $(or $(DO),list)

.PHONY: slow
slow: ## Make the operators' list slow: CAUSE=pool, queries, statement, lock, page or off; MINUTES=10.
	@$(PYTHON) -m services_demo.stack slow $(CAUSE) $(if $(MINUTES),--minutes $(MINUTES))

.PHONY: check
check: install ## Lint, types, import rules and unit tests: seconds.
	@$(VENV)/bin/ruff format --check --quiet .
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/mypy tests/typing_api.py
	@$(PYTHON) -m otel_setup.render --check
	@$(RENDER) --check
	@$(PYTHON) -m pytest -q -m "not stack" -n auto --dist loadfile

.PHONY: test
test: check build ## Everything, with the real stack on ports and in a folder of its own.
	@$(PYTHON) -m pytest -m stack --durations 30 --durations-min 5

.PHONY: fmt
fmt: install ## Format the code and mend what a linter can mend.
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix --quiet .

.PHONY: generate
generate: install ## Write the generated files anew.
	@$(PYTHON) -m otel_setup.render
	@$(RENDER)

.PHONY: pictures
pictures: install ## Draw every dashboard from the running demo (`make demo` first); MINUTES=10.
	@$(VENV)/bin/otel-setup pictures --catalogue services_demo.catalogue.company \
		--out docs/images/dashboards $(if $(MINUTES),--minutes $(MINUTES)) $(if $(PROMETHEUS),--prometheus $(PROMETHEUS))

.PHONY: build
build: install ## Build the Collector, Prometheus and the other parts (minutes at first, then nothing).
	@python3 -m services_demo.stack.toolchain.build

.PHONY: install
install: $(VENV)/ready ## Install system packages and the pinned Python packages.

$(VENV)/ready: constraints.txt pyproject.toml
	@python3 -m services_demo.stack.toolchain.debian
	@echo "installing Python packages (about 30 s cold) …"
	@test -x $(PYTHON) || python3 -m venv $(VENV)
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check $(UV_PIN)
	@$(UV) pip install --quiet --python $(PYTHON) -r constraints.txt
	@$(UV) pip install --quiet --python $(PYTHON) --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: lock
lock: ## Write constraints.txt anew from pyproject.toml.
	@$(UV) pip compile --quiet pyproject.toml --all-extras --group dev --python-version 3.11 \
		--no-header --annotation-style line -o constraints.txt

.PHONY: clean
clean: down ## Stop the demo and remove everything that was built or written.
	rm -rf $(STACK)
