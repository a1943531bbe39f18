"""Bad input of every kind: configurations, rules, secrets, databases, payloads, times, command lines.

Each is refused in words that name the place, and the hub goes on with what is good.
"""

import json
import time

import pytest
from conftest import DEVICES, GRIDS, HUB, RULES, topic_of, wait_until

READINGS = "SELECT count(*) FROM reading"
CONF = """\
district: qixia
database:
  conninfo: "host=127.0.0.1 dbname=x user=y"
rules:
  dir: rules
mqtt:
  - name: street
    url: "mqtt://127.0.0.1:1"
    client_id: c
    subscriptions:
      - {topic: "city/v1/#", adapter: hub}
spool:
  dir: spool
http:
  listen: ""
"""
RULE = """\
rules:
  - id: one
    class: bin
    when: fill_pct >= 90.0
    kind: full
    title: {zh-CN: "{device.name}"}
"""
FIELDS = """\
fields:
  - {name: fill_pct, type: double, classes: [bin], meaning: how full it is}
"""


class Check:
    """`gridhub check` (or run) on texts."""

    def __init__(self, hub):
        self.hub = hub
        (hub.dir / "rules").mkdir(exist_ok=True)

    def __call__(self, conf=CONF, rules=RULE, fields=FIELDS, argv=("check",)):
        self.hub.path.write_bytes(conf if isinstance(conf, bytes) else conf.encode())
        for name, text in (("a.yaml", rules), ("fields.yaml", fields)):
            path = self.hub.dir / "rules" / name
            path.unlink(missing_ok=True)
            if text is not None:
                path.write_text(text)
        return self.hub.cmd(*argv, check=False)


@pytest.fixture
def check(make_hub, monkeypatch):
    class NoDatabase:
        conninfo, password_file = "dbname=x", None
    hub = make_hub(broker=False, start=False, migrate=False, db=NoDatabase)
    return Check(hub)


# ---- configuration ----


def test_a_good_configuration_is_good(check):
    done = check()
    assert done.returncode == 0, done.err
    assert "is good" in done.err and json.loads(done.out) == {"rules": 1, "errors": 0, "warnings": 0}


@pytest.mark.parametrize("old, new, line, told", [
    ("rules:\n  dir", "rules: [\n  dir", 0, ""),  # broken YAML; the parser chooses the line
    ("district: qixia\n", "district: qixia\n\tx: y\n", 2, ""),
    ("district: qixia\n", "", 0, 'district'),
    ("  conninfo:", "  connifno:", 3, 'did you mean "conninfo"?'),
    ("database:\n", "databse:\n", 2, 'database'),
    ("district: qixia", "district: [qixia]", 1, 'district'),
    ("rules:\n", "intake: {batch_records: many}\nrules:\n", 4, 'batch_records'),
    ("rules:\n", "intake: {batch_records: 0}\nrules:\n", 4, '1 to 100000'),
    ("rules:\n", "intake: {late: soon}\nrules:\n", 4, 'late'),
    ("dir: spool", "dir: spool\n  max_size: 1M", 14, 'max_size'),
    ("dir: spool", "dir: spool\n  sync: sometimes", 14, 'always'),
    ("rules:\n", "language: tlh\nrules:\n", 4, 'zh-CN'),
    ("rules:\n", "time_zone: Mars/Phobos\nrules:\n", 0, 'Mars/Phobos'),
    ("rules:\n", "database: {}\nrules:\n", 4, 'database'),  # twice
    ("mqtt://", "http://", 7, 'mqtt://'),
    ("mqtt://127", "mqtt://me:pass@127", 7, 'password_file'),
    ("adapter: hub", "adapter: hubb", 0, 'hubb'),
    ("city/v1/#\"", "city/#/v1\"", 0, 'city/#/v1'),
    ("dbname=x", "password=x", 0, 'password_file'),
    ("    client_id: c\n", "", 7, 'client_id'),
])
def test_a_bad_configuration_names_the_place(check, old, new, line, told):
    assert old in CONF
    conf = CONF.replace(old, new, 1)
    for argv in (("check",), ("run",)):
        done = check(conf, argv=argv)
        assert done.returncode == 1, done.err
        assert "gridhub.yaml" in done.err and told in done.err
        if line:
            assert f"gridhub.yaml:{line}" in done.err, done.err


@pytest.mark.parametrize("conf", [b"", b"\xff\xfe", b"[]", b"x" * 100, b"a: &a [*a]\n", b"district: \"\xff\"\n"])
def test_what_is_no_configuration(check, conf):
    done = check(conf)
    assert done.returncode == 1 and "gridhub.yaml" in done.err


