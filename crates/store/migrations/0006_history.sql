-- What a user's devices keep for each other (docs/session.md, section 9): history keys, sealed by one of them for another, and pieces of history.

-- `keys` is how many of the giver's own are in the box; `sealed` is null once it was taken.
CREATE TABLE history_boxes (
    certificate BLOB NOT NULL REFERENCES devices (certificate),
    giver       BLOB NOT NULL REFERENCES devices (certificate),
    keys        INTEGER NOT NULL,
    sealed      BLOB CHECK (length(sealed) BETWEEN 1 AND 65536),
    PRIMARY KEY (certificate, giver)
) STRICT;
CREATE INDEX history_boxes_of_giver ON history_boxes (giver);

-- `bytes` is the size of the device's pieces together, each counted as 1 KiB at least.
CREATE TABLE history_devices (
    certificate BLOB PRIMARY KEY NOT NULL REFERENCES devices (certificate),
    bytes       INTEGER NOT NULL CHECK (bytes >= 0)
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
