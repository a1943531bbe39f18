CREATE TEMP TABLE import_grid (row bigint PRIMARY KEY, line bigint, given integer, code text UNIQUE, name text, level smallint,
    dedicated boolean, parent text, leader text, deputy text, endpoint text) ON COMMIT DROP
