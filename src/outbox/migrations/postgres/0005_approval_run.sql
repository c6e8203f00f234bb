-- Runs of approvals. `document` is the run as JSON; the columns are what is looked for. `version` guards against two who change
-- one run, `owed` is 1 while status and CommitStatus do not show its newest version. One run an approval, environment and SHA:
-- only a superseded one makes room, for a SHA that comes back.
CREATE TABLE approval_run (
    id           TEXT PRIMARY KEY,
    approval_uid TEXT NOT NULL,
    namespace    TEXT NOT NULL,
    name         TEXT NOT NULL,
    branch       TEXT NOT NULL,
    sha          TEXT NOT NULL,
    phase        TEXT NOT NULL,
    is_open      BIGINT NOT NULL,
    requested_ms BIGINT NOT NULL,
    deadline_ms  BIGINT NOT NULL,
    updated_ms   BIGINT NOT NULL,
    version      BIGINT NOT NULL DEFAULT 1,
    owed         BIGINT NOT NULL DEFAULT 1,
    document     TEXT NOT NULL
);
CREATE UNIQUE INDEX approval_run_subject ON approval_run (approval_uid, branch, sha) WHERE phase <> 'superseded';
CREATE INDEX approval_run_open ON approval_run (deadline_ms) WHERE is_open = 1;
CREATE INDEX approval_run_owed ON approval_run (updated_ms) WHERE owed = 1;
CREATE INDEX approval_run_approval ON approval_run (namespace, name, requested_ms);
CREATE INDEX approval_run_over ON approval_run (updated_ms) WHERE is_open = 0;
