#!/bin/bash
# Drives a mox localserve with the mail clients of Debian and npm. Installs what is
# missing (as root), starts the server on other than its usual ports being free, runs
# every case below in order and ends with a line "N passed, N failed".
#
#	interop/run.sh            all cases
#	interop/run.sh mbsync     only those whose name contains the word
#	interop/run.sh reception  a mox as on the internet; with $INTEROP_LOGS, a directory,
#	                          its log and those of the other servers are kept there
#	interop/run.sh imap       mox and Dovecot compared, and more clients; the same
#	interop/run.sh web        web sites, with nginx and a browser
#	interop/run.sh e2e        from an empty machine to trusted mail; the same
#	interop/run.sh sending    mox and other servers send each other mail; the same
#	interop/run.sh metrics    Prometheus with the alert rules and the dashboard
#	interop/run.sh alerts     alert rules that real failures fire
#	interop/run.sh collector  spans, to a Collector of OpenTelemetry
#	interop/run.sh objectstore  backups and the replica in a real object store
#	interop/run.sh packages   the packages for Debian and Red Hat, installed, upgraded, removed
#	interop/run.sh container  the container image, by Podman
#	interop/run.sh arm64      the program for the other processor, by QEMU
#	interop/run.sh acme       certificates from Pebble, and from files; the same
#	interop/run.sh ban       bans in the packet filter of the kernel, by nft and ipset
#	interop/run.sh sftp       backups to the SFTP server of OpenSSH
set -u
cd "$(dirname "$0")/.."
here=$PWD/interop
only=${1:-}
work=$(mktemp -d)
data=$work/data
passed=0 failed=0 server=

cleanup() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null
		wait "$server" 2>/dev/null || true # its status is the signal's number
	fi
	rm -rf "$work"
}
trap cleanup EXIT

die() { echo "interop: $*" >&2; exit 1; }

# install PACKAGE ... installs those that are missing.
install() {
	local missing=()
	for package in "$@"; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
	done
	[ ${#missing[@]} -eq 0 ] && return
	echo "interop: installing ${missing[*]}"
	if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$work/apt.log" 2>&1; then
		tail -5 "$work/apt.log"
		die "could not install ${missing[*]}"
	fi
}

# chosen NAME tells whether the cases of NAME/main.py are to run.
chosen() { [[ -z $only || $only == "$1"* ]]; }

# isolated NAME ARGUMENT ... runs NAME/main.py in namespaces that go away with it: network, mounts
# and processes. It gets the arguments and the word of cases to run, and prints a line for each case.
isolated() {
	local name=$1 line
	shift
	while IFS= read -r line; do
		case $line in
		"ok "*) passed=$((passed + 1)) ;;
		"FAIL "*) failed=$((failed + 1)) ;;
		esac
		echo "$line"
	done < <(PYTHONPATH=$here:$here/sending timeout -k 10 480 unshare --mount --net --uts --ipc --pid --fork --kill-child --mount-proc \
		python3 "$here/$name/main.py" "$@" "$only" 2>&1 || echo "FAIL  $name: exit status $?")
}

# trial NAME ARGUMENT ... is isolated with other mail servers. prepare_NAME makes the directory $work/NAME
# ready; Exim and OpenSMTPD are unpacked there and not installed, since Debian has one mail
# server at a time.
trial() {
	local name=$1 dir=$work/$1 server
	chosen "$name" || return 0
	mkdir -p "$dir"
	for server in exim4-daemon-light opensmtpd; do
		# shellcheck disable=SC2046 # a word for each library
		install $(apt-cache depends "$server" | sed -n 's/^ *|\?Depends: \(lib[^<>]*\)$/\1/p')
		(cd "$dir" && { apt-get download -qq "$server" || { apt-get update -qq && apt-get download -qq "$server"; }; }) >"$dir/apt.log" 2>&1 || { cat "$dir/apt.log"; die "could not get $server"; }
		dpkg -x "$dir/$server"_*.deb "$dir/$server" || die "could not unpack $server"
	done
	"prepare_$name" "$dir"
	isolated "$@"
}

