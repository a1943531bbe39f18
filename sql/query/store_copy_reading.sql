COPY reading (district_id, recv_at, at, device_id, kind, fields) FROM STDIN (FORMAT binary)
