-- A keyed hash of each value that an item was imported with: a known id that comes with other content is told
-- from one that comes again. Unknown (NULL) of items from before.
ALTER TABLE items ADD COLUMN fingerprint BLOB;

-- Folders in which snapshots are being written, or were when their export was killed.
CREATE TABLE exports (
  folder TEXT PRIMARY KEY,
  project INTEGER NOT NULL REFERENCES projects
) STRICT, WITHOUT ROWID;
