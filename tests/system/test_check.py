"""gridhub check says before the start what `gridhub run` would stumble over, and run says the same."""

import json
import subprocess
import textwrap
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from conftest import DEVICES, GRIDS, HUB, RULES, topic_of

ONE = "rules:\n  - {id: a, when: fill_pct > 90.0, kind: event-0192, title: {zh-CN: x}}\n"

FAULTS = {
    "dialect": ({"endpoints": [{"name": "a", "url": "https://h", "dialect": "foo"}]}, 'dialect "foo"'),
    "scheme": ({"endpoints": [{"name": "a", "url": "ftp://h"}]}, "scheme is ftp"),
    "plain-http": ({"endpoints": [{"name": "a", "url": "http://example.org/x"}]}, "notify.allow_http"),
    "no-secret": ({"endpoints": [{"name": "a", "url": "https://h"}]}, 'endpoint "a"'),
    "secret-missing": ({"endpoints": [{"name": "a", "url": "https://h", "secret_file": "nope"}]}, "nope: cannot open"),
    "listen": ({"http": {"listen": "127.0.0.1"}}, "expected host:port"),
    "rules-missing": ({"rules": {"dir": "/nonexistent"}}, "/nonexistent"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_keeps_the_hub_from_starting_is_found_by_check(make_hub, name):
    conf, want = FAULTS[name]
    hub = make_hub(conf=conf, rules={"a.yaml": ONE}, start=False, migrate=False)
    done = hub.cmd("check", check=False)
    assert done.returncode == 1 and want in done.err, done.err
    hub.start(ready=False)
    assert hub.wait_end() == 1
    assert want in hub.log.replace('\\"', '"')


def test_all_faults_are_told_not_only_the_first(make_hub):
    hub = make_hub(conf={"endpoints": [{"name": "a", "url": "ftp://h"}, {"name": "b", "url": "https://h", "dialect": "x"}],
                         "http": {"listen": "nowhere"}}, rules={"a.yaml": ONE}, start=False, migrate=False)
    (hub.dir / "rules" / "b.yaml").write_text("rules: 7\n")
    done = hub.cmd("check", check=False)
    assert done.returncode == 1 and json.loads(done.out) == {"rules": 0, "errors": 4, "warnings": 0}
    err = done.err
    for want in ("scheme is ftp", 'dialect "x"', "expected host:port", "b.yaml:1:"):
        assert want in err, err


def test_the_place_in_a_condition_is_shown_to_people_only(tmp_path):
    (tmp_path / "a.yaml").write_text(ONE.replace("fill_pct > 90.0", "fill_pct > 90.0 && device.nam == 'x' || 1 > 'a'"))
    done = subprocess.run([HUB, "check", "--rules", tmp_path], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1 and json.loads(done.stdout) == {"rules": 0, "errors": 2, "warnings": 0}
    lines = done.stderr.splitlines()
    assert lines[1].endswith('a.yaml:2:45: key "when": device has no "nam" (did you mean "name"?)')
    assert lines[4].endswith('a.yaml:2:61: key "when": ">" does not take int and string')
    for shown, caret, word in ((lines[2], lines[3], "nam =="), (lines[5], lines[6], "> 'a'")):
        assert caret.strip() == "^" and shown[caret.index("^"):].startswith(word)


def test_the_configuration_of_the_help_text_is_good(make_hub, receiver):
    hub = make_hub(receiver=receiver, rules={"a.yaml": ONE}, start=False, migrate=False)
    text = hub.cmd("run", "--help").out.partition("A configuration to begin with:\n")[2].partition("Settings in")[0]
    assert "subscriptions:" in text
    (hub.dir / "first.yaml").write_text(f"rules: {{dir: {hub.conf['rules']['dir']}}}\n" + textwrap.dedent(text))
    for name, secret in (("db.password", "x"), ("leader.secret", receiver.secret)):
        (hub.dir / name).touch(0o600)
        (hub.dir / name).write_text(secret + "\n")
    assert "is good" in hub.cmd("check", "--config", "first.yaml").err


def test_what_is_right_passes(make_hub, receiver):
    hub = make_hub(receiver=receiver, start=False)
    done = hub.cmd("check", "--database")
    assert "is good" in done.err


def test_a_url_with_a_key_in_its_path_is_read_from_a_file_and_shown_nowhere(make_hub, receiver, publisher):
    hub = make_hub(receiver=receiver, rules=RULES, grids=GRIDS, devices=DEVICES, start=False)
    (hub.dir / "url").touch(0o600)
    (hub.dir / "url").write_text(f"http://127.0.0.1:{receiver.port}/services/T000/key-in-the-path\n")
    del hub.conf["endpoints"][0]["url"]
    hub.conf["endpoints"][0]["url_file"] = "url"
    hub.write_conf()
    hub.start()
    publisher.publish(topic_of("bin-1"), {"fill_pct": 95})
    receiver.wait(1)
    assert receiver.seen[0].path == "/services/T000/key-in-the-path"
    said = hub.log
    for argv in (("check",), ("webhook", "endpoints"), ("webhook", "test", "leader"), ("webhook", "list", "--attempts"),
                 ("case", "show", "1")):
        done = hub.cmd(*argv)
        said += done.out + done.err
    assert "leader" in said and "key-in-the-path" not in said


@pytest.mark.parametrize("argv", [("--version",), ("run", "--help"), ("check",), ("webhook", "list", "--help")])
def test_output_that_a_full_disk_cuts_is_a_failure(make_hub, argv):
    hub = make_hub(rules={"a.yaml": ONE}, start=False, migrate=False)
    with open("/dev/full", "wb") as full:
        done = subprocess.run([HUB, *argv], stdout=full, stderr=subprocess.PIPE, env={"GRIDHUB_CONFIG": str(hub.path)},
                              check=False)
    assert done.returncode == 1 and b"cannot write to stdout" in done.stderr


CALENDAR = "zone: Asia/Shanghai\nschedules:\n  - {name: work, holidays: %s}\n%s"


@pytest.mark.parametrize("days, warned", [(29, True), (31, False), (-10, True), (None, True)])
def test_holidays_that_end_soon_are_warned_of(make_hub, days, warned):
    hub = make_hub(rules={"a.yaml": ONE}, start=False, migrate=False)
    last = datetime.now(ZoneInfo("Asia/Shanghai")).date() + timedelta(days=days or 0)
    listed = "" if days is None else f"holidays:\n  - {{from: {last}}}\n"
    for rule in ("closed", "as_usual"):
        (hub.dir / "rules" / "schedules.yaml").write_text(CALENDAR % (rule, listed))
        done = hub.cmd("check", check=False)
        told = warned and rule == "closed"
        assert done.returncode == 0 and json.loads(done.out) == {"rules": 1, "errors": 0, "warnings": int(told)}, done.err
        assert (f"only to {last}" if days is not None else "listed nowhere") in done.err or not told


def test_faults_of_schedules_are_told(make_hub):
    hub = make_hub(rules={"a.yaml": ONE}, start=False, migrate=False)
    (hub.dir / "rules" / "schedules.yaml").write_text(CALENDAR % ("never", "holiday: []\n"))
    done = hub.cmd("check", check=False)
    assert done.returncode == 1 and json.loads(done.out)["errors"] == 2, done.err
    assert "schedules.yaml:4:1: unknown key" in done.err and "schedules.yaml:3:28: key" in done.err, done.err


def test_a_rule_that_looks_further_back_than_readings_are_kept_is_warned_of(make_hub):
    far = ONE.replace("fill_pct > 90.0", "\"avg(fill_pct, '8d') > 90.0\"")
    hub = make_hub(conf={"database": {"keep_readings": "7d"}}, rules={"a.yaml": far})
    done = hub.cmd("check")
    told = 'a.yaml:2:1: rule "a" looks back 8d, but readings are kept for 7d'
    assert json.loads(done.out)["warnings"] == 1 and told in done.err
    assert told in hub.log.replace('\\"', '"')
