#!/bin/bash
# Makes a release: binaries, packages, checksums and bills of materials, in dist/release or $RELEASE_DIR.
#
#	packaging/release.sh VERSION [PLATFORM ...]      such as v1.2.3 linux/amd64
#
# Without platforms, all that are supported. The same commit and Go release give the same files on any
# machine; "packaging/release.sh -check" shows that for this one, by building a clone elsewhere. With
# RELEASE_KEY naming a private key of "mox updates genkey", SHA256SUMS is signed, and the release is added
# to the feed in dist/feed, or in the directory FEED, with what CHANGELOG.md has below "## VERSION".
# packaging/feed.conf says where programs look for updates. docs/releases.md has the whole.
# MAINTAINER, as "name <address>", is who packages say they are from. With RELEASE_URL, where the files will be
# published, there are mox.rb for Homebrew, and package.nix and module.nix for Nix and NixOS.
#
#	packaging/release.sh -image VERSION NAME         such as v1.2.3 registry.example.org/mox
#
# makes the container image for all platforms of IMAGE_PLATFORMS (default linux/amd64,linux/arm64) by
# Podman, under the tags of that version. With IMAGE_PUSH=1 they are pushed; IMAGE_FLAGS are
# further flags for "podman build".
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/feed.conf
export CGO_ENABLED=0 GOFLAGS=-trimpath LC_ALL=C TZ=UTC
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
MAINTAINER=${MAINTAINER:-mox authors <postmaster@localhost>} # of packages

build() { # dir platform output: without what differs between checkouts
	(cd "$1" && GOOS=${2%/*} GOARCH=${2#*/} go build -buildvcs=false -ldflags "-s -w -X main.release=$VERSION -X main.updatesDomain=$UPDATES_DOMAIN -X main.updatesURL=$UPDATES_URL -X 'main.updatesKeys=$UPDATES_KEYS'" -o "$3" .)
}

check() {
	tmp=""
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	VERSION=v0.0.0-check
	git clone -q . "$tmp/elsewhere/mox"
	git clone -q . "$tmp/mox"
	build "$tmp/mox" "$(go env GOOS)/$(go env GOARCH)" "$tmp/a"
	GOCACHE=$tmp/cache build "$tmp/elsewhere/mox" "$(go env GOOS)/$(go env GOARCH)" "$tmp/b"
	cmp "$tmp/a" "$tmp/b"
	echo "reproducible: $(sha256sum <"$tmp/a" | cut -c1-64)"
}

# notes prints what is new in the release.
notes() {
	awk -v v="## $VERSION" '$0 == v || index($0, v " ") == 1 { on = 1; next } /^## / { on = 0 } on' CHANGELOG.md | sed '/./,$!d'
}

# checkkey fails early where the release could not be signed, or nobody would believe it.
checkkey() { # here
	local key
	key=$("$1" updates pubkey <"$RELEASE_KEY")
	if [ -z "$(notes)" ]; then
		echo "CHANGELOG.md has no text below \"## $VERSION\"" >&2
		exit 1
	fi
	if [[ -n $UPDATES_KEYS && " $UPDATES_KEYS " != *" $key "* ]]; then
		echo "programs of this release would not trust its key: UPDATES_KEYS in packaging/feed.conf lacks $key" >&2
		exit 1
	fi
}

