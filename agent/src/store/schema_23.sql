-- Whether a bundle was ordered to be evaluated, and not to be put to use.
ALTER TABLE bundles ADD COLUMN candidate INTEGER NOT NULL DEFAULT 0;
