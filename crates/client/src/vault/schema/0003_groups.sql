-- What MLS groups are made of (docs/group.md, GR-16); room 0 has the records of key packages. Records of state 1 take the place of
-- those of state 0 once the external commit that they come from is in the log.
CREATE TABLE group_record (
    room INTEGER NOT NULL, state INTEGER NOT NULL, item BLOB NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (room, state, item)
) STRICT;
ALTER TABLE room ADD COLUMN group_version INTEGER NOT NULL DEFAULT 0; -- changes with the records
