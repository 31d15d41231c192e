# SPDX-License-Identifier: Apache-2.0
#
# `make` alone prints what there is. Every goal installs the Debian packages that it needs and says which; what is there is skipped.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

SWIFT ?= swift
# STRICT=1, as CI has it: warnings are errors, and an import that Package.swift does not draw is an error.
STRICT ?=
SWIFT_FLAGS := $(if $(STRICT),-Xswiftc -warnings-as-errors --explicit-target-dependency-import-check error)
# ARGS="--filter JournalSQLiteTests" for `make test`, scenarios for `make test-vm` and `make demo`, parts for `make bench`.
ARGS ?=
DEPS := scripts/install-deps.sh

.PHONY: help deps build build-tests test test-live test-vm demo lint proto proto-check bench package clean toolchain

help: ## what there is
	@echo "Meshgate plans a mesh of Kubernetes clusters and starts each step only on fresh evidence."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  STRICT=1     warnings are errors, as in CI"
	@echo "  ARGS=...     more arguments for swift test, another scenario for the demo, parts for bench"

toolchain:
	@command -v $(SWIFT) >/dev/null || { echo "make: no Swift toolchain on PATH; install Swift 6.3 from https://www.swift.org/install/linux/" >&2; exit 69; }

deps: ## install the Debian packages for building, testing and the demo
	@$(DEPS) build test demo

build: toolchain ## build both programs, for debugging (.build/debug)
	@$(DEPS) build
	$(SWIFT) build $(SWIFT_FLAGS)

build-tests: toolchain
	@$(DEPS) build
	$(SWIFT) build --build-tests $(SWIFT_FLAGS)

test: toolchain ## run every test that this machine can run (as root: also those with namespaces and loop devices)
	@$(DEPS) build test
	@[ "$$(id -u)" = 0 ] || echo "make: not root: tests with network namespaces and loop devices are skipped"
	@SWIFT="$(SWIFT)" scripts/test.sh $(SWIFT_FLAGS) $(ARGS)

test-live: toolchain ## read from the real API server of MESHGATE_LIVE_KUBECONFIG (and MESHGATE_LIVE_CONTEXT), changing nothing
	@if [ -z "$${MESHGATE_LIVE_KUBECONFIG:-}" ]; then echo "make: MESHGATE_LIVE_KUBECONFIG is not set: nothing is tested against a live cluster"; \
	else $(DEPS) build test && SWIFT=$(SWIFT) scripts/test.sh $(SWIFT_FLAGS) --filter LiveClusterTests; fi

test-vm: toolchain ## the real wiper, prober and tracer in virtual machines under QEMU: every bus, lying discards, LVM, md, unplugged disks; VLANs, bonds; eBPF (x86-64; minutes)
	@$(DEPS) build vm
	@SWIFT_FLAGS="$(SWIFT_FLAGS)" Tests/VM/run.sh $(ARGS)

demo: toolchain ## two clusters, real agents, dirty disks, a lost VLAN and a killed coordinator, on this machine
	@$(DEPS) build demo
	$(SWIFT) build --product meshgate $(SWIFT_FLAGS)
	$(SWIFT) build --product meshgate-agent $(SWIFT_FLAGS)
	@scripts/demo.sh $(or $(ARGS),tour)

lint: toolchain ## formatting, arrows between rooms, systemd units, shell scripts
	@$(DEPS) lint
	@scripts/lint.sh

proto: toolchain ## rebuild the generated code of the agent link from agent.proto
	@$(DEPS) build proto
	@scripts/proto.sh

proto-check: toolchain ## fail when the generated code is not what agent.proto says
	@$(DEPS) build proto
	@scripts/proto.sh --check

bench: toolchain ## build for release and measure, beside nats-server, wipefs, dd and others (minutes; disks as root); Benchmarks/RESULTS.md keeps the figures
	@$(DEPS) build bench
	@Benchmarks/run.sh $(ARGS)

package: toolchain ## Debian packages and the Talos system extension, into dist/
	@$(DEPS) build package
	@scripts/package.sh

clean: ## remove what was built
	rm -rf .build .build-vm dist