# sign signs the checksums, and adds the release to the feed.
sign() { # here programs-dir out platform ...
	local here=$1 dir=$2 out=$3 feed=${FEED:-$PWD/dist/feed} platform name programs=()
	shift 3
	"$here" updates sign -key "$RELEASE_KEY" "$out/SHA256SUMS"
	mkdir -p "$feed/$VERSION"
	for platform in "$@"; do
		name=mox-${platform/\//-}$([[ $platform == windows/* ]] && echo .exe || true)
		cp "$dir/mox-$VERSION-${platform/\//-}/mox"* "$feed/$VERSION/$name"
		programs+=("$platform=$feed/$VERSION/$name")
	done
	notes | "$here" updates addsigned -key "$RELEASE_KEY" -changelog "$feed/changelog.json" -version "$VERSION" -date "$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)" "${programs[@]}"
}

# extras makes what packages have besides the program, with one that runs here.
extras() {
	local dir=$1
	mkdir -p "$dir/completions"
	build . "$(go env GOOS)/$(go env GOARCH)" "$dir/here"
	"$dir/here" manpages "$dir/man"
	gzip -n9 "$dir"/man/man?/*
	printf 'mox (%s) stable; urgency=medium\n\n  * What is new is in CHANGELOG.md.\n\n -- %s  %s\n' "${VERSION#v}" "$MAINTAINER" "$(date -R -u -d "@$SOURCE_DATE_EPOCH")" | gzip -n9 >"$dir/changelog.gz"
	"$dir/here" completion bash >"$dir/completions/mox.bash"
	"$dir/here" completion zsh >"$dir/completions/_mox"
	"$dir/here" completion fish >"$dir/completions/mox.fish"
	local kind
	for kind in systemd:mox.service openrc:mox.openrc; do
		"$dir/here" -config /var/lib/mox/config/mox.conf config printservice -dir /var/lib/mox -program /usr/bin/mox -kind "${kind%:*}" >"$dir/${kind#*:}"
	done
}

# recipes makes what other package managers need, for those of the platforms that they have.
recipes() { # here out platform ...
	local here=$1 out=$2 platform file sum system os cpu homebrew="" nix=""
	shift 2
	for platform in "$@"; do
		file=mox-$VERSION-${platform/\//-}.tar.gz
		sum=$(sha256sum <"$out/$file" | cut -c1-64)
		case $platform in
		darwin/amd64) system="x86_64-darwin macos intel" ;;
		darwin/arm64) system="aarch64-darwin macos arm" ;;
		linux/amd64) system="x86_64-linux linux intel" ;;
		linux/arm64) system="aarch64-linux linux arm" ;;
		*) continue ;;
		esac
		read -r system os cpu <<<"$system"
		nix+="    $system = { url = \"$RELEASE_URL/$file\"; sha256 = \"$sum\"; };"$'\n'
		homebrew+="  on_$os do"$'\n'"    on_$cpu do"$'\n'"      url \"$RELEASE_URL/$file\""$'\n'"      sha256 \"$sum\""$'\n'"    end"$'\n'"  end"$'\n'
	done
	cat >"$out/mox.rb" <<-END
		class Mox < Formula
		  desc "Complete mail server in one binary"
		  homepage "$RELEASE_URL"
		  version "${VERSION#v}"
		  license "MIT"
		$homebrew
		  def install
		    bin.install "mox"
		    system bin/"mox", "manpages", buildpath/"man"
		    man1.install Dir[buildpath/"man/man1/*"]
		    man5.install Dir[buildpath/"man/man5/*"]
		    generate_completions_from_executable(bin/"mox", "completion")
		  end

		  service do
		    run [opt_bin/"mox", "localserve", "-dir", var/"mox-localserve"]
		    keep_alive true
		  end

		  test do
		    assert_match version.to_s, shell_output("#{bin}/mox version")
		  end
		end
	END
	cat >"$out/package.nix" <<-END
		# mox $VERSION as it was released: pkgs.callPackage ./package.nix { }
		{ lib, stdenvNoCC, fetchurl, installShellFiles }:
		let
		  sources = {
		$nix  };
		  system = stdenvNoCC.hostPlatform.system;
		in
		stdenvNoCC.mkDerivation {
		  pname = "mox";
		  version = "${VERSION#v}";
		  src = fetchurl (sources.\${system} or (throw "there is no release of mox for \${system}"));
		  nativeBuildInputs = [ installShellFiles ];
		  installPhase = ''
		    install -Dm755 mox \$out/bin/mox
		    \$out/bin/mox manpages man
		    installManPage man/man?/*
		    for shell in bash zsh fish; do
		      \$out/bin/mox completion \$shell >mox.\$shell
		    done
		    installShellCompletion mox.bash mox.zsh mox.fish
		  '';
		  meta = {
		    description = "Complete mail server in one binary";
		    license = lib.licenses.mit;
		    mainProgram = "mox";
		    platforms = builtins.attrNames sources;
		  };
		}
	END
	"$here" -config /var/lib/mox/config/mox.conf config printservice -dir /var/lib/mox -kind nixos >"$out/module.nix"
}

release() {
	local out=${RELEASE_DIR:-$PWD/dist/release} platform name
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	rm -rf "$out"
	mkdir -p "$out"
	extras "$tmp"
	[ -z "${RELEASE_KEY:-}" ] || checkkey "$tmp/here"
	for platform in "$@"; do
		name=mox-$VERSION-${platform/\//-}
		echo "$platform"
		mkdir "$tmp/$name"
		build . "$platform" "$tmp/$name/mox$([[ $platform == windows/* ]] && echo .exe || true)"
		(cd packaging && go run ./sbom "$VERSION" "$tmp/$name"/mox*) >"$out/$name.cdx.json"
		cp README.md CHANGELOG.md LICENSE "$tmp/$name"
		tar -C "$tmp" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf - "$name" | gzip -n >"$out/$name.tar.gz"
		[[ $platform != linux/* ]] || packages "$tmp" "$tmp/$name" "${platform#*/}" "$out"
	done
	[ -z "${RELEASE_URL:-}" ] || recipes "$tmp/here" "$out" "$@"
	(cd "$out" && sha256sum -- * >SHA256SUMS)
	if [ -n "${RELEASE_KEY:-}" ]; then
		sign "$tmp/here" "$tmp" "$out" "$@"
	fi
	ls -l "$out"
}

