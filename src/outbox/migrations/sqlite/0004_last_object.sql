-- The last that was seen of an Application whose deletion somebody wants to be told of: nobody can be asked for it later.
-- `digest` is of what the content was made of, so that it is written only when that changed; `key_id` as in `delivery`.
CREATE TABLE last_object (
    uid       TEXT PRIMARY KEY,
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    digest    BLOB NOT NULL,
    content   BLOB NOT NULL,
    key_id    TEXT
) WITHOUT ROWID;
