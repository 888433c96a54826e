-- Credentials that end.

ALTER TABLE people ADD COLUMN until INTEGER;        -- Unix seconds; NULL: they stay
ALTER TABLE people ADD COLUMN expert_until INTEGER; -- until when the person decides as an expert
