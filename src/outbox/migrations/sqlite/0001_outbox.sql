-- The outbox (spec/delivery.md). Times are Unix milliseconds (`*_ms`) or, where the annotation's, Unix seconds (`at`).
-- delivery.state: 0 prepared, 1 waiting, 2 claimed, 3 delivered, 4 dead, 5 superseded, 6 taken over, 7 discarded;
-- so `state < 2` is unsent and `state < 3` is open. Partial indexes are used only where a query says these very words.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE lane (
    id               INTEGER PRIMARY KEY,
    config_namespace TEXT NOT NULL,
    service          TEXT NOT NULL,
    host             TEXT NOT NULL,
    breaker          TEXT,
    UNIQUE (config_namespace, service, host)
);

-- One row a key of an object: what was last decided about it, and what its annotation is owed (0 nothing, 1 to be set, 2 to be removed).
CREATE TABLE key_state (
    uid              TEXT NOT NULL,
    state_key        TEXT NOT NULL,
    namespace        TEXT NOT NULL,
    name             TEXT NOT NULL,
    armed            INTEGER NOT NULL,
    arming           INTEGER NOT NULL,
    phase            TEXT NOT NULL,
    at               INTEGER NOT NULL DEFAULT 0,
    resource_version TEXT NOT NULL DEFAULT '',
    digest           TEXT NOT NULL DEFAULT '',
    owed             INTEGER NOT NULL DEFAULT 0,
    changed_ms       INTEGER NOT NULL,
    PRIMARY KEY (uid, state_key)
) WITHOUT ROWID;
CREATE INDEX key_state_owed ON key_state (changed_ms, uid) WHERE owed > 0;
CREATE INDEX key_state_truncated ON key_state (changed_ms) WHERE phase = 'truncated';

CREATE TABLE delivery (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,
    id               BLOB NOT NULL UNIQUE,
    unique_key       BLOB UNIQUE,
    uid              TEXT NOT NULL,
    namespace        TEXT NOT NULL,
    name             TEXT NOT NULL,
    config_namespace TEXT NOT NULL,
    trigger_name     TEXT NOT NULL,
    condition_key    TEXT NOT NULL,
    once_per         TEXT NOT NULL,
    service          TEXT NOT NULL,
    recipient        TEXT NOT NULL,
    arming           INTEGER NOT NULL,
    state_key        TEXT NOT NULL,
    service_kind     TEXT NOT NULL,
    lane             INTEGER NOT NULL REFERENCES lane (id),
    ordering         TEXT,
    supersedes       INTEGER NOT NULL,
    idempotent       INTEGER NOT NULL,
    digest           TEXT NOT NULL,
    state            INTEGER NOT NULL,
    reason           TEXT NOT NULL DEFAULT '',
    due_ms           INTEGER NOT NULL,
    created_ms       INTEGER NOT NULL,
    since_ms         INTEGER NOT NULL,
    updated_ms       INTEGER NOT NULL,
    attempts         INTEGER NOT NULL DEFAULT 0,
    step             INTEGER NOT NULL DEFAULT 0,
    unknowns         INTEGER NOT NULL DEFAULT 0,
    successor        BLOB,
    body_bytes       INTEGER NOT NULL,
    process          INTEGER NOT NULL,
    claim            INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX delivery_due ON delivery (lane, due_ms, seq) WHERE state < 2;
CREATE INDEX delivery_order ON delivery (ordering, config_namespace, service, seq) WHERE ordering IS NOT NULL;
CREATE INDEX delivery_state ON delivery (state, seq);
CREATE INDEX delivery_object ON delivery (namespace, name, seq);
CREATE INDEX delivery_successor ON delivery (successor) WHERE successor IS NOT NULL;

-- Apart from the row, so that lists never read bodies.
CREATE TABLE body (
    seq     INTEGER PRIMARY KEY,
    payload BLOB NOT NULL
);

CREATE TABLE attempt (
    seq         INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    status      INTEGER,
    target      TEXT NOT NULL,
    excerpt     TEXT NOT NULL,
    reason      TEXT NOT NULL,
    PRIMARY KEY (seq, number)
) WITHOUT ROWID;
