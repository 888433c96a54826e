-- Images and series, beside the items that they are of.

CREATE TABLE media (
  item INTEGER NOT NULL REFERENCES items (item) ON DELETE CASCADE,
  field TEXT NOT NULL,
  content BLOB NOT NULL,              -- sealed: an image's file, or the values of a series
  PRIMARY KEY (item, field)
) STRICT;
