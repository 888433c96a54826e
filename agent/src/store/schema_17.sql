-- Labels that come with imports: what a person said of an item last is looked up for each of them.
CREATE INDEX corrections_item ON corrections (item, person, correction);

-- Files of watched folders, each imported once: what was seen of it, and what became of it.
CREATE TABLE watched (
  project INTEGER NOT NULL REFERENCES projects,
  name BLOB NOT NULL,                 -- keyed hash of its path in the folder
  shown BLOB NOT NULL,                -- the path, sealed: it may name a patient
  bytes INTEGER NOT NULL,             -- its size and time of change when it was looked at last
  changed_at INTEGER NOT NULL,        -- Unix nanoseconds
  content BLOB,                       -- hash of the content that was imported; none before
  read INTEGER NOT NULL DEFAULT 0,    -- records
  bad INTEGER NOT NULL DEFAULT 0,
  fault BLOB,                         -- why the import stopped, or its first bad records, sealed
  imported_at INTEGER,
  PRIMARY KEY (project, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX watched_content ON watched (project, content) WHERE content IS NOT NULL;
CREATE INDEX watched_bad ON watched (project, imported_at) WHERE fault IS NOT NULL;
