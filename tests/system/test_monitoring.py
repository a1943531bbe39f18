"""docker/monitoring: each alert fires for its reason and nothing else, and a real Prometheus that scrapes a real hub can answer
each question of alerts and dashboard."""

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request

import pytest
from conftest import DEVICES, GRIDS, ROOT, RULES, Process, free_port, topic_of, wait_until

MONITORING = ROOT / "docker" / "monitoring"
ALERTS = MONITORING / "alerts.yaml"
DASHBOARD = json.loads((MONITORING / "grafana-dashboard.json").read_text())
# Not of the hub: Prometheus' own.
OWN = {"up"}
HUB = '{job="gridhub",instance="hub:8470"}'

# What a hub that is well looks like over three hours, a sample a minute: 600 messages a minute, some cases, each told.
WELL = {
    "up": "1x180", "process_start_time_seconds": "1000x180",
    "gridhub_last_backup_timestamp_seconds": "0x180",  # the tests' clock begins at 0
    "gridhub_mqtt_messages_total": "0+600x180", "gridhub_readings_total": "0+600x180", "gridhub_spool_records_total": "0+600x180",
    "gridhub_batches_total": "0+60x180", "gridhub_batch_retries_total": "0x180", "gridhub_mqtt_held_total": "0x180",
    "gridhub_mqtt_connections_lost_total": "0x180", "gridhub_spool_backlog_records": "5x180", "gridhub_spool_refused_total": "0x180",
    "gridhub_spool_damaged_total": "0x180", "gridhub_records_missing_total": "0x180", "gridhub_broker_dropped_messages": "0x180",
    "gridhub_unknown_device_messages_total": "0+1x180", "gridhub_device_clock_skewed_total": "0+1x180",
    "gridhub_rule_errors_total": "0x180", "gridhub_silence_stalled_total": "0x180", "gridhub_outbox_pending": "3x180",
    "gridhub_outbox_dead": "0x180", "gridhub_receivers_failing": "0x180", "gridhub_alerts_without_endpoint_total": "0x180",
    'gridhub_messages_rejected_total{reason="json"}': "0+1x180", 'gridhub_webhook_attempts_total{result="accepted"}': "0+5x180",
    'gridhub_webhook_attempts_total{result="retry"}': "0+1x180", 'gridhub_rule_reloads_total{result="refused"}': "0x180",
    'gridhub_endpoint_reloads_total{result="refused"}': "0x180", 'gridhub_part_degraded{part="database"}': "0x180",
    'gridhub_part_degraded{part="mqtt"}': "0x180", 'gridhub_probe_streams{state="online"}': "100x180",
    'gridhub_probe_streams{state="offline"}': "2x180",
    'gridhub_probe_grid_streams{grid="qx",level="0",state="online"}': "100x180",
    'gridhub_probe_grid_streams{grid="qx",level="0",state="offline"}': "2x180",
    'gridhub_probe_grid_streams{grid="qx",level="0",state="maintenance"}': "0x180",
    'gridhub_probe_grid_streams{grid="qx-yh",level="1",state="online"}': "1x180",
    'gridhub_probe_grid_streams{grid="qx-yh",level="1",state="offline"}': "1x180", "gridhub_probe_at_fault": "0x180", "gridhub_probe_late_seconds": "0x180",
    'gridhub_probe_workers_lost_total{reason="hung"}': "0x180", "gridhub_probe_changes_lost_total": "0x180",
    "gridhub_probe_readings_lost_total": "0x180",
}
# What is different when the alert must fire, at the latest 100 minutes after it began at minute 60.
FAULTS = {
    "GridhubDown": {"up": "1x60 0x120"},
    "GridhubBrokerDropsMessages": {"gridhub_broker_dropped_messages": "0x60 7+7x120"},
    "GridhubSpoolRefuses": {"gridhub_spool_refused_total": "0x60 1+1x120"},
    "GridhubRecordsMissing": {"gridhub_records_missing_total": "0x60 12x120"},
    "GridhubAlertsNotDelivered": {'gridhub_webhook_attempts_total{result="accepted"}': "0+5x60 300x120"},
    "GridhubDeadLetters": {"gridhub_outbox_dead": "0x60 1x120"},
    "GridhubNobodyToTell": {"gridhub_alerts_without_endpoint_total": "0x150 1x30"},
    "GridhubNothingComesIn": {"gridhub_mqtt_messages_total": "0+600x60 36000x120", "gridhub_unknown_device_messages_total": "0x180",
                              'gridhub_messages_rejected_total{reason="json"}': "0x180"},
    "GridhubPartDegraded": {'gridhub_part_degraded{part="database"}': "0x60 1x120"},
    "GridhubBackupOld": {"gridhub_last_backup_timestamp_seconds": "-200000x180"},
    "GridhubRestarts": {"process_start_time_seconds": "1000x60 1000+300x120"},
    "GridhubBacklog": {"gridhub_spool_backlog_records": "5x60 100000+600x120"},
    "GridhubHeldBack": {"gridhub_mqtt_held_total": "0x150 1x30"},
    "GridhubSpoolDamaged": {"gridhub_spool_damaged_total": "0x150 1x30"},
    "GridhubConnectionsBreak": {"gridhub_mqtt_connections_lost_total": "0x60 0+1x120"},
    "GridhubBatchesFail": {"gridhub_batch_retries_total": "0x60 0+1x120"},
    "GridhubMessagesRefused": {'gridhub_messages_rejected_total{reason="json"}': "0+1x60 60+40x120"},
    "GridhubUnknownDevices": {"gridhub_unknown_device_messages_total": "0+1x60 60+40x120"},
    "GridhubClocksWrong": {"gridhub_device_clock_skewed_total": "0+1x60 60+100x120"},
    "GridhubRuleErrors": {"gridhub_rule_errors_total": "0x60 0+1x120"},
    "GridhubReloadRefused": {'gridhub_endpoint_reloads_total{result="refused"}': "0x150 1x30"},
    "GridhubAdapterQuiet": {"gridhub_silence_stalled_total": "0x150 1x30"},
    "GridhubCamerasOffline": {'gridhub_probe_grid_streams{grid="qx",level="0",state="offline"}': "2x60 40x120"},
    "GridhubProberAtFault": {"gridhub_probe_at_fault": "0x60 1x120"},
    "GridhubProberLate": {"gridhub_probe_late_seconds": "0x60 0+10x120"},
    "GridhubProberDies": {'gridhub_probe_workers_lost_total{reason="hung"}': "0x60 0+1x120"},
    "GridhubProberCannotWrite": {"gridhub_probe_changes_lost_total": "0x150 1x30"},
    "GridhubReceiverFails": {"gridhub_receivers_failing": "0x60 2x120"},
    "GridhubAlertsPileUp": {"gridhub_outbox_pending": "3x60 2000x120"},
}
ALSO = {"readings are lost": ("GridhubProberCannotWrite", {"gridhub_probe_readings_lost_total": "0x150 1x30"}),
        "rules are refused": ("GridhubReloadRefused", {'gridhub_rule_reloads_total{result="refused"}': "0x150 1x30"})}
