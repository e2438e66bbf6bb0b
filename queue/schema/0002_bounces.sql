-- Messages are found by Message-ID too, and by unique senders without regard to case.
ALTER TABLE message ADD COLUMN message_id TEXT NOT NULL DEFAULT '';
UPDATE message SET message_id = coalesce(info ->> 'MessageID', '');
CREATE INDEX message_message_id ON message (message_id) WHERE message_id <> '';
DROP INDEX message_from_id;
CREATE INDEX message_from_id ON message (from_id COLLATE NOCASE) WHERE from_id <> '';

-- shown_until is when the account wants the history no more, 0 when that is past: then the
-- row is there until keep_until for notifications that come late, with little in it.
ALTER TABLE retired ADD COLUMN message_id TEXT NOT NULL DEFAULT '';
ALTER TABLE retired ADD COLUMN shown_until INTEGER NOT NULL DEFAULT 0;
UPDATE retired SET message_id = coalesce(message ->> 'MessageID', ''), shown_until = keep_until;
CREATE INDEX retired_message_id ON retired (message_id) WHERE message_id <> '';
CREATE INDEX retired_account ON retired (account);
DROP INDEX retired_from_id;
CREATE INDEX retired_from_id ON retired (from_id COLLATE NOCASE) WHERE from_id <> '';
DROP INDEX retired_activity;
CREATE INDEX retired_activity ON retired (last_activity) WHERE shown_until <> 0;
CREATE INDEX retired_shown ON retired (shown_until) WHERE shown_until <> 0;
CREATE INDEX retired_hidden ON retired (id) WHERE shown_until = 0;
