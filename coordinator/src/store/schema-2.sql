-- Version 2: secure aggregation.

-- The key with which an agent signs for secure aggregation, as it last made it known.
CREATE TABLE announced_key (
    site       TEXT NOT NULL REFERENCES site (name),
    agent      TEXT NOT NULL,
    verify_key BLOB NOT NULL,
    at_unix_s  INTEGER NOT NULL,
    PRIMARY KEY (site, agent)
) STRICT;

-- One attempt at one sum. The masked vectors are releases; all other messages are events.
CREATE TABLE session (
    id            BLOB PRIMARY KEY,
    occasion      BLOB NOT NULL,       -- run or collection id
    step          INTEGER NOT NULL,    -- round; 0 for a collection
    attempt       INTEGER NOT NULL,
    session_order BLOB NOT NULL,       -- postcard, insitu_protocol::session::SessionOrder
    opened_unix_s INTEGER NOT NULL,
    gives_up_unix_s INTEGER NOT NULL,  -- with too few sites at a stage
    due_unix_s    INTEGER NOT NULL,    -- when time alone changes something next
    state         TEXT NOT NULL,       -- open, summed, abandoned
    reason        TEXT NOT NULL,       -- why it was abandoned, for people
    UNIQUE (occasion, step, attempt)
) STRICT;

-- What happened in a session, in order; gone when it is over.
CREATE TABLE session_event (
    session  BLOB NOT NULL REFERENCES session (id),
    number   INTEGER NOT NULL,
    stage    INTEGER NOT NULL,
    position INTEGER,                  -- the site that sent; null: the stage was closed
    body     BLOB,                     -- null for a masked vector, which is a release
    PRIMARY KEY (session, number)
) STRICT;

CREATE TABLE session_sum (
    session  BLOB PRIMARY KEY REFERENCES session (id),
    survived BLOB NOT NULL,            -- positions, a byte each
    digest   BLOB NOT NULL,            -- SHA-256 of the sum, as the sites know it
    sums     BLOB NOT NULL             -- i32 little-endian
) STRICT;

-- A joint collection of statistics.
CREATE TABLE collection (
    id              BLOB PRIMARY KEY,
    project         TEXT NOT NULL,
    project_version INTEGER NOT NULL,
    colluders       INTEGER,
    closes_in_s     INTEGER NOT NULL,
    started_unix_s  INTEGER NOT NULL,
    ended_unix_s    INTEGER,
    state           TEXT NOT NULL,     -- open, finished, abandoned
    reason          TEXT NOT NULL
) STRICT;

CREATE TABLE collection_site (
    collection BLOB NOT NULL REFERENCES collection (id),
    site       TEXT NOT NULL REFERENCES site (name),
    PRIMARY KEY (collection, site)
) STRICT;

ALTER TABLE run ADD COLUMN secure_aggregation TEXT NOT NULL DEFAULT 'off'; -- on, off, auto
ALTER TABLE run ADD COLUMN colluders INTEGER;
-- Whose noise is in a round's updates: together (once for all sites) or alone (each site's own).
ALTER TABLE round ADD COLUMN noise TEXT NOT NULL DEFAULT 'alone';
ALTER TABLE round ADD COLUMN noise_reason TEXT NOT NULL DEFAULT 'secure aggregation is off';
