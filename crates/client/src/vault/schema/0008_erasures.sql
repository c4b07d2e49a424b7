-- Statements that were erased (docs/session.md, SE-51), each with the index of the erasure: no content of theirs comes in again.
CREATE TABLE erased (
    room INTEGER NOT NULL, idx INTEGER NOT NULL, by_idx INTEGER NOT NULL, PRIMARY KEY (room, idx)
) STRICT, WITHOUT ROWID;
