"""gridhub rule test, list and kinds: what they print, how they exit; packs that are too large, twice there or nonsense."""

import json
import os
import resource
import subprocess

import pytest
from conftest import DEVICES, GRIDS, HUB, ROOT, topic_of

RULES = """\
rules:
  - id: bin.full
    class: bin
    when: fill_pct >= 85.0
    for: 20m
    clear: fill_pct < 75.0
    kind: event-0192
    title: {zh-CN: "{device.name}满"}
    examples:
      - of: filled, then emptied
        interval: 10m
        readings: [0: {fill_pct: 86}, 10m: {fill_pct: 87}, 25m: {fill_pct: 3}]
        expect: [open 20m, recover 25m]
"""
BARE = """\
  - id: bin.wrong
    event: true
    when: wrong_drop
    kind: event-0193
    title: {zh-CN: t}
"""
WRONG = RULES.replace("open 20m", "open 10m").replace("of: filled, then emptied", 'of: "filled, and #1"')


@pytest.fixture
def packs(tmp_path):
    def write(text=RULES, name="a.yaml"):
        (tmp_path / name).write_text(text)
        return tmp_path
    return write


def rule(*args, cwd=None, env=None, timeout=30):
    done = subprocess.run([HUB, "rule", *map(str, args)], capture_output=True, text=True, timeout=timeout, check=False,
                          cwd=cwd, env={**os.environ, "GRIDHUB_CONFIG": "", **(env or {})})
    done.lines = [json.loads(line) for line in done.stdout.splitlines()] if "--tap" not in args else []
    return done


def test_the_shipped_rules_do_what_their_examples_say():
    done = rule("test", "--strict", ROOT / "rules")
    assert done.returncode == 0, done.stderr
    last = done.lines[-1]
    assert last["rules"] >= 38 and last["examples"] >= 2 * last["rules"]
    assert last["failed"] == last["without_examples"] == 0 and len(done.lines) == last["examples"] + 1


def test_an_example_that_holds(packs):
    done = rule("test", packs())
    assert done.returncode == 0 and "1 passed, 0 failed" in done.stderr
    assert done.lines == [
        {"rule": "bin.full", "example": "filled, then emptied", "file": f"{packs()}/a.yaml", "line": 10, "ok": True},
        {"rules": 1, "examples": 1, "passed": 1, "failed": 0, "without_examples": 0}]


def test_an_example_that_does_not_is_explained(packs):
    done = rule("test", packs(WRONG))
    assert done.returncode == 1
    first, last = done.lines
    assert (first["ok"], first["expected"], first["came"]) == (False, ["open 10m", "recover 25m"], ["open 20m", "recover 25m"])
    assert first["looks"] == [
        {"at": "0", "device": "device", "fields": {"fill_pct": 86}, "when": "true", "phase": "pending"},
        {"at": "10m", "device": "device", "fields": {"fill_pct": 87}, "when": "true", "phase": "pending"},
        {"at": "20m", "device": "device", "phase": "firing"},
        {"at": "25m", "device": "device", "fields": {"fill_pct": 3}, "when": "false", "clear": "true", "phase": "ok"}]
    assert last["failed"] == 1
    for text in ("a.yaml:10:9: rule bin.full", "expected  open 10m, recover 25m", "came      open 20m, recover 25m",
                 '10m  device {"fill_pct":87} → pending', "20m  device (time runs out) → firing"):
        assert text in done.stderr, done.stderr


def test_a_condition_that_fails_says_why(packs):
    done = rule("test", packs(WRONG.replace("fill_pct: 87", "fill_pct: full")))
    look = done.lines[0]["looks"][1]
    assert look["phase"] == "pending" and look["when"] == "held" and "no such overload" in look["fault"] and "no such overload" in done.stderr


