-- What is personal stands in columns called "sealed", under the vault's key, each for its place alone.
CREATE TABLE vault (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    memory_kib INTEGER NOT NULL, passes INTEGER NOT NULL, lanes INTEGER NOT NULL, salt BLOB NOT NULL,
    sealed BLOB NOT NULL
) STRICT;
CREATE TABLE value (name TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE certificate (tag BLOB PRIMARY KEY, sealed BLOB NOT NULL) STRICT;
CREATE TABLE room (
    id INTEGER PRIMARY KEY,
    tag BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL,                 -- entries stored
    held INTEGER NOT NULL,                 -- of these, entries under a verified checkpoint
    next_seq INTEGER NOT NULL,             -- of this device, not yet given to anything
    delivered INTEGER NOT NULL,            -- entries covered by this device's receipts, level delivered
    shown INTEGER NOT NULL,                -- entries shown to the user
    shown_told INTEGER NOT NULL,           -- of these, covered by this device's receipts, level shown
    receipts INTEGER NOT NULL DEFAULT 0,   -- first number of the server's receipts that was not read
    stopped INTEGER NOT NULL,              -- 1: the log contradicted itself and is not followed any more
    sealed BLOB NOT NULL,
    head BLOB                              -- sealed: the checkpoint of "held"
) STRICT;
CREATE TABLE segment (
    room INTEGER NOT NULL REFERENCES room, first INTEGER NOT NULL, count INTEGER NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (room, first)
) STRICT;
CREATE TABLE checkpoint (
    room INTEGER NOT NULL REFERENCES room, size INTEGER NOT NULL, seconds INTEGER NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (room, size)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
    room INTEGER NOT NULL REFERENCES room, seq INTEGER NOT NULL, state INTEGER NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (room, seq)
) STRICT;
CREATE TABLE refusal (
    id INTEGER PRIMARY KEY, room INTEGER NOT NULL REFERENCES room, seq INTEGER NOT NULL, sealed BLOB NOT NULL
) STRICT;
CREATE TABLE receipt (
    room INTEGER NOT NULL REFERENCES room, giver BLOB NOT NULL, level INTEGER NOT NULL, first INTEGER NOT NULL,
    last INTEGER NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (room, giver, level, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE alarm (
    id INTEGER PRIMARY KEY, room INTEGER NOT NULL REFERENCES room, at_ms INTEGER NOT NULL, sealed BLOB NOT NULL
) STRICT;
