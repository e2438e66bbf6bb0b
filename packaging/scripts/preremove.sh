#!/bin/sh
# Stops the server when the package goes away for good. Mail and configuration in /var/lib/mox stay.
set -e
case "$1" in
upgrade | deconfigure | failed-upgrade | 1) exit 0 ;; # dpkg; rpm: another version stays
esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now mox || true
elif command -v systemctl >/dev/null 2>&1; then
	systemctl disable mox || true
elif command -v rc-service >/dev/null 2>&1; then
	rc-service mox stop || true
	rc-update del mox || true
fi
