-- Version 8: runs that have each round's candidate evaluated.

ALTER TABLE run ADD COLUMN evaluated_nano_rho INTEGER;     -- null: the result alone, or nothing, is
ALTER TABLE run ADD COLUMN evaluated_margin_milli INTEGER; -- null with it
