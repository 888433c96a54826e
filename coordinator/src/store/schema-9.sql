-- Version 9: of a release that is not counted its bytes are not kept: nothing reads them, and who sends
-- what nobody asked for would fill the disk with it.

ALTER TABLE release ADD COLUMN size INTEGER NOT NULL DEFAULT 0; -- bytes that came
UPDATE release SET size = LENGTH(bytes);
UPDATE release SET bytes = x'' WHERE counted = 0;
