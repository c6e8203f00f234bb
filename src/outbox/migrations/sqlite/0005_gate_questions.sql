-- The last question of each gate and branch; `open` while no answer is known. `attempt` only ever counts up.
CREATE TABLE gate_question (
    gate     TEXT NOT NULL,
    branch   TEXT NOT NULL,
    sha      TEXT NOT NULL,
    attempt  INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    open     INTEGER NOT NULL,
    PRIMARY KEY (gate, branch)
) WITHOUT ROWID;
