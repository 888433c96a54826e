-- Drafts that come with imports, and how sure a draft's maker is of each of its marks.

ALTER TABLE items ADD COLUMN offered BLOB;  -- sealed: a draft of an import, until it is placed
ALTER TABLE items ADD COLUMN scores BLOB;   -- sealed: of each mark; with the prelabel
CREATE INDEX items_offered ON items (project, item) WHERE offered IS NOT NULL;

-- A lease that its holder keeps working on is renewed, up to a limit from when it was given.
ALTER TABLE leases ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
