-- Messages whose files are not all with the server yet (docs/group.md, GR-25): content that has no number so far.
CREATE TABLE upload (
    id INTEGER PRIMARY KEY, room INTEGER NOT NULL, sealed BLOB NOT NULL
) STRICT;
