-- Private annotations of users that mailboxes are shared with.

-- Users of other accounts with private annotations here. In the table annotation the column
-- shared is their id, for what is private to them, in place of 0 and 1.
CREATE TABLE annotator (
	id      INTEGER PRIMARY KEY, -- from 2
	account TEXT    NOT NULL UNIQUE
);

-- What the table metadata has of the account's own user, of theirs: entries below /private/. They
-- go with their mailbox.
CREATE TABLE metadata_other (
	mailbox_id INTEGER NOT NULL,
	annotator  INTEGER NOT NULL, -- annotator.id
	name       TEXT    NOT NULL,
	value      BLOB    NOT NULL,
	modseq     INTEGER NOT NULL,
	PRIMARY KEY (mailbox_id, annotator, name)
);
