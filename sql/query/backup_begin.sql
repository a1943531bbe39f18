-- Held open until the dump has taken its snapshot over, however long that takes.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0
