-- What the server keeps of the keys of encrypted rooms (docs/session.md, section 9).

-- Key packages: of a device the one with the highest id is given first; one of last resort stays. `hash` is the package's SHA-256.
CREATE TABLE key_packages (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    certificate BLOB NOT NULL REFERENCES devices (certificate),
    last_resort INTEGER NOT NULL CHECK (last_resort IN (0, 1)),
    hash        BLOB NOT NULL CHECK (length(hash) = 32),
    package     BLOB NOT NULL CHECK (length(package) BETWEEN 1 AND 8192),
    UNIQUE (certificate, hash)
) STRICT;
CREATE INDEX key_packages_by_age ON key_packages (certificate, last_resort, id);
CREATE UNIQUE INDEX key_packages_last_resort ON key_packages (certificate) WHERE last_resort = 1;

-- Blobs: pending while no entry names them, then the room's at the entry's index. `held` counts bytes from the start on.
CREATE TABLE blobs (
    no         INTEGER PRIMARY KEY,
    owner      BLOB NOT NULL REFERENCES devices (certificate),
    hash       BLOB NOT NULL CHECK (length(hash) = 32),
    size       INTEGER NOT NULL CHECK (size > 0),
    held       INTEGER NOT NULL CHECK (held BETWEEN 0 AND size),
    created_ms INTEGER NOT NULL,
    room_no    INTEGER,
    idx        INTEGER,
    CHECK ((room_no IS NULL) = (idx IS NULL)),
    CHECK (room_no IS NULL OR held = size),
    FOREIGN KEY (room_no, idx) REFERENCES entries (room_no, idx) DEFERRABLE INITIALLY DEFERRED
) STRICT;
CREATE UNIQUE INDEX blobs_pending ON blobs (owner, hash, size) WHERE room_no IS NULL;
CREATE INDEX blobs_pending_by_age ON blobs (created_ms) WHERE room_no IS NULL;
CREATE INDEX blobs_of_room ON blobs (room_no, hash, idx) WHERE room_no IS NOT NULL;
-- Each entry that comes is looked up here, by the foreign key.
CREATE INDEX blobs_of_entry ON blobs (room_no, idx) WHERE room_no IS NOT NULL;

CREATE TABLE blob_pieces (
    blob_no INTEGER NOT NULL REFERENCES blobs (no) ON DELETE CASCADE,
    piece   INTEGER NOT NULL CHECK (piece >= 0),
    bytes   BLOB NOT NULL,
    PRIMARY KEY (blob_no, piece)
) STRICT;