def test_a_missing_file_is_named(check):
    done = check.hub.cmd("check", "--config", "/nix/gridhub.yaml", check=False)
    assert done.returncode == 1 and "/nix/gridhub.yaml" in done.err


def test_secrets_are_looked_at(check):
    secret = check.hub.dir / "secret"
    conf = CONF.replace("rules:\n", f"endpoints:\n  - {{name: leader, url: \"https://x.example/\", secret_file: {secret}}}\n"
                                    "rules:\n", 1)
    done = check(conf)
    assert done.returncode == 1 and f"{secret}: cannot open" in done.err
    secret.write_text("whsec_YSBrZXkgdGhhdCBvbmx5IHRlc3RzIHVzZQ==\n")
    secret.chmod(0o644)
    for argv in (("check",), ("run",)):
        done = check(conf, argv=argv)
        assert done.returncode == 1 and str(secret) in done.err and "others may read" in done.err
        assert "YSBrZXkg" not in done.err + done.out
    secret.chmod(0o640)
    assert check(conf).returncode == 0
    secret.write_text("")
    assert "empty" in check(conf).err


# ---- rules ----


@pytest.mark.parametrize("old, new, place, told", [
    ("90.0", "", "4:22", "when"),  # nothing behind >=
    ("90.0", "90.0 )", "4:28", ""),
    ("fill_pct >= 90.0", "'fill_pct >= \"a'", "", "when"),
    ("when: fill_pct >= 90.0\n", "wen: fill_pct >= 90.0\n", "4:", "when"),
    ("    kind: full\n", "", "2:", "kind"),
    ("class: bin", "class: bucket", "3:", "bin"),
    ("- id: one", "- id: Eins!", "2:", "Eins!"),
    ("    kind", "    for: -3s\n    kind", "5:", "for"),
    ("{device.name}", "{device.name", "6:", "title"),
    ("rules:\n", "rules: 7\n", "", ""),
    ("    kind: full\n", "    event: true\n    for: 3s\n    kind: full\n", "6:", "event rule"),
])
def test_a_bad_rule_names_file_line_and_column(check, old, new, place, told):
    assert old in RULE
    done = check(rules=RULE.replace(old, new, 1))
    assert done.returncode == 1
    assert f"rules/a.yaml:{place}" in done.err and told in done.err, done.err
    assert json.loads(done.out)["errors"] >= 1


def test_all_bad_rules_are_told_at_once(check):
    bad = RULE.replace(">=", ">>") + RULE.replace("rules:\n", "").replace("one", "two").replace(">=", "=>") + RULE.replace(
        "rules:\n", "").replace("one", "three")
    done = check(rules=bad)
    assert json.loads(done.out)["errors"] == 2
    assert "a.yaml:4:" in done.err and "a.yaml:9:" in done.err and "a.yaml:14:" not in done.err


def test_a_rule_id_twice_is_refused(check):
    done = check(rules=RULE + RULE.replace("rules:\n", ""))
    assert done.returncode == 1 and 'a.yaml:7:1: rule "one" is here twice' in done.err


def test_an_unknown_field_is_refused_with_the_nearest_name(check):
    done = check(rules=RULE.replace("fill_pct", "fil_pct", 1))
    assert done.returncode == 1
    assert 'a.yaml:4:11: no field "fil_pct"' in done.err and 'did you mean "fill_pct"?' in done.err
    assert "add it there if a device sends it" in done.err and json.loads(done.out)["errors"] == 1


@pytest.mark.parametrize(("old", "new", "told"), [
    ("fill_pct >= 90.0", "!has(fill_pct)", '4:11: a text that begins with ! wants quotes: "!has(fill_pct)'),
    ("fill_pct >= 90.0", "fill_pct >= 90,5", "decimals are written with a point"),
    ("fill_pct >= 90.0", "fill_pct >= 90.0 and spill", "and is &&"),
    ("fill_pct >= 90.0", "spill or overflow", "or is ||"),
    ("fill_pct >= 90.0", "not spill", "not is !"),
    ("fill_pct >= 90.0", 'fill_pct >= 90.0 ? label == "a: b" : false', "wants quotes"),
    ("    kind: full", "\tkind: full", "indent with spaces"),
    ("fill_pct >= 90.0", "prev.fill_pct > avg(prev.fill_pct, '1h')", "cannot stand inside a window"),
    ("fill_pct >= 90.0", "&& spill", "wants quotes"),
])
def test_what_people_get_wrong_is_told_with_a_hint(check, old, new, told):
    assert old in RULE, RULE
    done = check(rules=RULE.replace(old, new, 1))
    assert done.returncode == 1 and told in done.err, done.err