# wait_port PORT waits until something listens there, at most a minute.
wait_port() {
	for _ in $(seq 600); do
		(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
		sleep 0.1
	done
	return 1
}

# run NAME FUNCTION runs one case in its own directory, and shows its output when it fails.
run() {
	[[ $1 == *"$only"* ]] || return
	local dir=$work/$1 start=$SECONDS
	mkdir -p "$dir"
	# Not as a condition: there bash would ignore set -e, in the case too.
	(
		set -euo pipefail
		cd "$dir"
		"$2"
	) >"$dir/log" 2>&1
	if [ $? = 0 ]; then
		passed=$((passed + 1))
		echo "ok    $1 ($((SECONDS - start)) s)"
	else
		failed=$((failed + 1))
		echo "FAIL  $1"
		tail -40 "$dir/log" | sed 's/^/      /'
	fi
}

# status MAILBOX prints the number of messages in it.
status() { python3 "$here/imap_count.py" "$1"; }

# sent SUBJECT fails unless exactly one message in the inbox has that subject. What was
# submitted goes through the queue, so it may take a moment.
sent() {
	local n
	for _ in $(seq 600); do
		n=$(python3 "$here/imap_count.py" INBOX HEADER Subject "$1")
		[ "$n" = 0 ] || break
		sleep 0.2
	done
	[ "$n" = 1 ]
}

message() { # message SUBJECT FROM prints a small message
	printf 'From: <%s>\r\nTo: <mox@localhost>\r\nSubject: %s\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%s@interop.example>\r\n\r\nHello from %s.\r\n' "$2" "$1" "$1" "$1"
}

case_swaks_plain() {
	swaks --server 127.0.0.1 --port 1025 --from alice@remote.example --to mox@localhost --header "Subject: swaks-plain" --body "one"
	sent swaks-plain
}

case_swaks_auth() {
	for mech in PLAIN LOGIN CRAM-MD5; do
		swaks --server 127.0.0.1 --port 1587 --tls --auth "$mech" --auth-user mox@localhost --auth-password moxmoxmox \
			--from mox@localhost --to mox@localhost --header "Subject: swaks-auth-$mech"
		sent "swaks-auth-$mech"
	done
	# A wrong password and a sender that is not ours are refused with their codes.
	swaks --server 127.0.0.1 --port 1587 --tls --auth PLAIN --auth-user mox@localhost --auth-password wrongpassword --from mox@localhost --to mox@localhost && return 1
	swaks --server 127.0.0.1 --port 1587 --tls --auth PLAIN --auth-user mox@localhost --auth-password moxmoxmox --from other@remote.example --to mox@localhost | tee out || true
	grep -q '550 5.7.1' out
}

case_swaks_pipeline_tls() {
	swaks --server 127.0.0.1 --port 1465 --tls-on-connect --auth PLAIN --auth-user mox@localhost --auth-password moxmoxmox --pipeline \
		--from mox@localhost --to mox@localhost,mox+tag@localhost --header "Subject: swaks-pipeline"
	sent swaks-pipeline
	swaks --server 127.0.0.1 --port 1025 --from bob@remote.example --to permerror@localhost | tee out || true
	grep -q '550 ' out
}

case_curl() {
	message curl-upload carol@remote.example >msg
	curl -sS --url smtp://127.0.0.1:1025/client.example --mail-from carol@remote.example --mail-rcpt mox@localhost --upload-file msg
	sent curl-upload
	message curl-smtps mox@localhost >msg
	curl -sS --cacert "$data/localhost.crt" --url smtps://localhost:1465/client.example --user mox@localhost:moxmoxmox --mail-from mox@localhost --mail-rcpt mox@localhost --upload-file msg
	sent curl-smtps
	curl -sS --user mox@localhost:moxmoxmox imap://127.0.0.1:1143/ | grep -q INBOX
	curl -sS --cacert "$data/localhost.crt" --user mox@localhost:moxmoxmox "imaps://localhost:1993/INBOX" -X 'UID SEARCH SUBJECT curl-upload' | tee search
	uid=$(grep -o '[0-9]*' search | tail -1)
	curl -sS --user mox@localhost:moxmoxmox "imap://127.0.0.1:1143/INBOX;UID=$uid" | grep -q 'Hello from curl-upload.'
	message curl-append d@remote.example >msg
	curl -sS --user mox@localhost:moxmoxmox "imap://127.0.0.1:1143/INBOX" -T msg
	sent curl-append
}

case_msmtp() {
	for auth in scram-sha-256 scram-sha-1 cram-md5 plain; do
		cat >msmtprc <<-EOF
			account default
			host localhost
			port 1587
			tls on
			tls_starttls on
			tls_trust_file $data/localhost.crt
			auth $auth
			user mox@localhost
			password moxmoxmox
			from mox@localhost
		EOF
		chmod 600 msmtprc
		message "msmtp-$auth" mox@localhost | msmtp -C msmtprc mox@localhost
		sent "msmtp-$auth"
	done
}

# Two-way: 1,000 messages with flags down, local changes up; nothing moves when run again.
case_mbsync() {
	python3 "$here/fill.py" Sync 1000
	mkdir -p mail
	cat >rc <<-EOF
		IMAPAccount mox
		Host localhost
		Port 1993
		User mox@localhost
		Pass moxmoxmox
		SSLType IMAPS
		CertificateFile $data/localhost.crt

		IMAPStore remote
		Account mox

		MaildirStore local
		Path $PWD/mail/
		Inbox $PWD/mail/INBOX
		SubFolders Verbatim

		Channel sync
		Far :remote:
		Near :local:
		Patterns Sync
		Create Both
		Expunge Both
		SyncState *
	EOF
	mbsync -c rc -V sync >first 2>&1 || { tail -5 first; return 1; }
	[ "$(find mail/Sync/cur mail/Sync/new -type f | wc -l)" = 1000 ]
	[ "$(find mail/Sync -name '*:2,*F*' | wc -l)" = 100 ] # every tenth is flagged
	find mail/Sync/cur mail/Sync/new -type f -printf '%f %C@\n' | sort >before
	mbsync -c rc -V sync >second 2>&1
	find mail/Sync/cur mail/Sync/new -type f -printf '%f %C@\n' | sort >after
	cmp before after
	# Local changes: one new message, one flag, one deletion.
	message mbsync-local e@remote.example >mail/Sync/new/1.local
	f=$(find mail/Sync/new -type f ! -name 1.local ! -name '*:2,*F*' -print -quit); mv "$f" "mail/Sync/cur/$(basename "${f%:2,*}"):2,S"
	f=$(find mail/Sync -name '*:2,*F*' -print -quit); rm "$f"
	mbsync -c rc sync
	[ "$(status Sync)" = 1000 ]
	[ "$(python3 "$here/imap_count.py" Sync SEEN)" -ge 1 ]
	[ "$(python3 "$here/imap_count.py" Sync FLAGGED)" = 99 ]
	mbsync -c rc -V sync >third 2>&1
	[ "$(status Sync)" = 1000 ]
}

case_neomutt() {
	cat >rc <<-EOF
		set smtp_url="smtp://mox@localhost@localhost:1587/" smtp_pass="moxmoxmox"
		set imap_user="mox@localhost" imap_pass="moxmoxmox" folder="imaps://localhost:1993/"
		set ssl_ca_certificates_file="$data/localhost.crt" ssl_starttls=yes ssl_force_tls=yes
		set certificate_file="$PWD/certs" from="mox@localhost" copy=no header_cache="$PWD/cache"
		set smtp_authenticators="plain" imap_authenticators="login" mbox_type=Maildir move=no quit=yes delete=yes confirmappend=no sleep_time=0
	EOF
	cp "$data/localhost.crt" certs
	echo "Hello from neomutt." | HOME=$PWD neomutt -n -F rc -s neomutt-sent -- mox@localhost
	sent neomutt-sent
	# Save one message to another mailbox, through the screen interface in batch.
	curl -sS --user mox@localhost:moxmoxmox imap://127.0.0.1:1143/ -X 'CREATE Mutt' || true
	HOME=$PWD TERM=xterm timeout 60 script -qec "neomutt -n -F rc -f imaps://localhost:1993/INBOX -e 'push \"<limit>~s neomutt-sent<enter><save-message>imaps://localhost:1993/Mutt<enter><sync-mailbox><quit>\"'" /dev/null </dev/null >screen || true
	[ "$(status Mutt)" = 1 ]
}

case_fetchmail() {
	python3 "$here/fill.py" Fetch 20
	cat >rc <<-EOF
		poll localhost protocol imap port 1993 username "mox@localhost" password "moxmoxmox" folder "Fetch"
		ssl sslcertfile "$data/localhost.crt" keep fetchall mda "cat >>$PWD/got"
	EOF
	chmod 600 rc
	HOME=$PWD FETCHMAILHOME=$PWD FETCHMAIL_INCLUDE_ROOT_X509_V1=1 fetchmail -f rc --pidfile pid -v || [ $? -le 1 ]
	[ "$(grep -c '^Subject: fill' got)" = 20 ]
}

case_offlineimap() {
	python3 "$here/fill.py" Offline 50
	cat >rc <<-EOF
		[general]
		accounts = mox
		metadata = $PWD/meta
		ui = quiet
		[Account mox]
		localrepository = local
		remoterepository = remote
		[Repository local]
		type = Maildir
		localfolders = $PWD/mail
		[Repository remote]
		type = IMAP
		remotehost = localhost
		remoteport = 1993
		remoteuser = mox@localhost
		remotepass = moxmoxmox
		ssl = yes
		sslcacertfile = $data/localhost.crt
		folderfilter = lambda name: name == 'Offline'
	EOF
	PATH=/usr/bin:$PATH HOME=$PWD offlineimap -c rc -o
	[ "$(find mail/Offline/cur mail/Offline/new -type f | wc -l)" = 50 ]
	message offline-local f@remote.example >"mail/Offline/new/1.M1.local"
	PATH=/usr/bin:$PATH HOME=$PWD offlineimap -c rc -o
	[ "$(status Offline)" = 51 ]
}

case_python() { python3 "$here/clients.py" "$data/localhost.crt"; }

case_node() {
	cp "$here/package.json" "$here/package-lock.json" "$here/clients.mjs" . 2>/dev/null
	npm ci --no-audit --no-fund --silent
	NODE_EXTRA_CA_CERTS=$data/localhost.crt node clients.mjs
}

case_jmap() {
	cp "$here/package.json" "$here/package-lock.json" "$here/jmap.mjs" . 2>/dev/null
	npm ci --no-audit --no-fund --silent
	node jmap.mjs "$("$work/mox" -config "$data/mox.conf" token add -scopes all mox@localhost jam)"
}

# listeners adds to the configuration of localserve a listener for LMTP, and one behind a
# proxy, both on 127.0.0.1, and accounts for imap.sh.
listeners() {
	"$work/mox" localserve -dir "$data" -ip 127.0.0.1 -initonly >"$work/init.log" 2>&1 || { tail "$work/init.log"; die "no configuration"; }
	awk '{ print } /^Listeners:/ {
		print "\tlmtp:\n\t\tIPs:\n\t\t\t- 127.0.0.1\n\t\tLMTP:\n\t\t\tEnabled: true\n\t\t\tPort: 2424"
		print "\tproxied:\n\t\tIPs:\n\t\t\t- 127.0.0.1\n\t\tProxyProtocol:\n\t\t\t- 127.0.0.1"
		print "\t\tTLS:\n\t\t\tKeyCerts:\n\t\t\t\t-\n\t\t\t\t\tCertFile: localhost.crt\n\t\t\t\t\tKeyFile: localhost.key"
		print "\t\tSMTP:\n\t\t\tEnabled: true\n\t\t\tPort: 3025\n\t\tIMAP:\n\t\t\tEnabled: true\n\t\t\tPort: 3143\n\t\t\tNoRequireSTARTTLS: true"
		print "\t\tIMAPS:\n\t\t\tEnabled: true\n\t\t\tPort: 3993"
	}' "$data/mox.conf" >"$work/mox.conf"
	cat "$work/mox.conf" >"$data/mox.conf"
	for account in d0 d1 d2; do
		printf '\t%s:\n\t\tDomain: localhost\n\t\tDestinations:\n\t\t\t%s@localhost: nil\n' $account $account
	done >>"$data/domains.conf"
}

