-- Version 4: sets of labeling functions.

CREATE TABLE function_set (
    digest     BLOB PRIMARY KEY,       -- of the manifest
    project    TEXT NOT NULL,
    name       TEXT NOT NULL,
    manifest   BLOB NOT NULL,          -- exactly the signed bytes
    signature  BLOB NOT NULL,
    at_unix_s  INTEGER NOT NULL,
    number     INTEGER NOT NULL        -- ascends by publication
) STRICT;
