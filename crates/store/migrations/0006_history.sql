-- What a user's devices keep for each other (docs/session.md, section 9): the history key, sealed for each of them, and pieces of history.

-- `sealed` is empty for a device that made the key. `bytes` is the size of the device's pieces together.
CREATE TABLE history_devices (
    certificate BLOB PRIMARY KEY NOT NULL REFERENCES devices (certificate),
    sealed      BLOB CHECK (length(sealed) <= 65536),
    bytes       INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0)
) STRICT;

CREATE TABLE history (
    position    INTEGER PRIMARY KEY AUTOINCREMENT,
    certificate BLOB NOT NULL REFERENCES history_devices (certificate),
    room        BLOB NOT NULL CHECK (length(room) = 32),
    first       INTEGER NOT NULL,
    past        INTEGER NOT NULL CHECK (past > first),
    piece       BLOB NOT NULL CHECK (length(piece) BETWEEN 1 AND 524288)
) STRICT;
CREATE INDEX history_of_room ON history (certificate, room, position);
