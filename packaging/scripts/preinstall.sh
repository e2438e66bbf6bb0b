#!/bin/sh
# The user that the server works as. It owns nothing but configuration and data.
set -e
if ! getent group mox >/dev/null 2>&1; then
	if command -v groupadd >/dev/null 2>&1; then groupadd --system mox; else addgroup -S mox; fi
fi
if ! getent passwd mox >/dev/null 2>&1; then
	if command -v useradd >/dev/null 2>&1; then
		useradd --system --gid mox --home-dir /var/lib/mox --no-create-home --shell /usr/sbin/nologin mox
	else
		adduser -S -D -H -h /var/lib/mox -s /sbin/nologin -G mox mox
	fi
fi
