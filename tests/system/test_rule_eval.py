"""gridhub rule eval: what it prints and how it exits; every public case of CEL that is at hand through the command line."""

import json
import subprocess
from pathlib import Path

import pytest
from conftest import HUB

CASES = Path(__file__).resolve().parents[3] / "shared/cel/cases.jsonl"


def rule_eval(*args):
    return subprocess.run([HUB, "rule", "eval", *args], capture_output=True, text=True, timeout=10, check=False)


def same(got, want):
    """Maps have no order."""
    if isinstance(want, dict) and "map" in want:
        return len(got.get("map", [])) == len(want["map"]) and all(
            any(same(k, wk) and same(v, wv) for k, v in got["map"]) for wk, wv in want["map"])
    if isinstance(want, dict) and "list" in want:
        return len(got.get("list", [])) == len(want["list"]) and all(map(same, got["list"], want["list"]))
    return got == want


def test_values_say_their_type():
    done = rule_eval("[fill_pct / 2, 1u, -7, 'a' + label]", "--bindings",
                     '{"fill_pct": {"double": 91}, "label": {"string": "满"}}')
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"value": {"list": [{"double": 45.5}, {"uint": 1}, {"int": -7}, {"string": "a满"}]}}


def test_an_expression_may_begin_with_a_minus():
    assert json.loads(rule_eval("-(3)").stdout) == {"value": {"int": -3}}
    assert json.loads(rule_eval("--", "--3").stdout) == {"value": {"int": 3}}


def test_faults_are_errors_with_their_place():
    done = rule_eval("1 +\n 2 / 0")
    assert (done.returncode, json.loads(done.stdout)) == (1, {"error": "2:4: divide by zero"})
    done = rule_eval("x || 'a'.startWith('b')", "--bindings", '{"x": {"bool": false}}')
    assert json.loads(done.stdout) == {"error": '1:10: unknown function "startWith" (did you mean "startsWith"?)'}
    done = rule_eval("fil_pct > 1", "--bindings", '{"label": {"int": 2}, "fill_pct": {"double": 1}}')
    assert json.loads(done.stdout) == {"error": '1:1: unknown name "fil_pct" (did you mean "fill_pct"?)'}
    assert json.loads(rule_eval("zz > 1", "--bindings", '{"fill_pct": {"double": 1}}').stdout) == {"error": '1:1: unknown name "zz"'}
    done = rule_eval("temp >")
    assert (done.returncode, json.loads(done.stdout)["error"][:4]) == (1, "1:7:")
    assert done.stderr.splitlines()[:2] == ["temp >", "      ^ a value was expected, the condition ends here"]


@pytest.mark.parametrize("args", [(), ("1", "2"), ("--bindings", "{}"), ("1", "--bindings", "{"), ("1", "--bindings", '{"x": 1}'),
                                  ("1", "--bindings", "[]")])
def test_bad_usage(args):
    done = rule_eval(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("gridhub")


@pytest.mark.parametrize("text", ["1 + " * 25000 + "1", "(" * 10000 + "1" + ")" * 10000, "[" * 10000, "!" * 10000 + "true",
                                  "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'.matches('^(a|a)*$')",
                                  "[1,2,3,4,5,6,7,8,9,10]" + ".map(a, [1,2,3,4,5,6,7,8,9,10]" * 8 + ")" * 8])
def test_nothing_stalls_it(text):
    done = rule_eval(text)
    assert done.returncode == 1 and "error" in json.loads(done.stdout)


@pytest.mark.skipif(not CASES.exists(), reason="the public cases are not here")
def test_public_cases():
    failed = []
    for line in CASES.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if "\0" in case["expr"]:
            continue  # no argument of a command can have it; test_cel_conformance.c does
        args = ["--bindings", json.dumps(case["bindings"])] if "bindings" in case else []
        done = rule_eval(case["expr"], *args)
        got = json.loads(done.stdout)
        good = (done.returncode == 1 and "error" in got) if "error" in case else (
            done.returncode == 0 and same(got.get("value", {}), case["value"]))
        if not good:
            failed.append((case["name"], got))
    assert not failed
