#!/bin/sh
# Nothing starts by itself on a machine without configuration. After an upgrade, a server that runs
# is restarted with the new program.
set -e
conf=/var/lib/mox/config/mox.conf
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	if [ -e $conf ] && systemctl is-active --quiet mox; then
		systemctl restart mox
	fi
elif command -v rc-service >/dev/null 2>&1 && [ -e $conf ] && rc-service mox status >/dev/null 2>&1; then
	rc-service mox restart
fi
if [ ! -e $conf ]; then
	echo "mox is installed. To set it up, as root: cd /var/lib/mox && mox quickstart you@example.org"
fi
