-- What is due is found by endpoint only (outbox_turn). With an index over all endpoints at hand the planner, whose statistics of
-- a queue are never right, read what waits for one receiver to find what another is owed.
DROP INDEX outbox_due;
