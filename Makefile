# `make test` needs nothing but Python >= 3.11 and make.
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
PYTHON ?= python3
BENCH_VENV := .venv-bench
LABELLED ?= ../shared/linkage/train
PROMTOOL := .tools/promtool

QUICK_PROCESSES ?= 2
PROCESSES ?= 3
MARKS ?= not every_fault and not nightly
PROFILE ?= default
SEEDS ?= 1 7 42

.PHONY: help quick setup demo up dev test test-all faults nightly check fmt bench bench-linkage docs lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

quick: setup ## style and the fast tests
	$(PY) -m ruff check --quiet .
	$(PY) -m ruff format --check --quiet .
	$(PY) -m pytest --numprocesses $(QUICK_PROCESSES) --hypothesis-profile quick -m "not slow" tests/unit

setup: $(STAMP) ## install everything into .venv

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "crossregion needs Python 3.11 or newer: run make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --no-deps --editable .
	@touch $(STAMP)

demo: setup ## run the whole system over the example exports
	$(VENV)/bin/crossregion demo $(DEMO)

up: setup ## the same services, kept running until Ctrl-C
	$(VENV)/bin/crossregion up

dev: setup ## the services kept up, the workers restarted as files change
	$(PY) -m cli.develop

# Most tests wait for services, so three processes share two cores, each with services of its own.
test: setup $(PROMTOOL) ## all tests, with the real Kafka and PostgreSQL, and one fault of each class
	$(PY) -m pytest --numprocesses $(PROCESSES) --dist loadscope --no-loadscope-reorder --hypothesis-profile $(PROFILE) -m "$(MARKS)" $(TESTS)

test-all: ## all tests, with every fault at small scale, as .ci/run does
	$(MAKE) test MARKS="not nightly" PROFILE=ci

nightly: faults ## every fault at full scale, and the nemesis by several seeds
	for seed in $(SEEDS); do $(PY) -m tests.faults --seed $$seed --seconds 600 || exit 1; done

faults: setup ## each fault and all of them mixed, at full scale
	$(PY) -m tests.faults $(FAULTS)

# promtool is taken out of Debian's package `prometheus`, which would start a server if installed.
$(PROMTOOL):
	@mkdir -p $(@D)/package
	@cd $(@D)/package && { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; }
	@dpkg-deb -x $(@D)/package/prometheus_*.deb $(@D)/package
	@mv $(@D)/package/usr/bin/promtool $@ && rm -r $(@D)/package

check: setup ## ruff, mypy --strict, import-linter
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

fmt: setup ## format, and fix what ruff can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: setup ## measure the figures of docs/performance.md
	$(PY) -m benchmarks $(BENCH)

# The peers are installed into an environment of their own, which the project's does not need.
bench-linkage: setup ## measure linkage beside its peers
	@test -d $(BENCH_VENV) || $(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --require-hashes -r requirements-bench.lock
	$(BENCH_VENV)/bin/python -m pip install --quiet --no-deps --editable .
	$(BENCH_VENV)/bin/python -m benchmarks.linkage $(LABELLED)

docs: setup ## draw the reference pages anew
	$(PY) -m cli.reference_pages docs

lock: ## resolve the dependencies anew
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --extra dev pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --extra bench pyproject.toml -o requirements-bench.lock

clean: ## remove what was installed and made here
	rm -rf $(VENV) $(BENCH_VENV) .tools .crossregion demo-out
