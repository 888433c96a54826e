-- Queues of the pipeline and of reviewers whose cost does not grow with what has piled up behind them.

-- Drafts of imports that can be placed: those of items that wait to be redacted are not passed over.
DROP INDEX items_offered;
CREATE INDEX items_offered ON items (project, item)
  WHERE offered IS NOT NULL AND stage <> 0 AND stage <> 7;

-- Synthetic items that have yet to be given the class that they were made for.
CREATE INDEX items_made ON items (project, item) WHERE stage = 1 AND made_for IS NOT NULL;

-- Unlabeled items by whose draft they have, so that another model's are found.
CREATE INDEX items_drafted ON items (project, bundle, item)
  WHERE stage IN (2, 3, 5) AND lasting = 0 AND reader IS NULL;

-- The hold-out set, which is counted.
CREATE INDEX items_holdout ON items (project) WHERE holdout = 1 AND generator IS NULL;

-- What waits for a reviewer is looked for among the items that others labeled first.
UPDATE items SET reader =
  (SELECT a.person FROM annotations a WHERE a.item = items.item AND a.verdict = 0
   ORDER BY a.annotation LIMIT 1)
  WHERE stage = 8 AND reader IS NULL;
DROP INDEX items_review;
CREATE INDEX items_review ON items (project, review, reader, wanted, item)
  WHERE stage = 8 AND generator IS NULL;

-- A stage of review that was set up where another one was: answers up to this one are not for it.
ALTER TABLE review_stages ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
