-- What a lane must find again after a restart; written in the transaction of the record that changed it.
CREATE TABLE saved (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Replay marks, double-tap marks and counters: many, small, and each with an end.
CREATE TABLE mark (
    scope      TEXT    NOT NULL,
    key        BLOB    NOT NULL,
    value      ANY     NOT NULL,                   -- an integer or a blob
    expires_ms INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX mark_by_end ON mark (expires_ms);
