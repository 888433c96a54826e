-- The audit log: who saw, said, decided, exported, revealed and erased what. Each row's hash is over the
-- row before it and its own columns; the agent signs the hash of some of them. No content, no label.

CREATE TABLE trail (
  sequence INTEGER PRIMARY KEY,       -- from 1, without gaps
  at INTEGER NOT NULL,
  role TEXT NOT NULL,                 -- of who did it: a person's, operator, or agent
  who TEXT NOT NULL,                  -- a person's name, or that of an operator's account
  what TEXT NOT NULL,
  project TEXT,
  item BLOB,                          -- its name outside the store
  subject BLOB,                       -- keyed hash; where a subject is what it is about
  detail TEXT NOT NULL,               -- JSON, or nothing
  chain BLOB NOT NULL                 -- hash of all that up to here
) STRICT;
CREATE INDEX trail_item ON trail (item) WHERE item IS NOT NULL;
CREATE INDEX trail_subject ON trail (subject) WHERE subject IS NOT NULL;

CREATE TABLE trail_checkpoints (
  sequence INTEGER PRIMARY KEY,       -- of the row that it signs
  at INTEGER NOT NULL,
  chain BLOB NOT NULL,                -- of that row, which may be cut off
  signature BLOB NOT NULL
) STRICT;

ALTER TABLE items ADD COLUMN imported INTEGER;  -- the row of the audit log that is about its import
