-- Version 7: runs whose schedule was chosen for them, by budget and count; runs of class means.

ALTER TABLE run ADD COLUMN clip_milli INTEGER;     -- thousandths; null: the project's
ALTER TABLE run ADD COLUMN fraction_bits INTEGER;  -- null: the project's
ALTER TABLE run ADD COLUMN averaged INTEGER;       -- last rounds; null: the last half
ALTER TABLE run ADD COLUMN floor REAL;             -- of adaptive optimisers; null: the noise's
ALTER TABLE run ADD COLUMN subjects REAL;          -- what it was chosen for; null: it was not
ALTER TABLE run ADD COLUMN mechanism TEXT NOT NULL DEFAULT 'gradient'; -- or class-means
