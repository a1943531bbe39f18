"""Two receivers of one hub, each in its own language: what is said of a case, a digest, an outage and a test."""

import json

import pytest

from conftest import wait_until
from receiver import Receiver
from test_bundle import ids

RULES = {"r.yaml": """
rules:
  - id: any.hot
    when: temp_c > 50.0
    kind: event-0592
    severity: urgent
    title: {zh-CN: "{device.name}过热（{temp_c}度）", en: "{device.name} is hot ({temp_c} degrees)"}
    advice: {zh-CN: "请核查", en: "please check"}
  - id: any.offline
    outage: true
    when: online == false
    kind: part-0591
    title: {zh-CN: "{device.name}离线", en: "{device.name} is offline"}
"""}
GRIDS = [{"code": "g", "name": "栖霞", "level": 1},
         {"code": "g-zh", "name": "3号楼", "level": 2, "parent": "g", "endpoint": "leader"},
         {"code": "g-en", "name": "No. 5", "level": 2, "parent": "g", "endpoint": "english"}]
DEVICES = [{"id": f"{lang}-{i}", "title": f"S{i}", "class": "sensor", "adapter": "hub", "address": f"{lang}-{i}",
            "grid": f"g-{lang}", **({"parent": f"{lang}-0"} if i else {})} for lang in ("zh", "en") for i in range(5)]


@pytest.fixture
def receivers():
    made = {"zh": Receiver(), "en": Receiver()}
    yield made
    for r in made.values():
        r.stop()


@pytest.fixture
def street(make_hub, receivers, publisher):
    def make(**notify):
        hub = make_hub({"notify": notify} if notify else None, grids=GRIDS, devices=DEVICES, rules=RULES,
                       receiver=receivers["zh"], start=False)
        secret = hub.dir / "english.secret"
        secret.write_text(receivers["en"].secret + "\n")
        secret.chmod(0o600)
        hub.conf["endpoints"].append({"name": "english", "url": receivers["en"].url, "secret_file": str(secret),
                                      "language": "en"})
        hub.write_conf()
        return hub.start()
    return make


def say(publisher, device, **fields):
    publisher.publish(f"city/v1/qixia/{device}/sensor/{device}/tele", fields)


def data(message):
    return json.loads(message.body)["data"]


def test_each_case_in_the_receivers_language(street, receivers, publisher):
    street()
    for lang in receivers:
        say(publisher, f"{lang}-1", temp_c=60.0)
    zh, en = (data(receivers[lang].wait(1)[0]) for lang in ("zh", "en"))
    assert zh["case"]["title"] == "S1过热（60度）" and zh["text"].startswith("【紧急】S1过热（60度），请核查\n网格：3号楼")
    assert en["case"]["title"] == "S1 is hot (60 degrees)"
    assert en["text"].startswith("[urgent] S1 is hot (60 degrees), please check\nGrid: No. 5\nDevice: S1\nTime: ")
    assert "other" not in zh and "other" not in en
    assert set(zh) == set(en) and set(zh["case"]) == set(en["case"])
    for lang in receivers:
        say(publisher, f"{lang}-1", temp_c=20.0)
    zh, en = (data(receivers[lang].wait(2)[1]) for lang in ("zh", "en"))
    # The case's own title, not one with the reading that ended it.
    assert zh["text"].startswith("【已恢复】S1过热（60度）\n") and zh["case"]["title"] == "S1过热（60度）"
    assert en["text"].startswith("[recovered] S1 is hot (60 degrees)\n") and en["case"]["title"] == "S1 is hot (60 degrees)"


def test_a_digest_in_the_receivers_language(street, receivers, publisher):
    street(group_wait="1s", group_interval="2s")
    for i in range(1, 5):
        for lang in receivers:
            say(publisher, f"{lang}-{i}", temp_c=60.0)
    for lang, words in (("zh", ("3号楼共", "起：")), ("en", ("No. 5, ", " cases: "))):
        r = receivers[lang]
        wait_until(lambda r=r: len([c for m in r.accepted for c in ids(m)]) == 4, 30)
        digest = data(next(m for m in r.accepted if "digest" in data(m)))
        assert all(w in digest["text"] for w in words), digest["text"]
        assert all(("hot" in shown["title"]) == (lang == "en") for shown in digest["digest"]["shown"])


def test_an_outage_in_the_receivers_language(street, receivers, publisher):
    street()
    for lang in receivers:
        for i in range(1, 5):
            say(publisher, f"{lang}-{i}", online=False)

    def told(lang):
        return next((data(m) for m in receivers[lang].accepted if data(m)["case"]["rule"] == "outage"), None)
    zh, en = (wait_until(lambda lang=lang: told(lang), 30) for lang in ("zh", "en"))
    assert zh["case"]["title"].startswith("S0下") and zh["case"]["title"].endswith("台设备失联")
    assert "devices below S0 cannot be reached" in en["case"]["title"] and en["text"].startswith("[high] ")
    for lang in receivers:
        for i in range(1, 5):
            say(publisher, f"{lang}-{i}", online=True)
    wait_until(lambda: any(data(m)["text"].startswith("[recovered] ") and data(m)["case"]["rule"] == "outage"
                           for m in receivers["en"].accepted), 30)


def test_a_test_in_the_receivers_language(street, receivers):
    hub = street()
    hub.cmd("webhook", "test", "english")
    hub.cmd("webhook", "test", "leader")
    assert data(receivers["en"].wait(1)[0])["text"].startswith("[TEST]")
    assert data(receivers["zh"].wait(1)[0])["text"].startswith("【测试】")
