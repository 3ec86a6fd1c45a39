-- A chain is a range of record.place: seq = place - base.
CREATE TABLE chain (
    number         INTEGER PRIMARY KEY,            -- 1, 2, … in the order in which they began
    chain_id       BLOB    NOT NULL UNIQUE CHECK (length(chain_id) = 16),
    base           INTEGER NOT NULL UNIQUE,        -- place before the chain's first record
    first_retained INTEGER NOT NULL DEFAULT 1,     -- lowest seq that is still on the disk
    anchor_hash    BLOB    NOT NULL CHECK (length(anchor_hash) = 32),  -- hash of the record before it; zeros for seq 1
    acked_seq      INTEGER NOT NULL DEFAULT 0,     -- highest seq that the platform has committed
    acked_hash     BLOB    NOT NULL CHECK (length(acked_hash) = 32)    -- and its hash; zeros for seq 0
) STRICT;

-- The body alone is the record; the columns beside it serve the id's lookup and the technician's eye.
CREATE TABLE record (
    place   INTEGER PRIMARY KEY,
    id      BLOB    NOT NULL UNIQUE,
    kind    TEXT    NOT NULL,
    lane    TEXT,
    reason  TEXT,
    time_ms INTEGER NOT NULL,
    body    BLOB    NOT NULL
) STRICT;

-- Every chain with the seq of its last record: the one before the next chain begins, or the last of all.
CREATE VIEW chain_span AS
SELECT chain.*,
       coalesce((SELECT min(later.base) FROM chain AS later WHERE later.base > chain.base),
                (SELECT max(place) FROM record)) - base AS last_seq
FROM chain;

-- The chain whose records leave now: the oldest that has unacknowledged ones, else the current one.
CREATE VIEW sending AS
SELECT * FROM chain_span
ORDER BY last_seq > acked_seq DESC, CASE WHEN last_seq > acked_seq THEN number ELSE -number END
LIMIT 1;

-- For people: sqlite3 -readonly journal.db 'SELECT * FROM journal ORDER BY place DESC LIMIT 20'
CREATE VIEW journal AS
SELECT record.place,
       chain.number AS chain,
       record.place - chain.base AS seq,
       strftime('%Y-%m-%d %H:%M:%fZ', record.time_ms / 1000.0, 'unixepoch') AS time_utc,
       record.kind,
       record.lane,
       record.reason,
       CASE WHEN record.place - chain.base <= chain.acked_seq THEN 'yes' ELSE 'no' END AS acknowledged,
       lower(hex(record.id)) AS id
FROM record
JOIN chain ON chain.number = (SELECT max(number) FROM chain WHERE base < record.place);
