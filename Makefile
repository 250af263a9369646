# `make demo` and `make test` do all of their own set-up; `make help` lists the rest.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PY_COLORS := 0
# What is compiled once need not be compiled by each of the thousand processes that follow.
export PYTHONDONTWRITEBYTECODE :=
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
SCENARIOS := $(notdir $(patsubst %/molecule.yml,%,$(wildcard molecule/*/molecule.yml)))
# Scenarios with tests that look at the clock. These have the machine for themselves; all else of such a scenario runs beside the others.
TIMED := gateway-nginx gateway-caddy balancer fleet
# The longest first, so that none is left at the end.
LONG := molecule-gpu molecule-lifecycle molecule-monitoring molecule-faults ready-gateway-caddy ready-gateway-nginx ready-fleet molecule-wireguard
SHORT := $(filter-out $(LONG),$(filter-out $(TIMED:%=molecule-%),$(SCENARIOS:%=molecule-%)) $(TIMED:%=ready-%)) unit sanity alerts

.PHONY: help setup lab clients demo demo-clean test lint sanity unit contract alerts molecule $(SCENARIOS:%=molecule-%) $(TIMED:%=ready-%) $(TIMED:%=timed-%) \
  bench build clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup:  ## the development tools in .venv
	@tests/setup

lab: setup  ## the Docker engine, the host images and the upstream of the lab
	@tests/lab/lab up

demo: setup  ## one host, provisioned, verified and left running
	@tests/demo/demo up

demo-clean:  ## remove the demo
	@tests/demo/demo clean

test:  ## everything that CI runs
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint contract clients
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(LONG) $(SHORT)
	$(MAKE) --no-print-directory $(TIMED:%=timed-%)
	echo "All tests passed."

lint: setup
	yamllint --strict .
	ruff check .
	ruff format --check .
	vermin --target=3.9- --violations --no-tips --quiet --exclude compression --exclude compression.zstd plugins/module_utils plugins/modules roles/metrics/files
	ansible-lint --offline
	antsibull-changelog lint

unit: setup
	python -m pytest -q tests/unit

contract: setup
	python -m pytest -q tests/contract

alerts: lab  ## rules, alerts and usage, by the Prometheus of each Debian
	python -m pytest -q tests/monitoring

sanity: lab
	tests/sanity/run oldest
	tests/sanity/run newest

molecule: $(SCENARIOS:%=molecule-%)

$(SCENARIOS:%=molecule-%): molecule-%: lab
	eval "$$(tests/lab/lab env | sed 's/^/export /')"
	molecule test --scenario-name $*

# The two halves of such a scenario.
$(TIMED:%=ready-%): ready-%: lab
	eval "$$(tests/lab/lab env | sed 's/^/export /')"
	molecule check --scenario-name $*
	PYTEST_ADDOPTS="$${PYTEST_ADDOPTS:-} -m 'not timed'" molecule verify --scenario-name $*

$(TIMED:%=timed-%): timed-%: lab
	eval "$$(tests/lab/lab env | sed 's/^/export /')"
	PYTEST_ADDOPTS="$${PYTEST_ADDOPTS:-} -m timed" molecule verify --scenario-name $*
	molecule destroy --scenario-name $*

molecule-gateway-nginx molecule-gateway-caddy ready-gateway-nginx ready-gateway-caddy timed-gateway-nginx timed-gateway-caddy: clients

clients: lab  ## what the tests of the gateway look through: the clients' own environment, an image with a browser
	@tests/setup clients
	@tests/lab/lab client

bench: lab  ## what is measured, printed with the machine's load
	@eval "$$(tests/lab/lab env | sed 's/^/export /')"
	python tests/bench/bench.py

build: setup  ## the collection's artefact
	ansible-galaxy collection build --force

clean: demo-clean  ## remove the lab and everything that was installed here
	@tests/lab/lab down || true
	rm -rf .venv .venv-clients .venv-bench .cache .demo llm-host-*.tar.gz
