#!/bin/sh
# Nothing starts by itself on a machine without configuration. After an upgrade, a server that runs
# is restarted with the new program.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	if [ -e /var/lib/mox/config/mox.conf ] && systemctl is-active --quiet mox; then
		systemctl restart mox
	fi
fi
if [ ! -e /var/lib/mox/config/mox.conf ]; then
	echo "mox is installed. To set it up, as root: cd /var/lib/mox && mox quickstart you@example.org"
fi
