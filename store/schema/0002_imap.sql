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

-- The user's table of mailbox access keys (RFC 4467 2.2): by which URLs that give access to
-- messages of a mailbox are made and known again.
CREATE TABLE url_key (
	account    TEXT    NOT NULL, -- whose mailbox it is; empty: this account's
	mailbox_id INTEGER NOT NULL,
	key        BLOB    NOT NULL,
	PRIMARY KEY (account, mailbox_id)
) WITHOUT ROWID;
-- Annotations of messages (RFC 5257), by message.id. They stay while an expunged message can
-- be brought back. Without value: it had one, removed at modseq.
CREATE TABLE annotation (
	message_id INTEGER NOT NULL,
	name       TEXT    NOT NULL, -- "/comment"
	shared     INTEGER NOT NULL, -- 1: value.shared, 0: value.priv
	value      BLOB,
	modseq     INTEGER NOT NULL,
	PRIMARY KEY (message_id, name, shared)
);

-- Totals of the table annotation: rows, and bytes of names and values.
ALTER TABLE account ADD COLUMN annotations INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN annotation_size INTEGER NOT NULL DEFAULT 0;
