"""Robots and other receivers, played by a server that computes their signatures by itself and answers as they do."""

import base64
import hashlib
import hmac
import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from conftest import DEVICES, GRIDS, topic_of, wait_until

SECRET = "SEC0123456789"
RULE = """rules:
  - id: bin.full
    when: fill_pct >= 85.0
    kind: event-0192
    severity: high
    title: {zh-CN: "{device.name}已满 {fill_pct}%"}
"""


class Robot:
    """Takes POSTs; `answers` are (status, body) for the next ones, then ok of each dialect's kind."""

    OK = {"slack": b"ok"}

    def __init__(self):
        self.seen, self.answers = [], []
        robot = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                robot.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                ok = robot.OK.get(self.path.split("/")[1], b'{"errcode":0,"code":0}')
                status, answer = robot.answers.pop(0) if robot.answers else (200, ok)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_address[1]}/{path}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def robot():
    r = Robot()
    yield r
    r.close()


def dingtalk_sign(path):
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
    ms = query["timestamp"][0]
    assert abs(time.time() * 1000 - int(ms)) < 60_000
    mac = hmac.new(SECRET.encode(), f"{ms}\n{SECRET}".encode(), hashlib.sha256).digest()
    assert query["sign"] == [base64.b64encode(mac).decode()] and query["access_token"] == ["T"]


def feishu_sign(body):
    mac = hmac.new(f"{body['timestamp']}\n{SECRET}".encode(), b"", hashlib.sha256).digest()
    assert body["sign"] == base64.b64encode(mac).decode() and abs(time.time() - int(body["timestamp"])) < 60


# dialect: path, secret, template, what its body says of a test
DIALECTS = {
    "wecom": ("wecom/send?key=K", None, None, lambda b: b["markdown"]["content"]),
    "dingtalk": ("dingtalk/send?access_token=T", SECRET, None, lambda b: b["markdown"]["text"]),
    "feishu": ("feishu/hook/U", SECRET, None, lambda b: b["card"]["header"]["title"]["content"]),
    "slack": ("slack/T/B/X", None, None, lambda b: b["blocks"][0]["text"]["text"]),
    "cloudevents": ("ce", "token", None, lambda b: b["data"]["text"]),
    "alertmanager": ("am", None, None, lambda b: b["alerts"][0]["annotations"]["description"]),
    "pagerduty": ("v2/enqueue", "0123456789abcdef0123456789abcdef", None, lambda b: b["payload"]["summary"]),
    "ntfy": ("topic", "tk_1", None, lambda b: b["message"]),
    "gotify": ("message", "A.1", None, lambda b: b["message"]),
    "template": ("own", "X-Api-Key: k", '{"said": "{text}", "n": {case.id|json}}', lambda b: b["said"]),
}


def endpoint(hub, robot, dialect, name="leader"):
    path, secret, template, _ = DIALECTS[dialect]
    conf = {"name": name, "url": robot.url(path), "dialect": dialect}
    if secret:
        file = hub.dir / f"{name}.secret"
        file.touch(0o600)
        file.write_text(secret + "\nolder\n" if dialect in ("dingtalk", "feishu") else secret + "\n")
        conf["secret_file"] = str(file)
    if template:
        (hub.dir / f"{name}.template").write_text(template)
        conf["template_file"] = str(hub.dir / f"{name}.template")
    return conf


@pytest.fixture
def bare(make_hub):
    """A hub that is not started and needs neither broker nor database."""
    class NoDatabase:
        conninfo, password_file = "dbname=x", None
    return make_hub(broker=False, start=False, migrate=False, db=NoDatabase, rules={"a.yaml": RULE})


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_test_message_arrives_in_every_dialect(bare, robot, dialect):
    bare.conf["endpoints"] = [endpoint(bare, robot, dialect)]
    bare.write_conf()
    done = bare.cmd("webhook", "test", "leader", check=False)
    assert done.returncode == 0, done.err
    path, headers, raw = robot.seen[0]
    body = json.loads(raw)
    assert "测试" in DIALECTS[dialect][3](body)
    assert SECRET not in done.err + done.out and "access_token=T" not in done.err + done.out
    if dialect == "dingtalk":
        dingtalk_sign(path)
    if dialect == "feishu":
        feishu_sign(body)
    want = {"ntfy": ("authorization", "Bearer tk_1"), "gotify": ("x-gotify-key", "A.1"), "template": ("x-api-key", "k"),
            "cloudevents": ("authorization", "Bearer token")}.get(dialect)
    assert not want or headers[want[0]] == want[1]
    assert dialect != "ntfy" or path == "/"


