-- The last question of each gate and branch; `open` (1) while no answer is known. `attempt` only ever counts up.
CREATE TABLE gate_question (
    gate     TEXT NOT NULL,
    branch   TEXT NOT NULL,
    sha      TEXT NOT NULL,
    attempt  BIGINT NOT NULL,
    since_ms BIGINT NOT NULL,
    open     BIGINT NOT NULL,
    PRIMARY KEY (gate, branch)
);
