-- Version 5: federated evaluation, which promotion needs.

-- Two bundles compared on what sites hold out of training.
CREATE TABLE held_out_evaluation (
    id               BLOB PRIMARY KEY,
    project          TEXT NOT NULL,
    current          BLOB NOT NULL REFERENCES bundle (digest),
    candidate        BLOB NOT NULL REFERENCES bundle (digest),
    evaluation_order BLOB NOT NULL,    -- postcard, insitu_protocol::order::EvaluationOrder
    margin_milli     INTEGER NOT NULL, -- how much worse the candidate may be and still pass
    noise            TEXT NOT NULL,    -- together (once for all sites) or alone (each site's own)
    noise_reason     TEXT NOT NULL,
    colluders        INTEGER,
    closes_in_s      INTEGER NOT NULL,
    promotes         INTEGER NOT NULL, -- 1: the candidate is published when it passes
    started_unix_s   INTEGER NOT NULL,
    ended_unix_s     INTEGER,
    state            TEXT NOT NULL,    -- open, finished, abandoned
    reason           TEXT NOT NULL     -- why it was abandoned, for people
) STRICT;
CREATE INDEX held_out_evaluation_by_bundles ON held_out_evaluation (candidate, current);

CREATE TABLE held_out_evaluation_site (
    evaluation BLOB NOT NULL REFERENCES held_out_evaluation (id),
    site       TEXT NOT NULL REFERENCES site (name),
    PRIMARY KEY (evaluation, site)
) STRICT;

-- What becomes of a run's result: evaluated at this price, or published for a reason.
CREATE TABLE run_promotion (
    run          BLOB PRIMARY KEY REFERENCES run (id),
    nano_rho     INTEGER,              -- null: published without an evaluation
    margin_milli INTEGER,
    reason       TEXT                  -- why so
) STRICT;

-- Publications that no evaluation speaks for, and why they were made.
CREATE TABLE forced_publication (
    project TEXT NOT NULL,
    number  INTEGER NOT NULL,
    reason  TEXT NOT NULL,
    PRIMARY KEY (project, number)
) STRICT;
