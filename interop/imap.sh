# shellcheck shell=bash disable=SC2154 # variables of run.sh
# IMAP: the same commands to mox and to Dovecot, Thunderbird and other clients, and many
# clients at the same time. Sourced by run.sh.
#
#	interop/run.sh imap              all of it
#	interop/run.sh imap-dovecot      only the comparison; $IMAP_SEED and $IMAP_COUNT change
#	                                 its sequences, $IMAP_ONLY is the name of one of them
#	interop/run.sh imap-stress       only many clients, for $MOX_STRESS, 30s by default

# imap_passwords sets those of the accounts of the comparison, which run.sh configures.
imap_passwords() {
	local i
	for i in 0 1 2; do
		printf 'moxmoxmox\nmoxmoxmox\n' | "$work/mox" -config "$data/mox.conf" setaccountpassword "d$i" >/dev/null || return 1
	done
}

# A Dovecot of its own, with users by any name and one password.
case_imap_dovecot() {
	local dir=$PWD pid status=0
	chmod 755 "$work" "$dir"
	mkdir -p home
	chown nobody home
	cat >dovecot.conf <<-EOC
		base_dir = $dir/run
		state_dir = $dir/state
		log_path = $dir/dovecot.log
		protocols = imap
		listen = 127.0.0.1
		ssl = no
		disable_plaintext_auth = no
		mail_location = sdbox:~/mail
		mail_fsync = never
		mail_max_userip_connections = 100
		first_valid_uid = 1
		passdb {
		  driver = static
		  args = password=moxmoxmox
		}
		userdb {
		  driver = static
		  args = uid=nobody gid=nogroup home=$dir/home/%n
		}
		namespace inbox {
		  inbox = yes
		  separator = /
		}
		service imap-login {
		  inet_listener imap {
		    port = 14143
		  }
		  inet_listener imaps {
		    port = 0
		  }
		}
	EOC
	dovecot -F -c dovecot.conf &
	pid=$!
	wait_port 14143
	imap_passwords
	python3 "$here/imap/differ.py" 14143 1143 -seed "${IMAP_SEED:-1}" -count "${IMAP_COUNT:-3000}" -only "${IMAP_ONLY:-}" -all differences || status=$?
	kill $pid
	wait $pid || true
	imap_keep differences dovecot.log
	return $status
}

# imap_keep copies files to where the user wants logs.
imap_keep() {
	[ -z "${INTEROP_LOGS:-}" ] && return
	mkdir -p "$INTEROP_LOGS"
	cp -f "$@" "$INTEROP_LOGS/" || true
}

# Mail of a Dovecot is taken over: by a mox of its own, killed, resumed, and then what changed.
case_imap_import() {
	local status=0
	chmod 755 "$work" "$PWD"
	mkdir -p import
	python3 "$here/imapimport.py" "$work/mox" import || status=$?
	imap_keep import/dovecot.log import/mox.log
	return $status
}

case_imap_thunderbird() {
	local status=0
	python3 "$here/imap/thunderbird.py" . "$data/localhost.crt" || status=$?
	imap_keep thunderbird.log
	return $status
}

# With a picture of each step where the user wants logs.
case_imap_claws() {
	local status=0
	mkdir -p shots
	CLAWS_SHOTS=$PWD/shots timeout -k 5 300 python3 "$here/imap/claws.py" . "$data/localhost.crt" || status=$?
	imap_keep claws.log shots/*.png
	return $status
}

# A key of one's own instead of a password, for Python's IMAP and SMTP and for openssl.
case_imap_external() {
	local pair fingerprint
	"$work/mox" config tlspubkey gen client
	pair=$(echo client.*.ed25519privatekey-certificate.pem)
	python3 "$here/imap/external.py" "$pair" "$data/localhost.crt" refused
	fingerprint=$("$work/mox" -config "$data/mox.conf" config tlspubkey add mox@localhost interop <"$pair")
	python3 "$here/imap/external.py" "$pair" "$data/localhost.crt" ok
	"$work/mox" -config "$data/mox.conf" config tlspubkey list | grep "^$fingerprint"
	(sleep 1; printf 'a LOGOUT\n'; sleep 1) | openssl s_client -quiet -crlf -connect 127.0.0.1:1993 -cert "$pair" -key "$pair" 2>/dev/null | grep '^\* PREAUTH '
	"$work/mox" -config "$data/mox.conf" config tlspubkey rm "$fingerprint"
	python3 "$here/imap/external.py" "$pair" "$data/localhost.crt" refused
}

# Keys in a terminal: search, save to a new mailbox, delete, expunge.
case_imap_alpine() { python3 "$here/imap/terminal.py" alpine .; }

case_imap_aerc() { python3 "$here/imap/terminal.py" aerc .; }

# Gets all messages once, and then only what is new; then deletes them at the server.
case_imap_getmail() {
	python3 "$here/fill.py" Getmail 30
	mkdir -p state mail
	printf '#!/bin/sh\nexec cat >"%s/mail/$$"\n' "$PWD" >save
	chmod 755 save
	cat >state/getmailrc <<-EOC
		[retriever]
		type = SimpleIMAPSSLRetriever
		server = localhost
		port = 1993
		username = mox@localhost
		password = moxmoxmox
		mailboxes = ("Getmail",)
		ca_certs = $data/localhost.crt
		[destination]
		type = MDA_external
		path = $PWD/save
		allow_root_commands = true
		[options]
		read_all = false
		delete = false
	EOC
	getmail --getmaildir "$PWD/state"
	[ "$(find mail -type f | wc -l)" = 30 ]
	getmail --getmaildir "$PWD/state"
	[ "$(find mail -type f | wc -l)" = 30 ]
	message getmail-new g@remote.example >msg
	curl -sS --user mox@localhost:moxmoxmox "imap://127.0.0.1:1143/Getmail" -T msg
	getmail --getmaildir "$PWD/state"
	[ "$(find mail -type f | wc -l)" = 31 ]
	grep -q '^Subject: fill 29' mail/*
	# Now those that it has had already are deleted at the server.
	getmail --getmaildir "$PWD/state" --delete
	[ "$(status Getmail)" = 0 ]
}

# Evolution's engine, by the system's Python, since the bindings are of its version.
case_imap_evolution() { timeout -k 5 200 /usr/bin/python3 "$here/imap/evolution.py" . "$data/localhost.crt"; }

# Many clients on shared mailboxes. Debian has no package of imaptest.
case_imap_stress() {
	local status=0
	(cd "$here/.." && MOX_STRESS=${MOX_STRESS:-30s} timeout 900 go test -count=1 -timeout 15m -run TestManyClients -v ./imapserver) >stress.log 2>&1 || status=$?
	tail -20 stress.log
	imap_keep stress.log
	return $status
}

if [[ -z $only || $only == imap* ]]; then
	if command -v dpkg-query >/dev/null && [ "$(id -u)" = 0 ]; then
		install dovecot-imapd thunderbird alpine aerc getmail6 tmux claws-mail xvfb xdotool x11-apps imagemagick \
			evolution-data-server gir1.2-camel-1.2 python3-gi glib-networking
	fi
	run imap-dovecot case_imap_dovecot
	run imap-import case_imap_import
	run imap-thunderbird case_imap_thunderbird
	run imap-claws case_imap_claws
	run imap-external case_imap_external
	run imap-alpine case_imap_alpine
	run imap-aerc case_imap_aerc
	run imap-getmail case_imap_getmail
	run imap-evolution case_imap_evolution
	run imap-stress case_imap_stress
fi
