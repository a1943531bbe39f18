CREATE TEMP TABLE import_device (row bigint PRIMARY KEY, line bigint, given integer, id text UNIQUE, title text, class smallint,
    adapter text, address text, grid text, lon double precision, lat double precision, parent text, interval_us bigint,
    stream text, substream text, ptz boolean, stream_url text, sub_url text, login text, sub_login text, stored_url text)
ON COMMIT DROP
