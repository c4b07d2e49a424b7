-- No two users have names that look alike (docs/identity.md, ID-4): the skeleton of a name is unique.

ALTER TABLE accounts ADD COLUMN skeleton TEXT NOT NULL DEFAULT '';
UPDATE accounts SET skeleton =
    replace(replace(replace(replace(user_name, 'rn', 'm'), 'vv', 'w'), '0', 'o'), '1', 'l');
-- Two who raced past the check before there was this column keep their names: the later one's skeleton becomes one that
-- no name has.
UPDATE accounts SET skeleton = '=' || user_name
    WHERE rowid NOT IN (SELECT min(rowid) FROM accounts GROUP BY skeleton);
CREATE UNIQUE INDEX accounts_skeleton ON accounts (skeleton);
