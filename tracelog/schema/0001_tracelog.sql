-- Recent decisions about messages. Times are unix seconds.

-- One row. An id is never used twice.
CREATE TABLE log (
	id   INTEGER PRIMARY KEY,
	next INTEGER NOT NULL -- entry.id of the next decision
);
INSERT INTO log (id, next) VALUES (1, 1);

-- In the order of adding, which is that of time but for clocks that are set back.
CREATE TABLE entry (
	id    INTEGER PRIMARY KEY,
	time  INTEGER NOT NULL,
	trace BLOB    NOT NULL -- see pack.go
);

-- By what entries are found: a hash of the text, see keys.go. The rows of 4096 entries
-- are together (span is entry / 4096). So rows are only added to the last span, whose
-- few pages take many commits, and go with the entries a span at a time.
CREATE TABLE lookup (
	span  INTEGER NOT NULL,
	hash  INTEGER NOT NULL,
	entry INTEGER NOT NULL,
	PRIMARY KEY (span, hash, entry)
) WITHOUT ROWID;
