# `make` alone prints the targets. What each variable does stands beside it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# One set of flags for build, vet, lint and test: with another set the AWS and
# Kubernetes packages are compiled once more.
export GOFLAGS := $(strip $(filter-out -trimpath,$(shell go env GOFLAGS)) -trimpath)

# Libraries like to raise the go line by themselves.
GO_LINE := 1.26.0

LINT_VERSION := 2.15.0
# golangci-lint of exactly that version: ours, else one that is on the machine.
LINT = $(shell for p in .bin/golangci-lint golangci-lint "$$(go env GOPATH)/bin/golangci-lint"; do \
	"$$p" version 2>/dev/null | grep -q 'version v\?$(LINT_VERSION) ' && command -v "$$p" && break; done)

# Most that the stripped program may weigh. A careless import (calling methods by a
# name known only at run time) keeps the linker from dropping what is not used.
SIZE_LIMIT_MB := 110

# Lines about what could not be run; testreport shows them at the end.
MISSING := .bin/missing.txt

# The whole program plays dozens of failovers, and each change is tried through all that
# can go wrong, which the race detector makes several times slower: these tests run without
# it, everything below with it. test-real has it for ./providers, too.
WHOLE := . ./bot/rehearsal ./providers
BELOW = $(shell go list ./... | grep -v -e '^github.com/failoverbot/failoverbot$$' -e '/bot/rehearsal$$' -e '/providers$$') ./.ci/testreport

# The race detector needs a C compiler.
RACE := $(shell [ "$$(go env CGO_ENABLED)" = 1 ] && command -v "$$(go env CC)" >/dev/null && echo -race)

# etcd and Kubernetes' own components in one binary, of a module of their own: what
# they require never reaches go.mod. Its programs want to know their version.
KUBEBOX := .bin/kubebox
KUBE := $(shell awk '$$1 == "k8s.io/kubernetes" {print $$2; exit}' .ci/kubebox/go.mod)
KUBE_AT := k8s.io/component-base/version
KUBE_IS = -X $(KUBE_AT).gitVersion=$(KUBE) -X $(KUBE_AT).gitMajor=$(patsubst v%,%,$(word 1,$(subst ., ,$(KUBE)))) \
	-X $(KUBE_AT).gitMinor=$(word 2,$(subst ., ,$(KUBE)))

# Files of tests that take too long for make test, or need more than it installs. They
# have the build tag "real"; other tests of their packages are not run again with them.
REAL = $(shell grep -rl --include='*_test.go' '^//go:build real$$' .)

.PHONY: help
help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: test
test: tools check lint size unit ## everything that a change must pass; CI runs this

.PHONY: test-clean
test-clean: ## the README's two commands in a fresh clone, an empty home and empty caches
	@home=$$(mktemp -d); \
	trap 'chmod -R u+w "$$home"; rm -rf "$$home"' EXIT; \
	git clone --quiet . "$$home/failoverbot"; \
	proxy=$$(go env GOPROXY) sum=$$(go env GOSUMDB); \
	clean() { (cd "$$home/failoverbot" && env -i HOME="$$home" PATH="$$PATH" TERM="$${TERM:-dumb}" LANG=C.UTF-8 \
		GOPATH="$$home/go" GOCACHE="$$home/cache" GOMODCACHE="$$home/mod" GOENV=off \
		GOPROXY="$$proxy" GOSUMDB="$$sum" GOLANGCI_LINT_CACHE="$$home/lint" "$$@"); }; \
	git -C "$$home/failoverbot" log -1 --format='Fresh clone of %h: %s'; \
	began=$$SECONDS; \
	clean go run . rehearse --auto --listen 127.0.0.1:0 --out out | tail -n 3; \
	echo "go run . rehearse --auto: $$((SECONDS - began)) s from empty caches"; \
	clean ls out; \
	began=$$SECONDS; \
	clean make test; \
	echo "make test: $$((SECONDS - began)) s"

.PHONY: build
build: ## the program, stripped as for a release
	go build -ldflags '-s -w' -o failoverbot .

.PHONY: rehearse
rehearse: ## a failover by hand, on a Slack page on this machine
	go run . rehearse

.PHONY: unit
unit: tools ## the tests alone
	@[ -n "$(RACE)" ] || echo "the race detector: it needs a C compiler, and none was found" >> $(MISSING); \
	{ ok=0; \
	  go test -json $(RACE) -timeout 15m $(BELOW) || ok=1; \
	  go test -json -timeout 40m $(WHOLE) || ok=1; \
	  exit $$ok; } | go run ./.ci/testreport $(MISSING)

