-- Safety codes that were compared, of each user the newest last; what came before stays.
CREATE TABLE comparison (user BLOB NOT NULL, number INTEGER NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (user, number)) STRICT, WITHOUT ROWID;
