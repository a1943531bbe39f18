-- $1: role, $2: what it may. No row: there is none of that name, or it is the owner's own.
INSERT INTO database_role (role, may) SELECT rolname, $2 FROM pg_roles WHERE rolname = $1 AND rolname <> current_user
ON CONFLICT (role) DO UPDATE SET may = excluded.may
