-- For the transaction: plans that are made while cases are few are kept when there are many, also those of foreign keys; none
-- of them may read a whole table. (The check of case_event took 0.7 ms for each row of it.)
SELECT set_config('enable_seqscan', 'off', true)
