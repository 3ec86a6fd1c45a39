-- What the library's own system must still be told, in that order, and what became of what it was told.
CREATE TABLE loan (
    place      INTEGER PRIMARY KEY,
    id         BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),  -- of the record that says what happened
    lane       TEXT    NOT NULL,
    profile    TEXT    NOT NULL,
    act        TEXT    NOT NULL,                   -- checkout, checkin, renew
    mode       TEXT    NOT NULL,                   -- send, verify, withdraw, look
    item       TEXT    NOT NULL,
    patron     TEXT,                               -- forgotten once nobody need ask
    at_ms      INTEGER NOT NULL,
    due_ms     INTEGER,
    tries      INTEGER NOT NULL DEFAULT 0,         -- counted before each is sent
    result     TEXT,                               -- null: it waits
    settled_ms INTEGER
) STRICT;

CREATE INDEX loan_waiting ON loan (place) WHERE result IS NULL;
