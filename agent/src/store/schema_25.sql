-- Contexts of corrections are redacted like items: what was stored before is looked at again.

ALTER TABLE corrections ADD COLUMN context INTEGER NOT NULL DEFAULT 0;  -- 0 raw, 1 clean, 2 withheld
ALTER TABLE corrections ADD COLUMN quarantine TEXT;  -- why it is withheld
CREATE INDEX corrections_raw ON corrections (correction) WHERE context = 0;
CREATE INDEX corrections_withheld ON corrections (correction) WHERE context = 2;
