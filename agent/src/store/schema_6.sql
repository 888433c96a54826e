-- Corrections that a site's applications send, each perhaps before its item has a prelabel to
-- answer. They stay after they were taken: the same one may be sent again.

CREATE TABLE corrections (
  correction INTEGER PRIMARY KEY,
  person INTEGER NOT NULL REFERENCES people,
  key TEXT NOT NULL,                  -- chosen by the application
  item INTEGER NOT NULL REFERENCES items,
  received_at INTEGER NOT NULL,
  taken_at INTEGER,                   -- when it became an annotation, or was found to be none
  body BLOB NOT NULL,                 -- sealed
  UNIQUE (person, key)
) STRICT;
CREATE INDEX corrections_waiting ON corrections (correction) WHERE taken_at IS NULL;
