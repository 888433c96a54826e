-- Redaction: items that could not be redacted, what surrogates stand for, and who has asked.

ALTER TABLE items ADD COLUMN quarantine TEXT;  -- why the item could not be redacted

CREATE TABLE vault (
  surrogate BLOB NOT NULL,            -- keyed hash of kind and surrogate
  original BLOB NOT NULL,             -- keyed hash of kind and original
  sealed BLOB NOT NULL,               -- the original
  PRIMARY KEY (surrogate, original)
) STRICT, WITHOUT ROWID;

CREATE TABLE reveals (
  reveal INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  person INTEGER NOT NULL REFERENCES people,
  kind TEXT NOT NULL,
  surrogate TEXT NOT NULL,
  reason TEXT NOT NULL,
  found INTEGER NOT NULL              -- originals that were shown
) STRICT;
