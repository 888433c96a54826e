-- Version 3: how a run treats updates, buffers of asynchronous runs, canaries, MLflow.

ALTER TABLE run ADD COLUMN optimiser TEXT;      -- null: the project's momentum
ALTER TABLE run ADD COLUMN learning_rate REAL;  -- null: the project's
ALTER TABLE run ADD COLUMN aggregation TEXT NOT NULL DEFAULT 'mean';   -- mean, median, …
ALTER TABLE run ADD COLUMN coarse INTEGER NOT NULL DEFAULT 0;          -- 1: one byte a coordinate
ALTER TABLE run ADD COLUMN norm_max_milli INTEGER;                     -- thousandths; null: any
ALTER TABLE run ADD COLUMN buffer INTEGER;                             -- updates a step; null: rounds
ALTER TABLE run ADD COLUMN staleness_max INTEGER;                      -- steps; null: rounds

-- What a closed round's updates came to, i64 little-endian, and by what that is divided: a run is
-- replayed from these. Null: the round was closed by an older program, and is added up again.
ALTER TABLE round ADD COLUMN total BLOB;
ALTER TABLE round ADD COLUMN parts INTEGER;

-- The updates of an asynchronous run: each at the head of one step, and in the buffer of one.
CREATE TABLE buffered (
    run     BLOB NOT NULL REFERENCES run (id),
    version INTEGER NOT NULL,          -- the step at whose head it was computed
    site    TEXT NOT NULL REFERENCES site (name),
    step    INTEGER NOT NULL,          -- the step that it counts in
    PRIMARY KEY (run, version, site),
    UNIQUE (run, step, site)
) STRICT;

-- A publication goes to every site, or to a share of them first.
ALTER TABLE publication ADD COLUMN stage TEXT NOT NULL DEFAULT 'everywhere'; -- or canary
ALTER TABLE publication ADD COLUMN reason TEXT NOT NULL DEFAULT '';    -- why it was withdrawn
ALTER TABLE publication ADD COLUMN looked INTEGER NOT NULL DEFAULT 0;  -- statistics at the last look

CREATE TABLE canary_site (
    project TEXT NOT NULL,
    number  INTEGER NOT NULL,          -- of the publication
    site    TEXT NOT NULL REFERENCES site (name),
    PRIMARY KEY (project, number, site)
) STRICT;

-- What the team's MLflow knows. A publication without a version there waits for it.
CREATE TABLE registration (
    project TEXT NOT NULL,
    number  INTEGER NOT NULL,          -- of the publication
    version TEXT,                      -- of the model there
    failure TEXT NOT NULL,             -- of the last attempt, for people
    PRIMARY KEY (project, number)
) STRICT;

CREATE TABLE registration_alias (
    project TEXT NOT NULL,
    alias   TEXT NOT NULL,
    number  INTEGER NOT NULL,          -- of the publication that it points to there
    PRIMARY KEY (project, alias)
) STRICT;