def test_an_error_is_not_taken_for_nothing(packs):
    """A condition that cannot be answered opens nothing; an example that expects nothing fails for it all the same."""
    text = RULES.replace("fill_pct >= 85.0", "fill_pct / dyn('x') > 1").replace("[open 20m, recover 25m]", "[]")
    done = rule("test", packs(text))
    example, last = done.lines
    assert done.returncode == 1 and last["failed"] == 1 and example["ok"] is False and example["came"] == []
    assert example["error"] == "0 device: when: 1:10: no such overload (operands of a wrong type)"
    assert [look["fault"] for look in example["looks"]] == 3 * ["when: 1:10: no such overload (operands of a wrong type)"]
    assert "error     0 device: when: 1:10: no such overload (operands of a wrong type)" in done.stderr and "and 2 more errors" in done.stderr
    tap = rule("test", "--tap", packs(text)).stdout
    assert tap.startswith("not ok 1") and "#     error     0 device: when: 1:10: no such overload (operands of a wrong type)" in tap
    text = RULES.replace("fill_pct >= 85.0", "fill_pct >= 85.0 && temp_c > 3.0").replace("[open 20m, recover 25m]", "[]")
    done = rule("test", packs(text))  # a field that is missing is no error
    assert done.returncode == 0 and done.lines[0]["ok"] is True


def test_what_a_condition_saw_beside_fields_is_told(packs):
    text = RULES.replace("fill_pct >= 85.0", "avg(fill_pct, '30m') >= 85.0 && (!has(prev.fill_pct) || prev.fill_pct > 1.0)")
    done = rule("test", packs(text.replace("recover 25m", "")))
    looks = done.lines[0]["looks"]
    assert looks[0]["values"] == {"avg(fill_pct, '30m')": 86, "prev.fill_pct": None}
    assert looks[1]["values"] == {"avg(fill_pct, '30m')": 86.5, "prev.fill_pct": 86}
    assert '"avg(fill_pct, \'30m\')":86.5' in done.stderr


def test_tap(packs):
    done = rule("test", "--tap", packs(WRONG + BARE))
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "not ok 1 - bin.full: filled, and  1" and lines[-1] == "1..1"  # a # would begin a directive
    assert all(line.startswith("# ") for line in lines[1:-1]) and any("came      open 20m" in line for line in lines)
    assert rule("test", "--tap", packs()).stdout == "ok 1 - bin.full: filled, then emptied\n1..1\n"
    done = rule("test", "--tap", packs("rules: 7\n"))
    assert done.returncode == 1 and done.stdout == "Bail out! the rules cannot be loaded\n"


def test_rules_without_examples_are_counted(packs):
    done = rule("test", packs(RULES + BARE))
    assert done.returncode == 0 and "rules without examples: 1 (bin.wrong)" in done.stderr
    assert done.lines[-1]["without_examples"] == 1
    assert rule("test", "--strict", packs(RULES + BARE)).returncode == 1


def test_one_rule_only(packs):
    both = WRONG + RULES.replace("rules:\n", "").replace("bin.full", "bin.too")
    assert rule("test", "--rule", "bin.too", packs(both)).lines[-1] == {
        "rules": 1, "examples": 1, "passed": 1, "failed": 0, "without_examples": 0}
    done = rule("test", "--rule", "bin.ful", packs(both))
    assert done.returncode == 2 and 'did you mean "bin.full"?' in done.stderr and done.stdout == ""


