-- Version 6: what is asked for at each tick is found without reading what is over.

CREATE INDEX session_by_state ON session (state, due_unix_s);
CREATE INDEX held_out_evaluation_by_state ON held_out_evaluation (state);
