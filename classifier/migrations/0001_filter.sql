-- Counts of a filter, see file.go. The hash is the rowid, as a signed number.
CREATE TABLE token (
	hash INTEGER PRIMARY KEY,
	ham INTEGER NOT NULL,
	spam INTEGER NOT NULL
);
CREATE TABLE total (
	id INTEGER PRIMARY KEY CHECK (id = 1),
	version INTEGER NOT NULL, -- of the tokens
	grams INTEGER NOT NULL,   -- bits: 1 single words, 2 pairs, 4 triples
	ham INTEGER NOT NULL,
	spam INTEGER NOT NULL
);