def test_several_folders(packs, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.yaml").write_text(WRONG)
    done = rule("test", packs(), tmp_path / "b")
    assert done.returncode == 1 and done.lines[-1] == {
        "rules": 2, "examples": 2, "passed": 1, "failed": 1, "without_examples": 0}


def test_the_folder_is_the_configurations_or_the_one_at_hand(packs, tmp_path, make_hub):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yaml").write_text(RULES)
    assert rule("test", cwd=tmp_path).returncode == 0
    hub = make_hub(rules={"a.yaml": WRONG}, broker=False, start=False, migrate=False)
    for argv, env in ((("--config", hub.path), {}), ((), {"GRIDHUB_CONFIG": str(hub.path)})):
        done = rule("test", *argv, cwd=tmp_path, env=env)
        assert done.returncode == 1 and done.lines[-1]["failed"] == 1, done.stderr
    done = rule("test", "--config", "/nonexistent.yaml", cwd=tmp_path)
    assert done.returncode == 1 and "/nonexistent.yaml" in done.stderr


@pytest.mark.parametrize("argv", [("test", "--rulez"), ("list", "a", "b"), ("kinds", "a", "b"), ("tset",), ()])
def test_bad_usage(argv, tmp_path):
    assert rule(*argv, cwd=tmp_path).returncode == 2


@pytest.mark.parametrize("verb", ["test", "list", "kinds"])
def test_help_and_bad_rules(verb, packs):
    done = subprocess.run([HUB, "rule", verb, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith(f"usage: gridhub rule {verb}")
    done = rule(verb, packs(RULES.replace("when: ", "when: (")))
    assert done.returncode == 1 and "a.yaml:4:" in done.stderr and done.stdout == ""


def test_list(packs):
    done = rule("list", packs(RULES + BARE + "    shadow: true\n"))
    assert done.returncode == 0
    full, wrong = done.lines
    assert full == {"rule": "bin.full", "class": "bin", "when": "fill_pct >= 85.0", "for": "20m",
                    "clear": "fill_pct < 75.0", "event": False, "scope": "device", "flap": {"count": 5, "within": "1h"}, "shadow": False, "outage": False,
                    "kind": "event-0192", "severity": "normal", "title": {"zh-CN": "{device.name}满", "en": "{device.name}满"}, "examples": 1,
                    "file": f"{packs()}/a.yaml", "line": 2}
    assert wrong["shadow"] is wrong["event"] is True and wrong["class"] == "any" and wrong["examples"] == 0
    packs("zone: Asia/Shanghai\nschedules: [{name: night, hours: ['22:00-06:00']}]\n", "schedules.yaml")
    (full,) = rule("list", packs(RULES.replace("20m\n", "{night: 10m, else: 20m}\n    during: night\n    flap: off\n", 1))).lines
    assert full["for"] == {"night": "10m", "else": "20m"} and full["during"] == ["night"] and "flap" not in full
    shipped = rule("list", ROOT / "rules").lines
    assert all(r["why"] for r in shipped) and any("advice" in r for r in shipped)
    for option, key, value in (("--class", "class", "bin"), ("--kind", "kind", "event-0591"), ("--severity", "severity", "urgent")):
        some = rule("list", ROOT / "rules", option, value).lines
        assert some == [r for r in shipped if r[key] == value] and 0 < len(some) < len(shipped)
    assert {r["rule"].split(".")[0] for r in rule("list", ROOT / "rules", "--file", "bin.yaml").lines} == {"bin"}
    assert rule("kinds", ROOT / "rules", "--class", "bin").returncode == 2
    assert len({r["rule"] for r in shipped}) == len(shipped) and all(r["kind_name"] for r in shipped)


def on_terminal(*args):
    """What a person sees who runs it."""
    main, other = os.openpty()
    env = {**os.environ, "GRIDHUB_CONFIG": "", "LC_ALL": "C.UTF-8"}
    done = subprocess.run([HUB, "rule", *map(str, args)], stdout=other, stderr=subprocess.PIPE, text=True, timeout=30, check=False, env=env)
    os.close(other)
    out = b""
    try:
        while more := os.read(main, 65536):
            out += more
    except OSError:  # the other end is shut
        pass
    os.close(main)
    return done.returncode, out.decode().replace("\r\n", "\n"), done.stderr


def test_people_get_a_table_and_failures_once(packs):
    code, out, err = on_terminal("test", packs(WRONG))
    assert code == 1 and out == "" and err.count("expected  open 10m") == 1
    code, out, err = on_terminal("test", packs(WRONG), "--json")
    assert json.loads(out.splitlines()[-1])["failed"] == 1
    code, out, err = on_terminal("list", packs(RULES))
    head, row = out.splitlines()
    assert code == 0 and head.split() == ["rule", "class", "kind", "severity", "for", "title"]
    assert row.split() == ["bin.full", "bin", "event-0192", "normal", "20m", "{device.name}满"]
    code, out, err = on_terminal("kinds", ROOT / "rules")
    assert code == 0 and "event-0192  4h" in out and "bin overflow · sanitation" in out


def test_a_long_example_is_cut_to_what_is_around_the_difference(packs):
    readings = "".join(f"\n          - {i}m: {{fill_pct: {90 if 300 <= i < 330 else 10}}}" for i in range(500))
    text = RULES.replace("readings: [0: {fill_pct: 86}, 10m: {fill_pct: 87}, 25m: {fill_pct: 3}]", f"readings:{readings}")
    done = rule("test", packs(text.replace("open 20m, recover 25m", "open 5h, recover 330m")))
    first = done.lines[0]
    assert first["came"][0] == "open 5h20m" and len(first["looks"]) < 30 and first["looks_left_out"] > 450
    assert "5h" in [x["at"] for x in first["looks"]]
    assert "looks before these" in done.stderr and "more looks" in done.stderr and len(done.stderr) < 5000


def test_an_example_that_ends_before_what_it_expects(packs):
    done = rule("test", packs(RULES.replace(", 25m: {fill_pct: 3}", "").replace("open 20m, recover 25m", "open 20m")))
    assert done.returncode == 1 and "time ended at the last reading: set `until`" in done.stderr


def test_kinds(packs):
    done = rule("kinds", ROOT / "rules")
    kinds = {k["kind"]: k for k in done.lines}
    assert done.returncode == 0 and len(kinds) >= 30
    assert kinds["event-0192"]["name"] == {"zh-CN": "垃圾满溢", "en": "bin overflow"}
    assert all(k["department"]["zh-CN"] and k["limit"] and k["unit"] in ("natural", "urgent", "work") for k in done.lines)
    done = rule("kinds", packs())
    assert done.returncode == 1 and "there is no kinds.yaml" in done.stderr


@pytest.mark.parametrize("lang, name, department", [("zh-CN", "垃圾满溢", "环卫"), ("en", "bin overflow", "sanitation")])
def test_an_alert_says_what_the_kind_is_and_who_answers_for_it(make_hub, publisher, receiver, lang, name, department):
    make_hub(conf={"language": lang}, grids=GRIDS, devices=DEVICES, receiver=receiver)  # with the shipped rules
    publisher.publish(topic_of("bin-1"), {"fill_pct": 97})
    case = receiver.wait(1)[0].json["data"]["case"]
    assert (case["kind"], case["kind_name"], case["department"]) == ("event-0192", name, department)


# ---- too much, twice, nonsense ----


def cpu_s():
    """Of all that this test has run: the clock on the wall says how busy the machine is."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def pack(n, first=0):
    fields = ("fill_pct", "temp_c", "humidity_pct", "gas_ppm", "tilt_deg", "noise_db", "pm25", "voltage_mv")
    out = ["rules:\n"]
    for i in range(first, first + n):
        a, b = fields[i % 8], fields[(i + 3) % 8]
        out.append(f"  - id: r{i}\n    when: {a} > {i % 90}.0 && {b} < {i % 50}.5 || has({b}) && {b} > {1000 + i}.0\n"
                   f"    for: {i % 30}m\n    clear: {a} < {i % 90 - 3}.0\n    kind: event-0192\n"
                   f"    title: {{zh-CN: \"{{device.name}}{{{a}}}\"}}\n"
                   f"    examples:\n      - {{interval: 15m, readings: [0: {{{a}: 999, {b}: 0}}, 30m: {{{a}: 999, {b}: 0}}, "
                   f"1h: {{{a}: -9, {b}: 99}}], expect: [open {i % 30}m, recover 1h]}}\n")
    return "".join(out)


@pytest.fixture
def many(tmp_path):
    for i in range(10):
        (tmp_path / f"p{i}.yaml").write_text(pack(1000, 1000 * i))
    for name in ("fields.yaml", "kinds.yaml"):
        (tmp_path / name).write_text((ROOT / "rules" / name).read_text())
    return tmp_path


def test_ten_thousand_rules_load_in_two_seconds_and_not_one_more(many):
    began = cpu_s()
    done = subprocess.run([HUB, "check", "--rules", many], capture_output=True, text=True, timeout=60, check=False)
    took = cpu_s() - began
    assert json.loads(done.stdout) == {"rules": 10000, "errors": 0, "warnings": 0}, done.stderr
    assert took < 2 or "release" not in str(HUB), took
    (many / "q.yaml").write_text(pack(1, 10000))
    done = subprocess.run([HUB, "check", "--rules", many], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "q.yaml:2:5: more rules than a set can hold" in done.stderr


def test_the_examples_of_many_rules_run_in_seconds(many):
    began = cpu_s()
    done = rule("test", many, timeout=120)
    assert done.returncode == 0 and done.lines[-1]["passed"] == 10000
    assert cpu_s() - began < 10 or "release" not in str(HUB)


def test_one_bad_file_does_not_keep_the_others_from_their_tests(packs):
    packs("rules: 7\n", "b.yaml")
    packs(RULES.replace("bin.full", "bin.bad").replace("fill_pct >=", "fill_pct >>"), "c.yaml")
    done = rule("test", packs())
    assert done.returncode == 1 and "b.yaml:1" in done.stderr and "c.yaml:4" in done.stderr
    assert done.lines[-1]["passed"] == 1 and "were left out" in done.stderr


def test_unknown_names_by_the_thousand_do_not_slow_it_down(tmp_path):
    (tmp_path / "fields.yaml").write_text((ROOT / "rules" / "fields.yaml").read_text())
    for i in range(5):
        (tmp_path / f"p{i}.yaml").write_text(pack(1000, 1000 * i).replace("fill_pct", f"fill_pkt_{i}").replace("temp_", "tmp_"))
    began = cpu_s()
    done = subprocess.run([HUB, "check", "--rules", tmp_path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and json.loads(done.stdout)["errors"] > 1000
    assert len(done.stderr.splitlines()) < 310 and 'did you mean "temp_c"?' in done.stderr  # a hundred, each with its line and a caret
    assert cpu_s() - began < 2 or "release" not in str(HUB)


def test_the_same_rule_in_two_files(packs):
    packs()
    done = rule("list", packs(RULES, "b.yaml"))
    assert done.returncode == 1 and f'b.yaml:2:1: rule "bin.full" is here twice (first in {packs()}/a.yaml:2)' in done.stderr


@pytest.mark.parametrize("old, new, told", [
    ("fill_pct >= 85.0", "fill_pct >= 85.0" + " && fill_pct >= 85.0" * 5000, "a.yaml:4:11: key \"when\": longer than 16384"),
    ("fill_pct >= 85.0", "(" * 10000 + "1", "a.yaml:4:111: key \"when\": nested deeper"),
    ("for: 20m", "for: " + "{night: " * 40 + "1" + "}" * 40, "a.yaml:5:"),
    ("open 20m", "x" * 100000, "a.yaml:13:18: key \"expect\": \"xxxxx"),
    ("interval: 10m", "interval: 1000000d", "a.yaml:11:19: key \"interval\""),
    ("of: filled, then emptied", "of: [a]", "a.yaml:10:13: key \"of\": a list where a text was expected"),
    ("0: {fill", "0: {fill_pct: 1, fill", "is here twice"),
    ("kind: event-0192", "kind: &a event-0192", "anchors and aliases"),
])
def test_nonsense_is_refused_with_its_place(packs, old, new, told):
    assert old in RULES
    done = rule("test", packs(RULES.replace(old, new, 1)))
    assert done.returncode == 1 and told in done.stderr, done.stderr[:2000]
    assert len(done.stderr) < 4000
