-- Every column is of this schema's version: a migration rewrites the rows it changes. Opaque bytes
-- (checkpoints, frontiers, statements, OPAQUE records) carry the version that their own format gives them.
-- Hashes are 32 bytes, times unix milliseconds.

CREATE TABLE settings (
    name  TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE invites (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    role       INTEGER NOT NULL,
    user_name  TEXT,
    email      TEXT,
    uses       INTEGER NOT NULL,
    uses_left  INTEGER NOT NULL CHECK (uses_left BETWEEN 0 AND uses),
    expires_ms INTEGER NOT NULL,
    created_by TEXT,
    created_ms INTEGER NOT NULL,
    revoked    INTEGER NOT NULL DEFAULT 0 CHECK (revoked IN (0, 1))
) STRICT;

CREATE TABLE accounts (
    user_name     TEXT PRIMARY KEY NOT NULL,
    email         TEXT UNIQUE,
    role          INTEGER NOT NULL,
    enabled       INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    opaque_record BLOB NOT NULL,
    created_ms    INTEGER NOT NULL
) STRICT;

CREATE TABLE directory_entries (
    idx       INTEGER PRIMARY KEY CHECK (idx >= 0),
    leaf      BLOB NOT NULL,
    leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32)
) STRICT;

CREATE TABLE directory_head (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    size       INTEGER NOT NULL,
    frontier   BLOB NOT NULL,
    checkpoint BLOB NOT NULL
) STRICT;
INSERT INTO directory_head (one, size, frontier, checkpoint) VALUES (1, 0, x'', x'');

CREATE TABLE certificates (
    hash        BLOB PRIMARY KEY NOT NULL CHECK (length(hash) = 32),
    chain       BLOB NOT NULL,
    issued_idx  INTEGER NOT NULL REFERENCES directory_entries (idx),
    revoked_idx INTEGER REFERENCES directory_entries (idx),
    revoked_ms  INTEGER,
    CHECK ((revoked_idx IS NULL) = (revoked_ms IS NULL))
) STRICT;
CREATE INDEX certificates_revoked ON certificates (revoked_idx) WHERE revoked_idx IS NOT NULL;

CREATE TABLE devices (
    certificate BLOB PRIMARY KEY NOT NULL REFERENCES certificates (hash),
    user_name   TEXT NOT NULL REFERENCES accounts (user_name),
    name        TEXT NOT NULL,
    key         BLOB NOT NULL CHECK (length(key) = 32),
    issued_ms   INTEGER NOT NULL,
    vouching    BLOB,
    active      INTEGER NOT NULL CHECK (active IN (0, 1))
) STRICT;
CREATE INDEX devices_of_user ON devices (user_name);
CREATE UNIQUE INDEX devices_active_name ON devices (user_name, name) WHERE active = 1;

CREATE TABLE device_links (
    token_hash  BLOB PRIMARY KEY NOT NULL CHECK (length(token_hash) = 32),
    user_name   TEXT NOT NULL REFERENCES accounts (user_name),
    created_by  BLOB NOT NULL REFERENCES devices (certificate),
    created_ms  INTEGER NOT NULL,
    expires_ms  INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    device_name TEXT,
    request     BLOB,
    vouching    BLOB,
    approved_by BLOB REFERENCES devices (certificate),
    certificate BLOB REFERENCES devices (certificate)
) STRICT;
CREATE INDEX device_links_of_user ON device_links (user_name);

CREATE TABLE rooms (
    no         INTEGER PRIMARY KEY AUTOINCREMENT,
    id         BLOB NOT NULL UNIQUE CHECK (length(id) = 32),
    name       TEXT,
    mode       INTEGER NOT NULL,
    suite      INTEGER NOT NULL,
    direct     BLOB UNIQUE CHECK (length(direct) = 32),
    created_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX rooms_by_name ON rooms (name) WHERE name IS NOT NULL;

CREATE TABLE room_heads (
    room_no    INTEGER PRIMARY KEY REFERENCES rooms (no),
    size       INTEGER NOT NULL,
    epoch      INTEGER NOT NULL,
    frontier   BLOB NOT NULL,
    checkpoint BLOB NOT NULL
) STRICT;

-- Large and written in order of arrival, whatever the room: pages fill up from the right.
CREATE TABLE bodies (
    id         INTEGER PRIMARY KEY,
    statement  BLOB NOT NULL,
    ciphertext BLOB
) STRICT;

-- Narrow and clustered by room: places, sequence numbers and leaf hashes are read without touching bodies.
CREATE TABLE entries (
    room_no     INTEGER NOT NULL REFERENCES rooms (no),
    idx         INTEGER NOT NULL CHECK (idx >= 0),
    kind        INTEGER NOT NULL,
    sender      BLOB NOT NULL CHECK (length(sender) = 32),
    seq         INTEGER NOT NULL,
    leaf_hash   BLOB NOT NULL CHECK (length(leaf_hash) = 32),
    received_ms INTEGER NOT NULL,
    body        INTEGER NOT NULL,
    PRIMARY KEY (room_no, idx),
    UNIQUE (room_no, sender, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE room_senders (
    room_no  INTEGER NOT NULL REFERENCES rooms (no),
    sender   BLOB NOT NULL REFERENCES certificates (hash),
    last_seq INTEGER NOT NULL,
    PRIMARY KEY (room_no, sender)
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
    room_no     INTEGER NOT NULL REFERENCES rooms (no),
    certificate BLOB NOT NULL REFERENCES devices (certificate),
    from_idx    INTEGER NOT NULL,
    to_idx      INTEGER CHECK (to_idx > from_idx),
    PRIMARY KEY (room_no, certificate, from_idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_certificate ON members (certificate, room_no);
CREATE UNIQUE INDEX members_now ON members (room_no, certificate) WHERE to_idx IS NULL;

CREATE TABLE receipts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    room_no     INTEGER NOT NULL REFERENCES rooms (no),
    device      BLOB NOT NULL REFERENCES devices (certificate),
    level       INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    receipt     BLOB NOT NULL,
    cosignature BLOB NOT NULL,
    received_ms INTEGER NOT NULL,
    UNIQUE (room_no, device, level, size)
) STRICT;
CREATE INDEX receipts_of_room ON receipts (room_no, id);

CREATE TABLE final_refusals (
    room_no        INTEGER NOT NULL REFERENCES rooms (no),
    device         BLOB NOT NULL REFERENCES devices (certificate),
    seq            INTEGER NOT NULL,
    statement_hash BLOB NOT NULL CHECK (length(statement_hash) = 32),
    refusal        BLOB NOT NULL,
    PRIMARY KEY (room_no, device, seq, statement_hash)
) STRICT;

CREATE TABLE equivocations (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    room_no  INTEGER NOT NULL REFERENCES rooms (no),
    device   BLOB NOT NULL REFERENCES devices (certificate),
    seq      INTEGER NOT NULL,
    first    BLOB NOT NULL,
    second   BLOB NOT NULL,
    found_ms INTEGER NOT NULL,
    UNIQUE (room_no, device, seq)
) STRICT;
