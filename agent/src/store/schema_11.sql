-- A head of the site's own beside the bundle's. It never leaves, and nothing that leaves depends on
-- it: where it made a prelabel, the bundle's own is kept beside that for the statistics.

CREATE TABLE personal_heads (
  project INTEGER PRIMARY KEY REFERENCES projects,
  bundle BLOB NOT NULL,               -- whose head it is mixed with
  maker BLOB NOT NULL,                -- what its prelabels name: the bundle when it does not serve
  labels INTEGER NOT NULL,            -- of the project when it was fitted
  head BLOB NOT NULL                  -- sealed
) STRICT;

ALTER TABLE items ADD COLUMN of_bundle BLOB;  -- sealed: the bundle's prelabel, where another serves
