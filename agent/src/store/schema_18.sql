-- Erasure: what is not to come back, which snapshots hold which items, and whose originals are in the
-- vault.

CREATE TABLE erased (
  hash BLOB NOT NULL,                 -- keyed: of a subject, or of the site's own id of an item
  project INTEGER NOT NULL,           -- 0: in all projects
  at INTEGER NOT NULL,
  PRIMARY KEY (hash, project)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshots (
  event INTEGER PRIMARY KEY,          -- the row of the audit log that is about it
  snapshot BLOB NOT NULL,             -- its hash
  project INTEGER NOT NULL REFERENCES projects,
  at INTEGER NOT NULL,
  folder TEXT NOT NULL,
  items BLOB NOT NULL                 -- ascending keys, each as its distance from the one before, LEB128
) STRICT;

CREATE TABLE vault_items (
  item INTEGER NOT NULL REFERENCES items,
  surrogate BLOB NOT NULL,
  original BLOB NOT NULL,
  PRIMARY KEY (item, surrogate, original)
) STRICT, WITHOUT ROWID;
CREATE INDEX vault_items_vault ON vault_items (surrogate, original);

-- No key of an item is given out again once it was erased.
CREATE TABLE item_floor (floor INTEGER NOT NULL) STRICT;
INSERT INTO item_floor (floor) VALUES (0);

CREATE INDEX studio_events_item ON studio_events (item) WHERE item IS NOT NULL;
CREATE INDEX studio_tasks_item ON studio_tasks (item);
CREATE INDEX studio_annotations_item ON studio_annotations (item) WHERE item IS NOT NULL;
CREATE INDEX items_subject ON items (subject);
