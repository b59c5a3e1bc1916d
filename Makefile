# Windtunnel's everyday targets; `make help` lists them. Presets (CMakePresets.json) do the rest.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
# The scenario of scenarios/gallery/ that `make demo` runs.
DEMO ?= chat-on-l4
# `make bench BENCH=day_10m` runs the benchmarks of that name only.
BENCH ?=
# Where `make accuracy` finds what was measured.
DATA ?= ../shared/data
# The preset of the sanitized tree: fuzz (clang, with libFuzzer) where that clang is, else asan (g++, without).
SANITIZED ?= $(shell command -v clang++-19 >/dev/null && echo fuzz || echo asan)

RELEASE := build/release
# cmake's chatter goes to a log; what it complains about is shown.
configure = mkdir -p build && cmake --preset $(1) $(2) --log-level=NOTICE >build/configure-$(1).log || { cat build/configure-$(1).log; exit 1; }

.DEFAULT_GOAL := build
.NOTPARALLEL:
.PHONY: help demo test test-all bench accuracy build build-tests setup setup-build tidy format clean

help:           ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{ printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: build     ## build the program and run the shipped scenario DEMO
	@mkdir -p build/demo
	$(RELEASE)/windtunnel run scenarios/gallery/$(DEMO)/scenario.yaml --out build/demo/results.json --requests build/demo/requests.csv
	@$(RELEASE)/windtunnel report scenarios/gallery/$(DEMO)/scenario.yaml -q --out build/demo/report.html >/dev/null && \
		echo "The report, for a browser: $(CURDIR)/build/demo/report.html" || true
	@echo "The same numbers for programs: build/demo/results.json; one row per request: build/demo/requests.csv"

build: setup-build  ## build the program: build/release/windtunnel
	@$(call configure,release)
	cmake --build $(RELEASE) -j $(JOBS) --target windtunnel

test: build-tests   ## build everything and run the tests, under sanitizers too
	ctest --test-dir $(RELEASE) -LE long -j $(JOBS) --output-on-failure --no-tests=error

test-all: build-tests  ## the long tests as well: more random workloads, longer fuzzing, a bare Debian
	@tools/setup.sh --if-possible test-all
	WINDTUNNEL_LONG=1 WINDTUNNEL_FUZZ_SECONDS=600 ctest --test-dir $(RELEASE) -j $(JOBS) --output-on-failure --no-tests=error

bench: setup-build  ## measure the engine; one JSON object per line; BENCH=NAME for one
	@$(call configure,release)
	@cmake --build $(RELEASE) -j $(JOBS) --target windtunnel_bench >&2
	@$(RELEASE)/windtunnel_bench $(if $(BENCH),--filter $(BENCH))

accuracy: setup-build  ## predict every measured run in DATA: build/accuracy/accuracy.html and the tables of docs/accuracy.md
	@$(call configure,release)
	@cmake --build $(RELEASE) -j $(JOBS) --target windtunnel_accuracy >&2
	@$(RELEASE)/windtunnel_accuracy --data $(DATA) --html build/accuracy/accuracy.html --markdown docs/accuracy.md

setup:          ## install the Debian packages that are missing (packages.txt)
	@tools/setup.sh build
	@command -v npm >/dev/null || tools/setup.sh --if-possible page
	@tools/setup.sh --if-possible test
	@tools/setup.sh --if-possible mpi

tidy:           ## clang-tidy over the sources
	@tools/setup.sh build develop
	@$(call configure,dev)
	git ls-files '*.cpp' | xargs -P $(JOBS) -n 4 clang-tidy-19 -p build/dev --quiet

format:         ## clang-format over the sources
	@tools/setup.sh develop
	git ls-files '*.cpp' '*.hpp' '*.cu' | xargs clang-format -i

clean:          ## remove build/
	rm -rf build

setup-build:
	@tools/setup.sh build
	@command -v npm >/dev/null || tools/setup.sh --if-possible page

build-tests: setup
	@$(call configure,release,-DWINDTUNNEL_SANITIZED_TREE=$(CURDIR)/build/$(SANITIZED))
	cmake --build $(RELEASE) -j $(JOBS)
	@$(call configure,$(SANITIZED))
	cmake --build build/$(SANITIZED) -j $(JOBS)