.PHONY: test-real
test-real: $(KUBEBOX) ## long tests: the Kubernetes actions against two real control planes
	@{ ok=0; \
	  for package in $(sort $(dir $(REAL))); do \
	    tests=$$(sed -n 's/^func \(Test[A-Za-z0-9_]*\)(t .*/\1/p' $$(grep -l '^//go:build real$$' $$package*_test.go) | paste -sd '|'); \
	    race=$(RACE); case $$package in ./|./bot/rehearsal/) race= ;; esac; \
	    FAILOVERBOT_KUBEBOX="$(CURDIR)/$(KUBEBOX)" \
	      go test -json -count=1 $$race -tags real -timeout 60m -run "^($$tests)$$" "$$package" || ok=1; \
	  done; \
	  [ -z "$(RACE)" ] || go test -json -count=1 $(RACE) -timeout 60m ./providers || ok=1; \
	  exit $$ok; } | go run ./.ci/testreport

$(KUBEBOX): $(wildcard .ci/kubebox/*.go) .ci/kubebox/go.mod .ci/kubebox/go.sum
	@mkdir -p .bin; echo "building etcd and Kubernetes $(KUBE): some minutes the first time"
	@cd .ci/kubebox && go mod tidy -diff && CGO_ENABLED=0 go build -ldflags '-s -w $(KUBE_IS)' -o "$(CURDIR)/$@" .

.PHONY: bench
bench: ## how long the parts take that people wait for
	go test -run '^$$' -bench . -benchtime 200ms -benchmem \
		$$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -n 1 dirname | sort -u)
	go run ./.ci/answers
	go run ./.ci/baseline

.PHONY: golden
golden: ## write the golden files anew; look at the difference before you commit it
	go test -count=1 ./bot/slack ./commands ./incident/review -update
	UPDATE_GOLDEN=1 go test -count=1 ./incident/runbook
	go test -count=1 ./providers -run 'TestTheActionsPage|TestTheRunbookPage' -update
	git --no-pager diff --stat -- '*testdata*' docs/ACTIONS.md docs/RUNBOOK.md

.PHONY: lint
lint: tools ## style and the rules of who may import whom
	@if [ -n "$(LINT)" ]; then echo "golangci-lint run"; "$(LINT)" run ./... ; \
	else echo "golangci-lint is missing: nothing was linted"; fi

.PHONY: fmt
fmt: tools ## format everything as the linter wants it
	@if [ -n "$(LINT)" ]; then "$(LINT)" fmt; else gofmt -w $$(git ls-files '*.go'); fi

.PHONY: check
check: ## formatting, vet, modules, the go line
	@echo "gofmt"; bad=$$(git ls-files -z '*.go' | xargs -0 gofmt -l); \
	if [ -n "$$bad" ]; then echo "not formatted (make fmt does it):"; echo "$$bad"; exit 1; fi
	@echo "the go line of go.mod"; grep -qx 'go $(GO_LINE)' go.mod && ! grep -q '^toolchain' go.mod || \
	{ echo "go.mod no longer says go $(GO_LINE) alone: a library may have raised it unseen"; exit 1; }
	go mod tidy -diff
	go mod verify
	go vet -tags real ./... ./.ci/testreport ./.ci/baseline ./.ci/answers ./.ci/answers/bare

.PHONY: size
size: build ## that the program has not grown unseen
	@mb=$$(( $$(wc -c < failoverbot) / 1000000 )); \
	echo "the stripped program weighs $$mb MB (limit $(SIZE_LIMIT_MB))"; \
	[ $$mb -le $(SIZE_LIMIT_MB) ] || { echo "see what the newest import brought: go tool nm -size -sort size"; exit 1; }

# Programs the tests drive for real; Debian's package has the program's name.
PROGRAMS := redis-server chromium

.PHONY: tools
tools: ## what the tests need, installed where that is possible
	@mkdir -p .bin; : > $(MISSING)
	@want=(); for p in $(PROGRAMS); do command -v "$$p" >/dev/null || want+=("$$p"); done; \
	[ $${#want[@]} = 0 ] || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing $${want[*]}"; \
		export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends "$${want[@]}"; } >.bin/apt.log 2>&1 || \
			{ tail -n 5 .bin/apt.log; echo "$${want[*]}: apt-get could not install what is missing" >> $(MISSING); }; \
	else \
		echo "$${want[*]}: not installed, and only root on Debian can install it from here" >> $(MISSING); \
	fi
	@if [ -z "$(LINT)" ]; then \
		echo "installing golangci-lint $(LINT_VERSION)"; \
		GOBIN="$$PWD/.bin" GOFLAGS= go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(LINT_VERSION) || \
			echo "the linter: golangci-lint $(LINT_VERSION) could not be installed" >> $(MISSING); \
	fi