def test_a_missing_folder_of_rules_is_named(check):
    done = check(CONF.replace("dir: rules", "dir: nowhere"))
    assert done.returncode == 1 and "nowhere" in done.err
    done = check.hub.cmd("run", check=False)
    assert done.returncode == 1 and "nowhere" in done.err


# ---- databases ----


def test_a_database_that_is_missing_and_appears(make_hub, make_database, broker, publisher):
    db = make_database()
    db.drop()
    hub = make_hub(db=db, rules=RULES, migrate=False)
    assert "does not exist" in hub.wait_part("database", "degraded")["why"]
    hub.wait_part("mqtt", "ok")
    publisher.publish(topic_of("bin-1"), {"n": 1})
    hub.wait_metric("gridhub_mqtt_messages_total", 1)  # acknowledged into the spool meanwhile
    done = hub.cmd("grid", "list", check=False)
    assert done.returncode == 1 and "does not exist" in done.err
    with db.server.connect("postgres") as c:
        c.execute(f'CREATE DATABASE "{db.name}"')
    hub.wait_part("database", "ok", timeout=40)
    wait_until(lambda: [d["address"] for d in hub.json_lines("device", "unknown")] == ["bin-1"])


def test_a_wrong_password_of_the_database(make_hub, database):
    hub = make_hub(rules=RULES, broker=False, start=False)
    bad = hub.dir / "bad"
    bad.touch(0o600)
    bad.write_text("a guess\n")
    hub.conf["database"]["password_file"] = str(bad)
    hub.write_conf()
    hub.start()
    assert "password authentication failed" in hub.wait_part("database", "degraded")["why"]
    done = hub.cmd("check", "--database", check=False)
    assert done.returncode == 1 and "password authentication failed" in done.err
    assert "a guess" not in hub.log + done.err
    assert hub.running


@pytest.mark.parametrize("change, told", [
    ("INSERT INTO schema_version (version, name, checksum) VALUES (999, '999_future', 'x')", "newer (999_future)"),
    ("UPDATE schema_version SET checksum = 'x' WHERE version = 1", "applied with other contents"),
])
def test_a_schema_that_is_not_ours(make_hub, database, change, told):
    hub = make_hub(rules=RULES, broker=False, start=False)
    database.rows(change)
    hub.start(ready=False)
    assert hub.wait_end() == 1
    assert told in hub.log
    for argv in (("migrate",), ("migrate", "--check"), ("check", "--database"), ("grid", "list")):
        done = hub.cmd(*argv, check=False)
        assert done.returncode == 1 and told in done.err, (argv, done.err)


# ---- payloads, topics, times: one hub for all of them ----

DEEP = b'{"a":' * 500 + b"1" + b"}" * 500
PAYLOADS = [
    (b"", "empty"),
    (b'{"note":"' + b"x" * (10 << 20) + b'"}', "size"),
    (b'{"fill_pct": 9', "json"),
    (b"garbage", "json"),
    (b'{"fill_pct": 9} {"fill_pct": 8}', "json"),
    (DEEP, "depth"),
    (b'{"note": "\xff"}', "utf8"),
    (b'{"note": "\\ud800"}', "json"),
    (b'{"fill_pct": NaN}', "json"),
    (b'{"fill_pct": 1e999}', "number"),
    (b'{"fill_pct": 99999999999999999999}', "number"),
    (b'{"fill_pct": 1, "fill_pct": 2}', "duplicate_key"),
    (b'{"fill_pct": 1, "fillPct": 2}', "duplicate_key"),
    (b'{"fill_pct": [1]}', "shape"),
    (b"7", "shape"),
    (b'{"seq": "7"}', "shape"),
    (b'{"ts": "yesterday"}', "shape"),
    (b'{"' + b"n" * 100 + b'": 1}', "shape"),
    (b"{" + b",".join(b'"f%d":1' % n for n in range(200)) + b"}", "size"),
]


@pytest.fixture
def street(make_hub, database, publisher):
    """A hub with the district, and what was refused so far."""
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES)
    hub.refused = lambda: database.rows("SELECT reason, topic FROM rejected_message ORDER BY id")
    return hub


def still_good(hub, database, publisher):
    before = database.value(READINGS)
    publisher.publish(topic_of("bin-1"), {"fill_pct": 12, "seq": before})
    wait_until(lambda: database.value(READINGS) == before + 1, why="a good message to count")
    assert hub.health()["status"] == "ok"


