-- Networks that mail of verified senders was accepted from.
CREATE TABLE sender (
	network TEXT    NOT NULL PRIMARY KEY,
	seen    INTEGER NOT NULL -- the last such message, within an hour
) WITHOUT ROWID;
