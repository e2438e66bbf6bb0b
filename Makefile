# Targets for those who work on mox. "go build ." and "go test ./..." need no make.
export CGO_ENABLED = 0

PLATFORMS = linux darwin freebsd openbsd netbsd windows
ARCHS = amd64 arm64
# The SQLite translation has no C library for this one (modernc.org/libc v1.79.0).
UNSUPPORTED = netbsd/arm64
FUZZTIME = 20s
CRASH_ROUNDS = 200

.PHONY: $(shell sed -n 's/^\([a-z][a-z0-9]*\):.*/\1/p' Makefile)

build:
	go build -trimpath -o mox .

test:
	go test ./...

# Tests, and which part of the statements of each package they run: dist/coverage.out, compared with
# packaging/coverage/floors.txt, which UPDATE=-update writes anew.
UPDATE =
coverage:
	mkdir -p dist
	packaging/test.sh -coverpkg=./... -coverprofile=dist/coverage.all ./...
	cd packaging && go run ./coverage $(UPDATE) ../dist/coverage.all ../dist/coverage.out

# Whether .ci/go-releases has the two newest releases of Go; UPDATE=-update writes them there.
goreleases:
	cd packaging && go run ./goreleases $(UPDATE)

# The race detector needs cgo for the tests only; the binary never uses it.
race:
	CGO_ENABLED=1 go test -race -short ./...

lint:
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "gofmt these:"; echo "$$out"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...
	go test -run 'TestLayers|TestConfined|TestDependencies|TestPackageDocs|TestDocs' .
	$(MAKE) docscheck
	$(MAKE) apidiff

# Incompatible changes, since the last release, of the packages that programs of others may build on. Those that are
# meant are listed in packaging/apidiff/accepted.txt.
apidiff:
	cd packaging && go vet ./... && go test ./... && go run ./apidiff

# Reference pages that are made from the program; docscheck fails when they are not current.
docs:
	go build -o mox .
	./mox helpall >docs/commands.txt
	./mox config describe-static >docs/mox.conf
	./mox config describe-domains >docs/domains.conf
	go test ./imapserver -run TestCapabilityTable -update
	go test ./rfc -run TestPage -update

docscheck: docs
	@git diff --exit-code --stat -- docs || { echo "docs/ was out of date: commit what \"make docs\" wrote"; exit 1; }

# The documentation site, in dist/site, and manual pages, in dist/man.
site: build
	cd website && go run . -mox ../mox

# Builds the site and compares it with the program.
sitecheck:
	cd website && go vet . && go test .

manpages: build
	./mox manpages dist/man

# Pages with the code beside the RFC text that it cites, in dist/rfc. TEXTS is a directory of rfcNNNN.txt.
rfcxr:
	go run ./rfc/xr -texts $(TEXTS) -o dist/rfc

# The pages for the browser: webaccount/dist, webadmin/dist, webmail/dist and the licenses of what is in them. Needs node and npm;
# commit the files. frontend/README.md has more.
frontend:
	cd frontend && npm ci --no-audit --no-fund --silent && npm run --silent check && npm run --silent test && npm run --silent build

# Fails if the committed pages are not what their sources give.
frontendcheck: frontend
	@out=$$(git status --porcelain -- webaccount/dist webadmin/dist webmail/dist licenses/frontend.txt); \
	if [ -n "$$out" ]; then echo "$$out"; echo "the pages were out of date: commit what \"make frontend\" wrote"; exit 1; fi

# Collects the licenses of all modules; commit the files. A test tells when it is needed.
licenses:
	go run ./licenses/gen

# Takes the current public suffix list into the program; commit the file.
publicsuffix:
	curl -fsSL --max-time 60 https://publicsuffix.org/list/public_suffix_list.dat -o publicsuffix/list.tmp
	go run ./publicsuffix/gen <publicsuffix/list.tmp >publicsuffix/list.new
	mv publicsuffix/list.new publicsuffix/list.flate
	rm publicsuffix/list.tmp

interop:
	interop/run.sh

# From an empty machine to trusted mail: quickstart, DNS, certificates, mail in and out.
e2e:
	interop/run.sh e2e

browser:
	browser/run.sh

# Each fuzz target for FUZZTIME.
fuzz:
	@set -e; for pkg in $$(go list ./...); do \
		for f in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "== $$pkg $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$pkg; \
		done; done

# FUZZCOUNT of the targets, others for each commit, for FUZZTIME each.
FUZZCOUNT = 12
fuzzsome:
	@git grep -o '^func Fuzz[A-Za-z0-9_]*' -- '*_test.go' ':!packaging' ':!website' | sed 's|^\(.*\)/[^/]*:func |./\1 |' | \
	while read -r pkg f; do echo "$$(echo "$$(git rev-parse HEAD) $$pkg $$f" | sha256sum | cut -c1-16) $$pkg $$f"; done | sort | head -n $(FUZZCOUNT) | \
	while read -r _ pkg f; do \
		echo "== $$pkg $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$pkg || exit 1; \
	done

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

# Upgrades: to programs that fail at each stage, and of an account of UPGRADE_MESSAGES messages that
# the first version of the schema wrote, in 512 MB of memory, killed again and again.
UPGRADE_MESSAGES = 100000
upgrade:
	MOX_UPGRADE_MESSAGES=$(UPGRADE_MESSAGES) go test -count 1 -run '^TestUpgrade' -timeout 20m -v .
	go test -count 1 -run Upgrade ./sampledata ./store ./queue ./junk ./reportdb ./mtastsdb ./tracelog

buildall:
	@set -e; for os in $(PLATFORMS); do for arch in $(ARCHS); do \
		case " $(UNSUPPORTED) " in *" $$os/$$arch "*) echo "$$os/$$arch is not supported"; continue;; esac; \
		echo "$$os/$$arch"; GOOS=$$os GOARCH=$$arch go build -trimpath -o /dev/null . ; \
	done; done
