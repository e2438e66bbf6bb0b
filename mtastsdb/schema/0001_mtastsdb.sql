-- MTA-STS policies. Times are unix seconds, 0 is never.

CREATE TABLE policy (
	domain     TEXT    NOT NULL PRIMARY KEY, -- with A-labels
	-- The policy, as it was fetched; all empty and 0 when it never was.
	record_id  TEXT    NOT NULL, -- id of the record in DNS then
	policy     TEXT    NOT NULL,
	fetched    INTEGER NOT NULL,
	expires    INTEGER NOT NULL, -- fetched and its max_age
	-- The last try to fetch one.
	tried      INTEGER NOT NULL,
	tried_id   TEXT    NOT NULL, -- id of the record in DNS then
	error      TEXT    NOT NULL, -- why it failed; empty: it did not
	reason     TEXT    NOT NULL, -- of error, as in TLS reports
	-- The last delivery that asked, within an hour.
	used       INTEGER NOT NULL
) WITHOUT ROWID;
