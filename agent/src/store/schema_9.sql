-- Evaluations: two heads compared on held-out items, answered once.

CREATE TABLE evaluations (
  evaluation BLOB PRIMARY KEY,
  definition BLOB NOT NULL,           -- postcard, insitu_protocol::order::EvaluationOrder
  state TEXT NOT NULL,
  note TEXT NOT NULL DEFAULT ''
) STRICT;
