-- What JMAP tells of Emails that are gone (RFC 8620 5.2, RFC 8621 3.2).

-- Threads of bodies that were deleted, for as long as the change log has that their messages went.
CREATE TABLE gone_body (
	id     INTEGER PRIMARY KEY,
	thread INTEGER NOT NULL,
	modseq INTEGER NOT NULL -- of the account when it was deleted: not before its last message went
);
CREATE INDEX gone_body_modseq ON gone_body (modseq);