@pytest.mark.parametrize("dialect, status, answer, result, says", [
    ("dingtalk", 200, '{"errcode":310000,"errmsg":"sign not match"}', "dead",
     "310000 sign not match: the robot's secret differs from secret_file, or this machine's clock is off by more than an hour"),
    ("dingtalk", 200, '{"errcode":130101,"errmsg":"send too fast"}', "retry", "ten minutes"),
    ("wecom", 200, '{"errcode":93000,"errmsg":"invalid webhook url"}', "dead", "93000: no robot has that key"),
    ("feishu", 200, '{"code":19024,"msg":"Key Words Not Found"}', "dead", "keywords"),
    ("slack", 404, "no_service", "dead", "no_service"),
    ("wecom", 200, "<html>Welcome to the hotel</html>", "retry", "look at the URL"),
])
def test_a_refusal_is_explained(bare, robot, dialect, status, answer, result, says):
    bare.conf["endpoints"] = [endpoint(bare, robot, dialect)]
    bare.write_conf()
    robot.answers = [(status, answer.encode())]
    done = bare.cmd("webhook", "test", "leader", check=False)
    line = json.loads(done.out)
    assert done.returncode == 1 and line["result"] == result and says in line["explanation"] and says in done.err


@pytest.mark.parametrize("dialect, change, says", [
    ("template", {"template_file": None}, "no template_file"),
    ("template", {"text": '{"a": "{case.titel}"}'}, "1:8: there is no place {case.titel} (did you mean {case.title}?)"),
    ("template", {"text": '{"a": {text}}'}, "makes no JSON"),
    ("wecom", {"text": "{grid.nam}"}, "1:1: there is no place"),
    ("wecom", {"url": "http://127.0.0.1:9999/send"}, "?key="),
    ("standard", {"text": "x"}, "takes no template_file"),
    ("wecom", {"content_type": "text/plain"}, "content_type"),
    ("template", {"template_file": "nowhere"}, "nowhere"),
    ("wecom", {"mention": "zhangwei all"}, 'key "mention": value "zhangwei all"'),
    ("wecom", {"mention": "<@x>"}, 'key "mention": value "<@x>"'),
    ("standard", {"mention": "x"}, 'key "mention": dialect "standard" calls nobody'),
])
def test_a_bad_set_up_is_told_by_check(bare, robot, dialect, change, says):
    conf = endpoint(bare, robot, dialect) if dialect in DIALECTS else {"name": "leader", "url": "https://h/",
                                                                       "dialect": dialect}
    change = dict(change)
    if dialect == "standard":
        conf["secret_file"] = str(bare.dir / "s")
        (bare.dir / "s").touch(0o600)
        (bare.dir / "s").write_text("whsec_YSBrZXkgdGhhdCBvbmx5IHRlc3RzIHVzZQ==")
    if "text" in change:
        (bare.dir / "t").write_text(change.pop("text"))
        change["template_file"] = str(bare.dir / "t")
    bare.conf["endpoints"] = [{k: v for k, v in {**conf, **change}.items() if v is not None}]
    bare.write_conf()
    done = bare.cmd("check", check=False)
    assert done.returncode == 1 and 'endpoint "leader"' in done.err and says in done.err, done.err


