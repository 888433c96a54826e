-- Gold: items with a known answer, by which readers are measured. Reading 5 answers one.

CREATE TABLE gold (
  item INTEGER PRIMARY KEY REFERENCES items,
  answer BLOB NOT NULL,               -- sealed: the class
  added_at INTEGER NOT NULL
) STRICT;
