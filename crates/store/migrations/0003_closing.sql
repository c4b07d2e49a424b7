-- The checkpoint of the entries up to the one that removed the device: what it may read of the log to its end.
ALTER TABLE members ADD COLUMN closing BLOB;
