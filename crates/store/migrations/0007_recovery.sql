-- Records of recovery keys (docs/session.md, SE-41), sealed by what the server does not have. `token_hash` is SHA-256 of the token that opens it.
CREATE TABLE recoveries (
    certificate BLOB PRIMARY KEY NOT NULL REFERENCES devices (certificate),
    token_hash  BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    sealed      BLOB NOT NULL CHECK (length(sealed) BETWEEN 1 AND 32768)
) STRICT;
