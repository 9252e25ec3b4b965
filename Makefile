# Recado. `make help` lists what there is. Only Go is needed to build, run and try it; the tests use a few Debian packages more.

GO       ?= go
BIN      := bin/recado
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X main.version=$(VERSION)
TOOL     := $(GO) tool -modfile=tools.mod
PKGS     ?= ./...
FUZZTIME ?= 20s
SOURCES  := acs cmd cwmp docs store webhook
OUT      := .artifacts

.DEFAULT_GOAL := all

.PHONY: all
all: build vet quick ## build, vet and test (the default)

.PHONY: build
build: ## build the binary into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/recado

.PHONY: demo
demo: ## see the whole job on this machine: a reboot and a parameter update, with their webhooks
	$(GO) run ./cmd/recado demo

.PHONY: run
run: ## run a server on loopback for development, its store in ./data
	$(GO) run ./cmd/recado serve --dev

.PHONY: test
test: deps lint race ## all that CI runs: lint, then every test with the race detector (seeds of the fuzz targets too)

.PHONY: quick
quick: ## the tests, without the race detector
	$(GO) test $(PKGS)

# The tests say what they skip and why. In CI nothing may be skipped: each skip is looked for in what they print.
.PHONY: race
race: ## the tests with the race detector, in random order
	@mkdir -p $(OUT)
	@status=0; $(GO) test -race -shuffle=on -parallel 8 -timeout 20m -v $(PKGS) >$(OUT)/test.log 2>&1 || status=$$?; \
	grep -E '^(ok|FAIL|panic:|---? FAIL|\?|-test.shuffle)|no test files|WARNING: DATA RACE' $(OUT)/test.log | grep -v 'no test files' || true; \
	if [ $$status -ne 0 ]; then echo; echo "== what failed (whole log: $(OUT)/test.log)"; \
		grep -nE -B2 -A30 -- '--- FAIL|^panic:|DATA RACE|^# |build failed|cannot|undefined' $(OUT)/test.log | tail -400; exit $$status; fi; \
	skipped=$$(grep -cE -- '--- SKIP' $(OUT)/test.log || true); \
	if [ "$$skipped" -ne 0 ]; then echo; echo "== $$skipped skipped:"; grep -E -A3 -- '--- SKIP' $(OUT)/test.log; \
		if [ -n "$(CI)" ]; then echo "== in CI nothing may be skipped"; exit 1; fi; fi

.PHONY: lint
lint: vet ## go vet, gofumpt and staticcheck, at the versions of tools.mod
	@unformatted=$$($(TOOL) gofumpt -l $(SOURCES)); if [ -n "$$unformatted" ]; then \
		echo "gofumpt would change:"; echo "$$unformatted"; echo "to do it: make fmt"; exit 1; fi
	$(TOOL) staticcheck $(PKGS)

.PHONY: vet
vet: ## go vet
	$(GO) vet $(PKGS)

.PHONY: fmt
fmt: ## format all sources
	$(TOOL) gofumpt -w $(SOURCES)

.PHONY: lint-all
lint-all: ## golangci-lint with .golangci.yml (its first build takes minutes)
	$(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME (20s)
	@set -e; for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' $(SOURCES) | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | sed 's/^func //'); do \
			echo "== $$dir $$target"; $(GO) test ./$$dir -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME); done; done

.PHONY: bench
bench: ## all benchmarks, each beside the limit measured in the same run
	@$(GO) test -run '^$$' -bench . -benchtime 1s -timeout 30m $$($(GO) list $(PKGS) | grep -v /cmd/) 2>&1 | grep -E '^(Benchmark|pkg:|---|FAIL|panic)|_test.go'
	@$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 30m ./cmd/internal/app 2>&1 | grep -E '^(Benchmark|pkg:|---|FAIL|panic)|_test.go'

.PHONY: cover
cover: ## test coverage by package; the profile goes to .artifacts/cover.out
	@mkdir -p $(OUT)
	$(GO) test -coverprofile $(OUT)/cover.out -coverpkg ./... $(PKGS)
	$(GO) tool cover -func $(OUT)/cover.out | tail -1

.PHONY: e2e
e2e: ## the end-to-end stories and the crash test only
	$(GO) test -race -count=1 -v ./cmd/...

.PHONY: verify
verify: ## modules as go.sum has them, files formatted, and nothing left uncommitted by a build
	$(GO) mod verify
	$(MAKE) lint
	git diff --exit-code

# What the tests use besides Go. They work without, and say what they skip; in CI it has to be there.
DEBIAN := xmllint:libxml2-utils php:php-cli python3:python3 gcc:gcc node:nodejs javac:default-jdk-headless mcs:mono-mcs

.PHONY: deps
deps: ## install the Debian packages that tests use (as root, with apt-get); else tell what will be skipped
	@missing=; for d in $(DEBIAN); do command -v "$${d%%:*}" >/dev/null || missing="$$missing $${d#*:}"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing$$missing"; \
		{ apt-get install -y -q --no-install-recommends $$missing || { apt-get update -q && apt-get install -y -q --no-install-recommends $$missing; }; } >/dev/null 2>&1 \
			&& exit 0; echo "apt-get could not install$$missing"; fi; \
	if [ -n "$(CI)" ]; then echo "missing:$$missing; CI needs it"; exit 1; fi; \
	echo "NOT INSTALLED:$$missing; tests that need it are skipped (install it, or run make test as root)"

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist $(OUT)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
