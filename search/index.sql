-- The full-text index of one account: nothing in it is lost that cannot be made again.

-- One row.
CREATE TABLE state (
	id           INTEGER PRIMARY KEY,
	format       TEXT    NOT NULL, -- of this file and of the terms; another one: start anew
	indexed      INTEGER NOT NULL, -- the last body that was taken
	next_segment INTEGER NOT NULL, -- ids are never used twice
	modseq       INTEGER NOT NULL, -- of the account when a batch was last taken
	swept        INTEGER NOT NULL, -- unix time when freed bodies were last looked for
	prints       BLOB    NOT NULL  -- fingerprints of the last bodies, to know the account by
);

-- Some documents and their terms. Live segments cover disjoint ranges of body ids.
CREATE TABLE segment (
	id     INTEGER PRIMARY KEY,
	state  INTEGER NOT NULL, -- 0 being built, 1 live, 2 dead
	first  INTEGER NOT NULL, -- range of body ids
	last   INTEGER NOT NULL,
	docs   INTEGER NOT NULL,
	dead   INTEGER NOT NULL, -- documents that are in the table dead
	blocks INTEGER NOT NULL,
	bytes  INTEGER NOT NULL, -- of all blocks, as stored
	bodies BLOB    NOT NULL, -- body ids: zstd(uvarint gaps)
	firsts BLOB    NOT NULL  -- zstd(the first key of each block, separated by LF)
);

-- Blocks, see block.go. id is segment id * 2^24 + number; data is zstd.
CREATE TABLE term    (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE posting (id INTEGER PRIMARY KEY, data BLOB NOT NULL);

-- Of segments with several blocks, see filter.go. id is segment id * 2^24 + number.
CREATE TABLE filter (id INTEGER PRIMARY KEY, data BLOB NOT NULL);

-- Text of documents in messages, as far as a program could take it out of them: zstd. part
-- counts the parts of the message in the order of a walk, from 0.
CREATE TABLE document (
	body INTEGER NOT NULL,
	part INTEGER NOT NULL,
	text BLOB    NOT NULL,
	PRIMARY KEY (body, part)
) WITHOUT ROWID;

-- Bodies that are gone, and still in a segment.
CREATE TABLE dead (body INTEGER PRIMARY KEY);
