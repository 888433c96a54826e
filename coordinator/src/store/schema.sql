-- The coordinator's tables, version 1. Times are Unix seconds, truth values 0 or 1, digests and
-- hashes 32 bytes. Only this file is SQLite's own (STRICT, BLOB); the queries also run elsewhere.

-- Members. A site's agents hold certificates; revoking the site ends them all.
CREATE TABLE site (
    name           TEXT PRIMARY KEY,
    added_unix_s   INTEGER NOT NULL,
    revoked_unix_s INTEGER
) STRICT;

CREATE TABLE agent (
    site            TEXT NOT NULL REFERENCES site (name),
    name            TEXT NOT NULL,
    enrolled_unix_s INTEGER NOT NULL,
    seen_unix_s     INTEGER,
    facts           BLOB,              -- postcard, insitu_protocol::facts::DeviceFacts
    PRIMARY KEY (site, name)
) STRICT;

-- Every certificate issued, so that what is at large is known.
CREATE TABLE certificate (
    serial           TEXT PRIMARY KEY, -- hexadecimal
    site             TEXT NOT NULL REFERENCES site (name),
    agent            TEXT NOT NULL,
    issued_unix_s    INTEGER NOT NULL,
    not_after_unix_s INTEGER NOT NULL
) STRICT;

-- A one-time token. Only the hash of its secret is kept; `key` is the hash of the public key that
-- redeemed it, so that the same agent may ask again after a crash, and nobody else.
CREATE TABLE token (
    hash            BLOB PRIMARY KEY,
    site            TEXT NOT NULL REFERENCES site (name),
    made_unix_s     INTEGER NOT NULL,
    expires_unix_s  INTEGER NOT NULL,
    redeemed_unix_s INTEGER,
    agent           TEXT,
    key             BLOB
) STRICT;

-- What looked wrong, counted: one row for each agent and kind, however often it happens.
CREATE TABLE alert (
    site         TEXT NOT NULL,
    agent        TEXT NOT NULL,
    kind         TEXT NOT NULL,
    first_unix_s INTEGER NOT NULL,
    last_unix_s  INTEGER NOT NULL,
    times        INTEGER NOT NULL,
    PRIMARY KEY (site, agent, kind)
) STRICT;

-- Projects, every version: a release's shape is that of the version it names.
CREATE TABLE project (
    name           TEXT NOT NULL,
    version        INTEGER NOT NULL,
    created_unix_s INTEGER NOT NULL,
    definition     TEXT NOT NULL,      -- JSON, insitu_protocol::project::Project
    PRIMARY KEY (name, version)
) STRICT;

-- What each site is told, in order. A row only refers; the order's content is built when polled.
CREATE TABLE site_order (
    site      TEXT NOT NULL REFERENCES site (name),
    number    INTEGER NOT NULL,
    kind      TEXT NOT NULL,           -- project, bundle, round, campaign
    reference BLOB NOT NULL,           -- project name, manifest digest, run id, campaign id
    part      INTEGER NOT NULL,        -- project version, publication, round, 0
    PRIMARY KEY (site, number)
) STRICT;

-- Releases, exactly as they came, in each agent's chain.
CREATE TABLE release (
    site            TEXT NOT NULL,
    agent           TEXT NOT NULL,
    sequence        INTEGER NOT NULL,
    id              BLOB NOT NULL,     -- again under another agent that took over a chain
    chain           BLOB NOT NULL,     -- the chain's hash after this release
    project         TEXT NOT NULL,
    project_version INTEGER NOT NULL,
    kind            TEXT NOT NULL,
    subject         BLOB NOT NULL,     -- campaign or run id; empty for statistics
    part            INTEGER NOT NULL,  -- window or round; 0 for a campaign
    nano_rho        INTEGER NOT NULL,
    counted         INTEGER NOT NULL,  -- 0: late, repeated or unfit, kept for the chain alone
    received_unix_s INTEGER NOT NULL,
    bytes           BLOB NOT NULL,
    PRIMARY KEY (site, agent, sequence)
) STRICT;
CREATE INDEX release_by_id ON release (id);
CREATE INDEX release_by_content ON release (project, kind, subject, part, counted);

