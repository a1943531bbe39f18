-- In the order of arrival, which is that of the hub's log (spool_append); readings of one message by their own times, as
-- adapters give them: first those so old that the time of arrival stands for it. Those of one time in the order of writing.
-- Settings are asked for in subqueries so that it happens once and not for each row.
COPY (
    SELECT recv_at, at, device_id, kind, fields FROM reading
    WHERE district_id = (SELECT current_setting('replay.district')::integer)
      AND recv_at >= (SELECT ts_from_us(current_setting('replay.from_us')::bigint))
      AND recv_at < (SELECT ts_from_us(current_setting('replay.to_us')::bigint))
      AND ((SELECT current_setting('replay.devices') = '')
           OR device_id IN (SELECT unnest(nullif(current_setting('replay.devices'), '')::bigint[])))
    ORDER BY recv_at, at <> recv_at, at, ctid
) TO STDOUT (FORMAT binary)
