-- What an alert costs PostgreSQL must not hang on statistics. A plan that is made while a table is empty, or a queue that is
-- empty now and then, finds every index equally good, and one that begins with the district is good for nothing: it read the
-- whole queue, or all open cases, for each row (1 ms a case). So of a table that changes fast only the primary key begins with
-- the district; the others begin with what they are for, and have the district last.

DROP INDEX grid_case_by_grid;
CREATE INDEX grid_case_by_grid ON grid_case (grid_id, opened_at, district_id);
DROP INDEX grid_case_open;
CREATE UNIQUE INDEX grid_case_open ON grid_case (device_id, rule_id, district_id) WHERE state <> 9;
DROP INDEX held_case_cause;
CREATE INDEX held_case_cause ON held_case (cause, district_id);
DROP INDEX owed_due;
CREATE INDEX owed_due ON owed (due_at, id, district_id);
DROP INDEX owed_case;
CREATE INDEX owed_case ON owed (case_id, id, district_id);
DROP INDEX outbox_case;
CREATE INDEX outbox_case ON outbox (case_id, id, district_id);
DROP INDEX outbox_about_case;
CREATE INDEX outbox_about_case ON outbox_about (case_id, district_id);

-- Deleted together with its message, by the statement that deletes that: the foreign key did it row by row.
ALTER TABLE outbox_about DROP CONSTRAINT outbox_about_district_id_outbox_id_fkey;
