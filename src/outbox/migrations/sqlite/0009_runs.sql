-- Runs of approvals encrypted at rest: a run that is sealed lies in `sealed`, and `document` is empty; `key_id` as in `delivery`.
ALTER TABLE approval_run ADD COLUMN sealed BLOB;
ALTER TABLE approval_run ADD COLUMN key_id TEXT;
CREATE INDEX approval_run_key ON approval_run (key_id) WHERE key_id IS NOT NULL;
-- What is open, by its approval and environment, and the oldest of all: looked for at each opening, however many wait.
CREATE INDEX approval_run_open_of ON approval_run (namespace, name, branch, requested_ms DESC, id) WHERE is_open = 1;
CREATE INDEX approval_run_open_since ON approval_run (requested_ms DESC, id) WHERE is_open = 1;
-- `owed` is 2 where only the status of the approval is left to be written: it is written once for many.
CREATE INDEX approval_run_unshown ON approval_run (updated_ms) WHERE owed = 2;
