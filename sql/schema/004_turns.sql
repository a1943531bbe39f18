-- Receivers take turns: what waits for one is not read to find what another is owed.

CREATE INDEX outbox_turn ON outbox (district_id, endpoint, next_at) WHERE dead_at IS NULL;
DROP INDEX outbox_endpoint; -- its beginning
