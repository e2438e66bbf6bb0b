-- Logins, and attempts to log in. Those that are alike in all but their time are one row. Times are unix
-- seconds.

CREATE TABLE attempt (
	account  TEXT    NOT NULL, -- "-": none; "(admin)": the admin pages
	login    TEXT    NOT NULL,
	remote   TEXT    NOT NULL, -- address of the client
	protocol TEXT    NOT NULL,
	mech     TEXT    NOT NULL,
	tls      TEXT    NOT NULL, -- empty: without
	agent    TEXT    NOT NULL,
	result   TEXT    NOT NULL,
	first    INTEGER NOT NULL,
	last     INTEGER NOT NULL,
	count    INTEGER NOT NULL,
	PRIMARY KEY (account, login, remote, protocol, mech, tls, agent, result)
) WITHOUT ROWID;

CREATE INDEX attempt_account_last ON attempt (account, last);
CREATE INDEX attempt_last ON attempt (last);
