ALTER TABLE room ADD COLUMN group_generation INTEGER NOT NULL DEFAULT 0; -- of the group whose records of state 0 there are (docs/group.md, GR-35)
