-- Networks that are banned or were, and those that users log in from. Times are unix
-- seconds, 0 is never.

CREATE TABLE ban (
	network TEXT    NOT NULL, -- as in 192.0.2.1/32
	door    TEXT    NOT NULL, -- "mail" or "logins"
	reason  TEXT    NOT NULL,
	comment TEXT    NOT NULL, -- of bans by hand
	times   INTEGER NOT NULL, -- how often it was banned
	events  INTEGER NOT NULL, -- what it was banned for the last time
	since   INTEGER NOT NULL,
	expires INTEGER NOT NULL, -- afterwards the row says how often it was banned
	PRIMARY KEY (network, door)
) WITHOUT ROWID;

CREATE TABLE known (
	network TEXT    NOT NULL PRIMARY KEY,
	seen    INTEGER NOT NULL -- the last login, within an hour
) WITHOUT ROWID;
