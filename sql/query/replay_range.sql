-- COPY takes no parameters; what replay_readings.sql is to read is said by settings that end with the transaction.
SELECT set_config('replay.district', $1, true), set_config('replay.from_us', $2, true), set_config('replay.to_us', $3, true),
       set_config('replay.devices', $4, true)
