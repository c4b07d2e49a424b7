CREATE TABLE directory (
    id INTEGER PRIMARY KEY CHECK (id = 1), size INTEGER NOT NULL,
    sealed BLOB NOT NULL                   -- the verified checkpoint of "size" leaves
) STRICT;
CREATE TABLE directory_hashes (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE TABLE directory_leaf (idx INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT;
