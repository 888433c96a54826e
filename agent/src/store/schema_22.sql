-- Drafts that come with imports, and how sure a draft's maker is of each of its marks.

ALTER TABLE items ADD COLUMN offered BLOB;  -- sealed: a draft of an import, until it is placed
ALTER TABLE items ADD COLUMN scores BLOB;   -- sealed: of each mark; with the prelabel
CREATE INDEX items_offered ON items (project, item) WHERE offered IS NOT NULL;

-- A lease that its holder keeps working on is renewed, up to a limit from when it was given.
ALTER TABLE leases ADD COLUMN since INTEGER NOT NULL DEFAULT 0;

-- How often the drafts of a maker were right at this site, by how sure it said it was. It changes what
-- people are shown, and nothing else; it never leaves.
CREATE TABLE calibrations (
  project INTEGER PRIMARY KEY REFERENCES projects,
  maker BLOB NOT NULL,                -- of the drafts
  labels INTEGER NOT NULL,            -- of the project when it was fitted
  knots BLOB NOT NULL                 -- sealed
) STRICT;