def test_a_case_goes_to_a_robot_and_a_blocked_robot_gets_rest(make_hub, robot, publisher, database):
    hub = make_hub(rules={"a.yaml": RULE}, grids=GRIDS, devices=DEVICES, start=False)
    (hub.dir / "words").write_text("{severity} {case.title}\n第{case.id}号")
    hub.conf["endpoints"] = [{**endpoint(hub, robot, "dingtalk"), "template_file": str(hub.dir / "words")}]
    hub.conf["notify"] |= {"case_url": "https://hub.example/case/{case}", "retry_scale": 100}
    hub.write_conf()
    hub.start()
    robot.answers = [(200, b'{"errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}')]
    publisher.publish(topic_of("bin-1"), {"fill_pct": 91.256})
    wait_until(lambda: robot.seen)
    path, _, raw = robot.seen[0]
    card = json.loads(raw)["actionCard"]
    dingtalk_sign(path)
    assert card["singleURL"] == "https://hub.example/case/1" and card["singleTitle"] == "查看案件"
    assert card["title"].startswith("重要 ") and card["title"].endswith("91.26%") and card["text"].endswith("\n\n第1号")
    wait_until(lambda: database.value("SELECT attempts FROM outbox") == 1)
    wait_s = database.value("SELECT extract(epoch FROM next_at - now()) FROM outbox")
    assert 590 < wait_s < 700
    # The whole robot rests, not only that alert.
    publisher.publish(topic_of("smoke-1", cls="sensor"), {"fill_pct": 99})
    wait_until(lambda: database.value("SELECT count(*) FROM outbox") == 2)
    time.sleep(1.5)
    assert len(robot.seen) == 1
    assert hub.stop() == 0


@pytest.mark.parametrize("dialect, called", [
    ("wecom", lambda body: "<@zhang.wei>" in body["markdown"]["content"] and "<@post>" in body["markdown"]["content"]),
    ("dingtalk", lambda body: body["at"] == {"atUserIds": ["zhang.wei", "post"], "atMobiles": []}),
    ("feishu", lambda body: "<at id=zhang.wei></at>" in body["card"]["elements"][0]["text"]["content"]),
])
def test_who_is_on_duty_is_called_by_name(make_hub, robot, publisher, dialect, called):
    hub = make_hub(rules={"a.yaml": RULE}, grids=GRIDS, devices=DEVICES, start=False)
    hub.conf["endpoints"] = [{**endpoint(hub, robot, dialect), "mention": "post"}]
    hub.write_conf()
    roster = hub.dir / "roster.yaml"
    roster.write_text("people:\n  - {name: 张伟, endpoints: [leader], mention: zhang.wei}\n"
                      "duties:\n  - {grid: qx-yh-1-1-3, person: 张伟}\n")
    hub.cmd("duty", "load", roster)
    assert json.loads(hub.cmd("duty", "list", "--grid", "qx-yh-1-1-3").out)["mention"] == "zhang.wei"
    roster.write_text("people:\n  - {name: 张伟, endpoints: [leader], mention: all}\n")
    refused = hub.cmd("duty", "load", roster, check=False)
    assert refused.returncode == 1 and 'key "mention": value "all"' in refused.err
    hub.start()
    publisher.publish(topic_of("bin-1"), {"fill_pct": 91.256})
    wait_until(lambda: robot.seen)
    body = json.loads(robot.seen[0][2])
    assert called(body), body
    publisher.publish(topic_of("bin-1"), {"fill_pct": 10.0})  # nobody is called when it is over
    wait_until(lambda: len(robot.seen) == 2)
    assert "zhang.wei" not in robot.seen[1][2].decode()


def test_incidents_are_opened_and_closed_one_by_one(make_hub, robot, publisher):
    """PagerDuty and what takes Alertmanager's JSON know a case by its key: a digest could not be taken back."""
    hub = make_hub(conf={"notify": {"group_wait": "30s"}}, rules={"a.yaml": RULE}, grids=GRIDS, devices=DEVICES, start=False)
    hub.conf["endpoints"] = [endpoint(hub, robot, "pagerduty")]
    hub.write_conf()
    hub.start()
    publisher.publish(topic_of("bin-1"), {"fill_pct": 91})
    publisher.publish(topic_of("smoke-1", cls="sensor"), {"fill_pct": 92})
    wait_until(lambda: len(robot.seen) == 2)
    publisher.publish(topic_of("bin-1"), {"fill_pct": 20})
    publisher.publish(topic_of("smoke-1", cls="sensor"), {"fill_pct": 20})
    wait_until(lambda: len(robot.seen) == 4)
    said = [json.loads(raw) for _, _, raw in robot.seen]
    opened = {b["dedup_key"]: b["event_action"] for b in said[:2]}
    closed = {b["dedup_key"]: b["event_action"] for b in said[2:]}
    assert len(opened) == 2 and opened.keys() == closed.keys()
    assert set(opened.values()) == {"trigger"} and set(closed.values()) == {"resolve"}
    assert hub.stop() == 0
