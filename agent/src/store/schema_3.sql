-- Secure aggregation: the sessions that this agent was asked to take part in, the keys of the other
-- sites, and the second cost of a masked release.

CREATE TABLE sessions (
  session BLOB PRIMARY KEY,           -- its id; the row stays for ever: a session is joined once
  occasion BLOB NOT NULL,             -- what the attempts at one sum have in common
  step INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  project TEXT NOT NULL,
  kind TEXT NOT NULL,
  definition BLOB,                    -- the order; until the session is over
  state TEXT NOT NULL,
  note TEXT NOT NULL DEFAULT '',
  journal BLOB,                       -- sealed; until the session is over
  shares BLOB,                        -- the list of shares, until the vector is masked
  release BLOB,                       -- the masked vector in the ledger
  window INTEGER,                     -- the statistics window that it closed
  ordered_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_occasion ON sessions (occasion, step, attempt);
CREATE INDEX sessions_open ON sessions (ordered_at) WHERE definition IS NOT NULL;

CREATE TABLE peers (
  site TEXT NOT NULL,
  agent TEXT NOT NULL,
  verify_key BLOB NOT NULL,
  state TEXT NOT NULL,                -- first-use, changed, approved
  first_seen INTEGER NOT NULL,
  PRIMARY KEY (site, agent, verify_key)
) STRICT, WITHOUT ROWID;

-- An ordinary release has all its noise of its own: both costs are one.
ALTER TABLE ledger ADD COLUMN nano_rho_local INTEGER NOT NULL DEFAULT 0;
UPDATE ledger SET nano_rho_local = nano_rho;
