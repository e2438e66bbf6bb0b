-- Everything of one account. Times are unix seconds. A commit takes one or more values
-- of the account's clock, modseq; a row's modseq is that of its last change.

-- One row: what the next things are called. None of these numbers is ever used twice.
CREATE TABLE account (
	id           INTEGER PRIMARY KEY,
	modseq       INTEGER NOT NULL, -- of the last operation
	next_mailbox INTEGER NOT NULL,
	next_message INTEGER NOT NULL,
	next_body    INTEGER NOT NULL,
	uidvalidity  INTEGER NOT NULL, -- of the mailbox made last
	change_floor INTEGER NOT NULL  -- the change log is complete after this modseq
);

CREATE TABLE mailbox (
	id            INTEGER PRIMARY KEY,
	name          TEXT    NOT NULL UNIQUE, -- levels separated by "/", NFC
	uidvalidity   INTEGER NOT NULL,
	uidnext       INTEGER NOT NULL,
	special_use   INTEGER NOT NULL, -- bits, see SpecialUse
	created       INTEGER NOT NULL, -- modseq
	modseq        INTEGER NOT NULL, -- HIGHESTMODSEQ
	expunge_floor INTEGER NOT NULL, -- the table expunge is complete after this modseq
	messages      INTEGER NOT NULL, -- totals of the rows in message
	unseen        INTEGER NOT NULL,
	deleted       INTEGER NOT NULL,
	size          INTEGER NOT NULL,
	deleted_size  INTEGER NOT NULL
);

-- Names, also of mailboxes that do not exist (RFC 9051 6.3.7).
CREATE TABLE subscription (
	name TEXT NOT NULL PRIMARY KEY
) WITHOUT ROWID;

-- Each combination of keywords in use, so that a message needs one number for them.
CREATE TABLE keyword_set (
	id    INTEGER PRIMARY KEY,
	words TEXT NOT NULL UNIQUE -- sorted, separated by spaces
);

-- What SELECT, STORE and FETCH FLAGS touch: narrow, clustered, without further indexes.
-- Columns that ranges of rows are updated in have no NOT NULL, here and in body: a check
-- that can fail makes SQLite keep a journal for each statement.
CREATE TABLE message (
	mailbox_id INTEGER NOT NULL,
	uid        INTEGER NOT NULL,
	id         INTEGER NOT NULL,
	body_id    INTEGER NOT NULL,
	modseq     INTEGER,
	flags      INTEGER, -- bits, see Flags
	keywords   INTEGER, -- keyword_set.id, 0: none
	received   INTEGER NOT NULL, -- INTERNALDATE
	saved      INTEGER NOT NULL, -- SAVEDATE
	size       INTEGER NOT NULL,
	PRIMARY KEY (mailbox_id, uid)
) WITHOUT ROWID;

-- Content, shared by the copies of a message.
CREATE TABLE body (
	id         INTEGER PRIMARY KEY,
	refs       INTEGER, -- messages with this body, and expunged ones not yet released
	freed      INTEGER NOT NULL, -- when refs became 0
	size       INTEGER NOT NULL, -- of prefix and content
	prefix     INTEGER NOT NULL, -- size of chunk 0, the header fields put before the content
	location   INTEGER NOT NULL, -- where the chunks are; 0: table chunk
	thread     INTEGER NOT NULL, -- id of the thread's first body
	subject    INTEGER NOT NULL, -- hash of the base subject, 0: none
	mailbox_id INTEGER NOT NULL, -- where it was first delivered
	received   INTEGER NOT NULL,
	hash       BLOB    NOT NULL  -- SHA-256 of (SHA-256 of content, prefix)
);
CREATE INDEX body_free ON body (freed) WHERE refs = 0;

-- id is body id * 65536 + n. n = 0: prefix; n = 1, 2, ...: 128 KiB of content each. The
-- first byte of data says how the rest is kept: 0 as it is, 1 zstd.
CREATE TABLE chunk (
	id   INTEGER PRIMARY KEY,
	data BLOB NOT NULL
);

-- What FETCH answers with, as wire bytes.
CREATE TABLE body_env (
	id             INTEGER PRIMARY KEY,
	envelope       BLOB NOT NULL,
	structure      BLOB NOT NULL, -- BODYSTRUCTURE
	preview        TEXT NOT NULL,
	headers        BLOB,          -- common header fields, raw; NULL: too large to keep
	parts          BLOB NOT NULL, -- part tree
	envelope_utf8  BLOB,          -- where it differs for UTF8=ACCEPT
	structure_utf8 BLOB,
	plain          BLOB,          -- BODY, where it cannot be made from parts
	plain_utf8     BLOB,
	trace          BLOB           -- decision trace
);

-- Sort keys (RFC 5256, casemapped) and header text (decoded, casemapped).
CREATE TABLE body_key (
	id           INTEGER PRIMARY KEY,
	sent         INTEGER NOT NULL,
	reply        INTEGER NOT NULL,
	base_subject BLOB NOT NULL,
	sort_from    BLOB NOT NULL,
	sort_to      BLOB NOT NULL,
	sort_cc      BLOB NOT NULL,
	display_from BLOB NOT NULL,
	display_to   BLOB NOT NULL,
	text_from    BLOB NOT NULL,
	text_to      BLOB NOT NULL,
	text_cc      BLOB NOT NULL,
	text_bcc     BLOB NOT NULL,
	text_subject BLOB NOT NULL,
	message_id   BLOB NOT NULL
);

-- Bodies by hash of their Message-ID and of their base subject, to find threads.
CREATE TABLE lookup (
	hash    INTEGER NOT NULL,
	body_id INTEGER NOT NULL,
	PRIMARY KEY (hash, body_id)
) WITHOUT ROWID;

-- What left a mailbox, for QRESYNC.
CREATE TABLE expunge (
	mailbox_id INTEGER NOT NULL,
	modseq     INTEGER NOT NULL,
	uids       BLOB NOT NULL, -- packed ranges
	PRIMARY KEY (mailbox_id, modseq)
) WITHOUT ROWID;

-- Messages that were expunged and still hold their bodies, until these are released, or
-- the messages brought back; ids ascend with time. At most 2000 messages a row.
CREATE TABLE held (
	id         INTEGER PRIMARY KEY,
	time       INTEGER NOT NULL,
	mailbox_id INTEGER NOT NULL,
	modseq     INTEGER NOT NULL,
	messages   BLOB    NOT NULL -- packed rows
);

-- The change log: what each operation did to each mailbox.
CREATE TABLE change (
	modseq     INTEGER NOT NULL,
	mailbox_id INTEGER NOT NULL,
	kind       INTEGER NOT NULL, -- see ChangeKind
	uids       BLOB, -- packed ranges
	bodies     BLOB, -- packed ids
	name       TEXT,
	old_name   TEXT,
	PRIMARY KEY (modseq, mailbox_id, kind)
) WITHOUT ROWID;

CREATE TABLE setting (
	name  TEXT NOT NULL PRIMARY KEY,
	value BLOB NOT NULL
) WITHOUT ROWID;
