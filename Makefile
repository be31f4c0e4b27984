# Two commands do everything on a bare machine: make demo, make test.
# They bring what they need; nothing is installed outside .venv except Debian packages when root.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
CLIENT_SOURCES := $(shell find web/client -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)

.PHONY: help demo test check bench nightly client lock clean

help:
	@echo "make demo     a clinic and a centre on this machine, a study sent, what to click  [DATA=DIR PACS=AET@host:port RESET=1]"
	@echo "make test     every gate and test                     (brings dcmtk, chromium, ... when root)"
	@echo "make check    the fast part: format, types, layers, unit, contract and property tests"
	@echo "make bench    side by side with real peers            [ONLY=name]"
	@echo "make nightly  the long sweeps"

.venv/run.stamp: requirements.lock ops/provision/python.sh
	@ops/provision/python.sh run

.venv/develop.stamp: requirements-develop.lock ops/provision/python.sh
	@ops/provision/python.sh develop

web/static/index.html: $(CLIENT_SOURCES) ops/provision/client.py
	@$(PYTHON) ops/provision/client.py

client: .venv/run.stamp web/static/index.html

demo: .venv/run.stamp client
	@$(PYTHON) -m ops.demo $(if $(DATA),--data "$(DATA)") $(if $(PACS),--pacs "$(PACS)") $(if $(RESET),--reset)

# The fast part makes some thousand small databases, each synced as in service: in memory, where there is room for them.
ROOMY := $(shell [ "$$(df -k --output=avail /dev/shm 2>/dev/null | tail -1)" -gt 4000000 ] 2>/dev/null && echo /dev/shm || echo /tmp)

check: .venv/develop.stamp
	@ops/provision/peers.sh
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports
	@folder=$$(mktemp -d -p $(ROOMY) t.XXXX); trap 'rm -rf "$$folder"' EXIT; set -x; \
	    $(PYTHON) -m pytest -q -n 2 --dist loadfile --basetemp=$$folder/p tests/architecture tests/unit tests/contract tests/property

# Begun first, so that no process is left alone with one of them at the end.
LONGEST = $(addprefix tests/integration/,test_receiver_many.py test_archive_power_cuts.py test_rebuild_killed.py \
    test_backup_power_cuts.py test_crash_matrix.py)
LONGEST_IN_BROWSER = $(addprefix tests/browser/,test_pages.py test_storage.py test_corrections.py)

test: .venv/develop.stamp
	@$(MAKE) --no-print-directory client check
	$(PYTHON) ops/provision/client.py --check
	@# Four on two cores, since half of what these do is to wait for peers and disks; browsers apart, which wait less.
	$(PYTHON) -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder -m "not long" --durations=20 $(LONGEST) tests/integration tests/scenario
	$(PYTHON) -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder -m "not long" --durations=5 $(LONGEST_IN_BROWSER) tests/browser

bench: .venv/develop.stamp client
	@ops/provision/peers.sh bench
	$(PYTHON) -m tests.bench $(ONLY)

nightly: .venv/develop.stamp client
	@ops/provision/peers.sh
	MERIDIAN_LONG=1 $(PYTHON) -m pytest -q tests

lock:
	uv pip compile -q pyproject.toml --group build --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements.lock
	uv pip compile -q pyproject.toml --group build --group develop --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements-develop.lock

clean:
	rm -rf .venv .demo web/static web/client/node_modules build dist *.egg-info
