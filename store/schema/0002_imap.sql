-- The user's table of mailbox access keys (RFC 4467 2.2): by which URLs that give access to
-- messages of a mailbox are made and known again.
CREATE TABLE url_key (
	account    TEXT    NOT NULL, -- whose mailbox it is; empty: this account's
	mailbox_id INTEGER NOT NULL,
	key        BLOB    NOT NULL,
	PRIMARY KEY (account, mailbox_id)
) WITHOUT ROWID;
