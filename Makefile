# Targets for those who work on mox. "go build ." and "go test ./..." need no make.
export CGO_ENABLED = 0

PLATFORMS = linux darwin freebsd openbsd netbsd windows
ARCHS = amd64 arm64
# The SQLite translation has no C library for this one (modernc.org/libc v1.79.0).
UNSUPPORTED = netbsd/arm64
FUZZTIME = 20s
CRASH_ROUNDS = 200

.PHONY: build test race lint interop browser fuzz bench junkbench crash buildall docs docscheck publicsuffix

build:
	go build -trimpath -o mox .

test:
	go test ./...

# The race detector needs cgo for the tests only; the binary never uses it.
race:
	CGO_ENABLED=1 go test -race -short ./...

lint:
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "gofmt these:"; echo "$$out"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...
	go test -run 'TestLayers|TestConfined|TestDependencies|TestPackageDocs|TestDocs' .
	$(MAKE) docscheck

# Reference pages that are made from the program; docscheck fails when they are not current.
docs:
	go build -o mox .
	./mox helpall >docs/commands.txt
	./mox config describe-static >docs/mox.conf
	./mox config describe-domains >docs/domains.conf
	go test ./imapserver -run TestCapabilityTable -update

docscheck: docs
	@git diff --exit-code --stat -- docs || { echo "docs/ was out of date: commit what \"make docs\" wrote"; exit 1; }

# Takes the current public suffix list into the program; commit the file.
publicsuffix:
	curl -fsSL --max-time 60 https://publicsuffix.org/list/public_suffix_list.dat -o publicsuffix/list.tmp
	go run ./publicsuffix/gen <publicsuffix/list.tmp >publicsuffix/list.new
	mv publicsuffix/list.new publicsuffix/list.flate
	rm publicsuffix/list.tmp

interop:
	interop/run.sh

browser:
	browser/run.sh

# Each fuzz target for FUZZTIME.
fuzz:
	@set -e; for pkg in $$(go list ./...); do \
		for f in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "== $$pkg $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$pkg; \
		done; done

bench:
	go test -run '^$$' -bench . -benchmem ./...

# The measurement of docs/junk.md. DIR has the directories easy-ham-1, hard-ham-1 and spam-1 of the
# SpamAssassin public corpus, a mail in each file *.txt.
junkbench:
	go test -run TestCorpus -v -count 1 -timeout 60m ./classifier -corpus $(abspath $(DIR))

# The long form of the store's crash suite: kill -9 at random points under load,
# CRASH_ROUNDS times.
crash:
	MOX_CRASH_ROUNDS=$(CRASH_ROUNDS) go test -run Crash -timeout 30m -v ./store/

buildall:
	@set -e; for os in $(PLATFORMS); do for arch in $(ARCHS); do \
		case " $(UNSUPPORTED) " in *" $$os/$$arch "*) echo "$$os/$$arch is not supported"; continue;; esac; \
		echo "$$os/$$arch"; GOOS=$$os GOARCH=$$arch go build -trimpath -o /dev/null . ; \
	done; done
