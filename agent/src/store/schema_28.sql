-- What was charged for items before the window that counts them now: a window that a session's failure
-- opened again hands it on, so that the limit of a window is on both.
CREATE TABLE inherited (
  project  TEXT NOT NULL,
  window   INTEGER NOT NULL,
  nano_rho INTEGER NOT NULL, -- of the window that cost most
  PRIMARY KEY (project, window)
) STRICT, WITHOUT ROWID;
