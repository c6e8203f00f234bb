-- What lists of deliveries are narrowed to. Both names never change, so that a row costs this once. With the service beside it a trigger's
-- rows of one service are told from this index alone.
CREATE INDEX delivery_trigger ON delivery (trigger_name, seq, service);
CREATE INDEX delivery_service ON delivery (service, seq);
