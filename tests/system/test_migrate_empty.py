"""The schema on an empty database: applied once, and not again."""


def test_migrations_apply_once(make_hub, database):
    hub = make_hub(broker=False, start=False)
    first = database.rows("SELECT version, name, checksum FROM schema_version ORDER BY version")
    assert [row[0] for row in first] == list(range(1, len(first) + 1)) and first
    hub.cmd("migrate")
    assert database.rows("SELECT version, name, checksum FROM schema_version ORDER BY version") == first
