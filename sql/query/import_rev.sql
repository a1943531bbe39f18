-- One new revision for the import; the row stays locked until it is committed.
UPDATE district SET registry_rev = registry_rev + 1 WHERE id = $1 RETURNING registry_rev
