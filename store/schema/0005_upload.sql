-- Files that programs have uploaded, to be made parts of messages.
CREATE TABLE upload (
	id       INTEGER PRIMARY KEY, -- of the numbers of bodies: never used twice
	created  INTEGER NOT NULL,    -- unix seconds
	complete INTEGER NOT NULL,    -- 0: it is being written
	size     INTEGER NOT NULL,
	type     TEXT    NOT NULL     -- media type, as the client said
);

-- Content, as in the table chunk: id is that of the upload and the number of the chunk, from 1.
CREATE TABLE upload_chunk (
	id   INTEGER PRIMARY KEY,
	data BLOB NOT NULL
);
