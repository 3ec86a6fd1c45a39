-- Each index is a page more that a tap writes. What ended is found by a sweep along the key (offline_store/marks.py).
DROP INDEX mark_by_end;

-- With rows of its own a state of some hundred bytes fits into one small page; the key's index is not written again.
ALTER TABLE saved RENAME TO saved_by_key;
CREATE TABLE saved (
    key   TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;
INSERT INTO saved (key, value) SELECT key, value FROM saved_by_key;
DROP TABLE saved_by_key;
