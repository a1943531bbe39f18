-- One picture of the database for the whole replay. Rows come sorted by one process: a partition is no log (a short row
-- fills what a long one has left of a page before), so their places do not tell the order in which they came.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL work_mem = '128MB';
SET LOCAL jit = off
