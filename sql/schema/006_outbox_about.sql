-- What an older hub owed when it ended counts as a message about its case, too: what is said of that case later waits for it.
INSERT INTO outbox_about (district_id, outbox_id, case_id)
SELECT district_id, id, case_id FROM outbox WHERE case_id IS NOT NULL
ON CONFLICT DO NOTHING;