case_lmtp_python() {
	python3 "$here/lmtp.py" 2424
	sent python-lmtp
}

# A postfix of its own, that delivers what it gets by sendmail through LMTP.
case_lmtp_postfix() {
	local dir=$PWD
	chmod 755 "$work" "$dir"
	mkdir -p etc spool lib
	cat >etc/main.cf <<-EOF
		compatibility_level = 3.6
		queue_directory = $dir/spool
		data_directory = $dir/lib
		mail_owner = postfix
		setgid_group = postdrop
		myhostname = postfix.example
		mydestination =
		inet_interfaces = loopback-only
		inet_protocols = ipv4
		default_transport = lmtp:inet:127.0.0.1:2424
		maillog_file = $dir/log.postfix
		maillog_file_prefixes = $work
		smtputf8_enable = no
	EOF
	cp /etc/postfix/master.cf etc/master.cf 2>/dev/null || cp /usr/share/postfix/master.cf.dist etc/master.cf
	sed -i -e '/^smtp .*inet/d' -e 's/^\([a-z].*[ \t]\)y\([ \t].*[ \t]\)\(smtp\|lmtp\|bounce\|cleanup\)$/\1n\2\3/' etc/master.cf
	postconf -c etc -F '*/*/chroot=n'
	grep -q '^postlog' etc/master.cf || echo 'postlog unix-dgram n - n - 1 postlogd' >>etc/master.cf
	chown postfix lib
	postfix -c "$dir/etc" start
	message postfix-lmtp e@remote.example | sendmail -C "$dir/etc" -f e@remote.example mox@localhost mox+tag@localhost
	for _ in $(seq 600); do
		grep -c 'relay=127.0.0.1.*status=sent' log.postfix | grep -q '^2$' && break
		sleep 0.1
	done
	postfix -c "$dir/etc" stop
	cat log.postfix
	grep -q 'relay=127.0.0.1\[127.0.0.1\]:2424.*dsn=2.0.0, status=sent' log.postfix
	sent postfix-lmtp
}

