-- The ledger's own evidence: its end after each transaction, signed; and what a lost ledger had
-- charged, which stays spent.

CREATE TABLE checkpoints (
  sequence INTEGER PRIMARY KEY REFERENCES ledger,
  nano_rho INTEGER NOT NULL,          -- everything charged up to here
  charged_at INTEGER NOT NULL,
  signature BLOB NOT NULL
) STRICT;

CREATE TABLE losses (
  loss INTEGER PRIMARY KEY,
  found_at INTEGER NOT NULL,
  nano_rho INTEGER NOT NULL
) STRICT;
