-- Bodies and answers encrypted at rest: the id of the key that a row was sealed with, none if it is plain.
-- An answer that is sealed lies in `sealed`, and `excerpt` is empty.
ALTER TABLE delivery ADD COLUMN key_id TEXT;
ALTER TABLE attempt ADD COLUMN sealed BLOB;
ALTER TABLE attempt ADD COLUMN key_id TEXT;
CREATE INDEX delivery_key ON delivery (key_id) WHERE key_id IS NOT NULL;
