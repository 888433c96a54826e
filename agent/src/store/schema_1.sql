-- Content, prelabels and annotations are sealed: AEAD with table, row and column as associated
-- data. Subjects and source ids are keyed hashes. Times are Unix seconds.

CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE projects (
  project INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  version INTEGER NOT NULL,
  definition BLOB NOT NULL,
  bundle BLOB,                        -- the one in use
  window INTEGER NOT NULL,            -- the open statistics window, from 1
  window_opened_at INTEGER NOT NULL
) STRICT;

CREATE TABLE items (
  item INTEGER PRIMARY KEY,
  opaque BLOB NOT NULL UNIQUE,        -- its name outside the store: 16 random bytes
  project INTEGER NOT NULL REFERENCES projects,
  source BLOB NOT NULL,               -- keyed hash of the site's own id
  subject BLOB NOT NULL,              -- keyed hash
  holdout INTEGER NOT NULL,
  stage INTEGER NOT NULL,
  raw BLOB,                           -- sealed; until it is redacted
  clean BLOB,                         -- sealed
  prelabel BLOB,                      -- sealed
  bundle BLOB,                        -- that made the prelabel
  route INTEGER,
  second INTEGER NOT NULL DEFAULT 0,  -- 1: a second person reads it blind
  drift_window INTEGER,               -- the window that counted it as imported
  label_window INTEGER,               -- the window that counted its labels
  UNIQUE (project, source)
) STRICT;
CREATE INDEX items_stage ON items (project, stage, item);
CREATE INDEX items_drift ON items (project, item) WHERE drift_window IS NULL;
CREATE INDEX items_label ON items (project, stage, item) WHERE label_window IS NULL;

CREATE TABLE people (
  person INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL,
  token BLOB NOT NULL UNIQUE,         -- hash of the bearer token
  added_at INTEGER NOT NULL
) STRICT;

CREATE TABLE leases (
  item INTEGER PRIMARY KEY REFERENCES items,
  person INTEGER NOT NULL REFERENCES people,
  reading INTEGER NOT NULL,
  campaign BLOB,
  until INTEGER NOT NULL
) STRICT;
CREATE INDEX leases_until ON leases (until);

CREATE TABLE annotations (
  annotation INTEGER PRIMARY KEY,
  person INTEGER NOT NULL REFERENCES people,
  key TEXT NOT NULL,                  -- chosen by the client: the same one is the same annotation
  item INTEGER NOT NULL REFERENCES items,
  reading INTEGER NOT NULL,
  campaign BLOB,
  made_at INTEGER NOT NULL,
  verdict INTEGER NOT NULL,           -- 0 label, 1 skip, 2 flag
  label BLOB NOT NULL,                -- sealed
  UNIQUE (person, key)
) STRICT;
CREATE INDEX annotations_item ON annotations (item, annotation);

CREATE TABLE bundles (
  bundle BLOB PRIMARY KEY,            -- digest of the manifest
  project TEXT NOT NULL,
  manifest BLOB NOT NULL,
  signature BLOB NOT NULL,
  backbone BLOB NOT NULL,
  state TEXT NOT NULL,
  note TEXT NOT NULL DEFAULT '',
  number INTEGER NOT NULL             -- of the order
) STRICT;

CREATE TABLE rounds (
  run BLOB NOT NULL,
  round INTEGER NOT NULL,
  definition BLOB NOT NULL,
  state TEXT NOT NULL,
  note TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (run, round)
) STRICT;

CREATE TABLE campaigns (
  campaign BLOB PRIMARY KEY,
  project INTEGER NOT NULL REFERENCES projects,
  definition BLOB NOT NULL,
  state TEXT NOT NULL,
  note TEXT NOT NULL DEFAULT '',
  number INTEGER NOT NULL
) STRICT;

CREATE TABLE campaign_items (
  campaign BLOB NOT NULL REFERENCES campaigns,
  item INTEGER NOT NULL REFERENCES items,
  PRIMARY KEY (campaign, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX campaign_items_item ON campaign_items (item);

CREATE TABLE approvals (
  kind TEXT NOT NULL,
  name BLOB NOT NULL,
  approved INTEGER NOT NULL,
  decided_at INTEGER NOT NULL,
  PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- Ledger and outbox are one table: what is charged is what is sent.
CREATE TABLE ledger (
  sequence INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  occasion TEXT NOT NULL UNIQUE,      -- what may be released once only
  project TEXT NOT NULL,
  kind TEXT NOT NULL,
  nano_rho INTEGER NOT NULL,
  charged_at INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  chain BLOB NOT NULL,
  origin BLOB NOT NULL,               -- sealed: what it was computed from
  attempts INTEGER NOT NULL DEFAULT 0,
  sent_at INTEGER,
  acknowledged_at INTEGER,
  refused TEXT
) STRICT;
CREATE INDEX ledger_charged ON ledger (charged_at);
CREATE INDEX ledger_queued ON ledger (sequence) WHERE acknowledged_at IS NULL AND refused IS NULL;
