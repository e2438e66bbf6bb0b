-- Outgoing messages and calls of webhooks. Times are unix milliseconds; 0 is none.

-- One row. An id is never used twice, also when its message is long gone.
CREATE TABLE state (
	id           INTEGER PRIMARY KEY,
	next_message INTEGER NOT NULL,
	next_content INTEGER NOT NULL
);
INSERT INTO state (id, next_message, next_content) VALUES (1, 1, 1);

-- Content, shared by the recipients of a message.
CREATE TABLE content (
	id      INTEGER PRIMARY KEY,
	refs    INTEGER NOT NULL, -- messages with this content; 0 while it is being written
	size    INTEGER NOT NULL,
	freed   INTEGER NOT NULL, -- 1: to be removed
	account TEXT    NOT NULL  -- against whose limit it counts
);
CREATE INDEX content_freed ON content (id) WHERE freed = 1;

-- id is content id * 65536 + n, n = 0, 1, ...: 128 KiB of content each. The first byte of
-- data says how the rest is kept: 0 as it is, 1 zstd.
CREATE TABLE chunk (
	id   INTEGER PRIMARY KEY,
	data BLOB NOT NULL
);

-- Messages to one destination with one priority. next is the least next_attempt of those
-- that are not on hold, NULL without any.
CREATE TABLE lane (
	id          INTEGER PRIMARY KEY,
	destination TEXT    NOT NULL,
	priority    INTEGER NOT NULL,
	messages    INTEGER NOT NULL,
	next        INTEGER,
	UNIQUE (destination, priority)
);
CREATE INDEX lane_due ON lane (priority, next) WHERE next IS NOT NULL;
CREATE INDEX lane_next ON lane (next) WHERE next IS NOT NULL;

-- A recipient. The ids of the recipients of one submission follow each other; base_id is
-- the first of them.
CREATE TABLE message (
	id               INTEGER PRIMARY KEY,
	base_id          INTEGER NOT NULL,
	lane_id          INTEGER NOT NULL,
	content_id       INTEGER NOT NULL,
	hold             INTEGER NOT NULL,
	queued           INTEGER NOT NULL,
	next_attempt     INTEGER NOT NULL,
	last_attempt     INTEGER NOT NULL,
	attempts         INTEGER NOT NULL,
	begun            INTEGER NOT NULL, -- when an attempt began whose result is not known
	delay_notified   INTEGER NOT NULL,
	size             INTEGER NOT NULL,
	require_tls      INTEGER,          -- NULL: default, 1: REQUIRETLS, 0: TLS-Required: No
	account          TEXT    NOT NULL,
	sender           TEXT    NOT NULL, -- as in SMTP, without angle brackets, with U-labels
	recipient        TEXT    NOT NULL,
	sender_domain    TEXT    NOT NULL, -- with A-labels, '' for address literals
	recipient_domain TEXT    NOT NULL,
	from_id          TEXT    NOT NULL,
	transport        TEXT    NOT NULL,
	info             TEXT    NOT NULL, -- JSON: what does not change
	results          TEXT              -- JSON
);
CREATE INDEX message_due ON message (lane_id, next_attempt) WHERE hold = 0;
CREATE INDEX message_held ON message (id) WHERE hold <> 0;
CREATE INDEX message_begun ON message (id) WHERE begun <> 0;
CREATE INDEX message_from_id ON message (from_id) WHERE from_id <> '';

-- Totals for limits.
CREATE TABLE usage (
	account  TEXT    NOT NULL PRIMARY KEY,
	messages INTEGER NOT NULL,
	size     INTEGER NOT NULL,
	hooks    INTEGER NOT NULL
) WITHOUT ROWID;

-- Messages that are done, for review.
CREATE TABLE retired (
	id               INTEGER PRIMARY KEY, -- that of message
	account          TEXT    NOT NULL,
	sender           TEXT    NOT NULL,
	recipient        TEXT    NOT NULL,
	sender_domain    TEXT    NOT NULL,
	recipient_domain TEXT    NOT NULL,
	from_id          TEXT    NOT NULL,
	transport        TEXT    NOT NULL,
	queued           INTEGER NOT NULL,
	last_activity    INTEGER NOT NULL,
	keep_until       INTEGER NOT NULL,
	success          INTEGER NOT NULL,
	event            TEXT    NOT NULL,
	message          TEXT    NOT NULL -- JSON
);
CREATE INDEX retired_activity ON retired (last_activity);
CREATE INDEX retired_keep ON retired (keep_until);
CREATE INDEX retired_from_id ON retired (from_id) WHERE from_id <> '';

CREATE TABLE hold_rule (
	id               INTEGER PRIMARY KEY AUTOINCREMENT,
	account          TEXT NOT NULL,
	sender_domain    TEXT NOT NULL,
	recipient_domain TEXT NOT NULL,
	UNIQUE (account, sender_domain, recipient_domain)
);

CREATE TABLE suppression (
	id               INTEGER PRIMARY KEY AUTOINCREMENT,
	created          INTEGER NOT NULL,
	account          TEXT    NOT NULL,
	base_address     TEXT    NOT NULL,
	original_address TEXT    NOT NULL,
	manual           INTEGER NOT NULL,
	reason           TEXT    NOT NULL,
	UNIQUE (account, base_address)
);

-- Permanent failures in sequence, of addresses that are not on the suppression list.
CREATE TABLE failure (
	account      TEXT    NOT NULL,
	base_address TEXT    NOT NULL,
	failures     INTEGER NOT NULL,
	last         INTEGER NOT NULL,
	PRIMARY KEY (account, base_address)
) WITHOUT ROWID;

-- Calls of webhooks that wait.
CREATE TABLE hook (
	id            INTEGER PRIMARY KEY AUTOINCREMENT,
	account       TEXT    NOT NULL,
	url           TEXT    NOT NULL,
	authorization TEXT    NOT NULL,
	event         TEXT    NOT NULL,
	message_id    INTEGER NOT NULL, -- of an outgoing message; 0: none
	queued        INTEGER NOT NULL,
	next_attempt  INTEGER NOT NULL,
	last_attempt  INTEGER NOT NULL,
	attempts      INTEGER NOT NULL,
	info          TEXT    NOT NULL, -- JSON
	results       TEXT              -- JSON
);
CREATE INDEX hook_due ON hook (url, next_attempt);
CREATE INDEX hook_message ON hook (message_id) WHERE message_id <> 0;

-- What is sent, of rows in hook and retired_hook.
CREATE TABLE hook_payload (
	id   INTEGER PRIMARY KEY,
	data BLOB NOT NULL
);

-- Calls that are done.
CREATE TABLE retired_hook (
	id            INTEGER PRIMARY KEY,
	account       TEXT    NOT NULL,
	event         TEXT    NOT NULL,
	queued        INTEGER NOT NULL,
	last_activity INTEGER NOT NULL,
	keep_until    INTEGER NOT NULL,
	hook          TEXT    NOT NULL -- JSON
);
CREATE INDEX retired_hook_activity ON retired_hook (last_activity);
CREATE INDEX retired_hook_keep ON retired_hook (keep_until);

-- Requests that are done once.
CREATE TABLE once (
	account TEXT    NOT NULL,
	key     TEXT    NOT NULL,
	hash    BLOB,
	result  BLOB    NOT NULL,
	expires INTEGER NOT NULL,
	PRIMARY KEY (account, key)
) WITHOUT ROWID;
CREATE INDEX once_expires ON once (expires);
