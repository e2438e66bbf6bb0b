-- What the user of an account has taught. Times are unix seconds. All of it but the tables
-- sent and outgoing can be made again of the account's messages.

-- One row.
CREATE TABLE state (
	id          INTEGER PRIMARY KEY,
	modseq      INTEGER NOT NULL, -- the account's change log has been followed up to here
	compare     INTEGER NOT NULL, -- 1: examples have to be compared with all messages
	remake_next INTEGER NOT NULL, -- examples above this, and up to remake_last, are to be made
	remake_last INTEGER NOT NULL, -- anew of their messages
	params      TEXT    NOT NULL, -- how words are taken from messages; '': they are not
	ham         INTEGER NOT NULL, -- examples with words
	junk        INTEGER NOT NULL
);

-- In how many examples a word is.
CREATE TABLE word (
	hash INTEGER PRIMARY KEY, -- 40 bits
	ham  INTEGER NOT NULL,
	junk INTEGER NOT NULL
);

-- A message that the user has classified, with all that it added to other tables: so it
-- can be taken back exactly, whatever became of the message or of how words are taken.
CREATE TABLE example (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	mailbox_id INTEGER NOT NULL,
	uid        INTEGER NOT NULL,
	body_id    INTEGER NOT NULL,
	junk       INTEGER NOT NULL, -- 1: junk, 0: not
	received   INTEGER NOT NULL, -- INTERNALDATE
	signals    BLOB    NOT NULL, -- pairs of signal.key and who, 8 bytes each
	words      BLOB              -- hashes in ascending order, as differences; NULL: none were taken
);
CREATE UNIQUE INDEX example_message ON example (mailbox_id, uid);
CREATE INDEX example_body ON example (body_id);

-- Which examples are of a sender: an address, domain or network, for a mailbox. See keys.go.
CREATE TABLE signal (
	key     INTEGER NOT NULL,
	time    INTEGER NOT NULL, -- example.received
	example INTEGER NOT NULL,
	junk    INTEGER NOT NULL,
	who     INTEGER NOT NULL, -- hash of the From address where the key is of a domain, else 0
	PRIMARY KEY (key, time, example)
) WITHOUT ROWID;

-- Addresses, domains and organizations that the user wrote to.
CREATE TABLE sent (
	key  INTEGER PRIMARY KEY,
	time INTEGER NOT NULL -- the last time
);

-- Recipients sent to, in slots of 15 minutes; slots of more than a day ago are removed.
CREATE TABLE outgoing (
	slot       INTEGER PRIMARY KEY, -- unix time / 900
	recipients INTEGER NOT NULL,
	first      INTEGER NOT NULL     -- of those, never written to before
);

INSERT INTO state (id, modseq, compare, remake_next, remake_last, params, ham, junk) VALUES (1, 0, 0, 0, 0, '', 0, 0);
