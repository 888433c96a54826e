-- Auto-accept: which items are an audit of it, and what the classes of each bundle have earned.

ALTER TABLE items ADD COLUMN audit INTEGER NOT NULL DEFAULT 0;
-- 1: sure enough to be accepted, and read blind as an audit instead; 2: not chosen for that, so that
-- what is earned decides: no window and no lesson takes it
CREATE INDEX items_audit ON items (project, bundle, item) WHERE audit = 1;

CREATE TABLE acceptance (
  project INTEGER NOT NULL REFERENCES projects,
  bundle BLOB NOT NULL,               -- that makes the prelabels
  class INTEGER NOT NULL,             -- that they name
  tests INTEGER NOT NULL,             -- used up: each may fail with a part of what is allowed
  threshold INTEGER,                  -- thousandths; NULL: nothing is earned
  audited INTEGER NOT NULL,           -- items of at least the threshold, or of all, that were audited
  errors INTEGER NOT NULL,            -- of them
  bound REAL NOT NULL,                -- exact upper bound on their share
  off_at INTEGER,                     -- when it was switched off
  PRIMARY KEY (project, bundle, class)
) STRICT, WITHOUT ROWID;
