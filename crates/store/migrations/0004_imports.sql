-- Users of an earlier system (docs/session.md, SE-27). While there is a row here, the account waits for its user: it has no OPAQUE record
-- of its own, and this one is over the hash of the password there. `imported_ms` stays on the account when the row goes.
ALTER TABLE accounts ADD COLUMN imported_ms INTEGER;
CREATE TABLE imports (
    user_name     TEXT PRIMARY KEY NOT NULL REFERENCES accounts (user_name),
    salt          BLOB NOT NULL CHECK (length(salt) BETWEEN 1 AND 64),
    opaque_record BLOB NOT NULL
) STRICT;
