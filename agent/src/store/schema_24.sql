-- Stages of review: whom a label goes through before it is final. An item of stage 8 waits for a
-- reviewer, and reading 6 is a reviewer's.

CREATE TABLE review_stages (
  project INTEGER NOT NULL REFERENCES projects,
  stage INTEGER NOT NULL,             -- 0 for the first
  role TEXT NOT NULL,                 -- who may review, and whoever may do all that this role may
  share INTEGER NOT NULL,             -- of the labels that come here, in thousandths
  classes BLOB NOT NULL,              -- whose labels come here, two bytes each; empty: of all
  PRIMARY KEY (project, stage)
) STRICT, WITHOUT ROWID;

ALTER TABLE items ADD COLUMN review INTEGER;        -- the stage of review that it waits for
ALTER TABLE annotations ADD COLUMN review INTEGER;  -- the stage of review that it answers
CREATE INDEX items_review ON items (project, review, wanted, item)
  WHERE stage = 8 AND generator IS NULL;
