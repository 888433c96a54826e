-- Label Studio: what it said, kept from the moment it is acknowledged; which item each of its tasks
-- is; and how far each of its annotations has come.

CREATE TABLE studio_events (
  event INTEGER PRIMARY KEY,          -- ascends by arrival
  project INTEGER NOT NULL REFERENCES projects,
  name TEXT NOT NULL,                 -- what it is about and of when: the same one is the same event
  item INTEGER REFERENCES items,      -- once its task is known
  received_at INTEGER NOT NULL,
  body BLOB,                          -- sealed; until it is taken
  taken_at INTEGER,
  fault TEXT,                         -- why it could not be taken; nothing of an item
  UNIQUE (project, name)
) STRICT;
CREATE INDEX studio_events_waiting ON studio_events (project, event) WHERE taken_at IS NULL;
CREATE INDEX studio_events_faulty ON studio_events (project, event) WHERE fault IS NOT NULL;

CREATE TABLE studio_tasks (
  project INTEGER NOT NULL REFERENCES projects,
  task INTEGER NOT NULL,              -- Label Studio's number
  item INTEGER NOT NULL REFERENCES items,
  brought BLOB,                       -- maker of the draft that it has from us
  PRIMARY KEY (project, task)
) STRICT, WITHOUT ROWID;

CREATE TABLE studio_annotations (
  project INTEGER NOT NULL REFERENCES projects,
  annotation INTEGER NOT NULL,        -- Label Studio's number
  task INTEGER,
  version INTEGER NOT NULL DEFAULT 0, -- its updated_at, Unix microseconds
  item INTEGER REFERENCES items,
  person INTEGER REFERENCES people,   -- who it became an annotation of
  key TEXT,                           -- and under which key
  deleted INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (project, annotation)
) STRICT, WITHOUT ROWID;
CREATE INDEX studio_annotations_task ON studio_annotations (project, task);
