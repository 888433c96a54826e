-- Updates of one byte a coordinate.

ALTER TABLE rounds ADD COLUMN coarse INTEGER NOT NULL DEFAULT 0; -- 1: the order asks for such a one
