-- Contents that another device of this user has opened, of entries that this one has not (docs/group.md, GR-29).
CREATE TABLE history (
    room INTEGER NOT NULL, idx INTEGER NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (room, idx)
) STRICT;
ALTER TABLE room ADD COLUMN history_end INTEGER NOT NULL DEFAULT 0; -- what this device opened of the entries before it is handed in
ALTER TABLE room ADD COLUMN history_put INTEGER NOT NULL DEFAULT 0; -- where the last piece that was handed in ends
ALTER TABLE room ADD COLUMN history_read INTEGER NOT NULL DEFAULT 0; -- position of the last piece read
-- History keys (GR-26): those of this device, which no giver gave, each with a SHA-256 over the devices of its user that were known to be revoked then; and
-- those that another device gave, by its certificate's hash.
CREATE TABLE history_key (
    no INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, giver BLOB, revoked BLOB NOT NULL, sealed BLOB NOT NULL
) STRICT;
