-- A keyed hash of each value that an item was imported with: a known id that comes with other content is told
-- from one that comes again. Unknown (NULL) of items from before.
ALTER TABLE items ADD COLUMN fingerprint BLOB;

-- Folders in which snapshots are being written, or were when their export was killed.
CREATE TABLE exports (
  folder TEXT PRIMARY KEY,
  project INTEGER NOT NULL REFERENCES projects
) STRICT, WITHOUT ROWID;

-- Corrections that were kept and could not be taken say why, to whoever sends them again.
ALTER TABLE corrections ADD COLUMN fault TEXT;  -- nothing of an item