def test_bad_payloads_are_kept_aside_with_the_reason(street, database, publisher):
    for n, (payload, _) in enumerate(PAYLOADS):
        publisher.publish(topic_of("bin-1", "event"), payload)
        wait_until(lambda n=n: len(street.refused()) == n + 1, why=f"{payload[:40]} to be refused")
    found = [(payload[:40], reason) for (payload, _), (reason, _) in zip(PAYLOADS, street.refused())]
    assert found == [(payload[:40], reason) for payload, reason in PAYLOADS]
    for reason in {reason for _, reason in PAYLOADS}:
        n = sum(1 for _, r in PAYLOADS if r == reason)
        assert street.metric(f'gridhub_messages_rejected_total{{reason="{reason}"}}') == n
    still_good(street, database, publisher)
    listed = street.json_lines("device", "rejected")
    assert len(listed) == len(PAYLOADS) and all(row["detail"] and row["source"] == "street" for row in listed)
    assert max(len(row["payload"]) for row in listed) <= 4096
    assert database.value("SELECT count(*) FROM grid_case") == 0


def test_numbers_as_strings_are_text_and_hold_the_rule(street, database, publisher):
    publisher.publish(topic_of("bin-1"), {"fill_pct": "95"})
    publisher.publish(topic_of("bin-1"), {"fill_pct": "95 %"})
    wait_until(lambda: database.value(READINGS) == 2)
    street.wait_metric("gridhub_rule_errors_total", 2)
    street.wait_log("level=warn", "mod=rules", "device bin-1", "operands of a wrong type")
    assert street.refused() == [] and database.value("SELECT count(*) FROM grid_case") == 0
    still_good(street, database, publisher)


def test_a_topic_of_another_class_is_refused(street, database, publisher):
    publisher.publish(topic_of("bin-1", cls="camera"), {"fill_pct": 95})
    wait_until(lambda: street.refused() == [("wrong_class", topic_of("bin-1", cls="camera"))])
    assert "bin-1 is a bin, the topic says camera" in street.json_lines("device", "rejected")[0]["detail"]
    assert street.metric('gridhub_messages_rejected_total{reason="wrong_class"}') == 1
    still_good(street, database, publisher)


def test_topics_with_odd_characters(street, database, publisher):
    odd = ["", " ", "'; DROP TABLE reading; --", '"{}\\,', "%s%n%d", "😀箱", "a" * 300, "$1", "NULL"]
    for name in odd:
        publisher.publish(topic_of(name), {"fill_pct": 95})
    for topic in ("city/v1", "city/v1/a/b/bin/x/tele/more", "city/v1/q/g/bucket/x/tele", "city/v1/q/g/bin/x/shout",
                  "city/v1///bin//tele", "city/v1/" + "x/" * 150):
        publisher.publish(topic, {"fill_pct": 95})
    known = "SELECT address FROM unknown_device"
    wait_until(lambda: len(street.refused()) + len(database.rows(known)) == len(odd) + 6)
    assert {a for (a,) in database.rows(known)} == {" ", "'; DROP TABLE reading; --", '"{}\\,', "%s%n%d", "😀箱", "$1", "NULL"}
    assert {reason for reason, _ in street.refused()} == {"topic", "shape"}
    still_good(street, database, publisher)
    assert len(street.json_lines("device", "unknown")) == 7


@pytest.mark.parametrize("kept", [True, False])
def test_wild_device_clocks(make_hub, database, publisher, kept):
    """A time that cannot be is set aside for that of arrival, and counted; one that can be is kept."""
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES)
    now = time.time()
    times = [now - 1800, now + 30] if kept else [now - 7200, now + 3600, 0, 1, 86400, 253402300799, "1970-01-01T00:00:00Z",
                                                       "9999-12-31T23:59:59+08:00"]
    for ts in times:
        publisher.publish(topic_of("bin-1"), {"ts": ts, "fill_pct": 95})
    wait_until(lambda: database.value(READINGS) == len(times))
    assert hub.metric("gridhub_device_clock_skewed_total") == (0 if kept else len(times))
    off = sorted(s for (s,) in database.rows("SELECT abs(extract(epoch FROM at - recv_at))::float8 FROM reading"))
    if kept:
        assert off[0] == pytest.approx(30, abs=10) and off[1] == pytest.approx(1800, abs=10)
    else:
        assert off == [0] * len(times)
        assert database.value("SELECT event_count FROM grid_case") == len(times)
    still_good(hub, database, publisher)


