-- What extensions of IMAP keep.

-- Who else may do what with a mailbox (RFC 4314). The account's own user may do all.
CREATE TABLE acl (
	mailbox_id INTEGER NOT NULL,
	identifier TEXT    NOT NULL, -- account, or "anyone"; "-" before it takes rights away
	rights     TEXT    NOT NULL, -- letters, in their order
	PRIMARY KEY (mailbox_id, identifier)
) WITHOUT ROWID;

-- Annotations of mailboxes and of the account (RFC 5464). They go with their mailbox.
CREATE TABLE metadata (
	mailbox_id INTEGER NOT NULL, -- 0: the account, IMAP's "server"
	name       TEXT    NOT NULL, -- lower case, begins with /private/ or /shared/
	value      BLOB    NOT NULL,
	modseq     INTEGER NOT NULL,
	PRIMARY KEY (mailbox_id, name)
);
