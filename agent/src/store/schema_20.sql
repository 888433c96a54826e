-- Counts and queues whose cost does not grow with what has piled up behind them.

-- Real items by stage: pages ask for these counts again and again.
CREATE TABLE stages (
  project INTEGER NOT NULL REFERENCES projects,
  stage INTEGER NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (project, stage)
) STRICT, WITHOUT ROWID;
INSERT INTO stages
  SELECT project, stage, count(*) FROM items WHERE generator IS NULL GROUP BY project, stage;
CREATE TRIGGER stages_added AFTER INSERT ON items WHEN NEW.generator IS NULL BEGIN
  INSERT INTO stages VALUES (NEW.project, NEW.stage, 1)
    ON CONFLICT (project, stage) DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER stages_moved AFTER UPDATE OF stage ON items
WHEN NEW.generator IS NULL AND NEW.stage <> OLD.stage BEGIN
  UPDATE stages SET number = number - 1 WHERE project = OLD.project AND stage = OLD.stage;
  INSERT INTO stages VALUES (NEW.project, NEW.stage, 1)
    ON CONFLICT (project, stage) DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER stages_removed AFTER DELETE ON items WHEN OLD.generator IS NULL BEGIN
  UPDATE stages SET number = number - 1 WHERE project = OLD.project AND stage = OLD.stage;
END;

-- Who labeled an item first: what waits for a second reader is looked for among the others' items.
ALTER TABLE items ADD COLUMN reader INTEGER REFERENCES people;
UPDATE items SET reader =
  (SELECT a.person FROM annotations a WHERE a.item = items.item AND a.verdict = 0
   ORDER BY a.annotation LIMIT 1)
  WHERE stage = 4;
CREATE INDEX items_second ON items (project, reader, wanted, item)
  WHERE stage = 4 AND generator IS NULL;
CREATE TRIGGER reader_first AFTER INSERT ON annotations WHEN NEW.verdict = 0 BEGIN
  UPDATE items SET reader = NEW.person WHERE item = NEW.item AND reader IS NULL;
END;
CREATE TRIGGER reader_gone AFTER DELETE ON annotations WHEN OLD.verdict = 0 BEGIN
  UPDATE items SET reader =
    (SELECT a.person FROM annotations a WHERE a.item = OLD.item AND a.verdict = 0
     ORDER BY a.annotation LIMIT 1)
    WHERE item = OLD.item;
END;