def test_a_clock_that_stands_still_does_not_make_two_messages_one(street, database, publisher):
    for pct in (95, 10, 95):
        publisher.publish(topic_of("bin-1"), {"ts": 946684800, "fill_pct": pct})
    wait_until(lambda: database.value(READINGS) == 3, why="all three to count")
    assert database.rows("SELECT what FROM case_event ORDER BY id") in (
        [("filed",), ("dispatched",), ("recovered",), ("recurred",)], [("filed",), ("dispatched",), ("recurred",)],
        [("filed",), ("dispatched",)])  # by how they fell into batches
    assert database.row("SELECT event_count, recovered_at FROM grid_case") == (2, None)
    assert street.metric("gridhub_duplicates_total") == 0


def test_a_device_with_ever_new_and_large_fields_stops_nothing(make_hub, database, publisher):
    """Its latest state would outgrow what a batch takes: the others must not have to wait for it."""
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, conf={"database": {"timeout": "60s"}})
    with database.connect(autocommit=False) as other:  # so that all of it falls into one batch
        other.execute("SELECT * FROM ingest_cursor FOR UPDATE")
        for n in range(4):
            publisher.publish(topic_of("bin-1"), {"first": n})
        hub.wait_metric("gridhub_readings_total", 3)
        publisher.publish_many((topic_of("bin-1"), {f"f{n}": "x" * 200_000}) for n in range(20))
        publisher.publish_many((topic_of("bin-1"), {f"g{n}_{k}": k for k in range(100)}) for n in range(60))
    hub.wait_metric("gridhub_mqtt_messages_total", 84)
    still_good_after = database.value(READINGS)
    publisher.publish(topic_of("smoke-1", cls="sensor"), {"n": 1})
    wait_until(lambda: database.value("SELECT count(*) FROM device_state s JOIN device d ON d.id = s.device_id "
                                      "WHERE d.name = 'smoke-1'") == 1, 40, why="another device's message to count")
    assert database.value(READINGS) > still_good_after >= 0
    hub.wait_part("database", "ok")
    assert hub.running


def test_refused_messages_are_kept_in_bounded_number(make_hub, database, publisher):
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, conf={"intake": {"rejected_max": 10}})
    publisher.publish_many((topic_of("bin-1"), b"bad %d" % n) for n in range(100))
    hub.wait_metric('gridhub_messages_rejected_total{reason="json"}', 100)
    wait_until(lambda: b"bad 99" in [bytes(p) for (p,) in database.rows("SELECT payload FROM rejected_message")])
    assert database.value("SELECT count(*) FROM rejected_message") == 10  # the oldest went first
    still_good(hub, database, publisher)


# ---- command lines ----

VERBS = {"run": [], "check": [], "migrate": [], "decode": [], "grid": ["import", "list"],
         "device": ["import", "list", "unknown", "rejected", "remove"], "spool": ["list", "verify", "show"],
         "webhook": ["list", "retry", "test"], "rule": ["eval"]}


@pytest.fixture
def bare(make_hub):
    class NoDatabase:
        conninfo, password_file = "host=/nix", None
    return make_hub(broker=False, start=False, migrate=False, db=NoDatabase)


def test_every_command_has_help_and_refuses_bad_usage(bare):
    help_text = bare.cmd("--help").out
    listed = {line.split()[0] for line in help_text.splitlines() if line.startswith("  ")}
    assert set(VERBS) <= listed
    for command in sorted(listed):
        for argv in ([command], *([command, verb] for verb in VERBS.get(command, []))):
            done = bare.cmd(*argv, "--help", check=False)
            assert done.returncode == 0 and done.out.startswith(f"usage: gridhub {' '.join(argv)}"), (argv, done.out, done.err)
            if argv == ["rule", "eval"]:
                continue  # an expression may begin with a minus
            done = bare.cmd(*argv, "--no-such-option", check=False)
            assert done.returncode == 2 and done.err, (argv, done.returncode, done.err)
            if argv == ["probe"]:
                continue  # what is no URL of a stream is a result of that look
            done = bare.cmd(*argv, "a", "b", "c", check=False)
            assert done.returncode == 2, (argv, done.returncode, done.err)


def test_unknown_commands_name_the_nearest(bare):
    for argv, told in ((["chekc"], '"check"'), (["runn"], '"run"'), (["device", "lsit"], '"list"'),
                       (["spool", "verfy"], '"verify"'), (["decode", "--adapter", "hubb", "--topic", "x"], '"hub"')):
        done = bare.cmd(*argv, check=False)
        assert done.returncode == 2 and told in done.err, (argv, done.err)
    for argv in ([], ["xyzzyxyzzy"], ["device"], ["grid"], ["spool"]):
        assert bare.cmd(*argv, check=False).returncode == 2
    assert bare.cmd("--version").out.startswith("gridhub ")
    assert HUB.name == "gridhub"
