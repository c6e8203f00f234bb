-- What pages read: dead letters by destination and cause, and how the last attempt of each destination went.
CREATE INDEX delivery_dead ON delivery (lane, reason, seq) WHERE state = 4;
CREATE INDEX delivery_last ON delivery (lane, updated_ms) WHERE attempts > 0;