# SMTP and IMAP through haproxy, with both versions of the PROXY protocol.
case_haproxy() {
	cat >cfg <<-EOF
		defaults
			mode tcp
			timeout connect 5s
			timeout client 1m
			timeout server 1m
	EOF
	local version
	for version in "1 send-proxy" "2 send-proxy-v2" "3 send-proxy-v2 proxy-v2-options crc32c,unique-id"; do
		for port in 025 143 993; do
			printf 'listen l%s_%s\n\tbind 127.0.0.1:4%s%s\n' "${version%% *}" "$port" "${version%% *}" "$port"
			[[ $version == 3* ]] && printf '\tunique-id-format %%{+X}o\\ %%ci:%%cp\n'
			printf '\tserver mox 127.0.0.1:3%s %s\n' "$port" "${version#* }"
		done
	done >>cfg
	haproxy -f cfg -D -p pid
	trap 'kill $(cat pid)' RETURN
	for v in 1 2 3; do
		wait_port "4${v}025"
		swaks --server 127.0.0.1 --port "4${v}025" --tls --from alice@remote.example --to mox@localhost --header "Subject: haproxy-$v" >out
		sent "haproxy-$v"
		curl -sS --user mox@localhost:moxmoxmox "imap://127.0.0.1:4${v}143/" | grep -q INBOX
		curl -sS --cacert "$data/localhost.crt" --user mox@localhost:moxmoxmox "imaps://localhost:4${v}993/" | grep -q INBOX
	done
	# Without the header there is nothing.
	! swaks --server 127.0.0.1 --port 3025 --from alice@remote.example --to mox@localhost
}

