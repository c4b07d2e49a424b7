-- What entries said that was erased (docs/session.md, SE-50): nothing of it comes in again, by a device that kept it either.
CREATE TABLE erased (
    room_no INTEGER NOT NULL,
    idx     INTEGER NOT NULL,
    by_idx  INTEGER NOT NULL CHECK (by_idx > idx),
    PRIMARY KEY (room_no, idx),
    FOREIGN KEY (room_no, idx) REFERENCES entries (room_no, idx),
    FOREIGN KEY (room_no, by_idx) REFERENCES entries (room_no, idx)
) STRICT, WITHOUT ROWID;
-- Pieces that have something of it, until it is taken out of them.
CREATE TABLE history_erased (
    position INTEGER PRIMARY KEY NOT NULL REFERENCES history (position)
) STRICT;
-- Which pieces are about an entry.
CREATE INDEX history_by_entry ON history (room, first, past);
