-- Synthetic items: made, not observed. People judge them beside real ones in a queue of their own,
-- and no window may take one.

ALTER TABLE items ADD COLUMN
  generator TEXT                      -- what made it, '' where nobody says; NULL: it is real
  CHECK (generator IS NULL OR (drift_window IS NULL AND label_window IS NULL));

DROP INDEX items_drift;
DROP INDEX items_label;
CREATE INDEX items_drift ON items (project, item)
  WHERE drift_window IS NULL AND generator IS NULL;
CREATE INDEX items_label ON items (project, stage, item)
  WHERE label_window IS NULL AND generator IS NULL;
CREATE INDEX items_real ON items (project, stage, item) WHERE generator IS NULL;
CREATE INDEX items_synthetic ON items (project, item) WHERE generator IS NOT NULL;
CREATE INDEX annotations_validation ON annotations (item) WHERE reading = 4;