-- Federated training.
CREATE TABLE run (
    id              BLOB PRIMARY KEY,
    project         TEXT NOT NULL,
    project_version INTEGER NOT NULL,
    bundle          BLOB NOT NULL,     -- the bundle whose head the run starts from
    features        INTEGER NOT NULL,  -- columns of the head
    rounds          INTEGER NOT NULL,
    quorum          INTEGER NOT NULL,
    closes_in_s     INTEGER NOT NULL,
    round_nano_rho  INTEGER NOT NULL,
    started_unix_s  INTEGER NOT NULL,
    ended_unix_s    INTEGER,
    state           TEXT NOT NULL,     -- open, finished, abandoned
    reason          TEXT NOT NULL      -- why it was abandoned, for people
) STRICT;

CREATE TABLE run_site (
    run  BLOB NOT NULL REFERENCES run (id),
    site TEXT NOT NULL REFERENCES site (name),
    PRIMARY KEY (run, site)
) STRICT;

CREATE TABLE round (
    run           BLOB NOT NULL REFERENCES run (id),
    number        INTEGER NOT NULL,
    opened_unix_s INTEGER NOT NULL,
    closes_unix_s INTEGER NOT NULL,
    state         TEXT NOT NULL,       -- open, closed, abandoned
    head          BLOB NOT NULL,       -- where the gradient is taken, f32 little-endian
    bundle        BLOB,                -- the candidate, by manifest digest, once closed
    norm          REAL,                -- L2 norm of the mean gradient, once closed
    PRIMARY KEY (run, number)
) STRICT;

CREATE TABLE round_site (
    run    BLOB NOT NULL,
    number INTEGER NOT NULL,
    site   TEXT NOT NULL,
    PRIMARY KEY (run, number, site)    -- the sites whose updates were summed
) STRICT;

-- Models.
CREATE TABLE object (
    digest BLOB PRIMARY KEY,
    bytes  INTEGER NOT NULL
) STRICT;

CREATE TABLE bundle (
    digest         BLOB PRIMARY KEY,   -- of the manifest
    project        TEXT NOT NULL,
    parent         BLOB,
    created_unix_s INTEGER NOT NULL,
    manifest       BLOB NOT NULL,      -- exactly the bytes that are signed
    signature      BLOB                -- once published
) STRICT;

-- What was published for a project, newest last. A rollback withdraws the newest.
CREATE TABLE publication (
    project          TEXT NOT NULL,
    number           INTEGER NOT NULL,
    bundle           BLOB NOT NULL REFERENCES bundle (digest),
    at_unix_s        INTEGER NOT NULL,
    withdrawn_unix_s INTEGER,
    PRIMARY KEY (project, number)
) STRICT;

-- Accuracy that an operator measured elsewhere and attached by hand.
CREATE TABLE evaluation (
    bundle    BLOB NOT NULL REFERENCES bundle (digest),
    site      TEXT NOT NULL,
    accuracy  REAL NOT NULL,
    note      TEXT NOT NULL,
    at_unix_s INTEGER NOT NULL,
    PRIMARY KEY (bundle, site)
) STRICT;

-- Campaigns.
CREATE TABLE campaign (
    id             BLOB PRIMARY KEY,
    project        TEXT NOT NULL,
    created_unix_s INTEGER NOT NULL,
    state          TEXT NOT NULL,      -- open, closed, cancelled
    reason         TEXT NOT NULL,      -- why this slice, for people
    campaign_order BLOB NOT NULL       -- postcard, insitu_protocol::order::CampaignOrder
) STRICT;

CREATE TABLE campaign_site (
    campaign BLOB NOT NULL REFERENCES campaign (id),
    site     TEXT NOT NULL REFERENCES site (name),
    PRIMARY KEY (campaign, site)
) STRICT;
