# shellcheck shell=bash disable=SC2154 # variables of run.sh
# The packages for Debian and Red Hat installed, upgraded and removed in a throw-away copy of this
# system, and what Debian's lintian says. Sourced by run.sh.

case_packages() {
	install lintian rpm systemd curl cpio ruby nix-bin
	local v
	for v in v1.2.3 v1.2.4; do
		MAINTAINER="mox authors <mox@example.org>" RELEASE_URL=https://releases.example.org/mox RELEASE_DIR=$PWD/$v "$here/../packaging/release.sh" "$v" "linux/$(go env GOARCH)"
	done
	lintian --fail-on error,warning,info v1.2.3/*.deb 2>&1 | tee lintian
	! grep -E '^[EWI]:' lintian || return 1
	(cd v1.2.3 && sha256sum -c --quiet SHA256SUMS)
	packages_apk
	packages_recipes v1.2.3
	timeout -k 5 300 unshare --net --mount --uts --pid --fork --kill-child --mount-proc bash "$here/packages_inside.sh" deb v1.2.3/*.deb v1.2.4/*.deb
	timeout -k 5 300 unshare --net --mount --uts --pid --fork --kill-child --mount-proc bash "$here/packages_inside.sh" rpm v1.2.3/*.rpm v1.2.4/*.rpm
}

# packages_apk looks into the package for Alpine, as there is no apk here to install it: it is a
# signature-less pair of archives one after the other, of which the first has the hash of the second.
packages_apk() {
	python3 - v1.2.3/*.apk <<-'EOF'
		import gzip, hashlib, io, re, sys, tarfile, zlib
		data = open(sys.argv[1], "rb").read()
		parts = []
		while data:
		    d = zlib.decompressobj(31)
		    text = d.decompress(data)
		    parts.append((data[: len(data) - len(d.unused_data)], text))
		    data = d.unused_data
		assert len(parts) == 2, len(parts)
		control = tarfile.open(fileobj=io.BytesIO(parts[0][1] + bytes(1024)))
		info = control.extractfile(".PKGINFO").read().decode()
		assert re.search(r"(?m)^pkgver = 1\.2\.3$", info), info
		assert f"datahash = {hashlib.sha256(parts[1][0]).hexdigest()}\n" in info, info
		assert {".pre-install", ".post-install", ".pre-deinstall", ".post-deinstall", ".post-upgrade"} <= set(control.getnames()), control.getnames()
		files = {m.name: m for m in tarfile.open(fileobj=io.BytesIO(parts[1][1]))}
		assert files["usr/bin/mox"].mode & 0o777 == 0o755 and files["etc/init.d/mox"].mode & 0o777 == 0o755
		assert not any(n.startswith("usr/lib/systemd") for n in files)
	EOF
}

# packages_recipes installs by the formula for Homebrew, and evaluates those for Nix, with as much of either
# as is here.
packages_recipes() {
	mkdir homebrew
	ruby "$here/recipes.rb" "$1" homebrew
	nix-instantiate --eval --strict --json --arg dir "$PWD/$1" "$here/recipes.nix" >nix.json
	python3 - "$1" <<-'EOF'
		import json, sys
		n = json.load(open("nix.json"))
		assert n["version"] == "1.2.3" and n["meta"]["mainProgram"] == "mox", n
		assert n["x86"].startswith("https://releases.example.org/mox/mox-v1.2.3-linux-"), n["x86"]
		assert n["missing"] is False, "a system without a release has one"
		assert n["options"] == ["enable", "openFirewall", "package"], n["options"]
		unit = n["config"]["systemd"]["services"]["mox"]
		assert unit["serviceConfig"]["ExecStart"] == "/package/bin/mox -config /var/lib/mox/config/mox.conf serve", unit
		assert unit["serviceConfig"]["ExecReload"] == "/coreutils/bin/kill -HUP $MAINPID", unit
		assert len(unit["serviceConfig"]["SystemCallFilter"]) == 2 and unit["wantedBy"] == ["multi-user.target"], unit
		assert 25 in n["config"]["networking"]["firewall"]["allowedTCPPorts"], n
	EOF
}

if [ "$(id -u)" = 0 ]; then
	run packages case_packages
fi