# The tests of the packages that talk to other implementations; they skip without this variable.
case_dkim() { (cd "$here/.." && MOX_INTEROP=$here go test -count=1 -timeout 20m -run 'TestInterop' ./dkim ./arc); }

# libnet-ssleay-perl gives swaks TLS, libsasl2-modules gives neomutt PLAIN.
if command -v dpkg-query >/dev/null && [ "$(id -u)" = 0 ]; then
	install swaks libnet-ssleay-perl curl msmtp isync neomutt libsasl2-modules fetchmail offlineimap3 bsdutils haproxy postfix \
		python3-dkim python3-nacl python3-authres opendkim opendkim-tools libmail-dkim-perl
	for pair in python3=python3 node=nodejs npm=npm; do
		command -v "${pair%%=*}" >/dev/null || install "${pair#*=}"
	done
fi
CGO_ENABLED=0 go build -o "$work/mox" . || die "build failed"
listeners
"$work/mox" -loglevel info localserve -dir "$data" -ip 127.0.0.1 >"$work/server.log" 2>&1 &
server=$!
if ! wait_port 1025 || ! wait_port 1143; then
	tail "$work/server.log"
	die "server did not start"
fi

run swaks-plain case_swaks_plain
run swaks-auth case_swaks_auth
run swaks-pipeline-tls case_swaks_pipeline_tls
run curl case_curl
run msmtp case_msmtp
run mbsync case_mbsync
run neomutt case_neomutt
run fetchmail case_fetchmail
run offlineimap case_offlineimap
run python case_python
run lmtp-python case_lmtp_python
run lmtp-postfix case_lmtp_postfix
run haproxy case_haproxy
run node case_node
run jmap case_jmap
run dkim case_dkim
. "$here/service.sh"
. "$here/metrics.sh"
. "$here/sftp.sh"
. "$here/collector.sh"
. "$here/objectstore.sh"
. "$here/ban.sh"
run ban case_ban
. "$here/quickstart.sh"
run quickstart case_quickstart
. "$here/web.sh"
. "$here/discovery.sh"
. "$here/imap.sh"
. "$here/reception.sh"
. "$here/sending.sh"
. "$here/e2e.sh"
. "$here/acme.sh"
. "$here/packages.sh"
. "$here/container.sh"
. "$here/arm64.sh"

if grep -E 'panic|m="unhandled' "$work/server.log"; then
	echo "FAIL  the server logged a panic"
	failed=$((failed + 1))
fi
"$work/mox" -config "$data/mox.conf" stop || { echo "FAIL  stop"; failed=$((failed + 1)); }
wait "$server" || { echo "FAIL  server exit status $?"; failed=$((failed + 1)); }
server=
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
