-- The outbox (spec/delivery.md), as migrations/sqlite/0001_outbox.sql has it; what is different is what several processes need.
-- Times are Unix milliseconds (`*_ms`) or, where the annotation's, Unix seconds (`at`); leases are on the database's clock.
-- delivery.state: 0 prepared, 1 waiting, 2 claimed, 3 delivered, 4 dead, 5 superseded, 6 taken over, 7 discarded;
-- so `state < 2` is unsent and `state < 3` is open. Partial indexes are used only where a query says these very words.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

-- One row a running process; what it claimed is its own until the lease ends.
CREATE TABLE process (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started     TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    lease_until TIMESTAMPTZ NOT NULL
);

CREATE TABLE lane (
    id               BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    config_namespace TEXT NOT NULL,
    service          TEXT NOT NULL,
    host             TEXT NOT NULL,
    breaker          TEXT,
    UNIQUE (config_namespace, service, host)
);

-- One row a key of an object: what was last decided about it, and what its annotation is owed (0 nothing, 1 to be set, 2 to be removed).
CREATE TABLE key_state (
    uid              TEXT NOT NULL,
    -- SHA-256 of the key: a oncePer value may be longer than an index entry.
    key_hash         BYTEA NOT NULL,
    state_key        TEXT NOT NULL,
    namespace        TEXT NOT NULL,
    name             TEXT NOT NULL,
    armed            BOOLEAN NOT NULL,
    arming           BIGINT NOT NULL,
    phase            TEXT NOT NULL,
    at               BIGINT NOT NULL DEFAULT 0,
    resource_version TEXT NOT NULL DEFAULT '',
    digest           TEXT NOT NULL DEFAULT '',
    owed             BIGINT NOT NULL DEFAULT 0,
    changed_ms       BIGINT NOT NULL,
    PRIMARY KEY (uid, key_hash)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX key_state_owed ON key_state (changed_ms, uid) WHERE owed > 0;
CREATE INDEX key_state_truncated ON key_state (changed_ms) WHERE phase = 'truncated';

CREATE TABLE delivery (
    seq              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id               BYTEA NOT NULL UNIQUE,
    unique_key       BYTEA UNIQUE,
    uid              TEXT NOT NULL,
    namespace        TEXT NOT NULL,
    name             TEXT NOT NULL,
    config_namespace TEXT NOT NULL,
    trigger_name     TEXT NOT NULL,
    condition_key    TEXT NOT NULL,
    once_per         TEXT NOT NULL,
    service          TEXT NOT NULL,
    recipient        TEXT NOT NULL,
    arming           BIGINT NOT NULL,
    state_key        TEXT NOT NULL,
    service_kind     TEXT NOT NULL,
    lane             BIGINT NOT NULL REFERENCES lane (id),
    ordering         TEXT,
    -- First 8 bytes of a hash over ordering, configuration namespace and service: what the order is kept by.
    fence            BIGINT,
    supersedes       BOOLEAN NOT NULL,
    idempotent       BOOLEAN NOT NULL,
    digest           TEXT NOT NULL,
    state            BIGINT NOT NULL,
    reason           TEXT NOT NULL DEFAULT '',
    due_ms           BIGINT NOT NULL,
    created_ms       BIGINT NOT NULL,
    since_ms         BIGINT NOT NULL,
    updated_ms       BIGINT NOT NULL,
    attempts         BIGINT NOT NULL DEFAULT 0,
    step             BIGINT NOT NULL DEFAULT 0,
    unknowns         BIGINT NOT NULL DEFAULT 0,
    successor        BYTEA,
    body_bytes       BIGINT NOT NULL,
    key_id           TEXT,
    -- The process that made the row; the one that set its due time last; the claim it is under, or was recorded under.
    process          BIGINT NOT NULL,
    holder           BIGINT NOT NULL,
    claim            BIGINT NOT NULL DEFAULT 0,
    last_claim       BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX delivery_due ON delivery (lane, due_ms, seq) WHERE state < 2;
CREATE INDEX delivery_claimed ON delivery (holder) WHERE state = 2;
CREATE INDEX delivery_order ON delivery (fence, seq) WHERE fence IS NOT NULL;
CREATE INDEX delivery_state ON delivery (state, seq);
CREATE INDEX delivery_object ON delivery (namespace, name, seq);
CREATE INDEX delivery_successor ON delivery (successor) WHERE successor IS NOT NULL;
CREATE INDEX delivery_key ON delivery (key_id) WHERE key_id IS NOT NULL;

-- Apart from the row, so that an update of the row does not copy it.
CREATE TABLE body (
    seq     BIGINT PRIMARY KEY,
    payload BYTEA NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE attempt (
    seq         BIGINT NOT NULL,
    number      BIGINT NOT NULL,
    at_ms       BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    status      BIGINT,
    target      TEXT NOT NULL,
    excerpt     TEXT NOT NULL,
    reason      TEXT NOT NULL,
    sealed      BYTEA,
    key_id      TEXT,
    PRIMARY KEY (seq, number)
);