# What is different, and no reason for any alert.
SILENT = {"a fifth of the cameras is switched off in maintenance": {
    'gridhub_probe_streams{state="online"}': "100x60 78x120", 'gridhub_probe_streams{state="offline"}': "2x60 24x120",
    'gridhub_probe_grid_streams{grid="qx",level="0",state="online"}': "100x60 78x120",
    'gridhub_probe_grid_streams{grid="qx",level="0",state="maintenance"}': "0x60 22x120"}}
AT = "160m"


def promtool(*argv, **kw):
    return subprocess.run(["promtool", *map(str, argv)], capture_output=True, text=True, check=False, **kw)


def alert_names():
    return re.findall(r"^ +- alert: (\w+)$", ALERTS.read_text(), re.M)


def expressions():
    """Of dashboard and alerts, as they stand; the dashboard's with its variables filled in."""
    found = [t["expr"] for p in DASHBOARD["panels"] for t in p.get("targets", [])]
    found = [e.replace("$instance", ".*").replace("$__rate_interval", "1m") for e in found]
    rules = re.split(r"^ +- alert: ", ALERTS.read_text(), flags=re.M)[1:]
    for rule in rules:
        expr = re.search(r"^ +expr: (?:>-\n)?(.*?)^ +(?:for|labels):", rule, re.M | re.S)[1]
        found.append(" ".join(expr.split()))
    return found


