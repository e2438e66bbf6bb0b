#!/bin/sh
# Mail is never removed with the package, when it is purged neither.
set -e
case "$1" in
upgrade | failed-upgrade | abort-* | disappear | 1) exit 0 ;; # another version stays
esac
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
if [ -e /var/lib/mox/config ] || [ -e /var/lib/mox/data ]; then
	echo "Mail and configuration are still in /var/lib/mox, and belong to user mox. To remove them too, as root: rm -r /var/lib/mox && userdel mox"
fi
