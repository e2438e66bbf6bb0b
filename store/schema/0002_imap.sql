-- Who else may do what with a mailbox (RFC 4314). The account's own user may do all.
CREATE TABLE acl (
	mailbox_id INTEGER NOT NULL,
	identifier TEXT    NOT NULL, -- account, or "anyone"; "-" before it takes rights away
	rights     TEXT    NOT NULL, -- letters, in their order
	PRIMARY KEY (mailbox_id, identifier)
) WITHOUT ROWID;