def names(expr):
    """Metrics that stand in an expression."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(by|on|without) *\([^)]*\)", "", expr)
    words = set(re.findall(r"[a-z_]{2,}\b(?! *\()", bare)) - {"and", "or", "unless", "by"}
    return {w for w in words if w in OWN or "_" in w}


def test_the_files_are_good(folder):
    assert shutil.which("promtool"), "package prometheus is missing (tests/packages.txt)"
    for what, path in (("rules", ALERTS), ("config", MONITORING / "prometheus.yaml")):
        done = promtool("check", what, path)
        assert done.returncode == 0, done.stdout + done.stderr
    ids = [p["id"] for p in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids) and {"source", "instance"} == {v["name"] for v in DASHBOARD["templating"]["list"]}
    for rule in re.split(r"^ +- alert: ", ALERTS.read_text(), flags=re.M)[1:]:
        assert re.search(r"severity: (critical|warning)", rule) and "summary:" in rule and "action:" in rule, rule


def series(values):
    def labelled(name):
        bare, _, labels = name.partition("{")
        return f"{bare}{{{labels[:-1]}{',' if labels else ''}{HUB[1:]}"
    return [{"series": labelled(name), "values": text} for name, text in values.items()]


def case(values, *expected):
    """ALERTS as Prometheus writes them: which of them fire at the end."""
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in expected]
    return {"interval": "1m", "input_series": series(values), "promql_expr_test": [
        {"expr": 'count by (alertname) (ALERTS{alertstate="firing"}) > bool 0', "eval_time": AT, "exp_samples": samples}]}


def test_each_alert_fires_for_its_reason_and_no_other_does(folder):
    assert sorted(FAULTS) == sorted(alert_names()), "an alert without a test, or a test without an alert"
    tests = [case(WELL)] + [case({**WELL, **same}) for same in SILENT.values()] + [case({**WELL, **fault}, name) for name, fault in [*FAULTS.items(), *ALSO.values()]]
    path = folder / "alerts.test.yaml"
    path.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}, indent=1))
    done = promtool("test", "rules", path)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def test_a_test_of_alerts_that_expects_too_much_fails(folder):
    """promtool says so; else the test above would prove nothing. That of maintenance, too: cameras that are offline beside it count."""
    (maintenance,) = SILENT.values()
    more = {'gridhub_probe_grid_streams{grid="qx",level="0",state="offline"}': "2x60 24x120"}
    for tests in ([case(WELL, "GridhubDown")], [case({**WELL, **FAULTS["GridhubDown"]})], [case({**WELL, **maintenance, **more})]):
        path = folder / "alerts.test.yaml"
        path.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}))
        assert promtool("test", "rules", path).returncode != 0


@pytest.fixture
def prometheus(folder):
    """start(hub) → ask(path): a real one, that scrapes that hub each second."""
    made = []

    def start(hub):
        conf = folder / "prometheus"
        conf.mkdir()
        shutil.copy(ALERTS, conf)
        text = (MONITORING / "prometheus.yaml").read_text()
        text = text.replace("hub:8470", f"127.0.0.1:{hub.http_port}").replace("15s", "1s")
        (conf / "prometheus.yaml").write_text(text)
        port = free_port()
        made.append(Process(["prometheus", f"--config.file={conf}/prometheus.yaml", f"--storage.tsdb.path={conf}/data",
                             f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"], folder / "prometheus.log"))

        def ask(path, **query):
            url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        return ask

    yield start
    for process in made:
        process.kill()


def test_a_real_prometheus_answers_each_question(make_hub, publisher, receiver, prometheus):
    camera = {"id": "eye-1", "class": "camera", "grid": "qx-yh-1", "stream": f"rtsp://127.0.0.1:{free_port()}/"}
    hub = make_hub({"probe": {"allow_addresses": ["127.0.0.0/8"]}}, grids=GRIDS, devices=[*DEVICES, camera], rules=RULES, receiver=receiver)
    hub.cmd("backup", hub.dir / "backup")
    hub.restart()  # it looks for the age of the last backup at its start, and each hour
    page = hub.get("/metrics")[1]
    checked = promtool("check", "metrics", input=page)
    assert checked.returncode == 0 and not checked.stderr, checked.stdout + checked.stderr
    there = set(re.findall(r"^# TYPE (\S+)", page, re.M))
    asked = set().union(*map(names, expressions()))
    assert len(asked) > 50 and asked - OWN <= there, f"no such metric: {asked - OWN - there}"
    shown = set().union(*(names(t["expr"]) for p in DASHBOARD["panels"] for t in p.get("targets", [])))
    print("\nthe dashboard shows nothing of:", *sorted(there - shown - {"gridhub_build_info"}))

    ask = prometheus(hub)
    for n in range(20):
        publisher.publish(topic_of("bin-1"), {"fill_pct": 90 + n % 2})
    receiver.wait(1)
    wait_until(lambda: [t["health"] for t in ask("targets")["activeTargets"]] == ["up"], 30)
    wait_until(lambda: len(ask("query", query="gridhub_build_info[2m]")["result"][0]["values"]) >= 4, 60)
    empty = {e for e in expressions()[:-len(alert_names())] if not ask("query", query=e)["result"]}
    assert not empty, f"nothing comes of {empty}"
    rules = wait_until(lambda: [r for g in ask("rules")["groups"] for r in g["rules"] if r["health"] == "ok"], 30)
    assert len(rules) == len(alert_names())
    assert [r["name"] for r in rules if r["state"] == "firing"] == []
    start = float(ask("query", query="process_start_time_seconds")["result"][0]["value"][1])
    assert abs(start - hub.process.log_path.stat().st_ctime) < 3600 and start > 1.7e9
    assert float(ask("query", query="process_resident_memory_bytes")["result"][0]["value"][1]) > 1e6

    hub.kill()
    wait_until(lambda: [t["health"] for t in ask("targets")["activeTargets"]] == ["down"], 30)
    wait_until(lambda: [r["state"] for g in ask("rules")["groups"] for r in g["rules"] if r["name"] == "GridhubDown"] == ["pending"], 30)
