-- What a draft's maker thinks of every class, where a draft came from that no model made, what people
-- shall be asked first, and labeling functions that the coordinator published.

ALTER TABLE items ADD COLUMN probabilities BLOB;  -- sealed: of each class; with the prelabel
ALTER TABLE items ADD COLUMN origin BLOB;         -- sealed; with the prelabel
ALTER TABLE items ADD COLUMN lasting INTEGER NOT NULL DEFAULT 0;  -- 1: no model replaces the draft
ALTER TABLE items ADD COLUMN
  made_for INTEGER                                -- the class that a synthetic item was made for
  CHECK (made_for IS NULL OR generator IS NOT NULL);
ALTER TABLE items ADD COLUMN wanted INTEGER;      -- place in the list of those that come first
CREATE INDEX items_wanted ON items (project, stage, wanted) WHERE wanted IS NOT NULL;

CREATE TABLE function_sets (
  digest BLOB PRIMARY KEY,            -- of the manifest
  project TEXT NOT NULL,
  name TEXT NOT NULL,
  object BLOB NOT NULL,               -- digest of the text, which is with the bundles' objects
  bytes INTEGER NOT NULL,
  signature BLOB NOT NULL,
  state TEXT NOT NULL,
  note TEXT NOT NULL DEFAULT '',
  number INTEGER NOT NULL             -- of the order
) STRICT;