# tags prints the tags of a version: v1.2.3 is 1.2.3, 1.2, 1 and latest; one with a suffix only itself.
tags() {
	local v=${1#v}
	echo "$v"
	if [[ $v =~ ^([0-9]+)\.([0-9]+)\.[0-9]+$ ]]; then
		printf '%s\n' "${BASH_REMATCH[1]}.${BASH_REMATCH[2]}" "${BASH_REMATCH[1]}" latest
	fi
}

image() { # version name
	local tag list="mox-release-$$"
	# shellcheck disable=SC2086 # words
	podman build -q --platform "${IMAGE_PLATFORMS:-linux/amd64,linux/arm64}" --manifest "$list" --timestamp "$SOURCE_DATE_EPOCH" --format docker \
		--build-arg VERSION="$1" --build-arg REVISION="$(git rev-parse HEAD)" --build-arg CREATED="$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)" \
		${IMAGE_FLAGS:-} -f packaging/Dockerfile .
	for tag in $(tags "$1"); do
		podman tag "$list" "$2:$tag"
		[ -z "${IMAGE_PUSH:-}" ] || podman manifest push --all "$list" "docker://$2:$tag"
		echo "$2:$tag"
	done
	podman untag "$list"
}

packages() { # extras program-dir arch out
	local maintainer
	maintainer=$(sed 's/[\\&|]/\\&/g' <<<"$MAINTAINER")
	cp "$2/mox" "$1/mox"
	sed "s|\${BUILD}|$1|; s|\${ARCH}|$3|; s|\${VERSION}|$VERSION|; s|\${MAINTAINER}|$maintainer|; s|\${DATE}|$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)|" packaging/nfpm.yaml >"$1/nfpm.yaml"
	# Their times are those of the files.
	find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	local kind
	for kind in deb rpm apk; do
		(cd packaging && go tool nfpm package -f "$1/nfpm.yaml" -p $kind -t "$4/") >"$1/nfpm.log" || { cat "$1/nfpm.log"; exit 1; }
	done
}

case "${1:-}" in
-check) check ;;
-image) image "$2" "$3" ;;
v*)
	VERSION=$1
	shift
	if [ $# = 0 ]; then
		set -- linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 freebsd/amd64 freebsd/arm64 openbsd/amd64 openbsd/arm64 netbsd/amd64 windows/amd64 windows/arm64
	fi
	release "$@"
	;;
*)
	sed -n '2,19s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
