-- Accounts: passwords, browsers that are signed in, and who people are at an identity provider.

CREATE TABLE passwords (
  person INTEGER PRIMARY KEY REFERENCES people,
  hash TEXT NOT NULL,                 -- argon2id, a PHC string
  set_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sign_ins (
  secret BLOB PRIMARY KEY,            -- hash of the cookie's value
  person INTEGER NOT NULL REFERENCES people,
  started_at INTEGER NOT NULL,
  seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_ins_person ON sign_ins (person, started_at);

CREATE TABLE identities (
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,              -- the provider's name for the person, which never changes
  person INTEGER NOT NULL REFERENCES people,
  PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
