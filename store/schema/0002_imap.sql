-- What IMAP's extensions keep: annotations of mailboxes.

-- Annotations of mailboxes and of the account (RFC 5464). They go with their mailbox.
CREATE TABLE metadata (
	mailbox_id INTEGER NOT NULL, -- 0: the account, IMAP's "server"
	name       TEXT    NOT NULL, -- lower case, begins with /private/ or /shared/
	value      BLOB    NOT NULL,
	modseq     INTEGER NOT NULL,
	PRIMARY KEY (mailbox_id, name)
);
