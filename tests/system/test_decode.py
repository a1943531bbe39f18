"""gridhub decode: readings as JSON lines, refusals with a reason, exit statuses."""

import json

import pytest

TOPIC = "city/v1/qx/g-1/bin/b-7/tele"


@pytest.fixture
def decode(make_hub, folder):
    """decode(topic, payload, …): no configuration, database or broker is needed for it."""
    hub = make_hub(broker=False, start=False, migrate=False)
    (folder / "hub0" / "gridhub.yaml").unlink()

    def run(topic, payload, *args, adapter="hub"):
        return hub.cmd("decode", "--adapter", adapter, "--topic", topic, *args, input=payload, check=False)

    return run


def test_readings_are_json_lines(decode):
    done = decode(TOPIC, '[{"n":"temp","u":"Cel","v":21.5,"t":-60},{"n":"open","vb":true}]', "--at",
                  "2026-11-21T21:00:00+08:00")
    assert done.returncode == 0 and done.err == ""
    assert [json.loads(line) for line in done.out.splitlines()] == [
        {"address": "b-7", "class": "bin", "grid": "g-1", "kind": "tele", "at": "2026-11-21T12:59:00.000000Z",
         "fields": {"temp_c": 21.5}},
        {"address": "b-7", "class": "bin", "grid": "g-1", "kind": "tele", "fields": {"open": True}},
    ]


@pytest.mark.parametrize("topic, payload, args, reason", [
    (TOPIC, "", (), "the payload is empty"),
    (TOPIC, '{"a":', (), "JSON line 1 column 5"),
    (TOPIC, '{"a":1,"a":2}', (), "duplicate object key"),
    (TOPIC, b'{"a":"\xff"}', (), "not UTF-8 at byte 6"),
    (TOPIC, b" " * 10_000_000, (), "at most 262144 are taken"),
    (TOPIC, "[" * 100, (), "deeper than 16 levels"),
    (TOPIC, '{"a":[1]}', (), '"a": expected a single value, not an array'),
    (TOPIC, "{}", ("--retained",), "a retained tele is old"),
    ("city/v1/qx/g-1/lamp/b-7/tele", "{}", (), 'class "lamp": expected camera, sensor or bin'),
    ("city/+/x", "{}", (), "byte 0x2b at 5"),
], ids=["empty", "truncated", "duplicate", "utf8", "large", "deep", "array", "retained", "class", "wildcard"])
def test_refusals_say_why(decode, topic, payload, args, reason):
    done = decode(topic, payload, *args)
    assert done.returncode == 1 and done.out == ""
    assert done.err.startswith("gridhub: refused: ") and reason in done.err


def test_usage(decode):
    done = decode(TOPIC, "{}", adapter="zigbe2mqtt")
    assert done.returncode == 2 and 'the nearest is "zigbee2mqtt"' in done.err
    assert decode("", "{}").returncode == 2
    assert decode(TOPIC, "{}", "--at", "yesterday").returncode == 2
    assert "frigate" in decode(TOPIC, "{}", "--help").out


def test_no_interest_is_no_refusal(decode):
    done = decode("frigate/front/motion", "ON", adapter="frigate")
    assert done.returncode == 0 and done.out == "" and "of no interest" in done.err
